/* A channel against a broker on the same loop: values of every form, time, quality, retained ones, losses,
 * acknowledgement, commands, reading, browsing. */
#include "drivers/mqtt/testbed.h"

TEST(the_examples_are_right)
{
    struct error e = {0};
    for (size_t i = 0; mqtt_client_driver.examples[i]; i++) {
        struct driver_point p = bed_point(1, mqtt_client_driver.examples[i], VALUE_AUTO);
        struct driver_address a;
        if (mqtt_client_driver.address_check(&p, NULL, &a, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
        CHECK_STR(str_of(a.canonical), p.address);
        CHECK(!a.writable && a.type == VALUE_DOUBLE);
    }
}

TEST(wrong_addresses_are_told)
{
    static const struct {
        const char *device, *address, *words;
        enum value_type type;
    } v[] = {
        {"{}", "$.temp", "must name one", 0},
        {"{\"topics\":\"a/+\"}", "$.temp", "several topics", 0},
        {"{\"topics\":\"a,b\"}", "$.temp", "several topics", 0},
        {"{\"topics\":\"a\"}", "b/+#$.temp", "several topics", 0},
        {"{\"topics\":\"a\"}", "a#$.temp[", "topic#$.path", 0},
        {"{\"topics\":\"a\"}", "a/b+#$.x", "is no topic", 0},
        {"{\"topics\":\"a/b#\"}", "x", "topic filter", 0},
        {"{\"topics\":\"a\",\"form\":\"csv\"}", "a#", "names no column", 0},
        {"{\"topics\":\"a\",\"form\":\"text\"}", "a#$.x", "one value", 0},
        {"{\"topics\":\"a\",\"form\":\"binary\"}", "a#x", "is no place in bytes", 0},
        {"{\"topics\":\"a\",\"form\":\"binary\"}", "4", "bytes need a type", 0},
        {"{\"topics\":\"a\",\"form\":\"binary\"}", "4:3", "a text has a length", VALUE_INT16},
        {"{\"topics\":\"a\",\"form\":\"binary\"}", "4.3", "one bit", VALUE_INT16},
        {"{\"topics\":\"a\",\"time_zone\":\"Beijng\"}", "$.x", "+08:00", 0},
        {"{\"topics\":\"a\",\"time_path\":\"$[\"}", "$.x", "", 0},
    };
    struct bed *b = bed_new();
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct driver_point p = bed_point(1, v[i].address, v[i].type);
        struct driver_device d = bed_device(b, v[i].device);
        struct error e = {0};
        CHECK_INT(mqtt_client_driver.address_check(&p, d.options, NULL, &e), ERR_INVALID);
        if (!strstr(e.text, v[i].words) || !e.text_zh[0]) test_fail(__FILE__, __LINE__, "%s: %s", v[i].address, e.text);
    }
    struct driver_point p = bed_point(1, "a#$.x", VALUE_AUTO);
    struct driver_device d = bed_device(b, "{}");
    struct error e = {0};
    p.options = bed_options(b, mqtt_client_driver.point_options, "{\"write_topic\":\"a/#\"}");
    CHECK_INT(mqtt_client_driver.address_check(&p, d.options, NULL, &e), ERR_INVALID);
    p.options =
        bed_options(b, mqtt_client_driver.point_options, "{\"write_topic\":\"a\",\"write_template\":\"x ${nothing}\"}");
    CHECK_INT(mqtt_client_driver.address_check(&p, d.options, NULL, &e), ERR_INVALID);
    CHECK(strstr(e.text, "${nothing}"));
    bed_free(b);
}

TEST(json_values_of_all_types)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {
        bed_point(1, "$.temp", VALUE_AUTO),
        bed_point(2, "$.count", VALUE_AUTO),
        bed_point(3, "$.on", VALUE_AUTO),
        bed_point(4, "$.name", VALUE_AUTO),
        bed_point(5, "$.text", VALUE_DOUBLE),
        bed_point(6, "$.state", VALUE_BOOL),
        bed_point(7, "plant/t1#$.a[1].b", VALUE_AUTO),
        bed_point(8, "$.v[?@.id=='q'].x", VALUE_FLOAT),
        bed_point(9, "$.nothing", VALUE_AUTO),
        bed_point(10, "$.none", VALUE_AUTO),
        bed_point(11, "$.name", VALUE_DOUBLE),
        bed_point(12, "$.a", VALUE_AUTO),
        bed_point(13, "$.temp", VALUE_INT16),
        bed_point(14, "$.temp", VALUE_STRING),
    };
    p[7].scale = 2, p[7].offset = 1, p[7].hi = 10;
    bed_open(b, "");
    bed_set(b, "{\"topics\":\"plant/t1\"}", p, 14);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "plant/t1:1 ");
    CHECK_STR(str_of(b->broker->last_id), "bornite-CH");
    CHECK(!b->broker->last_clean);
    fake_publish(b->broker, "plant/t1",
                 "{\"temp\":23.5,\"count\":7,\"on\":true,\"name\":\"Öfen\",\"text\":\" 12.25 \",\"state\":\"OFF\","
                 "\"a\":[{\"b\":1},{\"b\":-2}],\"v\":[{\"id\":\"p\",\"x\":1},{\"id\":\"q\",\"x\":5}],\"none\":null}",
                 1, false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_DBL(bed_value(b, 1), 23.5, 0);
    CHECK(b->last[1].quality == QUALITY_GOOD && !(b->last[1].flags & SAMPLE_FLAG_SOURCE_TIME));
    CHECK(b->last[2].type == SAMPLE_INT && b->last[2].v.i == 7);
    CHECK(b->last[3].type == SAMPLE_BOOL && b->last[3].v.i == 1);
    CHECK_STR(str_of(bed_text(b, 4)), "Öfen");
    CHECK_DBL(bed_value(b, 5), 12.25, 0);
    CHECK(b->last[6].type == SAMPLE_BOOL && b->last[6].v.i == 0);
    CHECK_DBL(bed_value(b, 7), -2, 0);
    CHECK_DBL(bed_value(b, 8), 11, 0);
    CHECK_INT(b->last[8].quality, QUALITY_UNCERTAIN);
    CHECK_INT(b->count[9], 0); /* not in this message */
    CHECK_INT(bed_reason(b, 10), REASON_NO_DATA);
    CHECK_INT(bed_reason(b, 11), REASON_NOT_A_NUMBER);
    CHECK_STR(str_of(bed_text(b, 12)), "[{\"b\":1},{\"b\":-2}]");
    CHECK(b->last[13].type == SAMPLE_INT && b->last[13].v.i == 24);
    CHECK_STR(str_of(bed_text(b, 14)), "23.5");
    for (uint32_t i = 2; i < 15; i++)
        if (i != 9) CHECK_INT(b->last[i].time_us, b->last[1].time_us);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    CHECK(b->frames > 4);
    bed_free(b);
}

