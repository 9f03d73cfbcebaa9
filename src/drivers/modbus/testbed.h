/* testbed.h - for the tests of this folder: a Modbus server on the same loop with faults on command, and
 * a host that keeps what is published. All in one thread, on a port that the system chose.
 * Functions are static: each test program includes this once. */
#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/mem.h"
#include "base/json.h"
#include "base/test.h"
#include "drivers/common/testbed.h"
#include "drivers/modbus/driver.h"
#include "proto/modbus.h"

#define BED_POINTS 1024
#define BED_UNITS 4

enum bed_fault {
    FAULT_NONE,
    FAULT_SILENT,         /* no answers at all */
    FAULT_TRANSACTION,    /* answers with a wrong transaction */
    FAULT_GARBAGE,        /* five bytes of rubbish before each answer */
    FAULT_CUT,            /* half an answer, then the connection closes */
    FAULT_EXCEPTION,      /* every request refused: device failure */
    FAULT_EXECUTE_CLOSE,  /* carries the request out, closes without answer */
    FAULT_EXECUTE_SILENT, /* carries it out, says nothing */
    FAULT_LATE_TWICE,     /* the answer of the request before, then the right one */
    FAULT_HALF,           /* half an answer, then nothing */
    FAULT_BIT,            /* a bit of the answer turned over */
};

struct bed_conn {
    uv_tcp_t tcp;
    uv_udp_t udp;
    uv_poll_t line; /* the other end of a pseudo terminal */
    int fd;         /* of the line; 0: none */
    bool datagrams;
    struct sockaddr_storage from;
    struct bed *bed;
    struct bed_conn *next;
    size_t n;
    uint8_t in[2048];
};

struct bed {
    uv_loop_t loop;
    uv_tcp_t listener;
    bool listening;
    unsigned port, accepted, open, open_max, requests;
    struct bed_conn *conns;
    enum modbus_framing framing;
    unsigned timeout_ms; /* of an answer; short only where a test waits for it */
    enum bed_fault fault;
    int only_function;    /* the fault only for this function; 0: all */
    unsigned fault_times; /* how often yet; 0: always */
    bool unit_silent[256];
    bool no_mask;
    bool echo;       /* the line gives back what is sent on it */
    const char *way; /* option "framing" of the channel; NULL: by framing */
    struct bed_conn *line;
    char path[64];
    unsigned hole_from, hole_to; /* registers that do not exist */
    uint16_t r[BED_UNITS][65536];
    uint8_t bits[BED_UNITS][8192];
    unsigned writes, function_count[32], unit_requests[256];
    uint8_t last[MODBUS_FRAME_MAX];
    size_t last_n;
    /* the host */
    struct driver_host host;
    struct driver_channel *ch;
    struct sample samples[BED_POINTS]; /* last of each point */
    unsigned count[BED_POINTS], bad_count[BED_POINTS];
    unsigned batches, batch_max, refuse; /* refuse: publish says ERR_AGAIN so many times */
    unsigned bad_frames, frames, states;
    char texts[64][64];
    unsigned ntexts;
    char last_error[ERROR_TEXT_MAX];
    bool closed;
    struct arena arena;
};

/* ---- the server ---- */

BED int bed_read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint8_t *out)
{
    struct bed *b = ctx;
    for (unsigned i = 0; i < n; i++)
        if (modbus_bit(b->bits[unit % BED_UNITS], at + i)) out[i / 8] |= (uint8_t)(1u << i % 8);
    return 0;
}

BED int bed_read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint16_t *r)
{
    struct bed *b = ctx;
    if (at < b->hole_to && at + n > (int)b->hole_from) return MODBUS_EX_ILLEGAL_ADDRESS;
    memcpy(r, b->r[unit % BED_UNITS] + at, 2u * n);
    return 0;
}

BED int bed_write_bits(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint8_t *p)
{
    struct bed *b = ctx;
    b->writes++;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *byte = &b->bits[unit % BED_UNITS][(at + i) / 8], mask = (uint8_t)(1u << (at + i) % 8);
        *byte = modbus_bit(p, i) ? *byte | mask : *byte & (uint8_t)~mask;
    }
    return 0;
}

