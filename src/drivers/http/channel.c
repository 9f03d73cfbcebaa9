/* channel.c - the timer that starts requests, the states of channel and devices, opening and closing. */
#include <stdio.h>
#include "drivers/http/http_int.h"

uint64_t hc_now(const struct hc_channel *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}
int64_t hc_utc(const struct hc_channel *ch)
{
    return ch->base.host->now_us(ch->base.host->ctx);
}

/* ---- when ---- */

static void start_due(struct hc_channel *ch)
{
    for (struct poll_slot *s; (s = poll_first(&ch->queue)) != NULL && s->due_ns <= hc_now(ch);) {
        struct hc_device *d = (struct hc_device *)s;
        uint64_t late = poll_advance(&ch->queue, s, hc_now(ch));
        ch->st.late += late + (d->fetch != NULL);
        if (!d->fetch) hc_fetch_start(d);
    }
}

static void on_timer(uv_timer_t *t)
{
    struct hc_channel *ch = t->data;
    if (hc_flush(ch)) {
        hc_fetch_resume(ch);
        start_due(ch);
    }
    hc_plan(ch);
}

void hc_plan(struct hc_channel *ch)
{
    const struct poll_slot *first = poll_first(&ch->queue);
    uint64_t now = hc_now(ch), at = ch->nout ? now + 5 * NS_MS : first ? first->due_ns : 0;
    if (ch->closing) return;
    if (!ch->queue.n) http_link_drop_idle(ch->link);
    if (!at) {
        uv_timer_stop(&ch->timer);
        return;
    }
    uv_update_time(ch->base.host->loop);
    uv_timer_start(&ch->timer, on_timer, at > now ? (at - now + NS_MS - 1) / NS_MS : 0, 0);
}

/* ---- states ---- */

static enum driver_state state_of(const struct hc_device *d)
{
    if (!d->conf || d->trouble.code) return DRIVER_DOWN;
    if (!d->npoints) return DRIVER_OFF;
    if (d->npoints == d->bad_config) return DRIVER_DOWN;
    if (!d->proved) return DRIVER_CONNECTING;
    return d->bad_config ? DRIVER_DEGRADED : DRIVER_UP;
}

static const struct error *reason_of(const struct hc_device *d)
{
    return d->trouble.code ? &d->trouble : d->config.code ? &d->config : NULL;
}

static enum driver_state channel_state(const struct hc_channel *ch, const struct error **why)
{
    size_t n[DRIVER_DOWN + 1] = {0}, all = 0;
    *why = NULL;
    for (size_t i = 0; i < ch->ndevices; i++) {
        enum driver_state s = state_of(ch->devices[i]);
        n[s]++;
        all += s != DRIVER_OFF;
        if (!*why && (s == DRIVER_DOWN || s == DRIVER_DEGRADED)) *why = reason_of(ch->devices[i]);
    }
    if (!all) return DRIVER_OFF;
    if (n[DRIVER_DOWN] == all) return DRIVER_DOWN;
    if (n[DRIVER_DOWN] || n[DRIVER_DEGRADED]) return DRIVER_DEGRADED;
    return n[DRIVER_UP] ? DRIVER_UP : DRIVER_CONNECTING;
}

void hc_refresh(struct hc_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    const struct error *why = NULL;
    enum driver_state s = channel_state(ch, &why);
    snprintf(ch->st.reason, sizeof ch->st.reason, "%.*s", (int)sizeof ch->st.reason - 1, why ? why->text : "");
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = hc_utc(ch);
    if (h->state) h->state(h->ctx, s, why);
}

