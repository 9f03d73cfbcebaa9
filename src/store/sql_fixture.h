/* sql_fixture.h - for tests only: where a test's database is. SQLite in memory or in the test's temporary folder;
 * with BORNITE_TEST_SQL=postgresql://… (./dev test, stage "postgres") a schema of its own in that database. */
#pragma once
#include <stdlib.h>
#include <unistd.h>
#include "base/test.h"
#include "store/sql.h"

static inline bool sql_fixture_shared(void)
{
    return getenv("BORNITE_TEST_SQL") != NULL;
}

/* A test that needs the server: registered where there is one. */
#define SERVER_TEST(id)                                                                                    \
    static void test_##id(void);                                                                           \
    __attribute__((constructor)) static void test_reg_##id(void)                                           \
    {                                                                                                      \
        static struct test_case tc = {#id, __FILE__, test_##id, NULL};                                     \
        if (sql_fixture_shared()) test_register(&tc);                                                      \
    }                                                                                                      \
    static void test_##id(void)

/* `name` NULL: a fresh one; else the same again for the same name within a test (its temporary folder is the key). */
static inline const char *sql_fixture_url(const char *name, char *out, size_t cap)
{
    static int n;
    char key[400];
    const char *server = getenv("BORNITE_TEST_SQL");
    if (!server && !name)
        snprintf(out, cap, "sqlite::memory:");
    else if (!server)
        snprintf(out, cap, "sqlite:%.250s/%.100s", test_tmpdir(), name);
    if (!server) return out;
    if (name)
        snprintf(key, sizeof key, "%.250s/%.100s", test_tmpdir(), name);
    else
        snprintf(key, sizeof key, "%d %d", (int)getpid(), n++);
    snprintf(out, cap, "%s%cschema=t_%llx", server, strchr(server, '?') ? '&' : '?',
             (unsigned long long)str_hash(str_of(key), 1));
    return out;
}

/* Before sql_close of a fresh one, so that a run leaves nothing behind. */
static inline void sql_fixture_drop(struct sql *db, const char *url)
{
    struct sql_tx *tx;
    char text[200];
    const char *schema = strstr(url, "schema=");
    if (!db || !schema || sql_begin(db, true, &tx, NULL)) return;
    snprintf(text, sizeof text, "drop schema if exists \"%.60s\" cascade", schema + strlen("schema="));
    if (sql_exec(tx, NULL, text, ""))
        sql_rollback(tx);
    else
        (void)!sql_commit(tx, NULL);
}
