/* conn.c - the listening port, connections, their bytes, and the timer that stands for everything that waits.
 *
 * A connection is read only while what it brought has a place to go (hj_conn_flow). It is closed when nothing came for
 * the idle time-out, when no configured MN spoke within a minute, when rubbish does not end, or when it does not take
 * what is sent. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/check.h"
#include "drivers/hj212/hj212_int.h"

#define RUBBISH_MAX (64u << 10)
#define WRITE_QUEUE_MAX (256u << 10)
#define STRANGER_NS (60 * NS_S)
#define GRACE_NS (2 * NS_S) /* of strangers, when all places are taken */
#define POLL_NS (3 * NS_MS) /* while something waits for the host */

static void on_timer(uv_timer_t *t);

uint64_t hj_now(const struct hj_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}
int64_t hj_utc(const struct hj_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}
void hj_log(struct hj_channel *ch, enum driver_log level, const char *msg, const char *kv)
{
    ch->base.host->log(ch->base.host->ctx, level, msg, kv);
}

/* ---- frames, for diagnostics ---- */

static void trace(struct hj_conn *c, enum driver_dir dir, const void *p, size_t n, const struct error *e)
{
    const struct driver_host *h = c->ch->base.host;
    struct driver_frame f = {.time_us = hj_utc(c->ch), .dir = dir, .link = c->number, .bytes = p, .n = n, .error = e};
    if (h->frame && (e || h->trace)) h->frame(h->ctx, &f);
}

static void on_frame(void *ctx, const void *p, size_t n)
{
    struct hj_conn *c = ctx;
    c->rubbish_from = c->link.rubbish;
    trace(c, DRIVER_RX, p, n, NULL);
}

static void on_bad(void *ctx, const void *p, size_t n, const struct error *e)
{
    struct hj_conn *c = ctx;
    c->ch->st.errors++;
    trace(c, DRIVER_RX, p, n, e);
}

/* ---- sending ---- */

struct out {
    uv_write_t req;
    uint8_t bytes[];
};

static void on_written(uv_write_t *req, int status)
{
    mem_free(req->data);
}

static void send_later(struct hj_conn *c, const uint8_t *p, size_t n)
{
    struct out *w = mem_alloc(sizeof *w + n);
    if (w == NULL) {
        c->doomed = true;
        return;
    }
    memcpy(w->bytes, p, n);
    w->req.data = w;
    uv_buf_t b = uv_buf_init((char *)w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, on_written)) mem_free(w);
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > WRITE_QUEUE_MAX) c->doomed = true; /* takes nothing */
}

static void on_send(void *ctx, const void *p, size_t n)
{
    struct hj_conn *c = ctx;
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (c->closing) return;
    for (size_t at = 0; c->ch->base.host->trace && at < n;) {
        struct hj212_frame f;
        if (hj212_frame_next((const uint8_t *)p + at, n - at, &f, NULL) != 1) break;
        trace(c, DRIVER_TX, (const uint8_t *)p + at, f.used, NULL);
        at += f.used;
    }
    int k = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    size_t sent = k > 0 ? (size_t)k : 0;
    c->ch->st.bytes_out += n;
    if (sent < n && (k >= 0 || k == UV_EAGAIN)) send_later(c, (const uint8_t *)p + sent, n - sent);
}

static int on_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    return hj_message(ctx, m, token);
}

static void on_ended(void *ctx, const struct hj212_ended *e)
{
    struct hj_conn *c = ctx;
    struct hj_channel *ch = c->ch;
    if (e->rtt_us) ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + e->rtt_us / 8 : e->rtt_us;
    if (e->end == HJ212_END_SILENT || e->end == HJ212_END_NO_RESULT) ch->st.timeouts++;
    if (!hj_chore_ended(ch, c, e)) hj_job_ended(ch, c, e);
}

static const struct hj212_link_ops link_ops = {on_send, on_message, on_ended, on_bad, on_frame};

/* ---- closing a connection ---- */

static void maybe_free(struct hj_channel *ch)
{
    if (!ch->closing || ch->conns || ch->listener_open || ch->timer_open) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    hj_set_free(ch);
    hj_seen_free(ch);
    mem_free(ch->fields);
    mem_free(ch->batch);
    mem_free(ch);
    closed(arg);
}

static void on_conn_closed(uv_handle_t *h)
{
    struct hj_conn *c = h->data;
    struct hj_channel *ch = c->ch;
    struct hj_conn **p = &ch->conns;
    while (*p != c) p = &(*p)->next;
    *p = c->next;
    hj212_link_fini(&c->link);
    mem_free(c);
    maybe_free(ch);
}

void hj_conn_drop(struct hj_conn *c, const struct error *why)
{
    struct hj_channel *ch = c->ch;
    char kv[480];
    if (c->closing) return;
    c->closing = true;
    ch->nconns--;
    snprintf(kv, sizeof kv, "peer=%s err=\"%s\"", c->peer, why ? why->text : "");
    hj_log(ch, DRIVER_LOG_INFO, "connection closed", kv);
    hj_conn_forget(c);
    hj212_link_reset(&c->link); /* ends jobs and chores: they count as unknown */
    hj_device_lost(ch, c, why);
    uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
    hj_state(ch);
}

