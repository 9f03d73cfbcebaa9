/* postgres_int.h - between postgres.c (connections, transactions), postgres_stmt.c (statements),
 * postgres_text.c (SQL of both engines into PostgreSQL's), postgres_listen.c (what others write) and
 * postgres_backup.c. Nothing else includes it. */
#pragma once
#include <libpq-fe.h>
#include <pthread.h>
#include "base/buf.h"
#include "store/sql_int.h"

#define PG_READERS 12
#define PG_CACHED 96
#define PG_WATCHERS 16
#define PG_WRITTEN 32
#define PG_TABLE_MAX 64
#define PG_SCHEMA_MAX 40 /* leaves room for the suffix of a backup in the 63 characters of a name */

struct pg_cell {
    const char *p; /* NULL: null; terminated */
    size_t n;
};
enum pg_state { PG_NEW, PG_STREAMING, PG_BUFFERED, PG_DONE };

struct pg_stmt {
    struct sql_stmt base;
    char *text; /* NULL: not cached */
    uint64_t hash, used;
    bool busy, writes, updates; /* updates: no row comes or goes */
    char table[PG_TABLE_MAX];   /* that it writes; "" */
    char name[16];
    int nparams, ncols, bind_err;
    Oid *param_type, *col_type;
    char **value; /* of parameters, owned, terminated; NULL: null */
    int *length, *format;
    enum pg_state state;
    PGresult *res; /* holds the current row, or all rows of a statement that writes */
    int row;
    struct buf rows; /* what was left when another statement wanted the connection */
    size_t at;
    struct pg_cell *cell; /* of the current row */
    struct arena scratch; /* of the current row */
};

struct pg_conn {
    PGconn *h;
    struct pg_stmt *cache[PG_CACHED];
    struct pg_stmt *streaming; /* rows are still on the wire */
    struct buf forget;         /* "deallocate …;" for the next begin */
    uint64_t tick;
    unsigned names;
};

struct pg_tx {
    struct sql_tx base;
    struct pg_conn *conn;
    int broken;   /* error code that ended it early */
    char xid[24]; /* of a transaction that writes */
    struct pg_written {
        char name[PG_TABLE_MAX];
        bool rows;
    } written[PG_WRITTEN];
    unsigned nwritten;
    bool all_written;
};

struct pg_watcher {
    void (*fn)(void *ctx, const struct sql_written *w);
    void *ctx;
};

struct pg {
    struct sql base;
    char *conninfo; /* the URL without our own options */
    char schema[PG_SCHEMA_MAX + 1];
    unsigned wait_ms;
    int lock_key;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t freed;
    struct pg_conn *writer; /* NULL: not connected now */
    bool writing;
    bool alone; /* the writer holds the lock for itself */
    pthread_t owner;
    struct pg_conn *idle[PG_READERS];
    unsigned nidle, nreaders;
    int64_t down_until_us; /* after a connection was refused: do not try before */
    struct error down;
    char origin[24];            /* names this open database to itself */
    pthread_mutex_t watch_lock; /* all below */
    struct pg_watcher watchers[PG_WATCHERS];
    size_t nwatchers;
    bool listens;
    int stop_fd;
    PGconn *listening; /* until the thread takes it */
    pthread_t listener;
};

/* postgres.c */
int pg_fail(PGconn *h, const PGresult *r, struct error *e); /* code and texts of what the server said */
bool pg_lost(PGconn *h);
int pg_tx_fail(struct pg_tx *t, int code);                  /* marks a broken transaction; returns code */
int pg_broken(struct pg_tx *t, struct error *e);
int pg_command(PGconn *h, const char *text, struct error *e); /* several statements, no rows wanted */
int pg_nomem(struct error *e);
int pg_dial(struct pg *p, PGconn **ret, struct error *e); /* a settled connection outside of the pool */

/* postgres_stmt.c */
int pg_prepare(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e);
void pg_bind(struct sql_stmt *s, int i, const struct sql_value *v);
int pg_step(struct sql_stmt *s, struct error *e);
void pg_column(struct sql_stmt *s, int col, struct sql_value *ret);
void pg_done(struct sql_stmt *s);
void pg_stmt_free(struct pg_stmt *s);
int pg_make_way(struct pg_conn *c, struct error *e); /* takes the rest of a streaming statement off the wire */

/* postgres_text.c: DDL as both engines share it into PostgreSQL's; what is not DDL is copied. */
void pg_translate(struct str text, struct buf *out);

/* postgres_listen.c */
int pg_watch(struct sql *db, void (*fn)(void *ctx, const struct sql_written *w), void *ctx, struct error *e);
void pg_unwatch(struct sql *db, void *ctx);
void pg_listen_stop(struct pg *p);
void pg_note_written(struct pg_tx *t, const struct pg_stmt *s);
void pg_notify_text(const struct pg *p, const struct pg_tx *t, struct buf *out);

/* postgres_backup.c */
int pg_backup(struct sql *db, const char *suffix, struct error *e);
