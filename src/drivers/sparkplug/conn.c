/* conn.c - the connection of a channel and the heart that keeps it going.
 *
 *   IDLE -> CONNECTING -> SUBSCRIBING -> UP -> IDLE
 *
 * The will is STATE offline, retained; once the subscriptions are granted STATE online goes out with the same time. A
 * channel that ends leaves the will to the broker. Who finds its own STATE offline while it is up says that it is
 * online (another host of that name, or a will that came late). A connection made for a trial says nothing. */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "drivers/sparkplug/sparkplug_int.h"

#define LASTED_NS (10 * NS_S)
#define LINGER_NS (10 * NS_S) /* without points: for the next call */
#define GROUPS_MAX 64
#define PACKET_DEFAULT (1u << 20) /* when nothing is set: births are long */
#define PACKET_MAX (16u << 20)

uint64_t sh_now(const struct sh_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t sh_utc(const struct sh_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

/* ---- state ---- */

static void set_state(struct sh_channel *ch, enum driver_state s, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = sh_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

static void clock_error(const struct sh_node *n, struct error *e)
{
    double behind = (double)sh_clock_behind(n) / 1e6;
    error_set(e, ERR_DEVICE, "", "the clock of edge node %s is %.1f s %s%.0s",
              "边缘节点 %s 的时钟相差 %.1f 秒（%.0s%s）", n->text, fabs(behind), behind > 0 ? "behind" : "ahead",
              behind > 0 ? "慢" : "快");
}

void sh_refresh_state(struct sh_channel *ch)
{
    struct error e = {0};
    ch->dirty = false;
    if (ch->conn != SH_UP) return;
    for (const struct sh_node *n = ch->nodes; n && !e.code; n = n->next) {
        if (!n->wanted) continue;
        if (!n->flow.alive && n->trouble.code)
            e = n->trouble;
        else if (n->clock_warned)
            clock_error(n, &e);
    }
    set_state(ch, e.code ? DRIVER_DEGRADED : DRIVER_UP, e.code ? &e : NULL);
}

static bool wanted(const struct sh_channel *ch)
{
    return ch->npoints || ch->jobs || (ch->used_ns && sh_now(ch) < ch->used_ns + LINGER_NS);
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct sh_channel *ch = t->data;
    uint64_t now = sh_now(ch);
    ch->wake_ns = 0;
    for (struct sh_node *n = ch->nodes; n; n = n->next) {
        uint64_t at = spb_flow_deadline(&n->flow);
        if (n->grace_ns) wake_earlier(&at, n->grace_ns);
        sh_plan(ch, at > now ? at : UINT64_MAX);
        if (at > now) continue;
        arena_reset(&ch->scratch);
        sh_node_pump(ch, n);
    }
    sh_pump(ch);
}

void sh_plan(struct sh_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, sh_now(ch), ns);
}

static void plan_wake(struct sh_channel *ch, uint64_t now)
{
    sh_plan(ch, sh_job_deadline(ch));
    if (ch->held) sh_plan(ch, now + 5 * NS_MS);
    if (ch->conn == SH_IDLE && wanted(ch)) {
        uint64_t soon = now + 20 * NS_MS;
        sh_plan(ch, mqtt_client_idle(ch->client) ? ch->retry_ns : soon);
    }
    if (ch->conn == SH_UP && !ch->npoints && !ch->jobs) sh_plan(ch, ch->used_ns + LINGER_NS);
}

/* ---- sending ---- */

static int publish_to(struct sh_channel *ch, const struct spb_topic *t, struct str payload, uint8_t qos, bool retain,
                      uint64_t token, struct error *e)
{
    struct buf topic;
    buf_init(&topic, 4096);
    spb_topic_write(&topic, t);
    struct mqtt_client_message m = {.topic = buf_view(&topic), .payload = payload, .qos = qos, .retain = retain};
    int rc = mqtt_client_publish(ch->client, &m, token, e);
    buf_fini(&topic);
    return rc;
}

int sh_publish(struct sh_channel *ch, const struct spb_topic *t, struct str payload, uint64_t token, struct error *e)
{
    ch->st.requests++;
    return publish_to(ch, t, payload, 0, false, token, e);
}

void sh_ask_rebirth(struct sh_channel *ch, struct sh_node *n)
{
    struct spb_topic t = {.type = SPB_NCMD, .group = sh_group(n), .node = sh_name(n)};
    struct spb_metric m = {.has_name = true,
                           .name = STR(SPB_REBIRTH),
                           .has_timestamp = true,
                           .timestamp = (uint64_t)(sh_utc(ch) / 1000),
                           .has_datatype = true,
                           .datatype = SPB_T_Boolean,
                           .value = {.field = SPB_V_BOOL, .u = 1}};
    struct error e;
    struct buf b;
    buf_init(&b, 256);
    spb_put_timestamp(&b, m.timestamp);
    spb_put_metric(&b, &m);
    if (sh_publish(ch, &t, buf_view(&b), 0, &e)) ch->st.errors++;
    buf_fini(&b);
}

static void send_state(struct sh_channel *ch, bool online)
{
    struct spb_topic t = {.type = SPB_STATE, .host = str_of(ch->cfg.host_id)};
    struct error e;
    struct buf b;
    if (ch->trial || ch->cfg.state == SH_STATE_NONE) return;
    buf_init(&b, 256);
    spb_state_write(&b, online, ch->state_ms);
    int rc = publish_to(ch, &t, buf_view(&b), 1, true, 0, &e);
    buf_fini(&b);
    t.old = true;
    if (rc == 0 && ch->cfg.state == SH_STATE_BOTH)
        rc = publish_to(ch, &t, online ? STR("ONLINE") : STR("OFFLINE"), 1, true, 0, &e);
    if (rc)
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "the broker does not take the state of the host", NULL);
}

/* ---- losing ---- */

static void free_channel(struct sh_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    sh_set_free(ch);
    sh_tree_free(ch);
    arena_fini(&ch->scratch);
    mem_free(ch->batch);
    mem_free(ch->cfg.groups);
    mqtt_settings_free(ch->cfg.mqtt);
    mem_free(ch);
    closed(arg);
}

static void maybe_free(struct sh_channel *ch)
{
    if (ch->closing && !ch->timer_open && !ch->client_open) free_channel(ch);
}

static void gone(struct sh_channel *ch, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    struct error e = *why;
    bool was_up = ch->conn == SH_UP;
    char kv[480];
    uint64_t now = sh_now(ch);
    if (was_up && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->cfg.mqtt->backoff);
    ch->retry_ns = now + mqtt_settings_wait_ms(ch->cfg.mqtt, &e, h->random(h->ctx)) * NS_MS;
    ch->conn = SH_IDLE;
    ch->connect_now = false;
    ch->why = e;
    set_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    sh_nodes_lost(ch);
    sh_job_failed(ch, &e);
}

static void drop(struct sh_channel *ch, const struct error *why)
{
    mqtt_client_drop(ch->client, 0x04, true);
    gone(ch, why);
}

/* ---- what the broker says ---- */

static size_t filters_of(struct sh_channel *ch, struct arena *a, struct mqtt_client_filter *f)
{
    struct str rest = str_of(ch->cfg.groups);
    size_t n = 0;
    while (rest.p && n < GROUPS_MAX) {
        struct str g = str_trim(str_cut(&rest, ','));
        if (g.n) f[n++].filter = str_of(arena_printf(a, SPB_NAMESPACE "/%.*s/#", STR_ARG(g)));
    }
    if (n == 0) {
        f[n++].filter = STR(SPB_NAMESPACE "/#");
        return n;
    }
    f[n].filter = str_of(arena_printf(a, SPB_NAMESPACE "/STATE/%s", ch->cfg.host_id));
    f[n++].qos = 1;
    return n;
}

static void on_up(void *ctx, bool session, const struct mqtt_props *props)
{
    struct sh_channel *ch = ctx;
    struct mqtt_client_filter f[GROUPS_MAX + 1] = {0};
    struct error e;
    AUTO_ARENA a;
    arena_init(&a, 64 << 10);
    ch->conn = SH_SUBSCRIBING;
    size_t n = filters_of(ch, &a, f);
    if (mqtt_client_subscribe(ch->client, f, n, 1, &e)) drop(ch, &e);
    sh_pump(ch);
}

static void on_subscribed(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *why)
{
    struct sh_channel *ch = ctx;
    const struct driver_host *h = ch->base.host;
    struct error e = {0};
    char kv[360];
    if (ch->conn != SH_SUBSCRIBING || ch->closing) return;
    if (why) e = *why;
    for (size_t i = 0; i < n && !why; i++)
        if (codes[i] >= 0x80)
            error_set(&e, ERR_FORBIDDEN, "", "the broker refuses the subscription to Sparkplug topics: %s%.0s",
                      "代理拒绝订阅 Sparkplug 主题：%.0s%s", mqtt_reason_words(codes[i], false),
                      mqtt_reason_words(codes[i], true));
    if (e.code) {
        drop(ch, &e);
        sh_pump(ch);
        return;
    }
    ch->conn = SH_UP;
    ch->up_ns = ch->used_ns = sh_now(ch);
    ch->why.code = 0;
    send_state(ch, true);
    sh_nodes_connected(ch);
    sh_refresh_state(ch);
    snprintf(kv, sizeof kv, "host=%s port=%u", ch->cfg.mqtt->c.host, ch->cfg.mqtt->c.port);
    h->log(h->ctx, DRIVER_LOG_INFO, "connected", kv);
    sh_pump(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct sh_channel *ch = ctx;
    if (ch->closing) return;
    gone(ch, why);
    sh_pump(ch);
}

static void own_state(struct sh_channel *ch, struct str payload)
{
    bool online;
    int64_t ms;
    if (ch->conn != SH_UP || spb_state_parse(payload, &online, &ms) || online) return;
    ch->state_ms = sh_utc(ch) / 1000;
    send_state(ch, true);
}

static void on_message(void *ctx, const struct mqtt_client_message *m)
{
    struct sh_channel *ch = ctx;
    struct spb_topic t;
    bool pumping = ch->pumping;
    if (m->handle) mqtt_client_ack(ch->client, m->handle, 0);
    if (ch->closing || ch->conn < SH_SUBSCRIBING) return;
    ch->pumping = true; /* what callbacks ask for is done below */
    if (spb_topic_parse(m->topic, &t) == 0 && t.type == SPB_STATE && !t.old && str_is(t.host, ch->cfg.host_id))
        own_state(ch, m->payload);
    else
        sh_message(ch, m->topic, m->payload, m->retain);
    ch->pumping = pumping;
    sh_pump(ch);
}

static void on_published(void *ctx, uint64_t token, const struct error *e)
{
    struct sh_channel *ch = ctx;
    if (token) sh_job_published(ch, token, e);
    if (!token && e && !ch->closing)
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "the broker refuses the state of the host", NULL);
    if (!ch->closing) sh_pump(ch);
}

static void on_frame(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    struct sh_channel *ch = ctx;
    const struct driver_host *h = ch->base.host;
    struct driver_frame f = mqtt_frame_of(ch->cfg.mqtt, sh_utc(ch), sent, p, n, e);
    if (h->frame && (h->trace || e)) h->frame(h->ctx, &f);
}

/* ---- connecting ---- */

static void start_connect(struct sh_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    struct mqtt_client_config c = ch->cfg.mqtt->c;
    struct spb_topic t = {.type = SPB_STATE, .host = str_of(ch->cfg.host_id)};
    struct buf topic, payload;
    struct error e;
    char id[300];
    buf_init(&topic, 4096);
    buf_init(&payload, 256);
    ch->connect_now = false;
    ch->trial = ch->npoints == 0;
    ch->state_ms = sh_utc(ch) / 1000;
    spb_topic_write(&topic, &t);
    spb_state_write(&payload, false, ch->state_ms);
    struct mqtt_client_message will = {
        .topic = buf_view(&topic), .payload = buf_view(&payload), .qos = 1, .retain = true};
    snprintf(id, sizeof id, "%s-%04x", c.client_id, (unsigned)(h->random(h->ctx) & 0xffff));
    if (ch->trial) c.client_id = id; /* beside the one that runs */
    if (!ch->trial && ch->cfg.state != SH_STATE_NONE) c.will = &will;
    c.clean = true;
    if (ch->up_ns) ch->st.reconnects++;
    set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (mqtt_client_connect(ch->client, &c, &e))
        gone(ch, &e);
    else
        ch->conn = SH_CONNECTING;
    buf_fini(&topic);
    buf_fini(&payload);
}

static void connection(struct sh_channel *ch, uint64_t now)
{
    bool stranger = ch->conn != SH_IDLE && ch->trial && ch->npoints;
    if (ch->conn != SH_IDLE && (!wanted(ch) || stranger)) {
        struct error e;
        bool was_up = ch->conn == SH_UP;
        mqtt_client_drop(ch->client, 0x04, true);
        ch->conn = SH_IDLE;
        ch->retry_ns = now;
        error_set(&e, ERR_CLOSED, "", "no points", "没有测点");
        if (was_up) sh_nodes_lost(ch);
        if (!stranger) set_state(ch, DRIVER_OFF, NULL);
    }
    if (ch->conn == SH_IDLE && !wanted(ch)) set_state(ch, DRIVER_OFF, NULL);
    if (ch->conn != SH_IDLE || !wanted(ch) || !mqtt_client_idle(ch->client)) return;
    if (now >= ch->retry_ns || ch->connect_now) start_connect(ch);
}

static void pump_once(struct sh_channel *ch)
{
    uint64_t now = sh_now(ch);
    connection(ch, now);
    sh_flush(ch);
    sh_job_pump(ch, now);
}

void sh_pump(struct sh_channel *ch)
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
    plan_wake(ch, sh_now(ch));
}

