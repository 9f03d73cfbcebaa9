/* message.c - births, deaths and data of the node as payloads. Properties of a metric: Quality (when it is not good,
 * and once when it is good again), in births engUnit, engLow, engHigh, description, readOnly. */
#include "outlets/sparkplug/edge_int.h"

#define PROPERTIES_MAX 6

static uint64_t ms_of(int64_t us)
{
    return us > 0 ? (uint64_t)(us / 1000) : 0;
}

/* ---- values ---- */

static bool in_range(double d, const struct spb_type *t)
{
    double least = t->form == SPB_SIGNED ? -ldexp(1, t->bits - 1) : 0;
    double past = t->form == SPB_SIGNED ? ldexp(1, t->bits - 1) : ldexp(1, t->bits);
    return d >= least && d < past;
}

static bool put_integer(const struct spb_type *t, const struct sample *s, struct spb_scalar *v)
{
    double d = s->type == SAMPLE_DOUBLE ? round(s->v.d) : (double)s->v.i;
    if (!in_range(d, t)) return false;
    v->i = s->type == SAMPLE_DOUBLE ? 0 : s->v.i;
    v->u = (uint64_t)v->i;
    if (s->type == SAMPLE_DOUBLE && t->form == SPB_SIGNED) v->i = (int64_t)d;
    if (s->type == SAMPLE_DOUBLE && t->form == SPB_UNSIGNED) v->u = (uint64_t)d;
    return true;
}

static void put_json_number(const struct sample *s, struct buf *out)
{
    if (s->type == SAMPLE_DOUBLE)
        buf_double(out, s->v.d);
    else if (s->type == SAMPLE_BOOL)
        buf_z(out, s->v.i ? "true" : "false");
    else
        buf_printf(out, "%lld", (long long)s->v.i);
}

/* false: there is no value, or it does not fit the type. */
static bool value_of(const struct se_metric *m, const struct sample *s, struct str text, struct buf *scratch,
                     struct spb_value *ret)
{
    const struct spb_type *t = spb_type(m->datatype);
    struct spb_scalar v = {.form = t->form, .bits = t->bits};
    bool number = s->type == SAMPLE_DOUBLE || s->type == SAMPLE_INT || s->type == SAMPLE_BOOL;
    double d = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
    if (t->form == SPB_STRING) {
        if (number) put_json_number(s, scratch);
        if (!number && s->type != SAMPLE_STRING) return false;
        v.s = number ? buf_view(scratch) : text;
    } else if (!number || !isfinite(d)) {
        return false;
    } else if (t->form == SPB_SIGNED || t->form == SPB_UNSIGNED) {
        if (!put_integer(t, s, &v)) return false;
    } else {
        v.d = d, v.u = d != 0;
    }
    *ret = spb_value_of(m->datatype, &v);
    return true;
}

/* ---- metrics ---- */

static struct spb_property text_property(const char *key, const char *text)
{
    return (struct spb_property){
        .key = str_of(key), .type = SPB_T_String, .value = {.field = SPB_V_STRING, .s = str_of(text)}};
}
static struct spb_property double_property(const char *key, double d)
{
    return (struct spb_property){.key = str_of(key), .type = SPB_T_Double, .value = {.field = SPB_V_DOUBLE, .d = d}};
}

static size_t properties_of(const struct se_channel *ch, struct se_metric *m, const struct sample *s, bool birth,
                            struct spb_property *p)
{
    size_t n = 0;
    bool poor = s->quality != QUALITY_GOOD;
    uint32_t code = spb_quality_code(s->quality, (uint8_t)(s->flags & SAMPLE_REASON_MASK), ch->opc_quality);
    if (poor || m->poor || birth)
        p[n++] = (struct spb_property){
            .key = STR(SPB_QUALITY), .type = SPB_T_Int32, .value = {.field = SPB_V_INT, .u = code}};
    if (!birth) return n;
    if (m->unit[0]) p[n++] = text_property("engUnit", m->unit);
    if (!isnan(m->lo)) p[n++] = double_property("engLow", m->lo);
    if (!isnan(m->hi)) p[n++] = double_property("engHigh", m->hi);
    if (m->title[0]) p[n++] = text_property("description", m->title);
    p[n++] = (struct spb_property){
        .key = STR("readOnly"), .type = SPB_T_Boolean, .value = {.field = SPB_V_BOOL, .u = !m->writable}};
    return n;
}

