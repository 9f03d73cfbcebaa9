/* ts_queue.c - see ts_queue.h. One lock guards journal, tail and counters; it is not held while the engine is asked.
 * The journal's acknowledgements become durable with the next put or the close: after a crash some samples are sent
 * again. */
#include "store/ts_queue.h"
#include <pthread.h>
#include "base/mem.h"
#include "io/journal.h"

#define TAIL_MAX 500000      /* samples, 12 MB */
#define LOAD_MAX (64u << 20) /* a backlog up to this is brought into memory at the start */
#define PAUSE_MAX_NS 30000000000ull
#define REQUESTS_MAX 2000 /* while halving one batch */
#define REFUSALS 5

struct piece {                      /* one put */
    uint64_t seq, put_ns, taken_ns; /* taken_ns 0: waits */
    struct sample *s;
    size_t n;
};

struct ts_queue {
    struct ts_queue_config cfg;
    char dir[128];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, moved;
    /* under lock */
    struct journal *journal;
    struct piece *tail;
    size_t head, ntail, tcap, tail_samples;
    struct ts_handle *engine;
    size_t batch;
    uint64_t visible_ns, pause_ns, next_ns, taken, pending, sent, failed, dropped;
    unsigned refusals;
    bool stopping, down, running, busy;
    struct error error;
};

/* ------------------------------------------------------------------ handles */

struct ts_handle *ts_handle_new(struct ts_store *st)
{
    struct ts_handle *h = mem_calloc(1, sizeof *h);
    if (!h) {
        st->ops->close(st);
        return NULL;
    }
    h->st = st;
    h->refs = 1;
    return h;
}

struct ts_handle *ts_handle_ref(struct ts_handle *h)
{
    if (h) atomic_fetch_add(&h->refs, 1);
    return h;
}

void ts_handle_unref(struct ts_handle *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1) return;
    h->st->ops->close(h->st);
    mem_free(h);
}

/* ------------------------------------------------------------------ tail */

static uint64_t now_ns(const struct ts_queue *q)
{
    return clock_mono_ns(q->cfg.clock);
}

static void tail_pop(struct ts_queue *q)
{
    struct piece *p = &q->tail[q->head++];
    q->tail_samples -= p->n;
    mem_free(p->s);
    if (q->head == q->ntail) q->head = q->ntail = 0;
}

/* Out of memory costs only that these samples are not seen before the engine has them. */
static void tail_push(struct ts_queue *q, uint64_t seq, const struct sample *s, size_t n)
{
    while (q->head < q->ntail && q->tail_samples + n > TAIL_MAX) tail_pop(q);
    if (n > TAIL_MAX) return;
    if (q->head > 1024 && q->head > q->ntail / 2) {
        memmove(q->tail, q->tail + q->head, (q->ntail - q->head) * sizeof *q->tail);
        q->ntail -= q->head;
        q->head = 0;
    }
    if (!mem_grow((void **)&q->tail, &q->tcap, q->ntail + 1, sizeof *q->tail)) return;
    struct sample *copy = mem_alloc(n * sizeof *s);
    if (!copy) return;
    memcpy(copy, s, n * sizeof *s);
    q->tail[q->ntail++] = (struct piece){.seq = seq, .put_ns = now_ns(q), .s = copy, .n = n};
    q->tail_samples += n;
}

static void tail_taken(struct ts_queue *q, uint64_t upto)
{
    uint64_t now = now_ns(q);
    for (size_t i = q->head; i < q->ntail && q->tail[i].seq <= upto; i++)
        if (!q->tail[i].taken_ns) q->tail[i].taken_ns = now ? now : 1;
}

static void tail_expire(struct ts_queue *q)
{
    uint64_t now = now_ns(q);
    while (q->head < q->ntail && q->tail[q->head].taken_ns && now - q->tail[q->head].taken_ns >= q->visible_ns)
        tail_pop(q);
}

static int by_time(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return x->time_us < y->time_us ? -1 : x->time_us > y->time_us;
}

/* Insertion from the back: what waits is nearly in order. */
static void insert_sample(struct sample *s, size_t *n, const struct sample *add)
{
    size_t at = *n;
    while (at > 0 && by_time(&s[at - 1], add) > 0) at--;
    if (at > 0 && s[at - 1].time_us == add->time_us) {
        s[at - 1] = *add;
        return;
    }
    memmove(&s[at + 1], &s[at], (*n - at) * sizeof *s);
    s[at] = *add;
    (*n)++;
}

