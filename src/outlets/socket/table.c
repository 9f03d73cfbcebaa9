/* table.c - what the outlet tells about itself: options, addresses, its row. */
#include "outlets/socket/sender_int.h"

static const struct option_choice modes[] = {
    /* in the order of enum so_mode */
    {"tcp_client", "TCP, we connect", "TCP 客户端（主动连接）"},
    {"tcp_server", "TCP, receivers connect to us", "TCP 服务端（接收方连接本机）"},
    {"udp", "UDP: unicast, multicast, broadcast", "UDP：单播、组播、广播"},
    {0},
};
static const struct option_choice contents[] = {
    {"text", "texts", "文本"}, {"binary", "one binary frame with all points", "含全部测点的一个二进制帧"}, {0}};
static const struct option_choice framings[] = {
    /* in the order of enum so_framing */
    {"delimiter", "end bytes behind each message", "消息后加结束字节"},
    {"length", "length in front of each message", "消息前加长度"},
    {"bare", "as it is", "不加"},
    {0},
};
static const struct option_choice sizes[] = {{"1", "1", "1"}, {"2", "2", "2"}, {"4", "4", "4"}, {0}};
static const struct option_choice ends[] = {
    {"BE", "high byte first", "高字节在前"}, {"LE", "low byte first", "低字节在前"}, {0}};
static const struct option_choice checks[] = {
#define X(kind, name, bytes, en, zh) {name, en, zh},
    CHECKSUMS(X)
#undef X
        {0},
};
static const struct option_choice batches[] = {{"together", "one message for all values at hand", "多个值合为一条消息"},
                                               {"single", "one message a value", "每个值一条消息"},
                                               {0}};

#define WITH_CHECK "checksum=sum8|xor8|lrc|crc8|sum16|crc16_modbus|crc16_ccitt_false|crc16_xmodem|crc32"
#define BYTES_EN "Text with \\r \\n \\t \\xHH, or hex:02 0D 0A."
#define BYTES_ZH "可用 \\r \\n \\t \\xHH，或 hex:02 0D 0A。"

