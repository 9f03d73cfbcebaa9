/* import_export.c - resources -> a CSV table that resource_import_csv reads back without a change.
 *
 * Two passes over the query: which labels (and organisations) occur, then the rows. References are given
 * by code; a small cache holds the codes met last. Secrets are not exported. */
#include "core/resource/import.h"
#include "base/csv.h"

#define LABELS_MAX 64
#define CODES 256

struct code_entry {
    char id[37], code[LIMIT_CODE + 1];
};

struct export
{
    const struct kind *kd;
    struct arena a;
    struct str labels[LABELS_MAX];
    size_t nlabels;
    bool org;
    struct columns cols;
    struct buf *out, cell;
    struct sql_tx *tx;
    struct code_entry *codes;
    struct error *e;
};

static int note_labels(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *row)
{
    struct export *x = ctx;
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

static int write_row(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *row)
{
    struct export *x = ctx;
    x->tx = tx;
    for (size_t i = 0; i < x->cols.n; i++) {
        const struct column *c = &x->cols.items[i];
        buf_clear(&x->cell);
        int rc = 0;
        if (c->what == COLUMN_CODE)
            buf_str(&x->cell, r->code);
        else if (c->what == COLUMN_NAME)
            buf_str(&x->cell, r->name);
        else if (c->what == COLUMN_ORG)
            buf_str(&x->cell, r->org);
        else if (c->what == COLUMN_LABEL)
            buf_str(&x->cell, json_str(json_get_str(r->labels, c->path), STR("")));
        else
            rc = write_field(x, c, value_at(r->spec, c->path), row);
        if (rc) return rc;
        csv_cell(x->out, buf_view(&x->cell), i == 0);
    }
    buf_z(x->out, "\r\n");
    return x->out->err ? error_set(x->e, x->out->err, "", "the table is too large", "表格过大") : 0;
}

static void write_header(struct export *x)
{
    static const char *const names[] = {[COLUMN_CODE] = "code", [COLUMN_NAME] = "name", [COLUMN_ORG] = "org"};
    buf_z(x->out, "\xef\xbb\xbf"); /* spreadsheets need it to see UTF-8 */
    for (size_t i = 0; i < x->cols.n; i++) {
        const struct column *c = &x->cols.items[i];
        buf_clear(&x->cell);
        if (c->what == COLUMN_FIELD)
            buf_str(&x->cell, c->path);
        else if (c->what == COLUMN_LABEL)
            buf_printf(&x->cell, "labels.%.*s", STR_ARG(c->path));
        else
            buf_z(&x->cell, names[c->what]);
        csv_cell(x->out, buf_view(&x->cell), i == 0);
    }
    buf_z(x->out, "\r\n");
}

static int export_all(struct export *x, struct kernel *k, const struct list_query *q)
{
    int rc = list_stream(k, q, note_labels, x, x->e);
    if (rc) return rc;
    qsort(x->labels, x->nlabels, sizeof *x->labels, compare);
    rc = columns_all(x->kd, &x->a, x->labels, x->nlabels, x->org, &x->cols, x->e);
    if (rc) return rc;
    write_header(x);
    return list_stream(k, q, write_row, x, x->e);
}

int resource_export_csv(struct kernel *k, const char *kind, const struct list_query *q, struct buf *out,
                        struct error *e)
{
    struct list_query own = q ? *q : (struct list_query){.kind = kind};
    own.kind = kind;
    struct export *x = mem_calloc(1, sizeof *x);
    CATCH_NOMEM(x, e);
    x->out = out;
    x->e = e;
    x->codes = mem_calloc(CODES, sizeof *x->codes);
    arena_init(&x->a, 4 << 20);
    buf_init(&x->cell, LIMIT_SPEC);
    int rc = x->codes ? kind_need(k, kind, &x->kd, e) : kernel_nomem(e);
    if (!rc) rc = export_all(x, k, &own);
    if (rc == ERR_NOMEM) rc = kernel_nomem(e);
    buf_fini(&x->cell);
    arena_fini(&x->a);
    mem_free(x->codes);
    mem_free(x);
    return rc;
}
