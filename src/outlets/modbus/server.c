/* server.c - listening and connections of the Modbus server, opening and closing. */
#include "model/sample.h"
#include "drivers/common/check.h"
#include "outlets/modbus/modbus_out.h"

#define LISTEN_AGAIN_MS 5000
#define STRANGER_NS 2000000000ull /* who says nothing for so long may be sent away for another */

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

void mo_trace(struct mo_conn *c, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
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

/* ---- bytes in ---- */

static void junk(struct mo_conn *c, size_t used)
{
    struct error e;
    error_set(&e, ERR_PROTOCOL, "", "these bytes are no Modbus request", "收到的字节不是 Modbus 请求");
    mo_trace(c, DRIVER_RX, c->in, c->nin, &e);
    c->ch->status.errors++;
    c->ch->counters.n[MODBUS_COUNT_BAD]++;
    if (c->ch->framing == MODBUS_TCP)
        mo_drop(c);
    else
        memmove(c->in, c->in + used, c->nin -= used);
}

/* Requests one by one, until one waits for the equipment. A write that ends at once comes back here: `taking` tells. */
void mo_go_on(struct mo_conn *c)
{
    struct modbus_expect x = {.requests = true, .transaction = -1, .unit = -1, .function = -1};
    if (c->taking) return;
    c->taking = true;
    while (!c->closing && !c->waiting) {
        struct modbus_frame f;
        int got = modbus_frame_next(c->ch->framing, c->in, c->nin, &x, &f);
        if (got == 0) break;
        if (got < 0) {
            junk(c, f.used);
            continue;
        }
        mo_trace(c, DRIVER_RX, c->in, f.used, NULL);
        c->ch->counters.n[MODBUS_COUNT_BUS]++;
        c->transaction = f.transaction;
        c->unit = f.unit;
        c->asked = true;
        memcpy(c->request, f.pdu, c->nrequest = f.pdu_n);
        memmove(c->in, c->in + f.used, c->nin -= f.used);
        mo_take(c);
    }
    c->taking = false;
    if (!c->closing) tls_stream_read(c->stream, !c->waiting && c->nin < MO_IN_MAX);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct mo_conn *c = ctx;
    c->heard_ns = mono(c->ch);
    c->bytes_in += n;
    c->ch->status.bytes_in += n;
    while (n && !c->closing) {
        size_t room = MO_IN_MAX - c->nin, take = n < room ? n : room;
        if (!take) { /* it sends on while a write is under way */
            c->ch->counters.n[MODBUS_COUNT_OVERRUN]++;
            mo_drop(c);
            return;
        }
        memcpy(c->in + c->nin, p, take);
        c->nin += take;
        p += take;
        n -= take;
        mo_go_on(c);
    }
}

/* ---- connections ---- */

static void end_if_closed(struct mo_channel *ch);

/* When its stream is closed and no write is under way any more. */
void mo_conn_end(struct mo_conn *c)
{
    struct mo_channel *ch = c->ch;
    if (c->stream || c->waiting) return;
    for (struct mo_conn **at = &ch->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    ch->nconns--;
    mem_free(c);
    end_if_closed(ch);
}

static void on_stream_closed(void *arg)
{
    struct mo_conn *c = arg;
    c->stream = NULL;
    mo_conn_end(c);
}

void mo_drop(struct mo_conn *c)
{
    if (c->closing) return;
    c->closing = true;
    tls_stream_close(c->stream, on_stream_closed, c);
}

static void on_opened(void *ctx) {}
static void on_lost(void *ctx, const struct error *why)
{
    mo_drop(ctx);
}

/* All places are taken: the oldest who has asked nothing yet, and has had its time to, makes room. */
static void make_room(struct mo_channel *ch)
{
    struct mo_conn *oldest = NULL; /* the list has the youngest first */
    for (struct mo_conn *c = ch->conns; c; c = c->next)
        if (!c->closing && !c->asked && mono(ch) - c->heard_ns > STRANGER_NS) oldest = c;
    if (oldest) mo_drop(oldest);
}

static unsigned open_conns(const struct mo_channel *ch)
{
    unsigned n = 0;
    for (const struct mo_conn *c = ch->conns; c; c = c->next) n += !c->closing;
    return n;
}

static void *on_accept(void *ctx, struct tls_stream *s)
{
    struct mo_channel *ch = ctx;
    if (open_conns(ch) >= ch->max_connections) make_room(ch);
    bool full = open_conns(ch) >= ch->max_connections || ch->nconns >= 2 * ch->max_connections; /* writes under way */
    if (ch->closing || full) {
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
        if (!c->waiting && now - c->heard_ns > ch->idle_ns) mo_drop(c);
}

/* ---- the outlet's functions ---- */

int mo_channel_check(const struct options *o, struct error *e)
{
    int rc = check_bind(o, "address", e);
    return rc ? rc : check_ip_list(o, "allow", NULL, e);
}

int mo_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct mo_channel *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = mo_channel_check(o, e);
    if (!rc) rc = check_ip_list(o, "allow", &ch->allow, e);
    if (rc) {
        mem_free(ch);
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
    for (struct mo_conn *c = ch->conns; c; c = c->next) mo_drop(c);
    if (ch->listener) tls_listener_close(ch->listener, on_listener_closed, ch);
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
