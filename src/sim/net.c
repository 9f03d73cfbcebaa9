/* net.c - see net.h. A connection is one allocation with its input buffer; answers are written at once
 * when the socket takes them, else from a copy. */
#include "sim/net.h"
#include "base/mem.h"

#define IN_MAX 4096
#define OUT_MAX 16384

struct net_conn {
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct net_listener *owner; /* NULL once the listener is done with it */
    struct net_conn *next;
    size_t n;
    int closing; /* handles still to close */
    bool paused, slow;
    uint8_t in[IN_MAX];
};
struct pending {
    uv_write_t req;
    struct net_conn *conn;
    uint8_t data[];
};

static const char *const mode_names[] = {
#define X(name, text) text,
    NET_MODES(X)
#undef X
};

const char *net_mode_name(enum net_mode m)
{
    return mode_names[m];
}

bool net_mode_parse(const char *name, enum net_mode *ret)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (strcmp(name, mode_names[i]) == 0) return *ret = (enum net_mode)i, true;
    return false;
}

static void forget(struct net_conn *c)
{
    struct net_listener *l = c->owner;
    if (!l) return;
    for (struct net_conn **at = &l->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    l->nconns--;
    c->owner = NULL;
}

static void on_closed(uv_handle_t *h)
{
    struct net_conn *c = h->data;
    if (--c->closing == 0) mem_free(c);
}

static void conn_close(struct net_conn *c)
{
    if (c->closing) return;
    forget(c);
    c->closing = 2;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void start_reading(struct net_conn *c);

static void on_written(uv_write_t *req, int status)
{
    struct pending *w = (struct pending *)req;
    struct net_conn *c = w->conn;
    mem_free(w);
    if (status < 0) return conn_close(c);
    if (c->paused && !c->closing) start_reading(c);
}

/* What the socket does not take at once waits in a copy, and we stop reading until it is gone. */
static void send_bytes(struct net_conn *c, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)p, (unsigned)n);
    int sent = c->paused ? 0 : uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    c->owner->bytes_out += n;
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) return conn_close(c);
    if ((size_t)sent == n) return;
    size_t left = n - (size_t)sent;
    struct pending *w = mem_alloc(sizeof *w + left);
    if (!w) return conn_close(c);
    memcpy(w->data, p + sent, left);
    w->conn = c;
    b = uv_buf_init((char *)w->data, (unsigned)left);
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, on_written) < 0) {
        mem_free(w);
        return conn_close(c);
    }
    c->paused = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
}

static void send_garbage(struct net_conn *c)
{
    uint8_t junk[40];
    uint32_t x = c->owner->noise | 1;
    for (size_t i = 0; i < sizeof junk; i++) junk[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    c->owner->noise = x;
    c->n = 0;
    send_bytes(c, junk, sizeof junk);
}

static void serve(struct net_conn *c)
{
    uint8_t out[OUT_MAX];
    size_t n = 0;
    int used = 1;
    while (!c->closing && c->n > 0 && used > 0) {
        used = c->owner->answer(c->owner->ctx, c->in, c->n, out, sizeof out, &n);
        if (used > 0) memmove(c->in, c->in + used, c->n -= (size_t)used);
        if (n > 0) send_bytes(c, out, n);
    }
    if (!c->closing && (used < 0 || c->n == IN_MAX)) conn_close(c);
}

static void on_slow(uv_timer_t *t)
{
    struct net_conn *c = t->data;
    c->slow = false;
    if (!c->closing && c->owner) serve(c);
}

static void on_input(struct net_conn *c)
{
    switch (c->owner->mode) {
    case NET_FREEZE: c->n = 0; break;
    case NET_GARBAGE: send_garbage(c); break;
    case NET_SLOW:
        if (!c->slow) c->slow = uv_timer_start(&c->timer, on_slow, NET_SLOW_MS, 0) == 0;
        break;
    default: serve(c); break;
    }
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    struct net_conn *c = h->data;
    *b = uv_buf_init((char *)c->in + c->n, (unsigned)(IN_MAX - c->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct net_conn *c = s->data;
    if (n < 0) return conn_close(c);
    c->n += (size_t)n;
    c->owner->bytes_in += (uint64_t)n;
    if (n > 0) on_input(c);
}

static void start_reading(struct net_conn *c)
{
    c->paused = false;
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0) conn_close(c);
}

static void on_connect(uv_stream_t *s, int status)
{
    struct net_listener *l = s->data;
    struct net_conn *c = status < 0 ? NULL : mem_calloc(1, sizeof *c);
    if (!c) return;
    c->tcp.data = c->timer.data = c;
    uv_tcp_init(l->loop, &c->tcp);
    uv_timer_init(l->loop, &c->timer);
    c->owner = l, c->next = l->conns, l->conns = c, l->nconns++;
    if (uv_accept(s, (uv_stream_t *)&c->tcp) < 0) return conn_close(c);
    uv_tcp_nodelay(&c->tcp, 1);
    l->accepted++;
    start_reading(c);
}

static int open_listener(struct net_listener *l, struct error *e)
{
    struct sockaddr_storage at;
    int len = sizeof at, rc = uv_ip4_addr(l->bind, (int)l->port, (struct sockaddr_in *)&at);
    if (rc < 0) rc = uv_ip6_addr(l->bind, (int)l->port, (struct sockaddr_in6 *)&at);
    l->tcp = mem_calloc(1, sizeof *l->tcp);
    if (!l->tcp) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    uv_tcp_init(l->loop, l->tcp);
    l->tcp->data = l;
    if (rc == 0) rc = uv_tcp_bind(l->tcp, (struct sockaddr *)&at, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)l->tcp, 128, on_connect);
    if (rc == 0) rc = uv_tcp_getsockname(l->tcp, (struct sockaddr *)&at, &len);
    if (rc < 0) {
        error_set(e, ERR_UNAVAILABLE, "", "cannot listen on %s port %u: %s", "无法监听 %s 端口 %u：%s", l->bind,
                  l->port, uv_strerror(rc));
        net_close(l);
        return ERR_UNAVAILABLE;
    }
    l->port = ntohs(((struct sockaddr_in *)&at)->sin_port); /* the same place in sockaddr_in6 */
    return 0;
}

int net_listen(struct net_listener *l, uv_loop_t *loop, const char *bind, unsigned port, net_answer *answer, void *ctx,
               struct error *e)
{
    *l = (struct net_listener){.loop = loop, .bind = bind, .port = port, .answer = answer, .ctx = ctx, .noise = port};
    return open_listener(l, e);
}

static void cut_all(struct net_listener *l)
{
    while (l->conns) conn_close(l->conns);
}

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

void net_close(struct net_listener *l)
{
    cut_all(l);
    if (l->tcp) uv_close((uv_handle_t *)l->tcp, free_handle);
    l->tcp = NULL;
}

int net_set_mode(struct net_listener *l, enum net_mode m, struct error *e)
{
    enum net_mode old = l->mode;
    l->mode = m;
    if (m == NET_REFUSE) net_close(l);
    if (m != NET_REFUSE && old == NET_REFUSE) return open_listener(l, e);
    return 0;
}
