/* bus_test.c - the exception filter; and the sample path with a store that tests can make fail. */
#include "core/bus.h"
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/test.h"
#include "core/filter.h"
#include "io/sim_fs.h"
#include "model/sample.h"

/* ---- filter ---- */

static struct sample num(int64_t t, double v)
{
    return (struct sample){.time_us = t, .point = 5, .type = SAMPLE_DOUBLE, .v.d = v};
}

static int feed(struct exception_filter *s, const struct bus_point *cfg, int64_t t, double v, struct sample out[2])
{
    struct sample in = num(t, v);
    return exception_put(s, cfg, &in, out);
}

TEST(filter_off_passes_all)
{
    struct exception_filter s = {0};
    struct bus_point cfg = {.num = 5, .deadband = -1};
    struct sample out[2];
    for (int64_t t = 1; t < 10; t++) CHECK_INT(feed(&s, &cfg, t, 1.0, out), 1);
}

TEST(filter_deadband_sends_the_held_one_first)
{
    struct exception_filter s = {0};
    struct bus_point cfg = {.num = 5, .deadband = 0.5};
    struct sample out[2];
    CHECK_INT(feed(&s, &cfg, 1, 10.0, out), 1);
    CHECK_INT(feed(&s, &cfg, 2, 10.4, out), 0);
    CHECK_INT(feed(&s, &cfg, 3, 10.5, out), 0);
    CHECK_INT(feed(&s, &cfg, 4, 11.0, out), 2);
    CHECK_INT(out[0].time_us, 3);
    CHECK_DBL(out[0].v.d, 10.5, 0);
    CHECK_INT(out[1].time_us, 4);
    CHECK_INT(feed(&s, &cfg, 5, 12.0, out), 1); /* nothing held between */
}

TEST(filter_step_points_hold_nothing)
{
    struct exception_filter s = {0};
    struct bus_point cfg = {.num = 5, .deadband = 0, .step = true};
    struct sample out[2];
    CHECK_INT(feed(&s, &cfg, 1, 1, out), 1);
    CHECK_INT(feed(&s, &cfg, 2, 1, out), 0);
    CHECK_INT(feed(&s, &cfg, 3, 0, out), 1);
    CHECK_INT(out[0].time_us, 3);
}

TEST(filter_intervals)
{
    struct exception_filter s = {0};
    struct bus_point cfg = {.num = 5, .deadband = 0, .min_interval_us = 100, .max_interval_us = 1000};
    struct sample out[2];
    CHECK_INT(feed(&s, &cfg, 1, 1, out), 1);
    CHECK_INT(feed(&s, &cfg, 50, 2, out), 0);  /* changed, too soon */
    CHECK_INT(feed(&s, &cfg, 101, 3, out), 2); /* with the one held back */
    CHECK_INT(feed(&s, &cfg, 1000, 3, out), 0);
    CHECK_INT(feed(&s, &cfg, 1101, 3, out), 1);
    CHECK(out[0].flags & SAMPLE_FLAG_HEARTBEAT);
}

TEST(filter_quality_always_passes_late_ones_too)
{
    struct exception_filter s = {0};
    struct bus_point cfg = {.num = 5, .deadband = 100};
    struct sample out[2], bad = num(20, 1);
    bad.quality = QUALITY_BAD;
    bad.flags = REASON_COMM_FAILURE;
    CHECK_INT(feed(&s, &cfg, 10, 1, out), 1);
    CHECK_INT(exception_put(&s, &cfg, &bad, out), 1);
    CHECK_INT(feed(&s, &cfg, 30, 1, out), 1);
    CHECK_INT(feed(&s, &cfg, 15, 1, out), 1); /* late: history decides */
}

/* ---- a store in memory that can refuse ---- */

struct memory_store {
    struct ts_store base;
    pthread_mutex_t lock;
    struct sample *s;
    size_t n, cap;
    int refuse;
};

static int mem_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct memory_store *m = (struct memory_store *)st;
    pthread_mutex_lock(&m->lock);
    int err = m->refuse;
    if (!err && !mem_grow((void **)&m->s, &m->cap, m->n + n, sizeof *s)) err = ERR_NOMEM;
    if (!err) {
        memcpy(m->s + m->n, s, n * sizeof *s);
        m->n += n;
    }
    pthread_mutex_unlock(&m->lock);
    return err ? error_set(e, err, "", "refused", "拒绝") : 0;
}

