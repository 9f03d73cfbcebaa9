/* line_protocol.c - see line_protocol.h. Written from the rules in InfluxDB's documentation ("Line protocol
 * reference"), as far as versions 1 and 2 agree.
 *
 * The scan looks at each byte once through a table of the bytes that end or escape a name. Numbers of at most 19
 * digits become doubles by one exact multiplication or division (Clinger 1990), as base/str_number.c does; the rest
 * goes there. */
#include "proto/line_protocol.h"
#include "base/time.h"

static const char *const texts[][2] = {
#define X(name, en, zh) {en, zh},
    LP_FAULTS(X)
#undef X
};

const char *lp_fault_text(enum lp_fault f, bool zh)
{
    return texts[f][zh];
}

/* What ends a name; the escape counts as an end for the scan's fast part. */
enum { BLANK = 1, COMMA = 2, EQUALS = 4, LINE = 8, ESCAPE = 16 };
static const uint8_t kind_of[256] = {[' '] = BLANK, [','] = COMMA, ['='] = EQUALS, ['\n'] = LINE, ['\\'] = ESCAPE};

/* First byte at or behind p that is one of `stop` and not escaped. */
static inline const char *scan(const char *p, const char *end, unsigned stop)
{
    for (;; p++) {
        while (p < end && !(kind_of[(uint8_t)*p] & (stop | ESCAPE))) p++;
        if (p >= end || *p != '\\') return p < end ? p : end;
        if (p + 1 < end && (kind_of[(uint8_t)p[1]] & (BLANK | COMMA | EQUALS | ESCAPE))) p++;
    }
}

static const struct {
    const char *name;
    int64_t mul, div;
} units[] = {{"", 1, 1000},      {"ns", 1, 1000}, {"n", 1, 1000},    {"us", 1, 1},       {"u", 1, 1},
             {"\xc2\xb5", 1, 1}, {"ms", 1000, 1}, {"s", 1000000, 1}, {"m", 60000000, 1}, {"h", 3600000000, 1}};

int lp_init(struct lp *r, struct str text, struct str precision)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!str_is(precision, units[i].name)) continue;
        r->p = text.p;
        r->end = text.p + text.n;
        r->line = 1;
        r->mul = units[i].mul;
        r->div = units[i].div;
        return 0;
    }
    return ERR_INVALID;
}

/* ---- numbers ---- */

static const double pow10_of[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline bool digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool over(const char *p, const char *end)
{
    return p >= end || kind_of[(uint8_t)*p] & (BLANK | COMMA | LINE) || *p == '\r';
}

/* End of the value at p: the next comma, blank or line break. */
static const char *token_end(const char *p, const char *end)
{
    while (!over(p, end)) p++;
    return p;
}

static enum lp_fault slow_float(const char *start, const char *end, struct lp_field *f, const char **ret_p)
{
    const char *stop = token_end(start, end);
    *ret_p = stop;
    f->type = LP_FLOAT;
    return str_to_double(str_make(start, (size_t)(stop - start)), &f->d) ? LP_BAD_NUMBER : LP_NONE;
}

static enum lp_fault whole(const char *start, const char *end, bool neg, uint64_t u, bool overflow, struct lp_field *f)
{
    bool is_signed = *end == 'i';
    if (!is_signed && neg) return LP_BAD_NUMBER;
    if (overflow || (is_signed && u > (uint64_t)INT64_MAX + neg)) return LP_RANGE;
    f->type = is_signed ? LP_INT : LP_UINT;
    if (is_signed)
        f->i = neg ? (int64_t)(0 - u) : (int64_t)u;
    else
        f->u = u;
    return LP_NONE;
}

/* A number at p: sign, digits, fraction in one go; exponents and long ones the slow way. */
static enum lp_fault number(const char *p, const char *end, struct lp_field *f, const char **ret_p)
{
    const char *start = p, *digits;
    bool neg = *p == '-', overflow = false;
    uint64_t u = 0;
    if (neg || *p == '+') p++;
    for (digits = p; p < end && digit(*p); p++)
        overflow |= __builtin_mul_overflow(u, 10, &u) || __builtin_add_overflow(u, (unsigned)(*p - '0'), &u);
    size_t n = (size_t)(p - digits);
    if (n && p < end && (*p == 'i' || *p == 'u') && over(p + 1, end)) {
        *ret_p = p + 1;
        return whole(start, p, neg, u, overflow, f);
    }
    const char *fraction = p;
    if (p < end && *p == '.')
        for (p++; p < end && digit(*p) && p - digits < 20; p++) u = u * 10 + (unsigned)(*p - '0');
    size_t decimals = p > fraction ? (size_t)(p - fraction - 1) : 0;
    if (n + decimals == 0 || n + decimals > 18 || decimals > 22 || u > 1ull << 53 || !over(p, end))
        return slow_float(start, end, f, ret_p);
    double d = (double)u / pow10_of[decimals];
    f->type = LP_FLOAT;
    f->d = neg ? -d : d;
    *ret_p = p;
    return LP_NONE;
}

/* ---- values ---- */

static enum lp_fault boolean(const char *p, const char *end, struct lp_field *f, const char **ret_p)
{
    static const char *const words[] = {"f", "F", "false", "False", "FALSE", "t", "T", "true", "True", "TRUE"};
    const char *stop = token_end(p, end);
    struct str s = str_make(p, (size_t)(stop - p));
    *ret_p = stop;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!str_is(s, words[i])) continue;
        f->type = LP_BOOL;
        f->b = i >= 5;
        return LP_NONE;
    }
    return LP_BAD_NUMBER;
}

