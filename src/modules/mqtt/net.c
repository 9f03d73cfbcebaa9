/* net.c - the loop: listeners, connections, reading into one shared buffer, writing once a turn.
 *
 * A connection owns memory for bytes only while it needs it: what is left of a packet that has not come whole, what a
 * slow reader has not taken. Replies gather in link.out while a turn of the loop runs and go out together at its end.
 * An end is polite: what waits is sent, our side is shut, and the peer has LINGER_NS to close its own.
 * Everything here runs on the loop; the exceptions say so. */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "modules/mqtt/mqtt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "io/log.h"

#define READ_SIZE (256u << 10)
#define LINGER_NS 3000000000ull
#define STUCK_NS 30000000000ull /* a reader that takes nothing for so long is dropped */
#define RETRY_NS 10000000000ull /* an address that is in use is tried again */
#define UNREAD_MAX (512u << 10) /* answers that a connection does not read; then nothing more is taken from it */
#define PENDING_MAX 4000        /* acknowledgements a connection may have under way before it is held back */
#define WS_QUEUED_MAX (4u << 20)
#define BACKLOG 1024

METRIC(m_connections, METRIC_GAUGE, "bornite_mqtt_connections", "Open MQTT connections.");
METRIC(m_accepted, METRIC_COUNTER, "bornite_mqtt_accepted_total", "MQTT connections accepted.");
METRIC(m_refused, METRIC_COUNTER, "bornite_mqtt_refused_total", "MQTT connections refused because there are too many.");
METRIC(m_slow, METRIC_COUNTER, "bornite_mqtt_slow_readers_total",
       "MQTT connections dropped because their reader is too slow.");

struct listener {
    uv_tcp_t tcp;
    struct net *net;
    struct listener_config cfg;
    struct listener *next;
    bool open;            /* the handle lives */
    bool failed, dropped; /* failed: it is being closed, to be tried again; dropped: and then freed */
    unsigned port;
    uint64_t retry_ns, accepted, refused;
    size_t connections;
};
struct writing { /* bytes that the system has not taken yet */
    uv_write_t req;
    struct conn *c;
    struct buf b;
};
struct conn {
    struct mq_link link; /* first: a link is a connection */
    struct mqtt *m;
    struct listener *listener; /* NULL: WebSocket, or its listener is gone */
    void *pipe;                /* WebSocket */
    struct tls_link *tls;
    struct writing *writing;
    struct conn *next_woken, *next_held;
    struct buf in;     /* begun packets */
    uint64_t since_ns; /* writing, lingering: since when */
    size_t ws_queued;
    bool reading, held, woken, lingering, closing, closed, eof;
    uv_tcp_t tcp; /* last: WebSocket connections have none */
};
struct net {
    struct mqtt *m;
    uv_timer_t tick, gather;
    uv_check_t turn;
    struct listener *listeners;
    struct conn *woken, *held;
    uint8_t *shared;
    unsigned handles;
    size_t conns;
    bool closing;
};

static struct conn *conn_of(struct mq_link *l)
{
    return (struct conn *)(void *)l;
}

static void feed(struct conn *c, const uint8_t *p, size_t n);
static void flush(struct conn *c);

/* ---- ends ---- */

static void free_when_done(struct conn *c)
{
    if (!c->closed || c->link.pending || c->woken || c->held) return;
    mqtt_tls_free(c->tls);
    buf_fini(&c->in);
    mem_free(c);
}

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    c->closed = true;
    if (c->writing) {
        buf_fini(&c->writing->b);
        mem_free(c->writing);
        c->writing = NULL;
    }
    c->m->net->conns--;
    free_when_done(c);
}

static void conn_close(struct conn *c)
{
    if (c->closing) return;
    c->closing = true;
    if (c->listener) c->listener->connections--;
    metric_add(&m_connections, -1);
    mq_link_lost(&c->link);
    if (!c->pipe) {
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        return;
    }
    mqtt_ws_pipe_unref(c->pipe);
    c->closed = true;
    c->m->net->conns--;
}

