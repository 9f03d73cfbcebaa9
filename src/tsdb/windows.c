/* windows.c - the figures of many windows of one point in one pass over its samples.
 *
 * Parts (rollup cells, blocks) that lie wholly inside a window are taken by their summary, the rest sample by
 * sample; acc.h says what the figures mean. A window ends when a sample at or behind its end comes, which is also
 * the end of its last stretch; behind the last window the next sample is looked for. */
#include <math.h>
#include "tsdb/acc.h"
#include "tsdb/places.h"
#include "tsdb/stream.h"

#define WIDEN_US INT64_C(600000000)

struct windows {
    const int64_t *edges;
    size_t n, i; /* i: the window that is gathered */
    int64_t newest;
    bool step, any_prev, begun; /* begun: prev is what is in force at the first edge, if there is any */
    struct sample prev;
    struct acc acc;
    ts_window_fn *fn;
    void *ctx;
};

static void open_window(struct windows *w)
{
    acc_begin(&w->acc, w->edges[w->i], w->edges[w->i + 1], w->newest, w->step);
}

static const struct sample *prev(const struct windows *w)
{
    return w->any_prev ? &w->prev : NULL;
}

/* Close windows until the one that holds t; `next` is the sample there. */
static int close_until(struct windows *w, int64_t t, const struct sample *next)
{
    while (w->i < w->n && w->edges[w->i + 1] <= t) {
        acc_stretch(&w->acc, prev(w), next);
        acc_end(&w->acc, &w->prev);
        int rc = w->fn(w->ctx, w->i++, &w->acc.out);
        if (rc) return rc;
        if (w->i < w->n) open_window(w);
    }
    return 0;
}

static void take_part(struct windows *w, const struct block_meta *b)
{
    acc_stretch(&w->acc, prev(w), &b->first);
    acc_part(&w->acc, b);
    w->prev = b->last;
    w->any_prev = true;
}

static size_t before_edge(const struct sample *s, size_t n, int64_t edge)
{
    size_t lo = 0, hi = n;
    if (s[n - 1].time_us < edge) return n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s[mid].time_us < edge)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int take_samples(struct windows *w, const struct sample *s, size_t n)
{
    for (size_t k = 0, len; k < n; k += len) {
        struct block_meta part;
        int rc = close_until(w, s[k].time_us, &s[k]);
        if (rc || w->i == w->n) return rc;
        len = before_edge(s + k, n - k, w->edges[w->i + 1]);
        part.offset = part.len = 0;
        block_meta_fill(&part, s + k, len);
        take_part(w, &part);
    }
    return 0;
}

/* Where the samples of a point expire while its rollups are kept; INT64_MIN: nowhere. */
static int64_t kept_before(struct tsdb *db, uint32_t point)
{
    uint8_t c = tsdb_class_of(db, point);
    pthread_mutex_lock(&db->lock);
    int64_t t = db->classes[c].rollup_age_us ? db->floor[c] : INT64_MIN;
    pthread_mutex_unlock(&db->lock);
    return t;
}

static int finish(struct windows *w, struct tsdb *db, uint32_t point, bool *ret_own)
{
    struct sample next;
    int64_t to = w->edges[w->n];
    int rc = ERR_NOT_FOUND;
    if (!w->step && to < kept_before(db, point))
        rc = stream_after(db, point, to, &next);
    else if (!w->step)
        rc = db_after(&db->store, point, to, &next);
    if (rc && rc != ERR_NOT_FOUND) return rc;
    *ret_own = true;
    return close_until(w, INT64_MAX, rc ? NULL : &next);
}

