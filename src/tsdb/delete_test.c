/* Deleting ranges: gone at once from every query, later writes stay, gone from the files after the merges, and all of
 * that through power cuts and failing calls. */
#include "base/mem.h"
#include "tsdb/restore.h"
#include "tsdb/test_model.h"

#define T0 (INT64_C(1700000000) * SEC)

struct plant {
    struct fs *fs;
    struct ts_store *st;
    struct model m;
    int64_t now;
    struct error e;
};

static int open_at(struct fs *fs, struct ts_store **ret)
{
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .roll_min = 8};
    struct error e = {0};
    return tsdb_open(&cfg, ret, &e);
}

static void begin(struct plant *p, uint64_t seed)
{
    *p = (struct plant){.fs = sim_fs_new(), .now = T0};
    model_init(&p->m, seed);
    CHECK_INT(open_at(p->fs, &p->st), 0);
}

static void end(struct plant *p)
{
    p->st->ops->close(p->st);
    fs_destroy(p->fs);
    model_fini(&p->m);
}

static void reopen(struct plant *p)
{
    p->st->ops->close(p->st);
    CHECK_INT(open_at(p->fs, &p->st), 0);
}

static void feed(struct plant *p, int batches)
{
    static struct sample batch[4096];
    for (int i = 0; i < batches; i++) {
        size_t n = make_batch(&p->m, &p->now, batch);
        CHECK_INT(p->st->ops->append(p->st, batch, n, &p->e), 0);
        for (size_t k = 0; k < n; k++) model_put(&p->m, batch[k]);
    }
}

static void erase(struct plant *p, uint32_t point, int64_t from, int64_t to)
{
    CHECK_INT(p->st->ops->remove(p->st, point, from, to, &p->e), 0);
    model_remove(&p->m, point, from, to);
}

static void check(struct plant *p)
{
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(p->st, &p->m, k, INT64_MIN, INT64_MAX);
    check_some(p->st, &p->m, T0, p->now);
}

struct total {
    uint64_t samples;
};

static int add_usage(void *ctx, const struct ts_usage *u)
{
    ((struct total *)ctx)->samples += u->samples;
    return 0;
}

static uint64_t stored(struct plant *p)
{
    struct total t = {0};
    CHECK_INT(p->st->admin->usage(p->st, add_usage, &t, &p->e), 0);
    return t.samples;
}

static uint64_t wanted(const struct plant *p)
{
    uint64_t n = 0;
    for (int i = 1; i <= POINTS; i++) n += p->m.p[i].n;
    return n;
}

TEST(gone_at_once_from_memory_and_files)
{
    struct plant p;
    begin(&p, 1);
    feed(&p, 40);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    feed(&p, 10);
    erase(&p, 3, T0 + 5 * SEC, T0 + 60 * SEC); /* in a segment */
    check(&p);
    erase(&p, 5, p.now - 20 * SEC, INT64_MAX); /* in memory */
    check(&p);
    erase(&p, 7, INT64_MIN, INT64_MAX); /* in both */
    erase(&p, 8, T0, T0);
    check(&p);
    CHECK_INT(p.m.p[7].n, 0);
    reopen(&p);
    check(&p);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    check(&p);
    reopen(&p);
    check(&p);
    end(&p);
}

TEST(what_is_written_later_stays)
{
    struct plant p;
    struct sample x = {.time_us = T0 + 10 * SEC, .point = 2, .type = SAMPLE_INT, .v.i = 1};
    begin(&p, 2);
    feed(&p, 20);
    for (int i = 0; i < 6; i++) {
        x.v.i = i;
        erase(&p, 2, T0, T0 + 100 * SEC);
        CHECK_INT(p.st->ops->append(p.st, &x, 1, &p.e), 0);
        model_put(&p.m, x);
        check(&p);
        if (i % 2) reopen(&p);
        check(&p);
        if (i == 3) CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    }
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    check(&p);
    reopen(&p);
    check(&p);
    end(&p);
}

static void find_deleted(void *ctx, const char *name, bool dir, int64_t size)
{
    if (strcmp(name, "deleted") == 0) *(int64_t *)ctx = size;
}

TEST(gone_from_the_files_after_the_merges)
{
    struct plant p;
    int64_t list = 0;
    begin(&p, 3);
    for (int i = 0; i < 9; i++) {
        feed(&p, 20);
        CHECK_INT(tsdb_seal(p.st, &p.e), 0);
        if (i == 5) CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    }
    CHECK_INT(p.st->ops->append(p.st, &(struct sample){.time_us = 9, .point = 9}, 1, &p.e), 0);
    model_put(&p.m, (struct sample){.time_us = 9, .point = 9});
    uint64_t before = stored(&p);
    for (uint32_t k = 1; k <= 10; k++) erase(&p, k, T0 + 30 * SEC, T0 + (100 + k) * SEC);
    CHECK_INT(stored(&p), before);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    check(&p);
    struct ts_stats s;
    p.st->ops->stats(p.st, &s);
    CHECK(stored(&p) < before);
    p.fs->ops->list(p.fs, "ts", find_deleted, &list);
    CHECK_INT(list, 20); /* the list is empty again */
    reopen(&p);
    check(&p);
    for (uint32_t k = 1; k <= POINTS; k++) erase(&p, k, INT64_MIN, INT64_MAX);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    CHECK_INT(stored(&p), 0);
    CHECK_INT(wanted(&p), 0);
    p.st->ops->stats(p.st, &s);
    CHECK_INT(s.segments, 0);
    check(&p);
    end(&p);
}

