/* Payloads of golden/sparkplug.txt (who made them is said there) read and written again byte by byte; arrays, quality
 * and topics by the examples of Sparkplug 3.0.0, chapters 4 and 6; what must be refused. */
#include <stdio.h>
#include "base/encode.h"
#include "base/mem.h"
#include "base/test.h"
#include "bornite/sample.h"
#include "proto/protobuf.h"
#include "proto/sparkplug.h"

static void check_text(const char *what, const struct buf *b, struct str want)
{
    if (!str_eq(buf_view(b), want))
        test_fail(__FILE__, __LINE__, "%s: %.*s, want %.*s", what, STR_ARG(buf_view(b)), STR_ARG(want));
}

/* ---- golden payloads ---- */

static void metric_json(struct json_writer *w, const struct spb_metric *m)
{
    jw_object(w);
    if (m->has_name) jw_kstr(w, "name", m->name);
    if (m->has_alias) jw_ki64(w, "alias", (int64_t)m->alias);
    if (m->has_timestamp) jw_ki64(w, "timestamp", (int64_t)m->timestamp);
    if (m->has_datatype) jw_kz(w, "type", spb_type(m->datatype)->name);
    if (m->historical) jw_kbool(w, "historical", true);
    if (m->transient) jw_kbool(w, "transient", true);
    if (m->null) jw_kbool(w, "null", true);
    if (m->properties.p) {
        jw_key(w, STR("properties"));
        spb_json(w, SPB_T_PropertySet, &(struct spb_value){.field = SPB_V_SET, .s = m->properties});
    }
    jw_key(w, STR("value"));
    spb_json(w, m->datatype, &m->value);
    jw_end(w);
}

static void payload_json(struct buf *out, const struct spb_payload *p)
{
    struct json_writer w = json_writer(out);
    struct str rest = p->metrics;
    struct spb_metric m;
    uint32_t n = 0;
    jw_object(&w);
    if (p->has_timestamp) jw_ki64(&w, "timestamp", (int64_t)p->timestamp);
    if (p->has_seq) jw_ki64(&w, "seq", (int64_t)p->seq);
    if (p->uuid.p) jw_kstr(&w, "uuid", p->uuid);
    jw_key(&w, STR("metrics"));
    jw_array(&w);
    for (; spb_metric_next(&rest, &m); n++) metric_json(&w, &m);
    jw_end(&w);
    jw_end(&w);
    CHECK_INT(n, p->count);
}

static void again(struct buf *out, const struct spb_payload *p)
{
    struct str rest = p->metrics;
    struct spb_metric m;
    if (p->has_timestamp) spb_put_timestamp(out, p->timestamp);
    while (spb_metric_next(&rest, &m)) {
        struct spb_scalar v;
        if (spb_scalar(m.datatype, &m.value, &v) == 0 && v.form != SPB_NOTHING && m.has_datatype &&
            m.datatype != SPB_T_UInt32) /* which that package writes as long_value */
            m.value = spb_value_of(m.datatype, &v);
        spb_put_metric(out, &m);
    }
    if (p->has_seq) spb_put_seq(out, p->seq);
    if (p->uuid.p) pb_put_str(out, 4, p->uuid);
    if (p->body.p) pb_put_str(out, 5, p->body);
}

static void check_line(struct str line)
{
    struct str name = str_cut(&line, '\t'), hex = str_cut(&line, '\t');
    struct buf bytes, text, back;
    struct spb_payload p;
    struct error e;
    char what[64];
    str_to_cstr(name, what, sizeof what);
    buf_init(&bytes, 1 << 16);
    buf_init(&text, 1 << 16);
    buf_init(&back, 1 << 16);
    if (hex_decode(&bytes, hex) || spb_payload_parse(buf_view(&bytes), &p, &e)) {
        test_fail(__FILE__, __LINE__, "%s is not taken", what);
    } else {
        AUTO_ARENA a;
        struct json *got, *want;
        arena_init(&a, 1 << 20);
        payload_json(&text, &p);
        int rc = json_parse(&a, line, &want, &e) ?: json_parse(&a, buf_view(&text), &got, &e);
        if (rc || !json_equal(got, want)) check_text(what, &text, line);
        again(&back, &p);
        check_text(what, &back, buf_view(&bytes));
    }
    buf_fini(&bytes);
    buf_fini(&text);
    buf_fini(&back);
}

