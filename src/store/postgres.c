/* postgres.c - PostgreSQL behind sql.h, by libpq: connections, transactions, leases. Statements are in
 * postgres_stmt.c, the SQL that differs in postgres_text.c, backups in postgres_backup.c.
 *
 * URL: postgresql://user@host:port/database?schema=bornite&wait_ms=10000&sslmode=verify-full&… Our own options
 * are schema (created when missing; default "bornite") and wait_ms; the others, TLS among them, are libpq's.
 *
 * One connection writes, up to PG_READERS read. A writer takes pg_advisory_xact_lock, so that there is one
 * writer over all processes on the schema; readers run `repeatable read read only` and wait for nobody. In
 * PostgreSQL an error aborts the transaction: every statement that writes runs inside a savepoint, in the
 * same round trip, so that a refused row (exists, referenced, invalid) leaves the transaction usable as it is
 * with SQLite; any other error marks it broken.
 *
 * A lost connection is closed when it comes back to the pool, and opened again by whoever begins next; while
 * the server refuses, tries are half a second apart. When it is lost during a commit, the outcome is asked
 * for by the transaction's number over a new connection.
 *
 * Every open database holds a shared session lock on its writer, by which sql_alone sees other processes.
 *
 * Ownership: struct pg owns connections, a connection its cached statements. libpq allocates by malloc. */
#include <assert.h>
#include <errno.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/clock.h"
#include "store/postgres_int.h"

#define WRITER_LOCK 0x626f726e /* first key of the advisory locks: the writer, the second is of the schema */
#define USER_LOCK 0x626f7270   /* … of who has it open */
#define RETRY_US 500000
#define OUTCOME_US 5000000
#define ALONE_US 1000000

/* ------------------------------------------------------------------ errors */

static const struct {
    const char *state; /* SQLSTATE or its beginning; the first that fits */
    int code;
    const char *en, *zh;
} codes[] = {
    {"23505", ERR_EXISTS, "exists already", "已存在"},
    {"23503", ERR_REFERENCED, "still referenced, or refers to nothing", "仍被引用，或引用的对象不存在"},
    {"23001", ERR_REFERENCED, "still referenced", "仍被引用"},
    {"23", ERR_INVALID, "refused by a constraint", "违反约束"},
    {"22", ERR_INVALID, "the value does not fit", "值不合要求"},
    {"53100", ERR_DISK_FULL, "the disk of the database server is full; free some space",
     "数据库服务器磁盘已满，请释放空间"},
    {"53200", ERR_NOMEM, "the database server is out of memory", "数据库服务器内存不足"},
    {"53300", ERR_UNAVAILABLE, "the database server has no connections left; raise max_connections",
     "数据库服务器连接数已满，请调大 max_connections"},
    {"40", ERR_AGAIN, "the change met another one", "与其他修改冲突"},
    {"55P03", ERR_AGAIN, "the database is busy", "数据库繁忙"},
    {"57014", ERR_TIMEOUT, "the database server stopped the statement", "数据库服务器中止了语句"},
    {"57", ERR_UNAVAILABLE, "the database server is stopping or starting", "数据库服务器正在停止或启动"},
    {"08", ERR_UNAVAILABLE, "the connection to the database server is lost", "与数据库服务器的连接已断开"},
    {"25006", ERR_UNAVAILABLE, "this database server is a standby and cannot be written; name the primary",
     "该数据库服务器为备库，不可写；请连接主库"},
    {"25P03", ERR_UNAVAILABLE, "the database server ended an idle transaction", "数据库服务器结束了空闲事务"},
    {"42501", ERR_IO, "the database user lacks a permission", "数据库用户缺少权限"},
    {"54", ERR_TOO_LARGE, "too large for the database server", "超出数据库服务器限制"},
    {"58", ERR_IO, "reading or writing the database failed", "数据库读写失败"},
    {"XX001", ERR_CORRUPT, "the database is damaged; restore a backup", "数据库已损坏，请恢复备份"},
    {"XX002", ERR_CORRUPT, "the database is damaged; restore a backup", "数据库已损坏，请恢复备份"},
};

