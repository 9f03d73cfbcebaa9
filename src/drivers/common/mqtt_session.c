/* mqtt_session.c - what an MQTT client has under way: publications, messages that came, subscriptions; see
 * mqtt_client_int.h.
 *
 * Publications  stand in the order in which they were given and go out in it. Acknowledgements mostly come in that
 * order, so that looking one up is short. QoS 2: PUBREC frees the copy of the packet, PUBCOMP ends it. Messages stand
 * in the order in which they came; the first ones that are safe are acknowledged. `seen` has the QoS 2 ids from PUBLISH
 * to PUBREL: one that comes again is not handed over again. Each list is taken apart before the owner is told, since he
 * may call anything. */
#include <stdio.h>
#include "drivers/common/mqtt_client_int.h"

#define QUIET_MAX 10000
#define FILTERS_MAX 1000

static bool bit(const uint8_t *bits, uint16_t id)
{
    return bits[id >> 3] >> (id & 7) & 1;
}

static void bit_set(uint8_t *bits, uint16_t id, bool on)
{
    uint8_t mask = (uint8_t)(1u << (id & 7));
    bits[id >> 3] = (uint8_t)(on ? bits[id >> 3] | mask : bits[id >> 3] & ~mask);
}

/* 0: all are in use. */
static uint16_t new_id(struct mqtt_client *m)
{
    for (unsigned i = 0; i < 65536; i++) {
        uint16_t id = ++m->next_id;
        if (id == 0 || bit(m->ids, id)) continue;
        bit_set(m->ids, id, true);
        return id;
    }
    return 0;
}

static void tell_published(struct mqtt_client *m, uint64_t token, const struct error *e)
{
    if (m->ops->published) m->ops->published(m->ctx, token, e);
}

static void code_error(struct mqtt_client *m, uint8_t code, const struct mqtt_packet *p, struct error *e)
{
    struct str why = p->props.text[MQTT_T_REASON];
    bool told = (p->props.texts & 1u << MQTT_T_REASON) && why.n;
    error_set(e, mc_code(code), "", "%s:%u refuses it: %s%.0s%s%.*s%s", "%s:%u 拒绝：%.0s%s%s%.*s%s", m->cfg.host,
              m->cfg.port, mqtt_reason_words(code, false), mqtt_reason_words(code, true), told ? " (" : "",
              told ? (int)(why.n < 100 ? why.n : 100) : 0, told ? why.p : "", told ? ")" : "");
}

/* ---- publishing ---- */

static unsigned window(const struct mqtt_client *m)
{
    return m->peer_window < m->cfg.window ? m->peer_window : m->cfg.window;
}

static void send_out(struct mqtt_client *m, struct mc_out *o)
{
    o->sent = true;
    o->sent_ms = mc_now(m);
    m->nsent++;
    if (o->received)
        mc_send(m, &(struct mqtt_packet){.type = MQTT_PUBREL, .qos = 1, .id = o->id});
    else
        mc_send_raw(m, o->packet, o->n);
}

/* What a session has from before goes first, as the broker's window lets it. */
static void send_again(struct mqtt_client *m)
{
    for (struct mc_out *o = m->outs; o && m->nsent < window(m); o = o->next) {
        if (o->sent) continue;
        if (!o->received) o->packet[0] |= 0x08; /* DUP */
        send_out(m, o);
    }
}

static struct mc_out *find_out(const struct mqtt_client *m, uint16_t id, struct mc_out ***ret_link)
{
    struct mc_out **link = (struct mc_out **)(uintptr_t)&m->outs;
    while (*link && (*link)->id != id) link = &(*link)->next;
    *ret_link = link;
    return *link;
}

static void unlink_out(struct mqtt_client *m, struct mc_out **link)
{
    struct mc_out *o = *link;
    *link = o->next;
    if (m->outs_tail == &o->next) m->outs_tail = link;
    m->nouts--;
    m->nsent -= o->sent;
    bit_set(m->ids, o->id, false);
}

static void room(struct mqtt_client *m)
{
    if (!m->wants_room || m->state != MC_UP || m->nouts >= window(m) || m->nquiet - m->quiet_at >= QUIET_MAX ||
        mc_link_waiting(&m->link) + m->out.n > m->cfg.out_max / 2)
        return;
    m->wants_room = false;
    if (m->ops->ready) m->ops->ready(m->ctx);
}

