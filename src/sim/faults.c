/* faults.c - seeded faults as scripts over tags (data/faults.csv, data/fault_effects.csv).
 *
 * Every (effect, tag) pair is a link; the links of a tag are chained from head[tag], and touched[tag]
 * counts the active ones, so that an untouched tag costs one load. A link carries its own factor, so
 * that twelve passivated cells do not look like one. */
#include "sim/faults.h"
#include "sim/table.h"
#include "base/mem.h"
#include <math.h>

#define FAULTS_MAX 32
#define EFFECTS_MAX 128
#define LINKS_MAX 512
#define RUN_S (60 * 86400.0)

/* x: 0..1 over the ramp; s: seconds since the effect began. */
struct at {
    double v, last, x, s, u, span;
};
struct effect {
    const struct shape *shape;
    double amount, delay_s, ramp_s, period_s;
    unsigned fault;
};
struct shape {
    const char *name;
    double (*apply)(const struct effect *e, double amount, const struct at *a);
};
struct link {
    const struct effect *effect;
    double factor;
    int next;
};
struct fault {
    struct sim_fault_info info;
    double due_s; /* by the schedule, seconds since the start */
    bool done;    /* by the schedule */
};
struct sim_faults {
    struct arena arena;
    const struct sim_plan *plan;
    struct fault fault[FAULTS_MAX];
    struct effect effect[EFFECTS_MAX];
    struct link link[LINKS_MAX];
    int *head;
    uint8_t *touched;
    size_t nfaults, neffects, nlinks;
    uint64_t rng;
};

static double ramp(const struct effect *e, double amount, const struct at *a)
{
    return a->v + amount * a->x;
}
static double scale(const struct effect *e, double amount, const struct at *a)
{
    return a->v * (1 + amount * a->x);
}
static double expo(const struct effect *e, double amount, const struct at *a)
{
    return a->v + amount * expm1(4 * a->x) / expm1(4);
}
/* First up by a third, then down: a mill that passes its maximum; rain that comes and goes. */
static double hump(const struct effect *e, double amount, const struct at *a)
{
    if (amount > 1) return a->v + amount * sin(M_PI * a->x);
    return a->v * (1 + amount * (0.9 * a->x - 1.9 * a->x * a->x));
}
static double osc(const struct effect *e, double amount, const struct at *a)
{
    return a->v + amount * a->x * sin(2 * M_PI * a->s / e->period_s);
}
static double freeze(const struct effect *e, double amount, const struct at *a)
{
    return a->last;
}
static double spike(const struct effect *e, double amount, const struct at *a)
{
    return a->u < e->period_s ? a->v + (a->u < e->period_s / 2 ? amount : -amount) * a->span : a->v;
}
static double drift(const struct effect *e, double amount, const struct at *a)
{
    return a->v + amount * a->span * a->x;
}
static double noise(const struct effect *e, double amount, const struct at *a)
{
    return a->v + amount * a->span * (2 * a->u - 1);
}

static const struct shape shapes[] = {
    {"ramp", ramp}, {"step", ramp},     {"scale", scale}, {"exp", expo},    {"hump", hump},
    {"osc", osc},   {"freeze", freeze}, {"spike", spike}, {"drift", drift}, {"noise", noise},
};

static double draw(struct sim_faults *f)
{
    uint64_t z = f->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static int find_fault(const struct sim_faults *f, struct str id)
{
    for (size_t i = 0; i < f->nfaults; i++)
        if (str_eq(f->fault[i].info.id, id)) return (int)i;
    return -1;
}

static int add_link(struct sim_faults *f, const struct effect *e, size_t tag)
{
    if (f->nlinks == LINKS_MAX) return ERR_TOO_LARGE;
    f->link[f->nlinks] = (struct link){e, 0.92 + 0.16 * draw(f), f->head[tag]};
    f->head[tag] = (int)f->nlinks++;
    return 0;
}

/* "random:8": measured values of any area. */
static int link_random(struct sim_faults *f, const struct effect *e, unsigned n)
{
    while (n > 0) {
        size_t tag = (size_t)(draw(f) * (double)f->plan->ntags) % f->plan->ntags;
        if (f->plan->tags[tag].type != SIM_AI || f->head[tag] >= 0) continue;
        int rc = add_link(f, e, tag);
        if (rc < 0) return rc;
        n--;
    }
    return 0;
}

static int link_tags(struct sim_faults *f, const struct effect *e, struct str tags, struct error *err)
{
    uint64_t n;
    if (str_starts(tags, STR("random:")) && str_to_u64(str_sub(tags, 7, tags.n), &n) == 0)
        return link_random(f, e, (unsigned)n);
    struct sim_pattern p = sim_pattern_parse(tags);
    for (unsigned k = p.from; k <= p.to; k++) {
        struct str code = sim_pattern_text(&f->arena, &p, k);
        int tag = sim_plan_tag(f->plan, code);
        if (tag < 0)
            return error_set(err, ERR_NOT_FOUND, "fault_effects.csv", "no tag '%.*s'", "没有测点“%.*s”", STR_ARG(code));
        int rc = add_link(f, e, (size_t)tag);
        if (rc < 0) return rc;
    }
    return 0;
}

static int add_effect(struct sim_faults *f, const struct str *c, struct error *err)
{
    struct effect *e = &f->effect[f->neffects];
    int fault = find_fault(f, c[0]);
    if (fault < 0 || f->neffects == EFFECTS_MAX)
        return error_set(err, ERR_INVALID, "fault_effects.csv", "unknown fault '%.*s'", "未知故障“%.*s”",
                         STR_ARG(c[0]));
    *e = (struct effect){
        NULL,           sim_cell_number(c[3]), sim_cell_number(c[4]), sim_cell_number(c[5]), sim_cell_number(c[6]),
        (unsigned)fault};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (str_is(c[2], shapes[i].name)) e->shape = &shapes[i];
    if (!e->shape)
        return error_set(err, ERR_INVALID, "fault_effects.csv", "unknown shape '%.*s'", "未知形状“%.*s”",
                         STR_ARG(c[2]));
    f->neffects++;
    return link_tags(f, e, c[1], err);
}

static int load(struct sim_faults *f, struct error *e)
{
    struct sim_row *rows;
    size_t n;
    int rc = sim_table_read(&f->arena, "faults.csv", &rows, &n, e);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n && i < FAULTS_MAX; i++) {
        const struct str *c = rows[i].c;
        f->fault[f->nfaults++] = (struct fault){{c[0], c[2], c[3], c[1], sim_cell_number(c[4]), false, 0}, 0, false};
    }
    rc = sim_table_read(&f->arena, "fault_effects.csv", &rows, &n, e);
    for (size_t i = 0; rc == 0 && i < n; i++) rc = add_effect(f, rows[i].c, e);
    for (size_t i = 0; i < f->nfaults; i++) f->fault[i].due_s = 3600 + draw(f) * (RUN_S - 86400);
    return rc;
}

