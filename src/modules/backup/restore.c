/* restore.c - the job backup.restore: samples of a backup back into the running store.
 *
 * The history that the range needs is fetched and opened beside the running store. Points one after the other, and each
 * in steps of at most STEP samples: the samples of a step are compared with what stands in the same stretch of time and
 * written through the sample path (durable on return). A checkpoint after each step: a job that was killed goes on at
 * the step that it was in and does that one again, which gives the same. Only after the last step it is done.
 *
 * missing: a sample is written where the running store has none at that time. replace: what stands in the stretch is
 * removed and the backup's samples are written. Texts are interned again, the bytes of blobs are put again; a blob
 * whose bytes the backup has not (they had expired, or were damaged) comes back as a value that says so. */
#include "base/mem.h"
#include "base/time.h"
#include "model/ts_text.h"
#include "modules/backup/backup.h"
#include "modules/backup/digest.h"

#define STEP 20000

struct restore {
    struct backup *b;
    struct job *j;
    struct error *e;
    struct taken k;
    struct ts_store *from, *to;
    uint32_t *point; /* by number */
    size_t npoints, cap;
    int64_t from_us, to_us;
    bool replace;
    struct sample *buf; /* STEP of the backup */
    size_t n;
    int64_t *stands; /* times in the running store */
    size_t nstands, stands_cap;
    uint64_t read, written, kept, removed;
    uint64_t lost;               /* blobs without bytes */
    uint64_t text_old, text_new; /* of the last text */
    bool text_known;
};

/* ------------------------------------------------------------------ a step */

static int gather(void *ctx, const struct sample *s, size_t n)
{
    struct restore *r = ctx;
    for (size_t i = 0; i < n; i++) {
        if (r->n == STEP) return 1;
        r->buf[r->n++] = s[i];
    }
    return job_cancelled(r->j) ? ERR_CANCELLED : 0;
}

static int gather_times(void *ctx, const struct sample *s, size_t n)
{
    struct restore *r = ctx;
    if (!mem_grow((void **)&r->stands, &r->stands_cap, r->nstands + n, sizeof *r->stands)) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) r->stands[r->nstands++] = s[i].time_us;
    return job_cancelled(r->j) ? ERR_CANCELLED : 0;
}

static int take_blob(struct restore *r, struct sample *s)
{
    struct ts_blob b;
    struct buf bytes;
    uint64_t id = 0;
    buf_init(&bytes, TS_BLOB_MAX);
    int rc = ts_blob_of(r->from, s, &b, &bytes, r->e);
    if (!rc && r->to->ops->blob_put)
        rc = r->to->ops->blob_put(r->to, s->point, s->time_us, b.type, buf_view(&bytes), &id, r->e);
    if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT) r->lost++, rc = 0;
    buf_fini(&bytes);
    s->v.u = id; /* 0: no bytes */
    return rc;
}

static int intern(struct restore *r, struct sample *s)
{
    char text[4096];
    size_t n = 0;
    if (s->type == SAMPLE_BLOB) return take_blob(r, s);
    if (s->type != SAMPLE_STRING) return 0;
    if (r->text_known && r->text_old == s->v.u) {
        s->v.u = r->text_new;
        return 0;
    }
    uint64_t id = 0, was = s->v.u;
    int rc = r->from->ops->string_get(r->from, was, text, sizeof text, &n);
    if (!rc) rc = r->to->ops->string_put(r->to, str_make(text, n), &id);
    if (rc)
        return error_set(r->e, rc, "text", "a text of the backup cannot be taken over: %s", "无法恢复备份中的文本：%s",
                         error_title(rc));
    r->text_known = true;
    r->text_old = was;
    r->text_new = s->v.u = id;
    return 0;
}

/* What of the step is to be written stays in buf. Both are in order of time. */
static void leave_missing(struct restore *r)
{
    size_t out = 0, at = 0;
    for (size_t i = 0; i < r->n; i++) {
        while (at < r->nstands && r->stands[at] < r->buf[i].time_us) at++;
        if (at < r->nstands && r->stands[at] == r->buf[i].time_us)
            r->kept++;
        else
            r->buf[out++] = r->buf[i];
    }
    r->n = out;
}

/* [a, b) of one point; buf holds the samples of the backup in it. */
static int write_step(struct restore *r, uint32_t point, int64_t a, int64_t b)
{
    r->nstands = 0;
    r->read += r->n;
    int rc = r->to->ops->scan(r->to, point, a, b, gather_times, r, r->e);
    if (!rc && !r->replace) leave_missing(r);
    if (!rc && r->replace && r->nstands) {
        rc = r->to->ops->remove
                 ? r->to->ops->remove(r->to, point, a, b, r->e)
                 : error_set(r->e, ERR_UNSUPPORTED, "history", "this store removes nothing", "该存储不支持删除");
        r->removed += r->nstands;
    }
    for (size_t i = 0; i < r->n && !rc; i++) rc = intern(r, &r->buf[i]);
    if (!rc && r->n) rc = bus_write(r->b->node->bus, r->buf, r->n, r->e);
    if (!rc) r->written += r->n;
    return rc;
}

