/* conn.c - the connection of a channel and the heart that keeps it going.
 *
 *   IDLE -> CONNECTING -> UP (STARTDT, then data) -> CLOSING -> IDLE
 *
 * A lost connection is made again after a back-off, at once only by a job, or once to the other host when the one
 * before was of use. The back-off begins anew only after a connection that lasted: a station that accepts and closes
 * is not pestered. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/check.h"
#include "drivers/common/iec104_options.h"
#include "drivers/common/rows.h"
#include "drivers/common/tls_options.h"
#include "drivers/common/wake.h"
#include "drivers/iec104/iec104_int.h"

#define LASTED_NS (10 * 1000 * NS_MS)
#define OUT_MAX (256 * 1024)

uint64_t st_now(const struct st_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

bool st_started(const struct st_channel *ch)
{
    return ch->conn == CONN_UP && ch->link.state == IEC104_STARTED;
}

void st_trace(struct st_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    if (h->frame == NULL) return;
    struct driver_frame f = {.time_us = h->now_us(h->ctx), .dir = dir, .bytes = p, .n = n, .error = e};
    h->frame(h->ctx, &f);
}

/* ---- state ---- */

void st_state(struct st_channel *ch, enum driver_state s, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, s, why);
}

static void clock_error(const struct st_station *s, struct error *e)
{
    double behind = (double)st_clock_behind(s) / 1e6;
    error_set(e, ERR_DEVICE, "", "common address %u: the station's clock is %.1f s %s%.0s",
              "公共地址 %u：站的时钟相差 %.1f 秒（%.0s%s）", s->ca, fabs(behind), behind > 0 ? "behind" : "ahead",
              behind > 0 ? "慢" : "快");
}

/* While connected: does everything answer, are the clocks right? */
void st_refresh_state(struct st_channel *ch)
{
    struct error e = {0};
    if (!st_started(ch)) return;
    for (size_t i = 0; i < ch->nstations && !e.code; i++) {
        const struct st_station *s = &ch->stations[i];
        if (!s->wanted) continue;
        if (s->trouble.code)
            e = s->trouble;
        else if (s->clock_warned)
            clock_error(s, &e);
    }
    st_state(ch, e.code ? DRIVER_DEGRADED : DRIVER_UP, e.code ? &e : NULL);
}

static bool wanted(const struct st_channel *ch)
{
    if (ch->jobs) return true;
    for (size_t i = 0; i < ch->nstations; i++)
        if (ch->stations[i].wanted) return true;
    return false;
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct st_channel *ch = t->data;
    ch->wake_ns = 0;
    st_pump(ch);
}

static void plan_at(struct st_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, st_now(ch), ns);
}

static void plan_wake(struct st_channel *ch, uint64_t now)
{
    uint64_t at = st_job_deadline(ch);
    if (ch->conn == CONN_UP && !ch->held) {
        wake_earlier(&at, iec104_link_deadline(&ch->link));
        wake_earlier(&at, st_proc_deadline(ch));
    }
    if (ch->held) wake_earlier(&at, now + 5 * NS_MS);
    if (ch->conn == CONN_IDLE && wanted(ch)) wake_earlier(&at, ch->retry_ns);
    plan_at(ch, at);
}

/* ---- losing ---- */

static void free_channel(struct st_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    st_set_free(ch);
    mem_free(ch->batch);
    zone_fini(&ch->cfg.zone.zone);
    tls_client_free(ch->cfg.tls);
    mem_free(ch);
    closed(arg);
}

static void maybe_free(struct st_channel *ch)
{
    if (ch->closing && ch->conn == CONN_IDLE && !ch->timer_open) free_channel(ch);
}

static void on_stream_closed(void *arg)
{
    struct st_channel *ch = arg;
    ch->conn = CONN_IDLE;
    if (ch->closing)
        maybe_free(ch);
    else
        st_pump(ch);
}

static void close_stream(struct st_channel *ch)
{
    if (ch->conn != CONN_CONNECTING && ch->conn != CONN_UP) return;
    ch->conn = CONN_CLOSING;
    ch->rx_n = 0;
    tls_stream_close(TAKE(ch->stream), on_stream_closed, ch);
}

