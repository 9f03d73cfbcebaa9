/* The router over real handlers: permission matrix, cross-site rules, resources, problems, idempotency,
 * rate limit, audit, OpenAPI, static files. */
#include "core/api/api_test.h"
#include "proto/sheet.h"
#include "core/api/api_int.h"
#include "core/module.h"

static const char thing[] =
    "{\"kind\":\"thing\",\"plural\":\"things\",\"module\":\"test\",\"title\":{\"en\":\"Thing\",\"zh\":\"物\"},"
    "\"titles\":{\"en\":\"Things\",\"zh\":\"物\"},\"code\":{\"required\":true},\"fields\":["
    "{\"name\":\"size\",\"type\":\"integer\",\"min\":0,\"max\":100,\"title\":{\"en\":\"Size\",\"zh\":\"大小\"}},"
    "{\"name\":\"colour\",\"type\":\"string\",\"title\":{\"en\":\"Colour\",\"zh\":\"颜色\"}}]}";
static const char hidden[] = "{\"kind\":\"hidden\",\"plural\":\"hiddens\",\"module\":\"test\",\"api\":false,\"title\":{"
                             "\"en\":\"H\",\"zh\":\"隐\"},"
                             "\"titles\":{\"en\":\"H\",\"zh\":\"隐\"},\"fields\":[]}";

static int hello(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "hello", c->module);
    jw_end(&w);
    return 0;
}
static int control(struct api_call *c, struct error *e)
{
    api_audit_note(c, STR("VALVE-1"), STR("{\"value\":3}"));
    return error_set(e, ERR_DEVICE, "value", "the device refused 3", "设备拒绝写入 3");
}
static void closed(struct http_stream *s) {}
static const struct http_stream_ops stream_ops = {.close = closed};
static const struct api_route extra[] = {
    API_GET("/api/v1/hello", "greeting", AUDIT_NONE, hello, .rate = 5,
            .params = "from:time:Start;step:duration:Step;n:integer:Count", .summary_en = "Hello",
            .summary_zh = "你好"),
    API_DO("POST", "/api/v1/things/{id}:write", "thing", ACT_CONTROL, AUDIT_CONTROL, control, .summary_en = "Write",
           .summary_zh = "写入"),
    {.method = "GET",
     .path = "/api/v1/stream",
     .kind = "thing",
     .action = ACT_READ,
     .audit = AUDIT_NONE,
     .stream = &stream_ops,
     .websocket = true,
     .summary_en = "Live",
     .summary_zh = "实时"},
};

static int open_rig(struct rig *r, const struct http_static *(*asset)(struct str path))
{
    struct error e = {0};
    int rc = rig_open(r, asset);
    if (!rc) rc = kernel_kind_add(r->kernel, str_of(thing), &e);
    if (!rc) rc = kernel_kind_add(r->kernel, str_of(hidden), &e);
    if (!rc) rc = api_routes_add(r->api, extra, 3, (void *)"world", &e);
    if (rc) fprintf(stderr, "open_rig: %s %s\n", e.where, e.text);
    return rc;
}

/* --- the matrix: every route x everybody, against rules written down here by hand --- */

enum { NOBODY, VIEWER, OPERATOR, ENGINEER, ADMIN, TOKEN, NWHO };
static const char *const who_names[NWHO] = {"nobody",   "viewer",        "operator",
                                            "engineer", "administrator", "token of viewer"};

static bool rule(int who, const char *kind, enum api_action act)
{
    bool people = strcmp(kind, "user") == 0 || strcmp(kind, "role") == 0,
         guarded = people || strcmp(kind, "audit") == 0;
    if (act == ACT_LOGIN) return true;
    if (who == NOBODY) return false;
    if (act == ACT_SELF || who == ADMIN) return true;
    if (guarded) return false;
    switch (who) {
    case VIEWER:
    case TOKEN: return act == ACT_READ;
    case OPERATOR: return act == ACT_READ || act == ACT_CONTROL;
    default: return act != ACT_ADMIN;
    }
}

