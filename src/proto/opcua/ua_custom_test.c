/* Values as JSON and back; structures of a server's own by their definition, each kind of them. */
#include "base/encode.h"
#include "proto/opcua/ua_custom.h"
#include "proto/opcua/ua_test.h"

static struct arena arena;
static void fresh(void)
{
    if (arena.max != 0) arena_fini(&arena);
    arena_init(&arena, 8 << 20);
}

/* Types of a made-up server, ns 2: 3001 Point (Double x, y), 3002 Reading (optional), 3003 Choice (union),
 * 3004 Mode (an enumeration), 3005 Node (holds itself), 3006 Shelf (subtyped). Encodings: 5000 more. */
#define TYPE(number) \
    { \
        .ns = 2, .i = (number) \
    }
#define FIELD(n, ns_, id, rank, opt) \
    { \
        .name = {n, sizeof n - 1}, .data_type = {.ns = ns_, .i = id}, .value_rank = rank, .is_optional = opt \
    }
static struct ua_structure_field point_fields[] = {FIELD("x", 0, 11, -1, false), FIELD("y", 0, 11, -1, false)};
static struct ua_structure_field reading_fields[] = {FIELD("name", 0, 12, -1, false), FIELD("at", 2, 3001, -1, true),
                                                     FIELD("raw", 0, 6, 1, true),     FIELD("mode", 2, 3004, -1, false),
                                                     FIELD("path", 2, 3001, 1, true), FIELD("grid", 0, 3, 2, true)};
static struct ua_structure_field choice_fields[] = {FIELD("number", 0, 6, -1, false), FIELD("word", 0, 12, -1, false)};
static struct ua_structure_field node_fields[] = {FIELD("next", 2, 3005, -1, false)};
static struct ua_structure_field shelf_fields[] = {FIELD("any", 0, 24, -1, true), FIELD("thing", 0, 22, -1, true)};
#define DEF(i, kind, f) \
    { \
        .default_encoding_id = TYPE(5000 + (i)), .structure_type = kind, .fields = f, .fields_n = sizeof f / sizeof *f \
    }
static struct ua_structure_definition defs[] = {
    DEF(3001, UA_STRUCT_PLAIN, point_fields),  DEF(3002, UA_STRUCT_OPTIONAL, reading_fields),
    DEF(3003, UA_STRUCT_UNION, choice_fields), {.fields_n = 0},
    DEF(3005, UA_STRUCT_PLAIN, node_fields),   DEF(3006, UA_STRUCT_SUBTYPED, shelf_fields)};
static const struct ua_structure_definition *find(void *ctx, const struct ua_nodeid *id, bool encoding)
{
    uint32_t i = id->i - (encoding ? 5000 : 0);
    (void)ctx;
    return id->ns == 2 && i >= 3001 && i <= 3006 && i != 3004 ? &defs[i - 3001] : NULL;
}
static unsigned simple(void *ctx, const struct ua_nodeid *id)
{
    (void)ctx;
    return id->ns == 2 && id->i == 3004 ? UA_INT32 : 0;
}
static const struct ua_catalogue catalogue = {find, simple, NULL};

static const char *shown(uint32_t type, const char *hex)
{
    struct buf b;
    struct json *j = NULL;
    struct ua_extension x = {.type = TYPE(5000 + type), .body_kind = UA_BODY_BYTES};
    buf_init(&b, 1 << 16);
    if (hex_decode(&b, str_of(hex)) != 0) test_fail(__FILE__, __LINE__, "hex");
    x.body = arena_str(&arena, b.n ? buf_view(&b) : STR(""));
    buf_fini(&b);
    int rc = ua_value_json(&arena, UA_EXTENSION, &x, &catalogue, &j);
    return rc == 0 ? arena_strdup(&arena, json_text(&arena, j)) : "error";
}
/* JSON by a definition to hex. */
static const char *packed(uint32_t type, const char *text, struct error *e)
{
    struct json *j = NULL;
    struct ua_extension x = {0};
    struct buf h;
    const char *out = "error";
    struct error none;
    if (json_parse(&arena, str_of(text), &j, &none) != 0) test_fail(__FILE__, __LINE__, "JSON %s", text);
    if (ua_json_structure(&arena, j, &defs[type - 3001], &catalogue, &x, e) == 0) {
        buf_init(&h, 1 << 16);
        hex_encode(&h, x.body.p, x.body.n);
        out = arena_strdup(&arena, buf_view(&h));
        buf_fini(&h);
        CHECK_INT(x.type.i, 5000 + type);
    }
    return out;
}