static void put_metric(struct se_channel *ch, uint32_t slot, const struct sample *s, struct str text, bool birth,
                       bool historical)
{
    struct se_metric *m = &ch->metrics[slot];
    struct spb_property p[PROPERTIES_MAX];
    struct buf set, scratch;
    struct sample q = *s;
    buf_init(&set, 4096);
    buf_init(&scratch, 64);
    struct spb_metric v = {.has_name = birth || !ch->aliases,
                           .name = str_of(m->name),
                           .has_alias = ch->aliases,
                           .alias = m->alias,
                           .has_timestamp = s->time_us > 0,
                           .timestamp = ms_of(s->time_us),
                           .has_datatype = true, /* optional here, but many a host reads no value without it */
                           .datatype = m->datatype,
                           .historical = historical};
    v.null = !value_of(m, s, text, &scratch, &v.value);
    if (v.null && q.quality == QUALITY_GOOD) q.quality = QUALITY_BAD, q.flags = REASON_NOT_A_NUMBER;
    size_t n = properties_of(ch, m, &q, birth, p);
    if (n) spb_put_properties(&set, p, n);
    if (n && !set.err) v.properties = buf_view(&set);
    spb_put_metric(&ch->payload, &v);
    if (!historical) m->poor = q.quality != QUALITY_GOOD;
    buf_fini(&set);
    buf_fini(&scratch);
}

/* ---- births and deaths ---- */

static void put_current(struct se_channel *ch, uint32_t slot)
{
    const struct outlet_host *h = ch->base.host;
    struct sample s = {.quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    size_t n = 0;
    bool has = h->current(h->ctx, slot, &s, ch->text, SE_TEXT_MAX, &n);
    ch->metrics[slot].datatype = se_type_of(&ch->metrics[slot], has ? &s : NULL);
    if (!has || s.time_us <= 0) s.time_us = se_utc(ch);
    put_metric(ch, slot, &s, str_make(ch->text, n < SE_TEXT_MAX ? n : SE_TEXT_MAX), true, false);
}

static int device_birth(struct se_channel *ch, uint32_t device)
{
    uint64_t now = ms_of(se_utc(ch));
    buf_clear(&ch->payload);
    if (device == 0)
        spb_edge_birth(&ch->edge, now, &ch->payload);
    else
        spb_put_timestamp(&ch->payload, now);
    for (uint32_t i = ch->devices[device].first; i; i = ch->metrics[i - 1].next) put_current(ch, i - 1);
    ch->devices[device].told = true;
    return se_post(ch, device ? SPB_DBIRTH : SPB_NBIRTH, device, 0);
}

int se_births(struct se_channel *ch)
{
    int rc = 0;
    ch->rebirth = false;
    ch->birth_ns = se_now(ch);
    for (size_t d = 0; d < ch->ndevices && rc == 0; d++) rc = device_birth(ch, (uint32_t)d);
    return rc;
}

int se_device_death(struct se_channel *ch, uint32_t device)
{
    if (!ch->devices[device].told) return 0;
    buf_clear(&ch->payload);
    spb_put_timestamp(&ch->payload, ms_of(se_utc(ch)));
    ch->devices[device].told = false;
    return se_post(ch, SPB_DDEATH, device, 0);
}

/* ---- data ---- */

void se_data_begin(struct se_channel *ch)
{
    buf_clear(&ch->payload);
    spb_put_timestamp(&ch->payload, ms_of(se_utc(ch)));
}

void se_data_add(struct se_channel *ch, uint32_t slot, const struct sample *s, struct str text, bool historical)
{
    put_metric(ch, slot, s, text, false, historical);
}

void se_tell(struct se_channel *ch, uint32_t slot, const struct sample *s, struct str text)
{
    uint32_t device = ch->metrics[slot].device;
    if (ch->conn != SE_BORN || se_type_of(&ch->metrics[slot], s) != ch->metrics[slot].datatype) return;
    se_data_begin(ch);
    se_data_add(ch, slot, s, text, false);
    if (se_post(ch, device ? SPB_DDATA : SPB_NDATA, device, 0)) ch->st.errors++;
}
