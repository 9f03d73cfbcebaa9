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
