/* conn.c - the connection of a channel and the heart that keeps it going.
 *
 *   IDLE -> RESOLVING -> CONNECTING -> UP -> CLOSING -> IDLE
 *
 * channel_pump() looks at what is there (jobs, due groups, time-outs, the wish for a connection), does
 * what can be done now and sets the one timer for the next thing. It is called after every event and may
 * be called at any time. A lost connection is made again at once when it had been of use, else after a
 * back-off that only a good answer resets. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/wake.h"
#include "drivers/modbus/modbus_int.h"

static void start_connect(struct mb_channel *ch, uint64_t now);
static void close_link(struct mb_channel *ch);

uint64_t mb_now(const struct mb_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

void mb_trace(struct mb_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    if (h->frame == NULL) return;
    struct driver_frame f = {
        .time_us = h->now_us(h->ctx), .dir = dir, .format = (uint8_t)ch->cfg.framing, .bytes = p, .n = n, .error = e};
    h->frame(h->ctx, &f);
}

/* ---- state ---- */

static void set_reason(struct driver_status *st, const struct error *why)
{
    str_to_cstr(str_of(why ? why->text : ""), st->reason, sizeof st->reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), st->reason_zh, sizeof st->reason_zh);
}

void mb_state(struct mb_channel *ch, enum driver_state s, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    set_reason(&ch->st, why);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, s, why);
}

/* While connected: is everything answering? */
void mb_refresh_state(struct mb_channel *ch)
{
    const struct error *why = NULL;
    if (ch->conn != CONN_UP) return;
    for (size_t i = 0; i < ch->ndevices && !why; i++)
        if (ch->devices[i].trouble.code) why = &ch->devices[i].trouble;
    mb_state(ch, why ? DRIVER_DEGRADED : DRIVER_UP, why);
}

bool mb_wanted(const struct mb_channel *ch)
{
    return ch->ngroups || ch->jobs || ch->job;
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct mb_channel *ch = t->data;
    ch->wake_ns = 0;
    channel_pump(ch);
}

void mb_wake_at(struct mb_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, mb_now(ch), ns);
}

static void plan_wake(struct mb_channel *ch, uint64_t now)
{
    const struct poll_slot *first = poll_first(&ch->queue);
    uint64_t at = job_next_deadline(ch), call = call_next_deadline(ch);
    if (call < at) at = call;
    if (ch->conn == CONN_UP && first && !ch->held && first->due_ns < at) at = first->due_ns;
    if (ch->conn == CONN_UP && ch->send_ns > now && ch->send_ns < at && (ch->active || ch->job || ch->jobs))
        at = ch->send_ns;
    if (ch->gap_ns && ch->gap_ns < at) at = ch->gap_ns;
    if ((ch->held || ch->bad_held) && now + 5 * NS_MS < at) at = now + 5 * NS_MS;
    if (ch->conn == CONN_IDLE && mb_wanted(ch) && ch->retry_ns < at) at = ch->retry_ns;
    if (ch->conn == CONN_CONNECTING && ch->connect_deadline_ns < at) at = ch->connect_deadline_ns;
    mb_wake_at(ch, at);
}

/* ---- losing ---- */

static void after_loss(struct mb_channel *ch, const struct error *why, bool at_once)
{
    const struct driver_host *h = ch->base.host;
    char kv[480];
    uint64_t now = mb_now(ch);
    ch->why = *why;
    ch->retry_ns = at_once ? now : now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * (uint64_t)NS_MS;
    ch->connect_now = false;
    mb_state(ch, at_once ? DRIVER_CONNECTING : DRIVER_DOWN, why);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), why->text);
    h->log(h->ctx, at_once ? DRIVER_LOG_INFO : DRIVER_LOG_WARN, "connection lost", kv);
}

void mb_lose(struct mb_channel *ch, const struct error *why, bool at_once)
{
    struct error e = *why; /* it may stand in something that changes below */
    bool was_up = ch->conn == CONN_UP;
    if (ch->conn == CONN_CLOSING || ch->conn == CONN_IDLE) return;
    close_link(ch);
    call_fail_all(ch, ERR_CLOSED, &e);
    poll_abort_all(ch);
    ch->rx_n = 0;
    if (!at_once) poll_lost(ch, &e);
    after_loss(ch, &e, at_once);
    if (!was_up || !at_once) job_connect_failed(ch, &e);
}

