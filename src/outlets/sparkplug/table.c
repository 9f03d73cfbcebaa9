/* table.c - option tables, addresses, figures, the outlet's row. */
#include <stdio.h>
#include "drivers/common/words.h"
#include "outlets/sparkplug/edge_int.h"

static const struct option_choice layout_choices[] = {
    /* the order of SE_LAYOUT_ */
    {"device", "our devices as devices", "每个设备对应一个设备"},
    {"flat", "all at the edge node", "全部放在边缘节点下"},
    {0},
};
static const struct option_choice quality_choices[] = {
    {"sparkplug", "0, 192, 500 (Sparkplug)", "0、192、500（Sparkplug）"},
    {"opc", "codes of OPC DA, with the reason", "OPC DA 质量码（含原因）"},
    {0},
};

static const struct option channel_options[] = {
    MQTT_OPTION_HOST,
    {.name = "group", .type = OPTION_STRING, .en = "Group", .zh = "组", .required = true, .min = "1", .max = "200"},
    {.name = "edge_node",
     .type = OPTION_STRING,
     .en = "Edge node",
     .zh = "边缘节点",
     .max = "200",
     .help_en = "Unique in the group. Empty: the name of this platform.",
     .help_zh = "在组内唯一；留空则为本平台名称。"},
    {.name = "layout",
     .type = OPTION_ENUM,
     .en = "Places of points",
     .zh = "测点位置",
     .def = "device",
     .choices = layout_choices,
     .help_en = "Of points whose mapping names no address.",
     .help_zh = "用于映射中未指定地址的测点。"},
    {.name = "primary_host",
     .type = OPTION_STRING,
     .en = "Primary host",
     .zh = "主机应用",
     .max = "200",
     .help_en =
         "Its id: we are online, and send, only while it is online; meanwhile samples are buffered. Empty: always.",
     .help_zh = "填写其标识后，仅在其在线时上线并发送，期间数据缓存；留空则始终发送。"},
    {.name = "aliases",
     .type = OPTION_BOOLEAN,
     .en = "Aliases",
     .zh = "使用别名",
     .def = "true",
     .help_en = "Data carry numbers instead of names.",
     .help_zh = "数据消息以编号代替指标名。"},
    {.name = "quality",
     .type = OPTION_ENUM,
     .en = "Quality",
     .zh = "质量码",
     .def = "sparkplug",
     .choices = quality_choices},
    MQTT_OPTION_SESSION,
    MQTT_OPTION_TLS,
    {0},
};

static const char *const examples[] = {"Temperature", "Motor/Speed", "pump3!Flow", NULL};

/* ---- addresses: METRIC of the node, DEVICE!METRIC of a device ---- */

int se_address_parse(struct str text, struct se_address *ret, struct error *e)
{
    ptrdiff_t bang = str_find(text, '!');
    struct se_address a = {.device = STR(""), .metric = str_trim(text)};
    if (bang >= 0) {
        a.device = str_trim(str_sub(text, 0, (size_t)bang));
        a.metric = str_trim(str_sub(text, (size_t)bang + 1, text.n));
    }
    if (bang >= 0 && !spb_id_ok(a.device))
        return error_set(e, ERR_INVALID, "address",
                         "'%.*s' is no device: it is not empty and holds no '/', '+' or '#'; write pump3!Flow",
                         "“%.*s”不是有效的设备：不能为空，也不能包含“/”“+”“#”；请写成 pump3!Flow", STR_ARG(a.device));
    if (a.metric.n == 0)
        return error_set(e, ERR_INVALID, "address",
                         "the name of the metric is missing: write Motor/Speed or pump3!Flow",
                         "缺少指标名：请写成 Motor/Speed 或 pump3!Flow");
    if (a.device.n == 0 && (str_is(a.metric, SPB_BDSEQ) || str_starts(a.metric, STR("Node Control/"))))
        return error_set(e, ERR_INVALID, "address", "'%.*s' belongs to Sparkplug itself", "“%.*s”为 Sparkplug 保留名称",
                         STR_ARG(a.metric));
    *ret = a;
    return 0;
}

