/* copy.h - a whole database into another one, of the same engine or the other: `bornite migrate`.
 *
 * The copy is made beside its place - SQLite: "<file>.part", PostgreSQL: schema "<schema>_part" - and put there
 * under its name as the last step, at once: whoever kills it finds the whole copy or none. What an interrupted one
 * left beside is thrown away by the next. Nobody else may have the source open, and nothing may stand at the
 * target. Blocking; one thread. */
#pragma once
#include "store/sql.h"

struct sql_copy_table {
    char name[64];
    int64_t rows;
    char digest[33]; /* of all rows in any order; the same in the source and, read again, in the copy */
};
#define SQL_COPY_TABLES 256

struct sql_copy {
    const char *from, *to; /* URLs */
    bool dry_run;          /* read and judge everything, make nothing */
    /* Makes the tables of this program, empty or not, in the database at `url`. */
    int (*make_tables)(void *ctx, const char *url, struct error *e);
    /* A table is at `done` of `rows` rows; step "copy" or "verify" ("read" with dry_run). */
    void (*progress)(void *ctx, const char *step, const char *table, int64_t done, int64_t rows);
    void *ctx;
    const char *scratch; /* URL of a database to throw away: what this program's tables look like */
    struct sql_copy_table table[SQL_COPY_TABLES]; /* the outcome */
    size_t ntables;
};
/* ERR_AGAIN: the source is open elsewhere. ERR_EXISTS: the target is not empty. ERR_UNSUPPORTED: the source is of
 * another version. */
MUST_CHECK int sql_copy_run(struct sql_copy *c, struct error *e);
