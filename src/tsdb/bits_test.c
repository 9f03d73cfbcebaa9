/* The inner loops in plain C and with the processor's wide registers give the same, on anything and at every length;
 * and amounts come back from the entropy coder. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/test.h"
#include "tsdb/codec_ans.h"
#include "tsdb/codec_bits.h"

#define N 300

static uint64_t state = 7;
static uint64_t rnd(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static size_t some_length(void)
{
    return (size_t)(rnd() % 4 ? rnd() % N : rnd() % 20);
}

TEST(unpacking_is_the_same_both_ways)
{
    for (unsigned width = 0; width <= 64; width++)
        for (int round = 0; round < 40; round++) {
            size_t n = some_length(), bytes = (n * width + 7) / 8, more = (size_t)(rnd() % 20);
            uint8_t *p = malloc(bytes + more + 1); /* exact, so that the sanitizer sees every byte too many */
            uint64_t wide[N], plain[N], least = rnd();
            for (size_t i = 0; i < bytes + more; i++) p[i] = (uint8_t)rnd();
            bits_unpack(p, p + bytes + more, wide, n, width, least);
            bits_unpack_plain(p, p + bytes + more, plain, n, width, least);
            if (n && memcmp(wide, plain, n * 8) != 0) test_fail(__FILE__, __LINE__, "width %u, %zu values", width, n);
            for (size_t i = 0; i < n; i++) { /* bit by bit */
                uint64_t x = 0;
                for (unsigned b = 0; b < width; b++) {
                    size_t bit = i * width + b;
                    x |= (uint64_t)(p[bit / 8] >> (bit % 8) & 1) << b;
                }
                if (plain[i] != x + least) test_fail(__FILE__, __LINE__, "width %u, value %zu", width, i);
            }
            free(p);
        }
}

TEST(sums_are_the_same_both_ways)
{
    for (int round = 0; round < 500; round++) {
        uint64_t wide[N], plain[N], before = rnd();
        size_t n = some_length();
        for (size_t i = 0; i < n; i++) wide[i] = plain[i] = rnd();
        bits_sum(wide, n, before);
        bits_sum_plain(plain, n, before);
        CHECK(n == 0 || memcmp(wide, plain, n * sizeof *wide) == 0);
    }
    uint64_t few[] = {1, 2, 3, 4, 5};
    bits_sum(few, 5, 10);
    CHECK(few[0] == 11 && few[3] == 20 && few[4] == 25);
}

TEST(scaling_is_the_same_both_ways)
{
    static const double by[] = {1, 10, 100, 1e6, 1e15, 0.1, 1e-7};
    for (unsigned round = 0; round < 400; round++) {
        uint64_t v[4][N];
        size_t n = some_length();
        double x = by[rnd() % 7];
        unsigned width = (unsigned)(rnd() % 64); /* up to all integers */
        for (size_t i = 0; i < n; i++) v[0][i] = v[1][i] = v[2][i] = v[3][i] = (uint64_t)((int64_t)rnd() >> width);
        bits_divide(v[0], n, x);
        bits_divide_plain(v[1], n, x);
        bits_multiply(v[2], n, x);
        bits_multiply_plain(v[3], n, x);
        CHECK(n == 0 || (memcmp(v[0], v[1], n * 8) == 0 && memcmp(v[2], v[3], n * 8) == 0));
    }
}

TEST(ranges_are_the_same_both_ways)
{
    for (unsigned round = 0; round < 2000; round++) {
        int64_t v[N + 2];
        size_t n = 1 + some_length();
        unsigned width = (unsigned)(rnd() % 64), order = round % 3;
        if (n > N) n = N;
        for (size_t i = 0; i < n + 2; i++) v[i] = (int64_t)rnd() >> width;
        struct bits_range wide = bits_range(v + 2, n, order), plain = bits_range_plain(v + 2, n, order);
        CHECK(wide.min == plain.min && wide.max == plain.max && plain.min <= plain.max);
    }
}

/* What is said to come back does, each way. */
TEST(decimals_come_back_each_way)
{
    static const double tens[] = {1, 10, 100, 1e6}, inverses[] = {1, 0.1, 0.01, 1e-6};
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t v[N];
        int64_t ints[N + 4];
        size_t n = some_length(), k = (size_t)(rnd() % 4), odd = 0;
        enum bits_way way = (enum bits_way)(rnd() % 3);
        for (size_t i = 0; i < n; i++) {
            double x = (double)((int64_t)rnd() >> (12 + rnd() % 50));
            double d = way == BITS_MULTIPLY ? x * inverses[k] : x / tens[k];
            if (way == BITS_FLOAT) d = (double)(float)d;
            if (rnd() % 50 == 0) d = rnd() % 2 ? NAN : rnd() % 2 ? -0.0 : 1.0 / 3;
            memcpy(&v[i], &d, 8);
        }
        size_t got = bits_decimals(v, n, way, tens[k], inverses[k], ints);
        CHECK(got <= n);
        for (size_t i = 0; i < got; i++) {
            double d = way == BITS_MULTIPLY ? (double)ints[i] * inverses[k] : (double)ints[i] / tens[k];
            if (way == BITS_FLOAT) d = (double)(float)d;
            odd += memcmp(&d, &v[i], 8) != 0;
        }
        CHECK_INT(odd, 0);
    }
}

