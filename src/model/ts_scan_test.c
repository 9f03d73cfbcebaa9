/* Windows, summaries and plots by scan, against figures worked out by hand. The store is an array. */
#include <math.h>
#include "base/test.h"
#include "model/ts_scan.h"

#define SEC INT64_C(1000000)

struct array {
    struct ts_store st;
    const struct sample *s;
    size_t n;
    bool tells_newest;
};

static int scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
                struct error *e)
{
    struct array *a = (struct array *)st;
    for (size_t i = 0; i < a->n; i++) {
        int rc = a->s[i].time_us >= from && a->s[i].time_us < to ? fn(ctx, &a->s[i], 1) : 0;
        if (rc) return rc;
    }
    return 0;
}

static int before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct array *a = (struct array *)st;
    for (size_t i = a->n; i-- > 0;)
        if (a->s[i].time_us <= at) return *ret = a->s[i], 0;
    return ERR_NOT_FOUND;
}

static int after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct array *a = (struct array *)st;
    for (size_t i = 0; i < a->n; i++)
        if (a->s[i].time_us >= at) return *ret = a->s[i], 0;
    return ERR_NOT_FOUND;
}

static void stats(struct ts_store *st, struct ts_stats *ret)
{
    struct array *a = (struct array *)st;
    *ret = (struct ts_stats){.newest_us = a->tells_newest ? 100 * SEC : 0};
}

static const struct ts_store_ops ops = {.scan = scan, .before = before, .after = after, .stats = stats};

#define ROW(sec, value, q) \
    { \
        .time_us = (sec)*SEC, .point = 1, .type = SAMPLE_DOUBLE, .quality = (q), .v.d = (value) \
    }
static const struct sample rows[] = {ROW(0, 10, 0), ROW(10, 20, 0), ROW(20, 40, 0), ROW(30, 999, QUALITY_BAD),
                                     ROW(50, 0, 1), ROW(60, 8, 0)};

struct got {
    struct ts_summary w[8];
    size_t n;
};

static int keep(void *ctx, size_t i, const struct ts_summary *s)
{
    struct got *g = ctx;
    CHECK_INT(i, g->n);
    if (g->n < 8) g->w[g->n++] = *s;
    return 0;
}

static struct got ask(struct array *a, const int64_t *edges, size_t n, bool step)
{
    struct got g = {0};
    struct error e;
    CHECK_INT(ts_windows(&a->st, 1, edges, n, step, keep, &g, &e), 0);
    CHECK_INT(g.n, n);
    return g;
}

TEST(windows_of_a_ramp)
{
    struct array a = {{&ops, NULL}, rows, 6, false};
    static const int64_t edges[] = {-5 * SEC, 5 * SEC, 25 * SEC, 25 * SEC, 45 * SEC, 80 * SEC};
    struct got g = ask(&a, edges, 5, true);
    CHECK_INT(g.w[0].count, 1);
    CHECK_DBL(g.w[0].integral, 50, 1e-9);
    CHECK_DBL(g.w[0].total_s, 10, 1e-9);
    CHECK_DBL(g.w[0].percent_good, 50, 1e-9);
    CHECK_INT(g.w[1].count, 2);
    CHECK_DBL(g.w[1].integral, 50 + 200 + 200, 1e-9);
    CHECK_DBL(g.w[1].m2, 200, 1e-9); /* 20 and 40 about 30 */
    CHECK(g.w[1].min == 20 && g.w[1].max == 40 && g.w[1].first.v.d == 20 && g.w[1].last.v.d == 40);
    CHECK(g.w[2].count == 0 && g.w[2].total_s == 0 && isnan(g.w[2].twa) && g.w[2].first.point == 0);
    CHECK_INT(g.w[3].count, 1); /* the bad one; 40 holds until it comes */
    CHECK(g.w[3].usable == 0 && isnan(g.w[3].min) && g.w[3].good == 0);
    CHECK_DBL(g.w[3].integral, 200, 1e-9);
    CHECK_DBL(g.w[3].usable_s, 5, 1e-9);
    CHECK_DBL(g.w[4].total_s, 15, 1e-9); /* the newest sample is at 60 */
    CHECK_DBL(g.w[4].usable_s, 10, 1e-9);
    CHECK_DBL(g.w[4].good_s, 0, 1e-9); /* uncertain until 60 */
    g = ask(&a, edges, 2, false);
    CHECK_DBL(g.w[0].integral, (10 + 15) / 2.0 * 5, 1e-9);
    CHECK_DBL(g.w[1].integral, (15 + 20) / 2.0 * 5 + 300 + 40 * 5, 1e-9); /* 40 is held: what follows is bad */
    a.tells_newest = true;
    g = ask(&a, edges, 5, true);
    CHECK_DBL(g.w[4].total_s, 35, 1e-9);
    CHECK_DBL(g.w[4].integral, 8 * 20, 1e-9);
}

TEST(edges_that_fall_are_refused)
{
    struct array a = {{&ops, NULL}, rows, 6, false};
    static const int64_t edges[] = {5, 4};
    struct got g = {0};
    struct error e = {0};
    CHECK_INT(ts_windows(&a.st, 1, edges, 1, true, keep, &g, &e), ERR_INVALID);
    CHECK(strstr(e.text, "edge 1"));
    CHECK_INT(ts_windows(&a.st, 1, edges, 0, true, keep, &g, &e), 0);
}

TEST(summary_is_one_window)
{
    struct array a = {{&ops, NULL}, rows, 6, false};
    struct ts_summary s;
    struct error e;
    CHECK_INT(ts_summary_by_scan(&a.st, 1, 0, 60 * SEC, true, &s, &e), 0);
    CHECK(s.count == 5 && s.good == 3 && s.usable == 4);
    CHECK_DBL(s.sum, 70, 1e-9);
    CHECK_DBL(s.m2, 100 + 400 + 1600 - 70 * 70 / 4.0, 1e-9);
    CHECK_DBL(s.integral, 100 + 200 + 400 + 0, 1e-9);
    CHECK_DBL(s.twa, 700.0 / 40, 1e-9);
    CHECK_INT(ts_summary_by_scan(&a.st, 1, 60, 60, true, &s, &e), 0);
    CHECK(s.count == 0 && isnan(s.mean));
}

struct seen {
    int64_t t[16];
    size_t n;
};

static int note(void *ctx, const struct sample *s, size_t n)
{
    struct seen *x = ctx;
    for (size_t i = 0; i < n && x->n < 16; i++) x->t[x->n++] = s[i].time_us / SEC;
    return x->n > 8 ? -7 : 0;
}

TEST(plot_gives_five_of_a_pixel)
{
    static const struct sample bumps[] = {ROW(0, 5, 0), ROW(1, 9, 0),  ROW(2, 1, 0),  ROW(3, 4, 2), ROW(4, 7, 0),
                                          ROW(5, 6, 0), ROW(10, 3, 0), ROW(11, 3, 0), ROW(25, 8, 0)};
    static const int64_t want[] = {0, 1, 2, 3, 5, 10, 11, 25}; /* 4 is neither end nor extreme */
    struct array a = {{&ops, NULL}, bumps, 9, false};
    struct seen x = {0};
    struct error e;
    CHECK_INT(ts_plot_by_scan(&a.st, 1, 0, 30 * SEC, 3, note, &x, &e), 0);
    CHECK_INT(x.n, 8);
    for (size_t i = 0; i < 8; i++) CHECK_INT(x.t[i], want[i]);
    x.n = 0;
    CHECK_INT(ts_plot_by_scan(&a.st, 1, 0, 30 * SEC, 30, note, &x, &e), -7); /* the receiver's own code */
}
