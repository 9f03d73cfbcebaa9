/* sheet_write.c - one table as an XLSX file in constant memory.
 *
 * libxlsxwriter writes rows as they come; texts stand in the cells themselves. Choices that do not fit into
 * the 255 characters that the format gives a drop-down list get none (a list on a second sheet would do, but
 * libxlsxwriter 1.1.4 leaks its formula). */
#include <xlsxwriter.h>
#include "base/utf8.h"
#include "proto/sheet_int.h"

#define LIST_ROWS 2000 /* that get a drop-down list: some readers keep one for every cell */

struct sheet_writer {
    lxw_workbook *book;
    lxw_worksheet *sheet;
    lxw_format *formats[CELL_ERROR + 1];
    struct buf text;
    lxw_row_t row;
    size_t n;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static const char *text_of(struct sheet_writer *w, struct str s)
{
    buf_clear(&w->text);
    buf_str(&w->text, s);
    return buf_cstr(&w->text);
}

/* "_x000D_" in a text would be read as a carriage return: its first '_' is written as _x005F_. */
static const char *escaped(struct sheet_writer *w, struct str s)
{
    buf_clear(&w->text);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_' && i + 6 < s.n && s.p[i + 1] == 'x' && s.p[i + 6] == '_')
            buf_z(&w->text, "_x005F_");
        else
            buf_u8(&w->text, (uint8_t)s.p[i]);
    }
    return buf_cstr(&w->text);
}

static size_t characters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static double width_of(const struct sheet_column *c)
{
    double wide = c->title.n > characters(c->title) ? 2.2 : 1.2;
    double w = c->width > 0 ? c->width : (double)characters(c->title) * wide + 2;
    return w < 8 ? 8 : w > 60 ? 60 : w;
}

static void open_formats(struct sheet_writer *w)
{
    lxw_format *text = workbook_add_format(w->book), *date = workbook_add_format(w->book);
    if (text) format_set_num_format(text, "@");
    if (date) format_set_num_format(date, "yyyy-mm-dd hh:mm:ss.000");
    w->formats[CELL_TEXT] = text;
    w->formats[CELL_DATE] = date;
}

static lxw_format *header_format(struct sheet_writer *w, bool required)
{
    lxw_format *f = workbook_add_format(w->book);
    if (!f) return NULL;
    format_set_bold(f);
    format_set_bg_color(f, required ? 0xFCE4D6 : 0xE7ECF2);
    format_set_bottom(f, LXW_BORDER_THIN);
    format_set_align(f, LXW_ALIGN_VERTICAL_CENTER);
    format_set_num_format(f, "@");
    return f;
}

/* A quoted list is limited to 255 characters and cannot hold commas. */
static bool fits_quoted(const struct sheet_column *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->nchoices; i++) {
        if (memchr(c->choices[i].p, ',', c->choices[i].n)) return false;
        n += characters(c->choices[i]) + 1;
    }
    return n < 250;
}

static int quoted_list(struct sheet_writer *w, lxw_col_t col, const struct sheet_column *c, struct error *e)
{
    char **values = mem_calloc(c->nchoices + 1, sizeof *values);
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    int rc = values ? 0 : no_memory(e);
    for (size_t i = 0; !rc && i < c->nchoices; i++)
        if (!(values[i] = arena_strdup(&a, c->choices[i]))) rc = no_memory(e);
    lxw_data_validation v = {.validate = LXW_VALIDATION_TYPE_LIST,
                             .value_list = values,
                             .ignore_blank = LXW_VALIDATION_ON,
                             .error_type = LXW_VALIDATION_ERROR_TYPE_WARNING};
    if (!rc && worksheet_data_validation_range(w->sheet, 1, col, LIST_ROWS, col, &v)) rc = no_memory(e);
    mem_free(values);
    return rc;
}

static int lists(struct sheet_writer *w, const struct sheet_column *c, size_t n, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        if (c[i].nchoices && fits_quoted(&c[i])) rc = quoted_list(w, (lxw_col_t)i, &c[i], e);
    return rc;
}

static int header(struct sheet_writer *w, const struct sheet_column *c, size_t n, struct error *e)
{
    lxw_format *plain = header_format(w, false), *required = header_format(w, true);
    int rc = plain && required ? 0 : no_memory(e);
    for (size_t i = 0; i < n && !rc; i++) {
        lxw_col_t col = (lxw_col_t)i;
        worksheet_set_column(w->sheet, col, col, width_of(&c[i]), w->formats[c[i].type]);
        if (worksheet_write_string(w->sheet, 0, col, text_of(w, c[i].title), c[i].required ? required : plain))
            rc = error_set(e, ERR_IO, "", "the table cannot be written", "无法写入表格");
        lxw_comment_options box = {.width = 260, .height = 90};
        if (c[i].note.n) worksheet_write_comment_opt(w->sheet, 0, col, text_of(w, c[i].note), &box);
    }
    worksheet_freeze_panes(w->sheet, 1, 0);
    w->row = 1;
    return rc;
}

