/* The driver on the loopback: instruments connect, report, obey, go away. */
#include "drivers/hj212/testbed.h"

static const struct bed_row rows[] = {
    {1, 0, "w01018"},
    {2, 0, "w21003-Rtd"},
    {3, 0, "2051/w01018"},
    {4, 0, "w01018-Flag"},
    {5, 0, "clock"},
    {6, 0, "set/RtdInterval"},
    {7, 0, "cmd/3011/w01018"},
    {8, 0, "recall/2051"},
    {9, 0, "2061/w01018-Cou"},
    {10, 0, "set/NewPW"},
    {11, 1, "2011/101-Rtd"},
    {12, 1, "nonsense!"},
    {13, 0, "3020/i11001-Info"},
    {14, 0, "set/w01018/i13004"},
    {15, 0, "cmd/2012"},
};
#define NROWS (sizeof rows / sizeof *rows)
#define RTD(v) "DataTime=20160801085857;w01018-Rtd=" v ",w01018-Flag=N;w21003-Rtd=1.5,w21003-Flag=D"

static struct bed *start(struct inst *i, const char *more)
{
    struct bed *b = bed_new();
    bed_open(b, "");
    bed_set(b, rows, NROWS, more);
    if (i) inst_connect(b, i);
    return b;
}
static void stop(struct bed *b, struct inst *i)
{
    if (i) inst_close(b, i);
    bed_free(b);
}

TEST(real_time_data)
{
    struct inst i;
    struct bed *b = start(&i, "");
    UNTIL(b, b->count[1] && b->count[12]);
    CHECK_INT(b->last[1].flags & SAMPLE_REASON_MASK, REASON_NOT_CONNECTED);
    CHECK_INT(b->last[12].flags & SAMPLE_REASON_MASK, REASON_CONFIG_ERROR);
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("63.25")));
    UNTIL(b, i.acked == 1);
    CHECK_DBL(b->last[1].v.d, 63.25, 0);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    CHECK_INT(b->last[1].time_us, NOW0);
    CHECK_INT(b->last[1].flags, SAMPLE_FLAG_SOURCE_TIME);
    CHECK_DBL(b->last[2].v.d, 1.5, 0);
    CHECK_INT(b->last[2].quality, QUALITY_BAD);
    CHECK_INT(b->last[2].flags & SAMPLE_REASON_MASK, REASON_DEVICE_FAILURE);
    CHECK_INT(b->last[4].type, SAMPLE_STRING);
    CHECK_Z(b->texts[b->last[4].v.u], "N");
    CHECK_INT(bed_device(b, 0).state, DRIVER_UP);
    CHECK_INT(bed_device(b, 1).state, DRIVER_CONNECTING);
    CHECK_INT(bed_status(b).state, DRIVER_DEGRADED);
    CHECK_INT(bed_status(b).connections, 1);
    CHECK(b->frames >= 2 && b->bad_frames == 0);
    stop(b, &i);
}

TEST(acknowledged_only_when_on_disk)
{
    struct inst i;
    struct bed *b = start(&i, "");
    b->hold = true;
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, b->last[1].v.d == 1);
    STEPS(b, 5);
    CHECK_INT(i.acked, 0);
    b->kept = b->ticket;
    UNTIL(b, i.acked == 1);
    b->lose = true; /* dropped before it got there: it comes again */
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("2")));
    UNTIL(b, b->last[1].v.d == 2);
    STEPS(b, 5);
    CHECK_INT(i.acked, 1);
    stop(b, &i);
}

TEST(what_the_host_does_not_take_waits)
{
    struct inst i;
    struct bed *b = start(&i, "");
    UNTIL(b, b->count[12]);
    b->refuse = 4;
    for (int k = 0; k < 6; k++) {
        char cp[100];
        snprintf(cp, sizeof cp, "DataTime=201608010858%02d;w01018-Rtd=%d", 50 + k, k);
        CHECK(inst_upload(&i, MN1, "123456", 2011, cp));
    }
    UNTIL(b, i.acked == 6);
    CHECK_INT(b->refuse, 0);
    CHECK_DBL(b->last[1].v.d, 5, 0);
    int64_t before = 0;
    for (unsigned k = 0; k < b->nall; k++) { /* in order, none twice */
        if (b->all[k].point != 1 || b->all[k].quality == QUALITY_BAD) continue;
        CHECK(b->all[k].time_us > before);
        before = b->all[k].time_us;
    }
    stop(b, &i);
}