/* ---- open and close ---- */

static int check_groups(const char *groups, struct error *e)
{
    struct str rest = str_of(groups);
    for (size_t n = 0; rest.p; n++) {
        struct str g = str_trim(str_cut(&rest, ','));
        if (n >= GROUPS_MAX)
            return error_set(e, ERR_LIMIT, "groups", "more than %d groups: leave it empty for all",
                             "组超过 %d 个：留空表示全部", GROUPS_MAX);
        if (g.n && !spb_id_ok(g))
            return error_set(e, ERR_INVALID, "groups", "'%.*s' is no group: it may not hold '/', '+' or '#'",
                             "“%.*s”不是有效的组：不能包含“/”“+”“#”", STR_ARG(g));
    }
    return 0;
}

static int check_host_id(const char *id, struct error *e)
{
    if (!id[0] || spb_id_ok(str_of(id))) return 0;
    return error_set(e, ERR_INVALID, "host_id", "'%s' is no id: it may not hold '/', '+' or '#'",
                     "“%s”不是有效的标识：不能包含“/”“+”“#”", id);
}

int sh_channel_check(const struct options *o, struct error *e)
{
    int rc = mqtt_options_check(o, e);
    if (rc == 0) rc = check_groups(opt_str(o, "groups", ""), e);
    return rc ? rc : check_host_id(opt_str(o, "host_id", ""), e);
}

