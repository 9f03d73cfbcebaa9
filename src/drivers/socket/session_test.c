/* Channels against peers on the same loop: values out of text and binary frames, halves, floods, wrong checks, devices
 * told apart, requests and writes, losses, back-pressure. */
#include <signal.h>
#include "drivers/common/testbed.h"
#include "drivers/socket/socket_int.h"

#define BED_POINTS 64

struct peer {
    uv_tcp_t tcp;
    struct bed *bed;
    struct peer *next;
    uv_connect_t connect;
    bool up, was_up, gone;
    size_t n;
    char in[8192];
};
struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct driver_host host;
    struct driver_channel *ch;
    uv_tcp_t listener;
    bool listening;
    unsigned port, accepted;
    struct peer *peers;
    uv_udp_t udp;
    unsigned udp_port, datagrams;
    struct sockaddr_storage from;
    char datagram[2048];
    struct sample last[BED_POINTS];
    unsigned count[BED_POINTS], bad[BED_POINTS], batches, refuse, good_frames, bad_frames;
    char texts[64][80], last_error[ERROR_TEXT_MAX];
    unsigned ntexts;
    bool closed;
    struct driver_point p[BED_POINTS];
    struct driver_device d[8];
    size_t np, nd;
};

/* ---- the host ---- */

static int host_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        return ERR_AGAIN;
    }
    b->batches++;
    for (size_t i = 0; i < n; i++) {
        CHECK(s[i].point < BED_POINTS && s[i].point > 0);
        b->last[s[i].point] = s[i];
        b->count[s[i].point]++;
        b->bad[s[i].point] += s[i].quality == QUALITY_BAD;
    }
    return 0;
}
static int host_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->texts[b->ntexts % 64], sizeof b->texts[0]);
    *ret = b->ntexts++ % 64;
    return 0;
}
static int64_t host_now(void *ctx)
{
    return 1700000000000000 + (int64_t)(uv_hrtime() / 1000);
}
static uint64_t host_mono(void *ctx)
{
    return uv_hrtime();
}
static uint64_t host_random(void *ctx)
{
    return 0;
}
static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv) {}
static void host_frame(void *ctx, const struct driver_frame *f)
{
    struct bed *b = ctx;
    char en[300], zh[300];
    socket_driver.describe(f, en, zh, sizeof en);
    CHECK(en[0] && zh[0]);
    b->good_frames += f->error == NULL;
    if (f->error == NULL) return;
    b->bad_frames++;
    str_to_cstr(str_of(f->error->text), b->last_error, sizeof b->last_error);
}

/* ---- peers ---- */

static void on_peer_closed(uv_handle_t *h)
{
    struct peer *p = h->data;
    p->gone = true;
}
static void peer_close(struct peer *p)
{
    p->up = false;
    if (!uv_is_closing((uv_handle_t *)&p->tcp)) uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
}
static void on_peer_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct peer *p = h->data;
    *buf = uv_buf_init(p->in + p->n, (unsigned)(sizeof p->in - 1 - p->n));
}
static void on_peer_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = s->data;
    if (n < 0) {
        peer_close(p);
        return;
    }
    p->n += (size_t)n;
    p->in[p->n] = 0;
    if (p->n > sizeof p->in / 2) p->n = 0;
}
static struct peer *peer_new(struct bed *b)
{
    struct peer *p = mem_calloc(1, sizeof *p);
    p->bed = b;
    p->next = b->peers;
    b->peers = p;
    uv_tcp_init(&b->loop, &p->tcp);
    p->tcp.data = p->connect.data = p;
    return p;
}
static void on_accept(uv_stream_t *s, int status)
{
    struct bed *b = s->data;
    struct peer *p = peer_new(b);
    CHECK_INT(uv_accept(s, (uv_stream_t *)&p->tcp), 0);
    p->up = true;
    b->accepted++;
    uv_read_start((uv_stream_t *)&p->tcp, on_peer_alloc, on_peer_read);
}
static void listen_on(struct bed *b)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_tcp_init(&b->loop, &b->listener);
    b->listener.data = b;
    uv_ip4_addr("127.0.0.1", (int)b->port, &a);
    CHECK_INT(uv_tcp_bind(&b->listener, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&b->listener, 128, on_accept), 0);
    uv_tcp_getsockname(&b->listener, (struct sockaddr *)&a, &len);
    b->port = ntohs(a.sin_port);
    b->listening = true;
}
static void stop_listening(struct bed *b)
{
    if (b->listening) uv_close((uv_handle_t *)&b->listener, NULL);
    b->listening = false;
    for (struct peer *p = b->peers; p; p = p->next) peer_close(p);
}
static void on_peer_connect(uv_connect_t *req, int status)
{
    struct peer *p = req->data;
    if (status) {
        peer_close(p);
        return;
    }
    p->up = p->was_up = true;
    uv_read_start((uv_stream_t *)&p->tcp, on_peer_alloc, on_peer_read);
}
/* The channel's own listening port. */
static unsigned own_port(struct bed *b)
{
    struct sk_channel *ch = (struct sk_channel *)b->ch;
    return ch->listener ? tls_listener_port(ch->listener) : ch->udp ? udp_port_number(ch->udp) : 0;
}
static struct peer *peer_connect(struct bed *b, const char *from)
{
    struct sockaddr_in a, mine;
    struct peer *p = peer_new(b);
    UNTIL(b, own_port(b));
    uv_ip4_addr("127.0.0.1", (int)own_port(b), &a);
    uv_ip4_addr(from, 0, &mine);
    CHECK_INT(uv_tcp_bind(&p->tcp, (struct sockaddr *)&mine, 0), 0);
    CHECK_INT(uv_tcp_connect(&p->connect, &p->tcp, (struct sockaddr *)&a, on_peer_connect), 0);
    UNTIL(b, p->was_up);
    return p;
}
static void say(struct peer *p, const void *text, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)n);
    CHECK_INT(uv_try_write((uv_stream_t *)&p->tcp, &buf, 1), (int)n);
}
#define SAY(p, lit) say(p, lit, sizeof(lit) - 1)

