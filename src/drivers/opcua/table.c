/* table.c - what the driver tells about itself, and its row of functions. */
#include <stdio.h>
#include "drivers/common/words.h"
#include "drivers/opcua/opcua_int.h"

const struct option_choice oc_security_choices[] = {
    /* in the order of securities[] in session.c */
    {"auto", "the best that is offered", "服务器支持的最高等级"},
    {"none", "none", "无"},
    {"basic256sha256_sign", "Basic256Sha256, signed", "Basic256Sha256，签名"},
    {"basic256sha256", "Basic256Sha256, signed and encrypted", "Basic256Sha256，签名并加密"},
    {"aes128_sha256_rsaoaep_sign", "Aes128_Sha256_RsaOaep, signed", "Aes128_Sha256_RsaOaep，签名"},
    {"aes128_sha256_rsaoaep", "Aes128_Sha256_RsaOaep, signed and encrypted", "Aes128_Sha256_RsaOaep，签名并加密"},
    {"aes256_sha256_rsapss_sign", "Aes256_Sha256_RsaPss, signed", "Aes256_Sha256_RsaPss，签名"},
    {"aes256_sha256_rsapss", "Aes256_Sha256_RsaPss, signed and encrypted", "Aes256_Sha256_RsaPss，签名并加密"},
    {0},
};
static const struct option_choice user_choices[] = {
    /* in the order of enum oc_user */
    {"anonymous", "anonymous", "匿名"},
    {"username", "user name and password", "用户名和密码"},
    {"certificate", "certificate", "证书"},
    {0},
};
static const struct option_choice trust_choices[] = {
    /* in the order of enum oc_trust */
    {"pinned", "the one with this thumbprint", "指纹相符的证书"},
    {"any", "any (no protection against a false server)", "任意证书（无法防范假冒服务器）"},
    {"list", "as the list of certificates says", "按证书列表判断"},
    {0},
};
static const struct option_choice time_choices[] = {
    /* 1: of the server */
    {"source", "source time", "源时间"},
    {"server", "server time", "服务器时间"},
    {0},
};
static const struct option_choice deadband_choices[] = {
    /* enum ua_deadband less one */
    {"absolute", "absolute", "绝对值"},
    {"percent", "percent of the range", "量程百分比"},
    {0},
};

