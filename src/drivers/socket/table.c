/* table.c - what the driver tells about itself, and its row of functions. */
#include "drivers/common/socket_options.h"
#include "drivers/common/words.h"
#include "drivers/socket/socket_int.h"

static const struct option_choice modes[] = {
    /* in the order of enum sk_mode */
    {"tcp_client", "TCP, we connect", "TCP 客户端（主动连接）"},
    {"tcp_server", "TCP, devices connect to us", "TCP 服务端（设备连接本机）"},
    {"udp_client", "UDP, to one device", "UDP（与一台设备通信）"},
    {"udp_server", "UDP, devices send to us", "UDP（设备发送到本机）"},
    {0},
};
static const struct option_choice framings[] = {
    /* in the order of enum frame_kind */
    {"delimiter", "up to a delimiter", "以分隔符结束"},
    {"fixed", "fixed length", "固定长度"},
    {"length", "by a length field", "由长度字段决定"},
    {"pattern", "between start and end bytes", "起始字节到结束字节"},
    {"idle", "up to a silence", "以静默间隔结束"},
    {"whole", "what comes at once (a datagram)", "一次收到的全部（一个数据报）"},
    {0},
};
static const struct option_choice identities[] = {
    /* in the order of enum sk_identify */
    {"any", "every frame is for all devices of the channel", "每一帧供通道内所有设备使用"},
    {"address", "by the address that it comes from", "按来源地址"},
    {"field", "by a field of each frame", "按每帧中的字段"},
    {"first", "by a field of the first frame of a connection", "按连接首帧中的字段"},
    {0},
};
static const struct option_choice times[] = {
    /* in the order of enum sk_time */
    {"unix", "seconds, ms or µs since 1970", "自 1970 年起的秒、毫秒或微秒"},
    {"iso", "2026-01-31T08:00:00 (RFC 3339)", "2026-01-31T08:00:00（RFC 3339）"},
    {"digits", "digits: year month day hour minute second", "依次为年月日时分秒的数字"},
    {0},
};

#define BYTES_EN SOCKET_BYTES_EN
#define BYTES_ZH SOCKET_BYTES_ZH

static const struct option channel_options[] = {
    {.name = "mode", .type = OPTION_ENUM, .en = "Way", .zh = "方式", .def = "tcp_client", .choices = modes},
    HOST_OPTION("Host", "主机", "mode=tcp_client|udp_client", NULL, NULL),
    LISTEN_OPTION("address", "mode=tcp_server|udp_server"),
    SOCKET_OPTION_PORT,
    SOCKET_OPTION_LOCAL_PORT("mode=udp_client"),
    ALLOW_OPTION("mode=tcp_server|udp_server"),
    SOCKET_OPTION_CONNECTIONS("1000", "5000", "mode=tcp_server|udp_server"),
    SOCKET_OPTION_TLS,
    {.name = "group",
     .type = OPTION_STRING,
     .en = "Multicast group",
     .zh = "组播组",
     .max = "60",
     .show_if = "mode=udp_server",
     .help_en = "To join, for example 239.1.2.3; empty: none.",
     .help_zh = "要加入的组播地址，如 239.1.2.3；留空则不加入。"},
    SOCKET_OPTION_INTERFACE("mode=udp_server"),
    {.name = "framing", .type = OPTION_ENUM, .en = "Frames", .zh = "分帧", .def = "delimiter", .choices = framings},
    SOCKET_OPTION_BYTES("end_bytes", "Delimiter, end bytes", "分隔符、结束字节", "\\r\\n", "framing=delimiter|pattern",
                        "", ""),
    SOCKET_OPTION_BYTES("start_bytes", "Start bytes", "起始字节", NULL, "framing=pattern|fixed|length",
                        " Frames are found again by them after rubbish.", "出现乱码后据此重新同步。"),
    {.name = "restart",
     .type = OPTION_BOOLEAN,
     .en = "Start bytes inside begin anew",
     .zh = "帧内起始字节重新开始",
     .def = "false",
     .show_if = "framing=pattern"},
    {.name = "fixed_length",
     .type = OPTION_INTEGER,
     .en = "Length",
     .zh = "长度",
     .min = "1",
     .max = "65536",
     .required = true,
     .show_if = "framing=fixed"},
    {.name = "length_at",
     .type = OPTION_INTEGER,
     .en = "Offset of the length field",
     .zh = "长度字段偏移",
     .def = "0",
     .min = "0",
     .max = "1000",
     .show_if = "framing=length"},
    SOCKET_OPTION_LENGTH("2"),
    {.name = "length_adjust",
     .type = OPTION_INTEGER,
     .en = "Added to it for the whole frame",
     .zh = "换算为整帧长度的加数",
     .def = "0",
     .min = "-65536",
     .max = "65536",
     .show_if = "framing=length",
     .help_en = "Whole length = field + this: header and check where the field does not count them.",
     .help_zh = "整帧长度 = 字段值 + 此数：字段未计入的头部和校验长度。"},
    {.name = "gap",
     .type = OPTION_DURATION,
     .en = "Silence that ends a frame",
     .zh = "结束一帧的静默时间",
     .def = "50ms",
     .min = "2ms",
     .max = "60s",
     .show_if = "framing=idle"},
    {.name = "max_length",
     .type = OPTION_INTEGER,
     .en = "Longest frame",
     .zh = "最大帧长",
     .def = "4096",
     .min = "1",
     .max = "65536"},
    {.name = "checksum",
     .type = OPTION_ENUM,
     .en = "Check",
     .zh = "校验",
     .def = "none",
     .choices = socket_checks,
     .help_en = "Frames whose check is wrong are counted and dropped.",
     .help_zh = "校验错误的帧计数并丢弃。"},
    SOCKET_OPTION_CHECK("65536"),
    {.name = "separator",
     .type = OPTION_STRING,
     .en = "Separator of fields",
     .zh = "字段分隔符",
     .def = ",",
     .max = "20",
     .help_en = "For addresses such as 'field 3'. " BYTES_EN,
     .help_zh = "用于“field 3”这类地址。" BYTES_ZH},
    {.name = "identify",
     .type = OPTION_ENUM,
     .en = "Whose is a frame",
     .zh = "帧归属",
     .def = "any",
     .choices = identities},
    {.name = "identity",
     .type = OPTION_STRING,
     .en = "Field of the identification",
     .zh = "标识字段",
     .required = true,
     .max = "200",
     .show_if = "identify=field|first",
     .help_en = "As an address of a point: 0+8:text, field 1, json:$.id. Devices tell their own in 'id'.",
     .help_zh = "写法同测点地址：0+8:text、field 1、json:$.id；各设备在 id 中填写自己的标识。"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of connecting",
     .zh = "连接超时",
     .def = "3s",
     .min = "50ms",
     .max = "60s",
     .show_if = "mode=tcp_client"},
    RECONNECT_OPTIONS("60s", NULL),
    {0},
};

