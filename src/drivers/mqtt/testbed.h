/* testbed.h - for the tests of this folder: a broker that does as the test wants (drivers/common/mqtt_testbed.h), and a
 * host that keeps what is published and says "on disk" when the test lets it. One thread. */
#pragma once
#include "drivers/common/mqtt_testbed.h"
#include "drivers/mqtt/driver.h"

#define BED_POINTS 64
#define BED_SAMPLES 4096

struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct fake_broker *broker;
    struct driver_host host;
    struct driver_channel *ch;
    struct sample last[BED_POINTS], all[BED_SAMPLES];
    unsigned count[BED_POINTS], bad[BED_POINTS], nall, refuse, frames, warnings;
    uint64_t ticket, kept;
    bool hold, lose, closed, starving; /* starving: memory runs out */
    char texts[256][64];
    unsigned ntexts, blobs;
    size_t blob_n;
    int64_t blob_us;
    char media[64];
    int64_t now_us; /* 0: real */
    struct driver_write_result result;
    char result_error[ERROR_TEXT_MAX];
    unsigned results;
    struct driver_reading readings[16];
    char reading_text[16][100], reading_error[16][ERROR_TEXT_MAX];
    size_t nreadings;
    unsigned reads, tests, browses;
    char test_error[ERROR_TEXT_MAX], detail[200];
    struct driver_browse_item items[200];
    char item_text[200][3][300];
    size_t nitems;
};

BED int bed_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(s[i].point < BED_POINTS && s[i].time_us == s[0].time_us);
        if (s[i].time_us >= b->last[s[i].point].time_us) b->last[s[i].point] = s[i];
        b->count[s[i].point]++;
        b->bad[s[i].point] += s[i].quality == QUALITY_BAD;
        b->all[b->nall++ % BED_SAMPLES] = s[i];
    }
    return 0;
}
BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    *ret = ++b->ntexts;
    str_to_cstr(str_make(p, n), b->texts[*ret % 256], sizeof b->texts[0]);
    return 0;
}
BED int bed_blob(void *ctx, uint32_t point, int64_t time_us, const char *type, const void *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    b->blobs++;
    b->blob_n = n;
    b->blob_us = time_us;
    snprintf(b->media, sizeof b->media, "%s", type);
    *ret = b->blobs;
    return 0;
}
BED int64_t bed_now(void *ctx)
{
    int64_t us = ((struct bed *)ctx)->now_us;
    uv_timeval64_t t;
    uv_gettimeofday(&t);
    return us ? us : t.tv_sec * 1000000 + t.tv_usec;
}
BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime();
}
BED uint64_t bed_random(void *ctx)
{
    return 0;
}
BED void bed_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    ((struct bed *)ctx)->warnings += level == DRIVER_LOG_WARN;
}
BED void bed_frame(void *ctx, const struct driver_frame *f)
{
    char en[400], zh[400];
    ((struct bed *)ctx)->frames++;
    mqtt_client_driver.describe(f, en, zh, sizeof en);
    CHECK((en[0] && zh[0]) || ((struct bed *)ctx)->starving);
}
BED uint64_t bed_mark(void *ctx)
{
    return ++((struct bed *)ctx)->ticket;
}
BED int bed_kept(void *ctx, uint64_t ticket)
{
    struct bed *b = ctx;
    if (b->lose) return ERR_IO;
    return !b->hold || ticket <= b->kept;
}

BED struct bed *bed_new(void)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 16 << 20);
    b->broker = fake_new(&b->loop);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "CH",
                                   .trace = true,
                                   .publish = bed_publish,
                                   .intern = bed_intern,
                                   .now_us = bed_now,
                                   .mono_ns = bed_mono,
                                   .random = bed_random,
                                   .log = bed_log,
                                   .frame = bed_frame,
                                   .blob = bed_blob,
                                   .mark = bed_mark,
                                   .kept = bed_kept};
    return b;
}

