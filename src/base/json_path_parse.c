/* json_path_parse.c - the text of a JSONPath into its segments (json_path_int.h). Recursive descent, one function a
 * rule of RFC 9535; the depth of filters and brackets is bounded. Beyond the RFC: the "$" may be missing, blanks may
 * stand around the whole, and a short name may hold "-" after its first character. Functions of filters (length(),
 * match() …) are refused by name. */
#include "base/json_path_int.h"
#include "base/utf8.h"

struct parser {
    struct str text;
    size_t pos;
    struct arena *a;
    unsigned nest;
    struct error *e;
};

static int fault(const struct parser *p, const char *en, const char *zh)
{
    struct str near = str_sub(p->text, p->pos, 16);
    near.n = utf8_floor(near, near.n);
    if (p->pos >= p->text.n)
        return error_set(p->e, ERR_INVALID, "", "JSONPath ends at character %zu, but %s%.0s is expected there",
                         "JSONPath 在第 %zu 个字符处结束，此处应有%.0s%s", p->pos + 1, en, zh);
    return error_set(p->e, ERR_INVALID, "", "JSONPath, character %zu: %s%.0s is expected, there stands '%.*s'",
                     "JSONPath 第 %zu 个字符：应为%.0s%s，现为“%.*s”", p->pos + 1, en, zh, STR_ARG(near));
}

static int out_of_memory(const struct parser *p)
{
    return error_set(p->e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int peek(const struct parser *p)
{
    return p->pos < p->text.n ? (unsigned char)p->text.p[p->pos] : -1;
}

static bool take(struct parser *p, const char *z)
{
    struct str s = str_of(z);
    if (!str_starts(str_sub(p->text, p->pos, p->text.n), s)) return false;
    p->pos += s.n;
    return true;
}

static void blanks(struct parser *p)
{
    for (int c = peek(p); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(p)) p->pos++;
}

static bool digit(int c)
{
    return c >= '0' && c <= '9';
}
static bool name_first(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

/* ---- literals ---- */

static int hex4(struct parser *p, uint32_t *ret)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++, p->pos++) {
        int c = peek(p), low = c | 32;
        if (digit(c))
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            return fault(p, "four hexadecimal digits", "四位十六进制数字");
    }
    *ret = v;
    return 0;
}

static int unicode(struct parser *p, char *out, size_t *n)
{
    uint32_t v = 0, low = 0;
    size_t at = p->pos;
    int rc = hex4(p, &v);
    if (!rc && v >= 0xd800 && v < 0xdc00 && take(p, "\\u")) {
        rc = hex4(p, &low);
        v = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00) : 0xd800;
    }
    if (rc) return rc;
    size_t k = utf8_encode(v, out + *n);
    if (!k) p->pos = at;
    if (!k) return fault(p, "a whole surrogate pair", "完整的代理对");
    *n += k;
    return 0;
}

static int escape(struct parser *p, char quote, char *out, size_t *n)
{
    static const char from[] = "bfnrt/\\", to[] = "\b\f\n\r\t/\\";
    int c = peek(p);
    if (c == 'u') {
        p->pos++;
        return unicode(p, out, n);
    }
    const char *at = c > 0 ? strchr(from, c) : NULL;
    if (!at && c != quote)
        return fault(p, "an escape (\\n, \\u00e9, \\\\, \\')", "转义字符（\\n、\\u00e9、\\\\、\\'）");
    out[(*n)++] = at ? to[at - from] : quote;
    p->pos++;
    return 0;
}

/* After the opening quote. */
static int quoted(struct parser *p, char quote, struct str *ret)
{
    char *out = arena_alloc(p->a, p->text.n - p->pos + 4);
    size_t n = 0;
    if (!out) return out_of_memory(p);
    for (;;) {
        int c = peek(p);
        if (c < 0x20)
            return fault(p, quote == '"' ? "a closing \"" : "a closing '", quote == '"' ? "结尾的 \"" : "结尾的 '");
        p->pos++;
        if (c == quote) break;
        if (c != '\\') {
            out[n++] = (char)c;
            continue;
        }
        int rc = escape(p, quote, out, &n);
        if (rc) return rc;
    }
    *ret = str_make(out, n);
    return 0;
}