static int mem_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct memory_store *m = (struct memory_store *)st;
    int err = ERR_NOT_FOUND;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++)
        if (m->s[i].point == point && m->s[i].time_us <= at && (err || m->s[i].time_us >= ret->time_us))
            *ret = m->s[i], err = 0;
    pthread_mutex_unlock(&m->lock);
    return err;
}

static int mem_reopen(struct ts_store *st, struct error *e)
{
    struct memory_store *m = (struct memory_store *)st;
    pthread_mutex_lock(&m->lock);
    m->refuse = 0;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static const struct ts_store_ops mem_ops = {
    .name = "memory", .append = mem_append, .before = mem_before, .reopen = mem_reopen};

static void memory_init(struct memory_store *m)
{
    *m = (struct memory_store){.base.ops = &mem_ops};
    pthread_mutex_init(&m->lock, NULL);
}

static size_t stored(struct memory_store *m)
{
    pthread_mutex_lock(&m->lock);
    size_t n = m->n;
    pthread_mutex_unlock(&m->lock);
    return n;
}

static void set_refuse(struct memory_store *m, int err)
{
    pthread_mutex_lock(&m->lock);
    m->refuse = err;
    pthread_mutex_unlock(&m->lock);
}

/* Offers until taken: the ring is bounded. */
static void publish(struct sink *sink, uint32_t point, int64_t t, double v)
{
    struct sample s = {.time_us = t, .point = point, .type = SAMPLE_DOUBLE, .v.d = v};
    while (sink->publish(sink->ctx, &s, 1) == ERR_AGAIN) sched_yield();
}

static struct bus *start(struct memory_store *m, struct fs *fs, unsigned shards)
{
    struct bus *b = NULL;
    struct error e = {0};
    struct bus_config c = {.shards = shards, .ring = 256, .store = &m->base, .fs = fs, .commit_ms = 1};
    if (bus_start(&c, &b, &e)) test_fail(__FILE__, __LINE__, "start: %s", e.text);
    return b;
}

static void check_all_there(struct memory_store *m, uint32_t points, int64_t each)
{
    int64_t *next = mem_calloc(points + 1, sizeof *next);
    for (size_t i = 0; i < m->n; i++) {
        CHECK_INT(m->s[i].time_us, next[m->s[i].point] + 1);
        next[m->s[i].point]++;
    }
    for (uint32_t p = 1; p <= points; p++) CHECK_INT(next[p], each);
    mem_free(next);
}

TEST(nothing_is_lost_and_order_is_kept)
{
    for (unsigned shards = 1; shards <= 3; shards += 2) {
        struct memory_store m;
        struct bus_source *src;
        struct sample now;
        memory_init(&m);
        struct fs *fs = sim_fs_new();
        struct bus *b = start(&m, fs, shards);
        REQUIRE(bus_source_open(b, "test", &src) == 0);
        struct sink sink = bus_source_sink(src);
        for (int64_t t = 1; t <= 500; t++)
            for (uint32_t p = 1; p <= 20; p++) publish(&sink, p, t, (double)t);
        bus_source_close(src);
        CHECK(bus_current(b, 7, &now));
        CHECK_INT(now.time_us, 500);
        struct bus_stats st;
        bus_stats(b, &st);
        CHECK_INT(st.received, 10000);
        bus_stop(b);
        check_all_there(&m, 20, 500);
        mem_free(m.s);
        fs_destroy(fs);
    }
}

TEST(store_down_journal_keeps_and_replays)
{
    struct memory_store m;
    struct bus_source *src;
    memory_init(&m);
    struct fs *fs = sim_fs_new();
    struct bus *b = start(&m, fs, 1);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 100; t++) publish(&sink, 1, t, 1);
    while (stored(&m) < 100) sched_yield();
    set_refuse(&m, ERR_DISK_FULL);
    for (int64_t t = 101; t <= 300; t++) publish(&sink, 1, t, 1);
    bus_source_close(src);
    bus_stop(b); /* the store still refuses: the rest is in the journal */
    CHECK_INT(m.n, 100);
    set_refuse(&m, 0);
    b = start(&m, fs, 1);
    while (stored(&m) < 300) sched_yield();
    bus_stop(b);
    check_all_there(&m, 1, 300);
    mem_free(m.s);
    fs_destroy(fs);
}