#define TEMPLATE_EN " In it ${seq:uint8}, ${ts}, ${time}, ${code}, ${sum:crc16_modbus:LE}."
#define TEMPLATE_ZH "其中可用 ${seq:uint8}、${ts}、${time}、${code}、${sum:crc16_modbus:LE}。"

static const struct option device_options[] = {
    {.name = "peer",
     .type = OPTION_STRING,
     .en = "Address of the device",
     .zh = "设备地址",
     .max = "70",
     .help_en = "IP address, or address:port; for channels that tell devices by address.",
     .help_zh = "IP 地址或 地址:端口；用于按来源地址区分设备的通道。"},
    {.name = "id",
     .type = OPTION_STRING,
     .en = "Identification",
     .zh = "标识",
     .max = "120",
     .help_en = "What stands in the channel's identification field for this device.",
     .help_zh = "通道标识字段中本设备的值。"},
    {.name = "login",
     .type = OPTION_STRING,
     .en = "Sent on connection",
     .zh = "连接后发送",
     .max = "4000",
     .help_en = BYTES_EN TEMPLATE_EN,
     .help_zh = BYTES_ZH TEMPLATE_ZH},
    {.name = "request",
     .type = OPTION_STRING,
     .en = "Request",
     .zh = "查询报文",
     .max = "4000",
     .help_en = "Sent again and again to instruments that only answer; empty: the device speaks by itself. " BYTES_EN
         TEMPLATE_EN,
     .help_zh = "对只应答的仪表周期发送；留空表示设备主动上报。" BYTES_ZH TEMPLATE_ZH},
    {.name = "request_period",
     .type = OPTION_DURATION,
     .en = "Period of requests",
     .zh = "查询周期",
     .def = "1s",
     .min = "10ms",
     .max = "1d"},
    {.name = "request_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of an answer",
     .zh = "应答超时",
     .def = "1s",
     .min = "10ms",
     .max = "10m"},
    {.name = "ack",
     .type = OPTION_STRING,
     .en = "Acknowledgement",
     .zh = "应答报文",
     .max = "4000",
     .help_en = "Sent after each frame of the device. " BYTES_EN TEMPLATE_EN,
     .help_zh = "收到设备每一帧后发送。" BYTES_ZH TEMPLATE_ZH},
    {.name = "silence",
     .type = OPTION_DURATION,
     .en = "Longest silence",
     .zh = "最长静默时间",
     .min = "100ms",
     .max = "7d",
     .help_en = "Nothing for so long: the points are bad and the connection is made anew. Empty: silence is all right.",
     .help_zh = "超过此时间没有数据：测点置坏并重新连接；留空则不判断。"},
    {.name = "select",
     .type = OPTION_STRING,
     .en = "Frames that count",
     .zh = "有效帧条件",
     .max = "500",
     .help_en = "FIELD=VALUE; several joined by ';': 0=0x02; field 1=ST. Empty: all.",
     .help_zh = "字段=值，多个用“;”连接：0=0x02; field 1=ST；留空则全部有效。"},
    {.name = "time",
     .type = OPTION_STRING,
     .en = "Field of the time",
     .zh = "时间字段",
     .max = "200",
     .help_en = "As an address of a point; empty: the time of arrival.",
     .help_zh = "写法同测点地址；留空则用到达时间。"},
    {.name = "time_format",
     .type = OPTION_ENUM,
     .en = "Form of the time",
     .zh = "时间格式",
     .def = "unix",
     .choices = times},
    {.name = "utc_offset",
     .type = OPTION_STRING,
     .en = "Offset of its clock",
     .zh = "设备时钟的时区",
     .def = "UTC",
     .max = "10",
     .help_en = "+08:00 for clocks that show Beijing time; UTC.",
     .help_zh = "北京时间填 +08:00；UTC。"},
    {.name = "write_timeout",
     .type = OPTION_DURATION,
     .en = "Wait for the confirmation of a write",
     .zh = "写入确认等待",
     .def = "3s",
     .min = "50ms",
     .max = "10m"},
    {0},
};

