/* Disk use by point, previews that agree with what enforcement then does, counters, and the guarded clock. */
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define T0 (INT64_C(1700000000) * SEC)

struct store {
    struct fs *fs;
    struct sim_clock clock;
    struct ts_store *st;
    struct error e;
};

static int open_store(struct store *s)
{
    static const uint32_t points[] = {2, 4};
    static const uint8_t class_of[] = {1, 1};
    struct tsdb_config cfg = {.fs = s->fs,
                              .clock = &s->clock.clock,
                              .no_thread = true,
                              .points = points,
                              .point_classes = class_of,
                              .npoints = 2};
    return tsdb_open(&cfg, &s->st, &s->e);
}

static bool begin(struct store *s)
{
    *s = (struct store){.fs = sim_fs_new()};
    sim_clock_init(&s->clock, T0);
    return open_store(s) == 0;
}

static void end(struct store *s)
{
    s->st->ops->close(s->st);
    fs_destroy(s->fs);
}

static void write_hours(struct store *s, int from, int to)
{
    static struct sample batch[4 * 360];
    for (int hour = from; hour < to; hour++) {
        size_t n = 0;
        for (int i = 0; i < 360; i++)
            for (uint32_t p = 1; p <= 4; p++)
                batch[n++] = (struct sample){.time_us = T0 + hour * HOUR + i * 10 * SEC + p,
                                             .point = p,
                                             .type = SAMPLE_DOUBLE,
                                             .v.d = sqrt((double)(hour * 360 + i) * p)};
        CHECK_INT(s->st->ops->append(s->st, batch, n, &s->e), 0);
        CHECK_INT(tsdb_seal(s->st, &s->e), 0);
    }
}

static int add(void *ctx, const struct sample *s, size_t n)
{
    *(size_t *)ctx += n;
    return 0;
}

static size_t count_all(struct store *s)
{
    size_t n = 0;
    for (uint32_t p = 1; p <= 4; p++) CHECK_INT(s->st->ops->scan(s->st, p, INT64_MIN, INT64_MAX, add, &n, &s->e), 0);
    return n;
}

struct table {
    struct ts_usage u[16];
    size_t n;
};

static int note(void *ctx, const struct ts_usage *u)
{
    struct table *t = ctx;
    if (t->n < 16) t->u[t->n++] = *u;
    return 0;
}

static int stop_at_once(void *ctx, const struct ts_usage *u)
{
    ++*(int *)ctx;
    return 7;
}

TEST(usage_by_point_adds_up_to_the_files)
{
    struct store s;
    struct table t = {0};
    struct tsdb_class_usage c[TSDB_CLASSES];
    int calls = 0;
    REQUIRE(begin(&s));
    write_hours(&s, 0, 9);
    CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    write_hours(&s, 9, 11);
    tsdb_class_usage(s.st, c);
    REQUIRE(s.st->admin != NULL);
    CHECK_INT(s.st->admin->usage(s.st, note, &t, &s.e), 0);
    REQUIRE(t.n == 4);
    static const uint32_t order[] = {1, 3, 2, 4}; /* by class, then point */
    uint64_t bytes[2] = {0}, samples = 0;
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(t.u[i].point, order[i]);
        CHECK_INT(t.u[i].class_id, i / 2);
        CHECK_INT(t.u[i].place, TS_HOT);
        CHECK_INT(t.u[i].samples, 11 * 360);
        CHECK(t.u[i].blocks >= 3);
        CHECK_INT(t.u[i].oldest_us, T0 + order[i]);
        CHECK_INT(t.u[i].newest_us, T0 + 11 * HOUR - 10 * SEC + order[i]);
        bytes[i / 2] += t.u[i].bytes;
        samples += t.u[i].samples;
    }
    CHECK_INT(bytes[0], c[0].bytes);
    CHECK_INT(bytes[1], c[1].bytes);
    CHECK_INT(samples, count_all(&s));
    CHECK_INT(s.st->admin->usage(s.st, stop_at_once, &calls, &s.e), 7);
    CHECK_INT(calls, 1);
    end(&s);
}

