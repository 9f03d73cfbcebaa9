/* run.c - the jobs backup.full and backup.incremental.
 *
 * Order: a snapshot of history (one moment, while the platform runs), then one of the database, then everything into
 * the target, file by file; then the snapshot is opened as a store and its points are hashed; the manifest comes last.
 * What a killed job has sent stays and is not sent again: chunks are known by their content, and a checkpoint remembers
 * the list so far, so that files need not even be read again. The first snapshot was lost with the process: a job that
 * goes on takes a new one.
 *
 * Full: every file is read and hashed again. Incremental: files that the newest backup of the plan has under the same
 * name and id are taken over unread. After a drill found damage the next backup is full and sends everything again. */
#include "base/mem.h"
#include "base/time.h"
#include "modules/backup/backup.h"
#include "modules/backup/digest.h"
#include "modules/backup/overlay.h"
#include "modules/backup/pack.h"
#include "modules/backup/reuse.h"

#define CHECKPOINT_BYTES (1u << 30)
#define CHECKPOINT_FILES 2000
#define DATABASE_CHUNK (4u << 20)

struct run {
    struct backup *b;
    struct job *j;
    struct backup_plan plan;
    struct target *t;
    struct manifest m;
    struct lines list;
    struct reuse *reuse;
    struct ts_snapshot *snap;
    struct fs *scratch;
    char path[4400];
    uint64_t done, total, reused; /* bytes */
    uint64_t since_bytes, since_files;
    enum backup_part part; /* that is being sent */
    bool fresh;
    struct arena arena; /* of the lists */
    struct error *e;
};

/* ------------------------------------------------------------------ a file */

static void progress(void *ctx, size_t n)
{
    struct run *r = ctx;
    r->done += n;
    r->since_bytes += n;
    job_progress(r->j, r->done, r->total > r->done ? r->total : r->done, "sending", "正在发送");
}

static int checkpoint(struct run *r)
{
    AUTO_ARENA a;
    arena_init(&a, 16u << 20);
    int rc = r->list.chunks ? lines_flush(&r->list, r->e) : 0;
    struct json *state = rc ? NULL : json_new_object(&a);
    if (rc) return rc;
    json_set(state, &a, STR("backup"), json_new_str(&a, str_of(r->m.id)));
    json_set(state, &a, STR("partial"), r->list.chunks ? json_copy(&a, r->list.chunks) : json_new_array(&a));
    r->since_bytes = r->since_files = 0;
    return state ? job_checkpoint(r->j, state, r->e) : backup_nomem(r->e);
}

static int list_line(struct run *r, struct str line, int64_t bytes)
{
    int rc = lines_add(&r->list, line, r->e);
    r->m.files++;
    r->m.bytes += (uint64_t)bytes;
    r->m.part_files[r->part]++;
    r->m.part_bytes[r->part] += (uint64_t)bytes;
    if (!rc && (r->since_bytes >= CHECKPOINT_BYTES || ++r->since_files >= CHECKPOINT_FILES)) rc = checkpoint(r);
    return rc;
}

static int list_entry(struct run *r, const struct entry *f)
{
    struct buf b;
    buf_init(&b, 16u << 20);
    struct json_writer w = json_writer(&b);
    entry_write(&w, f);
    int rc = b.err ? error_set(r->e, b.err, "list", "a file has too many chunks", "文件块过多")
                   : list_line(r, buf_view(&b), f->bytes);
    buf_fini(&b);
    return rc;
}

static int store_file(struct run *r, struct entry *f, struct pack_source *s)
{
    AUTO_ARENA a;
    int64_t bytes = 0;
    arena_init(&a, 256u << 20);
    struct str line = reuse_find(r->reuse, r->t, f, &bytes);
    if (line.p) {
        r->done += (uint64_t)bytes;
        r->reused += (uint64_t)bytes;
        return list_line(r, line, bytes);
    }
    s->progress = progress;
    s->pctx = r;
    int rc = pack_file(r->t, &a, s, f, r->e);
    return rc ? rc : list_entry(r, f);
}

/* ------------------------------------------------------------------ history */

