/* table.c - what the driver tells about itself, and its row of functions. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/check.h"
#include "drivers/modbus/modbus_int.h"

static const struct option_choice framings[] = {
    /* in the order of ways[] */
    {"tcp", "Modbus TCP", "Modbus TCP"},
    {"rtu", "RTU over TCP (serial server)", "RTU over TCP（串口服务器）"},
    {"ascii", "ASCII over TCP (serial server)", "ASCII over TCP（串口服务器）"},
    {"udp", "Modbus UDP", "Modbus UDP"},
    {"rtu_udp", "RTU over UDP (serial server)", "RTU over UDP（串口服务器）"},
    {0},
};
static const struct {
    const struct mb_link *link;
    enum modbus_framing framing;
} ways[] = {
    {&mb_link_tcp, MODBUS_TCP}, {&mb_link_tcp, MODBUS_RTU}, {&mb_link_tcp, MODBUS_ASCII},
    {&mb_link_udp, MODBUS_TCP}, {&mb_link_udp, MODBUS_RTU},
};
static const struct option_choice line_framings[] = {
    {"rtu", "RTU", "RTU"},
    {"ascii", "ASCII", "ASCII"},
    {0},
};
static const struct option_choice data_bits[] = {{"8", "8", "8"}, {"7", "7 (ASCII only)", "7（仅 ASCII）"}, {0}};
static const struct option_choice stop_bits[] = {{"1", "1", "1"}, {"2", "2", "2"}, {0}};
static const struct option_choice parities[] = {
    /* in the order of enum serial_parity */
    {"none", "none", "无"},        {"even", "even", "偶"},           {"odd", "odd", "奇"},
    {"mark", "mark", "1（mark）"}, {"space", "space", "0（space）"}, {0},
};
static const struct option_choice flows[] = {
    /* in the order of enum serial_flow */
    {"none", "none", "无"},
    {"rts_cts", "RTS/CTS", "RTS/CTS"},
    {"xon_xoff", "XON/XOFF (ASCII only)", "XON/XOFF（仅 ASCII）"},
    {0},
};
static const struct option_choice turns[] = {
    /* in the order of enum serial_turn */
    {"auto", "RS-232, or the adapter switches by itself", "RS-232，或适配器自动切换"},
    {"rts", "the kernel switches by RTS", "内核用 RTS 切换"},
    {"rts_inverted", "the kernel switches by RTS, inverted", "内核用 RTS 切换（反相）"},
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

/* Rows that both drivers have. */
#define ANSWER_OPTIONS \
    { \
        .name = "timeout", .type = OPTION_DURATION, .en = "Time-out of an answer", .zh = "应答超时", .def = "1s", \
        .min = "20ms", .max = "60s" \
    }

#define RETRY_OPTIONS \
    { \
        .name = "retries", .type = OPTION_INTEGER, .en = "Retries", .zh = "重试次数", .def = "1", .min = "0", \
        .max = "5", \
        .help_en = "How often a read is sent again before the station counts as silent. Writes are never repeated.", \
        .help_zh = "读请求重发多少次后判定站点无应答；写请求从不重发。" \
    }

#define STATION_MAX_MS 60000
#define REQUEST_OPTIONS(longest) \
    {.name = "max_registers", \
     .type = OPTION_INTEGER, \
     .en = "Registers a request", \
     .zh = "每次请求寄存器数", \
     .def = "125", \
     .min = "1", \
     .max = "125"}, \
        {.name = "max_bits", \
         .type = OPTION_INTEGER, \
         .en = "Bits a request", \
         .zh = "每次请求位数", \
         .def = "2000", \
         .min = "1", \
         .max = "2000"}, \
        {.name = "max_gap", \
         .type = OPTION_INTEGER, \
         .en = "Gap read along", \
         .zh = "合并间隔", \
         .def = "8", \
         .min = "0", \
         .max = "124", \
         .help_en = "Registers between two points that are read along to save a request (bits: 16 times as many).", \
         .help_zh = "为减少请求而一并读取的测点之间的空闲寄存器数（位为其 16 倍）。"}, \
        {.name = "interval", \
         .type = OPTION_DURATION, \
         .en = "Pause between requests", \
         .zh = "请求间隔", \
         .max = "10s", \
         .help_en = "For devices that lose requests which follow at once.", \
         .help_zh = "适用于连续请求会丢失的设备。"}, \
        {.name = "reconnect_min", \
         .type = OPTION_DURATION, \
         .en = "First wait before reconnecting", \
         .zh = "首次重连等待", \
         .def = "1s", \
         .min = "10ms", \
         .max = "60s"}, \
    { \
        .name = "reconnect_max", .type = OPTION_DURATION, .en = "Longest wait before reconnecting", \
        .zh = "最长重连等待", .def = longest, .min = "10ms", .max = "10m" \
    }

/* Of lines behind a converter and of serial ports. */
#define TURNAROUND_OPTION(shown) \
    { \
        .name = "turnaround", .type = OPTION_DURATION, .en = "Pause after a broadcast", .zh = "广播后的等待", \
        .def = "100ms", .min = "1ms", .max = "10s", .show_if = shown, \
        .help_en = "Time that stations need to carry out a write to all of them (unit 0) before the next request.", \
        .help_zh = "各站执行广播写（站号 0）所需的时间，其后才发下一请求。" \
    }

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
    {.name = "broadcast",
     .type = OPTION_BOOLEAN,
     .en = "Unit 0 is broadcast",
     .zh = "站号 0 为广播",
     .def = "false",
     .show_if = "framing=rtu|ascii|rtu_udp",
     .help_en = "Points of unit 0 are then written to all stations and never read; nobody confirms such a write.",
     .help_zh = "站号 0 的测点向所有站写入且不读取；此类写入没有应答确认。"},
    TURNAROUND_OPTION("broadcast=true"),
    ANSWER_OPTIONS,
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of connecting",
     .zh = "连接超时",
     .def = "3s",
     .min = "50ms",
     .max = "60s"},
    RETRY_OPTIONS,
    {.name = "in_flight",
     .type = OPTION_INTEGER,
     .en = "Requests in flight",
     .zh = "并发请求数",
     .def = "1",
     .min = "1",
     .max = "16",
     .help_en = "More than 1 only for devices that answer several requests at once; RTU and ASCII always use 1.",
     .help_zh = "仅当设备支持并发请求时设为大于 1；RTU 和 ASCII 始终为 1。"},
    REQUEST_OPTIONS("3s"),
    {0},
};

