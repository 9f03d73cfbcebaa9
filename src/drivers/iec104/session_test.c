/* A channel against a controlled station on the same loop: values, quality, time, losses, redundancy, hostile peers. */
#include "drivers/iec104/testbed.h"

static void electrical(struct bed *b)
{
    bed_item(b, 1, IEC104_M_SP_NA, (struct iec104_object){.ioa = 1, .i = 1});
    bed_item(b, 1, IEC104_M_DP_NA, (struct iec104_object){.ioa = 2, .i = 2});
    bed_item(b, 1, 5, (struct iec104_object){.ioa = 3, .i = -7});
    bed_item(b, 1, 7, (struct iec104_object){.ioa = 4, .i = 0x80000001});
    bed_item(b, 1, IEC104_M_ME_NA, (struct iec104_object){.ioa = 16385, .i = 16384});
    bed_item(b, 1, IEC104_M_ME_NB, (struct iec104_object){.ioa = 16386, .i = -300});
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 16387, .d = 10.5});
    bed_item(b, 1, 21, (struct iec104_object){.ioa = 16388, .i = -16384});
}

TEST(values_of_all_kinds_by_one_interrogation)
{
    struct bed *b = bed_new();
    electrical(b);
    b->cas[1] = 9, b->ncas = 2;
    bed_item(b, 9, IEC104_M_ME_NC, (struct iec104_object){.ioa = 16387, .d = -2.25});
    b->counter =
        (struct iec104_item){.ca = 1, .type = IEC104_M_IT_NA, .o = {.ioa = 25601, .i = 123456, .qualifier = 3}};
    struct driver_point p[] = {
        bed_point(1, "M_SP:1", VALUE_AUTO),          bed_point(2, "2", VALUE_BOOL),
        bed_point(3, "M_ST:3", VALUE_AUTO),          bed_point(4, "M_BO:4", VALUE_AUTO),
        bed_point(5, "M_ME_NA:16385", VALUE_AUTO),   bed_point(6, "M_ME_NB:0x4002", VALUE_AUTO),
        bed_point(7, "16387", VALUE_AUTO),           bed_point(8, "16388", VALUE_DOUBLE),
        bed_point(9, "9!M_ME_NC:16387", VALUE_AUTO), bed_point(10, "ym0", VALUE_AUTO),
        bed_point(11, "yc2", VALUE_FLOAT),           bed_point(12, "M_DP:2", VALUE_UINT8),
        bed_point(13, "M_ME_NA:16385", VALUE_INT16), bed_point(14, "yx0", VALUE_AUTO),
    };
    p[10].scale = 2, p[10].offset = 1, p[10].hi = 20;
    bed_open(b, ",\"counter_interrogation\":\"1h\"");
    bed_set(b, NULL, p, 14);
    UNTIL(b, bed_status(b).polls >= 4); /* two stations, GI and counters */
    CHECK_INT(b->samples[1].type, SAMPLE_BOOL);
    CHECK_DBL(bed_value(b, 1), 1, 0);
    CHECK_DBL(bed_value(b, 2), 1, 0);
    CHECK_DBL(bed_value(b, 3), -7, 0);
    CHECK_DBL(bed_value(b, 4), 2147483649.0, 0);
    CHECK_DBL(bed_value(b, 5), 0.5, 0);
    CHECK_DBL(bed_value(b, 6), -300, 0);
    CHECK_INT(b->samples[6].type, SAMPLE_INT);
    CHECK_DBL(bed_value(b, 7), 10.5, 0);
    CHECK_DBL(bed_value(b, 8), -0.5, 0);
    CHECK_DBL(bed_value(b, 9), -2.25, 0);
    CHECK_DBL(bed_value(b, 10), 123456, 0);
    CHECK_DBL(bed_value(b, 11), 22, 0);
    CHECK_INT(b->samples[11].quality, QUALITY_UNCERTAIN);
    CHECK_INT(bed_reason(b, 11), REASON_OUT_OF_RANGE);
    CHECK_DBL(bed_value(b, 12), 2, 0);
    CHECK_DBL(bed_value(b, 13), 16384, 0);
    CHECK_DBL(bed_value(b, 14), 1, 0);
    for (uint32_t i = 1; i <= 14; i++) {
        CHECK_INT(b->count[i], 1);
        CHECK_INT(b->bad_count[i], 0);
    }
    CHECK_INT(b->interrogations, 2);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    CHECK_INT(bed_device(b).state, DRIVER_UP);
    bed_free(b);
}

