/* converting.c - Peirce-Smith converters, anode furnaces and the casting wheel.
 *
 * A converter runs its recipe: two charges with slag blows and skimming, one copper blow, pouring. At
 * most two blow at a time (the gas line takes no more); the third waits. Anode furnaces are filled by
 * the pours, oxidise, skim, reduce and cast in turn. */
#include "sim/process_int.h"
#include <math.h>

enum stage { WAIT, CHARGE, SLAG, SKIM, COPPER, POUR, REPAIR, STAGES };
enum { C_FI, C_O2E, C_P, C_T, C_TG, C_SO2, C_STG, C_TRQ, C_PBS, C_ANG, C_N };
enum { A_T, A_O, A_NG, A_RED, A_STG };
enum { W_RATE, W_WGT, W_MT, W_REJ };
static const char *const cv_tags[] = {"FI_BL", "O2E", "P_BL", "T_B", "TG", "SO2", "STG", "TRQ", "PBS", "ANG"};
static const char *const af_tags[] = {"T_B", "O_C", "FI_NG", "FI_RED", "STG"};
static const char *const cw_tags[] = {"RATE", "WGT", "MT", "REJ"};

#define CONVERTERS 3
static const struct {
    enum stage stage;
    double minutes;
} recipe[] = {{CHARGE, 30}, {SLAG, 60},    {SKIM, 15}, {CHARGE, 20}, {SLAG, 45},
              {SKIM, 15},   {COPPER, 165}, {POUR, 40}, {WAIT, 20}};
#define STEPS (sizeof recipe / sizeof *recipe)

/* By stage: angle, bath temperature it moves to and how fast (s), hood gas temperature, SO2. */
static const struct {
    double angle, bath, bath_s, hood, so2;
} looks[STAGES] = {
    [WAIT] = {40, 1195, 9000, 150, 0.3}, [CHARGE] = {55, 1200, 3000, 190, 0.5}, [SLAG] = {0, 1262, 2400, 650, 9.4},
    [SKIM] = {95, 1215, 2500, 240, 0.6}, [COPPER] = {0, 1240, 3600, 620, 11.2}, [POUR] = {110, 1215, 4000, 210, 0.4},
    [REPAIR] = {90, 1190, 20000, 60, 0},
};

enum af_stage { AF_WAIT, AF_CHARGE, AF_OXIDISE, AF_SKIM, AF_REDUCE, AF_CAST, AF_STAGES };
static const struct {
    double minutes, oxygen, oxygen_s, gas, red, temp;
} af_looks[AF_STAGES] = {
    [AF_WAIT] = {40, 5200, 9000, 700, 0, 1192},      [AF_CHARGE] = {130, 5200, 3000, 820, 0, 1185},
    [AF_OXIDISE] = {65, 7600, 1500, 850, 0, 1200},   [AF_SKIM] = {30, 7600, 3000, 800, 0, 1198},
    [AF_REDUCE] = {95, 1300, 1800, 560, 1350, 1203}, [AF_CAST] = {190, 1500, 9000, 760, 0, 1196},
};

struct converting {
    struct sim_group cv, af, wheel;
    struct {
        size_t step;
        double left_s, len_s, blast, bath, hood, so2, angle, clog;
    } c[CONVERTERS];
    struct {
        enum af_stage stage;
        double left_s, oxygen, temp, gas, red;
    } a[2];
    double anode_kg, mould;
};

static bool blows(enum stage st)
{
    return st == SLAG || st == COPPER;
}

