/* A client's stream, plain and over TLS, against our own HTTP server (its TLS is another code) and silent listeners. */
#include "io/tls_stream.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/test.h"
#include "io/http_server.h"

#define BIG (3u << 20)

static struct http_server *srv;
static char cert_path[256], key_path[256], ca_pem[4096], other_pem[4096];

/* ---- the peer ---- */

static void make_cert(const char *alt_names, const char *cert, const char *key_file, char *pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt_names);
    X509_add_ext(x, alt, -1);
    X509_sign(x, key, EVP_sha256());
    FILE *f = fopen(cert, "we");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key_file, "we");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    f = fopen(cert, "re");
    pem[fread(pem, 1, 4095, f)] = 0;
    fclose(f);
    X509_EXTENSION_free(alt);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void big(struct http_request *q, struct http_response *r)
{
    uint8_t *p = buf_space(&r->body, BIG);
    if (!p) return;
    for (size_t i = 0; i < BIG; i++) p[i] = (uint8_t)(i * 13 + i / 251);
    r->body.n = BIG;
}

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    ret->handler = big;
    return 0;
}

static bool start(bool tls)
{
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 1};
    signal(SIGPIPE, SIG_IGN);
    if (tls) {
        snprintf(cert_path, sizeof cert_path, "%s/cert.pem", test_tmpdir());
        snprintf(key_path, sizeof key_path, "%s/key.pem", test_tmpdir());
        make_cert("DNS:other", cert_path, key_path, other_pem);
        make_cert("IP:127.0.0.1,DNS:localhost", cert_path, key_path, ca_pem);
        cfg.cert_pem = cert_path;
        cfg.key_pem = key_path;
    }
    if (http_server_start(&cfg, &srv, &e)) {
        test_fail(__FILE__, __LINE__, "%s", e.text);
        return false;
    }
    return true;
}

/* ---- the client ---- */

struct client {
    uv_loop_t loop;
    struct tls_stream *s;
    unsigned opened, lost, closed;
    bool close_when_opened, slow;
    size_t n, head, wrong;
    struct error why;
    uv_timer_t timer;
};

static void on_closed(void *arg)
{
    struct client *c = arg;
    c->closed++;
    c->s = NULL;
}
static void shut(struct client *c)
{
    tls_stream_close(c->s, on_closed, c);
}
static void on_opened(void *ctx)
{
    static const char get[] = "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct client *c = ctx;
    c->opened++;
    if (c->close_when_opened)
        shut(c);
    else
        CHECK_INT(tls_stream_write(c->s, get, sizeof get - 1), 0);
}
static void on_timer(uv_timer_t *t)
{
    struct client *c = t->data;
    uv_unref((uv_handle_t *)t);
    if (c->s) tls_stream_read(c->s, true);
}
static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct client *c = ctx;
    for (size_t i = 0; i < n; i++) {
        if (c->head < 4) { /* until the blank line */
            c->head = (char)p[i] == "\r\n\r\n"[c->head] ? c->head + 1 : p[i] == '\r';
            continue;
        }
        c->wrong += p[i] != (uint8_t)(c->n * 13 + c->n / 251);
        c->n++;
    }
    if (!c->slow) return;
    tls_stream_read(c->s, false);
    uv_ref((uv_handle_t *)&c->timer); /* a loop that only waits for it must not end */
    uv_timer_start(&c->timer, on_timer, 1, 0);
}
static void on_lost(void *ctx, const struct error *why)
{
    struct client *c = ctx;
    c->lost++;
    c->why = *why;
    shut(c);
}
static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};

