/* secret_cipher.c - AES-256-GCM (NIST SP 800-38D) by OpenSSL: a random nonce of 96 bits before, the tag
 * behind. Pure but for the nonce; any thread. */
#include <openssl/evp.h>
#include "core/secret/secret_int.h"

static int seal(EVP_CIPHER_CTX *c, const uint8_t *key, struct str about, const void *plain, size_t n, uint8_t *out)
{
    int got = 0;
    uint8_t *text = out + NONCE_BYTES;
    bool ok = EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, out) &&
              EVP_EncryptUpdate(c, NULL, &got, (const uint8_t *)about.p, (int)about.n) &&
              EVP_EncryptUpdate(c, text, &got, plain, (int)n) && EVP_EncryptFinal_ex(c, text + n, &got) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, text + n);
    return ok ? 0 : ERR_INTERNAL;
}

int cipher_seal(const uint8_t key[KEY_BYTES], const struct rng *rng, struct str about, const void *plain, size_t n,
                uint8_t *out)
{
    if (n > INT32_MAX || about.n > INT32_MAX) return ERR_TOO_LARGE;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c) return ERR_NOMEM;
    rng->bytes(rng->ctx, out, NONCE_BYTES);
    int rc = seal(c, key, about, n ? plain : "", n, out);
    EVP_CIPHER_CTX_free(c);
    return rc;
}

static int open_(EVP_CIPHER_CTX *c, const uint8_t *key, struct str about, const uint8_t *in, size_t n, void *out)
{
    int got = 0;
    uint8_t tag[TAG_BYTES], none[TAG_BYTES];
    memcpy(tag, in + n - TAG_BYTES, TAG_BYTES);
    bool ok = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, in) &&
              EVP_DecryptUpdate(c, NULL, &got, (const uint8_t *)about.p, (int)about.n) &&
              EVP_DecryptUpdate(c, out, &got, in + NONCE_BYTES, (int)(n - SEAL_EXTRA)) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag);
    return ok && EVP_DecryptFinal_ex(c, none, &got) > 0 ? 0 : ERR_CORRUPT;
}

int cipher_open(const uint8_t key[KEY_BYTES], struct str about, const uint8_t *in, size_t n, void *out)
{
    if (n < SEAL_EXTRA) return ERR_CORRUPT;
    if (n > INT32_MAX || about.n > INT32_MAX) return ERR_TOO_LARGE;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c) return ERR_NOMEM;
    int rc = open_(c, key, about, in, n, out);
    if (rc) OPENSSL_cleanse(out, n - SEAL_EXTRA);
    EVP_CIPHER_CTX_free(c);
    return rc;
}