static int bind(struct sim_process *p, void *state)
{
    struct converting *s = state;
    int rc = sim_bind(p, &s->cv, "converter", cv_tags, C_N);
    if (rc == 0) rc = sim_bind(p, &s->af, "anodefce", af_tags, 5);
    if (rc == 0) rc = sim_bind(p, &s->wheel, "castwheel", cw_tags, 4);
    static const size_t at[CONVERTERS] = {1, 6, 8};
    for (int i = 0; i < CONVERTERS; i++) {
        s->c[i].step = at[i], s->c[i].len_s = recipe[at[i]].minutes * 60;
        s->c[i].left_s = s->c[i].len_s * sim_uniform(p), s->c[i].bath = 1215, s->c[i].hood = 200;
    }
    for (int i = 0; i < 2; i++) {
        s->a[i].stage = i ? AF_CHARGE : AF_CAST;
        s->a[i].left_s = af_looks[s->a[i].stage].minutes * 60 * sim_uniform(p);
        s->a[i].oxygen = i ? 5200 : 1500, s->a[i].temp = 1195, s->a[i].gas = 800;
    }
    s->anode_kg = 378, s->mould = 142;
    return rc;
}

static int count_blowing(const struct converting *s)
{
    int n = 0;
    for (int i = 0; i < CONVERTERS; i++) n += blows(recipe[s->c[i].step].stage);
    return n;
}

/* The next step begins, unless it would be a third blow. */
static void advance(struct sim_process *p, struct converting *s, int i)
{
    size_t next = (s->c[i].step + 1) % STEPS;
    if (blows(recipe[next].stage) && count_blowing(s) >= 2) return;
    s->c[i].step = next;
    s->c[i].len_s = s->c[i].left_s = recipe[next].minutes * 60 * (0.92 + 0.16 * sim_uniform(p));
}

/* Lead leaves the bath near the end of a blow: the line falls like a step. */
static double lead_line(const struct converting *s, int i, enum stage st)
{
    double done = 1 - fmax(0, s->c[i].left_s) / s->c[i].len_s;
    return blows(st) ? 0.08 + 0.7 / (1 + exp((done - 0.88) * 40)) : 0;
}

/* Tuyeres clog for some 25 minutes and are punched free. */
static double pressure(struct sim_process *p, struct converting *s, int i, double dt)
{
    s->c[i].clog += dt / 1500;
    if (s->c[i].clog > 0.9 + 0.2 * sim_uniform(p)) s->c[i].clog = 0;
    double q = s->c[i].blast / 31000;
    return 96 * pow(q, 1.6) * (0.97 + 0.06 * s->c[i].clog);
}

static void step_converter(struct sim_process *p, struct converting *s, int i, double dt)
{
    s->c[i].left_s -= dt;
    if (s->c[i].left_s <= 0) advance(p, s, i);
    enum stage st = recipe[s->c[i].step].stage;
    bool on = blows(st);
    double turn = s->c[i].angle;
    s->c[i].blast = sim_lag(s->c[i].blast, on ? (st == SLAG ? 31000 : 29800) : 0, 30, dt);
    if (s->c[i].blast < 150) s->c[i].blast = 0;
    s->c[i].bath = sim_lag(s->c[i].bath, looks[st].bath, looks[st].bath_s, dt);
    s->c[i].hood = sim_lag(s->c[i].hood, looks[st].hood, on ? 150 : 500, dt);
    s->c[i].so2 = sim_lag(s->c[i].so2, looks[st].so2, 60, dt);
    s->c[i].angle = sim_lag(s->c[i].angle, looks[st].angle, 12, dt);
    turn = fabs(s->c[i].angle - turn) / dt;
    size_t k = (size_t)i;
    sim_set(p, &s->cv, k, C_FI, s->c[i].blast);
    sim_set(p, &s->cv, k, C_O2E, st == SLAG ? 26 : st == COPPER ? 23 : 21);
    sim_set(p, &s->cv, k, C_P, pressure(p, s, i, dt));
    sim_set(p, &s->cv, k, C_T, s->c[i].bath);
    sim_set(p, &s->cv, k, C_TG, s->c[i].hood);
    sim_set(p, &s->cv, k, C_SO2, s->c[i].so2);
    sim_set(p, &s->cv, k, C_STG, st);
    sim_set(p, &s->cv, k, C_TRQ, 24 + 60 * fmin(1, turn));
    sim_set(p, &s->cv, k, C_PBS, lead_line(s, i, st));
    sim_set(p, &s->cv, k, C_ANG, s->c[i].angle);
}

