/* csv.c - RFC 4180 reader and cell writer.
 *
 * Cells without doubled quotes are views into the text; others are copied to the arena without the
 * doubling. A row is checked as UTF-8 as a whole. Pure; any thread. */
#include "base/csv.h"
#include "base/utf8.h"
#include <stdio.h>

enum { CELLS_MAX = 1000, CELL_BYTES_MAX = 64 << 10, CELLS_FIRST = 16 };

/* The separator that stands most often in the first line, outside quotes. */
static char find_separator(struct str text)
{
    static const char seps[] = {',', ';', '\t'};
    size_t count[sizeof(seps)] = {0}, best = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n && (quoted || text.p[i] != '\n'); i++) {
        if (text.p[i] == '"') quoted = !quoted;
        for (size_t k = 0; k < sizeof(seps) && !quoted; k++) count[k] += text.p[i] == seps[k];
    }
    for (size_t k = 1; k < sizeof(seps); k++) best = count[k] > count[best] ? k : best;
    return seps[best];
}

void csv_init(struct csv *c, struct str text)
{
    if (str_starts(text, STR("\xef\xbb\xbf"))) text = str_sub(text, 3, text.n);
    *c = (struct csv){
        .text = text, .sep = find_separator(text), .max_cells = CELLS_MAX, .max_cell = CELL_BYTES_MAX, .next_line = 1};
}

struct row {
    struct str *cells;
    size_t n, cap;
};

static int fail(const struct csv *c, struct error *e, int code, const char *en, const char *zh)
{
    char where[48];
    snprintf(where, sizeof(where), "line %zu", c->line);
    return error_set(e, code, where, "CSV: %s%.0s", "CSV：%.0s%s", en, zh); /* %.0s: the other language */
}

static int add_cell(struct csv *c, struct arena *a, struct row *r, struct str cell, struct error *e)
{
    if (cell.n > c->max_cell) return fail(c, e, ERR_TOO_LARGE, "a cell is too long", "单元格过长");
    if (r->n == c->max_cells) return fail(c, e, ERR_TOO_LARGE, "too many cells in a row", "一行的单元格过多");
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : CELLS_FIRST;
        struct str *more = arena_alloc(a, cap * sizeof(*more));
        if (!more) return fail(c, e, ERR_NOMEM, "out of memory", "内存不足");
        if (r->n) memcpy(more, r->cells, r->n * sizeof(*more));
        r->cells = more;
        r->cap = cap;
    }
    r->cells[r->n++] = cell;
    return 0;
}

static inline bool at_end_of_cell(const struct csv *c)
{
    if (c->pos >= c->text.n) return true;
    char ch = c->text.p[c->pos];
    return ch == c->sep || ch == '\n' || (ch == '\r' && (c->pos + 1 == c->text.n || c->text.p[c->pos + 1] == '\n'));
}

/* Take out the doubling of quotes. */
static int undouble(struct csv *c, struct arena *a, struct str raw, struct str *ret, struct error *e)
{
    char *out = arena_alloc(a, raw.n), *p = out;
    if (!out) return fail(c, e, ERR_NOMEM, "out of memory", "内存不足");
    for (size_t i = 0; i < raw.n; i++) {
        *p++ = raw.p[i];
        if (raw.p[i] == '"') i++;
    }
    *ret = str_make(out, (size_t)(p - out));
    return 0;
}

/* pos behind the opening quote. */
static int quoted_cell(struct csv *c, struct arena *a, struct str *ret, struct error *e)
{
    size_t from = c->pos;
    bool doubled = false;
    for (; c->pos < c->text.n; c->pos++) {
        char ch = c->text.p[c->pos];
        c->next_line += ch == '\n';
        if (ch != '"') continue;
        if (c->pos + 1 >= c->text.n || c->text.p[c->pos + 1] != '"') break;
        doubled = true;
        c->pos++;
    }
    if (c->pos >= c->text.n) return fail(c, e, ERR_INVALID, "a quote is not closed", "引号未闭合");
    struct str raw = str_sub(c->text, from, c->pos - from);
    c->pos++;
    if (!at_end_of_cell(c)) return fail(c, e, ERR_INVALID, "text after a closing quote", "闭合引号之后有文字");
    if (doubled) return undouble(c, a, raw, ret, e);
    *ret = raw;
    return 0;
}

