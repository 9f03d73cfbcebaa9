/* melting.c - melting furnaces and slab casters of the strip mill: batches, and casts that end. */
#include "sim/process_int.h"
#include <math.h>

enum { M_JI, M_T, M_WGT };
static const char *const melt_tags[] = {"JI", "T", "WGT"}, *const cast_tags[] = {"SPD"};

/* A furnace's round: minutes, power kW, temperature it moves to, weight at the end. */
static const struct {
    double minutes, power, temp, weight;
} phases[] = {{25, 1500, 1168, 24}, {70, 2250, 1188, 33}, {30, 620, 1192, 33}, {25, 450, 1182, 12}};
#define PHASES 4
#define CAST_MIN 140.0
#define TURN_MIN 25.0

struct melting {
    struct sim_group melt, cast;
    double weight[3], temp[3], power[3], speed[2];
};

static int bind(struct sim_process *p, void *state)
{
    struct melting *m = state;
    int rc = sim_bind(p, &m->melt, "melter", melt_tags, 3);
    if (rc == 0) rc = sim_bind(p, &m->cast, "caster", cast_tags, 1);
    for (int i = 0; i < 3; i++) m->weight[i] = 24, m->temp[i] = 1185, m->power[i] = 1500;
    return rc;
}

static void step_furnace(struct sim_process *p, struct melting *m, size_t i, double dt)
{
    double t = fmod(p->time_s / 60 + 50 * (double)i, 150);
    int k = 0;
    while (k < PHASES - 1 && t >= phases[k].minutes) t -= phases[k++].minutes;
    m->power[i] = sim_lag(m->power[i], phases[k].power, 45, dt);
    m->temp[i] = sim_lag(m->temp[i], phases[k].temp, 900, dt);
    double left = fmax(dt, (phases[k].minutes - t) * 60);
    m->weight[i] += (phases[k].weight - m->weight[i]) * fmin(1, dt / left);
    sim_set(p, &m->melt, i, M_JI, m->power[i]);
    sim_set(p, &m->melt, i, M_T, m->temp[i]);
    sim_set(p, &m->melt, i, M_WGT, m->weight[i]);
    sim_at(p, &m->melt, i)->load = m->power[i] / 1850;
}

static void step_caster(struct sim_process *p, struct melting *m, size_t i, double dt)
{
    double t = fmod(p->time_s / 60 + 80 * (double)i, CAST_MIN + TURN_MIN);
    bool cast = t < CAST_MIN;
    m->speed[i] = sim_lag(m->speed[i], cast ? fmin(112, 40 + 24 * t) : 0, 8, dt);
    if (m->speed[i] < 0.5) m->speed[i] = 0;
    sim_at(p, &m->cast, i)->run = cast;
    sim_set(p, &m->cast, i, 0, m->speed[i]);
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct melting *m = state;
    for (size_t i = 0; i < m->melt.count; i++) step_furnace(p, m, i, dt);
    for (size_t i = 0; i < m->cast.count; i++) step_caster(p, m, i, dt);
}

const struct sim_model sim_melting = {.name = "melting", .size = sizeof(struct melting), .bind = bind, .step = step};
