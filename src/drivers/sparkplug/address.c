/* address.c - what an address means, and values both ways.
 *
 *   METRIC                        of the device that the point belongs to (its group, edge node, device)
 *   GROUP/NODE!METRIC             of any edge node
 *   GROUP/NODE/DEVICE!METRIC      of any device
 *   !METRIC                       of the device, for a name that holds '!' itself
 *   $online                       instead of a metric: whether the device (or the edge node) is alive
 * Names of metrics may hold slashes. What stands before the first '!' is a place only when it has the form of one. */
#include "base/time.h"
#include "drivers/sparkplug/sparkplug_int.h"
#include "model/waveform.h"

/* ---- addresses ---- */

static bool place_parse(struct str s, struct sh_target *t)
{
    t->group = str_cut(&s, '/');
    if (s.p == NULL) return false;
    t->node = str_cut(&s, '/');
    t->device = s.p ? s : STR("");
    return spb_id_ok(t->group) && spb_id_ok(t->node) && (s.p == NULL || spb_id_ok(s));
}

static int no_place(struct str text, struct error *e)
{
    return error_set(e, ERR_INVALID, "address",
                     "the device names no group and edge node: set its options, or write group/node!metric or "
                     "group/node/device!metric instead of '%.*s'",
                     "设备没有设置组和边缘节点：请设置设备选项，或将“%.*s”写成 组/节点!指标 或 组/节点/设备!指标",
                     STR_ARG(str_sub(text, 0, 60)));
}

int sh_target_parse(struct str text, const struct sh_conf *conf, struct sh_target *ret, struct error *e)
{
    struct sh_target t = {0};
    ptrdiff_t bang = str_find(text, '!');
    t.metric = text;
    bool placed = bang > 0 && place_parse(str_sub(text, 0, (size_t)bang), &t);
    if (placed || bang == 0) t.metric = str_sub(text, (size_t)bang + 1, text.n);
    if (t.metric.n == 0)
        return error_set(e, ERR_INVALID, "address",
                         "the name of the metric is missing: write 'Motor/Speed' or 'group/node/device!Motor/Speed'",
                         "缺少指标名：请写成“Motor/Speed”或“组/节点/设备!Motor/Speed”");
    if (!placed) {
        if (conf == NULL || !conf->group[0] || !conf->node[0]) return no_place(text, e);
        t.group = str_of(conf->group), t.node = str_of(conf->node), t.device = str_of(conf->device);
    }
    t.online = str_is(t.metric, SH_ONLINE);
    *ret = t;
    return 0;
}

void sh_target_format(const struct sh_target *t, const struct sh_conf *conf, struct buf *out)
{
    struct sh_target own;
    bool here = conf && str_is(t->group, conf->group) && str_is(t->node, conf->node) && str_is(t->device, conf->device);
    if (here && sh_target_parse(t->metric, conf, &own, NULL) == 0 && str_eq(own.metric, t->metric) &&
        str_eq(own.device, t->device)) {
        buf_str(out, t->metric);
        return;
    }
    if (!here) {
        buf_printf(out, "%.*s/%.*s", STR_ARG(t->group), STR_ARG(t->node));
        if (t->device.n) buf_printf(out, "/%.*s", STR_ARG(t->device));
    }
    buf_u8(out, '!');
    buf_str(out, t->metric);
}

void sh_conf_init(struct sh_conf *c, const struct driver_device *d, const struct options *o)
{
    *c = (struct sh_conf){.num = d ? d->num : 0};
    if (d && d->code) str_to_cstr(str_of(d->code), c->code, sizeof c->code);
    str_to_cstr(str_of(opt_str(o, "group", "")), c->group, sizeof c->group);
    str_to_cstr(str_of(opt_str(o, "edge_node", "")), c->node, sizeof c->node);
    str_to_cstr(str_of(opt_str(o, "device", "")), c->device, sizeof c->device);
    c->source_time = opt_enum(o, "time_source", 0) == 0;
    c->names = opt_bool(o, "command_names", false);
}

static int check_conf(const struct sh_conf *c, struct error *e)
{
    const struct {
        const char *option, *text;
    } ids[] = {{"group", c->group}, {"edge_node", c->node}, {"device", c->device}};
    for (size_t i = 0; i < 3; i++)
        if (ids[i].text[0] && !spb_id_ok(str_of(ids[i].text)))
            return error_set(e, ERR_INVALID, ids[i].option,
                             "'%s' of the device is '%s': it may not hold '/', '+' or '#'",
                             "设备选项“%s”为“%s”：不能包含“/”“+”“#”", ids[i].option, ids[i].text);
    return 0;
}

