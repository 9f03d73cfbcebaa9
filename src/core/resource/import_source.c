/* import_source.c - the three forms of a table behind one reader: CSV, XLSX, JSON.
 *
 * Text is brought to UTF-8 once, when the table is opened: a byte order mark decides, then validity; what is
 * no UTF-8 is taken for GB18030. A JSON list is cut into its elements without building it. */
#include <iconv.h>
#include <errno.h>
#include "base/utf8.h"
#include "core/resource/import.h"

#define TEXT_MAX (256u << 20)

const char *table_format_name(enum table_format f)
{
    static const char *const names[] = {[TABLE_CSV] = "csv", [TABLE_XLSX] = "xlsx", [TABLE_JSON] = "json"};
    return names[f];
}

enum table_format table_guess(struct str b)
{
    static const char ole[] = "\xd0\xcf\x11\xe0";
    if (str_starts(b, STR("PK\3\4")) || (b.n > 4 && memcmp(b.p, ole, 4) == 0)) return TABLE_XLSX;
    if (str_starts(b, STR("\xef\xbb\xbf"))) b = str_sub(b, 3, b.n);
    size_t i = 0;
    while (i < b.n && strchr(" \t\r\n", b.p[i])) i++;
    struct str s = str_sub(b, i, 2);
    if (s.n && (s.p[0] == '{' || (s.p[0] == '[' && (s.n == 1 || strchr(" \t\r\n{]", s.p[1]))))) return TABLE_JSON;
    return TABLE_CSV;
}

/* ------------------------------------------------------------------ encodings */

static int not_text(struct error *e)
{
    return error_set(e, ERR_INVALID, "", "the text is neither UTF-8 nor UTF-16 nor GB18030; save it as CSV UTF-8",
                     "文本既不是 UTF-8、UTF-16，也不是 GB18030；请另存为 CSV UTF-8");
}

static int convert(struct table *t, const char *from, struct str in, struct error *e)
{
    iconv_t cd = iconv_open("UTF-8", from);
    if (cd == (iconv_t)-1) return not_text(e);
    char *p = (char *)in.p;
    size_t left = in.n;
    int rc = 0;
    while (left && !rc) {
        size_t room = 65536;
        char *out = (char *)buf_space(&t->converted, room);
        if (!out) {
            rc = error_set(e, t->converted.err, "", "the text is too large", "文本过大");
            break;
        }
        char *at = out;
        bool bad = iconv(cd, &p, &left, &at, &room) == (size_t)-1 && errno != E2BIG;
        t->converted.n += (size_t)(at - out);
        if (bad) rc = not_text(e);
    }
    iconv_close(cd);
    t->bytes = buf_view(&t->converted);
    return rc;
}

static int to_utf8(struct table *t, struct error *e)
{
    struct str b = t->bytes;
    if (str_starts(b, STR("\xff\xfe"))) return convert(t, "UTF-16LE", str_sub(b, 2, b.n), e);
    if (str_starts(b, STR("\xfe\xff"))) return convert(t, "UTF-16BE", str_sub(b, 2, b.n), e);
    return utf8_valid(b) ? 0 : convert(t, "GB18030", b, e);
}

/* ------------------------------------------------------------------ opening */

static int open_book(struct table *t, struct str sheet, struct error *e)
{
    int rc = xlsx_open(t->bytes.p, t->bytes.n, NULL, &t->book, e);
    if (rc) return rc;
    int i = xlsx_sheet_find(t->book, sheet);
    if (i < 0)
        return error_set(e, ERR_NOT_FOUND, "sheet", "there is no sheet '%.*s'", "没有工作表“%.*s”",
                         STR_ARG(str_sub(sheet, 0, 60)));
    t->sheet = (size_t)i;
    return 0;
}

