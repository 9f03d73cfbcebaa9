/* sparkplug_value.c - values: what a member of `value` means by its data type, and back; arrays; quality. See
 * sparkplug.h. */
#include <math.h>
#include "bornite/sample.h"
#include "proto/sparkplug.h"

static const struct spb_type types[SPB_TYPE_COUNT] = {
#define X(name, number, form, bits, element) [number] = {#name, number, SPB_##form, bits, element},
    SPB_TYPES(X)
#undef X
};

const struct spb_type *spb_type(uint32_t id)
{
    return &types[id < SPB_TYPE_COUNT ? id : 0];
}

double spb_double(const struct spb_scalar *v)
{
    switch (v->form) {
    case SPB_SIGNED:
    case SPB_TIME: return (double)v->i;
    case SPB_UNSIGNED: return (double)v->u;
    case SPB_BOOL: return (double)v->u;
    case SPB_REAL: return v->d;
    default: return NAN;
    }
}

/* ---- members -> values ---- */

static int64_t extend(uint64_t raw, unsigned bits)
{
    return bits >= 64 ? (int64_t)raw : (int64_t)(raw << (64 - bits)) >> (64 - bits);
}

static bool integer(const struct spb_value *v)
{
    return v->field == SPB_V_INT || v->field == SPB_V_LONG;
}

/* Two's complement in as many bits as the type has, or in all of the member. */
static int to_signed(unsigned bits, const struct spb_value *v, struct spb_scalar *r)
{
    if (!integer(v)) return ERR_INVALID;
    int64_t wide = v->field == SPB_V_INT ? (int64_t)(int32_t)(uint32_t)v->u : (int64_t)v->u;
    if (bits < 64 && (wide < -(1LL << (bits - 1)) || wide >= 1LL << bits)) return ERR_INVALID;
    r->i = extend(v->u, bits);
    return 0;
}

static int to_unsigned(unsigned bits, const struct spb_value *v, struct spb_scalar *r)
{
    if (!integer(v) || (bits < 64 && v->u >> bits)) return ERR_INVALID;
    r->u = v->u;
    return 0;
}

/* By the member alone. */
static int untyped(const struct spb_value *v, struct spb_scalar *r)
{
    static const uint8_t forms[] = {
        [SPB_V_INT] = SPB_UNSIGNED, [SPB_V_LONG] = SPB_UNSIGNED, [SPB_V_FLOAT] = SPB_REAL, [SPB_V_DOUBLE] = SPB_REAL,
        [SPB_V_BOOL] = SPB_BOOL,    [SPB_V_STRING] = SPB_STRING, [SPB_V_BYTES] = SPB_BYTES};
    if (v->field >= sizeof forms) return ERR_INVALID;
    *r = (struct spb_scalar){.form = forms[v->field], .bits = 64, .u = v->u, .d = v->d, .s = v->s};
    return 0;
}

int spb_scalar(uint32_t type, const struct spb_value *v, struct spb_scalar *ret)
{
    const struct spb_type *t = spb_type(type);
    struct spb_scalar r = {.form = t->form, .bits = t->bits, .s = v->s, .d = v->d};
    int rc = 0;
    *ret = (struct spb_scalar){.form = SPB_NOTHING};
    if (v->field == SPB_V_NONE) return 0;
    if (t->form == SPB_NOTHING)
        rc = untyped(v, &r);
    else if (t->form == SPB_SIGNED)
        rc = to_signed(t->bits, v, &r);
    else if (t->form == SPB_UNSIGNED)
        rc = to_unsigned(t->bits, v, &r);
    else if (t->form == SPB_TIME)
        rc = integer(v) && v->u <= INT64_MAX ? (r.i = (int64_t)v->u, 0) : ERR_INVALID;
    else if (t->form == SPB_BOOL)
        rc = v->field == SPB_V_BOOL || (integer(v) && v->u <= 1) ? (r.u = v->u, 0) : ERR_INVALID;
    else if (t->form == SPB_REAL)
        rc = v->field == SPB_V_FLOAT || v->field == SPB_V_DOUBLE ? 0 : ERR_INVALID;
    else
        rc =
            v->field == (t->form == SPB_STRING ? SPB_V_STRING : SPB_V_BYTES) && t->form < SPB_DATASET ? 0 : ERR_INVALID;
    if (rc == 0) *ret = r;
    return rc;
}