/* All has been sent to a link that has ended. */
static void finish(struct conn *c)
{
    uv_os_fd_t fd;
    if (c->lingering || c->closing) return;
    c->lingering = true;
    c->since_ns = clock_mono_ns(c->m->node->clock);
    if (c->pipe || c->eof || uv_fileno((uv_handle_t *)&c->tcp, &fd)) {
        conn_close(c);
        return;
    }
    shutdown(fd, SHUT_WR);
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
    struct writing *w = req->data;
    struct conn *c = w->c;
    if (c->closing) return; /* on_closed frees it */
    c->writing = NULL;
    buf_fini(&w->b);
    mem_free(w);
    if (status < 0) {
        conn_close(c);
        return;
    }
    mqtt_now(c->m);
    flush(c);
    if (c->held && !c->closing) mqtt_net_release(c->m);
}

static int write_rest(struct conn *c, struct buf *b, size_t done)
{
    struct writing *w = mem_alloc(sizeof *w);
    if (!w) return ERR_NOMEM;
    w->c = c;
    w->b = *b;
    w->req.data = w;
    buf_init(b, w->b.max);
    uv_buf_t u = uv_buf_init((char *)w->b.p + done, (unsigned)(w->b.n - done));
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &u, 1, on_written)) {
        buf_fini(&w->b);
        mem_free(w);
        return ERR_CLOSED;
    }
    c->writing = w;
    c->since_ns = clock_mono_ns(c->m->node->clock);
    return 0;
}

static int write_out(struct conn *c, struct buf *b)
{
    uv_buf_t u = uv_buf_init((char *)b->p, (unsigned)b->n);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &u, 1);
    if (n < 0 && n != UV_EAGAIN) return ERR_CLOSED;
    if (n == (int)b->n) {
        buf_clear(b);
        return 0;
    }
    return write_rest(c, b, n > 0 ? (size_t)n : 0);
}

static int write_tls(struct conn *c)
{
    struct buf wire;
    buf_init(&wire, 128u << 20);
    int rc = mqtt_tls_output(c->tls, &c->link.out, &wire);
    if (!rc && c->link.ended && !c->link.out.n) mqtt_tls_goodbye(c->tls, &wire);
    if (!rc && wire.n) rc = write_out(c, &wire);
    buf_fini(&wire);
    return rc;
}

static int write_ws(struct conn *c)
{
    if (c->link.out.n + c->ws_queued > WS_QUEUED_MAX) return ERR_LIMIT;
    c->ws_queued += c->link.out.n;
    mqtt_ws_pipe_send(c->pipe, &c->link.out);
    return 0;
}

static void flush(struct conn *c)
{
    struct mq_link *l = &c->link;
    int rc = l->out.err;
    if (c->closing || c->writing || c->lingering) return;
    while (!rc && !c->writing && l->out.n) {
        size_t before = l->out.n;
        rc = c->pipe ? write_ws(c) : c->tls ? write_tls(c) : write_out(c, &l->out);
        if (!rc && !c->writing) mq_drained(l);
        if (c->tls && l->out.n >= before) break; /* the handshake comes first */
    }
    if (l->out.cap > 16384 && !l->out.n) {
        size_t max = l->out.max;
        buf_fini(&l->out);
        buf_init(&l->out, max);
    }
    if (rc) {
        if (rc == ERR_LIMIT || rc == ERR_TOO_LARGE) metric_add(&m_slow, 1);
        conn_close(c);
    } else if (l->ended && !c->writing && (!l->out.n || (c->tls && !mqtt_tls_ready(c->tls)))) {
        finish(c);
    }
}

void mqtt_net_wake(void *ctx, struct mq_link *l)
{
    struct mqtt *m = ctx;
    struct conn *c = conn_of(l);
    if (c->woken) return;
    c->woken = true;
    c->next_woken = m->net->woken;
    m->net->woken = c;
}

