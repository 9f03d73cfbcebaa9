/* Fuzz: integer, value and meta columns. First byte: which, second and third: how many values. */
#include "tsdb/codec_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct codec *c;
    static int64_t ints[4097];
    static uint32_t metas[4097];
    if (!c) c = codec_new(4096);
    if (n < 3) return 0;
    size_t count = (p[1] | (size_t)p[2] << 8) % 4097;
    struct in in = in_make(p + 3, n - 3);
    if (p[0] % 4 == 0) intcol_decode(&in, ints, count, c);
    if (p[0] % 4 == 1) intcol_decode(&in, ints, count, NULL);
    if (p[0] % 4 == 2) valcol_decode(&in, (uint64_t *)ints, count, c);
    if (p[0] % 4 == 3) metacol_decode(&in, metas, count);
    return 0;
}
