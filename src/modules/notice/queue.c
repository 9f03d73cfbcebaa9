/* queue.c - the way of an event: copied into a bounded queue by whoever says it, then on thread `notice` in
 * batches into inbox and deliveries (one transaction), then shown. While the database refuses, the batch waits
 * and the queue fills; past its end events are dropped and counted.
 *
 * Floods: of one topic at most PER_MINUTE notices a minute go into the inbox as they are; the others are
 * counted into one notice "… more" at the end of the minute. Channels have limits of their own (rules.c). */
#include <errno.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/notice/notice.h"

#define QUEUE_MAX 50000
#define BATCH 1000
#define PER_MINUTE 60
#define MINUTE_US (60 * TIME_US_PER_S)
#define TOPICS 64
#define PRUNE_US (3600 * TIME_US_PER_S)

METRIC(m_events, METRIC_COUNTER, "bornite_notice_events_total", "Events taken.");
METRIC(m_dropped, METRIC_COUNTER, "bornite_notice_dropped_total", "Events lost because the queue was full.");
METRIC(m_folded, METRIC_COUNTER, "bornite_notice_folded_total",
       "Notices counted into a summary instead of shown alone.");

void notices_event(void *ctx, const struct event *ev)
{
    struct notices *x = ctx;
    struct waiting *w = mem_calloc(1, sizeof *w);
    if (w) w->n = notice_of(x->node, ev);
    pthread_mutex_lock(&x->lock);
    bool room = w && w->n && x->nwaiting < QUEUE_MAX && !x->stopping;
    if (room) {
        *x->last = w;
        x->last = &w->next;
        if (x->nwaiting++ == 0) pthread_cond_signal(&x->queue_cond);
    }
    pthread_mutex_unlock(&x->lock);
    metric_add(room ? &m_events : &m_dropped, 1);
    if (room) return;
    if (w) mem_free(w->n);
    mem_free(w);
}

void notices_dirty(struct notices *x)
{
    pthread_mutex_lock(&x->lock);
    x->dirty = true;
    pthread_cond_signal(&x->queue_cond);
    pthread_mutex_unlock(&x->lock);
}

/* ---- floods in the inbox ---- */

struct flood {
    char topic[101], org[37], kind[48];
    int64_t minute_us;
    size_t shown, folded;
    enum event_severity severity;
    enum api_action need;
};
struct turn { /* the queue thread's */
    struct notices *x;
    struct flood floods[TOPICS];
    struct notice *fresh[BATCH + TOPICS]; /* for the inbox */
    struct notice *folded[BATCH];         /* for the channels only */
    size_t nfresh, nfolded;
    struct delivery *deliveries;
    size_t ndeliveries, cap;
    struct arena arena;
    int64_t pruned_us;
};

/* One a topic, kind and organisation, so that a summary is seen by those who might have seen what it counts. */
static struct flood *flood_of(struct turn *t, const struct notice *n)
{
    struct flood *oldest = &t->floods[0];
    for (size_t i = 0; i < TOPICS; i++) {
        struct flood *f = &t->floods[i];
        if (str_is(n->topic, f->topic) && strcmp(n->org, f->org) == 0 && strcmp(n->kind, f->kind) == 0) return f;
        if (!f->folded && (oldest->folded || f->minute_us < oldest->minute_us)) oldest = f;
    }
    if (oldest->folded) return NULL; /* too many floods at once: shown as they come */
    *oldest = (struct flood){.need = n->need};
    str_to_cstr(n->topic, oldest->topic, sizeof oldest->topic);
    memcpy(oldest->org, n->org, sizeof oldest->org);
    memcpy(oldest->kind, n->kind, sizeof oldest->kind);
    return oldest;
}

static void summary(struct turn *t, struct flood *f)
{
    char en[200], zh[200];
    snprintf(en, sizeof en, "%zu more of %s within a minute", f->folded, f->topic);
    snprintf(zh, sizeof zh, "一分钟内另有 %zu 条 %s", f->folded, f->topic);
    struct event ev = {.topic = f->topic,
                       .severity = f->severity,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .kind = str_of(f->kind),
                       .org = str_of(f->org),
                       .need = f->need};
    struct notice *n = notice_of(t->x->node, &ev);
    if (n) t->fresh[t->nfresh++] = n;
    f->folded = 0;
}

