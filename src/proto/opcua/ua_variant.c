/* Variants in the hand: items, numbers, copies. */
#include <float.h>
#include <math.h>
#include "proto/opcua/ua_types.h"

const void *ua_variant_item(const struct ua_variant *v, uint32_t i)
{
    size_t size = ua_size_of(v->type);
    if (size == 0 || i >= (v->array ? v->n : 1)) return NULL;
    if (!v->array && size <= sizeof v->u) return &v->u;
    return v->u.items == NULL ? NULL : (const char *)v->u.items + i * size;
}

struct ua_variant ua_variant_scalar(unsigned type, const void *value)
{
    struct ua_variant v = {.type = (uint8_t)type, .n = 1};
    size_t size = ua_size_of(type);
    if (type >= UA_BUILTIN_COUNT || size == 0) return (struct ua_variant){0};
    if (size <= sizeof v.u)
        memcpy(&v.u, value, size);
    else
        v.u.items = (void *)(uintptr_t)value;
    return v;
}
struct ua_variant ua_variant_array(unsigned type, const void *items, uint32_t n)
{
    struct ua_variant v = {.type = (uint8_t)type, .array = true, .n = items ? n : 0};
    v.u.items = (void *)(uintptr_t)items;
    return v;
}

/* Read an item of a numeric type as i64, u64 or double. */
enum kind { NONE, SIGNED, UNSIGNED, REAL };
struct number {
    enum kind kind;
    int64_t i;
    uint64_t u;
    double d;
};
#define AS(ctype) (*(const ctype *)p)
static struct number number_of(unsigned type, const void *p)
{
    if (p == NULL) return (struct number){0};
    switch (type) {
    case UA_BOOLEAN: return (struct number){.kind = UNSIGNED, .u = AS(bool)};
    case UA_SBYTE: return (struct number){.kind = SIGNED, .i = AS(int8_t)};
    case UA_BYTE: return (struct number){.kind = UNSIGNED, .u = AS(uint8_t)};
    case UA_INT16: return (struct number){.kind = SIGNED, .i = AS(int16_t)};
    case UA_UINT16: return (struct number){.kind = UNSIGNED, .u = AS(uint16_t)};
    case UA_INT32: return (struct number){.kind = SIGNED, .i = AS(int32_t)};
    case UA_UINT32: return (struct number){.kind = UNSIGNED, .u = AS(uint32_t)};
    case UA_STATUS: return (struct number){.kind = UNSIGNED, .u = AS(uint32_t)};
    case UA_INT64: return (struct number){.kind = SIGNED, .i = AS(int64_t)};
    case UA_UINT64: return (struct number){.kind = UNSIGNED, .u = AS(uint64_t)};
    case UA_FLOAT: return (struct number){.kind = REAL, .d = (double)AS(float)};
    case UA_DOUBLE: return (struct number){.kind = REAL, .d = AS(double)};
    }
    return (struct number){0};
}
/* An array of variants is looked into. */
static struct number item_number(const struct ua_variant *v, uint32_t i)
{
    const void *p = ua_variant_item(v, i);
    const struct ua_variant *in = v->type == UA_VARIANT ? p : NULL;
    if (in != NULL && !in->array && in->type != UA_VARIANT) return number_of(in->type, ua_variant_item(in, 0));
    return number_of(v->type, p);
}
bool ua_variant_double(const struct ua_variant *v, uint32_t i, double *ret)
{
    struct number n = item_number(v, i);
    if (n.kind == NONE) return false;
    *ret = n.kind == REAL ? n.d : n.kind == SIGNED ? (double)n.i : (double)n.u;
    return true;
}
bool ua_variant_i64(const struct ua_variant *v, uint32_t i, int64_t *ret)
{
    struct number n = item_number(v, i);
    if (n.kind == NONE || n.kind == REAL || (n.kind == UNSIGNED && n.u > INT64_MAX)) return false;
    *ret = n.kind == SIGNED ? n.i : (int64_t)n.u;
    return true;
}

