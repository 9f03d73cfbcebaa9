/* writer.c - the threads of the module.
 *
 * alarm-timer turns the engine's timers; alarm-writer takes steps from the engine into the book (seen at
 * once), says the events, and makes them durable in batches; while the store refuses, steps stay in memory
 * (at most PENDING_MAX, then the oldest journal entries are dropped and counted) and what is seen goes on;
 * alarm-load reads all points again when much has changed. */
#include <errno.h>
#include <math.h>
#include "base/mem.h"
#include "base/metric.h"
#include "core/event.h"
#include "io/log.h"
#include "modules/alarms/alarms.h"

#define BATCH 4096
#define PENDING_MAX 200000
#define RETRY_NS 1000000000ull
#define GATHER_MS 150
#define JOURNAL_DAYS 400
#define JOURNAL_ROWS 1000000
#define PRUNE_S 3600

METRIC(m_steps, METRIC_COUNTER, "bornite_alarms_transitions_total", "Transitions of alarm conditions.");
METRIC(m_dropped, METRIC_COUNTER, "bornite_alarms_journal_dropped_total",
       "Journal entries lost while the store refused.");

void alarms_woken(void *ctx, bool timers)
{
    struct alarms *a = ctx;
    pthread_mutex_lock(&a->lock);
    if (timers && !a->timers) pthread_cond_signal(&a->timers_cond);
    if (!timers && !a->steps) pthread_cond_signal(&a->steps_cond);
    if (timers)
        a->timers = true;
    else
        a->steps = true;
    pthread_mutex_unlock(&a->lock);
}

/* ---- events ---- */

static const enum event_severity severities[] = {EVENT_WARNING, EVENT_CRITICAL, EVENT_ERROR, EVENT_WARNING,
                                                 EVENT_WARNING};

void alarms_titles(const struct alarm_item *it, bool raised, char en[400], char zh[400])
{
    struct str code = it->info ? it->info->code : STR("?");
    const char *ten = alarm_condition_text(it->cond, false), *tzh = alarm_condition_text(it->cond, true);
    if (!raised) {
        snprintf(en, 400, "%.*s: %s alarm has ended", STR_ARG(code), ten);
        snprintf(zh, 400, "%.*s：%s报警已结束", STR_ARG(code), tzh);
    } else if (it->cond < ALARM_LIMITS && !isnan(it->value)) {
        struct str unit = it->info ? it->info->unit : STR("");
        snprintf(en, 400, "%.*s: %s, %.6g %.*s (limit %.6g)", STR_ARG(code), ten, it->value, STR_ARG(unit), it->limit);
        snprintf(zh, 400, "%.*s：%s报警，%.6g %.*s（限值 %.6g）", STR_ARG(code), tzh, it->value, STR_ARG(unit),
                 it->limit);
    } else {
        snprintf(en, 400, "%.*s: %s", STR_ARG(code), ten);
        snprintf(zh, 400, "%.*s：%s报警", STR_ARG(code), tzh);
    }
}

static void announce(struct alarms *a, const struct alarm_step *s, const struct alarm_item *it)
{
    bool raised = s->event == ALARM_RAISED;
    char en[400], zh[400], id[24];
    if ((!raised && s->event != ALARM_CLEARED) || it->shelved_until_us) return;
    alarms_titles(it, raised, en, zh);
    snprintf(id, sizeof id, "%u-%s", it->num, alarm_condition_name(it->cond));
    struct event ev = {.topic = raised ? "alarm.raised" : "alarm.cleared",
                       .severity = raised ? severities[it->priority < 5 ? it->priority : 4] : EVENT_INFO,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .text_en = it->info ? it->info->name : STR(""),
                       .text_zh = it->info ? it->info->name : STR(""),
                       .kind = STR("alarm"),
                       .id = str_of(id),
                       .org = str_of(it->info ? it->info->org : ""),
                       .link = STR("/alarms"),
                       .need = ACT_READ};
    kernel_event(a->node->kernel, &ev);
}

/* ---- steps ---- */

static void entry_done(struct alarms *a, struct journal_entry *j)
{
    struct alarm_item it = {.info = j->info};
    book_item_done(a->book, &it);
    mem_free(j->step.words);
}

