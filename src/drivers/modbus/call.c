/* call.c - requests in flight: sending, matching answers to them, time-outs and repeats.
 *
 * TCP: an answer belongs to the request with its transaction; any other is late or foreign, is counted
 * and dropped. RTU and ASCII have no transaction: one request at a time, unit and function must fit, and
 * after a time-out whatever comes is dropped for a while, since a late answer looks like the next one.
 *
 * Echo: a two-wire adapter may hear what it sends. The answer to a write of one register is its echo, so an
 * echo must be taken away before it is read as an answer. It is learned from a request to read, whose echo
 * cannot be an answer, or told by an option.
 * Broadcast: nobody answers; the request is over after the turnaround delay, its outcome unknown. */
#include "drivers/modbus/modbus_int.h"

static unsigned limit(const struct mb_channel *ch)
{
    return ch->cfg.framing == MODBUS_TCP ? ch->cfg.in_flight : 1;
}

bool call_free(const struct mb_channel *ch)
{
    return ch->busy < limit(ch);
}

static void transmit(struct mb_channel *ch, struct mb_call *c, uint64_t now)
{
    uint8_t out[MODBUS_FRAME_MAX];
    c->transaction = ++ch->transaction;
    c->sent_ns = now;
    c->resend = c->half = false;
    size_t n = modbus_frame_put(ch->cfg.framing, c->transaction, c->unit, c->pdu, c->pdu_n, out);
    uint64_t on_the_line = ch->cfg.link->resolves ? 0 : n * serial_char_ns(&ch->cfg.serial);
    c->deadline_ns = now + on_the_line + (uint64_t)c->timeout_ms * NS_MS;
    ch->st.requests++;
    ch->st.bytes_out += n;
    ch->quiet = false;
    ch->learn_echo = !ch->echo && c->q.function <= MODBUS_READ_INPUT;
    if (ch->cfg.interval_ms) ch->send_ns = now + (uint64_t)ch->cfg.interval_ms * NS_MS;
    if (ch->base.host->trace) mb_trace(ch, DRIVER_TX, out, n, NULL);
    mb_wake_at(ch, c->deadline_ns);
    ch->cfg.link->send(ch, out, n);
}

void call_start(struct mb_channel *ch, struct mb_to to, const struct modbus_request *q, mb_done *done, void *owner,
                uint32_t index)
{
    struct mb_call *c = ch->calls;
    struct error e;
    while (c->busy) c++;
    *c = (struct mb_call){.busy = true,
                          .broadcast = ch->cfg.broadcast && to.unit == 0,
                          .unit = to.unit,
                          .tries = to.tries,
                          .timeout_ms = to.timeout_ms ? to.timeout_ms : ch->cfg.timeout_ms,
                          .q = *q,
                          .done = done,
                          .owner = owner,
                          .index = index};
    if (c->broadcast) c->timeout_ms = ch->cfg.turnaround_ms;
    ch->busy++;
    if (modbus_request_encode(q, c->pdu, &c->pdu_n, &e)) { /* a fault of ours: tell it as a broken answer */
        ch->busy--;
        c->busy = false;
        done(ch, c, ERR_PROTOCOL, NULL, &e);
        return;
    }
    if (q->data && modbus_request_decode(c->pdu, c->pdu_n, &c->q)) c->q.data_n = 0; /* data now points into our PDU */
    transmit(ch, c, mb_now(ch));
}

static void finish(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                   const struct error *e)
{
    c->busy = false;
    ch->busy--;
    if (c->owner) c->done(ch, c, rc, r, e);
}

void call_forget(struct mb_channel *ch, const void *owner)
{
    for (unsigned i = 0; i < MB_IN_FLIGHT_MAX; i++)
        if (ch->calls[i].busy && ch->calls[i].owner == owner) ch->calls[i].owner = NULL;
}

void call_fail_all(struct mb_channel *ch, int rc, const struct error *e)
{
    for (unsigned i = 0; i < MB_IN_FLIGHT_MAX; i++)
        if (ch->calls[i].busy) finish(ch, &ch->calls[i], rc, NULL, e);
}

/* ---- answers ---- */

