/* JSON to values: built-in types by a table, structures of the standard by theirs, structures of a server by their
 * definition straight into bytes. Errors name the field. */
#include "base/encode.h"
#include "base/time.h"
#include "proto/opcua/ua_custom_int.h"
#include "proto/opcua/ua_status.h"

#define BODY_MAX (16u << 20)

struct in {
    struct arena *a;
    const struct ua_catalogue *c;
    unsigned depth;
    struct error *e;
};
static int value(struct in *n, unsigned type, const struct json *j, void *ret);
static int put_fields(struct in *n, const struct ua_structure_definition *def, const struct json *j, struct buf *out);

static int wants(struct in *n, const char *en, const char *zh)
{
    return error_set(n->e, ERR_INVALID, "", "the value should be %s%.0s", "值应为%.0s%s", en, zh);
}
static int within(struct in *n, struct str field, int rc)
{
    char prefix[ERROR_WHERE_MAX];
    const char *dot = n->e != NULL && n->e->where[0] != 0 && n->e->where[0] != '[' ? "." : "";
    snprintf(prefix, sizeof prefix, "%.*s%s", STR_ARG(str_sub(field, 0, 40)), dot);
    if (rc != 0) error_prefix(n->e, prefix);
    return rc;
}
static int within_item(struct in *n, uint32_t i, int rc)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "[%u]", (unsigned)i);
    return rc != 0 ? within(n, str_of(prefix), rc) : 0;
}
static struct str text_of(const struct json *j)
{
    return j != NULL && j->type == JSON_STRING ? j->s : STR_NULL;
}

/* ---- built-in types ------------------------------------------------------------------------------------------------
 */

static int number(struct in *n, unsigned type, const struct json *j, void *ret)
{
    struct ua_variant v;
    int64_t i;
    uint64_t u;
    int rc;
    struct str s = text_of(j);
    if (type == UA_UINT64 && s.p != NULL && str_to_u64(s, &u) == 0) {
        memcpy(ret, &u, sizeof u);
        return 0;
    }
    if (j->type == JSON_BOOL)
        rc = ua_variant_from_i64(type, j->b, &v, n->e);
    else if (j->type == JSON_INT)
        rc = ua_variant_from_i64(type, j->i, &v, n->e);
    else if (j->type == JSON_DOUBLE)
        rc = ua_variant_from_double(type, j->d, &v, n->e);
    else if (s.p != NULL && str_to_i64(s, &i) == 0)
        rc = ua_variant_from_i64(type, i, &v, n->e);
    else if (str_is(s, "NaN"))
        rc = ua_variant_from_double(type, __builtin_nan(""), &v, n->e);
    else if (str_is(s, "Infinity"))
        rc = ua_variant_from_double(type, __builtin_inf(), &v, n->e);
    else if (str_is(s, "-Infinity"))
        rc = ua_variant_from_double(type, -__builtin_inf(), &v, n->e);
    else
        return wants(n, "a number", "数值");
    if (rc == 0) memcpy(ret, &v.u, ua_size_of(type));
    return rc;
}
static int string(struct in *n, unsigned type, const struct json *j, void *ret)
{
    (void)type;
    if (j->type != JSON_STRING && j->type != JSON_NULL) return wants(n, "a text", "文本");
    *(struct str *)ret = text_of(j);
    return 0;
}
static int date(struct in *n, unsigned type, const struct json *j, void *ret)
{
    (void)type;
    *(int64_t *)ret = UA_TIME_NONE;
    if (j->type == JSON_NULL) return 0;
    if (j->type != JSON_STRING) return wants(n, "a time like 2026-11-23T08:00:00Z", "时间，如 2026-11-23T08:00:00Z");
    return time_parse(j->s, ret, n->e);
}
static int guid(struct in *n, unsigned type, const struct json *j, void *ret)
{
    (void)type;
    return ua_guid_parse(text_of(j), ret) == 0 ? 0
                                               : wants(n, "a GUID like 09087e75-8e5e-499b-954f-f2a9603db28a",
                                                       "GUID，如 09087e75-8e5e-499b-954f-f2a9603db28a");
}
static int bytes(struct in *n, unsigned type, const struct json *j, void *ret)
{
    struct str *s = ret, in = text_of(j);
    struct buf b;
    (void)type;
    *s = STR_NULL;
    if (j->type == JSON_NULL) return 0;
    buf_init(&b, in.n + 4);
    int rc = in.p == NULL ? ERR_INVALID : base64_decode(&b, in, false);
    if (rc == 0) *s = arena_str(n->a, b.n ? buf_view(&b) : STR(""));
    buf_fini(&b);
    return rc ? wants(n, "base64", "base64 文本") : s->p ? 0 : error_set(n->e, ERR_TOO_LARGE, "", "too large", "过大");
}
static int expanded(struct in *n, unsigned type, const struct json *j, void *ret)
{
    struct ua_expanded x;
    if (j->type != JSON_STRING) return wants(n, "a node id like ns=2;s=Name", "节点标识，如 ns=2;s=名称");
    int rc = ua_nodeid_parse(n->a, j->s, &x, n->e);
    if (rc != 0) return rc;
    if (type == UA_EXPANDED)
        *(struct ua_expanded *)ret = x;
    else if (x.uri.p != NULL || x.server != 0)
        return wants(n, "a node id with the number of its namespace", "带命名空间序号的节点标识");
    else
        *(struct ua_nodeid *)ret = x.id;
    return 0;
}
static int status(struct in *n, unsigned type, const struct json *j, void *ret)
{
    const struct json *code = j->type == JSON_OBJECT ? json_get(j, "code") : j;
    int64_t i = code != NULL && code->type == JSON_INT ? code->i : -1;
    if (i < 0 && text_of(code).p != NULL) i = ua_status_find(code->s, 1);
    (void)type;
    if (i < 0 || i == 1 || i > UINT32_MAX) return wants(n, "a status code, by name or number", "状态码名称或数值");
    *(uint32_t *)ret = (uint32_t)i;
    return 0;
}
static int name(struct in *n, unsigned type, const struct json *j, void *ret)
{
    (void)type;
    if (j->type != JSON_STRING) return wants(n, "a name like 2:Tank", "名称，如 2:Tank");
    return ua_name_parse(j->s, ret, n->e);
}
static int localized(struct in *n, unsigned type, const struct json *j, void *ret)
{
    struct ua_text *t = ret;
    (void)type;
    if (j->type == JSON_OBJECT)
        *t = (struct ua_text){text_of(json_get(j, "locale")), text_of(json_get(j, "text"))};
    else if (j->type == JSON_STRING || j->type == JSON_NULL)
        *t = (struct ua_text){STR_NULL, text_of(j)};
    else
        return wants(n, "a text, or {\"locale\", \"text\"}", "文本，或 {\"locale\", \"text\"}");
    return 0;
}
/* A variant takes the type that the JSON has. */
static int variant(struct in *n, unsigned type, const struct json *j, void *ret)
{
    static const uint8_t types[] = {
        [JSON_BOOL] = UA_BOOLEAN, [JSON_INT] = UA_INT64, [JSON_DOUBLE] = UA_DOUBLE, [JSON_STRING] = UA_STRING};
    (void)type;
    *(struct ua_variant *)ret = (struct ua_variant){0};
    if (j->type == JSON_NULL) return 0;
    const struct json *first = j->type == JSON_ARRAY ? j->child : j;
    if (first == NULL || first->type > JSON_STRING || types[first->type] == 0)
        return wants(n, "true, a number, a text, or a list of one of these", "布尔值、数值、文本，或其列表");
    return ua_json_variant(n->a, j, types[first->type], ret, n->e);
}

