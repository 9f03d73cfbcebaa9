/* payload_test.c - each form byte by byte, bad values, odd texts; the line protocol is read back by its own reader;
 * what is refused. */
#include "base/json.h"
#include "base/mem.h"
#include "drivers/common/testbed.h"
#include "outlets/common/payload.h"
#include "proto/line_protocol.h"

#define T0 1767225600000000LL /* 2026-01-01T00:00:00Z */

static const struct option table[] = {PAYLOAD_OPTIONS, {0}};
static const struct outlet_point points[] = {
    {.num = 1, .code = "LT.T1", .name = "温度", .address = "a/1", .unit = "Cel", .area = "LT/grind", .device = "plc1"},
    {.num = 2, .code = "odd, \"x\"=1", .name = "-2+3", .address = "", .unit = "", .area = "", .device = ""},
};

static struct outlet_item real(uint32_t slot, int64_t t, double x)
{
    return (struct outlet_item){.slot = slot, .sample = {.time_us = t, .type = SAMPLE_DOUBLE, .v.d = x}};
}
static struct outlet_item text(uint32_t slot, int64_t t, const char *z)
{
    return (struct outlet_item){
        .slot = slot, .sample = {.time_us = t, .type = SAMPLE_STRING}, .text = z, .text_len = strlen(z)};
}
static struct outlet_item whole(uint32_t slot, int64_t t, enum sample_type type, int64_t i)
{
    return (struct outlet_item){.slot = slot, .sample = {.time_us = t, .type = type, .v.i = i}};
}
static struct outlet_item bad(uint32_t slot, int64_t t)
{
    return (struct outlet_item){.slot = slot,
                                .sample = {.time_us = t, .type = SAMPLE_DOUBLE, .v.d = 5, .quality = QUALITY_BAD}};
}

static const char *written(const char *options, const struct outlet_item *items, size_t n)
{
    static char out[4096];
    struct payload *p = NULL;
    struct error e = {0};
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    buf_init(&b, sizeof out - 1);
    int rc = payload_new(bed_options_of(&a, table, options), &p, &e);
    if (!rc) rc = payload_write(p, points, items, n, &b);
    snprintf(out, sizeof out, "%s%s", rc ? "error: " : "", rc ? e.text : buf_cstr(&b));
    payload_free(p);
    buf_fini(&b);
    return out;
}

TEST(json)
{
    struct outlet_item uncertain = real(0, T0 - 1, 2);
    uncertain.sample.quality = QUALITY_UNCERTAIN;
    const struct outlet_item items[] = {uncertain,
                                        real(0, T0, 1.5),
                                        text(1, T0 + 1234, "a\"\n温"),
                                        whole(0, T0 + 2000, SAMPLE_BOOL, 1),
                                        whole(0, T0 + 3000, SAMPLE_INT, INT64_MIN),
                                        bad(0, T0),
                                        real(0, T0, NAN)};
    CHECK_Z(written("{}", items, 7), "[{\"code\":\"LT.T1\",\"time\":\"2025-12-31T23:59:59.999999Z\",\"ts\":"
                                     "1767225599999,\"value\":2,\"quality\":\"uncertain\"},"
                                     "{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,"
                                     "\"value\":1.5,\"quality\":\"good\"},"
                                     "{\"code\":\"odd, "
                                     "\\\"x\\\"=1\",\"time\":\"2026-01-01T00:00:00.001234Z\",\"ts\":1767225600001,"
                                     "\"value\":\"a\\\"\\n温\",\"quality\":\"good\"},"
                                     "{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.002Z\",\"ts\":1767225600002,"
                                     "\"value\":true,\"quality\":\"good\"},"
                                     "{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.003Z\",\"ts\":1767225600003,"
                                     "\"value\":-9223372036854775808,\"quality\":\"good\"},"
                                     "{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,"
                                     "\"value\":null,\"quality\":\"bad\"},"
                                     "{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,"
                                     "\"value\":null,\"quality\":\"bad\"}]");
    CHECK_Z(written("{}", NULL, 0), "[]");
}

TEST(keys_join_what_has_one_time)
{
    const struct outlet_item items[] = {real(0, T0, 1), real(1, T0 + 10, 2), real(0, T0 + 20, 3), bad(1, T0 + 5000),
                                        real(0, -1500, 4)};
    CHECK_Z(written("{\"form\":\"keys\"}", items, 5),
            "[{\"ts\":1767225600000,\"values\":{\"odd, \\\"x\\\"=1\":2,\"LT.T1\":3}},"
            "{\"ts\":1767225600005,\"values\":{\"odd, \\\"x\\\"=1\":null}},{\"ts\":-2,\"values\":{\"LT.T1\":4}}]");
    CHECK_Z(written("{\"form\":\"keys\"}", NULL, 0), "[]");
}

TEST(lines_are_read_back)
{
    const struct outlet_item items[] = {real(1, T0, 0.1), text(0, T0, "a\"b\\c"), bad(0, T0),
                                        whole(0, T0, SAMPLE_BOOL, 1), real(0, INT64_MAX / 100, 1)};
    static struct lp r;
    struct lp_line l;
    const char *got = written("{\"form\":\"lines\",\"measurement\":\"my plant\"}", items, 5);
    CHECK_Z(got, "my\\ plant,point=odd\\,\\ \"x\"\\=1 value=0.1 1767225600000000000\n"
                 "my\\ plant,point=LT.T1 text=\"a\\\"b\\\\c\" 1767225600000000000\n"
                 "my\\ plant,point=LT.T1 value=1 1767225600000000000\n");
    REQUIRE(lp_init(&r, str_of(got), STR("ns")) == 0 && lp_next(&r, &l) == 1);
    CHECK_DBL(l.field[0].d, 0.1, 0);
    CHECK_INT(l.time_us, T0);
    struct str tags = l.tags, key, value;
    REQUIRE(lp_tag_next(&tags, &key, &value));
    struct buf b;
    buf_init(&b, 100);
    lp_unescape(&b, value);
    CHECK_STR(buf_view(&b), points[1].code);
    buf_fini(&b);
}