/* The server's sentence, one line, without "ERROR:" in front. */
static const char *sentence(PGconn *h, const PGresult *r, char out[200])
{
    const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!text) text = r && *PQresultErrorMessage(r) ? PQresultErrorMessage(r) : PQerrorMessage(h);
    str_to_cstr(str_trim(str_of(text)), out, 200);
    for (char *c = out; *c; c++)
        if (*c == '\n' || *c == '\t') *c = ' ';
    return out;
}

/* After a write that failed libpq finds out at the next read only. */
bool pg_lost(PGconn *h)
{
    if (PQstatus(h) == CONNECTION_OK) (void)PQconsumeInput(h);
    return PQstatus(h) != CONNECTION_OK;
}

int pg_fail(PGconn *h, const PGresult *r, struct error *e)
{
    char why[200];
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    sentence(h, r, why);
    if (!state) state = pg_lost(h) ? "08006" : "";
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strncmp(codes[i].state, state, strlen(codes[i].state)) == 0)
            return error_set(e, codes[i].code, "", "database: %s%.0s (%s)", "数据库：%.0s%s（%s）", codes[i].en,
                             codes[i].zh, why);
    return error_set(e, ERR_INTERNAL, "", "database: %s", "数据库：%s", why);
}

int pg_nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

int pg_command(PGconn *h, const char *text, struct error *e)
{
    PGresult *r = PQexec(h, text);
    ExecStatusType st = PQresultStatus(r);
    int rc = st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK || st == PGRES_EMPTY_QUERY ? 0 : pg_fail(h, r, e);
    PQclear(r);
    return rc;
}

int pg_broken(struct pg_tx *t, struct error *e)
{
    return error_set(e, t->broken, "", "the change was undone after an earlier error: %s%.0s",
                     "先前出错，修改已撤销：%.0s%s", error_title(t->broken), error_title_zh(t->broken));
}

int pg_tx_fail(struct pg_tx *t, int code)
{
    if (!t->broken) t->broken = code;
    return code;
}

/* ------------------------------------------------------------------ connections */

static void conn_close(struct pg_conn *c)
{
    if (!c) return;
    for (size_t i = 0; i < PG_CACHED; i++) pg_stmt_free(c->cache[i]);
    PQfinish(c->h);
    buf_fini(&c->forget);
    mem_free(c);
}

static void silent(void *ctx, const PGresult *r) {}

/* What libpq does not say by itself: a dead network must show within seconds. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"client_encoding", "UTF8"},   {"fallback_application_name", "bornite"},
    {"connect_timeout", "5"},      {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},  {"keepalives_count", "3"},
    {"tcp_user_timeout", "15000"},
};
#define DEFAULTS (sizeof defaults / sizeof *defaults)
#define OPTIONS_MAX 100

static PGconn *dial(struct pg *p, struct error *e)
{
    char *why = NULL;
    const char *name[OPTIONS_MAX + DEFAULTS + 1], *value[OPTIONS_MAX + DEFAULTS + 1];
    size_t n = 0;
    PQconninfoOption *o = PQconninfoParse(p->conninfo, &why);
    if (!o) {
        error_set(e, ERR_INVALID, "database", "the database URL cannot be read: %s", "无法识别数据库地址：%s",
                  why ? why : "");
        PQfreemem(why);
        return NULL;
    }
    for (size_t i = 0; i < DEFAULTS; i++) name[n] = defaults[i].name, value[n++] = defaults[i].value;
    for (PQconninfoOption *x = o; x->keyword && n < OPTIONS_MAX; x++)
        if (x->val) name[n] = x->keyword, value[n++] = x->val; /* the later one counts */
    name[n] = value[n] = NULL;
    PGconn *h = PQconnectdbParams(name, value, 0);
    PQconninfoFree(o);
    if (PQstatus(h) == CONNECTION_OK) return h;
    char text[200];
    error_set(e, h ? ERR_UNAVAILABLE : ERR_NOMEM, "", "the database server does not answer: %s",
              "无法连接数据库服务器：%s", sentence(h, NULL, text));
    PQfinish(h);
    return NULL;
}

static int settle(struct pg *p, PGconn *h, struct error *e)
{
    char text[600];
    PQsetNoticeReceiver(h, silent, NULL);
    snprintf(text, sizeof text,
             "set search_path to \"%s\"; set lock_timeout to %u; set extra_float_digits to 1; set bytea_output to hex;"
             "set timezone to 'UTC'; set standard_conforming_strings to on; set idle_in_transaction_session_timeout to "
             "0; select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = "
             "'off'",
             p->schema, p->wait_ms ? p->wait_ms : 1);
    return pg_command(h, text, e);
}

