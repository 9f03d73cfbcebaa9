/* postgres_test.c - what only PostgreSQL has: URLs, schemas, one writer over processes, leases, lost connections,
 * backups as schemas. The tests with a server run in the stage "postgres" of ./dev test (BORNITE_TEST_SQL). */
#include <pthread.h>
#include "store/postgres_int.h"
#include "store/sql_fixture.h"

TEST(urls_that_cannot_be)
{
    static const struct {
        const char *url;
        int code;
        const char *says;
    } rows[] = {
        {"postgresql://h/d?schema=Bad", ERR_INVALID, "a-z"},
        {"postgresql://h/d?schema=", ERR_INVALID, "a-z"},
        {"postgresql://h/d?schema=pg_x", ERR_INVALID, "a-z"},
        {"postgresql://h/d?schema=a-b", ERR_INVALID, "a-z"},
        {"postgresql://h/d?wait_ms=x", ERR_INVALID, "wait_ms"},
        {"postgresql://h/d?colour=red", ERR_INVALID, "colour"},
        {"postgresql://user@127.0.0.1:1/d", ERR_UNAVAILABLE, "does not answer"},
        {"postgresql://user@/d?host=/nowhere/at/all&sslmode=disable", ERR_UNAVAILABLE, "does not answer"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        struct sql *db = NULL;
        int rc = sql_open(rows[i].url, &db, &e);
        if (rc != rows[i].code || !strstr(e.text, rows[i].says) || db)
            test_fail(__FILE__, __LINE__, "%s: %d %s", rows[i].url, rc, e.text);
    }
}

static struct sql *open_at(const char *url)
{
    struct sql *db = NULL;
    struct error e = {0};
    if (sql_open(url, &db, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return db;
}

static int run(struct sql *db, const char *text, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, text, "");
    if (!rc) return sql_commit(tx, e);
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

SERVER_TEST(schemas_are_apart)
{
    char u1[600], u2[600];
    struct sql *a = open_at(sql_fixture_url(NULL, u1, sizeof u1)), *b = open_at(sql_fixture_url(NULL, u2, sizeof u2));
    REQUIRE(a && b && strcmp(u1, u2) != 0);
    CHECK(sql_dialect(a) == SQL_POSTGRESQL && sql_shared(a));
    CHECK_INT(run(a, "create table t(i int) strict", NULL), 0);
    CHECK_INT(run(b, "create table t(i int) strict", NULL), 0);
    CHECK_INT(run(a, "insert into t values(5)", NULL), 0);
    CHECK_INT(one(b, "select count(*) from t"), 0);
    sql_fixture_drop(a, u1);
    sql_fixture_drop(b, u2);
    sql_close(a);
    sql_close(b);
}

/* Two handles are two processes as far as the server can tell. */
SERVER_TEST(one_writer_over_processes)
{
    char url[600], quick[640];
    struct sql *a = open_at(sql_fixture_url(NULL, url, sizeof url));
    snprintf(quick, sizeof quick, "%s&wait_ms=30", url);
    struct sql *b = open_at(quick);
    struct sql_tx *tx, *other;
    struct error e = {0};
    REQUIRE(a && b && run(a, "create table t(i int) strict", NULL) == 0 && sql_begin(a, true, &tx, NULL) == 0);
    CHECK_INT(sql_begin(b, true, &other, &e), ERR_AGAIN);
    CHECK(strstr(e.text, "busy with another change for 30 ms"));
    CHECK_INT(one(b, "select count(*) from t"), 0); /* readers do not wait */
    CHECK_INT(sql_exec(tx, NULL, "insert into t values(1)", ""), 0);
    CHECK_INT(one(b, "select count(*) from t"), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    CHECK_INT(one(b, "select count(*) from t"), 1);
    CHECK_INT(run(b, "insert into t values(2)", &e), 0);
    sql_close(b);
    sql_fixture_drop(a, url);
    sql_close(a);
}

static void *add_many(void *db)
{
    for (int i = 0; i < 20; i++)
        if (run(db, "update t set i = i + 1", NULL)) return db;
    return NULL;
}

SERVER_TEST(processes_lose_no_update)
{
    char url[600];
    struct sql *a = open_at(sql_fixture_url(NULL, url, sizeof url)), *b = open_at(url);
    REQUIRE(a && b && run(a, "create table t(i int) strict", NULL) == 0 &&
            run(a, "insert into t values(0)", NULL) == 0);
    pthread_t t[2];
    struct sql *dbs[2] = {a, b};
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&t[i], NULL, add_many, dbs[i]) == 0);
    for (int i = 0; i < 2; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        CHECK(!bad);
    }
    CHECK_INT(one(a, "select i from t"), 40);
    sql_close(b);
    sql_fixture_drop(a, url);
    sql_close(a);
}

SERVER_TEST(leases_have_one_owner)
{
    char url[600], owner[64];
    struct sql *a = open_at(sql_fixture_url(NULL, url, sizeof url)), *b = open_at(url);
    REQUIRE(a && b);
    CHECK_INT(sql_lease(a, "digest", "node-a", 60, owner, NULL), 1);
    CHECK_STR(str_of(owner), "node-a");
    CHECK_INT(sql_lease(b, "digest", "node-b", 60, owner, NULL), 0);
    CHECK_STR(str_of(owner), "node-a");
    CHECK_INT(sql_lease(b, "other", "node-b", 60, NULL, NULL), 1);
    CHECK_INT(sql_lease(a, "digest", "node-a", 60, NULL, NULL), 1);
    sql_lease_drop(b, "digest", "node-b"); /* not his */
    CHECK_INT(sql_lease(b, "digest", "node-b", 60, NULL, NULL), 0);
    CHECK_INT(run(a, "update sql_lease set until_us = until_us - 61000000", NULL), 0); /* it runs out */
    CHECK_INT(sql_lease(b, "digest", "node-b", 60, owner, NULL), 1);
    CHECK_INT(sql_lease(a, "digest", "node-a", 60, owner, NULL), 0);
    CHECK_STR(str_of(owner), "node-b");
    sql_lease_drop(b, "digest", "node-b");
    CHECK_INT(sql_lease(a, "digest", "node-a", 60, NULL, NULL), 1);
    struct sql_tx *tx; /* a long change keeps nobody from his lease */
    REQUIRE(sql_begin(b, true, &tx, NULL) == 0);
    CHECK_INT(sql_lease(a, "digest", "node-a", 60, NULL, NULL), 1);
    sql_rollback(tx);
    sql_close(b);
    sql_fixture_drop(a, url);
    sql_close(a);
}

/* The server ends every connection of `db` but the one that asks. */
static void cut(struct sql *from)
{
    CHECK(one(from, "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid() and "
                    "backend_type = 'client backend' and application_name = 'cut-me'") >= 0);
}

SERVER_TEST(lost_connections_come_back)
{
    char url[600], named[640];
    struct sql *a = open_at(sql_fixture_url(NULL, url, sizeof url));
    snprintf(named, sizeof named, "%s&application_name=cut-me", url);
    struct sql *b = open_at(named);
    struct error e = {0};
    struct sql_tx *tx, *reader;
    REQUIRE(a && b && run(a, "create table t(i int) strict", NULL) == 0);
    CHECK_INT(one(b, "select count(*) from t"), 0);
    cut(a); /* idle ones: nobody notices */
    CHECK_INT(one(b, "select count(*) from t"), 0);
    CHECK_INT(run(b, "insert into t values(1)", &e), 0);
    REQUIRE(sql_begin(b, true, &tx, NULL) == 0 && sql_begin(b, false, &reader, NULL) == 0);
    CHECK_INT(sql_exec(tx, &e, "insert into t values(2)", ""), 0);
    cut(a); /* one in the middle of a change */
    CHECK_INT(sql_exec(tx, &e, "insert into t values(3)", ""), ERR_UNAVAILABLE);
    CHECK(e.text[0] && e.text_zh[0]);
    CHECK_INT(sql_exec(tx, &e, "insert into t values(4)", ""), ERR_UNAVAILABLE);
    CHECK_INT(sql_commit(tx, &e), ERR_UNAVAILABLE);
    sql_rollback(reader);
    CHECK_INT(one(b, "select count(*) from t"), 1);
    REQUIRE(sql_begin(b, true, &tx, NULL) == 0); /* before the commit: the server knows that it was undone */
    CHECK_INT(sql_exec(tx, &e, "insert into t values(5)", ""), 0);
    cut(a);
    CHECK_INT(sql_commit(tx, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.text, "undone"));
    CHECK_INT(run(b, "insert into t values(6)", &e), 0);
    CHECK_INT(one(a, "select sum(i) from t"), 7);
    sql_close(b);
    sql_fixture_drop(a, url);
    sql_close(a);
}

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    char text[400];
};

static void hear(void *ctx, const struct sql_written *w)
{
    struct heard *h = ctx;
    pthread_mutex_lock(&h->lock);
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%s%s%s ", w->own ? "own:" : "", w->table ? w->table : "any",
             w->rows ? "" : "~");
    pthread_cond_broadcast(&h->cond);
    pthread_mutex_unlock(&h->lock);
}

