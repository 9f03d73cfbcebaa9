/* Bundles of blocks and pages of the index: what goes in comes out, from blocks of every sort, and it comes out small.
 * Summaries against sums in long double. */
#include "base/mem.h"
#include "base/test.h"
#include "tsdb/block.h"
#include "tsdb/meta.h"
#include "tsdb/seg_page.h"
#include "tsdb/stats.h"

#define BLOCK 600

static uint64_t state = 3;
static uint64_t rnd(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

enum sort {
    TENTHS,
    FLOATS,
    MANTISSAS,
    COUNTER,
    HUGE_INTS,
    SWITCH,
    TEXTS,
    GAPS,
    ODD_TIMES,
    ALL_BAD,
    NOT_NUMBERS,
    SORTS
};

static struct sample sample_of(enum sort k, size_t i, int64_t *x)
{
    struct sample s = {.type = SAMPLE_DOUBLE};
    *x += (int64_t)(rnd() % 9) - 4;
    s.v.d = (double)*x / 10;
    if (k == FLOATS) s.v.d = (double)((float)*x / 100.0f);
    if (k == MANTISSAS) s.v.d = (double)*x * 1.1e-3 + (double)(rnd() >> 12) * 0x1p-60;
    if (k == COUNTER) s.type = SAMPLE_INT, s.v.i = (int64_t)i * 3 % 1000;
    if (k == HUGE_INTS) s.type = SAMPLE_INT, s.v.i = INT64_MAX - (int64_t)(rnd() % 100);
    if (k == SWITCH) s.type = SAMPLE_BOOL, s.v.i = (int64_t)(i / 50 & 1);
    if (k == TEXTS) s.type = SAMPLE_STRING, s.v.u = i / 200;
    if (k == GAPS && rnd() % 20 == 0) s = (struct sample){.type = SAMPLE_NONE, .quality = QUALITY_BAD, .flags = 1};
    if (k == GAPS && rnd() % 20 == 0) s.quality = QUALITY_UNCERTAIN;
    if (k == ALL_BAD) s.quality = QUALITY_BAD;
    if (k == NOT_NUMBERS && rnd() % 3 == 0) s.v.d = rnd() & 1 ? NAN : -INFINITY;
    return s;
}

static void fill_block(struct sample *s, size_t n, uint32_t point, enum sort k, int64_t t)
{
    int64_t x = (int64_t)(rnd() % 20000) - 5000;
    for (size_t i = 0; i < n; i++) {
        s[i] = sample_of(k, i, &x);
        s[i].point = point;
        s[i].time_us = t;
        t += k == ODD_TIMES ? 1 + (int64_t)(rnd() % 3000000) : 1000000;
    }
}

static bool same_sample(const struct sample *a, const struct sample *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void near(double got, double want, double amounts, const char *what, uint32_t point)
{
    if (memcmp(&got, &want, sizeof got) == 0 || fabs(got - want) <= 2e-10 * amounts) return;
    test_fail(__FILE__, __LINE__, "point %u: %s is %.17g, want %.17g", point, what, got, want);
}

static void same_meta(const struct block_meta *a, const struct block_meta *b)
{
    CHECK(a->point == b->point && a->count == b->count && a->offset == b->offset && a->len == b->len);
    CHECK(a->has_stats == b->has_stats && a->first_us == b->first_us && a->last_us == b->last_us);
    if (!a->has_stats) return;
    CHECK(same_sample(&a->first, &b->first) && same_sample(&a->last, &b->last));
    CHECK(same_sample(&a->min, &b->min) && same_sample(&a->max, &b->max) && same_sample(&a->bad, &b->bad));
    CHECK(a->good == b->good && a->usable == b->usable);
    CHECK(fabs(a->usable_s - b->usable_s) < 1e-7 && fabs(a->good_s - b->good_s) < 1e-7);
    near(a->sum, b->sum, fabs(b->sum), "sum", b->point);
    near(a->m2, b->m2, b->m2, "m2", b->point);
    near(a->step_integral, b->step_integral, fabs(b->step_integral), "step", b->point);
    near(a->linear_integral, b->linear_integral, fabs(b->linear_integral), "line", b->point);
}

TEST(pages_come_back)
{
    struct codec *c = codec_new(SEG_BLOCK_MAX);
    struct index_entry *e = mem_alloc(PAGE_ENTRIES * sizeof *e), *back;
    for (int round = 0; round < 30; round++) {
        static struct sample s[BLOCK];
        size_t n = round < 3 ? PAGE_ENTRIES : 1 + (size_t)(rnd() % 60), got = 0;
        uint64_t at = rnd() % 1000000;
        for (size_t i = 0; i < n; i++) {
            enum sort k = (enum sort)(round % 2 ? rnd() % SORTS : (uint64_t)(round / 2 % SORTS));
            fill_block(s, BLOCK, (uint32_t)(5 + i / 2), k, INT64_C(1700000000000000) + (int64_t)(i % 2) * 4000000000);
            e[i] = (struct index_entry){.group = (uint32_t)(i / 10)};
            block_meta_fill(&e[i].meta, s, 1 + rnd() % BLOCK);
            e[i].meta.has_stats = rnd() % 8 != 0;
            e[i].meta.offset = at;
            e[i].meta.len = (uint32_t)(rnd() % 5000);
            at += rnd() % 3 ? e[i].meta.len : 0;
        }
        struct buf b;
        buf_init(&b, 1 << 22);
        seg_page_encode(&b, e, n, c);
        struct in in = in_make(b.p, b.n);
        REQUIRE(!b.err && seg_page_decode(&in, c, &back, &got) == 0 && got == n);
        for (size_t i = 0; i < n; i++) {
            CHECK(back[i].group == e[i].group);
            same_meta(&back[i].meta, &e[i].meta);
        }
        mem_free(back);
        buf_fini(&b);
    }
    mem_free(e);
    codec_free(c);
}

TEST(pages_of_decimals_are_small)
{
    static struct sample s[BLOCK];
    struct codec *c = codec_new(SEG_BLOCK_MAX);
    struct index_entry *e = mem_calloc(PAGE_ENTRIES, sizeof *e);
    struct buf b;
    buf_init(&b, 1 << 22);
    for (size_t i = 0; i < PAGE_ENTRIES; i++) {
        fill_block(s, BLOCK, (uint32_t)(1 + i), TENTHS, INT64_C(1700000000000000));
        block_meta_fill(&e[i].meta, s, BLOCK);
        e[i].meta.offset = i * 300;
        e[i].meta.len = 300;
    }
    seg_page_encode(&b, e, PAGE_ENTRIES, c);
    CHECK(!b.err && b.n < PAGE_ENTRIES * 27); /* rows took 130 bytes each, 60 when compressed */
    buf_fini(&b);
    mem_free(e);
    codec_free(c);
}

TEST(bundles_come_back)
{
    static struct sample s[BUNDLE_BLOCKS][BLOCK], out[BLOCK];
    static int64_t column[BLOCK], rows[BLOCK];
    struct codec *c = codec_new(SEG_BLOCK_MAX);
    for (int round = 0; round < 20; round++) {
        struct bundle x = {0};
        struct buf payload;
        size_t blocks = 1 + (size_t)(rnd() % (round ? 20 : BUNDLE_BLOCKS)), count[BUNDLE_BLOCKS];
        buf_init(&x.heads, 1 << 22), buf_init(&x.bodies, 1 << 22), buf_init(&payload, 1 << 22);
        for (size_t i = 0; i < BLOCK; i++) column[i] = INT64_C(1700000000000000) + (int64_t)i * 1000000;
        uint32_t point = 0;
        for (size_t i = 0; i < blocks; i++) {
            enum sort k = (enum sort)(rnd() % SORTS);
            struct block_ref ref = {.how = k == ODD_TIMES ? TIMES_OWN : (enum block_times)(rnd() % 3), .distance = 77};
            count[i] = i && rnd() % 2 ? count[i - 1] : 1 + (size_t)(rnd() % (BLOCK / 2));
            if (ref.how == TIMES_DENSE) ref.row = (uint32_t)(rnd() % 3);
            point += rnd() % 3 ? 1 : 1 + (uint32_t)(rnd() % 1000);
            fill_block(s[i], count[i], point, k, column[ref.row]);
            for (size_t j = 0; j < count[i] && ref.how == TIMES_ROWS; j++) {
                rows[j] = (int64_t)j * 2;
                s[i][j].time_us = column[j * 2];
            }
            ref.rows = rows;
            bundle_add(&x, s[i], count[i], &ref, c);
        }
        bundle_end(&x, &payload);
        struct in in = in_make(payload.p, payload.n), body;
        struct bundle_in r;
        struct block_head h;
        REQUIRE(!payload.err && bundle_open(&in, &r) == 0);
        for (size_t i = 0; i < blocks; i++) {
            REQUIRE(bundle_next(&r, &h, &body) == 1);
            CHECK(h.point == s[i]->point && h.count == count[i]);
            CHECK_INT(block_decode(&body, &h, column, BLOCK, out, c), 0);
            CHECK(memcmp(out, s[i], count[i] * sizeof *out) == 0);
        }
        CHECK_INT(bundle_next(&r, &h, &body), 0);
        buf_fini(&x.heads), buf_fini(&x.bodies), buf_fini(&payload);
    }
    codec_free(c);
}

/* By definition, in more digits than the engine uses. */
TEST(summaries_are_right)
{
    static struct sample s[BLOCK];
    for (int round = 0; round < 60; round++) {
        size_t n = 1 + (size_t)(rnd() % BLOCK);
        struct block_meta m = {0};
        fill_block(s, n, 9, (enum sort)(round % SORTS), INT64_C(1700000000000000));
        block_meta_fill(&m, s, n);
        long double sum = 0, step = 0, line = 0, squares = 0, amounts = 0;
        double v, w, usable_s = 0;
        uint32_t usable = 0;
        for (size_t i = 0; i < n; i++) {
            if (!sample_usable(&s[i], &v)) continue;
            sum += v, usable++;
            if (i + 1 == n) continue;
            long double dt = (long double)(s[i + 1].time_us - s[i].time_us) / 1e6L;
            usable_s += (double)dt;
            step += v * dt;
            line += (sample_usable(&s[i + 1], &w) ? ((long double)v + w) / 2 : v) * dt;
            amounts += fabsl(v * dt);
        }
        for (size_t i = 0; i < n; i++)
            if (sample_usable(&s[i], &v)) squares += (v - sum / usable) * (v - sum / usable);
        CHECK_INT(m.usable, usable);
        CHECK_DBL(m.sum, (double)sum, 1e-12 * (double)amounts + 1e-9);
        CHECK_DBL(m.step_integral, (double)step, 1e-12 * (double)amounts);
        CHECK_DBL(m.linear_integral, (double)line, 1e-12 * (double)amounts);
        CHECK_DBL(m.usable_s, usable_s, 1e-6);
        if (round % SORTS != HUGE_INTS) CHECK_DBL(m.m2, (double)squares, 1e-9 * (double)squares);
    }
}
