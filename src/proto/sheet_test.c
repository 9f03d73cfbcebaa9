/* sheet_test.c - reading what libxlsxwriter and our own writer wrote, archives made by hand for what no
 * program writes (merges, epochs, attacks), and the limits. Files of other programs: tests/import.test.mjs. */
#include <stdlib.h>
#include <xlsxwriter.h>
#include "base/test.h"
#include "proto/sheet_int.h"

static struct error e;
static void *bytes;
static size_t nbytes;

static const char *tmp(const char *name)
{
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    return path;
}

static bool load(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    free(bytes);
    bytes = malloc(64 << 20);
    nbytes = fread(bytes, 1, 64 << 20, f);
    fclose(f);
    return nbytes > 0;
}

struct part {
    const char *name, *text;
};

static bool pack(const struct part *p, size_t n)
{
    const char *path = tmp("made.xlsx");
    remove(path);
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    for (size_t i = 0; z && i < n; i++)
        if (zip_file_add(z, p[i].name, zip_source_buffer(z, p[i].text, strlen(p[i].text), 0), 0) < 0) return false;
    return z && zip_close(z) == 0 && load(path);
}

#define RELS \
    { \
        "_rels/.rels", "<Relationships><Relationship Id='r1' Type='x/officeDocument' Target='xl/workbook.xml'/>" \
                       "</Relationships>" \
    }
#define BOOK_RELS \
    { \
        "xl/_rels/workbook.xml.rels", \
            "<Relationships><Relationship Id='r1' Type='x/worksheet' Target='worksheets/s.xml'/>" \
            "<Relationship Id='r2' Type='x/sharedStrings' Target='/xl/sst.xml'/>" \
            "<Relationship Id='r3' Type='x/styles' Target='styles.xml'/></Relationships>" \
    }
#define STYLES \
    { \
        "xl/styles.xml", \
            "<styleSheet><numFmts><numFmt numFmtId='164' " \
            "formatCode='yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;'/>" \
            "</numFmts><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='164'/></cellXfs></styleSheet>" \
    }
#define BOOK \
    { \
        "xl/workbook.xml", "<workbook><sheets><sheet name='表一' r:id='r1'/></sheets></workbook>" \
    }

static bool made(const char *sheet, const char *strings)
{
    struct part p[] = {RELS, BOOK, BOOK_RELS, STYLES, {"xl/worksheets/s.xml", sheet}, {"xl/sst.xml", strings}};
    return pack(p, 6);
}

static struct workbook *opened(void)
{
    struct workbook *w = NULL;
    e = (struct error){0};
    return xlsx_open(bytes, nbytes, NULL, &w, &e) ? NULL : w;
}

/* All rows as text: "1: a|b\n". */
static const char *dump(struct workbook *w, size_t sheet)
{
    static struct buf b;
    struct sheet_row r;
    int rc;
    if (!b.max) buf_init(&b, 1 << 20);
    buf_clear(&b);
    e = (struct error){0};
    if (sheet_begin(w, sheet, &e)) return e.text;
    while ((rc = sheet_next(w, &r, &e)) == 1) {
        buf_printf(&b, "%zu:", r.number);
        for (size_t i = 0; i < r.n; i++) {
            buf_z(&b, i ? "|" : " ");
            cell_text(&r.cells[i], &b);
            buf_z(&b, r.cells[i].type == CELL_TEXT ? "~" : r.cells[i].type == CELL_ERROR ? "!" : "");
        }
        buf_z(&b, "\n");
    }
    return rc < 0 ? e.text : buf_cstr(&b);
}

TEST(what_libxlsxwriter_wrote)
{
    const char *path = tmp("a.xlsx");
    lxw_workbook *b = workbook_new(path);
    lxw_worksheet *s = workbook_add_worksheet(b, "测点");
    lxw_format *date = workbook_add_format(b);
    format_set_num_format(date, "yyyy-mm-dd hh:mm");
    lxw_datetime t = {2026, 2, 28, 13, 45, 0};
    worksheet_write_string(s, 0, 0, "编码", NULL);
    worksheet_write_number(s, 0, 2, 0.1, NULL);
    worksheet_write_datetime(s, 2, 0, &t, date);
    worksheet_write_boolean(s, 2, 1, 1, NULL);
    worksheet_write_formula_num(s, 2, 2, "=1+2", NULL, 3);
    worksheet_write_formula_str(s, 2, 3, "=\"a\"&\"b\"", NULL, "ab");
    worksheet_write_string(s, 2, 4, "a\rb_x000D_", NULL);
    workbook_add_worksheet(b, "空");
    REQUIRE(workbook_close(b) == 0 && load(path));
    struct workbook *w = opened();
    REQUIRE(w);
    CHECK_INT(xlsx_sheets(w), 2);
    CHECK_STR(xlsx_sheet_name(w, 0), "测点");
    CHECK_Z(dump(w, 0), "1: 编码~||0.1\n3: 2026-02-28 13:45:00|true|3|ab~|a\rb\r~\n");
    CHECK_Z(dump(w, 1), "");
    CHECK_INT(xlsx_sheet_find(w, STR("空")), 1);
    CHECK_INT(xlsx_sheet_find(w, STR("无")), -1);
    xlsx_close(w);
}