static void target_of(const struct api_route *row, const char *plural, char out[256])
{
    size_t n = 0;
    bool first = strcmp(row->kind, "*") == 0;
    for (const char *p = row->path; *p && n < 200; p++) {
        if (*p != '{') {
            out[n++] = *p;
            continue;
        }
        n += (size_t)snprintf(out + n, 256 - n, "%s", first ? plural : "1");
        first = false;
        p = strchr(p, '}');
    }
    out[n] = 0;
}

static int decide(struct rig *r, const char *method, const char *target)
{
    struct http_request *q = rig_request(r, method, target, STR("{}"));
    struct http_response res = {0};
    struct http_route route = {0};
    buf_init(&res.headers, 64 << 10);
    buf_init(&res.body, 1 << 20);
    int refused = api_route(r->api, q, &route, &res);
    int status = refused ? res.status : 200;
    buf_fini(&res.headers);
    buf_fini(&res.body);
    return status;
}

static size_t check_row(struct rig *r, const struct api_route *row, char cookies[NWHO][64], const char *token)
{
    static const char *const plurals[][2] = {{"things", "thing"}, {"users", "user"}, {"roles", "role"}};
    bool generic = strcmp(row->kind, "*") == 0;
    char target[256];
    size_t cells = 0;
    for (int k = 0; k < (generic ? 3 : 1); k++) {
        target_of(row, plurals[k][0], target);
        for (int who = 0; who < NWHO; who++, cells++) {
            memcpy(r->cookie, cookies[who], 64);
            snprintf(r->bearer, sizeof(r->bearer), "%s", who == TOKEN ? token : "");
            snprintf(r->peer, sizeof(r->peer), "10.1.%d.%d", who, k);
            const char *kind = generic ? plurals[k][1] : row->kind;
            enum api_action act = api_action_for(kind, row->action);
            int status = decide(r, row->method, target);
            bool allow = rule(who, kind, act) && !(who == TOKEN && act == ACT_SELF && row->audit == AUDIT_SECURITY);
            int want = allow ? 200 : who == NOBODY ? 401 : 403;
            if (status != want)
                test_fail(__FILE__, __LINE__, "%s %s as %s: %d, want %d", row->method, target, who_names[who], status,
                          want);
        }
    }
    return cells;
}

TEST(permission_matrix)
{
    struct rig r;
    char cookies[NWHO][64] = {""}, token[64];
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    for (int who = VIEWER; who <= ENGINEER; who++) rig_user(&r, who_names[who], who_names[who], cookies[who]);
    memcpy(cookies[ADMIN], r.cookie, 64);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/tokens", "{\"name\":\"t\",\"roles\":[\"viewer\"]}"), 200);
    str_to_cstr(rig_str(&r, "token"), token, sizeof(token));
    r.origin = "http://plant.example:8080"; /* for the WebSocket row */
    size_t cells = 0;
    for (size_t i = 0; i < router_count(r.api->router); i++)
        cells += check_row(&r, router_at(r.api->router, i)->row, cookies, token);
    CHECK(cells >= 300);
    rig_close(&r);
}

TEST(cross_site_requests_are_refused)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    r.no_csrf_header = true;
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 403);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/session", NULL), 403);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things", NULL), 200);
    r.no_csrf_header = false;
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 201);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/stream", NULL), 403); /* no Origin */
    r.origin = "http://evil.example";
    CHECK_INT(rig_call(&r, "GET", "/api/v1/stream", NULL), 403);
    r.origin = "http://plant.example:8080.evil.example";
    CHECK_INT(rig_call(&r, "GET", "/api/v1/stream", NULL), 403);
    r.origin = "https://plant.example:8080";
    CHECK_INT(rig_call(&r, "GET", "/api/v1/stream", NULL), 0);
    CHECK_INT(r.kind, HTTP_WEBSOCKET);
    rig_close(&r);
}

