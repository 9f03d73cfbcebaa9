/* iec104_object.c - information elements both ways, by the forms of the type table. */
#include <math.h>
#include "proto/iec104.h"

#define QDS_BITS (IEC104_OV | IEC104_BL | IEC104_SB | IEC104_NT | IEC104_IV)
#define SIQ_BITS (IEC104_BL | IEC104_SB | IEC104_NT | IEC104_IV)
#define SEP_BITS (IEC104_EI | SIQ_BITS)

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}
static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}
static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    return p + 2;
}
static uint8_t *put32(uint8_t *p, uint32_t v)
{
    return put16(put16(p, v & 0xffff), v >> 16);
}

/* ---- reading ---- */

static const uint8_t *get_counter(const uint8_t *p, struct iec104_object *o)
{
    o->i = (int32_t)u32(p);
    o->qualifier = p[4] & 0x1f;
    o->quality =
        (uint16_t)((p[4] & 0x80 ? IEC104_IV : 0) | (p[4] & 0x40 ? IEC104_CA : 0) | (p[4] & 0x20 ? IEC104_CY : 0));
    return p + 5;
}

static const uint8_t *get_float(const uint8_t *p, struct iec104_object *o)
{
    uint32_t u = u32(p);
    float f;
    memcpy(&f, &u, sizeof f);
    o->d = (double)f;
    return p + 4;
}

static const uint8_t *get_command(const uint8_t *p, unsigned mask, struct iec104_object *o)
{
    o->i = p[0] & mask;
    o->qualifier = p[0] >> 2 & 0x1f;
    o->select = p[0] >> 7;
    return p + 1;
}

static const uint8_t *get_bits(const uint8_t *p, unsigned mask, unsigned quality, struct iec104_object *o)
{
    o->i = p[0] & mask;
    o->quality = (uint16_t)(p[0] & quality);
    return p + 1;
}

static const uint8_t *get_step(const uint8_t *p, struct iec104_object *o)
{
    o->i = (int8_t)(p[0] << 1) >> 1;
    o->transient = p[0] >> 7;
    return p + 1;
}

static const uint8_t *get_word(const uint8_t *p, bool sign, struct iec104_object *o)
{
    o->i = sign ? (int16_t)u16(p) : (int64_t)u16(p);
    return p + 2;
}

static const uint8_t *get_value(unsigned form, const uint8_t *p, struct iec104_object *o)
{
    switch (form) {
    case IEC104_SINGLE: return get_bits(p, 1, SIQ_BITS, o);
    case IEC104_DOUBLE: return get_bits(p, 3, SIQ_BITS, o);
    case IEC104_PROTECTION: return get_bits(p, 3, SEP_BITS, o);
    case IEC104_BYTE:
    case IEC104_PACKED: return get_bits(p, 0xff, 0, o);
    case IEC104_STEP: return get_step(p, o);
    case IEC104_BITS: o->i = u32(p); return p + 4;
    case IEC104_NORMALIZED:
    case IEC104_SCALED: return get_word(p, true, o);
    case IEC104_WORD: return get_word(p, false, o);
    case IEC104_FLOAT: return get_float(p, o);
    case IEC104_COUNTER: return get_counter(p, o);
    case IEC104_CHANGES:
        o->i = u16(p);
        o->changes = (uint16_t)u16(p + 2);
        return p + 4;
    case IEC104_COMMAND1: return get_command(p, 1, o);
    case IEC104_COMMAND2: return get_command(p, 3, o);
    default: return p;
    }
}

static const uint8_t *get_tail(unsigned tail, const uint8_t *p, struct iec104_object *o)
{
    switch (tail) {
    case IEC104_QDS: o->quality = (uint16_t)(p[0] & QDS_BITS); return p + 1;
    case IEC104_QOS:
        o->qualifier = p[0] & 0x7f;
        o->select = p[0] >> 7;
        return p + 1;
    case IEC104_QDP:
        o->quality = (uint16_t)(p[0] & SEP_BITS);
        o->elapsed_ms = (uint16_t)u16(p + 1);
        return p + 3;
    case IEC104_ELAPSED: o->elapsed_ms = (uint16_t)u16(p); return p + 2;
    default: return p;
    }
}

void iec104_element_get(const struct iec104_type *t, const uint8_t *p, struct iec104_object *ret)
{
    *ret = (struct iec104_object){0};
    p = get_value(t->form, p, ret);
    if (t->form == IEC104_NORMALIZED)
        ret->d = (double)ret->i / 32768;
    else if (t->form != IEC104_FLOAT)
        ret->d = (double)ret->i;
    p = get_tail(t->tail, p, ret);
    if (t->stamp == IEC104_CP24) ret->time = iec104_cp24_get(p);
    if (t->stamp == IEC104_CP56) ret->time = iec104_cp56_get(p);
}

