/* payload_doc.c - documents of payload_read.h: rows, the values of points in them, and values as samples. */
#include <stdlib.h>
#include "base/csv.h"
#include "base/utf8.h"
#include "drivers/common/convert.h"
#include "drivers/common/payload_read_int.h"
#include "proto/xml_tree.h"

#define ROWS_MAX 100000
#define CELLS_MAX 4096

struct row {
    const struct json *node; /* JSON, TEXT */
    struct str *cells;       /* CSV */
    size_t ncells;
    struct str key; /* of a keyed reader; {NULL,0}: the row has none */
    bool timed;     /* time_us is known: that of the reader's rule */
    int64_t time_us;
};
struct payload_doc {
    const struct payload_reader *r;
    struct arena *a;
    const struct json *root; /* JSON */
    struct row *rows, *header;
    size_t n, cap;
    uint32_t *by_key; /* rows sorted by key, and by place within a key */
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- rows ---- */

static int add_row(struct payload_doc *d, struct row row, struct error *e)
{
    if (d->n == ROWS_MAX)
        return error_set(e, ERR_TOO_LARGE, "rows", "the document has more than %d rows; ask for less at a time",
                         "报文超过 %d 行；请减小每次请求的范围", ROWS_MAX);
    if (d->n == d->cap) {
        size_t cap = d->cap ? 4 * d->cap : 16;
        struct row *more = arena_alloc(d->a, cap * sizeof *more);
        if (!more) return no_memory(e);
        if (d->n) memcpy(more, d->rows, d->n * sizeof *more);
        d->rows = more;
        d->cap = cap;
    }
    d->rows[d->n++] = row;
    return 0;
}

struct adding {
    struct payload_doc *d;
    struct error *e;
};
static int add_node(void *ctx, const struct json *node)
{
    struct adding *a = ctx;
    return add_row(a->d, (struct row){.node = node}, a->e);
}

static int add_rows(struct payload_doc *d, const struct json *root, struct error *e)
{
    struct adding ctx = {d, e};
    if (!d->r->rows) return add_node(&ctx, root);
    int rc = json_path_all(d->r->rows, root, add_node, &ctx);
    if (rc == ERR_LIMIT)
        return error_set(e, ERR_TOO_LARGE, "rows",
                         "the path of the rows looks at more than 1,000,000 nodes; name it more closely",
                         "行路径需查看的节点超过 1,000,000 个；请写得更具体");
    return rc;
}

static int parse_json(struct payload_doc *d, struct str text, struct error *e)
{
    struct json *root = NULL;
    if (str_starts(text, STR("\xef\xbb\xbf"))) text = str_sub(text, 3, text.n);
    int rc = json_parse(d->a, text, &root, e);
    if (rc) return rc;
    d->root = root;
    return add_rows(d, root, e);
}

static int parse_xml(struct payload_doc *d, struct str text, struct error *e)
{
    struct json *root = NULL;
    int rc = xml_tree(text, d->a, &root, e);
    return rc ? rc : add_rows(d, root, e);
}

static int parse_csv(struct payload_doc *d, struct str text, struct error *e)
{
    struct csv c;
    struct row row = {0};
    csv_init(&c, text);
    c.max_cells = CELLS_MAX;
    for (int rc; (rc = csv_next(&c, d->a, &row.cells, &row.ncells, e)) != 0;) {
        if (rc < 0) return rc;
        if (d->r->header && !d->header) {
            d->header = arena_alloc(d->a, sizeof row);
            if (!d->header) return no_memory(e);
            *d->header = row;
            continue;
        }
        rc = add_row(d, row, e);
        if (rc) return rc;
    }
    return 0;
}

static int parse_text(struct payload_doc *d, struct str text, struct error *e)
{
    if (!utf8_valid(text)) return error_set(e, ERR_INVALID, "", "the text is not UTF-8", "文本不是 UTF-8");
    struct json *v = json_new_str(d->a, str_trim(text));
    return v ? add_row(d, (struct row){.node = v}, e) : no_memory(e);
}

/* ---- cells ---- */

static bool find_column(const struct payload_doc *d, struct str column, size_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; d->header && i < d->header->ncells; i++)
        if (str_eq(str_trim(d->header->cells[i]), column)) {
            *ret = i;
            return true;
        }
    if (str_to_u64(column, &v) || v < 1 || v > CELLS_MAX) return false;
    *ret = (size_t)v - 1;
    return true;
}

#define NO_COLUMN SIZE_MAX
/* Found once for all rows. */
static size_t column_of(const struct payload_doc *d, const struct cell_at *at)
{
    size_t i = NO_COLUMN;
    if (!at->set || d->r->form != PAYLOAD_DOC_CSV) return i;
    return find_column(d, at->column, &i) ? i : NO_COLUMN;
}