static void on_udp_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static char in[2048];
    *buf = uv_buf_init(in, sizeof in);
}
static void on_udp(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct bed *b = u->data;
    if (n <= 0) return;
    memcpy(&b->from, from, sizeof(struct sockaddr_in));
    str_to_cstr(str_make(buf->base, (size_t)n), b->datagram, sizeof b->datagram);
    b->datagrams++;
}
static void udp_open(struct bed *b)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_udp_init(&b->loop, &b->udp);
    b->udp.data = b;
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_udp_bind(&b->udp, (struct sockaddr *)&a, 0);
    uv_udp_recv_start(&b->udp, on_udp_alloc, on_udp);
    uv_udp_getsockname(&b->udp, (struct sockaddr *)&a, &len);
    b->udp_port = ntohs(a.sin_port);
}
static void udp_say(struct bed *b, const void *text, size_t n)
{
    struct sockaddr_in a;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)n);
    uv_ip4_addr("127.0.0.1", (int)own_port(b), &a);
    CHECK_INT(
        uv_udp_try_send(&b->udp, &buf, 1, b->from.ss_family ? (struct sockaddr *)&b->from : (struct sockaddr *)&a),
        (int)n);
}

#define UDP_SAY(b, lit) udp_say(b, lit, sizeof(lit) - 1)

/* ---- the bed ---- */