static const struct option channel_options[] = {
    {.name = "mode", .type = OPTION_ENUM, .en = "Way", .zh = "方式", .def = "tcp_client", .choices = modes},
    {.name = "host",
     .type = OPTION_STRING,
     .en = "Receiver",
     .zh = "接收方",
     .required = true,
     .min = "1",
     .max = "253",
     .show_if = "mode=tcp_client|udp",
     .help_en = "Name or address; for UDP also a group (239.1.2.3) or a broadcast address (10.0.0.255).",
     .help_zh = "名称或地址；UDP 也可填组播地址（239.1.2.3）或广播地址（10.0.0.255）。"},
    {.name = "address",
     .type = OPTION_STRING,
     .en = "Listen on",
     .zh = "监听地址",
     .def = "0.0.0.0",
     .max = "60",
     .show_if = "mode=tcp_server"},
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .required = true, .min = "0", .max = "65535"},
    {.name = "allow",
     .type = OPTION_STRING,
     .en = "Who may connect",
     .zh = "允许的地址",
     .max = "2000",
     .show_if = "mode=tcp_server",
     .help_en = "Addresses and networks, 10.0.0.7, 10.1.0.0/16; empty: everybody.",
     .help_zh = "地址和网段，如 10.0.0.7, 10.1.0.0/16；留空则不限。"},
    {.name = "max_connections",
     .type = OPTION_INTEGER,
     .en = "Most connections",
     .zh = "最大连接数",
     .def = "64",
     .min = "1",
     .max = "1000",
     .show_if = "mode=tcp_server"},
    {.name = "greet",
     .type = OPTION_BOOLEAN,
     .en = "Whoever connects gets all values",
     .zh = "连接后先发全部当前值",
     .def = "true",
     .show_if = "mode=tcp_server"},
    {.name = "local_port",
     .type = OPTION_INTEGER,
     .en = "Our own port",
     .zh = "本机端口",
     .min = "1",
     .max = "65535",
     .show_if = "mode=udp"},
    {.name = "ttl",
     .type = OPTION_INTEGER,
     .en = "Hops of multicast",
     .zh = "组播跳数",
     .def = "1",
     .min = "1",
     .max = "255",
     .show_if = "mode=udp"},
    {.name = "interface",
     .type = OPTION_STRING,
     .en = "Network card of multicast",
     .zh = "组播网卡地址",
     .max = "60",
     .show_if = "mode=udp"},
    {.name = "content", .type = OPTION_ENUM, .en = "Content", .zh = "内容", .def = "text", .choices = contents},
    PAYLOAD_OPTIONS,
    {.name = "batch",
     .type = OPTION_ENUM,
     .en = "Messages",
     .zh = "消息划分",
     .def = "together",
     .choices = batches,
     .show_if = "content=text"},
    {.name = "framing",
     .type = OPTION_ENUM,
     .en = "Around a message",
     .zh = "消息定界",
     .def = "delimiter",
     .choices = framings,
     .show_if = "content=text"},
    {.name = "end_bytes",
     .type = OPTION_STRING,
     .en = "End bytes",
     .zh = "结束字节",
     .def = "\\n",
     .max = "120",
     .show_if = "framing=delimiter",
     .help_en = BYTES_EN,
     .help_zh = BYTES_ZH},
    {.name = "start_bytes",
     .type = OPTION_STRING,
     .en = "Start bytes",
     .zh = "起始字节",
     .max = "120",
     .show_if = "content=text",
     .help_en = BYTES_EN,
     .help_zh = BYTES_ZH},
    {.name = "length_size",
     .type = OPTION_ENUM,
     .en = "Bytes of the length",
     .zh = "长度字段字节数",
     .def = "4",
     .choices = sizes,
     .show_if = "framing=length"},
    {.name = "length_order",
     .type = OPTION_ENUM,
     .en = "Byte order of the length",
     .zh = "长度字段字节序",
     .def = "BE",
     .choices = ends,
     .show_if = "framing=length"},
    {.name = "length_adjust",
     .type = OPTION_INTEGER,
     .en = "Added to the length of the text",
     .zh = "长度加数",
     .def = "0",
     .min = "-64",
     .max = "64",
     .show_if = "framing=length",
     .help_en = "4 where the length counts its own four bytes.",
     .help_zh = "长度包含自身四字节时填 4。"},
    {.name = "frame_length",
     .type = OPTION_INTEGER,
     .en = "Length of the frame",
     .zh = "帧长",
     .min = "1",
     .max = "4096",
     .required = true,
     .show_if = "content=binary"},
    {.name = "frame",
     .type = OPTION_STRING,
     .en = "The empty frame",
     .zh = "空帧内容",
     .max = "8000",
     .show_if = "content=binary",
     .help_en = "Its first bytes, header and fill; the rest is 0. " BYTES_EN,
     .help_zh = "帧头等起始内容，其余为 0。" BYTES_ZH},
    {.name = "data_at",
     .type = OPTION_INTEGER,
     .en = "Points without an address begin at",
     .zh = "未填地址的测点起始偏移",
     .def = "0",
     .min = "0",
     .max = "4095",
     .show_if = "content=binary"},
    {.name = "checksum",
     .type = OPTION_ENUM,
     .en = "Check",
     .zh = "校验",
     .def = "none",
     .choices = checks,
     .show_if = "content=binary"},
    {.name = "checksum_at",
     .type = OPTION_INTEGER,
     .en = "Offset of the check",
     .zh = "校验偏移",
     .min = "-4096",
     .max = "4096",
     .show_if = WITH_CHECK,
     .help_en = "Negative: from the end. Empty: the last bytes.",
     .help_zh = "负数从末尾起；留空则为末尾字节。"},
    {.name = "checksum_from",
     .type = OPTION_INTEGER,
     .en = "First byte that counts",
     .zh = "校验起点",
     .def = "0",
     .min = "-4096",
     .max = "4096",
     .show_if = WITH_CHECK},
    {.name = "checksum_to",
     .type = OPTION_INTEGER,
     .en = "First byte that counts no more",
     .zh = "校验终点（不含）",
     .def = "0",
     .min = "-4096",
     .max = "4096",
     .show_if = WITH_CHECK},
    {.name = "checksum_order",
     .type = OPTION_ENUM,
     .en = "Byte order of the check",
     .zh = "校验字节序",
     .def = "BE",
     .choices = ends,
     .show_if = WITH_CHECK},
    {.name = "checksum_hex",
     .type = OPTION_BOOLEAN,
     .en = "As hexadecimal digits",
     .zh = "以十六进制字符表示",
     .def = "false",
     .show_if = WITH_CHECK},
    {.name = "period",
     .type = OPTION_DURATION,
     .en = "Sent again every",
     .zh = "重复发送周期",
     .min = "10ms",
     .max = "1h",
     .show_if = "content=binary",
     .help_en = "Also when nothing changed; empty: on changes only.",
     .help_zh = "无变化时也发送；留空则仅在变化时发送。"},
    {.name = "ack",
     .type = OPTION_STRING,
     .en = "Acknowledgement of the receiver",
     .zh = "接收方应答",
     .max = "120",
     .show_if = "mode=tcp_client",
     .help_en = "What it answers to each message, OK\\n: then nothing is lost over a failure. Empty: a message counts "
                "as delivered when the network has taken it and the connection stands; what the receiver loses after "
                "that is lost. " BYTES_EN,
     .help_zh = "接收方对每条消息的应答，如 "
                "OK\\n：故障时不丢数据。留空则网络接受且连接正常即视为送达，此后接收方丢失的数据不会补发。" BYTES_ZH},
    {.name = "ack_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of the acknowledgement",
     .zh = "应答超时",
     .def = "5s",
     .min = "50ms",
     .max = "10m",
     .show_if = "mode=tcp_client"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of connecting",
     .zh = "连接超时",
     .def = "5s",
     .min = "50ms",
     .max = "60s",
     .show_if = "mode=tcp_client"},
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

