/* schedule.c - schedules: resources of kind `schedule` made into jobs at their times.
 *
 * The ticker's thread owns the list, which is read anew after each change of a schedule or calendar. Table
 * job_schedule keeps where each stands: `next_us` of revision `rev`, `due_us` the last due time that was dealt
 * with, `run_us` and `job` of the last run, and a note on the last run that was left out. A job and the new
 * position are one transaction, so that a due time starts one job, whatever dies when; where processes share
 * a database, only the holder of the lease "job-scheduler" starts anything.
 *
 * A run more than LATE_US behind its time counts as missed (the platform was down, the clock was put forward):
 * `missed` decides. A clock that is put back by less than BACK_US does not repeat what has been; by more, the
 * time before was wrong and the schedules follow the new one. Both are logged. */
#include "core/job/schedule.h"
#include <stdio.h>
#include "core/job/job_int.h"
#include "core/job/plan.h"
#include "io/log.h"

#define LATE_US (60 * TIME_US_PER_S)
#define BACK_US (3 * 3600 * TIME_US_PER_S)
#define JUMP_US (5 * TIME_US_PER_S)
#define SCHEDULES_MAX 2000
#define RENEW_NS (10ull * 1000000000)

struct schedule {
    char id[37], code[LIMIT_CODE + 1], type[64], org[37], login[64];
    int64_t rev, next_us, due_us;
    struct str name, params; /* in the list's arena */
    struct plan plan;
    bool enabled, make_up, queue;
};

struct schedules {
    struct jobs *js;
    atomic_bool dirty;
    struct arena arena; /* all below is the ticker's */
    struct schedule *list;
    size_t n, cap;
    int64_t shift_us; /* wall clock less monotonic clock */
    bool shifted, mine;
    uint64_t leased_ns;
};

/* ------------------------------------------------------------------ reading */

static int calendar_of(struct jobs *js, struct arena *a, const struct json *spec, const struct json **ret,
                       struct error *e)
{
    struct resource r;
    struct str id = json_str(json_get(spec, "calendar"), STR(""));
    *ret = NULL;
    if (!id.n) return 0;
    int rc = resource_get(js->kernel, a, "calendar", id, &r, e);
    if (!rc) *ret = r.spec;
    return rc;
}

static int build(struct schedules *s, struct arena *a, const struct resource *r, struct schedule *out, struct error *e)
{
    const struct json *calendar = NULL, *params = json_get(r->spec, "params");
    str_to_cstr(r->id, out->id, sizeof out->id);
    str_to_cstr(r->code, out->code, sizeof out->code);
    str_to_cstr(r->org, out->org, sizeof out->org);
    str_to_cstr(r->updated_by, out->login, sizeof out->login);
    str_to_cstr(json_str(json_get(r->spec, "job_type"), STR("")), out->type, sizeof out->type);
    out->rev = r->rev;
    out->name = arena_str(a, r->name.n ? r->name : r->code);
    out->params = params && params->type == JSON_OBJECT ? json_text(a, params) : STR("{}");
    out->enabled = json_bool(json_get(r->spec, "enabled"), true);
    out->make_up = str_is(json_str(json_get(r->spec, "missed"), STR("skip")), "once");
    out->queue = str_is(json_str(json_get(r->spec, "overlap"), STR("skip")), "queue");
    if (!out->name.p || !out->params.p) return job_nomem(e);
    int rc = calendar_of(s->js, a, r->spec, &calendar, e);
    return rc ? rc : plan_read(r->spec, calendar, a, &out->plan, e);
}

/* Where it stood. 1: there is a row. */
static int read_place(struct sql_tx *tx, const char *id, int64_t *rev, int64_t *next_us, int64_t *due_us,
                      struct error *e)
{
    struct sql_stmt *q = NULL;
    int rc = sql_prepare(tx, "select rev, next_us, due_us from job_schedule where id = $1", &q, e);
    if (rc) return rc;
    sql_bind_str(q, 1, str_of(id));
    rc = sql_step(q, e);
    if (rc == 1) {
        *rev = sql_i64(q, 0);
        *next_us = sql_i64(q, 1);
        *due_us = sql_i64(q, 2);
    }
    sql_done(q);
    return rc;
}

/* From when on runs are looked for: not again what has been, unless the clock was far ahead. */
static int64_t search_from(const struct schedule *d, int64_t now)
{
    return d->due_us > now && d->due_us - now < BACK_US ? d->due_us : now;
}

