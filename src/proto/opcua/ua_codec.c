/* Binary encoding of everything (OPC 10000-6, 5.2): one row a built-in type, one walk over a table for structures.
 *
 *   numbers        little endian; Boolean one byte
 *   String         int32 length (-1: null), bytes; ByteString and XmlElement the same
 *   DateTime       int64, 100 ns since 1601-01-01
 *   Guid           uint32, uint16, uint16, 8 bytes
 *   NodeId         form byte: 0 (uint8 id), 1 (uint8 ns, uint16 id), 2 (uint16 ns, uint32 id), 3 String, 4 Guid,
 *                  5 ByteString (uint16 ns before it); ExpandedNodeId: + 0x80 namespace URI, + 0x40 server index behind
 *   QualifiedName  uint16 ns, String;  LocalizedText: mask 1 locale 2 text
 *   ExtensionObject  NodeId of the encoding, 0 | 1 (ByteString) | 2 (XML), int32 length, body
 *   DataValue      mask, value, status, source time, source ps, server time, server ps
 *   Variant        type in 6 bits, 0x80 array, 0x40 dimensions; int32 length; values; int32 count, int32 each
 *   DiagnosticInfo mask, symbolic, namespace, locale, text, info, inner status, inner
 *   array          int32 count (-1: null), values;  structure: its fields in order
 *
 * A count that a peer sent is held against the bytes that are left (each element takes at least one) and the limit
 * before anything is allocated; the arena's maximum bounds the rest. Nesting is counted in both directions. */
#include "base/utf8.h"
#include "proto/opcua/ua_service.h"
#include "proto/opcua/ua_status.h"

const struct ua_limits ua_limits_default = {
    .string = 16 << 20, .array = 1000000, .depth = UA_DEPTH_MAX, .message = 64 << 20, .chunks = 4096, .partial = 8};

struct encoder {
    struct buf *out;
    unsigned depth;
};
struct builtin {
    const char *name;
    uint8_t size; /* of the C type */
    uint8_t flat; /* bytes on the wire when those are the C type's, little endian; else 0 */
    void (*encode)(struct encoder *e, const void *v);
    bool (*decode)(struct ua_decoder *d, void *ret);
};
static const struct builtin builtins[UA_BUILTIN_COUNT];