/* What stands there: NULL when nothing does. tmp: room for a cell. */
static const struct json *cell(const struct payload_doc *d, const struct row *row, const struct cell_at *at,
                               size_t column, struct json *tmp)
{
    if (!at->set) return NULL;
    if (d->r->form == PAYLOAD_DOC_TEXT) return row->node;
    if (at->path) return json_path_first(at->path, row->node); /* JSON, XML */
    if (column >= row->ncells) return NULL;
    struct str text = str_trim(row->cells[column]);
    *tmp = (struct json){.type = JSON_STRING, .s = text};
    return text.n ? tmp : NULL;
}

static struct str scalar_text(struct arena *a, const struct json *v)
{
    if (!v || v->type == JSON_NULL) return STR_NULL;
    return v->type == JSON_STRING ? v->s : json_text(a, v);
}

/* ---- keys ---- */

static int by_key(const void *x, const void *y, void *ctx)
{
    const struct payload_doc *d = ctx;
    uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
    int c = str_cmp(d->rows[i].key, d->rows[k].key);
    return c ? c : i < k ? -1 : i > k;
}

static int index_keys(struct payload_doc *d, struct error *e)
{
    struct json tmp;
    d->by_key = arena_alloc(d->a, (d->n + 1) * sizeof *d->by_key);
    size_t column = column_of(d, &d->r->key);
    if (!d->by_key) return no_memory(e);
    for (size_t i = 0; i < d->n; i++) {
        d->rows[i].key = scalar_text(d->a, cell(d, &d->rows[i], &d->r->key, column, &tmp));
        d->by_key[i] = (uint32_t)i;
    }
    qsort_r(d->by_key, d->n, sizeof *d->by_key, by_key, d);
    return 0;
}