const struct option oc_channel_options[] = {
    {.name = "endpoint",
     .type = OPTION_STRING,
     .en = "Endpoint",
     .zh = "端点",
     .required = true,
     .min = "11",
     .max = "500",
     .help_en = "opc.tcp://host:4840/path as the server shows it.",
     .help_zh = "服务器显示的地址，形如 opc.tcp://主机:4840/路径。"},
    {.name = "endpoints",
     .type = OPTION_STRING,
     .en = "Further endpoints",
     .zh = "其他端点",
     .max = "2000",
     .help_en =
         "Servers with the same nodes that stand in for one another, at most 4, blanks between. The one with the "
         "highest ServiceLevel is used.",
     .help_zh = "节点相同、互为备用的服务器，最多 4 个，以空格分隔。使用 ServiceLevel 最高的一台。"},
    {.name = "watch_interval",
     .type = OPTION_DURATION,
     .en = "Watch the servers every",
     .zh = "服务器检查间隔",
     .def = "5s",
     .min = "100ms",
     .max = "10s",
     .help_en = "With further endpoints.",
     .help_zh = "用于设置了其他端点时。"},
    {.name = "security",
     .type = OPTION_ENUM,
     .en = "Security",
     .zh = "安全策略",
     .def = "auto",
     .choices = oc_security_choices},
    {.name = "trust",
     .type = OPTION_ENUM,
     .en = "Server certificate",
     .zh = "服务器证书",
     .def = "list",
     .choices = trust_choices,
     .help_en = "The list: System, Certificates. A server that is not known yet is listed there for you to decide.",
     .help_zh = "列表见“系统 → 证书”，未知的服务器证书会列在其中等待确认。"},
    {.name = "thumbprint",
     .type = OPTION_STRING,
     .en = "Thumbprint of the server certificate",
     .zh = "服务器证书指纹",
     .max = "95",
     .show_if = "trust=pinned",
     .help_en = "SHA-256, hexadecimal. Empty: the list of certificates decides.",
     .help_zh = "SHA-256，十六进制。留空则按证书列表判断。"},
    {.name = "user",
     .type = OPTION_ENUM,
     .en = "Sign in as",
     .zh = "登录方式",
     .def = "anonymous",
     .choices = user_choices},
    {.name = "username",
     .type = OPTION_STRING,
     .en = "User name",
     .zh = "用户名",
     .max = "255",
     .show_if = "user=username"},
    {.name = "password",
     .type = OPTION_SECRET,
     .en = "Password",
     .zh = "密码",
     .max = "500",
     .show_if = "user=username"},
    {.name = "plain_password",
     .type = OPTION_BOOLEAN,
     .en = "Password may travel readable",
     .zh = "允许明文传输密码",
     .def = "false",
     .show_if = "user=username",
     .help_en = "Only for servers that offer no security at all.",
     .help_zh = "仅用于完全不支持加密的服务器。"},
    {.name = "user_certificate",
     .type = OPTION_STRING,
     .en = "Certificate of the user (PEM)",
     .zh = "用户证书（PEM）",
     .max = "65536",
     .show_if = "user=certificate"},
    {.name = "user_key",
     .type = OPTION_SECRET,
     .en = "Private key of the user (PEM)",
     .zh = "用户私钥（PEM）",
     .max = "65536",
     .show_if = "user=certificate"},
    {.name = "certificate",
     .type = OPTION_STRING,
     .en = "Our certificate (PEM)",
     .zh = "本端证书（PEM）",
     .max = "65536",
     .help_en = "Empty: this node's own, under System, Certificates; the server must trust it.",
     .help_zh = "留空则使用“系统 → 证书”中的本机证书，服务器须信任它。"},
    {.name = "private_key",
     .type = OPTION_SECRET,
     .en = "Our private key (PEM)",
     .zh = "本端私钥（PEM）",
     .max = "65536"},
    {.name = "publishing_interval",
     .type = OPTION_DURATION,
     .en = "Publishing interval",
     .zh = "发布间隔",
     .min = "10ms",
     .max = "1h",
     .help_en = "Empty: by the period of each point.",
     .help_zh = "留空则取决于各测点的周期。"},
    {.name = "backfill",
     .type = OPTION_BOOLEAN,
     .en = "Fill gaps from the server's history",
     .zh = "从服务器历史补数",
     .def = "false",
     .help_en = "After an interruption that the server's queues did not outlast, for nodes whose history it keeps.",
     .help_zh = "中断时间超出服务器队列时，对服务器保存历史的节点补齐缺失数据。"},
    {.name = "session_timeout",
     .type = OPTION_DURATION,
     .en = "Session timeout",
     .zh = "会话超时",
     .def = "60s",
     .min = "10s",
     .max = "1h"},
    {.name = "token_lifetime",
     .type = OPTION_DURATION,
     .en = "Renew the keys of the connection after",
     .zh = "连接密钥更新周期",
     .def = "1h",
     .min = "1s",
     .max = "1d"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Connect timeout",
     .zh = "连接超时",
     .def = "10s",
     .min = "100ms",
     .max = "2m"},
    {.name = "answer_timeout",
     .type = OPTION_DURATION,
     .en = "Answer timeout",
     .zh = "应答超时",
     .def = "10s",
     .min = "100ms",
     .max = "2m"},
    {.name = "reconnect_min",
     .type = OPTION_DURATION,
     .en = "Reconnect after",
     .zh = "重连间隔",
     .def = "1s",
     .min = "50ms",
     .max = "1m"},
    {.name = "reconnect_max",
     .type = OPTION_DURATION,
     .en = "Reconnect at the latest after",
     .zh = "最长重连间隔",
     .def = "3s",
     .min = "50ms",
     .max = "1h"},
    {0},
};

