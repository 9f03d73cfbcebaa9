/* The edge node against a broker on the same loop: births, data, fences, deaths, the primary host, commands, outages.
 */
#include "base/test.h"
#include "outlets/common/testbed.h"
#include "drivers/common/mqtt_testbed.h"
#include "outlets/sparkplug/edge_int.h"

static struct fake_broker *broker;

static struct obed *edge(const char *options)
{
    struct obed *b = obed_new(&sparkplug_edge_outlet);
    char json[600];
    broker = fake_new(&b->loop);
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"group\":\"G\",\"edge_node\":\"E\",\"reconnect_min\":\"20ms\","
             "\"reconnect_max\":\"40ms\"%s%s}",
             broker->port, options[0] ? "," : "", options);
    obed_open(b, json);
    return b;
}
static void finish(struct obed *b)
{
    obed_close(b);
    fake_stop(broker);
    obed_free(b);
    mem_free(broker);
}

/* Messages of a topic so far, and the last of them; cut messages are of no use here. */
static unsigned sent(const char *topic)
{
    unsigned n = 0;
    for (unsigned i = 0; i < broker->nmessages; i++) n += strcmp(broker->messages[i].topic, topic) == 0;
    return n;
}
static struct spb_payload last(const char *topic)
{
    struct spb_payload p = {.seq = 999};
    for (unsigned i = broker->nmessages; i-- > 0;) {
        struct fake_message *m = &broker->messages[i];
        if (strcmp(m->topic, topic)) continue;
        CHECK(m->n < sizeof m->payload && m->qos == 0 && !m->retain);
        CHECK_INT(spb_payload_parse(str_make(m->payload, m->n), &p, NULL), 0);
        return p;
    }
    test_fail(__FILE__, __LINE__, "no message of %s", topic);
    return p;
}
static struct spb_metric metric(struct spb_payload p, unsigned k)
{
    struct spb_metric m = {0};
    do
        if (!spb_metric_next(&p.metrics, &m)) test_fail(__FILE__, __LINE__, "no metric");
    while (k-- > 0);
    return m;
}
static const char *property(const struct spb_metric *m, const char *key)
{
    static char text[200];
    struct spb_property p;
    struct buf b;
    if (m->properties.p == NULL || !spb_property_find(m->properties, key, &p)) return "";
    buf_init(&b, 200);
    struct json_writer w = json_writer(&b);
    spb_json(&w, p.type, &p.value);
    str_to_cstr(buf_view(&b), text, sizeof text);
    buf_fini(&b);
    return text;
}

static struct obed *usual(const char *options)
{
    struct obed *b = edge(options);
    uint32_t k = obed_point(b, "LT.T", "T", VALUE_AUTO);
    b->points[k].unit = "Cel", b->points[k].lo = 0, b->points[k].hi = 100;
    k = obed_point(b, "LT.S", "D!S", VALUE_INT16);
    b->points[k].writable = true;
    obed_value(b, 0, 20.5);
    obed_value(b, 1, 1480);
    return b;
}
static struct obed *born(const char *options)
{
    struct obed *b = usual(options);
    obed_set(b);
    UNTIL(b, sent("spBv1.0/G/DBIRTH/E/D") == 1);
    return b;
}

TEST(births_tell_everything)
{
    struct obed *b = born("");
    struct spb_payload p = last("spBv1.0/G/NBIRTH/E");
    CHECK(p.has_seq && p.seq == 0 && p.count == 3 && p.has_timestamp);
    struct spb_metric m = metric(p, 0);
    CHECK(str_is(m.name, "bdSeq") && m.value.u == 0 && m.datatype == SPB_T_Int64);
    m = metric(p, 1);
    CHECK(str_is(m.name, "Node Control/Rebirth") && m.datatype == SPB_T_Boolean && m.value.u == 0);
    m = metric(p, 2);
    CHECK(str_is(m.name, "T") && m.has_alias && m.alias == 1 && m.datatype == SPB_T_Double && m.value.d == 20.5 &&
          m.has_timestamp);
    CHECK_Z(property(&m, "engUnit"), "\"Cel\"");
    CHECK_Z(property(&m, "engHigh"), "100");
    CHECK_Z(property(&m, "Quality"), "192");
    CHECK_Z(property(&m, "readOnly"), "true");
    p = last("spBv1.0/G/DBIRTH/E/D");
    CHECK(p.seq == 1 && p.count == 1);
    m = metric(p, 0);
    CHECK(str_is(m.name, "S") && m.datatype == SPB_T_Int16 && m.value.u == 1480 && m.alias == 2);
    CHECK_Z(property(&m, "readOnly"), "false");
    CHECK_Z(broker->will_topic, "spBv1.0/G/NDEATH/E");
    CHECK(broker->last_clean);
    CHECK_Z(broker->filters, "spBv1.0/G/NCMD/E:1 spBv1.0/G/DCMD/E/+:1 ");
    CHECK_INT(obed_status(b).state, DRIVER_UP);
    finish(b);
}