TEST(a_failed_sync_of_the_store_is_mended_by_reopening)
{
    struct memory_store m;
    struct bus_source *src;
    memory_init(&m);
    struct fs *fs = sim_fs_new();
    struct bus *b = start(&m, fs, 1);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    set_refuse(&m, ERR_IO);
    for (int64_t t = 1; t <= 50; t++) publish(&sink, 1, t, (double)t);
    for (int i = 0; stored(&m) < 50 && i < 5000; i++) usleep(1000); /* polls the outcome: at most a retry later */
    bus_source_close(src);
    bus_stop(b);
    check_all_there(&m, 1, 50);
    mem_free(m.s);
    fs_destroy(fs);
}

TEST(replay_leaves_out_what_the_store_has)
{
    struct memory_store m;
    struct bus_source *src;
    memory_init(&m);
    struct fs *fs = sim_fs_new();
    struct bus *b = start(&m, fs, 1);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 50; t++) publish(&sink, 1, t, (double)t);
    while (stored(&m) < 50) sched_yield();
    struct fs *after = sim_fs_power_cut(fs, 3); /* the acknowledgement may be lost, the samples are stored */
    bus_source_close(src);
    bus_stop(b);
    fs_destroy(fs);
    b = start(&m, after, 1);
    bus_stop(b);
    check_all_there(&m, 1, 50);
    mem_free(m.s);
    fs_destroy(after);
}

TEST(direct_write_is_acknowledged_by_the_store)
{
    struct memory_store m;
    struct error e = {0};
    struct sample s = {.time_us = 5, .point = 3, .type = SAMPLE_DOUBLE, .v.d = 42}, now;
    memory_init(&m);
    struct bus *b = start(&m, NULL, 1);
    CHECK_INT(bus_write(b, &s, 1, &e), 0);
    CHECK_INT(stored(&m), 1);
    CHECK(bus_current(b, 3, &now) && now.v.d == 42);
    set_refuse(&m, ERR_DISK_FULL);
    s.time_us = 6;
    CHECK_INT(bus_write(b, &s, 1, &e), ERR_DISK_FULL);
    CHECK(bus_current(b, 3, &now) && now.time_us == 5);
    bus_stop(b);
    mem_free(m.s);
}

TEST(full_ring_refuses_and_counts)
{
    struct memory_store m;
    struct bus_source *src;
    struct bus_stats st;
    struct sample big[300];
    memory_init(&m);
    struct bus *b = start(&m, NULL, 1);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int i = 0; i < 300; i++) big[i] = (struct sample){.time_us = i + 1, .point = 1, .type = SAMPLE_INT, .v.i = i};
    CHECK_INT(sink.publish(sink.ctx, big, 300), ERR_AGAIN); /* more than the ring holds: all or nothing */
    bus_stats(b, &st);
    CHECK_INT(st.refused, 300);
    CHECK_INT(st.received, 0);
    bus_source_close(src);
    bus_stop(b);
    mem_free(m.s);
}

struct seen {
    _Atomic int n;
};
static void count(void *ctx, const struct sample *s, size_t n)
{
    ((struct seen *)ctx)->n += (int)n;
}

TEST(subscribers_see_what_passed)
{
    struct memory_store m;
    struct bus_source *src;
    struct seen seen = {0}, all = {0};
    memory_init(&m);
    struct bus *b = start(&m, NULL, 1);
    struct bus_point cfg = {.num = 1, .deadband = 0, .archive = false, .step = true};
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    CHECK_INT(bus_subscribe(b, count, &seen), 0);
    CHECK_INT(bus_subscribe_all(b, count, &all), 0);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 10; t++) publish(&sink, 1, t, (double)(t > 5));
    bus_source_close(src);
    CHECK_INT(seen.n, 2);
    CHECK_INT(all.n, 10);
    bus_unsubscribe(b, count, &seen);
    bus_unsubscribe(b, count, &all);
    struct bus_point got;
    CHECK(bus_point_get(b, 1, &got) && got.step && !got.archive);
    bus_stop(b);
    CHECK_INT(m.n, 0); /* archive off */
    mem_free(m.s);
}

/* ---- the swinging door stands before history alone ---- */

static bool is_stored(struct memory_store *m, int64_t t)
{
    bool found = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) found = found || m->s[i].time_us == t;
    pthread_mutex_unlock(&m->lock);
    return found;
}

