/* jobs.c - the queue's frame: types, threads, submit, cancel, retry, the dead of other processes.
 *
 * Workers take jobs themselves: `work` says that there may be something; whoever takes a job leaves it set,
 * so that the next one looks too. The ticker (every half second) writes progress and logs, keeps this
 * process's lease, asks jobs that run too long to end, takes over the jobs of processes whose lease has
 * ended, and starts what schedules say. Every process has a name of its own (`runner`, new at each start)
 * and a lease of that name; a job belongs to the runner in its row, and each write of a job asks for it.
 * With SQLite there is one process, so that every other runner is a dead one.
 * On stop running jobs are asked to end; what does not end is waited for. */
#include "core/job/job_int.h"
#include "core/feed.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include "io/log.h"

#define TICK_NS (JOB_TICK_MS * 1000000ull)
#define RENEW_NS (10ull * 1000000000)
#define THREADS_MAX 64

int job_nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

int jobs_open(const struct jobs_config *cfg, struct jobs **ret, struct error *e)
{
    struct jobs *js = mem_calloc(1, sizeof *js);
    if (!js) return job_nomem(e);
    js->cfg = *cfg;
    js->kernel = cfg->kernel;
    js->db = kernel_sql(cfg->kernel);
    js->clock = kernel_clock(cfg->kernel);
    snprintf(js->runner, sizeof js->runner, "%.40s-%016llx", cfg->node && cfg->node[0] ? cfg->node : "node",
             (unsigned long long)rng_u64(kernel_rng(cfg->kernel)));
    pthread_mutex_init(&js->claim, NULL);
    pthread_mutex_init(&js->lock, NULL);
    cond_init(&js->work_cond);
    cond_init(&js->tick_cond);
    cond_init(&js->idle_cond);
    int rc = job_migrate(js->db, e);
    if (!rc) rc = schedules_open(js, &js->schedules, e);
    if (rc)
        jobs_close(js);
    else
        *ret = js;
    return rc;
}

void jobs_close(struct jobs *js)
{
    if (!js) return;
    jobs_stop(js);
    feed_free(js->feed);
    schedules_close(js->schedules);
    pthread_cond_destroy(&js->idle_cond);
    pthread_cond_destroy(&js->tick_cond);
    pthread_cond_destroy(&js->work_cond);
    pthread_mutex_destroy(&js->lock);
    pthread_mutex_destroy(&js->claim);
    mem_free(js->own_types);
    mem_free(js);
}

const struct job_type *job_type_find(const struct jobs *js, struct str name)
{
    for (size_t i = 0; i < js->ntypes; i++)
        if (str_is(name, js->types[i]->name)) return js->types[i];
    return NULL;
}

int jobs_type_add(struct jobs *js, const struct job_type *t)
{
    assert(t->name && t->title_en && t->title_zh && t->kind && t->run && !js->workers);
    if (js->ntypes == JOB_TYPES_MAX) return ERR_LIMIT;
    if (job_type_find(js, str_of(t->name))) return ERR_EXISTS;
    js->types[js->ntypes++] = t;
    return 0;
}

/* ------------------------------------------------------------------ threads */

void jobs_wake(struct jobs *js)
{
    pthread_mutex_lock(&js->lock);
    js->work = true;
    pthread_cond_signal(&js->work_cond);
    pthread_mutex_unlock(&js->lock);
}

bool jobs_work_once(struct jobs *js)
{
    struct error e = {0};
    struct job *j = NULL;
    pthread_mutex_lock(&js->claim);
    int rc = job_claim(js, &j, &e);
    if (!rc && j) {
        pthread_mutex_lock(&js->lock);
        if (js->stopping) atomic_store(&j->stop, STOP_SHUTDOWN);
        j->next = js->running;
        js->running = j;
        pthread_mutex_unlock(&js->lock);
    }
    pthread_mutex_unlock(&js->claim);
    if (rc) log_warn("jobs", "the queue cannot be read", "err=%s detail=\"%s\"", error_name(rc), e.text);
    if (!j) return false;
    jobs_wake(js); /* there may be more */
    job_run(js, j);
    return true;
}

