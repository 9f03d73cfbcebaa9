/* http_tls.c - TLS for server connections: OpenSSL over memory BIOs, libuv moves the bytes.
 *
 * TLS 1.2 and 1.3 only, forward secrecy and AEAD ciphers only, no renegotiation, no compression, ALPN
 * http/1.1. At most TLS_AHEAD plain bytes are encrypted ahead of the socket, so that a large answer does
 * not exist twice; idle connections give their record buffers back (SSL_MODE_RELEASE_BUFFERS). */
#include <openssl/err.h>
#include "io/http_int.h"

#define TLS_AHEAD 65536
#define TLS_CIPHERS \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
                       unsigned inlen, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found;
    if (SSL_select_next_proto(&found, outlen, ours, sizeof ours - 1, in, inlen) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static int tls_fault(const char *file, struct error *e)
{
    char why[160] = "";
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    ERR_clear_error();
    return error_set(e, ERR_INVALID, file, "'%s' cannot be used as certificate chain or key in PEM: %s",
                     "“%s”不能用作 PEM 证书链或私钥：%s", file, why);
}

static int load_keys(SSL_CTX *ctx, const struct http_config *cfg, struct error *e)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cfg->cert_pem) != 1) return tls_fault(cfg->cert_pem, e);
    if (SSL_CTX_use_PrivateKey_file(ctx, cfg->key_pem, SSL_FILETYPE_PEM) != 1) return tls_fault(cfg->key_pem, e);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return error_set(e, ERR_INVALID, cfg->key_pem, "the key does not belong to the certificate",
                         "私钥与证书不匹配");
    return 0;
}

int tls_context(const struct http_config *cfg, SSL_CTX **ret, struct error *e)
{
    if (!cfg->cert_pem || !cfg->key_pem)
        return error_set(e, ERR_INVALID, "tls", "a certificate needs its key and a key its certificate",
                         "证书与私钥必须同时给出");
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return error_set(e, ERR_NOMEM, "tls", "no memory for TLS", "TLS 内存不足");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bornite", 7);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    int err = load_keys(ctx, cfg, e);
    if (err)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    return err;
}

int tls_attach(struct http_conn *c)
{
    SSL *ssl = SSL_new(c->hl->srv->tls);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!ssl || !in || !out) {
        SSL_free(ssl);
        BIO_free(in);
        BIO_free(out);
        return ERR_NOMEM;
    }
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    c->ssl = ssl;
    c->rbio = in;
    c->wbio = out;
    return 0;
}

void tls_detach(struct http_conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
}

static void fail(struct http_conn *c)
{
    ERR_clear_error();
    http_count(COUNT_TLS_FAILED, 1);
    tls_flush(c); /* the alert */
    conn_close(c);
}

void tls_pump(struct http_conn *c)
{
    while (conn_wants_input(c)) {
        int n = SSL_read(c->ssl, c->hl->tlsbuf, HTTP_READ_SIZE);
        if (n > 0) {
            conn_input(c, c->hl->tlsbuf, (size_t)n);
            continue;
        }
        int why = SSL_get_error(c->ssl, n);
        if (why == SSL_ERROR_ZERO_RETURN)
            conn_eof(c);
        else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            fail(c);
        break;
    }
    if (!c->closing) tls_flush(c);
}

void tls_input(struct http_conn *c, const char *p, size_t n)
{
    if (BIO_write(c->rbio, p, (int)n) != (int)n) {
        conn_close(c);
        return;
    }
    tls_pump(c);
}

/* Plain bytes from the queue into the write BIO; false: the session is broken. */
static bool encrypt(struct http_conn *c)
{
    size_t done = 0;
    while (c->out && done < TLS_AHEAD) {
        size_t k = c->out->n < TLS_AHEAD - done ? c->out->n : TLS_AHEAD - done;
        int n = SSL_write(c->ssl, c->out->p, (int)k);
        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);
            ERR_clear_error();
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return false;
            break;
        }
        conn_drop_out(c, (size_t)n);
        done += (size_t)n;
    }
    c->inflight_plain += done;
    return true;
}

static bool take_cipher(struct http_conn *c)
{
    size_t n = BIO_ctrl_pending(c->wbio);
    if (n == 0) return true;
    uint8_t *to = buf_space(&c->cipher, n);
    if (!to || BIO_read(c->wbio, to, (int)n) != (int)n) return false;
    c->cipher.n += n;
    return true;
}

void tls_flush(struct http_conn *c)
{
    while (!c->inflight && !c->closing) {
        if (!encrypt(c) || !take_cipher(c)) {
            conn_close(c);
            return;
        }
        if (c->cipher.n == 0) break;
        uv_buf_t b = uv_buf_init((char *)c->cipher.p, (unsigned)c->cipher.n);
        int r = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        if (r > 0) {
            c->sent += (size_t)r;
            b = uv_buf_init(b.base + r, (unsigned)(b.len - (size_t)r));
        }
        if (r < 0 && r != UV_EAGAIN) {
            conn_close(c);
            return;
        }
        if (b.len == 0) {
            c->queued -= c->inflight_plain;
            c->inflight_plain = 0;
            buf_clear(&c->cipher);
            continue;
        }
        c->inflight = b.len;
        c->wreq.data = c;
        if (uv_write(&c->wreq, (uv_stream_t *)&c->tcp, &b, 1, conn_on_written) != 0) {
            c->inflight = 0;
            conn_close(c);
        }
    }
    if (!c->queued && !c->inflight && c->cipher.cap > TLS_AHEAD / 2) {
        size_t max = c->cipher.max;
        buf_fini(&c->cipher);
        buf_init(&c->cipher, max);
    }
}

void tls_goodbye(struct http_conn *c)
{
    if (!c->ssl || !SSL_is_init_finished(c->ssl)) return;
    SSL_shutdown(c->ssl);
    ERR_clear_error();
    tls_flush(c);
}
