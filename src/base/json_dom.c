/* json_dom.c - reading, building, comparing and merging JSON trees.
 *
 * Recursion is bounded by JSON_WRITE_DEPTH_MAX; objects of more than FAR members are searched through a
 * key table where all members are looked up (comparing, merging), so that these stay linear. */
#include "base/json_int.h"
#include <math.h>

enum { FAR = 32 };

/* ---- reading ---- */

struct json *json_get_str(const struct json *obj, struct str key)
{
    if (!obj || obj->type != JSON_OBJECT) return NULL;
    for (struct json *m = obj->child; m; m = m->next) {
        if (str_eq(m->key, key)) return m;
    }
    return NULL;
}

struct json *json_get(const struct json *obj, const char *key)
{
    return json_get_str(obj, str_of(key));
}

struct json *json_at(const struct json *arr, size_t i)
{
    if (!arr || arr->type != JSON_ARRAY || i >= arr->count) return NULL;
    struct json *v = arr->child;
    while (v && i--) v = v->next;
    return v;
}

struct json *json_path(const struct json *v, const char *path)
{
    struct str rest = str_of(path);
    struct json *at = (struct json *)(uintptr_t)v; /* what json_get gives is the caller's to change or not */
    while (rest.p && at) {
        struct str part = str_cut(&rest, '.');
        uint64_t i;
        if (at->type == JSON_ARRAY)
            at = str_to_u64(part, &i) == 0 ? json_at(at, i) : NULL;
        else
            at = json_get_str(at, part);
    }
    return at;
}

struct str json_str(const struct json *v, struct str def)
{
    return v && v->type == JSON_STRING ? v->s : def;
}

int64_t json_i64(const struct json *v, int64_t def)
{
    if (v && v->type == JSON_INT) return v->i;
    if (v && v->type == JSON_DOUBLE && v->d >= -0x1p63 && v->d < 0x1p63 && v->d == trunc(v->d)) return (int64_t)v->d;
    return def;
}

double json_double(const struct json *v, double def)
{
    if (v && v->type == JSON_DOUBLE) return v->d;
    return v && v->type == JSON_INT ? (double)v->i : def;
}

bool json_bool(const struct json *v, bool def)
{
    return v && v->type == JSON_BOOL ? v->b : def;
}

size_t json_count(const struct json *v)
{
    return v && (v->type == JSON_ARRAY || v->type == JSON_OBJECT) ? v->count : 0;
}

/* ---- building ---- */

static struct json *new_value(struct arena *a, struct json v)
{
    struct json *n = arena_alloc(a, sizeof(*n));
    if (n) *n = v;
    return n;
}

struct json *json_new_object(struct arena *a)
{
    return new_value(a, (struct json){.type = JSON_OBJECT});
}

struct json *json_new_array(struct arena *a)
{
    return new_value(a, (struct json){.type = JSON_ARRAY});
}

struct json *json_new_str(struct arena *a, struct str s)
{
    return new_value(a, (struct json){.type = JSON_STRING, .s = s});
}

struct json *json_new_i64(struct arena *a, int64_t i)
{
    return new_value(a, (struct json){.type = JSON_INT, .i = i});
}

struct json *json_new_double(struct arena *a, double d)
{
    return new_value(a, (struct json){.type = JSON_DOUBLE, .d = d});
}

struct json *json_new_bool(struct arena *a, bool b)
{
    return new_value(a, (struct json){.type = JSON_BOOL, .b = b});
}

struct json *json_new_null(struct arena *a)
{
    return new_value(a, (struct json){.type = JSON_NULL});
}

static struct json *append(struct json *parent, struct json *v)
{
    v->next = NULL;
    if (parent->last)
        parent->last->next = v;
    else
        parent->child = v;
    parent->last = v;
    parent->count++;
    return v;
}

struct json *json_push(struct json *arr, struct json *v)
{
    if (!arr || !v || arr->type != JSON_ARRAY) return NULL;
    v->key = STR_NULL;
    return append(arr, v);
}

/* The link that points to the member, *ret_before the member before it. */
static struct json **link_of(struct json *obj, struct str key, struct json **ret_before)
{
    struct json **link = &obj->child;
    *ret_before = NULL;
    while (*link && !str_eq((*link)->key, key)) {
        *ret_before = *link;
        link = &(*link)->next;
    }
    return link;
}

struct json *json_set(struct json *obj, struct arena *a, struct str key, struct json *v)
{
    if (!obj || !v || obj->type != JSON_OBJECT) return NULL;
    struct json *before, **link = link_of(obj, key, &before), *old = *link;
    if (old == v) return v;
    v->key = key;
    if (!old) return append(obj, v);
    v->next = old->next;
    *link = v;
    if (obj->last == old) obj->last = v;
    return v;
}

bool json_remove(struct json *obj, struct str key)
{
    if (!obj || obj->type != JSON_OBJECT) return false;
    struct json *before, **link = link_of(obj, key, &before), *old = *link;
    if (!old) return false;
    *link = old->next;
    if (obj->last == old) obj->last = before;
    obj->count--;
    return true;
}

static struct json *copy_at(struct arena *a, const struct json *v, size_t depth)
{
    if (!v || depth > JSON_WRITE_DEPTH_MAX) return NULL;
    struct json *n = new_value(a, *v);
    if (!n) return NULL;
    n->child = n->last = n->next = NULL;
    if (v->key.p && !(n->key = arena_str(a, v->key)).p) return NULL;
    if (v->type == JSON_STRING) return v->s.p && !(n->s = arena_str(a, v->s)).p ? NULL : n;
    if (v->type != JSON_ARRAY && v->type != JSON_OBJECT) return n;
    n->count = 0;
    for (const struct json *c = v->child; c; c = c->next) {
        struct json *m = copy_at(a, c, depth + 1);
        if (!m) return NULL;
        append(n, m);
    }
    return n;
}

