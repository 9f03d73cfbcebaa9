/* command.c - NCMD and DCMD: a rebirth, and writes to metrics that may be written. Sparkplug has no answer to a
 * command; what it came to shows in the metric, which is told once more whatever came of it, so that a host sees the
 * value that is in force. */
#include <stdio.h>
#include "outlets/sparkplug/edge_int.h"

struct write {
    struct se_channel *ch;
    uint32_t slot;
    char name[100];
};

static void warn(struct se_channel *ch, const char *msg, const char *name, const char *why)
{
    const struct outlet_host *h = ch->base.host;
    char kv[480];
    snprintf(kv, sizeof kv, "metric=\"%.100s\" err=\"%.300s\"", name, why);
    h->log(h->ctx, DRIVER_LOG_WARN, msg, kv);
    ch->st.errors++;
}

static void tell_current(struct se_channel *ch, uint32_t slot)
{
    const struct outlet_host *h = ch->base.host;
    struct sample s;
    size_t n = 0;
    if (slot < ch->nmetrics && h->current(h->ctx, slot, &s, ch->text, SE_TEXT_MAX, &n))
        se_tell(ch, slot, &s, str_make(ch->text, n < SE_TEXT_MAX ? n : SE_TEXT_MAX));
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct write *w = arg;
    struct se_channel *ch = w->ch;
    ch->writes--;
    if (r->outcome == DRIVER_DONE) ch->st.writes++;
    if (r->outcome != DRIVER_DONE && !ch->closing)
        warn(ch, "a command was not carried out", w->name, r->error ? r->error->text : "outcome unknown");
    bool same = w->slot < ch->nmetrics && strncmp(ch->metrics[w->slot].name, w->name, sizeof w->name - 1) == 0;
    if (same && r->outcome == DRIVER_DONE && r->has_readback)
        se_tell(ch, w->slot, &r->readback, str_make(r->text, r->text ? r->text_len : 0));
    else if (same)
        tell_current(ch, w->slot);
    mem_free(w);
    if (ch->closing)
        se_maybe_free(ch);
    else
        se_pump(ch);
}

/* The point of a metric; UINT32_MAX: there is none of that name or alias in the device. */
static uint32_t slot_of(const struct se_channel *ch, uint32_t device, const struct spb_metric *m)
{
    bool by_alias = m->has_alias && ch->aliases;
    if ((!by_alias && !m->has_name) || device >= ch->ndevices) return UINT32_MAX;
    for (uint32_t i = ch->devices[device].first; i; i = ch->metrics[i - 1].next) {
        const struct se_metric *x = &ch->metrics[i - 1];
        if ((!by_alias || x->alias == m->alias) && (!m->has_name || str_is(m->name, x->name))) return i - 1;
    }
    return UINT32_MAX;
}

/* false: it does not fit the type of the metric. */
static bool sample_of(const struct se_metric *to, const struct spb_metric *m, struct sample *s, struct str *text)
{
    struct spb_scalar v;
    uint32_t type = m->has_datatype && m->datatype ? m->datatype : to->datatype;
    *s = (struct sample){.type = SAMPLE_DOUBLE};
    if (m->null || spb_scalar(type, &m->value, &v)) return false;
    bool want_text = to->datatype == SPB_T_String;
    if (want_text != (v.form == SPB_STRING) || v.form == SPB_BYTES || v.form == SPB_NOTHING) return false;
    s->v.d = spb_double(&v);
    if (want_text) s->type = SAMPLE_STRING, s->v.u = 0, *text = v.s;
    if (to->datatype == SPB_T_Boolean) s->type = SAMPLE_BOOL, s->v.i = spb_double(&v) != 0;
    if (spb_type(to->datatype)->form == SPB_SIGNED && v.form == SPB_SIGNED) s->type = SAMPLE_INT, s->v.i = v.i;
    if (spb_type(to->datatype)->form == SPB_UNSIGNED && v.form == SPB_UNSIGNED && v.u <= INT64_MAX)
        s->type = SAMPLE_INT, s->v.i = (int64_t)v.u;
    return true;
}

static void take_write(struct se_channel *ch, uint32_t device, const struct spb_metric *m)
{
    const struct outlet_host *h = ch->base.host;
    uint32_t slot = slot_of(ch, device, m);
    char name[100], peer[64];
    struct outlet_write w = {.slot = slot, .peer = peer, .done = on_written};
    struct str text = STR("");
    snprintf(name, sizeof name, "%.*s", STR_ARG(str_sub(m->name, 0, 99)));
    snprintf(peer, sizeof peer, "mqtt %.40s:%u", ch->mqtt->c.host, ch->mqtt->c.port);
    if (slot == UINT32_MAX) {
        warn(ch, "a command names a metric that there is not", name, "");
        return;
    }
    if (!ch->metrics[slot].writable || !sample_of(&ch->metrics[slot], m, &w.value, &text)) {
        warn(ch, "a command was refused", ch->metrics[slot].name,
             ch->metrics[slot].writable ? "the value does not fit the type" : "the metric is read-only");
        tell_current(ch, slot);
        return;
    }
    struct write *arg = mem_calloc(1, sizeof *arg);
    if (arg == NULL) return;
    *arg = (struct write){.ch = ch, .slot = slot};
    str_to_cstr(str_of(ch->metrics[slot].name), arg->name, sizeof arg->name);
    w.text = text.p;
    w.text_len = text.n;
    w.arg = arg;
    ch->writes++;
    h->write(h->ctx, &w);
}

static bool is_rebirth(const struct spb_topic *t, const struct spb_metric *m)
{
    return t->type == SPB_NCMD && m->has_name && str_is(m->name, SPB_REBIRTH);
}

void se_command(struct se_channel *ch, const struct spb_topic *t, struct str payload)
{
    struct spb_payload p;
    struct spb_metric m;
    struct error e;
    uint32_t device = 0;
    if (!str_is(t->group, ch->group) || !str_is(t->node, ch->node) || ch->conn != SE_BORN) return;
    while (device < ch->ndevices && !str_is(t->device, ch->devices[device].name)) device++;
    if (spb_payload_parse(payload, &p, &e)) {
        warn(ch, "a command is broken", "", e.text);
        return;
    }
    ch->st.requests++;
    while (spb_metric_next(&p.metrics, &m)) {
        if (!is_rebirth(t, &m))
            take_write(ch, device, &m);
        else if (m.value.u)
            ch->rebirth = true;
    }
}
