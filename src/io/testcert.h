/* testcert.h - certificates for tests, made on the spot. Static functions; for tests only. */
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "base/test.h"

struct testcert {
    char cert[2048], key[1024]; /* PEM */
};

static inline void testcert_pem(BIO *b, char *out, size_t cap)
{
    int n = BIO_read(b, out, (int)cap - 1);
    CHECK(n > 0 && (size_t)n < cap - 1);
    out[n > 0 ? n : 0] = 0;
    BIO_free(b);
}

/* Signed by itself; `alt_names`: "IP:127.0.0.1,DNS:localhost". */
static inline void testcert_make(struct testcert *t, const char *common_name, const char *alt_names)
{
    static long serial;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt_names);
    X509_add_ext(x, alt, -1);
    X509_sign(x, key, EVP_sha256());
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, x);
    testcert_pem(b, t->cert, sizeof t->cert);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    testcert_pem(b, t->key, sizeof t->key);
    X509_EXTENSION_free(alt);
    X509_free(x);
    EVP_PKEY_free(key);
}