int sim_faults_new(const struct sim_plan *plan, uint64_t seed, struct sim_faults **ret, struct error *e)
{
    struct sim_faults *f = mem_calloc(1, sizeof *f);
    if (!f) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    arena_init(&f->arena, 1 << 20);
    f->plan = plan, f->rng = seed ^ 0xfa017u;
    f->head = arena_alloc(&f->arena, plan->ntags * sizeof *f->head);
    f->touched = arena_calloc(&f->arena, plan->ntags, 1);
    int rc = f->head && f->touched ? 0 : ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < plan->ntags; i++) f->head[i] = -1;
    if (rc == 0) rc = load(f, e);
    if (rc < 0) {
        sim_faults_free(f);
        return rc;
    }
    *ret = f;
    return 0;
}

void sim_faults_free(struct sim_faults *f)
{
    if (!f) return;
    arena_fini(&f->arena);
    mem_free(f);
}

static void count_touched(struct sim_faults *f)
{
    for (size_t t = 0; t < f->plan->ntags; t++) {
        f->touched[t] = 0;
        for (int k = f->head[t]; k >= 0; k = f->link[k].next)
            f->touched[t] |= f->fault[f->link[k].effect->fault].info.active;
    }
}

int sim_fault_start(struct sim_faults *f, struct str id, double t)
{
    int i = find_fault(f, id);
    if (i < 0) return ERR_NOT_FOUND;
    f->fault[i].info.active = true;
    f->fault[i].info.started_s = t;
    count_touched(f);
    return 0;
}

int sim_fault_stop(struct sim_faults *f, struct str id)
{
    int i = find_fault(f, id);
    if (i < 0) return ERR_NOT_FOUND;
    f->fault[i].info.active = false;
    count_touched(f);
    return 0;
}

size_t sim_fault_count(const struct sim_faults *f)
{
    return f->nfaults;
}

struct sim_fault_info sim_fault_info(const struct sim_faults *f, size_t i)
{
    return f->fault[i].info;
}

double sim_fault_day_s(const struct sim_faults *f, size_t i)
{
    return f->fault[i].due_s;
}

void sim_faults_step(struct sim_faults *f, double t, double since_start, bool scheduled)
{
    bool changed = false;
    for (size_t i = 0; i < f->nfaults; i++) {
        struct fault *x = &f->fault[i];
        bool over = x->info.active && t - x->info.started_s >= x->info.lasts_s;
        bool due = scheduled && !x->done && since_start >= x->due_s;
        if (over) x->info.active = false;
        if (due) x->info.active = x->done = true, x->info.started_s = t;
        changed |= over || due;
    }
    if (changed) count_touched(f);
}

bool sim_faults_touch(const struct sim_faults *f, size_t tag)
{
    return f->touched[tag] != 0;
}

double sim_faults_apply(struct sim_faults *f, size_t tag, double v, double last, double t)
{
    double u = draw(f);
    const struct sim_tag *g = &f->plan->tags[tag];
    for (int k = f->head[tag]; k >= 0; k = f->link[k].next) {
        const struct effect *e = f->link[k].effect;
        const struct sim_fault_info *info = &f->fault[e->fault].info;
        double s = t - info->started_s - e->delay_s;
        if (!info->active || s < 0) continue;
        struct at a = {v, last, e->ramp_s > 0 ? fmin(1, s / e->ramp_s) : 1, s, u, g->hi - g->lo};
        v = e->shape->apply(e, e->amount * f->link[k].factor, &a);
    }
    return v;
}
