/* job_run.c - one running job: what run() sees of it, and what its end means.
 *
 * run() reports into memory under job.lock; the ticker, checkpoints and the end write it down. The end:
 * 0 is done, whatever was asked meanwhile; an error after it was asked to stop is what was asked for
 * (cancelled; timed out; for a stop of the process queued again or interrupted); any other error is tried
 * again while tries are left, else failed. A job that another process took over ends without a trace. */
#include <stdarg.h>
#include <stdio.h>
#include "core/job/job_int.h"
#include "io/log.h"

struct job *job_new(struct jobs *js)
{
    struct job *j = mem_calloc(1, sizeof *j);
    if (!j) return NULL;
    j->js = js;
    arena_init(&j->arena, JOB_ARENA_MAX);
    pthread_mutex_init(&j->flush, NULL);
    pthread_mutex_init(&j->lock, NULL);
    return j;
}

void job_free(struct job *j)
{
    if (!j) return;
    for (size_t i = 0; i < j->nlines; i++) mem_free(j->lines[i].text);
    mem_free(j->lines);
    pthread_mutex_destroy(&j->lock);
    pthread_mutex_destroy(&j->flush);
    arena_fini(&j->arena);
    mem_free(j);
}

/* ------------------------------------------------------------------ inside run() */

const char *job_id(const struct job *j)
{
    return j->id;
}
const struct json *job_params(const struct job *j)
{
    return j->params;
}
const struct json *job_state(const struct job *j)
{
    return j->state;
}
const struct actor *job_actor(const struct job *j)
{
    return &j->actor;
}
struct arena *job_arena(struct job *j)
{
    return &j->arena;
}
bool job_cancelled(struct job *j)
{
    return atomic_load_explicit(&j->stop, memory_order_relaxed) != STOP_NO;
}

void job_progress(struct job *j, uint64_t done, uint64_t total, const char *what_en, const char *what_zh)
{
    pthread_mutex_lock(&j->lock);
    j->done = done;
    j->total = total;
    if (what_en) str_to_cstr(str_of(what_en), j->what_en, sizeof j->what_en);
    if (what_zh) str_to_cstr(str_of(what_zh), j->what_zh, sizeof j->what_zh);
    j->progressed = true;
    pthread_mutex_unlock(&j->lock);
}

static bool add_line(struct job *j, const char *level, char *text)
{
    if (j->nlines >= JOB_LINES_HELD) {
        j->held_back++;
        return false;
    }
    if (!mem_grow((void **)&j->lines, &j->lines_cap, j->nlines + 1, sizeof *j->lines)) return false;
    struct job_line *l = &j->lines[j->nlines++];
    *l = (struct job_line){.n = ++j->last_n, .t_us = clock_now_us(j->js->clock), .text = text};
    str_to_cstr(str_of(level), l->level, sizeof l->level);
    return true;
}

void job_log(struct job *j, const char *level, const char *fmt, ...)
{
    struct buf line;
    va_list ap;
    buf_init(&line, JOB_LINE_MAX);
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    char *text = mem_strdup(line.err ? "a line was too long for the log" : buf_cstr(&line));
    buf_fini(&line);
    pthread_mutex_lock(&j->lock);
    bool kept = text && add_line(j, level, text);
    pthread_mutex_unlock(&j->lock);
    if (!kept) mem_free(text);
}

/* ------------------------------------------------------------------ events */

void job_tell(struct jobs *js, const char *topic, enum event_severity severity, struct str id, struct str title_en,
              struct str title_zh, struct str org, const char *user_id, const char *text_en, const char *text_zh)
{
    char link[64];
    snprintf(link, sizeof link, "/jobs/%.*s", STR_ARG(id));
    struct event ev = {.topic = topic,
                       .severity = severity,
                       .title_en = title_en,
                       .title_zh = title_zh,
                       .text_en = str_of(text_en),
                       .text_zh = str_of(text_zh),
                       .kind = STR("job"),
                       .id = id,
                       .org = org,
                       .link = str_of(link),
                       .need = ACT_ADMIN};
    str_to_cstr(str_of(user_id), ev.user_id, sizeof ev.user_id);
    kernel_event(js->kernel, &ev);
}