static int64_t now_us(void)
{
    return (int64_t)(clock_mono_ns(clock_real()) / 1000);
}

static bool known_down(struct pg *p, struct error *e)
{
    pthread_mutex_lock(&p->lock);
    bool down = now_us() < p->down_until_us;
    if (down && e) *e = p->down;
    pthread_mutex_unlock(&p->lock);
    return down;
}

static void note_down(struct pg *p, const struct error *e)
{
    pthread_mutex_lock(&p->lock);
    p->down_until_us = now_us() + RETRY_US;
    p->down = *e;
    pthread_mutex_unlock(&p->lock);
}

int pg_dial(struct pg *p, PGconn **ret, struct error *e)
{
    struct error own = {0};
    if (known_down(p, e)) return ERR_UNAVAILABLE;
    PGconn *h = dial(p, &own);
    int rc = h ? settle(p, h, &own) : own.code;
    if (rc == ERR_UNAVAILABLE) note_down(p, &own);
    if (rc && e) *e = own;
    if (rc)
        PQfinish(h);
    else
        *ret = h;
    return rc;
}

static int conn_open(struct pg *p, struct pg_conn **ret, struct error *e)
{
    struct pg_conn *c = mem_calloc(1, sizeof *c);
    if (!c) return pg_nomem(e);
    buf_init(&c->forget, 1 << 16);
    int rc = pg_dial(p, &c->h, e);
    if (rc)
        conn_close(c);
    else
        *ret = c;
    return rc;
}

/* The writer also holds the lock that says "somebody has it open". */
static int writer_open(struct pg *p, struct pg_conn **ret, struct error *e)
{
    char text[96];
    int rc = conn_open(p, ret, e);
    if (rc) return rc;
    /* Plans are kept over a transaction that fills a table: one made while it was empty must use the index too. */
    snprintf(text, sizeof text, "set enable_seqscan to off; select pg_try_advisory_lock_shared(%d, %d)", USER_LOCK,
             p->lock_key);
    PGresult *r = PQexec((*ret)->h, text);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        rc = pg_fail((*ret)->h, r, e);
    else if (*PQgetvalue(r, 0, 0) != 't')
        rc = error_set(e, ERR_UNAVAILABLE, "database",
                       "the database is being moved by another process (bornite migrate)",
                       "数据库正被另一进程迁移（bornite migrate）");
    PQclear(r);
    if (rc) conn_close(TAKE(*ret));
    return rc;
}

static bool mine(const struct pg *p)
{
    return p->writing && pthread_equal(p->owner, pthread_self());
}

static void deadline(unsigned ms, struct timespec *ret)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += (long)(ms % 1000) * 1000000;
    if (ret->tv_nsec >= 1000000000) ret->tv_sec++, ret->tv_nsec -= 1000000000;
}

static int busy(const struct pg *p, struct error *e)
{
    return error_set(e, ERR_AGAIN, "", "the database has been busy with another change for %u ms; try again",
                     "数据库正忙于其他修改（已等待 %u 毫秒），请重试", p->wait_ms);
}