static const struct option line_options[] = {
    {.name = "device",
     .type = OPTION_STRING,
     .en = "Serial port",
     .zh = "串口",
     .required = true,
     .min = "6",
     .max = "190",
     .help_en = "/dev/ttyUSB0, /dev/ttyS0, or better /dev/serial/by-id/…, which stays the same when adapters are "
                "re-plugged. The service's user must be in the group dialout.",
     .help_zh = "/dev/ttyUSB0、/dev/ttyS0，或更好的 /dev/serial/by-id/…（重新插拔后不变）。运行本服务的用户须在 "
                "dialout 组中。"},
    {.name = "framing", .type = OPTION_ENUM, .en = "Framing", .zh = "帧格式", .def = "rtu", .choices = line_framings},
    {.name = "speed",
     .type = OPTION_INTEGER,
     .en = "Speed",
     .zh = "波特率",
     .def = "9600",
     .min = "50",
     .max = "4000000",
     .unit = "bit/s",
     .help_en = "Any number that the port can do: 1200 to 115200 and above.",
     .help_zh = "串口支持的任意数值：1200 至 115200 及以上。"},
    {.name = "data_bits", .type = OPTION_ENUM, .en = "Data bits", .zh = "数据位", .def = "8", .choices = data_bits},
    {.name = "parity",
     .type = OPTION_ENUM,
     .en = "Parity",
     .zh = "校验",
     .def = "none",
     .choices = parities,
     .help_en = "The Modbus standard asks for even; most devices are delivered with none.",
     .help_zh = "Modbus 标准规定为偶校验；多数设备出厂为无校验。"},
    {.name = "stop_bits", .type = OPTION_ENUM, .en = "Stop bits", .zh = "停止位", .def = "1", .choices = stop_bits},
    {.name = "flow", .type = OPTION_ENUM, .en = "Flow control", .zh = "流控", .def = "none", .choices = flows},
    {.name = "rs485",
     .type = OPTION_ENUM,
     .en = "RS-485 direction",
     .zh = "RS-485 收发切换",
     .def = "auto",
     .choices = turns},
    {.name = "rts_before",
     .type = OPTION_DURATION,
     .en = "RTS before sending",
     .zh = "发送前 RTS 提前",
     .max = "100ms",
     .show_if = "rs485=rts|rts_inverted"},
    {.name = "rts_after",
     .type = OPTION_DURATION,
     .en = "RTS after sending",
     .zh = "发送后 RTS 保持",
     .max = "100ms",
     .show_if = "rs485=rts|rts_inverted"},
    {.name = "echo",
     .type = OPTION_BOOLEAN,
     .en = "The adapter hears its own sending",
     .zh = "适配器回送自身发送",
     .def = "false",
     .help_en = "Two-wire adapters without muting. Found out by itself from the first reading.",
     .help_zh = "不屏蔽自身接收的两线适配器；首次读取时也会自动识别。"},
    TURNAROUND_OPTION(NULL),
    ANSWER_OPTIONS,
    RETRY_OPTIONS,
    {.name = "probe_max",
     .type = OPTION_DURATION,
     .en = "Longest wait before a silent station is asked again",
     .zh = "无应答站的最长重试间隔",
     .def = "60s",
     .min = "10ms",
     .max = "1h",
     .help_en =
         "A silent station is asked once in a while (1, 2, 4 … seconds), so that it does not hold up the others.",
     .help_zh = "对无应答的站只偶尔询问一次（1、2、4……秒），以免拖慢其他站。"},
    REQUEST_OPTIONS("10s"),
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
    {.name = "timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of an answer",
     .zh = "应答超时",
     .min = "20ms",
     .max = "60s",
     .help_en = "Of this station; empty: that of the channel.",
     .help_zh = "仅用于此站；留空则使用通道的设置。"},
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
        for (size_t k = 0; ch->groups[i]->device == device && !ch->groups[i]->broadcast && k < ch->groups[i]->n; k++)
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
    enum modbus_framing framing = f->format <= MODBUS_ASCII ? (enum modbus_framing)f->format : MODBUS_TCP;
    modbus_words(framing, f->dir == DRIVER_TX, f->bytes, f->n, false, en, cap);
    modbus_words(framing, f->dir == DRIVER_TX, f->bytes, f->n, true, zh, cap);
}

