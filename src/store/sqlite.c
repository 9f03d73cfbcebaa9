/* sqlite.c - SQLite behind sql.h.
 *
 * One connection writes, guarded by a mutex with a waiting time; up to READERS connections read, opened
 * when first needed. WAL: a reader sees the state as of its first statement and waits for nobody.
 * synchronous=FULL: a commit has been fsynced when it returns. ":memory:" has the one connection only,
 * which readers take like writers do; the thread that holds it may nest readers.
 *
 * Statements are cached per connection by text; a text that is already running gets a second, uncached
 * statement. Parameters are bound by their number in the name ($2), not by order of appearance.
 *
 * An error that may have undone the transaction (full disk, I/O, memory) marks it broken: everything
 * after it fails with the same code and commit rolls back, so that nothing half is ever committed.
 *
 * Ownership: struct lite owns connections, a connection its cached statements. Memory comes from
 * base/mem, so that tests can make SQLite's allocations fail too. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "store/sql_int.h"

#define READERS 12
#define CACHED 96
#define PARAMS_MAX 999

struct stmt {
    struct sql_stmt base;
    sqlite3_stmt *h;
    char *text; /* NULL: not cached */
    uint64_t hash, used;
    bool busy;
    int nparams, highest;
    int bind_err;   /* SQLite code of a failed bind */
    uint16_t *slot; /* slot[n]: SQLite's index of $n, 0 none */
};

struct conn {
    sqlite3 *h;
    struct stmt *cache[CACHED];
    uint64_t tick;
};

struct tx {
    struct sql_tx base;
    struct conn *conn;
    int broken; /* error code that ended it early */
    int64_t changes_before;
    bool nested; /* inside this thread's transaction on the one connection of a memory database */
};

struct lite {
    struct sql base;
    char *path;
    int in_use; /* descriptor of "<file>-lock"; -1: none */
    bool memory;
    unsigned wait_ms;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct conn *writer;
    bool writing;
    pthread_t owner;
    struct conn *idle[READERS];
    unsigned nidle, nreaders;
};

/* ------------------------------------------------------------------ memory */

static void *lite_malloc(int n)
{
    int64_t *p = mem_alloc((size_t)n + 8);
    if (!p) return NULL;
    *p = n;
    return p + 1;
}

static void lite_free(void *p)
{
    mem_free(p ? (int64_t *)p - 1 : NULL);
}

static void *lite_realloc(void *p, int n)
{
    int64_t *q = mem_realloc((int64_t *)p - 1, (size_t)n + 8);
    if (!q) return NULL;
    *q = n;
    return q + 1;
}

static int lite_size(void *p)
{
    return p ? (int)((int64_t *)p)[-1] : 0;
}
static int lite_roundup(int n)
{
    return (n + 7) & ~7;
}
static int lite_mem_init(void *ctx)
{
    return SQLITE_OK;
}
static void lite_mem_down(void *ctx) {}

static void configure(void)
{
    static const sqlite3_mem_methods methods = {.xMalloc = lite_malloc,
                                                .xFree = lite_free,
                                                .xRealloc = lite_realloc,
                                                .xSize = lite_size,
                                                .xRoundup = lite_roundup,
                                                .xInit = lite_mem_init,
                                                .xShutdown = lite_mem_down};
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_initialize();
}

/* ------------------------------------------------------------------ errors */

static const struct {
    int lite, code;
    const char *en, *zh;
} codes[] = {
    {SQLITE_CONSTRAINT_UNIQUE, ERR_EXISTS, "exists already", "已存在"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, ERR_EXISTS, "exists already", "已存在"},
    {SQLITE_CONSTRAINT_ROWID, ERR_EXISTS, "exists already", "已存在"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, ERR_REFERENCED, "still referenced, or refers to nothing",
     "仍被引用，或引用的对象不存在"},
    {SQLITE_CONSTRAINT, ERR_INVALID, "refused by a constraint", "违反约束"},
    {SQLITE_FULL, ERR_DISK_FULL, "the disk is full; free some space", "磁盘已满，请释放空间"},
    {SQLITE_NOMEM, ERR_NOMEM, "out of memory", "内存不足"},
    {SQLITE_CORRUPT, ERR_CORRUPT, "the database file is damaged; restore a backup", "数据库文件已损坏，请恢复备份"},
    {SQLITE_NOTADB, ERR_CORRUPT, "the file is no database", "该文件不是数据库"},
    {SQLITE_BUSY, ERR_AGAIN, "the database is busy", "数据库繁忙"},
    {SQLITE_LOCKED, ERR_AGAIN, "the database is busy", "数据库繁忙"},
    {SQLITE_TOOBIG, ERR_TOO_LARGE, "the value is too large", "值过大"},
    {SQLITE_READONLY, ERR_IO, "the database cannot be written", "数据库不可写"},
    {SQLITE_CANTOPEN, ERR_IO, "the database cannot be opened", "数据库无法打开"},
    {SQLITE_PERM, ERR_IO, "the database cannot be opened", "数据库无法打开"},
    {SQLITE_IOERR, ERR_IO, "reading or writing the database failed", "数据库读写失败"},
};

