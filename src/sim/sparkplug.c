/* sparkplug.c - see sparkplug.h. One loop, its thread; a second is the clock of everything here. A connection a node,
 * plain MQTT 3.1.1 by proto/mqtt. */
#include "sim/sparkplug.h"
#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "io/clock.h"
#include "proto/mqtt.h"
#include "proto/sparkplug_edge.h"

#define GROUP "demo"
#define RETRY_S 3
#define KEEP_ALIVE_S 60
#define PACKET_MAX (1u << 20)
#define PAYLOAD_MAX (8u << 20)
#define QUEUE_MAX (32u << 20)

struct node {
    struct sim_sparkplug *s;
    size_t server;
    uv_tcp_t *tcp; /* own allocation; NULL: not connected */
    uv_connect_t req;
    struct spb_edge edge;
    struct buf rx, payload, packet;
    bool up, rebirth;
    int64_t retry_s, ping_s;
    char in[16384];
};
struct sim_sparkplug {
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct sockaddr_in to;
    const struct sim_plan *plan;
    struct sim_process *process;
    struct node *nodes;
    uint64_t *told; /* of each tag: what was told last, as bits */
    bool closing;
};
struct out {
    uv_write_t req;
    char bytes[];
};

static int64_t now_ms(void)
{
    return clock_now_us(clock_real()) / 1000;
}

static const char *node_name(const struct node *n)
{
    return n->s->plan->servers[n->server].code.p; /* terminated: the plan's texts are arena copies */
}

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

static void disconnect(struct node *n)
{
    if (n->tcp) uv_close((uv_handle_t *)TAKE(n->tcp), free_handle);
    n->up = n->rebirth = false;
    n->retry_s = now_ms() / 1000 + RETRY_S;
    buf_clear(&n->rx);
}

/* ---- sending ---- */

static void on_written(uv_write_t *req, int status)
{
    mem_free(req->data);
}

static void send_packet(struct node *n, const struct mqtt_packet *p)
{
    buf_clear(&n->packet);
    mqtt_write(&n->packet, MQTT_3_1_1, p);
    struct out *o = n->packet.err || !n->tcp ? NULL : mem_alloc(sizeof *o + n->packet.n);
    if (o == NULL || n->tcp->write_queue_size > QUEUE_MAX) {
        mem_free(o);
        disconnect(n);
        return;
    }
    memcpy(o->bytes, n->packet.p, n->packet.n);
    o->req.data = o;
    uv_buf_t b = uv_buf_init(o->bytes, (unsigned)n->packet.n);
    if (uv_write(&o->req, (uv_stream_t *)n->tcp, &b, 1, on_written) == 0) return;
    mem_free(o);
    disconnect(n);
}

static struct str topic_of(const struct node *n, enum spb_message type, struct str device, char out[300])
{
    struct spb_topic t = {.type = type, .group = STR(GROUP), .node = str_of(node_name(n)), .device = device};
    struct buf b;
    buf_init(&b, 299);
    spb_topic_write(&b, &t);
    str_to_cstr(buf_view(&b), out, 300);
    buf_fini(&b);
    return str_of(out);
}

static void publish(struct node *n, enum spb_message type, struct str device)
{
    char topic[300];
    spb_edge_end(&n->edge, &n->payload);
    send_packet(n, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                         .topic = topic_of(n, type, device, topic),
                                         .payload = buf_view(&n->payload)});
}

/* ---- metrics ---- */

static uint32_t type_of(const struct sim_tag *t)
{
    static const uint8_t types[] = {[SIM_AI] = SPB_T_Double,  [SIM_LAB] = SPB_T_Double, [SIM_ENUM] = SPB_T_Int32,
                                    [SIM_DI] = SPB_T_Boolean, [SIM_TOT] = SPB_T_Double, [SIM_STR] = SPB_T_String};
    return types[t->type];
}

static double value_of(const struct sim_sparkplug *s, size_t tag)
{
    const struct sim_tag *t = &s->plan->tags[tag];
    double v = sim_process_value(s->process, tag);
    return t->resolution > 0 && isfinite(v) ? round(v / t->resolution) * t->resolution : v;
}

