/* Addresses, default addresses, quality, values both ways. */
#include "base/test.h"
#include "outlets/common/testbed.h"
#include "outlets/iec104/station_int.h"

static struct outlet_point point(const char *address, enum value_type t, bool writable)
{
    return (struct outlet_point){
        .num = 1, .address = address, .type = t, .code = "P", .writable = writable, .lo = NAN, .hi = NAN};
}

TEST(addresses)
{
    static const struct {
        const char *text;
        enum value_type want;
        const char *canonical, *key;
        enum value_type type;
    } v[] = {{"16385", VALUE_AUTO, "M_ME_NC:16385", "1!16385", VALUE_DOUBLE},
             {"0x4001", VALUE_INT32, "M_ME_NC:16385", "1!16385", VALUE_DOUBLE},
             {"7", VALUE_BOOL, "M_SP:7", "1!7", VALUE_BOOL},
             {"yx3", VALUE_AUTO, "M_SP:4", "1!4", VALUE_BOOL},
             {"yc12/yt2", VALUE_AUTO, "M_ME_NC:16397/C_SE_NC:25091", "1!16397", VALUE_DOUBLE},
             {" 2!M_DP:100/C_DC:24577 ", VALUE_BOOL, "2!M_DP:100/C_DC:24577", "2!100", VALUE_BOOL},
             {"2!M_DP:100/3!C_DC:24577", VALUE_BOOL, "2!M_DP:100/3!C_DC:24577", "2!100", VALUE_BOOL},
             {"C_SE_NB:25089", VALUE_AUTO, "C_SE_NB:25089", "1!c25089", VALUE_INT16},
             {"yk1", VALUE_BOOL, "C_SC:24578", "1!c24578", VALUE_BOOL},
             {"ym5", VALUE_AUTO, "M_IT:25606", "1!25606", VALUE_INT32},
             {"M_ST:9", VALUE_AUTO, "M_ST:9", "1!9", VALUE_INT8},
             {"M_BO:9/C_BO:10", VALUE_AUTO, "M_BO:9/C_BO:10", "1!9", VALUE_UINT32},
             {"m_me_na_1:9", VALUE_AUTO, "M_ME_NA:9", "1!9", VALUE_DOUBLE},
             {"M_ME_TF_1:9", VALUE_AUTO, "M_ME_NC:9", "1!9", VALUE_DOUBLE}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct outlet_point p = point(v[i].text, v[i].want, true);
        struct outlet_address a = {0}, again = {0};
        struct error e = {0};
        if (iec104_server_outlet.address_check(&p, NULL, &a, &e))
            test_fail(__FILE__, __LINE__, "%s: %s", v[i].text, e.text);
        CHECK_Z(a.canonical, v[i].canonical);
        CHECK_Z(a.key, v[i].key);
        CHECK_INT(a.type, v[i].type);
        p.address = a.canonical; /* means the same */
        CHECK_INT(iec104_server_outlet.address_check(&p, NULL, &again, &e), 0);
        CHECK_Z(again.canonical, v[i].canonical);
        CHECK_Z(again.key, v[i].key);
    }
}

TEST(addresses_that_are_wrong)
{
    static const struct {
        const char *text;
        enum value_type want;
        const char *says;
    } v[] = {{"", VALUE_AUTO, "is no address"},
             {"x", VALUE_AUTO, "is no address"},
             {"0", VALUE_AUTO, "begin at 1"},
             {"16777216", VALUE_AUTO, "above 16777215"},
             {"0!5", VALUE_AUTO, "common address"},
             {"M_XX:5", VALUE_AUTO, "is no type"},
             {"M_EP_TA_1:5", VALUE_AUTO, "not told"},
             {"C_IC:5", VALUE_AUTO, "no value"},
             {"1/2", VALUE_AUTO, "after the '/'"},
             {"C_SC:1/C_SC:2", VALUE_AUTO, "after the '/'"},
             {"1/", VALUE_AUTO, "is no address"},
             {"M_SP:1/C_SE_NC:2", VALUE_AUTO, "do not go together"},
             {"M_ME_NC:1/C_SC:2", VALUE_AUTO, "do not go together"},
             {"5", VALUE_STRING, "numbers and states"}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct outlet_point p = point(v[i].text, v[i].want, false);
        struct error e = {0};
        CHECK_INT(iec104_server_outlet.address_check(&p, NULL, NULL, &e), ERR_INVALID);
        if (!strstr(e.text, v[i].says)) test_fail(__FILE__, __LINE__, "'%s': %s", v[i].text, e.text);
        CHECK(e.text_zh[0] && e.where[0]);
    }
}

