/* testbed.h - for the tests of this folder: a broker (drivers/common/mqtt_testbed.h) through which edge nodes speak
 * that the test plays, and a host that keeps what is published. One thread. Functions are static. */
#pragma once
#include <signal.h>
#include "base/time.h"
#include "drivers/common/testbed.h"
#include "drivers/common/mqtt_testbed.h"
#include "drivers/sparkplug/driver.h"
#include "proto/sparkplug_edge.h"

#define BED_POINTS 64
#define BED_SAMPLES 512

struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct fake_broker *broker;
    struct driver_host host;
    struct driver_channel *ch;
    const struct driver_device *devices;
    struct driver_device device_rows[4];
    struct driver_point points[BED_POINTS];
    size_t ndevices, npoints;
    struct sample last[BED_POINTS + 1]; /* by num */
    struct sample all[BED_SAMPLES];
    unsigned count[BED_POINTS + 1], nall, refuse, refused, interns, blobs, states, bad_frames;
    char text[65536], blob_type[64];
    size_t blob_n;
    int64_t now_us; /* 0: the real time */
    bool closed, done;
    struct driver_write_result result;
    char why[ERROR_TEXT_MAX], detail[200];
    struct driver_reading readings[8];
    char reading_text[8][200];
    struct driver_browse_item items[64];
    char item_text[64][5][200];
    size_t nitems;
    char next[32];
    /* the edge node that the test plays */
    struct spb_edge edge;
    struct buf payload;
};

/* ---- the host ---- */

BED int bed_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        b->refused++;
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i].point > BED_POINTS) continue;
        b->last[s[i].point] = s[i];
        b->count[s[i].point]++;
        if (b->nall < BED_SAMPLES) b->all[b->nall++] = s[i];
    }
    return 0;
}
BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret_id)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->text, sizeof b->text);
    *ret_id = ++b->interns;
    return 0;
}
BED int bed_blob(void *ctx, uint32_t point, int64_t time_us, const char *type, const void *p, size_t n,
                 uint64_t *ret_id)
{
    struct bed *b = ctx;
    str_to_cstr(str_of(type), b->blob_type, sizeof b->blob_type);
    b->blob_n = n;
    *ret_id = ++b->blobs;
    return 0;
}
BED int64_t bed_now(void *ctx)
{
    struct bed *b = ctx;
    return b->now_us ? b->now_us++ : 1700000000000000 + (int64_t)(uv_hrtime() / 1000 % 1000000000000);
}
BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime();
}
BED uint64_t bed_random(void *ctx)
{
    return 0x123456789abcdefull;
}
BED void bed_log(void *ctx, enum driver_log level, const char *msg, const char *kv) {}
BED void bed_frame(void *ctx, const struct driver_frame *f)
{
    struct bed *b = ctx;
    char en[400], zh[400];
    if (f->error) b->bad_frames++;
    sparkplug_driver.describe(f, en, zh, sizeof en);
}
BED void bed_state(void *ctx, enum driver_state s, const struct error *why)
{
    ((struct bed *)ctx)->states++;
}

