/* Commands and their read-back, test reads, browsing, tests of the connection. */
#include "base/test.h"
#include "drivers/sparkplug/testbed.h"

#define MS 1700000000000ull
static const struct sample five = {.type = SAMPLE_DOUBLE, .v.d = 5};

static struct bed *born(void)
{
    struct bed *b = bed_new("");
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\"}");
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\",\"device\":\"D\"}");
    bed_point(b, 0, "T", VALUE_AUTO);                    /* 1 */
    bed_point(b, 1, "S", VALUE_AUTO);                    /* 2 */
    bed_point(b, 0, "Node Control/Rebirth", VALUE_BOOL); /* 3 */
    bed_point(b, 0, "$online", VALUE_BOOL);              /* 4 */
    bed_point(b, 0, "Text", VALUE_STRING);               /* 5 */
    bed_up(b);
    return b;
}
static struct bed *alive(void)
{
    struct bed *b = born();
    bed_birth(b, MS);
    UNTIL(b, b->count[1] && b->last[1].quality == QUALITY_GOOD && b->count[2] && b->last[2].quality == QUALITY_GOOD);
    return b;
}

static bool command(struct bed *b, const char *topic, struct spb_metric *m)
{
    const struct fake_message *f = bed_last(b, topic);
    static struct spb_payload p;
    return f && spb_payload_parse(str_make(f->payload, f->n), &p, NULL) == 0 && !p.has_seq &&
           spb_metric_next(&p.metrics, m) && f->qos == 0 && !f->retain;
}

TEST(a_command_is_done_when_the_value_comes_back)
{
    struct bed *b = alive();
    struct spb_metric m;
    bed_write(b, 1, five, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    REQUIRE(command(b, "spBv1.0/G/NCMD/E", &m));
    CHECK(m.has_alias && m.alias == 1 && !m.has_name && m.datatype == SPB_T_Double && m.value.d == 5);
    bed_begin(b, MS + 1); /* another value is no answer */
    bed_double(b, NULL, 1, MS + 1, 4);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 4);
    CHECK(!b->done);
    bed_begin(b, MS + 2);
    bed_double(b, NULL, 1, MS + 2, 5);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK(b->result.has_readback && b->result.readback.v.d == 5);
    CHECK_INT(bed_status(b).writes, 1);
    bed_free(b);
}

