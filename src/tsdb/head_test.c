/* The head against a naive table: samples out of order in all the ways in which they come (feeders that lag, points
 * of a group that drift apart, late singles, old stretches in any order, rewrites), snapshots at any moment, and
 * memory that runs out anywhere. */
#include "base/mem.h"
#include "tsdb/head_int.h"
#include "tsdb/test_model.h"

struct bed {
    struct head *h;
    struct model m;
    struct codec *codec;
    uint64_t dropped, faults; /* by the last look; of all */
    size_t most, other;       /* sources at once; bytes that the head is told it uses for other points */
    int64_t now;
};

static void bed_open(struct bed *b, uint64_t seed)
{
    *b = (struct bed){.h = head_new(7), .codec = codec_new(4096), .now = INT64_C(1700000000) * SEC};
    model_init(&b->m, seed);
    REQUIRE(b->h && b->codec);
}

static void bed_close(struct bed *b)
{
    head_unref(b->h);
    codec_free(b->codec);
    model_fini(&b->m);
}

static void add(struct bed *b, const struct sample *s, size_t n)
{
    for (size_t i = 0, done = 0; i < n; i += done) {
        int rc = head_add(b->h, s + i, n - i, &done);
        mem_fail_at(0, false);
        if (rc) b->faults++;
        if (rc && rc != ERR_NOMEM) test_fail(__FILE__, __LINE__, "head_add: %d", rc);
    }
    for (size_t i = 0; i < n; i++) model_put(&b->m, s[i]);
}

/* ---- looking ---- */
static int look(struct bed *b, uint32_t p, int64_t from, int64_t to, struct check *c)
{
    struct arena a;
    struct source s[HEAD_SOURCES];
    struct merge m;
    struct run r;
    size_t n = 0;
    arena_init(&a, 64 << 20);
    int rc = head_sources(b->h, p, from, to, &a, s, &n);
    CHECK(n <= HEAD_SOURCES);
    if (n > b->most) b->most = n;
    if (!rc) rc = merge_init(&m, s, n, from, to, b->codec);
    while (!rc && (rc = merge_next(&m, false, &r)) == 1) rc = check_run(c, r.s, r.n);
    CHECK(!m.damaged);
    b->dropped = m.dropped;
    merge_fini(&m);
    arena_fini(&a);
    return rc;
}

static void check_range(struct bed *b, uint32_t p, int64_t from, int64_t to)
{
    struct series *sr = &b->m.p[p];
    size_t lo = lower(sr, from), hi = to == INT64_MAX ? sr->n : lower(sr, to + 1);
    struct check c = {.want = sr->s + lo, .n = hi > lo ? hi - lo : 0};
    CHECK_INT(look(b, p, from, to, &c), 0);
    CHECK_INT(c.wrong, 0);
    CHECK_INT(c.at, c.n);
}

static void check_something(struct bed *b)
{
    uint32_t p = 1 + (uint32_t)rnd(&b->m, POINTS);
    int64_t from = b->now - (int64_t)rnd(&b->m, 3000) * SEC;
    check_range(b, p, from, from + (int64_t)rnd(&b->m, 1000) * SEC);
}

/* Everything stands there, and every sample that was given is there, or was counted when another took its place. */
static void check_all(struct bed *b)
{
    struct head_counts c;
    uint64_t distinct = 0, dropped = 0;
    for (uint32_t p = 1; p <= POINTS; p++) {
        check_range(b, p, INT64_MIN, INT64_MAX);
        distinct += b->m.p[p].n;
        dropped += b->dropped;
    }
    head_counts(b->h, &c);
    CHECK_INT(c.samples, distinct + dropped + c.rewritten);
    CHECK(c.late <= c.samples);
    CHECK(c.bytes - b->other < c.samples * 64 + (1 << 20));
}

/* ---- ways to come ---- */
typedef size_t arrive_fn(struct bed *b, uint32_t i, struct sample *out);

static size_t poll(struct bed *b, int64_t t, uint32_t first, uint32_t last, struct sample *out)
{
    size_t n = 0;
    for (uint32_t p = first; p <= last; p++) out[n++] = make_sample(&b->m, p, t);
    return n;
}

static int64_t second(const struct bed *b, uint32_t i)
{
    return INT64_C(1700000000) * SEC + i * SEC + i * 7919 % 5 * 1000;
}

/* Even and odd seconds by two feeders, the second one some seconds behind. */
static size_t two_feeders(struct bed *b, uint32_t i, struct sample *out, uint32_t lag)
{
    b->now = second(b, i);
    if (i % 2 == 0) return poll(b, b->now, 1, POINTS, out);
    return i > lag ? poll(b, second(b, i - lag / 2 * 2), 1, POINTS, out) : 0;
}

static size_t lag_of_4(struct bed *b, uint32_t i, struct sample *out)
{
    return two_feeders(b, i, out, 4);
}

static size_t lag_of_40(struct bed *b, uint32_t i, struct sample *out)
{
    return two_feeders(b, i, out, 40);
}

static size_t lag_of_400(struct bed *b, uint32_t i, struct sample *out)
{
    return two_feeders(b, i, out, 400);
}

/* Polled together at first, later half of the points comes by another way, with other times in between. */
static size_t drift_apart(struct bed *b, uint32_t i, struct sample *out)
{
    b->now = second(b, i);
    if (i < 20) return poll(b, b->now, 1, POINTS, out);
    size_t n = poll(b, b->now, 1, POINTS / 2, out);
    return n + poll(b, b->now - 3 * SEC - (i % 3 ? 0 : 500), POINTS / 2 + 1, POINTS, out + n);
}

