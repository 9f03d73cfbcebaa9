/* table.c - what the outlet tells about itself: options, addresses, status, peers; its row of functions. */
#include <stdio.h>
#include "drivers/common/words.h"
#include "outlets/opcua/server_int.h"

static const struct option_choice trust_choices[] = {
    /* 1: any */
    {"list", "those that an administrator trusts", "管理员信任的证书"},
    {"any", "any (whoever reaches the port)", "任意证书（能访问端口者均可）"},
    {0},
};

const struct option os_channel_options[] = {
    {.name = "port",
     .type = OPTION_INTEGER,
     .en = "Port",
     .zh = "端口",
     .def = "4840",
     .min = "0",
     .max = "65535",
     .help_en = "Clients connect to opc.tcp://this-host:port. 0: any free port.",
     .help_zh = "客户端连接 opc.tcp://本机:端口。0 表示任意空闲端口。"},
    {.name = "address",
     .type = OPTION_STRING,
     .en = "Listen on",
     .zh = "监听地址",
     .def = "0.0.0.0",
     .min = "2",
     .max = "63",
     .help_en = "0.0.0.0: all networks; or one address of this machine.",
     .help_zh = "0.0.0.0 表示所有网络，也可填写本机的一个地址。"},
    {.name = "host",
     .type = OPTION_STRING,
     .en = "Host name for clients",
     .zh = "对外主机名",
     .max = "200",
     .help_en = "Empty: endpoints carry the address by which a client came.",
     .help_zh = "留空则端点使用客户端连接时的地址。"},
    {.name = "basic256sha256", .type = OPTION_BOOLEAN, .en = "Basic256Sha256", .zh = "Basic256Sha256", .def = "true"},
    {.name = "aes128_sha256_rsaoaep",
     .type = OPTION_BOOLEAN,
     .en = "Aes128_Sha256_RsaOaep",
     .zh = "Aes128_Sha256_RsaOaep",
     .def = "true"},
    {.name = "aes256_sha256_rsapss",
     .type = OPTION_BOOLEAN,
     .en = "Aes256_Sha256_RsaPss",
     .zh = "Aes256_Sha256_RsaPss",
     .def = "true"},
    {.name = "sign_only",
     .type = OPTION_BOOLEAN,
     .en = "Also signed without encryption",
     .zh = "允许仅签名（不加密）",
     .def = "false"},
    {.name = "none",
     .type = OPTION_BOOLEAN,
     .en = "Also without security",
     .zh = "允许无安全策略",
     .def = "false",
     .help_en = "Everybody on the network can then read along. Passwords stay encrypted.",
     .help_zh = "网络上任何人都可以看到数据；密码仍然加密。"},
    {.name = "trust",
     .type = OPTION_ENUM,
     .en = "Client certificates",
     .zh = "客户端证书",
     .def = "list",
     .choices = trust_choices},
    {.name = "trusted",
     .type = OPTION_STRING,
     .en = "Trusted certificates (PEM)",
     .zh = "受信任的证书（PEM）",
     .max = "262144",
     .show_if = "trust=list",
     .help_en = "Of clients or of authorities, one after the other; beside those in the list of certificates.",
     .help_zh = "客户端或证书机构的证书，可依次粘贴多个；与证书列表中的决定一并生效。"},
    {.name = "anonymous",
     .type = OPTION_BOOLEAN,
     .en = "Anonymous users",
     .zh = "允许匿名",
     .def = "true",
     .help_en = "They may read what is forwarded; writing needs the mapping to allow it.",
     .help_zh = "可读取所转发的数据；写入须由映射允许。"},
    {.name = "username",
     .type = OPTION_BOOLEAN,
     .en = "Users of the platform by password",
     .zh = "允许平台用户名和密码",
     .def = "true"},
    {.name = "user_certificate",
     .type = OPTION_BOOLEAN,
     .en = "Users by certificate",
     .zh = "允许用户证书",
     .def = "false"},
    {.name = "trusted_users",
     .type = OPTION_STRING,
     .en = "Certificates of users (PEM)",
     .zh = "用户证书（PEM）",
     .max = "262144",
     .show_if = "user_certificate=true"},
    {.name = "application_name",
     .type = OPTION_STRING,
     .en = "Name of the server",
     .zh = "服务器名称",
     .def = "Bornite",
     .min = "1",
     .max = "180"},
    {.name = "application_uri",
     .type = OPTION_STRING,
     .en = "Application URI",
     .zh = "应用程序 URI",
     .max = "250",
     .help_en = "Empty: that of the certificate. Must be the same as in a certificate of your own.",
     .help_zh = "留空则取自证书；使用自备证书时必须与证书一致。"},
    {.name = "namespace_uri",
     .type = OPTION_STRING,
     .en = "Namespace of the points",
     .zh = "测点命名空间",
     .def = "urn:bornite:points",
     .min = "1",
     .max = "250"},
    {.name = "certificate",
     .type = OPTION_STRING,
     .en = "Our certificate (PEM)",
     .zh = "本端证书（PEM）",
     .max = "65536",
     .help_en = "Empty: that of this node.",
     .help_zh = "留空则使用本节点的证书。"},
    {.name = "private_key",
     .type = OPTION_SECRET,
     .en = "Our private key (PEM)",
     .zh = "本端私钥（PEM）",
     .max = "65536"},
    {.name = "history", .type = OPTION_BOOLEAN, .en = "Offer history", .zh = "提供历史数据", .def = "true"},
    {.name = "alarms",
     .type = OPTION_BOOLEAN,
     .en = "Offer alarms as events",
     .zh = "以事件方式提供报警",
     .def = "true"},
    {.name = "publishing_min",
     .type = OPTION_DURATION,
     .en = "Shortest publishing interval",
     .zh = "最短发布间隔",
     .def = "100ms",
     .min = "10ms",
     .max = "1m"},
    {.name = "session_timeout_max",
     .type = OPTION_DURATION,
     .en = "Longest session timeout",
     .zh = "最长会话超时",
     .def = "1h",
     .min = "10s",
     .max = "1d"},
    {.name = "max_connections",
     .type = OPTION_INTEGER,
     .en = "Connections at most",
     .zh = "最大连接数",
     .def = "100",
     .min = "1",
     .max = "10000"},
    {.name = "max_sessions",
     .type = OPTION_INTEGER,
     .en = "Sessions at most",
     .zh = "最大会话数",
     .def = "100",
     .min = "1",
     .max = "10000"},
    {.name = "max_subscriptions",
     .type = OPTION_INTEGER,
     .en = "Subscriptions at most",
     .zh = "最大订阅数",
     .def = "500",
     .min = "1",
     .max = "100000"},
    {.name = "max_items",
     .type = OPTION_INTEGER,
     .en = "Monitored items at most",
     .zh = "最大监视项数",
     .def = "100000",
     .min = "1",
     .max = "1000000",
     .help_en = "Of all sessions together; each takes up to about 1 KiB.",
     .help_zh = "所有会话合计；每个约占用不超过 1 KiB 内存。"},
    {.name = "max_queue",
     .type = OPTION_INTEGER,
     .en = "Longest queue of a monitored item",
     .zh = "监视项最长队列",
     .def = "1000",
     .min = "1",
     .max = "100000"},
    {.name = "max_waiting",
     .type = OPTION_INTEGER,
     .en = "Values waiting at most",
     .zh = "待发送值上限",
     .def = "1000000",
     .min = "1000",
     .max = "10000000",
     .help_en = "In the queues of all items together; then the oldest of an item goes.",
     .help_zh = "所有监视项队列合计；超过后丢弃该监视项最旧的值。"},
    {.name = "max_nodes",
     .type = OPTION_INTEGER,
     .en = "Nodes of one request at most",
     .zh = "单次请求节点数上限",
     .def = "1000",
     .min = "10",
     .max = "10000"},
    {.name = "max_message",
     .type = OPTION_INTEGER,
     .en = "Longest request",
     .zh = "请求长度上限",
     .def = "4",
     .min = "1",
     .max = "64",
     .unit = "MiBy"},
    {.name = "max_output",
     .type = OPTION_INTEGER,
     .en = "Waiting output of a connection at most",
     .zh = "单个连接待发送数据上限",
     .def = "16",
     .min = "1",
     .max = "128",
     .unit = "MiBy"},
    {0},
};

