/* server.c - connections and requests of the Modbus server. */
#include "model/sample.h"
#include "outlets/modbus/modbus_out.h"

#define IN_MAX 1024
#define LISTEN_AGAIN_MS 5000
#define WRITE_TEXT 257

struct mo_conn {
    struct mo_conn *next;
    struct mo_channel *ch;
    struct tls_stream *stream;
    uint8_t in[IN_MAX];
    size_t nin;
    bool closing;
    uint64_t heard_ns;
    int64_t since_us;
    uint64_t items, bytes_in, bytes_out;
    uint16_t link;
    /* A write that waits for the equipment. */
    unsigned waiting; /* points not answered yet */
    unsigned exception;
    uint16_t transaction;
    uint8_t unit, request[MODBUS_PDU_MAX];
    size_t nrequest;
};

struct mo_channel {
    struct outlet_channel base;
    struct mo_rules rules;
    struct ip_list allow;
    char address[46];
    uint16_t port;
    enum modbus_framing framing;
    bool any_unit;
    enum mo_bad bad;
    unsigned max_connections;
    uint64_t idle_ns;
    struct mo_map map;
    struct error clash;
    size_t nclash;
    struct tls_listener *listener;
    struct mo_conn *conns;
    unsigned nconns;
    uint16_t links;
    uv_timer_t timer; /* idle connections, and listening again */
    struct outlet_status status;
    bool closing, timer_closed;
    driver_closed *closed;
    void *closed_arg;
    size_t points;
};

static struct mo_channel *channel_of(const struct outlet_channel *ch)
{
    return (struct mo_channel *)(void *)(uintptr_t)ch;
}

static int64_t now_us(const struct mo_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}
static uint64_t mono(const struct mo_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

/* ---- state ---- */

static void set_state(struct mo_channel *ch, enum driver_state s, const struct error *why)
{
    struct outlet_status *st = &ch->status;
    bool changed = st->state != s || strcmp(st->reason, why ? why->text : "") != 0;
    snprintf(st->reason, sizeof st->reason, "%.190s", why ? why->text : "");
    str_to_cstr(str_of(why ? why->text_zh : ""), st->reason_zh, sizeof st->reason_zh);
    if (!changed) return;
    st->state = s;
    st->since_us = now_us(ch);
    ch->base.host->state(ch->base.host->ctx, s, why);
}

static void tell_state(struct mo_channel *ch)
{
    if (!ch->listener) return;
    set_state(ch, ch->nclash ? DRIVER_DEGRADED : DRIVER_UP, ch->nclash ? &ch->clash : NULL);
}

static void frame(struct mo_conn *c, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct outlet_host *h = c->ch->base.host;
    if (!h->frame || (!e && !h->trace)) return;
    struct driver_frame f = {.time_us = now_us(c->ch),
                             .dir = dir,
                             .format = (uint8_t)c->ch->framing,
                             .link = c->link,
                             .bytes = p,
                             .n = n,
                             .error = e};
    h->frame(h->ctx, &f);
}

/* ---- reads ---- */

static uint8_t unit_of(const struct mo_channel *ch, uint8_t unit)
{
    return !ch->any_unit || mo_map_unit(&ch->map, unit) ? unit : ch->rules.unit;
}

static int value_of(struct mo_channel *ch, const struct mo_point *p, uint16_t *regs)
{
    struct sample s;
    char text[WRITE_TEXT];
    size_t n = 0;
    const struct outlet_host *h = ch->base.host;
    h->current(h->ctx, p->slot, &s, text, sizeof text, &n);
    ch->status.items++;
    return mo_value_put(p, &s, text, n, ch->bad, regs) ? 0 : MODBUS_EX_DEVICE_FAILURE;
}

static int read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t count, uint8_t *packed)
{
    struct mo_channel *ch = ctx;
    size_t i, end;
    uint16_t v;
    if (!mo_map_find(&ch->map, unit_of(ch, unit), true, at, count, &i, &end)) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (; i < end; i++) {
        unsigned place = (unsigned)(ch->map.at[i].at - at);
        int ex = value_of(ch, &ch->map.at[i], &v);
        if (ex) return ex;
        if (v) packed[place / 8] |= (uint8_t)(1u << place % 8);
    }
    return 0;
}

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t count, uint16_t *r)
{
    struct mo_channel *ch = ctx;
    size_t i, end;
    if (!mo_map_find(&ch->map, unit_of(ch, unit), false, at, count, &i, &end)) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (; i < end; i++) {
        const struct mo_point *p = &ch->map.at[i];
        uint16_t v[MODBUS_READ_REGISTERS_MAX + 1] = {0};
        int ex = value_of(ch, p, v);
        if (ex) return ex;
        if (p->bit >= 0) {
            r[p->at - at] |= (uint16_t)((v[0] & 1) << p->bit);
            continue;
        }
        for (int k = 0; k < p->count; k++) { /* a part of a value is its registers all the same */
            int place = p->at + k - at;
            if (place >= 0 && place < count) r[place] = v[k];
        }
    }
    return 0;
}