static void drop_text(struct hj_conn *c, const char *en, const char *zh)
{
    struct error e = {.code = ERR_CLOSED};
    str_to_cstr(str_of(en), e.text, sizeof e.text);
    str_to_cstr(str_of(zh), e.text_zh, sizeof e.text_zh);
    hj_conn_drop(c, &e);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static _Thread_local char bytes[65536];
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct hj_conn *c = s->data;
    struct hj_channel *ch = c->ch;
    if (n < 0) {
        char text[160];
        snprintf(text, sizeof text, "the instrument closed the connection: %s", uv_strerror((int)n));
        drop_text(c, n == UV_EOF ? "the instrument closed the connection" : text, "仪器已断开连接");
        return;
    }
    c->rx_ns = hj_now(ch);
    ch->st.bytes_in += (uint64_t)n;
    c->in_link = true;
    hj212_link_receive(&c->link, buf->base, (size_t)n, c->rx_ns);
    c->in_link = false;
    if (c->link.rubbish - c->rubbish_from > RUBBISH_MAX)
        drop_text(c, "what comes is no HJ 212", "收到的不是 HJ 212 数据");
    else if (c->doomed)
        drop_text(c, "the instrument does not read what is sent to it", "仪器不读取发给它的数据");
    if (!c->closing) hj_conn_flow(c);
    hj_wake(ch, hj212_link_next(&c->link));
}

void hj_conn_flow(struct hj_conn *c)
{
    bool want = !c->closing && c->held == NULL && c->nacks < HJ_ACKS_MAX;
    if (want == c->reading || c->closing) return;
    c->reading = want;
    if (want)
        (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

/* ---- accepting ---- */

static void name_peer(struct hj_conn *c)
{
    struct sockaddr_storage a;
    int len = sizeof a;
    char ip[48] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &len) == 0) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a;
        uv_ip_name((const struct sockaddr *)&a, ip, sizeof ip);
        port = ntohs(v6->sin6_port); /* the same place in both */
    }
    snprintf(c->peer, sizeof c->peer, "%s:%u", ip, port);
}

static void on_refused(uv_handle_t *h)
{
    mem_free(h);
}

static void turn_away(struct hj_channel *ch, uv_stream_t *s)
{
    uv_tcp_t *t = mem_alloc(sizeof *t);
    ch->turned_away++;
    if (t == NULL || uv_tcp_init(s->loop, t)) {
        mem_free(t);
        return;
    }
    (void)uv_accept(s, (uv_stream_t *)t);
    uv_close((uv_handle_t *)t, on_refused);
}

/* All places are taken: the oldest who has not named a configured MN, and has had its time to, makes room. */
static void make_room(struct hj_channel *ch)
{
    struct hj_conn *oldest = NULL; /* the list has the youngest first */
    for (struct hj_conn *c = ch->conns; c; c = c->next)
        if (!c->closing && !c->known && hj_now(ch) - c->opened_ns > GRACE_NS) oldest = c;
    if (oldest)
        drop_text(oldest, "another wanted its place; no configured MN spoke here",
                  "连接数已满，且此连接上没有已配置的 MN");
}

static void on_connection(uv_stream_t *s, int status)
{
    struct hj_channel *ch = s->data;
    struct hj_conn *c = NULL;
    if (status < 0 || ch->closing) return;
    if (ch->nconns >= ch->cfg.max_connections) make_room(ch);
    if (ch->nconns >= ch->cfg.max_connections || (c = mem_calloc(1, sizeof *c)) == NULL) {
        turn_away(ch, s);
        return;
    }
    hj212_link_init(&c->link, &link_ops, c, true, ch->cfg.tz_minutes);
    if (uv_tcp_init(s->loop, &c->tcp)) {
        hj212_link_fini(&c->link);
        mem_free(c);
        turn_away(ch, s);
        return;
    }
    c->ch = ch;
    c->tcp.data = c;
    c->held_tail = &c->held;
    c->acks_tail = &c->acks;
    c->number = ++ch->next_number ? ch->next_number : ++ch->next_number;
    c->opened_ns = c->rx_ns = hj_now(ch);
    c->next = ch->conns;
    ch->conns = c;
    ch->nconns++;
    if (uv_accept(s, (uv_stream_t *)&c->tcp)) {
        hj_conn_drop(c, NULL);
        return;
    }
    name_peer(c);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60);
    hj_conn_flow(c);
}

/* ---- listening ---- */

static void on_listener_closed(uv_handle_t *h)
{
    struct hj_channel *ch = h->data;
    ch->listener_open = ch->listener_closing = false;
    maybe_free(ch);
}

static void close_listener(struct hj_channel *ch)
{
    ch->listening = false;
    if (!ch->listener_open || ch->listener_closing) return;
    ch->listener_closing = true;
    uv_close((uv_handle_t *)&ch->listener, on_listener_closed);
}

