/* table.c - what the Modbus server tells about itself, its addresses, and its row of functions. */
#include "drivers/common/registry.h"
#include "outlets/modbus/modbus_out.h"

static const struct option_choice framings[] = {
    {"tcp", "Modbus TCP", "Modbus TCP"}, {"rtu", "RTU over TCP", "RTU over TCP"}, {NULL, NULL, NULL}};
static const struct option_choice orders[] = {/* in the order of enum modbus_order */
                                              {"ABCD", "ABCD (big-endian)", "ABCD（大端）"},
                                              {"CDAB", "CDAB (words swapped)", "CDAB（字交换）"},
                                              {"BADC", "BADC (bytes swapped)", "BADC（字节交换）"},
                                              {"DCBA", "DCBA (little-endian)", "DCBA（小端）"},
                                              {NULL, NULL, NULL}};
static const struct option_choice bads[] = {
    {"mark", "marked: NaN, or the number farthest from 0", "标记：NaN 或绝对值最大的数"},
    {"last", "the last value", "保持最后值"},
    {"exception", "exception 04 for the whole request", "整个请求返回异常 04"},
    {NULL, NULL, NULL}};

const struct option mo_channel_options[] = {
    {"address", OPTION_STRING, "Listen on", "监听地址", "An IP address of this machine; 0.0.0.0 is all of them.",
     "本机 IP 地址；0.0.0.0 表示全部。", "0.0.0.0", "2", "45", NULL, NULL, NULL, false},
    {"port", OPTION_INTEGER, "Port", "端口", "0: any free one, told in the state.", "0：任意空闲端口，见状态。", "502",
     "0", "65535", NULL, NULL, NULL, false},
    {"framing", OPTION_ENUM, "Framing", "帧格式", NULL, NULL, "tcp", NULL, NULL, framings, NULL, NULL, false},
    {"unit", OPTION_INTEGER, "Unit", "站号", "Of addresses that name none.", "地址未指定站号时使用。", "1", "0", "255",
     NULL, NULL, NULL, false},
    {"any_unit", OPTION_BOOLEAN, "Answer every unit", "应答任意站号",
     "Requests to units that have no points are answered as if they were to the unit above.",
     "没有测点的站号按上述站号应答。", "true", NULL, NULL, NULL, NULL, NULL, false},
    {"byte_order", OPTION_ENUM, "Byte order", "字节序", NULL, NULL, "ABCD", NULL, NULL, orders, NULL, NULL, false},
    {"on_bad", OPTION_ENUM, "Bad values are", "坏值处理", NULL, NULL, "mark", NULL, NULL, bads, NULL, NULL, false},
    {"allow", OPTION_STRING, "Who may connect", "允许的地址",
     "Addresses and networks, such as 10.0.0.7, 10.1.0.0/16; empty: everybody.",
     "地址或网段，例如 10.0.0.7, 10.1.0.0/16；留空表示全部。", NULL, NULL, "2000", NULL, NULL, NULL, false},
    {"connections", OPTION_INTEGER, "Connections at most", "最大连接数", NULL, NULL, "32", "1", "1000", NULL, NULL,
     NULL, false},
    {"idle", OPTION_DURATION, "Close when idle for", "空闲断开", NULL, NULL, "5m", "1s", "1d", NULL, NULL, NULL, false},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false}};

const struct option mo_point_options[] = {
    {"byte_order", OPTION_ENUM, "Byte order", "字节序", NULL, NULL, NULL, NULL, NULL, orders, NULL, NULL, false},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false}};

struct mo_rules mo_rules_of(const struct options *channel)
{
    return (struct mo_rules){.unit = (uint8_t)opt_i64(channel, "unit", 1),
                             .order = (uint8_t)opt_enum(channel, "byte_order", MODBUS_ABCD)};
}

static int check_type(enum value_type t, const struct modbus_address *a, const char *text, struct error *e)
{
    bool bits = modbus_area_bits(a->area) || a->bit >= 0;
    if (bits && t != VALUE_BOOL)
        return error_set(e, ERR_INVALID, "type", "%s is one bit: its type is bool, not %s",
                         "%s 是一个位，类型应为 bool，而不是 %s", text, value_type_name(t));
    if (!bits && t == VALUE_BOOL)
        return error_set(e, ERR_INVALID, "address", "bool in a register needs a bit number: %s.0 to %s.15",
                         "寄存器中的 bool 需要位号：%s.0 至 %s.15", text, text);
    if (t == VALUE_STRING && !a->length)
        return error_set(e, ERR_INVALID, "address", "a text needs its length: %s.10H", "字符串需要长度：%s.10H", text);
    return 0;
}

static enum value_type natural_type(const struct modbus_address *a)
{
    if (modbus_area_bits(a->area) || a->bit >= 0) return VALUE_BOOL;
    return a->length ? VALUE_STRING : VALUE_FLOAT;
}

static unsigned registers_of(enum value_type t, const struct modbus_address *a)
{
    bool one_each = a->text == MODBUS_TEXT_D || a->text == MODBUS_TEXT_E;
    if (t == VALUE_BOOL) return 1;
    if (t == VALUE_STRING) return one_each ? a->length : (a->length + 1) / 2;
    return (value_type_bytes(t) + 1) / 2;
}