void mb_lose_uv(struct mb_channel *ch, int status, bool at_once)
{
    struct error e;
    const char *what = status == UV_EOF ? "the device closed the connection" : uv_strerror(status);
    const char *what_zh = status == UV_EOF            ? "设备关闭了连接"
                          : status == UV_ECONNREFUSED ? "连接被拒绝"
                          : status == UV_ETIMEDOUT    ? "连接超时"
                                                      : uv_strerror(status);
    error_set(&e, ERR_UNAVAILABLE, "", "%s: %s%.0s", "%s：%.0s%s", ch->cfg.place, what, what_zh);
    mb_lose(ch, &e, at_once);
}

bool mb_proved(const struct mb_channel *ch)
{
    for (int i = 0; i < 256; i++)
        if (ch->stations[i] && !ch->stations[i]->dead && ch->stations[i]->last_ok_ns > ch->up_ns) return true;
    return false;
}

static void free_channel(struct mb_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    mb_set_free(ch);
    mem_free(ch);
    closed(arg);
}

static void maybe_free(struct mb_channel *ch)
{
    if (ch->closing && ch->conn == CONN_IDLE && !ch->timer_open && !ch->resolving) free_channel(ch);
}

void mb_link_closed(struct mb_channel *ch)
{
    ch->conn = CONN_IDLE;
    ch->link_open = false;
    if (ch->closing)
        maybe_free(ch);
    else
        channel_pump(ch);
}

static void close_link(struct mb_channel *ch)
{
    if (ch->conn == CONN_CONNECTING || ch->conn == CONN_UP) {
        ch->conn = ch->link_open ? CONN_CLOSING : CONN_IDLE;
        if (ch->link_open) ch->cfg.link->close(ch);
    } else if (ch->conn == CONN_RESOLVING) {
        ch->conn = CONN_IDLE; /* the resolver's answer will be dropped */
        uv_cancel((uv_req_t *)&ch->resolve);
    }
}

/* ---- bytes ---- */

static void lose_broken(struct mb_channel *ch)
{
    struct error e;
    error_set(&e, ERR_PROTOCOL, "", "%s sends bytes that are not Modbus", "%s 发来的不是 Modbus 数据", ch->cfg.place);
    mb_lose(ch, &e, false);
}

void mb_received(struct mb_channel *ch, size_t n)
{
    ch->rx_n += n;
    ch->st.bytes_in += n;
    call_receive(ch);
    if (ch->broken > 8) lose_broken(ch);
    channel_pump(ch);
}

/* ---- connecting ---- */

void mb_come_up(struct mb_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    uint64_t now = mb_now(ch);
    char kv[360];
    ch->conn = CONN_UP;
    ch->up_ns = now;
    ch->rx_n = 0;
    ch->broken = ch->silent = 0;
    ch->quiet = ch->connect_now = false;
    ch->echo = ch->cfg.echo;
    ch->sent_n = 0;
    ch->gap_ns = 0;
    ch->send_ns = now;
    for (int i = 0; i < 256; i++)
        if (ch->stations[i]) ch->stations[i]->probe_ns = now;
    for (size_t i = 0; i < ch->ngroups; i++) /* all were waiting; those on time keep their phase */
        if (!ch->groups[i]->broadcast && (ch->lost_told || ch->groups[i]->slot.due_ns < now))
            poll_move(&ch->queue, &ch->groups[i]->slot, now);
    if (!ch->lost_told) mb_refresh_state(ch);
    if (ch->ngroups == 0) mb_state(ch, DRIVER_UP, NULL);
    snprintf(kv, sizeof kv, "to=%s", ch->cfg.place);
    h->log(h->ctx, DRIVER_LOG_INFO, "connected", kv);
}