static void *worker(void *arg)
{
    struct jobs *js = arg;
    pthread_setname_np(pthread_self(), "job");
    pthread_mutex_lock(&js->lock);
    while (!js->stopping) {
        if (!js->work) {
            pthread_cond_wait(&js->work_cond, &js->lock);
            continue;
        }
        js->work = false;
        pthread_mutex_unlock(&js->lock);
        jobs_work_once(js);
        pthread_mutex_lock(&js->lock);
    }
    pthread_cond_broadcast(&js->work_cond);
    pthread_mutex_unlock(&js->lock);
    return NULL;
}

/* The next running job that this tick has not seen, pinned. */
static struct job *next_of_tick(struct jobs *js)
{
    pthread_mutex_lock(&js->lock);
    struct job *j = js->running;
    while (j && j->tick == js->tick) j = j->next;
    if (j) {
        j->tick = js->tick;
        j->pinned = true;
    }
    pthread_mutex_unlock(&js->lock);
    return j;
}

static void unpin(struct jobs *js, struct job *j)
{
    pthread_mutex_lock(&js->lock);
    j->pinned = false;
    pthread_cond_broadcast(&js->idle_cond);
    pthread_mutex_unlock(&js->lock);
}

static void ask_to_stop(struct job *j, enum job_stop why)
{
    int none = STOP_NO;
    atomic_compare_exchange_strong(&j->stop, &none, why);
}

static void look_after(struct job *j)
{
    struct error e = {0};
    uint64_t ran_ns = clock_mono_ns(j->js->clock) - j->started_ns;
    if (j->type->timeout_s && ran_ns > j->type->timeout_s * 1000000000ull) ask_to_stop(j, STOP_TIMEOUT);
    int rc = job_flush(j, &e);
    if (rc == ERR_NOT_FOUND)
        ask_to_stop(j, STOP_LOST);
    else if (rc)
        log_warn("jobs", "progress cannot be written", "job=%s err=%s", j->id, error_name(rc));
}

static struct job *find_running(struct jobs *js, struct str id)
{
    struct job *j = js->running;
    while (j && !str_is(id, j->id)) j = j->next;
    return j;
}

static bool anything_runs(struct jobs *js)
{
    pthread_mutex_lock(&js->lock);
    bool any = js->running != NULL;
    pthread_mutex_unlock(&js->lock);
    return any;
}

