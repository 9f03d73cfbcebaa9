/* aggregate.c - the accumulator of a window: see aggregate.h. */
#include "modules/history/aggregate.h"
#include <math.h>
#include "base/mem.h"
#include "model/sample.h"

static uint8_t class_of(const struct sample *s)
{
    if (s->quality == QUALITY_BAD || isnan(sample_number(s))) return QUALITY_BAD;
    return s->quality;
}

bool agg_usable(const struct agg_config *cfg, const struct sample *s)
{
    uint8_t c = s->point ? class_of(s) : QUALITY_BAD;
    return c == QUALITY_GOOD || (c == QUALITY_UNCERTAIN && !cfg->treat_uncertain_as_bad);
}

static bool says_nothing(const struct sample *s)
{
    return s->quality == QUALITY_BAD && (s->flags & SAMPLE_REASON_MASK) == REASON_NO_DATA;
}

static double line_at(const struct sample *p, const struct sample *n, int64_t at)
{
    double a = sample_number(p), b = sample_number(n);
    return a + (b - a) * ((double)(at - p->time_us) / (double)(n->time_us - p->time_us));
}

static double seconds(int64_t from, int64_t to)
{
    return (double)(to - from) / 1e6;
}

/* Stepped: what held before the window holds at its beginning, whatever follows. */
static void hold_at_from(struct agg *a)
{
    const struct sample *p = &a->prev_usable;
    bool doubtful = a->gap_now || class_of(p) == QUALITY_UNCERTAIN || a->from > a->around.data_to;
    a->at_from = (struct agg_bound){sample_number(p),
                                    (doubtful ? STATUS_UNCERTAIN_SUBNORMAL : STATUS_GOOD) | STATUS_INTERPOLATED};
}

void agg_begin(struct agg *a, const struct agg_config *cfg, int64_t from, int64_t to, const struct agg_around *around,
               size_t max_values)
{
    double *value = a->value;
    size_t cap = a->cap;
    *a = (struct agg){.cfg = cfg,
                      .from = from,
                      .to = to,
                      .around = *around,
                      .min = NAN,
                      .max = NAN,
                      .min2 = NAN,
                      .max2 = NAN,
                      .start = {NAN, STATUS_BAD_NODATA},
                      .end = {NAN, STATUS_BAD_NODATA},
                      .at_from = {NAN, STATUS_BAD_NODATA},
                      .prev = around->before,
                      .prev_usable = around->usable[0],
                      .before_usable = around->usable[1],
                      .value = value,
                      .cap = cap,
                      .max_values = max_values};
    a->gap_now = a->prev_usable.point && a->prev.point && a->prev.time_us != a->prev_usable.time_us;
    if (cfg->stepped && a->prev_usable.point) hold_at_from(a);
}

void agg_fini(struct agg *a)
{
    mem_free(a->value);
    a->value = NULL;
    a->cap = 0;
}

struct agg_around agg_next(const struct agg *a)
{
    struct agg_around n = a->around;
    n.before = a->prev;
    n.usable[0] = a->prev_usable;
    n.usable[1] = a->before_usable;
    return n;
}

/* ------------------------------------------------------------------ regions with simple bounds */

static void extreme2(struct agg *a, double v, int64_t at)
{
    if (v == a->min2) a->min2_again = true;
    if (v == a->max2) a->max2_again = true;
    if (isnan(a->min2) || v < a->min2) a->min2 = v, a->min2_us = at, a->min2_again = false;
    if (isnan(a->max2) || v > a->max2) a->max2 = v, a->max2_us = at, a->max2_again = false;
}

/* A simple bounding value between prev and next; both may be missing. */
static struct agg_bound simple_bound(const struct agg *a, const struct sample *next, int64_t at)
{
    const struct agg_config *cfg = a->cfg;
    const struct sample *p = &a->prev;
    bool uncertain = class_of(p) == QUALITY_UNCERTAIN;
    if (!agg_usable(cfg, p)) return (struct agg_bound){NAN, STATUS_BAD_NODATA};
    struct agg_bound b = {sample_number(p), STATUS_INTERPOLATED};
    if (!cfg->stepped && agg_usable(cfg, next)) {
        b.v = line_at(p, next, at);
        uncertain |= class_of(next) == QUALITY_UNCERTAIN;
    } else if (!cfg->stepped || !next->point) {
        uncertain = true;
    }
    if (uncertain) b.status |= STATUS_UNCERTAIN_SUBNORMAL;
    return b;
}

