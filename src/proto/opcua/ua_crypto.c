/* Policies, and the asymmetric and key derivation primitives over libcrypto (OPC 10000-7, 6.6; OPC 10000-6, 6.7.4
 * and 6.7.5). Errors of libcrypto are swallowed on purpose: what a peer's cipher text did wrong is told to nobody
 * (padding oracles); the caller says BadSecurityChecksFailed. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include "proto/opcua/ua_security_int.h"

#define POLICY_URI "http://opcfoundation.org/UA/SecurityPolicy#"
static const struct ua_policy policies[UA_POLICY_COUNT] = {
    {.id = UA_POLICY_NONE, .name = "None", .uri = POLICY_URI "None", .signature = "", .encryption = ""},
    {
        .id = UA_POLICY_BASIC256SHA256,
        .name = "Basic256Sha256",
        .uri = POLICY_URI "Basic256Sha256",
        .signature = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        .encryption = "http://www.w3.org/2001/04/xmlenc#rsa-oaep",
        .key_bits_min = 2048,
        .key_bits_max = 4096,
        .sign_key = 32,
        .encrypt_key = 32,
        .block = 16,
        .nonce = 32,
    },
    {
        .id = UA_POLICY_AES128_SHA256_RSAOAEP,
        .name = "Aes128_Sha256_RsaOaep",
        .uri = POLICY_URI "Aes128_Sha256_RsaOaep",
        .signature = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        .encryption = "http://www.w3.org/2001/04/xmlenc#rsa-oaep",
        .key_bits_min = 2048,
        .key_bits_max = 4096,
        .sign_key = 32,
        .encrypt_key = 16,
        .block = 16,
        .nonce = 32,
    },
    {
        .id = UA_POLICY_AES256_SHA256_RSAPSS,
        .name = "Aes256_Sha256_RsaPss",
        .uri = POLICY_URI "Aes256_Sha256_RsaPss",
        .signature = "http://opcfoundation.org/UA/security/rsa-pss-sha2-256",
        .encryption = "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256",
        .pss = true,
        .oaep_sha256 = true,
        .key_bits_min = 2048,
        .key_bits_max = 4096,
        .sign_key = 32,
        .encrypt_key = 32,
        .block = 16,
        .nonce = 32,
    },
};

const struct ua_policy *ua_policy_at(enum ua_policy_id id)
{
    return id < UA_POLICY_COUNT ? &policies[id] : NULL;
}
const struct ua_policy *ua_policy_find(struct str s)
{
    for (size_t i = 0; i < UA_POLICY_COUNT; i++)
        if (str_is(s, policies[i].uri) || str_is(s, policies[i].name)) return &policies[i];
    return NULL;
}
const char *ua_mode_name(enum ua_mode mode)
{
    static const char *const names[] = {"Invalid", "None", "Sign", "SignAndEncrypt"};
    return (unsigned)mode < 4 ? names[mode] : names[0];
}

bool ua_same(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
void ua_wipe(void *p, size_t n)
{
    if (p != NULL) OPENSSL_cleanse(p, n);
}

/* ---- symmetric -------------------------------------------------------------------------------------------- */

void ua_hmac_sha256(const uint8_t *key, size_t key_n, struct str data, uint8_t out[32])
{
    unsigned n = 32;
    if (HMAC(EVP_sha256(), key, (int)key_n, (const uint8_t *)data.p, data.n, out, &n) == NULL) abort();
}

/* P_hash: A(0) = seed, A(i) = HMAC(secret, A(i-1)); output HMAC(secret, A(1) + seed) + HMAC(secret, A(2) + seed) ... */
void ua_p_sha256(struct str secret, struct str seed, uint8_t *out, size_t n)
{
    const uint8_t *key = (const uint8_t *)(secret.p ? secret.p : "");
    uint8_t block[32 + 256], digest[32];
    if (seed.n > 256) abort(); /* seeds are nonces, checked by the channel */
    ua_hmac_sha256(key, secret.n, seed, block);
    if (seed.n) memcpy(block + 32, seed.p, seed.n);
    for (size_t done = 0; done < n; done += 32) {
        ua_hmac_sha256(key, secret.n, str_make((const char *)block, 32 + seed.n), digest);
        memcpy(out + done, digest, n - done < 32 ? n - done : 32);
        ua_hmac_sha256(key, secret.n, str_make((const char *)block, 32), digest);
        memcpy(block, digest, 32);
    }
    ua_wipe(block, sizeof block);
    ua_wipe(digest, sizeof digest);
}

