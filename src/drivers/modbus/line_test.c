/* Modbus on a serial line (a pseudo terminal), over UDP and in ASCII: values, and what lines do to frames. */
#include "drivers/modbus/testbed.h"

static struct bed *line(enum modbus_framing f)
{
    struct bed *b = bed_made(f);
    bed_line_open(b);
    return b;
}

static struct bed *datagrams(enum modbus_framing f, const char *way)
{
    struct bed *b = bed_made(f);
    b->way = way;
    bed_udp_open(b);
    return b;
}

static void check_values(struct bed *b)
{
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO), bed_point(2, "2!400100", VALUE_FLOAT),
                               bed_point(3, "000003", VALUE_AUTO)};
    b->r[2][99] = 0x41C8, b->r[2][100] = 0;
    b->bits[1][0] = 4;
    bed_set1(b, p, 3);
    UNTIL(b, b->count[1] >= 3 && b->count[2] >= 3 && b->count[3] >= 3);
    CHECK_DBL(bed_value(b, 1), 1000, 0);
    CHECK_DBL(bed_value(b, 2), 25, 0);
    CHECK_DBL(bed_value(b, 3), 1, 0);
    CHECK_INT(b->bad_count[1] + b->bad_count[2] + b->bad_count[3], 0);
    CHECK_INT(b->bad_frames, 0);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
}

TEST(rtu_on_a_line)
{
    struct bed *b = line(MODBUS_RTU);
    bed_open_line(b, "");
    check_values(b);
    bed_free(b);
}

TEST(ascii_on_a_line)
{
    struct bed *b = line(MODBUS_ASCII);
    bed_open_line(b, ",\"data_bits\":\"8\",\"parity\":\"even\"");
    check_values(b);
    bed_free(b);
}

TEST(ascii_over_tcp)
{
    struct bed *b = bed_new(MODBUS_ASCII);
    b->way = "ascii";
    bed_open(b, "");
    check_values(b);
    bed_free(b);
}

TEST(datagrams_of_both_framings)
{
    static const struct {
        enum modbus_framing framing;
        const char *way;
    } rows[] = {{MODBUS_TCP, "udp"}, {MODBUS_RTU, "rtu_udp"}};
    for (int i = 0; i < 2; i++) {
        struct bed *b = datagrams(rows[i].framing, rows[i].way);
        bed_open(b, "");
        check_values(b);
        bed_free(b);
    }
}

static void check_mended(struct bed *b, enum bed_fault fault, unsigned times, const char *says)
{
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_set1(b, p, 1);
    UNTIL(b, b->batches >= 1);
    b->fault_times = times;
    b->fault = fault;
    for (int round = 0; round < 3; round++) {
        unsigned before = b->batches;
        b->r[1][0]++;
        UNTIL(b, b->batches >= before + 2);
        CHECK_DBL(bed_value(b, 1), b->r[1][0], 0);
    }
    CHECK_INT(b->fault, FAULT_NONE);
    CHECK_INT(b->bad_count[1], 0);
    CHECK(b->bad_frames >= 1);
    if (!strstr(b->last_error, says)) test_fail(__FILE__, __LINE__, "\"%s\"", b->last_error);
    bed_free(b);
}

TEST(noise_before_an_answer)
{
    struct bed *b = line(MODBUS_RTU);
    bed_open_line(b, "");
    check_mended(b, FAULT_GARBAGE, 2, "no Modbus frame");
}

TEST(noise_in_ascii)
{
    struct bed *b = line(MODBUS_ASCII);
    bed_open_line(b, "");
    check_mended(b, FAULT_GARBAGE, 2, "no Modbus frame");
}

TEST(half_an_answer_is_asked_again_at_once)
{
    struct bed *b = line(MODBUS_RTU);
    uint64_t began = uv_hrtime();
    b->timeout_ms = 4000; /* not what ends it */
    bed_open_line(b, "");
    check_mended(b, FAULT_HALF, 1, "broke off");
    CHECK(uv_hrtime() - began < 3000000000u);
}

TEST(a_bit_turned_over_is_no_value)
{
    struct bed *b = line(MODBUS_RTU);
    b->timeout_ms = 50;
    bed_open_line(b, "");
    check_mended(b, FAULT_BIT, 1, "no answer within");
    b = line(MODBUS_ASCII);
    b->timeout_ms = 50;
    bed_open_line(b, "");
    check_mended(b, FAULT_BIT, 1, "no answer within");
}