TEST(a_door_filters_history_only)
{
    struct memory_store m;
    struct bus_source *src;
    struct seen seen = {0};
    struct sample now, by_hand = {.time_us = 45, .point = 1, .type = SAMPLE_DOUBLE, .v.d = 45};
    struct error e = {0};
    memory_init(&m);
    struct bus *b = start(&m, NULL, 2);
    struct bus_point cfg = {.num = 1, .deadband = -1, .door = 0.1, .door_max_us = 3600000000, .archive = true}, got;
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    CHECK_INT(bus_subscribe(b, count, &seen), 0);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 20; t++) publish(&sink, 1, t, (double)t);
    for (int64_t t = 21; t <= 40; t++) publish(&sink, 1, t, 20);
    bus_source_close(src); /* all have gone through */
    CHECK(bus_current(b, 1, &now) && now.time_us == 40);
    CHECK_INT(seen.n, 40);
    CHECK_INT(bus_write(b, &by_hand, 1, &e), 0); /* lets go of the one held back: the line ends before it */
    bus_unsubscribe(b, count, &seen);
    CHECK(bus_point_get(b, 1, &got) && got.door == 0.1 && got.door_max_us == 3600000000);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    sink = bus_source_sink(src);
    for (int64_t t = 50; t <= 60; t++) publish(&sink, 1, t, 60);
    bus_source_close(src);
    struct bus_stats st;
    bus_stats(b, &st);
    CHECK_INT(st.passed, 51);
    CHECK_INT(st.door, 51 - 2 - 1); /* stored: 1 and 20 as lines ended, 50 with that from 45; all else waited */
    bus_stop(b);
    static const int64_t kept[] = {1, 20, 40, 45, 50, 60};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!is_stored(&m, kept[i])) test_fail(__FILE__, __LINE__, "%lld is missing", (long long)kept[i]);
    CHECK_INT(m.n, 6);
    mem_free(m.s);
}

TEST(a_door_that_is_switched_off_lets_go)
{
    struct memory_store m;
    struct bus_source *src;
    memory_init(&m);
    struct bus *b = start(&m, NULL, 1);
    struct bus_point cfg = {.num = 1, .deadband = -1, .door = 0.1, .archive = true};
    uint32_t num = 1;
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 5; t++) publish(&sink, 1, t, 1);
    while (!stored(&m)) sched_yield();
    struct bus_stats st;
    do bus_stats(b, &st);
    while (st.received < 5);
    cfg.door = 0;
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    while (!is_stored(&m, 5)) sched_yield();
    publish(&sink, 1, 6, 1);
    while (!is_stored(&m, 6)) sched_yield();
    cfg.door = 0.1;
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    publish(&sink, 1, 7, 1); /* begins anew */
    while (!is_stored(&m, 7)) sched_yield();
    publish(&sink, 1, 8, 1);
    publish(&sink, 1, 9, 1);
    do bus_stats(b, &st);
    while (st.received < 9);
    CHECK_INT(bus_point_remove(b, &num, 1), 0);
    while (!is_stored(&m, 9)) sched_yield();
    CHECK(!is_stored(&m, 8));
    bus_source_close(src);
    bus_stop(b);
    CHECK_INT(m.n, 5);
    mem_free(m.s);
}

TEST(a_door_open_too_long_by_our_clock_lets_go)
{
    struct memory_store m;
    struct bus_source *src;
    struct sim_clock clock;
    struct bus *b = NULL;
    struct error e = {0};
    memory_init(&m);
    sim_clock_init(&clock, 1000000000000);
    struct bus_config c = {.ring = 256, .store = &m.base, .clock = &clock.clock, .commit_ms = 1};
    REQUIRE(!bus_start(&c, &b, &e));
    struct bus_point cfg = {.num = 1, .deadband = -1, .door = 0.1, .door_max_us = 60000000, .archive = true};
    CHECK_INT(bus_point_set(b, &cfg, 1), 0);
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    for (int64_t t = 1; t <= 5; t++) publish(&sink, 1, t, 1);
    struct bus_stats st;
    do bus_stats(b, &st);
    while (st.received < 5);
    sim_clock_advance(&clock, 59000000);
    publish(&sink, 2, 1, 1); /* wakes the shard */
    while (!is_stored(&m, 1) || stored(&m) < 2) sched_yield();
    CHECK(!is_stored(&m, 5));
    sim_clock_advance(&clock, 3000000);
    publish(&sink, 2, 2, 1);
    while (!is_stored(&m, 5)) sched_yield();
    bus_source_close(src);
    bus_stop(b);
    CHECK_INT(m.n, 4);
    mem_free(m.s);
}