static const struct option point_options[] = {
    {.name = "select",
     .type = OPTION_STRING,
     .en = "Frames that carry it",
     .zh = "含此测点的帧",
     .max = "500",
     .help_en = "FIELD=VALUE; several joined by ';'. Empty: every frame that has the field.",
     .help_zh = "字段=值，多个用“;”连接；留空表示凡含该字段的帧。"},
    {.name = "write",
     .type = OPTION_STRING,
     .en = "Sent to write it",
     .zh = "写入报文",
     .max = "2000",
     .help_en = "SP1=${value:.1}\\r\\n or hex:01 06 00 02 ${value:uint16} ${sum:crc16_modbus:LE}. Empty: it cannot be "
                "written.",
     .help_zh = "SP1=${value:.1}\\r\\n 或 hex:01 06 00 02 ${value:uint16} ${sum:crc16_modbus:LE}；留空则不可写。"},
    {.name = "confirm",
     .type = OPTION_STRING,
     .en = "Frame that confirms a write",
     .zh = "写入成功的应答",
     .max = "500",
     .help_en = "A condition, text=OK. Empty: the value must come back in a frame.",
     .help_zh = "条件，如 text=OK；留空则须在帧中读回该值。"},
    {.name = "refused",
     .type = OPTION_STRING,
     .en = "Frame that refuses a write",
     .zh = "写入被拒的应答",
     .max = "500",
     .help_en = "A condition, regex:^ERR. Empty: none does.",
     .help_zh = "条件，如 regex:^ERR；留空则不判断。"},
    {0},
};

static const char *const examples[] = {"12:int16",         "8:float:CDAB", "12.3",   "4+8:number",
                                       "field 3",          "number 1",     "key:T1", "regex:T=([0-9.]+)",
                                       "json:$.data[0].v", "text",         NULL};

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct sk_device d;
    struct sk_point k;
    int rc = sk_point_read(&k, p, e);
    if (rc == 0 && ret) {
        str_to_cstr(str_trim(str_of(p->address)), ret->canonical, sizeof ret->canonical);
        ret->type = k.type;
        ret->writable = k.write != NULL;
    }
    sk_point_fini(&k);
    if (rc || device == NULL) return rc;
    rc = sk_device_read(&d, NULL, device, e);
    if (rc) error_prefix(e, "device.");
    byte_template_free(d.login);
    byte_template_free(d.request);
    byte_template_free(d.ack);
    condition_free(d.select);
    field_free(d.time);
    return rc;
}

const struct driver socket_driver = {
    .name = "tcp_udp",
    .en = "TCP / UDP, own protocols",
    .zh = "TCP / UDP 自定义协议",
    .help_en = "Weighbridges, scanners, analysers and data loggers with protocols of their own: how frames begin and "
               "end, which check they carry and where values stand is written in options.",
    .help_zh = "接入汽车衡、扫码器、分析仪、数采仪等自定义协议设备：分帧、校验与数值位置均以选项描述。",
    .channel_options = channel_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en = "Binary, offsets from 0, negative from the end: 12:int16, 8:float:CDAB (orders ABCD CDAB BADC DCBA, "
                  "BE LE), 12.3 a bit, 12.0-3 bits, "
                  "4+8:number a number as text, 4+3:bcd, 4+3:uint, 4+4:hex, 4+8:text. Text: field 3 (by the "
                  "separator), number 1 (the first number), "
                  "key:T1, regex:T=([0-9.]+), json:$.data[0].v, text.",
    .address_zh = "二进制，偏移从 0 起，负数从末尾起：12:int16、8:float:CDAB（字节序 ABCD CDAB BADC DCBA、BE "
                  "LE）、12.3 为位、12.0-3 为多位、"
                  "4+8:number 为文本数字、4+3:bcd、4+3:uint、4+4:hex、4+8:text。文本：field 3（按分隔符）、number "
                  "1（第一个数字）、"
                  "key:T1、regex:T=([0-9.]+)、json:$.data[0].v、text。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = sk_channel_check,
    .device_check = sk_device_check,
    .channel_open = sk_open,
    .channel_set = sk_channel_set,
    .write = job_write,
    .read = job_read,
    .test = job_test,
    .status = sk_status,
    .devices = sk_devices,
    .close = sk_close,
    .describe = bytes_frame_words,
    .browse = sk_browse,
};
