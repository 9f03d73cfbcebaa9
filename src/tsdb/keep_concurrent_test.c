/* Housekeeping while samples come in and queries run: for the thread sanitizer, and for what must hold under it. */
#include <pthread.h>
#include <stdatomic.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)
#define T0 (INT64_C(1700000000) * SEC)
#define POINTS 40
#define ROUNDS 300

struct shared {
    struct ts_store *st;
    struct sim_clock clock;
    atomic_bool stop;
};

static void *write_samples(void *arg)
{
    struct shared *s = arg;
    struct error e;
    for (int i = 0; i < ROUNDS; i++) {
        struct sample b[POINTS];
        for (uint32_t p = 0; p < POINTS; p++)
            b[p] = (struct sample){.time_us = T0 + i * SEC, .point = p + 1, .type = SAMPLE_INT, .v.i = i};
        CHECK_INT(s->st->ops->append(s->st, b, POINTS, &e), 0);
        if (i % 40 == 39) CHECK_INT(tsdb_seal(s->st, &e), 0);
        sim_clock_advance(&s->clock, SEC);
    }
    atomic_store(&s->stop, true);
    return NULL;
}

static int rising(void *ctx, const struct sample *s, size_t n)
{
    int64_t *last = ctx;
    for (size_t i = 0; i < n; i++) {
        if (s[i].time_us <= *last || s[i].v.i != (s[i].time_us - T0) / SEC) return 99;
        *last = s[i].time_us;
    }
    return 0;
}

static void *read_samples(void *arg)
{
    struct shared *s = arg;
    struct error e;
    while (!atomic_load(&s->stop))
        for (uint32_t p = 1; p <= POINTS; p += 3) {
            int64_t last = INT64_MIN;
            struct sample got;
            struct ts_stats x;
            CHECK_INT(s->st->ops->scan(s->st, p, INT64_MIN, INT64_MAX, rising, &last, &e), 0);
            (void)s->st->ops->before(s->st, p, T0 + 50 * SEC, &got);
            s->st->ops->stats(s->st, &x);
        }
    return NULL;
}

static int ignore_usage(void *ctx, const struct ts_usage *u)
{
    return 0;
}

static int ignore_damage(void *ctx, const struct ts_damage *d)
{
    return 0;
}

static int ignore_log(void *ctx, const struct ts_log *l)
{
    return 0;
}

static void *keep_house(void *arg)
{
    struct shared *s = arg;
    const struct ts_admin_ops *a = s->st->admin;
    struct error e;
    CHECK_INT(a->archive_logs(s->st, 1 << 20, &e), 0);
    for (int i = 0; !atomic_load(&s->stop) || i < 2; i++) {
        struct ts_snapshot *snap = NULL;
        struct ts_preview v[TS_CLASSES];
        struct ts_scrub scrub = {0};
        struct ts_class c = {.max_age_us = INT64_C(1000) * 86400 * SEC, .warm_after_us = 60 * SEC};
        char byte;
        CHECK_INT(s->st->ops->remove(s->st, 2, T0 + i * SEC, T0 + (i + 5) * SEC, &e), 0);
        CHECK_INT(s->st->ops->classes(s->st, &c, 1), 0);
        CHECK_INT(s->st->ops->enforce(s->st, &e), 0);
        CHECK_INT(a->usage(s->st, ignore_usage, NULL, &e), 0);
        CHECK_INT(a->preview(s->st, &c, 1, v, &e), 0);
        CHECK_INT(a->snapshot(s->st, &snap, &e), 0);
        for (size_t f = 0; snap && f < snap->nfiles; f++) CHECK(snap->ops->read(snap, f, &byte, 1, 0) >= 0);
        if (snap) snap->ops->end(snap);
        CHECK_INT(a->logs(s->st, ignore_log, NULL), 0);
        while (!scrub.done) CHECK_INT(a->scrub(s->st, &scrub, 1 << 16, &e), 0);
        CHECK_INT(scrub.damaged, 0);
        CHECK_INT(a->damage(s->st, ignore_damage, NULL), 0);
        if (i % 4 == 3) CHECK_INT(a->log_drop(s->st, (uint64_t)i, &e), 0);
    }
    return NULL;
}

TEST(housekeeping_beside_writing_and_reading)
{
    struct shared s = {0};
    struct fs *fs = sim_fs_new(), *warm = sim_fs_new();
    pthread_t t[4];
    struct error e = {0};
    sim_clock_init(&s.clock, T0);
    struct tsdb_config cfg = {.fs = fs, .clock = &s.clock.clock};
    cfg.places[TS_WARM] = warm;
    REQUIRE(tsdb_open(&cfg, &s.st, &e) == 0);
    void *(*const work[4])(void *) = {write_samples, read_samples, read_samples, keep_house};
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&t[i], NULL, work[i], &s) == 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (uint32_t p = 1; p <= POINTS; p++) {
        int64_t last = INT64_MIN;
        CHECK_INT(s.st->ops->scan(s.st, p, INT64_MIN, INT64_MAX, rising, &last, &e), 0);
        CHECK(p == 2 || last == T0 + (ROUNDS - 1) * SEC);
    }
    s.st->ops->close(s.st);
    fs_destroy(fs);
    fs_destroy(warm);
}

static uint64_t segments_of(struct ts_store *st)
{
    struct ts_stats x;
    st->ops->stats(st, &x);
    return x.segments;
}

TEST(what_is_an_hour_old_is_sealed)
{
    struct sim_clock clock;
    struct fs *fs = sim_fs_new();
    struct ts_store *st = NULL;
    struct error e = {0};
    sim_clock_init(&clock, T0);
    struct tsdb_config cfg = {.fs = fs, .clock = &clock.clock};
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    struct sample s = {.time_us = T0, .point = 1, .type = SAMPLE_INT, .v.i = 7};
    CHECK_INT(st->ops->append(st, &s, 1, &e), 0);
    sim_clock_advance(&clock, 59 * 60 * SEC);
    CHECK_INT(tsdb_enforce_retention(st, &e), 0);
    CHECK_INT(segments_of(st), 0);
    sim_clock_advance(&clock, 60 * SEC);
    CHECK_INT(tsdb_enforce_retention(st, &e), 0);
    for (int i = 0; i < 10000 && segments_of(st) == 0; i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    CHECK_INT(segments_of(st), 1);
    st->ops->close(st);
    fs_destroy(fs);
}
