/* sql_int.h - what a relational engine supplies behind sql.h. Only files of this folder include it.
 *
 * An engine is one `const struct sql_ops` and one row in the table of sql.c (scheme, open). Its own
 * structs begin with struct sql, struct sql_tx and struct sql_stmt below, so that sql.c can reach the
 * operations and the figures that all engines share. All slots but watch and unwatch are required; all may block, none is
 * called by two threads for the same transaction. */
#pragma once
#include "store/sql.h"

enum sql_type { SQL_NULL, SQL_I64, SQL_DOUBLE, SQL_TEXT, SQL_BLOB };
struct sql_value {
    enum sql_type type;
    union {
        int64_t i;
        double d;
        struct str s; /* TEXT and BLOB; bound values are copied, columns live until the next step */
    };
};

struct sql_ops {
    enum sql_dialect dialect;
    bool shared;                   /* other processes may write to it while it is open */
    void (*close)(struct sql *db); /* nothing may be running */
    int (*begin)(struct sql *db, bool write, struct sql_tx **ret, struct error *e);
    int (*end)(struct sql_tx *tx, bool commit, struct error *e); /* frees tx in any case */
    int (*prepare)(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e);
    void (*bind)(struct sql_stmt *s, int i, const struct sql_value *v); /* a failure shows at the step */
    int (*step)(struct sql_stmt *s, struct error *e);                   /* sets tx->changes when done */
    void (*column)(struct sql_stmt *s, int col, struct sql_value *ret); /* converted to `ret->type` when it is set */
    void (*done)(struct sql_stmt *s);
    int (*script)(struct sql_tx *tx, const char *text, struct error *e); /* several statements, no arguments */
    int (*backup)(struct sql *db, const char *suffix, struct error *e);  /* a consistent copy "<file><suffix>" */
    int (*snapshot)(struct sql *db, const char *path, struct error *e);  /* see sql_snapshot; path is not there */
    /* See sql_lease; ttl_s 0 gives it back. ret_owner is never NULL. */
    int (*lease)(struct sql *db, const char *name, const char *owner, int ttl_s, char ret_owner[64], struct error *e);
    int (*alone)(struct sql *db, struct error *e); /* see sql_alone */
    /* See sql_watch. NULL where nobody else writes. */
    int (*watch)(struct sql *db, void (*fn)(void *ctx, const struct sql_written *w), void *ctx, struct error *e);
    void (*unwatch)(struct sql *db, void *ctx);
};

struct sql {
    const struct sql_ops *ops;
};
struct sql_tx {
    const struct sql_ops *ops;
    struct sql *db;
    bool write;
    int64_t changes; /* rows changed by the statement that ended last */
};
struct sql_stmt {
    const struct sql_ops *ops;
    struct sql_tx *tx;
};

/* snapshot.c: the tables and rows of any engine, read in one transaction. */
MUST_CHECK int sql_dump(struct sql *db, const char *path, struct error *e);

int sqlite_open_url(const char *url, struct sql **ret, struct error *e);
int postgres_open_url(const char *url, struct sql **ret, struct error *e);
