/* tls_pem.c - certificates and keys as PEM texts into an OpenSSL context; a text pasted into one line is read, too. */
#include <openssl/err.h>
#include <string.h>
#include "io/tls_int.h"

static int bad_pem(const char *where, const char *en, const char *zh, struct error *e)
{
    char why[160] = "";
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    ERR_clear_error();
    return error_set(e, ERR_INVALID, where, "%s%.0s cannot be read as PEM: %s", "%.0s%s不是有效的 PEM：%s", en, zh,
                     why);
}

/* A PEM text that lost its line ends, as when it is pasted into one line, gets them back. The rest of a text with line
 * ends stays as it is. */
static void add_block(BIO *out, const char *p, const char *body, const char *end, const char *after)
{
    size_t column = 0;
    BIO_write(out, p, (int)(body - p));
    for (const char *c = body; c < end; c++) {
        if (*c == ' ' || *c == '\t' || *c == '\r') continue;
        if (column++ % 64 == 0) BIO_write(out, "\n", 1);
        BIO_write(out, c, 1);
    }
    BIO_write(out, "\n", 1);
    BIO_write(out, end, (int)(after - end));
    BIO_write(out, "\n", 1);
}

static BIO *pem_bio(const char *pem)
{
    if (strchr(pem, '\n')) return BIO_new_mem_buf(pem, -1);
    BIO *out = BIO_new(BIO_s_mem());
    for (const char *p = pem; out && (p = strstr(p, "-----BEGIN ")) != NULL;) {
        const char *body = strstr(p + 11, "-----"), *end = strstr(p, "-----END ");
        const char *after = end ? strstr(end + 9, "-----") : NULL;
        if (!body || !after || body + 5 > end) break;
        add_block(out, p, body + 5, end, after + 5);
        p = after + 5;
    }
    return out;
}

int tls_pem_authorities(SSL_CTX *ctx, const char *pem, bool announce, struct error *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *b = pem_bio(pem);
    X509 *x;
    unsigned n = 0;
    if (b == NULL) return error_set(e, ERR_NOMEM, "ca", "out of memory", "内存不足");
    while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        n += X509_STORE_add_cert(store, x) == 1;
        if (announce) (void)SSL_CTX_add_client_CA(ctx, x);
        X509_free(x);
    }
    BIO_free(b);
    if (n == 0) return bad_pem("ca", "the certificate of the authority", "CA 证书", e);
    ERR_clear_error();
    return 0;
}

static int load_chain(SSL_CTX *ctx, const char *pem, struct error *e)
{
    BIO *b = pem_bio(pem);
    X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    int ok = x && SSL_CTX_use_certificate(ctx, x) == 1;
    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(ctx, x) != 1) X509_free(x);
    BIO_free(b);
    if (!ok) return bad_pem("certificate", "the certificate", "证书", e);
    ERR_clear_error();
    return 0;
}

static int load_key(SSL_CTX *ctx, const char *pem, struct error *e)
{
    static char no_password[] = "";
    BIO *b = pem_bio(pem);
    EVP_PKEY *k = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, no_password) : NULL;
    int ok = k && SSL_CTX_use_PrivateKey(ctx, k) == 1;
    EVP_PKEY_free(k);
    BIO_free(b);
    if (!ok) return bad_pem("key", "the private key", "私钥", e);
    if (SSL_CTX_check_private_key(ctx) != 1) {
        ERR_clear_error();
        return error_set(e, ERR_INVALID, "key", "the key does not belong to the certificate", "私钥与证书不匹配");
    }
    return 0;
}

int tls_pem_own(SSL_CTX *ctx, const char *cert, const char *key, struct error *e)
{
    int rc = load_chain(ctx, cert, e);
    return rc ? rc : load_key(ctx, key, e);
}