/* A place is a group and an edge node, with a device or without; none at all: addresses are whole ones. */
int sh_device_check(const struct options *o, struct error *e)
{
    struct sh_conf c;
    sh_conf_init(&c, NULL, o);
    int rc = check_conf(&c, e);
    if (rc || (c.group[0] && c.node[0]) || (!c.group[0] && !c.node[0] && !c.device[0])) return rc;
    const char *missing = c.group[0] ? "edge_node" : "group";
    return error_set(
        e, ERR_INVALID, missing,
        "'%s' is missing: a device stands in a group at an edge node; give both, or neither for points with "
        "whole addresses",
        "缺少“%s”：设备位于某组的边缘节点下；请同时填写组和边缘节点，或都不填而在测点中写完整地址", missing);
}

int sh_point_init(const struct driver_point *p, const struct sh_conf *conf, struct sh_point *ret, struct sh_target *at,
                  struct error *e)
{
    struct str text = str_trim(str_of(p->address ? p->address : ""));
    int rc = check_conf(conf, e);
    if (rc == 0) rc = sh_target_parse(text, conf, at, e);
    if (rc) return rc;
    *ret = (struct sh_point){.num = p->num,
                             .device = p->device,
                             .value_type = (uint8_t)p->type,
                             .online = at->online,
                             .element = (int32_t)opt_i64(p->options, "element", -1),
                             .step_s = (double)opt_us(p->options, "element_interval", 1000) / 1e6,
                             .scale = p->scale,
                             .offset = p->offset,
                             .lo = p->lo,
                             .hi = p->hi};
    return 0;
}

/* ---- a metric -> a sample ---- */

enum value_type sh_natural(uint32_t datatype)
{
    static const uint8_t numbers[] = {
        [SPB_T_Int8] = VALUE_INT8,     [SPB_T_Int16] = VALUE_INT16,   [SPB_T_Int32] = VALUE_INT32,
        [SPB_T_Int64] = VALUE_INT64,   [SPB_T_UInt8] = VALUE_UINT8,   [SPB_T_UInt16] = VALUE_UINT16,
        [SPB_T_UInt32] = VALUE_UINT32, [SPB_T_UInt64] = VALUE_UINT64, [SPB_T_Float] = VALUE_FLOAT,
        [SPB_T_Double] = VALUE_DOUBLE, [SPB_T_Boolean] = VALUE_BOOL};
    uint8_t form = spb_type(datatype)->form;
    if (datatype < sizeof numbers && numbers[datatype]) return (enum value_type)numbers[datatype];
    return form == SPB_STRING || form == SPB_TIME || form == SPB_DATASET || form == SPB_TEMPLATE ? VALUE_STRING
                                                                                                 : VALUE_AUTO;
}

static void worsen(struct sample *s, enum quality q, enum quality_reason why)
{
    if (s->quality >= q) return;
    s->quality = (uint8_t)q;
    s->flags = (uint16_t)why;
}

static void put_double(const struct sh_point *p, double d, struct sample *s)
{
    d = d * p->scale + p->offset;
    s->type = SAMPLE_DOUBLE;
    s->v.d = d;
    if (!isfinite(d)) {
        s->type = SAMPLE_NONE;
        s->v.d = 0;
        worsen(s, QUALITY_BAD, REASON_NOT_A_NUMBER);
    } else if ((!isnan(p->lo) && d < p->lo) || (!isnan(p->hi) && d > p->hi)) {
        worsen(s, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE);
    }
}

static bool integral(const struct spb_scalar *v, int64_t *ret)
{
    if (v->form == SPB_SIGNED || v->form == SPB_TIME) *ret = v->i;
    if (v->form == SPB_UNSIGNED || v->form == SPB_BOOL) *ret = (int64_t)v->u;
    return v->form != SPB_REAL && (v->form != SPB_UNSIGNED || v->u <= INT64_MAX);
}

static bool wants_integer(unsigned t)
{
    return t >= VALUE_INT8 && t <= VALUE_UINT64;
}

static void put_number(const struct sh_point *p, const struct spb_scalar *v, struct sample *s)
{
    int64_t i = 0;
    bool exact = integral(v, &i), plain = p->scale == 1 && p->offset == 0;
    unsigned want = p->value_type;
    if (want == VALUE_BOOL || (want == VALUE_AUTO && v->form == SPB_BOOL)) {
        s->type = SAMPLE_BOOL;
        s->v.i = spb_double(v) != 0;
        return;
    }
    put_double(p, spb_double(v), s);
    if (s->type != SAMPLE_DOUBLE || !plain || !(wants_integer(want) || (want == VALUE_AUTO && v->form != SPB_REAL)))
        return;
    if (!exact && fabs(s->v.d) > 9e18) return;
    int64_t rounded = exact ? i : llround(s->v.d);
    s->type = SAMPLE_INT;
    s->v.i = rounded;
}

