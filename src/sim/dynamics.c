/* dynamics.c - the interpreter of the `dynamics` column: one row of `ops` for each word.
 *
 *   word(argument,number)[+wear]   "lag(JI,3600)", "ou(300)+wear", "totaliser(P,1000)"
 *
 * An op gives the target; the target runs through a first-order lag, gets a slow wander and white noise
 * (both from the noise column), the faults, the range and the resolution. Coefficients for the tag's
 * period are computed once, so a step costs no exp or division. */
#include "sim/process_int.h"
#include "sim/table.h"
#include <math.h>

#define DAY_S 86400.0

typedef double op_fn(struct sim_process *p, size_t i, struct tag_state *s);

struct sim_op {
    const char *word;
    op_fn *target;
    double lag_s, wander_s; /* defaults; an op with `arg_is_wander` takes its number for wander_s */
    bool arg_is_wander, arg_is_lag;
    float white, slow; /* shares of the noise */
};

static struct equip_state *state_of(struct sim_process *p, size_t i)
{
    return &p->equip[p->plan->tags[i].equip];
}

static bool is_unit(const struct sim_process *p, size_t i, const char *unit)
{
    return str_is(p->plan->tags[i].unit, unit);
}

/* How far the driver is from its own normal: 1 = nominal. */
static double drive(struct sim_process *p, size_t i, const struct tag_state *s)
{
    if (s->src < 0) return state_of(p, i)->run ? state_of(p, i)->load : 0;
    const struct tag_state *d = &p->tag[s->src];
    return d->base != 0 ? d->value / d->base : 0;
}

/* Value at driver x: machines draw power without load, hot things cool to the air, bearings stay. */
static double follow(struct sim_process *p, size_t i, const struct tag_state *s, double x)
{
    bool run = state_of(p, i)->run;
    if (is_unit(p, i, "degC")) {
        double hot = s->base - p->plant.ambient_c, idle = s->base > 300 ? 0.93 : 0.35;
        return p->plant.ambient_c + hot * (run ? idle + (1 - idle) * x : 0);
    }
    if (is_unit(p, i, "kW") || is_unit(p, i, "A")) return run ? s->base * (0.3 + 0.7 * x) : 0;
    if (is_unit(p, i, "mm/s")) return run ? s->base * (0.75 + 0.25 * x) : 0.1;
    return s->base * x;
}

static double op_lag(struct sim_process *p, size_t i, struct tag_state *s)
{
    return follow(p, i, s, drive(p, i, s));
}

/* Steady while running; vibration and the like fall to nothing with the machine. */
static double op_steady(struct sim_process *p, size_t i, struct tag_state *s)
{
    if (state_of(p, i)->run) return s->base;
    return is_unit(p, i, "mm/s") || is_unit(p, i, "um") ? 0.05 * s->base
           : is_unit(p, i, "degC")                      ? p->plant.ambient_c
                                                        : 0;
}

static double op_ou(struct sim_process *p, size_t i, struct tag_state *s)
{
    static const char *const moving[] = {"mm/s", "um", "kW"};
    for (size_t k = 0; k < sizeof moving / sizeof *moving; k++)
        if (is_unit(p, i, moving[k])) return op_steady(p, i, s);
    return s->base;
}

static double op_run(struct sim_process *p, size_t i, struct tag_state *s)
{
    return state_of(p, i)->run;
}

static double op_hold(struct sim_process *p, size_t i, struct tag_state *s)
{
    return s->target;
}

/* A tank between filling and drawing: triangle of its own period (gain) and phase (aux). */
static double op_integ(struct sim_process *p, size_t i, struct tag_state *s)
{
    const struct sim_tag *t = &p->plan->tags[i];
    double room = t->type == SIM_LAB ? 0.1 * s->base : 0.25 * (t->hi - t->lo);
    if (!isnan(t->limit[1])) room = fmin(room, 0.6 * (s->base - t->limit[1]));
    if (!isnan(t->limit[2])) room = fmin(room, 0.6 * (t->limit[2] - s->base));
    double phase = fmod(p->time_s / (double)s->gain + s->aux, 1.0);
    return s->base + room * (phase < 0.7 ? phase / 0.35 - 1 : 1 - (phase - 0.7) / 0.15);
}

/* Ground that moves: an own slow speed, and the sun on the mast. aux: mm/day. */
static double op_creep(struct sim_process *p, size_t i, struct tag_state *s)
{
    double t = p->time_s - p->opt.start_s;
    return s->base + s->aux * t / DAY_S + 0.3 * sin((p->plant.hour - 9) * (M_PI / 12));
}

