/* Values to JSON: built-in types by a table, structures of the standard by theirs, structures of a server by their
 * definition straight from the bytes. */
#include <math.h>
#include "base/encode.h"
#include "base/time.h"
#include "proto/opcua/ua_custom_int.h"
#include "proto/opcua/ua_status.h"

struct out {
    struct arena *a;
    const struct ua_catalogue *c;
    unsigned depth;
};
static struct json *value(struct out *o, unsigned type, const void *v);
static struct json *fields_of(struct out *o, const struct ua_structure_definition *def, struct ua_decoder *d);

/* ---- built-in types ------------------------------------------------------------------------------------------- */

static struct json *text(struct out *o, struct str s)
{
    return s.p ? json_new_str(o->a, s) : json_new_null(o->a);
}
static struct json *from_buf(struct out *o, struct buf *b)
{
    struct str s = b->err ? STR_NULL : arena_str(o->a, b->n ? buf_view(b) : STR(""));
    buf_fini(b);
    return s.p ? json_new_str(o->a, s) : NULL;
}
#define EXACT (1ll << 53)
static struct json *integer(struct out *o, int64_t i)
{
    if (i >= -EXACT && i <= EXACT) return json_new_i64(o->a, i);
    char *s = arena_printf(o->a, "%lld", (long long)i);
    return s ? json_new_str(o->a, str_of(s)) : NULL;
}
static struct json *unsigned_long(struct out *o, const void *v)
{
    uint64_t u = *(const uint64_t *)v;
    if (u <= EXACT) return json_new_i64(o->a, (int64_t)u);
    char *s = arena_printf(o->a, "%llu", (unsigned long long)u);
    return s ? json_new_str(o->a, str_of(s)) : NULL;
}
static struct json *real(struct out *o, double d)
{
    if (isfinite(d)) return json_new_double(o->a, d);
    return json_new_str(o->a, isnan(d) ? STR("NaN") : d > 0 ? STR("Infinity") : STR("-Infinity"));
}
static struct json *boolean(struct out *o, const void *v)
{
    return json_new_bool(o->a, *(const bool *)v);
}
static struct json *sbyte(struct out *o, const void *v)
{
    return integer(o, *(const int8_t *)v);
}
static struct json *byte(struct out *o, const void *v)
{
    return integer(o, *(const uint8_t *)v);
}
static struct json *int16(struct out *o, const void *v)
{
    return integer(o, *(const int16_t *)v);
}
static struct json *uint16(struct out *o, const void *v)
{
    return integer(o, *(const uint16_t *)v);
}
static struct json *int32(struct out *o, const void *v)
{
    return integer(o, *(const int32_t *)v);
}
static struct json *uint32(struct out *o, const void *v)
{
    return integer(o, *(const uint32_t *)v);
}
static struct json *int64(struct out *o, const void *v)
{
    return integer(o, *(const int64_t *)v);
}
static struct json *single(struct out *o, const void *v)
{
    return real(o, (double)*(const float *)v);
}
static struct json *full(struct out *o, const void *v)
{
    return real(o, *(const double *)v);
}
static struct json *string(struct out *o, const void *v)
{
    return text(o, *(const struct str *)v);
}
static struct json *date(struct out *o, const void *v)
{
    char s[TIME_TEXT_MAX];
    int64_t us = *(const int64_t *)v;
    if (us == UA_TIME_NONE) return json_new_null(o->a);
    struct str t = arena_str(o->a, str_of(time_format(us > TIME_MAX_US ? TIME_MAX_US : us, s)));
    return t.p ? json_new_str(o->a, t) : NULL;
}
#define BY_TEXT(name, ctype, max, print) \
    static struct json *name(struct out *o, const void *v) \
    { \
        const ctype *x = v; \
        struct buf b; \
        buf_init(&b, max); \
        print; \
        return from_buf(o, &b); \
    }
