/* stream.c - GET /api/v1/history/stream: queries of history over one WebSocket, one after another.
 *
 * A query is opened and stepped on a worker (SQL, disk); what a step gave goes to the stream on its loop; then the
 * next step is asked for, but not before the reader has taken most of what was sent. So a query holds one step of
 * answer in memory and one worker only while it works. Run and answer of a query (struct asked) belong to whoever has
 * it: the loop between steps, a worker during one; the query itself is counted, as the stream may close meanwhile.
 * Cancelling takes effect between two steps. Up to WAITING queries wait for the one that runs.
 *
 * Every second the owner's right to read points is asked for again; it is looked at for each point when a query
 * opens. */
#include <stdatomic.h>
#include <uv.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/auth/auth.h"
#include "modules/history/answer_frames.h"
#include "modules/history/doors.h"
#include "modules/history/history.h"
#include "modules/history/run.h"

#define WAITING 16
#define MESSAGE_MAX (1u << 20)
#define MESSAGE_ARENA (8u << 20)
#define QUEUE_HIGH \
    (1u << 20)             /* bytes that wait for the reader: no more until it has drained (a quarter of its maximum) */
#define PIECE (256u << 10) /* of answer that a worker makes before it goes home */
#define GUARD_MS 1000
#define CLOSE_SIGNED_OUT 4401

METRIC(m_streams, METRIC_GAUGE, "bornite_history_streams", "Open streams of history queries.");
METRIC(m_queries, METRIC_COUNTER, "bornite_history_stream_queries_total", "Queries asked on streams.");

struct asked {        /* a query */
    atomic_uint refs; /* the stream's and a worker's */
    struct node *node;
    uint64_t stream;
    struct api_ticket ticket;
    bool zh;
    char *id, *text; /* as JSON; the message */
    size_t text_n;
    atomic_bool cancelled;
    struct run *run;
    struct answer *answer;
    size_t sent; /* of the answer's frames */
    int state;   /* of the last step: 1 more, 0 done, negative */
    struct error why;
    struct asked *next;
};

struct stream {
    struct node *node;
    struct pool *pool;
    struct api *api;
    struct http_stream *s;
    struct api_ticket ticket;
    bool zh;
    uv_timer_t guard;
    struct asked *running, *waiting; /* waiting: oldest first */
    size_t nwaiting;
    bool held; /* the running one waits for the reader */
};

/* ---- frames of our own ---- */

static void send_frame(struct stream *st, struct buf *b)
{
    if (!b->err) (void)!http_ws_send(st->s, true, b->p, b->n);
    buf_fini(b);
}

static struct json_writer open_frame(struct buf *b, const char *op, const char *id)
{
    buf_init(b, 64 << 10);
    struct json_writer w = json_writer(b);
    jw_object(&w);
    jw_kz(&w, "op", op);
    if (id) {
        jw_key(&w, STR("id"));
        jw_raw(&w, str_of(id));
    }
    return w;
}

static void say(struct stream *st, const char *op, const char *id)
{
    struct buf b;
    struct json_writer w = open_frame(&b, op, id);
    jw_end(&w);
    send_frame(st, &b);
}

static void say_error(struct stream *st, const char *id, const struct error *e)
{
    struct buf b;
    struct json_writer w = open_frame(&b, "error", id);
    jw_kz(&w, "code", error_name(e->code));
    jw_kz(&w, "where", e->where);
    jw_kz(&w, "detail", st->zh && e->text_zh[0] ? e->text_zh : e->text[0] ? e->text : error_title(e->code));
    jw_end(&w);
    send_frame(st, &b);
}

static void say_done(struct stream *st, const struct asked *q)
{
    struct buf b;
    struct json_writer w = open_frame(&b, "done", q->id);
    jw_ki64(&w, "samples", (int64_t)run_samples(q->run));
    jw_end(&w);
    send_frame(st, &b);
}

/* ---- on a worker ---- */

static void asked_put(struct asked *q)
{
    if (atomic_fetch_sub(&q->refs, 1) != 1) return;
    answer_free(q->answer);
    run_free(q->run);
    mem_free(q->id);
    mem_free(q->text);
    mem_free(q);
}

static void home(struct http_stream *s, void *arg);