TEST(wrong_password_unknown_mn_wrong_crc)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "999999", 2011, RTD("1")));
    CHECK(inst_upload(&i, "FFFF", "123456", 2011, RTD("1")));
    UNTIL(b, bed_status(b).errors == 2);
    CHECK(strstr(bed_device(b, 0).reason, "password") != NULL);
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("2")));
    UNTIL(b, i.acked == 1);
    CHECK_Z(bed_device(b, 0).reason, "");
    uv_buf_t buf = uv_buf_init((char *)i.last, (unsigned)i.last_n);
    i.last[80] ^= 1;
    uv_try_write((uv_stream_t *)&i.tcp, &buf, 1);
    UNTIL(b, b->bad_frames == 1);
    STEPS(b, 3);
    CHECK_INT(i.acked, 1);
    CHECK_DBL(b->last[1].v.d, 2, 0);
    stop(b, &i);
}

TEST(lost_and_back)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    CHECK(inst_upload(&i, MN1, "123456", 2051, "DataTime=20160801084000;w01018-Avg=5,w01018-Flag=N"));
    UNTIL(b, i.acked == 2);
    CHECK_INT(b->last[3].flags & SAMPLE_FLAG_BACKFILL, SAMPLE_FLAG_BACKFILL); /* its ten minutes ended at 08:50 */
    inst_close(b, &i);
    UNTIL(b, b->last[1].quality == QUALITY_BAD);
    CHECK_INT(b->last[1].flags & SAMPLE_REASON_MASK, REASON_NOT_CONNECTED);
    CHECK_DBL(b->last[1].v.d, 1, 0);             /* with the last value, */
    CHECK_INT(b->last[1].time_us, NOW0 + 1000);  /* just behind it */
    CHECK_INT(b->last[3].quality, QUALITY_GOOD); /* a value of a period outlives it */
    CHECK_INT(bed_device(b, 0).state, DRIVER_DOWN);
    b->now_shift += 1000000;
    inst_connect(b, &i);
    CHECK(inst_upload(&i, MN1, "123456", 2011, "DataTime=20160801085858;w01018-Rtd=2,w01018-Flag=N"));
    UNTIL(b, i.acked == 1);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    CHECK_INT(bed_status(b).reconnects, 1);
    stop(b, &i);
}

TEST(a_second_connection_takes_over)
{
    struct inst i, k;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    inst_connect(b, &k); /* the first one is half open, nobody told us */
    CHECK(inst_upload(&k, MN1, "123456", 2011, RTD("2")));
    UNTIL(b, k.acked == 1);
    inst_close(b, &i);
    STEPS(b, 3);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    CHECK_INT(bed_device(b, 0).state, DRIVER_UP);
    bed_write(b, 6, 60, NULL);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK_INT(k.requests >= 1, 1);
    stop(b, &k);
}

TEST(a_chore_of_the_old_connection_ends_with_it)
{
    struct inst i, k;
    struct bed *b = bed_new();
    bed_open(b, "");
    bed_set(b, rows, NROWS, ",\"recall\":true");
    inst_connect(b, &i);
    i.exertn = 0; /* it never tells the result */
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.requests == 1);
    inst_connect(b, &k);
    CHECK(inst_upload(&k, MN1, "123456", 2011, RTD("2")));
    UNTIL(b, k.requests == 2); /* both recalls, on the new one */
    bed_write(b, 7, 1, NULL);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    inst_close(b, &i);
    stop(b, &k);
}

