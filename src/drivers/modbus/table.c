/* table.c - what the driver tells about itself, and its row of functions. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/modbus/modbus_int.h"

static const struct option_choice framings[] = {
    {"tcp", "Modbus TCP", "Modbus TCP"},
    {"rtu", "RTU over TCP (serial server)", "RTU over TCP（串口服务器）"},
    {0},
};
static const struct option_choice orders[] = {
    /* in the order of enum modbus_order */
    {"ABCD", "ABCD (big-endian)", "ABCD（大端）"},
    {"CDAB", "CDAB (words swapped)", "CDAB（字交换）"},
    {"BADC", "BADC (bytes swapped)", "BADC（字节交换）"},
    {"DCBA", "DCBA (little-endian)", "DCBA（小端）"},
    {0},
};
static const struct option_choice area_choices[] = {
    /* in the order of areas[] in point.c */
    {"none", "addresses name their area", "由地址说明数据区"}, {"coil", "coils (0x)", "线圈（0x）"},
    {"discrete", "discrete inputs (1x)", "离散输入（1x）"},    {"input", "input registers (3x)", "输入寄存器（3x）"},
    {"holding", "holding registers (4x)", "保持寄存器（4x）"}, {0},
};

static const struct option channel_options[] = {
    {.name = "host",
     .type = OPTION_STRING,
     .en = "Host",
     .zh = "主机",
     .required = true,
     .min = "1",
     .max = "253",
     .help_en = "IP address or name of the device or gateway.",
     .help_zh = "设备或网关的 IP 地址或名称。"},
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .def = "502", .min = "1", .max = "65535"},
    {.name = "framing", .type = OPTION_ENUM, .en = "Framing", .zh = "帧格式", .def = "tcp", .choices = framings},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of an answer",
     .zh = "应答超时",
     .def = "1s",
     .min = "20ms",
     .max = "60s"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of connecting",
     .zh = "连接超时",
     .def = "3s",
     .min = "50ms",
     .max = "60s"},
    {.name = "retries",
     .type = OPTION_INTEGER,
     .en = "Retries",
     .zh = "重试次数",
     .def = "1",
     .min = "0",
     .max = "5",
     .help_en = "How often a read is sent again before the station counts as silent. Writes are never repeated.",
     .help_zh = "读请求重发多少次后判定站点无应答；写请求从不重发。"},
    {.name = "in_flight",
     .type = OPTION_INTEGER,
     .en = "Requests in flight",
     .zh = "并发请求数",
     .def = "1",
     .min = "1",
     .max = "16",
     .help_en = "More than 1 only for devices that answer several requests at once; RTU always uses 1.",
     .help_zh = "仅当设备支持并发请求时设为大于 1；RTU 始终为 1。"},
    {.name = "max_registers",
     .type = OPTION_INTEGER,
     .en = "Registers a request",
     .zh = "每次请求寄存器数",
     .def = "125",
     .min = "1",
     .max = "125"},
    {.name = "max_bits",
     .type = OPTION_INTEGER,
     .en = "Bits a request",
     .zh = "每次请求位数",
     .def = "2000",
     .min = "1",
     .max = "2000"},
    {.name = "max_gap",
     .type = OPTION_INTEGER,
     .en = "Gap read along",
     .zh = "合并间隔",
     .def = "8",
     .min = "0",
     .max = "124",
     .help_en = "Registers between two points that are read along to save a request (bits: 16 times as many).",
     .help_zh = "为减少请求而一并读取的测点之间的空闲寄存器数（位为其 16 倍）。"},
    {.name = "interval",
     .type = OPTION_DURATION,
     .en = "Pause between requests",
     .zh = "请求间隔",
     .max = "10s",
     .help_en = "For devices that lose requests which follow at once.",
     .help_zh = "适用于连续请求会丢失的设备。"},
    {.name = "reconnect_min",
     .type = OPTION_DURATION,
     .en = "First wait before reconnecting",
     .zh = "首次重连等待",
     .def = "1s",
     .min = "10ms",
     .max = "60s"},
    {.name = "reconnect_max",
     .type = OPTION_DURATION,
     .en = "Longest wait before reconnecting",
     .zh = "最长重连等待",
     .def = "60s",
     .min = "10ms",
     .max = "10m"},
    {0},
};

static const struct option device_options[] = {
    {.name = "unit",
     .type = OPTION_INTEGER,
     .en = "Station (unit id)",
     .zh = "站号",
     .def = "1",
     .min = "0",
     .max = "255"},
    {.name = "byte_order",
     .type = OPTION_ENUM,
     .en = "Byte order",
     .zh = "字节序",
     .def = "ABCD",
     .choices = orders,
     .help_en = "Of values of two registers and more, where the point does not say.",
     .help_zh = "用于未单独设置的多寄存器数值。"},
    {.name = "area",
     .type = OPTION_ENUM,
     .en = "Area of bare numbers",
     .zh = "纯数字地址的数据区",
     .def = "none",
     .choices = area_choices,
     .help_en = "Lets addresses be plain numbers such as 12 or 0x1F.",
     .help_zh = "允许使用 12 或 0x1F 这样的纯数字地址。"},
    {.name = "zero_based",
     .type = OPTION_BOOLEAN,
     .en = "Bare numbers count from 0",
     .zh = "纯数字地址从 0 起",
     .def = "false",
     .show_if = "area=coil|discrete|input|holding"},
    {.name = "mask_write",
     .type = OPTION_BOOLEAN,
     .en = "Mask write (function 22)",
     .zh = "屏蔽写（功能码 22）",
     .def = "true",
     .help_en = "To write one bit of a register; without it the register is read, changed and written.",
     .help_zh = "用于写寄存器中的一位；不支持时先读、改、再写。"},
    {.name = "write_multiple",
     .type = OPTION_BOOLEAN,
     .en = "Always write with functions 15 and 16",
     .zh = "始终用功能码 15、16 写入",
     .def = "false"},
    {0},
};

