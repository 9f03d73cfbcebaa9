/* http_server.c - the server as a whole: configuration, listening, caps, the sweep, stop.
 *
 * With several loops each has its own listening socket on the same port (SO_REUSEPORT) and the kernel
 * spreads connections. Every HTTP_SWEEP_MS each loop walks its connections: deadlines, rates, pings.
 * Stop: listeners and idle connections close at once, streams are told (1001), running exchanges get
 * HTTP_STOP_S to end; then everything left is closed, the pool is joined, the loops end. */
#include "io/http_int.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "io/log.h"

#define HTTP_STOP_S 5
#define HTTP_BACKLOG 1024
#define HTTP_QUEUE_PER_WORKER 256

static struct metric counters[] = {
    [COUNT_CONNECTIONS] = {.name = "bornite_http_connections", .help = "open connections", .type = METRIC_GAUGE},
    [COUNT_ACCEPTED] = {.name = "bornite_http_accepted_total", .help = "connections accepted"},
    [COUNT_REQUESTS] = {.name = "bornite_http_requests_total", .help = "requests begun"},
    [COUNT_BYTES_OUT] = {.name = "bornite_http_sent_bytes_total", .help = "bytes sent on closed connections"},
    [COUNT_REFUSED_CONNECTIONS] = {.name = "bornite_http_refused_connections_total",
                                   .help = "connections refused, all places taken"},
    [COUNT_REFUSED_PEER] = {.name = "bornite_http_refused_peer_total",
                            .help = "connections refused, too many from one address"},
    [COUNT_BAD_REQUEST] = {.name = "bornite_http_bad_request_total", .help = "malformed requests and frames"},
    [COUNT_HEAD_TIMEOUT] = {.name = "bornite_http_head_timeout_total", .help = "heads that did not come in time"},
    [COUNT_IDLE_CLOSED] = {.name = "bornite_http_idle_closed_total", .help = "idle connections closed"},
    [COUNT_SLOW_BODY] = {.name = "bornite_http_slow_body_total", .help = "bodies that came too slowly"},
    [COUNT_SLOW_READER] = {.name = "bornite_http_slow_reader_total", .help = "peers dropped, they did not read"},
    [COUNT_TOO_LARGE] = {.name = "bornite_http_too_large_total", .help = "bodies over their limit"},
    [COUNT_BUSY] = {.name = "bornite_http_busy_total", .help = "requests refused, all workers busy"},
    [COUNT_TLS_FAILED] = {.name = "bornite_http_tls_failed_total", .help = "TLS sessions that failed"},
    [COUNT_STREAM_FULL] = {.name = "bornite_http_stream_full_total", .help = "stream sends refused, queue full"},
    [COUNT_WS_DEAD] = {.name = "bornite_http_ws_dead_total", .help = "silent WebSocket peers dropped"},
};

void http_count(enum http_counter which, int64_t n)
{
    metric_add(&counters[which], n);
}

/* ---- connections a peer ---- */

struct http_peer {
    struct http_peer *next;
    uint64_t key;
    unsigned n;
};

/* An IPv4 address, or the /64 of an IPv6 one: what one party usually holds. */
static uint64_t peer_key(const struct sockaddr *sa)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint32_t v4;
    uint64_t v6;
    if (sa->sa_family == AF_INET) {
        v4 = ((const struct sockaddr_in *)sa)->sin_addr.s_addr;
        return (uint64_t)v4 << 8 | 1;
    }
    const uint8_t *a = ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
    if (memcmp(a, mapped, sizeof mapped) == 0) {
        memcpy(&v4, a + 12, sizeof v4);
        return (uint64_t)v4 << 8 | 1;
    }
    memcpy(&v6, a, sizeof v6);
    return v6;
}

static struct http_peer **peer_slot(struct http_server *srv, uint64_t key)
{
    struct http_peer **p = &srv->peers[(key * 0x9e3779b97f4a7c15u) >> 56];
    while (*p && (*p)->key != key) p = &(*p)->next;
    return p;
}

static struct http_peer *enter_locked(struct http_server *srv, uint64_t key)
{
    if (srv->nconns >= srv->cfg.connections_max) {
        http_count(COUNT_REFUSED_CONNECTIONS, 1);
        return NULL;
    }
    struct http_peer **slot = peer_slot(srv, key), *p = *slot;
    if (!p) {
        p = mem_calloc(1, sizeof *p);
        if (!p) return NULL;
        p->key = key;
        *slot = p;
    }
    if (p->n >= srv->cfg.per_peer_max) {
        http_count(COUNT_REFUSED_PEER, 1);
        return NULL;
    }
    p->n++;
    srv->nconns++;
    http_count(COUNT_CONNECTIONS, 1);
    return p;
}

struct http_peer *peer_enter(struct http_server *srv, const struct sockaddr *sa)
{
    pthread_mutex_lock(&srv->lock);
    struct http_peer *p = enter_locked(srv, peer_key(sa));
    pthread_mutex_unlock(&srv->lock);
    return p;
}

