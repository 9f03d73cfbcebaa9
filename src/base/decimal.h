/* decimal.h - numbers to text, fast: what answers with many numbers are made of. Pure; no locale, no allocation.
 * All return the length; nothing is terminated. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX 40 /* bytes that `out` must hold */
size_t decimal_u64(char *out, uint64_t v);
size_t decimal_i64(char *out, int64_t v);
/* The shortest digits that read back as v, which is finite: "12.5", "0.001", "1e+300". */
size_t decimal_double(char *out, double v);
/* The same texts, quicker in a column of values alike: *places, 0 at first, is what the calls tell each other. */
size_t decimal_double_like(char *out, double v, unsigned *places);
/* v < 10^8 in eight digits, with zeros in front. */
void decimal_8(char *out, uint32_t v);
