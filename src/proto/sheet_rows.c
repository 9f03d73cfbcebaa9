/* sheet_rows.c - the rows of a sheet, one after the other.
 *
 * A piece of the entry is parsed, its rows are put into a queue (their texts into an arena that is emptied
 * with the queue, shared strings stay where they are), and handed out one by one. A row of
 * <row r="5"><c r="B5" s="3" t="s"><v>17</v></c>…: t is s (shared string), str (a formula's text), inlineStr,
 * b, e (error), d (ISO 8601), n or nothing (number; a date by its style s). Cells and rows may be left out;
 * a formula counts by the value that was stored with it. */
#include "base/time.h"
#include "proto/sheet_int.h"

void rows_close(struct rows *r)
{
    if (r->open) xml_close(&r->in);
    r->open = r->more = false;
    r->head = r->n = 0;
    r->in_row = r->in_cell = r->in_value = r->in_inline = r->any = false;
    r->phonetic = 0;
    r->row = r->column = 0;
    r->nmerges = 0;
    arena_reset(&r->a);
}

static int fail(struct rows *r, int code, const char *en, const char *zh)
{
    char where[48];
    snprintf(where, sizeof where, "row %zu", r->row);
    xml_fail(&r->in, error_set(&r->in.err, code, where, "%s%.0s", "%.0s%s", en, zh));
    return code;
}

/* "AB12" -> column 28, row 12; 0 when it is none. */
static size_t column_of(const char *ref, size_t *row)
{
    size_t c = 0, n = 0;
    while (ref[n] >= 'A' && ref[n] <= 'Z' && n < 4) c = c * 26 + (size_t)(ref[n++] - 'A' + 1);
    int64_t v;
    if (!n || str_to_i64(str_of(ref + n), &v) || v < 1 || v > SHEET_ROWS_MAX || c > 16384) return 0;
    *row = (size_t)v;
    return c;
}

static void start_row(struct rows *r, const char **attr)
{
    const char *at = xml_attr(attr, "r");
    int64_t v = (int64_t)r->row + 1;
    if (at && str_to_i64(str_of(at), &v)) v = 0;
    size_t last = r->row;
    r->row = v > 0 ? (size_t)v : 0;
    r->column = r->ncells = 0;
    r->any = false;
    r->in_row = true;
    if (v < 1 || v > SHEET_ROWS_MAX)
        fail(r, ERR_TOO_LARGE, "a sheet has at most 1048576 rows", "工作表最多 1048576 行");
    else if ((size_t)v <= last)
        fail(r, ERR_INVALID, "the rows are not in order; the file is damaged", "行的次序错乱；文件已损坏");
}

static char type_of(const char *t)
{
    static const struct {
        const char *name;
        char type;
    } types[] = {{"s", 's'}, {"n", 'n'}, {"b", 'b'}, {"e", 'e'}, {"str", 't'}, {"inlineStr", 'i'}, {"d", 'd'}};
    for (size_t i = 0; t && i < sizeof types / sizeof *types; i++)
        if (strcmp(t, types[i].name) == 0) return types[i].type;
    return 'n';
}

static void start_cell(struct rows *r, const char **attr)
{
    const char *ref = xml_attr(attr, "r"), *style = xml_attr(attr, "s");
    size_t row = r->row;
    int64_t s = 0;
    r->column = ref ? column_of(ref, &row) : r->column + 1;
    r->in_cell = true;
    r->type = type_of(xml_attr(attr, "t"));
    r->style = style && str_to_i64(str_of(style), &s) == 0 && s >= 0 ? (unsigned)s : 0;
    buf_clear(&r->text);
    if (!r->column || row != r->row)
        fail(r, ERR_INVALID, "a cell has no proper address; the file is damaged", "单元格地址有误；文件已损坏");
}

static void add_merge(struct rows *r, const char *ref)
{
    char first[16];
    const char *colon = ref ? strchr(ref, ':') : NULL;
    size_t y0, y1;
    if (!colon || (size_t)(colon - ref) >= sizeof first || r->nmerges == MERGES_MAX) return;
    str_to_cstr(str_make(ref, (size_t)(colon - ref)), first, sizeof first);
    size_t x0 = column_of(first, &y0), x1 = column_of(colon + 1, &y1);
    if (!x0 || !x1 || !mem_grow((void **)&r->merges, &r->merges_cap, r->nmerges + 1, sizeof *r->merges)) return;
    r->merges[r->nmerges++] = (struct merge){(uint32_t)x0, (uint32_t)y0, (uint32_t)x1, (uint32_t)y1};
}

static void rows_start(void *ctx, const char *name, const char **attr)
{
    struct rows *r = ctx;
    if (r->in_cell) {
        if (strcmp(name, "v") == 0)
            r->in_value = true;
        else if (strcmp(name, "rPh") == 0)
            r->phonetic++;
        else if (strcmp(name, "t") == 0 && r->type == 'i')
            r->in_inline = r->phonetic == 0;
    } else if (strcmp(name, "row") == 0) {
        start_row(r, attr);
    } else if (r->in_row && strcmp(name, "c") == 0) {
        start_cell(r, attr);
    } else if (r->want_merges && strcmp(name, "mergeCell") == 0) {
        add_merge(r, xml_attr(attr, "ref"));
    }
}

