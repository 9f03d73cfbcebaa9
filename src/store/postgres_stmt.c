/* postgres_stmt.c - statements on one connection: prepared once and cached by text, parameters typed as the
 * server infers them, rows as they come.
 *
 * A statement that only reads streams its rows off the wire one by one. libpq has one conversation at a
 * time: when another statement wants the connection while one streams, the rest of the first is taken into
 * memory (at most ROWS_MAX). A statement that writes is sent together with its savepoint in one round trip and
 * its rows (`returning`) are held whole.
 *
 * Values travel as text, bytea parameters as bytes; bytea columns are decoded when the row is taken. Booleans
 * of the server read as 0/1. A NUL in a text is refused (PostgreSQL has none), nan is null as in SQLite. */
#include <assert.h>
#include <math.h>
#include "base/mem.h"
#include "store/postgres_int.h"

#define PARAMS_MAX 999
#define ROWS_MAX (1u << 30)
#define OID_BOOL 16
#define OID_BYTEA 17
#define SAVE "bornite_s"

/* ------------------------------------------------------------------ what is prepared */

static void clear_values(struct pg_stmt *s)
{
    for (int i = 0; s->value && i < s->nparams; i++) {
        mem_free(s->value[i]);
        s->value[i] = NULL;
    }
    s->bind_err = 0;
}

void pg_stmt_free(struct pg_stmt *s)
{
    if (!s) return;
    clear_values(s);
    PQclear(s->res);
    buf_fini(&s->rows);
    arena_fini(&s->scratch);
    mem_free(s->text);
    mem_free(s->param_type);
    mem_free(s->col_type);
    mem_free(s->value);
    mem_free(s->length);
    mem_free(s->format);
    mem_free(s->cell);
    mem_free(s);
}

static void forget(struct pg_conn *c, const struct pg_stmt *s)
{
    buf_printf(&c->forget, "deallocate %s; ", s->name);
    if (c->forget.err) buf_clear(&c->forget); /* the server keeps some for nothing */
}

static bool starts_with_word(struct str text, const char *word)
{
    size_t n = strlen(word);
    return text.n > n && str_ieq(str_sub(text, 0, n), str_make(word, n)) && strchr(" \t\n(", text.p[n]);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Does it only read? `with` may hide a change: then one of the words is in it. */
static bool only_reads(const char *text)
{
    static const char *const words[] = {"insert ", "update ", "delete "};
    while (is_blank(*text)) text++;
    struct str s = str_of(text);
    if (starts_with_word(s, "select") || starts_with_word(s, "values")) return true;
    if (!starts_with_word(s, "with")) return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_ihas(s, str_of(words[i]))) return false;
    return true;
}

static struct str next_word(struct str *s)
{
    size_t from = 0, to;
    while (from < s->n && strchr(" \t\n\r\"", s->p[from])) from++;
    for (to = from; to < s->n && !strchr(" \t\n\r\"(,;", s->p[to]);) to++;
    struct str w = str_sub(*s, from, to - from);
    *s = str_sub(*s, to, s->n);
    return w;
}

/* The table of insert into t, update t, delete from t; behind a `with` the last of these counts. */
static void note_table(struct pg_stmt *s, const char *text)
{
    struct str rest = str_of(text), before = STR("");
    while (rest.n) {
        size_t left = rest.n;
        struct str w = next_word(&rest);
        bool into = str_ieq(before, STR("insert")) && str_ieq(w, STR("into"));
        bool from = str_ieq(before, STR("delete")) && str_ieq(w, STR("from"));
        bool update = str_ieq(w, STR("update")) && !str_ieq(before, STR("do"));
        if (into || from || update) {
            str_to_cstr(next_word(&rest), s->table, sizeof s->table);
            s->updates = update;
        }
        if (w.n) before = w;
        if (rest.n && !w.n) rest = str_sub(rest, 1, rest.n);
        if (rest.n == left) break;
    }
}