/* An index: no leading zeros, no "-0", within I-JSON. */
static int integer(struct parser *p, int64_t *ret)
{
    size_t from = p->pos;
    int64_t v = 0;
    bool minus = take(p, "-");
    size_t first = p->pos;
    while (digit(peek(p)) && v <= PATH_INT_MAX) v = v * 10 + (p->text.p[p->pos++] - '0');
    bool bad = p->pos == first || v > PATH_INT_MAX || (p->text.p[first] == '0' && (p->pos - first > 1 || minus));
    if (bad) p->pos = from;
    if (bad) return fault(p, "a whole number without leading zeros", "没有前导零的整数");
    *ret = minus ? -v : v;
    return 0;
}

static int number(struct parser *p, const struct json **ret)
{
    size_t from = p->pos, n = 0;
    while (from + n < p->text.n && (digit(p->text.p[from + n]) || memchr("+-.eE", p->text.p[from + n], 5))) n++;
    struct json *v = NULL;
    if (json_parse(p->a, str_sub(p->text, from, n), &v, NULL)) return fault(p, "a number", "数字");
    p->pos += n;
    *ret = v;
    return 0;
}

static int word(struct parser *p, const struct json **ret)
{
    struct json *v = take(p, "true")    ? json_new_bool(p->a, true)
                     : take(p, "false") ? json_new_bool(p->a, false)
                     : take(p, "null")  ? json_new_null(p->a)
                                        : NULL;
    if (!v)
        return fault(p, "@, $, a number, a quoted text, true, false or null",
                     "@、$、数字、带引号的文本、true、false 或 null");
    *ret = v;
    return 0;
}

/* ---- filters ---- */

static int segments(struct parser *p, struct json_path_query *q);

static int query(struct parser *p, const struct json_path_query **ret)
{
    struct json_path_query *q = arena_calloc(p->a, 1, sizeof *q);
    if (!q) return out_of_memory(p);
    q->relative = take(p, "@");
    if (!q->relative && !take(p, "$")) return fault(p, "@ or $", "@ 或 $");
    *ret = q;
    return segments(p, q);
}

static bool singular(const struct json_path_query *q)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct path_segment *s = &q->seg[i];
        if (s->descend || s->n != 1 || (s->sel->kind != SELECT_NAME && s->sel->kind != SELECT_INDEX)) return false;
    }
    return true;
}

static int operand(struct parser *p, struct path_operand *ret)
{
    int c = peek(p);
    if (c == '@' || c == '$') return query(p, &ret->query);
    if (c == '-' || digit(c)) return number(p, &ret->literal);
    if (c != '"' && c != '\'') return word(p, &ret->literal);
    struct str s = STR_NULL;
    p->pos++;
    int rc = quoted(p, (char)c, &s);
    ret->literal = rc ? NULL : json_new_str(p->a, s);
    return rc ? rc : ret->literal ? 0 : out_of_memory(p);
}

static bool comparison(struct parser *p, enum path_op *ret)
{
    static const struct {
        const char *text;
        enum path_op op;
    } all[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"<", OP_LT}, {">", OP_GT}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (take(p, all[i].text)) {
            *ret = all[i].op;
            return true;
        }
    return false;
}

static int one_node(struct parser *p, const struct path_operand *o, size_t at)
{
    if (!o->query || singular(o->query)) return 0;
    p->pos = at;
    return fault(p, "a path to a single node (only names and indices) in a comparison",
                 "比较中只能用指向单个节点的路径（仅名称和下标）");
}

/* @.a, @.a==1, 'x'<@.b */
static int test(struct parser *p, const struct path_expr **ret)
{
    struct path_expr *x = arena_calloc(p->a, 1, sizeof *x);
    if (!x) return out_of_memory(p);
    *ret = x;
    size_t at = p->pos;
    int rc = operand(p, &x->left);
    if (rc) return rc;
    size_t end = p->pos;
    blanks(p);
    if (!comparison(p, &x->op)) {
        p->pos = x->left.query ? end : p->pos;
        x->op = OP_EXISTS;
        x->query = x->left.query;
        return x->query ? 0 : fault(p, "a comparison (== != < <= > >=)", "比较符（== != < <= > >=）");
    }
    rc = one_node(p, &x->left, at);
    if (rc) return rc;
    blanks(p);
    at = p->pos;
    rc = operand(p, &x->right);
    return rc ? rc : one_node(p, &x->right, at);
}

