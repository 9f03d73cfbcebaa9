/* engine_test.c - the engine by hand: a clock that stands, samples as tables; cost of a sample. */
#include "modules/alarms/engine.h"
#include <math.h>
#include <time.h>
#include "base/mem.h"
#include "base/test.h"

#define T0 1790000000000000LL
#define S 1000000LL

struct rig {
    struct sim_clock clock;
    struct engine *g;
    unsigned woken;
};

static void woken(void *ctx, bool timers)
{
    ((struct rig *)ctx)->woken++;
}

static bool rig_open(struct rig *r, uint32_t ring)
{
    *r = (struct rig){.g = NULL};
    sim_clock_init(&r->clock, T0);
    sim_clock_advance(&r->clock, 1000 * S);
    return engine_new(&r->clock.clock, ring, woken, r, &r->g) == 0;
}

static struct alarm_conf conf(uint32_t num)
{
    return (struct alarm_conf){.num = num,
                               .limit = {[ALARM_HH] = 200, [ALARM_H] = 100, [ALARM_L] = 10, [ALARM_LL] = 0}};
}

static void value_at(struct rig *r, uint32_t num, double v, int64_t t, uint8_t quality, uint16_t flags)
{
    struct sample s = {.time_us = t, .point = num, .type = SAMPLE_DOUBLE, .quality = quality, .flags = flags, .v.d = v};
    engine_samples(r->g, &s, 1);
}

static void value(struct rig *r, uint32_t num, double v)
{
    value_at(r, num, v, r->clock.now_us, QUALITY_GOOD, 0);
}

/* What has happened since: "raised h, cleared h, …" */
static const char *steps(struct rig *r)
{
    static char text[2000];
    struct alarm_step s;
    size_t n = 0;
    text[0] = '\0';
    while (engine_take(r->g, &s, 1)) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %s", n ? ", " : "", alarm_event_name(s.event),
                              alarm_condition_name(s.cond));
        mem_free(s.words);
    }
    return text;
}

static void wait_for(struct rig *r, int64_t us)
{
    sim_clock_advance(&r->clock, us);
    engine_tick(r->g);
}

TEST(limits_raise_and_clear)
{
    static const struct {
        double v;
        const char *want;
    } rows[] = {
        {50, ""},           {101, "raised h"}, {250, "raised hh"}, {150, "cleared hh"},
        {100, "cleared h"}, {5, "raised l"},   {-1, "raised ll"},  {50, "cleared l, cleared ll"},
    };
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    CHECK_INT(engine_set(r.g, &c), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sim_clock_advance(&r.clock, S);
        value(&r, 7, rows[i].v);
        CHECK_Z(steps(&r), rows[i].want);
    }
    CHECK_INT(engine_state(r.g, 7, ALARM_H), ALARM_CLEARED_UNACKED);
    value(&r, 8, 1e9); /* nobody's point */
    CHECK_Z(steps(&r), "");
    engine_free(r.g);
}

TEST(deadband_and_delay)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    c.deadband = 5;
    c.delay_us = 3 * S;
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 120);
    CHECK_Z(steps(&r), "");
    wait_for(&r, 2 * S);
    CHECK_Z(steps(&r), "");
    wait_for(&r, S); /* without another sample */
    CHECK_Z(steps(&r), "raised h");
    value(&r, 7, 97);
    CHECK_Z(steps(&r), ""); /* within the deadband */
    value(&r, 7, 95);
    CHECK_Z(steps(&r), "cleared h");
    value(&r, 7, 120);
    wait_for(&r, 2 * S);
    value(&r, 7, 99); /* broken */
    value(&r, 7, 120);
    wait_for(&r, 2 * S);
    CHECK_Z(steps(&r), "");
    wait_for(&r, S);
    CHECK_Z(steps(&r), "raised h");
    engine_free(r.g);
}

TEST(what_is_not_about_now_does_nothing)
{
    static const struct {
        int64_t off_us;
        uint16_t flags;
    } rows[] = {{-1 * S, 0}, {-600 * S, 0}, {600 * S, 0}, {0, SAMPLE_FLAG_BACKFILL}};
    struct rig r;
    struct engine_stats st;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 50);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        value_at(&r, 7, 500, r.clock.now_us + rows[i].off_us, QUALITY_GOOD, rows[i].flags);
        CHECK_Z(steps(&r), "");
    }
    engine_stats(r.g, &st);
    CHECK_INT(st.ignored, 4);
    value(&r, 7, 150);
    CHECK_Z(steps(&r), "raised h");
    value_at(&r, 7, 50, r.clock.now_us - S, QUALITY_GOOD, 0); /* older than the newest: does not clear either */
    CHECK_Z(steps(&r), "");
    engine_free(r.g);
}

