/* address.c - addresses and values. Pure.
 *
 * An address is a NodeId in any of its text forms (ua_nodeid_parse). A part of an array is an option of the point and
 * no suffix: node ids of many controllers contain brackets themselves. */
#include <math.h>
#include "base/mem.h"
#include "drivers/opcua/events_int.h"
#include "model/waveform.h"

const uint32_t oc_intervals[OC_CLASSES] = {50, 100, 250, 500, 1000, 2000, 5000, 10000, 30000, 60000};

unsigned oc_class_of(uint32_t ms)
{
    unsigned c = 0;
    while (c + 1 < OC_CLASSES && oc_intervals[c + 1] <= ms) c++;
    return c;
}

static int check_member(struct arena *a, const struct driver_point *p, struct oc_point *ret, struct error *e)
{
    struct str member = str_trim(str_of(opt_str(p->options, "member", "")));
    ret->member = member.n ? arena_str(a, member) : STR("");
    int rc = member.n ? json_path_compile(ret->member, a, &ret->path, e) : 0;
    if (rc && e) str_to_cstr(STR("options.member"), e->where, sizeof e->where);
    return rc;
}

/* "method <object> <method>"; the second begins at the last blank that leaves two node ids, since texts may hold
 * blanks. */
static int parse_method(struct arena *a, struct oc_point *ret, struct error *e)
{
    struct str rest = str_trim(str_sub(ret->address, 7, ret->address.n));
    for (size_t i = rest.n; i-- > 0;) {
        if (rest.p[i] != ' ') continue;
        struct str object = str_trim(str_sub(rest, 0, i)), method = str_trim(str_sub(rest, i, rest.n));
        if (ua_nodeid_parse(a, object, &ret->node.id, NULL) == 0 &&
            ua_nodeid_parse(a, method, &ret->call.id, NULL) == 0)
            return 0;
    }
    return error_set(e, ERR_INVALID, "address",
                     "a method is 'method', its object and the method, such as "
                     "method ns=2;s=Pump ns=2;s=Pump.Start",
                     "方法的写法为“method 对象节点 方法节点”，例如 method ns=2;s=Pump ns=2;s=Pump.Start");
}

static int check_address(struct arena *a, const struct driver_point *p, struct oc_point *ret, struct error *e)
{
    struct str text = str_trim(str_of(p->address)), range = str_trim(str_of(opt_str(p->options, "index_range", "")));
    if (text.n == 0)
        return error_set(e, ERR_INVALID, "address", "the address is empty: a node id such as ns=2;s=Tank.Level",
                         "地址为空：应为节点标识，例如 ns=2;s=Tank.Level");
    ret->address = arena_str(a, text);
    if (oc_is_event(text)) {
        struct oc_event *event = NULL;
        int err = oc_event_parse(a, text, &event, e);
        ret->event = event;
        return err ? err : check_member(a, p, ret, e);
    }
    ret->method = str_starts(text, STR("method "));
    int rc = ret->method ? parse_method(a, ret, e) : ua_nodeid_parse(a, ret->address, &ret->node.id, e);
    if (rc) {
        if (e) str_to_cstr(STR("address"), e->where, sizeof e->where);
        return rc;
    }
    if (ret->method) return 0;
    if (ret->node.id.server)
        return error_set(e, ERR_INVALID, "address", "svr= names another server: make a channel for that one",
                         "svr= 指向另一台服务器：请为它单独建立通道");
    ret->node.range = range.n ? arena_str(a, range) : STR_NULL;
    rc = range.n ? ua_range_check(range, e) : 0;
    if (rc) error_prefix(e, "options.index_range ");
    return rc ? rc : check_member(a, p, ret, e);
}

static void take_options(const struct driver_point *p, struct oc_point *r)
{
    const struct options *o = p->options;
    r->sampling_ms = (uint32_t)opt_ms(o, "sampling", p->period_ms);
    r->queue = (uint32_t)opt_i64(o, "queue", 10);
    r->deadband_value = opt_double(o, "deadband", 0);
    r->deadband = (uint8_t)(r->deadband_value > 0 ? 1 + opt_enum(o, "deadband_kind", 0) : UA_DEADBAND_NONE);
    r->server_time = opt_enum(o, "time_source", 0) == 1;
    r->step_s = opt_double(o, "array_step", 1);
    r->comment = str_trim(str_of(opt_str(o, "comment", "")));
}

