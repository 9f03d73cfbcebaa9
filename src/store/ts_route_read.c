/* ts_route_read.c - reading through the router: a point's samples from all places that may hold some, in one order.
 *
 * The places stand in layers, the one where the point lives now first: what waits for an engine, the engine, then
 * others (the younger slot first), the embedded one last when it is not the first. Of equal times the outer layer wins.
 * A layer is scanned; for the stretch of each of its batches the layers below are scanned and woven in, so that at most
 * one batch a layer is held. Above remote engines the embedded one is read in long batches, so that they are asked
 * seldom. */
#include "base/mem.h"
#include "model/ts_scan.h"
#include "store/ts_router_int.h"

struct layer {
    struct ts_store *st; /* NULL: the array */
    struct sample *s;    /* mem_alloc'd */
    size_t n;
};
struct view {
    struct layer layer[2 * TS_SLOTS];
    struct ts_handle *held[TS_SLOTS];
    size_t n, nheld;
    struct ts_store *own;
    uint32_t point;
    struct error *e;
};

static struct ts_router *self(struct ts_store *st)
{
    return (struct ts_router *)st;
}

/* ------------------------------------------------------------------ the layers */

static void view_end(struct view *v)
{
    for (size_t i = 0; i < v->nheld; i++) ts_handle_unref(v->held[i]);
    for (size_t i = 0; i < v->n; i++) mem_free(v->layer[i].s);
}

/* The queue is looked at before its engine is asked: what moves in between is seen twice, not missed. */
static int add_waiting(struct view *v, struct ts_queue *q)
{
    struct layer l = {0};
    int err = q ? ts_queue_tail(q, v->point, &l.s, &l.n) : 0;
    if (!err && l.n) v->layer[v->n++] = l;
    return err;
}

static int add_remote(struct view *v, struct router_slot *s)
{
    int err = add_waiting(v, s->queue);
    if (err) return err;
    if (!s->store)
        return error_set(v->e, ERR_UNAVAILABLE, "engine",
                         "engine %s, which holds samples of this point, is not ready: %s",
                         "存放该测点数据的引擎 %s 未就绪：%s", s->code, s->fault.code ? s->fault.text : "starting");
    v->held[v->nheld++] = ts_handle_ref(s->store);
    v->layer[v->n++] = (struct layer){.st = s->store->st};
    return 0;
}

static int view_begin(struct ts_router *r, uint32_t point, struct view *v, struct error *e)
{
    struct ts_store *own = r->cfg.engine;
    struct sample any;
    *v = (struct view){.own = own, .point = point, .e = e};
    pthread_rwlock_rdlock(&r->lock);
    uint16_t places = router_places(r, point);
    uint8_t home = point < r->npoints ? r->route[r->class_of[point]].slot : 0;
    if (!home) v->layer[v->n++] = (struct layer){.st = own};
    int err = home ? add_remote(v, &r->slot[home]) : 0;
    for (size_t i = TS_SLOTS - 1; i > 0 && !err; i--)
        if (i != home && (places >> i & 1) && r->slot[i].id[0]) err = add_remote(v, &r->slot[i]);
    if (home && (places & 1) && own->ops->after(own, point, INT64_MIN, &any) == 0)
        v->layer[v->n++] = (struct layer){.st = own};
    pthread_rwlock_unlock(&r->lock);
    if (err) view_end(v);
    return err;
}

/* ------------------------------------------------------------------ weaving */

#define OUT 512
struct out {
    struct sample s[OUT];
    size_t n;
    ts_scan_fn *fn;
    void *ctx;
};

static int out_flush(struct out *o)
{
    size_t n = o->n;
    o->n = 0;
    return n ? o->fn(o->ctx, o->s, n) : 0;
}

static int out_put(struct out *o, const struct sample *s)
{
    o->s[o->n++] = *s;
    return o->n == OUT ? out_flush(o) : 0;
}

struct weave {
    const struct view *v;
    size_t level;
    int64_t next; /* what is before it has been given */
    const struct sample *s;
    size_t n, k; /* of the outer batch; k given */
    struct out out;
};

static int scan_layers(const struct view *v, size_t level, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx);

static int inner_batch(void *ctx, const struct sample *t, size_t m)
{
    struct weave *w = ctx;
    int err = 0;
    for (size_t j = 0; j < m && !err; j++) {
        while (!err && w->k < w->n && w->s[w->k].time_us < t[j].time_us) err = out_put(&w->out, &w->s[w->k++]);
        bool both = w->k < w->n && w->s[w->k].time_us == t[j].time_us;
        if (!err && !both) err = out_put(&w->out, &t[j]);
    }
    return err;
}