TEST(other_forms)
{
    static const struct {
        const char *device, *address, *payload;
        enum value_type type;
        double want;
    } v[] = {
        {"{\"form\":\"csv\"}", "t#2", "2026-01-01,5.5,x", VALUE_AUTO, 5.5},
        {"{\"form\":\"csv\",\"columns\":\"time,temp,flow\"}", "t#flow", "2026-01-01,5.5,6.5", VALUE_AUTO, 6.5},
        {"{\"form\":\"csv\",\"header\":true,\"separator\":\";\"}", "t#b", "a;b\n1;2\n3;4", VALUE_AUTO, 4},
        {"{\"form\":\"text\"}", "t", " -7.5\n", VALUE_AUTO, -7.5},
        {"{\"form\":\"text\"}", "t", "on", VALUE_AUTO, 1},
        {"{\"form\":\"binary\"}", "t#1", "\x01\x12\x34\x05", VALUE_UINT16, 0x1234},
        {"{\"form\":\"binary\",\"byte_order\":\"badc\"}", "t#1", "\x01\x12\x34\x05", VALUE_UINT16, 0x3412},
        {"{\"form\":\"binary\"}", "t#3.2", "\x01\x12\x34\x05", VALUE_AUTO, 1},
        {"{\"form\":\"hex\"}", "t#0", "41 20 00 00", VALUE_FLOAT, 10},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct bed *b = bed_new();
        struct driver_point p = bed_point(1, v[i].address, v[i].type);
        bed_open(b, ",\"version\":\"5.0\"");
        bed_set(b, v[i].device, &p, 1);
        bed_ready(b);
        fake_publish(b->broker, "t", v[i].payload, 2, false);
        UNTIL(b, b->broker->pubcomps == 1);
        CHECK_DBL(bed_value(b, 1), v[i].want, 1e-9);
        CHECK_INT(b->last[1].quality, QUALITY_GOOD);
        bed_free(b);
    }
}

