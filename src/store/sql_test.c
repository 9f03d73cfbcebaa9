/* sql_test.c - the contract of sql.h, on SQLite and (BORNITE_TEST_SQL) on PostgreSQL: types, parameters by
 * number, isolation, errors that leave a transaction usable, the cache, several statements at once, two writers,
 * migrations. What one engine has alone: sqlite_test.c, postgres_test.c. */
#include <pthread.h>
#include "store/sql_fixture.h"

static char url[800];

static struct sql *open_db(const char *option)
{
    struct error e = {0};
    struct sql *db = NULL;
    char base[700];
    sql_fixture_url("t.db", base, sizeof base);
    snprintf(url, sizeof url, "%s%s%s", base, *option ? strchr(base, '?') ? "&" : "?" : "", option);
    if (sql_open(url, &db, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return db;
}

static void close_db(struct sql *db)
{
    sql_fixture_drop(db, url);
    sql_close(db);
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
    close_db(db);
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
    close_db(db);
}

TEST(readers_cannot_write)
{
    struct sql *db = open_db("");
    REQUIRE(db && run(db, "create table t(i int) strict") == 0);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    CHECK(sql_exec(tx, NULL, "insert into t values(1)", "") < 0);
    sql_rollback(tx);
    close_db(db);
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
    close_db(db);
}

TEST(the_writer_waits_and_then_gives_up)
{
    struct sql *db = open_db("wait_ms=1");
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
    close_db(db);
}

static void *try_begin(void *db)
{
    struct sql_tx *tx;
    return (void *)(intptr_t)sql_begin(db, true, &tx, NULL);
}

TEST(another_thread_gets_again)
{
    struct sql *db = open_db("wait_ms=1");
    REQUIRE(db);
    struct sql_tx *tx;
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    pthread_t t;
    void *rc;
    REQUIRE(pthread_create(&t, NULL, try_begin, db) == 0);
    pthread_join(t, &rc);
    CHECK_INT((intptr_t)rc, ERR_AGAIN);
    sql_rollback(tx);
    close_db(db);
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
    close_db(db);
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
    for (int i = 0; i < 3; i++) CHECK_INT(one(db, "select 4"), 4); /* what the cache dropped hinders nobody */
    close_db(db);
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
    close_db(db);
}

static int64_t count_in(struct sql_tx *tx, const char *text)
{
    struct sql_stmt *s;
    int64_t v = -1;
    if (sql_prepare(tx, text, &s, NULL)) return -1;
    if (sql_step(s, NULL) == 1) v = sql_i64(s, 0);
    sql_done(s);
    return v;
}

TEST(a_refused_row_leaves_the_transaction_usable)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct error e = {0};
    REQUIRE(db && run(db, "create table t(k text primary key, n int not null) strict") == 0);
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    const char *add = "insert into t(k, n) values($1, $2)";
    CHECK_INT(sql_exec(tx, &e, add, "si", STR("a"), (int64_t)1), 0);
    CHECK_INT(sql_exec(tx, &e, add, "si", STR("a"), (int64_t)2), ERR_EXISTS);
    CHECK(strstr(e.text, "exists already") && strstr(e.text_zh, "已存在"));
    CHECK_INT(sql_exec(tx, &e, add, "sn", STR("b")), ERR_INVALID);
    CHECK_INT(sql_exec(tx, &e, add, "si", STR("c"), (int64_t)3), 0);
    CHECK_INT(sql_changes(tx), 1);
    CHECK_INT(count_in(tx, "select count(*) from t"), 2);
    CHECK_INT(sql_commit(tx, &e), 0);
    CHECK_INT(one(db, "select sum(n) from t"), 4);
    close_db(db);
}

TEST(a_broken_transaction_stays_broken)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct error e = {0};
    REQUIRE(db && run(db, "create table t(i int) strict") == 0);
    REQUIRE(sql_begin(db, true, &tx, &e) == 0);
    CHECK_INT(sql_exec(tx, &e, "insert into t values(1)", ""), 0);
    CHECK_INT(sql_exec(tx, &e, "insert into nowhere values(1)", ""), ERR_INTERNAL);
    CHECK_INT(sql_exec(tx, &e, "insert into t values(2)", ""), ERR_INTERNAL);
    CHECK(strstr(e.text, "undone after an earlier error"));
    CHECK_INT(sql_commit(tx, &e), ERR_INTERNAL);
    CHECK_INT(one(db, "select count(*) from t"), 0);
    close_db(db);
}

