/* import.h - the job history.import: an uploaded CSV or Parquet file into the history.
 *
 * import.c has the job, import_text.c reads CSV, import_parquet.c Parquet, import_rows.c makes samples of rows. The job
 * notes how far it has come every few seconds, after what it read is durable, and goes on from there after a stop; rows
 * that come twice do no harm, as a sample is known by point and time. */
#pragma once
#include "core/node.h"
#include "modules/history/import_rows.h"
#include "store/object.h"

struct import_run {
    struct importer rows;
    struct object_store *objects;
    const char *key;
    uint64_t size;
    const struct clock *clock;
    uint64_t from_at, from_line; /* where a checkpoint says to begin: the reader's own figures; 0, 0: at the beginning */
    uint64_t marked_ns;
};
/* Between rows, when rows.flushed: everything up to (at, line) is read. Made durable and noted, if it is time; progress in
 * bytes of the file. */
MUST_CHECK int import_mark(struct import_run *r, uint64_t at, uint64_t line, uint64_t bytes, struct error *e);

MUST_CHECK int import_csv(struct import_run *r, struct error *e);
MUST_CHECK int import_parquet(struct import_run *r, struct error *e);
int import_add(struct node *n, struct error *e); /* the job's type; from init */
