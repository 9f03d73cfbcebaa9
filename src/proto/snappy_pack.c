/* snappy_pack.c - the other way of snappy.c (the format stands there). The last place of each four bytes is looked for
 * by a table of hashes, in blocks of 64 KiB, so that two-byte offsets suffice; no other kinds of copy are written. */
#include "proto/snappy.h"

#define BLOCK 65536
#define HASH_BITS 14

static void put_literal(struct buf *out, const uint8_t *p, size_t n)
{
    if (!n) return;
    if (n <= 60) {
        buf_u8(out, (uint8_t)((n - 1) << 2));
    } else if (n <= 256) {
        buf_u8(out, 60 << 2);
        buf_u8(out, (uint8_t)(n - 1));
    } else {
        buf_u8(out, 61 << 2);
        buf_u16le(out, (uint16_t)(n - 1));
    }
    buf_add(out, p, n);
}

static void put_copy(struct buf *out, size_t offset, size_t n)
{
    for (size_t piece; n; n -= piece) {
        piece = n > 64 ? 64 : n;
        buf_u8(out, (uint8_t)((piece - 1) << 2 | 2));
        buf_u16le(out, (uint16_t)offset);
    }
}

static uint32_t four(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static void encode_block(const uint8_t *p, size_t n, uint16_t *table, struct buf *out)
{
    size_t literal = 0;
    memset(table, 0, sizeof *table << HASH_BITS);
    for (size_t i = 1; i + 4 <= n;) {
        uint32_t h = four(p + i) * 0x1e35a7bdu >> (32 - HASH_BITS);
        size_t was = table[h];
        table[h] = (uint16_t)i;
        if (four(p + was) != four(p + i)) {
            i++;
            continue;
        }
        size_t len = 4;
        while (i + len < n && p[was + len] == p[i + len]) len++;
        put_literal(out, p + literal, i - literal);
        put_copy(out, i - was, len);
        literal = i += len;
    }
    put_literal(out, p + literal, n - literal);
}

void snappy_pack(struct str text, struct buf *out)
{
    uint16_t table[1 << HASH_BITS];
    uint64_t v = text.n;
    for (; v >= 0x80; v >>= 7) buf_u8(out, (uint8_t)(v | 0x80));
    buf_u8(out, (uint8_t)v);
    for (size_t i = 0; i < text.n; i += BLOCK)
        encode_block((const uint8_t *)text.p + i, text.n - i < BLOCK ? text.n - i : BLOCK, table, out);
}
