/* Commands and set-points on the wire: by outcome, their values, selection, age, askers that leave. */
#include "outlets/iec104/masterbed.h"

static struct obed *writable(const char *options)
{
    struct obed *b = station(",\"announce\":false,\"command_age\":\"10s\"");
    obed_point(b, "pump", "M_SP:1/C_SC:24577", VALUE_BOOL);
    obed_point(b, "level", "yc0/yt0", VALUE_AUTO);
    obed_point(b, "breaker", "M_DP:3/C_DC:24580", VALUE_BOOL);
    obed_point(b, "locked", "16390/yt5", VALUE_AUTO);
    obed_point(b, "share", "M_ME_NA:16391/C_SE_NA:25100", VALUE_AUTO);
    for (int i = 0; i < 5; i++) b->points[i].writable = i != 3;
    if (options) b->points[0].options = bed_options(b, iec104_server_outlet.point_options, options);
    b->points[4].options = bed_options(b, iec104_server_outlet.point_options, "{\"full_scale\":200}");
    obed_set(b);
    return b;
}

TEST(commands_by_outcome)
{
    static const struct {
        enum driver_outcome outcome;
        bool negative;
    } v[] = {{DRIVER_DONE, false},
             {DRIVER_REFUSED, true},
             {DRIVER_FAILED, true},
             {DRIVER_UNKNOWN, true},
             {DRIVER_EXPIRED, true}};
    struct obed *b = writable(NULL);
    struct master *m = m_new(b);
    for (int late = 0; late < 2; late++)
        for (size_t i = 0; i < 5; i++) {
            struct iec104_object on = {.ioa = 24577, .i = 1};
            struct iec104_asdu head = {.type = iec104_type(IEC104_C_SC_NA)};
            unsigned before = b->writes;
            b->write_outcome = v[i].outcome;
            b->hold_writes = late;
            m->n = 0;
            m_send(m, &head, &on);
            UNTIL(b, b->writes == before + 1);
            bed_step(b);
            if (late) CHECK_INT(m->n, 0);
            if (late) obed_finish_write(b, &b->write, v[i].outcome);
            const struct iec104_asdu *a = m_wait(m, IEC104_C_SC_NA, IEC104_ACTCON);
            CHECK_INT(a->negative, v[i].negative);
            if (!v[i].negative) m_wait(m, IEC104_C_SC_NA, IEC104_ACTTERM);
            bed_step(b);
            CHECK_INT(m->n, v[i].negative ? 1 : 2);
            CHECK_INT(b->write.slot, 0);
            CHECK_INT(b->write.value.type, SAMPLE_BOOL);
            CHECK_INT(b->write.value.v.i, 1);
            CHECK(strstr(b->write.peer, "127.0.0.1:"));
        }
    CHECK_INT(obed_status(b).writes, 2);
    m_free(m);
    obed_free(b);
}

TEST(values_of_commands)
{
    static const struct {
        uint8_t type;
        struct iec104_object o;
        unsigned cause; /* of the negative answer, 0: done */
        uint8_t sample;
        double value;
    } v[] = {{IEC104_C_SE_NC, {.ioa = 25089, .d = 2.5}, 0, SAMPLE_DOUBLE, 2.5},
             {IEC104_C_DC_NA, {.ioa = 24580, .i = 1}, 0, SAMPLE_BOOL, 0},
             {IEC104_C_DC_NA, {.ioa = 24580, .i = 2}, 0, SAMPLE_BOOL, 1},
             {IEC104_C_DC_NA, {.ioa = 24580, .i = 3}, IEC104_ACTCON, 0, 0},
             {IEC104_C_DC_NA, {.ioa = 24580, .i = 0}, IEC104_ACTCON, 0, 0},
             {IEC104_C_SE_NA, {.ioa = 25100, .i = 16384}, 0, SAMPLE_DOUBLE, 100},
             {IEC104_C_SE_NC, {.ioa = 25089, .d = NAN}, IEC104_ACTCON, 0, 0},
             {IEC104_C_SE_NC, {.ioa = 25094, .d = 1}, IEC104_ACTCON, 0, 0}, /* not writable */
             {IEC104_C_SE_NB, {.ioa = 25089, .i = 1}, IEC104_UNKNOWN_TYPE, 0, 0},
             {IEC104_C_SC_NA, {.ioa = 24580, .i = 1}, IEC104_UNKNOWN_TYPE, 0, 0},
             {IEC104_C_SC_NA, {.ioa = 24999, .i = 1}, IEC104_UNKNOWN_IOA, 0, 0}};
    struct obed *b = writable(NULL);
    struct master *m = m_new(b);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        unsigned before = b->writes;
        const struct iec104_asdu *a = m_ask(m, v[i].type, &v[i].o, v[i].cause ? v[i].cause : IEC104_ACTTERM);
        CHECK_INT(a->negative, v[i].cause != 0);
        CHECK_INT(b->writes - before, v[i].cause == 0);
        if (v[i].cause) continue;
        CHECK_INT(b->write.value.type, v[i].sample);
        double x = v[i].sample == SAMPLE_DOUBLE ? b->write.value.v.d : (double)b->write.value.v.i;
        CHECK_DBL(x, v[i].value, 0);
    }
    m_free(m);
    obed_free(b);
}