TEST(a_command_to_a_device)
{
    struct bed *b = alive();
    struct spb_metric m;
    bed_write(b, 2, (struct sample){.type = SAMPLE_INT, .v.i = -7}, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/DCMD/E/D") != NULL);
    REQUIRE(command(b, "spBv1.0/G/DCMD/E/D", &m));
    CHECK(m.alias == 2 && m.datatype == SPB_T_Int32 && m.value.field == SPB_V_INT && m.value.u == 0xfffffff9);
    bed_death(b); /* nobody answers */
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    CHECK(strstr(b->why, "has not come back"));
    bed_free(b);
}

static struct spb_metric instance(struct buf *b, struct spb_metric member, const char *ref)
{
    struct spb_metric m = {.has_timestamp = true, .timestamp = MS, .has_datatype = true, .datatype = SPB_T_Template};
    spb_put_metric(b, &member);
    spb_put_template(b, str_of(ref));
    m.value = (struct spb_value){.field = SPB_V_TEMPLATE, .s = buf_view(b)};
    return m;
}

TEST(a_member_of_a_template_goes_inside_it)
{
    struct bed *b = bed_new("");
    struct spb_metric m = bed_metric("sp", SPB_T_Int32, 0, 0), inner;
    struct buf one, two;
    buf_init(&one, 1024);
    buf_init(&two, 1024);
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\"}");
    bed_point(b, 0, "M1/drive/sp", VALUE_AUTO);
    bed_up(b);
    m.value = (struct spb_value){.field = SPB_V_INT, .u = 3};
    inner = instance(&one, m, "Drive");
    inner.has_name = true, inner.name = STR("drive");
    m = instance(&two, inner, "Motor");
    m.has_name = m.has_alias = true, m.name = STR("M1"), m.alias = 9;
    bed_begin(b, MS);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NBIRTH/E");
    UNTIL(b, b->count[1] && b->last[1].v.i == 3);
    bed_write(b, 1, five, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    REQUIRE(command(b, "spBv1.0/G/NCMD/E", &m));
    CHECK(m.has_alias && m.alias == 9 && !m.has_name && m.datatype == SPB_T_Template);
    struct spb_template t = spb_template(m.value.s);
    CHECK(str_is(t.ref, "Motor") && !t.definition && spb_metric_next(&t.metrics, &m) && str_is(m.name, "drive"));
    t = spb_template(m.value.s);
    CHECK(str_is(t.ref, "Drive") && spb_metric_next(&t.metrics, &m) && str_is(m.name, "sp"));
    CHECK(m.datatype == SPB_T_Int32 && m.value.u == 5);
    const struct fake_message *f = bed_last(b, "spBv1.0/G/NCMD/E"); /* the node answers with the same */
    struct spb_payload p;
    REQUIRE(spb_payload_parse(str_make(f->payload, f->n), &p, NULL) == 0 && spb_metric_next(&p.metrics, &m));
    bed_begin(b, MS + 1);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK_INT(b->last[1].v.i, 5);
    buf_fini(&one);
    buf_fini(&two);
    bed_free(b);
}

TEST(what_does_not_fit_is_refused)
{
    struct bed *b = alive();
    unsigned before = b->broker->nmessages;
    bed_write(b, 2, (struct sample){.type = SAMPLE_DOUBLE, .v.d = 3e9}, NULL);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    CHECK_Z(b->why, "3000000000 does not fit into Int32, the type of the metric");
    bed_write(b, 2, (struct sample){.type = SAMPLE_STRING}, "x");
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    bed_write(b, 4, five, NULL);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    bed_write(b, 5, (struct sample){.type = SAMPLE_STRING}, "x");
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_FAILED);
    CHECK_Z(b->why, "the birth of the device does not name this metric");
    CHECK_INT(b->broker->nmessages, before);
    bed_free(b);
}

TEST(a_rebirth_is_answered_by_the_birth)
{
    struct bed *b = alive();
    bed_write(b, 3, (struct sample){.type = SAMPLE_BOOL, .v.i = 1}, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    CHECK(!b->done);
    bed_birth(b, MS + 1);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    bed_free(b);
}

TEST(commands_while_nothing_is_there)
{
    struct bed *b = born();
    bed_write(b, 1, five, NULL);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_FAILED);
    CHECK_Z(b->why, "the device or its edge node is offline");
    fake_stop(b->broker);
    bed_write(b, 1, five, NULL);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_FAILED);
    bed_free(b);
}

TEST(a_lost_connection_leaves_it_unknown)
{
    struct bed *b = alive();
    bed_write(b, 1, five, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    fake_drop_all(b->broker);
    UNTIL(b, b->done);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    bed_free(b);
}

TEST(closing_ends_what_is_pending)
{
    struct bed *b = alive();
    bed_write(b, 1, five, NULL);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    bed_free(b);
}

/* ---- reads ---- */

TEST(a_test_read_shows_what_was_told_last)
{
    struct bed *b = alive();
    struct driver_point p[3];
    for (int i = 0; i < 3; i++) p[i] = b->points[0];
    p[1].address = "G/E/D!On", p[2].address = "$online";
    sparkplug_driver.read(b->ch, &b->device_rows[0], p, 3, bed_have_read, b);
    UNTIL(b, b->done);
    CHECK_INT(b->nitems, 3);
    CHECK_DBL(b->readings[0].sample.v.d, 20.5, 0);
    CHECK_INT(b->readings[0].sample.time_us, MS * 1000);
    CHECK(b->readings[0].raw_len > 0);
    CHECK(b->readings[1].sample.type == SAMPLE_BOOL && b->readings[1].sample.v.i == 1);
    CHECK_INT(b->readings[2].sample.v.i, 1);
    b->done = false;
    p[0].address = "Nonsense";
    sparkplug_driver.read(b->ch, &b->device_rows[0], p, 1, bed_have_read, b);
    UNTIL(b, b->done);
    CHECK_INT(b->readings[0].sample.quality, QUALITY_BAD);
    CHECK_Z(b->why, "the birth does not name the metric 'Nonsense'");
    bed_free(b);
}

/* Without any point: a connection of its own, no STATE, the node is asked for its birth. */
TEST(a_test_read_of_a_channel_that_is_not_stored)
{
    struct bed *b = bed_new("");
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\",\"device\":\"D\"}");
    bed_point(b, 0, "S", VALUE_AUTO);
    sparkplug_driver.read(b->ch, &b->device_rows[0], b->points, 1, bed_have_read, b);
    UNTIL(b, bed_last(b, "spBv1.0/G/NCMD/E") != NULL);
    CHECK(!b->broker->last_will && bed_sent(b, "spBv1.0/STATE/bornite-bed") == 0);
    CHECK(strcmp(b->broker->last_id, "bornite-bed") != 0);
    bed_birth(b, MS);
    UNTIL(b, b->done);
    CHECK_INT(b->readings[0].sample.v.i, 1480);
    CHECK_INT(b->count[1], 0);
    bed_free(b);
}

