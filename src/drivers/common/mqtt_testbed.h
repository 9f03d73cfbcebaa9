/* mqtt_testbed.h - for tests: a broker of one thread on the test's loop, that grants everything, routes nothing, keeps what
 * it was sent, and can misbehave. Speaks through proto/mqtt.h. A port that the system chose. Include after
 * drivers/common/testbed.h. */
#pragma once
#include <signal.h>
#include "base/mem.h"
#include "drivers/common/testbed.h"
#include "proto/mqtt.h"

#define FAKE_MESSAGES 4096
struct fake_message {
    char topic[200], payload[400];
    uint8_t qos;
    bool retain, dup;
    uint16_t id;
    size_t n;
};

struct fake_broker;
struct fake_conn {
    uv_tcp_t tcp;
    struct fake_broker *b;
    struct fake_conn *next;
    struct buf rx;
    uint8_t version;
    uint8_t in[65536];
};

struct fake_broker {
    uv_loop_t *loop;
    uv_tcp_t listener;
    bool listening;
    unsigned port, accepted, open;
    struct fake_conn *conns; /* newest first */
    /* how it behaves */
    uint8_t code;            /* of CONNACK; 0: let in */
    bool session, mute, mute_acks, mute_pings, no_connack;
    uint8_t ack_code, sub_code; /* of PUBACK, PUBREC; SUBACK (0: granted) */
    uint32_t receive_maximum, maximum_packet, maximum_qos;
    bool retain_off;
    /* what it saw */
    unsigned connects, pings, subscribes, unsubscribes, disconnects, pubrels, pubcomps;
    bool last_clean, last_will, garbage;
    uint8_t disconnect_code;
    char last_id[64], last_user[64], last_password[64], will_topic[64], will_payload[200];
    uint32_t last_expiry;
    uint16_t keep_alive;
    char filters[1000];      /* all that were subscribed: "f:qos " each */
    char unfiltered[1000];
    struct fake_message messages[FAKE_MESSAGES];
    unsigned nmessages;
    uint16_t acks[FAKE_MESSAGES]; /* ids of PUBACK and PUBREC, in order */
    uint8_t ack_codes[FAKE_MESSAGES];
    unsigned nacks;
    uint16_t next_id;
};

BED void fake_send(struct fake_conn *c, const struct mqtt_packet *p)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    for (mqtt_write(&b, c->version, p); b.err; mqtt_write(&b, c->version, p)) buf_clear(&b);
    for (size_t at = 0; at < b.n;) { /* tests send little */
        uv_buf_t v = uv_buf_init((char *)b.p + at, (unsigned)(b.n - at));
        int k = uv_try_write((uv_stream_t *)&c->tcp, &v, 1);
        if (k > 0) at += (size_t)k;
        if (k < 0 && k != UV_EAGAIN) break;
    }
    buf_fini(&b);
}

BED void fake_raw(struct fake_conn *c, const void *p, size_t n)
{
    uv_buf_t v = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    CHECK_INT(uv_try_write((uv_stream_t *)&c->tcp, &v, 1), (int)n);
}

BED void fake_conn_closed(uv_handle_t *h)
{
    struct fake_conn *c = h->data;
    buf_fini(&c->rx);
    mem_free(c);
}
BED void fake_drop(struct fake_conn *c)
{
    struct fake_conn **link = &c->b->conns;
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    while (*link && *link != c) link = &(*link)->next;
    if (*link) *link = c->next;
    c->b->open--;
    uv_close((uv_handle_t *)&c->tcp, fake_conn_closed);
}
BED void fake_drop_all(struct fake_broker *b)
{
    while (b->conns) fake_drop(b->conns);
}