TEST(resource_life)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\",\"name\":\"First\",\"spec\":{\"size\":3}}"), 201);
    CHECK_Z(rig_answer_header(&r, "ETag"), "\"1\"");
    CHECK(strncmp(rig_answer_header(&r, "Location"), "/api/v1/things/", 15) == 0);
    CHECK_STR(rig_str(&r, "created_by"), "admin");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 409);
    CHECK_INT(rig_call(&r, "GET", rig_answer_header(&r, "Location"), NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things/A", NULL), 200);
    CHECK_INT(rig_i64(&r, "spec.size"), 3);
    r.if_match = "\"7\"";
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/things/A", "{\"spec\":{\"size\":4}}"), 412);
    r.if_match = "seven";
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/things/A", "{\"spec\":{\"size\":4}}"), 400);
    r.if_match = "\"1\"";
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/things/A", "{\"spec\":{\"size\":4,\"colour\":\"red\"}}"), 200);
    CHECK_Z(rig_answer_header(&r, "ETag"), "\"2\"");
    r.if_match = NULL;
    CHECK_INT(rig_call(&r, "PUT", "/api/v1/things/A", "{\"code\":\"A\",\"name\":\"Again\",\"spec\":{\"size\":9}}"),
              200);
    CHECK(!json_path(r.json, "spec.colour") || json_path(r.json, "spec.colour")->type == JSON_NULL);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things/A/history", NULL), 200);
    CHECK_INT(json_count(json_get(r.json, "items")), 3);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things/A/history/2", NULL), 200);
    CHECK_STR(rig_str(&r, "spec.colour"), "red");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things/A:rollback", "{\"rev\":2}"), 200);
    CHECK_INT(rig_i64(&r, "rev"), 4);
    CHECK_STR(rig_str(&r, "spec.colour"), "red");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things/A:rollback", "{}"), 400);
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/things/A", NULL), 204);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things/A", NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/hiddens", NULL), 404);
    rig_close(&r);
}

TEST(list_pages)
{
    struct rig r;
    char body[64], next[256];
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    for (int i = 0; i < 7; i++) {
        snprintf(body, sizeof(body), "{\"code\":\"T%d\",\"spec\":{\"size\":%d}}", i, i);
        CHECK_INT(rig_call(&r, "POST", "/api/v1/things", body), 201);
    }
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?size=3&page=2&sort=code", NULL), 200);
    CHECK_INT(rig_i64(&r, "total"), 7);
    CHECK_INT(json_count(json_get(r.json, "items")), 3);
    CHECK_STR(rig_str(&r, "items.0.code"), "T3");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?size=5&sort=code", NULL), 200);
    str_to_cstr(rig_str(&r, "next"), next, sizeof(next));
    char target[400];
    snprintf(target, sizeof(target), "/api/v1/things?size=5&sort=code&after=%s", next);
    CHECK_INT(rig_call(&r, "GET", target, NULL), 200);
    CHECK_INT(json_count(json_get(r.json, "items")), 2);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?filter=size%3E4", NULL), 200);
    CHECK_INT(rig_i64(&r, "total"), 2);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?size=1001", NULL), 400);
    CHECK_STR(rig_str(&r, "where"), "size");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?page=0", NULL), 400);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?page=x", NULL), 400);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things?filter=%28%28", NULL), 400);
    rig_close(&r);
}