static void ended_out(struct mqtt_client *m, struct mc_out **link, const struct error *e)
{
    struct mc_out *o = *link;
    unsigned generation = m->generation;
    unlink_out(m, link);
    uint64_t token = o->token;
    bool told = o->told;
    mem_free(o);
    if (!told) tell_published(m, token, e);
    if (m->generation != generation) return;
    send_again(m);
    room(m);
}

static void take_puback(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct error e;
    struct mc_out **link, *o = find_out(m, p->id, &link);
    if (o == NULL || o->qos != 1 || !o->sent) {
        m->st.errors++; /* of something that was given up */
        return;
    }
    mc_rtt(m, o->sent_ms);
    if (p->code >= 0x80) code_error(m, p->code, p, &e);
    ended_out(m, link, p->code >= 0x80 ? &e : NULL);
}

static void take_pubrec(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct error e;
    struct mc_out **link, *o = find_out(m, p->id, &link);
    if (o == NULL || o->qos != 2 || !o->sent) {
        m->st.errors++;
        if (p->code < 0x80)
            mc_send(m, &(struct mqtt_packet){.type = MQTT_PUBREL, .qos = 1, .id = p->id, .code = MQTT_ID_NOT_FOUND});
        return;
    }
    if (p->code >= 0x80) {
        code_error(m, p->code, p, &e);
        ended_out(m, link, &e);
        return;
    }
    if (!o->received) mc_rtt(m, o->sent_ms);
    o->received = true;
    o->sent_ms = mc_now(m);
    mc_send(m, &(struct mqtt_packet){.type = MQTT_PUBREL, .qos = 1, .id = o->id});
}

static void take_pubcomp(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct mc_out **link, *o = find_out(m, p->id, &link);
    if (o && o->qos == 2 && o->received)
        ended_out(m, link, NULL); /* "not found" too: it came through before */
    else
        m->st.errors++;
}

static void packet_of(const struct mqtt_client_message *msg, uint16_t id, struct mqtt_packet *p)
{
    *p = (struct mqtt_packet){.type = MQTT_PUBLISH,
                              .qos = msg->qos,
                              .retain = msg->retain,
                              .id = id,
                              .topic = msg->topic,
                              .payload = msg->payload};
    if (msg->expiry_s) mqtt_num_set(&p->props, MQTT_N_EXPIRY, msg->expiry_s);
    if (msg->content_type.n) mqtt_text_set(&p->props, MQTT_T_CONTENT_TYPE, msg->content_type);
    if (msg->response_topic.n) mqtt_text_set(&p->props, MQTT_T_RESPONSE_TOPIC, msg->response_topic);
    if (msg->correlation.n) mqtt_text_set(&p->props, MQTT_T_CORRELATION, msg->correlation);
    p->props.extra = msg->user_properties;
}

static int check_message(const struct mqtt_client *m, const struct mqtt_client_message *msg, struct error *e)
{
    if (m->state != MC_UP)
        return error_set(e, ERR_CLOSED, "", "not connected to %s:%u", "未连接到 %s:%u", m->cfg.host ? m->cfg.host : "",
                         m->cfg.port);
    if (!mqtt_topic_ok(msg->topic) || msg->qos > 2)
        return error_set(e, ERR_INVALID, "topic", "'%.*s' is no topic to publish to: 1 to 65535 bytes, no + and no #",
                         "“%.*s”不能作为发布主题：1 到 65535 字节，且不含 + 和 #",
                         (int)(msg->topic.n < 80 ? msg->topic.n : 80), msg->topic.p ? msg->topic.p : "");
    if (msg->qos > m->peer_qos)
        return error_set(e, ERR_UNSUPPORTED, "qos", "the broker takes QoS %u at most", "代理最高支持 QoS %u",
                         m->peer_qos);
    if (msg->retain && !m->peer_retain)
        return error_set(e, ERR_UNSUPPORTED, "retain", "the broker keeps no retained messages", "代理不支持保留消息");
    return 0;
}

