/* underground.c - ventilation, gas after blasting, water and its pumps, hoists, compressed air, backfill. */
#include "sim/process_int.h"
#include <math.h>

enum { F_QI, F_DP };
enum { N_CO, N_NO2, N_DST, N_VEL };
enum { P_FI, P_PI, P_JI };
enum { S_LI, S_INF };
enum { H_SPD, H_LOD, H_JI };
static const char *const fan_tags[] = {"QI", "DP"}, *const env_tags[] = {"CO", "NO2", "DST", "VEL"};
static const char *const pump_tags[] = {"FI", "PI", "JI"}, *const sump_tags[] = {"LI", "INF"};
static const char *const hoist_tags[] = {"SPD", "LOD", "JI"}, *const flow_tag[] = {"FI"};

#define SUMPS 3
#define SUMP_AREA_M2 320.0
#define SKIP_S 180.0

struct under {
    struct sim_group fan, env, pump, sump, hoist, air, fill;
    double resist, inflow[SUMPS], level[SUMPS], since_blast;
    int running[SUMPS];
};

/* Pumps of a sump: first and number; share of the mine water. */
static const struct {
    int first, n;
    double share;
} sumps[SUMPS] = {{0, 3, 1}, {3, 3, 0.95}, {6, 2, 0.55}};

static int bind(struct sim_process *p, void *state)
{
    struct under *u = state;
    int rc = sim_bind(p, &u->fan, "fan", fan_tags, 2);
    if (rc == 0) rc = sim_bind(p, &u->env, "envst", env_tags, 4);
    if (rc == 0) rc = sim_bind(p, &u->pump, "ugpump", pump_tags, 3);
    if (rc == 0) rc = sim_bind(p, &u->sump, "sump", sump_tags, 2);
    if (rc == 0) rc = sim_bind(p, &u->hoist, "hoist", hoist_tags, 3);
    if (rc == 0) rc = sim_bind(p, &u->air, "compressor", flow_tag, 1);
    if (rc == 0) rc = sim_bind(p, &u->fill, "backfill", flow_tag, 1);
    u->since_blast = 4 * 3600;
    for (int i = 0; i < SUMPS; i++) u->level[i] = 2.8 + 0.5 * i, u->running[i] = 1;
    return rc;
}

/* Fan curve: more resistance, less air, more pressure. The last fan is the stand-by. */
static double step_fans(struct sim_process *p, struct under *u, double dt)
{
    double sum = 0, base = 0;
    u->resist = sim_walk(p, u->resist, 1800, 0.03, dt);
    for (size_t i = 0; i < u->fan.count; i++) {
        bool run = sim_at(p, &u->fan, i)->run = i + 1 < u->fan.count;
        double q = run ? 1 - 0.4 * u->resist : 0;
        sim_set(p, &u->fan, i, F_QI, q * sim_base(p, &u->fan, i, F_QI));
        sim_set(p, &u->fan, i, F_DP, run ? q * q * (1 + u->resist) * sim_base(p, &u->fan, i, F_DP) : 0);
        sim_at(p, &u->fan, i)->load = q;
        sum += run ? sim_get(p, &u->fan, i, F_QI) : 0, base += run ? sim_base(p, &u->fan, i, F_QI) : 0;
    }
    return base > 0 && sum > 0 ? sum / base : 1;
}

/* Blasting at 06:30 and 18:30; the fumes are cleared in about an hour, sooner where there is more air. */
static void step_air(struct sim_process *p, struct under *u, double air, double dt)
{
    double clock = fmod(p->plant.hour + 24 - 6.5, 12) * 3600;
    u->since_blast = clock < dt ? 0 : u->since_blast + dt;
    for (size_t i = 0; i < u->env.count; i++) {
        double near = i % 3 == 0 ? 1 : i % 3 == 1 ? 0.25 : 0.05, late = u->since_blast - 240 * (double)(i % 3);
        double fume = late > 0 ? near * exp(-late / (1100 / air)) * fmin(1, late / 200) : 0;
        sim_set(p, &u->env, i, N_CO, sim_base(p, &u->env, i, N_CO) + 75 * fume);
        sim_set(p, &u->env, i, N_NO2, sim_base(p, &u->env, i, N_NO2) + 6 * fume);
        sim_set(p, &u->env, i, N_DST, sim_base(p, &u->env, i, N_DST) * (1 + 0.3 * sin(p->plant.hour)) + 18 * fume);
        sim_set(p, &u->env, i, N_VEL, sim_base(p, &u->env, i, N_VEL) * air);
    }
}

