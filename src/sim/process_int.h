/* process_int.h - what the area models share: the state of tags and equipment, and the plant's signals.
 *
 * An area model claims the tags whose dynamics are "model" (sim_bind) and sets their targets in every
 * step; all other tags are played by the interpreter in dynamics.c from the tag's dynamics and the load
 * and run state of its equipment, which the area models set too. Measuring noise, range and resolution
 * are added for all by the interpreter, so a model only says what is true. */
#pragma once
#include "sim/process.h"
#include "sim/faults.h"

struct sim_play;
struct sim_op;

struct equip_state {
    double load; /* 1 = nominal */
    bool run;
};

struct tag_state {
    const struct sim_op *op;
    double target, value, y, slow, base, aux; /* base: nominal of this very instance; aux: of the op */
    double period, next_s;                    /* sampled every `period` simulated seconds; next time */
    double k_lag, k_slow, sd_slow, sd_white;
    int src;    /* tag whose value drives this one, -1: the equipment's load */
    float gain; /* second argument of the dynamics */
    bool wear, claimed, fast, primed;
};

/* The plant's signals: what one area hands to the next. Nominal figures in brackets. */
struct sim_plant {
    double hour, day, ambient_c, rain_mm_h;   /* local hour of the day; day of the run; air; rain */
    double ore_t_h, ore_hardness, ore_grade;  /* crushed ore to the mills (960); 1 = nominal; % Cu (0.62) */
    double mill_feed_t_h, recovery, conc_t_h; /* (1 050), (0.9), (25) */
    double tail_t_h;
    double matte_t_h, smelt_load;  /* (50), 1 = nominal */
    double fsf_gas_nm3_h, fsf_so2; /* uptake gas and its SO2 % */
    double cvt_gas_nm3_h, cvt_so2; /* sum of the converter hoods */
    int blowing;                   /* converters that blow */
    double oxygen_nm3_h;           /* taken by smelter */
    double er_current_ka, lt_power_mw;
};

struct sim_process {
    const struct sim_plan *plan;
    struct arena arena;
    struct sim_options opt;
    struct tag_state *tag;
    struct equip_state *equip;
    char (*text)[20]; /* of string tags, by text_of */
    int *text_of;     /* tag -> row of text, -1 */
    void **model;     /* state of each area model */
    struct sim_faults *faults;
    struct sim_plant plant;
    uint64_t rng[2];
    double time_s, acc_s, tick_s, slow_s;
    unsigned fast_ticks, ntexts;
};

/* Random numbers of this process. */
double sim_uniform(struct sim_process *p);                       /* 0..1 */
double sim_gauss(struct sim_process *p);                         /* mean 0, sd 1 */
bool sim_chance(struct sim_process *p, double per_s, double dt); /* an event of that rate happened */

/* First-order lag: y moves towards x with time constant tau. */
double sim_lag(double y, double x, double tau_s, double dt);
double sim_clamp(double v, double lo, double hi);
/* Mean-reverting walk around 0 with standard deviation sd. */
double sim_walk(struct sim_process *p, double y, double tau_s, double sd, double dt);

/* The tags of one class that a model plays: tag[i * n + k] is the k-th name of the i-th instance. */
struct sim_group {
    int *tag;
    size_t first, count, n; /* first equipment */
};
MUST_CHECK int sim_bind(struct sim_process *p, struct sim_group *g, const char *cls, const char *const *names,
                        size_t n);
static inline struct equip_state *sim_at(struct sim_process *p, const struct sim_group *g, size_t i)
{
    return &p->equip[g->first + i];
}
static inline void sim_set(struct sim_process *p, const struct sim_group *g, size_t i, size_t k, double v)
{
    p->tag[g->tag[i * g->n + k]].target = v;
}
static inline double sim_get(const struct sim_process *p, const struct sim_group *g, size_t i, size_t k)
{
    return p->tag[g->tag[i * g->n + k]].value;
}
static inline double sim_base(const struct sim_process *p, const struct sim_group *g, size_t i, size_t k)
{
    return p->tag[g->tag[i * g->n + k]].base;
}
__attribute__((format(printf, 5, 6))) void sim_set_text(struct sim_process *p, const struct sim_group *g, size_t i,
                                                        size_t k, const char *fmt, ...);

/* An area model: state of `size` bytes (zeroed), bound once, stepped in the order of the table. */
struct sim_model {
    const char *name;
    size_t size;
    bool fast; /* stepped every fast tick, not every second */
    int (*bind)(struct sim_process *p, void *state);
    void (*step)(struct sim_process *p, void *state, double dt);
};
extern const struct sim_model sim_mine, sim_underground, sim_concentrator, sim_flotation, sim_tailings, sim_smelter,
    sim_converting, sim_acid, sim_refinery, sim_melting, sim_rolling, sim_finishing, sim_utilities;

/* dynamics.c */
int sim_dynamics_init(struct sim_process *p, struct error *e);
void sim_dynamics_step(struct sim_process *p, bool fast_only);
