/* message.c - messages of edge nodes: births teach names, aliases and types, data follow them, deaths end it; all in
 * the order of their numbers (proto/sparkplug_flow.h).
 *
 * What is retained is old by the standard's own words (births and data are never to be retained) and is not taken.
 * After a birth of a node its devices have a while for theirs before they are told to be gone: a rebirth of a node that
 * lives is no interruption. */
#include <stdio.h>
#include "drivers/sparkplug/sparkplug_int.h"

#define INFLATED_MAX (16u << 20)
#define REBIRTH_SETTLE_NS NS_S        /* after connecting: those for whom we are the primary host come by themselves */
#define REBIRTH_SPREAD_NS (2 * NS_MS) /* and then not all at once */
#define MS_MAX 9000000000000ull

struct context { /* of one payload */
    struct sh_node *node;
    struct sh_device *dev;
    int64_t time_us; /* of the payload; 0: none */
    bool birth;
    unsigned unknown;
    uint32_t order;
};

/* ---- metrics ---- */

static int64_t time_of(bool has, uint64_t ms)
{
    return has && ms < MS_MAX ? (int64_t)ms * 1000 : 0;
}

static void learn_properties(struct sh_metric *m, const struct spb_metric *v)
{
    static const char *const keys[] = {"engUnit", "engUnits", "Engineering Units", "unit", "units"};
    struct spb_property p;
    mem_free(TAKE(m->unit));
    m->read_only =
        v->properties.p && spb_property_find(v->properties, "readOnly", &p) && p.value.field == SPB_V_BOOL && p.value.u;
    for (size_t k = 0; v->properties.p && k < sizeof keys / sizeof keys[0]; k++)
        if (spb_property_find(v->properties, keys[k], &p) && p.value.field == SPB_V_STRING && p.value.s.n < 100) {
            m->unit = mem_alloc(p.value.s.n + 1);
            if (m->unit) str_to_cstr(p.value.s, m->unit, p.value.s.n + 1);
            return;
        }
}

/* The metric that a birth names, or that data mean; NULL: not known. */
static struct sh_metric *metric_of(struct sh_channel *ch, struct context *c, const struct spb_metric *v)
{
    if (c->birth && v->has_name) return sh_metric_get(ch, c->dev, v->name, false);
    if (v->has_name && v->name.n) return sh_metric_find(c->dev, v->name);
    struct sh_metric *m = v->has_alias ? sh_metric_by_alias(c->node, v->alias) : NULL;
    return m && m->dev == c->dev ? m : NULL;
}

static void take(struct sh_channel *ch, struct context *c, struct sh_metric *m, const struct spb_metric *v);
static void release(struct sh_channel *ch, struct sh_node *n, uint64_t now);

/* Members of a template are metrics of their own. */
static void take_members(struct sh_channel *ch, struct context *c, struct sh_metric *m, struct str bytes)
{
    struct spb_template t = spb_template(bytes);
    struct spb_metric v;
    while (spb_metric_next(&t.metrics, &v)) {
        char *name = arena_printf(&ch->scratch, "%.*s/%.*s", (int)m->n, m->name, STR_ARG(v.name));
        struct sh_metric *member = name ? sh_metric_get(ch, c->dev, str_of(name), false) : NULL;
        if (member == NULL) continue;
        member->member = true;
        member->parent = m;
        member->born = true;
        if (c->birth) member->order = c->order++;
        if (c->birth) learn_properties(member, &v);
        if (!v.has_timestamp && m->time_us) v.has_timestamp = true, v.timestamp = (uint64_t)m->time_us / 1000;
        v.historical = v.historical || spb_metric_of(str_make((const char *)m->raw, m->raw_n)).historical;
        take(ch, c, member, &v);
    }
}

static void take(struct sh_channel *ch, struct context *c, struct sh_metric *m, const struct spb_metric *v)
{
    int64_t t = time_of(v->has_timestamp, v->timestamp);
    if (v->has_datatype && v->datatype) m->datatype = v->datatype;
    if (t == 0) t = c->time_us;
    if (!v->historical || m->raw_n == 0) sh_metric_keep(ch, m, v, t);
    m->came_ns = sh_now(ch);
    sh_tell(ch, m, v, t, c->birth);
    sh_job_value(ch, m, v);
    if (v->value.field == SPB_V_TEMPLATE) take_members(ch, c, m, v->value.s);
}

