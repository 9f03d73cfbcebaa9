/* Summary, plot, before and after on vectors computed by hand, out of memory and out of a segment. */
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/meta.h"
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)

struct row {
    int s; /* second */
    double v;
    uint8_t quality;
    int none; /* no value */
};

static struct ts_store *store_of(struct fs *fs, const struct row *rows, size_t n, bool sealed)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    if (tsdb_open(&cfg, &st, &e)) return NULL;
    for (size_t i = 0; i < n; i++) {
        struct sample s = {.time_us = rows[i].s * SEC,
                           .point = 1,
                           .type = SAMPLE_DOUBLE,
                           .quality = rows[i].quality,
                           .v.d = rows[i].v};
        if (rows[i].none) s.type = SAMPLE_NONE;
        if (s.quality == QUALITY_BAD) s.flags = REASON_COMM_FAILURE;
        CHECK_INT(st->ops->append(st, &s, 1, &e), 0);
    }
    if (sealed) CHECK_INT(tsdb_seal(st, &e), 0);
    return st;
}

static const struct row ramp[] = {{0, 10, 0, 0}, {10, 20, 0, 0}, {20, 40, 0, 0}, {40, 0, 0, 0}, {60, 0, 0, 0}};
/* good 0..10, bad 10..30 (the value is not to be trusted), uncertain 30..40, nothing 40..50, good 50..60 */
static const struct row gaps[] = {{0, 100, QUALITY_GOOD, 0}, {10, 999, QUALITY_BAD, 0}, {30, 50, QUALITY_UNCERTAIN, 0},
                                  {40, 0, QUALITY_BAD, 1},   {50, 80, QUALITY_GOOD, 0}, {60, 80, QUALITY_GOOD, 0}};

static struct ts_summary ask(struct ts_store *st, int from, int to, bool step)
{
    struct ts_summary s = {0};
    struct error e;
    CHECK_INT(st->ops->summary(st, 1, from * SEC, to * SEC, step, &s, &e), 0);
    return s;
}

static void check_ramp(struct ts_store *st)
{
    struct ts_summary s = ask(st, 0, 60, true);
    CHECK_INT(s.count, 4);
    CHECK_DBL(s.sum, 70, 0);
    CHECK_DBL(s.mean, 17.5, 0);
    CHECK_DBL(s.integral, 10 * 10 + 20 * 10 + 40 * 20 + 0, 1e-9);
    CHECK_DBL(s.twa, 1100.0 / 60, 1e-9);
    CHECK(s.min == 0 && s.min_us == 40 * SEC && s.max == 40 && s.max_us == 20 * SEC);
    CHECK_DBL(s.total_s, 60, 0);
    CHECK_DBL(s.percent_good, 100, 1e-9);
    s = ask(st, 0, 60, false); /* 15*10 + 30*10 + 20*20 + 0*20 */
    CHECK_DBL(s.integral, 850, 1e-9);
    s = ask(st, 5, 30, false); /* (15+20)/2*5 + 30*10 + (40+20)/2*10: ends interpolated */
    CHECK_DBL(s.integral, 87.5 + 300 + 300, 1e-9);
    CHECK_INT(s.count, 2);
    CHECK_DBL(s.twa, 687.5 / 25, 1e-9);
    s = ask(st, 5, 30, true); /* the value in force at 5 counts: 10*5 + 20*10 + 40*10 */
    CHECK_DBL(s.integral, 650, 1e-9);
    s = ask(st, 21, 29, true); /* no sample inside */
    CHECK_INT(s.count, 0);
    CHECK(s.first.type == SAMPLE_NONE && s.first.point == 0 && isnan(s.min) && isnan(s.mean));
    CHECK_DBL(s.twa, 40, 1e-9);
    s = ask(st, 21, 29, false); /* 40 - (t-20)*2: at 25 it is 30 */
    CHECK_DBL(s.twa, 30, 1e-9);
    s = ask(st, 50, 100, true); /* not beyond the last sample of the store */
    CHECK_DBL(s.total_s, 10, 0);
    s = ask(st, -50, -10, true);
    CHECK(s.count == 0 && isnan(s.twa) && s.good_s == 0);
    CHECK_DBL(s.total_s, 40, 0);
}

