/* ws_test.c - both ends of a WebSocket on one loop: messages, tokens, refusals, leaving, silence, limits, TLS; servers
 * that break the rules by raw sockets. */
#include <signal.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/testcert.h"
#include "io/ws_client.h"
#include "io/ws_server.h"

struct end {
    struct bed *bed;
    struct ws *w;
    unsigned opened, lost, closed, messages;
    char last[100];
    size_t last_n;
    struct error why;
};
struct bed {
    uv_loop_t loop;
    struct ws_server *s;
    struct end served[4], c;
    unsigned nserved, requests, server_closed;
    bool echo;
    char token[40], path[40];
    struct ws_limits limits, server_limits;
    const struct tls_client *tls;
};

static void on_opened(void *ctx, struct ws *w)
{
    struct end *x = ctx;
    x->w = w;
    x->opened++;
}
static void on_message(void *ctx, bool text, struct str data)
{
    struct end *x = ctx;
    x->messages++;
    x->last_n = data.n;
    str_to_cstr(data, x->last, sizeof x->last);
    if (x->bed->echo && x != &x->bed->c) CHECK_INT(ws_send(x->w, text, data.p, data.n), 0);
}
static void on_closed(void *arg)
{
    ((struct end *)arg)->closed++;
}
static void on_lost(void *ctx, const struct error *why)
{
    struct end *x = ctx;
    x->lost++;
    x->why = *why;
    CHECK(why->text[0] && why->text_zh[0]);
    if (x->w) ws_conn_close(TAKE(x->w), 1000, "", on_closed, x);
}
static int on_request(void *ctx, const struct ws_request *q, void **ret)
{
    struct bed *b = ctx;
    struct str token = ws_request_token(q);
    b->requests++;
    str_to_cstr(token, b->token, sizeof b->token);
    str_to_cstr(q->path, b->path, sizeof b->path);
    if (str_is(q->path, "/nowhere")) return 404;
    if (token.p && !str_is(token, "right one")) return 401;
    struct end *x = &b->served[b->nserved++ % 4];
    *x = (struct end){.bed = b};
    *ret = x;
    return 0;
}
static const struct ws_ops client_ops = {on_opened, on_message, on_lost};
static const struct ws_server_ops server_ops = {{on_opened, on_message, on_lost}, on_request};

