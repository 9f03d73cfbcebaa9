/* api_job.c - routes of jobs: list, one, log, stream, start, cancel, retry, types; schedules' next runs.
 *
 * A job is seen by who started it, by whoever may start its type in its organisation, and by administrators
 * of jobs; what one may not see is not there. That is decided row by row (job_read.c), so that the routes
 * themselves are open to everybody who is signed in. The stream is a feed whose cursor is the number of the
 * newest change of a job that the listener was told of. */
#include "base/limits.h"
#include "base/time.h"
#include "core/api.h"
#include "core/feed.h"
#include "core/job/job_int.h"
#include "core/job/schedule.h"

static struct jobs *jobs_of(struct api_call *c)
{
    return c->module;
}

static int time_query(struct api_call *c, const char *name, int64_t *ret, struct error *e)
{
    struct str s = http_query(c->req, name);
    if (!s.n) return 0;
    int rc = time_parse_words(s, clock_now_us(kernel_clock(c->kernel)), 0, ret, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "%s", name);
    return rc;
}

static int get_jobs(struct api_call *c, struct error *e)
{
    struct job_query q = {.by = &c->actor, .zh = c->zh, .after_change = -1};
    int64_t page = 1, size = 50, mine = 0, total = 0;
    q.text = http_query(c->req, "q");
    q.state = http_query(c->req, "state");
    q.type = http_query(c->req, "type");
    q.schedule = http_query(c->req, "schedule");
    q.parent = http_query(c->req, "parent");
    int rc = time_query(c, "from", &q.from_us, e);
    if (!rc) rc = time_query(c, "to", &q.to_us, e);
    if (!rc) rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    if (!rc) rc = api_query_i64(c, "mine", 0, 0, 1, &mine, e);
    if (rc) return rc;
    q.offset = (size_t)((page - 1) * size);
    q.limit = (size_t)size;
    q.mine = mine;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = jobs_list(jobs_of(c), &q, &w, &total, NULL, e);
    if (rc) return rc;
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return 0;
}

static void keep_first(void *ctx, struct str json)
{
    buf_str(ctx, json);
}

/* The job as the caller sees it, into the body; ERR_NOT_FOUND. */
static int answer_job(struct api_call *c, struct str id, struct error *e)
{
    struct job_query q = {.by = &c->actor, .zh = c->zh, .after_change = -1, .id = id, .full = true, .limit = 1};
    buf_clear(&c->res->body);
    int rc = jobs_each(jobs_of(c), &q, keep_first, &c->res->body, NULL, e);
    if (!rc && !c->res->body.n)
        rc = error_set(e, ERR_NOT_FOUND, "id", "there is no job '%.*s'", "没有作业“%.*s”", STR_ARG(id));
    return rc;
}

static int get_job(struct api_call *c, struct error *e)
{
    return answer_job(c, c->param[0], e);
}

