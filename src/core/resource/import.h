/* import.h - the columns of a resource table and its reader: shared by the import_*.c files. */
#pragma once
#include "base/csv.h"
#include "core/resource/kernel_int.h"
#include "core/table.h"
#include "proto/sheet.h"

enum column_what { COLUMN_CODE, COLUMN_NAME, COLUMN_ORG, COLUMN_LABEL, COLUMN_FIELD, COLUMN_IGNORED };
struct column {
    enum column_what what;
    struct str path;       /* field: "options.port"; label: its key */
    const struct field *f; /* field */
    bool nested;
    struct str def; /* text for empty cells, or {NULL,0} */
};
struct columns {
    struct column *items;
    size_t n;
};
#define COLUMNS_MAX SHEET_COLUMNS_MAX

/* Columns of a header row. ERR_INVALID names the column and the nearest name. */
MUST_CHECK int columns_read(const struct kind *kd, struct arena *a, const struct str *cells, size_t n,
                            struct columns *ret, struct error *e);
/* Columns as a person mapped them. */
MUST_CHECK int columns_mapped(const struct kind *kd, struct arena *a, const struct table_mapping *m, size_t n,
                              struct columns *ret, struct error *e);
/* Texts for empty cells; a field without a column gets one behind the last. */
MUST_CHECK int columns_defaults(const struct kind *kd, struct arena *a, const struct table_default *d, size_t n,
                                struct columns *cols, struct error *e);
/* One column by its path, as it stands in exports and mappings. */
MUST_CHECK int column_by_path(const struct kind *kd, struct arena *a, struct str path, struct column *ret,
                              struct error *e);
/* The column that a title probably means; false: no idea. */
bool column_suggest(const struct kind *kd, struct arena *a, struct str title, struct column *ret);
/* "code", "labels.area", "spec.options.port"; {NULL,0} for ignored ones or without memory. */
struct str column_path(struct arena *a, const struct column *c);
/* Title of a field with those of the objects around it: "Limits / High". */
struct str column_title(const struct kind *kd, struct arena *a, const struct column *c, bool zh);
bool column_sensitive(const struct kind *kd, const struct column *c);
/* All leaves of the schema, in its order, as columns after the `fixed` first ones. */
MUST_CHECK int columns_all(const struct kind *kd, struct arena *a, const struct str *labels, size_t nlabels, bool org,
                           struct columns *ret, struct error *e);
/* True when every leaf below the top-level field of `path` has a column. */
bool columns_cover(const struct columns *c, const struct kind *kd, struct str path);

/* ------------------------------------------------------------------ the reader (import_source.c) */

struct table {
    enum table_format format;
    struct str bytes;
    struct buf converted, text;
    struct csv csv;
    struct workbook *book;
    size_t sheet;
    size_t pos, item; /* JSON: next byte; items given out */
    bool in_list;
};
struct table_row {
    size_t line;
    const struct cell *cells;
    size_t n;
    const struct json *object; /* JSON: instead of cells */
};
MUST_CHECK int table_rewind(struct table *t, struct error *e);
/* 1: a row, 0: the end. What it holds lives until the next call or in `a`. */
MUST_CHECK int table_next(struct table *t, struct arena *a, struct table_row *ret, struct error *e);
MUST_CHECK int table_text(struct table *t, const struct cell *c, struct arena *a, struct str *ret, struct error *e);
MUST_CHECK int table_header(struct table *t, size_t header_row, struct arena *a, struct str **ret, size_t *ret_n,
                            size_t *ret_row, struct error *e);
