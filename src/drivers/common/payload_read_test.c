/* payload_read_test.c - documents of each form into values; times as devices write them; broken documents and rules. */
#include "base/mem.h"
#include "base/test.h"
#include "base/time.h"
#include "drivers/common/payload_read.h"
#include "drivers/common/testbed.h"

static const struct option table[] = {PAYLOAD_READ_OPTIONS, {0}};
static const struct option point_table[] = {PAYLOAD_READ_POINT_OPTIONS, {0}};

static int tell(void *ctx, const struct payload_value *v)
{
    struct buf *b = ctx;
    char t[TIME_TEXT_MAX];
    if (b->n) buf_z(b, " ");
    json_write(b, v->value);
    if (v->has_time) buf_printf(b, "@%s", time_format(v->time_us, t));
    if (v->quality) buf_printf(b, "%s", v->quality == QUALITY_BAD ? "!" : "?");
    if (v->error) buf_printf(b, "#%s", v->error->text);
    return 0;
}

/* All values of an address in a document: "1@2026-01-01T00:00:00Z 2 …". */
static const char *values(const char *options, const char *doc, const char *address, const char *point)
{
    static char out[4096];
    struct payload_reader *r = NULL;
    struct payload_place *p = NULL;
    struct payload_doc *d = NULL;
    struct error e = {0};
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    buf_init(&b, sizeof out - 1);
    int rc = payload_reader_new(bed_options_of(&a, table, options), &r, &e);
    if (!rc) rc = payload_place_new(r, address, bed_options_of(&a, point_table, point), &p, &e);
    if (!rc) rc = payload_doc_parse(r, str_of(doc), &a, &d, &e);
    if (rc)
        snprintf(out, sizeof out, "error %s: %s", e.where, e.text);
    else {
        rc = payload_doc_read(d, p, tell, &b);
        snprintf(out, sizeof out, "%s%s", rc == ERR_NOT_FOUND ? "none" : rc ? "failed" : "", buf_cstr(&b));
    }
    buf_fini(&b);
    payload_place_free(p);
    payload_reader_free(r);
    return out;
}

TEST(json_documents)
{
    static const char doc[] = "{\"ts\":1767225600,\"d\":{\"t\":21.5,\"ok\":true,\"n\":null},\"q\":\"Uncertain\"}";
    CHECK_Z(values("{}", doc, "d.t", "{}"), "21.5");
    CHECK_Z(values("{}", doc, "$.d.ok", "{}"), "true");
    CHECK_Z(values("{}", doc, "d.n", "{}"), "null");
    CHECK_Z(values("{}", doc, "d.x", "{}"), "none");
    CHECK_Z(values("{\"time\":\"ts\",\"quality\":\"q\"}", doc, "d.t", "{}"), "21.5@2026-01-01T00:00:00Z?");
    CHECK_Z(values("{\"time\":\"nothing\"}", doc, "d.t", "{\"time\":\"$.ts\"}"), "21.5@2026-01-01T00:00:00Z");
    CHECK_Z(values("{\"time\":\"d.ok\"}", doc, "d.t", "{}"), "21.5#there is no time in the row");
    CHECK_Z(values("{\"quality\":\"none\"}", doc, "d.t", "{}"), "21.5");
}

TEST(json_rows)
{
    static const char doc[] = "{\"data\":[{\"at\":\"2026-01-01 "
                              "08:00:00\",\"v\":2,\"s\":\"bad\"},{\"at\":\"2026-01-01T00:00:01.5Z\",\"v\":1,\"s\":192},"
                              "{\"at\":\"2026-01-01\"}]}";
    CHECK_Z(
        values("{\"rows\":\"$.data[*]\",\"time\":\"at\",\"time_zone\":\"+08:00\",\"quality\":\"s\"}", doc, "v", "{}"),
        "2@2026-01-01T00:00:00Z! 1@2026-01-01T00:00:01.500Z");
    CHECK_Z(values("{\"rows\":\"$.data[*]\"}", doc, "v", "{}"), "1"); /* without times the last row counts */
    CHECK_Z(values("{\"rows\":\"$.none[*]\"}", doc, "v", "{}"), "none");
}

