/* A channel against our own server with faults: values, merging, losses, recovery, stations, back-pressure. */
#include "drivers/modbus/testbed.h"

TEST(values_of_all_kinds_in_one_batch)
{
    struct bed *b = bed_new(MODBUS_TCP);
    uint16_t *r = b->r[1];
    r[10] = 0x41C8, r[11] = 0;    /* 25.0 ABCD */
    r[12] = 0, r[13] = 0x41C8;    /* CDAB */
    r[14] = 0x8005;               /* bits 0, 2, 15 */
    memcpy(&r[20], "eHll\0o", 6); /* "Hello" after the swap of a little-endian machine */
    r[30] = 0xFFFE, r[31] = 0x1234;
    b->bits[1][0] = 4;
    struct driver_point p[] = {
        bed_point(1, "400011", VALUE_FLOAT),       bed_point(2, "400013#CDAB", VALUE_FLOAT),
        bed_point(3, "400015.2", VALUE_AUTO),      bed_point(4, "400015.1", VALUE_BOOL),
        bed_point(5, "1!400021.6H", VALUE_STRING), bed_point(6, "400031", VALUE_INT16),
        bed_point(7, "400032", VALUE_BCD16),       bed_point(8, "300006", VALUE_AUTO),
        bed_point(9, "000003", VALUE_AUTO),        bed_point(10, "100003", VALUE_BOOL),
        bed_point(11, "400006", VALUE_UINT16),
    };
    p[10].scale = 0.5, p[10].offset = 100;
    bed_open(b, "");
    bed_set1(b, p, 11);
    UNTIL(b, b->batches >= 2);
    CHECK_DBL(bed_value(b, 1), 25, 0);
    CHECK_DBL(bed_value(b, 2), 25, 0);
    CHECK_INT(b->samples[3].type, SAMPLE_BOOL);
    CHECK_DBL(bed_value(b, 3), 1, 0);
    CHECK_DBL(bed_value(b, 4), 0, 0);
    CHECK_INT(b->samples[5].type, SAMPLE_STRING);
    CHECK_Z(b->texts[b->samples[5].v.u], "Hello");
    CHECK_INT(b->ntexts, 1); /* unchanged: interned once */
    CHECK_DBL(bed_value(b, 6), -2, 0);
    CHECK_DBL(bed_value(b, 7), 1234, 0);
    CHECK_DBL(bed_value(b, 8), 1005, 0);
    CHECK_DBL(bed_value(b, 9), 1, 0);
    CHECK_DBL(bed_value(b, 10), 1, 0);
    CHECK_DBL(bed_value(b, 11), 1005 * 0.5 + 100, 0);
    CHECK_INT(b->batch_max, 11);
    CHECK_INT(b->accepted, 1);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    bed_free(b);
}

TEST(neighbours_share_a_request)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {
        bed_point(1, "400001", VALUE_AUTO),  bed_point(2, "400009", VALUE_AUTO),
        bed_point(3, "400018", VALUE_AUTO), /* gap 8: along */
        bed_point(4, "400028", VALUE_AUTO), /* gap 9: not */
        bed_point(5, "400200", VALUE_FLOAT),
    };
    bed_open(b, "");
    for (int i = 0; i < 5; i++) p[i].period_ms = 200;
    bed_set1(b, p, 5);
    UNTIL(b, b->batches >= 1);
    CHECK_INT(b->requests, 3);
    CHECK_DBL(bed_value(b, 3), 1017, 0);
    bed_free(b);
}

TEST(a_hole_costs_only_its_points)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[20];
    char address[20][16];
    b->hole_from = 7, b->hole_to = 8;
    for (int i = 0; i < 20; i++) {
        snprintf(address[i], sizeof address[i], "4%05d", i + 1);
        p[i] = bed_point((uint32_t)i + 1, address[i], VALUE_AUTO);
    }
    bed_open(b, "");
    bed_set1(b, p, 20);
    UNTIL(b, b->batches >= 2);
    for (uint32_t i = 1; i <= 20; i++) CHECK_INT(b->samples[i].quality, i == 8 ? QUALITY_BAD : QUALITY_GOOD);
    CHECK_INT(b->samples[8].flags, REASON_DEVICE_EXCEPTION);
    struct driver_device_status d;
    CHECK_INT(modbus_driver.devices(b->ch, &d, 1), 1);
    CHECK_INT(d.bad, 1);
    CHECK_INT(d.state, DRIVER_DEGRADED);
    CHECK(strstr(d.reason, "illegal data address"));
    b->hole_from = b->hole_to = 0;
    UNTIL(b, b->samples[8].quality == QUALITY_GOOD);
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    bed_free(b);
}

