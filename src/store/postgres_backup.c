/* postgres_backup.c - the copy before a migration: a second schema "<schema>_before_<component>_<n>" in the
 * same database, made in one transaction under the writer's lock. It has the tables with their rows, keys and
 * indices, and is opened by ?schema=… like any other; dropping it is up to people. Nothing but the connection is
 * needed: no pg_dump of the right version, no place on a disk. It takes the space of the data once more. */
#include "base/mem.h"
#include "store/postgres_int.h"

static int copy_table(PGconn *h, const char *from, const char *to, const char *table, struct error *e)
{
    char text[800];
    snprintf(text, sizeof text,
             "create table \"%s\".\"%s\" (like \"%s\".\"%s\" including all);"
             "insert into \"%s\".\"%s\" select * from \"%s\".\"%s\"",
             to, table, from, table, to, table, from, table);
    return pg_command(h, text, e);
}

static int copy_tables(PGconn *h, const char *from, const char *to, struct error *e)
{
    const char *arg[] = {from};
    PGresult *r = PQexecParams(h,
                               "select tablename from pg_tables where schemaname = $1 and tablename <> 'sql_lease' "
                               "order by tablename",
                               1, NULL, arg, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_fail(h, r, e);
    for (int i = 0; !rc && i < PQntuples(r); i++) rc = copy_table(h, from, to, PQgetvalue(r, i, 0), e);
    PQclear(r);
    return rc;
}

static void name_copy(const struct pg *p, const char *suffix, char out[64])
{
    snprintf(out, 64, "%s%s", p->schema, suffix);
    for (char *c = out; *c; c++)
        if (*c == '.' || *c == '-' || *c == '"') *c = '_';
}

int pg_backup(struct sql *db, const char *suffix, struct error *e)
{
    struct pg *p = (struct pg *)db;
    struct sql_tx *tx;
    char to[64], text[200];
    name_copy(p, suffix, to);
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    PGconn *h = ((struct pg_tx *)tx)->conn->h;
    snprintf(text, sizeof text, "drop schema if exists \"%s\" cascade; create schema \"%s\"", to, to);
    rc = pg_command(h, text, e);
    if (!rc) rc = copy_tables(h, p->schema, to, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}
