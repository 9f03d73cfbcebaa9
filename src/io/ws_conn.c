/* ws_conn.c - see ws_conn.h: frames in and out, pings, leaving; the handshakes are ws_client.c's and ws_server.c's. */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "io/ws_int.h"

#define MESSAGE_MAX (1u << 20)
#define OUT_MAX (4u << 20)

void ws_accept_key(struct str key, char out[32])
{
    char text[160];
    unsigned char digest[SHA_DIGEST_LENGTH];
    int n = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)(key.n > 100 ? 100 : key.n),
                     key.p ? key.p : "");
    SHA1((const unsigned char *)text, (size_t)n, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

/* ---- out ---- */

static int put_frame(struct ws *w, uint8_t opcode, const void *p, size_t n)
{
    uint8_t head[WS_HEAD_MAX], mask[4] = {0};
    if (w->masks && RAND_bytes(mask, sizeof mask) != 1) return ERR_INTERNAL;
    size_t k = ws_head_write(head, true, opcode, n, w->masks ? mask : NULL);
    AUTO_FREE uint8_t *all = mem_alloc(k + n);
    if (!all) return ERR_NOMEM;
    memcpy(all, head, k);
    if (n) memcpy(all + k, p, n);
    if (w->masks) ws_mask(all + k, n, mask, 0);
    int rc = tls_stream_write(w->stream, all, k + n);
    if (!rc) w->stats.bytes_out += k + n;
    return rc;
}

int ws_send(struct ws *w, bool text, const void *p, size_t n)
{
    if (w->state != WS_OPEN || w->close_sent) return ERR_CLOSED;
    int rc = put_frame(w, text ? WS_TEXT : WS_BINARY, p, n);
    w->stats.messages_out += rc == 0;
    return rc;
}

static void say_goodbye(struct ws *w, unsigned code, struct str reason)
{
    uint8_t text[125] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t n = reason.n > 123 ? utf8_floor(reason, 123) : reason.n;
    if (w->close_sent) return;
    w->close_sent = true;
    if (n) memcpy(text + 2, reason.p, n);
    (void)put_frame(w, WS_CLOSE, text, code == 1005 ? 0 : n + 2);
}

size_t ws_waiting(const struct ws *w)
{
    return w->stream ? tls_stream_waiting(w->stream) : 0;
}

static void on_drained(void *ctx)
{
    struct ws *w = ctx;
    if (w->drained && w->state == WS_OPEN && !w->told) w->drained(w->ctx);
}

void ws_on_drained(struct ws *w, void (*fn)(void *ctx))
{
    w->drained = fn;
    tls_stream_on_drained(w->stream, on_drained);
}

void ws_read(struct ws *w, bool on)
{
    if (w->state == WS_OPEN) tls_stream_read(w->stream, on);
}

const char *ws_host(const struct ws *w)
{
    return tls_stream_host(w->stream);
}
unsigned ws_port(const struct ws *w)
{
    return tls_stream_port(w->stream);
}
struct ws_stats ws_stats(const struct ws *w)
{
    return w->stats;
}

/* ---- the end ---- */

static void part_gone(struct ws *w)
{
    if (--w->open) return;
    void (*closed)(void *arg) = w->closed;
    void *arg = w->closed_arg;
    void (*gone)(struct ws * w) = w->gone;
    ws_reader_fini(&w->reader);
    buf_fini(&w->head);
    if (gone) gone(w);
    mem_free(w);
    if (closed) closed(arg);
}

static void stream_gone(void *arg)
{
    part_gone(arg);
}
static void timer_gone(uv_handle_t *h)
{
    part_gone(h->data);
}

static void let_go(struct ws *w)
{
    if (w->state == WS_DEAD) return;
    w->state = WS_DEAD;
    uv_close((uv_handle_t *)&w->timer, timer_gone);
    tls_stream_close(w->stream, stream_gone, w);
}

void ws_fail(struct ws *w, const struct error *why)
{
    if (w->left) let_go(w);
    if (w->left || w->told) return;
    w->told = true;
    w->state = WS_LEAVING;
    uv_timer_stop(&w->timer);
    w->ops->lost(w->ctx, why);
}

static void on_goodbye(uv_timer_t *t)
{
    let_go(t->data);
}

void ws_conn_close(struct ws *w, unsigned code, const char *reason, void (*closed)(void *arg), void *arg)
{
    w->closed = closed;
    w->closed_arg = arg;
    bool polite = w->state == WS_OPEN && !w->told;
    w->left = true;
    if (!polite) {
        let_go(w);
        return;
    }
    say_goodbye(w, code, str_of(reason));
    w->state = WS_LEAVING;
    tls_stream_read(w->stream, true);
    uv_timer_start(&w->timer, on_goodbye, WS_GOODBYE_MS, 0);
}

/* ---- in ---- */

static void peer_left(struct ws *w, const struct ws_event *v)
{
    struct error e = {0};
    say_goodbye(w, v->code == 1005 ? 1005 : 1000, STR(""));
    error_set(&e, ERR_CLOSED, "", "the peer closed the connection (%u%s%.*s)", "对端关闭了连接（%u%s%.*s）", v->code,
              v->data.n ? ": " : "", STR_ARG(str_sub(v->data, 0, 100)));
    ws_fail(w, &e);
}

static void refuse(struct ws *w, unsigned code)
{
    struct error e = {0};
    say_goodbye(w, code, STR(""));
    if (code == 1009)
        error_set(&e, ERR_TOO_LARGE, "", "a message is larger than %zu bytes", "消息超过 %zu 字节",
                  w->reader.message.max);
    else
        error_set(&e, ERR_PROTOCOL, "", code == 1007 ? "a text is not UTF-8" : "the peer breaks the rules of WebSocket",
                  code == 1007 ? "文本不是 UTF-8" : "对端违反 WebSocket 规则");
    ws_fail(w, &e);
}

static void on_event(struct ws *w, const struct ws_event *v)
{
    if (v->opcode == WS_CLOSE) {
        peer_left(w, v);
    } else if (v->opcode == WS_PING) {
        if (!w->close_sent && tls_stream_waiting(w->stream) < w->limits.out_max)
            (void)put_frame(w, WS_PONG, v->data.p, v->data.n);
    } else if (v->opcode != WS_PONG && w->state == WS_OPEN) {
        w->stats.messages_in++;
        w->ops->message(w->ctx, v->opcode == WS_TEXT, v->data);
    }
}

static void take(struct ws *w, const uint8_t *p, size_t n)
{
    struct ws_event v;
    while (w->state == WS_OPEN || (w->state == WS_LEAVING && w->left && n)) {
        size_t used = 0;
        int rc = ws_reader_next(&w->reader, p, n, &used, &v);
        p += used;
        n -= used;
        if (rc == 0) return;
        if (rc < 0) {
            refuse(w, (unsigned)-rc);
            return;
        }
        on_event(w, &v);
        if (v.opcode == WS_CLOSE) return;
    }
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct ws *w = ctx;
    size_t used = 0;
    w->stats.bytes_in += n;
    w->heard_ms = uv_now(w->timer.loop);
    if (w->state == WS_SHAKING) {
        int rc = w->shake(w, p, n, &used);
        if (rc <= 0) return;
        ws_upgraded(w);
    }
    if (w->state != WS_DEAD) take(w, p + used, n - used);
}

static void on_lost(void *ctx, const struct error *why)
{
    ws_fail(ctx, why);
}

static void on_stream(void *ctx)
{
    struct ws *w = ctx;
    if (w->begin) w->begin(w);
}

const struct tls_stream_ops ws_stream_ops = {.opened = on_stream, .data = on_data, .lost = on_lost};

/* ---- alive ---- */

static void on_tick(uv_timer_t *t)
{
    struct ws *w = t->data;
    struct error e = {0};
    uint64_t now = uv_now(t->loop), silent = now - w->heard_ms;
    if (silent >= w->limits.dead_ms) {
        error_set(&e, ERR_TIMEOUT, "", "the peer has been silent for %llu s", "对端已静默 %llu 秒",
                  (unsigned long long)silent / 1000);
        ws_fail(w, &e);
        return;
    }
    if (silent >= w->limits.ping_ms && now - w->pinged_ms >= w->limits.ping_ms) {
        w->pinged_ms = now;
        (void)put_frame(w, WS_PING, NULL, 0);
    }
}

static void on_slow(uv_timer_t *t)
{
    struct ws *w = t->data;
    struct error e = {0};
    error_set(&e, ERR_TIMEOUT, "", "the WebSocket was not opened in time", "WebSocket 握手超时");
    ws_fail(w, &e);
}

void ws_upgraded(struct ws *w)
{
    uint64_t least = w->limits.ping_ms < w->limits.dead_ms ? w->limits.ping_ms : w->limits.dead_ms,
             tick = least / 4 + 1;
    w->state = WS_OPEN;
    w->pinged_ms = uv_now(w->timer.loop);
    uv_timer_start(&w->timer, on_tick, tick, tick);
    w->ops->opened(w->ctx, w);
}

int ws_init(struct ws *w, uv_loop_t *loop, const struct ws_limits *l, bool client, uint32_t shake_ms)
{
    w->limits = *l;
    if (!w->limits.message_max) w->limits.message_max = MESSAGE_MAX;
    if (!w->limits.out_max) w->limits.out_max = OUT_MAX;
    if (!w->limits.ping_ms) w->limits.ping_ms = 30000;
    if (!w->limits.dead_ms) w->limits.dead_ms = w->limits.ping_ms / 2 * 5;
    w->masks = client;
    w->open = 2;
    ws_reader_init(&w->reader, w->limits.message_max, !client);
    buf_init(&w->head, WS_HEAD_BYTES);
    int rc = uv_timer_init(loop, &w->timer);
    if (rc) return error_from_errno(-rc);
    w->timer.data = w;
    w->heard_ms = uv_now(loop);
    return uv_timer_start(&w->timer, on_slow, shake_ms ? shake_ms : 10000, 0);
}
