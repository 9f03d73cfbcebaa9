/* planner.c - the thread that starts what is due, on the process that leads (core/lead.h).
 *
 * Nothing is kept: what ran last is in the table of backups, so that a run is due when the cron's next time after the
 * last one (or after the last change of the plan) has passed. What was missed while the platform was down is made up
 * for once. A full backup counts as the incremental one of the same time. Keys of the jobs keep two of one from
 * standing in the queue. Also: the engine is told whether to keep finished logs, and a plan whose last good backup is
 * older than two of its periods is told of once (event backup.overdue; the metric bornite_backup_age_seconds has it all
 * the time). /healthz stays as it is: a plant without a fresh backup still runs. */
#include "base/mem.h"
#include "base/time.h"
#include "core/job/plan.h"
#include "io/log.h"
#include "modules/backup/backup.h"

#define TICK_MS 500
#define RELOAD_NS (30ull * 1000000000)

struct watched {
    struct backup_plan p;
    struct plan full, incremental, drill;
    bool has_full, has_incremental, has_drill, told;
    int64_t last_full, last_any, last_drill, last_logs, last_good;
};
struct planner {
    struct backup *b;
    struct arena arena;
    struct watched *plan;
    size_t n, cap;
    char told[PLANS_MAX][37]; /* overdue ones that were told of */
    size_t ntold;
    uint64_t loaded_ns;
    bool keeps_logs, asked_logs;
};

/* ------------------------------------------------------------------ reading the plans */

static bool read_cron(struct arena *a, struct str cron, struct str zone, struct plan *ret)
{
    struct json *s = json_new_object(a);
    if (!cron.n) return false;
    json_set(s, a, STR("cron"), json_new_str(a, cron));
    json_set(s, a, STR("time_zone"), json_new_str(a, zone));
    return plan_read(s, NULL, a, ret, NULL) == 0;
}

static int take_plan(void *ctx, const struct resource *r)
{
    struct planner *x = ctx;
    if (x->n == PLANS_MAX || !mem_grow((void **)&x->plan, &x->cap, x->n + 1, sizeof *x->plan)) return 0;
    struct watched *w = &x->plan[x->n];
    *w = (struct watched){0};
    if (backup_plan_read(r, &x->arena, &w->p) || !w->p.enabled) return 0;
    w->has_full = read_cron(&x->arena, w->p.full, w->p.zone, &w->full);
    w->has_incremental = read_cron(&x->arena, w->p.incremental, w->p.zone, &w->incremental);
    w->has_drill = read_cron(&x->arena, w->p.drill, w->p.zone, &w->drill);
    x->n++;
    return 0;
}

static void forget_plans(struct planner *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->plan[i].has_full) plan_fini(&x->plan[i].full);
        if (x->plan[i].has_incremental) plan_fini(&x->plan[i].incremental);
        if (x->plan[i].has_drill) plan_fini(&x->plan[i].drill);
    }
    x->n = 0;
    arena_reset(&x->arena);
}

static int read_lasts(struct backup *b, struct watched *w)
{
    uint64_t log;
    int rc = backup_last(b, w->p.id, "full", &w->last_full, NULL);
    if (!rc) rc = backup_last(b, w->p.id, "incremental", &w->last_any, NULL);
    if (!rc) rc = backup_last(b, w->p.id, "good", &w->last_good, NULL);
    if (!rc) rc = backup_last(b, w->p.id, "drill", &w->last_drill, NULL);
    if (!rc) rc = backup_position(b, w->p.id, &log, &w->last_logs, NULL);
    return rc;
}

static void reload(struct planner *x)
{
    struct error e = {0};
    forget_plans(x);
    int rc = resource_each(x->b->node->kernel, "backup_plan", take_plan, x, &e);
    for (size_t i = 0; i < x->n && !rc; i++) rc = read_lasts(x->b, &x->plan[i]);
    if (rc) {
        log_error("backup", "the plans cannot be read", "err=%s detail=\"%s\"", error_name(rc), e.text);
        forget_plans(x);
    }
    pthread_mutex_lock(&x->b->lock);
    x->b->ndue = 0;
    for (size_t i = 0; i < x->n; i++) {
        struct backup_due *d = &x->b->due[x->b->ndue++];
        *d = (struct backup_due){.good_us = x->plan[i].last_good};
        memcpy(d->plan, x->plan[i].p.id, sizeof d->plan);
        memcpy(d->code, x->plan[i].p.code, sizeof d->code);
    }
    pthread_mutex_unlock(&x->b->lock);
}

/* ------------------------------------------------------------------ what is due */

static bool is_due(const struct plan *cron, int64_t last, int64_t changed, int64_t now)
{
    return plan_next(cron, last > changed ? last : changed) <= now;
}

static bool submit(struct planner *x, struct watched *w, enum backup_job what)
{
    AUTO_ARENA a;
    char id[37], key[80];
    struct error e = {0};
    arena_init(&a, 1 << 20);
    struct json *params = json_new_object(&a);
    json_set(params, &a, STR("plan"), json_new_str(&a, str_of(w->p.id)));
    snprintf(key, sizeof key, "backup:%d:%s", (int)what, w->p.id);
    int rc = backup_submit(x->b, what, NULL, params, str_of(key), STR(""), id, &e);
    if (rc && rc != ERR_EXISTS)
        log_error("backup", "a job cannot be started", "plan=%s err=%s detail=\"%s\"", w->p.code, error_name(rc),
                  e.text);
    return rc == 0 || rc == ERR_EXISTS;
}

