/* snappy_test.c - elements of the format by hand, there and back, and what must be refused. */
#include "proto/snappy.h"
#include "base/mem.h"
#include "base/test.h"

static int decode(const void *p, size_t n, struct buf *b)
{
    struct str block = str_make(p, n);
    size_t len;
    buf_init(b, 1 << 20);
    int err = snappy_length(block, &len);
    if (!err && len >= b->max) err = ERR_TOO_LARGE;
    if (err) return err;
    uint8_t *to = buf_space(b, len + 1);
    err = to ? snappy_unpack(block, to, len) : ERR_NOMEM;
    if (!err) b->n = len;
    return err;
}

#define DECODES(bytes, want) \
    do { \
        struct buf b; \
        CHECK_INT(decode(bytes, sizeof bytes - 1, &b), 0); \
        CHECK_STR(buf_view(&b), want); \
        buf_fini(&b); \
    } while (0)
#define REFUSED(bytes, code) \
    do { \
        struct buf b; \
        CHECK_INT(decode(bytes, sizeof bytes - 1, &b), code); \
        CHECK_INT(b.n, 0); \
        buf_fini(&b); \
    } while (0)

/* Written down from the description of the format. */
TEST(elements)
{
    DECODES("\x00", "");
    DECODES("\x05\x10hello", "hello");
    DECODES("\x05\xf0\x04hello", "hello");     /* literal, length in one byte */
    DECODES("\x05\xf4\x04\x00hello", "hello"); /* in two */
    DECODES("\x09\x08"
            "abc\x09\x03",
            "abcabcabc"); /* copy 01: length 6, offset 3, reaching into itself */
    DECODES("\x08\x00"
            "a\x1a\x01\x00",
            "aaaaaaaa"); /* copy 10: length 7, offset 1 */
    DECODES("\x06\x08"
            "xyz\x0b\x03\x00\x00\x00",
            "xyzxyz"); /* copy 11 */
}

TEST(refusals)
{
    REFUSED("", ERR_PROTOCOL);
    REFUSED("\x80", ERR_PROTOCOL);
    REFUSED("\xff\xff\xff\xff\xff\x01", ERR_PROTOCOL);
    REFUSED("\x05\x10hell", ERR_PROTOCOL);  /* cut */
    REFUSED("\x04\x10hello", ERR_PROTOCOL); /* more than announced */
    REFUSED("\x06\x10hello", ERR_PROTOCOL); /* less */
    REFUSED("\x08\x00"
            "a\x1a\x02\x00",
            ERR_PROTOCOL); /* before the start */
    REFUSED("\x08\x00"
            "a\x1a\x00\x00",
            ERR_PROTOCOL); /* offset 0 */
    REFUSED("\xff\xff\xff\x7f\x10hello", ERR_TOO_LARGE);
    REFUSED("\x80\x80\x04\x10hello", ERR_PROTOCOL); /* 64 KiB out of five bytes */
}

TEST(there_and_back)
{
    size_t cap = 300000;
    char *text = mem_alloc(cap);
    uint32_t x = 1;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < cap; i++) {
            x = x * 1664525 + 1013904223;
            text[i] = kind == 0   ? 'a'
                      : kind == 1 ? (char)(x >> 24)
                      : kind == 2 ? "value "[i % 6]
                                  : (char)('0' + (x >> 30));
        }
        for (size_t n = 0; n <= cap; n = n < 200 ? n + 1 : n * 3) {
            struct buf packed, back;
            buf_init(&packed, 2 * cap);
            snappy_pack(str_make(text, n), &packed);
            REQUIRE(!packed.err);
            CHECK_INT(decode(packed.p, packed.n, &back), 0);
            CHECK(back.n == n && (n == 0 || memcmp(back.p, text, n) == 0));
            if (kind == 0 && n > 1000) CHECK(packed.n < n / 10);
            buf_fini(&packed);
            buf_fini(&back);
        }
    }
    mem_free(text);
}
