/* concentrator.c - crushing, belts, grinding: the ore from the pit to the overflow of the cyclones.
 *
 * The crushing line stops now and then; a stockpile keeps the mills fed. A mill holds an ore load j
 * (1 = normal) that grows with feed and hard ore; its power has a maximum over j, its weight rises with
 * j and its sound falls. The feed is controlled on the weight. */
#include "sim/process_int.h"
#include <math.h>

enum { C_JI, C_LI };
enum { B_WI, B_DEV };
enum { M_JI, M_WI, M_ORE, M_WTR, M_SND, M_DNS, M_BALL };
enum { Y_FI, Y_DI, Y_PI, Y_PSI, Y_DO, Y_NOPN };
static const char *const crusher_tags[] = {"JI", "LI"}, *const belt_tags[] = {"WI", "DEV"};
static const char *const mill_tags[] = {"JI", "WI", "FI_ORE", "FI_WTR", "SND", "DNS", "BALL"};
static const char *const cyclone_tags[] = {"FI", "DI", "PI", "PSI", "DO", "NOPN"};

#define MILLS 4
#define CYCLONES 4
#define BELTS 22
#define RECLAIM 14 /* belts from here on run from the stockpile to the mills */

struct conc {
    struct sim_group crusher, belt, screen, mill, cyclone, pump;
    double ore, stop_s, belt_t_h[BELTS], jammed_s[BELTS];
    double j[MILLS], feed[MILLS], upset[MILLS];
    int open[CYCLONES];
};

static int bind(struct sim_process *p, void *state)
{
    struct conc *c = state;
    int rc = sim_bind(p, &c->crusher, "crusher", crusher_tags, 2);
    if (rc == 0) rc = sim_bind(p, &c->belt, "conveyor", belt_tags, 2);
    if (rc == 0) rc = sim_bind(p, &c->screen, "screen", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &c->mill, "mill", mill_tags, 7);
    if (rc == 0) rc = sim_bind(p, &c->cyclone, "cyclone", cyclone_tags, 6);
    if (rc == 0) rc = sim_bind(p, &c->pump, "slurrypump", NULL, 0);
    for (int i = 0; i < MILLS; i++) c->j[i] = c->feed[i] = 1;
    for (int i = 0; i < CYCLONES; i++) c->open[i] = 8;
    for (int i = 0; i < BELTS; i++) c->belt_t_h[i] = 960;
    return rc;
}

/* Ore to the crushers, t/h; 0 while the line stands (metal detector, chute, maintenance). */
static double crushing(struct sim_process *p, struct conc *c, double dt)
{
    c->ore = sim_walk(p, c->ore, 600, 0.05, dt);
    c->stop_s -= dt;
    if (c->stop_s < -7200 && sim_chance(p, 1.0 / 28000, dt)) c->stop_s = 600 + 1200 * sim_uniform(p);
    return c->stop_s > 0 ? 0 : 960 * (1 + c->ore);
}

static void step_crushers(struct sim_process *p, struct conc *c, double ore)
{
    for (size_t i = 0; i < c->crusher.count; i++) {
        struct equip_state *q = sim_at(p, &c->crusher, i);
        double load = ore / 960 * p->plant.ore_hardness;
        q->run = c->stop_s < 420, q->load = load; /* crushers run empty before they are stopped */
        sim_set(p, &c->crusher, i, C_JI, q->run ? sim_base(p, &c->crusher, i, C_JI) * (0.35 + 0.65 * load) : 0);
        sim_set(p, &c->crusher, i, C_LI, ore > 0 ? 72 + 80 * (load - 1) : 5);
    }
    for (size_t i = 0; i < c->screen.count; i++) {
        sim_at(p, &c->screen, i)->run = c->stop_s < 420;
        sim_at(p, &c->screen, i)->load = ore / 960;
    }
}

/* Each belt sees its feed later than the one before it. A mis-tracking switch blinks now and then. */
static void step_belts(struct sim_process *p, struct conc *c, double ore, double mills, double dt)
{
    for (size_t i = 0; i < BELTS; i++) {
        double in = i == 0 ? ore : i == RECLAIM ? mills : c->belt_t_h[i - 1];
        bool run = i >= RECLAIM || c->stop_s < 420;
        c->belt_t_h[i] = sim_lag(c->belt_t_h[i], run ? in : 0, 25, dt);
        if (c->belt_t_h[i] < 1) c->belt_t_h[i] = 0;
        c->jammed_s[i] -= dt;
        if (sim_chance(p, 1.0 / 200000, dt)) c->jammed_s[i] = 15;
        sim_at(p, &c->belt, i)->run = run;
        sim_at(p, &c->belt, i)->load = c->belt_t_h[i] / 960;
        sim_set(p, &c->belt, i, B_WI, c->belt_t_h[i]);
        sim_set(p, &c->belt, i, B_DEV, c->jammed_s[i] > 0);
    }
}