/* To the other host at once, but once until a connection lasts; else after the back-off. */
static void plan_retry(struct st_channel *ch, bool lasted, uint64_t now)
{
    const struct driver_host *h = ch->base.host;
    if (lasted) {
        backoff_reset(&ch->cfg.backoff);
        ch->switched = false;
    }
    bool at_once = ch->cfg.npeers > 1 && !ch->switched;
    ch->peer = (ch->peer + 1) % ch->cfg.npeers;
    if (at_once) ch->switched = true;
    ch->retry_ns = at_once ? now : now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
}

static void lost(struct st_channel *ch, const struct error *why, bool was_up)
{
    const struct driver_host *h = ch->base.host;
    struct error e = *why; /* it may stand in something that changes below */
    char kv[480];
    uint64_t now = st_now(ch);
    plan_retry(ch, was_up && now - ch->up_ns >= LASTED_NS, now);
    ch->why = e;
    ch->connect_now = false;
    for (size_t i = 0; i < ch->nstations; i++)
        for (int p = 0; p < PROC_COUNT; p++) ch->stations[i].proc[p] = (struct st_proc){0};
    st_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    st_data_tell_lost(ch);
    st_job_lost(ch, &e);
}

void st_lose(struct st_channel *ch, const struct error *why)
{
    bool was_up = ch->conn == CONN_UP;
    if (ch->conn != CONN_CONNECTING && !was_up) return;
    close_stream(ch);
    lost(ch, why, was_up);
}

/* ---- bytes ---- */

static void transmit(struct st_channel *ch, const uint8_t *p, size_t n)
{
    struct error e;
    struct iec104_apdu a;
    for (size_t at = 0; ch->base.host->trace && iec104_apdu_next(p + at, n - at, &a, NULL) == 1; at += a.used)
        st_trace(ch, DRIVER_TX, p + at, a.used, NULL);
    ch->st.bytes_out += n;
    if (tls_stream_write(ch->stream, p, n) != ERR_LIMIT) return; /* a broken connection shows up at the next read */
    error_set(&e, ERR_LIMIT, "", "%s:%u does not take what it is sent", "%s:%u 不接收发送的数据",
              ch->cfg.peer[ch->peer].host, ch->cfg.peer[ch->peer].port);
    st_lose(ch, &e);
}

static void send_control(struct st_channel *ch)
{
    uint8_t out[IEC104_LINK_OUT];
    size_t n = ch->conn == CONN_UP ? iec104_link_output(&ch->link, st_now(ch), out) : 0;
    if (n) transmit(ch, out, n);
}

bool st_send(struct st_channel *ch, const struct iec104_asdu *head, const struct iec104_object *o)
{
    uint8_t asdu[IEC104_ASDU_MAX], out[IEC104_APDU_MAX];
    struct iec104_asdu a = *head;
    if (!st_started(ch) || !iec104_link_free(&ch->link)) return false;
    a.originator = ch->cfg.originator;
    size_t n = iec104_put_one(&a, o, asdu);
    n = iec104_link_send(&ch->link, st_now(ch), asdu, n, out);
    ch->st.requests++;
    transmit(ch, out, n);
    return true;
}

static void started(struct st_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    char kv[360];
    ch->why.code = 0;
    st_proc_connected(ch);
    st_state(ch, DRIVER_UP, NULL);
    snprintf(kv, sizeof kv, "host=%s port=%u", ch->cfg.peer[ch->peer].host, ch->cfg.peer[ch->peer].port);
    h->log(h->ctx, DRIVER_LOG_INFO, "connected", kv);
}

static void take_apdu(struct st_channel *ch, const struct iec104_apdu *a, enum iec104_link_event ev, const uint8_t *p)
{
    if (ch->base.host->trace) st_trace(ch, DRIVER_RX, p, a->used, NULL);
    send_control(ch);
    if (ev == IEC104_EVENT_STARTED) started(ch);
    if (ev == IEC104_EVENT_ASDU) st_data_take(ch, a->asdu, a->asdu_n, p, a->used);
}