struct snap_file {
    struct ts_snapshot *snap;
    size_t file;
};
static int64_t read_snap(void *ctx, void *p, size_t n, int64_t at)
{
    struct snap_file *f = ctx;
    return f->snap->ops->read(f->snap, f->file, p, n, at);
}

static int take_snapshot(struct run *r)
{
    struct ts_store *st = r->b->node->engine;
    if (!st->admin || !st->admin->snapshot)
        return error_set(r->e, ERR_UNSUPPORTED, "history", "this store cannot be backed up while it runs",
                         "该存储不支持在线备份");
    int rc = st->admin->snapshot(st, &r->snap, r->e);
    if (rc) return rc;
    r->m.log = r->snap->log;
    for (size_t i = 0; i < r->snap->nfiles; i++) {
        r->total += (uint64_t)r->snap->files[i].bytes;
        if (r->snap->files[i].newest_us > r->m.until_us) r->m.until_us = r->snap->files[i].newest_us;
    }
    return 0;
}

static int store_history(struct run *r)
{
    int rc = 0;
    r->part = PART_HISTORY;
    for (size_t i = 0; i < r->snap->nfiles && !rc; i++) {
        const struct ts_snapshot_file *f = &r->snap->files[i];
        struct snap_file source = {r->snap, i};
        struct pack_source s = {.read = read_snap, .ctx = &source, .bytes = f->bytes};
        struct entry x = {.part = STR("history"),
                          .name = str_of(f->name),
                          .id = str_of(f->id),
                          .class_id = f->class_id,
                          .place = f->place,
                          .from_us = f->oldest_us,
                          .to_us = f->newest_us};
        rc = job_cancelled(r->j) ? ERR_CANCELLED : store_file(r, &x, &s);
    }
    return rc;
}

/* ------------------------------------------------------------------ database */

static int64_t read_file(void *ctx, void *p, size_t n, int64_t at)
{
    return fs_pread(ctx, p, n, at);
}

static int snapshot_database(struct run *r)
{
    struct sql *db = kernel_sql(r->b->node->kernel);
    char path[4420];
    struct fs_file *f;
    snprintf(path, sizeof path, "%s/kernel.db", r->path);
    snprintf(r->m.engine, sizeof r->m.engine, "%s", sql_dialect(db) == SQL_SQLITE ? "sqlite" : "postgresql");
    job_progress(r->j, 0, r->total, "copying the database", "正在复制数据库");
    int rc = sql_snapshot(db, path, r->e);
    if (rc) return rc;
    if ((rc = fs_open(r->scratch, "kernel.db", FS_READ, &f)))
        return error_set(r->e, rc, path, "cannot be read", "无法读取");
    r->total += (uint64_t)fs_size(f);
    fs_close(f);
    return 0;
}

/* Databases of modules beside the kernel's, in the data directory: each as of one moment. */
static const char *const module_databases[] = {"mqtt.db"};

static int snapshot_module(struct run *r, const char *name)
{
    struct fs_file *f;
    struct sql *db;
    char url[4420], path[4420];
    if (fs_open(r->b->node->data, name, FS_READ, &f)) return 0; /* never used here */
    fs_close(f);
    snprintf(url, sizeof url, "sqlite:%s/%s", r->b->node->data_path, name);
    snprintf(path, sizeof path, "%s/%s", r->path, name);
    int rc = sql_open(url, &db, r->e);
    if (rc) return rc;
    rc = sql_snapshot(db, path, r->e);
    sql_close(db);
    if (rc) return rc;
    if ((rc = fs_open(r->scratch, name, FS_READ, &f))) return error_set(r->e, rc, path, "cannot be read", "无法读取");
    struct pack_source s = {.read = read_file, .ctx = f, .bytes = fs_size(f), .chunk = DATABASE_CHUNK};
    struct entry x = {.part = STR("database"), .name = str_of(name), .id = str_of(r->m.id), .class_id = 255};
    rc = store_file(r, &x, &s);
    fs_close(f);
    (void)r->scratch->ops->remove(r->scratch, name);
    return rc;
}

static int store_modules(struct run *r)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof module_databases / sizeof *module_databases && !rc; i++)
        rc = snapshot_module(r, module_databases[i]);
    return rc;
}

