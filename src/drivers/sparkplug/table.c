/* table.c - option tables, help, figures, the driver's row. */
#include "drivers/common/words.h"
#include "drivers/sparkplug/sparkplug_int.h"

static const struct option_choice state_choices[] = {
    /* the order of SH_STATE_ */
    {"none", "none", "不发布"},
    {"v3", "Sparkplug 3.0", "Sparkplug 3.0"},
    {"both", "Sparkplug 3.0 and 2.2", "Sparkplug 3.0 与 2.2"},
    {0},
};
static const struct option_choice time_choices[] = {
    {"source", "time stamps of the metrics", "指标的时间戳"},
    {"arrival", "time of arrival", "到达时间"},
    {0},
};

static const struct option channel_options[] = {
    MQTT_OPTION_HOST,
    {.name = "groups",
     .type = OPTION_STRING,
     .en = "Groups",
     .zh = "组",
     .max = "4000",
     .help_en = "Group ids to listen to, separated by commas. Empty: all.",
     .help_zh = "要订阅的组，以逗号分隔；留空表示全部。"},
    {.name = "host_id",
     .type = OPTION_STRING,
     .en = "Id of this host application",
     .zh = "主机应用标识",
     .max = "200",
     .help_en =
         "Edge nodes that have this id as their primary host send only while we are online. Empty: made from the "
         "code of the channel.",
     .help_zh = "以此标识为主机应用的边缘节点仅在本端在线时发送。留空则由通道编码生成。"},
    {.name = "state",
     .type = OPTION_ENUM,
     .en = "State of the host",
     .zh = "主机状态",
     .def = "v3",
     .choices = state_choices,
     .help_en = "Published retained, with a will. 2.2 is STATE/id with ONLINE and OFFLINE.",
     .help_zh = "以保留消息发布并设置遗嘱。2.2 为主题 STATE/标识，内容 ONLINE、OFFLINE。"},
    {.name = "rebirth",
     .type = OPTION_BOOLEAN,
     .en = "Ask for births",
     .zh = "请求重新上线",
     .def = "true",
     .help_en = "Of edge nodes whose birth was missed or whose messages have a gap.",
     .help_zh = "错过上线消息或消息序号中断时，请求边缘节点重新发布上线消息。"},
    {.name = "rebirth_interval",
     .type = OPTION_DURATION,
     .en = "At most every",
     .zh = "请求最短间隔",
     .def = "5s",
     .min = "100ms",
     .max = "1h",
     .show_if = "rebirth=true",
     .help_en = "Doubled with each request that is not answered, up to 64 times.",
     .help_zh = "未获响应时逐次加倍，最多 64 倍。"},
    {.name = "reorder_timeout",
     .type = OPTION_DURATION,
     .en = "Wait for missing messages",
     .zh = "乱序等待时间",
     .def = "2s",
     .min = "0ms",
     .max = "5m",
     .help_en = "What follows a gap is held back so long.",
     .help_zh = "序号中断后的消息在此时间内暂存。"},
    {.name = "birth_timeout",
     .type = OPTION_DURATION,
     .en = "Wait for births",
     .zh = "上线等待时间",
     .def = "10s",
     .min = "100ms",
     .max = "10m",
     .help_en = "Then points of what has told no birth become bad.",
     .help_zh = "超时仍未上线的设备，其测点置为坏值。"},
    {.name = "write_timeout",
     .type = OPTION_DURATION,
     .en = "Wait for the read-back of a command",
     .zh = "命令回读等待时间",
     .def = "5s",
     .min = "100ms",
     .max = "60s",
     .help_en = "A command is done when the metric comes back with the value.",
     .help_zh = "指标返回所写的值即为命令完成。"},
    MQTT_OPTION_SESSION,
    MQTT_OPTION_TLS,
    {0},
};

