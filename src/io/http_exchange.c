/* http_exchange.c - one request and its answer.
 *
 *   head -> route -> body (kept, streamed to an upload, or thrown away) -> ready -> worker -> respond -> end
 * A refused request whose body is small is read to its end first, so that the connection can be kept; a
 * large one is answered at once and the connection closed. A pulled body travels in pieces of about
 * HTTP_PULL_PIECE; the next one is asked for when less than HTTP_PULL_AHEAD waits for the peer; one that
 * ends within its first piece is sent with a Content-Length like any other.
 * Exactly one of upload->done and upload->abort, exactly one pull_free, exactly one `finished`. */
#include "io/http_int.h"
#include <sched.h>
#include <stdatomic.h>
#include "base/limits.h"
#include "base/mem.h"

static struct http_exchange *exchange_new(struct http_conn *c)
{
    struct http_exchange *x = mem_calloc(1, sizeof *x);
    if (!x) return NULL;
    arena_init(&x->arena, LIMIT_REQUEST_ARENA);
    response_init(&x->r);
    buf_init(&x->piece, 8u << 20);
    buf_init(&x->body, 0);
    x->conn = c;
    x->hl = c->hl;
    x->conn_id = c->id;
    x->start_ns = conn_now(c);
    x->q.arena = &x->arena;
    x->q.method = x->q.path = x->q.target = STR("");
    x->q.tls = c->ssl != NULL;
    memcpy(x->q.peer, c->peer, sizeof x->q.peer);
    c->x = x;
    http_count(COUNT_REQUESTS, 1);
    return x;
}