static void put_text(struct sh_value *r, struct str text)
{
    r->s.type = SAMPLE_STRING;
    r->text = str_sub(text.p ? text : STR(""), 0, SH_TEXT_MAX);
}

static void put_json(uint32_t datatype, const struct spb_value *v, struct arena *a, struct sh_value *r)
{
    struct buf b;
    buf_init(&b, SH_TEXT_MAX);
    struct json_writer w = json_writer(&b);
    spb_json(&w, datatype, v);
    struct str text = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    if (text.p == NULL)
        worsen(&r->s, QUALITY_BAD, REASON_DEVICE_EXCEPTION);
    else
        put_text(r, text);
    buf_fini(&b);
}

static const char *media_of(struct str b)
{
    if (str_starts(b, STR("\x89PNG\r\n"))) return "image/png";
    if (str_starts(b, STR("\xff\xd8\xff"))) return "image/jpeg";
    return "application/octet-stream";
}

static void put_blob(struct sh_value *r, struct str bytes, const char *media)
{
    r->s.type = SAMPLE_BLOB;
    r->blob = bytes;
    r->media = media;
    if (bytes.n == 0) worsen(&r->s, QUALITY_BAD, REASON_NO_DATA);
}

static void put_scalar(const struct sh_point *p, uint32_t datatype, const struct spb_value *raw,
                       const struct spb_scalar *v, struct arena *a, struct sh_value *r)
{
    char t[TIME_TEXT_MAX];
    if (v->form == SPB_NOTHING)
        worsen(&r->s, QUALITY_BAD, REASON_NO_DATA);
    else if (v->form == SPB_STRING)
        put_text(r, v->s);
    else if (v->form == SPB_BYTES)
        put_blob(r, v->s, media_of(v->s));
    else if (v->form == SPB_TIME && (p->value_type == VALUE_AUTO || p->value_type == VALUE_STRING) &&
             v->i <= TIME_MAX_US / 1000)
        put_text(r, arena_str(a, str_of(time_format(v->i * 1000, t))));
    else if (p->value_type == VALUE_STRING)
        put_json(datatype, raw, a, r);
    else
        put_number(p, v, &r->s);
}

/* Several numbers are a waveform. */
static bool put_waveform(const struct sh_point *p, struct spb_array *items, struct arena *a, struct sh_value *r)
{
    double *d = items->n <= WAVEFORM_MAX ? arena_alloc(a, items->n * sizeof *d) : NULL;
    struct spb_scalar v;
    struct buf out;
    if (d == NULL) return false;
    for (size_t i = 0; spb_array_next(items, &v); i++) d[i] = spb_double(&v) * p->scale + p->offset;
    buf_init(&out, 20u << 20);
    if (waveform_pack(d, (uint32_t)items->n, p->step_s, STR_NULL, &out, NULL) == 0)
        put_blob(r, arena_str(a, buf_view(&out)), WAVEFORM_TYPE);
    buf_fini(&out);
    return r->blob.p != NULL;
}

static void put_array(const struct sh_point *p, uint32_t datatype, const struct spb_value *v, struct arena *a,
                      struct sh_value *r)
{
    struct spb_array items;
    struct spb_scalar s = {.form = SPB_NOTHING};
    if (spb_array_open(datatype, v->s, &items)) {
        worsen(&r->s, QUALITY_BAD, REASON_DEVICE_EXCEPTION);
    } else if (p->element >= 0) {
        if ((size_t)p->element >= items.n) s.form = SPB_NOTHING;
        for (int32_t k = 0; (size_t)p->element < items.n && k <= p->element; k++) spb_array_next(&items, &s);
        if (s.form == SPB_STRING) s.s = arena_str(a, s.s);
        put_scalar(p, items.element->id, &(struct spb_value){0}, &s, a, r);
    } else if (p->value_type == VALUE_STRING || items.element->form == SPB_STRING || items.n == 0 ||
               !put_waveform(p, &items, a, r)) {
        put_json(datatype, v, a, r);
    }
}

static void take_quality(const struct spb_metric *m, struct sample *s)
{
    struct spb_property q;
    struct spb_scalar v;
    uint8_t why;
    if (m->properties.p == NULL || !spb_property_find(m->properties, SPB_QUALITY, &q) || q.null) return;
    if (spb_scalar(q.type, &q.value, &v) || isnan(spb_double(&v)) || spb_double(&v) < 0) return;
    s->quality = spb_quality_class((uint64_t)spb_double(&v), &why);
    s->flags = why;
}

