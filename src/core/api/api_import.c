/* api_import.c - tables in and out of every kind: import in one request, export, templates, and the report of
 * many changes. Imports by job and files: core/file. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "core/api/api_int.h"
#include "base/limits.h"
#include "base/mem.h"
#include "core/table.h"

#define ROWS_SHOWN 1000 /* of a report, besides the failed ones */
#define COLUMNS 600

static void write_row(bool zh, struct json_writer *w, const struct bulk_result *r)
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
        jw_kz(w, "detail", zh && r->err.text_zh[0] ? r->err.text_zh : r->err.text);
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

void api_report_write(struct json_writer *w, const struct bulk_report *r, bool dry_run, bool skip_errors, bool zh,
                      size_t failed_max, size_t others_max)
{
    size_t failed = 0, others = 0;
    jw_object(w);
    jw_kbool(w, "dry_run", dry_run);
    jw_kbool(w, "applied", !dry_run && (skip_errors || !r->failed));
    write_counts(w, r);
    jw_key(w, STR("rows"));
    jw_array(w);
    for (size_t i = 0; i < r->nitems; i++)
        if (r->items[i].status == BULK_FAILED ? failed++ < failed_max : others++ < others_max)
            write_row(zh, w, &r->items[i]);
    jw_end(w);
    jw_end(w);
}