/* ---- options to configuration ---- */

static void configure(struct mb_config *c, const struct options *o)
{
    c->timeout_ms = (uint32_t)opt_ms(o, "timeout", 1000);
    c->connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 3000);
    c->interval_ms = (uint32_t)opt_ms(o, "interval", 0);
    c->turnaround_ms = (uint32_t)opt_ms(o, "turnaround", 100);
    c->retries = (unsigned)opt_i64(o, "retries", 1);
    c->in_flight = (unsigned)opt_i64(o, "in_flight", 1);
    c->max_gap = (unsigned)opt_i64(o, "max_gap", 8);
    c->max_registers = (unsigned)opt_i64(o, "max_registers", MODBUS_READ_REGISTERS_MAX);
    c->max_bits = (unsigned)opt_i64(o, "max_bits", MODBUS_READ_BITS_MAX);
    c->backoff.min_ms = (uint32_t)opt_ms(o, "reconnect_min", 1000);
    c->backoff.max_ms = (uint32_t)opt_ms(o, "reconnect_max", 3000);
    if (c->backoff.max_ms < c->backoff.min_ms) c->backoff.max_ms = c->backoff.min_ms;
    c->station_backoff = c->backoff;
    if (c->station_backoff.max_ms < STATION_MAX_MS)
        c->station_backoff.max_ms = STATION_MAX_MS; /* a dead one keeps the others waiting */
}

static int check_network(const struct options *o, struct error *e)
{
    return check_host(o, "host", e);
}

static int open_network(const struct driver_host *host, const struct options *o, struct driver_channel **ret,
                        struct error *e)
{
    struct mb_config c = {.port = (uint16_t)opt_i64(o, "port", 502)};
    int way = opt_enum(o, "framing", 0), rc = check_network(o, e);
    if (rc) return rc;
    configure(&c, o);
    c.link = ways[way].link;
    c.framing = ways[way].framing;
    c.broadcast = c.framing != MODBUS_TCP && opt_bool(o, "broadcast", false);
    str_to_cstr(str_of(opt_str(o, "host", "")), c.host, sizeof c.host);
    snprintf(c.place, sizeof c.place, strchr(c.host, ':') ? "[%.250s]:%u" : "%.250s:%u", c.host, c.port);
    return mb_open(host, &modbus_driver, &c, ret, e);
}

static int check_serial(const struct mb_config *c, struct error *e)
{
    int rc = serial_check(&c->serial, e);
    if (rc) return rc;
    if (c->serial.rs485 != SERIAL_TURN_AUTO && c->serial.flow == SERIAL_FLOW_RTS_CTS)
        return error_set(e, ERR_INVALID, "flow",
                         "RTS switches the direction of the RS-485 line, so it cannot be flow control too: set flow to "
                         "none, or rs485 to auto",
                         "RTS 已用于 RS-485 收发切换，不能同时用作流控：请将流控设为无，或将收发切换设为自动");
    if (c->framing == MODBUS_ASCII) return 0;
    if (c->serial.data_bits != 8)
        return error_set(e, ERR_INVALID, "data_bits", "RTU needs 8 data bits; 7 are for ASCII",
                         "RTU 需要 8 个数据位；7 位仅用于 ASCII");
    if (c->serial.flow == SERIAL_FLOW_XON_XOFF)
        return error_set(e, ERR_INVALID, "flow", "RTU frames hold any byte: XON/XOFF can only be used with ASCII",
                         "RTU 帧含任意字节，XON/XOFF 仅可用于 ASCII");
    return 0;
}