static void flush_all(struct net *n)
{
    while (n->woken) {
        struct conn *c = n->woken;
        n->woken = c->next_woken;
        c->woken = false;
        c->link.woken = false;
        flush(c);
        free_when_done(c);
    }
}

static void on_gather(uv_timer_t *t);

static void submit(struct net *n)
{
    if (n->m->ingest && mqtt_ingest_submit(n->m->ingest) && !uv_is_active((uv_handle_t *)&n->gather))
        uv_timer_start(&n->gather, on_gather, 1, 0);
}

static void on_gather(uv_timer_t *t)
{
    submit(t->data);
}

static void on_turn(uv_check_t *h)
{
    submit(h->data);
    flush_all(h->data);
}

/* ---- reading ---- */

static void read_stop(struct conn *c)
{
    if (c->reading && !c->pipe) uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
    struct conn *c = h->data;
    *ret = uv_buf_init((char *)c->m->net->shared, READ_SIZE);
}

/* Plain bytes come only when the handshake is done: the certificate is known before CONNECT is looked at. */
static void tls_name(struct conn *c)
{
    char name[130];
    if (c->link.s || c->link.version || c->link.who.role != MQ_NOBODY) return;
    if (mqtt_tls_name(c->tls, name, sizeof name)) (void)mqtt_login_device(c->m, str_of(name), &c->link.who);
}

static void tls_plain(void *ctx, const uint8_t *p, size_t n)
{
    struct conn *c = ctx;
    tls_name(c);
    if (!c->closing && !c->lingering) feed(c, p, n);
}

static void tls_feed(struct conn *c, const uint8_t *p, size_t n)
{
    struct buf wire;
    int rc = mqtt_tls_input(c->tls, p, n, tls_plain, c);
    if (c->closing) return;
    buf_init(&wire, 4u << 20);
    if (!c->writing && mqtt_tls_output(c->tls, &c->link.out, &wire) == 0 && wire.n && write_out(c, &wire))
        rc = ERR_CLOSED;
    buf_fini(&wire);
    if (rc == 1) c->eof = true;
    if (rc) conn_close(c);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct conn *c = s->data;
    if (n == 0 || c->closing) return;
    if (n < 0) {
        c->eof = true;
        mqtt_now(c->m);
        conn_close(c);
        return;
    }
    if (c->lingering) return;
    mqtt_now(c->m);
    if (c->tls)
        tls_feed(c, (const uint8_t *)b->base, (size_t)n);
    else
        feed(c, (const uint8_t *)b->base, (size_t)n);
}

static void read_start(struct conn *c)
{
    if (c->reading || c->closing) return;
    c->reading = true;
    if (!c->pipe && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read)) conn_close(c);
}

static void hold(struct conn *c)
{
    read_stop(c);
    if (c->held) return;
    c->held = true;
    c->next_held = c->m->net->held;
    c->m->net->held = c;
}

static bool too_much(const struct conn *c)
{
    bool unread = c->link.out.n > UNREAD_MAX && c->writing;
    return unread || c->link.resting || c->link.pending >= PENDING_MAX || mqtt_ingest_full(c->m->ingest);
}

/* What is left of the bytes waits in c->in. */
static void keep_rest(struct conn *c, const uint8_t *p, size_t n)
{
    if (!c->in.max) buf_init(&c->in, 8u << 20);
    buf_add(&c->in, p, n);
    if (c->in.err) conn_close(c);
}

static void take(struct conn *c, const uint8_t *p, size_t n, size_t *ret_used)
{
    *ret_used = 0;
    if (!c->held && !c->link.paused && too_much(c)) hold(c);
    if (!c->held) mq_input(&c->link, p, n, ret_used);
    if (c->link.paused) read_stop(c);
    if (c->link.resting && !c->link.ended) hold(c); /* until the next tick */
}

