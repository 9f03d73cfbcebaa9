/* import.c - a CSV table -> resources, one transaction, row by row.
 *
 * Each row is an upsert by code with the cells as a merge patch: an empty cell takes the value away (the
 * default comes back; secrets stay), a missing column leaves it alone, and a row that changes nothing
 * writes nothing. Faults are reported per row. Memory: one arena per row, the header, a set of hashes of
 * the codes seen, and the report; the table itself is the caller's text. */
#include "core/resource/import.h"
#include "base/csv.h"

#define ROW_BYTES (16 << 20)

struct seen {
    struct {
        uint64_t hash;
        size_t line;
    } * items;
    size_t n, cap;
};

struct import {
    struct changer c;
    struct columns cols;
    struct csv csv;
    struct seen seen;
    struct arena *a; /* report, header */
    struct bulk_report report;
    size_t cap, others;
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
    *line = im->csv.line ? im->csv.line : 1;
    im->seen.n++;
    return 0;
}

/* ------------------------------------------------------------------ a row as a patch */

/* What csv_cell puts before = + - @ goes away again. */
static struct str unguarded(struct str cell)
{
    return cell.n > 1 && cell.p[0] == '\'' && strchr("=+-@", cell.p[1]) ? str_sub(cell, 1, cell.n) : cell;
}

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
                if (o != spec || !columns_cover(&im->cols, im->c.kd, top)) return 0;
                return json_set(spec, &im->row, part, v) ? 0 : kernel_nomem(e);
            }
            next = json_set(o, &im->row, part, json_new_object(&im->row));
            CATCH_NOMEM(next, e);
        }
        o = next;
    }
}

static int put_field(struct import *im, struct json *spec, const struct column *c, struct str cell, bool nulls,
                     struct error *e)
{
    struct json *v;
    int rc = field_from_text(c->f, &im->row, cell, &v, e);
    if (rc) {
        char where[ERROR_WHERE_MAX];
        snprintf(where, sizeof where, "spec.%.*s", STR_ARG(str_sub(c->path, 0, 80)));
        if (rc == ERR_INVALID) str_to_cstr(str_of(where), e->where, sizeof e->where);
        return rc;
    }
    if ((v->type == JSON_NULL) != nulls) return 0;
    return put_nested(im, spec, c, v, e);
}

static int put_label(struct import *im, struct json *labels, const struct column *c, struct str cell, struct error *e)
{
    struct json *v = cell.n ? json_new_str(&im->row, cell) : json_new_null(&im->row);
    return json_set(labels, &im->row, c->path, v) ? 0 : kernel_nomem(e);
}

/* Values first, then what is empty, so that an object knows whether anything of it is there. */
static int row_input(struct import *im, const struct str *cells, size_t n, struct resource_input *in, struct error *e)
{
    struct json *spec = json_new_object(&im->row), *labels = json_new_object(&im->row);
    CATCH_NOMEM(spec && labels, e);
    int rc = 0;
    for (size_t i = 0; !rc && i < im->cols.n; i++) {
        const struct column *c = &im->cols.items[i];
        struct str cell = i < n ? unguarded(cells[i]) : STR("");
        if (c->what == COLUMN_CODE)
            in->code = str_trim(cell);
        else if (c->what == COLUMN_NAME && str_trim(cell).n)
            in->name = str_trim(cell);
        else if (c->what == COLUMN_ORG)
            in->org = str_trim(cell);
        else if (c->what == COLUMN_LABEL)
            rc = put_label(im, labels, c, str_trim(cell), e);
        else if (c->what == COLUMN_FIELD)
            rc = put_field(im, spec, c, cell, false, e);
    }
    for (size_t i = 0; !rc && i < im->cols.n; i++)
        if (im->cols.items[i].what == COLUMN_FIELD)
            rc = put_field(im, spec, &im->cols.items[i], i < n ? unguarded(cells[i]) : STR(""), true, e);
    in->spec = spec;
    in->labels = labels;
    return rc;
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

static int one_row(struct import *im, const struct str *cells, size_t n, struct resource_input *in,
                   enum bulk_status *status, struct error *e)
{
    struct resource r;
    int rc = n > im->cols.n ? error_set(e, ERR_INVALID, "", "has %zu cells, the header has %zu",
                                        "有 %zu 个单元格，表头只有 %zu 列", n, im->cols.n)
                            : 0;
    if (!rc) rc = row_input(im, cells, n, in, e);
    if (!rc && in->code.n) rc = check_twin(im, in->code, e);
    if (rc) return rc;
    rc = ERR_NOT_FOUND;
    if (in->code.n) rc = changer_apply(&im->c, &im->row, VERB_PATCH, in->code, -1, in, &r, status, e);
    if (rc != ERR_NOT_FOUND) return rc;
    *e = (struct error){0};
    drop_nulls((struct json *)in->spec);
    drop_nulls((struct json *)in->labels);
    return changer_apply(&im->c, &im->row, VERB_CREATE, STR_NULL, -1, in, &r, status, e);
}

/* ------------------------------------------------------------------ the report */

static int report_row(struct import *im, enum bulk_status status, struct str code, const struct error *err,
                      struct error *e)
{
    struct bulk_report *r = &im->report;
    report_count(r, status);
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
    *res =
        (struct bulk_result){.status = status, .line = im->csv.line, .code = arena_str(im->a, code.p ? code : STR(""))};
    if (status == BULK_FAILED) res->err = *err;
    return res->code.p ? 0 : kernel_nomem(e);
}

static int rows(struct import *im, struct error *e)
{
    struct str *cells;
    size_t n;
    int rc;
    for (;;) {
        struct error err = {0};
        struct resource_input in = {.code = STR_NULL};
        enum bulk_status status = BULK_FAILED;
        arena_reset(&im->row);
        if ((rc = csv_next(&im->csv, &im->row, &cells, &n, e)) != 1) return rc;
        rc = one_row(im, cells, n, &in, &status, &err);
        if (rc && !row_fault(rc)) {
            if (e) *e = err;
            return rc;
        }
        if ((rc = report_row(im, rc ? BULK_FAILED : status, in.code, &err, e))) return rc;
    }
}

static int header(struct import *im, struct error *e)
{
    struct str *cells;
    size_t n;
    int rc = csv_next(&im->csv, im->a, &cells, &n, e);
    if (rc == 0)
        return error_set(e, ERR_INVALID, "line 1", "the table is empty; its first line names the columns",
                         "表格为空；第一行应为列名");
    return rc < 0 ? rc : columns_read(im->c.kd, im->a, cells, n, &im->cols, e);
}

int resource_import_csv(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str csv,
                        bool dry_run, bool skip_errors, struct bulk_report *ret, struct error *e)
{
    struct import *im = mem_calloc(1, sizeof *im);
    CATCH_NOMEM(im, e);
    im->a = a;
    arena_init(&im->row, ROW_BYTES);
    csv_init(&im->csv, csv);
    int rc = changer_begin(k, kind, by, &im->c, e);
    if (!rc) {
        rc = header(im, e);
        if (!rc) rc = rows(im, e);
        bool commit = !rc && !dry_run && (!im->report.failed || skip_errors);
        int end = changer_end(&im->c, commit, rc ? NULL : e);
        if (!rc) rc = end;
    }
    if (!rc) *ret = im->report;
    arena_fini(&im->row);
    mem_free(im->seen.items);
    mem_free(im);
    return rc;
}
