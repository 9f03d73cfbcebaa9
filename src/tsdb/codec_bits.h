/* codec_bits.h - the inner loops of decoding, in plain C and with AVX2 where the processor has it. Pure. Any thread.
 * The *_plain ones are for tests, which hold the two against each other. */
#pragma once
#include "bornite/sample.h"
#include "tsdb/bits.h"

/* n values of `width` bits, 0..64, least significant first, out of p, each plus `least` (wrapping). Bytes up to
 * `end` may be read (more than the values take, or not). */
void bits_unpack(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least);
void bits_unpack_plain(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least);

/* Each value becomes the sum of all up to it and `before` (wrapping), in place. */
void bits_sum(uint64_t *v, size_t n, uint64_t before);
void bits_sum_plain(uint64_t *v, size_t n, uint64_t before);

/* Integers to the bits of doubles, in place: integer / by, or integer * by. */
void bits_divide(uint64_t *v, size_t n, double by);
void bits_divide_plain(uint64_t *v, size_t n, double by);
void bits_multiply(uint64_t *v, size_t n, double by);
void bits_multiply_plain(uint64_t *v, size_t n, double by);

/* The integers of decimals (codec_value.h), from the front, as far as all come back bit by bit: how many. A way that
 * works by fours stops before the last few; none at all is right, too. */
enum bits_way { BITS_DIVIDE, BITS_MULTIPLY, BITS_FLOAT }; /* i / ten, i * inverse, (float)(i / ten) */
size_t bits_decimals(const uint64_t *v, size_t n, enum bits_way way, double ten, double inverse, int64_t *ints);

/* Least and greatest of n >= 1 residuals (codec_int.c) of `order` 0, 1, 2; `order` values stand in front of v. */
struct bits_range {
    int64_t min, max;
};
struct bits_range bits_range(const int64_t *v, size_t n, unsigned order);
struct bits_range bits_range_plain(const int64_t *v, size_t n, unsigned order);

/* out[i] = like, with time t[i] and value v[i]. */
void bits_samples(struct sample *out, size_t n, const struct sample *like, const int64_t *t, const uint64_t *v);
void bits_samples_plain(struct sample *out, size_t n, const struct sample *like, const int64_t *t, const uint64_t *v);