static void feed(struct conn *c, const uint8_t *p, size_t n)
{
    size_t used;
    if (!c->in.n) {
        take(c, p, n, &used);
        if (used < n && !c->link.ended && !c->closing) keep_rest(c, p + used, n - used);
        return;
    }
    keep_rest(c, p, n);
    if (c->closing) return;
    take(c, c->in.p, c->in.n, &used);
    if (used == c->in.n || c->link.ended)
        buf_fini(&c->in), c->in = (struct buf){.max = 0};
    else
        buf_drop(&c->in, used);
}

/* Those bytes that have come already, then the wire. */
static void go_on(struct conn *c)
{
    size_t used;
    if (c->closing || c->held || c->link.paused) return;
    if (c->in.n && !c->link.ended) {
        take(c, c->in.p, c->in.n, &used);
        if (used == c->in.n || c->link.ended)
            buf_fini(&c->in), c->in = (struct buf){.max = 0};
        else
            buf_drop(&c->in, used);
    }
    if (!c->held && !c->link.paused) read_start(c);
}

void mqtt_net_go_on(struct mq_link *l)
{
    go_on(conn_of(l));
}

void mqtt_net_settled(struct mq_link *l)
{
    free_when_done(conn_of(l));
}

void mqtt_net_release(struct mqtt *m)
{
    struct conn *list = m->net->held, *next;
    m->net->held = NULL;
    for (; list; list = next) {
        next = list->next_held;
        list->held = false;
        go_on(list);
        free_when_done(list);
    }
}

/* ---- connections ---- */

static void name_peer(struct conn *c)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n)) return;
    if (a.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&a, c->link.peer, sizeof c->link.peer);
    else
        uv_ip6_name((struct sockaddr_in6 *)&a, c->link.peer, sizeof c->link.peer);
}

static struct conn *conn_new(struct mqtt *m, size_t size)
{
    struct conn *c = mem_calloc(1, size);
    if (!c) return NULL;
    c->m = m;
    m->net->conns++;
    metric_add(&m_connections, 1);
    metric_add(&m_accepted, 1);
    return c;
}

static void on_gone(uv_handle_t *h)
{
    struct conn *c = h->data;
    c->m->net->conns--;
    mem_free(c);
}

static void accept_one(struct listener *l)
{
    struct mqtt *m = l->net->m;
    struct conn *c = conn_new(m, sizeof *c);
    if (!c) return;
    uv_tcp_init(loop_uv(m->loop), &c->tcp);
    c->tcp.data = c;
    bool room = l->net->conns <= mq_defaults.connections && !l->net->closing;
    int rc = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&c->tcp);
    if (!rc && room && l->cfg.tls && !(c->tls = mqtt_tls_new(l->cfg.tls))) room = false;
    if (rc || !room) {
        l->refused++;
        metric_add(&m_refused, 1);
        metric_add(&m_connections, -1);
        uv_close((uv_handle_t *)&c->tcp, on_gone);
        return;
    }
    l->accepted++;
    l->connections++;
    c->listener = l;
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60); /* clients without a keep-alive vanish, too */
    name_peer(c);
    mqtt_now(m);
    mq_link_open(m->broker, &c->link);
    c->link.secure = c->tls != NULL;
    read_start(c);
}

static void on_connection(uv_stream_t *s, int status)
{
    if (status == 0) accept_one(s->data);
}

/* ---- WebSocket ---- */

struct conn *mqtt_net_ws_open(struct mqtt *m, void *pipe, const char *peer, bool secure)
{
    struct conn *c = m->net && !m->net->closing && m->net->conns < mq_defaults.connections
                         ? conn_new(m, offsetof(struct conn, tcp))
                         : NULL;
    if (!c) return NULL;
    c->pipe = pipe;
    c->reading = true;
    str_to_cstr(str_of(peer), c->link.peer, sizeof c->link.peer);
    mqtt_now(m);
    mq_link_open(m->broker, &c->link);
    c->link.secure = secure;
    return c;
}

