/* api_shape.c - see api_shape.h. Recursive descent over a constant of the program; no state outside. */
#include "core/api/api_shape.h"

#define DEPTH_MAX 16

struct reader {
    struct arena *a;
    const char *p;
    const char *fault;
    unsigned depth;
};

static struct json *shape(struct reader *r);

static struct json *refuse(struct reader *r)
{
    if (!r->fault) r->fault = r->p;
    return NULL;
}

static bool take(struct reader *r, char c)
{
    while (*r->p == ' ') r->p++;
    if (*r->p != c) return false;
    r->p++;
    return true;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static struct str word(struct reader *r)
{
    while (*r->p == ' ') r->p++;
    const char *from = r->p;
    while (word_char(*r->p)) r->p++;
    return str_make(from, (size_t)(r->p - from));
}

static bool put(struct reader *r, struct json *o, const char *key, struct json *v)
{
    return o && v && json_set(o, r->a, str_of(key), v);
}

static struct json *object_of(struct reader *r, const char *key, struct json *v)
{
    struct json *o = json_new_object(r->a);
    return put(r, o, key, v) ? o : NULL;
}

static struct json *plain(struct reader *r, struct str name)
{
    static const char *const types[] = {"string", "integer", "number", "boolean", "null", "object"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(name, types[i])) return object_of(r, "type", json_new_str(r->a, name));
    if (str_is(name, "any")) return json_new_object(r->a);
    if (str_is(name, "time")) {
        struct json *o = object_of(r, "type", json_new_str(r->a, STR("string")));
        return put(r, o, "format", json_new_str(r->a, STR("date-time"))) ? o : NULL;
    }
    char *ref = arena_printf(r->a, "#/components/schemas/%.*s", STR_ARG(name));
    return ref ? object_of(r, "$ref", json_new_str(r->a, str_of(ref))) : NULL;
}

/* 'word': a text with one value; neighbours are joined by join(). */
static struct json *choice(struct reader *r)
{
    struct str value = word(r);
    struct json *list = json_new_array(r->a), *o = object_of(r, "type", json_new_str(r->a, STR("string")));
    if (!take(r, '\'')) return refuse(r);
    if (!list || !json_push(list, json_new_str(r->a, value))) return NULL;
    return put(r, o, "enum", list) ? o : NULL;
}

struct members {
    struct json *o, *props, *required;
};

static bool read_member(struct reader *r, struct members *m)
{
    bool any = take(r, '*');
    struct str name = any ? STR("*") : word(r);
    bool optional = !any && take(r, '?');
    if (!name.n || !take(r, ':')) return refuse(r) != NULL;
    struct json *v = shape(r);
    if (!v) return false;
    if (any) return put(r, m->o, "additionalProperties", v);
    if (!optional && !json_push(m->required, json_new_str(r->a, name))) return false;
    return json_set(m->props, r->a, name, v) != NULL;
}

static struct json *members(struct reader *r)
{
    struct members m = {json_new_object(r->a), json_new_object(r->a), json_new_array(r->a)};
    if (!m.props || !m.required || !put(r, m.o, "type", json_new_str(r->a, STR("object")))) return NULL;
    while (!take(r, '}')) {
        if (!*r->p) return refuse(r);
        if (!read_member(r, &m)) return NULL;
        take(r, ';');
    }
    if (json_count(m.required) && !put(r, m.o, "required", m.required)) return NULL;
    if (json_count(m.props) && !put(r, m.o, "properties", m.props)) return NULL;
    return m.o;
}

static struct json *first_part(struct reader *r)
{
    if (take(r, '{')) return members(r);
    if (take(r, '\'')) return choice(r);
    if (take(r, '(')) {
        struct json *o = shape(r);
        return !o ? NULL : take(r, ')') ? o : refuse(r);
    }
    struct str name = word(r);
    return name.n ? plain(r, name) : refuse(r);
}

static struct json *one(struct reader *r)
{
    struct json *o = first_part(r);
    while (o && take(r, '[')) {
        if (!take(r, ']')) return refuse(r);
        struct json *list = object_of(r, "type", json_new_str(r->a, STR("array")));
        o = put(r, list, "items", o) ? list : NULL;
    }
    return o;
}

/* Choices side by side are one enum: the value of `next` goes into `last`. */
static bool join(struct arena *a, struct json *last, struct json *next)
{
    struct json *to = json_get(last, "enum"), *value = json_at(json_get(next, "enum"), 0);
    return to && value && json_count(json_get(next, "enum")) == 1 && json_push(to, json_new_str(a, value->s));
}

static struct json *shape(struct reader *r)
{
    if (++r->depth > DEPTH_MAX) return refuse(r);
    struct json *list = json_new_array(r->a), *last = one(r), *only = last;
    if (!list || !last || !json_push(list, last)) return NULL;
    while (take(r, '|')) {
        struct json *next = one(r);
        if (!next) return NULL;
        if (join(r->a, last, next)) continue;
        if (!json_push(list, next)) return NULL;
        last = next;
    }
    r->depth--;
    return json_count(list) == 1 ? only : object_of(r, "anyOf", list);
}

struct json *api_shape(struct arena *a, const char *text, const char **fault)
{
    struct reader r = {.a = a, .p = text};
    struct json *o = shape(&r);
    while (*r.p == ' ') r.p++;
    if (o && *r.p) o = refuse(&r);
    *fault = r.fault;
    return o;
}