static void step_mill(struct sim_process *p, struct conc *c, size_t i, double dt)
{
    double hard = p->plant.ore_hardness * (1 + 0.01 * (double)i);
    c->upset[i] = sim_walk(p, c->upset[i], 1800, 0.06, dt);
    c->feed[i] = sim_lag(c->feed[i], sim_clamp(1 - 0.7 * (c->j[i] - 1), 0.6, 1.15), 120, dt);
    double f = c->feed[i], grind = pow(c->j[i], 0.8) / (hard + c->upset[i]), j0 = c->j[i];
    /* Implicit in j, so that a long step stays stable. */
    c->j[i] = sim_clamp((j0 + f * dt / 1200) / (1 + grind / j0 * dt / 1200), 0.3, 1.6);
    double j = c->j[i], over = j - 1.12;
    sim_set(p, &c->mill, i, M_JI, sim_base(p, &c->mill, i, M_JI) * (1.02 - 1.4 * over * over));
    sim_set(p, &c->mill, i, M_WI, sim_base(p, &c->mill, i, M_WI) * (0.7 + 0.3 * j));
    sim_set(p, &c->mill, i, M_ORE, sim_base(p, &c->mill, i, M_ORE) * f);
    sim_set(p, &c->mill, i, M_WTR, sim_base(p, &c->mill, i, M_WTR) * f);
    sim_set(p, &c->mill, i, M_SND, sim_base(p, &c->mill, i, M_SND) - 25 * (j - 1));
    sim_set(p, &c->mill, i, M_DNS, sim_base(p, &c->mill, i, M_DNS) + 6 * (j - 1));
    sim_set(p, &c->mill, i, M_BALL, p->plant.hour >= 9 ? 9 + (double)(i % 2) : 8 + (double)(i % 2));
    sim_at(p, &c->mill, i)->load = sim_get(p, &c->mill, i, M_JI) / sim_base(p, &c->mill, i, M_JI);
}

/* Pressure goes with the square of the flow a cyclone; one is opened or closed to hold it. */
static void step_cyclone(struct sim_process *p, struct conc *c, size_t i, double dt)
{
    double f = c->feed[i], q = f * 8 / c->open[i], press = sim_base(p, &c->cyclone, i, Y_PI) * q * q;
    if (press > 116 && c->open[i] < 10) c->open[i]++;
    if (press < 72 && c->open[i] > 6) c->open[i]--;
    double fine = 0.06 * (press - 92) - 9 * (p->plant.ore_hardness - 1) - 10 * (f - 1);
    sim_set(p, &c->cyclone, i, Y_FI, sim_base(p, &c->cyclone, i, Y_FI) * (0.3 + 0.7 * f));
    sim_set(p, &c->cyclone, i, Y_DI, sim_base(p, &c->cyclone, i, Y_DI) + 10 * (f - 1));
    sim_set(p, &c->cyclone, i, Y_PI, press);
    sim_set(p, &c->cyclone, i, Y_PSI, sim_base(p, &c->cyclone, i, Y_PSI) + fine);
    sim_set(p, &c->cyclone, i, Y_DO, sim_base(p, &c->cyclone, i, Y_DO) + 8 * (f - 1));
    sim_set(p, &c->cyclone, i, Y_NOPN, c->open[i]);
}

/* From the ninth on every second slurry pump is a stand-by. */
static void step_pumps(struct sim_process *p, struct conc *c, double f)
{
    for (size_t i = 0; i < c->pump.count; i++) {
        sim_at(p, &c->pump, i)->run = i < 8 || i % 2 == 0;
        sim_at(p, &c->pump, i)->load = 0.3 + 0.7 * f;
    }
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct conc *c = state;
    double ore = crushing(p, c, dt), f = 0;
    step_crushers(p, c, ore);
    for (size_t i = 0; i < MILLS; i++) step_mill(p, c, i, dt);
    for (size_t i = 0; i < CYCLONES; i++) step_cyclone(p, c, i, dt);
    for (size_t i = 0; i < MILLS; i++) f += c->feed[i] / MILLS;
    step_belts(p, c, ore, 960 * f, dt);
    step_pumps(p, c, f);
    p->plant.ore_t_h = ore;
    p->plant.mill_feed_t_h = 1050 * f;
}

const struct sim_model sim_concentrator = {
    .name = "concentrator", .size = sizeof(struct conc), .bind = bind, .step = step};
