/* field_parse.c - fields and conditions as users write them (field_spec.h). */
#include "base/mem.h"
#include "proto/field_int.h"

static int bad(struct error *e, struct str t, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "address", "'%.*s': %s%.0s", "“%.*s”：%.0s%s", STR_ARG(t), en, zh);
}

/* ---- small parts ---- */

static bool cut_number(struct str *s, uint32_t *ret)
{
    uint64_t v = 0;
    size_t k = 0;
    while (k < s->n && s->p[k] >= '0' && s->p[k] <= '9' && v < 1000000) v = v * 10 + (uint64_t)(s->p[k++] - '0');
    *s = str_sub(*s, k, s->n);
    *ret = (uint32_t)v;
    return k > 0 && v <= 65536;
}

static bool cut_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c) return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

bool number_order(struct str text, unsigned *ret)
{
    static const struct {
        const char *name;
        unsigned order;
    } rows[] = {{"ABCD", 0}, {"CDAB", 1}, {"BADC", 2}, {"DCBA", 3}, {"BE", 0}, {"LE", 3}, {"AB", 0}, {"BA", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!str_ieq(text, str_of(rows[i].name))) continue;
        *ret = rows[i].order;
        return true;
    }
    return false;
}

static bool parse_type(struct str s, enum value_type *ret)
{
    static const char *const names[] = {
#define X(name, text, bytes, en, zh) text,
        VALUE_TYPES(X)
#undef X
    };
    for (int t = 0; t < VALUE_TYPE_COUNT; t++) {
        if (!str_is(s, names[t])) continue;
        *ret = (enum value_type)t;
        return number_bytes(*ret) > 0;
    }
    return false;
}

/* ---- binary ---- */

static int parse_bits(struct str t, struct str s, struct field *f, struct error *e)
{
    uint32_t lo, hi;
    if (!cut_number(&s, &lo)) return bad(e, t, "a bit is written 12.3, several 12.0-3", "位写作 12.3，多位写作 12.0-3");
    hi = lo;
    if (cut_char(&s, '-') && !cut_number(&s, &hi)) return bad(e, t, "bits are written 12.0-3", "多位写作 12.0-3");
    bool ordered = cut_char(&s, ':');
    if (ordered && !number_order(s, &f->order))
        return bad(e, t, "behind the bits stands BE or LE", "位之后为 BE 或 LE");
    if ((!ordered && s.n) || hi < lo || hi > 63)
        return bad(e, t, "bits run from the lower to the higher, 0 to 63", "位号从低到高，0 至 63");
    f->kind = FIELD_BITS;
    f->lo = lo;
    f->hi = hi;
    f->len = hi / 8 + 1;
    if (f->len == 3) f->len = 4;
    if (f->len > 4) f->len = 8;
    f->type = lo == hi ? VALUE_BOOL : VALUE_UINT64;
    return 0;
}

static int parse_slice(struct str t, struct str s, struct field *f, struct error *e)
{
    static const struct {
        const char *name;
        enum slice_kind kind;
        uint32_t max;
        enum value_type type;
    } rows[] = {
        {"uint", SLICE_UINT, 8, VALUE_UINT64}, {"int", SLICE_INT, 8, VALUE_INT64},
        {"bcd", SLICE_BCD, 9, VALUE_INT64},    {"number", SLICE_NUMBER, 64, VALUE_DOUBLE},
        {"hex", SLICE_HEX, 16, VALUE_UINT64},  {"text", SLICE_TEXT, 4096, VALUE_STRING},
    };
    struct str order = s, name;
    if (!cut_number(&order, &f->len) || f->len == 0 || !cut_char(&order, ':'))
        return bad(e, t, "a stretch is written OFFSET+LENGTH:KIND, for example 4+8:number",
                   "一段字节写作 偏移+长度:种类，例如 4+8:number");
    name = str_cut(&order, ':');
    if (order.p && !number_order(order, &f->order)) return bad(e, t, "the order is BE or LE", "字节序为 BE 或 LE");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!str_is(name, rows[i].name)) continue;
        if (f->len > rows[i].max) return bad(e, t, "that is too long for this kind", "对该种类而言过长");
        f->kind = FIELD_SLICE;
        f->slice = rows[i].kind;
        f->type = rows[i].type;
        return 0;
    }
    return bad(e, t, "kinds of stretches: uint, int, bcd, number, hex, text",
               "一段字节的种类：uint、int、bcd、number、hex、text");
}