static int fail(sqlite3 *h, int lite, struct error *e)
{
    int full = h && lite != SQLITE_NOMEM ? sqlite3_extended_errcode(h) : lite;
    if ((full & 0xff) != (lite & 0xff)) full = lite;
    if (full == SQLITE_IOERR_NOMEM) full = SQLITE_NOMEM;
    const char *why = h && full != SQLITE_NOMEM ? sqlite3_errmsg(h) : sqlite3_errstr(full);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].lite == full || codes[i].lite == (full & 0xff))
            return error_set(e, codes[i].code, "", "database: %s%.0s (%s)", "数据库：%.0s%s（%s）", codes[i].en,
                             codes[i].zh, why);
    return error_set(e, ERR_INTERNAL, "", "database: %s", "数据库：%s", why);
}

static bool undone(int code)
{
    return code != ERR_EXISTS && code != ERR_REFERENCED && code != ERR_INVALID;
}

/* ------------------------------------------------------------------ connections */

static void stmt_free(struct stmt *s)
{
    if (!s) return;
    sqlite3_finalize(s->h);
    mem_free(s->text);
    mem_free(s->slot);
    mem_free(s);
}

static void conn_close(struct conn *c)
{
    if (!c) return;
    for (size_t i = 0; i < CACHED; i++) stmt_free(c->cache[i]);
    sqlite3_close_v2(c->h);
    mem_free(c);
}

static const char setup_all[] = "pragma foreign_keys = on; pragma synchronous = full; pragma temp_store = memory;"
                                "pragma journal_size_limit = 67108864;";
static const char setup_writer[] = "pragma journal_mode = wal; pragma cache_size = -64000;";
static const char setup_reader[] = "pragma query_only = on; pragma cache_size = -6000;";

static int conn_setup(struct conn *c, bool writer)
{
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)NULL);
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    /* Plans must not depend on bound values: with partial indices SQLite would prepare again at every bind. */
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_ENABLE_QPSG, 1, (int *)NULL);
    sqlite3_extended_result_codes(c->h, 1);
    sqlite3_busy_timeout(c->h, 5000);
    int rc = sqlite3_exec(c->h, setup_all, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(c->h, writer ? setup_writer : setup_reader, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(c->h, "select count(*) from sqlite_master", NULL, NULL, NULL);
    return rc;
}

static int conn_open(const char *path, bool writer, struct conn **ret, struct error *e)
{
    struct conn *c = mem_calloc(1, sizeof *c);
    if (!c) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = sqlite3_open_v2(path, &c->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) rc = conn_setup(c, writer);
    if (rc == SQLITE_OK) {
        *ret = c;
        return 0;
    }
    rc = fail(c->h, rc, e);
    conn_close(c);
    return rc;
}

static void deadline(unsigned ms, struct timespec *ret)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += (long)(ms % 1000) * 1000000;
    if (ret->tv_nsec >= 1000000000) ret->tv_sec++, ret->tv_nsec -= 1000000000;
}

static bool mine(struct lite *l)
{
    return l->writing && pthread_equal(l->owner, pthread_self());
}