TEST(rows_go_on_while_other_statements_run)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct sql_stmt *s;
    REQUIRE(db && run(db, "create table t(i int, b text) strict") == 0);
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    for (int64_t i = 1; i <= 100; i++) CHECK_INT(sql_exec(tx, NULL, "insert into t(i) values($1)", "i", i), 0);
    REQUIRE(sql_prepare(tx, "select i, b from t order by i", &s, NULL) == 0);
    int64_t sum = 0, rows = 0;
    while (sql_step(s, NULL) == 1) {
        int64_t i = sql_i64(s, 0);
        sum += i;
        rows++;
        if (i % 10 == 0) CHECK_INT(sql_exec(tx, NULL, "update t set b = $1 where i = $2", "si", STR("x"), i), 0);
        CHECK(sql_is_null(s, 1) && sql_i64(s, 0) == i);
    }
    sql_done(s);
    CHECK_INT(rows, 100);
    CHECK_INT(sum, 5050);
    CHECK_INT(count_in(tx, "select count(*) from t where b is not null"), 10);
    CHECK_INT(sql_commit(tx, NULL), 0);
    close_db(db);
}

TEST(values_at_the_edge)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct sql_stmt *s;
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    REQUIRE(db && run(db, "create table t(k int primary key, i int, d real, s text, b blob) strict") == 0);
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    REQUIRE(sql_prepare(tx, "insert into t(k, i, d, s, b) values($1,$2,$3,$4,$5) returning k + 1, b", &s, NULL) == 0);
    sql_bind_i64(s, 1, 1);
    sql_bind_i64(s, 2, INT64_MIN);
    sql_bind_double(s, 3, 0.1);
    sql_bind_str(s, 4, STR(""));
    sql_bind_blob(s, 5, bytes, sizeof bytes);
    CHECK_INT(sql_step(s, NULL), 1);
    CHECK_INT(sql_i64(s, 0), 2);
    CHECK_INT(sql_str(s, 1).n, 256);
    CHECK_INT(sql_step(s, NULL), 0);
    sql_done(s);
    CHECK_INT(sql_exec(tx, NULL, "insert into t(k, d) values(2, $1)", "d", (double)NAN), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    REQUIRE(sql_prepare(tx, "select i, d, s, b, k = 1 from t where k = $1", &s, NULL) == 0);
    sql_bind_i64(s, 1, 1);
    REQUIRE(sql_step(s, NULL) == 1);
    CHECK_INT(sql_i64(s, 0), INT64_MIN);
    CHECK(sql_double(s, 1) == 0.1);
    CHECK(sql_str(s, 2).p && sql_str(s, 2).n == 0);
    CHECK(sql_str(s, 3).n == 256 && memcmp(sql_str(s, 3).p, bytes, 256) == 0);
    CHECK_INT(sql_i64(s, 4), 1);
    sql_done(s);
    REQUIRE(sql_prepare(tx, "select i, d, s, b, k = 1 from t where k = $1", &s, NULL) == 0);
    sql_bind_i64(s, 1, 2);
    REQUIRE(sql_step(s, NULL) == 1);
    CHECK(sql_is_null(s, 1) && sql_i64(s, 4) == 0);
    sql_done(s);
    sql_rollback(tx);
    close_db(db);
}

