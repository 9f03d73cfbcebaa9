/* Two processes on one database (PostgreSQL): what one changes, the other knows within a second. */
#include <time.h>
#include "core/api/api_int.h"
#include "core/api/api_test.h"
#include "core/auth/auth_int.h"

TEST(a_database_of_one_process_has_no_peers)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    CHECK((r.api->auth->peers != NULL) == sql_fixture_shared());
    rig_close(&r);
}

static int64_t mono_ms(void)
{
    return (int64_t)(clock_mono_ns(clock_real()) / 1000000);
}

/* Asks again and again until the answer has this status; false after a second. */
static bool soon(struct rig *r, const char *target, int status)
{
    const struct timespec some = {0, 5000000};
    for (int64_t end = mono_ms() + 1000; mono_ms() < end; nanosleep(&some, NULL))
        if (rig_call(r, "GET", target, NULL) == status) return true;
    return false;
}

static bool open_two(struct rig *a, struct rig *b)
{
    char url[400];
    snprintf(url, sizeof(url), "sqlite:%s/peers.db", test_tmpdir());
    if (rig_open_at(a, url, NULL) || rig_open_at(b, url, NULL)) {
        test_fail(__FILE__, __LINE__, "cannot open");
        return false;
    }
    sim_rng_init(&b->rng, 43);
    rig_admin(a);
    memcpy(b->cookie, a->cookie, sizeof(b->cookie));
    return soon(b, "/api/v1/session", 200);
}

static void close_two(struct rig *a, struct rig *b)
{
    rig_close(b);
    a->fresh = true;
    rig_close(a);
}

struct counted {
    pthread_mutex_t lock;
    int64_t newest;
};
static void note(void *ctx, int64_t newest)
{
    struct counted *c = ctx;
    pthread_mutex_lock(&c->lock);
    c->newest = newest;
    pthread_mutex_unlock(&c->lock);
}

SERVER_TEST(resources_of_the_other_reach_watchers_and_permission)
{
    struct rig a, b;
    char viewer[64];
    struct counted seen = {PTHREAD_MUTEX_INITIALIZER, 0};
    REQUIRE(open_two(&a, &b));
    REQUIRE(kernel_watch(b.kernel, note, &seen) == 0);
    rig_user(&a, "anna", "viewer", viewer);
    memcpy(b.cookie, viewer, sizeof(viewer));
    CHECK(soon(&b, "/api/v1/users/anna", 403)); /* signed in here too, and no more than a viewer */
    CHECK_INT(rig_call(&a, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"roles\":[\"administrator\"]}}"), 200);
    CHECK(soon(&b, "/api/v1/users/anna", 200));
    CHECK_INT(rig_call(&a, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"disabled\":true}}"), 200);
    CHECK(soon(&b, "/api/v1/session", 401));
    pthread_mutex_lock(&seen.lock);
    CHECK_INT(seen.newest, kernel_seq(a.kernel));
    pthread_mutex_unlock(&seen.lock);
    kernel_unwatch(b.kernel, note, &seen);
    close_two(&a, &b);
}

SERVER_TEST(revocations_reach_the_other)
{
    struct rig a, b;
    char admin[64], path[128], id[64];
    REQUIRE(open_two(&a, &b));
    memcpy(admin, a.cookie, sizeof(admin));
    CHECK_INT(rig_call(&a, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"), 200);
    rig_nobody(&b);
    str_to_cstr(rig_str(&a, "token"), b.bearer, sizeof(b.bearer));
    str_to_cstr(rig_str(&a, "id"), id, sizeof(id));
    CHECK(soon(&b, "/api/v1/session", 200));
    snprintf(path, sizeof(path), "/api/v1/tokens/%s", id);
    CHECK_INT(rig_call(&a, "DELETE", path, NULL), 204);
    CHECK(soon(&b, "/api/v1/session", 401));
    b.bearer[0] = 0;
    memcpy(b.cookie, admin, sizeof(admin));
    CHECK_INT(rig_call(&b, "GET", "/api/v1/session", NULL), 200);
    CHECK_INT(rig_call(&a, "DELETE", "/api/v1/session", NULL), 204); /* signs out there */
    CHECK(soon(&b, "/api/v1/session", 401));
    rig_nobody(&b); /* the password that was set there signs in here */
    CHECK_INT(rig_call(&b, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}"),
              200);
    close_two(&a, &b);
}

SERVER_TEST(both_continue_one_audit_chain)
{
    struct rig a, b;
    struct error e = {0};
    int64_t seq = 0;
    REQUIRE(open_two(&a, &b));
    for (int i = 0; i < 6; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"code\":\"r%d\",\"name\":\"r\",\"spec\":{}}", i);
        CHECK_INT(rig_call(i % 2 ? &a : &b, "POST", "/api/v1/roles", body), 201);
    }
    CHECK_INT(audit_verify(a.api->audit, &seq, &e), 0);
    CHECK(seq >= 6);
    close_two(&a, &b);
}
