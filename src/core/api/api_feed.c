/* api_feed.c - see core/feed.h. A listener is owned by its feed's list, under the lock; the stream's close
 * marks it gone, the thread frees it. What is posted to a loop is owned by the loop from then on. The
 * server may be posted to only while the API has told it (feeds_server), under the feed's lock. */
#include "core/feed.h"
#include <errno.h>
#include "base/mem.h"
#include "core/api/api_int.h"

#define LISTENERS_MAX 512
#define PIECE_MAX (2u << 20)
#define GATHER_MS 200
#define PING_S 15

struct listener {
    struct listener *next;
    struct feed *feed;
    struct api_ticket ticket;
    uint64_t stream;
    int64_t cursor;
    unsigned idle_s;
    bool busy, gone, due, zh;
};
struct feed {
    struct feed *next; /* of the API's list */
    struct feed_config cfg;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct listener *list;
    size_t n;
    struct http_server *server;
    bool stopping, news;
};
struct piece {
    struct listener *to;
    bool close, ping;
    struct buf lines; /* "event {…}\n" */
};

struct json_writer feed_event(struct buf *out, const char *event)
{
    buf_printf(out, "%s ", event);
    struct json_writer w = json_writer(out);
    jw_object(&w);
    return w;
}

void feed_event_end(struct json_writer *w)
{
    jw_end(w);
    buf_u8(w->out, '\n');
}

/* --- on the loop --- */

static void deliver(struct http_stream *s, struct piece *p)
{
    struct str lines = buf_view(&p->lines);
    int rc = p->lines.err;
    if (p->ping) rc = http_sse_send(s, "ping", NULL, STR("{}"));
    while (lines.n && !rc) {
        struct str rest = str_cut(&lines, '\n'), event = str_cut(&rest, ' ');
        char name[32];
        if (str_to_cstr(event, name, sizeof name)) rc = http_sse_send(s, name, NULL, rest);
    }
    if (rc || p->close) http_stream_close(s, 1008, "closed");
}

static void piece_free(struct piece *p)
{
    if (p) buf_fini(&p->lines);
    mem_free(p);
}

static void on_loop(struct http_stream *s, void *arg)
{
    struct piece *p = arg;
    struct feed *f = p->to->feed;
    if (s) deliver(s, p);
    pthread_mutex_lock(&f->lock);
    p->to->busy = false;
    if (!s) p->to->gone = true;
    pthread_mutex_unlock(&f->lock);
    piece_free(p);
}

void feed_open(struct feed *f, struct http_stream *s, struct http_request *q)
{
    struct listener *l = mem_calloc(1, sizeof *l);
    if (l) {
        *l = (struct listener){.feed = f, .stream = http_stream_id(s), .cursor = -1, .due = true};
        l->zh = ((struct api_call *)q->route_ctx)->zh;
        api_ticket_take(q->route_ctx, &l->ticket);
    }
    pthread_mutex_lock(&f->lock);
    bool room = l && f->n < LISTENERS_MAX && !f->stopping;
    if (room) {
        l->next = f->list;
        f->list = l;
        f->n++;
        f->news = true;
        pthread_cond_signal(&f->wake);
    }
    pthread_mutex_unlock(&f->lock);
    http_stream_set(s, room ? l : NULL);
    if (room) return;
    mem_free(l);
    http_stream_close(s, 1013, "too many listeners");
}

void feed_close(struct http_stream *s)
{
    struct listener *l = http_stream_user(s);
    if (!l) return;
    struct feed *f = l->feed;
    pthread_mutex_lock(&f->lock);
    l->gone = true;
    pthread_mutex_unlock(&f->lock);
}

/* --- on the thread --- */