TEST(every_form_of_a_cell)
{
    REQUIRE(
        made("<worksheet><sheetData>"
             "<row><c t='s'><v>0</v></c><c t='s'><v>1</v></c><c t='inlineStr'><is><r><t>in</t></r><r><t>line</t></r>"
             "<rPh><t>x</t></rPh></is></c><c t='e'><v>#N/A</v></c><c s='1'><v>60</v></c><c s='2'><v>61</v></c></row>"
             "<row r='5'><c r='C5' s='1'><v>1</v></c><c><v>1E-7</v></c><c s='1'/><c t='d'><v>2026-01-02</v></c>"
             "<c t='b'><v>0</v></c></row><row r='7' s='3'><c r='A7'/></row></sheetData></worksheet>",
             "<sst><si><r><t>富</t></r><r><t>文本</t></r><rPh><t>no</t></rPh></si><si><t>a_x000A_b</t></si></sst>"));
    struct workbook *w = opened();
    REQUIRE(w);
    CHECK_Z(dump(w, 0), "1: 富文本~|a\nb~|inline~|#N/A!|1900-02-28|1900-03-01\n"
                        "5: ||1900-01-01|1e-07||2026-01-02|false\n");
    xlsx_close(w);
}

TEST(dates_of_both_epochs)
{
    CHECK_INT(serial_to_us(25569, false), 0);
    CHECK_INT(serial_to_us(25569.5, false), 43200000000);
    CHECK_INT(serial_to_us(25569 - 1462, true), 0);
    CHECK_INT(serial_to_us(1, false), -2208988800000000);
    CHECK_DBL(serial_from_us(serial_to_us(46000.25, false)), 46000.25, 1e-9);
    static const struct {
        const char *format;
        bool date;
    } f[] = {{"General", false},       {"0.00", false},      {"yyyy-mm-dd", true},
             {"[h]:mm", false},        {"\"day\" 0", false}, {"[$-804]yyyy\"年\"m\"月\"", true},
             {"#,##0;[Red]-0", false}, {"[Red]0", false},    {"h:mm AM/PM", true}};
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        if (format_is_date(str_of(f[i].format)) != f[i].date) test_fail(__FILE__, __LINE__, "%s", f[i].format);
}

TEST(merged_headers)
{
    REQUIRE(
        made("<worksheet><sheetData><row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c></row>"
             "<row r='2'><c r='B2' t='inlineStr'><is><t>low</t></is></c></row><row r='3'><c r='A3'><v>1</v></c></row>"
             "</sheetData><mergeCells><mergeCell ref='A1:A2'/><mergeCell ref='B1:C1'/></mergeCells></worksheet>",
             "<sst><si><t> code </t></si><si><t>limits</t></si></sst>"));
    struct workbook *w = opened();
    struct str *cells;
    size_t n;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    REQUIRE(w);
    REQUIRE(sheet_header(w, 0, 2, &a, &cells, &n, &e) == 0);
    REQUIRE(n == 2);
    CHECK_STR(cells[0], "code");
    CHECK_STR(cells[1], "low");
    REQUIRE(sheet_header(w, 0, 1, &a, &cells, &n, &e) == 0);
    CHECK_INT(n, 2);
    REQUIRE(sheet_header(w, 0, 9, &a, &cells, &n, &e) == 0);
    CHECK_INT(n, 0);
    CHECK_Z(dump(w, 0), "1:  code ~|limits~\n2: |low~\n3: 1\n");
    xlsx_close(w);
}

TEST(what_is_no_xlsx_is_said)
{
    static const char ole[] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old";
    struct workbook *w = NULL;
    CHECK_INT(xlsx_open(ole, sizeof ole, NULL, &w, &e), ERR_INVALID);
    CHECK_Z(e.text, "this is an old Excel file (.xls); save it as .xlsx");
    CHECK_INT(xlsx_open("a,b\n", 4, NULL, &w, &e), ERR_INVALID);
    CHECK_INT(xlsx_open("PK\3\4xxxx", 8, NULL, &w, &e), ERR_INVALID);
    struct part ods[] = {{"content.xml", "<x/>"}}, up[] = {{"../x", "<x/>"}, RELS};
    REQUIRE(pack(ods, 1));
    CHECK(!opened() && strstr(e.text, ".ods"));
    REQUIRE(pack(up, 2));
    CHECK(!opened() && strstr(e.text, "not allowed: '../x'"));
}

