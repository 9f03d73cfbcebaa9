/* query_test.c - history requests through the handlers: what is refused and by which name, the export in
 * pieces, the summary's limit. */
#include "core/api/api_test.h"
#include "modules/history/history.h"
#include "modules/history/store_test.h"

static const char point_kind[] = "{\"kind\":\"point\",\"plural\":\"points\",\"module\":\"test\",\"numbered\":true,"
                                 "\"title\":{\"en\":\"P\",\"zh\":\"点\"},"
                                 "\"titles\":{\"en\":\"P\",\"zh\":\"点\"},\"code\":{\"required\":true},\"fields\":["
                                 "{\"name\":\"unit\",\"type\":\"string\",\"title\":{\"en\":\"U\",\"zh\":\"单位\"}},"
                                 "{\"name\":\"step\",\"type\":\"boolean\",\"title\":{\"en\":\"S\",\"zh\":\"阶梯\"}}]}";
static const struct module *const modules[] = {&history_module};
static struct array_store store;

struct fixture {
    struct rig r;
    struct node node;
    void *ctx[1];
};

static bool open_fixture(struct fixture *f)
{
    struct error e = {0};
    memset(f, 0, sizeof *f);
    array_init(&store);
    int err = rig_open(&f->r, NULL);
    struct bus_config bc = {.shards = 1, .ring = 64, .clock = &f->r.clock.clock};
    if (!err) err = bus_start(&bc, &f->node.bus, &e);
    f->node.clock = &f->r.clock.clock;
    f->node.kernel = f->r.kernel;
    f->node.api = f->r.api;
    f->node.history = &store.base;
    if (!err) err = kernel_kind_add(f->r.kernel, str_of(point_kind), &e);
    if (!err) err = modules_init(&f->node, modules, 1, f->ctx, &e);
    if (err) test_fail(__FILE__, __LINE__, "open: %s %s", e.where, e.text);
    if (err) return false;
    rig_admin(&f->r);
    CHECK_INT(rig_call(&f->r, "POST", "/api/v1/points", "{\"code\":\"A\",\"name\":\"A\",\"spec\":{\"unit\":\"kPa\"}}"),
              201);
    CHECK_INT(rig_call(&f->r, "POST", "/api/v1/points", "{\"code\":\"B\",\"name\":\"B\",\"spec\":{\"step\":true}}"),
              201);
    return true;
}

static void close_fixture(struct fixture *f)
{
    kernel_hooks_stop(f->r.kernel);
    modules_fini(modules, 1, f->ctx);
    bus_stop(f->node.bus);
    rig_close(&f->r);
}

