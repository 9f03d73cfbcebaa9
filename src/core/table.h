/* table.h - tables of resources in and out: CSV, XLSX, JSON.
 *
 * A table is read from bytes in memory (they must live as long), row by row and bounded, as often as wanted.
 * CSV may be UTF-8, UTF-16 or GB18030 (what Excel saves in China). JSON is a list of envelopes, or one
 * envelope a line; its rows are no cells but objects.
 * An export is written to a file as a whole: one snapshot, any sort, and a failure is known before the first
 * byte goes to anybody. Blocking (SQL); any thread. */
#pragma once
#include "core/resource.h"

enum table_format { TABLE_CSV, TABLE_XLSX, TABLE_JSON };
const char *table_format_name(enum table_format f); /* "csv" "xlsx" "json" */
/* By content. */
enum table_format table_guess(struct str bytes);

struct table;
MUST_CHECK int table_open(enum table_format f, struct str bytes, struct str sheet /* XLSX; empty: the first */,
                          struct table **ret, struct error *e);
void table_close(struct table *t); /* NULL allowed */
size_t table_sheets(const struct table *t);
struct str table_sheet(const struct table *t, size_t i); /* name */
struct str table_sheet_now(const struct table *t);

/* What a column of the table means: by its number and the field's path ("code", "labels.area", "spec.period"). */
struct table_mapping {
    size_t column; /* from 0 */
    struct str field;
};
struct table_default { /* for rows whose cell is empty, or when no column has the field */
    struct str field, text;
};
enum import_mode { IMPORT_UPSERT /* by code */, IMPORT_CREATE, IMPORT_UPDATE };
struct import_options {
    enum import_mode mode;
    bool dry_run;
    bool skip_errors;  /* good rows are kept, committed in chunks; else all or nothing, in one transaction */
    size_t chunk;      /* rows a transaction with skip_errors; 0: 5000 */
    size_t header_row; /* from 1; 0: the first that is not empty. Rows above and the header are not imported */
    const struct table_mapping *mapping; /* NULL: by the header's names and titles */
    size_t nmapping;
    const struct table_default *defaults;
    size_t ndefaults;
    int tz_minutes; /* dates of a spreadsheet have no zone: minutes east of UTC */
    /* After every 500 rows; false: end with ERR_CANCELLED (what chunks have kept stays). */
    bool (*progress)(void *ctx, size_t rows);
    void *ctx;
};
struct import_result {
    struct bulk_report report; /* line: row of the sheet, line of the text, number of the JSON item */
    size_t kept;               /* rows that are in the store: created and updated ones that were committed */
    int64_t locked_us;         /* longest time that the one writer was held */
};
/* On failure *ret is filled too (kept says what stays). */
MUST_CHECK int table_import(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                            struct table *t, const struct import_options *o, struct import_result *ret,
                            struct error *e);

/* For a person who maps columns: what is there, and what it probably means. */
struct preview_column {
    struct str title, field /* {NULL,0}: no idea */, samples[5];
    size_t nsamples;
};
struct table_preview {
    size_t header_row, rows; /* rows: below the header, at most SHEET_ROWS_MAX */
    struct preview_column *columns;
    size_t n;
};
/* header_row 0: the row among the first 20 whose cells are known best. */
MUST_CHECK int table_preview(struct arena *a, const struct kind *kd, struct table *t, size_t header_row,
                             struct table_preview *ret, struct error *e);
/* Each field that a table may have: path and title. fn non-zero stops and is returned. */
int table_fields(const struct kind *kd, bool zh,
                 int (*fn)(void *ctx, struct str path, struct str title, const struct field *f), void *ctx);

struct export_options {
    enum table_format format;
    const struct str *columns; /* paths; NULL: all */
    size_t ncolumns;
    bool titles; /* header: titles in the language instead of paths */
    bool zh;
    bool no_bom;        /* CSV without the mark that Excel needs to see UTF-8 */
    bool template_only; /* no rows */
    int tz_minutes;
    const char *path, *tmpdir; /* the file to write; where a spreadsheet puts temporary files (NULL: the system's) */
};
MUST_CHECK int table_export(struct kernel *k, const char *kind, const struct list_query *q /* limit ignored */,
                            const struct export_options *o, struct error *e);