void api_report_answer(struct api_call *c, const struct bulk_report *r, bool dry_run, bool skip_errors)
{
    struct json_writer w = api_answer(c);
    api_report_write(&w, r, dry_run, skip_errors, c->zh, SIZE_MAX, ROWS_SHOWN);
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

/* ------------------------------------------------------------------ import */

static const struct {
    const char *media;
    enum table_format format;
} medias[] = {{"text/csv", TABLE_CSV},
              {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", TABLE_XLSX},
              {"application/json", TABLE_JSON},
              {"application/x-ndjson", TABLE_JSON}};
#define MEDIAS (sizeof medias / sizeof *medias)

static int body_format(struct api_call *c, enum table_format *ret, struct error *e)
{
    struct str type = http_header(c->req, "content-type"), media = str_trim(str_cut(&type, ';'));
    for (size_t i = 0; i < MEDIAS; i++) {
        if (!str_ieq(media, str_of(medias[i].media))) continue;
        *ret = medias[i].format;
        return 0;
    }
    return error_set(e, ERR_MEDIA_TYPE, "", "the body must be text/csv, application/json or XLSX (%s), not '%.*s'",
                     "请求内容须为 text/csv、application/json 或 XLSX（%s），而不是“%.*s”", medias[1].media,
                     STR_ARG(str_sub(media, 0, 60)));
}

int api_import_mode(struct str s, enum import_mode *ret, struct error *e)
{
    static const char *const names[] = {
        [IMPORT_UPSERT] = "upsert", [IMPORT_CREATE] = "create", [IMPORT_UPDATE] = "update"};
    *ret = IMPORT_UPSERT;
    if (!s.n) return 0;
    for (int i = 0; i < 3; i++) {
        if (!str_is(s, names[i])) continue;
        *ret = (enum import_mode)i;
        return 0;
    }
    return error_set(e, ERR_INVALID, "mode", "'mode' is upsert, create or update",
                     "“mode”须为 upsert、create 或 update");
}

static int import(struct api_call *c, struct error *e)
{
    struct import_result res = {0};
    struct table *t = NULL;
    enum table_format format = TABLE_CSV;
    struct import_options o = {.dry_run = flag(c, "dry_run"), .skip_errors = flag(c, "skip_errors")};
    int64_t row = 0, tz = 0;
    int rc = body_format(c, &format, e);
    if (!rc) rc = api_query_i64(c, "header_row", 0, 0, 1048576, &row, e);
    if (!rc) rc = api_query_i64(c, "tz", 0, -1440, 1440, &tz, e);
    if (!rc) rc = api_import_mode(http_query(c->req, "mode"), &o.mode, e);
    o.header_row = (size_t)row;
    o.tz_minutes = (int)tz;
    if (!rc) rc = table_open(format, c->req->body, http_query(c->req, "sheet"), &t, e);
    if (!rc) rc = table_import(c->kernel, c->a, &c->actor, exchange_of(c)->kind, t, &o, &res, e);
    table_close(t);
    if (!rc) api_report_answer(c, &res.report, o.dry_run, o.skip_errors);
    return rc;
}

/* ------------------------------------------------------------------ export */

struct spool {
    int fd;
};

static int spool_pull(void *ctx, struct buf *out)
{
    struct spool *s = ctx;
    uint8_t *room = buf_space(out, 64 << 10);
    if (!room) return ERR_NOMEM;
    ssize_t n = read(s->fd, room, 64 << 10);
    if (n > 0) out->n += (size_t)n;
    return n < 0 ? ERR_IO : n > 0;
}

static void spool_free(void *ctx)
{
    struct spool *s = ctx;
    close(s->fd);
    mem_free(s);
}

static int send_file(struct api_call *c, int fd, const char *media, const char *name, struct error *e)
{
    struct spool *s = mem_alloc(sizeof *s);
    if (!s) {
        close(fd);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    s->fd = fd;
    c->res->pull = spool_pull;
    c->res->pull_free = spool_free;
    c->res->pull_ctx = s;
    c->res->content_type = media;
    char *disposition = arena_printf(c->a, "attachment; filename=\"%s\"", name);
    if (disposition) http_set_header(c->res, "Content-Disposition", str_of(disposition));
    return 0;
}

/* Into a file that has no name any more when it is sent: nothing is left behind, whatever happens. */
int api_send_file(struct api_call *c, api_file_fn *write, void *ctx, const char *media, const char *name,
                  struct error *e)
{
    const char *dir = c->api->cfg.spool_dir ? c->api->cfg.spool_dir : "/tmp";
    char *path = arena_printf(c->a, "%s/bornite-XXXXXX", dir);
    int fd = path && name ? mkstemp(path) : -1;
    if (fd < 0)
        return error_set(e, error_from_errno(errno), dir, "no file for the export can be made here",
                         "无法创建导出文件");
    close(fd);
    int rc = write(ctx, path, dir, e);
    fd = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (!rc && fd < 0) rc = error_set(e, error_from_errno(errno), dir, "the export cannot be read", "无法读取导出文件");
    unlink(path);
    return rc ? rc : send_file(c, fd, media, name, e);
}

struct exporting {
    struct api_call *c;
    const struct list_query *q;
    struct export_options *o;
};

static int write_export(void *ctx, const char *path, const char *tmpdir, struct error *e)
{
    struct exporting *x = ctx;
    x->o->path = path;
    x->o->tmpdir = tmpdir;
    return table_export(x->c->kernel, exchange_of(x->c)->kind, x->q, x->o, e);
}

static int export_to_answer(struct api_call *c, const struct list_query *q, struct export_options *o, const char *what,
                            struct error *e)
{
    struct exporting x = {c, q, o};
    const char *media = o->format == TABLE_CSV    ? "text/csv; charset=utf-8"
                        : o->format == TABLE_JSON ? "application/json; charset=utf-8"
                                                  : medias[1].media;
    const char *name = arena_printf(c->a, "%.*s%s.%s", STR_ARG(c->param[0]), what, table_format_name(o->format));
    return api_send_file(c, write_export, &x, media, name, e);
}

static int format_of(struct api_call *c, enum table_format *ret, struct error *e)
{
    struct str s = http_query(c->req, "format");
    for (int f = TABLE_CSV; f <= TABLE_JSON; f++) {
        if (!str_is(s, table_format_name(f)) && (s.n || f != TABLE_CSV)) continue;
        *ret = (enum table_format)f;
        return 0;
    }
    return error_set(e, ERR_INVALID, "format", "'format' is csv, xlsx or json", "“format”须为 csv、xlsx 或 json");
}

static int columns_of(struct api_call *c, struct export_options *o, struct error *e)
{
    struct str list = http_query(c->req, "columns");
    if (!list.n) return 0;
    struct str *names = arena_alloc(c->a, COLUMNS * sizeof *names);
    if (!names) return ERR_NOMEM;
    while (list.p) {
        struct str name = str_trim(str_cut(&list, ','));
        if (!name.n) continue;
        if (o->ncolumns == COLUMNS)
            return error_set(e, ERR_TOO_LARGE, "columns", "more than %d columns", "超过 %d 列", COLUMNS);
        names[o->ncolumns++] = name;
    }
    o->columns = names;
    return 0;
}

static int options_of(struct api_call *c, struct export_options *o, struct error *e)
{
    int64_t tz = 0;
    *o = (struct export_options){
        .zh = c->zh, .titles = flag(c, "titles"), .no_bom = str_is(http_query(c->req, "bom"), "0")};
    int rc = format_of(c, &o->format, e);
    if (!rc) rc = columns_of(c, o, e);
    if (!rc) rc = api_query_i64(c, "tz", 0, -1440, 1440, &tz, e);
    o->tz_minutes = (int)tz;
    return rc;
}

static int export(struct api_call *c, struct error *e)
{
    struct list_query q = {.kind = exchange_of(c)->kind,
                           .filter = http_query(c->req, "filter"),
                           .text = http_query(c->req, "q"),
                           .sort = http_query(c->req, "sort"),
                           .by = &c->actor};
    struct export_options o;
    int rc = options_of(c, &o, e);
    return rc ? rc : export_to_answer(c, &q, &o, "", e);
}

static int template(struct api_call *c, struct error *e)
{
    struct list_query q = {.kind = exchange_of(c)->kind, .by = &c->actor};
    struct export_options o;
    int rc = options_of(c, &o, e);
    o.template_only = true;
    o.titles = !str_is(http_query(c->req, "titles"), "0");
    if (!rc && o.format == TABLE_JSON)
        rc = error_set(e, ERR_INVALID, "format", "a template is csv or xlsx", "模板格式须为 csv 或 xlsx");
    return rc ? rc : export_to_answer(c, &q, &o, "-template", e);
}

#define LIST_PARAMS "filter:string:Filter expression;q:string:Part of code or name;sort:string:Fields, - for descending"
#define TABLE_PARAMS \
    "format:string:csv, xlsx or json;columns:string:Paths, comma;titles:boolean:Titles instead of paths;" \
    "bom:boolean:0 leaves the UTF-8 mark out of CSV;tz:integer:Minutes east of UTC for dates in spreadsheets"

static const struct api_route rows[] = {
    API_DO("POST", "/api/v1/{plural}:import", "*", ACT_WRITE, AUDIT_CHANGE, import,
           .summary_en = "Import CSV, XLSX or JSON", .summary_zh = "导入 CSV、XLSX 或 JSON",
           .body_max = LIMIT_BODY_IMPORT,
           .params =
               "dry_run:boolean:Check only;skip_errors:boolean:Keep the good rows, committed in chunks;"
               "mode:string:upsert, create or update;sheet:string:Name of the sheet;"
               "header_row:integer:Row of the titles, from 1;tz:integer:Minutes east of UTC of dates in spreadsheets",
           .body_schema = "csv", .answer_schema = "report"),
    API_GET("/api/v1/{plural}:export", "*", AUDIT_NONE, export, .summary_en = "Export CSV, XLSX or JSON",
            .summary_zh = "导出 CSV、XLSX 或 JSON", .params = LIST_PARAMS ";" TABLE_PARAMS, .answer_schema = "csv"),
    API_GET("/api/v1/{plural}:template", "*", AUDIT_NONE, template, .summary_en = "Empty table to fill in",
            .summary_zh = "空白导入模板", .params = TABLE_PARAMS, .answer_schema = "csv"),
};
const struct route_table api_import_routes = {rows, sizeof(rows) / sizeof(rows[0])};
