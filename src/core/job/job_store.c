/* job_store.c - the rows of jobs.
 *
 *   job           one row a job; state waiting | queued | running | done | failed | cancelled; `change` is a
 *                 number out of table sequence that grows with every commit, by which streams find what is new;
 *                 `cancel` 1: asked to end; `runner`: the process that runs it or ran it last; `tries`: failed
 *                 attempts since it was submitted or retried by hand; `checkpoint`: JSON or ''; times 0: not yet
 *   job_after     job waits for needs
 *   job_log       newest JOB_LINES_KEPT lines of each job, n ascending from 1
 *   job_schedule  where a schedule stands (schedule.c)
 * A job's writes ask for runner and attempt, so that a process that was thought dead changes nothing. */
#include <stdio.h>
#include "core/job/job_int.h"

static const struct sql_migration migrations[] = {
    {1, "create table job(id text primary key, type text not null, title text not null, state text not null,"
        " user_id text not null, login text not null, org text not null, key text not null, schedule text not null,"
        " parent text not null, priority int not null, created_us int not null, not_before_us int not null,"
        " started_us int not null, ended_us int not null, attempt int not null, tries int not null,"
        " cancel int not null, runner text not null, change int not null, done int not null, total int not null,"
        " what_en text not null, what_zh text not null, error_code int not null, error_where text not null,"
        " error_en text not null, error_zh text not null, params text not null, checkpoint text not null,"
        " result text not null) strict;"
        "create unique index job_key on job(key) where key <> '' and ended_us = 0;"
        "create index job_state on job(state, type, priority, id);"
        "create index job_created on job(created_us);"
        "create index job_ended on job(ended_us);"
        "create index job_user on job(user_id, created_us);"
        "create index job_schedule_id on job(schedule, created_us);"
        "create unique index job_change on job(change);"
        "create table job_after(job text not null, needs text not null, primary key(job, needs)) strict;"
        "create index job_after_needs on job_after(needs);"
        "create table job_log(job text not null, n int not null, t_us int not null, level text not null,"
        " line text not null, primary key(job, n)) strict;"
        "create table job_schedule(id text primary key, next_us int not null, due_us int not null,"
        " run_us int not null, job text not null, note_en text not null, note_zh text not null) strict;"},
    {2, "alter table job_schedule add column rev int not null default 0;"},
    {3, "alter table job add column token text not null default '';"},
};

int job_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "job", migrations, sizeof migrations / sizeof *migrations, e);
}

static int one_i64(struct sql_stmt *s, int64_t *ret, struct error *e)
{
    int rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

int job_bump(struct sql_tx *tx, int64_t *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx,
                         "insert into sequence(name, value) values('job', 1) on conflict(name) do update set"
                         " value = sequence.value + 1 returning value",
                         &s, e);
    return rc ? rc : one_i64(s, ret, e);
}

static int insert_after(struct sql_tx *tx, const struct job_spec *spec, const char *id, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < spec->nafter && !rc; i++)
        rc = sql_exec(tx, e, "insert into job_after(job, needs) values($1, $2) on conflict(job, needs) do nothing",
                      "ss", str_of(id), spec->after[i]);
    return rc;
}

static struct str or_empty(struct str s)
{
    return s.p ? s : STR("");
}

int job_insert(struct jobs *js, struct sql_tx *tx, const struct job_spec *spec, struct str params, const char *id,
               bool waits, struct error *e)
{
    const struct actor *by = spec->by ? spec->by : &actor_system;
    int64_t n, now = clock_now_us(js->clock);
    int rc = job_bump(tx, &n, e);
    if (rc) return rc;
    rc = sql_exec(
        tx, e,
        "insert into job(id, type, title, state, user_id, login, org, key, schedule, parent, priority,"
        " created_us, not_before_us, started_us, ended_us, attempt, tries, cancel, runner, change, done, total,"
        " what_en, what_zh, error_code, error_where, error_en, error_zh, params, checkpoint, result, token)"
        " values($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0, 0, '', $14, 0, 0, '', '', 0,"
        " '', '', '', $15, '', '', $16)",
        "ssssssssssiiiiss", str_of(id), str_of(spec->type), or_empty(str_sub(spec->title, 0, 400)),
        waits ? STR("waiting") : STR("queued"), str_of(by->user_id), str_of(by->login), or_empty(spec->org),
        or_empty(spec->key), or_empty(spec->schedule), or_empty(spec->parent), (int64_t)spec->priority, now,
        spec->not_before_us, n, params, str_of(by->token_id));
    return rc ? rc : insert_after(tx, spec, id, e);
}