BED int bed_write_registers(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint16_t *r)
{
    struct bed *b = ctx;
    b->writes++;
    memcpy(b->r[unit % BED_UNITS] + at, r, 2u * n);
    return 0;
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

BED void bed_send(struct bed_conn *c, const void *p, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (c->fd)
        CHECK_INT(write(c->fd, p, n), (int)n);
    else if (c->datagrams)
        CHECK_INT(uv_udp_try_send(&c->udp, &buf, 1, (struct sockaddr *)&c->from), (int)n);
    else
        CHECK_INT(uv_try_write((uv_stream_t *)&c->tcp, &buf, 1), (int)n);
}

BED enum bed_fault bed_fault_for(struct bed *b, unsigned function)
{
    enum bed_fault f = b->fault;
    if (f == FAULT_NONE || (b->only_function && (unsigned)b->only_function != function)) return FAULT_NONE;
    if (b->fault_times && --b->fault_times == 0) b->fault = FAULT_NONE;
    return f;
}

BED void bed_answer(struct bed_conn *c, const struct modbus_frame *f)
{
    struct bed *b = c->bed;
    const struct modbus_data_ops ops = {.read_bits = bed_read_bits,
                                        .read_registers = bed_read_registers,
                                        .write_bits = bed_write_bits,
                                        .write_registers = bed_write_registers,
                                        .ctx = b};
    uint8_t pdu[MODBUS_PDU_MAX], out[MODBUS_FRAME_MAX];
    unsigned function = f->pdu[0];
    enum bed_fault fault = bed_fault_for(b, function);
    uint16_t transaction = f->transaction;
    b->requests++;
    b->unit_requests[f->unit]++;
    if (function < 32) b->function_count[function]++;
    if (fault == FAULT_SILENT || b->unit_silent[f->unit]) return;
    size_t n = fault == FAULT_EXCEPTION ? 0 : modbus_server_pdu(f->pdu, f->pdu_n, f->unit, &ops, pdu);
    if (fault == FAULT_EXCEPTION || (b->no_mask && function == MODBUS_MASK_WRITE)) {
        pdu[0] = (uint8_t)(function | 0x80);
        pdu[1] = fault == FAULT_EXCEPTION ? MODBUS_EX_DEVICE_FAILURE : MODBUS_EX_ILLEGAL_FUNCTION;
        n = 2;
    }
    if (fault == FAULT_EXECUTE_SILENT || (c->fd && f->unit == 0)) return; /* a broadcast is not answered */
    if (fault == FAULT_EXECUTE_CLOSE) {
        bed_drop(c);
        return;
    }
    if (fault == FAULT_TRANSACTION) transaction = (uint16_t)(transaction + 1000);
    n = modbus_frame_put(b->framing, transaction, f->unit, pdu, n, out);
    if (fault == FAULT_LATE_TWICE && b->last_n) bed_send(c, b->last, b->last_n);
    if (fault == FAULT_GARBAGE) bed_send(c, "\xde\xad\xbe\xef\x42", 5);
    if (fault == FAULT_BIT) out[n / 2] ^= 2;
    bed_send(c, out, fault == FAULT_CUT || fault == FAULT_HALF ? n / 2 : n);
    memcpy(b->last, out, n);
    b->last_n = n;
    if (fault == FAULT_CUT) bed_drop(c);
}

BED void bed_feed(struct bed_conn *c)
{
    const struct modbus_expect x = {.requests = true, .transaction = -1, .unit = -1, .function = -1};
    struct modbus_frame f;
    size_t at = 0;
    while (modbus_frame_next(c->bed->framing, c->in + at, c->n - at, &x, &f) == 1) {
        bed_answer(c, &f);
        at += f.used;
    }
    memmove(c->in, c->in + at, c->n - at);
    c->n -= at;
}

BED void bed_read_cb(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct bed_conn *c = s->data;
    const struct modbus_expect x = {.requests = true, .transaction = -1, .unit = -1, .function = -1};
    size_t at = 0;
    struct modbus_frame f;
    if (n < 0) {
        bed_drop(c);
        return;
    }
    c->n += (size_t)n;
    while (!uv_is_closing((uv_handle_t *)s) && modbus_frame_next(c->bed->framing, c->in + at, c->n - at, &x, &f) == 1) {
        bed_answer(c, &f);
        at += f.used;
    }
    memmove(c->in, c->in + at, c->n - at);
    c->n -= at;
}

BED void bed_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct bed_conn *c = h->data;
    *buf = uv_buf_init((char *)c->in + c->n, (unsigned)(sizeof c->in - c->n));
}

