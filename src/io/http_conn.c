/* http_conn.c - one connection: bytes in and out, its states, its deadlines, its end.
 *
 * Input: the loop's one read buffer is used up within the callback; what the current state cannot use
 * yet waits in c->in and is looked at again by conn_continue. Reading stops while that is more than a
 * little, so a peer that sends ahead is held back by TCP.
 * Output: conn_write hands everything to the kernel at once when nothing waits (one writev for head and
 * body, no copy); what the kernel does not take is queued in segments and written in pieces of at most
 * HTTP_WRITE_MAX. Nothing here calls back into a handler from inside conn_write.
 * Closing: conn_finish (orderly: shut down, throw input away until the peer closes) or conn_close (now).
 * The memory goes in on_closed, after libuv has let go. */
#include "io/http_int.h"
#include <assert.h>
#include "base/mem.h"

static void bucket_add(struct http_conn *c)
{
    struct http_conn **b = &c->hl->buckets[c->id % HTTP_BUCKETS];
    c->bucket_next = *b;
    *b = c;
}

static void bucket_remove(struct http_conn *c)
{
    struct http_conn **b = &c->hl->buckets[c->id % HTTP_BUCKETS];
    while (*b != c) b = &(*b)->bucket_next;
    *b = c->bucket_next;
}

struct http_conn *conn_find(struct http_loop *hl, uint64_t id)
{
    struct http_conn *c = hl->buckets[id % HTTP_BUCKETS];
    while (c && c->id != id) c = c->bucket_next;
    return c;
}

static void list_add(struct http_conn *c)
{
    c->next = c->hl->conns;
    if (c->next) c->next->prev = c;
    c->hl->conns = c;
}

static void list_remove(struct http_conn *c)
{
    if (c->next) c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->hl->conns = c->next;
}

void conn_drop_out(struct http_conn *c, size_t n)
{
    while (n > 0) {
        struct http_seg *s = c->out;
        if (n < s->n) {
            s->p += n;
            s->n -= n;
            return;
        }
        n -= s->n;
        c->out = s->next;
        mem_free(s);
    }
    if (!c->out) c->out_last = NULL;
}

static void conn_free(struct http_conn *c)
{
    tls_detach(c);
    while (c->out) {
        struct http_seg *s = c->out;
        c->out = s->next;
        mem_free(s);
    }
    buf_fini(&c->in);
    buf_fini(&c->cipher);
    mem_free(c);
}

static void on_closed(uv_handle_t *h)
{
    struct http_conn *c = h->data;
    struct http_server *srv = c->hl->srv;
    if (c->x) exchange_orphan(c);
    if (c->stream) stream_gone(c);
    list_remove(c);
    bucket_remove(c);
    peer_leave(srv, c->counted);
    http_count(COUNT_BYTES_OUT, (int64_t)c->sent);
    conn_free(c);
}

