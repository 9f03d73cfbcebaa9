/* The sender against receivers on the same loop: texts and frames over TCP both ways and over UDP, acknowledgements,
 * losses, who does not read, what is too large. */
#include "outlets/common/testbed.h"
#include "outlets/socket/sender_int.h"

struct receiver {
    struct obed *b;
    uv_tcp_t listener, conn;
    uv_connect_t connect;
    uv_udp_t udp;
    bool listening, up, udp_open, deaf, ended;
    unsigned port, accepted, datagrams;
    const char *ack;
    size_t n, total;
    char in[200000];
};

static void on_end(uv_handle_t *h)
{
    struct receiver *r = h->data;
    r->ended = true;
}
static void hang_up(struct receiver *r)
{
    if (r->up) uv_close((uv_handle_t *)&r->conn, on_end);
    r->up = false;
}
static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct receiver *r = h->data;
    if (r->n > sizeof r->in / 2) r->n = 0;
    *buf = uv_buf_init(r->in + r->n, (unsigned)(sizeof r->in - 1 - r->n));
}
static void answer(struct receiver *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uv_buf_t buf = uv_buf_init((char *)(uintptr_t)r->ack, (unsigned)strlen(r->ack));
        if (r->in[r->n - n + i] == '\n') CHECK(uv_try_write((uv_stream_t *)&r->conn, &buf, 1) > 0);
    }
}
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct receiver *r = s->data;
    if (n < 0) {
        hang_up(r);
        return;
    }
    r->n += (size_t)n;
    r->total += (size_t)n;
    r->in[r->n] = 0;
    if (r->ack) answer(r, (size_t)n);
}
static void on_accept(uv_stream_t *s, int status)
{
    struct receiver *r = s->data;
    CHECK(!r->up);
    uv_tcp_init(s->loop, &r->conn);
    r->conn.data = r;
    CHECK_INT(uv_accept(s, (uv_stream_t *)&r->conn), 0);
    r->up = true;
    r->accepted++;
    if (!r->deaf) uv_read_start((uv_stream_t *)&r->conn, on_alloc, on_read);
}
static void receiver_listen(struct receiver *r)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_tcp_init(&r->b->loop, &r->listener);
    r->listener.data = r;
    uv_ip4_addr("127.0.0.1", (int)r->port, &a);
    CHECK_INT(uv_tcp_bind(&r->listener, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&r->listener, 8, on_accept), 0);
    uv_tcp_getsockname(&r->listener, (struct sockaddr *)&a, &len);
    r->port = ntohs(a.sin_port);
    r->listening = true;
}
static void on_connected(uv_connect_t *q, int status)
{
    struct receiver *r = q->data;
    CHECK_INT(status, 0);
    r->up = true;
    uv_read_start((uv_stream_t *)&r->conn, on_alloc, on_read);
}
static void receiver_connect(struct receiver *r)
{
    struct sockaddr_in a;
    struct so_sender *ch = (struct so_sender *)r->b->ch;
    UNTIL(r->b, ch->listener);
    uv_tcp_init(&r->b->loop, &r->conn);
    r->conn.data = r->connect.data = r;
    uv_ip4_addr("127.0.0.1", (int)tls_listener_port(ch->listener), &a);
    CHECK_INT(uv_tcp_connect(&r->connect, &r->conn, (struct sockaddr *)&a, on_connected), 0);
    UNTIL(r->b, r->up);
}
static void on_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct receiver *r = u->data;
    if (n <= 0) return;
    CHECK(n <= SO_DATAGRAM_MAX);
    r->datagrams++;
    r->n += (size_t)n;
    r->total += (size_t)n;
    r->in[r->n] = 0;
}
static void receiver_udp(struct receiver *r)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_udp_init(&r->b->loop, &r->udp);
    r->udp.data = r;
    uv_ip4_addr("127.0.0.1", 0, &a);
    CHECK_INT(uv_udp_bind(&r->udp, (struct sockaddr *)&a, 0), 0);
    uv_udp_recv_start(&r->udp, on_alloc, on_datagram);
    uv_udp_getsockname(&r->udp, (struct sockaddr *)&a, &len);
    r->port = ntohs(a.sin_port);
    r->udp_open = true;
}
static struct receiver *receiver_new(void)
{
    struct receiver *r = mem_calloc(1, sizeof *r);
    r->b = obed_new(&socket_outlet);
    return r;
}
static void receiver_stop(struct receiver *r)
{
    if (r->listening) uv_close((uv_handle_t *)&r->listener, NULL);
    r->listening = false;
    hang_up(r);
}
static void done(struct receiver *r)
{
    obed_close(r->b);
    receiver_stop(r);
    if (r->udp_open) uv_close((uv_handle_t *)&r->udp, NULL);
    obed_free(r->b);
    mem_free(r);
}
static void open_to(struct receiver *r, const char *more)
{
    char json[1000];
    snprintf(json, sizeof json,
             "{\"host\":\"127.0.0.1\",\"port\":%u,\"reconnect_min\":\"10ms\",\"reconnect_max\":\"30ms\",\"address\":"
             "\"127.0.0.1\"%s}",
             r->port, more);
    obed_open(r->b, json);
}

