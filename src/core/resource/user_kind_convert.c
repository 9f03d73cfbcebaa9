/* user_kind_convert.c - one value from one field type to another, when nothing is lost by it.
 *
 * Rows of a table say how: to text, from text, between numbers; lists and single values become each other
 * when there is one; objects member by member. Secrets never become anything that can be read. The result
 * is checked against the new field, so that narrowed ranges, enums and patterns count as loss too. */
#include <math.h>
#include "core/resource/user_kind_int.h"

struct conversion {
    struct changer *c;
    struct arena *a;
    struct error *e;
};

static enum convert value(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                          struct json **ret);

static enum convert gives(struct json *v, struct json **ret)
{
    *ret = v;
    return v ? CONVERT_CHANGED : CONVERT_FAILED;
}

#define T(x) (1u << FIELD_##x)
#define SIMPLE (T(STRING) | T(INTEGER) | T(NUMBER) | T(BOOLEAN) | T(ENUM) | T(DURATION) | T(TIME) | T(POINT))
#define TEXTS (T(STRING) | T(ENUM) | T(POINT))

static bool is(const struct field *f, unsigned types)
{
    return types & (1u << f->type);
}

static struct str text_of(struct conversion *x, const struct field *f, const struct json *v)
{
    struct buf b;
    buf_init(&b, LIMIT_SPEC);
    field_to_text(f, v, &b);
    struct str s = b.err ? STR_NULL : arena_str(x->a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static enum convert to_text(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                            struct json **ret)
{
    struct str s = text_of(x, f, v);
    return s.p ? gives(json_new_str(x->a, s), ret) : CONVERT_FAILED;
}

static enum convert from_text(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                              struct json **ret)
{
    struct error e = {0};
    struct str s = text_of(x, f, v);
    if (!s.p) return CONVERT_FAILED;
    int rc = field_from_text(t, x->a, s, ret, &e);
    if (rc == ERR_NOMEM) return CONVERT_FAILED;
    if (rc) return CONVERT_LOST;
    if ((*ret)->type == JSON_NULL) *ret = NULL;
    return CONVERT_CHANGED;
}

static enum convert to_integer(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                               struct json **ret)
{
    double d = json_double(v, NAN);
    if (v->type == JSON_INT) return gives(json_copy(x->a, v), ret);
    return d == floor(d) && fabs(d) < 9e15 ? gives(json_new_i64(x->a, (int64_t)d), ret) : CONVERT_LOST;
}

static enum convert copied(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                           struct json **ret)
{
    return gives(json_copy(x->a, v), ret);
}

static enum convert to_boolean(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                               struct json **ret)
{
    double d = json_double(v, NAN);
    return d == 0 || d == 1 ? gives(json_new_bool(x->a, d == 1), ret) : CONVERT_LOST;
}

static enum convert from_boolean(struct conversion *x, const struct field *f, const struct field *t,
                                 const struct json *v, struct json **ret)
{
    return gives(json_new_i64(x->a, json_bool(v, false)), ret);
}

static enum convert ref_to_code(struct conversion *x, const struct field *f, const struct field *t,
                                const struct json *v, struct json **ret)
{
    struct sql_stmt *s;
    struct str code = STR_NULL;
    int rc = sql_prepare(x->c->tx, "select code from resource where id = $1", &s, x->e);
    if (rc) return CONVERT_FAILED;
    sql_bind_str(s, 1, json_str(v, STR("")));
    rc = sql_step(s, x->e);
    if (rc == 1) code = arena_str(x->a, sql_str(s, 0));
    sql_done(s);
    if (rc < 0) return CONVERT_FAILED;
    return code.p ? gives(json_new_str(x->a, code), ret) : CONVERT_LOST;
}

static enum convert code_to_ref(struct conversion *x, const struct field *f, const struct field *t,
                                const struct json *v, struct json **ret)
{
    struct error e = {0};
    struct str id;
    int rc = changer_ref(x->c, t->ref_kind, json_str(v, STR("")), &id, &e);
    if (rc == ERR_INVALID || rc == ERR_NOT_FOUND) return CONVERT_LOST;
    if (rc) {
        if (x->e) *x->e = e;
        return CONVERT_FAILED;
    }
    struct str own = arena_str(x->a, id);
    return own.p ? gives(json_new_str(x->a, own), ret) : CONVERT_FAILED;
}

static enum convert members(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                            struct json **ret)
{
    struct json *out = json_new_object(x->a);
    size_t kept = 0;
    for (size_t i = 0; out && i < t->nfields; i++)
        for (size_t j = 0; j < f->nfields; j++) {
            const struct json *m = json_get_str(v, f->fields[j].name);
            struct json *one = NULL;
            if (!m || !str_eq(f->fields[j].name, t->fields[i].name)) continue;
            enum convert how = value(x, &f->fields[j], &t->fields[i], m, &one);
            if (how >= CONVERT_LOST) return how;
            kept++;
            if (one && !json_set(out, x->a, t->fields[i].name, one)) return CONVERT_FAILED;
        }
    return kept < json_count(v) ? CONVERT_LOST : gives(out, ret);
}

static enum convert items(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                          struct json **ret)
{
    struct json *out = json_new_array(x->a);
    for
        json_each (it, v) {
            struct json *one = NULL;
            enum convert how = value(x, f->fields, t->fields, it, &one);
            if (how >= CONVERT_LOST) return how;
            if (!out || (one && !json_push(out, one))) return CONVERT_FAILED;
        }
    return gives(out, ret);
}

static enum convert wrapped(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                            struct json **ret)
{
    struct json *one = NULL, *out = json_new_array(x->a);
    enum convert how = value(x, f, t->fields, v, &one);
    if (how >= CONVERT_LOST) return how;
    if (!out || (one && !json_push(out, one))) return CONVERT_FAILED;
    return gives(out, ret);
}

static enum convert unwrapped(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                              struct json **ret)
{
    *ret = NULL;
    if (json_count(v) > 1) return CONVERT_LOST;
    return v->child ? value(x, f->fields, t, v->child, ret) : CONVERT_CHANGED;
}

typedef enum convert convert_fn(struct conversion *x, const struct field *f, const struct field *t,
                                const struct json *v, struct json **ret);
static const struct {
    unsigned from, to;
    convert_fn *fn;
} ways[] = {
    /* the first that fits */
    {T(OBJECT), T(OBJECT), members},
    {T(ARRAY), T(ARRAY), items},
    {~(T(ARRAY) | T(SECRET) | T(JSON)), T(ARRAY), wrapped},
    {T(ARRAY), ~(T(JSON) | T(STRING)), unwrapped},
    {T(INTEGER) | T(NUMBER), T(NUMBER), copied},
    {T(INTEGER) | T(NUMBER), T(INTEGER), to_integer},
    {T(INTEGER) | T(NUMBER), T(BOOLEAN), to_boolean},
    {T(BOOLEAN), T(INTEGER) | T(NUMBER), from_boolean},
    {T(REF), TEXTS, ref_to_code},
    {TEXTS, T(REF), code_to_ref},
    {~(T(SECRET) | T(FILE) | T(REF)), T(JSON), copied},
    {T(JSON), ~(T(SECRET) | T(REF) | T(FILE)), copied}, /* as far as the new field takes it */
    {SIMPLE, T(STRING) | T(SECRET) | T(POINT), to_text},
    {T(OBJECT) | T(ARRAY), T(STRING), to_text},
    {TEXTS, SIMPLE, from_text},
};

static bool same_kind_of_value(const struct field *f, const struct field *t)
{
    if (f->type != t->type || is(f, T(OBJECT) | T(ARRAY))) return false;
    return f->type != FIELD_REF || str_eq(f->ref_kind, t->ref_kind);
}

static enum convert value(struct conversion *x, const struct field *f, const struct field *t, const struct json *v,
                          struct json **ret)
{
    if (same_kind_of_value(f, t)) return copied(x, f, t, v, ret);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (is(f, ways[i].from) && is(t, ways[i].to)) return ways[i].fn(x, f, t, v, ret);
    return CONVERT_LOST;
}

enum convert field_convert(struct changer *c, struct arena *a, const struct field *from, const struct field *to,
                           const struct json *v, struct json **ret, struct error *e)
{
    struct conversion x = {c, a, e};
    struct error why = {0};
    struct json *got = NULL, *done = NULL;
    enum convert how = value(&x, from, to, v, &got);
    if (how >= CONVERT_LOST) return how;
    *ret = NULL;
    if (!got) return CONVERT_CHANGED;
    int rc = field_check(to, a, got, "", &done, &why);
    if (rc == ERR_NOMEM) return CONVERT_FAILED;
    if (rc) return CONVERT_LOST;
    *ret = done;
    return json_equal(v, done) ? CONVERT_SAME : CONVERT_CHANGED;
}