static struct bed *bed_new(void)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 16 << 20);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .publish = host_publish,
                                   .intern = host_intern,
                                   .now_us = host_now,
                                   .mono_ns = host_mono,
                                   .random = host_random,
                                   .log = host_log,
                                   .frame = host_frame};
    return b;
}
static void bed_open(struct bed *b, const char *more, ...)
{
    char json[1200], extra[800];
    va_list ap;
    struct error e;
    va_start(ap, more);
    vsnprintf(extra, sizeof extra, more, ap); /* NOLINT */
    va_end(ap);
    snprintf(json, sizeof json, "{\"reconnect_min\":\"10ms\",\"reconnect_max\":\"40ms\",\"address\":\"127.0.0.1\",%s}",
             extra);
    if (socket_driver.channel_open(&b->host, bed_options(b, socket_driver.channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
}
static void bed_device(struct bed *b, const char *code, const char *json)
{
    b->d[b->nd] = (struct driver_device){
        .num = (uint32_t)b->nd + 1, .code = code, .options = bed_options(b, socket_driver.device_options, json)};
    b->nd++;
}
/* Of the last device; numbers from 1. */
static struct driver_point *bed_point(struct bed *b, const char *address, enum value_type t, const char *json)
{
    struct driver_point *p = &b->p[b->np++];
    *p = (struct driver_point){.num = (uint32_t)b->np,
                               .device = (uint32_t)b->nd - 1,
                               .type = t,
                               .address = address,
                               .period_ms = 1000,
                               .scale = 1,
                               .lo = NAN,
                               .hi = NAN,
                               .options = json ? bed_options(b, socket_driver.point_options, json) : NULL};
    return p;
}
static void bed_set(struct bed *b)
{
    CHECK_INT(socket_driver.channel_set(b->ch, b->d, b->nd, b->p, b->np, NULL), 0);
}
static void bed_close(struct bed *b)
{
    if (b->ch == NULL) return;
    b->closed = false;
    socket_driver.close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    UNTIL(b, b->closed);
}
static void bed_free(struct bed *b)
{
    bed_close(b);
    stop_listening(b);
    if (b->udp_port) uv_close((uv_handle_t *)&b->udp, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    while (b->peers) {
        struct peer *p = b->peers;
        b->peers = p->next;
        CHECK(p->gone);
        mem_free(p);
    }
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b);
}
static double value(const struct bed *b, uint32_t num)
{
    const struct sample *s = &b->last[num];
    return s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
}
static struct driver_status status_of(struct bed *b)
{
    struct driver_status st;
    socket_driver.status(b->ch, &st);
    return st;
}

/* ---- tests ---- */

TEST(a_weighbridge_that_speaks_by_itself)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "WB", "{}");
    bed_point(b, "number 1", VALUE_AUTO, NULL);
    bed_point(b, "field 1", VALUE_STRING, NULL);
    bed_point(b, "number", VALUE_DOUBLE, "{\"select\":\"field 1=ST\"}")->scale = 0.001; /* only when it stands still */
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    SAY(b->peers, "ST,GS,+  12.34kg\r\nUS,GS,+  13");
    UNTIL(b, b->count[1] == 1);
    CHECK_DBL(value(b, 1), 12.34, 1e-12);
    CHECK_Z(b->texts[b->last[2].v.u], "ST");
    CHECK_DBL(value(b, 3), 0.01234, 1e-12);
    CHECK_INT(b->batches, 1);
    SAY(b->peers, ".5kg\r\n");
    UNTIL(b, b->count[1] == 2);
    CHECK_DBL(value(b, 1), 13.5, 0);
    CHECK_Z(b->texts[b->last[2].v.u], "US");
    CHECK_INT(b->count[3], 1);
    CHECK_INT(status_of(b).state, DRIVER_UP);
    SAY(b->peers, "ST,GS,------kg\r\n");
    UNTIL(b, b->bad[3] == 1); /* its frame, but no number */
    CHECK_INT(b->last[3].flags, REASON_NO_DATA);
    CHECK_INT(b->count[1], 2);
    bed_free(b);
}

TEST(binary_frames_with_a_check_through_noise_and_cuts)
{
    static const uint8_t frame[] = {0xAA, 0x55, 0x0B, 0x01, 0x41, 0xC8, 0x00, 0x00, 0x34, 0x12, 0x05};
    struct bed *b = bed_new();
    uint8_t out[13];
    listen_on(b);
    bed_open(b,
             "\"host\":\"127.0.0.1\",\"port\":%u,\"framing\":\"length\",\"start_bytes\":\"hex:AA55\",\"length_at\":2,"
             "\"length_size\":\"1\",\"length_adjust\":2,\"checksum\":\"crc16_modbus\",\"checksum_order\":\"LE\"",
             b->port);
    bed_device(b, "AN", "{\"select\":\"3=1\"}");
    bed_point(b, "4:float", VALUE_AUTO, NULL);
    bed_point(b, "8:uint16:LE", VALUE_AUTO, NULL);
    bed_point(b, "10.0", VALUE_AUTO, NULL);
    bed_point(b, "10.2", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    memcpy(out, frame, 11);
    uint16_t crc = (uint16_t)checksum_of(CHECKSUM_CRC16_MODBUS, out, 11);
    out[11] = (uint8_t)crc, out[12] = (uint8_t)(crc >> 8);
    for (size_t cut = 0; cut <= 13; cut++) {
        unsigned before = b->count[1];
        if (cut) say(b->peers, out, cut);
        bed_step(b);
        if (cut < 13) say(b->peers, out + cut, 13 - cut);
        UNTIL(b, b->count[1] == before + 1);
    }
    CHECK_DBL(value(b, 1), 25, 0);
    CHECK_DBL(value(b, 2), 0x1234, 0);
    CHECK_INT(b->last[3].type, SAMPLE_BOOL);
    CHECK_DBL(value(b, 3), 1, 0);
    CHECK_DBL(value(b, 4), 1, 0);
    CHECK_INT(b->bad_frames, 0);
    out[5] ^= 1;
    say(b->peers, "\x13\xAA\x00", 3);
    say(b->peers, out, 13);
    out[5] ^= 1;
    unsigned before = b->count[1];
    say(b->peers, out, 13);
    UNTIL(b, b->count[1] == before + 1);
    CHECK_DBL(value(b, 1), 25, 0);
    CHECK(b->bad_frames >= 2); /* the noise, the wrong check */
    CHECK(strstr(b->last_error, "crc16_modbus wrong"));
    CHECK_INT(status_of(b).errors, b->bad_frames);
    out[3] = 2; /* another kind of message */
    crc = (uint16_t)checksum_of(CHECKSUM_CRC16_MODBUS, out, 11);
    out[11] = (uint8_t)crc, out[12] = (uint8_t)(crc >> 8);
    unsigned good = b->good_frames;
    say(b->peers, out, 13);
    UNTIL(b, b->good_frames > good);
    CHECK_INT(b->count[1], before + 1);
    bed_free(b);
}

TEST(an_instrument_that_only_answers)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u,\"end_bytes\":\"\\\\n\"", b->port);
    bed_device(b, "Q",
               "{\"login\":\"HELLO "
               "${code}\\\\n\",\"request\":\"?${seq}\\\\n\",\"request_period\":\"15ms\",\"request_timeout\":\"40ms\","
               "\"ack\":\"OK\\\\n\"}");
    bed_point(b, "key:T1", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1 && b->peers->n > 10);
    CHECK(strncmp(b->peers->in, "HELLO Q\n?1\n", 11) == 0);
    SAY(b->peers, "T1=23.5;T2=9\n");
    UNTIL(b, b->count[1] == 1 && strstr(b->peers->in, "OK\n"));
    CHECK_DBL(value(b, 1), 23.5, 0);
    CHECK(status_of(b).rtt_us > 0);
    UNTIL(b, b->bad[1] == 1); /* no more answers: bad, once */
    CHECK(strstr(status_of(b).reason, "Q: no answer within 40 ms"));
    for (int i = 0; i < 8; i++) bed_step(b);
    CHECK_INT(b->bad[1], 1);
    CHECK(status_of(b).timeouts >= 1);
    SAY(b->peers, "T1=24\n");
    UNTIL(b, b->last[1].quality == QUALITY_GOOD);
    CHECK_DBL(value(b, 1), 24, 0);
    bed_free(b);
}

