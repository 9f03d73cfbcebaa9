/* http_server.h - HTTP/1.1 server: TLS, keep-alive, chunked and streamed bodies, SSE, WebSocket.
 *
 * One or more loops accept and do all I/O; a connection belongs to one loop for life. The router above
 * (core/api) is asked once the head of a request is complete (`route`), on the loop, and must answer at
 * once what is to be done with the request: a plain handler (run on the worker pool, gets the whole
 * body up to its limit), a streamed upload, an event stream, a WebSocket, or a static file.
 *
 * Defence: limits below; a head must be complete within head_timeout, a body must move at least
 * min_rate bytes/s, idle connections are closed, connections and connections per address are capped,
 * each refusal is counted (bornite_http_…_total). Head and memory of a not yet routed connection
 * together stay under 64 KiB. Request smuggling forms (both Content-Length and Transfer-Encoding,
 * obs-fold, bare CR, blank before colon) are answered 400 and closed. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
#include "io/clock.h"
#include "io/loop.h"

struct http_server;
struct http_stream;  /* an open response body, SSE or WebSocket; lives on its loop */

struct http_header { struct str name, value; };   /* name lower case */

/* A request. Everything in it lives in its arena until the exchange ends. */
struct http_request {
    struct arena *arena;
    struct str method;              /* "GET" */
    struct str target;              /* as sent, "/api/v1/points?q=a" */
    struct str path;                /* decoded, normalised: no "..", no "//", starts with '/' */
    struct str query;               /* raw, without '?' */
    const struct http_header *headers;
    size_t nheaders;
    struct str body;                /* plain handlers: whole */
    char peer[64];                  /* "127.0.0.1" / "::1" */
    bool tls;
    void *route_ctx;                /* what the route function left for the handler */
};
struct str http_header(const struct http_request *q, const char *name); /* {NULL,0} when absent */
/* Decoded query parameter (first of that name); {NULL,0} when absent. In the request's arena. */
struct str http_query(const struct http_request *q, const char *name);
struct str http_cookie(const struct http_request *q, const char *name);

/* The answer of a plain handler: filled on the worker thread, sent by the loop. */
struct http_response {
    int status;                     /* 200 unless set */
    struct buf headers;             /* "Name: value\r\n" lines; use http_set_header */
    struct buf body;                /* max 256 MiB */
    const char *content_type;       /* static string; NULL: application/json; charset=utf-8 */
    /* Instead of body: pulled piece by piece on a worker thread as the peer reads (back-pressure).
     * Append to out; return 1: more follows, 0: done, negative: abort the connection; 2: more follows, but what it is
     * takes time, so that the peer is looked after first (one that has gone ends it). */
    int (*pull)(void *ctx, struct buf *out);
    void (*pull_free)(void *ctx);
    void *pull_ctx;
};
void http_set_header(struct http_response *r, const char *name, struct str value); /* CR/LF refused: dropped + assert in debug */

typedef void http_handler(struct http_request *q, struct http_response *r);

/* A WebSocket or SSE endpoint. All callbacks on the connection's loop; they must not block. */
struct http_stream_ops {
    void (*open)(struct http_stream *s, struct http_request *q);          /* the request dies when this returns */
    void (*message)(struct http_stream *s, bool text, struct str data);   /* WebSocket; text is valid UTF-8 */
    void (*drained)(struct http_stream *s);                               /* output fell below the low-water mark */
    void (*close)(struct http_stream *s);                                 /* last call; s is gone after it */
    const char *protocol; /* WebSocket: the subprotocol that is chosen when the peer offers it; NULL: none */
};
/* A streamed upload: pieces arrive on the loop; return 0 go on, 1: pause until http_upload_resume,
 * negative error: answered with problem. `done` runs on the worker pool and writes the answer. */