static void wake(uv_timer_t *t) {}
static void step(struct bed *b)
{
    uv_timer_t t;
    uv_timer_init(&b->loop, &t);
    uv_timer_start(&t, wake, 10, 0);
    uv_run(&b->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}
#define UNTIL(b, expr) \
    do { \
        uint64_t end_ = uv_hrtime() + 5000000000u; \
        while (!(expr) && uv_hrtime() < end_) step(b); \
        if (!(expr)) test_fail(__FILE__, __LINE__, "never: %s", #expr); \
    } while (0)

static void start(struct bed *b, const struct tls_server *tls)
{
    struct error e = {0};
    const struct ws_limits limits = b->limits, server_limits = b->server_limits;
    memset(b, 0, sizeof *b);
    b->limits = limits;
    b->server_limits = server_limits;
    b->c.bed = b;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&b->loop);
    const struct ws_server_config c = {
        .address = "127.0.0.1", .tls = tls, .connections_max = 2, .limits = b->server_limits};
    if (ws_server_open(&b->loop, &c, &server_ops, b, &b->s, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
static void connect_to(struct bed *b, unsigned port, const char *target, const char *const *headers,
                       const char *protocol)
{
    struct ws_url u;
    struct error e = {0};
    char url[200];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", b->tls ? "wss" : "ws", port, target);
    if (ws_url_parse(url, &u, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    const struct ws_client_config c = {
        .url = &u, .tls = b->tls, .headers = headers, .protocol = protocol, .connect_ms = 500, .limits = b->limits};
    b->c = (struct end){.bed = b};
    if (ws_client_open(&b->loop, &c, &client_ops, &b->c, &b->c.w, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
static void open_both(struct bed *b)
{
    connect_to(b, ws_server_port(b->s), "/x", NULL, NULL);
    UNTIL(b, b->c.opened && b->served[0].opened);
}
static void on_server_closed(void *arg)
{
    ((struct bed *)arg)->server_closed++;
}
static void stop(struct bed *b)
{
    if (b->c.w) ws_conn_close(TAKE(b->c.w), 1001, "bye", on_closed, &b->c);
    if (b->s) ws_server_close(b->s, on_server_closed, b);
    for (int i = 0; i < 4; i++)
        if (b->served[i].w) ws_conn_close(TAKE(b->served[i].w), 1001, "stop", on_closed, &b->served[i]);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    if (b->s) CHECK_INT(b->server_closed, 1);
    CHECK_INT(uv_loop_close(&b->loop), 0);
}

TEST(messages_both_ways)
{
    struct bed b = {0};
    start(&b, NULL);
    b.echo = true;
    open_both(&b);
    CHECK_INT(ws_send(b.c.w, true, "grüße", 7), 0);
    UNTIL(&b, b.c.messages == 1);
    CHECK_Z(b.c.last, "grüße");
    static uint8_t big[300000];
    memset(big, 'x', sizeof big);
    CHECK_INT(ws_send(b.c.w, false, big, sizeof big), 0);
    CHECK_INT(ws_send(b.c.w, true, "", 0), 0);
    UNTIL(&b, b.c.messages == 3);
    CHECK_INT(b.served[0].messages, 3);
    CHECK_INT(b.c.last_n, 0);
    CHECK_INT(ws_stats(b.c.w).messages_in, 3);
    CHECK_Z(ws_host(b.served[0].w), "127.0.0.1");
    CHECK_Z(b.path, "/x");
    stop(&b);
    CHECK_INT(b.c.lost, 0);
    CHECK_INT(b.c.closed, 1);
}

TEST(leaving_is_told_with_its_reason)
{
    struct bed b = {0};
    start(&b, NULL);
    open_both(&b);
    ws_conn_close(TAKE(b.c.w), 1008, "enough", on_closed, &b.c);
    CHECK_INT(b.c.closed, 0);
    UNTIL(&b, b.served[0].lost && b.c.closed);
    CHECK_INT(b.served[0].why.code, ERR_CLOSED);
    CHECK(strstr(b.served[0].why.text, "1008: enough") != NULL);
    CHECK_INT(b.c.lost, 0);
    stop(&b);
}

TEST(tokens_and_refusals)
{
    static const char *const header[] = {"Authorization: Bearer right one", NULL}, *const wrong[] = {
                                                                                       "Authorization: Bearer no",
                                                                                       NULL};
    static const struct {
        const char *target;
        const char *const *headers;
        const char *protocol;
        int code;
    } r[] = {{"/?token=right%20one", NULL, NULL, 0},          {"/a/b?x=1", header, NULL, 0},
             {"/?token=no", NULL, NULL, ERR_UNAUTHENTICATED}, {"/", wrong, NULL, ERR_UNAUTHENTICATED},
             {"/nowhere", NULL, NULL, ERR_NOT_FOUND},         {"/", NULL, "mqtt", ERR_PROTOCOL}};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct bed b = {0};
        start(&b, NULL);
        connect_to(&b, ws_server_port(b.s), r[i].target, r[i].headers, r[i].protocol);
        UNTIL(&b, b.c.opened || b.c.lost);
        CHECK_INT(b.c.why.code, r[i].code);
        if (r[i].code == ERR_UNAUTHENTICATED) CHECK(strstr(b.c.why.text, "401") && !strstr(b.c.why.text, "token=no"));
        stop(&b);
    }
}

TEST(no_more_than_allowed)
{
    struct bed b = {0};
    struct end first, second;
    start(&b, NULL);
    open_both(&b);
    first = b.c;
    connect_to(&b, ws_server_port(b.s), "/", NULL, NULL);
    UNTIL(&b, b.c.opened);
    second = b.c;
    connect_to(&b, ws_server_port(b.s), "/", NULL, NULL);
    UNTIL(&b, b.c.lost);
    CHECK_INT(b.c.why.code, ERR_UNAVAILABLE);
    ws_conn_close(first.w, 1000, "", NULL, NULL);
    ws_conn_close(second.w, 1000, "", NULL, NULL);
    stop(&b);
}

TEST(too_big_and_too_slow)
{
    struct bed b = {.server_limits = {.message_max = 1000}, .limits = {.out_max = 100000}};
    static uint8_t big[90000];
    start(&b, NULL);
    open_both(&b);
    CHECK_INT(ws_send(b.c.w, false, big, 1001), 0);
    UNTIL(&b, b.c.lost && b.served[0].lost);
    CHECK_INT(b.served[0].why.code, ERR_TOO_LARGE);
    CHECK(strstr(b.c.why.text, "1009") != NULL);
    stop(&b);
    b.server_limits.message_max = 0;
    start(&b, NULL);
    open_both(&b);
    ws_read(b.served[0].w, false);
    int rc = 0;
    for (int i = 0; i < 2000 && !rc; i++) {
        rc = ws_send(b.c.w, false, big, sizeof big);
        if (rc) break;
        uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    CHECK_INT(rc, ERR_LIMIT);
    stop(&b);
}

TEST(silence_is_death_and_pings_are_life)
{
    struct bed b = {.limits = {.ping_ms = 40, .dead_ms = 5000}, .server_limits = {.ping_ms = 100000, .dead_ms = 160}};
    start(&b, NULL);
    open_both(&b);
    uint64_t until = uv_hrtime() + 400000000; /* our pings keep it alive for longer than 160 ms */
    while (uv_hrtime() < until) step(&b);
    CHECK(b.served[0].lost == 0 && b.c.lost == 0);
    stop(&b);
    b.limits = (struct ws_limits){.ping_ms = 100000}; /* now it says nothing */
    start(&b, NULL);
    open_both(&b);
    UNTIL(&b, b.served[0].lost);
    CHECK_INT(b.served[0].why.code, ERR_TIMEOUT);
    stop(&b);
}

/* ---- over TLS ---- */

TEST(over_tls)
{
    struct testcert c, other;
    struct tls_server *ts = NULL;
    struct error e = {0};
    testcert_make(&c, "ws", "IP:127.0.0.1");
    testcert_make(&other, "other", "IP:127.0.0.1");
    REQUIRE(tls_server_new(&(struct tls_server_config){.cert_pem = c.cert, .key_pem = c.key}, &ts, &e) == 0);
    for (int i = 0; i < 2; i++) {
        struct bed b = {0};
        struct tls_client *tc = NULL;
        REQUIRE(tls_client_new(&(struct tls_client_config){.ca_pem = i ? other.cert : c.cert, .verify = true}, &tc,
                               &e) == 0);
        start(&b, ts);
        b.echo = true;
        b.tls = tc;
        connect_to(&b, ws_server_port(b.s), "/", NULL, NULL);
        UNTIL(&b, b.c.opened || b.c.lost);
        CHECK_INT(b.c.lost, i);
        if (!i) {
            CHECK_INT(ws_send(b.c.w, true, "over tls", 8), 0);
            UNTIL(&b, b.c.messages == 1);
        }
        stop(&b);
        tls_client_free(tc);
    }
    tls_server_free(ts);
}

/* ---- raw peers ---- */

struct raw {
    uv_tcp_t l, c;
    const char *answer;
    char got[2000];
    size_t n;
    bool connected;
};
static void raw_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
    struct raw *r = h->data;
    *b = uv_buf_init(r->got + r->n, (unsigned)(sizeof r->got - 1 - r->n));
}
static void raw_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct raw *r = s->data;
    if (n < 0) {
        uv_read_stop(s);
        return;
    }
    r->n += (size_t)n;
    r->got[r->n] = 0;
    if (!strstr(r->got, "\r\n\r\n") || !r->answer) return;
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)r->answer, (unsigned)strlen(r->answer));
    uv_try_write(s, &out, 1);
}
static void raw_accept(uv_stream_t *s, int status)
{
    struct raw *r = s->data;
    uv_tcp_init(s->loop, &r->c);
    r->c.data = r;
    r->connected = true;
    CHECK_INT(uv_accept(s, (uv_stream_t *)&r->c), 0);
    uv_read_start((uv_stream_t *)&r->c, raw_alloc, raw_read);
}
static unsigned raw_listen(uv_loop_t *loop, struct raw *r)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_tcp_init(loop, &r->l);
    r->l.data = r;
    uv_ip4_addr("127.0.0.1", 0, &a);
    CHECK_INT(uv_tcp_bind(&r->l, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&r->l, 8, raw_accept), 0);
    uv_tcp_getsockname(&r->l, (struct sockaddr *)&a, &len);
    return ntohs(a.sin_port);
}

TEST(servers_that_break_the_rules)
{
    static const struct {
        const char *answer;
        int code;
    } r[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", ERR_PROTOCOL},
        {"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n", ERR_PROTOCOL},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", ERR_FORBIDDEN},
        {"HTTP/1.1 500 No\r\n\r\n", ERR_UNAVAILABLE},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_PROTOCOL},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
         "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
         ERR_PROTOCOL},
        {NULL, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct bed b = {0};
        struct raw raw = {.answer = r[i].answer};
        uv_loop_init(&b.loop);
        connect_to(&b, raw_listen(&b.loop, &raw), "/path?q=1", NULL, NULL);
        UNTIL(&b, b.c.lost);
        CHECK_INT(b.c.why.code, r[i].code);
        CHECK(strstr(raw.got, "GET /path?q=1 HTTP/1.1\r\nHost: 127.0.0.1:") == raw.got);
        uv_close((uv_handle_t *)&raw.l, NULL);
        uv_close((uv_handle_t *)&raw.c, NULL);
        stop(&b);
    }
}

static void on_connect(uv_connect_t *c, int status)
{
    CHECK_INT(status, 0);
    ((struct raw *)c->handle->data)->connected = true;
}

TEST(clients_that_break_the_rules)
{
    static const char *const r[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
        "13\r\nSec-WebSocket-Key: short\r\n\r\n",
        "GET /../x HTTP/1.1\r\nHost: x\r\n\r\n",
        "rubbish\r\n\r\n",
        "\x16\x03\x01\n",
    };
    struct bed b = {0};
    start(&b, NULL);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        static uv_tcp_t all[8];
        static uv_connect_t connects[8];
        uv_tcp_t *t = &all[i];
        struct sockaddr_in a;
        struct raw raw = {0};
        uv_tcp_init(&b.loop, t);
        t->data = &raw;
        uv_ip4_addr("127.0.0.1", (int)ws_server_port(b.s), &a);
        uv_tcp_connect(&connects[i], t, (struct sockaddr *)&a, on_connect);
        UNTIL(&b, raw.connected);
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)r[i], (unsigned)strlen(r[i]));
        uv_try_write((uv_stream_t *)t, &out, 1);
        uv_read_start((uv_stream_t *)t, raw_alloc, raw_read);
        UNTIL(&b, raw.n > 0 || !uv_is_active((uv_handle_t *)t));
        if (strstr(raw.got, "HTTP/1.1 4") != raw.got) test_fail(__FILE__, __LINE__, "%zu: %s", i, raw.got);
        t->data = NULL;
        uv_close((uv_handle_t *)t, NULL);
    }
    CHECK_INT(b.requests, 0);
    stop(&b);
}

