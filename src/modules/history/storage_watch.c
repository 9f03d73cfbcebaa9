/* storage_watch.c - see storage.h. `lock` guards the picture and the flags; gathering runs without it. */
#include <math.h>
#include <pthread.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "core/event.h"
#include "io/log.h"
#include "modules/history/growth.h"
#include "modules/history/storage.h"

#define HOUR_US (3600 * TIME_US_PER_S)
#define LOOK_S 60
#define PLACES_US (5 * TIME_US_PER_S)

METRIC(m_damage, METRIC_GAUGE, "bornite_history_damaged_places", "Broken places of the store that were found.");
METRIC(m_points, METRIC_GAUGE, "bornite_history_points_stored", "Points of which something is on disk.");

struct storage {
    struct node *node;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, fresh;
    bool running, wanted, woken, refreshing; /* lock */
    atomic_bool stopping;
    struct usage *usage; /* lock: the pointer */
    int err;             /* lock: of the last gathering */
    struct error why;    /* lock */
    int64_t noted_us, seen_us;
    struct place_seen place[TS_PLACES]; /* lock */
};

/* ---- the picture ---- */

static void gather(struct storage *s)
{
    struct usage *fresh = NULL;
    struct error e = {0};
    int err = usage_gather(s->node, &s->stopping, &fresh, &e);
    if (err && err != ERR_CANCELLED && err != ERR_UNSUPPORTED)
        log_error("history", "cannot tell the use of the disk", "err=%s detail=\"%s\"", error_name(err), e.text);
    pthread_mutex_lock(&s->lock);
    struct usage *old = s->usage;
    if (fresh) s->usage = fresh;
    s->err = err;
    s->why = e;
    s->refreshing = false;
    pthread_cond_broadcast(&s->fresh);
    pthread_mutex_unlock(&s->lock);
    if (fresh) metric_set(&m_points, (int64_t)fresh->nnames);
    if (fresh) usage_unref(old);
}

static void wait_fresh(struct storage *s, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    while (!s->usage && !s->err && !atomic_load(&s->stopping))
        if (pthread_cond_timedwait(&s->fresh, &s->lock, &until)) break;
}

void storage_look(struct storage *s, bool refresh, unsigned wait_ms, struct storage_state *ret)
{
    pthread_mutex_lock(&s->lock);
    if (refresh || !s->usage) {
        s->wanted = s->refreshing = true;
        pthread_cond_signal(&s->wake);
    }
    if (!s->usage) wait_fresh(s, wait_ms);
    *ret = (struct storage_state){.usage = usage_ref(s->usage), .refreshing = s->refreshing, .err = s->err};
    snprintf(ret->why, sizeof ret->why, "%s", s->why.text);
    snprintf(ret->why_zh, sizeof ret->why_zh, "%s", s->why.text_zh);
    pthread_mutex_unlock(&s->lock);
}

double storage_bytes_per_sample(void *module, uint32_t point)
{
    struct storage *s = history_storage(module);
    pthread_mutex_lock(&s->lock);
    struct usage *u = usage_ref(s->usage);
    pthread_mutex_unlock(&s->lock);
    double bytes = u ? usage_bytes_per_sample(u, point) : NAN;
    usage_unref(u);
    return bytes;
}

