/* filter_test.c - the swinging door: what it promises, on random samples and on the edges. */
#include "core/filter.h"
#include <float.h>
#include <math.h>
#include "base/mem.h"
#include "base/test.h"
#include "model/sample.h"

static struct sample at(int64_t t, double v)
{
    return (struct sample){.time_us = t, .point = 5, .type = SAMPLE_DOUBLE, .v.d = v};
}

static int door(struct door_filter *f, const struct bus_point *cfg, int64_t t, double v, struct sample out[2])
{
    struct sample s = at(t, v);
    return door_put(f, cfg, &s, out);
}

TEST(a_straight_line_is_its_ends)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 0.01};
    struct sample out[2];
    CHECK_INT(door(&f, &cfg, 1, 1, out), 1);
    for (int64_t t = 2; t <= 1000; t++) CHECK_INT(door(&f, &cfg, t, (double)t, out), 0);
    CHECK_INT(door(&f, &cfg, 1001, 0, out), 1); /* the end of the line; the new one is held back */
    CHECK_INT(out[0].time_us, 1000);
    CHECK_INT(door_end(&f, out), 1);
    CHECK_INT(out[0].time_us, 1001);
    CHECK_INT(door_end(&f, out), 0);
}

TEST(the_first_one_outside_closes_the_door)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1};
    struct sample out[2];
    CHECK_INT(door(&f, &cfg, 0, 0, out), 1);
    CHECK_INT(door(&f, &cfg, 10, 1, out), 0);    /* slopes 0 to 0.2 */
    CHECK_INT(door(&f, &cfg, 20, 4, out), 0);    /* 0.2: just within; 0.15 to 0.2 is left */
    CHECK_INT(door(&f, &cfg, 30, 6.01, out), 1); /* 0.20033 would leave the first one out by 1.0033 */
    CHECK_INT(out[0].time_us, 20);
}

TEST(a_step_point_holds_back_what_is_near)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1, .step = true};
    struct sample out[2];
    CHECK_INT(door(&f, &cfg, 0, 5, out), 1);
    CHECK_INT(door(&f, &cfg, 10, 6, out), 0);
    CHECK_INT(door(&f, &cfg, 20, 4, out), 0);
    CHECK_INT(door(&f, &cfg, 30, 6.5, out), 1); /* without the one before: the step is here */
    CHECK_INT(out[0].time_us, 30);
}

TEST(something_is_stored_after_door_max)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1, .door_max_us = 100};
    struct sample out[2];
    CHECK_INT(door(&f, &cfg, 0, 5, out), 1);
    CHECK_INT(door(&f, &cfg, 60, 5, out), 0);
    CHECK_INT(door(&f, &cfg, 130, 5, out), 1); /* later than 100: the one held back */
    CHECK_INT(out[0].time_us, 60);
    CHECK_INT(door(&f, &cfg, 160, 5, out), 0); /* just 100 */
    CHECK_INT(door(&f, &cfg, 161, 5, out), 1);
    CHECK_INT(out[0].time_us, 160);
    CHECK_INT(door(&f, &cfg, 900, 5, out), 2); /* a gap: its both ends */
    CHECK_INT(out[0].time_us, 161);
    CHECK_INT(out[1].time_us, 900);
    CHECK_INT(door(&f, &cfg, 1900, 5, out), 1); /* nothing was held back */
    cfg.door_max_us = 0;                        /* ten minutes */
    CHECK_INT(door(&f, &cfg, 1900 + 600000000, 5, out), 0);
    CHECK_INT(door(&f, &cfg, 1900 + 600000001, 5, out), 1);
    CHECK_INT(out[0].time_us, 1900 + 600000000);
}

