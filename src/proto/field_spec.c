/* field_spec.c - values out of frames (field_spec.h). */
#include "proto/field_int.h"

#define REGEX_INPUT_MAX 8192

/* ---- bytes ---- */

size_t number_bytes(enum value_type t)
{
    static const uint8_t bytes[] = {
#define X(name, text, bytes, en, zh) bytes,
        VALUE_TYPES(X)
#undef X
    };
    return t == VALUE_BOOL ? 0 : bytes[t];
}

size_t order_place(size_t i, size_t n, unsigned order)
{
    if (order == 3) return n - 1 - i; /* also for odd lengths */
    if (n < 2 || n % 2) return i;
    size_t word = order & 1 ? n / 2 - 1 - i / 2 : i / 2, byte = order & 2 ? 1 - i % 2 : i % 2;
    return 2 * word + byte;
}

uint64_t order_gather(const uint8_t *p, size_t n, unsigned order)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[order_place(i, n, order)];
    return v;
}

void order_scatter(uint64_t v, size_t n, unsigned order, uint8_t *p)
{
    for (size_t i = n; i-- > 0; v >>= 8) p[order_place(i, n, order)] = (uint8_t)v;
}

bool field_place(const struct field *f, size_t n, size_t *ret_at)
{
    int64_t at = f->at < 0 ? (int64_t)n + f->at : f->at;
    *ret_at = (size_t)at;
    return at >= 0 && (uint64_t)at + f->len <= n;
}

static struct json of_int(int64_t i)
{
    return (struct json){.type = JSON_INT, .i = i};
}
static struct json of_double(double d)
{
    return (struct json){.type = JSON_DOUBLE, .d = d};
}
static struct json of_uint(uint64_t u)
{
    return u > INT64_MAX ? of_double((double)u) : of_int((int64_t)u);
}
static struct json of_text(struct str s)
{
    return (struct json){.type = JSON_STRING, .s = s};
}

static int no_value(struct error *e, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "", "%s%.0s", "%.0s%s", en, zh);
}

static int bcd(const uint8_t *p, size_t n, unsigned order, int64_t *ret, struct error *e)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned b = p[order_place(i, n, order)];
        if ((b >> 4) > 9 || (b & 15) > 9) return no_value(e, "not decimal digits (BCD)", "不是 BCD 数字");
        v = v * 100 + (b >> 4) * 10 + (b & 15);
    }
    *ret = v;
    return 0;
}

static double real(uint64_t raw, size_t n)
{
    uint32_t small = (uint32_t)raw;
    float f;
    double d;
    memcpy(&f, &small, sizeof f);
    memcpy(&d, &raw, sizeof d);
    return n == 4 ? (double)f : d;
}

static int64_t sign(uint64_t raw, size_t n)
{
    unsigned shift = 64 - 8 * (unsigned)n;
    return (int64_t)(raw << shift) >> shift;
}

static int get_binary(const struct field *f, const uint8_t *p, struct json *v, struct error *e)
{
    uint64_t raw = order_gather(p, f->len, f->order);
    int64_t i = 0;
    int rc = 0;
    switch (f->type) {
    case VALUE_INT8:
    case VALUE_INT16:
    case VALUE_INT32:
    case VALUE_INT64: *v = of_int(sign(raw, f->len)); break;
    case VALUE_FLOAT:
    case VALUE_DOUBLE: *v = of_double(real(raw, f->len)); break;
    case VALUE_BCD16:
    case VALUE_BCD32:
        rc = bcd(p, f->len, f->order, &i, e);
        *v = of_int(i);
        break;
    default: *v = of_uint(raw);
    }
    return rc;
}

static int get_bits(const struct field *f, const uint8_t *p, struct json *v, struct error *e)
{
    uint64_t raw = order_gather(p, f->len, f->order) >> f->lo;
    unsigned width = f->hi - f->lo + 1;
    if (width < 64) raw &= (1ull << width) - 1;
    *v = f->lo == f->hi ? (struct json){.type = JSON_BOOL, .b = raw != 0} : of_uint(raw);
    return 0;
}

/* ---- stretches ---- */

static struct str trimmed(const uint8_t *p, size_t n)
{
    struct str s = str_make((const char *)p, n);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == 0)) s.n--;
    return s;
}

static int hex_number(struct str s, struct json *v, struct error *e)
{
    uint64_t u = 0;
    s = str_trim(s);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0) return no_value(e, "not hexadecimal digits", "不是十六进制数字");
        u = u << 4 | (unsigned)d;
    }
    if (s.n == 0) return no_value(e, "not hexadecimal digits", "不是十六进制数字");
    *v = of_uint(u);
    return 0;
}

