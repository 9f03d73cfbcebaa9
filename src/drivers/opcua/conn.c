/* conn.c - the connection of a channel, requests and answers, and the heart that keeps it going.
 *
 *   IDLE -> CONNECTING (TCP) -> OPENING (hello, secure channel, endpoints, session) -> UP -> CLOSING -> IDLE
 *
 * The endpoints are asked over a channel without security; where the chosen one has security the socket is closed and a
 * second one opened (oc_reopen). A lost connection is made again after a back-off, at once only by a job. */
#include <stdio.h>
#include "drivers/common/wake.h"
#include "drivers/opcua/opcua_int.h"

#define LASTED_NS (10 * 1000 * NS_MS)
#define OUT_MAX (64u << 20)
#define IDENTITY_MS 200

uint64_t oc_now(const struct oc_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t oc_utc(const struct oc_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

int oc_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return uv_random(NULL, NULL, p, n, 0, NULL) == 0 ? 0 : ERR_IO;
}

/* ---- state ---- */

void oc_state(struct oc_channel *ch, enum driver_state s, const struct error *why)
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

void oc_refresh_state(struct oc_channel *ch)
{
    const struct error *why = ch->refused ? &ch->refusal : oc_events_trouble(ch);
    if (ch->conn == CONN_UP) oc_state(ch, why ? DRIVER_DEGRADED : DRIVER_UP, why);
}

static bool has_points(const struct oc_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (!ch->points[i].config_error && !ch->points[i].method) return true;
    return false;
}

bool oc_wanted(const struct oc_channel *ch)
{
    return ch->njobs || has_points(ch);
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct oc_channel *ch = t->data;
    ch->wake_ns = 0;
    oc_pump(ch);
}

static void plan_at(struct oc_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, oc_now(ch), ns);
}

static void plan_wake(struct oc_channel *ch, uint64_t now, uint64_t tick)
{
    uint64_t at = oc_job_deadline(ch);
    for (const struct oc_request *r = ch->requests; r && !ch->held; r = r->next)
        if (r->deadline_ns) wake_earlier(&at, r->deadline_ns);
    if (ch->conn == CONN_UP && !ch->held) wake_earlier(&at, oc_sub_deadline(ch));
    if (!ch->held) wake_earlier(&at, oc_events_deadline(ch));
    wake_earlier(&at, oc_spare_deadline(ch));
    if (ch->conn == CONN_UP && !has_points(ch) && ch->linger_ns > now) wake_earlier(&at, ch->linger_ns);
    if (ch->conn == CONN_OPENING || ch->conn == CONN_UP) wake_earlier(&at, tick);
    if (ch->held) wake_earlier(&at, now + 5 * NS_MS);
    if (ch->conn == CONN_IDLE && oc_wanted(ch)) wake_earlier(&at, ch->retry_ns);
    plan_at(ch, at);
}

/* ---- requests ---- */

static void fail_requests(struct oc_channel *ch, const struct error *e)
{
    struct oc_request *list = TAKE(ch->requests), *r;
    while ((r = list) != NULL) {
        list = r->next;
        r->done(ch, r->arg, NULL, e, false);
        mem_free(r);
    }
}

/* The caller's structure begins with its header. */
void oc_call(struct oc_channel *ch, unsigned type, void *request, uint32_t timeout_ms, oc_answer *done, void *arg)
{
    struct ua_request_header *h = request;
    struct oc_request *r = mem_calloc(1, sizeof *r);
    struct error e = {0};
    uint32_t id = 0;
    *h = (struct ua_request_header){.authentication_token = ch->token,
                                    .timestamp = oc_utc(ch),
                                    .request_handle = (uint32_t)++ch->st.requests,
                                    .timeout_hint = timeout_ms};
    int rc = r && ch->ua ? ua_channel_send(ch->ua, type, request, &id) : r ? ERR_CLOSED : ERR_NOMEM;
    if (rc) {
        mem_free(r);
        error_set(&e, rc, "", "the request could not be sent: %s%.0s", "请求无法发送：%.0s%s", error_title(rc),
                  error_title_zh(rc));
        done(ch, arg, NULL, &e, true);
        return;
    }
    uint64_t now = ch->last_call_ns = oc_now(ch);
    *r = (struct oc_request){ch->requests, id, ua_response_of(type), now, timeout_ms ? now + timeout_ms * NS_MS : 0,
                             done,         arg};
    ch->requests = r;
    ch->again = true;
}

static struct oc_request *take_request(struct oc_channel *ch, uint32_t id)
{
    for (struct oc_request **p = &ch->requests; *p; p = &(*p)->next) {
        struct oc_request *r = *p;
        if (r->id != id) continue;
        *p = r->next;
        return r;
    }
    return NULL;
}

