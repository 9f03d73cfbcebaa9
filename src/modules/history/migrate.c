/* migrate.c - the job history.migrate: moves the samples of an archive class to another engine, or back, while all goes
 * on.
 *
 * 1. What comes for the class is written to the target as well (the router keeps that over restarts).
 * 2. Copy: point by point, page by page, from wherever the samples lie (the router's merged view).
 * 3. Verify: every sample that is older than the start of this step is read back from the target and compared with its
 *    source; a page that differs is written and compared again. What the target cannot hold is no difference
 * (ts_remote.h).
 * 4. Switch: the class names the target, its points are read there alone. With "remove" the other places are emptied.
 * Progress is noted point by point, so that a restart goes on there. A failure or a cancel leaves the class where it
 * was. A sample that is written again while its page is being copied may be overtaken by its old value; step 3 sets it
 * right. */
#include <time.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/job.h"
#include "io/log.h"
#include "model/sample.h"
#include "modules/history/engines.h"
#include "store/ts_router.h"

#define PAGE 20000
#define TRIES 15 /* to set right what differs */

struct moving {
    struct node *n;
    struct job *j;
    struct ts_store *st;
    uint8_t class_id, from_slot, slot;
    char class_res[37], to_res[37];
    bool verify, remove;
    uint32_t *points;
    size_t npoints, cap;
    uint64_t samples, compared, repaired, lost;
    int64_t start_us;
    struct sample *a, *b; /* PAGE each */
    int64_t *bad, *worse; /* PAGE each: times that differed in the last comparison of a page, and in this one */
    size_t nbad, nworse;
    bool again; /* only those are looked at; what came meanwhile is on its way */
    struct error *e;
};

/* ------------------------------------------------------------------ what to move */

static int add_point(void *ctx, const struct resource *res)
{
    struct moving *m = ctx;
    if (!str_is(json_str(json_get(res->spec, "archive_class"), STR("")), m->class_res)) return 0;
    if (!mem_grow((void **)&m->points, &m->cap, m->npoints + 1, sizeof *m->points)) return ERR_NOMEM;
    m->points[m->npoints++] = res->num;
    return 0;
}

static int find_class(struct moving *m, const struct json *params)
{
    struct resource r;
    struct arena *a = job_arena(m->j);
    struct str name = json_str(json_get(params, "class"), STR(""));
    int err = resource_find(m->n->kernel, a, job_actor(m->j), "archive_class", name, false, &r, m->e);
    if (err) return err;
    m->class_id = (uint8_t)r.num;
    str_to_cstr(r.id, m->class_res, sizeof m->class_res);
    char engine[37];
    str_to_cstr(json_str(json_get(r.spec, "engine"), STR("")), engine, sizeof engine);
    return ts_router_slot(m->st, engine, &m->from_slot);
}

static int find_target(struct moving *m, const struct json *params)
{
    struct resource r;
    struct str name = json_str(json_get(params, "to"), STR(""));
    if (name.n && !str_is(name, "embedded")) {
        int err = resource_find(m->n->kernel, job_arena(m->j), job_actor(m->j), "ts_engine", name, false, &r, m->e);
        if (err) return err;
        str_to_cstr(r.id, m->to_res, sizeof m->to_res);
    }
    if (ts_router_slot(m->st, m->to_res, &m->slot))
        return error_set(m->e, ERR_AGAIN, "to", "the engine is not ready yet; try again in a moment",
                         "引擎尚未就绪，请稍后重试");
    return 0;
}