static struct mb_call *find(struct mb_channel *ch, const struct modbus_frame *f)
{
    for (unsigned i = 0; i < limit(ch); i++) {
        struct mb_call *c = &ch->calls[i];
        if (c->busy && !c->resend && (ch->cfg.framing != MODBUS_TCP || c->transaction == f->transaction)) return c;
    }
    return NULL;
}

static struct modbus_expect awaited(struct mb_channel *ch)
{
    struct modbus_expect x = {.transaction = -1, .unit = -1, .function = -1};
    struct mb_call *c = ch->calls;
    if (ch->busy != 1) return x;
    while (!c->busy) c++;
    x.transaction = c->transaction;
    x.unit = c->unit;
    x.function = c->q.function;
    return x;
}

static void round_trip(struct mb_channel *ch, const struct mb_call *c, uint64_t now)
{
    uint32_t us = (uint32_t)((now - c->sent_ns) / 1000);
    ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + us / 8 : us;
}

static void stray(struct mb_channel *ch, const uint8_t *p, const struct modbus_frame *f)
{
    struct error e;
    error_set(&e, ERR_PROTOCOL, "", "answer to no request in flight (transaction %u, station %u)",
              "收到与在途请求不符的应答（事务 %u，站 %u）", f->transaction, f->unit);
    ch->st.errors++;
    mb_trace(ch, DRIVER_RX, p, f->used, &e);
}

static void take_frame(struct mb_channel *ch, const uint8_t *p, const struct modbus_frame *f, uint64_t now)
{
    struct mb_call *c = find(ch, f);
    struct modbus_response r = {0};
    struct error e = {0};
    int rc = 0;
    if (c == NULL) {
        stray(ch, p, f);
        return;
    }
    if (f->unit != c->unit)
        rc = error_set(&e, ERR_PROTOCOL, "", "station %u answered instead of %u", "应答来自站 %u，而请求的是站 %u",
                       f->unit, c->unit);
    if (rc == 0) rc = modbus_response_decode(f->pdu, f->pdu_n, &c->q, &r, &e);
    if (rc) ch->st.errors++;
    if (rc || ch->base.host->trace) mb_trace(ch, DRIVER_RX, p, f->used, rc ? &e : NULL);
    round_trip(ch, c, now);
    ch->silent = 0;
    if (rc != ERR_PROTOCOL) ch->broken = 0;
    finish(ch, c, rc, &r, rc ? &e : NULL);
}

static void rubbish(struct mb_channel *ch, const uint8_t *p, size_t n)
{
    struct error e;
    error_set(&e, ERR_PROTOCOL, "", "%zu bytes that are no Modbus frame", "%zu 字节不构成 Modbus 帧", n);
    ch->st.errors++;
    ch->broken++;
    mb_trace(ch, DRIVER_RX, p, n, &e);
}

static bool drop_all(struct mb_channel *ch)
{
    return ch->quiet || (ch->cfg.framing != MODBUS_TCP && ch->busy == 0);
}

/* Take our own bytes off the front. True: wait, more of them may come. */
static bool echo_pending(struct mb_channel *ch)
{
    size_t n = ch->sent_n < ch->rx_n ? ch->sent_n : ch->rx_n;
    if (n == 0 || !(ch->echo || ch->learn_echo)) return false;
    if (memcmp(ch->rx, ch->sent, n) != 0) {
        ch->sent_n = 0; /* an answer, or two have sent at once: the check of the frame tells */
        return false;
    }
    if (n < ch->sent_n) return true;
    if (!ch->echo)
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO,
                           "the adapter hears its own sending: its echo is dropped", NULL);
    ch->echo = true;
    ch->sent_n = 0;
    ch->rx_n -= n;
    memmove(ch->rx, ch->rx + n, ch->rx_n);
    return ch->rx_n == 0;
}

void call_receive(struct mb_channel *ch)
{
    size_t at = 0;
    uint64_t now = mb_now(ch);
    if (echo_pending(ch)) return;
    while (at < ch->rx_n && ch->conn == CONN_UP) {
        struct modbus_expect x = awaited(ch);
        struct modbus_frame f;
        if (drop_all(ch)) {
            rubbish(ch, ch->rx + at, ch->rx_n - at);
            at = ch->rx_n;
            break;
        }
        int rc = modbus_frame_next(ch->cfg.framing, ch->rx + at, ch->rx_n - at, &x, &f);
        if (rc == 0) break;
        if (rc < 0)
            rubbish(ch, ch->rx + at, f.used);
        else
            take_frame(ch, ch->rx + at, &f, now);
        at += f.used;
    }
    if (ch->conn != CONN_UP) at = ch->rx_n;
    if (at && at < ch->rx_n) memmove(ch->rx, ch->rx + at, ch->rx_n - at);
    ch->rx_n -= at;
}