static const struct option device_options[] = {
    {.name = "group",
     .type = OPTION_STRING,
     .en = "Group",
     .zh = "组",
     .max = "250",
     .help_en = "Empty, with the edge node: points have whole addresses.",
     .help_zh = "与边缘节点同时留空时，测点须用完整地址。"},
    {.name = "edge_node", .type = OPTION_STRING, .en = "Edge node", .zh = "边缘节点", .max = "250"},
    {.name = "device",
     .type = OPTION_STRING,
     .en = "Device",
     .zh = "设备",
     .max = "250",
     .help_en = "Empty: the metrics of the edge node itself.",
     .help_zh = "留空表示边缘节点自身的指标。"},
    {.name = "time_source",
     .type = OPTION_ENUM,
     .en = "Time of values",
     .zh = "数据时间",
     .def = "source",
     .choices = time_choices,
     .help_en = "Arrival where the clock of the edge node is not to be trusted. Historical values keep their own time.",
     .help_zh = "边缘节点时钟不可信时选到达时间；历史值始终使用自带时间。"},
    {.name = "command_names",
     .type = OPTION_BOOLEAN,
     .en = "Names in commands",
     .zh = "命令携带指标名",
     .def = "false",
     .help_en = "Sparkplug 3.0 wants the alias alone where there is one; some edge nodes look for the name.",
     .help_zh = "有别名时 Sparkplug 3.0 只要求别名；部分边缘节点需要指标名。"},
    {0},
};

static const struct option point_options[] = {
    {.name = "element",
     .type = OPTION_INTEGER,
     .en = "Element of an array",
     .zh = "数组元素",
     .min = "0",
     .max = "1000000",
     .help_en = "From 0 on. Empty: the array, as a waveform (numbers) or as JSON (type string, texts).",
     .help_zh = "从 0 开始。留空取整个数组：数值为波形，类型为字符串或文本数组时为 JSON。"},
    {.name = "element_interval",
     .type = OPTION_DURATION,
     .en = "Time between the elements",
     .zh = "元素间隔时间",
     .def = "1ms",
     .help_en = "Of an array that is a waveform.",
     .help_zh = "数组作为波形时的采样间隔。"},
    {0},
};

static const char *const examples[] = {
    "Temperature", "Motor/Speed", "plant/line1!Node Control/Rebirth", "plant/line1/pump3!Flow", "$online", NULL};

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct sh_conf c;
    struct sh_point point;
    struct sh_target t;
    struct buf b;
    sh_conf_init(&c, NULL, device);
    int rc = sh_point_init(p, &c, &point, &t, e);
    if (rc || ret == NULL) return rc;
    buf_init(&b, 4096);
    sh_target_format(&t, &c, &b);
    str_to_cstr(buf_view(&b), ret->canonical, sizeof ret->canonical);
    buf_fini(&b);
    ret->type = t.online                ? VALUE_BOOL
                : p->type == VALUE_AUTO ? VALUE_DOUBLE
                                        : p->type; /* which it is, the birth tells */
    ret->writable = !t.online;
    return 0;
}

static int channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                       const struct driver_point *points, size_t np, struct error *e)
{
    struct sh_channel *ch = (struct sh_channel *)base;
    int rc = sh_set(ch, devices, nd, points, np, e);
    if (rc == 0) sh_pump(ch);
    return rc;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct sh_channel *ch = (const struct sh_channel *)base;
    struct mqtt_client_stats s;
    mqtt_client_stats(ch->client, &s);
    *ret = ch->st;
    ret->connections = ch->conn == SH_UP;
    ret->bytes_in = s.bytes_in;
    ret->bytes_out = s.bytes_out;
    ret->rtt_us = s.rtt_us;
}

/* The node or device that a configured device means; NULL: not yet known. */
static const struct sh_device *place_of(const struct sh_channel *ch, const struct sh_conf *c)
{
    const struct sh_node *n = sh_node_find(ch, str_of(c->group), str_of(c->node));
    return n ? sh_device_find(n, str_of(c->device)) : NULL;
}

