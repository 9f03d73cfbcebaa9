/* Signing in: link, passwords, back-off, sessions, tokens, revocation; and the parts below. */
#include "core/api/api_test.h"
#include "core/auth/auth_backoff.h"
#include "core/auth/auth_int.h"

static struct permissions *role(const char *json)
{
    AUTO_ARENA a;
    struct json *v = NULL;
    struct permissions *p = NULL;
    arena_init(&a, 1 << 20);
    CHECK(json_parse(&a, str_of(json), &v, NULL) == 0);
    CHECK(perm_of_role(v, &p) == 0);
    return p;
}

TEST(permissions_star_and_protected)
{
    AUTO_FREE struct permissions *p = role(
        "[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\"]},{\"kinds\":[\"point\"],\"actions\":[\"control\"]}]");
    CHECK(permitted(p, "channel", ACT_READ) && permitted(p, "channel", ACT_WRITE));
    CHECK(!permitted(p, "channel", ACT_DELETE) && !permitted(p, "channel", ACT_CONTROL));
    CHECK(permitted(p, "point", ACT_CONTROL) && permitted(p, "point", ACT_READ));
    CHECK(!permitted(p, "user", ACT_READ) && !permitted(p, "role", ACT_WRITE) && !permitted(p, "audit", ACT_READ));
    AUTO_FREE struct permissions *all = role("[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"admin\"]}]");
    CHECK(permitted(all, "user", ACT_READ) && permitted(all, "user", ACT_ADMIN) && !permitted(all, "user", ACT_WRITE));
    CHECK(permitted(NULL, "user", ACT_ADMIN));
}

TEST(password_rules_table)
{
    static const struct {
        const char *pw, *login;
        bool ok;
    } t[] = {
        {"short", "anna", false},
        {"correct horse battery", "anna", true},
        {"anna-is-my-name", "anna", false},
        {"1234567890", "anna", false},
        {"Password12345", "anna", false},
        {"aaaaaaaaaaaaaa", "anna", false},
        {"铜冶炼厂转炉车间一班组长", "anna", true},
        {"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe", "anna", false},
        {"P@ssw0rd!!2026", "anna", false},
        {"Tin-roof-rusted", "ab", true},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct error e = {0};
        int rc = password_rules(str_of(t[i].pw), str_of(t[i].login), &e);
        CHECK_INT(rc, t[i].ok ? 0 : ERR_INVALID);
        CHECK(t[i].ok || e.text_zh[0]);
    }
}

