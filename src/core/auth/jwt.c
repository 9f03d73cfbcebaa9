/* jwt.c - see jwt.h.
 *
 * The algorithm decides which kind of key may be used (an RSA key never checks an ES256 token), and only the
 * two names are known, so that "none" and HMAC with a public key are refused before any key is looked at.
 * Claims are read only after the signature. */
#include "core/auth/jwt.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include "base/encode.h"

static int refuse(struct error *e, const char *en, const char *zh)
{
    if (!e) return ERR_UNAUTHENTICATED;
    *e = (struct error){.code = ERR_UNAUTHENTICATED, .where = "id_token"};
    snprintf(e->text, sizeof(e->text), "the identity provider's answer is refused: %s", en);
    snprintf(e->text_zh, sizeof(e->text_zh), "身份提供方的应答被拒绝：%s", zh);
    return ERR_UNAUTHENTICATED;
}

static int decode(struct arena *a, struct str text, struct str *ret)
{
    struct buf b;
    buf_init(&b, JWT_MAX);
    int rc = base64_decode(&b, text, true);
    if (!rc) {
        *ret = arena_str(a, buf_view(&b));
        rc = ret->p ? 0 : ERR_NOMEM;
    }
    buf_fini(&b);
    return rc;
}

static int decode_json(struct arena *a, struct str text, struct json **ret)
{
    struct str plain;
    int rc = decode(a, text, &plain);
    if (!rc) rc = json_parse(a, plain, ret, NULL);
    return rc || (*ret)->type == JSON_OBJECT ? rc : ERR_INVALID;
}

/* --- keys --- */

