/* conn.c - connections: ours to the device, or those of devices to us; what is done when they come and go; the one
 * timer. wd_pump does what can be done now and sets the timer to when more is to be done; it is called after every
 * event. */
#include "drivers/websocket/ws_driver_int.h"

uint64_t wd_now(const struct wd_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}
int64_t wd_utc(const struct wd_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

static void part_gone(struct wd_channel *ch)
{
    if (--ch->open || !ch->closing) return;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    wd_devices_free(ch->devices, ch->ndevices);
    ws_settings_fini(&ch->cfg);
    for (size_t i = 0; i < WD_KEPT; i++) mem_free(ch->kept[i].p);
    mem_free(ch->out);
    mem_free(ch);
    closed(arg);
}

/* ---- one connection ---- */

static void conn_gone(void *arg)
{
    struct wd_conn *c = arg;
    struct wd_channel *ch = c->ch;
    mem_free(c);
    part_gone(ch);
}

static void drop(struct wd_conn *c, unsigned code)
{
    struct wd_channel *ch = c->ch;
    struct wd_conn **at = &ch->conns;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    struct ws_stats s = ws_stats(c->w);
    ch->st.bytes_in += s.bytes_in;
    ch->st.bytes_out += s.bytes_out;
    ws_conn_close(c->w, code, "", conn_gone, c);
}

static struct wd_conn *conn_new(struct wd_channel *ch, struct str path)
{
    struct wd_conn *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->ch = ch;
    c->link = ch->links++;
    str_to_cstr(path, c->path, sizeof c->path);
    return c;
}

static void link_conn(struct wd_conn *c)
{
    c->next = c->ch->conns;
    c->ch->conns = c;
    c->ch->open++;
}

int wd_send(struct wd_conn *c, struct str text)
{
    const struct driver_host *h = c->ch->base.host;
    int rc = ws_send(c->w, true, text.p ? text.p : "", text.n);
    const struct driver_frame f = {
        .time_us = wd_utc(c->ch), .dir = DRIVER_TX, .link = c->link, .bytes = (const uint8_t *)text.p, .n = text.n};
    if (!rc && h->frame && h->trace) h->frame(h->ctx, &f);
    c->ch->st.requests += rc == 0;
    return rc;
}

static bool conn_serves(const struct wd_conn *c, const struct wd_rules *r)
{
    return c->up && (!c->ch->cfg.server || !r->peer[0] || strcmp(r->peer, c->path) == 0);
}

struct wd_conn *wd_conn_of(struct wd_channel *ch, const struct wd_rules *r)
{
    for (struct wd_conn *c = ch->conns; c; c = c->next)
        if (conn_serves(c, r)) return c;
    return NULL;
}

bool wd_device_linked(const struct wd_channel *ch, const struct wd_device *d)
{
    for (const struct wd_conn *c = ch->conns; d->rules && c; c = c->next)
        if (conn_serves(c, d->rules)) return true;
    return false;
}

/* ---- coming and going ---- */

static void subscribe(struct wd_conn *c)
{
    struct str rest = str_of(c->ch->cfg.subscribe);
    while (rest.p) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (line.n && wd_send(c, line)) return; /* it is lost: told by itself */
    }
}

static void on_opened(void *ctx, struct ws *w)
{
    struct wd_conn *c = ctx;
    struct wd_channel *ch = c->ch;
    c->up = true;
    ch->st.reconnects += ch->up_ns != 0;
    ch->up_ns = wd_now(ch);
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].rules && conn_serves(c, ch->devices[i].rules)) ch->devices[i].heard_ns = ch->up_ns;
    ch->connected = true;
    ch->why.code = 0;
    backoff_reset(&ch->backoff);
    if (ch->held) ws_read(w, false);
    if (!ch->cfg.server) subscribe(c);
    wd_pump(ch);
}

static void on_message(void *ctx, bool text, struct str data)
{
    wd_message(ctx, text, data);
}

