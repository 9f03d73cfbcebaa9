/* Other places: segments move as they age, everything stays readable, a place that is away is named and comes back, and
 * one copy counts whatever stops in between. */
#include "base/mem.h"
#include "tsdb/test_model.h"

#define T0 (INT64_C(1700000000) * SEC)
#define DAY (86400 * SEC)

struct plant {
    struct fs *fs, *warm, *cold;
    struct sim_clock clock;
    struct ts_store *st;
    struct model m;
    int64_t now;
    struct error e;
};

static int open_store(struct plant *p)
{
    struct tsdb_config cfg = {.fs = p->fs, .clock = &p->clock.clock, .no_thread = true};
    cfg.places[TS_WARM] = p->warm;
    cfg.places[TS_COLD] = p->cold;
    int rc = tsdb_open(&cfg, &p->st, &p->e);
    struct ts_class c = {.warm_after_us = DAY, .cold_after_us = 3 * DAY};
    if (!rc) rc = p->st->ops->classes(p->st, &c, 1);
    return rc;
}

static void begin(struct plant *p, uint64_t seed)
{
    *p = (struct plant){.fs = sim_fs_new(), .warm = sim_fs_new(), .cold = sim_fs_new(), .now = T0};
    sim_clock_init(&p->clock, T0);
    model_init(&p->m, seed);
}

static void end(struct plant *p)
{
    if (p->st) p->st->ops->close(p->st);
    fs_destroy(p->fs);
    fs_destroy(p->warm);
    fs_destroy(p->cold);
    model_fini(&p->m);
}

/* A day: some samples, sealed; the clock goes on. Errors are the caller's business. */
static int day(struct plant *p)
{
    static struct sample batch[4096];
    for (int i = 0; i < 4; i++) {
        size_t n = make_batch(&p->m, &p->now, batch);
        for (size_t k = 0; k < n; k++)
            if (batch[k].time_us < p->now - 3600 * SEC) batch[k].time_us = p->now;
        int rc = p->st->ops->append(p->st, batch, n, &p->e);
        if (rc) return rc;
        for (size_t k = 0; k < n; k++) model_put(&p->m, batch[k]);
    }
    int rc = tsdb_seal(p->st, &p->e);
    p->now += DAY;
    sim_clock_advance(&p->clock, p->now - clock_now_us(&p->clock.clock));
    return rc;
}

static void check(struct plant *p)
{
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(p->st, &p->m, k, INT64_MIN, INT64_MAX);
    check_some(p->st, &p->m, T0, p->now);
}

struct table {
    uint64_t bytes[TS_PLACES], samples;
};

static int add_usage(void *ctx, const struct ts_usage *u)
{
    struct table *t = ctx;
    t->bytes[u->place] += u->bytes;
    t->samples += u->samples;
    return 0;
}

static struct table usage(struct plant *p)
{
    struct table t = {0};
    CHECK_INT(p->st->admin->usage(p->st, add_usage, &t, &p->e), 0);
    return t;
}

static void count_segs(void *ctx, const char *name, bool dir, int64_t size)
{
    *(int *)ctx += strncmp(name, "seg-", 4) == 0;
}

static int files(struct fs *fs)
{
    int n = 0;
    (void)fs->ops->list(fs, "ts", count_segs, &n);
    return n;
}

