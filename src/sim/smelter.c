/* smelter.c - charge bins, dryer, flash furnace, waste heat boilers, oxygen plant.
 *
 * Bins follow their set-points; the sum is dried and charged. Air and oxygen follow the charge; what
 * oxygen a tonne gets decides matte grade, temperature and SO2. Matte and slag levels rise by
 * production and fall by tapping: matte when a converter is charged, slag between two marks. */
#include "sim/process_int.h"
#include <math.h>

enum { B_LI, B_WI, B_SP };
enum {
    F_CHG,
    F_FLX,
    F_AIR,
    F_O2,
    F_O2E,
    F_O2R,
    F_OIL,
    F_TMAT,
    F_TSLG,
    F_GMAT,
    F_FESI,
    F_FE3O4,
    F_CUS,
    F_TUPT,
    F_SO2,
    F_GO2,
    F_LMAT,
    F_LSLG,
    F_N
};
enum { W_FST, W_LDR, W_FW, W_TGI, W_TGO, W_DPG, W_N };
static const char *const bin_tags[] = {"LI", "WI", "SP"}, *const dry_tag[] = {"FI"}, *const asu_tag[] = {"FI_O2"};
static const char *const fsf_tags[] = {"FI_CHG", "FI_FLX", "FI_AIR", "FI_O2", "O2E",   "O2R",
                                       "FI_OIL", "T_MAT",  "T_SLG",  "G_MAT", "FESI",  "FE3O4",
                                       "CU_S",   "T_UPT",  "SO2",    "O2",    "L_MAT", "L_SLG"};
static const char *const whb_tags[] = {"FST", "LDR", "FW", "TG_I", "TG_O", "DPG"};

#define BINS 14
#define CHARGE 104.0
#define O2_PER_T 180.0

struct smelter {
    struct sim_group bin, dryer, fsf, burner, whb, asu, esp;
    double level[BINS], charge, trim, heat, grade, slag_fe, matte_mm, slag_mm, foul[2], swell[2], steam[2], oxygen;
    bool slag_tap;
};

static int bind(struct sim_process *p, void *state)
{
    struct smelter *s = state;
    int rc = sim_bind(p, &s->bin, "bin", bin_tags, 3);
    if (rc == 0) rc = sim_bind(p, &s->dryer, "dryer", dry_tag, 1);
    if (rc == 0) rc = sim_bind(p, &s->fsf, "flash", fsf_tags, F_N);
    if (rc == 0) rc = sim_bind(p, &s->burner, "burner", NULL, 0);
    if (rc == 0) rc = sim_bind(p, &s->whb, "whb", whb_tags, W_N);
    if (rc == 0) rc = sim_bind(p, &s->asu, "asu", asu_tag, 1);
    if (rc == 0) rc = sim_bind(p, &s->esp, "espfield", NULL, 0);
    if (rc < 0) return rc;
    for (size_t i = 0; i < BINS; i++) {
        s->level[i] = 30 + 4 * (double)i;
        p->tag[s->bin.tag[i * 3 + B_SP]].value = p->tag[s->bin.tag[i * 3 + B_SP]].target;
    }
    s->charge = CHARGE, s->matte_mm = 420, s->slag_mm = 250, s->oxygen = 21000;
    s->steam[0] = s->steam[1] = 46;
    return 0;
}

static double step_bins(struct sim_process *p, struct smelter *s, double dt)
{
    double sum = 0;
    for (size_t i = 0; i < BINS; i++) {
        double sp = sim_get(p, &s->bin, i, B_SP);
        s->level[i] -= sp * dt / 3600 / 1.6;    /* 160 t in a bin */
        if (s->level[i] < 24) s->level[i] = 84; /* crane or belt refills */
        sim_set(p, &s->bin, i, B_WI, sp);
        sim_set(p, &s->bin, i, B_LI, s->level[i]);
        sum += sim_get(p, &s->bin, i, B_WI);
    }
    return sum > 0 ? sum : 117.6;
}

static void step_blast(struct sim_process *p, struct smelter *s, double dt)
{
    s->trim = sim_walk(p, s->trim, 5400, 0.012, dt);
    double load = s->charge / CHARGE, air = 26600 * load, oxygen = 13200 * load * (1 + s->trim);
    double sum = air * 0.21 + oxygen * 0.995;
    sim_set(p, &s->fsf, 0, F_CHG, s->charge);
    sim_set(p, &s->fsf, 0, F_FLX, 8.7 * load);
    sim_set(p, &s->fsf, 0, F_AIR, air);
    sim_set(p, &s->fsf, 0, F_O2, oxygen);
    sim_set(p, &s->fsf, 0, F_O2E, 100 * sum / (air + oxygen));
    sim_set(p, &s->fsf, 0, F_O2R, sum / s->charge);
    sim_set(p, &s->fsf, 0, F_OIL, 260 - 8 * s->heat);
    p->plant.smelt_load = load;
    sim_at(p, &s->fsf, 0)->load = load * (1 + 0.004 * s->heat);
    sim_at(p, &s->burner, 0)->load = load;
}