TEST(bad_quality)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    c.bad = true;
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 150);
    CHECK_Z(steps(&r), "raised h");
    value_at(&r, 7, 0, r.clock.now_us, QUALITY_BAD, REASON_COMM_FAILURE);
    CHECK_Z(steps(&r), "raised bad"); /* and h stands, although the value is 0 */
    CHECK_INT(engine_state(r.g, 7, ALARM_H), ALARM_ACTIVE_UNACKED);
    value(&r, 7, 50);
    CHECK_Z(steps(&r), "cleared bad, cleared h");
    value_at(&r, 7, 0, r.clock.now_us, QUALITY_BAD, REASON_SHUTDOWN);
    CHECK_Z(steps(&r), "");
    c.delay_us = 2 * S;
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 150);
    value_at(&r, 7, 0, r.clock.now_us, QUALITY_BAD, REASON_OUT_OF_SERVICE); /* ends the running delay */
    wait_for(&r, 5 * S);
    CHECK_Z(steps(&r), "");
    engine_free(r.g);
}

TEST(no_data)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    c.stale_us = 10 * S;
    CHECK_INT(engine_set(r.g, &c), 0);
    for (int i = 0; i < 30; i++) {
        wait_for(&r, S);
        value(&r, 7, 50);
    }
    CHECK_Z(steps(&r), "");
    wait_for(&r, 9 * S);
    value_at(&r, 7, 0, r.clock.now_us, QUALITY_BAD, REASON_COMM_FAILURE); /* no life */
    CHECK_Z(steps(&r), "");
    wait_for(&r, S);
    CHECK_Z(steps(&r), "raised stale");
    wait_for(&r, 100 * S);
    CHECK_Z(steps(&r), "");
    value(&r, 7, 50);
    CHECK_Z(steps(&r), "cleared stale");
    wait_for(&r, 11 * S);
    CHECK_Z(steps(&r), "raised stale"); /* again */
    engine_free(r.g);
}

TEST(changes_of_the_configuration)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 150);
    CHECK_Z(steps(&r), "raised h");
    c.limit[ALARM_H] = 160;
    CHECK_INT(engine_set(r.g, &c), 0);
    CHECK_Z(steps(&r), "cleared h");
    c.limit[ALARM_H] = 140;
    CHECK_INT(engine_set(r.g, &c), 0);
    CHECK_Z(steps(&r), "raised h");
    c.limit[ALARM_H] = NAN;
    CHECK_INT(engine_set(r.g, &c), 0);
    CHECK_Z(steps(&r), "removed h");
    value(&r, 7, 300);
    CHECK_Z(steps(&r), "raised hh");
    engine_remove(r.g, 7);
    CHECK_Z(steps(&r), "removed hh");
    CHECK_INT(engine_set(r.g, &c), 0);
    value(&r, 7, 300);
    CHECK_Z(steps(&r), "raised hh");
    engine_reload_begin(r.g); /* a full reading that does not bring it */
    engine_reload_end(r.g);
    CHECK_Z(steps(&r), "removed hh");
    engine_free(r.g);
}

static struct alarm_words *said(int64_t until)
{
    struct alarm_words *w = mem_calloc(1, sizeof *w);
    if (w) w->until_us = until;
    return w;
}

TEST(people)
{
    struct rig r;
    uint64_t seq = 0;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    CHECK_INT(engine_set(r.g, &c), 0);
    struct alarm_words *w = said(0);
    CHECK_INT(engine_ack(r.g, 7, ALARM_H, w, &seq), ERR_CONFLICT);
    CHECK_INT(engine_ack(r.g, 9, ALARM_H, w, &seq), ERR_NOT_FOUND);
    value(&r, 7, 150);
    CHECK_INT(engine_ack(r.g, 7, ALARM_H, w, &seq), 0);
    CHECK_INT(seq, 2);
    CHECK_Z(steps(&r), "raised h, acked h");
    CHECK_INT(engine_state(r.g, 7, ALARM_H), ALARM_ACTIVE_ACKED);
    value(&r, 7, 50);
    CHECK_INT(engine_state(r.g, 7, ALARM_H), ALARM_NORMAL);
    CHECK_INT(engine_shelve(r.g, 7, ALARM_H, w = said(r.clock.now_us + 60 * S), &seq), 0);
    CHECK_Z(steps(&r), "cleared h, shelved h");
    wait_for(&r, 59 * S);
    CHECK_Z(steps(&r), "");
    wait_for(&r, S);
    CHECK_Z(steps(&r), "unshelved h");
    CHECK_INT(engine_shelve(r.g, 7, ALARM_H, w = said(0), &seq), ERR_CONFLICT);
    mem_free(w);
    engine_free(r.g);
}

