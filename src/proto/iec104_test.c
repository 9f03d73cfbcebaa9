/* Codec: published frames, every type both ways, times, limits, words.
 *
 * Sources of the frames: [R] the frames that the program tritaer/IEC104 (github.com/tritaer/IEC104, test.py) decodes,
 * taken from stations; [D] "104规约（2002版）报文解读" (360docs.net/doc/974092104.html), with its meaning of each
 * field. */
#include "base/test.h"
#include "base/time.h"
#include "proto/iec104.h"

static size_t hex(const char *text, uint8_t *out)
{
    size_t n = 0;
    unsigned v;
    int used;
    while (sscanf(text, "%2x%n", &v, &used) == 1) out[n++] = (uint8_t)v, text += used;
    return n;
}

static struct iec104_apdu frame(const char *text, uint8_t *p)
{
    struct iec104_apdu a = {0};
    struct error e = {0};
    size_t n = hex(text, p);
    if (iec104_apdu_next(p, n, &a, &e) != 1 || a.used != n) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return a;
}

static struct iec104_asdu asdu(const char *text, uint8_t *p)
{
    struct iec104_apdu f = frame(text, p);
    struct iec104_asdu a = {0};
    struct error e = {0};
    if (iec104_asdu_decode(f.asdu, f.asdu_n, &a, &e)) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return a;
}

struct golden {
    const char *frame;
    unsigned ns, nr, type, sequence, count, cause, negative, originator, ca;
    struct {
        unsigned ioa;
        double value;
    } o[2];
};
static const struct golden vectors[] = {
    /* [R] */
    {"68 0F A6 44 04 02 01 82 14 00 73 00 FB 01 00 00 01", 8787, 258, 1, 1, 2, 20, 0, 0, 115, {{507, 0}, {508, 1}}},
    {"68 12 A8 44 04 02 01 02 14 00 73 00 CC 14 00 01 E4 14 00 00",
     8788,
     258,
     1,
     0,
     2,
     20,
     0,
     0,
     115,
     {{5324, 1}, {5348, 0}}},
    {"68 12 12 44 00 02 03 02 14 00 73 00 5A 02 00 02 EB 03 00 00",
     8713,
     256,
     3,
     0,
     2,
     20,
     0,
     0,
     115,
     {{602, 2}, {1003, 0}}},
    {"68 13 14 44 00 02 09 82 14 00 73 00 89 02 00 00 00 00 EF 01 00",
     8714,
     256,
     9,
     1,
     2,
     20,
     0,
     0,
     115,
     {{649, 0}, {650, 495.0 / 32768}}},
    {"68 17 A8 00 04 00 0D 82 01 57 57 00 E7 0B 00 0A D7 A3 BB 00 7F 6A BC 3C 00",
     84,
     2,
     13,
     1,
     2,
     1,
     0,
     87,
     87,
     {{3047, -0.005}, {3048, 0.023}}},
    {"68 15 42 EB D2 01 1E 01 03 00 80 00 B0 36 00 01 AF E1 1D 14 70 06 15",
     30113,
     233,
     30,
     0,
     1,
     3,
     0,
     0,
     128,
     {{14000, 1}}},
    {"68 17 BA 8C F2 00 22 01 01 00 03 00 01 00 00 01 00 00 08 7F 0E 09 96 04 15",
     18013,
     121,
     34,
     0,
     1,
     1,
     0,
     0,
     3,
     {{1, 1.0 / 32768}}},
    {"68 19 FE 08 30 01 24 01 03 51 51 00 EE 03 00 4B E7 47 42 00 91 05 32 0A 69 06 15",
     1151,
     152,
     36,
     0,
     1,
     3,
     0,
     81,
     81,
     {{1006, 49.9758}}},
    {"68 0E 00 00 04 00 64 01 06 00 71 00 00 00 00 14", 0, 2, 100, 0, 1, 6, 0, 0, 113, {{0, 20}}},
    {"68 0E 04 00 02 00 64 01 07 71 71 00 00 00 00 14", 2, 1, 100, 0, 1, 7, 0, 113, 113, {{0, 20}}},
    /* [D] */
    {"68 0E 00 00 00 00 46 01 04 00 01 00 00 00 00 00", 0, 0, 70, 0, 1, 4, 0, 0, 1, {{0, 0}}},
    {"68 0E 00 00 06 00 64 01 06 00 01 00 00 00 00 14", 0, 3, 100, 0, 1, 6, 0, 0, 1, {{0, 20}}},
    {"68 0E 08 00 02 00 64 01 07 00 01 00 00 00 00 14", 4, 1, 100, 0, 1, 7, 0, 0, 1, {{0, 20}}},
};