/* With what settings the platform was started (app/config.c writes them down, without passwords). */
static int store_settings(struct run *r)
{
    struct fs_file *f;
    if (fs_open(r->b->node->data, "settings.json", FS_READ, &f)) return 0;
    struct pack_source s = {.read = read_file, .ctx = f, .bytes = fs_size(f)};
    struct entry x = {.part = STR("database"), .name = STR("settings.json"), .id = str_of(r->m.id), .class_id = 255};
    int rc = store_file(r, &x, &s);
    fs_close(f);
    return rc;
}

static int store_database(struct run *r)
{
    struct fs_file *f;
    int rc = fs_open(r->scratch, "kernel.db", FS_READ, &f);
    if (rc) return error_set(r->e, rc, "kernel.db", "cannot be read", "无法读取");
    r->part = PART_DATABASE;
    struct pack_source s = {.read = read_file, .ctx = f, .bytes = fs_size(f), .chunk = DATABASE_CHUNK};
    struct entry x = {.part = STR("database"), .name = STR("kernel.db"), .id = str_of(r->m.id), .class_id = 255};
    rc = store_file(r, &x, &s);
    fs_close(f);
    (void)r->scratch->ops->remove(r->scratch, "kernel.db");
    if (!rc) rc = store_modules(r);
    return rc ? rc : store_settings(r);
}

/* ------------------------------------------------------------------ files */

struct object_source {
    struct object_store *store;
    const char *key;
    struct error *e;
};
static int64_t read_object(void *ctx, void *p, size_t n, int64_t at)
{
    struct object_source *s = ctx;
    size_t got = 0;
    int rc = object_get(s->store, s->key, (uint64_t)at, p, n, &got, s->e);
    return rc ? rc : (int64_t)got;
}

static int store_object(void *ctx, const char *key, const struct object_info *i)
{
    struct run *r = ctx;
    char id[64];
    if (job_cancelled(r->j)) return ERR_CANCELLED;
    if (strncmp(key, "bornite-backup/", 15) == 0) return 0; /* target and files share a bucket */
    snprintf(id, sizeof id, "%llu-%lld", (unsigned long long)i->size, (long long)i->modified_us);
    struct object_source source = {r->b->node->objects, key, NULL};
    struct pack_source s = {.read = read_object, .ctx = &source, .bytes = (int64_t)i->size};
    struct entry x = {.part = STR("files"), .name = str_of(key), .id = str_of(id), .class_id = 255};
    r->total += i->size;
    int rc = store_file(r, &x, &s);
    if (rc != ERR_NOT_FOUND) return rc;
    job_log(r->j, "info", "%s was deleted meanwhile", key);
    return 0;
}

static int store_objects(struct run *r)
{
    r->part = PART_FILES;
    int rc = object_each(r->b->node->objects, "", store_object, r, r->e);
    if (rc && r->e && !r->e->code && rc != ERR_CANCELLED)
        error_set(r->e, rc, "files", "cannot be listed", "无法列出文件");
    return rc;
}

/* ------------------------------------------------------------------ points */

static int64_t overlay_read(void *ctx, size_t file, void *p, size_t n, int64_t at)
{
    struct ts_snapshot *s = ctx;
    return s->ops->read(s, file, p, n, at);
}

static bool ended(void *ctx)
{
    return job_cancelled(ctx);
}

static int list_point(struct run *r, struct lines *l, const struct digest_point *p, const struct digest *d)
{
    char line[200];
    int n = snprintf(line, sizeof line, "{\"p\":%u,\"n\":%llu,\"h\":\"%s\",\"s\":%llu}", p->point,
                     (unsigned long long)d->samples, d->hash, (unsigned long long)p->stored);
    r->m.digest_samples += d->samples;
    r->m.digest_points++;
    return lines_add(l, str_make(line, (size_t)n), r->e);
}