typedef int from_json(struct in *n, unsigned type, const struct json *j, void *ret);
static from_json *const table[UA_BUILTIN_COUNT] = {
    [UA_BOOLEAN] = number,  [UA_SBYTE] = number,      [UA_BYTE] = number,      [UA_INT16] = number,
    [UA_UINT16] = number,   [UA_INT32] = number,      [UA_UINT32] = number,    [UA_INT64] = number,
    [UA_UINT64] = number,   [UA_FLOAT] = number,      [UA_DOUBLE] = number,    [UA_STRING] = string,
    [UA_DATETIME] = date,   [UA_GUID] = guid,         [UA_BYTESTRING] = bytes, [UA_XML] = string,
    [UA_NODEID] = expanded, [UA_EXPANDED] = expanded, [UA_STATUS] = status,    [UA_NAME] = name,
    [UA_TEXT] = localized,  [UA_VARIANT] = variant,
};

/* ---- structures of the standard
 * ---------------------------------------------------------------------------------------- */

static int items(struct in *n, unsigned type, const struct json *j, void **ret, uint32_t *ret_n)
{
    size_t size = ua_size_of(type), count = json_count(j);
    uint32_t i = 0;
    *ret = NULL, *ret_n = 0;
    if (j->type == JSON_NULL) return 0;
    if (j->type != JSON_ARRAY) return wants(n, "a list", "列表");
    char *p = count <= ua_limits_default.array ? arena_calloc(n->a, count ? count : 1, size) : NULL;
    if (p == NULL) return error_set(n->e, ERR_TOO_LARGE, "", "the list is too long", "列表过长");
    for
        json_each (it, j) {
            int rc = value(n, type, it, p + i * size);
            if (rc != 0) return within_item(n, i, rc);
            i++;
        }
    *ret = p, *ret_n = i;
    return 0;
}
static int structure(struct in *n, const struct ua_structure *s, const struct json *j, char *base)
{
    if (j->type != JSON_OBJECT) return wants(n, "an object", "对象");
    for (size_t i = 0; i < s->fields_n; i++) {
        const struct ua_field *f = &s->fields[i];
        const struct json *x = json_get(j, f->name);
        if (x == NULL) continue; /* the zero of its type */
        int rc = f->array ? items(n, f->type, x, (void **)(base + f->offset), (uint32_t *)(base + f->count))
                          : value(n, f->type, x, base + f->offset);
        if (rc != 0) return within(n, str_of(f->name), rc);
    }
    return 0;
}
static int value(struct in *n, unsigned type, const struct json *j, void *ret)
{
    const struct ua_structure *s = ua_structure(type);
    if (n->depth >= UA_JSON_DEPTH) return error_set(n->e, ERR_TOO_LARGE, "", "nested too deeply", "嵌套过深");
    n->depth++;
    int rc = s != NULL ? structure(n, s, j, ret)
             : type < UA_BUILTIN_COUNT && table[type] != NULL
                 ? table[type](n, type, j, ret)
                 : error_set(n->e, ERR_UNSUPPORTED, "", "values of type %s cannot be written", "无法写入类型为 %s 的值",
                             ua_type_name(type) ? ua_type_name(type) : "?");
    n->depth--;
    return rc;
}