int ts_queue_tail(struct ts_queue *q, uint32_t point, struct sample **ret, size_t *ret_n)
{
    struct sample *s = NULL;
    size_t n = 0, cap = 0;
    int err = 0;
    pthread_mutex_lock(&q->lock);
    tail_expire(q);
    for (size_t i = q->head; i < q->ntail && !err; i++)
        for (size_t k = 0; k < q->tail[i].n && !err; k++) {
            if (q->tail[i].s[k].point != point) continue;
            if (!mem_grow((void **)&s, &cap, n + 1, sizeof *s))
                err = ERR_NOMEM;
            else
                insert_sample(s, &n, &q->tail[i].s[k]);
        }
    pthread_mutex_unlock(&q->lock);
    if (err) mem_free(s);
    if (err) return err;
    *ret = s;
    *ret_n = n;
    return 0;
}

/* ------------------------------------------------------------------ putting */

static uint64_t note_dropped(struct ts_queue *q)
{
    struct journal_stats st;
    journal_stats(q->journal, &st);
    uint64_t more = st.dropped_weight > q->dropped ? st.dropped_weight - q->dropped : 0;
    q->dropped += more;
    q->pending = more < q->pending ? q->pending - more : 0;
    if (journal_acked(q->journal) > q->taken) q->taken = journal_acked(q->journal);
    return more;
}

static void tell(struct ts_queue *q, enum ts_queue_event ev, uint64_t n, const struct error *why)
{
    if (q->cfg.event) q->cfg.event(q->cfg.ctx, ev, n, why);
}

int ts_queue_put(struct ts_queue *q, const struct sample *s, size_t n, struct error *e)
{
    uint64_t seq = 0;
    if (!n) return 0;
    pthread_mutex_lock(&q->lock);
    int err = journal_append(q->journal, s, n * sizeof *s, (uint32_t)n, &seq);
    if (!err) err = journal_commit(q->journal);
    if (err) (void)!journal_reopen(q->journal);
    uint64_t lost = 0;
    if (!err) {
        tail_push(q, seq, s, n);
        q->pending += n;
        lost = note_dropped(q);
        pthread_cond_signal(&q->wake);
    }
    pthread_mutex_unlock(&q->lock);
    if (lost) tell(q, TS_QUEUE_DROPPED, lost, NULL);
    if (err) error_set(e, err, "queue", "the queue on disk refuses: %s", "磁盘队列拒绝写入：%s", error_title(err));
    return err;
}

/* ------------------------------------------------------------------ sending */

struct halving {
    struct ts_store *st;
    unsigned requests;
    uint64_t taken, refused;
    struct error why; /* of the last refusal */
};

static bool never(int err)
{
    return err == ERR_INVALID || err == ERR_TOO_LARGE;
}

/* 0: each sample was taken or is refused for ever. */
static int send_halved(struct halving *h, const struct sample *s, size_t n, struct error *e)
{
    if (h->requests++ >= REQUESTS_MAX) return ERR_INVALID;
    int err = h->st->ops->append(h->st, s, n, e);
    if (!err) h->taken += n;
    if (!never(err)) return err;
    if (n == 1) {
        h->refused++;
        if (e) h->why = *e;
        return 0;
    }
    err = send_halved(h, s, n / 2, e);
    return err ? err : send_halved(h, s + n / 2, n - n / 2, e);
}

/* Records from the oldest that waits on; 0: none. */
static size_t gather(struct ts_queue *q, struct buf *rec, struct sample **s, size_t *cap, uint64_t *ret_seq,
                     int *ret_err)
{
    size_t n = 0;
    uint64_t seq = q->taken;
    uint32_t weight;
    *ret_err = 0;
    while (n < q->batch) {
        int got = journal_next(q->journal, &seq, rec, &weight);
        if (got < 0) *ret_err = got;
        if (got != 1) break;
        size_t more = rec->n / sizeof **s;
        if (!mem_grow((void **)s, cap, n + more, sizeof **s)) {
            *ret_err = ERR_NOMEM;
            break;
        }
        memcpy(*s + n, rec->p, more * sizeof **s);
        n += more;
        *ret_seq = seq;
    }
    return n;
}