static struct agg_bound raw_bound(const struct agg *a, const struct sample *s)
{
    if (!agg_usable(a->cfg, s)) return (struct agg_bound){NAN, STATUS_BAD_NODATA};
    return (struct agg_bound){sample_number(s), class_of(s) == QUALITY_GOOD ? STATUS_GOOD : STATUS_UNCERTAIN};
}

/* Is the region from prev to next, as far as the window sees it, good? */
static bool region_good(const struct agg *a, const struct sample *next, bool cut_front, bool cut_back)
{
    const struct agg_config *cfg = a->cfg;
    if (class_of(&a->prev) != QUALITY_GOOD) return false;
    if (cfg->stepped) return true;
    if (cut_front && (!next->point || class_of(next) != QUALITY_GOOD)) return false;
    if (agg_usable(cfg, next)) return true;
    return cut_back && next->point && !cfg->treat_uncertain_as_bad; /* ends in a held, uncertain bound */
}

static void region_value(struct agg *a, const struct sample *next, int64_t t0, int64_t t1)
{
    bool sloped = !a->cfg->stepped && agg_usable(a->cfg, next);
    double v0 = sloped ? line_at(&a->prev, next, t0) : sample_number(&a->prev);
    double v1 = sloped ? line_at(&a->prev, next, t1) : v0, s = seconds(t0, t1);
    a->integral2 += (v0 + v1) / 2 * s;
    *(v0 == 0 ? &a->zero_s : &a->nonzero_s) += s;
}

/* The stretch from prev to next inside [from, end). */
static void simple_region(struct agg *a, const struct sample *next, int64_t end)
{
    int64_t t0 = a->prev.point && a->prev.time_us > a->from ? a->prev.time_us : a->from, t1 = end;
    if (t1 <= t0) return;
    double s = seconds(t0, t1);
    bool known = a->prev.point != 0;
    if (known && class_of(&a->prev) == QUALITY_GOOD) a->start_good_s += s;
    if (!known || class_of(&a->prev) == QUALITY_BAD) a->start_bad_s += s;
    if (!agg_usable(a->cfg, &a->prev)) {
        a->bad_s += s;
        return;
    }
    bool good = region_good(a, next, known && a->prev.time_us < a->from, next->point && next->time_us > t1);
    *(good ? &a->good_s : &a->uncertain_s) += s;
    region_value(a, next, t0, t1);
}

/* ------------------------------------------------------------------ regions between usable samples */

/* Sloped: on the line to the next usable sample, or beyond the last one. */
static void find_at_from(struct agg *a, const struct sample *next)
{
    const struct sample *p = &a->prev_usable;
    bool doubtful = a->gap_now || !next->point;
    if (a->at_from_done) return;
    a->at_from_done = true;
    if (a->cfg->stepped || !p->point) return;
    doubtful |= class_of(p) == QUALITY_UNCERTAIN || (next->point && class_of(next) == QUALITY_UNCERTAIN);
    double v = sample_number(p);
    if (next->point)
        v = line_at(p, next, a->from);
    else if (a->cfg->sloped_extrapolation && a->before_usable.point)
        v = line_at(&a->before_usable, p, a->from);
    a->at_from = (struct agg_bound){v, (doubtful ? STATUS_UNCERTAIN_SUBNORMAL : STATUS_GOOD) | STATUS_INTERPOLATED};
}

/* A sample at the very beginning. */
static void sample_at_from(struct agg *a, const struct sample *s)
{
    bool usable = agg_usable(a->cfg, s), nothing = says_nothing(s);
    if (usable) a->at_from = raw_bound(a, s);
    if (nothing) a->at_from = (struct agg_bound){NAN, STATUS_BAD_NODATA};
    if (!usable && !isnan(a->at_from.v)) a->at_from.status |= STATUS_UNCERTAIN_SUBNORMAL;
    if (usable || nothing) a->at_from_done = true;
}