TEST(data_go_out_by_alias_and_are_fenced)
{
    struct obed *b = born("");
    struct outlet_item it[4] = {0};
    for (int i = 0; i < 4; i++)
        it[i] =
            (struct outlet_item){.slot = i % 2,
                                 .sample = {.type = SAMPLE_DOUBLE, .v.d = i, .time_us = 1700000000000000 + i * 1000},
                                 .text = ""};
    uint64_t t = obed_send_items(b, it, 4, OUTLET_LIVE);
    CHECK(t && !b->sent[t]);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    struct spb_payload n = last("spBv1.0/G/NDATA/E"), d = last("spBv1.0/G/DDATA/E/D");
    CHECK(n.seq == 2 && n.count == 2 && d.seq == 3 && d.count == 2);
    struct spb_metric m = metric(n, 1);
    CHECK(!m.has_name && m.alias == 1 && m.value.d == 2 && m.timestamp == 1700000000002 && !m.historical &&
          m.properties.p == NULL);
    m = metric(d, 1);
    CHECK(m.alias == 2 && m.value.u == 3);
    CHECK_Z(broker->unfiltered, "spBv1.0/G/NCMD/E/fence ");
    CHECK_INT(obed_status(b).items, 4);
    t = obed_send(b, 0, 7, 1600000000000000, OUTLET_BACKFILL);
    UNTIL(b, b->sent[t]);
    m = metric(last("spBv1.0/G/NDATA/E"), 0);
    CHECK(m.historical && m.timestamp == 1600000000000);
    finish(b);
}