TEST(lost_datagrams_are_asked_again)
{
    struct bed *b = datagrams(MODBUS_TCP, "udp");
    b->timeout_ms = 50;
    bed_open(b, ",\"retries\":2");
    check_mended(b, FAULT_SILENT, 2, "no answer within");
    b = datagrams(MODBUS_TCP, "udp");
    bed_open(b, "");
    check_mended(b, FAULT_LATE_TWICE, 1, "answer to no request");
    b = datagrams(MODBUS_RTU, "rtu_udp");
    b->timeout_ms = 50;
    bed_open(b, "");
    check_mended(b, FAULT_HALF, 1, "broke off");
}

struct wrote {
    bool done;
    enum driver_outcome outcome;
    double back;
    char text[ERROR_TEXT_MAX];
};
static void on_wrote(void *arg, const struct driver_write_result *r)
{
    struct wrote *w = arg;
    w->done = true;
    w->outcome = r->outcome;
    w->back = r->has_readback ? r->readback.v.d : NAN;
    if (r->has_readback && r->readback.type == SAMPLE_INT) w->back = (double)r->readback.v.i;
    str_to_cstr(str_of(r->error ? r->error->text : ""), w->text, sizeof w->text);
}

static struct wrote write_to(struct bed *b, uint32_t point, double v)
{
    struct wrote w = {0};
    struct driver_write q = {
        .point = point, .value = {.point = point, .type = SAMPLE_DOUBLE, .v.d = v}, .done = on_wrote, .arg = &w};
    b->ch->driver->write(b->ch, &q);
    UNTIL(b, w.done);
    return w;
}

TEST(an_echo_is_no_answer)
{
    struct bed *b = line(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    b->echo = true;
    bed_open_line(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1] >= 2); /* found out from the first reading */
    CHECK_INT(b->bad_frames, 0);
    b->fault = FAULT_EXCEPTION; /* the device refuses: its echo would look like a yes */
    b->only_function = MODBUS_WRITE_REGISTER;
    struct wrote w = write_to(b, 1, 5);
    CHECK_INT(w.outcome, DRIVER_REFUSED);
    CHECK_INT(b->r[1][0], 1000);
    b->fault = FAULT_NONE;
    w = write_to(b, 1, 6);
    CHECK_INT(w.outcome, DRIVER_DONE);
    CHECK_DBL(w.back, 6, 0);
    b->fault = FAULT_SILENT;
    b->fault_times = 1;
    b->timeout_ms = 50;
    CHECK_INT(write_to(b, 1, 7).outcome, DRIVER_UNKNOWN);
    bed_free(b);
}

TEST(an_echo_that_is_told_counts_from_the_first_write)
{
    struct bed *b = line(MODBUS_ASCII);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    b->echo = true;
    p[0].period_ms = 3600000;
    bed_open_line(b, ",\"echo\":true");
    bed_set1(b, p, 1);
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    b->fault = FAULT_EXCEPTION;
    b->only_function = MODBUS_WRITE_REGISTER;
    CHECK_INT(write_to(b, 1, 5).outcome, DRIVER_REFUSED);
    bed_free(b);
}

TEST(a_broadcast_reaches_all_and_is_confirmed_by_nobody)
{
    struct bed *b = line(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "1!400001", VALUE_AUTO), bed_point(2, "0!400005", VALUE_AUTO)};
    struct driver_device_status st;
    bed_open_line(b, "");
    bed_set1(b, p, 2);
    UNTIL(b, b->count[1] >= 2 && b->count[2] == 1);
    CHECK_INT(b->samples[2].flags, REASON_NO_DATA);
    unsigned writes = b->writes;
    struct wrote w = write_to(b, 2, 77);
    CHECK_INT(w.outcome, DRIVER_UNKNOWN);
    CHECK(strstr(w.text, "nobody confirms a broadcast"));
    CHECK_INT(b->writes, writes + 1); /* once: never repeated */
    CHECK_INT(b->r[0][4], 77);
    CHECK_INT(b->function_count[MODBUS_READ_HOLDING], b->unit_requests[1]); /* unit 0 is never asked */
    CHECK_INT(modbus_serial_driver.devices(b->ch, &st, 1), 1);
    CHECK_INT(st.state, DRIVER_UP);
    CHECK_INT(bed_status(b).timeouts, 0);
    unsigned count = b->count[1];
    UNTIL(b, b->count[1] > count + 1);
    CHECK_INT(b->count[2], 1);
    bed_free(b);
}