static void usable_region(struct agg *a, const struct sample *next, int64_t end)
{
    const struct sample *p = &a->prev_usable;
    if (!p->point) return;
    int64_t t0 = p->time_us > a->from ? p->time_us : a->from, t1 = end;
    bool sloped = !a->cfg->stepped && next->point;
    if (t1 <= t0) return;
    double v0 = sloped ? line_at(p, next, t0) : sample_number(p), v1 = sloped ? line_at(p, next, t1) : v0;
    a->integral += (v0 + v1) / 2 * seconds(t0, t1);
    a->usable_s += seconds(t0, t1);
    a->gap |= a->gap_now || class_of(p) != QUALITY_GOOD || (sloped && class_of(next) != QUALITY_GOOD);
}

/* ------------------------------------------------------------------ samples */

static void take_value(struct agg *a, double v)
{
    if (!a->max_values || a->err) return;
    if (a->nvalue == a->max_values) a->err = ERR_TOO_LARGE;
    if (!a->err && !mem_grow((void **)&a->value, &a->cap, a->nvalue + 1, sizeof *a->value)) a->err = ERR_NOMEM;
    if (!a->err) a->value[a->nvalue++] = v;
}

static void take_good(struct agg *a, const struct sample *s, double v)
{
    double d = v - a->mean;
    a->good++;
    a->sum += v;
    a->mean += d / (double)a->good;
    a->m2 += d * (v - a->mean);
    if (v == a->min) a->min_again = true;
    if (v == a->max) a->max_again = true;
    if (isnan(a->min) || v < a->min) a->min = v, a->min_us = s->time_us, a->min_again = false;
    if (isnan(a->max) || v > a->max) a->max = v, a->max_us = s->time_us, a->max_again = false;
    if (!a->first_good.point) a->first_good = *s;
    a->last_good = *s;
    take_value(a, v);
}

static void take_usable(struct agg *a, const struct sample *s, double v)
{
    const struct sample *p = &a->prev_usable;
    extreme2(a, v, s->time_us);
    usable_region(a, s, s->time_us);
    find_at_from(a, s);
    double before = p->point ? sample_number(p) : NAN;
    a->transitions += v != before;
    if (p->point) a->counter += v >= before ? v - before : v;
    a->before_usable = *p;
    a->prev_usable = *s;
    a->gap_now = false;
}

static void count_sample(struct agg *a, const struct sample *s, uint8_t c)
{
    uint64_t n = a->good + a->uncertain + a->bad;
    if (!a->first.point) a->first = *s;
    a->last = *s;
    if (c == a->worst && n) a->worst_again = true;
    if (c > a->worst) a->worst = c, a->worst_again = false;
    a->uncertain += c == QUALITY_UNCERTAIN;
    a->bad += c == QUALITY_BAD;
    if (c == QUALITY_GOOD) take_good(a, s, sample_number(s));
}

/* The simple bounding value at the beginning, once what follows is known. */
static void set_start(struct agg *a, const struct sample *next)
{
    if (a->start_done) return;
    a->start_done = true;
    if (next->point && next->time_us == a->from) {
        a->start = raw_bound(a, next);
        return;
    }
    a->start = simple_bound(a, next, a->from);
    if (!isnan(a->start.v)) extreme2(a, a->start.v, a->from);
}

static void take_sample(struct agg *a, const struct sample *s)
{
    set_start(a, s);
    simple_region(a, s, s->time_us);
    if (s->time_us == a->from) sample_at_from(a, s);
    if (!says_nothing(s)) count_sample(a, s, class_of(s));
    if (agg_usable(a->cfg, s))
        take_usable(a, s, sample_number(s));
    else
        a->gap_now = true;
    a->prev = *s;
}

void agg_add(struct agg *a, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) take_sample(a, &s[i]);
}

void agg_end(struct agg *a, const struct sample *after, const struct sample *usable_after)
{
    int64_t end = a->to < a->around.data_to ? a->to : a->around.data_to;
    set_start(a, after);
    simple_region(a, after, end);
    a->end = after->point && after->time_us == a->to ? raw_bound(a, after) : simple_bound(a, after, a->to);
    if (!isnan(a->end.v) && !a->cfg->stepped && a->to <= a->around.data_to) extreme2(a, a->end.v, a->to);
    bool hole = after->point && usable_after->time_us != after->time_us;
    if (hole && !a->cfg->stepped) a->gap_now = true;
    usable_region(a, usable_after, end);
    find_at_from(a, usable_after);
}
