/* ws_conn.h - a WebSocket (RFC 6455) over a tls_stream, on a libuv loop: what both ends share. A client is opened by
 * ws_client.h, a server's come from ws_server.h. For drivers and outlets; that of the web server is http_server.h's.
 *
 * Threads   all on the loop's thread; nothing blocks. Callbacks come from the loop, never from inside a function here.
 * Life      opened once, or lost once; messages between; lost at most once, and never after ws_conn_close. After `lost` call
 *           ws_conn_close. ws_conn_close says goodbye (the peer has a second to answer); `closed` comes when all handles are gone, and
 *           with it the memory. Every function may be called in a callback.
 * Alive     a peer that is silent for ping_ms gets a ping; silent for dead_ms it is lost.
 * Bounds    message_max of a message (fragments joined), out_max bytes that the socket has not taken: more is ERR_LIMIT. No
 *           extensions. */
#pragma once
#include "base/buf.h"
#include "io/tls_stream.h"

struct ws;
struct ws_ops {
    void (*opened)(void *ctx, struct ws *w);
    void (*message)(void *ctx, bool text, struct str data); /* text is valid UTF-8; dies with the call */
    void (*lost)(void *ctx, const struct error *why);       /* ERR_CLOSED names code and reason of the peer */
};
struct ws_limits {
    size_t message_max, out_max; /* 0: 1 MiB, 4 MiB */
    uint32_t ping_ms, dead_ms;   /* 0: 30 s, 75 s */
};
/* 0; ERR_LIMIT (nothing was taken), ERR_CLOSED (not open), ERR_NOMEM. */
MUST_CHECK int ws_send(struct ws *w, bool text, const void *p, size_t n);
size_t ws_waiting(const struct ws *w);
/* From the loop, whenever the socket has taken all that waited. */
void ws_on_drained(struct ws *w, void (*fn)(void *ctx));
void ws_read(struct ws *w, bool on); /* stop taking messages, go on; messages of bytes that came already may still follow */
void ws_conn_close(struct ws *w, unsigned code, const char *reason, void (*closed)(void *arg), void *arg);
const char *ws_host(const struct ws *w);
unsigned ws_port(const struct ws *w);
struct ws_stats {
    uint64_t bytes_in, bytes_out, messages_in, messages_out;
};
struct ws_stats ws_stats(const struct ws *w);