TEST(password_hash_holds_its_parameters)
{
    char hash[PASSWORD_HASH_MAX];
    struct sim_rng rng;
    sim_rng_init(&rng, 1);
    REQUIRE(password_hash(&(struct password_cost){19456, 2, 1}, &rng.rng, STR("correct horse"), hash) == 0);
    CHECK(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
    CHECK(password_verify(hash, STR("correct horse")));
    CHECK(!password_verify(hash, STR("correct hors")) && !password_verify(hash, STR("")) &&
          !password_verify("rubbish", STR("x")));
}

TEST(backoff_grows_and_forgets)
{
    static struct backoff b;
    const uint64_t s = 1000000000ULL;
    uint64_t now = 1000 * s;
    backoff_init(&b);
    for (int i = 0; i < 4; i++) backoff_failed(&b, "login", STR("anna"), now);
    CHECK_INT(backoff_wait(&b, "login", STR("anna"), now), 0);
    backoff_failed(&b, "login", STR("anna"), now);
    CHECK_INT(backoff_wait(&b, "login", STR("anna"), now), 1);
    CHECK_INT(backoff_wait(&b, "peer", STR("anna"), now), 0);
    for (int i = 0; i < 20; i++) backoff_failed(&b, "login", STR("anna"), now);
    CHECK_INT(backoff_wait(&b, "login", STR("anna"), now), BACKOFF_MAX_S);
    now += (BACKOFF_FORGET_S + 1) * s;
    backoff_failed(&b, "login", STR("anna"), now);
    CHECK_INT(backoff_wait(&b, "login", STR("anna"), now), 0);
    for (int i = 0; i < 100000; i++) { /* bounded whatever comes */
        char key[32];
        snprintf(key, sizeof(key), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        backoff_failed(&b, "peer", str_of(key), now);
    }
    backoff_fini(&b);
}

TEST(buckets_refill)
{
    static struct buckets b;
    uint64_t now = 5000000000ULL;
    int taken = 0;
    buckets_init(&b);
    for (int i = 0; i < 50; i++) taken += bucket_take(&b, 3, STR("10.0.0.1"), 30, now);
    CHECK_INT(taken, 30);
    CHECK(bucket_take(&b, 3, STR("10.0.0.2"), 30, now) && bucket_take(&b, 4, STR("10.0.0.1"), 30, now));
    CHECK(!bucket_take(&b, 3, STR("10.0.0.1"), 30, now + 1000000000ULL));
    CHECK(bucket_take(&b, 3, STR("10.0.0.1"), 30, now + 3000000000ULL));
    buckets_fini(&b);
}

TEST(map_puts_and_takes_many)
{
    struct auth_map m;
    uint8_t key[DIGEST];
    auth_map_init(&m, 5000);
    for (size_t i = 1; i <= 5000; i++) {
        auth_digest(str_make((const char *)&i, sizeof(i)), key);
        CHECK_INT(auth_map_put(&m, key, (void *)i), 0);
    }
    CHECK_INT(auth_map_put(&m, key, &m), ERR_LIMIT);
    for (size_t i = 1; i <= 5000; i += 2) {
        auth_digest(str_make((const char *)&i, sizeof(i)), key);
        CHECK(auth_map_take(&m, key) == (void *)i);
    }
    for (size_t i = 1; i <= 5000; i++) {
        auth_digest(str_make((const char *)&i, sizeof(i)), key);
        CHECK(auth_map_get(&m, key) == (i % 2 ? NULL : (void *)i));
    }
    CHECK_INT(m.n, 2500);
    mem_free(m.slots);
}

TEST(secrets_are_base64url_of_32_bytes)
{
    char a[AUTH_TOKEN_CHARS + 1], b[AUTH_TOKEN_CHARS + 1];
    struct buf raw;
    auth_secret(rng_real(), a);
    auth_secret(rng_real(), b);
    buf_init(&raw, 64);
    CHECK_INT(strlen(a), AUTH_TOKEN_CHARS);
    CHECK(strcmp(a, b) != 0);
    CHECK_INT(base64_decode(&raw, str_of(a), true), 0);
    CHECK_INT(raw.n, 32);
    buf_fini(&raw);
}

TEST(link_signs_in_once)
{
    struct rig r;
    char link[65], second[65], body[128];
    struct error e = {0};
    REQUIRE(rig_open(&r, NULL) == 0);
    REQUIRE(api_first_link(r.api, link, &e) == 0);
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", link);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"link\":\"wrong\"}"), 401);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 200);
    CHECK_STR(rig_str(&r, "user.login"), "admin");
    CHECK_STR(rig_str(&r, "user.roles.0"), "administrator");
    CHECK(json_bool(json_get(r.json, "must_set_password"), false));
    rig_take_cookie(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 401); /* used */
    CHECK_INT(api_first_link(r.api, second, &e), 0);               /* no password yet: another one may be made */
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session/password", "{\"new\":\"correct horse battery\"}"), 204);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    CHECK(!json_bool(json_get(r.json, "must_set_password"), true));
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", second);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 401); /* a password ends it */
    CHECK_INT(api_first_link(r.api, link, &e), ERR_EXISTS);
    rig_close(&r);
}

TEST(link_is_the_way_back_when_nobody_can_administer)
{
    struct rig r;
    char link[65], body[128];
    struct error e = {0};
    REQUIRE(rig_open(&r, NULL) == 0);
    REQUIRE(api_first_link(r.api, link, &e) == 0);
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", link);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 200);
    rig_take_cookie(&r);
    char anna[64];
    rig_user(&r, "anna", "viewer", anna);          /* has a password, but cannot administer */
    REQUIRE(api_first_link(r.api, link, &e) == 0); /* and admin has set none */
    CHECK_INT(rig_call(&r, "POST", "/api/v1/users",
                       "{\"code\":\"bob\",\"name\":\"Bob\",\"spec\":{\"roles\":[\"administrator\"]}}"),
              201);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/admin", "{\"spec\":{\"disabled\":true}}"), 200);
    rig_nobody(&r);
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", link);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 200);
    CHECK_STR(rig_str(&r, "user.login"), "admin");
    CHECK_STR(rig_str(&r, "user.roles.0"), "administrator");
    rig_close(&r);
}

TEST(link_runs_out)
{
    struct rig r;
    char link[65], body[128];
    struct error e = {0};
    REQUIRE(rig_open(&r, NULL) == 0);
    REQUIRE(api_first_link(r.api, link, &e) == 0);
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", link);
    sim_clock_advance(&r.clock, AUTH_LINK_US + 1);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", body), 401);
    rig_close(&r);
}

