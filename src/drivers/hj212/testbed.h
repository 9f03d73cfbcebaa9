/* testbed.h - for the tests of this folder: instruments on the same loop (proto/hj212_link, the other side), and a host
 * that keeps what is published and says "on disk" when the test lets it. One thread, a port that was free. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/test.h"
#include "drivers/common/testbed.h"
#include "drivers/hj212/driver.h"
#include "proto/hj212_link.h"

#define BED_POINTS 64
#define BED_SAMPLES 4096
#define NOW0 1470013137000000 /* 2016-08-01T00:58:57Z, 08:58:57 in Beijing */
#define MN1 "010000A8900016F000169DC0"
#define MN2 "88888880000001"

struct bed;
struct inst { /* an instrument */
    struct bed *bed;
    uv_tcp_t tcp;
    uv_connect_t req;
    struct hj212_link link;
    bool up, closed, opened;
    unsigned acked, silent, requests, cn;
    int answer, exertn; /* QnRtn; ExeRtn, 0: says nothing */
    const char *data;   /* CP of data before the result */
    char cp[2048];
    uint8_t last[4096];
    size_t last_n;
};

struct bed {
    uv_loop_t loop;
    unsigned port;
    struct driver_host host;
    struct driver_channel *ch;
    struct sample last[BED_POINTS], all[BED_SAMPLES];
    unsigned count[BED_POINTS], nall, refuse, bad_frames, frames;
    uint64_t ticket, kept; /* kept: tickets up to here are on disk */
    bool lose, hold;       /* hold: nothing gets to disk */
    char texts[64][64];
    unsigned ntexts;
    int64_t now_shift;
    bool closed;
    struct arena arena;
    struct driver_write_result result;
    char result_text[320];
    unsigned results;
};

/* ---- host ---- */
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
        b->all[b->nall++ % BED_SAMPLES] = s[i];
    }
    return 0;
}
BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->texts[b->ntexts % 64], sizeof b->texts[0]);
    *ret = b->ntexts++ % 64;
    return 0;
}
BED int64_t bed_now(void *ctx)
{
    return NOW0 + ((struct bed *)ctx)->now_shift + (int64_t)(uv_hrtime() / 1000 % 1000);
}
BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime() + (uint64_t)((struct bed *)ctx)->now_shift * 1000;
}
BED uint64_t bed_random(void *ctx)
{
    return 0;
}
BED void bed_log(void *ctx, enum driver_log level, const char *msg, const char *kv) {}
BED void bed_frame(void *ctx, const struct driver_frame *f)
{
    struct bed *b = ctx;
    char en[400], zh[400];
    b->frames++;
    hj212_driver.describe(f, en, zh, sizeof en);
    CHECK(en[0] && zh[0] && f->link > 0);
    b->bad_frames += f->error != NULL;
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

BED unsigned free_port(void)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_loop_t loop;
    uv_tcp_t t;
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &t);
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_bind(&t, (struct sockaddr *)&a, 0);
    uv_tcp_getsockname(&t, (struct sockaddr *)&a, &len);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return ntohs(a.sin_port);
}

BED struct bed *bed_new(void)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 4 << 20);
    b->port = free_port();
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .publish = bed_publish,
                                   .intern = bed_intern,
                                   .now_us = bed_now,
                                   .mono_ns = bed_mono,
                                   .random = bed_random,
                                   .log = bed_log,
                                   .frame = bed_frame,
                                   .mark = bed_mark,
                                   .kept = bed_kept};
    return b;
}

#define STEPS(b, n) \
    for (int k_ = 0; k_ < (n); k_++) bed_step(b)

BED void bed_free(struct bed *b)
{
    if (b->ch) hj212_driver.close(b->ch, bed_closed, &b->closed);
    if (b->ch) UNTIL(b, b->closed);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b);
}

BED void bed_open(struct bed *b, const char *more)
{
    char json[256];
    snprintf(json, sizeof json, "{\"port\":%u,\"bind\":\"127.0.0.1\"%s}", b->port, more);
    CHECK_INT(hj212_driver.channel_open(&b->host, bed_options(b, hj212_driver.channel_options, json), &b->ch, NULL), 0);
}

struct bed_row {
    uint32_t num, device;
    const char *address;
};
/* Devices 1 (MN1, password 123456) and 2 (MN2, none). */
BED void bed_set(struct bed *b, const struct bed_row *rows, size_t n, const char *more)
{
    char json[256];
    struct driver_point p[BED_POINTS];
    snprintf(json, sizeof json, "{\"mn\":\"" MN1 "\",\"password\":\"123456\",\"timeout\":\"200ms\",\"retries\":1%s%s}",
             strstr(more, "recall") ? "" : ",\"recall\":false", more);
    struct driver_device d[2] = {
        {1, "D1", bed_options(b, hj212_driver.device_options, json)},
        {2, "D2", bed_options(b, hj212_driver.device_options, "{\"mn\":\"" MN2 "\",\"recall\":false}")}};
    for (size_t i = 0; i < n; i++)
        p[i] = (struct driver_point){.num = rows[i].num,
                                     .device = rows[i].device,
                                     .type = VALUE_AUTO,
                                     .address = rows[i].address,
                                     .period_ms = 1000,
                                     .scale = 1,
                                     .lo = NAN,
                                     .hi = NAN};
    CHECK_INT(hj212_driver.channel_set(b->ch, d, 2, p, n, NULL), 0);
}