static void check_recovers(enum modbus_framing framing, enum bed_fault fault, const char *says)
{
    struct bed *b = bed_new(framing);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO), bed_point(2, "400100", VALUE_AUTO)};
    if (fault == FAULT_SILENT || fault == FAULT_TRANSACTION) b->timeout_ms = 50;
    bed_open(b, ",\"retries\":3");
    bed_set1(b, p, 2);
    UNTIL(b, b->batches >= 1);
    b->fault = fault;
    b->fault_times = 2;
    unsigned before;
    for (int round = 0; round < 3; round++) {
        b->r[1][0]++;
        b->r[1][99]++;
        before = b->batches;
        UNTIL(b, b->batches >= before + 2);
        CHECK_DBL(bed_value(b, 1), b->r[1][0], 0);
        CHECK_DBL(bed_value(b, 2), b->r[1][99], 0);
    }
    CHECK_INT(b->fault, FAULT_NONE);
    CHECK(b->bad_frames >= 1);
    if (!strstr(b->last_error, says)) test_fail(__FILE__, __LINE__, "\"%s\"", b->last_error);
    CHECK_INT(b->bad_count[1] + b->bad_count[2], 0); /* all of it was mended in time */
    bed_free(b);
}

TEST(silence_is_asked_again)
{
    check_recovers(MODBUS_TCP, FAULT_SILENT, "no answer within");
}
TEST(a_wrong_transaction_is_no_answer)
{
    check_recovers(MODBUS_TCP, FAULT_TRANSACTION, "no answer within");
}
TEST(rubbish_is_skipped)
{
    check_recovers(MODBUS_TCP, FAULT_GARBAGE, "no Modbus frame");
}
TEST(an_old_answer_is_dropped)
{
    check_recovers(MODBUS_TCP, FAULT_LATE_TWICE, "answer to no request");
}
TEST(rtu_silence_is_asked_again)
{
    check_recovers(MODBUS_RTU, FAULT_SILENT, "no answer within");
}
TEST(rtu_rubbish_is_skipped)
{
    check_recovers(MODBUS_RTU, FAULT_GARBAGE, "no Modbus frame");
}

TEST(a_cut_in_mid_frame_is_mended_unnoticed)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->batches >= 2);
    b->fault = FAULT_CUT;
    b->fault_times = 1;
    UNTIL(b, b->accepted == 2 && b->batches >= 4);
    CHECK_INT(b->bad_count[1], 0);
    CHECK_INT(bed_status(b).reconnects, 1);
    CHECK_INT(b->open_max, 1);
    bed_free(b);
}

TEST(loss_and_return)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO), bed_point(2, "400002", VALUE_AUTO)};
    bed_open(b, "");
    p[1].period_ms = 30;
    bed_set1(b, p, 2);
    UNTIL(b, b->count[1] && b->count[2]);
    bed_stop_listening(b);
    UNTIL(b, bed_status(b).state == DRIVER_DOWN && b->bad_count[1] && b->bad_count[2]);
    CHECK_INT(b->samples[1].flags, REASON_COMM_FAILURE);
    CHECK_DBL(bed_value(b, 1), 1000, 0); /* the last value stays */
    CHECK(strstr(bed_status(b).reason, "connection refused"));
    for (int i = 0; i < 10; i++) bed_step(b);
    CHECK_INT(b->bad_count[1], 1); /* told once */
    CHECK_INT(b->bad_count[2], 1);
    bed_listen(b);
    UNTIL(b, b->samples[1].quality == QUALITY_GOOD && b->samples[2].quality == QUALITY_GOOD);
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    CHECK(bed_status(b).reconnects >= 1);
    bed_free(b);
}

TEST(refused_at_start_then_there)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_stop_listening(b);
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->bad_count[1] == 1);
    CHECK_INT(b->samples[1].type, SAMPLE_NONE);
    bed_listen(b);
    UNTIL(b, b->samples[1].quality == QUALITY_GOOD && b->count[1]);
    bed_free(b);
}

TEST(a_dead_station_does_not_hold_up_its_neighbour)
{
    struct bed *b = bed_new(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "1!400001", VALUE_AUTO), bed_point(2, "2!400001", VALUE_AUTO)};
    struct driver_device d[] = {{.num = 1, .code = "A"}, {.num = 2, .code = "B"}};
    p[1].device = 1;
    b->unit_silent[2] = true;
    b->timeout_ms = 60;
    bed_open(b, ",\"retries\":1");
    CHECK_INT(modbus_driver.channel_set(b->ch, d, 2, p, 2, NULL), 0);
    UNTIL(b, b->bad_count[2] == 1);
    unsigned before = b->count[1], probes = b->unit_requests[2];
    UNTIL(b, b->count[1] >= before + 4);
    CHECK(b->unit_requests[2] - probes <= 4); /* single requests, never two between two polls */
    CHECK_INT(b->bad_count[1], 0);
    CHECK_INT(b->bad_count[2], 1);
    struct driver_device_status st[2];
    CHECK_INT(modbus_driver.devices(b->ch, st, 2), 2);
    CHECK_INT(st[0].state, DRIVER_UP);
    CHECK_INT(st[1].state, DRIVER_DOWN);
    CHECK(strstr(st[1].reason, "station 2: no answer"));
    CHECK_INT(bed_status(b).state, DRIVER_DEGRADED);
    b->unit_silent[2] = false;
    UNTIL(b, b->samples[2].quality == QUALITY_GOOD);
    CHECK_DBL(bed_value(b, 2), 2000, 0);
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    CHECK_INT(b->accepted, 1);
    bed_free(b);
}

