/* aggregate_test.c - the aggregates: by the published tables of OPC 10000-13, Annex A (read from BORNITE_DOMAIN or
 * ../shared/domain/public; told and passed over when they are not there), and small windows computed by hand. */
#include "modules/history/aggregate.h"
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/test.h"
#include "model/sample.h"
#include "model/tsstore.h"

#define S 1000000LL

static int64_t clock_us(struct str s) /* "12:01:30" */
{
    int h = 0, m = 0, sec = 0;
    char t[16];
    str_to_cstr(s, t, sizeof t);
    CHECK_INT(sscanf(t, "%d:%d:%d", &h, &m, &sec), 3);
    return (h * 3600 + m * 60 + sec) * S;
}

struct line { /* the samples of a point, and a window laid over them */
    struct sample s[64];
    size_t n;
};

static void add(struct line *l, int64_t t_us, double v, uint8_t quality)
{
    struct sample s = {.time_us = t_us, .point = 1, .type = SAMPLE_DOUBLE, .quality = quality, .v.d = v};
    if (isnan(v)) s.type = SAMPLE_NONE;
    l->s[l->n++] = s;
}

/* What a query would hand to the accumulator. */
static void window(const struct line *l, const struct agg_config *c, int64_t from, int64_t to, const char *fn,
                   struct agg_value *ret)
{
    struct agg a = {0};
    struct agg_around d = {.data_from = INT64_MAX, .data_to = INT64_MIN};
    struct sample after = {0}, usable = {0};
    double p;
    for (size_t i = 0; i < l->n; i++) {
        const struct sample *s = &l->s[i];
        bool nothing = s->quality == QUALITY_BAD && s->flags == REASON_NO_DATA, may = agg_usable(c, s);
        if (!nothing && d.data_from == INT64_MAX) d.data_from = s->time_us;
        d.data_to = s->time_us;
        if (s->time_us < from) d.before = *s;
        if (s->time_us < from && may) d.usable[1] = d.usable[0], d.usable[0] = *s;
        if (s->time_us >= to && !after.point) after = *s;
        if (s->time_us >= to && may && !usable.point) usable = *s;
    }
    agg_begin(&a, c, from, to, &d, 1000);
    for (size_t i = 0; i < l->n; i++)
        if (l->s[i].time_us >= from && l->s[i].time_us < to) agg_add(&a, &l->s[i], 1);
    agg_end(&a, &after, &usable);
    const struct agg_fn *f = agg_fn_find(str_of(fn), &p);
    if (f)
        agg_value(&a, f, p, ret);
    else
        test_fail(__FILE__, __LINE__, "no function %s", fn);
    agg_fini(&a);
}

/* ------------------------------------------------------------------ the published tables */

