/* convert.c - see convert.h. */
#include "drivers/common/convert.h"
#include "drivers/common/registry.h"

struct value_spec value_spec_of(const struct driver_point *p, enum value_type t, unsigned order)
{
    return (struct value_spec){
        .scale = p->scale, .offset = p->offset, .lo = p->lo, .hi = p->hi, .type = (uint8_t)t, .order = (uint8_t)order};
}

static size_t place(size_t i, size_t n, unsigned order)
{
    if (n < 2) return i;
    size_t word = order & ORDER_WORDS ? n / 2 - 1 - i / 2 : i / 2;
    size_t byte = order & ORDER_BYTES ? 1 - i % 2 : i % 2;
    return 2 * word + byte;
}

static uint64_t gather(const uint8_t *raw, size_t n, unsigned order)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | raw[place(i, n, order)];
    return v;
}

static void scatter(uint64_t v, size_t n, unsigned order, uint8_t *raw)
{
    for (size_t i = n; i-- > 0; v >>= 8) raw[place(i, n, order)] = (uint8_t)v;
}

/* ---- bytes to value ---- */

static bool from_bcd(uint64_t raw, unsigned digits, int64_t *ret)
{
    int64_t v = 0;
    for (unsigned i = digits; i-- > 0;) {
        unsigned d = raw >> (4 * i) & 15;
        if (d > 9) return false;
        v = v * 10 + d;
    }
    *ret = v;
    return true;
}

static int64_t sign_extend(uint64_t raw, unsigned bits)
{
    unsigned shift = 64 - bits;
    return (int64_t)(raw << shift) >> shift;
}

static double as_float(uint64_t raw)
{
    uint32_t u = (uint32_t)raw;
    float f;
    memcpy(&f, &u, sizeof f);
    return (double)f;
}

static double as_double(uint64_t raw)
{
    double d;
    memcpy(&d, &raw, sizeof d);
    return d;
}

struct number {
    bool real, ok;
    int64_t i;
    double d;
};

static struct number decode_number(enum value_type t, uint64_t raw, unsigned bytes)
{
    struct number n = {.ok = true, .i = (int64_t)raw};
    switch (t) {
    case VALUE_INT8:
    case VALUE_INT16:
    case VALUE_INT32: n.i = sign_extend(raw, 8 * bytes); break;
    case VALUE_UINT64:
        n.real = raw > INT64_MAX;
        n.d = (double)raw;
        break;
    case VALUE_FLOAT: n = (struct number){.ok = true, .real = true, .d = as_float(raw)}; break;
    case VALUE_DOUBLE: n = (struct number){.ok = true, .real = true, .d = as_double(raw)}; break;
    case VALUE_BCD16:
    case VALUE_BCD32: n.ok = from_bcd(raw, 2 * bytes, &n.i); break;
    default: break;
    }
    return n;
}

static void bad_number(struct sample *s)
{
    s->type = SAMPLE_DOUBLE;
    s->v.d = NAN;
    s->quality = QUALITY_BAD;
    s->flags = REASON_NOT_A_NUMBER;
}

static void set_number(const struct value_spec *v, struct number n, struct sample *s)
{
    bool plain = v->scale == 1 && v->offset == 0;
    double x = n.real ? n.d : (double)n.i;
    if (!plain) x = x * v->scale + v->offset;
    if (!n.ok || !isfinite(x)) {
        bad_number(s);
        return;
    }
    s->type = plain && !n.real ? SAMPLE_INT : SAMPLE_DOUBLE;
    if (s->type == SAMPLE_INT)
        s->v.i = n.i;
    else
        s->v.d = x;
    bool out = x < v->lo || x > v->hi; /* false for NAN limits */
    s->quality = out ? QUALITY_UNCERTAIN : QUALITY_GOOD;
    s->flags = out ? REASON_OUT_OF_RANGE : REASON_NONE;
}

/* 16-bit integers make up most of a plant: the same as set_number, without the detours. */
static void decode_word(const struct value_spec *v, const uint8_t *raw, struct sample *s)
{
    unsigned u = v->order & ORDER_BYTES ? (unsigned)raw[1] << 8 | raw[0] : (unsigned)raw[0] << 8 | raw[1];
    int i = v->type == VALUE_INT16 ? (int16_t)u : (int)u;
    double x = i;
    if (v->scale == 1 && v->offset == 0) {
        s->type = SAMPLE_INT;
        s->v.i = i;
    } else {
        x = x * v->scale + v->offset;
        s->type = SAMPLE_DOUBLE;
        s->v.d = x;
    }
    bool out = x < v->lo || x > v->hi;
    s->quality = out ? QUALITY_UNCERTAIN : QUALITY_GOOD;
    s->flags = out ? REASON_OUT_OF_RANGE : REASON_NONE;
    if (!isfinite(x)) bad_number(s);
}

