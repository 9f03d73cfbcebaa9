/* ua_security.h - security policies (OPC 10000-7), keys, certificates, and the signatures and secrets of sessions.
 *
 * Cryptography is libcrypto's; this decides which algorithm, which length, which padding. Nonces come from the
 * random source that is handed in; the paddings of RSA (OAEP, PSS) and new keys draw from libcrypto's own
 * generator. Nothing here reads a file or a clock: certificates are bytes, `now_us` is an argument.
 * Objects are immutable once made; any thread. Status codes are those of ua_status.h, 0 is good. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum ua_mode { UA_MODE_INVALID = 0, UA_MODE_NONE = 1, UA_MODE_SIGN = 2, UA_MODE_SIGN_ENCRYPT = 3 };
enum ua_policy_id {
    UA_POLICY_NONE,
    UA_POLICY_BASIC256SHA256,
    UA_POLICY_AES128_SHA256_RSAOAEP,
    UA_POLICY_AES256_SHA256_RSAPSS,
    UA_POLICY_COUNT
};
struct ua_policy {
    enum ua_policy_id id;
    const char *name;                     /* "Basic256Sha256" */
    const char *uri;                      /* "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256" */
    const char *signature;                /* URI of the asymmetric signature, "" for None */
    const char *encryption;               /* URI of the asymmetric encryption, "" for None */
    bool pss, oaep_sha256;                /* RSA-PSS instead of PKCS#1 v1.5; SHA-256 instead of SHA-1 in OAEP */
    uint16_t key_bits_min, key_bits_max;  /* of RSA keys: 2048, 4096 */
    uint8_t sign_key, encrypt_key, block; /* bytes of the symmetric keys and the cipher's block */
    uint8_t nonce;                        /* bytes of the channel's nonces */
};
const struct ua_policy *ua_policy_at(enum ua_policy_id id);
const struct ua_policy *ua_policy_find(struct str uri_or_name); /* NULL: unknown */
const char *ua_mode_name(enum ua_mode mode);                    /* "SignAndEncrypt" */

struct ua_random {
    int (*fill)(void *ctx, void *p, size_t n); /* 0, or negative: then nothing is sent */
    void *ctx;
};

/* ---- keys and certificates (ua_cert.c) ---------------------------------------------------------------- */

struct ua_key;  /* an RSA private key */
struct ua_cert; /* an application's certificate, with the chain that was sent along */
MUST_CHECK int ua_key_parse(struct str pem_or_der, struct str password, struct ua_key **ret, struct error *e);
MUST_CHECK int ua_key_new(unsigned bits, struct ua_key **ret, struct error *e); /* takes about 0.1 s for 2048 bits */
MUST_CHECK int ua_key_pem(const struct ua_key *k, struct buf *out);             /* PKCS#8, not encrypted */
void ua_key_free(struct ua_key *k);

struct ua_cert_info {
    struct str der;                 /* of the leaf alone */
    struct str chain;               /* as given: leaf, then issuers, one after the other */
    size_t chain_n;                 /* certificates in it */
    uint8_t thumbprint[20];         /* SHA-1 of der */
    char subject[256], issuer[256]; /* "CN=...,O=..." */
    char serial[64];                /* hexadecimal */
    char uri[256];                  /* the application URI of the subject's alternative name; "" */
    char hosts[512];                /* DNS names and addresses, separated by blanks */
    int64_t from_us, until_us;      /* validity */
    unsigned key_bits;
    bool self_signed, ca;
};
#define UA_CHAIN_MAX 8
/* DER (one or several after one another) or PEM. At most UA_CHAIN_MAX certificates, 64 KiB. */
MUST_CHECK int ua_cert_parse(struct str bytes, struct ua_cert **ret, struct error *e);
void ua_cert_free(struct ua_cert *c);
const struct ua_cert_info *ua_cert_info(const struct ua_cert *c);
bool ua_cert_has_key(const struct ua_cert *c, const struct ua_key *k); /* they belong together */

