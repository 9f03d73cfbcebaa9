/* ts_scan.c - see ts_scan.h. Sample by sample, with nothing but scan, before and after of the store; written apart
 * from our engine on purpose, whose tests compare their answers with these.
 *
 * Time-weighted figures: a sample holds from its time to the next one's. With `step` its value counts for all of
 * that; else, when both ends are usable (good or uncertain, a number), the straight line between them counts, and
 * when the next is not usable the value is held. A stretch that begins with a sample that is not usable counts for
 * nothing. The newest sample is that of the store's statistics, or of the point where a store does not tell. */
#include "model/ts_scan.h"
#include <math.h>

static bool usable(const struct sample *s, double *ret)
{
    if (s->quality > QUALITY_UNCERTAIN) return false;
    if (s->type == SAMPLE_DOUBLE)
        *ret = s->v.d;
    else if (s->type == SAMPLE_INT || s->type == SAMPLE_BOOL)
        *ret = (double)s->v.i;
    else
        return false;
    return isfinite(*ret);
}

/* ---- windows ---- */
struct windows {
    const int64_t *edges;
    size_t n, i;
    int64_t newest;
    bool step, any_prev;
    struct sample prev;
    struct ts_summary out;
    double mean; /* running */
    ts_window_fn *fn;
    void *ctx;
};

static void open_window(struct windows *w)
{
    w->out = (struct ts_summary){.min = NAN, .max = NAN, .mean = NAN, .twa = NAN};
    w->mean = 0;
}

static int64_t window_end(const struct windows *w)
{
    return w->edges[w->i + 1] < w->newest ? w->edges[w->i + 1] : w->newest;
}

/* Value at t on the line through two samples. */
static double value_at(const struct sample *a, double va, const struct sample *b, double vb, int64_t t)
{
    return va + (vb - va) * ((double)(t - a->time_us) / (double)(b->time_us - a->time_us));
}

/* What lies between the last sample and the next one (NULL: held) inside the window. */
static void stretch(struct windows *w, const struct sample *next)
{
    const struct sample *a = &w->prev;
    int64_t from = w->edges[w->i], to = window_end(w);
    double va, vb;
    if (!w->any_prev) return;
    if (a->time_us > from) from = a->time_us;
    if (next && next->time_us < to) to = next->time_us;
    if (to <= from) return;
    double dt = (double)(to - from) / 1e6;
    if (a->quality == QUALITY_GOOD) w->out.good_s += dt;
    if (!usable(a, &va)) return;
    w->out.usable_s += dt;
    if (w->step || !next || !usable(next, &vb))
        w->out.integral += va * dt;
    else
        w->out.integral += (value_at(a, va, next, vb, from) + value_at(a, va, next, vb, to)) / 2 * dt;
}

static void count_in(struct windows *w, const struct sample *s)
{
    struct ts_summary *o = &w->out;
    double v;
    if (o->count++ == 0) o->first = *s;
    o->last = *s;
    o->good += s->quality == QUALITY_GOOD;
    if (!usable(s, &v)) return;
    if (o->usable == 0 || v < o->min) o->min = v, o->min_us = s->time_us;
    if (o->usable == 0 || v > o->max) o->max = v, o->max_us = s->time_us;
    o->usable++;
    o->sum += v;
    double d = v - w->mean; /* Welford */
    w->mean += d / (double)o->usable;
    o->m2 += d * (v - w->mean);
}

static int close_window(struct windows *w)
{
    struct ts_summary *o = &w->out;
    int64_t from = w->edges[w->i], to = window_end(w);
    if (o->usable) o->mean = o->sum / (double)o->usable;
    if (o->usable_s > 0) o->twa = o->integral / o->usable_s;
    if (to > from) o->total_s = ((double)to - (double)from) / 1e6;
    if (o->total_s > 0) o->percent_good = 100 * o->good_s / o->total_s;
    int rc = w->fn(w->ctx, w->i++, o);
    if (!rc && w->i < w->n) open_window(w);
    return rc;
}

static int close_until(struct windows *w, int64_t t, const struct sample *next)
{
    int rc = 0;
    while (!rc && w->i < w->n && w->edges[w->i + 1] <= t) {
        stretch(w, next);
        rc = close_window(w);
    }
    return rc;
}

static int take(void *ctx, const struct sample *s, size_t n)
{
    struct windows *w = ctx;
    for (size_t i = 0; i < n; i++) {
        int rc = close_until(w, s[i].time_us, &s[i]);
        if (rc) return rc;
        stretch(w, &s[i]);
        count_in(w, &s[i]);
        w->prev = s[i];
        w->any_prev = true;
    }
    return 0;
}