TEST(published_frames_read_as_their_source_says)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct golden *g = &vectors[i];
        uint8_t p[256], back[256];
        struct iec104_apdu f = frame(g->frame, p);
        struct iec104_asdu a = asdu(g->frame, p);
        CHECK_INT(f.format, IEC104_I);
        CHECK_INT(f.ns, g->ns);
        CHECK_INT(f.nr, g->nr);
        CHECK_INT(a.type->id, g->type);
        CHECK_INT(a.sequence, g->sequence);
        CHECK_INT(a.count, g->count);
        CHECK_INT(a.cause, g->cause);
        CHECK_INT(a.negative, g->negative);
        CHECK_INT(a.originator, g->originator);
        CHECK_INT(a.ca, g->ca);
        for (unsigned k = 0; k < g->count; k++) {
            struct iec104_object o = iec104_object(&a, k);
            CHECK_INT(o.ioa, g->o[k].ioa);
            CHECK_DBL(o.d, g->o[k].value, 1e-4);
        }
        /* and back to the same bytes */
        uint8_t out[IEC104_ASDU_MAX];
        size_t n = iec104_put_header(&a, out), size = iec104_element_size(a.type);
        for (unsigned k = 0; k < a.count; k++) {
            struct iec104_object o = iec104_object(&a, k);
            if (!a.sequence || k == 0) n += iec104_put_ioa(o.ioa, out + n);
            CHECK_INT(iec104_element_put(a.type, &o, out + n), size);
            n += size;
        }
        CHECK_INT(iec104_put_i(f.ns, f.nr, out, n, back), f.used);
        CHECK(memcmp(back, p, f.used) == 0);
    }
}

TEST(published_times)
{
    uint8_t p[256];
    struct iec104_asdu a = asdu(vectors[5].frame, p);
    struct iec104_time t = iec104_object(&a, 0).time;
    int64_t us;
    char text[TIME_TEXT_MAX];
    CHECK_INT(iec104_time_local(&t, 0, &us), 0);
    CHECK_Z(time_format(us, text), "2021-06-16T20:29:57.775Z"); /* AF E1 1D 14 70 06 15: Wednesday */
    CHECK_INT(t.weekday, 3);
    /* [D]: "357 毫秒 16 秒 0分 15小时 9日 12月 4年" */
    a = asdu("68 14 2C 00 6A 00 67 01 06 00 01 00 00 00 00 E5 3F 00 0F 09 0C 04", p);
    t = iec104_object(&a, 0).time;
    CHECK_INT(t.ms, 16357);
    CHECK_INT(t.hour, 15);
    CHECK_INT(t.day, 9);
    CHECK_INT(t.month, 12);
    CHECK_INT(t.year, 4);
    CHECK_INT(iec104_time_local(&t, 0, &us), 0);
    CHECK_Z(time_format(us, text), "2004-12-09T15:00:16.357Z");
}

