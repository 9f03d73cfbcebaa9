/* sql_test.c - the contract of sql.h on SQLite: types, parameters by number, isolation, errors, the
 * cache, migrations with backup, two writers, failing allocations. */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/test.h"
#include "store/sql.h"

static char url[800], path[512];

static struct sql *open_db(const char *option)
{
    struct error e = {0};
    struct sql *db = NULL;
    snprintf(path, sizeof path, "%s/t.db", test_tmpdir());
    snprintf(url, sizeof url, "sqlite:%s%s", path, option);
    if (sql_open(url, &db, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return db;
}

static int run(struct sql *db, const char *text)
{
    struct sql_tx *tx;
    struct error e = {0};
    int rc = sql_begin(db, true, &tx, &e);
    if (rc) return rc;
    rc = sql_exec(tx, &e, text, "");
    if (!rc) return sql_commit(tx, &e);
    sql_rollback(tx);
    return rc;
}

static int64_t one(struct sql *db, const char *text)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int64_t v = -999;
    if (sql_begin(db, false, &tx, NULL)) return -1;
    if (sql_prepare(tx, text, &s, NULL) == 0) {
        if (sql_step(s, NULL) == 1) v = sql_i64(s, 0);
        sql_done(s);
    }
    sql_rollback(tx);
    return v;
}

TEST(values_of_every_type_come_back)
{
    struct sql *db = open_db("");
    REQUIRE(db);
    CHECK_INT(run(db, "create table t(i int, d real, s text, b blob) strict"), 0);
    struct sql_tx *tx;
    struct error e = {0};
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    struct sql_stmt *s;
    REQUIRE(sql_prepare(tx, "insert into t(i, d, s, b) values($2, $1, $4, $3)", &s, &e) == 0);
    sql_bind_double(s, 1, 2.5);
    sql_bind_i64(s, 2, -7000000000LL);
    sql_bind_blob(s, 3, "\0x", 2);
    sql_bind_str(s, 4, STR("铜"));
    CHECK_INT(sql_step(s, &e), 0);
    CHECK_INT(sql_changes(tx), 1);
    sql_done(s);
    CHECK_INT(sql_exec(tx, &e, "insert into t(i, d, s) values($1, $2, $3)", "nds", 1.0, STR_NULL), 0);
    CHECK_INT(sql_commit(tx, &e), 0);
    REQUIRE(sql_begin(db, false, &tx, &e) == 0);
    REQUIRE(sql_prepare(tx, "select i, d, s, b from t order by d desc", &s, &e) == 0);
    REQUIRE(sql_step(s, &e) == 1);
    CHECK_INT(sql_i64(s, 0), -7000000000LL);
    CHECK_DBL(sql_double(s, 1), 2.5, 0);
    CHECK_STR(sql_str(s, 2), "铜");
    CHECK_INT(sql_str(s, 3).n, 2);
    REQUIRE(sql_step(s, &e) == 1);
    CHECK(sql_is_null(s, 0) && sql_is_null(s, 2) && sql_str(s, 2).p == NULL);
    CHECK_INT(sql_step(s, &e), 0);
    sql_done(s);
    sql_rollback(tx);
    sql_close(db);
}

TEST(a_file_is_private)
{
    struct sql *db = open_db("");
    struct stat st;
    REQUIRE(db && stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    sql_close(db);
}

TEST(readers_see_only_what_is_committed)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(i int) strict") == 0);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "insert into t values(1)", ""), 0);
    CHECK_INT(one(db, "select count(*) from t"), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    CHECK_INT(one(db, "select count(*) from t"), 1);
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "insert into t values(2)", ""), 0);
    sql_rollback(tx);
    CHECK_INT(one(db, "select count(*) from t"), 1);
    sql_close(db);
}

TEST(readers_cannot_write)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(i int) strict") == 0);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    CHECK(sql_exec(tx, NULL, "insert into t values(1)", "") < 0);
    sql_rollback(tx);
    sql_close(db);
}

TEST(errors_are_mapped)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table p(i int primary key) strict") == 0);
    CHECK_INT(run(db, "create table c(i int references p(i), n text unique, k int check(k > 0)) strict"), 0);
    CHECK_INT(run(db, "insert into p values(1)"), 0);
    CHECK_INT(run(db, "insert into p values(1)"), ERR_EXISTS);
    CHECK_INT(run(db, "insert into c values(1, 'a', 1)"), 0);
    CHECK_INT(run(db, "insert into c values(1, 'a', 1)"), ERR_EXISTS);
    CHECK_INT(run(db, "insert into c values(2, 'b', 1)"), ERR_REFERENCED);
    CHECK_INT(run(db, "delete from p"), ERR_REFERENCED);
    CHECK_INT(run(db, "insert into c values(1, 'c', 0)"), ERR_INVALID);
    CHECK_INT(run(db, "insert into c values('x', 'c', 1)"), ERR_INVALID); /* STRICT */
    CHECK_INT(run(db, "select \"typo\" from p"), ERR_INTERNAL);           /* no strings in double quotes */
    CHECK_INT(run(db, "nonsense"), ERR_INTERNAL);
    sql_close(db);
}

