/* Signatures of sessions, and the secrets of user tokens (OPC 10000-4, 5.6.2, 5.6.3, 7.40.2).
 *
 *   signature  over the peer's certificate (the first of a chain) followed by the peer's last nonce
 *   secret     encrypted in blocks: uint32 length of what follows, the secret, the server's last nonce */
#include "proto/opcua/ua_security_int.h"
#include "proto/opcua/ua_service.h"
#include "proto/opcua/ua_status.h"

#define SIGNED_MAX (128u << 10)

/* The first certificate of a chain in DER: by its SEQUENCE's length. */
static struct str first_of(struct str chain)
{
    const uint8_t *p = (const uint8_t *)chain.p;
    size_t n = chain.n, head = 2, len;
    if (n < 4 || p[0] != 0x30 || p[1] < 0x80 || p[1] > 0x83) return chain;
    len = 0;
    for (size_t i = 0; i < (size_t)(p[1] & 0x7f) && head < n; i++) len = len << 8 | p[head++];
    return head + len <= n ? str_sub(chain, 0, head + len) : chain;
}
int ua_session_sign(const struct ua_policy *p, const struct ua_key *ours, struct str peer_chain, struct str peer_nonce,
                    struct arena *a, struct ua_signature_data *ret)
{
    struct buf data, sig;
    *ret = (struct ua_signature_data){0};
    if (p->id == UA_POLICY_NONE) return 0;
    buf_init(&data, SIGNED_MAX);
    buf_init(&sig, 1024);
    buf_str(&data, first_of(peer_chain));
    buf_str(&data, peer_nonce);
    int rc = data.err ? data.err : ua_asym_sign(p, ours, buf_view(&data), &sig);
    if (rc == 0) ret->algorithm = str_of(p->signature), ret->signature = arena_str(a, buf_view(&sig));
    if (rc == 0 && ret->signature.p == NULL) rc = ERR_NOMEM;
    buf_fini(&data);
    buf_fini(&sig);
    return rc;
}

static bool verify_over(const struct ua_policy *p, const struct ua_cert *peer, struct str cert, struct str nonce,
                        struct str sig)
{
    struct buf data;
    buf_init(&data, SIGNED_MAX);
    buf_str(&data, cert);
    buf_str(&data, nonce);
    bool ok = data.err == 0 && ua_asym_verify(p, peer, buf_view(&data), sig);
    buf_fini(&data);
    return ok;
}
uint32_t ua_session_verify(const struct ua_policy *p, const struct ua_cert *peer, struct str our_chain,
                           struct str our_nonce, const struct ua_signature_data *s)
{
    if (p->id == UA_POLICY_NONE) return 0;
    if (peer == NULL || s->signature.p == NULL || (s->algorithm.n > 0 && !str_is(s->algorithm, p->signature)))
        return UA_BAD_APPLICATION_SIGNATURE_INVALID;
    struct str leaf = first_of(our_chain);
    if (verify_over(p, peer, our_chain, our_nonce, s->signature)) return 0;
    if (leaf.n < our_chain.n && verify_over(p, peer, leaf, our_nonce, s->signature)) return 0;
    return UA_BAD_APPLICATION_SIGNATURE_INVALID;
}

int ua_secret_encrypt(const struct ua_policy *p, const struct ua_cert *server, struct str nonce, struct str secret,
                      struct arena *a, struct str *ret_bytes, struct str *ret_algorithm)
{
    struct buf plain, cipher;
    if (p->id == UA_POLICY_NONE) {
        *ret_bytes = arena_str(a, secret.p ? secret : STR(""));
        *ret_algorithm = STR_NULL;
        return ret_bytes->p ? 0 : ERR_NOMEM;
    }
    buf_init(&plain, SIGNED_MAX);
    buf_init(&cipher, 2 * SIGNED_MAX);
    buf_space(&plain, 4 + secret.n + nonce.n); /* at once: growing would leave copies behind */
    buf_u32le(&plain, (uint32_t)(secret.n + nonce.n));
    buf_str(&plain, secret);
    buf_str(&plain, nonce);
    int rc = plain.err ? plain.err : ua_asym_encrypt(p, server, buf_view(&plain), &cipher);
    struct str bytes = rc == 0 ? arena_str(a, buf_view(&cipher)) : STR_NULL;
    ua_wipe(plain.p, plain.n);
    buf_fini(&plain);
    buf_fini(&cipher);
    if (rc == 0 && bytes.p == NULL) rc = ERR_NOMEM;
    if (rc == 0) *ret_bytes = bytes, *ret_algorithm = str_of(p->encryption);
    return rc;
}

/* [length][secret][nonce], the nonce at its end compared in constant time. */
static bool open_secret(struct str plain, struct str nonce, struct str *ret)
{
    struct rd r = rd_make(plain.p, plain.n);
    uint32_t n = rd_u32le(&r);
    if (r.err || n != rd_left(&r) || n < nonce.n) return false;
    if (nonce.n > 0 && !ua_same(r.p + n - nonce.n, nonce.p, nonce.n)) return false;
    *ret = str_make((const char *)r.p, n - nonce.n);
    return true;
}
uint32_t ua_secret_decrypt(const struct ua_policy *p, const struct ua_key *ours, struct str nonce, struct str bytes,
                           struct str algorithm, struct arena *a, struct str *ret)
{
    struct buf plain;
    struct str secret = STR_NULL;
    if (p->id == UA_POLICY_NONE) {
        *ret = bytes.p ? bytes : STR("");
        return algorithm.n == 0 ? 0 : UA_BAD_IDENTITY_TOKEN_INVALID;
    }
    if (ours == NULL || bytes.p == NULL || !str_is(algorithm, p->encryption)) return UA_BAD_IDENTITY_TOKEN_INVALID;
    buf_init(&plain, SIGNED_MAX);
    bool ok = ua_asym_decrypt(p, ours, bytes, &plain) == 0 && open_secret(buf_view(&plain), nonce, &secret);
    if (ok) secret = arena_str(a, secret.n ? secret : STR(""));
    ua_wipe(plain.p, plain.n);
    buf_fini(&plain);
    if (!ok || secret.p == NULL) return UA_BAD_IDENTITY_TOKEN_INVALID;
    *ret = secret;
    return 0;
}
