/* api_audit.c - the audit log in the API: pages and searches, export, verification, checkpoints; what a change of
 * a resource changed; how long records are kept (kind audit_settings). */
#include "core/api/api_int.h"
#include "base/csv.h"
#include "base/limits.h"
#include "base/time.h"
#include "proto/sheet.h"

#define EXPORT_MAX (64 << 20)
#define CHANGES_MAX 12000 /* bytes of a record's before and after */
#define DAYS 365

static int time_query(struct api_call *c, const char *name, int64_t def, int64_t *ret, struct error *e)
{
    struct str s = http_query(c->req, name);
    *ret = def;
    if (!s.n) return 0;
    int rc = time_parse_words(s, clock_now_us(c->api->clock), 0, ret, e);
    if (rc && e) snprintf(e->where, sizeof(e->where), "%s", name);
    return rc;
}

static int read_query(struct api_call *c, struct audit_query *q, struct error *e)
{
    *q = (struct audit_query){.q = str_trim(http_query(c->req, "q")),
                              .login = http_query(c->req, "login"),
                              .kind = http_query(c->req, "kind"),
                              .cls = http_query(c->req, "class"),
                              .outcome = http_query(c->req, "outcome")};
    int rc = time_query(c, "from", TIME_MIN_US, &q->from_us, e);
    return rc ? rc : time_query(c, "to", TIME_MAX_US, &q->to_us, e);
}

static int get(struct api_call *c, struct error *e)
{
    struct audit_query q;
    int64_t page = 1, size = 50, total = 0;
    int rc = read_query(c, &q, e);
    if (!rc) rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    if (rc) return rc;
    q.offset = (size_t)((page - 1) * size);
    q.limit = (size_t)size;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = audit_list(c->api->audit, &q, &w, &total, e);
    jw_end(&w);
    jw_ki64(&w, "total", total);
    jw_ki64(&w, "page", page);
    jw_ki64(&w, "size", size);
    jw_end(&w);
    return rc;
}

/* ------------------------------------------------------------------ export */

static int write_line(void *ctx, const struct str *cells)
{
    struct buf *b = ctx;
    for (int i = 0; i < AUDIT_CELLS; i++) csv_cell(b, cells[i], i == 0);
    buf_z(b, "\r\n");
    return b->err ? ERR_TOO_LARGE : b->n > EXPORT_MAX ? ERR_TOO_LARGE : 0;
}

struct book {
    struct api_call *c;
    const struct audit_query *q;
    struct sheet_writer *w;
    struct error *e;
};

/* Numbers are numbers; all else is text, times too, because cells know no zones and no microseconds. */
static int write_row(void *ctx, const struct str *texts)
{
    struct book *b = ctx;
    struct cell cells[AUDIT_CELLS];
    for (int i = 0; i < AUDIT_CELLS; i++) {
        bool number = i == 0 || strcmp(audit_cell_names[i], "status") == 0;
        int64_t n = 0;
        cells[i] = (struct cell){.type = texts[i].n ? CELL_TEXT : CELL_EMPTY, .text = texts[i]};
        if (!number || str_to_i64(texts[i], &n)) continue;
        cells[i] = (struct cell){.type = CELL_NUMBER, .text = texts[i], .number = (double)n};
    }
    return sheet_writer_row(b->w, cells, AUDIT_CELLS, b->e);
}

static int write_book(void *ctx, const char *path, const char *tmpdir, struct error *e)
{
    static const char *const titles[AUDIT_CELLS][2] = {{"Number", "序号"},   {"Time", "时间"},     {"Class", "类别"},
                                                       {"Login", "用户"},    {"Address", "地址"},  {"Action", "操作"},
                                                       {"Kind", "类型"},     {"Resource", "对象"}, {"Outcome", "结果"},
                                                       {"Status", "状态码"}, {"Details", "详情"}};
    static const double widths[AUDIT_CELLS] = {10, 28, 10, 18, 18, 40, 16, 28, 10, 8, 60};
    struct book *b = ctx;
    struct sheet_column columns[AUDIT_CELLS];
    for (int i = 0; i < AUDIT_CELLS; i++)
        columns[i] = (struct sheet_column){.title = str_of(titles[i][b->c->zh]), .width = widths[i], .type = CELL_TEXT};
    b->e = e;
    struct str name = b->c->zh ? STR("审计日志") : STR("Audit");
    int rc = sheet_writer_open(path, tmpdir, name, columns, AUDIT_CELLS, &b->w, e);
    if (rc) return rc;
    rc = audit_each(b->c->api->audit, b->q, write_row, b, e);
    if (!rc) return sheet_writer_finish(b->w, e);
    sheet_writer_abort(b->w);
    return rc;
}