/* ------------------------------------------------------------------ claim */

/* Types that may run one more, as "$2, $3, …" in text and their names. */
struct room {
    const struct job_type *types[JOB_TYPES_MAX];
    size_t n;
};

static int running_of(struct sql_tx *tx, const struct job_type *t, int64_t *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, "select count(*) from job where state = 'running' and type = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, str_of(t->name));
    return one_i64(s, ret, e);
}

static int find_room(struct jobs *js, struct sql_tx *tx, struct room *r, struct error *e)
{
    int rc = 0;
    r->n = 0;
    for (size_t i = 0; i < js->ntypes && !rc; i++) {
        int64_t running = 0;
        rc = running_of(tx, js->types[i], &running, e);
        unsigned most = js->types[i]->concurrency ? js->types[i]->concurrency : 1;
        if (!rc && running < most) r->types[r->n++] = js->types[i];
    }
    return rc;
}

#define CLAIM_COLUMNS \
    "id, type, title, user_id, login, org, schedule, attempt, tries, created_us, params, checkpoint, " \
    "coalesce((select " \
    "max(n) from job_log l where l.job = job.id), 0), token"

/* The first that may run now; the statement stands on its row (1), there is none (0). */
static int first_of(struct jobs *js, struct sql_tx *tx, const struct room *r, struct sql_stmt **ret, struct error *e)
{
    struct buf text;
    buf_init(&text, 16 << 10);
    buf_z(&text, "select " CLAIM_COLUMNS " from job where state = 'queued' and not_before_us <= $1 and type in (");
    for (size_t i = 0; i < r->n; i++) buf_printf(&text, "%s$%zu", i ? ", " : "", i + 2);
    buf_z(&text, ") order by priority desc, id limit 1");
    int rc = text.err ? job_nomem(e) : sql_prepare(tx, buf_cstr(&text), ret, e);
    buf_fini(&text);
    if (rc) return rc;
    sql_bind_i64(*ret, 1, clock_now_us(js->clock));
    for (size_t i = 0; i < r->n; i++) sql_bind_str(*ret, (int)i + 2, str_of(r->types[i]->name));
    return sql_step(*ret, e);
}

static int parse_texts(struct job *j, struct error *e)
{
    struct json *v = NULL;
    int rc = json_parse(&j->arena, j->params_text, &v, e);
    j->params = v;
    if (rc || !j->state_text.n) return rc;
    rc = json_parse(&j->arena, j->state_text, &v, e);
    j->state = v;
    return rc;
}

static int read_claimed(struct job *j, struct sql_stmt *s, struct error *e)
{
    str_to_cstr(sql_str(s, 0), j->id, sizeof j->id);
    j->type = job_type_find(j->js, sql_str(s, 1));
    j->title = arena_str(&j->arena, sql_str(s, 2));
    str_to_cstr(sql_str(s, 3), j->user_id, sizeof j->user_id);
    str_to_cstr(sql_str(s, 4), j->login, sizeof j->login);
    str_to_cstr(sql_str(s, 5), j->org, sizeof j->org);
    str_to_cstr(sql_str(s, 6), j->schedule, sizeof j->schedule);
    j->attempt = (unsigned)sql_i64(s, 7) + 1;
    j->tries = (unsigned)sql_i64(s, 8);
    j->params_text = arena_str(&j->arena, sql_str(s, 10));
    j->state_text = arena_str(&j->arena, sql_str(s, 11));
    j->last_n = sql_i64(s, 12);
    str_to_cstr(sql_str(s, 13), j->token, sizeof j->token);
    return j->title.p && j->params_text.p && j->state_text.p ? 0 : job_nomem(e);
}