static int outer_batch(void *ctx, const struct sample *s, size_t n)
{
    struct weave *w = ctx;
    w->s = s;
    w->n = n;
    w->k = 0;
    int err = scan_layers(w->v, w->level + 1, w->next, s[n - 1].time_us + 1, inner_batch, w);
    while (!err && w->k < w->n) err = out_put(&w->out, &w->s[w->k++]);
    if (!err) err = out_flush(&w->out);
    w->next = s[n - 1].time_us + 1;
    return err;
}

static int scan_array(const struct layer *l, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx)
{
    size_t a = 0, b;
    while (a < l->n && l->s[a].time_us < from) a++;
    for (b = a; b < l->n && l->s[b].time_us < to;) b++;
    return b > a ? fn(ctx, l->s + a, b - a) : 0;
}

#define LONG 32768
struct longer {
    struct sample *s;
    size_t n;
    ts_scan_fn *fn;
    void *ctx;
};

static int gather(void *ctx, const struct sample *s, size_t n)
{
    struct longer *l = ctx;
    int err = 0;
    while (n && !err) {
        size_t k = LONG - l->n < n ? LONG - l->n : n;
        memcpy(l->s + l->n, s, k * sizeof *s);
        l->n += k;
        s += k;
        n -= k;
        if (l->n < LONG) break;
        err = l->fn(l->ctx, l->s, l->n);
        l->n = 0;
    }
    return err;
}

static int scan_long(const struct view *v, struct ts_store *st, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx)
{
    struct longer l = {.s = mem_alloc(LONG * sizeof *l.s), .fn = fn, .ctx = ctx};
    if (!l.s) return error_set(v->e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = st->ops->scan(st, v->point, from, to, gather, &l, v->e);
    if (!err && l.n) err = fn(ctx, l.s, l.n);
    mem_free(l.s);
    return err;
}

static int scan_one(const struct view *v, size_t level, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx)
{
    const struct layer *l = &v->layer[level];
    if (!l->st) return scan_array(l, from, to, fn, ctx);
    if (level == 0 && v->n > 1 && l->st == v->own) return scan_long(v, l->st, from, to, fn, ctx);
    return l->st->ops->scan(l->st, v->point, from, to, fn, ctx, v->e);
}

static int scan_layers(const struct view *v, size_t level, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx)
{
    if (level >= v->n || from >= to) return 0;
    if (level + 1 == v->n) return scan_one(v, level, from, to, fn, ctx);
    struct weave *w = mem_alloc(sizeof *w);
    if (!w) return error_set(v->e, ERR_NOMEM, "", "out of memory", "内存不足");
    *w = (struct weave){.v = v, .level = level, .next = from, .out = {.fn = fn, .ctx = ctx}};
    int err = scan_one(v, level, from, to, outer_batch, w);
    int64_t next = w->next;
    mem_free(w);
    return err ? err : scan_layers(v, level + 1, next, to, fn, ctx);
}

/* ------------------------------------------------------------------ operations */

static bool is_plain(struct ts_router *r, uint32_t point)
{
    pthread_rwlock_rdlock(&r->lock);
    bool plain = r->plain || (point >= r->npoints && !r->unsure) ||
                 (point < r->npoints && r->places[point] == 1 && r->route[r->class_of[point]].slot == 0);
    pthread_rwlock_unlock(&r->lock);
    return plain;
}

int route_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
               struct error *e)
{
    struct ts_router *r = self(st);
    struct view v;
    if (is_plain(r, point)) return r->cfg.engine->ops->scan(r->cfg.engine, point, from, to, fn, ctx, e);
    int err = view_begin(r, point, &v, e);
    if (err) return err;
    err = scan_layers(&v, 0, from, to, fn, ctx);
    view_end(&v);
    return err;
}

static int seek_array(const struct layer *l, int64_t at, bool back, struct sample *ret)
{
    size_t i = 0;
    while (i < l->n && (back ? l->s[i].time_us <= at : l->s[i].time_us < at)) i++;
    if (back ? i == 0 : i == l->n) return ERR_NOT_FOUND;
    *ret = l->s[back ? i - 1 : i];
    return 0;
}

static int seek_one(const struct view *v, size_t level, int64_t at, bool back, struct sample *ret)
{
    const struct layer *l = &v->layer[level];
    if (!l->st) return seek_array(l, at, back, ret);
    return back ? l->st->ops->before(l->st, v->point, at, ret) : l->st->ops->after(l->st, v->point, at, ret);
}

