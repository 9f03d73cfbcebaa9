/* Column codecs: every pattern comes back bit by bit, known columns have known bytes, and what they are
 * made for comes out small. */
#include "base/mem.h"
#include "base/test.h"
#include "tsdb/block.h"
#include "tsdb/wal_record.h"

#define N 4096

static uint64_t state = 1;
static uint64_t rnd(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Bytes used; 0 when it did not come back. */
static size_t int_trip(const int64_t *v, size_t n, struct codec *c)
{
    uint8_t *out = malloc(intcol_bound(n));
    int64_t *back = malloc((n + 1) * sizeof *back);
    size_t len = intcol_encode(v, n, out, c);
    struct in in = in_make(out, len);
    intcol_decode(&in, back, n, c);
    bool good = len <= intcol_bound(n) && !in.bad && in_left(&in) == 0 && (n == 0 || memcmp(v, back, n * 8) == 0);
    /* cut short it must not pass */
    struct in cut = in_make(out, len - 1);
    intcol_decode(&cut, back, n, c);
    if (!cut.bad && n > 0) good = false;
    free(out);
    free(back);
    return good ? len : 0;
}

enum pattern { CONSTANT, COUNTING, STEADY, JITTER, STATES, WALK, WIDE, EXTREMES, BITS, PATTERNS };

static void fill(enum pattern p, int64_t *v, size_t n)
{
    unsigned width = (unsigned)(rnd() % 64);
    int64_t x = (int64_t)rnd() >> (rnd() % 64);
    for (size_t i = 0; i < n; i++) {
        if (p == CONSTANT) v[i] = x;
        if (p == COUNTING) v[i] = (int64_t)i;
        if (p == STEADY) v[i] = INT64_C(1700000000000000) + (int64_t)i * 1000000;
        if (p == JITTER) v[i] = INT64_C(1700000000000000) + (int64_t)i * 1000000 + (int64_t)(rnd() % 3) * 1000;
        if (p == STATES) v[i] = i && rnd() % 50 ? v[i - 1] : (int64_t)(rnd() % 6);
        if (p == WALK) v[i] = (i ? v[i - 1] : 2345) + (int64_t)(rnd() % 9) - 4;
        if (p == WIDE) v[i] = (int64_t)rnd();
        if (p == EXTREMES) v[i] = rnd() & 1 ? INT64_MIN : INT64_MAX;
        if (p == BITS) v[i] = (int64_t)(rnd() >> width);
    }
}

TEST(integers_come_back)
{
    static const size_t lengths[] = {0, 1, 2, 3, 7, 64, 127, 128, 129, 1000, N};
    static int64_t v[N];
    struct codec *c = codec_new(N);
    for (int p = 0; p < PATTERNS; p++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
            for (int k = 0; k < 3; k++) {
                fill((enum pattern)p, v, lengths[l]);
                size_t quick = int_trip(v, lengths[l], NULL), deep = int_trip(v, lengths[l], c);
                if (!quick || !deep) test_fail(__FILE__, __LINE__, "pattern %d, %zu values", p, lengths[l]);
                CHECK(deep <= quick);
            }
    codec_free(c);
}

TEST(integers_come_out_small)
{
    static int64_t v[N];
    struct codec *c = codec_new(N);
    fill(CONSTANT, v, N);
    CHECK(int_trip(v, N, c) < 12);
    fill(STEADY, v, N);
    CHECK(int_trip(v, N, NULL) < 120); /* delta: nothing but group headers */
    fill(JITTER, v, N);
    CHECK(int_trip(v, N, c) < N * 2);
    fill(STATES, v, N);
    CHECK(int_trip(v, N, c) < N / 8);
    fill(WALK, v, N);
    CHECK(int_trip(v, N, NULL) < N * 4 / 8 + 200);
    codec_free(c);
}

static void check_bytes(const uint8_t *got, size_t n, const char *hex)
{
    char text[256] = "";
    for (size_t i = 0; i < n && i < 100; i++) snprintf(text + 2 * i, 3, "%02x", got[i]);
    CHECK_Z(text, hex);
}

/* The format, pinned: see the tables in codec_int.c, codec_value.c, codec_meta.c. */
TEST(golden_bytes)
{
    uint8_t out[512];
    static const int64_t same[] = {-3, -3, -3}, line[] = {100, 107, 114, 121}, plain[] = {5, 1, 4, 2};
    static const int64_t runs[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0x123456789, 0x123456789, 0x123456789};
    check_bytes(out, intcol_encode(same, 3, out, NULL), "0005");
    check_bytes(out, intcol_encode(line, 4, out, NULL), "03c801000e");
    check_bytes(out, intcol_encode(plain, 4, out, NULL), "020302c402"); /* least 1; 4,0,3,1 in 3 bits */
    check_bytes(out, intcol_encode(runs, 14, out, NULL), "0102020b909eabb42403");
    static const uint32_t meta[] = {0x01000201, 0x01000201, 4};
    check_bytes(out, metacol_encode(meta, 3, out), "022100010204000001");
    const double d[] = {23.4, 23.5, 23.4, 23.6};
    uint64_t bits[4];
    int64_t ints[5];
    struct val_hint hint = {0, 0};
    memcpy(bits, d, sizeof bits);
    check_bytes(out, valcol_encode(bits, 4, true, &hint, ints, out, NULL), "190202d40384");
}

static void check_values(const char *hex, const double *want, size_t n)
{
    uint8_t p[64];
    uint64_t got[32];
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        const char two[] = {hex[2 * i], hex[2 * i + 1], 0};
        p[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    struct codec *c = codec_new(N);
    struct in in = in_make(p, len);
    valcol_decode(&in, got, n, c);
    CHECK(!in.bad && in_left(&in) == 0 && memcmp(got, want, n * 8) == 0);
    codec_free(c);
}

/* Forms that stand in files, whether they are still written or not. */
TEST(values_of_every_form)
{
    static const double tenths[] = {23.4, 23.5, 23.4, 23.6}, doubling[] = {1, 1, 2};
    check_values("0101000202d40384", tenths, 4);
    check_values("190202d40384", tenths, 4);
    check_values("04000000000000f03fd2caff01", doubling, 3);
}

static size_t value_trip(const double *d, size_t n, struct codec *c, struct val_hint *hint)
{
    uint64_t *v = malloc((n + 1) * 8), *back = malloc((n + 1) * 8);
    int64_t *ints = malloc((n + 1) * 8);
    uint8_t *out = malloc(valcol_bound(n));
    memcpy(v, d, n * 8);
    size_t len = valcol_encode(v, n, true, hint, ints, out, c);
    struct in in = in_make(out, len);
    valcol_decode(&in, back, n, c);
    bool good = len <= valcol_bound(n) && !in.bad && in_left(&in) == 0 && memcmp(v, back, n * 8) == 0;
    free(v);
    free(back);
    free(ints);
    free(out);
    return good ? len : 0;
}

static void fill_doubles(int kind, double *d, size_t n)
{
    int64_t x = 5000;
    for (size_t i = 0; i < n; i++) {
        x += (int64_t)(rnd() % 5) - 2;
        uint64_t bits = rnd();
        if (kind == 0) d[i] = (double)x / 100;
        if (kind == 1) d[i] = (double)x * 0.1;
        if (kind == 2) d[i] = (double)(float)((double)x / 10);
        if (kind == 3) memcpy(&d[i], &bits, 8);
        if (kind == 4) d[i] = rnd() % 20 ? (double)x / 10 : NAN;
        if (kind == 5) d[i] = rnd() % 2 ? 0.0 : -0.0;
        if (kind == 6) d[i] = (double)(rnd() >> 11) / 9007199254740992.0;
        if (kind == 7) d[i] = rnd() % 30 ? (double)x : 1e300;
        if (kind == 8) d[i] = (double)x / 10 + (rnd() % 40 == 0 ? 0.12345678901 : 0);
        if (kind == 9) d[i] = sin((double)i / 100);
        if (kind == 10) d[i] = (double)((int64_t)1 << 53) - (double)(rnd() % 3);
    }
}

TEST(values_come_back)
{
    static const size_t lengths[] = {1, 2, 5, 64, 129, 1000, N};
    static double d[N];
    struct codec *c = codec_new(N);
    struct val_hint hint = {0, 0};
    for (int kind = 0; kind <= 10; kind++)
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            fill_doubles(kind, d, lengths[l]);
            size_t quick = value_trip(d, lengths[l], NULL, &hint), deep = value_trip(d, lengths[l], c, &hint);
            if (!quick || !deep)
                test_fail(__FILE__, __LINE__, "kind %d, %zu values: %zu %zu", kind, lengths[l], quick, deep);
        }
    codec_free(c);
}

TEST(decimals_come_out_small)
{
    static double d[N];
    struct val_hint hint = {0, 0};
    for (int kind = 0; kind <= 2; kind++) {
        fill_doubles(kind, d, N);
        size_t n = value_trip(d, N, NULL, &hint);
        CHECK(n > 0 && n < N / 2);
    }
    fill_doubles(4, d, N); /* NaN among decimals: exceptions, not a column of bits */
    struct codec *c = codec_new(N);
    CHECK(value_trip(d, N, c, &hint) < N);
    for (size_t i = 0; i < N; i++) d[i] = (double)(rnd() % 7) / 3; /* few, but no decimals */
    CHECK(value_trip(d, N, c, &hint) < N * 3 / 8 + 100);
    codec_free(c);
}

TEST(log_records_come_back)
{
    static struct sample s[600], back[600];
    struct buf b;
    struct wal_record r;
    for (size_t i = 0; i < 600; i++) {
        s[i] = (struct sample){.time_us = (int64_t)(i / 7) * 1000 - 50000,
                               .point = (uint32_t)(1 + i % 7 * (i % 3 + 1)),
                               .type = (uint8_t)(1 + i % 4),
                               .quality = (uint8_t)(i % 11 == 0),
                               .v.u = rnd()};
        if (i % 50 == 3) s[i].time_us = (int64_t)rnd();
    }
    buf_init(&b, 1 << 20);
    wal_record_encode(&b, 9, 1, 1234567, s, 600);
    wal_record_encode(&b, 9, 2, 1234568, s, 1);
    REQUIRE(!b.err && wal_record_parse(b.p, b.n, 9, &r));
    CHECK(r.seq == 1 && r.samples == 600 && wal_record_decode(&r, back) == 0 && memcmp(s, back, sizeof s) == 0);
    CHECK(!wal_record_parse(b.p, b.n, 8, &r)); /* of another file */
    CHECK(!wal_record_parse(b.p, r.total - 1, 9, &r));
    size_t first = r.total;
    b.p[40] ^= 1;
    CHECK(!wal_record_parse(b.p, b.n, 9, &r));
    CHECK_INT(wal_record_find(b.p, b.n, 1, 9, 0), first);
    CHECK_INT(wal_record_find(b.p, b.n, 1, 9, 2), b.n);
    buf_fini(&b);
    uint8_t head[WAL_HEAD];
    uint64_t number = 0;
    wal_head_encode(77, head);
    CHECK(wal_head_decode(head, WAL_HEAD, &number) == 0 && number == 77);
    head[9] = 1;
    CHECK_INT(wal_head_decode(head, WAL_HEAD, &number), ERR_CORRUPT);
}

TEST(frames_belong_to_their_file_and_place)
{
    uint8_t p[FRAME_HEAD + 5];
    struct in in;
    memcpy(p + FRAME_HEAD, "hello", 5);
    frame_encode(p, FRAME_BLOCK, 42, 1000, p + FRAME_HEAD, 5);
    CHECK_INT(frame_check(p, sizeof p, 42, 1000, &in), FRAME_BLOCK);
    CHECK(in_left(&in) == 5);
    CHECK_INT(frame_check(p, sizeof p, 42, 1001, &in), 0);
    CHECK_INT(frame_check(p, sizeof p, 43, 1000, &in), 0);
    CHECK_INT(frame_check(p, sizeof p - 1, 42, 1000, &in), 0);
    p[12] = FRAME_TIMES;
    CHECK_INT(frame_check(p, sizeof p, 42, 1000, &in), 0);
}