TEST(a_snapshot_knows_what_was_deleted)
{
    struct plant p;
    struct ts_snapshot *s = NULL;
    struct ts_store *st = NULL;
    begin(&p, 4);
    feed(&p, 40);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    erase(&p, 4, T0 + 10 * SEC, T0 + 90 * SEC);
    REQUIRE(p.st->admin->snapshot(p.st, &s, &p.e) == 0);
    struct fs *to = sim_fs_new();
    restore_all(s, to);
    s->ops->end(s);
    REQUIRE(open_at(to, &st) == 0);
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(st, &p.m, k, INT64_MIN, INT64_MAX);
    st->ops->close(st);
    fs_destroy(to);
    end(&p);
}

TEST(random_deletions_equal_the_model)
{
    for (uint64_t seed = 10; seed < 16; seed++) {
        struct plant p;
        begin(&p, seed);
        for (int i = 0; i < 60; i++) {
            feed(&p, 3);
            int64_t from = T0 + (int64_t)rnd(&p.m, (uint64_t)(p.now - T0) + 1);
            if (rnd(&p.m, 2)) erase(&p, 1 + (uint32_t)rnd(&p.m, POINTS), from, from + (int64_t)rnd(&p.m, 200 * SEC));
            uint64_t dice = rnd(&p.m, 12);
            if (dice == 0) reopen(&p);
            if (dice <= 2) CHECK_INT(tsdb_seal(p.st, &p.e), 0);
            if (dice == 3) CHECK_INT(tsdb_merge(p.st, &p.e), 0);
            check_some(p.st, &p.m, T0, p.now);
        }
        check(&p);
        end(&p);
    }
}

TEST(wrong_requests_are_refused)
{
    struct plant p;
    begin(&p, 5);
    CHECK_INT(p.st->ops->remove(p.st, 0, 1, 2, &p.e), ERR_INVALID);
    CHECK_INT(p.st->ops->remove(p.st, UINT32_MAX, 1, 2, &p.e), ERR_INVALID);
    CHECK_INT(p.st->ops->remove(p.st, 1, 2, 1, &p.e), 0);
    end(&p);
}

/* ---- faults ---- */
#define STEPS 14
struct script {
    struct model m;
    int64_t now;
    struct sample flight[1024];
    size_t nflight;
    uint32_t erasing; /* point of the deletion under way; 0: none */
    int64_t from, to;
};

static void script_init(struct script *s, uint64_t seed)
{
    s->now = T0;
    s->nflight = 0;
    s->erasing = 0;
    model_init(&s->m, seed);
}

static int script_step(struct script *s, struct ts_store *st, int i)
{
    struct error e = {0};
    int rc = 0;
    if (i % 3 == 2) {
        s->erasing = 1 + (uint32_t)rnd(&s->m, POINTS);
        s->from = T0 + (int64_t)rnd(&s->m, (uint64_t)(s->now - T0) + 1) - SEC;
        s->to = s->from + (int64_t)rnd(&s->m, 120 * SEC);
        rc = st->ops->remove(st, s->erasing, s->from, s->to, &e);
        if (rc) return rc;
        model_remove(&s->m, s->erasing, s->from, s->to);
        s->erasing = 0;
    } else {
        s->nflight = make_batch(&s->m, &s->now, s->flight);
        if (s->nflight > 120) s->nflight = 120;
        rc = st->ops->append(st, s->flight, s->nflight, &e);
        if (rc) return rc;
        for (size_t k = 0; k < s->nflight; k++) model_put(&s->m, s->flight[k]);
        s->nflight = 0;
    }
    if (i % 4 == 3) rc = tsdb_seal(st, &e);
    if (i % 8 == 7 && !rc) rc = tsdb_merge(st, &e);
    return rc;
}

struct compare {
    struct script *s;
    struct series *want;
    size_t at, wrong, missing, news, gone;
};

static bool erased(const struct compare *c, const struct sample *x)
{
    return x->point == c->s->erasing && x->time_us >= c->s->from && x->time_us < c->s->to;
}

static void skip(struct compare *c)
{
    if (erased(c, &c->want->s[c->at]))
        c->gone++;
    else
        c->missing++;
    c->at++;
}

