/* process_test.c - the plan is whole, the plant repeatable, within range and coupled as the process is. */
#include "sim/faults.h"
#include "sim/process.h"
#include "base/test.h"

#define DAY 86400.0
#define START 1767225600.0

static struct sim_plan *plan_of(void)
{
    static struct sim_plan *p; /* immutable: one for all tests */
    struct error e = {0};
    if (!p && sim_plan_load(&p, &e) < 0) test_fail(__FILE__, __LINE__, "%s %s", e.where, e.text);
    return p;
}

static struct sim_process *process_of(uint64_t seed, double tick)
{
    struct sim_process *p = NULL;
    struct error e = {0};
    struct sim_options o = {.seed = seed, .start_s = START, .tick_s = tick};
    if (sim_process_new(plan_of(), &o, &p, &e) < 0) test_fail(__FILE__, __LINE__, "%s %s", e.where, e.text);
    return p;
}

static int tag(const char *code)
{
    int t = sim_plan_tag(plan_of(), str_of(code));
    if (t < 0) test_fail(__FILE__, __LINE__, "no tag %s", code);
    return t < 0 ? 0 : t;
}

TEST(same_seed_same_values_however_cut)
{
    struct sim_process *a = process_of(7, 1), *b = process_of(7, 1), *c = process_of(8, 1);
    size_t differ = 0;
    sim_process_step(a, 90);
    for (int i = 0; i < 180; i++) sim_process_step(b, 0.5);
    sim_process_step(c, 90);
    for (size_t i = 0; i < plan_of()->ntags; i++) {
        if (sim_process_value(a, i) != sim_process_value(b, i)) test_fail(__FILE__, __LINE__, "tag %zu differs", i);
        differ += sim_process_value(a, i) != sim_process_value(c, i);
    }
    CHECK(differ > plan_of()->ntags / 2);
    sim_process_free(a), sim_process_free(b), sim_process_free(c);
}

TEST(values_stay_in_range_and_on_the_grid_for_a_day)
{
    struct sim_process *p = process_of(1, 300);
    const struct sim_plan *plan = plan_of();
    for (int k = 0; k < 288; k++) {
        sim_process_step(p, 300);
        for (size_t i = 0; i < plan->ntags; i++) {
            double v = sim_process_value(p, i);
            if (!(v >= plan->tags[i].lo && v <= plan->tags[i].hi)) {
                test_fail(__FILE__, __LINE__, "%.*s = %g", STR_ARG(plan->tags[i].code), v);
                sim_process_free(p);
                return;
            }
        }
    }
    sim_process_free(p);
}

/* Correlation of two tags over n samples, dt apart; how often tag a moved. */
static double correlate(struct sim_process *p, const char *a, const char *b, int n, double dt)
{
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    int ta = tag(a), tb = tag(b);
    for (int i = 0; i < n; i++) {
        sim_process_step(p, dt);
        double x = sim_process_value(p, (size_t)ta), y = sim_process_value(p, (size_t)tb);
        sx += x, sy += y, sxx += x * x, syy += y * y, sxy += x * y;
    }
    double vx = sxx / n - sx / n * sx / n, vy = syy / n - sy / n * sy / n;
    return vx > 0 && vy > 0 ? (sxy / n - sx / n * sy / n) / sqrt(vx * vy) : 0;
}

TEST(mill_power_follows_its_load)
{
    struct sim_process *p = process_of(3, 60);
    CHECK(correlate(p, "LT-GRD-SAG01.WI", "LT-GRD-SAG01.JI", 400, 60) > 0.4);
    CHECK(correlate(p, "LT-GRD-SAG01.WI", "LT-GRD-SAG01.SND", 400, 60) < -0.4);
    sim_process_free(p);
}

TEST(converter_blow_drives_the_acid_plant)
{
    struct sim_process *p = process_of(3, 60);
    double high = 0, low = 0;
    int nh = 0, nl = 0;
    for (int i = 0; i < 900; i++) {
        sim_process_step(p, 60);
        int n = 0;
        for (int k = 1; k <= 3; k++) {
            char code[40];
            snprintf(code, sizeof code, "HX-CVT-CV0%d.FI_BL", k);
            n += sim_process_value(p, (size_t)tag(code)) > 20000;
        }
        double so2 = sim_process_value(p, (size_t)tag("HX-ACD-AP01.SO2_I"));
        if (n == 2) high += so2, nh++;
        if (n == 0) low += so2, nl++;
        CHECK(n <= 2);
    }
    CHECK(nh > 100);
    CHECK(nl > 5);
    CHECK(high / nh > low / nl + 1);
    CHECK(correlate(p, "HX-ACD-AP01.FI", "HX-ACD-BLW01.JI", 500, 60) > 0.8);
    sim_process_free(p);
}

TEST(converters_go_through_their_stages)
{
    struct sim_process *p = process_of(5, 60);
    unsigned seen = 0;
    double last = 0;
    for (int i = 0; i < 500; i++) {
        sim_process_step(p, 60);
        double stage = sim_process_value(p, (size_t)tag("HX-CVT-CV01.STG")),
               blast = sim_process_value(p, (size_t)tag("HX-CVT-CV01.FI_BL"));
        seen |= 1u << (unsigned)stage;
        if (stage == 5 && last == 5) CHECK(blast < 1000);
        last = stage;
    }
    CHECK_INT(seen & 0x3e, 0x3e);
    sim_process_free(p);
}

