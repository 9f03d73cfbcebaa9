/* Commands, test reads, browsing, tests of the connection; addresses. */
#include "drivers/common/registry.h"
#include "drivers/iec104/testbed.h"

struct result {
    unsigned n;
    enum driver_outcome outcome;
    char text[ERROR_TEXT_MAX];
    bool readback;
    struct sample back;
};

static void written(void *arg, const struct driver_write_result *r)
{
    struct result *w = arg;
    w->n++;
    w->outcome = r->outcome;
    w->readback = r->has_readback;
    w->back = r->readback;
    str_to_cstr(str_of(r->error ? r->error->text : ""), w->text, sizeof w->text);
}

static void write_value(struct bed *b, uint32_t point, double v, uint64_t deadline_ns, struct result *r)
{
    struct driver_write w = {.point = point,
                             .value = {.type = SAMPLE_DOUBLE, .v.d = v},
                             .deadline_ns = deadline_ns,
                             .done = written,
                             .arg = r};
    *r = (struct result){0};
    iec104_driver.write(b->ch, &w);
}

static struct bed *bench(const char *channel, const char *device)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {
        bed_point(1, "C_SC:24577", VALUE_AUTO),       bed_point(2, "C_DC:24578", VALUE_AUTO),
        bed_point(3, "C_RC:24579", VALUE_AUTO),       bed_point(4, "C_SE_NA:25089", VALUE_AUTO),
        bed_point(5, "C_SE_NB:25090", VALUE_AUTO),    bed_point(6, "C_SE_NC:25091", VALUE_AUTO),
        bed_point(7, "C_BO:25092", VALUE_AUTO),       bed_point(8, "M_SP:1", VALUE_AUTO),
        bed_point(9, "C_SE_NA:25093", VALUE_INT16),   bed_point(10, "M_ME_NC:16385", VALUE_AUTO),
        bed_point(11, "C_SC_TA_1:24580", VALUE_AUTO), bed_point(12, "yk5", VALUE_AUTO),
    };
    p[5].scale = 0.1;
    p[9].options = bed_options(b, iec104_driver.point_options,
                               "{\"command\":\"C_SE_NC:25094\",\"select\":\"select\",\"qualifier\":5}");
    bed_item(b, 1, IEC104_M_SP_NA, (struct iec104_object){.ioa = 1});
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 16385, .d = 3});
    bed_open(b, channel);
    bed_set(b, device, p, 12);
    UNTIL(b, bed_status(b).polls == 1);
    return b;
}

TEST(each_kind_of_command)
{
    static const struct {
        uint32_t point, ioa;
        double value;
        unsigned type;
        int64_t raw;
        double number;
    } v[] = {
        {1, 24577, 1, 45, 1, 1},
        {1, 24577, 0, 45, 0, 0},
        {2, 24578, 1, 46, 2, 2},
        {2, 24578, 0, 46, 1, 1},
        {3, 24579, 1, 47, 2, 2},
        {3, 24579, 0, 47, 1, 1},
        {4, 25089, -0.5, 48, -16384, -0.5},
        {4, 25089, 1, 48, 32767, 32767.0 / 32768},
        {5, 25090, -1234, 49, -1234, -1234},
        {6, 25091, 2.5, 50, 0, 25},
        {7, 25092, 4294967295.0, 51, 4294967295, 4294967295.0},
        {9, 25093, -32768, 48, -32768, -1},
        {11, 24580, 1, 58, 1, 1},
        {12, 24582, 1, 45, 1, 1},
    };
    struct bed *b = bench("", NULL);
    struct result r;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        unsigned before = b->count[v[i].point];
        write_value(b, v[i].point, v[i].value, 0, &r);
        UNTIL(b, r.n);
        CHECK_INT(r.outcome, DRIVER_DONE);
        CHECK_INT(b->command_type, v[i].type);
        CHECK_INT(b->command.ioa, v[i].ioa);
        if (v[i].type != 50) CHECK_INT(b->command.i, v[i].raw);
        CHECK_DBL(b->command.d, v[i].number, 1e-6);
        CHECK(!b->command.select);
        CHECK_INT(b->command.time.set, v[i].type == 58);
        CHECK_INT(b->count[v[i].point], before + 1); /* what was commanded is shown */
        CHECK_DBL(bed_value(b, v[i].point), v[i].value, 0);
    }
    CHECK_INT(b->executes, sizeof v / sizeof *v);
    CHECK_INT(bed_status(b).writes, sizeof v / sizeof *v);
    bed_free(b);
}