#define XLSX_MEDIA "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

static int export(struct api_call *c, struct error *e)
{
    struct audit_query q;
    struct str format = http_query(c->req, "format");
    bool book = str_is(format, "xlsx");
    if (format.n && !book && !str_is(format, "csv"))
        return error_set(e, ERR_INVALID, "format", "'format' is csv or xlsx", "“format”须为 csv 或 xlsx");
    int rc = read_query(c, &q, e);
    if (rc) return rc;
    if (book) return api_send_file(c, write_book, &(struct book){.c = c, .q = &q}, XLSX_MEDIA, "audit.xlsx", e);
    struct str names[AUDIT_CELLS];
    for (int i = 0; i < AUDIT_CELLS; i++) names[i] = str_of(audit_cell_names[i]);
    rc = write_line(&c->res->body, names);
    if (!rc) rc = audit_each(c->api->audit, &q, write_line, &c->res->body, e);
    if (rc == ERR_TOO_LARGE)
        rc = error_set(e, rc, "from", "that is more than %d MiB; choose a shorter time", "超过 %d MiB；请缩短时间范围",
                       EXPORT_MAX >> 20);
    if (rc) {
        buf_clear(&c->res->body);
        return rc;
    }
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"audit.csv\""));
    c->res->content_type = "text/csv; charset=utf-8";
    return 0;
}

/* ------------------------------------------------------------------ does it hold */

