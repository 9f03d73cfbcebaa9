/* prom_read_fuzz.c - any bytes as a request of remote read. */
#include <stdlib.h>
#include "proto/prom_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str s = str_make((const char *)p, n);
    struct prom_query q;
    struct prom_matcher m;
    while (prom_query_next(&s, &q) == 1)
        while (prom_matcher_next(&q.body, &m) == 1)
            if (m.value.n && ((const uint8_t *)m.value.p < p || (const uint8_t *)m.value.p + m.value.n > p + n))
                abort();
    return 0;
}