const struct option oc_point_options[] = {
    {.name = "index_range",
     .type = OPTION_STRING,
     .en = "Part of an array",
     .zh = "数组下标",
     .max = "60",
     .help_en = "2: the third element; 0:9: the first ten (a waveform).",
     .help_zh = "2 为第三个元素；0:9 为前十个（作为波形）。"},
    {.name = "member",
     .type = OPTION_STRING,
     .en = "Member of a structure",
     .zh = "结构体成员",
     .max = "200",
     .help_en = "Its path: limits.high, items[2].name. Empty: the whole structure, as JSON.",
     .help_zh = "成员路径，例如 limits.high、items[2].name。留空则为整个结构体（JSON）。"},
    {.name = "sampling",
     .type = OPTION_DURATION,
     .en = "Sampling interval",
     .zh = "采样间隔",
     .min = "0ms",
     .max = "1h",
     .help_en = "Empty: the period of the point.",
     .help_zh = "留空则等于测点周期。"},
    {.name = "queue",
     .type = OPTION_INTEGER,
     .en = "Queue at the server",
     .zh = "服务器端队列",
     .def = "10",
     .min = "1",
     .max = "100000"},
    {.name = "deadband",
     .type = OPTION_NUMBER,
     .en = "Deadband",
     .zh = "死区",
     .def = "0",
     .min = "0",
     .help_en = "0: every change.",
     .help_zh = "0 表示任何变化都上送。"},
    {.name = "deadband_kind",
     .type = OPTION_ENUM,
     .en = "Kind of the deadband",
     .zh = "死区类型",
     .def = "absolute",
     .choices = deadband_choices},
    {.name = "time_source",
     .type = OPTION_ENUM,
     .en = "Time of values",
     .zh = "数据时间",
     .def = "source",
     .choices = time_choices},
    {.name = "array_step",
     .type = OPTION_NUMBER,
     .en = "Interval of the values of an array",
     .zh = "数组元素间隔",
     .def = "1",
     .min = "0.000000001",
     .max = "86400",
     .unit = "s"},
    {.name = "comment",
     .type = OPTION_STRING,
     .en = "Comment with an acknowledgement",
     .zh = "确认时附带的备注",
     .max = "500",
     .help_en = "For alarms: goes to the server when this point is written. Empty: the comment that stands stays.",
     .help_zh = "用于报警：写入本测点时一并发送给服务器。留空则保留原有备注。"},
    {0},
};

static const char *const examples[] = {"ns=2;s=Tank.Level",
                                       "ns=3;i=1001",
                                       "i=2258",
                                       "nsu=http://example.com/plant;s=Flow",
                                       "2!Tank.Level",
                                       "method ns=2;s=Pump ns=2;s=Pump.Start",
                                       "event:i=2253 field=Message severity=500",
                                       "alarm:ns=2;s=Tank.HighAlarm field=acked",
                                       NULL};

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct oc_point point;
    AUTO_ARENA a;
    (void)device;
    arena_init(&a, 1 << 20);
    return oc_point_resolve(p, &a, &point, ret, e);
}

static int channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                       const struct driver_point *points, size_t np, struct error *e)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    int rc = oc_set(ch, devices, nd, points, np, e);
    if (rc == 0) oc_pump(ch);
    return rc;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct oc_channel *ch = (const struct oc_channel *)base;
    *ret = ch->st;
    ret->connections = ch->conn == CONN_UP;
}

static const struct error *trouble_of(const struct oc_channel *ch, const struct oc_device *d)
{
    if (ch->conn != CONN_UP) return &ch->why;
    return ch->refused ? &ch->refusal : &d->config;
}