TEST(texts_sort_by_bytes)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct sql_stmt *s;
    char all[16] = "";
    REQUIRE(db && run(db, "create table t(s text) strict") == 0);
    CHECK_INT(run(db, "insert into t values('b'), ('B'), ('a'), ('_'), ('1')"), 0);
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    REQUIRE(sql_prepare(tx, "select s from t order by s", &s, NULL) == 0);
    while (sql_step(s, NULL) == 1) strncat(all, sql_str(s, 0).p, 1);
    sql_done(s);
    sql_rollback(tx);
    CHECK_Z(all, "1B_ab");
    close_db(db);
}

TEST(json_columns_are_read_by_arrows)
{
    struct sql *db = open_db("");
    struct sql_tx *tx;
    struct sql_stmt *s;
    static const struct sql_migration m[] = {{1,
                                              "create table j(id text primary key, doc text /*json*/ not null) strict;"
                                              "create index j_n on j(cast(doc ->> 'n' as double precision));"
                                              "create index j_b on j((cast(doc -> 'b' as text)), id) where id > '';"}};
    REQUIRE(db && sql_migrate(db, "demo", m, 1, NULL) == 0);
    REQUIRE(sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "insert into j(id, doc) values($1, $2)", "ss", STR("a"),
                       STR("{\"n\": 1.50, \"b\": true, \"s\": {\"t\": \"铜\"}}")),
              0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    REQUIRE(sql_begin(db, false, &tx, NULL) == 0);
    REQUIRE(sql_prepare(tx,
                        "select doc, cast(doc ->> 'n' as double precision), doc -> 's' ->> 't' from j where"
                        " cast(doc ->> 'n' as double precision) = $1 and cast(doc -> 'b' as text) = 'true'",
                        &s, NULL) == 0);
    sql_bind_double(s, 1, 1.5);
    REQUIRE(sql_step(s, NULL) == 1);
    CHECK_STR(sql_str(s, 0), "{\"n\": 1.50, \"b\": true, \"s\": {\"t\": \"铜\"}}");
    CHECK_DBL(sql_double(s, 1), 1.5, 0);
    CHECK_STR(sql_str(s, 2), "铜");
    sql_done(s);
    sql_rollback(tx);
    close_db(db);
}

static const struct sql_migration steps[] = {
    {1, "create table a(i int) strict; insert into a values(1);"},
    {2, "alter table a add column n text; update a set n = 'x';"},
    {3, "create table b(i int) strict; broken;"},
};

TEST(migrations_go_forward_as_wholes)
{
    struct sql *db = open_db("");
    struct error e = {0};
    REQUIRE(db && sql_migrate(db, "demo", steps, 1, &e) == 0);
    CHECK_INT(sql_migrate(db, "demo", steps, 1, &e), 0);
    CHECK_INT(one(db, "select count(*) from a"), 1);
    CHECK_INT(sql_migrate(db, "demo", steps, 2, &e), 0);
    CHECK_INT(one(db, "select count(*) from a where n = 'x'"), 1);
    CHECK(sql_migrate(db, "demo", steps, 3, &e) < 0); /* undone as a whole */
    CHECK_INT(run(db, "select 1 from b"), ERR_INTERNAL);
    CHECK_INT(sql_migrate(db, "demo", steps, 1, &e), ERR_UNSUPPORTED);
    CHECK(strstr(e.text, "newer version") && strstr(e.text_zh, "更新的版本"));
    close_db(db);
}

TEST(another_opens_it_unless_somebody_wants_it_alone)
{
    struct sql *a = open_db(""), *b = open_db(""), *c = NULL;
    struct error e = {0};
    REQUIRE(a && b);
    CHECK_INT(sql_alone(a, &e), ERR_AGAIN);
    CHECK(strstr(e.text, "stop it first"));
    sql_close(b);
    CHECK_INT(sql_alone(a, &e), 0);
    CHECK_INT(sql_open(url, &c, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.text, "bornite migrate"));
    close_db(a);
}

TEST(who_was_alone_leaves_it_free)
{
    for (int i = 0; i < 50; i++) {
        struct error e = {0};
        struct sql *db = open_db("");
        REQUIRE(db);
        CHECK_INT(sql_alone(db, &e), 0);
        i < 49 ? sql_close(db) : close_db(db);
    }
}