static void tell_losses(struct wd_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (!wd_device_linked(ch, &ch->devices[i])) wd_tell_bad(ch, &ch->devices[i], REASON_NOT_CONNECTED);
}

static void failed(struct wd_channel *ch, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    ch->why = *why;
    ch->connected = ch->conns != NULL;
    if (!ch->cfg.server || !ch->server_up)
        ch->retry_ns = wd_now(ch) + (uint64_t)backoff_next_ms(&ch->backoff, h->random(h->ctx)) * NS_MS;
    if (why->code == ERR_TIMEOUT) ch->st.timeouts++;
    if (why->code == ERR_PROTOCOL) ch->st.errors++;
    tell_losses(ch);
    if (!ch->cfg.server || !ch->server_up) wd_jobs_lost(ch, why);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct wd_conn *c = ctx;
    struct wd_channel *ch = c->ch;
    struct error copy = *why;
    drop(c, 1000);
    failed(ch, &copy);
    wd_pump(ch);
}

static const struct ws_ops client_ops = {on_opened, on_message, on_lost};

static void connect_now(struct wd_channel *ch)
{
    struct error e = {0};
    struct wd_conn *c = conn_new(ch, STR(""));
    const struct ws_client_config cc = ws_settings_client(&ch->cfg);
    int rc = c ? ws_client_open(ch->base.host->loop, &cc, &client_ops, c, &c->w, &e) : ERR_NOMEM;
    if (!rc) {
        link_conn(c);
        return;
    }
    mem_free(c);
    if (!e.code) error_set(&e, rc, "", "out of memory", "内存不足");
    failed(ch, &e);
}

/* ---- the port where devices connect ---- */

static int on_request(void *ctx, const struct ws_request *q, void **ret)
{
    struct wd_channel *ch = ctx;
    char kv[120];
    if (!ws_token_right(&ch->cfg, q)) {
        snprintf(kv, sizeof kv, "peer=%.60s:%u", q->host, q->port);
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "somebody connects with a wrong token", kv);
        ch->st.errors++;
        return 401;
    }
    struct wd_conn *c = conn_new(ch, q->path);
    if (!c) return 503;
    c->w = q->w;
    link_conn(c);
    *ret = c;
    return 0;
}

static const struct ws_server_ops server_ops = {{on_opened, on_message, on_lost}, on_request};

static void listen_now(struct wd_channel *ch)
{
    struct error e = {0};
    const struct ws_server_config sc = ws_settings_server(&ch->cfg);
    if (ws_server_open(ch->base.host->loop, &sc, &server_ops, ch, &ch->server, &e)) {
        failed(ch, &e);
        return;
    }
    char kv[60];
    snprintf(kv, sizeof kv, "port=%u", ws_server_port(ch->server));
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO, "listening for WebSockets", kv);
    ch->open++;
    ch->server_up = true;
    ch->why.code = 0;
    tell_losses(ch);
}

static void server_gone(void *arg)
{
    part_gone(arg);
}

static void let_all_go(struct wd_channel *ch)
{
    if (ch->server_up) ws_server_close(ch->server, server_gone, ch);
    ch->server_up = false;
    ch->server = NULL;
    while (ch->conns) drop(ch->conns, 1001);
    ch->connected = false;
}

/* ---- states ---- */

static bool wanted(const struct wd_channel *ch)
{
    if (ch->jobs || ch->writes) return true;
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].npoints > ch->devices[i].bad_config) return true;
    return false;
}

