/* codec_meta.c - type, quality and flags of the samples of a block, as runs; nearly always one. Pure.
 *
 *   varint number of runs (>= 1 unless the block is empty), each: u8 type | quality << 4, u16 LE flags,
 *   varint length (>= 1); the lengths add up to n. */
#include "tsdb/codec_value.h"

static uint8_t *put_run(uint8_t *o, uint32_t m, size_t len)
{
    *o++ = (uint8_t)((m & 15) | (m >> 8 & 15) << 4);
    *o++ = (uint8_t)(m >> 16);
    *o++ = (uint8_t)(m >> 24);
    return put_varint(o, len);
}

size_t metacol_encode(const uint32_t *m, size_t n, uint8_t *out)
{
    size_t runs = n > 0;
    for (size_t i = 1; i < n; i++) runs += m[i] != m[i - 1];
    uint8_t *o = put_varint(out, runs);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && m[j] == m[i];) j++;
        o = put_run(o, m[i], j - i);
    }
    return (size_t)(o - out);
}

void metacol_decode(struct in *in, uint32_t *m, size_t n)
{
    size_t runs = in_count(in, n), at = 0;
    for (size_t r = 0; r < runs && !in->bad; r++) {
        uint32_t tq = in_u8(in), lo = in_u8(in), hi = in_u8(in);
        uint32_t v = (tq & 15) | (tq >> 4) << 8 | lo << 16 | hi << 24;
        size_t len = in_count(in, n - at);
        if (len == 0) in->bad = true;
        for (size_t k = 0; k < len; k++) m[at++] = v;
    }
    if (at != n) in->bad = true;
}
