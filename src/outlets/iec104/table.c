/* table.c - what the outlet tells about itself, and its row of functions. */
#include <stdio.h>
#include "drivers/common/iec104_options.h"
#include "drivers/common/rows.h"
#include "drivers/common/tls_options.h"
#include "drivers/common/words.h"
#include "outlets/iec104/station_int.h"

static const struct option_choice yx_choices[] = {
    /* the tables of choices stand in the order of yx_types[] … in point.c */
    {"single", "single point (M_SP)", "单点（M_SP）"},
    {"double", "double point (M_DP)", "双点（M_DP）"},
    {0},
};
static const struct option_choice yc_choices[] = {
    {"float", "float (M_ME_NC)", "短浮点（M_ME_NC）"},
    {"scaled", "scaled (M_ME_NB)", "标度化（M_ME_NB）"},
    {"normalized", "normalized (M_ME_NA)", "归一化（M_ME_NA）"},
    {0},
};
static const struct option_choice select_choices[] = {
    {"either", "direct or selected", "直接或先选择均可"},
    {"required", "only after a selection", "必须先选择"},
    {0},
};

static const struct option channel_options[] = {
    {.name = "port",
     .type = OPTION_INTEGER,
     .en = "Port",
     .zh = "端口",
     .required = true,
     .def = "2404",
     .min = "0",
     .max = "65535",
     .help_en = "Controlling stations connect to this port of this server; 0: the system chooses one.",
     .help_zh = "主站连接到本服务器的此端口；0 为由系统选择。"},
    LISTEN_OPTION("bind", NULL),
    ALLOW_OPTION(NULL),
    {.name = "max_connections",
     .type = OPTION_INTEGER,
     .en = "Controlling stations at most",
     .zh = "最大主站数",
     .def = "4",
     .min = "1",
     .max = "32"},
    {.name = "redundancy",
     .type = OPTION_STRING,
     .en = "Redundancy groups",
     .zh = "冗余组",
     .max = "2000",
     .help_en =
         "Of the connections of a group one has data transfer; STARTDT on another takes it over, with what is not "
         "acknowledged. A: 10.0.0.7, 10.0.1.7; B: 10.2.0.0/16; or * for all as one group. Empty: each for itself.",
     .help_zh = "同组连接中只有一条启动数据传输；在另一条上 STARTDT 即切换，未确认的数据随之转移。例如 A: 10.0.0.7, "
                "10.0.1.7; B: 10.2.0.0/16；* 表示全部连接为一组；留空则各自独立。"},
    {.name = "common_address",
     .type = OPTION_INTEGER,
     .en = "Common address",
     .zh = "公共地址",
     .def = "1",
     .min = "1",
     .max = "65534",
     .help_en = "Of all points whose address names no other: 2!M_SP:1.",
     .help_zh = "用于地址中未指定公共地址的测点；可用 2!M_SP:1 指定其他公共地址。"},
    IEC104_OPTION_ZONE("Time zone of the time tags", "时标的时区"),
    {.name = "time_tags",
     .type = OPTION_BOOLEAN,
     .en = "Changes with time",
     .zh = "变化数据带时标",
     .def = "true",
     .help_en = "CP56Time2a. What is sent later than it came has it always.",
     .help_zh = "CP56Time2a；补发的数据总是带时标。"},
    {.name = "counter_events",
     .type = OPTION_BOOLEAN,
     .en = "Counters tell changes",
     .zh = "累计量变化上送",
     .def = "false",
     .help_en = "Else they are told only when the controlling station asks.",
     .help_zh = "关闭时仅在主站召唤时上送。"},
    {.name = "cycle",
     .type = OPTION_DURATION,
     .en = "All measured values every",
     .zh = "遥测循环上送周期",
     .min = "100ms",
     .max = "1d",
     .help_en = "Without time, cause periodic, beside the changes. Empty: changes only.",
     .help_zh = "不带时标，传送原因为周期循环；与变化上送并存。留空则只上送变化。"},
    {.name = "announce",
     .type = OPTION_BOOLEAN,
     .en = "Tell the end of initialization",
     .zh = "发送初始化结束",
     .def = "true",
     .help_en = "M_EI_NA after the first STARTDT of a connection.",
     .help_zh = "连接首次启动数据传输后发送 M_EI_NA。"},
    {.name = "yx_type",
     .type = OPTION_ENUM,
     .en = "Type of states",
     .zh = "遥信类型",
     .def = "single",
     .choices = yx_choices},
    {.name = "yc_type",
     .type = OPTION_ENUM,
     .en = "Type of measured values",
     .zh = "遥测类型",
     .def = "float",
     .choices = yc_choices},
    IEC104_OPTION_TYPES,
    IEC104_OPTION_BASES("1"),
    {.name = "select_timeout",
     .type = OPTION_DURATION,
     .en = "A selection holds for",
     .zh = "选择有效时间",
     .def = "30s",
     .min = "100ms",
     .max = "10m"},
    {.name = "command_age",
     .type = OPTION_DURATION,
     .en = "Commands with time: age at most",
     .zh = "带时标命令的最大时差",
     .min = "1s",
     .max = "1d",
     .help_en = "Commands with a time tag (types 58 to 64) further away from now are refused. Empty: not checked.",
     .help_zh = "时标（类型 58–64）与当前时间相差更大的命令将被拒绝；留空则不检查。"},
    IEC104_OPTION_WINDOW,
    IEC104_OPTION_TIMES,
    TLS_OPTION_ON(NULL, "As IEC 62351-3 asks; usually with certificates of the controlling stations.",
                  "按 IEC 62351-3；通常要求主站出示证书。"),
    TLS_OPTION_OWN("tls=true", "Empty: this node's own certificate.", "留空则使用本节点自己的证书。"),
    TLS_OPTION_PEM("tls_ca", OPTION_STRING, "Authority of the controlling stations (PEM)", "主站证书的 CA（PEM）",
                   "tls=true", "Then each must show a certificate of it. Empty: none is asked for.",
                   "填写后主站必须出示由其签发的证书；留空则不要求证书。"),
    {0},
};

