/* session.c - from an open secure channel to a session: which endpoint, who are we.
 *
 *   GetEndpoints -> choose -> (open anew with security) -> CreateSession -> ActivateSession -> namespaces, limits -> UP
 *   after a loss: ActivateSession of the old one -> UP; refused: CreateSession -> ... -> TransferSubscriptions -> ...
 * UP
 *
 * What is known of the server lives in channel.session until the connection is lost; it survives the second opening. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define SESSION_LEAST_MS 1000
#define SESSION_MOST_MS 86400000
#define READS 4 /* namespaces and three limits */

/* In the order of security_choices of table.c: policy and mode; the first: the best that is offered. */
static const struct {
    enum ua_policy_id policy;
    enum ua_mode mode;
} securities[] = {
    {UA_POLICY_COUNT, UA_MODE_INVALID},
    {UA_POLICY_NONE, UA_MODE_NONE},
    {UA_POLICY_BASIC256SHA256, UA_MODE_SIGN},
    {UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT},
    {UA_POLICY_AES128_SHA256_RSAOAEP, UA_MODE_SIGN},
    {UA_POLICY_AES128_SHA256_RSAOAEP, UA_MODE_SIGN_ENCRYPT},
    {UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN},
    {UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN_ENCRYPT},
};

const struct ua_policy *oc_wire_policy(const struct oc_channel *ch, enum ua_mode *mode, const struct ua_cert **peer)
{
    bool secure = ch->discovered && ch->policy->id != UA_POLICY_NONE;
    *mode = secure ? ch->mode : UA_MODE_NONE;
    *peer = secure ? ch->server : NULL;
    return secure ? ch->policy : ua_policy_at(UA_POLICY_NONE);
}

const char *oc_security_name(const struct ua_policy *p, enum ua_mode mode)
{
    for (size_t i = 1; p && i < sizeof securities / sizeof *securities; i++)
        if (securities[i].policy == p->id && securities[i].mode == mode) return oc_security_choices[i].value;
    return NULL;
}

void oc_session_forget(struct oc_channel *ch)
{
    ua_cert_free(TAKE(ch->server));
    arena_fini(&ch->session);
    arena_init(&ch->session, 16u << 20);
    ch->endpoint = NULL;
    ch->offers = STR_NULL;
    ch->namespaces = NULL;
    ch->namespaces_n = 0;
    ch->token = (struct ua_nodeid){0};
    ch->server_nonce = ch->server_chain = STR_NULL;
    ch->discovered = ch->session_open = false;
    ch->resume = RESUME_NOTHING;
    oc_types_forget(ch);
}

static void failed(struct oc_channel *ch, const struct error *e)
{
    oc_lose(ch, e); /* nothing when it is lost already */
}

/* ---- endpoints ------------------------------------------------------------------------------------------------- */

static void tell_offers(struct oc_channel *ch, const struct ua_get_endpoints_response *r)
{
    struct buf b;
    buf_init(&b, 400);
    for (uint32_t i = 0; i < r->endpoints_n; i++) {
        const struct ua_policy *p = ua_policy_find(r->endpoints[i].security_policy_uri);
        if (p == NULL) continue;
        buf_printf(&b, "%s%s", b.n ? ", " : "", p->name);
        if (p->id != UA_POLICY_NONE) buf_printf(&b, " %s", ua_mode_name((enum ua_mode)r->endpoints[i].security_mode));
    }
    ch->offers = arena_str(&ch->session, buf_view(&b));
    buf_fini(&b);
}

static int choose(struct oc_channel *ch, const struct ua_get_endpoints_response *r, struct error *e)
{
    bool best = ch->cfg.security == 0;
    const struct ua_policy *want = best ? NULL : ua_policy_at(securities[ch->cfg.security].policy);
    const struct ua_endpoint_description *d =
        ua_endpoint_pick(r->endpoints, r->endpoints_n, want, securities[ch->cfg.security].mode);
    if (d == NULL)
        return error_set(e, ERR_UNSUPPORTED, "options.security", "the server offers no such security; it offers: %.*s",
                         "服务器不支持该安全策略；它支持：%.*s", STR_ARG(ch->offers));
    ch->endpoint = arena_calloc(&ch->session, 1, sizeof *ch->endpoint);
    if (ch->endpoint == NULL || ua_copy(&ch->session, UA_T_endpoint_description, d, ch->endpoint))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->policy = ua_policy_find(ch->endpoint->security_policy_uri);
    ch->mode = (enum ua_mode)ch->endpoint->security_mode;
    return 0;
}