#define LINES \
    ",\"form\":\"template\",\"template\":\"${code}=${value}\",\"template_head\":\"\",\"template_tail\":\"\"," \
    "\"template_join\":\";\""

TEST(texts_to_a_receiver_that_acknowledges)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    receiver_listen(r);
    r->ack = "OK\n";
    open_to(r, LINES ",\"ack\":\"OK\\\\n\",\"ack_timeout\":\"80ms\"");
    uint32_t t = obed_point(b, "T", "", VALUE_AUTO);
    obed_set(b);
    UNTIL(b, r->up && b->state == DRIVER_UP);
    uint64_t k = obed_send(b, t, 1.5, 0, OUTLET_LIVE);
    CHECK(k && !b->sent[k]);
    CHECK_INT(obed_send(b, t, 2, 0, OUTLET_LIVE), 0); /* one at a time */
    UNTIL(b, b->sent[k] && b->ready);
    CHECK_INT(b->sent_code[k], 0);
    CHECK_Z(r->in, "T=1.5\n");
    r->ack = NULL; /* it takes, and says nothing */
    k = obed_send(b, t, 2, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[k]);
    CHECK_INT(b->sent_code[k], ERR_TIMEOUT);
    r->ack = "OK\n";
    UNTIL(b, r->accepted == 2 && b->state == DRIVER_UP);
    k = obed_send(b, t, 2, 0, OUTLET_LIVE); /* as the host offers it again */
    UNTIL(b, b->sent[k]);
    CHECK_INT(b->sent_code[k], 0);
    CHECK_INT(obed_status(b).timeouts, 1);
    CHECK_INT(obed_status(b).items, 2);
    done(r);
}

TEST(without_an_acknowledgement_taken_is_done)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    receiver_listen(r);
    open_to(r, LINES ",\"framing\":\"length\",\"length_size\":\"2\",\"start_bytes\":\"hex:7E\"");
    uint32_t t = obed_point(b, "T", "", VALUE_AUTO), u = obed_point(b, "U", "", VALUE_AUTO);
    obed_set(b);
    UNTIL(b, b->state == DRIVER_UP);
    struct outlet_item items[] = {{.slot = t, .sample = {.type = SAMPLE_DOUBLE, .v.d = 1}, .text = ""},
                                  {.slot = u, .sample = {.type = SAMPLE_INT, .v.i = 2}, .text = ""}};
    uint64_t k = obed_send_items(b, items, 2, OUTLET_BACKFILL);
    UNTIL(b, b->sent[k] && r->n == 10);
    CHECK(memcmp(r->in, "\x7E\x00\x07T=1;U=2", 10) == 0);
    receiver_stop(r);
    UNTIL(b, b->state == DRIVER_DOWN);
    CHECK_INT(obed_send(b, t, 3, 0, OUTLET_LIVE), 0);
    receiver_listen(r);
    unsigned ready = b->ready;
    UNTIL(b, b->ready > ready);
    k = obed_send(b, t, 3, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[k] && b->sent_code[k] == 0);
    CHECK(obed_status(b).reconnects >= 1);
    done(r);
}

TEST(a_receiver_that_does_not_read_holds_the_batches_back)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    static char text[100000];
    r->deaf = true;
    receiver_listen(r);
    open_to(r, LINES);
    uint32_t t = obed_point(b, "T", "", VALUE_STRING);
    obed_set(b);
    UNTIL(b, r->up && b->state == DRIVER_UP);
    memset(text, 'x', sizeof text);
    struct outlet_item it = {.slot = t, .sample = {.type = SAMPLE_STRING}, .text = text, .text_len = sizeof text};
    uint64_t last = 0, k;
    for (int i = 0; i < 400 && (k = obed_send_items(b, &it, 1, OUTLET_LIVE)) != 0; i++) {
        last = k;
        bed_step(b);
    }
    CHECK(last > 5 && last < 400);
    CHECK(!b->sent[last]);
    r->deaf = false;
    uv_read_start((uv_stream_t *)&r->conn, on_alloc, on_read);
    UNTIL(b, b->sent[last]);
    UNTIL(b, r->total == last * (sizeof text + 3));
    CHECK_INT(b->nrefused, 0);
    done(r);
}