TEST(segments_move_as_they_age)
{
    struct plant p;
    struct ts_preview v[TS_CLASSES];
    begin(&p, 1);
    CHECK_INT(open_store(&p), 0);
    for (int i = 0; i < 5; i++) CHECK_INT(day(&p), 0);
    struct ts_class c = {.warm_after_us = DAY, .cold_after_us = 3 * DAY};
    CHECK_INT(p.st->admin->preview(p.st, &c, 1, v, &p.e), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    struct table t = usage(&p);
    CHECK_INT(t.bytes[TS_WARM], v[0].move_bytes[TS_WARM]);
    CHECK_INT(t.bytes[TS_COLD], v[0].move_bytes[TS_COLD]);
    CHECK(t.bytes[TS_HOT] > 0 && t.bytes[TS_WARM] > 0 && t.bytes[TS_COLD] > 0);
    CHECK_INT(files(p.fs) + files(p.warm) + files(p.cold), 5);
    struct ts_place_use u[TS_PLACES];
    p.st->admin->places(p.st, u);
    CHECK_INT(u[TS_WARM].files, files(p.warm));
    CHECK_INT(u[TS_COLD].files, files(p.cold));
    CHECK_INT(u[TS_WARM].bytes, t.bytes[TS_WARM]);
    CHECK_INT(u[TS_HOT].samples + u[TS_WARM].samples + u[TS_COLD].samples, t.samples);
    CHECK_INT(u[TS_COLD].away, 0);
    check(&p);
    p.st->ops->close(p.st);
    CHECK_INT(open_store(&p), 0);
    check(&p);
    CHECK_INT(usage(&p).samples, t.samples);
    for (int i = 0; i < 3; i++) CHECK_INT(day(&p), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0); /* from warm to cold */
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    CHECK_INT(files(p.fs) + files(p.warm) + files(p.cold), 8);
    CHECK(files(p.cold) >= 4);
    check(&p);
    end(&p);
}

TEST(limits_and_deletions_reach_every_place)
{
    struct plant p;
    begin(&p, 2);
    CHECK_INT(open_store(&p), 0);
    for (int i = 0; i < 6; i++) CHECK_INT(day(&p), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    struct table t = usage(&p);
    CHECK_INT(p.st->ops->remove(p.st, 5, T0, T0 + 3 * DAY, &p.e), 0);
    model_remove(&p.m, 5, T0, T0 + 3 * DAY);
    check(&p);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    check(&p);
    CHECK(usage(&p).samples < t.samples);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    check(&p);
    struct ts_class c = {.max_age_us = 4 * DAY, .warm_after_us = DAY, .cold_after_us = 3 * DAY};
    CHECK_INT(p.st->ops->classes(p.st, &c, 1), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    for (uint32_t k = 1; k <= POINTS; k++) model_remove(&p.m, k, INT64_MIN, clock_now_us(&p.clock.clock) - 4 * DAY);
    check(&p);
    CHECK(files(p.cold) <= 2);
    c.max_bytes = t.bytes[TS_HOT];
    CHECK_INT(p.st->ops->classes(p.st, &c, 1), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(files(p.cold), 0);
    end(&p);
}

static int ignore(void *ctx, const struct sample *s, size_t n)
{
    return 0;
}

TEST(a_place_that_is_away_is_named_and_comes_back)
{
    struct plant p;
    struct ts_stats x;
    struct sample got;
    struct ts_summary sum;
    begin(&p, 3);
    CHECK_INT(open_store(&p), 0);
    for (int i = 0; i < 6; i++) CHECK_INT(day(&p), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    for (int start = 0; start < 2; start++) { /* it goes while the store runs; it is away at the start */
        sim_fs_fail(p.cold, SIM_FS_ANY, 1, ERR_IO, true);
        if (start) {
            p.st->ops->close(p.st);
            REQUIRE(open_store(&p) == 0);
        }
        CHECK_INT(p.st->ops->scan(p.st, 1, T0, T0 + DAY, ignore, NULL, &p.e), ERR_UNAVAILABLE);
        CHECK(strstr(p.e.text, "cold place") && strcmp(p.e.where, "cold") == 0);
        CHECK_INT(p.st->ops->summary(p.st, 1, T0, T0 + 9 * DAY, true, &sum, &p.e), ERR_UNAVAILABLE);
        CHECK_INT(p.st->ops->plot(p.st, 1, T0, T0 + 9 * DAY, 10, ignore, NULL, &p.e), ERR_UNAVAILABLE);
        CHECK_INT(p.st->ops->before(p.st, 1, T0 + 60 * SEC, &got), ERR_UNAVAILABLE);
        CHECK_INT(p.st->ops->before(p.st, 1, p.now, &got), 0); /* the newest is here */
        check_scan(p.st, &p.m, 1, p.now - 2 * DAY, INT64_MAX);
        p.st->ops->stats(p.st, &x);
        CHECK(x.away_segments > 0 && strstr(x.away_why, "cold") && !x.read_only && x.damaged_blocks == 0);
        CHECK_INT(day(&p), 0); /* writing goes on */
        (void)p.st->ops->enforce(p.st, &p.e);
        sim_fs_fail(p.cold, SIM_FS_ANY, 0, 0, false);
        check(&p);
        CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
        check(&p);
        p.st->ops->stats(p.st, &x);
        CHECK_INT(x.away_segments, 0);
    }
    p.st->ops->close(p.st);
    struct fs *cold = p.cold;
    p.cold = NULL; /* somebody took it out of the settings */
    REQUIRE(open_store(&p) == 0);
    CHECK_INT(p.st->ops->scan(p.st, 1, T0, T0 + DAY, ignore, NULL, &p.e), ERR_UNAVAILABLE);
    p.st->ops->close(p.st);
    p.cold = cold;
    REQUIRE(open_store(&p) == 0);
    check(&p);
    end(&p);
}

/* ---- faults ---- */
static void run(struct plant *p)
{
    if (open_store(p)) {
        p->st = NULL;
        return;
    }
    for (int i = 0; i < 5; i++) {
        if (day(p)) break;
        if (i > 1 && p->st->ops->enforce(p->st, &p->e)) break;
    }
    p->st->ops->close(p->st);
    p->st = NULL;
}

static void check_counted_once(struct plant *p)
{
    struct ts_stats x;
    REQUIRE(open_store(p) == 0);
    for (uint32_t k = 1; k <= POINTS; k++) { /* the batch under way may be there: only what was acknowledged must */
        struct series *sr = &p->m.p[k];
        for (size_t i = 0; i < sr->n; i += 1 + sr->n / 7) {
            struct sample got;
            CHECK(p->st->ops->before(p->st, k, sr->s[i].time_us, &got) == 0 && got.time_us == sr->s[i].time_us);
        }
    }
    p->st->ops->stats(p->st, &x);
    CHECK_INT(x.damaged_blocks, 0);
    CHECK_INT(x.away_segments, 0);
    uint64_t segments = x.segments;
    CHECK_INT(p->st->ops->enforce(p->st, &p->e), 0);
    p->st->ops->stats(p->st, &x);
    CHECK_INT(x.segments, segments);
    CHECK_INT(files(p->fs) + files(p->warm) + files(p->cold), segments); /* nothing is left lying about */
    p->st->ops->close(p->st);
    p->st = NULL;
}

static void cut_and_check(struct plant *p, uint64_t seed)
{
    struct plant q = *p;
    q.fs = sim_fs_power_cut(p->fs, seed);
    q.warm = sim_fs_power_cut(p->warm, seed + 1);
    q.cold = sim_fs_power_cut(p->cold, seed + 2);
    check_counted_once(&q);
    fs_destroy(q.fs);
    fs_destroy(q.warm);
    fs_destroy(q.cold);
}

static struct fs *place_of(struct plant *p, int which)
{
    return which == 0 ? p->fs : which == 1 ? p->warm : p->cold;
}

TEST(power_cut_at_every_call)
{
    for (int which = 0; which < 3; which++)
        for (uint64_t calls = 0, last = 0; calls < 400; calls++) {
            struct plant p;
            begin(&p, 4);
            struct fs *fs = place_of(&p, which);
            sim_fs_power_off_after(fs, calls);
            run(&p);
            for (uint64_t seed = 0; seed < 2; seed++) cut_and_check(&p, seed + calls * 3);
            uint64_t made = sim_fs_count(fs, SIM_FS_ANY);
            end(&p);
            if (calls > 3 && made == last) break; /* not reached any more */
            last = made;
        }
}

TEST(every_call_may_fail)
{
    for (int which = 0; which < 3; which++)
        for (uint64_t n = 1; n < 300; n += which ? 1 : 3) {
            struct plant p;
            begin(&p, 5);
            struct fs *fs = place_of(&p, which);
            sim_fs_fail(fs, SIM_FS_ANY, n, n % 2 ? ERR_IO : ERR_DISK_FULL, false);
            run(&p);
            bool reached = sim_fs_count(fs, SIM_FS_ANY) >= n;
            sim_fs_fail(fs, SIM_FS_ANY, 0, 0, false);
            check_counted_once(&p);
            end(&p);
            if (!reached) break;
        }
}
