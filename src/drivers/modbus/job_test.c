/* Writes with all outcomes, test reads, connection tests, closing with work under way. */
#include "drivers/common/registry.h"
#include "drivers/modbus/testbed.h"

struct outcome {
    unsigned calls;
    enum driver_outcome outcome;
    bool has_readback;
    struct sample readback;
    char text[64], error[ERROR_TEXT_MAX];
};

static void on_write(void *arg, const struct driver_write_result *r)
{
    struct outcome *o = arg;
    o->calls++;
    o->outcome = r->outcome;
    o->has_readback = r->has_readback;
    o->readback = r->readback;
    str_to_cstr(str_make(r->text ? r->text : "", r->text_len), o->text, sizeof o->text);
    str_to_cstr(str_of(r->error ? r->error->text : ""), o->error, sizeof o->error);
}

static void write_number(struct bed *b, uint32_t num, double x, struct outcome *o)
{
    *o = (struct outcome){0};
    struct driver_write w = {.point = num, .value = {.type = SAMPLE_DOUBLE, .v.d = x}, .done = on_write, .arg = o};
    modbus_driver.write(b->ch, &w);
}

static void write_and_wait(struct bed *b, uint32_t num, double x, struct outcome *o)
{
    write_number(b, num, x, o);
    UNTIL(b, o->calls);
    CHECK_INT(o->calls, 1);
}

/* Points that are polled rarely, so that writes have the line to themselves. */
static struct bed *bed_for_writes(enum modbus_framing f, const char *more)
{
    struct bed *b = bed_new(f);
    struct driver_point p[] = {
        bed_point(1, "000002", VALUE_AUTO),       bed_point(2, "400011", VALUE_INT16),
        bed_point(3, "400013#CDAB", VALUE_FLOAT), bed_point(4, "400015.3", VALUE_AUTO),
        bed_point(5, "400021.6", VALUE_STRING),   bed_point(6, "300001", VALUE_AUTO),
        bed_point(7, "400030", VALUE_UINT8),
    };
    for (int i = 0; i < 7; i++) p[i].period_ms = 60000;
    p[1].scale = 0.1;
    b->timeout_ms = 80;
    bed_open(b, more);
    bed_set1(b, p, 7);
    UNTIL(b, b->open);
    return b;
}

TEST(each_way_of_writing)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o;
    write_and_wait(b, 1, 1, &o);
    CHECK_INT(o.outcome, DRIVER_DONE);
    CHECK_INT(b->bits[1][0], 2);
    CHECK_INT(b->function_count[MODBUS_WRITE_COIL], 1);
    write_and_wait(b, 2, -12.34, &o);
    CHECK_INT((int16_t)b->r[1][10], -123);
    CHECK_INT(b->function_count[MODBUS_WRITE_REGISTER], 1);
    CHECK(o.has_readback);
    CHECK_DBL(o.readback.v.d, -12.3, 1e-9);
    write_and_wait(b, 3, 25, &o);
    CHECK_INT(b->r[1][12], 0);
    CHECK_INT(b->r[1][13], 0x41C8);
    CHECK_INT(b->function_count[MODBUS_WRITE_REGISTERS], 1);
    b->r[1][14] = 0x8001;
    write_and_wait(b, 4, 1, &o);
    CHECK_INT(b->r[1][14], 0x8009);
    CHECK_INT(b->function_count[MODBUS_MASK_WRITE], 1);
    b->r[1][29] = 0xABCD;
    write_and_wait(b, 7, 0x12, &o);
    CHECK_INT(b->r[1][29], 0xAB12);
    CHECK_INT(bed_status(b).writes, 5);
    bed_free(b);
}

TEST(a_text)
{
    struct bed *b = bed_for_writes(MODBUS_RTU, "");
    struct outcome o = {0};
    struct driver_write w = {
        .point = 5, .value = {.type = SAMPLE_STRING}, .text = "Cu99", .text_len = 4, .done = on_write, .arg = &o};
    modbus_driver.write(b->ch, &w);
    UNTIL(b, o.calls);
    CHECK_INT(o.outcome, DRIVER_DONE);
    CHECK_Z(o.text, "Cu99");
    CHECK_INT(b->r[1][20], 'C' << 8 | 'u');
    CHECK_INT(b->r[1][22], 0);
    w.text = "longer", w.text_len = 7;
    modbus_driver.write(b->ch, &w);
    CHECK_INT(o.outcome, DRIVER_REFUSED);
    bed_free(b);
}