static int any_of(struct parser *p, const struct path_expr **ret);

static int bracketed(struct parser *p, const struct path_expr **ret)
{
    if (++p->nest > PATH_NEST_MAX) return fault(p, "less nesting (at most 8)", "更少的嵌套（最多 8 层）");
    blanks(p);
    int rc = any_of(p, ret);
    if (rc) return rc;
    blanks(p);
    p->nest--;
    return take(p, ")") ? 0 : fault(p, "')', && or ||", "“)”、&& 或 ||");
}

static int negation(struct parser *p, const struct path_expr **ret)
{
    struct path_expr *x = arena_calloc(p->a, 1, sizeof *x);
    if (!x) return out_of_memory(p);
    *x = (struct path_expr){.op = OP_NOT};
    *ret = x;
    blanks(p);
    if (take(p, "(")) return bracketed(p, &x->a);
    size_t at = p->pos;
    int rc = test(p, &x->a);
    if (rc || x->a->op == OP_EXISTS) return rc;
    p->pos = at;
    return fault(p, "'(' before a comparison after '!'", "“!”之后的比较前须有“(”");
}

static int part(struct parser *p, const struct path_expr **ret)
{
    if (take(p, "!")) return negation(p, ret);
    return take(p, "(") ? bracketed(p, ret) : test(p, ret);
}

/* a && b && …, a || b || … */
static int joined(struct parser *p, const char *by, enum path_op op,
                  int (*next)(struct parser *, const struct path_expr **), const struct path_expr **ret)
{
    int rc = next(p, ret);
    while (!rc) {
        size_t end = p->pos;
        blanks(p);
        if (!take(p, by)) {
            p->pos = end;
            break;
        }
        struct path_expr *x = arena_calloc(p->a, 1, sizeof *x);
        if (!x) return out_of_memory(p);
        x->op = op;
        x->a = *ret;
        blanks(p);
        rc = next(p, &x->b);
        *ret = x;
    }
    return rc;
}

static int all_of(struct parser *p, const struct path_expr **ret)
{
    return joined(p, "&&", OP_AND, part, ret);
}
static int any_of(struct parser *p, const struct path_expr **ret)
{
    return joined(p, "||", OP_OR, all_of, ret);
}

static int filter(struct parser *p, struct path_selector *s)
{
    s->kind = SELECT_FILTER;
    if (++p->nest > PATH_NEST_MAX) return fault(p, "less nesting (at most 8)", "更少的嵌套（最多 8 层）");
    blanks(p);
    int rc = any_of(p, &s->filter);
    p->nest--;
    return rc;
}

/* ---- selectors and segments ---- */

static int slice_number(struct parser *p, bool *has, int64_t *v)
{
    blanks(p);
    *has = peek(p) == '-' || digit(peek(p));
    int rc = *has ? integer(p, v) : 0;
    blanks(p);
    return rc;
}

/* After [from. */
static int slice(struct parser *p, struct path_selector *s)
{
    bool has = false;
    s->kind = SELECT_SLICE;
    s->step = 1;
    int rc = slice_number(p, &s->has_to, &s->to);
    if (rc || !take(p, ":")) return rc;
    return slice_number(p, &has, &s->step);
}

static int index_or_slice(struct parser *p, struct path_selector *s)
{
    int rc = slice_number(p, &s->has_from, &s->from);
    if (rc) return rc;
    if (take(p, ":")) return slice(p, s);
    s->kind = SELECT_INDEX;
    return s->has_from ? 0
                       : fault(p, "a name in quotes, an index, a slice, * or ?", "带引号的名称、下标、切片、* 或 ?");
}

static int selector(struct parser *p, struct path_selector *s)
{
    int c = peek(p);
    *s = (struct path_selector){.kind = SELECT_NAME};
    if (c == '"' || c == '\'') {
        p->pos++;
        return quoted(p, (char)c, &s->name);
    }
    if (take(p, "?")) return filter(p, s);
    if (!take(p, "*")) return index_or_slice(p, s);
    s->kind = SELECT_ALL;
    return 0;
}