static bool deep_encode(struct encoder *e)
{
    if (e->depth >= UA_DEPTH_MAX && e->out->err == 0) e->out->err = ERR_INVALID;
    return e->out->err == 0;
}
static bool fault(struct ua_decoder *d, uint32_t status)
{
    if (d->status == 0) d->status = status;
    return false;
}
static bool sound(struct ua_decoder *d)
{
    return d->rd.err ? fault(d, UA_BAD_DECODING_ERROR) : true;
}
static bool enter(struct ua_decoder *d)
{
    if (d->depth >= d->limits->depth || d->depth >= UA_DEPTH_MAX) return fault(d, UA_BAD_ENCODING_LIMITS);
    d->depth++;
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

#define NUMBER(id, ctype, put, get) \
    static void encode_##id(struct encoder *e, const void *v) \
    { \
        ctype x; \
        memcpy(&x, v, sizeof x); \
        put(e->out, x); \
    } \
    static bool decode_##id(struct ua_decoder *d, void *ret) \
    { \
        ctype x = get(&d->rd); \
        memcpy(ret, &x, sizeof x); \
        return sound(d); \
    }
NUMBER(u8, uint8_t, buf_u8, rd_u8)
NUMBER(u16, uint16_t, buf_u16le, rd_u16le)
NUMBER(u32, uint32_t, buf_u32le, rd_u32le)
NUMBER(u64, uint64_t, buf_u64le, rd_u64le)

static void encode_bool(struct encoder *e, const void *v)
{
    buf_u8(e->out, *(const bool *)v ? 1 : 0);
}
static bool decode_bool(struct ua_decoder *d, void *ret)
{
    *(bool *)ret = rd_u8(&d->rd) != 0;
    return sound(d);
}

#define TICKS_1970 116444736000000000LL /* 100 ns from 1601-01-01 to 1970-01-01 */
#define TICKS_MAX 2650467743990000000LL /* 9999-12-31T23:59:59 (OPC 10000-6, 5.2.2.5) */
int64_t ua_ticks_to_us(int64_t ticks)
{
    if (ticks <= 0) return UA_TIME_NONE;
    if (ticks >= TICKS_MAX) return UA_TIME_MAX;
    int64_t t = ticks - TICKS_1970;
    return t >= 0 ? t / 10 : -((-t + 9) / 10);
}
int64_t ua_us_to_ticks(int64_t us)
{
    if (us <= -TICKS_1970 / 10) return 0;
    if (us >= (TICKS_MAX - TICKS_1970) / 10) return INT64_MAX;
    return us * 10 + TICKS_1970;
}
static void encode_time(struct encoder *e, const void *v)
{
    buf_u64le(e->out, (uint64_t)ua_us_to_ticks(*(const int64_t *)v));
}
static bool decode_time(struct ua_decoder *d, void *ret)
{
    *(int64_t *)ret = ua_ticks_to_us((int64_t)rd_u64le(&d->rd));
    return sound(d);
}

/* ---- texts and ids ------------------------------------------------------------------------------------ */

static void encode_bytes(struct encoder *e, const void *v)
{
    const struct str *s = v;
    if (s->n > INT32_MAX && e->out->err == 0) e->out->err = ERR_INVALID;
    buf_u32le(e->out, s->p == NULL ? UINT32_MAX : (uint32_t)s->n);
    buf_add(e->out, s->p, s->p == NULL ? 0 : s->n);
}
static bool decode_bytes(struct ua_decoder *d, void *ret)
{
    int32_t n = (int32_t)rd_u32le(&d->rd);
    struct str *s = ret;
    *s = STR_NULL;
    if (!sound(d)) return false;
    if (n < -1) return fault(d, UA_BAD_DECODING_ERROR);
    if (n == -1) return true;
    if ((uint32_t)n > d->limits->string) return fault(d, UA_BAD_ENCODING_LIMITS);
    const uint8_t *p = rd_bytes(&d->rd, (size_t)n);
    if (p == NULL) return fault(d, UA_BAD_DECODING_ERROR);
    *s = str_make((const char *)p, (size_t)n);
    return true;
}

/* Each byte that is no UTF-8 becomes U+FFFD. */
static bool mend(struct ua_decoder *d, struct str *s)
{
    char *out = arena_alloc(d->a, s->n * 3);
    if (out == NULL) return fault(d, UA_BAD_OUT_OF_MEMORY);
    size_t n = 0;
    for (size_t pos = 0; pos < s->n;) n += utf8_encode(utf8_next(*s, &pos), out + n);
    *s = str_make(out, n);
    return true;
}
static bool decode_string(struct ua_decoder *d, void *ret)
{
    if (!decode_bytes(d, ret)) return false;
    struct str *s = ret;
    return utf8_valid(*s) || mend(d, s);
}

static void encode_guid(struct encoder *e, const void *v)
{
    const struct ua_guid *g = v;
    buf_u32le(e->out, g->a);
    buf_u16le(e->out, g->b);
    buf_u16le(e->out, g->c);
    buf_add(e->out, g->d, sizeof g->d);
}
static bool decode_guid(struct ua_decoder *d, void *ret)
{
    struct ua_guid *g = ret;
    g->a = rd_u32le(&d->rd);
    g->b = rd_u16le(&d->rd);
    g->c = rd_u16le(&d->rd);
    const uint8_t *p = rd_bytes(&d->rd, sizeof g->d);
    if (p == NULL) return fault(d, UA_BAD_DECODING_ERROR);
    memcpy(g->d, p, sizeof g->d);
    return sound(d);
}

enum { FORM_TWO_BYTES, FORM_FOUR_BYTES, FORM_NUMBER, FORM_STRING, FORM_GUID, FORM_BYTES };
#define FORM_URI 0x80
#define FORM_SERVER 0x40
static void put_number_id(struct encoder *e, const struct ua_nodeid *id, uint8_t flags)
{
    if (id->ns == 0 && id->i <= 0xff) {
        buf_u8(e->out, FORM_TWO_BYTES | flags);
        buf_u8(e->out, (uint8_t)id->i);
    } else if (id->ns <= 0xff && id->i <= 0xffff) {
        buf_u8(e->out, FORM_FOUR_BYTES | flags);
        buf_u8(e->out, (uint8_t)id->ns);
        buf_u16le(e->out, (uint16_t)id->i);
    } else {
        buf_u8(e->out, FORM_NUMBER | flags);
        buf_u16le(e->out, id->ns);
        buf_u32le(e->out, id->i);
    }
}
static void put_id(struct encoder *e, const struct ua_nodeid *id, uint8_t flags)
{
    if (id->kind == UA_ID_NUMBER) {
        put_number_id(e, id, flags);
        return;
    }
    if (id->kind > UA_ID_BYTES && e->out->err == 0) e->out->err = ERR_INVALID;
    buf_u8(e->out, (uint8_t)((id->kind - UA_ID_STRING + FORM_STRING) | flags));
    buf_u16le(e->out, id->ns);
    if (id->kind == UA_ID_GUID)
        encode_guid(e, &id->g);
    else
        encode_bytes(e, &id->s);
}
static bool get_id(struct ua_decoder *d, uint8_t form, struct ua_nodeid *id)
{
    *id = (struct ua_nodeid){0};
    if (form == FORM_TWO_BYTES) {
        id->i = rd_u8(&d->rd);
        return sound(d);
    }
    if (form == FORM_FOUR_BYTES) {
        id->ns = rd_u8(&d->rd);
        id->i = rd_u16le(&d->rd);
        return sound(d);
    }
    if (form > FORM_BYTES) return fault(d, UA_BAD_DECODING_ERROR);
    id->ns = rd_u16le(&d->rd);
    id->kind = (uint8_t)(form - FORM_NUMBER);
    if (form == FORM_STRING) return decode_string(d, &id->s);
    if (form == FORM_BYTES) return decode_bytes(d, &id->s);
    if (form == FORM_GUID) return decode_guid(d, &id->g);
    id->i = rd_u32le(&d->rd);
    return sound(d);
}
static void encode_nodeid(struct encoder *e, const void *v)
{
    put_id(e, v, 0);
}
static bool decode_nodeid(struct ua_decoder *d, void *ret)
{
    return get_id(d, rd_u8(&d->rd), ret);
}

static void encode_expanded(struct encoder *e, const void *v)
{
    const struct ua_expanded *x = v;
    put_id(e, &x->id, (uint8_t)((x->uri.p ? FORM_URI : 0) | (x->server ? FORM_SERVER : 0)));
    if (x->uri.p) encode_bytes(e, &x->uri);
    if (x->server) buf_u32le(e->out, x->server);
}
static bool decode_expanded(struct ua_decoder *d, void *ret)
{
    struct ua_expanded *x = ret;
    *x = (struct ua_expanded){0};
    uint8_t form = rd_u8(&d->rd);
    if (!get_id(d, form & 0x3f, &x->id)) return false;
    if (form & FORM_URI && !decode_string(d, &x->uri)) return false;
    if (form & FORM_SERVER) x->server = rd_u32le(&d->rd);
    return sound(d);
}

static void encode_name(struct encoder *e, const void *v)
{
    const struct ua_name *n = v;
    buf_u16le(e->out, n->ns);
    encode_bytes(e, &n->name);
}
static bool decode_name(struct ua_decoder *d, void *ret)
{
    struct ua_name *n = ret;
    n->ns = rd_u16le(&d->rd);
    return decode_string(d, &n->name);
}
static void encode_text(struct encoder *e, const void *v)
{
    const struct ua_text *t = v;
    buf_u8(e->out, (uint8_t)((t->locale.p ? 1 : 0) | (t->text.p ? 2 : 0)));
    if (t->locale.p) encode_bytes(e, &t->locale);
    if (t->text.p) encode_bytes(e, &t->text);
}
static bool decode_text(struct ua_decoder *d, void *ret)
{
    struct ua_text *t = ret;
    *t = (struct ua_text){0};
    uint8_t mask = rd_u8(&d->rd);
    if (mask & 1 && !decode_string(d, &t->locale)) return false;
    if (mask & 2 && !decode_string(d, &t->text)) return false;
    return sound(d);
}

/* ---- what nests --------------------------------------------------------------------------------------- */

static void put(struct encoder *e, unsigned type, const void *v);
static void put_array(struct encoder *e, unsigned type, const void *items, uint32_t n);
static bool get(struct ua_decoder *d, unsigned type, void *ret);
static bool get_array(struct ua_decoder *d, unsigned type, void **ret, uint32_t *ret_n);

static void encode_extension(struct encoder *e, const void *v)
{
    const struct ua_extension *x = v;
    const struct ua_structure *s = x->value ? ua_structure(x->known) : NULL;
    if (!deep_encode(e)) return;
    struct ua_nodeid id = s ? ua_id(0, s->binary) : x->type;
    encode_nodeid(e, &id);
    buf_u8(e->out, s ? UA_BODY_BYTES : x->body_kind);
    if (s == NULL) {
        if (x->body_kind != UA_BODY_NONE) encode_bytes(e, &x->body);
        return;
    }
    size_t at = e->out->n;
    buf_u32le(e->out, 0);
    e->depth++;
    put(e, x->known, x->value);
    e->depth--;
    if (e->out->err) return;
    uint32_t n = (uint32_t)(e->out->n - at - 4);
    for (int i = 0; i < 4; i++) e->out->p[at + (size_t)i] = (uint8_t)(n >> (8 * i));
}

/* The body as a structure, when it is one of ours and sound; else only the bytes are given. */
static void open_body(struct ua_decoder *d, struct ua_extension *x)
{
    unsigned type = ua_type_of_binary(&x->type);
    if (type == 0) return;
    struct ua_decoder in = ua_decoder(d->a, x->body, d->limits);
    in.depth = d->depth;
    void *value = arena_calloc(d->a, 1, ua_size_of(type));
    if (value == NULL)
        fault(d, UA_BAD_OUT_OF_MEMORY);
    else if (get(&in, type, value))
        x->known = (uint16_t)type, x->value = value;
    else if (in.status != UA_BAD_DECODING_ERROR)
        fault(d, in.status);
}
static bool decode_extension(struct ua_decoder *d, void *ret)
{
    struct ua_extension *x = ret;
    *x = (struct ua_extension){0};
    if (!enter(d) || !decode_nodeid(d, &x->type)) return false;
    x->body_kind = rd_u8(&d->rd);
    if (!sound(d)) return false;
    if (x->body_kind > UA_BODY_XML) return fault(d, UA_BAD_DECODING_ERROR);
    if (x->body_kind != UA_BODY_NONE && !decode_bytes(d, &x->body)) return false;
    if (x->body_kind == UA_BODY_BYTES && x->body.p) open_body(d, x);
    d->depth--;
    return d->status == 0;
}

static void encode_datavalue(struct encoder *e, const void *v)
{
    const struct ua_datavalue *x = v;
    uint8_t has = x->has & 0x3f;
    if (!deep_encode(e)) return;
    e->depth++;
    buf_u8(e->out, has);
    if (has & UA_HAS_VALUE) put(e, UA_VARIANT, &x->value);
    if (has & UA_HAS_STATUS) buf_u32le(e->out, x->status);
    if (has & UA_HAS_SOURCE_TIME) encode_time(e, &x->source_us);
    if (has & UA_HAS_SOURCE_PS) buf_u16le(e->out, x->source_ps);
    if (has & UA_HAS_SERVER_TIME) encode_time(e, &x->server_us);
    if (has & UA_HAS_SERVER_PS) buf_u16le(e->out, x->server_ps);
    e->depth--;
}
static bool decode_datavalue(struct ua_decoder *d, void *ret)
{
    struct ua_datavalue *x = ret;
    *x = (struct ua_datavalue){.source_us = UA_TIME_NONE, .server_us = UA_TIME_NONE};
    if (!enter(d)) return false;
    x->has = rd_u8(&d->rd) & 0x3f;
    if (x->has & UA_HAS_VALUE && !get(d, UA_VARIANT, &x->value)) return false;
    if (x->has & UA_HAS_STATUS) x->status = rd_u32le(&d->rd);
    if (x->has & UA_HAS_SOURCE_TIME && !decode_time(d, &x->source_us)) return false;
    if (x->has & UA_HAS_SOURCE_PS) x->source_ps = rd_u16le(&d->rd);
    if (x->has & UA_HAS_SERVER_TIME && !decode_time(d, &x->server_us)) return false;
    if (x->has & UA_HAS_SERVER_PS) x->server_ps = rd_u16le(&d->rd);
    d->depth--;
    return sound(d);
}

#define VARIANT_ARRAY 0x80
#define VARIANT_DIMS 0x40
static void encode_variant(struct encoder *e, const void *v)
{
    const struct ua_variant *x = v;
    bool impossible =
        x->type >= UA_BUILTIN_COUNT || (x->type == UA_NULL && x->array) || (x->type == UA_VARIANT && !x->array);
    if (impossible && e->out->err == 0) e->out->err = ERR_INVALID;
    if (!deep_encode(e)) return;
    e->depth++;
    bool dims = x->array && x->dims_n > 0;
    buf_u8(e->out, (uint8_t)(x->type | (x->array ? VARIANT_ARRAY : 0) | (dims ? VARIANT_DIMS : 0)));
    if (x->array)
        put_array(e, x->type, x->u.items, x->n);
    else if (x->type != UA_NULL)
        put(e, x->type, ua_variant_item(x, 0));
    if (dims) put_array(e, UA_UINT32, x->dims, x->dims_n);
    e->depth--;
}
static bool check_dims(const struct ua_variant *x)
{
    uint64_t product = 1;
    for (uint32_t i = 0; i < x->dims_n; i++) {
        if (x->dims[i] > INT32_MAX) return false;
        product *= x->dims[i];
        if (product > INT32_MAX) return false;
    }
    return product == x->n;
}
static bool decode_scalar(struct ua_decoder *d, struct ua_variant *x)
{
    x->n = 1;
    size_t size = ua_size_of(x->type);
    if (size <= sizeof x->u) return get(d, x->type, &x->u);
    x->u.items = arena_alloc(d->a, size);
    if (x->u.items == NULL) return fault(d, UA_BAD_OUT_OF_MEMORY);
    return get(d, x->type, x->u.items);
}
static bool decode_variant(struct ua_decoder *d, void *ret)
{
    struct ua_variant *x = ret;
    *x = (struct ua_variant){0};
    uint8_t head = rd_u8(&d->rd);
    if (!sound(d)) return false;
    x->array = head & VARIANT_ARRAY;
    x->type = head & 0x3f;
    if (x->type > 31 || (head & VARIANT_DIMS && !x->array)) return fault(d, UA_BAD_DECODING_ERROR);
    if (x->type >= UA_BUILTIN_COUNT) x->type = UA_BYTESTRING; /* OPC 10000-6, 5.2.2.16: types to come */
    if (x->array ? x->type == UA_NULL : x->type == UA_VARIANT) return fault(d, UA_BAD_DECODING_ERROR);
    if (x->type == UA_NULL) return true;
    if (!enter(d)) return false;
    if (!(x->array ? get_array(d, x->type, &x->u.items, &x->n) : decode_scalar(d, x))) return false;
    if (head & VARIANT_DIMS) {
        void *dims = NULL;
        if (!get_array(d, UA_UINT32, &dims, &x->dims_n)) return false;
        x->dims = dims;
        if (x->dims_n > 0 && !check_dims(x)) return fault(d, UA_BAD_DECODING_ERROR);
    }
    d->depth--;
    return true;
}

enum { D_SYMBOLIC = 1, D_NAMESPACE = 2, D_TEXT = 4, D_LOCALE = 8, D_INFO = 16, D_STATUS = 32, D_INNER = 64 };
static void encode_diagnostic(struct encoder *e, const void *v)
{
    const struct ua_diagnostic *x = v;
    uint8_t has = (uint8_t)(x->inner ? x->has & 0x7f : x->has & 0x3f);
    if (!deep_encode(e)) return;
    buf_u8(e->out, has);
    if (has & D_SYMBOLIC) buf_u32le(e->out, (uint32_t)x->symbolic);
    if (has & D_NAMESPACE) buf_u32le(e->out, (uint32_t)x->ns);
    if (has & D_LOCALE) buf_u32le(e->out, (uint32_t)x->locale);
    if (has & D_TEXT) buf_u32le(e->out, (uint32_t)x->text);
    if (has & D_INFO) encode_bytes(e, &x->info);
    if (has & D_STATUS) buf_u32le(e->out, x->inner_status);
    if (!(has & D_INNER)) return;
    e->depth++;
    encode_diagnostic(e, x->inner);
    e->depth--;
}
static bool decode_diagnostic(struct ua_decoder *d, void *ret)
{
    struct ua_diagnostic *x = ret;
    *x = (struct ua_diagnostic){0};
    uint8_t has = x->has = rd_u8(&d->rd) & 0x7f;
    if (has & D_SYMBOLIC) x->symbolic = (int32_t)rd_u32le(&d->rd);
    if (has & D_NAMESPACE) x->ns = (int32_t)rd_u32le(&d->rd);
    if (has & D_LOCALE) x->locale = (int32_t)rd_u32le(&d->rd);
    if (has & D_TEXT) x->text = (int32_t)rd_u32le(&d->rd);
    if (has & D_INFO && !decode_string(d, &x->info)) return false;
    if (has & D_STATUS) x->inner_status = rd_u32le(&d->rd);
    if (!sound(d)) return false;
    if (!(has & D_INNER)) return true;
    if (!enter(d)) return false;
    x->inner = arena_alloc(d->a, sizeof *x->inner);
    if (x->inner == NULL) return fault(d, UA_BAD_OUT_OF_MEMORY);
    if (!decode_diagnostic(d, x->inner)) return false;
    d->depth--;
    return true;
}

/* ---- the table, and the walk --------------------------------------------------------------------------- */

static const struct builtin builtins[UA_BUILTIN_COUNT] = {
    [UA_BOOLEAN] = {"Boolean", sizeof(bool), 0, encode_bool, decode_bool},
    [UA_SBYTE] = {"SByte", 1, 1, encode_u8, decode_u8},
    [UA_BYTE] = {"Byte", 1, 1, encode_u8, decode_u8},
    [UA_INT16] = {"Int16", 2, 2, encode_u16, decode_u16},
    [UA_UINT16] = {"UInt16", 2, 2, encode_u16, decode_u16},
    [UA_INT32] = {"Int32", 4, 4, encode_u32, decode_u32},
    [UA_UINT32] = {"UInt32", 4, 4, encode_u32, decode_u32},
    [UA_INT64] = {"Int64", 8, 8, encode_u64, decode_u64},
    [UA_UINT64] = {"UInt64", 8, 8, encode_u64, decode_u64},
    [UA_FLOAT] = {"Float", 4, 4, encode_u32, decode_u32},
    [UA_DOUBLE] = {"Double", 8, 8, encode_u64, decode_u64},
    [UA_STRING] = {"String", sizeof(struct str), 0, encode_bytes, decode_string},
    [UA_DATETIME] = {"DateTime", 8, 0, encode_time, decode_time},
    [UA_GUID] = {"Guid", sizeof(struct ua_guid), 0, encode_guid, decode_guid},
    [UA_BYTESTRING] = {"ByteString", sizeof(struct str), 0, encode_bytes, decode_bytes},
    [UA_XML] = {"XmlElement", sizeof(struct str), 0, encode_bytes, decode_string},
    [UA_NODEID] = {"NodeId", sizeof(struct ua_nodeid), 0, encode_nodeid, decode_nodeid},
    [UA_EXPANDED] = {"ExpandedNodeId", sizeof(struct ua_expanded), 0, encode_expanded, decode_expanded},
    [UA_STATUS] = {"StatusCode", 4, 4, encode_u32, decode_u32},
    [UA_NAME] = {"QualifiedName", sizeof(struct ua_name), 0, encode_name, decode_name},
    [UA_TEXT] = {"LocalizedText", sizeof(struct ua_text), 0, encode_text, decode_text},
    [UA_EXTENSION] = {"ExtensionObject", sizeof(struct ua_extension), 0, encode_extension, decode_extension},
    [UA_DATAVALUE] = {"DataValue", sizeof(struct ua_datavalue), 0, encode_datavalue, decode_datavalue},
    [UA_VARIANT] = {"Variant", sizeof(struct ua_variant), 0, encode_variant, decode_variant},
    [UA_DIAGNOSTIC] = {"DiagnosticInfo", sizeof(struct ua_diagnostic), 0, encode_diagnostic, decode_diagnostic},
};

size_t ua_size_of(unsigned type)
{
    if (type < UA_BUILTIN_COUNT) return builtins[type].size;
    const struct ua_structure *s = ua_structure(type);
    return s ? s->size : 0;
}
const char *ua_type_name(unsigned type)
{
    if (type < UA_BUILTIN_COUNT) return builtins[type].name;
    const struct ua_structure *s = ua_structure(type);
    return s ? s->name : NULL;
}

/* May items of this type be copied as they are? */
static size_t flat(unsigned type)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return type < UA_BUILTIN_COUNT ? builtins[type].flat : 0;
#else
    (void)type;
    return 0;
#endif
}

