/* json_write.c - JSON text from calls or from a tree, compact.
 *
 * state[depth] tells what may follow at this depth. Wrong use by our own code is an assertion; what data can
 * cause (too deep, too large, no memory) sticks in the buffer as an error. */
#include "base/json.h"
#include <assert.h>
#include <math.h>
#include "base/mem.h"
#include "base/utf8.h"

enum { IN_OBJECT = 1, HAS_MEMBER = 2, HAS_KEY = 4 };

struct json_writer json_writer(struct buf *out)
{
    return (struct json_writer){.out = out};
}

static inline bool too_deep(const struct json_writer *w)
{
    return w->depth > JSON_WRITE_DEPTH_MAX;
}

/* What stands before a value: a comma in an array, nothing after a key. */
static inline void before_value(struct json_writer *w)
{
    if (too_deep(w)) return;
    uint8_t *s = &w->state[w->depth];
    if (*s & IN_OBJECT) {
        assert(*s & HAS_KEY);
        *s &= (uint8_t)~HAS_KEY;
        return;
    }
    assert(w->depth || !(*s & HAS_MEMBER)); /* one value a text */
    if (*s & HAS_MEMBER) buf_u8(w->out, ',');
    *s |= HAS_MEMBER;
}

static void open_with(struct json_writer *w, char bracket, uint8_t state)
{
    before_value(w);
    buf_u8(w->out, (uint8_t)bracket);
    assert(w->depth < UINT8_MAX);
    w->depth++;
    if (!too_deep(w))
        w->state[w->depth] = state;
    else if (!w->out->err)
        w->out->err = ERR_TOO_LARGE;
}

void jw_object(struct json_writer *w)
{
    open_with(w, '{', IN_OBJECT);
}

void jw_array(struct json_writer *w)
{
    open_with(w, '[', 0);
}

void jw_end(struct json_writer *w)
{
    assert(w->depth > 0);
    bool object = !too_deep(w) && (w->state[w->depth] & IN_OBJECT);
    assert(!object || !(w->state[w->depth] & HAS_KEY) || w->out->err);
    buf_u8(w->out, object ? '}' : ']');
    w->depth--;
}

/* First byte from i on that needs an escape or a UTF-8 check. */
static size_t plain_run(const char *p, size_t i, size_t n)
{
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    for (uint64_t v; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
        if (((quote - ones) | (slash - ones) | (v - ones * 0x20) | v) & highs) break;
    }
    while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x80 && p[i] != '"' && p[i] != '\\') i++;
    return i;
}