TEST(times_both_ways)
{
    static const int64_t at[] = {
        0, 951782399999000, 951782400000000, 1704067199999000, 1709164800123000, 3124223999000000};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        uint8_t p[7];
        struct iec104_time t = iec104_time_of(at[i]);
        int64_t us = -1;
        iec104_cp56_put(&t, p);
        struct iec104_time back = iec104_cp56_get(p);
        CHECK_INT(iec104_time_local(&back, 0, &us), 0);
        CHECK_INT(us, at[i]);
    }
    CHECK_INT(iec104_time_of(0).weekday, 4);                /* Thursday */
    CHECK_INT(iec104_time_of(1709164800000000).weekday, 4); /* 2024-02-29 */
    struct iec104_time t = iec104_time_of(1709164800000000);
    int64_t us;
    t.year = 23; /* no 29 February */
    CHECK_INT(iec104_time_local(&t, 0, &us), ERR_INVALID);
    t = iec104_time_of(0), t.invalid = true;
    CHECK_INT(iec104_time_local(&t, 0, &us), ERR_INVALID);
    t = iec104_time_of(0), t.ms = 60000;
    CHECK_INT(iec104_time_local(&t, 0, &us), ERR_INVALID);
    t = iec104_time_of(0), t.month = 13;
    CHECK_INT(iec104_time_local(&t, 0, &us), ERR_INVALID);
    CHECK_INT(iec104_time_local(&(struct iec104_time){0}, 0, &us), ERR_INVALID);
}

TEST(short_times_take_the_nearest_hour)
{
    int64_t noon = 1700049600000000, us; /* 2023-11-15T12:00Z */
    struct iec104_time t = {.set = true, .minute = 59, .ms = 30500};
    CHECK_INT(iec104_time_local(&t, noon, &us), 0);
    CHECK_INT(us, noon - 29500000);
    t = (struct iec104_time){.set = true, .minute = 2};
    CHECK_INT(iec104_time_local(&t, noon - 60000000, &us), 0);
    CHECK_INT(us, noon + 120000000);
    CHECK_INT(iec104_time_local(&t, noon + 300000000, &us), 0);
    CHECK_INT(us, noon + 120000000);
}

/* Sizes of the standard (7.3), written out here a second time. */
static const struct {
    uint8_t id, size;
} sizes[] = {{1, 1},   {2, 4},   {3, 1},   {4, 4},   {5, 2},   {6, 5},   {7, 5},   {8, 8},   {9, 3},   {10, 6},
             {11, 3},  {12, 6},  {13, 5},  {14, 8},  {15, 5},  {16, 8},  {17, 6},  {18, 7},  {19, 7},  {20, 5},
             {21, 2},  {30, 8},  {31, 8},  {32, 9},  {33, 12}, {34, 10}, {35, 10}, {36, 12}, {37, 12}, {38, 10},
             {39, 11}, {40, 11}, {45, 1},  {46, 1},  {47, 1},  {48, 3},  {49, 3},  {50, 5},  {51, 4},  {58, 8},
             {59, 8},  {60, 8},  {61, 10}, {62, 10}, {63, 12}, {64, 11}, {70, 1},  {100, 1}, {101, 1}, {102, 0},
             {103, 7}, {104, 2}, {105, 1}, {106, 2}, {107, 9}};

TEST(every_type_has_its_size_and_keeps_all_bits)
{
    unsigned known = 0;
    for (unsigned id = 0; id < 256; id++) known += iec104_type(id) != NULL;
    CHECK_INT(known, sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct iec104_type *t = iec104_type(sizes[i].id);
        REQUIRE(t != NULL);
        if (iec104_element_size(t) != sizes[i].size) test_fail(__FILE__, __LINE__, "size of %s", t->name);
        CHECK(iec104_element_size(t) <= IEC104_ELEMENT_MAX);
        for (unsigned seed = 0; seed < 64; seed++) {
            uint8_t p[IEC104_ELEMENT_MAX], once[IEC104_ELEMENT_MAX], twice[IEC104_ELEMENT_MAX];
            struct iec104_object o;
            for (unsigned k = 0; k < sizeof p; k++) p[k] = (uint8_t)((seed * 37 + k * 101) ^ (seed << (k & 3)));
            if (t->form == IEC104_FLOAT) p[3] = 0x42; /* no NaN: its payload may change */
            iec104_element_get(t, p, &o);
            CHECK_INT(iec104_element_put(t, &o, once), sizes[i].size);
            iec104_element_get(t, once, &o);
            CHECK_INT(iec104_element_put(t, &o, twice), sizes[i].size);
            CHECK(memcmp(once, twice, sizes[i].size) == 0); /* reserved bits gone, all else kept */
        }
    }
}

