/* Vectors: HJ 212-2017 itself (p. 20: request 1062), and messages that other people's programs carry in their tests
 * (its answer; 9014; a 2011 of 457 bytes); wrong ones from a public Python sample, which must not pass. */
#include "base/mem.h"
#include "base/test.h"
#include "proto/hj212.h"

#define SET_INTERVAL \
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&" \
    "1C80\r\n"
#define ANSWER \
    "##0094QN=20160801085857223;ST=32;CN=9011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&QnRtn=1&&2A80\r\n"
#define DATA_ANSWER \
    "##0087QN=20160801085000001;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&C241\r\n"

#define REAL_TIME \
    "##0457QN=20210320163101890;ST=32;CN=2011;PW=123456;MN=81733553213013;Flag=4;CP=&&DataTime=20210320013400;" \
    "w00000-Rtd=181.682,w00000-Flag=N;w21001-SampleTime=20210320005400,w21001-Rtd=45.160,w21001-Flag=N;" \
    "w21011-SampleTime=20210320013400,w21011-Rtd=1.970,w21011-Flag=N;w21003-SampleTime=20210320013400," \
    "w21003-Rtd=53.131,w21003-Flag=N;w01018-SampleTime=20210320013400,w01018-Rtd=194.200,w01018-Flag=N;" \
    "w01001-SampleTime=20210320013406,w01001-Rtd=7.496,w01001-Flag=N&&6E80\r\n"

#define RECALL_2005 \
    "##0124QN=20180519013039400;ST=32;CN=2061;PW=123456;MN=88888880000020;Flag=3;" \
    "CP=&&BeginTime=20180518070000,EndTime=20180518070000&&D581\r\n"

static int take(const char *p, size_t n, struct hj212_frame *f)
{
    struct error e = {0};
    return hj212_frame_next(p, n, f, &e);
}

TEST(vectors)
{
    static const char *const good[] = {SET_INTERVAL, ANSWER, DATA_ANSWER, REAL_TIME, RECALL_2005};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct hj212_frame f;
        struct hj212_message m;
        struct buf b;
        CHECK_INT(take(good[i], strlen(good[i]), &f), 1);
        CHECK_INT(f.used, strlen(good[i]));
        CHECK_INT(hj212_message_parse(f.segment, &m, NULL), 0);
        buf_init(&b, 4096);
        hj212_message_put(&b, &m); /* and back, to the byte */
        CHECK_STR(buf_view(&b), good[i]);
        buf_fini(&b);
    }
}

TEST(message)
{
    struct hj212_frame f;
    struct hj212_message m;
    REQUIRE(take(SET_INTERVAL, strlen(SET_INTERVAL), &f) == 1);
    REQUIRE(hj212_message_parse(f.segment, &m, NULL) == 0);
    CHECK_STR(m.qn, "20160801085857223");
    CHECK_INT(m.st, 32);
    CHECK_INT(m.cn, 1062);
    CHECK_STR(m.pw, "100000");
    CHECK_STR(m.mn, "010000A8900016F000169DC0");
    CHECK_INT(m.flag, 5);
    CHECK_INT(hj212_version(&m), HJ212_2017);
    CHECK(hj212_wants_answer(&m));
    CHECK_STR(hj212_cp_get(m.cp, "RtdInterval"), "30");
    CHECK_STR(hj212_cp_get(m.cp, "Rtd"), "");
}

TEST(published_samples_that_are_wrong)
{
    static const char *const wrong[] = {
        "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
        "0759\r\n",
        "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=31&&"
        "1C80\r\n",
        "##0136ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&DataTime=20040506010101;101-Rtd=1.1,101-Flag=N&&4980\r\n",
        "##0077QN=20170516010101001;ST=22;CN=1011;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&&&8411\r\n",
        "##0086QN=20170516010101001;ST=22;CN=1072;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&PW=654321&&E476\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct hj212_frame f;
        CHECK_INT(take(wrong[i], strlen(wrong[i]), &f), ERR_PROTOCOL);
        CHECK_INT(f.used, strlen(wrong[i])); /* that frame and no more is dropped */
    }
}

