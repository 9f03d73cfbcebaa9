/* columns.c - see columns.h.
 *
 * Windows, for a stretch of them: the store gives a summary of each; those that hold good samples only, begin with a
 * good value and are followed by one need nothing else (aggregate.h, `quick`). Runs of the others are scanned once,
 * sample by sample, each sample through the accumulator of its window. A window can be closed when the sample after
 * it is known; where that one is not usable and a function looks on to the next usable one, the scan stops, looks,
 * and goes on from there (a store is never asked from inside a scan). */
#include "modules/history/columns.h"
#include <math.h>
#include "base/mem.h"
#include "model/sample.h"
#include "model/ts_scan.h"
#include "modules/history/series.h"

#define LOOK_BACK 1000       /* unusable samples before a window that are passed over */
#define QUICK_US 600000000LL /* shorter windows are scanned unless the store has windows of its own */

int columns_init(struct columns *c, const struct column_plan *p)
{
    *c = (struct columns){.rows = p->rows, .nfn = p->nfn};
    bool ok = true;
    for (size_t f = 0; f < p->nfn; f++) {
        c->v[f] = mem_calloc(p->rows + 1, sizeof **c->v);
        c->q[f] = mem_calloc(p->rows + 1, sizeof **c->q);
        c->status[f] = mem_calloc(p->rows + 1, sizeof **c->status);
        if (p->kind == COLUMN_WINDOWS && p->fn[f]->needs & AGG_TIME) {
            c->at[f] = mem_calloc(p->rows + 1, sizeof **c->at);
            ok = ok && c->at[f];
        }
        ok = ok && c->v[f] && c->q[f] && c->status[f];
    }
    if (ok) return 0;
    columns_fini(c);
    return ERR_NOMEM;
}

void columns_fini(struct columns *c)
{
    for (size_t f = 0; f < c->nfn; f++) {
        mem_free(c->v[f]);
        mem_free(c->q[f]);
        mem_free(c->status[f]);
        mem_free(c->at[f]);
    }
    *c = (struct columns){0};
}

struct fill {
    struct columns *c;
    const struct column_plan *p;
    struct agg_config cfg;
    uint32_t point;
    struct agg agg;
    size_t row, end;      /* the window that is open; where the stretch ends */
    unsigned needs;       /* of all functions together */
    struct sample usable; /* the next usable one from `looked` on; point 0: none */
    int64_t looked;       /* INT64_MIN: not looked yet */
    int64_t ask;          /* where the scan stopped to look */
    struct agg_around around;
    size_t begin, stop; /* the rows that are wanted */
    bool known;
    struct sample first, next; /* the sample before them, the first one behind them */
    struct sample last;        /* the last of all, where nothing lies behind */
};

static void store_value(struct fill *f, size_t row, size_t fn, double v, uint32_t status, int64_t at)
{
    struct columns *c = f->c;
    c->v[fn][row] = v;
    c->status[fn][row] = status;
    c->q[fn][row] = status_quality(status);
    if (c->at[fn]) c->at[fn][row] = at;
}

/* ------------------------------------------------------------------ what is known of a point */

static int find(int err, struct sample *s)
{
    if (err) *s = (struct sample){0};
    return err == ERR_NOT_FOUND ? 0 : err;
}

static bool says_nothing(const struct sample *s)
{
    return s->quality == QUALITY_BAD && (s->flags & SAMPLE_REASON_MASK) == REASON_NO_DATA;
}

static int before(struct fill *f, int64_t at, struct sample *ret)
{
    return find(f->p->store->ops->before(f->p->store, f->point, at, ret), ret);
}

static int after(struct fill *f, int64_t at, struct sample *ret)
{
    return find(f->p->store->ops->after(f->p->store, f->point, at, ret), ret);
}