TEST(a_dead_station_costs_one_request_in_a_while)
{
    struct bed *b = line(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "1!400001", VALUE_AUTO), bed_point(2, "2!400001", VALUE_AUTO)};
    struct driver_device d[] = {{.num = 1, .code = "A"}, {.num = 2, .code = "B"}};
    p[1].device = 1;
    d[1].options = bed_options(b, modbus_serial_driver.device_options, "{\"unit\":2,\"timeout\":\"20ms\"}");
    b->unit_silent[2] = true;
    b->timeout_ms = 3000; /* that of the other one */
    bed_open_line(b, ",\"retries\":1");
    CHECK_INT(modbus_serial_driver.channel_set(b->ch, d, 2, p, 2, NULL), 0);
    uint64_t began = uv_hrtime();
    UNTIL(b, b->bad_count[2] == 1);
    CHECK(uv_hrtime() - began < 1500000000u);
    CHECK(strstr(b->last_error, "station 2: no answer within 20 ms"));
    unsigned count = b->count[1], probes = b->unit_requests[2];
    UNTIL(b, b->count[1] >= count + 5);
    CHECK(b->unit_requests[2] - probes <= 5);
    CHECK_INT(b->bad_count[1], 0);
    b->unit_silent[2] = false;
    UNTIL(b, b->samples[2].quality == QUALITY_GOOD);
    bed_free(b);
}

TEST(an_adapter_that_vanishes_and_comes_back)
{
    struct bed *b = line(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    char hidden[64];
    snprintf(hidden, sizeof hidden, "/dev/shm/bornite-line-%d", (int)getpid()); /* a name as udev makes them: a link */
    CHECK_INT(symlink(b->path, hidden), 0);
    snprintf(b->path, sizeof b->path, "%s", hidden);
    bed_open_line(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1] >= 2);
    unlink(hidden);
    bed_line_close(b);
    UNTIL(b, b->bad_count[1] == 1 && bed_status(b).state == DRIVER_DOWN);
    CHECK(strstr(bed_status(b).reason, "plug the adapter in"));
    bed_line_open(b);
    CHECK_INT(symlink(b->path, hidden), 0);
    unsigned count = b->count[1];
    UNTIL(b, b->count[1] >= count + 2 && b->samples[1].quality == QUALITY_GOOD);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    unlink(hidden);
    bed_free(b);
}

TEST(a_port_that_another_channel_has)
{
    struct bed *b = line(MODBUS_RTU);
    struct bed *other = bed_made(MODBUS_RTU);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    snprintf(other->path, sizeof other->path, "%s", b->path);
    bed_open_line(b, "");
    bed_set1(b, p, 1);
    UNTIL(b, b->count[1] >= 1);
    bed_open_line(other, "");
    bed_set1(other, p, 1);
    UNTIL(other, bed_status(other).state == DRIVER_DOWN);
    CHECK(strstr(bed_status(other).reason, "in use by another program or channel"));
    CHECK_INT(other->bad_count[1], 1);
    bed_close_channel(b);
    UNTIL(other, bed_status(other).state == DRIVER_UP || bed_status(other).state == DRIVER_CONNECTING);
    bed_free(other);
    bed_free(b);
}

TEST(settings_that_cannot_be)
{
    static const struct {
        const char *json, *where;
    } rows[] = {
        {"{\"device\":\"/dev/ttyS0\",\"data_bits\":\"7\"}", "data_bits"},
        {"{\"device\":\"/dev/ttyS0\",\"flow\":\"xon_xoff\"}", "flow"},
        {"{\"device\":\"/etc/passwd\"}", "device"},
    };
    struct bed *b = bed_made(MODBUS_RTU);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        const struct options *o = bed_options(b, modbus_serial_driver.channel_options, rows[i].json);
        CHECK_INT(modbus_serial_driver.channel_open(&b->host, o, &b->ch, &e), ERR_INVALID);
        CHECK_Z(e.where, rows[i].where);
    }
    bed_free(b);
}