void mqtt_net_ws_input(struct conn *c, const uint8_t *p, size_t n)
{
    if (c->closing || c->lingering || c->link.ended) return;
    mqtt_now(c->m);
    if (c->held || c->link.paused)
        keep_rest(c, p, n);
    else
        feed(c, p, n);
}

void mqtt_net_ws_drained(struct conn *c, size_t n)
{
    c->ws_queued -= n;
    mqtt_now(c->m);
    if (!c->closing) mq_drained(&c->link);
}

void mqtt_net_ws_gone(struct conn *c)
{
    mqtt_now(c->m);
    c->eof = true;
    conn_close(c);
    free_when_done(c);
}

/* ---- listeners ---- */

static void listener_free(struct listener *l)
{
    mqtt_tls_context_free(l->cfg.tls);
    mem_free(l);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct listener *l = h->data;
    l->net->handles--;
    listener_free(l);
}

static void listener_close(struct listener *l)
{
    if (l->failed)
        l->dropped = true;
    else if (l->open)
        uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
    else
        listener_free(l);
}

static void say_fault(struct listener *l, const char *en, const char *zh)
{
    bool fresh = strcmp(l->cfg.fault, en) != 0;
    snprintf(l->cfg.fault, sizeof l->cfg.fault, "%s", en);
    snprintf(l->cfg.fault_zh, sizeof l->cfg.fault_zh, "%s", zh);
    if (fresh)
        log_warn("mqtt", "a listener cannot listen; it is tried again every 10 s",
                 "listener=%s address=%s port=%u err=%s", l->cfg.code, l->cfg.address, l->cfg.port, en);
}

static int listen_at(struct listener *l)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    int rc = uv_ip4_addr(l->cfg.address, (int)l->cfg.port, (struct sockaddr_in *)&a);
    if (rc) rc = uv_ip6_addr(l->cfg.address, (int)l->cfg.port, (struct sockaddr_in6 *)&a);
    if (!rc) rc = uv_tcp_bind(&l->tcp, (struct sockaddr *)&a, 0);
    if (!rc) rc = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    if (!rc) rc = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&a, &n);
    if (!rc)
        l->port = ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port
                                               : ((struct sockaddr_in6 *)&a)->sin6_port);
    return rc;
}

static void on_unbound(uv_handle_t *h)
{
    struct listener *l = h->data;
    l->net->handles--;
    l->open = l->failed = false;
    if (l->dropped) listener_free(l);
}

static void listener_open(struct listener *l)
{
    if (uv_tcp_init(loop_uv(l->net->m->loop), &l->tcp)) return;
    l->tcp.data = l;
    l->open = true;
    l->net->handles++;
    int rc = listen_at(l);
    if (!rc) {
        l->cfg.fault[0] = l->cfg.fault_zh[0] = '\0';
        log_info("mqtt", "listening", "listener=%s address=%s port=%u tls=%d", l->cfg.code, l->cfg.address, l->port,
                 l->cfg.tls != NULL);
        return;
    }
    char en[200], zh[200];
    snprintf(en, sizeof en, "cannot listen on %s port %u: %s", l->cfg.address, l->cfg.port, uv_strerror(rc));
    snprintf(zh, sizeof zh, "无法监听 %s 端口 %u：%s", l->cfg.address, l->cfg.port, uv_strerror(rc));
    say_fault(l, en, zh);
    l->retry_ns = clock_mono_ns(l->net->m->node->clock) + RETRY_NS;
    l->failed = true;
    uv_close((uv_handle_t *)&l->tcp, on_unbound);
}

