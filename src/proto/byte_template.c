/* byte_template.c - see byte_template.h. A template is a list of parts, each written behind the one before. */
#include "proto/byte_template.h"
#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/time.h"
#include "proto/checksum.h"
#include "proto/field_int.h"
#include "proto/frame_spec.h"

#define PARTS_MAX 64

enum part_kind { PART_BYTES, PART_VALUE, PART_SEQ, PART_TS, PART_MS, PART_TIME, PART_CODE, PART_SUM };
struct part {
    enum part_kind kind;
    uint16_t at, n;       /* BYTES: in literal */
    enum value_type type; /* AUTO: as text */
    unsigned order;
    int width, decimals; /* of texts; decimals -1: as short as it goes */
    bool zeros;
    struct checksum_spec sum;
    unsigned from;
};
struct byte_template {
    size_t nparts, n;
    bool value;
    struct part parts[PARTS_MAX];
    uint8_t literal[TEMPLATE_BYTES_MAX];
};

static int bad(struct error *e, struct str s, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "", "${%.*s}: %s%.0s", "${%.*s}：%.0s%s", STR_ARG(s), en, zh);
}

/* ---- places ---- */

static bool digits(struct str s, int max, int *ret)
{
    int64_t v;
    if (s.n == 0 || str_to_i64(s, &v) || v < 0 || v > max) return false;
    *ret = (int)v;
    return true;
}

/* "08.2", "6", ".1" */
static bool parse_format(struct str s, struct part *p)
{
    struct str decimals = s, width = str_cut(&decimals, '.');
    p->zeros = width.n > 1 && width.p[0] == '0';
    if (width.n && !digits(width, 64, &p->width)) return false;
    return decimals.p == NULL || digits(decimals, 15, &p->decimals);
}

static bool parse_binary(struct str type, struct str order, struct part *p)
{
    static const char *const names[] = {
#define X(name, text, bytes, en, zh) text,
        VALUE_TYPES(X)
#undef X
    };
    for (int t = 0; t < VALUE_TYPE_COUNT; t++)
        if (number_bytes((enum value_type)t) && str_is(type, names[t])) p->type = (enum value_type)t;
    return p->type != VALUE_AUTO && (order.p == NULL || number_order(order, &p->order));
}

static int parse_sum(struct str whole, struct str rest, struct part *p, struct error *e)
{
    int from = 0;
    p->kind = PART_SUM;
    if (rest.p == NULL || !checksum_parse(str_cut(&rest, ':'), &p->sum.kind) || p->sum.kind == CHECKSUM_NONE)
        return bad(e, whole, "checks: sum8 xor8 lrc crc8 sum16 crc16_modbus crc16_ccitt_false crc16_xmodem crc32",
                   "校验：sum8 xor8 lrc crc8 sum16 crc16_modbus crc16_ccitt_false crc16_xmodem crc32");
    while (rest.p) {
        struct str word = str_cut(&rest, ':');
        bool little = str_ieq(word, STR("LE")), hex = str_ieq(word, STR("hex"));
        p->sum.little |= little;
        p->sum.hex |= hex;
        if (!little && !hex && !str_ieq(word, STR("BE")) && !digits(word, TEMPLATE_BYTES_MAX, &from))
            return bad(e, whole, "behind the check stands LE, BE, hex or the first byte that counts",
                       "校验之后为 LE、BE、hex 或起始字节序号");
    }
    p->from = (unsigned)from;
    return 0;
}

