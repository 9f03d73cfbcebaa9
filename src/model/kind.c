/* kind.c - reading a kind document.
 *
 * Attributes of the document and of fields are rows of a table: name, the field types that may have it,
 * and a reader. Unknown attributes are errors that name the nearest one, but names that begin with "ui"
 * or "x_" belong to the user interface. Everything lives in the kind's own arena; only the compiled
 * expressions are outside it. Immutable after kind_parse: any thread may read. */
#include <math.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "base/utf8.h"
#include "model/kind_int.h"

#define DOC_MAX (4 << 20)
#define FIELDS_MAX 400

struct parse {
    struct arena *a;
    struct kind *k;
    int depth;
    struct error *e;
};

static const char *const type_names[] = {
    [FIELD_STRING] = "string", [FIELD_INTEGER] = "integer", [FIELD_NUMBER] = "number",     [FIELD_BOOLEAN] = "boolean",
    [FIELD_ENUM] = "enum",     [FIELD_REF] = "ref",         [FIELD_DURATION] = "duration", [FIELD_TIME] = "time",
    [FIELD_SECRET] = "secret", [FIELD_OBJECT] = "object",   [FIELD_ARRAY] = "array",       [FIELD_JSON] = "json",
    [FIELD_POINT] = "point",   [FIELD_FILE] = "file",
};
#define TYPES (sizeof type_names / sizeof *type_names)

const char *field_type_name(enum field_type t)
{
    return type_names[t];
}

int kind_nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ small readers */

static int need_string(struct parse *p, const struct json *v, struct str *ret)
{
    if (!v || v->type != JSON_STRING) return error_set(p->e, ERR_INVALID, "", "must be a text", "应为文本");
    *ret = v->s;
    return 0;
}

static int need_bool(struct parse *p, const struct json *v, bool *ret)
{
    if (v->type != JSON_BOOL) return error_set(p->e, ERR_INVALID, "", "must be true or false", "应为 true 或 false");
    *ret = v->b;
    return 0;
}

int kind_texts(const struct json *v, struct str *en, struct str *zh, struct error *e)
{
    if (v->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "", "must be {\"en\": …, \"zh\": …}", "应为 {\"en\": …, \"zh\": …}");
    for
        json_each (m, v)
            if (m->type != JSON_STRING || (!str_is(m->key, "en") && !str_is(m->key, "zh")))
                return error_set(e, ERR_INVALID, "", "has texts \"en\" and \"zh\" only",
                                 "只能有 \"en\" 和 \"zh\" 两个文本");
    *en = json_str(json_get(v, "en"), STR_NULL);
    *zh = json_str(json_get(v, "zh"), *en);
    if (!en->p) *en = *zh;
    return 0;
}

/* ------------------------------------------------------------------ attributes of a field */

static int parse_fields(struct parse *p, const struct json *v, struct field **ret, size_t *ret_n);
static int parse_field(struct parse *p, const struct json *v, bool named, struct field *f);

static int read_title(struct parse *p, struct field *f, const struct json *v)
{
    return kind_texts(v, &f->title_en, &f->title_zh, p->e);
}
static int read_help(struct parse *p, struct field *f, const struct json *v)
{
    return kind_texts(v, &f->help_en, &f->help_zh, p->e);
}
static int read_required(struct parse *p, struct field *f, const struct json *v)
{
    return need_bool(p, v, &f->required);
}
static int read_read_only(struct parse *p, struct field *f, const struct json *v)
{
    return need_bool(p, v, &f->read_only);
}
static int read_unique(struct parse *p, struct field *f, const struct json *v)
{
    return need_bool(p, v, &f->unique);
}
static int read_index(struct parse *p, struct field *f, const struct json *v)
{
    return need_bool(p, v, &f->index);
}
static int read_sensitive(struct parse *p, struct field *f, const struct json *v)
{
    int rc = need_bool(p, v, &f->sensitive);
    if (f->sensitive) p->k->has_sensitive = true;
    return rc;
}
static int read_accept(struct parse *p, struct field *f, const struct json *v)
{
    struct str s;
    return need_string(p, v, &s); /* the form reads it from the document */
}
static int read_unit(struct parse *p, struct field *f, const struct json *v)
{
    return need_string(p, v, &f->unit);
}
static int read_free(struct parse *p, struct field *f, const struct json *v)
{
    return 0;
}

