/* http_link.h - an HTTP API as a driver or an outlet uses it: option rows of the address, authentication, TLS and limits, and
 * a link that keeps them: calls wait for a free place (parallel), for the rate, for Retry-After, for an access token
 * (OAuth 2.0 client credentials, fetched when needed, again when it runs out or is refused).
 *
 * Threads   all on the loop's thread; nothing blocks.
 * Once      a call ends with exactly one `done`, from the loop, never inside http_link_ask; http_link_cancel takes it back.
 *           http_link_close completes all with ERR_CANCELLED, in there; `closed` comes from the loop.
 * Secrets   are never in frames, errors or logs. */
#pragma once
#include "bornite/driver.h"
#include "drivers/common/tls_options.h"
#include "io/http_multi.h"

extern const struct option_choice http_auths[], http_token_styles[];
#define HTTP_OPTION_URL \
    {.name = "url", .type = OPTION_STRING, .en = "Address", .zh = "地址", .required = true, .min = "8", .max = "1000", \
     .help_en = "https://host/path or http://10.0.0.7:8080/api; paths of requests are appended.", \
     .help_zh = "https://主机/路径 或 http://10.0.0.7:8080/api；请求路径接在其后。"}
#define HTTP_OPTION_AUTH \
    {.name = "auth", .type = OPTION_ENUM, .en = "Authentication", .zh = "认证方式", .def = "none", .choices = http_auths}, \
    {.name = "username", .type = OPTION_STRING, .en = "User name", .zh = "用户名", .max = "500", .show_if = "auth=basic", .required = true}, \
    {.name = "password", .type = OPTION_SECRET, .en = "Password", .zh = "密码", .max = "4096", .show_if = "auth=basic"}, \
    {.name = "token", .type = OPTION_SECRET, .en = "Token", .zh = "令牌", .max = "16384", .show_if = "auth=bearer", .required = true}, \
    {.name = "key_name", .type = OPTION_STRING, .en = "Name of the key", .zh = "密钥名称", .min = "1", .max = "100", .def = "X-API-Key", \
     .show_if = "auth=header|query", .help_en = "The header or the parameter that carries it.", .help_zh = "携带密钥的请求头或查询参数名。"}, \
    {.name = "key", .type = OPTION_SECRET, .en = "Key", .zh = "密钥", .max = "4096", .show_if = "auth=header|query", .required = true}, \
    {.name = "token_url", .type = OPTION_STRING, .en = "Address for tokens", .zh = "令牌地址", .max = "1000", .show_if = "auth=oauth2", .required = true}, \
    {.name = "client_id", .type = OPTION_STRING, .en = "Client identifier", .zh = "客户端标识", .max = "500", .show_if = "auth=oauth2", .required = true}, \
    {.name = "client_secret", .type = OPTION_SECRET, .en = "Client secret", .zh = "客户端密钥", .max = "4096", .show_if = "auth=oauth2", .required = true}, \
    {.name = "scope", .type = OPTION_STRING, .en = "Scope", .zh = "权限范围", .max = "1000", .show_if = "auth=oauth2"}, \
    {.name = "token_style", .type = OPTION_ENUM, .en = "Credentials are sent", .zh = "凭据的发送方式", .def = "basic", .choices = http_token_styles, \
     .show_if = "auth=oauth2"}
#define HTTP_OPTION_HEADERS \
    {.name = "headers", .type = OPTION_STRING, .en = "Headers", .zh = "请求头", .max = "4000", \
     .help_en = "Name: value, several separated by | or line breaks.", .help_zh = "名称: 值，多个用 | 或换行分隔。"}
#define HTTP_OPTION_TLS \
    TLS_OPTION_VERIFY("Verify the server's certificate", "校验服务器证书", NULL), TLS_OPTION_CA(NULL), TLS_OPTION_OWN(NULL, NULL, NULL)
