/* The route tree: precedence, the way back, methods, tails, kinds, the nearest path. */
#include "base/test.h"
#include "core/api/api_router.h"

static int nothing(struct api_call *c, struct error *e)
{
    return 0;
}
#define ROW(m, p, k) \
    { \
        .method = m, .path = p, .kind = k, .action = ACT_READ, .audit = AUDIT_NONE, .handler = nothing, \
        .summary_en = "x", .summary_zh = "x" \
    }

static const struct api_route rows[] = {
    ROW("GET", "/api/{plural}", "*"),
    ROW("POST", "/api/{plural}", "*"),
    ROW("GET", "/api/{plural}/{id}", "*"),
    ROW("DELETE", "/api/{plural}/{id}", "*"),
    ROW("POST", "/api/{plural}/{id}:back", "*"),
    ROW("POST", "/api/{plural}:bulk", "*"),
    ROW("GET", "/api/points:tree", "point"),
    ROW("POST", "/api/points/{id}:write", "point"),
    ROW("GET", "/api/points/special", "point"),
    ROW("GET", "/api/version", "system"),
    ROW("GET", "/", "system"),
    ROW("GET", "/api/{plural}/{id}/history/{rev}", "*"),
};

static bool takes(void *ctx, const struct route *r, struct str plural)
{
    return str_is(plural, "points") || str_is(plural, "users");
}

static struct router *table(void)
{
    struct router *t = NULL;
    struct error e = {0};
    CHECK(router_new(takes, NULL, &t) == 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) CHECK_INT(router_add(t, &rows[i], NULL, &e), 0);
    return t;
}

static int find(const struct router *t, const char *method, const char *path, struct route_match *m)
{
    struct str segs[ROUTE_SEGMENTS_MAX + 1], rest = str_of(path + 1);
    size_t n = 0;
    while (rest.p && n <= ROUTE_SEGMENTS_MAX) segs[n++] = str_cut(&rest, '/');
    return router_find(t, str_of(method), segs, n, m);
}

TEST(routes)
{
    static const struct {
        const char *method, *path;
        int rc;
        const char *want, *p0, *p1;
    } t[] = {
        {"GET", "/api/points", 0, "/api/{plural}", "points", ""},
        {"HEAD", "/api/points", 0, "/api/{plural}", "points", ""},
        {"GET", "/api/points:tree", 0, "/api/points:tree", "", ""},
        {"POST", "/api/points:bulk", 0, "/api/{plural}:bulk", "points", ""},
        {"POST", "/api/points/A:write", 0, "/api/points/{id}:write", "A", ""},
        {"POST", "/api/points/A:back", 0, "/api/{plural}/{id}:back", "points", "A"},
        {"POST", "/api/users/A:back", 0, "/api/{plural}/{id}:back", "users", "A"},
        {"POST", "/api/users/A:write", ERR_METHOD, NULL, NULL, NULL},
        {"GET", "/api/points/special", 0, "/api/points/special", "", ""},
        {"DELETE", "/api/points/special", 0, "/api/{plural}/{id}", "points", "special"},
        {"GET", "/api/points/a:b", 0, "/api/{plural}/{id}", "points", "a:b"},
        {"GET", "/api/version", 0, "/api/version", "", ""},
        {"POST", "/api/version", ERR_METHOD, NULL, NULL, NULL},
        {"GET", "/api/nonsense", ERR_NOT_FOUND, NULL, NULL, NULL},
        {"GET", "/api/points/", ERR_NOT_FOUND, NULL, NULL, NULL},
        {"GET", "/", 0, "/", "", ""},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m", ERR_NOT_FOUND, NULL, NULL, NULL},
        {"BREW", "/api/version", ERR_METHOD, NULL, NULL, NULL},
        {"GET", "/api/points/a/history/3", 0, "/api/{plural}/{id}/history/{rev}", "points", "a"},
    };
    struct router *table_ = table();
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct route_match m;
        CHECK_INT(find(table_, t[i].method, t[i].path, &m), t[i].rc);
        if (t[i].rc) continue;
        CHECK_Z(m.route->row->path, t[i].want);
        CHECK_STR(m.param[0], t[i].p0);
        if (t[i].p1[0]) CHECK_STR(m.param[1], t[i].p1);
    }
    router_free(table_);
}

TEST(allowed_methods_of_a_path)
{
    struct router *t = table();
    struct route_match m;
    CHECK_INT(find(t, "PATCH", "/api/points/special", &m), ERR_METHOD);
    CHECK(m.method[0] && !m.method[1] && !m.method[2] && !m.method[3] && m.method[4]);
    router_free(t);
}

TEST(the_same_route_twice_is_refused)
{
    struct router *t = table();
    struct error e = {0};
    CHECK_INT(router_add(t, &rows[0], NULL, &e), ERR_EXISTS);
    CHECK(strstr(e.text, "GET /api/{plural}") != NULL);
    router_free(t);
}

TEST(nearest)
{
    struct router *t = table();
    const char *more[] = {"/api/points", "/api/users"};
    CHECK_Z(router_nearest(t, STR("/api/poinst"), more, 2), "/api/points");
    CHECK_Z(router_nearest(t, STR("/api/versoin"), more, 2), "/api/version");
    CHECK_Z(router_nearest(t, STR("/api/something/else"), more, 2), "");
    router_free(t);
}