static void open_link(struct mb_channel *ch, const struct sockaddr *addr)
{
    ch->conn = CONN_CONNECTING;
    ch->cfg.link->open(ch, addr);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct mb_channel *ch = req->data;
    ch->resolving = false;
    if (ch->closing) {
        uv_freeaddrinfo(res);
        maybe_free(ch);
        return;
    }
    if (ch->conn == CONN_RESOLVING) {
        if (status || res == NULL)
            mb_lose_uv(ch, status ? status : UV_EAI_NONAME, false);
        else
            open_link(ch, res->ai_addr);
    }
    uv_freeaddrinfo(res);
    channel_pump(ch);
}

static void resolve(struct mb_channel *ch)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = ch->cfg.link == &mb_link_udp ? SOCK_DGRAM : SOCK_STREAM};
    char port[8];
    snprintf(port, sizeof port, "%u", ch->cfg.port);
    ch->conn = CONN_RESOLVING;
    ch->resolve.data = ch;
    int rc = uv_getaddrinfo(ch->timer.loop, &ch->resolve, on_resolved, ch->cfg.host, port, &hints);
    ch->resolving = rc == 0;
    if (rc) mb_lose_uv(ch, rc, false);
}

static void start_connect(struct mb_channel *ch, uint64_t now)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    ch->connect_deadline_ns = now + (uint64_t)ch->cfg.connect_ms * NS_MS;
    ch->connect_now = false;
    if (ch->up_ns) ch->st.reconnects++;
    mb_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (!ch->cfg.link->resolves)
        open_link(ch, NULL);
    else if (uv_ip4_addr(ch->cfg.host, ch->cfg.port, &a.v4) == 0 || uv_ip6_addr(ch->cfg.host, ch->cfg.port, &a.v6) == 0)
        open_link(ch, &a.any);
    else if (ch->resolving) /* a resolver that we gave up on is still at it */
        ch->retry_ns = now + 100 * (uint64_t)NS_MS;
    else
        resolve(ch);
}

static void connection(struct mb_channel *ch, uint64_t now)
{
    if (ch->conn == CONN_CONNECTING && now >= ch->connect_deadline_ns) mb_lose_uv(ch, UV_ETIMEDOUT, false);
    if (!mb_wanted(ch)) {
        close_link(ch);
        mb_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (ch->conn == CONN_IDLE && (ch->connect_now || now >= ch->retry_ns)) start_connect(ch, now);
}

/* ---- the heart ---- */

static void pump_once(struct mb_channel *ch)
{
    uint64_t now = mb_now(ch);
    if (ch->gap_ns && ch->gap_ns <= now) {
        ch->gap_ns = 0;
        call_silence(ch);
    }
    call_timeouts(ch, now);
    job_expire(ch, now);
    if (ch->closing) return;
    if (ch->held || ch->bad_held) poll_hold_retry(ch);
    connection(ch, now);
    if (ch->conn == CONN_UP) poll_due(ch, now);
    job_start(ch, now);
    while (ch->conn == CONN_UP && call_free(ch) && now >= ch->send_ns && poll_send(ch, now)) continue;
    if (!ch->closing) plan_wake(ch, now);
}

void channel_pump(struct mb_channel *ch)
{
    if (ch->pumping || ch->closing) return;
    ch->pumping = true;
    pump_once(ch);
    ch->pumping = false;
}

/* ---- open and close ---- */

int mb_open(const struct driver_host *host, const struct driver *driver, const struct mb_config *c,
            struct driver_channel **ret, struct error *e)
{
    struct mb_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){driver, host};
    ch->cfg = *c;
    ch->active_tail = &ch->active;
    ch->transaction = (uint16_t)host->random(host->ctx);
    ch->st.since_us = host->now_us(host->ctx);
    int rc = uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->timer_open = rc == 0;
    if (rc) {
        mem_free(ch);
        return error_set(e, ERR_INTERNAL, "", "timer: %s", "定时器：%s", uv_strerror(rc));
    }
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct mb_channel *ch = h->data;
    ch->timer_open = false;
    maybe_free(ch);
}

void mb_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct mb_channel *ch = (struct mb_channel *)base;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    job_cancel_all(ch);
    for (size_t i = 0; i < ch->ngroups; i++) call_forget(ch, ch->groups[i]);
    close_link(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