static bool is_definition(const struct spb_metric *v)
{
    return v->value.field == SPB_V_TEMPLATE && spb_template(v->value.s).definition;
}

static void take_metric(struct sh_channel *ch, struct context *c, const struct spb_metric *v)
{
    struct sh_metric *m = is_definition(v) ? NULL : metric_of(ch, c, v);
    if (is_definition(v)) return;
    if (m && c->birth) {
        m->born = true;
        m->order = c->order++;
        sh_metric_alias(m, v->has_alias, v->alias);
        learn_properties(m, v);
    }
    /* data of what no birth has named: taken only when it says itself what it is and somebody wants it */
    if (m && (m->born || (m->first && v->has_datatype)))
        take(ch, c, m, v);
    else
        c->unknown++;
}

static void take_metrics(struct sh_channel *ch, struct context *c, const struct spb_payload *p)
{
    struct str rest = p->metrics;
    struct spb_metric v;
    c->time_us = time_of(p->has_timestamp, p->timestamp);
    while (spb_metric_next(&rest, &v)) take_metric(ch, c, &v);
    if (c->unknown && !c->birth) spb_flow_want_rebirth(&c->node->flow);
    c->dev->last_ok_us = sh_utc(ch);
}

/* ---- births and deaths ---- */

static void take_birth(struct sh_channel *ch, struct sh_node *n, struct sh_device *d, const struct spb_payload *p)
{
    struct context c = {.node = n, .dev = d, .birth = true};
    for (struct sh_metric *m = d->metrics; m; m = m->next) m->born = false;
    d->alive = true;
    d->told = false;
    take_metrics(ch, &c, p);
    for (struct sh_metric *m = d->metrics; m; m = m->next)
        if (!m->born) sh_tell_bad(ch, m, REASON_NO_DATA);
    sh_tell_online(ch, d);
}

static bool bdseq_of(const struct spb_payload *p, uint64_t *ret)
{
    struct str rest = p->metrics;
    struct spb_metric m;
    struct spb_scalar v;
    while (spb_metric_next(&rest, &m))
        if (m.has_name && str_is(m.name, SPB_BDSEQ) && spb_scalar(SPB_T_UInt64, &m.value, &v) == 0 && v.form) {
            *ret = v.u;
            return true;
        }
    return false;
}

static void take_death(struct sh_channel *ch, struct sh_device *d)
{
    d->alive = false;
    sh_tell_device(ch, d, REASON_COMM_FAILURE);
    sh_tell_online(ch, d);
}

static void node_birth(struct sh_channel *ch, struct sh_node *n, const struct spb_payload *p)
{
    const struct driver_host *h = ch->base.host;
    uint64_t bdseq = 0;
    bool has = bdseq_of(p, &bdseq), was = n->flow.alive;
    char kv[600];
    spb_flow_release(&n->flow);
    release(ch, n, sh_now(ch));
    spb_flow_birth(&n->flow, p->has_seq, p->seq, has, bdseq);
    n->trouble.code = 0;
    ch->dirty = true;
    for (struct sh_device *d = n->devices->next; d; d = d->next) d->alive = false; /* until its own birth */
    n->grace_ns = sh_now(ch) + ch->cfg.grace_ns;
    take_birth(ch, n, n->devices, p);
    snprintf(kv, sizeof kv, "node=\"%s\" metrics=%u", n->text, p->count);
    if (n->wanted && !was) h->log(h->ctx, DRIVER_LOG_INFO, "edge node is online", kv);
    sh_job_birth(ch, n);
}

static void node_death(struct sh_channel *ch, struct sh_node *n, const struct spb_payload *p)
{
    const struct driver_host *h = ch->base.host;
    uint64_t bdseq = 0;
    bool has = bdseq_of(p, &bdseq);
    char kv[560];
    if (!spb_flow_death(&n->flow, has, bdseq)) return;
    n->grace_ns = 0;
    ch->dirty = true;
    error_set(&n->trouble, ERR_UNAVAILABLE, "", "edge node %s is offline", "边缘节点 %s 已离线", n->text);
    for (struct sh_device *d = n->devices; d; d = d->next) take_death(ch, d);
    snprintf(kv, sizeof kv, "node=\"%s\"", n->text);
    if (n->wanted) h->log(h->ctx, DRIVER_LOG_WARN, "edge node is offline", kv);
}