TEST(attacks_and_damage)
{
    struct workbook *w;
    REQUIRE(made("<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet/>", "<sst/>"));
    REQUIRE((w = opened()));
    CHECK(strstr(dump(w, 0), "document type declaration"));
    xlsx_close(w);
    REQUIRE(made("<worksheet><sheetData><row><c t='s'><v>9</v></c></row></sheetData></worksheet>", "<sst/>"));
    REQUIRE((w = opened()));
    CHECK(strstr(dump(w, 0), "a text that is not there"));
    CHECK_Z(e.where, "row 1");
    xlsx_close(w);
    REQUIRE(made("<worksheet><sheetData><row r='1'><c r='ZZ1'><v>9</v></c></row></sheetData></worksheet>", "<sst/>"));
    REQUIRE((w = opened()));
    CHECK_Z(dump(w, 0), "has more than 600 columns");
    xlsx_close(w);
    REQUIRE(made("<worksheet><sheetData><row r='1'><c>", "<sst/>"));
    REQUIRE((w = opened()));
    CHECK(strstr(dump(w, 0), "damaged"));
    xlsx_close(w);
}

TEST(a_bomb_stops_early)
{
    size_t n = 80u << 20;
    char *text = malloc(n + 1);
    REQUIRE(text);
    memset(text, ' ', n);
    text[n] = 0;
    memcpy(text, "<worksheet>", 11);
    struct workbook *w = NULL;
    bool ok = made(text, "<sst/>");
    free(text);
    REQUIRE(ok && nbytes < 200000);
    REQUIRE((w = opened()));
    CHECK(strstr(dump(w, 0), "times its packed size"));
    xlsx_close(w);
    struct sheet_limits small = {.inflated = 1000};
    CHECK_INT(xlsx_open(bytes, nbytes, &small, &w, &e), 0);
    if (w) CHECK(strstr(dump(w, 0), "inflates to more than"));
    xlsx_close(w);
}

TEST(what_is_written_reads_back)
{
    static const struct str units[] = {{"kg", 2}, {"t,dry", 5}}, yes[] = {{"true", 4}, {"false", 5}};
    static const struct sheet_column cols[] = {
        {.title = {"code", 4}, .type = CELL_TEXT, .required = true, .note = {"help", 4}},
        {.title = {"时间", 6}, .type = CELL_DATE},
        {.title = {"unit", 4}, .type = CELL_TEXT, .choices = units, .nchoices = 2},
        {.title = {"on", 2}, .type = CELL_BOOL, .choices = yes, .nchoices = 2}};
    struct sheet_writer *x;
    const char *path = tmp("w.xlsx");
    REQUIRE(sheet_writer_open(path, NULL, STR("a/b"), cols, 4, &x, &e) == 0);
    struct cell row[] = {{.type = CELL_TEXT, .text = STR("=1+1")},
                         {.type = CELL_DATE, .time_us = 1767225600123000},
                         {.type = CELL_TEXT, .text = STR("007_x000D_\r")},
                         {.type = CELL_BOOL, .number = 1}};
    CHECK_INT(sheet_writer_row(x, row, 4, &e), 0);
    row[0] = (struct cell){.type = CELL_NUMBER, .number = 0.1};
    row[1] = (struct cell){.type = CELL_EMPTY};
    CHECK_INT(sheet_writer_row(x, row, 3, &e), 0);
    REQUIRE(sheet_writer_finish(x, &e) == 0 && load(path));
    struct workbook *w = opened();
    REQUIRE(w);
    CHECK_INT(xlsx_sheets(w), 1);
    CHECK_Z(dump(w, 0),
            "1: code~|时间~|unit~|on~\n2: =1+1~|2026-01-01 00:00:00.123|007_x000D_\r~|true\n3: 0.1||007_x000D_\r~\n");
    xlsx_close(w);
}

TEST(rows_longer_than_a_piece)
{
    const char *path = tmp("long.xlsx");
    lxw_workbook *b = workbook_new(path);
    lxw_worksheet *s = workbook_add_worksheet(b, NULL);
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (lxw_row_t r = 0; r < 50; r++)
        for (lxw_col_t c = 0; c < 500; c++) {
            snprintf(text, 24, "%u/%u/", r, c);
            text[strlen(text)] = 'x';
            worksheet_write_string(s, r, c, text, NULL);
        }
    REQUIRE(workbook_close(b) == 0 && load(path));
    struct workbook *w = opened();
    struct sheet_row r;
    REQUIRE(w && sheet_begin(w, 0, &e) == 0);
    for (unsigned i = 0; i < 50; i++) {
        char want[24];
        snprintf(want, sizeof want, "%u/%u/", i, 499);
        REQUIRE(sheet_next(w, &r, &e) == 1 && r.n == 500);
        CHECK(str_starts(r.cells[499].text, str_of(want)));
    }
    CHECK_INT(sheet_next(w, &r, &e), 0);
    xlsx_close(w);
}
