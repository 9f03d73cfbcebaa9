/* import.c - a table -> resources, row by row.
 *
 * Each row is an upsert by code with the cells as a merge patch: an empty cell takes the value away (the
 * default comes back; secrets stay), a missing column leaves it alone, and a row that changes nothing
 * writes nothing. A JSON row is an envelope, its spec and labels are the patch. Faults are reported per row.
 * All or nothing is one transaction; with skip_errors every 5,000 rows are committed, so that others get the
 * writer in between. Before all or nothing takes the writer, every cell is read once by the type of its
 * field: a table with a wrong cell is then only looked through for its report, in chunks too.
 * Memory: one arena per row, the header, a set of hashes of the codes seen, and the report. */
#include "base/time.h"
#include "core/resource/import.h"

#define ROW_BYTES (16 << 20)
#define CHUNK_ROWS 5000
#define PROGRESS_ROWS 500

struct seen {
    struct {
        uint64_t hash;
        size_t line;
    } * items;
    size_t n, cap;
};

struct import {
    struct kernel *k;
    const char *kind;
    const struct actor *by;
    const struct import_options *o;
    struct changer c;
    const struct kind *kd;
    bool writing, hopeless; /* a cell is wrong already: nothing will be kept */
    uint64_t since_ns;
    struct columns cols;
    bool any_width; /* cells beyond the mapped columns are no fault */
    struct table *t;
    size_t line; /* of the row at work */
    struct seen seen;
    struct arena *a; /* report, header */
    struct import_result res;
    size_t cap, others, pending;
    struct arena row;
};

/* ------------------------------------------------------------------ codes seen */

static size_t *seen_slot(struct seen *s, uint64_t hash)
{
    size_t i = hash & (s->cap - 1);
    while (s->items[i].line && s->items[i].hash != hash) i = (i + 1) & (s->cap - 1);
    s->items[i].hash = hash;
    return &s->items[i].line;
}

static bool seen_grow(struct seen *s)
{
    struct seen more = {.cap = s->cap ? s->cap * 2 : 1024};
    more.items = mem_calloc(more.cap, sizeof *more.items);
    if (!more.items) return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->items[i].line) *seen_slot(&more, s->items[i].hash) = s->items[i].line;
    more.n = s->n;
    mem_free(s->items);
    *s = more;
    return true;
}

/* 0, or ERR_INVALID when an earlier line had the code. */
static int check_twin(struct import *im, struct str code, struct error *e)
{
    if (im->seen.n * 2 >= im->seen.cap && !seen_grow(&im->seen)) return kernel_nomem(e);
    size_t *line = seen_slot(&im->seen, str_hash(code, hash_seed()));
    if (*line)
        return error_set(e, ERR_INVALID, "code", "'%.*s' is on line %zu already", "“%.*s”已在第 %zu 行出现",
                         STR_ARG(code), *line);
    *line = im->line ? im->line : 1;
    im->seen.n++;
    return 0;
}

/* ------------------------------------------------------------------ a row as a patch */

static int put_nested(struct import *im, struct json *spec, const struct column *c, struct json *v, struct error *e)
{
    struct str path = c->path, top = path;
    struct json *o = spec;
    for (;;) {
        struct str part = str_cut(&path, '.');
        if (!path.p) return json_set(o, &im->row, part, v) ? 0 : kernel_nomem(e);
        struct json *next = json_get_str(o, part);
        if (!next || next->type != JSON_OBJECT) {
            if (v->type == JSON_NULL) { /* nothing of that object is there */
                if (o != spec || !columns_cover(&im->cols, im->kd, top)) return 0;
                return json_set(spec, &im->row, part, v) ? 0 : kernel_nomem(e);
            }
            next = json_set(o, &im->row, part, json_new_object(&im->row));
            CATCH_NOMEM(next, e);
        }
        o = next;
    }
}

