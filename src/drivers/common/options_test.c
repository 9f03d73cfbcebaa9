/* Option tables: the bag, the faults, the form. */
#include "base/test.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"

static const struct option_choice framings[] = {{"tcp", "TCP", "TCP"}, {"rtu", "RTU", "RTU"}, {0}};
static const struct option table[] = {
    {.name = "host", .type = OPTION_STRING, .en = "Host", .zh = "主机", .required = true, .max = "8"},
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .def = "502", .min = "1", .max = "65535"},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .en = "Time-out",
     .zh = "超时",
     .def = "1s",
     .min = "50ms",
     .max = "1m"},
    {.name = "framing", .type = OPTION_ENUM, .en = "Framing", .zh = "帧", .def = "tcp", .choices = framings},
    {.name = "parity", .type = OPTION_STRING, .en = "Parity", .zh = "校验", .required = true, .show_if = "framing=rtu"},
    {.name = "keep", .type = OPTION_BOOLEAN, .en = "Keep", .zh = "保持", .def = "true"},
    {.name = "gain", .type = OPTION_NUMBER, .en = "Gain", .zh = "增益"},
    {0},
};

static int check(struct arena *a, const char *text, struct options *ret, struct error *errs, size_t *n, struct error *e)
{
    struct json *v;
    if (json_parse(a, str_of(text), &v, NULL)) return ERR_INTERNAL;
    return options_check(table, a, v, ret, errs, 10, n, e);
}

TEST(defaults_and_values)
{
    AUTO_ARENA a;
    struct options o;
    struct error errs[10];
    size_t n;
    arena_init(&a, 1 << 20);
    REQUIRE(check(&a, "{\"host\":\"plc\",\"framing\":\"rtu\",\"parity\":\"even\",\"gain\":2.5}", &o, errs, &n, NULL) ==
            0);
    CHECK_Z(opt_str(&o, "host", ""), "plc");
    CHECK_INT(opt_i64(&o, "port", 0), 502);
    CHECK_INT(opt_ms(&o, "timeout", 0), 1000);
    CHECK_INT(opt_enum(&o, "framing", 9), 1);
    CHECK(opt_bool(&o, "keep", false));
    CHECK_DBL(opt_double(&o, "gain", 0), 2.5, 0);
    CHECK_INT(opt_i64(&o, "nothing", 7), 7);
}

static const struct {
    const char *json, *where, *text;
} faults[] = {
    {"{}", "host", "'host' (Host) is missing"},
    {"{\"host\":5}", "host", "'host' must be a text"},
    {"{\"host\":\"123456789\"}", "host", "'host' may have at most 8 bytes"},
    {"{\"host\":\"a\",\"port\":0}", "port", "'port' must be at least 1"},
    {"{\"host\":\"a\",\"port\":65536}", "port", "'port' must be at most 65535"},
    {"{\"host\":\"a\",\"port\":\"502\"}", "port", "'port' must be a number, for example 502"},
    {"{\"host\":\"a\",\"port\":1.5}", "port", "'port' must be a whole number, for example 502"},
    {"{\"host\":\"a\",\"timeout\":\"10ms\"}", "timeout", "'timeout' must be at least 50ms"},
    {"{\"host\":\"a\",\"timeout\":\"soon\"}", "timeout",
     "'timeout' must be a duration such as \"500ms\", \"10s\" or \"5m\""},
    {"{\"host\":\"a\",\"framing\":\"udp\"}", "framing", "'framing' must be one of: tcp, rtu"},
    {"{\"host\":\"a\",\"keep\":1}", "keep", "'keep' must be true or false"},
    {"{\"host\":\"a\",\"framing\":\"rtu\"}", "parity", "'parity' (Parity) is missing"},
    {"{\"host\":\"a\",\"prot\":1}", "prot", "there is no option 'prot'; did you mean 'port'?"},
    {"{\"host\":\"a\",\"xxxxxxxxxx\":1}", "xxxxxxxxxx", "there is no option 'xxxxxxxxxx'"},
    {"[]", "", "options must be an object, for example {\"host\":\"10.0.0.5\"}"},
};

TEST(each_fault_is_named)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct options o;
        struct error errs[10], e = {0};
        size_t n = 0;
        CHECK_INT(check(&a, faults[i].json, &o, errs, &n, &e), ERR_INVALID);
        CHECK_Z(e.where, faults[i].where);
        CHECK_Z(e.text, faults[i].text);
        CHECK(n >= 1 && strcmp(errs[0].text, e.text) == 0 && errs[0].text_zh[0]);
    }
}

TEST(all_faults_at_once)
{
    AUTO_ARENA a;
    struct options o;
    struct error errs[10];
    size_t n = 0;
    arena_init(&a, 1 << 20);
    CHECK_INT(check(&a, "{\"port\":0,\"keep\":3,\"nope\":1}", &o, errs, &n, NULL), ERR_INVALID);
    CHECK_INT(n, 4);
}

TEST(form)
{
    AUTO_ARENA a;
    struct buf b;
    struct json *v = NULL;
    buf_init(&b, 1 << 16);
    arena_init(&a, 1 << 20);
    struct json_writer w = json_writer(&b);
    options_json(&w, table);
    CHECK_INT(json_parse(&a, buf_view(&b), &v, NULL), 0);
    CHECK_INT(json_count(v), 7);
    CHECK_STR(json_str(json_path(v, "1.type"), STR_NULL), "integer");
    CHECK_INT(json_i64(json_path(v, "1.default"), 0), 502);
    CHECK_STR(json_str(json_path(v, "2.min"), STR_NULL), "50ms");
    CHECK_STR(json_str(json_path(v, "3.values.1.title.zh"), STR_NULL), "RTU");
    CHECK_STR(json_str(json_path(v, "4.show_if.in.0"), STR_NULL), "rtu");
    CHECK(json_bool(json_path(v, "5.default"), false));
    CHECK(json_get(json_at(v, 6), "default") == NULL);
    buf_fini(&b);
}

TEST(value_types)
{
    enum value_type t = VALUE_AUTO;
    CHECK(value_type_parse(STR("bcd32"), &t) && t == VALUE_BCD32);
    CHECK(!value_type_parse(STR("real"), &t));
    CHECK_Z(value_type_name(VALUE_DOUBLE), "double");
    CHECK_INT(value_type_bytes(VALUE_INT64), 8);
}
