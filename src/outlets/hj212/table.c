/* table.c - what the outlet tells about itself, and its row of functions. */
#include <stdio.h>
#include "drivers/common/check.h"
#include "drivers/common/hj212_options.h"
#include "drivers/common/words.h"
#include "outlets/hj212/sender_int.h"

static const struct option_choice versions[] = {
    {"2017", "HJ 212-2017", "HJ 212-2017"},
    {"2005", "HJ/T 212-2005", "HJ/T 212-2005"},
    {0},
};
static const struct option_choice totals[] = {
    /* in the order of totals[] in point.c */
    {"auto", "by the code", "按因子编码"},
    {"none", "none", "不上报"},
    {"mass", "mass by the flow (kg)", "按流量计算排放量（kg）"},
    {0},
};
static const struct option_choice averages[] = {
    {"time", "over time", "按时间平均"},
    {"flow", "weighted by flow", "按流量加权"},
    {0},
};

static const struct option channel_options[] = {
    {.name = "host",
     .type = OPTION_STRING,
     .en = "Platform",
     .zh = "平台地址",
     .required = true,
     .min = "1",
     .max = "253",
     .help_en = "IP address or name of the authority's platform.",
     .help_zh = "环保平台的 IP 地址或名称。"},
    {.name = "port",
     .type = OPTION_INTEGER,
     .en = "Port",
     .zh = "端口",
     .required = true,
     .def = "9000",
     .min = "1",
     .max = "65535"},
    {.name = "mn",
     .type = OPTION_STRING,
     .en = "MN (unique code)",
     .zh = "MN（设备唯一标识）",
     .required = true,
     .min = "1",
     .max = "40",
     .help_en = "As the authority gave it: 24 characters (2017), 14 (2005).",
     .help_zh = "由主管部门分配：24 位（2017 版）或 14 位（2005 版）。"},
    {.name = "password",
     .type = OPTION_SECRET,
     .en = "Password (PW)",
     .zh = "访问密码（PW）",
     .def = "123456",
     .max = "20"},
    {.name = "st",
     .type = OPTION_INTEGER,
     .en = "System code (ST)",
     .zh = "系统编码（ST）",
     .def = "32",
     .min = "1",
     .max = "99",
     .help_en = "31 stack gas, 32 waste water, 22 air, 21 surface water …",
     .help_zh = "31 废气，32 废水，22 空气，21 地表水等。"},
    {.name = "version", .type = OPTION_ENUM, .en = "Version", .zh = "版本", .def = "2017", .choices = versions},
    {.name = "time_zone",
     .type = OPTION_STRING,
     .en = "Time zone",
     .zh = "时区",
     .def = "+08:00",
     .min = "6",
     .max = "6",
     .help_en = "Zone of the times in the messages; the standard means Beijing time.",
     .help_zh = "报文时间所在的时区；标准为北京时间。"},
    {.name = "rtd_interval",
     .type = OPTION_DURATION,
     .en = "Interval of real-time data",
     .zh = "实时数据间隔",
     .def = "30s",
     .min = "1s",
     .max = "1h",
     .help_en = "The platform may set another one (1062), which holds until this one is changed here.",
     .help_zh = "平台可下发修改（1062），修改此处的设置后失效。"},
    {.name = "minute", .type = OPTION_BOOLEAN, .en = "Minute data", .zh = "分钟数据", .def = "true"},
    {.name = "minute_interval",
     .type = OPTION_DURATION,
     .en = "Interval of minute data",
     .zh = "分钟数据间隔",
     .def = "10m",
     .min = "1m",
     .max = "1d",
     .show_if = "minute=true",
     .help_en = "Whole minutes of which a day holds a whole number: 1, 5, 10, 15, 30, 60. The platform may set another "
                "(1064).",
     .help_zh = "应能整除一天的整分钟数：1、5、10、15、30、60 等；平台可下发修改（1064）。"},
    {.name = "hour", .type = OPTION_BOOLEAN, .en = "Hourly data", .zh = "小时数据", .def = "true"},
    {.name = "day", .type = OPTION_BOOLEAN, .en = "Daily data", .zh = "日数据", .def = "true"},
    {.name = "settle",
     .type = OPTION_DURATION,
     .en = "Wait after the end of a period",
     .zh = "时段结束后等待",
     .def = "10s",
     .min = "10ms",
     .max = "10m",
     .help_en = "So that the last values are in history.",
     .help_zh = "等待最后的数据进入历史库。"},
    {.name = "valid_percent",
     .type = OPTION_NUMBER,
     .en = "Valid from",
     .zh = "有效数据比例不低于",
     .def = "75",
     .min = "1",
     .max = "100",
     .unit = "%",
     .help_en = "A period with less good data gets the flag of what was wrong instead of N.",
     .help_zh = "有效数据不足此比例的时段不标 N，而按异常原因标记。"},
    {.name = "answer",
     .type = OPTION_BOOLEAN,
     .en = "Ask for acknowledgements",
     .zh = "要求数据应答",
     .def = "true",
     .help_en = "Bit A of Flag; then a period is sent until the platform answers (9014). Off: sent once.",
     .help_zh = "Flag 的 A 位；时段数据在平台应答（9014）之前会补传。关闭则只发送一次。"},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of an acknowledgement (OverTime)",
     .zh = "应答超时（OverTime）",
     .def = "5s",
     .min = "50ms",
     .max = "10m"},
    {.name = "retries",
     .type = OPTION_INTEGER,
     .en = "Repeats (ReCount)",
     .zh = "重发次数（ReCount）",
     .def = "3",
     .min = "0",
     .max = "10"},
    {.name = "announce",
     .type = OPTION_BOOLEAN,
     .en = "Tell the start (2081)",
     .zh = "上传开机时间（2081）",
     .def = "true"},
    {.name = "time_request",
     .type = OPTION_BOOLEAN,
     .en = "Ask for the time (1013)",
     .zh = "请求校时（1013）",
     .def = "false",
     .help_en =
         "After each connect and once a day. The platform's time (1012) is compared with ours, which is not set.",
     .help_zh = "每次连接后以及每天一次。平台下发的时间（1012）只与本机时钟比较，不修改本机时钟。"},
    {.name = "connect_timeout",
     .type = OPTION_DURATION,
     .en = "Time-out of connecting",
     .zh = "连接超时",
     .def = "10s",
     .min = "50ms",
     .max = "5m"},
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

