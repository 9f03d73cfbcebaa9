/* collect_test.c - the handlers of the module over a driver that answers at once: areas, writes, status,
 * tests; applying snapshots; start and stop. */
#include "modules/collect/collect_test.h"
#include <unistd.h>

static void plant_of_three(struct plant_rig *x)
{
    make(x, "channels", "C1", "{\"driver\":\"fake\"}");
    make(x, "devices", "D1", "{\"channel\":\"C1\",\"area\":\"LT/GRD\"}");
    make(x, "points", "A.SP",
         "{\"device\":\"D1\",\"address\":\"w\",\"writable\":true,\"lo\":0,\"hi\":100,\"write_hi\":50,\"key\":true}");
    make(x, "points", "A.TXT", "{\"device\":\"D1\",\"address\":\"w\",\"type\":\"string\",\"writable\":true}");
    make(x, "points", "A.RO", "{\"device\":\"D1\",\"address\":\"w\",\"area\":\"LT/FLT/01\"}");
    make(x, "points", "A.BIT",
         "{\"device\":\"D1\",\"address\":\"w\",\"type\":\"bool\",\"writable\":true,\"area\":\"LTX\"}");
    make(x, "points", "HAND", "{\"writable\":true}");
}

static uint32_t num_of(struct plant_rig *x, const char *code)
{
    struct plant *p = rig_collect(x)->plant;
    for (size_t i = 0; i < p->npoints; i++)
        if (str_is(p->points[i].code, code)) return p->points[i].num;
    return 0;
}

static void now_is(struct plant_rig *x, const char *code, double v, uint8_t quality)
{
    struct sample s = {.time_us = clock_now_us(x->node.clock),
                       .point = num_of(x, code),
                       .type = SAMPLE_DOUBLE,
                       .quality = quality,
                       .v.d = v};
    CHECK_INT(bus_write(x->node.bus, &s, 1, NULL), 0);
}

/* ---- areas ---- */

/* "path:points/good/uncertain/bad/stale+" for each, + when it has children */
static void check_areas(struct plant_rig *x, const char *target, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    CHECK_INT(rig_call(&x->r, "GET", target, NULL), 200);
    for
        json_each (it, json_get(x->r.json, "items")) {
            buf_printf(&b, "%.*s:", STR_ARG(json_str(json_get(it, "path"), STR("-"))));
            static const char *const counts[] = {"points", "good", "uncertain", "bad", "stale"};
            for (size_t i = 0; i < 5; i++) buf_printf(&b, "%d", (int)json_i64(json_get(it, counts[i]), -1));
            buf_z(&b, json_bool(json_get(it, "children"), false) ? "+ " : " ");
        }
    if (!str_is(buf_view(&b), want))
        test_fail(__FILE__, __LINE__, "%s: \"%.*s\", want \"%s\"", target, STR_ARG(buf_view(&b)), want);
    buf_fini(&b);
}

TEST(areas_count_what_lies_below_them)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    check_areas(&x, "/api/v1/areas", ""); /* nothing yet */
    plant_of_three(&x);
    apply(&x);
    check_areas(&x, "/api/v1/areas", "LT:30030+ LTX:10010 ");
    now_is(&x, "A.SP", 1, QUALITY_GOOD);
    now_is(&x, "A.TXT", 1, QUALITY_UNCERTAIN);
    now_is(&x, "A.RO", 1, QUALITY_BAD);
    check_areas(&x, "/api/v1/areas", "LT:31110+ LTX:10010 ");
    check_areas(&x, "/api/v1/points:tree?parent=LT", "LT/FLT:10010+ LT/GRD:21100 ");
    check_areas(&x, "/api/v1/points:tree?parent=LT/", "LT/FLT:10010+ LT/GRD:21100 ");
    check_areas(&x, "/api/v1/areas?parent=LT/", "LT/FLT:10010+ LT/GRD:21100 ");
    check_areas(&x, "/api/v1/areas?parent=LT/FLT", "LT/FLT/01:10010 ");
    check_areas(&x, "/api/v1/areas?parent=LT/GRD", "");
    check_areas(&x, "/api/v1/areas?parent=L", ""); /* half a name is no parent */
    sim_clock_advance(&x.r.clock, 60000000);
    check_areas(&x, "/api/v1/points:tree?parent=LT", "LT/FLT:10011+ LT/GRD:21102 ");
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/areas?parent=LT", NULL), 200);
    CHECK_STR(rig_str(&x.r, "items.1.key.0.code"), "A.SP");
    plant_close(&x);
}