static int compare_run(void *ctx, const struct sample *x, size_t n)
{
    struct compare *c = ctx;
    for (size_t i = 0; i < n; i++) {
        while (c->at < c->want->n && c->want->s[c->at].time_us < x[i].time_us) skip(c);
        bool known = c->at < c->want->n && c->want->s[c->at].time_us == x[i].time_us, flight = false;
        for (size_t k = 0; k < c->s->nflight; k++) {
            struct sample f = c->s->flight[k];
            if (f.type == SAMPLE_NONE) f.v.u = 0;
            flight |= same(&f, &x[i]);
        }
        if (known && same(&x[i], &c->want->s[c->at])) {
            c->news += erased(c, &x[i]); /* the deletion under way has not happened */
            c->at++;
        } else if (flight) {
            c->at += known;
        } else {
            c->wrong++;
        }
    }
    return 0;
}

/* What was acknowledged holds; of the step under way all or nothing. */
static void compare_all(struct script *s, struct ts_store *st)
{
    for (uint32_t p = 1; p <= POINTS; p++) {
        struct compare c = {.s = s, .want = &s->m.p[p]};
        struct error e = {0};
        CHECK_INT(st->ops->scan(st, p, INT64_MIN, INT64_MAX, compare_run, &c, &e), 0);
        while (c.at < c.want->n) skip(&c);
        CHECK_INT(c.wrong, 0);
        CHECK_INT(c.missing, 0);
        CHECK(c.news == 0 || c.gone == 0);
    }
}

static void check_after(struct script *s, struct fs *fs)
{
    struct ts_store *st = NULL;
    struct ts_stats x;
    struct error e = {0};
    REQUIRE(open_at(fs, &st) == 0);
    compare_all(s, st);
    st->ops->stats(st, &x);
    CHECK_INT(x.damaged_blocks, 0);
    CHECK_INT(tsdb_seal(st, &e), 0);
    CHECK_INT(tsdb_merge(st, &e), 0);
    compare_all(s, st);
    st->ops->close(st);
}

static uint64_t stride(uint64_t n)
{
    return getenv("BORNITE_LONG") ? 1 : n;
}

TEST(power_cut_at_every_call)
{
    uint64_t states = 0;
    for (uint64_t calls = 0, more = 1; more; calls++) {
        static struct script s;
        struct fs *fs = sim_fs_new();
        struct ts_store *st = NULL;
        script_init(&s, 31);
        sim_fs_power_off_after(fs, calls);
        int i = 0;
        if (open_at(fs, &st) == 0) {
            while (i < STEPS && script_step(&s, st, i) == 0) i++;
            st->ops->close(st);
        }
        more = i < STEPS;
        for (uint64_t seed = 0; seed < 12; seed += stride(4), states++) {
            struct fs *cut = sim_fs_power_cut(fs, seed + calls * 100);
            check_after(&s, cut);
            fs_destroy(cut);
        }
        model_fini(&s.m);
        fs_destroy(fs);
    }
    CHECK(states > 300);
}

static void heal(struct fs *fs)
{
    sim_fs_fail(fs, SIM_FS_ANY, 0, 0, false);
    sim_fs_fail(fs, SIM_FS_SYNC, 0, 0, false);
    mem_fail_at(0, false);
}

TEST(every_call_may_fail)
{
    size_t failures = 0;
    for (uint64_t n = 1; n < 2000; n += stride(1 + n / 12)) {
        static struct script s;
        struct fs *fs = sim_fs_new();
        struct ts_store *st = NULL;
        struct error e = {0};
        bool failed = false;
        script_init(&s, n);
        REQUIRE(open_at(fs, &st) == 0);
        if (n % 3 == 0)
            mem_fail_at(n, false);
        else
            sim_fs_fail(fs, n % 3 == 1 ? SIM_FS_ANY : SIM_FS_SYNC, n / 3 + 1, n % 2 ? ERR_IO : ERR_DISK_FULL,
                        n % 5 == 0);
        for (int i = 0; i < STEPS; i++) {
            if (script_step(&s, st, i) == 0) continue;
            failed = true;
            heal(fs);
            compare_all(&s, st);
            CHECK_INT(tsdb_reopen_wal(st, &e), 0);
            if (s.erasing) {
                CHECK_INT(st->ops->remove(st, s.erasing, s.from, s.to, &e), 0);
                model_remove(&s.m, s.erasing, s.from, s.to);
                s.erasing = 0;
            }
            if (s.nflight) CHECK_INT(st->ops->append(st, s.flight, s.nflight, &e), 0);
            for (size_t k = 0; k < s.nflight; k++) model_put(&s.m, s.flight[k]);
            s.nflight = 0;
        }
        heal(fs);
        failures += failed;
        compare_all(&s, st);
        st->ops->close(st);
        check_after(&s, fs);
        model_fini(&s.m);
        fs_destroy(fs);
    }
    CHECK(failures > 15);
}