TEST(a_full_disk_undoes_everything)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(s text) strict") == 0);
    CHECK_INT(run(db, "pragma max_page_count = 20"), 0);
    struct sql_tx *tx;
    struct error e = {0};
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    static char big[8192];
    memset(big, 'x', sizeof big);
    int rc = 0;
    for (int i = 0; i < 100 && !rc; i++)
        rc = sql_exec(tx, &e, "insert into t values($1)", "s", str_make(big, sizeof big));
    CHECK_INT(rc, ERR_DISK_FULL);
    CHECK(strstr(e.text, "disk is full") && strstr(e.text_zh, "磁盘已满"));
    CHECK_INT(sql_exec(tx, &e, "insert into t values('s')", ""), ERR_DISK_FULL);
    CHECK_INT(sql_commit(tx, &e), ERR_DISK_FULL);
    CHECK_INT(one(db, "select count(*) from t"), 0);
    CHECK_INT(run(db, "insert into t values('small')"), 0);
    sql_close(db);
}

TEST(a_damaged_file_is_refused)
{
    snprintf(path, sizeof path, "%s/bad.db", test_tmpdir());
    FILE *f = fopen(path, "w");
    REQUIRE(f);
    for (int i = 0; i < 500; i++) fputs("this is no database ", f);
    fclose(f);
    struct error e = {0};
    struct sql *db = NULL;
    snprintf(url, sizeof url, "sqlite:%s", path);
    CHECK_INT(sql_open(url, &db, &e), ERR_CORRUPT);
    CHECK_INT(sql_open("mysql:x", &db, &e), ERR_UNSUPPORTED);
    CHECK_INT(sql_open("sqlite:", &db, &e), ERR_INVALID);
    CHECK_INT(sql_open("sqlite:/nowhere/at/all.db", &db, &e), ERR_NOT_FOUND);
    CHECK_INT(sql_open("sqlite:x?cache=2", &db, &e), ERR_INVALID);
}

TEST(the_writer_waits_and_then_gives_up)
{
    struct sql *db = open_db("?wait_ms=1");
    REQUIRE(db);
    struct sql_tx *tx, *other;
    struct error e = {0};
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    CHECK_INT(sql_begin(db, true, &other, &e), ERR_INTERNAL); /* the same thread would wait for itself */
    sql_rollback(tx);
    struct sql_tx *r[64];
    int n = 0;
    while (n < 64 && sql_begin(db, false, &r[n], &e) == 0) n++;
    CHECK(n >= 4 && n < 64);
    CHECK_INT(e.code, ERR_AGAIN);
    while (n) sql_rollback(r[--n]);
    CHECK_INT(one(db, "select 5"), 5);
    sql_close(db);
}

static void *try_begin(void *db)
{
    struct sql_tx *tx;
    return (void *)(intptr_t)sql_begin(db, true, &tx, NULL);
}

TEST(another_thread_gets_again)
{
    struct sql *db = open_db("?wait_ms=1");
    REQUIRE(db);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    pthread_t t;
    void *rc;
    REQUIRE(pthread_create(&t, NULL, try_begin, db) == 0);
    pthread_join(t, &rc);
    CHECK_INT((intptr_t)rc, ERR_AGAIN);
    sql_rollback(tx);
    sql_close(db);
}

static void *add_many(void *db)
{
    for (int i = 0; i < 20; i++) {
        struct sql_tx *tx;
        if (sql_begin(db, true, &tx, NULL)) return db;
        if (sql_exec(tx, NULL, "update t set i = i + 1", "")) return db;
        if (sql_commit(tx, NULL)) return db;
    }
    return NULL;
}

TEST(two_writers_lose_nothing)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(i int) strict") == 0 && run(db, "insert into t values(0)") == 0);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&t[i], NULL, add_many, db) == 0);
    for (int i = 0; i < 2; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        CHECK(!bad);
    }
    CHECK_INT(one(db, "select i from t"), 40);
    sql_close(db);
}

TEST(the_same_text_may_run_twice)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(i int) strict") == 0);
    CHECK_INT(run(db, "insert into t values(1), (2)"), 0);
    struct sql_tx *tx;
    struct sql_stmt *a, *b;
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    REQUIRE(sql_prepare(tx, "select i from t order by i", &a, NULL) == 0);
    CHECK_INT(sql_step(a, NULL), 1);
    REQUIRE(sql_prepare(tx, "select i from t order by i", &b, NULL) == 0);
    CHECK_INT(sql_step(b, NULL), 1);
    CHECK_INT(sql_step(b, NULL), 1);
    CHECK_INT(sql_i64(a, 0), 1);
    CHECK_INT(sql_i64(b, 0), 2);
    sql_done(b);
    sql_done(a);
    char text[64];
    for (int i = 0; i < 300; i++) { /* more texts than the cache holds */
        snprintf(text, sizeof text, "select %d", i);
        REQUIRE(sql_prepare(tx, text, &a, NULL) == 0);
        CHECK_INT(sql_step(a, NULL), 1);
        CHECK_INT(sql_i64(a, 0), i);
        sql_done(a);
    }
    sql_rollback(tx);
    sql_close(db);
}