TEST(login_answers_alike_for_unknown_users)
{
    struct rig r;
    char wrong[512];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    rig_nobody(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"not this one\"}"), 401);
    str_to_cstr(r.body, wrong, sizeof(wrong));
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"nobody\",\"password\":\"not this one\"}"), 401);
    CHECK_STR(r.body, wrong);
    CHECK_Z(rig_answer_header(&r, "Set-Cookie"), "");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}"),
              200);
    CHECK(strstr(rig_answer_header(&r, "Set-Cookie"), "HttpOnly; SameSite=Strict"));
    rig_close(&r);
}

TEST(login_backs_off_after_five)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    rig_nobody(&r);
    for (int i = 0; i < 5; i++)
        CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"no\"}"), 401);
    const char *right = "{\"login\":\"admin\",\"password\":\"correct horse battery\"}";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", right), 429);
    CHECK_Z(rig_answer_header(&r, "Retry-After"), "1");
    snprintf(r.peer, sizeof(r.peer), "10.0.0.8"); /* another address does not help that login */
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", right), 429);
    sim_clock_advance(&r.clock, 2 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", right), 200);
    rig_close(&r);
}

TEST(sessions_end_by_idling_and_by_age)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    for (int i = 0; i < 15; i++) { /* used every 11 h: lives on, but not over 7 d */
        sim_clock_advance(&r.clock, 11LL * 3600 * TIME_US_PER_S);
        CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    }
    sim_clock_advance(&r.clock, 4LL * 3600 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_nobody(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}"),
              200);
    rig_take_cookie(&r);
    sim_clock_advance(&r.clock, AUTH_IDLE_US - 1);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    sim_clock_advance(&r.clock, AUTH_IDLE_US);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_close(&r);
}

TEST(sessions_listed_and_killed)
{
    struct rig r;
    char anna[64], admin[64], path[96];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    memcpy(admin, r.cookie, 64);
    rig_user(&r, "anna", "viewer", anna);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/sessions", NULL), 200);
    CHECK_INT(rig_i64(&r, "total"), 1); /* her own only */
    CHECK(json_bool(json_path(r.json, "items.0.current"), false));
    snprintf(path, sizeof(path), "/api/v1/sessions/%.*s", STR_ARG(rig_str(&r, "items.0.id")));
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/sessions", NULL), 200);
    CHECK_INT(rig_i64(&r, "total"), 2);
    CHECK_INT(rig_call(&r, "DELETE", path, NULL), 204);
    CHECK_INT(rig_call(&r, "DELETE", path, NULL), 404);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/session", NULL), 204);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_close(&r);
}

TEST(revocation_is_immediate)
{
    struct rig r;
    char admin[64], anna[64];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    memcpy(admin, r.cookie, 64);
    rig_user(&r, "anna", "engineer", anna);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/users", NULL), 403);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"), 200);
    char token[64];
    str_to_cstr(rig_str(&r, "token"), token, sizeof(token));
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"roles\":[\"administrator\"]}}"), 200);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/users", NULL), 200);
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"disabled\":true}}"), 200);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_nobody(&r);
    snprintf(r.bearer, sizeof(r.bearer), "%s", token);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_nobody(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"anna\",\"password\":\"a long enough secret\"}"),
              401);
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"disabled\":false}}"), 200);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/users/anna", NULL), 204);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_close(&r);
}

TEST(last_administrator_stays)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/users/admin", NULL), 409);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/admin", "{\"spec\":{\"disabled\":true}}"), 409);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/admin", "{\"spec\":{\"roles\":[\"viewer\"]}}"), 409);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/roles/administrator", NULL), 409);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/roles/administrator", "{\"spec\":{\"permissions\":[]}}"), 409);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/admin", "{\"spec\":{\"display_name\":\"The boss\"}}"), 200);
    rig_close(&r);
}

