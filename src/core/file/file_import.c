/* file_import.c - the import of an upload: what it holds, and the job that imports it.
 *
 * The job runs with what its user may do then; every row goes through the same checks as a change by hand.
 * Its result is the report (cut to what a result may hold); the failed rows as a whole stand in a CSV beside. */
#include "core/file/file_int.h"
#include "base/csv.h"

#define RESULT_FAILED 400
#define RESULT_OTHERS 100

static int open_table(struct files *f, struct arena *a, const struct actor *by, const struct json *params, void **bytes,
                      struct table **ret, struct error *e)
{
    struct file_row u;
    size_t n = 0;
    int rc = upload_find(f, a, by, json_str(json_get(params, "upload"), STR("")), &u, e);
    if (!rc) rc = file_load(f, &u, bytes, &n, e);
    if (rc) return rc;
    struct str text = str_make(*bytes, n);
    return table_open(table_guess(text), text, json_str(json_get(params, "sheet"), STR("")), ret, e);
}

/* ------------------------------------------------------------------ preview */

static int write_field(void *ctx, struct str path, struct str title, const struct field *f)
{
    struct json_writer *w = ctx;
    jw_object(w);
    jw_kstr(w, "path", path);
    jw_kstr(w, "title", title);
    jw_kbool(w, "required", f && f->required && !f->def);
    jw_end(w);
    return 0;
}

static void write_column(struct json_writer *w, size_t i, const struct preview_column *col)
{
    jw_object(w);
    jw_ki64(w, "index", (int64_t)i);
    jw_kstr(w, "title", col->title);
    jw_key(w, STR("samples"));
    jw_array(w);
    for (size_t k = 0; k < col->nsamples; k++) jw_str(w, col->samples[k]);
    jw_end(w);
    jw_key(w, STR("field"));
    if (col->field.p)
        jw_str(w, col->field);
    else
        jw_null(w);
    jw_end(w);
}

static void answer_preview(struct api_call *c, const struct kind *kd, const struct table *t, enum table_format format,
                           const struct table_preview *p)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "format", table_format_name(format));
    jw_key(&w, STR("sheets"));
    jw_array(&w);
    for (size_t i = 0; i < table_sheets(t); i++) jw_str(&w, table_sheet(t, i));
    jw_end(&w);
    jw_kstr(&w, "sheet", table_sheet_now(t));
    jw_ki64(&w, "header_row", (int64_t)p->header_row);
    jw_ki64(&w, "rows", (int64_t)p->rows);
    jw_key(&w, STR("columns"));
    jw_array(&w);
    for (size_t i = 0; i < p->n; i++) write_column(&w, i, &p->columns[i]);
    jw_end(&w);
    jw_key(&w, STR("fields"));
    jw_array(&w);
    (void)table_fields(kd, c->zh, write_field, &w);
    jw_end(&w);
    jw_end(&w);
}

int file_preview(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    struct table *t = NULL;
    struct table_preview p;
    void *bytes = NULL;
    const struct kind *kd = kernel_kind(c->kernel, c->param[0]);
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = open_table(c->module, c->a, &c->actor, body, &bytes, &t, e);
    int64_t row = json_i64(json_get(body, "header_row"), 0);
    if (!rc) rc = table_preview(c->a, kd, t, row > 0 ? (size_t)row : 0, &p, e);
    if (!rc) answer_preview(c, kd, t, table_guess(str_make(bytes, 64)), &p);
    table_close(t);
    mem_free(bytes);
    return rc;
}

/* ------------------------------------------------------------------ starting the job */

