/* tls_stream.c - see tls_stream.h.
 *
 *   RESOLVING -> CONNECTING (one address after the other) -> HANDSHAKE (TLS) -> UP -> DEAD -> closing
 *
 * TLS runs over two memory BIOs: bytes of the socket go into `in`, what OpenSSL wants sent is taken out of `out` after
 * every step. A write that the socket does not take at once is copied and waits in libuv's queue. */
#include "io/tls_stream.h"
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/tls_int.h"

#define CHUNK 16384

enum state { RESOLVING, CONNECTING, HANDSHAKE, UP, DEAD };

struct tls_client {
    SSL_CTX *ctx;
    bool verify;
    char name[256];
};
struct tls_stream {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    const struct tls_stream_ops *ops;
    void *ctx;
    const struct tls_client *tls; /* of a client's stream; NULL: plain, or accepted */
    SSL_CTX *ssl_ctx;             /* NULL: plain */
    bool verify;
    void (*drained)(void *ctx);
    struct addrinfo *found, *next; /* addresses; the one to try next */
    enum state state;
    bool tcp_open, tcp_closing, timer_open, resolving, paused, closing, pumping;
    char host[256];
    uint16_t port;
    size_t out_max, waiting;
    SSL *ssl;
    BIO *in, *out;
    void (*taken)(void *ctx);
    void (*closed)(void *arg);
    void *closed_arg;
    uint8_t buf[CHUNK], plain[CHUNK];
};
struct pending {
    uv_write_t req;
    struct tls_stream *s;
    size_t n;
    uint8_t bytes[];
};

/* ---- the context ---- */

static bool given(const char *z)
{
    return z && z[0];
}

static int configure(SSL_CTX *ctx, const struct tls_client_config *c, struct error *e)
{
    int rc = 0;
    if (given(c->cert_pem) != given(c->key_pem))
        return error_set(e, ERR_INVALID, given(c->cert_pem) ? "key" : "certificate",
                         "a certificate needs its key and a key its certificate", "证书与私钥必须同时给出");
    if (given(c->ca_pem)) rc = tls_pem_authorities(ctx, c->ca_pem, false, e);
    if (rc == 0 && given(c->cert_pem)) rc = tls_pem_own(ctx, c->cert_pem, c->key_pem, e);
    if (rc == 0 && !given(c->ca_pem) && c->verify) SSL_CTX_set_default_verify_paths(ctx); /* reads a file */
    return rc;
}

static void set_alpn(SSL_CTX *ctx, const char *name)
{
    uint8_t wire[32];
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n >= sizeof wire) return;
    wire[0] = (uint8_t)n;
    memcpy(wire + 1, name, n);
    SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)n + 1);
}