struct wrote {
    bool done, has;
    enum driver_outcome outcome;
    double back;
    char text[ERROR_TEXT_MAX];
};
static void on_wrote(void *arg, const struct driver_write_result *r)
{
    struct wrote *w = arg;
    CHECK(!w->done);
    w->done = true;
    w->outcome = r->outcome;
    w->has = r->has_readback;
    w->back = r->readback.type == SAMPLE_DOUBLE ? r->readback.v.d : (double)r->readback.v.i;
    str_to_cstr(str_of(r->error ? r->error->text : ""), w->text, sizeof w->text);
}
static void start_write(struct bed *b, struct wrote *w, uint32_t point, double v)
{
    *w = (struct wrote){0};
    struct driver_write q = {.point = point, .value = {.type = SAMPLE_DOUBLE, .v.d = v}, .done = on_wrote, .arg = w};
    socket_driver.write(b->ch, &q);
}

TEST(writes_are_confirmed_refused_read_back_or_unknown)
{
    struct bed *b = bed_new();
    struct wrote w;
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "C", "{\"write_timeout\":\"60ms\"}");
    bed_point(b, "key:SP", VALUE_AUTO,
              "{\"write\":\"SP=${value:.1}\\\\r\\\\n\",\"confirm\":\"text=ACK\",\"refused\":\"regex:^NAK\"}");
    bed_point(b, "key:PV", VALUE_AUTO, "{\"write\":\"hex:02${value:int16}${sum:xor8}\"}")->scale = 0.1;
    bed_point(b, "key:RO", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1 && b->peers->up);
    start_write(b, &w, 1, 12.345);
    UNTIL(b, b->peers->n == 9);
    CHECK(memcmp(b->peers->in, "SP=12.3\r\n", 9) == 0);
    SAY(b->peers, "ACK\r\n");
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_DONE);
    start_write(b, &w, 1, 99);
    UNTIL(b, b->peers->n > 9);
    SAY(b->peers, "SP=12\r\nNAK 7\r\n");
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_REFUSED);
    b->peers->n = 0;
    start_write(b, &w, 2, 100); /* raw 1000 = 03E8 */
    UNTIL(b, b->peers->n == 4);
    CHECK(memcmp(b->peers->in, "\x02\x03\xE8\xE9", 4) == 0);
    SAY(b->peers, "PV=999\r\nPV=1000\r\n"); /* the old value is no confirmation */
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_DONE);
    CHECK(w.has);
    CHECK_DBL(w.back, 100, 1e-9);
    start_write(b, &w, 2, 50);
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_UNKNOWN);
    CHECK(strstr(w.text, "nothing that confirms it"));
    start_write(b, &w, 2, 1e9);
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_REFUSED); /* does not fit into int16 */
    start_write(b, &w, 3, 1);
    CHECK(w.done && w.outcome == DRIVER_REFUSED);
    start_write(b, &w, 1, 5);
    UNTIL(b, b->peers->n > 8);
    peer_close(b->peers);
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_UNKNOWN);
    stop_listening(b);
    UNTIL(b, status_of(b).state == DRIVER_DOWN);
    start_write(b, &w, 1, 5);
    UNTIL(b, w.done);
    CHECK_INT(w.outcome, DRIVER_FAILED);
    bed_free(b);
}

TEST(loss_is_told_once_and_it_comes_back)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "A", "{}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    SAY(b->peers, "5\r\n");
    UNTIL(b, b->count[1] == 1);
    stop_listening(b);
    UNTIL(b, b->bad[1] == 1 && status_of(b).state == DRIVER_DOWN);
    CHECK_DBL(value(b, 1), 5, 0);
    for (int i = 0; i < 6; i++) bed_step(b);
    CHECK_INT(b->bad[1], 1);
    listen_on(b);
    UNTIL(b, b->accepted == 2);
    SAY(b->peers, "6\r\n");
    UNTIL(b, b->last[1].quality == QUALITY_GOOD && value(b, 1) == 6);
    CHECK(status_of(b).reconnects >= 1);
    bed_free(b);
}

TEST(a_silent_line_is_made_anew)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "A", "{\"silence\":\"100ms\"}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    SAY(b->peers, "5\r\n");
    UNTIL(b, b->count[1] == 1);
    UNTIL(b, b->bad[1] == 1 && b->accepted >= 2);
    bed_free(b);
}

