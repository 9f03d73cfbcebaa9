/* push.c - "websocket_push": batches as messages to a server that we connect to.
 *
 * Acknowledged  with `ack` (a JSONPath): when a message comes that has something there, the oldest batch is; the server
 * must answer each message in order. Without: when the socket has taken the message and the connection still stands,
 * which is all that can be known (what the network loses after that is lost). Window        8 batches under way. When
 * the connection is lost, or an answer is late, all of them are offered again. Threads       all on the channel's loop.
 */
#include <stdio.h>
#include "base/json_path.h"
#include "base/mem.h"
#include "drivers/common/poll.h"
#include "drivers/common/words.h"
#include "drivers/common/ws_settings.h"
#include "outlets/common/payload.h"
#include "outlets/common/points.h"
#include "outlets/websocket/outlet.h"

#define WINDOW 8
#define BODY_MAX (32u << 20)
#define OUT_MAX (64u << 20)
#define NS_MS 1000000u

struct ticket {
    uint64_t id, sent_ns;
    size_t n;
};
struct trying {
    struct trying *next;
    driver_test_done *done;
    void *arg;
    uint64_t began_ns;
};
struct push {
    struct outlet_channel base; /* first */
    struct ws_settings cfg;
    struct payload *payload;
    struct outlet_points points;
    struct outlet_status st;
    struct arena arena;
    const struct json_path_query *ack; /* NULL: none */
    uint32_t ack_ms;
    struct ws *w; /* NULL: no connection, none being made */
    bool up, refused, closing;
    struct ticket window[WINDOW]; /* oldest first */
    unsigned n;
    struct trying *tries;
    struct backoff backoff;
    uint64_t retry_ns;
    struct error why;
    uv_timer_t timer;
    unsigned open;
    driver_closed *closed;
    void *closed_arg;
};

static uint64_t now_ns(const struct push *s)
{
    return s->base.host->mono_ns(s->base.host->ctx);
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void close_parts(struct push *s)
{
    payload_free(s->payload);
    ws_settings_fini(&s->cfg);
    arena_fini(&s->arena);
}

static void part_gone(void *arg)
{
    struct push *s = arg;
    if (--s->open || !s->closing) return;
    driver_closed *closed = s->closed;
    void *closed_arg = s->closed_arg;
    outlet_points_fini(&s->points);
    close_parts(s);
    mem_free(s);
    closed(closed_arg);
}

/* ---- states ---- */

static void set_state(struct push *s, enum driver_state to, const struct error *why)
{
    const struct outlet_host *h = s->base.host;
    str_to_cstr(str_of(why ? why->text : ""), s->st.reason, sizeof s->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), s->st.reason_zh, sizeof s->st.reason_zh);
    if (s->st.state == to) return;
    s->st.state = to;
    s->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, to, why);
}

static void trace(struct push *s, enum driver_dir dir, struct str text)
{
    const struct outlet_host *h = s->base.host;
    const struct driver_frame f = {
        .time_us = h->now_us(h->ctx), .dir = dir, .bytes = (const uint8_t *)text.p, .n = text.n};
    if (h->frame && h->trace) h->frame(h->ctx, &f);
}

/* ---- batches under way ---- */

static void finish_first(struct push *s, const struct error *e)
{
    const struct outlet_host *h = s->base.host;
    struct ticket t = s->window[0];
    memmove(s->window, s->window + 1, --s->n * sizeof *s->window);
    if (!e) {
        s->st.items += t.n;
        s->st.last_ok_us = h->now_us(h->ctx);
        uint32_t us = (uint32_t)((now_ns(s) - t.sent_ns) / 1000);
        s->st.rtt_us = s->st.rtt_us ? s->st.rtt_us - s->st.rtt_us / 8 + us / 8 : us;
    }
    h->sent(h->ctx, t.id, e);
}

static void finish_all(struct push *s, const struct error *e)
{
    while (s->n) finish_first(s, e);
}