TEST(quality_is_told_in_full)
{
    static const struct {
        unsigned type, quality;
        int64_t i;
        unsigned want, reason;
        bool transient;
    } v[] = {
        {1, 0, 1, QUALITY_GOOD, REASON_NONE, false},
        {1, IEC104_IV, 1, QUALITY_BAD, REASON_DEVICE_FAILURE, false},
        {1, IEC104_NT, 1, QUALITY_UNCERTAIN, REASON_STALE, false},
        {1, IEC104_SB, 1, QUALITY_UNCERTAIN, REASON_SUBSTITUTED, false},
        {1, IEC104_BL, 1, QUALITY_UNCERTAIN, REASON_LAST_KNOWN, false},
        {1, IEC104_IV | IEC104_SB | IEC104_NT, 1, QUALITY_BAD, REASON_DEVICE_FAILURE, false},
        {11, IEC104_OV, 5, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, false},
        {3, 0, 0, QUALITY_UNCERTAIN, REASON_LAST_KNOWN, false},
        {3, 0, 3, QUALITY_BAD, REASON_SENSOR_FAILURE, false},
        {5, 0, 4, QUALITY_UNCERTAIN, REASON_LAST_KNOWN, true},
        {15, IEC104_CA, 7, QUALITY_UNCERTAIN, REASON_MANUAL, false},
        {15, IEC104_CY, 7, QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE, false},
        {15, IEC104_IV, 7, QUALITY_BAD, REASON_DEVICE_FAILURE, false},
    };
    enum { N = sizeof v / sizeof *v };
    struct bed *b = bed_new();
    struct driver_point p[N];
    char address[N][16];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(address[i], sizeof address[i], "%u", 100 + i);
        p[i] = bed_point(i + 1, address[i], v[i].type == 1 || v[i].type == 3 ? VALUE_BOOL : VALUE_INT32);
        bed_item(b, 1, (uint8_t)v[i].type,
                 (struct iec104_object){
                     .ioa = 100 + i, .i = v[i].i, .quality = (uint16_t)v[i].quality, .transient = v[i].transient});
    }
    bed_open(b, "");
    bed_set(b, NULL, p, N);
    UNTIL(b, bed_status(b).polls >= 1);
    for (uint32_t i = 0; i < N; i++) {
        CHECK_INT(b->samples[i + 1].quality, v[i].want);
        CHECK_INT(bed_reason(b, i + 1), v[i].reason);
    }
    /* a double point between its ends keeps the state before */
    bed_event(b, (struct iec104_item){.ca = 1, .type = 3, .cause = 3, .o = {.ioa = 107, .i = 2}});
    bed_event(b, (struct iec104_item){.ca = 1, .type = 3, .cause = 3, .o = {.ioa = 107, .i = 0}});
    UNTIL(b, b->count[8] == 3);
    CHECK_DBL(bed_value(b, 8), 1, 0);
    CHECK_INT(b->samples[8].quality, QUALITY_UNCERTAIN);
    bed_free(b);
}

static struct iec104_item event(uint32_t ioa, double value, int64_t utc_us, int zone_h)
{
    return (struct iec104_item){.ca = 1,
                                .type = IEC104_M_ME_TF,
                                .cause = IEC104_SPONTANEOUS,
                                .o = {.ioa = ioa, .d = value, .time = iec104_time_of(utc_us + zone_h * 3600000000LL)}};
}

TEST(time_stamps_of_the_station)
{
    struct bed *b = bed_new();
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 16387, .d = 1});
    struct driver_point p = bed_point(1, "16387", VALUE_AUTO);
    bed_open(b, ",\"time_zone\":\"+08:00\"");
    bed_set(b, NULL, &p, 1);
    UNTIL(b, bed_status(b).polls == 1);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_SOURCE_TIME));
    int64_t at = bed_now(NULL) / 1000 * 1000 + 300000; /* ahead of the interrogation's value */
    bed_event(b, event(16387, 2, at, 8));
    UNTIL(b, b->count[1] == 2);
    CHECK_INT(b->samples[1].time_us, at);
    CHECK(b->samples[1].flags & SAMPLE_FLAG_SOURCE_TIME);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_BACKFILL));
    bed_event(b, event(16387, 3, at - 600000000, 8)); /* out of the station's buffer */
    UNTIL(b, b->count[1] == 3);
    CHECK_INT(b->samples[1].time_us, at - 600000000);
    CHECK(b->samples[1].flags & SAMPLE_FLAG_BACKFILL);
    struct iec104_item wrong = event(16387, 4, at, 8);
    wrong.o.time.invalid = true;
    bed_event(b, wrong);
    UNTIL(b, b->count[1] == 4);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_SOURCE_TIME));
    bed_event(b, event(16387, 5, 1000000000000000, 8)); /* 2001: a clock that nobody set */
    UNTIL(b, b->count[1] == 5);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_SOURCE_TIME));
    struct iec104_item summer = event(16387, 6, at + 1000000, 9);
    summer.o.time.summer = true; /* an hour more */
    bed_event(b, summer);
    UNTIL(b, b->count[1] == 6);
    CHECK_INT(b->samples[1].time_us, at + 1000000);
    bed_set(b, "{\"time_source\":\"arrival\"}", &p, 1);
    bed_event(b, event(16387, 7, at + 2000000, 8));
    UNTIL(b, b->count[1] == 7);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_SOURCE_TIME));
    bed_free(b);
}