TEST(without_mask_write_the_register_is_read_first)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o;
    b->no_mask = true;
    b->r[1][14] = 0x00F0;
    write_and_wait(b, 4, 1, &o);
    CHECK_INT(o.outcome, DRIVER_DONE);
    CHECK_INT(b->r[1][14], 0x00F8);
    CHECK_INT(b->function_count[MODBUS_MASK_WRITE], 1);
    write_and_wait(b, 4, 0, &o);
    CHECK_INT(b->r[1][14], 0x00F0);
    CHECK_INT(b->function_count[MODBUS_MASK_WRITE], 1); /* not tried again */
    bed_free(b);
}

TEST(refused_before_anything_is_sent)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o;
    unsigned requests = b->requests;
    write_number(b, 6, 1, &o);
    CHECK_INT(o.outcome, DRIVER_REFUSED);
    CHECK(strstr(o.error, "inputs cannot be written"));
    write_number(b, 2, 1e9, &o);
    CHECK_INT(o.outcome, DRIVER_REFUSED);
    CHECK(strstr(o.error, "does not fit 16-bit integer"));
    write_number(b, 99, 1, &o);
    CHECK_INT(o.outcome, DRIVER_REFUSED);
    CHECK_INT(b->requests, requests);
    bed_free(b);
}

TEST(refused_by_the_device)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o;
    b->fault = FAULT_EXCEPTION;
    write_and_wait(b, 2, 1, &o);
    CHECK_INT(o.outcome, DRIVER_REFUSED);
    CHECK(strstr(o.error, "server device failure"));
    CHECK_INT(b->writes, 0);
    bed_free(b);
}

static void check_unknown(enum bed_fault fault, unsigned writes)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, ",\"retries\":3");
    struct outcome o;
    b->fault = fault;
    b->only_function = MODBUS_WRITE_REGISTER;
    write_and_wait(b, 2, 1, &o);
    CHECK_INT(o.outcome, DRIVER_UNKNOWN);
    CHECK(o.error[0]);
    CHECK_INT(b->function_count[MODBUS_WRITE_REGISTER], 1); /* never repeated */
    CHECK_INT(b->writes, writes);
    bed_free(b);
}

TEST(connection_lost_after_sending)
{
    check_unknown(FAULT_EXECUTE_CLOSE, 1);
}
TEST(carried_out_but_no_answer)
{
    check_unknown(FAULT_EXECUTE_SILENT, 1);
}
TEST(no_answer)
{
    check_unknown(FAULT_SILENT, 0);
}
TEST(answer_cut_off)
{
    check_unknown(FAULT_CUT, 1);
}

TEST(not_connected)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o;
    bed_stop_listening(b);
    write_and_wait(b, 2, 1, &o);
    CHECK_INT(o.outcome, DRIVER_FAILED);
    CHECK(strstr(o.error, "connection refused"));
    bed_listen(b);
    write_and_wait(b, 2, 1, &o);
    CHECK_INT(o.outcome, DRIVER_DONE);
    CHECK_INT(b->r[1][10], 10);
    bed_free(b);
}

TEST(expired_before_it_was_sent)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome first, o = {0};
    b->fault = FAULT_SILENT; /* the first write keeps the line busy */
    write_number(b, 2, 1, &first);
    struct driver_write w = {.point = 2,
                             .value = {.type = SAMPLE_DOUBLE, .v.d = 2},
                             .deadline_ns = uv_hrtime() + 10000000,
                             .done = on_write,
                             .arg = &o};
    modbus_driver.write(b->ch, &w);
    UNTIL(b, o.calls && first.calls);
    CHECK_INT(o.outcome, DRIVER_EXPIRED);
    CHECK_INT(first.outcome, DRIVER_UNKNOWN);
    CHECK_INT(b->writes, 0);
    bed_free(b);
}

/* ---- test read and connection test ---- */

struct answer {
    unsigned calls, n;
    struct driver_reading r[8];
    char text[64], error[ERROR_TEXT_MAX], raw[8], detail[320];
};

