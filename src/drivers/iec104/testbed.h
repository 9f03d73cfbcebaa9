/* testbed.h - for the tests of this folder: a controlled station on the same loop (proto/iec104_station.h) that can
 * misbehave, and a host that keeps what is published. All in one thread, on a port that the system chose.
 * Functions are static: each test program includes this once. */
#pragma once
#include <signal.h>
#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/time.h"
#include "drivers/common/testbed.h"
#include "drivers/iec104/driver.h"
#include "proto/iec104_station.h"

#define BED_POINTS 3000

enum bed_fault {
    FAULT_NONE,
    FAULT_SILENT,      /* takes everything, says nothing */
    FAULT_CLOSE_AFTER, /* closes after STARTDT */
    FAULT_GARBAGE,     /* rubbish instead of an answer */
    FAULT_HALF,        /* half a frame, then nothing */
    FAULT_NUMBERS,     /* skips a number */
    FAULT_EARLY,       /* data before STARTDT is confirmed */
    FAULT_BAD_ASDU,    /* frames that are right, ASDUs that are not */
};

struct bed;
struct bed_conn {
    uv_tcp_t tcp;
    struct bed *bed;
    struct bed_conn *next;
    struct iec104_station s;
    struct iec104_item events[256];
    size_t n;
    uint8_t in[8192];
};

struct bed {
    uv_loop_t loop;
    uv_tcp_t listener[2];
    bool listening[2];
    unsigned port[2], accepted, open, open_max;
    struct bed_conn *conns;
    enum bed_fault fault;
    uint16_t cas[4];
    size_t ncas;
    struct iec104_item items[2000]; /* what interrogations tell; cause unused */
    size_t nitems;
    struct iec104_item counter;
    bool no_read;
    /* commands */
    int verdict;
    bool drop_on_command, mute_on_command;
    unsigned commands, selects, executes, cancels;
    struct iec104_object command;
    uint8_t command_type;
    unsigned clocks;
    struct iec104_time clock;
    unsigned interrogations, counter_interrogations, groups;
    /* the host */
    struct driver_host host;
    struct driver_channel *ch;
    struct sample samples[BED_POINTS];
    unsigned count[BED_POINTS], bad_count[BED_POINTS];
    unsigned batches, refuse, refused, states, frames, bad_frames, warnings;
    char last_error[ERROR_TEXT_MAX];
    bool closed;
    struct arena arena;
};

/* ---- the station ---- */

BED bool bed_next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret)
{
    struct bed *b = ctx;
    if (*cursor == 0) b->interrogations += !counters, b->counter_interrogations += counters, b->groups |= 1u << group;
    if (counters) {
        *ret = b->counter;
        return b->counter.type && b->counter.ca == ca && (*cursor)++ == 0;
    }
    while (*cursor < b->nitems)
        if (b->items[(*cursor)++].ca == ca) {
            *ret = b->items[*cursor - 1];
            return true;
        }
    return false;
}

BED bool bed_read_one(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret)
{
    *ret = (struct iec104_item){.type = IEC104_M_ME_NC, .o = {.ioa = ioa, .d = 99.5}};
    return ioa == 9999;
}

BED int bed_command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o,
                    enum iec104_step how)
{
    struct bed *b = ctx;
    b->commands++;
    b->selects += how == IEC104_SELECT;
    b->cancels += how == IEC104_CANCEL;
    b->executes += how == IEC104_EXECUTE || how == IEC104_EXECUTE_SELECTED;
    b->command = *o;
    b->command_type = t->id;
    return b->verdict;
}

BED int bed_clock(void *ctx, uint16_t ca, const struct iec104_time *t)
{
    struct bed *b = ctx;
    b->clocks++;
    b->clock = *t;
    return 0;
}

BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime();
}

BED void bed_conn_closed(uv_handle_t *h)
{
    struct bed_conn *c = h->data;
    struct bed_conn **p = &c->bed->conns;
    while (*p != c) p = &(*p)->next;
    *p = c->next;
    mem_free(c);
}

BED void bed_drop(struct bed_conn *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    c->bed->open--;
    uv_close((uv_handle_t *)&c->tcp, bed_conn_closed);
}

BED void bed_raw(struct bed_conn *c, const void *p, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    int k = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (k != UV_ECONNRESET && k != UV_EPIPE) CHECK_INT(k, (int)n); /* the driver may be gone */
}

BED void bed_flush(struct bed_conn *c)
{
    uint8_t out[8192];
    size_t n;
    if (uv_is_closing((uv_handle_t *)&c->tcp)) return;
    while ((n = iec104_station_output(&c->s, uv_hrtime(), out, sizeof out)) > 0) bed_raw(c, out, n);
}