TEST(a_clock_that_is_wrong_is_told)
{
    struct bed *b = bed_new();
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 1, .d = 1});
    struct driver_point p = bed_point(1, "1", VALUE_AUTO);
    bed_open(b, "");
    bed_set(b, NULL, &p, 1);
    UNTIL(b, bed_status(b).polls == 1);
    for (int i = 0; i < 5; i++) bed_event(b, event(1, i, bed_now(NULL) - 5000000, 0));
    UNTIL(b, b->count[1] == 6);
    CHECK_INT(bed_status(b).state, DRIVER_DEGRADED);
    CHECK(strstr(bed_status(b).reason, "the station's clock is 5.0 s behind"));
    CHECK(strstr(bed_status(b).reason_zh, "时钟"));
    CHECK_INT(bed_device(b).state, DRIVER_DEGRADED);
    CHECK_INT(b->warnings, 1);
    CHECK(!(b->samples[1].flags & SAMPLE_FLAG_BACKFILL)); /* the newest stays the newest */
    for (int i = 0; i < 20; i++) bed_event(b, event(1, i, bed_now(NULL), 0));
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    bed_free(b);
}

TEST(what_does_not_come_is_told_once)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "M_SP:777", VALUE_AUTO),
                               bed_point(3, "M_ME_NC:1", VALUE_AUTO), bed_point(4, "rubbish", VALUE_AUTO)};
    bed_open(b, ",\"interrogation\":\"1s\"");
    bed_set(b, NULL, p, 4);
    UNTIL(b, bed_status(b).polls == 1);
    CHECK_INT(bed_reason(b, 2), REASON_NO_DATA);
    CHECK_INT(bed_reason(b, 3), REASON_NO_DATA); /* it is told, but as another type */
    CHECK_INT(bed_reason(b, 4), REASON_CONFIG_ERROR);
    CHECK_INT(bed_device(b).bad, 3);
    CHECK(strstr(bed_device(b).reason, "rubbish"));
    UNTIL(b, bed_status(b).polls == 2);
    for (uint32_t i = 2; i <= 4; i++) CHECK_INT(b->count[i], 1);
    CHECK_INT(b->count[1], 2);
    bed_event(b, (struct iec104_item){.ca = 1, .type = 30, .cause = 3, .o = {.ioa = 777, .i = 1}});
    UNTIL(b, b->count[2] == 2);
    CHECK_INT(b->samples[2].quality, QUALITY_GOOD);
    bed_free(b);
}

TEST(groups_are_interrogated_instead_of_the_station)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "16387", VALUE_AUTO)};
    struct driver_device d[] = {{.num = 1, .code = "A"}, {.num = 2, .code = "B"}};
    d[0].options = bed_options(b, iec104_driver.device_options, "{\"group\":16}");
    d[1].options = bed_options(b, iec104_driver.device_options, "{\"group\":3}");
    p[1].device = 1;
    bed_open(b, "");
    CHECK_INT(iec104_driver.channel_set(b->ch, d, 2, p, 2, NULL), 0);
    UNTIL(b, bed_status(b).polls == 1);
    CHECK_INT(b->interrogations, 2);
    CHECK_INT(b->groups, 1u << 3 | 1u << 16);
    CHECK_DBL(bed_value(b, 2), 10.5, 0);
    bed_free(b);
}