TEST(section_voltage_is_the_sum_of_its_cells)
{
    struct sim_process *p = process_of(1, 60);
    sim_process_step(p, 1800);
    double sum = 0.03;
    for (int i = 1; i <= 36; i++) {
        char code[40];
        snprintf(code, sizeof code, "HX-ER-C%04d.V", i);
        sum += sim_process_value(p, (size_t)tag(code));
    }
    CHECK_DBL(sim_process_value(p, (size_t)tag("HX-ER-SEC01.V")), sum, 0.4);
    sim_process_free(p);
}

TEST(analyser_streams_balance)
{
    struct sim_process *p = process_of(2, 60);
    sim_process_step(p, 6 * 3600);
    double f = sim_process_value(p, (size_t)tag("LT-FLT-FEED.CU")),
           c = sim_process_value(p, (size_t)tag("LT-FLT-CLC.CU"));
    double t = sim_process_value(p, (size_t)tag("LT-FLT-TAIL.CU")), r = c * (f - t) / (f * (c - t));
    CHECK(r > 0.8 && r < 0.96);
    sim_process_free(p);
}

TEST(totalisers_integrate_their_flow)
{
    struct sim_process *p = process_of(2, 60);
    size_t f = (size_t)tag("HX-UTL-EM01.F"), q = (size_t)tag("HX-UTL-EM01.Q");
    double before = sim_process_value(p, q), sum = 0;
    for (int i = 0; i < 120; i++) sim_process_step(p, 60), sum += sim_process_value(p, f) / 60;
    CHECK(sum > 100);
    CHECK_DBL(sim_process_value(p, q) - before, sum, 0.02 * sum);
    sim_process_free(p);
}

TEST(written_set_point_is_followed)
{
    struct sim_process *p = process_of(2, 1);
    size_t sp = (size_t)tag("LT-FLT-PAX1.SP"), fi = (size_t)tag("LT-FLT-PAX1.FI");
    CHECK_INT(sim_process_write(p, sp, 500), 0);
    CHECK_INT(sim_process_write(p, sp, 1e9), ERR_INVALID);
    CHECK_INT(sim_process_write(p, fi, 500), ERR_FORBIDDEN);
    sim_process_step(p, 30);
    CHECK_DBL(sim_process_value(p, sp), 500, 0.01);
    CHECK_DBL(sim_process_value(p, fi), 500, 25);
    sim_process_free(p);
}

/* A fault moves its tags by its size, compared with the same plant without it; most others not at all. */
static void compare(const char *fault, const char *code, double after_s, double lo, double hi)
{
    struct sim_process *a = process_of(4, 60), *b = process_of(4, 60);
    size_t t = (size_t)tag(code);
    CHECK_INT(sim_fault_start(sim_process_faults(b), str_of(fault), sim_process_time(b)), 0);
    sim_process_step(a, after_s), sim_process_step(b, after_s);
    double d = sim_process_value(b, t) - sim_process_value(a, t);
    if (!(d >= lo && d <= hi)) test_fail(__FILE__, __LINE__, "%s %s: moved by %g, want %g..%g", fault, code, d, lo, hi);
    sim_process_free(a), sim_process_free(b);
}

TEST(faults_move_what_they_should)
{
    compare("F03", "HX-ACD-AP01.T1I", 19000, -26, -18);
    compare("F03", "HX-ACD-AP01.SO2_ST", 19000, 150, 600);
    compare("F05", "HX-FSF-FSF01.CE31_FI", 3000, -0.75, -0.45);
    compare("F09", "LT-GRD-SAG01.POIL", 120, -2.3, -1.6);
    compare("F15", "LT-UG-ENV05.VEL", 600, -1.2, -0.5);
    compare("F19", "JM-ROD-RD01.O", 4800, 70, 120);
    compare("F19", "JM-ROD-RD01.T_CU", 4800, 0, 0);
}

TEST(every_fault_starts_touches_and_ends)
{
    struct sim_process *p = process_of(4, 60);
    struct sim_faults *f = sim_process_faults(p);
    CHECK_INT(sim_fault_count(f), 20);
    CHECK_INT(sim_fault_start(f, STR("F99"), 0), ERR_NOT_FOUND);
    for (size_t i = 0; i < sim_fault_count(f); i++) {
        struct sim_fault_info info = sim_fault_info(f, i);
        size_t touched = 0;
        CHECK_INT(sim_fault_start(f, info.id, START), 0);
        for (size_t t = 0; t < plan_of()->ntags; t++) touched += sim_faults_touch(f, t);
        CHECK(touched > 0);
        if (str_is(info.id, "F20")) CHECK_INT(touched, 40);
        CHECK_INT(sim_fault_stop(f, info.id), 0);
        for (size_t t = 0; t < plan_of()->ntags; t++) CHECK(!sim_faults_touch(f, t));
        CHECK(sim_fault_day_s(f, i) > 0 && sim_fault_day_s(f, i) < 60 * DAY);
    }
    CHECK_INT(sim_fault_start(f, STR("F07"), START), 0);
    sim_faults_step(f, START + 1501, 1501, false);
    CHECK(!sim_fault_info(f, 6).active);
    sim_process_free(p);
}