static const struct option point_options[] = {
    {.name = "group",
     .type = OPTION_INTEGER,
     .en = "Interrogation group",
     .zh = "召唤组",
     .def = "0",
     .min = "0",
     .max = "16",
     .help_en = "1 to 16, counters 1 to 4; 0: only when the whole station is interrogated.",
     .help_zh = "1–16，累计量为 1–4；0 为仅响应总召唤。"},
    {.name = "select",
     .type = OPTION_ENUM,
     .en = "Way of the command",
     .zh = "命令方式",
     .def = "either",
     .choices = select_choices},
    {.name = "full_scale",
     .type = OPTION_NUMBER,
     .en = "Full scale of normalized values",
     .zh = "归一化满码值",
     .def = "1",
     .min = "0.000001",
     .max = "1000000000000",
     .help_en = "The value that is sent as +1 (M_ME_NA, C_SE_NA).",
     .help_zh = "对应 +1 的数值（M_ME_NA、C_SE_NA）。"},
    {0},
};

static const char *const examples[] = {
    "16385", "M_ME_NC:16385", "M_SP:1",        "2!M_DP:100", "16385/C_SE_NC:25089", "M_SP:1/C_SC:24577",
    "yc12",  "yx3/yk3",       "C_SE_NC:25089", NULL};

static int address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                         struct error *e)
{
    struct sv_rules rules;
    struct sv_point point;
    sv_rules_of(channel, &rules);
    int rc = sv_point_resolve(p, &rules, &point, ret, e);
    if (rc) return rc;
    if (point.type == IEC104_M_IT_NA && point.group > 4)
        return error_set(e, ERR_INVALID, "group", "counters have the groups 1 to 4, not %u",
                         "累计量的召唤组为 1–4，不能为 %u", point.group);
    return 0;
}

static int channel_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct sv_channel *ch = (struct sv_channel *)base;
    int rc = sv_set(ch, points, n, e);
    if (rc == 0) sv_pump(ch);
    return rc;
}