void value_decode(const struct value_spec *v, const uint8_t *raw, struct sample *s)
{
    if (v->type == VALUE_INT16 || v->type == VALUE_UINT16) {
        decode_word(v, raw, s);
        return;
    }
    unsigned bytes = value_type_bytes((enum value_type)v->type);
    if (v->type == VALUE_BOOL) {
        s->type = SAMPLE_BOOL;
        s->v.i = raw[0] != 0;
        s->quality = QUALITY_GOOD;
        s->flags = REASON_NONE;
        return;
    }
    set_number(v, decode_number((enum value_type)v->type, gather(raw, bytes, v->order), bytes), s);
}

/* ---- value to bytes ---- */

static const struct {
    double lo, hi;
} ranges[VALUE_TYPE_COUNT] = {
    [VALUE_BOOL] = {0, 1},
    [VALUE_INT8] = {INT8_MIN, INT8_MAX},
    [VALUE_UINT8] = {0, UINT8_MAX},
    [VALUE_INT16] = {INT16_MIN, INT16_MAX},
    [VALUE_UINT16] = {0, UINT16_MAX},
    [VALUE_INT32] = {INT32_MIN, INT32_MAX},
    [VALUE_UINT32] = {0, UINT32_MAX},
    [VALUE_INT64] = {-9223372036854775808.0, 9223372036854774784.0},
    [VALUE_UINT64] = {0, 18446744073709549568.0},
    [VALUE_BCD16] = {0, 9999},
    [VALUE_BCD32] = {0, 99999999},
};

static uint64_t to_bcd(uint64_t v)
{
    uint64_t raw = 0;
    for (unsigned shift = 0; v; v /= 10, shift += 4) raw |= v % 10 << shift;
    return raw;
}

static int no_fit(struct error *e, double x, enum value_type t)
{
    return error_set(e, ERR_INVALID, "value", "raw value %.15g does not fit %s%.0s (%.15g to %.15g)",
                     "原始值 %.15g 超出%.0s%s的范围（%.15g 至 %.15g）", x, value_type_title(t, false),
                     value_type_title(t, true), ranges[t].lo, ranges[t].hi);
}

static int encode_real(double x, enum value_type t, uint64_t *ret, struct error *e)
{
    float f = (float)x;
    uint32_t u;
    if (t == VALUE_DOUBLE) {
        memcpy(ret, &x, sizeof x);
        return 0;
    }
    if (!isfinite(f))
        return error_set(e, ERR_INVALID, "value", "%.15g does not fit a 32-bit float", "%.15g 超出 32 位浮点数的范围",
                         x);
    memcpy(&u, &f, sizeof u);
    *ret = u;
    return 0;
}

static int encode_whole(const struct value_spec *v, const struct sample *s, double x, uint64_t *ret, struct error *e)
{
    enum value_type t = (enum value_type)v->type;
    double r = round(x);
    if (s->type != SAMPLE_DOUBLE && v->scale == 1 && v->offset == 0 &&
        (t == VALUE_INT64 || (t == VALUE_UINT64 && s->v.i >= 0))) {
        *ret = (uint64_t)s->v.i; /* exact, past 2^53 too */
        return 0;
    }
    if (r < ranges[t].lo || r > ranges[t].hi) return no_fit(e, r, t);
    *ret = r < 0 ? (uint64_t)(int64_t)r : (uint64_t)r;
    if (t == VALUE_BCD16 || t == VALUE_BCD32) *ret = to_bcd(*ret);
    return 0;
}

int value_encode(const struct value_spec *v, const struct sample *s, uint8_t *raw, struct error *e)
{
    enum value_type t = (enum value_type)v->type;
    unsigned bytes = value_type_bytes(t);
    uint64_t u = 0;
    if (s->type != SAMPLE_DOUBLE && s->type != SAMPLE_INT && s->type != SAMPLE_BOOL)
        return error_set(e, ERR_INVALID, "value", "the value must be a number", "值应为数字");
    double x = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
    if (t == VALUE_BOOL ? x != 0 && x != 1 : !isfinite(x))
        return error_set(e, ERR_INVALID, "value",
                         t == VALUE_BOOL ? "a bit takes 0 or 1, not %.15g" : "%.15g is not a finite number",
                         t == VALUE_BOOL ? "位的值应为 0 或 1，而不是 %.15g" : "%.15g 不是有限数值", x);
    if (t != VALUE_BOOL) x = (x - v->offset) / v->scale;
    if (!isfinite(x))
        return error_set(e, ERR_INVALID, "value", "scale %.15g cannot be undone", "系数 %.15g 无法反算", v->scale);
    int rc = t == VALUE_FLOAT || t == VALUE_DOUBLE ? encode_real(x, t, &u, e) : encode_whole(v, s, x, &u, e);
    if (rc == 0) scatter(u, bytes, v->order, raw);
    return rc;
}