TEST(waveforms_and_documents)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "w#$.x", VALUE_AUTO), bed_point(2, "w#$.y", VALUE_STRING),
                               bed_point(3, "w#$.z", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{}", p, 3);
    bed_ready(b);
    fake_publish(b->broker, "w", "{\"x\":[1,2.5,-3],\"y\":[1,2],\"z\":[1,\"a\"]}", 1, false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_INT(b->last[1].type, SAMPLE_BLOB);
    CHECK_STR(str_of(b->media), "application/vnd.bornite.waveform");
    CHECK_INT(b->blob_us, b->last[1].time_us);
    CHECK_STR(str_of(bed_text(b, 2)), "[1,2]");
    CHECK_STR(str_of(bed_text(b, 3)), "[1,\"a\"]");
    fake_publish(b->broker, "w", "{\"x\":[1,2.5,-3]}", 1, true); /* the same, retained: stands already */
    UNTIL(b, b->broker->nacks == 2);
    CHECK(b->blobs == 1 && b->count[1] == 1);
    bed_set(b, "{\"form\":\"binary\",\"topics\":\"cam\"}",
            &(struct driver_point){.num = 4, .address = "*", .period_ms = 1, .scale = 1, .lo = NAN, .hi = NAN}, 1);
    bed_step(b);
    fake_publish(b->broker, "cam", "\xff\xd8\xff and so on", 1, false);
    UNTIL(b, b->broker->nacks == 3);
    CHECK_INT(b->last[4].type, SAMPLE_BLOB);
    CHECK_STR(str_of(b->media), "image/jpeg");
    CHECK_INT(b->blob_n, 13);
    bed_free(b);
}

#define T0 1767225600000000 /* 2026-01-01T00:00:00Z */

TEST(time_and_quality_of_the_payload)
{
    static const struct {
        const char *device, *payload;
        int64_t us;
        unsigned quality;
    } v[] = {
        {"", "{\"t\":1767225600,\"v\":1}", T0, QUALITY_GOOD},
        {"", "{\"t\":1767225600123,\"v\":1}", T0 + 123000, QUALITY_GOOD},
        {"", "{\"t\":1767225600123456,\"v\":1}", T0 + 123456, QUALITY_GOOD},
        {"", "{\"t\":\"2026-01-01T00:00:00.5Z\",\"v\":1}", T0 + 500000, QUALITY_GOOD},
        {",\"time_zone\":\"+08:00\"", "{\"t\":\"2026/01/01 08:00:00\",\"v\":1}", T0, QUALITY_GOOD},
        {",\"time_zone\":\"+08:00\"", "{\"t\":\"2026-01-01T02:00:00+02:00\",\"v\":1}", T0, QUALITY_GOOD},
        {",\"time_format\":\"compact\",\"time_zone\":\"+08:00\"", "{\"t\":\"20260101080000\",\"v\":1}", T0,
         QUALITY_GOOD},
        {",\"time_format\":\"compact\"", "{\"t\":20260101000001250,\"v\":1}", T0 + 1250000, QUALITY_GOOD},
        {"", "{\"t\":1767225600,\"v\":1,\"q\":\"Bad\"}", T0, QUALITY_BAD},
        {"", "{\"t\":1767225600,\"v\":1,\"q\":64}", T0, QUALITY_UNCERTAIN},
        {"", "{\"t\":1767225600,\"v\":1,\"q\":192}", T0, QUALITY_GOOD},
        {"", "{\"t\":12,\"v\":1}", 0, QUALITY_GOOD},          /* a clock that nobody set */
        {"", "{\"t\":\"rubbish\",\"v\":1}", 0, QUALITY_GOOD}, /* of arrival */
        {"", "{\"t\":1867225600,\"v\":1}", 0, QUALITY_GOOD},  /* years ahead */
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct bed *b = bed_new();
        struct driver_point p = bed_point(1, "$.v", VALUE_AUTO);
        char device[200];
        b->now_us = T0 + 1000000;
        snprintf(device, sizeof device, "{\"topics\":\"t\",\"time_path\":\"t\",\"quality_path\":\"$.q\"%s}",
                 v[i].device);
        bed_open(b, "");
        bed_set(b, device, &p, 1);
        bed_ready(b);
        fake_publish(b->broker, "t", v[i].payload, 0, false);
        UNTIL(b, b->count[1] == 1);
        CHECK_INT(b->last[1].time_us, v[i].us ? v[i].us : b->now_us);
        CHECK_INT(!!(b->last[1].flags & SAMPLE_FLAG_SOURCE_TIME), v[i].us != 0);
        CHECK_INT(b->last[1].quality, v[i].quality);
        bed_free(b);
    }
}

TEST(records_have_their_own_times)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "$.v", VALUE_AUTO), bed_point(2, "$.w", VALUE_AUTO)};
    b->now_us = T0 + 3600000000;
    bed_open(b, "");
    bed_set(b, "{\"topics\":\"t\",\"records\":\"$.data[*]\",\"time_path\":\"$.ts\"}", p, 2);
    bed_ready(b);
    fake_publish(
        b->broker, "t",
        "{\"ts\":1767225603,\"data\":[{\"ts\":1767225600,\"v\":1,\"w\":5},{\"ts\":1767225601,\"v\":2},{\"v\":3}]}", 1,
        false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_INT(b->count[1], 3);
    CHECK_INT(b->all[0].time_us, T0);
    CHECK_INT(b->all[2].time_us, T0 + 1000000);
    CHECK_INT(b->last[1].time_us, T0 + 3000000); /* that of the message */
    CHECK(b->last[2].flags & SAMPLE_FLAG_SOURCE_TIME);
    bed_free(b);
}

TEST(one_topic_for_many_devices)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "$[?@.id=='a'].t", VALUE_AUTO), bed_point(2, "$[?@.id=='b'].t", VALUE_AUTO),
                               bed_point(3, "x/+/y#$.list[?@.n=='z'].v", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{\"topics\":\"gw/+/state\\ngw/all\"}", p, 3);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "gw/+/state:1 gw/all:1 x/+/y:1 ");
    fake_publish(b->broker, "gw/1/state", "[{\"id\":\"a\",\"t\":1},{\"id\":\"b\",\"t\":2}]", 0, false);
    fake_publish(b->broker, "gw/all", "[{\"id\":\"b\",\"t\":3}]", 0, false);
    fake_publish(b->broker, "x/1/y", "{\"list\":[{\"n\":\"z\",\"v\":9}]}", 0, false);
    fake_publish(b->broker, "elsewhere", "{}", 1, false); /* of an old subscription */
    UNTIL(b, b->count[3] == 1 && b->broker->nacks == 1);
    CHECK_DBL(bed_value(b, 1), 1, 0);
    CHECK_DBL(bed_value(b, 2), 3, 0);
    CHECK_INT(b->count[2], 2);
    bed_free(b);
}