static void run_client(struct client *c, const char *host, unsigned port, const struct tls_client *tls, uint32_t ms)
{
    struct tls_stream_config cfg = {.host = host, .port = (uint16_t)port, .connect_ms = ms, .tls = tls};
    struct error e = {0};
    uv_loop_init(&c->loop);
    uv_timer_init(&c->loop, &c->timer);
    c->timer.data = c;
    uv_unref((uv_handle_t *)&c->timer);
    if (tls_stream_open(&c->loop, &cfg, &ops, c, &c->s, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    CHECK_INT(c->closed, 1);
    uv_close((uv_handle_t *)&c->timer, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&c->loop), 0);
}

static struct tls_client *context(const char *ca, bool verify, const char *name)
{
    struct tls_client *t = NULL;
    struct error e = {0};
    struct tls_client_config c = {.ca_pem = ca, .verify = verify, .server_name = name};
    if (tls_client_new(&c, &t, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return t;
}

static struct client fetch(const struct tls_client *tls, bool slow)
{
    struct client c = {.slow = slow};
    run_client(&c, "127.0.0.1", http_server_port(srv), tls, 5000);
    return c;
}

TEST(plain_and_slow)
{
    REQUIRE(start(false));
    for (int slow = 0; slow < 2; slow++) {
        struct client c = fetch(NULL, slow);
        CHECK_INT(c.opened, 1);
        CHECK_INT(c.n, BIG);
        CHECK_INT(c.wrong, 0);
        CHECK_INT(c.lost, 1);
        CHECK_INT(c.why.code, ERR_CLOSED);
    }
    http_server_stop(srv);
}

TEST(tls_verified_and_not)
{
    static char one_line[4096];
    REQUIRE(start(true));
    for (int slow = 0; slow < 2; slow++) {
        struct tls_client *t = context(ca_pem, true, NULL);
        struct client c = fetch(t, slow);
        CHECK_INT(c.n, BIG);
        CHECK_INT(c.wrong, 0);
        tls_client_free(t);
    }
    size_t n = 0;
    for (const char *p = ca_pem; *p; p++)
        if (*p != '\n') one_line[n++] = *p;
    static const struct {
        int ca; /* 0 right, 1 other, 2 one line */
        bool verify;
        const char *name;
        bool works;
    } v[] = {{1, true, NULL, false},
             {1, false, NULL, true},
             {0, true, "localhost", true},
             {2, true, NULL, true},
             {0, true, "example", false}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        const char *ca = v[i].ca == 0 ? ca_pem : v[i].ca == 1 ? other_pem : one_line;
        struct tls_client *t = context(ca, v[i].verify, v[i].name);
        struct client c = fetch(t, false);
        CHECK_INT(c.opened, v[i].works);
        CHECK_INT(c.n, v[i].works ? BIG : 0);
        if (!v[i].works) CHECK(strstr(c.why.text, "not trusted") && strstr(c.why.text_zh, "不受信任"));
        tls_client_free(t);
    }
    struct client plain = fetch(NULL, false); /* speaks plain to a TLS port */
    CHECK_INT(plain.n, 0);
    CHECK_INT(plain.lost, 1);
    http_server_stop(srv);
}

TEST(what_cannot_be_connected)
{
    struct client c = {0};
    run_client(&c, "127.0.0.1", 1, NULL, 2000);
    CHECK_INT(c.why.code, ERR_UNAVAILABLE);
    CHECK(strstr(c.why.text, "127.0.0.1:1: connection refused") && strstr(c.why.text_zh, "拒绝"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK_INT(bind(fd, (struct sockaddr *)&a, len), 0);
    CHECK_INT(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    struct tls_client *t = context(NULL, false, NULL);
    c = (struct client){0};
    run_client(&c, "127.0.0.1", ntohs(a.sin_port), t, 50); /* no handshake comes */
    CHECK_INT(c.why.code, ERR_TIMEOUT);
    CHECK_INT(c.opened, 0);
    tls_client_free(t);
    close(fd);
}

TEST(closed_at_any_time)
{
    REQUIRE(start(true));
    struct tls_client *t = context(ca_pem, true, NULL);
    struct client c = {.close_when_opened = true};
    run_client(&c, "127.0.0.1", http_server_port(srv), t, 5000);
    CHECK_INT(c.opened, 1);
    CHECK_INT(c.lost, 0);
    for (int i = 0; i < 12; i++) {
        struct tls_stream_config cfg = {
            .host = i & 1 ? "localhost" : "127.0.0.1", .port = (uint16_t)http_server_port(srv), .tls = t};
        struct error e;
        c = (struct client){0};
        uv_loop_init(&c.loop);
        REQUIRE(tls_stream_open(&c.loop, &cfg, &ops, &c, &c.s, &e) == 0);
        for (int k = 0; k < i; k++) uv_run(&c.loop, UV_RUN_NOWAIT);
        if (c.s) shut(&c);
        uv_run(&c.loop, UV_RUN_DEFAULT);
        CHECK_INT(c.closed, 1);
        CHECK_INT(uv_loop_close(&c.loop), 0);
    }
    tls_client_free(t);
    http_server_stop(srv);
}

static void fill(void *ctx)
{
    static uint8_t block[10000];
    struct client *c = ctx;
    int rc = 0;
    c->opened++;
    for (int i = 0; i < 10000 && rc == 0; i++) rc = tls_stream_write(c->s, block, sizeof block);
    CHECK_INT(rc, ERR_LIMIT);
    CHECK(tls_stream_waiting(c->s) <= 50000);
    shut(c);
}

TEST(what_waits_is_bounded)
{
    static const struct tls_stream_ops filling = {fill, on_data, on_lost};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK_INT(bind(fd, (struct sockaddr *)&a, len), 0);
    CHECK_INT(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    struct client c = {0};
    struct tls_stream_config cfg = {.host = "127.0.0.1", .port = ntohs(a.sin_port), .out_max = 50000};
    struct error e;
    uv_loop_init(&c.loop);
    REQUIRE(tls_stream_open(&c.loop, &cfg, &filling, &c, &c.s, &e) == 0);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    CHECK_INT(c.opened, 1);
    CHECK_INT(c.closed, 1);
    uv_loop_close(&c.loop);
    close(fd);
}

TEST(options_that_are_wrong_are_named)
{
    static const struct {
        struct tls_client_config c;
        const char *where;
    } v[] = {{{.ca_pem = "rubbish"}, "ca"},
             {{.cert_pem = "rubbish", .key_pem = "x"}, "certificate"},
             {{.cert_pem = "rubbish"}, "key"},
             {{.key_pem = "rubbish"}, "certificate"}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct tls_client *t = NULL;
        struct error e = {0};
        CHECK_INT(tls_client_new(&v[i].c, &t, &e), ERR_INVALID);
        CHECK_Z(e.where, v[i].where);
        CHECK(t == NULL && e.text[0] && e.text_zh[0]);
    }
}