TEST(structures_of_every_kind_there_and_back)
{
    static const struct {
        uint32_t type;
        const char *hex, *json;
    } rows[] = {
        {3001, "000000000000f03f0000000000000040", "{\"x\":1,\"y\":2}"},
        {3002,
         "00000000"
         "0100000041"
         "07000000",
         "{\"name\":\"A\",\"mode\":7}"},
        {3002,
         "03000000"
         "0100000041"
         "000000000000f03f0000000000000040"
         "0200000005000000ffffffff"
         "01000000",
         "{\"name\":\"A\",\"at\":{\"x\":1,\"y\":2},\"raw\":[5,-1],\"mode\":1}"},
        {3002,
         "04000000"
         "ffffffff"
         "00000000"
         "01000000000000000000f03f0000000000000040",
         "{\"name\":null,\"mode\":0,\"path\":[{\"x\":1,\"y\":2}]}"},
        {3003, "00000000", "{}"},
        {3003, "0100000009000000", "{\"number\":9}"},
        {3003,
         "02000000"
         "0100000042",
         "{\"word\":\"B\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        fresh();
        CHECK_Z(shown(rows[i].type, rows[i].hex), rows[i].json);
        CHECK_Z(packed(rows[i].type, rows[i].json, &e), rows[i].hex);
        if (e.text[0]) test_fail(__FILE__, __LINE__, "%s: %s", e.where, e.text);
    }
    CHECK_Z(shown(3002, "08000000"
                        "ffffffff"
                        "00000000"
                        "02000000"
                        "0200000001000000"
                        "0a0b"),
            "{\"name\":null,\"mode\":0,\"grid\":[10,11]}"); /* dimensions: shown as one list */
    CHECK_Z(shown(3006, "0605000000"
                        "0100760301"
                        "10000000"
                        "000000000000f03f0000000000000040"),
            "{\"any\":5,\"thing\":{\"low\":1,\"high\":2}}");
}

TEST(bodies_that_do_not_fit_are_shown_as_bytes)
{
    fresh();
    CHECK_Z(shown(3001, "0000"), "{\"type\":\"ns=2;i=8001\",\"body\":\"AAA=\"}");
    CHECK_Z(shown(3003, "03000000"), "{\"type\":\"ns=2;i=8003\",\"body\":\"AwAAAA==\"}");
    CHECK_Z(shown(3005, ""), "{\"type\":\"ns=2;i=8005\",\"body\":\"\"}"); /* a definition that holds itself */
    CHECK_Z(shown(3002, "04000000"
                        "ffffffff"
                        "00000000"
                        "ffffff7f"),
            "{\"type\":\"ns=2;i=8002\",\"body\":\"BAAAAP////8AAAAA////fw==\"}");
    CHECK_Z(shown(99, "01"), "{\"type\":\"ns=2;i=5099\",\"body\":\"AQ==\"}");
}

TEST(faults_in_json_are_named)
{
    static const struct {
        uint32_t type;
        const char *json, *where;
    } rows[] = {
        {3001, "{\"x\":1}", "y"},
        {3001, "{\"x\":1,\"y\":\"a\"}", "y"},
        {3001, "{\"x\":1,\"y\":2,\"z\":3}", "z"},
        {3002, "{\"name\":\"A\",\"mode\":1.5}", "mode"},
        {3002, "{\"name\":\"A\",\"mode\":1,\"path\":[{\"x\":1,\"y\":2},{\"x\":1}]}", "path[1].y"},
        {3002, "{\"name\":\"A\",\"mode\":1,\"raw\":5}", "raw"},
        {3002, "{\"name\":\"A\",\"mode\":1,\"raw\":[1,3000000000]}", "raw[1]"},
        {3001, "[]", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        fresh();
        CHECK_Z(packed(rows[i].type, rows[i].json, &e), "error");
        CHECK_Z(e.where, rows[i].where);
        CHECK(e.text[0] != 0 && e.text_zh[0] != 0);
    }
}

/* Value of a built-in type from JSON, shown as JSON again. */
static const char *around(unsigned type, const char *text)
{
    struct json *j = NULL, *back = NULL;
    struct ua_variant v;
    struct error e;
    if (json_parse(&arena, str_of(text), &j, &e) != 0) test_fail(__FILE__, __LINE__, "JSON %s", text);
    if (ua_json_variant(&arena, j, type, &v, &e) != 0) return "error";
    if (ua_variant_json(&arena, &v, NULL, &back) != 0) return "too large";
    return arena_strdup(&arena, json_text(&arena, back));
}
TEST(built_in_types_there_and_back)
{
    static const struct {
        unsigned type;
        const char *in, *out; /* out NULL: as in */
    } rows[] = {
        {UA_BOOLEAN, "true", NULL},
        {UA_BOOLEAN, "1", "true"},
        {UA_BOOLEAN, "2", "error"},
        {UA_SBYTE, "-128", NULL},
        {UA_BYTE, "256", "error"},
        {UA_INT64, "\"-9223372036854775808\"", NULL},
        {UA_UINT64, "\"18446744073709551615\"", NULL},
        {UA_UINT64, "7", NULL},
        {UA_DOUBLE, "\"NaN\"", NULL},
        {UA_DOUBLE, "[1.5,\"-Infinity\"]", NULL},
        {UA_FLOAT, "0.5", NULL},
        {UA_STRING, "\"x\"", NULL},
        {UA_STRING, "null", NULL},
        {UA_STRING, "5", "error"},
        {UA_DATETIME, "\"2026-11-23T05:00:00.5Z\"", "\"2026-11-23T05:00:00.500Z\""},
        {UA_DATETIME, "null", NULL},
        {UA_GUID, "\"09087e75-8e5e-499b-954f-f2a9603db28a\"", NULL},
        {UA_GUID, "\"x\"", "error"},
        {UA_BYTESTRING, "\"AQID\"", NULL},
        {UA_BYTESTRING, "\"%\"", "error"},
        {UA_NODEID, "\"ns=2;s=A\"", NULL},
        {UA_NODEID, "\"nsu=u;s=A\"", "error"},
        {UA_EXPANDED, "\"nsu=u;s=A\"", NULL},
        {UA_STATUS, "\"BadNodeIdUnknown\"", "{\"code\":2150891520,\"name\":\"BadNodeIdUnknown\"}"},
        {UA_NAME, "\"2:A\"", NULL},
        {UA_TEXT, "{\"locale\":\"zh\",\"text\":\"\xE6\xB0\xB4\"}", "\"\xE6\xB0\xB4\""},
        {UA_VARIANT, "[1,2]", NULL},
        {UA_VARIANT, "1.5", NULL},
        {UA_T_range, "{\"low\":1,\"high\":2}", NULL},
        {UA_T_range, "[{\"low\":1,\"high\":2}]", NULL},
        {UA_DATAVALUE, "1", "error"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh();
        const char *got = around(rows[i].type, rows[i].in), *want = rows[i].out ? rows[i].out : rows[i].in;
        if (strcmp(got, want) != 0)
            test_fail(__FILE__, __LINE__, "%s %s: %s", ua_type_name(rows[i].type), rows[i].in, got);
    }
}

TEST(dimensions_nest_and_small_arenas_end_it)
{
    int32_t six[] = {1, 2, 3, 4, 5, 6};
    uint32_t dims[] = {2, 3};
    struct ua_variant v = ua_variant_array(UA_INT32, six, 6);
    struct json *j;
    fresh();
    v.dims = dims, v.dims_n = 2;
    REQUIRE(ua_variant_json(&arena, &v, NULL, &j) == 0);
    CHECK_STR(json_text(&arena, j), "[[1,2,3],[4,5,6]]");
    struct ua_datavalue dv = {.value = ua_variant_scalar(UA_INT32, &six[0]), .source_us = 0, .server_us = UA_TIME_NONE};
    REQUIRE(ua_value_json(&arena, UA_DATAVALUE, &dv, NULL, &j) == 0);
    CHECK_STR(json_text(&arena, j), "{\"value\":1,\"status\":{\"code\":0,\"name\":\"Good\"},\"source_time\":\"1970-01-"
                                    "01T00:00:00Z\",\"server_time\":null}");
    struct arena tight;
    arena_init(&tight, 300);
    CHECK_INT(ua_value_json(&tight, UA_DATAVALUE, &dv, NULL, &j), ERR_TOO_LARGE);
    arena_fini(&tight);
}
