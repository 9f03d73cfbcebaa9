/* table.c - what the driver tells about itself, its figures, and its row of functions. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/hj212_options.h"
#include "drivers/common/words.h"
#include "drivers/hj212/hj212_int.h"

static const struct option_choice versions[] = {
    {"auto", "as the instrument writes", "按仪器报文判断"},
    {"2017", "HJ 212-2017", "HJ 212-2017"},
    {"2005", "HJ/T 212-2005", "HJ/T 212-2005"},
    {0},
};

static const struct option channel_options[] = {
    {.name = "port",
     .type = OPTION_INTEGER,
     .en = "Port",
     .zh = "端口",
     .required = true,
     .def = "9000",
     .min = "1",
     .max = "65535",
     .help_en = "The instruments connect to this port of this server.",
     .help_zh = "仪器连接到本服务器的此端口。"},
    {.name = "bind",
     .type = OPTION_STRING,
     .en = "Address",
     .zh = "监听地址",
     .def = "0.0.0.0",
     .max = "45",
     .help_en = "IP address of this server on which it listens; 0.0.0.0: all, :: : all, IPv6 too.",
     .help_zh = "监听的本机 IP 地址；0.0.0.0 为全部，:: 为全部（含 IPv6）。"},
    {.name = "max_connections",
     .type = OPTION_INTEGER,
     .en = "Connections at most",
     .zh = "最大连接数",
     .def = "1000",
     .min = "1",
     .max = "20000"},
    {.name = "idle_timeout",
     .type = OPTION_DURATION,
     .en = "Idle time-out",
     .zh = "空闲超时",
     .def = "15m",
     .min = "1s",
     .max = "7d",
     .help_en =
         "A connection on which nothing came for so long is closed: longer than the longest pause of an instrument.",
     .help_zh = "在此时间内未收到任何数据的连接将被关闭；应长于仪器的最长上报间隔。"},
    {.name = "time_zone",
     .type = OPTION_STRING,
     .en = "Time zone",
     .zh = "时区",
     .def = "+08:00",
     .min = "6",
     .max = "6",
     .help_en = "Zone of the times in the messages; the standard means Beijing time.",
     .help_zh = "报文时间所在的时区；标准为北京时间。"},
    {0},
};

static const struct option device_options[] = {
    {.name = "mn",
     .type = OPTION_STRING,
     .en = "MN (unique code)",
     .zh = "MN（设备唯一标识）",
     .required = true,
     .min = "1",
     .max = "40",
     .help_en = "As the instrument sends it: 24 characters (2017), 14 (2005).",
     .help_zh = "与仪器发送的一致：24 位（2017 版）或 14 位（2005 版）。"},
    {.name = "password",
     .type = OPTION_SECRET,
     .en = "Password (PW)",
     .zh = "访问密码（PW）",
     .max = "20",
     .help_en = "Messages with another password are refused. Empty: any.",
     .help_zh = "密码不符的报文将被拒绝；留空则不检查。"},
    {.name = "st",
     .type = OPTION_INTEGER,
     .en = "System code (ST)",
     .zh = "系统编码（ST）",
     .min = "0",
     .max = "99",
     .help_en = "For requests, as 31 stack gas, 32 waste water. Empty: as the instrument writes.",
     .help_zh = "用于下发请求，如 31 废气、32 废水；留空则按仪器报文。"},
    {.name = "version", .type = OPTION_ENUM, .en = "Version", .zh = "版本", .def = "auto", .choices = versions},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of an answer",
     .zh = "应答超时",
     .def = "10s",
     .min = "50ms",
     .max = "10m"},
    {.name = "retries",
     .type = OPTION_INTEGER,
     .en = "Retries",
     .zh = "重发次数",
     .def = "3",
     .min = "0",
     .max = "10",
     .help_en = "How often a request without an answer is sent again. Commands (cmd/…) and passwords are sent once.",
     .help_zh = "请求无应答时的重发次数；命令（cmd/…）和密码只发送一次。"},
    {.name = "set_clock",
     .type = OPTION_BOOLEAN,
     .en = "Set its clock",
     .zh = "自动校时",
     .def = "false",
     .help_en = "When it connects, once a day and when it asks (1013), if it is more than two seconds off.",
     .help_zh = "连接时、每天一次以及仪器请求（1013）时，偏差超过 2 秒则校时。"},
    {.name = "rtd_interval",
     .type = OPTION_DURATION,
     .en = "Interval of real-time data",
     .zh = "实时数据间隔",
     .min = "1s",
     .max = "1h",
     .help_en = "Set in the instrument (1062) when it connects. Empty: left as it is.",
     .help_zh = "仪器连接时下发（1062）；留空则不改动。"},
    {.name = "minute_interval",
     .type = OPTION_DURATION,
     .en = "Interval of minute data",
     .zh = "分钟数据间隔",
     .min = "1m",
     .max = "1d",
     .help_en = "Set in the instrument (1064) when it connects. Empty: left as it is.",
     .help_zh = "仪器连接时下发（1064）；留空则不改动。"},
    {.name = "recall",
     .type = OPTION_BOOLEAN,
     .en = "Ask for the gap",
     .zh = "自动补传",
     .def = "true",
     .help_en = "When it comes back, ask for the minute and hour data of the time in which it was away.",
     .help_zh = "重新连接后自动提取断线期间的分钟和小时数据。"},
    {.name = "recall_max",
     .type = OPTION_DURATION,
     .en = "Gap at most",
     .zh = "最长补传时间",
     .def = "1d",
     .min = "10m",
     .max = "31d"},
    {0},
};

static const char *const examples[] = {
    "w01018",      "2011/w01018-Rtd", "2051/a21026-Avg", "2061/w00000-Cou", "2031/a34013-Avg",
    "2021/SB1-RS", "clock",           "set/RtdInterval", "cmd/3011/w01018", "recall/2051",
    NULL};

/* ---- figures ---- */