static void on_readings(void *arg, const struct driver_reading *r, size_t n)
{
    struct answer *a = arg;
    a->calls++;
    a->n = (unsigned)n;
    memcpy(a->r, r, n * sizeof *r);
    for (size_t i = 0; i < n; i++) {
        if (r[i].text) str_to_cstr(str_make(r[i].text, r[i].text_len), a->text, sizeof a->text);
        if (r[i].error) str_to_cstr(str_of(r[i].error->text), a->error, sizeof a->error);
    }
    if (n && r[0].raw && r[0].raw_len <= 8) memcpy(a->raw, r[0].raw, r[0].raw_len);
}

static void on_test(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct answer *a = arg;
    a->calls++;
    str_to_cstr(str_of(e ? e->text : ""), a->error, sizeof a->error);
    str_to_cstr(str_of(en), a->detail, sizeof a->detail);
    CHECK(e || zh[0]);
}

TEST(test_read)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct answer a = {0};
    struct driver_point p[] = {bed_point(0, "2", VALUE_INT16), bed_point(0, "nonsense", VALUE_AUTO),
                               bed_point(0, "400031.4H", VALUE_STRING), bed_point(0, "3:0", VALUE_AUTO),
                               bed_point(0, "2!400001", VALUE_AUTO)};
    struct driver_device d = {
        .num = 0, .options = bed_options(b, modbus_driver.device_options, "{\"area\":\"holding\",\"unit\":3}")};
    b->r[3][30] = 'h' << 8 | 'i', b->r[3][31] = 0;
    b->hole_from = 0, b->hole_to = 1;
    p[2].address = "31.4H";
    bed_open(b, "");
    modbus_driver.read(b->ch, &d, p, 5, on_readings, &a);
    UNTIL(b, a.calls);
    CHECK_INT(a.n, 5);
    CHECK_INT(a.r[0].sample.v.i, 3001);
    CHECK_INT(a.r[0].raw_len, 2);
    CHECK(memcmp(a.raw, "\x0B\xB9", 2) == 0);
    CHECK_INT(a.r[1].sample.flags, REASON_CONFIG_ERROR);
    CHECK_Z(a.text, "hi");
    CHECK_INT(a.r[3].sample.flags, REASON_DEVICE_EXCEPTION);
    CHECK_INT(a.r[4].sample.quality, QUALITY_BAD);
    CHECK(strstr(a.error, "illegal data address"));
    UNTIL(b, b->open == 0); /* nothing more to do: no connection kept */
    CHECK_INT(b->batches, 0);
    bed_free(b);
}

TEST(test_of_the_connection)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct answer a = {0};
    b->timeout_ms = 80;
    bed_open(b, "");
    modbus_driver.test(b->ch, on_test, &a);
    UNTIL(b, a.calls == 1);
    CHECK_Z(a.error, "");
    CHECK(strstr(a.detail, "connected to 127.0.0.1"));
    bed_stop_listening(b);
    modbus_driver.test(b->ch, on_test, &a);
    UNTIL(b, a.calls == 2);
    CHECK(strstr(a.error, "connection refused"));
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    bed_listen(b);
    bed_set1(b, p, 1);
    b->fault = FAULT_SILENT;
    modbus_driver.test(b->ch, on_test, &a);
    UNTIL(b, a.calls == 3);
    CHECK(strstr(a.error, "no answer within"));
    bed_free(b);
}

TEST(a_name_is_resolved)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct answer a = {0};
    char json[200];
    snprintf(json, sizeof json, "{\"host\":\"localhost\",\"port\":%u}", b->port);
    CHECK_INT(modbus_driver.channel_open(&b->host, bed_options(b, modbus_driver.channel_options, json), &b->ch, NULL),
              0);
    modbus_driver.test(b->ch, on_test, &a);
    UNTIL(b, a.calls);
    CHECK(a.error[0] == 0 || strstr(a.error, "refused")); /* localhost may be ::1 only, where nobody listens */
    bed_free(b);
}