/* true: the fault took it */
BED bool bed_misbehaves(struct bed_conn *c)
{
    struct bed *b = c->bed;
    static const uint8_t early[] = {0x68, 14, 0, 0, 0, 0, 1, 1, 3, 0, 1, 0, 1, 0, 0, 1};
    uint8_t bad[16];
    switch (b->fault) {
    case FAULT_SILENT: c->n = 0; return true;
    case FAULT_GARBAGE: bed_raw(c, "GET / HTTP/1.1\r\n", 16), c->n = 0; return true;
    case FAULT_HALF: bed_raw(c, early, 5), c->n = 0; return true;
    case FAULT_EARLY: bed_raw(c, early, sizeof early), c->n = 0; return true;
    case FAULT_CLOSE_AFTER:
        bed_raw(c, "\x68\x04\x0b\0\0\0", 6);
        bed_drop(c);
        return true;
    case FAULT_NUMBERS:
        bed_raw(c, "\x68\x04\x0b\0\0\0", 6);
        memcpy(bad, early, sizeof early);
        bad[2] = 10;
        bed_raw(c, bad, sizeof bad);
        c->n = 0;
        return true;
    case FAULT_BAD_ASDU:
        bed_raw(c, "\x68\x04\x0b\0\0\0", 6);
        for (uint8_t i = 0; i < 20; i++) {
            memcpy(bad, early, sizeof early);
            bad[2] = (uint8_t)(2 * i);
            bad[7] = 0x7f; /* says 127 objects */
            bed_raw(c, bad, sizeof bad);
        }
        c->n = 0;
        return true;
    default: return false;
    }
}

BED void bed_read_cb(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
    struct bed_conn *c = st->data;
    struct bed *b = c->bed;
    struct error e = {0};
    size_t at = 0;
    int used = 1;
    if (n < 0) {
        bed_drop(c);
        return;
    }
    c->n += (size_t)n;
    if (bed_misbehaves(c)) return;
    unsigned before = b->commands;
    while (at < c->n && used > 0) {
        used = iec104_station_input(&c->s, uv_hrtime(), c->in + at, c->n - at, &e);
        if (used < 0) test_fail(__FILE__, __LINE__, "the driver sent what is wrong: %s", e.text);
        if (used > 0) at += (size_t)used;
        if (b->commands != before && b->drop_on_command) {
            bed_drop(c);
            return;
        }
        if (b->commands != before && b->mute_on_command) c->s.nreplies = 0;
        bed_flush(c);
    }
    memmove(c->in, c->in + at, c->n - at);
    c->n -= at;
}

BED void bed_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct bed_conn *c = h->data;
    *buf = uv_buf_init((char *)c->in + c->n, (unsigned)(sizeof c->in - c->n));
}

BED void bed_accept(uv_stream_t *st, int status)
{
    struct bed *b = st->data;
    struct bed_conn *c = mem_calloc(1, sizeof *c);
    struct iec104_station_config cfg = {.link = {.k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000},
                                        .ops = {.ctx = b,
                                                .next = bed_next,
                                                .read = b->no_read ? NULL : bed_read_one,
                                                .command = bed_command,
                                                .clock = bed_clock},
                                        .cas = b->cas,
                                        .ncas = b->ncas,
                                        .select_ms = 5000,
                                        .announce = true,
                                        .events = c->events,
                                        .events_cap = 256};
    c->bed = b;
    iec104_station_init(&c->s, &cfg, uv_hrtime());
    uv_tcp_init(&b->loop, &c->tcp);
    c->tcp.data = c;
    CHECK_INT(uv_accept(st, (uv_stream_t *)&c->tcp), 0);
    c->next = b->conns;
    b->conns = c;
    b->accepted++;
    if (++b->open > b->open_max) b->open_max = b->open;
    uv_read_start((uv_stream_t *)&c->tcp, bed_alloc, bed_read_cb);
}