/* What enforcement deletes is what the preview said. */
static void check_preview(struct ts_class c, int merges)
{
    struct store s;
    struct ts_preview p[TS_CLASSES];
    struct tsdb_class_usage before[TSDB_CLASSES], after[TSDB_CLASSES];
    REQUIRE(begin(&s));
    write_hours(&s, 0, 12);
    for (int i = 0; i < merges; i++) CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    sim_clock_advance(&s.clock, 12 * HOUR);
    CHECK_INT(s.st->admin->preview(s.st, &c, 1, p, &s.e), 0);
    size_t all = count_all(&s);
    tsdb_class_usage(s.st, before);
    CHECK_INT(s.st->ops->classes(s.st, &c, 1), 0);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    tsdb_class_usage(s.st, after);
    CHECK_INT(all - count_all(&s), p[c.id].samples);
    double freed = (double)(before[c.id].bytes - after[c.id].bytes), told = (double)p[c.id].bytes;
    CHECK_DBL(told, freed, 0.08 * (double)before[c.id].bytes);
    CHECK(p[c.id].samples > 0 && p[c.id].before_us > T0);
    CHECK_INT(p[!c.id].samples, 0);
    CHECK_INT(p[!c.id].bytes, 0);
    CHECK_INT(p[!c.id].before_us, INT64_MIN);
    CHECK_INT(s.st->admin->preview(s.st, &c, 1, p, &s.e), 0); /* nothing is left to do */
    CHECK_INT(p[c.id].samples, 0);
    end(&s);
}

TEST(preview_of_an_age)
{
    check_preview((struct ts_class){.id = 1, .max_age_us = 5 * HOUR + 13 * SEC}, 0);
    check_preview((struct ts_class){.id = 0, .max_age_us = 3 * HOUR + 7 * SEC}, 1);
    check_preview((struct ts_class){.id = 0, .max_age_us = 11 * HOUR - 777 * SEC}, 1);
}

TEST(preview_of_an_age_with_rollups_kept_longer)
{
    check_preview((struct ts_class){.id = 0, .max_age_us = 5 * HOUR + 13 * SEC, .rollup_age_us = 900 * HOUR}, 0);
    check_preview((struct ts_class){.id = 1, .max_age_us = 3 * HOUR + 7 * SEC, .rollup_age_us = 900 * HOUR}, 1);
}

TEST(preview_of_a_size)
{
    check_preview((struct ts_class){.id = 1, .max_bytes = 20000}, 0);
    check_preview((struct ts_class){.id = 0, .max_bytes = 30000}, 0);
    check_preview((struct ts_class){.id = 0, .max_bytes = 20000, .max_age_us = 9 * HOUR}, 1);
}

TEST(counters_tell_the_truth)
{
    struct store s;
    struct ts_stats x;
    struct sample a[4] = {{.time_us = T0 + 10, .point = 1, .type = SAMPLE_INT, .v.i = 1},
                          {.time_us = T0 + 20, .point = 1, .type = SAMPLE_INT, .v.i = 2},
                          {.time_us = T0 + 15, .point = 1, .type = SAMPLE_INT, .v.i = 3},
                          {.time_us = T0 + 10, .point = 1, .type = SAMPLE_INT, .v.i = 4}};
    REQUIRE(begin(&s));
    CHECK_INT(s.st->ops->append(s.st, a, 4, &s.e), 0);
    CHECK_INT(s.st->ops->append(s.st, a + 3, 1, &s.e), 0);
    s.st->ops->stats(s.st, &x);
    CHECK_INT(x.samples_appended, 5);
    CHECK_INT(x.out_of_order, 3);
    CHECK_INT(x.rewritten, 2); /* T0 + 10, twice, in the open chunk */
    CHECK(x.bytes_wal > 64 && x.bytes_blocks == 0 && x.samples_head == 5);
    CHECK_INT(tsdb_seal(s.st, &s.e), 0);
    s.st->ops->stats(s.st, &x);
    CHECK_INT(x.out_of_order, 3);
    CHECK_INT(x.rewritten, 2);
    CHECK_INT(x.blocks, 1);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(s.st->ops->append(s.st, a + 1, 1, &s.e), 0);
        CHECK_INT(tsdb_seal(s.st, &s.e), 0);
    }
    CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    s.st->ops->stats(s.st, &x);
    CHECK_INT(x.segments, 1);
    CHECK_INT(x.rewritten, 6);
    CHECK_INT(x.oldest_us, T0 + 10);
    CHECK_INT(x.newest_us, T0 + 20);
    end(&s);
}

