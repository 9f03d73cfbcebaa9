/* The publisher against a broker on the same loop. */
#include "outlets/common/testbed.h"
#include "drivers/common/mqtt_testbed.h"
#include "outlets/mqtt/outlet.h"

#define T0 1767225600000000 /* 2026-01-01T00:00:00Z */

struct mbed {
    struct obed *b;
    struct fake_broker *broker;
};

static struct mbed up(const char *more, size_t npoints)
{
    struct mbed m = {.b = obed_new(&mqtt_publisher_outlet)};
    char json[2000], code[24];
    m.broker = fake_new(&m.b->loop);
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"reconnect_min\":\"10ms\",\"reconnect_max\":\"20ms\"%s}",
             m.broker->port, more);
    obed_open(m.b, json);
    for (size_t i = 0; i < npoints; i++) {
        snprintf(code, sizeof code, "P%zu", i);
        uint32_t k = obed_point(m.b, code, "", VALUE_AUTO);
        m.b->points[k].area = i % 2 ? "north" : "south";
        m.b->points[k].writable = i == 0;
    }
    obed_set(m.b);
    UNTIL(m.b, obed_status(m.b).state == DRIVER_UP || obed_status(m.b).state == DRIVER_DEGRADED || m.broker->code ||
                   npoints == 0);
    return m;
}

static void down(struct mbed *m)
{
    obed_close(m->b);
    fake_stop(m->broker);
    bed_step(m->b);
    obed_free(m->b);
    mem_free(m->broker);
}

static struct outlet_item item(struct obed *b, uint32_t slot, double x, int64_t us)
{
    return (struct outlet_item){
        .slot = slot,
        .sample = {.type = SAMPLE_DOUBLE, .v.d = x, .point = b->points[slot].num, .time_us = us},
        .text = ""};
}

TEST(one_message_for_each_value)
{
    struct mbed m = up(",\"topic\":\"plant/${area}/${code}\"", 2);
    struct outlet_item items[] = {item(m.b, 0, 1.5, T0), item(m.b, 1, 2, T0), item(m.b, 0, 3, T0 + 1000000)};
    uint64_t t = obed_send_items(m.b, items, 3, OUTLET_LIVE);
    CHECK(t && !m.b->sent[t]); /* not from inside */
    UNTIL(m.b, m.b->sent[t]);
    CHECK_INT(m.b->sent_code[t], 0);
    CHECK_INT(m.broker->nmessages, 3);
    CHECK_STR(str_of(m.broker->messages[0].topic), "plant/south/P0");
    CHECK_STR(str_of(m.broker->messages[1].topic), "plant/north/P1");
    CHECK_INT(m.broker->messages[0].qos, 1);
    CHECK_STR(str_of(m.broker->messages[0].payload),
              "{\"code\":\"P0\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,\"value\":1.5,"
              "\"quality\":\"good\"}");
    CHECK(strstr(m.broker->messages[2].payload, "\"value\":3,"));
    CHECK_INT(obed_status(m.b).items, 3);
    CHECK(m.broker->last_clean);
    CHECK_STR(str_of(m.broker->last_id), "bornite-bed");
    down(&m);
}

TEST(values_of_a_topic_together)
{
    struct mbed m =
        up(",\"topic\":\"plant/${area}\",\"group\":\"topic\",\"form\":\"keys\",\"qos\":2,\"retain\":true", 3);
    struct outlet_item items[] = {item(m.b, 0, 1, T0), item(m.b, 1, 2, T0), item(m.b, 2, 3, T0)};
    uint64_t t = obed_send_items(m.b, items, 3, OUTLET_LIVE);
    UNTIL(m.b, m.b->sent[t]);
    CHECK_INT(m.broker->nmessages, 2);
    CHECK_STR(str_of(m.broker->messages[0].topic), "plant/south");
    CHECK_STR(str_of(m.broker->messages[0].payload), "[{\"ts\":1767225600000,\"values\":{\"P0\":1,\"P2\":3}}]");
    CHECK(m.broker->messages[0].retain && m.broker->messages[0].qos == 2);
    CHECK_INT(m.broker->pubrels, 2);
    down(&m);
}

TEST(templates_stand_alone_for_a_value)
{
    struct mbed m = up(",\"form\":\"template\",\"template\":\"${code}=${value}\",\"qos\":0,\"topic\":\"t/${node}\"", 1);
    uint64_t t = obed_send(m.b, 0, 7.5, T0, OUTLET_LIVE);
    UNTIL(m.b, m.b->sent[t] && m.broker->nmessages == 1);
    CHECK_STR(str_of(m.broker->messages[0].payload), "P0=7.5");
    CHECK_STR(str_of(m.broker->messages[0].topic), "t/bornite-test");
    down(&m);
}