/* ---- values -> members ---- */

static uint64_t integer_bits(const struct spb_scalar *v)
{
    if (v->form == SPB_SIGNED || v->form == SPB_TIME) return (uint64_t)v->i;
    return v->form == SPB_REAL ? (uint64_t)(int64_t)v->d : v->u;
}

struct spb_value spb_value_of(uint32_t type, const struct spb_scalar *v)
{
    const struct spb_type *t = spb_type(type);
    switch (t->form) {
    case SPB_SIGNED:
    case SPB_UNSIGNED:
        if (t->bits < 64) return (struct spb_value){.field = SPB_V_INT, .u = (uint32_t)integer_bits(v)};
        return (struct spb_value){.field = SPB_V_LONG, .u = integer_bits(v)};
    case SPB_TIME: return (struct spb_value){.field = SPB_V_LONG, .u = integer_bits(v)};
    case SPB_REAL: return (struct spb_value){.field = t->bits == 32 ? SPB_V_FLOAT : SPB_V_DOUBLE, .d = spb_double(v)};
    case SPB_BOOL: return (struct spb_value){.field = SPB_V_BOOL, .u = spb_double(v) != 0};
    case SPB_STRING: return (struct spb_value){.field = SPB_V_STRING, .s = v->s};
    default: return (struct spb_value){.field = SPB_V_BYTES, .s = v->s};
    }
}

/* ---- arrays ---- */

static size_t count_texts(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] == 0;
    return n;
}

int spb_array_open(uint32_t type, struct str bytes, struct spb_array *ret)
{
    const struct spb_type *t = spb_type(type);
    struct spb_array a = {.element = spb_type(t->element), .rest = bytes};
    if (t->form != SPB_ARRAY) return ERR_INVALID;
    if (t->element == SPB_T_Boolean) {
        if (bytes.n < 4) return ERR_INVALID;
        struct rd r = rd_make(bytes.p, bytes.n);
        a.n = rd_u32le(&r);
        if (rd_left(&r) != (a.n + 7) / 8) return ERR_INVALID;
        a.rest = str_make((const char *)r.p, rd_left(&r));
    } else if (t->element == SPB_T_String) {
        a.n = count_texts(bytes);
        if (bytes.n && bytes.p[bytes.n - 1]) return ERR_INVALID;
    } else {
        a.n = bytes.n / (t->bits / 8);
        if (bytes.n % (t->bits / 8)) return ERR_INVALID;
    }
    *ret = a;
    return 0;
}

static uint64_t little_endian(const char *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)(uint8_t)p[i] << 8 * i;
    return v;
}

static struct spb_scalar number_of(const struct spb_type *t, uint64_t raw)
{
    struct spb_scalar r = {.form = t->form, .bits = t->bits, .u = raw, .i = extend(raw, t->bits)};
    uint32_t half = (uint32_t)raw;
    float f;
    if (t->form != SPB_REAL) return r;
    memcpy(&f, &half, sizeof f);
    r.d = f;
    if (t->bits == 64) memcpy(&r.d, &raw, sizeof r.d);
    return r;
}

bool spb_array_next(struct spb_array *a, struct spb_scalar *ret)
{
    unsigned bytes = a->element->bits / 8;
    if (a->at >= a->n) return false;
    size_t k = a->at++;
    if (a->element->form == SPB_BOOL) {
        *ret = (struct spb_scalar){.form = SPB_BOOL, .bits = 1, .u = (uint8_t)a->rest.p[k / 8] >> (7 - k % 8) & 1};
    } else if (a->element->form == SPB_STRING) {
        *ret = (struct spb_scalar){.form = SPB_STRING, .s = str_cut(&a->rest, 0)};
    } else {
        *ret = number_of(a->element, little_endian(a->rest.p, bytes));
        a->rest = str_sub(a->rest, bytes, a->rest.n);
    }
    return true;
}

