/* utilities.c - cranes of the smelter, auxiliary machines, meters: how hard each works. */
#include "sim/process_int.h"
#include <math.h>

enum { L_X, L_Y, L_W, L_STS };
static const char *const crane_tags[] = {"X", "Y", "W", "STS"};

#define CRANES 12
#define AUX 40

struct utilities {
    struct sim_group crane, aux, power[2], gas[2], steam, oxygen;
    struct {
        double x, y, to_x, to_y, wait_s, load, trip;
    } c[CRANES];
    double drift[AUX];
};

static int bind(struct sim_process *p, void *state)
{
    struct utilities *u = state;
    int rc = sim_bind(p, &u->crane, "crane", crane_tags, 4);
    if (rc == 0) rc = sim_bind(p, &u->aux, "aux", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &u->power[0], "hxpower", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &u->power[1], "jmpower", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &u->gas[0], "hxgas", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &u->steam, "hxsteam", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &u->oxygen, "hxoxygen", NULL, 0);
    for (int i = 0; i < CRANES; i++) u->c[i].x = u->c[i].to_x = 30.0 * i + 20, u->c[i].y = u->c[i].to_y = 60;
    return rc;
}

/* Pick up, travel at 1.5 m/s, put down, wait: loads between 8 and 62 t, each second trip is empty. */
static void step_crane(struct sim_process *p, struct utilities *u, size_t i, double dt)
{
    double dx = u->c[i].to_x - u->c[i].x, dy = u->c[i].to_y - u->c[i].y;
    bool moving = fabs(dx) + fabs(dy) > 0.05;
    u->c[i].x += sim_clamp(dx, -1.5 * dt, 1.5 * dt);
    u->c[i].y += sim_clamp(dy, -0.8 * dt, 0.8 * dt);
    if (!moving && (u->c[i].wait_s -= dt) <= 0) {
        u->c[i].wait_s = 45 + 400 * sim_uniform(p);
        u->c[i].to_x = sim_clamp(33.0 * (double)i + 120 * (sim_uniform(p) - 0.5), 5, 395);
        u->c[i].to_y = 10 + 100 * sim_uniform(p);
        u->c[i].load = u->c[i].load > 0 ? 0 : 8 + 54 * sim_uniform(p);
    }
    sim_set(p, &u->crane, i, L_X, u->c[i].x);
    sim_set(p, &u->crane, i, L_Y, u->c[i].y);
    sim_set(p, &u->crane, i, L_W, u->c[i].load);
    sim_set(p, &u->crane, i, L_STS, moving ? 1 : u->c[i].wait_s < 60 ? 2 : 0);
}

static void load_all(struct sim_process *p, const struct sim_group *g, double load)
{
    for (size_t i = 0; i < g->count; i++) sim_at(p, g, i)->load = load;
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct utilities *u = state;
    for (size_t i = 0; i < CRANES; i++) step_crane(p, u, i, dt);
    for (size_t i = 0; i < AUX; i++) {
        u->drift[i] = sim_walk(p, u->drift[i], 1200, 0.06, dt);
        sim_at(p, &u->aux, i)->load = 1 + u->drift[i];
        sim_at(p, &u->aux, i)->run = i % 9 != 8;
    }
    load_all(p, &u->power[0], 0.8 + 0.2 * p->plant.smelt_load);
    load_all(p, &u->gas[0], 0.85 + 0.075 * p->plant.blowing);
    load_all(p, &u->steam, 0.6 + 0.4 * p->plant.smelt_load);
    load_all(p, &u->oxygen, p->plant.oxygen_nm3_h / 21500);
}

const struct sim_model sim_utilities = {
    .name = "utilities", .size = sizeof(struct utilities), .bind = bind, .step = step};