TEST(devices_that_connect_are_told_apart_by_their_first_frame)
{
    struct bed *b = bed_new();
    bed_open(b, "\"mode\":\"tcp_server\",\"port\":0,\"identify\":\"first\",\"identity\":\"key:ID\"");
    for (int i = 0; i < 3; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"id\":\"D%d\",\"login\":\"hi\\\\n\"}", i);
        bed_device(b, i == 0 ? "A" : i == 1 ? "B" : "C", json);
        bed_point(b, "key:V", VALUE_AUTO, NULL);
    }
    bed_set(b);
    struct peer *one = peer_connect(b, "127.0.0.1"), *two = peer_connect(b, "127.0.0.1"),
                *odd = peer_connect(b, "127.0.0.1");
    CHECK_INT(status_of(b).state, DRIVER_CONNECTING);
    SAY(one, "ID=D1\r\n");
    SAY(two, "ID=D0;V=7\r\nV=8\r\n");
    SAY(odd, "V=99\r\nID=nobody\r\nV=98\r\n");
    SAY(one, "V=17\r\n");
    UNTIL(b, b->count[1] == 2 && b->count[2] == 1);
    CHECK_DBL(value(b, 1), 8, 0);
    CHECK_DBL(value(b, 2), 17, 0);
    CHECK_INT(b->count[3], 0);
    UNTIL(b, one->n == 3 && odd->n == 0);
    struct driver_device_status st[3];
    CHECK_INT(socket_driver.devices(b->ch, st, 3), 3);
    CHECK_INT(st[0].state, DRIVER_UP);
    CHECK_INT(st[2].state, DRIVER_CONNECTING);
    CHECK_INT(status_of(b).state, DRIVER_DEGRADED);
    CHECK(strstr(status_of(b).reason, "C has not connected yet"));
    struct peer *again =
        peer_connect(b, "127.0.0.1"); /* the device restarted: its old line is cut, no bad value is left */
    SAY(again, "ID=D0;V=9\r\n");
    UNTIL(b, value(b, 1) == 9 && !two->up);
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    peer_close(again);
    UNTIL(b, b->last[1].quality == QUALITY_BAD);
    CHECK_INT(b->last[2].quality, QUALITY_GOOD);
    bed_free(b);
}

