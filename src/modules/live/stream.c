/* stream.c - GET /api/v1/stream: live values over one WebSocket a tab.
 *
 * The client sets its subscription ({"op":"set","points":[…],"interval_ms":1000}); a timer on the
 * connection's loop then looks at the current value of each point (lock-free) and sends those whose
 * time or quality differs from what was sent last, as one binary frame (form: docs/api.md). A reader
 * that is too slow gets nothing more until its queue has drained: current values, so nothing is lost
 * that a later frame does not bring. A second timer asks every second which of the points the owner may
 * still see, hides the others, and closes the stream when there are none. All of this runs on the connection's loop
 * only. */
#include <uv.h>
#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "model/ts_text.h"
#include "modules/live/live.h"

#define STREAM_MAGIC 0x31534e42u
#define HEAD 16
#define MESSAGE_ARENA (8u << 20)
#define QUEUE_HIGH (1u << 20)
#define GUARD_MS 1000
#define CLOSE_SIGNED_OUT 4401 /* WebSocket close code */

METRIC(m_streams, METRIC_GAUGE, "bornite_live_streams", "Open live streams.");
METRIC(m_frames, METRIC_COUNTER, "bornite_live_frames_total", "Frames sent on live streams.");
METRIC(m_skipped, METRIC_COUNTER, "bornite_live_skipped_total", "Frames left out because the reader was slow.");

struct followed {
    uint32_t num;
    bool hidden; /* not, or no longer, for its eyes */
    struct sample sent;
};

struct stream {
    struct node *node;
    struct http_stream *s;
    uv_timer_t timer, guard;
    unsigned handles; /* not yet closed */
    struct api *api;
    struct api_ticket ticket;
    struct followed *points;
    size_t npoints;
    struct buf frame;
};

static void say_error(struct stream *st, const char *text, const char *text_zh)
{
    struct buf b;
    buf_init(&b, 4096);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kz(&w, "op", "error");
    jw_kz(&w, "detail", text);
    jw_kz(&w, "detail_zh", text_zh);
    jw_end(&w);
    (void)!http_ws_send(st->s, true, b.p, b.n);
    buf_fini(&b);
}

static bool differs(const struct sample *a, const struct sample *b)
{
    return a->time_us != b->time_us || a->quality != b->quality || a->flags != b->flags || a->v.u != b->v.u ||
           a->type != b->type;
}

/* What a text is called in the frames. Clients keep keys as doubles; ids of blobs have 63 bits. */
static uint64_t text_key(const struct sample *s)
{
    const uint64_t bit = UINT64_C(1) << 52;
    return s->type == SAMPLE_BLOB ? (s->v.u & (bit - 1)) | bit : s->v.u;
}

/* Texts of string values that this frame needs go ahead of it. */
static void send_strings(struct stream *st, const struct sample *s, size_t n)
{
    struct buf b;
    buf_init(&b, 4u << 20);
    struct json_writer w = json_writer(&b);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        char text[4096], id[24];
        if (!sample_is_text(&s[i]) || !live_text(st->node, &s[i], text, sizeof text)) continue;
        if (found++ == 0) {
            jw_object(&w);
            jw_kz(&w, "op", "strings");
            jw_key(&w, STR("items"));
            jw_object(&w);
        }
        snprintf(id, sizeof id, "%llu", (unsigned long long)text_key(&s[i]));
        jw_kz(&w, id, text);
    }
    if (found) {
        jw_end(&w);
        jw_end(&w);
        (void)!http_ws_send(st->s, true, b.p, b.n);
    }
    buf_fini(&b);
}

/* To who follows, a blob is a text that says what it is. */
static void blobs_to_texts(struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s[i].v.u = s[i].type == SAMPLE_BLOB ? text_key(&s[i]) : s[i].v.u;
        if (s[i].type == SAMPLE_BLOB) s[i].type = SAMPLE_STRING;
    }
}

static void send_frame(struct stream *st)
{
    if (http_stream_queued(st->s) > QUEUE_HIGH) {
        metric_add(&m_skipped, 1);
        return;
    }
    struct buf *f = &st->frame;
    buf_clear(f);
    buf_u32le(f, STREAM_MAGIC);
    buf_u32le(f, 0);
    buf_u64le(f, (uint64_t)clock_now_us(st->node->clock));
    for (size_t i = 0; i < st->npoints; i++) {
        struct followed *p = &st->points[i];
        struct sample now;
        if (p->hidden || !bus_current(st->node->bus, p->num, &now) || !differs(&now, &p->sent)) continue;
        p->sent = now;
        buf_add(f, &now, sizeof now);
    }
    if (f->err || f->n == HEAD) return;
    uint32_t count = (uint32_t)((f->n - HEAD) / sizeof(struct sample));
    memcpy(f->p + 4, &count, sizeof count);
    send_strings(st, (const struct sample *)(const void *)(f->p + HEAD), count);
    blobs_to_texts((struct sample *)(void *)(f->p + HEAD), count);
    (void)!http_ws_send(st->s, false, f->p, f->n);
    metric_add(&m_frames, 1);
}

