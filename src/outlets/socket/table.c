/* table.c - what the outlet tells about itself: options, addresses, its row. */
#include "drivers/common/check.h"
#include "drivers/common/words.h"
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
static const struct option_choice batches[] = {{"together", "one message for all values at hand", "多个值合为一条消息"},
                                               {"single", "one message a value", "每个值一条消息"},
                                               {0}};

#define BYTES_EN SOCKET_BYTES_EN
#define BYTES_ZH SOCKET_BYTES_ZH

static const struct option channel_options[] = {
    {.name = "mode", .type = OPTION_ENUM, .en = "Way", .zh = "方式", .def = "tcp_client", .choices = modes},
    HOST_OPTION("Receiver", "接收方", "mode=tcp_client|udp",
                "Name or address; for UDP also a group (239.1.2.3) or a broadcast address (10.0.0.255).",
                "名称或地址；UDP 也可填组播地址（239.1.2.3）或广播地址（10.0.0.255）。"),
    LISTEN_OPTION("address", "mode=tcp_server"),
    SOCKET_OPTION_PORT,
    ALLOW_OPTION("mode=tcp_server"),
    SOCKET_OPTION_CONNECTIONS("64", "1000", "mode=tcp_server"),
    SOCKET_OPTION_TLS,
    {.name = "greet",
     .type = OPTION_BOOLEAN,
     .en = "Whoever connects gets all values",
     .zh = "连接后先发全部当前值",
     .def = "true",
     .show_if = "mode=tcp_server"},
    SOCKET_OPTION_LOCAL_PORT("mode=udp"),
    {.name = "ttl",
     .type = OPTION_INTEGER,
     .en = "Hops of multicast",
     .zh = "组播跳数",
     .def = "1",
     .min = "1",
     .max = "255",
     .show_if = "mode=udp"},
    SOCKET_OPTION_INTERFACE("mode=udp"),
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
    SOCKET_OPTION_BYTES("end_bytes", "End bytes", "结束字节", "\\n", "framing=delimiter", "", ""),
    SOCKET_OPTION_BYTES("start_bytes", "Start bytes", "起始字节", NULL, "content=text", "", ""),
    SOCKET_OPTION_LENGTH("4"),
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
     .choices = socket_checks,
     .show_if = "content=binary"},
    SOCKET_OPTION_CHECK("4096"),
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
    RECONNECT_OPTIONS("60s", NULL),
    {0},
};

/* ---- options to configuration ---- */

static int read_image(struct so_config *c, const struct options *o, struct error *e)
{
    size_t n = 0;
    c->frame_n = (size_t)opt_i64(o, "frame_length", 0);
    c->sum = socket_check_of(o);
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
{
    *c = (struct so_config){.mode = (enum so_mode)opt_enum(o, "mode", SO_TCP_CLIENT),
                            .content = (enum so_content)opt_enum(o, "content", SO_TEXT),
                            .framing = (enum so_framing)opt_enum(o, "framing", SO_DELIMITER),
                            .port = (uint16_t)opt_i64(o, "port", 0),
                            .local_port = (uint16_t)opt_i64(o, "local_port", 0),
                            .ttl = (unsigned)opt_i64(o, "ttl", 1),
                            .max_peers = (unsigned)opt_i64(o, "max_connections", 64),
                            .single = opt_enum(o, "batch", 0) == 1,
                            .greet = opt_bool(o, "greet", true),
                            .length_size = socket_length_size(o),
                            .length_little = opt_enum(o, "length_order", 0) == 1,
                            .length_adjust = (int32_t)opt_i64(o, "length_adjust", 0),
                            .connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 5000),
                            .ack_ms = (uint32_t)opt_ms(o, "ack_timeout", 5000),
                            .period_ms = (uint32_t)opt_ms(o, "period", 0),
                            .backoff = reconnect_of(o, 60000)};
    str_to_cstr(str_of(opt_str(o, "host", "")), c->host, sizeof c->host);
    str_to_cstr(str_of(opt_str(o, "address", "0.0.0.0")), c->address, sizeof c->address);
    str_to_cstr(str_of(opt_str(o, "interface", "")), c->interface, sizeof c->interface);
    snprintf(c->place, sizeof c->place, "%s %s:%u", c->mode == SO_UDP ? "UDP" : "TCP",
             c->mode == SO_TCP_SERVER ? c->address : c->host, c->port);
}

static int read_texts(struct so_config *c, const struct options *o, struct error *e)
{
    int rc = socket_way_check(o, c->mode == SO_TCP_SERVER, e);
    if (rc == 0) rc = check_ip_list(o, "allow", &c->allow, e);
    if (rc == 0) rc = socket_bytes_of(o, "start_bytes", &c->start, e);
    if (rc == 0) rc = socket_bytes_of(o, "end_bytes", &c->end, e);
    if (rc == 0 && c->mode == SO_TCP_CLIENT) rc = socket_bytes_of(o, "ack", &c->ack, e);
    return rc;
}

int so_config_read(struct so_config *c, const struct options *o, struct payload **ret_payload, struct error *e)
{
    read_way(c, o);
    int rc = read_texts(c, o, e);
    if (rc == 0 && c->content == SO_BINARY) rc = read_image(c, o, e);
    if (rc == 0 && c->content == SO_TEXT) rc = payload_new(o, ret_payload, e);
    if (rc == 0 && c->mode != SO_UDP) rc = socket_tls_of(o, c->mode == SO_TCP_SERVER, &c->tls, e);
    return rc;
}

static int channel_check(const struct options *o, struct error *e)
{
    struct so_config *c = mem_calloc(1, sizeof *c);
    struct payload *payload = NULL;
    int rc = c ? so_config_read(c, o, &payload, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (c) socket_tls_free(&c->tls);
    payload_free(payload);
    mem_free(c);
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

static const char *const examples[] = {"12:int16", "8:float:CDAB", "12.3", "4+8:number", "0:uint32:LE", NULL};

/* Whether anybody takes what a server or a datagram tells is not known: there is nothing to wait for. */
static bool acknowledges(const struct options *o)
{
    return opt_enum(o, "mode", SO_TCP_CLIENT) == SO_TCP_CLIENT;
}

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
    .channel_check = channel_check,
    .channel_acknowledges = acknowledges,
    .channel_open = so_open,
    .channel_set = so_set,
    .send = so_send,
    .test = so_test_it,
    .status = so_status,
    .peers = so_peers,
    .close = so_close,
    .describe = bytes_frame_words,
};