static void check_gaps(struct ts_store *st)
{
    struct ts_summary s = ask(st, 0, 60, true);
    CHECK_INT(s.count, 5);
    CHECK_INT(s.good, 2);
    CHECK_DBL(s.integral, 100 * 10 + 50 * 10 + 80 * 10, 1e-9);
    CHECK_DBL(s.twa, 2300.0 / 30, 1e-9);
    CHECK_DBL(s.good_s, 20, 1e-9);
    CHECK_DBL(s.percent_good, 100.0 / 3, 1e-9);
    CHECK(s.max == 100 && s.min == 50); /* 999 is bad */
    CHECK_DBL(s.mean, 230.0 / 3, 1e-9);
    s = ask(st, 0, 60, false); /* before a bad sample the value is held, not drawn towards it */
    CHECK_DBL(s.integral, 2300, 1e-9);
    s = ask(st, 12, 28, true);
    CHECK(isnan(s.twa) && s.good_s == 0 && s.percent_good == 0 && s.total_s == 16);
}

static void both(const struct row *rows, size_t n, void (*check)(struct ts_store *))
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct fs *fs = sim_fs_new();
        struct ts_store *st = store_of(fs, rows, n, sealed);
        REQUIRE(st);
        check(st);
        st->ops->close(st);
        fs_destroy(fs);
    }
}

TEST(ramp_by_hand)
{
    both(ramp, sizeof ramp / sizeof *ramp, check_ramp);
}
TEST(bad_gaps_by_hand)
{
    both(gaps, sizeof gaps / sizeof *gaps, check_gaps);
}

struct got {
    struct sample s[64];
    size_t n;
};

static int keep(void *ctx, const struct sample *s, size_t n)
{
    struct got *g = ctx;
    for (size_t i = 0; i < n && g->n < 64; i++) g->s[g->n++] = s[i];
    return 0;
}

static const struct row bumps[] = {{0, 5, 0, 0}, {1, 9, 0, 0},  {2, 1, 0, 0},  {3, 4, QUALITY_BAD, 0}, {4, 7, 0, 0},
                                   {5, 6, 0, 0}, {10, 3, 0, 0}, {11, 3, 0, 0}, {25, 8, 0, 0}};

static void check_plot(struct ts_store *st)
{
    struct got g = {0};
    struct error e;
    static const int want[] = {0, 1, 2, 3, 5, 10, 11, 25}; /* 4 is neither end nor extreme */
    CHECK_INT(st->ops->plot(st, 1, 0, 30 * SEC, 3, keep, &g, &e), 0);
    CHECK_INT(g.n, 8);
    for (size_t i = 0; i < g.n && i < 8; i++) CHECK_INT(g.s[i].time_us, want[i] * SEC);
    struct sample s;
    CHECK(st->ops->before(st, 1, 24 * SEC, &s) == 0 && s.time_us == 11 * SEC);
    CHECK(st->ops->after(st, 1, 12 * SEC, &s) == 0 && s.time_us == 25 * SEC);
    CHECK(st->ops->before(st, 1, 11 * SEC, &s) == 0 && s.time_us == 11 * SEC);
    CHECK_INT(st->ops->before(st, 1, -1, &s), ERR_NOT_FOUND);
    CHECK_INT(st->ops->after(st, 1, 26 * SEC, &s), ERR_NOT_FOUND);
    CHECK_INT(st->ops->before(st, 2, 24 * SEC, &s), ERR_NOT_FOUND);
}

TEST(plot_by_hand)
{
    both(bumps, sizeof bumps / sizeof *bumps, check_plot);
}

static int stop_at_once(void *ctx, const struct sample *s, size_t n)
{
    ++*(int *)ctx;
    return -77;
}

TEST(scan_stops_when_told)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = store_of(fs, ramp, 5, true);
    struct error e;
    int calls = 0;
    REQUIRE(st);
    CHECK_INT(st->ops->scan(st, 1, 0, 100 * SEC, stop_at_once, &calls, &e), -77);
    CHECK_INT(calls, 1);
    CHECK_INT(st->ops->plot(st, 1, 0, 100 * SEC, 10, stop_at_once, &calls, &e), -77);
    CHECK_INT(st->ops->scan(st, 1, 50, 50, stop_at_once, &calls, &e), 0);
    st->ops->close(st);
    fs_destroy(fs);
}

