/* advice.h - what filters would have saved on the samples of one point: the very filters of the bus (core/filter.h)
 * run over what is stored, and the stored lines are held against the raw samples. Pure; one thread. */
#pragma once
#include "core/filter.h"

#define ADVICE_LADDER 10

/* What the samples are like. */
struct advice_shape {
    size_t samples, numbers; /* numbers: finite, of good or uncertain quality */
    double span;             /* greatest minus smallest; NAN without numbers */
    double noise;            /* standard deviation of the noise: 1.4826 x median absolute deviation of the first
                              * differences, over the root of two (a slope cancels out); NAN below 3 numbers */
    double resolution;       /* smallest difference that is none; NAN without */
};
MUST_CHECK int advice_shape(const struct sample *s, size_t n, struct advice_shape *ret);

struct advice_result {
    size_t kept;
    double saved_percent;
    double max_error,
        mean_error; /* of the numbers against the lines (or steps) between kept samples; NAN: no numbers */
};
/* The setting's deadband, door, intervals and step are used. Samples of one point in order of time. */
void advice_try(const struct sample *s, size_t n, const struct bus_point *setting, struct advice_result *ret);

/* The bound that a setting promises: core/filter.h. */
double advice_bound(const struct bus_point *setting);
/* Settings worth trying: from noise, range and resolution, rounded to two digits, mildest first. `base` gives intervals
 * and step. How many. range: hi - lo of the point, NAN: the span. */
size_t advice_ladder(const struct advice_shape *shape, double range, const struct bus_point *base,
                     struct bus_point ret[ADVICE_LADDER]);
/* The setting that saves most while its bound is at most 0.5 % of the range and no more than the noise (where there is
 * none to speak of: a twentieth of a percent). Its index, or n: none saves anything. */
size_t advice_suggest(const struct advice_shape *shape, double range, const struct bus_point *setting,
                      const struct advice_result *result, size_t n);