TEST(select_before_operate)
{
    struct obed *b = writable("{\"select\":\"required\"}");
    struct master *m = m_new(b);
    struct iec104_object on = {.ioa = 24577, .i = 1}, select = on;
    select.select = true;
    CHECK(m_ask(m, IEC104_C_SC_NA, &on, IEC104_ACTCON)->negative);
    CHECK(!m_ask(m, IEC104_C_SC_NA, &select, IEC104_ACTCON)->negative);
    CHECK_INT(b->writes, 0);
    m_ask(m, IEC104_C_SC_NA, &on, IEC104_ACTTERM);
    CHECK_INT(b->writes, 1);
    CHECK(m_ask(m, IEC104_C_SC_NA, &on, IEC104_ACTCON)->negative); /* once */
    m_ask(m, IEC104_C_SC_NA, &select, IEC104_ACTCON);
    struct iec104_asdu cancel = {.type = iec104_type(IEC104_C_SC_NA), .cause = IEC104_DEACT};
    m_send(m, &cancel, &select);
    m_wait(m, IEC104_C_SC_NA, IEC104_DEACTCON);
    CHECK(m_ask(m, IEC104_C_SC_NA, &on, IEC104_ACTCON)->negative);
    m_ask(m, IEC104_C_SC_NA, &select, IEC104_ACTCON);
    struct iec104_object off = {.ioa = 24577, .i = 0};
    CHECK(m_ask(m, IEC104_C_SC_NA, &off, IEC104_ACTCON)->negative); /* another value was selected */
    CHECK_INT(b->writes, 1);
    m_free(m);
    obed_free(b);
}

TEST(commands_that_come_too_late)
{
    struct obed *b = writable(NULL);
    struct master *m = m_new(b);
    struct iec104_object on = {.ioa = 24577, .i = 1};
    b->now_us = T0;
    on.time = iec104_time_of(T0 - 5000000 + 8 * 3600000000LL);
    m_ask(m, IEC104_C_SC_TA, &on, IEC104_ACTTERM);
    on.time = iec104_time_of(T0 - 11000000 + 8 * 3600000000LL);
    CHECK(m_ask(m, IEC104_C_SC_TA, &on, IEC104_ACTCON)->negative);
    on.time = iec104_time_of(T0 + 60000000 + 8 * 3600000000LL);
    CHECK(m_ask(m, IEC104_C_SC_TA, &on, IEC104_ACTCON)->negative);
    CHECK_INT(b->writes, 1);
    m_free(m);
    obed_free(b);
}

TEST(a_command_whose_asker_left)
{
    struct obed *b = writable(NULL);
    struct master *m = m_new(b);
    struct iec104_asdu head = {.type = iec104_type(IEC104_C_SC_NA)};
    b->hold_writes = true;
    m_send(m, &head, &(struct iec104_object){.ioa = 24577, .i = 1});
    UNTIL(b, b->writes == 1);
    m_leave(m);
    bed_step(b);
    obed_finish_write(b, &b->write, DRIVER_DONE);
    CHECK_INT(obed_status(b).writes, 1);
    struct master *n = m_new(b); /* and one that is under way when the channel closes */
    m_send(n, &head, &(struct iec104_object){.ioa = 24577, .i = 0});
    UNTIL(b, b->writes == 2);
    b->closed = false;
    iec104_server_outlet.close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    for (int i = 0; i < 3; i++) bed_step(b);
    CHECK(!b->closed);
    obed_finish_write(b, &b->write, DRIVER_UNKNOWN);
    UNTIL(b, b->closed);
    m_free(m);
    m_free(n);
    obed_free(b);
}
