/* Rollups that outlive their samples, and those that go with them. */
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/test_model.h"

#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define T0 (INT64_C(1700006400) * SEC) /* a midnight */

struct rig {
    struct fs *fs;
    struct sim_clock clock;
    struct ts_store *st;
    struct ts_class c;
    struct error e;
    struct model m;
};

static bool reopen(struct rig *r)
{
    struct tsdb_config cfg = {
        .fs = r->fs, .clock = &r->clock.clock, .no_thread = true, .classes = &r->c, .nclasses = 1};
    if (r->st) r->st->ops->close(r->st);
    r->st = NULL;
    return tsdb_open(&cfg, &r->st, &r->e) == 0;
}

static bool begin(struct rig *r, struct ts_class c)
{
    *r = (struct rig){.fs = sim_fs_new(), .c = c};
    sim_clock_init(&r->clock, T0);
    model_init(&r->m, 4);
    return reopen(r);
}

static void end(struct rig *r)
{
    r->st->ops->close(r->st);
    model_fini(&r->m);
    fs_destroy(r->fs);
}

/* A day: point 1 every 20 s, point 2 (slow) every 100 min, point 3 only on even days. */
static void write_day(struct rig *r, int day)
{
    static struct sample s[8192];
    size_t n = 0;
    int64_t from = T0 + day * DAY;
    for (int64_t t = from; t < from + DAY; t += 20 * SEC) s[n++] = make_sample(&r->m, 1, t);
    for (int64_t t = from + 600 * SEC; t < from + DAY; t += 6000 * SEC) s[n++] = make_sample(&r->m, 2, t);
    for (int64_t t = from; t < from + DAY && day % 2 == 0; t += 60 * SEC) s[n++] = make_sample(&r->m, 3, t);
    CHECK_INT(r->st->ops->append(r->st, s, n, &r->e), 0);
    for (size_t i = 0; i < n; i++) model_put(&r->m, s[i]);
    CHECK_INT(tsdb_seal(r->st, &r->e), 0);
    CHECK_INT(tsdb_merge(r->st, &r->e), 0);
    sim_clock_advance(&r->clock, DAY);
    CHECK_INT(tsdb_enforce_retention(r->st, &r->e), 0);
}

static int count(void *ctx, const struct sample *s, size_t n)
{
    *(size_t *)ctx += n;
    return 0;
}

static size_t scanned(struct rig *r, uint32_t p, int64_t from, int64_t to)
{
    size_t n = 0;
    CHECK_INT(r->st->ops->scan(r->st, p, from, to, count, &n, &r->e), 0);
    return n;
}

static struct window_list ask(struct rig *r, uint32_t p, int64_t from, int64_t length, size_t n, bool step)
{
    static int64_t edges[WINDOWS_MAX + 1];
    struct window_list l = {.n = 0};
    for (size_t i = 0; i <= n; i++) edges[i] = from + (int64_t)i * length;
    CHECK_INT(r->st->ops->windows(r->st, p, edges, n, step, keep_window, &l, &r->e), 0);
    CHECK_INT(l.n, n);
    return l;
}

/* What the model says of each window, from samples that the store may not have any more. */
static size_t differing(struct rig *r, uint32_t p, int64_t from, int64_t length, size_t n)
{
    struct window_list l = ask(r, p, from, length, n, true);
    struct series *sr = &r->m.p[p];
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        size_t lo = lower(sr, from + (int64_t)i * length), hi = lower(sr, from + (int64_t)(i + 1) * length);
        double sum = 0, min = INFINITY, max = -INFINITY, v;
        for (size_t k = lo; k < hi; k++)
            if (usable(&sr->s[k], &v)) sum += v, min = fmin(min, v), max = fmax(max, v);
        const struct ts_summary *w = &l.w[i];
        bool ok = w->count == hi - lo && fabs(w->sum - sum) <= 1e-9 * (1 + fabs(sum));
        if (hi > lo) ok &= same(&w->first, &sr->s[lo]) && same(&w->last, &sr->s[hi - 1]);
        ok &= isinf(min) ? isnan(w->min) : w->min == min && w->max == max;
        wrong += !ok;
    }
    return wrong;
}

TEST(cells_outlive_samples)
{
    static struct rig r;
    REQUIRE(begin(&r, (struct ts_class){.max_age_us = 2 * DAY, .rollup_age_us = 400 * DAY}));
    for (int d = 0; d < 12; d++) write_day(&r, d);
    for (int again = 0; again < 2; again++) {
        CHECK_INT(scanned(&r, 1, T0, T0 + 9 * DAY), 0); /* samples are gone */
        CHECK(scanned(&r, 1, T0 + 10 * DAY, T0 + 12 * DAY) > 8000);
        for (uint32_t p = 1; p <= 3; p++) {
            CHECK_INT(differing(&r, p, T0, HOUR, 12 * 24), 0);
            CHECK_INT(differing(&r, p, T0, DAY, 12), 0);
            CHECK_INT(differing(&r, p, T0 - 8 * HOUR, DAY, 12), 0);
            CHECK_INT(differing(&r, p, T0, 12 * DAY, 1), 0);
        }
        /* windows shorter than what is left: all of an hour in the window in which it begins */
        struct window_list l = ask(&r, 1, T0, 60 * SEC, 120, true);
        CHECK(l.w[0].count == 180 && l.w[1].count == 0 && l.w[60].count == 180);
        size_t n = 0;
        CHECK_INT(r.st->ops->plot(r.st, 1, T0, T0 + 12 * DAY, 100, count, &n, &r.e), 0);
        CHECK(n >= 300 && n <= 500);
        REQUIRE(reopen(&r));
        CHECK_INT(tsdb_enforce_retention(r.st, &r.e), 0);
        CHECK_INT(tsdb_merge(r.st, &r.e), 0);
    }
    end(&r);
}