/* ---- sending ---- */

static void drop(struct mo_conn *c);

static void answer(struct mo_conn *c, uint16_t transaction, uint8_t unit, const uint8_t *pdu, size_t n)
{
    uint8_t out[MODBUS_FRAME_MAX];
    size_t len = modbus_frame_put(c->ch->framing, transaction, unit, pdu, n, out);
    frame(c, DRIVER_TX, out, len, NULL);
    c->bytes_out += len;
    c->ch->status.bytes_out += len;
    if (pdu[0] & 0x80) c->ch->status.errors++;
    if (tls_stream_write(c->stream, out, len)) drop(c); /* it does not read what it asked for */
}

/* ---- writes ---- */

static void go_on(struct mo_conn *c);

static void finish_write(struct mo_conn *c)
{
    uint8_t pdu[MODBUS_PDU_MAX];
    size_t n = 5;
    memcpy(pdu, c->request, 5); /* 5, 6, 15 and 16 echo address and value or quantity */
    if (c->exception) {
        pdu[0] = c->request[0] | 0x80;
        pdu[1] = (uint8_t)c->exception;
        n = 2;
    }
    c->nrequest = 0;
    answer(c, c->transaction, c->unit, pdu, n);
}

static unsigned exception_of(const struct driver_write_result *r)
{
    int code = r->error ? r->error->code : 0;
    switch (r->outcome) {
    case DRIVER_DONE: return 0;
    case DRIVER_REFUSED:
        return code == ERR_INVALID     ? MODBUS_EX_ILLEGAL_VALUE
               : code == ERR_FORBIDDEN ? MODBUS_EX_ILLEGAL_ADDRESS
                                       : MODBUS_EX_DEVICE_FAILURE;
    case DRIVER_EXPIRED: return MODBUS_EX_BUSY;
    default: return MODBUS_EX_DEVICE_FAILURE;
    }
}

static void conn_free(struct mo_conn *c)
{
    struct mo_channel *ch = c->ch;
    for (struct mo_conn **at = &ch->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    ch->nconns--;
    mem_free(c);
}

static void end_if_closed(struct mo_channel *ch);

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct mo_conn *c = arg;
    struct mo_channel *ch = c->ch;
    unsigned ex = exception_of(r);
    if (ex && !c->exception) c->exception = ex;
    ch->status.writes++;
    if (--c->waiting) return;
    if (!c->closing) {
        finish_write(c);
        if (!c->closing) go_on(c);
        return;
    }
    if (c->stream) return; /* goes when the stream is closed */
    conn_free(c);
    end_if_closed(ch);
}

/* The registers of the request as numbers; bits as 0 and 1. */
static void values_of(const struct modbus_request *q, uint16_t *v)
{
    if (q->function == MODBUS_WRITE_COIL || q->function == MODBUS_WRITE_REGISTER) {
        v[0] = q->value;
        return;
    }
    for (unsigned i = 0; i < q->count; i++)
        v[i] = q->function == MODBUS_WRITE_COILS ? modbus_bit(q->data, i) : modbus_register(q->data, i);
}