TEST(a_shared_subscription_serves_the_topics_under_it)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "s/1#$.v", VALUE_AUTO);
    bed_open(b, "");
    bed_set(b, "{\"topics\":\"$share/g/s/+\"}", &p, 1);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "$share/g/s/+:1 ");
    fake_publish(b->broker, "s/1", "{\"v\":8}", 1, false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_DBL(bed_value(b, 1), 8, 0);
    bed_free(b);
}

TEST(acknowledged_when_on_disk)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$", VALUE_AUTO);
    bed_open(b, "");
    bed_set(b, "{}", &p, 1);
    bed_ready(b);
    b->hold = true;
    for (int i = 1; i <= 3; i++) fake_publish(b->broker, "t", "1.5", 1, false);
    UNTIL(b, b->count[1] == 3);
    for (int i = 0; i < 3; i++) bed_step(b);
    CHECK_INT(b->broker->nacks, 0);
    b->kept = 2;
    UNTIL(b, b->broker->nacks == 2);
    b->hold = false;
    UNTIL(b, b->broker->nacks == 3);
    b->refuse = 3; /* the way is full */
    fake_publish(b->broker, "t", "2.5", 1, false);
    fake_publish(b->broker, "t", "3.5", 1, false);
    UNTIL(b, b->broker->nacks == 5);
    CHECK_DBL(bed_value(b, 1), 3.5, 0);
    CHECK_INT(b->count[1], 5);
    CHECK(bed_status(b).held >= 3);
    unsigned accepted = b->broker->accepted;
    b->lose = true; /* the disk failed: not acknowledged, asked for again */
    fake_publish(b->broker, "t", "4.5", 1, false);
    UNTIL(b, b->broker->accepted > accepted);
    CHECK_INT(b->broker->nacks, 5);
    bed_free(b);
}

TEST(a_lost_connection_is_told_once_and_made_again)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "t#$.w", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{}", p, 2);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":1,\"w\":2}", 1, false);
    UNTIL(b, b->broker->nacks == 1);
    fake_stop(b->broker);
    UNTIL(b, b->bad[1] == 1 && b->bad[2] == 1);
    CHECK_INT(bed_reason(b, 1), REASON_NOT_CONNECTED);
    CHECK_DBL(bed_value(b, 1), 1, 0);
    CHECK_INT(bed_status(b).state == DRIVER_DOWN || bed_status(b).state == DRIVER_CONNECTING, 1);
    CHECK_INT(bed_device_status(b).state, DRIVER_DOWN);
    for (int i = 0; i < 4; i++) bed_step(b);
    CHECK_INT(b->bad[1], 1);
    b->broker->filters[0] = 0;
    fake_listen(b->broker);
    UNTIL(b, b->broker->filters[0]);
    CHECK_STR(str_of(b->broker->filters), "t:1 ");
    fake_publish(b->broker, "t", "{\"v\":3,\"w\":4}", 1, false);
    UNTIL(b, b->last[1].quality == QUALITY_GOOD);
    CHECK(bed_status(b).reconnects > 0);
    /* a session that was kept needs no new subscription */
    unsigned subs = b->broker->subscribes, connects = b->broker->connects;
    b->broker->session = true;
    fake_drop_all(b->broker);
    UNTIL(b, b->broker->connects > connects);
    fake_publish(b->broker, "t", "{\"v\":5,\"w\":6}", 1, false);
    UNTIL(b, bed_value(b, 1) == 5);
    CHECK_INT(b->broker->subscribes, subs);
    bed_free(b);
}

TEST(what_is_no_broker_is_called_again)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO)};
    b->broker->mute = true;
    bed_open(b, "");
    bed_set(b, "{}", p, 1);
    UNTIL(b, b->broker->accepted == 1);
    UNTIL(b, b->broker->conns && bed_status(b).bytes_out);
    fake_raw(b->broker->conns, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    UNTIL(b, b->bad[1] == 1);
    b->broker->mute = false;
    UNTIL(b, b->broker->accepted == 2);
    bed_ready(b);
    bed_free(b);
}

TEST(retained_messages)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{}", p, 1);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":1}", 1, true);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_INT(b->last[1].quality, QUALITY_UNCERTAIN);
    CHECK_INT(bed_reason(b, 1), REASON_LAST_KNOWN);
    fake_publish(b->broker, "t", "{\"v\":1}", 1, true); /* subscribed again: nothing new */
    UNTIL(b, b->broker->nacks == 2);
    CHECK_INT(b->count[1], 1);
    fake_publish(b->broker, "t", "{\"v\":2}", 1, false);
    UNTIL(b, b->broker->nacks == 3);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    fake_drop_all(b->broker);
    UNTIL(b, b->bad[1] == 1 && b->broker->conns);
    bed_ready(b);
    UNTIL(b, b->broker->subscribes == 2);
    fake_publish(b->broker, "t", "{\"v\":2}", 1, true); /* it is still 2 */
    UNTIL(b, b->broker->nacks == 4);
    CHECK_INT(b->count[1], 4);
    CHECK_INT(bed_reason(b, 1), REASON_LAST_KNOWN);
    CHECK_DBL(bed_value(b, 1), 2, 0);
    bed_set(b, "{\"retained\":\"ignore\"}", p, 1);
    fake_publish(b->broker, "t", "{\"v\":3}", 1, true);
    UNTIL(b, b->broker->nacks == 5);
    CHECK_DBL(bed_value(b, 1), 2, 0);
    bed_free(b);
}

