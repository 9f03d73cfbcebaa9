/* snapshot.c - a database of any engine as a SQLite file while it is used: sql_snapshot, and for engines whose own
 * copy stays inside their server (PostgreSQL) the tables read row by row in one transaction, which sees one moment.
 *
 * The file has the tables with the columns and types of the source, without keys and indices: it is read by
 * sql_copy_run, which makes them. One thread; the source is never written to. */
#include <errno.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "store/copy_int.h"
#include "store/sql_int.h"

#define ROWS_A_COMMIT 20000

struct dump {
    struct copy_shapes shapes;
    struct sql *to;
    struct sql_tx *from, *tx;
    int64_t rows;
};

static const char *type_name(char type)
{
    static const char *const names[] = {['i'] = "int", ['d'] = "real", ['b'] = "blob", ['s'] = "text"};
    return names[(size_t)type];
}

static void create_text(struct buf *b, const struct copy_shape *t)
{
    buf_printf(b, "create table \"%s\"(", t->name);
    for (size_t i = 0; i < t->ncolumns; i++)
        buf_printf(b, "%s\"%s\" %s", i ? ", " : "", t->column[i].name, type_name(t->column[i].type));
    buf_z(b, ") strict");
}

static void select_text(struct buf *b, const struct copy_shape *t)
{
    buf_z(b, "select ");
    for (size_t i = 0; i < t->ncolumns; i++) buf_printf(b, "%s\"%s\"", i ? ", " : "", t->column[i].name);
    buf_printf(b, " from \"%s\"", t->name);
}

static void insert_text(struct buf *b, const struct copy_shape *t)
{
    buf_printf(b, "insert into \"%s\" values(", t->name);
    for (size_t i = 0; i < t->ncolumns; i++) buf_printf(b, "%s$%zu", i ? ", " : "", i + 1);
    buf_z(b, ")");
}

static void take_value(struct sql_stmt *from, struct sql_stmt *to, int i, char type)
{
    if (sql_is_null(from, i))
        sql_bind_null(to, i + 1);
    else if (type == 'i')
        sql_bind_i64(to, i + 1, sql_i64(from, i));
    else if (type == 'd')
        sql_bind_double(to, i + 1, sql_double(from, i));
    else if (type == 'b')
        sql_bind_blob(to, i + 1, sql_str(from, i).p ? sql_str(from, i).p : "", sql_str(from, i).n);
    else
        sql_bind_str(to, i + 1, sql_str(from, i));
}

static int put_row(struct dump *d, struct sql_stmt *row, const char *insert, const struct copy_shape *t,
                   struct error *e)
{
    struct sql_stmt *s;
    int rc = d->tx ? 0 : sql_begin(d->to, true, &d->tx, e);
    if (!rc) rc = sql_prepare(d->tx, insert, &s, e);
    if (rc) return rc;
    for (size_t i = 0; i < t->ncolumns; i++) take_value(row, s, (int)i, t->column[i].type);
    rc = sql_step(s, e);
    sql_done(s);
    if (rc || ++d->rows % ROWS_A_COMMIT) return rc;
    rc = sql_commit(d->tx, e);
    d->tx = NULL;
    return rc;
}

static int dump_rows(struct dump *d, const struct copy_shape *t, const char *select, const char *insert,
                     struct error *e)
{
    struct sql_stmt *row;
    int rc = sql_prepare(d->from, select, &row, e);
    if (rc) return rc;
    while ((rc = sql_step(row, e)) == 1)
        if ((rc = put_row(d, row, insert, t, e))) break;
    sql_done(row);
    return rc;
}

static int dump_table(struct dump *d, const struct copy_shape *t, struct error *e)
{
    struct buf create, select, insert;
    buf_init(&create, 1 << 16);
    buf_init(&select, 1 << 16);
    buf_init(&insert, 1 << 16);
    create_text(&create, t);
    select_text(&select, t);
    insert_text(&insert, t);
    int rc = d->tx ? 0 : sql_begin(d->to, true, &d->tx, e);
    if (!rc) rc = sql_exec(d->tx, e, buf_cstr(&create), "");
    if (!rc) rc = dump_rows(d, t, buf_cstr(&select), buf_cstr(&insert), e);
    if (rc) error_prefix(e, t->name);
    buf_fini(&create);
    buf_fini(&select);
    buf_fini(&insert);
    return rc;
}

static int dump_all(struct dump *d, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < d->shapes.n && !rc; i++)
        if (!table_is_derived(d->shapes.table[i].name)) rc = dump_table(d, &d->shapes.table[i], e);
    if (rc || !d->tx) return rc;
    rc = sql_commit(d->tx, e);
    d->tx = NULL;
    return rc;
}

int sql_dump(struct sql *db, const char *path, struct error *e)
{
    char url[4200];
    struct dump *d = mem_calloc(1, sizeof *d);
    if (!d) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    snprintf(url, sizeof url, "sqlite:%s", path);
    int rc = shapes_read(db, &d->shapes, e);
    if (!rc) rc = sql_open(url, &d->to, e);
    if (!rc) rc = sql_begin(db, false, &d->from, e);
    if (!rc) rc = dump_all(d, e);
    sql_rollback(d->from);
    sql_rollback(d->tx);
    sql_close(d->to); /* the last connection puts its log into the file */
    mem_free(d);
    return rc;
}

static int take_away(const char *path, struct error *e)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char name[4200];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        if (unlink(name) && errno != ENOENT)
            return error_set(e, error_from_errno(errno), "", "cannot replace %s", "无法替换 %s", name);
    }
    return 0;
}

int sql_snapshot(struct sql *db, const char *path, struct error *e)
{
    int rc = take_away(path, e);
    return rc ? rc : db->ops->snapshot(db, path, e);
}