static int parse_place(struct str t, enum value_type wanted, struct field *f, struct error *e)
{
    struct str s = t;
    bool negative = cut_char(&s, '-');
    uint32_t at;
    if (!cut_number(&s, &at) || (negative && at == 0))
        return bad(e, t, "an offset is 0 to 65536, or -1 and below from the end",
                   "偏移为 0 至 65536，或从末尾起 -1 及以下");
    f->at = negative ? -(int32_t)at : (int32_t)at;
    if (cut_char(&s, '.')) return parse_bits(t, s, f, e);
    if (cut_char(&s, '+')) return parse_slice(t, s, f, e);
    f->kind = FIELD_BINARY;
    f->type = number_bytes(wanted) ? wanted : VALUE_UINT8;
    if (cut_char(&s, ':')) {
        struct str order = s, name = str_cut(&order, ':');
        bool typed = parse_type(name, &f->type);
        if (!typed && !(number_order(name, &f->order) && order.p == NULL))
            return bad(e, t, "types: int8 uint8 int16 … uint64 float double bcd16 bcd32; then an order, 8:float:CDAB",
                       "类型：int8 uint8 int16 … uint64 float double bcd16 bcd32，其后为字节序，如 8:float:CDAB");
        if (order.p && !number_order(order, &f->order))
            return bad(e, t, "orders: ABCD (BE), CDAB, BADC, DCBA (LE)", "字节序：ABCD（BE）、CDAB、BADC、DCBA（LE）");
    } else if (s.n) {
        return bad(e, t, "behind the offset stands :type, .bit or +length", "偏移之后为 :类型、.位 或 +长度");
    }
    f->len = (uint32_t)number_bytes(f->type);
    return 0;
}

/* ---- text ---- */

#define REGEX_COST_MAX 4000
#define REGEX_DEPTH_MAX 16

/* Behind the closing bracket of "[...]" at re.p[i]; re.n when it does not close. */
static size_t skip_class(struct str re, size_t i)
{
    i += i + 1 < re.n && re.p[i + 1] == '^' ? 2 : 1;
    if (i < re.n && re.p[i] == ']') i++;
    while (i < re.n && re.p[i] != ']') i++;
    return i < re.n ? i + 1 : re.n;
}

/* How often a repetition at re.p[*i] has its operand built; moves *i behind it. 0: there is none. */
static uint64_t copies(struct str re, size_t *i)
{
    char c = *i < re.n ? re.p[*i] : 0;
    if (c != '+' && c != '*' && c != '?' && c != '{') return 0;
    struct str s = str_sub(re, ++*i, re.n);
    uint32_t lo = 0, hi = 0;
    if (c != '{') return c == '+' ? 2 : 1;
    bool number = cut_number(&s, &lo), open = cut_char(&s, ',');
    if (open) cut_number(&s, &hi);
    while (*i < re.n && re.p[*i] != '}') ++*i;
    if (*i < re.n) ++*i;
    return !number && !open ? 1 : hi > lo ? hi : (uint64_t)lo + 1;
}

/* The library builds the operand of + twice and that of {n} n times, nested ones for each of these again: what it would
 * build in all is bounded here, since it takes memory for it before anything can be said about it. */
static bool regex_modest(struct str re)
{
    uint64_t cost[REGEX_DEPTH_MAX + 1] = {0}, last = 0; /* of the open groups; of what a repetition would follow */
    size_t depth = 0;
    bool repeated = false; /* what stands before: "**" has no meaning and takes for ever */
    if (re.n > 200) return false;
    for (size_t i = 0; i < re.n;) {
        uint64_t n = copies(re, &i);
        if (n && repeated) return false;
        repeated = n != 0;
        if (n) {
            cost[depth] += last * (n - 1);
            last *= n;
        } else if (re.p[i] == '(') {
            if (++depth > REGEX_DEPTH_MAX) return false;
            cost[depth] = last = 0;
            i++;
        } else if (re.p[i] == ')' && depth) {
            last = cost[depth--] + 1;
            cost[depth] += last;
            i++;
        } else {
            if (re.p[i] == '\\' && i + 1 < re.n && re.p[i + 1] >= '1' && re.p[i + 1] <= '9') return false;
            i = re.p[i] == '[' ? skip_class(re, i) : re.p[i] == '\\' ? i + 2 : i + 1;
            last = 1;
            cost[depth]++;
        }
        if (cost[depth] > REGEX_COST_MAX || last > REGEX_COST_MAX) return false;
    }
    return true;
}

