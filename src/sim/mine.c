/* mine.c - the open pit: trucks on their rounds, shovels, drills; ore grade and hardness.
 *
 * A truck goes queue - load - haul - dump - return in about 24 minutes; one in ten carries ore, the rest
 * waste. Shovels work while a truck stands under them. Drills go down hole by hole, slower in hard rock. */
#include "sim/process_int.h"
#include <math.h>

enum stage { IDLE, LOAD, HAUL, DUMP, QUEUE, DOWN, EMPTY, STAGES };

/* Mean seconds in a stage, what comes next, speed km/h, fuel L/h. */
static const struct {
    double mean_s, kmh, fuel;
    enum stage next;
} stages[STAGES] = {
    [IDLE] = {600, 0, 22, EMPTY},    [LOAD] = {200, 0, 38, HAUL},  [HAUL] = {590, 23, 285, DUMP},
    [DUMP] = {65, 2, 70, EMPTY},     [QUEUE] = {110, 0, 30, LOAD}, [DOWN] = {5400, 0, 0, EMPTY},
    [EMPTY] = {440, 33, 120, QUEUE},
};

enum { K_LAT, K_LON, K_SPD, K_PAY, K_FUEL, K_STS };
enum { V_LAT, V_LON, V_CYC, V_PWR, V_GRD, V_STS };
enum { D_ROP, D_WOB, D_RPM, D_DEP, D_STS };
static const char *const truck_tags[] = {"LAT", "LON", "SPD", "PAY", "FUEL", "STS"};
static const char *const shovel_tags[] = {"LAT", "LON", "CYC", "PWR", "GRD", "STS"};
static const char *const drill_tags[] = {"ROP", "WOB", "RPM", "DEP", "STS"};

#define TRUCKS 24
#define SHOVELS 5
#define DRILLS 4

struct mine {
    struct sim_group truck, shovel, drill;
    struct {
        enum stage stage;
        double left_s, len_s, load_t;
        int shovel;
    } k[TRUCKS];
    struct {
        double grade, lat, lon;
        int busy;
    } v[SHOVELS];
    struct {
        double depth, hole, move_s, rock;
    } d[DRILLS];
    double hardness;
};

/* Crusher and waste dump stand at fixed places; roads bend on the way. */
static const double dump_at[2][2] = {{25.032, 102.078}, {25.081, 102.021}};

static void enter(struct sim_process *p, struct mine *m, size_t i, enum stage st)
{
    m->k[i].stage = st;
    m->k[i].len_s = m->k[i].left_s = stages[st].mean_s * (0.75 + 0.5 * sim_uniform(p));
    if (st == LOAD) m->k[i].load_t = 218 + 9 * sim_gauss(p);
}

static void next_stage(struct sim_process *p, struct mine *m, size_t i)
{
    enum stage st = stages[m->k[i].stage].next;
    if (m->k[i].stage == DUMP && sim_chance(p, 1.0 / 120, 1)) st = DOWN;
    if (m->k[i].stage == DUMP) m->k[i].shovel = (int)(sim_uniform(p) * (SHOVELS - 1e-9));
    if (st == QUEUE && fmod(p->plant.hour, 8) < 0.25) st = IDLE; /* shift change */
    enter(p, m, i, st);
}

static int bind(struct sim_process *p, void *state)
{
    struct mine *m = state;
    int rc = sim_bind(p, &m->truck, "truck", truck_tags, 6);
    if (rc == 0) rc = sim_bind(p, &m->shovel, "shovel", shovel_tags, 6);
    if (rc == 0) rc = sim_bind(p, &m->drill, "drill", drill_tags, 5);
    if (rc < 0) return rc;
    for (size_t i = 0; i < TRUCKS; i++) {
        m->k[i].shovel = (int)(i % SHOVELS);
        enter(p, m, i, (enum stage[]){LOAD, HAUL, HAUL, DUMP, EMPTY, QUEUE}[i % 6]);
        m->k[i].left_s *= sim_uniform(p);
    }
    for (int i = 0; i < SHOVELS; i++)
        m->v[i].grade = 0.62 + 0.1 * sim_gauss(p), m->v[i].lat = 25.045 + 0.004 * i, m->v[i].lon = 102.035 + 0.006 * i;
    for (int i = 0; i < DRILLS; i++) m->d[i].hole = 16.5, m->d[i].depth = 16 * sim_uniform(p);
    return 0;
}

/* How far from shovel (0) to dump (1), and how full. */
static void where(const struct mine *m, size_t i, double *ret_way, double *ret_fill)
{
    double done = 1 - m->k[i].left_s / m->k[i].len_s;
    switch (m->k[i].stage) {
    case LOAD: *ret_way = 0, *ret_fill = floor(done * 6) / 5; break;
    case HAUL: *ret_way = done, *ret_fill = 1; break;
    case DUMP: *ret_way = 1, *ret_fill = fmax(0, 1 - 1.6 * done); break;
    case EMPTY: *ret_way = 1 - done, *ret_fill = 0; break;
    default: *ret_way = m->k[i].stage == QUEUE ? 0 : 1, *ret_fill = 0; break;
    }
    *ret_fill = fmin(*ret_fill, 1);
}