TEST(batches_wait_for_their_acknowledgements)
{
    struct mbed m = up(",\"window\":2,\"inflight\":3", 1);
    struct outlet_item items[5];
    m.broker->mute_acks = true;
    for (int i = 0; i < 5; i++) items[i] = item(m.b, 0, i, T0 + i);
    uint64_t a = obed_send_items(m.b, items, 5, OUTLET_LIVE), b = obed_send_items(m.b, items, 2, OUTLET_LIVE);
    CHECK(a && b && !obed_send(m.b, 0, 1, T0, OUTLET_LIVE));
    UNTIL(m.b, m.broker->nmessages == 3);
    bed_step(m.b);
    CHECK_INT(m.broker->nmessages, 3); /* the window of messages */
    m.broker->mute_acks = false;
    for (int i = 0; i < 3; i++)
        fake_send(m.broker->conns, &(struct mqtt_packet){.type = MQTT_PUBACK, .id = m.broker->messages[i].id});
    UNTIL(m.b, m.b->sent[a] && m.b->sent[b] && m.b->ready);
    CHECK_INT(m.broker->nmessages, 7);
    for (int i = 0; i < 7; i++) { /* in order */
        char want[32];
        snprintf(want, sizeof want, "\"value\":%d,", i < 5 ? i : i - 5);
        CHECK(strstr(m.broker->messages[i].payload, want));
    }
    down(&m);
}

TEST(a_lost_connection_fails_what_was_under_way)
{
    struct mbed m = up("", 1);
    m.broker->mute_acks = true;
    uint64_t a = obed_send(m.b, 0, 1, T0, OUTLET_LIVE), b = obed_send(m.b, 0, 2, T0, OUTLET_LIVE);
    UNTIL(m.b, m.broker->nmessages == 2);
    fake_stop(m.broker);
    UNTIL(m.b, m.b->sent[a] && m.b->sent[b]);
    CHECK_INT(m.b->sent_code[a], ERR_UNAVAILABLE);
    CHECK(!obed_send(m.b, 0, 1, T0, OUTLET_LIVE));
    CHECK(obed_status(m.b).state == DRIVER_DOWN || obed_status(m.b).state == DRIVER_CONNECTING);
    m.broker->mute_acks = false;
    unsigned ready = m.b->ready;
    fake_listen(m.broker);
    UNTIL(m.b, m.b->ready > ready);
    CHECK(m.broker->nmessages == 2); /* nothing by itself: the journal offers it again */
    a = obed_send(m.b, 0, 1, T0, OUTLET_LIVE);
    UNTIL(m.b, m.b->sent[a]);
    CHECK_INT(m.b->sent_code[a], 0);
    down(&m);
}

TEST(refusals)
{
    static const struct {
        uint8_t code;
        int want;
    } v[] = {{MQTT_TOPIC, ERR_INVALID}, {MQTT_NOT_AUTHORIZED, ERR_FORBIDDEN}};
    for (size_t i = 0; i < 2; i++) {
        struct mbed m = up(",\"version\":\"5.0\"", 1);
        m.broker->ack_code = v[i].code;
        uint64_t t = obed_send(m.b, 0, 1, T0, OUTLET_LIVE);
        UNTIL(m.b, m.b->sent[t]);
        CHECK_INT(m.b->sent_code[t], v[i].want);
        UNTIL(m.b, obed_status(m.b).state == DRIVER_DEGRADED);
        /* what may be taken later waits a while; what never will does not hold up the next */
        CHECK_INT(obed_send(m.b, 0, 2, T0, OUTLET_LIVE) != 0, i == 0);
        m.b->skip_ns = 2000000000;
        m.broker->ack_code = 0;
        bed_step(m.b);
        t = obed_send(m.b, 0, 2, T0, OUTLET_LIVE);
        CHECK(t);
        UNTIL(m.b, m.b->sent[t] && obed_status(m.b).state == DRIVER_UP);
        down(&m);
    }
}