static struct json *published(struct arena *a)
{
    const char *dir = getenv("BORNITE_DOMAIN"),
               *tries[] = {dir, "../shared/domain/public", "../../shared/domain/public",
                           "../../../shared/domain/public"};
    char *text = arena_alloc(a, 1 << 20);
    struct json *doc = NULL;
    for (size_t i = 0; i < sizeof tries / sizeof *tries && text; i++) {
        char path[600];
        if (!tries[i]) continue;
        snprintf(path, sizeof path, "%s/ts_opcua_part13.json", tries[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        size_t n = fread(text, 1, 1 << 20, f);
        (void)fclose(f);
        CHECK_INT(json_parse(a, str_make(text, n), &doc, NULL), 0);
        return doc;
    }
    printf("passed over: ts_opcua_part13.json is not there; name its folder in BORNITE_DOMAIN\n");
    return NULL;
}

static void read_historian(const struct json *h, struct line *l, struct agg_config *c)
{
    *l = (struct line){.n = 0};
    *c = (struct agg_config){.treat_uncertain_as_bad = json_i64(json_get(h, "treat_uncertain_as_bad"), 0) != 0,
                             .stepped = json_i64(json_get(h, "stepped"), 0) != 0,
                             .sloped_extrapolation = json_i64(json_get(h, "use_sloped_extrapolation"), 0) != 0,
                             .percent_good = json_double(json_get(h, "percent_good"), 100),
                             .percent_bad = json_double(json_get(h, "percent_bad"), 100),
                             .per_s = 1};
    for
        json_each (row, json_get(h, "raw")) {
            struct str status = json_str(json_at(row, 2), STR(""));
            uint8_t q = str_starts(status, STR("Good"))  ? QUALITY_GOOD
                        : str_starts(status, STR("Unc")) ? QUALITY_UNCERTAIN
                                                         : QUALITY_BAD;
            add(l, clock_us(json_str(json_at(row, 0), STR(""))), json_double(json_at(row, 1), NAN), q);
            if (str_is(status, "BadNoData")) l->s[l->n - 1].flags = REASON_NO_DATA;
        }
}

/* "TimeAverage2" -> the name of ours */
static const char *ours(struct str part13)
{
    for (size_t i = 0; agg_fn_at(i); i++)
        if (agg_fn_at(i)->part13 && str_is(part13, agg_fn_at(i)->part13)) return agg_fn_at(i)->name;
    test_fail(__FILE__, __LINE__, "no aggregate %.*s", STR_ARG(part13));
    return "count";
}

static int check_table(const struct json *rows, const struct line *l, const struct agg_config *c, int64_t step,
                       struct str name, struct str historian)
{
    int n = 0;
    for
        json_each (row, rows) {
            struct str at = json_str(json_at(row, 0), STR("")), status = json_str(json_at(row, 2), STR(""));
            int64_t from = clock_us(at), to = from + step;
            double want = json_double(json_at(row, 1), NAN);
            struct agg_value got;
            char text[STATUS_TEXT_MAX];
            window(l, c, from, to, ours(name), &got);
            size_t len = status_text(got.status, text);
            struct str severity = str_cut(&status, '#'), mine = str_make(text, len), first = str_cut(&mine, ',');
            bool same = isnan(want) ? isnan(got.v) : fabs(want - got.v) <= 0.001;
            if (!same || !str_eq(first, severity))
                test_fail(__FILE__, __LINE__, "%.*s, historian %.*s, %.*s: %g %.*s, want %g %.*s", STR_ARG(name),
                          STR_ARG(historian), STR_ARG(at), got.v, (int)len, text, want, STR_ARG(severity));
            n++;
        }
    return n;
}

static int check_interval(const struct json *doc, const char *member, int64_t step)
{
    int n = 0;
    for
        json_each (aggregate, json_get(doc, member))
        for
            json_each (h, aggregate) {
                struct line l;
                struct agg_config c;
                read_historian(json_get_str(json_get(doc, "historians"), h->key), &l, &c);
                n += check_table(h, &l, &c, step, aggregate->key, h->key);
            }
    return n;
}

TEST(the_published_tables)
{
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    struct json *doc = published(&a);
    if (!doc) return;
    int n = check_interval(doc, "interval_5s", 5 * S) + check_interval(doc, "interval_16s", 16 * S);
    CHECK_INT(n, 236);
}

/* ------------------------------------------------------------------ by hand */

static const struct agg_config plain = {
    .treat_uncertain_as_bad = true, .percent_good = 100, .percent_bad = 100, .per_s = 1};

struct expect {
    const char *fn;
    double v;
    const char *status;
    int64_t at_s; /* -1: not looked at */
};

static void check_all(const struct line *l, const struct agg_config *c, int64_t from_s, int64_t to_s,
                      const struct expect *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct agg_value got;
        char text[STATUS_TEXT_MAX];
        window(l, c, from_s * S, to_s * S, want[i].fn, &got);
        struct str status = str_make(text, status_text(got.status, text));
        bool same = isnan(want[i].v) ? isnan(got.v) : fabs(want[i].v - got.v) <= 1e-9;
        if (!same || !str_is(status, want[i].status) || (want[i].at_s >= 0 && got.at_us != want[i].at_s * S))
            test_fail(__FILE__, __LINE__, "%s: %.17g %.*s at %lld us, want %.17g %s at %lld s", want[i].fn, got.v,
                      STR_ARG(status), (long long)got.at_us, want[i].v, want[i].status, (long long)want[i].at_s);
    }
}
#define ALL(l, c, from, to, ...) \
    check_all((l), (c), (from), (to), (struct expect[]){__VA_ARGS__}, \
              sizeof((struct expect[]){__VA_ARGS__}) / sizeof(struct expect))

/* 0: 0, 10: 10, 20: 30, 30: 30, 40: 10 */
static struct line good_line(void)
{
    struct line l = {.n = 0};
    add(&l, 0, 0, QUALITY_GOOD);
    add(&l, 10 * S, 10, QUALITY_GOOD);
    add(&l, 20 * S, 30, QUALITY_GOOD);
    add(&l, 30 * S, 30, QUALITY_GOOD);
    add(&l, 40 * S, 10, QUALITY_GOOD);
    return l;
}

TEST(good_samples_sloped)
{
    struct line l = good_line();
    /* [5, 35): lines 5..10, 10..30, 30..30, 30..20: 7.5*5 + 20*10 + 30*10 + 25*5 = 662.5 over 30 s */
    ALL(&l, &plain, 5, 35, {"average", 70.0 / 3, "Good, Calculated", -1},
        {"time_average", 662.5 / 30, "Good, Calculated", -1}, {"time_average2", 662.5 / 30, "Good, Calculated", -1},
        {"total", 662.5, "Good, Calculated", -1}, {"total2", 662.5, "Good, Calculated", -1},
        {"minimum", 10, "Good, Calculated", -1}, {"maximum", 30, "Good, Calculated", -1},
        {"minimum_actual_time", 10, "Good", 10}, {"maximum_actual_time", 30, "Good, MultipleValues", 20},
        {"range", 20, "Good, Calculated", -1}, {"minimum2", 5, "Good, Calculated", -1},
        {"maximum2", 30, "Good, Calculated", -1}, {"minimum_actual_time2", 5, "Good, Interpolated", 5},
        {"maximum_actual_time2", 30, "Good, MultipleValues", 20}, {"range2", 25, "Good, Calculated", -1},
        {"count", 3, "Good, Calculated", -1}, {"interpolative", 5, "Good, Interpolated", 5}, {"start", 10, "Good", 10},
        {"end", 30, "Good", 30}, {"delta", 20, "Good, Calculated", -1}, {"start_bound", 5, "Good, Interpolated", 5},
        {"end_bound", 20, "Good, Interpolated", 35}, {"delta_bounds", 15, "Good, Calculated", -1},
        {"rate", 0.5, "Good, Calculated", -1}, {"number_of_transitions", 2, "Good, Calculated", -1},
        {"duration_good", 30000, "Good, Calculated", -1}, {"duration_bad", 0, "Good, Calculated", -1},
        {"percent_good", 100, "Good, Calculated", -1}, {"percent_bad", 0, "Good, Calculated", -1},
        {"worst_quality", 0, "Good, Calculated, MultipleValues", -1},
        {"worst_quality2", 0, "Good, Calculated, MultipleValues", -1}, {"annotation_count", 0, "Good, Calculated", -1},
        {"median", 30, "Good, Calculated", -1}, {"p25", 20, "Good, Calculated", -1}, {"p0", 10, "Good, Calculated", -1},
        {"p100", 30, "Good, Calculated", -1}, {"first", 10, "Good", 10}, {"last", 30, "Good", 30},
        {"variance_population", 800.0 / 9, "Good, Calculated", -1},
        {"variance_sample", 400.0 / 3, "Good, Calculated", -1},
        {"standard_deviation_population", sqrt(800.0 / 9), "Good, Calculated", -1},
        {"standard_deviation_sample", sqrt(400.0 / 3), "Good, Calculated", -1},
        {"duration_in_state_zero", 0, "Good, Calculated", -1},
        {"duration_in_state_non_zero", 30000, "Good, Calculated", -1});
}

TEST(good_samples_stepped)
{
    struct line l = good_line();
    struct agg_config c = plain;
    c.stepped = true;
    c.per_s = 60;
    /* [5, 35): 0*5 + 10*10 + 30*10 + 30*5 = 550 */
    ALL(&l, &c, 5, 35, {"time_average", 550.0 / 30, "Good, Calculated", -1},
        {"time_average2", 550.0 / 30, "Good, Calculated", -1}, {"total", 550.0 / 60, "Good, Calculated", -1},
        {"minimum2", 0, "Good, Calculated", -1}, {"start_bound", 0, "Good, Interpolated", 5},
        {"end_bound", 30, "Good, Interpolated", 35}, {"rate", 60, "Good, Calculated", -1},
        {"duration_in_state_zero", 5000, "Good, Calculated", -1},
        {"duration_in_state_non_zero", 25000, "Good, Calculated", -1}, {"interpolative", 0, "Good, Interpolated", 5});
}

TEST(a_value_at_the_beginning_is_raw)
{
    struct line l = good_line();
    ALL(&l, &plain, 10, 30, {"minimum", 10, "Good", -1}, {"interpolative", 10, "Good", 10},
        {"start_bound", 10, "Good", 10}, {"end_bound", 30, "Good", 30}, {"count", 2, "Good, Calculated", -1});
}

TEST(beyond_the_data)
{
    struct line l = good_line();
    struct agg_config sloped = plain;
    sloped.sloped_extrapolation = true;
    ALL(&l, &plain, -20, -10, {"count", NAN, "BadNoData", -1}, {"interpolative", NAN, "BadNoData", -1});
    ALL(&l, &plain, 50, 60, {"count", NAN, "BadNoData", -1}, {"average", NAN, "BadNoData", -1},
        {"interpolative", 10, "UncertainDataSubNormal, Interpolated", -1});
    ALL(&l, &sloped, 50, 60, {"interpolative", -10, "UncertainDataSubNormal, Interpolated", -1});
    /* half of it: time counts to the last sample */
    ALL(&l, &plain, 30, 50, {"total", 200, "UncertainDataSubNormal, Calculated, Partial", -1},
        {"time_average2", 20, "UncertainDataSubNormal, Calculated, Partial", -1},
        {"count", 2, "Good, Calculated, Partial", -1}, {"percent_good", 100, "Good, Calculated, Partial", -1});
    ALL(&l, &plain, -10, 10, {"count", 1, "Good, Calculated, Partial", -1},
        {"percent_good", 50, "Good, Calculated, Partial", -1}, {"percent_bad", 50, "Good, Calculated, Partial", -1});
}

/* 0: 10, 10: bad, 20: 30 uncertain, 30: 40, 40: 40 */
static struct line mixed_line(void)
{
    struct line l = {.n = 0};
    add(&l, 0, 10, QUALITY_GOOD);
    add(&l, 10 * S, 99, QUALITY_BAD);
    add(&l, 20 * S, 30, QUALITY_UNCERTAIN);
    add(&l, 30 * S, 40, QUALITY_GOOD);
    add(&l, 40 * S, 40, QUALITY_GOOD);
    return l;
}

TEST(not_all_is_good)
{
    struct line l = mixed_line();
    struct agg_config lax = plain;
    lax.treat_uncertain_as_bad = false;
    ALL(&l, &plain, 0, 40, {"count", 2, "UncertainDataSubNormal, Calculated", -1},
        {"average", 25, "UncertainDataSubNormal, Calculated", -1}, {"minimum", 10, "UncertainDataSubNormal", -1},
        {"duration_good", 20000, "Good, Calculated", -1}, {"duration_bad", 10000, "Good, Calculated", -1},
        {"percent_good", 50, "Good, Calculated", -1}, {"percent_bad", 25, "Good, Calculated", -1},
        {"worst_quality", 2147483648.0, "Good, Calculated", -1},
        /* held at 10 for 10 s, then 40 for 10 s */
        {"total2", 500, "UncertainDataSubNormal, Calculated", -1},
        {"time_average2", 25, "UncertainDataSubNormal, Calculated", -1},
        /* the line from 10 to 40 over 30 s, then 40 */
        {"total", 25 * 30 + 400, "UncertainDataSubNormal, Calculated", -1}, {"delta", 30, "Good, Calculated", -1},
        {"number_of_transitions", 2, "UncertainDataSubNormal, Calculated", -1});
    ALL(&l, &lax, 0, 40, {"total2", 100 + 350 + 400, "UncertainDataSubNormal, Calculated", -1},
        {"total", 20 * 20 + 350 + 400, "UncertainDataSubNormal, Calculated", -1},
        {"number_of_transitions", 3, "UncertainDataSubNormal, Calculated", -1});
    ALL(&l, &plain, 15, 25, {"count", NAN, "Bad", -1}, {"average", NAN, "BadNoData", -1},
        {"interpolative", 25, "UncertainDataSubNormal, Interpolated", -1},
        {"time_average", 30, "UncertainDataSubNormal, Calculated", -1}, {"start_bound", NAN, "BadNoData", -1},
        {"start", 30, "Uncertain", 20}, {"worst_quality", 1073741824.0, "Good, Calculated", -1},
        {"worst_quality2", 2147483648.0, "Good, Calculated", -1});
    struct agg_config half = plain;
    half.percent_good = half.percent_bad = 50;
    ALL(&l, &half, 0, 40, {"count", NAN, "Bad", -1});
    half.percent_bad = 100;
    ALL(&l, &half, 0, 40, {"count", 2, "Good, Calculated", -1});
}

TEST(counters_that_are_reset)
{
    struct line l = {.n = 0};
    add(&l, 0, 100, QUALITY_GOOD);
    add(&l, 10 * S, 130, QUALITY_GOOD);
    add(&l, 20 * S, 5, QUALITY_GOOD); /* reset, then 5 */
    add(&l, 30 * S, 25, QUALITY_GOOD);
    ALL(&l, &plain, 5, 25, {"counter_total", 35, "Good, Calculated", -1});
    ALL(&l, &plain, 25, 30, {"counter_total", 0, "Good, Calculated", -1});
    ALL(&l, &plain, 0, 10, {"counter_total", 0, "Good, Calculated", -1});
}

TEST(names_of_functions)
{
    double p = 0;
    CHECK(agg_fn_find(STR("p99.9"), &p) && p == 99.9);
    CHECK(!agg_fn_find(STR("p101"), &p) && !agg_fn_find(STR("px"), &p) && !agg_fn_find(STR(""), &p));
    for (size_t i = 0; agg_fn_at(i); i++) {
        const struct agg_fn *f = agg_fn_at(i);
        CHECK(agg_fn_find(str_of(f->name), &p) == f);
        CHECK(f->en[0] && f->zh[0] && f->help_en[0] && f->help_zh[0]);
        for (size_t j = 0; j < i; j++) CHECK(strcmp(agg_fn_at(j)->name, f->name) != 0);
    }
}
