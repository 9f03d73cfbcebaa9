/* api.c - routes of backups. They belong to the whole platform (core/auth): kind `backup` to look and to act, kind
 * `backup_plan` to run a plan. What takes long is a job; its id is the answer. */
#include "base/limits.h"
#include "base/time.h"
#include "modules/backup/backup.h"

static void put_time(struct json_writer *w, const char *name, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, name, us ? time_format(us, text) : NULL);
}

static void put_text(struct json_writer *w, const char *name, struct str text)
{
    jw_key(w, str_of(name));
    if (text.n)
        jw_str(w, text);
    else
        jw_null(w);
}

static void put_row(struct api_call *c, struct json_writer *w, const struct backup_row *r)
{
    jw_kstr(w, "id", r->id);
    jw_kstr(w, "plan", r->plan_code);
    jw_kstr(w, "mode", r->mode);
    put_text(w, "base", r->base);
    put_time(w, "at", r->at_us);
    put_time(w, "ended_at", r->ended_us);
    jw_kstr(w, "state", r->state);
    jw_ki64(w, "bytes", r->bytes);
    jw_ki64(w, "new_bytes", r->new_bytes);
    jw_ki64(w, "files", r->files);
    jw_ki64(w, "samples", r->samples);
    put_time(w, "until", r->until_us);
    put_time(w, "verified_at", r->verified_us);
    jw_kstr(w, "job", r->job);
    put_text(w, "error", r->error);
    jw_key(w, STR("drill"));
    if (!r->drill_us) {
        jw_null(w);
        return;
    }
    jw_object(w);
    put_time(w, "at", r->drill_us);
    jw_kbool(w, "ok", r->drill_ok);
    jw_kstr(w, "detail", c->zh ? r->drill_zh : r->drill_en);
    jw_end(w);
}

static int plan_id(struct api_call *c, struct str plan, struct str *ret, struct error *e)
{
    struct resource r;
    *ret = STR("");
    if (!plan.n) return 0;
    int rc = api_find(c, "backup_plan", plan, ACT_READ, &r, e);
    if (!rc) *ret = r.id;
    return rc;
}

static int get_backups(struct api_call *c, struct error *e)
{
    int64_t page = 1, size = 50, total = 0;
    struct backup_row *rows;
    struct str plan;
    size_t n = 0;
    int rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    if (!rc) rc = plan_id(c, http_query(c->req, "plan"), &plan, e);
    if (!rc) rc = backup_rows(c->module, c->a, plan, (page - 1) * size, size, &rows, &n, &total, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        put_row(c, &w, &rows[i]);
        jw_end(&w);
    }
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return 0;
}

static int get_backup(struct api_call *c, struct error *e)
{
    struct backup_row r;
    int rc = backup_row_get(c->module, c->a, c->param[0], &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    put_row(c, &w, &r);
    jw_key(&w, STR("parts"));
    jw_raw(&w, r.parts.n ? r.parts : STR("[]"));
    jw_key(&w, STR("report"));
    jw_raw(&w, r.report.n ? r.report : STR("null"));
    jw_end(&w);
    return 0;
}

/* ------------------------------------------------------------------ jobs */

static int answer_job(struct api_call *c, const char *id)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "job", id);
    jw_end(&w);
    return 0;
}

/* An empty body is an empty object. */
static int body_of(struct api_call *c, struct json **ret, struct error *e)
{
    *ret = NULL;
    return c->req->body.n ? api_body_json(c, ret, e) : 0;
}

static int start(struct api_call *c, enum backup_job what, struct json *params, struct str about, struct str title,
                 struct error *e)
{
    char id[37], key[120];
    snprintf(key, sizeof key, "backup:%d:%.40s", (int)what, about.p);
    struct actor by = c->actor;
    int rc =
        params ? backup_submit(c->module, what, &by, params, what == JOB_RESTORE ? STR("") : str_of(key), title, id, e)
               : backup_nomem(e);
    if (rc == ERR_EXISTS)
        return error_set(e, rc, "", "such a job is queued or running already", "相同的作业已在排队或运行");
    return rc ? rc : answer_job(c, id);
}