static void rows_text(void *ctx, const char *p, size_t n)
{
    struct rows *r = ctx;
    if (!r->in_value && !r->in_inline) return;
    buf_add(&r->text, p, n);
    if (r->text.err) fail(r, ERR_TOO_LARGE, "a cell holds more than 32767 characters", "单元格超过 32767 个字符");
}

/* ------------------------------------------------------------------ values */

static bool keep_text(struct rows *r, struct cell *c)
{
    text_unescape(&r->text, 0);
    c->text = arena_str(&r->a, buf_view(&r->text));
    if (!c->text.p) fail(r, ERR_NOMEM, "out of memory", "内存不足");
    return c->text.p != NULL;
}

static void shared(struct rows *r, struct cell *c)
{
    int64_t i = -1;
    bool ok = str_to_i64(str_trim(buf_view(&r->text)), &i) == 0 && i >= 0;
    c->type = CELL_TEXT;
    if (ok) c->text = strings_at(r->in.w, (size_t)i, &ok);
    if (!ok)
        fail(r, ERR_INVALID, "a cell has a text that is not there; the file is damaged", "单元格文本缺失；文件已损坏");
}

static void numeric(struct rows *r, struct cell *c)
{
    struct workbook *w = r->in.w;
    struct str s = str_trim(buf_view(&r->text));
    if (str_to_double(s, &c->number)) {
        c->type = CELL_TEXT;
        keep_text(r, c);
        return;
    }
    bool date = r->style < w->ndates && w->dates[r->style] && serial_in_range(c->number);
    c->type = date ? CELL_DATE : CELL_NUMBER;
    if (date) c->time_us = serial_to_us(c->number, w->epoch_1904);
    keep_text(r, c);
}

static void iso_date(struct rows *r, struct cell *c)
{
    c->type = time_parse(buf_view(&r->text), &c->time_us, NULL) ? CELL_TEXT : CELL_DATE;
    keep_text(r, c);
}

static struct cell value(struct rows *r)
{
    struct cell c = {.type = CELL_EMPTY};
    if (r->text.n == 0) return c;
    switch (r->type) {
    case 's': shared(r, &c); break;
    case 'b':
        c.type = CELL_BOOL;
        c.number = r->text.p[0] == '1' || r->text.p[0] == 't' || r->text.p[0] == 'T';
        break;
    case 'e': c.type = CELL_ERROR; break;
    case 'd': iso_date(r, &c); break;
    case 'n': numeric(r, &c); break;
    default: c.type = CELL_TEXT; break;
    }
    if (c.type == CELL_ERROR || (c.type == CELL_TEXT && !c.text.p)) keep_text(r, &c);
    if (c.type == CELL_TEXT && c.text.n == 0) c.type = CELL_EMPTY;
    return c;
}

static void end_cell(struct rows *r)
{
    struct cell c = value(r);
    r->in_cell = false;
    if (c.type == CELL_EMPTY || r->in.rc) return;
    if (r->column > r->in.w->lim.columns) {
        char en[64], zh[64];
        snprintf(en, sizeof en, "has more than %zu columns", r->in.w->lim.columns);
        snprintf(zh, sizeof zh, "超过 %zu 列", r->in.w->lim.columns);
        fail(r, ERR_TOO_LARGE, en, zh);
        return;
    }
    if (!mem_grow((void **)&r->cells, &r->cells_cap, r->column, sizeof *r->cells)) {
        fail(r, ERR_NOMEM, "out of memory", "内存不足");
        return;
    }
    while (r->ncells < r->column) r->cells[r->ncells++] = (struct cell){.type = CELL_EMPTY};
    r->cells[r->column - 1] = c;
    r->any = true;
}

static void end_row(struct rows *r)
{
    r->in_row = false;
    if (!r->any) return;
    struct cell *cells = arena_alloc(&r->a, r->ncells * sizeof *cells);
    if (!cells || !mem_grow((void **)&r->queue, &r->cap, r->n + 1, sizeof *r->queue)) {
        fail(r, ERR_NOMEM, "out of memory", "内存不足");
        return;
    }
    memcpy(cells, r->cells, r->ncells * sizeof *cells);
    r->queue[r->n++] = (struct sheet_row){r->row, cells, r->ncells};
}

static void rows_end(void *ctx, const char *name)
{
    struct rows *r = ctx;
    if (strcmp(name, "v") == 0)
        r->in_value = false;
    else if (strcmp(name, "t") == 0)
        r->in_inline = false;
    else if (strcmp(name, "rPh") == 0 && r->phonetic)
        r->phonetic--;
    else if (r->in_cell && strcmp(name, "c") == 0)
        end_cell(r);
    else if (r->in_row && strcmp(name, "row") == 0)
        end_row(r);
}

/* ------------------------------------------------------------------ reading */