TEST(options_that_no_table_can_check)
{
    static const struct {
        const char *json, *where;
    } v[] = {{"{\"bind\":\"here\"}", "bind"},
             {"{\"allow\":\"10.0.0\"}", "allow"},
             {"{\"time_zone\":\"Mars/Olympus\"}", "time_zone"}};
    struct obed *b = obed_new(&iec104_server_outlet);
    for (size_t i = 0; i < 3; i++) {
        const struct options *o = bed_options(b, iec104_server_outlet.channel_options, v[i].json);
        struct error e = {0};
        CHECK_INT(iec104_server_outlet.channel_check(o, &e), ERR_INVALID);
        CHECK_Z(e.where, v[i].where);
        CHECK_INT(iec104_server_outlet.channel_open(&b->host, o, &b->ch, &e), ERR_INVALID);
        CHECK_Z(e.where, v[i].where);
        b->ch = NULL;
    }
    struct outlet_point p = point("ym1", VALUE_AUTO, false);
    p.options = bed_options(b, iec104_server_outlet.point_options, "{\"group\":5}");
    struct error e = {0};
    CHECK_INT(iec104_server_outlet.address_check(&p, NULL, NULL, &e), ERR_INVALID);
    CHECK_Z(e.where, "group");
    obed_free(b);
}

TEST(default_addresses)
{
    static const struct {
        enum value_type type;
        bool writable;
        const char *want;
    } v[] = {{VALUE_AUTO, false, "M_ME_NC:16385"},
             {VALUE_BOOL, false, "M_SP:1"},
             {VALUE_BOOL, true, "M_SP:2/C_SC:24577"},
             {VALUE_DOUBLE, true, "M_ME_NC:16386/C_SE_NC:25089"},
             {VALUE_INT32, true, "M_ME_NC:16387/C_SE_NC:25090"},
             {VALUE_BOOL, true, "M_SP:3/C_SC:24578"}};
    uint64_t next = 0;
    char text[160];
    struct error e = {0};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct outlet_point p = point("", v[i].type, v[i].writable);
        CHECK_INT(iec104_server_outlet.address_default(&p, NULL, &next, text, sizeof text, &e), 0);
        CHECK_Z(text, v[i].want);
        p.address = text;
        CHECK_INT(iec104_server_outlet.address_check(&p, NULL, NULL, &e), 0);
    }
    struct outlet_point text_point = point("", VALUE_STRING, false), n = point("", VALUE_AUTO, false);
    CHECK_INT(iec104_server_outlet.address_default(&text_point, NULL, &next, text, sizeof text, &e), ERR_INVALID);
    unsigned given = 0;
    while (iec104_server_outlet.address_default(&n, NULL, &next, text, sizeof text, &e) == 0) given++;
    CHECK_INT(given, 24577 - 16385 - 3); /* up to the commands */
    CHECK_INT(e.code, ERR_LIMIT);
}

