/* The instrument on the wire: real-time data, periods and their acknowledgement, losses, what the platform asks. */
#include "outlets/hj212/platformbed.h"

static void row(struct obed *b, uint32_t slot, double x, int64_t us, enum quality q, enum quality_reason why)
{
    struct sample s = {
        .time_us = us, .point = b->points[slot].num, .type = SAMPLE_DOUBLE, .v.d = x, .quality = q, .flags = why};
    obed_row(b, slot, &s);
}

/* flow, chemical oxygen demand, sulfur dioxide and its converted value, a running state */
static struct obed *outfall(struct platform **ret, const char *more)
{
    struct obed *b = obed_new(&hj212_sender_outlet);
    *ret = p_new(b);
    b->now_us = T0;
    instrument(*ret, b, more);
    obed_point(b, "cod", "w01018", VALUE_AUTO);
    obed_point(b, "flow", "w00000", VALUE_AUTO);
    obed_point(b, "so2", "a21026-Rtd", VALUE_AUTO);
    obed_point(b, "so2z", "a21026-ZsRtd", VALUE_AUTO);
    obed_point(b, "pump", "SB1-RS", VALUE_BOOL);
    return b;
}

static void done(struct platform *p, struct obed *b)
{
    p_free(p);
    obed_free(b);
}

TEST(real_time_data)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    obed_value(b, 0, 63.0);
    obed_value(b, 1, 2.5);
    obed_sample(
        b, 2,
        (struct sample){.type = SAMPLE_DOUBLE, .v.d = 1.23456, .quality = QUALITY_BAD, .flags = REASON_SENSOR_FAILURE});
    obed_value(b, 3, 2);
    obed_sample(b, 4, (struct sample){.type = SAMPLE_BOOL, .v.i = 1});
    obed_set(b);
    UNTIL(b, p_find(p, 2011, 0) && p_find(p, 2021, 0));
    const struct kept *k = p_find(p, 2011, 0);
    CHECK_Z(k->cp, "DataTime=20231115061320;w00000-Rtd=2.5,w00000-Flag=N;a21026-Rtd=1.235,a21026-ZsRtd=2,a21026-Flag=D;"
                   "w01018-Rtd=63,w01018-Flag=N");
    CHECK_INT(k->flag, HJ212_2017 | HJ212_FLAG_ANSWER);
    CHECK_Z(k->mn, "MN0123456789");
    CHECK_Z(k->pw, "secret");
    CHECK_Z(p_find(p, 2021, 0)->cp, "DataTime=20231115061320;SB1-RS=1");
    UNTIL(b, obed_status(b).items == 5);
    CHECK_INT(obed_status(b).state, DRIVER_UP);
    at(b, T0 + 9 * S_US);
    bed_step(b);
    CHECK_INT(p_count(p, 2011), 1);
    at(b, T0 + 10 * S_US); /* 06:13:30: at whole intervals */
    UNTIL(b, p_count(p, 2011) == 2);
    struct outlet_peer peer;
    CHECK_INT(hj212_sender_outlet.peers(b->ch, &peer, 1), 1);
    CHECK_Z(peer.who, "MN0123456789");
    CHECK_INT(peer.subscriptions, 5);
    done(p, b);
}

static void fill(struct obed *b, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t += 60 * S_US) {
        row(b, 0, 50, t, QUALITY_GOOD, 0);
        row(b, 1, 2, t, QUALITY_GOOD, 0);
        row(b, 2, 10, t, QUALITY_GOOD, 0);
        row(b, 3, 20, t, QUALITY_GOOD, 0);
        row(b, 4, 1, t, QUALITY_GOOD, 0);
    }
}

