/* series_test.c - interpolation, recorded values with their boundaries, the form of the answer. */
#include "modules/history/series.h"
#include "modules/history/store_test.h"

#define POINT 1u

static struct array_store store;

/* 0: 10, 100: 20, 200: 40 */
static struct ts_store *ramp(void)
{
    array_init(&store);
    put(&store, 0, 10, QUALITY_GOOD);
    put(&store, 100, 20, QUALITY_GOOD);
    put(&store, 200, 40, QUALITY_GOOD);
    return &store.base;
}

/* Values at from, from + interval … < to. */
static int interpolate(struct ts_store *st, uint32_t point, bool step, int64_t from, int64_t to, int64_t interval,
                       struct series *out, struct error *e)
{
    int64_t t[200];
    size_t n = 0;
    for (int64_t at = from; at < to && n < 200; at += interval) t[n++] = at;
    return series_at(st, point, step, t, n, out, e);
}

static int recorded(struct ts_store *st, int64_t from, int64_t to, enum ts_boundary b, bool good_only,
                    struct series *out, struct error *e)
{
    struct recorded r = {.store = st, .point = POINT, .from = from, .to = to, .boundary = b, .left = out->max};
    int err;
    r.filter.worst = good_only ? QUALITY_GOOD : QUALITY_BAD;
    do err = recorded_some(&r, series_add, out, e);
    while (err == 1);
    out->truncated = r.truncated;
    return err;
}

static void check_values(const struct series *s, const double *want, size_t n)
{
    CHECK_INT(s->n, n);
    for (size_t i = 0; i < n && i < s->n; i++) CHECK_DBL(s->s[i].v.d, want[i], 1e-9);
}

TEST(a_line_between_good_neighbours)
{
    for (size_t batch = 0; batch < 3; batch++) {
        struct series out = {.max = 100};
        struct ts_store *st = ramp();
        store.batch = batch;
        CHECK_INT(interpolate(st, POINT, false, 50, 250, 50, &out, NULL), 0);
        check_values(&out, (double[]){15, 20, 30, 40}, 4);
        for (size_t i = 0; i < out.n; i++) {
            CHECK_INT(out.s[i].time_us, 50 + 50 * (int64_t)i);
            CHECK_INT(out.s[i].quality, QUALITY_GOOD);
            CHECK_INT(out.s[i].point, POINT);
        }
        CHECK(!out.truncated);
        series_fini(&out);
    }
}

TEST(a_step_point_holds_and_the_last_value_too)
{
    struct series out = {.max = 100};
    CHECK_INT(interpolate(ramp(), POINT, true, 50, 400, 75, &out, NULL), 0);
    check_values(&out, (double[]){10, 20, 40, 40, 40}, 5);
    series_fini(&out);
    out.max = 100;
    CHECK_INT(interpolate(ramp(), POINT, false, 250, 400, 75, &out, NULL), 0);
    check_values(&out, (double[]){40, 40}, 2);
    CHECK(out.n == 2 && out.s[1].quality == QUALITY_GOOD);
    series_fini(&out);
}

TEST(the_neighbour_behind_the_range_counts)
{
    struct series out = {.max = 100};
    CHECK_INT(interpolate(ramp(), POINT, false, 110, 190, 40, &out, NULL), 0);
    check_values(&out, (double[]){22, 30}, 2);
    series_fini(&out);
}

TEST(no_data_before_the_first_value)
{
    struct series out = {.max = 100};
    CHECK_INT(interpolate(ramp(), POINT, false, -100, 60, 50, &out, NULL), 0);
    CHECK_INT(out.n, 4);
    for (size_t i = 0; i < 2 && i < out.n; i++) {
        CHECK_INT(out.s[i].type, SAMPLE_NONE);
        CHECK_INT(out.s[i].quality, QUALITY_BAD);
        CHECK_INT(out.s[i].flags & SAMPLE_REASON_MASK, REASON_NO_DATA);
        CHECK_INT(out.s[i].point, POINT);
    }
    CHECK(out.n == 4 && out.s[2].v.d == 10 && out.s[3].v.d == 15);
    series_fini(&out);
    out.max = 100;
    CHECK_INT(interpolate(ramp(), 9, false, 0, 100, 50, &out, NULL), 0);
    CHECK(out.n == 2 && out.s[1].type == SAMPLE_NONE);
    series_fini(&out);
}