static bool ends_session(uint32_t status)
{
    static const uint32_t codes[] = {UA_BAD_SESSION_ID_INVALID, UA_BAD_SESSION_CLOSED, UA_BAD_SESSION_NOT_ACTIVATED,
                                     UA_BAD_SECURE_CHANNEL_ID_INVALID};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == status) return true;
    return false;
}

static void answered(struct oc_channel *ch, const struct ua_event *ev)
{
    struct oc_request *r = take_request(ch, ev->request_id);
    struct error e = {0};
    if (r == NULL) return;
    const struct ua_response_header *h = ev->value;
    uint32_t status = ev->status ? ev->status : h ? h->service_result : UA_BAD_DECODING_ERROR;
    bool right = ev->type == r->type && ev->value && !ev->status;
    if (!right && !ua_bad(status)) status = UA_BAD_UNEXPECTED_ERROR;
    if (r->deadline_ns) {
        uint32_t rtt = (uint32_t)((oc_now(ch) - r->sent_ns) / 1000);
        ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + rtt / 8 : rtt;
    }
    if (right && !ua_bad(status)) {
        ch->st.last_ok_us = oc_utc(ch);
        r->done(ch, r->arg, ev->value, NULL, false);
    } else {
        ch->st.errors++;
        ch->status = status;
        if (ua_status_error(status, "the server", &e) == 0) e.code = ERR_PROTOCOL;
        if (ch->conn == CONN_UP && ends_session(status)) oc_lose(ch, &e);
        r->done(ch, r->arg, NULL, &e, true);
    }
    mem_free(r);
}

static void time_out(struct oc_channel *ch, uint64_t now)
{
    struct error e;
    for (const struct oc_request *r = ch->requests; r && !ch->held; r = r->next) {
        if (!r->deadline_ns || r->deadline_ns > now) continue;
        ch->st.timeouts++;
        error_set(&e, ERR_TIMEOUT, "", "%s:%u does not answer", "%s:%u 没有应答", ch->cfg.at.host, ch->cfg.at.port);
        oc_lose(ch, &e);
        return;
    }
}

/* ---- losing ---- */

static void free_channel(struct oc_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    oc_sub_forget(ch);
    oc_events_free(ch);
    oc_set_free(ch);
    oc_session_forget(ch);
    oc_backfill_free(ch);
    arena_fini(&ch->session);
    mem_free(ch->handles);
    mem_free(ch->batch);
    mem_free(ch->acks);
    buf_fini(&ch->rx);
    arena_fini(&ch->arena);
    oc_config_free(&ch->cfg);
    mem_free(ch);
    closed(arg);
}

void oc_maybe_free(struct oc_channel *ch)
{
    if (ch->closing && !ch->stream_open && !ch->timer_open && !ch->nspares) free_channel(ch);
}

static void on_stream_closed(void *arg)
{
    struct oc_channel *ch = arg;
    ch->stream_open = false;
    ch->conn = CONN_IDLE;
    ua_channel_free(TAKE(ch->ua));
    buf_clear(&ch->rx);
    if (ch->closing)
        oc_maybe_free(ch);
    else
        oc_pump(ch);
}

static void close_stream(struct oc_channel *ch)
{
    if (ch->conn == CONN_IDLE || ch->conn == CONN_CLOSING) return;
    ch->conn = CONN_CLOSING;
    tls_stream_close(TAKE(ch->stream), on_stream_closed, ch);
}

static void trace(struct oc_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    if (h->frame == NULL || (!h->trace && !e)) return;
    struct driver_frame f = {.time_us = h->now_us(h->ctx), .dir = dir, .bytes = p, .n = n, .error = e};
    h->frame(h->ctx, &f);
}

/* Whole chunks of `b`; returns their bytes. */
static size_t trace_chunks(struct oc_channel *ch, enum driver_dir dir, const uint8_t *p, size_t n)
{
    size_t at = 0;
    while (n - at >= 8) {
        const uint8_t *c = p + at;
        size_t size = c[4] | (size_t)c[5] << 8 | (size_t)c[6] << 16 | (size_t)c[7] << 24;
        if (size < 8 || size > n - at) break;
        trace(ch, dir, c, size, NULL);
        at += size;
    }
    return at;
}

static void write_out(struct oc_channel *ch)
{
    struct buf *out = ch->ua && ch->stream ? ua_channel_out(ch->ua) : NULL;
    if (out == NULL || out->n == 0) return;
    trace_chunks(ch, DRIVER_TX, out->p, out->n);
    ch->st.bytes_out += out->n;
    if (tls_stream_write(ch->stream, out->p, out->n) == ERR_LIMIT) {
        struct error e;
        error_set(&e, ERR_LIMIT, "", "%s:%u does not take what it is sent", "%s:%u 不接收发送的数据", ch->cfg.at.host,
                  ch->cfg.at.port);
        oc_lose(ch, &e);
        return;
    }
    buf_clear(out);
}