static int busy(struct mqtt_client *m, struct error *e)
{
    m->wants_room = true;
    return error_set(e, ERR_AGAIN, "", "enough messages are under way", "待确认的消息已达上限");
}

static int publish_quiet(struct mqtt_client *m, const struct mqtt_packet *p, uint64_t token, struct error *e)
{
    if (m->nquiet - m->quiet_at >= QUIET_MAX) return busy(m, e);
    if (!mem_grow((void **)&m->quiet, &m->quiet_cap, m->nquiet + 1, sizeof *m->quiet))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    mc_send(m, p);
    m->quiet[m->nquiet++] = (struct mc_quiet){token, m->out_total};
    return 0;
}

static int publish_sure(struct mqtt_client *m, struct mqtt_packet *p, size_t n, uint64_t token, struct error *e)
{
    struct buf b;
    if (m->nouts >= window(m)) return busy(m, e);
    struct mc_out *o = mem_calloc(1, sizeof *o + n);
    buf_init(&b, n);
    p->id = o ? new_id(m) : 0;
    if (o) mqtt_write(&b, m->cfg.version, p);
    if (o == NULL || p->id == 0 || b.err || b.n != n) {
        if (p->id) bit_set(m->ids, p->id, false);
        buf_fini(&b);
        mem_free(o);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    memcpy(o->packet, b.p, n);
    buf_fini(&b);
    o->token = token, o->id = p->id, o->qos = p->qos, o->n = n;
    *m->outs_tail = o;
    m->outs_tail = &o->next;
    m->nouts++;
    send_out(m, o);
    return 0;
}

int mqtt_client_publish(struct mqtt_client *m, const struct mqtt_client_message *msg, uint64_t token, struct error *e)
{
    struct mqtt_packet p;
    int rc = check_message(m, msg, e);
    if (rc) return rc;
    packet_of(msg, 1, &p);
    size_t n = mqtt_size(m->cfg.version, &p);
    if (n == 0 || n > m->peer_packet)
        return error_set(e, ERR_TOO_LARGE, "payload", "a message of %zu bytes is more than the broker takes",
                         "消息 %zu 字节，超过代理的上限", n ? n : msg->payload.n);
    if (mc_link_waiting(&m->link) + m->out.n + n > m->cfg.out_max && mc_link_waiting(&m->link) + m->out.n)
        return busy(m, e);
    bool idle = m->nouts == 0;
    rc = msg->qos ? publish_sure(m, &p, n, token, e) : publish_quiet(m, &p, token, e);
    if (rc) return rc;
    m->st.messages_out++;
    if (idle && msg->qos) mc_wake(m);
    return 0;
}

void mc_taken(struct mqtt_client *m)
{
    unsigned generation = m->generation;
    uint64_t taken = m->out_total - m->out.n - mc_link_waiting(&m->link);
    if (mc_link_waiting(&m->link) > m->out_total) taken = 0; /* TLS adds its own */
    while (m->generation == generation && m->quiet_at < m->nquiet && m->quiet[m->quiet_at].end <= taken)
        tell_published(m, m->quiet[m->quiet_at++].token, NULL);
    if (m->generation != generation) return;
    if (m->quiet_at && m->quiet_at >= m->nquiet / 2) {
        m->nquiet -= m->quiet_at;
        memmove(m->quiet, m->quiet + m->quiet_at, m->nquiet * sizeof *m->quiet);
        m->quiet_at = 0;
    }
    room(m);
}

/* ---- messages that come ---- */

/* Acknowledge what has its turn. */
static void acknowledge(struct mqtt_client *m)
{
    size_t k = 0;
    if (m->state != MC_UP) return;
    for (; k < m->nin && m->in[k].safe; k++) {
        const struct mc_in *i = &m->in[k];
        struct mqtt_packet p = {.type = i->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                .id = i->id,
                                .code = m->cfg.version == MQTT_5 ? i->code : 0};
        if (i->qos == 2 && p.code >= 0x80) bit_set(m->seen, i->id, false); /* no PUBREL follows */
        mc_send(m, &p);
    }
    m->nin -= k;
    if (k && m->nin) memmove(m->in, m->in + k, m->nin * sizeof *m->in);
}

void mqtt_client_ack(struct mqtt_client *m, uint32_t handle, uint8_t code)
{
    size_t lo = 0, hi = m ? m->nin : 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((int32_t)(m->in[mid].handle - handle) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (m == NULL || lo == m->nin || m->in[lo].handle != handle) return;
    m->in[lo].safe = true;
    m->in[lo].code = code;
    if (lo == 0) acknowledge(m);
}

static bool is_waiting(const struct mqtt_client *m, uint16_t id)
{
    for (size_t i = 0; i < m->nin; i++)
        if (m->in[i].id == id && m->in[i].qos == 2) return true;
    return false;
}

/* It was handed over before: 2 once more says that it came, as far as that was said. */
static bool repeated(struct mqtt_client *m, const struct mqtt_packet *p)
{
    if (p->qos != 2 || !bit(m->seen, p->id)) return false;
    if (!is_waiting(m, p->id)) mc_send(m, &(struct mqtt_packet){.type = MQTT_PUBREC, .id = p->id});
    return true;
}

static void hand_over(struct mqtt_client *m, const struct mqtt_packet *p, uint32_t handle)
{
    struct mqtt_client_message msg = {.topic = p->topic,
                                      .payload = p->payload,
                                      .qos = p->qos,
                                      .retain = p->retain,
                                      .dup = p->dup,
                                      .handle = handle,
                                      .user_properties = p->props.raw};
    mqtt_num_get(&p->props, MQTT_N_EXPIRY, &msg.expiry_s);
    if (p->props.texts & 1u << MQTT_T_CONTENT_TYPE) msg.content_type = p->props.text[MQTT_T_CONTENT_TYPE];
    if (p->props.texts & 1u << MQTT_T_RESPONSE_TOPIC) msg.response_topic = p->props.text[MQTT_T_RESPONSE_TOPIC];
    if (p->props.texts & 1u << MQTT_T_CORRELATION) msg.correlation = p->props.text[MQTT_T_CORRELATION];
    m->st.messages_in++;
    if (m->ops->message)
        m->ops->message(m->ctx, &msg);
    else if (handle)
        mqtt_client_ack(m, handle, 0);
}

void mc_take_publish(struct mqtt_client *m, const struct mqtt_packet *p)
{
    if (p->props.nums & 1u << MQTT_N_ALIAS || p->topic.n == 0) {
        mc_protocol(m, MQTT_ALIAS, "a topic alias that was not offered", "使用了未协商的主题别名");
        return;
    }
    if (p->qos == 0) {
        hand_over(m, p, 0);
        return;
    }
    if (repeated(m, p)) return;
    if (m->cfg.version == MQTT_5 && m->nin >= m->cfg.receive_maximum) {
        mc_protocol(m, MQTT_RECEIVE_MAXIMUM, "more unacknowledged messages than it may send",
                    "未确认消息数超过接收最大值");
        return;
    }
    if (!mem_grow((void **)&m->in, &m->in_cap, m->nin + 1, sizeof *m->in)) {
        mc_protocol(m, MQTT_QUOTA, "out of memory", "内存不足");
        return;
    }
    if (++m->handle == 0) m->handle = 1;
    m->in[m->nin++] = (struct mc_in){.handle = m->handle, .id = p->id, .qos = p->qos};
    if (p->qos == 2) bit_set(m->seen, p->id, true);
    hand_over(m, p, m->handle);
}

static void take_pubrel(struct mqtt_client *m, const struct mqtt_packet *p)
{
    bool known = bit(m->seen, p->id);
    bit_set(m->seen, p->id, false);
    mc_send(m, &(struct mqtt_packet){.type = MQTT_PUBCOMP, .id = p->id, .code = known ? 0 : MQTT_ID_NOT_FOUND});
}

void mc_take_ack(struct mqtt_client *m, const struct mqtt_packet *p)
{
    static void (*const takers[])(struct mqtt_client *, const struct mqtt_packet *) = {take_puback, take_pubrec,
                                                                                       take_pubrel, take_pubcomp};
    takers[p->type - MQTT_PUBACK](m, p);
}

/* ---- subscriptions ---- */

static int request(struct mqtt_client *m, uint8_t type, struct buf *items, size_t n, uint64_t token, struct error *e)
{
    struct mc_request *r = mem_calloc(1, sizeof *r);
    uint16_t id = r ? new_id(m) : 0;
    struct mqtt_packet p = {.type = type, .qos = 1, .id = id, .items = buf_view(items)};
    size_t size = mqtt_size(m->cfg.version, &p);
    int rc = id == 0 || items->err == ERR_NOMEM                 ? ERR_NOMEM
             : items->err || size == 0 || size > m->peer_packet ? ERR_TOO_LARGE
                                                                : 0;
    if (rc) {
        if (id) bit_set(m->ids, id, false);
        mem_free(r);
        return error_set(e, rc, "", "the subscription cannot be sent: %s%.0s", "无法发送订阅：%.0s%s", error_title(rc),
                         error_title_zh(rc));
    }
    *r = (struct mc_request){m->requests, token, mc_now(m), id, (uint8_t)(type + 1), n};
    m->requests = r;
    mc_send(m, &p);
    mc_wake(m);
    return 0;
}

static int check_request(struct mqtt_client *m, size_t n, struct error *e)
{
    if (m->state != MC_UP) return error_set(e, ERR_CLOSED, "", "not connected", "未连接");
    if (n == 0 || n > FILTERS_MAX)
        return error_set(e, ERR_LIMIT, "", "1 to %d filters at once", "每次 1 到 %d 个过滤器", FILTERS_MAX);
    return 0;
}

static int bad_filter(struct str f, struct error *e)
{
    return error_set(e, ERR_INVALID, "topic", "'%.*s' is no topic filter: + and # stand alone between slashes, # last",
                     "“%.*s”不是有效的主题过滤器：+ 和 # 须独占一级，# 只能在末尾", (int)(f.n < 80 ? f.n : 80),
                     f.p ? f.p : "");
}

int mqtt_client_subscribe(struct mqtt_client *m, const struct mqtt_client_filter *f, size_t n, uint64_t token,
                          struct error *e)
{
    struct buf items;
    int rc = check_request(m, n, e);
    if (rc) return rc;
    buf_init(&items, MQTT_LENGTH_MAX);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct mqtt_item it = {.filter = f[i].filter, .qos = f[i].qos};
        if (m->cfg.version == MQTT_5) {
            it.no_local = f[i].no_local;
            it.as_published = f[i].as_published;
            it.retain_handling = f[i].retain_handling;
        }
        if (!mqtt_filter_ok(it.filter) || it.qos > 2)
            rc = bad_filter(it.filter, e);
        else
            mqtt_item_write(MQTT_SUBSCRIBE, &items, &it);
    }
    if (rc == 0) rc = request(m, MQTT_SUBSCRIBE, &items, n, token, e);
    buf_fini(&items);
    return rc;
}

int mqtt_client_unsubscribe(struct mqtt_client *m, const struct str *filters, size_t n, uint64_t token, struct error *e)
{
    struct buf items;
    int rc = check_request(m, n, e);
    if (rc) return rc;
    buf_init(&items, MQTT_LENGTH_MAX);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (!mqtt_filter_ok(filters[i]))
            rc = bad_filter(filters[i], e);
        else
            mqtt_item_write(MQTT_UNSUBSCRIBE, &items, &(struct mqtt_item){.filter = filters[i]});
    }
    if (rc == 0) rc = request(m, MQTT_UNSUBSCRIBE, &items, n, token, e);
    buf_fini(&items);
    return rc;
}