static const struct {
    int64_t lo, hi;
} ranges[] = {
    [UA_BOOLEAN] = {0, 1},         [UA_SBYTE] = {INT8_MIN, INT8_MAX},
    [UA_BYTE] = {0, UINT8_MAX},    [UA_INT16] = {INT16_MIN, INT16_MAX},
    [UA_UINT16] = {0, UINT16_MAX}, [UA_INT32] = {INT32_MIN, INT32_MAX},
    [UA_UINT32] = {0, UINT32_MAX}, [UA_INT64] = {INT64_MIN, INT64_MAX},
    [UA_UINT64] = {0, INT64_MAX},
};
static int wrong(unsigned type, struct error *e)
{
    const char *name = ua_type_name(type);
    if (type < UA_BOOLEAN || type > UA_UINT64)
        return error_set(e, ERR_INVALID, "", "a number does not fit the type %s", "数值与类型 %s 不符",
                         name ? name : "?");
    return error_set(e, ERR_INVALID, "", "%s takes whole numbers from %lld to %lld", "%s 只能取 %lld 到 %lld 的整数",
                     name, (long long)ranges[type].lo, (long long)ranges[type].hi);
}
int ua_variant_from_i64(unsigned type, int64_t i, struct ua_variant *ret, struct error *e)
{
    struct ua_variant v = {.type = (uint8_t)type, .n = 1};
    if (type == UA_DOUBLE || type == UA_FLOAT) return ua_variant_from_double(type, (double)i, ret, e);
    if (type < UA_BOOLEAN || type > UA_UINT64 || i < ranges[type].lo || i > ranges[type].hi) return wrong(type, e);
    if (type == UA_BOOLEAN)
        v.u.b = i != 0;
    else if (type == UA_SBYTE || type == UA_BYTE)
        v.u.u8 = (uint8_t)i;
    else if (type == UA_INT16 || type == UA_UINT16)
        v.u.u16 = (uint16_t)i;
    else if (type == UA_INT32 || type == UA_UINT32)
        v.u.u32 = (uint32_t)i;
    else
        v.u.i64 = i;
    *ret = v;
    return 0;
}
int ua_variant_from_double(unsigned type, double d, struct ua_variant *ret, struct error *e)
{
    struct ua_variant v = {.type = (uint8_t)type, .n = 1};
    if (type == UA_DOUBLE) {
        v.u.d = d;
    } else if (type == UA_FLOAT) {
        if (isfinite(d) && fabs(d) > (double)FLT_MAX)
            return error_set(e, ERR_INVALID, "", "Float takes numbers up to 3.4e38", "Float 的绝对值不得超过 3.4e38");
        v.u.f = (float)d;
    } else {
        if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0) || d != floor(d)) return wrong(type, e);
        return ua_variant_from_i64(type, (int64_t)d, ret, e);
    }
    *ret = v;
    return 0;
}

/* ---- by way of the encoding ------------------------------------------------------------------------------ */

#define COPY_MAX (256u << 20)
bool ua_equal(unsigned type, const void *a, const void *b)
{
    struct buf x, y;
    buf_init(&x, COPY_MAX);
    buf_init(&y, COPY_MAX);
    ua_encode(&x, type, a);
    ua_encode(&y, type, b);
    bool same = x.err == 0 && y.err == 0 && str_eq(buf_view(&x), buf_view(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}
int ua_copy(struct arena *a, unsigned type, const void *from, void *ret)
{
    static const struct ua_limits any = {INT32_MAX, INT32_MAX, UA_DEPTH_MAX, UINT32_MAX, 0, 0};
    struct buf b;
    buf_init(&b, COPY_MAX);
    ua_encode(&b, type, from);
    int rc = b.err;
    struct str bytes = rc == 0 ? arena_str(a, b.n ? buf_view(&b) : STR("")) : STR_NULL;
    buf_fini(&b);
    if (rc != 0) return rc;
    if (bytes.p == NULL) return ERR_TOO_LARGE;
    struct ua_decoder d = ua_decoder(a, bytes, &any);
    return ua_decode(&d, type, ret) ? 0 : ERR_TOO_LARGE;
}