BY_TEXT(guid, struct ua_guid, 64, ua_guid_text(&b, x))
BY_TEXT(nodeid, struct ua_nodeid, 64u << 20, ua_nodeid_text(&b, x))
BY_TEXT(expanded, struct ua_expanded, 64u << 20, ua_expanded_text(&b, x))
static struct json *bytes(struct out *o, const void *v)
{
    const struct str *s = v;
    struct buf b;
    if (s->p == NULL) return json_new_null(o->a);
    buf_init(&b, s->n / 3 * 4 + 8);
    base64_encode(&b, s->p, s->n, false);
    return from_buf(o, &b);
}
static struct json *name(struct out *o, const void *v)
{
    const struct ua_name *n = v;
    if (n->ns == 0 || n->name.p == NULL) return text(o, n->name);
    char *s = arena_printf(o->a, "%u:%.*s", n->ns, STR_ARG(n->name));
    return s ? json_new_str(o->a, str_of(s)) : NULL;
}
static struct json *localized(struct out *o, const void *v)
{
    return text(o, ((const struct ua_text *)v)->text);
}
static struct json *status(struct out *o, const void *v)
{
    uint32_t code = *(const uint32_t *)v;
    struct json *j = json_new_object(o->a);
    json_set(j, o->a, STR("code"), json_new_i64(o->a, code));
    return json_set(j, o->a, STR("name"), json_new_str(o->a, str_of(ua_status_name(code)))) ? j : NULL;
}
static struct json *diagnostic(struct out *o, const void *v)
{
    const struct ua_diagnostic *x = v;
    struct json *j = json_new_object(o->a);
    json_set(j, o->a, STR("info"), text(o, x->info));
    json_set(j, o->a, STR("inner_status"), status(o, &x->inner_status));
    return json_set(j, o->a, STR("inner"), x->inner ? value(o, UA_DIAGNOSTIC, x->inner) : json_new_null(o->a)) ? j
                                                                                                               : NULL;
}
static struct json *datavalue(struct out *o, const void *v)
{
    const struct ua_datavalue *x = v;
    struct json *j = json_new_object(o->a);
    json_set(j, o->a, STR("value"), value(o, UA_VARIANT, &x->value));
    json_set(j, o->a, STR("status"), status(o, &x->status));
    json_set(j, o->a, STR("source_time"), date(o, &x->source_us));
    return json_set(j, o->a, STR("server_time"), date(o, &x->server_us)) ? j : NULL;
}

/* Elements from *at on, nested by dimensions: dims[0] is the outermost. */
static struct json *dimension(struct out *o, const struct ua_variant *v, uint32_t level, uint32_t *at)
{
    struct json *j = json_new_array(o->a);
    bool last = v->dims_n == 0 || level + 1 == v->dims_n;
    uint32_t n = v->dims_n == 0 ? v->n : v->dims[level];
    for (uint32_t i = 0; j != NULL && i < n; i++) {
        struct json *x = last ? value(o, v->type, ua_variant_item(v, (*at)++)) : dimension(o, v, level + 1, at);
        if (x == NULL) return NULL;
        json_push(j, x);
    }
    return j;
}
static struct json *variant(struct out *o, const void *p)
{
    const struct ua_variant *v = p;
    uint32_t at = 0;
    if (v->type == UA_NULL) return json_new_null(o->a);
    if (!v->array) return value(o, v->type, ua_variant_item(v, 0));
    return v->dims_n > UA_JSON_DEPTH ? NULL : dimension(o, v, 0, &at);
}

/* ---- structures ---------------------------------------------------------------------------------------------------
 */

static struct json *items(struct out *o, unsigned type, const char *p, uint32_t n)
{
    struct json *j = json_new_array(o->a);
    for (uint32_t i = 0; j != NULL && i < n; i++) {
        struct json *x = value(o, type, p + i * ua_size_of(type));
        if (x == NULL) return NULL;
        json_push(j, x);
    }
    return j;
}
static struct json *structure(struct out *o, const struct ua_structure *s, const char *base)
{
    struct json *j = json_new_object(o->a);
    for (size_t i = 0; j != NULL && i < s->fields_n; i++) {
        const struct ua_field *f = &s->fields[i];
        struct json *x =
            f->array ? items(o, f->type, *(char *const *)(base + f->offset), *(const uint32_t *)(base + f->count))
                     : value(o, f->type, base + f->offset);
        if (x == NULL || json_set(j, o->a, str_of(f->name), x) == NULL) return NULL;
    }
    return j;
}