static int digest_all(struct run *r, struct ts_store *st, struct lines *l)
{
    struct digest_points p;
    int rc = digest_points_of(st, &p, r->e);
    if (rc) return rc;
    r->m.samples = p.stored;
    r->m.digest_complete = digest_window(&p, DIGEST_SAMPLES, &r->m.digest_from, &r->m.digest_to);
    for (size_t i = 0; i < p.n && !rc; i++) {
        struct digest d;
        job_progress(r->j, i, p.n, "hashing points", "正在计算各点摘要");
        rc = digest_point(st, p.point[i].point, r->m.digest_from, r->m.digest_to, ended, r->j, &d, r->e);
        if (!rc) rc = list_point(r, l, &p.point[i], &d);
    }
    digest_points_fini(&p);
    return rc;
}

/* Opens the snapshot over a scratch folder: a backup that cannot be opened is none. */
static int open_snapshot(struct run *r, struct fs **ret_fs, struct ts_store **ret)
{
    struct overlay_file *files = arena_calloc(job_arena(r->j), r->snap->nfiles + 1, sizeof *files);
    struct overlay_config c = {
        .files = files, .nfiles = r->snap->nfiles, .read = overlay_read, .ctx = r->snap, .scratch = r->scratch};
    if (!files) return backup_nomem(r->e);
    for (size_t i = 0; i < r->snap->nfiles; i++)
        files[i] = (struct overlay_file){r->snap->files[i].name, r->snap->files[i].bytes};
    if (overlay_fs(&c, ret_fs)) return backup_nomem(r->e);
    int rc = r->b->node->history_open(*ret_fs, INT64_MAX, ret, r->e);
    if (rc) fs_destroy(*ret_fs);
    return rc;
}

static int store_points(struct run *r)
{
    struct lines l;
    struct fs *fs;
    struct ts_store *st;
    int rc = lines_begin(&l, r->t, &r->arena, r->e);
    if (!rc) rc = open_snapshot(r, &fs, &st);
    if (rc) {
        lines_fini(&l);
        return rc;
    }
    rc = digest_all(r, st, &l);
    st->ops->close(st);
    fs_destroy(fs);
    if (rc)
        lines_fini(&l);
    else
        rc = lines_end(&l, r->e);
    r->m.points = l.chunks;
    return rc;
}

/* ------------------------------------------------------------------ the order */

static int row_begin(struct run *r)
{
    struct backup_row row = {.id = str_of(r->m.id),
                             .plan = str_of(r->m.plan),
                             .plan_code = str_of(r->m.plan_code),
                             .mode = str_of(r->m.mode),
                             .base = STR(""),
                             .job = str_of(job_id(r->j)),
                             .at_us = r->m.at_us};
    int rc = backup_row_begin(r->b, &row, r->e);
    return rc ? rc : checkpoint(r);
}

static int begin(struct run *r, const char *mode)
{
    struct backup *b = r->b;
    struct str id = json_str(json_get(job_state(r->j), "backup"), STR(""));
    r->m.at_us = clock_now_us(b->node->clock);
    snprintf(r->m.plan, sizeof r->m.plan, "%s", r->plan.id);
    snprintf(r->m.plan_code, sizeof r->m.plan_code, "%s", r->plan.code);
    snprintf(r->m.mode, sizeof r->m.mode, "%s", mode);
    if (id.n == 36)
        str_to_cstr(id, r->m.id, sizeof r->m.id);
    else
        uuid7(b->node->clock, b->node->rng, r->m.id);
    int rc = backup_is_suspect(b, r->plan.id, &r->fresh, r->e);
    if (rc) return rc;
    r->fresh = r->fresh || json_bool(json_get(job_params(r->j), "fresh"), false);
    if (r->fresh) snprintf(r->m.mode, sizeof r->m.mode, "full");
    return row_begin(r);
}

/* Its manifest stands already: this database was taken in the middle of this very job and has been restored since, or
 * the job was killed at its last step. What is whole is not written again. */
static int be_another(struct run *r, const struct manifest *all, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(all[i].id, r->m.id) != 0) i++;
    if (i == n) return 0;
    int rc = backup_row_done(r->b, &all[i], str_of(job_id(r->j)), STR(""), r->e);
    if (rc) return rc;
    uuid7(r->b->node->clock, r->b->node->rng, r->m.id);
    return row_begin(r);
}

