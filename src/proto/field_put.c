/* field_put.c - values into frames (field_spec.h). */
#include <stdio.h>
#include "proto/field_int.h"

static int no_room(struct error *e, double v, const char *what)
{
    return error_set(e, ERR_INVALID, "value", "%.15g does not fit into %s", "%.15g 放不进 %s", v, what);
}

static int put_integer(double v, size_t n, bool is_signed, unsigned order, uint8_t *p, const char *what,
                       struct error *e)
{
    double r = nearbyint(v), top = ldexp(1, 8 * (int)n - (is_signed ? 1 : 0)), bottom = is_signed ? -top : 0;
    if (!(r >= bottom && r < top)) return no_room(e, v, what);
    order_scatter(r < 0 ? (uint64_t)(int64_t)r : (uint64_t)r, n, order, p);
    return 0;
}

static int put_bcd(double v, size_t n, unsigned order, uint8_t *p, struct error *e)
{
    double r = nearbyint(v);
    if (!(r >= 0 && r < pow(10, 2 * (double)n) && r < 9e17)) return no_room(e, v, "BCD");
    uint64_t left = (uint64_t)r;
    for (size_t i = n; i-- > 0; left /= 100) p[order_place(i, n, order)] = (uint8_t)(left % 100 / 10 << 4 | left % 10);
    return 0;
}

int number_put(enum value_type t, unsigned order, double v, uint8_t *p, struct error *e)
{
    static const char *const names[] = {
#define X(name, text, bytes, en, zh) text,
        VALUE_TYPES(X)
#undef X
    };
    size_t n = number_bytes(t);
    bool is_signed = t == VALUE_INT8 || t == VALUE_INT16 || t == VALUE_INT32 || t == VALUE_INT64;
    uint64_t raw;
    if (t == VALUE_FLOAT) {
        float f = (float)v;
        uint32_t u;
        if (isfinite(v) && !isfinite(f)) return no_room(e, v, names[t]);
        memcpy(&u, &f, sizeof u);
        order_scatter(u, 4, order, p);
        return 0;
    }
    if (t == VALUE_DOUBLE) {
        memcpy(&raw, &v, sizeof raw);
        order_scatter(raw, 8, order, p);
        return 0;
    }
    if (n == 0) return error_set(e, ERR_INVALID, "value", "type %s has no bytes", "类型 %s 没有字节", names[t]);
    if (t == VALUE_BCD16 || t == VALUE_BCD32) return put_bcd(v, n, order, p, e);
    return put_integer(v, n, is_signed, order, p, names[t], e);
}

static int put_bits(const struct field *f, double v, uint8_t *p, struct error *e)
{
    unsigned width = f->hi - f->lo + 1;
    double r = nearbyint(v);
    if (!(r >= 0 && r < ldexp(1, (int)width))) return no_room(e, v, "these bits");
    uint64_t mask = (width < 64 ? (1ull << width) - 1 : UINT64_MAX) << f->lo;
    uint64_t raw = order_gather(p, f->len, f->order);
    order_scatter((raw & ~mask) | ((uint64_t)r << f->lo & mask), f->len, f->order, p);
    return 0;
}

/* Right-aligned; digits behind the point as many as fit, at most 9, without zeros at the end. */
static int put_number_text(const struct field *f, double v, uint8_t *p, struct error *e)
{
    char text[400];
    for (int decimals = 9; decimals >= 0 && isfinite(v); decimals--) {
        size_t n = (size_t)snprintf(text, sizeof text, "%.*f", decimals, v);
        while (decimals && text[n - 1] == '0') n--;
        if (decimals && text[n - 1] == '.') n--;
        if (n > f->len) continue;
        memset(p, ' ', f->len);
        memcpy(p + f->len - n, text, n);
        return 0;
    }
    return no_room(e, v, "the text");
}

static int put_hex_text(const struct field *f, double v, uint8_t *p, struct error *e)
{
    char text[20];
    double r = nearbyint(v);
    if (!(r >= 0 && r < ldexp(1, 4 * (int)(f->len < 16 ? f->len : 16)))) return no_room(e, v, "these digits");
    snprintf(text, sizeof text, "%016llX", (unsigned long long)r);
    memcpy(p, text + 16 - f->len, f->len);
    return 0;
}

static int put_text(const struct field *f, struct str text, uint8_t *p, struct error *e)
{
    if (text.n > f->len)
        return error_set(e, ERR_INVALID, "value", "the text has %zu bytes; there is room for %u",
                         "文本为 %zu 字节，最多 %u 字节", text.n, f->len);
    memset(p, ' ', f->len);
    memcpy(p, text.p ? text.p : "", text.n);
    return 0;
}

static int put_slice(const struct field *f, double v, struct str text, uint8_t *p, struct error *e)
{
    switch (f->slice) {
    case SLICE_UINT: return put_integer(v, f->len, false, f->order, p, "these bytes", e);
    case SLICE_INT: return put_integer(v, f->len, true, f->order, p, "these bytes", e);
    case SLICE_BCD: return put_bcd(v, f->len, f->order, p, e);
    case SLICE_NUMBER: return put_number_text(f, v, p, e);
    case SLICE_HEX: return put_hex_text(f, v, p, e);
    case SLICE_TEXT: return put_text(f, text, p, e);
    }
    return ERR_INTERNAL;
}

bool field_has_place(const struct field *f)
{
    return f->kind <= FIELD_SLICE;
}

size_t field_needs(const struct field *f)
{
    if (!field_has_place(f)) return 0;
    return f->at < 0 ? (size_t)-f->at : (size_t)f->at + f->len;
}

bool field_bits(const struct field *f, uint64_t *ret_from, uint64_t *ret_to)
{
    if (!field_has_place(f) || f->at < 0) return false;
    *ret_from = (uint64_t)f->at * 8;
    *ret_to = *ret_from + 8ull * f->len;
    if (f->kind == FIELD_BITS && f->len == 1) {
        *ret_to = *ret_from + f->hi + 1;
        *ret_from += f->lo;
    }
    return true;
}

int field_put(const struct field *f, double v, struct str text, uint8_t *p, size_t n, struct error *e)
{
    size_t at;
    if (!field_has_place(f) || !field_place(f, n, &at))
        return error_set(e, ERR_INVALID, "address", "the field has no place in a frame of %zu bytes; write OFFSET:TYPE",
                         "该字段在 %zu 字节的帧中没有位置；应写为 偏移:类型", n);
    if (f->kind == FIELD_BINARY) return number_put(f->type, f->order, v, p + at, e);
    return f->kind == FIELD_BITS ? put_bits(f, v, p + at, e) : put_slice(f, v, text, p + at, e);
}