TEST(summer_time_tells_the_two_hours_apart)
{
    struct bed *b = bed_new();
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 1, .d = 1});
    struct driver_point p = bed_point(1, "1", VALUE_AUTO);
    bed_open(b, ",\"time_zone\":\"Europe/Berlin\"");
    bed_set(b, NULL, &p, 1);
    UNTIL(b, bed_status(b).polls == 1);
    int64_t switch_us = 1698541200LL * 1000000; /* 2023-10-29T01:00Z: 03:00 summer becomes 02:00 */
    struct iec104_item it = event(1, 2, switch_us - 1800000000LL, 2); /* 02:30 summer */
    it.o.time.summer = true;
    bed_event(b, it);
    UNTIL(b, b->count[1] == 2);
    CHECK_INT(b->samples[1].time_us, switch_us - 1800000000LL);
    it = event(1, 3, switch_us + 1800000000LL, 1); /* 02:30 again */
    bed_event(b, it);
    UNTIL(b, b->count[1] == 3);
    CHECK_INT(b->samples[1].time_us, switch_us + 1800000000LL);
    bed_free(b);
}

TEST(out_of_memory_leaves_the_old_set)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "9!16387", VALUE_AUTO)};
    struct driver_device d = {.num = 1, .code = "RTU1"};
    bed_open(b, "");
    bed_set(b, NULL, p, 1);
    UNTIL(b, bed_status(b).polls == 1);
    int rc = ERR_NOMEM;
    unsigned nth = 1;
    for (; rc == ERR_NOMEM && nth < 50; nth++) {
        struct error e = {0};
        mem_fail_at(nth, true);
        rc = iec104_driver.channel_set(b->ch, &d, 1, p, 2, &e);
        mem_fail_at(0, false);
        if (rc) CHECK_INT(bed_status(b).points, 1);
    }
    CHECK_INT(rc, 0);
    CHECK(nth > 5);
    CHECK_INT(bed_status(b).points, 2);
    CHECK_INT(b->count[1], 1);
    bed_free(b);
}

TEST(a_point_that_is_added_shows_at_once)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "16387", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, NULL, p, 1);
    UNTIL(b, bed_status(b).polls == 1);
    bed_set(b, NULL, p, 2);
    CHECK_INT(b->count[2], 1);
    CHECK_DBL(bed_value(b, 2), 10.5, 0);
    CHECK_INT(b->count[1], 1); /* goes on without a word */
    p[1].scale = 10;
    bed_set(b, NULL, p, 2);
    CHECK_DBL(bed_value(b, 2), 105, 0);
    p[1].address = "4711"; /* known not to be there */
    bed_set(b, NULL, p, 2);
    CHECK_INT(bed_reason(b, 2), REASON_NO_DATA);
    CHECK_INT(b->accepted, 1);
    CHECK_INT(b->interrogations, 1);
    bed_set(b, NULL, p, 0);
    UNTIL(b, b->open == 0); /* nothing to do: no connection */
    CHECK_INT(bed_status(b).state, DRIVER_OFF);
    bed_free(b);
}

TEST(a_loss_is_told_once_and_made_good)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "16387", VALUE_AUTO),
                               bed_point(3, "C_SC:24577", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, NULL, p, 3);
    UNTIL(b, bed_status(b).polls == 1);
    bed_stop_listening(b, 0);
    UNTIL(b, bed_status(b).state == DRIVER_DOWN);
    uint64_t tries = bed_status(b).reconnects;
    UNTIL(b, bed_status(b).reconnects >= tries + 3);
    for (uint32_t i = 1; i <= 2; i++) {
        CHECK_INT(b->bad_count[i], 1);
        CHECK_INT(bed_reason(b, i), REASON_NOT_CONNECTED);
    }
    CHECK_DBL(bed_value(b, 2), 10.5, 0); /* the last value stays visible */
    CHECK_INT(b->count[3], 0);
    CHECK(bed_status(b).reason[0] && bed_device(b).reason[0]);
    bed_listen(b, 0);
    UNTIL(b, b->samples[1].quality == QUALITY_GOOD && b->samples[2].quality == QUALITY_GOOD);
    CHECK_INT(b->open_max, 1);
    bed_free(b);
}

TEST(the_second_host_takes_over)
{
    struct bed *b = bed_new();
    char more[64];
    electrical(b);
    bed_listen(b, 1);
    struct driver_point p = bed_point(1, "M_SP:1", VALUE_AUTO);
    snprintf(more, sizeof more, ",\"host_2\":\"127.0.0.1\",\"port_2\":%u", b->port[1]);
    bed_open(b, more);
    bed_set(b, NULL, &p, 1);
    UNTIL(b, b->count[1] == 1);
    bed_stop_listening(b, 0);
    UNTIL(b, b->bad_count[1] == 1 && b->samples[1].quality == QUALITY_GOOD);
    CHECK_INT(b->accepted, 2);
    CHECK_INT(b->open_max, 1);
    bed_free(b);
}

