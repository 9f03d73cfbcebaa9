/* protobuf.c - see protobuf.h. */
#include "proto/protobuf.h"

#define VARINT_MAX 10

/* ---- reading ---- */

static int varint(struct rd *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < VARINT_MAX; k++) {
        uint8_t b = rd_u8(r);
        if (r->err || (k == VARINT_MAX - 1 && b > 1)) return ERR_INVALID;
        v |= (uint64_t)(b & 0x7f) << 7 * k;
        if (b < 0x80) return *ret = v, 0;
    }
    return ERR_INVALID;
}

static int bytes(struct rd *r, struct pb_field *f)
{
    if (varint(r, &f->v) || f->v > rd_left(r)) return ERR_INVALID;
    f->s = str_make((const char *)r->p, (size_t)f->v);
    r->p += f->v;
    return 0;
}

static int value(struct rd *r, struct pb_field *f)
{
    if (f->wire == PB_VARINT) return varint(r, &f->v);
    if (f->wire == PB_BYTES) return bytes(r, f);
    if (f->wire == PB_64)
        f->v = rd_u64le(r);
    else if (f->wire == PB_32)
        f->v = rd_u32le(r);
    else
        return ERR_INVALID;
    return r->err ? ERR_INVALID : 0;
}

int pb_next(struct str *s, struct pb_field *ret)
{
    uint64_t key;
    if (s->n == 0) return 0;
    struct rd r = rd_make(s->p, s->n);
    if (varint(&r, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3) return ERR_INVALID;
    *ret = (struct pb_field){.number = (uint32_t)(key >> 3), .wire = key & 7};
    if (value(&r, ret)) return ERR_INVALID;
    *s = str_make((const char *)r.p, rd_left(&r));
    return 1;
}

int pb_varint_next(struct str *s, uint64_t *ret)
{
    if (s->n == 0) return 0;
    struct rd r = rd_make(s->p, s->n);
    if (varint(&r, ret)) return ERR_INVALID;
    *s = str_make((const char *)r.p, rd_left(&r));
    return 1;
}

float pb_float(const struct pb_field *f)
{
    uint32_t bits = (uint32_t)f->v;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double pb_double(const struct pb_field *f)
{
    double v;
    memcpy(&v, &f->v, sizeof v);
    return v;
}

/* ---- writing ---- */

static size_t varint_bytes(uint64_t v, uint8_t out[VARINT_MAX])
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static void put(struct buf *b, uint64_t v)
{
    uint8_t t[VARINT_MAX];
    buf_add(b, t, varint_bytes(v, t));
}

static void put_key(struct buf *b, uint32_t number, enum pb_wire wire)
{
    put(b, (uint64_t)number << 3 | wire);
}

void pb_put_varint(struct buf *b, uint32_t number, uint64_t v)
{
    put_key(b, number, PB_VARINT);
    put(b, v);
}

void pb_put_float(struct buf *b, uint32_t number, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(b, number, PB_32);
    buf_u32le(b, bits);
}

void pb_put_double(struct buf *b, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_key(b, number, PB_64);
    buf_u64le(b, bits);
}

void pb_put_str(struct buf *b, uint32_t number, struct str s)
{
    put_key(b, number, PB_BYTES);
    put(b, s.n);
    buf_str(b, s);
}

size_t pb_open(struct buf *b, uint32_t number)
{
    put_key(b, number, PB_BYTES);
    return b->n;
}

void pb_close(struct buf *b, size_t open)
{
    uint8_t t[VARINT_MAX];
    if (b->err) return;
    size_t body = b->n - open, n = varint_bytes(body, t);
    if (buf_space(b, n) == NULL) return;
    memmove(b->p + open + n, b->p + open, body);
    memcpy(b->p + open, t, n);
    b->n += n;
}
