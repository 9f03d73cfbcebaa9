/* mqtt_client.c - the connection of an MQTT client: making and losing it, bytes, packets, keep-alive; see
 * mqtt_client_int.h. */
#include <stdio.h>
#include "drivers/common/mqtt_client_int.h"

#define IN_MAX_DEFAULT (1u << 20)
#define OUT_SLACK 65536

uint64_t mc_now(const struct mqtt_client *m)
{
    return uv_hrtime() / 1000000;
}

void mc_rtt(struct mqtt_client *m, uint64_t sent_ms)
{
    uint32_t us = (uint32_t)((mc_now(m) - sent_ms) * 1000);
    m->st.rtt_us = m->st.rtt_us ? m->st.rtt_us - m->st.rtt_us / 8 + us / 8 : us;
}

int mc_code(uint8_t reason)
{
    static const struct {
        uint8_t reason;
        int code;
    } rows[] = {
        {MQTT_CREDENTIALS, ERR_UNAUTHENTICATED},
        {MQTT_AUTH_METHOD, ERR_UNAUTHENTICATED},
        {MQTT_NOT_AUTHORIZED, ERR_FORBIDDEN},
        {MQTT_BANNED, ERR_FORBIDDEN},
        {MQTT_ADMINISTRATIVE, ERR_FORBIDDEN},
        {MQTT_VERSION, ERR_UNSUPPORTED},
        {MQTT_RETAIN, ERR_UNSUPPORTED},
        {MQTT_QOS, ERR_UNSUPPORTED},
        {MQTT_CLIENT_ID, ERR_INVALID},
        {MQTT_FILTER, ERR_INVALID},
        {MQTT_TOPIC, ERR_INVALID},
        {MQTT_PAYLOAD, ERR_INVALID},
        {MQTT_TOO_LARGE, ERR_TOO_LARGE},
        {MQTT_RATE, ERR_LIMIT},
        {MQTT_QUOTA, ERR_LIMIT},
        {MQTT_MALFORMED, ERR_PROTOCOL},
        {MQTT_PROTOCOL, ERR_PROTOCOL},
        {MQTT_KEEP_ALIVE, ERR_TIMEOUT},
        {MQTT_TAKEN_OVER, ERR_CONFLICT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].reason == reason) return rows[i].code;
    return ERR_UNAVAILABLE;
}

/* ---- the end of a connection ---- */

static void maybe_free(struct mqtt_client *m)
{
    if (!m->closing || m->handles || m->streams) return;
    void (*closed)(void *) = m->closed;
    void *arg = m->closed_arg;
    mc_session_free(m);
    buf_fini(&m->rx);
    buf_fini(&m->out);
    arena_fini(&m->arena);
    mem_free(m);
    if (closed) closed(arg);
}

static void on_stream_closed(void *arg)
{
    struct mqtt_client *m = arg;
    m->streams--;
    maybe_free(m);
}

static void end(struct mqtt_client *m)
{
    if (m->link.s || m->link.w) {
        m->streams++;
        mc_link_close(&m->link, on_stream_closed, m);
    }
    m->state = MC_IDLE;
    m->generation++;
    m->paused = m->wants_room = false;
    buf_clear(&m->out);
    if (!m->closing) uv_timer_stop(&m->timer);
}

void mc_lose(struct mqtt_client *m, const struct error *why)
{
    struct error e = *why; /* it may stand in something that changes below */
    if (m->state == MC_IDLE) return;
    end(m);
    unsigned generation = m->generation;
    mc_session_lost(m, m->cfg.clean, &e);
    if (m->ops->lost && m->generation == generation && !m->closing) m->ops->lost(m->ctx, &e);
}

static void trace(struct mqtt_client *m, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    if (m->ops->frame) m->ops->frame(m->ctx, sent, p, n, e);
}

/* ---- bytes to the socket ---- */