static void expect(struct heard *h, const char *want)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&h->lock);
    while (!strstr(h->text, want))
        if (pthread_cond_timedwait(&h->cond, &h->lock, &until)) break;
    if (strcmp(h->text, want)) test_fail(__FILE__, __LINE__, "heard '%s', want '%s'", h->text, want);
    h->text[0] = 0;
    pthread_mutex_unlock(&h->lock);
}

SERVER_TEST(writes_of_others_are_heard)
{
    char url[600], named[640];
    static struct heard h = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, ""};
    struct sql *a = open_at(sql_fixture_url(NULL, url, sizeof url));
    snprintf(named, sizeof named, "%s&application_name=cut-me", url);
    struct sql *b = open_at(named);
    struct sql_tx *tx;
    REQUIRE(a && b && run(a, "create table t(i int) strict", NULL) == 0 && run(a, "create table u(i int)", NULL) == 0);
    REQUIRE(sql_watch(b, hear, &h, NULL) == 0);
    CHECK_INT(run(a, "insert into t(i) values(1)", NULL), 0);
    expect(&h, "t ");
    CHECK_INT(run(a, "update t set i = 2", NULL), 0);
    expect(&h, "t~ ");
    CHECK_INT(run(b, "insert into u(i) select i from t on conflict do nothing", NULL), 0);
    expect(&h, "own:u ");
    CHECK_INT(run(a, "delete from t where i = 7", NULL), 0); /* nothing: not told */
    REQUIRE(sql_begin(a, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "update t set i = 3", ""), 0);
    sql_rollback(tx); /* nor this */
    REQUIRE(sql_begin(a, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, NULL, "update t set i = 3", ""), 0);
    CHECK_INT(sql_exec(tx, NULL, "delete from u", ""), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    expect(&h, "t~ u ");
    cut(a);
    expect(&h, "any ");
    CHECK_INT(run(a, "update t set i = 4", NULL), 0);
    expect(&h, "t~ ");
    sql_unwatch(b, &h);
    sql_close(b);
    sql_fixture_drop(a, url);
    sql_close(a);
}