/* The newest backup of this plan, and what a killed job had done. */
static int learn_base(struct run *r)
{
    AUTO_ARENA a;
    struct manifest *all;
    size_t n, bad;
    arena_init(&a, 1024u << 20);
    int rc = r->fresh ? 0 : target_learn(r->t, r->e);
    if (!rc) rc = manifest_all(r->t, &a, &all, &n, &bad, r->e);
    if (!rc) rc = be_another(r, all, n);
    while (!rc && n && strcmp(all[n - 1].plan, r->plan.id) != 0) n--;
    bool incremental = strcmp(r->m.mode, "incremental") == 0;
    if (!rc && incremental && !n) {
        job_log(r->j, "info", "there is no backup to build on yet: this one is full");
        snprintf(r->m.mode, sizeof r->m.mode, "full");
    } else if (!rc && incremental) {
        snprintf(r->m.base, sizeof r->m.base, "%s", all[n - 1].id);
        rc = reuse_add(r->reuse, r->t, all[n - 1].list, r->e);
        if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) {
            job_log(r->j, "warn", "the list of %s is damaged: this backup is full", r->m.base);
            snprintf(r->m.mode, sizeof r->m.mode, "full");
            r->m.base[0] = 0;
            rc = 0;
        }
    }
    const struct json *partial = json_get(job_state(r->j), "partial");
    if (!rc && partial && !r->fresh && reuse_add(r->reuse, r->t, partial, NULL))
        job_log(r->j, "info", "what was done before cannot be read; beginning again");
    return rc;
}

static int send_parts(struct run *r)
{
    int rc = lines_begin(&r->list, r->t, &r->arena, r->e);
    if (!rc && r->plan.part[PART_HISTORY]) rc = take_snapshot(r);
    r->m.at_us = clock_now_us(r->b->node->clock); /* nothing in it was written later: --until relies on that */
    if (!rc && r->plan.part[PART_DATABASE]) rc = snapshot_database(r);
    if (!rc && r->plan.part[PART_DATABASE]) rc = store_database(r);
    if (!rc && r->plan.part[PART_HISTORY]) rc = store_history(r);
    if (!rc && r->plan.part[PART_FILES]) rc = store_objects(r);
    if (!rc) rc = lines_end(&r->list, r->e);
    r->m.list = r->list.chunks;
    r->m.points = json_new_array(&r->arena);
    if (!rc && r->plan.part[PART_HISTORY]) rc = store_points(r);
    return rc;
}

static struct str report_text(struct run *r, double seconds)
{
    struct buf b;
    buf_init(&b, 4096);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kdouble(&w, "seconds", seconds);
    jw_ki64(&w, "sent_bytes", (int64_t)target_sent(r->t));
    jw_ki64(&w, "reused_bytes", (int64_t)r->reused);
    jw_kbool(&w, "fresh", r->fresh);
    jw_key(&w, STR("digest"));
    jw_object(&w);
    jw_ki64(&w, "points", (int64_t)r->m.digest_points);
    jw_ki64(&w, "samples", (int64_t)r->m.digest_samples);
    jw_kbool(&w, "complete", r->m.digest_complete);
    jw_end(&w);
    jw_end(&w);
    struct str text = arena_str(job_arena(r->j), buf_view(&b));
    buf_fini(&b);
    return text.p ? text : STR("{}");
}

static int finish(struct run *r, uint64_t began_ns)
{
    struct arena *a = job_arena(r->j);
    struct json *result = NULL;
    r->m.ended_us = clock_now_us(r->b->node->clock);
    r->m.new_bytes = target_sent(r->t);
    memcpy(r->m.part, r->plan.part, sizeof r->m.part);
    int rc = manifest_write(r->t, &r->m, r->e);
    if (rc) return rc;
    struct str report = report_text(r, (double)(clock_mono_ns(clock_real()) - began_ns) / 1e9);
    rc = backup_row_done(r->b, &r->m, str_of(job_id(r->j)), report, r->e);
    if (!rc) rc = json_parse(a, report, &result, r->e);
    if (rc) return rc;
    json_set(result, a, STR("backup"), json_new_str(a, str_of(r->m.id)));
    json_set(result, a, STR("mode"), json_new_str(a, str_of(r->m.mode)));
    json_set(result, a, STR("files"), json_new_i64(a, (int64_t)r->m.files));
    json_set(result, a, STR("bytes"), json_new_i64(a, (int64_t)r->m.bytes));
    json_set(result, a, STR("samples"), json_new_i64(a, (int64_t)r->m.samples));
    return job_result(r->j, result, r->e);
}