static int verify(struct api_call *c, struct error *e)
{
    struct audit_report r;
    char at[TIME_TEXT_MAX];
    int rc = audit_verify_all(c->api->audit, &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", r.ok);
    jw_ki64(&w, "records", r.records);
    jw_ki64(&w, "checkpoints", r.checkpoints);
    jw_ki64(&w, "first", r.first);
    if (!r.ok) jw_ki64(&w, "first_bad", r.first_bad);
    jw_ki64(&w, "signed_until", r.signed_until);
    jw_kz(&w, "signed_at", r.signed_at_us ? time_format(r.signed_at_us, at) : NULL);
    jw_kz(&w, "public_key", r.public_key);
    if (!r.ok) jw_kz(&w, "detail", c->zh ? r.why_zh : r.why_en);
    jw_end(&w);
    return 0;
}

static int checkpoints(struct api_call *c, struct error *e)
{
    int64_t size = 50;
    int rc = api_query_i64(c, "size", 50, 1, LIMIT_PAGE, &size, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = audit_checkpoints(c->api->audit, (size_t)size, &w, e);
    jw_end(&w);
    jw_end(&w);
    return rc;
}

/* ------------------------------------------------------------------ what a change changed */

static bool hidden(const struct kind *kd, struct str path)
{
    if (!kd || !str_starts(path, STR("spec."))) return false;
    path = str_sub(path, 5, path.n);
    for (size_t n = 1; n <= path.n; n++) {
        if (n < path.n && path.p[n] != '.' && path.p[n] != '[') continue;
        const struct field *f = kind_field(kd, str_sub(path, 0, n));
        if (f && f->sensitive) return true;
    }
    return false;
}

static void write_change(struct json_writer *w, const struct kind *kd, const struct json *d)
{
    static const char *const sides[] = {"before", "after"};
    struct str path = json_str(json_get(d, "path"), STR(""));
    jw_object(w);
    jw_kstr(w, "path", path);
    for (int i = 0; i < 2; i++) {
        const struct json *v = json_get(d, sides[i]);
        jw_key(w, str_of(sides[i]));
        if (!v || v->type == JSON_NULL)
            jw_null(w);
        else if (hidden(kd, path))
            jw_str(w, STR("***"));
        else
            jw_json(w, v);
    }
    jw_end(w);
}

void api_audit_change(struct api_call *c, const struct resource *r)
{
    struct history_entry *h = NULL;
    size_t n = 0;
    char kind[64];
    struct buf b;
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_ki64(&w, "rev", r->rev);
    bool changed = kernel_seq(c->kernel) != exchange_of(c)->seq && str_to_cstr(r->kind, kind, sizeof(kind)) &&
                   !resource_history(c->kernel, c->a, kind, r->id, 0, 1, &h, &n, NULL) && n == 1 && h->rev == r->rev;
    if (changed) {
        jw_key(&w, STR("before_after"));
        jw_array(&w);
        for
            json_each (d, h->diff) write_change(&w, r->schema, d);
        jw_end(&w);
    }
    jw_end(&w);
    char *whole = !b.err && b.n <= CHANGES_MAX ? arena_strdup(c->a, buf_view(&b)) : NULL;
    if (!whole) whole = arena_printf(c->a, "{\"rev\":%lld,\"too_large\":true}", (long long)r->rev);
    buf_fini(&b);
    if (whole) api_audit_note(c, r->code.n ? r->code : r->id, str_of(whole));
}

/* ------------------------------------------------------------------ how long it is kept */

static void keep(struct api *api)
{
    AUTO_ARENA a;
    struct list_page p;
    struct list_query q = {.kind = "audit_settings", .limit = 1};
    int64_t days = DAYS;
    arena_init(&a, 1 << 20);
    if (resource_list(api->kernel, &a, &q, &p, NULL) == 0 && p.n)
        days = json_i64(json_get(p.items[0].spec, "audit_days"), DAYS);
    audit_keep(api->audit, (int)days);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    keep(ctx);
}

int api_audit_start(struct api *api)
{
    const struct kind_hooks hooks = {.kind = "audit_settings", .changed = changed, .ctx = api};
    keep(api);
    return kernel_hooks_add(api->kernel, &hooks);
}

#define SEARCH \
    "from:time:Start;to:time:End;q:string:Part of login, resource, action, address or detail;login:string:Login;" \
    "kind:string:Kind;class:string:change, control or security;outcome:string:done, denied or failed"
#define AUDIT \
    "{items:{seq:integer;at:time;class:string;user_id:string;login:string;peer:string;action:string;kind:string;" \
    "resource:string;outcome:string;status:integer;before_after?:{path:string;before?:any;after?:any}[];detail?:any}[" \
    "];" \
    "total:integer;page:integer;size:integer}"

static const struct api_route rows[] = {
    API_GET("/api/v1/audit", "audit", AUDIT_NONE, get, .summary_en = "Audit records, newest first",
            .summary_zh = "审计记录", .params = SEARCH ";page:integer:Page, from 1;size:integer:Rows a page",
            .answer_schema = AUDIT),
    API_GET("/api/v1/audit:export", "audit", AUDIT_SECURITY, export, .rate = 12,
            .summary_en = "Audit records as a table", .summary_zh = "导出审计记录",
            .params = SEARCH ";format:string:csv or xlsx", .answer_schema = "csv"),
    API_GET("/api/v1/audit:verify", "audit", AUDIT_NONE, verify, .rate = 6,
            .summary_en = "Check the chain of the audit log", .summary_zh = "校验审计日志链",
            .answer_schema = "{ok:boolean;records:integer;checkpoints:integer;first:integer;first_bad?:integer;"
                             "signed_until:integer;signed_at:time|null;public_key:string;detail?:string}"),
    API_GET("/api/v1/audit/checkpoints", "audit", AUDIT_NONE, checkpoints,
            .summary_en = "Signed checkpoints, newest first", .summary_zh = "签名检查点",
            .params = "size:integer:How many",
            .answer_schema = "{items:{seq:integer;at:time;hash:string;signature:string}[]}"),
};
const struct route_table api_audit_routes = {rows, sizeof(rows) / sizeof(rows[0])};
