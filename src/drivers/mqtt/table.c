/* table.c - what the driver tells about itself, its figures, and its row of functions. */
#include <stdio.h>
#include "drivers/common/words.h"
#include "drivers/mqtt/mqtt_int.h"

static const struct option_choice form_choices[] = {
    /* in the order of enum mt_form */
    {"json", "JSON", "JSON"},
    {"csv", "lines of CSV", "CSV 行"},
    {"text", "plain text or number", "纯文本或数值"},
    {"binary", "bytes", "二进制"},
    {"hex", "hexadecimal text", "十六进制文本"},
    {0},
};
static const struct option_choice time_choices[] = {
    /* in the order of enum mt_unit */
    {"auto", "by itself", "自动识别"},
    {"s", "seconds since 1970", "1970 年起的秒"},
    {"ms", "milliseconds since 1970", "1970 年起的毫秒"},
    {"us", "microseconds since 1970", "1970 年起的微秒"},
    {"ns", "nanoseconds since 1970", "1970 年起的纳秒"},
    {"text", "text (RFC 3339, 2026-01-02 03:04:05)", "文本（RFC 3339、2026-01-02 03:04:05）"},
    {"compact", "yyyymmddhhmmss", "yyyymmddhhmmss"},
    {0},
};
static const struct option_choice retained_choices[] = {
    /* in the order of enum mt_retained */
    {"last", "last known values", "作为最后已知值"},
    {"good", "values like others", "与普通消息相同"},
    {"ignore", "ignored", "忽略"},
    {0},
};
static const struct option_choice order_choices[] = {
    /* as in drivers/common/convert.h */
    {"abcd", "ABCD (big-endian)", "ABCD（大端）"},
    {"cdab", "CDAB", "CDAB"},
    {"badc", "BADC", "BADC"},
    {"dcba", "DCBA (little-endian)", "DCBA（小端）"},
    {0},
};

const struct option mt_channel_options[] = {MQTT_OPTIONS, {0}};

