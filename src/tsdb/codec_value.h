/* codec_value.h - the value column and the meta column of a block. Pure; the bytes are in the .c files.
 *
 * A value is the 8 bytes of sample.v as an integer; a meta is type | quality << 8 | flags << 16. */
#pragma once
#include "tsdb/bits.h"
#include "tsdb/codec.h"
#include "tsdb/codec_int.h"

static inline size_t valcol_bound(size_t n)
{
    return 64 + n * 24;
}
/* Decimal form that fitted last time, tried first next time; zero at first. */
struct val_hint {
    uint8_t mode, scale;
};
/* `ints` is scratch of n + 1 values; doubles: all values are of type double. `c` may be NULL (quick). */
size_t valcol_encode(const uint64_t *v, size_t n, bool doubles, struct val_hint *hint, int64_t *ints, uint8_t *out,
                     struct codec *c);
void valcol_decode(struct in *in, uint64_t *v, size_t n, struct codec *c);

/* Decimals: the value of integer i in a mode (1..3) with k digits, and the integer that gives a value back. */
#define DEC_DIGITS 15
uint64_t dec_value(int64_t i, unsigned mode, unsigned k);
bool dec_int(uint64_t v, unsigned mode, unsigned k, int64_t *ret);
double dec_power(unsigned k); /* 10^k */
/* A mode and least k in which all n values come back; false when there is none. */
bool dec_fit(const uint64_t *v, size_t n, unsigned *ret_mode, unsigned *ret_k);

static inline size_t metacol_bound(size_t n)
{
    return 16 + n * 10;
}
size_t metacol_encode(const uint32_t *m, size_t n, uint8_t *out);
void metacol_decode(struct in *in, uint32_t *m, size_t n);
