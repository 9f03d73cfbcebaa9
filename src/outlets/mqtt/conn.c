/* conn.c - the connection of the publisher: when it is made and lost, birth and last will, the timer, open and close.
 * Heart: mp_pump() does what can be done now and sets the one timer; after every event, at any time. */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "outlets/mqtt/publisher_int.h"

#define LASTED_NS (10 * NS_S)

uint64_t mp_now(const struct mp_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t mp_utc(const struct mp_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

void mp_log(struct mp_channel *ch, enum driver_log level, const char *msg, const char *kv)
{
    ch->base.host->log(ch->base.host->ctx, level, msg, kv);
}

/* ---- state ---- */

static void set_state(struct mp_channel *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = mp_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

void mp_judge(struct mp_channel *ch)
{
    ch->judge = false;
    if (!mqtt_client_up(ch->client)) return;
    const struct error *why = ch->refusal.code ? &ch->refusal : ch->trouble.code ? &ch->trouble : NULL;
    set_state(ch, why ? DRIVER_DEGRADED : DRIVER_UP, why);
}

static bool wanted(const struct mp_channel *ch)
{
    return ch->npoints || ch->ntests;
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct mp_channel *ch = t->data;
    ch->wake_ns = 0;
    mp_pump(ch);
}

void mp_soon(struct mp_channel *ch)
{
    wake_at(&ch->timer, on_timer, &ch->wake_ns, mp_now(ch), mp_now(ch));
}

static void plan_wake(struct mp_channel *ch)
{
    uint64_t at = UINT64_MAX, now = mp_now(ch);
    bool up = mqtt_client_up(ch->client);
    if (mqtt_client_idle(ch->client) && wanted(ch)) wake_earlier(&at, ch->retry_ns);
    if (up && ch->wants_ready && ch->pause_ns > now) wake_earlier(&at, ch->pause_ns);
    wake_at(&ch->timer, on_timer, &ch->wake_ns, now, at);
}

/* ---- connecting and losing ---- */

static void end_tests(struct mp_channel *ch, const struct error *e)
{
    char en[200] = "", zh[200] = "";
    if (e == NULL) {
        snprintf(en, sizeof en, "MQTT %s, client identifier %.100s", ch->set->c.version == MQTT_5 ? "5.0" : "3.1.1",
                 mqtt_client_id(ch->client));
        snprintf(zh, sizeof zh, "MQTT %s，客户端标识 %.100s", ch->set->c.version == MQTT_5 ? "5.0" : "3.1.1",
                 mqtt_client_id(ch->client));
    }
    unsigned n = ch->ntests;
    ch->ntests = 0;
    for (unsigned i = 0; i < n; i++)
        ch->tests[i](ch->test_args[i], e, (uint32_t)((mp_now(ch) - ch->test_began[i]) / NS_MS), en, zh);
}

static void say(struct mp_channel *ch, const char *text)
{
    struct error e;
    struct mqtt_client_message m = {
        .topic = str_of(ch->status_topic), .payload = str_of(text), .qos = 1, .retain = true};
    if (ch->status_topic[0] == 0 || ch->temporary) return;
    if (mqtt_client_publish(ch->client, &m, MP_TOKEN_BIRTH, &e) == ERR_UNSUPPORTED) {
        m.qos = 0, m.retain = false;
        if (mqtt_client_publish(ch->client, &m, MP_TOKEN_BIRTH, &e))
            mp_log(ch, DRIVER_LOG_WARN, "the state cannot be published", e.text);
    }
}

static void on_up(void *ctx, bool session, const struct mqtt_props *props)
{
    struct mp_channel *ch = ctx;
    char kv[360];
    ch->up_ns = mp_now(ch);
    ch->why.code = ch->refusal.code = 0;
    ch->pause_ns = 0;
    ch->subscribed = false;
    snprintf(kv, sizeof kv, "host=%s port=%u", ch->set->c.host, ch->set->c.port);
    mp_log(ch, DRIVER_LOG_INFO, "connected", kv);
    say(ch, ch->online);
    mp_judge(ch);
    mp_alarms_in_force(ch);
    end_tests(ch, NULL);
    mp_pump(ch);
}

static void lost(struct mp_channel *ch, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    struct error e = *why;
    char kv[480];
    uint64_t now = mp_now(ch);
    if (ch->up_ns && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->set->backoff);
    ch->up_ns = 0;
    ch->retry_ns = now + mqtt_settings_wait_ms(ch->set, &e, h->random(h->ctx)) * NS_MS;
    ch->why = e;
    ch->connect_now = false;
    ch->wants_ready = true;
    ch->st.timeouts += e.code == ERR_TIMEOUT;
    set_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    mp_log(ch, DRIVER_LOG_WARN, "connection lost", kv);
    e.code = ERR_UNAVAILABLE;
    mp_batch_fail(ch, &e);
    end_tests(ch, &ch->why);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct mp_channel *ch = ctx;
    if (ch->closing) return;
    lost(ch, why);
    mp_pump(ch);
}

static void start_connect(struct mp_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    struct error e;
    char id[MQTT_ID_MAX];
    struct mqtt_client_config c = ch->set->c;
    ch->connect_now = false;
    if (ch->npoints == 0) { /* a test: not in the place of the one that runs, no birth, no will */
        c = mqtt_settings_temporary(ch->set, h->random(h->ctx), id);
        c.will = NULL;
    }
    ch->temporary = ch->npoints == 0;
    if (ch->st.last_ok_us || ch->why.code) ch->st.reconnects++;
    set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (mqtt_client_connect(ch->client, &c, &e)) lost(ch, &e);
}

static void connection(struct mp_channel *ch)
{
    struct error e;
    bool idle = mqtt_client_idle(ch->client);
    if (!wanted(ch)) {
        if (!idle) {
            if (mqtt_client_up(ch->client)) say(ch, ch->offline);
            mqtt_client_drop(ch->client, 0, true);
            error_set(&e, ERR_UNAVAILABLE, "", "there are no points any more", "已没有测点");
            mp_batch_fail(ch, &e);
        }
        set_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (!idle && ch->temporary && ch->npoints && !ch->ntests) {
        mqtt_client_drop(ch->client, 0, true);
        ch->retry_ns = 0;
        idle = true;
    }
    if (idle && (ch->connect_now || mp_now(ch) >= ch->retry_ns)) start_connect(ch);
}

/* ---- the other callbacks of the client ---- */

static void on_message(void *ctx, const struct mqtt_client_message *m)
{
    struct mp_channel *ch = ctx;
    if (!ch->closing) mp_command(ch, m);
}

static void on_published(void *ctx, uint64_t token, const struct error *e)
{
    struct mp_channel *ch = ctx;
    if (!ch->closing && token < MP_TOKEN_BIRTH) mp_batch_published(ch, token, e);
}

static void on_subscribed(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *e)
{
    struct mp_channel *ch = ctx;
    if (e || ch->closing) return;
    for (size_t i = 0; i < n; i++) {
        if (codes[i] < 0x80) continue;
        error_set(&ch->refusal, ERR_FORBIDDEN, "", "the broker refuses the subscription for commands: %s%.0s",
                  "代理拒绝命令订阅：%.0s%s", codes[i] == 0x80 ? "not allowed" : mqtt_reason_words(codes[i], false),
                  codes[i] == 0x80 ? "没有权限" : mqtt_reason_words(codes[i], true));
        mp_judge(ch);
        return;
    }
}

static void on_ready(void *ctx)
{
    mp_pump(ctx);
}

static void on_frame(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    struct mp_channel *ch = ctx;
    const struct outlet_host *h = ch->base.host;
    if (h->frame == NULL || (!h->trace && !e)) return;
    struct driver_frame f = mqtt_frame_of(ch->set, mp_utc(ch), sent, p, n, e);
    h->frame(h->ctx, &f);
}

static const struct mqtt_client_ops ops = {.up = on_up,
                                           .lost = on_lost,
                                           .message = on_message,
                                           .published = on_published,
                                           .subscribed = on_subscribed,
                                           .ready = on_ready,
                                           .frame = on_frame};

/* ---- the heart ---- */

static void pump_once(struct mp_channel *ch)
{
    connection(ch);
    mp_subscribe(ch);
    mp_batch_pump(ch);
    mp_batch_ready(ch, mp_now(ch));
    if (ch->judge) mp_judge(ch);
}

/* Callbacks may ask for more while it runs: then once more, but not for ever. */
void mp_pump(struct mp_channel *ch)
{
    ch->again = true;
    if (ch->pumping || ch->closing) return;
    ch->pumping = true;
    for (int i = 0; i < 64 && ch->again && !ch->closing; i++) {
        ch->again = false;
        pump_once(ch);
    }
    ch->pumping = false;
    if (!ch->closing) plan_wake(ch);
}

void mp_test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct mp_channel *ch = (struct mp_channel *)base;
    struct error e;
    if (ch->ntests == sizeof ch->tests / sizeof *ch->tests) {
        error_set(&e, ERR_LIMIT, "", "too many tests at once", "同时进行的测试过多");
        done(arg, &e, 0, "", "");
        return;
    }
    ch->tests[ch->ntests] = done;
    ch->test_args[ch->ntests] = arg;
    ch->test_began[ch->ntests++] = mp_now(ch);
    if (mqtt_client_up(ch->client)) {
        end_tests(ch, NULL);
        return;
    }
    ch->connect_now = true;
    mp_pump(ch);
}

/* ---- open and close ---- */

static char *text(struct mp_channel *ch, const struct options *o, const char *name)
{
    char *z = arena_strdup(&ch->config, str_of(opt_str(o, name, "")));
    static char none[1];
    return z ? z : none;
}

static int check_topics(struct mp_channel *ch, struct error *e)
{
    const struct {
        const char *name, *text;
    } v[] = {{"topic", ch->topic},
             {"command_topic", ch->command_topic},
             {"reply_topic", ch->reply_topic},
             {"alarm_topic", ch->alarm_topic}};
    struct outlet_point p = {.address = "", .code = "c", .name = "n", .unit = "", .area = "a", .device = "d"};
    char z[MP_TOPIC_MAX];
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        if (v[i].text[0] == 0) continue;
        int rc = payload_text(v[i].text, &p, "node", z, sizeof z, e);
        if (rc == 0 && !mqtt_topic_ok(str_of(z)))
            rc = error_set(e, ERR_INVALID, "", "'%.200s' is no topic: no + and no #",
                           "“%.200s”不是有效主题：不得含 + 和 #", v[i].text);
        if (rc && e) snprintf(e->where, sizeof e->where, "%s", v[i].name);
        if (rc) return rc;
    }
    return 0;
}

static int set_status(struct mp_channel *ch, struct error *e)
{
    struct outlet_point p = {.address = "", .code = "", .name = "", .unit = "", .area = "", .device = ""};
    char z[MP_TOPIC_MAX];
    if (ch->status_topic[0] == 0) return 0;
    int rc = payload_text(ch->status_topic, &p, ch->base.host->node_name, z, sizeof z, e);
    if (rc == 0 && !mqtt_topic_ok(str_of(z)))
        rc = error_set(e, ERR_INVALID, "", "'%.200s' is no topic: no + and no #", "“%.200s”不是有效主题：不得含 + 和 #",
                       z);
    if (rc && e) snprintf(e->where, sizeof e->where, "status_topic");
    if (rc) return rc;
    ch->status_topic = arena_strdup(&ch->config, str_of(z));
    if (!ch->status_topic) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->will = (struct mqtt_client_message){
        .topic = str_of(ch->status_topic), .payload = str_of(ch->offline), .qos = 1, .retain = true};
    ch->set->c.will = &ch->will;
    return 0;
}

/* One message for a value has no enclosing texts. */
static int make_payload(struct mp_channel *ch, const struct options *o, struct error *e)
{
    struct option_value values[64];
    size_t n = 0;
    while (o->table[n].name) n++;
    if (ch->group != GROUP_VALUE || n > 64) return payload_new(o, &ch->payload, e);
    memcpy(values, o->values, n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        if (strncmp(o->table[i].name, "template_", 9) == 0) values[i] = (struct option_value){.set = true, .s = ""};
    struct options bare = {o->table, values};
    return payload_new(&bare, &ch->payload, e);
}

static int configure(struct mp_channel *ch, const struct options *o, struct error *e)
{
    ch->topic = text(ch, o, "topic");
    ch->command_topic = text(ch, o, "command_topic");
    ch->reply_topic = text(ch, o, "reply_topic");
    ch->alarm_topic = text(ch, o, "alarm_topic");
    ch->status_topic = text(ch, o, "status_topic");
    ch->online = text(ch, o, "online");
    ch->offline = text(ch, o, "offline");
    ch->group = (uint8_t)opt_enum(o, "group", GROUP_VALUE);
    ch->qos = (uint8_t)opt_i64(o, "qos", 1);
    ch->retain = opt_bool(o, "retain", false);
    ch->window = (unsigned)opt_i64(o, "window", 8);
    ch->message_max = (size_t)opt_i64(o, "message_max", 262144);
    ch->set->c.clean = true;
    ch->set->c.window = (uint16_t)opt_i64(o, "inflight", 100);
    ch->set->c.out_max = 8u << 20;
    int rc = json_path_compile(arena_str(&ch->config, str_of(opt_str(o, "command_path", "$.value"))), &ch->config,
                               &ch->command_query, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "command_path");
    if (!rc) rc = check_topics(ch, e);
    if (!rc) rc = set_status(ch, e);
    return rc ? rc : make_payload(ch, o, e);
}

static void undo(struct mp_channel *ch)
{
    payload_free(ch->payload);
    mqtt_settings_free(ch->set);
    arena_fini(&ch->config);
    arena_fini(&ch->arena);
    mem_free(ch);
}

static int open_parts(struct mp_channel *ch, const struct outlet_host *host, const struct options *o, struct error *e)
{
    ch->base = (struct outlet_channel){&mqtt_publisher_outlet, host};
    ch->batches_tail = &ch->batches;
    arena_init(&ch->config, 1 << 20);
    arena_init(&ch->arena, 1 << 20);
    int rc = mqtt_settings_new(o, host->name, &ch->set, e);
    return rc ? rc : configure(ch, o, e);
}

int mp_channel_check(const struct options *o, struct error *e)
{
    static const struct outlet_host nobody = {.name = "", .node_name = "node"};
    struct mp_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = open_parts(ch, &nobody, o, e);
    undo(ch);
    return rc;
}

int mp_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct mp_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->st.since_us = host->now_us(host->ctx);
    int rc = open_parts(ch, host, o, e);
    if (!rc && mqtt_client_new(host->loop, &ops, ch, &ch->client))
        rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        undo(ch);
        return rc;
    }
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = &ch->base;
    return 0;
}

void mp_maybe_free(struct mp_channel *ch)
{
    if (!ch->closing || !ch->client_closed || ch->timer_open || ch->commands_under_way || ch->questions) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    mp_set_free(ch);
    arena_init(&ch->arena, 0);
    undo(ch);
    closed(arg);
}

static void on_client_closed(void *arg)
{
    struct mp_channel *ch = arg;
    ch->client_closed = true;
    mp_maybe_free(ch);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct mp_channel *ch = h->data;
    ch->timer_open = false;
    mp_maybe_free(ch);
}

void mp_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct mp_channel *ch = (struct mp_channel *)base;
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the forwarding was stopped", "转发已停止");
    if (mqtt_client_up(ch->client)) say(ch, ch->offline);
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    mp_batch_fail(ch, &e);
    end_tests(ch, &e);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
    mqtt_client_close(TAKE(ch->client), 0, on_client_closed, ch);
}
