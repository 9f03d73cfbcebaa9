/* plot.c - per pixel interval at most five samples: first, least, greatest, last and the first one that
 * is not good. Blocks that lie inside one interval are taken by their summary. Intervals longer than a rollup cell
 * end at the borders of such cells, also where samples are read, so that the answer does not depend on what has
 * been rolled. */
#include "tsdb/places.h"
#include "tsdb/stream.h"
#include "tsdb/stats.h"

#define OUT_MAX 512
#define FEW 12 /* samples of an interval that are looked at one by one */

struct pixel {
    struct sample first, last, min, max, bad; /* of point 0: there is none */
    double lo, hi;
};
struct plot {
    int64_t from;
    uint64_t span;
    uint32_t pixels;
    int64_t grid;   /* pixels end at multiples of this; 0: anywhere */
    unsigned level; /* that it comes from */
    bool any;
    struct pixel m; /* what is gathered of one */
    int64_t end;    /* where it ends */
    struct sample out[OUT_MAX];
    size_t n;
    ts_scan_fn *fn;
    void *ctx;
};

/* a * b / c, rounded down. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x;
    if (!__builtin_mul_overflow(a, b, &x)) return x / c;
    return (uint64_t)((unsigned __int128)a * b / c);
}

/* With long pixels the one in which the sample's cell begins. */
static uint64_t pixel_of(const struct plot *p, int64_t t)
{
    if (p->grid && roll_start(p->level, t) > p->from)
        t = roll_start(p->level, t);
    else if (p->grid)
        t = p->from;
    return scale((uint64_t)t - (uint64_t)p->from, p->pixels, p->span);
}

static int emit(struct plot *p)
{
    if (p->n == 0) return 0;
    size_t n = p->n;
    p->n = 0;
    return p->fn(p->ctx, p->out, n);
}

static void add_sorted(const struct sample **five, size_t *n, const struct sample *s)
{
    size_t at = *n;
    if (!s->point) return;
    while (at > 0 && five[at - 1]->time_us > s->time_us) at--;
    if (at > 0 && five[at - 1]->time_us == s->time_us) return;
    for (size_t i = *n; i > at; i--) five[i] = five[i - 1];
    five[at] = s;
    ++*n;
}

static int flush_pixel(struct plot *p)
{
    const struct sample *five[5];
    size_t n = 0;
    if (!p->any) return 0;
    p->any = false;
    add_sorted(five, &n, &p->m.first);
    add_sorted(five, &n, &p->m.last);
    add_sorted(five, &n, &p->m.min);
    add_sorted(five, &n, &p->m.max);
    add_sorted(five, &n, &p->m.bad);
    int rc = p->n + n > OUT_MAX ? emit(p) : 0;
    for (size_t i = 0; i < n; i++) p->out[p->n++] = *five[i];
    return rc;
}

/* Where the pixel ends: the first time that belongs to a later one. */
static int64_t end_of(const struct plot *p, uint64_t pixel)
{
    uint64_t offset = scale(pixel + 1, p->span, p->pixels);
    if (scale(offset, p->pixels, p->span) <= pixel) offset++;
    int64_t t = (int64_t)((uint64_t)p->from + offset), start = p->grid ? roll_start(p->level, t) : t;
    if (start == t) return t;
    return start > INT64_MAX - p->grid ? INT64_MAX : start + p->grid;
}

static int into_pixel(struct plot *p, int64_t t)
{
    if (p->any && t < p->end) return 0;
    int rc = flush_pixel(p);
    p->end = end_of(p, pixel_of(p, t));
    p->m.min.point = p->m.max.point = p->m.bad.point = 0;
    return rc;
}

static void keep_extremes(struct pixel *m, const struct sample *lo, const struct sample *hi)
{
    double a, b;
    if (!sample_usable(lo, &a) || !sample_usable(hi, &b)) return;
    if (!m->min.point || a < m->lo) m->min = *lo, m->lo = a;
    if (!m->max.point || b > m->hi) m->max = *hi, m->hi = b;
}

static int take_part(struct plot *p, const struct block_meta *b)
{
    int rc = into_pixel(p, b->first_us);
    if (!p->any) p->m.first = b->first;
    p->any = true;
    p->m.last = b->last;
    if (b->min.point) keep_extremes(&p->m, &b->min, &b->max);
    if (!p->m.bad.point) p->m.bad = b->bad;
    return rc;
}

/* How many of s[0..n) lie in the pixel of the first, which is the one that is gathered. */
static size_t in_pixel(const struct plot *p, const struct sample *s, size_t n)
{
    size_t lo = 1, hi = n;
    while (lo < FEW && lo < n && s[lo].time_us < p->end) lo++;
    if (lo < FEW || lo == n) return lo;
    if (s[n - 1].time_us < p->end) return n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s[mid].time_us < p->end)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void take_few(struct plot *p, const struct sample *s, size_t n)
{
    struct pixel *m = &p->m;
    if (!p->any) m->first = s[0];
    p->any = true;
    m->last = s[n - 1];
    for (size_t i = 0; i < n; i++) {
        keep_extremes(m, &s[i], &s[i]);
        if (s[i].quality != QUALITY_GOOD && !m->bad.point) m->bad = s[i];
    }
}

static int take_samples(struct plot *p, const struct sample *s, size_t n)
{
    int rc = 0;
    for (size_t len; n && !rc; s += len, n -= len) {
        rc = into_pixel(p, s->time_us);
        len = in_pixel(p, s, n);
        if (len < FEW) {
            take_few(p, s, len);
        } else {
            struct block_meta part = {0};
            block_meta_fill(&part, s, len);
            (void)take_part(p, &part); /* is in its pixel */
        }
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
