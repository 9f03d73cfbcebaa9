/* rolling.c - the hot mill's pass schedule and the cold mills' coils; stepped ten times a second.
 *
 * Hot: a slab of 180 mm goes to and fro through nine passes to 15 mm, cooling on the way. Cold: thread,
 * speed up, roll a coil at constant volume flow (entry speed = mill speed x exit / entry thickness),
 * slow down, change the coil. Forces follow reduction, entry thickness and speed; roll eccentricity
 * comes through the gauge control with a quarter of its size, at one period a turn of the backup roll. */
#include "sim/process_int.h"
#include <math.h>

enum { H_F, H_S, H_TE, H_TX, H_TRQ, H_SPD, H_H, H_SLAB, H_N };
enum { C_HI, C_HX, C_FO, C_FD, C_SO, C_SD, C_TEN, C_TEX, C_V, C_VI, C_BND, C_TLT, C_I, C_ECC, C_COIL, C_N };
static const char *const hot_tags[] = {"F", "S", "T_E", "T_X", "TRQ", "SPD", "H", "SLAB"};
static const char *const cold_tags[] = {"H_I", "H_X",  "F_OS", "F_DS", "S_OS", "S_DS", "T_EN", "T_EX",
                                        "V",   "VS_I", "BND",  "TLT",  "I_M",  "ECC",  "COIL"};

#define PASSES 9
#define ZONES 24
#define COLDS 3
#define COIL_M 6200.0
#define PERIMETER_M 4.2 /* of a backup roll */
static const double slab_mm[PASSES + 1] = {180, 152, 124, 97, 73, 53, 38, 27, 20, 15.2};

struct cold {
    double length_m, left_m, wait_s, speed, angle, entry, bend, tilt, ecc, crown;
    unsigned coil;
};
struct rolling {
    struct sim_group hot, cold, zone;
    int pass;
    double left_s, pause_s, temp, exit_mm, speed, load;
    unsigned slab;
    struct cold c[COLDS];
};

static int bind(struct sim_process *p, void *state)
{
    struct rolling *r = state;
    const char *zone_names[ZONES];
    char zone_text[ZONES][16];
    for (int i = 0; i < ZONES; i++) {
        snprintf(zone_text[i], sizeof zone_text[i], "FL%02d", i + 1);
        zone_names[i] = zone_text[i];
    }
    int rc = sim_bind(p, &r->hot, "hotmill", hot_tags, H_N);
    if (rc == 0) rc = sim_bind(p, &r->cold, "coldmill", cold_tags, C_N);
    if (rc == 0) rc = sim_bind(p, &r->zone, "coldmill", zone_names, ZONES);
    if (rc < 0) return rc;
    r->slab = 40210, r->temp = 860, r->exit_mm = 15.2, r->pause_s = 20;
    sim_set_text(p, &r->hot, 0, H_SLAB, "SL-%06u", r->slab);
    for (unsigned i = 0; i < COLDS; i++) {
        r->c[i] = (struct cold){.length_m = COIL_M,
                                .left_m = COIL_M * sim_uniform(p),
                                .speed = 420,
                                .entry = 0,
                                .ecc = 1.6,
                                .coil = 71200 + 40 * i};
        sim_set_text(p, &r->cold, i, C_COIL, "CR%02u-%06u", i + 1, r->c[i].coil);
    }
    return 0;
}

/* The next pass, or after the last a new slab from the reheating furnace. */
static void hot_next(struct sim_process *p, struct rolling *r)
{
    if (++r->pass >= PASSES) {
        r->pass = 0, r->temp = 860 + 6 * sim_gauss(p);
        sim_set_text(p, &r->hot, 0, H_SLAB, "SL-%06u", ++r->slab);
    }
    r->left_s = 9 * pow(180 / slab_mm[r->pass + 1], 0.75);
}

static void step_hot(struct sim_process *p, struct rolling *r, double dt)
{
    bool rolling = r->left_s > 0;
    if (rolling && (r->left_s -= dt) <= 0)
        r->exit_mm = slab_mm[r->pass + 1], r->pause_s = r->pass == PASSES - 1 ? 75 : 5;
    if (!rolling && (r->pause_s -= dt) <= 0) hot_next(p, r);
    rolling = r->left_s > 0;
    double in = slab_mm[r->pass], out = slab_mm[r->pass + 1], cut = (in - out) / in;
    r->temp = sim_lag(r->temp, 640, 1200 * fmin(1, out / 40 + 0.2), dt);
    double force = rolling ? (4200 + 13500 * cut) * (1 + (860 - r->temp) / 420) : 0;
    r->speed = sim_lag(r->speed, rolling ? 60 + 6.5 * r->pass : 0, 1.2, dt);
    r->load = sim_lag(r->load, rolling, 60, dt);
    sim_at(p, &r->hot, 0)->load = 0.5 + 0.6 * r->load;
    sim_set(p, &r->hot, 0, H_F, force);
    sim_set(p, &r->hot, 0, H_S, out - force / 6500);
    sim_set(p, &r->hot, 0, H_TE, r->temp);
    sim_set(p, &r->hot, 0, H_TX, r->temp - 30 * cut - 900 / (out + 30));
    sim_set(p, &r->hot, 0, H_TRQ, force * 0.033 * sqrt(in - out) / 4);
    sim_set(p, &r->hot, 0, H_SPD, r->speed < 1 ? 0 : r->speed);
    sim_set(p, &r->hot, 0, H_H, r->exit_mm);
}