/* ---- options to configuration ---- */

static int read_bytes(const struct options *o, const char *name, struct frame_mark *ret, struct error *e)
{
    size_t n = 0;
    int rc = bytes_parse(str_of(opt_str(o, name, "")), ret->p, sizeof ret->p, &n, e);
    if (rc && e) str_to_cstr(str_of(name), e->where, sizeof e->where);
    ret->n = (uint8_t)n;
    return rc;
}

static int read_image(struct so_config *c, const struct options *o, struct error *e)
{
    size_t n = 0;
    c->frame_n = (size_t)opt_i64(o, "frame_length", 0);
    c->sum = (struct checksum_spec){.kind = (enum checksum)opt_enum(o, "checksum", CHECKSUM_NONE),
                                    .from = (int)opt_i64(o, "checksum_from", 0),
                                    .to = (int)opt_i64(o, "checksum_to", 0),
                                    .little = opt_enum(o, "checksum_order", 0) == 1,
                                    .hex = opt_bool(o, "checksum_hex", false)};
    c->sum.at = (int)opt_i64(o, "checksum_at", -(int64_t)checksum_width(&c->sum));
    int rc = bytes_parse(str_of(opt_str(o, "frame", "")), c->frame, c->frame_n, &n, e);
    if (rc)
        return error_set(e, rc, "frame", "the bytes of the empty frame are wrong, or more than frame_length",
                         "空帧内容有误，或长于帧长");
    int length = (int)c->frame_n, at = c->sum.at < 0 ? length + c->sum.at : c->sum.at,
        from = c->sum.from < 0 ? length + c->sum.from : c->sum.from;
    int to = c->sum.to == 0 ? at : c->sum.to < 0 ? length + c->sum.to : c->sum.to;
    if (c->sum.kind && (at < 0 || at + (int)checksum_width(&c->sum) > length || from < 0 || to < from || to > length))
        return error_set(e, ERR_INVALID, "checksum_at", "the check or what it covers lies outside the frame",
                         "校验位置或范围超出帧长");
    return 0;
}

static void read_way(struct so_config *c, const struct options *o)
/* Whether anybody takes what a server or a datagram tells is not known: there is nothing to wait for. */
static bool acknowledges(const struct options *o)
{
    return opt_enum(o, "mode", SO_TCP_CLIENT) == SO_TCP_CLIENT;
}

