/* The audit log: many writers, the chain, a store that fails and comes back, what is too long. */
#include <pthread.h>
#include "core/api/api_int.h"
#include "core/api/api_test.h"

#define WRITERS 8
#define EACH 50

static void *writer(void *arg)
{
    struct audit_record rec = {.cls = AUDIT_CHANGE,
                               .user_id = "u",
                               .login = "anna",
                               .peer = "10.0.0.1",
                               .action = "test",
                               .kind = "thing",
                               .outcome = "done"};
    intptr_t failed = 0;
    for (int i = 0; i < EACH; i++) failed += audit_add(arg, &rec, true) != 0;
    return (void *)failed;
}

TEST(many_writers_make_one_chain)
{
    struct rig r;
    pthread_t t[WRITERS];
    int64_t seq = 0;
    struct error e = {0};
    REQUIRE(rig_open(&r, NULL) == 0);
    for (int i = 0; i < WRITERS; i++) CHECK_INT(pthread_create(&t[i], NULL, writer, r.api->audit), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed = NULL;
        pthread_join(t[i], &failed);
        CHECK_INT((intptr_t)failed, 0);
    }
    CHECK_INT(audit_verify(r.api->audit, &seq, &e), 0);
    CHECK_INT(seq, WRITERS * EACH);
    rig_close(&r);
}

static void sql(struct rig *r, const char *text)
{
    struct sql_tx *tx = NULL;
    struct error e = {0};
    REQUIRE(sql_begin(r->db, true, &tx, &e) == 0);
    CHECK_INT(sql_exec(tx, &e, text, ""), 0);
    CHECK_INT(sql_commit(tx, &e), 0);
}

TEST(a_missing_or_reordered_record_is_found)
{
    static const char *const edits[] = {
        "delete from audit where seq = 5",
        "update audit set at_us = at_us + 1 where seq = 5",
        "update audit set detail = '{}' where seq = 5",
        "update audit set seq = seq + 1 where seq > 4 and seq = (select max(seq) from audit)",
    };
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct rig r;
        int64_t seq = 0;
        REQUIRE(rig_open(&r, NULL) == 0);
        for (int k = 0; k < 9; k++) {
            struct audit_record rec = {.cls = AUDIT_CONTROL,
                                       .user_id = "",
                                       .login = "system",
                                       .peer = "",
                                       .action = "a",
                                       .kind = "k",
                                       .outcome = "done"};
            CHECK_INT(audit_add(r.api->audit, &rec, true), 0);
        }
        CHECK_INT(audit_verify(r.api->audit, &seq, NULL), 0);
        sql(&r, edits[i]);
        CHECK_INT(audit_verify(r.api->audit, &seq, NULL), ERR_CORRUPT);
        CHECK_INT(seq, i == 3 ? 9 : 5);
        rig_close(&r);
    }
}

TEST(changes_wait_while_the_log_cannot_be_written)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    sql(&r, "alter table audit rename to audit_gone");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/roles", "{\"code\":\"one\",\"name\":\"One\"}"),
              201); /* the first finds out */
    CHECK_INT(rig_call(&r, "POST", "/api/v1/roles", "{\"code\":\"two\",\"name\":\"Two\"}"), 503);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/roles/two", NULL), 404);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/roles/one", NULL), 200); /* reading goes on */
    CHECK_INT(rig_call(&r, "GET", "/healthz", NULL), 200);
    CHECK_STR(rig_str(&r, "status"), "degraded");
    sql(&r, "alter table audit_gone rename to audit");
    CHECK_INT(rig_call(&r, "POST", "/api/v1/roles", "{\"code\":\"two\",\"name\":\"Two\"}"), 201);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/audit:verify", NULL), 200);
    CHECK(json_bool(json_get(r.json, "ok"), false));
    rig_close(&r);
}

TEST(a_full_queue_counts_and_forgets_only_what_nobody_waits_for)
{
    struct rig r;
    struct sql_tx *tx = NULL;
    struct audit_record rec = {
        .cls = AUDIT_CHANGE, .user_id = "", .login = "x", .peer = "", .action = "a", .kind = "k", .outcome = "denied"};
    int dropped = 0;
    REQUIRE(rig_open(&r, NULL) == 0);
    REQUIRE(sql_begin(r.db, true, &tx, NULL) == 0); /* the writer cannot go on */
    for (int i = 0; i < 3000; i++) dropped += audit_add(r.api->audit, &rec, false) == ERR_LIMIT;
    sql_rollback(tx);
    CHECK(dropped >= 3000 - 1024 - 1 && dropped < 3000);
    CHECK_INT(audit_add(r.api->audit, &rec, true), 0);
    int64_t seq = 0;
    CHECK_INT(audit_verify(r.api->audit, &seq, NULL), 0);
    CHECK_INT(seq, 3000 - dropped + 1);
    rig_close(&r);
}