TEST(too_long_is_split)
{
    struct mbed m = up(",\"group\":\"topic\",\"topic\":\"all\",\"message_max\":300", 1);
    struct outlet_item items[8];
    for (int i = 0; i < 8; i++) items[i] = item(m.b, 0, i, T0 + i);
    uint64_t t = obed_send_items(m.b, items, 8, OUTLET_LIVE);
    UNTIL(m.b, m.b->sent[t]);
    CHECK_INT(m.broker->nmessages, 4);
    for (int i = 0; i < 4; i++) CHECK(m.broker->messages[i].n <= 300);
    CHECK_INT(m.b->sent_code[t], 0);
    down(&m);
}

TEST(birth_and_will)
{
    struct mbed m = up(",\"status_topic\":\"n/${node}\",\"offline\":\"gone\"", 1);
    CHECK_STR(str_of(m.broker->will_topic), "n/bornite-test");
    CHECK_STR(str_of(m.broker->will_payload), "gone");
    UNTIL(m.b, m.broker->nmessages == 1);
    CHECK_STR(str_of(m.broker->messages[0].payload), "online");
    CHECK(m.broker->messages[0].retain);
    obed_close(m.b);
    UNTIL(m.b, m.broker->disconnects == 1);
    CHECK_INT(m.broker->nmessages, 2);
    CHECK_STR(str_of(m.broker->messages[1].payload), "gone");
    down(&m);
}

TEST(commands)
{
    struct mbed m = up(",\"version\":\"5.0\",\"command_topic\":\"${code}/set\",\"reply_topic\":\"${code}/result\"", 2);
    UNTIL(m.b, m.broker->subscribes == 1);
    CHECK_STR(str_of(m.broker->filters), "P0/set:1 "); /* P1 is not writable */
    fake_publish(m.broker, "P0/set", "12.5", 1, false);
    UNTIL(m.b, m.broker->nmessages == 1);
    CHECK_INT(m.b->writes, 1);
    CHECK_DBL(m.b->write.value.v.d, 12.5, 0);
    CHECK_STR(str_of(m.b->write.peer), "127.0.0.1");
    CHECK_STR(str_of(m.broker->messages[0].topic), "P0/result");
    CHECK(strstr(m.broker->messages[0].payload, "\"code\":\"P0\"") &&
          strstr(m.broker->messages[0].payload, "\"outcome\":\"done\""));
    CHECK_INT(m.broker->nacks, 1);
    m.b->write_outcome = DRIVER_REFUSED;
    fake_publish(m.broker, "P0/set", "{\"id\":77,\"value\":true}", 1, false);
    UNTIL(m.b, m.broker->nmessages == 2);
    CHECK_INT(m.b->write.value.type, SAMPLE_BOOL);
    CHECK(strstr(m.broker->messages[1].payload, "\"id\":\"77\"") &&
          strstr(m.broker->messages[1].payload, "\"outcome\":\"refused\"") &&
          strstr(m.broker->messages[1].payload, "the bed says no"));
    fake_publish(m.broker, "P0/set", "text of its own", 0, false);
    UNTIL(m.b, m.broker->nmessages == 3);
    CHECK_STR(str_of(m.b->write.text), "text of its own");
    fake_publish(m.broker, "P0/set", "{\"v\":1}", 1, false);
    UNTIL(m.b, m.broker->nmessages == 4);
    CHECK(strstr(m.broker->messages[3].payload, "command_path"));
    fake_publish(m.broker, "P0/set", "1", 1, true); /* retained: nobody knows how old */
    fake_publish(m.broker, "P1/set", "1", 1, false);
    UNTIL(m.b, m.broker->nacks == 5);
    CHECK_INT(m.b->writes, 3);
    struct mqtt_packet p = {.type = MQTT_PUBLISH, .topic = STR("P0/set"), .payload = STR("5")};
    mqtt_text_set(&p.props, MQTT_T_RESPONSE_TOPIC, STR("my/answer"));
    mqtt_text_set(&p.props, MQTT_T_CORRELATION, STR("c1"));
    fake_send(m.broker->conns, &p);
    UNTIL(m.b, m.broker->nmessages == 5);
    CHECK_STR(str_of(m.broker->messages[4].topic), "my/answer");
    down(&m);
}