int table_open(enum table_format f, struct str bytes, struct str sheet, struct table **ret, struct error *e)
{
    struct table *t = mem_calloc(1, sizeof *t);
    CATCH_NOMEM(t, e);
    t->format = f;
    t->bytes = bytes;
    buf_init(&t->converted, TEXT_MAX);
    buf_init(&t->text, LIMIT_SPEC);
    int rc = f == TABLE_XLSX ? open_book(t, sheet, e) : to_utf8(t, e);
    if (!rc) rc = table_rewind(t, e);
    if (rc)
        table_close(t);
    else
        *ret = t;
    return rc;
}

void table_close(struct table *t)
{
    if (!t) return;
    xlsx_close(t->book);
    buf_fini(&t->converted);
    buf_fini(&t->text);
    mem_free(t);
}

size_t table_sheets(const struct table *t)
{
    return t->book ? xlsx_sheets(t->book) : 0;
}
struct str table_sheet(const struct table *t, size_t i)
{
    return xlsx_sheet_name(t->book, i);
}
struct str table_sheet_now(const struct table *t)
{
    return t->book ? xlsx_sheet_name(t->book, t->sheet) : STR("");
}

int table_rewind(struct table *t, struct error *e)
{
    t->pos = t->item = 0;
    t->in_list = false;
    if (t->format == TABLE_CSV) csv_init(&t->csv, t->bytes);
    if (t->format == TABLE_JSON && str_starts(t->bytes, STR("\xef\xbb\xbf"))) t->pos = 3;
    return t->format == TABLE_XLSX ? sheet_begin(t->book, t->sheet, e) : 0;
}

/* ------------------------------------------------------------------ JSON, element by element */

static void skip_blanks(struct table *t)
{
    while (t->pos < t->bytes.n && strchr(" \t\r\n", t->bytes.p[t->pos]) && t->bytes.p[t->pos]) t->pos++;
}

static int json_fault(struct table *t, const char *en, const char *zh, struct error *e)
{
    char where[40];
    snprintf(where, sizeof where, "item %zu", t->item + 1);
    return error_set(e, ERR_INVALID, where, "%s%.0s", "%.0s%s", en, zh);
}