static enum lp_fault text(struct lp *r, const char *p, struct lp_field *f, const char **ret_p)
{
    const char *start = ++p;
    size_t lines = 0;
    for (; p < r->end && *p != '"'; p++) {
        lines += *p == '\n';
        if (*p == '\\' && p + 1 < r->end && (p[1] == '"' || p[1] == '\\')) p++;
    }
    *ret_p = p;
    if (p >= r->end) {
        *ret_p = start; /* the next line may be a good one */
        return LP_OPEN_QUOTE;
    }
    *ret_p = p + 1;
    r->line += lines;
    f->type = LP_STRING;
    f->s = str_make(start, (size_t)(p - start));
    return f->s.n > LP_TEXT_MAX ? LP_LONG_TEXT : over(p + 1, r->end) ? LP_NONE : LP_BAD_FIELD;
}

static inline enum lp_fault value(struct lp *r, const char *p, struct lp_field *f, const char **ret_p)
{
    *ret_p = p;
    if (p >= r->end) return LP_BAD_FIELD;
    if (digit(*p) || *p == '-' || *p == '+' || *p == '.') return number(p, r->end, f, ret_p);
    if (*p == '"') return text(r, p, f, ret_p);
    return boolean(p, r->end, f, ret_p);
}

static enum lp_fault fields(struct lp *r, const char *p, struct lp_line *ret, const char **ret_p)
{
    for (ret->nfields = 0;; p++) {
        *ret_p = p;
        if (ret->nfields == LP_FIELDS_MAX) return LP_MANY_FIELDS;
        struct lp_field *f = &r->field[ret->nfields];
        const char *key = p;
        p = scan(p, r->end, EQUALS | BLANK | COMMA | LINE);
        *ret_p = p;
        if (p >= r->end || *p != '=' || p == key) return ret->nfields || p > key ? LP_BAD_FIELD : LP_NO_FIELDS;
        f->key = str_make(key, (size_t)(p - key));
        enum lp_fault fault = value(r, p + 1, f, &p);
        *ret_p = p;
        if (fault) return fault;
        ret->nfields++;
        if (p >= r->end || *p != ',') return LP_NONE;
    }
}

static enum lp_fault time_stamp(const struct lp *r, const char *p, struct lp_line *ret, const char **ret_p)
{
    bool neg = p < r->end && *p == '-';
    uint64_t u = 0;
    const char *digits = p += neg;
    for (; p < r->end && digit(*p); p++) {
        if (p - digits >= 19) return *ret_p = p, LP_TIME_RANGE;
        u = u * 10 + (unsigned)(*p - '0');
    }
    *ret_p = p;
    if (p == digits || !(p >= r->end || *p == '\n' || *p == ' ' || *p == '\r')) return LP_BAD_TIME;
    if (u > INT64_MAX) return LP_TIME_RANGE;
    int64_t t = neg ? -(int64_t)u : (int64_t)u;
    if (r->div > 1)
        t = t / r->div - (t % r->div < 0);
    else if (__builtin_mul_overflow(t, r->mul, &t))
        return LP_TIME_RANGE;
    ret->time_us = t;
    ret->has_time = true;
    return t < TIME_MIN_US || t > TIME_MAX_US ? LP_TIME_RANGE : LP_NONE;
}