TEST(devices_by_address_and_who_is_let_in)
{
    struct bed *b = bed_new();
    bed_open(
        b,
        "\"mode\":\"tcp_server\",\"port\":0,\"identify\":\"address\",\"allow\":\"127.0.0.0/30\",\"max_connections\":2");
    bed_device(b, "A", "{\"peer\":\"127.0.0.2\",\"request\":\"?\",\"request_period\":\"20ms\"}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_device(b, "B", "{\"peer\":\"127.0.0.3\"}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_set(b);
    struct peer *a = peer_connect(b, "127.0.0.2"), *c = peer_connect(b, "127.0.0.3");
    UNTIL(b, a->n > 0);
    SAY(a, "1\r\n");
    SAY(c, "2\r\n");
    UNTIL(b, b->count[1] == 1 && b->count[2] == 1);
    CHECK_DBL(value(b, 1), 1, 0);
    CHECK_DBL(value(b, 2), 2, 0);
    struct peer *no = peer_connect(b, "127.0.0.9"), *third = peer_connect(b, "127.0.0.1");
    UNTIL(b, !no->up && !third->up);
    CHECK(a->up && c->up);
    bed_free(b);
}

TEST(datagrams_of_many)
{
    struct bed *b = bed_new();
    udp_open(b);
    bed_open(
        b,
        "\"mode\":\"udp_server\",\"port\":0,\"framing\":\"whole\",\"identify\":\"field\",\"identity\":\"json:$.id\"");
    bed_device(b, "A", "{\"id\":\"1\",\"time\":\"json:$.t\",\"ack\":\"ok ${seq}\"}");
    bed_point(b, "json:$.v", VALUE_AUTO, NULL);
    bed_point(b, "json:$.on", VALUE_BOOL, NULL);
    bed_device(b, "B", "{\"id\":\"two\"}");
    bed_point(b, "json:$.v", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, own_port(b) && status_of(b).state == DRIVER_CONNECTING && ((struct sk_channel *)b->ch)->conn == SK_UP);
    UDP_SAY(b, "{\"id\":1,\"v\":2.5,\"on\":true,\"t\":1700000000.25}");
    UDP_SAY(b, "{\"id\":\"two\",\"v\":7}");
    UDP_SAY(b, "{\"id\":3,\"v\":7}");
    UDP_SAY(b, "rubbish");
    UNTIL(b, b->count[1] == 1 && b->count[3] == 1 && b->datagrams == 1 && b->good_frames >= 4);
    CHECK_DBL(value(b, 1), 2.5, 0);
    CHECK_DBL(value(b, 2), 1, 0);
    CHECK_DBL(value(b, 3), 7, 0);
    CHECK_INT(b->last[1].time_us, 1700000000250000);
    CHECK_INT(b->last[1].flags, SAMPLE_FLAG_SOURCE_TIME);
    CHECK_Z(b->datagram, "ok 0");
    bed_free(b);
}

TEST(udp_to_one_device)
{
    struct bed *b = bed_new();
    udp_open(b);
    bed_open(b, "\"mode\":\"udp_client\",\"host\":\"127.0.0.1\",\"port\":%u", b->udp_port);
    bed_device(b, "A", "{\"request\":\"READ\\\\r\\\\n\",\"request_period\":\"20ms\",\"request_timeout\":\"60ms\"}");
    bed_point(b, "field 2", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->datagrams >= 1);
    CHECK_Z(b->datagram, "READ\r\n");
    UDP_SAY(b, "a,1\r\nb,2"); /* two frames in one datagram, the last without its delimiter */
    UNTIL(b, b->count[1] == 2);
    CHECK_DBL(value(b, 1), 2, 0);
    UNTIL(b, b->bad[1] == 1);
    UDP_SAY(b, "c,3\r\n");
    UNTIL(b, value(b, 1) == 3 && b->last[1].quality == QUALITY_GOOD);
    bed_free(b);
}

TEST(silence_ends_a_frame)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u,\"framing\":\"idle\",\"gap\":\"30ms\",\"max_length\":10", b->port);
    bed_device(b, "A", "{}");
    bed_point(b, "text", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    SAY(b->peers, "ab");
    bed_step(b);
    SAY(b->peers, "cd");
    UNTIL(b, b->count[1] == 1);
    CHECK_Z(b->texts[b->last[1].v.u], "abcd");
    SAY(b->peers, "0123456789ABCDEF"); /* too long: dropped up to the silence */
    UNTIL(b, b->bad_frames == 1);
    SAY(b->peers, "xyz");
    for (int i = 0; i < 6; i++) bed_step(b);
    SAY(b->peers, "next");
    UNTIL(b, b->count[1] >= 2);
    CHECK_Z(b->texts[b->last[1].v.u], "next");
    bed_free(b);
}

TEST(times_of_devices)
{
    static const struct {
        const char *json, *frame;
        int64_t us;
    } rows[] = {
        {"{\"time\":\"field 2\"}", "1,1700000000\r\n", 1700000000000000},
        {"{\"time\":\"field 2\"}", "1,1700000000123\r\n", 1700000000123000},
        {"{\"time\":\"field 2\",\"time_format\":\"iso\"}", "1,2023-11-14T22:13:20Z\r\n", 1700000000000000},
        {"{\"time\":\"field 2\",\"time_format\":\"iso\",\"utc_offset\":\"+08:00\"}", "1,2023-11-15 06:13:20\r\n",
         1700000000000000},
        {"{\"time\":\"field 2\",\"time_format\":\"digits\",\"utc_offset\":\"+08:00\"}", "1,2023/11/15 06:13:20.5\r\n",
         1700000000500000},
        {"{\"time\":\"field 2\",\"time_format\":\"digits\"}", "1,231114221320\r\n", 1700000000000000},
    };
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned before = b->count[1];
        b->nd = b->np = 0;
        bed_device(b, "A", rows[i].json);
        bed_point(b, "field 1", VALUE_AUTO, NULL);
        bed_set(b);
        UNTIL(b, b->accepted == 1);
        say(b->peers, rows[i].frame, strlen(rows[i].frame));
        UNTIL(b, b->count[1] == before + 1);
        CHECK_INT(b->last[1].time_us, rows[i].us);
    }
    SAY(b->peers, "1,when\r\n");
    UNTIL(b, b->bad_frames == 1);
    CHECK(strstr(b->last_error, "'when' is no time"));
    CHECK(b->last[1].time_us > 1700000001000000); /* the time of arrival then */
    CHECK_INT(b->last[1].quality, QUALITY_GOOD);
    bed_free(b);
}

TEST(back_pressure_loses_nothing)
{
    struct bed *b = bed_new();
    char line[32];
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "A", "{}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1);
    b->refuse = 20;
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(line, sizeof line, "%d\r\n", i);
        say(b->peers, line, (size_t)n);
        if (i % 100 == 0) bed_step(b);
    }
    UNTIL(b, b->count[1] == 2000);
    CHECK_DBL(value(b, 1), 1999, 0);
    CHECK_INT(b->bad[1], 0);
    CHECK(status_of(b).held >= 1);
    bed_free(b);
}

TEST(a_new_set_keeps_links_and_values)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "A", "{\"login\":\"hi\\\\n\"}");
    bed_point(b, "field 1", VALUE_AUTO, NULL);
    bed_set(b);
    UNTIL(b, b->accepted == 1 && b->peers->n == 3);
    SAY(b->peers, "1,2\r\n");
    UNTIL(b, b->count[1] == 1);
    bed_point(b, "field 2", VALUE_AUTO, NULL);
    bed_point(b, "what", VALUE_AUTO, NULL);
    for (int i = 0; i < 5; i++) bed_set(b);
    UNTIL(b, b->count[3] == 1);
    CHECK_INT(b->last[3].flags, REASON_CONFIG_ERROR);
    SAY(b->peers, "3,4\r\n");
    UNTIL(b, b->count[2] == 1);
    CHECK_INT(b->accepted, 1);
    CHECK_INT(b->count[3], 1); /* told once */
    CHECK_INT(b->peers->n, 3); /* logged in once */
    b->np = 0;
    bed_set(b);
    UNTIL(b, !b->peers->up);
    CHECK_INT(status_of(b).state, DRIVER_OFF);
    bed_free(b);
}