/* What is looked at, in the order of OPC 10000-4, 6.1.3, Table 100; the first fault is the status. */
struct ua_cert_check {
    int64_t now_us;
    struct str uri;                 /* application URI that must stand in it; NULL: any */
    struct str host;                /* host name that should; NULL: any */
    const struct ua_policy *policy; /* length of the key; NULL: at least 2048 bits */
    struct ua_cert *const *trusted; /* leaves or authorities that are trusted */
    size_t trusted_n;
    struct ua_cert *const *issuers; /* known authorities, for chains that were not sent; not trusted by themselves */
    size_t issuers_n;
    const struct str *crls; /* DER */
    size_t crls_n;
    bool need_crl; /* an authority without a list is BadCertificateRevocationUnknown */
};
/* 0 or BadCertificate...; *ret_also (may be NULL) collects as bits what else was found: */
enum ua_cert_fault {
    UA_CERT_CHAIN = 1,     /* an issuer is not known */
    UA_CERT_SIGNATURE = 2, /* does not fit the issuer's key */
    UA_CERT_KEY = 4,       /* too short, too long, or a weak signature */
    UA_CERT_UNTRUSTED = 8,
    UA_CERT_EXPIRED = 16, /* or not valid yet */
    UA_CERT_ISSUER_EXPIRED = 32,
    UA_CERT_HOST = 64,
    UA_CERT_URI = 128,
    UA_CERT_USE = 256,        /* may not sign, or neither client nor server */
    UA_CERT_ISSUER_USE = 512, /* no authority, or too many below it */
    UA_CERT_NO_CRL = 1024,
    UA_CERT_REVOKED = 2048,
    UA_CERT_ISSUER_REVOKED = 4096,
};
MUST_CHECK uint32_t ua_cert_verify(const struct ua_cert *c, const struct ua_cert_check *k, uint32_t *ret_faults);

/* An application instance certificate for `key`, with the fields of OPC 10000-6, 6.2.2; self-signed, or signed by
 * `ca` (whose key is ca_key). DER to `out`. */
struct ua_cert_make {
    struct str name, organization; /* CN, O (may be NULL) */
    struct str uri;
    const struct str *hosts; /* DNS names or IP addresses */
    size_t hosts_n;
    int64_t from_us, until_us;
    uint64_t serial; /* != 0 */
    bool authority;  /* a CA's certificate instead */
};
MUST_CHECK int ua_cert_new(const struct ua_cert_make *m, const struct ua_key *key, const struct ua_cert *ca,
                           const struct ua_key *ca_key, struct buf *out, struct error *e);

/* ---- primitives (ua_crypto.c) -------------------------------------------------------------------------- */

void ua_p_sha256(struct str secret, struct str seed, uint8_t *out, size_t n); /* RFC 5246, 5 with SHA-256 */
bool ua_same(const void *a, const void *b, size_t n);                         /* in constant time */
void ua_wipe(void *p, size_t n);
size_t ua_asym_signature_size(const struct ua_cert *c); /* = size of the key in bytes */
size_t ua_asym_key_size(const struct ua_key *k);
/* Sign what is in `data` with our key / verify with the peer's certificate. */
MUST_CHECK int ua_asym_sign(const struct ua_policy *p, const struct ua_key *k, struct str data, struct buf *out);
MUST_CHECK bool ua_asym_verify(const struct ua_policy *p, const struct ua_cert *c, struct str data,
                               struct str signature);
/* RSA in blocks: plain text of any length. ERR_INVALID: cannot be decrypted (no reason is told). */
size_t ua_asym_plain_block(const struct ua_policy *p, const struct ua_cert *c);
MUST_CHECK int ua_asym_encrypt(const struct ua_policy *p, const struct ua_cert *c, struct str plain, struct buf *out);
MUST_CHECK int ua_asym_decrypt(const struct ua_policy *p, const struct ua_key *k, struct str cipher, struct buf *out);

/* ---- sessions and users (ua_session.c) ------------------------------------------------------------------ */

struct ua_signature_data;
/* CreateSession, ActivateSession: signature over the peer's certificate (DER; of a chain its first) and nonce
 * (OPC 10000-4, 5.6.2, 5.6.3). Empty for policy None. */
MUST_CHECK int ua_session_sign(const struct ua_policy *p, const struct ua_key *ours, struct str peer_chain,
                               struct str peer_nonce, struct arena *a, struct ua_signature_data *ret);
/* 0 or BadApplicationSignatureInvalid. Over the leaf or over the whole chain that we sent: peers do both. */
MUST_CHECK uint32_t ua_session_verify(const struct ua_policy *p, const struct ua_cert *peer, struct str our_chain,
                                      struct str our_nonce, const struct ua_signature_data *s);
/* A password or token, encrypted with the server's certificate and bound to its nonce (OPC 10000-4, 7.40.2.2):
 * for ua_user_name_identity_token.password and .encryption_algorithm. Policy None: as it is. */
MUST_CHECK int ua_secret_encrypt(const struct ua_policy *p, const struct ua_cert *server, struct str nonce,
                                 struct str secret, struct arena *a, struct str *ret_bytes, struct str *ret_algorithm);
/* Server side. 0 or BadIdentityTokenInvalid. The plain text lies in `a`; wipe it after use. */
MUST_CHECK uint32_t ua_secret_decrypt(const struct ua_policy *p, const struct ua_key *ours, struct str nonce,
                                      struct str bytes, struct str algorithm, struct arena *a, struct str *ret);