static const char *const examples[] = {"ns=2;s=Tank.Level", "Tank.Level", "ns=2;i=1001", NULL};

static int canonical(const struct outlet_point *p, const struct ua_nodeid *id, struct outlet_address *ret,
                     struct error *e)
{
    struct buf b;
    buf_init(&b, 1024);
    ua_nodeid_text(&b, id);
    bool fits = b.n < sizeof ret->canonical && !b.err;
    if (fits && ret) {
        str_to_cstr(buf_view(&b), ret->canonical, sizeof ret->canonical);
        str_to_cstr(buf_view(&b), ret->key, sizeof ret->key);
        ret->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type;
    }
    buf_fini(&b);
    return fits ? 0
                : error_set(e, ERR_TOO_LARGE, "address", "a node id has at most 150 bytes", "节点标识不超过 150 字节");
}
static int address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                         struct error *e)
{
    struct ua_nodeid id;
    AUTO_ARENA a;
    (void)channel;
    arena_init(&a, 65536);
    int rc = os_address(str_of(p->address), &a, &id, e);
    return rc ? rc : canonical(p, &id, ret, e);
}
static int address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                           size_t cap, struct error *e)
{
    struct outlet_address x;
    struct ua_nodeid id = ua_id_str(OS_NS_POINTS, str_of(p->code));
    (void)channel, (void)next;
    int rc = canonical(p, &id, &x, e);
    if (rc == 0 && !str_to_cstr(str_of(x.canonical), ret, cap))
        rc = error_set(e, ERR_TOO_LARGE, "address", "a node id has at most 150 bytes", "节点标识不超过 150 字节");
    return rc;
}

