/* server.c - listening, the timer, state; opening and closing the channel.
 *
 * A port that cannot be listened on is tried again after a back-off. Without points nothing listens. */
#include <stdio.h>
#include "drivers/common/check.h"
#include "drivers/common/iec104_options.h"
#include "drivers/common/tls_options.h"
#include "drivers/common/wake.h"
#include "outlets/iec104/station_int.h"

uint64_t sv_now(const struct sv_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}
int64_t sv_utc(const struct sv_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}
void sv_log(const struct sv_channel *ch, enum driver_log level, const char *msg, const char *kv)
{
    ch->base.host->log(ch->base.host->ctx, level, msg, kv);
}

/* ---- state ---- */

static void set_state(struct sv_channel *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = sv_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

static const struct sv_conn *wrong_clock(const struct sv_channel *ch)
{
    for (const struct sv_conn *c = ch->conns; c; c = c->next)
        if (!c->closing && c->clock_warned) return c;
    return NULL;
}

static void refresh_state(struct sv_channel *ch)
{
    struct error e = {0};
    const struct sv_conn *wrong = wrong_clock(ch);
    unsigned started = 0;
    for (const struct sv_conn *c = ch->conns; c; c = c->next) started += sv_conn_started(c);
    ch->st.connections = ch->nconns;
    ch->st.subscriptions = started;
    if (ch->npoints == 0) {
        set_state(ch, DRIVER_OFF, NULL);
    } else if (ch->listener == NULL) {
        set_state(ch, DRIVER_DOWN, &ch->why);
    } else if (started == 0) {
        error_set(&e, ERR_UNAVAILABLE, "", "listening on %s port %u; no controlling station has started data transfer",
                  "正在监听 %s 端口 %u；尚无主站启动数据传输", ch->cfg.bind, tls_listener_port(ch->listener));
        set_state(ch, DRIVER_CONNECTING, &e);
    } else if (ch->nclash) {
        set_state(ch, DRIVER_DEGRADED, &ch->clash);
    } else if (wrong) {
        double ahead = (double)wrong->clock_ahead_us / 1e6;
        error_set(&e, ERR_DEVICE, "", "%s: its clock is %.1f s %s%.0s of ours; ours is not set by it",
                  "%s：其时钟与本机相差 %.1f 秒（%.0s%s）；本机时钟不受其校对", wrong->peer, fabs(ahead),
                  ahead > 0 ? "ahead" : "behind", ahead > 0 ? "快" : "慢");
        set_state(ch, DRIVER_DEGRADED, &e);
    } else {
        set_state(ch, DRIVER_UP, NULL);
    }
}

/* ---- listening ---- */

static void on_listener_closed(void *arg)
{
    struct sv_channel *ch = arg;
    ch->listener_open = false;
    sv_soon(ch);
    sv_conn_closed(ch);
}

static void stop_listening(struct sv_channel *ch)
{
    if (ch->listener) tls_listener_close(TAKE(ch->listener), on_listener_closed, ch);
}

const struct error *sv_listen_now(struct sv_channel *ch)
{
    const struct outlet_host *h = ch->base.host;
    struct tls_listener_config c = {
        .address = ch->cfg.bind, .port = ch->cfg.port, .tls = ch->cfg.tls, .allow = &ch->cfg.allow};
    char kv[480];
    if (ch->listener) return NULL;
    if (ch->listener_open) { /* the former one is still closing */
        error_set(&ch->why, ERR_AGAIN, "", "the port is being closed", "端口正在关闭");
        return &ch->why;
    }
    if (tls_listener_open(h->loop, &c, &sv_listener_ops, ch, &ch->listener, &ch->why) == 0) {
        ch->listener_open = true;
        backoff_reset(&ch->backoff);
        snprintf(kv, sizeof kv, "address=%s port=%u", ch->cfg.bind, tls_listener_port(ch->listener));
        sv_log(ch, DRIVER_LOG_INFO, "listening", kv);
        return NULL;
    }
    ch->retry_ns = sv_now(ch) + backoff_next_ms(&ch->backoff, h->random(h->ctx)) * NS_MS;
    snprintf(kv, sizeof kv, "err=\"%s\"", ch->why.text);
    sv_log(ch, DRIVER_LOG_WARN, "not listening", kv);
    return &ch->why;
}

static void listening(struct sv_channel *ch, uint64_t now)
{
    struct error e;
    if (ch->npoints) {
        if (!ch->listener_open && now >= ch->retry_ns) (void)sv_listen_now(ch);
        return;
    }
    error_set(&e, ERR_CLOSED, "", "there are no points", "没有测点");
    stop_listening(ch);
    for (struct sv_conn *c = ch->conns; c; c = c->next) sv_conn_drop(c, &e);
}

/* ---- the heart ---- */

static void on_timer(uv_timer_t *t)
{
    struct sv_channel *ch = t->data;
    ch->wake_ns = 0;
    sv_pump(ch);
}

void sv_soon(struct sv_channel *ch)
{
    uint64_t now = sv_now(ch);
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, now, now);
}