TEST(whoever_connects_gets_all_and_then_changes)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    open_to(r, LINES ",\"mode\":\"tcp_server\",\"batch\":\"single\"");
    uint32_t t = obed_point(b, "T", "", VALUE_AUTO), u = obed_point(b, "U", "", VALUE_AUTO);
    obed_point(b, "N", "", VALUE_AUTO); /* has no value yet */
    obed_value(b, t, 7);
    obed_value(b, u, 8);
    obed_set(b);
    UNTIL(b, b->state == DRIVER_UP);
    uint64_t k = obed_send(b, t, 1, 0, OUTLET_LIVE);
    UNTIL(b, b->sent[k]); /* nobody is there: done at once */
    CHECK_INT(b->sent_code[k], 0);
    receiver_connect(r);
    UNTIL(b, r->n == 8);
    CHECK_Z(r->in, "T=7\nU=8\n");
    struct outlet_item items[] = {{.slot = t, .sample = {.type = SAMPLE_DOUBLE, .v.d = 1}, .text = ""},
                                  {.slot = u, .sample = {.type = SAMPLE_INT, .v.i = 2}, .text = ""}};
    obed_send_items(b, items, 2, OUTLET_LIVE);
    UNTIL(b, r->n == 16);
    CHECK_Z(r->in, "T=7\nU=8\nT=1\nU=2\n");
    struct outlet_peer peers[4];
    CHECK_INT(socket_outlet.peers(b->ch, peers, 4), 1);
    CHECK_INT(peers[0].items, 4);
    CHECK(strncmp(peers[0].address, "127.0.0.1:", 10) == 0);
    CHECK_INT(obed_status(b).connections, 1);
    hang_up(r);
    UNTIL(b, obed_status(b).connections == 0);
    done(r);
}

TEST(a_binary_frame_of_all_points)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    receiver_udp(r);
    open_to(r, ",\"mode\":\"udp\",\"content\":\"binary\",\"frame\":\"hex:AA55\",\"frame_length\":14,\"checksum\":"
               "\"crc16_modbus\",\"checksum_order\":\"LE\"");
    uint32_t f = obed_point(b, "F", "2:float", VALUE_AUTO), i = obed_point(b, "I", "6:int16:LE", VALUE_AUTO),
             d = obed_point(b, "D", "8.3", VALUE_AUTO);
    obed_point(b, "X", "7:uint16", VALUE_AUTO); /* lies over I: left out */
    obed_value(b, f, 25);
    obed_set(b);
    CHECK_INT(obed_status(b).points, 3);
    UNTIL(b, r->datagrams == 1);
    CHECK_INT(r->n, 14);
    CHECK(memcmp(r->in, "\xAA\x55\x41\xC8\0\0\0\0\0\0\0\0", 12) == 0);
    struct outlet_item items[] = {
        {.slot = i, .sample = {.type = SAMPLE_INT, .v.i = -2}, .text = ""},
        {.slot = d, .sample = {.type = SAMPLE_BOOL, .v.i = 1}, .text = ""},
        {.slot = f, .sample = {.type = SAMPLE_DOUBLE, .v.d = 1, .quality = QUALITY_BAD}, .text = ""}};
    uint64_t k = obed_send_items(b, items, 3, OUTLET_LIVE);
    UNTIL(b, r->datagrams == 2 && b->sent[k]);
    uint8_t want[14] = {0xAA, 0x55, 0x41, 0xC8, 0, 0, 0xFE, 0xFF, 8};
    uint16_t crc = (uint16_t)checksum_of(CHECKSUM_CRC16_MODBUS, want, 12);
    want[12] = (uint8_t)crc, want[13] = (uint8_t)(crc >> 8);
    CHECK(memcmp(r->in + 14, want, 14) == 0);
    k = obed_send(b, f, 99, 0, OUTLET_BACKFILL); /* too late for an image */
    UNTIL(b, b->sent[k]);
    CHECK_INT(r->datagrams, 2);
    done(r);
}

TEST(an_image_goes_out_on_its_period)
{
    struct receiver *r = receiver_new();
    receiver_udp(r);
    open_to(r, ",\"mode\":\"udp\",\"content\":\"binary\",\"frame_length\":4,\"period\":\"10ms\"");
    obed_point(r->b, "F", "0:uint32", VALUE_AUTO);
    obed_set(r->b);
    UNTIL(r->b, r->datagrams >= 5);
    done(r);
}

