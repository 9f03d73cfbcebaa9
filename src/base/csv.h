/* csv.h - RFC 4180 rows, streaming and bounded; UTF-8 (BOM skipped), CR LF, LF; quotes, doubled quotes,
 * line breaks inside quotes. The separator is found from the first line (, ; or tab). Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
struct csv {
    struct str text;
    size_t pos, row;      /* next byte; rows given out */
    size_t line;          /* line number of the row last given out, from 1 */
    char sep;
    size_t max_cells, max_cell; /* limits: cells a row, bytes a cell */
    size_t next_line;     /* line number at pos */
    size_t from, from_line; /* where the row last tried begins */
    bool more;            /* `text` is a window, more comes behind it: a row that reaches its end is ERR_AGAIN, nothing taken */
};
void csv_init(struct csv *c, struct str text);
/* Next row: *ret_cells points to *ret_n views (unescaped copies live in `a`). 1: a row, 0: end,
 * negative: ERR_INVALID (open quote, stray quote, not UTF-8), ERR_TOO_LARGE, ERR_NOMEM. Empty lines are skipped. */
MUST_CHECK int csv_next(struct csv *c, struct arena *a, struct str **ret_cells, size_t *ret_n, struct error *e);
/* After an error of csv_next: go on with the line below the one where the bad row begins. false: it is not in `text`. */
bool csv_skip_line(struct csv *c);
/* One cell, quoted where needed, preceded by a comma unless first; a leading = + - @ that is no number
 * gets a ' before it (formula injection in spreadsheets; CWE-1236). Row ends by buf_z(b, "\r\n"). */
void csv_cell(struct buf *b, struct str cell, bool first);
