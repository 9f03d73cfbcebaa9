/* prom_read_test.c - requests written down from the encoding guide of Protocol Buffers, and answers read back with a
 * reader of these few lines. */
#include "proto/prom_read.h"
#include "base/test.h"

/* One query of 1000..2000 with __name__="P1" and area=~"LT.*", a hint that is passed over, and accepted types. */
static const char request[] = "\x0a\x2c"
                              "\x08\xe8\x07\x10\xd0\x0f"
                              "\x1a\x0e\x12\x08__name__\x1a\x02P1"
                              "\x1a\x0e\x08\x02\x12\x04"
                              "area"
                              "\x1a\x04LT.*"
                              "\x22\x04\x08\x01\x12\x00"
                              "\x10\x00";

TEST(a_request)
{
    struct str s = str_make(request, sizeof request - 1);
    struct prom_query q;
    struct prom_matcher m;
    REQUIRE(prom_query_next(&s, &q) == 1);
    CHECK_INT(q.start_ms, 1000);
    CHECK_INT(q.end_ms, 2000);
    REQUIRE(prom_matcher_next(&q.body, &m) == 1);
    CHECK(m.type == PROM_EQ);
    CHECK_STR(m.name, "__name__");
    CHECK_STR(m.value, "P1");
    REQUIRE(prom_matcher_next(&q.body, &m) == 1);
    CHECK(m.type == PROM_RE);
    CHECK_STR(m.value, "LT.*");
    CHECK_INT(prom_matcher_next(&q.body, &m), 0);
    CHECK_INT(prom_query_next(&s, &q), 0);
}

TEST(cut_and_broken)
{
    struct prom_query q;
    struct prom_matcher m;
    for (size_t n = 1; n < 46; n++) {
        struct str s = str_make(request, n);
        int got = prom_query_next(&s, &q);
        CHECK_INT(got, ERR_INVALID);
    }
    static const struct str bad[] = {STR("\x0a"),
                                     STR("\x0a\x05"
                                         "a"),
                                     STR("\x0b"), STR("\x00\x00"), STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct str s = bad[i];
        CHECK_INT(prom_query_next(&s, &q), ERR_INVALID);
    }
    struct str body = STR("\x1a\x02\x08\x09");
    CHECK_INT(prom_matcher_next(&body, &m), ERR_INVALID); /* a type that there is not */
}

TEST(an_answer)
{
    struct buf b;
    buf_init(&b, 1000);
    size_t result = prom_open(&b, 1), series = prom_open(&b, 1);
    prom_label(&b, STR("__name__"), STR("P1"));
    prom_sample(&b, 1.5, 1000);
    prom_sample(&b, -2, -1);
    prom_close(&b, series);
    prom_close(&b, result);
    static const uint8_t want[] = "\x0a\xbe\x80\x80\x80\x00"
                                  "\x0a\xb8\x80\x80\x80\x00"
                                  "\x0a\x8e\x80\x80\x80\x00"
                                  "\x0a\x08__name__\x12\x02P1"
                                  "\x12\x0c\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07"
                                  "\x12\x14\x09\0\0\0\0\0\0\0\xc0\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    CHECK(b.n == sizeof want - 1 && memcmp(b.p, want, b.n) == 0);
    buf_fini(&b);
}