TEST(quality_goes_with_the_value)
{
    struct obed *b = born("");
    struct outlet_item it = {.slot = 0,
                             .sample = {.type = SAMPLE_DOUBLE,
                                        .v.d = 1,
                                        .time_us = 1700000000000000,
                                        .quality = QUALITY_BAD,
                                        .flags = REASON_COMM_FAILURE},
                             .text = ""};
    uint64_t t = obed_send_items(b, &it, 1, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    struct spb_metric m = metric(last("spBv1.0/G/NDATA/E"), 0);
    CHECK_Z(property(&m, "Quality"), "0");
    CHECK_DBL(m.value.d, 1, 0);
    t = obed_send(b, 0, 2, 0, OUTLET_LIVE); /* good again: said once */
    UNTIL(b, b->sent[t]);
    m = metric(last("spBv1.0/G/NDATA/E"), 0);
    CHECK_Z(property(&m, "Quality"), "192");
    t = obed_send(b, 0, 3, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    m = metric(last("spBv1.0/G/NDATA/E"), 0);
    CHECK_Z(property(&m, "Quality"), "");
    t = obed_send(b, 1, 40000, 0, OUTLET_LIVE); /* does not fit into an Int16 */
    UNTIL(b, b->sent[t]);
    m = metric(last("spBv1.0/G/DDATA/E/D"), 0);
    CHECK(m.null && m.value.field == SPB_V_NONE);
    CHECK_Z(property(&m, "Quality"), "0");
    finish(b);
}

TEST(a_type_that_changes_is_told_by_a_birth)
{
    struct obed *b = born("");
    struct outlet_item it = {
        .slot = 0, .sample = {.type = SAMPLE_STRING, .time_us = 1700000000000000}, .text = "off", .text_len = 3};
    obed_text(b, 0, "off");
    uint64_t t = obed_send_items(b, &it, 1, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 2);
    struct spb_metric m = metric(last("spBv1.0/G/NBIRTH/E"), 2);
    CHECK(m.datatype == SPB_T_String && str_is(m.value.s, "off"));
    CHECK_INT(last("spBv1.0/G/NDATA/E").seq, 2);
    t = obed_send(b, 0, 1.5, 0, OUTLET_LIVE); /* a text holds a number */
    UNTIL(b, b->sent[t]);
    m = metric(last("spBv1.0/G/NDATA/E"), 0);
    CHECK_STR(m.value.s, "1.5");
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 2);
    finish(b);
}

TEST(numbers_of_messages_and_lives)
{
    struct obed *b = born("");
    uint64_t t = 0;
    for (unsigned k = 0; k < 300; k++)
        for (t = 0; t == 0; t = obed_send(b, 0, k, 0, OUTLET_LIVE)) bed_step(b);
    CHECK_INT(b->ticket, 300);
    UNTIL(b, b->sent[t]);
    CHECK_INT(last("spBv1.0/G/NDATA/E").seq, (300 + 1) % 256);
    fake_drop_all(broker);
    UNTIL(b, sent("spBv1.0/G/NBIRTH/E") == 2);
    CHECK(metric(last("spBv1.0/G/NBIRTH/E"), 0).value.u == 1 && last("spBv1.0/G/NBIRTH/E").seq == 0);
    struct spb_payload will;
    REQUIRE(spb_payload_parse(str_of(broker->will_payload), &will, NULL) == 0);
    CHECK(!will.has_seq && metric(will, 0).value.u == 1);
    finish(b);
}

/* Nothing is said to have arrived before the broker says so. */
TEST(a_batch_without_its_fence_is_not_sent)
{
    struct obed *b = born("");
    broker->mute = true; /* takes everything, answers nothing */
    uint64_t t = obed_send(b, 0, 1, 0, OUTLET_LIVE), more = 1;
    for (unsigned k = 0; k < SE_BATCHES; k++) more = obed_send(b, 0, 2, 0, OUTLET_LIVE);
    CHECK_INT(more, 0); /* enough is under way */
    for (int k = 0; k < 5; k++) bed_step(b);
    CHECK(!b->sent[t]);
    unsigned ready = b->ready;
    broker->mute = false;
    fake_drop_all(broker);
    UNTIL(b, b->sent[t]);
    CHECK(b->sent_code[t] != 0);
    CHECK_INT(b->nrefused, SE_BATCHES);
    UNTIL(b, b->ready > ready); /* born again: the host may offer again */
    t = obed_send(b, 0, 1, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    finish(b);
}

TEST(before_the_birth_nothing_is_taken)
{
    struct obed *b = usual("");
    obed_set(b);
    CHECK_INT(obed_send(b, 0, 1, 0, OUTLET_LIVE), 0);
    UNTIL(b, b->ready == 1);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 1);
    CHECK(obed_send(b, 0, 1, 0, OUTLET_LIVE) != 0);
    finish(b);
}

TEST(a_primary_host_must_be_online)
{
    struct obed *b = usual("\"primary_host\":\"scada\"");
    obed_set(b);
    UNTIL(b, broker->subscribes == 1 && obed_status(b).state == DRIVER_DEGRADED);
    CHECK(strstr(broker->filters, "spBv1.0/STATE/scada:1 STATE/scada:1 "));
    CHECK_Z(obed_status(b).reason, "waiting for the primary host 'scada' to come online");
    CHECK_INT(obed_send(b, 0, 1, 0, OUTLET_LIVE), 0);
    fake_publish(broker, "spBv1.0/STATE/other", "{\"online\":true,\"timestamp\":5}", 0, true);
    fake_publish(broker, "spBv1.0/STATE/scada", "{\"online\":false,\"timestamp\":5}", 0, true);
    for (int k = 0; k < 3; k++) bed_step(b);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 0);
    fake_publish(broker, "spBv1.0/STATE/scada", "{\"online\":true,\"timestamp\":6}", 0, true);
    UNTIL(b, sent("spBv1.0/G/NBIRTH/E") == 1 && b->ready == 1);
    fake_publish(broker, "spBv1.0/STATE/scada", "{\"online\":false,\"timestamp\":5}", 0, false); /* an old will */
    uint64_t t = obed_send(b, 0, 1, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    fake_publish(broker, "spBv1.0/STATE/scada", "{\"online\":false,\"timestamp\":6}", 0, false);
    UNTIL(b, broker->subscribes == 2); /* it left, with its will, and waits on a new connection */
    CHECK_INT(broker->disconnects, 0);
    UNTIL(b, obed_status(b).state == DRIVER_DEGRADED);
    CHECK_INT(obed_send(b, 0, 1, 0, OUTLET_LIVE), 0);
    fake_publish(broker, "STATE/scada", "ONLINE", 0, true); /* the form of 2.2 */
    UNTIL(b, sent("spBv1.0/G/NBIRTH/E") == 2);
    CHECK_INT(metric(last("spBv1.0/G/NBIRTH/E"), 0).value.u, 1);
    finish(b);
}

/* ---- sets ---- */

TEST(a_set_that_differs_is_told)
{
    struct obed *b = born("");
    obed_set(b); /* the same: nothing */
    obed_point(b, "LT.X", "F!X", VALUE_AUTO);
    obed_set(b);
    UNTIL(b, sent("spBv1.0/G/DBIRTH/E/F") == 1);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 2);
    struct spb_metric m = metric(last("spBv1.0/G/DBIRTH/E/F"), 0);
    CHECK(m.null && m.datatype == SPB_T_Double); /* no value yet */
    CHECK_Z(property(&m, "Quality"), "0");
    CHECK_INT(broker->connects, 1);
    b->npoints = 1;
    obed_set(b);
    UNTIL(b, sent("spBv1.0/G/NBIRTH/E") == 3);
    CHECK(sent("spBv1.0/G/DDEATH/E/D") == 1 && sent("spBv1.0/G/DDEATH/E/F") == 1);
    CHECK_INT(sent("spBv1.0/G/DBIRTH/E/D"), 2);
    finish(b);
}

