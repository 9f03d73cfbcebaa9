/* import_rows.h - rows of somebody's table become samples: which column means what, which point a name is, what a cell
 * says; batches of them go into the history, faults into a report. Fed by import_text.c and import_parquet.c. One job,
 * one thread. */
#pragma once
#include "core/job.h"
#include "core/node.h"
#include "io/time_form.h"

enum cell_type { CELL_EMPTY, CELL_TEXT, CELL_INT, CELL_DOUBLE, CELL_BOOL, CELL_TIME /* i: microseconds */ };
struct cell {
    enum cell_type type;
    struct str text;
    int64_t i;
    double d;
};

#define IMPORT_BAD_MAX 1000
#define IMPORT_UNKNOWN_MAX 100
#define IMPORT_COLUMNS_MAX 5000
struct import_bad {
    uint64_t line;
    struct str why, why_zh;
};
struct import_point { /* a name that was met */
    struct str name;
    uint64_t hash;
    uint32_t num; /* 0: not to be written */
    uint8_t type; /* enum sample_type that its values become; NONE: by the value, numbers are doubles */
    bool unknown;
    struct str why, why_zh; /* num 0 */
};
struct import_counts {
    uint64_t rows, samples, bad, empty, unknown, created; /* unknown: samples of points that are not there */
    int64_t from_us, to_us;                               /* of the samples; from > to: none */
};

struct importer {
    struct node *node;
    struct job *job;
    struct arena arena; /* names, reasons: as long as the import */
    struct time_form time;
    bool create, dry_run, wide;
    const struct json *mapping;
    size_t col_time, col_point, col_value, col_quality; /* SIZE_MAX: none */
    struct import_point **wide_point;                   /* by column; NULL: not imported */
    size_t ncolumns;
    struct import_point **table; /* open addressing by hash */
    size_t npoints, table_size;
    struct import_point *last;
    struct error fatal; /* code 0: none; why a name could not be looked up: not the row's fault */
    struct sample *batch;
    size_t n;
    bool flushed; /* something has gone to the history since import_mark looked */
    struct import_counts counts;
    struct import_bad bad[IMPORT_BAD_MAX];
    size_t nbad;
    struct str unknown[IMPORT_UNKNOWN_MAX];
    size_t nunknown;
};
/* params: mapping, form, time_format, time_zone, unknown, dry_run. */
MUST_CHECK int importer_init(struct importer *m, struct node *n, struct job *j, struct error *e);
void importer_fini(struct importer *m);
/* The titles of the columns, before the first row. */
MUST_CHECK int importer_columns(struct importer *m, const struct str *title, size_t n, struct error *e);
/* 0, or why the import cannot go on; what is wrong with the row itself goes to the report. */
MUST_CHECK int importer_row(struct importer *m, uint64_t line, const struct cell *cell, size_t n, struct error *e);
void importer_bad(struct importer *m, uint64_t line, const char *why, const char *why_zh); /* a row that cannot even be read */
/* What is gathered, durably. importer_row does it every so often, also in the middle of a row. */
MUST_CHECK int importer_flush(struct importer *m, struct error *e);
/* Counts and report, in and out of a checkpoint; the result. */
struct json *importer_report(const struct importer *m, struct arena *a);
void importer_restore(struct importer *m, const struct json *report);