const struct option mt_device_options[] = {
    {.name = "topics",
     .type = OPTION_STRING,
     .en = "Topics",
     .zh = "主题",
     .max = "8000",
     .help_en =
         "Topic filters, separated by commas or lines: plant/t1, plant/+/state. Empty: each address names its topic.",
     .help_zh = "主题过滤器，以逗号或换行分隔：plant/t1、plant/+/state。留空则由各测点地址写明主题。"},
    {.name = "qos", .type = OPTION_INTEGER, .en = "QoS", .zh = "QoS", .def = "1", .min = "0", .max = "2"},
    {.name = "form",
     .type = OPTION_ENUM,
     .en = "Form of the payload",
     .zh = "报文格式",
     .def = "json",
     .choices = form_choices},
    {.name = "records",
     .type = OPTION_STRING,
     .en = "Records in the payload",
     .zh = "记录路径",
     .max = "1000",
     .show_if = "form=json",
     .help_en =
         "Path of the parts with values and a time of their own, as $.data[*] or $[?@.id=='t1']; addresses begin "
         "there. Empty: the whole payload.",
     .help_zh = "各自带数值和时间的部分的路径，如 $.data[*] 或 $[?@.id=='t1']；测点路径从此开始。留空为整个报文。"},
    {.name = "separator",
     .type = OPTION_STRING,
     .en = "Separator",
     .zh = "分隔符",
     .def = ",",
     .min = "1",
     .max = "2",
     .show_if = "form=csv",
     .help_en = "One character; \\t: tab.",
     .help_zh = "一个字符；\\t 为制表符。"},
    {.name = "header",
     .type = OPTION_BOOLEAN,
     .en = "First line has names",
     .zh = "首行为列名",
     .def = "false",
     .show_if = "form=csv"},
    {.name = "columns",
     .type = OPTION_STRING,
     .en = "Names of the columns",
     .zh = "列名",
     .max = "8000",
     .show_if = "form=csv",
     .help_en = "Separated by commas. Empty: addresses are numbers from 1.",
     .help_zh = "以逗号分隔；留空则地址为从 1 开始的列号。"},
    {.name = "byte_order",
     .type = OPTION_ENUM,
     .en = "Byte order",
     .zh = "字节序",
     .def = "abcd",
     .choices = order_choices,
     .show_if = "form=binary|hex"},
    {.name = "time_path",
     .type = OPTION_STRING,
     .en = "Place of the time",
     .zh = "时间位置",
     .max = "1000",
     .show_if = "form=json|csv",
     .help_en = "Path ($.ts) or column. Empty: the time of arrival.",
     .help_zh = "路径（$.ts）或列。留空则用到达时间。"},
    {.name = "time_format",
     .type = OPTION_ENUM,
     .en = "Form of the time",
     .zh = "时间格式",
     .def = "auto",
     .choices = time_choices,
     .show_if = "form=json|csv"},
    {.name = "time_zone",
     .type = OPTION_STRING,
     .en = "Time zone",
     .zh = "时区",
     .def = "+00:00",
     .min = "6",
     .max = "6",
     .show_if = "form=json|csv",
     .help_en = "Of times that are texts without a zone: +08:00 in China.",
     .help_zh = "用于不带时区的文本时间；北京时间为 +08:00。"},
    {.name = "quality_path",
     .type = OPTION_STRING,
     .en = "Place of the quality",
     .zh = "质量位置",
     .max = "1000",
     .show_if = "form=json|csv",
     .help_en = "Path ($.q) or column. Empty: what comes is good.",
     .help_zh = "路径（$.q）或列。留空则均视为好值。"},
    {.name = "good_words",
     .type = OPTION_STRING,
     .en = "Words for good",
     .zh = "表示“好”的值",
     .def = "good,ok,true,0,192",
     .max = "500",
     .show_if = "form=json|csv"},
    {.name = "uncertain_words",
     .type = OPTION_STRING,
     .en = "Words for uncertain",
     .zh = "表示“不确定”的值",
     .def = "uncertain,64",
     .max = "500",
     .show_if = "form=json|csv",
     .help_en = "Everything else is bad.",
     .help_zh = "其余均为坏值。"},
    {.name = "retained",
     .type = OPTION_ENUM,
     .en = "Retained messages",
     .zh = "保留消息",
     .def = "last",
     .choices = retained_choices,
     .help_en = "What the broker kept from before we came. Those with a time of their own keep it.",
     .help_zh = "连接前代理保存的消息；自带时间的按其时间记录。"},
    {.name = "state_topic",
     .type = OPTION_STRING,
     .en = "Topic of its state",
     .zh = "状态主题",
     .max = "1000",
     .help_en =
         "Where the device, or its last will, says that it is gone: its points become bad then. Payload: a word, or "
         "{\"state\":\"…\"}.",
     .help_zh = "设备或其遗嘱在此主题报告离线，届时其测点变为坏值。载荷为一个词，或 {\"state\":\"…\"}。"},
    {.name = "offline_words",
     .type = OPTION_STRING,
     .en = "Words for offline",
     .zh = "表示离线的词",
     .def = "offline",
     .max = "500",
     .help_en = "Separated by commas.",
     .help_zh = "以逗号分隔。"},
    {.name = "stale",
     .type = OPTION_DURATION,
     .en = "Stale after",
     .zh = "陈旧判定时间",
     .min = "100ms",
     .max = "365d",
     .help_en = "A point for which nothing came so long becomes bad. Empty: never.",
     .help_zh = "超过此时间没有新消息的测点变为坏值；留空则不判定。"},
    {0},
};