static bool begins_answer(const struct mb_channel *ch)
{
    const struct mb_call *c = ch->calls; /* without transactions: the first and only one */
    return ch->cfg.framing == MODBUS_RTU && ch->rx_n >= 2 && c->busy && !c->resend && ch->rx[0] == c->unit &&
           (ch->rx[1] & 0x7f) == c->q.function;
}

/* Half an answer, then nothing: it will not be sent again, so there is nothing to wait for. */
void call_silence(struct mb_channel *ch)
{
    ch->sent_n = 0; /* no echo: look at what was held back */
    call_receive(ch);
    if (ch->rx_n == 0 || ch->conn != CONN_UP) return;
    if (begins_answer(ch)) {
        ch->calls->half = true;
        ch->calls->deadline_ns = mb_now(ch);
    }
    rubbish(ch, ch->rx, ch->rx_n);
    ch->rx_n = 0;
}

/* ---- time-outs ---- */

static void broadcast_over(struct mb_channel *ch, struct mb_call *c)
{
    struct error e;
    error_set(&e, ERR_UNKNOWN, "", "sent to all stations (unit 0); nobody confirms a broadcast",
              "已广播至所有站（站号 0）；广播没有应答确认");
    finish(ch, c, ERR_UNKNOWN, NULL, &e);
}

static void timed_out(struct mb_channel *ch, struct mb_call *c, uint64_t now)
{
    struct error e;
    uint8_t out[MODBUS_FRAME_MAX];
    if (c->half)
        error_set(&e, ERR_TIMEOUT, "",
                  "station %u: the answer broke off (function %u): noise, or a wrong speed or parity",
                  "站 %u：应答中断（功能码 %u）：线路干扰，或波特率、校验设置有误", c->unit, c->q.function);
    else
        error_set(&e, ERR_TIMEOUT, "", "station %u: no answer within %u ms (function %u)",
                  "站 %u：%u 毫秒内无应答（功能码 %u）", c->unit, c->timeout_ms, c->q.function);
    ch->st.timeouts++;
    ch->silent++;
    mb_trace(ch, DRIVER_TX, out, modbus_frame_put(ch->cfg.framing, c->transaction, c->unit, c->pdu, c->pdu_n, out), &e);
    if (ch->cfg.framing != MODBUS_TCP) {
        uint64_t pause = c->half ? 5 : c->timeout_ms / 2 < 500 ? c->timeout_ms / 2 : 500;
        ch->quiet = true;
        ch->send_ns = now + pause * NS_MS;
    }
    if (ch->busy == 1) ch->rx_n = 0; /* half a frame that never got whole */
    if (c->tries == 0 || c->owner == NULL) {
        finish(ch, c, ERR_TIMEOUT, NULL, &e);
        return;
    }
    c->tries--;
    c->resend = true;
}

void call_timeouts(struct mb_channel *ch, uint64_t now)
{
    unsigned n = limit(ch); /* calls in use are among the first n */
    for (unsigned i = 0; i < n && ch->busy; i++) {
        struct mb_call *c = &ch->calls[i];
        if (!c->busy || c->resend || c->deadline_ns > now) continue;
        if (c->broadcast)
            broadcast_over(ch, c);
        else
            timed_out(ch, c, now);
    }
    for (unsigned i = 0; i < n && ch->busy && ch->conn == CONN_UP && now >= ch->send_ns; i++)
        if (ch->calls[i].busy && ch->calls[i].resend) transmit(ch, &ch->calls[i], now);
}

uint64_t call_next_deadline(const struct mb_channel *ch)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0, left = ch->busy; left; i++) {
        const struct mb_call *c = &ch->calls[i];
        if (!c->busy) continue;
        left--;
        uint64_t at = c->resend ? ch->send_ns : c->deadline_ns;
        if (at < first) first = at;
    }
    return first;
}
