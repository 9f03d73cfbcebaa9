/* codec_ans.h - small amounts (how far a value is from what was expected) by an entropy coder with fixed models. Pure;
 * see codec_ans.c for the bytes. Any thread. */
#pragma once
#include "tsdb/bits.h"

struct ans_plan {
    unsigned model; /* of the table */
    unsigned shift; /* low bits that are stored as they are, 0..63 */
    size_t escapes; /* amounts beyond the model's symbols */
};
/* The plan that gives the fewest bytes, and these (near enough). n >= 1. */
size_t ans_choose(const uint64_t *u, size_t n, struct ans_plan *ret);
/* scratch: n elements. Writes what ans_choose said, and a few bytes. */
uint8_t *ans_encode(uint8_t *o, const uint64_t *u, size_t n, const struct ans_plan *p, uint16_t *scratch);
/* Reads n amounts; sets in->bad on what no encoder writes. */
void ans_decode(struct in *in, uint64_t *u, size_t n);
