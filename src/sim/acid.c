/* acid.c - gas line, blowers, the four catalyst beds, stack.
 *
 * The gas of furnace and converters mixes and is thinned to what the blowers draw, so the inlet SO2
 * follows the converter blows. Bed temperatures follow the strength; conversion falls when bed 1 is off
 * its window, and what is not converted leaves through the tail gas scrubber and the stack. */
#include "sim/process_int.h"
#include <math.h>

enum {
    A_FI,
    A_SO2,
    A_O2,
    A_ST,
    A_ACC,
    A_T1I,
    A_T1O,
    A_T2I,
    A_T2O,
    A_T3I,
    A_T3O,
    A_T4I,
    A_T4O,
    A_DP1,
    A_DP2,
    A_DP3,
    A_DP4,
    A_N
};
enum { B_JI, B_PD, B_IGV };
static const char *const acid_tags[] = {"FI",  "SO2_I", "O2_I", "SO2_ST", "ACC", "T1I", "T1O", "T2I", "T2O",
                                        "T3I", "T3O",   "T4I",  "T4O",    "DP1", "DP2", "DP3", "DP4"};
static const char *const blower_tags[] = {"JI", "PD", "IGV"};

#define FLOW 172000.0
#define SO2_NORMAL 11.4

struct acid {
    struct sim_group plant, blower, tower;
    double flow, so2, in[4], wander[4];
};

/* Bed inlets at their set-points; temperature rise of a bed per % SO2. */
static const struct {
    double inlet, rise;
} beds[4] = {{420, 16.2}, {440, 7.0}, {435, 2.9}, {420, 1.5}};

static int bind(struct sim_process *p, void *state)
{
    struct acid *a = state;
    int rc = sim_bind(p, &a->plant, "acidplant", acid_tags, A_N);
    if (rc == 0) rc = sim_bind(p, &a->blower, "blower", blower_tags, 3);
    if (rc == 0) rc = sim_bind(p, &a->tower, "gctower", NULL, 0);
    a->flow = FLOW, a->so2 = SO2_NORMAL;
    for (int i = 0; i < 4; i++) a->in[i] = beds[i].inlet;
    return rc;
}

static void step_gas(struct sim_process *p, struct acid *a, double dt)
{
    const struct sim_plant *w = &p->plant;
    double so2_nm3 = w->fsf_gas_nm3_h * w->fsf_so2 / 100 + w->cvt_gas_nm3_h * w->cvt_so2 / 100;
    a->flow = sim_lag(a->flow, 128000 + 0.66 * w->cvt_gas_nm3_h, 180, dt);
    a->so2 = sim_lag(a->so2, sim_clamp(100 * so2_nm3 / a->flow, 0, 16), 120, dt);
    sim_set(p, &a->plant, 0, A_FI, a->flow);
    sim_set(p, &a->plant, 0, A_SO2, a->so2);
    sim_set(p, &a->plant, 0, A_O2, 12.2 - 0.9 * (a->so2 - SO2_NORMAL));
    sim_at(p, &a->plant, 0)->load = a->flow / FLOW;
}

static void step_beds(struct sim_process *p, struct acid *a, double dt)
{
    for (size_t i = 0; i < 4; i++) {
        a->wander[i] = sim_walk(p, a->wander[i], 2400, 1.2, dt);
        a->in[i] = sim_lag(a->in[i], beds[i].inlet + 1.2 * (a->so2 - SO2_NORMAL) + a->wander[i], 900, dt);
        double inlet = sim_get(p, &a->plant, 0, A_T1I + 2 * i);
        if (inlet < 310) inlet = a->in[i];
        sim_set(p, &a->plant, 0, A_T1I + 2 * i, a->in[i]);
        sim_set(p, &a->plant, 0, A_T1O + 2 * i, 0.4 * a->in[i] + 0.6 * inlet + beds[i].rise * a->so2);
        double q = a->flow / FLOW;
        sim_set(p, &a->plant, 0, A_DP1 + i, sim_base(p, &a->plant, 0, A_DP1 + i) * q * q * (1 + 0.002 * p->plant.day));
    }
}

/* Conversion from the temperature that the instrument shows: what the operator would conclude. */
static void step_stack(struct sim_process *p, struct acid *a)
{
    double t1 = sim_get(p, &a->plant, 0, A_T1I), off = t1 > 310 ? t1 - 420 : 0;
    double conv = 99.86 - 0.00064 * off * off - 0.02 * fmax(0, a->so2 - 12.2);
    double mg = a->so2 * 1e4 * (1 - conv / 100) * 2.86 * 0.31;
    sim_set(p, &a->plant, 0, A_ACC, conv);
    sim_set(p, &a->plant, 0, A_ST, mg);
}

static void step_blowers(struct sim_process *p, struct acid *a)
{
    double q = a->flow / FLOW;
    for (size_t i = 0; i < a->blower.count; i++) {
        sim_at(p, &a->blower, i)->load = q;
        sim_set(p, &a->blower, i, B_JI, sim_base(p, &a->blower, i, B_JI) * (0.35 + 0.65 * q));
        sim_set(p, &a->blower, i, B_PD, sim_base(p, &a->blower, i, B_PD) * q * q);
        sim_set(p, &a->blower, i, B_IGV, 71 * q);
    }
    for (size_t i = 0; i < a->tower.count; i++) sim_at(p, &a->tower, i)->load = q;
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct acid *a = state;
    step_gas(p, a, dt);
    step_beds(p, a, dt);
    step_stack(p, a);
    step_blowers(p, a);
}

const struct sim_model sim_acid = {.name = "acid", .size = sizeof(struct acid), .bind = bind, .step = step};