TEST(a_full_sink_stops_reading_and_nothing_is_lost)
{
    struct bed *b = bed_new();
    struct driver_point p[1000];
    static char address[1000][12];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(address[i], sizeof address[i], "%u", i + 1);
        p[i] = bed_point(i + 1, address[i], VALUE_DOUBLE);
        bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = i + 1, .d = i});
    }
    bed_open(b, "");
    b->refuse = 7;
    bed_set(b, NULL, p, 1000);
    UNTIL(b, bed_status(b).polls == 1);
    CHECK_INT(b->refused, 7);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_INT(b->count[i + 1], 1);
        CHECK_DBL(bed_value(b, i + 1), i, 0);
    }
    b->refuse = 3;
    bed_stop_listening(b, 0);
    UNTIL(b, b->refuse == 0 && b->bad_count[1000] == 1);
    for (uint32_t i = 1; i <= 1000; i++) CHECK_INT(b->bad_count[i], 1);
    bed_free(b);
}

TEST(the_clock_is_set)
{
    struct bed *b = bed_new();
    electrical(b);
    struct driver_point p = bed_point(1, "M_SP:1", VALUE_AUTO);
    bed_open(b, ",\"clock_sync\":\"1h\",\"time_zone\":\"Asia/Shanghai\"");
    bed_set(b, NULL, &p, 1);
    UNTIL(b, b->clocks == 1 && bed_status(b).polls == 1);
    int64_t us;
    CHECK_INT(iec104_time_local(&b->clock, 0, &us), 0);
    CHECK(llabs(us - 8 * 3600000000LL - bed_now(NULL)) < 2000000);
    CHECK(!b->clock.summer);
    bed_free(b);
}

static void hostile(enum bed_fault f, const char *reason)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "M_SP:1", VALUE_AUTO);
    b->fault = f;
    bed_open(b, ",\"t1\":\"60ms\"");
    bed_set(b, NULL, &p, 1);
    UNTIL(b, b->accepted >= 3);
    struct driver_status st = bed_status(b);
    if (reason && !strstr(st.reason, reason)) test_fail(__FILE__, __LINE__, "fault %d: %s", f, st.reason);
    CHECK_INT(b->bad_count[1], 1);
    CHECK_INT(b->open_max, 1);
    b->fault = FAULT_NONE;
    electrical(b);
    UNTIL(b, b->samples[1].quality == QUALITY_GOOD && b->count[1] >= 2); /* and it recovers */
    bed_free(b);
}

TEST(hostile_stations)
{
    hostile(FAULT_SILENT, "STARTDT was not confirmed");
    hostile(FAULT_GARBAGE, "0x47 instead of 0x68");
    hostile(FAULT_HALF, "STARTDT was not confirmed");
    hostile(FAULT_NUMBERS, "number 5 came, 0 was awaited");
    hostile(FAULT_EARLY, "data before STARTDT");
    hostile(FAULT_BAD_ASDU, "takes");
    hostile(FAULT_CLOSE_AFTER, "closed the connection");
}

TEST(flaps_are_bounded_by_the_back_off)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "M_SP:1", VALUE_AUTO);
    b->fault = FAULT_CLOSE_AFTER;
    bed_open(b, ",\"reconnect_min\":\"20ms\",\"reconnect_max\":\"400ms\"");
    bed_set(b, NULL, &p, 1);
    uint64_t end = uv_hrtime() + 700000000u;
    while (uv_hrtime() < end) bed_step(b);
    CHECK(b->accepted >= 3 && b->accepted <= 7); /* 0, 20, 60, 140, 300, 620 ms less jitter of a quarter */
    CHECK_INT(b->bad_count[1], 1);
    bed_free(b);
}

TEST(closing_in_the_middle_of_everything)
{
    for (int i = 0; i < 20; i++) {
        struct bed *b = bed_new();
        electrical(b);
        struct driver_point p = bed_point(1, "M_SP:1", VALUE_AUTO);
        bed_open(b, "");
        bed_set(b, NULL, &p, 1);
        for (int k = 0; k < i; k++) uv_run(&b->loop, UV_RUN_NOWAIT);
        bed_free(b);
    }
}
