/* ua_security_int.h - what the files of security share: the objects of libcrypto, symmetric primitives. */
#pragma once
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "proto/opcua/ua_security.h"

struct ua_key {
    EVP_PKEY *pkey;
};
struct ua_cert {
    struct ua_cert_info info;
    X509 *chain[UA_CHAIN_MAX];
    char *bytes; /* info.chain */
};
EVP_PKEY *ua_cert_public(const struct ua_cert *c); /* borrowed */
void ua_hmac_sha256(const uint8_t *key, size_t key_n, struct str data, uint8_t out[32]);
bool ua_aes_cbc(bool encrypt, const uint8_t *key, size_t key_n, const uint8_t iv[16], uint8_t *p,
                size_t n); /* in place */