static int address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                         struct error *e)
{
    struct se_address a;
    int rc = se_address_parse(str_of(p->address), &a, e);
    if (rc || ret == NULL) return rc;
    int n = snprintf(ret->canonical, sizeof ret->canonical, "%.*s%s%.*s", STR_ARG(a.device), a.device.n ? "!" : "",
                     STR_ARG(a.metric));
    if (n < 0 || (size_t)n >= sizeof ret->canonical)
        return error_set(e, ERR_TOO_LARGE, "address", "device and metric have at most %zu bytes",
                         "设备与指标名最多 %zu 字节", sizeof ret->canonical - 1);
    memcpy(ret->key, ret->canonical, sizeof ret->key);
    ret->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type;
    return 0;
}
_Static_assert(sizeof((struct outlet_address){0}.key) == sizeof((struct outlet_address){0}.canonical), "copied above");

static void put_id(struct buf *b, const char *text, const char * not )
{
    for (; *text; text++) buf_u8(b, (uint8_t)(strchr(not, *text) || (uint8_t)*text < 0x20 ? '_' : *text));
}

static int address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                           size_t cap, struct error *e)
{
    struct buf b;
    bool flat = opt_enum(channel, "layout", SE_LAYOUT_DEVICE) == SE_LAYOUT_FLAT;
    buf_init(&b, 1024);
    if (!flat && p->device && p->device[0]) {
        put_id(&b, p->device, "/+#!");
        buf_u8(&b, '!');
    }
    put_id(&b, p->code ? p->code : "", "!");
    bool whole = str_to_cstr(buf_view(&b), ret, cap) && !b.err;
    buf_fini(&b);
    return whole ? 0
                 : error_set(e, ERR_TOO_LARGE, "address", "the address of '%s' is too long: map it with one of its own",
                             "“%s”的地址过长：请为其单独指定地址", p->code);
}

/* ---- the set, the figures ---- */

static int channel_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct se_channel *ch = (struct se_channel *)base;
    struct error why;
    bool changed;
    int rc = se_set(ch, points, n, &changed, e);
    if (rc == 0 && changed && ch->conn == SE_BORN && n && se_births(ch)) {
        error_set(&why, ERR_NOMEM, "", "out of memory", "内存不足");
        se_fail(ch, &why);
    }
    if (rc == 0) se_pump(ch);
    return rc;
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct se_channel *ch = (const struct se_channel *)base;
    struct mqtt_client_stats s;
    mqtt_client_stats(ch->client, &s);
    *ret = ch->st;
    ret->connections = ch->conn >= SE_WAITING;
    ret->bytes_in = s.bytes_in;
    ret->bytes_out = s.bytes_out;
    ret->rtt_us = s.rtt_us;
}

const struct outlet sparkplug_edge_outlet = {
    .name = "sparkplug_edge",
    .en = "Sparkplug B (edge node)",
    .zh = "Sparkplug B（边缘节点）",
    .help_en = "Tells points to host applications by Eclipse Sparkplug B 3.0 over an MQTT broker: births with types, "
               "units and "
               "ranges, data by exception, historical data after outages, commands.",
    .help_zh = "以 Eclipse Sparkplug B 3.0 经 MQTT "
               "代理向主机应用发布测点：带类型、单位和量程的上线消息，变化上送，中断后补传历史数据，接收命令。",
    .channel_options = channel_options,
    .sender = true,
    .buffered = true,
    .address_en = "The name of a metric of the edge node: Temperature, Motor/Speed; of a device: pump3!Flow.",
    .address_zh = "边缘节点的指标名：Temperature、Motor/Speed；设备的指标：pump3!Flow。",
    .examples = examples,
    .address_check = address_check,
    .address_default = address_default,
    .channel_check = se_channel_check,
    .channel_open = se_open,
    .channel_set = channel_set,
    .send = se_send,
    .test = se_test,
    .status = status,
    .close = se_close,
    .describe = sparkplug_frame_words,
    .wire_port = 1883,
};