static int seek(struct ts_store *st, uint32_t point, int64_t at, bool back, struct sample *ret)
{
    struct view v;
    struct sample best, s;
    bool found = false;
    int err = view_begin(self(st), point, &v, NULL);
    if (err) return err;
    for (size_t i = 0; i < v.n && !err; i++) {
        err = seek_one(&v, i, at, back, &s);
        bool wins = !err && (!found || (back ? s.time_us > best.time_us : s.time_us < best.time_us));
        if (wins) best = s;
        found |= wins;
        if (err == ERR_NOT_FOUND) err = 0;
    }
    view_end(&v);
    if (err) return err;
    if (found) *ret = best;
    return found ? 0 : ERR_NOT_FOUND;
}

int route_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct ts_store *own = self(st)->cfg.engine;
    return is_plain(self(st), point) ? own->ops->before(own, point, at, ret) : seek(st, point, at, true, ret);
}

int route_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct ts_store *own = self(st)->cfg.engine;
    return is_plain(self(st), point) ? own->ops->after(own, point, at, ret) : seek(st, point, at, false, ret);
}

/* The one place that a range of a point is answered from, held; NULL: several, or an error (*ret_err). */
static struct ts_handle *only_place(struct ts_router *r, uint32_t point, int64_t to, int *ret_err, struct error *e)
{
    struct view v;
    struct ts_handle *h = NULL;
    *ret_err = 0;
    if (is_plain(r, point)) return ts_handle_ref(&r->embedded);
    *ret_err = view_begin(r, point, &v, e);
    if (*ret_err) return NULL;
    size_t first = v.n && !v.layer[0].st && v.layer[0].s[0].time_us >= to; /* what waits is later */
    if (v.n == first + 1 && v.layer[first].st) h = ts_handle_ref(v.nheld ? v.held[0] : &r->embedded);
    view_end(&v);
    return h;
}

int route_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret,
                  struct error *e)
{
    int err;
    struct ts_handle *h = only_place(self(st), point, to, &err, e);
    if (err) return err;
    err = h ? h->st->ops->summary(h->st, point, from, to, step, ret, e)
            : ts_summary_by_scan(st, point, from, to, step, ret, e);
    ts_handle_unref(h);
    return err;
}

int route_windows(struct ts_store *st, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *fn,
                  void *ctx, struct error *e)
{
    int err;
    struct ts_handle *h = only_place(self(st), point, edges[n], &err, e);
    if (err) return err;
    err = h ? ts_windows(h->st, point, edges, n, step, fn, ctx, e)
            : ts_windows_by_scan(st, point, edges, n, step, fn, ctx, e);
    ts_handle_unref(h);
    return err;
}

/* ---- many points ---- */
/* Those that live in the embedded engine alone, with their places in what was asked. */
struct plain {
    uint32_t *points;
    bool *step;
    size_t *at, n;
    ts_window_fn *fn;
    void *ctx;
};

static int give_plain(void *ctx, size_t i, const struct ts_summary *s)
{
    const struct plain *p = ctx;
    return p->fn(p->ctx, p->at[i], s);
}

static int summaries_of_plain(struct ts_router *r, struct plain *p, const uint32_t *points, const bool *step, size_t n,
                              int64_t from, int64_t to, struct error *e)
{
    p->points = mem_alloc(n * sizeof *p->points);
    p->step = mem_alloc(n * sizeof *p->step);
    p->at = mem_alloc(n * sizeof *p->at);
    if (!p->points || !p->step || !p->at) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    for (size_t i = 0; i < n; i++) {
        if (!is_plain(r, points[i])) continue;
        p->points[p->n] = points[i];
        p->step[p->n] = step[i];
        p->at[p->n++] = i;
    }
    return ts_summaries(r->cfg.engine, p->points, p->step, p->n, from, to, give_plain, p, e);
}

int route_summaries(struct ts_store *st, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to,
                    ts_window_fn *fn, void *ctx, struct error *e)
{
    struct plain p = {.fn = fn, .ctx = ctx};
    struct ts_summary s;
    int err = summaries_of_plain(self(st), &p, points, step, n, from, to, e);
    for (size_t i = 0, k = 0; i < n && !err; i++) {
        if (k < p.n && p.at[k] == i) {
            k++;
            continue;
        }
        err = route_summary(st, points[i], from, to, step[i], &s, e);
        if (!err) err = fn(ctx, i, &s);
    }
    mem_free(p.points);
    mem_free(p.step);
    mem_free(p.at);
    return err;
}

int route_plot(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *fn,
               void *ctx, struct error *e)
{
    int err;
    struct ts_handle *h = only_place(self(st), point, to, &err, e);
    if (err) return err;
    err = h ? h->st->ops->plot(h->st, point, from, to, pixels, fn, ctx, e)
            : ts_plot_by_scan(st, point, from, to, pixels, fn, ctx, e);
    ts_handle_unref(h);
    return err;
}