TEST(bulk_import_export)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk",
                       "{\"items\":[{\"op\":\"create\",\"code\":\"A\",\"spec\":{\"size\":1}},{\"op\":\"create\","
                       "\"code\":\"B\",\"spec\":{\"size\":1000}}]}"),
              200);
    CHECK_INT(rig_i64(&r, "failed"), 1);
    CHECK(!json_bool(json_get(r.json, "applied"), true));
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things/A", NULL), 404);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk",
                       "{\"skip_errors\":true,\"items\":[{\"op\":\"upsert\",\"code\":\"A\",\"spec\":{\"size\":1}},{"
                       "\"op\":\"create\",\"code\":\"B\",\"spec\":{\"size\":1000}}]}"),
              200);
    CHECK_INT(rig_i64(&r, "created"), 1);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk", "{\"items\":[{\"op\":\"burn\",\"code\":\"A\"}]}"), 400);
    CHECK_STR(rig_str(&r, "where"), "items[0].op");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk", "{\"items\":[{\"op\":\"patch\",\"id\":\"A\",\"size\":1}]}"),
              400);
    r.content_type = "text/plain";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:import", "code,size\r\nC,1\r\n"), 415);
    r.content_type = "text/csv; charset=utf-8";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:import?dry_run=1", "code,size\r\nC,1\r\nD,2\r\n"), 200);
    CHECK_INT(rig_i64(&r, "created"), 2);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:import?skip_errors=1", "code,size\r\nC,1\r\nD,big\r\n"), 200);
    CHECK_INT(rig_i64(&r, "created"), 1);
    CHECK_INT(rig_i64(&r, "failed"), 1);
    CHECK(str_has(r.body, STR("\"line\":3")));
    r.content_type = NULL;
    CHECK_INT(rig_call(&r, "GET", "/api/v1/things:export", NULL), 200);
    CHECK(strncmp(r.type, "text/csv", 8) == 0);
    CHECK(str_has(r.body, STR("\r\nC,")));
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk", "{\"items\":[{\"op\":\"delete\",\"id\":\"A\"}]}"), 200);
    CHECK_INT(rig_i64(&r, "deleted"), 1);
    rig_close(&r);
}

TEST(bulk_delete_needs_the_right_to_delete)
{
    struct rig r;
    char clerk[64];
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 201);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/roles",
                       "{\"code\":\"clerk\",\"name\":\"Clerk\",\"spec\":{\"permissions\":[{\"kinds\":[\"thing\"],"
                       "\"actions\":[\"read\",\"write\"]}]}}"),
              201);
    rig_user(&r, "carl", "clerk", clerk);
    memcpy(r.cookie, clerk, 64);
    CHECK_INT(
        rig_call(&r, "POST", "/api/v1/things:bulk", "{\"items\":[{\"op\":\"patch\",\"id\":\"A\",\"name\":\"n\"}]}"),
        200);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things:bulk", "{\"items\":[{\"op\":\"delete\",\"id\":\"A\"}]}"), 403);
    rig_close(&r);
}

TEST(problems_name_field_and_remedy_in_the_language)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\",\"spec\":{\"size\":1000,\"colour\":7}}"), 400);
    CHECK(strncmp(r.type, "application/problem+json", 24) == 0);
    CHECK_STR(rig_str(&r, "type"), "about:blank");
    CHECK_STR(rig_str(&r, "code"), "invalid");
    CHECK_STR(rig_str(&r, "where"), "spec.size");
    CHECK_INT(json_count(json_get(r.json, "errors")), 2);
    CHECK_INT(rig_i64(&r, "status"), 400);
    r.language = "zh-CN,zh;q=0.9";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\",\"colour\":\"red\"}"), 400);
    CHECK_STR(rig_str(&r, "title"), "值无效");
    CHECK_STR(rig_str(&r, "where"), "colour");
    r.language = NULL;
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\""), 400);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", NULL), 400);
    r.content_type = "text/plain";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 415);
    r.content_type = NULL;
    CHECK_INT(rig_call(&r, "GET", "/api/v1/thimgs", NULL), 404);
    CHECK(str_has(rig_str(&r, "detail"), STR("/api/v1/things")));
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/version", "{}"), 405);
    CHECK_Z(rig_answer_header(&r, "Allow"), "GET");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things/A:write", "{}"), 502);
    CHECK_STR(rig_str(&r, "code"), "device");
    rig_close(&r);
}