static void plan(struct sv_channel *ch)
{
    uint64_t at = UINT64_MAX;
    if (ch->npoints && !ch->listener_open) wake_earlier(&at, ch->retry_ns);
    for (const struct sv_conn *c = ch->conns; c; c = c->next)
        if (c->opened && !c->closing) {
            wake_earlier(&at, iec104_station_deadline(&c->station));
            wake_earlier(&at, sv_tell_deadline(c));
        }
    wake_at(&ch->timer, on_timer, &ch->wake_ns, sv_now(ch), at);
}

/* What comes up meanwhile plans the next turn (sv_soon). */
void sv_pump(struct sv_channel *ch)
{
    if (ch->pumping || ch->closing) return;
    uint64_t now = sv_now(ch);
    ch->pumping = true;
    listening(ch, now);
    for (struct sv_conn *c = ch->conns; c; c = c->next) sv_conn_pump(c, now);
    sv_tell_pump(ch, now);
    refresh_state(ch);
    ch->pumping = false;
    if (!ch->closing) plan(ch);
}

/* ---- opening ---- */

static int set_tls(struct sv_channel *ch, const struct options *o, struct error *e)
{
    const struct outlet_host *h = ch->base.host;
    struct tls_server_config t = {.client_ca_pem = opt_str(o, "tls_ca", "")};
    if (!opt_bool(o, "tls", false)) return 0;
    if (tls_own_given(o) || !h->identity ||
        h->identity(h->ctx, "iec104", &t.cert_pem, &t.key_pem)) /* this node's own */
        return tls_server_of(o, &ch->cfg.tls, e);
    int rc = tls_server_new(&t, &ch->cfg.tls, e);
    if (rc) error_prefix(e, "tls_");
    return rc;
}

/* What the table cannot say; with TLS and no certificate of its own this node's is used. */
static int check_texts(const struct options *o, struct sv_config *c, struct error *e)
{
    int rc = sv_groups_parse(opt_str(o, "redundancy", ""), c->groups, &c->ngroups, e);
    if (rc == 0) rc = check_bind(o, "bind", e);
    if (rc == 0) rc = check_ip_list(o, "allow", &c->allow, e);
    return rc ? rc : iec104_zone_of(o, &c->zone, e);
}

int sv_channel_check(const struct options *o, struct error *e)
{
    struct sv_config c = {0};
    int rc = check_texts(o, &c, e);
    zone_fini(&c.zone.zone);
    if (rc == 0) rc = tls_options_check(o, true, e);
    return rc ? rc : iec104_times_check(o, e);
}

static int configure(struct sv_channel *ch, const struct options *o, struct error *e)
{
    struct sv_config *c = &ch->cfg;
    str_to_cstr(str_of(opt_str(o, "bind", "0.0.0.0")), c->bind, sizeof c->bind);
    c->port = (uint16_t)opt_i64(o, "port", IEC104_PORT);
    c->max_connections = (unsigned)opt_i64(o, "max_connections", 4);
    c->link = iec104_link_of(o);
    c->select_ms = (uint32_t)opt_ms(o, "select_timeout", 30000);
    c->command_age_us = opt_us(o, "command_age", 0);
    c->cycle_ns = (uint64_t)opt_us(o, "cycle", 0) * 1000;
    c->announce = opt_bool(o, "announce", true);
    c->stamped = opt_bool(o, "time_tags", true);
    c->counter_events = opt_bool(o, "counter_events", false);
    sv_rules_of(o, &c->rules);
    int rc = check_texts(o, c, e);
    return rc ? rc : set_tls(ch, o, e);
}

static void free_channel(struct sv_channel *ch)
{
    sv_set_free(ch);
    zone_fini(&ch->cfg.zone.zone);
    sv_groups_free(&ch->cfg);
    tls_server_free(ch->cfg.tls);
    mem_free(ch);
}

int sv_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct sv_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct outlet_channel){&iec104_server_outlet, host};
    ch->st.since_us = sv_utc(ch);
    ch->backoff = (struct backoff){.min_ms = 1000, .max_ms = 60000};
    int rc = configure(ch, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        free_channel(ch);
        return rc;
    }
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = &ch->base;
    return 0;
}

/* ---- closing ---- */

void sv_conn_closed(struct sv_channel *ch)
{
    if (!ch->closing || ch->conns || ch->timer_open || ch->listener_open || ch->writes) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    free_channel(ch);
    closed(arg);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct sv_channel *ch = h->data;
    ch->timer_open = false;
    sv_conn_closed(ch);
}

void sv_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct sv_channel *ch = (struct sv_channel *)base;
    struct error e;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    ch->st.state = DRIVER_OFF;
    error_set(&e, ERR_CLOSED, "", "the forwarding ends", "转发已停止");
    for (struct sv_conn *c = ch->conns; c; c = c->next) sv_conn_drop(c, &e);
    stop_listening(ch);
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
