/* Encodings against the examples of OPC 10000-6, 5.2, and back; limits, nesting, wrong lengths; text forms. */
#include "base/encode.h"
#include "bornite/sample.h"
#include "proto/opcua/ua_test.h"

static struct arena arena; /* of the running test */
static void fresh(void)
{
    if (arena.max != 0) arena_fini(&arena);
    arena_init(&arena, 64 << 20);
}
static const char *hex_of(unsigned type, const void *v)
{
    static char text[4096];
    struct buf b, h;
    buf_init(&b, 1 << 20);
    buf_init(&h, 1 << 20);
    ua_encode(&b, type, v);
    hex_encode(&h, b.p, b.n);
    snprintf(text, sizeof text, "%s", b.err ? "error" : buf_cstr(&h));
    buf_fini(&b);
    buf_fini(&h);
    return text;
}
/* Decode hex as `type` into ret; the status. All bytes must be used. */
static uint32_t status_of(unsigned type, const char *hex, void *ret, const struct ua_limits *limits)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    if (arena.max == 0) fresh();
    if (hex_decode(&b, str_of(hex)) != 0) test_fail(__FILE__, __LINE__, "hex %s", hex);
    struct ua_decoder d = ua_decoder(&arena, arena_str(&arena, b.n ? buf_view(&b) : STR("")), limits);
    bool ok = ua_decode(&d, type, ret);
    buf_fini(&b);
    if (ok && rd_left(&d.rd) != 0) test_fail(__FILE__, __LINE__, "%s leaves %zu bytes", hex, rd_left(&d.rd));
    return ok ? 0 : d.status;
}
/* The value encodes as hex, and hex decodes to something that encodes the same. */
static void both_ways(unsigned type, const void *v, const char *hex, int line)
{
    uint64_t back[64];
    if (strcmp(hex_of(type, v), hex) != 0)
        test_fail(__FILE__, line, "%s: %s, want %s", ua_type_name(type), hex_of(type, v), hex);
    if (status_of(type, hex, back, NULL) != 0)
        test_fail(__FILE__, line, "%s does not decode", hex);
    else if (strcmp(hex_of(type, back), hex) != 0)
        test_fail(__FILE__, line, "%s comes back as %s", hex, hex_of(type, back));
}
#define BOTH(type, v, hex) both_ways(type, v, hex, __LINE__)

/* OPC 10000-6, 5.2.2: the examples of the standard. */
TEST(examples_of_the_standard)
{
    int32_t i = 1000000000;
    BOTH(UA_INT32, &i, "00ca9a3b");
    float f = -6.5f;
    BOTH(UA_FLOAT, &f, "0000d0c0");
    struct str s = STR("\xE6\xB0\xB4"
                       "Boy"); /* 水Boy */
    BOTH(UA_STRING, &s, "06000000e6b0b4426f79");
    struct ua_guid g;
    REQUIRE(ua_guid_parse(STR("72962B91-FA75-4AE6-8D28-B404DC7DAF63"), &g) == 0);
    BOTH(UA_GUID, &g, "912b967275fae64a8d28b404dc7daf63");
    CHECK(ua_guid_parse(STR("09088e75-8e5e-499b-954f-f2954f-fb28a"), &g) == ERR_INVALID);
    CHECK(ua_guid_parse(STR("0908\x10"
                            "e75-8e5e-499b-954f-f2954f0fb28a"),
                        &g) == ERR_INVALID);
    struct ua_nodeid hot = ua_id_str(1, STR("Hot\xE6\xB0\xB4"));
    BOTH(UA_NODEID, &hot, "03010006000000486f74e6b0b4");
    struct ua_nodeid two = ua_id(0, 72), four = ua_id(5, 1025), full = ua_id(300, 70000);
    BOTH(UA_NODEID, &two, "0048");
    BOTH(UA_NODEID, &four, "01050104");
    BOTH(UA_NODEID, &full, "022c0170110100");
}