static int cell_fault(const struct column *c, int rc, struct error *e)
{
    char where[ERROR_WHERE_MAX];
    static const char *const names[] = {[COLUMN_CODE] = "code", [COLUMN_NAME] = "name", [COLUMN_ORG] = "org"};
    if (rc != ERR_INVALID || !e) return rc;
    if (c->what == COLUMN_FIELD || c->what == COLUMN_LABEL)
        snprintf(where, sizeof where, "%s.%.*s", c->what == COLUMN_FIELD ? "spec" : "labels",
                 STR_ARG(str_sub(c->path, 0, 80)));
    else
        snprintf(where, sizeof where, "%s", names[c->what]);
    str_to_cstr(str_of(where), e->where, sizeof e->where);
    return rc;
}

/* The text that a cell has for its column: a date of a time field in its zone, the default of an empty one. */
static int text_of(struct import *im, const struct column *c, const struct table_row *r, size_t i, struct str *ret,
                   struct error *e)
{
    static const struct cell none = {.type = CELL_EMPTY};
    const struct cell *cell = i < r->n ? &r->cells[i] : &none;
    if (cell->type == CELL_DATE && c->what == COLUMN_FIELD && c->f->type == FIELD_TIME) {
        char text[TIME_TEXT_MAX];
        time_format(cell->time_us - im->o->tz_minutes * 60 * TIME_US_PER_S, text);
        *ret = arena_str(&im->row, str_of(text));
        return ret->p ? 0 : kernel_nomem(e);
    }
    int rc = table_text(im->t, cell, &im->row, ret, e);
    if (rc) return cell_fault(c, rc, e);
    if (c->def.n && !str_trim(*ret).n) *ret = c->def;
    return 0;
}

static int put_field(struct import *im, struct json *spec, const struct column *c, struct str cell, bool nulls,
                     struct error *e)
{
    struct json *v;
    int rc = field_from_text(c->f, &im->row, cell, &v, e);
    if (rc) return cell_fault(c, rc, e);
    if ((v->type == JSON_NULL) != nulls) return 0;
    return put_nested(im, spec, c, v, e);
}

static int put_label(struct import *im, struct json *labels, const struct column *c, struct str cell, struct error *e)
{
    struct json *v = cell.n ? json_new_str(&im->row, cell) : json_new_null(&im->row);
    return json_set(labels, &im->row, c->path, v) ? 0 : kernel_nomem(e);
}

static int put_cell(struct import *im, const struct column *c, struct str cell, struct json *spec, struct json *labels,
                    struct resource_input *in, struct error *e)
{
    struct str s = str_trim(cell);
    switch (c->what) {
    case COLUMN_CODE: in->code = s; return 0;
    case COLUMN_NAME:
        if (s.n) in->name = s;
        return 0;
    case COLUMN_ORG: in->org = s; return 0;
    case COLUMN_LABEL: return put_label(im, labels, c, s, e);
    case COLUMN_FIELD: return put_field(im, spec, c, cell, false, e);
    default: return 0;
    }
}

/* Values first, then what is empty, so that an object knows whether anything of it is there. */
static int row_input(struct import *im, const struct table_row *r, struct resource_input *in, struct error *e)
{
    struct json *spec = json_new_object(&im->row), *labels = json_new_object(&im->row);
    struct str *texts = arena_alloc(&im->row, (im->cols.n + 1) * sizeof *texts);
    CATCH_NOMEM(spec && labels && texts, e);
    int rc = 0;
    for (size_t i = 0; !rc && i < im->cols.n; i++) {
        const struct column *c = &im->cols.items[i];
        if (c->what == COLUMN_IGNORED) continue;
        rc = text_of(im, c, r, i, &texts[i], e);
        if (!rc) rc = put_cell(im, c, texts[i], spec, labels, in, e);
    }
    for (size_t i = 0; !rc && i < im->cols.n; i++)
        if (im->cols.items[i].what == COLUMN_FIELD) rc = put_field(im, spec, &im->cols.items[i], texts[i], true, e);
    in->spec = spec;
    in->labels = labels;
    return rc;
}

