/* mqtt_tls.c - TLS of the listeners: OpenSSL over memory BIOs; the loop moves the bytes. TLS 1.2 and 1.3, AEAD ciphers
 * with forward secrecy. Certificates and keys are PEM texts out of the listener's resource. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include "base/mem.h"
#include "modules/mqtt/mqtt.h"

#define CIPHERS \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

struct tls_link {
    SSL *ssl;
    BIO *in, *out;
};

static int fault(struct error *e, const char *where, const char *en, const char *zh)
{
    char why[160] = "";
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    ERR_clear_error();
    (void)error_set(e, ERR_INVALID, where, "%s: %s", "%s：%s", en, why);
    if (e) snprintf(e->text_zh, sizeof e->text_zh, "%.120s：%.160s", zh, why);
    return ERR_INVALID;
}

static int no_password(char *out, int n, int rw, void *ctx)
{
    return -1; /* an encrypted key is refused, not asked for */
}

static int use_chain(SSL_CTX *ctx, struct str pem, struct error *e)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *first = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL, *more;
    bool ok = first && SSL_CTX_use_certificate(ctx, first) == 1;
    while (ok && (more = PEM_read_bio_X509(b, NULL, no_password, NULL)))
        if (SSL_CTX_add0_chain_cert(ctx, more) != 1) X509_free(more);
    X509_free(first);
    BIO_free(b);
    if (!ok) return fault(e, "certificate", "is no certificate in PEM", "不是 PEM 证书");
    ERR_clear_error();
    return 0;
}

static int use_key(SSL_CTX *ctx, struct str pem, struct error *e)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
    bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    BIO_free(b);
    return ok ? 0
              : fault(e, "key", "is no key in PEM, or not that of the certificate", "不是 PEM 私钥，或与证书不匹配");
}

static int use_ca(SSL_CTX *ctx, struct str pem, struct error *e)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *x;
    size_t n = 0;
    while (b && (x = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
        n += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) == 1;
        (void)SSL_CTX_add_client_CA(ctx, x);
        X509_free(x);
    }
    BIO_free(b);
    if (!n) return fault(e, "client_ca", "holds no certificate in PEM", "不含 PEM 证书");
    ERR_clear_error();
    return 0;
}

int mqtt_tls_context(struct str cert, struct str key, struct str ca, enum tls_client client, SSL_CTX **ret,
                     struct error *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return error_set(e, ERR_NOMEM, "tls", "no memory for TLS", "TLS 内存不足");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, CIPHERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bornite-mqtt", 12);
    int rc = use_chain(ctx, cert, e);
    if (!rc) rc = use_key(ctx, key, e);
    if (!rc && client != TLS_CLIENT_NONE) rc = use_ca(ctx, ca, e);
    if (rc) {
        SSL_CTX_free(ctx);
        return rc;
    }
    int verify = client == TLS_CLIENT_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (client == TLS_CLIENT_REQUIRED) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, verify, NULL);
    *ret = ctx;
    return 0;
}

void mqtt_tls_context_free(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
}

struct tls_link *mqtt_tls_new(SSL_CTX *ctx)
{
    struct tls_link *t = mem_calloc(1, sizeof *t);
    if (!t) return NULL;
    t->ssl = SSL_new(ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        SSL_free(t->ssl);
        BIO_free(t->in);
        BIO_free(t->out);
        mem_free(t);
        return NULL;
    }
    BIO_set_mem_eof_return(t->in, -1);
    BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void mqtt_tls_free(struct tls_link *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    mem_free(t);
}

int mqtt_tls_input(struct tls_link *t, const void *p, size_t n, void (*fn)(void *ctx, const uint8_t *p, size_t n),
                   void *ctx)
{
    uint8_t plain[16384];
    if (BIO_write(t->in, p, (int)n) != (int)n) return ERR_NOMEM;
    for (;;) {
        int k = SSL_read(t->ssl, plain, sizeof plain);
        if (k > 0) {
            fn(ctx, plain, (size_t)k);
            continue;
        }
        int why = SSL_get_error(t->ssl, k);
        ERR_clear_error();
        if (why == SSL_ERROR_ZERO_RETURN) return 1;
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : ERR_PROTOCOL;
    }
}

static int take_wire(struct tls_link *t, struct buf *wire)
{
    size_t n = BIO_ctrl_pending(t->out);
    uint8_t *to = n ? buf_space(wire, n) : NULL;
    if (!n) return 0;
    if (!to || BIO_read(t->out, to, (int)n) != (int)n) return ERR_NOMEM;
    wire->n += n;
    return 0;
}

int mqtt_tls_output(struct tls_link *t, struct buf *plain, struct buf *wire)
{
    size_t done = 0;
    while (done < plain->n && SSL_is_init_finished(t->ssl)) {
        int k = SSL_write(t->ssl, plain->p + done, (int)(plain->n - done));
        if (k <= 0) {
            int why = SSL_get_error(t->ssl, k);
            ERR_clear_error();
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return ERR_PROTOCOL;
            break;
        }
        done += (size_t)k;
    }
    buf_drop(plain, done);
    return take_wire(t, wire);
}

void mqtt_tls_goodbye(struct tls_link *t, struct buf *wire)
{
    if (!SSL_is_init_finished(t->ssl)) return;
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    (void)take_wire(t, wire);
}

bool mqtt_tls_ready(const struct tls_link *t)
{
    return SSL_is_init_finished(t->ssl);
}

bool mqtt_tls_name(struct tls_link *t, char *out, size_t cap)
{
    X509 *x = SSL_get1_peer_certificate(t->ssl);
    int n = -1;
    if (x && SSL_get_verify_result(t->ssl) == X509_V_OK)
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, (int)cap);
    X509_free(x);
    return n > 0 && (size_t)n == strlen(out);
}