struct late_free {
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_late_free(void *arg)
{
    struct late_free *f = arg;
    f->fn(f->ctx);
    mem_free(f);
}

static struct pool *pool_of(const struct http_exchange *x)
{
    return x->route.pool ? x->route.pool : x->hl->srv->pool;
}

/* pull_free may block (it closes files, ends queries): to a worker if one has room. */
static void free_pull(struct http_exchange *x)
{
    void (*fn)(void *) = x->r.pull_free;
    x->r.pull = NULL;
    x->r.pull_free = NULL;
    if (!fn) return;
    struct late_free *f = mem_alloc(sizeof *f);
    if (f) {
        *f = (struct late_free){fn, x->r.pull_ctx};
        if (pool_submit(pool_of(x), run_late_free, f) == 0) return;
        mem_free(f);
    }
    fn(x->r.pull_ctx);
}

static void exchange_free(struct http_exchange *x)
{
    if (x->upload_live) x->route.upload->abort(x->upload_ctx);
    free_pull(x);
    response_fini(&x->r);
    buf_fini(&x->piece);
    buf_fini(&x->body);
    arena_fini(&x->arena);
    mem_free(x);
}

static void report(struct http_exchange *x, int status)
{
    const struct http_config *cfg = &x->hl->srv->cfg;
    uint64_t us = (clock_mono_ns(x->hl->srv->clock) - x->start_ns) / 1000;
    if (cfg->finished) cfg->finished(cfg->ctx, &x->q, status, x->bytes, us);
}

void exchange_end(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    c->x = NULL;
    report(x, x->status);
    exchange_free(x);
}

void exchange_orphan(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    c->x = NULL;
    x->conn = NULL;
    if (x->on_worker) return;
    report(x, 499);
    exchange_free(x);
}

/* ---- the answer ---- */

static bool bodyless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void send_piece(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    char size[24];
    bool last = x->pull_state == 0;
    uv_buf_t bufs[4];
    unsigned n = 0;
    if (x->piece.n) {
        if (x->chunked_out) bufs[n++] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", x->piece.n));
        bufs[n++] = uv_buf_init((char *)x->piece.p, (unsigned)x->piece.n);
        if (x->chunked_out) bufs[n++] = uv_buf_init((char *)"\r\n", 2);
    }
    if (last && x->chunked_out) bufs[n++] = uv_buf_init((char *)"0\r\n\r\n", 5);
    x->bytes += x->piece.n;
    x->complete = last;
    int err = n ? conn_write(c, bufs, n, true) : 0;
    if (!err) buf_clear(&x->piece);
    if (!err && c->queued < HTTP_PULL_AHEAD) exchange_drained(c);
}

static void start_pulled(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    x->chunked_out = x->minor == 1;
    if (!x->chunked_out) x->keep_alive = false;
    const char *type = x->r.content_type ? x->r.content_type : "application/json; charset=utf-8";
    struct str head = response_head(x, -1, type, x->chunked_out);
    uv_buf_t b = uv_buf_init((char *)head.p, (unsigned)head.n);
    if (!head.p) {
        conn_close(c);
        return;
    }
    x->bytes += head.n;
    if (conn_write(c, &b, 1, false) != 0) return;
    if (!x->head_only) {
        send_piece(x);
        return;
    }
    free_pull(x);
    x->complete = true;
    exchange_drained(c);
}

static void start_whole(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    struct str body = x->is_static ? x->expose : buf_view(&x->r.body);
    bool none = bodyless(x->status);
    const char *type = x->r.content_type ? x->r.content_type : "application/json; charset=utf-8";
    if (none || (body.n == 0 && !x->r.content_type)) type = NULL;
    struct str head = response_head(x, none ? -1 : (int64_t)body.n, type, false);
    uv_buf_t bufs[2] = {uv_buf_init((char *)head.p, (unsigned)head.n), uv_buf_init((char *)body.p, (unsigned)body.n)};
    if (!head.p) {
        conn_close(c);
        return;
    }
    bool with_body = body.n && !none && !x->head_only;
    x->bytes += head.n + (with_body ? body.n : 0);
    x->complete = true;
    if (conn_write(c, bufs, with_body ? 2 : 1, false) == 0 && c->queued == 0) exchange_drained(c);
}

static void respond(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    c->state = CONN_BUSY;
    c->deadline_ns = 0;
    if (x->r.headers.err || x->r.body.err) {
        buf_clear(&x->r.headers);
        free_pull(x);
        response_problem(&x->r, 500, "the answer is larger than an answer may be");
    }
    x->responded = true;
    x->status = x->r.status ? x->r.status : x->refused ? 500 : 200;
    if (c->hl->stopping || c->close_after) x->keep_alive = false;
    if (x->r.pull)
        start_pulled(x);
    else
        start_whole(x);
}

void exchange_error(struct http_conn *c, int status, const char *detail)
{
    struct http_exchange *x = c->x ? c->x : exchange_new(c);
    if (!x || x->responded || (c->ssl && !SSL_is_init_finished(c->ssl))) {
        conn_close(c);
        return;
    }
    response_problem(&x->r, status, detail);
    x->keep_alive = false;
    x->minor = 1;
    respond(x);
}

/* ---- work on the pool ---- */

static void exchange_home(void *arg);

static void go_home(struct http_exchange *x)
{
    while (loop_post(x->hl->loop, exchange_home, x) == ERR_NOMEM) sched_yield();
}

/* Fill one piece; ends with pull_state 1 (more), 0 (all) or negative. */
static void pull_piece(struct http_exchange *x)
{
    do {
        x->pull_state = x->r.pull(x->r.pull_ctx, &x->piece);
        if (x->piece.err) x->pull_state = ERR_TOO_LARGE;
    } while (x->pull_state == 1 && x->piece.n < HTTP_PULL_PIECE);
    if (x->pull_state > 0) return;
    if (x->r.pull_free) x->r.pull_free(x->r.pull_ctx);
    x->r.pull_free = NULL;
}

static void first_pull(struct http_exchange *x)
{
    if (!x->r.pull || x->head_only) return;
    pull_piece(x);
    if (x->pull_state > 0) return;
    x->r.pull = NULL;
    if (x->pull_state < 0) {
        buf_clear(&x->r.headers);
        response_problem(&x->r, 500, "the answer could not be produced");
        return;
    }
    struct buf empty = x->r.body;
    x->r.body = x->piece;
    x->piece = empty;
}

/* A quick handler may become slow at once, and becomes quick again slowly. */
static void note_cost(_Atomic uint32_t *cost, uint64_t ns)
{
    uint32_t old = atomic_load_explicit(cost, memory_order_relaxed),
             us = ns < NS_PER_S ? (uint32_t)(ns / 1000) : 1000000;
    uint32_t now = us > old ? old + (us - old + 1) / 2 : old - (old - us) / 16;
    if (now != old) atomic_store_explicit(cost, now, memory_order_relaxed);
}

static void work_plain(struct http_exchange *x)
{
    uint64_t start = clock_mono_ns(x->hl->srv->clock);
    x->route.handler(&x->q, &x->r);
    first_pull(x);
    if (x->route.cost_us) note_cost(x->route.cost_us, clock_mono_ns(x->hl->srv->clock) - start);
}

static void work_upload(struct http_exchange *x)
{
    x->route.upload->done(x->upload_ctx, &x->q, &x->r);
    first_pull(x);
}

static void run_work(void *arg)
{
    struct http_exchange *x = arg;
    x->work(x);
}

static void run_on_pool(void *arg)
{
    run_work(arg);
    go_home(arg);
}

/* Worth it, and possible now? */
static bool on_this_thread(struct http_exchange *x)
{
    if (!x->route.cost_us || x->responded) return false;
    if (atomic_load_explicit(x->route.cost_us, memory_order_relaxed) > HTTP_QUICK_US) return false;
    return loop_inline(x->hl->loop, run_work, exchange_home, x);
}

static int to_worker(struct http_exchange *x, void (*work)(struct http_exchange *x))
{
    server_job_begin(x->hl->srv);
    x->on_worker = true;
    x->work = work;
    int err = on_this_thread(x) ? 0 : pool_submit(pool_of(x), run_on_pool, x);
    if (!err) return 0;
    x->on_worker = false;
    server_job_end(x->hl->srv);
    return err;
}

static void pulled(struct http_exchange *x)
{
    if (x->pull_state < 0) {
        conn_close(x->conn);
        return;
    }
    if (x->pull_state == 0) x->r.pull = NULL;
    send_piece(x);
}

/* On the loop, after work. */
static void exchange_home(void *arg)
{
    struct http_exchange *x = arg;
    struct http_server *srv = x->hl->srv;
    x->on_worker = false;
    if (!x->conn) {
        report(x, 499);
        exchange_free(x);
    } else if (!x->conn->closing) {
        if (x->responded)
            pulled(x);
        else
            respond(x);
    }
    server_job_end(srv);
}

static void pull_more(struct http_exchange *x)
{
    x->pull_wait = to_worker(x, pull_piece) != 0; /* full: the sweep tries again */
}

void exchange_drained(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    if (!x || x->on_worker || !x->responded || c->closing) return;
    if (!x->complete) {
        if (c->queued < HTTP_PULL_AHEAD && !x->pull_wait) pull_more(x);
        return;
    }
    if (c->queued) return;
    bool keep = x->keep_alive;
    exchange_end(c);
    if (!keep) c->close_after = true;
    conn_next_request(c);
}

/* ---- the request is complete ---- */

static void submit(struct http_exchange *x, void (*work)(struct http_exchange *x))
{
    int err = to_worker(x, work);
    if (!err) return;
    http_count(COUNT_BUSY, 1);
    http_set_header(&x->r, "Retry-After", STR("1"));
    response_problem(&x->r, 503, "all workers are busy, try again in a second");
    respond(x);
}

static void ready_plain(struct http_exchange *x)
{
    x->q.body = buf_view(&x->body);
    submit(x, work_plain);
}

static void ready_upload(struct http_exchange *x)
{
    if (to_worker(x, work_upload) == 0) {
        x->upload_live = false; /* done owns it now */
        return;
    }
    http_count(COUNT_BUSY, 1);
    http_set_header(&x->r, "Retry-After", STR("1"));
    response_problem(&x->r, 503, "all workers are busy, try again in a second");
    respond(x);
}

static void ready_static(struct http_exchange *x)
{
    static_prepare(x);
    respond(x);
}

static void ready_sse(struct http_exchange *x)
{
    sse_start(x->conn);
}
static void ready_ws(struct http_exchange *x)
{
    ws_start(x->conn);
}

static void (*const ready[])(struct http_exchange *x) = {
    [HTTP_PLAIN] = ready_plain,  [HTTP_UPLOAD] = ready_upload, [HTTP_SSE] = ready_sse,
    [HTTP_WEBSOCKET] = ready_ws, [HTTP_STATIC] = ready_static,
};

static void request_ready(struct http_exchange *x)
{
    x->conn->state = CONN_BUSY;
    x->conn->deadline_ns = 0;
    if (x->refused)
        respond(x);
    else
        ready[x->route.kind](x);
}

/* ---- the body ---- */

static void refuse_upload(struct http_exchange *x, int code, const struct error *e)
{
    buf_clear(&x->r.headers);
    response_error(&x->r, code, e);
    x->refused = true;
}

static void too_large(struct http_conn *c)
{
    http_count(COUNT_TOO_LARGE, 1);
    exchange_error(c, 413, "the request body is larger than this call takes");
}

/* 0: go on; 1: the exchange is answered, drop the rest. */
static int take_piece(struct http_exchange *x, struct str data)
{
    struct http_conn *c = x->conn;
    x->got += data.n;
    if (x->got > x->body_max) {
        too_large(c);
        return 1;
    }
    if (x->refused || x->route.kind == HTTP_STATIC) return 0;
    if (x->route.kind == HTTP_PLAIN) {
        buf_add(&x->body, data.p, data.n);
        if (!x->body.err) return 0;
        too_large(c);
        return 1;
    }
    struct error e = {0};
    int r = x->route.upload->piece(x->upload_ctx, data.p, data.n, &e);
    if (r > 0) c->paused = true;
    if (r >= 0) return 0;
    refuse_upload(x, r, &e);
    x->keep_alive = false;
    respond(x);
    return 1;
}

static size_t sized_body(struct http_exchange *x, const char *p, size_t n)
{
    size_t k = n < x->left ? n : (size_t)x->left;
    x->left -= k;
    if (take_piece(x, str_make(p, k)) != 0) return n;
    if (x->left == 0 && !x->conn->paused) request_ready(x);
    return k;
}

static size_t chunked_body(struct http_exchange *x, const char *p, size_t n)
{
    struct http_conn *c = x->conn;
    size_t used;
    struct str data;
    int r = http_chunked_next(&x->chunks, p, n, &used, &data);
    if (r < 0) {
        http_count(COUNT_BAD_REQUEST, 1);
        exchange_error(c, -r, "the chunked body is malformed");
        return n;
    }
    if (r == HTTP_CHUNK_DATA && take_piece(x, data) != 0) return n;
    if (r == HTTP_CHUNK_END) request_ready(x);
    return used;
}

size_t exchange_body(struct http_conn *c, const char *p, size_t n)
{
    struct http_exchange *x = c->x;
    return x->chunked ? chunked_body(x, p, n) : sized_body(x, p, n);
}

static void body_pace(struct http_conn *c, struct http_exchange *x, uint64_t now)
{
    if (c->paused) return;
    uint64_t s = (now - x->body_start_ns) / NS_PER_S;
    if (s < HTTP_RATE_WINDOW_S || x->got >= (s - HTTP_RATE_WINDOW_S / 2) * c->hl->srv->cfg.min_rate) return;
    http_count(COUNT_SLOW_BODY, 1);
    exchange_error(c, 408, "the request body arrives too slowly");
}

void exchange_sweep(struct http_conn *c, uint64_t now)
{
    struct http_exchange *x = c->x;
    if (c->state == CONN_BODY) body_pace(c, x, now);
    if (c->x == x && x->pull_wait && !c->closing && c->queued < HTTP_PULL_AHEAD) pull_more(x);
}

struct resume {
    struct http_loop *hl;
    uint64_t conn_id;
};

static void run_resume(void *arg)
{
    struct resume *r = arg;
    struct http_conn *c = conn_find(r->hl, r->conn_id);
    mem_free(r);
    if (!c || c->closing || !c->paused || !c->x) return;
    struct http_exchange *x = c->x;
    c->paused = false;
    x->body_start_ns = conn_now(c);
    if (!x->chunked && x->left == 0) request_ready(x);
    conn_continue(c);
}

void http_upload_resume(struct http_request *q)
{
    struct http_exchange *x = (struct http_exchange *)((char *)q - offsetof(struct http_exchange, q));
    struct resume *r = mem_alloc(sizeof *r);
    if (!r) return; /* the body's deadline ends the upload */
    *r = (struct resume){x->hl, x->conn_id};
    if (loop_post(x->hl->loop, run_resume, r) != 0) mem_free(r);
}

static void begin_body(struct http_conn *c, struct http_exchange *x)
{
    unsigned timeout = x->route.body_timeout_s && !x->refused ? x->route.body_timeout_s : 30;
    c->state = CONN_BODY;
    conn_deadline(c, timeout);
    x->body_start_ns = conn_now(c);
    x->body.max = x->body_max;
    if (!x->chunked && x->route.kind == HTTP_PLAIN && !x->refused)
        buf_space(&x->body, x->left < 65536 ? (size_t)x->left : 65536);
    uv_buf_t go_on = uv_buf_init((char *)"HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (x->expect) conn_write(c, &go_on, 1, false);
}

/* ---- the head ---- */

static int fill_request(struct http_exchange *x, const struct http_head *h)
{
    struct http_request *q = &x->q;
    struct http_header *headers = arena_alloc(&x->arena, (h->nheaders + 1) * sizeof *headers);
    char *path = arena_alloc(&x->arena, h->target.n + 1);
    if (!headers || !path) return 503;
    memcpy(headers, h->headers, h->nheaders * sizeof *headers);
    q->headers = headers;
    q->nheaders = h->nheaders;
    q->method = h->method;
    q->target = h->target;
    x->minor = h->minor;
    x->keep_alive = h->keep_alive;
    x->chunked = h->chunked;
    x->expect = h->expect_continue;
    x->left = h->content_length > 0 ? (uint64_t)h->content_length : 0;
    x->head_only = str_eq(h->method, STR("HEAD"));
    return -http_target_split(h->target, path, &q->path, &q->query);
}

static void ask_route(struct http_exchange *x)
{
    const struct http_config *cfg = &x->hl->srv->cfg;
    x->refused = cfg->route(cfg->ctx, &x->q, &x->route, &x->r) != 0;
    if (x->refused || x->route.kind != HTTP_UPLOAD) return;
    struct error e = {0};
    int err = x->route.upload->begin(&x->q, &x->upload_ctx, &e);
    x->upload_live = err == 0;
    if (err) refuse_upload(x, err, &e);
}

static void with_body(struct http_conn *c, struct http_exchange *x)
{
    bool wanted = !x->refused && (x->route.kind == HTTP_PLAIN || x->route.kind == HTTP_UPLOAD);
    x->body_max = wanted ? x->route.body_max : HTTP_DISCARD_MAX;
    if (!wanted &&
        (x->expect || x->left > x->body_max || x->route.kind == HTTP_SSE || x->route.kind == HTTP_WEBSOCKET)) {
        x->keep_alive = false;
        request_ready(x);
    } else if (x->left > x->body_max) {
        too_large(c);
    } else {
        begin_body(c, x);
    }
}

static int parse_head(struct http_exchange *x, const char *head, size_t n)
{
    struct http_head h;
    char *copy = arena_alloc(&x->arena, n);
    if (!copy) return 503;
    memcpy(copy, head, n);
    int bad = http_head_parse(copy, n, &h);
    return bad ? -bad : fill_request(x, &h);
}

void exchange_start(struct http_conn *c, const char *head, size_t n)
{
    struct http_exchange *x = exchange_new(c);
    c->state = CONN_BUSY;
    c->deadline_ns = 0;
    if (!x) {
        conn_close(c);
        return;
    }
    int bad = parse_head(x, head, n);
    if (bad) {
        http_count(COUNT_BAD_REQUEST, 1);
        exchange_error(c, bad, "the request head is malformed");
        return;
    }
    ask_route(x);
    if (x->chunked || x->left)
        with_body(c, x);
    else
        request_ready(x);
}