static int object_input(const struct json *v, struct resource_input *in, struct error *e)
{
    static const char *const ignored[] = {"kind",   "id",         "num",        "state",      "rev",
                                          "origin", "created_by", "created_at", "updated_by", "updated_at",
                                          "refs",   "org_ref",    "deleted"};
    struct {
        const char *name;
        struct str *s;
        const struct json **o;
    } members[] = {{"code", &in->code, NULL},
                   {"name", &in->name, NULL},
                   {"org", &in->org, NULL},
                   {"labels", NULL, &in->labels},
                   {"spec", NULL, &in->spec}};
    for
        json_each (m, v) {
            bool known = false;
            for (size_t i = 0; i < sizeof ignored / sizeof *ignored && !known; i++) known = str_is(m->key, ignored[i]);
            for (size_t i = 0; i < 5 && !known; i++) {
                if (!str_is(m->key, members[i].name)) continue;
                known = true;
                if (m->type == JSON_NULL) continue;
                if (m->type != (members[i].s ? JSON_STRING : JSON_OBJECT))
                    return error_set(e, ERR_INVALID, members[i].name, "must be %s", "类型不对，应为 %s",
                                     members[i].s ? "text" : "an object");
                if (members[i].s)
                    *members[i].s = m->s;
                else
                    *members[i].o = m;
            }
            if (!known)
                return error_set(e, ERR_INVALID, "", "there is no '%.*s' in an envelope; fields stand in spec",
                                 "资源对象中没有“%.*s”；字段应写在 spec 中", STR_ARG(str_sub(m->key, 0, 60)));
        }
    return 0;
}

/* A patch that creates must not carry nulls: drop them, nested ones too. */
static void drop_nulls(struct json *o)
{
    struct json *next;
    for (struct json *m = o->child; m; m = next) {
        next = m->next;
        if (m->type == JSON_NULL)
            (void)json_remove(o, m->key);
        else if (m->type == JSON_OBJECT)
            drop_nulls(m);
    }
}

static int input_of(struct import *im, const struct table_row *r, struct resource_input *in, struct error *e)
{
    if (r->object) return object_input(r->object, in, e);
    if (r->n > im->cols.n && !im->any_width)
        return error_set(e, ERR_INVALID, "", "has %zu cells, the header has %zu", "有 %zu 个单元格，表头只有 %zu 列",
                         r->n, im->cols.n);
    return row_input(im, r, in, e);
}

static int not_there(struct import *im, struct str code, struct error *e)
{
    struct titles t = kind_titles(im->kd);
    return error_set(e, ERR_NOT_FOUND, "code",
                     "there is no %s%.0s '%.*s' to update; import it as new, or choose another mode",
                     "没有可更新的%.0s%s“%.*s”；请以新建方式导入，或选择其他模式", t.en, t.zh, STR_ARG(code));
}

static int apply(struct import *im, struct resource_input *in, enum bulk_status *status, struct error *e)
{
    struct resource r;
    int rc = ERR_NOT_FOUND;
    if (in->code.n && im->o->mode != IMPORT_CREATE)
        rc = changer_apply(&im->c, &im->row, VERB_PATCH, in->code, -1, in, &r, status, e);
    if (rc != ERR_NOT_FOUND) return rc;
    if (im->o->mode == IMPORT_UPDATE) return not_there(im, in->code, e);
    if (e) *e = (struct error){0};
    if (in->spec) drop_nulls((struct json *)in->spec);
    if (in->labels) drop_nulls((struct json *)in->labels);
    return changer_apply(&im->c, &im->row, VERB_CREATE, STR_NULL, -1, in, &r, status, e);
}