TEST(idempotency_key_gives_the_first_answer_again)
{
    struct rig r;
    char first[64];
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    r.idempotency = "key-1";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 201);
    str_to_cstr(rig_str(&r, "id"), first, sizeof(first));
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 201);
    CHECK_STR(rig_str(&r, "id"), first);
    CHECK_Z(rig_answer_header(&r, "ETag"), "\"1\"");
    CHECK_Z(rig_answer_header(&r, "Idempotent-Replayed"), "true");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"B\"}"), 400);
    r.idempotency = "key-2";
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 409);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 409);
    CHECK_Z(rig_answer_header(&r, "Idempotent-Replayed"), "true");
    r.idempotency = "key-1";
    sim_clock_advance(&r.clock, 11LL * 3600 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    sim_clock_advance(&r.clock, 11LL * 3600 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/session", NULL), 200);
    sim_clock_advance(&r.clock, 3LL * 3600 * TIME_US_PER_S); /* 25 h: forgotten */
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 409);
    rig_close(&r);
}

TEST(rate_limit_per_peer)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    for (int i = 0; i < 5; i++) CHECK_INT(rig_call(&r, "GET", "/api/v1/hello", NULL), 200);
    CHECK_STR(rig_str(&r, "hello"), "world");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/hello", NULL), 429);
    CHECK(rig_answer_header(&r, "Retry-After")[0]);
    snprintf(r.peer, sizeof(r.peer), "10.0.0.9");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/hello", NULL), 200);
    snprintf(r.peer, sizeof(r.peer), "10.0.0.7");
    sim_clock_advance(&r.clock, 13 * TIME_US_PER_S);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/hello", NULL), 200);
    rig_close(&r);
}

static bool audited(struct rig *r, const char *action, const char *outcome, const char *resource)
{
    CHECK_INT(rig_call(r, "GET", "/api/v1/audit?size=1000", NULL), 200);
    for
        json_each (item, json_get(r->json, "items"))
            if (str_is(json_str(json_get(item, "action"), STR_NULL), action) &&
                str_is(json_str(json_get(item, "outcome"), STR_NULL), outcome) &&
                str_is(json_str(json_get(item, "resource"), STR_NULL), resource))
                return str_is(json_str(json_get(item, "peer"), STR_NULL), r->peer);
    return false;
}

TEST(audit_records_changes_control_and_sign_in)
{
    struct rig r;
    char anna[64], admin[64];
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    memcpy(admin, r.cookie, 64);
    rig_user(&r, "anna", "viewer", anna);
    rig_nobody(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/session", "{\"login\":\"anna\",\"password\":\"wrong one\"}"), 401);
    memcpy(r.cookie, anna, 64);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 403);
    memcpy(r.cookie, admin, 64);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things", "{\"code\":\"A\"}"), 201);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/things/A:write", "{}"), 502);
    CHECK(audited(&r, "POST /api/v1/session", "denied", "anna"));
    CHECK(audited(&r, "POST /api/v1/{plural}", "denied", ""));
    CHECK(audited(&r, "POST /api/v1/{plural}", "done", "A"));
    CHECK(audited(&r, "POST /api/v1/things/{id}:write", "failed", "VALVE-1"));
    CHECK(!str_has(r.body, STR("wrong one")) && !str_has(r.body, STR("correct horse")));
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit?from=*-1h&size=1", NULL), 200);
    CHECK_INT(json_count(json_get(r.json, "items")), 1);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit?from=nonsense", NULL), 400);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:verify", NULL), 200);
    CHECK(json_bool(json_get(r.json, "ok"), false));
    struct sql_tx *tx = NULL;
    REQUIRE(sql_begin(r.db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "update audit set login = 'eve' where seq = 3", ""), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:verify", NULL), 200);
    CHECK(!json_bool(json_get(r.json, "ok"), true));
    CHECK_INT(rig_i64(&r, "first_bad"), 3);
    rig_close(&r);
}