unsigned ua_field_type(const struct ua_catalogue *c, const struct ua_structure_definition *def,
                       const struct ua_structure_field *f, const struct ua_structure_definition **ret_own)
{
    bool subtyped =
        (def->structure_type == UA_STRUCT_SUBTYPED || def->structure_type == UA_UNION_SUBTYPED) && f->is_optional;
    unsigned type = ua_type_of_data_type(&f->data_type);
    *ret_own = NULL;
    if (type == 0 && c != NULL) *ret_own = c->structure(c->ctx, &f->data_type, false);
    if (type == 0 && *ret_own == NULL && c != NULL) type = c->builtin(c->ctx, &f->data_type);
    if (!subtyped) return type;
    bool simple = type != 0 && type < UA_BUILTIN_COUNT && type != UA_EXTENSION;
    *ret_own = NULL;
    return simple ? UA_VARIANT : UA_EXTENSION;
}

static struct json *element(struct out *o, unsigned type, const struct ua_structure_definition *own,
                            struct ua_decoder *d)
{
    if (own != NULL) return fields_of(o, own, d);
    void *v = type ? arena_calloc(o->a, 1, ua_size_of(type)) : NULL;
    return v != NULL && ua_decode(d, type, v) ? value(o, type, v) : NULL;
}
/* A count, and as many elements. Each takes a byte at least, or the arena ends it. */
static struct json *list(struct out *o, unsigned type, const struct ua_structure_definition *own, struct ua_decoder *d,
                         uint64_t n)
{
    struct json *j = json_new_array(o->a);
    if (n > d->limits->array || n > rd_left(&d->rd)) return NULL;
    for (uint64_t i = 0; j != NULL && i < n; i++) {
        struct json *x = element(o, type, own, d);
        if (x == NULL) return NULL;
        json_push(j, x);
    }
    return j;
}
/* Fields of several dimensions: the dimensions as an array of Int32, then all elements (OPC 10000-6, 5.2.5). */
static struct json *matrix(struct out *o, unsigned type, const struct ua_structure_definition *own,
                           struct ua_decoder *d)
{
    uint32_t dims = 0;
    uint64_t n = 1;
    if (!ua_decode(d, UA_UINT32, &dims) || dims > UA_JSON_DEPTH) return NULL;
    for (uint32_t i = 0; i < dims; i++) {
        uint32_t size = 0;
        if (!ua_decode(d, UA_UINT32, &size)) return NULL;
        n *= size;
        if (n > d->limits->array) return NULL;
    }
    return list(o, type, own, d, dims ? n : 0);
}
static struct json *field(struct out *o, const struct ua_structure_definition *def, const struct ua_structure_field *f,
                          struct ua_decoder *d)
{
    const struct ua_structure_definition *own;
    unsigned type = ua_field_type(o->c, def, f, &own);
    int32_t n = 0;
    if (f->value_rank == -1) return element(o, type, own, d);
    if (f->value_rank > 1) return matrix(o, type, own, d);
    if (f->value_rank != 1 || !ua_decode(d, UA_INT32, &n) || n < -1) return NULL;
    return n == -1 ? json_new_null(o->a) : list(o, type, own, d, (uint64_t)n);
}
static struct json *union_of(struct out *o, const struct ua_structure_definition *def, struct ua_decoder *d)
{
    struct json *j = json_new_object(o->a);
    uint32_t which = 0;
    if (!ua_decode(d, UA_UINT32, &which) || which > def->fields_n) return NULL;
    if (which == 0) return j;
    struct json *x = field(o, def, &def->fields[which - 1], d);
    return x != NULL && json_set(j, o->a, def->fields[which - 1].name, x) ? j : NULL;
}
static struct json *fields_of(struct out *o, const struct ua_structure_definition *def, struct ua_decoder *d)
{
    struct json *j = NULL;
    uint32_t mask = 0, bit = 0;
    if (o->depth >= UA_JSON_DEPTH) return NULL;
    o->depth++;
    if (def->structure_type == UA_STRUCT_UNION || def->structure_type == UA_UNION_SUBTYPED) {
        j = union_of(o, def, d);
    } else if (def->structure_type != UA_STRUCT_OPTIONAL || ua_decode(d, UA_UINT32, &mask)) {
        j = json_new_object(o->a);
        for (uint32_t i = 0; j != NULL && i < def->fields_n; i++) {
            const struct ua_structure_field *f = &def->fields[i];
            bool optional = def->structure_type == UA_STRUCT_OPTIONAL && f->is_optional;
            if (optional && (bit >= 32 || !(mask >> bit++ & 1))) continue;
            struct json *x = field(o, def, f, d);
            if (x == NULL || json_set(j, o->a, f->name, x) == NULL) j = NULL;
        }
    }
    o->depth--;
    return j;
}