void peer_leave(struct http_server *srv, struct http_peer *p)
{
    pthread_mutex_lock(&srv->lock);
    if (--p->n == 0) {
        *peer_slot(srv, p->key) = p->next;
        mem_free(p);
    }
    srv->nconns--;
    http_count(COUNT_CONNECTIONS, -1);
    pthread_cond_broadcast(&srv->less);
    pthread_mutex_unlock(&srv->lock);
}

void server_job_begin(struct http_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    srv->njobs++;
    pthread_mutex_unlock(&srv->lock);
}

void server_job_end(struct http_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    if (--srv->njobs == 0) pthread_cond_broadcast(&srv->less);
    pthread_mutex_unlock(&srv->lock);
}

/* ---- listening ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_loop *hl = listener->data;
    if (status != 0) {
        log_warn("http", "a connection could not be accepted", "err=\"%s\"", uv_strerror(status));
        return;
    }
    hl->accept_again = conn_accept(hl) == ERR_NOMEM; /* other refusals are done and counted */
}

static void on_sweep(uv_timer_t *t)
{
    struct http_loop *hl = t->data;
    uint64_t now = clock_mono_ns(hl->srv->clock);
    if (hl->accept_again && !hl->stopping) on_connection((uv_stream_t *)&hl->listener, 0);
    for (struct http_conn *c = hl->conns, *next; c; c = next) {
        next = c->next; /* closing frees later, in on_closed */
        conn_sweep(c, now);
    }
}

static int resolve_bind(const struct http_config *cfg, unsigned port, struct sockaddr_storage *ret)
{
    const char *text = strcmp(cfg->bind, "localhost") == 0 ? "127.0.0.1" : cfg->bind;
    if (uv_ip4_addr(text, (int)port, (struct sockaddr_in *)ret) == 0) return 0;
    return uv_ip6_addr(text, (int)port, (struct sockaddr_in6 *)ret);
}

static int listen_on(struct http_loop *hl, const struct sockaddr *sa)
{
    int one = 1;
    uv_os_fd_t fd;
    int err = uv_tcp_init_ex(loop_uv(hl->loop), &hl->listener, sa->sa_family);
    if (err) {
        memset(&hl->listener, 0, sizeof hl->listener); /* not a handle: nothing to close */
        return err;
    }
    hl->listener.data = hl;
    err = uv_fileno((uv_handle_t *)&hl->listener, &fd);
    if (!err && hl->srv->nloops > 1) err = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) ? UV_EIO : 0;
    if (!err) err = uv_tcp_bind(&hl->listener, sa, 0);
    if (!err) err = uv_listen((uv_stream_t *)&hl->listener, HTTP_BACKLOG, on_connection);
    return err;
}

struct open_loop {
    struct http_loop *hl;
    int err;
};

/* On the loop. The first one may find the port. */
static void open_loop(void *arg)
{
    struct open_loop *o = arg;
    struct http_loop *hl = o->hl;
    struct http_server *srv = hl->srv;
    struct sockaddr_storage sa = {0};
    int n = sizeof sa;
    uv_timer_init(loop_uv(hl->loop), &hl->sweep);
    hl->sweep.data = hl;
    uv_timer_start(&hl->sweep, on_sweep, HTTP_SWEEP_MS, HTTP_SWEEP_MS);
    o->err = resolve_bind(&srv->cfg, srv->port, &sa);
    if (!o->err) o->err = listen_on(hl, (struct sockaddr *)&sa);
    if (!o->err) o->err = uv_tcp_getsockname(&hl->listener, (struct sockaddr *)&sa, &n);
    if (!o->err && loop_assist(hl->loop) != 0) o->err = UV_ENOMEM;
    if (!o->err) srv->port = ntohs(((struct sockaddr_in *)&sa)->sin_port); /* same place in both families */
}

static int open_loops(struct http_server *srv, struct error *e)
{
    for (unsigned i = 0; i < srv->nloops; i++) {
        struct http_loop *hl = &srv->loops[i];
        struct open_loop o = {.hl = hl};
        int err = loop_start("http", &hl->loop);
        if (!err) err = loop_call(hl->loop, open_loop, &o);
        if (err) return error_set(e, err, "http", "the loop cannot start", "事件循环无法启动");
        if (o.err)
            return error_set(e, error_from_errno(-o.err), "http", "cannot listen on %s port %u: %s",
                             "无法监听 %s 端口 %u：%s", srv->cfg.bind, srv->cfg.port, uv_strerror(o.err));
    }
    return 0;
}