static void tests_end(struct push *s, const struct error *e)
{
    char en[300] = "", zh[300] = "";
    if (!e) snprintf(en, sizeof en, "connected to %s:%u", s->cfg.url.host, s->cfg.url.port);
    if (!e) snprintf(zh, sizeof zh, "已连接 %s:%u", s->cfg.url.host, s->cfg.url.port);
    while (s->tries) {
        struct trying *t = s->tries;
        s->tries = t->next;
        t->done(t->arg, e, (uint32_t)((now_ns(s) - t->began_ns) / NS_MS), en, zh);
        mem_free(t);
    }
}

/* ---- the timer: reconnecting, late answers, what the socket took ---- */

static void pump(struct push *s);

static void on_timer(uv_timer_t *t)
{
    pump(t->data);
}

static void plan(struct push *s)
{
    uint64_t now = now_ns(s), at = UINT64_MAX;
    if (!s->w && (s->points.n || s->tries)) at = s->retry_ns;
    if (s->ack && s->n) at = s->window[0].sent_ns + (uint64_t)s->ack_ms * NS_MS;
    if (!s->ack && s->n && s->up) at = now + 5 * NS_MS;
    if (at == UINT64_MAX) {
        uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(s->base.host->loop);
    uv_timer_start(&s->timer, on_timer, at > now ? (at - now + NS_MS - 1) / NS_MS : 0, 0);
}

/* ---- the connection ---- */

static void drop(struct push *s, unsigned code, const struct error *why)
{
    const struct outlet_host *h = s->base.host;
    struct ws_stats st = ws_stats(s->w);
    struct error copy = *why;
    s->st.bytes_in += st.bytes_in;
    s->st.bytes_out += st.bytes_out;
    s->up = false;
    ws_conn_close(TAKE(s->w), code, "", part_gone, s);
    s->retry_ns = now_ns(s) + (uint64_t)backoff_next_ms(&s->backoff, h->random(h->ctx)) * NS_MS;
    s->why = copy;
    if (copy.code == ERR_TIMEOUT) s->st.timeouts++;
    if (copy.code == ERR_INVALID || copy.code == ERR_TOO_LARGE)
        copy.code = ERR_PROTOCOL; /* of the connection, not of a batch */
    finish_all(s, &copy);
    tests_end(s, &copy);
    if (!s->closing) set_state(s, s->points.n ? DRIVER_DOWN : DRIVER_OFF, s->points.n ? &s->why : NULL);
}

static void on_opened(void *ctx, struct ws *w)
{
    struct push *s = ctx;
    struct str rest = str_of(s->cfg.subscribe);
    s->up = true;
    s->st.reconnects += s->why.code != 0;
    s->why.code = 0;
    while (rest.p) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (line.n && ws_send(w, true, line.p, line.n) == 0) trace(s, DRIVER_TX, line);
    }
    backoff_reset(&s->backoff);
    set_state(s, s->points.n ? DRIVER_UP : DRIVER_OFF, NULL);
    tests_end(s, NULL);
    pump(s);
}

static void on_message(void *ctx, bool text, struct str data)
{
    struct push *s = ctx;
    struct json *v = NULL;
    AUTO_ARENA a;
    arena_init(&a, 64u << 20);
    trace(s, DRIVER_RX, data);
    if (!s->ack || !s->n || json_parse(&a, data, &v, NULL) || !json_path_first(s->ack, v)) return;
    finish_first(s, NULL);
    pump(s);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct push *s = ctx;
    drop(s, 1000, why);
    pump(s);
}

static const struct ws_ops ops = {on_opened, on_message, on_lost};

static void connect_now(struct push *s)
{
    const struct outlet_host *h = s->base.host;
    struct error e = {0};
    struct ws_client_config c = ws_settings_client(&s->cfg);
    c.limits.out_max = OUT_MAX;
    if (ws_client_open(h->loop, &c, &ops, s, &s->w, &e) == 0) {
        s->open++;
        if (s->st.state == DRIVER_OFF && s->points.n) set_state(s, DRIVER_CONNECTING, NULL);
        return;
    }
    s->retry_ns = now_ns(s) + (uint64_t)backoff_next_ms(&s->backoff, h->random(h->ctx)) * NS_MS;
    s->why = e;
    tests_end(s, &e);
    set_state(s, s->points.n ? DRIVER_DOWN : DRIVER_OFF, &e);
}

