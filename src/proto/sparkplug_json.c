/* sparkplug_json.c - any value as JSON: what people read, and the text of a point whose value is no number. */
#include "base/encode.h"
#include "base/time.h"
#include "proto/sparkplug.h"

#define COLUMNS_MAX 1000

static void json_bytes(struct json_writer *w, struct str s)
{
    struct buf b;
    buf_init(&b, s.n * 2 + 8);
    base64_encode(&b, s.p, s.n, false);
    jw_str(w, buf_view(&b));
    buf_fini(&b);
}

static void json_time(struct json_writer *w, int64_t ms)
{
    char t[TIME_TEXT_MAX];
    if (ms > TIME_MAX_US / 1000)
        jw_i64(w, ms);
    else
        jw_str(w, str_of(time_format(ms * 1000, t)));
}

static void json_scalar(struct json_writer *w, const struct spb_scalar *v)
{
    switch (v->form) {
    case SPB_SIGNED: jw_i64(w, v->i); break;
    case SPB_UNSIGNED: jw_u64(w, v->u); break;
    case SPB_REAL: jw_double(w, v->d); break;
    case SPB_BOOL: jw_bool(w, v->u != 0); break;
    case SPB_TIME: json_time(w, v->i); break;
    case SPB_STRING: jw_str(w, v->s); break;
    case SPB_BYTES: json_bytes(w, v->s); break;
    default: jw_null(w);
    }
}

static void json_array(struct json_writer *w, uint32_t type, struct str bytes)
{
    struct spb_array a;
    struct spb_scalar v;
    if (spb_array_open(type, bytes, &a)) {
        jw_null(w);
        return;
    }
    jw_array(w);
    while (spb_array_next(&a, &v)) json_scalar(w, &v);
    jw_end(w);
}

static void json_columns(struct json_writer *w, struct spb_dataset d, bool types)
{
    struct str name;
    uint32_t type;
    jw_array(w);
    while (d.at < COLUMNS_MAX && spb_column_next(&d, &name, &type))
        jw_str(w, types ? str_of(spb_type(type)->name) : name);
    jw_end(w);
}

static void json_row(struct json_writer *w, struct spb_dataset d, struct str row)
{
    struct spb_value v;
    struct str name;
    uint32_t type;
    jw_array(w);
    while (d.at < COLUMNS_MAX && spb_column_next(&d, &name, &type) && spb_element_next(&row, &v)) spb_json(w, type, &v);
    jw_end(w);
}

static void json_dataset(struct json_writer *w, struct str bytes)
{
    struct spb_dataset d = spb_dataset(bytes);
    struct str row, rows = d.rows;
    jw_object(w);
    jw_key(w, STR("columns"));
    json_columns(w, d, false);
    jw_key(w, STR("types"));
    json_columns(w, d, true);
    jw_key(w, STR("rows"));
    jw_array(w);
    while (!w->out->err && spb_row_next(&rows, &row)) json_row(w, d, row);
    jw_end(w);
    jw_end(w);
}

static void json_template(struct json_writer *w, struct str bytes)
{
    struct spb_template t = spb_template(bytes);
    struct spb_property p;
    struct spb_metric m;
    jw_object(w);
    if (t.ref.p) jw_kstr(w, "ref", t.ref);
    if (t.version.p) jw_kstr(w, "version", t.version);
    jw_key(w, STR("parameters"));
    jw_object(w);
    while (spb_parameter_next(&t.parameters, &p)) {
        jw_key(w, p.key);
        spb_json(w, p.type, &p.value);
    }
    jw_end(w);
    jw_key(w, STR("metrics"));
    jw_object(w);
    while (spb_metric_next(&t.metrics, &m)) {
        jw_key(w, m.name);
        spb_json(w, m.null ? 0 : m.datatype, m.null ? &(struct spb_value){0} : &m.value);
    }
    jw_end(w);
    jw_end(w);
}

static void put_set(struct json_writer *w, struct str bytes)
{
    struct spb_properties it = spb_properties(bytes);
    struct spb_property p;
    jw_object(w);
    while (spb_property_next(&it, &p)) {
        jw_key(w, p.key);
        spb_json(w, p.type, &p.value);
    }
    jw_end(w);
}

static void put_sets(struct json_writer *w, struct str bytes)
{
    struct str row;
    jw_array(w);
    while (spb_set_next(&bytes, &row)) put_set(w, row);
    jw_end(w);
}

void spb_json(struct json_writer *w, uint32_t type, const struct spb_value *v)
{
    struct spb_scalar s;
    if (v->field == SPB_V_BYTES && spb_type(type)->form == SPB_ARRAY)
        json_array(w, type, v->s);
    else if (v->field == SPB_V_DATASET)
        json_dataset(w, v->s);
    else if (v->field == SPB_V_TEMPLATE)
        json_template(w, v->s);
    else if (v->field == SPB_V_SET)
        put_set(w, v->s);
    else if (v->field == SPB_V_SETS)
        put_sets(w, v->s);
    else if (spb_scalar(type, v, &s) == 0)
        json_scalar(w, &s);
    else
        jw_null(w);
}
