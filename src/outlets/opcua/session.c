/* session.c - sessions: creating, activating, users, closing, time-outs (OPC 10000-4, 5.6).
 *
 * A session outlives its connection by its time-out and may be activated again on another one, by the same application
 * (its certificate) and user. Passwords are checked by the host; meanwhile the session is busy. */
#include "drivers/common/wake.h"
#include "outlets/opcua/server_int.h"

#define LEAST_MS 10000
#define UNUSED_MS 60000 /* a session that nobody activates */
#define LOGIN_MAX 256

/* ---- finding ---- */

struct os_session *os_session_find(struct os_server *s, const struct ua_nodeid *token)
{
    struct os_session *found = NULL;
    if (token->kind != UA_ID_BYTES || token->s.n != OS_NONCE) return NULL;
    for (struct os_session *x = s->sessions; x; x = x->next)
        if (ua_same(x->token, token->s.p, OS_NONCE)) found = x;
    return found;
}
struct os_session *os_session_at(struct os_server *s, uint32_t num)
{
    for (struct os_session *x = s->sessions; x; x = x->next)
        if (x->num == num) return x;
    return NULL;
}
void os_locale(struct os_session *x, const struct str *locales, uint32_t n)
{
    if (n) x->zh = str_starts(locales[0], STR("zh"));
}

/* ---- ending ---- */

void os_session_end(struct os_server *s, struct os_session *x, bool subs)
{
    os_publish_fail(s, x, UA_BAD_SESSION_CLOSED);
    os_subs_orphan(s, x, subs);
    for (struct os_session **p = &s->sessions; *p; p = &(*p)->next) {
        if (*p != x) continue;
        *p = x->next;
        break;
    }
    s->nsessions--;
    mem_free(x->publish);
    ua_wipe(x, sizeof *x);
    mem_free(x);
}
void os_sessions_lost(struct os_conn *c)
{
    struct os_server *s = c->s;
    for (struct os_session *x = s->sessions, *after; x; x = after) {
        after = x->next;
        if (x->conn != c->id) continue;
        os_publish_fail(s, x, UA_BAD_SECURE_CHANNEL_CLOSED); /* nobody hears it: they are forgotten */
        x->conn = 0;
        if (!x->activated) os_session_end(s, x, true);
    }
}
static uint64_t dies_at(const struct os_session *x)
{
    uint32_t ms = x->activated || x->timeout_ms < UNUSED_MS ? x->timeout_ms : UNUSED_MS;
    return x->last_ns + ms * NS_MS;
}
uint64_t os_sessions_tick(struct os_server *s, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (struct os_session *x = s->sessions, *after; x; x = after) {
        after = x->next;
        if (dies_at(x) <= now) {
            os_log(s, DRIVER_LOG_INFO, "a session timed out", "session=\"%s\" peer=%s", x->name, x->peer);
            s->st.timeouts++;
            os_session_end(s, x, false);
        } else {
            wake_earlier(&next, dies_at(x));
        }
    }
    return next;
}

/* ---- creating ---- */