static int text_number(struct str s, struct json *v, struct error *e)
{
    double d;
    size_t used;
    if (!field_number(s, &d, &used)) return no_value(e, "no number there", "该处没有数字");
    *v = of_double(d);
    return 0;
}

static int get_slice(const struct field *f, const uint8_t *p, struct json *v, struct error *e)
{
    int64_t i = 0;
    int rc = 0;
    switch (f->slice) {
    case SLICE_UINT: *v = of_uint(order_gather(p, f->len, f->order)); return 0;
    case SLICE_INT: *v = of_int(sign(order_gather(p, f->len, f->order), f->len)); return 0;
    case SLICE_BCD:
        rc = bcd(p, f->len, f->order, &i, e);
        *v = of_int(i);
        return rc;
    case SLICE_NUMBER: return text_number(str_make((const char *)p, f->len), v, e);
    case SLICE_HEX: return hex_number(str_make((const char *)p, f->len), v, e);
    case SLICE_TEXT: *v = of_text(trimmed(p, f->len)); return 0;
    }
    return ERR_INTERNAL;
}

/* ---- numbers in texts ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct str s, size_t at)
{
    while (at < s.n && is_digit(s.p[at])) at++;
    return at;
}

/* A sign may stand apart from its digits by blanks: "-   3.5". */
static bool number_at(struct str s, size_t at, double *ret, size_t *ret_used)
{
    char text[64];
    size_t n = 0, k = at, from;
    if (s.p[k] == '-' || s.p[k] == '+') {
        if (s.p[k] == '-') text[n++] = '-';
        for (k++; k < s.n && s.p[k] == ' '; k++) continue;
    }
    from = k;
    k = digits(s, k);
    bool whole = k > from;
    if (k < s.n && s.p[k] == '.' && (whole || (k + 1 < s.n && is_digit(s.p[k + 1])))) k = digits(s, k + 1);
    if (k == from) return false;
    size_t x = k;
    if (x < s.n && (s.p[x] | 32) == 'e') {
        x++;
        if (x < s.n && (s.p[x] == '-' || s.p[x] == '+')) x++;
        if (x < s.n && is_digit(s.p[x])) k = digits(s, x);
    }
    if (k - from > sizeof text - 4) return false;
    if (s.p[from] == '.') text[n++] = '0';
    memcpy(text + n, s.p + from, k - from);
    n += k - from;
    if (text[n - 1] == '.') n--;
    *ret_used = k;
    return str_to_double(str_make(text, n), ret) == 0;
}

bool field_number(struct str s, double *ret, size_t *ret_used)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!is_digit(c) && c != '-' && c != '+' && c != '.') continue;
        if (number_at(s, i, ret, ret_used)) return true;
    }
    return false;
}

static int get_number(const struct field *f, struct str s, struct field_value *ret, struct error *e)
{
    double d;
    size_t used, at = 0;
    for (unsigned i = 1; field_number(str_sub(s, at, s.n), &d, &used); i++) {
        at += used;
        if (i < f->nth) continue;
        ret->v = of_double(d);
        return 0;
    }
    return error_set(e, ERR_NOT_FOUND, "", "the frame has no number %u", "帧中没有第 %u 个数字", f->nth);
}

/* ---- parts of texts ---- */

static const char *separator_of(const struct field_frame *fr)
{
    return fr->separator[0] ? fr->separator : ",";
}

/* Part of *rest before the next separator, as str_cut. */
static struct str cut_at(struct str *rest, struct str separator)
{
    for (size_t i = 0; i + separator.n <= rest->n; i++) {
        if (memcmp(rest->p + i, separator.p, separator.n) != 0) continue;
        struct str part = str_sub(*rest, 0, i);
        *rest = str_sub(*rest, i + separator.n, rest->n);
        if (rest->p == NULL) rest->p = "";
        return part;
    }
    struct str all = *rest;
    *rest = STR_NULL;
    return all;
}

static void take_text(const struct field_frame *fr, struct str s, struct field_value *ret)
{
    s = str_trim(s);
    ret->v = of_text(s);
    ret->at = s.p ? (size_t)(s.p - (const char *)fr->p) : 0;
    ret->n = s.n;
}

static int get_column(const struct field *f, const struct field_frame *fr, struct field_value *ret, struct error *e)
{
    struct str rest = str_make((const char *)fr->p, fr->n), separator = str_of(separator_of(fr));
    for (unsigned i = 1; rest.p; i++) {
        struct str part = cut_at(&rest, separator);
        if (i < f->nth) continue;
        take_text(fr, part, ret);
        return 0;
    }
    return error_set(e, ERR_NOT_FOUND, "", "the frame has no field %u", "帧中没有第 %u 个字段", f->nth);
}

