/* Which endpoint is taken, and what each kind of token holds. */
#include "proto/opcua/ua_identity.h"
#include "proto/opcua/ua_test.h"

static struct identity server, user;
static struct arena arena;
static struct ua_user_token_policy tokens[] = {
    {.policy_id = STR("anon"), .token_type = UA_TOKEN_ANONYMOUS},
    {.policy_id = STR("plain"), .token_type = UA_TOKEN_USER_NAME},
    {.policy_id = STR("cert"), .token_type = UA_TOKEN_CERTIFICATE},
    {.policy_id = STR("jwt"), .token_type = UA_TOKEN_ISSUED},
    {.policy_id = STR("secure"),
     .token_type = UA_TOKEN_USER_NAME,
     .security_policy_uri = STR("http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss")},
};
static struct ua_endpoint_description endpoint(enum ua_policy_id p, enum ua_mode mode, uint8_t level)
{
    return (struct ua_endpoint_description){.security_policy_uri = str_of(ua_policy_at(p)->uri),
                                            .security_mode = (int32_t)mode,
                                            .security_level = level,
                                            .user_identity_tokens = tokens,
                                            .user_identity_tokens_n = 5};
}
static void prepare(void)
{
    if (server.key == NULL) server = identity_by("server", 2048), user = identity_by("user", 2048);
    if (arena.max != 0) arena_fini(&arena);
    arena_init(&arena, 1 << 20);
}

TEST(the_endpoint_is_the_one_that_was_asked_for_or_the_most_secure)
{
    struct ua_endpoint_description all[] = {
        endpoint(UA_POLICY_NONE, UA_MODE_NONE, 0),
        endpoint(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN, 5),
        endpoint(UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN_ENCRYPT, 9),
        endpoint(UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN_ENCRYPT, 9), /* over HTTPS */
        endpoint(UA_POLICY_NONE, UA_MODE_NONE, 200),                       /* a policy of tomorrow */
        endpoint(UA_POLICY_NONE, UA_MODE_SIGN, 201),                       /* makes no sense */
    };
    all[3].transport_profile_uri = STR("http://opcfoundation.org/UA-Profile/Transport/https-uabinary");
    all[4].security_policy_uri = STR("http://opcfoundation.org/UA/SecurityPolicy#ECC_nistP256");
    CHECK(ua_endpoint_pick(all, 6, NULL, 0) == &all[2]);
    CHECK(ua_endpoint_pick(all, 6, ua_policy_at(UA_POLICY_BASIC256SHA256), UA_MODE_SIGN) == &all[1]);
    CHECK(ua_endpoint_pick(all, 6, ua_policy_at(UA_POLICY_BASIC256SHA256), UA_MODE_SIGN_ENCRYPT) == NULL);
    CHECK(ua_endpoint_pick(all, 6, ua_policy_at(UA_POLICY_NONE), UA_MODE_NONE) == &all[0]);
    CHECK(ua_endpoint_pick(all, 0, NULL, 0) == NULL);
    CHECK_STR(ua_token_policy(&all[1], UA_TOKEN_USER_NAME)->policy_id, "secure");
}

TEST(tokens_of_every_kind)
{
    prepare();
    struct ua_endpoint_description e = endpoint(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN, 5);
    struct str nonce = STR("0123456789abcdef0123456789abcdef"), plain;
    struct ua_identity i = {&e, ua_policy_at(UA_POLICY_BASIC256SHA256), UA_MODE_SIGN, server.cert, nonce, false};
    struct ua_extension x;
    struct ua_signature_data s;
    struct error err = {0};
    REQUIRE(ua_identity_anonymous(&i, &arena, &x, &err) == 0);
    CHECK_STR(((struct ua_anonymous_identity_token *)ua_extension_as(&x, UA_T_anonymous_identity_token))->policy_id,
              "anon");
    REQUIRE(ua_identity_user(&i, STR("joe"), STR("secret"), &arena, &x, &err) == 0);
    struct ua_user_name_identity_token *u = ua_extension_as(&x, UA_T_user_name_identity_token);
    CHECK_STR(u->policy_id, "secure");
    CHECK_STR(u->user_name, "joe");
    CHECK_INT(ua_secret_decrypt(ua_policy_at(UA_POLICY_AES256_SHA256_RSAPSS), server.key, nonce, u->password,
                                u->encryption_algorithm, &arena, &plain),
              0);
    CHECK_STR(plain, "secret");
    REQUIRE(ua_identity_issued(&i, STR("ey.J.x"), &arena, &x, &err) == 0);
    struct ua_issued_identity_token *t = ua_extension_as(&x, UA_T_issued_identity_token);
    CHECK_INT(ua_secret_decrypt(i.policy, server.key, nonce, t->token_data, t->encryption_algorithm, &arena, &plain),
              0);
    CHECK_STR(plain, "ey.J.x");
    REQUIRE(ua_identity_cert(&i, user.cert, user.key, &arena, &x, &s, &err) == 0);
    CHECK(str_eq(((struct ua_x509_identity_token *)ua_extension_as(&x, UA_T_x509_identity_token))->certificate_data,
                 ua_cert_info(user.cert)->der));
    CHECK_INT(ua_session_verify(i.policy, user.cert, ua_cert_info(server.cert)->chain, nonce, &s), 0);
    CHECK_INT(ua_identity_cert(&i, user.cert, server.key, &arena, &x, &s, &err), ERR_INVALID);
}

TEST(passwords_do_not_travel_readable_unless_allowed)
{
    prepare();
    struct ua_endpoint_description e = endpoint(UA_POLICY_NONE, UA_MODE_NONE, 0);
    struct ua_identity i = {&e, ua_policy_at(UA_POLICY_NONE), UA_MODE_NONE, NULL, STR("n"), false};
    struct ua_extension x;
    struct error err = {0};
    e.user_identity_tokens_n = 2; /* only without a policy of its own */
    CHECK_INT(ua_identity_user(&i, STR("joe"), STR("secret"), &arena, &x, &err), ERR_FORBIDDEN);
    CHECK(err.text_zh[0] != 0);
    i.allow_plain = true;
    REQUIRE(ua_identity_user(&i, STR("joe"), STR("secret"), &arena, &x, &err) == 0);
    CHECK_STR(((struct ua_user_name_identity_token *)x.value)->password, "secret");
    e.user_identity_tokens_n = 5; /* "secure" needs the certificate */
    CHECK_INT(ua_identity_user(&i, STR("joe"), STR("secret"), &arena, &x, &err), ERR_INVALID);
    e.user_identity_tokens_n = 1;
    CHECK_INT(ua_identity_user(&i, STR("joe"), STR("secret"), &arena, &x, &err), ERR_UNSUPPORTED);
    CHECK_Z(err.text, "the endpoint does not take users by name and password");
    CHECK_Z(err.text_zh, "该端点不支持以用户名和密码方式登录");
}