static const struct option point_options[] = {
    {.name = "byte_order",
     .type = OPTION_ENUM,
     .en = "Byte order",
     .zh = "字节序",
     .choices = orders,
     .help_en = "Empty: that of the device.",
     .help_zh = "留空则使用设备的设置。"},
    {.name = "length",
     .type = OPTION_INTEGER,
     .en = "Length of a text",
     .zh = "字符串长度",
     .min = "1",
     .max = "250",
     .help_en = "Characters, where the address does not say (400001.10H).",
     .help_zh = "字符数；地址已注明时（400001.10H）可不填。"},
    {0},
};

static const char *const examples[] = {"400001", "1!400001", "300004.0", "400010#CDAB", "400020.10H",
                                       "100001", "000001",   "40001",    "4:0x1F",      NULL};

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct mb_device d;
    mb_device_init(&d, NULL, device);
    return mb_point_resolve(p, &d, NULL, ret, e);
}

static int channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                       const struct driver_point *points, size_t np, struct error *e)
{
    struct mb_channel *ch = (struct mb_channel *)base;
    int rc = mb_set(ch, devices, nd, points, np, e);
    if (rc == 0) channel_pump(ch);
    return rc;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct mb_channel *ch = (const struct mb_channel *)base;
    *ret = ch->st;
    ret->connections = ch->conn == CONN_UP;
}

static bool sample_is_bad(const struct sample *s)
{
    return s->quality == QUALITY_BAD || s->type == SAMPLE_NONE;
}

static uint32_t count_bad(const struct mb_channel *ch, size_t device)
{
    uint32_t bad = ch->devices[device].bad_config;
    for (size_t i = 0; i < ch->ngroups; i++)
        for (size_t k = 0; ch->groups[i]->device == device && k < ch->groups[i]->n; k++)
            bad += sample_is_bad(&ch->groups[i]->samples[k]);
    return bad;
}

/* UP: all good; DEGRADED: a part; DOWN: nothing answers. */
static enum driver_state device_state(const struct mb_channel *ch, const struct mb_device *d, uint32_t bad)
{
    if (d->points == 0) return DRIVER_OFF;
    if (ch->conn != CONN_UP && (ch->lost_told || d->last_ok_us == 0))
        return ch->st.state == DRIVER_CONNECTING ? DRIVER_CONNECTING : DRIVER_DOWN;
    if (d->trouble.code == 0)
        return bad ? (bad == d->points && d->last_ok_us == 0 ? DRIVER_CONNECTING : DRIVER_DEGRADED) : DRIVER_UP;
    return bad == d->points ? DRIVER_DOWN : DRIVER_DEGRADED;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct mb_channel *ch = (const struct mb_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++) {
        const struct mb_device *d = &ch->devices[i];
        const struct error *why = d->trouble.code ? &d->trouble : d->config.code ? &d->config : &ch->why;
        ret[i] = (struct driver_device_status){.num = d->num, .points = d->points, .last_ok_us = d->last_ok_us};
        ret[i].bad = count_bad(ch, i);
        ret[i].state = device_state(ch, d, ret[i].bad);
        if (ret[i].state == DRIVER_UP || ret[i].state == DRIVER_OFF || why->code == 0) continue;
        str_to_cstr(str_of(why->text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why->text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

static void describe(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    enum modbus_framing framing = f->format == MODBUS_RTU ? MODBUS_RTU : MODBUS_TCP;
    modbus_words(framing, f->dir == DRIVER_TX, f->bytes, f->n, false, en, cap);
    modbus_words(framing, f->dir == DRIVER_TX, f->bytes, f->n, true, zh, cap);
}

const struct driver modbus_driver = {
    .name = "modbus_tcp",
    .en = "Modbus TCP / RTU over TCP",
    .zh = "Modbus TCP / RTU over TCP",
    .help_en = "PLCs, meters and gateways by function codes 1-6, 15, 16, 22; several stations behind one gateway.",
    .help_zh = "以功能码 1–6、15、16、22 采集 PLC、仪表和网关；一个网关后可接多个站。",
    .channel_options = channel_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en =
        "[station!]number[.bit][#order][.lengthH]. The number is 400001 or 40001: first digit the area (0 coil, "
        "1 discrete input, 3 input register, 4 holding register), then counted from 1; or 4:0x1F, the address on "
        "the wire. 1!400001 names the station; 300004.0 is a bit; #CDAB a byte order; 400020.10H a text of 10 "
        "characters.",
    .address_zh =
        "[站号!]编号[.位][#字节序][.长度H]。编号如 400001 或 40001：首位为数据区（0 线圈，1 离散输入，3 输入寄存器，"
        "4 保持寄存器），其后从 1 起编号；或 4:0x1F，即报文中的地址。1!400001 指定站号；300004.0 为位；#CDAB 为字节序；"
        "400020.10H 为 10 个字符的文本。",
    .examples = examples,
    .address_check = address_check,
    .channel_open = mb_open,
    .channel_set = channel_set,
    .write = mb_write,
    .read = mb_read,
    .test = mb_test,
    .status = status,
    .devices = devices,
    .close = mb_close,
    .describe = describe,
    .wire_port = 502,
};
