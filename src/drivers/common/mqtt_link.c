/* mqtt_link.c - the way of an MQTT client's bytes: a stream (TCP, TLS), or a WebSocket with the protocol "mqtt", whose
 * binary messages are pieces of the same stream (MQTT 5.0, 6). */
#include <stdio.h>
#include "drivers/common/mqtt_client_int.h"

static void on_ws_opened(void *ctx, struct ws *w)
{
    struct mc_link *l = ctx;
    (void)w;
    l->ops->stream->opened(l->ctx);
}

static void on_ws_message(void *ctx, bool text, struct str data)
{
    struct mc_link *l = ctx;
    struct error e;
    if (!text) {
        l->ops->stream->data(l->ctx, (const uint8_t *)data.p, data.n);
        return;
    }
    error_set(&e, ERR_PROTOCOL, "", "the broker sends text over the WebSocket; MQTT is binary",
              "代理通过 WebSocket 发送了文本；MQTT 应为二进制");
    l->ops->stream->lost(l->ctx, &e);
}

static void on_ws_lost(void *ctx, const struct error *why)
{
    struct mc_link *l = ctx;
    l->ops->stream->lost(l->ctx, why);
}

static void on_ws_drained(void *ctx)
{
    struct mc_link *l = ctx;
    l->ops->taken(l->ctx);
}

static int open_ws(struct mc_link *l, uv_loop_t *loop, const struct mqtt_client_config *c, size_t out_max,
                   struct error *e)
{
    static const struct ws_ops ops = {on_ws_opened, on_ws_message, on_ws_lost};
    struct ws_url url = {.tls = c->tls != NULL, .port = c->port};
    bool fits = str_to_cstr(str_of(c->host), url.host, sizeof url.host);
    if (!str_to_cstr(str_of(c->path), url.target, sizeof url.target) || !fits)
        return error_set(e, ERR_INVALID, "path", "host or path is too long", "主机名或路径过长");
    struct ws_client_config w = {.url = &url,
                                 .tls = c->tls,
                                 .protocol = "mqtt",
                                 .connect_ms = c->connect_ms,
                                 .limits = {.message_max = c->packet_max + 65536u, .out_max = out_max}};
    int rc = ws_client_open(loop, &w, &ops, l, &l->w, e);
    if (rc == 0) ws_on_drained(l->w, on_ws_drained);
    return rc;
}

int mc_link_open(struct mc_link *l, uv_loop_t *loop, const struct mqtt_client_config *c, size_t out_max,
                 const struct mc_link_ops *ops, void *ctx, struct error *e)
{
    struct tls_stream_config t = {
        .host = c->host, .port = c->port, .connect_ms = c->connect_ms, .tls = c->tls, .out_max = out_max};
    l->ops = ops;
    l->ctx = ctx;
    if (c->path) return open_ws(l, loop, c, out_max, e);
    int rc = tls_stream_open(loop, &t, ops->stream, ctx, &l->s, e);
    if (rc == 0) tls_stream_on_taken(l->s, ops->taken);
    return rc;
}

void mc_link_close(struct mc_link *l, void (*closed)(void *arg), void *arg)
{
    struct tls_stream *s = TAKE(l->s);
    struct ws *w = TAKE(l->w);
    if (s) tls_stream_close(s, closed, arg);
    if (w) ws_conn_close(w, 1000, "", closed, arg);
}

int mc_link_write(struct mc_link *l, const void *p, size_t n)
{
    return l->s ? tls_stream_write(l->s, p, n) : ws_send(l->w, false, p, n);
}

size_t mc_link_waiting(const struct mc_link *l)
{
    return l->s ? tls_stream_waiting(l->s) : l->w ? ws_waiting(l->w) : 0;
}

void mc_link_read(struct mc_link *l, bool on)
{
    if (l->s) tls_stream_read(l->s, on);
    if (l->w) ws_read(l->w, on);
}