static int mark_running(struct job *j, struct sql_tx *tx, struct error *e)
{
    int64_t n;
    j->started_us = clock_now_us(j->js->clock);
    j->started_ns = clock_mono_ns(j->js->clock);
    int rc = job_bump(tx, &n, e);
    if (rc) return rc;
    return sql_exec(tx, e,
                    "update job set state = 'running', runner = $2, started_us = $3, attempt = $4, change = $5,"
                    " done = 0, total = 0, what_en = '', what_zh = '', error_code = 0, error_en = '', error_zh = '',"
                    " error_where = '' where id = $1",
                    "ssiii", str_of(j->id), str_of(j->js->runner), j->started_us, (int64_t)j->attempt, n);
}

/* 1: *j filled from the first job that may run; 0: none. */
static int look(struct jobs *js, struct sql_tx *tx, struct job *j, struct error *e)
{
    struct room room;
    struct sql_stmt *s = NULL;
    int rc = find_room(js, tx, &room, e);
    if (rc || !room.n) return rc;
    rc = first_of(js, tx, &room, &s, e);
    int err = rc == 1 && j ? read_claimed(j, s, e) : 0;
    sql_done(s);
    return err ? err : rc;
}

/* Most looks find nothing: they take no writer. */
static int anything(struct jobs *js, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = look(js, tx, NULL, e);
    sql_rollback(tx);
    return rc;
}

int job_claim(struct jobs *js, struct job **ret, struct error *e)
{
    struct sql_tx *tx;
    *ret = NULL;
    int rc = anything(js, e);
    if (rc <= 0) return rc;
    struct job *j = job_new(js);
    if (!j) return job_nomem(e);
    rc = sql_begin(js->db, true, &tx, e);
    if (!rc) {
        rc = look(js, tx, j, e);
        bool got = rc == 1;
        if (got) rc = mark_running(j, tx, e);
        if (rc || !got)
            sql_rollback(tx);
        else if ((rc = sql_commit(tx, e)) == 0)
            *ret = j;
    }
    if (*ret) {
        if (parse_texts(j, e)) j->params = NULL; /* job_run says so */
        return 0;
    }
    job_free(j);
    return rc;
}

/* ------------------------------------------------------------------ log and progress */

int job_line_add(struct sql_tx *tx, struct str id, int64_t now_us, const char *level, struct str text, struct error *e)
{
    return sql_exec(tx, e,
                    "insert into job_log(job, n, t_us, level, line) values($1, coalesce((select max(n) from job_log"
                    " where job = $1), 0) + 1, $2, $3, $4)",
                    "siss", id, now_us, str_of(level), text);
}

/* What run() reported since the last flush, taken out from under the lock. */
struct report {
    bool progressed;
    uint64_t done, total;
    char what_en[160], what_zh[160];
    struct job_line *lines;
    size_t nlines;
};

static bool take_report(struct job *j, struct report *r)
{
    pthread_mutex_lock(&j->lock);
    *r = (struct report){
        .progressed = j->progressed, .done = j->done, .total = j->total, .lines = j->lines, .nlines = j->nlines};
    memcpy(r->what_en, j->what_en, sizeof r->what_en);
    memcpy(r->what_zh, j->what_zh, sizeof r->what_zh);
    j->progressed = false;
    j->lines = NULL;
    j->nlines = j->lines_cap = 0;
    j->held_back = 0;
    pthread_mutex_unlock(&j->lock);
    return r->progressed || r->nlines;
}

static void free_lines(struct job_line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) mem_free(lines[i].text);
    mem_free(lines);
}