TEST(values_that_do_not_fit_are_refused_here)
{
    static const struct {
        uint32_t point;
        double value;
    } v[] = {{1, 2}, {1, 0.5}, {4, 1.5}, {5, 40000}, {6, 1e39}, {7, -1}, {8, 1}, {99, 1}, {9, 32768}};
    struct bed *b = bench("", NULL);
    struct result r;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        write_value(b, v[i].point, v[i].value, 0, &r);
        CHECK_INT(r.n, 1);
        CHECK_INT(r.outcome, DRIVER_REFUSED);
        CHECK(r.text[0]);
    }
    CHECK_INT(b->commands, 0);
    bed_free(b);
}

TEST(select_before_operate)
{
    struct bed *b = bench("", "{\"select_before_operate\":true,\"command_time\":true}");
    struct result r;
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_DONE);
    CHECK_INT(b->selects, 1);
    CHECK_INT(b->executes, 1);
    CHECK_INT(b->command_type, 58);
    CHECK(b->command.time.set);
    write_value(b, 7, 1, 0, &r); /* bit strings know no selection */
    UNTIL(b, r.n);
    CHECK_INT(b->selects, 1);
    CHECK_INT(r.outcome, DRIVER_DONE);
    b->verdict = ERR_FORBIDDEN;
    write_value(b, 1, 0, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_REFUSED);
    CHECK(strstr(r.text, "refused the selection"));
    CHECK_INT(b->executes, 2);
    bed_free(b);
}

TEST(a_shown_point_with_a_command_reads_back)
{
    struct bed *b = bench("", NULL);
    struct result r;
    write_value(b, 10, 7.5, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_DONE);
    CHECK_INT(b->selects, 1);
    CHECK_INT(b->command.ioa, 25094);
    CHECK_INT(b->command.qualifier, 5);
    CHECK(r.readback);
    CHECK_DBL(r.back.v.d, 3, 0); /* what the station last told */
    bed_free(b);
}

TEST(what_the_station_says_no_to)
{
    static const struct {
        int verdict;
        const char *text;
    } v[] = {{ERR_FORBIDDEN, "negative confirmation"},
             {ERR_NOT_FOUND, "unknown information object address"},
             {ERR_UNSUPPORTED, "unknown type"}};
    struct bed *b = bench("", NULL);
    struct result r;
    for (size_t i = 0; i < 3; i++) {
        b->verdict = v[i].verdict;
        write_value(b, 1, 1, 0, &r);
        UNTIL(b, r.n);
        CHECK_INT(r.outcome, DRIVER_REFUSED);
        CHECK(strstr(r.text, v[i].text));
        CHECK_INT(b->count[1], 0);
    }
    bed_free(b);
}

TEST(silence_is_unknown_and_expiry_is_told)
{
    struct bed *b = bench(",\"answer_timeout\":\"60ms\",\"termination_timeout\":\"60ms\"", NULL);
    struct result r;
    b->mute_on_command = true;
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_UNKNOWN);
    CHECK(strstr(r.text, "may have been carried out"));
    write_value(b, 10, 1, 0, &r); /* its selection is not confirmed */
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_FAILED);
    CHECK(strstr(r.text, "nothing was carried out"));
    b->mute_on_command = false;
    b->verdict = ERR_AGAIN; /* under way for ever */
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_UNKNOWN);
    unsigned before = b->commands;
    write_value(b, 1, 1, uv_hrtime() - 1, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_EXPIRED);
    CHECK_INT(b->commands, before);
    bed_free(b);
}

TEST(no_termination_where_none_is_awaited)
{
    struct bed *b = bench("", "{\"wait_termination\":false}");
    struct result r;
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_DONE);
    bed_free(b);
}

TEST(one_command_an_object_at_a_time)
{
    struct bed *b = bench("", NULL);
    struct result r[4];
    b->verdict = ERR_AGAIN;
    write_value(b, 1, 1, 0, &r[0]);
    write_value(b, 1, 0, 0, &r[1]);
    write_value(b, 2, 1, 0, &r[2]); /* another object: at once */
    UNTIL(b, b->commands == 2);
    CHECK_INT(r[0].n + r[1].n, 0);
    b->verdict = 0;
    iec104_station_done(&b->conns->s, 1, 24577, 0);
    iec104_station_done(&b->conns->s, 1, 24578, ERR_FORBIDDEN);
    bed_flush(b->conns);
    UNTIL(b, r[0].n && r[1].n && r[2].n);
    CHECK_INT(r[0].outcome, DRIVER_DONE);
    CHECK_INT(r[1].outcome, DRIVER_DONE);
    CHECK_INT(r[2].outcome, DRIVER_REFUSED);
    CHECK_INT(b->command.i, 0);
    bed_free(b);
}

TEST(lost_in_the_middle_of_a_command)
{
    struct bed *b = bench("", NULL);
    struct result r;
    b->drop_on_command = true;
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_UNKNOWN);
    b->commands = 0;
    write_value(b, 10, 1, 0, &r); /* lost at its selection: not carried out */
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_FAILED);
    bed_stop_listening(b, 0);
    write_value(b, 1, 1, 0, &r);
    UNTIL(b, r.n);
    CHECK_INT(r.outcome, DRIVER_FAILED);
    bed_free(b);
}