/* A moment before which nothing is known, or any at which something is when that lies before the stretch. */
static int data_begin(struct fill *f, int64_t from)
{
    struct sample s = f->first;
    int err = 0;
    for (int i = 0; !err && s.point && says_nothing(&s) && i < LOOK_BACK; i++) err = before(f, s.time_us - 1, &s);
    if (!err && !s.point) err = after(f, from, &s);
    for (int i = 0; !err && s.point && says_nothing(&s) && i < LOOK_BACK; i++) err = after(f, s.time_us + 1, &s);
    f->around.data_from = s.point ? s.time_us : INT64_MAX;
    return err;
}

/* The same for the end. Where the newest sample of the store is newer than the point's, the point's last value still
 * held then (what did not change was not stored). */
static int data_end(struct fill *f, int64_t to)
{
    struct ts_stats st = {0};
    f->around.data_to = f->next.time_us;
    if (f->next.point) return 0;
    int err = before(f, to - 1, &f->last);
    f->p->store->ops->stats(f->p->store, &st);
    f->around.data_to = f->last.point ? f->last.time_us : INT64_MIN;
    if (f->last.point && st.newest_us > f->around.data_to) f->around.data_to = st.newest_us;
    return err;
}

/* What lies around the rows that are wanted, and where the data begin and end: asked once, when it is needed. */
static int know(struct fill *f)
{
    const int64_t *edge = f->p->edges;
    if (f->known) return 0;
    int err = before(f, edge[f->begin] - 1, &f->first);
    if (!err) err = after(f, edge[f->stop], &f->next);
    if (!err) err = data_begin(f, edge[f->begin]);
    if (!err) err = data_end(f, edge[f->stop]);
    f->known = err == 0;
    return err;
}

static int look_back(struct fill *f, size_t row)
{
    struct agg_around *d = &f->around;
    size_t found = 0;
    int err = 0;
    d->usable[0] = d->usable[1] = (struct sample){0};
    d->before = f->first;
    if (row != f->begin) err = before(f, f->p->edges[row] - 1, &d->before);
    struct sample s = d->before;
    for (int i = 0; !err && s.point && found < 2 && i < LOOK_BACK; i++) {
        if (agg_usable(&f->cfg, &s)) d->usable[found++] = s;
        if (found && !f->cfg.sloped_extrapolation) break;
        if (found < 2) err = before(f, s.time_us - 1, &s);
    }
    return err;
}

static int first_usable(void *ctx, const struct sample *s, size_t n)
{
    struct fill *f = ctx;
    for (size_t i = 0; i < n; i++)
        if (agg_usable(&f->cfg, &s[i])) {
            f->usable = s[i];
            return 1;
        }
    return 0;
}

static int look_on(struct fill *f, int64_t from, struct error *e)
{
    f->usable = (struct sample){0};
    f->looked = from;
    int err = f->p->store->ops->scan(f->p->store, f->point, from, INT64_MAX, first_usable, f, e);
    return err < 0 ? err : 0;
}

/* ------------------------------------------------------------------ windows by samples */

static void open_window(struct fill *f)
{
    size_t max = f->needs & AGG_VALUES ? f->p->max_values : 0;
    agg_begin(&f->agg, &f->cfg, f->p->edges[f->row], f->p->edges[f->row + 1], &f->around, max);
}

static void close_window(struct fill *f, const struct sample *after, const struct sample *usable)
{
    struct agg_value v;
    agg_end(&f->agg, after, usable);
    for (size_t i = 0; i < f->p->nfn; i++) {
        agg_value(&f->agg, f->p->fn[i], f->p->p[i], &v);
        store_value(f, f->row, i, v.v, v.status, v.at_us);
    }
    f->around = agg_next(&f->agg);
    f->row++;
    if (f->row < f->end) open_window(f);
}

/* The next usable sample at or after s, if that is known without asking. */
static const struct sample *usable_from(struct fill *f, const struct sample *s)
{
    static const struct sample none;
    if (!s->point || agg_usable(&f->cfg, s)) return s;
    if (!(f->needs & AGG_LOOKS_ON)) return &none;
    bool known = f->looked <= s->time_us && (!f->usable.point || f->usable.time_us >= s->time_us);
    return f->looked != INT64_MIN && known ? &f->usable : NULL;
}