void conn_close(struct http_conn *c)
{
    if (c->closing) return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- output ---- */

static int seg_add(struct http_conn *c, const char *p, size_t n, bool copy)
{
    struct http_seg *s = mem_alloc(sizeof *s + (copy ? n : 0));
    if (!s) return ERR_NOMEM;
    s->next = NULL;
    s->n = n;
    s->p = copy ? memcpy(s->copy, p, n) : (const uint8_t *)p;
    if (c->out_last)
        c->out_last->next = s;
    else
        c->out = s;
    c->out_last = s;
    c->queued += n;
    return 0;
}

/* Bytes that the kernel took at once; negative: the connection is dead. */
static ssize_t try_write(struct http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    if (c->ssl || c->out || c->inflight) return 0;
    int r = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    if (r == UV_EAGAIN) return 0;
    if (r > 0) c->sent += (size_t)r;
    return r;
}

int conn_write(struct http_conn *c, const uv_buf_t *bufs, unsigned n, bool copy)
{
    if (c->closing || c->shut) return ERR_CLOSED;
    ssize_t done = try_write(c, bufs, n);
    int err = done < 0 ? ERR_IO : 0;
    for (unsigned i = 0; i < n && !err; i++) {
        size_t skip = (size_t)done < bufs[i].len ? (size_t)done : bufs[i].len;
        done -= (ssize_t)skip;
        if (skip < bufs[i].len) err = seg_add(c, bufs[i].base + skip, bufs[i].len - skip, copy);
    }
    if (err) {
        conn_close(c);
        return err;
    }
    if (c->queued) conn_flush(c);
    return c->closing ? ERR_IO : 0;
}

void conn_flush(struct http_conn *c)
{
    if (c->ssl) {
        tls_flush(c);
        return;
    }
    if (c->inflight || !c->out || c->closing) return;
    uv_buf_t bufs[16];
    unsigned n = 0;
    size_t total = 0;
    for (struct http_seg *s = c->out; s && n < 16 && total < HTTP_WRITE_MAX; s = s->next) {
        size_t k = s->n < HTTP_WRITE_MAX - total ? s->n : HTTP_WRITE_MAX - total;
        bufs[n++] = uv_buf_init((char *)s->p, (unsigned)k);
        total += k;
    }
    c->inflight = total;
    c->wreq.data = c;
    if (uv_write(&c->wreq, (uv_stream_t *)&c->tcp, bufs, n, conn_on_written) != 0) {
        c->inflight = 0;
        conn_close(c);
    }
}

static void drained(struct http_conn *c)
{
    if (c->queued == 0) c->window_ns = 0;
    if (c->stream)
        stream_drained(c);
    else if (c->x)
        exchange_drained(c);
}

void conn_on_written(uv_write_t *req, int status)
{
    struct http_conn *c = req->data;
    size_t plain = c->ssl ? c->inflight_plain : c->inflight;
    c->sent += c->inflight;
    c->inflight = c->inflight_plain = 0;
    if (c->closing) return;
    if (status != 0) {
        conn_close(c);
        return;
    }
    if (c->ssl)
        buf_clear(&c->cipher);
    else
        conn_drop_out(c, plain);
    c->queued -= plain;
    conn_flush(c);
    if (!c->closing) drained(c);
}

/* ---- input ---- */

static size_t step_head(struct http_conn *c, char *p, size_t n)
{
    if (c->scan.at == 0 && p[0] == '\r' && c->blank_lines < 4) {
        if (n < 2) return 0;
        if (p[1] == '\n') {
            c->blank_lines++;
            return 2;
        }
    }
    bool begun = c->scan.at > 0;
    int len = http_head_find(&c->scan, p, n);
    if (len > 0) {
        c->scan = (struct http_scan){0};
        c->blank_lines = 0;
        exchange_start(c, p, (size_t)len);
        return (size_t)len;
    }
    if (len < 0) {
        http_count(COUNT_BAD_REQUEST, 1);
        exchange_error(c, -len, "the request head is malformed or too long");
        return n;
    }
    if (!begun && c->used) conn_deadline(c, c->hl->srv->cfg.head_timeout_s);
    return 0;
}

static size_t step_body(struct http_conn *c, char *p, size_t n)
{
    return c->paused ? 0 : exchange_body(c, p, n);
}
static size_t step_busy(struct http_conn *c, char *p, size_t n)
{
    return 0;
}
static size_t step_ws(struct http_conn *c, char *p, size_t n)
{
    return ws_input(c, p, n);
}
static size_t step_discard(struct http_conn *c, char *p, size_t n)
{
    return n;
}

static size_t (*const steps[])(struct http_conn *c, char *p, size_t n) = {
    [CONN_HEAD] = step_head, [CONN_BODY] = step_body,   [CONN_BUSY] = step_busy,
    [CONN_WS] = step_ws,     [CONN_SSE] = step_discard, [CONN_LINGER] = step_discard,
};

static size_t consume(struct http_conn *c, char *p, size_t n)
{
    size_t total = 0;
    c->processing = true;
    while (total < n && !c->closing) {
        size_t used = steps[c->state](c, p + total, n - total);
        if (used == 0) break;
        total += used;
    }
    c->processing = false;
    return c->closing ? n : total;
}

static void consume_waiting(struct http_conn *c)
{
    size_t used = consume(c, (char *)c->in.p, c->in.n);
    if (used == c->in.n) {
        buf_fini(&c->in);
        buf_init(&c->in, c->in.max);
    } else {
        buf_drop(&c->in, used);
    }
}

bool conn_wants_input(const struct http_conn *c)
{
    if (c->closing) return false;
    if (c->state == CONN_BUSY) return c->in.n < HTTP_IN_WHILE_BUSY;
    return c->state != CONN_BODY || !c->paused;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    struct http_conn *c = h->data;
    *ret = uv_buf_init(c->hl->rbuf, HTTP_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *b)
{
    struct http_conn *c = stream->data;
    if (nread == 0 || c->closing) return;
    if (nread == UV_EOF) {
        conn_eof(c);
    } else if (nread < 0) {
        conn_close(c);
    } else if (c->ssl) {
        tls_input(c, b->base, (size_t)nread);
    } else {
        conn_input(c, b->base, (size_t)nread);
    }
}

static void update_reading(struct http_conn *c)
{
    bool want = conn_wants_input(c) && !c->peer_eof;
    if (c->peer_eof && c->state != CONN_BUSY && !c->paused) conn_close(c); /* nothing more can come of it */
    if (want == c->reading || c->closing) return;
    c->reading = want;
    if (want)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void conn_input(struct http_conn *c, char *p, size_t n)
{
    if (c->in.n) {
        buf_add(&c->in, p, n);
        if (!c->in.err) consume_waiting(c);
    } else {
        size_t used = consume(c, p, n);
        if (used < n) buf_add(&c->in, p + used, n - used);
    }
    if (c->in.err) conn_close(c);
    update_reading(c);
}

void conn_continue(struct http_conn *c)
{
    if (c->processing || c->closing) return;
    if (c->in.n) consume_waiting(c);
    if (c->ssl && !c->closing) tls_pump(c);
    update_reading(c);
}

/* The peer sends no more: what it has asked is still answered, everything else ends. */
void conn_eof(struct http_conn *c)
{
    c->peer_eof = true;
    update_reading(c);
}

/* ---- the ends ---- */

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct http_conn *c = req->data;
    if (status != 0 && !c->closing) conn_close(c);
}

void conn_finish(struct http_conn *c)
{
    if (c->closing || c->shut) return;
    tls_goodbye(c);
    c->shut = true;
    c->state = CONN_LINGER;
    c->paused = false;
    c->sreq.data = c;
    if (c->closing) return;
    if (c->peer_eof || uv_shutdown(&c->sreq, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
        conn_close(c);
        return;
    }
    conn_deadline(c, HTTP_LINGER_S);
    if (!c->processing) conn_continue(c);
}

void conn_next_request(struct http_conn *c)
{
    if (c->close_after || c->hl->stopping) {
        conn_finish(c);
        return;
    }
    c->state = CONN_HEAD;
    c->used = true;
    c->paused = false;
    conn_deadline(c, c->hl->srv->cfg.idle_timeout_s);
    if (!c->processing) conn_continue(c);
}

/* ---- deadlines ---- */

static void head_expired(struct http_conn *c)
{
    if (c->scan.at > 0) {
        http_count(COUNT_HEAD_TIMEOUT, 1);
        exchange_error(c, 408, "the request head did not arrive in time");
        return;
    }
    http_count(c->used ? COUNT_IDLE_CLOSED : COUNT_HEAD_TIMEOUT, 1);
    conn_close(c);
}

static void body_expired(struct http_conn *c)
{
    http_count(COUNT_SLOW_BODY, 1);
    exchange_error(c, 408, "the request body did not arrive in time");
}

static void (*const expired[])(struct http_conn *c) = {
    [CONN_HEAD] = head_expired, [CONN_BODY] = body_expired, [CONN_BUSY] = conn_close,
    [CONN_WS] = conn_close,     [CONN_SSE] = conn_close,    [CONN_LINGER] = conn_close,
};

static void check_reader(struct http_conn *c, uint64_t now)
{
    unsigned span = c->stream ? HTTP_STREAM_STALL_S : HTTP_RATE_WINDOW_S;
    uint64_t least = c->stream ? 1 : (uint64_t)c->hl->srv->cfg.min_rate * span;
    uint64_t sent = c->sent + c->inflight - uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (c->window_ns == 0) {
        c->window_ns = now;
        c->window_sent = sent;
    } else if (now - c->window_ns >= span * NS_PER_S) {
        if (sent - c->window_sent < least) {
            http_count(COUNT_SLOW_READER, 1);
            conn_close(c);
        }
        c->window_ns = now;
        c->window_sent = sent;
    }
}

void conn_sweep(struct http_conn *c, uint64_t now)
{
    if (c->closing) return;
    if (c->deadline_ns && now >= c->deadline_ns) {
        c->deadline_ns = 0;
        expired[c->state](c);
    }
    if (c->queued && !c->closing) check_reader(c, now);
    if (c->stream && !c->closing) stream_sweep(c, now);
    if (c->x && !c->closing) exchange_sweep(c, now);
}

/* ---- the beginning ---- */

static void set_peer(struct http_conn *c, const struct sockaddr *sa)
{
    char *out = c->peer;
    if (sa->sa_family == AF_INET) uv_ip4_name((const struct sockaddr_in *)sa, out, sizeof c->peer);
    if (sa->sa_family == AF_INET6) uv_ip6_name((const struct sockaddr_in6 *)sa, out, sizeof c->peer);
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.')) memmove(out, out + 7, strlen(out + 7) + 1);
}

static void on_rejected(uv_handle_t *h)
{
    struct http_conn *c = h->data;
    conn_free(c);
}

static bool admit(struct http_conn *c)
{
    struct sockaddr_storage sa;
    int n = sizeof sa;
    if (uv_accept((uv_stream_t *)&c->hl->listener, (uv_stream_t *)&c->tcp) != 0) return false;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &n) != 0) return false;
    set_peer(c, (struct sockaddr *)&sa);
    c->counted = peer_enter(c->hl->srv, (struct sockaddr *)&sa);
    return c->counted != NULL;
}

int conn_accept(struct http_loop *hl)
{
    struct http_conn *c = mem_calloc(1, sizeof *c);
    if (!c) return ERR_NOMEM;
    c->hl = hl;
    buf_init(&c->in, HTTP_HEAD_MAX + 2 * HTTP_READ_SIZE);
    buf_init(&c->cipher, 1 << 20);
    uv_tcp_init(loop_uv(hl->loop), &c->tcp);
    c->tcp.data = c;
    if (!admit(c)) {
        uv_close((uv_handle_t *)&c->tcp, on_rejected);
        return ERR_LIMIT;
    }
    c->id = (uint64_t)hl->index << 48 | ++hl->next_id;
    list_add(c);
    bucket_add(c);
    http_count(COUNT_ACCEPTED, 1);
    uv_tcp_nodelay(&c->tcp, 1);
    conn_deadline(c, hl->srv->cfg.head_timeout_s);
    if (hl->srv->tls && tls_attach(c) != 0)
        conn_close(c);
    else
        update_reading(c);
    return 0;
}
