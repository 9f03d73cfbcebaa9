/* mqtt_options.h - the options of a connection to an MQTT broker: one set of rows for all that are clients of one, and
 * what they say as a mqtt_client_config. */
#pragma once
#include "base/arena.h"
#include "bornite/driver.h"
#include "drivers/common/mqtt_client.h"
#include "drivers/common/rows.h"
#include "drivers/common/tls_options.h"

extern const struct option_choice mqtt_versions[], mqtt_transports[];
#define MQTT_OPTION_HOST \
    HOST_OPTION("Broker", "代理地址", NULL, "IP address or name.", "IP 地址或名称。"), \
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .min = "1", .max = "65535", \
     .help_en = "Empty: 1883, with TLS 8883; WebSocket: 8083, with TLS 8084.", \
     .help_zh = "留空为 1883，TLS 为 8883；WebSocket 为 8083，TLS 为 8084。"}, \
    {.name = "transport", .type = OPTION_ENUM, .en = "Transport", .zh = "传输方式", .def = "tcp", .choices = mqtt_transports}, \
    {.name = "path", .type = OPTION_STRING, .en = "Path", .zh = "路径", .def = "/mqtt", .min = "1", .max = "1000", \
     .show_if = "transport=websocket"}
#define MQTT_OPTION_SESSION \
    {.name = "version", .type = OPTION_ENUM, .en = "Version", .zh = "协议版本", .def = "3.1.1", .choices = mqtt_versions}, \
    {.name = "client_id", .type = OPTION_STRING, .en = "Client identifier", .zh = "客户端标识", .max = "200", \
     .help_en = "Must be unique at the broker. Empty: made from the name of this configuration.", \
     .help_zh = "在代理上必须唯一；留空则由本配置的编码生成。"}, \
    {.name = "username", .type = OPTION_STRING, .en = "User name", .zh = "用户名", .max = "500"}, \
    {.name = "password", .type = OPTION_SECRET, .en = "Password", .zh = "密码", .max = "4096"}, \
    {.name = "keep_alive", .type = OPTION_DURATION, .en = "Keep alive", .zh = "保活时间", .def = "60s", .min = "1s", .max = "18h"}, \
    {.name = "connect_timeout", .type = OPTION_DURATION, .en = "Connect timeout", .zh = "连接超时", .def = "10s", .min = "50ms", \
     .max = "2m"}, \
    {.name = "answer_timeout", .type = OPTION_DURATION, .en = "Answer timeout", .zh = "应答超时", .def = "30s", .min = "50ms", \
     .max = "10m"}, \
    {.name = "packet_max", .type = OPTION_INTEGER, .en = "Longest message", .zh = "最大报文", .def = "1048576", .min = "1024", \
     .max = "67108864", .unit = "By"}, \
    RECONNECT_OPTIONS("3s", NULL)
/* A session that goes on over connections; for those that may. */
#define MQTT_OPTION_KEEP \
    {.name = "clean_start", .type = OPTION_BOOLEAN, .en = "Clean start", .zh = "清除会话", .def = "false", \
     .help_en = "No: the broker keeps messages of QoS 1 and 2 while we are away.", \
     .help_zh = "关闭时，断线期间代理会保留 QoS 1、2 的消息。"}, \
    {.name = "session_expiry", .type = OPTION_DURATION, .en = "Session kept for", .zh = "会话保留时间", .def = "1d", .min = "1s", \
     .max = "365d", .show_if = "clean_start=false", .help_en = "MQTT 5.0 only.", .help_zh = "仅 MQTT 5.0。"}
#define MQTT_OPTION_TLS \
    TLS_CLIENT_OPTIONS("Verify the broker's certificate", "校验代理的证书", "Name in the broker's certificate", "代理证书中的名称", NULL, NULL)
/* All rows of a connection, for inside a table. */
#define MQTT_OPTIONS MQTT_OPTION_HOST, MQTT_OPTION_SESSION, MQTT_OPTION_KEEP, MQTT_OPTION_TLS

/* What the rows say: c's texts and tls belong to it. c.will is the owner's to set. */
struct mqtt_settings {
    struct mqtt_client_config c;
    struct backoff backoff;
    bool made_id; /* the client id is ours, not given */
    struct arena arena;
};
#define MQTT_ID_MAX 256
/* The configuration of a connection that only tests, reads or browses: with an id that we made it gets one of its own and a
 * clean start, so that it neither takes over nor leaves a session. */
struct mqtt_client_config mqtt_settings_temporary(const struct mqtt_settings *s, uint64_t random, char id[MQTT_ID_MAX]);
/* name: of the configuration, for the client id when none is given ("bornite-NAME"). ERR_INVALID names the option. */
MUST_CHECK int mqtt_settings_new(const struct options *o, const char *name, struct mqtt_settings **ret, struct error *e);
/* The same checks without a session: pure. */
MUST_CHECK int mqtt_options_check(const struct options *o, struct error *e);
/* How long to wait before the next try after that loss: the back-off; ten times its longest after a refusal of user or rights,
 * which brokers may take for an attack. */
uint32_t mqtt_settings_wait_ms(struct mqtt_settings *s, const struct error *why, uint64_t random);
void mqtt_settings_free(struct mqtt_settings *s); /* NULL too; after the client has no connection any more */
/* A packet of a session of these settings, for the host's trace. */
static inline struct driver_frame mqtt_frame_of(const struct mqtt_settings *s, int64_t time_us, bool sent, const uint8_t *p, size_t n,
                                                const struct error *e)
{
    return (struct driver_frame){.time_us = time_us, .dir = sent ? DRIVER_TX : DRIVER_RX, .format = s->c.version, .bytes = p, .n = n, .error = e};
}
