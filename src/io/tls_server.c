/* tls_server.c - see tls_server.h. */
#include "io/tls_server.h"
#include <netinet/in.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/tls_int.h"

#define CIPHERS \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define BACKLOG 128

struct tls_listener {
    uv_tcp_t tcp;
    const struct tls_listener_ops *ops;
    void *ctx;
    struct tls_accept accept;
    struct ip_list allow;
    unsigned port;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- the context ---- */

static int choose(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
                  void *arg)
{
    const char *ours = arg;
    size_t n = strlen(ours);
    for (unsigned at = 0; at < inlen && at + 1 + in[at] <= inlen; at += 1u + in[at]) {
        if (in[at] != n || memcmp(in + at + 1, ours, n) != 0) continue;
        *out = in + at + 1;
        *outlen = (unsigned char)n;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static bool given(const char *z)
{
    return z && z[0];
}

static int configure(SSL_CTX *ctx, const struct tls_server_config *c, struct error *e)
{
    if (!given(c->cert_pem) || !given(c->key_pem))
        return error_set(e, ERR_INVALID, given(c->cert_pem) ? "key" : "certificate",
                         "a TLS server needs a certificate and its key", "TLS 服务端必须有证书及其私钥");
    int rc = tls_pem_own(ctx, c->cert_pem, c->key_pem, e);
    if (rc == 0 && given(c->client_ca_pem)) rc = tls_pem_authorities(ctx, c->client_ca_pem, true, e);
    if (rc) return rc;
    int verify = given(c->client_ca_pem) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (verify && !c->client_optional) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, verify, NULL);
    return 0;
}

int tls_server_new(const struct tls_server_config *c, struct tls_server **ret, struct error *e)
{
    struct tls_server *t = mem_calloc(1, sizeof *t + (c->alpn ? strlen(c->alpn) : 0) + 1);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = t && ctx ? configure(ctx, c, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        SSL_CTX_free(ctx);
        mem_free(t);
        return rc;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, CIPHERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bornite-server", 14);
    t->ctx = ctx;
    t->verify = given(c->client_ca_pem);
    if (given(c->alpn)) {
        char *name = (char *)(t + 1);
        memcpy(name, c->alpn, strlen(c->alpn) + 1);
        SSL_CTX_set_alpn_select_cb(ctx, choose, name);
    }
    *ret = t;
    return 0;
}

void tls_server_free(struct tls_server *t)
{
    if (t == NULL) return;
    SSL_CTX_free(t->ctx);
    mem_free(t);
}

/* ---- the listener ---- */

static void on_connection(uv_stream_t *h, int status)
{
    struct tls_listener *l = h->data;
    struct tls_stream *s;
    void *ctx = NULL;
    if (status || l->closing || tls_stream_accept(h, &l->accept, &s)) return;
    if (l->allow.n && !ip_list_has(&l->allow, tls_stream_host(s))) {
        if (l->ops->refused) l->ops->refused(l->ctx, tls_stream_host(s));
    } else {
        ctx = l->ops->accept(l->ctx, s);
    }
    if (ctx)
        tls_stream_begin(s, &l->ops->stream, ctx);
    else
        tls_stream_close(s, NULL, NULL);
}

static void on_closed(uv_handle_t *h)
{
    struct tls_listener *l = h->data;
    void (*closed)(void *) = l->closed;
    void *arg = l->closed_arg;
    mem_free(l);
    if (closed) closed(arg);
}

static int listen_on(struct tls_listener *l, const struct tls_listener_config *c, struct error *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } a;
    int n = sizeof a;
    if (uv_ip4_addr(c->address, c->port, &a.v4) && uv_ip6_addr(c->address, c->port, &a.v6))
        return error_set(e, ERR_INVALID, "", "'%.60s' is no IP address: write 0.0.0.0 for all, or one of this machine",
                         "“%.60s”不是 IP 地址：全部网卡请写 0.0.0.0，或写本机的一个地址", c->address);
    int rc = uv_tcp_bind(&l->tcp, &a.any, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
    if (rc == 0) rc = uv_tcp_getsockname(&l->tcp, &a.any, &n);
    if (rc)
        return error_set(e, ERR_UNAVAILABLE, "", "cannot listen on %s port %u: %s%.0s", "无法监听 %s 端口 %u：%.0s%s",
                         c->address, c->port, uv_strerror(rc),
                         rc == UV_EADDRINUSE ? "地址已被占用"
                         : rc == UV_EACCES   ? "没有权限"
                                             : uv_strerror(rc));
    l->port = ntohs(a.v4.sin_port); /* the same place in sockaddr_in6 */
    return 0;
}

int tls_listener_open(uv_loop_t *loop, const struct tls_listener_config *c, const struct tls_listener_ops *ops,
                      void *ctx, struct tls_listener **ret, struct error *e)
{
    struct tls_listener *l = mem_calloc(1, sizeof *l);
    if (l == NULL || uv_tcp_init(loop, &l->tcp)) {
        mem_free(l);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    l->tcp.data = l;
    l->ops = ops;
    l->ctx = ctx;
    l->accept = (struct tls_accept){c->tls, c->handshake_ms, c->out_max};
    if (c->allow) l->allow = *c->allow;
    int rc = listen_on(l, c, e);
    if (rc) {
        tls_listener_close(l, NULL, NULL);
        return rc;
    }
    *ret = l;
    return 0;
}

unsigned tls_listener_port(const struct tls_listener *l)
{
    return l->port;
}

void tls_listener_close(struct tls_listener *l, void (*closed)(void *arg), void *arg)
{
    l->closing = true;
    l->closed = closed;
    l->closed_arg = arg;
    uv_close((uv_handle_t *)&l->tcp, on_closed);
}