static int configure(struct sh_channel *ch, const struct driver_host *host, const struct options *o, struct error *e)
{
    struct sh_config *c = &ch->cfg;
    int rc = sh_channel_check(o, e);
    if (rc == 0) rc = mqtt_settings_new(o, host->name, &c->mqtt, e);
    if (rc) return rc;
    if (c->mqtt->c.packet_max == PACKET_DEFAULT) c->mqtt->c.packet_max = PACKET_MAX;
    c->groups = mem_strdup(opt_str(o, "groups", ""));
    if (opt_str(o, "host_id", "")[0])
        str_to_cstr(str_of(opt_str(o, "host_id", "")), c->host_id, sizeof c->host_id);
    else
        snprintf(c->host_id, sizeof c->host_id, "bornite-%s", host->name ? host->name : "");
    for (char *p = c->host_id; !opt_str(o, "host_id", "")[0] && *p; p++)
        if (strchr("/+#", *p)) *p = '_';
    c->state = (uint8_t)opt_enum(o, "state", 1);
    c->rebirth = opt_bool(o, "rebirth", true);
    c->reorder_ns = (uint64_t)opt_ms(o, "reorder_timeout", 2000) * NS_MS;
    c->rebirth_ns = (uint64_t)opt_ms(o, "rebirth_interval", 5000) * NS_MS;
    c->write_ns = (uint64_t)opt_ms(o, "write_timeout", 5000) * NS_MS;
    c->grace_ns = (uint64_t)opt_ms(o, "birth_timeout", 10000) * NS_MS;
    return c->groups ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void abandon(struct sh_channel *ch)
{
    mqtt_settings_free(ch->cfg.mqtt);
    mem_free(ch->cfg.groups);
    mem_free(ch);
}

int sh_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    static const struct mqtt_client_ops ops = {.up = on_up,
                                               .lost = on_lost,
                                               .message = on_message,
                                               .published = on_published,
                                               .subscribed = on_subscribed,
                                               .frame = on_frame};
    struct sh_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){.driver = &sparkplug_driver, .host = host};
    int rc = configure(ch, host, o, e);
    if (rc == 0 && mqtt_client_new(host->loop, &ops, ch, &ch->client))
        rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        abandon(ch);
        return rc;
    }
    arena_init(&ch->scratch, 64u << 20);
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->timer_open = ch->client_open = true;
    ch->st.since_us = sh_utc(ch);
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct sh_channel *ch = h->data;
    ch->timer_open = false;
    maybe_free(ch);
}

static void on_client_closed(void *arg)
{
    struct sh_channel *ch = arg;
    ch->client_open = false;
    maybe_free(ch);
}

void sh_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    struct spb_topic old = {.type = SPB_STATE, .host = str_of(ch->cfg.host_id), .old = true};
    struct error e;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    sh_job_cancel_all(ch);
    if (ch->conn == SH_UP && !ch->trial && ch->cfg.state == SH_STATE_BOTH &&
        publish_to(ch, &old, STR("OFFLINE"), 0, true, 0, &e))
        ch->st.errors++; /* the broker will tell it of its will */
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
    mqtt_client_close(ch->client, 0x04, on_client_closed, ch);
}