/* Every path of the document names its methods, and every route stands in it. */
TEST(audit_as_a_spreadsheet)
{
    struct rig r;
    struct workbook *w = NULL;
    struct sheet_row row;
    struct error e = {0};
    size_t rows = 0, login = 0;
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:export?format=pdf", NULL), 400);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:export?format=csv", NULL), 200);
    size_t lines = 0;
    for (size_t i = 0; i < r.body.n; i++) lines += r.body.p[i] == '\n';
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:export?format=xlsx", NULL), 200);
    CHECK(strstr(rig_answer_header(&r, "Content-Disposition"), "audit.xlsx"));
    REQUIRE(xlsx_open(r.body.p, r.body.n, NULL, &w, &e) == 0);
    REQUIRE(sheet_begin(w, 0, &e) == 0);
    while (sheet_next(w, &row, &e) == 1) {
        if (rows) CHECK(row.n >= 10 && row.cells[0].type == CELL_NUMBER && row.cells[9].type == CELL_NUMBER);
        if (rows) CHECK(row.cells[1].type == CELL_TEXT && str_starts(row.cells[1].text, STR("2026-")));
        login += rows && row.n > 3 && str_is(row.cells[3].text, "admin");
        rows++;
    }
    xlsx_close(w);
    CHECK(rows >= 3 && login > 0);
    CHECK_INT(rows, lines + 1); /* the export before is a record, too */
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:export?format=xlsx&login=nobody", NULL), 200);
    CHECK(r.body.n > 0);
    rig_close(&r);
}

TEST(openapi_names_every_route)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/openapi.json", NULL), 200);
    REQUIRE(r.json != NULL);
    CHECK_STR(rig_str(&r, "openapi"), "3.1.0");
    CHECK_STR(rig_str(&r, "info.version"), "1.2.3");
    const struct json *paths = json_get(r.json, "paths"), *schemas = json_path(r.json, "components.schemas");
    for (size_t i = 0; i < router_count(r.api->router); i++) {
        const struct api_route *row = router_at(r.api->router, i)->row;
        char path[256], method[8];
        const char *rest = strcmp(row->kind, "*") == 0 ? strchr(row->path, '}') + 1 : NULL;
        if (rest)
            snprintf(path, sizeof(path), "/api/v1/things%s", rest);
        else
            snprintf(path, sizeof(path), "%s", row->path);
        for (size_t c = 0; c <= strlen(row->method); c++) method[c] = (char)(row->method[c] ? row->method[c] | 32 : 0);
        const struct json *op = json_get(json_get_str(paths, str_of(path)), method);
        if (!op || !json_get(op, "x-permission") || !json_get(op, "responses"))
            test_fail(__FILE__, __LINE__, "%s %s is not described", row->method, path);
    }
    CHECK(json_get(schemas, "thing") && json_get(schemas, "thing_list") && json_get(schemas, "thing_input") &&
          !json_get(schemas, "hidden"));
    CHECK(!str_has(r.body, STR("/api/v1/hiddens")) && !str_has(r.body, STR("{plural}")));
    const struct json *params = json_path(json_get_str(paths, STR("/api/v1/hello")), "get.parameters");
    CHECK_INT(json_count(params), 3);
    CHECK_STR(json_str(json_path(json_at(params, 0), "schema.type"), STR_NULL), "string");
    CHECK_STR(json_str(json_path(json_at(params, 1), "schema.format"), STR_NULL), "duration");
    CHECK_STR(json_str(json_path(json_at(params, 2), "schema.type"), STR_NULL), "integer");
    struct str first = r.body;
    CHECK_INT(rig_call(&r, "GET", "/api/v1/openapi.json", NULL), 200);
    CHECK(str_eq(first, r.body)); /* stable */
    rig_close(&r);
}

static const struct http_static index_file = {
    STR("<!doctype html>"), {NULL, 0}, "text/html; charset=utf-8", "no-cache", "\"i1\""};
static const struct http_static script = {STR("let a"), {NULL, 0}, "text/javascript", "immutable", "\"s1\""};
static const struct http_static *asset(struct str path)
{
    if (str_is(path, "/index.html")) return &index_file;
    return str_is(path, "/assets/a.js") ? &script : NULL;
}