static uint32_t check_client(struct os_call *c, const struct ua_create_session_request *q,
                             const struct ua_channel_info *i)
{
    bool none = i->policy->id == UA_POLICY_NONE;
    if (c->s->cfg.modes[i->policy->id] == 0) return UA_BAD_SECURITY_POLICY_REJECTED; /* only for discovery */
    if (none) return 0;
    const struct ua_cert_info *peer = ua_cert_info(i->peer);
    if (q->client_nonce.n < OS_NONCE) return UA_BAD_NONCE_INVALID;
    if (!str_starts(q->client_certificate, peer->der)) return UA_BAD_CERTIFICATE_INVALID;
    if (peer->uri[0] && !str_is(q->client_description.application_uri, peer->uri))
        return UA_BAD_CERTIFICATE_URI_INVALID;
    return 0;
}
/* When there is no room, one that nobody has activated yet makes some. */
static bool make_room(struct os_server *s)
{
    struct os_session *old = NULL;
    if (s->nsessions < s->cfg.max_sessions) return true;
    for (struct os_session *x = s->sessions; x; x = x->next)
        if (!x->activated && !x->busy && (old == NULL || x->last_ns < old->last_ns)) old = x;
    if (old) os_session_end(s, old, true);
    return old != NULL;
}
/* Where it comes from, as far as can be told of one without a certificate. */
static uint64_t origin_of(const struct os_conn *c, struct str application)
{
    struct str peer = str_of(c->peer);
    size_t n = peer.n;
    while (n > 0 && peer.p[n - 1] != ':') n--; /* not the port */
    return str_hash(str_sub(peer, 0, n), str_hash(application.p ? application : STR(""), hash_seed()));
}
static struct os_session *new_session(struct os_call *c, const struct ua_create_session_request *q,
                                      const struct ua_channel_info *i)
{
    struct os_server *s = c->s;
    struct os_session *x = mem_calloc(1, sizeof *x);
    double ms = q->requested_session_timeout;
    if (x) x->publish = mem_calloc(s->cfg.max_publish, sizeof *x->publish);
    if (x == NULL || x->publish == NULL || os_random(NULL, x->token, OS_NONCE) || os_random(NULL, x->nonce, OS_NONCE)) {
        if (x) mem_free(x->publish);
        mem_free(x);
        return NULL;
    }
    if (!(ms >= LEAST_MS)) ms = LEAST_MS; /* also what is no number */
    if (ms > s->cfg.session_max_ms) ms = s->cfg.session_max_ms;
    x->num = ++s->session_ids ? s->session_ids : ++s->session_ids;
    x->conn = c->conn->id;
    x->timeout_ms = (uint32_t)ms;
    x->last_ns = os_now(s);
    x->policy = i->policy;
    x->mode = i->mode;
    x->origin = origin_of(c->conn, q->client_description.application_uri);
    if (i->peer) memcpy(x->cert, ua_cert_info(i->peer)->thumbprint, 20), x->has_cert = true;
    str_to_cstr(q->session_name, x->name, sizeof x->name);
    os_plain(x->name);
    str_to_cstr(str_of(c->conn->peer), x->peer, sizeof x->peer);
    x->next = s->sessions;
    s->sessions = x;
    s->nsessions++;
    os_wake(s, dies_at(x));
    return x;
}
uint32_t os_create_session(struct os_call *c, const void *request)
{
    const struct ua_create_session_request *q = request;
    struct os_server *s = c->s;
    struct ua_channel_info i = ua_channel_info(c->conn->ua);
    uint32_t status = check_client(c, q, &i);
    if (status) return status;
    if (!make_room(s)) return UA_BAD_TOO_MANY_SESSIONS;
    struct os_session *x = new_session(c, q, &i);
    if (x == NULL) return UA_BAD_OUT_OF_MEMORY;
    struct ua_create_session_response r = {
        .session_id = ua_id(1, x->num),
        .authentication_token = {.kind = UA_ID_BYTES, .s = {(const char *)x->token, OS_NONCE}},
        .revised_session_timeout = x->timeout_ms,
        .server_nonce = {(const char *)x->nonce, OS_NONCE},
        .max_request_message_size = s->cfg.max_message};
    r.server_certificate = ua_cert_info(c->conn->own->cert)->chain;
    r.server_endpoints_n = os_endpoints(c, q->endpoint_url, &r.server_endpoints);
    if (i.peer && ua_session_sign(i.policy, c->conn->own->key, ua_cert_info(i.peer)->chain, q->client_nonce, c->a,
                                  &r.server_signature)) {
        os_session_end(s, x, true);
        return UA_BAD_INTERNAL_ERROR;
    }
    os_answer(c, UA_T_create_session_response, &r);
    return 0;
}

/* ---- activating ---- */

/* The connection may be another one than before: of the same application, with the same security. */
static uint32_t check_channel(struct os_call *c, const struct os_session *x, const struct ua_channel_info *i)
{
    if (x->conn == c->conn->id) return 0;
    if (!x->activated) return UA_BAD_SECURE_CHANNEL_ID_INVALID;
    bool same = i->policy == x->policy && i->mode == x->mode && (i->peer != NULL) == x->has_cert &&
                (!x->has_cert || memcmp(ua_cert_info(i->peer)->thumbprint, x->cert, 20) == 0);
    return same ? 0 : UA_BAD_SECURITY_CHECKS_FAILED;
}
static uint32_t check_signature(struct os_call *c, const struct os_session *x, const struct ua_channel_info *i,
                                const struct ua_signature_data *sig)
{
    struct str nonce = {(const char *)x->nonce, OS_NONCE};
    if (i->policy->id == UA_POLICY_NONE) return 0;
    return ua_session_verify(i->policy, i->peer, ua_cert_info(c->conn->own->cert)->chain, nonce, sig);
}