{
    static const uint8_t bytes[] = {1, 2, 4};
    *c = (struct so_config){.mode = (enum so_mode)opt_enum(o, "mode", SO_TCP_CLIENT),
                            .content = (enum so_content)opt_enum(o, "content", SO_TEXT),
                            .framing = (enum so_framing)opt_enum(o, "framing", SO_DELIMITER),
                            .port = (uint16_t)opt_i64(o, "port", 0),
                            .local_port = (uint16_t)opt_i64(o, "local_port", 0),
                            .ttl = (unsigned)opt_i64(o, "ttl", 1),
                            .max_peers = (unsigned)opt_i64(o, "max_connections", 64),
                            .single = opt_enum(o, "batch", 0) == 1,
                            .greet = opt_bool(o, "greet", true),
                            .length_size = bytes[opt_enum(o, "length_size", 2) % 3],
                            .length_little = opt_enum(o, "length_order", 0) == 1,
                            .length_adjust = (int32_t)opt_i64(o, "length_adjust", 0),
                            .connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 5000),
                            .ack_ms = (uint32_t)opt_ms(o, "ack_timeout", 5000),
                            .period_ms = (uint32_t)opt_ms(o, "period", 0),
                            .backoff = {.min_ms = (uint32_t)opt_ms(o, "reconnect_min", 1000),
                                        .max_ms = (uint32_t)opt_ms(o, "reconnect_max", 60000)}};
    if (c->backoff.max_ms < c->backoff.min_ms) c->backoff.max_ms = c->backoff.min_ms;
    str_to_cstr(str_of(opt_str(o, "host", "")), c->host, sizeof c->host);
    .channel_acknowledges = acknowledges,
    str_to_cstr(str_of(opt_str(o, "address", "0.0.0.0")), c->address, sizeof c->address);
    str_to_cstr(str_of(opt_str(o, "interface", "")), c->interface, sizeof c->interface);
    snprintf(c->place, sizeof c->place, "%s %s:%u", c->mode == SO_UDP ? "UDP" : "TCP",
             c->mode == SO_TCP_SERVER ? c->address : c->host, c->port);
}

int so_config_read(struct so_config *c, const struct options *o, struct error *e)
{
    read_way(c, o);
    int rc = ip_list_parse(opt_str(o, "allow", ""), &c->allow, e);
    if (rc && e) str_to_cstr(STR("allow"), e->where, sizeof e->where);
    if (rc == 0) rc = read_bytes(o, "start_bytes", &c->start, e);
    if (rc == 0) rc = read_bytes(o, "end_bytes", &c->end, e);
    if (rc == 0 && c->mode == SO_TCP_CLIENT) rc = read_bytes(o, "ack", &c->ack, e);
    if (rc == 0 && c->content == SO_BINARY) rc = read_image(c, o, e);
    return rc;
}

/* ---- addresses: places in the binary frame ---- */

static bool binary(const struct options *channel)
{
    return opt_enum(channel, "content", SO_TEXT) == SO_BINARY;
}

static int check_place(const struct field *f, const struct outlet_point *p, const struct options *channel,
                       struct outlet_address *ret, struct error *e)
{
    uint64_t from = 0, to = 0;
    size_t length = (size_t)opt_i64(channel, "frame_length", 0);
    if (!field_has_place(f))
        return error_set(e, ERR_INVALID, "address",
                         "'%s' is no place in a binary frame; right are 12:int16, 8:float:CDAB, 12.3, 4+8:number",
                         "“%s”不是二进制帧中的位置；应如 12:int16、8:float:CDAB、12.3、4+8:number", p->address);
    if (field_needs(f) > length)
        return error_set(e, ERR_INVALID, "address", "'%s' lies behind the end of the frame of %zu bytes",
                         "“%s”超出 %zu 字节的帧", p->address, length);
    if (ret == NULL) return 0;
    str_to_cstr(str_trim(str_of(p->address)), ret->canonical, sizeof ret->canonical);
    ret->type = field_type(f);
    field_bits(f, &from, &to);
    snprintf(ret->key, sizeof ret->key, "%s", ret->canonical);
    return 0;
}