static int bound(struct parse *p, const struct field *f, const struct json *v, double *ret)
{
    if (f->type == FIELD_DURATION) {
        int64_t us;
        struct str s;
        int rc = need_string(p, v, &s);
        if (!rc) rc = duration_parse(s, &us, p->e);
        if (!rc) *ret = (double)us;
        return rc;
    }
    if (v->type != JSON_INT && v->type != JSON_DOUBLE)
        return error_set(p->e, ERR_INVALID, "", "must be a number", "应为数字");
    *ret = json_double(v, NAN);
    return 0;
}

static int read_min(struct parse *p, struct field *f, const struct json *v)
{
    f->has_min = true;
    return bound(p, f, v, &f->min);
}

static int read_max(struct parse *p, struct field *f, const struct json *v)
{
    f->has_max = true;
    return bound(p, f, v, &f->max);
}

static int read_pattern(struct parse *p, struct field *f, const struct json *v)
{
    int rc = need_string(p, v, &f->pattern);
    if (rc) return rc;
    f->regex = regex_new(p->k, f->pattern);
    return f->regex
               ? 0
               : error_set(p->e, ERR_INVALID, "", "is not a POSIX extended regular expression, or repeats too much",
                           "不是合法的 POSIX 扩展正则表达式，或重复过多");
}

static int read_format(struct parse *p, struct field *f, const struct json *v)
{
    int rc = need_string(p, v, &f->format);
    if (rc || format_known(f->format)) return rc;
    return error_set(p->e, ERR_INVALID, "",
                     "'%.*s' is no format; one of email, url, host, color, multiline, json, unit, path, locale",
                     "没有“%.*s”这种格式；可用 email、url、host、color、multiline、json、unit、path、locale",
                     STR_ARG(f->format));
}

static int read_kind(struct parse *p, struct field *f, const struct json *v)
{
    p->k->has_ref = true;
    return need_string(p, v, &f->ref_kind);
}

static int read_values(struct parse *p, struct field *f, const struct json *v)
{
    if (v->type != JSON_ARRAY || !json_count(v))
        return error_set(p->e, ERR_INVALID, "", "must be a list of {\"value\": …, \"title\": …}",
                         "应为 {\"value\": …, \"title\": …} 的列表");
    for
        json_each (it, v)
            if (json_str(json_get(it, "value"), STR_NULL).p == NULL)
                return error_set(p->e, ERR_INVALID, "", "each entry needs a text \"value\"",
                                 "每一项都需要文本 \"value\"");
    f->values = v;
    return 0;
}

static int read_members(struct parse *p, struct field *f, const struct json *v)
{
    return parse_fields(p, v, &f->fields, &f->nfields);
}

static int read_items(struct parse *p, struct field *f, const struct json *v)
{
    f->fields = arena_calloc(p->a, 1, sizeof *f->fields);
    if (!f->fields) return kind_nomem(p->e);
    f->nfields = 1;
    return parse_field(p, v, false, f->fields);
}

static int read_show_if(struct parse *p, struct field *f, const struct json *v)
{
    f->show_if_field = json_str(json_get(v, "field"), STR_NULL);
    f->show_if_in = json_get(v, "in");
    if (f->show_if_field.p && f->show_if_in && f->show_if_in->type == JSON_ARRAY) return 0;
    return error_set(p->e, ERR_INVALID, "", "must be {\"field\": name, \"in\": [values]}",
                     "应为 {\"field\": 字段名, \"in\": [取值]}");
}