static int steps(struct run *r, const char *mode)
{
    uint64_t began = clock_mono_ns(clock_real());
    int rc = begin(r, mode);
    if (!rc && reuse_new(&r->reuse)) rc = backup_nomem(r->e);
    if (!rc) rc = backup_scratch_open(r->b, r->j, &r->scratch, r->path, r->e);
    if (!rc) rc = backup_target_open(r->b, &r->plan, r->j, &r->t, r->e);
    if (!rc) rc = learn_base(r);
    if (!rc) rc = send_parts(r);
    return rc ? rc : finish(r, began);
}

/* After a full backup, old ones go; that this fails does not make the backup one that failed. */
static void prune(struct run *r)
{
    struct error why = {0};
    struct prune_result p = {0};
    if (strcmp(r->m.mode, "full") != 0) return;
    if (backup_prune(r->b, r->t, &r->plan, &p, &why))
        job_log(r->j, "warn", "old backups could not be removed: %s %s", why.where, why.text);
    else if (p.backups || p.chunks)
        job_log(r->j, "info", "%llu old backups, %llu logs and %llu chunks (%llu bytes) removed",
                (unsigned long long)p.backups, (unsigned long long)p.logs, (unsigned long long)p.chunks,
                (unsigned long long)p.bytes);
}

static void tell(struct run *r, int rc)
{
    char en[400], zh[400];
    if (rc) {
        snprintf(en, sizeof en, "%.90s%s%.300s", r->e->where, r->e->where[0] ? ": " : "", r->e->text);
        snprintf(zh, sizeof zh, "%.90s%s%.300s", r->e->where, r->e->where[0] ? "：" : "", r->e->text_zh);
        atomic_fetch_add(&r->b->failed_total, 1);
        backup_tell(r->b, "failed", EVENT_ERROR, &r->plan, str_of(en), str_of(zh));
        return;
    }
    snprintf(en, sizeof en, "%llu files, %llu bytes, of which %llu were new", (unsigned long long)r->m.files,
             (unsigned long long)r->m.bytes, (unsigned long long)r->m.new_bytes);
    snprintf(zh, sizeof zh, "%llu 个文件，%llu 字节，其中新增 %llu 字节", (unsigned long long)r->m.files,
             (unsigned long long)r->m.bytes, (unsigned long long)r->m.new_bytes);
    atomic_fetch_add(&r->b->done_total, 1);
    atomic_fetch_add(&r->b->sent_total, (int64_t)r->m.new_bytes);
    backup_tell(r->b, "done", EVENT_INFO, &r->plan, str_of(en), str_of(zh));
}

static int run(struct backup *b, struct job *j, const char *mode, struct error *e)
{
    struct error own = {0};
    struct run r = {.b = b, .j = j, .e = e ? e : &own};
    struct str plan = json_str(json_get(job_params(j), "plan"), STR(""));
    int rc = backup_plan_get(b, job_arena(j), plan, &r.plan, r.e);
    if (rc) return rc;
    arena_init(&r.arena, 1024u << 20);
    rc = steps(&r, mode);
    lines_fini(&r.list);
    if (r.snap) r.snap->ops->end(r.snap);
    if (!rc) prune(&r);
    backup_target_close(b, &r.plan, r.t);
    if (r.scratch) backup_scratch_close(r.scratch, r.path);
    reuse_free(r.reuse);
    arena_fini(&r.arena);
    bool given_up = rc && job_cancelled(j);
    if (rc) backup_row_failed(b, r.m.id, given_up ? "cancelled" : "failed", given_up ? &(struct error){0} : r.e);
    if (!given_up) tell(&r, rc);
    backup_wake(b);
    return rc;
}

int backup_job_full(void *ctx, struct job *j, struct error *e)
{
    return run(ctx, j, "full", e);
}

int backup_job_incremental(void *ctx, struct job *j, struct error *e)
{
    return run(ctx, j, "incremental", e);
}
