/* http_stream.c - what SSE and WebSocket share: a connection that has left request and answer behind.
 *
 * The stream belongs to its connection. `close` is called when libuv has closed the handle, never from
 * within another callback of the same stream, so an owner may free its own state there. */
#include "io/http_int.h"
#include <assert.h>
#include "base/mem.h"

struct http_stream *stream_new(struct http_conn *c)
{
    const struct http_route *route = &c->x->route;
    struct http_stream *s = mem_calloc(1, sizeof *s);
    if (!s) {
        conn_close(c);
        return NULL;
    }
    s->conn = c;
    s->ops = route->stream;
    s->out_max = route->stream_out_max ? route->stream_out_max : 4u << 20;
    s->last_rx_ns = s->pinged_ns = conn_now(c);
    ws_reader_init(&s->reader, route->ws_message_max ? route->ws_message_max : 1u << 20, true);
    return s;
}

/* The head is sent: the exchange ends, the stream begins. */
void stream_opened(struct http_conn *c, int status)
{
    struct http_stream *s = c->stream;
    c->x->status = status;
    s->opened = true;
    s->ops->open(s, &c->x->q);
    exchange_end(c);
    if (c->hl->stopping) stream_stop(c);
}

int stream_send(struct http_stream *s, const uv_buf_t *bufs, unsigned n)
{
    struct http_conn *c = s->conn;
    size_t total = 0;
    if (c->closing || c->shut || s->close_sent) return ERR_CLOSED;
    for (unsigned i = 0; i < n; i++) total += bufs[i].len;
    bool full = total > s->out_max || c->queued > s->out_max - total;
    if (full) http_count(COUNT_STREAM_FULL, 1);
    if (full || c->queued + total > s->out_max / 4) s->want_drained = true;
    if (full) return ERR_LIMIT;
    int err = conn_write(c, bufs, n, true);
    if (c->queued == 0) s->want_drained = false;
    return err;
}

static void finish_if_over(struct http_conn *c)
{
    struct http_stream *s = c->stream;
    if (s->close_sent && s->close_seen && c->queued == 0) conn_finish(c);
}

void stream_drained(struct http_conn *c)
{
    struct http_stream *s = c->stream;
    if (s->want_drained && c->queued <= s->out_max / 4 && !s->close_sent) {
        s->want_drained = false;
        if (s->ops->drained) s->ops->drained(s);
    }
    if (!c->closing) finish_if_over(c);
}

void stream_gone(struct http_conn *c)
{
    struct http_stream *s = c->stream;
    c->stream = NULL;
    if (s->opened && s->ops->close) s->ops->close(s);
    ws_reader_fini(&s->reader);
    mem_free(s);
}

void http_stream_close(struct http_stream *s, unsigned ws_code, const char *reason)
{
    assert(loop_here(s->conn->hl->loop));
    if (s->websocket) {
        ws_close(s, ws_code ? ws_code : 1000, str_of(reason));
    } else if (!s->close_sent) {
        s->close_sent = s->close_seen = true;
        conn_deadline(s->conn, HTTP_WS_CLOSE_S);
    }
    if (!s->conn->closing) finish_if_over(s->conn);
}

void stream_stop(struct http_conn *c)
{
    http_stream_close(c->stream, 1001, "the server stops");
}

void stream_sweep(struct http_conn *c, uint64_t now)
{
    struct http_stream *s = c->stream;
    if (s->close_sent) return;
    if (s->websocket)
        ws_sweep(s, now);
    else
        sse_sweep(s, now);
}

void http_stream_set(struct http_stream *s, void *user)
{
    s->user = user;
}
void *http_stream_user(const struct http_stream *s)
{
    return s->user;
}
struct loop *http_stream_loop(const struct http_stream *s)
{
    return s->conn->hl->loop;
}
size_t http_stream_queued(const struct http_stream *s)
{
    return s->conn->queued;
}
uint64_t http_stream_id(const struct http_stream *s)
{
    return s->conn->id;
}

struct stream_post {
    struct http_loop *hl;
    uint64_t id;
    void (*fn)(struct http_stream *s, void *arg);
    void *arg;
};

static void run_post(void *arg)
{
    struct stream_post p = *(struct stream_post *)arg;
    mem_free(arg);
    struct http_conn *c = conn_find(p.hl, p.id);
    p.fn(c && !c->closing && c->stream && c->stream->opened ? c->stream : NULL, p.arg);
}

int http_stream_post(struct http_server *srv, uint64_t id, void (*fn)(struct http_stream *s, void *arg), void *arg)
{
    unsigned index = (unsigned)(id >> 48);
    if (index >= srv->nloops) return ERR_INVALID;
    struct stream_post *p = mem_alloc(sizeof *p);
    if (!p) return ERR_NOMEM;
    *p = (struct stream_post){&srv->loops[index], id, fn, arg};
    int err = loop_post(srv->loops[index].loop, run_post, p);
    if (err) mem_free(p);
    return err;
}