/* What was cancelled through another process, or here in the moment between being taken and being known to run. */
static int look_for_cancels(struct jobs *js, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select id from job where state = 'running' and runner = $1 and cancel = 1", &s, e);
    if (!rc) sql_bind_str(s, 1, str_of(js->runner));
    while (!rc && (rc = sql_step(s, e)) == 1) {
        pthread_mutex_lock(&js->lock);
        struct job *j = find_running(js, sql_str(s, 0));
        if (j) ask_to_stop(j, STOP_USER);
        pthread_mutex_unlock(&js->lock);
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int keep_lease(struct jobs *js, struct error *e)
{
    char name[96];
    snprintf(name, sizeof name, "job-runner:%s", js->runner);
    int rc = sql_lease(js->db, name, js->runner, JOB_LEASE_S, NULL, e);
    return rc < 0 ? rc : 0;
}

/* Where processes share a database. */
static void look_at_others(struct jobs *js)
{
    struct error e = {0};
    uint64_t now = clock_mono_ns(js->clock);
    int rc = 0;
    if (now - js->leased_ns >= RENEW_NS) {
        js->leased_ns = now;
        rc = keep_lease(js, &e);
        if (!rc) rc = jobs_recover(js, &e);
    }
    if (rc) log_warn("jobs", "cannot look after jobs of others", "err=%s detail=\"%s\"", error_name(rc), e.text);
}

void jobs_tick(struct jobs *js)
{
    js->tick++;
    for (struct job *j; (j = next_of_tick(js));) {
        look_after(j);
        unpin(js, j);
    }
    struct error e = {0};
    if (anything_runs(js) && look_for_cancels(js, &e))
        log_warn("jobs", "cannot look for cancelled jobs", "detail=\"%s\"", e.text);
    if (sql_dialect(js->db) != SQL_SQLITE) {
        look_at_others(js);
        jobs_changed(js); /* by another process, perhaps */
    }
    schedules_tick(js->schedules);
    jobs_wake(js);
}

static void *ticker(void *arg)
{
    struct jobs *js = arg;
    pthread_setname_np(pthread_self(), "job-tick");
    pthread_mutex_lock(&js->lock);
    while (!js->ticker_stopping) {
        pthread_mutex_unlock(&js->lock);
        jobs_tick(js);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_NS;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        pthread_mutex_lock(&js->lock);
        while (!js->ticker_stopping)
            if (pthread_cond_timedwait(&js->tick_cond, &js->lock, &until) == ETIMEDOUT) break;
    }
    pthread_mutex_unlock(&js->lock);
    return NULL;
}

int jobs_start(struct jobs *js, struct error *e)
{
    unsigned want = js->cfg.threads ? js->cfg.threads : 4;
    if (want > THREADS_MAX) want = THREADS_MAX;
    int rc = keep_lease(js, e);
    if (!rc) rc = jobs_recover(js, e);
    if (rc) return rc;
    js->workers = mem_calloc(want, sizeof *js->workers);
    if (!js->workers) return job_nomem(e);
    js->work = true;
    js->leased_ns = clock_mono_ns(js->clock);
    js->ticking = pthread_create(&js->ticker, NULL, ticker, js) == 0;
    for (; js->ticking && js->nworkers < want; js->nworkers++)
        if (pthread_create(&js->workers[js->nworkers], NULL, worker, js)) break;
    if (js->ticking && js->nworkers) return 0;
    jobs_stop(js);
    return error_set(e, ERR_LIMIT, "jobs", "no threads for jobs", "无法创建作业线程");
}

/* The ticker goes last: it writes what ending jobs still report. */
void jobs_stop(struct jobs *js)
{
    pthread_mutex_lock(&js->lock);
    js->stopping = true;
    for (struct job *j = js->running; j; j = j->next) ask_to_stop(j, STOP_SHUTDOWN);
    pthread_cond_broadcast(&js->work_cond);
    pthread_mutex_unlock(&js->lock);
    for (unsigned i = 0; i < js->nworkers; i++) pthread_join(js->workers[i], NULL);
    pthread_mutex_lock(&js->lock);
    js->ticker_stopping = true;
    pthread_cond_broadcast(&js->tick_cond);
    pthread_mutex_unlock(&js->lock);
    if (js->ticking) pthread_join(js->ticker, NULL);
    if (js->workers) {
        char name[96];
        snprintf(name, sizeof name, "job-runner:%s", js->runner);
        sql_lease_drop(js->db, name, js->runner);
    }
    mem_free(js->workers);
    js->workers = NULL;
    js->nworkers = 0;
    js->ticking = false;
}

/* ------------------------------------------------------------------ submit */

static int check_spec(struct jobs *js, const struct job_spec *spec, struct str params, struct error *e)
{
    const struct job_type *t = job_type_find(js, str_of(spec->type));
    if (!t)
        return error_set(e, ERR_NOT_FOUND, "type", "there is no job type '%s'; GET /api/v1/job-types lists them",
                         "没有作业类型“%s”；GET /api/v1/job-types 可列出全部类型", spec->type);
    if (spec->params && spec->params->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "params", "'params' is an object", "“params”须为对象");
    if (params.n > JOB_PARAMS_MAX)
        return error_set(e, ERR_TOO_LARGE, "params", "the parameters are larger than %u bytes", "参数超过 %u 字节",
                         JOB_PARAMS_MAX);
    if (spec->nafter > JOB_AFTER_MAX)
        return error_set(e, ERR_LIMIT, "after", "a job waits for at most %d others", "一个作业最多等待 %d 个其他作业",
                         JOB_AFTER_MAX);
    bool any = strcmp(t->kind, "*") == 0; /* the job itself looks at what it is to change */
    if (spec->by && spec->by->may && !any && !permitted_at(spec->by->may, t->kind, t->action, spec->org))
        return error_set(e, ERR_FORBIDDEN, "type", "%s may not start '%s'", "%s 没有启动“%s”的权限", spec->by->login,
                         t->name);
    return 0;
}

/* Sorts the jobs to wait for: 1 when one is not done yet. One that failed refuses. */
static int check_after(struct sql_tx *tx, const struct job_spec *spec, struct error *e)
{
    int waits = 0, rc = 0;
    for (size_t i = 0; i < spec->nafter && rc >= 0; i++) {
        struct sql_stmt *s = NULL;
        rc = sql_prepare(tx, "select state from job where id = $1", &s, e);
        if (rc) return rc;
        sql_bind_str(s, 1, spec->after[i]);
        rc = sql_step(s, e);
        struct str state = rc == 1 ? sql_str(s, 0) : STR("");
        if (rc == 0)
            rc = error_set(e, ERR_NOT_FOUND, "after", "there is no job '%.*s' to wait for", "没有要等待的作业“%.*s”",
                           STR_ARG(spec->after[i]));
        else if (rc == 1 && (str_is(state, "failed") || str_is(state, "cancelled")))
            rc = error_set(e, ERR_INVALID, "after", "the job %.*s, which should be done first, has %.*s",
                           "须先完成的作业 %.*s 的状态为 %.*s", STR_ARG(spec->after[i]), STR_ARG(state));
        else if (rc == 1 && !str_is(state, "done"))
            waits = 1;
        sql_done(s);
    }
    return rc < 0 ? rc : waits;
}

static int key_taken(int rc, const struct job_spec *spec, struct error *e)
{
    if (rc != ERR_EXISTS) return rc;
    return error_set(e, ERR_EXISTS, "key", "such a job is queued or running already (%.*s)",
                     "同样的作业已在排队或运行（%.*s）", STR_ARG(spec->key));
}

int job_submit(struct jobs *js, const struct job_spec *spec, char ret_id[37], struct error *e)
{
    AUTO_ARENA a;
    struct sql_tx *tx;
    char id[37];
    arena_init(&a, 4u << 20);
    struct str params = spec->params ? json_text(&a, spec->params) : STR("{}");
    if (!params.p) return job_nomem(e);
    int rc = check_spec(js, spec, params, e);
    if (rc) return rc;
    uuid7(js->clock, kernel_rng(js->kernel), id);
    rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = check_after(tx, spec, e);
    if (rc >= 0) rc = job_insert(js, tx, spec, params, id, rc == 1, e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (rc) return key_taken(rc, spec, e);
    memcpy(ret_id, id, sizeof id);
    jobs_wake(js);
    jobs_changed(js);
    return 0;
}

/* ------------------------------------------------------------------ cancel, retry */

struct found {
    char state[16], user_id[37], org[37], type[64];
};

static int find_job(struct sql_tx *tx, struct str id, struct found *f, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, "select state, user_id, org, type from job where id = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    if (rc == 1) {
        str_to_cstr(sql_str(s, 0), f->state, sizeof f->state);
        str_to_cstr(sql_str(s, 1), f->user_id, sizeof f->user_id);
        str_to_cstr(sql_str(s, 2), f->org, sizeof f->org);
        str_to_cstr(sql_str(s, 3), f->type, sizeof f->type);
    }
    sql_done(s);
    if (rc == 0) return error_set(e, ERR_NOT_FOUND, "id", "there is no job '%.*s'", "没有作业“%.*s”", STR_ARG(id));
    return rc < 0 ? rc : 0;
}

/* The owner, whoever may do the type's action there, and administrators of jobs. */
static bool may_touch(struct jobs *js, const struct actor *by, const struct found *f)
{
    const struct job_type *t = job_type_find(js, str_of(f->type));
    if (!by || !by->may) return true;
    if (by->user_id[0] && strcmp(by->user_id, f->user_id) == 0) return true;
    if (t && permitted_at(by->may, t->kind, t->action, str_of(f->org))) return true;
    return permitted(by->may, "job", ACT_ADMIN);
}

static int begin_on(struct jobs *js, const struct actor *by, struct str id, struct sql_tx **tx, struct found *f,
                    struct error *e)
{
    int rc = sql_begin(js->db, true, tx, e);
    if (rc) return rc;
    rc = find_job(*tx, id, f, e);
    if (!rc && !may_touch(js, by, f))
        rc = error_set(e, ERR_NOT_FOUND, "id", "there is no job '%.*s'", "没有作业“%.*s”", STR_ARG(id));
    if (rc) sql_rollback(*tx);
    return rc;
}

static int cancel_row(struct jobs *js, struct sql_tx *tx, const struct actor *by, struct str id, const struct found *f,
                      struct error *e)
{
    int64_t n, now = clock_now_us(js->clock);
    bool running = strcmp(f->state, "running") == 0;
    char text[128];
    snprintf(text, sizeof text, "cancelled by %s", by ? by->login : "system");
    int rc = job_bump(tx, &n, e);
    if (!rc && running)
        rc = sql_exec(tx, e, "update job set cancel = 1, change = $2 where id = $1", "si", id, n);
    else if (!rc)
        rc = sql_exec(tx, e, "update job set state = 'cancelled', ended_us = $2, change = $3 where id = $1", "sii", id,
                      now, n);
    if (!rc) rc = job_line_add(tx, id, now, "warn", str_of(text), e);
    if (!rc && !running) rc = job_release(tx, id, false, now, e);
    return rc;
}

int job_cancel(struct jobs *js, const struct actor *by, struct str id, struct error *e)
{
    struct sql_tx *tx;
    struct found f;
    int rc = begin_on(js, by, id, &tx, &f, e);
    if (rc) return rc;
    if (strcmp(f.state, "waiting") != 0 && strcmp(f.state, "queued") != 0 && strcmp(f.state, "running") != 0)
        rc = error_set(e, ERR_INVALID, "state", "the job has ended already (%s)", "作业已结束（%s）", f.state);
    if (!rc) rc = cancel_row(js, tx, by, id, &f, e);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    rc = sql_commit(tx, e);
    if (rc) return rc;
    pthread_mutex_lock(&js->lock);
    struct job *j = find_running(js, id);
    if (j) ask_to_stop(j, STOP_USER);
    pthread_mutex_unlock(&js->lock);
    jobs_changed(js);
    return 0;
}

static int retry_row(struct jobs *js, struct sql_tx *tx, const struct actor *by, struct str id, struct error *e)
{
    int64_t n, now = clock_now_us(js->clock);
    char text[128];
    snprintf(text, sizeof text, "started again by %s", by ? by->login : "system");
    int rc = job_bump(tx, &n, e);
    if (!rc)
        rc = sql_exec(tx, e,
                      "update job set state = case when exists (select 1 from job_after a join job n on n.id = a.needs"
                      " where a.job = job.id and n.state <> 'done') then 'waiting' else 'queued' end, cancel = 0,"
                      " tries = 0, ended_us = 0, not_before_us = 0, error_code = 0, error_en = '', error_zh = '',"
                      " error_where = '', change = $2 where id = $1",
                      "si", id, n);
    if (!rc) rc = job_line_add(tx, id, now, "info", str_of(text), e);
    return rc;
}

int job_retry(struct jobs *js, const struct actor *by, struct str id, struct error *e)
{
    struct sql_tx *tx;
    struct found f;
    int rc = begin_on(js, by, id, &tx, &f, e);
    if (rc) return rc;
    if (strcmp(f.state, "failed") != 0 && strcmp(f.state, "cancelled") != 0)
        rc =
            error_set(e, ERR_INVALID, "state", "only a job that has failed or was cancelled is started again; it is %s",
                      "只有失败或已取消的作业可以重新启动；当前状态为 %s", f.state);
    if (!rc && !job_type_find(js, str_of(f.type)))
        rc = error_set(e, ERR_UNSUPPORTED, "type", "there is no job type '%s' here", "此处没有作业类型“%s”", f.type);
    if (!rc) rc = retry_row(js, tx, by, id, e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (rc) return key_taken(rc, &(struct job_spec){.key = STR("key")}, e);
    jobs_wake(js);
    jobs_changed(js);
    return 0;
}

/* ------------------------------------------------------------------ waiting */

static int state_of(struct jobs *js, struct str id, char ret[16], struct error *e)
{
    struct sql_tx *tx;
    struct found f;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = find_job(tx, id, &f, e);
    sql_rollback(tx);
    if (!rc) memcpy(ret, f.state, 16);
    return rc;
}

int job_wait(struct jobs *js, struct str id, unsigned timeout_ms, char ret_state[16], struct error *e)
{
    struct timespec now, until;
    char state[16];
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (timeout_ms % 1000) * 1000000L;
    for (;;) {
        int rc = state_of(js, id, state, e);
        if (rc) return rc;
        bool over = strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
        if (over) {
            memcpy(ret_state, state, sizeof state);
            return 0;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec))
            return error_set(e, ERR_TIMEOUT, "", "the job is still %s", "作业仍处于 %s 状态", state);
        struct timespec step = now;
        step.tv_nsec += 20000000;
        if (step.tv_nsec >= 1000000000) step.tv_sec++, step.tv_nsec -= 1000000000;
        pthread_mutex_lock(&js->lock); /* a job that ends here wakes it; one of another process is asked for */
        pthread_cond_timedwait(&js->idle_cond, &js->lock, &step);
        pthread_mutex_unlock(&js->lock);
    }
}