BED struct driver_device_status bed_device(struct bed *b, size_t i)
{
    struct driver_device_status d[2] = {0};
    CHECK_INT(hj212_driver.devices(b->ch, d, 2), 2);
    return d[i];
}
BED struct driver_status bed_status(struct bed *b)
{
    struct driver_status s;
    hj212_driver.status(b->ch, &s);
    return s;
}

BED void bed_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    CHECK(e ? e->text[0] != 0 : en[0] && zh[0]);
}
/* Time goes on by so much, and the channel looks at it. */
BED void bed_later(struct bed *b, int64_t us)
{
    b->now_shift += us;
    hj212_driver.test(b->ch, bed_tested, b);
}

BED void bed_write_done(void *arg, const struct driver_write_result *r)
{
    struct bed *b = arg;
    b->result = *r;
    b->results++;
    str_to_cstr(str_of(r->error ? r->error->text : ""), b->result_text, sizeof b->result_text);
}
BED void bed_write(struct bed *b, uint32_t point, double v, const char *text)
{
    struct driver_write w = {.point = point,
                             .value = {.type = text ? SAMPLE_STRING : SAMPLE_DOUBLE, .v.d = v},
                             .text = text,
                             .text_len = text ? strlen(text) : 0,
                             .done = bed_write_done,
                             .arg = b};
    hj212_driver.write(b->ch, &w);
}

/* ---- instruments ---- */
BED void inst_send(void *ctx, const void *p, size_t n)
{
    struct inst *i = ctx;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (n <= sizeof i->last) memcpy(i->last, p, i->last_n = n);
    CHECK_INT(uv_try_write((uv_stream_t *)&i->tcp, &buf, 1), (int)n);
}
BED int inst_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct inst *i = ctx;
    const struct hj212_command *c = hj212_command(m->cn);
    str_to_cstr(m->cp, i->cp, sizeof i->cp);
    i->cn = m->cn;
    if (token == 0) {
        i->requests += c && c->kind == HJ212_NOTICE;
        return i->answer;
    }
    i->requests++;
    struct hj212_call d = {.to = {m->mn, m->pw, 32, HJ212_2017}, .cn = m->cn, .cp = str_of(i->data), .qn = m->qn};
    if (i->data) CHECK_INT(hj212_link_send(&i->link, &d), 0);
    if (i->exertn) hj212_link_result(&i->link, m, i->exertn);
    return 1;
}
BED void inst_ended(void *ctx, const struct hj212_ended *e)
{
    struct inst *i = ctx;
    i->acked += e->end == HJ212_END_DONE;
    i->silent += e->end == HJ212_END_SILENT;
}
static const struct hj212_link_ops inst_ops = {inst_send, inst_message, inst_ended, NULL, NULL};

BED void inst_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static char bytes[65536];
    *buf = uv_buf_init(bytes, sizeof bytes);
}
BED void inst_gone(uv_handle_t *h)
{
    ((struct inst *)h->data)->opened = false;
}
BED void inst_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct inst *i = s->data;
    if (n >= 0) {
        hj212_link_receive(&i->link, buf->base, (size_t)n, uv_hrtime());
        return;
    }
    i->closed = true;
    i->up = false;
    uv_close((uv_handle_t *)s, inst_gone);
}
BED void inst_connected(uv_connect_t *req, int status)
{
    struct inst *i = req->data;
    CHECK_INT(status, 0);
    i->up = true;
    uv_read_start((uv_stream_t *)&i->tcp, inst_alloc, inst_read);
}
BED void inst_connect(struct bed *b, struct inst *i)
{
    struct sockaddr_in a;
    *i = (struct inst){.bed = b, .answer = 1, .exertn = 1, .opened = true};
    uv_tcp_init(&b->loop, &i->tcp);
    i->tcp.data = i->req.data = i;
    hj212_link_init(&i->link, &inst_ops, i, false, 480);
    uv_ip4_addr("127.0.0.1", (int)b->port, &a);
    CHECK_INT(uv_tcp_connect(&i->req, &i->tcp, (struct sockaddr *)&a, inst_connected), 0);
    UNTIL(b, i->up || i->closed);
}
BED void inst_close(struct bed *b, struct inst *i)
{
    if (i->opened && !i->closed) uv_close((uv_handle_t *)&i->tcp, inst_gone);
    UNTIL(b, !i->opened);
    hj212_link_fini(&i->link);
}
BED uint64_t inst_upload(struct inst *i, const char *mn, const char *pw, unsigned cn, const char *cp)
{
    struct hj212_call c = {.to = {str_of(mn), str_of(pw), 32, HJ212_2017},
                           .cn = cn,
                           .cp = str_of(cp),
                           .timeout_ms = 60000,
                           .tries = 1,
                           .now_ns = uv_hrtime(),
                           .now_us = bed_now(i->bed)};
    return hj212_link_upload(&i->link, &c);
}