TEST(retained_with_a_time_of_their_own)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO)};
    b->now_us = T0 + 3600000000;
    bed_open(b, "");
    bed_set(b, "{\"time_path\":\"$.t\"}", p, 1);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":1,\"t\":1767225600}", 1, true);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_INT(b->last[1].time_us, T0);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    CHECK(b->last[1].flags & SAMPLE_FLAG_BACKFILL);
    fake_publish(b->broker, "t", "{\"v\":1,\"t\":1767225600}", 1, true);
    UNTIL(b, b->broker->nacks == 2);
    CHECK_INT(b->count[1], 1);
    b->now_us += 1000000;
    fake_drop_all(b->broker);
    UNTIL(b, b->bad[1] == 1 && b->broker->subscribes == 2);
    b->now_us += 1000000;
    fake_publish(b->broker, "t", "{\"v\":1,\"t\":1767225600}", 1, true); /* still the same: known again */
    UNTIL(b, b->broker->nacks == 3);
    CHECK_INT(b->last[1].time_us, b->now_us);
    CHECK_INT(bed_reason(b, 1), REASON_LAST_KNOWN);
    bed_free(b);
}

TEST(payloads_that_are_none_are_told)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    bed_open(b, ",\"version\":\"5.0\"");
    bed_set(b, "{}", &p, 1);
    bed_ready(b);
    CHECK(strstr(bed_device_status(b).reason, "no message yet"));
    fake_publish(b->broker, "t", "{\"v\":", 1, false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK_INT(b->broker->ack_codes[0], MQTT_PAYLOAD);
    UNTIL(b, bed_status(b).state == DRIVER_DEGRADED);
    CHECK(strstr(bed_status(b).reason, "the payload of t is no JSON"));
    CHECK(strstr(bed_device_status(b).reason_zh, "JSON"));
    fake_publish(b->broker, "t", "{\"v\":1}", 1, false);
    UNTIL(b, bed_status(b).state == DRIVER_UP);
    CHECK_INT(bed_device_status(b).state, DRIVER_UP);
    bed_free(b);
}

TEST(a_wrong_clock_is_told)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    b->now_us = T0 + 120000000;
    bed_open(b, "");
    bed_set(b, "{\"time_path\":\"$.t\"}", &p, 1);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":1,\"t\":1767225600}", 1, false);
    UNTIL(b, b->broker->nacks == 1);
    CHECK(strstr(bed_device_status(b).reason, "its clock is 120.0 s behind"));
    CHECK(!(b->last[1].flags & SAMPLE_FLAG_BACKFILL));
    bed_free(b);
}

TEST(a_device_that_says_it_is_gone)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "t#$.w", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{\"state_topic\":\"t/lwt\",\"offline_words\":\"offline,gone\"}", p, 2);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "t:1 t/lwt:1 ");
    fake_publish(b->broker, "t/lwt", "gone", 1, true); /* retained: how it stands when we come */
    fake_publish(b->broker, "t", "{\"v\":1}", 1, true);
    UNTIL(b, b->broker->nacks == 2);
    CHECK(b->last[1].quality == QUALITY_BAD && bed_reason(b, 1) == REASON_NOT_CONNECTED);
    CHECK_DBL(bed_value(b, 1), 1, 0);
    CHECK_INT(bed_device_status(b).state, DRIVER_DOWN);
    CHECK(strstr(bed_device_status(b).reason, "offline"));
    UNTIL(b, bed_status(b).state == DRIVER_DEGRADED);
    fake_publish(b->broker, "t/lwt", "online", 1, false);
    fake_publish(b->broker, "t", "{\"v\":2,\"w\":3}", 1, false);
    UNTIL(b, b->broker->nacks == 4);
    CHECK(b->last[1].quality == QUALITY_GOOD && b->last[2].quality == QUALITY_GOOD);
    CHECK_INT(bed_device_status(b).state, DRIVER_UP);
    fake_publish(b->broker, "t/lwt", "{\"state\":\"offline\"}", 1, false); /* its last will */
    UNTIL(b, b->broker->nacks == 5);
    CHECK(b->last[1].quality == QUALITY_BAD && b->last[2].quality == QUALITY_BAD);
    fake_publish(b->broker, "t", "{\"v\":4}", 1, false); /* it is there, whatever it said */
    UNTIL(b, b->broker->nacks == 6);
    CHECK(b->last[1].quality == QUALITY_GOOD);
    UNTIL(b, bed_device_status(b).state == DRIVER_DEGRADED); /* the other one is still bad */
    bed_free(b);
}

TEST(stale_values)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "u#$.v", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{\"stale\":\"100ms\"}", p, 2);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":1}", 1, false);
    UNTIL(b, b->bad[1] == 1 && b->bad[2] == 1);
    CHECK_INT(bed_reason(b, 1), REASON_STALE);
    CHECK_INT(bed_reason(b, 2), REASON_NO_DATA);
    fake_publish(b->broker, "t", "{\"v\":1}", 1, false);
    UNTIL(b, b->last[1].quality == QUALITY_GOOD);
    bed_free(b);
}

