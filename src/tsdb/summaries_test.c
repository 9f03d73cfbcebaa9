/* Summaries of many points at once against the summary of each, on data of all sorts: gaps, bad samples, strings, late
 * data, rewrites, deletions; in memory, in segments of any age, with rollups and where they outlive samples. */
#include "base/mem.h"
#include "tsdb/test_model.h"

#define HOUR (3600 * SEC)
#define T0 (INT64_C(1700006400) * SEC)
#define ASKED_MAX (POINTS * 2)

struct rig {
    struct model m;
    struct fs *fs;
    struct ts_store *st;
    int64_t now;
};

static void open_rig(struct rig *r, bool no_rollups)
{
    struct error e = {0};
    struct tsdb_config cfg = {
        .fs = r->fs, .no_thread = true, .wal_max = 64 << 10, .no_rollups = no_rollups, .roll_min = 5};
    if (tsdb_open(&cfg, &r->st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
}

static void rig_init(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.fs = sim_fs_new(), .now = T0};
    model_init(&r->m, seed);
    open_rig(r, seed & 1);
}

static void rig_fini(struct rig *r)
{
    r->st->ops->close(r->st);
    model_fini(&r->m);
    fs_destroy(r->fs);
}

struct asked {
    uint32_t point[ASKED_MAX];
    bool step[ASKED_MAX];
    size_t n, times[ASKED_MAX];
    struct ts_summary got[ASKED_MAX];
};

static int keep(void *ctx, size_t i, const struct ts_summary *s)
{
    struct asked *a = ctx;
    if (i >= a->n) return ERR_INTERNAL;
    a->got[i] = *s;
    a->times[i]++;
    return 0;
}

static void check_each(struct ts_store *st, struct asked *a, int64_t from, int64_t to)
{
    struct error e = {0};
    struct ts_summary want;
    memset(a->times, 0, sizeof a->times);
    CHECK_INT(st->ops->summaries(st, a->point, a->step, a->n, from, to, keep, a, &e), 0);
    for (size_t i = 0; i < a->n; i++) {
        REQUIRE(st->ops->summary(st, a->point[i], from, to, a->step[i], &want, &e) == 0);
        double big = fabs(want.sum) + fabs(want.integral) + (isnan(want.max) ? 0 : fabs(want.max) + fabs(want.min)) + 1;
        CHECK_INT(a->times[i], 1);
        if (!same_figures(&a->got[i], &want, big))
            test_fail(__FILE__, __LINE__, "point %u, %lld to %lld: count %llu and %llu, integral %.17g and %.17g",
                      a->point[i], (long long)from, (long long)to, (unsigned long long)a->got[i].count,
                      (unsigned long long)want.count, a->got[i].integral, want.integral);
    }
}

/* Some points, in any order, some twice, one that does not exist. */
static void ask_some(struct rig *r, struct asked *a)
{
    bool all = rnd(&r->m, 2);
    a->n = all ? POINTS + 1 : 1 + rnd(&r->m, POINTS);
    for (size_t i = 0; i < a->n; i++) {
        a->point[i] = all ? (uint32_t)i + 1 : 1 + (uint32_t)rnd(&r->m, POINTS + 2);
        a->step[i] = rnd(&r->m, 2);
    }
}

static void check_rig(struct rig *r, int n)
{
    static struct asked a;
    static const int64_t lengths[] = {1, 60 * SEC, 600 * SEC, HOUR, 5 * HOUR, 70 * HOUR};
    uint64_t span = (uint64_t)(r->now - T0) + 1;
    for (int i = 0; i < n; i++) {
        ask_some(r, &a);
        int64_t from = T0 + (int64_t)rnd(&r->m, span), to = from + lengths[rnd(&r->m, 6)];
        if (rnd(&r->m, 3) == 0) to = from + 1 + (int64_t)rnd(&r->m, span);
        const struct series *p = &r->m.p[1 + rnd(&r->m, POINTS)];
        if (rnd(&r->m, 4) == 0 && p->n) from = p->s[rnd(&r->m, p->n)].time_us; /* right at a sample */
        if (rnd(&r->m, 4) == 0 && p->n) to = p->s[rnd(&r->m, p->n)].time_us;
        if (rnd(&r->m, 12) == 0) from = INT64_MIN;
        if (rnd(&r->m, 12) == 0) to = INT64_MAX;
        check_each(r->st, &a, from, to);
    }
}

static void delete_some(struct rig *r)
{
    struct error e = {0};
    uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
    int64_t from = r->now - (int64_t)rnd(&r->m, 3600) * SEC, to = from + (int64_t)rnd(&r->m, 600) * SEC;
    CHECK_INT(r->st->ops->remove(r->st, p, from, to, &e), 0);
    model_remove(&r->m, p, from, to);
}

/* Polls every second or so: blocks with and without summary. Without `mess` everything comes in order. */
static void run_rig(uint64_t seed, int steps, bool mess)
{
    static struct rig r;
    static struct sample batch[8192];
    struct error e = {0};
    rig_init(&r, seed);
    for (int i = 0; i < steps; i++) {
        size_t n = 0;
        for (int k = 0; k < 30 && (mess || n == 0); k++) n += make_batch(&r.m, &r.now, batch + n);
        for (size_t k = 0; k < n && !mess; k++)
            batch[k].time_us = r.now + (int64_t)(k / POINTS) * SEC, batch[k].point = 1 + (uint32_t)(k % POINTS);
        if (!mess) r.now += (int64_t)(n / POINTS + 1) * SEC;
        CHECK_INT(r.st->ops->append(r.st, batch, n, &e), 0);
        for (size_t k = 0; k < n; k++) model_put(&r.m, batch[k]);
        uint64_t dice = rnd(&r.m, 24);
        if (dice < 5) CHECK_INT(tsdb_seal(r.st, &e), 0);
        if (dice >= 4 && dice < 7) CHECK_INT(tsdb_merge(r.st, &e), 0);
        if (dice == 7 && mess) delete_some(&r);
        if (dice == 8) r.now += (int64_t)rnd(&r.m, 3) * HOUR;
        if (dice == 9) {
            r.st->ops->close(r.st);
            open_rig(&r, rnd(&r.m, 6) == 0);
        }
        if (dice > 18) check_rig(&r, 2);
    }
    check_rig(&r, 10);
    CHECK_INT(tsdb_seal(r.st, &e), 0);
    check_rig(&r, 10);
    CHECK_INT(tsdb_merge(r.st, &e), 0);
    check_rig(&r, 20);
    rig_fini(&r);
}

static uint64_t times(uint64_t n)
{
    return getenv("BORNITE_LONG") ? n * 20 : n;
}

TEST(as_each_alone)
{
    for (uint64_t seed = 1; seed <= times(2); seed++) run_rig(seed, 25, true);
}
TEST(as_each_alone_in_order)
{
    for (uint64_t seed = 1; seed <= times(4); seed++) run_rig(seed + 500, 60, false);
}

/* Retention that cuts inside of blocks, and a class whose rollups outlive its samples. */
TEST(expired_samples)
{
    for (int keep_rolls = 0; keep_rolls < 2; keep_rolls++) {
        static struct rig r;
        static struct sample batch[POINTS * 400];
        struct error e = {0};
        struct sim_clock clock;
        r = (struct rig){.fs = sim_fs_new(), .now = T0};
        model_init(&r.m, 7);
        sim_clock_init(&clock, T0 + 400 * 60 * SEC);
        struct tsdb_config cfg = {.fs = r.fs, .no_thread = true, .clock = &clock.clock, .roll_min = 5};
        REQUIRE(tsdb_open(&cfg, &r.st, &e) == 0);
        size_t n = 0;
        for (int64_t k = 0; k < 400; k++)
            for (uint32_t p = 1; p <= POINTS; p++) batch[n++] = make_sample(&r.m, p, T0 + k * 60 * SEC);
        r.now = T0 + 400 * 60 * SEC;
        CHECK_INT(r.st->ops->append(r.st, batch, n, &e), 0);
        CHECK_INT(tsdb_seal(r.st, &e), 0);
        CHECK_INT(tsdb_merge(r.st, &e), 0);
        struct ts_class c = {.max_age_us = 150 * 60 * SEC, .rollup_age_us = keep_rolls ? 1000 * HOUR : 0};
        CHECK_INT(r.st->ops->classes(r.st, &c, 1), 0);
        CHECK_INT(r.st->ops->enforce(r.st, &e), 0);
        check_rig(&r, 60);
        rig_fini(&r);
    }
}

static int stop(void *ctx, size_t i, const struct ts_summary *s)
{
    ++*(int *)ctx;
    return -77;
}

TEST(stops_when_told_and_takes_an_empty_range)
{
    static struct rig r;
    static struct asked a;
    struct error e = {0};
    int calls = 0;
    rig_init(&r, 3);
    ask_some(&r, &a);
    check_each(r.st, &a, T0, T0 + HOUR); /* an empty store */
    run_rig(9, 5, false);
    CHECK_INT(r.st->ops->summaries(r.st, a.point, a.step, a.n, T0, T0 + HOUR, stop, &calls, &e), -77);
    CHECK_INT(calls, 1);
    check_each(r.st, &a, T0, T0);
    check_each(r.st, &a, T0, T0 - 1);
    CHECK_INT(r.st->ops->summaries(r.st, a.point, a.step, 0, T0, T0 + HOUR, stop, &calls, &e), 0);
    CHECK_INT(calls, 1);
    rig_fini(&r);
}

/* More points than one slice, by two threads. */
struct wide {
    uint8_t times[9000];
    size_t wrong;
};

static int see_wide(void *ctx, size_t i, const struct ts_summary *s)
{
    struct wide *w = ctx;
    w->times[i]++;
    double sum = 0;
    uint64_t n = i % 3 == 2 ? 0 : i % 3 + 2;
    for (uint64_t k = 0; k < n; k++) sum += (double)(i + k);
    w->wrong += s->count != n || s->sum != sum || (n && s->first.point != i + 1);
    return 0;
}

TEST(many_points)
{
    static struct wide w;
    static uint32_t point[9000];
    static bool step[9000];
    static struct sample s[40000];
    struct error e = {0};
    struct rig r;
    size_t n = 0, calls = 0;
    rig_init(&r, 1);
    for (uint32_t p = 1; p <= 9000; p++) {
        point[p - 1] = p;
        for (uint32_t k = 0; (p - 1) % 3 < 2 && k < (p - 1) % 3 + 2; k++)
            s[n++] = (struct sample){.point = p, .time_us = T0 + k * SEC, .type = SAMPLE_INT, .v.i = p - 1 + k};
    }
    CHECK_INT(r.st->ops->append(r.st, s, n, &e), 0);
    for (int sealed = 0; sealed < 2; sealed++) {
        memset(&w, 0, sizeof w);
        CHECK_INT(r.st->ops->summaries(r.st, point, step, 9000, T0, T0 + HOUR, see_wide, &w, &e), 0);
        CHECK_INT(w.wrong, 0);
        for (size_t i = 0; i < 9000; i++) calls += w.times[i] == 1;
        CHECK_INT(tsdb_seal(r.st, &e), 0);
    }
    CHECK_INT(calls, 18000);
    int stops = 0;
    CHECK_INT(r.st->ops->summaries(r.st, point, step, 9000, T0, T0 + HOUR, stop, &stops, &e), -77);
    CHECK_INT(stops, 1);
    rig_fini(&r);
}

/* A byte set anywhere in a segment: the answers are those of the summary of each, which meets the same. */
TEST(damage_is_met_alike)
{
    for (uint64_t seed = 0; seed < times(20); seed++) {
        static struct rig r;
        static struct sample batch[POINTS * 300];
        struct error e = {0};
        size_t n = 0;
        rig_init(&r, seed * 2 + 1);
        for (int64_t k = 0; k < 300; k++)
            for (uint32_t p = 1; p <= POINTS; p++) batch[n++] = make_sample(&r.m, p, T0 + k * SEC);
        r.now = T0 + 300 * SEC;
        CHECK_INT(r.st->ops->append(r.st, batch, n, &e), 0);
        CHECK_INT(tsdb_seal(r.st, &e), 0);
        r.st->ops->close(r.st);
        const char *path = "ts/seg-0000000000000001-0000000000000001-00000000-00";
        struct fs_file *f;
        REQUIRE(fs_open(r.fs, path, FS_READ, &f) == 0);
        uint64_t size = (uint64_t)fs_size(f);
        fs_close(f);
        uint8_t byte = (uint8_t)rnd(&r.m, 256);
        CHECK_INT(sim_fs_poke(r.fs, path, 64 + (int64_t)rnd(&r.m, size - 64), &byte, 1), 0);
        open_rig(&r, true);
        check_rig(&r, 20);
        rig_fini(&r);
    }
}

/* Out of memory or out of order files: an error, or the right answer. */
TEST(failing_calls)
{
    for (uint64_t n = 1; n < 60; n += 1 + n / 4)
        for (int kind = 0; kind < 2; kind++) {
            static struct rig r;
            static struct asked a;
            static struct sample batch[8192];
            struct error e = {0};
            rig_init(&r, 40 + n);
            size_t k = 0;
            for (int i = 0; i < 20; i++) k += make_batch(&r.m, &r.now, batch + k);
            CHECK_INT(r.st->ops->append(r.st, batch, k, &e), 0);
            CHECK_INT(tsdb_seal(r.st, &e), 0);
            CHECK_INT(r.st->ops->append(r.st, batch, k / 2, &e), 0);
            ask_some(&r, &a);
            memset(a.times, 0, sizeof a.times);
            if (kind)
                mem_fail_at(n, false);
            else
                sim_fs_fail(r.fs, SIM_FS_PREAD, n, ERR_IO, false);
            int rc = r.st->ops->summaries(r.st, a.point, a.step, a.n, T0, T0 + HOUR, keep, &a, &e);
            mem_fail_at(0, false);
            sim_fs_fail(r.fs, SIM_FS_PREAD, 0, 0, false);
            CHECK(rc == 0 || (e.text[0] && e.text_zh[0]));
            check_each(r.st, &a, T0, T0 + HOUR);
            rig_fini(&r);
        }
}