BED void fake_connect(struct fake_conn *c, const struct mqtt_packet *p)
{
    struct fake_broker *b = c->b;
    struct mqtt_packet r = {.type = MQTT_CONNACK, .code = b->code, .session_present = b->session && !p->clean && !b->code};
    b->connects++;
    b->last_clean = p->clean;
    b->last_will = p->has_will;
    b->keep_alive = p->keep_alive;
    b->last_expiry = 0;
    mqtt_num_get(&p->props, MQTT_N_SESSION_EXPIRY, &b->last_expiry);
    str_to_cstr(p->client_id, b->last_id, sizeof b->last_id);
    str_to_cstr(p->has_user ? p->user : STR_NULL, b->last_user, sizeof b->last_user);
    str_to_cstr(p->has_password ? p->password : STR_NULL, b->last_password, sizeof b->last_password);
    str_to_cstr(p->has_will ? p->will_topic : STR_NULL, b->will_topic, sizeof b->will_topic);
    str_to_cstr(p->has_will ? p->will_payload : STR_NULL, b->will_payload, sizeof b->will_payload);
    if (b->receive_maximum) mqtt_num_set(&r.props, MQTT_N_RECEIVE_MAXIMUM, b->receive_maximum);
    if (b->maximum_packet) mqtt_num_set(&r.props, MQTT_N_MAXIMUM_PACKET, b->maximum_packet);
    if (b->maximum_qos) mqtt_num_set(&r.props, MQTT_N_MAXIMUM_QOS, b->maximum_qos - 1);
    if (b->retain_off) mqtt_num_set(&r.props, MQTT_N_RETAIN_AVAILABLE, 0);
    if (!b->no_connack) fake_send(c, &r);
    if (b->code) fake_drop(c);
}

BED void fake_publish_came(struct fake_conn *c, const struct mqtt_packet *p)
{
    struct fake_broker *b = c->b;
    struct fake_message *m = &b->messages[b->nmessages++ % FAKE_MESSAGES];
    *m = (struct fake_message){.qos = p->qos, .retain = p->retain, .dup = p->dup, .id = p->id, .n = p->payload.n};
    str_to_cstr(p->topic, m->topic, sizeof m->topic);
    str_to_cstr(p->payload, m->payload, sizeof m->payload);
    if (p->qos && !b->mute_acks)
        fake_send(c, &(struct mqtt_packet){
                         .type = p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, .id = p->id, .code = b->ack_code});
}

BED void fake_subscribe_came(struct fake_conn *c, const struct mqtt_packet *p)
{
    struct fake_broker *b = c->b;
    struct str rest = p->items;
    struct mqtt_item i;
    struct buf codes;
    bool on = p->type == MQTT_SUBSCRIBE;
    char *list = on ? b->filters : b->unfiltered;
    buf_init(&codes, 4096);
    while (mqtt_item_next(p->type, &rest, &i) == 1) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof b->filters - n, on ? "%.*s:%u " : "%.*s ", STR_ARG(i.filter), i.qos);
        buf_u8(&codes, on ? (b->sub_code ? b->sub_code : i.qos) : 0);
    }
    if (on)
        b->subscribes++;
    else
        b->unsubscribes++;
    fake_send(c, &(struct mqtt_packet){.type = (uint8_t)(p->type + 1), .id = p->id, .items = buf_view(&codes)});
    buf_fini(&codes);
}

BED void fake_take(struct fake_conn *c, const struct mqtt_packet *p)
{
    struct fake_broker *b = c->b;
    switch (p->type) {
    case MQTT_CONNECT: c->version = p->version; fake_connect(c, p); break;
    case MQTT_PUBLISH: fake_publish_came(c, p); break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE: fake_subscribe_came(c, p); break;
    case MQTT_PUBREL:
        b->pubrels++;
        if (!b->mute_acks) fake_send(c, &(struct mqtt_packet){.type = MQTT_PUBCOMP, .id = p->id});
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
        b->ack_codes[b->nacks % FAKE_MESSAGES] = p->code;
        b->acks[b->nacks++ % FAKE_MESSAGES] = p->id;
        if (p->type == MQTT_PUBREC && p->code < 0x80) fake_send(c, &(struct mqtt_packet){.type = MQTT_PUBREL, .qos = 1, .id = p->id});
        break;
    case MQTT_PUBCOMP: b->pubcomps++; break;
    case MQTT_PINGREQ:
        b->pings++;
        if (!b->mute_pings) fake_send(c, &(struct mqtt_packet){.type = MQTT_PINGRESP});
        break;
    case MQTT_DISCONNECT: b->disconnects++; b->disconnect_code = p->code; break;
    default: b->garbage = true;
    }
}