static void put_bits(struct buf *out, const struct spb_scalar *v, size_t n)
{
    buf_u32le(out, (uint32_t)n);
    for (size_t i = 0; i < n; i += 8) {
        uint8_t b = 0;
        for (size_t k = i; k < n && k < i + 8; k++) b |= (uint8_t)((v[k].u != 0) << (7 - k % 8));
        buf_u8(out, b);
    }
}

static void put_number(struct buf *out, const struct spb_type *t, const struct spb_scalar *v)
{
    uint64_t raw = integer_bits(v);
    float f = (float)spb_double(v);
    double d = spb_double(v);
    uint32_t half;
    memcpy(&half, &f, sizeof half);
    if (t->form == SPB_REAL && t->bits == 32) raw = half;
    if (t->form == SPB_REAL && t->bits == 64) memcpy(&raw, &d, sizeof raw);
    for (unsigned i = 0; i < t->bits; i += 8) buf_u8(out, (uint8_t)(raw >> i));
}

void spb_put_array(struct buf *out, uint32_t type, const struct spb_scalar *v, size_t n)
{
    const struct spb_type *t = spb_type(spb_type(type)->element);
    if (t->form == SPB_BOOL) {
        put_bits(out, v, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (t->form != SPB_STRING) {
            put_number(out, t, &v[i]);
            continue;
        }
        buf_str(out, v[i].s);
        buf_u8(out, 0);
    }
}

/* ---- quality ---- */

/* 0, 192 and 500 are Sparkplug's; the others are those of OPC DA, which many peers send.
 *   code  quality  reason */
static const struct {
    uint16_t code;
    uint8_t quality, reason;
} qualities[] = {
    {192, QUALITY_GOOD, REASON_NONE},
    {0, QUALITY_BAD, REASON_DEVICE_EXCEPTION},
    {500, QUALITY_UNCERTAIN, REASON_STALE},
    {4, QUALITY_BAD, REASON_CONFIG_ERROR},
    {8, QUALITY_BAD, REASON_NOT_CONNECTED},
    {12, QUALITY_BAD, REASON_DEVICE_FAILURE},
    {16, QUALITY_BAD, REASON_SENSOR_FAILURE},
    {20, QUALITY_BAD, REASON_LAST_KNOWN},
    {24, QUALITY_BAD, REASON_COMM_FAILURE},
    {28, QUALITY_BAD, REASON_OUT_OF_SERVICE},
    {32, QUALITY_BAD, REASON_NO_DATA},
    {64, QUALITY_UNCERTAIN, REASON_NONE},
    {68, QUALITY_UNCERTAIN, REASON_LAST_KNOWN},
    {80, QUALITY_UNCERTAIN, REASON_SENSOR_FAILURE},
    {84, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE},
    {216, QUALITY_GOOD, REASON_SUBSTITUTED},
};
#define NQUALITIES (sizeof qualities / sizeof qualities[0])

uint8_t spb_quality_class(uint64_t code, uint8_t *ret_reason)
{
    *ret_reason = REASON_NONE;
    for (size_t i = 0; i < NQUALITIES; i++)
        if (qualities[i].code == code) return *ret_reason = qualities[i].reason, qualities[i].quality;
    if (code < 256 && (code & 0xc0) == 0xc0) return QUALITY_GOOD;
    if (code < 256 && (code & 0xc0) == 0x40) return QUALITY_UNCERTAIN;
    *ret_reason = REASON_DEVICE_EXCEPTION;
    return QUALITY_BAD;
}

uint32_t spb_quality_code(uint8_t quality, uint8_t reason, bool opc)
{
    static const uint16_t plain[] = {[QUALITY_GOOD] = 192, [QUALITY_UNCERTAIN] = 500, [QUALITY_BAD] = 0};
    static const uint16_t of_opc[] = {[QUALITY_GOOD] = 192, [QUALITY_UNCERTAIN] = 64, [QUALITY_BAD] = 0};
    unsigned q = quality <= QUALITY_BAD ? quality : QUALITY_BAD;
    if (!opc) return plain[q];
    for (size_t i = 0; i < NQUALITIES; i++)
        if (qualities[i].quality == q && qualities[i].reason == reason && qualities[i].code < 256)
            return qualities[i].code;
    return of_opc[q];
}
