/* flotation.c - reagents, pH, cells, the on-stream analyser, thickening and filtering of concentrate.
 *
 * Recovery follows fineness, pH and collector; with feed and concentrate grade the two-product formula
 * t = f (1 - R) / (1 - R f / c) gives the tailings, so that the analyser's streams always balance. */
#include "sim/process_int.h"
#include <math.h>

enum { R_FI, R_SP, R_LI };
enum { O_CU, O_FE, O_S, O_SOL };
enum { FEED, RGC, SCT, CLC, CLT, TAIL, STREAMS };
enum { T_TRQ, T_BED, T_DU, T_FU };
enum { L_PI, L_MOI, L_JI };
static const char *const reagent_tags[] = {"FI", "SP", "LI"}, *const ph_tag[] = {"PH"};
static const char *const cell_tags[] = {"FRV", "FRC", "FI_AIR", "LI"};
static const char *const osa_tags[] = {"CU", "FE", "S", "SOL"}, *const thick_tags[] = {"TRQ", "BED", "DU", "FU"};
static const char *const filter_tags[] = {"PI", "MOI", "JI"}, *const psi_tag[] = {"PSI"};

#define REAGENTS 6
#define FILTER_S 720.0
static const double dose[REAGENTS] = {1850, 420, 260, 62, 40, 900}; /* LIME PAX1 PAX2 FRO1 FRO2 NAHS, L/h */

struct flot {
    struct sim_group reagent, ph, cell, osa, thick, filter;
    int fineness[4];
    double tank[REAGENTS], drift[8], bed[3], surface, conc_grade, lime, collector;
};

/* The class's noise is the feed's; a stream with less copper is also measured finer. */
static void scale_copper_noise(struct sim_process *p, const struct flot *f)
{
    static const double share[STREAMS] = {1, 6, 0.15, 12, 3, 0.13};
    for (size_t i = 0; i < STREAMS; i++) {
        struct tag_state *t = &p->tag[f->osa.tag[i * f->osa.n + O_CU]];
        t->sd_slow *= share[i], t->sd_white *= share[i];
    }
}

static int bind(struct sim_process *p, void *state)
{
    struct flot *f = state;
    int rc = sim_bind(p, &f->reagent, "reagent", reagent_tags, 3);
    if (rc == 0) rc = sim_bind(p, &f->ph, "phprobe", ph_tag, 1);
    if (rc == 0) rc = sim_bind(p, &f->cell, "flotcell", cell_tags, 2);
    if (rc == 0) rc = sim_bind(p, &f->osa, "osa", osa_tags, 4);
    if (rc == 0) rc = sim_bind(p, &f->thick, "thickener", thick_tags, 4);
    if (rc == 0) rc = sim_bind(p, &f->filter, "filter", filter_tags, 3);
    if (rc < 0) return rc;
    scale_copper_noise(p, f);
    struct sim_group cyclones;
    rc = sim_bind(p, &cyclones, "cyclone", psi_tag, 1);
    for (size_t i = 0; rc == 0 && i < 4; i++) f->fineness[i] = cyclones.tag[i];
    for (size_t i = 0; i < REAGENTS; i++) {
        f->tank[i] = 35 + 10 * (double)i;
        sim_set(p, &f->reagent, i, R_SP, dose[i]);
        p->tag[f->reagent.tag[i * 3 + R_SP]].value = dose[i];
    }
    f->conc_grade = 24.5, f->lime = f->collector = 1;
    return rc;
}

/* Flow follows its set-point; a tank is refilled by tanker when it falls below a quarter. */
static void step_reagent(struct sim_process *p, struct flot *f, size_t i, double dt)
{
    double sp = sim_get(p, &f->reagent, i, R_SP);
    sim_set(p, &f->reagent, i, R_FI, sp);
    f->tank[i] -= sp / dose[i] * dt / 3600 * 1.7;
    if (f->tank[i] < 26) f->tank[i] = 85;
    sim_set(p, &f->reagent, i, R_LI, f->tank[i]);
}

static double fineness(const struct sim_process *p, const struct flot *f)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += p->tag[f->fineness[i]].value / 4;
    return sum;
}

static double step_ph(struct sim_process *p, struct flot *f, double dt)
{
    f->lime = sim_lag(f->lime, sim_get(p, &f->reagent, 0, R_FI) / dose[0], 240, dt);
    double mean = 0;
    for (size_t i = 0; i < f->ph.count; i++) {
        f->drift[i] = sim_walk(p, f->drift[i], 1200, 0.05, dt);
        double ph = sim_base(p, &f->ph, i, 0) + 2.2 * log10(fmax(0.05, f->lime)) + f->drift[i];
        sim_set(p, &f->ph, i, 0, ph);
        mean += ph / (double)f->ph.count;
    }
    return mean;
}