static int post_run(struct api_call *c, struct error *e)
{
    struct resource r;
    struct json *body, *params = json_new_object(c->a);
    int rc = body_of(c, &body, e);
    if (!rc) rc = api_find(c, "backup_plan", c->param[0], ACT_ADMIN, &r, e);
    struct str mode = json_str(json_get(body, "mode"), STR("incremental"));
    if (!rc && !str_is(mode, "full") && !str_is(mode, "incremental"))
        rc = error_set(e, ERR_INVALID, "mode", "must be full or incremental", "须为 full 或 incremental");
    if (rc) return rc;
    enum backup_job what = str_is(mode, "full") ? JOB_FULL : JOB_INCREMENTAL;
    json_set(params, c->a, STR("plan"), json_new_str(c->a, arena_str(c->a, r.id)));
    if (json_bool(json_get(body, "fresh"), false)) json_set(params, c->a, STR("fresh"), json_new_bool(c->a, true));
    return start(c, what, params, r.id, r.name.n ? r.name : r.code, e);
}

static int post_drill(struct api_call *c, struct error *e)
{
    struct backup_row r;
    struct json *params = json_new_object(c->a);
    int rc = backup_row_get(c->module, c->a, c->param[0], &r, e);
    if (!rc && !str_is(r.state, "done"))
        rc = error_set(e, ERR_INVALID, "", "this backup was not finished", "该备份未完成");
    if (rc) return rc;
    json_set(params, c->a, STR("backup"), json_new_str(c->a, r.id));
    return start(c, JOB_DRILL, params, r.id, STR(""), e);
}

static int post_restore(struct api_call *c, struct error *e)
{
    static const char *const names[] = {"points", "classes", "from", "to", "mode"};
    struct backup_row r;
    struct json *body, *params = json_new_object(c->a);
    int rc = backup_row_get(c->module, c->a, c->param[0], &r, e);
    if (!rc && !str_is(r.state, "done"))
        rc = error_set(e, ERR_INVALID, "", "this backup was not finished", "该备份未完成");
    if (!rc) rc = api_body_json(c, &body, e);
    if (!rc && (!json_get(body, "from") || !json_get(body, "to")))
        rc = error_set(e, ERR_INVALID, json_get(body, "from") ? "to" : "from", "is missing", "缺失");
    if (rc) return rc;
    json_set(params, c->a, STR("backup"), json_new_str(c->a, r.id));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct json *v = json_get(body, names[i]);
        if (v) json_set(params, c->a, str_of(names[i]), json_copy(c->a, v));
    }
    return start(c, JOB_RESTORE, params, r.id, STR(""), e);
}

/* The manifest goes now, its data with the next cleaning, which is started. */
static int delete_backup(struct api_call *c, struct error *e)
{
    struct backup *b = c->module;
    struct backup_row r;
    struct backup_plan p;
    struct target *t;
    char id[37], url[1100], secret[1100];
    struct json *params = json_new_object(c->a);
    int rc = backup_row_get(b, c->a, c->param[0], &r, e);
    if (!rc && str_is(r.state, "running"))
        rc = error_set(e, ERR_REFERENCED, "", "it is on its way; cancel its job first", "备份进行中；请先取消其作业");
    if (rc) return rc;
    str_to_cstr(r.id, id, sizeof id);
    rc = backup_plan_get(b, c->a, r.plan, &p, e);
    if (rc == ERR_NOT_FOUND || (!rc && !str_is(r.state, "done"))) { /* nothing of it can be reached, or is there */
        rc = backup_row_delete(b, id, e);
        return rc ? rc : answer_job(c, NULL);
    }
    if (rc) return rc;
    str_to_cstr(p.target, url, sizeof url);
    str_to_cstr(p.secret, secret, sizeof secret);
    rc = target_open(&(struct target_config){.url = url, .secret = p.secret.n ? secret : NULL}, &t, e);
    explicit_bzero(secret, sizeof secret);
    if (rc) return rc;
    rc = manifest_delete(t, id, e);
    target_close(t);
    if (!rc) rc = backup_row_delete(b, id, e);
    if (rc) return rc;
    json_set(params, c->a, STR("plan"), json_new_str(c->a, str_of(p.id)));
    return start(c, JOB_PRUNE, params, str_of(p.id), STR(""), e);
}