/* Every register belongs to a point that is covered whole and may be written; else nothing is written. */
static unsigned check_cover(const struct mo_map *m, size_t i, size_t end, unsigned at, unsigned count)
{
    unsigned next = at;
    for (; i < end; i++) {
        const struct mo_point *p = &m->at[i];
        if (p->at < at || p->at + p->count > at + count || p->at > next || !p->writable)
            return MODBUS_EX_ILLEGAL_ADDRESS;
        next = (unsigned)p->at + p->count;
    }
    return next == at + count ? 0 : MODBUS_EX_ILLEGAL_ADDRESS;
}

static unsigned begin_write(struct mo_conn *c, const struct modbus_request *q)
{
    struct mo_channel *ch = c->ch;
    const struct outlet_host *h = ch->base.host;
    bool bits = q->function == MODBUS_WRITE_COIL || q->function == MODBUS_WRITE_COILS;
    unsigned count = q->function == MODBUS_WRITE_COIL || q->function == MODBUS_WRITE_REGISTER ? 1 : q->count;
    uint16_t v[MODBUS_WRITE_BITS_MAX];
    size_t i, end;
    if (q->function == MODBUS_MASK_WRITE || q->function == MODBUS_READ_WRITE) return MODBUS_EX_ILLEGAL_FUNCTION;
    if (!mo_map_find(&ch->map, unit_of(ch, c->unit), bits, q->address, count, &i, &end))
        return MODBUS_EX_ILLEGAL_ADDRESS;
    unsigned ex = check_cover(&ch->map, i, end, q->address, count);
    if (ex) return ex;
    values_of(q, v);
    c->exception = 0;
    c->waiting = (unsigned)(end - i) + 1; /* ours, so that it does not end in the middle */
    for (; i < end; i++) {
        const struct mo_point *p = &ch->map.at[i];
        char text[WRITE_TEXT], peer[64];
        struct outlet_write w = {.slot = p->slot, .done = on_written, .arg = c, .peer = peer, .text = text};
        snprintf(peer, sizeof peer, "%.48s:%u", tls_stream_host(c->stream), tls_stream_port(c->stream));
        mo_value_take(p, v + (p->at - q->address), &w.value, text, &w.text_len);
        h->write(h->ctx, &w);
    }
    struct driver_write_result mine = {.outcome = DRIVER_DONE};
    ch->status.writes--; /* on_written counts it */
    on_written(c, &mine);
    return 0;
}

/* ---- requests ---- */

static bool is_write(uint8_t function)
{
    return function == MODBUS_WRITE_COIL || function == MODBUS_WRITE_REGISTER || function == MODBUS_WRITE_COILS ||
           function == MODBUS_WRITE_REGISTERS || function == MODBUS_MASK_WRITE || function == MODBUS_READ_WRITE;
}

static void take_request(struct mo_conn *c, const struct modbus_frame *f)
{
    struct mo_channel *ch = c->ch;
    uint8_t out[MODBUS_PDU_MAX];
    struct modbus_data_ops ops = {.read_bits = read_bits, .read_registers = read_registers, .ctx = ch};
    struct modbus_request q;
    ch->status.requests++;
    ch->status.last_ok_us = now_us(ch);
    c->items++;
    if (!f->pdu_n || !is_write(f->pdu[0])) {
        size_t n = modbus_server_pdu(f->pdu, f->pdu_n, f->unit, &ops, out);
        if (n) answer(c, f->transaction, f->unit, out, n);
        return;
    }
    c->transaction = f->transaction;
    c->unit = f->unit;
    memcpy(c->request, f->pdu, c->nrequest = f->pdu_n);
    int ex = modbus_request_decode(c->request, c->nrequest, &q);
    if (!ex) ex = (int)begin_write(c, &q);
    if (!ex) return;
    c->nrequest = 0;
    uint8_t no[2] = {f->pdu[0] | 0x80, (uint8_t)ex};
    answer(c, f->transaction, f->unit, no, 2);
}