static void lost(struct oc_channel *ch, const struct error *why, enum oc_conn was)
{
    const struct driver_host *h = ch->base.host;
    struct error e = *why; /* it may stand in something that changes below */
    char kv[480];
    uint64_t now = oc_now(ch);
    if (was == CONN_UP && now - ch->up_ns >= LASTED_NS) backoff_reset(&ch->cfg.backoff);
    ch->retry_ns = now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
    ch->why = e;
    ch->connect_now = false;
    if (!oc_resume_keep(ch, was)) {
        oc_session_forget(ch);
        oc_sub_forget(ch);
    }
    oc_state(ch, DRIVER_DOWN, &e);
    snprintf(kv, sizeof kv, "retry_ms=%llu err=\"%s\"", (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    oc_tell_lost(ch);
    fail_requests(ch, &e);
    oc_job_fail_all(ch, &e);
    if (was != CONN_IDLE) oc_spare_lost(ch);
}

void oc_lose(struct oc_channel *ch, const struct error *why)
{
    enum oc_conn was = ch->conn;
    if (ch->closing || was == CONN_IDLE || was == CONN_CLOSING) return;
    close_stream(ch);
    lost(ch, why, was);
}

void oc_reopen(struct oc_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "connecting anew", "正在重新连接");
    if (ch->ua) ua_channel_close(ch->ua);
    write_out(ch);
    ch->connect_now = true;
    close_stream(ch);
    fail_requests(ch, &e);
}

/* No point and no call needs the server: let go of it. */
static void hang_up(struct oc_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CLOSED, "", "the connection was closed", "连接已关闭");
    if (ch->conn == CONN_UP) oc_session_end(ch);
    if (ch->ua && ch->conn != CONN_CLOSING) ua_channel_close(ch->ua);
    if (ch->conn == CONN_UP || ch->conn == CONN_OPENING) write_out(ch);
    close_stream(ch);
    oc_session_forget(ch);
    oc_sub_forget(ch);
    fail_requests(ch, &e);
}

void oc_redirect(struct oc_channel *ch, const struct oc_place *to)
{
    hang_up(ch);
    ch->cfg.at = *to;
    ch->connect_now = true;
    backoff_reset(&ch->cfg.backoff);
    oc_pump(ch);
}

/* ---- events ---- */

static void broken(struct oc_channel *ch, const struct ua_event *ev)
{
    struct error e, s = {0};
    uint32_t status = ev->status ? ev->status : UA_BAD_COMMUNICATION_ERROR;
    ch->st.errors++;
    if (ua_status_error(status, ev->remote ? "the server closed the connection" : "the connection", &s) == 0)
        error_set(&s, ERR_CLOSED, "", "the server closed the connection", "服务器关闭了连接");
    char reason[200];
    str_to_cstr(ev->text, reason, sizeof reason);
    error_set(&e, s.code, "", "%s%.0s%s%s", "%.0s%s%s%s", s.text, s.text_zh, reason[0] ? ": " : "", reason);
    oc_lose(ch, &e);
}

static void take_event(struct oc_channel *ch, const struct ua_event *ev)
{
    switch (ev->kind) {
    case UA_EVENT_OPENED: oc_session_begin(ch); break;
    case UA_EVENT_MESSAGE: answered(ch, ev); break;
    case UA_EVENT_ABORTED: answered(ch, &(struct ua_event){.request_id = ev->request_id, .status = ev->status}); break;
    case UA_EVENT_CLOSED:
    case UA_EVENT_ERROR: broken(ch, ev); break;
    default: break;
    }
}

static void receive(struct oc_channel *ch, uint64_t now)
{
    struct ua_event ev;
    while ((ch->conn == CONN_OPENING || ch->conn == CONN_UP) && !ch->held) {
        arena_reset(&ch->arena);
        if (ua_channel_next(ch->ua, now, &ch->arena, &ev) != 1) break;
        take_event(ch, &ev);
    }
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct oc_channel *ch = ctx;
    struct error e;
    if ((ch->conn != CONN_OPENING && ch->conn != CONN_UP) || ch->closing) return;
    ch->st.bytes_in += n;
    buf_add(&ch->rx, p, n);
    buf_drop(&ch->rx, trace_chunks(ch, DRIVER_RX, ch->rx.p, ch->rx.n));
    if (ch->rx.err || ch->rx.n > OC_TRACE_MAX / 2) buf_clear(&ch->rx);
    if (ua_channel_in(ch->ua, p, n)) {
        error_set(&e, ERR_PROTOCOL, "", "%s:%u sends more than can be taken", "%s:%u 发送的数据过多", ch->cfg.at.host,
                  ch->cfg.at.port);
        oc_lose(ch, &e);
    }
    oc_pump(ch);
}

/* ---- connecting ---- */

