/* rows.h - option rows that many drivers and outlets have, with one name, one range and one text each. */
#pragma once
#include "bornite/driver.h"
#include "drivers/common/poll.h"

/* Reads as reconnect_of. `longest`: the default of the longest wait. */
#define RECONNECT_OPTIONS(longest, shown) \
    {.name = "reconnect_min", .type = OPTION_DURATION, .en = "First wait before reconnecting", .zh = "首次重连等待", .def = "1s", \
     .min = "10ms", .max = "60s", .show_if = shown}, \
    {.name = "reconnect_max", .type = OPTION_DURATION, .en = "Longest wait before reconnecting", .zh = "最长重连等待", .def = longest, \
     .min = "10ms", .max = "10m", .show_if = shown}
#define HOST_OPTION(title_en, title_zh, shown, hint_en, hint_zh) \
    {.name = "host", .type = OPTION_STRING, .en = title_en, .zh = title_zh, .required = true, .min = "1", .max = "253", \
     .show_if = shown, .help_en = hint_en, .help_zh = hint_zh}
#define LISTEN_OPTION(id, shown) \
    {.name = id, .type = OPTION_STRING, .en = "Listen on", .zh = "监听地址", .def = "0.0.0.0", .max = "60", .show_if = shown, \
     .help_en = "IP address of this machine; 0.0.0.0: all, :: : all, IPv6 too.", .help_zh = "本机 IP 地址；0.0.0.0 表示全部，:: 表示含 IPv6 的全部。"}
#define ALLOW_OPTION(shown) \
    {.name = "allow", .type = OPTION_STRING, .en = "Who may connect", .zh = "允许的地址", .max = "2000", .show_if = shown, \
     .help_en = "Addresses and networks, 10.0.0.7, 10.1.0.0/16; empty: everybody.", .help_zh = "地址和网段，如 10.0.0.7, 10.1.0.0/16；留空则不限。"}

/* A longest wait that is shorter than the first one counts as that. */
static inline struct backoff reconnect_of(const struct options *o, uint32_t longest_ms)
{
    struct backoff b = {.min_ms = (uint32_t)opt_ms(o, "reconnect_min", 1000), .max_ms = (uint32_t)opt_ms(o, "reconnect_max", longest_ms)};
    if (b.max_ms < b.min_ms) b.max_ms = b.min_ms;
    return b;
}
