/* copy_table.c - what tables there are, their columns, and walking through their rows with a digest.
 *
 * The digest of a table is the sum (mod 2^64, two halves) of the first 16 bytes of the SHA-256 of each row, so that
 * it does not depend on the order in which an engine gives rows. A row: for each column in the order of the first
 * database a byte (0 null, else the type), numbers as 8 bytes, texts and bytes with their length in front. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include "base/buf.h"
#include "base/mem.h"
#include "store/copy_int.h"

#define ROWS_A_COMMIT 20000
#define ROWS_A_WORD 5000 /* of progress */

static const struct {
    const char *tables, *columns;
} catalogue[] = {
    [SQL_SQLITE] = {"select name from pragma_table_list where schema = 'main' and type = 'table' and name not like "
                    "'sqlite_%' order by name",
                    "select name, lower(type) from pragma_table_info($1) order by cid"},
    [SQL_POSTGRESQL] =
        {"select tablename from pg_tables where schemaname = current_schema() and tablename <> "
         "'sql_lease' order by tablename",
         "select cast(column_name as text), cast(data_type as text) from information_schema.columns where "
         "table_schema = current_schema() and table_name = $1 order by ordinal_position"},
};

static char type_of(struct str t)
{
    if (str_has(t, STR("int"))) return 'i';
    if (str_has(t, STR("real")) || str_has(t, STR("double"))) return 'd';
    return str_has(t, STR("blob")) || str_has(t, STR("bytea")) ? 'b' : 's';
}

static int read_columns(struct sql_tx *tx, const char *text, struct copy_shape *t, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, str_of(t->name));
    while ((rc = sql_step(s, e)) == 1 && t->ncolumns < COPY_COLUMNS) {
        struct copy_column *c = &t->column[t->ncolumns++];
        str_to_cstr(sql_str(s, 0), c->name, sizeof c->name);
        c->type = type_of(sql_str(s, 1));
    }
    sql_done(s);
    return rc == 1 ? error_set(e, ERR_LIMIT, t->name, "has more than %d columns", "超过 %d 列", COPY_COLUMNS) : rc;
}

static int read_tables(struct sql_tx *tx, const char *text, struct copy_shapes *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    while ((rc = sql_step(s, e)) == 1 && ret->n < SQL_COPY_TABLES) {
        struct copy_shape *t = &ret->table[ret->n++];
        str_to_cstr(sql_str(s, 0), t->name, sizeof t->name);
        t->ncolumns = 0;
    }
    sql_done(s);
    return rc == 1 ? error_set(e, ERR_LIMIT, "", "more than %d tables", "超过 %d 个表", SQL_COPY_TABLES) : rc;
}

int shapes_read(struct sql *db, struct copy_shapes *ret, struct error *e)
{
    struct sql_tx *tx;
    enum sql_dialect d = sql_dialect(db);
    ret->n = 0;
    int rc = sql_begin(db, false, &tx, e);
    if (rc) return rc;
    rc = read_tables(tx, catalogue[d].tables, ret, e);
    for (size_t i = 0; i < ret->n && !rc; i++) rc = read_columns(tx, catalogue[d].columns, &ret->table[i], e);
    sql_rollback(tx);
    return rc;
}

const struct copy_shape *shape_find(const struct copy_shapes *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->table[i].name, name) == 0) return &s->table[i];
    return NULL;
}

/* Columns may stand in another order where one was added later. */
bool shape_same(const struct copy_shape *a, const struct copy_shape *b)
{
    bool same = a->ncolumns == b->ncolumns;
    for (size_t i = 0; i < a->ncolumns && same; i++) {
        same = false;
        for (size_t j = 0; j < b->ncolumns && !same; j++)
            same = strcmp(a->column[i].name, b->column[j].name) == 0 && a->column[i].type == b->column[j].type;
    }
    return same;
}

int one_i64(struct sql *db, const char *text, int64_t *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, text, &s, e);
    if (!rc) {
        rc = sql_step(s, e);
        if (rc == 1) *ret = sql_i64(s, 0);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------ rows */

struct walk {
    const struct copy_run *run;
    const struct copy_shape *t;
    struct sql *to;
    struct sql_tx *tx; /* of `to` */
    char *insert;
    struct buf row;
    uint64_t sum[2];
    int64_t n, total;
};

static void write_columns(struct buf *b, const struct copy_shape *t)
{
    for (size_t i = 0; i < t->ncolumns; i++) buf_printf(b, "%s\"%s\"", i ? ", " : "", t->column[i].name);
}

static char *select_text(const struct copy_shape *t)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_z(&b, "select ");
    write_columns(&b, t);
    buf_printf(&b, " from \"%s\"", t->name);
    char *text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static char *insert_text(const struct copy_shape *t)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "insert into \"%s\"(", t->name);
    write_columns(&b, t);
    buf_z(&b, ") values(");
    for (size_t i = 0; i < t->ncolumns; i++) buf_printf(&b, "%s$%zu", i ? ", " : "", i + 1);
    buf_z(&b, ")");
    char *text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static void take_value(struct walk *w, struct sql_stmt *s, int i)
{
    char type = w->t->column[i].type;
    if (sql_is_null(s, i)) {
        buf_u8(&w->row, 0);
        return;
    }
    buf_u8(&w->row, (uint8_t)type);
    if (type == 'i') {
        buf_u64le(&w->row, (uint64_t)sql_i64(s, i));
    } else if (type == 'd') {
        double d = sql_double(s, i);
        uint64_t bits;
        memcpy(&bits, &d, sizeof bits);
        buf_u64le(&w->row, bits);
    } else {
        struct str v = sql_str(s, i);
        buf_u64le(&w->row, v.n);
        buf_str(&w->row, v);
    }
}