static int address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                         struct error *e)
{
    struct field *f;
    if (!binary(channel)) {
        if (ret) *ret = (struct outlet_address){.type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type};
        if (ret) str_to_cstr(str_of(p->address), ret->canonical, sizeof ret->canonical);
        return 0;
    }
    int rc = field_new(str_of(p->address), p->type, &f, e);
    if (rc) return rc;
    rc = check_place(f, p, channel, ret, e);
    field_free(f);
    return rc;
}

/* Texts: the code of the point. Binary: one behind the other, floats where the mapping does not say. */
static int address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                           size_t cap, struct error *e)
{
    static const char *const names[] = {
#define X(name, text, bytes, en, zh) text,
        VALUE_TYPES(X)
#undef X
    };
    static const uint8_t bytes[] = {
#define X(name, text, bytes, en, zh) bytes,
        VALUE_TYPES(X)
#undef X
    };
    if (!binary(channel)) {
        str_to_cstr(str_of(p->code), ret, cap);
        return 0;
    }
    uint64_t at = (uint64_t)opt_i64(channel, "data_at", 0) + *next;
    enum value_type t =
        p->type == VALUE_AUTO || p->type == VALUE_STRING || p->type == VALUE_BOOL ? VALUE_FLOAT : p->type;
    if (p->type == VALUE_BOOL) t = VALUE_UINT8;
    if (at + bytes[t] > (uint64_t)opt_i64(channel, "frame_length", 0))
        return error_set(e, ERR_LIMIT, "address", "the frame has no more room: make it longer, or write addresses",
                         "帧已无空间：请增加帧长或填写地址");
    snprintf(ret, cap, "%llu:%s", (unsigned long long)at, names[t]);
    *next += bytes[t];
    return 0;
}

static void describe(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    char text[600];
    bytes_show(f->bytes, f->n, text, sizeof text);
    snprintf(en, cap, "%s %zu bytes: %s", f->dir == DRIVER_TX ? "sent" : "received", f->n, text);
    snprintf(zh, cap, "%s %zu 字节：%s", f->dir == DRIVER_TX ? "发送" : "收到", f->n, text);
}

static const char *const examples[] = {"12:int16", "8:float:CDAB", "12.3", "4+8:number", "0:uint32:LE", NULL};

const struct outlet socket_outlet = {
    .name = "tcp_udp_out",
    .en = "TCP / UDP, texts and frames",
    .zh = "TCP / UDP 文本与自定义帧",
    .help_en = "Values as texts (JSON, CSV, lines, own template) or as one binary frame, to whoever takes them: over "
               "TCP as client or server, over UDP to one, a group or all. TCP client: what was not delivered is kept "
               "on disk and sent later. TCP server and UDP: live only.",
    .help_zh = "以文本（JSON、CSV、行协议、自定义模板）或一个二进制帧发送数据：TCP 客户端、TCP 服务端，或 UDP "
               "单播、组播、广播。TCP 客户端未送达的数据保存在磁盘并补发；TCP 服务端和 UDP 仅发送实时数据。",
    .channel_options = channel_options,
    .server = true,
    .sender = true,
    .buffered = true,
    .address_en =
        "Binary frame: OFFSET:TYPE[:ORDER] (12:int16, 8:float:CDAB), a bit 12.3, bits 12.0-3, a number as text "
        "4+8:number, BCD 4+3:bcd, text 4+8:text. Texts: whatever the receiver wants to see as ${address}.",
    .address_zh = "二进制帧：偏移:类型[:字节序]（12:int16、8:float:CDAB），位 12.3，多位 12.0-3，文本数字 "
                  "4+8:number，BCD 4+3:bcd，文本 4+8:text。文本内容：模板中 ${address} 的值。",
    .examples = examples,
    .address_check = address_check,
    .address_default = address_default,
    .channel_open = so_open,
    .channel_set = so_set,
    .send = so_send,
    .test = so_test_it,
    .status = so_status,
    .peers = so_peers,
    .close = so_close,
    .describe = describe,
};