TEST(periods_at_their_end)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    int64_t ten = T0 + 400 * S_US; /* 06:20:00 */
    fill(b, T0 - 200 * S_US, T0 + 7200 * S_US);
    row(b, 0, 90, ten - 60 * S_US + 1, QUALITY_GOOD, 0);
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0); /* the ones before: nothing is there */
    CHECK_INT(p_count(p, 2051), 0);
    at(b, ten);
    bed_step(b);
    CHECK_INT(p_count(p, 2051), 0); /* it settles */
    at(b, ten + 10000);
    UNTIL(b, p_find(p, 2051, 0));
    CHECK_Z(p_find(p, 2051, 0)->cp,
            "DataTime=20231115061000;"
            "w00000-Cou=1.2,w00000-Min=2,w00000-Avg=2,w00000-Max=2,w00000-Flag=N;"
            "a21026-Min=10,a21026-Avg=10,a21026-Max=10,a21026-ZsMin=20,a21026-ZsAvg=20,a21026-ZsMax=20,a21026-Flag=N;"
            "w01018-Cou=0.062,w01018-Min=50,w01018-Avg=52,w01018-Max=90,w01018-Flag=N");
    UNTIL(b, owed(b) == 0);
    at(b, T0 + 2800 * S_US + 20000); /* 07:00 */
    UNTIL(b, p_find(p, 2061, 0) && p_count(p, 2051) == 5);
    CHECK(strstr(p_find(p, 2061, 0)->cp, "DataTime=20231115060000;w00000-Cou=6,") != NULL); /* 50 minutes have data */
    CHECK_INT(p->got[p->n - 1].flag & HJ212_FLAG_ANSWER, 1);
    UNTIL(b, owed(b) == 0);
    done(p, b);
}

TEST(days_and_running_times)
{
    struct platform *p;
    struct obed *b = outfall(&p, ",\"minute\":false,\"hour\":false");
    int64_t day = T0 - (6 * 3600 + 13 * 60 + 20) * S_US; /* midnight in Beijing */
    for (int h = 0; h < 24; h++) {
        row(b, 1, 2, day + h * 3600 * S_US, QUALITY_GOOD, 0);
        row(b, 0, h < 12 ? 40 : 60, day + h * 3600 * S_US, QUALITY_GOOD, 0);
        row(b, 4, h < 6, day + h * 3600 * S_US, QUALITY_GOOD, 0);
    }
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0);
    at(b, day + 86400 * S_US + 10000);
    UNTIL(b, p_find(p, 2031, 0) && p_find(p, 2041, 0));
    const char *cp = p_find(p, 2031, 0)->cp;
    CHECK(strstr(cp, "DataTime=20231115000000;w00000-Cou=172.8,w00000-Min=2,"));
    CHECK(strstr(cp, "w01018-Cou=8.64,w01018-Min=40,w01018-Avg=50,w01018-Max=60,w01018-Flag=N"));
    CHECK(strstr(cp, ";a21026-Flag=B;")); /* nothing was measured */
    CHECK_Z(p_find(p, 2041, 0)->cp, "DataTime=20231115000000;SB1-RT=6");
    done(p, b);
}

TEST(flags_of_periods)
{
    static const struct {
        unsigned good, bad;
        enum quality_reason why;
        const char *want;
    } v[] = {{8, 2, REASON_SENSOR_FAILURE, "w01018-Flag=N"},   {5, 5, REASON_SENSOR_FAILURE, "w01018-Flag=D"},
             {5, 5, REASON_OUT_OF_SERVICE, "w01018-Flag=F"},   {2, 8, REASON_COMM_FAILURE, "w01018-Flag=B"},
             {0, 10, REASON_DEVICE_FAILURE, ";w01018-Flag=D"}, {0, 0, REASON_NONE, ";w01018-Flag=B"}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct platform *p;
        struct obed *b = outfall(&p, "");
        b->npoints = 1;
        int64_t from = T0 - 200 * S_US; /* 06:10 */
        for (unsigned k = 0; k < v[i].good + v[i].bad; k++)
            row(b, 0, 1, from + k * 60 * S_US, k < v[i].good ? QUALITY_GOOD : QUALITY_BAD,
                k < v[i].good ? 0 : v[i].why);
        obed_set(b);
        UNTIL(b, p->opened && owed(b) == 0);
        at(b, from + 600 * S_US + 10000);
        UNTIL(b, p_find(p, 2051, 0));
        if (!strstr(p_find(p, 2051, 0)->cp, v[i].want)) test_fail(__FILE__, __LINE__, "%s", p_find(p, 2051, 0)->cp);
        done(p, b);
    }
}

TEST(weighted_by_flow)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    int64_t from = T0 - 200 * S_US;
    b->points[0].options = bed_options(b, hj212_sender_outlet.point_options, "{\"average\":\"flow\",\"decimals\":1}");
    for (int k = 0; k < 10; k++) {
        row(b, 0, k < 5 ? 10 : 40, from + k * 60 * S_US, QUALITY_GOOD, 0);
        row(b, 1, k < 5 ? 4 : 1, from + k * 60 * S_US, QUALITY_GOOD, 0);
    }
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0);
    at(b, from + 600 * S_US + 10000);
    UNTIL(b, p_find(p, 2051, 0));
    CHECK(strstr(p_find(p, 2051, 0)->cp, "w01018-Min=10.0,w01018-Avg=16.0,w01018-Max=40.0")); /* over time: 25 */
    done(p, b);
}

