/* http_int.h - what the files of the HTTP server share; nothing outside http_*.c includes it.
 *
 *   http_server.c   configuration, listening, accepting, caps, the sweep of deadlines, stop
 *   http_conn.c     a connection: bytes in, bytes out, closing
 *   http_exchange.c a request and its answer: routing, body, worker pool, pulled bodies, uploads
 *   http_request.c  looking into a request      http_response.c  status lines, headers, problems
 *   http_static.c   files in memory             http_tls.c       OpenSSL over memory BIOs
 *   http_stream.c   what SSE and WebSocket share: open, queue, close, post
 *   http_ws.c, http_sse.c
 *
 * Threads: everything here runs on the connection's loop, but exchange_work (worker) and what is atomic.
 * Ownership: a loop owns its connections; a connection owns its exchange, except while a worker has it
 * (on_worker; it may be the loop's own thread between
 * two rounds, see loop_inline): then the worker's completion, posted to the loop, brings it home or frees it. A
 * connection's memory lives until libuv has closed its handle, so callbacks on the stack stay valid. */
#pragma once
#include <openssl/ssl.h>
#include <pthread.h>
#include "base/metric.h"
#include "io/http_parse.h"
#include "io/http_server.h"
#include "io/ws_frame.h"

#define NS_PER_S 1000000000ull
#define HTTP_READ_SIZE 65536
#define HTTP_IN_WHILE_BUSY 16384    /* pipelined bytes kept while an exchange runs */
#define HTTP_DISCARD_MAX 65536      /* body of a refused request that is read to keep the connection */
#define HTTP_WRITE_MAX (256 * 1024) /* bytes given to the kernel in one write */
#define HTTP_PULL_PIECE (256 * 1024)
#define HTTP_QUICK_US 1000 /* a handler that takes less runs on the loop's thread */
#define HTTP_PULL_AHEAD (256 * 1024)
#define HTTP_BUCKETS 1024
#define HTTP_RATE_WINDOW_S 10
#define HTTP_LINGER_S 2
#define HTTP_WS_PING_S 30
#define HTTP_WS_DEAD_S 75
#define HTTP_WS_CLOSE_S 5
#define HTTP_STREAM_STALL_S 60
#define HTTP_SWEEP_MS 100

struct http_conn;
struct http_peer;

struct http_loop {
    struct http_server *srv;
    struct loop *loop;
    unsigned index;
    uv_tcp_t listener;
    uv_timer_t sweep;
    bool stopping, accept_again; /* accept_again: no memory for a connection that waits; the sweep retries */
    struct http_conn *conns;                 /* list of all */
    struct http_conn *buckets[HTTP_BUCKETS]; /* by id */
    uint64_t next_id;
    int64_t date_s;
    char date[40];       /* "Sun, 06 Nov 1994 08:49:37 GMT" of date_s */
    char *rbuf, *tlsbuf; /* HTTP_READ_SIZE: one read is used up before the next */
};

struct http_server {
    struct http_config cfg;
    const struct clock *clock;
    unsigned port, nloops;
    struct http_loop *loops;
    struct pool *pool;
    SSL_CTX *tls;
    pthread_mutex_t lock; /* guards nconns, njobs, peers */
    pthread_cond_t less;  /* nconns or njobs went down */
    unsigned nconns, njobs;
    struct http_peer *peers[256];
};

/* A piece of output that waits: inline copy or a view into what outlives it. */
struct http_seg {
    struct http_seg *next;
    const uint8_t *p;
    size_t n;
    uint8_t copy[];
};

enum http_state {
    CONN_HEAD, /* waiting for, or in, a request head */
    CONN_BODY,
    CONN_BUSY, /* an exchange runs; input waits */
    CONN_WS,
    CONN_SSE,
    CONN_LINGER, /* answered and shut down; input is thrown away until the peer closes */
};

struct http_stream {
    struct http_conn *conn;
    const struct http_stream_ops *ops;
    void *user;
    size_t out_max;
    bool want_drained, opened, websocket, close_sent, close_seen;
    uint64_t last_rx_ns, pinged_ns;
    struct ws_reader reader;
};

struct http_exchange;

struct http_conn {
    struct http_loop *hl;
    uint64_t id;
    struct http_conn *next, *prev, *bucket_next;
    uv_tcp_t tcp;
    uv_write_t wreq;
    uv_shutdown_t sreq;
    enum http_state state;
    bool reading, processing, closing, peer_eof, shut, close_after, paused, used;
    char peer[64];
    struct http_peer *counted;
    struct http_scan scan;
    unsigned blank_lines;
    struct buf in; /* bytes not yet used */
    struct http_exchange *x;
    struct http_stream *stream;
    struct http_seg *out, *out_last;
    size_t queued, inflight; /* plain bytes not yet written; bytes in libuv's hands (TLS: of `cipher`) */
    size_t inflight_plain;   /* TLS: plain bytes that `cipher` stands for */
    struct buf cipher;       /* TLS: on the wire form of what is in flight */
    SSL *ssl;
    BIO *rbio, *wbio;
    uint64_t deadline_ns;       /* 0: none */
    uint64_t window_ns;         /* output rate window */
    uint64_t sent, window_sent; /* bytes that left, all and at the start of the window */
};

