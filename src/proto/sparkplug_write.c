/* sparkplug_write.c - payloads out: fields in the order of their numbers, as the reference implementations write them.
 */
#include "proto/protobuf.h"
#include "proto/sparkplug.h"

/* Numbers `first` on: int, long, float, double, boolean, string, and what follows. */
static void put_value(struct buf *out, uint32_t first, const struct spb_value *v)
{
    uint32_t number = first + v->field - SPB_V_INT;
    switch (v->field) {
    case SPB_V_NONE: return;
    case SPB_V_INT:
    case SPB_V_LONG:
    case SPB_V_BOOL: pb_put_varint(out, number, v->u); return;
    case SPB_V_FLOAT: pb_put_float(out, number, (float)v->d); return;
    case SPB_V_DOUBLE: pb_put_double(out, number, v->d); return;
    default: pb_put_str(out, number, v->s);
    }
}

void spb_put_timestamp(struct buf *out, uint64_t ms)
{
    pb_put_varint(out, 1, ms);
}

void spb_put_seq(struct buf *out, uint64_t seq)
{
    pb_put_varint(out, 3, seq);
}

void spb_put_metric(struct buf *out, const struct spb_metric *m)
{
    size_t at = pb_open(out, 2);
    if (m->has_name) pb_put_str(out, 1, m->name);
    if (m->has_alias) pb_put_varint(out, 2, m->alias);
    if (m->has_timestamp) pb_put_varint(out, 3, m->timestamp);
    if (m->has_datatype) pb_put_varint(out, 4, m->datatype);
    if (m->historical) pb_put_varint(out, 5, 1);
    if (m->transient) pb_put_varint(out, 6, 1);
    if (m->null) pb_put_varint(out, 7, 1);
    if (m->metadata.p) pb_put_str(out, 8, m->metadata);
    if (m->properties.p) pb_put_str(out, 9, m->properties);
    put_value(out, 10, &m->value);
    pb_close(out, at);
}

void spb_put_template(struct buf *out, struct str ref)
{
    if (ref.p) pb_put_str(out, 4, ref);
    pb_put_varint(out, 5, 0);
}

static void put_property_value(struct buf *out, const struct spb_property *p)
{
    size_t at = pb_open(out, 2);
    pb_put_varint(out, 1, p->type);
    if (p->null) pb_put_varint(out, 2, 1);
    if (p->value.field == SPB_V_SET || p->value.field == SPB_V_SETS)
        pb_put_str(out, p->value.field == SPB_V_SET ? 9 : 10, p->value.s);
    else if (p->value.field <= SPB_V_STRING)
        put_value(out, 3, &p->value);
    pb_close(out, at);
}

void spb_put_properties(struct buf *out, const struct spb_property *p, size_t n)
{
    for (size_t i = 0; i < n; i++) pb_put_str(out, 1, p[i].key);
    for (size_t i = 0; i < n; i++) put_property_value(out, &p[i]);
}