BED struct bed *bed_new(const char *options)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    char json[600];
    struct error e = {0};
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 64 << 20);
    buf_init(&b->payload, 1 << 20);
    b->broker = fake_new(&b->loop);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .publish = bed_publish,
                                   .intern = bed_intern,
                                   .blob = bed_blob,
                                   .now_us = bed_now,
                                   .mono_ns = bed_mono,
                                   .random = bed_random,
                                   .log = bed_log,
                                   .frame = bed_frame,
                                   .state = bed_state};
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"reconnect_min\":\"20ms\",\"reconnect_max\":\"40ms\",\"rebirth_"
             "interval\":\"100ms\","
             "\"reorder_timeout\":\"60ms\",\"birth_timeout\":\"300ms\",\"write_timeout\":\"300ms\"%s%s}",
             b->broker->port, options[0] ? "," : "", options);
    if (sparkplug_driver.channel_open(&b->host, bed_options(b, sparkplug_driver.channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", json, e.text);
    return b;
}

BED uint32_t bed_device(struct bed *b, const char *json)
{
    uint32_t k = (uint32_t)b->ndevices++;
    b->device_rows[k] = (struct driver_device){
        .num = k + 1, .code = "dev", .options = bed_options(b, sparkplug_driver.device_options, json)};
    return k;
}
BED uint32_t bed_point(struct bed *b, uint32_t device, const char *address, enum value_type t)
{
    b->points[b->npoints] = (struct driver_point){.num = (uint32_t)b->npoints + 1,
                                                  .device = device,
                                                  .type = t,
                                                  .address = address,
                                                  .period_ms = 1000,
                                                  .scale = 1,
                                                  .lo = NAN,
                                                  .hi = NAN};
    return (uint32_t)++b->npoints;
}
BED void bed_set(struct bed *b)
{
    struct error e = {0};
    CHECK_INT(sparkplug_driver.channel_set(b->ch, b->device_rows, b->ndevices, b->points, b->npoints, &e), 0);
}
BED struct driver_status bed_status(struct bed *b)
{
    struct driver_status s;
    sparkplug_driver.status(b->ch, &s);
    return s;
}
BED void bed_free(struct bed *b)
{
    sparkplug_driver.close(b->ch, bed_closed, &b->closed);
    CHECK(!b->closed);
    UNTIL(b, b->closed);
    fake_stop(b->broker);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    mem_free(b->broker);
    buf_fini(&b->payload);
    arena_fini(&b->arena);
    mem_free(b);
}

/* ---- the edge node ---- */

BED void bed_raw(struct bed *b, const char *topic, struct str payload, bool retain)
{
    REQUIRE(b->broker->conns != NULL);
    fake_send(
        b->broker->conns,
        &(struct mqtt_packet){.type = MQTT_PUBLISH, .retain = retain, .topic = str_of(topic), .payload = payload});
}
BED void bed_send(struct bed *b, const char *topic)
{
    bed_raw(b, topic, buf_view(&b->payload), false);
}
BED void bed_begin(struct bed *b, uint64_t ms)
{
    buf_clear(&b->payload);
    spb_put_timestamp(&b->payload, ms);
}
/* Ends the payload with its number and sends it. */
BED void bed_end(struct bed *b, const char *topic)
{
    spb_edge_end(&b->edge, &b->payload);
    bed_send(b, topic);
}
BED struct spb_metric bed_metric(const char *name, uint32_t type, uint64_t alias, uint64_t ms)
{
    return (struct spb_metric){.has_name = name != NULL,
                               .name = str_of(name),
                               .has_alias = alias != 0,
                               .alias = alias,
                               .has_timestamp = ms != 0,
                               .timestamp = ms,
                               .has_datatype = name != NULL,
                               .datatype = type};
}
BED void bed_double(struct bed *b, const char *name, uint64_t alias, uint64_t ms, double v)
{
    struct spb_metric m = bed_metric(name, SPB_T_Double, alias, ms);
    m.value = (struct spb_value){.field = SPB_V_DOUBLE, .d = v};
    spb_put_metric(&b->payload, &m);
}
/* Birth of G/E with T (alias 1), and of its device D with S (alias 2, unit) and On (alias 3). */
BED void bed_birth(struct bed *b, uint64_t ms)
{
    struct spb_property unit = {
        .key = STR("engUnit"), .type = SPB_T_String, .value = {.field = SPB_V_STRING, .s = STR("r/min")}};
    struct spb_metric m = bed_metric("S", SPB_T_Int32, 2, ms);
    struct buf set;
    buf_clear(&b->payload);
    spb_edge_birth(&b->edge, ms, &b->payload);
    bed_double(b, "T", 1, ms, 20.5);
    bed_end(b, "spBv1.0/G/NBIRTH/E");
    buf_init(&set, 256);
    spb_put_properties(&set, &unit, 1);
    m.properties = buf_view(&set);
    m.value = (struct spb_value){.field = SPB_V_INT, .u = 1480};
    bed_begin(b, ms);
    spb_put_metric(&b->payload, &m);
    m = bed_metric("On", SPB_T_Boolean, 3, ms);
    m.value = (struct spb_value){.field = SPB_V_BOOL, .u = 1};
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/DBIRTH/E/D");
    buf_fini(&set);
}
BED void bed_death(struct bed *b)
{
    buf_clear(&b->payload);
    spb_edge_death(&b->edge, 1, &b->payload);
    bed_send(b, "spBv1.0/G/NDEATH/E");
}
/* Messages that were published to the topic so far. */
BED unsigned bed_sent(struct bed *b, const char *topic)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->broker->nmessages; i++) n += strcmp(b->broker->messages[i].topic, topic) == 0;
    return n;
}
BED const struct fake_message *bed_last(struct bed *b, const char *topic)
{
    for (unsigned i = b->broker->nmessages; i-- > 0;)
        if (strcmp(b->broker->messages[i].topic, topic) == 0) return &b->broker->messages[i];
    return NULL;
}
BED void bed_up(struct bed *b)
{
    bed_set(b);
    UNTIL(b, b->broker->nmessages > 0 && b->broker->subscribes > 0);
}

/* ---- calls ---- */

BED void bed_written(void *arg, const struct driver_write_result *r)
{
    struct bed *b = arg;
    CHECK(!b->done);
    b->done = true;
    b->result = *r;
    str_to_cstr(str_of(r->error ? r->error->text : ""), b->why, sizeof b->why);
}
BED void bed_write(struct bed *b, uint32_t point, struct sample v, const char *text)
{
    struct driver_write w = {
        .point = point, .value = v, .text = text, .text_len = text ? strlen(text) : 0, .done = bed_written, .arg = b};
    b->done = false;
    sparkplug_driver.write(b->ch, &w);
}
BED void bed_have_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct bed *b = arg;
    b->done = true;
    b->nitems = n;
    for (size_t i = 0; i < n && i < 8; i++) {
        b->readings[i] = r[i];
        str_to_cstr(str_make(r[i].text, r[i].text ? r[i].text_len : 0), b->reading_text[i], sizeof b->reading_text[i]);
        if (r[i].error) str_to_cstr(str_of(r[i].error->text), b->why, sizeof b->why);
    }
}
BED void bed_browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                     const char *next)
{
    struct bed *b = arg;
    b->done = true;
    b->nitems = n;
    str_to_cstr(str_of(e ? e->text : ""), b->why, sizeof b->why);
    str_to_cstr(str_of(next ? next : ""), b->next, sizeof b->next);
    for (size_t i = 0; i < n && i < 64; i++) {
        const char *t[5] = {items[i].node, items[i].name, items[i].address, items[i].value, items[i].unit};
        b->items[i] = items[i];
        for (int k = 0; k < 5; k++)
            str_to_cstr(str_of(t[k] ? t[k] : ""), b->item_text[i][k], sizeof b->item_text[i][k]);
    }
}
BED void bed_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct bed *b = arg;
    b->done = true;
    str_to_cstr(str_of(e ? e->text : ""), b->why, sizeof b->why);
    str_to_cstr(str_of(en ? en : ""), b->detail, sizeof b->detail);
}