static int newest_of(struct ts_store *st, uint32_t point, int64_t *ret)
{
    struct ts_stats stats = {0};
    struct sample last;
    st->ops->stats(st, &stats);
    *ret = stats.newest_us;
    if (*ret) return 0;
    int rc = st->ops->before(st, point, INT64_MAX, &last);
    if (rc == 0) *ret = last.time_us;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int fault(struct error *e, int rc)
{
    return error_set(e, rc, "", "history query: %s", "历史查询：%s", error_title(rc));
}

/* The samples in force at the first edge and behind the last one. */
static int around(struct ts_store *st, uint32_t point, struct windows *w, struct sample *next, bool *ret_any_next)
{
    int rc = ERR_NOT_FOUND;
    *ret_any_next = false;
    if (w->edges[0] > INT64_MIN) rc = st->ops->before(st, point, w->edges[0] - 1, &w->prev);
    w->any_prev = rc == 0;
    if (rc && rc != ERR_NOT_FOUND) return rc;
    rc = w->step ? ERR_NOT_FOUND : st->ops->after(st, point, w->edges[w->n], next);
    *ret_any_next = rc == 0;
    if (rc && rc != ERR_NOT_FOUND) return rc;
    return newest_of(st, point, &w->newest);
}

int ts_windows_by_scan(struct ts_store *st, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *fn,
                       void *ctx, struct error *e)
{
    struct windows w = {.edges = edges, .n = n, .step = step, .fn = fn, .ctx = ctx};
    struct sample next;
    bool any_next;
    for (size_t i = 0; i < n; i++)
        if (edges[i] > edges[i + 1])
            return error_set(e, ERR_INVALID, "", "windows: edge %zu lies before edge %zu",
                             "窗口：第 %zu 个边界早于第 %zu 个", i + 1, i);
    if (n == 0) return 0;
    int rc = around(st, point, &w, &next, &any_next);
    if (rc) return fault(e, rc);
    open_window(&w);
    if (edges[0] < edges[n]) rc = st->ops->scan(st, point, edges[0], edges[n], take, &w, e);
    return rc ? rc : close_until(&w, INT64_MAX, any_next ? &next : NULL);
}

int ts_windows(struct ts_store *st, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *fn,
               void *ctx, struct error *e)
{
    if (st->ops->windows) return st->ops->windows(st, point, edges, n, step, fn, ctx, e);
    return ts_windows_by_scan(st, point, edges, n, step, fn, ctx, e);
}

int ts_summaries(struct ts_store *st, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to,
                 ts_window_fn *fn, void *ctx, struct error *e)
{
    struct ts_summary s;
    int rc = 0;
    if (st->ops->summaries) return st->ops->summaries(st, points, step, n, from, to, fn, ctx, e);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = st->ops->summary(st, points[i], from, to, step[i], &s, e);
        if (!rc) rc = fn(ctx, i, &s);
    }
    return rc;
}

static int keep(void *ctx, size_t i, const struct ts_summary *s)
{
    *(struct ts_summary *)ctx = *s;
    return 0;
}

int ts_summary_by_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret,
                       struct error *e)
{
    const int64_t edges[2] = {from, to};
    if (from >= to) {
        *ret = (struct ts_summary){.min = NAN, .max = NAN, .mean = NAN, .twa = NAN};
        return 0;
    }
    return ts_windows_by_scan(st, point, edges, 1, step, keep, ret, e);
}

/* ---- plot ---- */
enum { FIRST, LEAST, GREATEST, BAD, LAST, FIVE };

struct plot {
    int64_t from;
    uint64_t span;
    uint32_t pixels;
    uint64_t pixel;
    bool any;
    struct sample s[FIVE]; /* point 0: none */
    double min, max;
    ts_scan_fn *fn;
    void *ctx;
};

/* In order of time, each once. */
static int give_pixel(struct plot *p)
{
    struct sample out[FIVE];
    size_t n = 0;
    if (!p->any) return 0;
    p->any = false;
    for (int i = 0; i < FIVE; i++) {
        const struct sample *s = &p->s[i];
        size_t at = n;
        if (!s->point) continue;
        while (at > 0 && out[at - 1].time_us > s->time_us) at--;
        if (at > 0 && out[at - 1].time_us == s->time_us) continue;
        for (size_t k = n++; k > at; k--) out[k] = out[k - 1];
        out[at] = *s;
    }
    return p->fn(p->ctx, out, n);
}

static void into_pixel(struct plot *p, const struct sample *s)
{
    double v;
    if (!p->any)
        for (int i = 0; i < FIVE; i++) p->s[i].point = 0;
    if (!p->any) p->s[FIRST] = *s;
    p->any = true;
    p->s[LAST] = *s;
    if (!p->s[BAD].point && s->quality != QUALITY_GOOD) p->s[BAD] = *s;
    if (!usable(s, &v)) return;
    if (!p->s[LEAST].point || v < p->min) p->s[LEAST] = *s, p->min = v;
    if (!p->s[GREATEST].point || v > p->max) p->s[GREATEST] = *s, p->max = v;
}

static int plot_samples(void *ctx, const struct sample *s, size_t n)
{
    struct plot *p = ctx;
    for (size_t i = 0; i < n; i++) {
        uint64_t off = (uint64_t)s[i].time_us - (uint64_t)p->from;
        uint64_t pixel = (uint64_t)((unsigned __int128)off * p->pixels / p->span);
        int rc = pixel != p->pixel ? give_pixel(p) : 0;
        if (rc) return rc;
        p->pixel = pixel;
        into_pixel(p, &s[i]);
    }
    return 0;
}

int ts_plot_by_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *fn,
                    void *ctx, struct error *e)
{
    struct plot p = {
        .from = from, .span = (uint64_t)to - (uint64_t)from, .pixels = pixels ? pixels : 1, .fn = fn, .ctx = ctx};
    if (from >= to) return 0;
    int rc = st->ops->scan(st, point, from, to, plot_samples, &p, e);
    return rc ? rc : give_pixel(&p);
}
