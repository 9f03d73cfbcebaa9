/* channel.c - open, the timer, states, closing. Data is handled where it comes in; sk_pump is what time brings: the way
 * in that is to be opened, requests that are due, answers and devices that have been silent too long, what the sink
 * left. */
#include "drivers/socket/socket_int.h"

#define SK_ARENA (8u << 20) /* JSON of the longest frame */

uint64_t sk_now(const struct sk_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

int64_t sk_utc(const struct sk_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

bool sk_server(const struct sk_channel *ch)
{
    return ch->cfg.mode == SK_TCP_SERVER || ch->cfg.mode == SK_UDP_SERVER;
}

bool sk_wanted(const struct sk_channel *ch)
{
    return ch->npoints || ch->writes || ch->reads || ch->tests;
}

void sk_trace(struct sk_channel *ch, const struct sk_link *l, enum driver_dir dir, const uint8_t *p, size_t n,
              const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    if (h->frame == NULL) return;
    struct driver_frame f = {.time_us = sk_utc(ch), .dir = dir, .link = l->number, .bytes = p, .n = n, .error = e};
    h->frame(h->ctx, &f);
}

/* ---- states ---- */

void sk_state(struct sk_channel *ch, enum driver_state s, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    bool changed = ch->st.state != s;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (!changed) return;
    ch->st.state = s;
    ch->st.since_us = sk_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

static const struct sk_device *troubled(const struct sk_channel *ch, unsigned *ret_absent, unsigned *ret_all)
{
    const struct sk_device *worst = NULL;
    *ret_absent = *ret_all = 0;
    for (const struct sk_device *d = ch->devices; d; d = d->next) {
        if (d->job || d->npoints == 0) continue;
        bool absent = d->link == NULL;
        ++*ret_all;
        *ret_absent += absent;
        if (!worst && (absent || d->trouble.code)) worst = d;
    }
    return worst;
}

void sk_refresh(struct sk_channel *ch)
{
    struct error e = {0};
    unsigned absent, all;
    if (ch->conn != SK_UP || ch->closing) return;
    const struct sk_device *d = troubled(ch, &absent, &all);
    if (d == NULL) {
        sk_state(ch, DRIVER_UP, NULL);
        return;
    }
    if (d->trouble.code)
        e = d->trouble;
    else
        error_set(&e, ERR_UNAVAILABLE, "", "listening on %s; %s has not connected yet (%u of %u)",
                  "正在监听 %s；%s 尚未连接（%u / %u）", ch->cfg.place, d->code, absent, all);
    sk_state(ch, absent == all && sk_server(ch) ? DRIVER_CONNECTING : DRIVER_DEGRADED, &e);
}

/* ---- devices that are silent ---- */

void sk_device_lost(struct sk_channel *ch, struct sk_device *d, const struct error *why)
{
    d->trouble = *why;
    d->answer_ns = 0;
    if (d->lost || d->job) return;
    d->lost = d->lost_due = true;
    sk_wake_at(ch, sk_now(ch));
}

static void tell_lost(struct sk_channel *ch)
{
    int64_t now = sk_utc(ch);
    for (struct sk_device *d = ch->devices; d && !ch->batch_held; d = d->next) {
        if (!d->lost_due) continue;
        d->lost_due = false;
        for (size_t i = d->first; i < d->first + d->npoints; i++) {
            struct sk_point *k = &ch->points[i];
            if (k->wrong) continue;
            sample_bad(&k->last, now, REASON_COMM_FAILURE);
            ch->batch[ch->batch_n++] = k->last;
        }
        frame_publish(ch);
    }
}

static void no_answer(struct sk_channel *ch, struct sk_device *d)
{
    struct error e;
    error_set(&e, ERR_TIMEOUT, "", "%s: no answer within %u ms", "%s：%u 毫秒内无应答",
              d->code[0] ? d->code : ch->cfg.place, d->timeout_ms);
    ch->st.timeouts++;
    sk_device_lost(ch, d, &e);
    sk_refresh(ch);
}

static void ask(struct sk_channel *ch, struct sk_device *d, uint64_t now)
{
    struct error e;
    uint64_t period = (uint64_t)d->period_ms * NS_MS;
    d->request_ns = d->request_ns + period > now ? d->request_ns + period : now + period;
    ch->st.requests++;
    if (link_send_template(d->link, d, d->request, NULL, &e)) {
        sk_device_lost(ch, d, &e);
        return;
    }
    if (d->answer_ns == 0) d->answer_ns = now + (uint64_t)d->timeout_ms * NS_MS;
}

static void too_silent(struct sk_channel *ch, struct sk_device *d, uint64_t now)
{
    struct error e;
    struct sk_link *l = d->link;
    d->heard_ns = now;
    error_set(&e, ERR_TIMEOUT, "", "%s: nothing came for %u s", "%s：%u 秒内没有数据", d->code, d->silence_ms / 1000);
    sk_device_lost(ch, d, &e);
    ch->st.timeouts++;
    if (ch->cfg.mode == SK_TCP_CLIENT) {
        link_close_way(ch); /* half-open lines look like this */
        ch->why = e;
        ch->retry_ns = now;
        sk_state(ch, DRIVER_CONNECTING, &e);
    } else if (l->stream && l->device == d) {
        link_drop(l, &e);
    }
    sk_refresh(ch);
}

static void device_time(struct sk_channel *ch, struct sk_device *d, uint64_t now, uint64_t *wake)
{
    bool there = d->link && d->link->up && (d->npoints || d->job);
    if (!there) return;
    if (d->answer_ns && d->answer_ns <= now) {
        d->answer_ns = 0;
        no_answer(ch, d);
    }
    if (d->request && d->request_ns <= now) ask(ch, d, now);
    uint64_t silent = d->silence_ms && !d->job ? d->heard_ns + d->silence_ms * NS_MS : UINT64_MAX;
    if (silent <= now) {
        too_silent(ch, d, now);
        return;
    }
    wake_earlier(wake, silent);
    if (d->answer_ns) wake_earlier(wake, d->answer_ns);
    if (d->request) wake_earlier(wake, d->request_ns);
}

/* ---- the pump ---- */

static void on_timer(uv_timer_t *t)
{
    struct sk_channel *ch = t->data;
    ch->wake_ns = 0;
    sk_pump(ch);
}

void sk_wake_at(struct sk_channel *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, sk_now(ch), ns);
}

static void way(struct sk_channel *ch, uint64_t now, uint64_t *wake)
{
    if (!sk_wanted(ch)) {
        if (ch->conn == SK_UP || ch->conn == SK_OPENING) link_close_way(ch);
        sk_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (ch->conn == SK_IDLE && (ch->connect_now || ch->retry_ns <= now)) link_open_way(ch);
    if (ch->conn == SK_IDLE) wake_earlier(wake, ch->retry_ns > now ? ch->retry_ns : now + NS_MS);
}

void sk_pump(struct sk_channel *ch)
{
    uint64_t now = sk_now(ch), wake = UINT64_MAX;
    if (ch->closing) return;
    link_sweep(ch);
    if (ch->batch_n) frame_go_on(ch);
    tell_lost(ch);
    way(ch, now, &wake);
    for (struct sk_link *l = ch->links, *next; l; l = next) {
        next = l->next;
        if (l->idle_ns && l->idle_ns <= now && !l->closing) frame_silence(l);
        if (l->idle_ns) wake_earlier(&wake, l->idle_ns);
    }
    for (struct sk_device *d = ch->devices; d; d = d->next) device_time(ch, d, now, &wake);
    if (!ch->closing) job_pump(ch, now, &wake);
    if (ch->closing) return;
    if (ch->batch_held) wake_earlier(&wake, now + 5 * NS_MS);
    sk_wake_at(ch, wake);
}

/* ---- open and close ---- */

static void free_channel(struct sk_channel *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    link_sweep(ch);
    ring_free(&ch->strangers);
    sk_set_free(ch);
    sk_config_free(&ch->cfg);
    arena_fini(&ch->a);
    mem_free(ch);
    closed(arg);
}

void sk_handle_closed(void *arg)
{
    struct sk_channel *ch = arg;
    ch->handles--;
    if (ch->closing && ch->handles == 0)
        free_channel(ch);
    else if (!ch->closing)
        sk_wake_at(ch, sk_now(ch));
}

static void on_timer_closed(uv_handle_t *h)
{
    sk_handle_closed(h->data);
}

int sk_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct sk_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&socket_driver, host};
    int rc = sk_config_read(&ch->cfg, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer)) rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        sk_config_free(&ch->cfg);
        mem_free(ch);
        return rc;
    }
    arena_init(&ch->a, SK_ARENA);
    ch->timer.data = ch;
    ch->handles = 1;
    ch->st.since_us = host->now_us(host->ctx);
    *ret = &ch->base;
    return 0;
}

