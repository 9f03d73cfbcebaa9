/* http_multi_test.c - calls on a loop against our own server (on its threads): methods, headers, TLS, redirects,
 * limits, time-outs, silence, cancelling and closing in the middle. */
#include "io/http_multi.h"
#include <signal.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/testcert.h"

static struct http_server *srv;
static char base_url[64];

static void echo(struct http_request *q, struct http_response *r)
{
    buf_printf(&r->body, "%.*s %s %.*s %.*s:", STR_ARG(q->method), q->tls ? "tls" : "plain",
               STR_ARG(http_header(q, "x-key")), STR_ARG(http_header(q, "content-type")));
    buf_str(&r->body, q->body);
    http_set_header(r, "ETag", STR("\"7\""));
}
static void redirect(struct http_request *q, struct http_response *r)
{
    struct str status = http_query(q, "status");
    int64_t code = 302;
    if (status.p && str_to_i64(status, &code)) code = 500;
    r->status = (int)code;
    http_set_header(r, "Location", http_query(q, "to"));
}
static void big(struct http_request *q, struct http_response *r)
{
    if (buf_space(&r->body, 2 << 20)) r->body.n = 2 << 20;
    memset(r->body.p, 'x', r->body.n);
}
static void refuse_it(struct http_request *q, struct http_response *r)
{
    r->status = 429;
    http_set_header(r, "Retry-After", STR("7"));
    buf_z(&r->body, "slow down");
}

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    ret->body_max = 1 << 20;
    ret->handler = str_is(q->path, "/redirect") ? redirect
                   : str_is(q->path, "/big")    ? big
                   : str_is(q->path, "/no")     ? refuse_it
                                                : echo;
    return 0;
}

