/* snappy_fuzz.c - any bytes as a block; and any bytes packed come back. */
#include <stdlib.h>
#include "proto/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str s = str_make((const char *)p, n);
    struct buf a;
    size_t len;
    if (snappy_length(s, &len) == 0 && len <= 1 << 20) {
        uint8_t *exact = malloc(len + !len);
        if (exact && snappy_unpack(s, exact, len) && len > 1 << 20) abort();
        free(exact);
    }
    buf_init(&a, 1 << 20);
    snappy_pack(s, &a);
    if (!a.err) {
        uint8_t *back = malloc(n + !n);
        if (snappy_length(buf_view(&a), &len) || len != n) abort();
        if (back && (snappy_unpack(buf_view(&a), back, n) || memcmp(back, p, n) != 0)) abort();
        free(back);
    }
    buf_fini(&a);
    return 0;
}