TEST(a_bad_value_waits_for_the_host)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.[", VALUE_AUTO), bed_point(2, "u#$.v", VALUE_AUTO)};
    bed_open(b, "");
    b->refuse = 5;
    bed_set(b, "{}", p, 2);
    UNTIL(b, b->bad[1] == 1);
    CHECK_INT(b->refuse, 0);
    CHECK_INT(bed_reason(b, 1), REASON_CONFIG_ERROR);
    bed_free(b);
}

TEST(a_refused_subscription_is_told)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    b->broker->sub_code = 0x80;
    bed_open(b, "");
    bed_set(b, "{}", &p, 1);
    UNTIL(b, bed_status(b).state == DRIVER_DEGRADED);
    CHECK(strstr(bed_status(b).reason, "refuses the subscription 't'"));
    CHECK_INT(bed_reason(b, 1), REASON_DEVICE_EXCEPTION);
    bed_free(b);
}

TEST(wrong_password_is_told)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    b->broker->code = 4;
    bed_open(b, ",\"username\":\"u\",\"password\":\"p\"");
    bed_set(b, "{}", &p, 1);
    UNTIL(b, b->bad[1] == 1);
    CHECK(strstr(bed_status(b).reason, "bad user name or password"));
    mqtt_client_driver.test(b->ch, on_tested, b);
    UNTIL(b, b->tests == 1);
    CHECK(strstr(b->test_error, "bad user name or password"));
    b->broker->code = 0;
    mqtt_client_driver.test(b->ch, on_tested, b);
    UNTIL(b, b->tests == 2);
    CHECK_STR(str_of(b->test_error), "");
    CHECK_STR(str_of(b->detail), "MQTT 3.1.1, client identifier bornite-CH");
    bed_free(b);
}

TEST(the_set_changes_while_it_runs)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "a#$.v", VALUE_AUTO), bed_point(2, "b#$.v", VALUE_AUTO),
                               bed_point(3, "c#$.v", VALUE_AUTO), bed_point(4, "c#$.[", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{}", p, 2);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "a:1 b:1 ");
    b->broker->filters[0] = 0;
    bed_set(b, "{}", p + 1, 3);
    UNTIL(b, b->broker->filters[0] && b->broker->unfiltered[0]);
    CHECK_STR(str_of(b->broker->filters), "c:1 ");
    CHECK_STR(str_of(b->broker->unfiltered), "a ");
    CHECK_INT(bed_reason(b, 4), REASON_CONFIG_ERROR);
    CHECK_INT(b->broker->accepted, 1);
    fake_publish(b->broker, "b", "{\"v\":1}", 1, false);
    fake_publish(b->broker, "a", "{\"v\":1}", 1, false);
    UNTIL(b, b->broker->nacks == 2);
    CHECK(b->count[2] == 1 && b->count[1] == 0);
    bed_set(b, "{}", p, 0);
    UNTIL(b, b->broker->open == 0);
    CHECK_INT(bed_status(b).state, DRIVER_OFF);
    bed_free(b);
}

static void writable(struct bed *b, struct driver_point *p, const char *options)
{
    p->options = bed_options(b, mqtt_client_driver.point_options, options);
}

TEST(commands)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "t#$.w", VALUE_INT16),
                               bed_point(3, "t#$.x", VALUE_AUTO), bed_point(4, "t#$.y", VALUE_STRING)};
    writable(b, &p[0], "{\"write_topic\":\"cmd/v\"}");
    writable(b, &p[1],
             "{\"write_topic\":\"cmd/w\",\"write_template\":\"{\\\"set\\\":${json:value}}\",\"write_qos\":2}");
    writable(b, &p[3], "{\"write_topic\":\"cmd/y\",\"write_template\":\"{\\\"y\\\":${json:value}}\",\"write_qos\":0}");
    p[1].scale = 0.1;
    bed_open(b, "");
    bed_set(b, "{}", p, 4);
    bed_ready(b);
    bed_write(b, 1, 12.5, 0);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK_STR(str_of(b->broker->messages[0].topic), "cmd/v");
    CHECK_STR(str_of(b->broker->messages[0].payload), "12.5");
    CHECK_INT(b->broker->messages[0].qos, 1);
    bed_write(b, 2, 4.2, 0);
    UNTIL(b, b->results == 2);
    CHECK_STR(str_of(b->broker->messages[1].payload), "{\"set\":42}");
    bed_write(b, 3, 1, 0);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    CHECK(strstr(b->result_error, "write_topic"));
    struct driver_write w = {
        .point = 4, .value = {.type = SAMPLE_STRING}, .text = "a\"b", .text_len = 3, .done = on_written, .arg = b};
    mqtt_client_driver.write(b->ch, &w);
    UNTIL(b, b->results == 4);
    UNTIL(b, b->broker->nmessages == 3);
    CHECK_STR(str_of(b->broker->messages[2].payload), "{\"y\":\"a\\\"b\"}");
    bed_write(b, 4, 1, 0);
    CHECK_INT(b->result.outcome, DRIVER_REFUSED);
    bed_write(b, 1, 1, 1); /* long past */
    UNTIL(b, b->results == 6);
    CHECK_INT(b->result.outcome, DRIVER_EXPIRED);
    CHECK_INT(bed_status(b).writes, 3);
    bed_free(b);
}