TEST(csv)
{
    const struct outlet_item items[] = {real(0, T0, -1.5), text(1, T0, "=cmd()"), bad(0, T0)};
    CHECK_Z(written("{\"form\":\"csv\"}", items, 3),
            "code,time,value,quality\r\nLT.T1,2026-01-01T00:00:00.000Z,-1.5,good\r\n"
            "\"odd, \"\"x\"\"=1\",2026-01-01T00:00:00.000Z,'=cmd(),good\r\nLT.T1,2026-01-01T00:00:00.000Z,,bad\r\n");
}

TEST(templates)
{
    const struct outlet_item items[] = {real(0, T0, 1.5), text(1, T0 + 1000, "a\"b")};
    CHECK_Z(written("{\"form\":\"template\"}", items, 2),
            "[{\"code\":\"LT.T1\",\"ts\":1767225600000,\"value\":1.5},{\"code\":\"odd, "
            "\\\"x\\\"=1\",\"ts\":1767225600001,\"value\":\"a\\\"b\"}]");
    CHECK_Z(written("{\"form\":\"template\",\"template\":\"${name} ${address} ${unit} ${area} ${device} ${quality} "
                    "${time} $${ts} $ ${value}${json:time}${json:unit}\","
                    "\"template_head\":\"<\",\"template_join\":\"|\",\"template_tail\":\">\"}",
                    items, 2),
            "<温度 a/1 Cel LT/grind plc1 good 2026-01-01T00:00:00.000Z ${ts} $ 1.5\"2026-01-01T00:00:00.000Z\"\"Cel\"|"
            "-2+3     good 2026-01-01T00:00:00.001Z ${ts} $ a\"b\"2026-01-01T00:00:00.001Z\"\"\">");
    const struct outlet_item none = bad(0, T0);
    CHECK_Z(written("{\"form\":\"template\",\"template\":\"${value}/${json:value}/"
                    "${json:quality}\",\"template_head\":\"\",\"template_tail\":\"\"}",
                    &none, 1),
            "/null/\"bad\"");
}

TEST(refused)
{
    CHECK_Z(written("{\"form\":\"template\",\"template\":\"${codes}\"}", NULL, 0),
            "error: ${codes} is unknown; there are code, name, address, unit, area, device, value, quality, time, ts");
    CHECK_Z(written("{\"form\":\"template\",\"template\":\"${json:}\"}", NULL, 0),
            "error: ${json:} is unknown; there are code, name, address, unit, area, device, value, quality, time, ts");
    CHECK_Z(written("{\"form\":\"template\",\"template\":\"a ${code\"}", NULL, 0),
            "error: '${code' has no closing '}'; write $${ for a plain ${");
}

TEST(media_types)
{
    static const char *const cases[][2] = {
        {"{}", "application/json"},
        {"{\"form\":\"lines\"}", "text/plain; charset=utf-8"},
        {"{\"form\":\"csv\"}", "text/csv; charset=utf-8"},
        {"{\"form\":\"template\"}", "application/json"},
        {"{\"form\":\"template\",\"template_head\":\"\",\"template\":\"{\\\"a\\\":1}\"}", "application/json"},
        {"{\"form\":\"template\",\"template_head\":\"\",\"template\":\"${value}\"}", "text/plain; charset=utf-8"},
    };
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct payload *p = NULL;
        REQUIRE(payload_new(bed_options_of(&a, table, cases[i][0]), &p, NULL) == 0);
        CHECK_Z(payload_media_type(p), cases[i][1]);
        payload_free(p);
    }
}

TEST(full_buffers_and_no_memory)
{
    const struct outlet_item item = real(0, T0, 1);
    struct payload *p = NULL;
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    const struct options *o = bed_options_of(&a, table, "{\"form\":\"template\"}");
    for (unsigned i = 1, rc = 1; rc && i < 20; i++) {
        mem_fail_at(i, false);
        rc = (unsigned)-payload_new(o, &p, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == (unsigned)-ERR_NOMEM);
    }
    REQUIRE(p != NULL);
    buf_init(&b, 10);
    CHECK_INT(payload_write(p, points, &item, 1, &b), ERR_TOO_LARGE);
    buf_fini(&b);
    payload_free(p);
}

TEST(texts_of_a_point)
{
    char out[40];
    struct error e = {0};
    CHECK_INT(payload_text("v1/${node}/${area}/${code}", &points[0], "n1", out, sizeof out, &e), 0);
    CHECK_Z(out, "v1/n1/LT/grind/LT.T1");
    CHECK_INT(payload_text("", &points[0], "n1", out, sizeof out, &e), 0);
    CHECK_Z(out, "");
    CHECK_INT(payload_text("${value}", &points[0], "n1", out, sizeof out, &e), ERR_INVALID);
    CHECK(strstr(e.text, "code, name, address, unit, area, device, node") && strstr(e.text_zh, "可用"));
    CHECK_INT(payload_text("${area}/${code}/${area}/${code}/${code}/${code}", &points[0], "n1", out, sizeof out, &e),
              ERR_TOO_LARGE);
    CHECK_INT(payload_text("$.topic$", &points[0], "n1", out, sizeof out, &e), 0);
    CHECK_Z(out, "$.topic$");
}
