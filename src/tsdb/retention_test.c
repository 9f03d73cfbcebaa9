/* Retention by age and by bytes, archive classes, points that change their class. */
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)
#define HOUR (3600 * SEC)
#define T0 (INT64_C(1700000000) * SEC)

struct store {
    struct fs *fs;
    struct sim_clock clock;
    struct ts_store *st;
    struct ts_class classes[2];
    struct error e;
};

static int open_store(struct store *s)
{
    static const uint32_t points[] = {2, 4};
    static const uint8_t class_of[] = {1, 1};
    struct tsdb_config cfg = {.fs = s->fs,
                              .clock = &s->clock.clock,
                              .no_thread = true,
                              .classes = s->classes,
                              .nclasses = 2,
                              .points = points,
                              .point_classes = class_of,
                              .npoints = 2};
    return tsdb_open(&cfg, &s->st, &s->e);
}

static bool begin(struct store *s, struct ts_class a, struct ts_class b)
{
    *s = (struct store){.fs = sim_fs_new(), .classes = {a, b}};
    sim_clock_init(&s->clock, T0);
    return open_store(s) == 0;
}

static void end(struct store *s)
{
    s->st->ops->close(s->st);
    fs_destroy(s->fs);
}

/* Points 1..4, one sample every 10 s for an hour, values hard to compress; then sealed. */
static void write_hour(struct store *s, int hour)
{
    static struct sample batch[4 * 360];
    size_t n = 0;
    for (int i = 0; i < 360; i++)
        for (uint32_t p = 1; p <= 4; p++)
            batch[n++] = (struct sample){.time_us = T0 + hour * HOUR + i * 10 * SEC,
                                         .point = p,
                                         .type = SAMPLE_DOUBLE,
                                         .v.d = sqrt((double)(hour * 360 + i) * p)};
    CHECK_INT(s->st->ops->append(s->st, batch, n, &s->e), 0);
    CHECK_INT(tsdb_seal(s->st, &s->e), 0);
}

struct range {
    size_t n;
    int64_t first, last;
};

static int note(void *ctx, const struct sample *s, size_t n)
{
    struct range *r = ctx;
    if (r->n == 0) r->first = s[0].time_us;
    r->n += n;
    r->last = s[n - 1].time_us;
    return 0;
}

static struct range range_of(struct store *s, uint32_t point)
{
    struct range r = {0};
    CHECK_INT(s->st->ops->scan(s->st, point, INT64_MIN, INT64_MAX, note, &r, &s->e), 0);
    return r;
}

TEST(age_limits_each_class_on_its_own)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0}, (struct ts_class){.id = 1, .max_age_us = 3 * HOUR}));
    for (int h = 0; h < 10; h++) write_hour(&s, h);
    CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    sim_clock_advance(&s.clock, 10 * HOUR);
    CHECK_INT(range_of(&s, 2).n, 3600); /* nothing goes before it is enforced */
    CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    CHECK_INT(range_of(&s, 1).n, 3600);
    CHECK_INT(range_of(&s, 2).n, 3 * 360);
    CHECK_INT(range_of(&s, 2).first, T0 + 7 * HOUR);
    struct tsdb_class_usage u[TSDB_CLASSES];
    tsdb_class_usage(s.st, u);
    CHECK_INT(u[0].samples, 2 * 3600);
    CHECK(u[1].samples >= 2 * 3 * 360 && u[1].samples < 2 * 5 * 360); /* files went too */
    CHECK(u[0].bytes > u[1].bytes && u[1].oldest_us >= T0 + 5 * HOUR);
    struct sample got;
    CHECK_INT(s.st->ops->before(s.st, 2, T0 + 7 * HOUR - 1, &got), ERR_NOT_FOUND);
    CHECK_INT(s.st->ops->before(s.st, 1, T0 + 7 * HOUR - 1, &got), 0);
    s.st->ops->close(s.st);
    REQUIRE(open_store(&s) == 0);
    CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    CHECK_INT(range_of(&s, 2).n, 3 * 360);
    CHECK_INT(range_of(&s, 1).n, 3600);
    end(&s);
}