static bool room(struct pg_stmt *s, int nparams, int ncols)
{
    size_t n = (size_t)nparams + 1, m = (size_t)ncols + 1;
    s->nparams = nparams;
    s->ncols = ncols;
    s->param_type = mem_calloc(n, sizeof *s->param_type);
    s->value = mem_calloc(n, sizeof *s->value);
    s->length = mem_calloc(n, sizeof *s->length);
    s->format = mem_calloc(n, sizeof *s->format);
    s->col_type = mem_calloc(m, sizeof *s->col_type);
    s->cell = mem_calloc(m, sizeof *s->cell);
    return s->param_type && s->value && s->length && s->format && s->col_type && s->cell;
}

static int describe(struct pg_stmt *s, struct pg_conn *c, struct error *e)
{
    PGresult *r = PQdescribePrepared(c->h, s->name);
    int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : pg_fail(c->h, r, e);
    if (!rc && PQnparams(r) > PARAMS_MAX) rc = error_set(e, ERR_INTERNAL, "", "too many SQL parameters", NULL);
    if (!rc && !room(s, PQnparams(r), PQnfields(r))) rc = pg_nomem(e);
    for (int i = 0; !rc && i < s->nparams; i++) s->param_type[i] = PQparamtype(r, i);
    for (int i = 0; !rc && i < s->ncols; i++) s->col_type[i] = PQftype(r, i);
    PQclear(r);
    return rc;
}

/* DDL comes through here too (indices of kinds). */
static int send_text(struct pg_stmt *s, struct pg_conn *c, const char *text, struct error *e)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    pg_translate(str_of(text), &b);
    const char *own = buf_cstr(&b);
    if (b.err) {
        buf_fini(&b);
        return pg_nomem(e);
    }
    PGresult *r = PQprepare(c->h, s->name, own, 0, NULL);
    int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : pg_fail(c->h, r, e);
    PQclear(r);
    buf_fini(&b);
    return rc;
}

static int stmt_new(struct pg_tx *t, const char *text, struct pg_stmt **ret, struct error *e)
{
    int rc = pg_make_way(t->conn, e);
    if (rc) return pg_tx_fail(t, rc);
    struct pg_stmt *s = mem_calloc(1, sizeof *s);
    if (!s) return pg_nomem(e);
    snprintf(s->name, sizeof s->name, "s%u", ++t->conn->names);
    buf_init(&s->rows, ROWS_MAX);
    arena_init(&s->scratch, ROWS_MAX);
    s->writes = t->base.write && !only_reads(text);
    if (s->writes) note_table(s, text);
    rc = send_text(s, t->conn, text, e);
    if (!rc) rc = describe(s, t->conn, e);
    if (rc) {
        pg_stmt_free(s);
        return pg_tx_fail(t, rc);
    }
    *ret = s;
    return 0;
}

/* ------------------------------------------------------------------ the cache */

static size_t victim(const struct pg_conn *c)
{
    size_t best = PG_CACHED;
    for (size_t i = 0; i < PG_CACHED; i++) {
        if (!c->cache[i]) return i;
        if (!c->cache[i]->busy && (best == PG_CACHED || c->cache[i]->used < c->cache[best]->used)) best = i;
    }
    return best;
}

static struct pg_stmt *find(struct pg_conn *c, const char *text, uint64_t hash)
{
    for (size_t i = 0; i < PG_CACHED; i++) {
        struct pg_stmt *s = c->cache[i];
        if (s && !s->busy && s->hash == hash && strcmp(s->text, text) == 0) return s;
    }
    return NULL;
}

static void remember(struct pg_conn *c, struct pg_stmt *s, const char *text, uint64_t hash)
{
    size_t i = victim(c);
    if (i == PG_CACHED || !(s->text = mem_strdup(text))) return;
    if (c->cache[i]) forget(c, c->cache[i]);
    pg_stmt_free(c->cache[i]);
    c->cache[i] = s;
    s->hash = hash;
}