static void flush(struct mqtt_client *m)
{
    struct error e;
    if (m->out.n == 0 || (m->link.s == NULL && m->link.w == NULL)) return;
    int rc = m->out.err ? m->out.err : mc_link_write(&m->link, m->out.p, m->out.n);
    buf_clear(&m->out);
    if (rc != ERR_LIMIT && rc != ERR_NOMEM && rc != ERR_TOO_LARGE) return; /* a broken one shows at the next read */
    error_set(&e, ERR_LIMIT, "", "%s:%u does not take what it is sent", "%s:%u 不接收发送的数据", m->cfg.host,
              m->cfg.port);
    mc_lose(m, &e);
}

static void prepare(struct mqtt_client *m);

void mc_send_raw(struct mqtt_client *m, const uint8_t *p, size_t n)
{
    buf_add(&m->out, p, n);
    m->out_total += n;
    m->st.bytes_out += n;
    m->st.packets_out++;
    m->sent_ms = mc_now(m);
    trace(m, true, p, n, NULL);
    prepare(m);
}

void mc_send(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct buf b;
    buf_init(&b, MQTT_LENGTH_MAX + 5u);
    mqtt_write(&b, m->cfg.version, p);
    if (b.err == 0)
        mc_send_raw(m, b.p, b.n);
    else
        m->out.err = b.err; /* ends the connection */
    prepare(m);
    buf_fini(&b);
}

void mc_protocol(struct mqtt_client *m, uint8_t code, const char *en, const char *zh)
{
    struct error e;
    m->st.errors++;
    error_set(&e, ERR_PROTOCOL, "", "%s:%u broke the protocol: %s%.0s", "%s:%u 违反协议：%.0s%s", m->cfg.host,
              m->cfg.port, en, zh);
    if (m->cfg.version == MQTT_5 && m->state == MC_UP)
        mc_send(m, &(struct mqtt_packet){.type = MQTT_DISCONNECT, .code = code});
    flush(m);
    mc_lose(m, &e);
}

/* ---- packets ---- */

static void refused(struct mqtt_client *m, const struct mqtt_packet *p)
{
    static const uint8_t codes[6] = {
        0, MQTT_VERSION, MQTT_CLIENT_ID, MQTT_UNAVAILABLE, MQTT_CREDENTIALS, MQTT_NOT_AUTHORIZED};
    struct error e;
    struct str why = p->props.text[MQTT_T_REASON];
    bool told = m->cfg.version == MQTT_5 && (p->props.texts & 1u << MQTT_T_REASON) && why.n;
    uint8_t code = m->cfg.version == MQTT_5 ? p->code : p->code < 6 ? codes[p->code] : MQTT_UNSPECIFIED;
    int rc = mc_code(code);
    const char *en = rc == ERR_UNAUTHENTICATED || rc == ERR_FORBIDDEN
                         ? "; check user name, password and client identifier"
                     : rc == ERR_UNSUPPORTED ? "; choose another version"
                                             : "";
    const char *zh = rc == ERR_UNAUTHENTICATED || rc == ERR_FORBIDDEN ? "；请检查用户名、密码和客户端标识"
                     : rc == ERR_UNSUPPORTED                          ? "；请更换协议版本"
                                                                      : "";
    error_set(&e, rc, "", "%s:%u refuses the connection: %s%.0s%s%.*s%s%s%.0s", "%s:%u 拒绝连接：%.0s%s%s%.*s%s%.0s%s",
              m->cfg.host, m->cfg.port, mqtt_reason_words(code, false), mqtt_reason_words(code, true), told ? " (" : "",
              told ? (int)(why.n < 100 ? why.n : 100) : 0, told ? why.p : "", told ? ")" : "", en, zh);
    mc_lose(m, &e);
}