TEST(what_is_not_acknowledged_is_sent_again)
{
    struct platform *p;
    struct obed *b = outfall(&p, ",\"timeout\":\"50ms\",\"retries\":1,\"hour\":false,\"day\":false");
    int64_t from = T0 - 200 * S_US;
    fill(b, from, T0 + 7200 * S_US);
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0);
    p->mute = true;
    at(b, from + 600 * S_US + 10000);
    UNTIL(b, p_count(p, 2051) == 2); /* and its repeat, with the same QN */
    CHECK_Z(p_find(p, 2051, 0)->qn, p_find(p, 2051, 1)->qn);
    CHECK_INT(owed(b), 1);
    UNTIL(b, p->lost == 1); /* nothing came at all: it is left, and connected anew */
    UNTIL(b, p->connections >= 2);
    p_drop(p);
    tls_listener_close(TAKE(p->l), NULL, NULL);
    UNTIL(b, obed_status(b).state == DRIVER_DOWN);
    for (int k = 2; k <= 4; k++) at(b, from + k * 600 * S_US + 10000);
    CHECK_INT(owed(b), 4);
    unsigned port = ((struct hs_channel *)b->ch)->cfg.port;
    p->mute = false;
    p->n = 0;
    bed_step(b);
    p_listen(p, port);
    UNTIL(b, owed(b) == 0);
    CHECK_INT(p_count(p, 2051), 4);
    CHECK(strstr(p_find(p, 2051, 0)->cp, "DataTime=20231115064000")); /* the newest first */
    CHECK(strstr(p_find(p, 2051, 3)->cp, "DataTime=20231115061000"));
    done(p, b);
}

TEST(a_platform_that_never_acknowledges)
{
    struct platform *p;
    struct obed *b = outfall(&p, ",\"answer\":false,\"hour\":false,\"day\":false");
    int64_t from = T0 - 200 * S_US;
    fill(b, from - 600 * S_US, T0 + 7200 * S_US);
    obed_set(b);
    UNTIL(b, p_count(p, 2051) == 1); /* the period before the start is told once more */
    CHECK(strstr(p_find(p, 2051, 0)->cp, "DataTime=20231115060000"));
    CHECK_INT(p_find(p, 2051, 0)->flag, HJ212_2017);
    at(b, from + 600 * S_US + 10000);
    UNTIL(b, p_count(p, 2051) == 2);
    CHECK_INT(owed(b), 0);
    CHECK(obed_status(b).items > 0);
    done(p, b);
}

TEST(what_the_platform_asks)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    obed_value(b, 0, 5);
    obed_set(b);
    UNTIL(b, p->opened && p_count(p, 2011) == 1);
    p_ask(p, 1011, "");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    CHECK_Z(p_find(p, 1011, 0)->cp, "SystemTime=20231115061320");
    p_ask(p, 1012, "SystemTime=20231115061320");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    p_ask(p, 1012, "SystemTime=20231115061300");
    CHECK_INT(p->ended.end, HJ212_END_REFUSED);
    CHECK_INT(p->ended.code, 2);
    UNTIL(b, b->state == DRIVER_DEGRADED);
    CHECK(strstr(obed_status(b).reason, "20 s behind") && strstr(obed_status(b).reason_zh, "20 秒（慢）"));
    p_ask(p, 1012, "SystemTime=20231115061319");
    UNTIL(b, b->state == DRIVER_UP);
    p_ask(p, 1061, "");
    CHECK_Z(p_find(p, 1061, 0)->cp, "RtdInterval=30");
    p_ask(p, 1062, "RtdInterval=5");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    at(b, T0 + 5 * S_US);
    UNTIL(b, p_count(p, 2011) >= 2);
    p_ask(p, 1062, "RtdInterval=0");
    CHECK_INT(p->ended.code, 3);
    p_ask(p, 1064, "MinInterval=7"); /* a day holds no whole number of them */
    CHECK_INT(p->ended.code, 3);
    p_ask(p, 1064, "MinInterval=5");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    p_ask(p, 1063, "");
    CHECK_Z(p_find(p, 1063, 0)->cp, "MinInterval=5");
    p_ask(p, 1000, "OverTime=7;ReCount=2");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    CHECK_INT(((struct hs_channel *)b->ch)->cfg.timeout_ms, 7000);
    p_ask(p, 3011, "PolId=w01018"); /* known, but not here */
    CHECK_INT(p->ended.end, HJ212_END_REFUSED);
    CHECK_INT(p->ended.code, 2);
    p_ask(p, 8888, "");
    CHECK_INT(p->ended.code, 8);
    p_ask(p, 2012, "");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    unsigned before = p_count(p, 2011);
    at(b, T0 + 60 * S_US);
    bed_step(b);
    CHECK_INT(p_count(p, 2011), before); /* stopped */
    p_ask(p, 2011, "");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    CHECK_INT(p_count(p, 2011), before + 1);
    at(b, T0 + 65 * S_US);
    UNTIL(b, p_count(p, 2011) == before + 2); /* and going again */
    done(p, b);
}

