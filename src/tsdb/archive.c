/* archive.c - finished logs kept for a restore to a point in time.
 *
 * A log whose samples are in segments moves to "ts/archive" instead of being removed, as long as the archive
 * is wanted ("ts/archive/keep" says so, and how many bytes; it outlives a restart). The oldest go when there
 * are too many bytes, and are counted. A log that is finished but not sealed yet is told and read under the
 * name that it will have there. A log that was damaged is set aside as ever and is not kept here.
 * The rename into the archive is made durable with the removals (job_sync_dir); should it be undone by a
 * power cut, the start finds the log covered and moves it again.
 * Threads: `work` is held by whatever changes the archive; the list is read and written under `lock`. */
#include "base/mem.h"
#include "tsdb/engine.h"
#include "tsdb/small.h"

#define DIR "ts/archive"
#define KEEP_PATH DIR "/keep"
#define KEEP_MAGIC "BNTSKEP1"

static void archive_path(uint64_t number, char out[TSDB_NAME_MAX])
{
    snprintf(out, TSDB_NAME_MAX, DIR "/wal-%016llx", (unsigned long long)number);
}

static int by_number(const void *a, const void *b)
{
    const struct keep_log *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* ---- the start ---- */
struct listing {
    struct keep_archive *a;
    bool nomem;
};

static void note(void *ctx, const char *name, bool dir, int64_t size)
{
    struct listing *l = ctx;
    uint64_t number;
    if (dir || l->nomem || !wal_name_parse(name, &number)) return;
    l->nomem = !mem_grow((void **)&l->a->logs, &l->a->cap, l->a->n + 1, sizeof *l->a->logs);
    if (!l->nomem) l->a->logs[l->a->n++] = (struct keep_log){.number = number, .bytes = size};
}

static int load_keep(struct tsdb *db, uint64_t *ret)
{
    void *block = NULL;
    struct in in;
    int rc = small_load(db->fs, KEEP_PATH, KEEP_MAGIC, &block, &in);
    if (rc == ERR_CORRUPT) { /* keep what there is until somebody says again how much */
        *ret = UINT64_MAX;
        return 0;
    }
    if (rc) return rc;
    *ret = in_u64(&in);
    mem_free(block);
    return 0;
}

int archive_open(struct tsdb *db, uint64_t *ret_last)
{
    struct keep_archive *a = &db->keep.archive;
    struct listing l = {.a = a};
    int rc = load_keep(db, &a->max);
    if (rc == ERR_NOT_FOUND) return 0;
    if (!rc) rc = db->fs->ops->list(db->fs, DIR, note, &l);
    if (!rc && l.nomem) rc = ERR_NOMEM;
    if (a->n > 1) qsort(a->logs, a->n, sizeof *a->logs, by_number);
    if (a->n && a->logs[a->n - 1].number > *ret_last) *ret_last = a->logs[a->n - 1].number;
    return rc;
}

void archive_fini(struct tsdb *db)
{
    mem_free(db->keep.archive.logs);
}

/* ---- keeping ---- */
static bool too_much(struct tsdb *db, uint64_t upto, struct keep_log *ret)
{
    struct keep_archive *a = &db->keep.archive;
    uint64_t bytes = 0;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < a->n; i++) bytes += (uint64_t)a->logs[i].bytes;
    bool more = a->n && (bytes > a->max || a->logs[0].number <= upto);
    if (more) {
        *ret = a->logs[0];
        memmove(a->logs, a->logs + 1, --a->n * sizeof *a->logs);
    }
    pthread_mutex_unlock(&db->lock);
    return more;
}

/* Remove what was asked for (numbers up to `upto`), and the oldest beyond the limit, which are counted. */
static void shrink(struct tsdb *db, uint64_t upto)
{
    struct keep_log l;
    uint64_t lost = 0;
    while (too_much(db, upto, &l)) {
        char path[TSDB_NAME_MAX];
        archive_path(l.number, path);
        (void)db->fs->ops->remove(db->fs, path);
        lost += l.number > upto;
        db->keep.archive.dirty = true;
        db->dir_dirty = true;
    }
    pthread_mutex_lock(&db->lock);
    db->stats.logs_dropped += lost;
    pthread_mutex_unlock(&db->lock);
}