/* Consumption over the day: shifts start at 0, 8 and 16 h; nights are lower. */
static double op_demand(struct sim_process *p, size_t i, struct tag_state *s)
{
    double shift = fmod(p->plant.hour, 8.0), day = 0.06 * sin((p->plant.hour - 8) * (M_PI / 12));
    double change = shift < 0.4 ? -0.12 * (1 - shift / 0.4) : 0;
    return s->base * state_of(p, i)->load * (1 + day + change);
}

static double op_daily(struct sim_process *p, size_t i, struct tag_state *s)
{
    double wave = sin((p->plant.hour - 9) * (M_PI / 12));
    return is_unit(p, i, "degC") ? s->base + 1.2 * wave : s->base * (1 - 0.008 * wave);
}

/* Counted events: many small, some large; the slow walk is the logarithm of the rate. */
static double op_poisson(struct sim_process *p, size_t i, struct tag_state *s)
{
    s->aux = s->k_slow * s->aux + sqrt(1 - s->k_slow * s->k_slow) * sim_gauss(p);
    return state_of(p, i)->run ? s->base * exp(0.45 * s->aux - 0.1) : 0;
}

static double op_total(struct sim_process *p, size_t i, struct tag_state *s)
{
    if (s->src >= 0) s->aux += fmax(0, p->tag[s->src].value) * (double)s->gain * s->period / 3600;
    if (s->aux > p->plan->tags[i].hi) s->aux -= p->plan->tags[i].hi;
    return s->aux;
}

static const struct sim_op ops[] = {
    {"model", op_hold, 0, 120, false, false, 0.5f, 0.7f},
    {"lag", op_lag, 120, 300, false, true, 0.4f, 0.6f},
    {"ctrl", op_steady, 20, 90, false, false, 0.4f, 0.8f},
    {"state", op_steady, 5, 600, false, false, 0.4f, 0.6f},
    {"ou", op_ou, 10, 600, true, false, 0.35f, 0.9f},
    {"run", op_run, 0, 0, false, false, 0, 0},
    {"sp", op_hold, 0, 0, false, false, 0, 0},
    {"integ", op_integ, 0, 600, false, false, 0.4f, 0.4f},
    {"creep", op_creep, 0, 7200, false, false, 0.5f, 0.5f},
    {"demand", op_demand, 60, 900, false, false, 0.5f, 1.0f},
    {"daily", op_daily, 0, 1800, false, false, 0.3f, 0.6f},
    {"poisson", op_poisson, 5, 600, true, false, 0, 0},
    {"totaliser", op_total, 0, 0, false, false, 0, 0},
};

static const struct sim_op *find_op(struct str word)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (str_is(word, ops[i].word)) return &ops[i];
    return NULL;
}

/* This instance's own normal: a little off the class's, well inside its limits. */
static double own_nominal(struct sim_process *p, const struct sim_tag *t)
{
    double room = fmin(t->hi - t->nominal, t->nominal - t->lo);
    for (int k = 0; k < 4; k++)
        if (!isnan(t->limit[k])) room = fmin(room, fabs(t->limit[k] - t->nominal));
    double sd = fmin(0.02 * fabs(t->nominal), 0.12 * fmax(0, room));
    return t->type == SIM_AI || t->type == SIM_LAB ? t->nominal + sd * sim_clamp(sim_gauss(p), -2, 2) : t->nominal;
}

static void init_aux(struct sim_process *p, size_t i, struct tag_state *s)
{
    const struct sim_tag *t = &p->plan->tags[i];
    s->aux = 0;
    if (s->op->target == op_integ) {
        s->gain = (float)((t->scan_s >= 3600 ? 96 : 4 + 5 * sim_uniform(p)) * 3600);
        s->aux = sim_uniform(p);
    } else if (s->op->target == op_creep) {
        s->base = t->nominal + t->noise * 6 * sim_gauss(p);
        s->aux = 0.05 * t->noise * sim_gauss(p);
    } else if (s->op->target == op_total && s->src >= 0) {
        s->aux = floor(fabs(p->tag[s->src].base) * (double)s->gain * 8000 * (0.5 + 2 * sim_uniform(p)));
    }
}

static void init_noise(struct tag_state *s, const struct sim_tag *t, double lag, double wander)
{
    s->k_lag = lag > 0 ? 1 - exp(-s->period / lag) : 1;
    s->k_slow = wander > 0 ? exp(-s->period / wander) : 0;
    s->sd_slow = t->noise * (double)s->op->slow * sqrt(1 - s->k_slow * s->k_slow);
    s->sd_white = t->noise * (double)s->op->white;
}