static bool settings_hold(struct obed *b)
{
    const struct hs_channel *ch = (struct hs_channel *)b->ch;
    return ch->cfg.rtd_us == 5 * S_US && ch->series[HS_MINUTE].period_us == 300 * S_US && ch->cfg.timeout_ms == 7000 &&
           ch->cfg.tries == 3 && strcmp(ch->cfg.pw, "secret2") == 0 && !ch->reports;
}

TEST(what_the_platform_sets_holds_over_a_restart)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    obed_value(b, 0, 5);
    obed_set(b);
    UNTIL(b, p->opened && p_count(p, 2011) == 1);
    p_ask(p, 1062, "RtdInterval=5");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    p_ask(p, 1064, "MinInterval=5");
    p_ask(p, 1000, "OverTime=7;ReCount=2");
    b->keep_error = ERR_DISK_FULL; /* not stored: not done, and it does not hold */
    p_ask(p, 1062, "RtdInterval=9");
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 6);
    p_ask(p, 1061, "");
    CHECK_Z(p_find(p, 1061, 0)->cp, "RtdInterval=5");
    b->keep_error = 0;
    p_ask(p, 1072, "NewPW=bad;word");
    CHECK_INT(p->ended.end, HJ212_END_DONE); /* "bad": a separator ends it */
    p_ask(p, 1061, "");
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 3); /* the old password */
    p->pw = "bad";
    p_ask(p, 1072, "NewPW=secret2");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    p->pw = "secret2";
    p_ask(p, 2012, "");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    CHECK(settings_hold(b));
    obed_close(b);
    p_drop(p);
    instrument(p, b, "");
    CHECK(settings_hold(b));
    obed_set(b);
    UNTIL(b, p->opened);
    p_ask(p, 2011, "");
    CHECK(((struct hs_channel *)b->ch)->reports && obed_get_kept(b, "reporting") == NULL);
    obed_close(b);
    p_drop(p);
    instrument(p, b, ",\"rtd_interval\":\"20s\""); /* a user has set it anew: only that one */
    CHECK_INT(((struct hs_channel *)b->ch)->cfg.rtd_us, 20 * S_US);
    CHECK_INT(((struct hs_channel *)b->ch)->cfg.timeout_ms, 7000);
    CHECK(obed_get_kept(b, "rtd") == NULL && obed_get_kept(b, "minutes"));
    p->pw = "secret";
    done(p, b);
}

