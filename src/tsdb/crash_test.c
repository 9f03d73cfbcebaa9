/* Power cuts, failing calls, failing allocations and a full disk, over the simulated files.
 *
 * The script is a row of appends with seals and merges between them. Whatever goes wrong at whichever
 * call: what was acknowledged is there afterwards with its newest value, and nothing else is but the one
 * batch whose append was under way, and that as a whole or not at all. */
#include "base/mem.h"
#include "tsdb/test_model.h"

#define STEPS 26

/* BORNITE_LONG in the environment runs every state instead of a sample of them. */
static uint64_t stride(uint64_t n)
{
    return getenv("BORNITE_LONG") ? 1 : n;
}
#define BATCH 1024

struct script {
    struct model m; /* acknowledged */
    struct sample flight[BATCH];
    size_t nflight; /* the batch that failed, not acknowledged */
    int64_t now;
    uint64_t string_id[STEPS]; /* by step; 0: not acknowledged */
};

static void script_init(struct script *s, uint64_t seed)
{
    model_init(&s->m, seed);
    s->nflight = 0;
    memset(s->string_id, 0, sizeof s->string_id);
    s->now = INT64_C(1700000000) * SEC;
}

static int open_at(struct fs *fs, struct ts_store **ret)
{
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .wal_max = 12 << 10};
    struct error e = {0};
    return tsdb_open(&cfg, ret, &e);
}

/* One step; 0 when everything in it was acknowledged. */
static int script_step(struct script *s, struct ts_store *st, int i)
{
    struct error e = {0};
    char text[24];
    uint64_t id;
    s->nflight = make_batch(&s->m, &s->now, s->flight);
    if (s->nflight > 200) s->nflight = 200;
    int rc = st->ops->append(st, s->flight, s->nflight, &e);
    if (rc) return rc;
    for (size_t k = 0; k < s->nflight; k++) model_put(&s->m, s->flight[k]);
    s->nflight = 0;
    snprintf(text, sizeof text, "text %d", i);
    if (i % 5 == 0) rc = st->ops->string_put(st, str_of(text), &id);
    if (i % 5 == 0 && !rc) s->string_id[i] = id;
    if (i % 7 == 6) rc = tsdb_seal(st, &e);
    if (i % 7 == 6 && !rc) rc = tsdb_merge(st, &e);
    return rc;
}

struct compare {
    struct script *s;
    struct series *want;
    size_t at, wrong, missing, from_flight;
};

static bool in_flight(const struct script *s, const struct sample *x)
{
    for (size_t i = 0; i < s->nflight; i++) {
        struct sample f = s->flight[i];
        if (f.type == SAMPLE_NONE) f.v.u = 0;
        if (same(&f, x)) return true;
    }
    return false;
}

static int compare_run(void *ctx, const struct sample *x, size_t n)
{
    struct compare *c = ctx;
    for (size_t i = 0; i < n; i++) {
        while (c->at < c->want->n && c->want->s[c->at].time_us < x[i].time_us) c->at++, c->missing++;
        bool known = c->at < c->want->n && c->want->s[c->at].time_us == x[i].time_us;
        if (known && same(&x[i], &c->want->s[c->at]))
            c->at++;
        else if (in_flight(c->s, &x[i]))
            c->at += known, c->from_flight++;
        else
            c->wrong++;
    }
    return 0;
}

/* Distinct keys of the batch under way whose value differs from what was acknowledged before. */
static size_t flight_news(struct script *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->nflight; i++) {
        struct sample f = s->flight[i];
        bool later = false;
        for (size_t k = i + 1; k < s->nflight; k++)
            later |= s->flight[k].point == f.point && s->flight[k].time_us == f.time_us;
        if (f.type == SAMPLE_NONE) f.v.u = 0;
        struct series *p = &s->m.p[f.point];
        size_t at = lower(p, f.time_us);
        n += !later && !(at < p->n && same(&p->s[at], &f));
    }
    return n;
}

/* Samples missing; wrong ones and half batches are failures here. */
static size_t compare_all(struct script *s, struct ts_store *st)
{
    size_t missing = 0, flight = 0, wrong = 0;
    for (uint32_t p = 1; p <= POINTS; p++) {
        struct compare c = {.s = s, .want = &s->m.p[p]};
        struct error e = {0};
        CHECK_INT(st->ops->scan(st, p, INT64_MIN, INT64_MAX, compare_run, &c, &e), 0);
        missing += c.missing + c.want->n - c.at;
        flight += c.from_flight;
        wrong += c.wrong;
    }
    CHECK_INT(wrong, 0);
    CHECK(flight == 0 || flight == flight_news(s));
    return missing;
}