static const struct option point_options[] = {
    {.name = "total",
     .type = OPTION_ENUM,
     .en = "Total of a period (Cou)",
     .zh = "累计值（Cou）",
     .def = "auto",
     .choices = totals,
     .help_en = "Flows: m³ (of L/s or m³/s). Concentrations: kg, when the flow of water (w00000) or gas (a00000) is "
                "forwarded, too.",
     .help_zh = "流量：立方米（按 L/s 或 m³/s 计）；浓度：千克，需同时转发污水流量（w00000）或废气流量（a00000）。"},
    {.name = "average",
     .type = OPTION_ENUM,
     .en = "Average of a period",
     .zh = "平均值",
     .def = "time",
     .choices = averages},
    {.name = "decimals",
     .type = OPTION_INTEGER,
     .en = "Decimals",
     .zh = "小数位数",
     .min = "0",
     .max = "9",
     .help_en = "Empty: up to three.",
     .help_zh = "留空为最多三位。"},
    {0},
};

static const char *const examples[] = {"w01018", "w00000",          "a21026-Rtd",        "a21026-ZsRtd",
                                       "SB1-RS", "cmd/3011/w01018", "set/w01018/i13004", NULL};

int hs_check_channel(const struct options *o, int *ret_minutes, struct error *e)
{
    int minutes;
    int64_t period = opt_us(o, "minute_interval", 600 * TIME_US_PER_S), minute = 60 * TIME_US_PER_S;
    static const struct option_rule rules[] = {
        {check_host, "host"}, {hj212_word_check, "mn"}, {hj212_word_check, "password"}, {0}};
    int rc = check_utc_offset(o, "time_zone", "+08:00", &minutes, e);
    if (!rc) rc = check_rules(rules, o, e);
    if (rc) return rc;
    if (period % minute || 1440 * minute % period)
        return error_set(e, ERR_INVALID, "minute_interval",
                         "a day must hold a whole number of intervals of whole minutes: 1, 5, 10, 15, 30, 60 minutes …",
                         "间隔应为能整除一天的整分钟数：1、5、10、15、30、60 分钟等");
    if (ret_minutes) *ret_minutes = minutes;
    return 0;
}