void mc_take_answer(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct mc_request **link = &m->requests;
    while (*link && ((*link)->id != p->id || (*link)->type != p->type)) link = &(*link)->next;
    struct mc_request *r = *link;
    if (r == NULL) {
        m->st.errors++;
        return;
    }
    bool codes = p->type == MQTT_SUBACK || m->cfg.version == MQTT_5;
    if (codes && p->items.n != r->n) {
        mc_protocol(m, MQTT_PROTOCOL, "an answer for another number of filters", "应答的过滤器数量不符");
        return;
    }
    *link = r->next;
    bit_set(m->ids, r->id, false);
    mc_rtt(m, r->sent_ms);
    uint64_t token = r->token;
    mem_free(r);
    if (m->ops->subscribed)
        m->ops->subscribed(m->ctx, token, (const uint8_t *)p->items.p, codes ? p->items.n : 0, NULL);
}

/* ---- connections come and go ---- */

static void give_up_outs(struct mqtt_client *m, const struct error *why)
{
    while (m->outs) {
        struct mc_out *o = m->outs;
        uint64_t token = o->token;
        bool told = o->told;
        unlink_out(m, &m->outs);
        mem_free(o);
        if (!told) tell_published(m, token, why);
    }
}

/* With QoS 2 the broker may hold the id: PUBREL instead of the message makes it free again. With QoS 1 it is just
 * forgotten, and its answer is nobody's. */
