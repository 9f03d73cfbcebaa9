/* sheet.h - spreadsheets (XLSX, ECMA-376): reading from bytes, row by row and bounded; writing to a file.
 *
 * Reading: xlsx_open takes the whole file in memory (it stays the caller's), sheet_begin starts a sheet,
 * sheet_next gives one row after the other. Only the text of the shared strings and some rows are held.
 * Nothing of the file is trusted: entry names, sizes, counts, depth and the ratio of inflation are limited,
 * document type declarations are refused, nothing outside the file is ever read. No clock, no I/O.
 *
 * Writing: sheet_writer_* makes one sheet with a header in constant memory (libxlsxwriter, which writes the
 * file at `path` and temporary files beside it). Text is always text: no cell becomes a formula.
 *
 * A date of a spreadsheet has no time zone: time_us is what the clock on the wall shows, as if it were UTC. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"

#define SHEET_ROWS_MAX 1048576 /* of the format */
#define SHEET_COLUMNS_MAX 600
#define SHEET_TEXT_MAX 32767 /* characters a cell, of the format */

enum cell_type { CELL_EMPTY, CELL_TEXT, CELL_NUMBER, CELL_BOOL, CELL_DATE, CELL_ERROR };
struct cell {
    enum cell_type type;
    struct str text; /* TEXT; ERROR: "#N/A"; NUMBER and DATE: as the file has it */
    double number;   /* NUMBER, DATE (serial number); BOOL: 0 or 1 */
    int64_t time_us; /* DATE */
};
struct sheet_row {
    size_t number; /* from 1, as the program shows it; rows without any value are left out */
    const struct cell *cells;
    size_t n;
};

struct sheet_limits {  /* 0: the default */
    uint64_t inflated; /* bytes of all entries together: 1 GiB */
    unsigned ratio;    /* inflated to packed, of an entry above 32 MiB: 200 */
    size_t strings;    /* bytes of shared strings: 256 MiB */
    size_t columns;    /* SHEET_COLUMNS_MAX */
};

struct workbook;
/* ERR_INVALID (no XLSX; a .xls, .xlsb, .ods or protected file is named as such), ERR_TOO_LARGE, ERR_NOMEM. */
MUST_CHECK int xlsx_open(const void *bytes, size_t n, const struct sheet_limits *lim, struct workbook **ret,
                         struct error *e);
void xlsx_close(struct workbook *w); /* NULL allowed */
size_t xlsx_sheets(const struct workbook *w);
struct str xlsx_sheet_name(const struct workbook *w, size_t i);
bool xlsx_sheet_hidden(const struct workbook *w, size_t i);
/* Index of a sheet by name; empty: the first that is not hidden. -1: none. */
int xlsx_sheet_find(const struct workbook *w, struct str name);

MUST_CHECK int sheet_begin(struct workbook *w, size_t sheet, struct error *e); /* from the top, also again */
/* 1: a row, valid until the next call; 0: the end; negative: e names sheet and row. */
MUST_CHECK int sheet_next(struct workbook *w, struct sheet_row *ret, struct error *e);
/* One row as a header: a cell merged with cells above has the text of the uppermost. Reads the sheet to its
 * end when the row has gaps. Cells and texts live in `a`; *ret_n 0 when there is no such row. */
MUST_CHECK int sheet_header(struct workbook *w, size_t sheet, size_t row, struct arena *a, struct str **ret,
                            size_t *ret_n, struct error *e);

/* The cell as text: numbers in their shortest form, dates as 2026-01-31 or 2026-01-31 08:00:00. */
void cell_text(const struct cell *c, struct buf *out);

/* ------------------------------------------------------------------ writing */

struct sheet_column {
    struct str title, note; /* note: shown when the pointer rests on the header */
    double width;           /* characters; 0: from the title */
    enum cell_type type;    /* how empty cells below are formatted: TEXT keeps "007", DATE shows dates */
    const struct str *choices;
    size_t nchoices; /* a drop-down list below the header, when it fits into 250 characters */
    bool required;   /* the header shows it */
};
struct sheet_writer;
/* path: a file that is made; tmpdir: where temporary files go (NULL: the system's). */
MUST_CHECK int sheet_writer_open(const char *path, const char *tmpdir, struct str name, const struct sheet_column *c,
                                 size_t n, struct sheet_writer **ret, struct error *e);
MUST_CHECK int sheet_writer_row(struct sheet_writer *w, const struct cell *cells, size_t n, struct error *e);
MUST_CHECK int sheet_writer_finish(struct sheet_writer *w, struct error *e); /* ends w in any case */
void sheet_writer_abort(struct sheet_writer *w);                             /* the file may be left; NULL allowed */