BED void bed_listen(struct bed *b, int i)
{
    struct sockaddr_in a, got;
    int len = sizeof got;
    uv_tcp_init(&b->loop, &b->listener[i]);
    b->listener[i].data = b;
    uv_ip4_addr("127.0.0.1", (int)b->port[i], &a);
    CHECK_INT(uv_tcp_bind(&b->listener[i], (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&b->listener[i], 128, bed_accept), 0);
    uv_tcp_getsockname(&b->listener[i], (struct sockaddr *)&got, &len);
    b->port[i] = ntohs(got.sin_port);
    b->listening[i] = true;
}

BED void bed_drop_all(struct bed *b)
{
    for (struct bed_conn *c = b->conns; c; c = c->next) bed_drop(c);
}
BED void bed_stop_listening(struct bed *b, int i)
{
    if (b->listening[i]) uv_close((uv_handle_t *)&b->listener[i], NULL);
    b->listening[i] = false;
    bed_drop_all(b);
    bed_step(b);
}

/* A value changes at the station. */
BED void bed_event(struct bed *b, struct iec104_item it)
{
    for (struct bed_conn *c = b->conns; c; c = c->next) {
        iec104_station_event(&c->s, &it);
        bed_flush(c);
    }
}

BED void bed_item(struct bed *b, uint16_t ca, uint8_t type, struct iec104_object o)
{
    b->items[b->nitems++] = (struct iec104_item){.ca = ca, .type = type, .o = o};
}

/* ---- the host ---- */

BED int bed_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    CHECK(n > 0);
    if (b->refuse) {
        b->refuse--;
        b->refused++;
        return ERR_AGAIN;
    }
    b->batches++;
    for (size_t i = 0; i < n; i++) {
        CHECK(s[i].point >= 1 && s[i].point < BED_POINTS && s[i].time_us > 0);
        b->samples[s[i].point] = s[i];
        b->count[s[i].point]++;
        b->bad_count[s[i].point] += s[i].quality == QUALITY_BAD;
    }
    return 0;
}

BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    return ERR_UNSUPPORTED;
}
BED int64_t bed_now(void *ctx)
{
    return 1700000000000000 + (int64_t)(uv_hrtime() / 1000);
}
BED uint64_t bed_random(void *ctx)
{
    return 0;
}
BED void bed_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    struct bed *b = ctx;
    b->warnings += level == DRIVER_LOG_WARN;
}
BED void bed_frame(void *ctx, const struct driver_frame *f)
{
    struct bed *b = ctx;
    char en[400], zh[400];
    b->frames++;
    iec104_driver.describe(f, en, zh, sizeof en);
    CHECK(en[0] && zh[0]);
    if (f->error == NULL) return;
    b->bad_frames++;
    str_to_cstr(str_of(f->error->text), b->last_error, sizeof b->last_error);
}
BED void bed_state(void *ctx, enum driver_state s, const struct error *why)
{
    struct bed *b = ctx;
    b->states |= 1u << s;
}

BED struct bed *bed_new(void)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 16 << 20);
    b->cas[0] = 1, b->ncas = 1;
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
                                   .state = bed_state};
    bed_listen(b, 0);
    return b;
}

BED void bed_close_channel(struct bed *b)
{
    if (b->ch == NULL) return;
    b->closed = false;
    iec104_driver.close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    UNTIL(b, b->closed);
}

BED void bed_free(struct bed *b)
{
    bed_close_channel(b);
    for (int i = 0; i < 2; i++) bed_stop_listening(b, i);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b);
}

/* Short times, so that tests are fast; `more` is further members, before which the same ones here give way. */
BED void bed_open(struct bed *b, const char *more)
{
    static const char *const usual[][2] = {
        {"time_zone", "\"UTC\""}, {"reconnect_min", "\"10ms\""}, {"reconnect_max", "\"40ms\""}};
    char json[4096];
    struct error e = {0};
    int n = snprintf(json, sizeof json, "{\"host\":\"127.0.0.1\",\"port\":%u", b->port[0]);
    for (int i = 0; i < 3; i++)
        if (!strstr(more, usual[i][0]))
            n += snprintf(json + n, sizeof json - (size_t)n, ",\"%s\":%s", usual[i][0], usual[i][1]);
    snprintf(json + n, sizeof json - (size_t)n, "%s}", more);
    if (iec104_driver.channel_open(&b->host, bed_options(b, iec104_driver.channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
}

BED struct driver_point bed_point(uint32_t num, const char *address, enum value_type t)
{
    return (struct driver_point){
        .num = num, .type = t, .address = address, .period_ms = 1000, .scale = 1, .lo = NAN, .hi = NAN};
}

BED void bed_set(struct bed *b, const char *device, const struct driver_point *p, size_t np)
{
    struct driver_device d = {.num = 1, .code = "RTU1"};
    if (device) d.options = bed_options(b, iec104_driver.device_options, device);
    CHECK_INT(iec104_driver.channel_set(b->ch, &d, 1, p, np, NULL), 0);
}

BED double bed_value(const struct bed *b, uint32_t num)
{
    const struct sample *s = &b->samples[num];
    return s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
}
BED unsigned bed_reason(const struct bed *b, uint32_t num)
{
    return b->samples[num].flags & SAMPLE_REASON_MASK;
}
BED struct driver_status bed_status(struct bed *b)
{
    struct driver_status st;
    iec104_driver.status(b->ch, &st);
    return st;
}
BED struct driver_device_status bed_device(struct bed *b)
{
    struct driver_device_status d = {0};
    CHECK_INT(iec104_driver.devices(b->ch, &d, 1), 1);
    return d;
}