void mqtt_client_forget(struct mqtt_client *m, uint64_t token)
{
    struct error e;
    if (m == NULL) return;
    struct mc_out **link = &m->outs, *o;
    while (*link && ((*link)->token != token || (*link)->told)) link = &(*link)->next;
    if ((o = *link) == NULL) return;
    if (o->qos == 2) {
        o->told = true;
        if (!o->sent) o->received = true;
    } else {
        unlink_out(m, link);
        mem_free(o);
    }
    error_set(&e, ERR_CANCELLED, "", "given up", "已放弃");
    tell_published(m, token, &e);
}

void mc_session_up(struct mqtt_client *m, bool session)
{
    unsigned generation = m->generation;
    struct error e;
    error_set(&e, ERR_CLOSED, "", "the broker has not kept the session: whether the message came is not known",
              "代理未保留会话，无法确认消息是否送达");
    if (!session) {
        m->nin = 0;
        memset(m->seen, 0, sizeof m->seen);
        give_up_outs(m, &e);
    }
    if (m->generation != generation) return;
    send_again(m);
    acknowledge(m);
    mc_wake(m);
}

static void give_up_quiet(struct mqtt_client *m, const struct error *why)
{
    struct mc_quiet *list = TAKE(m->quiet);
    size_t n = m->nquiet, at = m->quiet_at;
    m->nquiet = m->quiet_cap = m->quiet_at = 0;
    for (size_t i = at; i < n; i++) tell_published(m, list[i].token, why);
    mem_free(list);
}