static void add_escape(struct buf *b, unsigned char c)
{
    static const char shorts[128] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    char e[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (shorts[c]) e[1] = shorts[c];
    buf_add(b, e, shorts[c] ? 2 : 6);
}

/* Nearly all texts need no escape. */
static bool add_plain(struct buf *b, struct str s)
{
    if (plain_run(s.p, 0, s.n) != s.n) return false;
    uint8_t *to = buf_space(b, s.n + 2);
    if (!to) return true; /* the error stays in b */
    *to++ = '"';
    if (s.n) memcpy(to, s.p, s.n);
    to[s.n] = '"';
    b->n += s.n + 2;
    return true;
}

static void add_string(struct buf *b, struct str s)
{
    if (add_plain(b, s)) return;
    buf_u8(b, '"');
    for (size_t i = 0; i < s.n && !b->err;) {
        size_t run = plain_run(s.p, i, s.n);
        buf_add(b, s.p + i, run - i);
        if ((i = run) == s.n) break;
        if ((unsigned char)s.p[i] < 0x80) {
            add_escape(b, (unsigned char)s.p[i++]);
            continue;
        }
        size_t from = i;
        bool bad = utf8_next(s, &i) == 0xfffd && i - from == 1;
        buf_add(b, bad ? "\xef\xbf\xbd" : s.p + from, bad ? 3 : i - from);
    }
    buf_u8(b, '"');
}

void jw_key(struct json_writer *w, struct str key)
{
    if (!too_deep(w)) {
        uint8_t *s = &w->state[w->depth];
        assert((*s & IN_OBJECT) && !(*s & HAS_KEY));
        if (*s & HAS_MEMBER) buf_u8(w->out, ',');
        *s |= HAS_MEMBER | HAS_KEY;
    }
    add_string(w->out, key);
    buf_u8(w->out, ':');
}

void jw_str(struct json_writer *w, struct str s)
{
    before_value(w);
    add_string(w->out, s);
}

void jw_u64(struct json_writer *w, uint64_t u)
{
    char tmp[20];
    size_t at = sizeof(tmp);
    do tmp[--at] = (char)('0' + u % 10);
    while (u /= 10);
    before_value(w);
    buf_add(w->out, tmp + at, sizeof(tmp) - at);
}

void jw_i64(struct json_writer *w, int64_t i)
{
    char tmp[20];
    size_t at = sizeof(tmp);
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do tmp[--at] = (char)('0' + u % 10);
    while (u /= 10);
    if (i < 0) tmp[--at] = '-';
    before_value(w);
    buf_add(w->out, tmp + at, sizeof(tmp) - at);
}

void jw_double(struct json_writer *w, double d)
{
    before_value(w);
    buf_double(w->out, d);
}

void jw_bool(struct json_writer *w, bool b)
{
    before_value(w);
    buf_z(w->out, b ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
    before_value(w);
    buf_z(w->out, "null");
}

void jw_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_str(w->out, json);
}

static void write_scalar(struct json_writer *w, const struct json *v)
{
    if (v->type == JSON_STRING)
        jw_str(w, v->s);
    else if (v->type == JSON_INT)
        jw_i64(w, v->i);
    else if (v->type == JSON_DOUBLE)
        jw_double(w, v->d);
    else if (v->type == JSON_BOOL)
        jw_bool(w, v->b);
    else
        jw_null(w);
}

/* v and all below it; children first, then what follows. The path down is kept here, no recursion. */
void jw_json(struct json_writer *w, const struct json *v)
{
    const struct json *path[JSON_WRITE_DEPTH_MAX + 1];
    size_t depth = 0;
    if (!v || w->out->err) {
        jw_null(w);
        return;
    }
    while (v && !w->out->err) {
        bool object = v->type == JSON_OBJECT;
        if (!object && v->type != JSON_ARRAY) {
            write_scalar(w, v);
        } else {
            path[depth++] = v; /* fits: deeper than JSON_WRITE_DEPTH_MAX has set the error */
            object ? jw_object(w) : jw_array(w);
            v = v->child;
            if (v && object) jw_key(w, v->key);
            if (v) continue;
            jw_end(w);
            v = path[--depth];
        }
        while (depth && !v->next) {
            jw_end(w);
            v = path[--depth];
        }
        if (depth == 0) return;
        v = v->next;
        if (path[depth - 1]->type == JSON_OBJECT) jw_key(w, v->key);
    }
    while (depth--) jw_end(w); /* after an error: leave the writer balanced */
}

void jw_kstr(struct json_writer *w, const char *key, struct str s)
{
    jw_key(w, str_of(key));
    jw_str(w, s);
}

void jw_kz(struct json_writer *w, const char *key, const char *z)
{
    jw_key(w, str_of(key));
    if (z)
        jw_str(w, str_of(z));
    else
        jw_null(w);
}

void jw_ki64(struct json_writer *w, const char *key, int64_t i)
{
    jw_key(w, str_of(key));
    jw_i64(w, i);
}

void jw_kdouble(struct json_writer *w, const char *key, double d)
{
    jw_key(w, str_of(key));
    jw_double(w, d);
}

void jw_kbool(struct json_writer *w, const char *key, bool b)
{
    jw_key(w, str_of(key));
    jw_bool(w, b);
}

void json_write(struct buf *out, const struct json *v)
{
    struct json_writer w = json_writer(out);
    jw_json(&w, v);
}

struct str json_text(struct arena *a, const struct json *v)
{
    struct buf b;
    buf_init(&b, a->max);
    json_write(&b, v);
    struct str s = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}
