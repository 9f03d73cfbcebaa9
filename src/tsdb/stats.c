/* stats.c - see stats.h; summary.c says what the figures mean. */
#include "tsdb/stats.h"
#include <string.h>
#include "tsdb/stats_wide.h"

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

/* Stretch from sample i to the next one. */
static void add_step(struct figures *f, const struct sample *s, bool usable, double v, bool next_usable, double next)
{
    double dt = (double)(s[1].time_us - s[0].time_us);
    if (s->quality == QUALITY_GOOD) f->good_us += dt;
    if (!usable) return;
    f->usable_us += dt;
    f->step += v * dt;
    f->line += (next_usable ? (v + next) / 2 : v) * dt;
}

static void take(struct block_meta *m, struct figures *f, const struct sample *s, size_t i, bool usable, double v)
{
    m->good += s[i].quality == QUALITY_GOOD;
    if (s[i].quality != QUALITY_GOOD && !m->bad.point) m->bad = s[i];
    if (!usable) return;
    f->sum += v;
    if (!m->usable || v < f->min) f->min = v, f->least = i;
    if (!m->usable || v > f->max) f->max = v, f->greatest = i;
    m->usable++;
}

static void walk(struct block_meta *m, struct figures *f, const struct sample *s, size_t n)
{
    double v = 0, next = 0;
    bool usable = sample_usable(&s[0], &v);
    for (size_t i = 0; i < n; i++) {
        take(m, f, s, i, usable, v);
        if (i + 1 == n) break;
        bool next_usable = sample_usable(&s[i + 1], &next);
        add_step(f, &s[i], usable, v, next_usable, next);
        usable = next_usable;
        v = next;
    }
}

static uint32_t meta_word(const struct sample *s)
{
    uint32_t m;
    memcpy(&m, &s->type, sizeof m);
    return m;
}

/* s[from..n) are good, finite doubles: those of nearly every block are. */
static bool plain(const struct sample *s, size_t from, size_t n)
{
    uint32_t other = 0;
    uint64_t infinite = 0;
    for (size_t i = from; i < n; i++) {
        other |= meta_word(&s[i]) ^ meta_word(&s[0]);
        infinite |= (s[i].v.u >> 52 & 0x7ff) == 0x7ff;
    }
    return !(other | infinite);
}

/* What stats_wide left, from > 0. */
static void walk_plain(struct figures *f, const struct sample *s, size_t from, size_t n)
{
    for (size_t i = from; i < n; i++) {
        double v = s[i].v.d, before = s[i - 1].v.d, dt = (double)(s[i].time_us - s[i - 1].time_us);
        double d = v - s[0].v.d;
        f->sum += v;
        f->step += before * dt;
        f->line += (before + v) * dt;
        f->rest += d;
        f->squares += d * d;
        if (v < f->min) f->min = v, f->least = i;
        if (v > f->max) f->max = v, f->greatest = i;
    }
}

/* All good, finite doubles: in one pass, figures about the first value. */
static bool try_plain(struct block_meta *m, struct figures *f, const struct sample *s, size_t n)
{
    if (s->type != SAMPLE_DOUBLE || s->quality != QUALITY_GOOD) return false;
    size_t done = stats_wide(f, s, n);
    if (!plain(s, done, n)) return false;
    if (done == 0) *f = (struct figures){.sum = s->v.d, .min = s->v.d, .max = s->v.d};
    walk_plain(f, s, done ? done : 1, n);
    f->line /= 2;
    f->usable_us = f->good_us = (double)(s[n - 1].time_us - s[0].time_us);
    m->good = m->usable = (uint32_t)n;
    double squares = f->squares - f->rest * f->rest / (double)n;
    m->m2 = squares > 0 || isnan(squares) ? squares : 0;
    return true;
}

/* Second pass: about the mean, with what rounding left of the sum of differences taken off again. */
static double about_mean(const struct sample *s, size_t n, double mean, double usable)
{
    double squares = 0, rest = 0, v;
    for (size_t i = 0; i < n; i++) {
        if (!sample_usable(&s[i], &v)) continue;
        squares += (v - mean) * (v - mean);
        rest += v - mean;
    }
    squares -= rest * rest / usable;
    return squares > 0 || isnan(squares) ? squares : 0;
}

/* Member by member: it is done for every few samples, and clearing the whole of it would take as long as the rest. */
static void begin(struct block_meta *m, const struct sample *s, size_t n)
{
    static const struct sample none;
    m->point = s[0].point;
    m->count = (uint32_t)n;
    m->has_stats = true;
    m->first_us = s[0].time_us;
    m->last_us = s[n - 1].time_us;
    m->first = s[0];
    m->last = s[n - 1];
    m->min = m->max = m->bad = none;
    m->good = m->usable = 0;
    m->m2 = 0;
}

void block_meta_fill(struct block_meta *m, const struct sample *s, size_t n)
{
    struct figures f;
    begin(m, s, n);
    if (!try_plain(m, &f, s, n)) {
        f = (struct figures){0};
        walk(m, &f, s, n);
        if (m->usable) m->m2 = about_mean(s, n, f.sum / m->usable, m->usable);
    }
    if (m->usable) {
        m->min = s[f.least];
        m->max = s[f.greatest];
    }
    m->sum = f.sum;
    m->step_integral = f.step / 1e6;
    m->linear_integral = f.line / 1e6;
    m->usable_s = f.usable_us / 1e6;
    m->good_s = f.good_us / 1e6;
}