TEST(two_devices_with_one_mn)
{
    struct inst i;
    struct bed *b = bed_new();
    struct driver_device d[2];
    struct driver_device_status st[2];
    struct driver_point p[2] = {{.num = 1, .device = 0, .address = "w01018", .scale = 1, .lo = NAN, .hi = NAN},
                                {.num = 2, .device = 1, .address = "w01018", .scale = 1, .lo = NAN, .hi = NAN}};
    bed_open(b, "");
    for (uint32_t k = 0; k < 2; k++)
        d[k] = (struct driver_device){k + 1, k ? "D2" : "D1",
                                      bed_options(b, hj212_driver.device_options, "{\"mn\":\"" MN1 "\"}")};
    CHECK_INT(hj212_driver.channel_set(b->ch, d, 2, p, 2, NULL), 0);
    inst_connect(b, &i);
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    CHECK_INT(hj212_driver.devices(b->ch, st, 2), 2);
    CHECK_INT(st[0].state, DRIVER_UP);
    CHECK(strstr(st[1].reason, "also that of device D1") != NULL);
    stop(b, &i);
}

/* As many fields as fit, all alike, in one item: what is done with one must not grow with all of them. */
TEST(a_message_made_to_be_slow)
{
    struct inst i;
    struct bed *b = start(&i, "");
    struct buf cp;
    buf_init(&cp, 300000);
    buf_z(&cp, "DataTime=20160801085857;w01018-Rtd=1");
    while (cp.n < 9700) buf_z(&cp, ",w01018-Flag=N,w01018-Rtd=1");
    struct hj212_message m = {.qn = STR("20160801085857223"),
                              .pw = STR("123456"),
                              .mn = STR(MN1),
                              .st = 32,
                              .cn = 2011,
                              .flag = 7,
                              .pnum = 24};
    struct buf out;
    buf_init(&out, 1 << 20);
    for (m.pno = 1; m.pno <= m.pnum; m.pno++) m.cp = buf_view(&cp), hj212_message_put(&out, &m);
    uv_buf_t buf = uv_buf_init((char *)out.p, (unsigned)out.n);
    uv_write_t req;
    uint64_t from = uv_hrtime();
    CHECK_INT(uv_write(&req, (uv_stream_t *)&i.tcp, &buf, 1, NULL), 0);
    UNTIL(b, b->last[1].quality == QUALITY_GOOD);
    CHECK(uv_hrtime() - from < 2000000000u);
    buf_fini(&cp), buf_fini(&out);
    stop(b, &i);
}

TEST(stale)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    CHECK(inst_upload(&i, MN1, "123456", 2011, "DataTime=20160801085907;w01018-Rtd=2,w01018-Flag=N"));
    CHECK(inst_upload(&i, MN1, "123456", 2011, "DataTime=20160801085917;w01018-Rtd=2,w01018-Flag=N"));
    CHECK(inst_upload(&i, MN1, "123456", 2011, "DataTime=20160801085918;w01018-Rtd=2,w01018-Flag=N"));
    UNTIL(b, i.acked == 4); /* ten seconds apart, and one between */
    bed_later(b, 25000000);
    STEPS(b, 2);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    CHECK(inst_upload(&i, MN1, "123456", 2061, "DataTime=20160801080000;w01018-Cou=2")); /* it lives, but */
    UNTIL(b, i.acked == 5);
    bed_later(b, 6000000);
    UNTIL(b, b->last[1].quality == QUALITY_BAD);
    CHECK_INT(b->last[1].flags & SAMPLE_REASON_MASK, REASON_STALE);
    stop(b, &i);
}

TEST(writes)
{
    struct inst i;
    struct bed *b = start(&i, "");
    bed_write(b, 6, 60, NULL);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_FAILED); /* not connected: never sent */
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    i.data = "RtdInterval=60";
    bed_write(b, 6, 60, NULL);
    UNTIL(b, b->results == 2);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK(b->result.has_readback && b->result.readback.v.i == 60);
    CHECK_INT(i.cn, 1061);
    i.data = NULL;
    bed_write(b, 6, 0.5, NULL);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    bed_write(b, 1, 5, NULL);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    i.answer = 3;
    bed_write(b, 7, 1, NULL);
    UNTIL(b, b->results == 5);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    CHECK(strstr(b->result_text, "wrong password") != NULL);
    i.answer = 1, i.exertn = 5;
    bed_write(b, 7, 1, NULL);
    UNTIL(b, b->results == 6);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    CHECK_Z(i.cp, "PolId=w01018");
    i.exertn = 0;
    bed_write(b, 7, 1, NULL);
    UNTIL(b, b->results == 7);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    i.exertn = 1;
    bed_write(b, 14, 168.5, NULL);
    UNTIL(b, b->results == 8);
    CHECK_Z(i.cp, "PolId=w01018,InfoId=i13004,i13004-Info=168.5");
    bed_write(b, 15, 1, NULL); /* a notice */
    UNTIL(b, b->results == 9);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    bed_write(b, 8, 2, NULL);
    UNTIL(b, b->results == 10);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK_Z(i.cp, "BeginTime=20160801065857,EndTime=20160801085857");
    stop(b, &i);
}