/* Is the certificate of the server needed: for the channel, or to send a password? */
static bool needs_certificate(const struct oc_channel *ch)
{
    const struct ua_user_token_policy *t = ua_token_policy(ch->endpoint, UA_TOKEN_USER_NAME);
    const struct ua_policy *p = t && t->security_policy_uri.n ? ua_policy_find(t->security_policy_uri) : NULL;
    return ch->policy->id != UA_POLICY_NONE || (ch->cfg.user == USER_NAME && p && p->id != UA_POLICY_NONE);
}

static int take_certificate(struct oc_channel *ch, struct error *e)
{
    if (!needs_certificate(ch)) return 0;
    int rc = ua_cert_parse(ch->endpoint->server_certificate, &ch->server, e);
    if (rc) return rc;
    return oc_trust_server(ch, e);
}

static void create_session(struct oc_channel *ch);
static void reactivate(struct oc_channel *ch);

static void on_endpoints(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    struct error why = {0};
    (void)arg, (void)refused;
    if (value == NULL) {
        failed(ch, e);
        return;
    }
    tell_offers(ch, value);
    int rc = choose(ch, value, &why);
    if (rc == 0) rc = take_certificate(ch, &why);
    if (rc) {
        failed(ch, &why);
        return;
    }
    ch->discovered = true;
    if (ch->policy->id == UA_POLICY_NONE)
        create_session(ch);
    else
        oc_reopen(ch);
}

void oc_session_begin(struct oc_channel *ch)
{
    struct ua_get_endpoints_request q = {.endpoint_url = str_of(ch->cfg.at.url)};
    if (ch->discovered && ch->resume == RESUME_SESSION && ch->session_open && oc_now(ch) < ch->session_until_ns)
        reactivate(ch);
    else if (ch->discovered)
        create_session(ch);
    else if (!oc_discover_begin(ch))
        oc_call(ch, UA_T_get_endpoints_request, &q, ch->cfg.answer_ms, on_endpoints, NULL);
}

/* ---- namespaces and limits ------------------------------------------------------------------------------------- */

static const uint32_t read_nodes[READS] = {UA_NODE_SERVER_NAMESPACE_ARRAY, UA_NODE_LIMIT_MAX_NODES_PER_READ,
                                           UA_NODE_LIMIT_MAX_MONITORED_ITEMS_PER_CALL,
                                           UA_NODE_LIMIT_MAX_NODES_PER_BROWSE};

static void take_namespaces(struct oc_channel *ch, const struct ua_variant *v)
{
    if (v->type != UA_STRING || !v->array || v->n > OC_NAMESPACES_MAX) return;
    ch->namespaces = arena_calloc(&ch->session, v->n + 1, sizeof *ch->namespaces);
    for (uint32_t i = 0; i < v->n && ch->namespaces; i++)
        ch->namespaces[i] = arena_str(&ch->session, *(const struct str *)ua_variant_item(v, i));
    ch->namespaces_n = ch->namespaces ? v->n : 0;
}

static uint32_t limit_of(const struct ua_datavalue *v, uint32_t most)
{
    int64_t n = 0;
    if (v->value.array || v->value.n != 1 || !ua_variant_i64(&v->value, 0, &n) || n <= 0 || n > most) return most;
    return (uint32_t)n;
}

static void up(struct oc_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    char kv[420];
    ch->conn = CONN_UP;
    ch->up_ns = oc_now(ch);
    ch->linger_ns = ch->up_ns + OC_LINGER_MS * NS_MS;
    ch->why.code = 0;
    ch->publishing_max = OC_CLASSES + 2;
    oc_refresh_state(ch);
    snprintf(kv, sizeof kv, "host=%s port=%u security=%s mode=%s", ch->cfg.at.host, ch->cfg.at.port, ch->policy->name,
             ua_mode_name(ch->mode));
    h->log(h->ctx, DRIVER_LOG_INFO, "connected", kv);
    ch->again = true;
}

