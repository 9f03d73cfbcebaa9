/* sparkplug_read.c - payloads: the check of the whole, then fields as views. See sparkplug.h.
 *
 * The schema is a table of fields a message: wire, and for what is nested, which message. One walk checks any of them;
 * fields that are not in the table (extensions, later versions) are skipped whatever they hold. */
#include "proto/protobuf.h"
#include "proto/sparkplug.h"

/* ---- the check ---- */

enum message {
    M_NONE,
    M_PAYLOAD,
    M_METRIC,
    M_META,
    M_SET,
    M_PROPERTY,
    M_SETS,
    M_DATASET,
    M_ROW,
    M_ELEMENT,
    M_TEMPLATE,
    M_PARAMETER,
    M_COUNT
};
enum { ANY = 0xff, FIELDS = 20 }; /* wires + 1 below: 0 means not known */
#define VAR (PB_VARINT + 1)
#define LEN (PB_BYTES + 1)
#define F32 (PB_32 + 1)
#define F64 (PB_64 + 1)

static const struct {
    uint8_t wire[FIELDS], message[FIELDS];
} schema[M_COUNT] = {
    [M_PAYLOAD] = {{[1] = VAR, LEN, VAR, LEN, LEN}, {[2] = M_METRIC}},
    [M_METRIC] = {{[1] = LEN, VAR, VAR, VAR, VAR, VAR, VAR, LEN, LEN, VAR, VAR, F32, F64, VAR, LEN, LEN, LEN, LEN},
                  {[8] = M_META, [9] = M_SET, [17] = M_DATASET, [18] = M_TEMPLATE}},
    [M_META] = {{[1] = VAR, LEN, VAR, VAR, LEN, LEN, LEN, LEN}, {0}},
    [M_SET] = {{[1] = LEN, LEN}, {[2] = M_PROPERTY}},
    [M_PROPERTY] = {{[1] = VAR, VAR, VAR, VAR, F32, F64, VAR, LEN, LEN, LEN}, {[9] = M_SET, [10] = M_SETS}},
    [M_SETS] = {{[1] = LEN}, {[1] = M_SET}},
    [M_DATASET] = {{[1] = VAR, LEN, ANY, LEN}, {[4] = M_ROW}},
    [M_ROW] = {{[1] = LEN}, {[1] = M_ELEMENT}},
    [M_ELEMENT] = {{[1] = VAR, VAR, F32, F64, VAR, LEN}, {0}},
    [M_TEMPLATE] = {{[1] = LEN, LEN, LEN, LEN, VAR}, {[2] = M_METRIC, [3] = M_PARAMETER}},
    [M_PARAMETER] = {{[1] = LEN, VAR, VAR, VAR, F32, F64, VAR, LEN}, {0}},
};

/* Types of a data set: a varint each, or packed. */
static int check_types(const struct pb_field *f)
{
    struct str s = f->s;
    uint64_t v;
    int got = 1;
    if (f->wire == PB_VARINT) return 0;
    while (f->wire == PB_BYTES && got == 1) got = pb_varint_next(&s, &v);
    return got;
}

static int check(enum message m, struct str s, unsigned depth)
{
    struct pb_field f;
    int got;
    if (depth > SPB_DEPTH_MAX) return ERR_INVALID;
    while ((got = pb_next(&s, &f)) == 1) {
        uint8_t wire = f.number < FIELDS ? schema[m].wire[f.number] : 0;
        if (wire == 0) continue;
        if (wire == ANY ? check_types(&f) != 0 : wire != f.wire + 1) return ERR_INVALID;
        enum message inner = schema[m].message[f.number];
        if (inner && check(inner, f.s, depth + (inner == M_TEMPLATE || inner == M_SET))) return ERR_INVALID;
    }
    return got;
}

int spb_payload_parse(struct str bytes, struct spb_payload *ret, struct error *e)
{
    struct pb_field f;
    struct spb_payload p = {.metrics = bytes};
    if (check(M_PAYLOAD, bytes, 0))
        return error_set(e, ERR_PROTOCOL, "", "the %zu bytes are no Sparkplug B payload",
                         "这 %zu 字节不是 Sparkplug B 有效载荷", bytes.n);
    while (pb_next(&bytes, &f) == 1) {
        if (f.number == 1) p.has_timestamp = true, p.timestamp = f.v;
        if (f.number == 2) p.count++;
        if (f.number == 3) p.has_seq = true, p.seq = f.v;
        if (f.number == 4) p.uuid = f.s;
        if (f.number == 5) p.body = f.s;
    }
    *ret = p;
    return 0;
}

/* ---- metrics ---- */

/* The members of `value` in order, from number `first` on: int, long, float, double, boolean, string, … */
static bool value_of(const struct pb_field *f, uint32_t first, uint32_t last, struct spb_value *v)
{
    if (f->number < first || f->number > last) return false;
    *v = (struct spb_value){.field = (uint8_t)(SPB_V_INT + f->number - first), .u = f->v, .s = f->s};
    if (v->field == SPB_V_FLOAT) v->d = (double)pb_float(f);
    if (v->field == SPB_V_DOUBLE) v->d = pb_double(f);
    if (v->field == SPB_V_BOOL) v->u = f->v != 0;
    return true;
}

