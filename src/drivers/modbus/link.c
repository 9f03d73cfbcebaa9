/* link.c - the three ways to the stations: a TCP connection, a UDP socket, a serial port. Bytes only; what they mean is
 * call.c's.
 *
 * UDP     one datagram holds whole frames; what is left of one is no beginning of the next. Nothing tells that the
 * other side is there before it answers; "refused" comes by ICMP with the next receive. Serial  before each request the
 * line has been silent for 3.5 characters (MODBUS over Serial Line V1.02, 2.5.1.1); a frame that began and then stopped
 * for longer than the line and the adapter explain is given up. */
#include "drivers/modbus/modbus_int.h"

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct mb_channel *ch = h->data;
    *buf = uv_buf_init((char *)ch->rx + ch->rx_n, (unsigned)(MB_RX - ch->rx_n));
}

static void on_closed(uv_handle_t *h)
{
    mb_link_closed(h->data);
}

static void close_handle(struct mb_channel *ch)
{
    uv_close((uv_handle_t *)&ch->link, on_closed);
}

/* ---- TCP ---- */

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct mb_channel *ch = s->data;
    if (n >= 0) {
        mb_received(ch, (size_t)n);
        return;
    }
    mb_lose_uv(ch, (int)n, mb_proved(ch));
    channel_pump(ch);
}

struct late_write {
    uv_write_t req;
    uint8_t bytes[MODBUS_FRAME_MAX];
};

static void on_written(uv_write_t *req, int status)
{
    mem_free(req->data);
}

/* The socket's buffer is full: the rest goes out when there is room. */
static void send_later(struct mb_channel *ch, const uint8_t *p, size_t n)
{
    struct late_write *w = mem_alloc(sizeof *w);
    if (w == NULL) return; /* the time-out tells */
    memcpy(w->bytes, p, n);
    w->req.data = w;
    uv_buf_t b = uv_buf_init((char *)w->bytes, (unsigned)n);
    if (uv_write(&w->req, (uv_stream_t *)&ch->link.tcp, &b, 1, on_written)) mem_free(w);
}

/* A broken connection shows up at the next read; nothing is told from here, in the middle of a send. */
static void tcp_send(struct mb_channel *ch, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    int k = uv_try_write((uv_stream_t *)&ch->link.tcp, &b, 1);
    size_t sent = k > 0 ? (size_t)k : 0;
    if (sent < n && (k >= 0 || k == UV_EAGAIN)) send_later(ch, p + sent, n - sent);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct mb_channel *ch = req->data;
    if (ch->conn != CONN_CONNECTING) return; /* given up meanwhile */
    if (status == 0) {
        uv_tcp_nodelay(&ch->link.tcp, 1);
        uv_tcp_keepalive(&ch->link.tcp, 1, 30);
        status = uv_read_start((uv_stream_t *)&ch->link.tcp, on_alloc, on_read);
    }
    if (status)
        mb_lose_uv(ch, status, false);
    else
        mb_come_up(ch);
    channel_pump(ch);
}

static void tcp_open(struct mb_channel *ch, const struct sockaddr *addr)
{
    int rc = uv_tcp_init(ch->timer.loop, &ch->link.tcp);
    ch->link_open = rc == 0;
    ch->link.tcp.data = ch;
    ch->connect.data = ch;
    if (rc == 0) rc = uv_tcp_connect(&ch->connect, &ch->link.tcp, addr, on_connect);
    if (rc) mb_lose_uv(ch, rc, false);
}

const struct mb_link mb_link_tcp = {.resolves = true, .open = tcp_open, .send = tcp_send, .close = close_handle};

/* ---- UDP ---- */

static void on_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct mb_channel *ch = u->data;
    if (n < 0) {
        mb_lose_uv(ch, (int)n, mb_proved(ch));
        channel_pump(ch);
        return;
    }
    if (n == 0) return;
    mb_received(ch, (size_t)n);
    if (ch->conn == CONN_UP && ch->rx_n) call_silence(ch);
}

static void udp_send(struct mb_channel *ch, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    uv_udp_try_send(&ch->link.udp, &b, 1, NULL); /* what does not get through is asked again */
}

static void udp_open(struct mb_channel *ch, const struct sockaddr *addr)
{
    int rc = uv_udp_init(ch->timer.loop, &ch->link.udp);
    ch->link_open = rc == 0;
    ch->link.udp.data = ch;
    if (rc == 0) rc = uv_udp_connect(&ch->link.udp, addr);
    if (rc == 0) rc = uv_udp_recv_start(&ch->link.udp, on_alloc, on_datagram);
    if (rc)
        mb_lose_uv(ch, rc, false);
    else
        mb_come_up(ch);
}

const struct mb_link mb_link_udp = {.resolves = true, .open = udp_open, .send = udp_send, .close = close_handle};

/* ---- serial ---- */

static void on_serial(void *ctx, const uint8_t *p, size_t n)
{
    struct mb_channel *ch = ctx;
    uint64_t now = mb_now(ch), free_ns = now + serial_t35_ns(&ch->cfg.serial);
    if (n > MB_RX - ch->rx_n) n = MB_RX - ch->rx_n; /* rubbish by any measure */
    memcpy(ch->rx + ch->rx_n, p, n);
    if (ch->send_ns < free_ns) ch->send_ns = free_ns;
    mb_received(ch, n);
    ch->gap_ns = ch->rx_n && ch->conn == CONN_UP ? now + serial_silence_ns(&ch->cfg.serial) : 0;
    if (ch->gap_ns) mb_wake_at(ch, ch->gap_ns);
}

static void on_serial_lost(void *ctx, const struct error *why)
{
    struct mb_channel *ch = ctx;
    mb_lose(ch, why, mb_proved(ch));
    channel_pump(ch);
}

static void serial_link_open(struct mb_channel *ch, const struct sockaddr *addr)
{
    static const struct serial_ops ops = {on_serial, on_serial_lost};
    struct error e;
    if (serial_open(ch->timer.loop, &ch->cfg.serial, &ops, ch, &ch->link.serial, &e)) {
        mb_lose(ch, &e, false);
        return;
    }
    ch->link_open = true;
    mb_come_up(ch);
    ch->send_ns = ch->up_ns + serial_t35_ns(&ch->cfg.serial);
}

/* The line is ours again 3.5 characters after the last one has gone out. */
static void serial_send(struct mb_channel *ch, const uint8_t *p, size_t n)
{
    uint64_t gone = mb_now(ch) + n * serial_char_ns(&ch->cfg.serial) + serial_t35_ns(&ch->cfg.serial);
    if (ch->send_ns < gone) ch->send_ns = gone;
    memcpy(ch->sent, p, n);
    ch->sent_n = n;
    if (serial_write(ch->link.serial, p, n)) ch->sent_n = 0; /* the time-out tells */
}

static void on_serial_closed(void *arg)
{
    mb_link_closed(arg);
}

static void serial_link_close(struct mb_channel *ch)
{
    serial_close(ch->link.serial, on_serial_closed, ch);
}

const struct mb_link mb_link_serial = {.open = serial_link_open, .send = serial_send, .close = serial_link_close};