static void on_limits(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    (void)arg;
    if (r == NULL && !refused) {
        failed(ch, e);
        return;
    }
    ch->max_read = 1000, ch->max_items = OC_ITEMS_MAX, ch->max_browse = 100;
    if (r && r->results_n == READS) {
        take_namespaces(ch, &r->results[0].value);
        ch->max_read = limit_of(&r->results[1], ch->max_read);
        ch->max_items = limit_of(&r->results[2], ch->max_items);
        ch->max_browse = limit_of(&r->results[3], ch->max_browse);
    }
    up(ch);
}

static void read_limits(struct oc_channel *ch)
{
    struct ua_read_value_id nodes[READS];
    for (int i = 0; i < READS; i++)
        nodes[i] = (struct ua_read_value_id){.node_id = ua_id(0, read_nodes[i]), .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = nodes, .nodes_to_read_n = READS};
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_limits, NULL);
}

void oc_session_ready(struct oc_channel *ch)
{
    read_limits(ch);
}

/* ---- session --------------------------------------------------------------------------------------------------- */

static void on_activated(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    struct error why;
    (void)arg;
    const struct ua_activate_session_response *r = value;
    if (r) {
        ch->server_nonce = arena_str(&ch->session, r->server_nonce);
        if (ch->resume)
            oc_resume_transfer(ch);
        else
            read_limits(ch);
        return;
    }
    error_set(&why, refused ? ERR_UNAUTHENTICATED : e->code, "", "signing in: %s%.0s", "登录：%.0s%s", e->text,
              e->text_zh);
    failed(ch, &why);
}

static int identity(struct oc_channel *ch, struct ua_activate_session_request *q, struct error *e)
{
    struct ua_identity i = {.endpoint = ch->endpoint,
                            .policy = ch->policy,
                            .mode = ch->mode,
                            .server = ch->server,
                            .nonce = ch->server_nonce,
                            .allow_plain = ch->cfg.plain_password};
    struct arena *a = &ch->session;
    if (ch->cfg.user == USER_NAME)
        return ua_identity_user(&i, str_of(ch->cfg.user_name), str_of(ch->cfg.password), a, &q->user_identity_token, e);
    if (ch->cfg.user == USER_CERT && ch->cfg.user_cert)
        return ua_identity_cert(&i, ch->cfg.user_cert, ch->cfg.user_key, a, &q->user_identity_token,
                                &q->user_token_signature, e);
    if (ch->cfg.user == USER_CERT)
        return error_set(e, ERR_INVALID, "options.user_certificate", "the user's certificate and key are not given",
                         "未提供用户证书和私钥");
    return ua_identity_anonymous(&i, a, &q->user_identity_token, e);
}

static int activate(struct oc_channel *ch, oc_answer *done, struct error *e)
{
    struct ua_activate_session_request q = {0};
    struct str locales[] = {STR("zh-CN"), STR("en")};
    bool secure = ch->policy->id != UA_POLICY_NONE;
    int rc = secure ? ua_session_sign(ch->policy, ch->cfg.key, ch->server_chain, ch->server_nonce, &ch->session,
                                      &q.client_signature)
                    : 0;
    if (rc) return error_set(e, rc, "", "the session could not be signed", "会话签名失败");
    rc = identity(ch, &q, e);
    if (rc) return rc;
    q.locale_ids = locales, q.locale_ids_n = 2;
    oc_call(ch, UA_T_activate_session_request, &q, ch->cfg.answer_ms, done, NULL);
    return 0;
}

/* It holds the key of its certificate. */
static int check_session(struct oc_channel *ch, const struct ua_create_session_response *r, struct error *e)
{
    struct str ours = ch->cfg.cert ? ua_cert_info(ch->cfg.cert)->chain : STR_NULL;
    if (ch->policy->id == UA_POLICY_NONE) return 0;
    if (ua_session_verify(ch->policy, ch->server, ours, str_make((const char *)ch->nonce, sizeof ch->nonce),
                          &r->server_signature) == 0)
        return 0;
    return error_set(e, ERR_FORBIDDEN, "", "the server could not prove that it holds the key of its certificate",
                     "服务器无法证明其持有证书的私钥");
}