int oc_point_resolve(const struct driver_point *p, struct arena *a, struct oc_point *ret, struct driver_address *addr,
                     struct error *e)
{
    struct buf canonical;
    *ret = (struct oc_point){.num = p->num, .device = p->device, .period_ms = p->period_ms};
    ret->value_type = (uint8_t)p->type;
    ret->scale = p->scale, ret->offset = p->offset, ret->lo = p->lo, ret->hi = p->hi;
    take_options(p, ret);
    ret->klass = (uint8_t)oc_class_of(p->period_ms);
    ret->comment = arena_str(a, ret->comment);
    int rc = check_address(a, p, ret, e);
    if (rc || addr == NULL) return rc;
    buf_init(&canonical, 16384);
    if (ret->event) {
        oc_event_text(&canonical, ret->event);
        str_to_cstr(buf_view(&canonical), addr->canonical, sizeof addr->canonical);
        buf_fini(&canonical);
        addr->type = p->type == VALUE_AUTO ? oc_event_value_type(ret->event) : p->type;
        addr->writable = ret->event->alarm && ret->event->field && ret->event->field->writable;
        return 0;
    }
    if (ret->method) buf_z(&canonical, "method ");
    ua_expanded_text(&canonical, &ret->node.id);
    if (ret->method) buf_z(&canonical, " ");
    if (ret->method) ua_expanded_text(&canonical, &ret->call.id);
    str_to_cstr(buf_view(&canonical), addr->canonical, sizeof addr->canonical);
    buf_fini(&canonical);
    addr->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type; /* which it is, the server tells */
    addr->writable = true;
    return 0;
}

int oc_node_id(const struct oc_channel *ch, const struct oc_node *n, struct ua_nodeid *ret, struct error *e)
{
    *ret = n->id.id;
    if (n->id.uri.p == NULL) return 0;
    for (uint32_t i = 0; i < ch->namespaces_n; i++) {
        if (!str_eq(ch->namespaces[i], n->id.uri)) continue;
        ret->ns = (uint16_t)i;
        return 0;
    }
    return error_set(e, ERR_NOT_FOUND, "", "the server has no namespace %.*s", "服务器没有命名空间 %.*s",
                     STR_ARG(n->id.uri));
}

/* ---- a value of the server -> a sample ------------------------------------------------------------------------- */

static const uint8_t value_types[UA_BUILTIN_COUNT] = {
    [UA_BOOLEAN] = VALUE_BOOL,    [UA_SBYTE] = VALUE_INT8,    [UA_BYTE] = VALUE_UINT8,    [UA_INT16] = VALUE_INT16,
    [UA_UINT16] = VALUE_UINT16,   [UA_INT32] = VALUE_INT32,   [UA_UINT32] = VALUE_UINT32, [UA_INT64] = VALUE_INT64,
    [UA_UINT64] = VALUE_UINT64,   [UA_FLOAT] = VALUE_FLOAT,   [UA_DOUBLE] = VALUE_DOUBLE, [UA_STRING] = VALUE_STRING,
    [UA_DATETIME] = VALUE_STRING, [UA_GUID] = VALUE_STRING,   [UA_XML] = VALUE_STRING,    [UA_NODEID] = VALUE_STRING,
    [UA_EXPANDED] = VALUE_STRING, [UA_STATUS] = VALUE_STRING, [UA_NAME] = VALUE_STRING,   [UA_TEXT] = VALUE_STRING,
};

enum value_type oc_value_type(unsigned ua_type)
{
    return ua_type < UA_BUILTIN_COUNT ? (enum value_type)value_types[ua_type] : VALUE_AUTO;
}

static void take_status(struct sample *s, uint32_t status)
{
    struct ua_quality q = ua_status_quality(status);
    s->quality = q.quality;
    s->flags = q.reason;
}

static void worsen(struct sample *s, enum quality q, enum quality_reason why)
{
    if (s->quality >= q) return;
    s->quality = (uint8_t)q;
    s->flags = (uint16_t)((s->flags & ~SAMPLE_REASON_MASK) | why);
}

static void take_time(const struct oc_point *p, const struct ua_datavalue *v, int64_t now_us, struct sample *s)
{
    int64_t t = p->server_time ? UA_TIME_NONE : v->source_us;
    if (t == UA_TIME_NONE || t == UA_TIME_MAX) t = v->server_us;
    bool told = t != UA_TIME_NONE && t != UA_TIME_MAX && t > 0;
    s->time_us = told ? t : now_us;
    if (told) s->flags |= SAMPLE_FLAG_SOURCE_TIME;
}