static void test(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct sv_channel *ch = (struct sv_channel *)base;
    const struct error *e = sv_listen_now(ch);
    char en[160] = "", zh[160] = "";
    unsigned started = 0;
    for (const struct sv_conn *c = ch->conns; c; c = c->next) started += sv_conn_started(c);
    if (!e) {
        unsigned port = tls_listener_port(ch->listener);
        snprintf(en, sizeof en, "listening on %s port %u; %u connected, %u of them with data transfer", ch->cfg.bind,
                 port, ch->nconns, started);
        snprintf(zh, sizeof zh, "正在监听 %s 端口 %u；已连接 %u 个主站，其中 %u 个已启动数据传输", ch->cfg.bind, port,
                 ch->nconns, started);
    }
    done(arg, e, 0, en, zh);
    sv_soon(ch);
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    *ret = ((const struct sv_channel *)base)->st;
}

static size_t peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    const struct sv_channel *ch = (const struct sv_channel *)base;
    size_t n = 0;
    for (const struct sv_conn *c = ch->conns; c; c = c->next) {
        if (c->closing || n == max) continue;
        ret[n] = (struct outlet_peer){.since_us = c->since_us,
                                      .subscriptions = sv_conn_started(c) ? (uint32_t)ch->norder : 0,
                                      .items = c->items,
                                      .bytes_in = c->bytes_in,
                                      .bytes_out = c->bytes_out};
        str_to_cstr(str_of(c->peer), ret[n].address, sizeof ret[n].address);
        str_to_cstr(str_of(c->who), ret[n].who, sizeof ret[n].who);
        n++;
    }
    return n;
}

const struct outlet iec104_server_outlet = {
    .name = "iec104_server",
    .en = "IEC 60870-5-104 station",
    .zh = "IEC 60870-5-104 子站（DL/T 634.5104）",
    .help_en =
        "Controlling stations connect and are told states, measured values and counters; they may command what is "
        "writable. What no station has acknowledged is kept.",
    .help_zh = "主站（调度）连接后接收遥信、遥测、遥脉，并可对可写测点遥控、遥调；未被确认的数据会保留并补发。",
    .channel_options = channel_options,
    .point_options = point_options,
    .server = true,
    .buffered = true,
    .address_en =
        "[CA!][type:]IOA, with /COMMAND behind it for what may be commanded. 16385 or 0x4001 takes its type from the "
        "point; M_SP, M_DP, M_ST, M_BO, M_ME_NA, M_ME_NB, M_ME_NC, M_IT name it: M_ME_NC:16385. Commands are C_SC, "
        "C_DC, C_RC, C_SE_NA, C_SE_NB, C_SE_NC, C_BO: M_SP:1/C_SC:24577. 2!M_SP:1 names the common address. yx0, yc12, "
        "yk3, yt0, ym5 count from 0 upon the first addresses of the forwarding. Empty: assigned in order.",
    .address_zh = "[公共地址!][类型:]信息对象地址，可写测点在其后加“/命令地址”。16385 或 0x4001 "
                  "的类型由测点决定；也可用 M_SP、M_DP、"
                  "M_ST、M_BO、M_ME_NA、M_ME_NB、M_ME_NC、M_IT 指定，如 M_ME_NC:16385。命令为 "
                  "C_SC、C_DC、C_RC、C_SE_NA、C_SE_NB、"
                  "C_SE_NC、C_BO，如 M_SP:1/C_SC:24577。2!M_SP:1 指定公共地址。yx0、yc12、yk3、yt0、ym5 "
                  "从转发的起始地址起按 0 编号。"
                  "留空则按顺序分配。",
    .examples = examples,
    .address_check = address_check,
    .address_default = sv_address_default,
    .channel_check = sv_channel_check,
    .channel_open = sv_open,
    .channel_set = channel_set,
    .send = sv_send,
    .test = test,
    .status = status,
    .peers = peers,
    .close = sv_close,
    .describe = iec104_frame_words,
    .wire_port = IEC104_PORT,
};