TEST(wrong_parameters_are_errors)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct sql_stmt *s;
    REQUIRE(db && sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_prepare(tx, "select ?", &s, NULL), ERR_INTERNAL);
    CHECK_INT(sql_prepare(tx, "select $name", &s, NULL), ERR_INTERNAL);
    CHECK_INT(sql_exec(tx, NULL, "select $1", "ii", (int64_t)1, (int64_t)2), ERR_INTERNAL);
    sql_rollback(tx);
    sql_close(db);
}

TEST(memory_databases_nest_readers)
{
    struct sql *db;
    REQUIRE(sql_open("sqlite::memory:", &db, NULL) == 0);
    CHECK_INT(run(db, "create table t(i int) strict"), 0);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "insert into t values(3)", ""), 0);
    CHECK_INT(one(db, "select i from t"), 3);
    CHECK_INT(sql_commit(tx, NULL), 0);
    CHECK_INT(one(db, "select i from t"), 3);
    sql_close(db);
}

static const struct sql_migration steps[] = {
    {1, "create table a(i int) strict; insert into a values(1);"},
    {2, "alter table a add column n text; update a set n = 'x';"},
    {3, "create table b(i int) strict; broken;"},
};

TEST(migrations_run_once_with_a_backup)
{
    struct sql *db = open_db("");
    struct error e = {0};
    char saved[700];
    snprintf(saved, sizeof saved, "%s.before-demo-2", path);
    REQUIRE(db && sql_migrate(db, "demo", steps, 1, &e) == 0);
    CHECK(access(saved, F_OK) != 0);
    CHECK_INT(sql_migrate(db, "demo", steps, 1, &e), 0);
    CHECK_INT(one(db, "select count(*) from a"), 1);
    CHECK_INT(sql_migrate(db, "demo", steps, 2, &e), 0);
    CHECK_INT(one(db, "select count(*) from a where n = 'x'"), 1);
    CHECK(access(saved, F_OK) == 0);
    CHECK(sql_migrate(db, "demo", steps, 3, &e) < 0); /* undone as a whole */
    CHECK_INT(one(db, "select count(*) from sqlite_master where name = 'b'"), 0);
    CHECK_INT(sql_migrate(db, "demo", steps, 1, &e), ERR_UNSUPPORTED);
    CHECK(strstr(e.text, "newer version"));
    sql_close(db);
    struct sql *old;
    char old_url[800];
    snprintf(old_url, sizeof old_url, "sqlite:%s", saved);
    REQUIRE(sql_open(old_url, &old, &e) == 0);
    CHECK_INT(one(old, "select count(*) from a"), 1);
    CHECK_INT(one(old, "select count(*) from pragma_table_info('a')"), 1);
    sql_close(old);
}

static int work(void)
{
    struct sql *db;
    struct error e = {0};
    int rc = sql_open(url, &db, &e);
    if (rc) return rc;
    rc = sql_migrate(db, "demo", steps, 1, &e);
    struct sql_tx *tx = NULL;
    if (!rc) rc = sql_begin(db, true, &tx, &e);
    if (!rc) {
        rc = sql_exec(tx, &e, "insert into a values($1)", "i", (int64_t)4);
        if (!rc)
            rc = sql_commit(tx, &e);
        else
            sql_rollback(tx);
    }
    sql_close(db);
    return rc;
}

TEST(every_allocation_may_fail)
{
    struct sql *db = open_db("");
    REQUIRE(db);
    sql_close(db);
    REQUIRE(work() == 0);
    int failures = 0, rc = 1;
    for (uint64_t n = 1; n < 5000; n++) {
        uint64_t before = mem_count();
        mem_fail_at(n, false);
        rc = work();
        mem_fail_at(0, false);
        if (rc) failures++;
        if (rc && rc != ERR_NOMEM) test_fail(__FILE__, __LINE__, "allocation %d: error %d", (int)n, rc);
        if (!rc && mem_count() - before < n) break;
    }
    CHECK_INT(rc, 0);
    CHECK(failures > 20);
}

TEST(a_lease_of_a_file_is_always_mine)
{
    struct sql *db = open_db("");
    char owner[64] = "";
    REQUIRE(db);
    CHECK_INT(sql_lease(db, "digest", "node-1", 30, owner, NULL), 1);
    CHECK_STR(str_of(owner), "node-1");
    CHECK_INT(sql_lease(db, "digest", "node-1", 30, NULL, NULL), 1);
    sql_lease_drop(db, "digest", "node-1");
    CHECK(sql_dialect(db) == SQL_SQLITE && !sql_shared(db));
    sql_close(db);
}