static int take_writer(struct lite *l, struct conn **ret, struct error *e)
{
    struct timespec until;
    deadline(l->wait_ms, &until);
    pthread_mutex_lock(&l->lock);
    int rc = mine(l) ? error_set(e, ERR_INTERNAL, "", "this thread already has a transaction that writes",
                                 "本线程已有写事务")
                     : 0;
    while (!rc && l->writing)
        if (pthread_cond_timedwait(&l->freed, &l->lock, &until))
            rc = error_set(e, ERR_AGAIN, "", "the database has been busy with another change for %u ms; try again",
                           "数据库正忙于其他修改（已等待 %u 毫秒），请重试", l->wait_ms);
    if (!rc) {
        l->writing = true;
        l->owner = pthread_self();
        *ret = l->writer;
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static int take_reader(struct lite *l, struct conn **ret, struct error *e)
{
    struct timespec until;
    deadline(l->wait_ms, &until);
    int rc = 0;
    bool open = false;
    pthread_mutex_lock(&l->lock);
    while (!rc && !l->nidle && !open) {
        open = l->nreaders < READERS;
        if (open)
            l->nreaders++;
        else if (pthread_cond_timedwait(&l->freed, &l->lock, &until))
            rc = error_set(e, ERR_AGAIN, "", "all %d readers of the database have been busy for %u ms; try again",
                           "数据库的 %d 个读连接均忙（已等待 %u 毫秒），请重试", READERS, l->wait_ms);
    }
    if (!rc && !open) *ret = l->idle[--l->nidle];
    pthread_mutex_unlock(&l->lock);
    if (rc || !open) return rc;
    rc = conn_open(l->path, false, ret, e);
    if (!rc) return 0;
    pthread_mutex_lock(&l->lock);
    l->nreaders--;
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static void put_back(struct lite *l, struct conn *c)
{
    pthread_mutex_lock(&l->lock);
    if (c == l->writer)
        l->writing = false;
    else
        l->idle[l->nidle++] = c;
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
}

/* ------------------------------------------------------------------ transactions */

static bool nested_reader(struct lite *l, bool write)
{
    if (write || !l->memory) return false;
    pthread_mutex_lock(&l->lock);
    bool yes = mine(l);
    pthread_mutex_unlock(&l->lock);
    return yes;
}

static void roll_back(struct conn *c)
{
    if (!sqlite3_get_autocommit(c->h)) sqlite3_exec(c->h, "rollback", NULL, NULL, NULL);
}

static int lite_begin(struct sql *db, bool write, struct sql_tx **ret, struct error *e)
{
    struct lite *l = (struct lite *)db;
    struct tx *t = mem_calloc(1, sizeof *t);
    if (!t) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    t->base = (struct sql_tx){.ops = db->ops, .db = db, .write = write};
    t->nested = nested_reader(l, write);
    int rc = 0;
    if (t->nested)
        t->conn = l->writer;
    else
        rc = write || l->memory ? take_writer(l, &t->conn, e) : take_reader(l, &t->conn, e);
    if (!rc && !t->nested) {
        roll_back(t->conn); /* what a former one could not for want of memory */
        int lite = sqlite3_exec(t->conn->h, write ? "begin immediate" : "begin", NULL, NULL, NULL);
        if (lite != SQLITE_OK) {
            rc = fail(t->conn->h, lite, e);
            roll_back(t->conn); /* it may have begun and failed afterwards */
            put_back(l, t->conn);
        }
    }
    if (rc)
        mem_free(t);
    else
        *ret = &t->base;
    return rc;
}

static int broken(struct tx *t, struct error *e)
{
    return error_set(e, t->broken, "", "the change was undone after an earlier error: %s%.0s",
                     "先前出错，修改已撤销：%.0s%s", error_title(t->broken), error_title_zh(t->broken));
}

static int commit(struct tx *t, struct error *e)
{
    if (t->broken) return broken(t, e);
    int lite = sqlite3_exec(t->conn->h, "commit", NULL, NULL, NULL);
    return lite == SQLITE_OK ? 0 : fail(t->conn->h, lite, e);
}

static int lite_end(struct sql_tx *tx, bool want, struct error *e)
{
    struct tx *t = (struct tx *)tx;
    int rc = 0;
    if (!t->nested) {
        if (want) rc = commit(t, e);
        roll_back(t->conn);
        /* A large change has filled the page cache, which is of no more use. */
        if (sqlite3_total_changes64(t->conn->h) - t->changes_before > 10000) sqlite3_db_release_memory(t->conn->h);
        put_back((struct lite *)tx->db, t->conn);
    }
    mem_free(t);
    return rc;
}

static int tx_fail(struct tx *t, int lite, struct error *e)
{
    int code = fail(t->conn->h, lite, e);
    if (undone(code) && t->base.write && !t->broken) t->broken = code;
    return code;
}

/* ------------------------------------------------------------------ statements */

static int map_params(struct stmt *s, struct error *e)
{
    s->nparams = sqlite3_bind_parameter_count(s->h);
    for (int i = 1; i <= s->nparams; i++) {
        const char *name = sqlite3_bind_parameter_name(s->h, i);
        int64_t n;
        if (!name || name[0] != '$' || str_to_i64(str_of(name + 1), &n) || n < 1 || n > PARAMS_MAX)
            return error_set(e, ERR_INTERNAL, "", "SQL parameters are written $1 to $%d", "SQL 参数应写作 $1 至 $%d",
                             PARAMS_MAX);
        if (n > s->highest) s->highest = (int)n;
    }
    if (!(s->slot = mem_calloc((size_t)s->highest + 1, sizeof *s->slot)))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (int i = 1; i <= s->nparams; i++) {
        int64_t n = 0;
        (void)!str_to_i64(str_of(sqlite3_bind_parameter_name(s->h, i) + 1), &n);
        s->slot[n] = (uint16_t)i;
    }
    return 0;
}

static int stmt_new(struct tx *t, const char *text, struct stmt **ret, struct error *e)
{
    struct stmt *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int lite = sqlite3_prepare_v3(t->conn->h, text, -1, SQLITE_PREPARE_PERSISTENT, &s->h, NULL);
    int rc = lite == SQLITE_OK ? map_params(s, e) : tx_fail(t, lite, e);
    if (rc)
        stmt_free(s);
    else
        *ret = s;
    return rc;
}

/* The slot to (re)use: an empty one, else the one that has been idle longest; CACHED when all are busy. */
static size_t victim(const struct conn *c)
{
    size_t best = CACHED;
    for (size_t i = 0; i < CACHED; i++) {
        if (!c->cache[i]) return i;
        if (!c->cache[i]->busy && (best == CACHED || c->cache[i]->used < c->cache[best]->used)) best = i;
    }
    return best;
}

static struct stmt *find(struct conn *c, const char *text, uint64_t hash)
{
    for (size_t i = 0; i < CACHED; i++) {
        struct stmt *s = c->cache[i];
        if (s && !s->busy && s->hash == hash && strcmp(s->text, text) == 0) return s;
    }
    return NULL;
}

static void remember(struct conn *c, struct stmt *s, const char *text, uint64_t hash)
{
    size_t i = victim(c);
    if (i == CACHED || !(s->text = mem_strdup(text))) return;
    stmt_free(c->cache[i]);
    c->cache[i] = s;
    s->hash = hash;
}

static int lite_prepare(struct sql_tx *tx, const char *text, struct sql_stmt **ret, struct error *e)
{
    struct tx *t = (struct tx *)tx;
    if (t->broken) return broken(t, e);
    uint64_t hash = str_hash(str_of(text), 1);
    struct stmt *s = find(t->conn, text, hash);
    if (!s) {
        int rc = stmt_new(t, text, &s, e);
        if (rc) return rc;
        remember(t->conn, s, text, hash);
    }
    s->busy = true;
    s->used = ++t->conn->tick;
    s->bind_err = SQLITE_OK;
    s->base = (struct sql_stmt){.ops = tx->ops, .tx = tx};
    *ret = &s->base;
    return 0;
}

static int bind_value(struct stmt *s, int at, const struct sql_value *v)
{
    switch (v->type) {
    case SQL_I64: return sqlite3_bind_int64(s->h, at, v->i);
    case SQL_DOUBLE: return sqlite3_bind_double(s->h, at, v->d);
    case SQL_TEXT: return sqlite3_bind_text64(s->h, at, v->s.p, v->s.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    case SQL_BLOB: return sqlite3_bind_blob64(s->h, at, v->s.p, v->s.n, SQLITE_TRANSIENT);
    case SQL_NULL: break;
    }
    return sqlite3_bind_null(s->h, at);
}

static void lite_bind(struct sql_stmt *st, int i, const struct sql_value *v)
{
    struct stmt *s = (struct stmt *)st;
    assert(i >= 1 && i <= PARAMS_MAX);
    int lite = i > s->highest || !s->slot[i] ? SQLITE_RANGE : bind_value(s, s->slot[i], v);
    if (lite != SQLITE_OK && s->bind_err == SQLITE_OK) s->bind_err = lite;
}

static int lite_step(struct sql_stmt *st, struct error *e)
{
    struct stmt *s = (struct stmt *)st;
    struct tx *t = (struct tx *)st->tx;
    if (t->broken) return broken(t, e);
    if (s->bind_err == SQLITE_RANGE)
        return error_set(e, ERR_INTERNAL, "", "an argument has no $n in the SQL text", "SQL 文本中没有对应的 $n 参数");
    int lite = s->bind_err != SQLITE_OK ? s->bind_err : sqlite3_step(s->h);
    if (lite == SQLITE_ROW) return 1;
    if (lite != SQLITE_DONE) return tx_fail(t, lite, e);
    t->base.changes = sqlite3_changes64(t->conn->h);
    return 0;
}

static void lite_column(struct sql_stmt *st, int col, struct sql_value *ret)
{
    sqlite3_stmt *h = ((struct stmt *)st)->h;
    assert(col >= 0 && col < sqlite3_column_count(h));
    switch (ret->type) {
    case SQL_I64: ret->i = sqlite3_column_int64(h, col); return;
    case SQL_DOUBLE: ret->d = sqlite3_column_double(h, col); return;
    case SQL_NULL: ret->type = sqlite3_column_type(h, col) == SQLITE_NULL ? SQL_NULL : SQL_TEXT; return;
    default: break;
    }
    ret->s = STR_NULL;
    if (sqlite3_column_type(h, col) == SQLITE_NULL) return;
    const void *p = sqlite3_column_blob(h, col);
    ret->s = (struct str){p ? p : "", (size_t)sqlite3_column_bytes(h, col)};
}

static void lite_done(struct sql_stmt *st)
{
    struct stmt *s = (struct stmt *)st;
    sqlite3_reset(s->h);
    sqlite3_clear_bindings(s->h);
    s->busy = false;
    if (!s->text) stmt_free(s);
}

static int lite_script(struct sql_tx *tx, const char *text, struct error *e)
{
    struct tx *t = (struct tx *)tx;
    if (t->broken) return broken(t, e);
    int lite = sqlite3_exec(t->conn->h, text, NULL, NULL, NULL);
    return lite == SQLITE_OK ? 0 : tx_fail(t, lite, e);
}

/* ------------------------------------------------------------------ backup, open, close */

static int sync_path(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd)
                 ? error_set(e, error_from_errno(errno), "", "cannot make %s durable", "无法将 %s 落盘", path)
                 : 0;
    if (fd >= 0) close(fd);
    return rc;
}

static int copy_to(struct conn *c, const char *path, struct error *e)
{
    sqlite3 *to = NULL;
    int lite = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_backup *b = lite == SQLITE_OK ? sqlite3_backup_init(to, "main", c->h, "main") : NULL;
    if (b) {
        (void)sqlite3_backup_step(b, -1);
        lite = sqlite3_backup_finish(b);
    } else if (lite == SQLITE_OK) {
        lite = sqlite3_errcode(to);
    }
    int rc = lite == SQLITE_OK ? 0 : fail(to, lite, e);
    sqlite3_close_v2(to);
    return rc;
}

static int sync_parent(const char *path, struct error *e)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = 0;
    return sync_path(slash ? dir : ".", e);
}

static int lite_backup(struct sql *db, const char *suffix, struct error *e)
{
    struct lite *l = (struct lite *)db;
    if (l->memory) return 0;
    char path[4096], part[4096 + 8];
    if (snprintf(path, sizeof path, "%s%s", l->path, suffix) >= (int)sizeof path)
        return error_set(e, ERR_TOO_LARGE, "", "the path of the backup is too long", "备份文件路径过长");
    snprintf(part, sizeof part, "%s.part", path);
    struct conn *c;
    int rc = take_writer(l, &c, e);
    if (rc) return rc;
    unlink(part);
    rc = copy_to(c, part, e);
    put_back(l, c);
    if (!rc) rc = sync_path(part, e);
    if (!rc && rename(part, path))
        rc = error_set(e, error_from_errno(errno), "", "cannot name the backup %s", "无法命名备份文件 %s", path);
    if (!rc) rc = sync_parent(path, e);
    if (rc) unlink(part);
    return rc;
}

/* Read by a connection of its own: one step under one read lock, which keeps nobody from writing (WAL). */
static int lite_snapshot(struct sql *db, const char *path, struct error *e)
{
    struct lite *l = (struct lite *)db;
    struct conn *c;
    int rc = l->memory ? take_writer(l, &c, e) : conn_open(l->path, false, &c, e);
    if (rc) return rc;
    rc = copy_to(c, path, e);
    if (l->memory)
        put_back(l, c);
    else
        conn_close(c);
    if (!rc) rc = sync_path(path, e);
    return rc ? rc : sync_parent(path, e);
}

/* The file belongs to one process: whoever asks has it. */
static int lite_lease(struct sql *db, const char *name, const char *owner, int ttl_s, char ret_owner[64],
                      struct error *e)
{
    str_to_cstr(str_of(owner), ret_owner, 64);
    return 1;
}

static void lite_close(struct sql *db)
{
    struct lite *l = (struct lite *)db;
    assert(!l->writing && l->nidle == l->nreaders);
    for (unsigned i = 0; i < l->nidle; i++) conn_close(l->idle[i]);
    conn_close(l->writer);
    if (l->in_use >= 0) close(l->in_use);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->freed);
    mem_free(l->path);
    mem_free(l);
}

/* "<file>-lock": everybody who has the database open holds a shared flock on it, sql_alone an exclusive one.
 * A file of its own, because closing any descriptor of the database itself would drop SQLite's locks. */
static int open_lock(struct lite *l, struct error *e)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s-lock", l->path) >= (int)sizeof path)
        return error_set(e, ERR_TOO_LARGE, "database", "the path is too long", "路径过长");
    l->in_use = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->in_use < 0)
        return error_set(e, error_from_errno(errno), "database", "cannot open %s: %s", "无法打开 %s：%s", path,
                         strerror(errno));
    if (flock(l->in_use, LOCK_SH | LOCK_NB) == 0) return 0;
    return error_set(e, ERR_UNAVAILABLE, "database", "the database is being moved by another process (bornite migrate)",
                     "数据库正被另一进程迁移（bornite migrate）");
}

