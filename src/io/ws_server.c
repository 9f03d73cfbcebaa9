/* ws_server.c - see ws_server.h: requests read, refused or upgraded. A connection belongs to the server until its owner
 * has let it in; what is refused gets a short answer and is closed. */
#include "io/ws_server.h"
#include "base/encode.h"
#include "base/mem.h"
#include "io/ws_int.h"

#define SHAKE_MS 10000

struct ws_server {
    uv_loop_t *loop;
    const struct ws_server_ops *ops;
    void *ctx;
    struct tls_listener *listener;
    struct tls_listener_ops listener_ops;
    struct ws_limits limits;
    unsigned connections, max;
    struct guest *guests; /* that are not let in yet */
    bool closing;
    bool listening; /* the listener is not gone */
    void (*closed)(void *arg);
    void *closed_arg;
};
struct guest {
    struct ws_server *s;
    struct ws *w;
    struct guest *prev, *next;
    struct http_scan scan;
    bool in; /* let in: its owner has the socket */
};

struct str ws_request_header(const struct ws_request *q, const char *name)
{
    for (size_t i = 0; i < q->head->nheaders; i++)
        if (str_is(q->head->headers[i].name, name)) return q->head->headers[i].value;
    return STR_NULL;
}

struct str ws_request_query(const struct ws_request *q, const char *name)
{
    struct str rest = q->query, out;
    while (rest.p) {
        struct str value = str_cut(&rest, '&'), key = str_cut(&value, '=');
        if (str_is(key, name)) return percent_decode(q->arena, value.p ? value : STR(""), true, &out) ? STR_NULL : out;
    }
    return STR_NULL;
}

struct str ws_request_token(const struct ws_request *q)
{
    struct str auth = ws_request_header(q, "authorization");
    if (auth.n > 7 && str_ieq(str_sub(auth, 0, 7), STR("bearer "))) return str_trim(str_sub(auth, 7, auth.n));
    return ws_request_query(q, "token");
}

/* ---- the end of one ---- */

static void maybe_gone(struct ws_server *s)
{
    if (!s->closing || s->listening || s->connections) return;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;
    mem_free(s);
    if (closed) closed(arg);
}

static void unlink_guest(struct guest *g)
{
    if (g->in) return;
    g->in = true;
    if (g->prev)
        g->prev->next = g->next;
    else
        g->s->guests = g->next;
    if (g->next) g->next->prev = g->prev;
}

static void guest_gone(struct ws *w)
{
    struct guest *g = w->side;
    struct ws_server *s = g->s;
    unlink_guest(g);
    mem_free(g);
    s->connections--;
    maybe_gone(s);
}

/* ---- requests ---- */

static void reject(struct guest *g, int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{400, "Bad Request"}, {401, "Unauthorized"},     {403, "Forbidden"},
                 {404, "Not Found"},   {426, "Upgrade Required"}, {503, "Service Unavailable"}};
    const char *text = "Bad Request";
    char out[256];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status) text = texts[i].text;
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                     status, text, status == 401 ? "WWW-Authenticate: Bearer\r\n" : "");
    int rc = tls_stream_write(g->w->stream, out, (size_t)n);
    if (!rc) g->w->stats.bytes_out += (size_t)n;
    ws_conn_close(g->w, 1000, "", NULL, NULL);
}

static bool is_upgrade(const struct ws_request *q, int *ret_status)
{
    struct buf key;
    buf_init(&key, 64);
    bool key_ok = base64_decode(&key, ws_request_header(q, "sec-websocket-key"), false) == 0 && key.n == 16;
    buf_fini(&key);
    bool upgrade = str_is(q->head->method, "GET") && q->head->minor == 1 &&
                   http_has_token(ws_request_header(q, "upgrade"), "websocket") &&
                   http_has_token(ws_request_header(q, "connection"), "upgrade");
    *ret_status = !upgrade || !str_is(ws_request_header(q, "sec-websocket-version"), "13") ? 426 : 400;
    return upgrade && *ret_status == 400 && key_ok;
}

static int welcome(struct guest *g, struct str key)
{
    char accept[32], out[200];
    ws_accept_key(key, accept);
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    return tls_stream_write(g->w->stream, out, (size_t)n);
}