TEST(addresses)
{
    static const struct {
        const char *url, *host, *target;
        unsigned port;
    } r[] = {
        {"ws://a.example", "a.example", "/", 80},
        {"wss://a.example/x/y?z=1", "a.example", "/x/y?z=1", 443},
        {"ws://10.0.0.7:8080?q", "10.0.0.7", "/?q", 8080},
        {"ws://[::1]:81/", "::1", "/", 81},
        {"http://a/", NULL, NULL, 0},
        {"ws://", NULL, NULL, 0},
        {"ws://u:p@a/", NULL, NULL, 0},
        {"ws://a:0/", NULL, NULL, 0},
        {"ws://a:99999/", NULL, NULL, 0},
        {"ws://a/b c", NULL, NULL, 0},
        {"ws://a/\r\nEvil: 1", NULL, NULL, 0},
        {"ws://[::1", NULL, NULL, 0},
        {"ws://a/#f", NULL, NULL, 0},
        {"", NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct ws_url u;
        struct error e = {0};
        int rc = ws_url_parse(r[i].url, &u, &e);
        CHECK_INT(rc, r[i].host ? 0 : ERR_INVALID);
        if (rc) continue;
        CHECK_Z(u.host, r[i].host);
        CHECK_Z(u.target, r[i].target);
        CHECK_INT(u.port, r[i].port);
    }
}
