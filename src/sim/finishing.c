/* finishing.c - annealing programmes, finishing lines, the copper rod line. */
#include "sim/process_int.h"
#include <math.h>

enum { A_T1, A_T2, A_T3, A_SGM, A_SP };
enum { F_V, F_LEN };
enum { R_RATE, R_O, R_COIL };
static const char *const ann_tags[] = {"T1", "T2", "T3", "SGM", "T_SP"}, *const fin_tags[] = {"V", "LEN"};
static const char *const rod_tags[] = {"RATE", "O", "COIL"};

/* Programme: segment, hours, set-point at its end. */
static const struct {
    double hours, temp;
} programme[] = {{1.0, 40}, {0.8, 60}, {3.5, 480}, {1.5, 620}, {5.0, 620}, {3.5, 260}, {2.0, 70}, {0.7, 40}};
#define SEGMENTS (sizeof programme / sizeof *programme)
#define ROUND_H 18.0

struct finishing {
    struct sim_group ann, fin, rod;
    double t1[8], t2[8], coil[8], speed[5], length[5], left_s[5], rate, stop_s, made_t, oxygen;
    unsigned rod_coil;
};

static double set_point(double hour, size_t *ret_segment)
{
    size_t k = 0;
    while (k < SEGMENTS - 1 && hour >= programme[k].hours) hour -= programme[k++].hours;
    double from = k ? programme[k - 1].temp : 40;
    *ret_segment = k;
    return from + (programme[k].temp - from) * fmin(1, hour / programme[k].hours);
}

static double furnace_hour(const struct sim_process *p, size_t i)
{
    return fmod(p->time_s / 3600 + ROUND_H / 8 * (double)i, ROUND_H);
}

static int bind(struct sim_process *p, void *state)
{
    struct finishing *f = state;
    int rc = sim_bind(p, &f->ann, "annealer", ann_tags, 5);
    if (rc == 0) rc = sim_bind(p, &f->fin, "finline", fin_tags, 2);
    if (rc == 0) rc = sim_bind(p, &f->rod, "rodline", rod_tags, 3);
    if (rc < 0) return rc;
    size_t seg;
    for (size_t i = 0; i < 8; i++) {
        f->t1[i] = f->t2[i] = set_point(furnace_hour(p, i), &seg);
        f->coil[i] = set_point(fmax(0, furnace_hour(p, i) - 1.2), &seg);
    }
    for (int i = 0; i < 5; i++)
        f->left_s[i] = 1500 * sim_uniform(p), f->speed[i] = 120, f->length[i] = 2000 * sim_uniform(p);
    f->rate = 24, f->oxygen = 215, f->rod_coil = 30500;
    sim_set_text(p, &f->rod, 0, R_COIL, "RD-%06u", f->rod_coil);
    return 0;
}

static void step_furnace(struct sim_process *p, struct finishing *f, size_t i, double dt)
{
    size_t seg;
    double sp = set_point(furnace_hour(p, i), &seg);
    f->t1[i] = sim_lag(f->t1[i], sp, 150, dt);
    f->t2[i] = sim_lag(f->t2[i], sp, 210, dt);
    f->coil[i] = sim_lag(f->coil[i], (f->t1[i] + f->t2[i]) / 2, seg == 7 ? 1200 : 4500, dt);
    sim_set(p, &f->ann, i, A_T1, f->t1[i]);
    sim_set(p, &f->ann, i, A_T2, f->t2[i]);
    sim_set(p, &f->ann, i, A_T3, f->coil[i]);
    sim_set(p, &f->ann, i, A_SGM, (double)seg);
    sim_set(p, &f->ann, i, A_SP, sp);
}

/* A coil runs 20 to 30 minutes, then the line stands for the next one and the counter starts anew. */
static void step_line(struct sim_process *p, struct finishing *f, size_t i, double dt)
{
    f->left_s[i] -= dt;
    if (f->left_s[i] < -360) f->left_s[i] = 1200 + 600 * sim_uniform(p), f->length[i] = 0;
    bool run = f->left_s[i] > 0;
    f->speed[i] += sim_clamp((run ? sim_base(p, &f->fin, i, F_V) : 0) - f->speed[i], -6 * dt, 3 * dt);
    f->length[i] += f->speed[i] * dt / 60;
    sim_at(p, &f->fin, i)->run = run;
    sim_set(p, &f->fin, i, F_V, f->speed[i]);
    sim_set(p, &f->fin, i, F_LEN, floor(f->length[i]));
}

static void step_rod(struct sim_process *p, struct finishing *f, double dt)
{
    f->stop_s -= dt;
    if (f->stop_s < -3600 && sim_chance(p, 1.0 / 90000, dt)) f->stop_s = 900 + 1800 * sim_uniform(p);
    f->rate = sim_lag(f->rate, f->stop_s > 0 ? 0 : 24, 90, dt);
    f->oxygen = 215 + sim_walk(p, f->oxygen - 215, 3600, 8, dt);
    f->made_t += f->rate * dt / 3600;
    if (f->made_t > 4.2) f->made_t = 0, sim_set_text(p, &f->rod, 0, R_COIL, "RD-%06u", ++f->rod_coil);
    sim_at(p, &f->rod, 0)->run = f->rate > 3;
    sim_set(p, &f->rod, 0, R_RATE, f->rate < 0.2 ? 0 : f->rate);
    sim_set(p, &f->rod, 0, R_O, f->oxygen);
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct finishing *f = state;
    for (size_t i = 0; i < f->ann.count; i++) step_furnace(p, f, i, dt);
    for (size_t i = 0; i < f->fin.count; i++) step_line(p, f, i, dt);
    step_rod(p, f, dt);
}

const struct sim_model sim_finishing = {
    .name = "finishing", .size = sizeof(struct finishing), .bind = bind, .step = step};
