/* process.c - the clockwork: ticks, random numbers, binding of area models to tags, reading and writing.
 *
 * A fast tick (0.1 s) steps the fast models and tags; every tenth also all the others. With a coarser
 * tick both are the same. The order of models is the way of the metal, so that in one tick each area
 * sees what the one before it has just made. */
#include "sim/process_int.h"
#include "base/mem.h"
#include <math.h>
#include <stdarg.h>

#define PROCESS_BYTES (16 << 20)

static const struct sim_model *const models[] = {
    &sim_mine, &sim_underground, &sim_concentrator, &sim_flotation, &sim_tailings,  &sim_smelter,   &sim_converting,
    &sim_acid, &sim_refinery,    &sim_melting,      &sim_rolling,   &sim_finishing, &sim_utilities,
};
#define NMODELS (sizeof models / sizeof *models)

static uint64_t next_u64(struct sim_process *p)
{
    /* xoroshiro128+ (Blackman, Vigna 2018). */
    uint64_t a = p->rng[0], b = p->rng[1], r = a + b;
    b ^= a;
    p->rng[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    p->rng[1] = b << 37 | b >> 27;
    return r;
}

static void seed_rng(struct sim_process *p, uint64_t seed)
{
    /* splitmix64 spreads small seeds. */
    for (int i = 0; i < 2; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        p->rng[i] = z ^ z >> 31;
    }
}

double sim_uniform(struct sim_process *p)
{
    return (double)(next_u64(p) >> 11) * 0x1p-53;
}

/* Sum of four uniforms: close enough to normal for measuring noise, and cheap; never beyond 3.5 sd. */
double sim_gauss(struct sim_process *p)
{
    uint64_t r = next_u64(p);
    double sum = (double)(r & 0xffff) + (double)(r >> 16 & 0xffff) + (double)(r >> 32 & 0xffff) + (double)(r >> 48);
    return (sum / 65535.0 - 2) * 1.7320508075688772;
}

bool sim_chance(struct sim_process *p, double per_s, double dt)
{
    return sim_uniform(p) < 1 - exp(-per_s * dt);
}

double sim_lag(double y, double x, double tau_s, double dt)
{
    return y + (x - y) * (1 - exp(-dt / tau_s));
}

double sim_clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

double sim_walk(struct sim_process *p, double y, double tau_s, double sd, double dt)
{
    double k = exp(-dt / tau_s);
    return y * k + sd * sqrt(1 - k * k) * sim_gauss(p);
}

static size_t first_of(const struct sim_plan *plan, const char *cls)
{
    size_t i = 0;
    while (i < plan->nequips && !str_is(plan->equips[i].cls, cls)) i++;
    return i;
}

int sim_bind(struct sim_process *p, struct sim_group *g, const char *cls, const char *const *names, size_t n)
{
    size_t first = first_of(p->plan, cls);
    if (first == p->plan->nequips) return ERR_NOT_FOUND;
    *g = (struct sim_group){.first = first, .count = p->plan->equips[first].count, .n = n};
    g->tag = arena_calloc(&p->arena, g->count * n + 1, sizeof *g->tag);
    if (!g->tag) return ERR_NOMEM;
    for (size_t i = 0; i < g->count * n; i++) {
        int t = sim_equip_tag(p->plan, first + i / n, names[i % n]);
        if (t < 0) return ERR_NOT_FOUND;
        g->tag[i] = t;
        p->tag[t].claimed = true;
    }
    return 0;
}

void sim_set_text(struct sim_process *p, const struct sim_group *g, size_t i, size_t k, const char *fmt, ...)
{
    int row = p->text_of[g->tag[i * g->n + k]];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text[row], sizeof p->text[row], fmt, ap);
    va_end(ap);
}

static int number_texts(struct sim_process *p)
{
    for (size_t i = 0; i < p->plan->ntags; i++)
        p->text_of[i] = p->plan->tags[i].type == SIM_STR ? (int)p->ntexts++ : -1;
    p->text = arena_calloc(&p->arena, p->ntexts + 1, sizeof *p->text);
    return p->text ? 0 : ERR_NOMEM;
}

/* Every "model" tag has a model and no other tag has one: a row that nobody plays is an error. */
static int check_claims(const struct sim_process *p, struct error *e)
{
    for (size_t i = 0; i < p->plan->ntags; i++) {
        const struct sim_tag *t = &p->plan->tags[i];
        bool wants = str_is(t->dynamics, "model");
        if (wants != p->tag[i].claimed && !(str_is(t->dynamics, "sp")))
            return error_set(e, ERR_INVALID, "tags.csv", "%.*s: dynamics and models disagree",
                             "%.*s：动态类型与模型不一致", STR_ARG(t->code));
    }
    return 0;
}

static int bind_models(struct sim_process *p, struct error *e)
{
    for (size_t i = 0; i < NMODELS; i++) {
        p->model[i] = arena_calloc(&p->arena, 1, models[i]->size);
        int rc = p->model[i] ? models[i]->bind(p, p->model[i]) : ERR_NOMEM;
        if (rc < 0) return error_set(e, rc, models[i]->name, "model cannot find its tags", "模型找不到所需测点");
    }
    return check_claims(p, e);
}