/* Lead pump from 3.6 m, one more for every further 0.6 m, all off below 1.8 m. */
static int pumps_wanted(double level, int running, int n)
{
    if (level < 1.8) return 0;
    int want = level > 3.6 ? 1 + (int)((level - 3.6) / 0.6) : 0;
    if (want < running && level > 2.4) want = running;
    return want > n ? n : want;
}

static double run_pumps(struct sim_process *p, struct under *u, int s)
{
    double out = 0;
    for (int k = 0; k < sumps[s].n; k++) {
        size_t i = (size_t)sumps[s].first + (size_t)k;
        bool run = sim_at(p, &u->pump, i)->run = k < u->running[s];
        double q = run ? sim_base(p, &u->pump, i, P_FI) * (0.97 + 0.01 * u->level[s]) : 0;
        sim_set(p, &u->pump, i, P_FI, q);
        sim_set(p, &u->pump, i, P_PI, run ? sim_base(p, &u->pump, i, P_PI) : 0);
        sim_set(p, &u->pump, i, P_JI,
                run ? sim_base(p, &u->pump, i, P_JI) * (0.3 + 0.7 * q / sim_base(p, &u->pump, i, P_FI)) : 0);
        out += q;
    }
    return out;
}

static void step_water(struct sim_process *p, struct under *u, double dt)
{
    for (int s = 0; s < SUMPS; s++) {
        u->inflow[s] = sim_walk(p, u->inflow[s], 3600, 0.04, dt);
        double in = 330 * sumps[s].share * (1 + u->inflow[s]) + 25 * p->plant.rain_mm_h;
        u->running[s] = pumps_wanted(u->level[s], u->running[s], sumps[s].n);
        double out = run_pumps(p, u, s);
        u->level[s] = sim_clamp(u->level[s] + (in - out) * dt / 3600 / SUMP_AREA_M2, 0.3, 7.5);
        sim_set(p, &u->sump, (size_t)s, S_LI, u->level[s]);
        sim_set(p, &u->sump, (size_t)s, S_INF, in);
    }
}

/* One trip of a skip: load 30 s, speed up 20 s, run, slow down 20 s. Slowing down feeds power back. */
static void step_hoist(struct sim_process *p, struct under *u, size_t i)
{
    double t = fmod(p->time_s + 77 * (double)i, SKIP_S), up = (t - 30) / 20, down = (SKIP_S - t) / 20;
    double v = t < 30 ? 0 : 8 * fmin(1, fmin(up, down));
    double power = t < 30 ? 60 : up < 1 ? 900 + 1300 * up : down < 1 ? 120 : 1050;
    sim_set(p, &u->hoist, i, H_SPD, v);
    sim_set(p, &u->hoist, i, H_LOD, t < 8 ? 0 : t < 28 ? 17 * (t - 8) / 20 : 17);
    sim_set(p, &u->hoist, i, H_JI, power);
    sim_at(p, &u->hoist, i)->load = 1;
}

/* Air demand follows the shifts; the fifth compressor helps in the day shift. */
static void step_compressors(struct sim_process *p, struct under *u)
{
    double demand = 4 + 0.5 * sin((p->plant.hour - 8) * (M_PI / 12)), n = demand > 4.2 ? 5 : 4;
    for (size_t i = 0; i < u->air.count; i++) {
        struct equip_state *q = sim_at(p, &u->air, i);
        q->run = (double)i < n, q->load = q->run ? demand / n : 0;
        sim_set(p, &u->air, i, 0, q->load * sim_base(p, &u->air, i, 0));
    }
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct under *u = state;
    double air = step_fans(p, u, dt);
    step_air(p, u, air, dt);
    step_water(p, u, dt);
    for (size_t i = 0; i < u->hoist.count; i++) step_hoist(p, u, i);
    step_compressors(p, u);
    for (size_t i = 0; i < u->fill.count; i++) {
        bool on = sim_at(p, &u->fill, i)->run = fmod(p->time_s / 3600 + 4.5 * (double)i, 9) < 6;
        sim_set(p, &u->fill, i, 0, on ? sim_base(p, &u->fill, i, 0) : 0);
    }
}

const struct sim_model sim_underground = {
    .name = "underground", .size = sizeof(struct under), .bind = bind, .step = step};
