/* sql.c - the part of sql.h that is the same for every engine: choosing it by URL, passing calls on,
 * sql_exec, and migrations.
 *
 * Migrations: table schema_migration(component, number, applied_us). Each migration is one transaction
 * together with its row, so a crash leaves whole migrations only. A database that holds a higher number
 * than this program knows is refused: migrations go forward only. */
#include <assert.h>
#include <stdarg.h>
#include "io/clock.h"
#include "store/sql_int.h"

static const struct engine {
    const char *scheme;
    int (*open)(const char *url, struct sql **ret, struct error *e);
} engines[] = {
    {"sqlite:", sqlite_open_url},
    {"postgresql:", postgres_open_url},
    {"postgres:", postgres_open_url},
};

int sql_open(const char *url, struct sql **ret, struct error *e)
{
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (strncmp(url, engines[i].scheme, strlen(engines[i].scheme)) == 0) return engines[i].open(url, ret, e);
    }
    return error_set(
        e, ERR_UNSUPPORTED, "database",
        "'%s' is no database URL; write for example sqlite:/path/file.db or postgresql://user@host/database",
        "“%s”不是数据库地址；可写为 sqlite:/路径/文件.db 或 postgresql://用户@主机/数据库", url);
}

enum sql_dialect sql_dialect(const struct sql *db)
{
    return db->ops->dialect;
}

bool sql_shared(const struct sql *db)
{
    return db->ops->shared;
}

int sql_lease(struct sql *db, const char *name, const char *owner, int ttl_s, char ret_owner[64], struct error *e)
{
    char holder[64] = "";
    assert(ttl_s > 0 && strlen(owner) < sizeof holder);
    int rc = db->ops->lease(db, name, owner, ttl_s, holder, e);
    if (rc >= 0 && ret_owner) memcpy(ret_owner, holder, sizeof holder);
    return rc;
}

int sql_alone(struct sql *db, struct error *e)
{
    return db->ops->alone(db, e);
}

int sql_watch(struct sql *db, void (*fn)(void *ctx, const struct sql_written *w), void *ctx, struct error *e)
{
    return db->ops->watch ? db->ops->watch(db, fn, ctx, e) : 0;
}

void sql_unwatch(struct sql *db, void *ctx)
{
    if (db->ops->unwatch) db->ops->unwatch(db, ctx);
}

void sql_lease_drop(struct sql *db, const char *name, const char *owner)
{
    char holder[64];
    (void)db->ops->lease(db, name, owner, 0, holder, NULL); /* else it runs out by itself */
}

void sql_close(struct sql *db)
{
    if (db) db->ops->close(db);
}

int sql_begin(struct sql *db, bool write, struct sql_tx **ret, struct error *e)
{
    return db->ops->begin(db, write, ret, e);
}

int sql_commit(struct sql_tx *tx, struct error *e)
{
    return tx->ops->end(tx, true, e);
}

void sql_rollback(struct sql_tx *tx)
{
    if (tx) (void)tx->ops->end(tx, false, NULL);
}

int sql_prepare(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e)
{
    return tx->ops->prepare(tx, text, ret, e);
}

static void bind(struct sql_stmt *s, int i, struct sql_value v)
{
    s->ops->bind(s, i, &v);
}

void sql_bind_i64(struct sql_stmt *s, int i, int64_t v)
{
    bind(s, i, (struct sql_value){.type = SQL_I64, .i = v});
}

void sql_bind_double(struct sql_stmt *s, int i, double v)
{
    bind(s, i, (struct sql_value){.type = SQL_DOUBLE, .d = v});
}

void sql_bind_str(struct sql_stmt *s, int i, struct str v)
{
    bind(s, i, (struct sql_value){.type = v.p ? SQL_TEXT : SQL_NULL, .s = v});
}

void sql_bind_blob(struct sql_stmt *s, int i, const void *p, size_t n)
{
    bind(s, i, (struct sql_value){.type = p ? SQL_BLOB : SQL_NULL, .s = {p, n}});
}

void sql_bind_null(struct sql_stmt *s, int i)
{
    bind(s, i, (struct sql_value){.type = SQL_NULL});
}

