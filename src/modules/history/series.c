/* series.c - see series.h. */
#include "modules/history/series.h"
#include <math.h>
#include "base/mem.h"
#include "model/sample.h"

#define FAR_APART_US 1800000000LL /* on average */

void series_fini(struct series *s)
{
    mem_free(s->s);
    *s = (struct series){0};
}

int series_add(void *ctx, const struct sample *s, size_t n)
{
    struct series *out = ctx;
    if (out->n + n > out->max) {
        out->truncated = true;
        n = out->max - out->n;
    }
    if (n == 0) return out->truncated;
    if (!mem_grow((void **)&out->s, &out->cap, out->n + n, sizeof *out->s)) return ERR_NOMEM;
    memcpy(out->s + out->n, s, n * sizeof *s);
    out->n += n;
    return out->truncated;
}

static struct sample no_data(uint32_t point, int64_t at)
{
    return (struct sample){
        .time_us = at, .point = point, .type = SAMPLE_NONE, .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
}

static bool usable(const struct sample *s)
{
    return s->quality != QUALITY_BAD && !isnan(sample_number(s));
}

/* The value in force at `at` between neighbours prev (time <= at; point 0: none) and next (point 0: none). */
static struct sample between(const struct sample *prev, const struct sample *next, bool step, uint32_t point,
                             int64_t at)
{
    if (!prev->point) return no_data(point, at);
    struct sample s = *prev;
    s.time_us = at;
    if (prev->time_us == at || step || !usable(prev) || s.type == SAMPLE_BOOL || !next->point) return s;
    if (!usable(next)) {
        s.quality = QUALITY_UNCERTAIN;
        return s;
    }
    double a = sample_number(prev), b = sample_number(next);
    s.type = SAMPLE_DOUBLE;
    s.v.d = a + (b - a) * ((double)(at - prev->time_us) / (double)(next->time_us - prev->time_us));
    if (next->quality > s.quality) {
        s.quality = next->quality;
        s.flags = next->flags;
    }
    return s;
}

struct sample value_at(struct ts_store *store, uint32_t point, bool step, int64_t at)
{
    struct sample prev = {0}, next = {0};
    if (store->ops->before(store, point, at, &prev)) prev = (struct sample){0};
    if (store->ops->after(store, point, at + 1, &next)) next = (struct sample){0};
    return between(&prev, &next, step, point, at);
}

struct interpolation {
    struct series *out;
    struct sample prev;
    const int64_t *t;
    size_t at, n;
    uint32_t point;
    bool step;
    int err;
};

static void emit_before(struct interpolation *ip, const struct sample *next, int64_t limit)
{
    while (!ip->err && ip->at < ip->n && ip->t[ip->at] < limit) {
        struct sample s = between(&ip->prev, next, ip->step, ip->point, ip->t[ip->at++]);
        ip->err = series_add(ip->out, &s, 1);
    }
}

static int interpolate_scan(void *ctx, const struct sample *s, size_t n)
{
    struct interpolation *ip = ctx;
    for (size_t i = 0; i < n && !ip->err; i++) {
        emit_before(ip, &s[i], s[i].time_us);
        ip->prev = s[i];
    }
    return ip->err;
}

/* Times far apart are looked up one by one instead of reading all that lies between. */
static int one_by_one(struct ts_store *store, struct interpolation *ip, struct error *e)
{
    for (; ip->at < ip->n && !ip->err; ip->at++) {
        struct sample s = value_at(store, ip->point, ip->step, ip->t[ip->at]);
        ip->err = series_add(ip->out, &s, 1);
    }
    return ip->err < 0 ? error_set(e, ip->err, "", "out of memory", "内存不足") : 0;
}

int series_at(struct ts_store *store, uint32_t point, bool step, const int64_t *t, size_t n, struct series *out,
              struct error *e)
{
    struct interpolation ip = {.out = out, .t = t, .n = n, .point = point, .step = step};
    struct sample next = {0};
    if (!n) return 0;
    if ((t[n - 1] - t[0]) / (int64_t)n >= FAR_APART_US || n == 1) return one_by_one(store, &ip, e);
    if (store->ops->before(store, point, t[0], &ip.prev)) ip.prev = (struct sample){0};
    int err = store->ops->scan(store, point, t[0], t[n - 1] + 1, interpolate_scan, &ip, e);
    if (err) return err;
    if (store->ops->after(store, point, t[n - 1] + 1, &next)) next = (struct sample){0};
    emit_before(&ip, &next, t[n - 1] + 1);
    return ip.err < 0 ? error_set(e, ip.err, "", "out of memory", "内存不足") : 0;
}

/* ------------------------------------------------------------------ recorded values */

static bool compares(const struct sample_filter *f, double v)
{
    switch (f->op) {
    case FILTER_GT: return v > f->a;
    case FILTER_GE: return v >= f->a;
    case FILTER_LT: return v < f->a;
    case FILTER_LE: return v <= f->a;
    case FILTER_EQ: return v == f->a;
    case FILTER_NE: return v != f->a && !isnan(v);
    case FILTER_BETWEEN: return v >= f->a && v <= f->b;
    default: return true;
    }
}

bool sample_passes(const struct sample_filter *f, const struct sample *s)
{
    return s->quality <= f->worst && (f->op == FILTER_NONE || compares(f, sample_number(s)));
}

struct recording {
    struct recorded *r;
    ts_scan_fn *fn;
    void *ctx;
    size_t seen;
};

/* As many as may still be given; 1 when there would have been more. */
static int give(struct recorded *r, ts_scan_fn *fn, void *ctx, const struct sample *s, size_t n)
{
    size_t some = n < r->left ? n : r->left;
    int err = some ? fn(ctx, s, some) : 0;
    r->left -= some;
    r->truncated |= some < n;
    return err ? err : r->truncated;
}

static int give_passing(struct recording *g, const struct sample *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if (!sample_passes(&g->r->filter, &s[i])) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < n && sample_passes(&g->r->filter, &s[end])) end++;
        int err = give(g->r, g->fn, g->ctx, s + i, end - i);
        if (err) return err;
        i = end;
    }
    return 0;
}

