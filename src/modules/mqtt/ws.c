/* ws.c - MQTT over WebSocket (MQTT 5.0, section 6): /mqtt on the web server, subprotocol "mqtt", binary frames whose
 * bounds mean nothing. The stream lives on the web server's loop, the connection on ours: a pipe between them is
 * counted by both sides and by what is on its way. `c` is touched on our loop only, the stream on the other only. */
#include "base/mem.h"
#include "modules/mqtt/mqtt.h"

#define QUEUED_MAX (8u << 20) /* bytes that our loop has not taken yet */

struct pipe {
    atomic_uint refs;
    atomic_size_t queued;
    struct mqtt *m;
    struct conn *c;
    uint64_t stream;
    char peer[64];
    bool tls;
};
struct piece {
    struct pipe *p;
    struct buf b;
    size_t n;
};

static void unref(struct pipe *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1) mem_free(p);
}

static struct pipe *ref(struct pipe *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

static struct piece *piece_new(struct pipe *p)
{
    struct piece *x = mem_calloc(1, sizeof *x);
    if (x) x->p = ref(p);
    return x;
}

static void piece_free(struct piece *x)
{
    buf_fini(&x->b);
    unref(x->p);
    mem_free(x);
}

/* ---- to the web server ---- */

static void close_stream(struct http_stream *s, void *arg)
{
    if (s) http_stream_close(s, 1000, "");
    unref(arg);
}

static void end_stream(struct pipe *p)
{
    if (api_stream_post(p->m->node->api, p->stream, close_stream, ref(p))) unref(p);
}

static void sent(void *arg)
{
    struct piece *x = arg;
    if (x->p->c) mqtt_net_ws_drained(x->p->c, x->n);
    piece_free(x);
}

static void write_stream(struct http_stream *s, void *arg)
{
    struct piece *x = arg;
    x->n = x->b.n;
    if (s && http_ws_send(s, false, x->b.p, x->b.n)) http_stream_close(s, 1008, "too slow");
    if (loop_post(x->p->m->loop, sent, x)) piece_free(x);
}

void mqtt_ws_pipe_send(void *pipe, struct buf *out)
{
    struct piece *x = piece_new(pipe);
    size_t max = out->max;
    if (!x) return;
    x->b = *out;
    buf_init(out, max);
    if (api_stream_post(x->p->m->node->api, x->p->stream, write_stream, x)) piece_free(x);
}

/* The connection is over. */
void mqtt_ws_pipe_unref(void *pipe)
{
    struct pipe *p = pipe;
    p->c = NULL;
    end_stream(p);
    unref(p);
}

/* ---- from the web server ---- */

static void opened(void *arg)
{
    struct pipe *p = arg;
    p->c = mqtt_net_ws_open(p->m, p, p->peer, p->tls);
    if (p->c) return;
    end_stream(p);
    unref(p);
}

static void came(void *arg)
{
    struct piece *x = arg;
    atomic_fetch_sub(&x->p->queued, x->b.n);
    if (x->p->c) mqtt_net_ws_input(x->p->c, x->b.p, x->b.n);
    piece_free(x);
}

static void gone(void *arg)
{
    struct pipe *p = arg;
    if (p->c) mqtt_net_ws_gone(p->c);
    unref(p);
}

static void on_open(struct http_stream *s, struct http_request *q)
{
    struct api_call *call = q->route_ctx;
    struct pipe *p = mem_calloc(1, sizeof *p);
    if (!p) {
        http_stream_close(s, 1011, "out of memory");
        return;
    }
    p->m = call->module;
    p->stream = http_stream_id(s);
    p->tls = q->tls;
    memcpy(p->peer, q->peer, sizeof p->peer);
    atomic_store(&p->refs, 2); /* the stream's and the connection's */
    http_stream_set(s, p);
    if (loop_post(p->m->loop, opened, p)) {
        unref(p);
        http_stream_close(s, 1001, "the server stops");
    }
}

static void on_message(struct http_stream *s, bool text, struct str data)
{
    struct pipe *p = http_stream_user(s);
    struct piece *x = p && !text ? piece_new(p) : NULL;
    if (text || (p && atomic_load(&p->queued) > QUEUED_MAX)) {
        http_stream_close(s, text ? 1003 : 1008, text ? "MQTT comes in binary frames" : "too fast");
        if (x) piece_free(x);
        return;
    }
    if (!x) return;
    buf_init(&x->b, data.n ? data.n : 1);
    buf_str(&x->b, data);
    atomic_fetch_add(&p->queued, data.n);
    if (x->b.err || loop_post(p->m->loop, came, x)) piece_free(x);
}

static void on_close(struct http_stream *s)
{
    struct pipe *p = http_stream_user(s);
    if (!p) return;
    http_stream_set(s, NULL);
    if (loop_post(p->m->loop, gone, p)) unref(p);
}

const struct http_stream_ops mqtt_ws_ops = {
    .open = on_open, .message = on_message, .close = on_close, .protocol = "mqtt"};