int mo_point_resolve(const struct outlet_point *p, const struct mo_rules *r, struct mo_point *ret,
                     struct outlet_address *addr, struct error *e)
{
    struct modbus_address_hint hint = {-1, false, p->type == VALUE_STRING};
    struct modbus_address a;
    char text[MODBUS_ADDRESS_MAX];
    int rc = modbus_address_parse(str_of(p->address), &hint, &a, e);
    if (rc) return rc;
    enum value_type t = p->type == VALUE_AUTO ? natural_type(&a) : p->type;
    rc = check_type(t, &a, p->address, e);
    unsigned count = registers_of(t, &a);
    if (rc) return rc;
    if (a.offset + count > 65536)
        return error_set(e, ERR_INVALID, "address", "%s and its %u registers pass the last register",
                         "%s 连同其 %u 个寄存器超出末地址", p->address, count);
    if (a.length > 250)
        return error_set(e, ERR_INVALID, "address", "a text has at most 250 characters", "字符串最多 250 个字符");
    int order = a.order >= 0 ? a.order : opt_enum(p->options, "byte_order", r->order);
    int bit = a.bit >= 0 && order & ORDER_BYTES ? a.bit ^ 8 : a.bit;
    struct driver_point dp = {.scale = 1, .lo = NAN, .hi = NAN, .type = t};
    *ret = (struct mo_point){.unit = a.unit >= 0 ? (uint8_t)a.unit : r->unit,
                             .type = (uint8_t)t,
                             .text = (uint8_t)a.text,
                             .bits = modbus_area_bits(a.area),
                             .writable = p->writable && (a.area == MODBUS_COIL || a.area == MODBUS_HOLDING),
                             .bit = (int8_t)bit,
                             .at = a.offset,
                             .count = (uint16_t)count,
                             .length = (uint16_t)a.length,
                             .spec = value_spec_of(&dp, t, (unsigned)order)};
    if (!addr) return 0;
    snprintf(addr->canonical, sizeof addr->canonical, "%s", modbus_address_format(&a, text));
    snprintf(addr->key, sizeof addr->key, "%u%c%u.%d", ret->unit, ret->bits ? 'b' : 'r', ret->at, ret->bit);
    addr->type = t;
    return 0;
}

int mo_address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                     struct error *e)
{
    struct mo_rules r = mo_rules_of(channel);
    struct mo_point mp;
    return mo_point_resolve(p, &r, &mp, ret, e);
}

/* Numbers: two registers each from 400001 on, texts 32 characters; bits: coils when they may be written. The counter
 * holds registers in its lower half, bits in its upper. */
int mo_address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                       size_t cap, struct error *e)
{
    unsigned regs = (unsigned)(*next & 0xffffffff), bits = (unsigned)(*next >> 32);
    bool bit = p->type == VALUE_BOOL;
    unsigned want = bit                       ? 1
                    : p->type == VALUE_STRING ? 16
                    : p->type == VALUE_AUTO   ? 2
                                              : (value_type_bytes(p->type) + 1) / 2;
    unsigned at = bit ? bits : regs;
    if (at + want > 65536)
        return error_set(e, ERR_TOO_LARGE, "address", "all 65536 addresses of the unit are taken",
                         "该站的 65536 个地址已用完");
    if (bit)
        snprintf(ret, cap, "%d%05u", p->writable ? 0 : 1, at + 1);
    else
        snprintf(ret, cap, p->type == VALUE_STRING ? "4%05u.32H" : "4%05u", at + 1);
    *next = bit ? (uint64_t)(bits + want) << 32 | regs : (uint64_t)bits << 32 | (regs + want);
    return 0;
}

void mo_describe(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    modbus_words((enum modbus_framing)f->format, f->dir == DRIVER_RX, f->bytes, f->n, false, en, cap);
    modbus_words((enum modbus_framing)f->format, f->dir == DRIVER_RX, f->bytes, f->n, true, zh, cap);
}

static const char *const examples[] = {"400001", "400101.3", "000001", "2!400001#CDAB", "400201.20H", NULL};

const struct outlet modbus_server_outlet = {
    .name = "modbus_server",
    .en = "Modbus TCP server",
    .zh = "Modbus TCP 服务器",
    .help_en = "Others read points as registers and coils, and write them where that is allowed.",
    .help_zh = "其他系统以寄存器和线圈读取测点，并在允许时写入。",
    .channel_options = mo_channel_options,
    .point_options = mo_point_options,
    .server = true,
    .address_en =
        "As in Modbus devices: 400001 holding register, 000001 coil (writable), 300001 and 100001 the same, read only; "
        "400001.3 a bit of a register, 400001#CDAB another byte order, 2!400001 another unit, 400001.20H a text. "
        "Without one: two registers each from 400001 on, bits from 100001.",
    .address_zh =
        "与 Modbus 设备相同：400001 保持寄存器，000001 线圈（可写），300001、100001 为只读；400001.3 寄存器的一位，"
        "400001#CDAB 其他字节序，2!400001 其他站号，400001.20H 字符串。未填写时从 400001 起每点两个寄存器，开关量从 "
        "100001 起。",
    .examples = examples,
    .address_check = mo_address_check,
    .address_default = mo_address_default,
    .channel_check = mo_channel_check,
    .channel_open = mo_open,
    .channel_set = mo_set,
    .test = mo_test,
    .status = mo_status,
    .peers = mo_peers,
    .close = mo_close,
    .describe = mo_describe,
    .wire_port = 502,
};