/* ---- lines ---- */

enum lp_fault lp_tags_check(struct str tags)
{
    const char *p = tags.p, *end = tags.p ? tags.p + tags.n : NULL;
    while (p) {
        const char *key = p;
        p = scan(p, end, EQUALS | COMMA);
        if (p >= end || *p != '=' || p == key) return LP_BAD_TAG;
        const char *v = ++p;
        p = scan(p, end, COMMA);
        if (p == v) return LP_BAD_TAG;
        p = p < end ? p + 1 : NULL;
        if (p == end) return LP_BAD_TAG; /* a comma and nothing behind it */
    }
    return LP_NONE;
}

static enum lp_fault head(struct lp *r, const char *p, struct lp_line *ret, const char **ret_p)
{
    const char *start = p, *name;
    name = p = scan(p, r->end, COMMA | BLANK | LINE);
    if (p < r->end && *p == ',') p = scan(p + 1, r->end, BLANK | LINE);
    *ret_p = p;
    ret->series = str_make(start, (size_t)(p - start));
    ret->measurement = str_make(start, (size_t)(name - start));
    ret->tags = name < p ? str_make(name + 1, (size_t)(p - name - 1)) : STR_NULL;
    if (!ret->measurement.n) return LP_NO_NAME;
    if (p >= r->end || *p == '\n') return LP_NO_FIELDS;
    return LP_NONE;
}

static inline const char *blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\r')) p++;
    return p;
}

static enum lp_fault one_line(struct lp *r, const char *p, struct lp_line *ret, const char **ret_p)
{
    enum lp_fault fault = head(r, p, ret, &p);
    if (!fault) fault = fields(r, blanks(p, r->end), ret, &p);
    if (!fault) p = blanks(p, r->end);
    if (!fault && p < r->end && *p != '\n') {
        fault = time_stamp(r, p, ret, &p);
        if (!fault) p = blanks(p, r->end);
        if (!fault && p < r->end && *p != '\n') fault = LP_BAD_TIME;
    }
    *ret_p = p;
    return fault;
}

int lp_next(struct lp *r, struct lp_line *ret)
{
    const char *p = r->p;
    for (;; p++) { /* empty lines and comments */
        while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
        if (p < r->end && *p == '#')
            while (p < r->end && *p != '\n') p++;
        if (p >= r->end || *p != '\n') break;
        r->line++;
    }
    r->p = p;
    if (p >= r->end) return 0;
    ret->has_time = false;
    ret->nfields = 0;
    ret->field = r->field;
    ret->number = r->line;
    ret->fault = one_line(r, p, ret, &p);
    if (ret->fault) {
        const char *lf = p < r->end ? memchr(p, '\n', (size_t)(r->end - p)) : NULL;
        p = lf ? lf : r->end;
    }
    r->line++;
    r->p = p < r->end ? p + 1 : p;
    return ret->fault ? -1 : 1;
}

bool lp_tag_next(struct str *tags, struct str *ret_key, struct str *ret_value)
{
    if (!tags->p || !tags->n) return false;
    const char *end = tags->p + tags->n, *eq = scan(tags->p, end, EQUALS | COMMA), *v = eq < end ? eq + 1 : end;
    const char *stop = scan(v, end, COMMA);
    *ret_key = str_make(tags->p, (size_t)(eq - tags->p));
    *ret_value = str_make(v, (size_t)(stop - v));
    *tags = stop < end ? str_make(stop + 1, (size_t)(end - stop - 1)) : STR_NULL;
    return true;
}

static void unescape(struct buf *out, struct str raw, const char *which)
{
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\' && i + 1 < raw.n && strchr(which, raw.p[i + 1]) && raw.p[i + 1]) i++;
        buf_u8(out, (uint8_t)raw.p[i]);
    }
}

void lp_unescape(struct buf *out, struct str raw)
{
    unescape(out, raw, " ,=\\");
}

void lp_unescape_text(struct buf *out, struct str raw)
{
    unescape(out, raw, "\"\\");
}
