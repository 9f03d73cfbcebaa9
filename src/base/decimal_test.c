/* decimal_test.c - shortest decimals: against printf over many doubles of all sorts, and at the edges. */
#include "base/decimal.h"
#include <inttypes.h>
#include <stdlib.h>
#include "base/str.h"
#include "base/test.h"

static uint64_t state = 88172645463325252ULL;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static unsigned places; /* of the last value: whatever came before, the text is the same */

/* Reads back as v, and no "%.{n-1}g" does. */
static void check(double v)
{
    char out[DECIMAL_MAX], shorter[340];
    double back = 0;
    size_t n = decimal_double(out, v);
    CHECK(n < DECIMAL_MAX);
    char like[DECIMAL_MAX];
    size_t m = decimal_double_like(like, v, &places);
    if (m != n || memcmp(like, out, n) != 0)
        test_fail(__FILE__, __LINE__, "%.*s is also written %.*s", (int)n, out, (int)m, like);
    if (str_to_double(str_make(out, n), &back) || memcmp(&back, &v, sizeof v) != 0)
        test_fail(__FILE__, __LINE__, "%.17g is written %.*s", v, (int)n, out);
    int digits = 0;
    bool leading = true;
    for (size_t i = 0; i < n && out[i] != 'e'; i++) {
        if (out[i] >= '1' && out[i] <= '9') leading = false;
        digits += !leading && out[i] >= '0' && out[i] <= '9';
    }
    if (digits < 2 || fabs(v) == floor(fabs(v))) return;
    snprintf(shorter, sizeof shorter, "%.*g", digits - 1, v);
    if (strtod(shorter, NULL) == v) test_fail(__FILE__, __LINE__, "%s is shorter than %.*s", shorter, (int)n, out);
}

TEST(doubles_read_back_and_none_is_shorter)
{
    for (int i = 0; i < 40000; i++) {
        uint64_t bits = next();
        double any;
        memcpy(&any, &bits, sizeof any);
        if (isfinite(any)) check(any);
        double unit = (double)(next() >> 11) / 9007199254740992.0;
        check(unit);
        check((unit - 0.5) * pow(10, (double)(next() % 20)));
        check((double)(int64_t)(next() % 2000000000) / 1000);
        check(ldexp(1, (int)(next() % 64) - 14));                               /* powers of two */
        check(nextafter(ldexp(1, (int)(next() % 64) - 14), i % 2 ? 0 : 1e300)); /* and their neighbours */
    }
}

TEST(forms)
{
    static const struct {
        double v;
        const char *want;
    } t[] = {{0, "0"},
             {-0.0, "-0"},
             {1, "1"},
             {-12.5, "-12.5"},
             {0.1, "0.1"},
             {0.0001, "0.0001"},
             {0.00123, "0.00123"},
             {100, "100"},
             {1e14, "100000000000000"},
             {999999999999999.0, "999999999999999"},
             {1e15, "1e+15"},
             {0.3, "0.3"},
             {0.1 + 0.2, "0.30000000000000004"},
             {1.0 / 3, "0.3333333333333333"},
             {1e-5, "1e-05"},
             {123456.789, "123456.789"},
             {5e-324, "4.94065645841247e-324"},
             {99.99999999999999, "99.99999999999999"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char out[DECIMAL_MAX];
        size_t n = decimal_double(out, t[i].v);
        CHECK_STR(str_make(out, n), t[i].want);
        for (unsigned guess = 0; guess < 15; guess++) {
            unsigned after = guess;
            n = decimal_double_like(out, t[i].v, &after);
            CHECK_STR(str_make(out, n), t[i].want);
            CHECK(after < 15);
        }
    }
}

TEST(columns_of_the_same_number_of_places)
{
    for (unsigned p = 0; p < 9; p++)
        for (int i = 0; i < 5000; i++) {
            places = p;
            check((double)(int64_t)(next() % 20000000000 - 10000000000) / pow(10, p));
        }
}

TEST(eight_digits)
{
    for (int i = 0; i < 2000; i++) {
        char out[8], want[16];
        uint32_t v = i == 0 ? 0 : i == 1 ? 99999999 : (uint32_t)(next() % 100000000);
        decimal_8(out, v);
        snprintf(want, sizeof want, "%08" PRIu32, v);
        CHECK_STR(str_make(out, 8), want);
    }
}

TEST(integers)
{
    static const int64_t edge[] = {0, 9, 10, 99, 100, 101, -1, INT64_MAX, INT64_MIN, 1780000000000123};
    for (size_t i = 0; i < 10 + 2000; i++) {
        char out[DECIMAL_MAX], want[32];
        int64_t v = i < 10 ? edge[i] : (int64_t)(next() >> (next() % 64));
        size_t n = decimal_i64(out, v);
        snprintf(want, sizeof want, "%" PRId64, v);
        CHECK_STR(str_make(out, n), want);
    }
}