bool archive_take(struct tsdb *db, const struct log_ref *l)
{
    struct keep_archive *a = &db->keep.archive;
    char from[WAL_PATH_MAX], to[TSDB_NAME_MAX];
    if (a->max == 0 || l->damaged || l->dropped || l->bytes <= WAL_HEAD) return false;
    pthread_mutex_lock(&db->lock);
    bool room = mem_grow((void **)&a->logs, &a->cap, a->n + 1, sizeof *a->logs);
    pthread_mutex_unlock(&db->lock);
    wal_path(l->number, from);
    archive_path(l->number, to);
    bool ok = room && db->fs->ops->rename(db->fs, from, to) == 0;
    pthread_mutex_lock(&db->lock);
    bool known = false;
    for (size_t i = 0; i < a->n; i++) known |= a->logs[i].number == l->number;
    if (ok && !known) {
        a->logs[a->n++] = (struct keep_log){l->number, (int64_t)l->bytes, l->first_us, l->last_us};
        qsort(a->logs, a->n, sizeof *a->logs, by_number);
    }
    db->stats.logs_dropped += !ok;
    pthread_mutex_unlock(&db->lock);
    a->dirty = true;
    if (ok) shrink(db, 0);
    return ok;
}

int archive_sync(struct tsdb *db)
{
    struct keep_archive *a = &db->keep.archive;
    int rc = a->dirty ? db->fs->ops->sync_dir(db->fs, DIR) : 0;
    if (!rc || rc == ERR_NOT_FOUND) a->dirty = false;
    return a->dirty ? rc : 0;
}

static int save_keep(struct tsdb *db, uint64_t max_bytes)
{
    struct buf b;
    int rc = db->fs->ops->mkdir(db->fs, DIR);
    if (!rc) rc = db->fs->ops->sync_dir(db->fs, "ts");
    buf_init(&b, 64);
    small_begin(&b, KEEP_MAGIC);
    buf_u64le(&b, max_bytes);
    if (!rc) rc = small_save(db->fs, KEEP_PATH, &b);
    buf_fini(&b);
    return rc;
}

static int stop_keeping(struct tsdb *db)
{
    shrink(db, UINT64_MAX);
    int rc = db->fs->ops->remove(db->fs, KEEP_PATH);
    if (rc == ERR_NOT_FOUND) return 0;
    db->keep.archive.dirty = true;
    return rc ? rc : archive_sync(db);
}

int db_archive_logs(struct ts_store *st, uint64_t max_bytes, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    pthread_mutex_lock(&db->work);
    int rc = 0;
    if (max_bytes == 0)
        rc = stop_keeping(db);
    else if (max_bytes != db->keep.archive.max)
        rc = save_keep(db, max_bytes);
    if (!rc) {
        pthread_mutex_lock(&db->lock);
        db->keep.archive.max = max_bytes;
        pthread_mutex_unlock(&db->lock);
        if (max_bytes) shrink(db, 0);
    }
    pthread_mutex_unlock(&db->work);
    return rc ? error_set(e, rc, DIR, "the archive of logs cannot be set: %s", "无法设置日志归档：%s", error_title(rc))
              : 0;
}

/* ---- telling ---- */
/* A new log, so that the one that is being written is finished. The head stays: it then has several. */
static int rotate_locked(struct tsdb *db, struct wal *wal)
{
    pthread_mutex_lock(&db->lock);
    bool ok = mem_grow((void **)&db->logs, &db->cap_logs, db->nlogs + 1, sizeof *db->logs);
    uint64_t head = head_number(db->view->heads[db->view->nheads - 1]);
    pthread_mutex_unlock(&db->lock);
    if (!ok) return ERR_NOMEM;
    wal_finish(&db->wal, clock_now_us(db->clock));
    int64_t size = fs_size(db->wal.f);
    pthread_mutex_lock(&db->lock);
    if (size > 0) db->logs[db->nlogs - 1].bytes = (uint64_t)size;
    db->logs[db->nlogs++] = (struct log_ref){.number = wal->number, .bytes = WAL_HEAD, .head = head};
    pthread_mutex_unlock(&db->lock);
    wal_close(&db->wal);
    db->wal = *wal;
    return 0;
}