static int take(void *ctx, const struct sample *s, size_t n)
{
    struct fill *f = ctx;
    size_t i = 0;
    while (i < n) {
        if (s[i].time_us >= f->agg.to) {
            const struct sample *usable = usable_from(f, &s[i]);
            if (!usable) f->ask = s[i].time_us;
            if (!usable) return 1;
            close_window(f, &s[i], usable);
            continue;
        }
        size_t end = i + 1;
        while (end < n && s[end].time_us < f->agg.to) end++;
        agg_add(&f->agg, s + i, end - i);
        if (f->agg.err) return f->agg.err;
        i = end;
    }
    return 0;
}

static int too_large(const struct fill *f, struct error *e)
{
    return error_set(
        e, ERR_TOO_LARGE, "interval",
        "a percentile over more than %zu samples in a window would hold more than 256 MiB; use a shorter one",
        "窗口内样本超过 %zu 个，百分位计算将占用超过 256 MiB 内存；请缩短窗口", f->p->max_values);
}

static int scan_windows(struct fill *f, struct error *e)
{
    int64_t at = f->p->edges[f->row], to = f->p->edges[f->end];
    for (;;) {
        int err = at < to ? f->p->store->ops->scan(f->p->store, f->point, at, to, take, f, e) : 0;
        if (err == ERR_TOO_LARGE && f->agg.err) return too_large(f, e);
        if (err < 0) return err;
        if (err == 0) return 0;
        at = f->ask;
        err = look_on(f, at, e);
        if (err) return err;
    }
}

/* Where nothing comes after the open window: the last value again, if it held until the end of the data. */
static struct sample held(const struct fill *f)
{
    struct sample s = f->last;
    if (!s.point || f->agg.to > f->around.data_to) return (struct sample){0};
    s.time_us = f->around.data_to;
    return s;
}

static int close_rest(struct fill *f, const struct sample *following, struct error *e)
{
    while (f->row < f->end) {
        struct sample next = following->point ? *following : held(f);
        const struct sample *usable = usable_from(f, &next);
        int err = usable ? 0 : look_on(f, next.time_us, e);
        if (err) return err;
        if (usable) close_window(f, &next, usable);
    }
    return 0;
}

/* What follows the window that ends at `row`. */
static int following(struct fill *f, size_t row, struct sample *ret)
{
    if (row != f->stop || !f->known) return after(f, f->p->edges[row], ret);
    *ret = f->next;
    return 0;
}

static int unreadable(int err, struct error *e)
{
    return error_set(e, err, "", "reading history failed: %s", "读取历史失败：%s", error_title(err));
}

static int run_of_windows(struct fill *f, size_t from, size_t to, struct error *e)
{
    struct sample next = {0};
    f->row = from;
    f->end = to;
    int err = know(f);
    if (!err) err = look_back(f, from);
    if (!err) err = following(f, to, &next);
    if (err) return unreadable(err, e);
    open_window(f);
    err = scan_windows(f, e);
    return err ? err : close_rest(f, &next, e);
}

/* ------------------------------------------------------------------ windows by summaries */

struct quick {
    struct ts_summary *s;
    size_t n;
};

static int keep_summary(void *ctx, size_t i, const struct ts_summary *s)
{
    struct quick *q = ctx;
    q->s[i] = *s;
    q->n = i + 1;
    return 0;
}

/* Good from end to end (so also inside the data), as far as the summary tells. */
static bool clean(const struct ts_summary *s, int64_t from, int64_t to)
{
    return s->count && s->count == s->good && s->good == s->usable &&
           fabs(s->good_s - (double)(to - from) / 1e6) < 1e-6 * (1 + s->good_s);
}