static int checkpoint(struct restore *r, size_t point, int64_t at)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *s = json_new_object(&a);
    json_set(s, &a, STR("point"), json_new_i64(&a, point < r->npoints ? r->point[point] : INT64_C(1) << 32));
    json_set(s, &a, STR("at"), json_new_i64(&a, at));
    json_set(s, &a, STR("read"), json_new_i64(&a, (int64_t)r->read));
    json_set(s, &a, STR("written"), json_new_i64(&a, (int64_t)r->written));
    json_set(s, &a, STR("kept"), json_new_i64(&a, (int64_t)r->kept));
    json_set(s, &a, STR("removed"), json_new_i64(&a, (int64_t)r->removed));
    return s ? job_checkpoint(r->j, s, r->e) : backup_nomem(r->e);
}

static int restore_point(struct restore *r, size_t i, int64_t at)
{
    uint32_t point = r->point[i];
    while (at < r->to_us) {
        r->n = 0;
        int rc = r->from->ops->scan(r->from, point, at, r->to_us, gather, r, r->e);
        if (rc < 0) return rc;
        bool more = rc > 0;
        int64_t end = more ? r->buf[STEP - 1].time_us + 1 : r->to_us;
        rc = write_step(r, point, at, end);
        if (!rc && more) rc = checkpoint(r, i, end);
        if (rc) return rc;
        at = end;
    }
    return 0;
}

static int restore_all(struct restore *r)
{
    const struct json *s = job_state(r->j);
    int64_t first = json_i64(json_get(s, "point"), 0), at = json_i64(json_get(s, "at"), r->from_us);
    r->read = (uint64_t)json_i64(json_get(s, "read"), 0);
    r->written = (uint64_t)json_i64(json_get(s, "written"), 0);
    r->kept = (uint64_t)json_i64(json_get(s, "kept"), 0);
    r->removed = (uint64_t)json_i64(json_get(s, "removed"), 0);
    int rc = 0;
    for (size_t i = 0; i < r->npoints && !rc; i++) {
        if (r->point[i] < first) continue;
        if (job_cancelled(r->j)) return ERR_CANCELLED;
        job_progress(r->j, i, r->npoints, "bringing back", "正在恢复样本");
        rc = restore_point(r, i, r->point[i] == first ? at : r->from_us);
        if (!rc && i + 1 < r->npoints && (i + 1) % 50 == 0) rc = checkpoint(r, i + 1, r->from_us);
    }
    return rc;
}

/* ------------------------------------------------------------------ which points */

static int add_point(struct restore *r, uint32_t num)
{
    if (!mem_grow((void **)&r->point, &r->cap, r->npoints + 1, sizeof *r->point)) return backup_nomem(r->e);
    r->point[r->npoints++] = num;
    return 0;
}

static int by_codes(struct restore *r, const struct json *codes)
{
    int rc = 0;
    for (const struct json *c = codes->child; c && !rc; c = c->next) {
        AUTO_ARENA a;
        struct resource p;
        arena_init(&a, 4u << 20);
        rc = resource_find(r->b->node->kernel, &a, job_actor(r->j), "point", json_str(c, STR("")), true, &p, r->e);
        if (!rc) rc = add_point(r, p.num);
    }
    return rc;
}

struct of_class {
    struct restore *r;
    struct str id;
};
static int take_of_class(void *ctx, const struct resource *p)
{
    struct of_class *c = ctx;
    return str_eq(json_str(json_get(p->spec, "archive_class"), STR("")), c->id) ? add_point(c->r, p->num) : 0;
}

static int by_classes(struct restore *r, const struct json *codes)
{
    int rc = 0;
    for (const struct json *c = codes->child; c && !rc; c = c->next) {
        AUTO_ARENA a;
        struct resource cls;
        arena_init(&a, 4u << 20);
        rc = resource_get(r->b->node->kernel, &a, "archive_class", json_str(c, STR("")), &cls, r->e);
        struct of_class of = {r, cls.id};
        if (!rc) rc = resource_each(r->b->node->kernel, "point", take_of_class, &of, r->e);
    }
    return rc;
}