TEST(wrong_queries_name_the_parameter)
{
    static const struct {
        const char *target;
        int status;
        const char *where;
    } t[] = {{"recorded", 400, "points"},
             {"recorded?points=,,", 400, "points"},
             {"recorded?points=A,NONE", 404, "points"},
             {"recorded?points=A&from=yesterdayish", 400, "from"},
             {"recorded?points=A&to=2026-13-01", 400, "to"},
             {"recorded?points=A&from=*&to=*-1h", 400, "to"},
             {"recorded?points=A&from=*&to=*", 400, "to"},
             {"recorded?points=A&limit=0", 400, "limit"},
             {"recorded?points=A&boundary=beyond", 400, "boundary"},
             {"recorded?points=A&filter_quality=best", 400, "filter_quality"},
             {"interpolated?points=A&interval=soon", 400, "interval"},
             {"interpolated?points=A&interval=0s", 400, "interval"},
             {"recorded?points=A&quality=fair", 400, "quality"},
             {"recorded?points=A&where=about10", 400, "where"},
             {"recorded?points=A&where=10..", 400, "where"},
             {"recorded?points=A&format=xml", 400, "format"},
             {"recorded?points=A&tz=Mars/Phobos", 400, "tz"},
             {"interpolated?points=A&times=soon", 400, "times"},
             {"plot?points=A&px=0", 400, "px"},
             {"aggregate?points=A&fn=avg", 400, "fn"},
             {"aggregate?points=A&fn=p101", 400, "fn"},
             {"aggregate?points=A&fn=,", 400, "fn"},
             {"aggregate?points=A&calendar=fortnight", 400, "calendar"},
             {"aggregate?points=A&calendar=day&interval=1h", 400, "calendar"},
             {"aggregate?points=A&calendar=shift&shift_hours=7", 400, "shift_hours"},
             {"aggregate?points=A&calendar=shift&shift_start=25:00", 400, "shift_start"},
             {"aggregate?points=A&stepped=maybe", 400, "stepped"},
             {"aggregate?points=A&percent_good=101", 400, "percent_good"},
             {"aggregate?points=A&percent_good=10&percent_bad=10", 400, "percent_good"},
             {"aggregate?points=A&per=fortnight", 400, "per"},
             {"aggregate?points=A&from=*-30d&interval=1s", 413, "interval"},
             {"aligned?points=A&fn=average,count", 400, "fn"},
             {"export?points=A&mode=all", 400, "mode"},
             {"export?points=A&mode=interpolated", 400, "interval"}};
    struct fixture f;
    REQUIRE(open_fixture(&f));
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char target[200];
        snprintf(target, sizeof target, "/api/v1/history/%s", t[i].target);
        int status = rig_call(&f.r, "GET", target, NULL);
        if (status != t[i].status || !str_is(rig_str(&f.r, "where"), t[i].where))
            test_fail(__FILE__, __LINE__, "%s: %d %.*s", t[i].target, status, STR_ARG(f.r.body));
    }
    close_fixture(&f);
}

TEST(too_much_is_refused_before_it_is_made)
{
    struct fixture f;
    char target[600] = "/api/v1/history/recorded?points=A";
    REQUIRE(open_fixture(&f));
    for (size_t n = strlen(target), i = 1; i < 65; i++) n += (size_t)snprintf(target + n, sizeof target - n, ",A");
    CHECK(rig_call(&f.r, "GET", target, NULL) >= 400);
    CHECK_STR(rig_str(&f.r, "where"), "points");
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/interpolated?points=A&from=0&to=2000000000&interval=1ms", NULL),
              413);
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/summary?points=A&from=*-9000s&interval=1s", NULL), 200);
    CHECK_INT(json_count(json_path(f.r.json, "series.0.rows")), 9000);
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/summary?points=A,B&from=*-9000s&interval=1s", NULL), 413);
    /* longer than the range is as long as the range, however long */
    CHECK_INT(rig_call(&f.r, "GET",
                       "/api/v1/history/summary?points=A&from=9998-01-01&to=9999-01-01&interval=100000000d", NULL),
              200);
    CHECK_INT(json_count(json_path(f.r.json, "series.0.rows")), 1);
    CHECK_INT(rig_call(&f.r, "GET",
                       "/api/v1/history/interpolated?points=A&from=9998-01-01&to=9999-01-01&interval=100000000d", NULL),
              200);
    CHECK_INT(json_count(json_path(f.r.json, "series.0.t")), 1);
    close_fixture(&f);
}

/* The whole export; *ret_pulls of it. */
static struct str export_of(struct fixture *f, const char *target, int *ret_pulls)
{
    struct http_request *q = rig_request(&f->r, "GET", target, STR_NULL);
    struct http_response res = {0};
    struct http_route route = {0};
    buf_init(&res.headers, 64 << 10);
    buf_init(&res.body, 16 << 20);
    *ret_pulls = 0;
    if (!api_route(f->r.api, q, &route, &res)) route.handler(q, &res);
    int more = res.pull ? 1 : 0;
    while (more > 0 && *ret_pulls < 1000) {
        more = res.pull(res.pull_ctx, &res.body);
        ++*ret_pulls;
    }
    CHECK(more == 0);
    struct str all = arena_str(&f->r.arena, buf_view(&res.body));
    if (res.pull_free) res.pull_free(res.pull_ctx);
    buf_fini(&res.headers);
    buf_fini(&res.body);
    api_finished(f->r.api, q, 200, all.n, 1000);
    return all;
}