TEST(rows_with_names)
{
    static const char doc[] =
        "[{\"tag\":\"B\",\"v\":1,\"t\":1767225600000},{\"tag\":\"A\",\"v\":2,\"t\":1767225601000},"
        "{\"tag\":\"B\",\"v\":3,\"t\":1767225602000},{\"v\":9},{\"tag\":7,\"v\":8,\"t\":1767225602000}]";
    static const char o[] = "{\"rows\":\"[*]\",\"key\":\"tag\",\"value\":\"v\",\"time\":\"t\"}";
    CHECK_Z(values(o, doc, "B", "{}"), "1@2026-01-01T00:00:00Z 3@2026-01-01T00:00:02Z");
    CHECK_Z(values(o, doc, "A", "{}"), "2@2026-01-01T00:00:01Z");
    CHECK_Z(values(o, doc, "7", "{}"), "8@2026-01-01T00:00:02Z");
    CHECK_Z(values(o, doc, "C", "{}"), "none");
    CHECK_Z(values("{\"rows\":\"[*]\",\"key\":\"tag\"}", doc, "A", "{}"),
            "error value: with a name in the row ('key'), the path of its value is needed, e.g. value");
}

TEST(csv_documents)
{
    static const char doc[] = "\xef\xbb\xbftime;Temp in;state\r\n22.11.2026 10:00:00;1,5;ok\r\n22.11.2026 10:00:01; "
                              "2.5 ;x\r\n22.11.2026 10:00:02;;ok\r\n";
    static const char o[] = "{\"payload\":\"csv\",\"time\":\"time\",\"time_format\":\"pattern\",\"time_pattern\":\"%d.%"
                            "m.%Y %H:%M:%S\",\"quality\":\"state\"}";
    CHECK_Z(values(o, doc, "Temp in", "{}"), "\"1,5\"@2026-11-22T10:00:00Z \"2.5\"@2026-11-22T10:00:01Z!");
    CHECK_Z(values(o, doc, "2", "{}"), "\"1,5\"@2026-11-22T10:00:00Z \"2.5\"@2026-11-22T10:00:01Z!");
    CHECK_Z(values(o, doc, "Temp out", "{}"), "none");
    CHECK_Z(values("{\"payload\":\"csv\",\"header\":false}", "7,8\n9,10\n", "2", "{}"), "\"10\"");
    CHECK_Z(values("{\"payload\":\"csv\",\"key\":\"1\",\"value\":\"2\",\"header\":false}", "a,8\nb,10\n", "a", "{}"),
            "\"8\"");
    CHECK(strstr(values("{\"payload\":\"csv\"}", "a\n\"open", "a", "{}"), "error") != NULL);
}

TEST(xml_documents)
{
    static const char doc[] = "<plant time='2026-01-01T00:00:00Z'><t id='T1'><v>21.5</v><q>ok</q></t><t id='T2' "
                              "v='7'><v>bad</v><q>x</q></t></plant>";
    static const char rows[] = "{\"payload\":\"xml\",\"rows\":\"plant/t\",\"quality\":\"q\"}";
    static const char keyed[] = "{\"payload\":\"xml\",\"rows\":\"//t\",\"key\":\"@id\",\"value\":\"v\"}";
    CHECK_Z(values("{\"payload\":\"xml\",\"time\":\"plant/@time\"}", doc, "plant/t[@id='T1']/v", "{}"),
            "\"21.5\"@2026-01-01T00:00:00Z");
    CHECK_Z(values("{\"payload\":\"xml\"}", doc, "//t[2]/@v", "{}"), "\"7\"");
    CHECK_Z(values("{\"payload\":\"xml\"}", doc, "//t[3]/v", "{}"), "none");
    CHECK_Z(values(rows, doc, "v", "{}"), "\"bad\"!"); /* of rows without a time the last counts */
    CHECK_Z(values(keyed, doc, "T1", "{}"), "\"21.5\"");
    CHECK(strstr(values("{\"payload\":\"xml\"}", "<plant>", "plant", "{}"), "line 1"));
    CHECK(strstr(values("{\"payload\":\"xml\"}", doc, "plant/t[", "{}"), "error address: "));
    CHECK(strstr(values("{\"payload\":\"xml\",\"rows\":\"t/@id\"}", doc, "v", "{}"), "error rows: "));
}