/* Without the lock; busy is set, so nobody else touches the listener. */
static struct piece *make_piece(struct feed *f, struct listener *l, bool tick, bool due)
{
    AUTO_ARENA arena;
    struct principal who;
    struct piece *p = mem_calloc(1, sizeof *p);
    arena_init(&arena, 1 << 20);
    if (!p) return NULL;
    p->to = l;
    buf_init(&p->lines, PIECE_MAX);
    p->close = auth_by_key(f->cfg.api->auth, &arena, l->ticket.key, l->ticket.session, &who) != 0 ||
               !permitted(who.actor.may, f->cfg.kind, f->cfg.action);
    if (due && !p->close) f->cfg.fill(f->cfg.ctx, &who.actor, l->zh, &l->cursor, &p->lines);
    if (tick && ++l->idle_s >= PING_S) p->ping = true;
    if (p->close || p->ping || p->lines.n) {
        l->idle_s = 0;
        return p;
    }
    piece_free(p);
    return NULL;
}

static void serve(struct feed *f, struct listener *l, bool tick)
{
    bool due = l->due;
    l->busy = true;
    l->due = false;
    pthread_mutex_unlock(&f->lock);
    struct piece *p = make_piece(f, l, tick, due);
    pthread_mutex_lock(&f->lock);
    if (p && f->server && http_stream_post(f->server, l->stream, on_loop, p) == 0) return;
    l->busy = false;
    piece_free(p);
}

static void sweep(struct feed *f)
{
    for (struct listener **at = &f->list, *l; (l = *at);) {
        if (!l->gone || l->busy) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        f->n--;
        mem_free(l);
    }
}

/* Listeners are put in front of the list and freed by this thread only, so that `next` holds. */
static void round_of_all(struct feed *f, bool tick, bool news)
{
    sweep(f);
    for (struct listener *l = f->list; l; l = l->next) {
        l->due |= news;
        if (!l->busy && !l->gone && (tick || l->due)) serve(f, l, tick);
    }
}

static void from_now(struct timespec *t, long ms)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_nsec += ms * 1000000;
    t->tv_sec += t->tv_nsec / 1000000000;
    t->tv_nsec %= 1000000000;
}

/* Under the lock: news are taken up at most once in GATHER_MS. */
static void *run(void *arg)
{
    struct feed *f = arg;
    struct timespec second, gather;
    pthread_setname_np(pthread_self(), f->cfg.name);
    from_now(&second, 1000);
    pthread_mutex_lock(&f->lock);
    while (!f->stopping) {
        bool tick = false;
        while (!f->news && !f->stopping && !tick)
            tick = pthread_cond_timedwait(&f->wake, &f->lock, &second) == ETIMEDOUT;
        bool news = f->news;
        f->news = false;
        if (tick) from_now(&second, 1000);
        if (f->server && !f->stopping) round_of_all(f, tick, news || tick);
        from_now(&gather, GATHER_MS);
        while (!f->stopping && pthread_cond_timedwait(&f->wake, &f->lock, &gather) == 0) continue;
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

void feed_wake(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->news = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

void feeds_server(struct feed *first, struct http_server *srv)
{
    for (struct feed *f = first; f; f = f->next) {
        pthread_mutex_lock(&f->lock);
        f->server = srv;
        pthread_mutex_unlock(&f->lock);
    }
}

int feed_new(const struct feed_config *cfg, struct feed **ret, struct error *e)
{
    struct feed *f = mem_calloc(1, sizeof *f);
    pthread_condattr_t attr;
    if (!f) return error_set(e, ERR_NOMEM, cfg->name, "out of memory", "内存不足");
    f->cfg = *cfg;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&f->thread, NULL, run, f)) {
        mem_free(f);
        return error_set(e, ERR_LIMIT, cfg->name, "no thread for the event stream", "无法启动事件流线程");
    }
    f->next = cfg->api->feeds;
    cfg->api->feeds = f;
    *ret = f;
    return 0;
}

static void unlink_feed(struct feed *f)
{
    struct feed **at = &f->cfg.api->feeds;
    while (*at && *at != f) at = &(*at)->next;
    if (*at) *at = f->next;
}

void feed_free(struct feed *f)
{
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    unlink_feed(f);
    for (struct listener *l = f->list, *next; l; l = next) {
        next = l->next;
        mem_free(l);
    }
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}