TEST(qualities)
{
    static const struct {
        uint8_t quality, reason;
        uint16_t bits;
    } v[] = {{QUALITY_GOOD, REASON_NONE, 0},
             {QUALITY_GOOD, REASON_MANUAL, IEC104_SB},
             {QUALITY_GOOD, REASON_SUBSTITUTED, IEC104_SB},
             {QUALITY_UNCERTAIN, REASON_NONE, IEC104_NT},
             {QUALITY_UNCERTAIN, REASON_STALE, IEC104_NT},
             {QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, IEC104_OV},
             {QUALITY_UNCERTAIN, REASON_LAST_KNOWN, IEC104_BL},
             {QUALITY_UNCERTAIN, REASON_SENSOR_FAILURE, IEC104_NT},
             {QUALITY_UNCERTAIN, REASON_NO_DATA, IEC104_NT},
             {QUALITY_BAD, REASON_NONE, IEC104_IV},
             {QUALITY_BAD, REASON_NOT_CONNECTED, IEC104_IV | IEC104_NT},
             {QUALITY_BAD, REASON_SENSOR_FAILURE, IEC104_IV},
             {QUALITY_BAD, REASON_OUT_OF_RANGE, IEC104_IV | IEC104_OV},
             {QUALITY_BAD, REASON_OUT_OF_SERVICE, IEC104_IV | IEC104_BL},
             {QUALITY_BAD, REASON_NO_DATA, IEC104_IV | IEC104_NT},
             {QUALITY_BAD, 200, IEC104_IV}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        CHECK_INT(sv_quality(&(struct sample){.quality = v[i].quality, .flags = v[i].reason}), v[i].bits);
}

TEST(values_on_the_wire)
{
    static const struct {
        uint8_t type;
        double x, full_scale;
        bool whole;
        int64_t i;
        double d;
        uint16_t quality;
    } v[] = {{IEC104_M_SP_NA, 2, 1, false, 1, 0, 0},
             {IEC104_M_DP_NA, 0, 1, false, 1, 0, 0},
             {IEC104_M_DP_NA, 1, 1, false, 2, 0, 0},
             {IEC104_M_ST_NA, -64.4, 1, false, -64, -64, 0},
             {IEC104_M_ST_NA, 64, 1, false, 63, 63, IEC104_OV},
             {IEC104_M_BO_NA, 4294967295., 1, false, 4294967295, 4294967295., 0},
             {IEC104_M_BO_NA, -1, 1, false, 0, 0, IEC104_OV},
             {IEC104_M_ME_NB, 32767.4, 1, false, 32767, 32767, 0},
             {IEC104_M_ME_NB, -40000, 1, false, -32768, -32768, IEC104_OV},
             {IEC104_M_ME_NA, 100, 200, false, 16384, 0.5, 0},
             {IEC104_M_ME_NA, 200, 200, false, 32767, 32767 / 32768., 0},
             {IEC104_M_ME_NA, 201, 200, false, 32767, 32767 / 32768., IEC104_OV},
             {IEC104_M_ME_NA, -200, 200, false, -32768, -1, 0},
             {IEC104_M_ME_NA, 1234, 1, true, 1234, 1234 / 32768., 0},
             {IEC104_M_ME_NC, 0.1, 1, false, 0, (double)0.1f, 0},
             {IEC104_M_ME_NC, 1e300, 1, false, 0, 3.4028234e38, IEC104_OV},
             {IEC104_M_ME_NC, NAN, 1, false, 0, 0, IEC104_IV},
             {IEC104_M_ME_NB, INFINITY, 1, false, 0, 0, IEC104_IV},
             {IEC104_M_IT_NA, 2147483649.9, 1, false, 1, 1, 0},
             {IEC104_M_IT_NA, -5, 1, false, -5, -5, 0}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct sv_point p = {.ioa = 7, .type = v[i].type, .full_scale = v[i].full_scale, .whole = v[i].whole};
        struct sample s = {.type = SAMPLE_DOUBLE, .v.d = v[i].x};
        struct iec104_object o, back;
        uint8_t wire[IEC104_ELEMENT_MAX];
        CHECK(sv_object(&p, &s, &o));
        iec104_element_put(iec104_type(v[i].type), &o, wire);
        iec104_element_get(iec104_type(v[i].type), wire, &back);
        if (v[i].type == IEC104_M_ME_NC)
            CHECK_DBL(back.d, v[i].d, fabs(v[i].d) * 1e-7);
        else
            CHECK_INT(back.i, v[i].i);
        CHECK_INT(back.quality, v[i].quality);
        CHECK_INT(o.ioa, 7);
    }
    struct sv_point p = {.type = IEC104_M_ME_NC, .full_scale = 1};
    struct iec104_object o;
    CHECK(!sv_object(&p, &(struct sample){.type = SAMPLE_STRING}, &o));
    CHECK(sv_object(&p, &(struct sample){.type = SAMPLE_NONE, .quality = QUALITY_BAD, .flags = REASON_NO_DATA}, &o));
    CHECK_INT(o.quality, IEC104_IV | IEC104_NT);
}