TEST(quality_type_and_what_is_no_number_go_through)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1};
    struct sample out[2], bad = at(30, 5), whole = at(50, 0), nan = at(80, NAN), text = at(90, 0);
    bad.quality = QUALITY_BAD;
    bad.flags = REASON_COMM_FAILURE;
    whole.type = SAMPLE_INT;
    whole.v.i = 5;
    text.type = SAMPLE_STRING;
    CHECK_INT(door(&f, &cfg, 10, 5, out), 1);
    CHECK_INT(door(&f, &cfg, 20, 5, out), 0);
    CHECK_INT(door_put(&f, &cfg, &bad, out), 2);
    CHECK(out[0].time_us == 20 && out[1].time_us == 30);
    bad.time_us = 35;
    CHECK_INT(door_put(&f, &cfg, &bad, out), 1); /* bad ones are not filtered */
    CHECK_INT(door(&f, &cfg, 40, 5, out), 1);
    CHECK_INT(door_put(&f, &cfg, &whole, out), 1);
    whole.time_us = 60;
    CHECK_INT(door_put(&f, &cfg, &whole, out), 0);
    CHECK_INT(door(&f, &cfg, 70, 5, out), 2);
    CHECK_INT(door_put(&f, &cfg, &nan, out), 1);
    nan.time_us = 85;
    CHECK_INT(door_put(&f, &cfg, &nan, out), 1);
    CHECK_INT(door_put(&f, &cfg, &text, out), 1);
    CHECK_INT(door(&f, &cfg, 100, 5, out), 1);
    CHECK_INT(door(&f, &cfg, 110, DBL_MAX, out), 0); /* a slope that no double holds … */
    CHECK_INT(door(&f, &cfg, 120, -DBL_MAX, out), 2);
    CHECK(out[0].time_us == 110 && out[1].time_us == 120);
}

TEST(late_ones_go_through)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1};
    struct sample out[2];
    CHECK_INT(door(&f, &cfg, 100, 5, out), 1);
    CHECK_INT(door(&f, &cfg, 50, 7, out), 1); /* before the last stored one */
    CHECK_INT(out[0].time_us, 50);
    CHECK_INT(door(&f, &cfg, 110, 5, out), 0);
    CHECK_INT(door(&f, &cfg, 120, 5, out), 0);
    CHECK_INT(door(&f, &cfg, 115, 9, out), 2); /* into the line that is open: it ends where it stands */
    CHECK(out[0].time_us == 120 && out[1].time_us == 115);
    CHECK_INT(door(&f, &cfg, 130, 5, out), 0);
    CHECK_INT(door(&f, &cfg, 130, 8, out), 2); /* in place of the one held back */
    CHECK(out[0].v.d == 5 && out[1].v.d == 8 && f.anchor.v.d == 8);
    CHECK_INT(door(&f, &cfg, 140, 20, out), 0); /* from 8, whatever was there before */
}

TEST(what_was_stored_by_another_way_ends_the_line)
{
    struct door_filter f = {0};
    struct bus_point cfg = {.door = 1};
    struct sample out[2], by_hand = at(25, 9);
    CHECK_INT(door_stored(&f, &by_hand, out), 0); /* no door */
    door(&f, &cfg, 10, 5, out);
    door(&f, &cfg, 20, 5, out);
    CHECK_INT(door_stored(&f, &by_hand, out), 1);
    CHECK_INT(out[0].time_us, 20);
    CHECK(f.anchor.time_us == 25 && !door_holds(&f));
    door(&f, &cfg, 30, 5, out);
    by_hand.time_us = 30;
    CHECK_INT(door_stored(&f, &by_hand, out), 0); /* the one held back has been replaced */
    CHECK(f.anchor.time_us == 30 && f.anchor.v.d == 9 && !door_holds(&f));
    by_hand.time_us = 5;
    CHECK_INT(door_stored(&f, &by_hand, out), 0);
    CHECK_INT(f.anchor.time_us, 30);
}

/* ---- the bound, on random samples ---- */

#define RUN 4000
struct run {
    struct sample raw[RUN], passed[2 * RUN], stored[FILTER_OUT * RUN];
    size_t nraw, npassed, nstored;
    uint64_t seed;
};