/* Titles "what: title" in both languages. */
static void tell_end(struct jobs *js, struct job *j, const char *topic, enum event_severity severity, const char *en,
                     const char *zh, const struct error *why)
{
    char title_en[512], title_zh[512];
    snprintf(title_en, sizeof title_en, "%s: %.*s", en, STR_ARG(j->title.n ? j->title : str_of(j->type->title_en)));
    snprintf(title_zh, sizeof title_zh, "%s：%.*s", zh, STR_ARG(j->title.n ? j->title : str_of(j->type->title_zh)));
    job_tell(js, topic, severity, str_of(j->id), str_of(title_en), str_of(title_zh), str_of(j->org), j->user_id,
             why->text, why->text_zh);
}

/* ------------------------------------------------------------------ running */

static int by_token(struct jobs *js, struct job *j, struct error *e)
{
    const struct jobs_config *cfg = &js->cfg;
    struct str user = str_of(j->user_id), token = str_of(j->token);
    int rc = cfg->token_actor ? cfg->token_actor(cfg->actor_ctx, &j->arena, user, token, &j->actor) : ERR_NOT_FOUND;
    if (rc != ERR_NOT_FOUND) return rc;
    return error_set(
        e, ERR_FORBIDDEN, "by",
        "the API token of '%s', by which this was started, is revoked, has expired or is of a user who is "
        "gone or disabled; start it again with a valid one",
        "启动此作业所用的“%s”的 API 令牌已被吊销、已过期，或其用户已不存在或已停用；请使用有效令牌重新启动", j->login);
}

static int by_user(struct jobs *js, struct job *j, struct error *e)
{
    const struct jobs_config *cfg = &js->cfg;
    int rc = cfg->actor ? cfg->actor(cfg->actor_ctx, &j->arena, str_of(j->user_id), &j->actor) : ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND)
        return error_set(e, ERR_FORBIDDEN, "by", "the user '%s', who started this, is gone or disabled",
                         "启动此作业的用户“%s”已不存在或已停用", j->login);
    return rc;
}

/* What he may now; a job that came by an API token has what that may now, however often it is run. */
static int find_actor(struct jobs *js, struct job *j, struct error *e)
{
    j->actor = actor_system;
    if (!j->user_id[0]) return 0;
    int rc = j->token[0] ? by_token(js, j, e) : by_user(js, j, e);
    if (rc == ERR_FORBIDDEN) return rc;
    bool any = strcmp(j->type->kind, "*") == 0; /* the job itself looks at what it is to change */
    if (!rc && j->actor.may && !any && !permitted_at(j->actor.may, j->type->kind, j->type->action, str_of(j->org)))
        return error_set(e, ERR_FORBIDDEN, "by", "the user '%s' may no longer start '%s'",
                         "用户“%s”已没有启动“%s”的权限", j->login, j->type->name);
    return rc;
}

static int call_run(struct jobs *js, struct job *j, struct error *e)
{
    if (!j->params) return error_set(e, ERR_CORRUPT, "params", "the stored parameters are damaged", "存储的参数已损坏");
    int rc = find_actor(js, j, e);
    if (!rc) rc = j->type->run(j->type->ctx, j, e);
    if (rc && e->code != rc) {
        if (e->text[0])
            e->code = rc;
        else
            error_set(e, rc, e->where, NULL, NULL);
    }
    return rc;
}

static int64_t back_off_us(unsigned tries)
{
    int64_t s = JOB_BACKOFF_S;
    for (unsigned i = 0; i < tries && s < JOB_BACKOFF_MAX_S; i++) s *= 2;
    return (s > JOB_BACKOFF_MAX_S ? JOB_BACKOFF_MAX_S : s) * TIME_US_PER_S;
}

static void end_interrupted(struct job *j, struct job_end *end)
{
    if (j->type->resumable) {
        *end = (struct job_end){.state = "queued", .keep_tries = true};
        job_log(j, "warn", "interrupted by a stop of the platform; goes on at the next start");
        return;
    }
    end->state = "failed";
    error_set(&end->err, ERR_CANCELLED, "interrupted", "interrupted by a stop of the platform", "因平台停止而中断");
}