int sk_channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                   const struct driver_point *points, size_t np, struct error *e)
{
    struct sk_channel *ch = (struct sk_channel *)base;
    int rc = sk_set(ch, devices, nd, points, np, e);
    if (rc) return rc;
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (l->up && !l->closing) link_attach(l, false);
    sk_refresh(ch);
    sk_wake_at(ch, sk_now(ch));
    return 0;
}

void sk_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct sk_channel *ch = (struct sk_channel *)base;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    sk_job_cancel_all(ch);
    link_close_way(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}

/* ---- figures ---- */

void sk_status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct sk_channel *ch = (const struct sk_channel *)base;
    *ret = ch->st;
    ret->connections = 0;
    for (const struct sk_link *l = ch->links; l; l = l->next) ret->connections += l->up;
}

static uint32_t count_bad(const struct sk_channel *ch, const struct sk_device *d)
{
    uint32_t bad = 0;
    for (size_t i = d->first; i < d->first + d->npoints; i++) bad += ch->points[i].last.quality == QUALITY_BAD;
    return bad;
}

static enum driver_state device_state(const struct sk_channel *ch, const struct sk_device *d, uint32_t bad)
{
    if (d->npoints == 0) return DRIVER_OFF;
    if (d->link == NULL)
        return d->last_ok_us                                 ? DRIVER_DOWN
               : ch->conn == SK_UP || ch->conn == SK_OPENING ? DRIVER_CONNECTING
                                                             : DRIVER_DOWN;
    if (d->last_ok_us == 0) return DRIVER_CONNECTING;
    if (d->lost) return DRIVER_DOWN;
    return bad || d->trouble.code ? DRIVER_DEGRADED : DRIVER_UP;
}

