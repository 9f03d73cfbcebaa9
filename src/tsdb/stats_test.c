/* The summary of a block against figures worked out one by one in long doubles: what is plain (and taken four at a
 * time) and what is not, at every length. */
#include "base/test.h"
#include "tsdb/stats.h"

#define N 300

static uint64_t state = 11;
static uint64_t rnd(uint64_t n)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

struct wanted {
    uint32_t good, usable;
    size_t least, greatest;
    long double sum, m2, step, line, usable_s, good_s, size; /* size: of the sums' parts */
};

static void work_out(const struct sample *s, size_t n, struct wanted *w)
{
    double v, next;
    *w = (struct wanted){0};
    for (size_t i = 0; i < n; i++) {
        bool usable = sample_usable(&s[i], &v);
        long double dt = i + 1 < n ? (long double)(s[i + 1].time_us - s[i].time_us) / 1e6L : 0;
        w->good += s[i].quality == QUALITY_GOOD;
        if (s[i].quality == QUALITY_GOOD) w->good_s += dt;
        if (!usable) continue;
        if (!w->usable || v < s[w->least].v.d) w->least = i;
        if (!w->usable || v > s[w->greatest].v.d) w->greatest = i;
        w->usable++;
        w->sum += v;
        w->usable_s += dt;
        w->step += v * dt;
        w->line += (i + 1 < n && sample_usable(&s[i + 1], &next) ? ((long double)v + next) / 2 : v) * dt;
        w->size += fabsl((long double)v) * (1 + dt);
    }
    for (size_t i = 0; i < n; i++)
        if (sample_usable(&s[i], &v)) w->m2 += (v - w->sum / w->usable) * (v - w->sum / w->usable);
}

static bool close_to(double got, long double want, long double size)
{
    return fabsl(got - want) <= 1e-12L * size;
}

static void check(const struct sample *s, size_t n)
{
    struct block_meta m = {0};
    struct wanted w;
    block_meta_fill(&m, s, n);
    work_out(s, n, &w);
    CHECK_INT(m.count, n);
    CHECK_INT(m.good, w.good);
    CHECK_INT(m.usable, w.usable);
    CHECK(m.first_us == s[0].time_us && m.last_us == s[n - 1].time_us && m.has_stats);
    CHECK(memcmp(&m.first, s, sizeof *s) == 0 && memcmp(&m.last, s + n - 1, sizeof *s) == 0);
    CHECK(w.usable ? m.min.time_us == s[w.least].time_us && m.max.time_us == s[w.greatest].time_us : !m.min.point);
    CHECK(close_to(m.sum, w.sum, w.size) && close_to(m.m2, w.m2, w.m2 * 1000 + 1e-9L));
    CHECK(close_to(m.step_integral, w.step, w.size) && close_to(m.linear_integral, w.line, w.size));
    CHECK(close_to(m.usable_s, w.usable_s, w.usable_s + 1) && close_to(m.good_s, w.good_s, w.good_s + 1));
}

/* Values with many equal ones, around an offset. */
static void make(struct sample *s, size_t n, double offset, uint64_t levels, int64_t gap)
{
    int64_t t = INT64_C(1700000000000000);
    for (size_t i = 0; i < n; i++, t += 1 + (int64_t)rnd((uint64_t)gap))
        s[i] = (struct sample){
            .time_us = t, .point = 5, .type = SAMPLE_DOUBLE, .v.d = offset + ((double)rnd(levels) - 20) / 10};
}

TEST(plain_samples)
{
    static const double offsets[] = {0, 100, -7e5};
    struct sample s[N];
    for (size_t n = 1; n < N; n++) {
        make(s, n, offsets[n % 3], n % 5 ? 40 : 3, n % 7 ? 2000000 : INT64_C(1) << 53);
        check(s, n);
    }
}

TEST(something_else_anywhere)
{
    struct sample s[N];
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++) {
            make(s, n, 3, 40, 2000000);
            uint64_t what = rnd(6);
            if (what == 0) s[at].quality = QUALITY_BAD;
            if (what == 1) s[at].quality = QUALITY_UNCERTAIN;
            if (what == 2) s[at].v.d = NAN;
            if (what == 3) s[at].v.d = -INFINITY;
            if (what == 4) s[at].type = SAMPLE_STRING, s[at].v.u = 7;
            if (what == 5) s[at].flags = SAMPLE_FLAG_BACKFILL;
            check(s, n);
        }
}

TEST(the_first_of_equal_extremes)
{
    struct sample s[N];
    for (size_t a = 0; a < 16; a++)
        for (size_t b = a + 1; b < 20; b++) {
            make(s, 23, 0, 3, 1000);
            s[a].v.d = s[b].v.d = 50;
            struct block_meta m = {0};
            block_meta_fill(&m, s, 23);
            CHECK_INT(m.max.time_us, s[a].time_us);
            s[a].v.d = s[b].v.d = -50;
            block_meta_fill(&m, s, 23);
            CHECK_INT(m.min.time_us, s[a].time_us);
            s[a].v.d = 0.0, s[b].v.d = -0.0;
            check(s, 23);
        }
}

TEST(one_far_from_the_others)
{
    struct sample s[N];
    for (size_t n = 8; n < N; n += 7) {
        make(s, n, 0, 40, 1000);
        s[n % 3 ? 0 : n - 1].v.d = 1e6;
        check(s, n);
    }
}