/* A structure inside a variant is an extension object. */
static int wrapped(struct in *n, unsigned type, const struct json *j, struct ua_extension *ret)
{
    void *v = arena_calloc(n->a, 1, ua_size_of(type));
    int rc = v ? value(n, type, j, v) : error_set(n->e, ERR_TOO_LARGE, "", "too large", "过大");
    if (rc == 0) *ret = ua_extension_of(type, v);
    return rc;
}
static int wrapped_list(struct in *n, unsigned type, const struct json *j, struct ua_variant *ret)
{
    uint32_t i = 0;
    struct ua_extension *x = arena_calloc(n->a, json_count(j) + 1, sizeof *x);
    if (x == NULL) return error_set(n->e, ERR_TOO_LARGE, "", "the list is too long", "列表过长");
    for
        json_each (it, j) {
            int rc = wrapped(n, type, it, &x[i]);
            if (rc != 0) return within_item(n, i, rc);
            i++;
        }
    *ret = ua_variant_array(UA_EXTENSION, x, i);
    return 0;
}
int ua_json_variant(struct arena *a, const struct json *j, unsigned type, struct ua_variant *ret, struct error *e)
{
    struct in n = {a, NULL, 0, e};
    bool own = ua_structure(type) != NULL;
    void *p = NULL;
    uint32_t count = 0;
    if (j == NULL || ua_size_of(type) == 0) return wants(&n, "of a known type", "已知类型");
    if (type == UA_VARIANT && j->type != JSON_ARRAY) return variant(&n, type, j, ret);
    if (j->type == JSON_ARRAY && own) return wrapped_list(&n, type, j, ret);
    if (j->type == JSON_ARRAY) {
        int rc = items(&n, type, j, &p, &count);
        if (rc == 0) *ret = ua_variant_array(type, p, count);
        return rc;
    }
    void *v = arena_calloc(a, 1, own ? sizeof(struct ua_extension) : ua_size_of(type));
    if (v == NULL) return error_set(e, ERR_TOO_LARGE, "", "too large", "过大");
    int rc = own ? wrapped(&n, type, j, v) : value(&n, type, j, v);
    if (rc == 0) *ret = ua_variant_scalar(own ? UA_EXTENSION : type, v);
    return rc;
}

/* ---- structures by their definition
 * --------------------------------------------------------------------------------------- */