BED void bed_accept(uv_stream_t *s, int status)
{
    struct bed *b = s->data;
    struct bed_conn *c = mem_calloc(1, sizeof *c);
    c->bed = b;
    uv_tcp_init(&b->loop, &c->tcp);
    c->tcp.data = c;
    CHECK_INT(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
    c->next = b->conns;
    b->conns = c;
    b->accepted++;
    if (++b->open > b->open_max) b->open_max = b->open;
    uv_read_start((uv_stream_t *)&c->tcp, bed_alloc, bed_read_cb);
}

BED void bed_listen(struct bed *b)
{
    struct sockaddr_in a;
    struct sockaddr_in got;
    int len = sizeof got;
    uv_tcp_init(&b->loop, &b->listener);
    b->listener.data = b;
    uv_ip4_addr("127.0.0.1", (int)b->port, &a);
    CHECK_INT(uv_tcp_bind(&b->listener, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&b->listener, 128, bed_accept), 0);
    uv_tcp_getsockname(&b->listener, (struct sockaddr *)&got, &len);
    b->port = ntohs(got.sin_port);
    b->listening = true;
}

BED void bed_stop_listening(struct bed *b)
{
    if (b->listening) uv_close((uv_handle_t *)&b->listener, NULL);
    b->listening = false;
    for (struct bed_conn *c = b->conns; c; c = c->next) bed_drop(c);
    bed_step(b);
}

/* ---- a serial line: we hold the far end of a pseudo terminal ---- */

BED void bed_line_cb(uv_poll_t *h, int status, int events)
{
    struct bed_conn *c = h->data;
    ssize_t k = read(c->fd, c->in + c->n, sizeof c->in - c->n);
    if (k <= 0) { /* nobody has it open */
        c->n = 0;
        return;
    }
    if (c->bed->echo) CHECK_INT(write(c->fd, c->in + c->n, (size_t)k), k);
    c->n += (size_t)k;
    bed_feed(c);
}

BED void bed_line_open(struct bed *b)
{
    struct bed_conn *c = mem_calloc(1, sizeof *c);
    int keep; /* our own hold on the near end, so that the far one does not hang up in between */
    c->bed = b;
    c->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    CHECK(c->fd > 0 && grantpt(c->fd) == 0 && unlockpt(c->fd) == 0);
    snprintf(b->path, sizeof b->path, "%s", ptsname(c->fd));
    keep = open(b->path, O_RDWR | O_NOCTTY);
    c->from.ss_family = (sa_family_t)keep;
    uv_poll_init(&b->loop, &c->line, c->fd);
    c->line.data = c;
    uv_poll_start(&c->line, UV_READABLE, bed_line_cb);
    b->line = c;
}

BED void bed_line_closed(uv_handle_t *h)
{
    struct bed_conn *c = h->data;
    close(c->fd);
    close(c->from.ss_family);
    mem_free(c);
}

BED void bed_line_close(struct bed *b)
{
    if (b->line == NULL) return;
    uv_close((uv_handle_t *)&b->line->line, bed_line_closed);
    b->line = NULL;
    bed_step(b);
}

/* ---- UDP ---- */

BED void bed_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct bed_conn *c = u->data;
    if (n <= 0) return;
    memcpy(&c->from, from, sizeof(struct sockaddr_in));
    c->n = (size_t)n;
    bed_feed(c);
    c->n = 0;
}

BED void bed_udp_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct bed_conn *c = h->data;
    *buf = uv_buf_init((char *)c->in, sizeof c->in);
}

BED void bed_udp_open(struct bed *b)
{
    struct bed_conn *c = mem_calloc(1, sizeof *c);
    struct sockaddr_in a;
    int len = sizeof a;
    c->bed = b;
    c->datagrams = true;
    uv_udp_init(&b->loop, &c->udp);
    c->udp.data = c;
    uv_ip4_addr("127.0.0.1", (int)b->port, &a);
    CHECK_INT(uv_udp_bind(&c->udp, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_udp_recv_start(&c->udp, bed_udp_alloc, bed_datagram), 0);
    uv_udp_getsockname(&c->udp, (struct sockaddr *)&a, &len);
    b->port = ntohs(a.sin_port);
    b->line = c;
}

BED void bed_udp_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

BED void bed_udp_close(struct bed *b)
{
    if (b->line == NULL) return;
    uv_close((uv_handle_t *)&b->line->udp, bed_udp_closed);
    b->line = NULL;
    bed_step(b);
}

/* ---- the host ---- */

BED int bed_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        return ERR_AGAIN;
    }
    b->batches++;
    if (n > b->batch_max) b->batch_max = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        CHECK(s[i].point < BED_POINTS && s[i].time_us == s[0].time_us);
        b->samples[s[i].point] = s[i];
        b->count[s[i].point]++;
        b->bad_count[s[i].point] += s[i].quality == QUALITY_BAD;
    }
    return 0;
}

BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->texts[b->ntexts], sizeof b->texts[0]);
    *ret = b->ntexts++;
    return 0;
}

BED int64_t bed_now(void *ctx)
{
    return 1700000000000000 + (int64_t)(uv_hrtime() / 1000);
}
BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime();
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
    modbus_driver.describe(f, en, zh, sizeof en);
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

BED struct bed *bed_made(enum modbus_framing f)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 16 << 20);
    b->framing = f;
    b->timeout_ms = 400;
    for (unsigned u = 0; u < BED_UNITS; u++)
        for (unsigned i = 0; i < 65536; i++) b->r[u][i] = (uint16_t)(i + 1000 * u);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .publish = bed_publish,
                                   .intern = bed_intern,
                                   .now_us = bed_now,
                                   .mono_ns = bed_mono,
                                   .random = bed_random,
                                   .log = bed_log,
                                   .frame = bed_frame,
                                   .state = bed_state};
    return b;
}

BED struct bed *bed_new(enum modbus_framing f)
{
    struct bed *b = bed_made(f);
    bed_listen(b);
    return b;
}

BED void bed_close_channel(struct bed *b)
{
    if (b->ch == NULL) return;
    b->closed = false;
    modbus_driver.close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    UNTIL(b, b->closed);
}

BED void bed_free(struct bed *b)
{
    bed_close_channel(b);
    bed_stop_listening(b);
    if (b->line && b->line->fd) bed_line_close(b);
    bed_udp_close(b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b);
}

/* Short times, so that tests are fast; `more` is further members: ",\"retries\":0". */
BED void bed_open(struct bed *b, const char *more)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"framing\":\"%s\",\"timeout\":\"%ums\",\"reconnect_min\":\"10ms\","
             "\"reconnect_max\":\"40ms\"%s}",
             b->port,
             b->way                     ? b->way
             : b->framing == MODBUS_RTU ? "rtu"
                                        : "tcp",
             b->timeout_ms, more);
    CHECK_INT(modbus_driver.channel_open(&b->host, bed_options(b, modbus_driver.channel_options, json), &b->ch, NULL),
              0);
}

/* The same on the line. */
BED void bed_open_line(struct bed *b, const char *more)
{
    char json[512];
    struct error e = {0};
    snprintf(json, sizeof json,
             "{\"device\":\"%s\",\"framing\":\"%s\",\"speed\":115200,\"timeout\":\"%ums\",\"reconnect_min\":\"10ms\","
             "\"reconnect_max\":\"40ms\",\"probe_max\":\"40ms\",\"turnaround\":\"20ms\"%s}",
             b->path, b->framing == MODBUS_ASCII ? "ascii" : "rtu", b->timeout_ms, more);
    const struct options *o = bed_options(b, modbus_serial_driver.channel_options, json);
    if (modbus_serial_driver.channel_open(&b->host, o, &b->ch, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

BED struct driver_point bed_point(uint32_t num, const char *address, enum value_type t)
{
    return (struct driver_point){
        .num = num, .type = t, .address = address, .period_ms = 8, .scale = 1, .lo = NAN, .hi = NAN};
}

BED void bed_set1(struct bed *b, const struct driver_point *p, size_t np)
{
    const struct driver_device d = {.num = 1, .code = "PLC1"};
    CHECK_INT(modbus_driver.channel_set(b->ch, &d, 1, p, np, NULL), 0);
}

BED double bed_value(const struct bed *b, uint32_t num)
{
    const struct sample *s = &b->samples[num];
    return s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
}

BED struct driver_status bed_status(struct bed *b)
{
    struct driver_status st;
    modbus_driver.status(b->ch, &st);
    return st;
}