static void take_offers(struct mqtt_client *m, const struct mqtt_props *p)
{
    uint32_t v;
    m->peer_window = mqtt_num_get(p, MQTT_N_RECEIVE_MAXIMUM, &v) ? v : 65535;
    m->peer_packet = mqtt_num_get(p, MQTT_N_MAXIMUM_PACKET, &v) ? v : UINT32_MAX;
    m->peer_qos = mqtt_num_get(p, MQTT_N_MAXIMUM_QOS, &v) ? (uint8_t)v : 2;
    m->peer_retain = !mqtt_num_get(p, MQTT_N_RETAIN_AVAILABLE, &v) || v;
    m->keep_alive_ms = (mqtt_num_get(p, MQTT_N_SERVER_KEEP_ALIVE, &v) ? v : m->cfg.keep_alive_s) * 1000;
    if (p->texts & 1u << MQTT_T_ASSIGNED_ID) str_to_cstr(p->text[MQTT_T_ASSIGNED_ID], m->id, sizeof m->id);
}

static void take_connack(struct mqtt_client *m, const struct mqtt_packet *p)
{
    if (m->state != MC_GREETING) {
        mc_protocol(m, MQTT_PROTOCOL, "a second CONNACK", "重复的 CONNACK");
        return;
    }
    if (p->code) {
        refused(m, p);
        return;
    }
    if (p->session_present && m->cfg.clean) {
        mc_protocol(m, MQTT_PROTOCOL, "a session is present after a clean start", "清除会话后仍声称会话存在");
        return;
    }
    unsigned generation = m->generation;
    take_offers(m, &p->props);
    m->state = MC_UP;
    m->st.connects++;
    mc_session_up(m, p->session_present);
    if (m->generation == generation && m->ops->up) m->ops->up(m->ctx, p->session_present, &p->props);
}

static void take_disconnect(struct mqtt_client *m, const struct mqtt_packet *p)
{
    struct error e;
    struct str why = p->props.text[MQTT_T_REASON];
    bool told = (p->props.texts & 1u << MQTT_T_REASON) && why.n;
    if (m->cfg.version != MQTT_5) {
        mc_protocol(m, MQTT_PROTOCOL, "DISCONNECT from a broker of 3.1.1", "3.1.1 的代理发送了 DISCONNECT");
        return;
    }
    const char *en = p->code == MQTT_TAKEN_OVER ? "; another client uses the same client identifier" : "";
    const char *zh = p->code == MQTT_TAKEN_OVER ? "；另有客户端使用相同的客户端标识" : "";
    error_set(&e, p->code ? mc_code(p->code) : ERR_CLOSED, "", "%s:%u ended the connection: %s%.0s%s%.*s%s%s%.0s",
              "%s:%u 断开连接：%.0s%s%s%.*s%s%.0s%s", m->cfg.host, m->cfg.port, mqtt_reason_words(p->code, false),
              mqtt_reason_words(p->code, true), told ? " (" : "", told ? (int)(why.n < 100 ? why.n : 100) : 0,
              told ? why.p : "", told ? ")" : "", en, zh);
    mc_lose(m, &e);
}

static void take_pong(struct mqtt_client *m, const struct mqtt_packet *p)
{
    if (m->ping_ms) mc_rtt(m, m->ping_ms);
    m->ping_ms = 0;
}

static void (*const takers[16])(struct mqtt_client *m, const struct mqtt_packet *p) = {
    [MQTT_CONNACK] = take_connack,       [MQTT_PUBLISH] = mc_take_publish, [MQTT_PUBACK] = mc_take_ack,
    [MQTT_PUBREC] = mc_take_ack,         [MQTT_PUBREL] = mc_take_ack,      [MQTT_PUBCOMP] = mc_take_ack,
    [MQTT_SUBACK] = mc_take_answer,      [MQTT_UNSUBACK] = mc_take_answer, [MQTT_PINGRESP] = take_pong,
    [MQTT_DISCONNECT] = take_disconnect,
};