static int open_query(struct asked *q, struct error *e)
{
    AUTO_ARENA a;
    struct principal who;
    struct json *body;
    arena_init(&a, MESSAGE_ARENA);
    if (auth_by_key(api_auth(q->node->api), &a, q->ticket.key, q->ticket.session, &who))
        return error_set(e, ERR_UNAUTHENTICATED, "", "the session has ended", "会话已结束");
    int err = json_parse(&a, str_make(q->text, q->text_n), &body, e);
    if (err) return err;
    char kind[32];
    str_to_cstr(json_str(json_get(body, "kind"), STR("recorded")), kind, sizeof kind);
    struct run_caller by = {.node = q->node, .actor = &who.actor, .zh = q->zh, .max_points = LIMIT_QUERY_POINTS_POST};
    struct params p = {.body = body, .a = &a};
    err = run_open(&by, kind, &p, &q->run, e);
    if (!err) err = answer_new(&answer_frames, run_head(q->run), q->node->history, &q->answer);
    if (err) return err;
    answer_frames_id(q->answer, str_of(q->id));
    q->answer->ops->begin(q->answer);
    return 0;
}

static int step_query(struct asked *q, struct error *e)
{
    int state = q->run ? 1 : open_query(q, e);
    if (state < 0) return state;
    do {
        state = run_step(q->run, q->answer, e);
        if (q->answer->out.err) state = error_set(e, q->answer->out.err, "", "the answer is too large", "结果过大");
    } while (state > 0 && q->answer->out.n < PIECE && !atomic_load(&q->cancelled));
    if (state == 0) q->answer->ops->end(q->answer);
    return state;
}

static void work(void *arg)
{
    struct asked *q = arg;
    q->state = atomic_load(&q->cancelled) ? ERR_CANCELLED : step_query(q, &q->why);
    if (q->state < 0 && !q->why.code) q->why.code = q->state;
    if (api_stream_post(q->node->api, q->stream, home, q)) asked_put(q);
}

/* ---- on the loop ---- */

static void run_next(struct stream *st);

static void end_query(struct stream *st)
{
    asked_put(st->running);
    st->running = NULL;
    st->held = false;
    run_next(st);
}

static void step_on(struct stream *st)
{
    struct error e = {0};
    st->held = false;
    atomic_fetch_add(&st->running->refs, 1);
    if (pool_submit(st->pool, work, st->running) == 0) return;
    asked_put(st->running);
    error_set(&e, ERR_AGAIN, "", "too many queries at once; ask again", "查询过多，请重试");
    say_error(st, st->running->id, &e);
    end_query(st);
}

static void run_next(struct stream *st)
{
    if (st->running || !st->waiting) return;
    st->running = st->waiting;
    st->waiting = st->waiting->next;
    st->nwaiting--;
    step_on(st);
}

/* Frames of the last step while the reader takes them. 1: some are left, 0: none, negative: the stream takes no more.
 */
static int send_frames(struct stream *st, struct asked *q)
{
    struct str frame;
    if (!q->answer) return 0;
    while (http_stream_queued(st->s) <= QUEUE_HIGH) {
        if (!answer_frames_next(&q->answer->out, &q->sent, &frame)) {
            buf_clear(&q->answer->out);
            q->sent = 0;
            return 0;
        }
        int err = http_ws_send(st->s, true, frame.p, frame.n);
        if (err) return err;
    }
    return 1;
}

/* The query is at home: frames, then the next step or the end. */
static void go_on(struct stream *st)
{
    struct asked *q = st->running;
    int state = q->state, left = state >= 0 ? send_frames(st, q) : 0; /* from step_on on the query is a worker's */
    st->held = left > 0;
    if (left > 0) return; /* drained goes on */
    if (left < 0)
        http_stream_close(st->s, 1013, "the reader is too slow");
    else if (state > 0)
        step_on(st);
    else if (state < 0)
        say_error(st, q->id, &q->why);
    else
        say_done(st, q);
    if (left < 0 || state <= 0) end_query(st);
}

static void home(struct http_stream *s, void *arg)
{
    struct asked *q = arg;
    struct stream *st = s ? http_stream_user(s) : NULL;
    if (st && st->running == q) {
        if (atomic_load(&q->cancelled)) {
            say(st, "cancelled", q->id);
            end_query(st);
        } else {
            go_on(st);
        }
    }
    asked_put(q);
}

static void on_drained(struct http_stream *s)
{
    struct stream *st = http_stream_user(s);
    if (st && st->held && st->running) go_on(st);
}

/* ---- messages ---- */

static void refuse(struct stream *st, const char *id, const char *where, const char *en, const char *zh)
{
    struct error e = {0};
    error_set(&e, ERR_INVALID, where, "%s", "%s", st->zh ? zh : en);
    say_error(st, id, &e);
}

static struct asked *asked_new(struct stream *st, const char *id, struct str text)
{
    struct asked *q = mem_calloc(1, sizeof *q);
    if (!q) return NULL;
    atomic_init(&q->refs, 1);
    q->id = mem_strdup(id);
    q->text = mem_dup(text.p, text.n);
    if (!q->id || !q->text) {
        asked_put(q);
        return NULL;
    }
    q->text_n = text.n;
    q->node = st->node;
    q->stream = http_stream_id(st->s);
    q->ticket = st->ticket;
    q->zh = st->zh;
    return q;
}