int tls_client_new(const struct tls_client_config *c, struct tls_client **ret, struct error *e)
{
    struct tls_client *t = mem_calloc(1, sizeof *t);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int rc = t && ctx ? configure(ctx, c, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        SSL_CTX_free(ctx);
        mem_free(t);
        return rc;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    set_alpn(ctx, c->alpn);
    t->ctx = ctx;
    t->verify = c->verify;
    str_to_cstr(str_of(c->server_name ? c->server_name : ""), t->name, sizeof t->name);
    *ret = t;
    return 0;
}

void tls_client_free(struct tls_client *t)
{
    if (t == NULL) return;
    SSL_CTX_free(t->ctx);
    mem_free(t);
}

/* ---- the end ---- */

static void maybe_free(struct tls_stream *s)
{
    if (!s->closing || s->tcp_open || s->timer_open || s->resolving) return;
    void (*closed)(void *) = s->closed;
    void *arg = s->closed_arg;
    SSL_free(s->ssl);
    uv_freeaddrinfo(s->found);
    mem_free(s);
    if (closed) closed(arg);
}

static void on_tcp_closed(uv_handle_t *h)
{
    struct tls_stream *s = h->data;
    s->tcp_open = s->tcp_closing = false;
    maybe_free(s);
}

static void close_tcp(struct tls_stream *s, uv_close_cb done)
{
    if (!s->tcp_open || s->tcp_closing) return;
    s->tcp_closing = true;
    uv_close((uv_handle_t *)&s->tcp, done);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct tls_stream *s = h->data;
    s->timer_open = false;
    maybe_free(s);
}

static void lose(struct tls_stream *s, const struct error *why)
{
    if (s->state == DEAD || s->closing) return;
    s->state = DEAD;
    uv_timer_stop(&s->timer);
    close_tcp(s, on_tcp_closed);
    s->ops->lost(s->ctx, why);
}

static const char *zh_of(int status)
{
    switch (status) {
    case UV_EOF: return "对方关闭了连接";
    case UV_ECONNREFUSED: return "连接被拒绝";
    case UV_ETIMEDOUT: return "连接超时";
    case UV_ECONNRESET: return "连接被对方复位";
    case UV_EHOSTUNREACH: return "主机不可达";
    case UV_ENETUNREACH: return "网络不可达";
    case UV_EAI_NONAME: return "找不到该主机名";
    default: return uv_strerror(status);
    }
}

static void lose_uv(struct tls_stream *s, int status)
{
    struct error e;
    const char *en = status == UV_EOF ? "the peer closed the connection" : uv_strerror(status);
    int code = status == UV_EOF ? ERR_CLOSED : status == UV_ETIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
    error_set(&e, code, "", "%s:%u: %s%.0s", "%s:%u：%.0s%s", s->host, s->port, en, zh_of(status));
    lose(s, &e);
}

static void lose_tls(struct tls_stream *s)
{
    struct error e;
    char why[160] = "TLS";
    long verified = SSL_get_verify_result(s->ssl);
    if (s->verify && verified != X509_V_OK) {
        error_set(
            &e, ERR_UNAVAILABLE, "",
            "%s:%u: its certificate is not trusted (%s); give the certificate of its authority in the options%s%.0s",
            "%s:%u：对方证书不受信任（%s）；请在选项中给出其 CA 证书%.0s%s", s->host, s->port,
            X509_verify_cert_error_string(verified), s->tls ? ", or the name that it has" : "",
            s->tls ? "或证书中的名称" : "");
    } else {
        if (ERR_peek_last_error()) ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
        error_set(&e, ERR_UNAVAILABLE, "", "%s:%u: TLS failed: %s", "%s:%u：TLS 失败：%s", s->host, s->port, why);
    }
    ERR_clear_error();
    lose(s, &e);
}

/* ---- bytes to the socket ---- */

static void on_written(uv_write_t *req, int status)
{
    struct pending *w = (struct pending *)req;
    struct tls_stream *s = w->s;
    s->waiting -= w->n;
    mem_free(w);
    if (s->state == UP && !s->closing && s->taken) s->taken(s->ctx);
    if (s->waiting == 0 && s->state == UP && !s->closing && s->drained) s->drained(s->ctx);
}

static int send_raw(struct tls_stream *s, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    int k = uv_try_write((uv_stream_t *)&s->tcp, &b, 1);
    size_t sent = k > 0 ? (size_t)k : 0;
    if (k < 0 && k != UV_EAGAIN) return ERR_CLOSED; /* the read side tells */
    if (sent == n) return 0;
    struct pending *w = mem_alloc(sizeof *w + (n - sent));
    if (w == NULL) return ERR_NOMEM;
    w->s = s;
    w->n = n - sent;
    memcpy(w->bytes, p + sent, w->n);
    b = uv_buf_init((char *)w->bytes, (unsigned)w->n);
    if (uv_write(&w->req, (uv_stream_t *)&s->tcp, &b, 1, on_written)) {
        mem_free(w);
        return ERR_CLOSED;
    }
    s->waiting += w->n;
    return 0;
}

static int flush_tls(struct tls_stream *s)
{
    uint8_t cipher[CHUNK];
    int n, rc = 0;
    while (rc == 0 && (n = BIO_read(s->out, cipher, sizeof cipher)) > 0) rc = send_raw(s, cipher, (size_t)n);
    return rc;
}

int tls_stream_write(struct tls_stream *s, const void *p, size_t n)
{
    if (s->state != UP) return ERR_CLOSED;
    if (n == 0) return 0;
    if (n > s->out_max || s->waiting > s->out_max - n) return ERR_LIMIT;
    if (!s->ssl) return send_raw(s, p, n);
    int k = n > INT32_MAX ? -1 : SSL_write(s->ssl, p, (int)n); /* into memory: all or an error */
    if (k <= 0) {
        ERR_clear_error();
        return ERR_CLOSED;
    }
    return flush_tls(s);
}

size_t tls_stream_waiting(const struct tls_stream *s)
{
    return s->waiting;
}

void tls_stream_on_taken(struct tls_stream *s, void (*taken)(void *ctx))
{
    s->taken = taken;
}

/* ---- bytes from the socket ---- */

static void come_up(struct tls_stream *s)
{
    s->state = UP;
    uv_timer_stop(&s->timer);
    s->ops->opened(s->ctx);
}

static bool shake_hands(struct tls_stream *s)
{
    int n = SSL_do_handshake(s->ssl);
    int why = SSL_get_error(s->ssl, n);
    flush_tls(s);
    if (n == 1)
        come_up(s);
    else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        lose_tls(s);
    return s->state == UP;
}

static void pump_tls(struct tls_stream *s)
{
    if (s->pumping) return; /* tls_stream_read(on) inside of data() */
    s->pumping = true;
    bool up = s->state == UP || (s->state == HANDSHAKE && shake_hands(s));
    while (up && s->state == UP && !s->paused && !s->closing) {
        int n = SSL_read(s->ssl, s->plain, sizeof s->plain);
        if (n > 0) {
            s->ops->data(s->ctx, s->plain, (size_t)n);
            continue;
        }
        int why = SSL_get_error(s->ssl, n);
        flush_tls(s);
        if (why == SSL_ERROR_ZERO_RETURN)
            lose_uv(s, UV_EOF);
        else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            lose_tls(s);
        break;
    }
    s->pumping = false;
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
    struct tls_stream *s = h->data;
    *b = uv_buf_init((char *)s->buf, sizeof s->buf);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
    struct tls_stream *s = h->data;
    if (n == 0 || s->closing) return;
    if (n < 0) {
        lose_uv(s, (int)n);
        return;
    }
    if (!s->ssl)
        s->ops->data(s->ctx, s->buf, (size_t)n);
    else if (BIO_write(s->in, s->buf, (int)n) == (int)n)
        pump_tls(s);
    else
        lose_uv(s, UV_ENOMEM);
}

void tls_stream_read(struct tls_stream *s, bool on)
{
    if (s->paused == !on) return;
    s->paused = !on;
    if (s->state != UP || s->closing) return;
    if (!on) {
        uv_read_stop((uv_stream_t *)&s->tcp);
        return;
    }
    int rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    if (rc) lose_uv(s, rc);
    if (s->ssl && s->state == UP) pump_tls(s); /* what was decrypted before */
}

/* ---- connecting ---- */

static bool is_address(const char *host)
{
    struct sockaddr_in6 a;
    return uv_ip6_addr(host, 0, &a) == 0 || uv_ip4_addr(host, 0, (struct sockaddr_in *)&a) == 0;
}

static void name_peer(struct tls_stream *s)
{
    const char *name = s->tls->name[0] ? s->tls->name : s->host;
    if (is_address(name)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name);
        return;
    }
    SSL_set1_host(s->ssl, name);
    SSL_set_tlsext_host_name(s->ssl, name);
}

