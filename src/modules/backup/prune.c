/* prune.c - the job backup.prune, and what goes after each full backup.
 *
 * A plan keeps its newest `keep_full` full backups and every incremental one that is newer than the oldest of them. The
 * order makes a crash harmless at any moment: first the manifest of a backup goes (the backup is gone as a whole), then
 * logs that no backup needs, then chunks that no manifest, list or log names; what a crash leaves is found by the next
 * run. Chunks stay where a list cannot be read, and while another backup is on its way: its chunks have no name yet. */
#include "base/mem.h"
#include "modules/backup/backup.h"
#include "modules/backup/hashset.h"

struct prune {
    struct backup *b;
    struct target *t;
    struct prune_result *out;
    struct hashset used;
    char (*gone)[160]; /* keys to delete */
    uint64_t *size;
    size_t ngone, gcap, scap;
    struct error *e;
};

/* ------------------------------------------------------------------ backups */

static bool is_full(const struct manifest *m)
{
    return strcmp(m->mode, "full") == 0;
}

/* The first of all[] (oldest first) of that plan that stays; n: none is old. */
static size_t first_kept(const struct manifest *all, size_t n, const struct backup_plan *p)
{
    int64_t fulls = 0;
    size_t i = n;
    while (i-- > 0) {
        if (strcmp(all[i].plan, p->id) != 0 || !is_full(&all[i])) continue;
        if (++fulls == p->keep_full) return i;
    }
    return 0;
}

static int drop_backups(struct prune *x, const struct backup_plan *p, struct manifest *all, size_t *n)
{
    size_t keep = first_kept(all, *n, p), out = 0;
    for (size_t i = 0; i < *n; i++) {
        bool old = i < keep && strcmp(all[i].plan, p->id) == 0;
        int rc = old ? manifest_delete(x->t, all[i].id, x->e) : 0;
        if (!rc && old) rc = backup_row_delete(x->b, all[i].id, x->e);
        if (rc) return rc;
        if (old)
            x->out->backups++;
        else
            all[out++] = all[i];
    }
    *n = out;
    return 0;
}

/* Logs below what the oldest backup with history holds. */
static int drop_logs(struct prune *x, struct arena *a, const struct manifest *all, size_t n)
{
    struct log_entry *logs;
    size_t nlogs;
    uint64_t floor = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (all[i].part[PART_HISTORY] && all[i].log < floor) floor = all[i].log;
    int rc = logfile_all(x->t, a, &logs, &nlogs, x->e);
    for (size_t i = 0; i < nlogs && !rc && floor != UINT64_MAX; i++) {
        if (logs[i].number > floor) continue;
        rc = logfile_delete(x->t, logs[i].number, x->e);
        x->out->logs++;
    }
    return rc;
}

/* ------------------------------------------------------------------ chunks */

static int use(struct prune *x, struct str hash)
{
    return hashset_add(&x->used, hash) == ERR_NOMEM ? backup_nomem(x->e) : 0;
}

static int use_all(struct prune *x, const struct json *chunks)
{
    int rc = 0;
    for (const struct json *c = chunks ? chunks->child : NULL; c && !rc; c = c->next) rc = use(x, json_str(c, STR("")));
    return rc;
}

static int use_file(void *ctx, const struct entry *f, struct error *e)
{
    return use_all(ctx, f->chunks);
}

static int mark(struct prune *x, struct arena *a, const struct manifest *all, size_t n)
{
    struct log_entry *logs;
    size_t nlogs;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = use_all(x, all[i].list);
        if (!rc) rc = use_all(x, all[i].points);
        if (!rc) rc = manifest_files(x->t, &all[i], use_file, x, x->e);
    }
    if (!rc) rc = logfile_all(x->t, a, &logs, &nlogs, x->e);
    for (size_t i = 0; !rc && i < nlogs; i++) rc = use_all(x, logs[i].file.chunks);
    return rc;
}