static void show_truck(struct sim_process *p, struct mine *m, size_t i)
{
    enum stage st = m->k[i].stage;
    const double *to = dump_at[i % 10 != 0];
    int v = m->k[i].shovel;
    double way, fill, moving = stages[st].kmh > 5;
    where(m, i, &way, &fill);
    double bend = 0.006 * sin(M_PI * way), hills = 1 + 0.25 * sin(9 * way + (double)i);
    sim_set(p, &m->truck, i, K_LAT, m->v[v].lat + (to[0] - m->v[v].lat) * way + bend);
    sim_set(p, &m->truck, i, K_LON, m->v[v].lon + (to[1] - m->v[v].lon) * way - bend);
    sim_set(p, &m->truck, i, K_SPD, stages[st].kmh * (moving ? hills : 1));
    sim_set(p, &m->truck, i, K_PAY, m->k[i].load_t * fill);
    sim_set(p, &m->truck, i, K_FUEL, stages[st].fuel * (moving ? 2 - hills : 1));
    sim_set(p, &m->truck, i, K_STS, st);
    sim_at(p, &m->truck, i)->run = st != DOWN;
    if (st == LOAD) m->v[v].busy = 1;
}

static void step_trucks(struct sim_process *p, struct mine *m, double dt)
{
    for (int i = 0; i < SHOVELS; i++) m->v[i].busy = 0;
    for (size_t i = 0; i < TRUCKS; i++) {
        m->k[i].left_s -= dt;
        if (m->k[i].left_s <= 0) next_stage(p, m, i);
        show_truck(p, m, i);
    }
}

static void step_shovels(struct sim_process *p, struct mine *m, double dt)
{
    double sum = 0;
    for (size_t i = 0; i < SHOVELS; i++) {
        double swing = sin(2 * M_PI * p->time_s / 34 + (double)i), busy = m->v[i].busy;
        m->v[i].grade = 0.62 + sim_walk(p, m->v[i].grade - 0.62, 6 * 3600, 0.1, dt);
        sum += m->v[i].grade;
        sim_set(p, &m->shovel, i, V_LAT, m->v[i].lat + 2e-4 * sin(p->time_s / 9000));
        sim_set(p, &m->shovel, i, V_LON, m->v[i].lon + 2e-4 * cos(p->time_s / 7000));
        sim_set(p, &m->shovel, i, V_CYC, busy ? 34 * p->plant.ore_hardness : 0);
        sim_set(p, &m->shovel, i, V_PWR, busy ? 620 + 330 * swing : 140);
        sim_set(p, &m->shovel, i, V_GRD, m->v[i].grade);
        sim_set(p, &m->shovel, i, V_STS, busy);
    }
    m->hardness = sim_walk(p, m->hardness, 8 * 3600, 0.05, dt);
    p->plant.ore_hardness = 1 + m->hardness;
    p->plant.ore_grade = sim_lag(p->plant.ore_grade, sum / SHOVELS, 5 * 3600, dt);
}

static void step_drill(struct sim_process *p, struct mine *m, size_t i, double dt)
{
    m->d[i].rock = sim_walk(p, m->d[i].rock, 400, 0.12, dt);
    double hard = p->plant.ore_hardness * (1 + m->d[i].rock), rop = sim_base(p, &m->drill, i, D_ROP) / hard;
    if (m->d[i].move_s > 0) {
        m->d[i].move_s -= dt, rop = 0;
        if (m->d[i].move_s <= 0) m->d[i].depth = 0, m->d[i].hole = 16 + sim_uniform(p);
    } else if ((m->d[i].depth += rop * dt / 3600) >= m->d[i].hole) {
        m->d[i].depth = m->d[i].hole, m->d[i].move_s = 420 + 300 * sim_uniform(p);
    }
    bool on = rop > 0;
    sim_set(p, &m->drill, i, D_ROP, rop);
    sim_set(p, &m->drill, i, D_WOB, on ? 260 * (0.7 + 0.3 * hard) : 0);
    sim_set(p, &m->drill, i, D_RPM, on ? 95 : 0);
    /* The depth counter has its own class of noise in the table; the hole itself does not jump. */
    sim_set(p, &m->drill, i, D_DEP, m->d[i].depth);
    sim_set(p, &m->drill, i, D_STS, on ? 1 : 2);
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct mine *m = state;
    step_trucks(p, m, dt);
    step_shovels(p, m, dt);
    for (size_t i = 0; i < DRILLS; i++) step_drill(p, m, i, dt);
}

const struct sim_model sim_mine = {.name = "mine", .size = sizeof(struct mine), .bind = bind, .step = step};