static bool late(const struct push *s)
{
    return s->ack && s->n && now_ns(s) >= s->window[0].sent_ns + (uint64_t)s->ack_ms * NS_MS;
}

static void pump(struct push *s)
{
    struct error e = {0};
    if (s->closing) return;
    bool wanted = s->points.n || s->tries;
    if (!s->ack && s->up && ws_waiting(s->w) == 0)
        while (s->n) finish_first(s, NULL);
    if (s->w && late(s)) {
        error_set(&e, ERR_TIMEOUT, "", "the server has not acknowledged a batch within %u ms",
                  "服务端在 %u 毫秒内未确认", s->ack_ms);
        drop(s, 1000, &e);
    }
    if (!s->w && wanted && now_ns(s) >= s->retry_ns) connect_now(s);
    if (s->up && !wanted) {
        error_set(&e, ERR_CANCELLED, "", "no points any more", "已无测点");
        drop(s, 1001, &e);
    }
    if (s->refused && s->up && s->n < WINDOW) {
        s->refused = false;
        s->base.host->ready(s->base.host->ctx);
    }
    if (!s->closing) plan(s);
}

/* ---- the outlet's functions ---- */

static int send_batch(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
                      uint64_t ticket)
{
    struct push *s = (struct push *)base;
    struct buf b;
    if (!s->up || s->n == WINDOW) {
        s->refused = true;
        return ERR_AGAIN;
    }
    buf_init(&b, BODY_MAX);
    int rc = payload_write(s->payload, s->points.at, items, n, &b);
    bool large = rc == ERR_TOO_LARGE;
    if (!rc) rc = ws_send(s->w, true, b.p ? (const char *)b.p : "", b.n);
    if (!rc) trace(s, DRIVER_TX, buf_view(&b));
    buf_fini(&b);
    if (!rc) {
        s->st.requests++;
        s->window[s->n++] = (struct ticket){ticket, now_ns(s), n};
        plan(s);
        return 0;
    }
    if (large) {
        struct error e = {0};
        error_set(&e, rc, "template", "the text of a batch is larger than %u bytes; shorten the template",
                  "一批数据的文本超过 %u 字节；请缩短模板", BODY_MAX);
        base->host->sent(base->host->ctx, ticket, &e);
        return 0;
    }
    s->refused = true;
    uv_timer_start(&s->timer, on_timer, 20, 0);
    return ERR_AGAIN;
}

static int set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct push *s = (struct push *)base;
    struct outlet_points copy;
    if (outlet_points_copy(points, n, &copy)) return no_memory(e);
    outlet_points_fini(&s->points);
    s->points = copy;
    s->st.points = (uint32_t)n;
    if (!n) set_state(s, DRIVER_OFF, NULL);
    if (n && s->up) set_state(s, DRIVER_UP, NULL);
    uv_timer_start(&s->timer, on_timer, 0, 0);
    return 0;
}

static void test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct push *s = (struct push *)base;
    struct error e = {0};
    struct trying *t = mem_calloc(1, sizeof *t);
    if (!t) {
        no_memory(&e);
        done(arg, &e, 0, "", "");
        return;
    }
    *t = (struct trying){s->tries, done, arg, now_ns(s)};
    s->tries = t;
    s->retry_ns = 0;
    if (s->up)
        tests_end(s, NULL);
    else
        pump(s);
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct push *s = (const struct push *)base;
    *ret = s->st;
    if (!s->w) return;
    struct ws_stats st = ws_stats(s->w);
    ret->connections = s->up;
    ret->bytes_in += st.bytes_in;
    ret->bytes_out += st.bytes_out;
}