static int one_row(struct import *im, const struct table_row *r, struct resource_input *in, enum bulk_status *status,
                   struct error *e)
{
    int rc = input_of(im, r, in, e);
    if (!rc && in->code.n) rc = check_twin(im, in->code, e);
    return rc ? rc : apply(im, in, status, e);
}

/* ------------------------------------------------------------------ the report */

static int report_row(struct import *im, enum bulk_status status, struct str code, const struct error *err,
                      struct error *e)
{
    struct bulk_report *r = &im->res.report;
    report_count(r, status);
    if (status == BULK_CREATED || status == BULK_UPDATED) im->pending++;
    if (status == BULK_FAILED ? r->failed > BULK_REPORT_FAILED : im->others >= BULK_REPORT_OTHERS) return 0;
    if (status != BULK_FAILED) im->others++;
    if (r->nitems == im->cap) {
        size_t cap = im->cap ? im->cap * 2 : 64;
        struct bulk_result *more = arena_alloc(im->a, cap * sizeof *more);
        CATCH_NOMEM(more, e);
        if (r->nitems) memcpy(more, r->items, r->nitems * sizeof *more);
        r->items = more;
        im->cap = cap;
    }
    struct bulk_result *res = &r->items[r->nitems++];
    *res = (struct bulk_result){.status = status, .line = im->line, .code = arena_str(im->a, code.p ? code : STR(""))};
    if (status == BULK_FAILED) res->err = *err;
    return res->code.p ? 0 : kernel_nomem(e);
}

/* ------------------------------------------------------------------ transactions */

static int begin(struct import *im, struct error *e)
{
    int rc = changer_begin(im->k, im->kind, im->by, &im->c, e);
    im->writing = rc == 0;
    im->since_ns = clock_mono_ns(kernel_clock(im->k));
    if (!rc && im->c.kd != im->kd && im->kd) /* the columns point into the schema that they were read with */
        rc = error_set(e, ERR_CONFLICT, "", "the kind was changed meanwhile; import again",
                       "该类型在导入期间被修改；请重新导入");
    return rc;
}

static int end(struct import *im, bool commit, struct error *e)
{
    if (!im->writing) return 0;
    im->writing = false;
    int rc = changer_end(&im->c, commit, e);
    int64_t held = (int64_t)((clock_mono_ns(kernel_clock(im->k)) - im->since_ns) / 1000);
    if (held > im->res.locked_us) im->res.locked_us = held;
    if (commit && !rc) im->res.kept += im->pending;
    im->pending = 0;
    return rc;
}

static int tick(struct import *im, size_t rows, struct error *e)
{
    const struct import_options *o = im->o;
    int rc = 0;
    if (o->progress && rows % PROGRESS_ROWS == 0 && !o->progress(o->ctx, rows))
        return error_set(e, ERR_CANCELLED, "", "the import was cancelled", "导入已取消");
    bool chunks = (o->skip_errors && !o->dry_run) || im->hopeless;
    if (chunks && rows % (o->chunk ? o->chunk : CHUNK_ROWS) == 0) {
        rc = end(im, !im->hopeless, e);
        if (!rc) rc = begin(im, e);
    }
    return rc;
}

static int rows(struct import *im, struct error *e)
{
    struct table_row r;
    int rc;
    for (size_t n = 1;; n++) {
        struct error err = {0};
        struct resource_input in = {.code = STR_NULL};
        enum bulk_status status = BULK_FAILED;
        arena_reset(&im->row);
        if ((rc = table_next(im->t, &im->row, &r, e)) != 1) return rc;
        im->line = r.line;
        rc = one_row(im, &r, &in, &status, &err);
        if (rc && !row_fault(rc)) {
            if (e) *e = err;
            return rc;
        }
        if ((rc = report_row(im, rc ? BULK_FAILED : status, in.code, &err, e))) return rc;
        if ((rc = tick(im, n, e))) return rc;
    }
}