TEST(other_built_in_types)
{
    bool yes = true;
    BOTH(UA_BOOLEAN, &yes, "01");
    int64_t t = 0; /* 1970-01-01 is 116444736000000000 */
    BOTH(UA_DATETIME, &t, "00803ed5deb19d01");
    t = UA_TIME_NONE;
    BOTH(UA_DATETIME, &t, "0000000000000000");
    t = UA_TIME_MAX;
    BOTH(UA_DATETIME, &t, "ffffffffffffff7f");
    struct str null = STR_NULL, empty = STR("");
    BOTH(UA_STRING, &null, "ffffffff");
    BOTH(UA_BYTESTRING, &empty, "00000000");
    struct ua_name name = {3, STR("ab")};
    BOTH(UA_NAME, &name, "0300020000006162");
    struct ua_text text = {STR_NULL, STR("x")}, both = {STR("en"), STR("x")}, none = {0};
    BOTH(UA_TEXT, &text, "020100000078");
    BOTH(UA_TEXT, &both, "0302000000656e0100000078");
    BOTH(UA_TEXT, &none, "00");
    struct ua_expanded x = {.id = ua_id(0, 5), .uri = STR("u"), .server = 2};
    BOTH(UA_EXPANDED, &x, "c005010000007502000000");
    struct ua_nodeid bytes = {.ns = 1, .kind = UA_ID_BYTES, .s = STR("\x01\x02")};
    BOTH(UA_NODEID, &bytes, "050100020000000102");
    struct ua_diagnostic inner = {.has = 1, .symbolic = 7},
                         outer = {.has = 0x61, .symbolic = 1, .inner_status = 2, .inner = &inner};
    BOTH(UA_DIAGNOSTIC, &outer, "6101000000020000000107000000");
    struct ua_datavalue v = {
        .has = 0x3f, .status = 0x80340000, .source_us = 0, .source_ps = 1, .server_us = 0, .server_ps = 2};
    v.value = ua_variant_scalar(UA_INT32, &(int32_t){5});
    BOTH(UA_DATAVALUE, &v, "3f06050000000000348000803ed5deb19d01010000803ed5deb19d010200");
}

TEST(variants_of_every_type_and_shape)
{
    double d[] = {1, -2};
    struct ua_variant v = ua_variant_array(UA_DOUBLE, d, 2), none = {0};
    BOTH(UA_VARIANT, &none, "00");
    BOTH(UA_VARIANT, &v, "8b02000000000000000000f03f00000000000000c0");
    uint32_t dims[] = {2, 1};
    v.dims = dims, v.dims_n = 2;
    BOTH(UA_VARIANT, &v, "cb02000000000000000000f03f00000000000000c0020000000200000001000000");
    v = ua_variant_array(UA_STRING, NULL, 0);
    BOTH(UA_VARIANT, &v, "8cffffffff");
    struct ua_variant in[] = {ua_variant_scalar(UA_BOOLEAN, &(bool){true}), none};
    v = ua_variant_array(UA_VARIANT, in, 2);
    BOTH(UA_VARIANT, &v, "9802000000010100");
    struct ua_variant copy;
    fresh();
    for (unsigned type = UA_BOOLEAN; type < UA_VARIANT; type++) {
        uint64_t zero[64] = {0};
        v = ua_variant_scalar(type, zero);
        REQUIRE(ua_copy(&arena, UA_VARIANT, &v, &copy) == 0);
        CHECK_INT(copy.type, type);
        CHECK(ua_equal(UA_VARIANT, &v, &copy));
        v = ua_variant_array(type, zero, 1);
        REQUIRE(ua_copy(&arena, UA_VARIANT, &v, &copy) == 0);
        CHECK(ua_equal(UA_VARIANT, &v, &copy) && copy.array && copy.n == 1);
    }
    CHECK_INT(status_of(UA_VARIANT, "1f0100000041", &copy, NULL), 0); /* 26..31: ByteString */
    CHECK(copy.type == UA_BYTESTRING && copy.u.s.n == 1);
}