/* ---- messages in their order ---- */

static void process(struct sh_channel *ch, struct sh_node *n, enum spb_message type, struct str device,
                    const struct spb_payload *p)
{
    struct sh_device *d = sh_device_find(n, device);
    struct context c = {.node = n, .dev = d};
    if (d == NULL && type == SPB_DBIRTH && ch->ndevices++ < SH_DEVICES_MAX) d = sh_device_get(n, device);
    if (d == NULL) {
        spb_flow_want_rebirth(&n->flow);
    } else if (type == SPB_DBIRTH) {
        take_birth(ch, n, d, p);
    } else if (type == SPB_DDEATH) {
        take_death(ch, d);
    } else if (!d->alive) { /* its birth was missed */
        spb_flow_want_rebirth(&n->flow);
    } else {
        take_metrics(ch, &c, p);
    }
}

int64_t sh_clock_behind(const struct sh_node *n)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < SH_CLOCK_KEEP && i < n->nclock; i++)
        if (n->clock[i] < least) least = n->clock[i];
    return n->nclock < 4 ? 0 : least;
}

static void measure_clock(struct sh_channel *ch, struct sh_node *n, const struct spb_payload *p)
{
    const struct driver_host *h = ch->base.host;
    int64_t t = time_of(p->has_timestamp, p->timestamp);
    char kv[600];
    if (t == 0 || !n->wanted) return;
    n->clock[n->nclock++ % SH_CLOCK_KEEP] = sh_utc(ch) - t;
    if (n->nclock >= 2 * SH_CLOCK_KEEP) n->nclock -= SH_CLOCK_KEEP;
    int64_t behind = sh_clock_behind(n);
    bool large = behind > SH_CLOCK_WARN_US || behind < -SH_CLOCK_WARN_US;
    if (large == n->clock_warned) return;
    n->clock_warned = large;
    snprintf(kv, sizeof kv, "node=\"%s\" behind_ms=%lld", n->text, (long long)(behind / 1000));
    h->log(h->ctx, large ? DRIVER_LOG_WARN : DRIVER_LOG_INFO,
           large ? "the edge node's clock differs" : "the edge node's clock is right again", kv);
    ch->dirty = true;
}

static void in_order(struct sh_channel *ch, struct sh_node *n, const struct spb_topic *t, const struct spb_payload *p,
                     struct str bytes)
{
    uint64_t now = sh_now(ch);
    enum spb_verdict v = spb_flow_message(&n->flow, p->has_seq, p->seq);
    if (v == SPB_TAKE || (v == SPB_HOLD && !n->wanted)) process(ch, n, t->type, t->device, p);
    if (v == SPB_HOLD && !n->wanted)
        n->flow.expected = (uint8_t)(p->seq + 1); /* of strangers nothing is held back */
    else if (v == SPB_HOLD)
        spb_flow_hold(&n->flow, t, p->seq, bytes, sh_utc(ch), now);
    if (v == SPB_TAKE && t->type != SPB_DBIRTH) measure_clock(ch, n, p);
}

static void broken(struct sh_channel *ch, struct sh_node *n, struct str payload, const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    struct driver_frame f = {
        .time_us = sh_utc(ch), .dir = DRIVER_RX, .bytes = (const uint8_t *)payload.p, .n = payload.n, .error = e};
    ch->st.errors++;
    if (n->flow.alive) spb_flow_want_rebirth(&n->flow); /* its number is not known: something is missing from here on */
    if (h->frame) h->frame(h->ctx, &f);
}

static int open_payload(struct str *bytes, struct buf *inflated, struct spb_payload *p, struct error *e)
{
    int rc = spb_payload_parse(*bytes, p, e);
    if (rc || !spb_compressed(p)) return rc;
    rc = spb_inflate(p, inflated, e);
    if (rc) return rc;
    *bytes = buf_view(inflated);
    return spb_payload_parse(*bytes, p, e);
}

