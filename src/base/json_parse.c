/* json_parse.c - JSON text to events, and events to a tree.
 *
 * Design: one iterative loop (walk) over the text with a stack of at most JSON_DEPTH_MAX bits of state. It
 * is compiled twice: for the tree, with the handlers inlined, and for json_sax, with the caller's.
 * Strings are scanned eight bytes at a time and pointed to where they stand; those with escapes are decoded
 * into the arena. Duplicate keys: the first KEYS_NEAR of an object are compared one by one behind a 64-bit
 * filter, from there on they go to a keyed hash table.
 * Bounds: the arena for values, one table slot for each key of open objects, errors by text position.
 * Owner of results: the arena. Threads: pure. */
#include "base/json_int.h"
#include "base/mem.h"
#include "base/str_int.h"
#include "base/utf8.h"
#include <stdio.h>

enum { KEYS_NEAR = 12 };

struct level {
    enum json_type type;
    uint32_t id;     /* of this object, for the table; ids grow, inner ones are larger */
    size_t count;    /* keys so far */
    uint64_t filter; /* bits of the keys in `near` */
    struct str near[KEYS_NEAR];
};

struct parser {
    const char *text, *p, *end;
    struct arena *arena;
    struct error *e;
    struct str key; /* of the value to come; {NULL,0} in arrays */
    struct json_keys keys;
    uint32_t objects;
    size_t depth;
    struct level levels[JSON_DEPTH_MAX];
};

/* ---- errors ---- */