TEST(after_a_restart)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct alarm_conf c = conf(7);
    c.stale_us = 10 * S;
    CHECK_INT(engine_restore(r.g, 7, ALARM_H, ALARM_ACTIVE_ACKED, 0), 0);
    CHECK_INT(engine_restore(r.g, 7, ALARM_STALE, ALARM_ACTIVE_UNACKED, 0), 0);
    CHECK_INT(engine_restore(r.g, 8, ALARM_H, ALARM_ACTIVE_UNACKED, 0), 0);
    engine_reload_begin(r.g);
    CHECK_INT(engine_set(r.g, &c), 0);
    engine_reload_end(r.g);
    CHECK_Z(steps(&r), "removed h"); /* of 8, which is gone */
    value(&r, 7, 150);
    CHECK_Z(steps(&r), "cleared stale");
    CHECK_INT(engine_state(r.g, 7, ALARM_H), ALARM_ACTIVE_ACKED); /* still: not raised again */
    value(&r, 7, 50);
    CHECK_Z(steps(&r), "cleared h");
    engine_free(r.g);
}

TEST(a_full_ring_loses_steps_but_no_state)
{
    struct rig r;
    struct engine_stats st;
    uint64_t seq;
    REQUIRE(rig_open(&r, 4));
    for (uint32_t i = 1; i <= 10; i++) {
        struct alarm_conf c = conf(i);
        CHECK_INT(engine_set(r.g, &c), 0);
        value(&r, i, 150);
    }
    engine_stats(r.g, &st);
    CHECK_INT(st.dropped, 6);
    struct alarm_words *w = said(0);
    CHECK_INT(engine_ack(r.g, 1, ALARM_H, w, &seq), ERR_AGAIN);
    CHECK_INT(engine_state(r.g, 1, ALARM_H), ALARM_ACTIVE_UNACKED);
    mem_free(w);
    engine_remove(r.g, 10); /* gone before it was ever told */
    CHECK_Z(steps(&r), "raised h, raised h, raised h, raised h");
    engine_catch_up(r.g);
    CHECK_Z(steps(&r), "caught_up h, caught_up h, caught_up h, caught_up h");
    engine_catch_up(r.g);
    CHECK_Z(steps(&r), "caught_up h, caught_up h");
    engine_catch_up(r.g);
    CHECK_Z(steps(&r), "");
    engine_stats(r.g, &st);
    CHECK_INT(st.points, 9);
    engine_free(r.g);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 100,000 points with four limits and "no data" at 1 Hz: what ten seconds of it cost. */
TEST(cost)
{
    enum { POINTS = 100000, SECONDS = 10, BATCH = 4096 };
    static struct sample s[BATCH];
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    for (uint32_t i = 1; i <= POINTS; i++) {
        struct alarm_conf c = conf(i);
        c.stale_us = 60 * S;
        REQUIRE(engine_set(r.g, &c) == 0);
    }
    double from = cpu_s();
    for (int k = 0; k < SECONDS; k++) {
        sim_clock_advance(&r.clock, S);
        for (uint32_t i = 1; i <= POINTS; i += BATCH) {
            size_t n = POINTS - i + 1 < BATCH ? POINTS - i + 1 : BATCH;
            for (size_t j = 0; j < n; j++)
                s[j] = (struct sample){
                    .time_us = r.clock.now_us, .point = i + (uint32_t)j, .type = SAMPLE_DOUBLE, .v.d = 50 + k};
            engine_samples(r.g, s, n);
        }
        engine_tick(r.g);
    }
    double share = (cpu_s() - from) / SECONDS;
    printf("100,000 points with limits at 1 Hz: %.2f %% of a core\n", share * 100);
    CHECK_Z(steps(&r), "");
    CHECK(share < 0.5); /* the sanitized build; the release build stays far below */
    engine_free(r.g);
}