static int place(struct schedules *s, struct schedule *d, struct error *e)
{
    struct sql_tx *tx;
    int64_t rev = -1, next = 0, now = clock_now_us(s->js->clock);
    int rc = sql_begin(s->js->db, false, &tx, e);
    if (rc) return rc;
    rc = read_place(tx, d->id, &rev, &next, &d->due_us, e);
    sql_rollback(tx);
    if (rc < 0) return rc;
    if (rc == 1 && rev == d->rev && next <= now)
        d->next_us = next; /* due, perhaps missed */
    else
        d->next_us = plan_next(&d->plan, search_from(d, now));
    return 0;
}

static int take(void *ctx, const struct resource *r)
{
    struct schedules *s = ctx;
    struct error e = {0};
    if (s->n == SCHEDULES_MAX || !mem_grow((void **)&s->list, &s->cap, s->n + 1, sizeof *s->list)) return ERR_LIMIT;
    struct schedule *d = &s->list[s->n];
    *d = (struct schedule){.rev = 0};
    int rc = build(s, &s->arena, r, d, &e);
    if (rc)
        log_warn("jobs", "a schedule cannot be followed", "schedule=%.*s err=\"%s\"", STR_ARG(r->code), e.text);
    else
        s->n++;
    return rc == ERR_NOMEM ? rc : 0;
}

static void forget_all(struct schedules *s)
{
    for (size_t i = 0; i < s->n; i++) plan_fini(&s->list[i].plan);
    s->n = 0;
    arena_reset(&s->arena);
}

static int save_place(struct jobs *js, struct schedule *d, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "insert into job_schedule(id, rev, next_us, due_us, run_us, job, note_en, note_zh) values($1, $2, $3,"
                  " $4, 0, '', '', '') on conflict(id) do update set rev = excluded.rev, next_us = excluded.next_us",
                  "siii", str_of(d->id), d->rev, d->next_us, d->due_us);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static void reload(struct schedules *s)
{
    struct error e = {0};
    forget_all(s);
    int rc = resource_each(s->js->kernel, "schedule", take, s, &e);
    for (size_t i = 0; i < s->n && !rc; i++) {
        rc = place(s, &s->list[i], &e);
        if (!rc && s->list[i].enabled && s->mine) rc = save_place(s->js, &s->list[i], &e);
    }
    if (!rc) return;
    atomic_store(&s->dirty, true); /* again at the next tick */
    log_error("jobs", "schedules cannot be read", "err=%s detail=\"%s\"", error_name(rc), e.text);
}

/* ------------------------------------------------------------------ firing */

static int live_runs(struct sql_tx *tx, const char *id, int64_t *ret, struct error *e)
{
    struct sql_stmt *q = NULL;
    int rc = sql_prepare(tx, "select count(*) from job where schedule = $1 and ended_us = 0", &q, e);
    if (rc) return rc;
    sql_bind_str(q, 1, str_of(id));
    rc = sql_step(q, e);
    if (rc == 1) *ret = sql_i64(q, 0);
    sql_done(q);
    return rc < 0 ? rc : 0;
}

/* The user who changed it last, as owner; what he may do is looked up when the job runs. Somebody who is gone
 * leaves an id that nobody has, so that the run says so. */
static void owner_of(struct jobs *js, const char *login, struct actor *ret)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 1u << 20);
    *ret = actor_system;
    if (strcmp(login, actor_system.login) == 0 || !login[0]) return;
    str_to_cstr(str_of(login), ret->login, sizeof ret->login);
    snprintf(ret->user_id, sizeof ret->user_id, "-");
    if (resource_get(js->kernel, &a, "user", str_of(login), &r, NULL) == 0)
        str_to_cstr(r.id, ret->user_id, sizeof ret->user_id);
}

struct shot {
    bool late, started;
    char job[37];
    const char *note_en, *note_zh;
};

static int insert_run(struct jobs *js, struct sql_tx *tx, const struct schedule *d, const struct actor *by,
                      struct shot *shot, struct error *e)
{
    struct job_spec spec = {
        .type = d->type, .by = by, .title = d->name, .org = str_of(d->org), .schedule = str_of(d->id)};
    int64_t live = 0;
    int rc = d->queue ? 0 : live_runs(tx, d->id, &live, e);
    if (rc) return rc;
    if (live) {
        shot->note_en = "left out: the run before was not done yet";
        shot->note_zh = "已跳过：上次运行尚未结束";
        return 0;
    }
    uuid7(js->clock, kernel_rng(js->kernel), shot->job);
    shot->started = true;
    return job_insert(js, tx, &spec, d->params, shot->job, false, e);
}