struct http_exchange {
    struct http_request q;
    struct http_response r;
    struct http_route route;
    struct arena arena;
    struct http_conn *conn; /* NULL: the peer is gone (set on the loop while a worker has it) */
    struct http_loop *hl;
    uint64_t conn_id, start_ns, body_start_ns, bytes;
    int minor, status;
    bool head_only, keep_alive, on_worker, refused, is_static, responded, complete, chunked_out, pull_wait;
    bool expect;
    struct str expose; /* static: the slice that is sent */
    /* request body */
    struct http_chunked chunks;
    bool chunked;
    uint64_t left, got;
    size_t body_max;
    struct buf body;
    void *upload_ctx;
    bool upload_live;
    void (*work)(struct http_exchange *x); /* what a worker does */
    /* pulled body */
    struct buf piece;
    int pull_state; /* last result of pull */
};

/* http_conn.c */
int conn_accept(struct http_loop *hl);
struct http_conn *conn_find(struct http_loop *hl, uint64_t id);
void conn_close(struct http_conn *c);
/* Queue and send as much as the kernel takes. Not `copy`: the bytes outlive the output (exchange, static). */
int conn_write(struct http_conn *c, const uv_buf_t *bufs, unsigned n, bool copy);
void conn_flush(struct http_conn *c);
void conn_drop_out(struct http_conn *c, size_t n); /* forget the first n waiting bytes */
void conn_on_written(uv_write_t *req, int status);
void conn_eof(struct http_conn *c);
bool conn_wants_input(const struct http_conn *c);
void conn_input(struct http_conn *c, char *p, size_t n);
void conn_continue(struct http_conn *c); /* look at waiting input, reading on or off */
void conn_finish(struct http_conn *c);   /* all is sent: shut down, linger, close */
void conn_next_request(struct http_conn *c);
void conn_sweep(struct http_conn *c, uint64_t now);
static inline uint64_t conn_now(const struct http_conn *c)
{
    return clock_mono_ns(c->hl->srv->clock);
}
static inline void conn_deadline(struct http_conn *c, unsigned seconds)
{
    c->deadline_ns = seconds ? conn_now(c) + seconds * NS_PER_S : 0;
}

/* http_exchange.c */
void exchange_start(struct http_conn *c, const char *head, size_t n);
size_t exchange_body(struct http_conn *c, const char *p, size_t n);
void exchange_error(struct http_conn *c, int status, const char *detail); /* answer and close */
void exchange_drained(struct http_conn *c);
void exchange_sweep(struct http_conn *c, uint64_t now);
void exchange_orphan(struct http_conn *c); /* the connection is gone */
void exchange_end(struct http_conn *c);    /* report and free */

/* http_response.c */
const char *http_status_text(int status);
void response_init(struct http_response *r);
void response_fini(struct http_response *r);
void response_problem(struct http_response *r, int status, const char *detail);
void response_error(struct http_response *r, int code, const struct error *e);
/* Status line and headers in the exchange's arena; length < 0: no Content-Length. */
struct str response_head(struct http_exchange *x, int64_t length, const char *content_type, bool chunked);
const char *http_date(struct http_loop *hl);

/* http_static.c: decide status, headers and slice; x->r and x->expose are filled. */
void static_prepare(struct http_exchange *x);

/* http_stream.c, http_ws.c, http_sse.c */
int stream_send(struct http_stream *s, const uv_buf_t *bufs, unsigned n);
void stream_opened(struct http_conn *c, int status);
struct http_stream *stream_new(struct http_conn *c);
void stream_drained(struct http_conn *c);
void stream_gone(struct http_conn *c);
void stream_stop(struct http_conn *c); /* the server stops */
void stream_sweep(struct http_conn *c, uint64_t now);
void ws_start(struct http_conn *c);
size_t ws_input(struct http_conn *c, const char *p, size_t n);
void ws_close(struct http_stream *s, unsigned code, struct str reason);
void ws_sweep(struct http_stream *s, uint64_t now);
void sse_start(struct http_conn *c);
void sse_sweep(struct http_stream *s, uint64_t now);

/* http_tls.c */
int tls_context(const struct http_config *cfg, SSL_CTX **ret, struct error *e);
int tls_attach(struct http_conn *c);
void tls_detach(struct http_conn *c);
void tls_input(struct http_conn *c, const char *p, size_t n); /* from the wire */
void tls_pump(struct http_conn *c);                           /* plain text that waits inside */
void tls_flush(struct http_conn *c);
void tls_goodbye(struct http_conn *c); /* close_notify into the output */

/* http_server.c */
struct http_peer *peer_enter(struct http_server *srv, const struct sockaddr *sa); /* NULL: refused, counted */
void peer_leave(struct http_server *srv, struct http_peer *p);
void server_job_begin(struct http_server *srv);
void server_job_end(struct http_server *srv);

enum http_counter {
    COUNT_CONNECTIONS,
    COUNT_ACCEPTED,
    COUNT_REQUESTS,
    COUNT_BYTES_OUT,
    COUNT_REFUSED_CONNECTIONS,
    COUNT_REFUSED_PEER,
    COUNT_BAD_REQUEST,
    COUNT_HEAD_TIMEOUT,
    COUNT_IDLE_CLOSED,
    COUNT_SLOW_BODY,
    COUNT_SLOW_READER,
    COUNT_TOO_LARGE,
    COUNT_BUSY,
    COUNT_TLS_FAILED,
    COUNT_STREAM_FULL,
    COUNT_WS_DEAD
};
void http_count(enum http_counter which, int64_t n);