static bool ends_pair(char c, const char *separator)
{
    return c == separator[0] || c == ';' || c == '&' || c == ',' || c == '\r' || c == '\n';
}

/* NAME = VALUE or NAME : VALUE, between separators, commas, semicolons, ampersands and line ends. */
static int get_key(const struct field *f, const struct field_frame *fr, struct field_value *ret, struct error *e)
{
    const char *p = fr->p ? (const char *)fr->p : "", *separator = separator_of(fr); /* an empty frame may be NULL */
    size_t name = strlen(f->name);
    for (size_t from = 0, to; from <= fr->n; from = to + 1) {
        for (to = from; to < fr->n && !ends_pair(p[to], separator); to++) continue;
        struct str pair = str_trim(str_make(p + from, to - from));
        if (pair.n <= name || memcmp(pair.p, f->name, name) != 0) continue;
        struct str rest = str_trim(str_sub(pair, name, pair.n));
        if (rest.n == 0 || (rest.p[0] != '=' && rest.p[0] != ':')) continue;
        take_text(fr, str_sub(rest, 1, rest.n), ret);
        return 0;
    }
    return error_set(e, ERR_NOT_FOUND, "", "the frame has no key '%s'", "帧中没有键“%s”", f->name);
}

static int get_nothing(struct field_value *ret)
{
    ret->v = of_text(STR(""));
    return 0;
}

/* The library wants a terminated text; zero bytes count as blanks. */
static int get_regex(const struct field *f, const struct field_frame *fr, struct field_value *ret, struct error *e)
{
    char text[REGEX_INPUT_MAX + 1];
    size_t n = fr->n < REGEX_INPUT_MAX ? fr->n : REGEX_INPUT_MAX;
    regmatch_t m[10];
    unsigned group = f->nth ? f->nth : f->re.re_nsub ? 1 : 0;
    for (size_t i = 0; i < n; i++) text[i] = fr->p[i] ? (char)fr->p[i] : ' ';
    text[n] = 0;
    if (regexec(&f->re, text, 10, m, 0) || m[group].rm_so < 0)
        return error_set(e, ERR_NOT_FOUND, "", "the regular expression does not match", "正则表达式不匹配");
    if (fr->p == NULL) return get_nothing(ret);
    take_text(fr, str_make((const char *)fr->p + m[group].rm_so, (size_t)(m[group].rm_eo - m[group].rm_so)), ret);
    return 0;
}

static int get_json(const struct field *f, struct field_frame *fr, struct field_value *ret, struct error *e)
{
    if (!fr->parsed) {
        fr->parsed = true;
        if (json_parse(fr->a, str_make((const char *)fr->p, fr->n), &fr->json, NULL)) fr->json = NULL;
    }
    if (fr->json == NULL) return error_set(e, ERR_NOT_FOUND, "", "the frame is no JSON", "帧不是 JSON");
    const struct json *v = json_path_first(f->path, fr->json);
    if (v == NULL) return error_set(e, ERR_NOT_FOUND, "", "the path leads nowhere in this frame", "该路径在帧中不存在");
    ret->v = *v;
    return 0;
}

/* ---- the whole ---- */

static int get_place(const struct field *f, const struct field_frame *fr, struct field_value *ret, struct error *e)
{
    size_t at;
    if (!field_place(f, fr->n, &at))
        return error_set(e, ERR_NOT_FOUND, "", "the frame has %zu bytes, too few for offset %d and %u bytes",
                         "帧只有 %zu 字节，不足以包含偏移 %d 的 %u 字节", fr->n, f->at, f->len);
    ret->at = at;
    ret->n = f->len;
    if (f->kind == FIELD_BITS) return get_bits(f, fr->p + at, &ret->v, e);
    return f->kind == FIELD_BINARY ? get_binary(f, fr->p + at, &ret->v, e) : get_slice(f, fr->p + at, &ret->v, e);
}

int field_get(const struct field *f, struct field_frame *fr, struct field_value *ret, struct error *e)
{
    struct str all = str_make((const char *)fr->p, fr->n);
    *ret = (struct field_value){0};
    switch (f->kind) {
    case FIELD_BINARY:
    case FIELD_BITS:
    case FIELD_SLICE: return get_place(f, fr, ret, e);
    case FIELD_COLUMN: return get_column(f, fr, ret, e);
    case FIELD_NUMBER: return get_number(f, all, ret, e);
    case FIELD_TEXT: take_text(fr, all, ret); return 0;
    case FIELD_KEY: return get_key(f, fr, ret, e);
    case FIELD_REGEX: return get_regex(f, fr, ret, e);
    case FIELD_JSON: return get_json(f, fr, ret, e);
    }
    return ERR_INTERNAL;
}