TEST(what_the_platform_commands)
{
    static const struct {
        const char *address;
        enum value_type t;
        bool fixed;
    } points[] = {{"cmd/3011/w01018", VALUE_BOOL, false},     {"cmd/3011", VALUE_STRING, false},
                  {"cmd/3016/w01018", VALUE_DOUBLE, false},   {"set/w01018/i13004", VALUE_DOUBLE, false},
                  {"set/w01018/i13005", VALUE_STRING, false}, {"3018/w01018", VALUE_DOUBLE, true},
                  {"3019/w01018", VALUE_STRING, true},        {"cmd/3012/w01018", VALUE_BOOL, true}};
    struct platform *p;
    struct obed *b = obed_new(&hj212_sender_outlet);
    p = p_new(b);
    instrument(p, b, "");
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        b->points[obed_point(b, points[i].address, points[i].address, points[i].t)].writable = !points[i].fixed;
    obed_set(b); /* commands alone are enough to connect */
    b->write_outcome = DRIVER_DONE;
    UNTIL(b, p->opened);
    p_ask(p, 3011, "PolId=w01018");
    CHECK(p->ended.end == HJ212_END_DONE && b->writes == 1 && b->write.slot == 0 && b->write.value.v.d == 1);
    CHECK(strncmp(b->write.peer, "127.0.0.1:", 10) == 0);
    p_ask(p, 3011, "PolId=w21003,x=1;y=2");
    CHECK(p->ended.end == HJ212_END_DONE && b->write.slot == 1);
    CHECK_Z(b->write.text, "x=1,y=2");
    p_ask(p, 3016, "PolId=w01018,CstartTime=000000,Ctime=2");
    CHECK(p->ended.end == HJ212_END_DONE && b->write.slot == 2 && b->write.value.v.d == 2);
    p_ask(p, 3016, "PolId=w01018,CstartTime=000000");
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 3);
    p_ask(p, 3021, "PolId=w01018,InfoId=i13004,i13004-Info=168.5");
    CHECK(p->ended.end == HJ212_END_DONE && b->write.slot == 3 && b->write.value.v.d == 168.5);
    p_ask(p, 3021, "PolId=w01018,InfoId=i13005,i13005-Info=//a,b//");
    CHECK(p->ended.end == HJ212_END_DONE && b->write.slot == 4);
    CHECK_Z(b->write.text, "a,b");
    unsigned before = b->writes;
    p_ask(p, 3012, "PolId=w01018"); /* its point may not be written */
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 2);
    p_ask(p, 3013, "PolId=w01018"); /* no point */
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 2);
    CHECK_INT(b->writes, before);
    b->write_outcome = DRIVER_UNKNOWN;
    p_ask(p, 3011, "PolId=w01018");
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 4);
    p_ask(p, 3018, "PolId=w01018"); /* no value yet */
    CHECK(p->ended.end == HJ212_END_REFUSED && p->ended.code == 100);
    obed_value(b, 2, 4);
    obed_value(b, 3, 10.25);
    obed_value(b, 5, 30);
    obed_text(b, 6, "SN-0815");
    p_ask(p, 3017, "PolId=w01018");
    CHECK_Z(p_find(p, 3017, 0)->cp, "PolId=w01018,CstartTime=000000,Ctime=4");
    p_ask(p, 3018, "PolId=w01018");
    CHECK_Z(p_find(p, 3018, 0)->cp, "PolId=w01018,Stime=30");
    p_ask(p, 3019, "PolId=w01018");
    CHECK_Z(p_find(p, 3019, 0)->cp, "PolId=w01018,w01018-SN=SN-0815");
    p_ask(p, 3020, "PolId=w01018,InfoId=i13004");
    CHECK(strstr(p_find(p, 3020, 0)->cp, ";PolId=w01018,i13004-Info=10.25"));
    CHECK_INT(p_count(p, 2011), 0); /* nothing of it is reported */
    done(p, b);
}

TEST(addresses_of_commands)
{
    static const char *const good[][2] = {{"cmd/3011", "cmd/3011"},
                                          {"cmd/3014/a21026", "cmd/3014/a21026"},
                                          {"set/w01018/i1", "set/w01018/i1"},
                                          {"3019/w01018", "3019/w01018"}};
    static const char *const wrong[] = {"cmd/",         "cmd/3018",    "cmd/3021/w01018", "cmd/3011/",
                                        "cmd/3011/a b", "set/w01018",  "set//i1",         "set/w/",
                                        "3018/",        "3017/w01018", "cmd/99999999999"};
    struct error e;
    struct outlet_address a;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct outlet_point p = {.num = 1, .address = good[i][0], .type = VALUE_STRING};
        CHECK_INT(hs_point_resolve(&p, NULL, &a, &e), 0);
        CHECK_Z(a.canonical, good[i][1]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct outlet_point p = {.num = 1, .address = wrong[i]};
        CHECK_INT(hs_point_resolve(&p, NULL, &a, &e), ERR_INVALID);
    }
}

TEST(the_time_is_asked_for)
{
    struct platform *p;
    struct obed *b = outfall(&p, ",\"time_request\":true");
    obed_set(b);
    UNTIL(b, p_find(p, 1013, 0));
    CHECK_Z(p_find(p, 1013, 0)->cp, "");
    UNTIL(b, ((struct hs_channel *)b->ch)->link.nopen == 0); /* answered */
    at(b, T0 + 3600 * S_US);
    bed_step(b);
    CHECK_INT(p_count(p, 1013), 1);
    at(b, T0 + 86401 * S_US); /* a day later */
    UNTIL(b, p_count(p, 1013) == 2);
    done(p, b);
}

