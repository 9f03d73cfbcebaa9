/* api_watch.c - GET /watch: changes as server-sent events, and pokes: "something of this topic is new", so
 * that a page has one stream for everything and asks again what it shows (browsers open six connections to
 * a server, for all pages together). Pokes carry no content, and go out at most four times a second.
 *
 * One thread serves all watchers: woken by the kernel after commits and once a second, it reads for each
 * watcher what is new, within its kinds and what it may now read, and posts the text to the watcher's
 * loop; the next piece only after the loop has taken the last (`busy`). A watcher whose session ended is
 * closed within a second. One that is behind the kept changes gets `reset` and goes on from now.
 * A watcher is owned by the list under `lock`; the stream's close marks it gone, the thread frees it. */
#include "core/api/api_int.h"
#include <errno.h>
#include "base/mem.h"
#include "base/metric.h"
#include "core/event.h"

#define WATCHERS_MAX 256
#define CHUNK 500
#define PING_S 15
#define POKE_NS 250000000ull

METRIC(watchers_gauge, METRIC_GAUGE, "bornite_api_watchers", "open change streams");

struct watcher {
    struct watcher *next;
    struct api_watch *owner;
    struct api_ticket ticket;
    uint64_t stream;
    int64_t seq;
    unsigned idle_s;
    bool busy, gone;        /* under the lock */
    uint32_t topics, pokes; /* asked for; to be sent (under the lock): bits of poke_topics */
    char kinds[512];        /* ",point,channel,"; "": all */
};
struct api_watch {
    struct api *api;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct watcher *list;
    size_t n;
    struct http_server *server; /* under the lock */
    bool started, stopping, news;
    uint32_t pokes; /* since the last round, under the lock */
    uint64_t poked_ns;
};
/* Events of the kernel poke by the beginning of their topic; every event may become a notice. */
static const struct poke_topic {
    const char *name, *events;
} poke_topics[] = {{"alarms", "alarm."}, {"notices", ""}, {"jobs", "job."}};
#define POKES (sizeof(poke_topics) / sizeof(poke_topics[0]))

/* What is posted to a loop. */
struct piece {
    struct watcher *w;
    bool close, ping, reset;
    uint32_t pokes;
    int64_t seq;
    struct buf events; /* JSON lines */
};

static int send_pokes(struct http_stream *s, uint32_t pokes)
{
    int rc = 0;
    for (size_t i = 0; i < POKES && !rc; i++) {
        char data[64];
        if (!(pokes & (1u << i))) continue;
        snprintf(data, sizeof(data), "{\"topic\":\"%s\"}", poke_topics[i].name);
        rc = http_sse_send(s, "poke", NULL, str_of(data));
    }
    return rc;
}

static void deliver(struct http_stream *s, struct piece *p)
{
    struct str lines = buf_view(&p->events);
    int rc = 0;
    if (p->ping) rc = http_sse_send(s, "ping", NULL, STR("{}"));
    if (p->pokes && !rc) rc = send_pokes(s, p->pokes);
    if (p->reset) {
        char data[48];
        snprintf(data, sizeof(data), "{\"seq\":%lld}", (long long)p->seq);
        rc = http_sse_send(s, "reset", NULL, str_of(data));
    }
    while (lines.n && !rc) {
        struct str line = str_cut(&lines, '\n'), rest = line, id = str_cut(&rest, ' ');
        char text[24];
        if (!line.n) continue;
        str_to_cstr(id, text, sizeof(text));
        rc = http_sse_send(s, "change", text, rest);
    }
    if (rc || p->close) http_stream_close(s, 1008, "closed"); /* too slow, or no longer permitted */
}

static void on_loop(struct http_stream *s, void *arg)
{
    struct piece *p = arg;
    if (s) deliver(s, p);
    pthread_mutex_lock(&p->w->owner->lock);
    p->w->busy = false;
    if (!s) p->w->gone = true;
    pthread_mutex_unlock(&p->w->owner->lock);
    buf_fini(&p->events);
    mem_free(p);
}

/* What belongs to somebody is read before others hear of it. */
static bool sees(struct api *api, struct arena *a, const struct actor *by, const char *kind, const struct change *c)
{
    const struct kind *kd = kernel_kind(api->kernel, c->kind);
    struct resource r;
    if (!permitted_at(by->may, kind, ACT_READ, c->org)) return false;
    return !kd || !kd->owner.n || resource_find(api->kernel, a, by, kind, c->id, true, &r, NULL) == 0;
}

static bool wants(struct api *api, struct arena *a, const struct actor *by, const struct watcher *w,
                  const struct change *c)
{
    char kind[PERM_KIND_MAX], marked[PERM_KIND_MAX + 2];
    if (!str_to_cstr(c->kind, kind, sizeof(kind))) return false;
    snprintf(marked, sizeof(marked), ",%s,", kind);
    if (w->kinds[0] && !strstr(w->kinds, marked)) return false;
    return sees(api, a, by, kind, c);
}

