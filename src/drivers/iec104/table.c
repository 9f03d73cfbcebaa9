/* table.c - what the driver tells about itself, and its row of functions. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/common/iec104_options.h"
#include "drivers/common/rows.h"
#include "drivers/common/tls_options.h"
#include "drivers/common/words.h"
#include "drivers/iec104/iec104_int.h"

static const struct option_choice time_choices[] = {
    {"source", "time stamps of the station", "站的时标"},
    {"arrival", "time of arrival", "到达时间"},
    {0},
};
static const struct option_choice select_choices[] = {
    {"device", "as the device", "同设备设置"},
    {"direct", "direct", "直接执行"},
    {"select", "select before operate", "先选择后执行"},
    {0},
};

static const struct option channel_options[] = {
    HOST_OPTION("Host", "主机", NULL, "IP address or name of the station.", "被控站的 IP 地址或名称。"),
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .def = "2404", .min = "1", .max = "65535"},
    {.name = "host_2",
     .type = OPTION_STRING,
     .en = "Second host",
     .zh = "备用主机",
     .max = "253",
     .help_en = "Tried at once when the first one is lost, and in turn with it.",
     .help_zh = "主用连接中断时立即切换到此主机，并与主用主机轮流尝试。"},
    {.name = "port_2",
     .type = OPTION_INTEGER,
     .en = "Port of the second host",
     .zh = "备用端口",
     .min = "1",
     .max = "65535",
     .help_en = "Empty: the same port.",
     .help_zh = "留空则与主用端口相同。"},
    IEC104_OPTION_ZONE("Time zone of the station's clock", "站时钟的时区"),
    {.name = "interrogation",
     .type = OPTION_DURATION,
     .en = "General interrogation every",
     .zh = "总召唤周期",
     .def = "15m",
     .min = "1s",
     .max = "7d",
     .help_en = "After each connect in any case.",
     .help_zh = "每次连接后必定总召唤一次。"},
    {.name = "counter_interrogation",
     .type = OPTION_DURATION,
     .en = "Counter interrogation every",
     .zh = "累计量召唤周期",
     .min = "1s",
     .max = "7d",
     .help_en = "Empty: counters are not asked for.",
     .help_zh = "留空则不召唤累计量。"},
    {.name = "clock_sync",
     .type = OPTION_DURATION,
     .en = "Clock synchronization every",
     .zh = "对时周期",
     .min = "1s",
     .max = "7d",
     .help_en = "Empty: the station's clock is left alone.",
     .help_zh = "留空则不对时。"},
    {.name = "originator",
     .type = OPTION_INTEGER,
     .en = "Originator address",
     .zh = "源发者地址",
     .def = "0",
     .min = "0",
     .max = "255"},
    IEC104_OPTION_WINDOW,
    {.name = "t0",
     .type = OPTION_DURATION,
     .en = "t0: connecting",
     .zh = "t0：建立连接",
     .def = "30s",
     .min = "50ms",
     .max = "255s"},
    IEC104_OPTION_TIMES,
    {.name = "answer_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of a confirmation",
     .zh = "命令确认超时",
     .def = "10s",
     .min = "50ms",
     .max = "10m",
     .help_en = "Of a command, an interrogation, a selection.",
     .help_zh = "用于命令、召唤和选择。"},
    {.name = "termination_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of a termination",
     .zh = "激活终止超时",
     .def = "60s",
     .min = "50ms",
     .max = "1h"},
    RECONNECT_OPTIONS("3s", NULL),
    TLS_CLIENT_OPTIONS("Verify the station's certificate", "校验站的证书", "Name in the station's certificate",
                       "站证书中的名称", "As IEC 62351-3 asks; usually with a certificate of our own.",
                       "按 IEC 62351-3；通常需要本端证书。"),
    {0},
};

static const struct option device_options[] = {
    {.name = "common_address",
     .type = OPTION_INTEGER,
     .en = "Common address",
     .zh = "公共地址",
     .def = "1",
     .min = "1",
     .max = "65534"},
    {.name = "group",
     .type = OPTION_INTEGER,
     .en = "Interrogation group",
     .zh = "召唤组",
     .def = "0",
     .min = "0",
     .max = "16",
     .help_en = "0: the whole station; 1 to 16: only this group is interrogated.",
     .help_zh = "0 为站总召唤；1–16 只召唤该组。"},
    {.name = "time_source",
     .type = OPTION_ENUM,
     .en = "Time of values",
     .zh = "数据时间",
     .def = "source",
     .choices = time_choices,
     .help_en = "Arrival where the station's clock is not to be trusted.",
     .help_zh = "站时钟不可信时选到达时间。"},
    {.name = "select_before_operate",
     .type = OPTION_BOOLEAN,
     .en = "Select before operate",
     .zh = "先选择后执行",
     .def = "false",
     .help_en = "Points may say otherwise.",
     .help_zh = "可在测点上单独设置。"},
    {.name = "wait_termination",
     .type = OPTION_BOOLEAN,
     .en = "Await the termination of commands",
     .zh = "等待激活终止",
     .def = "true",
     .help_en = "Off for stations that only confirm.",
     .help_zh = "只回复激活确认的站请关闭。"},
    {.name = "command_time",
     .type = OPTION_BOOLEAN,
     .en = "Commands with time",
     .zh = "命令带时标",
     .def = "false",
     .help_en = "Types 58 to 64 instead of 45 to 51.",
     .help_zh = "使用类型 58–64 代替 45–51。"},
    IEC104_OPTION_BASES("0"),
    IEC104_OPTION_TYPES,
    {0},
};

static const struct option point_options[] = {
    {.name = "command",
     .type = OPTION_STRING,
     .en = "Command address",
     .zh = "命令地址",
     .max = "60",
     .help_en = "Makes a value writable: C_SC:24577, C_SE_NC:25089, yk0.",
     .help_zh = "使测点可写：C_SC:24577、C_SE_NC:25089、yk0。"},
    {.name = "select",
     .type = OPTION_ENUM,
     .en = "Way of the command",
     .zh = "命令方式",
     .def = "device",
     .choices = select_choices},
    {.name = "qualifier",
     .type = OPTION_INTEGER,
     .en = "Qualifier of the command",
     .zh = "命令限定词",
     .def = "0",
     .min = "0",
     .max = "127",
     .help_en = "QU of commands: 0 none, 1 short pulse, 2 long pulse, 3 persistent; QL of set-points.",
     .help_zh = "命令 QU：0 无，1 短脉冲，2 长脉冲，3 持续；设定命令为 QL。"},
    {0},
};

static const char *const examples[] = {"16385",      "0x4001", "M_SP:1",        "M_ME_NC:16385", "2!M_DP:100",
                                       "C_SC:24577", "yc12",   "C_SE_NC:25089", "yk3",           NULL};

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct st_device d;
    st_device_init(&d, NULL, device);
    return st_point_resolve(p, &d, NULL, ret, e);
}

static int channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                       const struct driver_point *points, size_t np, struct error *e)
{
    struct st_channel *ch = (struct st_channel *)base;
    int rc = st_set(ch, devices, nd, points, np, e);
    if (rc == 0) st_pump(ch);
    return rc;
}

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    const struct st_channel *ch = (const struct st_channel *)base;
    *ret = ch->st;
    ret->connections = ch->conn == CONN_UP;
}

static bool counts_as_bad(const struct st_point *p)
{
    return p->config_error || (p->at.klass == IEC104_IS_VALUE && p->last.quality == QUALITY_BAD);
}

static const struct error *trouble_of(const struct st_channel *ch, const struct st_device *d, struct error *e)
{
    const struct st_station *s = st_station_find(ch, d->ca);
    if (!st_started(ch)) return ch->why.code ? &ch->why : &d->config;
    if (s && s->trouble.code) return &s->trouble;
    if (s && s->clock_warned)
        error_set(e, ERR_DEVICE, "", "the station's clock differs by %.1f s", "站的时钟相差 %.1f 秒",
                  fabs((double)st_clock_behind(s) / 1e6));
    return e->code ? e : &d->config;
}

static enum driver_state device_state(const struct st_channel *ch, const struct st_device *d, uint32_t bad,
                                      bool trouble)
{
    if (d->points == 0) return DRIVER_OFF;
    if (!st_started(ch)) return ch->st.state == DRIVER_CONNECTING && !d->last_ok_us ? DRIVER_CONNECTING : DRIVER_DOWN;
    if (!trouble && bad == 0) return DRIVER_UP;
    if (bad == d->points) return d->last_ok_us || trouble ? DRIVER_DOWN : DRIVER_CONNECTING;
    return DRIVER_DEGRADED;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct st_channel *ch = (const struct st_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct driver_device_status){
            .num = ch->devices[i].num, .points = ch->devices[i].points, .last_ok_us = ch->devices[i].last_ok_us};
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].device < n && counts_as_bad(&ch->points[i])) ret[ch->points[i].device].bad++;
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        const struct error *why = trouble_of(ch, &ch->devices[i], &e);
        ret[i].state = device_state(ch, &ch->devices[i], ret[i].bad, why->code && why != &ch->devices[i].config);
        if (ret[i].state == DRIVER_UP || ret[i].state == DRIVER_OFF || why->code == 0) continue;
        str_to_cstr(str_of(why->text), ret[i].reason, sizeof ret[i].reason);
        str_to_cstr(str_of(why->text_zh), ret[i].reason_zh, sizeof ret[i].reason_zh);
    }
    return n;
}

const struct driver iec104_driver = {
    .name = "iec104",
    .on_change = true,
    .en = "IEC 60870-5-104",
    .zh = "IEC 60870-5-104（DL/T 634.5104）",
    .help_en = "Substations and RTUs: states, measured values, counters, commands; several common addresses, a second "
               "host, TLS.",
    .help_zh = "变电站和远动终端：遥信、遥测、遥脉、遥控、遥调；支持多公共地址、备用主机和 TLS。",
    .channel_options = channel_options,
    .device_options = device_options,
    .point_options = point_options,
    .address_en =
        "[CA!][type:]IOA. 16385 or 0x4001 is an object whatever its type; M_ME_NC:16385 takes only floats (13, 14, "
        "36), "
        "M_SP, M_DP, M_ST, M_BO, M_ME_NA, M_ME_NB, M_IT likewise; C_SC:24577, C_DC, C_RC, C_SE_NA, C_SE_NB, C_SE_NC, "
        "C_BO are commands. 2!M_SP:1 names the common address. yx0, yc12, yk3, yt0, ym5 count from 0 upon the device's "
        "base addresses.",
    .address_zh =
        "[公共地址!][类型:]信息对象地址。16385 或 0x4001 不限类型；M_ME_NC:16385 只取短浮点（13、14、36），M_SP、M_DP、"
        "M_ST、M_BO、M_ME_NA、M_ME_NB、M_IT 同理；C_SC:24577、C_DC、C_RC、C_SE_NA、C_SE_NB、C_SE_NC、C_BO 为命令。"
        "2!M_SP:1 指定公共地址。yx0、yc12、yk3、yt0、ym5 从设备的起始地址起按 0 编号。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = st_channel_check,
    .channel_open = st_open,
    .channel_set = channel_set,
    .write = st_write,
    .read = st_read,
    .test = st_test,
    .status = status,
    .devices = devices,
    .close = st_close,
    .describe = iec104_frame_words,
    .browse = st_browse,
    .wire_port = IEC104_PORT,
};