static void wait_until(struct ts_queue *q, uint64_t ns)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    uint64_t at = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec + ns;
    ts = (struct timespec){(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
    pthread_cond_timedwait(&q->wake, &q->lock, &ts);
}

static void went_well(struct ts_queue *q, uint64_t seq, const struct halving *h)
{
    uint64_t n = h->taken + h->refused;
    if (seq > q->taken) q->taken = seq;
    journal_ack(q->journal, seq);
    tail_taken(q, seq);
    q->sent += h->taken;
    q->failed += h->refused;
    q->pending = n < q->pending && q->taken < journal_last(q->journal) ? q->pending - n : 0;
    q->pause_ns = q->next_ns = 0;
    q->refusals = 0;
    q->down = false;
    q->error = (struct error){0};
    pthread_cond_broadcast(&q->moved);
}

static void went_wrong(struct ts_queue *q, const struct error *why)
{
    uint64_t first = (uint64_t)(q->cfg.retry_ms ? q->cfg.retry_ms : 500) * 1000000;
    q->pause_ns = q->pause_ns ? q->pause_ns * 2 : first;
    if (q->pause_ns > PAUSE_MAX_NS) q->pause_ns = PAUSE_MAX_NS;
    q->next_ns = now_ns(q) + q->pause_ns * 3 / 4 + rng_u64(rng_real()) % (q->pause_ns / 2 + 1);
    q->down = true;
    q->error = *why;
}

/* With the lock held at the beginning and at the end. */
static void exchange(struct ts_queue *q, const struct sample *s, size_t n, uint64_t seq)
{
    struct ts_handle *engine = ts_handle_ref(q->engine);
    struct halving h = {.st = engine->st};
    struct error e = {0};
    bool was_down = q->down;
    q->busy = true;
    pthread_mutex_unlock(&q->lock);
    int err = send_halved(&h, s, n, &e);
    pthread_mutex_lock(&q->lock);
    /* Refused altogether: the settings may be wrong; only patience tells. */
    if (!err && !h.taken && h.refused && ++q->refusals < REFUSALS) {
        err = ERR_INVALID;
        e = h.why;
    }
    if (err && !e.code) error_set(&e, err, "engine", "%s", "%s", error_title(err));
    if (err)
        went_wrong(q, &e);
    else
        went_well(q, seq, &h);
    pthread_mutex_unlock(&q->lock);
    if (err && !was_down) tell(q, TS_QUEUE_DOWN, 0, &e);
    if (!err && was_down) tell(q, TS_QUEUE_UP, 0, NULL);
    if (!err && h.refused) tell(q, TS_QUEUE_REFUSED, h.refused, &h.why);
    ts_handle_unref(engine);
    pthread_mutex_lock(&q->lock);
    q->busy = false;
    pthread_cond_broadcast(&q->moved);
}

static void *sender(void *arg)
{
    struct ts_queue *q = arg;
    struct sample *s = NULL;
    size_t cap = 0;
    struct buf rec;
    buf_init(&rec, 256u << 20);
    pthread_setname_np(pthread_self(), "ts-sender");
    pthread_mutex_lock(&q->lock);
    while (!q->stopping) {
        uint64_t seq = 0, now = now_ns(q);
        int err = 0;
        tail_expire(q);
        bool rest = q->next_ns > now;
        size_t n = q->engine && !rest ? gather(q, &rec, &s, &cap, &seq, &err) : 0;
        if (n) {
            exchange(q, s, n, seq);
        } else if (err) {
            struct error e = {0};
            error_set(&e, err, "queue", "the queue on disk cannot be read: %s", "磁盘队列无法读取：%s",
                      error_title(err));
            went_wrong(q, &e);
        } else {
            wait_until(q, rest && q->next_ns - now < 1000000000u ? q->next_ns - now : 1000000000u);
        }
    }
    pthread_mutex_unlock(&q->lock);
    buf_fini(&rec);
    mem_free(s);
    return NULL;
}

int ts_queue_wait(struct ts_queue *q, unsigned ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) ts.tv_nsec -= 1000000000, ts.tv_sec++;
    pthread_mutex_lock(&q->lock);
    uint64_t upto = journal_last(q->journal);
    int rc = 0;
    q->next_ns = 0; /* somebody waits: no pause */
    pthread_cond_signal(&q->wake);
    while (!rc && q->taken < upto && !q->stopping) rc = pthread_cond_timedwait(&q->moved, &q->lock, &ts);
    bool done = q->taken >= upto;
    pthread_mutex_unlock(&q->lock);
    return done ? 0 : ERR_TIMEOUT;
}

/* ------------------------------------------------------------------ life */