static int keep_selectors(struct parser *p, const struct path_selector *sel, size_t n, struct path_segment *g)
{
    struct path_selector *all = arena_alloc(p->a, n * sizeof *all);
    if (!all) return out_of_memory(p);
    memcpy(all, sel, n * sizeof *all);
    g->sel = all;
    g->n = n;
    return 0;
}

/* After "[". */
static int brackets(struct parser *p, struct path_segment *g)
{
    struct path_selector sel[PATH_SELECTORS_MAX];
    size_t n = 0;
    do {
        if (n == PATH_SELECTORS_MAX) return fault(p, "at most 64 selectors", "最多 64 个选择项");
        blanks(p);
        int rc = selector(p, &sel[n++]);
        if (rc) return rc;
        blanks(p);
    } while (take(p, ","));
    if (!take(p, "]")) return fault(p, "']'", "“]”");
    return keep_selectors(p, sel, n, g);
}

/* A name without quotes, or *. */
static int shorthand(struct parser *p, struct path_segment *g)
{
    struct path_selector s = {.kind = SELECT_ALL};
    size_t from = p->pos;
    if (take(p, "*")) return keep_selectors(p, &s, 1, g);
    if (digit(peek(p)))
        return fault(p, "a name; an index goes in brackets ([0]), a name of digits in quotes (['0'])",
                     "名称；下标须写在方括号中（[0]），数字名称须加引号（['0']）");
    if (!name_first(peek(p))) return fault(p, "a name, '*' or '['", "名称、“*”或“[”");
    while (name_first(peek(p)) || digit(peek(p)) || peek(p) == '-') p->pos++;
    if (peek(p) == '(') return fault(p, "no function (functions are not supported)", "非函数（不支持函数）");
    s.kind = SELECT_NAME;
    s.name = arena_str(p->a, str_sub(p->text, from, p->pos - from));
    return s.name.p ? keep_selectors(p, &s, 1, g) : out_of_memory(p);
}

/* bare: the "$" is missing, a name may begin at once. 1: there was one, 0: none */
static int segment(struct parser *p, bool bare, struct path_segment *g)
{
    size_t from = p->pos;
    int rc;
    blanks(p);
    if (take(p, "["))
        rc = brackets(p, g);
    else if (take(p, "..") && (g->descend = true))
        rc = take(p, "[") ? brackets(p, g) : shorthand(p, g);
    else if (take(p, ".") || (bare && peek(p) >= 0))
        rc = shorthand(p, g);
    else {
        p->pos = from;
        return 0;
    }
    return rc ? rc : 1;
}

static int segments_from(struct parser *p, bool bare, struct json_path_query *q)
{
    struct path_segment seg[PATH_SEGMENTS_MAX + 1] = {0};
    size_t n = 0;
    for (int rc; (rc = segment(p, bare && n == 0, &seg[n])) != 0;) {
        if (rc < 0) return rc;
        if (++n > PATH_SEGMENTS_MAX) return fault(p, "at most 32 segments", "最多 32 段");
    }
    struct path_segment *all = arena_alloc(p->a, (n + !n) * sizeof *all);
    if (!all) return out_of_memory(p);
    memcpy(all, seg, n * sizeof *all);
    q->seg = all;
    q->n = n;
    return 0;
}

static int segments(struct parser *p, struct json_path_query *q)
{
    return segments_from(p, false, q);
}

int json_path_compile(struct str text, struct arena *a, const struct json_path_query **ret, struct error *e)
{
    struct parser p = {.text = str_trim(text), .a = a, .e = e};
    if (text.n > PATH_TEXT_MAX)
        return error_set(e, ERR_INVALID, "", "JSONPath has %zu bytes; at most %d", "JSONPath 有 %zu 字节，最多 %d",
                         text.n, PATH_TEXT_MAX);
    if (!utf8_valid(text)) return error_set(e, ERR_INVALID, "", "JSONPath is not UTF-8", "JSONPath 不是 UTF-8");
    struct json_path_query *q = arena_calloc(a, 1, sizeof *q);
    if (!q) return out_of_memory(&p);
    int rc = segments_from(&p, !take(&p, "$"), q);
    if (rc) return rc;
    if (p.pos < p.text.n) return fault(&p, "'.', '[' or the end", "“.”、“[”或结尾");
    *ret = q;
    return 0;
}