static int good_after(struct fill *f, const struct quick *q, size_t row, bool *ret)
{
    size_t i = row - f->begin;
    struct sample s = {0};
    int err = 0;
    *ret = true;
    if (f->cfg.stepped || !(f->needs & AGG_TO_END)) return 0;
    if (i + 1 < q->n && q->s[i + 1].count)
        s = q->s[i + 1].first;
    else
        err = following(f, row + 1, &s);
    *ret = !s.point || (s.quality == QUALITY_GOOD && !isnan(sample_number(&s)));
    return err;
}

static void quick_row(struct fill *f, size_t row, const struct ts_summary *s)
{
    for (size_t i = 0; i < f->p->nfn; i++)
        store_value(f, row, i, f->p->fn[i]->quick(s, &f->cfg), agg_quick_status(f->p->fn[i], s, f->p->edges[row]),
                    f->p->edges[row]);
}

static int by_summaries(struct fill *f, struct error *e)
{
    const struct column_plan *p = f->p;
    size_t n = f->stop - f->begin, open = f->begin; /* windows from `open` on wait to be scanned */
    struct quick q = {.s = mem_alloc(n * sizeof *q.s)};
    if (!q.s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = ts_windows(p->store, f->point, p->edges + f->begin, n, f->cfg.stepped, keep_summary, &q, e);
    for (size_t row = f->begin; !err && row < f->stop; row++) {
        const struct ts_summary *s = &q.s[row - f->begin];
        bool good = clean(s, p->edges[row], p->edges[row + 1]);
        if (good && good_after(f, &q, row, &good)) err = unreadable(ERR_IO, e);
        if (err || !good) continue;
        if (open < row) err = run_of_windows(f, open, row, e);
        quick_row(f, row, s);
        open = row + 1;
    }
    if (!err && open < f->stop) err = run_of_windows(f, open, f->stop, e);
    mem_free(q.s);
    return err;
}

static bool may_be_quick(const struct fill *f)
{
    const struct column_plan *p = f->p;
    int64_t span = p->edges[f->stop] - p->edges[f->begin];
    if (p->raw_only) return false;
    for (size_t i = 0; i < p->nfn; i++)
        if (!p->fn[i]->quick) return false;
    return p->store->ops->windows || span / (int64_t)(f->stop - f->begin) >= QUICK_US;
}

static int fill_windows(struct fill *f, size_t from, size_t to, struct error *e)
{
    f->begin = from;
    f->stop = to;
    for (size_t i = 0; i < f->p->nfn; i++) f->needs |= f->p->fn[i]->needs;
    return may_be_quick(f) ? by_summaries(f, e) : run_of_windows(f, from, to, e);
}

/* ------------------------------------------------------------------ values at times */

static void values_of(struct fill *f, const struct series *s, size_t from)
{
    static const uint32_t status[] = {STATUS_GOOD, STATUS_UNCERTAIN, STATUS_BAD};
    for (size_t i = 0; i < s->n; i++) {
        const struct sample *x = &s->s[i];
        double v = x->quality == QUALITY_BAD ? NAN : sample_number(x);
        store_value(f, from + i, 0, v, status[x->quality <= QUALITY_BAD ? x->quality : QUALITY_BAD], x->time_us);
    }
}

static int fill_values(struct fill *f, bool step, size_t from, size_t to, struct error *e)
{
    const struct column_plan *p = f->p;
    struct series s = {.max = to - from};
    int err = series_at(p->store, f->point, step || p->kind == COLUMN_LAST, p->edges + from, to - from, &s, e);
    if (!err) values_of(f, &s, from);
    series_fini(&s);
    return err;
}

int columns_fill(struct columns *c, const struct column_plan *p, uint32_t point, bool step, size_t from, size_t to,
                 struct error *e)
{
    if (from >= to) return 0;
    struct fill f = {.c = c, .p = p, .cfg = p->cfg, .point = point, .looked = INT64_MIN};
    if (!p->stepped_given) f.cfg.stepped = step;
    int err = p->kind == COLUMN_WINDOWS ? fill_windows(&f, from, to, e) : fill_values(&f, step, from, to, e);
    agg_fini(&f.agg);
    return err;
}