TEST(text_documents)
{
    CHECK_Z(values("{\"payload\":\"text\"}", " 12.5\r\n", "value", "{}"), "\"12.5\"");
    CHECK_Z(values("{\"payload\":\"text\"}", "1", "x", "{}"),
            "error address: 'x': the document is the value; the address is \"value\"");
    CHECK_Z(values("{\"payload\":\"text\"}", "\xff", "value", "{}"), "error : the text is not UTF-8");
}

TEST(times)
{
    static const struct {
        const char *options, *time, *want;
    } r[] = {
        {"", "1767225600", "2026-01-01T00:00:00Z"},
        {"", "1767225600.25", "2026-01-01T00:00:00.250Z"},
        {"", "1767225600123", "2026-01-01T00:00:00.123Z"},
        {"", "1767225600123456", "2026-01-01T00:00:00.123456Z"},
        {"", "1767225600123456789", "2026-01-01T00:00:00.123456Z"},
        {"", "\"1767225600\"", "2026-01-01T00:00:00Z"},
        {"", "\"2026-01-01T08:00:00+08:00\"", "2026-01-01T00:00:00Z"},
        {",\"time_zone\":\"+08:00\"", "\"2026-01-01T08:00:00.5\"", "2026-01-01T00:00:00.500Z"},
        {",\"time_zone\":\"Europe/Berlin\"", "\"2026-07-01 12:00:00\"", "2026-07-01T10:00:00Z"},
        {",\"time_format\":\"s\"", "1767225600123",
         "#'1767225600123' is no time: a number since 1970 is expected; is the unit right?"},
        {",\"time_format\":\"ms\"", "1000", "1970-01-01T00:00:01Z"},
        {",\"time_format\":\"us\"", "-1", "1969-12-31T23:59:59.999999Z"},
        {",\"time_format\":\"ns\"", "-1", "1969-12-31T23:59:59.999999Z"},
        {",\"time_format\":\"ns\"", "\"2500\"", "1970-01-01T00:00:00.000002Z"},
        {",\"time_format\":\"rfc3339\"", "1767225600",
         "#'1767225600' is no time: 2026-11-22T19:20:36Z or a number is expected"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%m/%d/%y %I:%M %p\"", "\"1/2/26 12:30 PM\"",
         "2026-01-02T12:30:00Z"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%d-%b-%Y %H:%M:%S.%f %z\"",
         "\"02-Jan-2026 08:00:00.25 +0800\"", "2026-01-02T00:00:00.250Z"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%Y%m%d%H%M%S\"", "20260102030405", "2026-01-02T03:04:05Z"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%Y.%j\"", "\"2026.032\"", "2026-02-01T00:00:00Z"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%Y-%m-%d\"", "\"2026-02-30\"",
         "#'2026-02-30' is no time of the pattern '%Y-%m-%d'"},
        {",\"time_format\":\"pattern\",\"time_pattern\":\"%Y-%m-%d\"", "\"2026-02-03x\"",
         "#'2026-02-03x' is no time of the pattern '%Y-%m-%d'"},
        {"", "\"yesterday\"", "#'yesterday' is no time: 2026-11-22T19:20:36Z or a number is expected"},
        {"", "\"1e300\"", "#'1e300' is no time: a number since 1970 is expected; is the unit right?"},
        {"", "null", "#there is no time in the row"},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        char options[200], doc[200], want[200];
        snprintf(options, sizeof options, "{\"time\":\"t\"%s}", r[i].options);
        snprintf(doc, sizeof doc, "{\"t\":%s,\"v\":1}", r[i].time);
        snprintf(want, sizeof want, "1%s%s", r[i].want[0] == '#' ? "" : "@", r[i].want);
        CHECK_Z(values(options, doc, "v", "{}"), want);
    }
}