static void malformed(struct mqtt_client *m, const uint8_t *p, size_t n, const struct mqtt_fault *why)
{
    struct error e;
    error_set(&e, ERR_PROTOCOL, "", "%s", "%s", why->en);
    str_to_cstr(str_of(why->zh), e.text_zh, sizeof e.text_zh);
    trace(m, false, p, n < 1024 ? n : 1024, &e);
    mc_protocol(m, why->code, why->en, why->zh);
}

static void take(struct mqtt_client *m, const struct mqtt_head *h, const uint8_t *p)
{
    struct mqtt_packet packet;
    struct mqtt_fault why;
    size_t n = h->size + h->length;
    unsigned type = h->first >> 4;
    m->st.packets_in++;
    if (mqtt_parse(m->cfg.version, h, p + h->size, &packet, &why)) {
        malformed(m, p, n, &why);
        return;
    }
    trace(m, false, p, n, NULL);
    if (takers[type] == NULL || (m->state == MC_GREETING && type != MQTT_CONNACK && type != MQTT_DISCONNECT))
        mc_protocol(m, MQTT_PROTOCOL, "a packet that does not belong here", "此处不应出现的报文");
    else
        takers[type](m, &packet);
}

/* What is no MQTT broker shows by its first byte. */
static bool greeted_wrongly(struct mqtt_client *m)
{
    unsigned type = m->rx.n ? m->rx.p[0] >> 4 : MQTT_CONNACK;
    if (m->state != MC_GREETING || type == MQTT_CONNACK || type == MQTT_DISCONNECT) return false;
    malformed(
        m, m->rx.p, m->rx.n,
        &(struct mqtt_fault){MQTT_PROTOCOL, "its answer is not MQTT; is the port right?", "应答不是 MQTT；请检查端口"});
    return true;
}

/* What is whole, as long as the owner takes it. */
static void parse(struct mqtt_client *m)
{
    struct mqtt_head h;
    struct mqtt_fault why;
    unsigned generation = m->generation;
    size_t at = 0;
    if (m->parsing) return;
    m->parsing = true;
    while (m->generation == generation && !m->paused && !greeted_wrongly(m)) {
        int rc = mqtt_head(m->rx.p + at, m->rx.n - at, m->cfg.packet_max, &h, &why);
        if (rc < 0) malformed(m, m->rx.p + at, m->rx.n - at, &why);
        if (rc != 1 || m->rx.n - at < h.size + h.length) break;
        take(m, &h, m->rx.p + at);
        at += h.size + h.length;
    }
    m->parsing = false;
    if (m->generation == generation)
        buf_drop(&m->rx, at);
    else if (m->state == MC_IDLE || m->state == MC_CONNECTING)
        buf_clear(&m->rx);
    if (m->generation != generation && m->state == MC_IDLE && m->ops->ready && !m->closing)
        m->ops->ready(m->ctx); /* while it was told of the loss, it could not connect again */
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct mqtt_client *m = ctx;
    m->st.bytes_in += n;
    m->heard_ms = mc_now(m);
    buf_add(&m->rx, p, n);
    if (m->rx.err) {
        mc_protocol(m, MQTT_TOO_LARGE, "it sends more than can be taken", "发送的数据过多");
        return;
    }
    parse(m);
}

/* ---- before the loop waits: what gathered goes out, what was left is read on ---- */

static void on_prepare(uv_prepare_t *h)
{
    struct mqtt_client *m = h->data;
    uv_prepare_stop(h);
    m->preparing = false;
    if (m->closing || m->state == MC_IDLE) return;
    if (!m->paused && m->rx.n) parse(m);
    flush(m);
    if (m->state != MC_UP) return;
    mc_taken(m);
    mc_wake(m);
}

static void prepare(struct mqtt_client *m)
{
    if (m->preparing || m->closing) return;
    m->preparing = true;
    uv_prepare_start(&m->prepare, on_prepare);
}

static void on_taken(void *ctx)
{
    prepare(ctx);
}

