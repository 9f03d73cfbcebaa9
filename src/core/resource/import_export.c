/* import_export.c - resources -> a table that table_import reads back without a change.
 *
 * Two passes over the query: which labels (and organisations) occur, then the rows. References are given
 * by code; a small cache holds the codes met last. Secrets are not exported; what the reader may not see is
 * left empty or "***", as everywhere. A table goes out row by row: CSV and JSON through a buffer of 64 KiB
 * into the file, a spreadsheet through its writer. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/time.h"
#include "core/resource/import.h"

#define LABELS_MAX 64
#define CODES 256
#define FLUSH_BYTES (64u << 10)

struct code_entry {
    char id[37], code[LIMIT_CODE + 1];
};

struct export
{
    const struct kind *kd;
    const struct list_query *q;
    const struct export_options *o;
    struct arena a;
    struct str labels[LABELS_MAX];
    size_t nlabels, rows;
    bool org;
    struct columns cols;
    bool *sensitive; /* of cols */
    struct buf *out, cell;
    int fd; /* -1: all stays in out */
    struct sheet_writer *sheet;
    struct cell *cells;
    struct sql_tx *tx;
    struct code_entry *codes;
    char kind[KIND_NAME_MAX];
    struct error *e;
};

static bool hidden(const struct export *x, const struct resource *r)
{
    return x->q->by && !resource_visible(x->q->by, r);
}

