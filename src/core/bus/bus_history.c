/* bus_history.c - the history writer: one thread between the shards and the store.
 *
 * Shards append to `gather`; the writer swaps it against an empty buffer at most every commit_ms and then
 * (1) journals the batch and makes it durable, (2) appends it to the store (durable on return),
 * (3) acknowledges it in the journal. Order of a point is kept: while a backlog stands in the journal,
 * new batches queue behind it there and the backlog is fed to the store in order.
 * States: the journal failing alone costs nothing but its protection; the store failing alone grows the
 * journal; both failing keeps samples in `gather` up to its cap, then drops the oldest and counts them.
 * After a start the backlog left by a crash is replayed; what the store already has is skipped. */
#include "core/bus/bus_int.h"
#include "base/mem.h"
#include "base/metric.h"
#include "io/log.h"
#include "model/sample.h"

#define GATHER_MAX (1u << 19) /* samples, 12 MiB */
#define REPLAY_MAX (64u << 20)
#define RETRY_NS 1000000000ull

METRIC(m_stored, METRIC_COUNTER, "bornite_history_stored_total", "Samples made durable in the history store.");
METRIC(m_dropped, METRIC_COUNTER, "bornite_history_dropped_total",
       "Samples lost because neither journal nor store took them.");
METRIC(m_journal_failed, METRIC_COUNTER, "bornite_journal_failures_total", "Batches that could not be journalled.");
METRIC(m_store_failed, METRIC_COUNTER, "bornite_history_failures_total", "Batches that the history store refused.");

struct waiter { /* a caller of history_write */
    const struct sample *s;
    size_t n;
    int result;
    struct error *e;
    bool done;
    struct waiter *next;
};

struct batch {
    struct sample *s;
    size_t n, cap;
};

struct history {
    struct bus_config cfg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, room, finished;
    struct batch gather;                 /* under lock */
    struct waiter *waiters;              /* under lock */
    bool stopping, stuck;                /* under lock; stuck: neither journal nor store takes */
    uint64_t dropped, stored, oldest_ns; /* under lock */
    bool hurry;                          /* under lock */
    _Atomic uint64_t put, kept, lost;    /* samples from shards: handed over, on disk, dropped */
    struct journal *journal;             /* writer's own, stats under lock */
    struct journal_stats jstats;
    struct batch work;
    uint64_t fed; /* newest journal seq that the store has */
    bool store_down;
    uint64_t retry_ns;
};

static uint64_t mono(const struct history *h)
{
    return clock_mono_ns(h->cfg.clock);
}

/* ---- the shards' and the API's side ---- */

static bool batch_add(struct batch *b, const struct sample *s, size_t n)
{
    if (!mem_grow((void **)&b->s, &b->cap, b->n + n, sizeof *b->s)) return false;
    if (n) memcpy(b->s + b->n, s, n * sizeof *s);
    b->n += n;
    return true;
}

static void drop(struct history *h, size_t n)
{
    h->dropped += n;
    atomic_fetch_add(&h->lost, n);
    metric_add(&m_dropped, (int64_t)n);
}

static void drop_oldest(struct history *h, size_t need)
{
    size_t n = h->gather.n + need > GATHER_MAX ? h->gather.n + need - GATHER_MAX : 0;
    if (n > h->gather.n) n = h->gather.n;
    memmove(h->gather.s, h->gather.s + n, (h->gather.n - n) * sizeof *h->gather.s);
    h->gather.n -= n;
    drop(h, n);
}