TEST(static_files_and_the_single_page)
{
    struct rig r;
    REQUIRE(open_rig(&r, asset) == 0);
    r.accept = "text/html,*/*";
    CHECK_INT(rig_call(&r, "GET", "/", NULL), 200);
    CHECK_STR(r.body, "<!doctype html>");
    CHECK(strstr(rig_answer_header(&r, "Content-Security-Policy"), "frame-ancestors 'none'"));
    CHECK_Z(rig_answer_header(&r, "ETag"), "\"i1\"");
    CHECK_INT(rig_call(&r, "GET", "/trends/42", NULL), 200);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/nowhere", NULL), 404);
    CHECK_INT(rig_call(&r, "POST", "/trends/42", "{}"), 404);
    r.accept = "*/*";
    CHECK_INT(rig_call(&r, "GET", "/assets/missing.js", NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/assets/a.js", NULL), 0);
    CHECK_INT(r.kind, HTTP_STATIC);
    rig_close(&r);
}

static bool sick(void *ctx, struct error *why)
{
    error_set(why, ERR_IO, "", "the pump is broken", "泵已损坏");
    return false;
}

TEST(health_metrics_version)
{
    struct rig r;
    REQUIRE(open_rig(&r, NULL) == 0);
    CHECK_INT(rig_call(&r, "GET", "/healthz", NULL), 200);
    CHECK_STR(rig_str(&r, "status"), "ok");
    CHECK_INT(api_health_add(r.api, &(struct api_health){"pump", sick, NULL}), 0);
    CHECK_INT(rig_call(&r, "GET", "/healthz", NULL), 200);
    CHECK_STR(rig_str(&r, "status"), "degraded");
    CHECK(!str_has(r.body, STR("broken"))); /* not for strangers */
    CHECK_INT(rig_call(&r, "GET", "/metrics", NULL), 401);
    snprintf(r.peer, sizeof(r.peer), "127.0.0.1");
    CHECK_INT(rig_call(&r, "GET", "/metrics", NULL), 200);
    CHECK(str_has(r.body, STR("bornite_api_requests_total{class=\"read\"} 3")));
    r.forwarded = "203.0.113.9";
    CHECK_INT(rig_call(&r, "GET", "/metrics", NULL), 401);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/version", NULL), 401);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "GET", "/metrics", NULL), 200);
    CHECK_INT(rig_call(&r, "GET", "/healthz", NULL), 200);
    CHECK(str_has(r.body, STR("the pump is broken")));
    CHECK_INT(rig_call(&r, "GET", "/api/v1/version", NULL), 200);
    CHECK_STR(rig_str(&r, "version"), "1.2.3");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/kinds", NULL), 200);
    CHECK(json_count(json_get(r.json, "items")) >= 9);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/kinds/thing", NULL), 200);
    CHECK_STR(rig_str(&r, "plural"), "things");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/watch?from=0&kinds=thing", NULL), 0);
    CHECK_INT(r.kind, HTTP_SSE);
    rig_close(&r);
}

TEST(tickets_follow_revocation)
{
    struct rig r;
    char anna[64], admin[64];
    struct principal who;
    struct api_ticket t = {.session = true};
    REQUIRE(open_rig(&r, NULL) == 0);
    rig_admin(&r);
    memcpy(admin, r.cookie, 64);
    rig_user(&r, "anna", "viewer", anna);
    REQUIRE(auth_by_session(r.api->auth, &r.arena, str_of(anna), &who) == 0);
    memcpy(t.key, who.key, sizeof(t.key));
    CHECK(api_ticket_may(r.api, &t, "thing", ACT_READ) && !api_ticket_may(r.api, &t, "thing", ACT_WRITE));
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"roles\":[]}}"), 200);
    CHECK(!api_ticket_may(r.api, &t, "thing", ACT_READ) && api_ticket_may(r.api, &t, "", ACT_SELF));
    CHECK_INT(rig_call(&r, "DELETE", "/api/v1/users/anna", NULL), 204);
    CHECK(!api_ticket_may(r.api, &t, "", ACT_SELF));
    rig_close(&r);
}