static int parse_regex(struct str t, struct str s, unsigned group, struct field *f, struct error *e)
{
    char text[FIELD_TEXT_MAX], why[120];
    if (!regex_modest(s))
        return bad(
            e, t,
            "at most 200 characters, no \\1, no ** or ++, no repetitions of repetitions that multiply beyond 4000",
            "最多 200 个字符，不支持 \\1 和 **、++，嵌套重复的总数不超过 4000");
    str_to_cstr(s, text, sizeof text);
    int rc = regcomp(&f->re, text, REG_EXTENDED);
    if (rc) {
        regerror(rc, &f->re, why, sizeof why);
        return error_set(e, ERR_INVALID, "address", "regular expression '%s': %s", "正则表达式“%s”：%s", text, why);
    }
    f->has_re = true;
    f->kind = FIELD_REGEX;
    f->nth = group;
    f->type = VALUE_DOUBLE;
    if (group > f->re.re_nsub || group > 9)
        return error_set(e, ERR_INVALID, "address", "'%s' has %zu groups in brackets, not %u",
                         "“%s”只有 %zu 个括号分组，没有第 %u 组", text, f->re.re_nsub, group);
    return 0;
}

static int parse_json(struct str s, struct field *f, struct error *e)
{
    arena_init(&f->a, 65536);
    f->kind = FIELD_JSON;
    f->type = VALUE_DOUBLE;
    struct str copy = arena_str(&f->a, s);
    if (copy.p == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = json_path_compile(copy, &f->a, &f->path, e);
    if (rc && e) str_to_cstr(STR("address"), e->where, sizeof e->where);
    return rc;
}

static int named(struct str t, struct str s, enum field_kind kind, struct field *f, struct error *e)
{
    f->kind = kind;
    f->type = kind == FIELD_TEXT ? VALUE_STRING : VALUE_DOUBLE;
    if (kind == FIELD_KEY && (s.n == 0 || !str_to_cstr(s, f->name, sizeof f->name)))
        return bad(e, t, "a key is missing: key:T1", "缺少键名：key:T1");
    return 0;
}

/* "regex 2" -> 2; *word without the number. */
static unsigned cut_nth(struct str *word)
{
    struct str rest = *word, head = str_cut(&rest, ' ');
    uint32_t n = 0;
    rest = str_trim(rest);
    if (rest.n == 0 || !cut_number(&rest, &n) || rest.n) return 0;
    *word = head;
    return n;
}

static int parse(struct str t, enum value_type wanted, struct field *f, struct error *e)
{
    struct str rest = t, word = str_trim(str_cut(&rest, ':'));
    if (t.n == 0)
        return bad(e, t, "empty; for example 12:int16, field 3 or json:$.v",
                   "为空；例如 12:int16、field 3 或 json:$.v");
    if ((t.p[0] >= '0' && t.p[0] <= '9') || t.p[0] == '-') return parse_place(t, wanted, f, e);
    unsigned nth = cut_nth(&word);
    bool bare = rest.p == NULL;
    if (str_is(word, "regex") && !bare) return parse_regex(t, rest, nth, f, e);
    if (str_is(word, "json") && !bare) return parse_json(rest, f, e);
    if (str_is(word, "key") && !bare) return named(t, str_trim(rest), FIELD_KEY, f, e);
    if (str_is(word, "text") && bare) return named(t, STR_NULL, FIELD_TEXT, f, e);
    f->nth = nth ? nth : 1;
    if (str_is(word, "number") && bare) return named(t, STR_NULL, FIELD_NUMBER, f, e);
    if (str_is(word, "field") && bare && nth) return named(t, STR_NULL, FIELD_COLUMN, f, e);
    return bad(e, t,
               "no field; right are 12:int16, 8:float:CDAB, 12.3, 4+8:number, field 3, number 1, text, key:T1, "
               "regex:…, json:$.v",
               "不是字段；正确的例子：12:int16、8:float:CDAB、12.3、4+8:number、field 3、number "
               "1、text、key:T1、regex:…、json:$.v");
}

int field_new(struct str text, enum value_type wanted, struct field **ret, struct error *e)
{
    struct field *f = mem_calloc(1, sizeof *f);
    if (f == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    text = str_trim(text);
    int rc = text.n < FIELD_TEXT_MAX
                 ? parse(text, wanted, f, e)
                 : error_set(e, ERR_INVALID, "address", "longer than %d characters", "超过 %d 个字符", FIELD_TEXT_MAX);
    if (rc) {
        field_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

void field_free(struct field *f)
{
    if (f == NULL) return;
    if (f->has_re) regfree(&f->re);
    arena_fini(&f->a);
    mem_free(f);
}

enum value_type field_type(const struct field *f)
{
    return f->type;
}

/* ---- conditions ---- */

struct clause {
    struct field *f;
    bool any, negated, numeric; /* any: it only has to be there */
    double number;
    char text[FIELD_TEXT_MAX];
};
struct condition {
    size_t n;
    struct clause c[8];
};

static bool whole_number(struct str s, double *ret)
{
    int64_t i = 0;
    if (str_to_double(s, ret) == 0) return true;
    if (!str_starts(s, STR("0x")) || s.n > 14 || s.n < 3) return false;
    for (size_t k = 2; k < s.n; k++) {
        const char *at = s.p[k] ? strchr("0123456789abcdefABCDEF", s.p[k]) : NULL;
        if (at == NULL) return false;
        int d = s.p[k] <= '9' ? s.p[k] - '0' : (s.p[k] | 32) - 'a' + 10;
        i = i << 4 | d;
    }
    *ret = (double)i;
    return true;
}

static int parse_clause(struct str t, struct clause *c, struct error *e)
{
    size_t eq = t.n;
    bool pattern = str_starts(t, STR("regex"));
    while (!pattern && eq > 0 && t.p[eq - 1] != '=') eq--;
    c->any = pattern || eq == 0;
    struct str left = c->any ? t : str_sub(t, 0, eq - 1), right = c->any ? STR_NULL : str_trim(str_sub(t, eq, t.n));
    c->negated = !c->any && left.n && left.p[left.n - 1] == '!';
    if (c->negated) left.n--;
    str_to_cstr(right, c->text, sizeof c->text);
    c->numeric = whole_number(right, &c->number);
    return field_new(left, VALUE_AUTO, &c->f, e);
}

int condition_new(struct str text, struct condition **ret, struct error *e)
{
    struct condition *c = mem_calloc(1, sizeof *c);
    int rc = c ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    while (rc == 0 && text.p) {
        struct str part = str_trim(str_cut(&text, ';'));
        if (part.n == 0) continue;
        if (c->n == 8)
            rc = error_set(e, ERR_INVALID, "", "at most 8 conditions joined by ';'", "最多用“;”连接 8 个条件");
        else
            rc = parse_clause(part, &c->c[c->n++], e);
    }
    if (rc) {
        condition_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void condition_free(struct condition *c)
{
    for (size_t i = 0; c && i < c->n; i++) field_free(c->c[i].f);
    mem_free(c);
}

static bool equal_value(const struct clause *c, const struct json *v)
{
    double d;
    struct str s = json_str(v, STR_NULL);
    if (c->numeric && v->type == JSON_STRING)
        return str_is(s, c->text) || (str_to_double(str_trim(s), &d) == 0 && d == c->number);
    if (v->type == JSON_STRING) return str_is(s, c->text);
    if (v->type == JSON_BOOL)
        return c->numeric ? v->b == (c->number != 0) : strcmp(c->text, v->b ? "true" : "false") == 0;
    return c->numeric && json_double(v, NAN) == c->number;
}

bool condition_holds(const struct condition *c, struct field_frame *fr)
{
    for (size_t i = 0; c && i < c->n; i++) {
        struct field_value v;
        bool there = field_get(c->c[i].f, fr, &v, NULL) == 0;
        bool holds = there && (c->c[i].any || equal_value(&c->c[i], &v.v));
        if (c->c[i].negated ? holds : !holds) return false;
    }
    return true;
}