void ts_queue_engine(struct ts_queue *q, struct ts_handle *h, size_t batch, int64_t visible_us)
{
    pthread_mutex_lock(&q->lock);
    struct ts_handle *old = q->engine;
    q->engine = h;
    q->batch = batch ? batch : 10000;
    q->visible_ns = (uint64_t)visible_us * 1000;
    q->next_ns = q->pause_ns = 0;
    q->refusals = 0;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    ts_handle_unref(old);
}

void ts_queue_rest(struct ts_queue *q)
{
    ts_queue_engine(q, NULL, 0, 0);
    pthread_mutex_lock(&q->lock);
    while (q->busy) pthread_cond_wait(&q->moved, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

void ts_queue_drop(struct ts_queue *q)
{
    pthread_mutex_lock(&q->lock);
    uint64_t last = journal_last(q->journal);
    journal_ack(q->journal, last);
    (void)!journal_commit(q->journal);
    while (q->head < q->ntail) tail_pop(q);
    q->taken = last > q->taken ? last : q->taken;
    q->pending = 0;
    pthread_cond_broadcast(&q->moved);
    pthread_mutex_unlock(&q->lock);
}

void ts_queue_status(struct ts_queue *q, struct ts_queue_status *ret)
{
    struct journal_stats st;
    pthread_mutex_lock(&q->lock);
    journal_stats(q->journal, &st);
    *ret = (struct ts_queue_status){.up = !q->down,
                                    .pending = q->pending,
                                    .pending_bytes = q->pending ? st.bytes : 0,
                                    .sent = q->sent,
                                    .failed = q->failed,
                                    .dropped = q->dropped,
                                    .error = q->error};
    for (size_t i = q->head; i < q->ntail && !ret->lag_us; i++)
        if (!q->tail[i].taken_ns) ret->lag_us = (int64_t)((now_ns(q) - q->tail[i].put_ns) / 1000);
    pthread_mutex_unlock(&q->lock);
}

/* What waits from before: counted, and seen by queries. */
static void load(struct ts_queue *q)
{
    struct journal_stats st;
    struct buf rec;
    uint64_t seq = q->taken;
    uint32_t weight;
    journal_stats(q->journal, &st);
    q->dropped = st.dropped_weight;
    if (st.bytes > LOAD_MAX) {
        q->pending = st.bytes / sizeof(struct sample);
        return;
    }
    buf_init(&rec, LOAD_MAX + 1);
    while (journal_next(q->journal, &seq, &rec, &weight) == 1) {
        tail_push(q, seq, (const struct sample *)(const void *)rec.p, rec.n / sizeof(struct sample));
        q->pending += weight;
    }
    buf_fini(&rec);
}

int ts_queue_open(const struct ts_queue_config *cfg, struct ts_queue **ret, struct error *e)
{
    struct ts_queue *q = mem_calloc(1, sizeof *q);
    pthread_condattr_t attr;
    if (!q) return error_set(e, ERR_NOMEM, "queue", "out of memory", "内存不足");
    q->cfg = *cfg;
    q->batch = 10000;
    if (!q->cfg.clock) q->cfg.clock = clock_real();
    snprintf(q->dir, sizeof q->dir, "%s", cfg->dir);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->wake, &attr);
    pthread_cond_init(&q->moved, &attr);
    pthread_condattr_destroy(&attr);
    struct journal_config jc = {.fs = cfg->fs, .dir = q->dir, .total_max = cfg->max_bytes};
    int err = journal_open(&jc, &q->journal, e);
    if (!err) {
        q->taken = journal_acked(q->journal);
        load(q);
        q->running = pthread_create(&q->thread, NULL, sender, q) == 0;
        if (!q->running) err = error_set(e, ERR_LIMIT, "queue", "no thread for the queue", "无法启动队列线程");
    }
    if (err) {
        ts_queue_close(q);
        return err;
    }
    *ret = q;
    return 0;
}

void ts_queue_close(struct ts_queue *q)
{
    if (!q) return;
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_cond_signal(&q->wake);
    pthread_cond_broadcast(&q->moved);
    pthread_mutex_unlock(&q->lock);
    if (q->running) pthread_join(q->thread, NULL);
    if (q->journal) (void)!journal_commit(q->journal);
    journal_close(q->journal);
    while (q->head < q->ntail) tail_pop(q);
    mem_free(q->tail);
    ts_handle_unref(q->engine);
    pthread_cond_destroy(&q->moved);
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
    mem_free(q);
}