TEST(a_command_is_never_sent_twice)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    writable(b, &p, "{\"write_topic\":\"cmd\"}");
    bed_open(b, "");
    bed_set(b, "{}", &p, 1);
    bed_ready(b);
    b->broker->session = b->broker->mute_acks = true;
    bed_write(b, 1, 1, 0);
    UNTIL(b, b->broker->nmessages == 1);
    unsigned connects = b->broker->connects;
    fake_drop_all(b->broker);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    UNTIL(b, b->broker->connects > connects);
    bed_step(b);
    CHECK_INT(b->broker->nmessages, 1);
    b->broker->mute_acks = false;
    fake_stop(b->broker);
    bed_write(b, 1, 2, 0); /* not connected: tried once */
    UNTIL(b, b->results == 2);
    CHECK_INT(b->result.outcome, DRIVER_FAILED);
    bed_free(b);
}

TEST(a_command_is_confirmed_by_the_topic)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    writable(b, &p, "{\"write_topic\":\"cmd\",\"write_confirm\":\"150ms\"}");
    bed_open(b, "");
    bed_set(b, "{}", &p, 1);
    bed_ready(b);
    bed_write(b, 1, 5, 0);
    UNTIL(b, b->broker->nmessages == 1);
    fake_publish(b->broker, "t", "{\"v\":4}", 0, false);
    UNTIL(b, b->count[1] == 1);
    CHECK_INT(b->results, 0);
    fake_publish(b->broker, "t", "{\"v\":5}", 0, false);
    UNTIL(b, b->results == 1);
    CHECK_INT(b->result.outcome, DRIVER_DONE);
    CHECK(b->result.has_readback && b->result.readback.v.i == 5);
    bed_write(b, 1, 6, 0);
    UNTIL(b, b->results == 2);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    CHECK(strstr(b->result_error, "has not told the value"));
    bed_free(b);
}

TEST(reading_once)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "$.v", VALUE_AUTO), bed_point(2, "u#$.w", VALUE_AUTO),
                               bed_point(3, "u#$.[", VALUE_AUTO)};
    struct driver_device d = bed_device(b, "{\"topics\":\"t\"}");
    d.num = 0;
    bed_open(b, "");
    mqtt_client_driver.read(b->ch, &d, p, 3, on_read, b);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "t:1 u:1 ");
    fake_publish(b->broker, "t", "{\"v\":7}", 1, true);
    fake_publish(b->broker, "u", "{\"w\":\"x\"}", 1, false);
    UNTIL(b, b->reads == 1);
    CHECK_INT(b->nreadings, 3);
    CHECK(b->readings[0].sample.v.i == 7 && b->readings[0].raw_len == 7);
    CHECK_STR(str_of(b->reading_text[1]), "x");
    CHECK(b->readings[2].sample.quality == QUALITY_BAD && strstr(b->reading_error[2], "topic#$.path"));
    CHECK_INT(b->nall, 0); /* nothing is published */
    UNTIL(b, b->broker->unfiltered[0]);
    CHECK_STR(str_of(b->broker->unfiltered), "t u ");
    fake_stop(b->broker);
    bed_step(b);
    mqtt_client_driver.read(b->ch, &d, p, 1, on_read, b);
    UNTIL(b, b->reads == 2);
    CHECK_INT(b->readings[0].sample.flags & SAMPLE_REASON_MASK, REASON_COMM_FAILURE);
    bed_free(b);
}

TEST(a_test_leaves_nothing_behind)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    bed_open(b, "");
    mqtt_client_driver.test(b->ch, on_tested, b);
    UNTIL(b, b->tests == 1);
    CHECK(b->broker->last_clean);
    CHECK_STR(str_of(b->broker->last_id), "bornite-CH-00000000");
    bed_set(b, "{}", &p, 1); /* points: the session of its own */
    UNTIL(b, b->broker->connects == 2 && b->broker->subscribes == 1);
    CHECK(!b->broker->last_clean);
    CHECK_STR(str_of(b->broker->last_id), "bornite-CH");
    CHECK_INT(b->bad[1], 0);
    bed_free(b);
}