/* Requests one by one, until one waits for the equipment. */
static void go_on(struct mo_conn *c)
{
    struct modbus_expect x = {.requests = true, .transaction = -1, .unit = -1, .function = -1};
    while (!c->closing && !c->waiting) {
        struct modbus_frame f;
        struct error e;
        int got = modbus_frame_next(c->ch->framing, c->in, c->nin, &x, &f);
        if (got == 0) break;
        if (got < 0) {
            error_set(&e, ERR_PROTOCOL, "", "these bytes are no Modbus request", "收到的字节不是 Modbus 请求");
            frame(c, DRIVER_RX, c->in, c->nin, &e);
            c->ch->status.errors++;
            if (c->ch->framing == MODBUS_TCP) {
                drop(c);
                return;
            }
            memmove(c->in, c->in + f.used, c->nin -= f.used);
            continue;
        }
        frame(c, DRIVER_RX, c->in, f.used, NULL);
        size_t used = f.used;
        take_request(c, &f);
        memmove(c->in, c->in + used, c->nin -= used);
    }
    if (!c->closing) tls_stream_read(c->stream, !c->waiting && c->nin < IN_MAX);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct mo_conn *c = ctx;
    c->heard_ns = mono(c->ch);
    c->bytes_in += n;
    c->ch->status.bytes_in += n;
    while (n && !c->closing) {
        size_t room = IN_MAX - c->nin, take = n < room ? n : room;
        if (!take) { /* it sends on while a write is under way */
            drop(c);
            return;
        }
        memcpy(c->in + c->nin, p, take);
        c->nin += take;
        p += take;
        n -= take;
        go_on(c);
    }
}

/* ---- connections ---- */

static void on_stream_closed(void *arg)
{
    struct mo_conn *c = arg;
    struct mo_channel *ch = c->ch;
    c->stream = NULL;
    if (c->waiting) return; /* the write ends it */
    conn_free(c);
    end_if_closed(ch);
}

static void drop(struct mo_conn *c)
{
    if (c->closing) return;
    c->closing = true;
    tls_stream_close(c->stream, on_stream_closed, c);
}

static void on_opened(void *ctx) {}
static void on_lost(void *ctx, const struct error *why)
{
    drop(ctx);
}

static void *on_accept(void *ctx, struct tls_stream *s)
{
    struct mo_channel *ch = ctx;
    if (ch->closing || ch->nconns >= ch->max_connections) {
        ch->status.errors++;
        return NULL;
    }
    struct mo_conn *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->ch = ch;
    c->stream = s;
    c->heard_ns = mono(ch);
    c->since_us = now_us(ch);
    c->link = ++ch->links;
    c->next = ch->conns;
    ch->conns = c;
    ch->nconns++;
    return c;
}

static void on_refused(void *ctx, const char *host)
{
    struct mo_channel *ch = ctx;
    ch->status.errors++;
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "an address that is not allowed tried to connect", host);
}

static const struct tls_listener_ops listener_ops = {
    .stream = {.opened = on_opened, .data = on_data, .lost = on_lost}, .accept = on_accept, .refused = on_refused};

static void listen_now(struct mo_channel *ch)
{
    struct error e = {0};
    struct tls_listener_config c = {
        .address = ch->address, .port = ch->port, .allow = ch->allow.n ? &ch->allow : NULL, .out_max = 64 << 10};
    if (tls_listener_open(ch->base.host->loop, &c, &listener_ops, ch, &ch->listener, &e))
        set_state(ch, DRIVER_DOWN, &e);
    else
        tell_state(ch);
}

static void on_timer(uv_timer_t *t)
{
    struct mo_channel *ch = t->data;
    uint64_t now = mono(ch);
    if (!ch->listener) listen_now(ch);
    for (struct mo_conn *c = ch->conns; c; c = c->next)
        if (!c->waiting && now - c->heard_ns > ch->idle_ns) drop(c);
}

/* ---- the outlet's functions ---- */