/* First place in by_key whose key is not less. */
static size_t key_from(const struct payload_doc *d, struct str key)
{
    size_t lo = 0, hi = d->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(d->rows[d->by_key[mid]].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int payload_doc_parse(const struct payload_reader *r, struct str text, struct arena *a, struct payload_doc **ret,
                      struct error *e)
{
    static int (*const parsers[])(struct payload_doc *, struct str, struct error *) = {[PAYLOAD_DOC_JSON] = parse_json,
                                                                                       [PAYLOAD_DOC_CSV] = parse_csv,
                                                                                       [PAYLOAD_DOC_TEXT] = parse_text,
                                                                                       [PAYLOAD_DOC_XML] = parse_xml};
    struct payload_doc *d = arena_calloc(a, 1, sizeof *d);
    if (!d) return no_memory(e);
    d->r = r;
    d->a = a;
    int rc = parsers[r->form](d, text, e);
    if (!rc && r->keyed) rc = index_keys(d, e);
    if (!rc) *ret = d;
    return rc;
}

size_t payload_doc_rows(const struct payload_doc *d)
{
    return d->n;
}
const struct json *payload_doc_json(const struct payload_doc *d)
{
    return d->root;
}

/* ---- values ---- */

static bool listed(struct str list, struct str word)
{
    while (list.p)
        if (str_ieq(str_trim(str_cut(&list, ',')), word)) return true;
    return false;
}

static enum quality quality_of(const struct payload_doc *d, const struct json *v)
{
    struct str word = scalar_text(d->a, v);
    if (!word.p || listed(d->r->good, str_trim(word))) return QUALITY_GOOD;
    return listed(d->r->uncertain, str_trim(word)) ? QUALITY_UNCERTAIN : QUALITY_BAD;
}

struct reading {
    const struct payload_doc *d;
    const struct payload_place *p;
    payload_value_fn *fn;
    void *ctx;
    size_t value, time, quality; /* columns */
    bool any, held;              /* held: the last row without a time */
    struct payload_value last;
    struct json last_cell;
    struct error last_error;
};

/* The time of the row; that of the reader's rule is kept for the other points. */
static int row_time(const struct reading *g, struct row *row, int64_t *ret, struct error *e)
{
    struct json tmp;
    const struct cell_at *t = &g->p->time;
    bool common = t->path == g->d->r->time.path && t->column.p == g->d->r->time.column.p;
    if (common && row->timed) {
        *ret = row->time_us;
        return 0;
    }
    int rc = time_rule_read(&g->d->r->times, cell(g->d, row, t, g->time, &tmp), ret, e);
    if (rc || !common) return rc;
    row->timed = true;
    row->time_us = *ret;
    return 0;
}

static int read_row(struct reading *g, size_t i)
{
    struct json value_cell, other;
    struct error e;
    const struct payload_doc *d = g->d;
    struct row *row = &d->rows[i];
    const struct json *v = cell(d, row, &g->p->value, g->value, &value_cell);
    if (!v) return 0;
    struct payload_value out = {.value = v, .row = i};
    if (g->p->quality.set) out.quality = quality_of(d, cell(d, row, &g->p->quality, g->quality, &other));
    bool timed = g->p->time.set && d->r->form != PAYLOAD_DOC_TEXT;
    g->any = true;
    out.has_time = timed && row_time(g, row, &out.time_us, &e) == 0;
    if (out.has_time) return g->fn(g->ctx, &out);
    g->held = true;
    g->last = out;
    if (v == &value_cell) {
        g->last_cell = value_cell;
        g->last.value = &g->last_cell;
    }
    if (timed) {
        g->last_error = e;
        g->last.error = &g->last_error;
    }
    return 0;
}

static int read_keyed(struct reading *g)
{
    const struct payload_doc *d = g->d;
    for (size_t i = key_from(d, g->p->key); i < d->n; i++) {
        const struct row *row = &d->rows[d->by_key[i]];
        if (!row->key.p || !str_eq(row->key, g->p->key)) break;
        int rc = read_row(g, d->by_key[i]);
        if (rc) return rc;
    }
    return 0;
}

static int read_all(struct reading *g)
{
    int rc = 0;
    for (size_t i = 0; i < g->d->n && !rc; i++) rc = read_row(g, i);
    return rc;
}

int payload_doc_read(const struct payload_doc *d, const struct payload_place *p, payload_value_fn *fn, void *ctx)
{
    struct reading g = {.d = d, .p = p, .fn = fn, .ctx = ctx};
    g.value = column_of(d, &p->value);
    g.time = column_of(d, &p->time);
    g.quality = column_of(d, &p->quality);
    int rc = d->r->keyed ? read_keyed(&g) : read_all(&g);
    if (!rc && g.held) rc = fn(ctx, &g.last);
    return rc ? rc : g.any ? 0 : ERR_NOT_FOUND;
}

/* ---- samples ---- */

static void bad(struct sample *s, enum quality_reason why)
{
    s->type = SAMPLE_NONE;
    s->quality = QUALITY_BAD;
    s->flags = (uint16_t)why;
}

/* The number in v: 0, or ERR_INVALID. */
static int number_of(const struct json *v, struct json *ret)
{
    static const struct {
        const char *word;
        bool b;
    } words[] = {{"true", true}, {"false", false}, {"on", true}, {"off", false}};
    *ret = *v;
    if (v->type == JSON_INT || v->type == JSON_DOUBLE) return 0;
    ret->type = JSON_INT;
    ret->i = v->type == JSON_BOOL && v->b;
    if (v->type == JSON_BOOL) return 0;
    if (v->type != JSON_STRING) return ERR_INVALID;
    struct str s = str_trim(v->s);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_ieq(s, str_of(words[i].word))) {
            ret->i = words[i].b;
            return 0;
        }
    if (str_to_i64(s, &ret->i) == 0) return 0;
    ret->type = JSON_DOUBLE;
    return str_to_double(s, &ret->d);
}

static void set_number(const struct json *n, const struct driver_point *p, struct sample *s)
{
    bool plain = n->type == JSON_INT && p->scale == 1 && p->offset == 0;
    double x = json_double(n, NAN) * p->scale + p->offset;
    if (!isfinite(x)) {
        bad(s, REASON_NOT_A_NUMBER);
        return;
    }
    bool out = x < p->lo || x > p->hi;
    s->type = plain ? SAMPLE_INT : SAMPLE_DOUBLE;
    if (plain)
        s->v.i = n->i;
    else
        s->v.d = x;
    s->quality = out ? QUALITY_UNCERTAIN : QUALITY_GOOD;
    s->flags = out ? REASON_OUT_OF_RANGE : REASON_NONE;
}

static void set_text(const struct json *v, struct arena *a, struct sample *s, struct str *ret)
{
    *ret = v->type == JSON_STRING ? v->s : json_text(a, v);
    if (!ret->p && v->type != JSON_STRING) {
        bad(s, REASON_NOT_A_NUMBER);
        return;
    }
    s->type = SAMPLE_STRING;
    s->v.u = 0;
    s->quality = QUALITY_GOOD;
    s->flags = REASON_NONE;
}

void payload_sample(const struct json *v, enum value_type t, const struct driver_point *p, struct arena *a,
                    struct sample *s, struct str *ret_text)
{
    struct json n;
    *ret_text = STR("");
    s->v.u = 0;
    if (v->type == JSON_NULL || (v->type == JSON_STRING && t != VALUE_STRING && !str_trim(v->s).n))
        bad(s, REASON_NO_DATA);
    else if (t == VALUE_STRING)
        set_text(v, a, s, ret_text);
    else if (number_of(v, &n))
        bad(s, REASON_NOT_A_NUMBER);
    else if (t == VALUE_BOOL) {
        *s = (struct sample){
            .time_us = s->time_us, .point = s->point, .type = SAMPLE_BOOL, .v.i = json_double(&n, 0) != 0};
    } else
        set_number(&n, p, s);
}

static int raw_number(enum value_type t, const struct driver_point *p, const struct sample *v, struct sample *ret,
                      struct error *e)
{
    bool plain = p->scale == 1 && p->offset == 0, real = v->type == SAMPLE_DOUBLE,
         whole = t != VALUE_DOUBLE && t != VALUE_FLOAT;
    double x = real ? v->v.d : (double)v->v.i;
    *ret = (struct sample){.type = SAMPLE_INT, .v.i = v->v.i};
    if (plain && !real) return 0;
    x = plain ? x : (x - p->offset) / p->scale;
    if (!isfinite(x)) return error_set(e, ERR_INVALID, "value", "the value must be a finite number", "数值须为有限数");
    if (whole && fabs(x) < 9e15)
        ret->v.i = llround(x);
    else
        *ret = (struct sample){.type = SAMPLE_DOUBLE, .v.d = x};
    return 0;
}

int payload_raw_value(enum value_type t, const struct driver_point *p, const struct sample *v, struct sample *ret,
                      struct error *e)
{
    bool text = t == VALUE_STRING;
    *ret = *v;
    if (text && v->type == SAMPLE_STRING) return 0;
    if (text || v->type == SAMPLE_STRING)
        return error_set(e, ERR_INVALID, "value", text ? "a text is expected" : "a number is expected",
                         text ? "应为文本" : "应为数字");
    if (t != VALUE_BOOL) return raw_number(t, p, v, ret, e);
    *ret = (struct sample){.type = SAMPLE_BOOL, .v.i = v->type == SAMPLE_DOUBLE ? v->v.d != 0 : v->v.i != 0};
    return 0;
}

/* ---- names ---- */

static size_t key_names(const struct payload_doc *d, struct payload_name *ret, size_t max)
{
    struct json tmp;
    size_t n = 0, column = column_of(d, &d->r->value);
    for (size_t i = 0; i < d->n && n < max; i++) {
        const struct row *row = &d->rows[d->by_key[i]];
        if (!row->key.p || (n && str_eq(ret[n - 1].address, row->key))) continue;
        const struct json *v = cell(d, row, &d->r->value, column, &tmp);
        ret[n++] = (struct payload_name){row->key, v == &tmp ? json_new_str(d->a, tmp.s) : v};
    }
    return n;
}

static size_t column_names(const struct payload_doc *d, struct payload_name *ret, size_t max)
{
    const struct row *first = d->n ? d->rows : NULL, *names = d->header ? d->header : first;
    size_t n = 0;
    for (size_t i = 0; names && i < names->ncells && n < max; i++) {
        struct str name = d->header ? str_trim(names->cells[i]) : STR_NULL;
        if (!name.n) name = str_of(arena_printf(d->a, "%zu", i + 1));
        bool has = first && i < first->ncells;
        ret[n++] = (struct payload_name){name, has ? json_new_str(d->a, str_trim(first->cells[i])) : NULL};
    }
    return n;
}

static size_t leaf_names(const struct payload_doc *d, struct arena *a, struct payload_name *ret, size_t max)
{
    struct json_path_leaf *leaf = arena_alloc(a, (max + 1) * sizeof *leaf);
    size_t n = leaf && d->n ? json_path_leaves(d->rows->node, a, leaf, max) : 0;
    for (size_t i = 0; i < n; i++) ret[i] = (struct payload_name){leaf[i].path, leaf[i].value};
    return n;
}

static size_t element_names(const struct payload_doc *d, struct arena *a, struct payload_name *ret, size_t max)
{
    struct xml_leaf *leaf = arena_alloc(a, (max + 1) * sizeof *leaf);
    size_t n = leaf && d->n ? xml_leaves(d->rows->node, a, leaf, max) : 0;
    for (size_t i = 0; i < n; i++) ret[i] = (struct payload_name){leaf[i].path, leaf[i].value};
    return n;
}

size_t payload_doc_names(const struct payload_doc *d, struct arena *a, struct payload_name *ret, size_t max)
{
    if (d->r->keyed) return key_names(d, ret, max);
    if (d->r->form == PAYLOAD_DOC_JSON) return leaf_names(d, a, ret, max);
    if (d->r->form == PAYLOAD_DOC_CSV) return column_names(d, ret, max);
    if (d->r->form == PAYLOAD_DOC_XML) return element_names(d, a, ret, max);
    if (!max || !d->n) return 0;
    ret[0] = (struct payload_name){STR("value"), d->rows->node};
    return 1;
}
