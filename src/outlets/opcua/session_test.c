/* Endpoints, sessions, users, security policies, and how they end. */
#include "outlets/opcua/testbed.h"

TEST(endpoints_and_servers)
{
    struct obed *b = server("");
    struct client *c = client_open(b);
    struct ua_get_endpoints_request q = {.endpoint_url = STR("opc.tcp://plant.example:4840")};
    struct ua_get_endpoints_response *r = CALL(c, get_endpoints, &q);
    REQUIRE(r);
    CHECK_INT(r->endpoints_n, 7); /* none, and three policies signed or encrypted */
    for (uint32_t i = 0; i < r->endpoints_n; i++) {
        CHECK_STR(r->endpoints[i].endpoint_url, "opc.tcp://plant.example:4840");
        CHECK_STR(r->endpoints[i].server.application_uri, "urn:test:0");
        CHECK(str_eq(r->endpoints[i].server_certificate, ua_cert_info(identity(0)->cert)->der));
        CHECK_INT(r->endpoints[i].user_identity_tokens_n, 2);
    }
    const struct ua_endpoint_description *best = ua_endpoint_pick(r->endpoints, r->endpoints_n, NULL, UA_MODE_INVALID);
    CHECK_STR(best->security_policy_uri, "http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss");
    CHECK_INT(best->security_mode, UA_MODE_SIGN_ENCRYPT);
    /* A password is encrypted even where the endpoint has no security. */
    const struct ua_endpoint_description *none =
        ua_endpoint_pick(r->endpoints, r->endpoints_n, ua_policy_at(UA_POLICY_NONE), UA_MODE_NONE);
    CHECK_STR(ua_token_policy(none, UA_TOKEN_USER_NAME)->security_policy_uri,
              "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256");
    struct str other = STR("http://opcfoundation.org/UA-Profile/Transport/https-uabinary");
    q.profile_uris = &other;
    q.profile_uris_n = 1;
    r = CALL(c, get_endpoints, &q);
    CHECK(r && r->endpoints_n == 0);
    struct ua_find_servers_request f = {0};
    struct ua_find_servers_response *s = CALL(c, find_servers, &f);
    CHECK(s && s->servers_n == 1 && s->servers[0].application_type == UA_APP_SERVER);
    client_free(c);
    obed_test(b);
    CHECK_INT(b->test_code, 0);
    CHECK(strstr(b->test_detail, "listening on opc.tcp://127.0.0.1:"));
    obed_free(b);
}

TEST(without_the_option_none_is_for_discovery_alone)
{
    struct obed *b = server_new();
    server_open(b, "");
    struct client *c = client_open(b);
    struct ua_get_endpoints_request q = {0};
    struct ua_get_endpoints_response *r = CALL(c, get_endpoints, &q);
    CHECK(r && r->endpoints_n == 3);
    CHECK(!create_session(c));
    CHECK_INT(c->status, UA_BAD_SECURITY_POLICY_REJECTED);
    client_free(c);
    obed_free(b);
}

TEST(every_policy_and_mode)
{
    struct obed *b = server("");
    b->trust_answer = 1;
    obed_point(b, "A", "", VALUE_DOUBLE);
    obed_set(b);
    obed_value(b, 0, 1.5);
    for (unsigned p = UA_POLICY_BASIC256SHA256; p < UA_POLICY_COUNT; p++)
        for (unsigned m = UA_MODE_SIGN; m <= UA_MODE_SIGN_ENCRYPT; m++) {
            struct client *c = client_secure(b, identity(1), (enum ua_policy_id)p, (enum ua_mode)m);
            CHECK(c->open);
            CHECK(create_session(c) && activate(c, NULL, NULL));
            CHECK_DBL(read_value(c, "A").value.u.d, 1.5, 0);
            client_free(c);
        }
    obed_free(b);
}