TEST(rules_are_checked)
{
    CHECK_Z(
        values("{\"rows\":\"$[\"}", "{}", "v", "{}"),
        "error rows: JSONPath ends at character 3, but a name in quotes, an index, a slice, * or ? is expected there");
    CHECK(strstr(values("{}", "{}", "a b", "{}"), "error address: JSONPath, character 2") != NULL);
    CHECK(strstr(values("{}", "{}", "a", "{\"time\":\"!\"}"), "error time: JSONPath, character 1") != NULL);
    CHECK(strstr(values("{\"time_format\":\"pattern\",\"time_pattern\":\"%Q\"}", "{}", "a", "{}"),
                 "error time_pattern: %Q is unknown") != NULL);
    CHECK(strstr(values("{\"time_format\":\"pattern\",\"time_pattern\":\"%H\"}", "{}", "a", "{}"), "has no year") !=
          NULL);
    CHECK(strstr(values("{\"time_zone\":\"Mars\"}", "{}", "a", "{}"), "error time_zone") != NULL);
    CHECK(strstr(values("{}", "{\"a\":1,}", "a", "{}"), "error ") != NULL);
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    CHECK_INT(payload_address_check(bed_options_of(&a, table, "{\"time_zone\":\"Mars\"}"), "a.b", NULL, &e), 0);
    CHECK_INT(payload_address_check(bed_options_of(&a, table, "{}"), "a..", NULL, &e), ERR_INVALID);
    CHECK_Z(e.where, "address");
    CHECK_INT(payload_address_check(bed_options_of(&a, table, "{\"payload\":\"csv\"}"), "", NULL, &e), ERR_INVALID);
    CHECK_INT(payload_address_check(NULL, "a", NULL, &e), 0);
}

static struct sample sampled(const char *json, enum value_type t, double scale, struct str *text)
{
    struct json *v = NULL;
    const struct driver_point p = {.scale = scale, .offset = 0, .lo = -100, .hi = 100};
    struct sample s = {.time_us = 5, .point = 6, .quality = 1, .flags = 7};
    static struct arena a;
    arena_init(&a, 1 << 16);
    if (json_parse(&a, str_of(json), &v, NULL)) test_fail(__FILE__, __LINE__, "%s", json);
    payload_sample(v, t, &p, &a, &s, text);
    CHECK(s.time_us == 5 && s.point == 6);
    arena_fini(&a);
    return s;
}

