/* http_server_test.c - the HTTP server from outside: raw sockets against a server on a free port.
 *
 * Time is a clock that the test holds: deadlines are reached by moving it, and the server's sweep (every
 * 100 ms) sees it. No test sleeps to synchronise; each waits for what the server does. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/test.h"
#include "io/http_server.h"

/* ---- the server under test ---- */

static struct {
    struct http_server *srv;
    unsigned port;
    _Atomic int64_t skew_us; /* added to both clocks */
    _Atomic int finished, last_status;
    _Atomic int aborted, done, freed, streams, stream_closes;
    _Atomic int64_t received, pulled;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct http_request *paused; /* the upload that was told to pause */
    atomic_bool pausing;
    bool gate_open;
    int gate_waiting;
    uint64_t stream_id;
    size_t stream_peak;
    int stream_refused;
    bool drained;
} t = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static int64_t skew_now(void *ctx)
{
    (void)ctx;
    return clock_now_us(clock_real()) + atomic_load(&t.skew_us);
}

static uint64_t skew_mono(void *ctx)
{
    (void)ctx;
    return clock_mono_ns(clock_real()) + (uint64_t)atomic_load(&t.skew_us) * 1000;
}

static const struct clock skewed = {skew_now, skew_mono, NULL};

static void hello(struct http_request *q, struct http_response *r)
{
    buf_printf(&r->body, "hello %.*s %.*s", STR_ARG(q->method), STR_ARG(q->path));
    r->content_type = "text/plain";
    http_set_header(r, "X-Split", STR("a\r\nEvil: 1"));
    http_set_header(r, "X-Good", STR("yes"));
}

static void echo(struct http_request *q, struct http_response *r)
{
    buf_str(&r->body, q->body);
    r->content_type = "application/octet-stream";
}

static void empty(struct http_request *q, struct http_response *r)
{
    r->status = 204;
}

static void gated(struct http_request *q, struct http_response *r)
{
    pthread_mutex_lock(&t.lock);
    t.gate_waiting++;
    pthread_cond_broadcast(&t.cond);
    while (!t.gate_open) pthread_cond_wait(&t.cond, &t.lock);
    t.gate_waiting--;
    pthread_mutex_unlock(&t.lock);
    buf_z(&r->body, "gated");
}

struct counting {
    size_t left;
    uint8_t next;
    int end;
};

static int count_pull(void *ctx, struct buf *out)
{
    struct counting *c = ctx;
    size_t n = c->left < 20000 ? c->left : 20000;
    uint8_t *p = buf_space(out, n);
    if (!p) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) p[i] = c->next++;
    out->n += n;
    c->left -= n;
    atomic_fetch_add(&t.pulled, (int64_t)n);
    return c->left ? 1 : c->end;
}

static void count_free(void *ctx)
{
    atomic_fetch_add(&t.freed, 1);
    mem_free(ctx);
}

static void counted(struct http_request *q, struct http_response *r)
{
    int64_t n = 0;
    int err = str_to_i64(http_query(q, "n"), &n);
    struct counting *c = mem_calloc(1, sizeof *c);
    if (!c) {
        r->status = 503;
        return;
    }
    c->left = err ? 0 : (size_t)n;
    c->end = http_query(q, "fail").p ? ERR_IO : 0;
    r->content_type = "application/octet-stream";
    r->pull = count_pull;
    r->pull_free = count_free;
    r->pull_ctx = c;
}

static int up_begin(struct http_request *q, void **ret_ctx, struct error *e)
{
    if (http_query(q, "refuse").p) return error_set(e, ERR_FORBIDDEN, "file", "not from here", "此处不允许");
    atomic_store(&t.received, 0);
    t.paused = q;
    atomic_store(&t.pausing, http_query(q, "pause").p != NULL);
    *ret_ctx = &t;
    return 0;
}

static int up_piece(void *ctx, const void *p, size_t n, struct error *e)
{
    if (memchr(p, '!', n)) return error_set(e, ERR_INVALID, "row 1", "no exclamation marks", "不能有感叹号");
    atomic_fetch_add(&t.received, (int64_t)n);
    return atomic_load(&t.pausing) ? 1 : 0;
}

static void up_done(void *ctx, struct http_request *q, struct http_response *r)
{
    buf_printf(&r->body, "got %lld", (long long)atomic_load(&t.received));
    atomic_fetch_add(&t.done, 1);
}

static void up_abort(void *ctx)
{
    atomic_fetch_add(&t.aborted, 1);
}

static const struct http_upload_ops upload_ops = {up_begin, up_piece, up_done, up_abort};

static void st_open(struct http_stream *s, struct http_request *q)
{
    pthread_mutex_lock(&t.lock);
    t.stream_id = http_stream_id(s);
    t.drained = false;
    http_stream_set(s, &t);
    pthread_mutex_unlock(&t.lock);
    atomic_fetch_add(&t.streams, 1);
}

static void st_message(struct http_stream *s, bool text, struct str data)
{
    if (str_is(data, "close please")) {
        http_stream_close(s, 4001, "as asked");
        CHECK_INT(http_ws_send(s, true, "x", 1), ERR_CLOSED);
        return;
    }
    int err = http_ws_send(s, text, data.p, data.n);
    CHECK(err == 0 || err == ERR_NOMEM);
}

static void st_drained(struct http_stream *s)
{
    pthread_mutex_lock(&t.lock);
    t.drained = true;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
}

static void st_close(struct http_stream *s)
{
    CHECK(http_stream_user(s) == &t);
    pthread_mutex_lock(&t.lock);
    atomic_fetch_add(&t.stream_closes, 1);
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
}

static const struct http_stream_ops stream_ops = {st_open, st_message, st_drained, st_close, NULL};