int sql_step(struct sql_stmt *s, struct error *e)
{
    return s->ops->step(s, e);
}

int64_t sql_i64(struct sql_stmt *s, int col)
{
    struct sql_value v = {.type = SQL_I64};
    s->ops->column(s, col, &v);
    return v.i;
}

double sql_double(struct sql_stmt *s, int col)
{
    struct sql_value v = {.type = SQL_DOUBLE};
    s->ops->column(s, col, &v);
    return v.d;
}

struct str sql_str(struct sql_stmt *s, int col)
{
    struct sql_value v = {.type = SQL_TEXT};
    s->ops->column(s, col, &v);
    return v.s;
}

bool sql_is_null(struct sql_stmt *s, int col)
{
    struct sql_value v = {.type = SQL_NULL};
    s->ops->column(s, col, &v);
    return v.type == SQL_NULL;
}

void sql_done(struct sql_stmt *s)
{
    if (s) s->ops->done(s);
}

static void bind_va(struct sql_stmt *s, const char *fmt, va_list ap)
{
    for (int i = 1; *fmt; fmt++, i++) {
        switch (*fmt) {
        case 'i': sql_bind_i64(s, i, va_arg(ap, int64_t)); break;
        case 's': sql_bind_str(s, i, va_arg(ap, struct str)); break;
        case 'd': sql_bind_double(s, i, va_arg(ap, double)); break;
        case 'n': sql_bind_null(s, i); break;
        default: assert(!"sql_exec: unknown letter");
        }
    }
}

int sql_exec(struct sql_tx *tx, struct error *e, const char *text, const char *fmt, ...)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    va_list ap;
    va_start(ap, fmt);
    bind_va(s, fmt ? fmt : "", ap);
    va_end(ap);
    while ((rc = sql_step(s, e)) == 1) {
    }
    sql_done(s);
    return rc;
}

int64_t sql_changes(struct sql_tx *tx)
{
    return tx->changes;
}

/* ------------------------------------------------------------------ migrations */

static int newest_in(struct sql_tx *tx, const char *component, int *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select coalesce(max(number), 0) from schema_migration where component = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, str_of(component));
    rc = sql_step(s, e);
    if (rc == 1) *ret = (int)sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int prepare_table(struct sql *db, const char *component, int *ret_newest, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = tx->ops->script(tx,
                         "create table if not exists schema_migration(component text not null, number int not null,"
                         " applied_us int not null, primary key(component, number)) strict;",
                         e);
    if (!rc) rc = newest_in(tx, component, ret_newest, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static int migrate_one(struct sql *db, const char *component, const struct sql_migration *m, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    int newest = 0;
    rc = newest_in(tx, component, &newest, e);
    if (!rc && newest < m->number) {
        rc = tx->ops->script(tx, m->text, e);
        if (!rc)
            rc = sql_exec(tx, e, "insert into schema_migration(component, number, applied_us) values($1, $2, $3)",
                          "sii", str_of(component), (int64_t)m->number, clock_now_us(clock_real()));
    }
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int sql_migrate(struct sql *db, const char *component, const struct sql_migration *m, size_t n, struct error *e)
{
    int newest = 0;
    int rc = prepare_table(db, component, &newest, e);
    if (rc) return rc;
    if (n && newest > m[n - 1].number)
        return error_set(e, ERR_UNSUPPORTED, "database",
                         "the database was written by a newer version (%s %d, this program knows %d); use that version "
                         "or restore the backup it made",
                         "数据库由更新的版本写入（%s %d，本程序只认识到 %d）；请使用该版本，或恢复升级前的备份",
                         component, newest, m[n - 1].number);
    bool saved = newest == 0;
    for (size_t i = 0; i < n; i++) {
        assert(i == 0 || m[i].number > m[i - 1].number);
        if (m[i].number <= newest) continue;
        if (!saved) {
            char suffix[96];
            snprintf(suffix, sizeof suffix, ".before-%s-%d", component, m[i].number);
            if ((rc = db->ops->backup(db, suffix, e))) return rc;
            saved = true;
        }
        if ((rc = migrate_one(db, component, &m[i], e))) return rc;
    }
    return 0;
}
