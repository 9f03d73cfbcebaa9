/* conn.c - the connection, the queue of messages, the heart that keeps both going.
 *
 *   IDLE -> CONNECTING -> SUBSCRIBING -> [WAITING for the primary host] -> BORN -> IDLE
 *
 * The connection ends by leaving the will to the broker, which tells the death: when the channel closes, and when the
 * primary host goes (then it is made again at once, and waits). */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "drivers/common/check.h"
#include "outlets/sparkplug/edge_int.h"

#define LASTED_NS (10 * NS_S)
#define LINGER_NS (10 * NS_S)
#define BIRTH_SPACE_NS NS_S /* between births that are asked for */
#define RETRY_NS (20 * NS_MS)
#define TOKEN_SUBSCRIBE 1

uint64_t se_now(const struct se_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t se_utc(const struct se_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

static void set_state(struct se_channel *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = se_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

static bool wanted(const struct se_channel *ch)
{
    return ch->nmetrics || ch->tests || (ch->used_ns && se_now(ch) < ch->used_ns + LINGER_NS);
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct se_channel *ch = t->data;
    ch->wake_ns = 0;
    se_pump(ch);
}

static void plan(struct se_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, se_now(ch), ns);
}

static void plan_wake(struct se_channel *ch, uint64_t now)
{
    if (ch->conn == SE_IDLE && wanted(ch)) plan(ch, mqtt_client_idle(ch->client) ? ch->retry_ns : now + RETRY_NS);
    if (ch->conn == SE_BORN && ch->rebirth) plan(ch, ch->birth_ns + BIRTH_SPACE_NS);
    if (ch->queue && ch->conn == SE_BORN) plan(ch, now + RETRY_NS);
    if (ch->conn != SE_IDLE && !ch->nmetrics && !ch->tests) plan(ch, ch->used_ns + LINGER_NS);
}

/* ---- the queue ---- */

static struct se_out *out_new(size_t topic_n, size_t n)
{
    struct se_out *o = mem_alloc(sizeof *o + topic_n + n);
    if (o) *o = (struct se_out){.topic_n = topic_n, .n = n};
    return o;
}

static void append(struct se_channel *ch, struct se_out *o)
{
    *ch->tail = o;
    ch->tail = &o->next;
    ch->queued += o->n;
}

int se_post(struct se_channel *ch, enum spb_message type, uint32_t device, uint32_t items)
{
    struct spb_topic t = {
        .type = type, .group = str_of(ch->group), .node = str_of(ch->node), .device = str_of(ch->devices[device].name)};
    struct buf topic;
    spb_edge_end(&ch->edge, &ch->payload);
    if (ch->payload.err) return ch->payload.err;
    buf_init(&topic, 4096);
    spb_topic_write(&topic, &t);
    struct se_out *o = topic.err ? NULL : out_new(topic.n, ch->payload.n);
    if (o) {
        o->items = items;
        memcpy(o->bytes, topic.p, topic.n);
        memcpy(o->bytes + topic.n, ch->payload.p, ch->payload.n);
        append(ch, o);
    }
    buf_fini(&topic);
    return o ? 0 : ERR_NOMEM;
}

int se_fence(struct se_channel *ch, uint64_t *ret_token)
{
    struct se_out *o = out_new(0, 0);
    if (o == NULL) return ERR_NOMEM;
    o->fence = *ret_token = ++ch->token + TOKEN_SUBSCRIBE;
    append(ch, o);
    return 0;
}

static struct se_out *pop(struct se_channel *ch)
{
    struct se_out *o = ch->queue;
    ch->queue = o->next;
    if (ch->queue == NULL) ch->tail = &ch->queue;
    ch->queued -= o->n;
    return o;
}

static void clear_queue(struct se_channel *ch)
{
    while (ch->queue) mem_free(pop(ch));
}

/* A filter that nobody has subscribed: taking it back changes nothing and is answered. */
static int send_fence(struct se_channel *ch, const struct se_out *o, struct error *e)
{
    char filter[700];
    snprintf(filter, sizeof filter, SPB_NAMESPACE "/%s/NCMD/%s/fence", ch->group, ch->node);
    struct str f = str_of(filter);
    return mqtt_client_unsubscribe(ch->client, &f, 1, o->fence, e);
}

static int send_out(struct se_channel *ch, const struct se_out *o, struct error *e)
{
    if (o->fence) return send_fence(ch, o, e);
    struct mqtt_client_message m = {.topic = str_make(o->bytes, o->topic_n),
                                    .payload = str_make(o->bytes + o->topic_n, o->n)};
    return mqtt_client_publish(ch->client, &m, 0, e);
}

static void drain(struct se_channel *ch)
{
    struct error e = {0};
    int rc = 0;
    while (ch->queue && ch->conn == SE_BORN && rc == 0) {
        rc = send_out(ch, ch->queue, &e);
        if (rc == 0) mem_free(pop(ch));
    }
    if (rc == 0 || rc == ERR_AGAIN || rc == ERR_LIMIT || rc == ERR_CLOSED) return; /* room or the loss will be told */
    se_fail(ch, &e);
}

/* ---- tests ---- */

static void end_tests(struct se_channel *ch, const struct error *e)
{
    struct se_test *list = ch->tests;
    const char *en =
        ch->conn == SE_WAITING && !ch->trial ? "connected; the primary host is offline" : "connected to the broker";
    const char *zh = ch->conn == SE_WAITING && !ch->trial ? "已连接；主机应用不在线" : "已连接代理";
    ch->tests = NULL;
    ch->used_ns = se_now(ch);
    while (list) {
        struct se_test *t = list;
        list = t->next;
        t->done(t->arg, e, (uint32_t)((se_now(ch) - t->began_ns) / NS_MS), e ? NULL : en, e ? NULL : zh);
        mem_free(t);
    }
}

void se_test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct se_channel *ch = (struct se_channel *)base;
    struct se_test *t = ch->closing ? NULL : mem_calloc(1, sizeof *t);
    if (t == NULL) {
        struct error e;
        error_set(&e, ch->closing ? ERR_CANCELLED : ERR_NOMEM, "", "not now", "现在不行");
        done(arg, &e, 0, NULL, NULL);
        return;
    }
    *t = (struct se_test){.next = ch->tests, .done = done, .arg = arg, .began_ns = se_now(ch)};
    ch->tests = t;
    ch->connect_now = true;
    se_pump(ch);
}

/* ---- losing ---- */

static void free_channel(struct se_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    clear_queue(ch);
    se_set_free(ch);
    buf_fini(&ch->payload);
    mem_free(ch->text);
    mqtt_settings_free(ch->mqtt);
    mem_free(ch);
    closed(arg);
}

void se_maybe_free(struct se_channel *ch)
{
    if (ch->closing && !ch->timer_open && !ch->client_open && ch->writes == 0) free_channel(ch);
}

/* What a connection leaves behind. */
static void forget(struct se_channel *ch, const struct error *why)
{
    ch->conn = SE_IDLE;
    ch->connect_now = false;
    ch->primary_known = ch->primary_online = false;
    ch->rebirth = false;
    clear_queue(ch);
    for (size_t d = 0; d < ch->ndevices; d++) ch->devices[d].told = false;
    se_batches_lost(ch, why);
}

static void gone(struct se_channel *ch, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    struct error e = *why;
    char kv[480];
    uint64_t now = se_now(ch);
    if (ch->conn >= SE_WAITING && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->mqtt->backoff);
    ch->retry_ns = now + mqtt_settings_wait_ms(ch->mqtt, &e, h->random(h->ctx)) * NS_MS;
    ch->why = e;
    forget(ch, &e);
    set_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    end_tests(ch, &e);
}

void se_fail(struct se_channel *ch, const struct error *why)
{
    ch->st.errors++;
    mqtt_client_drop(ch->client, 0x04, true);
    gone(ch, why);
}

/* The broker tells our death; a new connection waits for the host to come back. */
static void leave(struct se_channel *ch)
{
    struct error e;
    error_set(&e, ERR_UNAVAILABLE, "", "the primary host '%s' is offline", "主机应用“%s”不在线", ch->primary);
    mqtt_client_drop(ch->client, 0x04, true);
    ch->why = e;
    ch->retry_ns = se_now(ch);
    forget(ch, &e);
    set_state(ch, DRIVER_DEGRADED, &e);
}

/* ---- being born ---- */

static void birth_error(int rc, struct error *e)
{
    if (rc == ERR_TOO_LARGE)
        error_set(e, rc, "", "the birth of a device is longer than %u MiB: spread its points over several devices",
                  "单个设备的上线消息超过 %u MiB：请将其测点分到多个设备", SE_PAYLOAD_MAX >> 20);
    else
        error_set(e, rc, "", "the birth could not be made: %s%.0s", "无法生成上线消息：%.0s%s", error_title(rc),
                  error_title_zh(rc));
}

static void give_birth(struct se_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    struct error e;
    char kv[600];
    ch->conn = SE_BORN;
    ch->why.code = 0;
    int rc = se_births(ch);
    if (rc) {
        birth_error(rc, &e);
        se_fail(ch, &e);
        return;
    }
    set_state(ch, DRIVER_UP, NULL);
    snprintf(kv, sizeof kv, "group=\"%s\" node=\"%s\" devices=%zu metrics=%zu", ch->group, ch->node, ch->ndevices - 1,
             ch->nmetrics);
    h->log(h->ctx, DRIVER_LOG_INFO, "edge node is online", kv);
}

static void await_primary(struct se_channel *ch)
{
    struct error e;
    ch->conn = SE_WAITING;
    error_set(&e, ERR_UNAVAILABLE, "", "waiting for the primary host '%s' to come online", "等待主机应用“%s”上线",
              ch->primary);
    if (!ch->trial) set_state(ch, DRIVER_DEGRADED, &e);
}

static void be_born(struct se_channel *ch)
{
    if (ch->trial)
        ch->conn = SE_WAITING;
    else if (ch->primary[0] && !ch->primary_online)
        await_primary(ch);
    else
        give_birth(ch);
}

static void take_state(struct se_channel *ch, struct str payload)
{
    bool online;
    int64_t ms;
    if (spb_state_parse(payload, &online, &ms) || (ms && ms < ch->primary_ms)) return;
    ch->primary_known = true;
    ch->primary_online = online;
    ch->primary_ms = ms;
    if (online && ch->conn == SE_WAITING) be_born(ch);
    if (!online && ch->conn == SE_BORN) leave(ch);
}

/* ---- what the broker says ---- */

static void on_up(void *ctx, bool session, const struct mqtt_props *props)
{
    struct se_channel *ch = ctx;
    char texts[4][700];
    struct error e;
    snprintf(texts[0], sizeof texts[0], SPB_NAMESPACE "/%s/NCMD/%s", ch->group, ch->node);
    snprintf(texts[1], sizeof texts[1], SPB_NAMESPACE "/%s/DCMD/%s/+", ch->group, ch->node);
    snprintf(texts[2], sizeof texts[2], SPB_NAMESPACE "/STATE/%s", ch->primary);
    snprintf(texts[3], sizeof texts[3], "STATE/%s", ch->primary);
    struct mqtt_client_filter f[4] = {{.filter = str_of(texts[0]), .qos = 1},
                                      {.filter = str_of(texts[1]), .qos = 1},
                                      {.filter = str_of(texts[2]), .qos = 1},
                                      {.filter = str_of(texts[3]), .qos = 1}};
    ch->conn = SE_SUBSCRIBING;
    if (mqtt_client_subscribe(ch->client, f, ch->primary[0] ? 4 : 2, TOKEN_SUBSCRIBE, &e)) se_fail(ch, &e);
    se_pump(ch);
}

static void subscribed(struct se_channel *ch, const uint8_t *codes, size_t n, const struct error *why)
{
    struct error e = {0};
    if (why) e = *why;
    for (size_t i = 0; i < n && !why; i++)
        if (codes[i] >= 0x80 && i != 3) /* the old form of STATE may well be forbidden */
            error_set(&e, ERR_FORBIDDEN, "", "the broker refuses the subscription to commands: %s%.0s",
                      "代理拒绝订阅命令主题：%.0s%s", mqtt_reason_words(codes[i], false),
                      mqtt_reason_words(codes[i], true));
    if (e.code) {
        se_fail(ch, &e);
        return;
    }
    ch->up_ns = ch->used_ns = se_now(ch);
    be_born(ch);
}

static void on_subscribed(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *why)
{
    struct se_channel *ch = ctx;
    if (ch->closing) return;
    if (token == TOKEN_SUBSCRIBE && ch->conn == SE_SUBSCRIBING)
        subscribed(ch, codes, n, why);
    else if (token > TOKEN_SUBSCRIBE && !why && ch->conn == SE_BORN) /* a refusal (5.0) is an answer as well */
        se_fenced(ch, token);
    se_pump(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct se_channel *ch = ctx;
    if (ch->closing) return;
    gone(ch, why);
    se_pump(ch);
}

static void on_message(void *ctx, const struct mqtt_client_message *m)
{
    struct se_channel *ch = ctx;
    struct spb_topic t;
    bool pumping = ch->pumping;
    if (m->handle) mqtt_client_ack(ch->client, m->handle, 0);
    if (ch->closing || ch->conn < SE_SUBSCRIBING || spb_topic_parse(m->topic, &t)) return;
    ch->pumping = true;
    if (t.type == SPB_STATE && ch->primary[0] && str_is(t.host, ch->primary))
        take_state(ch, m->payload);
    else if ((t.type == SPB_NCMD || t.type == SPB_DCMD) && !m->retain)
        se_command(ch, &t, m->payload);
    ch->pumping = pumping;
    se_pump(ch);
}

static void on_ready(void *ctx)
{
    struct se_channel *ch = ctx;
    if (!ch->closing) se_pump(ch);
}

static void on_frame(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    struct se_channel *ch = ctx;
    const struct outlet_host *h = ch->base.host;
    struct driver_frame f = mqtt_frame_of(ch->mqtt, se_utc(ch), sent, p, n, e);
    if (h->frame && (h->trace || e)) h->frame(h->ctx, &f);
}

/* ---- connecting ---- */

static void start_connect(struct se_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    struct mqtt_client_config c = ch->mqtt->c;
    struct spb_topic t = {.type = SPB_NDEATH, .group = str_of(ch->group), .node = str_of(ch->node)};
    struct buf topic;
    struct error e;
    char id[300];
    buf_init(&topic, 4096);
    buf_clear(&ch->payload);
    ch->connect_now = false;
    ch->trial = ch->nmetrics == 0;
    ch->primary_ms = 0;
    spb_topic_write(&topic, &t);
    if (!ch->trial) spb_edge_connect(&ch->edge);
    spb_edge_death(&ch->edge, (uint64_t)(se_utc(ch) / 1000), &ch->payload);
    struct mqtt_client_message will = {.topic = buf_view(&topic), .payload = buf_view(&ch->payload), .qos = 1};
    snprintf(id, sizeof id, "%s-%04x", c.client_id, (unsigned)(h->random(h->ctx) & 0xffff));
    if (ch->trial) c.client_id = id; /* beside the one that runs */
    if (!ch->trial) c.will = &will;
    c.clean = true;
    c.out_max = SE_QUEUE_BYTES;
    if (ch->up_ns) ch->st.reconnects++;
    set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (mqtt_client_connect(ch->client, &c, &e))
        gone(ch, &e);
    else
        ch->conn = SE_CONNECTING;
    buf_fini(&topic);
}

static void connection(struct se_channel *ch, uint64_t now)
{
    bool stranger = ch->conn != SE_IDLE && ch->trial && ch->nmetrics;
    struct error e;
    if (ch->conn != SE_IDLE && (!wanted(ch) || stranger)) {
        error_set(&e, ERR_CLOSED, "", "no points", "没有测点");
        mqtt_client_drop(ch->client, 0x04, true);
        ch->retry_ns = now;
        forget(ch, &e);
    }
    if (ch->conn == SE_IDLE && !wanted(ch)) set_state(ch, DRIVER_OFF, NULL);
    if (ch->conn != SE_IDLE || !wanted(ch) || !mqtt_client_idle(ch->client)) return;
    if (now >= ch->retry_ns || ch->connect_now) start_connect(ch);
}

static void tell_ready(struct se_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    if (!ch->refused || ch->conn != SE_BORN || ch->nbatches == SE_BATCHES || ch->queued > SE_QUEUE_BYTES) return;
    ch->refused = false;
    h->ready(h->ctx);
}

static void pump_once(struct se_channel *ch)
{
    uint64_t now = se_now(ch);
    struct error e;
    connection(ch, now);
    if (ch->conn == SE_BORN && ch->rebirth && now >= ch->birth_ns + BIRTH_SPACE_NS && se_births(ch)) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        se_fail(ch, &e);
    }
    drain(ch);
    if (ch->tests && ch->conn >= SE_WAITING) end_tests(ch, NULL);
    tell_ready(ch);
}

void se_pump(struct se_channel *ch)
{
    if (ch->closing) return;
    ch->again = true;
    if (ch->pumping) return;
    ch->pumping = true;
    for (unsigned k = 0; ch->again && k < 8; k++) {
        ch->again = false;
        pump_once(ch);
    }
    ch->pumping = false;
    plan_wake(ch, se_now(ch));
}

/* ---- open and close ---- */

static int check_id(const struct options *o, const char *name, struct error *e)
{
    const char *value = opt_str(o, name, "");
    if (!value[0] || spb_id_ok(str_of(value))) return 0;
    return error_set(e, ERR_INVALID, name, "'%s' is no id: it may not hold '/', '+' or '#'",
                     "“%s”不是有效的标识：不能包含“/”“+”“#”", value);
}

int se_channel_check(const struct options *o, struct error *e)
{
    static const struct option_rule rules[] = {
        {check_id, "group"}, {check_id, "edge_node"}, {check_id, "primary_host"}, {0}};
    if (!opt_str(o, "group", "")[0]) return error_set(e, ERR_INVALID, "group", "the group is missing", "缺少组");
    int rc = check_rules(rules, o, e);
    return rc ? rc : mqtt_options_check(o, e);
}

static int configure(struct se_channel *ch, const struct outlet_host *host, const struct options *o, struct error *e)
{
    char name[200];
    snprintf(name, sizeof name, "edge-%.180s", host->name ? host->name : "");
    int rc = se_channel_check(o, e);
    if (rc == 0) rc = mqtt_settings_new(o, name, &ch->mqtt, e);
    if (rc) return rc;
    str_to_cstr(str_of(opt_str(o, "group", "")), ch->group, sizeof ch->group);
    str_to_cstr(str_of(opt_str(o, "edge_node", "")), ch->node, sizeof ch->node);
    str_to_cstr(str_of(opt_str(o, "primary_host", "")), ch->primary, sizeof ch->primary);
    if (!ch->node[0])
        str_to_cstr(str_of(host->node_name && host->node_name[0] ? host->node_name : "bornite"), ch->node,
                    sizeof ch->node);
    for (char *p = ch->node; *p; p++)
        if (strchr("/+#", *p)) *p = '_';
    ch->aliases = opt_bool(o, "aliases", true);
    ch->opc_quality = opt_enum(o, "quality", 0) == 1;
    return 0;
}

int se_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    static const struct mqtt_client_ops ops = {.up = on_up,
                                               .lost = on_lost,
                                               .message = on_message,
                                               .subscribed = on_subscribed,
                                               .ready = on_ready,
                                               .frame = on_frame};
    struct se_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct outlet_channel){.outlet = &sparkplug_edge_outlet, .host = host};
    ch->tail = &ch->queue;
    ch->text = mem_alloc(SE_TEXT_MAX);
    int rc = ch->text ? configure(ch, host, o, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc == 0 && mqtt_client_new(host->loop, &ops, ch, &ch->client))
        rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        mqtt_settings_free(ch->mqtt);
        mem_free(ch->text);
        mem_free(ch);
        return rc;
    }
    buf_init(&ch->payload, SE_PAYLOAD_MAX);
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->timer_open = ch->client_open = true;
    ch->st.since_us = se_utc(ch);
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct se_channel *ch = h->data;
    ch->timer_open = false;
    se_maybe_free(ch);
}

static void on_client_closed(void *arg)
{
    struct se_channel *ch = arg;
    ch->client_open = false;
    se_maybe_free(ch);
}

void se_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct se_channel *ch = (struct se_channel *)base;
    struct error e;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    error_set(&e, ERR_CANCELLED, "", "the forwarding was closed", "转发已关闭");
    end_tests(ch, &e);
    se_batches_lost(ch, &e);
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
    mqtt_client_close(ch->client, 0x04, on_client_closed, ch);
}