void storage_wake(struct storage *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* ---- places ---- */

static void see_places(struct storage *s)
{
    struct place_seen seen[TS_PLACES];
    if (!s->node->places) return;
    places_see(s->node, seen);
    pthread_mutex_lock(&s->lock);
    memcpy(s->place, seen, sizeof seen);
    pthread_cond_broadcast(&s->fresh);
    pthread_mutex_unlock(&s->lock);
}

void storage_places(struct storage *s, struct place_seen ret[TS_PLACES])
{
    pthread_mutex_lock(&s->lock);
    memcpy(ret, s->place, sizeof s->place);
    int64_t age = clock_now_us(s->node->clock) - ret[TS_HOT].at_us;
    if (age >= PLACES_US || age < 0) s->woken = true;
    if (s->woken) pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* ---- damage ---- */

struct found {
    int64_t since, newest;
    size_t all, fresh;
    struct ts_damage first;
};

static int count_damage(void *ctx, const struct ts_damage *d)
{
    struct found *f = ctx;
    f->all++;
    if (d->found_us <= f->since) return 0;
    if (!f->fresh++) f->first = *d;
    if (d->found_us > f->newest) f->newest = d->found_us;
    return 0;
}

static void tell_damage(struct storage *s, const struct found *f)
{
    char en[300], zh[300];
    snprintf(en, sizeof en,
             "%zu new broken place(s), the newest in %s at byte %llu. Samples of that range are missing from answers; "
             "the bytes are kept. Check the disk, then restore the range from a backup.",
             f->fresh, f->first.file, (unsigned long long)f->first.offset);
    snprintf(zh, sizeof zh,
             "新发现 %zu 处损坏，最近一处在 %s 第 %llu "
             "字节。该范围的样本不会出现在查询结果中，原始字节已保留。请检查磁盘，然后从备份恢复该范围。",
             f->fresh, f->first.file, (unsigned long long)f->first.offset);
    struct event ev = {.topic = "storage.damage",
                       .severity = EVENT_CRITICAL,
                       .title_en = STR("Stored history is damaged"),
                       .title_zh = STR("历史数据存储损坏"),
                       .text_en = str_of(en),
                       .text_zh = str_of(zh),
                       .kind = STR("archive_class"),
                       .link = STR("/storage"),
                       .need = ACT_READ};
    log_error("history", "stored history is damaged", "file=%s offset=%llu places=%zu", f->first.file,
              (unsigned long long)f->first.offset, f->fresh);
    kernel_event(s->node->kernel, &ev);
}

static void look_for_damage(struct storage *s)
{
    const struct ts_admin_ops *admin = s->node->engine->admin;
    struct found f = {.since = s->seen_us, .newest = s->seen_us};
    struct error e = {0};
    if (!admin || !admin->damage || admin->damage(s->node->engine, count_damage, &f) < 0) return;
    metric_set(&m_damage, (int64_t)f.all);
    if (!f.fresh) return;
    tell_damage(s, &f);
    s->seen_us = f.newest;
    if (growth_seen_set(s->node, f.newest, &e))
        log_warn("history", "cannot note which damage was told", "detail=\"%s\"", e.text);
}

/* ---- the thread ---- */

static void note_growth(struct storage *s, bool now_too)
{
    struct error e = {0};
    int64_t now = clock_now_us(s->node->clock);
    if (!now_too && s->noted_us && now - s->noted_us < HOUR_US && now >= s->noted_us) return;
    s->noted_us = now;
    if (growth_note(s->node, &e)) log_warn("history", "cannot note the growth of the store", "detail=\"%s\"", e.text);
}

static bool picture_is_old(const struct storage *s)
{
    int64_t now = clock_now_us(s->node->clock);
    if (s->wanted) return true;
    return s->usage && (now - s->usage->at_us >= HOUR_US || now < s->usage->at_us);
}

static void *storage_main(void *arg)
{
    struct storage *s = arg;
    struct error e = {0};
    pthread_setname_np(pthread_self(), "storage");
    if (growth_seen(s->node, &s->seen_us, &e)) s->seen_us = clock_now_us(s->node->clock);
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->stopping)) {
        bool old = picture_is_old(s);
        if (old) s->refreshing = true;
        s->wanted = s->woken = false;
        pthread_mutex_unlock(&s->lock);
        see_places(s);
        look_for_damage(s);
        note_growth(s, old);
        if (old) gather(s);
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += LOOK_S;
        pthread_mutex_lock(&s->lock);
        while (!atomic_load(&s->stopping) && !s->wanted && !s->woken)
            if (pthread_cond_timedwait(&s->wake, &s->lock, &ts)) break;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int storage_new(struct node *n, struct storage **ret, struct error *e)
{
    int err = growth_migrate(kernel_sql(n->kernel), e);
    struct storage *s = err ? NULL : mem_calloc(1, sizeof *s);
    if (!s) return err ? err : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->node = n;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, &attr);
    pthread_cond_init(&s->fresh, &attr);
    pthread_condattr_destroy(&attr);
    err = scrub_add(n, s, e);
    if (err)
        storage_free(s);
    else
        *ret = s;
    return err;
}

int storage_start(struct storage *s, struct error *e)
{
    if (pthread_create(&s->thread, NULL, storage_main, s))
        return error_set(e, ERR_LIMIT, "history", "cannot start the storage thread", "无法启动存储管理线程");
    s->running = true;
    return 0;
}

void storage_stop(struct storage *s)
{
    if (!s->running) return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stopping, true);
    pthread_cond_broadcast(&s->wake);
    pthread_cond_broadcast(&s->fresh);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->running = false;
}

void storage_free(struct storage *s)
{
    if (!s) return;
    usage_unref(s->usage);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->fresh);
    mem_free(s);
}
