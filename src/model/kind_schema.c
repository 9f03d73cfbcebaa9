/* kind_schema.c - JSON Schema (2020-12, the subset that OpenAPI 3.1 uses) of a kind's spec. */
#include "model/kind_int.h"

static const char *const json_types[] = {
    [FIELD_STRING] = "string", [FIELD_INTEGER] = "integer", [FIELD_NUMBER] = "number",   [FIELD_BOOLEAN] = "boolean",
    [FIELD_ENUM] = "string",   [FIELD_REF] = "string",      [FIELD_DURATION] = "string", [FIELD_TIME] = "string",
    [FIELD_SECRET] = "string", [FIELD_OBJECT] = "object",   [FIELD_ARRAY] = "array",     [FIELD_JSON] = NULL,
    [FIELD_POINT] = "string",  [FIELD_FILE] = "string",
};

static struct json *schema_of(struct arena *a, const struct field *f);

static bool put(struct arena *a, struct json *o, const char *key, struct json *v)
{
    return v && json_set(o, a, str_of(key), v);
}
static bool put_str(struct arena *a, struct json *o, const char *key, struct str s)
{
    return !s.p || put(a, o, key, json_new_str(a, s));
}

static struct json *number(struct arena *a, double d)
{
    return d == (double)(int64_t)d ? json_new_i64(a, (int64_t)d) : json_new_double(a, d);
}

static bool members(struct arena *a, struct json *o, const struct field *fields, size_t n)
{
    struct json *props = json_new_object(a), *required = json_new_array(a);
    for (size_t i = 0; props && required && i < n; i++) {
        struct json *one = schema_of(a, &fields[i]);
        if (!one || !json_set(props, a, fields[i].name, one)) return false;
        if (fields[i].required && !fields[i].def && !fields[i].show_if_field.p)
            json_push(required, json_new_str(a, fields[i].name));
    }
    bool ok = put(a, o, "properties", props) && put(a, o, "additionalProperties", json_new_bool(a, false));
    return ok && (!json_count(required) || put(a, o, "required", required));
}

static bool limits(struct arena *a, struct json *o, const struct field *f)
{
    static const struct {
        const char *min, *max;
    } names[] = {[FIELD_STRING] = {"minLength", "maxLength"}, [FIELD_SECRET] = {"minLength", "maxLength"},
                 [FIELD_INTEGER] = {"minimum", "maximum"},    [FIELD_NUMBER] = {"minimum", "maximum"},
                 [FIELD_ARRAY] = {"minItems", "maxItems"},    [FIELD_FILE] = {NULL, NULL}};
    if (!names[f->type].min) return true;
    return (!f->has_min || put(a, o, names[f->type].min, number(a, f->min))) &&
           (!f->has_max || put(a, o, names[f->type].max, number(a, f->max)));
}

static bool enum_values(struct arena *a, struct json *o, const struct field *f)
{
    struct json *list = json_new_array(a);
    for
        json_each (it, f->values)
            if (!list || !json_push(list, json_new_str(a, json_str(json_get(it, "value"), STR(""))))) return false;
    return put(a, o, "enum", list);
}

static bool details(struct arena *a, struct json *o, const struct field *f)
{
    switch (f->type) {
    case FIELD_OBJECT: return members(a, o, f->fields, f->nfields);
    case FIELD_ARRAY: return put(a, o, "items", schema_of(a, f->fields));
    case FIELD_ENUM: return enum_values(a, o, f);
    case FIELD_TIME: return put_str(a, o, "format", STR("date-time"));
    case FIELD_SECRET: return put(a, o, "writeOnly", json_new_bool(a, true));
    case FIELD_DURATION: return put_str(a, o, "format", STR("bornite-duration"));
    case FIELD_FILE: return put_str(a, o, "format", STR("bornite-file"));
    case FIELD_REF: return put_str(a, o, "x-kind", f->ref_kind);
    default: return put_str(a, o, "format", f->format);
    }
}

static struct json *schema_of(struct arena *a, const struct field *f)
{
    struct json *o = json_new_object(a);
    if (!o) return NULL;
    bool ok = put_str(a, o, "type", str_of(json_types[f->type])) && put_str(a, o, "title", f->title_en) &&
              put_str(a, o, "description", f->help_en) && put_str(a, o, "pattern", f->pattern) &&
              put_str(a, o, "x-unit", f->unit) && limits(a, o, f) && details(a, o, f);
    if (ok && f->read_only) ok = put(a, o, "readOnly", json_new_bool(a, true));
    if (ok && f->sensitive) ok = put(a, o, "x-sensitive", json_new_bool(a, true));
    if (ok && f->def) ok = put(a, o, "default", json_copy(a, f->def));
    return ok ? o : NULL;
}

struct json *kind_schema(const struct kind *k, struct arena *a)
{
    struct json *o = json_new_object(a);
    if (!o) return NULL;
    bool ok = put_str(a, o, "type", STR("object")) && put_str(a, o, "title", k->title_en) &&
              members(a, o, k->fields, k->nfields);
    return ok ? o : NULL;
}