static const struct http_static page = {
    .data = {"<html>0123456789</html>", 23},
    .gz = {"GZGZ", 4},
    .content_type = "text/html",
    .cache_control = "no-cache",
    .etag = "\"v1\"",
};

static _Atomic uint32_t quick_cost, stuck_cost;

/* With a cost: on the loop's thread while they are quick; without: on the pool. */
static const struct {
    const char *path;
    struct http_route route;
} routes[] = {
    {"/hello", {.kind = HTTP_PLAIN, .handler = hello, .cost_us = &quick_cost}},
    {"/hello-pool", {.kind = HTTP_PLAIN, .handler = hello}},
    {"/echo", {.kind = HTTP_PLAIN, .handler = echo, .body_max = 100000, .cost_us = &quick_cost}},
    {"/empty", {.kind = HTTP_PLAIN, .handler = empty}},
    {"/gated", {.kind = HTTP_PLAIN, .handler = gated}},
    {"/stuck", {.kind = HTTP_PLAIN, .handler = gated, .cost_us = &stuck_cost}},
    {"/count", {.kind = HTTP_PLAIN, .handler = counted, .cost_us = &quick_cost}},
    {"/page", {.kind = HTTP_STATIC, .file = &page}},
    {"/upload", {.kind = HTTP_UPLOAD, .upload = &upload_ops, .body_max = 64 << 20}},
    {"/ws", {.kind = HTTP_WEBSOCKET, .stream = &stream_ops, .ws_message_max = 70000}},
    {"/sse", {.kind = HTTP_SSE, .stream = &stream_ops, .stream_out_max = 200000}},
};

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!str_is(q->path, routes[i].path)) continue;
        *ret = routes[i].route;
        return 0;
    }
    refuse->status = 404;
    buf_z(&refuse->body, "{\"status\":404}");
    return 1;
}

static void finished(void *ctx, const struct http_request *q, int status, uint64_t bytes, uint64_t us)
{
    pthread_mutex_lock(&t.lock);
    t.last_status = status;
    t.finished++;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
}

static bool start_with(struct http_config cfg)
{
    struct error e = {0};
    cfg.route = route;
    cfg.finished = finished;
    cfg.clock = &skewed;
    t.gate_open = false;
    t.finished = t.aborted = t.done = t.freed = t.streams = t.stream_closes = 0;
    t.pulled = 0;
    if (http_server_start(&cfg, &t.srv, &e) != 0) {
        test_fail(__FILE__, __LINE__, "start: %s", e.text);
        return false;
    }
    t.port = http_server_port(t.srv);
    return true;
}

static bool start(void)
{
    return start_with((struct http_config){.workers = 2});
}
static void stop(void)
{
    http_server_stop(t.srv);
}

/* Wait until *counter reaches want; a failing test ends by the limit, a passing one never waits for it. */
static bool reaches(_Atomic int *counter, int want)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < want; i++) usleep(1000);
    return atomic_load(counter) >= want;
}

/* ---- a client of bytes ---- */

static int dial_small(int rcvbuf)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t.port)};
    struct timeval limit = {.tv_sec = 8};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (rcvbuf) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int dial(void)
{
    return dial_small(0);
}