static int add_digest(struct walk *w, struct sql_stmt *s, struct error *e)
{
    uint8_t raw[SHA256_DIGEST_LENGTH];
    uint64_t half[2];
    buf_clear(&w->row);
    for (size_t i = 0; i < w->t->ncolumns; i++) take_value(w, s, (int)i);
    if (w->row.err) return error_set(e, w->row.err, w->t->name, "a row is too large", "行过大");
    SHA256(w->row.p, w->row.n, raw);
    memcpy(half, raw, sizeof half);
    w->sum[0] += half[0];
    w->sum[1] += half[1];
    return 0;
}

static void bind_value(struct sql_stmt *from, struct sql_stmt *to, int i, char type)
{
    if (sql_is_null(from, i))
        sql_bind_null(to, i + 1);
    else if (type == 'i')
        sql_bind_i64(to, i + 1, sql_i64(from, i));
    else if (type == 'd')
        sql_bind_double(to, i + 1, sql_double(from, i));
    else if (type == 'b')
        sql_bind_blob(to, i + 1, sql_str(from, i).p, sql_str(from, i).n);
    else
        sql_bind_str(to, i + 1, sql_str(from, i));
}

static int put_row(struct walk *w, struct sql_stmt *from, struct error *e)
{
    struct sql_stmt *s;
    int rc = w->tx ? 0 : sql_begin(w->to, true, &w->tx, e);
    if (!rc) rc = sql_prepare(w->tx, w->insert, &s, e);
    if (rc) return rc;
    for (size_t i = 0; i < w->t->ncolumns; i++) bind_value(from, s, (int)i, w->t->column[i].type);
    rc = sql_step(s, e);
    sql_done(s);
    if (!rc && w->n % ROWS_A_COMMIT == 0) {
        rc = sql_commit(w->tx, e);
        w->tx = NULL;
    }
    return rc;
}

static void tell(const struct walk *w)
{
    w->run->cfg->progress(w->run->cfg->ctx, w->run->step, w->t->name, w->n, w->total);
}

static int each_row(struct walk *w, struct sql_stmt *s, struct error *e)
{
    int rc;
    while ((rc = sql_step(s, e)) == 1) {
        w->n++;
        rc = add_digest(w, s, e);
        if (!rc && w->to) rc = put_row(w, s, e);
        if (rc) break;
        if (w->n % ROWS_A_WORD == 0 && w->n < w->total) tell(w);
    }
    return rc;
}

static int walk(struct walk *w, struct sql *from, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    char *text = select_text(w->t);
    int rc =
        text && w->insert ? sql_begin(from, false, &tx, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!rc) {
        rc = sql_prepare(tx, text, &s, e);
        if (!rc) rc = each_row(w, s, e);
        sql_done(s);
        sql_rollback(tx);
    }
    if (!rc && w->tx)
        rc = sql_commit(w->tx, e);
    else
        sql_rollback(w->tx);
    w->tx = NULL;
    mem_free(text);
    return rc;
}

int table_walk(const struct copy_run *r, struct sql *from, struct sql *to, const struct copy_shape *t,
               struct sql_copy_table *ret, struct error *e)
{
    char count[128];
    struct walk w = {.run = r, .t = t, .to = to, .insert = insert_text(t)};
    buf_init(&w.row, 256 << 20);
    snprintf(count, sizeof count, "select count(*) from \"%s\"", t->name);
    int rc = one_i64(from, count, &w.total, e);
    if (!rc) rc = walk(&w, from, e);
    if (!rc) {
        str_to_cstr(str_of(t->name), ret->name, sizeof ret->name);
        ret->rows = w.n;
        snprintf(ret->digest, sizeof ret->digest, "%016llx%016llx", (unsigned long long)w.sum[0],
                 (unsigned long long)w.sum[1]);
        tell(&w);
    } else {
        char prefix[80];
        snprintf(prefix, sizeof prefix, "%s row %lld ", t->name, (long long)w.n);
        error_prefix(e, prefix);
    }
    buf_fini(&w.row);
    mem_free(w.insert);
    return rc;
}

int table_clear(struct sql *db, const char *name, struct error *e)
{
    struct sql_tx *tx;
    char text[100];
    snprintf(text, sizeof text, "delete from \"%s\"", name);
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, text, "");
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}