static int read_default(struct parse *p, struct field *f, const struct json *v)
{
    f->def = v; /* checked when the whole field is known */
    return 0;
}

#define ANY (~0u)
#define T(x) (1u << FIELD_##x)
#define LENGTH (T(STRING) | T(SECRET) | T(ARRAY))
static const struct attribute {
    const char *name;
    unsigned types;
    int (*read)(struct parse *p, struct field *f, const struct json *v);
} attributes[] = {
    {"name", ANY, read_free},
    {"type", ANY, read_free},
    {"title", ANY, read_title},
    {"help", ANY, read_help},
    {"required", ANY, read_required},
    {"default", ANY & ~(T(SECRET) | T(REF) | T(FILE)), read_default},
    {"sensitive", ANY & ~T(SECRET), read_sensitive},
    {"read_only", ANY, read_read_only},
    {"unique", ANY & ~(T(OBJECT) | T(ARRAY) | T(JSON) | T(SECRET) | T(BOOLEAN) | T(FILE)), read_unique},
    {"index", ANY & ~(T(OBJECT) | T(ARRAY) | T(JSON) | T(SECRET) | T(FILE)), read_index},
    {"show_if", ANY, read_show_if},
    {"example", ANY, read_free},
    {"placeholder", ANY, read_free},
    {"group", ANY, read_free},
    {"advanced", ANY, read_free},
    {"kind", T(REF), read_kind},
    {"min", LENGTH | T(INTEGER) | T(NUMBER) | T(DURATION), read_min},
    {"max", LENGTH | T(INTEGER) | T(NUMBER) | T(DURATION), read_max},
    {"min_length", T(STRING) | T(SECRET), read_min},
    {"max_length", T(STRING) | T(SECRET), read_max},
    {"min_items", T(ARRAY), read_min},
    {"max_items", T(ARRAY), read_max},
    {"pattern", T(STRING), read_pattern},
    {"format", T(STRING), read_format},
    {"unit", T(INTEGER) | T(NUMBER), read_unit},
    {"unit_field", T(INTEGER) | T(NUMBER), read_free},
    {"step", T(INTEGER) | T(NUMBER), read_free},
    {"values", T(ENUM), read_values},
    {"fields", T(OBJECT), read_members},
    {"items", T(ARRAY), read_items},
    {"accept", T(FILE), read_accept},
};
#define ATTRIBUTES (sizeof attributes / sizeof *attributes)

static bool for_ui(struct str key)
{
    return str_starts(key, STR("ui")) || str_starts(key, STR("x_"));
}

static int unknown_attribute(struct parse *p, const struct str *names, size_t n, struct str key)
{
    struct str near = name_nearest(key, names, n);
    if (near.p)
        return error_set(p->e, ERR_INVALID, "", "unknown attribute '%.*s'; did you mean '%.*s'?",
                         "未知属性“%.*s”；是否想写“%.*s”？", STR_ARG(key), STR_ARG(near));
    return error_set(p->e, ERR_INVALID, "", "unknown attribute '%.*s'", "未知属性“%.*s”", STR_ARG(key));
}

static int read_attribute(struct parse *p, struct field *f, const struct json *v)
{
    struct str names[ATTRIBUTES];
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        names[i] = str_of(attributes[i].name);
        if (!str_eq(v->key, names[i])) continue;
        if (!(attributes[i].types & (1u << f->type)))
            return error_set(p->e, ERR_INVALID, attributes[i].name, "a field of type %s has no '%s'",
                             "类型为 %s 的字段没有“%s”属性", type_names[f->type], attributes[i].name);
        int rc = attributes[i].read(p, f, v);
        if (rc) {
            char prefix[80];
            snprintf(prefix, sizeof prefix, "%s%s", attributes[i].name,
                     p->e && p->e->where[0] && p->e->where[0] != '[' ? "." : "");
            error_prefix(p->e, prefix);
        }
        return rc;
    }
    return for_ui(v->key) ? 0 : unknown_attribute(p, names, ATTRIBUTES, v->key);
}