static void ask(struct stream *st, const char *id, struct str text)
{
    struct asked **at = &st->waiting, *q;
    if (st->nwaiting == WAITING) {
        refuse(st, id, "", "more than 16 queries wait; read the answers first", "等待的查询超过 16 个，请先读取结果");
        return;
    }
    q = asked_new(st, id, text);
    if (!q) {
        refuse(st, id, "", "out of memory", "内存不足");
        return;
    }
    metric_add(&m_queries, 1);
    while (*at) at = &(*at)->next;
    *at = q;
    st->nwaiting++;
    run_next(st);
}

static void cancel(struct stream *st, const char *id)
{
    for (struct asked **at = &st->waiting; *at; at = &(*at)->next) {
        struct asked *q = *at;
        if (strcmp(q->id, id) != 0) continue;
        *at = q->next;
        st->nwaiting--;
        say(st, "cancelled", q->id);
        asked_put(q);
        return;
    }
    if (!st->running || strcmp(st->running->id, id) != 0) return; /* done already */
    atomic_store(&st->running->cancelled, true);
    if (!st->held) return; /* told when it comes home */
    say(st, "cancelled", id);
    end_query(st);
}

static void on_message(struct http_stream *s, bool text, struct str data)
{
    struct stream *st = http_stream_user(s);
    AUTO_ARENA a;
    struct json *m;
    char id[80] = "null";
    arena_init(&a, MESSAGE_ARENA);
    if (!st) return;
    if (!text || json_parse(&a, data, &m, NULL) || m->type != JSON_OBJECT) {
        refuse(st, NULL, "", "messages are JSON objects", "消息必须是 JSON 对象");
        return;
    }
    const struct json *given = json_get(m, "id");
    struct str shown =
        given && (given->type == JSON_INT || given->type == JSON_STRING) ? json_text(&a, given) : STR_NULL;
    struct str op = json_str(json_get(m, "op"), STR(""));
    if (str_is(op, "ping"))
        say(st, "pong", NULL);
    else if (!shown.p || shown.n >= sizeof id)
        refuse(st, NULL, "id", "every query needs an id: a number or a short text", "每个查询须带 id（数字或短文本）");
    else if (str_to_cstr(shown, id, sizeof id) && str_is(op, "query"))
        ask(st, id, data);
    else if (str_is(op, "cancel"))
        cancel(st, id);
    else
        refuse(st, id, "op", "'op' must be query, cancel or ping", "op 必须是 query、cancel 或 ping");
}

/* ---- life ---- */

static void on_guard(uv_timer_t *t)
{
    struct stream *st = t->data;
    if (api_ticket_may(st->api, &st->ticket, "point", ACT_READ)) return;
    http_stream_close(st->s, CLOSE_SIGNED_OUT, "signed out");
}

static void on_open(struct http_stream *s, struct http_request *q)
{
    struct api_call *c = q->route_ctx;
    struct stream *st = mem_calloc(1, sizeof *st);
    if (!st) {
        http_stream_close(s, 1011, "out of memory");
        return;
    }
    st->node = history_node(c->module);
    st->pool = doors_pool(history_doors(c->module));
    st->api = c->api;
    st->s = s;
    st->zh = c->zh;
    api_ticket_take(c, &st->ticket);
    uv_timer_init(loop_uv(http_stream_loop(s)), &st->guard);
    st->guard.data = st;
    uv_timer_start(&st->guard, on_guard, GUARD_MS, GUARD_MS);
    http_stream_set(s, st);
    metric_add(&m_streams, 1);
}

static void on_timer_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void on_close(struct http_stream *s)
{
    struct stream *st = http_stream_user(s);
    if (!st) return;
    http_stream_set(s, NULL);
    metric_add(&m_streams, -1);
    if (st->running) {
        atomic_store(&st->running->cancelled, true);
        asked_put(st->running);
    }
    while (st->waiting) {
        struct asked *q = st->waiting;
        st->waiting = q->next;
        asked_put(q);
    }
    uv_close((uv_handle_t *)&st->guard, on_timer_closed);
}

static const struct http_stream_ops ops = {
    .open = on_open, .message = on_message, .drained = on_drained, .close = on_close};

static const struct api_route rows[] = {
    {.method = "GET",
     .path = "/api/v1/history/stream",
     .kind = "point",
     .action = ACT_READ,
     .audit = AUDIT_NONE,
     .websocket = true,
     .stream = &ops,
     .summary_en = "Queries of history (WebSocket)",
     .summary_zh = "历史查询流（WebSocket）"},
};
const struct door_routes stream_routes = {rows, sizeof rows / sizeof *rows};