/* ---- the session of before --------------------------------------------------------------------------------------- */

static void on_reactivated(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_activate_session_response *r = value;
    (void)arg;
    if (r) {
        ch->server_nonce = arena_str(&ch->session, r->server_nonce);
        oc_resume_done(ch, "session");
        up(ch);
    } else if (refused) { /* it is no more, or not for us */
        ch->token = (struct ua_nodeid){0};
        ch->session_open = false;
        ch->resume = RESUME_SUBS;
        create_session(ch);
    } else {
        failed(ch, e);
    }
}

static void reactivate(struct oc_channel *ch)
{
    struct error e = {0};
    if (activate(ch, on_reactivated, &e)) failed(ch, &e);
}

/* ---- a new one --------------------------------------------------------------------------------------------------- */

static void on_session(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_create_session_response *r = value;
    struct error why = {0};
    (void)arg, (void)refused;
    if (r == NULL) {
        failed(ch, e);
        return;
    }
    if (ua_copy(&ch->session, UA_NODEID, &r->authentication_token, &ch->token)) return;
    ch->session_open = true;
    ch->session_ms = r->revised_session_timeout >= SESSION_LEAST_MS && r->revised_session_timeout <= SESSION_MOST_MS
                         ? (uint32_t)r->revised_session_timeout
                         : ch->cfg.session_ms;
    ch->server_nonce = arena_str(&ch->session, r->server_nonce);
    ch->server_chain = arena_str(&ch->session, r->server_certificate);
    int rc = check_session(ch, r, &why);
    if (rc == 0) rc = activate(ch, on_activated, &why);
    if (rc) failed(ch, &why);
}

static void create_session(struct oc_channel *ch)
{
    struct str uri = STR("urn:bornite"), chain = STR_NULL;
    struct error e;
    if (ch->resume) ch->resume = RESUME_SUBS;
    ch->token = (struct ua_nodeid){0};
    if (oc_random(NULL, ch->nonce, sizeof ch->nonce)) {
        error_set(&e, ERR_INTERNAL, "", "no random numbers", "无法取得随机数");
        failed(ch, &e);
        return;
    }
    if (ch->cfg.cert && ch->policy->id != UA_POLICY_NONE) chain = ua_cert_info(ch->cfg.cert)->chain;
    if (ch->cfg.cert && ua_cert_info(ch->cfg.cert)->uri[0]) uri = str_of(ua_cert_info(ch->cfg.cert)->uri);
    struct ua_create_session_request q = {.client_description = {.application_uri = uri,
                                                                 .product_uri = STR("urn:bornite"),
                                                                 .application_name = {.text = STR("Bornite")},
                                                                 .application_type = UA_APP_CLIENT},
                                          .endpoint_url = ch->endpoint->endpoint_url.n ? ch->endpoint->endpoint_url
                                                                                       : str_of(ch->cfg.at.url),
                                          .session_name = str_of(ch->base.host->name),
                                          .client_nonce = str_make((const char *)ch->nonce, sizeof ch->nonce),
                                          .client_certificate = chain,
                                          .requested_session_timeout = ch->cfg.session_ms,
                                          .max_response_message_size = 64u << 20};
    oc_call(ch, UA_T_create_session_request, &q, ch->cfg.answer_ms, on_session, NULL);
}

static void on_end(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    (void)ch, (void)arg, (void)value, (void)e, (void)refused;
}

/* Slow subscriptions leave the session silent for longer than it may be; an answer that does not come is a loss. */
void oc_session_keep(struct oc_channel *ch)
{
    struct ua_read_value_id node = {.node_id = ua_id(0, UA_NODE_SERVER_SERVER_STATUS_STATE),
                                    .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = &node, .nodes_to_read_n = 1};
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_end, NULL);
}

void oc_session_end(struct oc_channel *ch)
{
    struct ua_close_session_request q = {.delete_subscriptions = true};
    if (ch->session_open) oc_call(ch, UA_T_close_session_request, &q, ch->cfg.answer_ms, on_end, NULL);
    ch->session_open = false;
}