/* ------------------------------------------------------------------ fields */

static int read_type(struct parse *p, const struct json *v, struct field *f)
{
    struct str name, names[TYPES];
    if (need_string(p, json_get(v, "type"), &name))
        return error_set(p->e, ERR_INVALID, "type", "a field needs a type", "字段需要 type");
    for (size_t i = 0; i < TYPES; i++) {
        names[i] = str_of(type_names[i]);
        if (str_eq(name, names[i])) {
            f->type = (enum field_type)i;
            return 0;
        }
    }
    struct str near = name_nearest(name, names, TYPES);
    if (!near.p) near = STR("string");
    return error_set(p->e, ERR_INVALID, "type", "'%.*s' is no field type; did you mean '%.*s'?",
                     "没有“%.*s”这种字段类型；是否想写“%.*s”？", STR_ARG(name), STR_ARG(near));
}

static int read_name(struct parse *p, const struct json *v, struct field *f)
{
    f->name = json_str(json_get(v, "name"), STR_NULL);
    if (kind_name_ok(f->name, false)) return 0;
    return error_set(p->e, ERR_INVALID, "name", "a field needs a name of a-z, 0-9 and _ that begins with a letter",
                     "字段名由 a-z、0-9、_ 组成并以字母开头");
}

static int complete_field(struct parse *p, struct field *f)
{
    static const char *const needs[TYPES] = {
        [FIELD_ENUM] = "values", [FIELD_REF] = "kind", [FIELD_OBJECT] = "fields", [FIELD_ARRAY] = "items"};
    bool lacks = (f->type == FIELD_ENUM && !f->values) || (f->type == FIELD_REF && !f->ref_kind.p) ||
                 ((f->type == FIELD_OBJECT || f->type == FIELD_ARRAY) && !f->fields);
    if (lacks)
        return error_set(p->e, ERR_INVALID, needs[f->type], "a field of type %s needs '%s'", "类型为 %s 的字段需要“%s”",
                         type_names[f->type], needs[f->type]);
    if (f->has_min && f->has_max && f->min > f->max)
        return error_set(p->e, ERR_INVALID, "min", "is greater than max", "大于 max");
    if (f->type == FIELD_SECRET) p->k->has_secret = true;
    if (f->type == FIELD_FILE) p->k->has_file = true;
    if (!f->title_en.p) f->title_en = f->title_zh = f->name;
    if (!f->def || f->def->type == JSON_NULL) {
        f->def = NULL;
        return 0;
    }
    struct json *done;
    int rc = field_check(f, p->a, f->def, "default", &done, p->e);
    if (!rc) f->def = done;
    return rc;
}

static int parse_field(struct parse *p, const struct json *v, bool named, struct field *f)
{
    if (v->type != JSON_OBJECT) return error_set(p->e, ERR_INVALID, "", "a field is an object", "字段应为对象");
    if (p->depth >= KIND_DEPTH_MAX)
        return error_set(p->e, ERR_TOO_LARGE, "", "fields are nested more than %d deep", "字段嵌套超过 %d 层",
                         KIND_DEPTH_MAX);
    p->depth++;
    int rc = named ? read_name(p, v, f) : 0;
    if (!rc) rc = read_type(p, v, f);
    for (const struct json *m = v->child; !rc && m; m = m->next) rc = read_attribute(p, f, m);
    if (!rc) rc = complete_field(p, f);
    p->depth--;
    return rc;
}

static int no_twin(struct parse *p, const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(fields[i].name, fields[n].name))
            return error_set(p->e, ERR_INVALID, "name", "'%.*s' is there twice", "“%.*s”重复", STR_ARG(fields[n].name));
    return 0;
}