static void try_again(struct net *n, uint64_t now)
{
    for (struct listener *l = n->listeners; l; l = l->next)
        if (l->cfg.enabled && l->retry_ns && l->retry_ns <= now && !l->open && !n->closing) {
            l->retry_ns = 0;
            listener_open(l);
        }
}

struct setting {
    struct mqtt *m;
    struct listener_config *list;
    size_t n;
};

static bool same(const struct listener_config *a, const struct listener_config *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->address, b->address) == 0 && a->port == b->port &&
           a->enabled == b->enabled && !a->tls && !b->tls && !a->fault[0] && !b->fault[0];
}

static void drop_listener(struct net *n, struct listener *l)
{
    for (struct listener **at = &n->listeners; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    listener_close(l);
}

static void add_listener(struct net *n, const struct listener_config *cfg)
{
    struct listener *l = mem_calloc(1, sizeof *l);
    if (!l) {
        mqtt_tls_context_free(cfg->tls);
        return;
    }
    l->net = n;
    l->cfg = *cfg;
    l->next = n->listeners;
    n->listeners = l;
    if (l->cfg.enabled && !l->cfg.fault[0]) listener_open(l);
}

static bool wanted(const struct setting *s, const struct listener *l)
{
    for (size_t i = 0; i < s->n; i++)
        if (same(&s->list[i], &l->cfg)) return true;
    return false;
}

static void orphan(struct net *n, const struct listener *l, bool replaced);

static bool replaced(const struct setting *s, const struct listener *l)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].enabled && strcmp(s->list[i].id, l->cfg.id) == 0) return true;
    return false;
}

static void set_listeners(void *arg)
{
    struct setting *s = arg;
    struct net *n = s->m->net;
    mqtt_now(s->m);
    for (struct listener *l = n->listeners, *next; l; l = next) {
        next = l->next;
        if (wanted(s, l)) continue;
        orphan(n, l, replaced(s, l));
        drop_listener(n, l);
    }
    for (size_t i = 0; i < s->n; i++) {
        bool there = false;
        for (struct listener *l = n->listeners; l && !there; l = l->next) there = same(&s->list[i], &l->cfg);
        if (there || n->closing)
            mqtt_tls_context_free(s->list[i].tls);
        else
            add_listener(n, &s->list[i]);
    }
    mem_free(s->list);
    mem_free(s);
}

void mqtt_net_listeners_set(struct mqtt *m, struct listener_config *list, size_t n)
{
    struct setting *s = mem_alloc(sizeof *s);
    if (s) *s = (struct setting){m, list, n};
    if (s && loop_post(m->loop, set_listeners, s) == 0) return;
    for (size_t i = 0; i < n; i++) mqtt_tls_context_free(list[i].tls);
    mem_free(list);
    mem_free(s);
}

void mqtt_net_listeners_each(struct mqtt *m, void (*fn)(void *ctx, const struct listener_view *v), void *ctx)
{
    for (struct listener *l = m->net->listeners; l; l = l->next) {
        struct listener_view v = {
            &l->cfg, l->open && !l->failed ? l->port : 0, l->cfg.tls != NULL, l->connections, l->accepted, l->refused};
        fn(ctx, &v);
    }
}

/* ---- every second ---- */

static struct mq_link *links_of(struct net *n)
{
    return mq_links(n->m->broker);
}

/* Its connections stay when it is only replaced. */
static void orphan(struct net *n, const struct listener *l, bool replaced)
{
    for (struct mq_link *k = links_of(n), *next; k; k = next) {
        next = k->next;
        if (conn_of(k)->listener != l) continue;
        conn_of(k)->listener = NULL;
        if (!replaced) mq_end(k, MQTT_SHUTTING_DOWN, "the listener is switched off", "监听已关闭");
    }
}