void sh_value_of(const struct sh_point *p, uint32_t datatype, const struct spb_metric *m, struct arena *a,
                 struct sh_value *ret)
{
    struct spb_scalar v;
    uint8_t form = spb_type(datatype)->form;
    *ret = (struct sh_value){.s = {.point = p->num}};
    take_quality(m, &ret->s);
    if (m->null || m->value.field == SPB_V_NONE)
        worsen(&ret->s, QUALITY_BAD, REASON_NO_DATA);
    else if (form == SPB_ARRAY && m->value.field == SPB_V_BYTES)
        put_array(p, datatype, &m->value, a, ret);
    else if (m->value.field >= SPB_V_DATASET)
        put_json(datatype, &m->value, a, ret);
    else if (spb_scalar(datatype, &m->value, &v) == 0)
        put_scalar(p, datatype, &m->value, &v, a, ret);
    else
        worsen(&ret->s, QUALITY_BAD, REASON_DEVICE_EXCEPTION);
}

/* ---- a value of ours -> a metric ---- */

static int out_of_range(double d, const struct spb_type *t, struct error *e)
{
    return error_set(e, ERR_INVALID, "value", "%.17g does not fit into %s, the type of the metric",
                     "%.17g 超出指标类型 %s 的范围", d, t->name);
}

static int to_integer(double d, const struct spb_type *t, struct spb_scalar *r, struct error *e)
{
    double least = t->form == SPB_SIGNED ? -ldexp(1, t->bits - 1) : 0;
    double past = t->form == SPB_SIGNED ? ldexp(1, t->bits - 1) : ldexp(1, t->bits);
    d = round(d);
    if (!(d >= least && d < past)) return out_of_range(d, t, e);
    if (t->form == SPB_SIGNED)
        r->i = (int64_t)d;
    else
        r->u = (uint64_t)d;
    return 0;
}

static int to_time(const struct sample *s, double d, struct str text, struct spb_scalar *r, struct error *e)
{
    int64_t us = 0;
    if (s->type != SAMPLE_STRING) {
        if (!(d >= 0 && d < 9e15)) return out_of_range(d, spb_type(SPB_T_DateTime), e);
        r->i = (int64_t)d;
        return 0;
    }
    if (time_parse(text, &us, NULL) || us < 0)
        return error_set(e, ERR_INVALID, "value", "'%.*s' is no time: write 2026-01-31T08:00:00Z",
                         "“%.*s”不是时间：请写成 2026-01-31T08:00:00Z", STR_ARG(str_sub(text, 0, 60)));
    r->i = us / 1000;
    return 0;
}

static int to_text(const struct sample *s, const struct spb_type *t, struct str text, struct spb_scalar *r,
                   struct error *e)
{
    if (s->type != SAMPLE_STRING)
        return error_set(e, ERR_INVALID, "value", "the metric is a %s: write a text", "指标类型为 %s：请写入文本",
                         t->name);
    r->s = text;
    return 0;
}

int sh_scalar_of(const struct sh_point *p, uint32_t datatype, const struct sample *s, struct str text,
                 struct spb_scalar *ret, struct error *e)
{
    const struct spb_type *t = spb_type(datatype);
    double d = s->type == SAMPLE_DOUBLE ? s->v.d : s->type == SAMPLE_STRING ? 0 : (double)s->v.i;
    *ret = (struct spb_scalar){.form = t->form, .bits = t->bits};
    d = (d - p->offset) / (p->scale != 0 ? p->scale : 1);
    if (t->form == SPB_STRING) return to_text(s, t, text, ret, e);
    if (t->form == SPB_TIME) return to_time(s, d, text, ret, e);
    if (t->form == SPB_NOTHING || t->form >= SPB_BYTES)
        return error_set(e, ERR_UNSUPPORTED, "", "a metric of type %s cannot be written", "不支持写入类型为 %s 的指标",
                         t->name);
    if (s->type == SAMPLE_STRING)
        return error_set(e, ERR_INVALID, "value", "the metric is a %s: write a number", "指标类型为 %s：请写入数值",
                         t->name);
    ret->d = d;
    ret->u = d != 0;
    if (t->form == SPB_REAL || t->form == SPB_BOOL) return 0;
    if (p->scale == 1 && p->offset == 0 && s->type == SAMPLE_INT && t->bits == 64) {
        if (t->form == SPB_UNSIGNED && s->v.i < 0) return out_of_range(d, t, e);
        ret->i = s->v.i, ret->u = (uint64_t)s->v.i;
        return 0;
    }
    return to_integer(d, t, ret, e);
}

bool sh_same(const struct spb_scalar *a, const struct spb_scalar *b)
{
    if (a->form == SPB_STRING || b->form == SPB_STRING) return a->form == b->form && str_eq(a->s, b->s);
    if (a->form == b->form && a->form != SPB_REAL)
        return a->form == SPB_SIGNED || a->form == SPB_TIME ? a->i == b->i : a->u == b->u;
    double x = spb_double(a), y = spb_double(b), tolerance = a->bits == 32 || b->bits == 32 ? 1e-6 : 1e-9;
    return fabs(x - y) <= tolerance * fmax(fabs(x), fabs(y));
}