static void write_change(struct buf *out, const struct change *c)
{
    static const char *const ops[] = {
        [CHANGE_CREATE] = "create", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};
    buf_printf(out, "%lld ", (long long)c->seq);
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_ki64(&w, "seq", c->seq);
    jw_kz(&w, "op", ops[c->op]);
    jw_kstr(&w, "kind", c->kind);
    jw_kstr(&w, "id", c->id);
    jw_kstr(&w, "code", c->code);
    jw_ki64(&w, "rev", c->rev);
    jw_end(&w);
    buf_u8(out, '\n');
}

/* Reads the next changes into p; true when there is something to send. */
static bool collect(struct api *api, const struct actor *by, struct watcher *w, struct piece *p)
{
    AUTO_ARENA arena;
    struct change *c = NULL;
    size_t n = 0;
    arena_init(&arena, 16 << 20);
    if (kernel_seq(api->kernel) <= w->seq) return false;
    int rc = kernel_changes(api->kernel, &arena, w->seq, CHUNK, &c, &n, NULL);
    if (rc == ERR_RANGE) {
        w->seq = p->seq = kernel_seq(api->kernel);
        return p->reset = true;
    }
    if (rc) return false; /* the store is in trouble: again in a second */
    for (size_t i = 0; i < n; i++) {
        if (wants(api, &arena, by, w, &c[i])) write_change(&p->events, &c[i]);
        w->seq = c[i].seq;
    }
    return p->events.n > 0;
}

/* On the thread, without the lock; w->busy is set, so nobody else touches it. */
static void serve(struct api_watch *x, struct watcher *w, bool tick)
{
    AUTO_ARENA arena;
    struct principal who;
    struct piece *p = mem_calloc(1, sizeof(*p));
    bool send = false;
    arena_init(&arena, 1 << 20);
    if (p) {
        p->w = w;
        buf_init(&p->events, 4 << 20);
        p->close = auth_by_key(x->api->auth, &arena, w->ticket.key, w->ticket.session, &who) != 0;
        send = p->close || collect(x->api, &who.actor, w, p);
        pthread_mutex_lock(&x->lock);
        p->pokes = w->pokes;
        w->pokes = 0;
        pthread_mutex_unlock(&x->lock);
        send = send || p->pokes;
        if (tick && ++w->idle_s >= PING_S) send = p->ping = true;
        if (send) w->idle_s = 0;
    }
    /* Posting only queues, so that it may be done under the lock, which keeps the server there. */
    pthread_mutex_lock(&x->lock);
    bool sent = send && x->server && http_stream_post(x->server, w->stream, on_loop, p) == 0;
    if (!sent) w->busy = false;
    pthread_mutex_unlock(&x->lock);
    if (sent) return;
    if (p) buf_fini(&p->events);
    mem_free(p);
}

/* Under the lock: forget those whose stream is closed; give out the next idle one after `at`. */
static struct watcher *take_next(struct api_watch *x, struct watcher **at)
{
    while (*at && (*at)->busy) at = &(*at)->next;
    return *at;
}

static void sweep(struct api_watch *x)
{
    for (struct watcher **at = &x->list, *w; (w = *at);) {
        if (!w->gone || w->busy) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        x->n--;
        mem_free(w);
    }
    metric_set(&watchers_gauge, (int64_t)x->n);
}

static void round_of_all(struct api_watch *x, bool tick)
{
    sweep(x);
    for (struct watcher *w = take_next(x, &x->list); w; w = take_next(x, &w->next)) {
        if (w->gone) continue;
        w->busy = true;
        pthread_mutex_unlock(&x->lock);
        serve(x, w, tick);
        pthread_mutex_lock(&x->lock);
    }
}

/* Under the lock: hand what was poked to the watchers, unless that was just done. */
static void spread_pokes(struct api_watch *x)
{
    uint64_t now = clock_mono_ns(x->api->clock);
    if (!x->pokes || (x->poked_ns && now - x->poked_ns < POKE_NS)) return;
    for (struct watcher *w = x->list; w; w = w->next) w->pokes |= x->pokes & w->topics;
    x->pokes = 0;
    x->poked_ns = now;
}

static void later(struct timespec *t, long ms)
{
    clock_gettime(CLOCK_REALTIME, t);
    t->tv_nsec += ms * 1000000;
    t->tv_sec += t->tv_nsec / 1000000000;
    t->tv_nsec %= 1000000000;
}

static bool passed(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > t->tv_sec || (now.tv_sec == t->tv_sec && now.tv_nsec >= t->tv_nsec);
}