static size_t lines_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] == '\n';
    return n;
}

TEST(an_export_comes_in_pieces_and_is_whole)
{
    struct fixture f;
    int pulls;
    REQUIRE(open_fixture(&f));
    struct sample text = {.time_us = 2000000, .point = 2, .type = SAMPLE_STRING, .v.u = 1};
    put(&store, 1000000, 1.5, QUALITY_GOOD);
    put(&store, 2000000, 2.5, QUALITY_BAD);
    (void)array_append(&store.base, &text, 1, NULL);
    struct str csv = export_of(&f, "/api/v1/history/export?points=A,B&from=0&to=10000", &pulls);
    CHECK_STR(csv, "\xef\xbb\xbftime,point,value,quality,reason\r\n"
                   "1970-01-01T00:00:01Z,A,1.5,good,\r\n"
                   "1970-01-01T00:00:02Z,A,2.5,bad,config_error\r\n"
                   "1970-01-01T00:00:02Z,B,\"run, \"\"fast\"\"\",good,\r\n");
    CHECK_INT(pulls, 0);
    csv = export_of(&f, "/api/v1/history/export?points=A&mode=interpolated&from=0&to=15000&interval=1s", &pulls);
    CHECK_INT(lines_of(csv), 1 + 15000); /* more than two pieces */
    CHECK(pulls > 1);
    close_fixture(&f);
}

/* What GET gives, and POST with the same names. */
static void check_both(struct fixture *f, const char *target, const char *path, const char *body, const char *want)
{
    char full[300];
    snprintf(full, sizeof full, "/api/v1/history/%s", target);
    CHECK_INT(rig_call(&f->r, "GET", full, NULL), 200);
    if (!str_has(f->r.body, str_of(want))) test_fail(__FILE__, __LINE__, "%s: %.*s", target, STR_ARG(f->r.body));
    struct str got = f->r.body;
    snprintf(full, sizeof full, "/api/v1/history/%s", path);
    CHECK_INT(rig_call(&f->r, "POST", full, body), 200);
    CHECK(str_eq(f->r.body, got));
}

