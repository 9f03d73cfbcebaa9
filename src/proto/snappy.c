/* snappy.c - see snappy.h. A block: the length as a base-128 varint, then elements by the low two bits of their first
 * byte: 0  literal: 6 bits length - 1, or 60 … 63: it follows in 1 … 4 bytes (little-endian) 1  copy: 3 bits length -
 * 4, offset of 11 bits (3 high ones here, 8 in the next byte) 2  copy: 6 bits length - 1, offset of 16 bits 3  copy: 6
 * bits length - 1, offset of 32 bits An offset counts back from the end of what is unpacked; a copy may overlap itself.
 */
#include "proto/snappy.h"

struct in {
    const uint8_t *p, *end;
};

static int read_length(struct in *in, size_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (in->p == in->end) return ERR_PROTOCOL;
        uint8_t b = *in->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80) continue;
        *ret = (size_t)v;
        return v > UINT32_MAX ? ERR_PROTOCOL : 0;
    }
    return ERR_PROTOCOL;
}

int snappy_length(struct str packed, size_t *ret)
{
    struct in in = {(const uint8_t *)packed.p, (const uint8_t *)packed.p + packed.n};
    return read_length(&in, ret);
}

/* n bytes, little-endian; false: they are not there. */
static bool read_le(struct in *in, unsigned n, uint32_t *ret)
{
    if ((size_t)(in->end - in->p) < n) return false;
    *ret = 0;
    for (unsigned i = 0; i < n; i++) *ret |= (uint32_t)*in->p++ << (8 * i);
    return true;
}

static bool literal(struct in *in, uint8_t tag, uint8_t *out, size_t n, size_t *at)
{
    uint32_t len = tag >> 2;
    if (len >= 60 && !read_le(in, len - 59, &len)) return false;
    size_t bytes = (size_t)len + 1;
    if (bytes > (size_t)(in->end - in->p) || bytes > n - *at) return false;
    memcpy(out + *at, in->p, bytes);
    in->p += bytes;
    *at += bytes;
    return true;
}

static bool copy(struct in *in, uint8_t tag, uint8_t *out, size_t n, size_t *at)
{
    uint32_t offset, len = (uint32_t)(tag >> 2) + 1;
    if ((tag & 3) == 1) {
        if (!read_le(in, 1, &offset)) return false;
        offset |= (uint32_t)(tag >> 5) << 8;
        len = (tag >> 2 & 7) + 4u;
    } else if (!read_le(in, (tag & 3) == 2 ? 2 : 4, &offset)) {
        return false;
    }
    if (offset == 0 || offset > *at || len > n - *at) return false;
    for (uint8_t *to = out + *at, *end = to + len; to < end; to++) *to = *(to - offset);
    *at += len;
    return true;
}

int snappy_unpack(struct str packed, uint8_t *out, size_t n)
{
    struct in in = {(const uint8_t *)packed.p, (const uint8_t *)packed.p + packed.n};
    size_t said, at = 0;
    if (read_length(&in, &said) || said != n) return ERR_PROTOCOL;
    while (in.p < in.end) {
        uint8_t tag = *in.p++;
        bool ok = tag & 3 ? copy(&in, tag, out, n, &at) : literal(&in, tag, out, n, &at);
        if (!ok) return ERR_PROTOCOL;
    }
    return at == n ? 0 : ERR_PROTOCOL;
}
