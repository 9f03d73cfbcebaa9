/* advice.c - see advice.h. */
#include "modules/history/advice.h"
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "model/sample.h"

#define DIFFERENCES 200000 /* looked at for the noise, evenly over the samples */

static bool is_number(const struct sample *s)
{
    return s->quality != QUALITY_BAD && s->type != SAMPLE_STRING && isfinite(sample_number(s));
}

/* ---- shape ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double noise_of(double *diff, size_t n)
{
    if (n < 2) return NAN;
    double middle = median(diff, n);
    for (size_t i = 0; i < n; i++) diff[i] = fabs(diff[i] - middle);
    return 1.4826 * median(diff, n) / sqrt(2);
}

static size_t differences(const struct sample *s, size_t n, double *diff, double *ret_resolution)
{
    size_t stride = n / DIFFERENCES + 1, k = 0;
    double least = INFINITY;
    for (size_t i = 1; i < n; i++) {
        if (!is_number(&s[i]) || !is_number(&s[i - 1])) continue;
        double d = sample_number(&s[i]) - sample_number(&s[i - 1]);
        if (d != 0 && fabs(d) < least) least = fabs(d);
        if (i % stride == 0 && isfinite(d)) diff[k++] = d;
    }
    *ret_resolution = isfinite(least) ? least : NAN;
    return k;
}

int advice_shape(const struct sample *s, size_t n, struct advice_shape *ret)
{
    struct advice_shape a = {.samples = n, .span = NAN};
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!is_number(&s[i])) continue;
        a.numbers++;
        lo = fmin(lo, sample_number(&s[i]));
        hi = fmax(hi, sample_number(&s[i]));
    }
    if (a.numbers) a.span = hi - lo;
    double *diff = mem_alloc((n / (n / DIFFERENCES + 1) + 1) * sizeof *diff);
    if (!diff) return ERR_NOMEM;
    a.noise = noise_of(diff, differences(s, n, diff, &a.resolution));
    mem_free(diff);
    *ret = a;
    return 0;
}

/* ---- trying a setting ---- */

struct trial {
    const struct sample *raw;
    size_t n, next; /* first raw sample that has not been held against a line */
    bool step;
    struct sample last; /* kept; point 0: none */
    size_t kept, numbers;
    double max, sum;
};

static void hold_against(struct trial *t, const struct sample *x, const struct sample *to)
{
    double a = sample_number(&t->last), line = a;
    if (!is_number(x)) return;
    if (!is_number(&t->last)) line = to && is_number(to) ? sample_number(to) : NAN;
    if (!t->step && to && is_number(to) && is_number(&t->last))
        line = a + (sample_number(to) - a) *
                       ((double)(x->time_us - t->last.time_us) / (double)(to->time_us - t->last.time_us));
    double off = fabs(sample_number(x) - line);
    t->numbers++;
    if (!(off <= t->max)) t->max = off;
    t->sum += off;
}

/* The line from the last kept sample to this one (NULL: no more come, its value holds). */
static void line_to(struct trial *t, const struct sample *to)
{
    for (; t->next < t->n && (!to || t->raw[t->next].time_us < to->time_us); t->next++)
        if (t->last.point) hold_against(t, &t->raw[t->next], to);
    if (!to) return;
    t->kept++;
    t->last = *to;
}

void advice_try(const struct sample *s, size_t n, const struct bus_point *setting, struct advice_result *ret)
{
    struct trial t = {.raw = s, .n = n, .step = setting->step};
    struct point_filter f = {0};
    struct sample out[FILTER_OUT];
    for (size_t i = 0; i < n; i++) {
        int k = filter_put(&f, setting, &s[i], out);
        for (int j = 0; j < k; j++) line_to(&t, &out[j]);
    }
    if (door_end(&f.door, out)) line_to(&t, out);
    line_to(&t, NULL);
    *ret = (struct advice_result){.kept = t.kept,
                                  .saved_percent = n ? 100 * (1 - (double)t.kept / (double)n) : 0,
                                  .max_error = t.numbers ? t.max : NAN,
                                  .mean_error = t.numbers ? t.sum / (double)t.numbers : NAN};
}

double advice_bound(const struct bus_point *c)
{
    double band = c->deadband > 0 ? c->deadband : 0, door = c->door > 0 ? c->door : 0;
    return (c->step ? band : 2 * band) + door;
}

/* ---- what to try, what to take ---- */

static double two_digits(double v)
{
    if (!(v > 0)) return 0;
    double unit = pow(10, floor(log10(v)) - 1);
    return unit > 0 && isfinite(unit) ? round(v / unit) * unit : v;
}

static bool same_setting(const struct bus_point *a, const struct bus_point *b)
{
    return a->deadband == b->deadband && a->door == b->door;
}

static int by_bound(const void *a, const void *b)
{
    double x = advice_bound(a), y = advice_bound(b);
    return (x > y) - (x < y);
}

size_t advice_ladder(const struct advice_shape *shape, double range, const struct bus_point *base,
                     struct bus_point ret[ADVICE_LADDER])
{
    enum unit { NOISE, RANGE, RESOLUTION };
    static const struct rung {
        enum unit unit;
        double deadband, door;
    } rungs[] = {{RANGE, 0, 0},      {RESOLUTION, 0, 0.5}, {NOISE, 0, 0.5},   {NOISE, 0, 1},   {NOISE, 0, 3},
                 {RANGE, 0, 0.0005}, {RANGE, 0, 0.001},    {RANGE, 0, 0.005}, {NOISE, 0.5, 0}, {NOISE, 0.5, 1}};
    double of[] = {[NOISE] = shape->noise, [RANGE] = range > 0 ? range : shape->span, [RESOLUTION] = shape->resolution};
    size_t n = 0;
    _Static_assert(sizeof rungs / sizeof *rungs <= ADVICE_LADDER, "room for the ladder");
    for (size_t i = 0; i < sizeof rungs / sizeof *rungs; i++) {
        struct bus_point c = *base;
        double u = of[rungs[i].unit];
        c.deadband = rungs[i].deadband ? two_digits(rungs[i].deadband * u) : 0;
        c.door = rungs[i].door ? two_digits(rungs[i].door * u) : 0;
        if (base->step) { /* one is like the other: a deadband */
            c.deadband = fmax(c.deadband, c.door);
            c.door = 0;
        }
        bool known = i > 0 && c.deadband == 0 && c.door == 0;
        for (size_t k = 0; k < n; k++) known = known || same_setting(&ret[k], &c);
        if (!known) ret[n++] = c;
    }
    qsort(ret, n, sizeof *ret, by_bound);
    return n;
}

size_t advice_suggest(const struct advice_shape *shape, double range, const struct bus_point *setting,
                      const struct advice_result *result, size_t n)
{
    double whole = range > 0 ? range : shape->span, limit = 0.005 * whole;
    double noise = fmax(shape->noise, 0.0005 * whole); /* fmax leaves a NAN out */
    if (noise < limit) limit = noise;
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        bool within = advice_bound(&setting[i]) <= (limit > 0 ? limit * (1 + 1e-9) : 0) || result[i].max_error == 0;
        if (!within || result[i].saved_percent <= 0) continue;
        if (best == n || result[i].kept < result[best].kept) best = i;
    }
    return best;
}