static int bind_to(struct hj_channel *ch)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    if (uv_ip4_addr(ch->cfg.bind, ch->cfg.port, &a.v4) && uv_ip6_addr(ch->cfg.bind, ch->cfg.port, &a.v6))
        return UV_EINVAL;
    int rc = uv_tcp_init(ch->base.host->loop, &ch->listener);
    if (rc) return rc;
    ch->listener_open = true;
    ch->listener.data = ch;
    rc = uv_tcp_bind(&ch->listener, &a.any, 0);
    return rc ? rc : uv_listen((uv_stream_t *)&ch->listener, 512, on_connection);
}

void hj_listen(struct hj_channel *ch)
{
    uint64_t now = hj_now(ch);
    char kv[480];
    ch->wanted = true;
    if (ch->listening || ch->closing || ch->listener_open) return;
    int rc = bind_to(ch);
    if (rc == 0) {
        ch->listening = true;
        ch->tries = 0;
        ch->why = (struct error){0};
        snprintf(kv, sizeof kv, "bind=%s port=%u", ch->cfg.bind, ch->cfg.port);
        hj_log(ch, DRIVER_LOG_INFO, "listening", kv);
    } else {
        error_set(&ch->why, ERR_UNAVAILABLE, "port", "cannot listen on %s, port %u: %s", "无法监听 %s 端口 %u：%s",
                  ch->cfg.bind, ch->cfg.port, uv_strerror(rc));
        if (ch->tries++ == 0) hj_log(ch, DRIVER_LOG_WARN, "cannot listen", ch->why.text);
        close_listener(ch);
        ch->retry_ns = now + (ch->tries < 6 ? 1u << (ch->tries - 1) : 60) * NS_S;
        hj_wake(ch, ch->retry_ns);
    }
    hj_state(ch);
}

/* ---- the timer ---- */

void hj_wake(struct hj_channel *ch, uint64_t ns)
{
    uint64_t now = hj_now(ch);
    if (ch->closing || ns == UINT64_MAX) return;
    uint64_t ms = ns > now ? (ns - now + NS_MS - 1) / NS_MS : 0;
    uv_update_time(ch->timer.loop);
    if (uv_is_active((uv_handle_t *)&ch->timer) && uv_timer_get_due_in(&ch->timer) <= ms) return;
    uv_timer_start(&ch->timer, on_timer, ms, 0);
}

static void check_conn(struct hj_conn *c, uint64_t now)
{
    c->in_link = true;
    hj212_link_tick(&c->link, now);
    c->in_link = false;
    if (c->closing) return;
    hj_offer(c);
    if (c->doomed)
        drop_text(c, "the instrument does not read what is sent to it", "仪器不读取发给它的数据");
    else if (now - c->rx_ns > c->ch->cfg.idle_ns && c->reading)
        drop_text(c, "nothing came from the instrument for the idle time-out", "在空闲超时内未收到仪器数据");
    else if (!c->known && now - c->opened_ns > STRANGER_NS)
        drop_text(c, "no configured MN spoke on this connection", "此连接上没有已配置的 MN");
    else
        hj_conn_flow(c);
}

static void on_timer(uv_timer_t *t)
{
    struct hj_channel *ch = t->data;
    uint64_t now = hj_now(ch), at = now + NS_S;
    if (ch->wanted && !ch->listening && now >= ch->retry_ns) hj_listen(ch);
    for (struct hj_conn *c = ch->conns, *next; c; c = next) {
        next = c->next; /* freed only later, by the loop */
        if (!c->closing) check_conn(c, now);
    }
    hj_stale(ch, now);
    hj_pay(ch);
    for (struct hj_conn *c = ch->conns; c; c = c->next) {
        uint64_t first = c->closing ? UINT64_MAX : hj212_link_next(&c->link);
        if (!c->closing && (c->held || c->acks)) first = now + POLL_NS;
        if (first < at) at = first;
    }
    if (ch->owing) at = now + 5 * NS_MS < at ? now + 5 * NS_MS : at;
    hj_wake(ch, at);
}

/* ---- open and close ---- */

static int configure(struct hj_config *c, const struct options *o, struct error *e)
{
    str_to_cstr(str_of(opt_str(o, "bind", "0.0.0.0")), c->bind, sizeof c->bind);
    c->port = (uint16_t)opt_i64(o, "port", 9000);
    c->max_connections = (unsigned)opt_i64(o, "max_connections", 1000);
    c->idle_ns = (uint64_t)opt_us(o, "idle_timeout", 900 * TIME_US_PER_S) * 1000;
    int rc = check_bind(o, "bind", e);
    return rc ? rc : check_utc_offset(o, "time_zone", "+08:00", &c->tz_minutes, e);
}

int hj_channel_check(const struct options *o, struct error *e)
{
    struct hj_config c;
    return configure(&c, o, e);
}

int hj_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct hj_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&hj212_driver, host};
    int rc = configure(&ch->cfg, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        mem_free(ch);
        return rc;
    }
    ch->st.since_us = hj_utc(ch);
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = &ch->base;
    return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct hj_channel *ch = h->data;
    ch->timer_open = false;
    maybe_free(ch);
}

void hj_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    for (struct hj_conn *c = ch->conns; c; c = c->next) hj_conn_drop(c, &e);
    close_listener(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