static void start_due(struct planner *x, struct watched *w, int64_t now)
{
    if (w->has_full && is_due(&w->full, w->last_full, w->p.changed_us, now) && submit(x, w, JOB_FULL))
        w->last_full = w->last_any = now;
    if (w->has_incremental && is_due(&w->incremental, w->last_any, w->p.changed_us, now) &&
        submit(x, w, JOB_INCREMENTAL))
        w->last_any = now;
    if (w->has_drill && w->last_good && is_due(&w->drill, w->last_drill, w->p.changed_us, now) &&
        submit(x, w, JOB_DRILL))
        w->last_drill = now;
    if (w->p.logs && w->last_logs + w->p.logs_every_us <= now && submit(x, w, JOB_LOGS)) w->last_logs = now;
}

static bool was_told(struct planner *x, const char *id, bool forget)
{
    for (size_t i = 0; i < x->ntold; i++) {
        if (strcmp(x->told[i], id) != 0) continue;
        if (forget) memcpy(x->told[i], x->told[--x->ntold], 37);
        return true;
    }
    return false;
}

static void look_at_age(struct planner *x, struct watched *w, int64_t now)
{
    const struct plan *p = w->has_incremental ? &w->incremental : &w->full;
    int64_t since = w->last_good > w->p.changed_us ? w->last_good : w->p.changed_us;
    if (!w->has_incremental && !w->has_full) return;
    int64_t second = plan_next(p, since);
    if (second < INT64_MAX) second = plan_next(p, second);
    bool old = second < INT64_MAX && second + 3600 * TIME_US_PER_S < now;
    if (!old) {
        (void)was_told(x, w->p.id, true);
        return;
    }
    if (was_told(x, w->p.id, false) || x->ntold == PLANS_MAX) return;
    memcpy(x->told[x->ntold++], w->p.id, 37);
    backup_tell(x->b, "overdue", EVENT_ERROR, &w->p, STR("The last good backup is older than two periods of the plan."),
                STR("最近一次成功的备份已超过计划的两个周期。"));
}

static void keep_logs(struct planner *x)
{
    struct ts_store *st = x->b->node->engine;
    struct error e = {0};
    bool want = false;
    for (size_t i = 0; i < x->n; i++) want = want || x->plan[i].p.logs;
    if (!st->admin || !st->admin->archive_logs || (x->asked_logs && want == x->keeps_logs)) return;
    int rc = st->admin->archive_logs(st, want ? LOGS_KEPT : 0, &e);
    if (rc) {
        log_error("backup", "the engine does not keep its logs", "err=%s detail=\"%s\"", error_name(rc), e.text);
        return;
    }
    x->asked_logs = true;
    x->keeps_logs = want;
}

static void tick(struct planner *x, bool dirty)
{
    uint64_t mono = clock_mono_ns(clock_real());
    if (dirty || mono - x->loaded_ns > RELOAD_NS || !x->loaded_ns) {
        reload(x);
        x->loaded_ns = mono;
    }
    keep_logs(x);
    if (!lead_held(&x->b->lead)) return;
    int64_t now = clock_now_us(x->b->node->clock);
    for (size_t i = 0; i < x->n; i++) {
        start_due(x, &x->plan[i], now);
        look_at_age(x, &x->plan[i], now);
    }
}

/* ------------------------------------------------------------------ the thread */

static void *planner_main(void *arg)
{
    struct backup *b = arg;
    struct planner *x = mem_calloc(1, sizeof *x);
    if (!x) return NULL;
    pthread_setname_np(pthread_self(), "backup plans");
    x->b = b;
    arena_init(&x->arena, 64u << 20);
    pthread_mutex_lock(&b->lock);
    while (!b->stopping) {
        struct timespec ts;
        bool dirty = b->dirty;
        b->dirty = false;
        pthread_mutex_unlock(&b->lock);
        tick(x, dirty);
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_nsec += TICK_MS * 1000000L;
        if (ts.tv_nsec >= 1000000000L) ts.tv_sec++, ts.tv_nsec -= 1000000000L;
        pthread_mutex_lock(&b->lock);
        while (!b->stopping && !b->dirty)
            if (pthread_cond_timedwait(&b->wake, &b->lock, &ts)) break;
    }
    pthread_mutex_unlock(&b->lock);
    forget_plans(x);
    arena_fini(&x->arena);
    mem_free(x->plan);
    mem_free(x);
    return NULL;
}

int planner_start(struct backup *b, struct error *e)
{
    b->stopping = false;
    b->dirty = true;
    if (pthread_create(&b->thread, NULL, planner_main, b))
        return error_set(e, ERR_LIMIT, "backup", "no thread for the plans", "无法创建计划线程");
    b->running = true;
    return 0;
}

void planner_stop(struct backup *b)
{
    if (!b->running) return;
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    b->running = false;
    lead_drop(&b->lead);
}