int sheet_begin(struct workbook *w, size_t sheet, struct error *e)
{
    static const struct xml_ops ops = {rows_start, rows_end, rows_text};
    struct rows *r = &w->rows;
    rows_close(r);
    if (sheet >= w->nsheets) return error_set(e, ERR_NOT_FOUND, "sheet", "there is no such sheet", "没有此工作表");
    int rc = strings_load(w, e);
    if (!rc && !w->inflated_base) w->inflated_base = w->inflated;
    w->inflated = w->inflated_base;
    if (!rc) rc = xml_open(&r->in, w, w->sheets[sheet].path, &ops, r, e);
    r->open = r->more = !rc;
    return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
}

/* All rows were handed out: their memory goes. What a half-read row has so far moves over. */
static bool empty_queue(struct rows *r)
{
    struct arena old = r->a;
    r->head = r->n = 0;
    for (size_t i = 0; r->in_row && i < r->ncells; i++) {
        struct str *s = &r->cells[i].text;
        if (s->n && !(*s = arena_str(&r->spare, *s)).p) return false;
    }
    arena_reset(&old);
    r->a = r->spare;
    r->spare = old;
    return true;
}

int sheet_next(struct workbook *w, struct sheet_row *ret, struct error *e)
{
    struct rows *r = &w->rows;
    if (r->head == r->n && !empty_queue(r)) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    while (r->head == r->n) {
        if (!r->more) return 0;
        int rc = xml_step(&r->in, e);
        if (rc < 0) {
            r->more = false;
            return rc;
        }
        r->more = rc == 1;
    }
    *ret = r->queue[r->head++];
    return 1;
}

/* ------------------------------------------------------------------ headers */

struct anchor {
    size_t row, column;
    struct str text;
};

static int remember(struct arena *a, const struct sheet_row *row, struct anchor **items, size_t *n, size_t *cap,
                    struct error *e)
{
    struct buf b;
    int rc = 0;
    buf_init(&b, 4 * SHEET_TEXT_MAX);
    for (size_t i = 0; i < row->n && !rc; i++) {
        if (row->cells[i].type == CELL_EMPTY) continue;
        buf_clear(&b);
        cell_text(&row->cells[i], &b);
        struct str text = arena_str(a, str_trim(buf_view(&b)));
        if (!text.p || !mem_grow((void **)items, cap, *n + 1, sizeof **items))
            rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        else
            (*items)[(*n)++] = (struct anchor){row->number, i + 1, text};
    }
    buf_fini(&b);
    return rc;
}

static struct str text_at(const struct anchor *a, size_t n, size_t row, size_t column)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].row == row && a[i].column == column) return a[i].text;
    return STR("");
}

/* A title reaches down into the row, never to the columns beside it. */
static struct str covered(const struct rows *r, const struct anchor *a, size_t n, size_t row, size_t column)
{
    for (size_t i = 0; i < r->nmerges; i++) {
        const struct merge *m = &r->merges[i];
        if (column == m->x0 && row >= m->y0 && row <= m->y1) return text_at(a, n, m->y0, m->x0);
    }
    return STR("");
}

/* The texts of all rows up to the header, and the width of the header. */
static int read_top(struct workbook *w, size_t row, struct arena *a, struct anchor **items, size_t *n, size_t *width,
                    struct error *e)
{
    struct sheet_row r;
    size_t cap = 0;
    int rc;
    while ((rc = sheet_next(w, &r, e)) == 1 && r.number <= row) {
        int err = remember(a, &r, items, n, &cap, e);
        if (err) return err;
        if (r.number == row) {
            *width = r.n;
            return 0;
        }
    }
    return rc < 0 ? rc : 0;
}

static int fill_header(struct workbook *w, size_t row, struct arena *a, const struct anchor *items, size_t n,
                       struct str **ret, size_t *ret_n, struct error *e)
{
    struct sheet_row skip;
    int rc = 0;
    bool gaps = false;
    size_t width = *ret_n;
    for (size_t i = 0; i < width; i++) gaps = gaps || text_at(items, n, row, i + 1).n == 0;
    if (n && items[0].row < row) gaps = true; /* something above may reach down */
    while (gaps && (rc = sheet_next(w, &skip, e)) == 1) continue;
    if (rc < 0) return rc;
    struct str *out = arena_calloc(a, width + 1, sizeof *out);
    if (!out) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < width; i++) {
        out[i] = text_at(items, n, row, i + 1);
        if (!out[i].n) out[i] = covered(&w->rows, items, n, row, i + 1);
    }
    *ret = out;
    return 0;
}

int sheet_header(struct workbook *w, size_t sheet, size_t row, struct arena *a, struct str **ret, size_t *ret_n,
                 struct error *e)
{
    struct anchor *items = NULL;
    size_t n = 0;
    w->rows.want_merges = true;
    *ret_n = 0;
    int rc = sheet_begin(w, sheet, e);
    if (!rc) rc = read_top(w, row, a, &items, &n, ret_n, e);
    if (!rc) rc = fill_header(w, row, a, items, n, ret, ret_n, e);
    mem_free(items);
    w->rows.want_merges = false;
    rows_close(&w->rows);
    return rc;
}
