/* prom_read.c - see prom_read.h. From the descriptions of Prometheus (prompb/remote.proto, types.proto) and the
 * encoding guide of Protocol Buffers. What is nested is written behind a length of five bytes, filled in at its end:
 * a varint may be longer than it must. */
#include "proto/prom_read.h"

struct field {
    unsigned number, wire;
    uint64_t v;   /* varint and fixed */
    struct str s; /* length and bytes */
};

static int varint(struct rd *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = rd_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (r->err) return ERR_INVALID;
        if (b < 0x80) return *ret = v, 0;
    }
    return ERR_INVALID;
}

/* 1: a field, 0: the end. */
static int field_next(struct str *s, struct field *ret)
{
    struct rd r = rd_make(s->p, s->n);
    uint64_t key;
    if (!s->n) return 0;
    if (varint(&r, &key)) return ERR_INVALID;
    *ret = (struct field){.number = (unsigned)(key >> 3), .wire = key & 7};
    if (!ret->number || key >> 3 > UINT32_MAX >> 3) return ERR_INVALID;
    if (ret->wire == 0 || ret->wire == 2) {
        if (varint(&r, &ret->v)) return ERR_INVALID;
    } else if (ret->wire == 1) {
        ret->v = rd_u64le(&r);
    } else if (ret->wire == 5) {
        ret->v = rd_u32le(&r);
    } else {
        return ERR_INVALID;
    }
    if (ret->wire == 2) {
        if (ret->v > rd_left(&r)) return ERR_INVALID;
        ret->s = str_make((const char *)r.p, (size_t)ret->v);
        r.p += ret->v;
    }
    if (r.err) return ERR_INVALID;
    *s = str_make((const char *)r.p, rd_left(&r));
    return 1;
}

/* The next field of that number that holds a message. */
static int message_next(struct str *s, unsigned number, struct str *ret)
{
    struct field f;
    int got;
    while ((got = field_next(s, &f)) == 1) {
        if (f.number != number || f.wire != 2) continue;
        *ret = f.s;
        return 1;
    }
    return got;
}

int prom_query_next(struct str *request, struct prom_query *ret)
{
    struct field f;
    struct str rest;
    int got = message_next(request, 1, &ret->body);
    if (got != 1) return got;
    ret->start_ms = ret->end_ms = 0;
    rest = ret->body;
    while ((got = field_next(&rest, &f)) == 1) {
        if (f.wire != 0) continue;
        if (f.number == 1) ret->start_ms = (int64_t)f.v;
        if (f.number == 2) ret->end_ms = (int64_t)f.v;
    }
    return got < 0 ? got : 1;
}

int prom_matcher_next(struct str *query_body, struct prom_matcher *ret)
{
    struct field f;
    struct str m;
    int got = message_next(query_body, 3, &m);
    if (got != 1) return got;
    *ret = (struct prom_matcher){.name = STR(""), .value = STR("")};
    while ((got = field_next(&m, &f)) == 1) {
        if (f.number == 1 && f.wire == 0 && f.v > PROM_NRE) return ERR_INVALID;
        if (f.number == 1 && f.wire == 0) ret->type = (enum prom_match)f.v;
        if (f.number == 2 && f.wire == 2) ret->name = f.s;
        if (f.number == 3 && f.wire == 2) ret->value = f.s;
    }
    return got < 0 ? got : 1;
}

/* ---- writing ---- */

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

size_t prom_open(struct buf *out, unsigned field)
{
    uint8_t head[16];
    size_t n = put_varint(head, field << 3 | 2);
    memset(head + n, 0, 5);
    buf_add(out, head, n + 5);
    return out->n;
}

void prom_close(struct buf *out, size_t mark)
{
    if (out->err) return;
    size_t n = out->n - mark;
    for (int i = 0; i < 5; i++, n >>= 7) out->p[mark - 5 + (size_t)i] = (uint8_t)((n & 0x7f) | (i < 4 ? 0x80 : 0));
}

static void put_text(struct buf *out, unsigned field, struct str s)
{
    uint8_t head[16];
    size_t n = put_varint(head, field << 3 | 2);
    n += put_varint(head + n, s.n);
    buf_add(out, head, n);
    buf_str(out, s);
}

void prom_label(struct buf *out, struct str name, struct str value)
{
    size_t mark = prom_open(out, 1);
    put_text(out, 1, name);
    put_text(out, 2, value);
    prom_close(out, mark);
}

void prom_sample(struct buf *out, double value, int64_t time_ms)
{
    uint8_t b[32];
    size_t n = 2;
    b[0] = 2 << 3 | 2;
    b[n++] = 1 << 3 | 1;
    memcpy(b + n, &value, 8);
    n += 8;
    b[n++] = 2 << 3;
    n += put_varint(b + n, (uint64_t)time_ms);
    b[1] = (uint8_t)(n - 2);
    buf_add(out, b, n);
}