static void metric_field(struct spb_metric *m, const struct pb_field *f)
{
    switch (f->number) {
    case 1: m->has_name = true, m->name = f->s; break;
    case 2: m->has_alias = true, m->alias = f->v; break;
    case 3: m->has_timestamp = true, m->timestamp = f->v; break;
    case 4: m->has_datatype = true, m->datatype = f->v > UINT32_MAX ? UINT32_MAX : (uint32_t)f->v; break;
    case 5: m->historical = f->v != 0; break;
    case 6: m->transient = f->v != 0; break;
    case 7: m->null = f->v != 0; break;
    case 8: m->metadata = f->s; break;
    case 9: m->properties = f->s; break;
    default: value_of(f, 10, 18, &m->value);
    }
}

/* The next field of that number. */
static bool field_next(struct str *s, uint32_t number, struct pb_field *f)
{
    while (pb_next(s, f) == 1)
        if (f->number == number) return true;
    return false;
}

struct spb_metric spb_metric_of(struct str body)
{
    struct spb_metric m = {.body = body};
    struct pb_field f;
    while (pb_next(&body, &f) == 1) metric_field(&m, &f);
    return m;
}

bool spb_metric_next(struct str *metrics, struct spb_metric *ret)
{
    struct pb_field f;
    if (!field_next(metrics, 2, &f)) return false;
    *ret = spb_metric_of(f.s);
    return true;
}

/* ---- property sets ---- */

/* A value with its type: PropertyValue from number 1 on, Parameter from 2 on (1 is its name). */
static void property_of(struct str s, bool parameter, struct spb_property *p)
{
    struct pb_field f;
    while (pb_next(&s, &f) == 1) {
        if (f.number == 1 && parameter) p->key = f.s;
        if (f.number == (parameter ? 2 : 1)) p->type = f.v > UINT32_MAX ? 0 : (uint32_t)f.v;
        if (f.number == 2 && !parameter) p->null = f.v != 0;
        if (!value_of(&f, 3, parameter ? 8 : 10, &p->value)) continue;
        if (f.number >= 9) p->value.field = f.number == 9 ? SPB_V_SET : SPB_V_SETS;
    }
}

bool spb_property_next(struct spb_properties *it, struct spb_property *ret)
{
    struct pb_field k, v;
    if (!field_next(&it->keys, 1, &k) || !field_next(&it->values, 2, &v)) return false;
    *ret = (struct spb_property){.key = k.s};
    property_of(v.s, false, ret);
    return true;
}

bool spb_set_next(struct str *sets, struct str *ret_set)
{
    struct pb_field f;
    if (!field_next(sets, 1, &f)) return false;
    *ret_set = f.s;
    return true;
}

bool spb_property_find(struct str set, const char *key, struct spb_property *ret)
{
    struct spb_properties it = spb_properties(set);
    while (spb_property_next(&it, ret))
        if (str_is(ret->key, key)) return true;
    return false;
}

/* ---- templates, data sets ---- */

struct spb_template spb_template(struct str bytes)
{
    struct spb_template t = {.metrics = bytes, .parameters = bytes};
    struct pb_field f;
    while (pb_next(&bytes, &f) == 1) {
        if (f.number == 1) t.version = f.s;
        if (f.number == 4) t.ref = f.s;
        if (f.number == 5) t.definition = f.v != 0;
    }
    return t;
}

bool spb_parameter_next(struct str *parameters, struct spb_property *ret)
{
    struct pb_field f;
    if (!field_next(parameters, 3, &f)) return false;
    *ret = (struct spb_property){0};
    property_of(f.s, true, ret);
    return true;
}

struct spb_dataset spb_dataset(struct str bytes)
{
    struct spb_dataset d = {.columns = bytes, .types = bytes, .rows = bytes};
    struct pb_field f;
    while (pb_next(&bytes, &f) == 1)
        if (f.number == 1) d.ncolumns = f.v;
    return d;
}

/* The type of a column: a field each, or packed. */
static uint32_t type_at(struct str types, size_t at)
{
    struct pb_field f;
    uint64_t v = 0;
    while (field_next(&types, 3, &f)) {
        if (f.wire == PB_VARINT && at-- == 0) return (uint32_t)f.v;
        if (f.wire == PB_BYTES)
            while (pb_varint_next(&f.s, &v) == 1)
                if (at-- == 0) return (uint32_t)v;
    }
    return SPB_T_Unknown;
}

bool spb_column_next(struct spb_dataset *d, struct str *ret_name, uint32_t *ret_type)
{
    struct pb_field f;
    if (!field_next(&d->columns, 2, &f)) return false;
    *ret_name = f.s;
    *ret_type = type_at(d->types, d->at++);
    return true;
}

bool spb_row_next(struct str *rows, struct str *ret_row)
{
    struct pb_field f;
    if (!field_next(rows, 4, &f)) return false;
    *ret_row = f.s;
    return true;
}

bool spb_element_next(struct str *row, struct spb_value *ret)
{
    struct pb_field f, v;
    if (!field_next(row, 1, &f)) return false;
    *ret = (struct spb_value){0};
    while (pb_next(&f.s, &v) == 1) value_of(&v, 1, 6, ret);
    return true;
}
