/* refinery.c - the tankhouse: rectifiers, sections of 36 cells, the cathode lot.
 *
 * A cell's voltage follows current and temperature and creeps up while its anodes wear (21 days); a
 * nodule pulls it down for some hours until it is found. A section shows the sum of its cells. */
#include "sim/process_int.h"
#include <math.h>

enum { S_I, S_V, S_TI, S_SC, S_CE };
enum { R_I, R_V, R_EP };
static const char *const section_tags[] = {"I", "V", "TI", "SC", "CE"}, *const cell_tag[] = {"V"};
static const char *const rect_tags[] = {"I", "V", "EP"}, *const lot_tag[] = {"NO"};

#define SECTIONS 16
#define CELLS 36
#define ANODE_DAYS 21.0

struct refinery {
    struct sim_group section, cell, rect, lot;
    double current[2], kwh[2], temp[SECTIONS];
    float dip[SECTIONS * CELLS]; /* V below normal by nodules, decays when cleared */
    unsigned lot_no;
};

static int bind(struct sim_process *p, void *state)
{
    struct refinery *r = state;
    int rc = sim_bind(p, &r->section, "ersection", section_tags, 5);
    if (rc == 0) rc = sim_bind(p, &r->cell, "ercell", cell_tag, 1);
    if (rc == 0) rc = sim_bind(p, &r->rect, "rectifier", rect_tags, 3);
    if (rc == 0) rc = sim_bind(p, &r->lot, "lot", lot_tag, 1);
    for (int i = 0; i < 2; i++) r->current[i] = 36, r->kwh[i] = floor(2.4e7 + 1e6 * i);
    return rc;
}

static void step_rectifiers(struct sim_process *p, struct refinery *r, double dt)
{
    for (size_t i = 0; i < 2; i++) {
        double volts = 4.5, ka;
        for (size_t s = i * 8; s < i * 8 + 8; s++) volts += sim_get(p, &r->section, s, S_V);
        r->current[i] = 36 + sim_walk(p, r->current[i] - 36, 600, 0.05, dt);
        ka = r->current[i];
        r->kwh[i] += ka * volts * dt / 3600;
        sim_set(p, &r->rect, i, R_I, ka);
        sim_set(p, &r->rect, i, R_V, volts);
        sim_set(p, &r->rect, i, R_EP, r->kwh[i]);
        sim_at(p, &r->rect, i)->load = ka / 36;
    }
    p->plant.er_current_ka = (r->current[0] + r->current[1]) / 2;
}

static void step_cell(struct sim_process *p, struct refinery *r, size_t i, double ka, double temp, double dt)
{
    size_t section = i / CELLS;
    double age = fmod(p->time_s / 86400 + (double)section * ANODE_DAYS / SECTIONS, ANODE_DAYS) / ANODE_DAYS;
    if (sim_uniform(p) < dt / (86400.0 * 9)) r->dip[i] = (float)(0.02 + 0.03 * sim_uniform(p));
    if (r->dip[i] > 0 && sim_uniform(p) < dt / (3600.0 * 6)) r->dip[i] = 0;
    double v = sim_base(p, &r->cell, i, 0) * (0.965 + 0.07 * age) * ka / 36 - 0.0016 * (temp - 63);
    sim_set(p, &r->cell, i, 0, v - (double)r->dip[i]);
}

static void step_section(struct sim_process *p, struct refinery *r, size_t s, double dt)
{
    double ka = r->current[s / 8], sum = 0.03, shorts = 0;
    r->temp[s] = sim_walk(p, r->temp[s], 1800, 0.35, dt);
    double temp = sim_base(p, &r->section, s, S_TI) + r->temp[s];
    for (size_t k = s * CELLS; k < (s + 1) * CELLS; k++) {
        step_cell(p, r, k, ka, temp, dt);
        sum += sim_get(p, &r->cell, k, 0), shorts += r->dip[k] > 0;
    }
    sim_set(p, &r->section, s, S_I, ka);
    sim_set(p, &r->section, s, S_V, sum);
    sim_set(p, &r->section, s, S_TI, temp);
    sim_set(p, &r->section, s, S_SC, 4 + shorts);
    sim_set(p, &r->section, s, S_CE, 96.2 - 0.2 * shorts);
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct refinery *r = state;
    for (size_t s = 0; s < SECTIONS; s++) step_section(p, r, s, dt);
    step_rectifiers(p, r, dt);
    unsigned no = (unsigned)(p->time_s / 28800) % 100000;
    if (no != r->lot_no) sim_set_text(p, &r->lot, 0, 0, "CC-%05u", r->lot_no = no);
}

const struct sim_model sim_refinery = {.name = "refinery", .size = sizeof(struct refinery), .bind = bind, .step = step};