static uint64_t dice(struct run *r)
{
    uint64_t z = (r->seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
static double unit(struct run *r)
{
    return (double)(dice(r) >> 11) * 0x1p-53;
}

enum shape { WALK, STEPS, NOISE, SINE, SPIKES, RAMPS, BIG, SHAPES };

static double next_value(struct run *r, enum shape shape, size_t i, double v)
{
    switch (shape) {
    case WALK: return v + unit(r) - 0.5;
    case STEPS: return dice(r) % 50 ? v : 100 * unit(r);
    case NOISE: return 50 + unit(r);
    case SINE: return 10 * sin((double)i / 40) + 0.1 * unit(r);
    case SPIKES: return dice(r) % 30 ? 5 + 0.01 * unit(r) : 1e6 * (unit(r) - 0.5);
    case RAMPS: return i % 200 < 150 ? v + 0.25 : v - 0.75;
    case BIG: return 1e15 * (unit(r) - 0.5);
    case SHAPES: break;
    }
    return 0;
}

static void make(struct run *r, enum shape shape, bool odd)
{
    int64_t t = 1700000000000000;
    double v = 0;
    r->nraw = 0;
    for (size_t i = 0; i < RUN; i++) {
        v = next_value(r, shape, i, v);
        t += dice(r) % 400 ? 900000 + (int64_t)(dice(r) % 200000) : 3600000000 + (int64_t)(dice(r) % 1000);
        struct sample s = at(t, v);
        if (odd && dice(r) % 100 == 0) s.v.d = NAN;
        if (odd && dice(r) % 150 == 0) s.v.d = INFINITY;
        if (odd && dice(r) % 80 < 1 + i % 3) s.quality = QUALITY_BAD, s.flags = (uint16_t)(dice(r) % 3);
        if (odd && dice(r) % 100 == 0) s.quality = QUALITY_UNCERTAIN;
        if (odd && dice(r) % 200 == 0) s.type = SAMPLE_INT, s.v.i = (int64_t)dice(r) % 100;
        r->raw[r->nraw++] = s;
    }
}

static void filter_all(struct run *r, const struct bus_point *cfg)
{
    struct point_filter f = {0}, same = {0};
    r->npassed = r->nstored = 0;
    for (size_t i = 0; i < r->nraw; i++) {
        struct sample both[FILTER_OUT];
        size_t before = r->nstored, from = r->npassed;
        r->npassed += (size_t)exception_put(&f.exception, cfg, &r->raw[i], r->passed + r->npassed);
        for (; from < r->npassed; from++)
            r->nstored += (size_t)door_put(&f.door, cfg, &r->passed[from], r->stored + r->nstored);
        CHECK_INT(filter_put(&same, cfg, &r->raw[i], both), r->nstored - before);
        CHECK(!memcmp(both, r->stored + before, (r->nstored - before) * sizeof *both));
    }
    r->nstored += (size_t)door_end(&f.door, r->stored + r->nstored);
}

/* Each stored sample came in just so (a heartbeat is marked), once and in order. */
static void check_real(struct run *r)
{
    size_t k = 0;
    for (size_t i = 0; i < r->nstored; i++) {
        while (k < r->nraw && r->raw[k].time_us < r->stored[i].time_us) k++;
        struct sample want = k < r->nraw ? r->raw[k++] : (struct sample){0};
        want.flags |= r->stored[i].flags & SAMPLE_FLAG_HEARTBEAT;
        REQUIRE(!memcmp(&want, &r->stored[i], sizeof want));
    }
}

/* Greatest distance from the stored lines, in units of what is allowed plus rounding; what is no number must be
 * stored, or repeat one that is. */
static double worst(struct run *r, const struct sample *x, size_t n, bool step, double allowed)
{
    double worst = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        while (k + 1 < r->nstored && r->stored[k + 1].time_us <= x[i].time_us) k++;
        const struct sample *a = &r->stored[k], *b = k + 1 < r->nstored ? a + 1 : NULL;
        if (x[i].time_us == a->time_us) continue;
        if (x[i].time_us < a->time_us || x[i].quality != a->quality || x[i].type != a->type) return INFINITY;
        if (!isfinite(sample_number(&x[i])) || x[i].quality == QUALITY_BAD) {
            CHECK(x[i].quality == QUALITY_BAD || sample_same_value(a, &x[i]));
            continue;
        }
        double va = sample_number(a), line = va;
        if (!step && b) { /* after the last one its value holds */
            if (b->quality != a->quality || b->type != a->type) return INFINITY;
            double f = (double)(x[i].time_us - a->time_us) / (double)(b->time_us - a->time_us);
            line = va + (sample_number(b) - va) * f;
        }
        double rounding = 1e-15 * 8 * fmax(fabs(va), fabs(sample_number(b ? b : a)));
        double off = fabs(sample_number(&x[i]) - line) / (allowed + rounding);
        if (off > worst) worst = off;
    }
    return worst;
}

TEST(a_million_samples_stay_within_the_bound)
{
    static const double deadbands[] = {-1, 0, 0.05, 2}, doors[] = {0.001, 0.2, 5};
    struct run *r = mem_calloc(1, sizeof *r);
    double tightest = 0;
    size_t kept = 0, all = 0;
    r->seed = 42;
    for (unsigned i = 0; i < SHAPES * 4 * 3 * 3; i++) { /* 252 runs */
        struct bus_point cfg = {.deadband = deadbands[i / SHAPES % 4],
                                .door = doors[i / SHAPES / 4 % 3],
                                .max_interval_us = i % 5 ? 0 : 60000000,
                                .door_max_us = i % 3 ? 0 : 300000000,
                                .step = i % 4 == 3};
        make(r, (enum shape)(i % SHAPES), i / SHAPES / 12 > 0);
        filter_all(r, &cfg);
        check_real(r);
        double band = cfg.deadband > 0 ? cfg.deadband * (cfg.step ? 1 : 2) : 0;
        double passed = worst(r, r->passed, r->npassed, cfg.step, cfg.door);
        double raw = worst(r, r->raw, r->nraw, cfg.step, cfg.door + band);
        if (passed > 1 || raw > 1)
            test_fail(__FILE__, __LINE__, "run %u: %.17g of the door, %.17g of all", i, passed, raw);
        if (passed > tightest) tightest = passed;
        kept += r->nstored;
        all += r->nraw;
    }
    CHECK(all >= 1000000);
    CHECK(tightest > 0.999); /* the bound is used, not just kept */
    CHECK(kept * 2 < all);   /* and saves */
    mem_free(r);
}

/* Why the bound of lines has two deadbands: silence that begins low and ends high. */
TEST(two_deadbands_are_needed)
{
    struct run *r = mem_calloc(1, sizeof *r);
    struct bus_point cfg = {.deadband = 1};
    const double v[] = {0, -1, 1, 5};
    for (int i = 0; i < 4; i++) r->raw[r->nraw++] = at(i == 1 ? 999 : 1000 * i + 1, v[i]);
    r->raw[2].time_us = 1000;
    filter_all(r, &cfg);
    CHECK_INT(r->nstored, 3);
    CHECK_DBL(worst(r, r->raw, r->nraw, false, 1), 1.999, 0.002);
    mem_free(r);
}

TEST(every_blob_is_stored)
{
    struct point_filter f = {0};
    struct bus_point cfg = {.deadband = 5, .min_interval_us = 1000000, .door = 5};
    struct sample out[FILTER_OUT];
    for (int64_t t = 1; t <= 20; t++) { /* far within the least interval; also the same one again */
        struct sample s = {.time_us = t, .point = 5, .type = SAMPLE_BLOB, .v.u = 7 + (uint64_t)t / 2};
        CHECK_INT(filter_put(&f, &cfg, &s, out), 1);
        CHECK(out[0].time_us == t && out[0].v.u == s.v.u);
    }
    struct sample n = at(30, 1);
    CHECK_INT(filter_put(&f, &cfg, &n, out), 0); /* a number is held back as ever */
}
