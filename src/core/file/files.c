/* files.c - tables, routes and jobs of files; cleaning of what nobody has any use for. */
#include "core/file/file_int.h"
#include "core/job/schedule.h"

static const struct sql_migration migrations[] = {
    {1, "create table file_upload(id text primary key, object text not null, name text not null, size int not null, "
        "sha256 text not null, type text not null, user_id text not null, at_us int not null) strict;"
        "create index file_upload_user on file_upload(user_id);"
        "create table attachment(id text primary key, object text not null, name text not null, size int not null, "
        "sha256 text not null, type text not null, user_id text not null, at_us int not null, kind text not null, "
        "resource text not null, field text not null) strict;"
        "create index attachment_resource on attachment(resource);"
        "create index attachment_at on attachment(at_us);"},
};

#define FILE_SHAPE "{id:string;name:string;type:string;size:integer;sha256:string;by:string;at:time;field:string|null}"
#define PREVIEW_SHAPE \
    "{format:string;sheets:string[];sheet:string;header_row:integer;rows:integer;" \
    "columns:{index:integer;title:string;samples:string[];field:string|null}[];" \
    "fields:{path:string;title:string;required:boolean}[]}"
#define RUN_BODY \
    "{upload:string;sheet?:string;header_row?:integer;mapping?:{column:integer;field:string}[];defaults?:object;" \
    "mode?:'upsert'|'create'|'update';dry_run?:boolean;skip_errors?:boolean;tz?:integer}"
#define OWNED "/api/v1/{plural}/{id}/attachments"

static const struct api_route routes[] = {
    {.method = "POST",
     .path = "/api/v1/uploads",
     .kind = "upload",
     .action = ACT_SELF,
     .audit = AUDIT_CHANGE,
     .handler = file_upload,
     .upload = &file_upload_ops,
     .body_max = UPLOAD_MAX,
     .summary_en = "Send a file",
     .summary_zh = "上传文件",
     .params = "name:string:Name of the file",
     .answer_schema = "{id:string;name:string;size:integer;sha256:string;type:string}"},
    API_DO("POST", OWNED, "*", ACT_WRITE, AUDIT_CHANGE, file_attach, .summary_en = "Attach an upload",
           .summary_zh = "添加附件", .body_schema = "{upload:string;field?:string}", .answer_schema = FILE_SHAPE),
    API_GET(OWNED, "*", AUDIT_NONE, file_attachments, .summary_en = "Attachments", .summary_zh = "附件列表",
            .answer_schema = "{items:" FILE_SHAPE "[]}"),
    API_DO("GET", "/api/v1/attachments", "attachment", ACT_SELF, AUDIT_NONE, file_all, .summary_en = "All attachments",
           .summary_zh = "全部附件", .params = "page:integer:Page, from 1;size:integer:Rows a page",
           .answer_schema =
               "{items:{id:string;name:string;type:string;size:integer;sha256:string;by:string;at:time;"
               "field:string|null;kind:string;resource:string}[];total:integer;page:integer;size:integer}"),
    API_DO("GET", "/api/v1/attachments/{id}", "attachment", ACT_SELF, AUDIT_NONE, file_attachment,
           .summary_en = "Content of an attachment", .summary_zh = "附件内容", .answer_schema = "text"),
    API_DO("DELETE", "/api/v1/attachments/{id}", "attachment", ACT_SELF, AUDIT_CHANGE, file_detach,
           .summary_en = "Remove an attachment", .summary_zh = "删除附件"),
    API_DO("POST", "/api/v1/objects:test", "object_store", ACT_ADMIN, AUDIT_CHANGE, file_objects_test,
           .summary_en = "Try the store of objects", .summary_zh = "测试对象存储",
           .answer_schema = "{ok:boolean;detail:string;ms:integer}", .lane = LANE_TRY),
    API_DO("POST", "/api/v1/{plural}:import-preview", "*", ACT_WRITE, AUDIT_NONE, file_preview,
           .summary_en = "What a table holds", .summary_zh = "预览待导入表格",
           .body_schema = "{upload:string;sheet?:string;header_row?:integer}", .answer_schema = PREVIEW_SHAPE),
    API_DO("POST", "/api/v1/{plural}:import-run", "*", ACT_WRITE, AUDIT_CHANGE, file_import_run,
           .summary_en = "Import an upload as a job", .summary_zh = "以作业方式导入", .body_schema = RUN_BODY,
           .answer_schema = "{job:string}"),
    API_DO("GET", "/api/v1/jobs/{id}/report.csv", "job", ACT_SELF, AUDIT_NONE, file_report,
           .summary_en = "Failed rows of an import", .summary_zh = "导入失败行", .answer_schema = "csv"),
};