static int plain_cell(struct csv *c, struct str *ret, struct error *e)
{
    size_t from = c->pos;
    while (!at_end_of_cell(c)) {
        if (c->text.p[c->pos] == '"')
            return fail(c, e, ERR_INVALID, "a quote inside a cell that is not quoted (double it and quote the cell)",
                        "未加引号的单元格中有引号（应加倍并将单元格加引号）");
        c->pos++;
    }
    *ret = str_sub(c->text, from, c->pos - from);
    return 0;
}

static bool skip_line_end(struct csv *c)
{
    size_t at = c->pos;
    if (at < c->text.n && c->text.p[at] == '\r') at++;
    if (at < c->text.n && c->text.p[at] == '\n')
        at++;
    else if (at < c->text.n)
        return false;
    c->next_line += at > c->pos;
    bool moved = at > c->pos;
    c->pos = at;
    return moved;
}

static int read_row(struct csv *c, struct arena *a, struct row *r, struct error *e)
{
    for (;;) {
        struct str cell = {c->text.p + c->pos, 0};
        int rc;
        if (c->pos < c->text.n && c->text.p[c->pos] == '"') {
            c->pos++;
            rc = quoted_cell(c, a, &cell, e);
        } else {
            rc = plain_cell(c, &cell, e);
        }
        if (rc == 0) rc = add_cell(c, a, r, cell, e);
        if (rc) return rc;
        if (c->pos >= c->text.n || c->text.p[c->pos] != c->sep) break;
        c->pos++;
    }
    skip_line_end(c);
    return 0;
}

/* The row has come to the end of the window, so the rest of it may stand behind. */
static bool is_cut(const struct csv *c, int rc)
{
    return c->pos >= c->text.n && (rc || c->text.p[c->text.n - 1] != '\n');
}

bool csv_skip_line(struct csv *c)
{
    const char *end = c->from < c->text.n ? memchr(c->text.p + c->from, '\n', c->text.n - c->from) : NULL;
    c->pos = end ? (size_t)(end - c->text.p) + 1 : c->text.n;
    c->next_line = c->from_line + (end != NULL);
    return end != NULL;
}

int csv_next(struct csv *c, struct arena *a, struct str **ret_cells, size_t *ret_n, struct error *e)
{
    while (c->pos < c->text.n && skip_line_end(c)) {
    }
    if (c->pos >= c->text.n) return 0;
    c->line = c->next_line;
    size_t from = c->pos;
    c->from = from;
    c->from_line = c->line;
    struct row r = {0};
    int rc = read_row(c, a, &r, e);
    if (c->more && (!rc || rc == ERR_INVALID) && is_cut(c, rc)) {
        c->pos = from;
        c->next_line = c->line;
        return ERR_AGAIN;
    }
    if (rc) return rc;
    if (!utf8_valid(str_sub(c->text, from, c->pos - from)))
        return fail(c, e, ERR_INVALID, "not UTF-8 (save the file as CSV UTF-8)", "不是 UTF-8（请另存为 CSV UTF-8）");
    c->row++;
    *ret_cells = r.cells;
    *ret_n = r.n;
    return 1;
}

static bool looks_like_formula(struct str s)
{
    double d;
    if (s.n == 0 || !memchr("=+-@\t\r", s.p[0], 6)) return false;
    return s.n > 1 && str_to_double(s, &d) != 0; /* a lone "-" computes nothing */
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (memchr(",;\t\"\r\n", s.p[i], 6)) return true;
    }
    return s.n && (s.p[0] == ' ' || s.p[s.n - 1] == ' ' || s.p[0] == '\'');
}

void csv_cell(struct buf *b, struct str cell, bool first)
{
    if (!first) buf_u8(b, ',');
    bool guard = looks_like_formula(cell), quote = needs_quotes(cell);
    if (quote) buf_u8(b, '"');
    if (guard) buf_u8(b, '\'');
    for (size_t i = 0, from = 0; i <= cell.n && quote; i++) {
        if (i < cell.n && cell.p[i] != '"') continue;
        buf_str(b, str_sub(cell, from, i - from + (i < cell.n)));
        if (i < cell.n) buf_u8(b, '"');
        from = i + 1;
    }
    if (!quote) buf_str(b, cell);
    if (quote) buf_u8(b, '"');
}