bool ua_aes_cbc(bool encrypt, const uint8_t *key, size_t key_n, const uint8_t iv[16], uint8_t *p, size_t n)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int done = 0;
    bool ok = c != NULL && n <= INT32_MAX && n % 16 == 0 &&
              EVP_CipherInit_ex(c, key_n == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
              EVP_CIPHER_CTX_set_padding(c, 0) == 1 && EVP_CipherUpdate(c, p, &done, p, (int)n) == 1 &&
              (size_t)done == n;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

/* ---- asymmetric ------------------------------------------------------------------------------------------- */

size_t ua_asym_signature_size(const struct ua_cert *c)
{
    return (size_t)EVP_PKEY_get_size(ua_cert_public(c));
}
size_t ua_asym_key_size(const struct ua_key *k)
{
    return (size_t)EVP_PKEY_get_size(k->pkey);
}

static bool set_signing(const struct ua_policy *p, EVP_PKEY_CTX *c)
{
    if (!p->pss) return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0;
    return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) > 0;
}
int ua_asym_sign(const struct ua_policy *p, const struct ua_key *k, struct str data, struct buf *out)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    EVP_PKEY_CTX *c = NULL;
    size_t n = ua_asym_key_size(k);
    uint8_t *sig = buf_space(out, n);
    bool ok = m != NULL && sig != NULL && EVP_DigestSignInit(m, &c, EVP_sha256(), NULL, k->pkey) == 1 &&
              set_signing(p, c) && EVP_DigestSign(m, sig, &n, (const uint8_t *)data.p, data.n) == 1;
    if (ok) out->n += n;
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok ? 0 : out->err ? out->err : ERR_INTERNAL;
}
bool ua_asym_verify(const struct ua_policy *p, const struct ua_cert *cert, struct str data, struct str signature)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    EVP_PKEY_CTX *c = NULL;
    bool ok = m != NULL && signature.p != NULL &&
              EVP_DigestVerifyInit(m, &c, EVP_sha256(), NULL, ua_cert_public(cert)) == 1 && set_signing(p, c) &&
              EVP_DigestVerify(m, (const uint8_t *)signature.p, signature.n, (const uint8_t *)data.p, data.n) == 1;
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok;
}

static bool set_oaep(const struct ua_policy *p, EVP_PKEY_CTX *c)
{
    const EVP_MD *md = p->oaep_sha256 ? EVP_sha256() : EVP_sha1();
    return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) > 0 && EVP_PKEY_CTX_set_rsa_oaep_md(c, md) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(c, md) > 0;
}
size_t ua_asym_plain_block(const struct ua_policy *p, const struct ua_cert *c)
{
    size_t overhead = p->oaep_sha256 ? 66 : 42; /* 2 * hash + 2 (RFC 8017, 7.1.1) */
    size_t n = ua_asym_signature_size(c);
    return n > overhead ? n - overhead : 0;
}
int ua_asym_encrypt(const struct ua_policy *p, const struct ua_cert *cert, struct str plain, struct buf *out)
{
    size_t step = ua_asym_plain_block(p, cert), block = ua_asym_signature_size(cert);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ua_cert_public(cert), NULL);
    bool ok = step > 0 && c != NULL && EVP_PKEY_encrypt_init(c) == 1 && set_oaep(p, c);
    for (size_t at = 0; ok && at < plain.n; at += step) {
        size_t n = block, part = plain.n - at < step ? plain.n - at : step;
        uint8_t *to = buf_space(out, block);
        ok = to != NULL && EVP_PKEY_encrypt(c, to, &n, (const uint8_t *)plain.p + at, part) == 1 && n == block;
        if (ok) out->n += n;
    }
    EVP_PKEY_CTX_free(c);
    ERR_clear_error();
    return ok ? 0 : out->err ? out->err : ERR_INTERNAL;
}
int ua_asym_decrypt(const struct ua_policy *p, const struct ua_key *k, struct str cipher, struct buf *out)
{
    size_t block = ua_asym_key_size(k);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->pkey, NULL);
    bool ok = c != NULL && cipher.n > 0 && cipher.n % block == 0 && EVP_PKEY_decrypt_init(c) == 1 && set_oaep(p, c);
    for (size_t at = 0; ok && at < cipher.n; at += block) {
        size_t n = block;
        uint8_t *to = buf_space(out, block);
        ok = to != NULL && EVP_PKEY_decrypt(c, to, &n, (const uint8_t *)cipher.p + at, block) == 1;
        if (ok) out->n += n;
    }
    EVP_PKEY_CTX_free(c);
    ERR_clear_error();
    return ok ? 0 : ERR_INVALID;
}