TEST(towards_a_bad_value_it_is_held_uncertain)
{
    struct sample v;
    array_init(&store);
    put(&store, 0, 10, QUALITY_GOOD);
    put(&store, 100, 99, QUALITY_BAD);
    put(&store, 200, 30, QUALITY_UNCERTAIN);
    put(&store, 300, 50, QUALITY_GOOD);
    v = value_at(&store.base, POINT, false, 50);
    CHECK(v.v.d == 10 && v.quality == QUALITY_UNCERTAIN && v.time_us == 50);
    v = value_at(&store.base, POINT, true, 50);
    CHECK(v.v.d == 10 && v.quality == QUALITY_GOOD); /* a step holds, whatever comes */
    v = value_at(&store.base, POINT, false, 150);
    CHECK(v.v.d == 99 && v.quality == QUALITY_BAD); /* bad is held as it is */
    v = value_at(&store.base, POINT, false, 250);
    CHECK(v.v.d == 40 && v.quality == QUALITY_UNCERTAIN);
    v = value_at(&store.base, POINT, false, 0);
    CHECK(v.v.d == 10 && v.quality == QUALITY_GOOD); /* an exact hit is what was measured */
    v = value_at(&store.base, POINT, false, 100);
    CHECK(v.v.d == 99 && v.quality == QUALITY_BAD);
    v = value_at(&store.base, POINT, false, -1);
    CHECK(v.type == SAMPLE_NONE && v.quality == QUALITY_BAD);
}

TEST(the_worse_quality_of_two_goes_into_the_line)
{
    array_init(&store);
    put(&store, 0, 10, QUALITY_GOOD);
    put(&store, 100, 20, QUALITY_UNCERTAIN);
    struct sample v = value_at(&store.base, POINT, false, 50);
    CHECK(v.v.d == 15 && v.quality == QUALITY_UNCERTAIN && (v.flags & SAMPLE_REASON_MASK) == REASON_CONFIG_ERROR);
}

TEST(bits_and_texts_are_held)
{
    struct sample s[] = {{.time_us = 0, .point = POINT, .type = SAMPLE_BOOL, .v.i = 0},
                         {.time_us = 100, .point = POINT, .type = SAMPLE_BOOL, .v.i = 1},
                         {.time_us = 200, .point = POINT, .type = SAMPLE_STRING, .v.u = 1},
                         {.time_us = 300, .point = POINT, .type = SAMPLE_INT, .v.i = 7},
                         {.time_us = 400, .point = POINT, .type = SAMPLE_INT, .v.i = 9}};
    array_init(&store);
    (void)array_append(&store.base, s, 5, NULL);
    struct sample v = value_at(&store.base, POINT, false, 50);
    CHECK(v.type == SAMPLE_BOOL && v.v.i == 0);
    v = value_at(&store.base, POINT, false, 250);
    CHECK(v.type == SAMPLE_STRING && v.v.u == 1);
    v = value_at(&store.base, POINT, false, 350);
    CHECK(v.type == SAMPLE_DOUBLE && v.v.d == 8);
}

static void check_recorded(enum ts_boundary b, int64_t from, int64_t to, const double *want, size_t n)
{
    struct series out = {.max = 100};
    CHECK_INT(recorded(ramp(), from, to, b, false, &out, NULL), 0);
    check_values(&out, want, n);
    for (size_t i = 1; i < out.n; i++) CHECK(out.s[i].time_us > out.s[i - 1].time_us);
    series_fini(&out);
}

TEST(boundaries_of_recorded_values)
{
    check_recorded(TS_INSIDE, 50, 150, (double[]){20}, 1);
    check_recorded(TS_OUTSIDE, 50, 150, (double[]){10, 20, 40}, 3);
    check_recorded(TS_INTERPOLATED, 50, 150, (double[]){15, 20, 30}, 3);
    check_recorded(TS_INSIDE, 0, 200, (double[]){10, 20}, 2);
    check_recorded(TS_OUTSIDE, 100, 200, (double[]){20, 40}, 2); /* exact at from: no other before it */
    check_recorded(TS_INTERPOLATED, 100, 200, (double[]){20, 40}, 2);
    check_recorded(TS_OUTSIDE, -50, 500, (double[]){10, 20, 40}, 3); /* nothing outside */
    check_recorded(TS_OUTSIDE, 120, 180, (double[]){20, 40}, 2);     /* nothing inside */
}