static void broken(struct st_channel *ch, const uint8_t *p, size_t n, const struct error *e)
{
    struct error why;
    ch->st.errors++;
    st_trace(ch, DRIVER_RX, p, n < IEC104_APDU_MAX ? n : IEC104_APDU_MAX, e);
    error_set(&why, ERR_PROTOCOL, "", "%s:%u broke the protocol: %s%.0s", "%s:%u 违反协议：%.0s%s",
              ch->cfg.peer[ch->peer].host, ch->cfg.peer[ch->peer].port, e->text, e->text_zh);
    st_lose(ch, &why);
}

/* What is whole; as long as the sink takes it. */
static void receive(struct st_channel *ch)
{
    struct iec104_apdu a;
    enum iec104_link_event ev;
    struct error e = {0};
    size_t at = 0;
    int rc = 1;
    while (ch->conn == CONN_UP && !ch->held && rc == 1 && at < ch->rx_n) {
        rc = iec104_link_input(&ch->link, st_now(ch), ch->rx + at, ch->rx_n - at, &a, &ev, &e);
        if (rc == 1) {
            const uint8_t *p = ch->rx + at;
            at += a.used;
            take_apdu(ch, &a, ev, p);
        }
    }
    if (rc < 0) broken(ch, ch->rx + at, ch->rx_n - at, &e);
    if (ch->conn != CONN_UP) at = ch->rx_n;
    if (at && at < ch->rx_n) memmove(ch->rx, ch->rx + at, ch->rx_n - at);
    ch->rx_n -= at;
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct st_channel *ch = ctx;
    bool pumping = ch->pumping;
    if (ch->conn != CONN_UP || ch->closing) return;
    ch->st.bytes_in += n;
    ch->pumping = true;                    /* what callbacks ask for is done below */
    while (n > 0 && ch->conn == CONN_UP) { /* when the sink is full, what was read before fits the buffer */
        size_t room = sizeof ch->rx - ch->rx_n, k = n < room ? n : room;
        if (k == 0) break;
        memcpy(ch->rx + ch->rx_n, p, k);
        ch->rx_n += k;
        p += k, n -= k;
        receive(ch);
    }
    ch->pumping = pumping;
    st_pump(ch);
}

/* ---- connecting ---- */

static void on_opened(void *ctx)
{
    struct st_channel *ch = ctx;
    ch->conn = CONN_UP;
    ch->up_ns = st_now(ch);
    ch->rx_n = 0;
    ch->broken = 0;
    iec104_link_init(&ch->link, &ch->cfg.link, ch->up_ns);
    iec104_link_start(&ch->link, ch->up_ns);
    send_control(ch);
    if (ch->held) tls_stream_read(ch->stream, false);
    st_pump(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct st_channel *ch = ctx;
    st_lose(ch, why);
    st_pump(ch);
}

static void start_connect(struct st_channel *ch)
{
    static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};
    struct tls_stream_config c = {.host = ch->cfg.peer[ch->peer].host,
                                  .port = ch->cfg.peer[ch->peer].port,
                                  .connect_ms = ch->cfg.connect_ms,
                                  .tls = ch->cfg.tls,
                                  .out_max = OUT_MAX};
    struct error e;
    ch->connect_now = false;
    if (ch->up_ns) ch->st.reconnects++;
    st_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (tls_stream_open(ch->timer.loop, &c, &ops, ch, &ch->stream, &e))
        lost(ch, &e, false);
    else
        ch->conn = CONN_CONNECTING;
}