static void start(const struct testcert *c)
{
    static char cert[256], key[256];
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 1};
    signal(SIGPIPE, SIG_IGN);
    if (c) {
        snprintf(cert, sizeof cert, "%s/cert.pem", test_tmpdir());
        snprintf(key, sizeof key, "%s/key.pem", test_tmpdir());
        FILE *f = fopen(cert, "we");
        fputs(c->cert, f);
        fclose(f);
        f = fopen(key, "we");
        fputs(c->key, f);
        fclose(f);
        cfg.cert_pem = cert;
        cfg.key_pem = key;
    }
    if (http_server_start(&cfg, &srv, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    snprintf(base_url, sizeof base_url, "%s://127.0.0.1:%u", c ? "https" : "http", http_server_port(srv));
}

struct bed {
    uv_loop_t loop;
    struct http_multi *m;
    unsigned done;
    bool closed, close_in_done;
    int status, code;
    bool sent;
    char body[256], header[64], text[ERROR_TEXT_MAX], where[100];
    size_t body_n;
    struct http_flight *flight;
};

static void on_closed(void *arg)
{
    ((struct bed *)arg)->closed = true;
}

static void on_done(void *arg, const struct http_end *end)
{
    struct bed *b = arg;
    b->done++;
    b->sent = end->sent;
    b->code = end->error ? end->error->code : 0;
    b->status = end->reply ? end->reply->status : 0;
    snprintf(b->text, sizeof b->text, "%s", end->error ? end->error->text : "");
    snprintf(b->where, sizeof b->where, "%s", end->error ? end->error->where : "");
    if (end->reply) {
        b->body_n = end->reply->body.n;
        str_to_cstr(end->reply->body, b->body, sizeof b->body);
        struct str h = http_reply_header(end->reply, "etag"), ra = http_reply_header(end->reply, "retry-after");
        str_to_cstr(h.p ? h : ra, b->header, sizeof b->header);
        CHECK(end->bytes_in > 0 && end->bytes_out > 0);
    }
    if (b->close_in_done) {
        b->close_in_done = false;
        http_multi_close(TAKE(b->m), on_closed, b);
    }
}

static void bed_open(struct bed *b, const struct http_multi_config *c)
{
    struct error e = {0};
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    if (http_multi_new(&b->loop, c, &b->m, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

static void bed_close(struct bed *b)
{
    if (b->m) http_multi_close(b->m, on_closed, b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK(b->closed);
    CHECK_INT(uv_loop_close(&b->loop), 0);
}

static void ask(struct bed *b, struct http_ask q, const char *path)
{
    char url[300];
    unsigned before = b->done;
    struct error e = {0};
    snprintf(url, sizeof url, "%s%s", path[0] == '/' ? base_url : "", path);
    q.url = url;
    b->body[0] = b->header[0] = 0;
    CHECK_INT(http_multi_ask(b->m, &q, on_done, b, &b->flight, &e), 0);
    CHECK_INT(b->done, before); /* never inside */
    while (b->done == before && uv_run(&b->loop, UV_RUN_ONCE)) {
    }
    CHECK_INT(b->done, before + 1);
}

TEST(methods_headers_bodies)
{
    static const char *const headers[] = {"X-Key: secret", "Content-Type: text/plain", NULL};
    struct bed b;
    start(NULL);
    bed_open(&b, &(struct http_multi_config){0});
    ask(&b, (struct http_ask){.headers = headers}, "/");
    CHECK_Z(b.body, "GET plain secret text/plain:");
    CHECK_Z(b.header, "\"7\"");
    CHECK_INT(b.status, 200);
    CHECK(b.sent);
    ask(&b, (struct http_ask){.method = "POST", .body = STR("a\"b")}, "/");
    CHECK_Z(b.body, "POST plain  :a\"b");
    ask(&b, (struct http_ask){.method = "PUT", .headers = headers, .body = STR("p"), .once = true}, "/");
    CHECK_Z(b.body, "PUT plain secret text/plain:p");
    ask(&b, (struct http_ask){.method = "POST"}, "/");
    CHECK_Z(b.body, "POST plain  :");
    ask(&b, (struct http_ask){.method = "DELETE"}, "/");
    CHECK_Z(b.body, "DELETE plain  :");
    ask(&b, (struct http_ask){.method = "HEAD"}, "/");
    CHECK_INT(b.status, 200);
    CHECK_INT(b.body_n, 0);
    ask(&b, (struct http_ask){0}, "/no");
    CHECK_INT(b.status, 429);
    CHECK_Z(b.header, "7");
    CHECK_Z(b.body, "slow down");
    bed_close(&b);
    http_server_stop(srv);
}

TEST(redirects)
{
    struct bed b;
    char there[200];
    start(NULL);
    bed_open(&b, &(struct http_multi_config){0});
    ask(&b, (struct http_ask){.redirects = 3}, "/redirect?to=/echo");
    CHECK_Z(b.body, "GET plain  :");
    ask(&b, (struct http_ask){.method = "POST", .body = STR("x"), .redirects = 3}, "/redirect?status=308&to=/echo");
    CHECK_Z(b.body, "POST plain  :x");
    ask(&b, (struct http_ask){.method = "POST", .body = STR("x"), .redirects = 3}, "/redirect?to=/echo");
    CHECK_INT(b.status, 302); /* not followed: it would become another request */
    ask(&b, (struct http_ask){0}, "/redirect?to=/echo");
    CHECK_INT(b.code, ERR_FORBIDDEN);
    CHECK(strstr(b.text, "too many redirects") != NULL);
    snprintf(there, sizeof there, "/redirect?to=%s/redirect%%3Fto%%3D/echo", base_url);
    ask(&b, (struct http_ask){.redirects = 1}, there);
    CHECK_INT(b.code, ERR_FORBIDDEN);
    ask(&b, (struct http_ask){.redirects = 2}, there);
    CHECK_INT(b.status, 200);
    static const char *const elsewhere[] = {"/redirect?to=file:///etc/passwd", "/redirect?to=http://127.0.0.2/x",
                                            "/redirect?to=https://127.0.0.1/x", "/redirect?to=http://127.0.0.1:1/",
                                            "/redirect?to=//example.com/"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        ask(&b, (struct http_ask){.redirects = 5}, elsewhere[i]);
        CHECK_INT(b.code, ERR_FORBIDDEN);
        CHECK(strstr(b.text, "only addresses of the same host are followed") != NULL);
        CHECK(strstr(b.body, "root") == NULL);
    }
    bed_close(&b);
    http_server_stop(srv);
}

TEST(limits_and_silence)
{
    struct bed b;
    struct sockaddr_in a;
    int len = sizeof a;
    char url[100];
    uv_tcp_t silent; /* listens, says nothing */
    start(NULL);
    bed_open(&b, &(struct http_multi_config){0});
    ask(&b, (struct http_ask){.answer_max = 100000}, "/big?key=secret");
    CHECK_INT(b.code, ERR_TOO_LARGE);
    CHECK(strstr(b.text, "larger than 100000 bytes") && !strstr(b.text, "secret"));
    ask(&b, (struct http_ask){0}, "/big");
    CHECK_INT(b.body_n, 2 << 20);
    uv_tcp_init(&b.loop, &silent);
    uv_ip4_addr("127.0.0.1", 0, &a);
    CHECK_INT(uv_tcp_bind(&silent, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&silent, 8, (uv_connection_cb)abort), 0);
    uv_tcp_getsockname(&silent, (struct sockaddr *)&a, &len);
    uv_unref((uv_handle_t *)&silent);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(a.sin_port));
    uv_close((uv_handle_t *)&silent, NULL);
    ask(&b, (struct http_ask){.timeout_ms = 2000}, url);
    CHECK_INT(b.code, ERR_UNAVAILABLE);
    CHECK(!b.sent);
    ask(&b, (struct http_ask){0}, "gopher://127.0.0.1/");
    CHECK_INT(b.code, ERR_INVALID);
    bed_close(&b);
    http_server_stop(srv);
}

static void take(uv_stream_t *s, int status)
{
    uv_tcp_t *c = s->data;
    uv_tcp_init(s->loop, c);
    CHECK_INT(uv_accept(s, (uv_stream_t *)c), 0);
    uv_unref((uv_handle_t *)c);
}

TEST(a_silent_server_times_out)
{
    struct bed b;
    struct sockaddr_in a;
    int len = sizeof a;
    char url[100];
    uv_tcp_t silent, taken;
    bed_open(&b, &(struct http_multi_config){0});
    uv_tcp_init(&b.loop, &silent);
    silent.data = &taken;
    uv_ip4_addr("127.0.0.1", 0, &a);
    CHECK_INT(uv_tcp_bind(&silent, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&silent, 8, take), 0);
    uv_tcp_getsockname(&silent, (struct sockaddr *)&a, &len);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/?k=v", ntohs(a.sin_port));
    ask(&b, (struct http_ask){.method = "POST", .body = STR("x"), .timeout_ms = 100, .once = true}, url);
    CHECK_INT(b.code, ERR_TIMEOUT);
    CHECK(b.sent); /* it may have been carried out */
    uv_close((uv_handle_t *)&silent, NULL);
    uv_close((uv_handle_t *)&taken, NULL);
    bed_close(&b);
}

TEST(tls)
{
    struct testcert good, other;
    struct bed b;
    testcert_make(&good, "good", "IP:127.0.0.1");
    testcert_make(&other, "other", "IP:127.0.0.2");
    start(&good);
    const struct {
        struct http_multi_config c;
        int code;
    } r[] = {
        {{.ca_pem = good.cert}, 0},
        {{.ca_pem = other.cert}, ERR_UNAVAILABLE},
        {{0}, ERR_UNAVAILABLE},
        {{.insecure = true}, 0},
        {{.insecure = true, .cert_pem = other.cert, .key_pem = other.key}, 0},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        bed_open(&b, &r[i].c);
        ask(&b, (struct http_ask){0}, "/");
        CHECK_INT(b.code, r[i].code);
        if (r[i].code) {
            CHECK_Z(b.where, "tls_ca");
            CHECK(!b.sent);
        } else
            CHECK_Z(b.body, "GET tls  :");
        bed_close(&b);
    }
    http_server_stop(srv);
    struct http_multi *m = NULL;
    struct error e = {0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    CHECK_INT(http_multi_new(&loop, &(struct http_multi_config){.ca_pem = "rubbish"}, &m, &e), ERR_INVALID);
    CHECK_INT(http_multi_new(&loop, &(struct http_multi_config){.cert_pem = good.cert}, &m, &e), ERR_INVALID);
    CHECK_INT(uv_loop_close(&loop), 0);
}

TEST(a_certificate_for_another_name)
{
    struct testcert c;
    struct bed b;
    testcert_make(&c, "c", "DNS:other.example");
    start(&c);
    bed_open(&b, &(struct http_multi_config){.ca_pem = c.cert});
    ask(&b, (struct http_ask){0}, "/");
    CHECK_INT(b.code, ERR_UNAVAILABLE);
    CHECK_Z(b.where, "tls_ca");
    bed_close(&b);
    http_server_stop(srv);
}

TEST(many_at_once_cancel_and_close)
{
    struct bed b;
    struct http_flight *f[40];
    struct error e = {0};
    char url[100];
    start(NULL);
    bed_open(&b, &(struct http_multi_config){.connections_max = 3});
    snprintf(url, sizeof url, "%s/", base_url);
    const struct http_ask q = {.url = url};
    for (int i = 0; i < 40; i++) CHECK_INT(http_multi_ask(b.m, &q, on_done, &b, &f[i], &e), 0);
    for (int i = 0; i < 40; i += 4) http_multi_cancel(f[i]);
    while (b.done < 30 && uv_run(&b.loop, UV_RUN_ONCE)) {
    }
    CHECK_INT(b.done, 30);
    CHECK_INT(b.status, 200);
    for (int i = 0; i < 10; i++) CHECK_INT(http_multi_ask(b.m, &q, on_done, &b, NULL, &e), 0);
    b.close_in_done = true; /* the first that ends closes the client: the others are cancelled */
    uv_run(&b.loop, UV_RUN_DEFAULT);
    CHECK_INT(b.done, 40);
    CHECK(b.closed);
    CHECK_INT(b.code, ERR_CANCELLED);
    CHECK_INT(uv_loop_close(&b.loop), 0);
    http_server_stop(srv);
}

TEST(idle_connections_are_dropped)
{
    struct bed b;
    start(NULL);
    bed_open(&b, &(struct http_multi_config){0});
    http_multi_drop_idle(b.m); /* nothing yet */
    for (int i = 0; i < 3; i++) {
        ask(&b, (struct http_ask){0}, "/");
        CHECK_INT(b.status, 200);
        http_multi_drop_idle(b.m);
    }
    struct http_flight *f = NULL;
    struct error e = {0};
    char url[100];
    snprintf(url, sizeof url, "%s/", base_url);
    CHECK_INT(http_multi_ask(b.m, &(struct http_ask){.url = url}, on_done, &b, &f, &e), 0);
    http_multi_drop_idle(b.m); /* one is on its way: it stays */
    while (b.done < 4 && uv_run(&b.loop, UV_RUN_ONCE)) {
    }
    CHECK_INT(b.status, 200);
    bed_close(&b);
    http_server_stop(srv);
}

TEST(clouds_keep_their_secrets)
{
    static const char *const urls[] = {"http://169.254.169.254/latest/meta-data", "http://0xa9fea9fe/",
                                       "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/"};
    struct bed b;
    bed_open(&b, &(struct http_multi_config){0});
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ask(&b, (struct http_ask){.timeout_ms = 1000}, urls[i]);
        CHECK_INT(b.code, ERR_FORBIDDEN);
        CHECK(!b.sent && strstr(b.text, "metadata") != NULL);
    }
    bed_close(&b);
}

TEST(no_memory)
{
    struct bed b;
    struct error e = {0};
    start(NULL);
    bed_open(&b, &(struct http_multi_config){0});
    char url[100];
    snprintf(url, sizeof url, "%s/", base_url);
    for (unsigned i = 1; i < 5; i++) {
        mem_fail_at(i, false);
        int rc = http_multi_ask(b.m, &(struct http_ask){.url = url, .body = STR("x")}, on_done, &b, NULL, &e);
        mem_fail_at(0, false);
        CHECK_INT(rc, ERR_NOMEM);
    }
    bed_close(&b);
    CHECK_INT(b.done, 0);
    http_server_stop(srv);
}

TEST(addresses)
{
    static const struct {
        const char *url;
        bool good;
    } r[] = {{"https://a.example/x?y=1", true},
             {"http://10.0.0.7:8080", true},
             {"http://[::1]:80/", true},
             {"ftp://a/", false},
             {"file:///etc/passwd", false},
             {"a.example", false},
             {"", false},
             {"http://", false},
             {"http://u:p@a/", false},
             {"http://a/#x", false},
             {"http://a:99999/", false},
             {"javascript:1", false}};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        int rc = http_url_check(r[i].url, &e);
        if ((rc == 0) != r[i].good) test_fail(__FILE__, __LINE__, "%s: %s", r[i].url, e.text);
    }
}

TEST(references)
{
    static const char *const r[][3] = {
        {"https://a.example/api/v1/x?p=1", "?p=2", "https://a.example/api/v1/x?p=2"},
        {"https://a.example/api/v1/x?p=1", "/y", "https://a.example/y"},
        {"https://a.example/api/v1/x", "z", "https://a.example/api/v1/z"},
        {"https://a.example/", "https://b.example/q", "https://b.example/q"},
    };
    char out[100];
    struct error e = {0};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        CHECK_INT(http_url_resolve(r[i][0], r[i][1], out, sizeof out, &e), 0);
        CHECK_Z(out, r[i][2]);
    }
    CHECK_INT(http_url_resolve(r[0][0], r[0][1], out, 20, &e), ERR_TOO_LARGE);
    CHECK(http_url_same_host("http://A.example/x", "http://a.example:80/y") &&
          http_url_same_host("http://a.example", "https://a.example"));
    CHECK(!http_url_same_host("https://a.example/x", "http://a.example/") &&
          !http_url_same_host("http://a.example:81", "https://a.example"));
}

TEST(retry_after)
{
    CHECK_INT(http_retry_after_s(STR("120"), 0), 120);
    CHECK_INT(http_retry_after_s(STR("Thu, 01 Jan 2026 00:01:00 GMT"), 1767225600000000LL), 60);
    CHECK_INT(http_retry_after_s(STR("Thu, 01 Jan 2026 00:01:00 GMT"), 1767235600000000LL), 0);
    CHECK_INT(http_retry_after_s(STR("soon"), 0), -1);
    CHECK_INT(http_retry_after_s(STR("-5"), 0), -1);
    CHECK_INT(http_retry_after_s(STR_NULL, 0), -1);
}