void history_put(struct history *h, const struct sample *s, size_t n)
{
    pthread_mutex_lock(&h->lock);
    while (h->gather.n + n > GATHER_MAX && !h->stuck && !h->stopping) pthread_cond_wait(&h->room, &h->lock);
    if (h->gather.n + n > GATHER_MAX) drop_oldest(h, n);
    if (h->gather.n == 0) h->oldest_ns = mono(h);
    if (!batch_add(&h->gather, s, n)) drop(h, n);
    atomic_fetch_add(&h->put, n);
    if (h->gather.n > GATHER_MAX / 2) pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

struct history_marks history_marks(struct history *h)
{
    return (struct history_marks){atomic_load(&h->put), atomic_load(&h->kept), atomic_load(&h->lost)};
}

void history_hurry(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    h->hurry = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

int history_write(struct history *h, const struct sample *s, size_t n, struct error *e)
{
    struct waiter w = {.s = s, .n = n, .e = e};
    pthread_mutex_lock(&h->lock);
    if (h->stopping) {
        pthread_mutex_unlock(&h->lock);
        return error_set(e, ERR_CLOSED, "history", "the node is stopping", "节点正在停止");
    }
    struct waiter **last = &h->waiters;
    while (*last) last = &(*last)->next;
    *last = &w;
    pthread_cond_signal(&h->wake);
    while (!w.done) pthread_cond_wait(&h->finished, &h->lock);
    pthread_mutex_unlock(&h->lock);
    return w.result;
}

/* ---- the writer's side ---- */

static int store_append(struct history *h, const struct sample *s, size_t n, struct error *e)
{
    int err = n ? h->cfg.store->ops->append(h->cfg.store, s, n, e) : 0;
    if (err) {
        metric_add(&m_store_failed, 1);
    } else {
        metric_add(&m_stored, (int64_t)n);
        pthread_mutex_lock(&h->lock);
        h->stored += n;
        pthread_mutex_unlock(&h->lock);
    }
    return err;
}

/* A failed write or sync of the store's log is final for that file: ask for a new one, at most once a second. */
static void try_reopen(struct history *h)
{
    struct error e = {0};
    if (!h->cfg.store->ops->reopen || mono(h) < h->retry_ns) return;
    int err = h->cfg.store->ops->reopen(h->cfg.store, &e);
    if (err)
        log_error("history", "the store cannot be reopened", "err=%s detail=\"%s\"", error_name(err), e.text);
    else
        log_info("history", "the store has a new log", NULL);
    h->retry_ns = mono(h) + RETRY_NS;
}

static void store_state(struct history *h, int err, const struct error *e)
{
    if (err == ERR_IO) try_reopen(h);
    if (err && !h->store_down)
        log_error("history", "the store refuses; samples wait in the journal", "err=%s detail=\"%s\"", error_name(err),
                  e->text);
    if (!err && h->store_down) log_info("history", "the store takes samples again", NULL);
    h->store_down = err != 0;
    h->retry_ns = err ? mono(h) + RETRY_NS : 0;
}

/* Samples of a replayed record that the store has already, byte for byte, are left out. */
static size_t without_known(struct history *h, struct sample *s, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct sample have;
        bool known = h->cfg.store->ops->before(h->cfg.store, s[i].point, s[i].time_us, &have) == 0 &&
                     have.time_us == s[i].time_us && have.quality == s[i].quality && sample_same_value(&have, &s[i]);
        if (!known) s[kept++] = s[i];
    }
    return kept;
}

/* Feed the journal's backlog to the store, in order. 0: nothing is left, else the store's error. */
static int feed_backlog(struct history *h, bool replay)
{
    struct buf rec;
    struct error e = {0};
    uint32_t weight;
    uint64_t seq = h->fed;
    int err = 0;
    buf_init(&rec, REPLAY_MAX);
    while (!err && journal_next(h->journal, &seq, &rec, &weight) == 1) {
        struct sample *s = (struct sample *)(void *)rec.p;
        size_t n = rec.n / sizeof *s;
        if (replay) n = without_known(h, s, n);
        err = store_append(h, s, n, &e);
        if (err) break;
        h->fed = seq;
        journal_ack(h->journal, seq);
    }
    buf_fini(&rec);
    store_state(h, err, &e);
    return err;
}

/* Journal a batch; 0 and its seq, or the error. A journal that failed is given a fresh segment. */
static int journal_batch(struct history *h, const struct sample *s, size_t n, uint64_t *ret_seq)
{
    int err = journal_append(h->journal, s, n * sizeof *s, (uint32_t)n, ret_seq);
    if (!err) err = journal_commit(h->journal);
    if (!err) return 0;
    metric_add(&m_journal_failed, 1);
    log_error("history", "cannot journal", "err=%s", error_name(err));
    (void)!journal_reopen(h->journal);
    return err;
}

/* One batch through journal and store. false: nobody took it. */
static bool keep_batch(struct history *h, const struct sample *s, size_t n)
{
    struct error e = {0};
    uint64_t seq = 0;
    bool journalled = h->journal && journal_batch(h, s, n, &seq) == 0;
    if (journalled) {
        if (h->store_down && mono(h) < h->retry_ns) return true;
        if (h->fed + 1 != seq && journal_acked(h->journal) + 1 != seq) return feed_backlog(h, false), true;
    }
    int err = store_append(h, s, n, &e);
    store_state(h, err, &e);
    if (!err && journalled) {
        h->fed = seq;
        journal_ack(h->journal, seq);
    }
    return !err || journalled;
}

/* Everything that waits in one append and one sync. false: it cannot be had together. */
static bool append_together(struct history *h, const struct waiter *w)
{
    struct error e = {0};
    bool ok = w && w->next;
    for (; w && ok; w = w->next) ok = h->work.n + w->n <= GATHER_MAX && batch_add(&h->work, w->s, w->n);
    ok = ok && store_append(h, h->work.s, h->work.n, &e) == 0;
    h->work.n = 0;
    return ok;
}

/* work is empty. When not all can be stored at once each gets its own answer. */
static void answer_waiters(struct history *h, struct waiter *w)
{
    bool all = append_together(h, w);
    while (w) {
        struct waiter *next = w->next; /* w dies when done is seen */
        int err = all ? 0 : store_append(h, w->s, w->n, w->e);
        if (err == ERR_IO) try_reopen(h); /* for the next one */
        pthread_mutex_lock(&h->lock);
        w->result = err;
        w->done = true;
        pthread_cond_broadcast(&h->finished);
        pthread_mutex_unlock(&h->lock);
        w = next;
    }
}

static void put_back(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    if (h->work.n + h->gather.n > GATHER_MAX) {
        size_t n = h->work.n + h->gather.n - GATHER_MAX;
        if (n > h->work.n) n = h->work.n;
        drop(h, n);
        memmove(h->work.s, h->work.s + n, (h->work.n - n) * sizeof *h->work.s);
        h->work.n -= n;
    }
    if (!batch_add(&h->work, h->gather.s, h->gather.n)) drop(h, h->gather.n);
    struct batch t = h->gather;
    h->gather = h->work;
    h->work = t;
    h->work.n = 0;
    h->stuck = true;
    pthread_cond_broadcast(&h->room);
    pthread_mutex_unlock(&h->lock);
}

static void wait_until(struct history *h, unsigned ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    while (!h->stopping && !h->waiters && !(h->hurry && !h->stuck) && h->gather.n <= GATHER_MAX / 2 &&
           pthread_cond_timedwait(&h->wake, &h->lock, &ts) == 0)
        continue;
}

/* One round: true to go on. */
static bool round_once(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    wait_until(h, h->stuck ? 1000 : h->cfg.commit_ms);
    struct batch t = h->work;
    h->work = h->gather;
    h->gather = t;
    h->gather.n = 0;
    struct waiter *waiters = h->waiters;
    uint64_t taken = atomic_load(&h->put);
    h->waiters = NULL;
    h->hurry = false;
    bool stop = h->stopping;
    if (h->journal) journal_stats(h->journal, &h->jstats);
    pthread_cond_broadcast(&h->room);
    pthread_mutex_unlock(&h->lock);

    bool kept = h->work.n == 0 || keep_batch(h, h->work.s, h->work.n);
    if (kept) {
        h->work.n = 0;
        atomic_store(&h->kept, taken);
        pthread_mutex_lock(&h->lock);
        h->stuck = false;
        pthread_mutex_unlock(&h->lock);
        if (h->store_down && h->journal && mono(h) >= h->retry_ns) feed_backlog(h, false);
    } else {
        put_back(h);
    }
    answer_waiters(h, waiters);
    return !stop;
}

static void *writer(void *arg)
{
    struct history *h = arg;
    pthread_setname_np(pthread_self(), "history");
    if (h->journal) {
        h->fed = journal_acked(h->journal);
        feed_backlog(h, true);
    }
    while (round_once(h)) continue;
    if (h->journal) {
        if (!h->store_down) feed_backlog(h, false);
        (void)!journal_commit(h->journal); /* writes the last acknowledgement */
    }
    return NULL;
}

int history_start(const struct bus_config *cfg, struct history **ret, struct error *e)
{
    struct history *h = mem_calloc(1, sizeof *h);
    if (!h) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    h->cfg = *cfg;
    if (!h->cfg.commit_ms) h->cfg.commit_ms = 200;
    struct journal_config jc = {.fs = cfg->fs, .dir = "journal", .total_max = cfg->journal_max};
    int err = cfg->fs ? journal_open(&jc, &h->journal, e) : 0;
    if (err) {
        mem_free(h);
        return err;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, &attr);
    pthread_cond_init(&h->room, NULL);
    pthread_cond_init(&h->finished, NULL);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&h->thread, NULL, writer, h) != 0) {
        journal_close(h->journal);
        mem_free(h);
        return error_set(e, ERR_LIMIT, "history", "cannot start the writer thread", "无法启动写入线程");
    }
    *ret = h;
    return 0;
}

void history_stop(struct history *h)
{
    if (!h) return;
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->wake);
    pthread_cond_broadcast(&h->room);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    journal_close(h->journal);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->wake);
    pthread_cond_destroy(&h->room);
    pthread_cond_destroy(&h->finished);
    mem_free(h->gather.s);
    mem_free(h->work.s);
    mem_free(h);
}

void history_stats(struct history *h, struct bus_stats *ret)
{
    pthread_mutex_lock(&h->lock);
    ret->stored = h->stored;
    ret->journal_dropped = h->dropped + h->jstats.dropped_weight;
    ret->journal_bytes = h->jstats.bytes;
    ret->journal_records = h->jstats.records;
    ret->lag_us = h->gather.n ? (mono(h) - h->oldest_ns) / 1000 : 0;
    pthread_mutex_unlock(&h->lock);
}