TEST(addresses)
{
    static const struct {
        const char *address, *canonical;
    } t[] = {{"T", "T"},
             {"D!Motor/Speed", "D!Motor/Speed"},
             {" D ! S ", "D!S"},
             {"D!a!b", "D!a!b"},
             {"!S", NULL},
             {"a/b!S", NULL},
             {"D!", NULL},
             {"", NULL},
             {"bdSeq", NULL},
             {"Node Control/Rebirth", NULL},
             {"D!bdSeq", "D!bdSeq"}};
    char text[64];
    uint64_t next = 0;
    struct error e;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct outlet_point p = {.address = t[i].address};
        struct outlet_address r;
        int rc = sparkplug_edge_outlet.address_check(&p, NULL, &r, &e);
        if ((rc == 0) != (t[i].canonical != NULL)) test_fail(__FILE__, __LINE__, "'%s': %d", t[i].address, rc);
        if (rc == 0) CHECK_Z(r.canonical, t[i].canonical);
        if (rc == 0) CHECK_Z(r.key, t[i].canonical);
        if (rc) CHECK(e.text[0] && e.text_zh[0]);
    }
    struct outlet_point p = {.code = "LT.T!1", .device = "pump/3"};
    CHECK_INT(sparkplug_edge_outlet.address_default(&p, NULL, &next, text, sizeof text, &e), 0);
    CHECK_Z(text, "pump_3!LT.T_1");
    CHECK_INT(sparkplug_edge_outlet.address_default(&p, NULL, &next, text, 8, &e), ERR_TOO_LARGE);
}

TEST(a_set_without_memory_leaves_the_old_one)
{
    struct obed *b = born("");
    struct error e;
    int rc = ERR_NOMEM;
    obed_point(b, "LT.X", "F!X", VALUE_AUTO);
    for (uint64_t k = 1; k < 15; k++) { /* as many as the set itself takes */
        mem_fail_at(k, false);
        rc = b->outlet->channel_set(b->ch, b->points, b->npoints, &e);
        mem_fail_at(0, false);
        CHECK_INT(rc, ERR_NOMEM);
        CHECK_INT(obed_status(b).points, 2);
    }
    obed_set(b);
    UNTIL(b, sent("spBv1.0/G/DBIRTH/E/F") == 1);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 2);
    finish(b);
}

/* ---- commands ---- */

static void command(struct obed *b, const char *topic, struct spb_metric m)
{
    struct buf p;
    buf_init(&p, 1024);
    spb_put_timestamp(&p, 1);
    spb_put_metric(&p, &m);
    fake_send(broker->conns,
              &(struct mqtt_packet){.type = MQTT_PUBLISH, .topic = str_of(topic), .payload = buf_view(&p)});
    buf_fini(&p);
}

