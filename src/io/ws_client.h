/* ws_client.h - WebSockets to others: ws_conn.h. */
#pragma once
#include "io/ws_conn.h"

struct ws_url {
    bool tls;
    char host[254];
    uint16_t port;
    char target[2048]; /* path and query */
};
/* "wss://host/path?query", "ws://10.0.0.7:8080". ERR_INVALID says what would be right; e->where is "url". */
MUST_CHECK int ws_url_parse(const char *url, struct ws_url *ret, struct error *e);

struct ws_client_config {
    const struct ws_url *url;
    const struct tls_client *tls;      /* with url->tls; must outlive the socket */
    const char *const *headers;        /* "Name: value", NULL-terminated; may be NULL */
    const char *protocol;              /* that is asked for, and must be chosen; NULL: none */
    uint32_t connect_ms;               /* until the server has answered; 0: 10 s */
    struct ws_limits limits;
};
/* All is copied but tls; *ops and ctx stay the caller's. A refusal of the server comes as lost: ERR_UNAUTHENTICATED (401),
 * ERR_FORBIDDEN (403), ERR_NOT_FOUND (404), else ERR_UNAVAILABLE or ERR_PROTOCOL, with its status. */
MUST_CHECK int ws_client_open(uv_loop_t *loop, const struct ws_client_config *c, const struct ws_ops *ops, void *ctx, struct ws **ret,
                              struct error *e);