static enum driver_state device_state(const struct hj_channel *ch, const struct hj_device *d, struct error *why)
{
    *why = (struct error){0};
    if (d->config.code) *why = d->config;
    if (d->trouble.code) *why = d->trouble;
    if (d->conn == NULL) {
        if (!why->code) error_set(why, ERR_UNAVAILABLE, "", "has not connected yet", "尚未连接");
        return d->ever || d->trouble.code ? DRIVER_DOWN : DRIVER_CONNECTING;
    }
    if (why->code) return DRIVER_DEGRADED;
    if (d->clock_known && llabs((long long)d->clock_us) > 60 * TIME_US_PER_S) {
        error_set(why, ERR_INVALID, "", "its clock differs from ours by %lld s", "其时钟与本机相差 %lld 秒",
                  (long long)(d->clock_us / TIME_US_PER_S));
        return DRIVER_DEGRADED;
    }
    return DRIVER_UP;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct hj_channel *ch = (const struct hj_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++) {
        const struct hj_device *d = ch->devices[i];
        struct error why;
        ret[i] = (struct driver_device_status){.num = d->num, .points = d->n, .last_ok_us = d->last_ok_us};
        ret[i].state = device_state(ch, d, &why);
        str_to_cstr(str_of(why.text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why.text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
        for (uint32_t k = 0; k < d->n; k++) {
            const struct hj_point *p = &ch->points[d->first + k];
            ret[i].bad += p->wrong || p->told || p->owe || p->last.quality == QUALITY_BAD;
        }
    }
    return n;
}

static enum driver_state judge(const struct hj_channel *ch, struct error *why)
{
    size_t up = 0, trouble = 0;
    *why = (struct error){0};
    if (!ch->wanted) return DRIVER_OFF;
    if (!ch->listening) {
        *why = ch->why;
        return DRIVER_DOWN;
    }
    for (size_t i = 0; i < ch->ndevices; i++) {
        struct error e;
        enum driver_state s = device_state(ch, ch->devices[i], &e);
        up += ch->devices[i]->conn != NULL;
        if (s == DRIVER_UP) continue;
        if (trouble++ == 0) {
            *why = e;
            snprintf(why->text, sizeof why->text, "%.60s: %.200s", ch->devices[i]->code, e.text);
            snprintf(why->text_zh, sizeof why->text_zh, "%.60s：%.200s", ch->devices[i]->code, e.text_zh);
        }
    }
    if (trouble == 0) return DRIVER_UP;
    return up ? DRIVER_DEGRADED : DRIVER_CONNECTING;
}

void hj_state(struct hj_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    struct error why;
    if (ch->closing) return;
    enum driver_state s = judge(ch, &why);
    str_to_cstr(str_of(why.text), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why.text_zh), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (s == ch->st.state) return;
    ch->st.state = s;
    ch->st.since_us = hj_utc(ch);
    if (h->state) h->state(h->ctx, s, why.code ? &why : NULL);
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct hj_channel *ch = (const struct hj_channel *)base;
    *ret = ch->st;
    ret->connections = ch->nconns;
}

/* ---- the row ---- */

static int device_check(const struct options *o, struct error *e)
{
    int rc = hj212_word_check(o, "mn", e);
    return rc ? rc : hj212_word_check(o, "password", e);
}

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct hj_address a;
    enum value_type t;
    int rc = hj_point_check(p, &a, &t, e);
    if (rc || ret == NULL) return rc;
    hj_address_format(&a, ret->canonical, sizeof ret->canonical);
    ret->type = t;
    ret->writable = hj_address_writable(&a);
    return 0;
}

static int channel_set(struct driver_channel *base, const struct driver_device *d, size_t nd,
                       const struct driver_point *p, size_t np, struct error *e)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    int rc = hj_set(ch, d, nd, p, np, e);
    if (rc) return rc;
    hj_listen(ch);
    hj_state(ch);
    hj_wake(ch, hj_now(ch));
    return 0;
}