static enum driver_state state_of(const struct wd_channel *ch, const struct error **why)
{
    static const struct error nobody = {.text = "a device is not connected", .text_zh = "有设备未连接"},
                              silent = {.text = "a device is silent", .text_zh = "有设备无消息"};
    *why = NULL;
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].config.code) *why = &ch->devices[i].config;
    if (!wanted(ch)) return *why ? DRIVER_DOWN : DRIVER_OFF;
    if (ch->why.code && !ch->connected && !ch->server_up) return *why = &ch->why, DRIVER_DOWN;
    if (!ch->connected && !ch->server_up) return DRIVER_CONNECTING;
    for (size_t i = 0; i < ch->ndevices && !*why; i++) {
        const struct wd_device *d = &ch->devices[i];
        if (!d->npoints) continue;
        if (!wd_device_linked(ch, d))
            *why = &nobody;
        else if (d->lost && d->rules->silence_ms)
            *why = &silent;
        else if (d->trouble.code)
            *why = &d->trouble;
    }
    return *why ? DRIVER_DEGRADED : DRIVER_UP;
}

void wd_refresh(struct wd_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    const struct error *why = NULL;
    enum driver_state s = state_of(ch, &why);
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = wd_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

/* ---- the timer ---- */

static uint64_t stale_at(const struct wd_channel *ch, const struct wd_device *d)
{
    if (!d->rules || !d->rules->silence_ms || !d->heard_ns || d->lost || !wd_device_linked(ch, d)) return UINT64_MAX;
    return d->heard_ns + (uint64_t)d->rules->silence_ms * NS_MS;
}

static void check_silence(struct wd_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (stale_at(ch, &ch->devices[i]) <= wd_now(ch)) wd_tell_bad(ch, &ch->devices[i], REASON_STALE);
}

static void on_timer(uv_timer_t *t)
{
    wd_pump(t->data);
}

static void plan(struct wd_channel *ch, bool want)
{
    uint64_t now = wd_now(ch), at = wd_jobs_next(ch);
    bool there = ch->cfg.server ? ch->server_up : ch->conns != NULL;
    if (want && !there && ch->retry_ns < at) at = ch->retry_ns;
    if (ch->nout && now + 5 * NS_MS < at) at = now + 5 * NS_MS;
    for (size_t i = 0; i < ch->ndevices; i++)
        if (stale_at(ch, &ch->devices[i]) < at) at = stale_at(ch, &ch->devices[i]);
    if (at == UINT64_MAX) {
        uv_timer_stop(&ch->timer);
        return;
    }
    uv_update_time(ch->base.host->loop);
    uv_timer_start(&ch->timer, on_timer, at > now ? (at - now + NS_MS - 1) / NS_MS : 0, 0);
}

void wd_pump(struct wd_channel *ch)
{
    if (ch->closing || ch->pumping) return;
    ch->pumping = true;
    wd_jobs_run(ch);
    bool want = wanted(ch), due = wd_now(ch) >= ch->retry_ns;
    if (!want) let_all_go(ch);
    if (want && due && ch->cfg.server && !ch->server_up) listen_now(ch);
    if (want && due && !ch->cfg.server && !ch->conns) connect_now(ch);
    check_silence(ch);
    wd_flush(ch);
    wd_jobs_run(ch);
    ch->pumping = false;
    wd_refresh(ch);
    plan(ch, wanted(ch));
}

/* ---- life ---- */

int wd_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct wd_channel *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&websocket_driver, host};
    ch->confirm_ms = (uint32_t)opt_ms(o, "confirm", 5000);
    int rc = ws_settings_init(&ch->cfg, o, opt_enum(o, "mode", 0) == 1, e);
    if (rc) {
        mem_free(ch);
        return rc;
    }
    ch->backoff = (struct backoff){ch->cfg.reconnect_min_ms, ch->cfg.reconnect_max_ms, 0};
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->open = 1;
    *ret = &ch->base;
    return 0;
}

static void timer_gone(uv_handle_t *h)
{
    part_gone(h->data);
}

void wd_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct wd_channel *ch = (struct wd_channel *)base;
    ch->closed = closed;
    ch->closed_arg = arg;
    ch->closing = true;
    wd_jobs_cancel(ch);
    let_all_go(ch);
    uv_close((uv_handle_t *)&ch->timer, timer_gone);
}