TEST(recorded_values_stop_at_the_maximum)
{
    for (size_t batch = 0; batch < 3; batch++) {
        struct series out = {.max = 2};
        struct ts_store *st = ramp();
        store.batch = batch;
        CHECK_INT(recorded(st, 0, 300, TS_OUTSIDE, false, &out, NULL), 0);
        CHECK(out.n == 2 && out.truncated);
        series_fini(&out);
        out.max = 3;
        CHECK_INT(recorded(st, 0, 300, TS_INSIDE, false, &out, NULL), 0);
        CHECK(out.n == 3 && !out.truncated);
        series_fini(&out);
    }
}

TEST(only_good_values_when_asked)
{
    struct series out = {.max = 100};
    array_init(&store);
    put(&store, 0, 1, QUALITY_GOOD);
    put(&store, 10, 2, QUALITY_BAD);
    put(&store, 20, 3, QUALITY_UNCERTAIN);
    put(&store, 30, 4, QUALITY_GOOD);
    CHECK_INT(recorded(&store.base, 0, 40, TS_INSIDE, true, &out, NULL), 0);
    check_values(&out, (double[]){1, 4}, 2);
    series_fini(&out);
}

TEST(a_store_that_refuses_and_memory_that_ends_are_reported)
{
    struct series out = {.max = 100};
    struct error e = {0};
    struct ts_store *st = ramp();
    store.fail = ERR_IO;
    CHECK_INT(recorded(st, 0, 300, TS_INSIDE, false, &out, &e), ERR_IO);
    CHECK_INT(interpolate(st, POINT, false, 0, 300, 10, &out, &e), ERR_IO);
    st = ramp();
    mem_fail_at(1, true);
    int samples = recorded(st, 0, 300, TS_INSIDE, false, &out, &e);
    int line = interpolate(st, POINT, false, 0, 300, 10, &out, &e);
    int late = interpolate(st, POINT, false, 201, 300, 10, &out, &e);
    mem_fail_at(0, false);
    CHECK_INT(samples, ERR_NOMEM);
    CHECK_INT(line, ERR_NOMEM);
    CHECK_INT(late, ERR_NOMEM);
    series_fini(&out);
}

TEST(filters)
{
    static const struct {
        struct sample_filter f;
        int n;
    } c[] = {{{QUALITY_BAD, FILTER_GT, 2, 0}, 2},        {{QUALITY_BAD, FILTER_GE, 2, 0}, 3},
             {{QUALITY_BAD, FILTER_LT, 2, 0}, 1},        {{QUALITY_BAD, FILTER_LE, 2, 0}, 2},
             {{QUALITY_BAD, FILTER_EQ, 3, 0}, 1},        {{QUALITY_BAD, FILTER_NE, 3, 0}, 3},
             {{QUALITY_BAD, FILTER_BETWEEN, 2, 3}, 2},   {{QUALITY_GOOD, FILTER_GT, 0, 0}, 2},
             {{QUALITY_UNCERTAIN, FILTER_NONE, 0, 0}, 3}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        struct series out = {.max = 100};
        array_init(&store);
        put(&store, 0, 1, QUALITY_GOOD);
        put(&store, 10, 2, QUALITY_BAD);
        put(&store, 20, 3, QUALITY_UNCERTAIN);
        put(&store, 30, 4, QUALITY_GOOD);
        struct recorded r = {.store = &store.base, .point = POINT, .to = 100, .left = 100, .filter = c[i].f};
        CHECK_INT(recorded_some(&r, series_add, &out, NULL), 0);
        CHECK_INT(out.n, c[i].n);
        series_fini(&out);
    }
}

TEST(a_long_range_is_given_in_stretches)
{
    struct series out = {.max = 10000};
    struct recorded r = {
        .store = &store.base, .point = POINT, .to = 100000, .left = SIZE_MAX, .filter = {.worst = QUALITY_BAD}};
    int stretches = 0, err;
    array_init(&store);
    for (int i = 0; i < 4000; i++) put(&store, i, i, QUALITY_GOOD);
    store.batch = 7;
    do err = recorded_some(&r, series_add, &out, NULL), stretches++;
    while (err == 1);
    CHECK_INT(err, 0);
    CHECK_INT(out.n, 4000);
    CHECK_INT(stretches, (4000 + RECORDED_SOME - 1) / RECORDED_SOME);
    for (size_t i = 0; i < out.n; i++) CHECK_INT(out.s[i].time_us, i);
    series_fini(&out);
}