static const struct sql_migration steps[] = {
    {1, "create table a(i int primary key, s text /*json*/) strict; insert into a values(1, '{\"x\": 1}');"},
    {2, "alter table a add column n text; update a set n = 'x';"},
};

SERVER_TEST(a_backup_is_a_schema)
{
    char url[600], copy[700];
    struct error e = {0};
    struct sql *db = open_at(sql_fixture_url(NULL, url, sizeof url));
    REQUIRE(db && sql_migrate(db, "demo", steps, 1, &e) == 0);
    CHECK_INT(sql_migrate(db, "demo", steps, 2, &e), 0);
    CHECK_INT(one(db, "select count(*) from a where n = 'x'"), 1);
    snprintf(copy, sizeof copy, "%s_before_demo_2", url);
    struct sql *old = open_at(copy);
    REQUIRE(old);
    CHECK_INT(one(old, "select cast(s ->> 'x' as bigint) from a"), 1);
    CHECK_INT(one(old, "select max(number) from schema_migration"), 1);
    CHECK_INT(run(old, "insert into a(i) values(1)", &e), ERR_EXISTS);
    CHECK_INT(run(old, "select n from a", &e), ERR_INTERNAL);
    sql_fixture_drop(old, copy);
    sql_fixture_drop(db, url);
    sql_close(old);
    sql_close(db);
}

SERVER_TEST(a_text_with_nul_is_refused)
{
    char url[600];
    struct sql *db = open_at(sql_fixture_url(NULL, url, sizeof url));
    struct sql_tx *tx;
    struct error e = {0};
    REQUIRE(db && run(db, "create table t(s text) strict", NULL) == 0 && sql_begin(db, true, &tx, NULL) == 0);
    CHECK_INT(sql_exec(tx, &e, "insert into t values($1)", "s", str_make("a\0b", 3)), ERR_INVALID);
    CHECK(strstr(e.text, "NUL"));
    CHECK_INT(sql_exec(tx, &e, "insert into t values($1)", "s", str_make("\xff", 1)), ERR_INVALID);
    CHECK_INT(sql_exec(tx, &e, "insert into t values($1)", "s", STR("ok")), 0);
    CHECK_INT(sql_commit(tx, NULL), 0);
    sql_fixture_drop(db, url);
    sql_close(db);
}