/* ---- a clock that leaps ---- */
static bool held(struct store *s)
{
    struct ts_stats x;
    s->st->ops->stats(s->st, &x);
    return x.retention_held;
}

TEST(a_clock_ten_years_ahead_deletes_nothing)
{
    struct store s;
    struct ts_class c = {.id = 0, .max_age_us = 30 * DAY};
    REQUIRE(begin(&s));
    write_hours(&s, 0, 3);
    CHECK_INT(s.st->ops->classes(s.st, &c, 1), 0);
    sim_clock_advance(&s.clock, 3 * HOUR);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    sim_clock_jump(&s.clock, 3650 * DAY);
    struct sample future = {.time_us = clock_now_us(&s.clock.clock), .point = 1, .type = SAMPLE_INT};
    CHECK_INT(s.st->ops->append(s.st, &future, 1, &s.e), 0); /* what comes in bears the wrong time too */
    for (int i = 0; i < 20; i++) {
        CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
        CHECK(held(&s));
        sim_clock_advance(&s.clock, HOUR);
    }
    CHECK_INT(count_all(&s), 4 * 3 * 360 + 1);
    sim_clock_jump(&s.clock, -3650 * DAY); /* somebody has set it right */
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK(!held(&s));
    CHECK_INT(count_all(&s), 4 * 3 * 360 + 1);
    sim_clock_advance(&s.clock, 31 * DAY);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK_INT(count_all(&s), 2 * 3 * 360 + 1); /* by running time they do go */
    end(&s);
}

TEST(a_leap_that_lasts_is_believed)
{
    struct store s;
    struct ts_class c = {.id = 0, .max_age_us = 30 * DAY};
    REQUIRE(begin(&s));
    write_hours(&s, 0, 3);
    CHECK_INT(s.st->ops->classes(s.st, &c, 1), 0);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    s.st->ops->close(s.st);
    sim_clock_jump(&s.clock, 90 * DAY); /* switched off for three months */
    REQUIRE(open_store(&s) == 0);
    CHECK_INT(s.st->ops->classes(s.st, &c, 1), 0);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK(held(&s));
    CHECK_INT(count_all(&s), 4 * 3 * 360);
    sim_clock_advance(&s.clock, 25 * HOUR);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK(!held(&s));
    CHECK_INT(count_all(&s), 2 * 3 * 360);
    end(&s);
}

TEST(a_clock_that_goes_back_deletes_nothing_more)
{
    struct store s;
    struct ts_class c = {.id = 0, .max_age_us = 2 * HOUR};
    REQUIRE(begin(&s));
    write_hours(&s, 0, 6);
    CHECK_INT(s.st->ops->classes(s.st, &c, 1), 0);
    sim_clock_advance(&s.clock, 6 * HOUR);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    size_t n = count_all(&s);
    sim_clock_jump(&s.clock, -20 * DAY);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK(!held(&s));
    CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    CHECK(count_all(&s) >= n);
    sim_clock_jump(&s.clock, 20 * DAY);
    CHECK_INT(s.st->ops->enforce(s.st, &s.e), 0);
    CHECK_INT(count_all(&s), n);
    end(&s);
}