int pg_prepare(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e)
{
    struct pg_tx *t = (struct pg_tx *)tx;
    if (t->broken) return pg_broken(t, e);
    uint64_t hash = str_hash(str_of(text), 1);
    struct pg_stmt *s = find(t->conn, text, hash);
    if (!s) {
        int rc = stmt_new(t, text, &s, e);
        if (rc) return rc;
        remember(t->conn, s, text, hash);
    }
    s->busy = true;
    s->used = ++t->conn->tick;
    s->state = PG_NEW;
    s->base = (struct sql_stmt){.ops = tx->ops, .tx = tx};
    *ret = &s->base;
    return 0;
}

/* ------------------------------------------------------------------ parameters */

static char *number_text(const struct sql_value *v)
{
    char text[40];
    if (v->type == SQL_I64)
        snprintf(text, sizeof text, "%lld", (long long)v->i);
    else if (isinf(v->d))
        snprintf(text, sizeof text, "%sInfinity", v->d < 0 ? "-" : "");
    else
        snprintf(text, sizeof text, "%.17g", v->d);
    return mem_strdup(text);
}

static bool is_null(const struct sql_value *v)
{
    return v->type == SQL_NULL || (v->type == SQL_DOUBLE && isnan(v->d));
}

void pg_bind(struct sql_stmt *st, int i, const struct sql_value *v)
{
    struct pg_stmt *s = (struct pg_stmt *)st;
    assert(i >= 1 && i <= PARAMS_MAX);
    if (i > s->nparams) {
        s->bind_err = ERR_INTERNAL;
        return;
    }
    int at = i - 1;
    bool bytes = v->type == SQL_TEXT || v->type == SQL_BLOB, raw = bytes && s->param_type[at] == OID_BYTEA;
    mem_free(s->value[at]);
    s->value[at] = NULL;
    s->length[at] = 0;
    s->format[at] = raw;
    if (is_null(v)) return;
    char *own = bytes ? mem_alloc(v->s.n + 1) : number_text(v);
    if (own && bytes) {
        if (v->s.n) memcpy(own, v->s.p, v->s.n);
        own[v->s.n] = 0;
        s->length[at] = (int)v->s.n;
        if (!raw && strlen(own) != v->s.n) s->bind_err = ERR_INVALID;
    }
    if (!own) s->bind_err = ERR_NOMEM;
    s->value[at] = own;
}

static int bind_fault(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    if (s->bind_err == ERR_NOMEM) return pg_tx_fail(t, pg_nomem(e));
    if (s->bind_err == ERR_INVALID)
        return error_set(e, ERR_INVALID, "", "the text contains a NUL character", "文本中含有空字符");
    return error_set(e, ERR_INTERNAL, "", "an argument has no $n in the SQL text", "SQL 文本中没有对应的 $n 参数");
}

/* ------------------------------------------------------------------ rows */

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static int decode_bytes(struct pg_stmt *s, struct pg_cell *c, struct error *e)
{
    size_t n = c->n >= 2 ? (c->n - 2) / 2 : 0; /* \x… */
    char *out = arena_alloc(&s->scratch, n + 1);
    if (!out) return pg_nomem(e);
    for (size_t i = 0; i < n; i++) out[i] = (char)(hex_digit(c->p[2 + 2 * i]) << 4 | hex_digit(c->p[3 + 2 * i]));
    out[n] = 0;
    *c = (struct pg_cell){out, n};
    return 0;
}

static int finish_row(struct pg_stmt *s, struct error *e)
{
    int rc = 0;
    arena_reset(&s->scratch);
    for (int i = 0; !rc && i < s->ncols; i++)
        if (s->col_type[i] == OID_BYTEA && s->cell[i].p) rc = decode_bytes(s, &s->cell[i], e);
    return rc ? rc : 1;
}

static int take_row(struct pg_stmt *s, int row, struct error *e)
{
    for (int i = 0; i < s->ncols; i++)
        s->cell[i] = PQgetisnull(s->res, row, i)
                         ? (struct pg_cell){NULL, 0}
                         : (struct pg_cell){PQgetvalue(s->res, row, i), (size_t)PQgetlength(s->res, row, i)};
    return finish_row(s, e);
}