static int all_points(struct restore *r)
{
    struct digest_points p;
    int rc = digest_points_of(r->from, &p, r->e);
    for (size_t i = 0; i < p.n && !rc; i++) rc = add_point(r, p.point[i].point);
    digest_points_fini(&p);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int pick_points(struct restore *r)
{
    const struct json *points = json_get(job_params(r->j), "points"), *classes = json_get(job_params(r->j), "classes");
    int rc = json_count(points) ? by_codes(r, points) : json_count(classes) ? by_classes(r, classes) : all_points(r);
    size_t out = 0;
    if (r->npoints) qsort(r->point, r->npoints, sizeof *r->point, by_number);
    for (size_t i = 0; i < r->npoints; i++)
        if (!out || r->point[out - 1] != r->point[i]) r->point[out++] = r->point[i];
    r->npoints = out;
    return rc;
}

/* ------------------------------------------------------------------ the job */

static int read_time(struct job *j, const char *name, int64_t now, int64_t *ret, struct error *e)
{
    const struct json *v = json_get(job_params(j), name);
    if (v && v->type == JSON_INT) {
        *ret = v->i * 1000; /* epoch milliseconds */
        return 0;
    }
    int rc = time_parse_words(json_str(v, STR("")), now, 0, ret, e);
    if (rc && e) str_to_cstr(str_of(name), e->where, sizeof e->where);
    return rc;
}

static int read_params(struct restore *r)
{
    int64_t now = clock_now_us(r->b->node->clock);
    struct str mode = json_str(json_get(job_params(r->j), "mode"), STR("missing"));
    int rc = read_time(r->j, "from", now, &r->from_us, r->e);
    if (!rc) rc = read_time(r->j, "to", now, &r->to_us, r->e);
    if (!rc && r->from_us >= r->to_us) rc = error_set(r->e, ERR_INVALID, "to", "must be after 'from'", "须晚于“from”");
    if (!rc && !str_is(mode, "missing") && !str_is(mode, "replace"))
        rc = error_set(r->e, ERR_INVALID, "mode", "must be missing or replace", "须为 missing 或 replace");
    r->replace = str_is(mode, "replace");
    return rc;
}

static int give_result(struct restore *r)
{
    struct arena *a = job_arena(r->j);
    struct json *o = json_new_object(a);
    json_set(o, a, STR("points"), json_new_i64(a, (int64_t)r->npoints));
    json_set(o, a, STR("read"), json_new_i64(a, (int64_t)r->read));
    json_set(o, a, STR("written"), json_new_i64(a, (int64_t)r->written));
    json_set(o, a, STR("kept"), json_new_i64(a, (int64_t)r->kept));
    json_set(o, a, STR("removed"), json_new_i64(a, (int64_t)r->removed));
    return o ? job_result(r->j, o, r->e) : backup_nomem(r->e);
}

static void audit(struct restore *r, struct str id, const char *outcome)
{
    char detail[200];
    int n = snprintf(detail, sizeof detail, "{\"mode\":\"%s\",\"points\":%zu,\"written\":%llu,\"removed\":%llu}",
                     r->replace ? "replace" : "missing", r->npoints, (unsigned long long)r->written,
                     (unsigned long long)r->removed);
    api_audit(r->b->node->api, job_actor(r->j), AUDIT_CHANGE, "restore", "backup", id, outcome,
              str_make(detail, (size_t)n));
}

static int bring_back(struct restore *r, struct take *x)
{
    r->buf = mem_alloc(STEP * sizeof *r->buf);
    if (!r->buf) return backup_nomem(r->e);
    int rc = backup_take(r->b, x, &r->k, r->e);
    if (!rc && !r->k.m.part[PART_HISTORY])
        rc = error_set(r->e, ERR_INVALID, "backup", "this backup holds no history", "该备份不含历史数据");
    if (!rc) rc = backup_take_open(r->b, &r->k, r->e);
    r->from = r->k.history;
    r->to = r->b->node->history;
    if (!rc) rc = pick_points(r);
    if (!rc) rc = restore_all(r);
    if (r->lost)
        job_log(r->j, "warn", "%llu blobs came back without bytes: the backup has none of them",
                (unsigned long long)r->lost);
    return rc ? rc : give_result(r);
}

int backup_job_restore(void *ctx, struct job *j, struct error *e)
{
    struct error own = {0};
    struct restore r = {.b = ctx, .j = j, .e = e ? e : &own};
    struct take x = {.j = j, .backup = json_str(json_get(job_params(j), "backup"), STR(""))};
    struct backup_row row;
    struct backup_plan p;
    int rc = read_params(&r);
    if (!rc) rc = backup_row_get(ctx, job_arena(j), x.backup, &row, r.e);
    if (!rc) rc = backup_plan_get(ctx, job_arena(j), row.plan, &p, r.e);
    if (!rc) rc = backup_target_open(ctx, &p, j, &x.t, r.e);
    if (rc) return rc;
    x.from_us = r.from_us;
    x.to_us = r.to_us;
    rc = bring_back(&r, &x);
    audit(&r, x.backup, rc ? "failed" : "done");
    backup_taken_end(&r.k);
    backup_target_close(ctx, &p, x.t);
    mem_free(r.buf);
    mem_free(r.stands);
    mem_free(r.point);
    return rc;
}