TEST(strangers_are_refused)
{
    static const struct {
        struct str mn, pw;
        int code;
    } v[] = {{STR("MN0123456789"), STR("wrong"), 3}, {STR("MN9"), STR("secret"), 4}};
    struct platform *p;
    struct obed *b = outfall(&p, "");
    obed_set(b);
    UNTIL(b, p->opened);
    for (int i = 0; i < 2; i++) {
        struct hj212_call c = {.to = {v[i].mn, v[i].pw, 32, HJ212_2017},
                               .cn = 1011,
                               .timeout_ms = 3000,
                               .tries = 1,
                               .now_ns = uv_hrtime(),
                               .now_us = T0 + i * S_US};
        unsigned before = p->nended;
        hj212_link_request(&p->link, &c);
        UNTIL(b, p->nended > before);
        CHECK_INT(p->ended.end, HJ212_END_REFUSED);
        CHECK_INT(p->ended.code, v[i].code);
    }
    CHECK_INT(p_count(p, 1011), 0);
    done(p, b);
}

TEST(data_of_the_past)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    int64_t six = T0 - 800 * S_US; /* 06:00 */
    fill(b, six - 7200 * S_US, six);
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0);
    p->n = 0;
    p_ask(p, 2051, "BeginTime=20231115040000,EndTime=20231115055959");
    CHECK_INT(p->ended.end, HJ212_END_DONE);
    CHECK_INT(p_count(p, 2051), 12);
    CHECK(strstr(p_find(p, 2051, 0)->cp, "DataTime=20231115040000;w00000-Cou=1.2,"));
    CHECK(strstr(p_find(p, 2051, 11)->cp, "DataTime=20231115055000"));
    CHECK_Z(p_find(p, 2051, 0)->qn, p_find(p, 2051, 11)->qn); /* that of the request */
    CHECK(p_find(p, 2051, 0)->token > 0);
    p->n = 0;
    p_ask(p, 2051, "BeginTime=20231115035900,EndTime=20231115070000"); /* empty ones are left out */
    CHECK_INT(p_count(p, 2051), 12);
    p_ask(p, 2061, "BeginTime=20231115000000,EndTime=20231115235959");
    CHECK_INT(p_count(p, 2061), 2);
    p_ask(p, 2011, "BeginTime=20231115050000,EndTime=20231115050500");
    CHECK_INT(p_count(p, 2011), 6);
    CHECK(strstr(p_find(p, 2011, 1)->cp, "DataTime=20231115050100;w00000-Rtd=2,w00000-Flag=N;"));
    p_ask(p, 2051, "BeginTime=20230101000000,EndTime=20230101010000");
    CHECK_INT(p->ended.code, 100);
    p_ask(p, 2051, "BeginTime=20230101000000");
    CHECK_INT(p->ended.code, 3);
    p_ask(p, 2051, "BeginTime=20200101000000,EndTime=20231115000000"); /* too much at once */
    CHECK_INT(p->ended.code, 3);
    p_ask(p, 2041, "BeginTime=20231114000000,EndTime=20231115235959");
    CHECK_INT(p->ended.code, 100); /* the day is not over */
    b->history_error = ERR_UNAVAILABLE;
    p_ask(p, 2061, "BeginTime=20231115000000,EndTime=20231115235959");
    CHECK_INT(p->ended.code, 6);
    done(p, b);
}

TEST(long_data_go_in_parts)
{
    struct obed *b = obed_new(&hj212_sender_outlet);
    struct platform *p = p_new(b);
    instrument(p, b, "");
    for (unsigned i = 0; i < 60; i++) {
        char code[24];
        snprintf(code, sizeof code, "w2%04u", i + 100);
        obed_point(b, code, code, VALUE_AUTO);
        obed_value(b, i, 100.125 + i);
    }
    obed_set(b);
    UNTIL(b, p_find(p, 2011, 0));
    CHECK(p->parts >= 2);
    CHECK(p->longest <= 1024 + 12);
    unsigned n = 0;
    for (const char *s = p_find(p, 2011, 0)->cp; (s = strstr(s, "-Rtd=")); s++) n++;
    CHECK_INT(n, 60);
    UNTIL(b, obed_status(b).items == 60);
    done(p, b);
}