static void put_array(struct encoder *e, unsigned type, const void *items, uint32_t n)
{
    if (n > INT32_MAX && e->out->err == 0) e->out->err = ERR_INVALID;
    buf_u32le(e->out, items == NULL ? UINT32_MAX : n);
    if (items == NULL || e->out->err) return;
    if (flat(type) != 0) {
        buf_add(e->out, items, flat(type) * n);
        return;
    }
    size_t size = ua_size_of(type);
    for (uint32_t i = 0; i < n && e->out->err == 0; i++) put(e, type, (const char *)items + i * size);
}
static void put_field(struct encoder *e, const struct ua_field *f, const char *base)
{
    if (f->array)
        put_array(e, f->type, *(void *const *)(base + f->offset), *(const uint32_t *)(base + f->count));
    else
        put(e, f->type, base + f->offset);
}
static void put(struct encoder *e, unsigned type, const void *v)
{
    const struct ua_structure *s = ua_structure(type);
    if (s != NULL) {
        for (size_t i = 0; i < s->fields_n; i++) put_field(e, &s->fields[i], v);
    } else if (type < UA_BUILTIN_COUNT && builtins[type].encode != NULL) {
        builtins[type].encode(e, v);
    } else if (e->out->err == 0) {
        e->out->err = ERR_INVALID;
    }
}
void ua_encode(struct buf *out, unsigned type, const void *v)
{
    struct encoder e = {out, 0};
    put(&e, type, v);
}