static uint64_t bits_of(const struct sim_sparkplug *s, size_t tag)
{
    uint64_t bits;
    double v = value_of(s, tag);
    if (s->plan->tags[tag].type == SIM_STR) return str_hash(str_of(sim_process_text(s->process, tag)), 1);
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void put_metric(struct node *n, size_t tag, bool birth)
{
    const struct sim_sparkplug *s = n->s;
    const struct sim_tag *t = &s->plan->tags[tag];
    struct spb_property p[2] = {
        {.key = STR("engUnit"), .type = SPB_T_String, .value = {.field = SPB_V_STRING, .s = t->unit}},
        {.key = STR("readOnly"), .type = SPB_T_Boolean, .value = {.field = SPB_V_BOOL, .u = !t->writable}}};
    struct spb_scalar v = {.form = SPB_REAL, .d = value_of(s, tag), .s = str_of(sim_process_text(s->process, tag))};
    struct spb_metric m = {.has_name = birth,
                           .name = t->suffix,
                           .has_alias = true,
                           .alias = tag + 1,
                           .has_timestamp = true,
                           .timestamp = (uint64_t)now_ms(),
                           .has_datatype = true,
                           .datatype = type_of(t)};
    struct buf set;
    buf_init(&set, 1024);
    if (birth) spb_put_properties(&set, p, 2);
    if (birth) m.properties = buf_view(&set);
    m.null = t->type != SIM_STR && !isfinite(v.d);
    if (!m.null) m.value = spb_value_of(m.datatype, &v);
    spb_put_metric(&n->payload, &m);
    s->told[tag] = bits_of(s, tag);
    buf_fini(&set);
}

static void begin(struct node *n)
{
    buf_clear(&n->payload);
    spb_put_timestamp(&n->payload, (uint64_t)now_ms());
}

static bool is_ours(const struct node *n, const struct sim_equip *e)
{
    return n->s->plan->devices[e->device].server == n->server && e->ntags > 0;
}

static void give_birth(struct node *n)
{
    const struct sim_plan *plan = n->s->plan;
    n->rebirth = false;
    buf_clear(&n->payload);
    spb_edge_birth(&n->edge, (uint64_t)now_ms(), &n->payload);
    publish(n, SPB_NBIRTH, STR(""));
    for (size_t i = 0; i < plan->nequips && n->up; i++) {
        const struct sim_equip *e = &plan->equips[i];
        if (!is_ours(n, e)) continue;
        begin(n);
        for (size_t k = 0; k < e->ntags; k++) put_metric(n, e->first + k, true);
        publish(n, SPB_DBIRTH, e->code);
    }
}

static void tell_changes(struct node *n)
{
    const struct sim_plan *plan = n->s->plan;
    for (size_t i = 0; i < plan->nequips && n->up; i++) {
        const struct sim_equip *e = &plan->equips[i];
        unsigned count = 0;
        if (!is_ours(n, e)) continue;
        begin(n);
        for (size_t k = e->first; k < (size_t)e->first + e->ntags; k++)
            if (bits_of(n->s, k) != n->s->told[k]) put_metric(n, k, false), count++;
        if (count) publish(n, SPB_DDATA, e->code);
    }
}

/* ---- what a host says ---- */

static void take_value(struct node *n, const struct sim_equip *e, const struct spb_metric *m)
{
    const struct sim_plan *plan = n->s->plan;
    struct spb_scalar v;
    for (size_t k = e->first; k < (size_t)e->first + e->ntags; k++) {
        const struct sim_tag *t = &plan->tags[k];
        bool hit = m->has_alias ? m->alias == k + 1 : m->has_name && str_eq(m->name, t->suffix);
        if (!hit || !t->writable || t->type == SIM_STR) continue;
        if (spb_scalar(m->has_datatype ? m->datatype : type_of(t), &m->value, &v) || !isfinite(spb_double(&v)))
            continue;
        (void)!sim_process_write(n->s->process, k, spb_double(&v));
        begin(n);
        put_metric(n, k, false);
        publish(n, SPB_DDATA, e->code);
    }
}

static void take_command(struct node *n, const struct spb_topic *t, struct str bytes)
{
    const struct sim_plan *plan = n->s->plan;
    struct spb_payload p;
    struct spb_metric m;
    int equip = t->type == SPB_DCMD ? sim_plan_equip(plan, t->device) : -1;
    if (spb_payload_parse(bytes, &p, NULL)) return;
    while (n->up && spb_metric_next(&p.metrics, &m)) {
        if (t->type == SPB_NCMD && m.has_name && str_is(m.name, SPB_REBIRTH) && m.value.u) n->rebirth = true;
        if (equip >= 0 && is_ours(n, &plan->equips[equip])) take_value(n, &plan->equips[equip], &m);
    }
}

static void subscribe(struct node *n)
{
    char a[300], b[300];
    struct buf items;
    buf_init(&items, 1024);
    mqtt_item_write(MQTT_SUBSCRIBE, &items, &(struct mqtt_item){.filter = topic_of(n, SPB_NCMD, STR(""), a)});
    mqtt_item_write(MQTT_SUBSCRIBE, &items, &(struct mqtt_item){.filter = topic_of(n, SPB_DCMD, STR("+"), b)});
    send_packet(n, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE, .qos = 1, .id = 1, .items = buf_view(&items)});
    buf_fini(&items);
}

static void take_packet(struct node *n, const struct mqtt_packet *p)
{
    struct spb_topic t;
    if (p->type == MQTT_CONNACK && p->code == 0) {
        subscribe(n);
    } else if (p->type == MQTT_SUBACK) {
        n->up = true;
        give_birth(n);
    } else if (p->type == MQTT_CONNACK) {
        disconnect(n);
    } else if (p->type == MQTT_PUBLISH && n->up && spb_topic_parse(p->topic, &t) == 0) {
        take_command(n, &t, p->payload);
    }
}