static void on_timer(uv_timer_t *t)
{
    send_frame(t->data);
}

/* Which of the points its owner may see now; false: none any more. */
static bool look_again(struct stream *st)
{
    struct point_view v;
    if (!api_ticket_points(st->api, &st->ticket, ACT_READ, &v)) return false;
    for (size_t i = 0; i < st->npoints; i++) st->points[i].hidden = !point_view_has(&v, st->points[i].num);
    point_view_close(&v);
    return true;
}

static void on_guard(uv_timer_t *t)
{
    struct stream *st = t->data;
    if (look_again(st)) return;
    uv_timer_stop(&st->timer);
    uv_timer_stop(&st->guard);
    http_stream_close(st->s, CLOSE_SIGNED_OUT, "signed out");
}

static void keep_sent(struct followed *fresh, size_t n, const struct followed *old, size_t nold)
{
    for (size_t i = 0, k = 0; i < n; i++) { /* cheap for the usual case: the same order */
        while (k < nold && old[k].num != fresh[i].num) k++;
        if (k == nold) return;
        fresh[i].sent = old[k].sent;
    }
}

static void set_points(struct stream *st, const struct json *points, int64_t interval_ms)
{
    size_t n = json_count(points);
    if (!points || points->type != JSON_ARRAY || n > LIMIT_STREAM_POINTS) {
        say_error(st, "'points' must be an array of at most 20000 point numbers",
                  "points 必须是不超过 20000 个测点编号的数组");
        return;
    }
    struct followed *fresh = mem_calloc(n ? n : 1, sizeof *fresh);
    if (!fresh) return;
    size_t i = 0;
    for
        json_each (it, points) fresh[i++].num = (uint32_t)json_i64(it, 0);
    keep_sent(fresh, n, st->points, st->npoints);
    mem_free(st->points);
    st->points = fresh;
    st->npoints = n;
    for (i = 0; i < n; i++) fresh[i].hidden = true;
    (void)look_again(st); /* the guard closes the stream if need be */
    if (interval_ms < 100) interval_ms = 100;
    if (interval_ms > 60000) interval_ms = 60000;
    uv_timer_start(&st->timer, on_timer, 0, (uint64_t)interval_ms);
}

static void on_message(struct http_stream *s, bool text, struct str data)
{
    struct stream *st = http_stream_user(s);
    AUTO_ARENA a;
    arena_init(&a, MESSAGE_ARENA);
    struct json *m;
    if (!st) return;
    if (!text || json_parse(&a, data, &m, NULL)) {
        say_error(st, "messages are JSON texts", "消息必须是 JSON 文本");
        return;
    }
    struct str op = json_str(json_get(m, "op"), STR(""));
    if (str_is(op, "set"))
        set_points(st, json_get(m, "points"), json_i64(json_get(m, "interval_ms"), 1000));
    else if (str_is(op, "ping"))
        (void)!http_ws_send(s, true, "{\"op\":\"pong\"}", 13);
    else
        say_error(st, "'op' must be set or ping", "op 必须是 set 或 ping");
}

static void on_open(struct http_stream *s, struct http_request *q)
{
    struct api_call *c = q->route_ctx;
    struct live_ctx *l = c->module;
    struct stream *st = mem_calloc(1, sizeof *st);
    if (!st) {
        http_stream_close(s, 1011, "out of memory");
        return;
    }
    st->node = l->node;
    st->s = s;
    st->api = c->api;
    api_ticket_take(c, &st->ticket);
    buf_init(&st->frame, HEAD + LIMIT_STREAM_POINTS * sizeof(struct sample));
    uv_timer_init(loop_uv(http_stream_loop(s)), &st->timer);
    st->timer.data = st;
    uv_timer_init(loop_uv(http_stream_loop(s)), &st->guard);
    st->guard.data = st;
    uv_timer_start(&st->guard, on_guard, GUARD_MS, GUARD_MS);
    st->handles = 2;
    http_stream_set(s, st);
    metric_add(&m_streams, 1);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct stream *st = h->data;
    if (--st->handles) return;
    buf_fini(&st->frame);
    mem_free(st->points);
    mem_free(st);
}

static void on_close(struct http_stream *s)
{
    struct stream *st = http_stream_user(s);
    if (!st) return;
    http_stream_set(s, NULL);
    metric_add(&m_streams, -1);
    uv_close((uv_handle_t *)&st->timer, on_timer_closed);
    uv_close((uv_handle_t *)&st->guard, on_timer_closed);
}

const struct http_stream_ops live_stream_ops = {.open = on_open, .message = on_message, .close = on_close};
