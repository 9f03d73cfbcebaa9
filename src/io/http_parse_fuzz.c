/* http_parse_fuzz.c - heads, targets and chunked bodies from any bytes; results must not depend on how
 * the bytes were cut. */
#include <assert.h>
#include "io/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void fuzz_head(const char *p, size_t n)
{
    struct http_scan whole = {0}, bytes = {0};
    int a = http_head_find(&whole, p, n), b = 0;
    for (size_t i = 1; i <= n && b == 0; i++) b = http_head_find(&bytes, p, i);
    assert(a == b || n > HTTP_HEAD_MAX);
    if (a <= 0) return;
    char *copy = malloc((size_t)a), *path = malloc((size_t)a + 1);
    struct http_head h;
    struct str where, query;
    memcpy(copy, p, (size_t)a);
    if (http_head_parse(copy, (size_t)a, &h) == 0) {
        assert(!(h.chunked && h.content_length >= 0));
        if (http_target_split(h.target, path, &where, &query) == 0) {
            assert(where.n > 0 && where.p[0] == '/' && where.n <= h.target.n);
            assert(!str_has(where, STR("//")) && !str_has(where, STR("/../")) && !memchr(where.p, 0, where.n));
        }
    }
    free(copy);
    free(path);
}

static int unchunk(const char *p, size_t n, size_t step, size_t *ret_sum)
{
    struct http_chunked c = {0};
    size_t at = 0, used, sum = 0;
    while (at < n) {
        struct str data;
        size_t k = n - at < step ? n - at : step;
        int r = http_chunked_next(&c, p + at, k, &used, &data);
        if (r < 0) return r;
        assert(used <= k);
        at += used;
        if (r == HTTP_CHUNK_DATA)
            for (size_t i = 0; i < data.n; i++) sum = sum * 31 + (unsigned char)data.p[i];
        if (r == HTTP_CHUNK_END) {
            *ret_sum = sum + at;
            return r;
        }
        assert(used > 0);
    }
    *ret_sum = sum + at;
    return HTTP_CHUNK_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    size_t sum_whole = 0, sum_bytes = 0;
    const char *text = (const char *)p + 1;
    if (p[0] & 1) {
        fuzz_head(text, n - 1);
        return 0;
    }
    int a = unchunk(text, n - 1, n, &sum_whole), b = unchunk(text, n - 1, 1, &sum_bytes);
    assert(a == b && sum_whole == sum_bytes);
    return 0;
}