static void close_minutes(struct turn *t, int64_t now)
{
    for (size_t i = 0; i < TOPICS; i++) {
        struct flood *f = &t->floods[i];
        if (now - f->minute_us < MINUTE_US) continue;
        if (f->folded) summary(t, f);
        f->minute_us = now;
        f->shown = 0;
    }
}

static void take(struct turn *t, struct notice *n)
{
    struct flood *f = n->user_id[0] ? NULL : flood_of(t, n);
    if (!f || f->shown < PER_MINUTE) {
        if (f && f->shown++ == 0) f->minute_us = n->at_us;
        t->fresh[t->nfresh++] = n;
        return;
    }
    if (!f->folded++ || n->severity > f->severity) f->severity = n->severity;
    metric_add(&m_folded, 1);
    t->folded[t->nfolded++] = n;
}

/* ---- one batch ---- */

static int add_deliveries(struct turn *t, const struct delivery *d, size_t n)
{
    if (!n) return 0;
    if (!mem_grow((void **)&t->deliveries, &t->cap, t->ndeliveries + n, sizeof *d)) return ERR_NOMEM;
    memcpy(t->deliveries + t->ndeliveries, d, n * sizeof *d);
    t->ndeliveries += n;
    return 0;
}

static int match(struct turn *t, struct notice *const *list, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc && t->x->rules; i++) {
        struct delivery *d;
        size_t count;
        rc = rules_match(t->x->rules, &t->arena, list[i], &d, &count);
        if (!rc) rc = add_deliveries(t, d, count);
    }
    return rc;
}