BED void bed_open(struct bed *b, const char *more)
{
    char json[2000];
    struct error e = {0};
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"reconnect_min\":\"10ms\",\"reconnect_max\":\"20ms\"%s}",
             b->broker->port, more);
    if (mqtt_client_driver.channel_open(&b->host, bed_options(b, mqtt_client_driver.channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
}

BED void bed_close(struct bed *b)
{
    if (b->ch == NULL) return;
    b->closed = false;
    mqtt_client_driver.close(TAKE(b->ch), bed_closed, &b->closed);
    UNTIL(b, b->closed);
}
BED void bed_free(struct bed *b)
{
    bed_close(b);
    fake_stop(b->broker);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b->broker);
    mem_free(b);
}

BED struct driver_point bed_point(uint32_t num, const char *address, enum value_type t)
{
    return (struct driver_point){
        .num = num, .type = t, .address = address, .period_ms = 1000, .scale = 1, .lo = NAN, .hi = NAN};
}
BED struct driver_device bed_device(struct bed *b, const char *options)
{
    return (struct driver_device){
        .num = 1, .code = "D1", .options = bed_options(b, mqtt_client_driver.device_options, options)};
}
BED void bed_set(struct bed *b, const char *options, const struct driver_point *p, size_t n)
{
    struct driver_device d = bed_device(b, options);
    CHECK_INT(mqtt_client_driver.channel_set(b->ch, &d, 1, p, n, NULL), 0);
}
/* Connected, and all that is wanted is subscribed. */
BED void bed_ready(struct bed *b)
{
    unsigned n = b->broker->subscribes;
    UNTIL(b, b->broker->subscribes > n || (n && b->broker->conns));
}

BED double bed_value(const struct bed *b, uint32_t num)
{
    const struct sample *s = &b->last[num];
    return s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
}
BED const char *bed_text(const struct bed *b, uint32_t num)
{
    return b->last[num].type == SAMPLE_STRING ? b->texts[b->last[num].v.u % 256] : "";
}
BED unsigned bed_reason(const struct bed *b, uint32_t num)
{
    return b->last[num].flags & SAMPLE_REASON_MASK;
}
BED struct driver_status bed_status(struct bed *b)
{
    struct driver_status st;
    mqtt_client_driver.status(b->ch, &st);
    return st;
}
BED struct driver_device_status bed_device_status(struct bed *b)
{
    struct driver_device_status d = {0};
    CHECK_INT(mqtt_client_driver.devices(b->ch, &d, 1), 1);
    return d;
}

/* ---- calls ---- */

BED void on_written(void *arg, const struct driver_write_result *r)
{
    struct bed *b = arg;
    b->results++;
    b->result = *r;
    snprintf(b->result_error, sizeof b->result_error, "%s", r->error ? r->error->text : "");
}
BED void bed_write(struct bed *b, uint32_t point, double v, uint64_t deadline_ns)
{
    struct driver_write w = {.point = point,
                             .value = {.type = SAMPLE_DOUBLE, .v.d = v},
                             .deadline_ns = deadline_ns,
                             .done = on_written,
                             .arg = b};
    mqtt_client_driver.write(b->ch, &w);
}
BED void on_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct bed *b = arg;
    b->reads++;
    b->nreadings = n;
    for (size_t i = 0; i < n && i < 16; i++) {
        b->readings[i] = r[i];
        str_to_cstr(str_make(r[i].text, r[i].text ? r[i].text_len : 0), b->reading_text[i], 100);
        snprintf(b->reading_error[i], ERROR_TEXT_MAX, "%s", r[i].error ? r[i].error->text : "");
    }
}
BED void on_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct bed *b = arg;
    b->tests++;
    snprintf(b->test_error, sizeof b->test_error, "%s", e ? e->text : "");
    snprintf(b->detail, sizeof b->detail, "%s", en);
}
BED void on_browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n, const char *next)
{
    struct bed *b = arg;
    b->browses++;
    b->nitems = n;
    snprintf(b->test_error, sizeof b->test_error, "%s", e ? e->text : "");
    for (size_t i = 0; i < n && i < 200; i++) {
        b->items[i] = items[i];
        snprintf(b->item_text[i][0], 300, "%s", items[i].node);
        snprintf(b->item_text[i][1], 300, "%s", items[i].address ? items[i].address : "");
        snprintf(b->item_text[i][2], 300, "%s", items[i].value ? items[i].value : "");
    }
}
