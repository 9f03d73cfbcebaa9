/* plot.c - per pixel interval at most five samples: first, least, greatest, last and the first one that
 * is not good. Blocks that lie inside one interval are taken by their summary. Intervals longer than a rollup cell
 * end at the borders of such cells, also where samples are read, so that the answer does not depend on what has
 * been rolled. */
#include "tsdb/places.h"
#include "tsdb/stream.h"
#include "tsdb/stats.h"

#define OUT_MAX 512

struct plot {
    int64_t from;
    uint64_t span;
    uint32_t pixels;
    int64_t grid;   /* pixels end at multiples of this; 0: anywhere */
    unsigned level; /* that it comes from */
    bool any;
    uint64_t pixel; /* of what is gathered in m */
    struct block_meta m;
    struct sample out[OUT_MAX];
    size_t n;
    ts_scan_fn *fn;
    void *ctx;
};

/* With long pixels the one in which the sample's cell begins. */
static uint64_t pixel_of(const struct plot *p, int64_t t)
{
    if (p->grid && roll_start(p->level, t) > p->from)
        t = roll_start(p->level, t);
    else if (p->grid)
        t = p->from;
    return (uint64_t)((unsigned __int128)((uint64_t)t - (uint64_t)p->from) * p->pixels / p->span);
}

static int emit(struct plot *p)
{
    if (p->n == 0) return 0;
    size_t n = p->n;
    p->n = 0;
    return p->fn(p->ctx, p->out, n);
}

static void add_sorted(struct sample *five, size_t *n, const struct sample *s)
{
    size_t at = *n;
    if (!s->point) return;
    while (at > 0 && five[at - 1].time_us > s->time_us) at--;
    if (at > 0 && five[at - 1].time_us == s->time_us) return;
    memmove(&five[at + 1], &five[at], (*n - at) * sizeof *five);
    five[at] = *s;
    ++*n;
}

static int flush_pixel(struct plot *p)
{
    struct sample five[5];
    size_t n = 0;
    if (!p->any) return 0;
    p->any = false;
    add_sorted(five, &n, &p->m.first);
    add_sorted(five, &n, &p->m.last);
    add_sorted(five, &n, &p->m.min);
    add_sorted(five, &n, &p->m.max);
    add_sorted(five, &n, &p->m.bad);
    int rc = p->n + n > OUT_MAX ? emit(p) : 0;
    memcpy(p->out + p->n, five, n * sizeof *five);
    p->n += n;
    return rc;
}

static void keep_extreme(struct sample *best, const struct sample *s, bool greatest)
{
    double a, b = 0;
    if (!s->point || !sample_usable(s, &a)) return;
    if (!best->point || !sample_usable(best, &b) || (greatest ? a > b : a < b)) *best = *s;
}

static int into_pixel(struct plot *p, int64_t t)
{
    uint64_t pixel = pixel_of(p, t);
    if (p->any && pixel == p->pixel) return 0;
    int rc = flush_pixel(p);
    p->pixel = pixel;
    p->m = (struct block_meta){0};
    return rc;
}

static int take_part(struct plot *p, const struct block_meta *b)
{
    int rc = into_pixel(p, b->first_us);
    if (!p->any) p->m.first = b->first;
    p->any = true;
    p->m.last = b->last;
    keep_extreme(&p->m.min, &b->min, false);
    keep_extreme(&p->m.max, &b->max, true);
    if (!p->m.bad.point) p->m.bad = b->bad;
    return rc;
}

/* How many of s[0..n) lie in the pixel of the first. */
static size_t in_pixel(const struct plot *p, const struct sample *s, size_t n)
{
    uint64_t pixel = pixel_of(p, s->time_us);
    size_t lo = 1, hi = n;
    if (pixel_of(p, s[n - 1].time_us) == pixel) return n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (pixel_of(p, s[mid].time_us) == pixel)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int take_samples(struct plot *p, const struct sample *s, size_t n)
{
    int rc = 0;
    for (size_t len; n && !rc; s += len, n -= len) {
        struct block_meta part = {0};
        len = in_pixel(p, s, n);
        block_meta_fill(&part, s, len);
        rc = take_part(p, &part);
    }
    return rc;
}

/* *ret_own: the code is the receiver's. */
static int run_plot(struct plot *p, struct stream *s, bool *ret_own)
{
    struct run r;
    for (;;) {
        int rc = stream_next(s, &r);
        if (rc < 0) return rc;
        if (rc == 0) break;
        *ret_own = true;
        if (r.block && (!r.cur || pixel_of(p, r.block->first_us) == pixel_of(p, r.block->last_us)))
            rc = take_part(p, r.block);
        else if (r.block) {
            *ret_own = false;
            rc = stream_split(s, &r);
        } else {
            rc = take_samples(p, r.s, r.n);
        }
        if (rc) return rc;
        *ret_own = false;
    }
    *ret_own = true;
    int rc = flush_pixel(p);
    return rc ? rc : emit(p);
}

/* Cells are no longer than a pixel and belong where they begin: samples, too, then. */
static bool fits(void *ctx, int64_t t0, int64_t t1)
{
    return true;
}

/* The longest cells that are no longer than a pixel, and what they are made of. */
static unsigned levels_of(struct plot *p)
{
    unsigned levels = 0;
    for (unsigned level = 0; level < ROLL_LEVELS; level++) {
        if (p->span / p->pixels < (uint64_t)roll_span(level)) break;
        levels |= 1u << level;
        p->grid = roll_span(level);
        p->level = level;
    }
    return levels;
}

int db_plot(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *fn, void *ctx,
            struct error *e)
{
    struct plot p = {
        .from = from, .span = (uint64_t)to - (uint64_t)from, .pixels = pixels ? pixels : 1, .fn = fn, .ctx = ctx};
    struct stream s;
    bool own = false;
    if (from >= to) return 0;
    stream_open(&s, tsdb_of(st), point, from, to, levels_of(&p), fits, NULL);
    int rc = run_plot(&p, &s, &own);
    stream_close(&s);
    if (!rc || own) return rc;
    int place = places_error(tsdb_of(st), e, rc);
    if (place) return place;
    return error_set(e, rc, "", "plot: %s", "曲线查询：%s", error_title(rc));
}