static void check_strings(struct script *s, struct ts_store *st)
{
    for (int i = 0; i < STEPS; i++) {
        if (!s->string_id[i]) continue;
        char text[24], got[24];
        uint64_t id = 0;
        size_t n = 0;
        snprintf(text, sizeof text, "text %d", i);
        CHECK_INT(st->ops->string_put(st, str_of(text), &id), 0);
        CHECK_INT(id, s->string_id[i]);
        CHECK_INT(st->ops->string_get(st, id, got, sizeof got, &n), 0);
        CHECK(n == strlen(text) && memcmp(got, text, n) == 0);
    }
}

/* After a cut the store opens, has everything, and works. */
static void check_after(struct script *s, struct fs *fs)
{
    struct ts_store *st = NULL;
    struct ts_stats stats;
    struct error e = {0};
    REQUIRE(open_at(fs, &st) == 0);
    CHECK_INT(compare_all(s, st), 0);
    check_strings(s, st);
    st->ops->stats(st, &stats);
    CHECK_INT(stats.damaged_blocks, 0);
    struct sample one = {.time_us = 5, .point = 1, .type = SAMPLE_INT, .v.i = 5}, got;
    CHECK_INT(st->ops->append(st, &one, 1, &e), 0);
    CHECK(st->ops->before(st, 1, 5, &got) == 0 && same(&got, &one));
    st->ops->close(st);
}

static uint64_t run_until_cut(struct script *s, struct fs *fs, uint64_t calls)
{
    struct ts_store *st = NULL;
    sim_fs_power_off_after(fs, calls);
    if (open_at(fs, &st) == 0) {
        int i = 0;
        while (i < STEPS && script_step(s, st, i) == 0) i++;
        st->ops->close(st);
        if (i == STEPS) return 0;
    }
    return calls + 1;
}

TEST(power_cut_anywhere)
{
    uint64_t states = 0;
    for (uint64_t calls = 0, next = 1; next; calls = next) { /* every call of the script */
        static struct script s;
        struct fs *fs = sim_fs_new();
        script_init(&s, 4711);
        next = run_until_cut(&s, fs, calls);
        for (uint64_t seed = 0; seed < 100; seed += stride(5), states++) {
            struct fs *cut = sim_fs_power_cut(fs, seed + calls * 100);
            check_after(&s, cut);
            fs_destroy(cut);
        }
        model_fini(&s.m);
        fs_destroy(fs);
    }
    CHECK(states >= 2000);
}

/* The power goes again while the store recovers from the first cut. */
TEST(power_cut_while_recovering)
{
    for (uint64_t calls = 20; calls < 220; calls += 23) {
        static struct script s;
        struct fs *fs = sim_fs_new();
        script_init(&s, 99);
        (void)run_until_cut(&s, fs, calls);
        for (uint64_t again = 0; again < 12; again++) {
            struct fs *first = sim_fs_power_cut(fs, again + calls);
            struct ts_store *st = NULL;
            sim_fs_power_off_after(first, again);
            if (open_at(first, &st) == 0) st->ops->close(st);
            struct fs *second = sim_fs_power_cut(first, again);
            check_after(&s, second);
            fs_destroy(second);
            fs_destroy(first);
        }
        model_fini(&s.m);
        fs_destroy(fs);
    }
}

/* ---- failing calls ---- */
static void heal(struct fs *fs)
{
    sim_fs_capacity(fs, 0);
    for (int c = 0; c < SIM_FS_CALLS; c++) sim_fs_fail(fs, (enum sim_fs_call)c, 0, 0, false);
    mem_fail_at(0, false);
}

/* Run the script; when something fails, heal, reopen the log, and do the failed append again. Returns
 * whether anything failed. */
static bool run_with_failures(struct script *s, struct fs *fs)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    bool failed = false;
    if (open_at(fs, &st)) {
        failed = true;
        heal(fs);
        if (open_at(fs, &st)) {
            CHECK(false);
            return true;
        }
    }
    for (int i = 0; i < STEPS; i++) {
        if (script_step(s, st, i) == 0) continue;
        failed = true;
        heal(fs);
        CHECK_INT(compare_all(s, st), 0);
        CHECK_INT(tsdb_reopen_wal(st, &e), 0);
        if (s->nflight) {
            CHECK_INT(st->ops->append(st, s->flight, s->nflight, &e), 0);
            for (size_t k = 0; k < s->nflight; k++) model_put(&s->m, s->flight[k]);
            s->nflight = 0;
        }
    }
    heal(fs);
    CHECK_INT(compare_all(s, st), 0);
    st->ops->close(st);
    check_after(s, fs);
    return failed;
}