static struct bus *start_slow(struct memory_store *m, struct fs *fs, unsigned shards)
{
    struct bus *b = NULL;
    struct bus_config c = {.shards = shards, .ring = 256, .store = &m->base, .fs = fs, .commit_ms = 60000};
    CHECK_INT(bus_start(&c, &b, NULL), 0);
    return b;
}

TEST(what_a_ticket_stands_for_survives_a_power_cut)
{
    for (unsigned shards = 1; shards <= 3; shards += 2) {
        struct memory_store m;
        struct bus_source *src;
        memory_init(&m);
        struct fs *fs = sim_fs_new();
        struct bus *b = start_slow(&m, fs, shards); /* by itself it would gather for a minute */
        REQUIRE(bus_source_open(b, "test", &src) == 0);
        struct sink sink = bus_source_sink(src);
        set_refuse(&m, ERR_DISK_FULL); /* the journal alone has it */
        uint64_t before = 0;
        for (int64_t t = 1; t <= 20; t++) {
            publish(&sink, (uint32_t)t % 5 + 1, t, (double)t);
            before = bus_source_mark(src);
        }
        while (bus_source_kept(src, before) == 0) sched_yield();
        CHECK_INT(bus_source_kept(src, before), 1);
        CHECK_INT(bus_source_kept(src, before + 1), 0); /* not given yet */
        struct fs *after = sim_fs_power_cut(fs, 7);
        bus_source_close(src);
        bus_stop(b);
        fs_destroy(fs);
        CHECK_INT(m.n, 0);
        set_refuse(&m, 0);
        b = start(&m, after, shards);
        bus_stop(b);
        CHECK_INT(m.n, 20);
        mem_free(m.s);
        fs_destroy(after);
    }
}

TEST(a_ticket_for_what_was_dropped_is_never_kept)
{
    struct memory_store m;
    struct bus_source *src;
    struct bus_stats st;
    memory_init(&m);
    struct bus *b = start_slow(&m, NULL, 1); /* no journal */
    REQUIRE(bus_source_open(b, "test", &src) == 0);
    struct sink sink = bus_source_sink(src);
    set_refuse(&m, ERR_DISK_FULL);
    publish(&sink, 1, 1, 1);
    uint64_t first = bus_source_mark(src);
    for (int i = 0; i < 50 && bus_source_kept(src, first) == 0; i++) usleep(100);
    CHECK_INT(bus_source_kept(src, first), 0);
    for (int64_t t = 2; t <= 530000; t++) publish(&sink, 1, t, (double)t);
    uint64_t all = bus_source_mark(src);
    do bus_stats(b, &st);
    while (st.journal_dropped == 0 || st.received < 530000);
    set_refuse(&m, 0);
    while (bus_source_kept(src, all) == 0) usleep(100);
    CHECK_INT(bus_source_kept(src, first), ERR_IO);
    CHECK_INT(bus_source_kept(src, all), ERR_IO);
    publish(&sink, 1, 600000, 1);
    bus_source_kept(src, bus_source_mark(src)); /* the one after may be told lost as well; the next is not */
    uint64_t next = bus_source_mark(src);
    while (bus_source_kept(src, next) == 0) sched_yield();
    publish(&sink, 1, 600001, 2);
    next = bus_source_mark(src);
    while (bus_source_kept(src, next) == 0) sched_yield();
    CHECK_INT(bus_source_kept(src, next), 1);
    bus_source_close(src);
    bus_stop(b);
    mem_free(m.s);
}

TEST(a_value_that_nobody_sends_again_comes_from_the_store)
{
    struct memory_store m;
    struct sample now, old[] = {num(10, 1), num(20, 2)}, newer = num(30, 3);
    memory_init(&m);
    CHECK_INT(mem_append(&m.base, old, 2, NULL), 0);
    struct fs *fs = sim_fs_new();
    struct bus *b = start(&m, fs, 1);
    CHECK(!bus_current(b, old->point, &now));
    bus_restore(b, old->point);
    bus_restore(b, 999); /* nothing is stored of it */
    CHECK(bus_current(b, old->point, &now) && now.time_us == 20 && now.v.d == 2);
    CHECK(!bus_current(b, 999, &now));
    CHECK_INT(bus_write(b, &newer, 1, NULL), 0);
    bus_restore(b, old->point);
    CHECK(bus_current(b, old->point, &now) && now.v.d == 3);
    bus_stop(b);
    fs_destroy(fs);
    mem_free(m.s);
}