TEST(exceptions_become_quality)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1]);
    b->fault = FAULT_EXCEPTION;
    UNTIL(b, b->bad_count[1]);
    CHECK_INT(b->samples[1].flags, REASON_DEVICE_FAILURE);
    CHECK_DBL(bed_value(b, 1), 1000, 0);
    CHECK(strstr(b->last_error, "server device failure"));
    b->fault = FAULT_NONE;
    UNTIL(b, b->samples[1].quality == QUALITY_GOOD);
    bed_free(b);
}

TEST(back_pressure_holds_the_batch_and_the_polls)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1] >= 1);
    b->refuse = 10;
    unsigned count = b->count[1];
    UNTIL(b, b->refuse < 10);
    unsigned requests = b->requests;
    UNTIL(b, b->refuse == 0);
    CHECK_INT(b->requests, requests); /* nothing was asked while it waited */
    UNTIL(b, b->count[1] >= count + 2);
    CHECK_INT(bed_status(b).held, 1);
    bed_free(b);
}

TEST(a_new_set_keeps_what_did_not_change)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO), bed_point(2, "400002", VALUE_AUTO),
                               bed_point(3, "bad", VALUE_AUTO)};
    bed_open(b, "");
    bed_set1(b, p, 2);
    UNTIL(b, b->count[1] >= 2);
    for (int i = 0; i < 20; i++) bed_set1(b, p, 2); /* idempotent */
    unsigned count = b->count[1];
    UNTIL(b, b->count[1] > count);
    bed_set1(b, p, 3);
    bed_set1(b, p, 3);
    UNTIL(b, b->count[3] == 1);
    CHECK_INT(b->samples[3].flags, REASON_CONFIG_ERROR);
    p[0].address = "400005";
    bed_set1(b, p, 3);
    count = b->count[1];
    UNTIL(b, b->count[1] > count + 1);
    CHECK_DBL(bed_value(b, 1), 1004, 0);
    CHECK_INT(b->count[3], 1);
    bed_set1(b, NULL, 0);
    UNTIL(b, b->open == 0); /* nothing to do: no connection */
    CHECK_INT(bed_status(b).state, DRIVER_OFF);
    CHECK_INT(b->accepted, 1);
    bed_set1(b, p, 1);
    UNTIL(b, b->accepted == 2 && b->count[1] > count + 3);
    bed_free(b);
}

TEST(several_requests_in_flight)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[60];
    char address[60][16];
    for (int i = 0; i < 60; i++) {
        snprintf(address[i], sizeof address[i], "4%05d", i * 100 + 1);
        p[i] = bed_point((uint32_t)i + 1, address[i], VALUE_AUTO);
    }
    bed_open(b, ",\"in_flight\":8");
    bed_set1(b, p, 60);
    UNTIL(b, b->batches >= 3);
    for (uint32_t i = 1; i <= 60; i++) CHECK_DBL(bed_value(b, i), 1000 + (i - 1) * 100, 0);
    CHECK_INT(b->batch_max, 60);
    bed_free(b);
}

TEST(trace_on_demand)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->batches >= 2);
    CHECK_INT(b->frames, 0);
    b->host.trace = true;
    UNTIL(b, b->frames >= 4);
    CHECK_INT(b->bad_frames, 0);
    bed_free(b);
}

TEST(memory_may_run_out_at_any_time)
{
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO), bed_point(2, "1!400021.6H", VALUE_STRING),
                               bed_point(3, "bad", VALUE_AUTO)};
    const struct driver_device d = {.num = 1, .code = "PLC1"};
    struct bed *b = bed_new(MODBUS_TCP);
    bed_open(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1]);
    int rc = ERR_NOMEM;
    for (unsigned nth = 1; rc && nth < 50; nth++) {
        mem_fail_at(nth, false);
        rc = modbus_driver.channel_set(b->ch, &d, 1, p, 3, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
    }
    CHECK_INT(rc, 0);
    UNTIL(b, b->count[2] && b->count[3]);
    CHECK_INT(b->samples[1].quality, QUALITY_GOOD);
    bed_free(b);
}