static void init_plant(struct sim_process *p)
{
    p->plant = (struct sim_plant){.ambient_c = 22,
                                  .ore_t_h = 960,
                                  .ore_hardness = 1,
                                  .ore_grade = 0.62,
                                  .mill_feed_t_h = 1050,
                                  .recovery = 0.9,
                                  .conc_t_h = 25,
                                  .tail_t_h = 1000,
                                  .matte_t_h = 50,
                                  .smelt_load = 1,
                                  .fsf_gas_nm3_h = 52000,
                                  .fsf_so2 = 36,
                                  .oxygen_nm3_h = 21000,
                                  .er_current_ka = 36,
                                  .lt_power_mw = 60};
    for (size_t i = 0; i < p->plan->nequips; i++) p->equip[i] = (struct equip_state){1, true};
}

static void turn_clock(struct sim_process *p)
{
    struct sim_plant *w = &p->plant;
    w->hour = fmod(p->time_s, 86400) / 3600;
    w->day = (p->time_s - p->opt.start_s) / 86400;
    w->ambient_c = 22 + 6 * sin((w->hour - 9) * (M_PI / 12)) + 3 * sin(2 * M_PI * w->day / 9);
}

static void step_models(struct sim_process *p, bool fast, double dt)
{
    for (size_t i = 0; i < NMODELS; i++)
        if (models[i]->fast == fast) models[i]->step(p, p->model[i], dt);
}

static void tick(struct sim_process *p)
{
    bool slow = p->fast_ticks == 0;
    p->fast_ticks = (p->fast_ticks + 1) % (unsigned)lround(p->slow_s / p->tick_s);
    if (slow) {
        turn_clock(p);
        sim_faults_step(p->faults, p->time_s, p->time_s - p->opt.start_s, p->opt.schedule);
        step_models(p, false, p->slow_s);
    }
    step_models(p, true, p->tick_s);
    sim_dynamics_step(p, !slow);
    p->time_s += p->tick_s;
}

static int setup(struct sim_process *p, struct error *e)
{
    const struct sim_plan *plan = p->plan;
    p->tag = arena_calloc(&p->arena, plan->ntags, sizeof *p->tag);
    p->equip = arena_calloc(&p->arena, plan->nequips, sizeof *p->equip);
    p->text_of = arena_calloc(&p->arena, plan->ntags, sizeof *p->text_of);
    p->model = arena_calloc(&p->arena, NMODELS, sizeof *p->model);
    if (!p->tag || !p->equip || !p->text_of || !p->model) return ERR_NOMEM;
    int rc = number_texts(p);
    if (rc == 0) rc = sim_faults_new(plan, p->opt.seed, &p->faults, e);
    if (rc < 0) return rc;
    init_plant(p);
    turn_clock(p);
    rc = sim_dynamics_init(p, e);
    return rc < 0 ? rc : bind_models(p, e);
}

int sim_process_new(const struct sim_plan *plan, const struct sim_options *o, struct sim_process **ret, struct error *e)
{
    struct sim_process *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    p->plan = plan, p->opt = *o, p->time_s = o->start_s;
    p->tick_s = o->tick_s > 0 ? o->tick_s : 0.1;
    p->slow_s = fmax(1, p->tick_s);
    arena_init(&p->arena, PROCESS_BYTES);
    seed_rng(p, o->seed);
    int rc = setup(p, e);
    if (rc < 0) {
        sim_process_free(p);
        return rc;
    }
    tick(p); /* so that values exist from the start */
    *ret = p;
    return 0;
}

void sim_process_free(struct sim_process *p)
{
    if (!p) return;
    sim_faults_free(p->faults);
    arena_fini(&p->arena);
    mem_free(p);
}

void sim_process_step(struct sim_process *p, double dt_s)
{
    for (p->acc_s += dt_s; p->acc_s >= p->tick_s * (1 - 1e-9); p->acc_s -= p->tick_s) tick(p);
}

double sim_process_time(const struct sim_process *p)
{
    return p->time_s;
}

double sim_process_value(const struct sim_process *p, size_t tag)
{
    return p->tag[tag].value;
}

const char *sim_process_text(const struct sim_process *p, size_t tag)
{
    return p->text_of[tag] < 0 ? "" : p->text[p->text_of[tag]];
}

struct sim_faults *sim_process_faults(struct sim_process *p)
{
    return p->faults;
}

int sim_process_write(struct sim_process *p, size_t tag, double value)
{
    const struct sim_tag *t = &p->plan->tags[tag];
    if (!t->writable) return ERR_FORBIDDEN;
    if (!(value >= t->lo && value <= t->hi)) return ERR_INVALID;
    p->tag[tag].target = value;
    p->tag[tag].value = round(value / t->resolution) * t->resolution;
    return 0;
}