static int get_log(struct api_call *c, struct error *e)
{
    int64_t after = 0, size = 200;
    int rc = api_query_i64(c, "after", 0, 0, INT64_MAX, &after, e);
    if (!rc) rc = api_query_i64(c, "size", 200, 1, LIMIT_PAGE, &size, e);
    if (!rc) rc = answer_job(c, c->param[0], e); /* may he see it */
    if (rc) return rc;
    buf_clear(&c->res->body);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = jobs_log(jobs_of(c), c->param[0], after, (size_t)size, &w, e);
    if (rc) return rc;
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* ------------------------------------------------------------------ starting */

static int read_after(struct api_call *c, const struct json *body, struct job_spec *spec, struct error *e)
{
    const struct json *list = json_get(body, "after");
    size_t n = json_count(list);
    struct str *ids = arena_calloc(c->a, n + 1, sizeof *ids);
    if (!ids) return job_nomem(e);
    if (list && list->type != JSON_ARRAY)
        return error_set(e, ERR_INVALID, "after", "'after' is a list of ids of jobs", "“after”须为作业 id 列表");
    for (size_t i = 0; i < n; i++) {
        struct job_query q = {
            .by = &c->actor, .after_change = -1, .id = json_str(json_at(list, i), STR("-")), .limit = 1};
        struct buf found;
        buf_init(&found, 1u << 20);
        ids[i] = q.id;
        int rc = jobs_each(jobs_of(c), &q, keep_first, &found, NULL, e);
        bool there = found.n > 0;
        buf_fini(&found);
        if (rc) return rc;
        if (!there)
            return error_set(e, ERR_NOT_FOUND, "after", "there is no job '%.*s' to wait for", "没有要等待的作业“%.*s”",
                             STR_ARG(q.id));
    }
    spec->after = ids;
    spec->nafter = n;
    return 0;
}

static int read_spec(struct api_call *c, const struct json *body, struct job_spec *spec, struct error *e)
{
    struct str name = json_str(json_get(body, "type"), STR("")), text = json_str(json_get(body, "not_before"), STR(""));
    const struct job_type *t = job_type_find(jobs_of(c), name);
    struct json *params = NULL;
    if (!t || !t->by_user)
        return error_set(e, ERR_INVALID, "type",
                         "'%.*s' is no job type that can be started by hand; GET /api/v1/job-types",
                         "“%.*s”不是可手动启动的作业类型；见 GET /api/v1/job-types", STR_ARG(str_sub(name, 0, 64)));
    *spec = (struct job_spec){.type = t->name, .by = &c->actor};
    spec->title = json_str(json_get(body, "title"), STR_NULL);
    spec->org = json_str(json_get(body, "org"), STR_NULL);
    int rc = job_params_check(t, c->a, json_get(body, "params"), &params, e);
    spec->params = params;
    if (!rc && text.n) {
        rc = time_parse_words(text, clock_now_us(kernel_clock(c->kernel)), 0, &spec->not_before_us, e);
        if (rc && e) snprintf(e->where, sizeof e->where, "not_before");
    }
    return rc ? rc : read_after(c, body, spec, e);
}

static int post_job(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct job_spec spec;
    char id[37];
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = read_spec(c, body, &spec, e);
    if (!rc) rc = job_submit(jobs_of(c), &spec, id, e);
    if (rc) return rc;
    struct str own = arena_str(c->a, str_of(id));
    api_audit_note(c, own, arena_str(c->a, str_of(arena_printf(c->a, "{\"type\":\"%s\"}", spec.type))));
    c->res->status = 201;
    return answer_job(c, own, e);
}

static int post_cancel(struct api_call *c, struct error *e)
{
    int rc = job_cancel(jobs_of(c), &c->actor, c->param[0], e);
    return rc ? rc : answer_job(c, c->param[0], e);
}

static int post_retry(struct api_call *c, struct error *e)
{
    int rc = job_retry(jobs_of(c), &c->actor, c->param[0], e);
    return rc ? rc : answer_job(c, c->param[0], e);
}

static int get_types(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    job_types_write(jobs_of(c), &c->actor, &w);
    jw_end(&w);
    return 0;
}

/* ------------------------------------------------------------------ schedules */

/* The schedule, if the caller may do that to it. */
static int find_schedule(struct api_call *c, enum api_action act, struct str *ret_id, struct error *e)
{
    struct resource r;
    int rc = resource_get(c->kernel, c->a, "schedule", c->param[0], &r, e);
    if (!rc && !resource_visible(&c->actor, &r))
        rc = error_set(e, ERR_NOT_FOUND, "id", "there is no schedule '%.*s'", "没有作业计划“%.*s”",
                       STR_ARG(c->param[0]));
    if (!rc && !permitted_at(c->actor.may, "schedule", act, r.org))
        rc = error_set(e, ERR_FORBIDDEN, "id", "%s may not start this schedule", "%s 没有启动此计划的权限",
                       c->actor.login);
    if (!rc) *ret_id = r.id;
    return rc;
}

static int get_next(struct api_call *c, struct error *e)
{
    struct str id;
    int64_t n = 5;
    int rc = api_query_i64(c, "n", 5, 1, 100, &n, e);
    if (!rc) rc = find_schedule(c, ACT_READ, &id, e);
    struct json_writer w = api_answer(c);
    return rc ? rc : schedule_next(jobs_of(c), id, (size_t)n, &w, e);
}

static int post_preview(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    int64_t n = 5;
    int rc = api_query_i64(c, "n", 5, 1, 100, &n, e);
    if (!rc) rc = api_body_json(c, &body, e);
    struct json_writer w = api_answer(c);
    return rc ? rc : schedule_preview(jobs_of(c), body, (size_t)n, &w, e);
}

static int post_run(struct api_call *c, struct error *e)
{
    struct str id;
    char job[37];
    int rc = find_schedule(c, ACT_WRITE, &id, e);
    if (!rc) rc = schedule_run(jobs_of(c), &c->actor, id, job, e);
    if (rc) return rc;
    c->res->status = 201;
    return answer_job(c, arena_str(c->a, str_of(job)), e);
}

/* ------------------------------------------------------------------ the stream */

static void fill(void *ctx, const struct actor *who, bool zh, int64_t *cursor, struct buf *out)
{
    struct jobs *js = ctx;
    struct error e = {0};
    int64_t newest = 0;
    if (*cursor < 0) { /* the page has just read the list */
        if (jobs_newest_change(js, &newest, &e) == 0) *cursor = newest;
        return;
    }
    struct job_query q = {.by = who, .zh = zh, .after_change = *cursor, .limit = 200};
    int64_t last = *cursor;
    if (jobs_newest_change(js, &newest, &e)) return;
    size_t before = out->n;
    if (jobs_events(js, &q, out, &last, &e)) return;
    *cursor = out->n == before ? newest : last;
}

static void stream_open(struct http_stream *s, struct http_request *q)
{
    feed_open(jobs_of(q->route_ctx)->feed, s, q);
}
static const struct http_stream_ops stream_ops = {.open = stream_open, .close = feed_close};

static void news(void *ctx)
{
    feed_wake(((struct jobs *)ctx)->feed);
}

/* ------------------------------------------------------------------ routes */

#define TITLE "title:{en:string;zh:string}"
#define ITEM_OPEN \
    "{id:string;type:string;" TITLE \
    ";state:'waiting'|'queued'|'running'|'cancelling'|'done'|'failed'|'cancelled';by:string;org:string;" \
    "schedule:string;parent:string;created_at:time;not_before:time|null;started_at:time|null;ended_at:time|null;" \
    "attempt:integer;progress:{done:integer;total:integer;what:string};" \
    "error:{code:string;where:string;detail:string}|null;runner:string;may:{cancel:boolean;retry:boolean}"
#define ITEM ITEM_OPEN "}"
#define FULL ITEM_OPEN ";params:object;result:any;depends:{id:string;state:string}[]}"
#define SELF(method_, path_, audit_, handler_, ...) \
    API_DO(method_, "/api/v1/" path_, "system", ACT_SELF, audit_, handler_, __VA_ARGS__)

static const struct api_route routes[] = {
    SELF("GET", "jobs", AUDIT_NONE, get_jobs, .summary_en = "Jobs that one may see, newest first",
         .summary_zh = "可查看的作业（新的在前）",
         .params = "q:string:Part of title, type or login;state:string:States, comma;type:string:Types, comma;"
                   "schedule:string:Id of a schedule;parent:string:Id of a job;from:time:There at or after;"
                   "to:time:There at or before;mine:integer:1 only own;page:integer:Page, from 1;"
                   "size:integer:Rows a page",
         .answer_schema = "{items:" ITEM "[];total:integer;page:integer;size:integer}"),
    SELF("GET", "jobs/{id}", AUDIT_NONE, get_job, .summary_en = "One job with parameters and result",
         .summary_zh = "单个作业（含参数与结果）", .answer_schema = FULL),
    SELF("GET", "jobs/{id}/log", AUDIT_NONE, get_log, .summary_en = "Lines of a job's log", .summary_zh = "作业日志",
         .params = "after:integer:Lines after this number;size:integer:At most so many",
         .answer_schema = "{items:{n:integer;t:time;level:string;text:string}[]}"),
    SELF("POST", "jobs", AUDIT_CHANGE, post_job, .summary_en = "Start a job", .summary_zh = "启动作业",
         .body_schema = "{type:string;params?:object;title?:string;org?:string;not_before?:string;after?:string[]}",
         .answer_schema = FULL),
    SELF("POST", "jobs/{id}:cancel", AUDIT_CHANGE, post_cancel, .summary_en = "Cancel a job", .summary_zh = "取消作业",
         .answer_schema = FULL),
    SELF("POST", "jobs/{id}:retry", AUDIT_CHANGE, post_retry, .summary_en = "Start a failed job again",
         .summary_zh = "重新启动失败的作业", .answer_schema = FULL),
    SELF("GET", "job-types", AUDIT_NONE, get_types, .summary_en = "Job types that one may start",
         .summary_zh = "可启动的作业类型",
         .answer_schema = "{items:{name:string;" TITLE ";kind:string;params:any[];by_user:boolean;resumable:boolean;"
                          "concurrency:integer;retries:integer;timeout_s:integer}[]}"),
    API_GET("/api/v1/schedules/{id}/next", "schedule", AUDIT_NONE, get_next,
            .summary_en = "The next times of a schedule, and its last run", .summary_zh = "计划的后续时间与上次运行",
            .params = "n:integer:How many",
            .answer_schema =
                "{items:time[];last:{due_at:time;run_at:time|null;job:string;note:{en:string;zh:string}}|null}"),
    API_DO("POST", "/api/v1/schedules:preview", "schedule", ACT_READ, AUDIT_NONE, post_preview,
           .summary_en = "The next times that a spec would give", .summary_zh = "预览计划的后续时间",
           .params = "n:integer:How many",
           .body_schema = "{cron:string;time_zone?:string;calendar?:string;day_off?:string}",
           .answer_schema = "{items:time[]}"),
    API_DO("POST", "/api/v1/schedules/{id}:run", "schedule", ACT_WRITE, AUDIT_CHANGE, post_run,
           .summary_en = "Start the job of a schedule now", .summary_zh = "立即运行计划的作业", .answer_schema = FULL),
    {.method = "GET",
     .path = "/api/v1/jobs/stream",
     .kind = "system",
     .action = ACT_SELF,
     .audit = AUDIT_NONE,
     .stream = &stream_ops,
     .summary_en = "Jobs as they change (server-sent events)",
     .summary_zh = "作业变更事件流",
     .answer_schema = "sse"},
};

int jobs_routes_add(struct jobs *js, struct api *api, struct error *e)
{
    struct feed_config fc = {
        .api = api, .name = "job-feed", .kind = "system", .action = ACT_SELF, .fill = fill, .ctx = js};
    int rc = feed_new(&fc, &js->feed, e);
    if (!rc) rc = api_routes_add(api, routes, sizeof routes / sizeof *routes, js, e);
    if (!rc) jobs_watch(js, news, js);
    return rc;
}
