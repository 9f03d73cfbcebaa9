/* sqlite_test.c - what only SQLite has: the private file, a full disk, a damaged file, one connection for a
 * memory database, backups as files, failing allocations. */
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

TEST(a_file_is_private)
{
    struct sql *db = open_db("");
    struct stat st;
    REQUIRE(db && stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
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