/* ---- browsing ---- */

static void browse(struct bed *b, const struct driver_device *d, const char *node, const char *cursor, size_t max)
{
    b->done = false;
    sparkplug_driver.browse(b->ch, d, node, cursor, max, bed_browsed, b);
    UNTIL(b, b->done);
}

TEST(browsing)
{
    struct bed *b = alive();
    struct driver_device any = {.code = "any", .options = bed_options(b, sparkplug_driver.device_options, "{}")};
    browse(b, &b->device_rows[1], "", NULL, 10);
    CHECK_INT(b->nitems, 2);
    CHECK_Z(b->item_text[0][1], "S");
    CHECK_Z(b->item_text[0][2], "S");
    CHECK_Z(b->item_text[0][3], "1480");
    CHECK_Z(b->item_text[0][4], "r/min");
    CHECK(b->items[0].type == VALUE_INT32 && b->items[0].writable && !b->items[0].children);
    browse(b, &b->device_rows[1], "", NULL, 1);
    CHECK_INT(b->nitems, 1);
    CHECK_Z(b->next, "1");
    browse(b, &b->device_rows[1], "", "1", 1);
    CHECK_INT(b->nitems, 1);
    CHECK_Z(b->item_text[0][1], "On");
    CHECK_Z(b->next, "");
    browse(b, &b->device_rows[0], "", NULL, 10); /* bdSeq, Node Control/Rebirth, T, and the device */
    CHECK_INT(b->nitems, 4);
    CHECK_Z(b->item_text[3][0], "G/E/D");
    CHECK(b->items[3].children && b->items[3].address == NULL);
    browse(b, &b->device_rows[0], "G/E/D", NULL, 10);
    CHECK_Z(b->item_text[0][2], "G/E/D!S");
    browse(b, &any, "G", NULL, 10);
    CHECK_Z(b->item_text[0][0], "G/E");
    browse(b, &any, "G/X", NULL, 10);
    CHECK_Z(b->why, "G/X has not told its birth");
    browse(b, &any, "", "x", 10);
    CHECK_Z(b->why, "'x' is none of this list's");
    bed_free(b);
}

/* ---- the connection ---- */

TEST(tests_of_the_connection)
{
    struct bed *b = bed_new("");
    sparkplug_driver.test(b->ch, bed_tested, b);
    UNTIL(b, b->done);
    CHECK_Z(b->why, "");
    CHECK_Z(b->detail, "connected to the broker; 0 edge nodes online");
    bed_free(b);
    b = bed_new("");
    b->broker->sub_code = 0x87;
    b->done = false;
    sparkplug_driver.test(b->ch, bed_tested, b);
    UNTIL(b, b->done);
    CHECK(strstr(b->why, "refuses the subscription"));
    bed_free(b);
    b = bed_new("");
    b->broker->code = 5;
    b->done = false;
    sparkplug_driver.test(b->ch, bed_tested, b);
    UNTIL(b, b->done);
    CHECK(b->why[0] != 0);
    bed_free(b);
}