static int rotate(struct tsdb *db)
{
    struct wal wal;
    pthread_mutex_lock(&db->append);
    bool due = db->wal.f && !db->wal.failed && db->wal.seq > 0;
    pthread_mutex_unlock(&db->append);
    if (!due) return 0;
    int rc = wal_create(db->fs, db->wal.number + 1, &wal);
    if (rc) return rc;
    pthread_mutex_lock(&db->append);
    rc = db->wal.failed ? ERR_IO : rotate_locked(db, &wal);
    pthread_mutex_unlock(&db->append);
    if (rc) {
        char path[WAL_PATH_MAX];
        wal_path(wal.number, path);
        wal_close(&wal);
        (void)db->fs->ops->remove(db->fs, path);
    }
    return rc;
}

struct list {
    struct keep_log *l;
    size_t n, cap;
};

static int gather(struct tsdb *db, struct list *out)
{
    struct keep_archive *a = &db->keep.archive;
    pthread_mutex_lock(&db->lock);
    bool ok = mem_grow((void **)&out->l, &out->cap, a->n + db->nlogs + 1, sizeof *out->l);
    for (size_t i = 0; ok && i < a->n; i++) out->l[out->n++] = a->logs[i];
    for (size_t i = 0; ok && i < db->nlogs; i++) {
        const struct log_ref *r = &db->logs[i];
        if (r->number == db->wal.number || r->damaged || r->dropped || r->bytes <= WAL_HEAD) continue;
        out->l[out->n++] = (struct keep_log){r->number, (int64_t)r->bytes, r->first_us, r->last_us};
    }
    pthread_mutex_unlock(&db->lock);
    if (out->n > 1) qsort(out->l, out->n, sizeof *out->l, by_number);
    return ok ? 0 : ERR_NOMEM;
}

static void remember_times(struct tsdb *db, const struct keep_log *l)
{
    struct keep_archive *a = &db->keep.archive;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < a->n; i++)
        if (a->logs[i].number == l->number) a->logs[i] = *l;
    pthread_mutex_unlock(&db->lock);
}

int db_logs(struct ts_store *st, int (*fn)(void *ctx, const struct ts_log *), void *ctx)
{
    struct tsdb *db = tsdb_of(st);
    struct list list = {0};
    pthread_mutex_lock(&db->work);
    bool on = db->keep.archive.max > 0;
    int rc = on ? rotate(db) : 0;
    if (!rc && on) rc = gather(db, &list);
    pthread_mutex_unlock(&db->work);
    for (size_t i = 0; i < list.n && !rc; i++) {
        struct keep_log *l = &list.l[i];
        struct ts_log out = {.number = l->number, .bytes = l->bytes};
        archive_path(l->number, out.name);
        if (l->last_us == 0 && wal_times(db->fs, out.name, &l->first_us, &l->last_us) == 0) remember_times(db, l);
        out.first_us = l->first_us;
        out.last_us = l->last_us;
        rc = fn(ctx, &out);
    }
    mem_free(list.l);
    return rc;
}

int64_t db_log_read(struct ts_store *st, const char *name, void *p, size_t n, int64_t at)
{
    struct tsdb *db = tsdb_of(st);
    const char *base = strrchr(name, '/');
    char path[TSDB_NAME_MAX];
    uint64_t number;
    struct fs_file *f;
    if (!wal_name_parse(base ? base + 1 : name, &number)) return ERR_NOT_FOUND;
    archive_path(number, path);
    int rc = fs_open(db->fs, path, FS_READ, &f);
    if (rc == ERR_NOT_FOUND) {
        wal_path(number, path);
        rc = fs_open(db->fs, path, FS_READ, &f);
    }
    if (rc == ERR_NOT_FOUND) { /* it has just moved */
        archive_path(number, path);
        rc = fs_open(db->fs, path, FS_READ, &f);
    }
    if (rc) return rc;
    int64_t got = fs_pread(f, p, n, at);
    fs_close(f);
    return got;
}

int db_log_drop(struct ts_store *st, uint64_t upto, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    pthread_mutex_lock(&db->work);
    shrink(db, upto);
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < db->nlogs; i++)
        if (db->logs[i].number <= upto && db->logs[i].number != db->wal.number) db->logs[i].dropped = true;
    pthread_mutex_unlock(&db->lock);
    int rc = archive_sync(db);
    pthread_mutex_unlock(&db->work);
    return rc ? error_set(e, rc, DIR, "logs cannot be removed: %s", "无法删除日志：%s", error_title(rc)) : 0;
}
