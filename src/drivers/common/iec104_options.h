/* iec104_options.h - option rows that both ends of IEC 60870-5-104 have (the driver's channels and devices, the outlet's
 * forwardings), and what they say: link, addresses, time zone. */
#pragma once
#include "bornite/driver.h"
#include "proto/iec104_address.h"
#include "proto/iec104_link.h"
#include "proto/iec104_zone.h"

extern const struct option_choice iec104_command_types[], iec104_setpoint_types[];

#define IEC104_OPTION_BASE(id, title_en, title_zh, address, least) \
    {.name = id, .type = OPTION_INTEGER, .en = title_en, .zh = title_zh, .def = address, .min = least, .max = "16777215"}
#define IEC104_OPTION_BASES(least) \
    IEC104_OPTION_BASE("base_yx", "First address of states (yx)", "遥信起始地址", "1", least), \
    IEC104_OPTION_BASE("base_yc", "First address of measured values (yc)", "遥测起始地址", "16385", least), \
    IEC104_OPTION_BASE("base_yk", "First address of commands (yk)", "遥控起始地址", "24577", least), \
    IEC104_OPTION_BASE("base_yt", "First address of set-points (yt)", "遥调起始地址", "25089", least), \
    IEC104_OPTION_BASE("base_ym", "First address of counters (ym)", "遥脉（电度）起始地址", "25601", least)
#define IEC104_OPTION_TYPES \
    {.name = "yk_type", .type = OPTION_ENUM, .en = "Type of commands (yk)", .zh = "遥控类型", .def = "single", .choices = iec104_command_types}, \
    {.name = "yt_type", .type = OPTION_ENUM, .en = "Type of set-points (yt)", .zh = "遥调类型", .def = "float", .choices = iec104_setpoint_types}
#define IEC104_OPTION_ZONE(title_en, title_zh) \
    {.name = "time_zone", .type = OPTION_STRING, .en = title_en, .zh = title_zh, .def = "+08:00", .min = "1", .max = "60", \
     .help_en = "An offset such as +08:00, UTC, or a name such as Asia/Shanghai.", .help_zh = "偏移（如 +08:00）、UTC，或名称（如 Asia/Shanghai）。"}
#define IEC104_OPTION_WINDOW \
    {.name = "k", .type = OPTION_INTEGER, .en = "k: frames in flight", .zh = "k：未确认帧上限", .def = "12", .min = "1", .max = "127"}, \
    {.name = "w", .type = OPTION_INTEGER, .en = "w: acknowledge after", .zh = "w：最迟确认帧数", .def = "8", .min = "1", .max = "127", \
     .help_en = "At most two thirds of the other side's k.", .help_zh = "不应超过对方 k 的三分之二。"}
#define IEC104_OPTION_TIMES \
    {.name = "t1", .type = OPTION_DURATION, .en = "t1: awaiting a confirmation", .zh = "t1：等待确认", .def = "15s", .min = "50ms", .max = "255s"}, \
    {.name = "t2", .type = OPTION_DURATION, .en = "t2: acknowledge after", .zh = "t2：最迟确认", .def = "10s", .min = "10ms", .max = "255s", \
     .help_en = "Shorter than t1; at most two thirds of t1 count.", .help_zh = "须短于 t1，最多按 t1 的三分之二计。"}, \
    {.name = "t3", .type = OPTION_DURATION, .en = "t3: test frame after silence", .zh = "t3：空闲测试", .def = "20s", .min = "50ms", .max = "48h"}

/* controlling is left false; t2 is at most two thirds of t1. */
struct iec104_link_config iec104_link_of(const struct options *o);
/* Times that exclude each other (IEC 60870-5-104:2006, 5.2: t2 < t1). A t2 left at its default follows t1. */
MUST_CHECK int iec104_times_check(const struct options *o, struct error *e);
/* common_address, bases, yk_type, yt_type; stamp is left false. */
struct iec104_rules iec104_rules_of(const struct options *o);
/* Zones with a name are small files. ret is zone_fini's. */
MUST_CHECK int iec104_zone_of(const struct options *o, struct iec104_zone *ret, struct error *e);