static int start_tls(struct tls_stream *s)
{
    s->ssl = SSL_new(s->ssl_ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->in || !s->out) {
        BIO_free(s->in);
        BIO_free(s->out);
        SSL_free(s->ssl);
        s->ssl = NULL;
        return ERR_NOMEM;
    }
    BIO_set_mem_eof_return(s->in, -1);
    BIO_set_mem_eof_return(s->out, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    if (s->tls)
        SSL_set_connect_state(s->ssl);
    else
        SSL_set_accept_state(s->ssl);
    if (s->tls && s->verify) name_peer(s);
    return 0;
}

static void try_next(struct tls_stream *s);

static void on_try_closed(uv_handle_t *h)
{
    struct tls_stream *s = h->data;
    s->tcp_open = s->tcp_closing = false;
    if (s->closing)
        maybe_free(s);
    else if (s->state == CONNECTING)
        try_next(s);
}

static void connected(struct tls_stream *s)
{
    uv_tcp_nodelay(&s->tcp, 1);
    uv_tcp_keepalive(&s->tcp, 1, 30);
    int rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    if (rc == 0 && s->ssl_ctx && start_tls(s)) rc = UV_ENOMEM;
    if (rc) {
        lose_uv(s, rc);
        return;
    }
    if (!s->ssl_ctx) {
        come_up(s);
        return;
    }
    s->state = HANDSHAKE;
    pump_tls(s);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct tls_stream *s = req->data;
    if (s->closing || s->state != CONNECTING || s->tcp_closing) return;
    if (status == 0)
        connected(s);
    else if (s->next)
        close_tcp(s, on_try_closed);
    else
        lose_uv(s, status);
}

static int connect_to(struct tls_stream *s, const struct sockaddr *a)
{
    int rc = uv_tcp_init(s->loop, &s->tcp);
    if (rc) return rc;
    s->tcp.data = s;
    s->tcp_open = true;
    s->state = CONNECTING;
    return uv_tcp_connect(&s->connect, &s->tcp, a, on_connect);
}

static void try_next(struct tls_stream *s)
{
    struct addrinfo *a = s->next;
    s->next = a->ai_next;
    int rc = connect_to(s, a->ai_addr);
    if (rc) lose_uv(s, rc);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct tls_stream *s = req->data;
    s->resolving = false;
    s->found = s->next = found;
    if (s->closing)
        maybe_free(s);
    else if (s->state != RESOLVING)
        return;
    else if (status || !found)
        lose_uv(s, status ? status : UV_EAI_NONAME);
    else
        try_next(s);
}

static int begin(struct tls_stream *s)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    if (uv_ip4_addr(s->host, s->port, &a.v4) == 0 || uv_ip6_addr(s->host, s->port, &a.v6) == 0)
        return connect_to(s, &a.any);
    snprintf(port, sizeof port, "%u", s->port);
    int rc = uv_getaddrinfo(s->loop, &s->resolve, on_resolved, s->host, port, &hints);
    s->resolving = rc == 0;
    return rc;
}