TEST(version_2005_and_the_start)
{
    struct obed *b = obed_new(&hj212_sender_outlet);
    struct platform *p = p_new(b);
    char json[300];
    b->now_us = T0;
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"mn\":\"12345678901234\",\"version\":\"2005\",\"st\":31}",
             tls_listener_port(p->l));
    obed_open(b, json);
    obed_point(b, "so2", "02", VALUE_AUTO);
    obed_value(b, 0, 7);
    obed_set(b);
    UNTIL(b, p_find(p, 2011, 0) && p_find(p, 2081, 0));
    CHECK_INT(p_find(p, 2011, 0)->flag, HJ212_FLAG_ANSWER);
    CHECK_Z(p_find(p, 2011, 0)->cp, "DataTime=20231115061320;02-Rtd=7,02-Flag=N");
    CHECK_Z(p_find(p, 2081, 0)->cp, "DataTime=20231115061320;RestartTime=20231115061320");
    CHECK_Z(p_find(p, 2011, 0)->pw, "123456");
    UNTIL(b, obed_status(b).items == 1);
    p_drop(p); /* the start is told once */
    UNTIL(b, p->connections == 2 && p_count(p, 2011) == 2);
    CHECK_INT(p_count(p, 2081), 1);
    done(p, b);
}

TEST(sets_and_tests)
{
    struct platform *p;
    struct obed *b = outfall(&p, "");
    obed_test(b); /* without points it connects for the test alone */
    CHECK_INT(b->test_code, 0);
    CHECK(strstr(b->test_detail, "connected to 127.0.0.1"));
    UNTIL(b, p->lost == 1);
    obed_point(b, "again", "w01018", VALUE_AUTO); /* clashes */
    obed_set(b);
    UNTIL(b, b->state == DRIVER_DEGRADED);
    CHECK(strstr(obed_status(b).reason, "cod and again have the same address"));
    b->npoints = 0;
    obed_set(b);
    UNTIL(b, obed_status(b).state == DRIVER_OFF);
    p_drop(p);
    tls_listener_close(TAKE(p->l), NULL, NULL);
    bed_step(b);
    obed_test(b);
    CHECK_INT(b->test_code, ERR_UNAVAILABLE);
    done(p, b);
}

TEST(a_set_that_changes_while_history_answers)
{
    struct platform *p;
    struct obed *b = outfall(&p, ",\"hour\":false,\"day\":false");
    int64_t from = T0 - 200 * S_US;
    fill(b, from, T0 + 3600 * S_US);
    obed_set(b);
    UNTIL(b, p->opened && owed(b) == 0);
    at(b, from + 600 * S_US + 10000); /* the first query is under way */
    CHECK(((struct hs_channel *)b->ch)->upload.asking);
    b->points[0] = b->points[1]; /* flow alone */
    b->npoints = 1;
    obed_set(b);
    UNTIL(b, p_find(p, 2051, 0));
    CHECK(strstr(p_find(p, 2051, 0)->cp, "w00000-Cou=") && !strstr(p_find(p, 2051, 0)->cp, "w01018"));
    at(b, from + 1200 * S_US + 10000);
    CHECK(((struct hs_channel *)b->ch)->upload.asking); /* and one that is closed meanwhile */
    done(p, b);
}