static enum driver_state device_state(const struct oc_channel *ch, const struct oc_device *d, uint32_t bad)
{
    if (d->points == 0) return DRIVER_OFF;
    if (ch->conn != CONN_UP)
        return ch->st.state == DRIVER_CONNECTING && !d->last_ok_us ? DRIVER_CONNECTING : DRIVER_DOWN;
    if (bad == 0) return DRIVER_UP;
    return bad == d->points ? DRIVER_DOWN : DRIVER_DEGRADED;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct oc_channel *ch = (const struct oc_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct driver_device_status){
            .num = ch->devices[i].num, .points = ch->devices[i].points, .last_ok_us = ch->devices[i].last_ok_us};
    for (size_t i = 0; i < ch->npoints; i++) {
        const struct oc_point *p = &ch->points[i];
        if (p->device < n && (p->config_error || p->last.quality == QUALITY_BAD)) ret[p->device].bad++;
    }
    for (size_t i = 0; i < n; i++) {
        const struct error *why = trouble_of(ch, &ch->devices[i]);
        ret[i].state = device_state(ch, &ch->devices[i], ret[i].bad);
        if (ret[i].state == DRIVER_UP || ret[i].state == DRIVER_OFF || why->code == 0) continue;
        str_to_cstr(str_of(why->text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why->text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

const struct driver opcua_driver = {
    .name = "opcua",
    .on_change = true,
    .en = "OPC UA",
    .zh = "OPC UA",
    .help_en = "OPC UA servers by subscription: browsing, every built-in type, writes, security policies, users.",
    .help_zh = "以订阅方式采集 OPC UA 服务器：浏览、全部内建类型、写入、安全策略和用户登录。",
    .channel_options = oc_channel_options,
    .point_options = oc_point_options,
    .address_en =
        "A node id: ns=2;s=Tank.Level, ns=3;i=1001, ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a, "
        "nsu=http://example.com/plant;s=Flow (namespace by name), or short 2!Tank.Level. One element of an "
        "array: option 'index_range'. A method, called by writing: method ns=2;s=Pump ns=2;s=Pump.Start. "
        "Events of a node: event:i=2253, with field=Severity (a browse path; without: Message), type=i=2915, "
        "severity=500 (at least). An alarm: alarm:ns=2;s=Tank.HighAlarm, with field=active, acked, confirmed, "
        "enabled, severity, message, comment, retain, suppressed, shelved, out_of_service, limit, source, "
        "quality, branches or a browse path (without: active), notifier=NodeId (without: the Server object).",
    .address_zh =
        "节点标识：ns=2;s=Tank.Level、ns=3;i=1001、ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a、"
        "nsu=http://example.com/plant;s=Flow（按命名空间名称），或简写 "
        "2!Tank.Level。数组的单个元素用选项“index_range”。通过写入调用的方法：method ns=2;s=Pump ns=2;s=Pump.Start。"
        "节点的事件：event:i=2253，可加 field=Severity（浏览路径，缺省为 "
        "Message）、type=i=2915、severity=500（最低严重程度）。"
        "报警：alarm:ns=2;s=Tank.HighAlarm，可加 "
        "field=active、acked、confirmed、enabled、severity、message、comment、retain、"
        "suppressed、shelved、out_of_service、limit、source、quality、branches 或浏览路径（缺省为 active），以及 "
        "notifier=NodeId（缺省为 Server 对象）。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = oc_channel_check,
    .channel_open = oc_open,
    .channel_set = channel_set,
    .write = oc_write,
    .read = oc_read,
    .test = oc_test,
    .status = status,
    .devices = devices,
    .close = oc_close,
    .describe = opcua_frame_words,
    .browse = oc_browse,
    .discover = oc_discover,
    .history = oc_past,
    .history_aggregates = oc_aggregates,
    .wire_port = OC_PORT,
};