static int parse_fields(struct parse *p, const struct json *v, struct field **ret, size_t *ret_n)
{
    size_t n = json_count(v);
    if (!v || v->type != JSON_ARRAY || n > FIELDS_MAX)
        return error_set(p->e, ERR_INVALID, "", "must be a list of at most %d fields", "应为最多 %d 个字段的列表",
                         FIELDS_MAX);
    struct field *fields = arena_calloc(p->a, n ? n : 1, sizeof *fields);
    if (!fields) return kind_nomem(p->e);
    size_t i = 0;
    for
        json_each (it, v) {
            int rc = parse_field(p, it, true, &fields[i]);
            if (!rc) rc = no_twin(p, fields, i);
            if (rc) {
                char prefix[32];
                snprintf(prefix, sizeof prefix, "[%zu]%s", i, p->e && p->e->where[0] ? "." : "");
                error_prefix(p->e, prefix);
                return rc;
            }
            i++;
        }
    *ret = fields;
    *ret_n = n;
    return 0;
}

/* ------------------------------------------------------------------ the document */

static int doc_code(struct parse *p, const struct json *v)
{
    const struct json *lifelong = json_get(v, "lifelong");
    int rc = lifelong ? need_bool(p, lifelong, &p->k->code_lifelong) : 0;
    if (rc) {
        error_prefix(p->e, "lifelong");
        return rc;
    }
    p->k->code_required = json_bool(json_get(v, "required"), false);
    p->k->code_pattern = json_str(json_get(v, "pattern"), STR_NULL);
    if (!p->k->code_pattern.p) return 0;
    p->k->code_regex = regex_new(p->k, p->k->code_pattern);
    return p->k->code_regex ? 0
                            : error_set(p->e, ERR_INVALID, "pattern",
                                        "is not a POSIX extended regular expression, or repeats too much",
                                        "不是合法的 POSIX 扩展正则表达式，或重复过多");
}

static int doc_fields(struct parse *p, const struct json *v)
{
    return parse_fields(p, v, &p->k->fields, &p->k->nfields);
}
static int doc_title(struct parse *p, const struct json *v)
{
    return kind_texts(v, &p->k->title_en, &p->k->title_zh, p->e);
}
static int doc_kind(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->kind);
}
static int doc_plural(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->plural);
}
static int doc_module(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->module);
}
static int doc_numbered(struct parse *p, const struct json *v)
{
    return need_bool(p, v, &p->k->numbered);
}
static int doc_single(struct parse *p, const struct json *v)
{
    return need_bool(p, v, &p->k->single);
}
static int doc_org_from(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->org_from);
}
static int doc_owner(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->owner);
}
static int doc_shared(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->shared);
}
static int doc_shared_with(struct parse *p, const struct json *v)
{
    return need_string(p, v, &p->k->shared_with);
}
static int doc_lifecycle(struct parse *p, const struct json *v)
{
    return lifecycle_parse(p->k, v, p->e);
}
static int doc_api(struct parse *p, const struct json *v)
{
    bool api;
    return need_bool(p, v, &api); /* the router reads it from the document */
}
static int doc_free(struct parse *p, const struct json *v)
{
    return 0;
}

static int doc_lists(struct parse *p, const struct json *v)
{
    p->k->list_sort = json_str(json_get(v, "sort"), STR_NULL);
    return 0;
}

static int doc_share(struct parse *p, const struct json *v)
{
    struct str s = json_str(v, STR_NULL);
    if (str_is(s, "none") || str_is(s, "up") || str_is(s, "down")) return 0;
    return error_set(p->e, ERR_INVALID, "", "must be none, up or down", "应为 none、up 或 down");
}

