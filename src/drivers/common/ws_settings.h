/* ws_settings.h - option rows of WebSockets and what they say: of a client (address, token, headers, TLS) and of a server
 * (port, token, who may connect, TLS); shared by the driver and the outlets. Pure. */
#pragma once
#include "base/arena.h"
#include "bornite/driver.h"
#include "drivers/common/http_link.h"
#include "drivers/common/rows.h"
#include "io/ip_list.h"
#include "io/ws_client.h"
#include "io/ws_server.h"

extern const struct option_choice ws_token_places[];
/* show: "mode=client", or NULL where there is no choice. */
#define WS_CLIENT_OPTIONS(show) \
    {.name = "url", .type = OPTION_STRING, .en = "Address", .zh = "地址", .required = true, .min = "6", .max = "1500", .show_if = show, \
     .help_en = "wss://host/path or ws://10.0.0.7:8080/stream", .help_zh = "wss://主机/路径 或 ws://10.0.0.7:8080/stream"}, \
    {.name = "token_as", .type = OPTION_ENUM, .en = "Token is sent as", .zh = "令牌的发送方式", .def = "header", .choices = ws_token_places, .show_if = show}, \
    {.name = "headers", .type = OPTION_STRING, .en = "Headers", .zh = "请求头", .max = "4000", .show_if = show, \
     .help_en = "Name: value, several separated by | or line breaks.", .help_zh = "名称: 值，多个用 | 或换行分隔。"}, \
    {.name = "protocol", .type = OPTION_STRING, .en = "Subprotocol", .zh = "子协议", .max = "60", .show_if = show}, \
    {.name = "subscribe", .type = OPTION_STRING, .en = "Messages after connecting", .zh = "连接后发送的消息", .max = "8000", .show_if = show, \
     .help_en = "One a line; what the server wants to hear first: {\"op\":\"subscribe\",\"channel\":\"tags\"}", \
     .help_zh = "每行一条；服务端要求先收到的消息：{\"op\":\"subscribe\",\"channel\":\"tags\"}"}, \
    {.name = "connect_timeout", .type = OPTION_DURATION, .en = "Connect timeout", .zh = "连接超时", .def = "10s", .min = "50ms", .max = "2m", .show_if = show}, \
    RECONNECT_OPTIONS("60s", show)
#define WS_SERVER_OPTIONS(show, own_port) \
    LISTEN_OPTION("address", show), \
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .def = own_port, .min = "0", .max = "65535", .show_if = show, \
     .help_en = "0: the system chooses.", .help_zh = "0 表示由系统选择。"}, \
    ALLOW_OPTION(show), \
    {.name = "connections_max", .type = OPTION_INTEGER, .en = "Connections at most", .zh = "最多连接数", .def = "100", .min = "1", .max = "1000", .show_if = show}
#define WS_COMMON_OPTIONS \
    {.name = "token", .type = OPTION_SECRET, .en = "Token", .zh = "令牌", .max = "1000", \
     .help_en = "As a client we send it; as a server we demand it (8 characters or more): Authorization: Bearer … or ?token=….", \
     .help_zh = "作为客户端时由本端发送；作为服务端时由对端出示（至少 8 个字符）：Authorization: Bearer … 或 ?token=…。"}, \
    {.name = "ping", .type = OPTION_DURATION, .en = "Ping after silence", .zh = "静默后探测", .def = "30s", .min = "1s", .max = "1h", \
     .help_en = "A peer that is silent two and a half times as long is lost.", .help_zh = "静默达 2.5 倍时长视为断线。"}, \
    {.name = "message_max", .type = OPTION_INTEGER, .en = "Longest message taken", .zh = "接收消息上限", .def = "1048576", .min = "1024", .max = "16777216", .unit = "By"}

struct ws_settings {
    bool server;
    struct arena arena;
    const char *token;
    struct ws_limits limits;
    /* client */
    struct ws_url url;
    const char *const *headers;
    const char *protocol, *subscribe;
    uint32_t connect_ms, reconnect_min_ms, reconnect_max_ms;
    struct tls_client *tls_client;
    /* server */
    const char *address;
    uint16_t port;
    struct ip_list allow;
    unsigned connections_max;
    struct tls_server *tls_server;
};
/* ERR_INVALID names the option in e->where. */
MUST_CHECK int ws_settings_init(struct ws_settings *s, const struct options *o, bool server, struct error *e);
MUST_CHECK int ws_options_check(const struct options *o, bool server, struct error *e); /* pure */
void ws_settings_fini(struct ws_settings *s);
struct ws_client_config ws_settings_client(const struct ws_settings *s);
struct ws_server_config ws_settings_server(const struct ws_settings *s);
bool ws_token_right(const struct ws_settings *s, const struct ws_request *q); /* takes as long whatever is wrong */