static int parse_place(struct str whole, bool value, struct part *p, struct error *e)
{
    static const struct {
        const char *name;
        enum part_kind kind;
        bool number;
    } rows[] = {{"value", PART_VALUE, true}, {"seq", PART_SEQ, true},    {"ts", PART_TS, true},
                {"ms", PART_MS, true},       {"time", PART_TIME, false}, {"code", PART_CODE, false}};
    struct str rest = whole, name = str_cut(&rest, ':');
    *p = (struct part){.decimals = -1};
    if (str_is(name, "sum")) return parse_sum(whole, rest, p, e);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!str_is(name, rows[i].name) || (rows[i].kind == PART_VALUE && !value)) continue;
        p->kind = rows[i].kind;
        if (rest.p == NULL) return 0;
        struct str order = rest, type = str_cut(&order, ':');
        if (rows[i].number && (parse_binary(type, order, p) || (order.p == NULL && parse_format(type, p)))) return 0;
        return bad(e, whole, "behind the name stands a format (08.2) or a type and an order (int16:LE)",
                   "名称之后为格式（08.2）或类型与字节序（int16:LE）");
    }
    return bad(e, whole, value ? "names: value, seq, ts, ms, time, code, sum" : "names: seq, ts, ms, time, code, sum",
               value ? "可用：value、seq、ts、ms、time、code、sum" : "可用：seq、ts、ms、time、code、sum");
}

/* ---- the whole ---- */

static int add_bytes(struct byte_template *t, struct str s, bool hex, struct error *e)
{
    char text[TEMPLATE_BYTES_MAX * 4];
    size_t n;
    if (s.n == 0) return 0;
    if (s.n + 4 >= sizeof text || t->nparts == PARTS_MAX) return error_set(e, ERR_INVALID, "", "too long", "过长");
    memcpy(text, hex ? "hex:" : "", hex ? 4 : 0);
    memcpy(text + (hex ? 4 : 0), s.p, s.n);
    int rc = bytes_parse(str_make(text, s.n + (hex ? 4 : 0)), t->literal + t->n, sizeof t->literal - t->n, &n, e);
    if (rc == 0 && n) t->parts[t->nparts++] = (struct part){.kind = PART_BYTES, .at = (uint16_t)t->n, .n = (uint16_t)n};
    if (rc == 0) t->n += n;
    return rc;
}

/* Where the next "${" stands that no backslash is before. */
static size_t next_place(struct str s)
{
    size_t i = 0;
    while (i + 1 < s.n && !(s.p[i] == '$' && s.p[i + 1] == '{')) i += s.p[i] == '\\' ? 2 : 1;
    return i + 1 < s.n ? i : s.n;
}

static int compile(struct byte_template *t, struct str s, bool value, struct error *e)
{
    bool hex = str_starts(s, STR("hex:"));
    if (hex) s = str_sub(s, 4, s.n);
    while (s.n) {
        size_t at = next_place(s);
        int rc = add_bytes(t, str_sub(s, 0, at), hex, e);
        if (rc || at == s.n) return rc;
        s = str_sub(s, at + 2, s.n);
        ptrdiff_t end = str_find(s, '}');
        if (end < 0) return error_set(e, ERR_INVALID, "", "'}' is missing behind ${", "${ 之后缺少“}”");
        if (t->nparts == PARTS_MAX) return error_set(e, ERR_INVALID, "", "at most %d places", "最多 %d 处", PARTS_MAX);
        rc = parse_place(str_sub(s, 0, (size_t)end), value, &t->parts[t->nparts], e);
        if (rc) return rc;
        t->value |= t->parts[t->nparts++].kind == PART_VALUE;
        s = str_sub(s, (size_t)end + 1, s.n);
    }
    return 0;
}

