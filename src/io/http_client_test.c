/* http_client_test.c - the client against our own server: plain and TLS, limits, redirects, the address
 * filter; TLS of the server at the same time (self-signed certificate made here), also read slowly. */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/test.h"
#include "io/http_client.h"
#include "io/http_server.h"

static struct http_server *srv;
static char base_url[64], cert_path[256], key_path[256];

static void write_cert(X509 *x, EVP_PKEY *key)
{
    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", test_tmpdir());
    snprintf(key_path, sizeof key_path, "%s/key.pem", test_tmpdir());
    FILE *f = fopen(cert_path, "we");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key_path, "we");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static void make_cert(void)
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
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    X509_add_ext(x, alt, -1);
    X509_sign(x, key, EVP_sha256());
    write_cert(x, key);
    X509_EXTENSION_free(alt);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void echo(struct http_request *q, struct http_response *r)
{
    buf_printf(&r->body, "%.*s %s %.*s:", STR_ARG(q->method), q->tls ? "tls" : "plain",
               STR_ARG(http_header(q, "x-test")));
    buf_str(&r->body, q->body);
    r->content_type = "text/plain";
}

static void redirect(struct http_request *q, struct http_response *r)
{
    r->status = 302;
    http_set_header(r, "Location", http_query(q, "to"));
}

static void big(struct http_request *q, struct http_response *r)
{
    size_t n = 5u << 20;
    uint8_t *p = buf_space(&r->body, n);
    if (!p) return;
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(i * 13 + i / 251);
    r->body.n = n;
}

static int endless(void *ctx, struct buf *out)
{
    static const char text[4096];
    buf_add(out, text, sizeof text);
    return 1;
}

static void never_ends(struct http_request *q, struct http_response *r)
{
    r->pull = endless;
}

static const struct {
    const char *path;
    http_handler *handler;
} table[] = {{"/echo", echo}, {"/redirect", redirect}, {"/big", big}, {"/endless", never_ends}};

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!str_is(q->path, table[i].path)) continue;
        ret->handler = table[i].handler;
        ret->body_max = 4 << 20;
        return 0;
    }
    refuse->status = 404;
    return 1;
}

static bool start(bool tls)
{
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 2};
    if (tls) {
        make_cert();
        cfg.cert_pem = cert_path;
        cfg.key_pem = key_path;
    }
    if (http_server_start(&cfg, &srv, &e) != 0) {
        test_fail(__FILE__, __LINE__, "start: %s", e.text);
        return false;
    }
    snprintf(base_url, sizeof base_url, "%s://127.0.0.1:%u", tls ? "https" : "http", http_server_port(srv));
    return true;
}

struct result {
    int err;
    struct http_answer a;
    struct error e;
};

static struct result call(struct arena *a, const char *path, struct http_call c)
{
    char url[256];
    struct result r = {0};
    snprintf(url, sizeof url, "%s%s", base_url, path);
    c.url = url;
    r.err = http_call(a, &c, &r.a, &r.e);
    return r;
}

TEST(plain_calls)
{
    AUTO_ARENA a;
    arena_init(&a, 32 << 20);
    REQUIRE(start(false));
    static const char *const headers[] = {"X-Test: v", NULL};
    struct result r = call(&a, "/echo", (struct http_call){.headers = headers});
    CHECK_INT(r.err, 0);
    CHECK_INT(r.a.status, 200);
    CHECK_STR(r.a.body, "GET plain v:");
    CHECK_STR(r.a.content_type, "text/plain");
    r = call(&a, "/echo", (struct http_call){.method = "PUT", .body = STR("some body")});
    CHECK_STR(r.a.body, "PUT plain :some body");
    r = call(&a, "/none", (struct http_call){0});
    CHECK_INT(r.a.status, 404);
    r = call(&a, "/big", (struct http_call){0});
    CHECK_INT(r.a.body.n, 5 << 20);
    http_server_stop(srv);
}

TEST(client_limits)
{
    AUTO_ARENA a;
    arena_init(&a, 32 << 20);
    REQUIRE(start(false));
    struct result r = call(&a, "/endless", (struct http_call){.answer_max = 100000});
    CHECK_INT(r.err, ERR_TOO_LARGE);
    CHECK(strstr(r.e.text, "larger than 100000 bytes") != NULL);
    r = call(&a, "/redirect?to=/echo", (struct http_call){0});
    CHECK_STR(r.a.body, "GET plain :");
    r = call(&a, "/redirect?to=/redirect%3Fto%3D/redirect", (struct http_call){0});
    CHECK_INT(r.err, 0);
    r = call(&a, "/redirect?to=file:///etc/passwd", (struct http_call){0});
    CHECK_INT(r.err, ERR_INVALID);
    http_server_stop(srv);
    r = call(&a, "/echo", (struct http_call){0});
    CHECK_INT(r.err, ERR_UNAVAILABLE);
}