const struct driver hj212_driver = {
    .name = "hj212",
    .on_change = true,
    .en = "HJ 212 (pollution sources)",
    .zh = "HJ 212（污染物在线监测）",
    .help_en = "The platform of HJ 212-2017 and HJ/T 212-2005: data acquisition units of stack gas, waste water and "
               "air connect to "
               "this server and report.",
    .help_zh = "HJ 212-2017 与 HJ/T 212-2005 的上位机：废气、废水、空气等数采仪连接到本服务器并上报数据。",
    .channel_options = channel_options,
    .device_options = device_options,
    .address_en = "command/code-field: 2011/w01018-Rtd (real time; short: w01018), 2051/a21026-Avg (minute), "
                  "2061/w00000-Cou (hour), "
                  "2031/… (day), 2021/SB1-RS. The data flag of the same code becomes the quality. clock: difference of "
                  "its clock in "
                  "seconds. To write: set/RtdInterval, set/MinInterval, set/SystemTime, set/NewPW, set/w01018/i13004 "
                  "(a parameter), "
                  "cmd/3011/w01018 (a command), recall/2051 (hours to ask for).",
    .address_zh =
        "命令/编码-字段：2011/w01018-Rtd（实时，可简写为 w01018），2051/a21026-Avg（分钟），2061/w00000-Cou（小时），"
        "2031/…（日），2021/SB1-RS。同一编码的数据标记决定质量。clock：仪器时钟偏差（秒）。可写：set/RtdInterval、"
        "set/MinInterval、set/SystemTime、set/NewPW、set/w01018/i13004（参数）、cmd/3011/w01018（命令）、"
        "recall/2051（补传小时数）。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = hj_channel_check,
    .device_check = device_check,
    .channel_open = hj_open,
    .channel_set = channel_set,
    .write = hj_write,
    .read = hj_read,
    .test = hj_test,
    .status = status,
    .devices = devices,
    .close = hj_close,
    .describe = hj212_frame_words,
    .browse = hj_browse,
    .wire_port = 9000,
};