void mqtt_client_read(struct mqtt_client *m, bool on)
{
    if (m->paused == !on || m->state == MC_IDLE) return;
    m->paused = !on;
    mc_link_read(&m->link, on);
    if (!on || m->state == MC_IDLE) return;
    m->heard_ms = mc_now(m);
    if (m->ping_ms) m->ping_ms = m->heard_ms;
    mc_session_later(m, m->heard_ms);
    prepare(m);
}

/* ---- time ---- */

static uint64_t next_deadline(const struct mqtt_client *m)
{
    if (m->state != MC_UP) return m->began_ms + m->cfg.connect_ms;
    uint64_t at = m->paused ? UINT64_MAX : mc_session_deadline(m);
    if (m->ping_ms && !m->paused && m->ping_ms + m->cfg.answer_ms < at) at = m->ping_ms + m->cfg.answer_ms;
    if (!m->keep_alive_ms || (m->ping_ms && !m->paused)) return at;
    uint64_t quiet = m->sent_ms < m->heard_ms || m->paused ? m->sent_ms : m->heard_ms;
    uint64_t ping = quiet + m->keep_alive_ms / 4 * 3;
    return ping < at ? ping : at;
}

static void silent(struct mqtt_client *m)
{
    struct error e;
    error_set(&e, ERR_TIMEOUT, "", "%s:%u does not answer", "%s:%u 没有应答", m->cfg.host, m->cfg.port);
    mc_lose(m, &e);
}

static bool overdue(const struct mqtt_client *m, uint64_t now)
{
    if (m->state != MC_UP) return now >= m->began_ms + m->cfg.connect_ms;
    if (m->paused) return false;
    return (m->ping_ms && now >= m->ping_ms + m->cfg.answer_ms) || now >= mc_session_deadline(m);
}

static void on_timer(uv_timer_t *t)
{
    struct mqtt_client *m = t->data;
    uint64_t now = mc_now(m);
    if (m->closing || m->state == MC_IDLE) return;
    if (overdue(m, now)) {
        silent(m);
        return;
    }
    if (m->state == MC_UP && (!m->ping_ms || m->paused) && now >= next_deadline(m)) {
        mc_send(m, &(struct mqtt_packet){.type = MQTT_PINGREQ});
        if (!m->ping_ms) m->ping_ms = now;
    }
    mc_wake(m);
}

void mc_wake(struct mqtt_client *m)
{
    if (m->closing || m->state == MC_IDLE) return;
    uint64_t at = next_deadline(m), now = mc_now(m);
    uv_update_time(m->loop);
    if (at == UINT64_MAX)
        uv_timer_stop(&m->timer);
    else
        uv_timer_start(&m->timer, on_timer, at > now ? at - now : 0, 0);
}

/* ---- connecting ---- */

static void fill_will(const struct mqtt_client_config *c, struct mqtt_packet *p)
{
    const struct mqtt_client_message *w = c->will;
    if (w == NULL) return;
    p->has_will = true;
    p->will_qos = w->qos;
    p->will_retain = w->retain;
    p->will_topic = w->topic;
    p->will_payload = w->payload;
    if (c->will_delay_s) mqtt_num_set(&p->will_props, MQTT_N_WILL_DELAY, c->will_delay_s);
    if (w->expiry_s) mqtt_num_set(&p->will_props, MQTT_N_EXPIRY, w->expiry_s);
    if (w->content_type.n) mqtt_text_set(&p->will_props, MQTT_T_CONTENT_TYPE, w->content_type);
    p->will_props.extra = w->user_properties;
}

static void greet(struct mqtt_client *m)
{
    const struct mqtt_client_config *c = &m->cfg;
    struct mqtt_packet p = {.type = MQTT_CONNECT,
                            .version = c->version,
                            .clean = c->clean,
                            .keep_alive = c->keep_alive_s,
                            .client_id = str_of(c->client_id),
                            .has_user = c->user != NULL,
                            .user = str_of(c->user),
                            .has_password = c->password != NULL,
                            .password = str_of(c->password)};
    if (!c->clean && c->session_expiry_s) mqtt_num_set(&p.props, MQTT_N_SESSION_EXPIRY, c->session_expiry_s);
    mqtt_num_set(&p.props, MQTT_N_RECEIVE_MAXIMUM, c->receive_maximum);
    mqtt_num_set(&p.props, MQTT_N_MAXIMUM_PACKET, c->packet_max);
    fill_will(c, &p);
    mc_send(m, &p);
}

