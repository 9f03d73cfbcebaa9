/* discover.c - which endpoints there are, and how one may sign in there.
 *
 * The URL in an endpoint is the one by which the client came, unless an option names the host: a server behind an
 * address translation does not know better. Passwords are always encrypted: where the endpoint has no security, by the
 * policy that the token names. */
#include "outlets/opcua/server_int.h"

#define TOKENS_MAX 4

static bool secure_url(struct str url)
{
    return str_starts(url, STR("opc.tcp://")) && url.n > 10 && url.n < 256;
}
static struct str url_of(struct os_call *c, struct str asked)
{
    char host[UV_MAXHOSTNAMESIZE] = "localhost";
    size_t n = sizeof host;
    const struct os_config *f = &c->s->cfg;
    if (f->host[0]) return str_of(arena_printf(c->a, "opc.tcp://%s:%u", f->host, c->s->port));
    if (secure_url(asked)) return asked;
    uv_os_gethostname(host, &n);
    return str_of(arena_printf(c->a, "opc.tcp://%s:%u", host, c->s->port));
}
static struct ua_application_description application(struct os_call *c, struct str url)
{
    struct ua_application_description d = {.application_uri = str_of(c->s->cfg.uri),
                                           .product_uri = STR("urn:bornite"),
                                           .application_name = {STR("en"), str_of(c->s->cfg.name)},
                                           .application_type = UA_APP_SERVER};
    d.discovery_urls = arena_calloc(c->a, 1, sizeof *d.discovery_urls);
    if (d.discovery_urls) d.discovery_urls[0] = url, d.discovery_urls_n = 1;
    return d;
}

/* The policy by which secrets are encrypted where the endpoint has none. */
const struct ua_policy *os_secret_policy(const struct os_server *s)
{
    static const enum ua_policy_id order[] = {UA_POLICY_BASIC256SHA256, UA_POLICY_AES256_SHA256_RSAPSS,
                                              UA_POLICY_AES128_SHA256_RSAOAEP};
    for (unsigned i = 0; i < 3; i++)
        if (s->cfg.modes[order[i]]) return ua_policy_at(order[i]);
    return ua_policy_at(UA_POLICY_BASIC256SHA256);
}
static void tokens(struct os_call *c, const struct ua_policy *p, struct ua_endpoint_description *e)
{
    static const struct {
        enum os_users user;
        int32_t type;
        const char *id;
    } rows[] = {{USERS_ANONYMOUS, UA_TOKEN_ANONYMOUS, "anonymous"},
                {USERS_NAME, UA_TOKEN_USER_NAME, "username"},
                {USERS_CERTIFICATE, UA_TOKEN_CERTIFICATE, "certificate"}};
    struct ua_user_token_policy *t = arena_calloc(c->a, TOKENS_MAX, sizeof *t);
    if (t == NULL) return;
    e->user_identity_tokens = t;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!(c->s->cfg.users & rows[i].user)) continue;
        const struct ua_policy *secret = p->id == UA_POLICY_NONE ? os_secret_policy(c->s) : p;
        t->policy_id = str_of(arena_printf(c->a, "%s_%s", rows[i].id, p->name));
        t->token_type = rows[i].type;
        if (rows[i].user != USERS_ANONYMOUS) t->security_policy_uri = str_of(secret->uri);
        t++;
    }
    e->user_identity_tokens_n = (uint32_t)(t - e->user_identity_tokens);
}
uint32_t os_endpoints(struct os_call *c, struct str asked, struct ua_endpoint_description **ret)
{
    static const uint8_t levels[UA_POLICY_COUNT] = {0, 30, 20, 40};
    const struct os_server *s = c->s;
    struct str url = url_of(c, asked);
    struct ua_endpoint_description *list = arena_calloc(c->a, UA_POLICY_COUNT * 3, sizeof *list);
    uint32_t n = 0;
    *ret = list;
    if (list == NULL) return 0;
    for (unsigned p = 0; p < UA_POLICY_COUNT; p++) {
        for (unsigned m = UA_MODE_NONE; m <= UA_MODE_SIGN_ENCRYPT; m++) {
            if (!(s->cfg.modes[p] >> m & 1)) continue;
            const struct ua_policy *policy = ua_policy_at((enum ua_policy_id)p);
            struct ua_endpoint_description *e = &list[n++];
            *e = (struct ua_endpoint_description){.endpoint_url = url,
                                                  .server = application(c, url),
                                                  .security_mode = (int32_t)m,
                                                  .security_policy_uri = str_of(policy->uri),
                                                  .transport_profile_uri = STR(OS_TRANSPORT),
                                                  .security_level = levels[p]};
            if (m == UA_MODE_SIGN_ENCRYPT) e->security_level += 100;
            e->server_certificate = ua_cert_info(c->conn->own->cert)->chain;
            tokens(c, policy, e);
        }
    }
    return n;
}

uint32_t os_get_endpoints(struct os_call *c, const void *request)
{
    const struct ua_get_endpoints_request *q = request;
    struct ua_get_endpoints_response r = {0};
    bool tcp = q->profile_uris_n == 0;
    for (uint32_t i = 0; i < q->profile_uris_n; i++) tcp |= str_is(q->profile_uris[i], OS_TRANSPORT);
    if (tcp) r.endpoints_n = os_endpoints(c, q->endpoint_url, &r.endpoints);
    os_answer(c, UA_T_get_endpoints_response, &r);
    return 0;
}
uint32_t os_find_servers(struct os_call *c, const void *request)
{
    const struct ua_find_servers_request *q = request;
    struct ua_application_description d = application(c, url_of(c, q->endpoint_url));
    struct ua_find_servers_response r = {.servers = &d};
    bool ours = q->server_uris_n == 0;
    for (uint32_t i = 0; i < q->server_uris_n; i++) ours |= str_eq(q->server_uris[i], d.application_uri);
    r.servers_n = ours;
    os_answer(c, UA_T_find_servers_response, &r);
    return 0;
}
