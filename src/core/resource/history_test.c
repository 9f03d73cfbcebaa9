/* history_test.c - revisions, differences, rollback, undelete, and the change log. */
#include "core/resource/kernel_fixture.h"

static int patch(struct fixture *f, const char *kind, const char *code, const char *spec)
{
    struct resource r;
    struct resource_input in = {.spec = fixture_json(f, spec)};
    struct actor li = {.login = "li"};
    sim_clock_advance(&f->clock, 1000000);
    return resource_patch(f->k, &f->a, &li, kind, str_of(code), -1, &in, &r, &f->e);
}

TEST(history_tells_each_field)
{
    struct fixture f = {0};
    struct history_entry *h;
    struct resource r;
    size_t n;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(patch(&f, "device", "D1", "{\"host\":\"g\",\"options\":{\"port\":7}}") == 0);
    REQUIRE(patch(&f, "device", "D1", "{\"options\":{\"port\":8}}") == 0);
    REQUIRE(resource_history(f.k, &f.a, "device", STR("D1"), 0, 0, &h, &n, &f.e) == 0);
    CHECK_INT(n, 3);
    CHECK_INT(h[0].rev, 3);
    CHECK_STR(h[0].by, "li");
    CHECK_INT(h[0].op, CHANGE_UPDATE);
    CHECK_STR(json_text(&f.a, h[0].diff), "[{\"path\":\"spec.options.port\",\"before\":7,\"after\":8}]");
    CHECK_STR(json_text(&f.a, h[1].diff), "[{\"path\":\"spec.host\",\"before\":\"h\",\"after\":\"g\"},"
                                          "{\"path\":\"spec.options.port\",\"before\":null,\"after\":7}]");
    CHECK_INT(h[2].op, CHANGE_CREATE);
    CHECK_STR(json_text(&f.a, h[2].diff),
              "[{\"path\":\"code\",\"before\":null,\"after\":\"D1\"},{\"path\":\"name\","
              "\"before\":null,\"after\":\"D1\"},{\"path\":\"spec.host\",\"before\":null,\"after\":\"h\"}]");
    REQUIRE(resource_history(f.k, &f.a, "device", STR("D1"), 1, 1, &h, &n, &f.e) == 0);
    CHECK_INT(n, 1);
    CHECK_INT(h[0].rev, 2);
    CHECK_INT(json_count(h[0].diff), 2);
    REQUIRE(resource_at_rev(f.k, &f.a, "device", STR("D1"), 2, &r, &f.e) == 0);
    CHECK_STR(json_text(&f.a, r.spec), "{\"host\":\"g\",\"options\":{\"port\":7}}");
    CHECK_INT(r.updated_us, 1790000001000000LL);
    CHECK_INT(resource_at_rev(f.k, &f.a, "device", STR("D1"), 9, &r, &f.e), ERR_NOT_FOUND);
    CHECK_Z(f.e.text, "'D1' has no revision 9; it has 1 to 3");
    fixture_close(&f);
}

TEST(rollback_makes_a_new_revision)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(patch(&f, "device", "D1", "{\"host\":\"g\"}") == 0);
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "device", STR("D1"), 1, 1, &r, &f.e), ERR_CONFLICT);
    REQUIRE(resource_rollback(f.k, &f.a, &actor_system, "device", STR("D1"), 1, 2, &r, &f.e) == 0);
    CHECK_INT(r.rev, 3);
    CHECK_STR(json_text(&f.a, r.spec), "{\"host\":\"h\"}");
    fixture_close(&f);
}

TEST(rollback_undeletes)
{
    struct fixture f = {0};
    struct resource r, t;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", &t) == 0);
    REQUIRE(resource_delete(f.k, &actor_system, "tag", STR("T1"), -1, &f.e) == 0);
    REQUIRE(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e) == 0);
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "tag", t.id, 2, -1, &r, &f.e), ERR_INVALID);
    CHECK_Z(f.e.text, "revision 2 is the deletion; choose an earlier one");
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "tag", t.id, 1, -1, &r, &f.e), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.device"); /* what it refers to is gone */
    REQUIRE(resource_rollback(f.k, &f.a, &actor_system, "device", STR("D1"), 1, -1, &r, &f.e) == 0);
    REQUIRE(resource_rollback(f.k, &f.a, &actor_system, "tag", STR("T1"), 1, -1, &r, &f.e) == 0);
    CHECK_INT(r.num, 1);
    CHECK_INT(r.rev, 3);
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e), 0);
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), ERR_REFERENCED);
    REQUIRE(resource_delete(f.k, &actor_system, "tag", STR("T1"), -1, &f.e) == 0);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", NULL) == 0);
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "tag", t.id, 1, -1, &r, &f.e), ERR_EXISTS); /* code taken */
    fixture_close(&f);
}

static void told(void *ctx, int64_t seq)
{
    *(int64_t *)ctx = seq;
}

TEST(changes_are_logged_and_signalled)
{
    struct fixture f = {0};
    struct change *c;
    size_t n;
    int64_t seen = 0;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(kernel_watch(f.k, told, &seen) == 0);
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    CHECK_INT(seen, 1);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", NULL) == 0);
    CHECK_INT(fixture_create(&f, "tag", "T2", "{\"device\":\"D2\"}", NULL), ERR_INVALID);
    REQUIRE(patch(&f, "device", "D1", "{\"host\":\"g\"}") == 0);
    kernel_unwatch(f.k, told, &seen);
    REQUIRE(resource_delete(f.k, &actor_system, "tag", STR("T1"), -1, &f.e) == 0);
    CHECK_INT(seen, 3);
    CHECK_INT(kernel_seq(f.k), 4);
    REQUIRE(kernel_changes(f.k, &f.a, 0, 100, &c, &n, &f.e) == 0);
    CHECK_INT(n, 4);
    CHECK_INT(c[1].seq, 2);
    CHECK_STR(c[1].kind, "tag");
    CHECK_INT(c[1].num, 1);
    CHECK_INT(c[2].op, CHANGE_UPDATE);
    CHECK_INT(c[2].rev, 2);
    CHECK_INT(c[3].op, CHANGE_DELETE);
    CHECK_STR(c[3].code, "T1");
    REQUIRE(kernel_changes(f.k, &f.a, 3, 100, &c, &n, &f.e) == 0);
    CHECK_INT(n, 1);
    REQUIRE(kernel_changes(f.k, &f.a, 4, 100, &c, &n, &f.e) == 0);
    CHECK_INT(n, 0);
    fixture_close(&f);
}

TEST(the_log_keeps_a_million)
{
    struct fixture f = {0};
    struct sql_tx *tx;
    struct change *c;
    size_t n;
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(sql_begin(f.db, true, &tx, &f.e) == 0);
    CHECK_INT(sql_exec(tx, &f.e, "update sequence set value = 1000999 where name = 'change'", ""), 0);
    REQUIRE(sql_commit(tx, &f.e) == 0);
    REQUIRE(patch(&f, "device", "D1", "{\"host\":\"g\"}") == 0);
    CHECK_INT(kernel_seq(f.k), 1001000);
    CHECK_INT(kernel_changes(f.k, &f.a, 0, 10, &c, &n, &f.e), ERR_RANGE);
    CHECK(strstr(f.e.text, "are gone"));
    REQUIRE(kernel_changes(f.k, &f.a, 1000999, 10, &c, &n, &f.e) == 0);
    CHECK_INT(n, 1);
    fixture_close(&f);
}