/* Rows in memory: for each column u32 length + 1 (0: null), bytes, NUL. */
static void keep_row(struct pg_stmt *s, const PGresult *r)
{
    for (int i = 0; i < s->ncols; i++) {
        uint32_t n = PQgetisnull(r, 0, i) ? 0 : (uint32_t)PQgetlength(r, 0, i) + 1;
        buf_add(&s->rows, &n, sizeof n);
        if (n) buf_add(&s->rows, PQgetvalue(r, 0, i), n);
    }
}

static int kept_row(struct pg_stmt *s, struct error *e)
{
    for (int i = 0; i < s->ncols; i++) {
        uint32_t n;
        memcpy(&n, s->rows.p + s->at, sizeof n);
        s->at += sizeof n;
        s->cell[i] = n ? (struct pg_cell){(const char *)s->rows.p + s->at, n - 1} : (struct pg_cell){NULL, 0};
        s->at += n;
    }
    return finish_row(s, e);
}

/* The answer is over: what comes after its last result. */
static void finish_answer(struct pg_conn *c)
{
    PGresult *r;
    while ((r = PQgetResult(c->h))) PQclear(r);
    c->streaming = NULL;
}

int pg_make_way(struct pg_conn *c, struct error *e)
{
    struct pg_stmt *s = c->streaming;
    PGresult *r;
    int rc = 0;
    if (!s) return 0;
    buf_clear(&s->rows);
    s->at = 0;
    while ((r = PQgetResult(c->h))) {
        ExecStatusType st = PQresultStatus(r);
        if (st == PGRES_SINGLE_TUPLE)
            keep_row(s, r);
        else if (st != PGRES_TUPLES_OK && !rc)
            rc = pg_fail(c->h, r, e);
        PQclear(r);
    }
    c->streaming = NULL;
    s->state = PG_BUFFERED;
    if (!rc && s->rows.err)
        rc = error_set(e, s->rows.err, "", "too many rows are read while another statement runs", "并行读取的行过多");
    return rc;
}

/* ------------------------------------------------------------------ running */

static int start_reading(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    struct pg_conn *c = t->conn;
    if (!PQsendQueryPrepared(c->h, s->name, s->nparams, (const char *const *)s->value, s->length, s->format, 0))
        return pg_fail(c->h, NULL, e);
    PQsetSingleRowMode(c->h);
    c->streaming = s;
    s->state = PG_STREAMING;
    return 0;
}

static int next_streamed(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    PQclear(s->res);
    s->res = PQgetResult(t->conn->h);
    ExecStatusType st = PQresultStatus(s->res);
    if (st == PGRES_SINGLE_TUPLE) return take_row(s, 0, e);
    int rc = st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK ? 0 : pg_fail(t->conn->h, s->res, e);
    finish_answer(t->conn);
    s->state = PG_DONE;
    return rc;
}

static int plain(PGconn *h, const char *text)
{
    return PQsendQueryParams(h, text, 0, NULL, NULL, NULL, NULL, 0);
}

/* savepoint; the statement; release - in one round trip. The results come in this order, each followed by
 * NULL, then the sync; after a failure the ones behind it say "aborted". */
static bool send_write(PGconn *h, const struct pg_stmt *s)
{
    return PQenterPipelineMode(h) && plain(h, "savepoint " SAVE) &&
           PQsendQueryPrepared(h, s->name, s->nparams, (const char *const *)s->value, s->length, s->format, 0) &&
           plain(h, "release " SAVE) && PQpipelineSync(h);
}

static int collect(PGconn *h, PGresult *r[3])
{
    int n = 0, nulls = 0;
    PGresult *x;
    for (;;) {
        x = PQgetResult(h);
        if (!x && ++nulls > 8) return n; /* nothing comes any more: the connection is lost */
        if (!x) continue;
        if (PQresultStatus(x) == PGRES_PIPELINE_SYNC) break;
        if (n < 3)
            r[n++] = x;
        else
            PQclear(x);
    }
    PQclear(x);
    return n;
}