TEST(wrong_bytes_are_refused)
{
    static const struct {
        unsigned type;
        const char *hex;
        uint32_t status;
    } rows[] = {
        {UA_STRING, "05000000616263", UA_BAD_DECODING_ERROR}, /* longer than what is there */
        {UA_STRING, "feffffff", UA_BAD_DECODING_ERROR},       /* -2 */
        {UA_STRING, "ffffff7f", UA_BAD_ENCODING_LIMITS},
        {UA_INT32, "000000", UA_BAD_DECODING_ERROR},
        {UA_NODEID, "06", UA_BAD_DECODING_ERROR},
        {UA_NODEID, "8005", UA_BAD_DECODING_ERROR},        /* flags of an ExpandedNodeId */
        {UA_VARIANT, "20", UA_BAD_DECODING_ERROR},         /* type 32 */
        {UA_VARIANT, "1800", UA_BAD_DECODING_ERROR},       /* variant in a variant */
        {UA_VARIANT, "8000000000", UA_BAD_DECODING_ERROR}, /* array of nothing */
        {UA_VARIANT, "4600000000", UA_BAD_DECODING_ERROR}, /* dimensions without an array */
        {UA_VARIANT, "86ffffff7f", UA_BAD_ENCODING_LIMITS},
        {UA_VARIANT, "860000010000000000", UA_BAD_DECODING_ERROR}, /* 65,536 elements, four bytes */
        {UA_VARIANT, "86feffffff", UA_BAD_DECODING_ERROR},
        {UA_VARIANT, "c6010000000500000001000000ffffffff", UA_BAD_DECODING_ERROR}, /* dimension -1 */
        {UA_VARIANT,
         "c602000000050000000500000001000000"
         "03000000",
         UA_BAD_DECODING_ERROR}, /* 2 elements as 3 */
        {UA_VARIANT,
         "c60100000005000000030000000000010000000100"
         "00000100",
         UA_BAD_DECODING_ERROR}, /* 65536^3 */
        {UA_EXTENSION, "000003", UA_BAD_DECODING_ERROR},
        {UA_GUID, "00", UA_BAD_DECODING_ERROR},
        {UA_DATAVALUE, "01", UA_BAD_DECODING_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v[64];
        uint32_t got = status_of(rows[i].type, rows[i].hex, v, NULL);
        if (got != rows[i].status) test_fail(__FILE__, __LINE__, "%s: %s", rows[i].hex, ua_status_name(got));
    }
}

/* CVE-2021-27432 and its kin: nesting until the stack ends. */
static uint32_t nest(const char *unit, int times, unsigned type)
{
    static struct buf b;
    uint64_t v[64];
    buf_init(&b, 16 << 20);
    for (int i = 0; i < times; i++) buf_z(&b, unit);
    buf_z(&b, "00");
    uint32_t status = status_of(type, buf_cstr(&b), v, NULL);
    buf_fini(&b);
    return status;
}
TEST(nesting_is_counted)
{
    CHECK_INT(nest("9801000000", 100, UA_VARIANT), 0);
    CHECK_INT(nest("9801000000", UA_DEPTH_MAX + 1, UA_VARIANT), UA_BAD_ENCODING_LIMITS);
    CHECK_INT(nest("9801000000", 100000, UA_VARIANT), UA_BAD_ENCODING_LIMITS);
    CHECK_INT(nest("40", 100000, UA_DIAGNOSTIC), UA_BAD_ENCODING_LIMITS);
    CHECK_INT(nest("0117", 100000, UA_DATAVALUE), UA_BAD_ENCODING_LIMITS);
    CHECK_INT(nest("40", 100, UA_DIAGNOSTIC), 0);
    CHECK_INT(nest("40", UA_DEPTH_MAX + 1, UA_DIAGNOSTIC), UA_BAD_ENCODING_LIMITS);
    struct ua_diagnostic loop = {.has = 0x40, .inner = &loop}; /* and a ring is not encoded for ever */
    CHECK_Z(hex_of(UA_DIAGNOSTIC, &loop), "error");
}

TEST(limits_and_the_arena_bound_what_is_taken)
{
    struct ua_limits l = {.string = 3, .array = 2, .depth = 2, .message = 100, .chunks = 1, .partial = 1};
    uint64_t v[64];
    CHECK_INT(status_of(UA_STRING, "0300000041424d", v, &l), 0);
    CHECK_INT(status_of(UA_STRING, "0400000041424344", v, &l), UA_BAD_ENCODING_LIMITS);
    CHECK_INT(status_of(UA_VARIANT, "830300000001020304", v, &l), UA_BAD_ENCODING_LIMITS);
    struct arena tight;
    arena_init(&tight, 10000);
    static uint8_t many[5 + 4000] = {0x97, 0xa0, 0x0f}; /* 4000 empty data values: 1 byte each there, 80 here */
    struct ua_decoder d = ua_decoder(&tight, str_make((const char *)many, sizeof many), NULL);
    CHECK(!ua_decode(&d, UA_VARIANT, v));
    CHECK_INT(d.status, UA_BAD_OUT_OF_MEMORY);
    arena_fini(&tight);
}

TEST(texts_that_are_no_utf8_are_mended)
{
    struct str s;
    CHECK_INT(status_of(UA_STRING, "04000000bdf04142", &s, NULL), 0); /* 金 in GBK, then AB */
    CHECK(s.n > 2 && str_ends(s, STR("AB")) && str_has(s, STR("\xEF\xBF\xBD")));
    CHECK_INT(status_of(UA_BYTESTRING, "02000000bdf0", &s, NULL), 0);
    CHECK_STR(s, "\xbd\xf0");
}

TEST(extension_objects_open_by_themselves)
{
    struct ua_range range = {.low = 1, .high = 2};
    struct ua_extension x = ua_extension_of(UA_T_range, &range), back;
    const char *hex = "0100760301"
                      "10000000"
                      "000000000000f03f0000000000000040"; /* i=886 */
    BOTH(UA_EXTENSION, &x, hex);
    REQUIRE(status_of(UA_EXTENSION, hex, &back, NULL) == 0);
    struct ua_range *r = ua_extension_as(&back, UA_T_range);
    REQUIRE(r != NULL);
    CHECK_DBL(r->high, 2, 0);
    CHECK(ua_extension_as(&back, UA_T_eu_information) == NULL);
    REQUIRE(status_of(UA_EXTENSION, "01007603010200000001ff", &back, NULL) == 0); /* too short: only bytes */
    CHECK(back.value == NULL && back.body.n == 2);
    REQUIRE(status_of(UA_EXTENSION, "01024d04020100000041", &back, NULL) == 0); /* XML of a type of ns 2 */
    CHECK(back.body_kind == UA_BODY_XML && back.value == NULL);
}

/* ---- services ---------------------------------------------------------------------------------------------------- */

TEST(every_structure_survives_a_round_trip)
{
    fresh();
    for (unsigned t = UA_T_FIRST + 1; t < UA_T_END; t++) {
        const struct ua_structure *s = ua_structure(t);
        void *zero = arena_calloc(&arena, 1, s->size), *back = arena_calloc(&arena, 1, s->size);
        REQUIRE(zero && back && s->name[0] && s->fields_n > 0);
        CHECK(ua_copy(&arena, t, zero, back) == 0);
        CHECK(ua_equal(t, zero, back));
        struct ua_nodeid id = ua_id(0, s->binary), data = ua_id(0, s->data_type);
        CHECK_INT(ua_type_of_binary(&id), t);
        CHECK_INT(ua_type_of_data_type(&data), t);
        bool request = str_ends(str_of(s->name), STR("Request")) && s->fields[0].type == UA_T_request_header;
        if (request && ua_response_of(t) == 0) test_fail(__FILE__, __LINE__, "%s has no answer", s->name);
    }
    CHECK_INT(ua_response_of(UA_T_read_request), UA_T_read_response);
    CHECK_INT(ua_response_of(UA_T_browse_request), UA_T_browse_response);
    CHECK_INT(ua_response_of(UA_T_read_response), 0);
}

TEST(a_handle_is_found_in_what_does_not_decode)
{
    struct ua_read_request q = {.header = {.request_handle = 99}};
    struct buf b;
    unsigned type;
    void *value;
    uint32_t handle;
    fresh();
    buf_init(&b, 1 << 16);
    ua_message_encode(&b, UA_T_read_request, &q);
    CHECK_INT(ua_message_decode(&arena, buf_view(&b), NULL, &type, &value, &handle), 0);
    CHECK(type == UA_T_read_request && handle == 99);
    CHECK_INT(ua_message_decode(&arena, str_sub(buf_view(&b), 0, b.n - 3), NULL, &type, &value, &handle),
              UA_BAD_DECODING_ERROR);
    CHECK(type == UA_T_read_request && handle == 99 && value == NULL);
    b.p[2] = 0x67, b.p[3] = 0x02; /* i=615, QueryFirstRequest, is none of ours */
    CHECK_INT(ua_message_decode(&arena, buf_view(&b), NULL, &type, &value, &handle), UA_BAD_SERVICE_UNSUPPORTED);
    CHECK(type == 0 && handle == 99);
    buf_fini(&b);
}

/* ---- texts
 * ----------------------------------------------------------------------------------------------------------- */

TEST(node_ids_in_all_their_forms)
{
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } rows[] = {
        {"i=2258", "i=2258"},
        {"ns=0;i=85", "i=85"},
        {"ns=2;s=Tank.Level", "ns=2;s=Tank.Level"},
        {"ns=2;s=a;b=c", "ns=2;s=a;b=c"},
        {"ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"},
        {"ns=1;b=M/RbKBsRVkePCePcx24oRA==", "ns=1;b=M/RbKBsRVkePCePcx24oRA=="},
        {"nsu=http://x/%3By;s=Z", "nsu=http://x/%3By;s=Z"},
        {"svr=1;nsu=u;i=5", "svr=1;nsu=u;i=5"},
        {"svr=3;ns=4;i=5", "svr=3;ns=4;i=5"},
        {"2!Device1.Module1.Tag1", "ns=2;s=Device1.Module1.Tag1"},
        {"2!85", "ns=2;i=85"},
        {"2!085", "ns=2;s=085"},
        {"0!2258", "i=2258"},
        {"3!a!b", "ns=3;s=a!b"},
        {"ns=3;s=wow!", "ns=3;s=wow!"},
        {"s=plain", "s=plain"},
        {"", NULL},
        {"i=", NULL},
        {"i=-1", NULL},
        {"i=4294967296", NULL},
        {"ns=65536;i=1", NULL},
        {"ns=x;i=1", NULL},
        {"ns=1;", NULL},
        {"x=1", NULL},
        {"g=12", NULL},
        {"b=!!!", NULL},
        {"nsu=;i=1", NULL},
        {"70000!x", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ua_expanded x;
        struct error e = {0};
        struct buf b;
        fresh();
        buf_init(&b, 1000);
        int rc = ua_nodeid_parse(&arena, str_of(rows[i].in), &x, &e);
        if (rc == 0) ua_expanded_text(&b, &x);
        if ((rc == 0) != (rows[i].out != NULL))
            test_fail(__FILE__, __LINE__, "'%s': %d %s", rows[i].in, rc, buf_cstr(&b));
        else if (rc == 0)
            CHECK_Z(buf_cstr(&b), rows[i].out);
        else
            CHECK(e.text[0] != 0 && e.text_zh[0] != 0);
        buf_fini(&b);
    }
    struct ua_nodeid a = ua_id_str(1, STR("x")), b = ua_id_str(1, STR("x")), c = ua_id_str(2, STR("x"));
    CHECK(ua_nodeid_eq(&a, &b) && !ua_nodeid_eq(&a, &c) && ua_nodeid_hash(&a, 1) == ua_nodeid_hash(&b, 1));
    CHECK(ua_nodeid_null(&(struct ua_nodeid){0}) && !ua_nodeid_null(&a));
}

TEST(names_and_ranges)
{
    struct ua_name n;
    CHECK(ua_name_parse(STR("2:Tank"), &n, NULL) == 0 && n.ns == 2 && str_is(n.name, "Tank"));
    CHECK(ua_name_parse(STR("a:b"), &n, NULL) == 0 && n.ns == 0 && str_is(n.name, "a:b"));
    CHECK_INT(ua_name_parse(STR("99999:x"), &n, NULL), ERR_INVALID);
    CHECK_INT(ua_range_check(STR("2"), NULL), 0);
    CHECK_INT(ua_range_check(STR("1:3"), NULL), 0);
    CHECK_INT(ua_range_check(STR("0:1,2"), NULL), 0);
    CHECK_INT(ua_range_check(STR("3:1"), NULL), ERR_INVALID);
    CHECK_INT(ua_range_check(STR("1,"), NULL), ERR_INVALID);
    CHECK_INT(ua_range_check(STR(""), NULL), ERR_INVALID);
}

TEST(numbers_into_and_out_of_variants)
{
    struct ua_variant v;
    double d;
    int64_t i;
    struct error e = {0};
    CHECK(ua_variant_from_double(UA_INT16, -32768, &v, NULL) == 0 && v.u.i16 == -32768);
    CHECK_INT(ua_variant_from_double(UA_INT16, 32768, &v, &e), ERR_INVALID);
    CHECK_Z(e.text, "Int16 takes whole numbers from -32768 to 32767");
    CHECK_INT(ua_variant_from_double(UA_BYTE, 1.5, &v, NULL), ERR_INVALID);
    CHECK_INT(ua_variant_from_double(UA_UINT64, -1, &v, NULL), ERR_INVALID);
    CHECK_INT(ua_variant_from_double(UA_FLOAT, 1e39, &v, NULL), ERR_INVALID);
    CHECK_INT(ua_variant_from_double(UA_INT64, NAN, &v, NULL), ERR_INVALID);
    CHECK_INT(ua_variant_from_i64(UA_STRING, 1, &v, NULL), ERR_INVALID);
    CHECK(ua_variant_from_i64(UA_BOOLEAN, 1, &v, NULL) == 0 && ua_variant_double(&v, 0, &d) && d == 1);
    CHECK(ua_variant_from_i64(UA_INT64, INT64_MIN, &v, NULL) == 0 && ua_variant_i64(&v, 0, &i) && i == INT64_MIN);
    CHECK(!ua_variant_i64(&v, 1, &i));
    uint64_t u = UINT64_MAX;
    v = ua_variant_scalar(UA_UINT64, &u);
    CHECK(!ua_variant_i64(&v, 0, &i) && ua_variant_double(&v, 0, &d) && d == 18446744073709551616.0);
}

/* ---- status codes
 * ------------------------------------------------------------------------------------------------------ */

TEST(status_codes_by_name_and_as_quality)
{
    CHECK_Z(ua_status_name(0x80340000), "BadNodeIdUnknown");
    CHECK_Z(ua_status_name(0x80340480), "BadNodeIdUnknown");
    CHECK_Z(ua_status_name(0x8fff0000), "Bad");
    CHECK_INT(ua_status_find(STR("Bad_NodeIdUnknown"), 1), 0x80340000);
    CHECK_INT(ua_status_find(STR("GoodEdited_DependentValueChanged"), 1), 0x01160000);
    CHECK_INT(ua_status_find(STR("Nothing"), 1), 1);
    static const struct {
        uint32_t code;
        unsigned quality, reason;
    } rows[] = {
        {0, QUALITY_GOOD, REASON_NONE},
        {0x00000480, QUALITY_GOOD, REASON_NONE},              /* overflow */
        {0x00000500, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE}, /* limit low */
        {0x00000700, QUALITY_GOOD, REASON_NONE},              /* constant */
        {0x00960000, QUALITY_GOOD, REASON_MANUAL},
        {0x408f0000, QUALITY_UNCERTAIN, REASON_LAST_KNOWN},
        {0x40940000, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE},
        {0x80310000, QUALITY_BAD, REASON_COMM_FAILURE},
        {0x808c0000, QUALITY_BAD, REASON_SENSOR_FAILURE},
        {0x808d0000, QUALITY_BAD, REASON_OUT_OF_SERVICE},
        {0x80340000, QUALITY_BAD, REASON_CONFIG_ERROR},
        {0x80320000, QUALITY_BAD, REASON_NO_DATA},
        {0x801f0000, QUALITY_BAD, REASON_DEVICE_EXCEPTION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ua_quality q = ua_status_quality(rows[i].code);
        if (q.quality != rows[i].quality || q.reason != rows[i].reason)
            test_fail(__FILE__, __LINE__, "0x%08x: %d %d", (unsigned)rows[i].code, q.quality, q.reason);
    }
    CHECK(ua_status_overflow(0x480) && !ua_status_overflow(0x400) && ua_status_limit(0x600) == UA_LIMIT_HIGH);
    for (unsigned reason = 0; reason <= REASON_SHUTDOWN; reason++) {
        CHECK(ua_bad(ua_quality_status(QUALITY_BAD, reason)) &&
              ua_uncertain(ua_quality_status(QUALITY_UNCERTAIN, reason)));
        CHECK(ua_good(ua_quality_status(QUALITY_GOOD, reason)));
    }
    struct error e = {0};
    CHECK_INT(ua_status_error(0x40000000, "x", &e), 0);
    CHECK_INT(ua_status_error(0x80340000, "read ns=2;s=X", &e), ERR_NOT_FOUND);
    CHECK_Z(e.text, "read ns=2;s=X: there is no such node (BadNodeIdUnknown, 0x80340000)");
    CHECK_Z(e.text_zh, "read ns=2;s=X：节点不存在（BadNodeIdUnknown，0x80340000）");
}