/* ---- test, read, browse ---- */

struct answer {
    bool done, ok;
    char text[400];
    size_t n;
    double v[4];
    int quality[4];
};
static void on_tested(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct answer *a = arg;
    a->done = true;
    a->ok = e == NULL;
    str_to_cstr(str_of(e ? e->text : en), a->text, sizeof a->text);
}
static void on_reading(void *arg, const struct driver_reading *r, size_t n)
{
    struct answer *a = arg;
    a->done = true;
    a->n = n;
    for (size_t i = 0; i < n && i < 4; i++) {
        a->v[i] = r[i].sample.type == SAMPLE_DOUBLE ? r[i].sample.v.d : (double)r[i].sample.v.i;
        a->quality[i] = r[i].sample.quality;
        if (r[i].error) str_to_cstr(str_of(r[i].error->text), a->text, sizeof a->text);
    }
}
static void on_browsed(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                       const char *next)
{
    struct answer *a = arg;
    a->done = true;
    a->ok = e == NULL;
    a->n = n;
    a->text[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(a->text);
        snprintf(a->text + at, sizeof a->text - at, "%s=%s|", items[i].address ? items[i].address : items[i].node,
                 items[i].value);
    }
}

TEST(test_read_and_browse_without_a_set)
{
    struct bed *b = bed_new();
    struct answer a = {0};
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    socket_driver.test(b->ch, on_tested, &a);
    UNTIL(b, a.done);
    CHECK(a.ok && strstr(a.text, "connected to TCP 127.0.0.1"));
    bed_device(b, "A", "{\"request\":\"?\\\\n\",\"request_period\":\"15ms\"}");
    bed_point(b, "field 1", VALUE_AUTO, NULL);
    bed_point(b, "number 2", VALUE_AUTO, NULL);
    bed_point(b, "rubbish", VALUE_AUTO, NULL);
    a = (struct answer){0};
    socket_driver.read(b->ch, &b->d[0], b->p, 3, on_reading, &a);
    UNTIL(b, b->peers && b->peers->up && b->peers->n);
    SAY(b->peers, "5,6\r\n");
    UNTIL(b, a.done);
    CHECK_INT(a.n, 3);
    CHECK_DBL(a.v[0], 5, 0);
    CHECK_DBL(a.v[1], 6, 0);
    CHECK_INT(a.quality[2], QUALITY_BAD);
    CHECK(strstr(a.text, "no field"));
    b->np = 1;
    bed_set(b);
    UNTIL(b, b->peers->up && b->peers->n);
    SAY(b->peers, "7,8\r\n");
    UNTIL(b, b->count[1] >= 1);
    a = (struct answer){0};
    socket_driver.browse(b->ch, &b->d[0], "", NULL, 50, on_browsed, &a);
    CHECK(a.done && a.ok && a.n >= 1);
    CHECK(strstr(a.text, "=7,8|"));
    a = (struct answer){0};
    socket_driver.browse(b->ch, &b->d[0], "d0", NULL, 50, on_browsed, &a);
    CHECK_Z(a.text, "text=7,8|field 1=7|field 2=8|number 1=7|number 2=8|");
    a = (struct answer){0};
    socket_driver.browse(b->ch, &b->d[0], "d7", NULL, 50, on_browsed, &a);
    CHECK(a.done && !a.ok);
    stop_listening(b);
    UNTIL(b, status_of(b).state == DRIVER_DOWN);
    a = (struct answer){0};
    socket_driver.test(b->ch, on_tested, &a);
    UNTIL(b, a.done);
    CHECK(!a.ok && strstr(a.text, "refused"));
    bed_free(b);
}

TEST(two_channels_cannot_have_a_port)
{
    struct bed *b = bed_new();
    struct answer a = {0};
    listen_on(b);
    bed_open(b, "\"mode\":\"tcp_server\",\"port\":%u", b->port);
    socket_driver.test(b->ch, on_tested, &a);
    UNTIL(b, a.done);
    CHECK(!a.ok && a.text[0]);
    bed_free(b);
}