struct iec104_object iec104_object(const struct iec104_asdu *a, unsigned k)
{
    struct iec104_object o;
    size_t size = iec104_element_size(a->type);
    const uint8_t *p = a->objects + (a->sequence ? 0 : k * (3 + size));
    uint32_t ioa = (uint32_t)u16(p) | (uint32_t)p[2] << 16;
    iec104_element_get(a->type, p + 3 + (a->sequence ? k * size : 0), &o);
    o.ioa = a->sequence ? (ioa + k) & IEC104_IOA_MAX : ioa;
    return o;
}

/* ---- writing ---- */

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static uint8_t *put8(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    return p + 1;
}

static uint8_t *put_counter(uint8_t *p, const struct iec104_object *o)
{
    unsigned q = o->quality;
    p = put32(p, (uint32_t)(int32_t)clamp(o->i, INT32_MIN, INT32_MAX));
    return put8(p, (o->qualifier & 0x1fu) | (q & IEC104_IV ? 0x80 : 0) | (q & IEC104_CA ? 0x40 : 0) |
                       (q & IEC104_CY ? 0x20 : 0));
}

static uint8_t *put_float(uint8_t *p, double d)
{
    float f = (float)d;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return put32(p, u);
}

static uint8_t *put_command(uint8_t *p, unsigned mask, const struct iec104_object *o)
{
    return put8(p, ((unsigned)o->i & mask) | (o->qualifier & 0x1fu) << 2 | (o->select ? 0x80 : 0));
}

static uint8_t *put_value(unsigned form, uint8_t *p, const struct iec104_object *o)
{
    switch (form) {
    case IEC104_SINGLE: return put8(p, ((unsigned)o->i & 1) | (o->quality & SIQ_BITS));
    case IEC104_DOUBLE: return put8(p, ((unsigned)o->i & 3) | (o->quality & SIQ_BITS));
    case IEC104_PROTECTION: return put8(p, ((unsigned)o->i & 3) | (o->quality & SEP_BITS));
    case IEC104_BYTE:
    case IEC104_PACKED: return put8(p, (unsigned)o->i & 0xff);
    case IEC104_STEP: return put8(p, ((unsigned)clamp(o->i, -64, 63) & 0x7f) | (o->transient ? 0x80 : 0));
    case IEC104_BITS: return put32(p, (uint32_t)o->i);
    case IEC104_NORMALIZED:
    case IEC104_SCALED: return put16(p, (unsigned)clamp(o->i, INT16_MIN, INT16_MAX) & 0xffff);
    case IEC104_WORD: return put16(p, (unsigned)o->i & 0xffff);
    case IEC104_FLOAT: return put_float(p, o->d);
    case IEC104_COUNTER: return put_counter(p, o);
    case IEC104_CHANGES: return put16(put16(p, (unsigned)o->i & 0xffff), o->changes);
    case IEC104_COMMAND1: return put_command(p, 1, o);
    case IEC104_COMMAND2: return put_command(p, 3, o);
    default: return p;
    }
}

static uint8_t *put_tail(unsigned tail, uint8_t *p, const struct iec104_object *o)
{
    switch (tail) {
    case IEC104_QDS: return put8(p, o->quality & QDS_BITS);
    case IEC104_QOS: return put8(p, (o->qualifier & 0x7fu) | (o->select ? 0x80 : 0));
    case IEC104_QDP: return put16(put8(p, o->quality & SEP_BITS), o->elapsed_ms);
    case IEC104_ELAPSED: return put16(p, o->elapsed_ms);
    default: return p;
    }
}

size_t iec104_element_put(const struct iec104_type *t, const struct iec104_object *o, uint8_t *out)
{
    uint8_t *p = put_tail(t->tail, put_value(t->form, out, o), o);
    if (t->stamp == IEC104_CP24) iec104_cp24_put(&o->time, p), p += 3;
    if (t->stamp == IEC104_CP56) iec104_cp56_put(&o->time, p), p += 7;
    return (size_t)(p - out);
}

size_t iec104_put_ioa(uint32_t ioa, uint8_t out[3])
{
    put16(out, ioa & 0xffff);
    out[2] = (uint8_t)(ioa >> 16);
    return 3;
}

size_t iec104_put_one(const struct iec104_asdu *head, const struct iec104_object *o, uint8_t out[IEC104_ASDU_MAX])
{
    struct iec104_asdu a = *head;
    a.count = 1;
    a.sequence = false;
    size_t n = iec104_put_header(&a, out);
    n += iec104_put_ioa(o->ioa, out + n);
    return n + iec104_element_put(a.type, o, out + n);
}