static int look_at_chunk(void *ctx, const char *key, const struct object_info *i)
{
    struct prune *x = ctx;
    const char *name = strrchr(key, '/');
    if (target_cancelled(x->t)) return ERR_CANCELLED;
    if (!name || strlen(name + 1) != TARGET_HASH - 1) return 0;
    if (hashset_has(&x->used, str_of(name + 1))) return 0;
    if (!mem_grow((void **)&x->gone, &x->gcap, x->ngone + 1, sizeof *x->gone) ||
        !mem_grow((void **)&x->size, &x->scap, x->ngone + 1, sizeof *x->size))
        return backup_nomem(x->e);
    snprintf(x->gone[x->ngone], sizeof *x->gone, "%.150s", key);
    x->size[x->ngone++] = i->size;
    return 0;
}

static int sweep(struct prune *x)
{
    int rc = target_each(x->t, "chunks/", look_at_chunk, x, x->e);
    for (size_t i = 0; i < x->ngone && !rc; i++) {
        rc = target_cancelled(x->t) ? ERR_CANCELLED : target_delete(x->t, x->gone[i], x->e);
        if (rc) break;
        x->out->chunks++;
        x->out->bytes += x->size[i];
    }
    return rc;
}

/* Any backup on its way, of any plan and process. */
static int others_run(struct backup *b, bool *ret, struct error *e)
{
    AUTO_ARENA a;
    struct backup_row *rows;
    size_t n;
    int64_t total;
    arena_init(&a, 64u << 20);
    int rc = backup_rows(b, &a, STR(""), 0, 1000, &rows, &n, &total, e);
    *ret = false;
    for (size_t i = 0; i < n && !rc; i++) *ret = *ret || str_is(rows[i].state, "running");
    return rc;
}

/* ------------------------------------------------------------------ */

int backup_prune(struct backup *b, struct target *t, const struct backup_plan *p, struct prune_result *ret,
                 struct error *e)
{
    AUTO_ARENA a;
    struct prune x = {.b = b, .t = t, .out = ret, .e = e};
    struct manifest *all;
    size_t n, bad;
    bool busy = false;
    arena_init(&a, 1024u << 20);
    int rc = manifest_all(t, &a, &all, &n, &bad, e);
    if (!rc) rc = backup_rows_keep(b, p->id, all, n, e);
    if (!rc) rc = drop_backups(&x, p, all, &n);
    if (!rc) rc = drop_logs(&x, &a, all, n);
    if (!rc) rc = backup_rows_heal(b, e);
    if (!rc) rc = others_run(b, &busy, e);
    if (!rc && bad)
        rc = error_set(e, ERR_CORRUPT, "manifest", "%zu manifests cannot be read; no chunks were removed",
                       "%zu 个清单无法读取；未删除任何数据块", bad);
    if (!rc && !busy) rc = mark(&x, &a, all, n);
    if (!rc && !busy) rc = sweep(&x);
    hashset_fini(&x.used);
    mem_free(x.gone);
    mem_free(x.size);
    return rc;
}

int backup_job_prune(void *ctx, struct job *j, struct error *e)
{
    struct backup *b = ctx;
    struct backup_plan p;
    struct target *t;
    struct prune_result r = {0};
    struct arena *a = job_arena(j);
    int rc = backup_plan_get(b, a, json_str(json_get(job_params(j), "plan"), STR("")), &p, e);
    if (!rc) rc = backup_target_open(b, &p, j, &t, e);
    if (rc) return rc;
    rc = backup_prune(b, t, &p, &r, e);
    backup_target_close(b, &p, t);
    struct json *result = rc ? NULL : json_new_object(a);
    if (rc) return rc;
    json_set(result, a, STR("backups"), json_new_i64(a, (int64_t)r.backups));
    json_set(result, a, STR("logs"), json_new_i64(a, (int64_t)r.logs));
    json_set(result, a, STR("chunks"), json_new_i64(a, (int64_t)r.chunks));
    json_set(result, a, STR("bytes"), json_new_i64(a, (int64_t)r.bytes));
    return result ? job_result(j, result, e) : backup_nomem(e);
}