TEST(closing_completes_what_is_under_way)
{
    struct bed *b = bench("", NULL);
    struct result r[2];
    b->verdict = ERR_AGAIN;
    write_value(b, 1, 1, 0, &r[0]);
    write_value(b, 1, 0, 0, &r[1]);
    UNTIL(b, b->commands == 1);
    bed_close_channel(b);
    CHECK_INT(r[0].n, 1);
    CHECK_INT(r[0].outcome, DRIVER_UNKNOWN);
    CHECK_INT(r[1].n, 1);
    CHECK_INT(r[1].outcome, DRIVER_FAILED);
    bed_free(b);
}

/* ---- reading ---- */

struct readings {
    unsigned n, done;
    struct sample s[8];
    char error[8][ERROR_TEXT_MAX];
    size_t raw_len[8];
    uint8_t raw0[8];
};

static void was_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct readings *out = arg;
    out->done++;
    out->n = (unsigned)n;
    for (size_t i = 0; i < n && i < 8; i++) {
        out->s[i] = r[i].sample;
        out->raw_len[i] = r[i].raw_len;
        out->raw0[i] = r[i].raw_len ? r[i].raw[0] : 0;
        str_to_cstr(str_of(r[i].error ? r[i].error->text : ""), out->error[i], sizeof out->error[i]);
    }
}

TEST(a_test_read_without_points_in_the_set)
{
    struct bed *b = bed_new();
    struct readings r = {0};
    struct driver_device d = {.num = 0, .code = "RTU1"};
    bed_item(b, 1, IEC104_M_SP_NA, (struct iec104_object){.ioa = 1, .i = 1, .quality = IEC104_SB});
    bed_open(b, "");
    struct driver_point p[] = {bed_point(1, "M_SP:1", VALUE_AUTO), bed_point(2, "9999", VALUE_AUTO),
                               bed_point(3, "555", VALUE_AUTO),    bed_point(4, "what", VALUE_AUTO),
                               bed_point(5, "C_SC:1", VALUE_AUTO), bed_point(6, "M_ME_NC:1", VALUE_AUTO)};
    iec104_driver.read(b->ch, &d, p, 6, was_read, &r);
    UNTIL(b, r.done);
    CHECK_INT(r.n, 6);
    CHECK_INT(r.s[0].v.i, 1);
    CHECK_INT(r.s[0].quality, QUALITY_UNCERTAIN);
    CHECK_INT(r.raw_len[0], 1);
    CHECK_INT(r.raw0[0], 0x21);
    CHECK_DBL(r.s[1].v.d, 99.5, 0); /* by a read command */
    CHECK(strstr(r.error[2], "unknown information object address"));
    CHECK(strstr(r.error[3], "no address"));
    CHECK(strstr(r.error[4], "cannot be read"));
    CHECK(strstr(r.error[5], "another type"));
    CHECK_INT(b->batches, 0); /* nothing is published */
    UNTIL(b, b->open == 0);
    bed_free(b);
}

static void tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct result *r = arg;
    r->n++;
    str_to_cstr(str_of(e ? e->text : en), r->text, sizeof r->text);
    CHECK(e || (en[0] && zh[0]));
}

TEST(a_test_of_the_connection)
{
    struct bed *b = bed_new();
    struct result r = {0};
    bed_open(b, ",\"t1\":\"60ms\"");
    iec104_driver.test(b->ch, tested, &r);
    UNTIL(b, r.n);
    CHECK(strstr(r.text, "STARTDT confirmed"));
    UNTIL(b, b->open == 0);
    b->fault = FAULT_SILENT;
    r.n = 0;
    iec104_driver.test(b->ch, tested, &r);
    UNTIL(b, r.n);
    CHECK(strstr(r.text, "STARTDT was not confirmed"));
    bed_stop_listening(b, 0);
    r.n = 0;
    iec104_driver.test(b->ch, tested, &r);
    UNTIL(b, r.n);
    CHECK(strstr(r.text, "connection refused"));
    bed_free(b);
}

struct page {
    unsigned done, n;
    char next[32], address[8][64], value[8][64];
    enum value_type type[8];
};

static void browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                    const char *next)
{
    struct page *p = arg;
    p->done++;
    p->n = (unsigned)n;
    CHECK(e == NULL);
    str_to_cstr(str_of(next ? next : ""), p->next, sizeof p->next);
    for (size_t i = 0; i < n && i < 8; i++) {
        str_to_cstr(str_of(items[i].address), p->address[i], sizeof p->address[i]);
        str_to_cstr(str_of(items[i].value), p->value[i], sizeof p->value[i]);
        p->type[i] = items[i].type;
    }
}