/* Who it is; the answer goes out. A session whose connection changes keeps its user. */
static uint32_t admit(struct os_call *c, struct os_session *x, const char *user, const char *who)
{
    struct os_server *s = c->s;
    bool moved = x->activated && x->conn != c->conn->id;
    if (moved && strcmp(x->who, who) != 0) return UA_BAD_IDENTITY_CHANGE_NOT_SUPPORTED;
    if (os_random(NULL, x->nonce, OS_NONCE)) return UA_BAD_INTERNAL_ERROR;
    if (moved) os_publish_fail(s, x, UA_BAD_SECURE_CHANNEL_CLOSED);
    x->conn = c->conn->id;
    x->activated = true;
    x->last_ns = os_now(s);
    str_to_cstr(str_of(user), x->user, sizeof x->user);
    str_to_cstr(str_of(who), x->who, sizeof x->who);
    str_to_cstr(str_of(c->conn->peer), x->peer, sizeof x->peer);
    struct ua_activate_session_response r = {.server_nonce = {(const char *)x->nonce, OS_NONCE}};
    os_answer(c, UA_T_activate_session_response, &r);
    return 0;
}

struct login {
    struct os_job *job;
    char user[LOGIN_MAX], password[LOGIN_MAX];
    uint32_t session, status;
};
static void logged_in(void *arg, const struct error *e)
{
    struct login *l = arg;
    l->status = e == NULL ? UA_GOOD : e->code == ERR_CANCELLED ? UA_BAD_SHUTDOWN : UA_BAD_USER_ACCESS_DENIED;
    ua_wipe(l->password, sizeof l->password);
    os_job_release(l->job);
}
static void login_done(struct os_job *j, struct os_call *c)
{
    struct login *l = j->data;
    struct os_session *x = os_session_at(j->s, l->session);
    if (x) x->busy = false;
    if (c == NULL) return;
    uint32_t status = x == NULL ? UA_BAD_SESSION_CLOSED : l->status;
    if (status == UA_GOOD) status = admit(c, x, l->user, l->user);
    os_plain(l->user);
    if (status == UA_BAD_USER_ACCESS_DENIED)
        os_log(j->s, DRIVER_LOG_WARN, "a user was refused", "user=\"%s\" peer=%s", l->user, j->peer);
    if (status) os_fault(c, status);
}
static bool keep(struct str s, char *out)
{
    return s.n < LOGIN_MAX && (s.n == 0 || memchr(s.p, 0, s.n) == NULL) && str_to_cstr(s, out, LOGIN_MAX);
}
static uint32_t ask_host(struct os_call *c, struct os_session *x, struct str user, struct str password)
{
    const struct outlet_host *h = c->s->base.host;
    struct os_job *j = os_job_new(c, login_done);
    struct login *l = j ? arena_calloc(&j->a, 1, sizeof *l) : NULL;
    if (j == NULL) return UA_BAD_TOO_MANY_OPERATIONS;
    if (l == NULL || user.n == 0 || !keep(user, l->user) || !keep(password, l->password)) {
        j->done = NULL;
        os_job_release(j);
        return UA_BAD_IDENTITY_TOKEN_INVALID;
    }
    l->job = j;
    l->session = x->num;
    j->data = l;
    x->busy = true;
    h->login(h->ctx, l->user, l->password, j->peer, logged_in, l);
    return UA_GOOD;
}
static uint32_t by_name(struct os_call *c, struct os_session *x, const struct ua_activate_session_request *q,
                        const struct ua_policy *secret)
{
    const struct ua_user_name_identity_token *t =
        ua_extension_as(&q->user_identity_token, UA_T_user_name_identity_token);
    struct str nonce = {(const char *)x->nonce, OS_NONCE}, password;
    bool plain = t->encryption_algorithm.n == 0;
    if (plain && x->mode != UA_MODE_SIGN_ENCRYPT) return UA_BAD_IDENTITY_TOKEN_INVALID; /* readable on the wire */
    uint32_t status = ua_secret_decrypt(plain ? ua_policy_at(UA_POLICY_NONE) : secret, c->conn->own->key, nonce,
                                        t->password, t->encryption_algorithm, c->a, &password);
    if (status) return status;
    status = ask_host(c, x, t->user_name, password);
    ua_wipe((void *)(uintptr_t)password.p, password.n);
    return status;
}
static uint32_t by_cert(struct os_call *c, struct os_session *x, const struct ua_activate_session_request *q,
                        const struct ua_policy *secret)
{
    const struct ua_x509_identity_token *t = ua_extension_as(&q->user_identity_token, UA_T_x509_identity_token);
    struct str nonce = {(const char *)x->nonce, OS_NONCE};
    struct ua_cert *user = NULL;
    if (t->certificate_data.n == 0 || ua_cert_parse(t->certificate_data, &user, NULL))
        return UA_BAD_IDENTITY_TOKEN_INVALID;
    uint32_t status = os_trusts_user(c->s, user) ? 0 : UA_BAD_IDENTITY_TOKEN_REJECTED;
    if (status == 0 &&
        ua_session_verify(secret, user, ua_cert_info(c->conn->own->cert)->chain, nonce, &q->user_token_signature))
        status = UA_BAD_USER_SIGNATURE_INVALID;
    char who[128];
    str_to_cstr(str_of(ua_cert_info(user)->subject), who, sizeof who);
    ua_cert_free(user);
    return status ? status : admit(c, x, "", who);
}
static uint32_t anonymous(struct os_call *c, struct os_session *x, const struct ua_activate_session_request *q,
                          const struct ua_policy *secret)
{
    (void)q, (void)secret;
    return admit(c, x, "", "");
}