static double recover(struct sim_process *p, struct flot *f, double ph, double dt)
{
    double pax = (sim_get(p, &f->reagent, 1, R_FI) + sim_get(p, &f->reagent, 2, R_FI)) / (dose[1] + dose[2]);
    f->collector = sim_lag(f->collector, pax, 900, dt);
    double r = 0.90 + 0.004 * (fineness(p, f) - 64.5) - 0.03 * (ph - 10.6) * (ph - 10.6) + 0.06 * (f->collector - 1);
    return sim_lag(p->plant.recovery, sim_clamp(r, 0.6, 0.95), 1500, dt);
}

static void show_stream(struct sim_process *p, struct flot *f, size_t i, double cu, double fe, double s, double sol)
{
    sim_set(p, &f->osa, i, O_CU, cu);
    sim_set(p, &f->osa, i, O_FE, fe);
    sim_set(p, &f->osa, i, O_S, s);
    sim_set(p, &f->osa, i, O_SOL, sol);
}

static void step_balance(struct sim_process *p, struct flot *f, double dt)
{
    double grade = p->plant.ore_grade, r = p->plant.recovery;
    double c = f->conc_grade = 24.5 + sim_walk(p, f->conc_grade - 24.5, 7200, 0.6, dt);
    double tail = grade * (1 - r) / (1 - r * grade / c);
    show_stream(p, f, FEED, grade, 8.2, 4.2 * grade / 0.62, 33);
    show_stream(p, f, RGC, 9.2 * grade / 0.62, 24, 22, 24);
    show_stream(p, f, SCT, tail * 1.04, 7.3, 2.9, 31);
    show_stream(p, f, CLC, c, 29 - 0.3 * (c - 24.5), 32.5, 26);
    show_stream(p, f, CLT, 2.9 * grade / 0.62, 21, 17, 20);
    show_stream(p, f, TAIL, tail, 7.2, 2.8, 31);
    p->plant.conc_t_h = p->plant.mill_feed_t_h * grade * r / c;
    p->plant.tail_t_h = p->plant.mill_feed_t_h - p->plant.conc_t_h;
}

/* Richer pulp and more air: faster froth, smaller bubbles; down the bank the froth gets poorer. */
static void step_cells(struct sim_process *p, struct flot *f, double dt)
{
    f->surface = sim_walk(p, f->surface, 400, 0.08, dt);
    for (size_t i = 0; i < f->cell.count; i++) {
        double rich = p->plant.ore_grade / 0.62 * (i < 8 ? 1.15 : i < 18 ? 0.75 : 1.05);
        sim_set(p, &f->cell, i, 0, 6.5 * rich * (1 + f->surface));
        sim_set(p, &f->cell, i, 1, 22 / sqrt(rich) * (1 - 0.5 * f->surface));
    }
}

static void step_thickener(struct sim_process *p, struct flot *f, size_t i, double dt)
{
    f->bed[i] = sim_walk(p, f->bed[i], 7200, 0.1, dt);
    double b = f->bed[i], load = p->plant.conc_t_h / 24;
    sim_set(p, &f->thick, i, T_BED, 1.6 * (1 + b));
    sim_set(p, &f->thick, i, T_TRQ, sim_base(p, &f->thick, i, T_TRQ) * (1 + 1.6 * b));
    sim_set(p, &f->thick, i, T_DU, 61 + 12 * b);
    sim_set(p, &f->thick, i, T_FU, 280 * sim_clamp(load, 0.3, 1.5) * (1 + 0.4 * b));
}

/* Press: fill with rising pressure 5 min, squeeze to 8, dry to 10.5, open and drop to 12. */
static void step_filter(struct sim_process *p, struct flot *f, size_t i)
{
    double t = fmod(p->time_s + 190 * (double)i, FILTER_S) / 60;
    double press = t < 5 ? 0.15 + 0.13 * t : t < 8 ? 1.1 : t < 10.5 ? 0.7 : 0.02;
    sim_set(p, &f->filter, i, L_PI, press);
    sim_set(p, &f->filter, i, L_JI, t < 5 ? 95 + 8 * t : t < 8 ? 165 : t < 10.5 ? 130 : 40);
    sim_set(p, &f->filter, i, L_MOI, 8.9 + 3 * (f->bed[i % 3]));
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct flot *f = state;
    for (size_t i = 0; i < REAGENTS; i++) step_reagent(p, f, i, dt);
    double ph = step_ph(p, f, dt);
    p->plant.recovery = recover(p, f, ph, dt);
    step_balance(p, f, dt);
    step_cells(p, f, dt);
    for (size_t i = 0; i < f->thick.count; i++) step_thickener(p, f, i, dt);
    for (size_t i = 0; i < f->filter.count; i++) step_filter(p, f, i);
}

const struct sim_model sim_flotation = {.name = "flotation", .size = sizeof(struct flot), .bind = bind, .step = step};