static void of_node(struct sh_channel *ch, struct sh_node *n, const struct spb_topic *t, struct str bytes)
{
    struct buf inflated;
    struct spb_payload p;
    struct error e = {0};
    struct str raw = bytes;
    buf_init(&inflated, INFLATED_MAX);
    n->seen = true;
    if (open_payload(&bytes, &inflated, &p, &e))
        broken(ch, n, raw, &e);
    else if (t->type == SPB_NBIRTH)
        node_birth(ch, n, &p);
    else if (t->type == SPB_NDEATH)
        node_death(ch, n, &p);
    else
        in_order(ch, n, t, &p, bytes);
    buf_fini(&inflated);
    sh_node_pump(ch, n);
}

void sh_message(struct sh_channel *ch, struct str topic, struct str payload, bool retained)
{
    struct spb_topic t;
    if (retained || spb_topic_parse(topic, &t) || t.type >= SPB_NCMD) return;
    struct sh_node *n = sh_node_get(ch, t.group, t.node, false);
    ch->st.last_ok_us = sh_utc(ch);
    arena_reset(&ch->scratch);
    if (n) of_node(ch, n, &t, payload);
}

/* ---- time ---- */

static void grace_over(struct sh_channel *ch, struct sh_node *n)
{
    n->grace_ns = 0;
    ch->dirty = true;
    if (!n->flow.alive && n->wanted)
        error_set(&n->trouble, ERR_UNAVAILABLE, "", "edge node %s has not told its birth", "边缘节点 %s 未发布上线消息",
                  n->text);
    for (struct sh_device *d = n->devices; d; d = d->next)
        if (!d->alive && !d->told) take_death(ch, d);
}

static void release(struct sh_channel *ch, struct sh_node *n, uint64_t now)
{
    struct spb_held *h;
    while ((h = spb_flow_next(&n->flow, now))) {
        struct spb_payload p;
        if (spb_payload_parse(h->payload, &p, NULL) == 0) process(ch, n, (enum spb_message)h->type, h->device, &p);
        mem_free(h);
    }
}

void sh_node_pump(struct sh_channel *ch, struct sh_node *n)
{
    uint64_t now = sh_now(ch);
    release(ch, n, now);
    if (!n->wanted || !ch->cfg.rebirth || ch->conn != SH_UP) n->flow.rebirth = false;
    if (spb_flow_rebirth_due(&n->flow, now)) {
        sh_ask_rebirth(ch, n);
        spb_flow_rebirth_sent(&n->flow, now);
    }
    if (n->grace_ns && now >= n->grace_ns) grace_over(ch, n);
    sh_flush(ch);
    if (ch->dirty) sh_refresh_state(ch);
    sh_plan(ch, spb_flow_deadline(&n->flow));
    if (n->grace_ns) sh_plan(ch, n->grace_ns);
}

void sh_nodes_connected(struct sh_channel *ch)
{
    uint64_t now = sh_now(ch), k = 0;
    for (struct sh_node *n = ch->nodes; n; n = n->next) {
        if (!n->wanted) continue;
        n->grace_ns = now + ch->cfg.grace_ns;
        spb_flow_want_rebirth(&n->flow);
        uint64_t settle = REBIRTH_SETTLE_NS < n->flow.rebirth_ns ? REBIRTH_SETTLE_NS : n->flow.rebirth_ns;
        n->flow.rebirth_at_ns = now + settle + k++ * REBIRTH_SPREAD_NS;
        n->grace_ns += k * REBIRTH_SPREAD_NS;
        sh_plan(ch, n->flow.rebirth_at_ns);
        sh_plan(ch, n->grace_ns);
    }
}

void sh_nodes_lost(struct sh_channel *ch)
{
    for (struct sh_node *n = ch->nodes; n; n = n->next) {
        spb_flow_lost(&n->flow);
        n->grace_ns = 0;
        n->nclock = 0;
        n->clock_warned = false;
        n->trouble.code = 0;
        for (struct sh_device *d = n->devices; d; d = d->next) d->alive = d->told = false;
    }
    sh_tell_lost(ch);
}