static void connection(struct st_channel *ch, uint64_t now)
{
    if (!wanted(ch)) {
        close_stream(ch);
        st_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (ch->conn == CONN_IDLE && (ch->connect_now || now >= ch->retry_ns)) start_connect(ch);
}

/* ---- the heart ---- */

static void link_time(struct st_channel *ch, uint64_t now)
{
    struct error e, why;
    if (ch->conn != CONN_UP || ch->held) return;
    if (iec104_link_time(&ch->link, now, &e)) {
        ch->st.timeouts++;
        error_set(&why, ERR_TIMEOUT, "", "%s:%u: %s%.0s", "%s:%u：%.0s%s", ch->cfg.peer[ch->peer].host,
                  ch->cfg.peer[ch->peer].port, e.text, e.text_zh);
        st_lose(ch, &why);
    }
}

static void pump_once(struct st_channel *ch)
{
    uint64_t now = st_now(ch);
    bool free_sink = st_data_flush(ch);
    if (free_sink && ch->rx_n) receive(ch);
    link_time(ch, now);
    connection(ch, now);
    st_job_pump(ch, now);
    if (!ch->held) st_proc_pump(ch, now);
    send_control(ch);
}

/* Callbacks may ask for more while it runs: then once more, but not for ever. */
void st_pump(struct st_channel *ch)
{
    ch->again = true;
    if (ch->pumping || ch->closing) return;
    ch->pumping = true;
    for (int i = 0; i < 8 && ch->again && !ch->closing; i++) {
        ch->again = false;
        pump_once(ch);
    }
    ch->pumping = false;
    if (ch->again && !ch->closing) plan_at(ch, st_now(ch));
    if (!ch->closing) plan_wake(ch, st_now(ch));
}

/* ---- open and close ---- */

static void set_peers(struct st_config *c, const struct options *o)
{
    const char *second = opt_str(o, "host_2", "");
    str_to_cstr(str_of(opt_str(o, "host", "")), c->peer[0].host, sizeof c->peer[0].host);
    str_to_cstr(str_of(second), c->peer[1].host, sizeof c->peer[1].host);
    c->peer[0].port = (uint16_t)opt_i64(o, "port", IEC104_PORT);
    c->peer[1].port = (uint16_t)opt_i64(o, "port_2", c->peer[0].port);
    c->npeers = second[0] ? 2 : 1;
}

static void set_link(struct st_config *c, const struct options *o)
{
    c->link = iec104_link_of(o);
    c->link.controlling = true;
    c->connect_ms = (uint32_t)opt_ms(o, "t0", 30000);
    c->answer_ms = (uint32_t)opt_ms(o, "answer_timeout", 10000);
    c->term_ms = (uint32_t)opt_ms(o, "termination_timeout", 60000);
    c->originator = (uint8_t)opt_i64(o, "originator", 0);
    c->backoff = reconnect_of(o, 3000);
}

static void set_periods(struct st_config *c, const struct options *o)
{
    c->period_ns[PROC_GENERAL] = (uint64_t)opt_us(o, "interrogation", 0) * 1000;
    c->period_ns[PROC_COUNTER] = (uint64_t)opt_us(o, "counter_interrogation", 0) * 1000;
    c->period_ns[PROC_CLOCK] = (uint64_t)opt_us(o, "clock_sync", 0) * 1000;
    c->counters = c->period_ns[PROC_COUNTER] > 0;
    c->clock = c->period_ns[PROC_CLOCK] > 0;
}

static void config_fini(struct st_config *c)
{
    zone_fini(&c->zone.zone);
    tls_client_free(c->tls);
}

static int configure(struct st_config *c, const struct options *o, struct error *e)
{
    static const struct option_rule rules[] = {{check_host, "host"}, {check_host, "host_2"}, {0}};
    set_peers(c, o);
    set_link(c, o);
    set_periods(c, o);
    int rc = check_rules(rules, o, e);
    if (rc == 0) rc = iec104_zone_of(o, &c->zone, e);
    return rc ? rc : tls_client_of(o, &c->tls, e);
}

int st_channel_check(const struct options *o, struct error *e)
{
    struct st_config c = {0};
    int rc = configure(&c, o, e);
    config_fini(&c);
    return rc ? rc : iec104_times_check(o, e);
}

static void undo(struct st_channel *ch)
{
    config_fini(&ch->cfg);
    mem_free(ch);
}

int st_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct st_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&iec104_driver, host};
    ch->st.since_us = host->now_us(host->ctx);
    int rc = configure(&ch->cfg, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        undo(ch);
        return rc;
    }
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct st_channel *ch = h->data;
    ch->timer_open = false;
    maybe_free(ch);
}

void st_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct st_channel *ch = (struct st_channel *)base;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    ch->tell_lost = false;
    ch->nbatch = 0;
    st_job_cancel_all(ch);
    close_stream(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