TEST(a_write_on_its_way_when_the_connection_is_lost)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    i.exertn = 0;
    bed_write(b, 7, 1, NULL);
    UNTIL(b, i.requests == 1);
    inst_close(b, &i);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    stop(b, NULL);
}

TEST(a_new_password_is_used_at_once)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    bed_write(b, 10, 0, "654321");
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK_Z(i.cp, "NewPW=654321");
    CHECK(inst_upload(&i, MN1, "654321", 2011, RTD("2")));
    UNTIL(b, i.acked == 2);
    stop(b, &i);
}

TEST(chores_when_it_comes)
{
    struct inst i;
    struct bed *b = bed_new();
    bed_open(b, "");
    bed_set(b, rows, NROWS, ",\"recall\":true,\"set_clock\":true,\"rtd_interval\":\"30s\"");
    inst_connect(b, &i);
    b->now_shift += 300000000; /* its clock is five minutes behind */
    struct hj212_call c = {.to = {STR(MN1), STR("123456"), 32, HJ212_2017},
                           .cn = 2011,
                           .cp = STR(RTD("1")),
                           .timeout_ms = 60000,
                           .tries = 1,
                           .now_us = NOW0};
    CHECK(hj212_link_upload(&i.link, &c));
    UNTIL(b, i.requests == 4); /* clock, interval, minute data, hour data */
    CHECK(strstr(i.cp, "BeginTime=20160731090357,EndTime=20160801090357") != NULL);
    CHECK_INT(i.cn, 2061);
    UNTIL(b, b->last[5].quality == QUALITY_GOOD);
    CHECK_DBL(b->last[5].v.d, -300, 0.1);
    CHECK(strstr(bed_device(b, 0).reason, "clock") != NULL);
    stop(b, &i);
}

TEST(form_of_2005)
{
    struct inst i;
    struct bed *b = start(&i, "");
    struct buf out;
    buf_init(&out, 4096);
    hj212_frame_put(&out,
                    STR("ST=32;CN=2011;PW=123456;MN=" MN2 ";CP=&&DataTime=20160801085857;101-Rtd=1.1,101-Flag=N&&"));
    uv_buf_t buf = uv_buf_init((char *)out.p, (unsigned)out.n);
    uv_try_write((uv_stream_t *)&i.tcp, &buf, 1);
    UNTIL(b, b->last[11].quality == QUALITY_GOOD);
    CHECK_DBL(b->last[11].v.d, 1.1, 0);
    buf_fini(&out);
    stop(b, &i);
}

TEST(gbk_text)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(
        inst_upload(&i, MN1, "123456", 3020, "DataTime=20160801085857;PolId=w01018,i11001-Info=//\xc7\xe5\xcf\xb4//"));
    UNTIL(b, i.acked == 1);
    CHECK_INT(b->last[13].type, SAMPLE_STRING);
    CHECK_Z(b->texts[b->last[13].v.u], "清洗");
    stop(b, &i);
}

struct found {
    unsigned n, strangers, addresses;
    char value[48], unit[16];
    bool error;
};
static void on_browse(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                      const char *next)
{
    struct found *f = arg;
    *f = (struct found){.n = (unsigned)n, .error = e != NULL};
    for (size_t k = 0; k < n; k++) {
        f->strangers += str_starts(str_of(items[k].node), STR("mn:"));
        f->addresses += items[k].address != NULL;
        if (items[k].value && strcmp(items[k].name, "w01018-Rtd") == 0)
            str_to_cstr(str_of(items[k].value), f->value, sizeof f->value);
        if (items[k].unit) str_to_cstr(str_of(items[k].unit), f->unit, sizeof f->unit);
    }
}
static void on_reading(void *arg, const struct driver_reading *r, size_t n)
{
    struct sample *s = arg;
    CHECK_INT(n, 2);
    s[0] = r[0].sample, s[1] = r[1].sample;
    CHECK(r[1].error != NULL);
}