int sheet_writer_open(const char *path, const char *tmpdir, struct str name, const struct sheet_column *c, size_t n,
                      struct sheet_writer **ret, struct error *e)
{
    lxw_workbook_options o = {.constant_memory = LXW_TRUE, .tmpdir = (char *)tmpdir};
    if (n > SHEET_COLUMNS_MAX)
        return error_set(e, ERR_TOO_LARGE, "columns", "more than %d columns", "超过 %d 列", SHEET_COLUMNS_MAX);
    struct sheet_writer *w = mem_calloc(1, sizeof *w);
    if (!w) return no_memory(e);
    buf_init(&w->text, 8 * SHEET_TEXT_MAX + 16);
    w->n = n;
    char title[32 * 4];
    str_to_cstr(str_sub(name, 0, 31), title, sizeof title);
    w->book = workbook_new_opt(path, &o);
    bool named = w->book && workbook_validate_sheet_name(w->book, title) == LXW_NO_ERROR;
    w->sheet = w->book ? workbook_add_worksheet(w->book, named ? title : NULL) : NULL;
    int rc = w->sheet ? 0 : no_memory(e);
    if (!rc) open_formats(w);
    if (!rc) rc = header(w, c, n, e);
    if (!rc) rc = lists(w, c, n, e);
    if (rc)
        sheet_writer_abort(w);
    else
        *ret = w;
    return rc;
}

static int write_text(struct sheet_writer *w, lxw_col_t col, struct str s, struct error *e)
{
    char where[48];
    if (characters(s) <= SHEET_TEXT_MAX) {
        lxw_error err = worksheet_write_string(w->sheet, w->row, col, escaped(w, s), w->formats[CELL_TEXT]);
        return err ? error_set(e, ERR_IO, "", "the table cannot be written: %s", "无法写入表格：%s", lxw_strerror(err))
                   : 0;
    }
    snprintf(where, sizeof where, "row %u", w->row + 1);
    return error_set(e, ERR_TOO_LARGE, where, "a cell of a spreadsheet holds at most %d characters; export CSV or JSON",
                     "电子表格单元格最多 %d 个字符；请导出 CSV 或 JSON", SHEET_TEXT_MAX);
}

static int write_cell(struct sheet_writer *w, lxw_col_t col, const struct cell *c, struct error *e)
{
    lxw_error err = LXW_NO_ERROR;
    switch (c->type) {
    case CELL_EMPTY: return 0;
    case CELL_NUMBER: err = worksheet_write_number(w->sheet, w->row, col, c->number, NULL); break;
    case CELL_BOOL: err = worksheet_write_boolean(w->sheet, w->row, col, c->number != 0, NULL); break;
    case CELL_DATE:
        err = worksheet_write_number(w->sheet, w->row, col, serial_from_us(c->time_us), w->formats[CELL_DATE]);
        break;
    default: return c->text.n ? write_text(w, col, c->text, e) : 0;
    }
    return err ? error_set(e, ERR_IO, "", "the table cannot be written: %s", "无法写入表格：%s", lxw_strerror(err)) : 0;
}

int sheet_writer_row(struct sheet_writer *w, const struct cell *cells, size_t n, struct error *e)
{
    int rc = 0;
    if (w->row >= SHEET_ROWS_MAX)
        return error_set(e, ERR_TOO_LARGE, "", "a spreadsheet holds at most %d rows; filter, or export CSV or JSON",
                         "电子表格最多 %d 行；请筛选，或导出 CSV、JSON", SHEET_ROWS_MAX);
    for (size_t i = 0; i < n && i < w->n && !rc; i++) rc = write_cell(w, (lxw_col_t)i, &cells[i], e);
    w->row++;
    return rc;
}

int sheet_writer_finish(struct sheet_writer *w, struct error *e)
{
    lxw_error err = workbook_close(w->book); /* frees the book in any case */
    w->book = NULL;
    sheet_writer_abort(w);
    if (!err) return 0;
    return error_set(e, err == LXW_ERROR_MEMORY_MALLOC_FAILED ? ERR_NOMEM : ERR_DISK_FULL, "",
                     "the spreadsheet cannot be written: %s; is there room for temporary files?",
                     "无法写入电子表格：%s；请检查临时文件空间", lxw_strerror(err));
}

void sheet_writer_abort(struct sheet_writer *w)
{
    if (!w) return;
    if (w->book) lxw_workbook_free(w->book);
    buf_fini(&w->text);
    mem_free(w);
}