static int write_shot(struct sql_tx *tx, const struct schedule *d, const struct shot *shot, int64_t next, int64_t now,
                      struct error *e)
{
    int rc =
        sql_exec(tx, e,
                 "insert into job_schedule(id, rev, next_us, due_us, run_us, job, note_en, note_zh) values($1, $2, $3,"
                 " $4, 0, '', $5, $6) on conflict(id) do update set rev = excluded.rev, next_us = excluded.next_us,"
                 " due_us = excluded.due_us, note_en = excluded.note_en, note_zh = excluded.note_zh",
                 "siiiss", str_of(d->id), d->rev, next, d->next_us, str_of(shot->note_en), str_of(shot->note_zh));
    if (!rc && shot->started)
        rc = sql_exec(tx, e, "update job_schedule set run_us = $2, job = $3 where id = $1", "sis", str_of(d->id), now,
                      str_of(shot->job));
    return rc;
}

/* Another process may have dealt with it, under an older lease. */
static int still_due(struct sql_tx *tx, const struct schedule *d, struct error *e)
{
    int64_t rev = d->rev, next = d->next_us, due = 0;
    int rc = read_place(tx, d->id, &rev, &next, &due, e);
    return rc < 0 ? rc : rc == 0 || rev != d->rev || next == d->next_us;
}

static int shoot(struct jobs *js, const struct schedule *d, struct shot *shot, int64_t next, int64_t now,
                 struct error *e)
{
    struct sql_tx *tx;
    struct actor by;
    owner_of(js, d->login, &by);
    int rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = still_due(tx, d, e);
    bool due = rc == 1;
    rc = rc < 0 ? rc : 0;
    if (!rc && due && (!shot->late || d->make_up)) rc = insert_run(js, tx, d, &by, shot, e);
    if (!rc && due) rc = write_shot(tx, d, shot, next, now, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static void fire(struct schedules *s, struct schedule *d, int64_t now)
{
    struct error e = {0};
    struct shot shot = {.late = now - d->next_us > LATE_US, .note_en = "", .note_zh = ""};
    int64_t next = plan_next(&d->plan, now);
    if (shot.late) {
        shot.note_en =
            d->make_up ? "made up for missed runs" : "missed: the platform was down or the clock was put forward";
        shot.note_zh = d->make_up ? "已补运行错过的计划" : "已错过：平台停机或时钟前调";
        log_warn("jobs", d->make_up ? "missed runs of a schedule are made up for" : "runs of a schedule were missed",
                 "schedule=%s behind_s=%lld", d->code, (long long)((now - d->next_us) / TIME_US_PER_S));
    }
    int rc = shoot(s->js, d, &shot, next, now, &e);
    if (rc) {
        log_error("jobs", "a schedule cannot start its job", "schedule=%s err=%s detail=\"%s\"", d->code,
                  error_name(rc), e.text);
        return; /* still due: again at the next tick */
    }
    d->due_us = d->next_us;
    d->next_us = next;
    if (shot.started) jobs_changed(s->js);
}

/* ------------------------------------------------------------------ the clock */

static void watch_clock(struct schedules *s, int64_t now)
{
    int64_t shift = now - (int64_t)(clock_mono_ns(s->js->clock) / 1000), moved = shift - s->shift_us;
    bool jumped = s->shifted && (moved > JUMP_US || moved < -JUMP_US);
    s->shift_us = shift;
    s->shifted = true;
    if (!jumped) return;
    log_warn("jobs", moved > 0 ? "the clock was put forward" : "the clock was put back", "seconds=%lld",
             (long long)(moved / TIME_US_PER_S));
    if (moved < 0) atomic_store(&s->dirty, true); /* forward: what is behind now counts as missed */
}

static void hold_lease(struct schedules *s)
{
    struct error e = {0};
    struct jobs *js = s->js;
    uint64_t mono = clock_mono_ns(js->clock);
    bool was = s->mine;
    if (s->leased_ns && mono - s->leased_ns < RENEW_NS) return;
    s->leased_ns = mono;
    s->mine = sql_lease(js->db, "job-scheduler", js->runner, JOB_LEASE_S, NULL, &e) == 1;
    if (s->mine && !was) atomic_store(&s->dirty, true); /* where the others left off */
}

void schedules_tick(struct schedules *s)
{
    int64_t now = clock_now_us(s->js->clock);
    hold_lease(s);
    watch_clock(s, now);
    if (atomic_exchange(&s->dirty, false)) reload(s);
    if (!s->mine) return;
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].enabled && s->list[i].next_us <= now) fire(s, &s->list[i], now);
}

