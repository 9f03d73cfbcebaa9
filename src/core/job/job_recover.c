/* job_recover.c - what ran when its process died.
 *
 * Found at the start, and by the ticker where processes share a database: rows that run under another
 * runner whose lease we get are orphans. Resumable ones are queued again with their checkpoint, others
 * fail with reason "interrupted"; what somebody had cancelled is cancelled. All of a runner's jobs in one
 * transaction; events come after it. */
#include <stdio.h>
#include "core/job/job_int.h"
#include "io/log.h"

struct orphan {
    char id[37], user_id[37], org[37];
    struct str type, title;
    bool cancel;
    const struct job_type *known;
};

static int read_orphan(struct jobs *js, struct sql_stmt *s, struct arena *a, struct orphan *o, struct error *e)
{
    str_to_cstr(sql_str(s, 0), o->id, sizeof o->id);
    str_to_cstr(sql_str(s, 1), o->user_id, sizeof o->user_id);
    str_to_cstr(sql_str(s, 2), o->org, sizeof o->org);
    o->type = arena_str(a, sql_str(s, 3));
    o->title = arena_str(a, sql_str(s, 4));
    o->cancel = sql_i64(s, 5) != 0;
    o->known = job_type_find(js, o->type);
    return o->type.p && o->title.p ? 0 : job_nomem(e);
}

#define ORPHANS 256
static int orphans_of(struct jobs *js, struct sql_tx *tx, struct arena *a, const char *runner, struct orphan *out,
                      size_t *n, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx,
                         "select id, user_id, org, type, title, cancel from job where state = 'running' and runner = $1"
                         " order by id limit 256",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, str_of(runner));
    while (*n < ORPHANS && (rc = sql_step(s, e)) == 1 && (rc = read_orphan(js, s, a, &out[*n], e)) == 0) ++*n;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int end_orphan(struct jobs *js, struct sql_tx *tx, const struct orphan *o, struct error *e)
{
    bool again = o->known && o->known->resumable && !o->cancel;
    const char *state = again ? "queued" : o->cancel ? "cancelled" : "failed";
    const char *text = again       ? "interrupted: the platform ended while this ran; it goes on from its checkpoint"
                       : o->cancel ? "the platform ended while this was being cancelled"
                                   : "interrupted: the platform ended while this ran";
    bool failed = !again && !o->cancel;
    int64_t n, now = clock_now_us(js->clock);
    int rc = job_bump(tx, &n, e);
    if (!rc)
        rc = sql_exec(tx, e,
                      "update job set state = $2, ended_us = $3, not_before_us = 0, change = $4, error_code = $5,"
                      " error_where = $6, error_en = $7, error_zh = $8 where id = $1",
                      "ssiiisss", str_of(o->id), str_of(state), again ? (int64_t)0 : now, n,
                      failed ? (int64_t)ERR_CANCELLED : (int64_t)0, failed ? STR("interrupted") : STR(""),
                      failed ? str_of(text) : STR(""), failed ? STR("运行期间平台终止，作业被中断") : STR(""));
    if (!rc) rc = job_line_add(tx, str_of(o->id), now, "warn", str_of(text), e);
    if (!rc && !again) rc = job_release(tx, str_of(o->id), false, now, e);
    return rc;
}

static void tell_orphan(struct jobs *js, const struct orphan *o)
{
    char en[512], zh[512];
    struct str title_en = o->title.n ? o->title : o->known ? str_of(o->known->title_en) : o->type;
    struct str title_zh = o->title.n ? o->title : o->known ? str_of(o->known->title_zh) : o->type;
    bool again = o->known && o->known->resumable;
    if (o->cancel) return;
    snprintf(en, sizeof en, "Job interrupted: %.*s", STR_ARG(title_en));
    snprintf(zh, sizeof zh, "作业中断：%.*s", STR_ARG(title_zh));
    log_warn("jobs", "a job was interrupted", "job=%s type=%.*s again=%d", o->id, STR_ARG(o->type), again);
    job_tell(js, "job.interrupted", EVENT_WARNING, str_of(o->id), str_of(en), str_of(zh), str_of(o->org), o->user_id,
             again ? "It goes on from its last checkpoint." : "It was not finished and does not start again by itself.",
             again ? "将从上次检查点继续。" : "作业未完成，且不会自动重新开始。");
}

static int recover_runner(struct jobs *js, const char *runner, size_t *ret_n, struct error *e)
{
    AUTO_ARENA a;
    struct sql_tx *tx;
    size_t n = 0;
    arena_init(&a, 4u << 20);
    struct orphan *o = arena_calloc(&a, ORPHANS, sizeof *o);
    if (!o) return job_nomem(e);
    int rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = orphans_of(js, tx, &a, runner, o, &n, e);
    for (size_t i = 0; i < n && !rc; i++) rc = end_orphan(js, tx, &o[i], e);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    for (size_t i = 0; i < n && !rc; i++) tell_orphan(js, &o[i]);
    *ret_n = n;
    return rc;
}

/* Some runner that is not us and has running jobs, after `from` in order. 1: found. */
static int next_runner(struct jobs *js, char runner[64], struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select runner from job where state = 'running' and runner <> $1 and runner > $2 order by runner"
                     " limit 1",
                     &s, e);
    if (!rc) {
        sql_bind_str(s, 1, str_of(js->runner));
        sql_bind_str(s, 2, str_of(runner));
        rc = sql_step(s, e);
        if (rc == 1) str_to_cstr(sql_str(s, 0), runner, 64);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

int jobs_recover(struct jobs *js, struct error *e)
{
    char runner[64] = "", name[96];
    int rc;
    while ((rc = next_runner(js, runner, e)) == 1) {
        snprintf(name, sizeof name, "job-runner:%s", runner);
        rc = sql_lease(js->db, name, js->runner, JOB_LEASE_S, NULL, e);
        if (rc < 0) return rc;
        if (rc == 0) continue; /* alive */
        for (size_t n = ORPHANS; n == ORPHANS && rc >= 0;) rc = recover_runner(js, runner, &n, e);
        sql_lease_drop(js->db, name, js->runner);
        if (rc < 0) return rc;
    }
    return rc;
}