TEST(commands_go_to_the_host)
{
    struct obed *b = born("");
    struct spb_metric m = {.has_alias = true,
                           .alias = 2,
                           .has_datatype = true,
                           .datatype = SPB_T_Int16,
                           .value = {.field = SPB_V_INT, .u = 0xfffb}};
    b->write_outcome = DRIVER_DONE;
    b->readback = true;
    command(b, "spBv1.0/G/DCMD/E/D", m);
    UNTIL(b, b->writes == 1);
    CHECK(b->write.slot == 1 && b->write.value.type == SAMPLE_INT && b->write.value.v.i == -5);
    CHECK(strstr(b->write.peer, "mqtt 127.0.0.1:"));
    UNTIL(b, sent("spBv1.0/G/DDATA/E/D") == 1); /* what was read back is told */
    CHECK_INT((int16_t)metric(last("spBv1.0/G/DDATA/E/D"), 0).value.u, -5);
    CHECK_INT(obed_status(b).writes, 1);
    b->write_outcome = DRIVER_REFUSED; /* then what is in force is told */
    command(b, "spBv1.0/G/DCMD/E/D", m);
    UNTIL(b, sent("spBv1.0/G/DDATA/E/D") == 2);
    CHECK_INT(metric(last("spBv1.0/G/DDATA/E/D"), 0).value.u, 1480);
    /* by name; read-only; of another device; with a name that is not that of the alias; a text; broken */
    command(b, "spBv1.0/G/NCMD/E",
            (struct spb_metric){.has_name = true,
                                .name = STR("T"),
                                .has_datatype = true,
                                .datatype = SPB_T_Double,
                                .value = {.field = SPB_V_DOUBLE, .d = 1}});
    UNTIL(b, strstr(b->last_log, "read-only"));
    command(b, "spBv1.0/G/NCMD/E", m);
    UNTIL(b, strstr(b->last_log, "there is not"));
    m.has_name = true, m.name = STR("T");
    command(b, "spBv1.0/G/DCMD/E/D", m);
    m.has_name = false, m.datatype = SPB_T_String, m.value = (struct spb_value){.field = SPB_V_STRING, .s = STR("x")};
    command(b, "spBv1.0/G/DCMD/E/D", m);
    UNTIL(b, strstr(b->last_log, "does not fit"));
    fake_publish(broker, "spBv1.0/G/NCMD/E", "\x12\x09", 1, false);
    UNTIL(b, strstr(b->last_log, "broken"));
    CHECK_INT(b->writes, 2);
    finish(b);
}

TEST(rebirths_are_spaced)
{
    struct obed *b = born("");
    struct spb_metric m = {.has_name = true,
                           .name = STR(SPB_REBIRTH),
                           .has_datatype = true,
                           .datatype = SPB_T_Boolean,
                           .value = {.field = SPB_V_BOOL, .u = 1}};
    for (int k = 0; k < 20; k++) command(b, "spBv1.0/G/NCMD/E", m);
    for (int k = 0; k < 5; k++) bed_step(b);
    CHECK_INT(sent("spBv1.0/G/NBIRTH/E"), 1);
    b->skip_ns = NS_S;
    UNTIL(b, sent("spBv1.0/G/NBIRTH/E") == 2);
    CHECK_INT(metric(last("spBv1.0/G/NBIRTH/E"), 0).value.u, 0); /* the same life */
    finish(b);
}

TEST(closing_with_a_write_at_the_host)
{
    struct obed *b = born("");
    b->hold_writes = true;
    command(b, "spBv1.0/G/DCMD/E/D",
            (struct spb_metric){.has_name = true, .name = STR("S"), .value = {.field = SPB_V_INT, .u = 5}});
    UNTIL(b, b->writes == 1);
    struct obed_write w = b->write;
    b->outlet->close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    for (int k = 0; k < 5; k++) bed_step(b);
    CHECK(!b->closed);
    obed_finish_write(b, &w, DRIVER_UNKNOWN);
    UNTIL(b, b->closed);
    finish(b);
}

/* ---- the connection ---- */

TEST(tests_of_the_connection)
{
    struct obed *b = edge("");
    obed_test(b);
    CHECK_INT(b->test_code, 0);
    CHECK_Z(b->test_detail, "connected to the broker");
    CHECK(!broker->last_will && broker->nmessages == 0); /* nothing is told by a trial */
    finish(b);
    b = edge("");
    broker->code = 4;
    obed_test(b);
    CHECK_INT(b->test_code, ERR_UNAUTHENTICATED);
    finish(b);
    b = edge("");
    broker->sub_code = 0x80;
    obed_test(b);
    CHECK_INT(b->test_code, ERR_FORBIDDEN);
    finish(b);
}

TEST(a_node_that_cannot_be)
{
    struct obed *b = obed_new(&sparkplug_edge_outlet);
    struct error e;
    struct outlet_channel *ch;
    CHECK_INT(sparkplug_edge_outlet.channel_open(
                  &b->host, bed_options(b, sparkplug_edge_outlet.channel_options, "{\"host\":\"h\",\"group\":\"a/b\"}"),
                  &ch, &e),
              ERR_INVALID);
    CHECK_Z(e.where, "group");
    obed_free(b);
}