struct json *json_copy(struct arena *a, const struct json *v)
{
    struct json *n = copy_at(a, v, 0);
    if (n) n->key = STR_NULL;
    return n;
}

/* ---- looking up many members ---- */

struct lookup {
    const struct json *obj;
    struct json_keys keys; /* empty: search member by member */
};

static void lookup_init(struct lookup *l, const struct json *obj)
{
    *l = (struct lookup){.obj = obj};
    if (json_count(obj) <= FAR) return;
    for (const struct json *m = obj->child; m; m = m->next) {
        if (!json_keys_room(&l->keys, &(uint32_t){1}, 1)) { /* slower, but right */
            json_keys_fini(&l->keys);
            return;
        }
        json_keys_add(&l->keys, 1, m->key, m);
    }
}

static const struct json *lookup_get(const struct lookup *l, struct str key)
{
    return l->keys.cap ? json_keys_find(&l->keys, 1, key) : json_get_str(l->obj, key);
}

/* ---- comparing ---- */

static bool number_equal(const struct json *a, const struct json *b)
{
    if (a->type == JSON_INT && b->type == JSON_INT) return a->i == b->i;
    if (a->type == JSON_DOUBLE && b->type == JSON_DOUBLE) return a->d == b->d || (isnan(a->d) && isnan(b->d));
    const struct json *i = a->type == JSON_INT ? a : b, *d = i == a ? b : a;
    return d->d >= -0x1p63 && d->d < 0x1p63 && d->d == trunc(d->d) && (int64_t)d->d == i->i;
}

static bool equal_at(const struct json *a, const struct json *b, size_t depth);

static bool array_equal(const struct json *a, const struct json *b, size_t depth)
{
    const struct json *y = b->child;
    for (const struct json *x = a->child; x; x = x->next, y = y->next) {
        if (!y || !equal_at(x, y, depth)) return false;
    }
    return y == NULL;
}

static bool object_equal(const struct json *a, const struct json *b, size_t depth)
{
    struct lookup l;
    lookup_init(&l, b);
    bool same = true;
    for (const struct json *x = a->child; x && same; x = x->next) {
        const struct json *y = lookup_get(&l, x->key);
        same = y && equal_at(x, y, depth);
    }
    json_keys_fini(&l.keys);
    return same;
}

static inline bool is_number(const struct json *v)
{
    return v->type == JSON_INT || v->type == JSON_DOUBLE;
}

static bool equal_at(const struct json *a, const struct json *b, size_t depth)
{
    if (depth > JSON_WRITE_DEPTH_MAX) return false;
    if (is_number(a) && is_number(b)) return number_equal(a, b);
    if (a->type != b->type) return false;
    if (a->type == JSON_BOOL) return a->b == b->b;
    if (a->type == JSON_STRING) return str_eq(a->s, b->s);
    if (a->type == JSON_NULL) return true;
    if (a->count != b->count) return false;
    return a->type == JSON_ARRAY ? array_equal(a, b, depth + 1) : object_equal(a, b, depth + 1);
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b) return a == b;
    return equal_at(a, b, 0);
}

/* ---- RFC 7396 ---- */

static struct json *merge_at(struct arena *a, const struct json *target, const struct json *patch, size_t depth);

/* A member of the result: a node of its own (nodes carry the links), children shared. False: no memory. */
static bool put_member(struct arena *a, struct json *obj, struct str key, struct json *v)
{
    if (!v) return false;
    v->key = key;
    append(obj, v);
    return true;
}

static bool merge_into(struct arena *a, struct json *out, const struct json *target, const struct json *patch,
                       size_t depth)
{
    struct lookup in_patch, in_target;
    lookup_init(&in_patch, patch);
    lookup_init(&in_target, target);
    bool ok = true;
    for (const struct json *m = target ? target->child : NULL; m && ok; m = m->next) {
        const struct json *p = lookup_get(&in_patch, m->key);
        if (p && p->type == JSON_NULL) continue;
        ok = put_member(a, out, m->key, p ? merge_at(a, m, p, depth + 1) : new_value(a, *m));
    }
    for (const struct json *p = patch->child; p && ok; p = p->next) {
        if (p->type == JSON_NULL || (target && lookup_get(&in_target, p->key))) continue;
        ok = put_member(a, out, p->key, merge_at(a, NULL, p, depth + 1));
    }
    json_keys_fini(&in_patch.keys);
    json_keys_fini(&in_target.keys);
    return ok;
}

static struct json *merge_at(struct arena *a, const struct json *target, const struct json *patch, size_t depth)
{
    if (depth > JSON_WRITE_DEPTH_MAX) return NULL;
    if (patch->type != JSON_OBJECT) return new_value(a, *patch);
    if (target && target->type != JSON_OBJECT) target = NULL;
    struct json *out = json_new_object(a);
    return out && merge_into(a, out, target, patch, depth) ? out : NULL;
}

struct json *json_merge_patch(struct arena *a, const struct json *target, const struct json *patch)
{
    struct json *out = patch ? merge_at(a, target, patch, 0) : NULL;
    if (!out) return NULL;
    out->next = NULL;
    out->key = STR_NULL;
    return out;
}
