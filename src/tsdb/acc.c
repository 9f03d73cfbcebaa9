/* acc.c - see acc.h. */
#include "tsdb/acc.h"
#include <math.h>

void moments_add(uint64_t *n, double *sum, double *m2, uint64_t n2, double sum2, double m2_2)
{
    if (n2 == 0) return;
    if (*n) {
        double d = sum2 / (double)n2 - *sum / (double)*n;
        *m2 += m2_2 + d * d * ((double)*n * (double)n2 / (double)(*n + n2));
    } else {
        *m2 = m2_2;
    }
    *sum += sum2;
    *n += n2;
}

void acc_begin(struct acc *a, int64_t from, int64_t to, int64_t newest, bool step)
{
    *a = (struct acc){.out = {.min = NAN, .max = NAN, .mean = NAN, .twa = NAN},
                      .from = from,
                      .end = to < newest ? to : newest,
                      .step = step};
}

void acc_stretch(struct acc *a, const struct sample *prev, const struct sample *next)
{
    if (prev) stretch_add(&a->st, prev, next, a->from, a->end, a->step);
}

static void extreme(struct ts_summary *o, double lo, int64_t lo_us, double hi, int64_t hi_us)
{
    if (isnan(o->min) || lo < o->min) o->min = lo, o->min_us = lo_us;
    if (isnan(o->max) || hi > o->max) o->max = hi, o->max_us = hi_us;
}

void acc_part(struct acc *a, const struct block_meta *b)
{
    struct ts_summary *o = &a->out;
    double lo, hi;
    if (o->count == 0) o->first = b->first;
    o->count += b->count;
    o->good += b->good;
    if (b->min.point && sample_usable(&b->min, &lo) && sample_usable(&b->max, &hi))
        extreme(o, lo, b->min.time_us, hi, b->max.time_us);
    moments_add(&o->usable, &o->sum, &o->m2, b->usable, b->sum, b->m2);
    a->st.integral += a->step ? b->step_integral : b->linear_integral;
    a->st.usable_s += b->usable_s;
    a->st.good_s += b->good_s;
}

void acc_end(struct acc *a, const struct sample *last)
{
    struct ts_summary *o = &a->out;
    if (o->count) o->last = *last;
    if (o->usable) o->mean = o->sum / (double)o->usable;
    o->integral = a->st.integral;
    o->good_s = a->st.good_s;
    o->usable_s = a->st.usable_s;
    if (o->usable_s > 0) o->twa = o->integral / o->usable_s;
    if (a->end > a->from) o->total_s = ((double)a->end - (double)a->from) / 1e6;
    if (o->total_s > 0) o->percent_good = 100 * o->good_s / o->total_s;
}

static void join_extreme(struct sample *best, const struct sample *s, bool greatest)
{
    double a, b = 0;
    if (!s->point || !sample_usable(s, &a)) return;
    if (!best->point || !sample_usable(best, &b) || (greatest ? a > b : a < b)) *best = *s;
}

void part_join(struct block_meta *a, const struct block_meta *b)
{
    struct stretch step = {0}, line = {0};
    uint64_t usable = a->usable;
    if (a->count == 0) {
        *a = *b;
        return;
    }
    stretch_add(&step, &a->last, &b->first, INT64_MIN, INT64_MAX, true);
    stretch_add(&line, &a->last, &b->first, INT64_MIN, INT64_MAX, false);
    a->step_integral += step.integral + b->step_integral;
    a->linear_integral += line.integral + b->linear_integral;
    a->usable_s += step.usable_s + b->usable_s;
    a->good_s += step.good_s + b->good_s;
    moments_add(&usable, &a->sum, &a->m2, b->usable, b->sum, b->m2);
    a->usable = (uint32_t)usable;
    a->count += b->count;
    a->good += b->good;
    join_extreme(&a->min, &b->min, false);
    join_extreme(&a->max, &b->max, true);
    if (!a->bad.point) a->bad = b->bad;
    a->last = b->last;
    a->last_us = b->last_us;
}
