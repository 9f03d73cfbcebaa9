/* stats.c - see stats.h; summary.c says what the figures mean. */
#include "tsdb/stats.h"

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static double on_line(int64_t t0, double v0, int64_t t1, double v1, int64_t t)
{
    return v0 + (v1 - v0) * ((double)(t - t0) / (double)(t1 - t0));
}

void stretch_add(struct stretch *st, const struct sample *a, const struct sample *b, int64_t from, int64_t end,
                 bool step)
{
    int64_t lo = a->time_us > from ? a->time_us : from, hi = b && b->time_us < end ? b->time_us : end;
    double v0, v1;
    if (hi <= lo) return;
    double dt = seconds(hi - lo);
    if (a->quality == QUALITY_GOOD) st->good_s += dt;
    if (!sample_usable(a, &v0)) return;
    st->usable_s += dt;
    if (step || !b || !sample_usable(b, &v1))
        st->integral += v0 * dt;
    else
        st->integral +=
            (on_line(a->time_us, v0, b->time_us, v1, lo) + on_line(a->time_us, v0, b->time_us, v1, hi)) / 2 * dt;
}

static void take(struct block_meta *m, const struct sample *s)
{
    double v, best = 0;
    m->good += s->quality == QUALITY_GOOD;
    if (s->quality != QUALITY_GOOD && !m->bad.point) m->bad = *s;
    if (!sample_usable(s, &v)) return;
    m->sum += v;
    m->usable++;
    if (!m->min.point || (sample_usable(&m->min, &best), v < best)) m->min = *s;
    if (!m->max.point || (sample_usable(&m->max, &best), v > best)) m->max = *s;
}

void block_meta_fill(struct block_meta *m, const struct sample *s, size_t n)
{
    struct stretch step = {0}, line = {0};
    *m = (struct block_meta){
        .point = s[0].point, .count = (uint32_t)n, .has_stats = true, .offset = m->offset, .len = m->len};
    m->first = s[0];
    m->last = s[n - 1];
    m->first_us = s[0].time_us;
    m->last_us = s[n - 1].time_us;
    for (size_t i = 0; i < n; i++) {
        take(m, &s[i]);
        if (i + 1 == n) break;
        stretch_add(&step, &s[i], &s[i + 1], INT64_MIN, INT64_MAX, true);
        stretch_add(&line, &s[i], &s[i + 1], INT64_MIN, INT64_MAX, false);
    }
    m->step_integral = step.integral;
    m->linear_integral = line.integral;
    m->usable_s = step.usable_s;
    m->good_s = step.good_s;
}