TEST(addresses)
{
    static const struct {
        const char *text, *canonical, *json, *says;
    } v[] = {{"w01018", "w01018", "{}", NULL},
             {" RT!w01018-Rtd ", "w01018", "{}", NULL},
             {"2011/a21026-ZsRtd", "a21026-ZsRtd", "{}", NULL},
             {"SB1-RS", "SB1-RS", "{}", NULL},
             {"02", "02", "{\"total\":\"mass\"}", NULL},
             {"", NULL, "{}", "is no address"},
             {"w01018-Avg", NULL, "{}", "is no address"},
             {"w01018-", NULL, "{}", "is no address"},
             {"set/RtdInterval", NULL, "{}", "is no address"},
             {"w01001", NULL, "{\"total\":\"mass\"}", "only concentrations"},
             {"w00000", NULL, "{\"average\":\"flow\"}", "only averages of concentrations"}};
    struct obed *b = obed_new(&hj212_sender_outlet);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct outlet_point p = {.address = v[i].text, .code = "P"};
        struct outlet_address a = {0};
        struct error e = {0};
        p.options = bed_options(b, hj212_sender_outlet.point_options, v[i].json);
        int rc = hj212_sender_outlet.address_check(&p, NULL, &a, &e);
        CHECK_INT(rc, v[i].says ? ERR_INVALID : 0);
        if (v[i].says && !strstr(e.text, v[i].says)) test_fail(__FILE__, __LINE__, "%s: %s", v[i].text, e.text);
        if (v[i].says) CHECK(e.text_zh[0] && e.where[0]);
        if (!v[i].says) CHECK_Z(a.canonical, v[i].canonical);
        if (!v[i].says) CHECK_Z(a.key, v[i].canonical);
    }
    static const struct {
        const char *json, *where;
    } o[] = {{"{\"host\":\"h\",\"mn\":\"a;b\"}", "mn"},
             {"{\"host\":\"h\",\"mn\":\"1\",\"password\":\"a=b\"}", "password"},
             {"{\"host\":\"h\",\"mn\":\"1\",\"time_zone\":\"Beijin\"}", "time_zone"},
             {"{\"host\":\"h\",\"mn\":\"1\",\"minute_interval\":\"7m\"}", "minute_interval"},
             {"{\"host\":\"h\",\"mn\":\"1\",\"minute_interval\":\"90s\"}", "minute_interval"}};
    for (size_t i = 0; i < sizeof o / sizeof *o; i++) {
        struct error e = {0};
        const struct options *c = bed_options(b, hj212_sender_outlet.channel_options, o[i].json);
        CHECK_INT(hj212_sender_outlet.channel_check(c, &e), ERR_INVALID);
        CHECK_Z(e.where, o[i].where);
        CHECK_INT(hj212_sender_outlet.channel_open(&b->host, c, &b->ch, &e), ERR_INVALID);
        b->ch = NULL;
    }
    obed_free(b);
}

TEST(numbers_and_flags)
{
    static const struct {
        double x;
        int decimals;
        const char *want;
    } v[] = {{63, -1, "63"},   {0.12345, -1, "0.123"}, {1.5, -1, "1.5"}, {-0.0001, -1, "0"},
             {100, -1, "100"}, {1.005, 1, "1.0"},      {7, 0, "7"}};
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        buf_clear(&b);
        hs_put_number(&b, v[i].x, v[i].decimals);
        CHECK_Z(buf_cstr(&b), v[i].want);
    }
    buf_fini(&b);
    static const struct {
        enum quality q;
        enum quality_reason why;
        char want;
    } f[] = {{QUALITY_GOOD, REASON_NONE, 'N'},         {QUALITY_GOOD, REASON_MANUAL, 'S'},
             {QUALITY_BAD, REASON_NONE, 'D'},          {QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, 'T'},
             {QUALITY_BAD, REASON_NOT_CONNECTED, 'B'}, {QUALITY_BAD, REASON_OUT_OF_SERVICE, 'F'},
             {QUALITY_BAD, REASON_MANUAL, 'D'},        {QUALITY_UNCERTAIN, REASON_MANUAL, 'S'},
             {QUALITY_UNCERTAIN, REASON_NONE, 'N'},    {QUALITY_GOOD, REASON_STALE, 'N'}};
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        CHECK_INT(hs_flag(&(struct sample){.quality = f[i].q, .flags = (uint16_t)f[i].why}), f[i].want);
}

TEST(memory_that_runs_out)
{
    struct obed *b = obed_new(&hj212_sender_outlet);
    const struct options *opts =
        bed_options(b, hj212_sender_outlet.channel_options, "{\"host\":\"127.0.0.1\",\"mn\":\"1\",\"port\":1}");
    unsigned failed = 0;
    obed_point(b, "a", "w01018", VALUE_AUTO);
    for (uint64_t n = 1; n < 200; n++) {
        struct error e = {0};
        uint64_t before = mem_count();
        mem_fail_at(n, false);
        int rc = hj212_sender_outlet.channel_open(&b->host, opts, &b->ch, &e);
        if (rc == 0) rc = hj212_sender_outlet.channel_set(b->ch, b->points, b->npoints, &e);
        bool all = mem_count() - before < n;
        mem_fail_at(0, false);
        if (rc) CHECK_INT(rc, ERR_NOMEM);
        failed += rc != 0;
        if (b->ch) obed_close(b);
        if (all) break;
    }
    CHECK(failed > 2);
    obed_free(b);
}