TEST(clients_must_be_trusted)
{
    struct obed *b = server(",\"basic256sha256\":true");
    struct client *c = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    CHECK(!c->open && c->over);
    CHECK_INT(c->channel_status, UA_BAD_SECURITY_CHECKS_FAILED);
    CHECK(strstr(b->last_log, "BadCertificateUntrusted") || b->warnings > 0);
    client_free(c);
    obed_free(b);
    char more[8192], *p = more;
    p += snprintf(p, sizeof more, ",\"trusted\":\"");
    for (const char *t = identity(1)->pem; *t; t++) p += *t == '\n' ? snprintf(p, 3, "\\n") : snprintf(p, 2, "%c", *t);
    snprintf(p, 8, "\"");
    b = server(more);
    c = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    CHECK(c->open);
    client_free(c);
    c = client_secure(b, identity(2), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    CHECK(!c->open);
    client_free(c);
    obed_free(b);
}

TEST(a_session_needs_the_key_of_its_certificate)
{
    struct obed *b = server(",\"trust\":\"any\"");
    struct client *c = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    REQUIRE(create_session(c));
    c->own = identity(2); /* signs with another key */
    CHECK(!activate(c, NULL, NULL));
    CHECK_INT(c->status, UA_BAD_APPLICATION_SIGNATURE_INVALID);
    c->own = identity(1);
    CHECK(activate(c, NULL, NULL));
    c->own = identity(2); /* a session with another certificate than that of the channel */
    CHECK(!create_session(c));
    CHECK_INT(c->status, UA_BAD_CERTIFICATE_INVALID);
    client_free(c);
    obed_free(b);
}

static bool sign_in(struct client *c, const char *user, const char *password, bool plain)
{
    struct ua_get_endpoints_request q = {0};
    struct ua_get_endpoints_response *r = CALL(c, get_endpoints, &q);
    struct error e;
    struct ua_extension token = {0};
    REQUIRE_OR(r, false);
    const struct ua_endpoint_description *at = ua_endpoint_pick(r->endpoints, r->endpoints_n, c->policy, c->mode);
    struct ua_identity i = {at, c->policy, c->mode, identity(0)->cert, c->nonce, plain};
    if (ua_identity_user(&i, str_of(user), str_of(password), &c->a, &token, &e)) return false;
    if (plain) {
        struct ua_user_name_identity_token *t = token.value;
        t->password = str_of(password);
        t->encryption_algorithm = STR_NULL;
    }
    return activate(c, &token, NULL);
}
TEST(users_by_password)
{
    struct obed *b = server(",\"anonymous\":false");
    b->user = "wang";
    b->password = "密码123";
    struct client *c = client_open(b);
    REQUIRE(create_session(c));
    CHECK(!activate(c, NULL, NULL));
    CHECK_INT(c->status, UA_BAD_IDENTITY_TOKEN_REJECTED);
    CHECK(!sign_in(c, "wang", "x", false));
    CHECK_INT(c->status, UA_BAD_USER_ACCESS_DENIED);
    CHECK(!sign_in(c, "wang", "密码123", true)); /* readable on the wire: not even asked */
    CHECK_INT(c->status, UA_BAD_IDENTITY_TOKEN_INVALID);
    CHECK_INT(b->logins, 1);
    CHECK(sign_in(c, "wang", "密码123", false));
    struct outlet_peer p[4];
    CHECK_INT(b->outlet->peers(b->ch, p, 4), 1);
    CHECK_Z(p[0].who, "wang");
    CHECK(strncmp(p[0].address, "127.0.0.1:", 10) == 0);
    client_free(c);
    obed_free(b);
}
TEST(a_login_that_ends_after_its_connection)
{
    struct obed *b = server("");
    b->user = "wang";
    b->password = "p";
    for (int how = 0; how < 2; how++) {
        struct client *c = client_open(b);
        struct ua_user_name_identity_token t = {.policy_id = STR("x"), .user_name = STR("wang")};
        REQUIRE(create_session(c));
        struct ua_activate_session_request q = {.user_identity_token =
                                                    ua_extension_of(UA_T_user_name_identity_token, &t)};
        CHECK_INT(ua_secret_encrypt(ua_policy_at(UA_POLICY_BASIC256SHA256), identity(0)->cert, c->nonce, STR("p"),
                                    &c->a, &t.password, &t.encryption_algorithm),
                  0);
        unsigned before = b->logins;
        client_send(c, UA_T_activate_session_request, &q);
        if (how == 0) UNTIL(b, b->logins > before);
        client_free(c);
    }
    UNTIL(b, SERVER(b)->nconns == 0 && SERVER(b)->jobs == NULL);
    b->skip_ns += 61000 * NS_MS; /* the one that came in before the connection went */
    os_pump(SERVER(b));
    CHECK_INT(SERVER(b)->nsessions, 0);
    obed_free(b);
}

TEST(users_by_certificate)
{
    char more[8192], *p = more;
    p += snprintf(p, sizeof more, ",\"trust\":\"any\",\"user_certificate\":true,\"trusted_users\":\"");
    for (const char *t = identity(2)->pem; *t; t++) p += *t == '\n' ? snprintf(p, 3, "\\n") : snprintf(p, 2, "%c", *t);
    snprintf(p, 8, "\"");
    struct obed *b = server(more);
    for (unsigned who = 1; who <= 2; who++) {
        struct client *c = client_secure(b, identity(1), UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN_ENCRYPT);
        struct ua_get_endpoints_request q = {0};
        struct ua_get_endpoints_response *r = CALL(c, get_endpoints, &q);
        struct ua_extension token;
        struct ua_signature_data sig;
        struct error e;
        REQUIRE(r && create_session(c));
        const struct ua_endpoint_description *at = ua_endpoint_pick(r->endpoints, r->endpoints_n, c->policy, c->mode);
        struct ua_identity i = {at, c->policy, c->mode, identity(0)->cert, c->nonce, false};
        CHECK_INT(ua_identity_cert(&i, identity(who)->cert, identity(who)->key, &c->a, &token, &sig, &e), 0);
        CHECK_INT(activate(c, &token, &sig), who == 2);
        if (who == 1) CHECK_INT(c->status, UA_BAD_IDENTITY_TOKEN_REJECTED);
        client_free(c);
    }
    obed_free(b);
}

TEST(what_needs_a_session)
{
    struct obed *b = server("");
    struct client *c = client_open(b), *d = client_open(b);
    struct ua_browse_description n = {.node_id = ua_id(0, UA_NODE_OBJECTS_FOLDER)};
    struct ua_browse_request q = {.nodes_to_browse = &n, .nodes_to_browse_n = 1};
    CHECK(CALL(c, browse, &q) == NULL);
    CHECK_INT(c->status, UA_BAD_SESSION_ID_INVALID);
    REQUIRE(create_session(c));
    CHECK_INT(SERVER(b)->nsessions, 1);
    CHECK(CALL(c, browse, &q) == NULL); /* used before it was activated: that ends it */
    CHECK_INT(c->status, UA_BAD_SESSION_NOT_ACTIVATED);
    CHECK_INT(SERVER(b)->nsessions, 0);
    REQUIRE(create_session(c) && activate(c, NULL, NULL));
    d->token = c->token; /* of another connection */
    CHECK(CALL(d, browse, &q) == NULL);
    CHECK_INT(d->status, UA_BAD_SECURE_CHANNEL_ID_INVALID);
    CHECK(CALL(c, browse, &q) != NULL);
    struct ua_close_session_request close = {.delete_subscriptions = true};
    CHECK(CALL(c, close_session, &close) != NULL);
    CHECK(CALL(c, browse, &q) == NULL);
    CHECK_INT(c->status, UA_BAD_SESSION_ID_INVALID);
    struct ua_history_update_request unknown = {0};
    CHECK(client_call(c, UA_T_history_update_request, &unknown) == NULL);
    CHECK_INT(c->status, UA_BAD_SERVICE_UNSUPPORTED);
    client_free(c);
    client_free(d);
    obed_free(b);
}

TEST(a_session_moves_to_another_connection)
{
    struct obed *b = server("");
    struct client *c = session(b), *d = client_open(b);
    d->token = c->token;
    d->nonce = c->nonce;
    CHECK(activate(d, NULL, NULL));
    CHECK_INT(SERVER(b)->nsessions, 1);
    CHECK_INT(read_attr(d, ua_id(0, UA_NODE_SERVER_SERVER_STATUS_STATE), UA_ATTR_VALUE).value.u.i32, UA_SERVER_RUNNING);
    struct ua_read_request q = {0};
    CHECK(CALL(c, read, &q) == NULL);
    CHECK_INT(c->status, UA_BAD_SECURE_CHANNEL_ID_INVALID);
    client_free(c); /* the session stays with the other one */
    client_free(d);
    UNTIL(b, SERVER(b)->nconns == 0);
    CHECK_INT(SERVER(b)->nsessions, 1);
    b->skip_ns += 61000 * NS_MS;
    os_pump(SERVER(b));
    CHECK_INT(SERVER(b)->nsessions, 0);
    obed_free(b);
}

TEST(sessions_have_a_maximum)
{
    struct obed *b = server(",\"max_sessions\":2");
    struct client *c = session(b), *d = session(b), *f = client_open(b);
    CHECK(!create_session(f));
    CHECK_INT(f->status, UA_BAD_TOO_MANY_SESSIONS);
    struct ua_close_session_request close = {0};
    CHECK(CALL(d, close_session, &close));
    CHECK(create_session(d));
    CHECK(create_session(f)); /* in place of the one that nobody activated */
    CHECK(!activate(d, NULL, NULL));
    CHECK_INT(d->status, UA_BAD_SESSION_ID_INVALID);
    CHECK(activate(f, NULL, NULL));
    client_free(c);
    client_free(d);
    client_free(f);
    obed_free(b);
}

TEST(a_key_is_made_where_none_is_given)
{
    struct obed *b = server_new();
    b->cert_pem = NULL;
    server_open(b, ",\"none\":true");
    CHECK(SERVER(b)->own != NULL);
    struct client *c = session(b);
    client_free(c);
    obed_free(b);
}
static int slow_identity(void *ctx, const char *purpose, const char **ret_cert, const char **ret_key)
{
    struct obed *b = ctx;
    CHECK_Z(purpose, "opcua");
    if (b->cert_pem == NULL) return ERR_AGAIN;
    *ret_cert = b->cert_pem;
    *ret_key = b->key_pem;
    return 0;
}
static struct str shown(struct client *c)
{
    struct ua_get_endpoints_request q = {0};
    struct ua_get_endpoints_response *r = CALL(c, get_endpoints, &q);
    return r && r->endpoints_n ? r->endpoints[0].server_certificate : STR_NULL;
}
TEST(the_certificate_of_the_node_is_waited_for_and_renewed)
{
    struct obed *b = server_new();
    b->host.identity = slow_identity;
    b->cert_pem = NULL;
    obed_open(b, "{\"port\":0,\"address\":\"127.0.0.1\",\"none\":true}");
    for (int k = 0; k < 3; k++) bed_step(b);
    CHECK(!SERVER(b)->listening && !SERVER(b)->working);
    b->cert_pem = identity(0)->pem;
    UNTIL(b, SERVER(b)->listening);
    struct client *c = client_open(b);
    CHECK(str_eq(shown(c), ua_cert_info(identity(0)->cert)->der));
    b->cert_pem = identity(2)->pem;
    b->key_pem = identity(2)->key_pem;
    b->skip_ns += 11000 * NS_MS;
    struct client *d = client_open(b); /* the new one has the new certificate, the old one keeps its own */
    CHECK(str_eq(shown(d), ua_cert_info(identity(2)->cert)->der));
    CHECK(str_eq(shown(c), ua_cert_info(identity(0)->cert)->der));
    CHECK_Z(SERVER(b)->cfg.uri, "urn:test:2");
    client_free(c);
    client_free(d);
    obed_free(b);
}
TEST(closing_while_the_key_is_made)
{
    struct obed *b = server_new();
    b->cert_pem = NULL;
    obed_open(b, "{\"port\":0}");
    UNTIL(b, SERVER(b)->working);
    obed_free(b);
}
TEST(a_port_that_is_taken_is_tried_again)
{
    struct obed *b = server(""), *d = server_new();
    char json[100];
    snprintf(json, sizeof json, "{\"address\":\"127.0.0.1\",\"port\":%u}", SERVER(b)->port);
    obed_open(d, json);
    UNTIL(d, SERVER(d)->st.state == DRIVER_DOWN);
    CHECK(strstr(d->last_error, "another program may have the port"));
    obed_test(d);
    CHECK_INT(d->test_code, ERR_UNAVAILABLE);
    obed_free(b);
    d->skip_ns += 2000 * NS_MS;
    UNTIL(d, (os_pump(SERVER(d)), SERVER(d)->listening));
    CHECK_INT(d->state, DRIVER_UP);
    obed_free(d);
}
static void refused(const char *json, const char *where)
{
    struct obed *b = server_new();
    struct error e = {0};
    struct outlet_channel *ch = NULL;
    CHECK(b->outlet->channel_open(&b->host, bed_options(b, b->outlet->channel_options, json), &ch, &e) != 0);
    CHECK(strstr(e.where, where));
    CHECK(e.text[0] && e.text_zh[0]);
    obed_free(b);
}
TEST(options_that_cannot_be)
{
    refused("{\"basic256sha256\":false,\"aes128_sha256_rsaoaep\":false,\"aes256_sha256_rsapss\":false}",
            "basic256sha256");
    refused("{\"anonymous\":false,\"username\":false}", "anonymous");
    refused("{\"address\":\"plant\"}", "address");
    refused("{\"certificate\":\"x\",\"private_key\":\"y\"}", "certificate");
    refused("{\"trusted\":\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"}", "trusted");
}