#define HTTP_OPTION_LIMITS \
    {.name = "timeout", .type = OPTION_DURATION, .en = "Answer timeout", .zh = "应答超时", .def = "10s", .min = "50ms", .max = "10m"}, \
    {.name = "connect_timeout", .type = OPTION_DURATION, .en = "Connect timeout", .zh = "连接超时", .def = "5s", .min = "50ms", .max = "2m"}, \
    {.name = "parallel", .type = OPTION_INTEGER, .en = "Requests at a time", .zh = "并行请求数", .def = "4", .min = "1", .max = "32"}, \
    {.name = "rate", .type = OPTION_NUMBER, .en = "Requests per second", .zh = "每秒请求数", .min = "0.001", .max = "1000", \
     .help_en = "Empty: no limit.", .help_zh = "留空则不限。"}, \
    {.name = "answer_max", .type = OPTION_INTEGER, .en = "Largest answer", .zh = "最大应答", .def = "4194304", .min = "1024", .max = "67108864", .unit = "By"}
#define HTTP_OPTION_PROXY \
    {.name = "proxy", .type = OPTION_STRING, .en = "HTTP proxy", .zh = "HTTP 代理", .max = "500", \
     .help_en = "http://10.0.0.1:3128; https goes through it unread (CONNECT). Empty: straight.", \
     .help_zh = "http://10.0.0.1:3128；https 经 CONNECT 透传。留空则直接连接。"}, \
    {.name = "proxy_username", .type = OPTION_STRING, .en = "User name at the proxy", .zh = "代理用户名", .max = "500"}, \
    {.name = "proxy_password", .type = OPTION_SECRET, .en = "Password at the proxy", .zh = "代理密码", .max = "4096"}
#define HTTP_OPTIONS HTTP_OPTION_URL, HTTP_OPTION_AUTH, HTTP_OPTION_HEADERS, HTTP_OPTION_TLS, HTTP_OPTION_PROXY, HTTP_OPTION_LIMITS

struct http_link_host { /* out of a driver's or an outlet's host */
    uv_loop_t *loop;
    void *ctx;
    int64_t (*now_us)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);
    void (*frame)(void *ctx, const struct driver_frame *f); /* may be NULL */
    const bool *trace;                                      /* of the host */
};
struct http_link;
/* ERR_INVALID names the option in e->where. Options are copied. */
MUST_CHECK int http_link_new(const struct http_link_host *host, const struct options *o, struct http_link **ret, struct error *e);
/* The same check without a link: pure. */
MUST_CHECK int http_options_check(const struct options *o, struct error *e);
void http_link_close(struct http_link *l, void (*closed)(void *arg), void *arg); /* NULL: closed at once, in here */
const char *http_link_url(const struct http_link *l);

struct http_link_call {
    const char *method, *target;    /* target: appended to the address ("/v1/x?a=b"), or an address on the same host */
    const char *const *headers;     /* added to those of the options, replacing those of the same name; may be NULL */
    struct str body;
    bool once, urgent;              /* urgent: ahead of those that wait */
    uint64_t deadline_ns;           /* not sent after it: ERR_TIMEOUT, not sent; 0: none */
    uint32_t timeout_ms;            /* 0: of the options */
};
struct http_ticket;
/* ERR_INVALID (target), ERR_FORBIDDEN (another host), ERR_LIMIT (more than 10,000 wait), ERR_NOMEM. */
MUST_CHECK int http_link_ask(struct http_link *l, const struct http_link_call *c, http_done *done, void *arg, struct http_ticket **ret, struct error *e);
void http_link_cancel(struct http_ticket *t);
void http_link_drop_idle(struct http_link *l); /* no connection is kept when nothing is asked any more */
unsigned http_link_waiting(const struct http_link *l); /* not ended yet */
int64_t http_link_paused_ms(const struct http_link *l); /* until Retry-After is over; 0: not paused */
/* What is not 2xx as an error in words: ERR_UNAUTHENTICATED, ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_LIMIT (408, 429), ERR_INVALID
 * (other 4xx), ERR_UNAVAILABLE (5xx), ERR_PROTOCOL (others); 0 for 2xx. */
int http_reply_error(const struct http_reply *r, struct error *e);
/* Header lines "A: b|C: d": ERR_INVALID names the line. */
MUST_CHECK int http_headers_check(const char *lines, struct error *e);
/* driver->describe of frames of a link. */
void http_link_describe(const struct driver_frame *f, char *en, char *zh, size_t cap);