static void on_opened(void *ctx)
{
    struct mqtt_client *m = ctx;
    m->state = MC_GREETING;
    greet(m);
    flush(m);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct mqtt_client *m = ctx;
    struct error e = *why;
    if (m->state == MC_GREETING && why->code == ERR_CLOSED)
        error_set(&e, ERR_CLOSED, "",
                  "%s:%u closed the connection without an answer: is it an MQTT broker, and does it "
                  "speak this version and take this client identifier?",
                  "%s:%u 未应答即关闭连接：请确认它是 MQTT 代理、支持所选版本并接受该客户端标识", m->cfg.host,
                  m->cfg.port);
    mc_lose(m, &e);
}

static const char *keep(struct mqtt_client *m, const char *z)
{
    return z ? arena_strdup(&m->arena, str_of(z)) : NULL;
}

static const struct mqtt_client_message *keep_will(struct mqtt_client *m, const struct mqtt_client_message *w)
{
    struct mqtt_client_message *r = w ? arena_calloc(&m->arena, 1, sizeof *r) : NULL;
    if (r == NULL) return NULL;
    *r = *w;
    r->topic = arena_str(&m->arena, w->topic);
    r->payload = arena_str(&m->arena, w->payload);
    r->content_type = arena_str(&m->arena, w->content_type);
    r->user_properties = arena_str(&m->arena, w->user_properties);
    return r;
}

static int or_default(int64_t v, int64_t def)
{
    return (int)(v ? v : def);
}

static int take_config(struct mqtt_client *m, const struct mqtt_client_config *c, struct error *e)
{
    if (c->version != MQTT_3_1_1 && c->version != MQTT_5)
        return error_set(e, ERR_INVALID, "version", "the version is 3.1.1 or 5.0", "版本应为 3.1.1 或 5.0");
    if (c->will && (!mqtt_topic_ok(c->will->topic) || c->will->qos > 2))
        return error_set(e, ERR_INVALID, "will", "the topic of the will must have no wildcards",
                         "遗嘱主题不能包含通配符");
    if (c->version == MQTT_3_1_1 && !c->clean && !(c->client_id && c->client_id[0]))
        return error_set(e, ERR_INVALID, "client_id", "a session that goes on needs a client identifier",
                         "保持会话需要客户端标识");
    arena_reset(&m->arena);
    m->cfg = *c;
    m->cfg.host = keep(m, c->host);
    m->cfg.client_id = keep(m, c->client_id ? c->client_id : "");
    m->cfg.user = keep(m, c->user);
    m->cfg.password = keep(m, c->password);
    m->cfg.path = keep(m, c->path);
    m->cfg.will = keep_will(m, c->will);
    m->cfg.connect_ms = (uint32_t)or_default(c->connect_ms, 10000);
    m->cfg.answer_ms = (uint32_t)or_default(c->answer_ms, 30000);
    m->cfg.receive_maximum = (uint16_t)or_default(c->receive_maximum, 1000);
    m->cfg.window = (uint16_t)or_default(c->window, 100);
    m->cfg.packet_max = (uint32_t)or_default(c->packet_max, IN_MAX_DEFAULT);
    m->cfg.out_max = c->out_max ? c->out_max : 4u << 20;
    if (!m->cfg.host || !m->cfg.client_id || (c->will && !m->cfg.will))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    str_to_cstr(str_of(m->cfg.client_id), m->id, sizeof m->id);
    return 0;
}