static int channel_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct os_server *s = (struct os_server *)base;
    int rc = os_space_set(s, points, n, e);
    if (rc == 0) os_refresh_state(s);
    return rc;
}
static void changed(struct outlet_channel *base, const struct outlet_item *items, size_t n)
{
    os_items_changed((struct os_server *)base, items, n);
}
static void alarm_told(struct outlet_channel *base, const struct outlet_alarm *al)
{
    struct os_server *s = (struct os_server *)base;
    if (s->cfg.alarms && al->slot < s->space->npoints) os_event_alarm(s, al, NULL, NULL);
}

/* Is it listening, and where. */
static void test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    const struct os_server *s = (const struct os_server *)base;
    struct error e;
    char en[900], zh[900];
    if (!s->listening) {
        error_set(&e, ERR_UNAVAILABLE, "", "%s%.0s", "%.0s%s",
                  s->st.reason[0] ? s->st.reason : "not listening yet: our key is being made",
                  s->st.reason_zh[0] ? s->st.reason_zh : "尚未监听：正在生成密钥");
        done(arg, &e, 0, "", "");
        return;
    }
    const char *host = s->cfg.host[0] ? s->cfg.host : s->cfg.address;
    const struct ua_cert_info *cert = ua_cert_info(s->own->cert);
    char print[41] = "";
    for (int i = 0; i < 20; i++) snprintf(print + 2 * i, 3, "%02x", cert->thumbprint[i]);
    snprintf(en, sizeof en, "listening on opc.tcp://%s:%u, %u points, %u sessions; certificate %s, SHA-1 %s", host,
             s->port, s->space->npoints, s->nsessions, cert->subject, print);
    snprintf(zh, sizeof zh, "正在监听 opc.tcp://%s:%u，%u 个测点，%u 个会话；证书 %s，SHA-1 %s", host, s->port,
             s->space->npoints, s->nsessions, cert->subject, print);
    done(arg, NULL, 0, en, zh);
}
static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct os_server *s = (const struct os_server *)base;
    *ret = s->st;
    ret->points = s->space->npoints - s->space->left_out;
    ret->connections = s->nconns;
    ret->subscriptions = s->nitems;
}
static const struct os_session *session_on(const struct os_server *s, const struct os_conn *c)
{
    for (const struct os_session *x = s->sessions; x; x = x->next)
        if (x->conn == c->id) return x;
    return NULL;
}
static size_t peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    const struct os_server *s = (const struct os_server *)base;
    size_t n = 0;
    for (const struct os_conn *c = s->conns; c && n < max; c = c->next, n++) {
        const struct os_session *x = session_on(s, c);
        struct outlet_peer p = {.since_us = c->since_us, .bytes_in = c->bytes_in, .bytes_out = c->bytes_out};
        str_to_cstr(str_of(c->peer), p.address, sizeof p.address);
        if (x) str_to_cstr(str_of(x->who[0] ? x->who : x->name), p.who, sizeof p.who);
        if (x) p.items = x->items;
        for (const struct os_sub *b = s->subs; x && b; b = b->next)
            if (b->session == x) p.subscriptions += b->nitems;
        ret[n] = p;
    }
    return n;
}
const struct outlet opcua_server_outlet = {
    .name = "opcua_server",
    .en = "OPC UA server",
    .zh = "OPC UA 服务器",
    .help_en = "Points as variables of an address space by area and device: reading, subscriptions, history, alarms, "
               "writing; security policies and users.",
    .help_zh = "按区域和设备将测点发布为地址空间中的变量：读取、订阅、历史、报警、写入；支持安全策略和用户登录。",
    .channel_options = os_channel_options,
    .server = true,
    .address_en = "The NodeId of the variable, always in namespace 2: ns=2;s=Tank.Level, ns=2;i=1001; a mere name is "
                  "ns=2;s=name. By default the code of the point.",
    .address_zh = "变量的 NodeId，始终位于命名空间 2：ns=2;s=Tank.Level、ns=2;i=1001；只写名称即 "
                  "ns=2;s=名称。默认使用测点编码。",
    .examples = examples,
    .address_check = address_check,
    .address_default = address_default,
    .channel_check = os_channel_check,
    .channel_open = os_open,
    .channel_set = channel_set,
    .changed = changed,
    .alarm = alarm_told,
    .test = test,
    .status = status,
    .peers = peers,
    .close = os_close,
    .describe = opcua_frame_words,
    .wire_port = OS_PORT,
};