TEST(impossible_samples_are_refused)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = store_of(fs, ramp, 5, false);
    struct error e = {0};
    struct sample s[2] = {{.point = 1, .type = SAMPLE_INT, .time_us = 99 * SEC}, {.point = 0, .type = SAMPLE_INT}};
    REQUIRE(st);
    CHECK_INT(st->ops->append(st, s, 2, &e), ERR_INVALID);
    CHECK(strstr(e.text, "sample 1") && e.text_zh[0]);
    CHECK_INT(st->ops->after(st, 1, 98 * SEC, s), ERR_NOT_FOUND); /* all or nothing */
    CHECK_INT(st->ops->append(st, s, 0, &e), 0);
    s[0].time_us = INT64_MAX;
    CHECK_INT(st->ops->append(st, s, 1, &e), ERR_INVALID);
    st->ops->close(st);
    fs_destroy(fs);
}

/* The widest range that can be asked for, and the ends of time. */
TEST(all_of_time)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = store_of(fs, ramp, 5, true);
    struct ts_summary s;
    struct error e;
    struct sample x[2] = {{.time_us = -INT64_C(62135596800000000), .point = 2, .type = SAMPLE_INT, .v.i = 4},
                          {.time_us = INT64_C(253402300799999999), .point = 2, .type = SAMPLE_INT, .v.i = 4}};
    REQUIRE(st);
    CHECK_INT(st->ops->append(st, x, 2, &e), 0);
    for (int sealed = 0; sealed < 2; sealed++) {
        for (uint32_t p = 1; p <= 2; p++) {
            struct got g = {0};
            CHECK_INT(st->ops->summary(st, p, INT64_MIN, INT64_MAX, false, &s, &e), 0);
            CHECK_INT(s.count, p == 1 ? 5 : 2);
            CHECK_INT(st->ops->plot(st, p, INT64_MIN, INT64_MAX, 1000, keep, &g, &e), 0);
            CHECK(g.n > 0);
        }
        CHECK_DBL(s.twa, 4, 1e-9);
        CHECK(st->ops->before(st, 2, INT64_MAX, x) == 0 && x->v.i == 4);
        CHECK_INT(st->ops->before(st, 2, INT64_MIN, x), ERR_NOT_FOUND);
        CHECK(st->ops->after(st, 2, INT64_MIN, x) == 0 && x->v.i == 4);
        CHECK_INT(st->ops->after(st, 2, INT64_MAX, x), ERR_NOT_FOUND);
        CHECK_INT(tsdb_seal(st, &e), 0);
    }
    st->ops->close(st);
    fs_destroy(fs);
}

TEST(strings_stay)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = store_of(fs, ramp, 1, false);
    uint64_t a = 0, b = 0, c = 0;
    size_t n = 0;
    char out[32];
    static char big[65537];
    REQUIRE(st);
    CHECK_INT(st->ops->string_put(st, STR("运行"), &a), 0);
    CHECK_INT(st->ops->string_put(st, STR(""), &b), 0);
    CHECK_INT(st->ops->string_put(st, STR("运行"), &c), 0);
    CHECK(a == c && a != b);
    CHECK_INT(st->ops->string_get(st, a, out, sizeof out, &n), 0);
    CHECK(n == 6 && memcmp(out, "运行", 6) == 0);
    CHECK_INT(st->ops->string_get(st, a, out, 5, &n), ERR_TOO_LARGE);
    CHECK_INT(st->ops->string_get(st, 99, out, 5, &n), ERR_NOT_FOUND);
    CHECK_INT(st->ops->string_put(st, str_make(big, 65537), &c), ERR_TOO_LARGE);
    CHECK_INT(st->ops->string_put(st, str_make(big, 65536), &c), 0);
    st->ops->close(st);
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    struct error e;
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    CHECK_INT(st->ops->string_put(st, STR("运行"), &c), 0);
    CHECK_INT(c, a);
    st->ops->close(st);
    fs_destroy(fs);
}