TEST(browse_and_read)
{
    struct inst i;
    struct found f;
    struct sample s[2];
    struct bed *b = start(&i, "");
    struct driver_device d = {1, "D1", bed_options(b, hj212_driver.device_options, "{\"mn\":\"" MN1 "\"}")};
    CHECK(inst_upload(&i, "FFFF", "1", 2011, RTD("9")));
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("63.25")));
    UNTIL(b, i.acked == 1);
    hj212_driver.browse(b->ch, &d, "", NULL, 100, on_browse, &f);
    CHECK_INT(f.strangers, 1);
    CHECK_INT(f.n, 8); /* 2011, six of ours, one stranger */
    hj212_driver.browse(b->ch, &d, "2011", NULL, 100, on_browse, &f);
    CHECK_INT(f.n, 4);
    CHECK_INT(f.addresses, 4);
    CHECK_Z(f.value, "63.25");
    CHECK_Z(f.unit, "mg/L");
    hj212_driver.browse(b->ch, &d, "2011", "3", 100, on_browse, &f);
    CHECK_INT(f.n, 1);
    hj212_driver.browse(b->ch, &d, "mn:FFFF", NULL, 100, on_browse, &f);
    CHECK_INT(f.n, 4);
    CHECK_INT(f.addresses, 0);
    hj212_driver.browse(b->ch, &d, "mn:0", NULL, 100, on_browse, &f);
    CHECK(f.error);
    struct driver_point p[2] = {{.num = 1, .address = "w01018", .scale = 2, .lo = NAN, .hi = NAN},
                                {.num = 2, .address = "2051/w01018", .scale = 1, .lo = NAN, .hi = NAN}};
    hj212_driver.read(b->ch, &d, p, 2, on_reading, s);
    CHECK_DBL(s[0].v.d, 126.5, 0);
    CHECK_INT(s[0].quality, QUALITY_GOOD);
    CHECK_INT(s[1].flags & SAMPLE_REASON_MASK, REASON_NO_DATA);
    stop(b, &i);
}

TEST(addresses)
{
    static const struct {
        const char *in, *out;
        enum value_type type;
        bool writable;
    } good[] = {
        {"w01018", "2011/w01018-Rtd", VALUE_DOUBLE, false},
        {" 2011/w01018-Rtd ", "2011/w01018-Rtd", VALUE_DOUBLE, false},
        {"RT!w01018-Flag", "2011/w01018-Flag", VALUE_STRING, false},
        {"MIN!a21026-ZsAvg", "2051/a21026-ZsAvg", VALUE_DOUBLE, false},
        {"HOUR!w00000-Cou", "2061/w00000-Cou", VALUE_DOUBLE, false},
        {"2031/w01018", "2031/w01018-Avg", VALUE_DOUBLE, false},
        {"2021/SB1-RS", "2021/SB1-RS", VALUE_DOUBLE, false},
        {"zz9999-Rtd", "2011/zz9999-Rtd", VALUE_DOUBLE, false},
        {"clock", "clock", VALUE_DOUBLE, false},
        {"set/RtdInterval", "set/RtdInterval", VALUE_INT32, true},
        {"set/w01018/i13004", "set/w01018/i13004", VALUE_DOUBLE, true},
        {"cmd/3011/w01018", "cmd/3011/w01018", VALUE_BOOL, true},
        {"recall/2061", "recall/2061", VALUE_DOUBLE, true},
    };
    static const char *const wrong[] = {"",        "w01018/x/y",   "x",           "99/w01018-Rtd", "set/",
                                        "set/Nix", "cmd/9014",     "cmd/",        "recall/2011",   "2011/w01018 Rtd",
                                        "2011/",   "w01018;x-Rtd", "cmd/3011/a b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct driver_point p = {.address = good[i].in};
        struct driver_address a;
        struct error e;
        if (hj212_driver.address_check(&p, NULL, &a, &e)) test_fail(__FILE__, __LINE__, "%s: %s", good[i].in, e.text);
        CHECK_Z(a.canonical, good[i].out);
        CHECK_INT(a.type, good[i].type);
        CHECK_INT(a.writable, good[i].writable);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct driver_point p = {.address = wrong[i]};
        if (hj212_driver.address_check(&p, NULL, NULL, NULL) == 0)
            test_fail(__FILE__, __LINE__, "'%s' passes", wrong[i]);
    }
}