static const struct doc_member {
    const char *name;
    int (*read)(struct parse *p, const struct json *v);
} members[] = {
    {"kind", doc_kind},         {"plural", doc_plural},       {"module", doc_module},
    {"title", doc_title},       {"titles", doc_free},         {"help", doc_free},
    {"icon", doc_free},         {"numbered", doc_numbered},   {"code", doc_code},
    {"name", doc_free},         {"fields", doc_fields},       {"lists", doc_lists},
    {"form", doc_free},         {"share", doc_share},         {"single", doc_single},
    {"org_from", doc_org_from}, {"lifecycle", doc_lifecycle}, {"api", doc_api},
    {"owner", doc_owner},       {"shared", doc_shared},       {"shared_with", doc_shared_with},
};
#define MEMBERS (sizeof members / sizeof *members)

static int read_member(struct parse *p, const struct json *v)
{
    struct str names[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        names[i] = str_of(members[i].name);
        if (!str_eq(v->key, names[i])) continue;
        int rc = members[i].read(p, v);
        if (rc) {
            char prefix[32];
            bool bare = !p->e || !p->e->where[0] || p->e->where[0] == '[';
            snprintf(prefix, sizeof prefix, "%s%s", members[i].name, bare ? "" : ".");
            error_prefix(p->e, prefix);
        }
        return rc;
    }
    return for_ui(v->key) ? 0 : unknown_attribute(p, names, MEMBERS, v->key);
}

static int complete_org_from(struct parse *p)
{
    const struct kind *k = p->k;
    if (!k->org_from.p) return 0;
    for (size_t i = 0; i < k->nfields; i++)
        if (str_eq(k->fields[i].name, k->org_from) && k->fields[i].type == FIELD_REF) return 0;
    return error_set(p->e, ERR_INVALID, "org_from", "'%.*s' is no field of type ref", "“%.*s”不是引用（ref）字段",
                     STR_ARG(k->org_from));
}

static const struct field *top_field(const struct kind *k, struct str name)
{
    for (size_t i = 0; i < k->nfields; i++)
        if (str_eq(k->fields[i].name, name)) return &k->fields[i];
    return NULL;
}

static int complete_owner(struct parse *p)
{
    const struct kind *k = p->k;
    const struct field *owner = top_field(k, k->owner), *shared = top_field(k, k->shared);
    const struct field *with = top_field(k, k->shared_with);
    if (k->owner.p && (!owner || owner->type != FIELD_STRING || !owner->read_only))
        return error_set(p->e, ERR_INVALID, "owner", "names a field of type string that is read_only",
                         "应为一个只读（read_only）文本字段的名称");
    if (k->shared.p && (!k->owner.p || !shared || shared->type != FIELD_BOOLEAN))
        return error_set(p->e, ERR_INVALID, "shared", "names a field of type boolean, beside \"owner\"",
                         "应为一个布尔字段的名称，且与“owner”同时使用");
    bool roles = with && with->type == FIELD_ARRAY && with->fields && with->fields->type == FIELD_REF;
    if (k->shared_with.p && (!k->shared.p || !roles || !str_is(with->fields->ref_kind, "role")))
        return error_set(p->e, ERR_INVALID, "shared_with", "names a list of references to role, beside \"shared\"",
                         "应为引用角色（role）的列表字段的名称，且与“shared”同时使用");
    return 0;
}

/* The one resource is made when it is first asked for, so that nothing may be missing. */
static int complete_single(struct parse *p)
{
    const struct kind *k = p->k;
    for (size_t i = 0; k->single && i < k->nfields; i++) {
        const struct field *f = &k->fields[i];
        char where[48];
        snprintf(where, sizeof where, "fields[%zu].default", i);
        if (f->required && !f->def)
            return error_set(p->e, ERR_INVALID, where,
                             "a kind with \"single\" needs a default for the required field '%.*s'",
                             "单例类型的必填字段“%.*s”需要默认值", STR_ARG(f->name));
    }
    return 0;
}