static int record(void *ctx, const struct sample *s, size_t n)
{
    struct recording *g = ctx;
    struct recorded *r = g->r;
    bool all = r->filter.worst == QUALITY_BAD && r->filter.op == FILTER_NONE;
    int err = all ? give(r, g->fn, g->ctx, s, n) : give_passing(g, s, n);
    r->next = s[n - 1].time_us + 1;
    g->seen += n;
    return err ? err : g->seen >= RECORDED_SOME;
}

static int give_edge(struct recorded *r, int64_t at, bool first, ts_scan_fn *fn, void *ctx)
{
    const struct ts_store_ops *ops = r->store->ops;
    struct sample s;
    int err = 0;
    if (r->boundary == TS_INSIDE) return 0;
    if (r->boundary == TS_INTERPOLATED)
        s = value_at(r->store, r->point, r->step, at);
    else
        err = first ? ops->before(r->store, r->point, at, &s) : ops->after(r->store, r->point, at, &s);
    if (err) return err == ERR_NOT_FOUND ? 0 : err;
    return give(r, fn, ctx, &s, 1);
}

int recorded_some(struct recorded *r, ts_scan_fn *fn, void *ctx, struct error *e)
{
    struct recording g = {.r = r, .fn = fn, .ctx = ctx};
    struct sample at_from;
    int err = 0;
    if (!r->begun) {
        bool exact = r->boundary == TS_INSIDE ||
                     (r->store->ops->before(r->store, r->point, r->from, &at_from) == 0 && at_from.time_us == r->from);
        r->begun = true;
        r->next = r->from;
        if (!exact) err = give_edge(r, r->from, true, fn, ctx);
        if (err < 0) return err;
    }
    int64_t before = r->next;
    err = r->truncated ? 0 : r->store->ops->scan(r->store, r->point, r->next, r->to, record, &g, e);
    if (err < 0) return err;
    if (err == 1 && !r->truncated && r->next > before && r->next < r->to) return 1;
    if (!r->truncated) err = give_edge(r, r->to, false, fn, ctx);
    return err < 0 ? err : 0;
}