static void *run(void *arg)
{
    struct api_watch *x = arg;
    struct timespec second, soon;
    later(&second, 1000);
    pthread_mutex_lock(&x->lock);
    while (!x->stopping) {
        bool due = false;
        later(&soon, POKE_NS / 1000000);
        while (!x->news && !x->stopping && !due) /* soon: pokes held back go out */
            due = pthread_cond_timedwait(&x->wake, &x->lock, x->pokes ? &soon : &second) == ETIMEDOUT;
        x->news = false;
        bool tick = passed(&second);
        if (tick) later(&second, 1000);
        spread_pokes(x);
        if (!x->stopping && x->server) round_of_all(x, tick);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

static void poke(struct api_watch *x, uint32_t topics)
{
    pthread_mutex_lock(&x->lock);
    x->news = x->news || (topics & ~x->pokes);
    x->pokes |= topics;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
}

void api_poke(struct api *api, const char *topic)
{
    for (size_t i = 0; i < POKES; i++)
        if (strcmp(poke_topics[i].name, topic) == 0) poke(api->watch, 1u << i);
}

static void on_event(void *ctx, const struct event *ev)
{
    uint32_t topics = 0;
    for (size_t i = 0; i < POKES; i++)
        if (str_starts(str_of(ev->topic), str_of(poke_topics[i].events))) topics |= 1u << i;
    poke(ctx, topics);
}

void api_watch_wake(struct api_watch *x)
{
    pthread_mutex_lock(&x->lock);
    x->news = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
}

void api_watch_server(struct api_watch *x, struct http_server *srv)
{
    pthread_mutex_lock(&x->lock);
    x->server = srv;
    pthread_mutex_unlock(&x->lock);
}

static void on_change(void *ctx, int64_t newest)
{
    api_watch_wake(ctx);
}

/* --- the stream's side, on its loop --- */

static void set_kinds(struct api *api, struct watcher *w, struct str list)
{
    size_t n = 0;
    while (list.n) {
        struct str part = str_trim(str_cut(&list, ','));
        const struct kind *k = kernel_kind(api->kernel, part);
        if (k) part = k->kind;
        if (!part.n || n + part.n + 3 > sizeof(w->kinds)) continue;
        n += (size_t)snprintf(w->kinds + n, sizeof(w->kinds) - n, "%s%.*s,", n ? "" : ",", STR_ARG(part));
    }
}

static void set_topics(struct watcher *w, struct str list)
{
    while (list.n) {
        struct str part = str_trim(str_cut(&list, ','));
        for (size_t i = 0; i < POKES; i++)
            if (str_is(part, poke_topics[i].name)) w->topics |= 1u << i;
    }
}

static void set_from(struct api *api, struct watcher *w, const struct http_request *q)
{
    struct str s = http_header(q, "last-event-id");
    if (!s.n) s = http_query(q, "from");
    w->seq = kernel_seq(api->kernel);
    int64_t from;
    if (s.n && str_to_i64(s, &from) == 0 && from >= 0 && from < w->seq) w->seq = from;
}

static void on_open(struct http_stream *s, struct http_request *q)
{
    struct api_call *c = q->route_ctx;
    struct api_watch *x = c->api->watch;
    struct watcher *w = mem_calloc(1, sizeof(*w));
    if (w) {
        w->owner = x;
        w->stream = http_stream_id(s);
        api_ticket_take(c, &w->ticket);
        set_kinds(c->api, w, http_query(q, "kinds"));
        set_from(c->api, w, q);
        set_topics(w, http_query(q, "topics"));
    }
    pthread_mutex_lock(&x->lock);
    bool room = w && x->n < WATCHERS_MAX && !x->stopping;
    if (room) {
        w->next = x->list;
        x->list = w;
        x->n++;
        x->news = true;
        pthread_cond_signal(&x->wake);
    }
    pthread_mutex_unlock(&x->lock);
    http_stream_set(s, room ? w : NULL);
    if (room) return;
    mem_free(w);
    http_stream_close(s, 1013, "too many watchers");
}

static void on_close(struct http_stream *s)
{
    struct watcher *w = http_stream_user(s);
    if (!w) return;
    pthread_mutex_lock(&w->owner->lock);
    w->gone = true;
    pthread_mutex_unlock(&w->owner->lock);
}

const struct http_stream_ops api_watch_ops = {.open = on_open, .close = on_close};

int api_watch_new(struct api *api, struct api_watch **ret, struct error *e)
{
    struct api_watch *x = mem_calloc(1, sizeof(*x));
    if (!x) return ERR_NOMEM;
    x->api = api;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->wake, NULL);
    int rc = kernel_watch(api->kernel, on_change, x);
    if (!rc) rc = kernel_event_subscribe(api->kernel, on_event, x);
    if (!rc && pthread_create(&x->thread, NULL, run, x) != 0)
        rc = error_set(e, ERR_NOMEM, "", "no thread for the change stream", NULL);
    x->started = rc == 0;
    if (rc)
        api_watch_free(x);
    else
        *ret = x;
    return rc;
}

void api_watch_free(struct api_watch *x)
{
    if (!x) return;
    kernel_unwatch(x->api->kernel, on_change, x);
    kernel_event_unsubscribe(x->api->kernel, on_event, x);
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
    if (x->started) pthread_join(x->thread, NULL);
    for (struct watcher *w = x->list, *next; w; w = next) {
        next = w->next;
        mem_free(w);
    }
    pthread_cond_destroy(&x->wake);
    pthread_mutex_destroy(&x->lock);
    mem_free(x);
}