TEST(golden_payloads_are_read_and_written)
{
    static char text[1 << 16];
    FILE *f = fopen("src/proto/golden/sparkplug.txt", "r");
    REQUIRE(f != NULL);
    struct str all = str_make(text, fread(text, 1, sizeof text, f));
    unsigned lines = 0;
    fclose(f);
    while (all.p) {
        struct str line = str_cut(&all, '\n');
        if (line.n == 0 || line.p[0] == '#') continue;
        check_line(line);
        lines++;
    }
    CHECK_INT(lines, 10);
}

TEST(property_sets_are_written)
{
    /* the properties of the golden payload of that name, put together anew: keys first, then values */
    struct spb_property p[2] = {
        {.key = STR("Quality"), .type = SPB_T_Int32, .value = {.field = SPB_V_INT, .u = 192}},
        {.key = STR("engUnit"), .type = SPB_T_String, .value = {.field = SPB_V_STRING, .s = STR("t")}}};
    struct buf b, h;
    struct spb_property back;
    buf_init(&b, 1024);
    buf_init(&h, 1024);
    spb_put_properties(&b, p, 2);
    hex_encode(&h, b.p, b.n);
    CHECK_Z(buf_cstr(&h), "0a075175616c6974790a07656e67556e69741205080318c0011205080c420174");
    REQUIRE(spb_property_find(buf_view(&b), "engUnit", &back));
    CHECK_STR(back.value.s, "t");
    CHECK(!spb_property_find(buf_view(&b), "engLow", &back));
    buf_fini(&b);
    buf_fini(&h);
}

/* ---- arrays: Sparkplug 3.0.0, 6.4.17 ---- */

static const struct {
    uint32_t type;
    const char *hex, *json;
} arrays[] = {
    {SPB_T_Int8Array, "e97b", "[-23,123]"},
    {SPB_T_Int16Array, "d08a3075", "[-30000,30000]"},
    {SPB_T_Int32Array, "fffffffffaafcb12", "[-1,315338746]"},
    {SPB_T_Int64Array, "ce0672ac189cbac4c4ba9c18ac7206ce", "[-4270929666821191986,-3601064768563266876]"},
    {SPB_T_UInt8Array, "17fa", "[23,250]"},
    {SPB_T_UInt16Array, "1e0088cc", "[30,52360]"},
    {SPB_T_UInt32Array, "3400000049fb55c4", "[52,3293969225]"},
    {SPB_T_UInt64Array, "3400000000000000d99e02d1b27637e4", "[52,16444743074749521625]"},
    {SPB_T_FloatArray, "a4709d3f98aeb242", NULL},
    {SPB_T_DoubleArray, "d7a205685bb528408e171c6f4cf78f40", "[12.354213,1022.9123213]"},
    {SPB_T_BooleanArray, "0c00000034d0", "[false,false,true,true,false,true,false,false,true,true,false,true]"},
    {SPB_T_StringArray, "4142430068656c6c6f00", "[\"ABC\",\"hello\"]"},
    {SPB_T_DateTimeArray, "c7d0907524010000b8bab89781010000",
     "[\"2009-10-21T05:27:55.335Z\",\"2022-06-24T21:57:55Z\"]"},
};

TEST(arrays_of_the_standard)
{
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        struct buf b, t, back;
        struct spb_array a;
        struct spb_scalar v[16];
        size_t n = 0;
        buf_init(&b, 256);
        buf_init(&t, 1024);
        buf_init(&back, 256);
        REQUIRE(hex_decode(&b, str_of(arrays[i].hex)) == 0);
        struct json_writer w = json_writer(&t);
        spb_json(&w, arrays[i].type, &(struct spb_value){.field = SPB_V_BYTES, .s = buf_view(&b)});
        if (arrays[i].json) check_text(spb_type(arrays[i].type)->name, &t, str_of(arrays[i].json));
        REQUIRE(spb_array_open(arrays[i].type, buf_view(&b), &a) == 0);
        while (n < 16 && spb_array_next(&a, &v[n])) n++;
        spb_put_array(&back, arrays[i].type, v, n);
        check_text(spb_type(arrays[i].type)->name, &back, buf_view(&b));
        if (arrays[i].type == SPB_T_FloatArray) CHECK_DBL(v[1].d, 89.341, 1e-5);
        buf_fini(&b);
        buf_fini(&t);
        buf_fini(&back);
    }
}