/* Is the target there, and does it take and give? */
static int post_test(struct api_call *c, struct error *e)
{
    struct resource r;
    struct backup_plan p;
    struct object_store *s = NULL;
    struct error why = {0};
    char url[1100], secret[1100];
    int rc = api_find(c, "backup_plan", c->param[0], ACT_ADMIN, &r, e);
    if (!rc) rc = backup_plan_get(c->module, c->a, r.id, &p, e);
    if (rc) return rc;
    uint64_t began = clock_mono_ns(clock_real());
    str_to_cstr(p.target, url, sizeof url);
    str_to_cstr(p.secret, secret, sizeof secret);
    rc = object_store_open(url, p.secret.n ? secret : NULL, &s, &why);
    explicit_bzero(secret, sizeof secret);
    if (!rc) rc = object_store_test(s, &why);
    object_store_close(s);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", rc == 0);
    jw_kz(&w, "detail", rc ? c->zh ? why.text_zh : why.text : "");
    jw_ki64(&w, "ms", (int64_t)((clock_mono_ns(clock_real()) - began) / 1000000));
    jw_end(&w);
    return 0;
}

#define ITEM \
    "id:string;plan:string;mode:'full'|'incremental';base:string|null;at:time;ended_at:time|null;" \
    "state:'running'|'done'|'failed'|'cancelled';bytes:integer;new_bytes:integer;files:integer;samples:integer;" \
    "until:time|null;verified_at:time|null;job:string;error:string|null;drill:{at:time;ok:boolean;detail:string}|null"
#define JOB "{job:string}"

const struct api_route backup_routes[BACKUP_ROUTES] = {
    API_GET("/api/v1/backups", "backup", AUDIT_NONE, get_backups, .summary_en = "Backups, newest first",
            .summary_zh = "备份列表", .params = "plan:string:Plan;page:integer:Page, from 1;size:integer:Rows a page",
            .answer_schema = "{items:{" ITEM "}[];total:integer;page:integer;size:integer}"),
    API_GET("/api/v1/backups/{id}", "backup", AUDIT_NONE, get_backup, .summary_en = "A backup with its report",
            .summary_zh = "备份详情与报告",
            .answer_schema = "{" ITEM ";parts:{what:string;files:integer;bytes:integer}[];report:object|null}"),
    API_DO("DELETE", "/api/v1/backups/{id}", "backup", ACT_ADMIN, AUDIT_CHANGE, delete_backup,
           .summary_en = "Remove a backup", .summary_zh = "删除备份", .answer_schema = "{job:string|null}",
           .lane = LANE_TRY),
    API_DO("POST", "/api/v1/backup-plans/{id}:run", "backup_plan", ACT_ADMIN, AUDIT_CHANGE, post_run,
           .summary_en = "Back up now", .summary_zh = "立即备份",
           .body_schema = "{mode?:'full'|'incremental';fresh?:boolean}", .answer_schema = JOB),
    API_DO("POST", "/api/v1/backup-plans/{id}:test", "backup_plan", ACT_ADMIN, AUDIT_CHANGE, post_test,
           .summary_en = "Try the target of a plan", .summary_zh = "测试备份目标",
           .answer_schema = "{ok:boolean;detail:string;ms:integer}", .lane = LANE_TRY),
    API_DO("POST", "/api/v1/backups/{id}:drill", "backup", ACT_ADMIN, AUDIT_CHANGE, post_drill,
           .summary_en = "Restore into a scratch folder and compare", .summary_zh = "恢复演练", .answer_schema = JOB),
    API_DO("POST", "/api/v1/backups/{id}:restore", "backup", ACT_ADMIN, AUDIT_CHANGE, post_restore,
           .summary_en = "Bring samples back into the running store", .summary_zh = "将样本恢复到运行中的历史库",
           .body_schema =
               "{points?:string[];classes?:string[];from:time|integer;to:time|integer;mode?:'missing'|'replace'}",
           .answer_schema = JOB),
};