static void drop_oldest(struct alarms *a, size_t n)
{
    for (size_t i = 0; i < n; i++) entry_done(a, &a->pending[i]);
    memmove(a->pending, a->pending + n, (a->npending - n) * sizeof *a->pending);
    a->npending -= n;
    metric_add(&m_dropped, (int64_t)n);
}

static void take_step(struct alarms *a, const struct alarm_step *s)
{
    struct alarm_item it;
    book_take(a->book, s, &it);
    announce(a, s, &it);
    alarms_tell(a, &it);
    struct journal_entry j = {*s, it.info};
    if (a->npending >= PENDING_MAX) drop_oldest(a, PENDING_MAX / 10);
    if (mem_grow((void **)&a->pending, &a->pending_cap, a->npending + 1, sizeof *a->pending)) {
        a->pending[a->npending++] = j;
        return;
    }
    entry_done(a, &j);
    metric_add(&m_dropped, 1);
}

static size_t take_steps(struct alarms *a)
{
    struct alarm_step s[64];
    size_t total = 0, n;
    while (total < BATCH && (n = engine_take(a->engine, s, 64))) {
        for (size_t i = 0; i < n; i++) take_step(a, &s[i]);
        total += n;
    }
    metric_add(&m_steps, (int64_t)total);
    return total;
}

static void make_durable(struct alarms *a)
{
    struct error e = {0};
    uint64_t now = clock_mono_ns(a->node->clock);
    if (!a->npending || now < a->retry_ns) return;
    size_t n = a->npending < BATCH ? a->npending : BATCH;
    if (store_write(a->node->kernel, a->book, a->pending, n, &e)) {
        log_error("alarms", "alarms cannot be stored; they are kept in memory", "err=\"%s\" waiting=%zu", e.text,
                  a->npending);
        a->retry_ns = now + RETRY_NS;
        return;
    }
    uint64_t written = a->pending[n - 1].step.seq;
    for (size_t i = 0; i < n; i++) entry_done(a, &a->pending[i]);
    memmove(a->pending, a->pending + n, (a->npending - n) * sizeof *a->pending);
    a->npending -= n;
    pthread_mutex_lock(&a->lock);
    a->written = written;
    pthread_cond_broadcast(&a->written_cond);
    pthread_mutex_unlock(&a->lock);
}

void alarms_discard(struct alarms *a)
{
    struct alarm_step s[64];
    size_t n;
    while ((n = engine_take(a->engine, s, 64)))
        for (size_t i = 0; i < n; i++) mem_free(s[i].words);
    for (size_t i = 0; i < a->npending; i++) entry_done(a, &a->pending[i]);
    a->npending = 0;
}

size_t alarms_turn(struct alarms *a)
{
    if (!a->leading) {
        alarms_discard(a);
        return 0;
    }
    size_t n = take_steps(a);
    make_durable(a);
    if (n < BATCH) engine_catch_up(a->engine);
    if (!n) return 0;
    feed_wake(a->feed);
    api_poke(a->node->api, "alarms");
    return n;
}

static void turns(struct alarms *a)
{
    size_t n;
    do n = alarms_turn(a);
    while ((n || a->npending) && !a->retry_ns);
}

static void until(struct timespec *t, uint64_t ns)
{
    t->tv_sec = (time_t)(ns / 1000000000ull);
    t->tv_nsec = (long)(ns % 1000000000ull);
}

int alarms_written(struct alarms *a, uint64_t seq, struct error *e)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 10;
    pthread_mutex_lock(&a->lock);
    while (a->started && a->written < seq && !a->stopping)
        if (pthread_cond_timedwait(&a->written_cond, &a->lock, &t) == ETIMEDOUT) break;
    bool done = a->written >= seq || !a->started;
    pthread_mutex_unlock(&a->lock);
    if (done) return 0;
    return error_set(e, ERR_UNAVAILABLE, "", "it is done but not stored yet: the database does not take it now",
                     "操作已生效但尚未保存：数据库暂时无法写入");
}

/* ---- threads ---- */

static void prune(struct alarms *a)
{
    struct error e = {0};
    if (store_prune(a->node->kernel, JOURNAL_DAYS, JOURNAL_ROWS, &e))
        log_warn("alarms", "the journal cannot be cut", "err=\"%s\"", e.text);
}