static void set_defaults(struct http_config *c)
{
    const struct {
        unsigned *field, value;
    } defaults[] = {
        {&c->loops, 1},           {&c->workers, 4},         {&c->connections_max, 4096}, {&c->per_peer_max, 512},
        {&c->head_timeout_s, 10}, {&c->idle_timeout_s, 75}, {&c->min_rate, 256},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (*defaults[i].field == 0) *defaults[i].field = defaults[i].value;
    if (!c->bind) c->bind = "127.0.0.1";
}

static int setup_loops(struct http_server *srv)
{
    srv->loops = mem_calloc(srv->cfg.loops, sizeof *srv->loops);
    if (!srv->loops) return ERR_NOMEM;
    srv->nloops = srv->cfg.loops;
    for (unsigned i = 0; i < srv->nloops; i++) {
        struct http_loop *hl = &srv->loops[i];
        hl->srv = srv;
        hl->index = i;
        hl->rbuf = mem_alloc(HTTP_READ_SIZE);
        hl->tlsbuf = srv->tls ? mem_alloc(HTTP_READ_SIZE) : NULL;
        if (!hl->rbuf || (srv->tls && !hl->tlsbuf)) return ERR_NOMEM;
    }
    return 0;
}

static int setup(struct http_server *srv, struct error *e)
{
    struct http_config *c = &srv->cfg;
    int err = 0;
    if (c->cert_pem || c->key_pem) err = tls_context(c, &srv->tls, e);
    if (!err) {
        err = setup_loops(srv);
        if (!err) err = pool_start("http-worker", c->workers, c->workers * HTTP_QUEUE_PER_WORKER, &srv->pool);
        if (err) return error_set(e, err, "http", "no memory or threads for the server", "服务器内存或线程不足");
    }
    return err ? err : open_loops(srv, e);
}

int http_server_start(const struct http_config *cfg, struct http_server **ret, struct error *e)
{
    struct http_server *srv = mem_calloc(1, sizeof *srv);
    if (!srv) return error_set(e, ERR_NOMEM, "http", "no memory for the server", "服务器内存不足");
    srv->cfg = *cfg;
    set_defaults(&srv->cfg);
    srv->port = cfg->port;
    srv->clock = cfg->clock ? cfg->clock : clock_real();
    pthread_mutex_init(&srv->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&srv->less, &attr);
    pthread_condattr_destroy(&attr);
    int err = setup(srv, e);
    if (err)
        http_server_stop(srv);
    else
        *ret = srv;
    return err;
}

unsigned http_server_port(const struct http_server *s)
{
    return s->port;
}

/* ---- stopping ---- */

static void stop_conn(struct http_conn *c)
{
    if (c->stream)
        stream_stop(c);
    else if (c->x)
        c->close_after = true;
    else if (c->state == CONN_HEAD && c->scan.at == 0)
        conn_close(c);
}

static void close_handle(uv_handle_t *h)
{
    if (uv_handle_get_type(h) != UV_UNKNOWN_HANDLE && !uv_is_closing(h)) uv_close(h, NULL);
}

static void begin_stop(void *arg)
{
    struct http_loop *hl = arg;
    hl->stopping = true;
    close_handle((uv_handle_t *)&hl->listener);
    for (struct http_conn *c = hl->conns, *next; c; c = next) {
        next = c->next;
        if (!c->closing) stop_conn(c);
    }
}

static void force_stop(void *arg)
{
    struct http_loop *hl = arg;
    close_handle((uv_handle_t *)&hl->sweep);
    for (struct http_conn *c = hl->conns; c; c = c->next) conn_close(c);
}

static void call_all(struct http_server *srv, void (*fn)(void *))
{
    for (unsigned i = 0; i < srv->nloops; i++) {
        struct http_loop *hl = &srv->loops[i];
        if (hl->loop && loop_call(hl->loop, fn, hl) != 0) log_error("http", "a loop did not answer at stop", NULL);
    }
}

/* Until neither connections nor jobs are left; seconds 0: however long it takes. */
static void wait_empty(struct http_server *srv, unsigned seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    int late = 0;
    pthread_mutex_lock(&srv->lock);
    while ((srv->nconns || srv->njobs) && !late)
        late = seconds ? pthread_cond_timedwait(&srv->less, &srv->lock, &until)
                       : pthread_cond_wait(&srv->less, &srv->lock);
    pthread_mutex_unlock(&srv->lock);
}

static void server_free(struct http_server *srv)
{
    for (unsigned i = 0; i < srv->nloops; i++) {
        loop_stop(srv->loops[i].loop);
        mem_free(srv->loops[i].rbuf);
        mem_free(srv->loops[i].tlsbuf);
    }
    mem_free(srv->loops);
    SSL_CTX_free(srv->tls);
    pthread_cond_destroy(&srv->less);
    pthread_mutex_destroy(&srv->lock);
    mem_free(srv);
}

void http_server_stop(struct http_server *srv)
{
    if (!srv) return;
    call_all(srv, begin_stop);
    wait_empty(srv, HTTP_STOP_S);
    call_all(srv, force_stop);
    wait_empty(srv, 0);
    pool_stop(srv->pool);
    server_free(srv);
}