/* The integral over a range of which only cells are left is that of the samples. */
TEST(integrals_of_cells_are_whole)
{
    static struct rig r;
    struct ts_summary before[2], after[2];
    REQUIRE(begin(&r, (struct ts_class){.rollup_age_us = 400 * DAY}));
    for (int d = 0; d < 6; d++) write_day(&r, d);
    for (int step = 0; step < 2; step++)
        CHECK_INT(r.st->ops->summary(r.st, 1, T0 + DAY, T0 + 3 * DAY, step, &before[step], &r.e), 0);
    r.c.max_age_us = DAY;
    CHECK_INT(tsdb_retention_set(r.st, &r.c, 1, &r.e), 0);
    CHECK_INT(tsdb_enforce_retention(r.st, &r.e), 0);
    CHECK_INT(scanned(&r, 1, T0, T0 + 4 * DAY), 0);
    for (int step = 0; step < 2; step++) {
        CHECK_INT(r.st->ops->summary(r.st, 1, T0 + DAY, T0 + 3 * DAY, step, &after[step], &r.e), 0);
        CHECK(same_figures(&after[step], &before[step], fabs(before[step].integral) + 1));
        CHECK(near(after[step].m2, before[step].m2, 1));
    }
    end(&r);
}

/* Cells of a class that does not keep them longer end where its samples do, by age and by bytes. */
TEST(cells_go_with_samples)
{
    static struct rig r;
    struct ts_summary s;
    REQUIRE(begin(&r, (struct ts_class){.max_age_us = 3 * DAY}));
    for (int d = 0; d < 10; d++) write_day(&r, d);
    CHECK_INT(r.st->ops->summary(r.st, 1, T0, T0 + 7 * DAY, true, &s, &r.e), 0);
    CHECK_INT(s.count, 0);
    CHECK_INT(r.st->ops->summary(r.st, 1, T0, T0 + 10 * DAY, true, &s, &r.e), 0);
    CHECK_INT(s.count, scanned(&r, 1, T0, T0 + 10 * DAY));
    struct tsdb_class_usage u[TSDB_CLASSES];
    tsdb_class_usage(r.st, u);
    r.c = (struct ts_class){.max_bytes = (uint64_t)u[0].bytes * 2 / 3};
    CHECK_INT(tsdb_retention_set(r.st, &r.c, 1, &r.e), 0);
    CHECK_INT(tsdb_enforce_retention(r.st, &r.e), 0);
    for (int again = 0; again < 2; again++) {
        for (uint32_t p = 1; p <= 3; p++) {
            CHECK_INT(r.st->ops->summary(r.st, p, T0, T0 + 10 * DAY, true, &s, &r.e), 0);
            CHECK_INT(s.count, scanned(&r, p, T0, T0 + 10 * DAY));
        }
        CHECK(scanned(&r, 1, T0, T0 + 10 * DAY) > 0);
        REQUIRE(reopen(&r));
    }
    end(&r);
}

/* A deletion reaches cells whose samples are long gone. */
TEST(deleting_where_only_cells_are_left)
{
    static struct rig r;
    struct ts_summary s;
    REQUIRE(begin(&r, (struct ts_class){.max_age_us = 2 * DAY, .rollup_age_us = 400 * DAY}));
    for (int d = 0; d < 8; d++) write_day(&r, d);
    CHECK_INT(r.st->ops->remove(r.st, 1, T0 + DAY, T0 + 2 * DAY, &r.e), 0);
    for (int again = 0; again < 3; again++) {
        CHECK_INT(r.st->ops->summary(r.st, 1, T0 + DAY, T0 + 2 * DAY, true, &s, &r.e), 0);
        CHECK_INT(s.count, 0);
        CHECK_INT(r.st->ops->summary(r.st, 1, T0, T0 + DAY, true, &s, &r.e), 0);
        CHECK_INT(s.count, 4320);
        if (again == 0) CHECK_INT(tsdb_merge(r.st, &r.e), 0);
        if (again == 1) REQUIRE(reopen(&r));
    }
    end(&r);
}

/* Cells end, too. */
TEST(cells_have_an_age)
{
    static struct rig r;
    struct ts_summary s;
    REQUIRE(begin(&r, (struct ts_class){.max_age_us = 2 * DAY, .rollup_age_us = 5 * DAY}));
    for (int d = 0; d < 9; d++) write_day(&r, d);
    CHECK_INT(r.st->ops->summary(r.st, 1, T0, T0 + 4 * DAY, true, &s, &r.e), 0);
    CHECK_INT(s.count, 0);
    CHECK_INT(r.st->ops->summary(r.st, 1, T0, T0 + 9 * DAY, true, &s, &r.e), 0);
    CHECK_INT(s.count, 5 * 4320);
    end(&r);
}