TEST(quality_and_qualifiers)
{
    static const struct {
        uint8_t type;
        const char *hex;
        double value;
        unsigned quality, qualifier, select;
    } v[] = {
        {1, "01", 1, 0, 0, 0},
        {1, "F0", 0, IEC104_IV | IEC104_NT | IEC104_SB | IEC104_BL, 0, 0},
        {3, "82", 2, IEC104_IV, 0, 0},
        {5, "7F 01", -1, IEC104_OV, 0, 0},
        {5, "40 00", -64, 0, 0, 0},
        {5, "3F 00", 63, 0, 0, 0},
        {7, "01 02 03 84 10", 0x84030201, IEC104_BL, 0, 0},
        {9, "00 80 40", -1, IEC104_NT, 0, 0},
        {9, "FF 7F 00", 32767.0 / 32768, 0, 0, 0},
        {11, "FF FF 20", -1, IEC104_SB, 0, 0},
        {13, "00 00 C0 3F 81", 1.5, IEC104_IV | IEC104_OV, 0, 0},
        {15, "FE FF FF FF 25", -2, IEC104_CY, 5, 0},
        {15, "01 00 00 00 C0", 1, IEC104_IV | IEC104_CA, 0, 0},
        {38, "0A E8 03 00 00 00 00 01 01 18", 2, IEC104_EI, 0, 0},
        {45, "81", 1, 0, 0, 1},
        {45, "04", 0, 0, 1, 0},
        {46, "02", 2, 0, 0, 0},
        {47, "8D", 1, 0, 3, 1},
        {48, "00 40 80", 0.5, 0, 0, 1},
        {50, "00 00 80 3F 05", 1, 0, 5, 0},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        uint8_t p[16] = {0}, out[16];
        struct iec104_object o;
        size_t n = hex(v[i].hex, p);
        const struct iec104_type *t = iec104_type(v[i].type);
        CHECK_INT(iec104_element_size(t), n);
        iec104_element_get(t, p, &o);
        CHECK_DBL(o.d, v[i].value, 0);
        CHECK_INT(o.quality, v[i].quality);
        CHECK_INT(o.qualifier, v[i].qualifier);
        CHECK_INT(o.select, v[i].select);
        CHECK_INT(iec104_element_put(t, &o, out), n);
        CHECK(memcmp(p, out, n) == 0);
    }
}

static int wrong(const char *text, const char *part)
{
    uint8_t p[300];
    struct iec104_apdu f;
    struct iec104_asdu a;
    struct error e = {0};
    size_t n = hex(text, p);
    int rc = iec104_apdu_next(p, n, &f, &e);
    if (rc == 1 && f.format == IEC104_I) rc = iec104_asdu_decode(f.asdu, f.asdu_n, &a, &e);
    if (rc < 0 && (!strstr(e.text, part) || !e.text_zh[0])) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return rc;
}