/* Speed of a coil: thread at 30, roll at 420, slow for the tail; then the coil is changed. */
static void cold_speed(struct sim_process *p, struct rolling *r, size_t i, double dt)
{
    struct cold *c = &r->c[i];
    if (c->wait_s > 0) {
        c->speed = 0;
        if ((c->wait_s -= dt) > 0) return;
        c->length_m = c->left_m = COIL_M * (0.85 + 0.3 * sim_uniform(p)), c->coil++;
        sim_set_text(p, &r->cold, i, C_COIL, "CR%02u-%06u", (unsigned)i + 1, c->coil);
    }
    double done = c->length_m - c->left_m, want = done < 25 ? 30 : c->left_m < 160 ? 60 : 420;
    double step = 9 * dt; /* m/min a second */
    c->speed += sim_clamp(want - c->speed, -2 * step, step);
    c->left_m -= c->speed * dt / 60;
    if (c->left_m <= 0) c->wait_s = 200 + 120 * sim_uniform(p);
}

static void cold_gauge(struct sim_process *p, struct rolling *r, size_t i, double dt)
{
    struct cold *c = &r->c[i];
    double ecc = sim_get(p, &r->cold, i, C_ECC) > 0 ? sim_get(p, &r->cold, i, C_ECC) : c->ecc, v = c->speed / 420;
    c->entry = sim_walk(p, c->entry, 20, 0.003, dt);
    c->angle = fmod(c->angle + 2 * M_PI * c->speed / 60 / PERIMETER_M * dt, 2 * M_PI);
    double wave = sin(c->angle), in = sim_base(p, &r->cold, i, C_HI) + c->entry;
    double slow = fmax(0, 0.6 - v); /* oil film and friction: force rises at low speed */
    double out = 0.75 + 0.25e-3 * ecc * wave + 0.02 * c->entry + (c->wait_s > 0 ? 0 : 1.2e-3 * slow);
    double force = c->wait_s > 0 ? 60 : 1250 * (in - 0.72) / 0.28 * (1 + 0.25 * slow) + 4 * ecc * wave;
    double gap = 620 - (force - 1250) * 0.4 + 30 * slow;
    sim_set(p, &r->cold, i, C_HI, in);
    sim_set(p, &r->cold, i, C_HX, out);
    sim_set(p, &r->cold, i, C_FO, force + 2 * c->tilt);
    sim_set(p, &r->cold, i, C_FD, force - 2 * c->tilt);
    sim_set(p, &r->cold, i, C_SO, gap + c->tilt);
    sim_set(p, &r->cold, i, C_SD, gap - c->tilt);
    sim_set(p, &r->cold, i, C_VI, c->speed * out / in);
}

static void cold_drive(struct sim_process *p, struct rolling *r, size_t i, double dt)
{
    struct cold *c = &r->c[i];
    bool strip = c->wait_s <= 0;
    double v = c->speed / 420;
    c->ecc = 1.6 + 0.0015 * fmod(p->time_s / 60, 600); /* rolls are changed every ten hours */
    sim_set(p, &r->cold, i, C_V, c->speed);
    sim_set(p, &r->cold, i, C_TEN, strip ? sim_base(p, &r->cold, i, C_TEN) : 0);
    sim_set(p, &r->cold, i, C_TEX, strip ? sim_base(p, &r->cold, i, C_TEX) : 0);
    sim_set(p, &r->cold, i, C_I, strip ? 1650 * (0.25 + 0.75 * v) : 40);
    sim_set(p, &r->cold, i, C_ECC, c->ecc);
    sim_at(p, &r->cold, i)->load = sim_lag(sim_at(p, &r->cold, i)->load, 0.4 + 0.6 * v, 60, dt);
}

/* Strip shape over the width: crown against bending, tilt, and the edges. */
static void cold_shape(struct sim_process *p, struct rolling *r, size_t i, double dt)
{
    struct cold *c = &r->c[i];
    bool strip = c->wait_s <= 0;
    c->crown = sim_walk(p, c->crown, 120, 6, dt);
    c->tilt = sim_walk(p, c->tilt, 90, 2, dt);
    c->bend = sim_lag(c->bend, 60 + 2.5 * c->crown, 15, dt);
    sim_set(p, &r->cold, i, C_BND, strip ? c->bend : 60);
    sim_set(p, &r->cold, i, C_TLT, c->tilt);
    double left = c->crown - (c->bend - 60) / 2.5;
    for (size_t z = 0; z < ZONES; z++) {
        double x = ((double)z - 11.5) / 11.5, edge = fabs(x) > 0.9 ? 4 : 0;
        sim_set(p, &r->zone, i, z, strip ? 1.5 * left * (x * x - 0.33) + 1.2 * c->tilt * x - edge : 0);
    }
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct rolling *r = state;
    step_hot(p, r, dt);
    for (size_t i = 0; i < COLDS; i++) {
        cold_speed(p, r, i, dt);
        cold_gauge(p, r, i, dt);
        cold_drive(p, r, i, dt);
        cold_shape(p, r, i, dt);
    }
}

const struct sim_model sim_rolling = {
    .name = "rolling", .size = sizeof(struct rolling), .fast = true, .bind = bind, .step = step};