/* ---- the connection ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
    struct node *n = h->data;
    *b = uv_buf_init(n->in, sizeof n->in);
}

static void on_read(uv_stream_t *h, ssize_t got, const uv_buf_t *b)
{
    struct node *n = h->data;
    struct mqtt_head head;
    struct mqtt_fault why;
    int rc = 0;
    if (got > 0) buf_add(&n->rx, b->base, (size_t)got);
    if (got < 0 || n->rx.err) {
        disconnect(n);
        return;
    }
    while (n->tcp && (rc = mqtt_head(n->rx.p, n->rx.n, PACKET_MAX, &head, &why)) == 1 &&
           n->rx.n >= (size_t)head.size + head.length) {
        struct mqtt_packet p = {0};
        rc = mqtt_parse(MQTT_3_1_1, &head, n->rx.p + head.size, &p, &why);
        if (rc) break;
        take_packet(n, &p);
        if (n->tcp) buf_drop(&n->rx, (size_t)head.size + head.length);
    }
    if (rc < 0) disconnect(n);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct node *n = req->data;
    char topic[300], id[100];
    if (n->s->closing || status == UV_ECANCELED) return;
    if (status || uv_read_start((uv_stream_t *)n->tcp, on_alloc, on_read)) {
        disconnect(n);
        return;
    }
    spb_edge_connect(&n->edge);
    buf_clear(&n->payload);
    spb_edge_death(&n->edge, (uint64_t)now_ms(), &n->payload);
    snprintf(id, sizeof id, "bornite-sim-%s", node_name(n));
    send_packet(n, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                         .version = MQTT_3_1_1,
                                         .clean = true,
                                         .keep_alive = KEEP_ALIVE_S,
                                         .client_id = str_of(id),
                                         .has_will = true,
                                         .will_qos = 1,
                                         .will_topic = topic_of(n, SPB_NDEATH, STR(""), topic),
                                         .will_payload = buf_view(&n->payload)});
}

static void try_connect(struct node *n)
{
    n->tcp = mem_alloc(sizeof *n->tcp);
    if (n->tcp == NULL) return;
    uv_tcp_init(n->s->loop, n->tcp);
    n->tcp->data = n->req.data = n;
    if (uv_tcp_connect(&n->req, n->tcp, (const struct sockaddr *)&n->s->to, on_connect)) disconnect(n);
}

static void tick(struct node *n, int64_t now_s)
{
    if (n->tcp == NULL && now_s >= n->retry_s) try_connect(n);
    if (n->up && n->rebirth) give_birth(n);
    if (n->up) tell_changes(n);
    if (n->up && now_s >= n->ping_s) {
        n->ping_s = now_s + KEEP_ALIVE_S / 3;
        send_packet(n, &(struct mqtt_packet){.type = MQTT_PINGREQ});
    }
}

static void on_second(uv_timer_t *t)
{
    struct sim_sparkplug *s = t->data;
    for (size_t i = 0; i < s->plan->nservers; i++) tick(&s->nodes[i], now_ms() / 1000);
}

/* ---- life ---- */

int sim_sparkplug_new(uv_loop_t *loop, const struct sim_plan *plan, struct sim_process *process,
                      const struct sim_sparkplug_config *c, struct sim_sparkplug **ret, struct error *e)
{
    struct sim_sparkplug *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return ERR_NOMEM;
    s->loop = loop, s->plan = plan, s->process = process;
    s->nodes = mem_calloc(plan->nservers, sizeof *s->nodes);
    s->told = mem_calloc(plan->ntags, sizeof *s->told);
    s->timer = mem_calloc(1, sizeof *s->timer);
    int rc = s->nodes && s->told && s->timer ? 0 : ERR_NOMEM;
    if (rc == 0 && uv_ip4_addr(c->host, (int)c->port, &s->to))
        rc = error_set(e, ERR_INVALID, "sparkplug", "'%s' is no IP address", "“%s”不是 IP 地址", c->host);
    for (size_t i = 0; rc == 0 && i < plan->nservers; i++) {
        s->nodes[i].s = s;
        s->nodes[i].server = i;
        buf_init(&s->nodes[i].rx, PACKET_MAX * 2);
        buf_init(&s->nodes[i].payload, PAYLOAD_MAX);
        buf_init(&s->nodes[i].packet, PAYLOAD_MAX + 1024);
    }
    if (rc) {
        mem_free(TAKE(s->timer));
        sim_sparkplug_free(s);
        return rc;
    }
    uv_timer_init(loop, s->timer);
    s->timer->data = s;
    uv_timer_start(s->timer, on_second, 0, 1000);
    *ret = s;
    return 0;
}

void sim_sparkplug_close(struct sim_sparkplug *s)
{
    if (s == NULL || s->timer == NULL) return;
    s->closing = true;
    for (size_t i = 0; i < s->plan->nservers; i++) disconnect(&s->nodes[i]);
    uv_close((uv_handle_t *)TAKE(s->timer), free_handle);
}

void sim_sparkplug_free(struct sim_sparkplug *s)
{
    if (s == NULL) return;
    for (size_t i = 0; s->nodes && i < s->plan->nservers; i++) {
        buf_fini(&s->nodes[i].rx);
        buf_fini(&s->nodes[i].payload);
        buf_fini(&s->nodes[i].packet);
    }
    mem_free(s->nodes);
    mem_free(s->told);
    mem_free(s);
}
