/* table.c - what the driver tells about itself, the check of addresses, status, and its row of functions. */
#include "drivers/common/http_link.h"
#include "drivers/common/words.h"
#include "drivers/websocket/ws_driver_int.h"

static const struct option_choice modes[] = {
    {"client", "we connect to the device", "主动连接设备"}, {"server", "devices connect to us", "设备主动连接"}, {0}};
const struct option wd_channel_options[] = {
    {.name = "mode", .type = OPTION_ENUM, .en = "Direction", .zh = "连接方向", .def = "client", .choices = modes},
    WS_CLIENT_OPTIONS("mode=client"),
    WS_SERVER_OPTIONS("mode=server", "8090"),
    WS_COMMON_OPTIONS,
    {.name = "confirm",
     .type = OPTION_DURATION,
     .en = "Wait for the value after a write",
     .zh = "写入后等待回值",
     .def = "5s",
     .min = "100ms",
     .max = "1m",
     .help_en = "A write is done when a message brings the written value; else its outcome is unknown.",
     .help_zh = "收到与写入一致的值即为成功，否则结果未知。"},
    HTTP_OPTION_TLS,
    {0},
};
const struct option wd_device_options[] = {
    {.name = "peer",
     .type = OPTION_STRING,
     .en = "Path of the device",
     .zh = "设备路径",
     .max = "200",
     .help_en = "When devices connect to us: the path at which this one does, /plc1. Empty: any.",
     .help_zh = "设备主动连接时，该设备使用的路径，如 /plc1；留空则不限。"},
    {.name = "select",
     .type = OPTION_STRING,
     .en = "Which messages",
     .zh = "消息选择",
     .max = "500",
     .help_en = "JSONPath that a message of this device has: $.device. Empty: all messages.",
     .help_zh = "该设备的消息所具有的 JSONPath：$.device；留空则为全部消息。"},
    {.name = "select_value",
     .type = OPTION_STRING,
     .en = "… with the value",
     .zh = "……其值为",
     .max = "200",
     .help_en = "What must stand there. Empty: anything.",
     .help_zh = "该处应有的值；留空则不限。"},
    {.name = "silence",
     .type = OPTION_DURATION,
     .en = "Stale after silence",
     .zh = "静默超时",
     .min = "1s",
     .max = "30d",
     .help_en = "Without a message for so long its values are bad. Empty: never.",
     .help_zh = "超过该时长没有消息则数值变坏；留空则不判断。"},
    PAYLOAD_READ_OPTIONS,
    {0},
};
const struct option wd_point_options[] = {
    PAYLOAD_READ_POINT_OPTIONS,
    {.name = "write_message",
     .type = OPTION_STRING,
     .en = "Message for writing",
     .zh = "写入消息",
     .max = "16000",
     .help_en = "{\"set\":\"valve\",\"to\":${json:value}}. Empty: cannot be written.",
     .help_zh = "{\"set\":\"valve\",\"to\":${json:value}}；留空则不可写。"},
    {0},
};

static int channel_check(const struct options *o, struct error *e)
{
    return ws_options_check(o, opt_enum(o, "mode", 0) == 1, e);
}

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct wd_rules *r = NULL;
    const struct fill_value none = {0};
    const struct fill f = {.value = &none};
    const char *message = opt_str(p->options, "write_message", "");
    int rc = wd_rules_new(device, false, &r, e);
    wd_rules_free(rc ? NULL : r);
    if (!rc) rc = payload_address_check(device, p->address, p->options, e);
    if (!rc && fill_text(message, &f, NULL, e)) {
        rc = ERR_INVALID;
        if (e) snprintf(e->where, sizeof e->where, "write_message");
    }
    if (rc || !ret) return rc;
    snprintf(ret->canonical, sizeof ret->canonical, "%s", p->address);
    ret->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type;
    ret->writable = message[0] != 0;
    return 0;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct wd_channel *ch = (const struct wd_channel *)base;
    *ret = ch->st;
    for (const struct wd_conn *c = ch->conns; c; c = c->next) {
        struct ws_stats s = ws_stats(c->w);
        ret->connections += ch->cfg.server || ch->connected;
        ret->bytes_in += s.bytes_in;
        ret->bytes_out += s.bytes_out;
    }
}

static enum driver_state state_of(const struct wd_channel *ch, const struct wd_device *d)
{
    if (!d->rules || (d->npoints && d->npoints == d->bad_config)) return DRIVER_DOWN;
    if (!d->npoints) return DRIVER_OFF;
    if (!wd_device_linked(ch, d)) return ch->cfg.server || ch->why.code ? DRIVER_DOWN : DRIVER_CONNECTING;
    return d->lost || d->bad_config || d->trouble.code ? DRIVER_DEGRADED : DRIVER_UP;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct wd_channel *ch = (const struct wd_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++) {
        const struct wd_device *d = &ch->devices[i];
        const struct error *why = d->config.code            ? &d->config
                                  : d->trouble.code         ? &d->trouble
                                  : wd_device_linked(ch, d) ? NULL
                                                            : &ch->why;
        ret[i] = (struct driver_device_status){
            .num = d->num, .state = state_of(ch, d), .points = (uint32_t)d->npoints, .last_ok_us = d->last_ok_us};
        for (size_t k = 0; k < d->npoints; k++) ret[i].bad += d->points[k].told_bad;
        str_to_cstr(str_of(why ? why->text : ""), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why ? why->text_zh : ""), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

static const char *const examples[] = {"temperature", "$.data[0].v", "tags[?@.name=='flow'].value", NULL};

const struct driver websocket_driver = {
    .name = "websocket",
    .on_change = true,
    .en = "WebSocket",
    .zh = "WebSocket",
    .help_en = "Takes messages (JSON, CSV, text) over WebSocket: we connect to the device, or devices connect to us "
               "with a token.",
    .help_zh = "通过 WebSocket 接收消息（JSON、CSV、文本）：主动连接设备，或由设备凭令牌连接本端。",
    .channel_options = wd_channel_options,
    .device_options = wd_device_options,
    .point_options = wd_point_options,
    .address_en = "A JSONPath in the message (or in a row of it): temperature, $.data[0].v. CSV: the name or number of "
                  "a column. Text: value.",
    .address_zh = "消息（或其中一行）内的 JSONPath：temperature、$.data[0].v。CSV：列名或列号。纯文本：value。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = channel_check,
    .device_check = wd_device_check,
    .channel_open = wd_open,
    .channel_set = wd_set,
    .write = wd_write,
    .read = wd_read,
    .test = wd_test,
    .status = status,
    .devices = devices,
    .close = wd_close,
    .describe = ws_frame_words,
    .browse = wd_browse,
};