static void begin(struct mqtt_client *m)
{
    buf_fini(&m->rx);
    buf_init(&m->rx, (size_t)m->cfg.packet_max * (m->link.w ? 2 : 1) + 2u * OUT_SLACK);
    buf_fini(&m->out);
    buf_init(&m->out, m->cfg.out_max + m->cfg.packet_max + OUT_SLACK);
    m->out_total = 0;
    m->ping_ms = 0;
    m->paused = false;
    m->began_ms = m->sent_ms = m->heard_ms = mc_now(m);
    m->state = MC_CONNECTING;
    mc_wake(m);
}

int mqtt_client_connect(struct mqtt_client *m, const struct mqtt_client_config *c, struct error *e)
{
    static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};
    static const struct mc_link_ops link_ops = {&ops, on_taken};
    if (m->state != MC_IDLE || m->closing || m->parsing)
        return error_set(e, ERR_EXISTS, "", "there is a connection already", "连接已存在");
    int rc = take_config(m, c, e);
    if (rc) return rc;
    rc = mc_link_open(&m->link, m->loop, &m->cfg, m->cfg.out_max + m->cfg.packet_max + OUT_SLACK, &link_ops, m, e);
    if (rc) return rc;
    begin(m);
    return 0;
}

bool mqtt_client_up(const struct mqtt_client *m)
{
    return m && m->state == MC_UP;
}

bool mqtt_client_idle(const struct mqtt_client *m)
{
    return m && m->state == MC_IDLE && !m->parsing;
}

const char *mqtt_client_id(const struct mqtt_client *m)
{
    return m->id;
}

/* ---- open and close ---- */

int mqtt_client_new(uv_loop_t *loop, const struct mqtt_client_ops *ops, void *ctx, struct mqtt_client **ret)
{
    struct mqtt_client *m = mem_calloc(1, sizeof *m);
    if (m == NULL) return ERR_NOMEM;
    m->loop = loop;
    m->ops = ops;
    m->ctx = ctx;
    m->outs_tail = &m->outs;
    arena_init(&m->arena, 2u * MQTT_LENGTH_MAX);
    buf_init(&m->rx, 0);
    buf_init(&m->out, 0);
    uv_timer_init(loop, &m->timer);
    uv_prepare_init(loop, &m->prepare);
    m->timer.data = m->prepare.data = m;
    m->handles = 2;
    *ret = m;
    return 0;
}

static void goodbye(struct mqtt_client *m, uint8_t code)
{
    bool silent = m->cfg.version != MQTT_5 && code == MQTT_WITH_WILL;
    if (m->state == MC_UP && !silent) mc_send(m, &(struct mqtt_packet){.type = MQTT_DISCONNECT, .code = code});
    if (m->state == MC_UP && m->out.n && !m->out.err && mc_link_write(&m->link, m->out.p, m->out.n)) {
        /* it did not take the last words */
    }
    buf_clear(&m->out);
}

void mqtt_client_drop(struct mqtt_client *m, uint8_t code, bool forget)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the connection was closed", "连接已关闭");
    if (m->state != MC_IDLE) {
        goodbye(m, code);
        end(m);
    }
    mc_session_lost(m, forget || m->cfg.clean, &e);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct mqtt_client *m = h->data;
    m->handles--;
    maybe_free(m);
}

void mqtt_client_close(struct mqtt_client *m, uint8_t code, void (*closed)(void *arg), void *arg)
{
    if (m == NULL) {
        if (closed) closed(arg);
        return;
    }
    m->closed = closed;
    m->closed_arg = arg;
    mqtt_client_drop(m, code, true);
    m->closing = true;
    uv_close((uv_handle_t *)&m->timer, on_handle_closed);
    uv_close((uv_handle_t *)&m->prepare, on_handle_closed);
}

void mqtt_client_stats(const struct mqtt_client *m, struct mqtt_client_stats *ret)
{
    *ret = m->st;
    ret->inflight = m->nouts;
    ret->unacked = (uint32_t)m->nin;
}
