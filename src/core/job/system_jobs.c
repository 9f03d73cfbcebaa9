/* system_jobs.c - the kernel's own jobs: system.prune takes away what has been kept long enough,
 * system.integrity looks whether the relational store is whole. Each has a schedule made at the first start,
 * an ordinary resource that may be changed or deleted. */
#include <stdio.h>
#include "core/job/job_int.h"
#include "core/job/schedule.h"

#define BATCH 500
#define DAY_US (86400 * TIME_US_PER_S)

/* ------------------------------------------------------------------ prune */

struct prune {
    struct job *j;
    struct jobs *js;
    struct json *result;
};

/* Runs `text` (with one time or number) in transactions of a batch until it changes nothing more. */
static int delete_batches(struct prune *p, const char *name, const char *text, int64_t arg, struct error *e)
{
    int64_t total = 0;
    for (int64_t n = 1; n > 0 && !job_cancelled(p->j); total += n) {
        struct sql_tx *tx;
        int rc = sql_begin(p->js->db, true, &tx, e);
        if (rc) return rc;
        rc = sql_exec(tx, e, text, "i", arg);
        n = sql_changes(tx);
        if (rc)
            sql_rollback(tx);
        else
            rc = sql_commit(tx, e);
        if (rc) return rc;
    }
    job_log(p->j, "info", "%s: %lld rows taken away", name, (long long)total);
    struct arena *a = job_arena(p->j);
    return json_set(p->result, a, arena_str(a, str_of(name)), json_new_i64(a, total)) ? 0 : job_nomem(e);
}