TEST(alarms)
{
    struct mbed m = {.b = NULL};
    m = up(",\"alarm_topic\":\"${code}/alarm\"", 1);
    struct outlet_alarm a = {.id = "A1",
                             .slot = 0,
                             .rule = "high",
                             .message_en = "too high",
                             .message_zh = "过高",
                             .severity = 700,
                             .active = true,
                             .active_us = T0,
                             .changed_us = T0};
    mqtt_publisher_outlet.alarm(m.b->ch, &a);
    UNTIL(m.b, m.broker->nmessages == 1);
    CHECK_STR(str_of(m.broker->messages[0].topic), "P0/alarm");
    CHECK_STR(str_of(m.broker->messages[0].payload),
              "{\"id\":\"A1\",\"code\":\"P0\",\"name\":\"P0\",\"rule\":\"high\",\"message\":\"too high\","
              "\"message_zh\":\"过高\",\"severity\":700,\"active\":true,\"acknowledged\":false,"
              "\"since\":\"2026-01-01T00:00:00Z\",\"time\":\"2026-01-01T00:00:00Z\"}");
    m.b->alarms[m.b->nalarms++] = a; /* in force: told with the next connection */
    fake_drop_all(m.broker);
    UNTIL(m.b, m.broker->nmessages == 2);
    CHECK(strstr(m.broker->messages[1].payload, "\"A1\""));
    a.slot = UINT32_MAX;
    mqtt_publisher_outlet.alarm(m.b->ch, &a);
    fake_drop_all(m.broker);
    UNTIL(m.b, m.broker->connects == 3); /* closed with the question under way */
    down(&m);
}

TEST(closing_waits_for_a_command)
{
    struct mbed m = up(",\"command_topic\":\"${code}/set\"", 1);
    UNTIL(m.b, m.broker->subscribes == 1);
    m.b->hold_writes = true;
    fake_publish(m.broker, "P0/set", "1", 1, false);
    UNTIL(m.b, m.b->writes == 1);
    bool closed = false;
    mqtt_publisher_outlet.close(m.b->ch, bed_closed, &closed);
    m.b->ch = NULL;
    bed_step(m.b);
    CHECK(!closed);
    struct obed_write w = m.b->write;
    obed_finish_write(m.b, &w, DRIVER_UNKNOWN);
    UNTIL(m.b, closed);
    down(&m);
}

TEST(points_that_clash_and_sets_that_change)
{
    struct mbed m = up(",\"topic\":\"x/${area}\",\"command_topic\":\"set/all\"", 2);
    m.b->points[1].writable = true;
    m.b->points[1].area = "a+b";
    obed_set(m.b);
    UNTIL(m.b, obed_status(m.b).state == DRIVER_DEGRADED);
    CHECK(strstr(obed_status(m.b).reason, "command_topic"));
    struct outlet_item items[] = {item(m.b, 1, 1, T0), item(m.b, 0, 1, T0)};
    uint64_t t = obed_send_items(m.b, items, 1, OUTLET_LIVE); /* nowhere to go: done */
    UNTIL(m.b, m.b->sent[t]);
    t = obed_send_items(m.b, items, 2, OUTLET_LIVE);
    UNTIL(m.b, m.b->sent[t]);
    CHECK_INT(m.broker->nmessages, 1);
    m.b->npoints = 0;
    obed_set(m.b);
    UNTIL(m.b, m.broker->open == 0);
    CHECK_INT(obed_status(m.b).state, DRIVER_OFF);
    down(&m);
}

TEST(wrong_options_and_wrong_passwords)
{
    static const char *const wrong[] = {"\"topic\":\"a/#\"",       "\"topic\":\"a/${nothing}\"",
                                        "\"command_topic\":\"+\"", "\"form\":\"template\",\"template\":\"${x}\"",
                                        "\"command_path\":\"$[\"", "\"status_topic\":\"#\"",
                                        "\"password\":\"p\""};
    struct mbed m = up("", 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char json[300];
        struct error e = {0};
        struct outlet_channel *ch;
        snprintf(json, sizeof json, "{\"host\":\"h\",%s}", wrong[i]);
        const struct options *o = bed_options_of(&m.b->arena, mqtt_publisher_outlet.channel_options, json);
        CHECK_INT(mqtt_publisher_outlet.channel_open(&m.b->host, o, &ch, &e), ERR_INVALID);
        if (!e.where[0] || !e.text_zh[0]) test_fail(__FILE__, __LINE__, "%s: %s", wrong[i], e.text);
    }
    obed_test(m.b);
    CHECK_INT(m.b->test_code, 0);
    CHECK_STR(str_of(m.b->test_detail), "MQTT 3.1.1, client identifier bornite-bed-00000000");
    UNTIL(m.b, m.broker->open == 0); /* no points: no connection */
    m.broker->code = 4;
    obed_test(m.b);
    CHECK_INT(m.b->test_code, ERR_UNAUTHENTICATED);
    down(&m);
}
