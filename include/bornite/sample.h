/* bornite/sample.h - a value of a point at a time. Public: the driver SDK and everything inside use it.
 *
 * 24 bytes, plain data, host byte order in memory. (point, time_us) is the key: a later write of the
 * same key replaces the earlier one. Quality travels with every sample and is stored. */
#pragma once
#include <stdint.h>

enum sample_type {
    SAMPLE_NONE = 0,   /* no value (bad quality only) */
    SAMPLE_DOUBLE = 1, /* v.d */
    SAMPLE_INT = 2,    /* v.i */
    SAMPLE_BOOL = 3,   /* v.i is 0 or 1 */
    SAMPLE_STRING = 4, /* v.u is the id of an interned string (model/sink.h) */
    SAMPLE_BLOB = 5,   /* v.u is the id of a blob: a waveform, a picture (model/tsstore.h) */
};

enum quality { QUALITY_GOOD = 0, QUALITY_UNCERTAIN = 1, QUALITY_BAD = 2 };

/* Why the quality is not good (or how a good value came about); the low 8 bits of `flags`.
 *    name            number  English                       Chinese */
#define QUALITY_REASONS(X)                                                                         \
    X(NONE,               0, "",                            "")                                    \
    X(COMM_FAILURE,       1, "communication failure",       "通讯故障")                            \
    X(NOT_CONNECTED,      2, "not connected",               "未连接")                              \
    X(DEVICE_FAILURE,     3, "device failure",              "设备故障")                            \
    X(SENSOR_FAILURE,     4, "sensor fault",                "传感器故障")                          \
    X(OUT_OF_RANGE,       5, "out of range",                "超量程")                              \
    X(STALE,              6, "stale",                       "数据陈旧")                            \
    X(CONFIG_ERROR,       7, "configuration error",         "配置错误")                            \
    X(DEVICE_EXCEPTION,   8, "refused by the device",       "设备异常应答")                        \
    X(NOT_A_NUMBER,       9, "not a number",                "非数值")                              \
    X(MANUAL,            10, "manual entry",                "人工录入")                            \
    X(SUBSTITUTED,       11, "substituted",                 "替代值")                              \
    X(NO_DATA,           12, "no data",                     "无数据")                              \
    X(OUT_OF_SERVICE,    13, "out of service",              "停用")                                \
    X(LAST_KNOWN,        14, "last known value",            "最后已知值")                          \
    X(SHUTDOWN,          15, "collection stopped",          "采集停止")
enum quality_reason {
#define X(name, number, en, zh) REASON_##name = (number),
    QUALITY_REASONS(X)
#undef X
};
#define SAMPLE_REASON_MASK 0x00ff
#define SAMPLE_FLAG_BACKFILL 0x0100    /* came late, from a buffer */
#define SAMPLE_FLAG_SOURCE_TIME 0x0200 /* time given by the device, not by us */
#define SAMPLE_FLAG_HEARTBEAT 0x0400   /* unchanged value kept because the maximum interval ran out */

struct sample {
    int64_t time_us;  /* UTC, microseconds since 1970 */
    uint32_t point;   /* dense id, >= 1 */
    uint8_t type;     /* enum sample_type */
    uint8_t quality;  /* enum quality */
    uint16_t flags;   /* SAMPLE_REASON_MASK | SAMPLE_FLAG_... */
    union {
        double d;
        int64_t i;
        uint64_t u;
    } v;
};
_Static_assert(sizeof(struct sample) == 24, "sample is 24 bytes");