static int take_writer(struct pg *p, struct error *e)
{
    struct timespec until;
    deadline(p->wait_ms, &until);
    pthread_mutex_lock(&p->lock);
    int rc = mine(p) ? error_set(e, ERR_INTERNAL, "", "this thread already has a transaction that writes",
                                 "本线程已有写事务")
                     : 0;
    while (!rc && p->writing)
        if (pthread_cond_timedwait(&p->freed, &p->lock, &until)) rc = busy(p, e);
    if (!rc) {
        p->writing = true;
        p->owner = pthread_self();
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* A place among the readers; *ret NULL: to be connected. */
static int take_reader(struct pg *p, struct pg_conn **ret, struct error *e)
{
    struct timespec until;
    deadline(p->wait_ms, &until);
    int rc = 0;
    bool got = false;
    pthread_mutex_lock(&p->lock);
    while (!rc && !got) {
        got = true;
        if (p->nidle)
            *ret = p->idle[--p->nidle];
        else if (p->nreaders < PG_READERS)
            p->nreaders++, *ret = NULL;
        else
            got = false;
        if (!got && pthread_cond_timedwait(&p->freed, &p->lock, &until))
            rc = error_set(e, ERR_AGAIN, "", "all %d readers of the database have been busy for %u ms; try again",
                           "数据库的 %d 个读连接均忙（已等待 %u 毫秒），请重试", PG_READERS, p->wait_ms);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* c NULL: its connection is gone. */
static void put_back(struct pg *p, struct pg_conn *c, bool writer)
{
    bool lost = c && (PQstatus(c->h) != CONNECTION_OK || PQtransactionStatus(c->h) != PQTRANS_IDLE);
    if (lost) conn_close(TAKE(c));
    pthread_mutex_lock(&p->lock);
    if (writer) {
        p->writer = c;
        p->writing = false;
    } else if (c) {
        p->idle[p->nidle++] = c;
    } else {
        p->nreaders--;
    }
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

static int take(struct pg *p, bool write, struct pg_conn **ret, struct error *e)
{
    struct pg_conn *c = NULL;
    int rc = write ? take_writer(p, e) : take_reader(p, &c, e);
    if (rc) return rc;
    if (write) c = p->writer; /* ours while `writing` */
    if (!c) rc = write ? writer_open(p, &c, e) : conn_open(p, &c, e);
    if (rc)
        put_back(p, NULL, write);
    else
        *ret = c;
    return rc;
}

/* ------------------------------------------------------------------ transactions */

/* A command of its own: nothing may stand in front of a `begin` with an isolation level. */
static int forget_statements(struct pg_conn *c, struct error *e)
{
    int rc = c->forget.n ? pg_command(c->h, buf_cstr(&c->forget), e) : 0;
    buf_clear(&c->forget);
    return rc;
}

static int begin_read(struct pg_conn *c, struct error *e)
{
    int rc = forget_statements(c, e);
    return rc ? rc : pg_command(c->h, "begin isolation level repeatable read read only", e);
}

static int begin_write(struct pg *p, struct pg_conn *c, char xid[24], struct error *e)
{
    char text[200];
    int rc = forget_statements(c, e);
    if (rc) return rc;
    snprintf(text, sizeof text,
             "begin isolation level read committed; select pg_advisory_xact_lock(%d, %d); select pg_current_xact_id()",
             WRITER_LOCK, p->lock_key);
    PGresult *r = PQexec(c->h, text);
    if (PQresultStatus(r) == PGRES_TUPLES_OK) {
        str_to_cstr(str_of(PQgetvalue(r, 0, 0)), xid, 24);
    } else {
        rc = pg_fail(c->h, r, e);
        if (rc == ERR_AGAIN) rc = busy(p, e);
        (void)!pg_command(c->h, "rollback", NULL);
    }
    PQclear(r);
    return rc;
}

/* A connection that died while it was idle is opened again, once: nothing has been done on it yet. */
static int begin_on(struct pg *p, bool write, struct pg_tx *t, struct error *e)
{
    for (int tries = 0;; tries++) {
        int rc = take(p, write, &t->conn, e);
        if (rc) return rc;
        rc = write ? begin_write(p, t->conn, t->xid, e) : begin_read(t->conn, e);
        if (!rc) return 0;
        bool lost = pg_lost(t->conn->h);
        put_back(p, t->conn, write);
        if (!lost || tries > (int)PG_READERS) return rc;
    }
}

static int pg_begin(struct sql *db, bool write, struct sql_tx **ret, struct error *e)
{
    struct pg_tx *t = mem_calloc(1, sizeof *t);
    if (!t) return pg_nomem(e);
    t->base = (struct sql_tx){.ops = db->ops, .db = db, .write = write};
    int rc = begin_on((struct pg *)db, write, t, e);
    if (rc)
        mem_free(t);
    else
        *ret = &t->base;
    return rc;
}

static int unknown_outcome(struct error *e)
{
    return error_set(
        e, ERR_UNKNOWN, "",
        "the connection to the database server was lost while the change was being stored; whether it took "
        "place is not known: look, then try again",
        "保存时与数据库服务器的连接断开，修改是否生效未知：请先查看，再重试");
}

/* What became of transaction xid: 0 committed, ERR_UNAVAILABLE undone, ERR_UNKNOWN. */
static int outcome(struct pg *p, const char *xid, struct error *e)
{
    const char *arg[] = {xid};
    for (int64_t end = now_us() + OUTCOME_US; now_us() < end; usleep(100000)) {
        struct pg_conn *c;
        if (conn_open(p, &c, NULL)) continue;
        PGresult *r = PQexecParams(c->h, "select pg_xact_status($1::xid8)", 1, NULL, arg, NULL, NULL, 0);
        char now[16] = "";
        if (PQresultStatus(r) == PGRES_TUPLES_OK) str_to_cstr(str_of(PQgetvalue(r, 0, 0)), now, sizeof now);
        PQclear(r);
        conn_close(c);
        if (strcmp(now, "committed") == 0) return 0;
        if (strcmp(now, "aborted") == 0)
            return error_set(e, ERR_UNAVAILABLE, "",
                             "the connection to the database server was lost; the change was undone; try again",
                             "与数据库服务器的连接断开，修改已撤销，请重试");
        if (now[0] && strcmp(now, "in progress") != 0) break;
    }
    return unknown_outcome(e);
}

static int commit(struct pg *p, struct pg_tx *t, struct error *e)
{
    struct error own = {0};
    int rc = t->broken ? pg_broken(t, e) : pg_make_way(t->conn, e);
    if (rc) return rc;
    struct buf b;
    buf_init(&b, 1 << 14);
    pg_notify_text(p, t, &b);
    buf_z(&b, "commit");
    PGresult *r = PQexec(t->conn->h, buf_cstr(&b));
    buf_fini(&b);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        rc = pg_fail(t->conn->h, r, &own);
    else if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
        rc = error_set(&own, ERR_INTERNAL, "", "database: the change was undone", "数据库：修改已撤销");
    PQclear(r);
    if (rc && t->base.write && pg_lost(t->conn->h)) return outcome(p, t->xid, e);
    if (rc && e) *e = own;
    return rc;
}

static int pg_end(struct sql_tx *tx, bool want, struct error *e)
{
    struct pg *p = (struct pg *)tx->db;
    struct pg_tx *t = (struct pg_tx *)tx;
    int rc = want ? commit(p, t, e) : 0;
    if (t->conn->streaming) (void)!pg_make_way(t->conn, NULL);
    if (PQtransactionStatus(t->conn->h) != PQTRANS_IDLE) (void)!pg_command(t->conn->h, "rollback", NULL);
    put_back(p, t->conn, tx->write);
    mem_free(t);
    return rc;
}

static int pg_script(struct sql_tx *tx, const char *text, struct error *e)
{
    struct pg_tx *t = (struct pg_tx *)tx;
    struct buf b;
    if (t->broken) return pg_broken(t, e);
    int rc = pg_make_way(t->conn, e);
    buf_init(&b, 16 << 20);
    pg_translate(str_of(text), &b);
    const char *own = buf_cstr(&b);
    if (!rc) rc = b.err ? pg_nomem(e) : pg_command(t->conn->h, own, e);
    buf_fini(&b);
    return rc ? pg_tx_fail(t, rc) : 0;
}

/* ------------------------------------------------------------------ leases */

#define CLOCK "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)"

static int read_holder(PGconn *h, const char *name, char ret_owner[64], struct error *e)
{
    const char *arg[] = {name};
    PGresult *r = PQexecParams(h, "select owner from sql_lease where name = $1", 1, NULL, arg, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_fail(h, r, e);
    ret_owner[0] = 0;
    if (!rc && PQntuples(r)) str_to_cstr(str_of(PQgetvalue(r, 0, 0)), ret_owner, 64);
    PQclear(r);
    return rc;
}

static int ask(PGconn *h, const char *name, const char *owner, int ttl_s, char ret_owner[64], struct error *e)
{
    char ttl[24];
    snprintf(ttl, sizeof ttl, "%lld", ttl_s * 1000000LL);
    const char *arg[] = {name, owner, ttl};
    const char *text = ttl_s ? "insert into sql_lease as l(name, owner, until_us) values($1, $2, " CLOCK
                               " + cast($3 as bigint))"
                               " on conflict(name) do update set owner = excluded.owner, until_us = excluded.until_us"
                               " where l.owner = excluded.owner or l.until_us < " CLOCK " returning 1"
                             : "delete from sql_lease where name = $1 and owner = $2 and $3 = '0' returning 1";
    PGresult *r = PQexecParams(h, text, 3, NULL, arg, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? PQntuples(r) : pg_fail(h, r, e);
    PQclear(r);
    if (rc == 1) str_to_cstr(str_of(owner), ret_owner, 64);
    if (rc) return rc;
    rc = read_holder(h, name, ret_owner, e);
    return rc;
}

/* Not under the writer's lock: a long change must not cost anybody a lease. */
static int pg_lease(struct sql *db, const char *name, const char *owner, int ttl_s, char ret_owner[64], struct error *e)
{
    struct pg *p = (struct pg *)db;
    for (int tries = 0;; tries++) {
        struct pg_conn *c;
        int rc = take(p, false, &c, e);
        if (rc) return rc;
        rc = ask(c->h, name, owner, ttl_s, ret_owner, e);
        bool lost = rc < 0 && pg_lost(c->h);
        put_back(p, c, false);
        if (!lost || tries > (int)PG_READERS) return rc;
    }
}

/* ------------------------------------------------------------------ alone, open, close */

static int try_alone(struct pg *p, PGconn *h, struct error *e)
{
    char text[200];
    snprintf(text, sizeof text, "select pg_advisory_unlock_shared(%d, %d); select pg_try_advisory_lock(%d, %d)",
             USER_LOCK, p->lock_key, USER_LOCK, p->lock_key);
    PGresult *r = PQexec(h, text);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_fail(h, r, e);
    if (!rc && *PQgetvalue(r, 0, 0) != 't')
        rc = error_set(e, ERR_AGAIN, "", "another process has the database open; stop it first",
                       "另有进程正在使用该数据库，请先停止");
    PQclear(r);
    return rc;
}

/* The server lets go of a lock a moment after its owner has gone: some patience. */
static int pg_alone(struct sql *db, struct error *e)
{
    struct pg *p = (struct pg *)db;
    struct pg_conn *c;
    int rc = take(p, true, &c, e);
    if (rc) return rc;
    int64_t end = now_us() + ALONE_US;
    while ((rc = try_alone(p, c->h, e)) == ERR_AGAIN && now_us() < end) usleep(20000);
    p->alone = !rc;
    put_back(p, c, true);
    return rc;
}

static void pg_close(struct sql *db)
{
    struct pg *p = (struct pg *)db;
    assert(!p->writing && p->nidle == p->nreaders);
    pg_listen_stop(p);
    for (unsigned i = 0; i < p->nidle; i++) conn_close(p->idle[i]);
    /* Else the next to open may come before the server has noticed that we left. */
    if (p->alone && p->writer) PQclear(PQexec(p->writer->h, "select pg_advisory_unlock_all()"));
    conn_close(p->writer);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->watch_lock);
    pthread_cond_destroy(&p->freed);
    mem_free(p->conninfo);
    mem_free(p);
}

static const struct sql_ops pg_ops = {
    .dialect = SQL_POSTGRESQL,
    .shared = true,
    .close = pg_close,
    .begin = pg_begin,
    .end = pg_end,
    .prepare = pg_prepare,
    .bind = pg_bind,
    .step = pg_step,
    .column = pg_column,
    .done = pg_done,
    .script = pg_script,
    .backup = pg_backup,
    .snapshot = sql_dump,
    .lease = pg_lease,
    .alone = pg_alone,
    .watch = pg_watch,
    .unwatch = pg_unwatch,
};

static int set_schema(struct pg *p, struct str v, struct error *e)
{
    bool ok = v.n > 0 && v.n <= PG_SCHEMA_MAX && !(v.p[0] >= '0' && v.p[0] <= '9') && !str_starts(v, STR("pg_"));
    for (size_t i = 0; i < v.n && ok; i++)
        ok = (v.p[i] >= 'a' && v.p[i] <= 'z') || (v.p[i] >= '0' && v.p[i] <= '9') || v.p[i] == '_';
    if (!ok)
        return error_set(e, ERR_INVALID, "database", "schema=%.*s: write 1 to %d of a-z, 0-9 and _, a letter first",
                         "schema=%.*s：应为 1 至 %d 个 a-z、0-9 或 _，以字母开头", STR_ARG(v), PG_SCHEMA_MAX);
    str_to_cstr(v, p->schema, sizeof p->schema);
    return 0;
}

static int set_wait(struct pg *p, struct str v, struct error *e)
{
    int64_t ms;
    if (str_to_i64(v, &ms) || ms < 0 || ms > 600000)
        return error_set(e, ERR_INVALID, "database", "wait_ms=%.*s: must be 0 to 600000",
                         "wait_ms=%.*s：应为 0 至 600000", STR_ARG(v));
    p->wait_ms = (unsigned)ms;
    return 0;
}

/* Our own options are taken out, the rest is libpq's. */
static int read_url(struct pg *p, const char *url, struct error *e)
{
    struct str rest = str_of(url), base = str_cut(&rest, '?');
    struct buf b;
    char sep = '?';
    int rc = 0;
    buf_init(&b, 1 << 16);
    buf_str(&b, base);
    while (rest.p && !rc) {
        struct str part = str_cut(&rest, '&'), value = part, name = str_cut(&value, '=');
        if (str_is(name, "schema")) {
            rc = set_schema(p, value, e);
        } else if (str_is(name, "wait_ms")) {
            rc = set_wait(p, value, e);
        } else if (part.n) {
            buf_u8(&b, (uint8_t)sep);
            buf_str(&b, part);
            sep = '&';
        }
    }
    if (!rc && !(p->conninfo = mem_strdup(buf_cstr(&b)))) rc = pg_nomem(e);
    buf_fini(&b);
    return rc;
}

static bool has_row(PGconn *h, const char *text, const char *arg)
{
    const char *args[] = {arg};
    PGresult *r = PQexecParams(h, text, 1, NULL, args, NULL, NULL, 0);
    bool yes = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0;
    PQclear(r);
    return yes;
}

/* Schema and lease table, under the writer's lock: two processes may start at the same moment. */
static int make_schema(struct pg *p, PGconn *h, struct error *e)
{
    char text[600];
    if (PQserverVersion(h) < 130000)
        return error_set(e, ERR_UNSUPPORTED, "database", "PostgreSQL 13 or newer is needed; the server is %d",
                         "需要 PostgreSQL 13 或更新版本；服务器版本为 %d", PQserverVersion(h) / 10000);
    bool schema = has_row(h, "select 1 from pg_namespace where nspname = $1", p->schema);
    if (schema && has_row(h, "select 1 from pg_tables where schemaname = $1 and tablename = 'sql_lease'", p->schema))
        return 0;
    snprintf(text, sizeof text,
             "begin; select pg_advisory_xact_lock(%d, %d); %s%s%s"
             "create table if not exists \"%s\".sql_lease(name text collate \"C\" primary key, owner text not null,"
             " until_us bigint not null); commit",
             WRITER_LOCK, p->lock_key, schema ? "" : "create schema if not exists \"", schema ? "" : p->schema,
             schema ? "" : "\"; ", p->schema);
    int rc = pg_command(h, text, e);
    if (rc) (void)!pg_command(h, "rollback", NULL);
    return rc;
}

int postgres_open_url(const char *url, struct sql **ret, struct error *e)
{
    struct pg *p = mem_calloc(1, sizeof *p);
    if (!p) return pg_nomem(e);
    p->base.ops = &pg_ops;
    p->wait_ms = 10000;
    str_to_cstr(STR("bornite"), p->schema, sizeof p->schema);
    pthread_condattr_t ca;
    pthread_condattr_init(&ca);
    pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->watch_lock, NULL);
    p->stop_fd = -1;
    snprintf(p->origin, sizeof p->origin, "%llx", (unsigned long long)rng_u64(rng_real()));
    pthread_cond_init(&p->freed, &ca);
    pthread_condattr_destroy(&ca);
    int rc = read_url(p, url, e);
    p->lock_key = (int)(str_hash(str_of(p->schema), 1) & 0x7fffffff);
    if (!rc) rc = writer_open(p, &p->writer, e);
    if (!rc) rc = make_schema(p, p->writer->h, e);
    if (rc)
        pg_close(&p->base);
    else
        *ret = &p->base;
    return rc;
}