static int complete_kind(struct parse *p)
{
    struct kind *k = p->k;
    if (!kind_name_ok(k->kind, true))
        return error_set(p->e, ERR_INVALID, "kind", "needs a name of a-z, 0-9, _ and - that begins with a letter",
                         "需要由 a-z、0-9、_、- 组成并以字母开头的名称");
    if (!kind_name_ok(k->plural, true))
        return error_set(p->e, ERR_INVALID, "plural", "needs a name of a-z, 0-9, _ and - that begins with a letter",
                         "需要由 a-z、0-9、_、- 组成并以字母开头的名称");
    if (!k->title_en.p) k->title_en = k->title_zh = k->kind;
    int rc = complete_org_from(p);
    if (!rc) rc = complete_owner(p);
    if (!rc) rc = complete_single(p);
    return rc ? rc : lifecycle_complete(k, p->e);
}

static int parse_document(struct parse *p, struct str text)
{
    struct str own = arena_str(p->a, text);
    struct json *doc;
    if (!own.p) return kind_nomem(p->e);
    int rc = json_parse(p->a, own, &doc, p->e);
    if (rc) return rc;
    if (doc->type != JSON_OBJECT)
        return error_set(p->e, ERR_INVALID, "", "a kind document is a JSON object", "类型文档应为 JSON 对象");
    p->k->doc = doc;
    for (const struct json *m = doc->child; !rc && m; m = m->next) rc = read_member(p, m);
    return rc ? rc : complete_kind(p);
}

int kind_parse(struct str text, struct kind **ret, struct error *e)
{
    struct error own = {0};
    if (!e) e = &own;
    struct arena *a = mem_alloc(sizeof *a);
    if (!a) return kind_nomem(e);
    arena_init(a, DOC_MAX);
    struct kind *k = arena_calloc(a, 1, sizeof *k);
    int rc = k ? 0 : kind_nomem(e);
    if (k) {
        k->arena = a;
        struct parse p = {.a = a, .k = k, .e = e};
        rc = parse_document(&p, text);
    }
    if (!rc) {
        *ret = k;
        return 0;
    }
    if (k)
        kind_free(k);
    else
        mem_free(a);
    return rc;
}

void kind_free(struct kind *k)
{
    if (!k) return;
    regex_drop_all(k);
    struct arena *a = k->arena;
    arena_fini(a);
    mem_free(a);
}

const struct field *kind_field(const struct kind *k, struct str path)
{
    const struct field *fields = k->fields, *found = NULL;
    size_t n = k->nfields;
    while (path.p) {
        struct str part = str_cut(&path, '.');
        found = NULL;
        for (size_t i = 0; i < n && !found; i++)
            if (str_eq(fields[i].name, part)) found = &fields[i];
        if (!found) return NULL;
        fields = found->fields;
        n = found->type == FIELD_OBJECT ? found->nfields : 0;
    }
    return found;
}

int kind_check_code(const struct kind *k, struct str code, struct error *e)
{
    if (!code.n)
        return error_set(e, ERR_INVALID, "code", "a %.*s needs a code", "“%.*s”需要编码", STR_ARG(k->title_en));
    if (code.n > LIMIT_CODE)
        return error_set(e, ERR_INVALID, "code", "is longer than %d bytes", "超过 %d 字节", LIMIT_CODE);
    if (!utf8_valid(code)) return error_set(e, ERR_INVALID, "code", "is not UTF-8", "不是 UTF-8");
    for (size_t i = 0; i < code.n; i++)
        if ((unsigned char)code.p[i] < ' ' || code.p[i] == 0x7f)
            return error_set(e, ERR_INVALID, "code", "has a control character", "含有控制字符");
    if (code.p[0] == ' ' || code.p[code.n - 1] == ' ')
        return error_set(e, ERR_INVALID, "code", "begins or ends with a blank", "首尾有空格");
    if (!k->code_regex || regex_match(k->code_regex, code)) return 0;
    return error_set(e, ERR_INVALID, "code", "'%.*s' does not match %.*s", "“%.*s”不符合 %.*s", STR_ARG(code),
                     STR_ARG(k->code_pattern));
}