/* It came back with an error that nobody asked for: again, when a later try may do. */
static void end_failed(struct job *j, struct job_end *end)
{
    bool permanent = end->err.code == ERR_FORBIDDEN || end->err.code == ERR_INVALID;
    if (permanent || j->tries >= j->type->retries) {
        end->state = "failed";
        return;
    }
    int64_t wait = back_off_us(j->tries);
    end->state = "queued";
    end->not_before_us = clock_now_us(j->js->clock) + wait;
    job_log(j, "warn", "failed: %s; tried again in %lld s (%u of %u)", end->err.text, (long long)(wait / TIME_US_PER_S),
            j->tries + 1, j->type->retries);
}

static void decide(struct job *j, int rc, struct job_end *end)
{
    int why = atomic_load(&j->stop);
    if (rc == 0) {
        end->state = "done";
        end->err = (struct error){0};
        end->keep_tries = true;
    } else if (why == STOP_USER) {
        *end = (struct job_end){.state = "cancelled"};
    } else if (why == STOP_SHUTDOWN) {
        end_interrupted(j, end);
    } else {
        if (why == STOP_TIMEOUT)
            error_set(&end->err, ERR_TIMEOUT, "", "not done within %u s", "%u 秒内未完成", j->type->timeout_s);
        end_failed(j, end);
    }
    if (strcmp(end->state, "failed") == 0) job_log(j, "error", "%s", end->err.text);
}

static void tell(struct jobs *js, struct job *j, const struct job_end *end)
{
    int why = atomic_load(&j->stop);
    bool failed = strcmp(end->state, "failed") == 0;
    if (why == STOP_SHUTDOWN && (failed || strcmp(end->state, "queued") == 0))
        tell_end(js, j, "job.interrupted", EVENT_WARNING, "Job interrupted", "作业中断", &end->err);
    else if (failed)
        tell_end(js, j, "job.failed", EVENT_ERROR, "Job failed", "作业失败", &end->err);
    else if (strcmp(end->state, "done") == 0 && j->user_id[0] && !j->schedule[0])
        tell_end(js, j, "job.done", EVENT_INFO, "Job done", "作业完成", &end->err);
}

static void forget(struct jobs *js, struct job *j)
{
    pthread_mutex_lock(&js->lock);
    while (j->pinned) pthread_cond_wait(&js->idle_cond, &js->lock);
    struct job **at = &js->running;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    pthread_cond_broadcast(&js->idle_cond);
    pthread_mutex_unlock(&js->lock);
    job_free(j);
}

/* A store that is in trouble is asked again for a while: else the row stays "running" until the next start. */
static int finish(struct jobs *js, struct job *j, const struct job_end *end, struct error *e)
{
    struct timespec pause = {.tv_nsec = 200000000};
    int rc = job_finish(js, j, end, e);
    for (int i = 0; i < 50 && (rc == ERR_AGAIN || rc == ERR_UNAVAILABLE || rc == ERR_CLOSED || rc == ERR_DISK_FULL);
         i++) {
        if (atomic_load(&j->stop) == STOP_SHUTDOWN && i > 5) break;
        nanosleep(&pause, NULL);
        rc = job_finish(js, j, end, e);
    }
    return rc;
}

void job_run(struct jobs *js, struct job *j)
{
    struct job_end end = {.state = "failed"};
    struct error e = {0};
    int rc = call_run(js, j, &end.err);
    decide(j, rc, &end);
    rc = finish(js, j, &end, &e);
    if (rc == ERR_NOT_FOUND)
        log_warn("jobs", "a job was taken over by another process; what this one did at its end is dropped", "job=%s",
                 j->id);
    else if (rc)
        log_error("jobs", "the end of a job cannot be written", "job=%s err=%s detail=\"%s\"", j->id, error_name(rc),
                  e.text);
    else
        tell(js, j, &end);
    forget(js, j);
    jobs_wake(js);
    jobs_changed(js);
}