static int prepare(struct moving *m)
{
    const struct json *p = job_params(m->j);
    m->verify = json_bool(json_get(p, "verify"), true);
    m->remove = json_bool(json_get(p, "remove"), false);
    if (!ts_is_router(m->n->history))
        return error_set(m->e, ERR_UNSUPPORTED, "", "this node has no other engines", "本节点没有外部引擎");
    m->st = m->n->history;
    int err = find_class(m, p);
    if (!err) err = find_target(m, p);
    if (!err) err = resource_each(m->n->kernel, "point", add_point, m, m->e);
    m->a = mem_alloc(PAGE * sizeof *m->a);
    m->b = mem_alloc(PAGE * sizeof *m->b);
    m->bad = mem_alloc(PAGE * sizeof *m->bad);
    m->worse = mem_alloc(PAGE * sizeof *m->worse);
    if (!err && (!m->a || !m->b || !m->bad || !m->worse))
        err = error_set(m->e, ERR_NOMEM, "", "out of memory", "内存不足");
    return err;
}

/* ------------------------------------------------------------------ pages */

struct page {
    struct sample *s;
    size_t n;
};
/* Blobs stay in the embedded engine (ts_router.h). */
static int take(void *ctx, const struct sample *s, size_t n)
{
    struct page *p = ctx;
    for (size_t i = 0; i < n && p->n < PAGE; i++)
        if (s[i].type != SAMPLE_BLOB) p->s[p->n++] = s[i];
    return p->n == PAGE;
}

/* Up to PAGE samples from `from` on; ret_next: where the following page begins, `to` after the last. A page ends with a
 * whole unit of time (of the target), so that what becomes one sample there stands in one page. */
static int read_page(struct ts_store *st, uint32_t point, int64_t from, int64_t to, int64_t unit, struct sample *s,
                     size_t *ret_n, int64_t *ret_next, struct error *e)
{
    struct page p = {.s = s};
    int err = st->ops->scan(st, point, from, to, take, &p, e);
    if (err < 0) return err;
    *ret_n = p.n;
    *ret_next = to;
    if (p.n < PAGE) return 0;
    size_t k = PAGE;
    while (unit > 1 && k > 0 && s[k - 1].time_us / unit == s[PAGE - 1].time_us / unit) k--;
    *ret_n = k ? k : PAGE;
    *ret_next = s[*ret_n - 1].time_us + 1;
    return 0;
}

static struct ts_remote_traits traits_of(const struct moving *m)
{
    struct ts_remote_traits t = {.unit_us = 1};
    struct ts_handle *h = m->slot ? ts_router_place(m->st, m->slot) : NULL;
    if (h) ts_remote_traits(h->st, &t);
    ts_handle_unref(h);
    return t;
}