static void put_double(const struct oc_point *p, double d, struct sample *s)
{
    d = d * p->scale + p->offset;
    s->type = SAMPLE_DOUBLE;
    s->v.d = d;
    if (!isfinite(d)) {
        s->v.d = 0;
        s->type = SAMPLE_NONE;
        worsen(s, QUALITY_BAD, REASON_NOT_A_NUMBER);
    } else if ((!isnan(p->lo) && d < p->lo) || (!isnan(p->hi) && d > p->hi)) {
        worsen(s, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE);
    }
}

static bool plain(const struct oc_point *p)
{
    return p->scale == 1 && p->offset == 0;
}

static bool is_integer(unsigned t)
{
    return t >= VALUE_INT8 && t <= VALUE_UINT64;
}

/* A number, by the type that the user wants or else by its own. false: it is none. */
static bool put_number(const struct oc_point *p, const struct ua_variant *v, struct sample *s)
{
    double d;
    int64_t i;
    if (!ua_variant_double(v, 0, &d)) return false;
    bool exact = ua_variant_i64(v, 0, &i);
    unsigned want = p->value_type == VALUE_AUTO ? oc_value_type(v->type) : p->value_type;
    if (want == VALUE_BOOL) {
        s->type = SAMPLE_BOOL;
        s->v.i = d != 0;
        return true;
    }
    put_double(p, d, s);
    if (!plain(p) || !is_integer(want) || s->type != SAMPLE_DOUBLE) return true;
    if (!exact && fabs(d) > 9e18) return true;
    s->type = SAMPLE_INT;
    s->v.i = exact ? i : llround(d);
    return true;
}

static void put_text(struct oc_value *r, struct str text)
{
    r->s.type = SAMPLE_STRING;
    r->text = str_sub(text.p ? text : STR(""), 0, OC_TEXT_MAX);
}

static const char *media_of(struct str b)
{
    if (str_starts(b, STR("\x89PNG\r\n"))) return "image/png";
    if (str_starts(b, STR("\xff\xd8\xff"))) return "image/jpeg";
    return "application/octet-stream";
}

static void put_blob(struct oc_value *r, struct str bytes, const char *media)
{
    r->s.type = SAMPLE_BLOB;
    r->blob = bytes;
    r->media = media;
}

/* Several numbers are a waveform. */
static bool put_waveform(const struct oc_point *p, const struct ua_variant *v, struct arena *a, struct oc_value *r)
{
    double *d = v->n <= WAVEFORM_MAX ? arena_alloc(a, v->n * sizeof *d) : NULL;
    struct buf out;
    for (uint32_t i = 0; i < v->n && d; i++) {
        if (!ua_variant_double(v, i, &d[i])) return false;
        d[i] = d[i] * p->scale + p->offset;
    }
    if (d == NULL) return false;
    buf_init(&out, 20u << 20);
    if (waveform_pack(d, v->n, p->step_s, STR_NULL, &out, NULL) == 0)
        put_blob(r, arena_str(a, buf_view(&out)), WAVEFORM_TYPE);
    buf_fini(&out);
    return r->blob.p != NULL;
}

/* One element was asked for: "3", "1,2". */
static bool one_element(const struct oc_point *p, const struct ua_variant *v)
{
    return p->node.range.p && str_find(p->node.range, ':') < 0 && v->array && v->n == 1;
}

static void put_json(struct oc_channel *ch, const struct oc_point *p, struct oc_value *r, const struct ua_variant *v,
                     struct arena *a)
{
    struct json *j;
    if (ua_variant_json(a, v, oc_types(ch, &r->missed), &j)) {
        worsen(&r->s, QUALITY_BAD, REASON_DEVICE_EXCEPTION);
        return;
    }
    while (one_element(p, v) && j->type == JSON_ARRAY && json_at(j, 0)) j = json_at(j, 0);
    put_text(r, j->type == JSON_STRING ? j->s : json_text(a, j));
}