static int note_labels(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *row)
{
    struct export *x = ctx;
    if (hidden(x, r)) return 0;
    if (r->org.n) x->org = true;
    for
        json_each (m, r->labels) {
            bool known = false;
            for (size_t i = 0; i < x->nlabels && !known; i++) known = str_eq(x->labels[i], m->key);
            if (known || x->nlabels == LABELS_MAX) continue;
            x->labels[x->nlabels] = arena_str(&x->a, m->key);
            if (!x->labels[x->nlabels++].p) return ERR_NOMEM;
        }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* ------------------------------------------------------------------ rows */

static int fetch_code(struct export *x, struct str id, struct code_entry *c)
{
    struct sql_stmt *s;
    int rc = sql_prepare(x->tx, "select code from resource where id = $1", &s, x->e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, x->e);
    if (rc == 1) {
        str_to_cstr(id, c->id, sizeof c->id);
        str_to_cstr(sql_str(s, 0), c->code, sizeof c->code);
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int set_code(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct export *x = ctx;
    if (f->type != FIELD_REF || v->type != JSON_STRING) return 0;
    struct code_entry *c = &x->codes[str_hash(v->s, 3) % CODES];
    if (!str_is(v->s, c->id)) {
        c->id[0] = 0;
        int rc = fetch_code(x, v->s, c);
        if (rc) return rc;
    }
    if (str_is(v->s, c->id)) v->s = str_of(c->code);
    return 0;
}

static const struct json *value_at(const struct json *spec, struct str path)
{
    while (path.p) spec = json_get_str(spec, str_cut(&path, '.'));
    return spec;
}

/* Codes of references live in the cache, which the next reference may overwrite: one cell at a time. */
static int write_field(struct export *x, const struct column *c, const struct json *v, struct arena *row)
{
    if (!v) return 0;
    struct json *own = json_copy(row, v);
    if (!own) return ERR_NOMEM;
    if (c->f->type == FIELD_REF) {
        int rc = set_code(x, c->f, c->path, own);
        if (rc) return rc;
    } else if (c->f->type == FIELD_ARRAY && c->f->fields->type == FIELD_REF) {
        for (struct json *it = own->child; it; it = it->next) {
            int rc = set_code(x, c->f->fields, c->path, it);
            if (rc) return rc;
            if (!(it->s = arena_str(row, it->s)).p) return ERR_NOMEM;
        }
    }
    field_to_text(c->f, own, &x->cell);
    return 0;
}

/* What he may not read of it: the field at all, or just its value. */
static bool readable(const struct export *x, const struct column *c, const struct resource *r)
{
    struct str path = c->path;
    const struct permissions *may = x->q->by ? x->q->by->may : NULL;
    if (!may || (c->what != COLUMN_FIELD && c->what != COLUMN_LABEL)) return true;
    return permitted_field(may, x->kind, ACT_READ, r->org,
                           c->what == COLUMN_LABEL ? STR("labels") : str_cut(&path, '.'));
}

static bool masked(const struct export *x, size_t i, const struct resource *r)
{
    const struct permissions *may = x->q->by ? x->q->by->may : NULL;
    return may && x->sensitive[i] && !permitted_at(may, x->kind, ACT_SENSITIVE, r->org);
}

/* The text of one cell into x->cell; *ret_v its value, when it is a field's. */
static int fill(struct export *x, size_t i, const struct resource *r, struct arena *row, const struct json **ret_v)
{
    const struct column *c = &x->cols.items[i];
    buf_clear(&x->cell);
    *ret_v = NULL;
    if (!readable(x, c, r)) return 0;
    switch (c->what) {
    case COLUMN_CODE: buf_str(&x->cell, r->code); return 0;
    case COLUMN_NAME: buf_str(&x->cell, r->name); return 0;
    case COLUMN_ORG: buf_str(&x->cell, r->org); return 0;
    case COLUMN_LABEL: buf_str(&x->cell, json_str(json_get_str(r->labels, c->path), STR(""))); return 0;
    default: break;
    }
    const struct json *v = value_at(r->spec, c->path);
    if (v && v->type != JSON_NULL && masked(x, i, r)) {
        buf_z(&x->cell, MASK);
        return 0;
    }
    *ret_v = v;
    return write_field(x, c, v, row);
}

static int flush(struct export *x, bool all)
{
    if (!x->out) return 0; /* a spreadsheet */
    if (x->out->err) return error_set(x->e, x->out->err, "", "the table is too large", "表格过大");
    if (x->fd < 0 || (!all && x->out->n < FLUSH_BYTES)) return 0;
    for (size_t done = 0; done < x->out->n;) {
        ssize_t n = write(x->fd, x->out->p + done, x->out->n - done);
        if (n <= 0)
            return error_set(x->e, n < 0 ? error_from_errno(errno) : ERR_IO, "",
                             "the export cannot be written: is there room for temporary files?",
                             "无法写入导出文件；请检查临时文件空间");
        done += (size_t)n;
    }
    buf_clear(x->out);
    return 0;
}

static int csv_write(struct export *x, const struct resource *r, struct arena *row)
{
    const struct json *v;
    for (size_t i = 0; i < x->cols.n; i++) {
        int rc = fill(x, i, r, row, &v);
        if (rc) return rc;
        csv_cell(x->out, buf_view(&x->cell), i == 0);
    }
    buf_z(x->out, "\r\n");
    return 0;
}

/* Numbers as numbers when a spreadsheet keeps every digit, times as dates when it keeps every millisecond. */
static struct cell typed(struct export *x, const struct column *c, const struct json *v, struct str text)
{
    struct cell cell = {.type = text.n ? CELL_TEXT : CELL_EMPTY, .text = text};
    int64_t us;
    if (!v || !c->f || !text.n) return cell;
    bool number = c->f->type == FIELD_INTEGER || c->f->type == FIELD_NUMBER;
    if (number &&
        (v->type == JSON_DOUBLE || (v->type == JSON_INT && v->i < 1000000000000000 && v->i > -1000000000000000)))
        cell = (struct cell){.type = CELL_NUMBER, .number = json_double(v, 0)};
    else if (v->type == JSON_BOOL)
        cell = (struct cell){.type = CELL_BOOL, .number = v->b};
    else if (c->f->type == FIELD_TIME && time_parse(text, &us, NULL) == 0 && us % 1000 == 0 && us > -2203891200000000)
        cell = (struct cell){.type = CELL_DATE, .time_us = us + x->o->tz_minutes * 60 * TIME_US_PER_S};
    return cell;
}

static int sheet_write(struct export *x, const struct resource *r, struct arena *row)
{
    const struct json *v;
    for (size_t i = 0; i < x->cols.n; i++) {
        int rc = fill(x, i, r, row, &v);
        if (rc) return rc;
        struct str text = arena_str(row, buf_view(&x->cell));
        if (!text.p) return ERR_NOMEM;
        x->cells[i] = typed(x, &x->cols.items[i], v, text);
    }
    return sheet_writer_row(x->sheet, x->cells, x->cols.n, x->e);
}

struct coding {
    struct export *x;
    struct arena *a;
};

static int own_code(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct coding *c = ctx;
    int rc = set_code(c->x, f, path, v);
    if (!rc && f->type == FIELD_REF && v->type == JSON_STRING && !(v->s = arena_str(c->a, v->s)).p) rc = ERR_NOMEM;
    return rc;
}

/* An envelope as the API gives it, with references by code. */
static int json_write_one(struct export *x, const struct resource *r, struct arena *row)
{
    struct resource own = *r;
    struct json *spec = json_copy(row, r->spec);
    if (!spec) return ERR_NOMEM;
    struct coding c = {x, row};
    int rc = x->kd->has_ref ? kind_walk(x->kd, spec, own_code, &c) : 0;
    if (rc) return rc;
    own.spec = spec;
    buf_z(x->out, x->rows ? ",\n" : "\n");
    struct json_writer w = json_writer(x->out);
    resource_write_for(&w, &own, x->q->by);
    return 0;
}

static int write_row(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *row)
{
    static int (*const writers[])(struct export *, const struct resource *, struct arena *) = {
        [TABLE_CSV] = csv_write, [TABLE_XLSX] = sheet_write, [TABLE_JSON] = json_write_one};
    struct export *x = ctx;
    x->tx = tx;
    if (hidden(x, r)) return 0;
    int rc = writers[x->o->format](x, r, row);
    x->rows++;
    return rc ? rc : flush(x, false);
}

/* ------------------------------------------------------------------ the header */

static struct str heading(struct export *x, const struct column *c)
{
    if (x->o->titles) return column_title(x->kd, &x->a, c, x->o->zh);
    struct str path = column_path(&x->a, c);
    return c->what == COLUMN_FIELD ? c->path : path;
}

static void csv_header(struct export *x)
{
    if (!x->o->no_bom) buf_z(x->out, "\xef\xbb\xbf"); /* spreadsheets need it to see UTF-8 */
    for (size_t i = 0; i < x->cols.n; i++) csv_cell(x->out, heading(x, &x->cols.items[i]), i == 0);
    buf_z(x->out, "\r\n");
}

static enum cell_type shown_as(const struct column *c)
{
    if (c->what != COLUMN_FIELD) return CELL_TEXT;
    switch (c->f->type) {
    case FIELD_INTEGER:
    case FIELD_NUMBER: return CELL_NUMBER;
    case FIELD_BOOLEAN: return CELL_BOOL;
    case FIELD_TIME: return CELL_DATE;
    default: return CELL_TEXT;
    }
}

static int choices(struct export *x, const struct field *f, struct sheet_column *ret)
{
    static const struct str yes_no[2][2] = {{{"true", 4}, {"false", 5}}, {{"是", 3}, {"否", 3}}};
    if (f->type == FIELD_BOOLEAN) {
        ret->choices = yes_no[x->o->zh && x->o->template_only];
        ret->nchoices = 2;
    }
    if (f->type != FIELD_ENUM || !json_count(f->values)) return 0;
    struct str *list = arena_calloc(&x->a, json_count(f->values), sizeof *list);
    if (!list) return ERR_NOMEM;
    size_t n = 0;
    for
        json_each (v, f->values) list[n++] = json_str(json_get(v, "value"), STR(""));
    ret->choices = list;
    ret->nchoices = n;
    return 0;
}

/* Path, what the field is for, its unit, values and default. */
static int note(struct export *x, const struct column *c, struct sheet_column *ret)
{
    struct buf b;
    bool zh = x->o->zh;
    buf_init(&b, 4096);
    struct str help = zh ? c->f->help_zh : c->f->help_en;
    buf_printf(&b, "%.*s\n%.*s", STR_ARG(c->path), STR_ARG(help));
    if (c->f->unit.n) buf_printf(&b, "\n%s: %.*s", zh ? "单位" : "Unit", STR_ARG(c->f->unit));
    if (c->f->ref_kind.n) buf_printf(&b, "\n%s: %.*s", zh ? "编码，引用" : "Code of a", STR_ARG(c->f->ref_kind));
    for
        json_each (v, c->f->type == FIELD_ENUM ? c->f->values : NULL) {
            struct str value = json_str(json_get(v, "value"), STR(""));
            struct str title = json_str(json_get(json_get(v, "title"), zh ? "zh" : "en"), STR(""));
            buf_printf(&b, "\n%.*s  %.*s", STR_ARG(value), STR_ARG(title));
        }
    if (c->f->def) {
        buf_printf(&b, "\n%s: ", zh ? "默认" : "Default");
        json_write(&b, c->f->def);
    }
    if (b.err) b.err = 0; /* what fits is enough of a note */
    ret->note = arena_str(&x->a, buf_view(&b));
    buf_fini(&b);
    return ret->note.p ? 0 : ERR_NOMEM;
}

static int sheet_header_row(struct export *x)
{
    struct sheet_column *cols = arena_calloc(&x->a, x->cols.n, sizeof *cols);
    if (!cols) return ERR_NOMEM;
    int rc = 0;
    for (size_t i = 0; i < x->cols.n && !rc; i++) {
        const struct column *c = &x->cols.items[i];
        cols[i].title = heading(x, c);
        cols[i].type = shown_as(c);
        cols[i].required = c->what == COLUMN_CODE ? x->kd->code_required : c->f && c->f->required && !c->f->def;
        if (c->what == COLUMN_FIELD) rc = note(x, c, &cols[i]);
        if (!rc && c->what == COLUMN_FIELD) rc = choices(x, c->f, &cols[i]);
    }
    struct str name = x->o->zh ? x->kd->title_zh : x->kd->title_en;
    return rc ? rc : sheet_writer_open(x->o->path, x->o->tmpdir, name, cols, x->cols.n, &x->sheet, x->e);
}

static int header(struct export *x)
{
    if (x->o->format == TABLE_CSV) csv_header(x);
    if (x->o->format == TABLE_JSON) buf_z(x->out, "[");
    return x->o->format == TABLE_XLSX ? sheet_header_row(x) : 0;
}

static int footer(struct export *x)
{
    if (x->o->format == TABLE_JSON) buf_z(x->out, "\n]\n");
    if (x->o->format != TABLE_XLSX) return flush(x, true);
    struct sheet_writer *w = x->sheet;
    x->sheet = NULL;
    return sheet_writer_finish(w, x->e);
}

/* ------------------------------------------------------------------ all */

static int chosen(struct export *x)
{
    const struct export_options *o = x->o;
    if (!o->ncolumns) return columns_all(x->kd, &x->a, x->labels, x->nlabels, x->org, &x->cols, x->e);
    if (o->ncolumns > COLUMNS_MAX)
        return error_set(x->e, ERR_TOO_LARGE, "columns", "more than %d columns", "超过 %d 列", COLUMNS_MAX);
    struct column *items = arena_calloc(&x->a, o->ncolumns, sizeof *items);
    if (!items) return ERR_NOMEM;
    for (size_t i = 0; i < o->ncolumns; i++) {
        int rc = column_by_path(x->kd, &x->a, o->columns[i], &items[x->cols.n], x->e);
        if (rc == ERR_INVALID && x->e) str_to_cstr(STR("columns"), x->e->where, sizeof x->e->where);
        if (rc) return rc;
        bool secret = items[x->cols.n].what == COLUMN_FIELD && items[x->cols.n].f->type == FIELD_SECRET;
        if (items[x->cols.n].what != COLUMN_IGNORED && !secret) x->cols.n++;
    }
    x->cols.items = items;
    return 0;
}

static int export_all(struct export *x, struct kernel *k)
{
    int rc = x->o->template_only || x->o->ncolumns || x->o->format == TABLE_JSON
                 ? 0
                 : list_stream(k, x->q, note_labels, x, x->e);
    if (rc) return rc;
    if (x->o->template_only) x->org = true;
    qsort(x->labels, x->nlabels, sizeof *x->labels, compare);
    rc = chosen(x);
    if (rc) return rc;
    x->sensitive = arena_calloc(&x->a, x->cols.n + 1, sizeof *x->sensitive);
    x->cells = arena_calloc(&x->a, x->cols.n + 1, sizeof *x->cells);
    if (!x->sensitive || !x->cells) return ERR_NOMEM;
    for (size_t i = 0; i < x->cols.n; i++) x->sensitive[i] = column_sensitive(x->kd, &x->cols.items[i]);
    rc = header(x);
    if (!rc && !x->o->template_only) rc = list_stream(k, x->q, write_row, x, x->e);
    return rc ? rc : footer(x);
}

static int export(struct kernel *k, const char *kind, const struct list_query *q, const struct export_options *o,
                  struct buf *out, int fd, struct error *e)
{
    struct list_query own = q ? *q : (struct list_query){.kind = kind};
    own.kind = kind;
    struct export *x = mem_calloc(1, sizeof *x);
    CATCH_NOMEM(x, e);
    *x = (struct export){.q = &own, .o = o, .out = out, .fd = fd, .e = e};
    x->codes = mem_calloc(CODES, sizeof *x->codes);
    arena_init(&x->a, 16 << 20);
    buf_init(&x->cell, LIMIT_SPEC);
    int rc = x->codes ? kind_need(k, kind, &x->kd, e) : kernel_nomem(e);
    if (!rc) str_to_cstr(x->kd->kind, x->kind, sizeof x->kind);
    if (!rc) rc = export_all(x, k);
    if (rc == ERR_NOMEM) rc = kernel_nomem(e);
    sheet_writer_abort(x->sheet);
    buf_fini(&x->cell);
    arena_fini(&x->a);
    mem_free(x->codes);
    mem_free(x);
    return rc;
}

int resource_export_csv(struct kernel *k, const char *kind, const struct list_query *q, struct buf *out,
                        struct error *e)
{
    struct export_options o = {.format = TABLE_CSV};
    return export(k, kind, q, &o, out, -1, e);
}

int table_export(struct kernel *k, const char *kind, const struct list_query *q, const struct export_options *o,
                 struct error *e)
{
    if (o->format == TABLE_XLSX) return export(k, kind, q, o, NULL, -1, e);
    struct buf out;
    int fd = open(o->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return error_set(e, error_from_errno(errno), o->path, "cannot be made", "无法创建");
    buf_init(&out, 64u << 20);
    int rc = export(k, kind, q, o, &out, fd, e);
    buf_fini(&out);
    if (close(fd) && !rc) rc = error_set(e, error_from_errno(errno), o->path, "cannot be written", "无法写入");
    return rc;
}
