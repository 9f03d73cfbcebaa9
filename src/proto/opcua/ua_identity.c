/* Endpoints and identity tokens. A token's policy without a security policy of its own is secured by the channel's. */
#include "proto/opcua/ua_identity.h"
#include "proto/opcua/ua_ids.h"

#define UA_TCP "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"

static bool usable(const struct ua_endpoint_description *e, const struct ua_policy *p)
{
    bool tcp = e->transport_profile_uri.n == 0 || str_is(e->transport_profile_uri, UA_TCP);
    bool none = p != NULL && p->id == UA_POLICY_NONE;
    bool mode = e->security_mode >= UA_MODE_NONE && e->security_mode <= UA_MODE_SIGN_ENCRYPT;
    return tcp && p != NULL && mode && none == (e->security_mode == UA_MODE_NONE);
}
/* Greater is more secure. The server's own level counts most. */
static unsigned rank(const struct ua_endpoint_description *e, const struct ua_policy *p)
{
    return (unsigned)e->security_level << 8 | (unsigned)p->id << 4 | (unsigned)e->security_mode;
}
const struct ua_endpoint_description *ua_endpoint_pick(const struct ua_endpoint_description *endpoints, uint32_t n,
                                                       const struct ua_policy *policy, enum ua_mode mode)
{
    const struct ua_endpoint_description *best = NULL;
    unsigned best_rank = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct ua_endpoint_description *e = &endpoints[i];
        const struct ua_policy *p = ua_policy_find(e->security_policy_uri);
        if (!usable(e, p) || (policy != NULL && (p != policy || e->security_mode != (int32_t)mode))) continue;
        if (best == NULL || rank(e, p) > best_rank) best = e, best_rank = rank(e, p);
    }
    return best;
}
const struct ua_user_token_policy *ua_token_policy(const struct ua_endpoint_description *e, int32_t token_type)
{
    const struct ua_user_token_policy *best = NULL;
    int best_rank = -1;
    for (uint32_t i = 0; i < e->user_identity_tokens_n; i++) {
        const struct ua_user_token_policy *t = &e->user_identity_tokens[i];
        const struct ua_policy *p =
            ua_policy_find(t->security_policy_uri.n ? t->security_policy_uri : e->security_policy_uri);
        if (t->token_type == token_type && p != NULL && (int)p->id > best_rank) best = t, best_rank = (int)p->id;
    }
    return best;
}

static int no_token(struct error *e, const char *en, const char *zh)
{
    return error_set(e, ERR_UNSUPPORTED, "", "the endpoint does not take %s%.0s", "该端点不支持以%.0s%s方式登录", en,
                     zh);
}
static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* How secrets under this token policy are secured. */
static const struct ua_policy *policy_of(const struct ua_identity *i, const struct ua_user_token_policy *t)
{
    return t->security_policy_uri.n ? ua_policy_find(t->security_policy_uri) : i->policy;
}
static int secret(const struct ua_identity *i, const struct ua_user_token_policy *t, struct str plain, struct arena *a,
                  struct str *ret_bytes, struct str *ret_algorithm, struct error *e)
{
    const struct ua_policy *p = policy_of(i, t);
    if (p->id != UA_POLICY_NONE && i->server == NULL)
        return error_set(e, ERR_INVALID, "", "the server's certificate is needed to encrypt the password",
                         "加密密码需要服务器证书");
    if (p->id == UA_POLICY_NONE && i->mode != UA_MODE_SIGN_ENCRYPT && !i->allow_plain)
        return error_set(e, ERR_FORBIDDEN, "", "the password would travel readable: choose an endpoint with encryption",
                         "密码将以明文传输：请选择加密的端点");
    if (ua_secret_encrypt(p, i->server, i->nonce, plain, a, ret_bytes, ret_algorithm) == 0) return 0;
    return error_set(e, ERR_INVALID, "", "the password cannot be encrypted for the server's certificate",
                     "无法用服务器证书加密密码");
}

int ua_identity_anonymous(const struct ua_identity *i, struct arena *a, struct ua_extension *ret, struct error *e)
{
    const struct ua_user_token_policy *t = ua_token_policy(i->endpoint, UA_TOKEN_ANONYMOUS);
    struct ua_anonymous_identity_token *x = arena_calloc(a, 1, sizeof *x);
    if (t == NULL) return no_token(e, "anonymous users", "匿名");
    if (x == NULL) return no_memory(e);
    x->policy_id = t->policy_id;
    *ret = ua_extension_of(UA_T_anonymous_identity_token, x);
    return 0;
}
int ua_identity_user(const struct ua_identity *i, struct str user, struct str password, struct arena *a,
                     struct ua_extension *ret, struct error *e)
{
    const struct ua_user_token_policy *t = ua_token_policy(i->endpoint, UA_TOKEN_USER_NAME);
    struct ua_user_name_identity_token *x = arena_calloc(a, 1, sizeof *x);
    if (t == NULL) return no_token(e, "users by name and password", "用户名和密码");
    if (x == NULL) return no_memory(e);
    x->policy_id = t->policy_id;
    x->user_name = user;
    int rc = secret(i, t, password, a, &x->password, &x->encryption_algorithm, e);
    if (rc == 0) *ret = ua_extension_of(UA_T_user_name_identity_token, x);
    return rc;
}
int ua_identity_issued(const struct ua_identity *i, struct str token, struct arena *a, struct ua_extension *ret,
                       struct error *e)
{
    const struct ua_user_token_policy *t = ua_token_policy(i->endpoint, UA_TOKEN_ISSUED);
    struct ua_issued_identity_token *x = arena_calloc(a, 1, sizeof *x);
    if (t == NULL) return no_token(e, "users by a token of an issuer", "第三方令牌");
    if (x == NULL) return no_memory(e);
    x->policy_id = t->policy_id;
    int rc = secret(i, t, token, a, &x->token_data, &x->encryption_algorithm, e);
    if (rc == 0) *ret = ua_extension_of(UA_T_issued_identity_token, x);
    return rc;
}
int ua_identity_cert(const struct ua_identity *i, const struct ua_cert *user, const struct ua_key *key, struct arena *a,
                     struct ua_extension *ret, struct ua_signature_data *ret_signature, struct error *e)
{
    const struct ua_user_token_policy *t = ua_token_policy(i->endpoint, UA_TOKEN_CERTIFICATE);
    struct ua_x509_identity_token *x = arena_calloc(a, 1, sizeof *x);
    const struct ua_policy *p = t ? policy_of(i, t) : NULL;
    if (t == NULL) return no_token(e, "users by certificate", "证书");
    if (x == NULL) return no_memory(e);
    if (p->id == UA_POLICY_NONE || i->server == NULL || !ua_cert_has_key(user, key))
        return error_set(
            e, ERR_INVALID, "",
            "a user's certificate needs its key, a security policy for the signature, and the server's certificate",
            "用户证书登录需要对应的私钥、签名所用的安全策略以及服务器证书");
    x->policy_id = t->policy_id;
    x->certificate_data = ua_cert_info(user)->der;
    if (ua_session_sign(p, key, ua_cert_info(i->server)->chain, i->nonce, a, ret_signature) != 0) return no_memory(e);
    *ret = ua_extension_of(UA_T_x509_identity_token, x);
    return 0;
}