/* The sample in force at the first edge. */
static int begin(struct windows *w, struct tsdb *db, uint32_t point)
{
    int rc = ERR_NOT_FOUND;
    if (w->edges[0] > INT64_MIN) rc = db_before(&db->store, point, w->edges[0] - 1, &w->prev);
    if (rc == ERR_NOT_FOUND && w->edges[0] > INT64_MIN && kept_before(db, point) > INT64_MIN)
        rc = stream_before(db, point, w->edges[0], &w->prev);
    w->any_prev = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* What lies before the first edge is only looked at for the last sample there; a cell across it, where nothing but
 * cells is left, belongs there, too. 1: the part is used up. */
static int before_first(struct windows *w, struct stream *s, struct run *r)
{
    int64_t first = w->edges[0];
    if (r->block && r->block->first_us >= first) return 0;
    if (r->block && r->cur && r->block->last_us >= first) {
        int rc = stream_split(s, r);
        return rc ? rc : 1;
    }
    size_t k = r->block ? 0 : before_edge(r->s, r->n, first);
    if (r->block || k) {
        w->prev = r->block ? r->block->last : r->s[k - 1];
        w->any_prev = true;
    }
    if (r->block || k == r->n) return 1;
    r->s += k;
    r->n -= k;
    return 0;
}

static int begin_once(struct windows *w, struct tsdb *db, uint32_t point)
{
    int rc = w->begun || w->any_prev ? 0 : begin(w, db, point);
    w->begun = true;
    return rc;
}

/* *ret_own: the code is the receiver's. */
static int gather(struct windows *w, struct stream *s, bool *ret_own)
{
    struct run r;
    int rc = 0;
    while (w->i < w->n && (rc = stream_next(s, &r)) == 1) {
        rc = w->begun ? 0 : before_first(w, s, &r);
        if (rc == 1) continue;
        if (!rc) rc = begin_once(w, s->q.db, s->q.point);
        if (rc) return rc;
        *ret_own = true;
        rc = r.block ? close_until(w, r.block->first_us, &r.block->first) : take_samples(w, r.s, r.n);
        if (rc) return rc;
        *ret_own = false;
        if (w->i == w->n) return 0;
        if (r.block && (!r.cur || r.block->last_us < w->edges[w->i + 1]))
            take_part(w, r.block);
        else if (r.block)
            rc = stream_split(s, &r);
        if (rc) return rc;
    }
    return w->i < w->n ? rc : 0;
}

static bool fits(void *ctx, int64_t t0, int64_t t1)
{
    const struct windows *w = ctx;
    size_t lo = 0, hi = w->n; /* first edge behind t0 */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->edges[mid] <= t0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && t1 <= w->edges[lo];
}

/* Levels whose cells are no longer than the longest window; halves of hours where windows begin at them: elsewhere they
 * would only cut blocks that can be taken whole. */
static unsigned levels_of(const struct windows *w)
{
    int64_t edge = w->edges[w->n / 2]; /* the first one may be any time */
    uint64_t longest = 0;
    unsigned levels = 0;
    for (size_t i = 0; i < w->n; i++) {
        uint64_t length = (uint64_t)w->edges[i + 1] - (uint64_t)w->edges[i];
        if (length > longest) longest = length;
    }
    for (unsigned level = 0; level < ROLL_LEVELS; level++)
        if (longest >= (uint64_t)roll_span(level)) levels |= 1u << level;
    if (edge % roll_span(ROLL_HALF)) levels &= ~(1u << ROLL_HALF);
    return levels;
}

/* A little more than was asked for: the neighbours outside mostly stand in blocks that are read anyway. */
static void widen(int64_t *from, int64_t *to)
{
    uint64_t span = (uint64_t)*to - (uint64_t)*from;
    int64_t more = span / 8 < WIDEN_US ? (int64_t)(span / 8) + 1 : WIDEN_US;
    *from = *from < INT64_MIN + more ? INT64_MIN : *from - more;
    *to = *to > INT64_MAX - more ? INT64_MAX : *to + more;
}

static int run_windows(struct windows *w, struct tsdb *db, uint32_t point, bool *ret_own)
{
    struct stream s;
    int64_t from = w->edges[0], to = w->edges[w->n];
    widen(&from, &to);
    stream_open(&s, db, point, from, to, levels_of(w), fits, w);
    w->newest = s.q.newest_us;
    open_window(w);
    int rc = gather(w, &s, ret_own);
    stream_close(&s);
    if (!rc && w->i < w->n) rc = begin_once(w, db, point);
    return rc || w->i == w->n ? rc : finish(w, db, point, ret_own);
}

int db_windows(struct ts_store *st, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *fn,
               void *ctx, struct error *e)
{
    struct windows w = {.edges = edges, .n = n, .step = step, .fn = fn, .ctx = ctx};
    bool own = false;
    for (size_t i = 0; i < n; i++)
        if (edges[i] > edges[i + 1])
            return error_set(e, ERR_INVALID, "", "windows: edge %zu lies before edge %zu",
                             "窗口：第 %zu 个边界早于第 %zu 个", i + 1, i);
    if (n == 0) return 0;
    int rc = run_windows(&w, tsdb_of(st), point, &own);
    if (!rc || own) return rc;
    int place = places_error(tsdb_of(st), e, rc);
    if (place) return place;
    return error_set(e, rc, "", "windows: %s", "窗口查询：%s", error_title(rc));
}