/* The end of the object that begins here: its braces outside of texts. */
static size_t object_end(struct str s, size_t from)
{
    size_t depth = 0;
    bool text = false;
    for (size_t i = from; i < s.n; i++) {
        char c = s.p[i];
        if (text) {
            if (c == '\\')
                i++;
            else
                text = c != '"';
        } else if (c == '"') {
            text = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static int json_next(struct table *t, struct arena *a, struct table_row *ret, struct error *e)
{
    skip_blanks(t);
    if (t->item == 0 && !t->in_list && t->pos < t->bytes.n && t->bytes.p[t->pos] == '[') {
        t->in_list = true;
        t->pos++;
        skip_blanks(t);
    } else if (t->in_list && t->item && t->pos < t->bytes.n && t->bytes.p[t->pos] == ',') {
        t->pos++;
        skip_blanks(t);
    } else if (t->in_list && t->item && t->pos < t->bytes.n && t->bytes.p[t->pos] != ']') {
        return json_fault(t, "a comma is missing before it", "其前缺少逗号", e);
    }
    if (t->in_list && t->pos < t->bytes.n && t->bytes.p[t->pos] == ']') {
        t->pos++;
        skip_blanks(t);
        return t->pos < t->bytes.n ? json_fault(t, "there is text behind the list", "列表之后有多余文字", e) : 0;
    }
    if (t->pos >= t->bytes.n) return t->in_list ? json_fault(t, "the list is not closed", "列表未结束", e) : 0;
    if (t->bytes.p[t->pos] != '{')
        return json_fault(t, "is no object; an envelope is wanted", "不是对象；应为资源对象", e);
    size_t end = object_end(t->bytes, t->pos);
    if (!end) return json_fault(t, "the object is not closed", "对象未结束", e);
    struct json *v;
    int rc = json_parse(a, str_sub(t->bytes, t->pos, end - t->pos), &v, e);
    if (rc) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "item %zu, ", t->item + 1);
        error_prefix(e, prefix);
        return rc;
    }
    t->pos = end;
    *ret = (struct table_row){.line = ++t->item, .object = v};
    return 1;
}

/* ------------------------------------------------------------------ rows of cells */

static int csv_row(struct table *t, struct arena *a, struct table_row *ret, struct error *e)
{
    struct str *texts;
    size_t n;
    int rc = csv_next(&t->csv, a, &texts, &n, e);
    if (rc != 1) return rc;
    struct cell *cells = arena_alloc(a, n * sizeof *cells);
    CATCH_NOMEM(cells, e);
    for (size_t i = 0; i < n; i++)
        cells[i] = (struct cell){.type = texts[i].n ? CELL_TEXT : CELL_EMPTY, .text = texts[i]};
    *ret = (struct table_row){.line = t->csv.line, .cells = cells, .n = n};
    return 1;
}

static int sheet_row(struct table *t, struct table_row *ret, struct error *e)
{
    struct sheet_row r;
    int rc = sheet_next(t->book, &r, e);
    if (rc == 1) *ret = (struct table_row){.line = r.number, .cells = r.cells, .n = r.n};
    return rc;
}

int table_next(struct table *t, struct arena *a, struct table_row *ret, struct error *e)
{
    if (t->format == TABLE_JSON) return json_next(t, a, ret, e);
    return t->format == TABLE_CSV ? csv_row(t, a, ret, e) : sheet_row(t, ret, e);
}

/* What csv_cell puts before = + - @ goes away again. */
static struct str unguarded(struct str cell)
{
    return cell.n > 1 && cell.p[0] == '\'' && strchr("=+-@\t\r", cell.p[1]) ? str_sub(cell, 1, cell.n) : cell;
}

int table_text(struct table *t, const struct cell *c, struct arena *a, struct str *ret, struct error *e)
{
    if (c->type == CELL_ERROR)
        return error_set(e, ERR_INVALID, "", "the cell holds the error %.*s; mend its formula in the sheet",
                         "单元格为错误值 %.*s；请在表格中修正公式", STR_ARG(str_sub(c->text, 0, 30)));
    if (c->type == CELL_TEXT || c->type == CELL_EMPTY) {
        *ret = t->format == TABLE_CSV ? unguarded(c->text) : c->text;
        if (!ret->p) *ret = STR("");
        return 0;
    }
    buf_clear(&t->text);
    cell_text(c, &t->text);
    *ret = arena_str(a, buf_view(&t->text));
    return ret->p ? 0 : kernel_nomem(e);
}

/* The header: its texts in `a`, the table stands below it. *ret_n 0: there is none. */
int table_header(struct table *t, size_t header_row, struct arena *a, struct str **ret, size_t *ret_n, size_t *ret_row,
                 struct error *e)
{
    struct table_row r = {.line = 0};
    int rc = table_rewind(t, e);
    *ret_n = 0;
    while (!rc && (rc = table_next(t, a, &r, e)) == 1) {
        rc = 0;
        if (r.line >= header_row) break;
        r.line = 0;
    }
    if (rc < 0) return rc;
    if (!r.line || (header_row && r.line != header_row)) return 0;
    *ret_row = r.line;
    if (t->format == TABLE_XLSX) { /* merged cells; then down to it again */
        rc = sheet_header(t->book, t->sheet, r.line, a, ret, ret_n, e);
        if (!rc) rc = table_rewind(t, e);
        for (size_t row = 0; !rc && row < *ret_row; row = r.line)
            if ((rc = table_next(t, a, &r, e)) == 1) rc = 0;
        return rc;
    }
    *ret = arena_calloc(a, r.n + 1, sizeof **ret);
    CATCH_NOMEM(*ret, e);
    for (size_t i = 0; i < r.n && !rc; i++) rc = table_text(t, &r.cells[i], a, &(*ret)[i], e);
    *ret_n = r.n;
    return rc;
}
