/* http_sse.c - server-sent events (WHATWG HTML, 9.2): an answer without end, delimited by the close.
 *
 * A comment line every HTTP_WS_PING_S keeps proxies from closing a quiet stream and finds dead peers. */
#include "io/http_int.h"

void sse_start(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    if (x->head_only || !str_eq(x->q.method, STR("GET"))) {
        exchange_error(c, 405, "an event stream takes only GET");
        return;
    }
    x->keep_alive = false;
    x->status = 200;
    http_set_header(&x->r, "Cache-Control", STR("no-store"));
    http_set_header(&x->r, "X-Accel-Buffering", STR("no"));
    struct str head = response_head(x, -1, "text/event-stream", false);
    uv_buf_t b = uv_buf_init((char *)head.p, (unsigned)head.n);
    c->stream = head.p && !x->r.headers.err ? stream_new(c) : NULL;
    c->state = CONN_SSE;
    if (!c->stream)
        conn_close(c);
    else if (conn_write(c, &b, 1, true) == 0)
        stream_opened(c, 200);
}

static void add_field(struct buf *b, const char *name, const char *value)
{
    if (!value || !value[0]) return;
    buf_z(b, name);
    buf_z(b, value);
    buf_u8(b, '\n');
}

/* Line ends are CR LF, LF or CR to the reader, so each kind splits. */
static void add_data(struct buf *b, struct str data)
{
    size_t start = 0;
    for (size_t i = 0; i <= data.n; i++) {
        if (i < data.n && data.p[i] != '\n' && data.p[i] != '\r') continue;
        buf_z(b, "data: ");
        buf_add(b, data.p + start, i - start);
        buf_u8(b, '\n');
        if (i + 1 < data.n && data.p[i] == '\r' && data.p[i + 1] == '\n') i++;
        start = i + 1;
    }
    buf_u8(b, '\n');
}

static bool one_line(const char *z)
{
    return !z || !strpbrk(z, "\r\n");
}

int http_sse_send(struct http_stream *s, const char *event, const char *id, struct str data)
{
    if (!one_line(event) || !one_line(id)) return ERR_INVALID;
    struct buf b;
    buf_init(&b, 2 * s->out_max + 4096);
    add_field(&b, "event: ", event);
    add_field(&b, "id: ", id);
    add_data(&b, data);
    uv_buf_t out = uv_buf_init((char *)b.p, (unsigned)b.n);
    int err = b.err ? (b.err == ERR_TOO_LARGE ? ERR_LIMIT : b.err) : stream_send(s, &out, 1);
    buf_fini(&b);
    return err;
}

void sse_sweep(struct http_stream *s, uint64_t now)
{
    if (now - s->pinged_ns < HTTP_WS_PING_S * NS_PER_S) return;
    s->pinged_ns = now;
    uv_buf_t b = uv_buf_init((char *)":\n\n", 3);
    if (s->conn->queued == 0) stream_send(s, &b, 1);
}
