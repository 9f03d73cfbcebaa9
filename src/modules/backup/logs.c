/* logs.c - the job backup.logs: finished logs of the engine into the target, for restoring to a point in time.
 *
 * The engine keeps its finished logs while any plan asks for them (planner.c), up to a bound; when a target was away
 * for so long that some were given up, the next log that is stored says that the one before it is missing (`after` is
 * 0), and a restore to a time behind the gap refuses. A log is dropped by the engine when every plan that wants logs
 * has it. */
#include "base/mem.h"
#include "modules/backup/backup.h"
#include "modules/backup/pack.h"

struct found {
    struct ts_log *log;
    size_t n, cap;
};

static int take(void *ctx, const struct ts_log *l)
{
    struct found *f = ctx;
    if (!mem_grow((void **)&f->log, &f->cap, f->n + 1, sizeof *f->log)) return ERR_NOMEM;
    f->log[f->n++] = *l;
    return 0;
}

struct log_source {
    struct ts_store *st;
    const char *name;
};
static int64_t read_log(void *ctx, void *p, size_t n, int64_t at)
{
    struct log_source *s = ctx;
    return s->st->admin->log_read(s->st, s->name, p, n, at);
}

static int store(struct ts_store *st, struct target *t, const struct ts_log *l, uint64_t after, struct error *e)
{
    AUTO_ARENA a;
    struct log_source source = {st, l->name};
    struct pack_source s = {.read = read_log, .ctx = &source, .bytes = l->bytes};
    struct log_entry x = {.file.name = str_of(l->name),
                          .number = l->number,
                          .after = after,
                          .first_us = l->first_us,
                          .last_us = l->last_us};
    arena_init(&a, 64u << 20);
    int rc = pack_file(t, &a, &s, &x.file, e);
    return rc ? rc : logfile_write(t, &x, e);
}

/* What every plan that wants logs has. */
struct least {
    struct backup *b;
    uint64_t upto;
    struct error *e;
};
static int lower(void *ctx, const struct resource *r)
{
    struct least *l = ctx;
    AUTO_ARENA a;
    struct backup_plan p;
    uint64_t log;
    int64_t at;
    arena_init(&a, 4u << 20);
    if (backup_plan_read(r, &a, &p)) return backup_nomem(l->e);
    if (!p.enabled || !p.logs) return 0;
    int rc = backup_position(l->b, p.id, &log, &at, l->e);
    if (!rc && log < l->upto) l->upto = log;
    return rc;
}

static int drop(struct backup *b, uint64_t newest, struct error *e)
{
    struct least l = {b, newest, e};
    struct ts_store *st = b->node->engine;
    int rc = resource_each(b->node->kernel, "backup_plan", lower, &l, e);
    return rc || !l.upto ? rc : st->admin->log_drop(st, l.upto, e);
}

/* Whether the engine may have given up logs: then what it keeps is close to the bound. */
static bool near_the_bound(const struct found *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n; i++) sum += (uint64_t)f->log[i].bytes;
    return sum > LOGS_KEPT / 2;
}

/* The stored log that comes right before: numbers may leave some out, but a jump near the bound is a gap. */
static uint64_t before(struct job *j, const struct found *f, const struct ts_log *l, uint64_t last)
{
    if (!last) return l->number - 1;
    if (l->number == last + 1 || !near_the_bound(f)) return last;
    job_log(j, "warn", "logs between %llu and %llu were given up before they could be stored", (unsigned long long)last,
            (unsigned long long)l->number);
    return 0;
}

static int send_logs(struct backup *b, struct job *j, const struct backup_plan *p, struct target *t,
                     const struct found *f, uint64_t *ret_stored, struct error *e)
{
    uint64_t last;
    int64_t at;
    int rc = backup_position(b, p->id, &last, &at, e);
    for (size_t i = 0; i < f->n && !rc; i++) {
        const struct ts_log *l = &f->log[i];
        if (l->number <= last) continue;
        if (job_cancelled(j)) return ERR_CANCELLED;
        rc = store(b->node->engine, t, l, before(j, f, l, last), e);
        if (!rc) rc = backup_position_set(b, p->id, l->number, e);
        last = l->number;
        ++*ret_stored;
        job_progress(j, i + 1, f->n, "sending logs", "正在发送日志");
    }
    if (!rc && !*ret_stored) rc = backup_position_set(b, p->id, last, e); /* it was looked at now */
    return rc ? rc : drop(b, last, e);
}

int backup_job_logs(void *ctx, struct job *j, struct error *e)
{
    struct backup *b = ctx;
    struct ts_store *st = b->node->engine;
    struct backup_plan p;
    struct target *t;
    struct found f = {0};
    uint64_t stored = 0;
    struct arena *a = job_arena(j);
    int rc = backup_plan_get(b, a, json_str(json_get(job_params(j), "plan"), STR("")), &p, e);
    if (!rc && (!st->admin || !st->admin->logs || !st->admin->log_read || !st->admin->log_drop))
        rc = error_set(e, ERR_UNSUPPORTED, "history", "this store keeps no logs", "该存储不保留日志");
    if (!rc) rc = backup_target_open(b, &p, j, &t, e);
    if (rc) return rc;
    rc = st->admin->logs(st, take, &f);
    if (rc) error_set(e, rc, "history", "the logs cannot be listed", "无法列出日志");
    if (!rc) rc = send_logs(b, j, &p, t, &f, &stored, e);
    mem_free(f.log);
    backup_target_close(b, &p, t);
    struct json *result = rc ? NULL : json_new_object(a);
    if (rc) return rc;
    json_set(result, a, STR("logs"), json_new_i64(a, (int64_t)stored));
    return result ? job_result(j, result, e) : backup_nomem(e);
}
