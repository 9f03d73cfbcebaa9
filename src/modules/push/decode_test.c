/* decode_test.c - the forms of devices as tables: "key=value@ms!quality …" or the place of the fault. */
#include "base/test.h"
#include "modules/push/decode.h"

static void check(enum push_form form, const char *text, const char *want)
{
    AUTO_ARENA a;
    struct json *body;
    struct pushed *p = NULL;
    size_t n = 0;
    struct error e = {0};
    struct buf out;
    arena_init(&a, 1 << 20);
    buf_init(&out, 4096);
    REQUIRE(json_parse(&a, str_of(text), &body, &e) == 0);
    if (push_decode(&a, form, body, &p, &n, &e)) buf_printf(&out, "!%s", e.where);
    for (size_t i = 0; i < n && !e.code; i++) {
        buf_printf(&out, "%s%.*s=", i ? " " : "", STR_ARG(p[i].key));
        json_write(&out, p[i].v);
        if (p[i].has_time) buf_printf(&out, "@%lld", (long long)(p[i].time_us / 1000));
        if (p[i].quality) buf_printf(&out, "!%d", p[i].quality);
    }
    if (!str_is(buf_view(&out), want))
        test_fail(__FILE__, __LINE__, "%s: \"%.*s\", want \"%s\"", text, STR_ARG(buf_view(&out)), want);
    buf_fini(&out);
}

TEST(thingsboard)
{
    static const char *const rows[][2] = {
        {"{\"temperature\":42.5,\"on\":true,\"s\":\"x\"}", "temperature=42.5 on=true s=\"x\""},
        {"{\"ts\":1451649600512,\"values\":{\"a\":1,\"b\":2}}", "a=1@1451649600512 b=2@1451649600512"},
        {"[{\"a\":1},{\"ts\":1451649601000,\"values\":{\"a\":2}}]", "a=1 a=2@1451649601000"},
        {"{\"ts\":5}", "ts=5"}, /* without values: a key like others */
        {"{\"ts\":\"now\",\"values\":{\"a\":1}}", "!ts"},
        {"[{\"a\":1},{\"ts\":1e300,\"values\":{\"a\":2}}]", "![1].ts"},
        {"[{\"a\":1},7]", "![1]."},
        {"7", "!"},
        {"[]", ""},
        {"{\"\":1}", "!key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(PUSH_THINGSBOARD, rows[i][0], rows[i][1]);
}

TEST(own)
{
    static const char *const rows[][2] = {
        {"{\"values\":{\"a\":1,\"b\":{\"v\":2,\"q\":\"uncertain\"}}}", "a=1 b=2!1"},
        {"{\"t\":\"1970-01-01T00:00:01Z\",\"values\":{\"a\":1,\"b\":{\"v\":2,\"t\":3000}}}", "a=1@1000 b=2@3000"},
        {"[{\"t\":1000,\"values\":{\"a\":1}},{\"values\":{\"a\":null}}]", "a=1@1000 a=null"},
        {"{\"a\":1}", "!values"},
        {"{\"values\":{\"a\":{\"q\":\"good\"}}}", "!values"},
        {"{\"values\":{\"a\":{\"v\":1,\"q\":\"fine\"}}}", "!values.q"},
        {"{\"values\":{\"a\":{\"v\":1,\"q\":7}}}", "!values.q"},
        {"{\"t\":\"x\",\"values\":{}}", "!t"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(PUSH_OWN, rows[i][0], rows[i][1]);
}
