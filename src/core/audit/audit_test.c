/* The audit log: many writers, the chain, a store that fails and comes back, what is too long. */
#include <pthread.h>
#include <stdlib.h>
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

/* ------------------------------------------------------------------ checkpoints, ends, pruning */

#include "core/audit/audit_int.h"

static void some(struct rig *r, int n)
{
    struct audit_record rec = {.cls = AUDIT_CHANGE,
                               .user_id = "u",
                               .login = "anna",
                               .peer = "10.0.0.1",
                               .action = "create",
                               .kind = "thing",
                               .outcome = "done",
                               .resource = STR("T1")};
    for (int i = 0; i < n; i++) CHECK_INT(audit_add(r->api->audit, &rec, i % 97 == 0 || i + 1 == n), 0);
}

static struct audit_report report(struct rig *r)
{
    struct audit_report rep;
    struct error e = {0};
    CHECK_INT(audit_verify_all(r->api->audit, &rep, &e), 0);
    return rep;
}

TEST(taking_away_the_end_is_found)
{
    static const char *const edits[] = {
        "delete from audit where seq = (select max(seq) from audit)",
        "delete from audit where seq > 3",
        "delete from audit",
        "delete from audit_head",
        "update audit_head set seq = seq - 1",
        "delete from audit_checkpoint where seq = (select max(seq) from audit_checkpoint)",
        "delete from audit_checkpoint",
        "update audit_checkpoint set at_us = at_us + 1",
        "update audit_checkpoint set seq = seq - 1",
        "insert into audit_checkpoint(seq, at_us, hash, prev, signature) select seq + 1, at_us, hash, prev, signature "
        "from"
        " audit_checkpoint limit 1",
        "insert into audit(seq, at_us, class, user_id, login, peer, action, kind, resource, outcome, status, detail, "
        "hash)"
        " select seq + 1, at_us, class, user_id, login, peer, action, kind, resource, outcome, status, detail, hash "
        "from"
        " audit order by seq desc limit 1",
    };
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct rig r;
        REQUIRE(rig_open(&r, NULL) == 0);
        some(&r, 5);
        sim_clock_advance(&r.clock, 3700000000LL);
        some(&r, 5);
        CHECK(report(&r).ok);
        CHECK_INT(report(&r).checkpoints, 1);
        sql(&r, edits[i]);
        if (report(&r).ok) test_fail(__FILE__, __LINE__, "not found: %s", edits[i]);
        some(&r, 1); /* nothing is signed over */
        if (report(&r).ok) test_fail(__FILE__, __LINE__, "healed: %s", edits[i]);
        rig_close(&r);
    }
}

TEST(what_is_older_than_is_kept_goes_and_the_rest_holds)
{
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    audit_keep(r.api->audit, 1); /* 180 all the same */
    for (int day = 0; day < 400; day++) {
        some(&r, 2);
        sim_clock_advance(&r.clock, 86400000000LL);
    }
    struct audit_report rep = report(&r);
    CHECK(rep.ok);
    CHECK(rep.first > 300 && rep.records < 500 && rep.records >= 360);
    sql(&r, "delete from audit where seq < (select min(seq) from audit) + 2");
    CHECK(!report(&r).ok);
    rig_close(&r);
}

TEST(searches)
{
    static const struct {
        struct audit_query q;
        int64_t total;
    } cases[] = {{{.q = {"ANNA", 4}}, 3},     {{.login = {"anna", 4}}, 3},     {{.login = {"ann", 3}}, 0},
                 {{.cls = {"change", 6}}, 3}, {{.kind = {"other", 5}}, 0},     {{.outcome = {"done", 4}}, 3},
                 {{.q = {"%", 1}}, 0},        {{.q = {"' or 1=1 --", 11}}, 0}, {{.kind = {"thing' or 'a'='a", 16}}, 0}};
    struct rig r;
    REQUIRE(rig_open(&r, NULL) == 0);
    some(&r, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct audit_query q = cases[i].q;
        struct buf b;
        int64_t total = -1;
        buf_init(&b, 1 << 20);
        struct json_writer w = json_writer(&b);
        q.to_us = INT64_MAX;
        jw_array(&w);
        CHECK_INT(audit_list(r.api->audit, &q, &w, &total, NULL), 0);
        jw_end(&w);
        if (total != cases[i].total) test_fail(__FILE__, __LINE__, "%zu: %lld", i, (long long)total);
        buf_fini(&b);
    }
    rig_close(&r);
}

/* ------------------------------------------------------------------ tampering, many times, in memory */

#define CHAIN 2000
#define SEGMENT 20

struct memory {
    struct audit_key key;
    struct audit_row rows[CHAIN + 2];
    char hash[CHAIN + 2][AUDIT_HEX + 1];
    struct audit_mark marks[CHAIN / SEGMENT];
    char detail[CHAIN + 2][32];
};

