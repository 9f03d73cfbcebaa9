/* columns_test.c - columns of windows: from summaries and from samples the same, on random data; stretches make no
 * difference; what held until the end of the data; the next usable sample is looked for where one is needed. */
#include "modules/history/columns.h"
#include "modules/history/store_test.h"

static struct array_store store;
static struct ts_store_ops with_windows;

static uint64_t state = 42;
static uint64_t rnd(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

static void random_store(unsigned bad_in_hundred)
{
    array_init(&store);
    with_windows = array_ops;
    with_windows.windows = ts_windows_by_scan;
    store.base.ops = &with_windows;
    int64_t t = (int64_t)rnd(5000000);
    for (int i = 0; i < 600; i++) {
        uint8_t q = rnd(100) >= bad_in_hundred ? QUALITY_GOOD : rnd(2) ? QUALITY_BAD : QUALITY_UNCERTAIN;
        put(&store, t, (double)(int64_t)rnd(1000) / 8 - 20, q);
        t += 100000 + (int64_t)rnd(rnd(20) ? 3000000 : 40000000);
    }
}

static size_t plan_of(struct column_plan *p, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) p->fn[i] = agg_fn_find(str_of(names[i]), &p->p[i]);
    return p->nfn = n;
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

/* All but the bit for several values, which a summary cannot know. */
static void compare(const struct column_plan *p, const struct columns *a, const struct columns *b, const int64_t *edges)
{
    for (size_t f = 0; f < p->nfn; f++)
        for (size_t i = 0; i < p->rows; i++)
            if (!same(a->v[f][i], b->v[f][i]) || a->status[f][i] != b->status[f][i])
                test_fail(__FILE__, __LINE__, "%s [%lld, %lld): %.17g %x by summary, %.17g %x by samples",
                          p->fn[f]->name, (long long)edges[i], (long long)edges[i + 1], a->v[f][i], a->status[f][i],
                          b->v[f][i], b->status[f][i]);
}

static void both_ways(bool stepped, bool lax)
{
    static const char *const names[] = {"average",
                                        "time_average",
                                        "time_average2",
                                        "total",
                                        "total2",
                                        "minimum",
                                        "maximum",
                                        "range",
                                        "count",
                                        "delta",
                                        "duration_good",
                                        "percent_good",
                                        "percent_bad",
                                        "standard_deviation_sample",
                                        "variance_population",
                                        "annotation_count"};
    int64_t edges[61];
    struct column_plan p = {.store = &store.base, .edges = edges, .rows = 60, .stepped_given = true};
    struct columns quick, raw;
    p.cfg = (struct agg_config){
        .treat_uncertain_as_bad = !lax, .stepped = stepped, .percent_good = 100, .percent_bad = 100, .per_s = 1};
    CHECK_INT(plan_of(&p, names, sizeof names / sizeof *names), 16);
    edges[0] = (int64_t)rnd(2000000) - 20000000;
    for (int i = 0; i < 60; i++) edges[i + 1] = edges[i] + 1 + (int64_t)rnd(60000000);
    REQUIRE(columns_init(&quick, &p) == 0);
    REQUIRE(columns_init(&raw, &p) == 0);
    CHECK_INT(columns_fill(&quick, &p, 1, stepped, 0, 60, NULL), 0);
    p.raw_only = true;
    size_t cut = rnd(61); /* in two stretches */
    CHECK_INT(columns_fill(&raw, &p, 1, stepped, 0, cut, NULL), 0);
    CHECK_INT(columns_fill(&raw, &p, 1, stepped, cut, 60, NULL), 0);
    compare(&p, &quick, &raw, edges);
    columns_fini(&quick);
    columns_fini(&raw);
}

TEST(summaries_and_samples_agree)
{
    static const unsigned bad[] = {0, 2, 10, 60};
    for (int round = 0; round < 24; round++) {
        random_store(bad[round % 4]);
        store.batch = rnd(9);
        both_ways(round & 1, round & 2);
    }
}

/* Stretch by stretch, batch by batch: the same as at once, also of functions that look on. */
TEST(stretches_make_no_difference)
{
    static const char *const names[] = {"interpolative",
                                        "time_average",
                                        "minimum2",
                                        "maximum_actual_time2",
                                        "end_bound",
                                        "counter_total",
                                        "number_of_transitions",
                                        "median",
                                        "p90",
                                        "worst_quality2",
                                        "duration_in_state_non_zero",
                                        "start"};
    int64_t edges[41];
    for (int round = 0; round < 12; round++) {
        struct column_plan p = {.store = &store.base, .edges = edges, .rows = 40, .max_values = 10000};
        struct columns all, some;
        random_store(30);
        p.cfg =
            (struct agg_config){.treat_uncertain_as_bad = true, .percent_good = 100, .percent_bad = 100, .per_s = 1};
        plan_of(&p, names, sizeof names / sizeof *names);
        edges[0] = 3000000;
        for (int i = 0; i < 40; i++) edges[i + 1] = edges[i] + 1 + (int64_t)rnd(40000000);
        REQUIRE(columns_init(&all, &p) == 0);
        REQUIRE(columns_init(&some, &p) == 0);
        CHECK_INT(columns_fill(&all, &p, 1, round & 1, 0, 40, NULL), 0);
        store.batch = 1 + rnd(5);
        for (size_t i = 0; i < 40; i++) CHECK_INT(columns_fill(&some, &p, 1, round & 1, i, i + 1, NULL), 0);
        compare(&p, &all, &some, edges);
        columns_fini(&all);
        columns_fini(&some);
    }
}

TEST(the_last_value_holds_until_the_end_of_the_data)
{
    int64_t edges[] = {0, 10000000, 20000000, 30000000};
    static const char *const names[] = {"time_average2", "total", "count"};
    struct column_plan p = {.store = &store.base, .edges = edges, .rows = 3};
    struct columns c;
    struct sample other = {.time_us = 25000000, .point = 2, .type = SAMPLE_DOUBLE};
    p.cfg = (struct agg_config){.treat_uncertain_as_bad = true, .percent_good = 100, .percent_bad = 100, .per_s = 1};
    plan_of(&p, names, 3);
    array_init(&store);
    put(&store, 0, 4, QUALITY_GOOD);
    (void)array_append(&store.base, &other, 1, NULL); /* the store goes on to 25 s: the first point stood still */
    REQUIRE(columns_init(&c, &p) == 0);
    CHECK_INT(columns_fill(&c, &p, 1, false, 0, 3, NULL), 0);
    for (int i = 0; i < 3; i++) CHECK_DBL(c.v[0][i], 4, 0);
    CHECK_INT(c.q[0][0] | c.q[0][1], QUALITY_GOOD);
    CHECK_INT(c.q[0][2], QUALITY_UNCERTAIN); /* reaches out of the data */
    CHECK_DBL(c.v[1][1], 40, 1e-12);
    CHECK_DBL(c.v[1][2], 20, 1e-12); /* 5 s of it */
    CHECK_DBL(c.v[2][1], 0, 0);
    columns_fini(&c);
}

TEST(values_at_times)
{
    int64_t edges[] = {0, 5000000, 10000000, 15000000, 99000000};
    struct column_plan p = {.store = &store.base, .kind = COLUMN_INTERPOLATED, .edges = edges, .rows = 4, .nfn = 1};
    struct columns c;
    array_init(&store);
    put(&store, 5000000, 10, QUALITY_GOOD);
    put(&store, 15000000, 30, QUALITY_BAD);
    REQUIRE(columns_init(&c, &p) == 0);
    CHECK_INT(columns_fill(&c, &p, 1, false, 0, 4, NULL), 0);
    CHECK(isnan(c.v[0][0]) && c.q[0][0] == QUALITY_BAD);
    CHECK(c.v[0][1] == 10 && c.q[0][1] == QUALITY_GOOD);
    CHECK(c.v[0][2] == 10 && c.q[0][2] == QUALITY_UNCERTAIN);
    CHECK(isnan(c.v[0][3]) && c.q[0][3] == QUALITY_BAD);
    p.kind = COLUMN_LAST;
    CHECK_INT(columns_fill(&c, &p, 1, false, 0, 4, NULL), 0);
    CHECK(c.v[0][2] == 10 && c.q[0][2] == QUALITY_GOOD);
    columns_fini(&c);
}

TEST(refusals)
{
    int64_t edges[] = {0, 1000000000};
    struct column_plan p = {.store = &store.base, .edges = edges, .rows = 1, .max_values = 5};
    struct columns c;
    struct error e = {0};
    static const char *const names[] = {"median"};
    plan_of(&p, names, 1);
    random_store(0);
    REQUIRE(columns_init(&c, &p) == 0);
    CHECK_INT(columns_fill(&c, &p, 1, false, 0, 1, &e), ERR_TOO_LARGE);
    CHECK_Z(e.where, "interval");
    store.fail = ERR_IO;
    CHECK_INT(columns_fill(&c, &p, 1, false, 0, 1, &e), ERR_IO);
    columns_fini(&c);
    mem_fail_at(2, true);
    CHECK_INT(columns_init(&c, &p), ERR_NOMEM);
    mem_fail_at(0, false);
}