static const struct {
    uint16_t type;
    enum os_users user;
    uint32_t (*fn)(struct os_call *c, struct os_session *x, const struct ua_activate_session_request *q,
                   const struct ua_policy *secret);
} ways[] = {{UA_T_anonymous_identity_token, USERS_ANONYMOUS, anonymous},
            {UA_T_user_name_identity_token, USERS_NAME, by_name},
            {UA_T_x509_identity_token, USERS_CERTIFICATE, by_cert}};

uint32_t os_activate_session(struct os_call *c, const void *request)
{
    const struct ua_activate_session_request *q = request;
    struct ua_channel_info i = ua_channel_info(c->conn->ua);
    struct os_session *x = os_session_find(c->s, &q->header.authentication_token);
    if (x == NULL) return UA_BAD_SESSION_ID_INVALID;
    if (x->busy) return UA_BAD_TOO_MANY_OPERATIONS;
    uint32_t status = check_channel(c, x, &i);
    if (status == 0) status = check_signature(c, x, &i, &q->client_signature);
    if (status) return status;
    const struct ua_policy *secret = i.policy->id == UA_POLICY_NONE ? os_secret_policy(c->s) : i.policy;
    uint16_t type = q->user_identity_token.known;
    if (ua_nodeid_null(&q->user_identity_token.type)) type = UA_T_anonymous_identity_token;
    os_locale(x, q->locale_ids, q->locale_ids_n);
    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
        if (ways[k].type != type) continue;
        if (!(c->s->cfg.users & ways[k].user)) return UA_BAD_IDENTITY_TOKEN_REJECTED;
        return ways[k].fn(c, x, q, secret);
    }
    return UA_BAD_IDENTITY_TOKEN_INVALID;
}

uint32_t os_close_session(struct os_call *c, const void *request)
{
    const struct ua_close_session_request *q = request;
    struct ua_close_session_response r = {0};
    struct os_session *x = c->session;
    c->session = NULL;
    os_session_end(c->s, x, q->delete_subscriptions);
    os_answer(c, UA_T_close_session_response, &r);
    return 0;
}
/* Only publish requests wait so long that they can be cancelled. */
uint32_t os_cancel(struct os_call *c, const void *request)
{
    const struct ua_cancel_request *q = request;
    struct ua_cancel_response r = {.cancel_count = os_publish_cancel(c->s, c->session, q->request_handle)};
    os_answer(c, UA_T_cancel_response, &r);
    return 0;
}