static int write_fault(struct pg_tx *t, const PGresult *failed, struct error *e)
{
    int rc = pg_fail(t->conn->h, failed, e);
    bool usable = rc == ERR_EXISTS || rc == ERR_REFERENCED || rc == ERR_INVALID;
    if (usable && pg_command(t->conn->h, "rollback to " SAVE "; release " SAVE, NULL) == 0) return rc;
    return pg_tx_fail(t, rc);
}

static int run_write(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    PGconn *h = t->conn->h;
    PGresult *r[3] = {NULL};
    bool sent = send_write(h, s);
    int n = sent ? collect(h, r) : 0;
    PQexitPipelineMode(h);
    ExecStatusType st = n > 1 ? PQresultStatus(r[1]) : PGRES_FATAL_ERROR;
    bool good = n == 3 && (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK) && PQresultStatus(r[2]) == PGRES_COMMAND_OK;
    PQclear(s->res);
    s->res = NULL;
    int rc = 0;
    if (good) {
        t->base.changes = strtoll(PQcmdTuples(r[1]), NULL, 10);
        if (t->base.changes) pg_note_written(t, s);
        s->res = TAKE(r[1]);
        s->row = 0;
        s->state = PG_DONE;
    } else {
        rc = write_fault(t, n > 1 ? r[1] : n ? r[0] : NULL, e);
    }
    for (int i = 0; i < 3; i++) PQclear(r[i]);
    return rc;
}

static int begin_statement(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    int rc = pg_make_way(t->conn, e);
    if (rc) return rc;
    return s->writes ? run_write(t, s, e) : start_reading(t, s, e);
}

static int next_row(struct pg_tx *t, struct pg_stmt *s, struct error *e)
{
    if (s->state == PG_STREAMING) return next_streamed(t, s, e);
    if (s->state == PG_BUFFERED && s->at < s->rows.n) return kept_row(s, e);
    if (s->writes && s->res && s->row < PQntuples(s->res)) return take_row(s, s->row++, e);
    s->state = PG_DONE;
    return 0;
}

int pg_step(struct sql_stmt *st, struct error *e)
{
    struct pg_stmt *s = (struct pg_stmt *)st;
    struct pg_tx *t = (struct pg_tx *)st->tx;
    if (t->broken) return pg_broken(t, e);
    if (s->bind_err) return bind_fault(t, s, e);
    int rc = s->state == PG_NEW ? begin_statement(t, s, e) : 0;
    bool refused = rc && !t->broken && s->writes;
    if (!rc) rc = next_row(t, s, e);
    return rc < 0 && !refused ? pg_tx_fail(t, rc) : rc;
}

void pg_column(struct sql_stmt *st, int col, struct sql_value *ret)
{
    struct pg_stmt *s = (struct pg_stmt *)st;
    assert(col >= 0 && col < s->ncols);
    const struct pg_cell *c = &s->cell[col];
    struct str v = {c->p, c->n};
    if (v.p && s->col_type[col] == OID_BOOL) v = v.p[0] == 't' ? STR("1") : STR("0");
    double d = 0;
    switch (ret->type) {
    case SQL_NULL: ret->type = v.p ? SQL_TEXT : SQL_NULL; return;
    case SQL_I64:
        ret->i = 0;
        if (v.p && str_to_i64(v, &ret->i) && str_to_double(v, &d) == 0) ret->i = (int64_t)d;
        return;
    case SQL_DOUBLE: ret->d = v.p ? strtod(v.p, NULL) : 0; return; /* Infinity too */
    default: ret->s = v;
    }
}

void pg_done(struct sql_stmt *st)
{
    struct pg_stmt *s = (struct pg_stmt *)st;
    struct pg_conn *c = ((struct pg_tx *)st->tx)->conn;
    if (c->streaming == s) finish_answer(c);
    PQclear(s->res);
    s->res = NULL;
    buf_fini(&s->rows);
    buf_init(&s->rows, ROWS_MAX);
    arena_reset(&s->scratch);
    clear_values(s);
    s->busy = false;
    if (s->text) return;
    forget(c, s);
    pg_stmt_free(s);
}