TEST(large_batches_become_several_datagrams)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    static struct outlet_item items[1000];
    receiver_udp(r);
    open_to(r, ",\"mode\":\"udp\",\"framing\":\"bare\"");
    uint32_t t = obed_point(b, "A.POINT.WITH.A.LONG.NAME", "", VALUE_AUTO);
    obed_set(b);
    UNTIL(b, b->state == DRIVER_UP);
    for (int i = 0; i < 1000; i++)
        items[i] = (struct outlet_item){
            .slot = t, .sample = {.type = SAMPLE_INT, .v.i = i, .time_us = 1700000000000000 + i}, .text = ""};
    uint64_t k = obed_send_items(b, items, 1000, OUTLET_LIVE);
    UNTIL(b, b->sent[k] && r->datagrams >= 2);
    CHECK_INT(b->sent_code[k], 0);
    UNTIL(b, r->total > 80000 && strstr(r->in, "\"value\":0,") && strstr(r->in, "\"value\":999,"));
    done(r);
}

TEST(what_never_fits_is_told)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    receiver_listen(r);
    open_to(r, LINES ",\"framing\":\"length\",\"length_size\":\"1\"");
    uint32_t t = obed_point(b, "T", "", VALUE_STRING);
    char text[300];
    memset(text, 'x', sizeof text);
    obed_set(b);
    UNTIL(b, b->state == DRIVER_UP);
    struct outlet_item it = {.slot = t, .sample = {.type = SAMPLE_STRING}, .text = text, .text_len = sizeof text};
    uint64_t k = obed_send_items(b, &it, 1, OUTLET_LIVE);
    UNTIL(b, b->sent[k]);
    CHECK_INT(b->sent_code[k], ERR_TOO_LARGE);
    done(r);
}

TEST(the_test_of_a_connection)
{
    struct receiver *r = receiver_new();
    receiver_listen(r);
    open_to(r, "");
    obed_test(r->b);
    CHECK_INT(r->b->test_code, 0);
    CHECK(strstr(r->b->test_detail, "connected to TCP 127.0.0.1"));
    obed_close(r->b);
    receiver_stop(r);
    open_to(r, "");
    obed_test(r->b);
    CHECK_INT(r->b->test_code, ERR_UNAVAILABLE);
    done(r);
}

TEST(addresses_and_wrong_options)
{
    struct receiver *r = receiver_new();
    struct obed *b = r->b;
    struct error e;
    const struct options *o =
        bed_options(b, socket_outlet.channel_options,
                    "{\"host\":\"a\",\"port\":1,\"content\":\"binary\",\"frame_length\":10,\"data_at\":2}");
    struct outlet_address got;
    struct outlet_point p = {.address = "2:float"};
    CHECK_INT(socket_outlet.address_check(&p, o, &got, &e), 0);
    CHECK_INT(got.type, VALUE_FLOAT);
    static const char *const wrong[] = {"8:float", "field 1", "text", "x", "-11:uint8"};
    for (size_t i = 0; i < 5; i++) {
        p.address = wrong[i];
        CHECK_INT(socket_outlet.address_check(&p, o, NULL, &e), ERR_INVALID);
        CHECK_Z(e.where, "address");
    }
    char text[40];
    uint64_t next = 0;
    p = (struct outlet_point){.type = VALUE_AUTO, .code = "C"};
    CHECK_INT(socket_outlet.address_default(&p, o, &next, text, sizeof text, &e), 0);
    CHECK_Z(text, "2:float");
    CHECK_INT(socket_outlet.address_default(&p, o, &next, text, sizeof text, &e), 0);
    CHECK_Z(text, "6:float");
    CHECK_INT(socket_outlet.address_default(&p, o, &next, text, sizeof text, &e), ERR_LIMIT);
    static const char *const channels[][2] = {
        {"{\"host\":\"a\",\"port\":1,\"ack\":\"\\\\q\"}", "ack"},
        {"{\"host\":\"a\",\"port\":1,\"content\":\"binary\",\"frame_length\":2,\"frame\":\"abc\"}", "frame"},
        {"{\"host\":\"a\",\"port\":1,\"content\":\"binary\",\"frame_length\":2,\"checksum\":\"crc32\"}", "checksum_at"},
        {"{\"host\":\"a\",\"port\":1,\"form\":\"template\",\"template\":\"${what}\"}", "template"},
        {"{\"mode\":\"tcp_server\",\"port\":1,\"allow\":\"x\"}", "allow"},
    };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        struct outlet_channel *ch;
        CHECK_INT(socket_outlet.channel_open(&b->host, bed_options(b, socket_outlet.channel_options, channels[i][0]),
                                             &ch, &e),
                  ERR_INVALID);
        CHECK_Z(e.where, channels[i][1]);
    }
    done(r);
}
