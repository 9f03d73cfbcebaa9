/* advice_test.c - what the advisor says about samples whose nature is known. */
#include "modules/history/advice.h"
#include <math.h>
#include "base/mem.h"
#include "base/test.h"

static struct sample *some(size_t n, double (*f)(size_t i, double random))
{
    struct sample *s = mem_calloc(n, sizeof *s);
    uint64_t z = 7;
    for (size_t i = 0; i < n; i++) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        double random = (double)(z >> 11) * 0x1p-53 - 0.5;
        s[i] = (struct sample){
            .time_us = 1000000 * (int64_t)(i + 1), .point = 3, .type = SAMPLE_DOUBLE, .v.d = f(i, random)};
    }
    return s;
}

static double noisy_slope(size_t i, double random)
{
    return 100 + 0.01 * (double)i + 2 * random; /* uniform noise of width 2: deviation 0.577 */
}
static double ramp(size_t i, double random)
{
    return i < 500 ? (double)i : (double)(1000 - i);
}
static double states(size_t i, double random)
{
    return (double)(i / 100);
}

TEST(the_shape_of_noise_on_a_slope)
{
    struct sample *s = some(10000, noisy_slope);
    struct advice_shape a;
    CHECK_INT(advice_shape(s, 10000, &a), 0);
    CHECK_INT(a.samples, 10000);
    CHECK_INT(a.numbers, 10000);
    CHECK_DBL(a.span, 101.5, 1);
    CHECK_DBL(a.noise, 0.61, 0.05); /* differences are triangular: their median deviation is 0.586 */
    CHECK(a.resolution > 0 && a.resolution < 0.01);
    mem_free(s);
}

TEST(what_is_no_number_does_not_count)
{
    struct sample *s = some(100, ramp);
    struct advice_shape a;
    s[10].v.d = NAN;
    s[11].quality = QUALITY_BAD;
    s[11].v.d = 1e9;
    CHECK_INT(advice_shape(s, 100, &a), 0);
    CHECK_INT(a.numbers, 98);
    CHECK_DBL(a.span, 99, 0);
    CHECK_INT(advice_shape(s, 0, &a), 0);
    CHECK(isnan(a.span) && isnan(a.noise) && isnan(a.resolution));
    mem_free(s);
}

TEST(a_ramp_is_kept_as_three_samples_without_error)
{
    struct sample *s = some(1000, ramp);
    struct advice_result r;
    struct bus_point c = {.deadband = 0, .door = 1e-9, .door_max_us = INT64_C(86400000000)};
    advice_try(s, 1000, &c, &r);
    CHECK_INT(r.kept, 3);
    CHECK_DBL(r.saved_percent, 99.7, 1e-9);
    CHECK(r.max_error <= 1e-9);
    mem_free(s);
}

TEST(errors_stay_within_the_promise_and_are_measured)
{
    struct sample *s = some(10000, noisy_slope);
    struct advice_result r, mild;
    struct bus_point c = {.deadband = 0.2, .door = 1.5};
    advice_try(s, 10000, &c, &r);
    CHECK(r.max_error <= advice_bound(&c));
    CHECK(r.max_error > 1.2 && r.mean_error > 0.2 && r.mean_error < r.max_error);
    CHECK(r.kept > 10 && r.kept < 2000);
    c.door = c.deadband = 0;
    advice_try(s, 10000, &c, &mild);
    CHECK_INT(mild.kept, 10000);
    CHECK_DBL(mild.max_error, 0, 0);
    mem_free(s);
}

TEST(step_points_are_held_against_steps)
{
    struct sample *s = some(1000, states);
    struct advice_result r;
    struct bus_point c = {.deadband = 0, .step = true};
    advice_try(s, 1000, &c, &r);
    CHECK_INT(r.kept, 10);
    CHECK_DBL(r.max_error, 0, 0);
    c.deadband = 1;
    advice_try(s, 1000, &c, &r);
    CHECK_INT(r.kept, 5);
    CHECK_DBL(r.max_error, 1, 0);
    CHECK_DBL(r.mean_error, 0.5, 1e-12);
    mem_free(s);
}

TEST(the_ladder_rises_and_the_suggestion_is_within_the_noise)
{
    struct sample *s = some(10000, noisy_slope);
    struct advice_shape a;
    struct advice_result r[ADVICE_LADDER];
    struct bus_point c[ADVICE_LADDER], base = {.door_max_us = 600000000};
    CHECK_INT(advice_shape(s, 10000, &a), 0);
    size_t n = advice_ladder(&a, 200, &base, c);
    CHECK(n >= 8);
    for (size_t i = 0; i < n; i++) {
        if (i) CHECK(advice_bound(&c[i]) >= advice_bound(&c[i - 1]));
        CHECK_INT(c[i].door_max_us, 600000000);
        advice_try(s, 10000, &c[i], &r[i]);
    }
    size_t best = advice_suggest(&a, 200, c, r, n);
    REQUIRE(best < n);
    CHECK(r[best].saved_percent > 20);
    CHECK(advice_bound(&c[best]) <= 1 && advice_bound(&c[best]) <= a.noise * 1.01);
    base.step = true;
    n = advice_ladder(&a, 200, &base, c);
    for (size_t i = 0; i < n; i++) CHECK(c[i].door == 0);
    mem_free(s);
}

TEST(nothing_is_suggested_where_nothing_is_saved)
{
    struct advice_shape a = {.span = 10, .noise = 0};
    struct bus_point c[2] = {{.deadband = 0}, {.door = 5}};
    struct advice_result r[2] = {{.kept = 100, .max_error = 0}, {.kept = 3, .saved_percent = 97, .max_error = 5}};
    CHECK_INT(advice_suggest(&a, NAN, c, r, 2), 2);
    r[0].saved_percent = 50; /* repeats left out: no error at all */
    r[0].kept = 50;
    CHECK_INT(advice_suggest(&a, NAN, c, r, 2), 0);
}