TEST(tokens_allow_no_more_than_their_owner)
{
    struct rig r;
    char anna[64], token[64], path[96];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    rig_user(&r, "anna", "operator", anna);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"engineer\"]}"), 403);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"nonsense\"]}"), 400);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"\",\"roles\":[\"viewer\"]}"), 400);
    CHECK_INT(
        rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"],\"expires_at\":\"2001-01-01\"}"),
        400);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens",
                       "{\"name\":\"t\",\"roles\":[\"viewer\"],\"expires_at\":\"2026-06-15T00:00:00Z\"}"),
              200);
    str_to_cstr(rig_str(&r, "token"), token, sizeof(token));
    CHECK(strncmp(token, "bn_", 3) == 0 && strlen(token) == 46);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/tokens", NULL), 200);
    CHECK_INT(rig_i64(&r, "total"), 1);
    CHECK(!str_has(r.body, str_of(token + 3)));
    snprintf(path, sizeof(path), "/api/v1/tokens/%.*s", STR_ARG(rig_str(&r, "items.0.id")));
    rig_nobody(&r);
    snprintf(r.bearer, sizeof(r.bearer), "%s", token);
    r.no_csrf_header = true;
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session/password",
                       "{\"old\":\"a long enough secret\",\"new\":\"another long secret\"}"),
              403);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"), 403);
    sim_clock_advance(&r.clock, 366LL * 86400 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401);
    rig_close(&r);
}

TEST(own_password_needs_the_old_one)
{
    struct rig r;
    char admin[64];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    memcpy(admin, r.cookie, 64);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session/password", "{\"new\":\"another long secret\"}"), 403);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session/password", "{\"old\":\"correct horse battery\",\"new\":\"short\"}"),
              400);
    CHECK_STR(rig_str(&r, "where"), "new");
    rig_nobody(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}"),
              200);
    rig_take_cookie(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session/password",
                       "{\"old\":\"correct horse battery\",\"new\":\"another long secret\"}"),
              204);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200); /* this one stays */
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 401); /* the others end */
    rig_close(&r);
}

TEST(people_stay_signed_in_over_a_restart)
{
    struct rig r, again;
    char url[512], cookie[64], token[64];
    struct error e = {0};
    snprintf(url, sizeof(url), "sqlite:%s/kernel.db", test_tmpdir());
    REQUIRE(rig_open_at(&r, url, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"), 200);
    str_to_cstr(rig_str(&r, "token"), token, sizeof(token));
    memcpy(cookie, r.cookie, sizeof(cookie));
    rig_nobody(&r);
    memcpy(r.bearer, token, sizeof(token));
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    rig_close(&r);
    REQUIRE(rig_open_at(&again, url, NULL) == 0);
    memcpy(again.cookie, cookie, sizeof(cookie));
    CHECK_INT(rig_call(&again, "GET", "/api/v1/session", NULL), 200);
    CHECK(!json_bool(json_get(again.json, "must_set_password"), true));
    CHECK_INT(rig_call(&again, "GET", "/api/v1/tokens", NULL), 200);
    CHECK(rig_str(&again, "items.0.used_at").n > 0); /* kept over the restart */
    rig_nobody(&again);
    memcpy(again.bearer, token, sizeof(token));
    CHECK_INT(rig_call(&again, "GET", "/api/v1/session", NULL), 200);
    rig_nobody(&again);
    char link[65];
    CHECK_INT(api_first_link(again.api, link, &e), ERR_EXISTS);
    CHECK_INT(rig_call(&again, "GET", "/api/v1/roles", NULL), 401);
    rig_close(&again);
}

/* Whatever allocation fails: nobody gets in, nothing is changed by who may not, nothing leaks. */
TEST(fails_closed_without_memory)
{
    struct rig r;
    char anna[64];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    rig_user(&r, "anna", "viewer", anna);
    memcpy(r.cookie, anna, 64);
    for (uint64_t n = 1; n < 60; n++) {
        mem_fail_at(n, n % 2);
        int status = rig_call(&r, "POST", "/api/v1/roles", "{\"code\":\"evil\",\"name\":\"Evil\"}");
        mem_fail_at(0, false);
        if (status != 403 && status != 401 && status != 503 && status != 404)
            test_fail(__FILE__, __LINE__, "allocation %d: %d", (int)n, status);
    }
    rig_nobody(&r);
    for (uint64_t n = 1; n < 60; n++) {
        mem_fail_at(n, n % 2);
        int status = rig_call(&r, "GET", "/api/v1/roles", NULL);
        mem_fail_at(0, false);
        if (status < 400) test_fail(__FILE__, __LINE__, "allocation %d: %d", (int)n, status);
    }
    rig_close(&r);
}

TEST(opens_or_says_why_without_memory)
{
    int failed = 0, opened = 0;
    for (uint64_t n = 1; n < 3000; n += n < 100 ? 1 : 37) {
        struct rig r;
        mem_fail_at(n, false);
        int rc = rig_open(&r, NULL);
        mem_fail_at(0, false);
        failed += rc != 0;
        opened += rc == 0;
        rig_close(&r);
    }
    CHECK(failed > 20 && opened > 0);
}
