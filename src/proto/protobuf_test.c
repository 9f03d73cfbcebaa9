/* Examples of "Encoding" at protobuf.dev, both directions, and what must be refused. */
#include "base/encode.h"
#include "base/test.h"
#include "proto/protobuf.h"

static void check_hex(const struct buf *b, const char *want)
{
    struct buf h;
    buf_init(&h, 1 << 16);
    hex_encode(&h, b->p, b->n);
    CHECK_Z(buf_cstr(&h), want);
    buf_fini(&h);
}

TEST(examples_are_written)
{
    struct buf b;
    buf_init(&b, 1024);
    pb_put_varint(&b, 1, 150); /* "A Simple Message" */
    check_hex(&b, "089601");
    buf_clear(&b);
    pb_put_str(&b, 2, STR("testing")); /* "Length-Delimited Records" */
    check_hex(&b, "120774657374696e67");
    buf_clear(&b);
    size_t at = pb_open(&b, 3); /* "Submessages" */
    pb_put_varint(&b, 1, 150);
    pb_close(&b, at);
    check_hex(&b, "1a03089601");
    buf_clear(&b);
    pb_put_varint(&b, 1, (uint64_t)-2); /* "Signed Integers": ten bytes */
    check_hex(&b, "08feffffffffffffffff01");
    buf_fini(&b);
}

TEST(a_long_message_takes_a_longer_length)
{
    struct buf b;
    struct pb_field f;
    char text[300];
    memset(text, 'x', sizeof text);
    buf_init(&b, 4096);
    size_t at = pb_open(&b, 1);
    pb_put_str(&b, 2, str_make(text, sizeof text));
    pb_close(&b, at);
    struct str s = buf_view(&b);
    REQUIRE(pb_next(&s, &f) == 1);
    CHECK_INT(f.s.n, 303);
    CHECK_INT(s.n, 0);
    s = f.s;
    REQUIRE(pb_next(&s, &f) == 1);
    CHECK(f.number == 2 && str_eq(f.s, str_make(text, sizeof text)));
    buf_fini(&b);
}

TEST(numbers_come_back)
{
    struct buf b;
    struct pb_field f;
    buf_init(&b, 1024);
    pb_put_float(&b, 12, 1.5f);
    pb_put_double(&b, 13, -0.1);
    pb_put_varint(&b, 536870911, UINT64_MAX);
    struct str s = buf_view(&b);
    REQUIRE(pb_next(&s, &f) == 1);
    CHECK(f.number == 12 && f.wire == PB_32 && pb_float(&f) == 1.5f);
    REQUIRE(pb_next(&s, &f) == 1);
    CHECK(f.number == 13 && f.wire == PB_64 && pb_double(&f) == -0.1);
    REQUIRE(pb_next(&s, &f) == 1);
    CHECK(f.number == 536870911 && f.v == UINT64_MAX);
    CHECK_INT(pb_next(&s, &f), 0);
    buf_fini(&b);
}

TEST(broken_bytes_are_refused)
{
    static const char *const bad[] = {"08",
                                      "0896",
                                      "00",
                                      "0b",
                                      "0c",
                                      "1205abcd",
                                      "0900",
                                      "0d00",
                                      "08ffffffffffffffffff02",
                                      "08ffffffffffffffffffff01",
                                      "12ffffffffffffffffff01",
                                      "f8ffffff7f01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b;
        struct pb_field f;
        buf_init(&b, 64);
        REQUIRE(hex_decode(&b, str_of(bad[i])) == 0);
        struct str s = buf_view(&b);
        if (pb_next(&s, &f) != ERR_INVALID) test_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
        buf_fini(&b);
    }
}