/* More oxygen a tonne: hotter, richer matte, more magnetite, more copper in slag. */
static void step_bath(struct sim_process *p, struct smelter *s, double dt)
{
    double extra = 180 * s->trim * 0.7;
    s->heat = sim_lag(s->heat, 1.1 * extra + 3 * s->slag_fe, 4000, dt);
    s->grade = sim_lag(s->grade, 0.45 * extra, 5400, dt);
    s->slag_fe = sim_walk(p, s->slag_fe, 5 * 3600, 0.5, dt);
    sim_set(p, &s->fsf, 0, F_TMAT, 1232 + 2.2 * s->heat);
    sim_set(p, &s->fsf, 0, F_TSLG, 1288 + 2.2 * s->heat);
    sim_set(p, &s->fsf, 0, F_GMAT, 62 + s->grade);
    sim_set(p, &s->fsf, 0, F_FESI, 1.32 + 0.02 * s->slag_fe);
    sim_set(p, &s->fsf, 0, F_FE3O4, 11.5 + 0.5 * s->grade);
    sim_set(p, &s->fsf, 0, F_CUS, 1.25 + 0.05 * s->grade);
    sim_set(p, &s->fsf, 0, F_TUPT, 1345 + 3 * s->heat);
    sim_set(p, &s->fsf, 0, F_SO2, 36 + 0.1 * extra);
    sim_set(p, &s->fsf, 0, F_GO2, 2.1 + 0.05 * extra);
    p->plant.fsf_gas_nm3_h = 37500 * p->plant.smelt_load;
    p->plant.fsf_so2 = sim_get(p, &s->fsf, 0, F_SO2);
}

static void step_levels(struct sim_process *p, struct smelter *s, double dt)
{
    double load = p->plant.smelt_load, tap = p->plant.matte_t_h * (1 + (s->matte_mm - 420) / 500);
    s->matte_mm = sim_clamp(s->matte_mm + (44 * load - tap) * 1.36 * dt / 3600, 150, 750);
    if (s->slag_mm > 320) s->slag_tap = true;
    if (s->slag_mm < 190) s->slag_tap = false;
    s->slag_mm = sim_clamp(s->slag_mm + (56 * load - (s->slag_tap ? 150 : 0)) * 1.9 * dt / 3600, 120, 450);
    sim_set(p, &s->fsf, 0, F_LMAT, s->matte_mm);
    sim_set(p, &s->fsf, 0, F_LSLG, s->slag_mm);
}

/* Boiler i: 0 behind the flash furnace, 1 behind the converters. Fouling is rapped off every 8 hours;
 * a sudden change of heat swells or shrinks the drum before the balance tells. */
static void step_boiler(struct sim_process *p, struct smelter *s, size_t i, double dt)
{
    double gas = i == 0 ? p->plant.smelt_load : p->plant.cvt_gas_nm3_h / 68000;
    double in = i == 0 ? 1230 + 2 * s->heat : 320 + 610 * fmin(1, gas * 1.5);
    s->foul[i] = 0.06 * fmod(p->time_s / 3600 + 3 * (double)i, 8) / 8;
    double heat = gas * (in - 350) / 880 * (1 - s->foul[i]), before = s->steam[i];
    s->steam[i] = sim_lag(before, 46 * heat + 2, 240, dt);
    s->swell[i] = sim_lag(s->swell[i], 0, 180, dt) + 3.5 * (s->steam[i] - before);
    sim_set(p, &s->whb, i, W_FST, s->steam[i]);
    sim_set(p, &s->whb, i, W_FW, fmax(0, s->steam[i] * 1.02 - 0.03 * s->swell[i]));
    sim_set(p, &s->whb, i, W_LDR, s->swell[i]);
    sim_set(p, &s->whb, i, W_TGI, in);
    sim_set(p, &s->whb, i, W_TGO, 235 + 127 * fmin(1.15, gas) + 200 * s->foul[i]);
    sim_set(p, &s->whb, i, W_DPG, 420 * gas * gas * (1 + 1.5 * s->foul[i]));
}

static void step_oxygen(struct sim_process *p, struct smelter *s, double dt)
{
    double want = sim_get(p, &s->fsf, 0, F_O2) + 2100 * p->plant.blowing + 4200;
    s->oxygen = sim_lag(s->oxygen, sim_clamp(want, 15000, 24500), 600, dt);
    sim_set(p, &s->asu, 0, 0, s->oxygen);
    sim_at(p, &s->asu, 0)->load = s->oxygen / 21500;
    p->plant.oxygen_nm3_h = s->oxygen;
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct smelter *s = state;
    double wet = step_bins(p, s, dt);
    sim_set(p, &s->dryer, 0, 0, wet);
    sim_at(p, &s->dryer, 0)->load = wet / 117.6;
    s->charge = sim_lag(s->charge, CHARGE * wet / 117.6, 1200, dt);
    step_blast(p, s, dt);
    step_bath(p, s, dt);
    step_levels(p, s, dt);
    for (size_t i = 0; i < s->whb.count; i++) step_boiler(p, s, i, dt);
    step_oxygen(p, s, dt);
}

const struct sim_model sim_smelter = {.name = "smelter", .size = sizeof(struct smelter), .bind = bind, .step = step};