TEST(values_as_samples)
{
    static const struct {
        const char *json;
        enum value_type t;
        double scale;
        struct sample want;
    } r[] = {
        {"5", VALUE_AUTO, 1, {.type = SAMPLE_INT, .v.i = 5}},
        {"5", VALUE_DOUBLE, 2, {.type = SAMPLE_DOUBLE, .v.d = 10}},
        {"\" 5.5 \"", VALUE_DOUBLE, 1, {.type = SAMPLE_DOUBLE, .v.d = 5.5}},
        {"\"-7\"", VALUE_INT32, 1, {.type = SAMPLE_INT, .v.i = -7}},
        {"true", VALUE_DOUBLE, 1, {.type = SAMPLE_INT, .v.i = 1}},
        {"\"ON\"", VALUE_BOOL, 1, {.type = SAMPLE_BOOL, .v.i = 1}},
        {"\"0\"", VALUE_BOOL, 1, {.type = SAMPLE_BOOL, .v.i = 0}},
        {"0.5", VALUE_BOOL, 1, {.type = SAMPLE_BOOL, .v.i = 1}},
        {"101",
         VALUE_AUTO,
         1,
         {.type = SAMPLE_INT, .v.i = 101, .quality = QUALITY_UNCERTAIN, .flags = REASON_OUT_OF_RANGE}},
        {"\"12a\"", VALUE_AUTO, 1, {.quality = QUALITY_BAD, .flags = REASON_NOT_A_NUMBER}},
        {"{}", VALUE_AUTO, 1, {.quality = QUALITY_BAD, .flags = REASON_NOT_A_NUMBER}},
        {"null", VALUE_STRING, 1, {.quality = QUALITY_BAD, .flags = REASON_NO_DATA}},
        {"\"\"", VALUE_AUTO, 1, {.quality = QUALITY_BAD, .flags = REASON_NO_DATA}},
        {"\"\"", VALUE_STRING, 1, {.type = SAMPLE_STRING}},
        {"[1,{}]", VALUE_STRING, 1, {.type = SAMPLE_STRING}},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct str text;
        struct sample s = sampled(r[i].json, r[i].t, r[i].scale, &text);
        if (s.type != r[i].want.type || s.v.u != r[i].want.v.u || s.quality != r[i].want.quality ||
            s.flags != r[i].want.flags)
            test_fail(__FILE__, __LINE__, "%s: type %d value %llx quality %d flags %d", r[i].json, s.type,
                      (unsigned long long)s.v.u, s.quality, s.flags);
    }
}

static const char *names(const char *options, const char *doc)
{
    static char out[1000];
    struct payload_reader *r = NULL;
    struct payload_doc *d = NULL;
    struct payload_name name[3];
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    buf_init(&b, sizeof out - 1);
    if (payload_reader_new(bed_options_of(&a, table, options), &r, NULL) ||
        payload_doc_parse(r, str_of(doc), &a, &d, NULL))
        return "failed";
    size_t n = payload_doc_names(d, &a, name, 3);
    for (size_t i = 0; i < n; i++) {
        buf_str(&b, name[i].address);
        buf_z(&b, "=");
        if (name[i].value) json_write(&b, name[i].value);
        buf_z(&b, " ");
    }
    snprintf(out, sizeof out, "%s", buf_cstr(&b));
    buf_fini(&b);
    payload_reader_free(r);
    return out;
}

TEST(what_can_be_browsed)
{
    CHECK_Z(names("{}", "{\"a\":{\"b\":1},\"c\":[true,null,2]}"), "$.a.b=1 $.c[0]=true $.c[1]=null ");
    CHECK_Z(names("{\"rows\":\"r[*]\"}", "{\"r\":[{\"a\":1},{\"b\":1}]}"), "$.a=1 ");
    CHECK_Z(names("{\"rows\":\"[*]\",\"key\":\"k\",\"value\":\"v\"}",
                  "[{\"k\":\"y\",\"v\":1},{\"k\":\"x\"},{\"k\":\"y\",\"v\":2},{}]"),
            "x= y=1 ");
    CHECK_Z(names("{\"payload\":\"csv\"}", "a,,c,d\n1,2\n"), "a=\"1\" 2=\"2\" c= ");
    CHECK_Z(names("{\"payload\":\"csv\",\"header\":false}", "5,6\n"), "1=\"5\" 2=\"6\" ");
    CHECK_Z(names("{\"payload\":\"text\"}", "5"), "value=\"5\" ");
    CHECK_Z(names("{\"rows\":\"r\"}", "{}"), "");
}

TEST(no_memory)
{
    AUTO_ARENA a;
    struct payload_reader *r = NULL;
    arena_init(&a, 1 << 20);
    const struct options *o =
        bed_options_of(&a, table, "{\"rows\":\"[*]\",\"key\":\"k\",\"value\":\"v\",\"time\":\"t\"}");
    int rc = -1;
    for (unsigned i = 1; rc && i < 20; i++) {
        mem_fail_at(i, false);
        rc = payload_reader_new(o, &r, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
    }
    CHECK_INT(rc, 0);
    payload_reader_free(r);
}