TEST(closing_completes_what_is_pending)
{
    struct bed *b = bed_for_writes(MODBUS_TCP, "");
    struct outcome o1, o2;
    struct answer r = {0}, t = {0};
    struct driver_point p[] = {bed_point(0, "400001", VALUE_AUTO)};
    struct driver_device d = {.num = 0};
    b->fault = FAULT_SILENT;
    write_number(b, 2, 1, &o1);
    UNTIL(b, b->function_count[MODBUS_WRITE_REGISTER] == 1);
    write_number(b, 2, 2, &o2);
    modbus_driver.read(b->ch, &d, p, 1, on_readings, &r);
    modbus_driver.test(b->ch, on_test, &t);
    bed_close_channel(b);
    CHECK_INT(o1.calls, 1);
    CHECK_INT(o1.outcome, DRIVER_UNKNOWN); /* it was on its way */
    CHECK_INT(o2.calls, 1);
    CHECK_INT(o2.outcome, DRIVER_FAILED);
    CHECK_INT(r.calls, 1);
    CHECK_INT(t.calls, 1);
    bed_free(b);
}

TEST(close_at_once_in_every_state)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_point p[] = {bed_point(1, "400001", VALUE_AUTO)};
    for (int steps = 0; steps < 8; steps++) {
        bed_open(b, "");
        bed_set1(b, p, 1);
        for (int i = 0; i < steps; i++) uv_run(&b->loop, UV_RUN_NOWAIT);
        bed_close_channel(b);
    }
    bed_free(b);
}

TEST(address_check)
{
    struct bed *b = bed_new(MODBUS_TCP);
    struct driver_address a;
    struct error e = {0};
    struct driver_point p = bed_point(1, "40001", VALUE_AUTO);
    CHECK_INT(modbus_driver.address_check(&p, NULL, &a, &e), 0);
    CHECK_Z(a.canonical, "400001");
    CHECK_INT(a.type, VALUE_UINT16);
    CHECK(a.writable);
    static const struct {
        const char *address;
        enum value_type t;
        const char *says;
    } bad[] = {
        {"400001", VALUE_BOOL, "bool in a register needs a bit number: 400001.0"},
        {"000001", VALUE_FLOAT, "its type is bool, not float"},
        {"400001.3", VALUE_INT16, "names one bit"},
        {"400001", VALUE_STRING, "a text needs its length"},
        {"465536", VALUE_FLOAT, "pass the last register"},
        {"12", VALUE_AUTO, "does not say its area"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = bed_point(1, bad[i].address, bad[i].t);
        CHECK_INT(modbus_driver.address_check(&p, NULL, &a, &e), ERR_INVALID);
        if (!strstr(e.text, bad[i].says)) test_fail(__FILE__, __LINE__, "%s", e.text);
    }
    p = bed_point(1, "12", VALUE_AUTO);
    CHECK_INT(
        modbus_driver.address_check(&p, bed_options(b, modbus_driver.device_options, "{\"area\":\"input\"}"), &a, &e),
        0);
    CHECK_Z(a.canonical, "300012");
    CHECK(!a.writable);
    p = bed_point(1, "400001", VALUE_STRING);
    p.options = bed_options(b, modbus_driver.point_options, "{\"length\":12}");
    CHECK_INT(modbus_driver.address_check(&p, NULL, &a, &e), 0);
    CHECK_Z(a.canonical, "400001.12H");
    bed_free(b);
}

TEST(all_examples_are_right)
{
    for (const char *const *x = modbus_driver.examples; *x; x++) {
        struct driver_point p = bed_point(1, *x, VALUE_AUTO);
        struct error e = {0};
        if (modbus_driver.address_check(&p, NULL, NULL, &e)) test_fail(__FILE__, __LINE__, "%s: %s", *x, e.text);
    }
}

TEST(the_table_is_sound)
{
    const struct driver *const table[] = {&modbus_driver, NULL};
    struct error e = {0};
    struct json *v = NULL;
    AUTO_ARENA a;
    struct buf out;
    arena_init(&a, 1 << 20);
    buf_init(&out, 1 << 20);
    struct json_writer w = json_writer(&out);
    CHECK_INT(drivers_check(table, &e), 0);
    drivers_json(&w, table);
    CHECK_INT(json_parse(&a, buf_view(&out), &v, NULL), 0);
    CHECK_STR(json_str(json_path(v, "0.name"), STR_NULL), "modbus_tcp");
    CHECK_STR(json_str(json_path(v, "0.channel.0.name"), STR_NULL), "host");
    CHECK_INT(json_i64(json_path(v, "0.channel.1.default"), 0), 502);
    CHECK_STR(json_str(json_path(v, "0.device.0.title.zh"), STR_NULL), "站号");
    CHECK(json_count(json_path(v, "0.examples")) >= 5);
    buf_fini(&out);
}