static bool say_n(int fd, const void *p, size_t n)
{
    return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool say(int fd, const char *text)
{
    return say_n(fd, text, strlen(text));
}

static char heard[1 << 20];

/* Read until `until` has been heard (or the end of the connection, for NULL); everything so far, terminated. */
static const char *hear(int fd, const char *until)
{
    size_t n = 0;
    heard[0] = '\0';
    while (n < sizeof heard - 1 && !(until && strstr(heard, until))) {
        ssize_t k = recv(fd, heard + n, until ? 1 : sizeof heard - 1 - n, 0);
        if (k <= 0) break;
        n += (size_t)k;
        heard[n] = '\0';
    }
    return heard;
}

static bool closed_now(int fd)
{
    char c;
    return recv(fd, &c, 1, 0) == 0;
}

static const char *ask(const char *text)
{
    int fd = dial();
    say(fd, text);
    shutdown(fd, SHUT_WR);
    hear(fd, NULL);
    close(fd);
    return heard;
}

static int status_of(const char *answer)
{
    int v = 0;
    return sscanf(answer, "HTTP/1.1 %d ", &v) == 1 ? v : 0;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

/* ---- plain exchanges ---- */

TEST(one_request)
{
    REQUIRE(start());
    const char *a = ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 200);
    CHECK_Z(body_of(a), "hello GET /hello");
    CHECK(strstr(a, "Content-Length: 16\r\n") && strstr(a, "Content-Type: text/plain\r\n") && strstr(a, "Date: "));
    CHECK(strstr(a, "X-Good: yes\r\n") && !strstr(a, "Evil"));
    a = ask("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(a, "Content-Length: 17\r\n") != NULL);
    CHECK_Z(body_of(a), "");
    a = ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 404);
    CHECK_Z(body_of(a), "{\"status\":404}");
    a = ask("DELETE /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 204);
    CHECK(!strstr(a, "Content-Length") && !strstr(a, "Content-Type:"));
    CHECK(reaches(&t.finished, 4));
    stop();
}

TEST(keep_alive_and_close)
{
    REQUIRE(start());
    int fd = dial();
    for (int i = 0; i < 20; i++) {
        say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK_INT(status_of(hear(fd, "hello GET /hello")), 200);
        CHECK(!strstr(heard, "Connection:"));
    }
    say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(strstr(hear(fd, NULL), "Connection: close\r\n") != NULL);
    close(fd);
    fd = dial();
    say(fd, "GET /hello HTTP/1.0\r\n\r\n");
    CHECK_Z(body_of(hear(fd, NULL)), "hello GET /hello");
    close(fd);
    fd = dial();
    say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(strstr(hear(fd, "/hello"), "Connection: keep-alive\r\n") != NULL);
    close(fd);
    stop();
}

TEST(pipelining_keeps_order)
{
    REQUIRE(start());
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&b, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n<%04d>", i);
    int fd = dial();
    CHECK(say_n(fd, b.p, b.n));
    shutdown(fd, SHUT_WR);
    const char *at = hear(fd, NULL);
    for (int i = 0; i < 200 && at; i++) {
        char want[16];
        snprintf(want, sizeof want, "<%04d>", i);
        at = strstr(at, "\r\n\r\n");
        REQUIRE(at && strncmp(at + 4, want, 6) == 0);
        at += 10;
    }
    close(fd);
    buf_fini(&b);
    stop();
}

TEST(a_request_byte_by_byte)
{
    REQUIRE(start());
    const char text[] = "\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                        "3\r\nabc\r\nd;x=y\r\ndefghijklmnop\r\n0\r\nT: 1\r\n\r\n";
    int fd = dial();
    for (size_t i = 0; i < sizeof text - 1; i++) REQUIRE(say_n(fd, text + i, 1));
    CHECK_Z(body_of(hear(fd, NULL)), "abcdefghijklmnop");
    close(fd);
    stop();
}

TEST(expect_continue)
{
    REQUIRE(start());
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    CHECK_Z(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "body");
    CHECK_Z(body_of(hear(fd, "body")), "body");
    say(fd, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    CHECK_INT(status_of(hear(fd, NULL)), 404); /* at once, and closed */
    CHECK(strstr(heard, "Connection: close\r\n") != NULL);
    close(fd);
    stop();
}

TEST(a_refused_small_body_keeps_the_connection)
{
    REQUIRE(start());
    int fd = dial();
    say(fd,
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(hear(fd, "404}")), 404);
    CHECK_Z(body_of(hear(fd, "/hello")), "hello GET /hello");
    close(fd);
    stop();
}

TEST(body_limits)
{
    REQUIRE(start());
    const char *a = ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n");
    CHECK_INT(status_of(a), 413);
    CHECK(strstr(a, "application/problem+json") && strstr(a, "Connection: close"));
    a = ask("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    CHECK_INT(status_of(a), 413);
    int fd = dial();
    char chunk[4096 + 16];
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    int n = snprintf(chunk, sizeof chunk, "1000\r\n");
    memset(chunk + n, 'z', 4096);
    memcpy(chunk + n + 4096, "\r\n", 2);
    for (int i = 0; i < 25 && say_n(fd, chunk, (size_t)n + 4098); i++) continue;
    CHECK_INT(status_of(hear(fd, NULL)), 413);
    close(fd);
    stop();
}

TEST(smuggling_is_refused_and_closed)
{
    static const char *const forms[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\naaaaa",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nX: a\r\n Content-Length: 5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\rContent-Length: 5\r\n\r\n",
        "POST /echo HTTP/1.1\nHost: x\n\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "POST /a/../echo HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    REQUIRE(start());
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int fd = dial();
        say(fd, forms[i]);
        say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* must not be answered */
        hear(fd, NULL);
        if (status_of(heard) != 400 || strstr(heard, "hello"))
            test_fail(__FILE__, __LINE__, "form %zu: %.60s", i, heard);
        close(fd);
    }
    CHECK_INT(status_of(ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n")), 501);
    CHECK_INT(status_of(ask("GET /hello HTTP/3.0\r\nHost: x\r\n\r\n")), 505);
    stop();
}

TEST(oversized_heads)
{
    REQUIRE(start());
    static char big[40000];
    int n = snprintf(big, sizeof big, "GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
    memset(big + n, 'a', 20000);
    int fd = dial();
    say_n(fd, big, (size_t)n + 20000);
    CHECK_INT(status_of(hear(fd, NULL)), 431);
    close(fd);
    n = snprintf(big, sizeof big, "GET /");
    memset(big + n, 'a', 20000);
    fd = dial();
    say_n(fd, big, 20000);
    CHECK_INT(status_of(hear(fd, NULL)), 414);
    close(fd);
    stop();
}

/* ---- time ---- */

static void pass(int seconds)
{
    atomic_fetch_add(&t.skew_us, seconds * 1000000ll);
}

TEST(slow_heads_and_idle_connections)
{
    REQUIRE(start_with((struct http_config){.workers = 1, .head_timeout_s = 3, .idle_timeout_s = 20}));
    int slow = dial(), silent = dial(), idle = dial(), second = dial();
    say(slow, "GET /hello HTTP/1.1\r\nHos");
    say(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(idle, "/hello");
    say(second, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(second, "/hello");
    say(second, "GET /he");
    int fresh = dial();
    say(fresh, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* the loop has seen the bytes before this answer */
    hear(fresh, "/hello");
    pass(4);
    CHECK_INT(status_of(hear(slow, NULL)), 408);
    CHECK(closed_now(silent));
    CHECK_INT(status_of(hear(second, NULL)), 408);
    say(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* still there */
    CHECK_INT(status_of(hear(idle, "/hello")), 200);
    CHECK_INT(status_of(ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200); /* idle's deadline stands now */
    pass(21);
    CHECK(closed_now(idle));
    close(slow);
    close(silent);
    close(idle);
    close(second);
    close(fresh);
    stop();
}

TEST(slow_bodies)
{
    REQUIRE(start());
    int whole = dial(), trickle = dial();
    say(whole, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    hear(whole, "\r\n\r\n");
    say(trickle, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\nExpect: 100-continue\r\n\r\n");
    hear(trickle, "\r\n\r\n");
    pass(12); /* under the 30 s of the body, but 256 bytes/s were due */
    CHECK_INT(status_of(hear(trickle, NULL)), 408);
    pass(20);
    CHECK_INT(status_of(hear(whole, NULL)), 408);
    close(whole);
    close(trickle);
    stop();
}

/* ---- caps ---- */

TEST(connection_caps)
{
    REQUIRE(start_with((struct http_config){.workers = 1, .connections_max = 3, .per_peer_max = 2}));
    int a = dial(), b = dial();
    say(a, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(a, "/hello");
    say(b, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(b, "/hello");
    int c = dial();
    CHECK(closed_now(c));
    close(c);
    close(a);
    for (int i = 0; i < 1000; i++) { /* the place of a is free again, once the server has seen its end */
        c = dial();
        say(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        bool ok = status_of(hear(c, "/hello")) == 200;
        close(c);
        if (ok) break;
        REQUIRE(i < 999);
    }
    close(b);
    stop();
}

static void wait_gate(int n)
{
    pthread_mutex_lock(&t.lock);
    while (t.gate_waiting < n) pthread_cond_wait(&t.cond, &t.lock);
    pthread_mutex_unlock(&t.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&t.lock);
    t.gate_open = true;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
}

#define BUSY 258 /* 1 runs, 256 wait, 1 is refused */

TEST(busy_workers_answer_503)
{
    REQUIRE(start_with((struct http_config){.workers = 1}));
    int fds[BUSY];
    for (int i = 0; i < BUSY; i++) {
        fds[i] = dial();
        say(fds[i], "GET /gated HTTP/1.1\r\nHost: x\r\n\r\n");
        if (i == 0) wait_gate(1);
    }
    CHECK(reaches(&t.finished, 1)); /* only the refused one can have ended */
    int refused = 0;
    for (int i = 0; i < BUSY; i++) {
        char c;
        if (recv(fds[i], &c, 1, MSG_PEEK | MSG_DONTWAIT) != 1) continue;
        refused++;
        CHECK_INT(status_of(hear(fds[i], "}")), 503);
        CHECK(strstr(heard, "Retry-After: 1\r\n") != NULL);
        close(fds[i]);
        fds[i] = -1;
    }
    CHECK_INT(refused, 1);
    open_gate();
    for (int i = 0; i < BUSY; i++) {
        if (fds[i] < 0) continue;
        CHECK_INT(status_of(hear(fds[i], "gated")), 200);
        close(fds[i]);
    }
    stop();
}

/* A handler that was quick so far and now waits keeps nobody else waiting, and is not run on that thread again. */
TEST(a_stuck_handler_does_not_keep_the_loop)
{
    atomic_store(&stuck_cost, 0);
    REQUIRE(start());
    int a = dial(), b = dial(), c = dial();
    CHECK(say(a, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"));
    pthread_mutex_lock(&t.lock);
    while (!t.gate_waiting) pthread_cond_wait(&t.cond, &t.lock);
    pthread_mutex_unlock(&t.lock);
    for (int i = 0; i < 3; i++) { /* on the pool: no thread is left to take over once more */
        CHECK(say(b, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
        CHECK(strstr(hear(b, "hello GET /hello"), "200 OK") != NULL);
    }
    CHECK(say(c, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"));
    pthread_mutex_lock(&t.lock);
    while (t.gate_waiting < 2) pthread_cond_wait(&t.cond, &t.lock);
    atomic_fetch_add(&t.skew_us, 10000); /* that long it took */
    t.gate_open = true;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
    CHECK(strstr(hear(a, "gated"), "200 OK") != NULL);
    CHECK(strstr(hear(c, "gated"), "200 OK") != NULL);
    CHECK(atomic_load(&stuck_cost) > 1000);
    CHECK(say(a, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(strstr(hear(a, "hello GET /hello"), "200 OK") != NULL);
    close(a);
    close(b);
    close(c);
    stop();
}

/* The peer goes while its request runs on the loop's thread, and after the loop was taken over. */
TEST(a_peer_that_leaves_a_stuck_handler)
{
    atomic_store(&stuck_cost, 0);
    REQUIRE(start());
    int a = dial(), b = dial();
    CHECK(say(a, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"));
    pthread_mutex_lock(&t.lock);
    while (!t.gate_waiting) pthread_cond_wait(&t.cond, &t.lock);
    pthread_mutex_unlock(&t.lock);
    const struct linger reset = {.l_onoff = 1};
    setsockopt(a, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(a);
    CHECK(say(b, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(strstr(hear(b, "hello GET /hello"), "200 OK") != NULL);
    pthread_mutex_lock(&t.lock);
    t.gate_open = true;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
    CHECK(reaches(&t.finished, 2));
    close(b);
    stop();
}

TEST(a_peer_that_leaves_does_not_hurt)
{
    REQUIRE(start_with((struct http_config){.workers = 1}));
    int fd = dial();
    struct linger hard = {1, 0};
    say(fd, "GET /gated HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_gate(1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    open_gate();
    CHECK(reaches(&t.finished, 1));
    CHECK_INT(status_of(ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    stop();
}

/* ---- static files ---- */

TEST(static_files)
{
    REQUIRE(start());
    const char *a = ask("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_Z(body_of(a), "<html>0123456789</html>");
    CHECK(strstr(a, "ETag: \"v1\"\r\n") && strstr(a, "Cache-Control: no-cache\r\n"));
    CHECK(strstr(a, "Vary: Accept-Encoding\r\n") && strstr(a, "Content-Type: text/html\r\n"));
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n");
    CHECK_Z(body_of(a), "GZGZ");
    CHECK(strstr(a, "Content-Encoding: gzip\r\n") && strstr(a, "ETag: \"v1-gz\"\r\n"));
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0\r\n\r\n");
    CHECK(!strstr(a, "Content-Encoding"));
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"v0\", W/\"v1-gz\"\r\n\r\n");
    CHECK_INT(status_of(a), 304);
    CHECK_Z(body_of(a), "");
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"v0\"\r\n\r\n");
    CHECK_INT(status_of(a), 200);
    a = ask("HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(a, "Content-Length: 23\r\n") && !body_of(a)[0]);
    a = ask("POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
    CHECK_INT(status_of(a), 405);
    CHECK(strstr(a, "Allow: GET, HEAD\r\n") != NULL);
    stop();
}

TEST(ranges)
{
    static const struct {
        const char *range, *want;
        int status;
    } cases[] = {
        {"bytes=6-9", "0123", 206},
        {"bytes=16-", "</html>", 206},
        {"bytes=-7", "</html>", 206},
        {"bytes=0-0", "<", 206},
        {"bytes=20-999", "ml>", 206},
        {"bytes=-999", "<html>0123456789</html>", 206},
        {"bytes=23-", NULL, 416},
        {"bytes=-0", NULL, 416},
        {"bytes=99999999999999999999-", "<html>0123456789</html>", 200},
        {"bytes=5-2", "<html>0123456789</html>", 200},
        {"bytes=1-2,4-5", "<html>0123456789</html>", 200},
        {"lines=1-2", "<html>0123456789</html>", 200},
        {"bytes=-", "<html>0123456789</html>", 200},
        {"bytes=a-b", "<html>0123456789</html>", 200},
    };
    REQUIRE(start());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /page HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nRange: %s\r\n\r\n",
                 cases[i].range);
        const char *a = ask(text);
        if (status_of(a) != cases[i].status || (cases[i].want && strcmp(body_of(a), cases[i].want) != 0))
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].range, a);
    }
    const char *a = ask("GET /page HTTP/1.1\r\nHost: x\r\nRange: bytes=6-9\r\n\r\n");
    CHECK(strstr(a, "Content-Range: bytes 6-9/23\r\n") && strstr(a, "Content-Length: 4\r\n"));
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nRange: bytes=6-9\r\nIf-Range: \"v0\"\r\n\r\n");
    CHECK_INT(status_of(a), 200);
    a = ask("GET /page HTTP/1.1\r\nHost: x\r\nRange: bytes=50-\r\n\r\n");
    CHECK(strstr(a, "Content-Range: bytes */23\r\n") != NULL);
    stop();
}

/* ---- pulled bodies ---- */

TEST(small_pull_has_a_length)
{
    REQUIRE(start());
    const char *a = ask("GET /count?n=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(a, "Content-Length: 1000\r\n") && !strstr(a, "chunked"));
    a = ask("HEAD /count?n=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 200);
    CHECK_Z(body_of(a), "");
    a = ask("GET /count?n=10&fail=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 500);
    CHECK(reaches(&t.freed, 3));
    stop();
}

/* Read a whole answer of /count in `step` bytes, checking that the payload counts up. */
static int64_t count_body(int fd, size_t step, bool *ret_ended)
{
    static char room[262144];
    size_t have = 0;
    while (have < 4 || !strstr(room, "\r\n\r\n")) {
        if (recv(fd, room + have, 1, 0) != 1) return -1;
        room[++have] = '\0';
    }
    if (!strstr(room, "Transfer-Encoding: chunked")) return -2;
    int64_t total = 0;
    *ret_ended = false;
    for (;;) {
        char line[32];
        size_t n = 0;
        while (n < 2 || line[n - 1] != '\n')
            if (n >= sizeof line || recv(fd, line + n++, 1, 0) != 1) return total;
        size_t left = strtoul(line, NULL, 16);
        if (left == 0) {
            *ret_ended = recv(fd, line, 2, MSG_WAITALL) == 2;
            return total;
        }
        while (left) {
            size_t want = left < step ? left : step;
            ssize_t k = recv(fd, room, want < sizeof room ? want : sizeof room, 0);
            if (k <= 0) return total;
            for (ssize_t i = 0; i < k; i++)
                if ((uint8_t)room[i] != (uint8_t)(total + i)) return -3;
            total += k;
            left -= (size_t)k;
        }
        if (recv(fd, line, 2, MSG_WAITALL) != 2) return total;
    }
}

TEST(fifty_megabytes_to_a_slow_reader)
{
    REQUIRE(start());
    int fd = dial_small(65536);
    bool ended;
    say(fd, "GET /count?n=52428800 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(recv(fd, heard, 1, MSG_PEEK) == 1); /* it runs; now do not read until it has stopped by itself */
    int64_t before = -1, now;
    while ((now = atomic_load(&t.pulled)) != before) {
        before = now;
        usleep(50000); /* not a synchronisation: a longer pause only makes the check below stricter */
    }
    CHECK(now > 0 && now < 16 << 20); /* kernel buffers and our 256 KiB, not 50 MB */
    CHECK_INT(count_body(fd, 200000, &ended), 52428800);
    CHECK(ended);
    CHECK(reaches(&t.freed, 1));
    say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection goes on */
    CHECK_INT(status_of(hear(fd, "/hello")), 200);
    close(fd);
    stop();
}

TEST(a_pull_that_fails_or_is_left_is_freed)
{
    REQUIRE(start());
    int fd = dial();
    bool ended = true;
    say(fd, "GET /count?n=300000&fail=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(count_body(fd, 65536, &ended) < 300000);
    CHECK(!ended);
    close(fd);
    CHECK(reaches(&t.freed, 1));
    fd = dial_small(4096);
    say(fd, "GET /count?n=52428800 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(recv(fd, heard, 100, 0) > 0);
    close(fd);
    CHECK(reaches(&t.freed, 2));
    fd = dial_small(4096); /* and one who stops reading is dropped */
    say(fd, "GET /count?n=52428800 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(recv(fd, heard, 100, 0) > 0);
    for (int i = 0; i < 500 && atomic_load(&t.freed) < 3; i++) {
        if (i % 15 == 0) pass(11);
        usleep(10000);
    }
    CHECK_INT(t.freed, 3);
    close(fd);
    stop();
}

TEST(pull_over_http_1_0_ends_with_the_connection)
{
    REQUIRE(start());
    int fd = dial();
    say(fd, "GET /count?n=300000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear(fd, "\r\n\r\n");
    CHECK(!strstr(heard, "chunked") && strstr(heard, "Connection: close"));
    size_t total = 0;
    for (ssize_t k; (k = recv(fd, heard, sizeof heard, 0)) > 0;) total += (size_t)k;
    CHECK_INT(total, 300000);
    close(fd);
    stop();
}

/* ---- uploads ---- */

TEST(upload)
{
    REQUIRE(start());
    const char *a = ask("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    CHECK_Z(body_of(a), "got 10");
    a = ask("PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    CHECK_Z(body_of(a), "got 5");
    a = ask("PUT /upload HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_Z(body_of(a), "got 0");
    CHECK_INT(t.done, 3);
    a = ask("PUT /upload?refuse=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    CHECK_INT(status_of(a), 403);
    CHECK(strstr(a, "\"where\":\"file\"") && strstr(a, "not from here"));
    CHECK_INT(t.aborted, 0);
    a = ask("PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nxx!");
    CHECK_INT(status_of(a), 400);
    CHECK(strstr(a, "no exclamation marks") != NULL);
    CHECK_INT(t.aborted, 1);
    int fd = dial();
    say(fd, "PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n");
    hear(fd, "\r\n\r\n");
    close(fd);
    CHECK(reaches(&t.aborted, 2));
    CHECK_INT(t.done, 3);
    stop();
}

static void *send_much(void *arg)
{
    static char zeros[1 << 16];
    int fd = *(int *)arg;
    for (int i = 0; i < 512; i++) /* 32 MiB: more than the kernel keeps */
        if (!say_n(fd, zeros, sizeof zeros)) break;
    return NULL;
}

TEST(upload_pause_holds_the_sender_back)
{
    REQUIRE(start());
    int fd = dial();
    pthread_t sender;
    say(fd, "PUT /upload?pause=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
    REQUIRE(pthread_create(&sender, NULL, send_much, &fd) == 0);
    while (atomic_load(&t.received) == 0) usleep(1000);
    int64_t first = atomic_load(&t.received);
    usleep(30000); /* time in which a server that does not pause would take more */
    CHECK_INT(atomic_load(&t.received), first);
    CHECK(first <= 65536);
    struct http_request *q = t.paused;
    http_upload_resume(q);
    while (atomic_load(&t.received) == first) usleep(1000);
    atomic_store(&t.pausing, false); /* the next piece goes on; this one may have paused again */
    http_upload_resume(q);
    pthread_join(sender, NULL);
    CHECK_Z(body_of(hear(fd, "got 33554432")), "got 33554432");
    close(fd);
    stop();
}

/* ---- event streams ---- */

static void sse_hello(struct http_stream *s, void *arg)
{
    REQUIRE(s != NULL);
    CHECK_INT(http_sse_send(s, "change", "7", STR("line one\nline two\r\nthree")), 0);
    CHECK_INT(http_sse_send(s, NULL, NULL, STR("plain")), 0);
    CHECK_INT(http_sse_send(s, "a\nb", NULL, STR("x")), ERR_INVALID);
}

static void end_stream(struct http_stream *s, void *arg)
{
    if (s) http_stream_close(s, 0, "over");
}

TEST(sse)
{
    REQUIRE(start());
    int fd = dial();
    say(fd, "GET /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(strstr(hear(fd, "\r\n\r\n"), "Content-Type: text/event-stream\r\n") != NULL);
    CHECK(reaches(&t.streams, 1));
    CHECK_INT(http_stream_post(t.srv, t.stream_id, sse_hello, NULL), 0);
    CHECK_Z(hear(fd, "plain\n\n"),
            "event: change\nid: 7\ndata: line one\ndata: line two\ndata: three\n\ndata: plain\n\n");
    pass(31);
    CHECK_Z(hear(fd, ":\n\n"), ":\n\n");
    CHECK_INT(http_stream_post(t.srv, t.stream_id, end_stream, NULL), 0);
    CHECK(closed_now(fd));
    close(fd);
    CHECK(reaches(&t.stream_closes, 1));
    stop();
}

static void fill_stream(struct http_stream *s, void *arg)
{
    static char line[10000];
    memset(line, 'x', sizeof line);
    REQUIRE(s != NULL);
    int err = 0;
    for (int i = 0; i < 10000 && !err; i++) {
        err = http_sse_send(s, NULL, NULL, str_make(line, sizeof line));
        if (http_stream_queued(s) > t.stream_peak) t.stream_peak = http_stream_queued(s);
    }
    pthread_mutex_lock(&t.lock);
    t.stream_refused = err;
    pthread_cond_broadcast(&t.cond);
    pthread_mutex_unlock(&t.lock);
}

TEST(sse_to_a_slow_reader_meets_its_limit)
{
    REQUIRE(start());
    int fd = dial_small(4096);
    t.stream_refused = 0;
    t.stream_peak = 0;
    say(fd, "GET /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, "\r\n\r\n");
    CHECK(reaches(&t.streams, 1));
    CHECK_INT(http_stream_post(t.srv, t.stream_id, fill_stream, NULL), 0);
    pthread_mutex_lock(&t.lock);
    while (!t.stream_refused) pthread_cond_wait(&t.cond, &t.lock);
    CHECK_INT(t.stream_refused, ERR_LIMIT);
    CHECK(t.stream_peak <= 200000 && t.stream_peak > 150000);
    CHECK(!t.drained);
    pthread_mutex_unlock(&t.lock);
    for (size_t i = 0; i < 10000 && recv(fd, heard, sizeof heard, MSG_DONTWAIT | MSG_TRUNC) != 0; i++) {
        pthread_mutex_lock(&t.lock);
        bool over = t.drained;
        pthread_mutex_unlock(&t.lock);
        if (over) break;
        usleep(500);
    }
    CHECK(t.drained);
    close(fd);
    CHECK(reaches(&t.stream_closes, 1));
    stop();
}

static void expect_gone(struct http_stream *s, void *arg)
{
    atomic_store((_Atomic int *)arg, s ? 2 : 1);
}

TEST(post_to_a_stream_that_is_gone)
{
    REQUIRE(start());
    int fd = dial();
    _Atomic int seen = 0;
    say(fd, "GET /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, "\r\n\r\n");
    CHECK(reaches(&t.streams, 1));
    close(fd);
    CHECK(reaches(&t.stream_closes, 1));
    CHECK_INT(http_stream_post(t.srv, t.stream_id, expect_gone, &seen), 0);
    CHECK(reaches(&seen, 1));
    CHECK_INT(seen, 1);
    stop();
}

/* ---- WebSocket ---- */

static const char ws_upgrade[] =
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int ws_dial(void)
{
    int fd = dial();
    say(fd, ws_upgrade);
    hear(fd, "\r\n\r\n");
    return fd;
}

/* Send one masked frame; first: FIN and opcode byte. */
static void ws_say(int fd, uint8_t first, const void *p, size_t n)
{
    static uint8_t frame[200000];
    static const uint8_t mask[4] = {9, 8, 7, 6};
    size_t k = 0;
    frame[k++] = first;
    if (n < 126) {
        frame[k++] = (uint8_t)(0x80 | n);
    } else if (n < 65536) {
        frame[k++] = 0x80 | 126;
        frame[k++] = (uint8_t)(n >> 8);
        frame[k++] = (uint8_t)n;
    } else {
        frame[k++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--) frame[k++] = (uint8_t)((uint64_t)n >> (8 * i));
    }
    memcpy(frame + k, mask, 4);
    k += 4;
    for (size_t i = 0; i < n; i++) frame[k + i] = ((const uint8_t *)p)[i] ^ mask[i & 3];
    say_n(fd, frame, k + n);
}

static uint8_t ws_data[200000];

/* Read one frame into ws_data; its first byte, or -1 at the end. */
static int ws_hear(int fd, size_t *ret_n)
{
    uint8_t head[10];
    if (recv(fd, head, 2, MSG_WAITALL) != 2) return -1;
    size_t n = head[1] & 127, wide = n == 126 ? 2 : n == 127 ? 8 : 0;
    if (head[1] & 0x80) return -2; /* a server must not mask */
    if (wide) {
        if (recv(fd, head + 2, wide, MSG_WAITALL) != (ssize_t)wide) return -1;
        n = 0;
        for (size_t i = 0; i < wide; i++) n = n << 8 | head[2 + i];
    }
    if (n > sizeof ws_data || (n && recv(fd, ws_data, n, MSG_WAITALL) != (ssize_t)n)) return -3;
    *ret_n = n;
    return head[0];
}

static int ws_close_code(int fd)
{
    size_t n;
    int first = ws_hear(fd, &n);
    return first == 0x88 && n >= 2 ? ws_data[0] << 8 | ws_data[1] : -first;
}

TEST(ws_handshake)
{
    REQUIRE(start());
    int fd = ws_dial();
    CHECK(strncmp(heard, "HTTP/1.1 101 ", 13) == 0);
    CHECK(strstr(heard, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != NULL);
    close(fd);
    const char *a = ask("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(status_of(a), 400);
    a = ask("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    CHECK_INT(status_of(a), 426);
    CHECK(strstr(a, "Sec-WebSocket-Version: 13\r\n") != NULL);
    a = ask("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n");
    CHECK_INT(status_of(a), 400);
    CHECK(reaches(&t.stream_closes, 1));
    stop();
}

TEST(ws_echo_and_fragments)
{
    REQUIRE(start());
    int fd = ws_dial();
    size_t n;
    ws_say(fd, 0x81, "Grüße 铜", strlen("Grüße 铜"));
    CHECK_INT(ws_hear(fd, &n), 0x81);
    CHECK_STR(str_make((char *)ws_data, n), "Grüße 铜");
    static uint8_t big[70000];
    for (size_t i = 0; i < sizeof big; i++) big[i] = (uint8_t)(i * 7);
    ws_say(fd, 0x82, big, sizeof big);
    CHECK_INT(ws_hear(fd, &n), 0x82);
    CHECK(n == sizeof big && memcmp(big, ws_data, n) == 0);
    ws_say(fd, 0x01, "one ", 4);
    ws_say(fd, 0x89, "ping", 4);
    ws_say(fd, 0x00, "", 0);
    ws_say(fd, 0x80, "two", 3);
    CHECK_INT(ws_hear(fd, &n), 0x8a);
    CHECK_STR(str_make((char *)ws_data, n), "ping");
    CHECK_INT(ws_hear(fd, &n), 0x81);
    CHECK_STR(str_make((char *)ws_data, n), "one two");
    ws_say(fd, 0x88,
           "\x03\xe8"
           "bye",
           5);
    CHECK_INT(ws_close_code(fd), 1000);
    CHECK(closed_now(fd));
    close(fd);
    CHECK(reaches(&t.stream_closes, 1));
    stop();
}

TEST(ws_refusals)
{
    REQUIRE(start());
    static uint8_t big[70001];
    int fd = ws_dial();
    say_n(fd, "\x81\x01x", 3); /* not masked */
    CHECK_INT(ws_close_code(fd), 1002);
    CHECK(closed_now(fd));
    close(fd);
    fd = ws_dial();
    ws_say(fd, 0x81, "\xc3\x28", 2);
    CHECK_INT(ws_close_code(fd), 1007);
    close(fd);
    fd = ws_dial();
    ws_say(fd, 0x82, big, sizeof big);
    CHECK_INT(ws_close_code(fd), 1009);
    close(fd);
    fd = ws_dial();
    ws_say(fd, 0x80, "x", 1);
    CHECK_INT(ws_close_code(fd), 1002);
    close(fd);
    fd = ws_dial();
    ws_say(fd, 0x81, "close please", 12);
    CHECK_INT(ws_close_code(fd), 4001);
    CHECK(memcmp(ws_data + 2, "as asked", 8) == 0);
    ws_say(fd, 0x88, "\x0f\xa1", 2);
    CHECK(closed_now(fd));
    close(fd);
    CHECK(reaches(&t.stream_closes, 5));
    CHECK_INT(t.streams, 5);
    stop();
}

TEST(ws_frames_right_behind_the_handshake)
{
    REQUIRE(start());
    int fd = dial();
    char text[512];
    size_t n = sizeof ws_upgrade - 1;
    memcpy(text, ws_upgrade, n);
    memcpy(text + n, "\x81\x82\0\0\0\0hi", 8);
    say_n(fd, text, n + 8);
    hear(fd, "\r\n\r\n");
    CHECK_INT(ws_hear(fd, &n), 0x81);
    CHECK_STR(str_make((char *)ws_data, n), "hi");
    close(fd);
    stop();
}

TEST(ws_silence_is_pinged_then_dropped)
{
    REQUIRE(start());
    int fd = ws_dial();
    size_t n;
    pass(31);
    CHECK_INT(ws_hear(fd, &n), 0x89);
    ws_say(fd, 0x8a, "", 0);
    ws_say(fd, 0x81, "still here", 10);
    CHECK_INT(ws_hear(fd, &n), 0x81);
    pass(31);
    CHECK_INT(ws_hear(fd, &n), 0x89);
    pass(50);
    CHECK(closed_now(fd));
    CHECK(reaches(&t.stream_closes, 1));
    close(fd);
    stop();
}

/* ---- stop, loops ---- */

static void *stop_thread(void *arg)
{
    http_server_stop(t.srv);
    return NULL;
}

TEST(stop_lets_running_requests_end)
{
    REQUIRE(start());
    int busy = dial(), idle = dial(), ws = ws_dial();
    pthread_t stopper;
    say(idle, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(idle, "/hello");
    say(busy, "GET /gated HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_gate(1);
    REQUIRE(pthread_create(&stopper, NULL, stop_thread, NULL) == 0);
    CHECK(closed_now(idle));
    CHECK_INT(ws_close_code(ws), 1001);
    ws_say(ws, 0x88, "\x03\xe9", 2);
    CHECK(closed_now(ws));
    CHECK_INT(dial(), -1); /* nobody listens any more */
    open_gate();
    CHECK_INT(status_of(hear(busy, NULL)), 200);
    CHECK(strstr(heard, "Connection: close\r\n") != NULL);
    close(busy);
    close(idle);
    close(ws);
    pthread_join(stopper, NULL);
    CHECK_INT(t.stream_closes, 1);
}

TEST(several_loops_share_a_port)
{
    REQUIRE(start_with((struct http_config){.workers = 1, .loops = 3}));
    for (int i = 0; i < 30; i++) CHECK_INT(status_of(ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    stop();
}

/* ---- memory ---- */

/* One round of everything; what fails may fail, but nothing may break or hang. */
static void round_of_requests(void)
{
    size_t n;
    ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    ask("GET /count?n=200000 HTTP/1.1\r\nHost: x\r\n\r\n");
    ask("PUT /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    int fd = ws_dial();
    ws_say(fd, 0x81, "hello", 5);
    shutdown(fd, SHUT_WR);
    ws_hear(fd, &n);
    close(fd);
}

TEST(every_allocation_may_fail)
{
    REQUIRE(start());
    atomic_store(&t.pausing, false);
    uint64_t before = mem_count();
    round_of_requests();
    uint64_t each = mem_count() - before;
    CHECK(each > 20 && each < 200);
    for (uint64_t i = 1; i <= each; i++) {
        mem_fail_at(i, false);
        round_of_requests();
        mem_fail_at(0, false);
    }
    CHECK_INT(status_of(ask("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    stop();
    CHECK_INT(t.streams, t.stream_closes);
}

TEST(start_errors_name_the_cause)
{
    REQUIRE(start());
    struct http_server *other;
    struct error e;
    CHECK(http_server_start(&(struct http_config){.port = t.port, .route = route}, &other, &e) != 0);
    CHECK(strstr(e.text, "address already in use") != NULL);
    CHECK(http_server_start(&(struct http_config){.bind = "nonsense", .route = route}, &other, &e) != 0);
    CHECK(strstr(e.text, "nonsense") != NULL);
    CHECK(http_server_start(&(struct http_config){.cert_pem = "/nowhere/c", .key_pem = "/nowhere/k", .route = route},
                            &other, &e) != 0);
    CHECK(strstr(e.text, "/nowhere/c") != NULL);
    stop();
}