int mo_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct mo_channel *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = ip_list_parse(opt_str(o, "allow", ""), &ch->allow, e);
    if (rc) {
        mem_free(ch);
        error_prefix(e, "allow");
        return rc;
    }
    ch->base = (struct outlet_channel){&modbus_server_outlet, host};
    ch->rules = mo_rules_of(o);
    ch->port = (uint16_t)opt_i64(o, "port", 502);
    ch->framing = opt_enum(o, "framing", 0) ? MODBUS_RTU : MODBUS_TCP;
    ch->any_unit = opt_bool(o, "any_unit", true);
    ch->bad = (enum mo_bad)opt_enum(o, "on_bad", MO_BAD_MARK);
    ch->max_connections = (unsigned)opt_i64(o, "connections", 32);
    ch->idle_ns = (uint64_t)opt_us(o, "idle", 300000000) * 1000;
    str_to_cstr(str_of(opt_str(o, "address", "0.0.0.0")), ch->address, sizeof ch->address);
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    uv_timer_start(&ch->timer, on_timer, LISTEN_AGAIN_MS, 1000);
    *ret = &ch->base;
    listen_now(ch);
    return 0;
}

int mo_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct mo_channel *ch = channel_of(base);
    struct mo_map m = {.at = mem_calloc(n + 1, sizeof *m.at)};
    if (!m.at) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < n; i++) {
        if (mo_point_resolve(&points[i], &ch->rules, &m.at[m.n], NULL, NULL)) continue; /* checked when it was saved */
        m.at[m.n++].slot = (uint32_t)i;
    }
    mo_map_settle(&m, points, &ch->nclash, &ch->clash);
    mo_map_fini(&ch->map);
    ch->map = m;
    ch->points = n;
    tell_state(ch);
    return 0;
}

void mo_test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct mo_channel *ch = channel_of(base);
    char en[120], zh[120];
    struct error e = {0};
    if (!ch->listener) listen_now(ch);
    if (!ch->listener) {
        error_set(&e, ERR_UNAVAILABLE, "", "%s%.0s", "%.0s%s", ch->status.reason, ch->status.reason_zh);
        done(arg, &e, 0, NULL, NULL);
        return;
    }
    snprintf(en, sizeof en, "listening on %s port %u", ch->address, tls_listener_port(ch->listener));
    snprintf(zh, sizeof zh, "正在监听 %s 端口 %u", ch->address, tls_listener_port(ch->listener));
    done(arg, NULL, 0, en, zh);
}

void mo_status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct mo_channel *ch = channel_of(base);
    *ret = ch->status;
    ret->points = (uint32_t)ch->map.n;
    ret->connections = ch->nconns;
    if (ch->listener && !ret->reason[0] && !ch->port) {
        snprintf(ret->reason, sizeof ret->reason, "listening on port %u", tls_listener_port(ch->listener));
        snprintf(ret->reason_zh, sizeof ret->reason_zh, "正在监听端口 %u", tls_listener_port(ch->listener));
    }
}

size_t mo_peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    size_t n = 0;
    for (const struct mo_conn *c = channel_of(base)->conns; c && n < max; c = c->next) {
        if (c->closing) continue;
        ret[n] = (struct outlet_peer){
            .since_us = c->since_us, .items = c->items, .bytes_in = c->bytes_in, .bytes_out = c->bytes_out};
        snprintf(ret[n].address, sizeof ret[n].address, "%.50s:%u", tls_stream_host(c->stream),
                 tls_stream_port(c->stream));
        n++;
    }
    return n;
}

static void end_if_closed(struct mo_channel *ch)
{
    if (!ch->closing || !ch->timer_closed || ch->conns || ch->listener) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    mo_map_fini(&ch->map);
    mem_free(ch);
    closed(arg);
}

static void on_listener_closed(void *arg)
{
    struct mo_channel *ch = arg;
    ch->listener = NULL;
    end_if_closed(ch);
}

static void on_timer_closed(uv_handle_t *t)
{
    struct mo_channel *ch = t->data;
    ch->timer_closed = true;
    end_if_closed(ch);
}

void mo_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct mo_channel *ch = channel_of(base);
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    for (struct mo_conn *c = ch->conns; c; c = c->next) drop(c);
    if (ch->listener) tls_listener_close(ch->listener, on_listener_closed, ch);
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