TEST(arrays_of_a_wrong_length_are_refused)
{
    struct spb_array a;
    CHECK_INT(spb_array_open(SPB_T_Int16Array, STR("abc"), &a), ERR_INVALID);
    CHECK_INT(spb_array_open(SPB_T_BooleanArray, STR("\x09\0\0\0a"), &a), ERR_INVALID);
    CHECK_INT(spb_array_open(SPB_T_BooleanArray, STR("\xff\xff\xff\xff"), &a), ERR_INVALID);
    CHECK_INT(spb_array_open(SPB_T_StringArray, STR("abc"), &a), ERR_INVALID);
    CHECK_INT(spb_array_open(SPB_T_Int32, STR("abcd"), &a), ERR_INVALID);
    CHECK_INT(spb_array_open(SPB_T_StringArray, STR(""), &a), 0);
    CHECK_INT(a.n, 0);
}

/* ---- values ---- */

static int64_t as_signed(uint32_t type, enum spb_field f, uint64_t u)
{
    struct spb_scalar r;
    return spb_scalar(type, &(struct spb_value){.field = (uint8_t)f, .u = u}, &r) ? INT64_MIN : r.i;
}

TEST(integers_by_their_type)
{
    struct spb_scalar r;
    CHECK_INT(as_signed(SPB_T_Int8, SPB_V_INT, 0xff), -1);
    CHECK_INT(as_signed(SPB_T_Int8, SPB_V_INT, 0xffffffff), -1);
    CHECK_INT(as_signed(SPB_T_Int8, SPB_V_LONG, UINT64_MAX), -1);
    CHECK_INT(as_signed(SPB_T_Int8, SPB_V_INT, 0x100), INT64_MIN);
    CHECK_INT(as_signed(SPB_T_Int16, SPB_V_INT, 40000), -25536);
    CHECK_INT(as_signed(SPB_T_Int16, SPB_V_INT, 0xffff7fff), INT64_MIN);
    CHECK_INT(as_signed(SPB_T_Int64, SPB_V_LONG, (uint64_t)-5), -5);
    CHECK_INT(as_signed(SPB_T_Int32, SPB_V_DOUBLE, 1), INT64_MIN);
    CHECK_INT(spb_scalar(SPB_T_UInt8, &(struct spb_value){.field = SPB_V_INT, .u = 256}, &r), ERR_INVALID);
    CHECK_INT(spb_scalar(SPB_T_UInt32, &(struct spb_value){.field = SPB_V_LONG, .u = 4294967295}, &r), 0);
    CHECK_INT(r.u, 4294967295);
    CHECK_INT(spb_scalar(SPB_T_Boolean, &(struct spb_value){.field = SPB_V_INT, .u = 2}, &r), ERR_INVALID);
    CHECK_INT(spb_scalar(SPB_T_Double, &(struct spb_value){.field = SPB_V_FLOAT, .d = 0.5}, &r), 0);
    CHECK_DBL(r.d, 0.5, 0);
    CHECK_INT(spb_scalar(SPB_T_Double, &(struct spb_value){.field = SPB_V_NONE}, &r), 0);
    CHECK_INT(r.form, SPB_NOTHING);
    CHECK_INT(spb_scalar(99, &(struct spb_value){.field = SPB_V_STRING, .s = STR("x")}, &r), 0);
    CHECK_STR(r.s, "x");
    CHECK_INT(spb_scalar(SPB_T_DataSet, &(struct spb_value){.field = SPB_V_DATASET}, &r), ERR_INVALID);
}