TEST(samples_are_the_same_both_ways)
{
    for (unsigned round = 0; round < 200; round++) {
        static struct sample wide[N], plain[N];
        int64_t t[N];
        uint64_t v[N];
        size_t n = some_length();
        const struct sample like = {.point = (uint32_t)rnd(), .type = 1, .quality = 2, .flags = 0x301};
        for (size_t i = 0; i < n; i++) t[i] = (int64_t)rnd(), v[i] = rnd();
        bits_samples(wide, n, &like, t, v);
        bits_samples_plain(plain, n, &like, t, v);
        CHECK(n == 0 || memcmp(wide, plain, n * sizeof *wide) == 0);
        for (size_t i = 0; i < n; i++)
            CHECK(wide[i].time_us == t[i] && wide[i].v.u == v[i] && wide[i].point == like.point && wide[i].type == 1 &&
                  wide[i].quality == 2 && wide[i].flags == 0x301);
    }
}

/* Bytes used, 0 when it did not come back. */
static size_t ans_trip(const uint64_t *u, size_t n)
{
    static uint8_t out[N * 20 + 100];
    static uint64_t back[N];
    uint16_t scratch[N];
    struct ans_plan plan;
    size_t guess = ans_choose(u, n, &plan);
    size_t len = (size_t)(ans_encode(out, u, n, &plan, scratch) - out);
    uint8_t *exact = mem_dup(out, len);
    struct in in = in_make(exact, len);
    ans_decode(&in, back, n);
    bool good = !in.bad && in_left(&in) == 0 && memcmp(u, back, n * 8) == 0;
    struct in cut = in_make(exact, len - 1);
    ans_decode(&cut, back, n);
    good &= cut.bad;
    CHECK(len <= guess + guess / 20 + 8);
    mem_free(exact);
    return good ? len : 0;
}

TEST(amounts_come_back)
{
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t u[N];
        size_t n = 1 + some_length();
        unsigned wide = (unsigned)(rnd() % 64), rare = 1 + (unsigned)(rnd() % 40);
        if (n > N) n = N;
        for (size_t i = 0; i < n; i++) {
            uint64_t a = rnd() >> wide, b = rnd() >> wide; /* the lesser of two: small ones come oftener */
            u[i] = rnd() % rare ? (a < b ? a : b) : rnd() >> rnd() % 64;
        }
        if (!ans_trip(u, n)) test_fail(__FILE__, __LINE__, "round %u: %zu amounts", round, n);
    }
}

TEST(amounts_come_out_small)
{
    uint64_t u[N];
    for (size_t i = 0; i < N; i++) u[i] = 0;
    size_t none = ans_trip(u, N);
    CHECK(none > 0 && none < 12);
    for (size_t i = 0; i < N; i++) { /* binomial about 0, variance 4: 3.05 bits */
        int64_t r = __builtin_popcountll(rnd() & 0xffff) - 8;
        u[i] = zigzag(r);
    }
    size_t bell = ans_trip(u, N);
    CHECK(bell > 0 && bell < N * 33 / 80 + 12);
}

/* The models are part of the format: any change of them would make files unreadable. What each makes of the same
 * stream (which does not end as a good one does) is pinned. */
TEST(models_are_as_ever)
{
    uint8_t p[3 + 160];
    uint64_t u[100];
    uint32_t crc = 0;
    state = 99;
    for (size_t i = 3; i < sizeof p; i++) p[i] = (uint8_t)rnd();
    for (unsigned model = 0; model < 62; model++) {
        p[0] = (uint8_t)model;
        p[1] = 0;
        p[2] = 0; /* no escapes */
        struct in in = in_make(p, sizeof p);
        ans_decode(&in, u, 100);
        for (size_t i = 0; i < 100; i++) crc = crc32c(crc, &(uint8_t){(uint8_t)u[i]}, 1);
    }
    CHECK_INT(crc, 184944040);
    p[0] = 62;
    struct in in = in_make(p, sizeof p);
    ans_decode(&in, u, 100);
    CHECK(in.bad);
}