static int64_t clock_us(void *ctx)
{
    return oc_utc(ctx);
}

static void on_opened(void *ctx)
{
    struct oc_channel *ch = ctx;
    struct error e;
    struct ua_channel_config c = {.random = {oc_random, NULL},
                                  .cert = ch->cfg.cert,
                                  .key = ch->cfg.key,
                                  .now_us = clock_us,
                                  .lifetime_ms = ch->cfg.token_ms,
                                  .ctx = ch,
                                  .endpoint_url = str_of(ch->cfg.at.url)};
    c.policy = oc_wire_policy(ch, &c.mode, &c.peer);
    ch->conn = CONN_OPENING;
    if (ua_channel_new(&c, &ch->ua, &e)) {
        oc_lose(ch, &e);
    } else {
        ua_channel_start(ch->ua, oc_now(ch));
        write_out(ch);
    }
    oc_pump(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    oc_lose(ctx, why);
    oc_pump(ctx);
}

/* Our certificate is being made: soon. */
static void wait_identity(struct oc_channel *ch)
{
    struct error e;
    error_set(&e, ERR_AGAIN, "", "this node's certificate is being made", "正在生成本机证书");
    ch->retry_ns = oc_now(ch) + IDENTITY_MS * NS_MS;
    oc_state(ch, DRIVER_CONNECTING, &e);
}

static void start_connect(struct oc_channel *ch)
{
    static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};
    struct tls_stream_config c = {
        .host = ch->cfg.at.host, .port = ch->cfg.at.port, .connect_ms = ch->cfg.connect_ms, .out_max = OUT_MAX};
    struct error e = {0};
    enum ua_mode mode;
    const struct ua_cert *peer;
    ch->connect_now = false;
    int rc = oc_wire_policy(ch, &mode, &peer)->id != UA_POLICY_NONE ? oc_identity(ch, &e) : 0;
    if (rc == ERR_AGAIN) {
        wait_identity(ch);
        return;
    }
    if (rc) {
        lost(ch, &e, CONN_IDLE);
        return;
    }
    if (ch->up_ns && (!ch->discovered || ch->resume)) ch->st.reconnects++;
    oc_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    if (tls_stream_open(ch->timer.loop, &c, &ops, ch, &ch->stream, &e)) {
        lost(ch, &e, CONN_IDLE);
        return;
    }
    ch->stream_open = true;
    ch->conn = CONN_CONNECTING;
}

static void connection(struct oc_channel *ch, uint64_t now)
{
    bool wanted = oc_wanted(ch);
    if (!wanted && ch->conn == CONN_UP && ch->linger_ns > now) return;
    if (!wanted) {
        hang_up(ch);
        oc_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (ch->conn == CONN_IDLE && (ch->connect_now || now >= ch->retry_ns)) start_connect(ch);
}

/* ---- the heart ---- */

static uint64_t pump_once(struct oc_channel *ch)
{
    uint64_t now = oc_now(ch), tick = UINT64_MAX;
    if (oc_flush(ch)) receive(ch, now);
    if (ch->conn == CONN_OPENING || ch->conn == CONN_UP) tick = ua_channel_tick(ch->ua, now);
    if (oc_flush(ch)) receive(ch, now);
    time_out(ch, now);
    connection(ch, now);
    oc_spare_pump(ch, now);
    oc_job_pump(ch, now);
    if (ch->conn == CONN_UP && !ch->held) oc_sub_pump(ch, now);
    if (ch->conn == CONN_UP && !ch->held) oc_events_pump(ch, now);
    if (ch->conn == CONN_UP && !ch->held) oc_types_pump(ch);
    if (ch->conn == CONN_UP && !ch->held) oc_refresh_pump(ch);
    if (ch->conn == CONN_UP && !ch->held) oc_backfill_pump(ch);
    write_out(ch);
    return tick;
}

/* Callbacks may ask for more while it runs: then once more, but not for ever. */
void oc_pump(struct oc_channel *ch)
{
    uint64_t tick = UINT64_MAX;
    ch->again = true;
    if (ch->pumping || ch->closing) return;
    ch->pumping = true;
    for (int i = 0; i < 8 && ch->again && !ch->closing; i++) {
        ch->again = false;
        tick = pump_once(ch);
    }
    ch->pumping = false;
    if (ch->closing) return;
    if (ch->again) plan_at(ch, oc_now(ch));
    plan_wake(ch, oc_now(ch), tick);
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *h)
{
    struct oc_channel *ch = h->data;
    ch->timer_open = false;
    oc_maybe_free(ch);
}

void oc_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the channel was closed", "通道已关闭");
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    ch->tell_lost = false;
    ch->nbatch = 0;
    fail_requests(ch, &e);
    oc_job_fail_all(ch, &e);
    hang_up(ch);
    oc_spares_close(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