const struct option mt_point_options[] = {
    {.name = "array_step",
     .type = OPTION_NUMBER,
     .en = "Interval of the values of an array",
     .zh = "数组元素间隔",
     .def = "1",
     .min = "0.000000001",
     .max = "86400",
     .unit = "s",
     .help_en = "Several numbers in an array are a waveform.",
     .help_zh = "数组中的多个数值作为波形。"},
    {.name = "write_topic",
     .type = OPTION_STRING,
     .en = "Topic for commands",
     .zh = "命令主题",
     .max = "1000",
     .help_en = "Where a written value is published. Empty: the point cannot be written.",
     .help_zh = "写入值时发布到此主题；留空则测点不可写。"},
    {.name = "write_template",
     .type = OPTION_STRING,
     .en = "Payload of a command",
     .zh = "命令报文",
     .def = "${value}",
     .max = "8000",
     .help_en = "With ${value}, ${json:value} (texts in quotes), ${ts} (ms), ${time}.",
     .help_zh = "可用 ${value}、${json:value}（文本加引号）、${ts}（毫秒）、${time}。"},
    {.name = "write_qos",
     .type = OPTION_INTEGER,
     .en = "QoS of a command",
     .zh = "命令 QoS",
     .def = "1",
     .min = "0",
     .max = "2",
     .help_en = "With 1 and 2 the broker confirms that it has it.",
     .help_zh = "1 和 2 时代理会确认收到。"},
    {.name = "write_retain",
     .type = OPTION_BOOLEAN,
     .en = "Command is retained",
     .zh = "命令保留",
     .def = "false",
     .help_en = "The broker gives it to equipment that comes later, however late.",
     .help_zh = "代理会把它发给之后上线的设备，无论多晚。"},
    {.name = "write_confirm",
     .type = OPTION_DURATION,
     .en = "Wait for the value",
     .zh = "等待回读",
     .min = "100ms",
     .max = "1m",
     .help_en = "A command is done when the point's own topic tells the value within this time. Empty: when the broker "
                "has it.",
     .help_zh = "在此时间内测点主题回报该值才算成功；留空则代理收到即算成功。"},
    {0},
};

static const char *const examples[] = {"plant/t1#$.data.temp", "$.temp", "plant/t1#$.values[?@.name=='flow'].v",
                                       "$[?@.id=='t1'].temp", NULL};

/* ---- figures ---- */

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct mt_channel *ch = (const struct mt_channel *)base;
    struct mqtt_client_stats s = {0};
    if (ch->client) mqtt_client_stats(ch->client, &s);
    *ret = ch->st;
    ret->bytes_in = s.bytes_in;
    ret->bytes_out = s.bytes_out;
    ret->rtt_us = s.rtt_us;
    ret->requests = s.packets_out;
    ret->errors += s.errors;
    ret->connections = mqtt_client_up(ch->client);
}