static int fail_at(struct parser *ps, const char *at, const char *en, const char *zh)
{
    if (!ps->e) return ERR_INVALID;
    const char *line_start = ps->text;
    size_t line = 1;
    for (const char *q = ps->text; q < at; q++) {
        if (*q == '\n') line++, line_start = q + 1;
    }
    size_t column = utf8_len(str_make(line_start, (size_t)(at - line_start))) + 1;
    char where[64], found[16] = "";
    snprintf(where, sizeof(where), "line %zu, column %zu", line, column);
    if (at >= ps->end) /* %.0s: the text of the other language */
        return error_set(ps->e, ERR_INVALID, where, "JSON: %s%.0s, but the text ends", "JSON：%.0s%s，但文本已结束", en,
                         zh);
    unsigned char c = (unsigned char)*at;
    snprintf(found, sizeof(found), c > 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    return error_set(ps->e, ERR_INVALID, where, "JSON: %s%.0s, found %s", "JSON：%.0s%s，却是 %s", en, zh, found);
}

static int out_of_memory(struct parser *ps, size_t wanted)
{
    bool full = wanted > ps->arena->max || ps->arena->used > ps->arena->max - wanted;
    if (full) return error_set(ps->e, ERR_TOO_LARGE, NULL, "JSON: too large", "JSON：过大");
    return error_set(ps->e, ERR_NOMEM, NULL, "JSON: out of memory", "JSON：内存不足");
}

/* ---- scalars ---- */

static inline void skip_blanks(struct parser *ps)
{
    while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\n' || *ps->p == '\r' || *ps->p == '\t')) ps->p++;
}

/* Non-zero where a byte of v is '"', '\\', below 0x20 or not ASCII; exact up to the first such byte. */
static inline uint64_t special_bytes(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
    return ((quote - ones) | (slash - ones) | (v - ones * 0x20) | v) & highs;
}

/* First byte from p on that a string cannot simply contain; high bytes count only for *high. */
static const char *string_run(const char *p, const char *end, bool *high)
{
    for (;;) {
        for (uint64_t v; end - p >= 8; p += 8) {
            memcpy(&v, p, 8);
            if (special_bytes(v)) break;
        }
        for (; p < end; p++) {
            unsigned char c = (unsigned char)*p;
            if (c == '"' || c == '\\' || c < 0x20) return p;
            if (c < 0x80) continue;
            *high = true;
            p++;
            break;
        }
        if (p >= end) return p;
    }
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* \uXXXX at p (behind the u), a pair of surrogates as one. Returns bytes eaten, 0 on error. */
static size_t unicode_escape(const char *p, const char *end, uint32_t *ret)
{
    int a = hex4(p, end);
    if (a < 0 || (a >= 0xdc00 && a <= 0xdfff)) return 0;
    *ret = (uint32_t)a;
    if (a < 0xd800 || a > 0xdbff) return 4;
    if (end - p < 10 || p[4] != '\\' || p[5] != 'u') return 0;
    int b = hex4(p + 6, end);
    if (b < 0xdc00 || b > 0xdfff) return 0;
    *ret = 0x10000 + (((uint32_t)a & 0x3ff) << 10 | ((uint32_t)b & 0x3ff));
    return 10;
}

static const char escapes[128] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

/* One escape at *p ('\\') into out; 0 or an error. */
static int decode_escape(struct parser *ps, const char **p, char **out)
{
    unsigned char c = *p + 1 < ps->end ? (unsigned char)(*p)[1] : 0;
    if (c == 'u') {
        uint32_t cp;
        size_t n = unicode_escape(*p + 2, ps->end, &cp);
        if (n == 0)
            return fail_at(ps, *p, "expected \\u and four hex digits, surrogates in pairs",
                           "\\u 后应为四位十六进制数，代理项须成对");
        *out += utf8_encode(cp, *out);
        *p += 2 + n;
        return 0;
    }
    if (c >= 128 || !escapes[c]) return fail_at(ps, *p, "unknown escape", "未知的转义");
    *(*out)++ = escapes[c];
    *p += 2;
    return 0;
}

/* A string with escapes: ps->p at its first byte, `slash` at the first escape. */
static int decode_string(struct parser *ps, const char *slash, const char *close, struct str *ret)
{
    char *start = arena_alloc(ps->arena, (size_t)(close - ps->p));
    if (!start) return out_of_memory(ps, (size_t)(close - ps->p));
    size_t head = (size_t)(slash - ps->p);
    memcpy(start, ps->p, head);
    char *out = start + head;
    for (const char *p = slash; p < close;) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        int rc = decode_escape(ps, &p, &out);
        if (rc) return rc;
    }
    *ret = str_make(start, (size_t)(out - start));
    return 0;
}

/* ps->p behind the opening quote; on success behind the closing one. */
static int scan_string(struct parser *ps, struct str *ret)
{
    bool high = false;
    const char *p = string_run(ps->p, ps->end, &high), *slash = NULL;
    while (p < ps->end && *p == '\\') {
        if (!slash) slash = p;
        if (ps->end - p < 2) return fail_at(ps, ps->end, "expected the end of the string '\"'", "应为字符串结尾 '\"'");
        p = string_run(p + 2, ps->end, &high);
    }
    if (p >= ps->end || *p != '"')
        return fail_at(ps, p, "a control character in a string must be escaped, and a string must end with '\"'",
                       "字符串中的控制字符须转义，且字符串须以 '\"' 结尾");
    struct str raw = str_make(ps->p, (size_t)(p - ps->p));
    size_t valid = high ? utf8_check(raw) : raw.n;
    if (valid < raw.n) return fail_at(ps, raw.p + valid, "expected valid UTF-8", "应为有效的 UTF-8");
    if (!slash) {
        *ret = raw;
    } else {
        int rc = decode_string(ps, slash, p, ret);
        if (rc) return rc;
    }
    ps->p = p + 1;
    return 0;
}

static int scan_number(struct parser *ps, struct json *v)
{
    struct number num = number_scan(ps->p, ps->end, true);
    if (num.n == 0) return fail_at(ps, ps->p, "malformed number", "数字格式错误");
    bool fits = num.integer && !num.inexact && num.digits <= (uint64_t)INT64_MAX + num.neg;
    if (fits && !(num.neg && num.digits == 0)) { /* -0 keeps its sign as a double */
        v->type = JSON_INT;
        v->i = num.neg ? (int64_t)(0 - num.digits) : (int64_t)num.digits;
    } else {
        v->type = JSON_DOUBLE;
        if (number_to_double(ps->p, &num, &v->d)) return fail_at(ps, ps->p, "number out of range", "数字超出范围");
    }
    ps->p += num.n;
    return 0;
}

static bool scan_word(struct parser *ps, const char *word, size_t n)
{
    if ((size_t)(ps->end - ps->p) < n || memcmp(ps->p, word, n) != 0) return false;
    ps->p += n;
    return true;
}

static int scan_literal(struct parser *ps, struct json *v)
{
    v->type = JSON_BOOL;
    v->b = *ps->p == 't';
    if (scan_word(ps, "true", 4) || scan_word(ps, "false", 5)) return 0;
    v->type = JSON_NULL;
    if (scan_word(ps, "null", 4)) return 0;
    return fail_at(ps, ps->p, "expected a value", "应为一个值");
}

static inline int scan_scalar(struct parser *ps, struct json *v)
{
    char c = *ps->p;
    if (c == '"') {
        ps->p++;
        v->type = JSON_STRING;
        return scan_string(ps, &v->s);
    }
    return c == '-' || (c >= '0' && c <= '9') ? scan_number(ps, v) : scan_literal(ps, v);
}

/* ---- keys ---- */

static inline uint64_t key_bit(struct str k)
{
    unsigned h = (unsigned)k.n * 7;
    if (k.n) h += (unsigned char)k.p[0] * 31u + (unsigned char)k.p[k.n - 1] * 5u + (unsigned char)k.p[k.n / 2];
    return 1ULL << (h & 63);
}

static bool near_has(const struct level *l, struct str key)
{
    for (size_t i = 0; i < l->count; i++) {
        if (str_eq(l->near[i], key)) return true;
    }
    return false;
}

/* Before a table grows: which objects still matter. */
static bool table_room(struct parser *ps)
{
    uint32_t open[JSON_DEPTH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < ps->depth; i++) {
        if (ps->levels[i].type == JSON_OBJECT) open[n++] = ps->levels[i].id;
    }
    return json_keys_room(&ps->keys, open, n);
}

static int table_add(struct parser *ps, const struct level *l, struct str key)
{
    if (ps->keys.cap * sizeof(struct json_key_slot) > ps->arena->max) return ERR_TOO_LARGE;
    if (ps->keys.used * 2 >= ps->keys.cap && !table_room(ps)) return ERR_NOMEM;
    return json_keys_add(&ps->keys, l->id, key, NULL) ? 0 : ERR_EXISTS;
}

static int far_add(struct parser *ps, struct level *l, struct str key)
{
    for (size_t i = 0; l->count == KEYS_NEAR && i < KEYS_NEAR; i++) {
        int rc = table_add(ps, l, l->near[i]);
        if (rc) return rc;
    }
    return table_add(ps, l, key);
}

static inline int key_add(struct parser *ps, struct level *l, struct str key)
{
    uint64_t bit = key_bit(key);
    int rc = 0;
    if (l->count < KEYS_NEAR) {
        if ((l->filter & bit) && near_has(l, key)) rc = ERR_EXISTS;
        l->near[l->count] = key;
        l->filter |= bit;
    } else {
        rc = far_add(ps, l, key);
    }
    l->count++;
    return rc;
}

static int key_failed(struct parser *ps, int rc, const char *at)
{
    if (rc == ERR_EXISTS) return fail_at(ps, at, "the same key twice in one object", "同一对象中键重复");
    if (rc == ERR_NOMEM) return error_set(ps->e, rc, NULL, "JSON: out of memory", "JSON：内存不足");
    return error_set(ps->e, rc, NULL, "JSON: an object with too many keys", "JSON：对象的键过多");
}

/* "key" : into ps->key. */
static int scan_key(struct parser *ps)
{
    skip_blanks(ps);
    const char *at = ps->p;
    if (at >= ps->end || *at != '"') return fail_at(ps, at, "expected a key in '\"'", "应为 '\"' 括起的键");
    ps->p++;
    int rc = scan_string(ps, &ps->key);
    if (rc) return rc;
    rc = key_add(ps, &ps->levels[ps->depth - 1], ps->key);
    if (rc) return key_failed(ps, rc, at);
    skip_blanks(ps);
    if (ps->p >= ps->end || *ps->p != ':') return fail_at(ps, ps->p, "expected ':' after the key", "键后应为 ':'");
    ps->p++;
    return 0;
}

/* ---- the loop ---- */

static int enter(struct parser *ps, enum json_type type)
{
    if (ps->depth == JSON_DEPTH_MAX)
        return fail_at(ps, ps->p, "nested too deeply (at most 32)", "嵌套过深（最多32层）");
    struct level *l = &ps->levels[ps->depth++];
    l->type = type;
    l->count = 0;
    l->filter = 0;
    if (type == JSON_OBJECT) l->id = ++ps->objects;
    ps->p++;
    return 0;
}

/* After a value inside an array or object: ',' and 0, or the closing bracket and 1. */
static inline int separator(struct parser *ps, bool first)
{
    skip_blanks(ps);
    bool object = ps->levels[ps->depth - 1].type == JSON_OBJECT;
    char c = ps->p < ps->end ? *ps->p : '\0';
    if (c == (object ? '}' : ']')) {
        ps->p++;
        return 1;
    }
    if (first) return 0;
    if (c == ',' && ps->p < ps->end) {
        ps->p++;
        return 0;
    }
    return object ? fail_at(ps, ps->p, "expected ',' or '}'", "应为 ',' 或 '}'")
                  : fail_at(ps, ps->p, "expected ',' or ']'", "应为 ',' 或 ']'");
}

/* Close what has ended, then stand before the next value: 0, 1 when the text's value is complete. */
static inline __attribute__((always_inline)) int next_value(struct parser *ps, bool first, const struct json_sax *h,
                                                            void *ctx)
{
    for (; ps->depth; first = false) {
        int rc = separator(ps, first);
        if (rc < 0) return rc;
        enum json_type type = ps->levels[ps->depth - 1].type;
        if (rc == 0) {
            ps->key = STR_NULL;
            return type == JSON_OBJECT ? scan_key(ps) : 0;
        }
        ps->depth--;
        rc = h->close ? h->close(ctx, type) : 0;
        if (rc) return rc < 0 ? rc : rc + 1; /* 1 means complete here */
    }
    return 1;
}

/* One value: a scalar, or the opening of an array or object (*ret_first). */
static inline __attribute__((always_inline)) int one_value(struct parser *ps, bool *ret_first, const struct json_sax *h,
                                                           void *ctx)
{
    skip_blanks(ps);
    if (ps->p >= ps->end) return fail_at(ps, ps->p, "expected a value", "应为一个值");
    struct str key = ps->key;
    *ret_first = *ps->p == '{' || *ps->p == '[';
    if (*ret_first) {
        enum json_type type = *ps->p == '{' ? JSON_OBJECT : JSON_ARRAY;
        int rc = enter(ps, type);
        return rc ? rc : h->open ? h->open(ctx, type, key) : 0;
    }
    struct json v = {.key = key};
    int rc = scan_scalar(ps, &v);
    return rc ? rc : h->value ? h->value(ctx, &v, key) : 0;
}

static inline __attribute__((always_inline)) int walk(struct parser *ps, const struct json_sax *h, void *ctx)
{
    bool first = false;
    for (;;) {
        int rc = one_value(ps, &first, h, ctx);
        if (rc) return rc;
        rc = next_value(ps, first, h, ctx);
        if (rc == 1) break;
        if (rc) return rc < 0 ? rc : rc - 1;
    }
    skip_blanks(ps);
    return ps->p < ps->end ? fail_at(ps, ps->p, "expected nothing more after the value", "值之后不应再有内容") : 0;
}

static int begin(struct parser *ps, struct arena *a, struct str text, struct error *e)
{
    if (!text.p) text = STR(""); /* no arithmetic on NULL */
    ps->text = ps->p = text.p;
    ps->end = text.p + text.n;
    ps->arena = a;
    ps->e = e;
    ps->key = STR_NULL;
    ps->keys = (struct json_keys){0};
    ps->objects = 0;
    ps->depth = 0;
    if (text.n >= UINT32_MAX) return error_set(e, ERR_TOO_LARGE, NULL, "JSON: 4 GiB or more", "JSON：达到或超过 4 GiB");
    if (str_starts(text, STR("\xef\xbb\xbf")))
        return error_set(e, ERR_INVALID, "line 1, column 1",
                         "JSON: starts with a byte order mark, expected UTF-8 without one",
                         "JSON：以字节顺序标记开头，应为不带标记的 UTF-8");
    return 0;
}

/* ---- the two uses ---- */

int json_sax(struct arena *scratch, struct str text, const struct json_sax *h, void *ctx, struct error *e)
{
    struct parser ps;
    int rc = begin(&ps, scratch, text, e);
    if (rc == 0) rc = walk(&ps, h, ctx);
    json_keys_fini(&ps.keys);
    return rc;
}

struct tree {
    struct parser ps;
    struct json *root;
    struct json *open[JSON_DEPTH_MAX];
    size_t depth;
};

static inline __attribute__((always_inline)) struct json *tree_add(struct tree *t, const struct json *v)
{
    struct json *n = arena_alloc(t->ps.arena, sizeof(*n));
    if (!n) return NULL;
    *n = *v;
    if (t->depth == 0) {
        t->root = n;
        return n;
    }
    struct json *parent = t->open[t->depth - 1];
    if (parent->last)
        parent->last->next = n;
    else
        parent->child = n;
    parent->last = n;
    parent->count++;
    return n;
}

static inline int tree_value(void *ctx, const struct json *scalar, struct str key)
{
    struct tree *t = ctx;
    return tree_add(t, scalar) ? 0 : out_of_memory(&t->ps, sizeof(struct json));
}

static inline int tree_open(void *ctx, enum json_type type, struct str key)
{
    struct tree *t = ctx;
    struct json *n = tree_add(t, &(struct json){.type = type, .key = key});
    if (!n) return out_of_memory(&t->ps, sizeof(*n));
    t->open[t->depth++] = n;
    return 0;
}

static inline int tree_close(void *ctx, enum json_type type)
{
    struct tree *t = ctx;
    t->depth--;
    return 0;
}

int json_parse(struct arena *a, struct str text, struct json **ret, struct error *e)
{
    static const struct json_sax builder = {tree_value, tree_open, tree_close};
    struct tree t;
    t.root = NULL;
    t.depth = 0;
    int rc = begin(&t.ps, a, text, e);
    if (rc == 0) rc = walk(&t.ps, &builder, &t);
    json_keys_fini(&t.ps.keys);
    if (rc == 0) *ret = t.root;
    return rc;
}
