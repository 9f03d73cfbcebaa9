/* codec_int.h - a column of 64-bit integers, compressed. Pure; see codec_int.c for the bytes. */
#pragma once
#include "tsdb/bits.h"
#include "tsdb/codec.h"

/* Most bytes that intcol_encode writes for n values. */
static inline size_t intcol_bound(size_t n)
{
    return 32 + n * 10 + n / 8;
}
/* Writes to out (intcol_bound(n) bytes), returns the bytes used. With a codec it tries an entropy coder
 * too, for what is written once and read often. */
size_t intcol_encode(const int64_t *v, size_t n, uint8_t *out, struct codec *c);
/* Reads exactly n values; sets in->bad on anything that is not what an encoder writes. Without a codec
 * the entropy form counts as bad. */
void intcol_decode(struct in *in, int64_t *v, size_t n, struct codec *c);