BED void fake_alloc(uv_handle_t *h, size_t hint, uv_buf_t *v)
{
    struct fake_conn *c = h->data;
    *v = uv_buf_init((char *)c->in, sizeof c->in);
}
BED void fake_read(uv_stream_t *h, ssize_t n, const uv_buf_t *v)
{
    struct fake_conn *c = h->data;
    struct mqtt_head head;
    struct mqtt_packet p;
    struct mqtt_fault why;
    if (n < 0) {
        fake_drop(c);
        return;
    }
    if (c->b->mute) return;
    for (buf_add(&c->rx, c->in, (size_t)n); c->rx.err; buf_add(&c->rx, c->in, (size_t)n)) c->rx.err = 0;
    while (!uv_is_closing((uv_handle_t *)h) && mqtt_head(c->rx.p, c->rx.n, 1 << 24, &head, &why) == 1 &&
           c->rx.n >= head.size + head.length) {
        if (mqtt_parse(c->version, &head, c->rx.p + head.size, &p, &why))
            c->b->garbage = true;
        else
            fake_take(c, &p);
        if (!uv_is_closing((uv_handle_t *)h)) buf_drop(&c->rx, head.size + head.length);
    }
}

BED void fake_accept(uv_stream_t *s, int status)
{
    struct fake_broker *b = s->data;
    struct fake_conn *c;
    while ((c = mem_calloc(1, sizeof *c)) == NULL) {} /* what a test lets fail is not meant for us */
    c->b = b;
    c->version = MQTT_3_1_1;
    buf_init(&c->rx, 1 << 24);
    uv_tcp_init(b->loop, &c->tcp);
    c->tcp.data = c;
    CHECK_INT(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
    uv_tcp_nodelay(&c->tcp, 1);
    c->next = b->conns;
    b->conns = c;
    b->accepted++;
    b->open++;
    uv_read_start((uv_stream_t *)&c->tcp, fake_alloc, fake_read);
}

BED void fake_listen(struct fake_broker *b)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_tcp_init(b->loop, &b->listener);
    b->listener.data = b;
    uv_ip4_addr("127.0.0.1", (int)b->port, &a);
    CHECK_INT(uv_tcp_bind(&b->listener, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&b->listener, 8, fake_accept), 0);
    CHECK_INT(uv_tcp_getsockname(&b->listener, (struct sockaddr *)&a, &len), 0);
    b->port = ntohs(a.sin_port);
    b->listening = true;
}

BED struct fake_broker *fake_new(uv_loop_t *loop)
{
    struct fake_broker *b = mem_calloc(1, sizeof *b);
    b->loop = loop;
    signal(SIGPIPE, SIG_IGN);
    fake_listen(b);
    return b;
}

/* The listener and all connections; the port stays its own. */
BED void fake_stop(struct fake_broker *b)
{
    fake_drop_all(b);
    if (b->listening) uv_close((uv_handle_t *)&b->listener, NULL);
    b->listening = false;
    for (int i = 0; i < 3; i++) uv_run(b->loop, UV_RUN_NOWAIT);
}

/* Sends to the newest connection; with QoS its id is returned. */
BED uint16_t fake_publish(struct fake_broker *b, const char *topic, const char *payload, uint8_t qos, bool retain)
{
    CHECK(b->conns != NULL);
    if (qos && ++b->next_id == 0) b->next_id = 1;
    fake_send(b->conns, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                              .qos = qos,
                                              .retain = retain,
                                              .id = qos ? b->next_id : 0,
                                              .topic = str_of(topic),
                                              .payload = str_of(payload)});
    return qos ? b->next_id : 0;
}