TEST(what_is_wrong_is_refused)
{
    CHECK_INT(wrong("69", "0x69"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 03 01 00 00", "length of a frame is 3"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 FE 01 00", "254"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 04 0F 00 00 00", "0x0f"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 05 01 00 00 00 00", "1 bytes too many"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 04 00 00 00 00", "header"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 0E 00 00 00 00 64 00 06 00 01 00 00 00 00 14", "without an object"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 0E 00 00 00 00 64 02 06 00 01 00 00 00 00 14", "takes 8 bytes; 4 came"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 0E 00 00 00 00 01 FF 14 00 01 00 00 00 00 00", "takes 130"), ERR_PROTOCOL);
    CHECK_INT(wrong("68 0E 00 00 00 00 78 01 0D 00 01 00 00 00 00 14", "type 120"), ERR_UNSUPPORTED);
    CHECK_INT(wrong("68 0E 00 00 00", ""), 0);
    CHECK_INT(wrong("68", ""), 0);
    CHECK_INT(wrong("", ""), 0);
}

TEST(types_by_name)
{
    bool exact;
    CHECK_INT(iec104_type_parse(STR("M_ME_NC_1"), &exact)->id, 13);
    CHECK(exact);
    CHECK_INT(iec104_type_parse(STR("m_me_tf"), &exact)->id, 36);
    CHECK(!exact);
    CHECK_INT(iec104_type_parse(STR("M_SP"), &exact)->id, 1);
    CHECK_INT(iec104_type_parse(STR("C_SE_NC"), &exact)->id, 50);
    CHECK_INT(iec104_type_parse(STR("63"), &exact)->id, 63);
    CHECK(iec104_type_parse(STR("M_XX"), &exact) == NULL);
    CHECK(iec104_type_parse(STR(""), &exact) == NULL);
    CHECK(iec104_type_parse(STR("999"), &exact) == NULL);
    CHECK_INT(iec104_type_stamped(iec104_type(45), IEC104_CP56)->id, 58);
    CHECK_INT(iec104_type_stamped(iec104_type(36), IEC104_NO_TIME)->id, 13);
    CHECK_INT(iec104_type_stamped(iec104_type(21), IEC104_CP24)->id, 10);
}

static const char *words(const char *text, bool zh)
{
    static char out[300];
    uint8_t p[300];
    size_t n = hex(text, p);
    iec104_words(p, n, zh, out, sizeof out);
    return out;
}

TEST(frames_in_words)
{
    CHECK_Z(words("68 04 07 00 00 00", false), "U STARTDT act");
    CHECK_Z(words("68 04 0B 00 00 00", true), "U STARTDT 确认");
    CHECK_Z(words("68 04 13 00 00 00", false), "U STOPDT act");
    CHECK_Z(words("68 04 83 00 00 00", false), "U TESTFR con");
    CHECK_Z(words("68 04 01 00 0A 00", false), "S(5)");
    CHECK_Z(words(vectors[7].frame, false),
            "I(1151,152) M_ME_TF_1 float value, time, spontaneous, CA 81, originator 81: "
            "1006 = 49.97587 2021-06-09T10:50:01.425");
    CHECK_Z(words(vectors[0].frame, true),
            "I(8787,258) M_SP_NA_1 单点信息，响应站召唤，公共地址 115，2 个对象: 507 = 分, 508 = 合");
    CHECK_Z(words("68 0E 00 00 00 00 2D 01 47 00 01 00 01 60 00 81", false),
            "I(0,0) C_SC_NA_1 single command, activation confirmed, negative, CA 1: 24577 = on select");
    CHECK_Z(words("68 0E 00", false), "part of a frame: 3 bytes");
    /* the beginning of a long one */
    CHECK_Z(words("68 FD 02 00 04 00 0D A0 14 00 01 00 01 40 00 00 00 80 3F 00 00 00 00", false),
            "I(1,2) M_ME_NC_1 float value, general interrogation, CA 1, 32 objects: 16385 = 1, …");
    CHECK(strstr(words("68 0E 00 00 00 00 78 01 0D 00 01 00 00 00 00 14", false), "type 120"));
    char cut[30];
    uint8_t p[300];
    size_t n = hex(vectors[0].frame, p);
    iec104_words(p, n, true, cut, sizeof cut);
    CHECK_Z(cut, "I(8787,258) M_SP_NA_1 单点"); /* at a whole character */
}