static void memory_make(struct memory *m)
{
    char hash[AUDIT_HEX + 1] = "", mark[AUDIT_HEX + 1] = "";
    uint8_t seed[32] = {1, 2, 3};
    CHECK_INT(audit_key_private(seed, &m->key), 0);
    for (int i = 0; i < CHAIN; i++) {
        struct audit_row *r = &m->rows[i];
        snprintf(m->detail[i], sizeof(m->detail[i]), "{\"n\":%d}", i * i);
        *r = (struct audit_row){.seq = i + 1, .at_us = 1000 * i, .status = 200};
        for (int f = 0; f < NFIELDS; f++) r->field[f] = STR("abc");
        r->field[F_DETAIL] = str_of(m->detail[i]);
        audit_link(hash, r);
        memcpy(m->hash[i], hash, sizeof(hash));
        if ((i + 1) % SEGMENT) continue;
        struct audit_mark *k = &m->marks[i / SEGMENT];
        *k = (struct audit_mark){.seq = i + 1, .at_us = 1000 * i};
        memcpy(k->hash, hash, sizeof(hash));
        memcpy(k->prev, mark, sizeof(mark));
        CHECK_INT(audit_mark_sign(&m->key, k), 0);
        audit_mark_digest(k, mark);
    }
}

/* One stretch between two checkpoints that hold: from the record behind the first of them to the second. */
static bool stretch_holds(const struct memory *m, int segment, const struct audit_row *rows,
                          char (*hash)[AUDIT_HEX + 1], int n)
{
    struct audit_walk w = {.key = &m->key, .bad = -1, .head = {.seq = CHAIN}, .seq = segment * SEGMENT};
    memcpy(w.hash, segment ? m->marks[segment - 1].hash : "", segment ? sizeof(w.hash) : 1);
    for (int i = 0; i < n && w.bad < 0; i++) audit_walk_row(&w, &rows[i], str_of(hash[i]));
    const struct audit_mark *end = &m->marks[segment];
    return w.bad < 0 && w.seq == end->seq && strcmp(w.hash, end->hash) == 0;
}

static uint64_t rnd(struct sim_rng *r, uint64_t below)
{
    return rng_u64(&r->rng) % below;
}

/* Change, delete, insert, swap; the forger computes the hashes of what follows again in every other case. */
static bool tamper(const struct memory *m, struct sim_rng *rng)
{
    struct audit_row rows[SEGMENT + 1];
    char hash[SEGMENT + 1][AUDIT_HEX + 1], chain[AUDIT_HEX + 1];
    int segment = (int)rnd(rng, CHAIN / SEGMENT), n = SEGMENT, at = (int)rnd(rng, SEGMENT), from = segment * SEGMENT;
    memcpy(rows, m->rows + from, SEGMENT * sizeof(*rows));
    memcpy(hash, m->hash + from, SEGMENT * sizeof(*hash));
    struct audit_row *r = &rows[at];
    int with = (at + 1 + (int)rnd(rng, SEGMENT - 1)) % SEGMENT;
    switch (rnd(rng, 6)) {
    case 0: r->field[rnd(rng, NFIELDS)] = STR("abd"); break;
    case 1: r->at_us += 1 + (int64_t)rnd(rng, 1000); break;
    case 2: r->status ^= 1 + (int64_t)rnd(rng, 255); break;
    case 3: /* deleted */
        memmove(r, r + 1, (size_t)(SEGMENT - at - 1) * sizeof(*r));
        memmove(hash[at], hash[at + 1], (size_t)(SEGMENT - at - 1) * sizeof(*hash));
        n--;
        break;
    case 4: /* put in */
        memmove(r + 1, r, (size_t)(SEGMENT - at) * sizeof(*r));
        memmove(hash[at + 1], hash[at], (size_t)(SEGMENT - at) * sizeof(*hash));
        n++;
        break;
    default: {
        struct audit_row one = rows[at];
        rows[at] = rows[with];
        rows[with] = one;
    }
    }
    if (rnd(rng, 2)) {
        memcpy(chain, segment ? m->marks[segment - 1].hash : "", segment ? sizeof(chain) : 1);
        for (int i = 0; i < n; i++) {
            rows[i].seq = from + i + 1;
            audit_link(chain, &rows[i]);
            memcpy(hash[i], chain, sizeof(chain));
        }
    }
    return stretch_holds(m, segment, rows, hash, n);
}

static bool tamper_mark(const struct memory *m, struct sim_rng *rng)
{
    struct audit_mark k = m->marks[rnd(rng, CHAIN / SEGMENT)];
    switch (rnd(rng, 4)) {
    case 0: k.seq++; break;
    case 1: k.at_us++; break;
    case 2: k.hash[rnd(rng, AUDIT_HEX)] ^= 1; break;
    default: k.sig[rnd(rng, SIGNATURE)] ^= (uint8_t)(1 << rnd(rng, 8)); break;
    }
    return audit_mark_good(&m->key, &k);
}

/* BORNITE_TAMPERINGS=1000000 for all of them. */
TEST(every_tampering_is_found)
{
    static struct memory m;
    struct sim_rng rng;
    const char *v = getenv("BORNITE_TAMPERINGS");
    int64_t n = 5000, missed = 0;
    if (v) CHECK_INT(str_to_i64(str_of(v), &n), 0);
    memory_make(&m);
    sim_rng_init(&rng, 11);
    for (int s = 0; s < CHAIN / SEGMENT; s++)
        CHECK(stretch_holds(&m, s, m.rows + s * SEGMENT, m.hash + s * SEGMENT, SEGMENT));
    for (int64_t i = 0; i < n; i++) missed += i % 50 ? tamper(&m, &rng) : tamper_mark(&m, &rng);
    CHECK_INT(missed, 0);
    audit_key_free(&m.key);
}