TEST(quality)
{
    uint8_t why;
    CHECK_INT(spb_quality_class(192, &why), QUALITY_GOOD);
    CHECK_INT(spb_quality_class(0, &why), QUALITY_BAD);
    CHECK_INT(spb_quality_class(500, &why), QUALITY_UNCERTAIN);
    CHECK_INT(why, REASON_STALE);
    CHECK_INT(spb_quality_class(24, &why), QUALITY_BAD);
    CHECK_INT(why, REASON_COMM_FAILURE);
    CHECK_INT(spb_quality_class(776, &why), QUALITY_BAD);
    CHECK_INT(spb_quality_class(200, &why), QUALITY_GOOD);
    CHECK_INT(spb_quality_code(QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, false), 500);
    CHECK_INT(spb_quality_code(QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, true), 84);
    CHECK_INT(spb_quality_code(QUALITY_BAD, REASON_SHUTDOWN, true), 0);
    CHECK_INT(spb_quality_code(QUALITY_GOOD, REASON_MANUAL, true), 192);
}

/* ---- topics and STATE ---- */

TEST(topics)
{
    static const struct {
        const char *topic;
        int rc, type;
        const char *group, *node, *device;
    } t[] = {
        {"spBv1.0/G/NBIRTH/E", 0, SPB_NBIRTH, "G", "E", ""},
        {"spBv1.0/G/DDATA/E/D", 0, SPB_DDATA, "G", "E", "D"},
        {"spBv1.0/STATE/NCMD/E", 0, SPB_NCMD, "STATE", "E", ""},
        {"spBv1.0/铜厂/NDATA/球磨 1", 0, SPB_NDATA, "铜厂", "球磨 1", ""},
        {"spBv1.0/G/NBIRTH", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0/G/NBIRTH/E/D", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0/G/DBIRTH/E", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0/G/DBIRTH/E/", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0/G/DBIRTH/E/D/X", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0/G/XDATA/E/D", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0//NDATA/E", ERR_INVALID, 0, "", "", ""},
        {"spAv1.0/G/NDATA/E", ERR_INVALID, 0, "", "", ""},
        {"spBv1.0", ERR_INVALID, 0, "", "", ""},
        {"", ERR_INVALID, 0, "", "", ""},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct spb_topic r;
        struct buf b;
        if (spb_topic_parse(str_of(t[i].topic), &r) != t[i].rc) test_fail(__FILE__, __LINE__, "%s", t[i].topic);
        if (t[i].rc) continue;
        CHECK_INT(r.type, t[i].type);
        CHECK_STR(r.group, t[i].group);
        CHECK_STR(r.node, t[i].node);
        CHECK_STR(r.device, t[i].device);
        buf_init(&b, 256);
        spb_topic_write(&b, &r);
        CHECK_Z(buf_cstr(&b), t[i].topic);
        buf_fini(&b);
    }
    CHECK(!spb_id_ok(STR("a/b")) && !spb_id_ok(STR("a+")) && !spb_id_ok(STR("")) && !spb_id_ok(STR("a\xff")) &&
          !spb_id_ok(STR("a\n")));
}

TEST(states)
{
    struct spb_topic t;
    struct buf b;
    bool online = false;
    int64_t ms = 0;
    CHECK_INT(spb_topic_parse(STR("spBv1.0/STATE/scada"), &t), 0);
    CHECK(t.type == SPB_STATE && str_is(t.host, "scada") && !t.old);
    CHECK_INT(spb_topic_parse(STR("STATE/scada"), &t), 0);
    CHECK(t.type == SPB_STATE && str_is(t.host, "scada") && t.old);
    CHECK_INT(spb_topic_parse(STR("STATE/a/b"), &t), ERR_INVALID);
    buf_init(&b, 256);
    spb_state_write(&b, true, 1668114759262);
    CHECK_Z(buf_cstr(&b), "{\"online\":true,\"timestamp\":1668114759262}");
    CHECK_INT(spb_state_parse(buf_view(&b), &online, &ms), 0);
    CHECK(online && ms == 1668114759262);
    CHECK_INT(spb_state_parse(STR("OFFLINE"), &online, &ms), 0);
    CHECK(!online && ms == 0);
    CHECK_INT(spb_state_parse(STR("{\"online\":1}"), &online, &ms), ERR_INVALID);
    CHECK_INT(spb_state_parse(STR("offline"), &online, &ms), ERR_INVALID);
    buf_fini(&b);
}