static bool get_items(struct ua_decoder *d, unsigned type, char *items, uint32_t n)
{
    size_t size = ua_size_of(type);
    if (flat(type) != 0) {
        const uint8_t *p = rd_bytes(&d->rd, flat(type) * n);
        if (p == NULL) return fault(d, UA_BAD_DECODING_ERROR);
        memcpy(items, p, flat(type) * n);
        return true;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!get(d, type, items + i * size)) return false;
    return true;
}
static bool get_array(struct ua_decoder *d, unsigned type, void **ret, uint32_t *ret_n)
{
    int32_t n = (int32_t)rd_u32le(&d->rd);
    *ret = NULL, *ret_n = 0;
    if (!sound(d)) return false;
    if (n < -1) return fault(d, UA_BAD_DECODING_ERROR);
    if (n == -1) return true;
    if ((uint32_t)n > d->limits->array) return fault(d, UA_BAD_ENCODING_LIMITS);
    size_t least = flat(type) ? flat(type) : 1;
    if ((size_t)n * least > rd_left(&d->rd)) return fault(d, UA_BAD_DECODING_ERROR);
    char *items = arena_calloc(d->a, n ? (size_t)n : 1, ua_size_of(type));
    if (items == NULL) return fault(d, UA_BAD_OUT_OF_MEMORY);
    if (!get_items(d, type, items, (uint32_t)n)) return false;
    *ret = items, *ret_n = (uint32_t)n;
    return true;
}
static bool get_field(struct ua_decoder *d, const struct ua_field *f, char *base)
{
    if (!f->array) return get(d, f->type, base + f->offset);
    return get_array(d, f->type, (void **)(base + f->offset), (uint32_t *)(base + f->count));
}
static bool get(struct ua_decoder *d, unsigned type, void *ret)
{
    const struct ua_structure *s = ua_structure(type);
    if (s == NULL) {
        if (type >= UA_BUILTIN_COUNT || builtins[type].decode == NULL) return fault(d, UA_BAD_DECODING_ERROR);
        return builtins[type].decode(d, ret);
    }
    for (size_t i = 0; i < s->fields_n; i++)
        if (!get_field(d, &s->fields[i], ret)) return false;
    return true;
}