/* Reads every cell by its type: *ret_bad tells of the first that is wrong. */
static int rehearse(struct import *im, bool *ret_bad, struct error *e)
{
    struct table_row r;
    int rc = 0;
    *ret_bad = false;
    while (!*ret_bad && !rc) {
        struct resource_input in = {.code = STR_NULL};
        struct error err = {0};
        arena_reset(&im->row);
        if ((rc = table_next(im->t, &im->row, &r, e)) != 1) return rc;
        rc = input_of(im, &r, &in, &err);
        *ret_bad = row_fault(rc);
        if (rc && e) *e = err;
        if (*ret_bad) rc = 0;
    }
    return rc;
}

/* ------------------------------------------------------------------ all */

static int header(struct import *im, struct error *e)
{
    struct str *cells = NULL;
    size_t n = 0, row = 0;
    const struct import_options *o = im->o;
    int rc = 0;
    if (im->t->format == TABLE_JSON) return table_rewind(im->t, e);
    rc = table_header(im->t, o->header_row, im->a, &cells, &n, &row, e);
    if (!rc && !n)
        rc = o->header_row ? error_set(e, ERR_INVALID, "header_row", "row %zu is empty", "第 %zu 行为空", o->header_row)
                           : error_set(e, ERR_INVALID, "line 1", "the table is empty; its first line names the columns",
                                       "表格为空；第一行应为列名");
    if (!rc && o->mapping) rc = columns_mapped(im->kd, im->a, o->mapping, o->nmapping, &im->cols, e);
    if (!rc && !o->mapping) rc = columns_read(im->kd, im->a, cells, n, &im->cols, e);
    im->any_width = o->mapping != NULL || im->t->format == TABLE_XLSX;
    return rc ? rc : columns_defaults(im->kd, im->a, o->defaults, o->ndefaults, &im->cols, e);
}

/* Rows may refer to each other: then they must be seen in one transaction. */
static bool refers_to(const struct field *f, size_t n, struct str kind)
{
    for (size_t i = 0; i < n; i++)
        if ((f[i].type == FIELD_REF && str_eq(f[i].ref_kind, kind)) || refers_to(f[i].fields, f[i].nfields, kind))
            return true;
    return false;
}

static int run(struct import *im, struct error *e)
{
    const struct import_options *o = im->o;
    bool bad = false, once = !o->dry_run && !o->skip_errors;
    int rc = kind_need(im->k, im->kind, &im->kd, e);
    if (!rc) rc = header(im, e);
    if (!rc && once) rc = rehearse(im, &bad, e);
    im->hopeless = bad && !refers_to(im->kd->fields, im->kd->nfields, im->kd->kind);
    if (!rc && once) rc = header(im, e);
    if (!rc) rc = begin(im, e);
    if (!rc) rc = rows(im, e);
    bool commit = !rc && !o->dry_run && !bad && (!im->res.report.failed || o->skip_errors);
    int ended = end(im, commit, rc ? NULL : e);
    return rc ? rc : ended;
}

int table_import(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct table *t,
                 const struct import_options *o, struct import_result *ret, struct error *e)
{
    struct import *im = mem_calloc(1, sizeof *im);
    CATCH_NOMEM(im, e);
    *im = (struct import){.k = k, .kind = kind, .by = by, .o = o, .t = t, .a = a};
    arena_init(&im->row, ROW_BYTES);
    int rc = run(im, e);
    *ret = im->res;
    arena_fini(&im->row);
    mem_free(im->seen.items);
    mem_free(im);
    return rc;
}

int resource_import_csv(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str csv,
                        bool dry_run, bool skip_errors, struct bulk_report *ret, struct error *e)
{
    struct table *t;
    struct import_result res;
    struct import_options o = {.dry_run = dry_run, .skip_errors = skip_errors};
    int rc = table_open(TABLE_CSV, csv, STR(""), &t, e);
    if (rc) return rc;
    rc = table_import(k, a, by, kind, t, &o, &res, e);
    if (!rc) *ret = res.report;
    table_close(t);
    return rc;
}