/* "lag(JI,3600)+wear" -> word, first argument, second. */
static struct str split(struct str text, struct str *arg1, struct str *arg2, bool *wear)
{
    struct str plus = text, head = str_cut(&plus, '+'), word = str_cut(&head, '(');
    *wear = str_is(plus, "wear");
    if (head.n && head.p[head.n - 1] == ')') head.n--;
    *arg1 = str_cut(&head, ',');
    *arg2 = head;
    return word;
}

static int init_tag(struct sim_process *p, size_t i, struct error *e)
{
    const struct sim_tag *t = &p->plan->tags[i];
    struct tag_state *s = &p->tag[i];
    struct str a1, a2, word = split(t->dynamics, &a1, &a2, &s->wear);
    s->op = find_op(word);
    if (!s->op)
        return error_set(e, ERR_INVALID, "tags.csv", "unknown dynamics '%.*s'", "未知动态类型“%.*s”",
                         STR_ARG(t->dynamics));
    char name[16];
    double n1 = sim_cell_number(a1), n2 = sim_cell_number(a2);
    s->src = -1;
    if (isnan(n1) && a1.n && !str_is(a1, "load") && str_to_cstr(a1, name, sizeof name))
        s->src = sim_equip_tag(p->plan, t->equip, name);
    s->gain = isnan(n2) ? 1 : (float)n2;
    s->base = own_nominal(p, t);
    s->target = t->nominal;
    s->fast = t->scan_s < 1 && p->tick_s < p->slow_s;
    s->period = s->fast ? p->tick_s : fmax(p->slow_s, t->scan_s > 10 ? t->scan_s : p->slow_s);
    s->next_s = p->time_s;
    init_noise(s, t, s->op->arg_is_lag && !isnan(n2) ? n2 : s->op->lag_s,
               s->op->arg_is_wander && !isnan(n1) ? n1 : s->op->wander_s);
    init_aux(p, i, s);
    if (s->wear) s->base *= 1 + 0.12 * sim_uniform(p);
    return 0;
}

int sim_dynamics_init(struct sim_process *p, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->plan->ntags; i++) rc = init_tag(p, i, e);
    return rc;
}

/* What the instrument shows: true value, noise (none where there is nothing to measure), steps. */
static double measure(struct sim_process *p, size_t i, struct tag_state *s, double v)
{
    const struct sim_tag *t = &p->plan->tags[i];
    s->slow = s->k_slow * s->slow + s->sd_slow * sim_gauss(p);
    double noise = s->slow + s->sd_white * sim_gauss(p);
    if (!state_of(p, i)->run && !is_unit(p, i, "degC")) noise *= 0.1; /* nothing moves */
    if (!(v <= t->lo && t->lo >= 0)) v += noise;
    return v;
}

static double shown(const struct sim_tag *t, double v)
{
    return sim_clamp(round(v / t->resolution) * t->resolution, t->lo, t->hi);
}

/* The plant has been running: slow things start warm, slow instruments at different times. */
static void prime(struct sim_process *p, size_t i, struct tag_state *s, double target)
{
    s->primed = true;
    s->y = s->op->target == op_lag && state_of(p, i)->run ? s->base : target;
    if (s->period > p->slow_s) s->next_s = p->time_s + s->period * sim_uniform(p);
}

static void step_tag(struct sim_process *p, size_t i, struct tag_state *s)
{
    const struct sim_tag *t = &p->plan->tags[i];
    double target = s->op->target(p, i, s);
    if (!s->primed) prime(p, i, s, target);
    s->y += (target - s->y) * s->k_lag;
    if (s->wear) s->base *= 1 + 1e-3 * s->period / DAY_S;
    double v = s->sd_white > 0 ? measure(p, i, s, s->y) : s->y;
    if (sim_faults_touch(p->faults, i)) v = sim_faults_apply(p->faults, i, v, s->value, p->time_s);
    s->value = shown(t, v);
}

/* Slow instruments (analysers, laboratory) hold their value between two samples. */
void sim_dynamics_step(struct sim_process *p, bool fast_only)
{
    for (size_t i = 0; i < p->plan->ntags; i++) {
        struct tag_state *s = &p->tag[i];
        if ((fast_only && !s->fast) || p->time_s + 0.5 * p->tick_s < s->next_s) continue;
        s->next_s += s->period;
        step_tag(p, i, s);
    }
}
