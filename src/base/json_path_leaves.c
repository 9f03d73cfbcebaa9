/* json_path_leaves.c - the paths of all values of a document (json_path.h): normalized paths of RFC 9535 2.7, with
 * ".name" where the short form may stand. */
#include "base/json_path.h"

#define LEAF_PATH_MAX 4096

struct leaves {
    struct buf path;
    struct arena *a;
    struct json_path_leaf *ret;
    size_t n, max;
};

static bool short_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i], low = c | 32;
        bool letter = (low >= 'a' && low <= 'z') || c == '_' || c >= 0x80;
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.n > 0;
}

static void quote_char(struct buf *b, unsigned char c)
{
    static const char from[] = "\b\t\n\f\r'\\", to[] = "btnfr'\\";
    const char *at = c ? strchr(from, c) : NULL;
    if (at)
        buf_printf(b, "\\%c", to[at - from]);
    else if (c < 0x20)
        buf_printf(b, "\\u%04x", c);
    else
        buf_u8(b, c);
}

static void add_name(struct buf *b, struct str name)
{
    if (short_name(name)) {
        buf_u8(b, '.');
        buf_str(b, name);
        return;
    }
    buf_z(b, "['");
    for (size_t i = 0; i < name.n; i++) quote_char(b, (unsigned char)name.p[i]);
    buf_z(b, "']");
}

static void leaf(struct leaves *l, const struct json *v)
{
    struct str path = l->path.err ? STR_NULL : arena_str(l->a, buf_view(&l->path));
    if (path.p) l->ret[l->n++] = (struct json_path_leaf){path, v};
}

static void below(struct leaves *l, const struct json *v)
{
    bool object = v->type == JSON_OBJECT;
    if (!object && v->type != JSON_ARRAY) {
        leaf(l, v);
        return;
    }
    size_t i = 0, n = l->path.n;
    for (const struct json *c = v->child; c && l->n < l->max; c = c->next) {
        if (object)
            add_name(&l->path, c->key);
        else
            buf_printf(&l->path, "[%zu]", i++);
        below(l, c);
        l->path.err = 0;
        l->path.n = n;
    }
}

size_t json_path_leaves(const struct json *root, struct arena *a, struct json_path_leaf *ret, size_t max)
{
    struct leaves l = {.a = a, .ret = ret, .max = max};
    buf_init(&l.path, LEAF_PATH_MAX);
    buf_z(&l.path, "$");
    if (root && max) below(&l, root);
    buf_fini(&l.path);
    return l.n;
}