static void why_of(const struct sh_channel *ch, const struct sh_conf *c, struct error *e)
{
    const struct sh_device *d = place_of(ch, c);
    *e = c->config;
    if (ch->conn != SH_UP)
        *e = ch->why;
    else if (d && !d->node->flow.alive && d->node->trouble.code)
        *e = d->node->trouble;
    else if (d && !d->alive && d->told)
        error_set(e, ERR_UNAVAILABLE, "", "device %s is offline", "设备 %s 已离线", d->name);
    else if (d && d->node->clock_warned)
        error_set(e, ERR_DEVICE, "", "the edge node's clock differs by %.1f s", "边缘节点时钟相差 %.1f 秒",
                  fabs((double)sh_clock_behind(d->node) / 1e6));
}

static enum driver_state device_state(const struct sh_channel *ch, const struct sh_conf *c, uint32_t bad, bool trouble)
{
    if (c->points == 0) return DRIVER_OFF;
    const struct sh_device *d = place_of(ch, c);
    if (ch->conn != SH_UP) return ch->st.state == DRIVER_CONNECTING && !c->last_ok_us ? DRIVER_CONNECTING : DRIVER_DOWN;
    if (d && !d->alive && d->told) return DRIVER_DOWN; /* whatever its points elsewhere say */
    if (bad == 0 && !trouble) return DRIVER_UP;
    if (bad == c->points) return c->last_ok_us || trouble ? DRIVER_DOWN : DRIVER_CONNECTING;
    return DRIVER_DEGRADED;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct sh_channel *ch = (const struct sh_channel *)base;
    size_t n = ch->nconfs < max ? ch->nconfs : max;
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct driver_device_status){
            .num = ch->confs[i].num, .points = ch->confs[i].points, .last_ok_us = ch->confs[i].last_ok_us};
    for (size_t i = 0; i < ch->npoints; i++) {
        const struct sh_point *p = &ch->points[i];
        if (p->device < n && (p->config_error || p->last.time_us == 0 || p->last.quality == QUALITY_BAD))
            ret[p->device].bad++;
    }
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        why_of(ch, &ch->confs[i], &e);
        ret[i].state = device_state(ch, &ch->confs[i], ret[i].bad, e.code && e.code != ch->confs[i].config.code);
        if (ret[i].state == DRIVER_UP || ret[i].state == DRIVER_OFF || e.code == 0) continue;
        str_to_cstr(str_of(e.text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(e.text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

const struct driver sparkplug_driver = {
    .name = "sparkplug_host",
    .on_change = true,
    .en = "Sparkplug B (host application)",
    .zh = "Sparkplug B（主机应用）",
    .help_en =
        "Edge nodes that speak Eclipse Sparkplug B 3.0 over an MQTT broker: births, deaths, data by alias, historical "
        "values, commands with read-back, state of the primary host.",
    .help_zh =
        "经 MQTT 代理接入 Eclipse Sparkplug B 3.0 边缘节点：上线、离线、别名数据、历史值、带回读的命令、主机状态。",
    .channel_options = channel_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en =
        "The name of a metric of the device: Temperature, Motor/Speed (members of templates likewise: Motor1/Speed). "
        "group/node!metric and group/node/device!metric name any other place. $online tells whether the device or "
        "the edge node is online. !metric for names that hold '!'.",
    .address_zh =
        "设备的指标名：Temperature、Motor/Speed（模板成员同样写作 Motor1/Speed）。组/节点!指标、组/节点/设备!指标 "
        "可指向任意位置。$online 表示设备或边缘节点是否在线。指标名自身含“!”时写作 !指标。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = sh_channel_check,
    .device_check = sh_device_check,
    .channel_open = sh_open,
    .channel_set = channel_set,
    .write = sh_write,
    .read = sh_read,
    .test = sh_test,
    .status = status,
    .devices = devices,
    .close = sh_close,
    .describe = sparkplug_frame_words,
    .browse = sh_browse,
    .wire_port = 1883,
};