/* ---- writes ---- */

static int command(struct plant_rig *x, const char *code, const char *body)
{
    char path[80];
    snprintf(path, sizeof path, "/api/v1/points/%s:write", code);
    return rig_call(&x->r, "POST", path, body);
}

TEST(a_write_is_checked_before_it_goes_out)
{
    static const struct {
        const char *code, *body;
        int status;
        const char *where;
    } t[] = {{"A.SP", "{\"value\":51,\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"value\":-1,\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"value\":\"7\",\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"value\":null,\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"value\":[1],\"confirm\":true}", 400, "value"},
             {"A.TXT", "{\"value\":7,\"confirm\":true}", 400, "value"},
             {"A.TXT", "{\"value\":true,\"confirm\":true}", 400, "value"},
             {"A.SP", "{\"value\":7,\"confirm\":true,\"expires_ms\":99}", 400, "expires_ms"},
             {"A.SP", "{\"value\":7,\"confirm\":true,\"expires_ms\":60001}", 400, "expires_ms"},
             {"A.SP", "{\"value\":7}", 428, "confirm"},
             {"A.SP", "{\"value\":7,\"confirm\":\"true\"}", 428, "confirm"},
             {"A.RO", "{\"value\":7,\"confirm\":true}", 403, "id"},
             {"HAND", "{\"value\":7,\"confirm\":true}", 503, "id"},
             {"NONE", "{\"value\":7,\"confirm\":true}", 404, ""},
             {"A.SP", "7", 400, ""}};
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    plant_of_three(&x);
    CHECK_INT(command(&x, "A.SP", "{\"value\":7,\"confirm\":true}"), 503); /* not running yet */
    apply(&x);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (command(&x, t[i].code, t[i].body) != t[i].status ||
            (t[i].where[0] && !str_is(rig_str(&x.r, "where"), t[i].where)))
            test_fail(__FILE__, __LINE__, "%s %s: %d, want %d: %.*s", t[i].code, t[i].body, x.r.status, t[i].status,
                      STR_ARG(x.r.body));
    CHECK_INT(fake.writes, 0);
    plant_close(&x);
}

TEST(a_write_tells_its_outcome)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    plant_of_three(&x);
    apply(&x);
    now_is(&x, "A.SP", 20, QUALITY_GOOD);
    CHECK_INT(command(&x, "A.SP", "{\"value\":50,\"confirm\":true,\"reason\":\" trial \"}"), 200);
    CHECK(fake.writes == 1 && fake.last == 50);
    CHECK_STR(rig_str(&x.r, "outcome"), "done");
    CHECK_STR(rig_str(&x.r, "reason"), "trial");
    CHECK_INT(rig_i64(&x.r, "before"), 20);
    CHECK_INT(rig_i64(&x.r, "readback"), 50);
    CHECK_INT(command(&x, "A.TXT", "{\"value\":\"run\",\"confirm\":true}"), 200);
    CHECK_Z(fake.last_text, "run");
    CHECK_STR(rig_str(&x.r, "value"), "run");
    CHECK_STR(rig_str(&x.r, "readback"), "run");
    CHECK_INT(command(&x, "A.BIT", "{\"value\":true,\"confirm\":true}"), 200);
    CHECK(fake.last_bool);
    fake.outcome = DRIVER_REFUSED;
    CHECK_INT(command(&x, "A.SP", "{\"value\":1,\"confirm\":true}"), 200);
    CHECK_STR(rig_str(&x.r, "outcome"), "refused");
    CHECK(json_path(x.r.json, "readback")->type == JSON_NULL);
    plant_close(&x);
}