/* The end of the jobs that are kept by number: the end time of the oldest one. */
static int end_of_kept(struct jobs *js, int64_t keep, int64_t *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select ended_us from job where ended_us > 0 order by ended_us desc limit 1 offset $1", &s, e);
    if (!rc) {
        sql_bind_i64(s, 1, keep);
        rc = sql_step(s, e);
    }
    *ret = rc == 1 ? sql_i64(s, 0) + 1 : 0;
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

static int prune(void *ctx, struct job *j, struct error *e)
{
    static const struct {
        const char *name, *text;
        int64_t age_us; /* -1: of jobs */
    } steps[] = {
        {"jobs",
         "delete from job where id in (select id from job where ended_us > 0 and ended_us < $1 order by ended_us limit "
         "500)",
         -1},
        {"job_logs",
         "delete from job_log where job in (select l.job from job_log l where not exists (select 1 from job j where "
         "j.id ="
         " l.job) and l.t_us < $1 limit 500)",
         0},
        {"job_dependencies",
         "delete from job_after where job in (select a.job from job_after a where not exists (select 1 from job j where"
         " j.id = a.job) and 0 < $1 limit 500)",
         0},
        {"schedule_positions",
         "delete from job_schedule where id in (select s.id from job_schedule s where not exists (select 1 from "
         "resource r"
         " where r.id = s.id and r.deleted = 0) and 0 < $1 limit 500)",
         0},
        {"idempotency_keys",
         "delete from api_idempotency where key in (select key from api_idempotency where at_us < $1 limit 500)",
         DAY_US},
        {"sessions", "delete from api_session where id in (select id from api_session where seen_us < $1 limit 500)",
         90 * DAY_US},
        {"tokens",
         "delete from api_token where id in (select id from api_token where expires_us > 0 and expires_us < $1 limit "
         "500)",
         30 * DAY_US},
    };
    size_t n = sizeof steps / sizeof *steps;
    struct prune p = {.j = j, .js = ctx, .result = json_new_object(job_arena(j))};
    int64_t now = clock_now_us(p.js->clock), by_count = 0;
    int64_t jobs_until = now - json_i64(json_get(job_params(j), "keep_days"), 30) * DAY_US;
    int rc =
        p.result ? end_of_kept(p.js, json_i64(json_get(job_params(j), "keep_jobs"), 20000), &by_count, e) : ERR_NOMEM;
    if (by_count > jobs_until) jobs_until = by_count;
    for (size_t i = 0; i < n && !rc && !job_cancelled(j); i++) {
        job_progress(j, i, n, steps[i].name, steps[i].name);
        rc = delete_batches(&p, steps[i].name, steps[i].text, steps[i].age_us < 0 ? jobs_until : now - steps[i].age_us,
                            e);
    }
    if (!rc && job_cancelled(j)) return ERR_CANCELLED;
    job_progress(j, n, n, "done", "完成");
    return rc ? rc : job_result(j, p.result, e);
}

/* ------------------------------------------------------------------ integrity */

struct look {
    struct job *j;
    struct jobs *js;
    struct arena *a;
    struct json *problems, *counts;
    int64_t faults, rows;
};

#define PROBLEMS_SHOWN 100
static void problem(struct look *k, struct str what, struct str kind, struct str id, struct str path)
{
    if (++k->faults > PROBLEMS_SHOWN) return;
    struct json *p = json_new_object(k->a);
    if (!p) return;
    json_set(p, k->a, STR("what"), json_new_str(k->a, arena_str(k->a, what)));
    json_set(p, k->a, STR("kind"), json_new_str(k->a, arena_str(k->a, kind)));
    json_set(p, k->a, STR("id"), json_new_str(k->a, arena_str(k->a, id)));
    json_set(p, k->a, STR("path"), json_new_str(k->a, arena_str(k->a, path)));
    json_push(k->problems, p);
    job_log(k->j, "error", "%.*s: %.*s %.*s %.*s", STR_ARG(what), STR_ARG(kind), STR_ARG(id), STR_ARG(path));
}

/* The rows of a query of four texts (what, kind, id, path), each a problem. */
static int ask(struct look *k, const char *text, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(k->js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, text, &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        problem(k, sql_str(s, 0), sql_str(s, 1), sql_str(s, 2), sql_str(s, 3));
        rc = job_cancelled(k->j) ? ERR_CANCELLED : 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int look_at_pages(struct look *k, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    if (sql_dialect(k->js->db) != SQL_SQLITE) {
        job_log(k->j, "info", "pages and indices are checked by PostgreSQL itself (data checksums, amcheck)");
        return 0;
    }
    int rc = sql_begin(k->js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "pragma integrity_check(100)", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        struct str line = sql_str(s, 0);
        if (!str_is(line, "ok")) problem(k, line, STR(""), STR(""), STR(""));
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int count_row(void *ctx, const struct resource *r)
{
    struct look *k = ctx;
    k->rows++;
    return job_cancelled(k->j) ? ERR_CANCELLED : 0;
}

/* Every resource is read and parsed. */
static int look_at_kinds(struct look *k, struct error *e)
{
    const struct kind *kd;
    for (size_t i = 0; (kd = kernel_kind_at(k->js->kernel, i)); i++) {
        char name[64];
        struct error why = {0};
        str_to_cstr(kd->kind, name, sizeof name);
        k->rows = 0;
        job_progress(k->j, 3 + i, 0, name, name);
        int rc = resource_each(k->js->kernel, name, count_row, k, &why);
        if (rc == ERR_CANCELLED) return rc;
        if (rc) problem(k, str_of(why.text), kd->kind, STR(""), str_of(why.where));
        struct json *n = json_new_i64(k->a, k->rows);
        if (!json_set(k->counts, k->a, arena_str(k->a, kd->kind), n)) return job_nomem(e);
    }
    return 0;
}

static void tell_broken(struct look *k)
{
    char en[96], zh[96];
    snprintf(en, sizeof en, "The store has %lld faults", (long long)k->faults);
    snprintf(zh, sizeof zh, "存储中发现 %lld 处问题", (long long)k->faults);
    job_tell(k->js, "system.integrity", EVENT_CRITICAL, str_of(job_id(k->j)), str_of(en), str_of(zh), STR(""), "",
             "The job's result lists them.", "详见作业结果。");
}

static int integrity(void *ctx, struct job *j, struct error *e)
{
    struct arena *a = job_arena(j);
    struct look k = {.j = j, .js = ctx, .a = a, .problems = json_new_array(a), .counts = json_new_object(a)};
    struct json *result = json_new_object(a);
    if (!k.problems || !k.counts || !result) return job_nomem(e);
    job_progress(j, 0, 0, "pages", "存储页");
    int rc = look_at_pages(&k, e);
    job_progress(j, 1, 0, "references", "引用");
    if (!rc)
        rc = ask(
            &k,
            "select 'a reference without its target', r.kind, f.from_id, f.path from resource_ref f join resource r on"
            " r.id = f.from_id where not exists (select 1 from resource t where t.id = f.to_id and t.deleted = 0)",
            e);
    if (!rc)
        rc = ask(
            &k,
            "select 'a reference from what is not there', '', f.from_id, f.path from resource_ref f where not exists"
            " (select 1 from resource r where r.id = f.from_id and r.deleted = 0)",
            e);
    if (!rc) rc = look_at_kinds(&k, e);
    if (rc) return rc;
    json_set(result, a, STR("ok"), json_new_bool(a, k.faults == 0));
    json_set(result, a, STR("faults"), json_new_i64(a, k.faults));
    json_set(result, a, STR("problems"), k.problems);
    json_set(result, a, STR("counts"), k.counts);
    if (k.faults) tell_broken(&k);
    return job_result(j, result, e);
}

/* ------------------------------------------------------------------ registration */

static const struct job_type prototypes[] = {
    {.name = "system.prune",
     .title_en = "Clean up",
     .title_zh = "清理过期数据",
     .kind = "system",
     .action = ACT_ADMIN,
     .run = prune,
     .retries = 3,
     .by_user = true,
     .params = "[{\"name\":\"keep_days\",\"type\":\"integer\",\"default\":30,\"min\":1,\"max\":3650,\"title\":{\"en\":"
               "\"Keep ended jobs for (days)\",\"zh\":\"已结束作业保留天数\"}},{\"name\":\"keep_jobs\",\"type\":"
               "\"integer\",\"default\":20000,\"min\":100,\"max\":1000000,\"title\":{\"en\":\"Keep at most so many\","
               "\"zh\":\"最多保留数量\"}}]"},
    {.name = "system.integrity",
     .title_en = "Check the store",
     .title_zh = "检查存储完整性",
     .kind = "system",
     .action = ACT_ADMIN,
     .run = integrity,
     .by_user = true},
};
#define OWN (sizeof prototypes / sizeof *prototypes)

int jobs_system_add(struct jobs *js, struct error *e)
{
    struct job_type *own = mem_calloc(OWN, sizeof *own);
    if (!own) return job_nomem(e);
    js->own_types = own;
    int rc = 0;
    for (size_t i = 0; i < OWN && !rc; i++) {
        own[i] = prototypes[i];
        own[i].ctx = js;
        rc = jobs_type_add(js, &own[i]);
    }
    if (!rc)
        rc = schedule_default(js, "system-prune", "清理过期数据 / Clean up",
                              "{\"cron\":\"40 3 * * *\",\"job_type\":\"system.prune\",\"missed\":\"once\"}", e);
    if (!rc)
        rc = schedule_default(js, "system-integrity", "检查存储完整性 / Check the store",
                              "{\"cron\":\"10 4 * * sun\",\"job_type\":\"system.integrity\"}", e);
    return rc;
}