/* 1: let in */
static int decide(struct guest *g, char *p, size_t n)
{
    struct ws_server *s = g->s;
    struct http_head head;
    char path[HTTP_TARGET_MAX + 1];
    void *ctx = NULL;
    int status = 400;
    AUTO_ARENA a;
    arena_init(&a, 64 << 10);
    struct ws_request q = {.head = &head,
                           .host = tls_stream_host(g->w->stream),
                           .port = tls_stream_port(g->w->stream),
                           .arena = &a,
                           .w = g->w};
    bool good = http_head_parse(p, n, &head) == 0 && head.target.n <= HTTP_TARGET_MAX &&
                http_target_split(head.target, path, &q.path, &q.query) == 0 && is_upgrade(&q, &status);
    if (good) status = s->closing || s->connections > s->max ? 503 : s->ops->request(s->ctx, &q, &ctx);
    if (!good || status) {
        reject(g, status);
        return -1;
    }
    g->w->ops = &s->ops->ws;
    g->w->ctx = ctx;
    unlink_guest(g);
    if (welcome(g, ws_request_header(&q, "sec-websocket-key")) == 0) return 1;
    struct error e = {0};
    error_set(&e, ERR_CLOSED, "", "the connection was lost", "连接已断开");
    ws_fail(g->w, &e);
    return -1;
}

static int shake(struct ws *w, const uint8_t *p, size_t n, size_t *ret_used)
{
    struct guest *g = w->side;
    size_t before = w->head.n;
    buf_add(&w->head, p, n);
    int len = w->head.err ? -431 : http_head_find(&g->scan, (const char *)w->head.p, w->head.n);
    if (len == 0) return 0;
    if (len < 0) {
        reject(g, 400);
        return -1;
    }
    *ret_used = (size_t)len - before;
    return decide(g, (char *)w->head.p, (size_t)len);
}

/* ---- those who are not let in yet ---- */

static void guest_opened(void *ctx, struct ws *w) {}
static void guest_message(void *ctx, bool text, struct str data) {}
static void guest_lost(void *ctx, const struct error *why)
{
    struct guest *g = ctx;
    ws_conn_close(g->w, 1000, "", NULL, NULL);
}
static const struct ws_ops guest_ops = {guest_opened, guest_message, guest_lost};

static void *on_accept(void *ctx, struct tls_stream *stream)
{
    struct ws_server *s = ctx;
    struct guest *g = s->connections < 2 * s->max + 8 ? mem_calloc(1, sizeof *g) : NULL;
    struct ws *w = g ? mem_calloc(1, sizeof *w) : NULL;
    if (!w) {
        mem_free(g);
        return NULL;
    }
    *w = (struct ws){.ops = &guest_ops, .ctx = g, .shake = shake, .gone = guest_gone, .side = g, .stream = stream};
    *g = (struct guest){.s = s, .w = w, .next = s->guests};
    if (ws_init(w, s->loop, &s->limits, false, SHAKE_MS)) {
        mem_free(w);
        mem_free(g);
        return NULL;
    }
    if (g->next) g->next->prev = g;
    s->guests = g;
    s->connections++;
    return w;
}

/* ---- the server ---- */

int ws_server_open(uv_loop_t *loop, const struct ws_server_config *c, const struct ws_server_ops *ops, void *ctx,
                   struct ws_server **ret, struct error *e)
{
    struct ws_server *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *s = (struct ws_server){.loop = loop,
                            .ops = ops,
                            .ctx = ctx,
                            .limits = c->limits,
                            .max = c->connections_max ? c->connections_max : 100};
    s->listener_ops = (struct tls_listener_ops){.stream = ws_stream_ops, .accept = on_accept};
    const struct tls_listener_config lc = {.address = c->address,
                                           .port = c->port,
                                           .tls = c->tls,
                                           .allow = c->allow,
                                           .out_max = c->limits.out_max ? c->limits.out_max : 4u << 20};
    int rc = tls_listener_open(loop, &lc, &s->listener_ops, s, &s->listener, e);
    if (rc) {
        mem_free(s);
        return rc;
    }
    s->listening = true;
    *ret = s;
    return 0;
}

unsigned ws_server_port(const struct ws_server *s)
{
    return tls_listener_port(s->listener);
}

static void listener_gone(void *arg)
{
    struct ws_server *s = arg;
    s->listening = false;
    maybe_gone(s);
}

void ws_server_close(struct ws_server *s, void (*closed)(void *arg), void *arg)
{
    if (!s) {
        if (closed) closed(arg);
        return;
    }
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    while (s->guests) {
        struct guest *g = s->guests;
        unlink_guest(g);
        ws_conn_close(g->w, 1001, "", NULL, NULL);
    }
    tls_listener_close(s->listener, listener_gone, s);
}