int byte_template_new(struct str text, bool value, struct byte_template **ret, struct error *e)
{
    struct byte_template *t = mem_calloc(1, sizeof *t);
    if (t == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = compile(t, text, value, e);
    if (rc) {
        mem_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

void byte_template_free(struct byte_template *t)
{
    mem_free(t);
}

bool byte_template_has_value(const struct byte_template *t)
{
    return t->value;
}

/* ---- writing ---- */

struct sink {
    uint8_t *p;
    size_t n, cap;
};

static int put(struct sink *s, const void *p, size_t n, struct error *e)
{
    if (n > s->cap - s->n) return error_set(e, ERR_TOO_LARGE, "", "more than %zu bytes", "超过 %zu 字节", s->cap);
    memcpy(s->p + s->n, p, n);
    s->n += n;
    return 0;
}

static int put_number(struct sink *s, const struct part *p, double v, struct error *e)
{
    char text[420];
    uint8_t raw[8];
    if (p->type != VALUE_AUTO) {
        int rc = number_put(p->type, p->order, v, raw, e);
        return rc ? rc : put(s, raw, number_bytes(p->type), e);
    }
    if (!isfinite(v)) return error_set(e, ERR_INVALID, "value", "not a number", "不是数值");
    int n;
    if (p->decimals < 0)
        n = p->zeros ? snprintf(text, sizeof text, "%0*.15g", p->width, v)
                     : snprintf(text, sizeof text, "%*.15g", p->width, v);
    else
        n = p->zeros ? snprintf(text, sizeof text, "%0*.*f", p->width, p->decimals, v)
                     : snprintf(text, sizeof text, "%*.*f", p->width, p->decimals, v);
    if (p->width && n > p->width)
        return error_set(e, ERR_INVALID, "value", "%.15g is longer than %d characters", "%.15g 超过 %d 个字符", v,
                         p->width);
    return put(s, text, (size_t)n, e);
}

static int put_value(struct sink *s, const struct part *p, const struct template_values *v, struct error *e)
{
    if (v->text.p == NULL) return put_number(s, p, v->number, e);
    if (p->type != VALUE_AUTO)
        return error_set(e, ERR_INVALID, "value", "a text has no place in binary", "文本不能以二进制写入");
    return put(s, v->text.p, v->text.n, e);
}

static int put_seq(struct sink *s, const struct part *p, uint64_t seq, struct error *e)
{
    size_t n = number_bytes(p->type);
    uint64_t span = n && n < 6 ? 1ull << (8 * n - 1) : 1ull << 47; /* also right for signed ones */
    if (p->type == VALUE_UINT8 || p->type == VALUE_UINT16 || p->type == VALUE_UINT32) span *= 2;
    if (p->type == VALUE_BCD16) span = 10000;
    if (p->type == VALUE_BCD32) span = 100000000;
    return put_number(s, p, (double)(seq % span), e);
}

static int put_sum(struct sink *s, const struct part *p, struct error *e)
{
    uint8_t sum[8];
    if (p->from > s->n)
        return error_set(e, ERR_INVALID, "", "the check begins behind its place", "校验起点在其位置之后");
    return put(s, sum, checksum_put(&p->sum, s->p + p->from, s->n - p->from, sum), e);
}

static int put_part(const struct byte_template *t, const struct part *p, const struct template_values *v,
                    struct sink *s, struct error *e)
{
    char text[TIME_TEXT_MAX];
    switch (p->kind) {
    case PART_BYTES: return put(s, t->literal + p->at, p->n, e);
    case PART_VALUE: return put_value(s, p, v, e);
    case PART_SEQ: return put_seq(s, p, v->seq, e);
    case PART_TS: return put_number(s, p, (double)(v->time_us / 1000000), e);
    case PART_MS: return put_number(s, p, (double)(v->time_us / 1000), e);
    case PART_TIME: time_format(v->time_us, text); return put(s, text, strlen(text), e);
    case PART_CODE: return put(s, v->code.p ? v->code.p : "", v->code.n, e);
    case PART_SUM: return put_sum(s, p, e);
    }
    return ERR_INTERNAL;
}

int byte_template_write(const struct byte_template *t, const struct template_values *v, uint8_t *out, size_t cap,
                        size_t *ret_n, struct error *e)
{
    struct sink s = {out, 0, cap};
    for (size_t i = 0; i < t->nparts; i++) {
        int rc = put_part(t, &t->parts[i], v, &s, e);
        if (rc) return rc;
    }
    *ret_n = s.n;
    return 0;
}
