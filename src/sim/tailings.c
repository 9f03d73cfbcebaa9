/* tailings.c - weather, the pond and its dam, tailings and return pumps, and the site's feeders.
 *
 * Water balance: slurry water, rain and seepage against the return water. Beach and freeboard follow
 * the pond level, the phreatic line follows it with days of lag, the factor of safety follows both. */
#include "sim/process_int.h"
#include <math.h>

enum { Z_HD, Z_DEP };
enum { W_LI, W_BCH, W_FRB, W_RAIN, W_SEEP, W_FOS };
static const char *const piezo_tags[] = {"HD", "DEP"}, *const power_tag[] = {"P"};
static const char *const pond_tags[] = {"LI", "BCH", "FRB", "RAIN", "SEEP", "FoS"};

#define POND_M2 850000.0
#define CREST_M 124.0
#define LEVEL_M 121.4
#define FEEDERS 30

struct tsf {
    struct sim_group piezo, pond, tail, back, feeder;
    double level, slow_level, rain, storm_s, wet, phase[FEEDERS];
};

static int bind(struct sim_process *p, void *state)
{
    struct tsf *t = state;
    int rc = sim_bind(p, &t->piezo, "piezo", piezo_tags, 2);
    if (rc == 0) rc = sim_bind(p, &t->pond, "pond", pond_tags, 6);
    if (rc == 0) rc = sim_bind(p, &t->tail, "tailpump", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &t->back, "returnpump", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &t->feeder, "feeder", power_tag, 1);
    t->level = t->slow_level = LEVEL_M;
    return rc;
}

/* A shower about every two days, an hour or two long, with a sharp start. */
static double weather(struct sim_process *p, struct tsf *t, double dt)
{
    t->storm_s -= dt;
    if (t->storm_s < 0 && sim_chance(p, 1.0 / 170000, dt))
        t->storm_s = 2400 + 4800 * sim_uniform(p), t->rain = 2 + 6 * sim_uniform(p);
    double mm_h = t->storm_s > 0 ? t->rain * fmin(1, t->storm_s / 1800) : 0;
    t->wet = sim_lag(t->wet, mm_h, 4 * 3600, dt);
    return mm_h;
}

static void step_pond(struct sim_process *p, struct tsf *t, double dt)
{
    double mm_h = p->plant.rain_mm_h = weather(p, t, dt);
    double back = 1 + 0.6 * (t->level - LEVEL_M); /* more water, more return */
    double in = 1080 * p->plant.tail_t_h / 1025 + 2.2 * mm_h * POND_M2 / 1000, out = 1080 * back;
    t->level = sim_clamp(t->level + (in - out) * dt / 3600 / POND_M2, 119, 123.5);
    t->slow_level = sim_lag(t->slow_level, t->level, 12 * 86400.0, dt);
    double up = t->slow_level - LEVEL_M;
    sim_set(p, &t->pond, 0, W_LI, t->level);
    sim_set(p, &t->pond, 0, W_BCH, 168 - 80 * (t->level - LEVEL_M));
    sim_set(p, &t->pond, 0, W_FRB, CREST_M - t->level);
    sim_set(p, &t->pond, 0, W_RAIN, mm_h);
    sim_set(p, &t->pond, 0, W_SEEP, 22 + 9 * up + 0.8 * t->wet);
    sim_set(p, &t->pond, 0, W_FOS, 1.45 - 0.12 * up - 0.004 * t->wet);
    for (size_t i = 0; i < t->back.count; i++) {
        sim_at(p, &t->back, i)->run = i < 3;
        sim_at(p, &t->back, i)->load = back;
    }
}

/* Sections of 16 from the crest down: head falls, the slope falls more gently. */
static void step_piezo(struct sim_process *p, struct tsf *t, size_t i)
{
    double row = (double)(i % 16), surface = 123.5 - 1.0 * row, up = t->slow_level - LEVEL_M;
    double head = surface - 8.2 - 0.11 * row - 0.4 * sin((double)i) + up * (1 - row / 22) + 0.02 * t->wet;
    sim_set(p, &t->piezo, i, Z_HD, head);
    sim_set(p, &t->piezo, i, Z_DEP, surface - head);
}

static void step_pumps(struct sim_process *p, struct tsf *t)
{
    for (size_t i = 0; i < t->tail.count; i++) {
        sim_at(p, &t->tail, i)->run = i < 4; /* two trains of two stages, one train stands by */
        sim_at(p, &t->tail, i)->load = p->plant.tail_t_h / 1025;
    }
}

/* Feeders by what they feed: crushing, mills, the rest of the plant, the mine. */
static void step_feeders(struct sim_process *p, struct tsf *t, double dt)
{
    double total = 0;
    for (size_t i = 0; i < FEEDERS; i++) {
        double load = i < 6    ? 0.3 + 0.7 * p->plant.ore_t_h / 960
                      : i < 18 ? 0.15 + 0.85 * p->plant.mill_feed_t_h / 1050
                               : 1 + 0.08 * sin((p->plant.hour - 8) * (M_PI / 12));
        t->phase[i] = sim_walk(p, t->phase[i], 300, 0.015, dt);
        double mw = sim_base(p, &t->feeder, i, 0) * load * (1 + t->phase[i]);
        sim_set(p, &t->feeder, i, 0, mw);
        total += mw;
    }
    p->plant.lt_power_mw = total;
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct tsf *t = state;
    step_pond(p, t, dt);
    for (size_t i = 0; i < t->piezo.count; i++) step_piezo(p, t, i);
    step_pumps(p, t);
    step_feeders(p, t, dt);
}

const struct sim_model sim_tailings = {.name = "tailings", .size = sizeof(struct tsf), .bind = bind, .step = step};