static EVP_PKEY *key_of(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = bld ? OSSL_PARAM_BLD_to_param(bld) : NULL;
    EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct arena *a, const struct json *jwk)
{
    struct str n, e;
    if (decode(a, json_str(json_get(jwk, "n"), STR("")), &n) || decode(a, json_str(json_get(jwk, "e"), STR("")), &e))
        return NULL;
    if (n.n < 256 || n.n > 1024 || !e.n || e.n > 8) return NULL; /* 2048 bits at least */
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
    BIGNUM *be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
    EVP_PKEY *key = NULL;
    if (bld && bn && be && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1)
        key = key_of("RSA", bld);
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

static EVP_PKEY *ec_key(struct arena *a, const struct json *jwk)
{
    struct str x, y;
    unsigned char point[65] = {4};
    if (!str_is(json_str(json_get(jwk, "crv"), STR("")), "P-256")) return NULL;
    if (decode(a, json_str(json_get(jwk, "x"), STR("")), &x) || decode(a, json_str(json_get(jwk, "y"), STR("")), &y))
        return NULL;
    if (x.n != 32 || y.n != 32) return NULL;
    memcpy(point + 1, x.p, 32);
    memcpy(point + 33, y.p, 32);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
        key = key_of("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

/* --- signatures --- */

/* The two numbers of an ES256 signature as DER, which OpenSSL wants. */
static int ecdsa_der(struct arena *a, struct str raw, struct str *ret)
{
    unsigned char *der = NULL;
    if (raw.n != 64) return ERR_INVALID;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.p, 32, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.p + 32, 32, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        ECDSA_SIG_free(sig);
        BN_free(r);
        BN_free(s);
        return ERR_NOMEM;
    }
    int n = i2d_ECDSA_SIG(sig, &der);
    *ret = n > 0 ? arena_str(a, str_make((const char *)der, (size_t)n)) : STR_NULL;
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return ret->p ? 0 : ERR_NOMEM;
}

static const struct alg {
    const char *name, *type;
    EVP_PKEY *(*key)(struct arena *a, const struct json *jwk);
} algs[] = {{"RS256", "RSA", rsa_key}, {"ES256", "EC", ec_key}};

static bool signed_by(EVP_PKEY *key, struct str text, struct str sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n, (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool usable(const struct json *jwk, const struct alg *alg, struct str kid)
{
    if (!str_is(json_str(json_get(jwk, "kty"), STR("")), alg->type)) return false;
    struct str use = json_str(json_get(jwk, "use"), STR("sig")), of = json_str(json_get(jwk, "alg"), STR_NULL);
    if (!str_is(use, "sig") || (of.n && !str_is(of, alg->name))) return false;
    return !kid.n || str_eq(kid, json_str(json_get(jwk, "kid"), STR("")));
}

static int check_signature(struct arena *a, const struct json *head, const struct json *keys, struct str text,
                           struct str sig, struct error *e)
{
    const struct alg *alg = NULL;
    for (size_t i = 0; i < 2; i++)
        if (str_is(json_str(json_get(head, "alg"), STR("")), algs[i].name)) alg = &algs[i];
    if (!alg) return refuse(e, "it is signed neither with RS256 nor with ES256", "签名算法不是 RS256 或 ES256");
    if (json_get(head, "crit")) return refuse(e, "it has critical extensions", "含有未知的关键扩展");
    if (strcmp(alg->type, "EC") == 0 && ecdsa_der(a, sig, &sig))
        return refuse(e, "its signature is malformed", "签名格式错误");
    struct str kid = json_str(json_get(head, "kid"), STR_NULL);
    bool ok = false;
    for
        json_each (jwk, json_get(keys, "keys")) {
            EVP_PKEY *key = !ok && usable(jwk, alg, kid) ? alg->key(a, jwk) : NULL;
            if (key) ok = signed_by(key, text, sig);
            EVP_PKEY_free(key);
        }
    return ok ? 0 : refuse(e, "its signature does not fit any key of the provider", "签名与提供方的任何密钥都不符");
}

/* --- claims --- */

static bool for_us(const struct json *claims, struct str us)
{
    const struct json *aud = json_get(claims, "aud");
    struct str azp = json_str(json_get(claims, "azp"), STR_NULL);
    bool found = aud && aud->type == JSON_STRING && str_eq(aud->s, us);
    if (aud && aud->type == JSON_ARRAY)
    for
        json_each (it, aud) found |= str_eq(json_str(it, STR("")), us);
    if (azp.p && !str_eq(azp, us)) return false;
    return found && (json_count(aud) <= 1 || aud->type == JSON_STRING || azp.p);
}

static int check_times(const struct json *claims, int64_t now_us, struct error *e)
{
    int64_t now = now_us / 1000000;
    const struct json *exp = json_get(claims, "exp"), *iat = json_get(claims, "iat");
    if (!exp || (exp->type != JSON_INT && exp->type != JSON_DOUBLE) || json_double(exp, 0) + JWT_SKEW_S < (double)now)
        return refuse(e, "it has run out", "令牌已过期");
    if (!iat || json_double(iat, 0) - JWT_SKEW_S > (double)now ||
        json_double(json_get(claims, "nbf"), 0) - JWT_SKEW_S > (double)now)
        return refuse(e, "it is from the future; check the clocks", "令牌时间晚于当前时间，请检查时钟");
    return 0;
}

static int check_claims(const struct json *claims, const struct jwt_want *want, struct error *e)
{
    if (!str_eq(json_str(json_get(claims, "iss"), STR("")), want->issuer))
        return refuse(e, "it comes from another issuer", "颁发者不符");
    if (!for_us(claims, want->audience)) return refuse(e, "it is meant for another client", "令牌不是发给本客户端的");
    if (!want->nonce.n || !str_eq(json_str(json_get(claims, "nonce"), STR("")), want->nonce))
        return refuse(e, "it does not belong to this sign-in (nonce)", "令牌不属于本次登录（nonce 不符）");
    if (!json_str(json_get(claims, "sub"), STR("")).n) return refuse(e, "it names nobody", "令牌未指明用户");
    return check_times(claims, want->now_us, e);
}

int jwt_verify(struct arena *a, struct str token, const struct json *keys, const struct jwt_want *want,
               const struct json **ret, struct error *e)
{
    struct json *head = NULL, *claims = NULL;
    struct str rest = token, sig;
    if (!token.n || token.n > JWT_MAX)
        return refuse(e, "there is no ID token of a sensible size", "没有大小合理的 ID 令牌");
    struct str h = str_cut(&rest, '.'), p = str_cut(&rest, '.');
    if (!rest.n || str_find(rest, '.') >= 0 || decode_json(a, h, &head) || decode(a, rest, &sig))
        return refuse(e, "it is not a signed token", "不是已签名的令牌");
    int rc = check_signature(a, head, keys, str_make(token.p, h.n + 1 + p.n), sig, e);
    if (!rc && decode_json(a, p, &claims)) rc = refuse(e, "its claims cannot be read", "声明无法读取");
    if (!rc) rc = check_claims(claims, want, e);
    if (!rc) *ret = claims;
    return rc;
}