TEST(examples_and_wrong_options)
{
    static const struct {
        const char *address, *json, *where;
        enum value_type t;
    } rows[] = {
        {"12:int17", NULL, "address", VALUE_AUTO},
        {"field 1", "{\"select\":\"what=1\"}", "select", VALUE_AUTO},
        {"field 1", "{\"write\":\"${valu}\"}", "write", VALUE_AUTO},
        {"field 1", "{\"confirm\":\"regex:(\"}", "confirm", VALUE_AUTO},
        {"4+8:text", NULL, "type", VALUE_INT16},
    };
    struct bed *b = bed_new();
    struct error e;
    for (size_t i = 0; socket_driver.examples[i]; i++) {
        struct driver_address got;
        struct driver_point p = {.address = socket_driver.examples[i], .scale = 1};
        CHECK_INT(socket_driver.address_check(&p, NULL, &got, &e), 0);
        CHECK(got.type != VALUE_AUTO && !got.writable);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct driver_point p = {.address = rows[i].address,
                                 .type = rows[i].t,
                                 .scale = 1,
                                 .options =
                                     rows[i].json ? bed_options(b, socket_driver.point_options, rows[i].json) : NULL};
        CHECK_INT(socket_driver.address_check(&p, NULL, NULL, &e), ERR_INVALID);
        CHECK_Z(e.where, rows[i].where);
    }
    struct driver_point p = {.address = "text", .scale = 1};
    CHECK_INT(socket_driver.address_check(&p, bed_options(b, socket_driver.device_options, "{\"request\":\"hex:0\"}"),
                                          NULL, &e),
              ERR_INVALID);
    CHECK_Z(e.where, "device.request");
    static const char *const channels[][2] = {
        {"{\"host\":\"a\",\"port\":1,\"framing\":\"fixed\",\"fixed_length\":5000}", "fixed_length"},
        {"{\"host\":\"a\",\"port\":1,\"end_bytes\":\"\\\\q\"}", "end_bytes"},
        {"{\"host\":\"a\",\"port\":1,\"separator\":\"\"}", "separator"},
        {"{\"host\":\"a\",\"port\":1,\"identify\":\"field\",\"identity\":\"x\"}", "identity"},
        {"{\"mode\":\"tcp_server\",\"port\":1,\"allow\":\"x\"}", "allow"},
    };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        CHECK_INT(socket_driver.channel_open(&b->host, bed_options(b, socket_driver.channel_options, channels[i][0]),
                                             &b->ch, &e),
                  ERR_INVALID);
        CHECK_Z(e.where, channels[i][1]);
    }
    b->ch = NULL;
    bed_free(b);
}

TEST(any_connection_is_everybodys)
{
    struct bed *b = bed_new();
    bed_open(b, "\"mode\":\"tcp_server\",\"port\":0,\"framing\":\"whole\"");
    bed_device(b, "A", "{\"login\":\"hi\"}");
    bed_point(b, "number", VALUE_AUTO, NULL);
    bed_set(b);
    struct peer *one = peer_connect(b, "127.0.0.1"), *two = peer_connect(b, "127.0.0.1");
    UNTIL(b, one->n == 2 && two->n == 2);
    for (int i = 0; i < 3; i++) bed_set(b);
    SAY(one, "1");
    UNTIL(b, value(b, 1) == 1 && b->count[1] == 1);
    SAY(two, "2");
    UNTIL(b, value(b, 1) == 2);
    peer_close(two);
    UNTIL(b, status_of(b).connections == 1);
    for (int i = 0; i < 3; i++) bed_step(b);
    CHECK_INT(b->bad[1], 0); /* there is another one */
    CHECK(one->n <= 4);      /* logged in when it came, and at most again when it spoke */
    b->refuse = 3;           /* what comes while the sink is full waits */
    SAY(one, "3");
    UNTIL(b, b->refuse < 3);
    SAY(one, " 4");
    UNTIL(b, b->refuse == 0 && b->count[1] >= 4);
    peer_close(one);
    UNTIL(b, b->bad[1] == 1);
    bed_free(b);
}

TEST(memory_may_run_out_at_any_time)
{
    struct bed *b = bed_new();
    listen_on(b);
    bed_open(b, "\"host\":\"127.0.0.1\",\"port\":%u", b->port);
    bed_device(b, "A", "{\"login\":\"hi\",\"request\":\"?\",\"select\":\"text!=no\",\"time\":\"json:$.t\"}");
    bed_point(b, "field 1", VALUE_AUTO, "{\"write\":\"${value}\",\"confirm\":\"text=1\"}");
    bed_point(b, "json:$.a[?@.b==1]", VALUE_AUTO, NULL);
    bed_point(b, "rubbish", VALUE_AUTO, NULL);
    int rc = ERR_NOMEM;
    unsigned nth = 1;
    for (; rc && nth < 100; nth++) {
        mem_fail_at(nth, false);
        rc = socket_driver.channel_set(b->ch, b->d, b->nd, b->p, b->np, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
    }
    CHECK_INT(rc, 0);
    CHECK(nth > 15);
    UNTIL(b, b->accepted == 1);
    SAY(b->peers, "7,8\r\n");
    UNTIL(b, b->last[1].quality == QUALITY_GOOD && b->count[1] && b->count[3] == 1);
    for (nth = 1; nth < 12; nth++) { /* frames, while memory fails now and then */
        mem_fail_at(nth, false);
        SAY(b->peers, "9,8\r\n");
        bed_step(b);
        mem_fail_at(0, false);
    }
    SAY(b->peers, "10,8\r\n");
    UNTIL(b, value(b, 1) == 10);
    bed_free(b);
}