/* What the gas line and the flash furnace see: hood gas, SO2, matte drawn. */
static void hand_on(struct sim_process *p, struct converting *s)
{
    double gas = 0, so2 = 0, matte = 0;
    for (size_t i = 0; i < CONVERTERS; i++) {
        double hood = sim_get(p, &s->cv, i, C_FI) * 1.1;
        gas += hood, so2 += hood * sim_get(p, &s->cv, i, C_SO2);
        matte += recipe[s->c[i].step].stage == CHARGE && s->c[i].left_s > 0 ? 126 : 0;
    }
    p->plant.blowing = count_blowing(s);
    p->plant.cvt_gas_nm3_h = gas;
    p->plant.cvt_so2 = gas > 0 ? so2 / gas : 0;
    p->plant.matte_t_h = matte;
}

/* The two furnaces take turns: one starts to cast only when the other does not. */
static void step_anode(struct sim_process *p, struct converting *s, int i, double dt)
{
    s->a[i].left_s -= dt;
    enum af_stage next = (enum af_stage)((s->a[i].stage + 1) % AF_STAGES);
    bool busy = next == AF_CAST && s->a[1 - i].stage == AF_CAST;
    if (s->a[i].left_s <= 0 && !busy)
        s->a[i].stage = next, s->a[i].left_s = af_looks[next].minutes * 60 * (0.9 + 0.2 * sim_uniform(p));
    enum af_stage st = s->a[i].stage;
    s->a[i].oxygen = sim_lag(s->a[i].oxygen, af_looks[st].oxygen, af_looks[st].oxygen_s, dt);
    s->a[i].temp = sim_lag(s->a[i].temp, af_looks[st].temp, 2400, dt);
    s->a[i].gas = sim_lag(s->a[i].gas, af_looks[st].gas, 120, dt);
    s->a[i].red = sim_lag(s->a[i].red, af_looks[st].red, 60, dt);
    sim_set(p, &s->af, (size_t)i, A_T, s->a[i].temp);
    sim_set(p, &s->af, (size_t)i, A_O, s->a[i].oxygen);
    sim_set(p, &s->af, (size_t)i, A_NG, s->a[i].gas);
    sim_set(p, &s->af, (size_t)i, A_RED, s->a[i].red < 5 ? 0 : s->a[i].red);
    sim_set(p, &s->af, (size_t)i, A_STG, st);
}

static void step_wheel(struct sim_process *p, struct converting *s, double dt)
{
    bool cast = s->a[0].stage == AF_CAST || s->a[1].stage == AF_CAST;
    s->mould = sim_lag(s->mould, cast ? 142 : 45, 1500, dt);
    sim_at(p, &s->wheel, 0)->run = cast;
    sim_set(p, &s->wheel, 0, W_RATE, cast ? 78 : 0);
    if (cast) s->anode_kg = 378 + 1.2 * sim_gauss(p);
    sim_set(p, &s->wheel, 0, W_WGT, s->anode_kg);
    sim_set(p, &s->wheel, 0, W_MT, s->mould + (cast ? 8 * sin(2 * M_PI * p->time_s / 330) : 0));
    sim_set(p, &s->wheel, 0, W_REJ, cast ? 4 : 0);
}

static void step(struct sim_process *p, void *state, double dt)
{
    struct converting *s = state;
    for (int i = 0; i < CONVERTERS; i++) step_converter(p, s, i, dt);
    hand_on(p, s);
    for (int i = 0; i < 2; i++) step_anode(p, s, i, dt);
    step_wheel(p, s, dt);
}

const struct sim_model sim_converting = {
    .name = "converting", .size = sizeof(struct converting), .bind = bind, .step = step};