static int channel_check(const struct options *o, struct error *e)
{
    return hs_check_channel(o, NULL, e);
}

static int address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                         struct error *e)
{
    return hs_point_resolve(p, NULL, ret, e);
}

static int channel_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct hs_channel *ch = (struct hs_channel *)base;
    int rc = hs_set(ch, points, n, e);
    if (rc == 0) hs_pump(ch);
    return rc;
}

static void status(const struct outlet_channel *base, struct outlet_status *ret)
{
    *ret = ((const struct hs_channel *)base)->st;
}

static size_t peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    const struct hs_channel *ch = (const struct hs_channel *)base;
    if (ch->conn != HS_UP || max == 0) return 0;
    *ret = (struct outlet_peer){.since_us = ch->up_us,
                                .subscriptions = (uint32_t)ch->norder,
                                .items = ch->st.items,
                                .bytes_in = ch->bytes_in,
                                .bytes_out = ch->bytes_out};
    snprintf(ret->address, sizeof ret->address, "%.50s:%u", ch->cfg.host, ch->cfg.port);
    str_to_cstr(str_of(ch->cfg.mn), ret->who, sizeof ret->who);
    return 1;
}

const struct outlet hj212_sender_outlet = {
    .name = "hj212_sender",
    .en = "HJ 212 report to a platform",
    .zh = "HJ 212 上报（数采仪）",
    .help_en = "A data acquisition instrument of HJ 212-2017 or HJ/T 212-2005 that reports to an authority's platform: "
               "real-time, minute, hourly and daily data, sent until acknowledged; the past when it is asked for.",
    .help_zh = "作为 HJ 212-2017 或 HJ/T 212-2005 "
               "数采仪向环保平台上报实时、分钟、小时和日数据，未应答的自动补传，并响应历史数据提取。",
    .channel_options = channel_options,
    .point_options = point_options,
    .sender = true,
    .needs_address = true,
    .address_en =
        "Code of the pollutant or quantity: w01018, w00000, a21026 (also a21026-Rtd), in the unit of the standard's "
        "tables. a21026-ZsRtd is the converted value of the same pollutant. SB1-RS is the running state of equipment "
        "1. What the platform commands goes to writable points: cmd/3011/w01018 (zero and span; 3012 sample, 3013 "
        "clean, "
        "3014 compare, 3016 sampling period), set/w01018/i13004 (a parameter, 3021 and 3020). 3018/w01018 and "
        "3019/w01018 "
        "tell the time to a value and the serial number.",
    .address_zh =
        "污染因子编码：w01018、w00000、a21026（也可写 a21026-Rtd），单位按标准。a21026-ZsRtd 为同一因子的折算值。"
        "SB1-RS 为设备 1 的运行状态。平台下发的命令写入可写测点：cmd/3011/w01018（零点量程校准；3012 即时采样、3013 "
        "清洗反吹、"
        "3014 比对采样、3016 采样周期），set/w01018/i13004（参数，3021、3020）。3018/w01018、3019/w01018 "
        "为出样时间和设备唯一标识。",
    .examples = examples,
    .address_check = address_check,
    .channel_check = channel_check,
    .channel_open = hs_open,
    .channel_set = channel_set,
    .test = hs_test,
    .status = status,
    .peers = peers,
    .close = hs_close,
    .describe = hj212_frame_words,
    .wire_port = 9000,
};