int file_import_run(struct api_call *c, struct error *e)
{
    struct files *f = c->module;
    struct json *body = NULL;
    struct file_row u;
    enum import_mode mode;
    char id[37];
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = api_import_mode(json_str(json_get(body, "mode"), STR("")), &mode, e);
    if (!rc) rc = upload_find(f, c->a, &c->actor, json_str(json_get(body, "upload"), STR("")), &u, e);
    if (rc) return rc;
    const char *kind = exchange_of(c)->kind;
    bool ok = json_set(body, c->a, STR("kind"), json_new_str(c->a, str_of(kind))) &&
              json_set(body, c->a, STR("zh"), json_new_bool(c->a, c->zh));
    if (!ok) return ERR_NOMEM;
    struct job_spec spec = {.type = "resource.import", .params = body, .by = &c->actor};
    const struct kind *kd = kernel_kind(c->kernel, str_of(kind));
    spec.title = str_of(arena_printf(c->a, c->zh ? "导入%.*s：%.*s" : "Import %.*s: %.*s",
                                     STR_ARG(c->zh ? kd->title_zh : kd->title_en), STR_ARG(u.name)));
    rc = job_submit(f->cfg.jobs, &spec, id, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    c->res->status = 202;
    jw_object(&w);
    jw_kz(&w, "job", id);
    jw_end(&w);
    return 0;
}

/* ------------------------------------------------------------------ the job */

static int read_mapping(const struct json *params, struct arena *a, struct import_options *o, struct error *e)
{
    const struct json *list = json_get(params, "mapping"), *defaults = json_get(params, "defaults");
    struct table_mapping *m = arena_calloc(a, json_count(list) + 1, sizeof *m);
    struct table_default *d = arena_calloc(a, json_count(defaults) + 1, sizeof *d);
    if (!m || !d) return ERR_NOMEM;
    for
        json_each (it, list) {
            int64_t column = json_i64(json_get(it, "column"), -1);
            struct str field = json_str(json_get(it, "field"), STR_NULL);
            if (column < 0 || column > 100000)
                return error_set(e, ERR_INVALID, "mapping", "'column' is a number from 0 on",
                                 "“column”须为从 0 开始的整数");
            if (field.n) m[o->nmapping++] = (struct table_mapping){(size_t)column, field};
        }
    for
        json_each (it, defaults) {
            struct str text = it->type == JSON_STRING ? it->s : json_text(a, it);
            if (text.n) d[o->ndefaults++] = (struct table_default){it->key, text};
        }
    o->mapping = o->nmapping ? m : NULL;
    o->defaults = d;
    return 0;
}

static bool go_on(void *ctx, size_t rows)
{
    job_progress(ctx, rows, 0, "rows", "行");
    return !job_cancelled(ctx);
}

static int set_result(struct job *j, const struct import_result *res, const struct import_options *o, bool zh,
                      struct error *e)
{
    struct buf b;
    struct json *v = NULL;
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    api_report_write(&w, &res->report, o->dry_run, o->skip_errors, zh, RESULT_FAILED, RESULT_OTHERS);
    struct str text = arena_str(job_arena(j), buf_view(&b));
    int rc = b.err || !text.p ? ERR_NOMEM : json_parse(job_arena(j), text, &v, e);
    buf_fini(&b);
    return rc ? rc : job_result(j, v, e);
}

/* reports/<job>.csv: each failed row with its reason. */
static int keep_report(struct files *f, struct job *j, const struct bulk_report *r, bool zh, struct error *e)
{
    char key[80];
    struct buf b;
    struct object_put *p;
    struct object_info info;
    if (!r->failed) return 0;
    snprintf(key, sizeof key, "reports/%s.csv", job_id(j));
    buf_init(&b, 8 << 20);
    buf_z(&b, zh ? "\xef\xbb\xbf行,编码,位置,原因\r\n" : "\xef\xbb\xbfrow,code,where,reason\r\n");
    for (size_t i = 0; i < r->nitems; i++) {
        const struct bulk_result *it = &r->items[i];
        if (it->status != BULK_FAILED) continue;
        buf_printf(&b, "%zu", it->line);
        csv_cell(&b, it->code, false);
        csv_cell(&b, str_of(it->err.where), false);
        csv_cell(&b, str_of(zh && it->err.text_zh[0] ? it->err.text_zh : it->err.text), false);
        buf_z(&b, "\r\n");
    }
    int rc = b.err ? error_set(e, b.err, "", "the report is too large", "报告过大") : 0;
    if (!rc) rc = object_put_begin(f->cfg.objects, key, &p, e);
    if (!rc && (rc = object_put_write(p, b.p, b.n, e)))
        object_put_abort(p);
    else if (!rc)
        rc = object_put_finish(p, &info, e);
    buf_fini(&b);
    return rc;
}

static int may_import(const struct actor *by, const char *kind, struct error *e)
{
    if (permitted(by->may, kind, api_action_for(kind, ACT_WRITE))) return 0;
    return error_set(e, ERR_FORBIDDEN, "", "%s may not write %s", "%s 没有写入“%s”的权限", by->login, kind);
}

static int run_import(struct files *f, struct job *j, struct table *t, struct error *e)
{
    const struct json *p = job_params(j);
    struct import_result res = {.kept = 0};
    char kind[KIND_NAME];
    bool zh = json_bool(json_get(p, "zh"), false);
    struct import_options o = {.dry_run = json_bool(json_get(p, "dry_run"), false),
                               .skip_errors = json_bool(json_get(p, "skip_errors"), false),
                               .tz_minutes = (int)json_i64(json_get(p, "tz"), 0),
                               .progress = go_on,
                               .ctx = j};
    int64_t row = json_i64(json_get(p, "header_row"), 0);
    o.header_row = row > 0 ? (size_t)row : 0;
    str_to_cstr(json_str(json_get(p, "kind"), STR("")), kind, sizeof kind);
    int rc = api_import_mode(json_str(json_get(p, "mode"), STR("")), &o.mode, e);
    if (!rc) rc = read_mapping(p, job_arena(j), &o, e);
    if (!rc) rc = table_import(f->cfg.kernel, job_arena(j), job_actor(j), kind, t, &o, &res, e);
    job_log(j, rc ? "error" : "info",
            "created %zu, updated %zu, unchanged %zu, failed %zu; kept %zu; others waited at most %lld ms",
            res.report.created, res.report.updated, res.report.unchanged, res.report.failed, res.kept,
            (long long)(res.locked_us / 1000));
    if (rc && res.kept) job_log(j, "warn", "%zu rows were kept before it ended", res.kept);
    if (!rc) rc = keep_report(f, j, &res.report, zh, e);
    if (!rc) rc = set_result(j, &res, &o, zh, e);
    return rc;
}

int import_job(void *ctx, struct job *j, struct error *e)
{
    struct files *f = ctx;
    struct table *t = NULL;
    void *bytes = NULL;
    char kind[KIND_NAME];
    str_to_cstr(json_str(json_get(job_params(j), "kind"), STR("")), kind, sizeof kind);
    int rc = may_import(job_actor(j), kind, e);
    if (!rc) rc = open_table(f, job_arena(j), job_actor(j), job_params(j), &bytes, &t, e);
    if (!rc) rc = run_import(f, j, t, e);
    table_close(t);
    mem_free(bytes);
    return rc;
}

/* ------------------------------------------------------------------ the report */

static int may_see_job(struct api_call *c, struct str id, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    bool mine = false;
    int rc = sql_begin(kernel_sql(c->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select user_id from job where id = $1 and type = 'resource.import'", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, id);
        rc = sql_step(s, e);
        mine = rc == 1 && (str_is(sql_str(s, 0), c->actor.user_id) || permitted(c->actor.may, "job", ACT_ADMIN));
    }
    sql_done(s);
    sql_rollback(tx);
    if (rc < 0) return rc;
    return mine ? 0
                : error_set(e, ERR_NOT_FOUND, "", "there is no import '%.*s'", "没有导入作业“%.*s”",
                            STR_ARG(str_sub(id, 0, 60)));
}

int file_report(struct api_call *c, struct error *e)
{
    struct files *f = c->module;
    struct object_info info;
    size_t n = 0;
    char key[80];
    int rc = may_see_job(c, c->param[0], e);
    if (rc) return rc;
    snprintf(key, sizeof key, "reports/%.*s.csv", STR_ARG(str_sub(c->param[0], 0, 36)));
    c->res->content_type = "text/csv; charset=utf-8";
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"report.csv\""));
    rc = object_stat(f->cfg.objects, key, &info, e);
    if (rc == ERR_NOT_FOUND) { /* no row failed */
        buf_z(&c->res->body, c->zh ? "\xef\xbb\xbf行,编码,位置,原因\r\n" : "\xef\xbb\xbfrow,code,where,reason\r\n");
        return 0;
    }
    while (!rc && c->res->body.n < info.size) {
        uint8_t *room = buf_space(&c->res->body, 65536);
        rc = room ? object_get(f->cfg.objects, key, c->res->body.n, room, 65536, &n, e) : ERR_NOMEM;
        if (!rc && !n) break;
        if (!rc) c->res->body.n += n;
    }
    return rc;
}