TEST(a_range_that_was_narrowed_holds_at_once)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    plant_of_three(&x);
    apply(&x);
    CHECK_INT(change(&x, "points", "A.SP", "{\"write_lo\":2,\"write_hi\":10}"), 200);
    CHECK_INT(command(&x, "A.SP", "{\"value\":11,\"confirm\":true}"), 400);
    CHECK_INT(command(&x, "A.SP", "{\"value\":true,\"confirm\":true}"), 400); /* 1 is below 2 */
    CHECK_INT(command(&x, "A.SP", "{\"value\":10,\"confirm\":true}"), 200);
    CHECK_INT(change(&x, "points", "A.SP", "{\"writable\":false}"), 200);
    CHECK_INT(command(&x, "A.SP", "{\"value\":10,\"confirm\":true}"), 403);
    CHECK_INT(fake.writes, 1);
    CHECK_INT(change(&x, "channels", "C1", "{\"enabled\":false}"), 200);
    apply(&x);
    CHECK_INT(command(&x, "A.BIT", "{\"value\":true,\"confirm\":true}"), 503);
    plant_close(&x);
}

/* ---- trying ---- */

TEST(tests_and_reads_make_and_close_a_channel)
{
    static const char test[] = "{\"spec\":{\"driver\":\"fake\",\"options\":{\"port\":5}}}";
    static const char read[] =
        "{\"channel\":{\"driver\":\"fake\"},\"points\":[{\"address\":\"a\"},{\"address\":\"b\"}]}";
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    apply(&x);
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:test", test), 200);
    CHECK(json_bool(json_path(x.r.json, "ok"), false));
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:test", "{\"spec\":{\"driver\":\"none\"}}"), 400);
    CHECK_INT(
        rig_call(&x.r, "POST", "/api/v1/channels:test", "{\"spec\":{\"driver\":\"fake\",\"options\":{\"port\":100}}}"),
        400);
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:read", read), 200);
    CHECK_INT(rig_i64(&x.r, "items.1.value"), 7);
    CHECK_STR(rig_str(&x.r, "items.1.raw"), "0102");
    fake.no_reading = true;
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:read", read), 503);
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:read",
                       "{\"channel\":{\"driver\":\"fake\"},\"points\":[{\"address\":\"\"}]}"),
              400);
    plant_close(&x);
    CHECK_INT(fake.opens, 3);
    CHECK_INT(fake.closes, 3);
}

/* ---- applying ---- */

TEST(only_what_changed_is_touched)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    plant_of_three(&x);
    make(&x, "channels", "C2", "{\"driver\":\"fake\"}");
    apply(&x);
    CHECK(fake.opens == 2 && fake.sets == 2 && fake.closes == 0);
    apply(&x);
    CHECK(fake.opens == 2 && fake.closes == 0);
    unsigned sets = fake.sets;
    CHECK_INT(change(&x, "points", "A.RO", "{\"address\":\"other\"}"), 200);
    apply(&x);
    CHECK(fake.opens == 2 && fake.closes == 0 && fake.sets > sets);
    CHECK_INT(change(&x, "channels", "C1", "{\"options\":{\"port\":9}}"), 200);
    apply(&x);
    CHECK(fake.opens == 3 && fake.closes == 1);
    CHECK_INT(rig_call(&x.r, "DELETE", "/api/v1/channels/C2", NULL), 204);
    apply(&x);
    CHECK(fake.opens == 3 && fake.closes == 2);
    CHECK_INT(change(&x, "channels", "C1", "{\"enabled\":false}"), 200);
    apply(&x);
    CHECK(fake.opens == 3 && fake.closes == 3);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels:status", NULL), 200);
    CHECK_STR(rig_str(&x.r, "items.0.state"), "off");
    CHECK_INT(change(&x, "channels", "C1", "{\"enabled\":true}"), 200);
    apply(&x);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/diagnostics", NULL), 200);
    CHECK_STR(rig_str(&x.r, "state"), "up");
    CHECK_INT(rig_i64(&x.r, "points"), 4);
    plant_close(&x);
    CHECK_INT(fake.opens, fake.closes);
}

TEST(the_reconciler_follows_changes_and_stops_at_any_time)
{
    for (int round = 0; round < 3; round++) {
        struct plant_rig x;
        struct error e = {0};
        REQUIRE(plant_open(&x));
        plant_of_three(&x);
        CHECK_INT(modules_start(fake_modules, 1, x.ctx, &e), 0);
        x.runs = true;
        for (int i = 0; round > 0 && fake.sets < 1 && i < 5000; i++) usleep(1000); /* polls the outcome */
        CHECK(round == 0 || fake.sets == 1);
        if (round == 2) make(&x, "channels", "C9", "{\"driver\":\"fake\"}");
        plant_close(&x);
        CHECK_INT(fake.opens, fake.closes);
    }
}