TEST(samples_in_memory_expire_too)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0, .max_age_us = HOUR}, (struct ts_class){.id = 1}));
    struct sample x = {.time_us = T0, .point = 1, .type = SAMPLE_INT, .v.i = 1};
    CHECK_INT(s.st->ops->append(s.st, &x, 1, &s.e), 0);
    sim_clock_advance(&s.clock, 2 * HOUR);
    CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    CHECK_INT(range_of(&s, 1).n, 0);
    CHECK_INT(tsdb_seal(s.st, &s.e), 0);
    struct tsdb_class_usage u[TSDB_CLASSES];
    tsdb_class_usage(s.st, u);
    CHECK_INT(u[0].segments, 0);
    end(&s);
}

TEST(limit_changed_later_applies_to_what_is_stored)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0}, (struct ts_class){.id = 1}));
    for (int h = 0; h < 6; h++) write_hour(&s, h);
    sim_clock_advance(&s.clock, 6 * HOUR);
    struct ts_class two = {.id = 0, .max_age_us = 2 * HOUR};
    CHECK_INT(tsdb_retention_set(s.st, &two, 1, &s.e), 0);
    CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    CHECK_INT(range_of(&s, 1).n, 2 * 360);
    CHECK_INT(range_of(&s, 2).n, 6 * 360);
    struct ts_class wrong = {.id = TSDB_CLASSES};
    CHECK_INT(tsdb_retention_set(s.st, &wrong, 1, &s.e), ERR_INVALID);
    end(&s);
}

TEST(bytes_limit_drops_the_oldest)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0, .max_bytes = 20000}, (struct ts_class){.id = 1}));
    for (int h = 0; h < 12; h++) {
        write_hour(&s, h);
        CHECK_INT(tsdb_merge(s.st, &s.e), 0);
        CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    }
    struct tsdb_class_usage u[TSDB_CLASSES];
    tsdb_class_usage(s.st, u);
    CHECK(u[0].bytes <= 20000 && u[0].bytes > 8000);
    struct range r = range_of(&s, 1);
    CHECK(r.n > 360 && r.n < 12 * 360 && r.last == T0 + 12 * HOUR - 10 * SEC);
    CHECK_INT(range_of(&s, 2).n, 12 * 360);
    end(&s);
}

TEST(one_big_segment_is_cut_to_size)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0}, (struct ts_class){.id = 1}));
    for (int h = 0; h < 24; h++) write_hour(&s, h);
    CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    struct ts_class small = {.id = 0, .max_bytes = 60000};
    CHECK_INT(tsdb_retention_set(s.st, &small, 1, &s.e), 0);
    CHECK_INT(tsdb_enforce_retention(s.st, &s.e), 0);
    struct tsdb_class_usage u[TSDB_CLASSES];
    tsdb_class_usage(s.st, u);
    CHECK(u[0].bytes <= 60000 && u[0].samples > 0);
    CHECK_INT(range_of(&s, 1).last, T0 + 24 * HOUR - 10 * SEC);
    end(&s);
}

/* A point changes its class and one of its samples is rewritten; merging must not bring back the old value. */
TEST(class_change_keeps_the_newest_write)
{
    struct store s;
    REQUIRE(begin(&s, (struct ts_class){.id = 0}, (struct ts_class){.id = 1}));
    const uint32_t point = 1;
    for (int i = 0; i < 12; i++) {
        uint8_t class_id = i == 2;
        CHECK_INT(tsdb_point_class(s.st, &point, &class_id, 1), 0);
        struct sample x[2] = {{.time_us = T0 + i * SEC, .point = 1, .type = SAMPLE_INT, .v.i = i},
                              {.time_us = T0, .point = 1, .type = SAMPLE_INT, .v.i = i}};
        CHECK_INT(s.st->ops->append(s.st, x, i <= 2 ? 2 : 1, &s.e), 0);
        CHECK_INT(tsdb_seal(s.st, &s.e), 0);
        CHECK_INT(tsdb_merge(s.st, &s.e), 0);
    }
    struct sample got;
    CHECK_INT(s.st->ops->before(s.st, 1, T0, &got), 0);
    CHECK_INT(got.v.i, 2);
    CHECK_INT(range_of(&s, 1).n, 12);
    end(&s);
}