static int open_parts(struct push *s, const struct options *o, struct error *e)
{
    const char *ack = opt_str(o, "ack", "");
    arena_init(&s->arena, 64 << 10);
    s->ack_ms = (uint32_t)opt_ms(o, "ack_timeout", 10000);
    const char *copy = arena_strdup(&s->arena, str_of(ack));
    int rc = copy ? 0 : no_memory(e);
    if (!rc && copy[0]) rc = json_path_compile(str_of(copy), &s->arena, &s->ack, e);
    if (rc == ERR_INVALID && e) snprintf(e->where, sizeof e->where, "ack");
    if (!rc) rc = payload_new(o, &s->payload, e);
    if (!rc) rc = ws_settings_init(&s->cfg, o, false, e);
    if (!rc) return 0;
    payload_free(s->payload);
    arena_fini(&s->arena);
    return rc;
}

static int channel_check(const struct options *o, struct error *e)
{
    struct push s = {0};
    int rc = open_parts(&s, o, e);
    if (!rc) close_parts(&s);
    return rc;
}

static int open_channel(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret,
                        struct error *e)
{
    struct push *s = mem_calloc(1, sizeof *s);
    if (!s) return no_memory(e);
    s->base = (struct outlet_channel){&websocket_push_outlet, host};
    int rc = open_parts(s, o, e);
    if (rc) {
        mem_free(s);
        return rc;
    }
    s->backoff = (struct backoff){s->cfg.reconnect_min_ms, s->cfg.reconnect_max_ms, 0};
    uv_timer_init(host->loop, &s->timer);
    s->timer.data = s;
    s->open = 1;
    *ret = &s->base;
    return 0;
}

static void timer_gone(uv_handle_t *h)
{
    part_gone(h->data);
}

static void close_channel(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct push *s = (struct push *)base;
    struct error e = {0};
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    error_set(&e, ERR_CANCELLED, "", "cancelled", "已取消");
    if (s->w) drop(s, 1001, &e);
    finish_all(s, &e);
    tests_end(s, &e);
    uv_close((uv_handle_t *)&s->timer, timer_gone);
}

static const struct option channel_options[] = {
    WS_CLIENT_OPTIONS(NULL),
    WS_COMMON_OPTIONS,
    PAYLOAD_OPTIONS,
    {.name = "ack",
     .type = OPTION_STRING,
     .en = "Acknowledgement in the answer",
     .zh = "应答中的确认",
     .max = "500",
     .help_en = "JSONPath that an answer has when a message is accepted: $.ok, $[?@=='ack']. Empty: handed to the "
                "network counts.",
     .help_zh = "消息被接受时应答所具有的 JSONPath：$.ok；留空则以交给网络为准。"},
    {.name = "ack_timeout",
     .type = OPTION_DURATION,
     .en = "Wait for it",
     .zh = "确认超时",
     .def = "10s",
     .min = "50ms",
     .max = "10m"},
    HTTP_OPTION_TLS,
    {0},
};
static const char *const examples[] = {"LT.GRD.T1", "boiler/temperature", NULL};

const struct outlet websocket_push_outlet = {
    .name = "websocket_push",
    .en = "WebSocket push",
    .zh = "WebSocket 推送",
    .help_en = "Connects to a WebSocket server and sends batches of samples as messages. What was not accepted is kept "
               "and sent again.",
    .help_zh = "连接 WebSocket 服务端并以消息发送成批样本。未被接受的数据会保留并重发。",
    .channel_options = channel_options,
    .sender = true,
    .buffered = true,
    .address_en = "Any text; templates use it as ${address}. Without one: the code.",
    .address_zh = "任意文本，模板中以 ${address} 引用；留空为测点编码。",
    .examples = examples,
    .address_check = outlet_text_check,
    .address_default = outlet_text_default,
    .channel_check = channel_check,
    .channel_open = open_channel,
    .channel_set = set,
    .send = send_batch,
    .test = test,
    .status = status,
    .close = close_channel,
    .describe = ws_frame_words,
};