static void give_up_requests(struct mqtt_client *m, const struct error *why)
{
    struct mc_request *list = TAKE(m->requests), *r;
    for (r = list; r; r = r->next) bit_set(m->ids, r->id, false);
    while ((r = list) != NULL) {
        list = r->next;
        if (m->ops->subscribed) m->ops->subscribed(m->ctx, r->token, NULL, 0, why);
        mem_free(r);
    }
}

void mc_session_lost(struct mqtt_client *m, bool forget, const struct error *why)
{
    struct error e = *why;
    size_t n = 0;
    if (e.code != ERR_CANCELLED) e.code = ERR_CLOSED;
    for (size_t i = 0; i < m->nin; i++) /* QoS 1 comes again as new */
        if (m->in[i].qos == 2 && !forget) m->in[n++] = m->in[i];
    m->nin = n;
    if (forget) memset(m->seen, 0, sizeof m->seen);
    for (struct mc_out *o = m->outs; o; o = o->next) {
        o->sent = false;
        o->received = o->received || o->told;
    }
    m->nsent = 0;
    give_up_quiet(m, &e);
    give_up_requests(m, &e);
    if (forget) give_up_outs(m, &e);
}

void mc_session_free(struct mqtt_client *m)
{
    mem_free(m->in);
    mem_free(m->quiet);
}

/* ---- time ---- */

uint64_t mc_session_deadline(const struct mqtt_client *m)
{
    uint64_t at = UINT64_MAX;
    for (const struct mc_request *r = m->requests; r; r = r->next)
        if (r->sent_ms < at) at = r->sent_ms;
    if (m->outs && m->outs->sent && m->outs->sent_ms < at) at = m->outs->sent_ms; /* the first is the oldest */
    return at == UINT64_MAX ? at : at + m->cfg.answer_ms;
}

void mc_session_later(struct mqtt_client *m, uint64_t now)
{
    for (struct mc_request *r = m->requests; r; r = r->next) r->sent_ms = now;
    for (struct mc_out *o = m->outs; o; o = o->next) o->sent_ms = now;
}