/* A member of a structure. */
static void put_member(struct oc_channel *ch, const struct oc_point *p, struct oc_value *r, const struct ua_variant *v,
                       struct arena *a)
{
    struct json *root;
    int rc = ua_variant_json(a, v, oc_types(ch, &r->missed), &root);
    const struct json *j = rc == 0 ? json_path_first(p->path, root) : NULL;
    if (j == NULL || j->type == JSON_NULL) {
        worsen(&r->s, QUALITY_BAD, rc ? REASON_DEVICE_EXCEPTION : REASON_NO_DATA);
    } else if (j->type == JSON_BOOL || j->type == JSON_INT || j->type == JSON_DOUBLE) {
        struct ua_variant n = j->type == JSON_BOOL  ? (struct ua_variant){.type = UA_BOOLEAN, .n = 1, .u.b = j->b}
                              : j->type == JSON_INT ? (struct ua_variant){.type = UA_INT64, .n = 1, .u.i64 = j->i}
                                                    : (struct ua_variant){.type = UA_DOUBLE, .n = 1, .u.d = j->d};
        if (p->value_type == VALUE_STRING || !put_number(p, &n, &r->s)) put_text(r, json_text(a, j));
    } else {
        put_text(r, j->type == JSON_STRING ? j->s : json_text(a, j));
    }
}

static const struct str *bytes_of(const struct ua_variant *v)
{
    return v->type == UA_BYTESTRING && v->n == 1 ? ua_variant_item(v, 0) : NULL;
}

static void put_value(struct oc_channel *ch, const struct oc_point *p, const struct ua_variant *v, struct arena *a,
                      struct oc_value *r)
{
    const struct str *bytes = bytes_of(v);
    if (p->path)
        put_member(ch, p, r, v, a);
    else if (p->value_type == VALUE_STRING && !bytes)
        put_json(ch, p, r, v, a);
    else if (bytes && bytes->n)
        put_blob(r, *bytes, media_of(*bytes));
    else if (bytes || (v->array && v->n == 0))
        worsen(&r->s, QUALITY_BAD, REASON_NO_DATA);
    else if (v->n == 1 && put_number(p, v, &r->s))
        return;
    else if (!(v->array && v->n > 1 && put_waveform(p, v, a, r)))
        put_json(ch, p, r, v, a);
}

void oc_value_of(struct oc_channel *ch, const struct oc_point *p, const struct ua_datavalue *v, struct arena *a,
                 struct oc_value *ret)
{
    *ret = (struct oc_value){.s = {.point = p->num}};
    take_status(&ret->s, v->status);
    take_time(p, v, oc_utc(ch), &ret->s);
    if (v->value.type == UA_NULL)
        worsen(&ret->s, QUALITY_BAD, REASON_NO_DATA);
    else
        put_value(ch, p, &v->value, a, ret);
}

/* ---- a value of ours -> a Variant ------------------------------------------------------------------------------ */

static double raw_of(const struct oc_point *p, const struct sample *s)
{
    double d = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
    return (d - p->offset) / (p->scale != 0 ? p->scale : 1);
}

static int from_text(struct str text, unsigned type, struct arena *a, struct ua_variant *ret, struct error *e)
{
    struct json j = {.type = JSON_STRING};
    if (type == UA_STRING) {
        struct str copy = arena_str(a, text);
        *ret = ua_variant_scalar(UA_STRING, &copy);
        return 0;
    }
    j.s = arena_str(a, text);
    return ua_json_variant(a, &j, type, ret, e);
}

/* A range of an array is written as an array. */
static int as_array(struct arena *a, struct ua_variant *v, struct error *e)
{
    size_t size = ua_size_of(v->type);
    void *item = arena_alloc(a, size);
    if (item == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    memcpy(item, ua_variant_item(v, 0), size);
    *v = ua_variant_array(v->type, item, 1);
    return 0;
}

int oc_variant_of(const struct oc_point *p, const struct sample *s, struct str text, unsigned type, bool array,
                  struct arena *a, struct ua_variant *ret, struct error *e)
{
    int rc;
    if (array && p->node.range.p == NULL)
        return error_set(e, ERR_UNSUPPORTED, "", "the node is an array: name one element by the option 'index_range'",
                         "该节点是数组：请用选项“index_range”指定一个元素");
    if (type == UA_NULL)
        return error_set(e, ERR_DEVICE, "", "the server does not tell the type of the node",
                         "服务器未给出该节点的数据类型");
    if (s->type == SAMPLE_STRING)
        rc = from_text(text, type, a, ret, e);
    else if (type > UA_DOUBLE)
        rc = error_set(e, ERR_INVALID, "", "the node is a %s: write a text", "该节点的类型是 %s：请写入文本",
                       ua_type_name(type));
    else if (plain(p) && s->type != SAMPLE_DOUBLE)
        rc = ua_variant_from_i64(type, s->v.i, ret, e);
    else
        rc = ua_variant_from_double(type, raw_of(p, s), ret, e);
    return rc || !array ? rc : as_array(a, ret, e);
}