static int lite_alone(struct sql *db, struct error *e)
{
    struct lite *l = (struct lite *)db;
    if (l->memory || flock(l->in_use, LOCK_EX | LOCK_NB) == 0) return 0;
    return error_set(e, ERR_AGAIN, "", "another process has the database %s open; stop it first",
                     "另有进程正在使用数据库 %s，请先停止", l->path);
}

static const struct sql_ops lite_ops = {
    .dialect = SQL_SQLITE,
    .close = lite_close,
    .begin = lite_begin,
    .end = lite_end,
    .prepare = lite_prepare,
    .bind = lite_bind,
    .step = lite_step,
    .column = lite_column,
    .done = lite_done,
    .script = lite_script,
    .backup = lite_backup,
    .snapshot = lite_snapshot,
    .lease = lite_lease,
    .alone = lite_alone,
};

/* The file is made with mode 0600 before SQLite sees it; -wal and -shm take its mode. */
static int make_private(const char *path, struct error *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(e, error_from_errno(errno), "database", "cannot open %s: %s", "无法打开 %s：%s", path,
                         strerror(errno));
    close(fd);
    return 0;
}

static int parse_rest(struct lite *l, const char *rest, struct error *e)
{
    struct str s = str_of(rest), path = str_cut(&s, '?');
    int64_t ms = 10000;
    if (s.p && (!str_starts(s, STR("wait_ms=")) || str_to_i64(str_sub(s, 8, s.n), &ms) || ms < 0 || ms > 600000))
        return error_set(e, ERR_INVALID, "database", "the only option of an sqlite: URL is ?wait_ms=0..600000",
                         "sqlite: 地址只支持选项 ?wait_ms=0..600000");
    if (!path.n) return error_set(e, ERR_INVALID, "database", "sqlite: needs a path", "sqlite: 后需要文件路径");
    l->wait_ms = (unsigned)ms;
    l->memory = str_is(path, ":memory:");
    l->path = mem_alloc(path.n + 1);
    if (!l->path) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    str_to_cstr(path, l->path, path.n + 1);
    return 0;
}

int sqlite_open_url(const char *url, struct sql **ret, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    struct lite *l = mem_calloc(1, sizeof *l);
    if (!l) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    l->base.ops = &lite_ops;
    l->in_use = -1;
    pthread_condattr_t ca;
    pthread_condattr_init(&ca);
    pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->freed, &ca);
    pthread_condattr_destroy(&ca);
    int rc = parse_rest(l, url + strlen("sqlite:"), e);
    if (!rc && !l->memory) rc = make_private(l->path, e);
    if (!rc && !l->memory) rc = open_lock(l, e);
    if (!rc) rc = conn_open(l->path, true, &l->writer, e);
    if (rc)
        lite_close(&l->base);
    else
        *ret = &l->base;
    return rc;
}
