/* api_owner_test.c - saved views belong to whoever made them: lists, reads, changes, where-used, sharing. */
#include "core/api/api_test.h"

struct cast {
    char admin[64], ann[64], bob[64], eve[64];
};

static bool start(struct rig *r, struct cast *c)
{
    if (rig_open(r, NULL)) return false;
    rig_admin(r);
    memcpy(c->admin, r->cookie, sizeof c->admin);
    CHECK_INT(rig_call(r, "POST", "/api/v1/roles",
                       "{\"code\":\"viewer2\",\"spec\":{\"permissions\":[{\"kinds\":[\"saved_view\",\"role\"],"
                       "\"actions\":[\"read\",\"write\",\"delete\"]}]}}"),
              201);
    CHECK_INT(rig_call(r, "POST", "/api/v1/roles",
                       "{\"code\":\"special\",\"spec\":{\"permissions\":[{\"kinds\":[\"saved_view\",\"role\"],"
                       "\"actions\":[\"read\",\"write\",\"delete\"]}]}}"),
              201);
    rig_user(r, "ann", "viewer2", c->ann);
    rig_user(r, "bob", "viewer2", c->bob);
    rig_user(r, "eve", "special", c->eve);
    return true;
}

static void as(struct rig *r, const char cookie[64])
{
    memcpy(r->cookie, cookie, 64);
}

static const char *text_at(struct rig *r, const char *a, const char *b)
{
    const struct json *v = json_get(r->json, a);
    return arena_strdup(&r->arena, json_str(b ? json_get(v, b) : v, STR("")));
}

static int64_t total(struct rig *r, const char *cookie, const char *path)
{
    as(r, cookie);
    CHECK_INT(rig_call(r, "GET", path, NULL), 200);
    CHECK_INT(json_count(json_get(r->json, "items")), json_i64(json_get(r->json, "total"), -1));
    return json_i64(json_get(r->json, "total"), -1);
}

TEST(views_belong_to_their_makers)
{
    struct rig r;
    struct cast c;
    REQUIRE(start(&r, &c));
    as(&r, c.ann);
    REQUIRE(rig_call(&r, "POST", "/api/v1/saved-views",
                     "{\"code\":\"V1\",\"spec\":{\"kind\":\"tag\",\"owner\":\"somebody\"}}") == 201);
    const char *owner = text_at(&r, "spec", "owner");
    CHECK(strlen(owner) == 36); /* the server's, not the sender's */
    CHECK_INT(total(&r, c.ann, "/api/v1/saved-views"), 1);
    CHECK_INT(total(&r, c.bob, "/api/v1/saved-views"), 0);
    CHECK_INT(total(&r, c.bob, "/api/v1/saved-views?filter=kind%3D'tag'"), 0);
    CHECK_INT(total(&r, c.bob, "/api/v1/saved-views?q=V1"), 0);
    CHECK_INT(total(&r, c.admin, "/api/v1/saved-views"), 1);
    as(&r, c.bob);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V1", NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V1/history", NULL), 404);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/saved-views/V1", "{\"name\":\"mine\"}"), 404);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/saved-views/V1", NULL), 404);
    as(&r, c.ann);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/saved-views/V1", "{\"spec\":{\"owner\":\"x\",\"shared\":true}}"), 200);
    CHECK_Z(text_at(&r, "spec", "owner"), owner);
    CHECK_INT(total(&r, c.bob, "/api/v1/saved-views"), 1);
    as(&r, c.bob);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V1", NULL), 200);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V1/history/1", NULL), 404); /* it was hers alone then */
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/saved-views/V1", "{\"name\":\"mine\"}"), 403);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/saved-views/V1:rollback", "{\"rev\":1}"), 403);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/saved-views/V1", NULL), 403);
    as(&r, c.admin);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/saved-views/V1", "{\"name\":\"theirs\"}"), 200);
    CHECK_Z(text_at(&r, "spec", "owner"), owner);
    as(&r, c.ann);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/saved-views/V1", NULL), 204);
    CHECK_INT(total(&r, c.ann, "/api/v1/saved-views?deleted=1"), 1);
    rig_close(&r);
}

TEST(views_are_shared_with_roles)
{
    struct rig r;
    struct cast c;
    REQUIRE(start(&r, &c));
    as(&r, c.ann);
    REQUIRE(rig_call(&r, "POST", "/api/v1/saved-views",
                     "{\"code\":\"V2\",\"spec\":{\"kind\":\"tag\",\"shared\":true,\"roles\":[\"special\"]}}") == 201);
    CHECK_INT(total(&r, c.ann, "/api/v1/saved-views"), 1);
    CHECK_INT(total(&r, c.bob, "/api/v1/saved-views"), 0);
    CHECK_INT(total(&r, c.eve, "/api/v1/saved-views"), 1);
    as(&r, c.bob);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V2", NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/roles/special/where-used", NULL), 200);
    for
        json_each (u, json_get(r.json, "items")) CHECK(!str_is(json_str(json_get(u, "kind"), STR("")), "saved_view"));
    as(&r, c.eve);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/saved-views/V2", NULL), 200);
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/saved-views/V2", "{\"name\":\"mine\"}"), 403);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/roles/special/where-used", NULL), 200);
    bool seen = false;
    for
        json_each (u, json_get(r.json, "items"))
            seen = seen || str_is(json_str(json_get(u, "kind"), STR("")), "saved_view");
    CHECK(seen);
    rig_close(&r);
}