static void on_timeout(uv_timer_t *t)
{
    lose_uv(t->data, UV_ETIMEDOUT);
}

int tls_stream_open(uv_loop_t *loop, const struct tls_stream_config *c, const struct tls_stream_ops *ops, void *ctx,
                    struct tls_stream **ret, struct error *e)
{
    struct tls_stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->loop = loop;
    s->ops = ops;
    s->ctx = ctx;
    s->tls = c->tls;
    s->ssl_ctx = c->tls ? c->tls->ctx : NULL;
    s->verify = c->tls && c->tls->verify;
    s->port = c->port;
    s->out_max = c->out_max ? c->out_max : 1 << 20;
    s->connect.data = s->resolve.data = s->timer.data = s;
    str_to_cstr(str_of(c->host), s->host, sizeof s->host);
    uv_timer_init(loop, &s->timer);
    s->timer_open = true;
    uv_timer_start(&s->timer, on_timeout, c->connect_ms ? c->connect_ms : 10000, 0);
    int rc = begin(s);
    if (rc) {
        s->state = DEAD;
        tls_stream_close(s, NULL, NULL);
        return error_set(e, ERR_UNAVAILABLE, "", "%s:%u: %s%.0s", "%s:%u：%.0s%s", c->host, c->port, uv_strerror(rc),
                         zh_of(rc));
    }
    *ret = s;
    return 0;
}

/* ---- accepted ---- */

static void name_remote(struct tls_stream *s)
{
    struct sockaddr_storage a = {0};
    int n = sizeof a;
    uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&a, &n);
    if (uv_ip_name((const struct sockaddr *)&a, s->host, sizeof s->host)) s->host[0] = 0;
    s->port = ntohs(((struct sockaddr_in *)&a)->sin_port); /* the same place in sockaddr_in6 */
    if (strncmp(s->host, "::ffff:", 7) == 0) memmove(s->host, s->host + 7, strlen(s->host + 7) + 1);
}

int tls_stream_accept(uv_stream_t *from, const struct tls_accept *c, struct tls_stream **ret)
{
    struct tls_stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return ERR_NOMEM;
    s->loop = from->loop;
    s->ssl_ctx = c->tls ? c->tls->ctx : NULL;
    s->verify = c->tls && c->tls->verify;
    s->out_max = c->out_max ? c->out_max : 1 << 20;
    s->timer.data = s->tcp.data = s;
    s->state = CONNECTING;
    uv_timer_init(s->loop, &s->timer);
    s->timer_open = true;
    uv_timer_start(&s->timer, on_timeout, c->handshake_ms ? c->handshake_ms : 10000, 0);
    s->tcp_open = uv_tcp_init(s->loop, &s->tcp) == 0;
    if (!s->tcp_open || uv_accept(from, (uv_stream_t *)&s->tcp)) {
        s->state = DEAD;
        tls_stream_close(s, NULL, NULL);
        return ERR_UNAVAILABLE;
    }
    s->tcp.data = s;
    name_remote(s);
    *ret = s;
    return 0;
}

void tls_stream_begin(struct tls_stream *s, const struct tls_stream_ops *ops, void *ctx)
{
    s->ops = ops;
    s->ctx = ctx;
    connected(s);
}

const char *tls_stream_host(const struct tls_stream *s)
{
    return s->host;
}

unsigned tls_stream_port(const struct tls_stream *s)
{
    return s->port;
}

bool tls_stream_name(const struct tls_stream *s, char *out, size_t cap)
{
    X509 *x = s->ssl ? SSL_get1_peer_certificate(s->ssl) : NULL;
    int n = -1;
    if (x && SSL_get_verify_result(s->ssl) == X509_V_OK)
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, (int)cap);
    X509_free(x);
    return n > 0 && (size_t)n == strlen(out);
}

void tls_stream_on_drained(struct tls_stream *s, void (*fn)(void *ctx))
{
    s->drained = fn;
}

void tls_stream_close(struct tls_stream *s, void (*closed)(void *arg), void *arg)
{
    if (s->ssl && s->state == UP) {
        SSL_shutdown(s->ssl);
        flush_tls(s);
        ERR_clear_error();
    }
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    if (s->resolving) uv_cancel((uv_req_t *)&s->resolve);
    close_tcp(s, on_tcp_closed);
    if (s->timer_open && !uv_is_closing((uv_handle_t *)&s->timer)) uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