TEST(every_query_by_get_and_post)
{
    struct fixture f;
    REQUIRE(open_fixture(&f));
    put(&store, 0, 10, QUALITY_GOOD);
    put(&store, 10000000, 20, QUALITY_GOOD);
    put(&store, 20000000, 40, QUALITY_BAD);
    put(&store, 30000000, 30, QUALITY_GOOD);
    check_both(&f, "recorded?points=A&from=0&to=40&quality=good&where=%3E10", "recorded",
               "{\"points\":[\"A\"],\"from\":0,\"to\":40,\"quality\":\"good\",\"where\":\">10\"}",
               "\"t\":[10000,30000],\"v\":[20,30],\"q\":[0,0],\"r\":[0,0],\"truncated\":false}");
    check_both(&f, "recorded?points=A&from=0&to=40&limit=1", "recorded",
               "{\"points\":\"A\",\"from\":0,\"to\":40,\"limit\":1}",
               "\"t\":[0],\"v\":[10],\"q\":[0],\"r\":[0],\"truncated\":true}");
    check_both(&f, "interpolated?points=A&from=0&to=20&interval=5s", "interpolated",
               "{\"points\":\"A\",\"from\":0,\"to\":20,\"interval\":\"5s\"}",
               "\"t\":[0,5000,10000,15000],\"v\":[10,15,20,20],\"q\":[0,0,0,1]");
    check_both(&f, "interpolated?points=A&times=5,1", "interpolated", "{\"points\":\"A\",\"times\":[5,1]}",
               "\"t\":[1000,5000],\"v\":[11,15]");
    check_both(&f, "summary?points=A&from=0&to=20&interval=10s", "summary",
               "{\"points\":\"A\",\"from\":0,\"to\":20,\"interval\":\"10s\"}", "\"count\":1,\"good\":1,\"min\":10");
    check_both(
        &f, "aggregate?points=A&from=0&to=20&interval=10s&fn=average,maximum_actual_time", "aggregate",
        "{\"points\":\"A\",\"from\":0,\"to\":20,\"interval\":\"10s\",\"fn\":[\"average\",\"maximum_actual_time\"]}",
        "\"t\":[0,10000],\"end\":[10000,20000],\"values\":{\"average\":[10,20],\"maximum_actual_time\":[10,20]},"
        "\"status\":{\"average\":[\"Good, Calculated\",\"Good, "
        "Calculated\"],\"maximum_actual_time\":[\"Good\",\"Good\"]},"
        "\"times\":{\"maximum_actual_time\":[0,10000]}}");
    check_both(&f, "aligned?points=A&from=0&to=20&interval=10s&fn=count", "aligned",
               "{\"points\":\"A\",\"from\":0,\"to\":20,\"interval\":\"10s\",\"fn\":\"count\"}",
               "\"t\":[0,10000],\"series\":[{\"point\":1,\"code\":\"A\",\"name\":\"A\",\"unit\":\"kPa\",\"v\":[1,1],"
               "\"q\":[0,0]}]}");
    check_both(&f, "calc?expr='A'*2%2B1&from=0&to=20&interval=5s", "calc",
               "{\"expr\":\"'A'*2+1\",\"from\":0,\"to\":20,\"interval\":\"5s\"}",
               "\"points\":[\"A\"],\"t\":[0,5000,10000,15000],\"v\":[21,31,41,41],\"q\":[0,0,0,1]}");
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/calc?expr='NONE'", NULL), 404);
    CHECK_STR(rig_str(&f.r, "where"), "expr");
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/calc?expr=1%2B", NULL), 400);
    CHECK_STR(rig_str(&f.r, "where"), "expr");
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/history/functions", NULL), 200);
    CHECK_STR(rig_str(&f.r, "items.0.part13"), "Interpolative");
    close_fixture(&f);
}

TEST(samples_are_removed_with_a_reason)
{
    struct fixture f;
    REQUIRE(open_fixture(&f));
    for (int i = 0; i < 10; i++) put(&store, i * 1000000, i, QUALITY_GOOD);
    static const struct {
        const char *body, *where;
        int status;
    } bad[] = {{"{\"points\":\"A\",\"from\":0,\"to\":5}", "reason", 400},
               {"{\"points\":\"A\",\"from\":0,\"to\":5,\"reason\":\"  \"}", "reason", 400},
               {"{\"points\":\"A\",\"to\":5,\"reason\":\"x\"}", "from", 400},
               {"{\"points\":\"A\",\"from\":0,\"reason\":\"x\"}", "to", 400},
               {"{\"points\":\"NONE\",\"from\":0,\"to\":5,\"reason\":\"x\"}", "points", 404},
               {"{\"points\":[],\"from\":0,\"to\":5,\"reason\":\"x\"}", "points", 400}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(rig_call(&f.r, "POST", "/api/v1/history:delete", bad[i].body), bad[i].status);
        CHECK_STR(rig_str(&f.r, "where"), bad[i].where);
    }
    CHECK_INT(store.n, 10);
    CHECK_INT(rig_call(&f.r, "POST", "/api/v1/history:delete",
                       "{\"points\":[\"A\",\"B\"],\"from\":2,\"to\":5,\"reason\":\"calibration\"}"),
              200);
    CHECK_INT(rig_i64(&f.r, "points"), 2);
    CHECK_INT(rig_i64(&f.r, "removed"), 3);
    CHECK_INT(store.n, 7);
    CHECK_INT(rig_call(&f.r, "GET", "/api/v1/audit", NULL), 200);
    CHECK(str_has(f.r.body, STR("calibration")));
    store.fail = ERR_IO;
    CHECK_INT(
        rig_call(&f.r, "POST", "/api/v1/history:delete", "{\"points\":\"A\",\"from\":2,\"to\":5,\"reason\":\"x\"}"),
        500);
    close_fixture(&f);
}
