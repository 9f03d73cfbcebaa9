/* conn.c - the connection of a channel: when it is wanted, made and lost, what is subscribed on it, the timer, open and
 * close. Heart: mt_pump() does what can be done now and sets the one timer; after every event, at any time. */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "drivers/mqtt/mqtt_int.h"

#define LASTED_NS (10 * NS_S)
#define SUBSCRIBE_MAX 200 /* filters of one packet */
#define RETRY_REFUSED_NS (60 * NS_S)
#define CLOCK_WRONG_US 60000000

uint64_t mt_now(const struct mt_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t mt_utc(const struct mt_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

void mt_log(struct mt_channel *ch, enum driver_log level, const char *msg, const char *kv)
{
    ch->base.host->log(ch->base.host->ctx, level, msg, kv);
}

/* ---- state ---- */

static void clock_error(const struct mt_device *d, int64_t clock, struct error *e)
{
    error_set(e, ERR_DEVICE, "", "%s: its clock is %.1f s %s%.0s", "%s：其时钟相差 %.1f 秒（%.0s%s）", d->code,
              fabs((double)clock / 1e6), clock < 0 ? "behind" : "ahead", clock < 0 ? "慢" : "快");
}

static bool device_trouble(const struct mt_channel *ch, const struct mt_device *d, struct error *e)
{
    int64_t clock;
    if (d->npoints == 0) return false;
    if (d->config.code || d->trouble.code) {
        const struct error *why = d->config.code ? &d->config : &d->trouble;
        error_set(e, why->code, "", "%s: %s%.0s", "%s：%.0s%s", d->code, why->text, why->text_zh);
        return true;
    }
    if (d->offline) {
        error_set(e, ERR_UNAVAILABLE, "", "%s: it says that it is offline", "%s：设备报告离线", d->code);
        return true;
    }
    if (!mt_clock_of(d, &clock) || (clock < CLOCK_WRONG_US && clock > -CLOCK_WRONG_US)) return false;
    clock_error(d, clock, e);
    return true;
}

static void set_state(struct mt_channel *ch, enum driver_state s, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = mt_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

void mt_state(struct mt_channel *ch)
{
    struct error e = {0};
    if (!mqtt_client_up(ch->client)) return;
    ch->judge = false;
    if (ch->refusal.code) e = ch->refusal;
    for (size_t i = 0; i < ch->ndevices && !e.code; i++) device_trouble(ch, &ch->devices[i], &e);
    set_state(ch, e.code ? DRIVER_DEGRADED : DRIVER_UP, e.code ? &e : NULL);
}

static bool has_points(const struct mt_channel *ch)
{
    return ch->nfilters > 0;
}

static bool wanted(const struct mt_channel *ch)
{
    return ch->jobs || has_points(ch);
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct mt_channel *ch = t->data;
    ch->wake_ns = 0;
    mt_pump(ch);
}

static void plan_at(struct mt_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, mt_now(ch), ns);
}

static void plan_wake(struct mt_channel *ch, uint64_t now)
{
    uint64_t at = mt_job_deadline(ch);
    bool up = mqtt_client_up(ch->client);
    if (ch->held || ch->nacks || ch->tell_lost || ch->owing) wake_earlier(&at, now + 5 * NS_MS);
    if (up && ch->any_stale) wake_earlier(&at, ch->stale_ns > now ? ch->stale_ns : now + NS_S / 4);
    if (up && ch->refusal.code) wake_earlier(&at, ch->refused_ns);
    if (up && ch->judge) wake_earlier(&at, now + 10 * NS_MS);
    if (up && has_points(ch)) wake_earlier(&at, ch->judge_ns);
    if (up && !wanted(ch) && ch->linger_ns > now) wake_earlier(&at, ch->linger_ns);
    if (mqtt_client_idle(ch->client) && wanted(ch)) wake_earlier(&at, ch->retry_ns);
    plan_at(ch, at);
}

/* ---- subscriptions ---- */

static void subscribe(struct mt_channel *ch)
{
    struct mqtt_client_filter f[SUBSCRIBE_MAX];
    struct error e;
    size_t n = 0;
    for (size_t i = 0; i < ch->nfilters && mqtt_client_up(ch->client); i++) {
        struct mt_filter *x = &ch->filters[i];
        if (x->state == FILTER_NEW) {
            if (n == 0) ch->token++;
            x->state = FILTER_ASKED;
            x->token = ch->token;
            x->at = n;
            f[n++] = (struct mqtt_client_filter){.filter = x->filter, .qos = x->qos};
        }
        if (n == 0 || (n < SUBSCRIBE_MAX && i + 1 < ch->nfilters)) continue;
        if (mqtt_client_subscribe(ch->client, f, n, ch->token, &e)) {
            for (size_t k = 0; k < ch->nfilters; k++)
                if (ch->filters[k].token == ch->token) ch->filters[k].state = FILTER_REFUSED;
            ch->refusal = e;
            ch->refused_ns = mt_now(ch) + RETRY_REFUSED_NS;
        }
        n = 0;
    }
}

static void refuse(struct mt_channel *ch, size_t i, uint8_t code)
{
    struct mt_filter *f = &ch->filters[i];
    char kv[ERROR_TEXT_MAX + 16];
    f->state = FILTER_REFUSED;
    error_set(&ch->refusal, ERR_FORBIDDEN, "", "the broker refuses the subscription '%.*s': %s%.0s",
              "代理拒绝订阅“%.*s”：%.0s%s", (int)(f->filter.n < 120 ? f->filter.n : 120), f->filter.p,
              code == 0x80 ? "not allowed or not supported" : mqtt_reason_words(code, false),
              code == 0x80 ? "没有权限或不支持" : mqtt_reason_words(code, true));
    ch->refused_ns = mt_now(ch) + RETRY_REFUSED_NS;
    snprintf(kv, sizeof kv, "err=\"%s\"", ch->refusal.text);
    mt_log(ch, DRIVER_LOG_WARN, "subscription refused", kv);
    mt_tell_refused(ch, i);
    ch->judge = true;
}

static void lower(struct mt_channel *ch, const struct mt_filter *f)
{
    char kv[300];
    snprintf(kv, sizeof kv, "filter=\"%.*s\" qos=%u granted=%u", (int)(f->filter.n < 200 ? f->filter.n : 200),
             f->filter.p, f->qos, f->code);
    mt_log(ch, DRIVER_LOG_WARN, "the broker grants a lower QoS; messages may be lost while it is away", kv);
}

static void on_subscribed(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *e)
{
    struct mt_channel *ch = ctx;
    if (e || n == 0 || ch->closing) return;
    for (size_t i = 0; i < ch->nfilters; i++) {
        struct mt_filter *f = &ch->filters[i];
        if (f->state != FILTER_ASKED || f->token != token || f->at >= n) continue;
        f->code = codes[f->at];
        f->state = FILTER_GRANTED;
        if (f->code >= 0x80) refuse(ch, i, f->code);
        if (f->code < f->qos) lower(ch, f);
    }
    mt_pump(ch);
}

static void retry_refused(struct mt_channel *ch, uint64_t now)
{
    if (!ch->refusal.code || now < ch->refused_ns) return;
    ch->refusal.code = 0;
    for (size_t i = 0; i < ch->nfilters; i++)
        if (ch->filters[i].state == FILTER_REFUSED) ch->filters[i].state = FILTER_NEW;
}

/* ---- connecting and losing ---- */

static void on_up(void *ctx, bool session, const struct mqtt_props *props)
{
    struct mt_channel *ch = ctx;
    char kv[360];
    ch->up_ns = mt_now(ch);
    ch->why.code = ch->refusal.code = 0;
    ch->st.last_ok_us = mt_utc(ch);
    ch->judge_ns = ch->up_ns + NS_S;
    for (size_t i = 0; i < ch->nfilters; i++)
        if (!session || ch->filters[i].state != FILTER_GRANTED) ch->filters[i].state = FILTER_NEW;
    for (size_t i = 0; i < ch->npoints; i++) ch->points[i].heard_ns = ch->up_ns;
    ch->judge = true;
    mt_state(ch);
    snprintf(kv, sizeof kv, "host=%s port=%u session=%s", ch->set->c.host, ch->set->c.port, session ? "kept" : "new");
    mt_log(ch, DRIVER_LOG_INFO, "connected", kv);
    mt_pump(ch);
}

static void lost(struct mt_channel *ch, const struct error *why)
{
    struct error e = *why;
    char kv[480];
    const struct driver_host *h = ch->base.host;
    uint64_t now = mt_now(ch);
    if (ch->up_ns && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->set->backoff);
    ch->up_ns = 0;
    ch->retry_ns = now + mqtt_settings_wait_ms(ch->set, &e, h->random(h->ctx)) * NS_MS;
    ch->why = e;
    ch->connect_now = ch->paused = false;
    set_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    mt_log(ch, DRIVER_LOG_WARN, "connection lost", kv);
    if (e.code == ERR_TIMEOUT) ch->st.timeouts++;
    mt_tell_lost(ch);
    mt_job_lost(ch, &e);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct mt_channel *ch = ctx;
    if (ch->closing) return;
    lost(ch, why);
    mt_pump(ch);
}

static void start_connect(struct mt_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    struct error e;
    char id[MQTT_ID_MAX];
    ch->connect_now = ch->dropped = false;
    ch->temporary = !has_points(ch);
    struct mqtt_client_config c = ch->set->c;
    if (ch->temporary) c = mqtt_settings_temporary(ch->set, h->random(h->ctx), id);
    if (ch->st.requests++) ch->st.reconnects++;
    set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (mqtt_client_connect(ch->client, &c, &e)) lost(ch, &e);
}

static void hang_up(struct mt_channel *ch)
{
    mqtt_client_drop(ch->client, 0, false);
    for (size_t i = 0; i < ch->nfilters; i++) ch->filters[i].state = FILTER_NEW;
    ch->paused = false;
}

static void connection(struct mt_channel *ch, uint64_t now)
{
    bool want = wanted(ch), idle = mqtt_client_idle(ch->client);
    if (!want && mqtt_client_up(ch->client) && ch->linger_ns > now) return;
    if (!idle && ch->temporary && has_points(ch) && !ch->jobs) { /* now with its own session */
        hang_up(ch);
        ch->retry_ns = now;
        idle = true;
    }
    if (!want) {
        if (!idle) hang_up(ch);
        set_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (idle && (ch->connect_now || now >= ch->retry_ns)) start_connect(ch);
}

/* ---- the other callbacks of the client ---- */

static void on_message(void *ctx, const struct mqtt_client_message *m)
{
    struct mt_channel *ch = ctx;
    if (ch->closing) return;
    mt_message(ch, m);
    if (ch->closing) return;
    if (ch->held && !ch->paused) {
        ch->paused = true;
        mqtt_client_read(ch->client, false);
    }
    if (ch->held || ch->nacks || ch->judge) plan_wake(ch, mt_now(ch));
}

static void on_published(void *ctx, uint64_t token, const struct error *e)
{
    mt_job_published(ctx, token, e);
}

static void on_ready(void *ctx)
{
    mt_pump(ctx);
}

static void on_frame(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    struct mt_channel *ch = ctx;
    const struct driver_host *h = ch->base.host;
    if (h->frame == NULL || (!h->trace && !e)) return;
    struct driver_frame f = mqtt_frame_of(ch->set, mt_utc(ch), sent, p, n, e);
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

static void pump_once(struct mt_channel *ch)
{
    uint64_t now = mt_now(ch);
    bool flowing = mt_flush(ch);
    if (flowing && ch->paused) {
        ch->paused = false;
        mqtt_client_read(ch->client, true);
    }
    mt_ack_due(ch);
    if (ch->dropped) mt_tell_lost(ch), ch->dropped = false;
    connection(ch, now);
    retry_refused(ch, now);
    subscribe(ch);
    mt_stale(ch, now);
    mt_job_pump(ch, now);
    if (ch->judge || now >= ch->judge_ns) {
        mt_state(ch);
        ch->judge_ns = now + NS_S;
    }
}

/* Callbacks may ask for more while it runs: then once more, but not for ever. */
void mt_pump(struct mt_channel *ch)
{
    ch->again = true;
    if (ch->pumping || ch->closing) return;
    ch->pumping = true;
    for (int i = 0; i < 8 && ch->again && !ch->closing; i++) {
        ch->again = false;
        pump_once(ch);
    }
    ch->pumping = false;
    if (ch->closing) return;
    if (ch->again) plan_at(ch, mt_now(ch));
    plan_wake(ch, mt_now(ch));
}

/* ---- open and close ---- */

int mt_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct mt_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&mqtt_client_driver, host};
    ch->st.since_us = host->now_us(host->ctx);
    ch->held_tail = &ch->held;
    int rc = mqtt_settings_new(o, host->name, &ch->set, e);
    if (rc == 0) rc = mqtt_client_new(host->loop, &ops, ch, &ch->client);
    if (rc) {
        mqtt_settings_free(ch->set);
        mem_free(ch);
        return e && e->code ? rc : error_set(e, rc, "", "out of memory", "内存不足");
    }
    arena_init(&ch->arena, 1 << 20);
    arena_init(&ch->scratch, 64u << 20);
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = &ch->base;
    return 0;
}

static void maybe_free(struct mt_channel *ch)
{
    if (!ch->client_closed || ch->timer_open) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    mt_set_free(ch);
    mt_data_free(ch);
    mt_seen_free(ch);
    mqtt_settings_free(ch->set);
    mem_free(ch);
    closed(arg);
}

static void on_client_closed(void *arg)
{
    struct mt_channel *ch = arg;
    ch->client_closed = true;
    maybe_free(ch);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct mt_channel *ch = h->data;
    ch->timer_open = false;
    maybe_free(ch);
}

void mt_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    mt_job_lost(ch, &e);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
    mqtt_client_close(TAKE(ch->client), 0, on_client_closed, ch);
}
