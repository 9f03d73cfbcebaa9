/* snapshot_test.c - a copy of a database while others write to it: one moment, all of it, nobody waits. On both
 * engines (sql_fixture.h). */
#include <pthread.h>
#include <stdatomic.h>
#include "store/sql_fixture.h"

static struct error e;

static int run(struct sql *db, const char *text)
{
    struct sql_tx *tx;
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
    struct sql_stmt *s = NULL;
    int64_t v = -1;
    if (sql_begin(db, false, &tx, &e)) return -2;
    if (sql_prepare(tx, text, &s, &e) == 0 && sql_step(s, &e) == 1) v = sql_i64(s, 0);
    sql_done(s);
    sql_rollback(tx);
    return v;
}

static struct sql *snapshot_of(struct sql *db, const char *name)
{
    char path[600], url[640];
    struct sql *copy = NULL;
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    snprintf(url, sizeof url, "sqlite:%s", path);
    int rc = sql_snapshot(db, path, &e);
    if (!rc) rc = sql_open(url, &copy, &e);
    if (rc) test_fail(__FILE__, __LINE__, "snapshot: %s %s", error_name(rc), e.text);
    return copy;
}

TEST(all_types_come_over)
{
    char url[600];
    struct sql *db;
    struct sql_tx *tx;
    struct sql_stmt *s;
    REQUIRE(sql_open(sql_fixture_url("db", url, sizeof url), &db, &e) == 0);
    CHECK_INT(run(db, "create table t(i int, d real, x text, b blob, j text /*json*/) strict"), 0);
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    REQUIRE(sql_prepare(tx, "insert into t values($1, $2, $3, $4, $5)", &s, &e) == 0);
    sql_bind_i64(s, 1, INT64_MIN);
    sql_bind_double(s, 2, 0.1);
    sql_bind_str(s, 3, STR("精矿 'x'"));
    sql_bind_blob(s, 4, "\0\1\xff", 3);
    sql_bind_str(s, 5, STR("{\"a\": 1}"));
    CHECK_INT(sql_step(s, &e), 0);
    sql_done(s);
    CHECK_INT(sql_exec(tx, &e, "insert into t values(1, $1, $2, $3, $4)", "nnnn"), 0);
    CHECK_INT(sql_commit(tx, &e), 0);
    for (int again = 0; again < 2; again++) { /* the second replaces the first */
        struct sql *copy = snapshot_of(db, "copy.db");
        REQUIRE(copy);
        REQUIRE(sql_begin(copy, false, &tx, &e) == 0);
        REQUIRE(sql_prepare(tx, "select i, d, x, b, j from t order by i", &s, &e) == 0);
        REQUIRE(sql_step(s, &e) == 1);
        CHECK(sql_i64(s, 0) == INT64_MIN && sql_double(s, 1) == 0.1);
        CHECK_STR(sql_str(s, 2), "精矿 'x'");
        CHECK(sql_str(s, 3).n == 3 && memcmp(sql_str(s, 3).p, "\0\1\xff", 3) == 0);
        CHECK_STR(sql_str(s, 4), "{\"a\": 1}");
        REQUIRE(sql_step(s, &e) == 1);
        for (int c = 1; c < 5; c++) CHECK(sql_is_null(s, c));
        CHECK_INT(sql_step(s, &e), 0);
        sql_done(s);
        sql_rollback(tx);
        sql_close(copy);
    }
    sql_fixture_drop(db, url);
    sql_close(db);
}

/* Two rows that are always changed together are never seen apart, and the writer is never refused. */
static struct sql *shared;
static atomic_bool stop;
static atomic_int written, refused;
static void *writer(void *arg)
{
    while (!atomic_load(&stop)) {
        if (run(shared, "update pair set n = n + 1"))
            atomic_fetch_add(&refused, 1);
        else
            atomic_fetch_add(&written, 1);
    }
    return NULL;
}
TEST(one_moment_while_others_write)
{
    char url[600];
    pthread_t t;
    REQUIRE(sql_open(sql_fixture_url("db", url, sizeof url), &shared, &e) == 0);
    CHECK_INT(run(shared, "create table pair(id int primary key, n int) strict"), 0);
    CHECK_INT(run(shared, "insert into pair values(1, 0), (2, 0)"), 0);
    atomic_store(&stop, false);
    REQUIRE(pthread_create(&t, NULL, writer, NULL) == 0);
    int64_t last = 0;
    for (int i = 0; i < 5; i++) {
        int before = atomic_load(&written);
        while (atomic_load(&written) == before) sched_yield();
        struct sql *copy = snapshot_of(shared, "pair.db");
        if (!copy) break;
        int64_t n = one(copy, "select n from pair where id = 1");
        CHECK_INT(one(copy, "select n from pair where id = 2"), n);
        CHECK(n > last && n > before);
        last = n;
        sql_close(copy);
    }
    atomic_store(&stop, true);
    pthread_join(t, NULL);
    CHECK_INT(atomic_load(&refused), 0);
    sql_fixture_drop(shared, url);
    sql_close(shared);
}

TEST(a_place_that_cannot_be_written_is_an_error)
{
    char url[600];
    struct sql *db;
    REQUIRE(sql_open(sql_fixture_url("db", url, sizeof url), &db, &e) == 0);
    CHECK_INT(run(db, "create table t(i int) strict"), 0);
    CHECK(sql_snapshot(db, "/nowhere/at/all.db", &e) < 0);
    CHECK(e.text[0] && e.text_zh[0]);
    sql_fixture_drop(db, url);
    sql_close(db);
}