static size_t late_singles(struct bed *b, uint32_t i, struct sample *out)
{
    size_t n = poll(b, b->now = second(b, i), 1, POINTS, out);
    for (size_t k = 0; k < n; k++)
        if (rnd(&b->m, 12) == 0) out[k].time_us -= (int64_t)rnd(&b->m, 30) * SEC;
    return n;
}

/* Stretches of one point anywhere in the past, and single samples all over it: many runs of late samples. */
static size_t all_over(struct bed *b, uint32_t i, struct sample *out)
{
    size_t n = poll(b, b->now = second(b, i), 1, POINTS, out);
    int64_t t = b->now - (int64_t)rnd(&b->m, 3000) * SEC;
    for (size_t k = i % 3 ? 0 : rnd(&b->m, 150); k > 0; k--)
        out[n++] = make_sample(&b->m, 3, t += (int64_t)rnd(&b->m, 2) * SEC);
    for (size_t k = 0; k < 4; k++)
        out[n++] = make_sample(&b->m, 1 + (uint32_t)rnd(&b->m, 3), b->now - (int64_t)rnd(&b->m, 9000) * SEC / 3);
    return n;
}

/* The last one of a point again and again, with another value or type. */
static size_t rewrites(struct bed *b, uint32_t i, struct sample *out)
{
    if (rnd(&b->m, 3)) b->now = second(b, i);
    size_t n = poll(b, b->now, 1, POINTS, out);
    for (size_t k = 0; k < n; k++)
        if (rnd(&b->m, 40) == 0) out[k].time_us -= (int64_t)rnd(&b->m, 90) * SEC;
    return n;
}

static size_t any_way(struct bed *b, uint32_t i, struct sample *out)
{
    static arrive_fn *const ways[] = {lag_of_4, lag_of_40, drift_apart, late_singles, all_over, rewrites};
    return ways[rnd(&b->m, sizeof ways / sizeof *ways)](b, i, out);
}

/* fail: now and then the k-th allocation does not succeed, k below it. */
static void run_among(arrive_fn *way, uint64_t seed, uint32_t steps, uint64_t fail, size_t other)
{
    static struct sample batch[1024];
    struct bed b;
    bed_open(&b, seed);
    b.h->counts.bytes = b.other = other;
    for (uint32_t i = 0; i < steps; i++) {
        size_t n = way(&b, i, batch);
        if (fail) mem_fail_at(1 + rnd(&b.m, fail), false);
        add(&b, batch, n);
        if (i % 8 == 0) check_something(&b);
    }
    check_all(&b);
    CHECK(!fail || b.faults > steps / 20);
    CHECK(way != all_over || b.most > 3);
    bed_close(&b);
}

static void run_way(arrive_fn *way, uint64_t seed, uint32_t steps, uint64_t fail)
{
    run_among(way, seed, steps, fail, 0);
}

TEST(feeders_that_lag)
{
    run_way(lag_of_4, 1, 600, 0);
    run_way(lag_of_40, 2, 600, 0);
    run_way(lag_of_400, 3, 1500, 0);
}

TEST(points_of_a_group_drift_apart)
{
    run_way(drift_apart, 4, 900, 0);
}

TEST(late_and_rewritten)
{
    run_way(late_singles, 5, 900, 0);
    run_way(rewrites, 6, 900, 0);
}

TEST(late_in_many_runs)
{
    run_way(all_over, 7, 1200, 0);
}

TEST(any_way_at_all)
{
    for (uint64_t seed = 20; seed < 26; seed++) run_way(any_way, seed, 400, 0);
}

/* As among very many other points: open chunks are kept short. */
TEST(any_way_when_memory_is_scarce)
{
    for (uint64_t seed = 50; seed < 53; seed++) {
        run_among(any_way, seed, 400, 0, SCARCE);
        run_among(lag_of_4, seed, 300, 0, SCARCE);
        run_among(lag_of_400, seed, 900, 0, SCARCE);
    }
}

TEST(memory_runs_out_anywhere)
{
    for (uint64_t seed = 30; seed < 34; seed++) run_way(any_way, seed, 300, 6);
    run_way(lag_of_40, 34, 300, 3);
}

/* Plain numbers, as the memory is meant for: bytes a sample. */
static double bytes_a_sample(uint32_t lag)
{
    static struct sample batch[POINTS];
    struct bed b;
    struct head_counts c;
    bed_open(&b, 1);
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t at = i % 2 && i > lag ? i - lag / 2 * 2 : i;
        for (uint32_t p = 0; p < POINTS; p++)
            batch[p] = (struct sample){
                .time_us = second(&b, at), .point = p + 1, .type = SAMPLE_DOUBLE, .v.d = (double)(at % 50 + p) / 10};
        add(&b, batch, POINTS);
    }
    check_all(&b);
    head_counts(b.h, &c);
    bed_close(&b);
    return (double)c.bytes / (double)c.samples;
}

TEST(what_comes_late_is_compressed)
{
    double in_order = bytes_a_sample(0);
    CHECK(in_order > 0.5 && in_order < 3);
    CHECK(bytes_a_sample(10) < in_order + 1.5); /* rows are shared all the same */
    CHECK(bytes_a_sample(500) < in_order + 3);
}