void hc_count(struct hc_channel *ch, const struct http_end *end)
{
    uint32_t us = end->ms * 1000;
    ch->st.requests += end->sent;
    ch->st.bytes_in += end->bytes_in;
    ch->st.bytes_out += end->bytes_out;
    if (end->reply) ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + us / 8 : us;
    if (!end->error || end->error->code == ERR_CANCELLED) return;
    ch->st.errors++;
    ch->st.timeouts += end->error->code == ERR_TIMEOUT;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct hc_channel *ch = (const struct hc_channel *)base;
    *ret = ch->st;
    ret->connections = http_link_waiting(ch->link);
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct hc_channel *ch = (const struct hc_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++) {
        const struct hc_device *d = ch->devices[i];
        const struct error *why = reason_of(d);
        ret[i] = (struct driver_device_status){
            .num = d->num, .state = state_of(d), .points = (uint32_t)d->npoints, .last_ok_us = d->last_ok_us};
        for (size_t k = 0; k < d->npoints; k++) ret[i].bad += d->points[k].told_bad;
        str_to_cstr(str_of(why ? why->text : ""), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why ? why->text_zh : ""), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

/* ---- life ---- */

static int open_channel(const struct driver_host *host, const struct options *o, struct driver_channel **ret,
                        struct error *e)
{
    struct hc_channel *ch = mem_calloc(1, sizeof *ch);
    if (!ch) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&http_client_driver, host};
    const struct http_link_host h = {host->loop, host->ctx, host->now_us, host->mono_ns, host->frame, &host->trace};
    int rc = http_link_new(&h, o, &ch->link, e);
    if (rc) {
        mem_free(ch);
        return rc;
    }
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    ch->open = 2;
    *ret = &ch->base;
    return 0;
}

static void part_closed(void *arg)
{
    struct hc_channel *ch = arg;
    if (--ch->open) return;
    driver_closed *closed = ch->closed;
    void *closed_arg = ch->closed_arg;
    for (size_t i = 0; i < ch->ndevices; i++) hc_device_free(ch->devices[i]);
    mem_free(ch->devices);
    mem_free(ch->out);
    poll_queue_fini(&ch->queue);
    mem_free(ch);
    closed(closed_arg);
}

static void timer_closed(uv_handle_t *h)
{
    part_closed(h->data);
}

static void close_channel(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct hc_channel *ch = (struct hc_channel *)base;
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    http_link_close(ch->link, part_closed, ch);
    uv_close((uv_handle_t *)&ch->timer, timer_closed);
}

static const char *const examples[] = {"$.data.temperature", "tags[?@.name=='flow'].value", "Temp in", NULL};

const struct driver http_client_driver = {
    .name = "http_client",
    .en = "HTTP API (REST)",
    .zh = "HTTP 接口（REST）",
    .help_en =
        "Asks an HTTP API in periods and reads JSON, XML, CSV or plain text. A device is a request, a point is a "
        "place in its answer.",
    .help_zh = "按周期请求 HTTP 接口，读取 JSON、XML、CSV 或纯文本。一个设备对应一个请求，一个测点对应应答中的一处。",
    .channel_options = hc_channel_options,
    .device_options = hc_device_options,
    .point_options = hc_point_options,
    .address_en =
        "A JSONPath in the answer (or in a row of it): temperature, $.data[0].v, tags[?@.name=='flow'].v. XML: a "
        "path of elements: data/sensor[@id='T1']/value, //sensor[2]/@unit. CSV: the name or number of a "
        "column. Text: value. With a name in the rows: that name.",
    .address_zh =
        "应答（或其中一行）内的 JSONPath：temperature、$.data[0].v、tags[?@.name=='flow'].v。XML：元素路径，如 "
        "data/sensor[@id='T1']/value、//sensor[2]/"
        "@unit。CSV：列名或列号。纯文本：value。设置了行内测点名时：即该名称。",
    .examples = examples,
    .address_check = hc_address_check,
    .channel_check = http_options_check,
    .device_check = hc_device_check,
    .channel_open = open_channel,
    .channel_set = hc_set,
    .write = hc_write,
    .read = hc_read,
    .test = hc_test,
    .status = status,
    .devices = devices,
    .close = close_channel,
    .describe = http_link_describe,
    .browse = hc_browse,
};
