/* ws_server.h - a listening port that takes WebSockets and nothing else: ws_conn.h over tls_server.h. The owner decides on
 * each request before it is upgraded. Heads are read by http_parse.h; a head has 10 s and 16 KiB. */
#pragma once
#include "io/http_parse.h"
#include "io/tls_server.h"
#include "io/ws_conn.h"

struct ws_request {
    const struct http_head *head;
    struct str path, query;            /* decoded path, raw query */
    const char *host;                  /* of the peer */
    unsigned port;
    struct arena *arena;               /* of the request */
    struct ws *w;                      /* of who is let in: not to be used before opened, but to be closed when lost comes first */
};
struct str ws_request_header(const struct ws_request *q, const char *name); /* {NULL,0} when absent */
struct str ws_request_query(const struct ws_request *q, const char *name);  /* decoded; {NULL,0} when absent */
/* What follows "Bearer " in Authorization, or the parameter "token"; {NULL,0}: none. */
struct str ws_request_token(const struct ws_request *q);

struct ws_server_ops {
    struct ws_ops ws;
    /* 0: let in, *ret_ctx is the context of its callbacks; else a status (401, 403, 404, 503) that is answered. */
    int (*request)(void *ctx, const struct ws_request *q, void **ret_ctx);
};
struct ws_server_config {
    const char *address;               /* an IP address */
    uint16_t port;                     /* 0: the system chooses */
    const struct tls_server *tls;      /* NULL: plain; must outlive server and sockets */
    const struct ip_list *allow;       /* NULL or empty: everybody */
    unsigned connections_max;          /* 0: 100; more are answered 503 */
    struct ws_limits limits;
};
struct ws_server;
MUST_CHECK int ws_server_open(uv_loop_t *loop, const struct ws_server_config *c, const struct ws_server_ops *ops, void *ctx,
                              struct ws_server **ret, struct error *e);
unsigned ws_server_port(const struct ws_server *s);
/* No more are taken; sockets that are open are the owner's to close (before or after); `closed` comes from the loop. */
void ws_server_close(struct ws_server *s, void (*closed)(void *arg), void *arg);