/* ------------------------------------------------------------------ hooks, open */

static int check_job(struct jobs *js, struct arena *a, const struct resource *r, struct error *e)
{
    struct str name = json_str(json_get(r->spec, "job_type"), STR(""));
    const struct job_type *t = job_type_find(js, name);
    struct json *params = NULL;
    if (!t || !t->by_user)
        return error_set(e, ERR_INVALID, "spec.job_type",
                         "'%.*s' is no job type that a schedule can start; GET /api/v1/job-types lists them",
                         "“%.*s”不是可由计划启动的作业类型；见 GET /api/v1/job-types", STR_ARG(str_sub(name, 0, 63)));
    int rc = job_params_check(t, a, json_get(r->spec, "params"), &params, e);
    if (rc) error_prefix(e, "spec.");
    return rc;
}

/* A schedule acts with all rights of whoever made it: an API token, which may be narrower, makes none. */
static int check_maker(struct error *e)
{
    const struct actor *by = resource_changer();
    if (!by || !by->token_id[0]) return 0;
    return error_set(e, ERR_FORBIDDEN, "",
                     "schedules are made and changed when signed in, not with an API token: they run with all rights "
                     "of their maker",
                     "计划须登录后创建和修改，不能使用 API 令牌：计划以创建者的全部权限运行");
}

static int check_schedule(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                          const struct resource *new_, struct error *e)
{
    struct schedules *s = ctx;
    struct plan p;
    int rc = check_maker(e);
    if (rc || !new_) return rc;
    rc = plan_read(new_->spec, NULL, a, &p, e);
    if (rc) return rc;
    int64_t next = plan_next(&p, clock_now_us(s->js->clock));
    plan_fini(&p);
    if (next == INT64_MAX)
        return error_set(e, ERR_INVALID, "spec.cron", "there is no such day in the next 60 years",
                         "未来 60 年内没有这样的日期");
    return check_job(s->js, a, new_, e);
}

static int check_calendar(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                          const struct resource *new_, struct error *e)
{
    struct calendar c;
    return new_ ? calendar_read(new_->spec, a, &c, e) : 0;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    atomic_store(&((struct schedules *)ctx)->dirty, true);
}

extern const struct str core_kinds[];

/* Where no API has registered the kernel's kinds. */
static int need_kind(struct kernel *k, const char *name, struct error *e)
{
    char head[64];
    if (kernel_kind(k, str_of(name))) return 0;
    snprintf(head, sizeof head, "\"kind\": \"%s\", \"plural\"", name);
    for (const struct str *doc = core_kinds; doc->p; doc++)
        if (str_has(*doc, str_of(head))) return kernel_kind_add(k, *doc, e);
    return ERR_NOT_FOUND;
}

int schedules_open(struct jobs *js, struct schedules **ret, struct error *e)
{
    struct schedules *s = mem_calloc(1, sizeof *s);
    if (!s) return job_nomem(e);
    s->js = js;
    arena_init(&s->arena, 64u << 20);
    atomic_init(&s->dirty, true);
    const struct kind_hooks hooks[] = {{.kind = "schedule", .validate = check_schedule, .changed = changed, .ctx = s},
                                       {.kind = "calendar", .validate = check_calendar, .changed = changed, .ctx = s}};
    int rc = need_kind(js->kernel, "calendar", e);
    if (!rc) rc = need_kind(js->kernel, "schedule", e);
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks && !rc; i++) rc = kernel_hooks_add(js->kernel, &hooks[i]);
    if (rc)
        schedules_close(s);
    else
        *ret = s;
    return rc;
}

void schedules_close(struct schedules *s)
{
    if (!s) return;
    if (s->mine) sql_lease_drop(s->js->db, "job-scheduler", s->js->runner); /* another goes on at once */
    forget_all(s);
    mem_free(s->list);
    arena_fini(&s->arena);
    mem_free(s);
}

/* ------------------------------------------------------------------ for the API */

static void write_times(struct jobs *js, const struct plan *p, size_t n, struct json_writer *w)
{
    char text[TIME_TEXT_MAX];
    int64_t t = clock_now_us(js->clock);
    jw_key(w, STR("items"));
    jw_array(w);
    while (n-- && (t = plan_next(p, t)) != INT64_MAX) jw_str(w, str_of(time_format(t, text)));
    jw_end(w);
}

