/* bits.h - the small change of the codecs: zig-zag, LEB128 varints, little-endian loads. Pure.
 *
 * Writers trust that their caller reserved room (each codec states its bound); readers go through
 * `struct in`, which never passes its end: after the first fault `bad` is set and zeros come out. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX 10

struct in {
    const uint8_t *p, *end;
    bool bad;
};

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}

static inline uint8_t *put_varint(uint8_t *o, uint64_t v)
{
    while (v >= 0x80) *o++ = (uint8_t)(v | 0x80), v >>= 7;
    *o++ = (uint8_t)v;
    return o;
}
static inline uint8_t *put_zigzag(uint8_t *o, int64_t v)
{
    return put_varint(o, zigzag(v));
}

/* This machine's byte order is little-endian on every target that is built; big-endian ones swap here. */
static inline uint64_t le64(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(v);
#else
    return v;
#endif
}
static inline uint32_t le32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap32(v);
#else
    return v;
#endif
}
static inline uint8_t *put_u64(uint8_t *o, uint64_t v)
{
    v = le64(v);
    memcpy(o, &v, 8);
    return o + 8;
}
static inline uint8_t *put_u32(uint8_t *o, uint32_t v)
{
    v = le32(v);
    memcpy(o, &v, 4);
    return o + 4;
}
static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64(v);
}
static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return le32(v);
}

static inline struct in in_make(const void *p, size_t n)
{
    return (struct in){p, (const uint8_t *)p + n, false};
}
static inline size_t in_left(const struct in *in)
{
    return (size_t)(in->end - in->p);
}
static inline const uint8_t *in_take(struct in *in, size_t n)
{
    if (in->bad || n > in_left(in)) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *p = in->p;
    in->p += n;
    return p;
}
static inline uint8_t in_u8(struct in *in)
{
    const uint8_t *p = in_take(in, 1);
    return p ? *p : 0;
}
static inline uint32_t in_u32(struct in *in)
{
    const uint8_t *p = in_take(in, 4);
    return p ? load_u32(p) : 0;
}
static inline uint64_t in_u64(struct in *in)
{
    const uint8_t *p = in_take(in, 8);
    return p ? load_u64(p) : 0;
}
static inline uint64_t in_varint(struct in *in)
{
    uint64_t v = 0;
    if (in->p < in->end && *in->p < 0x80) return *in->p++; /* most are */
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->p >= in->end) break;
        uint8_t b = *in->p++;
        if (shift == 63 && b > 1) break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
    in->bad = true;
    return 0;
}
static inline int64_t in_zigzag(struct in *in)
{
    return unzigzag(in_varint(in));
}
/* A count that must lie in 0..max. */
static inline size_t in_count(struct in *in, size_t max)
{
    uint64_t v = in_varint(in);
    if (v > max) in->bad = true;
    return in->bad ? 0 : (size_t)v;
}