static enum driver_state device_state(const struct mt_channel *ch, const struct mt_device *d, uint32_t bad,
                                      struct error *why)
{
    int64_t clock;
    if (d->npoints == 0) return DRIVER_OFF;
    *why = d->config.code ? d->config : d->trouble;
    if (!mqtt_client_up(ch->client)) {
        if (ch->why.code) *why = ch->why;
        return ch->st.state == DRIVER_CONNECTING && !d->last_ok_us ? DRIVER_CONNECTING : DRIVER_DOWN;
    }
    if (why->code == 0 && bad && ch->refusal.code) *why = ch->refusal;
    if (d->offline) {
        error_set(why, ERR_UNAVAILABLE, "", "it says that it is offline", "设备报告离线");
        return DRIVER_DOWN;
    }
    if (why->code == 0 && d->last_ok_us == 0) {
        error_set(why, ERR_UNAVAILABLE, "", "no message yet", "尚无消息");
        return DRIVER_CONNECTING;
    }
    if (why->code == 0 && mt_clock_of(d, &clock) && fabs((double)clock) >= 60e6)
        error_set(why, ERR_DEVICE, "", "its clock is %.1f s %s%.0s", "其时钟相差 %.1f 秒（%.0s%s）",
                  fabs((double)clock / 1e6), clock < 0 ? "behind" : "ahead", clock < 0 ? "慢" : "快");
    if (why->code == 0 && bad)
        error_set(why, ERR_DEVICE, "", "%u of %u points are bad", "%u/%u 个测点为坏值", bad, d->npoints);
    if (why->code == 0) return DRIVER_UP;
    return bad == d->npoints ? DRIVER_DOWN : DRIVER_DEGRADED;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct mt_channel *ch = (const struct mt_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct driver_device_status){
            .num = ch->devices[i].num, .points = ch->devices[i].npoints, .last_ok_us = ch->devices[i].last_ok_us};
    for (size_t i = 0; i < ch->npoints; i++) {
        const struct mt_point *p = &ch->points[i];
        if (p->device < n && (p->wrong || p->last.quality == QUALITY_BAD)) ret[p->device].bad++;
    }
    for (size_t i = 0; i < n; i++) {
        struct error why = {0};
        ret[i].state = device_state(ch, &ch->devices[i], ret[i].bad, &why);
        if (ret[i].state == DRIVER_UP || ret[i].state == DRIVER_OFF) continue;
        str_to_cstr(str_of(why.text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why.text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

/* ---- the row ---- */

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct mt_format f;
    struct mt_point point;
    struct str *filters = NULL;
    size_t n = 0;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    int rc = mt_filters_of(device, &a, &filters, &n, e);
    if (!rc) rc = mt_format_of(device, &a, &f, e);
    /* without the device's options it may have topics */
    static struct str any = {"x", 1};
    if (!rc) rc = mt_point_of(&f, device ? filters : &any, device ? n : 1, p, &a, &point, e);
    if (rc || ret == NULL) return rc;
    *ret =
        (struct driver_address){.type = point.spec.type == VALUE_AUTO ? VALUE_DOUBLE : (enum value_type)point.spec.type,
                                .writable = point.write_topic.n > 0};
    str_to_cstr(point.address, ret->canonical, sizeof ret->canonical);
    return 0;
}

static int channel_set(struct driver_channel *base, const struct driver_device *d, size_t nd,
                       const struct driver_point *p, size_t np, struct error *e)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    int rc = mt_set(ch, d, nd, p, np, e);
    ch->judge = true;
    if (rc == 0) mt_pump(ch);
    return rc;
}

const struct driver mqtt_client_driver = {
    .name = "mqtt_client",
    .on_change = true,
    .en = "MQTT (client)",
    .zh = "MQTT（客户端）",
    .help_en =
        "Values out of the messages of an external broker (mosquitto, EMQX …): JSON, CSV, text, bytes; commands by "
        "publishing.",
    .help_zh = "订阅外部代理（mosquitto、EMQX 等）的消息：JSON、CSV、文本、二进制；以发布消息的方式下发命令。",
    .channel_options = mt_channel_options,
    .device_options = mt_device_options,
    .point_options = mt_point_options,
    .address_en = "topic#place: plant/t1#$.data.temp (JSON), plant/t1#2 or plant/t1#temp (CSV: column from 1 or name), "
                  "plant/t1 (text), plant/t1#4, #4.3, #4:10, #* (bytes: byte from 0, bit, text of 10, all). Without a "
                  "topic, $.temp, "
                  "that of the device is meant. A topic with + or # needs a selection: plant/+#$[?@.id=='t1'].temp.",
    .address_zh =
        "主题#位置：plant/t1#$.data.temp（JSON），plant/t1#2 或 plant/t1#temp（CSV：从 1 开始的列号或列名），"
        "plant/t1（文本），plant/t1#4、#4.3、#4:10、#*（二进制：从 0 开始的字节、位、10 字节文本、全部）。只写 $.temp "
        "时指设备的主题。"
        "含 + 或 # 的主题须筛选：plant/+#$[?@.id=='t1'].temp。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = mqtt_options_check,
    .device_check = mt_device_check,
    .channel_open = mt_open,
    .channel_set = channel_set,
    .write = mt_write,
    .read = mt_read,
    .test = mt_test,
    .status = status,
    .devices = devices,
    .close = mt_close,
    .describe = mqtt_frame_words,
    .browse = mt_browse,
    .wire_port = 1883,
};