TEST(browsing_pages_through_what_was_seen)
{
    struct bed *b = bed_new();
    struct page p = {0};
    struct driver_device d = {.num = 1, .code = "RTU1"};
    bed_item(b, 1, IEC104_M_ME_NC, (struct iec104_object){.ioa = 16385, .d = 1.5});
    bed_item(b, 1, IEC104_M_DP_NA, (struct iec104_object){.ioa = 5, .i = 2});
    bed_item(b, 1, IEC104_M_SP_NA, (struct iec104_object){.ioa = 1, .i = 0, .quality = IEC104_IV});
    bed_open(b, "");
    iec104_driver.browse(b->ch, &d, "", NULL, 2, browsed, &p);
    UNTIL(b, p.done);
    CHECK_INT(p.n, 2);
    CHECK_Z(p.address[0], "M_SP:1");
    CHECK_Z(p.value[0], "off IV");
    CHECK_INT(p.type[0], VALUE_BOOL);
    CHECK_Z(p.address[1], "M_DP:5");
    CHECK_Z(p.value[1], "on");
    CHECK_Z(p.next, "16385");
    p.done = 0;
    iec104_driver.browse(b->ch, &d, "", p.next, 2, browsed, &p);
    UNTIL(b, p.done);
    CHECK_INT(p.n, 1);
    CHECK_Z(p.address[0], "M_ME_NC:16385");
    CHECK_Z(p.value[0], "1.5");
    CHECK_Z(p.next, "");
    bed_free(b);
}

/* ---- addresses ---- */

TEST(addresses)
{
    static const struct {
        const char *address, *canonical; /* NULL: wrong */
        enum value_type type;
        bool writable;
    } v[] = {
        {"16385", "16385", VALUE_DOUBLE, false},
        {"0x4001", "16385", VALUE_DOUBLE, false},
        {" m_sp:1 ", "M_SP:1", VALUE_BOOL, false},
        {"M_SP_TB_1:1", "M_SP:1", VALUE_BOOL, false},
        {"13:16385", "M_ME_NC:16385", VALUE_DOUBLE, false},
        {"2!M_DP:100", "2!M_DP:100", VALUE_BOOL, false},
        {"yx3", "4", VALUE_BOOL, false},
        {"YC12", "16397", VALUE_DOUBLE, false},
        {"3!yk0", "3!C_SC:24577", VALUE_BOOL, true},
        {"yt1", "C_SE_NC:25090", VALUE_DOUBLE, true},
        {"ym0x10", "M_IT:25617", VALUE_INT32, false},
        {"C_SE_NB:1", "C_SE_NB:1", VALUE_INT16, true},
        {"C_SC_TA_1:1", "C_SC_TA_1:1", VALUE_BOOL, true},
        {"C_BO:1", "C_BO:1", VALUE_UINT32, true},
        {"16777215", "16777215", VALUE_DOUBLE, false},
        {"16777216", NULL, 0, false},
        {"", NULL, 0, false},
        {"M_SP:", NULL, 0, false},
        {"M_XX:1", NULL, 0, false},
        {"C_IC:0", NULL, 0, false},
        {"M_EI:0", NULL, 0, false},
        {"0!1", NULL, 0, false},
        {"65535!1", NULL, 0, false},
        {"yc-1", NULL, 0, false},
        {"0x", NULL, 0, false},
        {"1!2!3", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct driver_point p = bed_point(1, v[i].address, VALUE_AUTO);
        struct driver_address a = {.canonical = ""};
        struct error e = {0};
        int rc = iec104_driver.address_check(&p, NULL, &a, &e);
        if ((rc == 0) != (v[i].canonical != NULL)) test_fail(__FILE__, __LINE__, "%s: %d %s", v[i].address, rc, e.text);
        if (rc) {
            CHECK(e.text[0] && e.text_zh[0]);
            continue;
        }
        CHECK_Z(a.canonical, v[i].canonical);
        CHECK_INT(a.type, v[i].type);
        CHECK_INT(a.writable, v[i].writable);
    }
    for (const char *const *x = iec104_driver.examples; *x; x++) {
        struct driver_point p = bed_point(1, *x, VALUE_AUTO);
        CHECK_INT(iec104_driver.address_check(&p, NULL, NULL, NULL), 0);
    }
    struct driver_point text = bed_point(1, "1", VALUE_STRING);
    CHECK_INT(iec104_driver.address_check(&text, NULL, NULL, NULL), ERR_INVALID);
}

TEST(the_table_is_whole)
{
    const struct driver *const table[] = {&iec104_driver, NULL};
    struct error e = {0};
    if (drivers_check(table, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