TEST(every_file_call_may_fail)
{
    static const enum sim_fs_call calls[] = {SIM_FS_OPEN,     SIM_FS_PREAD,  SIM_FS_PWRITE, SIM_FS_SYNC,
                                             SIM_FS_TRUNCATE, SIM_FS_RENAME, SIM_FS_REMOVE, SIM_FS_MKDIR,
                                             SIM_FS_SYNC_DIR, SIM_FS_LIST};
    size_t failures = 0;
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (unsigned kind = 0; kind < 4; kind++)
            for (uint64_t n = 1; n < 400; n += stride(1 + n / 2)) {
                static struct script s;
                struct fs *fs = sim_fs_new();
                script_init(&s, n);
                sim_fs_fail(fs, calls[c], n, kind & 1 ? ERR_DISK_FULL : ERR_IO, kind & 2);
                bool failed = run_with_failures(&s, fs);
                failures += failed;
                bool reached = sim_fs_count(fs, calls[c]) >= n;
                model_fini(&s.m);
                fs_destroy(fs);
                if (!reached) break;
            }
    CHECK(failures > 100);
}

TEST(every_allocation_may_fail)
{
    size_t failures = 0;
    for (uint64_t n = 1; n < 6000; n += stride(1 + n / 5))
        for (int sticky = 0; sticky < 2; sticky++) {
            static struct script s;
            struct fs *fs = sim_fs_new();
            script_init(&s, n);
            mem_fail_at(n, sticky);
            failures += run_with_failures(&s, fs);
            mem_fail_at(0, false);
            model_fini(&s.m);
            fs_destroy(fs);
        }
    CHECK(failures > 20);
}

TEST(failed_sync_is_final_until_reopened)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = NULL;
    struct ts_stats stats;
    struct error e = {0};
    struct sample a = {.time_us = 1, .point = 1, .type = SAMPLE_INT, .v.i = 1}, b = a, got;
    b.time_us = 2;
    REQUIRE(open_at(fs, &st) == 0);
    CHECK_INT(st->ops->append(st, &a, 1, &e), 0);
    sim_fs_fail(fs, SIM_FS_SYNC, 1, ERR_IO, false);
    CHECK_INT(st->ops->append(st, &b, 1, &e), ERR_IO);
    CHECK_INT(st->ops->append(st, &b, 1, &e), ERR_IO); /* the disk works again, the file is given up */
    st->ops->stats(st, &stats);
    CHECK(stats.read_only && stats.read_only_why[0]);
    CHECK(st->ops->before(st, 1, 9, &got) == 0 && got.time_us == 1);
    sim_fs_fail(fs, SIM_FS_SYNC, 1, ERR_IO, true);
    CHECK(tsdb_reopen_wal(st, &e) != 0);
    CHECK_INT(st->ops->append(st, &b, 1, &e), ERR_IO);
    heal(fs);
    CHECK_INT(tsdb_reopen_wal(st, &e), 0);
    CHECK_INT(st->ops->append(st, &b, 1, &e), 0);
    st->ops->stats(st, &stats);
    CHECK(!stats.read_only);
    CHECK(st->ops->before(st, 1, 9, &got) == 0 && got.time_us == 2);
    st->ops->close(st);
    fs_destroy(fs);
}

TEST(full_disk_refuses_and_recovers_by_itself)
{
    struct fs *fs = sim_fs_new();
    static struct script s;
    struct ts_store *st = NULL;
    struct ts_stats stats;
    struct error e = {0};
    script_init(&s, 5);
    REQUIRE(open_at(fs, &st) == 0);
    sim_fs_capacity(fs, 30000);
    int rc = 0, steps = 0;
    while (steps < 200 && rc != ERR_DISK_FULL) {
        s.nflight = make_batch(&s.m, &s.now, s.flight);
        rc = st->ops->append(st, s.flight, s.nflight, &e);
        for (size_t k = 0; k < s.nflight && !rc; k++) model_put(&s.m, s.flight[k]);
        steps++;
    }
    CHECK_INT(rc, ERR_DISK_FULL);
    st->ops->stats(st, &stats);
    CHECK(stats.read_only);
    size_t n = s.nflight;
    s.nflight = 0; /* nothing of it may be there */
    CHECK_INT(compare_all(&s, st), 0);
    sim_fs_capacity(fs, 0);
    CHECK_INT(st->ops->append(st, s.flight, n, &e), 0);
    for (size_t k = 0; k < n; k++) model_put(&s.m, s.flight[k]);
    st->ops->stats(st, &stats);
    CHECK(!stats.read_only);
    CHECK_INT(compare_all(&s, st), 0);
    st->ops->close(st);
    check_after(&s, fs);
    model_fini(&s.m);
    fs_destroy(fs);
}