struct ua_decoder ua_decoder(struct arena *a, struct str bytes, const struct ua_limits *limits)
{
    return (struct ua_decoder){rd_make(bytes.p ? bytes.p : "", bytes.n), a, limits ? limits : &ua_limits_default, 0, 0};
}
bool ua_decode(struct ua_decoder *d, unsigned type, void *ret)
{
    memset(ret, 0, ua_size_of(type));
    return get(d, type, ret) && d->status == 0;
}

/* ---- messages ------------------------------------------------------------------------------------------ */

void ua_message_encode(struct buf *out, unsigned type, const void *value)
{
    const struct ua_structure *s = ua_structure(type);
    if (s == NULL && out->err == 0) out->err = ERR_INVALID;
    if (s == NULL) return;
    struct ua_nodeid id = ua_id(0, s->binary);
    ua_encode(out, UA_NODEID, &id);
    ua_encode(out, type, value);
}

/* The handle in the header, which stands first; 0 when it cannot be read. */
static uint32_t peek_handle(const struct ua_decoder *at, unsigned type)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    const struct ua_structure *s = ua_structure(type);
    bool answer = s != NULL && s->fields[0].type == UA_T_response_header;
    struct ua_decoder d = ua_decoder(&a, str_make((const char *)at->rd.p, rd_left(&at->rd)), at->limits);
    struct ua_request_header q;
    struct ua_response_header r;
    if (answer) return ua_decode(&d, UA_T_response_header, &r) ? r.request_handle : 0;
    return ua_decode(&d, UA_T_request_header, &q) ? q.request_handle : 0;
}
static uint32_t handle_of(unsigned type, const void *value)
{
    unsigned head = ua_structure(type)->fields[0].type;
    if (head == UA_T_request_header) return ((const struct ua_request_header *)value)->request_handle;
    return head == UA_T_response_header ? ((const struct ua_response_header *)value)->request_handle : 0;
}

uint32_t ua_message_decode(struct arena *a, struct str bytes, const struct ua_limits *limits, unsigned *ret_type,
                           void **ret_value, uint32_t *ret_handle)
{
    struct ua_decoder d = ua_decoder(a, bytes, limits);
    struct ua_nodeid id;
    *ret_type = 0, *ret_value = NULL, *ret_handle = 0;
    if (!ua_decode(&d, UA_NODEID, &id)) return d.status;
    unsigned type = *ret_type = ua_type_of_binary(&id);
    struct ua_decoder body = d;
    if (type == 0) {
        *ret_handle = peek_handle(&body, 0);
        return UA_BAD_SERVICE_UNSUPPORTED;
    }
    void *value = arena_calloc(a, 1, ua_size_of(type));
    if (value == NULL) return UA_BAD_OUT_OF_MEMORY;
    if (!ua_decode(&d, type, value)) {
        *ret_handle = peek_handle(&body, type);
        return d.status;
    }
    *ret_value = value;
    *ret_handle = handle_of(type, value);
    return 0;
}