TEST(any_single_byte_changed_is_found)
{
    char p[] = SET_INTERVAL;
    size_t n = strlen(p);
    for (size_t i = 6; i < n - 6; i++) {
        struct hj212_frame f;
        p[i] ^= 0x04;
        CHECK(take(p, n, &f) != 1);
        p[i] ^= 0x04;
    }
}

/* Bytes of the stream one after the other, in pieces of `step`: how many frames come out. */
static unsigned feed(const char *p, size_t n, size_t step, unsigned *broken)
{
    char in[HJ212_FRAME_MAX * 2];
    size_t have = 0;
    unsigned frames = 0;
    *broken = 0;
    for (size_t at = 0; at < n;) {
        size_t k = n - at < step ? n - at : step;
        memcpy(in + have, p + at, k);
        have += k, at += k;
        for (;;) {
            struct hj212_frame f;
            int rc = take(in, have, &f);
            if (rc == 0) break;
            CHECK(f.used > 0 && f.used <= have);
            frames += rc == 1;
            *broken += rc < 0;
            memmove(in, in + f.used, have - f.used);
            have -= f.used;
        }
    }
    return frames;
}

TEST(stream_with_rubbish)
{
    static const char *const streams[] = {
        SET_INTERVAL "garbage" ANSWER,
        "x#" SET_INTERVAL "###" ANSWER,
        SET_INTERVAL "##9999QN=1;CN=2011;CP=&&&&0000\r\n" ANSWER, /* a length that lies */
        SET_INTERVAL "##00" ANSWER,
        SET_INTERVAL "##0003abc0000\r\n" ANSWER,
        SET_INTERVAL "\r\n\r\n\0\xff" ANSWER,
        SET_INTERVAL "##0101QN=2016080108\r\n" ANSWER,
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        for (size_t step = 1; step < 200; step += 7) {
            unsigned broken,
                frames =
                    feed(streams[i], i == 5 ? sizeof(SET_INTERVAL "\r\n\r\n\0\xff" ANSWER) - 1 : strlen(streams[i]),
                         step, &broken);
            if (frames != 2 || broken == 0)
                test_fail(__FILE__, __LINE__, "stream %zu, pieces of %zu: %u frames", i, step, frames);
        }
    }
}

TEST(no_line_end_between_frames)
{
    char p[300];
    unsigned broken;
    snprintf(p, sizeof p, "%.*s%s", (int)strlen(SET_INTERVAL) - 2, SET_INTERVAL, ANSWER);
    CHECK_INT(feed(p, strlen(p), 300, &broken), 2);
    CHECK_INT(broken, 0);
}

