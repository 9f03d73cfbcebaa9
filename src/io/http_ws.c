/* http_ws.c - WebSocket (RFC 6455): the opening and closing handshakes, messages, keep-alive.
 *
 * A peer that has sent nothing for HTTP_WS_PING_S gets a ping, one silent for HTTP_WS_DEAD_S is dropped.
 * After our close frame the peer has HTTP_WS_CLOSE_S to answer with its own; after a protocol error we
 * do not wait for it. No extensions; the subprotocol that the route names, if the peer
 * offers it; who may connect (Origin) is the route's decision. */
#include "io/http_int.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include "base/encode.h"
#include "base/utf8.h"

static const char *handshake_fault(struct http_exchange *x)
{
    const struct http_request *q = &x->q;
    struct buf key;
    buf_init(&key, 64);
    bool key_ok = base64_decode(&key, http_header(q, "sec-websocket-key"), false) == 0 && key.n == 16;
    buf_fini(&key);
    if (!str_eq(q->method, STR("GET")) || x->minor != 1) return "a WebSocket is opened with GET over HTTP/1.1";
    if (!http_has_token(http_header(q, "upgrade"), "websocket")) return "this address speaks only WebSocket";
    if (!http_has_token(http_header(q, "connection"), "upgrade")) return "the Connection header must name Upgrade";
    return key_ok ? NULL : "Sec-WebSocket-Key must be 16 bytes in base64";
}

static void set_accept(struct http_exchange *x)
{
    struct str key = http_header(&x->q, "sec-websocket-key");
    char text[128], accept[32]; /* the key is 16 bytes in base64, checked before */
    unsigned char digest[SHA_DIGEST_LENGTH];
    int n = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARG(key));
    SHA1((const unsigned char *)text, (size_t)n, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    http_set_header(&x->r, "Upgrade", STR("websocket"));
    http_set_header(&x->r, "Connection", STR("Upgrade"));
    http_set_header(&x->r, "Sec-WebSocket-Accept", str_of(accept));
    const char *protocol = x->route.stream->protocol;
    if (protocol && http_has_token(http_header(&x->q, "sec-websocket-protocol"), protocol))
        http_set_header(&x->r, "Sec-WebSocket-Protocol", str_of(protocol));
}

void ws_start(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    const char *fault = handshake_fault(x);
    if (!str_is(http_header(&x->q, "sec-websocket-version"), "13") || fault) {
        http_set_header(&x->r, "Sec-WebSocket-Version", STR("13"));
        exchange_error(c, fault ? 400 : 426, fault ? fault : "only version 13 is spoken");
        return;
    }
    struct http_stream *s = stream_new(c);
    if (!s) return;
    s->websocket = true;
    c->stream = s;
    c->state = CONN_WS;
    set_accept(x);
    x->status = 101;
    struct str head = response_head(x, -1, NULL, false);
    uv_buf_t b = uv_buf_init((char *)head.p, (unsigned)head.n);
    if (!head.p || x->r.headers.err)
        conn_close(c);
    else if (conn_write(c, &b, 1, true) == 0)
        stream_opened(c, 101);
}

/* Control frames pass the stream's limit by a little; a peer that makes us queue more is dropped. */
static void send_control(struct http_stream *s, uint8_t opcode, const char *p, size_t n)
{
    uint8_t head[WS_HEAD_MAX];
    size_t k = ws_head_write(head, true, opcode, n, NULL);
    uv_buf_t bufs[2] = {uv_buf_init((char *)head, (unsigned)k), uv_buf_init((char *)p, (unsigned)n)};
    if (s->conn->queued > s->out_max + 65536) {
        http_count(COUNT_SLOW_READER, 1);
        conn_close(s->conn);
        return;
    }
    conn_write(s->conn, bufs, n ? 2 : 1, true);
}

void ws_close(struct http_stream *s, unsigned code, struct str reason)
{
    if (s->close_sent || s->conn->closing || s->conn->shut) return;
    uint8_t text[125] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t n = reason.n > 123 ? utf8_floor(reason, 123) : reason.n;
    if (n) memcpy(text + 2, reason.p, n);
    send_control(s, WS_CLOSE, (const char *)text, code == 1005 ? 0 : n + 2);
    s->close_sent = true;
    conn_deadline(s->conn, HTTP_WS_CLOSE_S);
}

int http_ws_send(struct http_stream *s, bool text, const void *p, size_t n)
{
    uint8_t head[WS_HEAD_MAX];
    size_t k = ws_head_write(head, true, text ? WS_TEXT : WS_BINARY, n, NULL);
    uv_buf_t bufs[2] = {uv_buf_init((char *)head, (unsigned)k), uv_buf_init((char *)p, (unsigned)n)};
    return stream_send(s, bufs, n ? 2 : 1);
}

static void on_message(struct http_stream *s, const struct ws_event *e)
{
    if (!s->close_sent && s->ops->message) s->ops->message(s, e->opcode == WS_TEXT, e->data);
}

static void on_ping(struct http_stream *s, const struct ws_event *e)
{
    if (!s->close_sent) send_control(s, WS_PONG, e->data.p, e->data.n);
}

static void on_pong(struct http_stream *s, const struct ws_event *e) {}

static void on_close(struct http_stream *s, const struct ws_event *e)
{
    s->close_seen = true;
    ws_close(s, e->code, STR(""));
}

static void (*const on_event[])(struct http_stream *s, const struct ws_event *e) = {
    [WS_TEXT] = on_message, [WS_BINARY] = on_message, [WS_CLOSE] = on_close, [WS_PING] = on_ping, [WS_PONG] = on_pong,
};

size_t ws_input(struct http_conn *c, const char *p, size_t n)
{
    struct http_stream *s = c->stream;
    struct ws_event e;
    size_t used = 0, total = 0;
    s->last_rx_ns = conn_now(c);
    while (!c->closing && !s->close_seen) {
        int r = ws_reader_next(&s->reader, (const uint8_t *)p + total, n - total, &used, &e);
        total += used;
        if (r == 0) break;
        if (r > 0) {
            on_event[e.opcode](s, &e);
        } else {
            http_count(COUNT_BAD_REQUEST, 1);
            s->close_seen = true;
            ws_close(s, (unsigned)-r, STR(""));
        }
    }
    if (s->close_seen && s->close_sent && c->queued == 0 && !c->closing) conn_finish(c);
    return n;
}

void ws_sweep(struct http_stream *s, uint64_t now)
{
    uint64_t silent = now - s->last_rx_ns;
    if (silent > HTTP_WS_DEAD_S * NS_PER_S) {
        http_count(COUNT_WS_DEAD, 1);
        conn_close(s->conn);
    } else if (silent >= HTTP_WS_PING_S * NS_PER_S && now - s->pinged_ns >= HTTP_WS_PING_S * NS_PER_S) {
        s->pinged_ns = now;
        send_control(s, WS_PING, NULL, 0);
    }
}