static int store(struct turn *t, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(t->x->node->kernel), true, &tx, e);
    if (rc) return rc;
    rc = inbox_store(tx, t->fresh, t->nfresh, e);
    if (!rc) rc = deliver_store(tx, t->deliveries, t->ndeliveries, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* The lock is not held. Waits for the database as long as it takes, but not past the end of the module. */
static bool store_at_last(struct turn *t)
{
    struct notices *x = t->x;
    for (;;) {
        struct error e = {0};
        struct timespec at;
        if (store(t, &e) == 0) return true;
        log_error("notice", "messages cannot be stored; again in a second", "err=\"%s\" waiting=%zu", e.text,
                  t->nfresh);
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        pthread_mutex_lock(&x->lock);
        while (!x->stopping && pthread_cond_timedwait(&x->queue_cond, &x->lock, &at) == 0) continue;
        bool stop = x->stopping;
        pthread_mutex_unlock(&x->lock);
        if (stop) return store(t, NULL) == 0;
    }
}

static void wake_due(struct notices *x)
{
    pthread_mutex_lock(&x->lock);
    x->due = true;
    pthread_cond_signal(&x->due_cond);
    pthread_mutex_unlock(&x->lock);
}

static void show(struct turn *t)
{
    struct notices *x = t->x;
    if (t->nfresh) {
        inbox_add(x->inbox, t->fresh, t->nfresh);
        feed_wake(x->feed);
        api_poke(x->node->api, "notices");
    }
    if (t->ndeliveries) wake_due(x);
}

static void batch(struct turn *t, struct waiting *list)
{
    struct delivery *d = NULL;
    size_t n = 0;
    t->nfresh = t->nfolded = t->ndeliveries = 0;
    arena_reset(&t->arena);
    for (struct waiting *w = list, *next; w; w = next) {
        next = w->next;
        take(t, w->n);
        mem_free(w);
    }
    size_t single = t->nfresh;
    close_minutes(t, clock_now_us(t->x->node->clock));
    int rc = match(t, t->fresh, single);
    if (!rc) rc = match(t, t->folded, t->nfolded);
    if (!rc && t->x->rules) rc = rules_summaries(t->x->rules, &t->arena, &d, &n);
    if (!rc) rc = add_deliveries(t, d, n);
    if (rc) log_error("notice", "some messages are not sent: out of memory", NULL);
    bool stored = (!t->nfresh && !t->ndeliveries) || store_at_last(t);
    if (stored)
        show(t);
    else
        for (size_t i = 0; i < t->nfresh; i++) mem_free(t->fresh[i]);
    for (size_t i = 0; i < t->nfolded; i++) mem_free(t->folded[i]);
}

/* ---- threads ---- */

static struct waiting *take_some(struct notices *x)
{
    struct waiting *list = x->first, **at = &x->first;
    size_t n = 0;
    while (*at && n < BATCH) at = &(*at)->next, n++;
    x->first = *at;
    *at = NULL;
    x->nwaiting -= n;
    if (!x->first) x->last = &x->first;
    return n ? list : NULL;
}

static void reload(struct notices *x)
{
    struct error e = {0};
    if (!rules_load(x->node, x->rules, &x->rules, &e)) return;
    log_error("notice", "the subscriptions cannot be read; those of before hold", "err=\"%s\"", e.text);
}

static void hourly(struct turn *t)
{
    struct error e = {0};
    int64_t now = clock_now_us(t->x->node->clock);
    if (now - t->pruned_us < PRUNE_US) return;
    t->pruned_us = now;
    int rc = inbox_prune(t->x->inbox, &e);
    if (!rc) rc = deliver_prune(t->x, &e);
    if (rc) log_warn("notice", "old messages cannot be removed", "err=\"%s\"", e.text);
}

static void *queue_main(void *arg)
{
    struct notices *x = arg;
    struct turn *t = mem_calloc(1, sizeof *t);
    if (!t) return NULL;
    t->x = x;
    t->pruned_us = clock_now_us(x->node->clock);
    arena_init(&t->arena, 256 << 20);
    pthread_setname_np(pthread_self(), "notice");
    pthread_mutex_lock(&x->lock);
    while (!x->stopping || x->first) {
        struct timespec at;
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        while (!x->first && !x->dirty && !x->stopping)
            if (pthread_cond_timedwait(&x->queue_cond, &x->lock, &at) == ETIMEDOUT) break;
        bool dirty = x->dirty;
        struct waiting *list = take_some(x);
        x->dirty = false;
        pthread_mutex_unlock(&x->lock);
        if (dirty) reload(x);
        batch(t, list);
        hourly(t);
        pthread_mutex_lock(&x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    arena_fini(&t->arena);
    mem_free(t->deliveries);
    mem_free(t);
    return NULL;
}

static void *due_main(void *arg)
{
    struct notices *x = arg;
    pthread_setname_np(pthread_self(), "notice-due");
    pthread_mutex_lock(&x->lock);
    while (!x->stopping) {
        struct timespec at;
        int64_t next;
        x->due = false;
        pthread_mutex_unlock(&x->lock);
        next = clock_now_us(x->node->clock) + TIME_US_PER_S;
        if (lead_held(&x->lead)) deliver_due(x, &next);
        int64_t wait = next - clock_now_us(x->node->clock);
        wait = wait < 1000 ? 1000 : wait > TIME_US_PER_S ? TIME_US_PER_S : wait;
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_nsec += wait * 1000;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_mutex_lock(&x->lock);
        while (!x->due && !x->stopping)
            if (pthread_cond_timedwait(&x->due_cond, &x->lock, &at) == ETIMEDOUT) break;
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

int notices_threads_start(struct notices *x, struct error *e)
{
    pthread_mutex_lock(&x->lock); /* hooks run already */
    x->dirty = x->started = true;
    pthread_mutex_unlock(&x->lock);
    int rc = pool_start("notice-send", 8, 2 * IN_FLIGHT, &x->pool);
    if (!rc && pthread_create(&x->queue_thread, NULL, queue_main, x)) rc = ERR_LIMIT;
    if (!rc && pthread_create(&x->due_thread, NULL, due_main, x)) {
        rc = ERR_LIMIT;
        pthread_mutex_lock(&x->lock);
        x->stopping = true;
        pthread_cond_broadcast(&x->queue_cond);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->queue_thread, NULL);
    }
    if (!rc) return 0;
    x->started = false;
    if (x->pool) pool_stop(x->pool);
    return error_set(e, rc, "notice", "cannot start the message threads", "无法启动消息线程");
}

void notices_threads_stop(struct notices *x)
{
    if (!x->started) return;
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    pthread_cond_broadcast(&x->queue_cond);
    pthread_cond_broadcast(&x->due_cond);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->queue_thread, NULL);
    pthread_join(x->due_thread, NULL);
    pool_stop(x->pool); /* what is on its way comes to its end */
    x->started = false;
}