TEST(segments_that_are_wrong)
{
    static const struct {
        const char *segment, *where;
    } rows[] = {
        {"ST=32;CP=&&&&", "CN"},
        {"ST=32;CN=2011;PW=123456", "CP"},
        {"ST=32;CN=2011;CP=&&a=1&", "CP"},
        {"ST=32;CN=2011;CP=&&&", "CP"},
        {"ST=x;CN=2011;CP=&&&&", "ST"},
        {"ST=32;CN=2011;Flag=999;CP=&&&&", "Flag"},
        {"ST=32;CN=2011;Flag=-1;CP=&&&&", "Flag"},
        {"ST=32;CN=2011;Flag=7;PNUM=2;PNO=3;CP=&&&&", "PNO"},
        {"ST=32;CN=2011;MN=0123456789012345678901234567890123456789012345;CP=&&&&", "MN"},
        {"ST=32;CN=2011;MN=a b;CP=&&&&", "MN"},
        {"", "CN"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hj212_message m;
        struct error e = {0};
        CHECK_INT(hj212_message_parse(str_of(rows[i].segment), &m, &e), ERR_PROTOCOL);
        CHECK_Z(e.where, rows[i].where);
        CHECK(e.text[0] && e.text_zh[0]);
    }
}

TEST(items_of_cp)
{
    struct hj212_cp it = hj212_cp_begin(
        STR("DataTime=20160801085857;w01018-Rtd=63.0,w01018-Flag=N;i11001-Info=//a,b;c=1//,x=;;SB1-RS=1"));
    static const struct {
        const char *name, *code, *attr, *value;
        unsigned item;
    } want[] = {{"DataTime", "DataTime", "", "20160801085857", 0},
                {"w01018-Rtd", "w01018", "Rtd", "63.0", 1},
                {"w01018-Flag", "w01018", "Flag", "N", 1},
                {"i11001-Info", "i11001", "Info", "//a,b;c=1//", 2},
                {"x", "x", "", "", 2},
                {"SB1-RS", "SB1", "RS", "1", 4}};
    struct hj212_field f;
    size_t k = 0;
    for (; hj212_cp_next(&it, &f) && k < 6; k++) {
        CHECK_STR(f.name, want[k].name);
        CHECK_STR(f.code, want[k].code);
        CHECK_STR(f.attr, want[k].attr);
        CHECK_STR(f.value, want[k].value);
    }
    CHECK_INT(k, 6);
}

TEST(form_of_2005)
{
    struct hj212_message m;
    REQUIRE(
        hj212_message_parse(STR("ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&DataTime=20040506010101;101-Rtd=1.1&&"),
                            &m, NULL) == 0);
    CHECK_INT(hj212_version(&m), HJ212_2005);
    CHECK(!hj212_wants_answer(&m));
    REQUIRE(hj212_message_parse(STR("ST=91;CN=9014;CP=&&QN=20040516010101001;CN=2051&&"), &m, NULL) == 0);
    CHECK_STR(hj212_answered_qn(&m), "20040516010101001");
}

TEST(times)
{
    int64_t us = 0;
    char text[HJ212_TIME_TEXT];
    CHECK_INT(hj212_time_parse(STR("20160801085857223"), 480, &us), 0);
    CHECK_INT(us, 1470013137223000); /* 2016-08-01T00:58:57.223Z */
    CHECK_Z(hj212_time_format(us, 480, true, text), "20160801085857223");
    CHECK_Z(hj212_time_format(us, 480, false, text), "20160801085857");
    CHECK_INT(hj212_time_parse(STR("20160229235959"), 0, &us), 0);
    static const char *const wrong[] = {"20150229000000", "20161301000000", "20160801240000",
                                        "2016080108585",  "2016080108585x", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(hj212_time_parse(str_of(wrong[i]), 0, &us) != 0);
}

/* ---- long messages ---- */

static int collect(struct buf *frames, struct hj212_parts *parts, struct buf *whole, unsigned skip, size_t *ret_max)
{
    int rc = 0;
    size_t at = 0;
    unsigned k = 0;
    *ret_max = 0;
    while (at < frames->n && rc == 0) {
        struct hj212_frame f;
        struct hj212_message m;
        CHECK_INT(take((char *)frames->p + at, frames->n - at, &f), 1);
        at += f.used;
        CHECK_INT(hj212_message_parse(f.segment, &m, NULL), 0);
        if (m.cp.n > *ret_max) *ret_max = m.cp.n;
        CHECK_INT(m.flag, 7);
        if (++k != skip) rc = hj212_parts_add(parts, &m, whole, NULL);
        if (k == 1) rc = rc ? rc : hj212_parts_add(parts, &m, whole, NULL); /* the same again changes nothing */
    }
    return rc;
}

static void long_cp(struct buf *cp, unsigned items)
{
    buf_z(cp, "DataTime=20160801085857");
    for (unsigned i = 0; i < items; i++) buf_printf(cp, ";a%05u-Rtd=%u.%u,a%05u-Flag=N", i, i, i % 10, i);
}

TEST(cut_and_put_together)
{
    struct buf cp, frames, whole;
    struct hj212_parts parts = {0};
    size_t max;
    buf_init(&cp, 100000), buf_init(&frames, 200000), buf_init(&whole, 100000);
    for (unsigned items = 20; items < 400; items += 37) {
        buf_clear(&cp), buf_clear(&frames);
        long_cp(&cp, items);
        struct hj212_message m = {.qn = STR("20160801085857223"),
                                  .pw = STR("123456"),
                                  .mn = STR("010000A8900016F000169DC0"),
                                  .st = 31,
                                  .cn = 2011,
                                  .flag = 5,
                                  .cp = buf_view(&cp)};
        int n = hj212_message_put_split(&frames, &m, 0);
        if (n == 1) {
            CHECK(frames.n <= HJ212_SEGMENT_USUAL + 12);
            continue;
        }
        CHECK(n > 1 && cp.n > 900);
        CHECK_INT(collect(&frames, &parts, &whole, 0, &max), 1);
        CHECK(max <= HJ212_CP_MAX && max + 105 <= HJ212_SEGMENT_USUAL);
        CHECK(str_eq(buf_view(&whole), buf_view(&cp)));
        CHECK_INT(collect(&frames, &parts, &whole, 2, &max), 0); /* one is missing */
    }
    hj212_parts_drop(&parts);
    buf_fini(&cp), buf_fini(&frames), buf_fini(&whole);
}

static int add(struct hj212_parts *s, unsigned pnum, unsigned pno, struct str cp, struct buf *whole)
{
    struct hj212_message m = {
        .qn = STR("20160801085857223"), .mn = STR("1"), .cn = 2011, .flag = 7, .pnum = pnum, .pno = pno, .cp = cp};
    return hj212_parts_add(s, &m, whole, NULL);
}

TEST(cut_through_an_item)
{
    const char *text = "DataTime=20160801085857;w01018-Rtd=63.25,w01018-Flag=N;w21003-Rtd=1.5,w21003-Flag=N";
    struct hj212_parts s = {0};
    struct buf whole;
    buf_init(&whole, 4096);
    for (size_t cut = 1; cut < strlen(text); cut++) {
        CHECK_INT(add(&s, 2, 2, str_make(text + cut, strlen(text) - cut), &whole), 0);
        CHECK_INT(add(&s, 2, 1, str_make(text, cut), &whole), 1);
        CHECK_STR(buf_view(&whole), text);
    }
    buf_fini(&whole);
}

TEST(parts_have_limits)
{
    struct hj212_parts s = {0};
    struct buf whole;
    char big[9000];
    memset(big, 'x', sizeof big);
    buf_init(&whole, 1 << 20);
    CHECK_INT(add(&s, 9999, 1, STR("a=1"), &whole), ERR_TOO_LARGE);
    int rc = 0;
    for (unsigned i = 1; i <= 200 && rc == 0; i++) rc = add(&s, 200, i, str_make(big, sizeof big), &whole);
    CHECK_INT(rc, ERR_TOO_LARGE);
    CHECK_INT(s.pnum, 0);
    mem_fail_at(1, false);
    CHECK_INT(add(&s, 2, 1, STR("a=1"), &whole), ERR_NOMEM);
    mem_fail_at(0, false);
    CHECK_INT(add(&s, 1, 1, STR("a=1"), &whole), 1);
    hj212_parts_drop(&s);
    buf_fini(&whole);
}

TEST(one_item_too_long)
{
    struct buf out, cp;
    buf_init(&out, 1 << 16), buf_init(&cp, 1 << 16);
    buf_z(&cp, "a-Info=//");
    for (int i = 0; i < 1000; i++) buf_u8(&cp, 'x');
    buf_z(&cp, "//;b=1");
    struct hj212_message m = {.cn = 3020, .flag = 4, .cp = buf_view(&cp)};
    CHECK_INT(hj212_message_put_split(&out, &m, 0), ERR_TOO_LARGE);
    buf_fini(&out), buf_fini(&cp);
}

/* ---- words ---- */

TEST(words)
{
    char en[1000], zh[1000];
    hj212_words(SET_INTERVAL, strlen(SET_INTERVAL), en, zh, sizeof en);
    CHECK_Z(en, "1062 set the interval of real-time data, MN 010000A8900016F000169DC0, waste water source, of "
                "2016-08-01 08:58:57, "
                "answer wanted: RtdInterval = 30");
    CHECK_Z(zh, "1062 设置实时数据间隔, MN 010000A8900016F000169DC0，地表水体环境污染源，时间 2016-08-01 "
                "08:58:57，需应答：RtdInterval = 30");
    struct str data =
        STR("ST=31;CN=2011;PW=123456;MN=1;Flag=4;CP=&&DataTime=20160801085857;a21026-Rtd=31.5,a21026-Flag=C&&");
    hj212_words(data.p, data.n, en, zh, sizeof en);
    CHECK_Z(en, "2011 real-time data, MN 1, stack gas source: DataTime 2016-08-01 08:58:57; sulfur dioxide a21026-Rtd "
                "= 31.5 mg/m³; "
                "sulfur dioxide a21026-Flag = C (calibration)");
    CHECK(strstr(zh, "二氧化硫 a21026-Flag = C（校准）") != NULL);
    hj212_words(ANSWER, strlen(ANSWER), en, zh, sizeof en);
    CHECK(strstr(en, "answer 1 (ready)") && strstr(zh, "应答 1（准备执行请求）"));
    hj212_words(SET_INTERVAL, 100, en, zh, sizeof en); /* cut by the host */
    CHECK(strstr(en, "1062 set the interval") != NULL && strstr(en, "RtdI") != NULL);
    hj212_words("\xff\xfe", 2, en, zh, sizeof en);
    CHECK_Z(en, "no HJ 212 message");
    for (size_t cap = 1; cap < 60; cap++) { /* cut, never through a character */
        hj212_words(SET_INTERVAL, strlen(SET_INTERVAL), en, zh, cap);
        CHECK(strlen(en) < cap && strlen(zh) < cap);
    }
}

TEST(texts)
{
    char out[64];
    CHECK_INT(hj212_text(STR("//清洗管路//"), out, sizeof out), 12);
    CHECK_Z(out, "清洗管路");
    hj212_text(STR("//\xc7\xe5\xcf\xb4//"), out, sizeof out); /* GBK */
    CHECK_Z(out, "清洗");
    hj212_text(STR("a\xff\xff"), out, sizeof out);
    CHECK_Z(out, "a\xef\xbf\xbd\xef\xbf\xbd");
    CHECK_INT(hj212_text(STR("\xc7\xe5\xcf\xb4\xc7\xe5"), out, 7) < 7, 1);
}

TEST(tables)
{
    size_t n;
    const struct hj212_code *c = hj212_codes(&n);
    CHECK(n > 190);
    for (size_t i = 0; i < n; i++) {
        CHECK(hj212_code(str_of(c[i].code)) == &c[i]); /* none twice */
        CHECK(c[i].en[0] && c[i].zh[0] && c[i].unit);
    }
    CHECK_Z(hj212_code(STR("a21026z"))->zh, "二氧化硫");
    CHECK(hj212_code(STR("x")) == NULL);
    CHECK_INT(hj212_flag(STR("T"))->quality, 1);
    CHECK(hj212_flag(STR("NN")) == NULL);
    CHECK_Z(hj212_command(2051)->zh, "污染物分钟数据");
    CHECK_Z(hj212_qnrtn(3)->en, "wrong password (PW)");
    CHECK_Z(hj212_exertn(100)->zh, "没有数据");
}
