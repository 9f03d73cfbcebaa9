/* api_import.c - tables in and out of every kind: import, export, and the report of many changes. */
#include "core/api/api_int.h"
#include "base/limits.h"

#define ROWS_SHOWN 1000 /* of a report, besides the failed ones */

static void write_row(struct api_call *c, struct json_writer *w, const struct bulk_result *r)
{
    static const char *const status[] = {[BULK_CREATED] = "created",
                                         [BULK_UPDATED] = "updated",
                                         [BULK_UNCHANGED] = "unchanged",
                                         [BULK_DELETED] = "deleted",
                                         [BULK_FAILED] = "failed"};
    jw_object(w);
    jw_ki64(w, "line", (int64_t)r->line);
    jw_kz(w, "status", status[r->status]);
    jw_kstr(w, "code", r->code);
    if (r->status == BULK_FAILED) {
        jw_key(w, STR("errors"));
        jw_array(w);
        jw_object(w);
        jw_kz(w, "where", r->err.where);
        jw_kz(w, "detail", c->zh && r->err.text_zh[0] ? r->err.text_zh : r->err.text);
        jw_end(w);
        jw_end(w);
    }
    jw_end(w);
}

static void write_counts(struct json_writer *w, const struct bulk_report *r)
{
    jw_ki64(w, "created", (int64_t)r->created);
    jw_ki64(w, "updated", (int64_t)r->updated);
    jw_ki64(w, "unchanged", (int64_t)r->unchanged);
    jw_ki64(w, "deleted", (int64_t)r->deleted);
    jw_ki64(w, "failed", (int64_t)r->failed);
}

void api_report_answer(struct api_call *c, const struct bulk_report *r, bool dry_run, bool skip_errors)
{
    size_t others = 0;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "dry_run", dry_run);
    jw_kbool(&w, "applied", !dry_run && (skip_errors || !r->failed));
    write_counts(&w, r);
    jw_key(&w, STR("rows"));
    jw_array(&w);
    for (size_t i = 0; i < r->nitems; i++)
        if (r->items[i].status == BULK_FAILED || others++ < ROWS_SHOWN) write_row(c, &w, &r->items[i]);
    jw_end(&w);
    jw_end(&w);
    if (!dry_run) api_people_changed(c);
    char *detail = arena_printf(c->a, "{\"dry_run\":%s,\"created\":%zu,\"updated\":%zu,\"deleted\":%zu,\"failed\":%zu}",
                                dry_run ? "true" : "false", r->created, r->updated, r->deleted, r->failed);
    api_audit_note(c, STR(""), str_of(detail));
}

static bool flag(struct api_call *c, const char *name)
{
    struct str s = http_query(c->req, name);
    return str_is(s, "1") || str_is(s, "true");
}

static int import(struct api_call *c, struct error *e)
{
    struct bulk_report report = {0};
    struct str type = http_header(c->req, "content-type"), media = str_trim(str_cut(&type, ';'));
    if (!str_ieq(media, STR("text/csv")))
        return error_set(e, ERR_MEDIA_TYPE, "", "the body must be text/csv, not '%.*s'",
                         "请求内容须为 text/csv，而不是“%.*s”", STR_ARG(str_sub(media, 0, 60)));
    bool dry = flag(c, "dry_run"), skip = flag(c, "skip_errors");
    int rc = resource_import_csv(c->kernel, c->a, &c->actor, exchange_of(c)->kind, c->req->body, dry, skip, &report, e);
    if (!rc) api_report_answer(c, &report, dry, skip);
    return rc;
}

static int export(struct api_call *c, struct error *e)
{
    struct list_query q = {.kind = exchange_of(c)->kind,
                           .filter = http_query(c->req, "filter"),
                           .text = http_query(c->req, "q"),
                           .sort = http_query(c->req, "sort")};
    int rc = resource_export_csv(c->kernel, exchange_of(c)->kind, &q, &c->res->body, e);
    if (rc) return rc;
    char *name = arena_printf(c->a, "attachment; filename=\"%.*s.csv\"", STR_ARG(c->param[0]));
    if (name) http_set_header(c->res, "Content-Disposition", str_of(name));
    c->res->content_type = "text/csv; charset=utf-8";
    return 0;
}

#define LIST_PARAMS "filter:string:Filter expression;q:string:Part of code or name;sort:string:Fields, - for descending"

static const struct api_route rows[] = {
    API_DO("POST", "/api/v1/{plural}:import", "*", ACT_WRITE, AUDIT_CHANGE, import, .summary_en = "Import CSV",
           .summary_zh = "导入 CSV", .body_max = LIMIT_BODY_IMPORT,
           .params = "dry_run:boolean:Check only;skip_errors:boolean:Keep the good rows", .body_schema = "csv",
           .answer_schema = "report"),
    API_GET("/api/v1/{plural}:export", "*", AUDIT_NONE, export, .summary_en = "Export CSV", .summary_zh = "导出 CSV",
            .params = LIST_PARAMS, .answer_schema = "csv"),
};
const struct route_table api_import_routes = {rows, sizeof(rows) / sizeof(rows[0])};
