/* sql.h - the relational store behind one interface: SQLite or PostgreSQL.
 *
 * SQL must be understood by both (docs: store/README.md): placeholders $1…$n, booleans as 0/1, times as
 * bigint microseconds, JSON as text read with -> and ->>, `insert … on conflict do update`, no
 * functions that differ. One writer at a time; readers do not wait for it (WAL).
 *
 * Threads: sql_begin takes the writer (waits up to 10 s, then ERR_AGAIN) or a reader of the pool and
 * gives a transaction that belongs to the calling thread until commit or rollback. Commit of a writer
 * returns after the data is durable (fsync). */
#pragma once
#include <stdbool.h>
#include "base/arena.h"

struct sql;      /* a database */
struct sql_tx;   /* a transaction of this thread */
struct sql_stmt; /* a running statement */

/* url: "sqlite:/path/file.db" | "sqlite::memory:" | "postgresql://…" (libpq). */
MUST_CHECK int sql_open(const char *url, struct sql **ret, struct error *e);
void sql_close(struct sql *db);

/* For the few texts that differ (full-text search). */
enum sql_dialect { SQL_SQLITE, SQL_POSTGRESQL };
enum sql_dialect sql_dialect(const struct sql *db);
/* Other processes may write to it while it is open (PostgreSQL). */
bool sql_shared(const struct sql *db);

/* Leases: what must run once although several processes share one database. Taken for `ttl_s`, renewed by
 * taking it again; `owner` names the process. 1: mine now, 0: another's (*ret_owner tells, may be NULL). A
 * SQLite database has one process: always mine. */
MUST_CHECK int sql_lease(struct sql *db, const char *name, const char *owner, int ttl_s, char ret_owner[64], struct error *e);
void sql_lease_drop(struct sql *db, const char *name, const char *owner);
/* From now until sql_close no other process uses it: ERR_AGAIN when one does; whoever opens it is refused. */
MUST_CHECK int sql_alone(struct sql *db, struct error *e);

/* What was written to a shared database, by this process and by others: fn is called on a thread of the database
 * soon after the commit, once a table; it may block, and neither watches nor unwatches. Never called where the
 * database is not shared. sql_unwatch waits for a call that runs. */
struct sql_written {
    const char *table; /* NULL: anything may have changed, the connection was lost */
    bool own;          /* by this open database */
    bool rows;         /* rows came or went; false: they were updated only */
};
MUST_CHECK int sql_watch(struct sql *db, void (*fn)(void *ctx, const struct sql_written *w), void *ctx, struct error *e);
void sql_unwatch(struct sql *db, void *ctx);

MUST_CHECK int sql_begin(struct sql *db, bool write, struct sql_tx **ret, struct error *e);
MUST_CHECK int sql_commit(struct sql_tx *tx, struct error *e); /* ends tx in any case */
void sql_rollback(struct sql_tx *tx);                          /* NULL allowed */

/* Prepare (cached per connection) and bind. Arguments by sql_bind_*, index from 1. */
MUST_CHECK int sql_prepare(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e);
void sql_bind_i64(struct sql_stmt *s, int i, int64_t v);
void sql_bind_double(struct sql_stmt *s, int i, double v);
void sql_bind_str(struct sql_stmt *s, int i, struct str v); /* {NULL,0}: null; copied */
void sql_bind_blob(struct sql_stmt *s, int i, const void *p, size_t n);
void sql_bind_null(struct sql_stmt *s, int i);
/* 1: a row is there, 0: done, negative: error (ERR_EXISTS for a unique constraint, ERR_REFERENCED for a
 * foreign key, ERR_DISK_FULL, ERR_CORRUPT, ERR_IO …). */
MUST_CHECK int sql_step(struct sql_stmt *s, struct error *e);
int64_t sql_i64(struct sql_stmt *s, int col); /* columns from 0 */
double sql_double(struct sql_stmt *s, int col);
struct str sql_str(struct sql_stmt *s, int col); /* valid until the next step; {NULL,0}: null */
bool sql_is_null(struct sql_stmt *s, int col);
void sql_done(struct sql_stmt *s); /* back to the cache; NULL allowed */
/* For statements without rows and with at most simple arguments: fmt letters i (int64_t), s (struct str),
 * d (double), n (null): sql_exec(tx, e, "insert … values($1,$2)", "is", (int64_t)1, STR("x")). */
MUST_CHECK int sql_exec(struct sql_tx *tx, struct error *e, const char *text, const char *fmt, ...);
int64_t sql_changes(struct sql_tx *tx); /* rows changed by the last statement */

/* Forward-only numbered migrations of one component; before the first one that runs on an existing
 * database a backup "<file>.before-<component>-<n>" is written. */
struct sql_migration {
    int number;
    const char *text; /* several statements */
};
MUST_CHECK int sql_migrate(struct sql *db, const char *component, const struct sql_migration *m, size_t n,
                           struct error *e);

/* Everything in it as it is at one moment, into a new SQLite file at `path` (replaced when it is there), durable on
 * return, while everybody goes on working. SQLite: the database itself, opened like it. PostgreSQL: its tables without
 * indices and without what is derived from others; sql_copy_run from it makes a database again. */
MUST_CHECK int sql_snapshot(struct sql *db, const char *path, struct error *e);