TEST(browsing)
{
    struct bed *b = bed_new();
    struct driver_device d = bed_device(b, "{}");
    bed_open(b, "");
    mqtt_client_driver.browse(b->ch, &d, "", NULL, 100, on_browsed, b);
    bed_ready(b);
    CHECK_STR(str_of(b->broker->filters), "#:1 ");
    fake_publish(b->broker, "b/x", "{\"a\":{\"b\":[1,\"two\"]},\"c\":true}", 1, true);
    fake_publish(b->broker, "a", "17", 0, false);
    UNTIL(b, b->browses == 1);
    CHECK_INT(b->nitems, 2);
    CHECK_STR(str_of(b->item_text[0][0]), "a");
    CHECK_STR(str_of(b->item_text[0][2]), "17");
    CHECK_STR(str_of(b->item_text[1][0]), "b/x");
    mqtt_client_driver.browse(b->ch, &d, "b/x", NULL, 100, on_browsed, b);
    CHECK_INT(b->browses, 2);
    CHECK_INT(b->nitems, 3);
    CHECK_STR(str_of(b->item_text[0][1]), "b/x#$.a.b[0]");
    CHECK_STR(str_of(b->item_text[0][2]), "1");
    CHECK_STR(str_of(b->item_text[1][1]), "b/x#$.a.b[1]");
    CHECK_STR(str_of(b->item_text[1][2]), "two");
    CHECK_STR(str_of(b->item_text[2][1]), "b/x#$.c");
    CHECK_INT(b->items[2].type, VALUE_BOOL);
    struct driver_point p = bed_point(1, b->item_text[0][1], VALUE_AUTO); /* what is offered can be used */
    CHECK_INT(mqtt_client_driver.address_check(&p, d.options, NULL, NULL), 0);
    mqtt_client_driver.browse(b->ch, &d, "c/+", NULL, 100, on_browsed, b);
    CHECK(strstr(b->test_error, "'c/+' is no topic"));
    unsigned n = b->broker->subscribes;
    mqtt_client_driver.browse(b->ch, &d, "c", NULL, 100, on_browsed, b); /* not seen yet */
    UNTIL(b, b->broker->subscribes > n);
    fake_publish(b->broker, "c", "[5]", 0, true);
    UNTIL(b, b->browses == 4);
    CHECK_STR(str_of(b->item_text[0][1]), "c#$[0]");
    bed_free(b);
}

TEST(out_of_memory_leaves_the_old_set)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "u#$[?@.a==1].w", VALUE_AUTO)};
    struct driver_device d = bed_device(b, "{\"topics\":\"u\",\"time_path\":\"$.t\"}");
    int rc = ERR_NOMEM;
    unsigned nth = 1;
    bed_open(b, "");
    bed_set(b, "{}", p, 1);
    bed_ready(b);
    for (; rc == ERR_NOMEM && nth < 100; nth++) {
        struct error e = {0};
        mem_fail_at(nth, true);
        rc = mqtt_client_driver.channel_set(b->ch, &d, 1, p, 2, &e);
        mem_fail_at(0, false);
        if (rc) CHECK_INT(bed_status(b).points, 1);
    }
    CHECK_INT(rc, 0);
    CHECK(nth > 5);
    UNTIL(b, bed_status(b).points == 2 && b->broker->conns);
    bed_free(b);
}

/* Memory that runs out at any point of a message: nothing breaks, and what was not taken is not acknowledged. */
TEST(out_of_memory_while_messages_come)
{
    struct bed *b = bed_new();
    struct driver_point p[] = {bed_point(1, "t#$.v", VALUE_AUTO), bed_point(2, "t#$.s", VALUE_AUTO)};
    bed_open(b, "");
    bed_set(b, "{}", p, 2);
    bed_ready(b);
    b->starving = true;
    for (unsigned nth = 1; nth < 24; nth++) {
        unsigned got = b->count[1], acked = b->broker->nacks, connects = b->broker->connects;
        char text[100];
        snprintf(text, sizeof text, "{\"v\":%u,\"s\":\"text %u\",\"more\":[1,2,3]}", nth, nth);
        fake_publish(b->broker, "t", text, 1, false);
        mem_fail_at(nth, false);
        for (int i = 0; i < 3 && b->broker->nacks == acked; i++) bed_step(b);
        mem_fail_at(0, false);
        UNTIL(b, b->broker->conns);
        if (b->broker->nacks > acked && connects == b->broker->connects)
            CHECK(b->count[1] > got || bed_status(b).errors);
    }
    fake_publish(b->broker, "t", "{\"v\":-1}", 1, false);
    UNTIL(b, bed_value(b, 1) == -1);
    bed_free(b);
}

static void close_when_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct bed *b = arg;
    b->reads++;
    mqtt_client_driver.close(TAKE(b->ch), bed_closed, &b->closed);
}

TEST(closing_in_the_answer)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    struct driver_device d = bed_device(b, "{}");
    bed_open(b, "");
    mqtt_client_driver.read(b->ch, &d, &p, 1, close_when_read, b);
    bed_ready(b);
    fake_publish(b->broker, "t", "{\"v\":7}", 1, true);
    UNTIL(b, b->closed);
    CHECK_INT(b->reads, 1);
    bed_free(b);
}

TEST(closing_with_everything_under_way)
{
    struct bed *b = bed_new();
    struct driver_point p = bed_point(1, "t#$.v", VALUE_AUTO);
    struct driver_device d = bed_device(b, "{\"topics\":\"t\"}");
    writable(b, &p, "{\"write_topic\":\"cmd\"}");
    bed_open(b, "");
    bed_set(b, "{}", &p, 1);
    bed_ready(b);
    b->broker->mute_acks = b->hold = true;
    bed_write(b, 1, 1, 0);
    fake_publish(b->broker, "t", "{\"v\":1}", 1, false);
    UNTIL(b, b->broker->nmessages == 1 && b->count[1] == 1);
    mqtt_client_driver.read(b->ch, &d, &p, 1, on_read, b);
    mqtt_client_driver.browse(b->ch, &d, "", NULL, 10, on_browsed, b);
    b->refuse = 1000;
    bed_close(b);
    CHECK(b->results == 1 && b->reads == 1 && b->browses == 1);
    CHECK_INT(b->result.outcome, DRIVER_UNKNOWN);
    CHECK_INT(b->broker->nacks, 0);
    bed_free(b);
}