static int insert_lines(struct job *j, struct sql_tx *tx, const struct report *r, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < r->nlines && !rc; i++) {
        const struct job_line *l = &r->lines[i];
        rc = sql_exec(tx, e,
                      "insert into job_log(job, n, t_us, level, line) values($1, $2, $3, $4, $5) on conflict(job, n) do"
                      " nothing",
                      "siiss", str_of(j->id), l->n, l->t_us, str_of(l->level), str_of(l->text));
    }
    if (!rc && r->nlines && r->lines[r->nlines - 1].n > JOB_LINES_KEPT)
        rc = sql_exec(tx, e, "delete from job_log where job = $1 and n <= $2", "si", str_of(j->id),
                      r->lines[r->nlines - 1].n - JOB_LINES_KEPT);
    return rc;
}

/* Also when only lines came: watchers of the log look for changes. */
static int update_progress(struct job *j, struct sql_tx *tx, const struct report *r, struct error *e)
{
    int64_t n;
    int rc = job_bump(tx, &n, e);
    if (!rc && r->progressed)
        rc = sql_exec(tx, e,
                      "update job set done = $4, total = $5, what_en = $6, what_zh = $7, change = $8 where id = $1 and"
                      " runner = $2 and attempt = $3 and state = 'running'",
                      "ssiiissi", str_of(j->id), str_of(j->js->runner), (int64_t)j->attempt, (int64_t)r->done,
                      (int64_t)r->total, str_of(r->what_en), str_of(r->what_zh), n);
    else if (!rc)
        rc = sql_exec(tx, e,
                      "update job set change = $4 where id = $1 and runner = $2 and attempt = $3 and state = 'running'",
                      "ssii", str_of(j->id), str_of(j->js->runner), (int64_t)j->attempt, n);
    if (!rc && sql_changes(tx) == 0) rc = ERR_NOT_FOUND;
    return rc;
}