static void sweep_one(struct conn *c, uint64_t now)
{
    struct buf *out = &c->link.out;
    if (c->lingering && now - c->since_ns > LINGER_NS) {
        conn_close(c);
    } else if (c->writing && now - c->since_ns > STUCK_NS) {
        metric_add(&m_slow, 1);
        conn_close(c);
    } else if (!out->n && out->cap && now - c->link.heard_ns > 2000000000u) { /* idle ones keep no memory */
        size_t max = out->max;
        buf_fini(out);
        buf_init(out, max);
    }
}

static void on_tick(uv_timer_t *t)
{
    struct net *n = t->data;
    struct mqtt *m = n->m;
    uint64_t now = clock_mono_ns(m->node->clock);
    if (n->closing) return; /* nothing is kept any more */
    mqtt_now(m);
    mq_tick(m->broker);
    mqtt_login_sweep(m, links_of(n));
    mqtt_net_release(m);
    for (struct mq_link *l = links_of(n), *next; l; l = next) {
        next = l->next;
        sweep_one(conn_of(l), now);
    }
    try_again(n, now);
    submit(n);
    flush_all(n);
}

/* ---- life ---- */

static void raise_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r)) return;
    rlim_t want = mq_defaults.connections + 8192;
    if (r.rlim_cur >= want) return;
    r.rlim_cur = r.rlim_max == RLIM_INFINITY || r.rlim_max > want ? want : r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static void start_on_loop(void *arg)
{
    struct net *n = arg;
    uv_timer_init(loop_uv(n->m->loop), &n->tick);
    uv_check_init(loop_uv(n->m->loop), &n->turn);
    uv_timer_init(loop_uv(n->m->loop), &n->gather);
    n->tick.data = n->turn.data = n->gather.data = n;
    uv_timer_start(&n->tick, on_tick, 1000, 1000);
    uv_check_start(&n->turn, on_turn);
    n->handles = 3;
}

int mqtt_net_open(struct mqtt *m, struct error *e)
{
    struct net *n = mem_calloc(1, sizeof *n);
    if (n) n->shared = mem_alloc(READ_SIZE);
    if (!n || !n->shared) {
        mem_free(n);
        return error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    }
    n->m = m;
    m->net = n;
    raise_limit();
    return loop_call(m->loop, start_on_loop, n);
}

static void on_part_closed(uv_handle_t *h)
{
    ((struct net *)h->data)->handles--;
}

static void say_goodbye(void *arg)
{
    struct net *n = arg;
    n->closing = true;
    mqtt_now(n->m);
    while (n->listeners) {
        orphan(n, n->listeners, true);
        drop_listener(n, n->listeners);
    }
    for (struct mq_link *l = links_of(n), *next; l; l = next) {
        next = l->next;
        mq_end(l, MQTT_SHUTTING_DOWN, "the server is shutting down", "服务器正在关闭");
    }
    flush_all(n);
}

static void close_all(void *arg)
{
    struct net *n = arg;
    for (struct mq_link *l = links_of(n), *next; l; l = next) {
        next = l->next;
        conn_close(conn_of(l));
        free_when_done(conn_of(l));
    }
    uv_close((uv_handle_t *)&n->tick, on_part_closed);
    uv_close((uv_handle_t *)&n->turn, on_part_closed);
    uv_close((uv_handle_t *)&n->gather, on_part_closed);
}

struct gone {
    struct net *n;
    bool yes;
};
static void look(void *arg)
{
    struct gone *g = arg;
    g->yes = !g->n->conns && !g->n->handles;
}

void mqtt_net_close(struct mqtt *m)
{
    struct gone g = {m->net, false};
    if (!m->net) return;
    (void)loop_call(m->loop, say_goodbye, m->net);
    mqtt_ingest_close(m->ingest); /* while acknowledgements can still be sent */
    m->ingest = NULL;
    (void)loop_call(m->loop, close_all, m->net);
    while (loop_call(m->loop, look, &g) == 0 && !g.yes) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    loop_stop(m->loop);
    m->loop = NULL;
    mem_free(m->net->shared);
    mem_free(m->net);
    m->net = NULL;
}