static const struct job_type types[] = {
    {.name = "resource.import",
     .title_en = "Import",
     .title_zh = "导入",
     .kind = "*",
     .action = ACT_WRITE,
     .run = import_job,
     .concurrency = 2},
    {.name = "files.clean",
     .title_en = "Clean up files",
     .title_zh = "清理文件",
     .kind = "job",
     .action = ACT_ADMIN,
     .run = clean_job,
     .by_user = true},
};

/* ------------------------------------------------------------------ cleaning */

struct cleaning {
    struct files *f;
    struct job *j;
    int64_t before_us;
    size_t objects;
    struct error *e;
};

static int used(struct cleaning *c, const char *key, bool *ret)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(kernel_sql(c->f->cfg.kernel), false, &tx, c->e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select 1 from file_upload where object = $1 union all select 1 from attachment where object = $1",
                     &s, c->e);
    if (!rc) {
        sql_bind_str(s, 1, str_of(key));
        rc = sql_step(s, c->e);
        *ret = rc == 1;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

static int clean_object(void *ctx, const char *key, const struct object_info *i)
{
    struct cleaning *c = ctx;
    bool in_use = false;
    if (job_cancelled(c->j)) return ERR_CANCELLED;
    if (i->modified_us > c->before_us) return 0;
    int rc = used(c, key, &in_use);
    if (rc || in_use) return rc;
    c->objects++;
    return object_delete(c->f->cfg.objects, key, c->e);
}

/* Uploads that nobody used for a day, attachments of what is gone for good, objects without either. */
int clean_job(void *ctx, struct job *j, struct error *e)
{
    struct files *f = ctx;
    int64_t now = clock_now_us(kernel_clock(f->cfg.kernel));
    struct cleaning c = {.f = f, .j = j, .before_us = now - UPLOAD_KEPT_US, .e = e};
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(f->cfg.kernel), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from file_upload where at_us < $1", "i", c.before_us);
    int64_t uploads = rc ? 0 : sql_changes(tx);
    if (!rc) rc = sql_exec(tx, e, "delete from attachment where resource not in (select id from resource)", "");
    int64_t attachments = rc ? 0 : sql_changes(tx);
    if (rc)
        sql_rollback(tx);
    else
        rc = sql_commit(tx, e);
    if (!rc) rc = object_each(f->cfg.objects, "files/", clean_object, &c, e);
    job_log(j, "info", "%lld uploads, %lld attachments, %zu objects removed", (long long)uploads,
            (long long)attachments, c.objects);
    return rc;
}

/* ------------------------------------------------------------------ open and close */

static bool store_works(void *ctx, struct error *why)
{
    struct files *f = ctx;
    return object_store_check(f->cfg.objects, why) == 0;
}

static int open_all(struct files *f, struct error *e)
{
    struct api_health health = {.name = "objects", .check = store_works, .ctx = f};
    f->keeper = (struct kernel_files){.has = file_has, .take = file_take, .ctx = f};
    int rc = sql_migrate(kernel_sql(f->cfg.kernel), "file", migrations, sizeof migrations / sizeof *migrations, e);
    for (size_t i = 0; i < 2 && !rc; i++) {
        f->types[i] = types[i];
        f->types[i].ctx = f;
        rc = jobs_type_add(f->cfg.jobs, &f->types[i]);
    }
    if (!rc) rc = pool_start("uploads", 4, 256, &f->pool);
    if (!rc) rc = api_routes_add(f->cfg.api, routes, sizeof routes / sizeof *routes, f, e);
    if (!rc) rc = api_health_add(f->cfg.api, &health);
    if (!rc) kernel_files_set(f->cfg.kernel, &f->keeper);
    return rc;
}

int files_open(const struct files_config *cfg, struct files **ret, struct error *e)
{
    struct files *f = mem_calloc(1, sizeof *f);
    if (!f) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    f->cfg = *cfg;
    int rc = open_all(f, e);
    if (rc)
        files_close(f);
    else
        *ret = f;
    return rc;
}

int files_start(struct files *f, struct error *e)
{
    return schedule_default(f->cfg.jobs, "files-clean", "清理文件 / Clean up files",
                            "{\"cron\":\"25 */6 * * *\",\"job_type\":\"files.clean\",\"missed\":\"once\"}", e);
}

void files_close(struct files *f)
{
    if (!f) return;
    kernel_files_set(f->cfg.kernel, NULL);
    if (f->pool) pool_stop(f->pool);
    mem_free(f);
}