/* ---- nonsense ---- */

static int parse_hex(const char *hex)
{
    struct buf b;
    struct spb_payload p;
    buf_init(&b, 1 << 16);
    int rc = hex_decode(&b, str_of(hex)) ?: spb_payload_parse(buf_view(&b), &p, NULL);
    buf_fini(&b);
    return rc;
}

TEST(broken_payloads_are_refused)
{
    CHECK_INT(parse_hex("08"), ERR_PROTOCOL);           /* a varint that ends */
    CHECK_INT(parse_hex("12050a0161"), ERR_PROTOCOL);   /* a metric longer than the payload */
    CHECK_INT(parse_hex("12030a0561"), ERR_PROTOCOL);   /* a name longer than its metric */
    CHECK_INT(parse_hex("1001"), ERR_PROTOCOL);         /* metrics are no number */
    CHECK_INT(parse_hex("120269ff"), ERR_PROTOCOL);     /* a double of one byte */
    CHECK_INT(parse_hex("12044a021201"), ERR_PROTOCOL); /* a property cut short */
    CHECK_INT(parse_hex("1202a006"), ERR_PROTOCOL);     /* an unknown field without its value */
    CHECK_INT(parse_hex("1203a00601"), 0);              /* an unknown field, skipped */
    CHECK_INT(parse_hex("32036162633801"), 0);          /* extensions of the payload, skipped */
    CHECK_INT(parse_hex(""), 0);
}

TEST(nesting_is_bounded)
{
    struct buf b, next;
    struct spb_payload p;
    buf_init(&b, 1 << 16);
    buf_init(&next, 1 << 16);
    for (unsigned depth = 0; depth <= SPB_DEPTH_MAX + 1; depth++) {
        struct spb_metric m = {.has_name = true, .name = STR("t"), .has_datatype = true, .datatype = SPB_T_Template};
        m.value = (struct spb_value){.field = SPB_V_TEMPLATE, .s = buf_view(&b)};
        buf_clear(&next);
        spb_put_metric(&next, &m); /* field 2 of a payload and of a template alike */
        struct buf swap = b;
        b = next, next = swap;
        CHECK_INT(spb_payload_parse(buf_view(&b), &p, NULL), depth < SPB_DEPTH_MAX ? 0 : ERR_PROTOCOL);
    }
    buf_fini(&b);
    buf_fini(&next);
}

/* ---- words ---- */

TEST(words)
{
    struct buf b, p;
    buf_init(&b, 4096);
    buf_init(&p, 4096);
    REQUIRE(hex_decode(&p, STR("08defc8c9bc63012090a01682003280150051800")) == 0);
    spb_words(&b, STR("spBv1.0/G/NBIRTH/E"), buf_view(&p), false);
    CHECK_Z(buf_cstr(&b), "NBIRTH (birth of an edge node) G/E, seq 0, 1 metrics: h:Int32=5 (historical)");
    buf_clear(&b);
    spb_words(&b, STR("spBv1.0/G/DDATA/E/D"), STR("\x12"), true);
    CHECK_Z(buf_cstr(&b), "DDATA（设备数据）G/E/D，有效载荷损坏");
    buf_clear(&b);
    spb_words(&b, STR("STATE/h"), STR("ONLINE"), false);
    CHECK_Z(buf_cstr(&b), "state of host application h: ONLINE");
    buf_clear(&b);
    spb_describe(&b, 4, (const uint8_t *)"\x30\x0f\x00\x07STATE/hONLINE", 17, false);
    CHECK_Z(buf_cstr(&b), "state of host application h: ONLINE");
    buf_clear(&b); /* cut: what is whole is told */
    spb_describe(&b, 4, (const uint8_t *)"\x30\x50\x00\x11spBv1.0/G/NDATA/E\x12\x04\x10\x07P\x05\x12\x09\x0a", 30,
                 false);
    CHECK(strstr(buf_cstr(&b), "NDATA (data of an edge node) G/E, metrics: #7=5 … (30 of 82 bytes kept)") != NULL);
    buf_fini(&b);
    buf_fini(&p);
}