struct http_upload_ops {
    int (*begin)(struct http_request *q, void **ret_ctx, struct error *e);
    int (*piece)(void *ctx, const void *p, size_t n, struct error *e); /* 1: this piece was taken, no more for now */
    void (*done)(void *ctx, struct http_request *q, struct http_response *r);
    void (*abort)(void *ctx); /* on the loop; after a successful begin either done or abort is called, once */
};
/* Go on with a paused upload: any thread; q (as begin got it) must still be live, done or abort not yet called. */
void http_upload_resume(struct http_request *q);

enum http_kind { HTTP_PLAIN, HTTP_UPLOAD, HTTP_SSE, HTTP_WEBSOCKET, HTTP_STATIC };
struct http_static {                /* a file in memory, with its gzip form when that is smaller */
    struct str data, gz;
    const char *content_type;
    const char *cache_control;
    const char *etag;               /* quoted */
};
struct http_route {                 /* what `route` decided */
    enum http_kind kind;
    http_handler *handler;          /* PLAIN */
    const struct http_stream_ops *stream;
    const struct http_upload_ops *upload;
    const struct http_static *file; /* STATIC: conditional GET, Range, gzip done by the server */
    size_t body_max;                /* bytes; 413 above */
    unsigned body_timeout_s;        /* whole body; 0: 30 */
    struct pool *pool;              /* NULL: the server's own */
    _Atomic uint32_t *cost_us;      /* PLAIN: what the handler takes, kept here by the server over the requests; one
                                     * that is quick runs on the loop's thread (loop_inline). NULL: never there */
    size_t stream_out_max;          /* bytes queued to a slow reader before the stream is closed; 0: 4 MiB */
    size_t ws_message_max;          /* 0: 1 MiB */
};

struct http_config {
    const char *bind;               /* "127.0.0.1", "::", ...; NULL: 127.0.0.1 */
    unsigned port;                  /* 0: any free one */
    const char *cert_pem, *key_pem; /* file paths; both NULL: no TLS */
    unsigned loops, workers;        /* 0: 1 and 4 */
    unsigned connections_max, per_peer_max;         /* 0: 4096 and 512 */
    unsigned head_timeout_s, idle_timeout_s;        /* 0: 10 and 75 */
    unsigned min_rate;              /* body bytes/s; 0: 256 */
    const struct clock *clock;      /* NULL: real */
    /* Decide; on the loop, quick, no blocking. Fill *ret or fill *refuse (status, body) and return non-zero. */
    int (*route)(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse);
    /* Called after each exchange (log, counters): status (499: the peer left), bytes sent, duration. On the
     * loop. q->method is empty when the head was not understood. Streams: once, after `open`. */
    void (*finished)(void *ctx, const struct http_request *q, int status, uint64_t bytes, uint64_t us);
    void *ctx;
};
MUST_CHECK int http_server_start(const struct http_config *cfg, struct http_server **ret, struct error *e);
unsigned http_server_port(const struct http_server *s);
void http_server_stop(struct http_server *s);       /* lets running exchanges end (5 s), closes, joins */

/* Streams. Sending copies. All but http_stream_post only on the stream's loop. */
void http_stream_set(struct http_stream *s, void *user);
void *http_stream_user(const struct http_stream *s);
struct loop *http_stream_loop(const struct http_stream *s);
/* 0; ERR_LIMIT when stream_out_max would be passed (nothing queued: the caller coalesces or closes). */
int http_ws_send(struct http_stream *s, bool text, const void *p, size_t n);
int http_sse_send(struct http_stream *s, const char *event, const char *id, struct str data); /* data: lines split */
size_t http_stream_queued(const struct http_stream *s);
void http_stream_close(struct http_stream *s, unsigned ws_code, const char *reason);
/* From any thread: run fn(s, arg) on the loop if the stream still lives (by its id), else fn(NULL, arg). */
uint64_t http_stream_id(const struct http_stream *s);
int http_stream_post(struct http_server *srv, uint64_t id, void (*fn)(struct http_stream *s, void *arg), void *arg);