static int write_last(struct jobs *js, struct str id, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *q = NULL;
    char text[TIME_TEXT_MAX];
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select due_us, run_us, job, note_en, note_zh from job_schedule where id = $1", &q, e);
    if (!rc) {
        sql_bind_str(q, 1, id);
        rc = sql_step(q, e);
    }
    jw_key(w, STR("last"));
    if (rc == 1 && sql_i64(q, 0)) {
        jw_object(w);
        jw_kz(w, "due_at", time_format(sql_i64(q, 0), text));
        jw_kz(w, "run_at", sql_i64(q, 1) ? time_format(sql_i64(q, 1), text) : NULL);
        jw_kstr(w, "job", sql_str(q, 2));
        jw_key(w, STR("note"));
        jw_object(w);
        jw_kstr(w, "en", sql_str(q, 3));
        jw_kstr(w, "zh", sql_str(q, 4));
        jw_end(w);
        jw_end(w);
    } else {
        jw_null(w);
    }
    sql_done(q);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

static int read_plan(struct jobs *js, struct arena *a, const struct json *spec, struct plan *p, struct error *e)
{
    const struct json *calendar = NULL;
    int rc = calendar_of(js, a, spec, &calendar, e);
    return rc ? rc : plan_read(spec, calendar, a, p, e);
}

int schedule_preview(struct jobs *js, const struct json *spec, size_t n, struct json_writer *w, struct error *e)
{
    AUTO_ARENA a;
    struct plan p;
    arena_init(&a, 8u << 20);
    int rc = read_plan(js, &a, spec, &p, e);
    if (rc) return rc;
    jw_object(w);
    write_times(js, &p, n, w);
    jw_end(w);
    plan_fini(&p);
    return 0;
}

int schedule_next(struct jobs *js, struct str id_or_code, size_t n, struct json_writer *w, struct error *e)
{
    AUTO_ARENA a;
    struct resource r;
    struct plan p;
    arena_init(&a, 8u << 20);
    int rc = resource_get(js->kernel, &a, "schedule", id_or_code, &r, e);
    if (!rc) rc = read_plan(js, &a, r.spec, &p, e);
    if (rc) return rc;
    bool enabled = json_bool(json_get(r.spec, "enabled"), true);
    jw_object(w);
    write_times(js, &p, enabled ? n : 0, w);
    rc = write_last(js, r.id, w, e);
    jw_end(w);
    plan_fini(&p);
    return rc;
}

int schedule_run(struct jobs *js, const struct actor *by, struct str id_or_code, char ret_id[37], struct error *e)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 8u << 20);
    int rc = resource_get(js->kernel, &a, "schedule", id_or_code, &r, e);
    if (rc) return rc;
    const struct job_type *t = job_type_find(js, json_str(json_get(r.spec, "job_type"), STR("")));
    if (!t) return error_set(e, ERR_UNSUPPORTED, "spec.job_type", "its job type is not there", "其作业类型不存在");
    const struct json *params = json_get(r.spec, "params");
    struct job_spec spec = {.type = t->name,
                            .params = params && params->type == JSON_OBJECT ? params : NULL,
                            .by = by,
                            .title = r.name.n ? r.name : r.code,
                            .org = r.org,
                            .schedule = r.id};
    return job_submit(js, &spec, ret_id, e);
}

static int mark_made(struct jobs *js, const char *code, bool *ret_was, struct error *e)
{
    struct sql_tx *tx;
    char name[160];
    snprintf(name, sizeof name, "schedule:%s", code);
    int rc = sql_begin(js->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "insert into sequence(name, value) values($1, 1) on conflict(name) do nothing", "s",
                  str_of(name));
    *ret_was = !rc && sql_changes(tx) == 0;
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int schedule_default(struct jobs *js, const char *code, const char *name, const char *spec, struct error *e)
{
    AUTO_ARENA a;
    struct json *v = NULL;
    struct resource r;
    bool was = false;
    arena_init(&a, 4u << 20);
    int rc = mark_made(js, code, &was, e);
    if (rc || was) return rc;
    rc = json_parse(&a, str_of(spec), &v, e);
    struct resource_input in = {.code = str_of(code), .name = str_of(name), .spec = v};
    if (!rc) rc = resource_create(js->kernel, &a, &actor_system, "schedule", &in, &r, e);
    return rc == ERR_EXISTS ? 0 : rc;
}