static struct json *unknown(struct out *o, const struct ua_extension *x)
{
    struct json *j = json_new_object(o->a);
    json_set(j, o->a, STR("type"), nodeid(o, &x->type));
    return json_set(j, o->a, STR("body"), x->body_kind == UA_BODY_XML ? text(o, x->body) : bytes(o, &x->body)) ? j
                                                                                                               : NULL;
}
static struct json *extension(struct out *o, const void *v)
{
    const struct ua_extension *x = v;
    const struct ua_structure_definition *def = NULL;
    if (x->value != NULL) return structure(o, ua_structure(x->known), x->value);
    if (x->body_kind == UA_BODY_NONE) return json_new_null(o->a);
    if (x->body_kind == UA_BODY_BYTES && o->c != NULL) def = o->c->structure(o->c->ctx, &x->type, true);
    struct ua_decoder d = ua_decoder(o->a, x->body, NULL);
    struct json *j = def ? fields_of(o, def, &d) : NULL;
    return j != NULL && d.status == 0 ? j : unknown(o, x);
}

typedef struct json *to_json(struct out *o, const void *v);
static to_json *const table[UA_BUILTIN_COUNT] = {
    [UA_BOOLEAN] = boolean,       [UA_SBYTE] = sbyte,         [UA_BYTE] = byte,           [UA_INT16] = int16,
    [UA_UINT16] = uint16,         [UA_INT32] = int32,         [UA_UINT32] = uint32,       [UA_INT64] = int64,
    [UA_UINT64] = unsigned_long,  [UA_FLOAT] = single,        [UA_DOUBLE] = full,         [UA_STRING] = string,
    [UA_DATETIME] = date,         [UA_GUID] = guid,           [UA_BYTESTRING] = bytes,    [UA_XML] = string,
    [UA_NODEID] = nodeid,         [UA_EXPANDED] = expanded,   [UA_STATUS] = status,       [UA_NAME] = name,
    [UA_TEXT] = localized,        [UA_EXTENSION] = extension, [UA_DATAVALUE] = datavalue, [UA_VARIANT] = variant,
    [UA_DIAGNOSTIC] = diagnostic,
};
static struct json *value(struct out *o, unsigned type, const void *v)
{
    const struct ua_structure *s = ua_structure(type);
    struct json *j = NULL;
    if (v == NULL) return json_new_null(o->a);
    if (o->depth >= 2 * UA_JSON_DEPTH) return NULL;
    o->depth++;
    if (s != NULL)
        j = structure(o, s, v);
    else if (type < UA_BUILTIN_COUNT && table[type] != NULL)
        j = table[type](o, v);
    o->depth--;
    return j;
}

int ua_value_json(struct arena *a, unsigned type, const void *v, const struct ua_catalogue *c, struct json **ret)
{
    struct out o = {a, c, 0};
    struct json *j = value(&o, type, v);
    if (j == NULL) return ERR_TOO_LARGE;
    *ret = j;
    return 0;
}
int ua_variant_json(struct arena *a, const struct ua_variant *v, const struct ua_catalogue *c, struct json **ret)
{
    return ua_value_json(a, UA_VARIANT, v, c, ret);
}