static void *writer(void *arg)
{
    struct alarms *a = arg;
    uint64_t pruned = clock_mono_ns(a->node->clock);
    pthread_setname_np(pthread_self(), "alarm-writer");
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec++;
        while (!a->steps && !a->stopping && !a->npending)
            if (pthread_cond_timedwait(&a->steps_cond, &a->lock, &t) == ETIMEDOUT) break;
        if (a->npending && !a->steps && !a->stopping) pthread_cond_timedwait(&a->steps_cond, &a->lock, &t);
        a->steps = false;
        pthread_mutex_unlock(&a->lock);
        alarms_lead_turn(a);
        turns(a);
        if (clock_mono_ns(a->node->clock) >= a->retry_ns) a->retry_ns = 0;
        if (clock_mono_ns(a->node->clock) - pruned > PRUNE_S * 1000000000ull) {
            prune(a);
            pruned = clock_mono_ns(a->node->clock);
        }
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    a->retry_ns = 0;
    turns(a);
    return NULL;
}

static void *timers(void *arg)
{
    struct alarms *a = arg;
    pthread_setname_np(pthread_self(), "alarm-timer");
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        struct timespec t;
        a->timers = false;
        pthread_mutex_unlock(&a->lock);
        uint64_t next = a->leading ? engine_tick(a->engine) : UINT64_MAX, now = clock_mono_ns(a->node->clock) / 1000;
        uint64_t wait = next <= now ? 0 : next - now > 1000000 ? 1000000 : next - now;
        clock_gettime(CLOCK_MONOTONIC, &t);
        until(&t, (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec + wait * 1000 + 100000);
        pthread_mutex_lock(&a->lock);
        while (!a->timers && !a->stopping)
            if (pthread_cond_timedwait(&a->timers_cond, &a->lock, &t) == ETIMEDOUT) break;
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static void *loader(void *arg)
{
    struct alarms *a = arg;
    pthread_setname_np(pthread_self(), "alarm-load");
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        struct error e = {0};
        struct timespec t;
        while (!a->dirty && !a->stopping) pthread_cond_wait(&a->load_cond, &a->lock);
        if (a->stopping) break;
        clock_gettime(CLOCK_MONOTONIC, &t); /* a large change comes in many pieces */
        until(&t, (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec + GATHER_MS * 1000000ull);
        while (!a->stopping && pthread_cond_timedwait(&a->load_cond, &a->lock, &t) == 0) continue;
        a->dirty = false;
        pthread_mutex_unlock(&a->lock);
        int err = a->leading ? alarms_load(a, &e) : 0;
        if (err) log_error("alarms", "the points cannot be read; again in a second", "err=\"%s\"", e.text);
        pthread_mutex_lock(&a->lock);
        if (!err) continue;
        a->dirty = true;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec++;
        while (!a->stopping && pthread_cond_timedwait(&a->load_cond, &a->lock, &t) == 0) continue;
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

int alarms_threads_start(struct alarms *a, struct error *e)
{
    pthread_mutex_lock(&a->lock); /* hooks run already */
    a->dirty = a->started = true;
    pthread_mutex_unlock(&a->lock);
    bool w = pthread_create(&a->writer_thread, NULL, writer, a) == 0;
    bool t = w && pthread_create(&a->timer_thread, NULL, timers, a) == 0;
    bool l = t && pthread_create(&a->loader_thread, NULL, loader, a) == 0;
    if (l) return 0;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->steps_cond);
    pthread_cond_broadcast(&a->timers_cond);
    pthread_mutex_unlock(&a->lock);
    if (w) pthread_join(a->writer_thread, NULL);
    if (t) pthread_join(a->timer_thread, NULL);
    a->started = false;
    return error_set(e, ERR_LIMIT, "alarms", "cannot start the alarm threads", "无法启动报警线程");
}

void alarms_threads_stop(struct alarms *a)
{
    if (!a->started) return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->steps_cond);
    pthread_cond_broadcast(&a->timers_cond);
    pthread_cond_broadcast(&a->load_cond);
    pthread_cond_broadcast(&a->written_cond);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->loader_thread, NULL);
    pthread_join(a->timer_thread, NULL);
    pthread_join(a->writer_thread, NULL);
    a->started = false;
}
