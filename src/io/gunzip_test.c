/* gunzip_test.c - what zlib packs comes back; limits, cut and strange bodies. */
#include "io/gunzip.h"
#include <zlib.h>
#include "base/test.h"

static size_t pack(const char *text, size_t n, uint8_t *out, size_t cap)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)cap};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return cap - z.avail_out;
}

static int unpack(const uint8_t *p, size_t n, size_t max, struct buf *b)
{
    buf_init(b, max);
    return gunzip(str_make((const char *)p, n), b, NULL);
}

TEST(there_and_back)
{
    static char text[200000];
    static uint8_t packed[210000];
    struct buf b;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i % 17);
    size_t n = pack(text, sizeof text, packed, sizeof packed);
    CHECK_INT(unpack(packed, n, sizeof text, &b), 0); /* exactly the maximum */
    CHECK(b.n == sizeof text && memcmp(b.p, text, b.n) == 0);
    buf_fini(&b);
    CHECK_INT(unpack(packed, n, sizeof text - 1, &b), ERR_TOO_LARGE);
    buf_fini(&b);
    CHECK_INT(unpack(packed, n - 1, 1 << 20, &b), ERR_INVALID);
    buf_fini(&b);
    CHECK_INT(unpack(packed, n / 2, 1 << 20, &b), ERR_INVALID);
    buf_fini(&b);
    CHECK_INT(unpack((const uint8_t *)"hello", 5, 1 << 20, &b), ERR_INVALID);
    buf_fini(&b);
    CHECK_INT(unpack(packed, 0, 1 << 20, &b), ERR_INVALID);
    buf_fini(&b);
}

TEST(several_members)
{
    uint8_t packed[200];
    struct buf b;
    size_t n = pack("one ", 4, packed, sizeof packed);
    n += pack("two", 3, packed + n, sizeof packed - n);
    CHECK_INT(unpack(packed, n, 100, &b), 0);
    CHECK_STR(buf_view(&b), "one two");
    buf_fini(&b);
}