TEST(a_change_of_the_set_keeps_the_connection)
{
    struct inst i;
    struct bed *b = start(&i, "");
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    unsigned before = b->count[1];
    bed_set(b, rows, 6, "");
    STEPS(b, 3);
    CHECK_INT(b->count[1], before);
    CHECK_INT(bed_device(b, 0).state, DRIVER_UP);
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("2")));
    UNTIL(b, i.acked == 2);
    CHECK_DBL(b->last[1].v.d, 2, 0);
    stop(b, &i);
}

TEST(limits)
{
    struct inst i, k;
    struct bed *b = bed_new();
    bed_open(b, ",\"max_connections\":1,\"idle_timeout\":\"1s\"");
    bed_set(b, rows, NROWS, "");
    inst_connect(b, &i);
    inst_connect(b, &k);
    UNTIL(b, k.closed);
    static char rubbish[40000];
    memset(rubbish, 'x', sizeof rubbish);
    for (int n = 0; n < 100 && !i.closed; n++) { /* rubbish that does not end */
        uv_buf_t buf = uv_buf_init(rubbish, sizeof rubbish);
        uv_try_write((uv_stream_t *)&i.tcp, &buf, 1);
        STEPS(b, 2);
    }
    UNTIL(b, i.closed);
    inst_close(b, &i), inst_close(b, &k);
    inst_connect(b, &i);
    STEPS(b, 2);
    bed_later(b, 2000000);
    UNTIL(b, i.closed); /* idle */
    stop(b, &i);
}

TEST(strangers_make_room)
{
    struct inst i, k, l;
    struct bed *b = bed_new();
    bed_open(b, ",\"max_connections\":1");
    bed_set(b, rows, NROWS, "");
    inst_connect(b, &i);
    inst_connect(b, &k);
    UNTIL(b, k.closed); /* the first has only just come */
    CHECK(!i.closed);
    bed_later(b, 3000000);
    inst_connect(b, &l);
    UNTIL(b, i.closed);
    STEPS(b, 2);
    CHECK(!l.closed);
    inst_close(b, &i), inst_close(b, &k);
    stop(b, &l);
}

TEST(port_in_use)
{
    struct bed *a = start(NULL, ""), *b = bed_new();
    b->port = a->port;
    bed_open(b, "");
    bed_set(b, rows, 1, "");
    CHECK_INT(bed_status(b).state, DRIVER_DOWN);
    CHECK(strstr(bed_status(b).reason, "cannot listen") != NULL);
    bed_free(a);
    STEPS(b, 1);
    bed_later(b, 3000000);
    UNTIL(b, bed_status(b).state == DRIVER_CONNECTING);
    bed_free(b);
}

TEST(out_of_memory_keeps_the_old_set)
{
    struct inst i;
    struct bed *b = start(&i, "");
    for (uint64_t n = 1; n < 4; n++) {
        struct driver_point p = {.num = 1, .address = "w01018", .scale = 1, .lo = NAN, .hi = NAN};
        struct driver_device d = {1, "D1", bed_options(b, hj212_driver.device_options, "{\"mn\":\"" MN1 "\"}")};
        struct error e;
        mem_fail_at(n, false);
        CHECK_INT(hj212_driver.channel_set(b->ch, &d, 1, &p, 1, &e), ERR_NOMEM);
        mem_fail_at(0, false);
    }
    CHECK(inst_upload(&i, MN1, "123456", 2011, RTD("1")));
    UNTIL(b, i.acked == 1);
    stop(b, &i);
}