static void device_reason(const struct sk_channel *ch, const struct sk_device *d, struct driver_device_status *r)
{
    const struct error *why = d->config.code ? &d->config : d->trouble.code ? &d->trouble : &ch->why;
    struct error e;
    if (why->code == 0 || (d->link && d->last_ok_us == 0 && why == &ch->why)) {
        error_set(&e, ERR_UNAVAILABLE, "", "nothing was heard yet", "尚未收到数据");
        if (!d->link) error_set(&e, ERR_UNAVAILABLE, "", "not connected yet", "尚未连接");
        why = &e;
    }
    str_to_cstr(str_of(why->text), r->reason, sizeof r->reason);
    str_to_cstr(str_of(why->text_zh), r->reason_zh, sizeof r->reason_zh);
}

size_t sk_devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct sk_channel *ch = (const struct sk_channel *)base;
    size_t n = 0;
    for (const struct sk_device *d = ch->devices; d && n < max; d = d->next) {
        if (d->job) continue;
        struct driver_device_status *r = &ret[n++];
        *r = (struct driver_device_status){.num = d->num, .points = (uint32_t)d->npoints, .last_ok_us = d->last_ok_us};
        r->bad = count_bad(ch, d);
        r->state = device_state(ch, d, r->bad);
        if (r->state != DRIVER_UP && r->state != DRIVER_OFF) device_reason(ch, d, r);
    }
    return n;
}
