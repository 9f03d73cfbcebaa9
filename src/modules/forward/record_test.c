/* record_test.c - what is written is read, what is damaged is not. */
#include "modules/forward/record.h"
#include "base/error.h"
#include "base/test.h"

static void fill(struct batch *b)
{
    struct sample s[] = {
        {.time_us = 1700000000000000, .point = 7, .type = SAMPLE_DOUBLE, .v.d = -1.5},
        {.time_us = -5, .point = UINT32_MAX, .type = SAMPLE_STRING, .quality = QUALITY_BAD, .flags = 0x312},
        {.time_us = 3, .point = 1, .type = SAMPLE_STRING}};
    batch_init(b);
    CHECK_INT(batch_add(b, &s[0], STR("")), 0);
    CHECK_INT(batch_add(b, &s[1], STR("缓冲\0x")), 0);
    CHECK_INT(batch_add(b, &s[2], STR("")), 0);
    b->made_us = 99;
}

TEST(round_trip)
{
    struct batch a, b;
    struct buf out;
    fill(&a);
    batch_init(&b);
    buf_init(&out, 1 << 20);
    record_write(&a, &out);
    CHECK_INT(record_made(buf_view(&out)), 99);
    REQUIRE(!record_read(buf_view(&out), &b));
    REQUIRE(b.n == 3);
    CHECK_DBL(b.items[0].s.v.d, -1.5, 0);
    CHECK_INT(b.items[1].s.point, UINT32_MAX);
    CHECK_INT(b.items[1].s.flags, 0x312);
    CHECK_INT(b.items[1].len, 8);
    CHECK(memcmp(b.text.p + b.items[1].at, "缓冲\0x", 8) == 0);
    REQUIRE(!record_read(buf_view(&out), &b)); /* joined */
    CHECK_INT(b.n, 6);
    CHECK(memcmp(b.text.p + b.items[4].at, "缓冲\0x", 8) == 0);
    for (size_t n = 0; n < out.n; n++) CHECK_INT(record_read(str_make((char *)out.p, n), &b), ERR_CORRUPT);
    CHECK_INT(b.n, 6);
    buf_fini(&out);
    batch_fini(&a);
    batch_fini(&b);
}

TEST(full)
{
    struct batch b;
    struct sample s = {.point = 1, .type = SAMPLE_BOOL};
    batch_init(&b);
    for (int i = 0; i < RECORD_MAX; i++) CHECK_INT(batch_add(&b, &s, STR("")), 0);
    CHECK_INT(batch_add(&b, &s, STR("")), ERR_TOO_LARGE);
    batch_fini(&b);
}

/* One sample that changes in every way after the one before it. */
TEST(extremes)
{
    static const struct sample s[] = {
        {.time_us = INT64_MIN, .point = UINT32_MAX, .type = SAMPLE_INT, .v.i = INT64_MIN},
        {.time_us = INT64_MAX, .point = 0, .type = SAMPLE_INT, .v.i = INT64_MAX, .flags = UINT16_MAX},
        {.time_us = 0, .point = 1, .type = SAMPLE_DOUBLE, .v.d = -0.0},
        {.time_us = 0, .point = 2, .type = SAMPLE_DOUBLE, .v.u = 0x7ff8000000000001, .quality = QUALITY_BAD},
        {.time_us = -1, .point = 1u << 31, .type = SAMPLE_DOUBLE, .v.d = 1e-300},
        {.time_us = 1, .point = 1, .type = SAMPLE_NONE, .quality = QUALITY_BAD, .flags = REASON_COMM_FAILURE},
        {.time_us = 1, .point = 2, .type = SAMPLE_BLOB, .v.u = UINT64_MAX},
        {.time_us = 1, .point = 3, .type = SAMPLE_BOOL, .v.i = 1},
    };
    struct batch a, b;
    struct buf out;
    batch_init(&a);
    batch_init(&b);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof s / sizeof *s; i++) REQUIRE(!batch_add(&a, &s[i], STR("")));
    record_write(&a, &out);
    REQUIRE(!record_read(buf_view(&out), &b));
    REQUIRE(b.n == a.n);
    for (size_t i = 0; i < b.n; i++) CHECK(memcmp(&b.items[i].s, &s[i], sizeof *s) == 0);
    buf_fini(&out);
    batch_fini(&a);
    batch_fini(&b);
}

/* What a poll of a device makes: one time, points one after the other. */
TEST(registers_and_floats_are_short)
{
    static const size_t most[] = {[SAMPLE_DOUBLE] = 6, [SAMPLE_INT] = 4};
    for (uint8_t type = SAMPLE_DOUBLE; type <= SAMPLE_INT; type++) {
        struct batch b;
        struct buf out;
        batch_init(&b);
        buf_init(&out, 1 << 20);
        for (uint32_t i = 0; i < RECORD_MAX; i++) {
            struct sample s = {.time_us = 1700000000000000, .point = 500 + i, .type = type, .v.i = 60000 + i % 5000};
            if (type == SAMPLE_DOUBLE) s.v.d = (double)((float)i * 0.37f);
            REQUIRE(!batch_add(&b, &s, STR("")));
        }
        record_write(&b, &out);
        CHECK(out.n <= most[type] * RECORD_MAX + 40);
        buf_fini(&out);
        batch_fini(&b);
    }
}

/* What a program of before has left on disk. */
TEST(version_1)
{
    static const uint8_t record[] = {
        1, 0, 0, 0, 2, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, /* two samples, made at 99 */
        5, 0, 0, 0, 0, 0, 0, 0, 7,  0, 0, 0, 2, 0, 0, 2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 6,   0,
        0, 0, 0, 0, 0, 0, 8, 0, 0,  0, 4, 1, 0, 0, 3, 0, 0,    0,    0,    0,    0,    0,    'a',  'b',  'c',
    };
    struct batch b;
    batch_init(&b);
    CHECK_INT(record_made(str_make((const char *)record, sizeof record)), 99);
    REQUIRE(!record_read(str_make((const char *)record, sizeof record), &b));
    REQUIRE(b.n == 2);
    CHECK_INT(b.items[0].s.v.i, -2);
    CHECK_INT(b.items[0].s.point, 7);
    CHECK_INT(b.items[0].s.flags, SAMPLE_FLAG_SOURCE_TIME);
    CHECK_INT(b.items[1].s.time_us, 6);
    CHECK_INT(b.items[1].s.quality, QUALITY_UNCERTAIN);
    CHECK_INT(b.items[1].s.v.u, 0);
    CHECK_STR(str_make((char *)b.text.p + b.items[1].at, b.items[1].len), "abc");
    for (size_t n = 0; n < sizeof record; n++)
        CHECK_INT(record_read(str_make((const char *)record, n), &b), ERR_CORRUPT);
    batch_fini(&b);
}