static int write_report(struct job *j, const struct report *r, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(j->js->db, true, &tx, e);
    if (rc) return rc;
    rc = update_progress(j, tx, r, e);
    if (!rc) rc = insert_lines(j, tx, r, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int job_flush(struct job *j, struct error *e)
{
    struct report r;
    int rc = 0;
    pthread_mutex_lock(&j->flush);
    if (take_report(j, &r)) {
        rc = write_report(j, &r, e);
        if (!rc) jobs_changed(j->js);
        free_lines(r.lines, r.nlines);
    }
    pthread_mutex_unlock(&j->flush);
    return rc;
}

/* ------------------------------------------------------------------ the end of an attempt */

static int one_id(struct sql_tx *tx, const char *text, struct str id, char ret[37], struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    if (rc == 1) str_to_cstr(sql_str(s, 0), ret, 37);
    sql_done(s);
    return rc;
}

static const char next_ready[] =
    "select id from job where state = 'waiting' and id in (select job from job_after where needs = $1) and not exists"
    " (select 1 from job_after a join job d on d.id = a.needs where a.job = job.id and d.state <> 'done')"
    " order by id limit 1";
static const char next_lost[] =
    "with recursive down(id) as (select job from job_after where needs = $1 union select a.job from job_after a join"
    " down on a.needs = down.id) select id from job where state = 'waiting' and id in (select id from down) order by id"
    " limit 1";

static int set_queued(struct sql_tx *tx, const char *id, struct error *e)
{
    int64_t n;
    int rc = job_bump(tx, &n, e);
    return rc ? rc : sql_exec(tx, e, "update job set state = 'queued', change = $2 where id = $1", "si", str_of(id), n);
}

static int fail_dependant(struct sql_tx *tx, struct str failed, const char *id, int64_t now, struct error *e)
{
    int64_t n;
    char en[160], zh[160];
    snprintf(en, sizeof en, "the job %.36s, which should be done first, was not done", failed.p);
    snprintf(zh, sizeof zh, "须先完成的作业 %.36s 未完成", failed.p);
    int rc = job_bump(tx, &n, e);
    if (!rc)
        rc = sql_exec(tx, e,
                      "update job set state = 'failed', ended_us = $2, change = $3, error_code = $4, error_where ="
                      " 'after', error_en = $5, error_zh = $6 where id = $1",
                      "siiiss", str_of(id), now, n, (int64_t)ERR_PRECONDITION, str_of(en), str_of(zh));
    return rc ? rc : job_line_add(tx, str_of(id), now, "error", str_of(en), e);
}

int job_release(struct sql_tx *tx, struct str id, bool done, int64_t now_us, struct error *e)
{
    char next[37], own[37];
    int rc;
    str_to_cstr(id, own, sizeof own);
    while ((rc = one_id(tx, done ? next_ready : next_lost, id, next, e)) == 1) {
        rc = done ? set_queued(tx, next, e) : fail_dependant(tx, str_of(own), next, now_us, e);
        if (rc) break;
    }
    return rc;
}

static int write_end(struct jobs *js, struct job *j, struct sql_tx *tx, const struct job_end *end, struct error *e)
{
    bool queued = strcmp(end->state, "queued") == 0;
    int64_t n, now = clock_now_us(js->clock);
    int rc = job_bump(tx, &n, e);
    if (!rc)
        rc = sql_exec(
            tx, e,
            "update job set state = $4, ended_us = $5, not_before_us = $6, tries = $7, error_code = $8,"
            " error_where = $9, error_en = $10, error_zh = $11, change = $12 where id = $1 and runner = $2 and"
            " attempt = $3 and state = 'running'",
            "ssisiiiisssi", str_of(j->id), str_of(js->runner), (int64_t)j->attempt, str_of(end->state),
            queued ? (int64_t)0 : now, end->not_before_us, (int64_t)(j->tries + (end->keep_tries ? 0 : 1)),
            (int64_t)end->err.code, str_of(end->err.where), str_of(end->err.text), str_of(end->err.text_zh), n);
    if (!rc && sql_changes(tx) == 0) rc = ERR_NOT_FOUND;
    if (!rc && !queued) rc = job_release(tx, str_of(j->id), strcmp(end->state, "done") == 0, now, e);
    return rc;
}

int job_finish(struct jobs *js, struct job *j, const struct job_end *end, struct error *e)
{
    struct sql_tx *tx;
    int rc = job_flush(j, e);
    if (rc) return rc;
    rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = write_end(js, j, tx, end, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* ------------------------------------------------------------------ inside run() */

int job_checkpoint(struct job *j, const struct json *state, struct error *e)
{
    struct buf text;
    struct sql_tx *tx;
    buf_init(&text, JOB_RESULT_MAX);
    json_write(&text, state);
    if (text.err) {
        buf_fini(&text);
        return error_set(e, text.err, "state", "a checkpoint has at most %u bytes", "检查点最多 %u 字节",
                         JOB_RESULT_MAX);
    }
    int rc = sql_begin(j->js->db, true, &tx, e);
    if (!rc) {
        rc = sql_exec(tx, e,
                      "update job set checkpoint = $4 where id = $1 and runner = $2 and attempt = $3 and state ="
                      " 'running'",
                      "ssis", str_of(j->id), str_of(j->js->runner), (int64_t)j->attempt, buf_view(&text));
        if (!rc && sql_changes(tx) == 0)
            rc = error_set(e, ERR_CANCELLED, "", "another process has taken this job over", "该作业已由其他进程接管");
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, e);
    }
    buf_fini(&text);
    if (rc == ERR_CANCELLED) atomic_store(&j->stop, STOP_LOST);
    return rc;
}

int job_result(struct job *j, const struct json *result, struct error *e)
{
    struct buf text;
    struct sql_tx *tx;
    buf_init(&text, JOB_RESULT_MAX);
    json_write(&text, result);
    if (text.err) {
        buf_fini(&text);
        return error_set(e, text.err, "result", "a result has at most %u bytes", "结果最多 %u 字节", JOB_RESULT_MAX);
    }
    int rc = sql_begin(j->js->db, true, &tx, e);
    if (!rc) {
        rc = sql_exec(tx, e, "update job set result = $4 where id = $1 and runner = $2 and attempt = $3", "ssis",
                      str_of(j->id), str_of(j->js->runner), (int64_t)j->attempt, buf_view(&text));
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, e);
    }
    buf_fini(&text);
    return rc;
}