static int put_element(struct in *n, unsigned type, const struct ua_structure_definition *own, const struct json *j,
                       struct buf *out)
{
    if (own != NULL) return put_fields(n, own, j, out);
    void *v = type ? arena_calloc(n->a, 1, ua_size_of(type)) : NULL;
    int rc = v ? value(n, type, j, v)
               : error_set(n->e, ERR_UNSUPPORTED, "", "the type of the field is not known", "字段类型未知");
    if (rc == 0) ua_encode(out, type, v);
    return rc;
}
static int put_list(struct in *n, unsigned type, const struct ua_structure_definition *own, const struct json *j,
                    struct buf *out)
{
    uint32_t i = 0;
    for
        json_each (it, j) {
            int rc = put_element(n, type, own, it, out);
            if (rc != 0) return within_item(n, i, rc);
            i++;
        }
    return 0;
}
static int put_field(struct in *n, const struct ua_structure_definition *def, const struct ua_structure_field *f,
                     const struct json *j, struct buf *out)
{
    const struct ua_structure_definition *own;
    unsigned type = ua_field_type(n->c, def, f, &own);
    int rc;
    if (f->value_rank == -1) {
        rc = put_element(n, type, own, j, out);
    } else if (f->value_rank != 1) {
        rc = error_set(n->e, ERR_UNSUPPORTED, "", "fields of several dimensions cannot be written", "无法写入多维字段");
    } else if (j->type == JSON_NULL) {
        buf_u32le(out, UINT32_MAX);
        rc = 0;
    } else if (j->type != JSON_ARRAY) {
        rc = wants(n, "a list", "列表");
    } else {
        buf_u32le(out, (uint32_t)json_count(j));
        rc = put_list(n, type, own, j, out);
    }
    return within(n, f->name, rc);
}
static const struct ua_structure_field *find_field(const struct ua_structure_definition *def, struct str key,
                                                   uint32_t *ret_index)
{
    for (uint32_t i = 0; i < def->fields_n; i++)
        if (str_eq(def->fields[i].name, key)) {
            *ret_index = i;
            return &def->fields[i];
        }
    return NULL;
}
static int put_union(struct in *n, const struct ua_structure_definition *def, const struct json *j, struct buf *out)
{
    uint32_t which = 0;
    if (json_count(j) > 1) return wants(n, "an object with one member", "只含一个成员的对象");
    if (j->child == NULL) {
        buf_u32le(out, 0);
        return 0;
    }
    const struct ua_structure_field *f = find_field(def, j->child->key, &which);
    buf_u32le(out, which + 1);
    return put_field(n, def, f, j->child, out);
}
static bool left_out(const struct ua_structure_definition *def, const struct ua_structure_field *f,
                     const struct json *x)
{
    return def->structure_type == UA_STRUCT_OPTIONAL && f->is_optional && (x == NULL || x->type == JSON_NULL);
}
static uint32_t mask_of(const struct ua_structure_definition *def, const struct json *j)
{
    uint32_t mask = 0, bit = 0;
    for (uint32_t i = 0; i < def->fields_n && bit < 32; i++) {
        if (!def->fields[i].is_optional) continue;
        if (!left_out(def, &def->fields[i], json_get_str(j, def->fields[i].name))) mask |= 1u << bit;
        bit++;
    }
    return mask;
}
static int put_members(struct in *n, const struct ua_structure_definition *def, const struct json *j, struct buf *out)
{
    if (def->structure_type == UA_STRUCT_OPTIONAL) buf_u32le(out, mask_of(def, j));
    for (uint32_t i = 0; i < def->fields_n; i++) {
        const struct ua_structure_field *f = &def->fields[i];
        const struct json *x = json_get_str(j, f->name);
        if (left_out(def, f, x)) continue;
        int rc = x == NULL ? within(n, f->name, error_set(n->e, ERR_INVALID, "", "the field is missing", "缺少该字段"))
                           : put_field(n, def, f, x, out);
        if (rc != 0) return rc;
    }
    return 0;
}
static int put_fields(struct in *n, const struct ua_structure_definition *def, const struct json *j, struct buf *out)
{
    uint32_t at;
    if (j->type != JSON_OBJECT) return wants(n, "an object", "对象");
    if (n->depth >= UA_JSON_DEPTH) return error_set(n->e, ERR_TOO_LARGE, "", "nested too deeply", "嵌套过深");
    for
        json_each (it, j)
            if (find_field(def, it->key, &at) == NULL)
                return within(n, it->key, error_set(n->e, ERR_INVALID, "", "there is no such field", "没有该字段"));
    bool choice = def->structure_type == UA_STRUCT_UNION || def->structure_type == UA_UNION_SUBTYPED;
    n->depth++;
    int rc = choice ? put_union(n, def, j, out) : put_members(n, def, j, out);
    n->depth--;
    return rc;
}
int ua_json_structure(struct arena *a, const struct json *j, const struct ua_structure_definition *def,
                      const struct ua_catalogue *c, struct ua_extension *ret, struct error *e)
{
    struct in n = {a, c, 0, e};
    struct buf b;
    if (j == NULL) return wants(&n, "an object", "对象");
    buf_init(&b, BODY_MAX);
    int rc = put_fields(&n, def, j, &b);
    struct str body = rc == 0 && b.err == 0 ? arena_str(a, b.n ? buf_view(&b) : STR("")) : STR_NULL;
    buf_fini(&b);
    if (rc != 0) return rc;
    if (body.p == NULL) return error_set(e, ERR_TOO_LARGE, "", "the structure is too large", "结构过大");
    *ret = (struct ua_extension){.type = def->default_encoding_id, .body_kind = UA_BODY_BYTES, .body = body};
    return 0;
}
