/* crc32c.c - CRC-32C (Castagnoli), polynomial 0x1EDC6F41 reflected, initial value and final xor all ones
 * (RFC 3720, 12.1 and B.4).
 *
 * Two ways: the SSE4.2 instruction (eight bytes at a time), and slicing-by-8 tables that are computed once
 * at program start. Immutable after start; any thread. */
#include "base/crc32c.h"
#include "base/crc32c_int.h"
#include <string.h>

#define POLY_REFLECTED 0x82F63B78u
static uint32_t table[8][256]; /* table[k][b]: effect of byte b that stands k bytes before the end */
static bool has_cpu;

static void table_fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = (c >> 1) ^ (POLY_REFLECTED & (0u - (c & 1)));
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
    }
}

__attribute__((constructor(101))) static void crc32c_start(void)
{
    table_fill();
#if defined(__x86_64__)
    __builtin_cpu_init();
    has_cpu = __builtin_cpu_supports("sse4.2");
#endif
}

bool crc32c_has_cpu(void)
{
    return has_cpu;
}

static inline uint32_t load_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo = load_u32le(p) ^ c, hi = load_u32le(p + 4);
        c = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
            table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^ table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
    }
    for (; n; n--) c = table[0][(c ^ *p++) & 0xff] ^ (c >> 8);
    return ~c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_by_cpu(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = __builtin_ia32_crc32di(c, v);
    }
    uint32_t t = (uint32_t)c;
    for (; n; n--) t = __builtin_ia32_crc32qi(t, *p++);
    return ~t;
}
#else
uint32_t crc32c_by_cpu(uint32_t crc, const void *data, size_t n)
{
    return crc32c_by_table(crc, data, n);
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    return has_cpu ? crc32c_by_cpu(crc, p, n) : crc32c_by_table(crc, p, n);
}