static int line_config(struct mb_config *c, const struct options *o, struct error *e)
{
    *c = (struct mb_config){.link = &mb_link_serial, .broadcast = true, .echo = opt_bool(o, "echo", false)};
    configure(c, o);
    c->framing = opt_enum(o, "framing", 0) ? MODBUS_ASCII : MODBUS_RTU;
    c->station_backoff.max_ms = (uint32_t)opt_ms(o, "probe_max", 60000);
    if (c->station_backoff.max_ms < c->station_backoff.min_ms) c->station_backoff.max_ms = c->station_backoff.min_ms;
    c->serial = (struct serial_config){.speed = (uint32_t)opt_i64(o, "speed", 9600),
                                       .data_bits = opt_enum(o, "data_bits", 0) ? 7 : 8,
                                       .stop_bits = opt_enum(o, "stop_bits", 0) ? 2 : 1,
                                       .parity = (enum serial_parity)opt_enum(o, "parity", SERIAL_NONE),
                                       .flow = (enum serial_flow)opt_enum(o, "flow", SERIAL_FLOW_NONE),
                                       .rs485 = (enum serial_turn)opt_enum(o, "rs485", SERIAL_TURN_AUTO),
                                       .rts_before_ms = (uint32_t)opt_ms(o, "rts_before", 0),
                                       .rts_after_ms = (uint32_t)opt_ms(o, "rts_after", 0)};
    str_to_cstr(str_of(opt_str(o, "device", "")), c->serial.path, sizeof c->serial.path);
    str_to_cstr(str_of(c->serial.path), c->place, sizeof c->place);
    return check_serial(c, e);
}

static int check_port(const struct options *o, struct error *e)
{
    struct mb_config c;
    return line_config(&c, o, e);
}

static int open_line(const struct driver_host *host, const struct options *o, struct driver_channel **ret,
                     struct error *e)
{
    struct mb_config c;
    int rc = line_config(&c, o, e);
    return rc ? rc : mb_open(host, &modbus_serial_driver, &c, ret, e);
}

#define ADDRESS_EN \
    "[station!]number[.bit][#order][.lengthH]. The number is 400001 or 40001: first digit the area (0 coil, " \
    "1 discrete input, 3 input register, 4 holding register), then counted from 1; or 4:0x1F, the address on " \
    "the wire. 1!400001 names the station; 300004.0 is a bit; #CDAB a byte order; 400020.10H a text of 10 " \
    "characters."
#define ADDRESS_ZH \
    "[站号!]编号[.位][#字节序][.长度H]。编号如 400001 或 40001：首位为数据区（0 线圈，1 离散输入，3 输入寄存器，" \
    "4 保持寄存器），其后从 1 起编号；或 4:0x1F，即报文中的地址。1!400001 指定站号；300004.0 为位；#CDAB 为字节序；" \
    "400020.10H 为 10 个字符的文本。"

const struct driver modbus_driver = {
    .name = "modbus_tcp",
    .en = "Modbus TCP / UDP, RTU and ASCII over TCP",
    .zh = "Modbus TCP / UDP，RTU、ASCII over TCP",
    .help_en = "PLCs, meters and gateways by function codes 1-6, 15, 16, 22; several stations behind one gateway.",
    .help_zh = "以功能码 1–6、15、16、22 采集 PLC、仪表和网关；一个网关后可接多个站。",
    .channel_options = channel_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en = ADDRESS_EN,
    .address_zh = ADDRESS_ZH,
    .examples = examples,
    .address_check = address_check,
    .channel_check = check_network,
    .channel_open = open_network,
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

const struct driver modbus_serial_driver = {
    .name = "modbus_serial",
    .en = "Modbus RTU / ASCII on a serial port",
    .zh = "Modbus RTU / ASCII（串口）",
    .help_en =
        "Instruments on RS-485 or RS-232 at a serial port of this machine; one channel a port, one device a station.",
    .help_zh = "采集接在本机串口（RS-485、RS-232）上的仪表；每个串口一个通道，每个站一台设备。",
    .channel_options = line_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en = ADDRESS_EN,
    .address_zh = ADDRESS_ZH,
    .examples = examples,
    .address_check = address_check,
    .channel_check = check_port,
    .channel_open = open_line,
    .channel_set = channel_set,
    .write = mb_write,
    .read = mb_read,
    .test = mb_test,
    .status = status,
    .devices = devices,
    .close = mb_close,
    .describe = describe,
};