static int note(struct moving *m, const char *phase, size_t done)
{
    struct arena *a = job_arena(m->j);
    struct json *s = json_new_object(a);
    bool ok = s && json_set(s, a, STR("phase"), json_new_str(a, str_of(phase))) &&
              json_set(s, a, STR("done"), json_new_i64(a, (int64_t)done)) &&
              json_set(s, a, STR("point"), json_new_i64(a, done ? m->points[done - 1] : 0)) &&
              json_set(s, a, STR("samples"), json_new_i64(a, (int64_t)m->samples)) &&
              json_set(s, a, STR("start"), json_new_i64(a, m->start_us));
    return ok ? job_checkpoint(m->j, s, m->e) : error_set(m->e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* The points that were done before a restart; those that came since then stand behind. */
static size_t done_before(const struct moving *m, const char *phase)
{
    const struct json *s = job_state(m->j);
    size_t i = 0;
    if (!s || !str_is(json_str(json_get(s, "phase"), STR("")), phase)) return 0;
    uint32_t last = (uint32_t)json_i64(json_get(s, "point"), 0);
    while (i < m->npoints && m->points[i] <= last) i++;
    return i;
}

/* ------------------------------------------------------------------ copy */

static int copy_point(struct moving *m, uint32_t point)
{
    int64_t from = INT64_MIN, next;
    size_t n;
    int err = 0;
    while (!err && from < INT64_MAX) {
        if (job_cancelled(m->j)) return ERR_CANCELLED;
        err = read_page(m->st, point, from, INT64_MAX, traits_of(m).unit_us, m->a, &n, &next, m->e);
        if (!err && n) err = ts_router_write(m->st, m->slot, m->a, n, m->e);
        if (!err) m->samples += n;
        from = next;
    }
    return err;
}

static int copy_all(struct moving *m)
{
    int err = 0;
    for (size_t i = done_before(m, "copy"); i < m->npoints && !err; i++) {
        err = copy_point(m, m->points[i]);
        job_progress(m->j, i + 1, m->npoints * (m->verify ? 2 : 1), "points", "测点");
        if (!err && i % 16 == 15) err = note(m, "copy", i + 1);
    }
    return err;
}

/* ------------------------------------------------------------------ verify */

/* As the target holds them: of samples that become one there, the last. */
static size_t fit(const struct moving *m, const struct ts_handle *target, struct sample *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        struct sample f = m->slot ? ts_remote_fit(target->st, &s[i]) : s[i];
        if (k && s[k - 1].time_us == f.time_us) k--;
        s[k++] = f;
    }
    return k;
}

static bool same(const struct moving *m, const struct ts_handle *target, const struct sample *want,
                 const struct sample *got)
{
    if (m->slot) return ts_remote_same(target->st, want, got);
    return want->time_us == got->time_us && want->quality == got->quality && want->flags == got->flags &&
           sample_same_value(want, got);
}

struct difference {
    size_t found;  /* of the source's samples */
    int64_t at_us; /* the first that is missing or differs */
};

static bool was_bad(const struct moving *m, int64_t t)
{
    size_t lo = 0, hi = m->nbad;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (m->bad[mid] < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->nbad && m->bad[lo] == t;
}

/* Samples that only the target has (it has kept them longer) are no fault. */
static struct difference differ(struct moving *m, const struct ts_handle *target, const struct sample *a, size_t na,
                                const struct sample *b, size_t nb)
{
    struct difference d = {0};
    size_t j = 0;
    for (size_t i = 0; i < na; i++) {
        while (j < nb && b[j].time_us < a[i].time_us) j++;
        if (j < nb && same(m, target, &a[i], &b[j])) continue;
        if (m->again && !was_bad(m, a[i].time_us)) continue;
        m->worse[m->nworse++] = a[i].time_us;
        if (!d.found++) d.at_us = a[i].time_us;
    }
    return d;
}

/* The range of a page in the target, in as many reads as it needs. */
static int compare_range(struct moving *m, const struct ts_handle *target, uint32_t point, const struct sample *a,
                         size_t na, struct difference *ret)
{
    *ret = (struct difference){0};
    int err = 0;
    size_t i = 0;
    m->nworse = 0;
    while (i < na && !err) {
        int64_t next, end = a[na - 1].time_us + 1;
        size_t nb, k = i;
        err = read_page(target->st, point, a[i].time_us, end, 1, m->b, &nb, &next, m->e);
        if (err) break;
        while (k < na && a[k].time_us < next) k++;
        struct difference d = differ(m, target, a + i, k - i, m->b, nb);
        if (d.found && !ret->found) ret->at_us = d.at_us;
        ret->found += d.found;
        i = k;
    }
    int64_t *t = m->bad;
    m->bad = m->worse;
    m->nbad = m->nworse;
    m->worse = t;
    return err;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int differs(struct moving *m, uint32_t point, const struct difference *d)
{
    char t[TIME_TEXT_MAX];
    return error_set(m->e, ERR_CORRUPT, "",
                     "point %u: %zu samples are not the same in the target, the first of %s; the "
                     "class stays where it was",
                     "测点 %u：目标中有 %zu 个样本不一致，首个时间 %s；类别保持不变", point, d->found,
                     time_format(d->at_us, t));
}

/* What differs may not show yet, or was written again meanwhile: it is read, written and compared again. */
static int verify_page(struct moving *m, const struct ts_handle *target, uint32_t point, int64_t from, int64_t to,
                       size_t *ret_n, int64_t *ret_next)
{
    struct difference d = {0};
    m->again = false;
    int patience = 3 + (int)(traits_of(m).visible_us / 1000000);
    for (int tries = 0; tries < patience + TRIES; tries++) {
        if (job_cancelled(m->j)) return ERR_CANCELLED;
        int err = read_page(m->st, point, from, to, traits_of(m).unit_us, m->a, ret_n, ret_next, m->e);
        size_t n = err ? 0 : fit(m, target, m->a, *ret_n);
        if (!err) err = compare_range(m, target, point, m->a, n, &d);
        if (err || !d.found) {
            if (!err) m->compared += n;
            return err;
        }
        m->again = true;
        if (tries < patience) { /* perhaps it is only on its way */
            pause_ms(tries ? 1000 : 200);
            continue;
        }
        err = ts_router_write(m->st, m->slot, m->a, n, m->e);
        if (err) return err;
        m->repaired += d.found;
        pause_ms(500);
    }
    return differs(m, point, &d);
}

static int verify_point(struct moving *m, const struct ts_handle *target, uint32_t point)
{
    int64_t from = INT64_MIN, next = 0;
    size_t n;
    int err = 0;
    while (!err && from < m->start_us) {
        err = verify_page(m, target, point, from, m->start_us, &n, &next);
        from = next;
    }
    return err;
}

static int verify_all(struct moving *m)
{
    struct ts_handle *target = ts_router_place(m->st, m->slot);
    int err = target ? ts_router_settle(m->st, m->slot, 60000) : ERR_UNAVAILABLE;
    if (err) error_set(m->e, err, "to", "the engine does not take what waits for it", "引擎未能接收排队的样本");
    for (size_t i = err ? 0 : done_before(m, "verify"); i < m->npoints && !err; i++) {
        err = verify_point(m, target, m->points[i]);
        job_progress(m->j, m->npoints + i + 1, m->npoints * 2, "points", "测点");
        if (!err && i % 16 == 15) err = note(m, "verify", i + 1);
    }
    ts_handle_unref(target);
    return err;
}

/* ------------------------------------------------------------------ switch */

static int name_target(struct moving *m)
{
    struct arena *a = job_arena(m->j);
    struct resource r;
    struct json *spec = json_new_object(a);
    struct json *engine = m->to_res[0] ? json_new_str(a, str_of(m->to_res)) : json_new_null(a);
    if (!spec || !engine || !json_set(spec, a, STR("engine"), engine))
        return error_set(m->e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct resource_input in = {.spec = spec};
    return resource_patch(m->n->kernel, a, job_actor(m->j), "archive_class", str_of(m->class_res), -1, &in, &r, m->e);
}

/* A place that cannot forget a range keeps it, unseen; so does the embedded one what it has of a point with blobs. */
static int empty_others(struct moving *m, const uint16_t *places)
{
    for (size_t i = 0; i < m->npoints; i++)
        for (uint8_t s = 0; s < TS_SLOTS; s++) {
            bool stays = s == m->slot || (s == 0 && (ts_router_places(m->st, m->points[i]) & 1));
            struct ts_handle *h = !stays && (places[i] >> s & 1) ? ts_router_place(m->st, s) : NULL;
            int err = h && h->st->ops->remove ? h->st->ops->remove(h->st, m->points[i], INT64_MIN, INT64_MAX, m->e) : 0;
            ts_handle_unref(h);
            if (err == ERR_UNSUPPORTED) {
                job_log(m->j, "warn", "%s", m->e->text);
                err = 0;
            }
            if (err) return err;
            if (job_cancelled(m->j)) return ERR_CANCELLED;
        }
    return 0;
}

static int switch_over(struct moving *m)
{
    AUTO_FREE uint16_t *places = mem_calloc(m->npoints + 1, sizeof *places);
    if (!places) return error_set(m->e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < m->npoints; i++) places[i] = ts_router_places(m->st, m->points[i]);
    int err = m->from_slot != m->slot ? name_target(m) : 0;
    if (!err) err = ts_router_switch(m->st, m->class_id, m->slot, m->points, m->npoints, m->e);
    if (!err) job_log(m->j, "info", "the class lives there now");
    if (!err && m->remove) err = empty_others(m, places);
    return err;
}

/* ------------------------------------------------------------------ the job */

static int result(struct moving *m)
{
    struct arena *a = job_arena(m->j);
    struct json *r = json_new_object(a);
    bool ok = r && json_set(r, a, STR("points"), json_new_i64(a, (int64_t)m->npoints)) &&
              json_set(r, a, STR("samples"), json_new_i64(a, (int64_t)m->samples)) &&
              json_set(r, a, STR("compared"), json_new_i64(a, (int64_t)m->compared)) &&
              json_set(r, a, STR("repaired"), json_new_i64(a, (int64_t)m->repaired));
    return ok ? job_result(m->j, r, m->e) : error_set(m->e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int move(struct moving *m)
{
    const struct json *state = job_state(m->j);
    bool resumed = state && m->verify; /* without a comparison a pause may have cost samples: from the beginning */
    bool copied = resumed && str_is(json_str(json_get(state, "phase"), STR("")), "verify");
    m->samples = resumed ? (uint64_t)json_i64(json_get(state, "samples"), 0) : 0;
    int err = m->from_slot != m->slot ? ts_router_copy_to(m->st, m->class_id, m->slot, m->e) : 0;
    if (!err && !resumed) err = note(m, "copy", 0);
    if (!err && !copied) err = copy_all(m);
    if (!err && m->verify) {
        m->start_us = clock_now_us(m->n->clock); /* what is written from now on goes to both */
        if (!copied) err = note(m, "verify", 0);
        if (!err) err = verify_all(m);
    }
    if (!err) err = switch_over(m);
    struct error ignored;
    if (err) (void)!ts_router_copy_to(m->st, m->class_id, TS_NO_SLOT, &ignored);
    return err ? err : result(m);
}

static int migrate(void *ctx, struct job *j, struct error *e)
{
    struct error own = {0};
    struct moving m = {.n = ctx, .j = j, .e = e ? e : &own};
    int err = prepare(&m);
    if (!err) {
        job_log(j, "info", "%zu points to move", m.npoints);
        err = move(&m);
    }
    mem_free(m.points);
    mem_free(m.a);
    mem_free(m.b);
    mem_free(m.bad);
    mem_free(m.worse);
    return err;
}

int migrate_add(struct node *n, struct error *e)
{
    static struct job_type type = {
        .name = "history.migrate",
        .title_en = "Move a class to another engine",
        .title_zh = "迁移归档类别到其他引擎",
        .kind = "archive_class",
        .action = ACT_WRITE,
        .run = migrate,
        .resumable = true,
        .by_user = true,
        .params =
            "[{\"name\":\"class\",\"type\":\"ref\",\"kind\":\"archive_class\",\"required\":true,\"title\":{"
            "\"en\":\"Archive class\",\"zh\":\"归档类别\"}},"
            "{\"name\":\"to\",\"type\":\"ref\",\"kind\":\"ts_engine\",\"title\":{\"en\":\"To engine\","
            "\"zh\":\"目标引擎\"},\"help\":{\"en\":\"Empty: the embedded one.\",\"zh\":\"留空为内置引擎。\"}},"
            "{\"name\":\"verify\",\"type\":\"boolean\",\"default\":true,\"title\":{\"en\":\"Compare every sample\","
            "\"zh\":\"逐样本比对\"}},"
            "{\"name\":\"remove\",\"type\":\"boolean\",\"default\":false,\"title\":{\"en\":\"Remove from where they "
            "were\",\"zh\":\"迁移后删除原数据\"}}]"};
    if (!n->jobs) return 0;
    type.ctx = n;
    int err = jobs_type_add(n->jobs, &type);
    return err ? error_set(e, err, "history", "cannot add the job %s", "无法注册作业 %s", type.name) : 0;
}
