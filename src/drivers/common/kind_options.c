/* kind_options.c - see kind_options.h. */
#include "drivers/common/kind_options.h"
#include "drivers/common/options.h"

static struct str name_of(const struct json *field)
{
    return json_str(json_get(field, "name"), STR(""));
}

static struct str type_of(const struct json *field)
{
    return json_str(json_get(field, "type"), STR(""));
}

static struct json *find(struct json *fields, struct str name)
{
    for (struct json *f = fields->child; f; f = f->next)
        if (str_eq(name_of(f), name)) return f;
    return NULL;
}

static void join_values(struct arena *a, struct json *have, const struct json *more)
{
    struct json *values = json_get(have, "values");
    for
        json_each (v, json_get(more, "values")) {
            bool known = false;
        for
            json_each (old, values)
                known |= str_eq(json_str(json_get(old, "value"), STR("")), json_str(json_get(v, "value"), STR("")));
        if (!known) json_push(values, json_copy(a, v));
        }
}

static int join(struct arena *a, struct json *have, const struct json *more, struct error *e)
{
    struct str x = type_of(have), y = type_of(more);
    if (str_is(x, "secret") != str_is(y, "secret"))
        return error_set(e, ERR_INTERNAL, "options", "'%.*s' is a secret in one table of options and none in another",
                         "选项 '%.*s' 在一张表中为密文，在另一张表中不是", STR_ARG(name_of(have)));
    if (str_is(x, "enum") && str_eq(x, y)) {
        join_values(a, have, more);
    } else if (!str_eq(x, y)) {
        json_set(have, a, STR("type"), json_new_str(a, STR("json")));
        (void)json_remove(have, STR("values"));
    }
    return 0;
}

/* The fields of one table, without what only its driver can say. */
static int add_table(struct arena *a, struct json *fields, const struct option *table, struct error *e)
{
    static const char *const leave_out[] = {"required", "default", "show_if", "min", "max"};
    struct buf b;
    struct json *own;
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    options_json(&w, table);
    struct str text = arena_str(a, buf_view(&b));
    buf_fini(&b);
    int rc = json_parse(a, text, &own, e);
    for (const struct json *it = rc ? NULL : own->child; it && !rc; it = it->next) {
        struct json *f = json_copy(a, it);
        struct json *have = f ? find(fields, name_of(f)) : NULL;
        if (!f) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        for (size_t i = 0; i < sizeof leave_out / sizeof *leave_out; i++) json_remove(f, str_of(leave_out[i]));
        if (have)
            rc = join(a, have, f, e);
        else
            json_push(fields, f);
    }
    return rc;
}

int kind_with_options(struct str document, const struct option *const *tables, size_t n, struct arena *a,
                      struct str *ret, struct error *e)
{
    struct json *root;
    int rc = json_parse(a, document, &root, e);
    if (rc) return rc;
    for (struct json *f = json_get(root, "fields")->child; f && !rc; f = f->next) {
        if (!str_is(name_of(f), "options")) continue;
        struct json *fields = json_new_array(a);
        for (size_t i = 0; i < n && !rc; i++)
            if (tables[i]) rc = add_table(a, fields, tables[i], e);
        if (rc || json_count(fields) == 0) continue;
        json_set(f, a, STR("type"), json_new_str(a, STR("object")));
        json_set(f, a, STR("fields"), fields);
    }
    if (rc) return rc;
    *ret = json_text(a, root);
    return ret->p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}
