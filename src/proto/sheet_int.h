/* sheet_int.h - between the files of the spreadsheet reader. */
#pragma once
#include <expat.h>
#include <zip.h>
#include "base/mem.h"
#include "proto/sheet.h"

#define SHEETS_MAX 1024
#define STYLES_MAX 65536
#define MERGES_MAX 20000

/* An entry of the archive, inflated and parsed piece by piece. */
struct xml_ops {
    void (*start)(void *ctx, const char *name, const char **attr); /* name without its prefix */
    void (*end)(void *ctx, const char *name);
    void (*text)(void *ctx, const char *p, size_t n);
};
struct xml_in {
    struct workbook *w;
    const struct xml_ops *ops;
    void *ctx;
    zip_file_t *file;
    XML_Parser parser;
    const char *entry;
    uint64_t packed, inflated;
    unsigned depth;
    int rc; /* first failure */
    struct error err;
};
/* ERR_NOT_FOUND when there is no such entry. */
MUST_CHECK int xml_open(struct xml_in *x, struct workbook *w, const char *entry, const struct xml_ops *ops, void *ctx,
                        struct error *e);
/* 1: more to come, 0: the end, negative. */
MUST_CHECK int xml_step(struct xml_in *x, struct error *e);
void xml_close(struct xml_in *x);
MUST_CHECK int xml_all(struct workbook *w, const char *entry, const struct xml_ops *ops, void *ctx, struct error *e);
/* Stop from inside a callback: x->err has been filled. */
void xml_fail(struct xml_in *x, int code);
const char *xml_attr(const char **attr, const char *name); /* prefix ignored; NULL */

struct sheet_entry {
    struct str name;
    char *path; /* in the archive */
    bool hidden;
};
struct merge {
    uint32_t x0, y0, x1, y1; /* from 1 */
};
struct rows { /* sheet_rows.c: the rows of the entry that is being read */
    struct xml_in in;
    bool open, more;
    struct arena a, spare; /* of the rows that wait; the other takes over what a row has so far */
    struct sheet_row *queue;
    size_t head, n, cap;
    struct cell *cells; /* of the row being read */
    size_t ncells, cells_cap;
    size_t row, column; /* from 1; the last */
    struct cell cell;
    bool in_row, in_cell, in_value, in_inline, any;
    unsigned phonetic;
    char type; /* of the cell: s n b e t(str) i(inline) d */
    unsigned style;
    struct buf text;
    struct merge *merges; /* only when wanted */
    bool want_merges;
    size_t nmerges, merges_cap;
};
struct workbook {
    zip_t *zip;
    struct sheet_limits lim;
    uint64_t inflated, inflated_base; /* all so far; without the rows */
    struct arena a;                   /* names, paths */
    struct sheet_entry sheets[SHEETS_MAX];
    size_t nsheets;
    bool epoch_1904;
    char *strings_path, *styles_path;
    struct buf strings; /* all texts, one after the other */
    size_t *string_ends;
    size_t nstrings, strings_cap;
    bool strings_loaded;
    bool *dates; /* style -> shows a date */
    size_t ndates, dates_cap;
    struct rows rows;
};

/* sheet_book.c */
MUST_CHECK int book_load(struct workbook *w, struct error *e);
/* sheet_strings.c */
MUST_CHECK int strings_load(struct workbook *w, struct error *e);
struct str strings_at(const struct workbook *w, size_t i, bool *ok);
/* Take out _xHHHH_ in place, from `from` on. */
void text_unescape(struct buf *b, size_t from);
/* sheet_style.c */
MUST_CHECK int styles_load(struct workbook *w, struct error *e);
bool format_is_date(struct str format);
int64_t serial_to_us(double serial, bool epoch_1904);
double serial_from_us(int64_t time_us);
bool serial_in_range(double serial);
/* sheet_rows.c */
void rows_close(struct rows *r);