TEST(local_addresses_can_be_refused)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    static const char *const urls[] = {
        "http://127.0.0.1:1/", "http://localhost:1/",       "http://2130706433:1/",      "http://0x7f.1:1/",
        "http://[::1]:1/",     "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/",   "http://10.1.2.3/",
        "http://172.31.0.1/",  "http://192.168.0.1/",       "http://[fe80::1]/",         "http://[fd00::1]/",
        "http://0.0.0.0:1/",   "http://100.64.0.1/",        "http://[64:ff9b::7f00:1]/",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct error e = {0};
        struct http_answer ans;
        int err =
            http_call(&a, &(struct http_call){.url = urls[i], .refuse_local = true, .timeout_ms = 3000}, &ans, &e);
        if (err != ERR_FORBIDDEN) test_fail(__FILE__, __LINE__, "%s: %d %s", urls[i], err, e.text);
    }
    REQUIRE(start(false));
    struct result r = call(&a, "/echo", (struct http_call){.refuse_local = true});
    CHECK_INT(r.err, ERR_FORBIDDEN);
    CHECK(strstr(r.e.text, "127.0.0.1") != NULL);
    http_server_stop(srv);
}

TEST(tls_round_trip)
{
    AUTO_ARENA a;
    arena_init(&a, 64 << 20);
    REQUIRE(start(true));
    struct result r =
        call(&a, "/echo", (struct http_call){.ca_file = cert_path, .method = "POST", .body = STR("secret")});
    CHECK_INT(r.err, 0);
    CHECK_STR(r.a.body, "POST tls :secret");
    r = call(&a, "/echo", (struct http_call){0});
    CHECK_INT(r.err, ERR_UNAVAILABLE); /* the system does not know this certificate */
    r = call(&a, "/echo", (struct http_call){.insecure = true});
    CHECK_INT(r.err, 0);
    r = call(&a, "/big", (struct http_call){.ca_file = cert_path});
    REQUIRE(r.err == 0 && r.a.body.n == 5 << 20);
    bool same = true;
    for (size_t i = 0; i < r.a.body.n; i++) same = same && (uint8_t)r.a.body.p[i] == (uint8_t)(i * 13 + i / 251);
    CHECK(same);
    char *body = arena_alloc(&a, 3 << 20);
    memset(body, 'b', 3 << 20);
    r = call(&a, "/echo", (struct http_call){.ca_file = cert_path, .method = "POST", .body = str_make(body, 3 << 20)});
    CHECK_INT(r.a.body.n, (3 << 20) + strlen("POST tls :"));
    r = call(&a, "/endless", (struct http_call){.ca_file = cert_path, .answer_max = 1 << 20});
    CHECK_INT(r.err, ERR_TOO_LARGE);
    http_server_stop(srv);
}

/* A TLS client of our own; returns the negotiated version or 0. */
static int handshake(int min, int max, const char *ciphers, const char *say, char *heard, size_t cap)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(srv))};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), version = 0;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, min);
    SSL_CTX_set_max_proto_version(ctx, max);
    if (ciphers) SSL_CTX_set_cipher_list(ctx, ciphers);
    SSL *ssl = SSL_new(ctx);
    SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    SSL_set_fd(ssl, fd);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && SSL_connect(ssl) == 1) {
        const unsigned char *alpn;
        unsigned n = 0;
        version = SSL_version(ssl);
        SSL_get0_alpn_selected(ssl, &alpn, &n);
        CHECK(n == 8 && memcmp(alpn, "http/1.1", 8) == 0);
        SSL_write(ssl, say, (int)strlen(say));
        size_t got = 0;
        for (int k; got < cap - 1 && (k = SSL_read(ssl, heard + got, (int)(cap - 1 - got))) > 0;) got += (size_t)k;
        heard[got] = '\0';
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return version;
}

TEST(tls_versions_and_ciphers)
{
    static const char ask[] =
        "GET /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char heard[4096] = "";
    REQUIRE(start(true));
    CHECK_INT(handshake(TLS1_3_VERSION, TLS1_3_VERSION, NULL, ask, heard, sizeof heard), TLS1_3_VERSION);
    const char *first = strstr(heard, "GET tls :");
    CHECK(first && strstr(first + 1, "GET tls :")); /* both of the pipelined ones */
    CHECK_INT(handshake(TLS1_2_VERSION, TLS1_2_VERSION, NULL, ask, heard, sizeof heard), TLS1_2_VERSION);
    CHECK_INT(handshake(TLS1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", ask, heard, sizeof heard), 0);
    CHECK_INT(handshake(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", ask, heard, sizeof heard), 0);
    http_server_stop(srv);
}

TEST(plain_text_to_a_tls_port_is_closed)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    REQUIRE(start(true));
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%u", http_server_port(srv));
    CHECK_INT(call(&a, "/echo", (struct http_call){.timeout_ms = 3000}).err, ERR_UNAVAILABLE);
    http_server_stop(srv);
}
