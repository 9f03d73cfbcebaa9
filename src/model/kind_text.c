/* kind_text.c - one cell of a table as text, both ways, and walking a spec by its schema.
 *
 * Text that field_to_text writes is read back by field_from_text to an equal value. Reading is kinder:
 * titles of enum values, 是/否, "a;b" for lists of simple values. The full check is kind_check's. */
#include "base/time.h"
#include "model/kind_int.h"

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int give(struct json *v, struct json **ret, struct error *e)
{
    if (!v) return nomem(e);
    *ret = v;
    return 0;
}

static int text_string(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    struct str own = arena_str(a, s);
    return give(own.p ? json_new_str(a, own) : NULL, ret, e);
}

static int text_integer(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    int64_t i;
    double d;
    if (str_to_i64(s, &i)) {
        if (str_to_double(s, &d) || d != (double)(int64_t)(d > 9e15 || d < -9e15 ? 0 : d))
            return error_set(e, ERR_INVALID, "", "'%.*s' is not a whole number; write for example 12",
                             "“%.*s”不是整数；例如 12", STR_ARG(str_sub(s, 0, 60)));
        i = (int64_t)d;
    }
    return give(json_new_i64(a, i), ret, e);
}

static int text_number(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    int64_t i;
    double d;
    if (str_to_i64(s, &i) == 0) return give(json_new_i64(a, i), ret, e);
    if (str_to_double(s, &d))
        return error_set(e, ERR_INVALID, "", "'%.*s' is not a number; write for example 12.5",
                         "“%.*s”不是数字；例如 12.5", STR_ARG(str_sub(s, 0, 60)));
    return give(json_new_double(a, d), ret, e);
}

static int text_boolean(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true},    {"0", false}, {"yes", true},
                 {"no", false},  {"on", true},     {"off", false}, {"是", true}, {"否", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_ieq(s, str_of(words[i].text))) return give(json_new_bool(a, words[i].value), ret, e);
    return error_set(e, ERR_INVALID, "", "'%.*s' is not true or false", "“%.*s”不是 true 或 false（是/否）",
                     STR_ARG(str_sub(s, 0, 60)));
}

static int text_enum(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    for
        json_each (it, f->values) {
            const struct json *title = json_get(it, "title");
            struct str value = json_str(json_get(it, "value"), STR_NULL);
            if (str_eq(s, value) || str_ieq(s, json_str(json_get(title, "en"), STR_NULL)) ||
                str_eq(s, json_str(json_get(title, "zh"), STR_NULL)))
                return text_string(f, a, value, ret, e);
        }
    return text_string(f, a, s, ret, e); /* kind_check lists what is possible */
}

static int text_json(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    struct str own = arena_str(a, s);
    return own.p ? json_parse(a, own, ret, e) : nomem(e);
}

static int text_array(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e)
{
    if (s.p[0] == '[') return text_json(f, a, s, ret, e);
    struct json *out = json_new_array(a), *item;
    while (out && s.p) {
        struct str part = str_trim(str_cut(&s, ';'));
        if (!part.n) continue;
        int rc = field_from_text(f->fields, a, part, &item, e);
        if (rc) return rc;
        out = json_push(out, item) ? out : NULL;
    }
    return give(out, ret, e);
}

typedef int text_fn(const struct field *f, struct arena *a, struct str s, struct json **ret, struct error *e);
static text_fn *const readers[] = {
    [FIELD_STRING] = text_string,   [FIELD_INTEGER] = text_integer, [FIELD_NUMBER] = text_number,
    [FIELD_BOOLEAN] = text_boolean, [FIELD_ENUM] = text_enum,       [FIELD_REF] = text_string,
    [FIELD_DURATION] = text_string, [FIELD_TIME] = text_string,     [FIELD_SECRET] = text_string,
    [FIELD_OBJECT] = text_json,     [FIELD_ARRAY] = text_array,     [FIELD_JSON] = text_json,
    [FIELD_POINT] = text_string,    [FIELD_FILE] = text_string,
};

int field_from_text(const struct field *f, struct arena *a, struct str text, struct json **ret, struct error *e)
{
    bool verbatim = f->type == FIELD_STRING || f->type == FIELD_SECRET;
    if (!verbatim) text = str_trim(text);
    if (!text.n) return give(json_new_null(a), ret, e);
    return readers[f->type](f, a, text, ret, e);
}

void field_to_text(const struct field *f, const struct json *v, struct buf *out)
{
    if (!v || v->type == JSON_NULL || f->type == FIELD_SECRET) return;
    if (v->type == JSON_STRING && f->type != FIELD_JSON)
        buf_str(out, v->s);
    else
        json_write(out, v);
}

/* ------------------------------------------------------------------ walking */

struct walk {
    kind_walk_fn *fn;
    void *ctx;
    char path[256];
};

static int walk_value(struct walk *w, size_t len, const struct field *f, struct json *v);

static int walk_members(struct walk *w, size_t len, const struct field *fields, size_t n, struct json *obj)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        struct json *v = json_get_str(obj, fields[i].name);
        if (!v) continue;
        int k = snprintf(w->path + len, sizeof w->path - len, "%s%.*s", len ? "." : "", STR_ARG(fields[i].name));
        size_t end = len + (size_t)k < sizeof w->path ? len + (size_t)k : sizeof w->path - 1;
        rc = walk_value(w, end, &fields[i], v);
    }
    return rc;
}

static int walk_items(struct walk *w, size_t len, const struct field *f, struct json *v)
{
    size_t i = 0;
    int rc = 0;
    for (struct json *it = v->child; !rc && it; it = it->next) {
        int k = snprintf(w->path + len, sizeof w->path - len, "[%zu]", i++);
        size_t end = len + (size_t)k < sizeof w->path ? len + (size_t)k : sizeof w->path - 1;
        rc = walk_value(w, end, f, it);
    }
    return rc;
}

static int walk_value(struct walk *w, size_t len, const struct field *f, struct json *v)
{
    if (f->type == FIELD_OBJECT) return v->type == JSON_OBJECT ? walk_members(w, len, f->fields, f->nfields, v) : 0;
    if (f->type == FIELD_ARRAY) return v->type == JSON_ARRAY ? walk_items(w, len, f->fields, v) : 0;
    return w->fn(w->ctx, f, str_make(w->path, len), v);
}

int kind_walk(const struct kind *k, struct json *spec, kind_walk_fn *fn, void *ctx)
{
    struct walk w = {.fn = fn, .ctx = ctx};
    return spec ? walk_members(&w, 0, k->fields, k->nfields, spec) : 0;
}
