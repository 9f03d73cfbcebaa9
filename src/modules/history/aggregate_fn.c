/* aggregate_fn.c - the table of functions over a window: see aggregate.h. Each row names the rule of the standard that
 * its status follows (OPC 10000-13, 5.4.3.4 and following):
 *   by value  good, uncertain or bad by the share of samples (PercentDataGood, PercentDataBad)
 *   by time   the same by seconds of regions
 *   any       uncertain as soon as anything in the window is not good, Bad_NoData when nothing is */
#include <math.h>
#include <stdlib.h>
#include "base/error.h"
#include "model/sample.h"
#include "model/tsstore.h"
#include "modules/history/aggregate.h"

#define MS 1000.0 /* the type Duration is in milliseconds */

/* ------------------------------------------------------------------ status */

static void give(struct agg_value *ret, double v, uint32_t status)
{
    ret->v = (status & STATUS_BAD) ? NAN : v;
    ret->status = status & STATUS_BAD ? status & 0xffff0000u : status;
}

static void give_nothing(struct agg_value *ret)
{
    give(ret, NAN, STATUS_BAD_NODATA);
}

static uint32_t by_share(const struct agg_config *c, double good, double bad, double all)
{
    uint32_t status = STATUS_GOOD;
    if (all <= 0) return status;
    if (good / all * 100 < c->percent_good) status = STATUS_UNCERTAIN_SUBNORMAL;
    if (bad / all * 100 >= c->percent_bad) status = STATUS_BAD;
    return status;
}

static uint32_t by_value(const struct agg *a)
{
    uint64_t bad = a->bad + (a->cfg->treat_uncertain_as_bad ? a->uncertain : 0);
    return by_share(a->cfg, (double)a->good, (double)bad, (double)(a->good + a->uncertain + a->bad)) |
           STATUS_CALCULATED;
}

static uint32_t by_time(const struct agg *a)
{
    return by_share(a->cfg, a->good_s, a->bad_s, a->good_s + a->uncertain_s + a->bad_s) | STATUS_CALCULATED;
}

static uint32_t any_value(const struct agg *a)
{
    return (a->uncertain + a->bad ? STATUS_UNCERTAIN_SUBNORMAL : STATUS_GOOD) | STATUS_CALCULATED;
}

static uint32_t any_time(const struct agg *a)
{
    bool good = a->uncertain_s <= 0 && a->bad_s <= 0 && a->to <= a->around.data_to;
    return (good ? STATUS_GOOD : STATUS_UNCERTAIN_SUBNORMAL) | STATUS_CALCULATED;
}

/* ------------------------------------------------------------------ averages and totals */

static void f_interpolative(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->at_from.v, a->at_from.status);
}

static void f_average(const struct agg *a, double p, struct agg_value *ret)
{
    if (!a->good) return give_nothing(ret);
    give(ret, a->sum / (double)a->good, by_value(a));
}

static uint32_t gap_status(const struct agg *a)
{
    bool good = !a->gap && a->to <= a->around.data_to && a->from >= a->around.data_from;
    return (good ? STATUS_GOOD : STATUS_UNCERTAIN_SUBNORMAL) | STATUS_CALCULATED;
}

static void f_time_average(const struct agg *a, double p, struct agg_value *ret)
{
    if (a->usable_s > 0)
        give(ret, a->integral / a->usable_s, gap_status(a));
    else if (!isnan(a->at_from.v))
        give(ret, a->at_from.v, gap_status(a));
    else
        give_nothing(ret);
}

static void f_total(const struct agg *a, double p, struct agg_value *ret)
{
    if (a->usable_s <= 0) return give_nothing(ret);
    give(ret, a->integral / a->cfg->per_s, gap_status(a));
}

static void f_time_average2(const struct agg *a, double p, struct agg_value *ret)
{
    double s = a->good_s + a->uncertain_s;
    if (s > 0)
        give(ret, a->integral2 / s, any_time(a));
    else if (!isnan(a->start.v) && a->from == a->around.data_to)
        give(ret, a->start.v, any_time(a));
    else
        give_nothing(ret);
}

static void f_total2(const struct agg *a, double p, struct agg_value *ret)
{
    if (a->good_s + a->uncertain_s <= 0) return give_nothing(ret);
    give(ret, a->integral2 / a->cfg->per_s, any_time(a));
}

/* ------------------------------------------------------------------ extremes */

static void extreme(const struct agg *a, double v, int64_t at, struct agg_value *ret)
{
    if (isnan(v)) return give_nothing(ret);
    uint32_t status = any_value(a);
    if (at == a->from) status &= ~STATUS_CALCULATED; /* a raw value with its own time */
    give(ret, v, status);
}

static void actual(const struct agg *a, double v, int64_t at, bool again, struct agg_value *ret)
{
    if (isnan(v)) return give_nothing(ret);
    give(ret, v, (any_value(a) & ~STATUS_CALCULATED) | (again ? STATUS_MULTIPLE : 0));
    ret->at_us = at;
}

static void f_min(const struct agg *a, double p, struct agg_value *ret)
{
    extreme(a, a->min, a->min_us, ret);
}
static void f_max(const struct agg *a, double p, struct agg_value *ret)
{
    extreme(a, a->max, a->max_us, ret);
}
static void f_min_time(const struct agg *a, double p, struct agg_value *ret)
{
    actual(a, a->min, a->min_us, a->min_again, ret);
}
static void f_max_time(const struct agg *a, double p, struct agg_value *ret)
{
    actual(a, a->max, a->max_us, a->max_again, ret);
}
static void f_range(const struct agg *a, double p, struct agg_value *ret)
{
    if (isnan(a->min)) return give_nothing(ret);
    give(ret, a->max - a->min, any_value(a));
}

/* With simple bounds. */
static void extreme2(const struct agg *a, double v, int64_t at, bool again, bool own_time, struct agg_value *ret)
{
    if (isnan(v)) return give_nothing(ret);
    uint32_t status = any_time(a);
    bool edge = at == a->from || at == a->to,
         raw_edge = at == a->from && !(a->start.status & STATUS_INTERPOLATED & 0xff);
    if (own_time) status = (status & ~STATUS_CALCULATED) | (edge && !raw_edge ? STATUS_INTERPOLATED : 0);
    if (!own_time && raw_edge) status &= ~STATUS_CALCULATED;
    give(ret, v, status | (again && own_time ? STATUS_MULTIPLE : 0));
    if (own_time) ret->at_us = at;
}

static void f_min2(const struct agg *a, double p, struct agg_value *ret)
{
    extreme2(a, a->min2, a->min2_us, false, false, ret);
}
static void f_max2(const struct agg *a, double p, struct agg_value *ret)
{
    extreme2(a, a->max2, a->max2_us, false, false, ret);
}
static void f_min_time2(const struct agg *a, double p, struct agg_value *ret)
{
    extreme2(a, a->min2, a->min2_us, a->min2_again, true, ret);
}
static void f_max_time2(const struct agg *a, double p, struct agg_value *ret)
{
    extreme2(a, a->max2, a->max2_us, a->max2_again, true, ret);
}
static void f_range2(const struct agg *a, double p, struct agg_value *ret)
{
    if (isnan(a->min2)) return give_nothing(ret);
    give(ret, a->max2 - a->min2, any_time(a));
}

/* ------------------------------------------------------------------ counts and durations */

static void f_count(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, (double)a->good, by_value(a));
}
static void f_annotations(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, 0, STATUS_GOOD | STATUS_CALCULATED); /* there are none */
}
static void f_zero(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->zero_s * MS, by_time(a));
}
static void f_nonzero(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->nonzero_s * MS, by_time(a));
}
static void f_transitions(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, (double)a->transitions, by_value(a));
}
static void f_duration_good(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->start_good_s * MS, STATUS_GOOD | STATUS_CALCULATED);
}
static void f_duration_bad(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->start_bad_s * MS, STATUS_GOOD | STATUS_CALCULATED);
}

static void percent(const struct agg *a, double part, struct agg_value *ret)
{
    int64_t end = a->to < a->around.data_to ? a->to : a->around.data_to;
    double all = (double)(end - a->from) / 1e6;
    if (all <= 0) return give_nothing(ret);
    give(ret, part / all * 100, STATUS_GOOD | STATUS_CALCULATED);
}
static void f_percent_good(const struct agg *a, double p, struct agg_value *ret)
{
    percent(a, a->start_good_s, ret);
}
static void f_percent_bad(const struct agg *a, double p, struct agg_value *ret)
{
    percent(a, a->start_bad_s, ret);
}

/* ------------------------------------------------------------------ first, last, bounds */

static void raw(const struct agg *a, const struct sample *s, struct agg_value *ret)
{
    static const uint32_t status[] = {STATUS_GOOD, STATUS_UNCERTAIN, STATUS_BAD};
    if (!s->point) return give_nothing(ret);
    give(ret, sample_number(s), status[s->quality <= QUALITY_BAD ? s->quality : QUALITY_BAD]);
    ret->at_us = s->time_us;
}
static void f_start(const struct agg *a, double p, struct agg_value *ret)
{
    raw(a, &a->first, ret);
}
static void f_end(const struct agg *a, double p, struct agg_value *ret)
{
    raw(a, &a->last, ret);
}
static void f_first(const struct agg *a, double p, struct agg_value *ret)
{
    raw(a, &a->first_good, ret);
}
static void f_last(const struct agg *a, double p, struct agg_value *ret)
{
    raw(a, &a->last_good, ret);
}
static void f_delta(const struct agg *a, double p, struct agg_value *ret)
{
    if (!a->good) return give_nothing(ret);
    bool whole = a->first.time_us == a->first_good.time_us && a->last.time_us == a->last_good.time_us;
    give(ret, sample_number(&a->last_good) - sample_number(&a->first_good),
         (whole ? STATUS_GOOD : STATUS_UNCERTAIN_SUBNORMAL) | STATUS_CALCULATED);
}
static void f_start_bound(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->start.v, a->start.status);
}
static void f_end_bound(const struct agg *a, double p, struct agg_value *ret)
{
    give(ret, a->end.v, a->end.status);
    ret->at_us = a->to;
}

static uint32_t both_bounds(const struct agg *a)
{
    return (status_quality(a->start.status) || status_quality(a->end.status) ? STATUS_UNCERTAIN_SUBNORMAL
                                                                             : STATUS_GOOD) |
           STATUS_CALCULATED;
}
static void f_delta_bounds(const struct agg *a, double p, struct agg_value *ret)
{
    if (isnan(a->start.v) || isnan(a->end.v)) return give_nothing(ret);
    give(ret, a->end.v - a->start.v, both_bounds(a));
}
static void f_rate(const struct agg *a, double p, struct agg_value *ret)
{
    if (isnan(a->start.v) || isnan(a->end.v)) return give_nothing(ret);
    give(ret, (a->end.v - a->start.v) / ((double)(a->to - a->from) / 1e6) * a->cfg->per_s, both_bounds(a));
}
static void f_counter(const struct agg *a, double p, struct agg_value *ret)
{
    if (!a->prev_usable.point) return give_nothing(ret);
    give(ret, a->counter, any_value(a));
}

/* ------------------------------------------------------------------ quality */

static void worst(const struct agg *a, uint8_t q, bool again, struct agg_value *ret)
{
    static const uint32_t code[] = {STATUS_GOOD, STATUS_UNCERTAIN, STATUS_BAD};
    give(ret, code[q], STATUS_GOOD | STATUS_CALCULATED | (again ? STATUS_MULTIPLE : 0));
}
static void f_worst(const struct agg *a, double p, struct agg_value *ret)
{
    if (!a->first.point) return give_nothing(ret);
    worst(a, a->worst, a->worst_again, ret);
}
static void f_worst2(const struct agg *a, double p, struct agg_value *ret)
{
    uint8_t q = status_quality(a->start.status);
    bool at_edge = !(a->first.point && a->first.time_us == a->from); /* else the sample there counts already */
    if (!a->first.point || (at_edge && q > a->worst)) return worst(a, q, false, ret);
    worst(a, a->worst, a->worst_again || (at_edge && q == a->worst), ret);
}

/* ------------------------------------------------------------------ statistics */

static double variance(const struct agg *a, bool population)
{
    double n = (double)a->good - (population ? 0 : 1);
    return a->good <= 1 ? 0 : a->m2 / n;
}
static void statistic(const struct agg *a, double v, struct agg_value *ret)
{
    if (!a->good) return give_nothing(ret);
    give(ret, v, by_value(a));
}
static void f_std_sample(const struct agg *a, double p, struct agg_value *ret)
{
    statistic(a, sqrt(variance(a, false)), ret);
}
static void f_var_sample(const struct agg *a, double p, struct agg_value *ret)
{
    statistic(a, variance(a, false), ret);
}
static void f_std_population(const struct agg *a, double p, struct agg_value *ret)
{
    statistic(a, sqrt(variance(a, true)), ret);
}
static void f_var_population(const struct agg *a, double p, struct agg_value *ret)
{
    statistic(a, variance(a, true), ret);
}

static int by_number(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Between the closest ranks (Hyndman and Fan, type 7). */
static void f_percentile(const struct agg *a, double p, struct agg_value *ret)
{
    if (!a->nvalue) return give_nothing(ret);
    if (!a->sorted) qsort(a->value, a->nvalue, sizeof *a->value, by_number);
    ((struct agg *)a)->sorted = true;
    double rank = p / 100 * (double)(a->nvalue - 1);
    size_t low = (size_t)rank, high = low + 1 < a->nvalue ? low + 1 : low;
    double v = a->value[low] + (a->value[high] - a->value[low]) * (rank - (double)low);
    give(ret, v, by_value(a));
}
static void f_median(const struct agg *a, double p, struct agg_value *ret)
{
    f_percentile(a, 50, ret);
}

/* ------------------------------------------------------------------ from summaries of windows of good samples */

static double q_mean(const struct ts_summary *s, const struct agg_config *c)
{
    return s->mean;
}
static double q_twa(const struct ts_summary *s, const struct agg_config *c)
{
    return s->twa;
}
static double q_total(const struct ts_summary *s, const struct agg_config *c)
{
    return s->integral / c->per_s;
}
static double q_min(const struct ts_summary *s, const struct agg_config *c)
{
    return s->min;
}
static double q_max(const struct ts_summary *s, const struct agg_config *c)
{
    return s->max;
}
static double q_range(const struct ts_summary *s, const struct agg_config *c)
{
    return s->max - s->min;
}
static double q_count(const struct ts_summary *s, const struct agg_config *c)
{
    return (double)s->good;
}
static double q_good_ms(const struct ts_summary *s, const struct agg_config *c)
{
    return s->good_s * MS;
}
static double q_zero(const struct ts_summary *s, const struct agg_config *c)
{
    return 0;
}
static double q_hundred(const struct ts_summary *s, const struct agg_config *c)
{
    return 100;
}
static double q_delta(const struct ts_summary *s, const struct agg_config *c)
{
    return sample_number(&s->last) - sample_number(&s->first);
}
static double q_var_sample(const struct ts_summary *s, const struct agg_config *c)
{
    return s->usable > 1 ? s->m2 / (double)(s->usable - 1) : 0;
}
static double q_std_sample(const struct ts_summary *s, const struct agg_config *c)
{
    return sqrt(q_var_sample(s, c));
}
static double q_var_population(const struct ts_summary *s, const struct agg_config *c)
{
    return s->usable ? s->m2 / (double)s->usable : 0;
}
static double q_std_population(const struct ts_summary *s, const struct agg_config *c)
{
    return sqrt(q_var_population(s, c));
}

/* ------------------------------------------------------------------ the table */

#define CALC STATUS_CALCULATED
static const struct agg_fn table[] = {
    {"interpolative", "Interpolative", "Interpolated", "插值",
     "The value at the beginning of the window, on the line between its good neighbours.",
     "窗口起点的值，由相邻良好值插值得到。", AGG_LOOKS_ON, f_interpolative, NULL, 0},
    {"average", "Average", "Average", "平均值", "Mean of the good samples, each counted once.", "良好样本的算术平均。",
     0, f_average, q_mean, CALC},
    {"time_average", "TimeAverage", "Time average", "时间加权平均",
     "Mean over time; stretches without good values are bridged by a line.", "按时间加权；缺少良好值的区段以直线连接。",
     AGG_LOOKS_ON | AGG_TO_END, f_time_average, q_twa, CALC},
    {"time_average2", "TimeAverage2", "Time average (good time only)", "时间加权平均（仅有效时间）",
     "Mean over the time for which there is a usable value.", "仅按有可用值的时间加权。", AGG_TO_END, f_time_average2,
     q_twa, CALC},
    {"total", "Total", "Total", "累计（积分）",
     "Integral over time; `per` is the unit of time of the rate (t/h: per=h). Gaps are bridged.",
     "对时间积分；per 为流量单位中的时间（t/h 时 per=h）。缺口以直线连接。", AGG_LOOKS_ON | AGG_TO_END, f_total,
     q_total, CALC},
    {"total2", "Total2", "Total (good time only)", "累计（仅有效时间）",
     "Integral over the time for which there is a usable value.", "仅对有可用值的时间积分。", AGG_TO_END, f_total2,
     q_total, CALC},
    {"minimum", "Minimum", "Minimum", "最小值", "Smallest good sample.", "最小的良好样本。", 0, f_min, q_min, CALC},
    {"maximum", "Maximum", "Maximum", "最大值", "Largest good sample.", "最大的良好样本。", 0, f_max, q_max, CALC},
    {"minimum_actual_time", "MinimumActualTime", "Minimum and its time", "最小值及时刻",
     "Smallest good sample with its own time.", "最小的良好样本及其时刻。", AGG_TIME, f_min_time, NULL, 0},
    {"maximum_actual_time", "MaximumActualTime", "Maximum and its time", "最大值及时刻",
     "Largest good sample with its own time.", "最大的良好样本及其时刻。", AGG_TIME, f_max_time, NULL, 0},
    {"range", "Range", "Range", "极差", "Largest less smallest good sample.", "良好样本的最大值减最小值。", 0, f_range,
     q_range, CALC},
    {"minimum2", "Minimum2", "Minimum with bounds", "最小值（含边界）",
     "Also the values at the ends of the window count.", "窗口两端的边界值也计入。", 0, f_min2, NULL, 0},
    {"maximum2", "Maximum2", "Maximum with bounds", "最大值（含边界）",
     "Also the values at the ends of the window count.", "窗口两端的边界值也计入。", 0, f_max2, NULL, 0},
    {"minimum_actual_time2", "MinimumActualTime2", "Minimum with bounds and its time", "最小值及时刻（含边界）",
     "As minimum2, with its own time.", "同 minimum2，并给出时刻。", AGG_TIME, f_min_time2, NULL, 0},
    {"maximum_actual_time2", "MaximumActualTime2", "Maximum with bounds and its time", "最大值及时刻（含边界）",
     "As maximum2, with its own time.", "同 maximum2，并给出时刻。", AGG_TIME, f_max_time2, NULL, 0},
    {"range2", "Range2", "Range with bounds", "极差（含边界）", "maximum2 less minimum2.", "maximum2 减 minimum2。", 0,
     f_range2, NULL, 0},
    {"count", "Count", "Count", "样本数", "Good samples.", "良好样本的个数。", 0, f_count, q_count, CALC},
    {"duration_in_state_zero", "DurationInStateZero", "Time at zero", "为零时长", "Milliseconds at the value 0 (off).",
     "值为 0（停）的毫秒数。", 0, f_zero, NULL, 0},
    {"duration_in_state_non_zero", "DurationInStateNonZero", "Time not at zero", "非零时长",
     "Milliseconds at another value than 0 (on).", "值不为 0（开）的毫秒数。", 0, f_nonzero, NULL, 0},
    {"number_of_transitions", "NumberOfTransitions", "Changes of value", "变化次数",
     "How often the value changed between usable samples.", "可用样本之间值变化的次数。", 0, f_transitions, NULL, 0},
    {"start", "Start", "First sample", "首个样本", "The first sample of the window, whatever its quality.",
     "窗口内首个样本（不论质量）。", AGG_TIME, f_start, NULL, 0},
    {"end", "End", "Last sample", "末个样本", "The last sample of the window, whatever its quality.",
     "窗口内最后样本（不论质量）。", AGG_TIME, f_end, NULL, 0},
    {"delta", "Delta", "Difference", "差值", "Last less first good sample.", "末个良好样本减首个良好样本。", 0, f_delta,
     q_delta, CALC},
    {"start_bound", "StartBound", "Value at the beginning", "起点值",
     "The value in force at the beginning of the window.", "窗口起点处的有效值。", 0, f_start_bound, NULL, 0},
    {"end_bound", "EndBound", "Value at the end", "终点值", "The value in force at the end of the window.",
     "窗口终点处的有效值。", AGG_TIME, f_end_bound, NULL, 0},
    {"delta_bounds", "DeltaBounds", "Difference of the bounds", "边界差值",
     "Value at the end less value at the beginning.", "终点值减起点值。", 0, f_delta_bounds, NULL, 0},
    {"duration_good", "DurationGood", "Good time", "良好时长", "Milliseconds with a good value.",
     "值质量良好的毫秒数。", 0, f_duration_good, q_good_ms, CALC},
    {"duration_bad", "DurationBad", "Bad time", "坏值时长", "Milliseconds with a bad value or none.",
     "坏值或无值的毫秒数。", 0, f_duration_bad, q_zero, CALC},
    {"percent_good", "PercentGood", "Good time (%)", "良好率（%）", "Share of good time.", "良好时间占比。", 0,
     f_percent_good, q_hundred, CALC},
    {"percent_bad", "PercentBad", "Bad time (%)", "坏值率（%）", "Share of bad time.", "坏值时间占比。", 0,
     f_percent_bad, q_zero, CALC},
    {"worst_quality", "WorstQuality", "Worst quality", "最差质量",
     "Status code of the worst sample: 0, 0x40000000, 0x80000000.", "最差样本的状态码：0、0x40000000、0x80000000。", 0,
     f_worst, NULL, 0},
    {"worst_quality2", "WorstQuality2", "Worst quality with the start", "最差质量（含起点）",
     "Also the value at the beginning counts.", "窗口起点的值也计入。", 0, f_worst2, NULL, 0},
    {"annotation_count", "AnnotationCount", "Annotations", "注释数",
     "Annotations of the window; samples here carry none, so 0.", "窗口内注释个数；本系统样本不带注释，恒为 0。", 0,
     f_annotations, q_zero, CALC},
    {"standard_deviation_sample", "StandardDeviationSample", "Standard deviation (sample)", "标准差（样本）",
     "Of the good samples, with n - 1.", "良好样本，除以 n-1。", 0, f_std_sample, q_std_sample, CALC},
    {"variance_sample", "VarianceSample", "Variance (sample)", "方差（样本）", "Of the good samples, with n - 1.",
     "良好样本，除以 n-1。", 0, f_var_sample, q_var_sample, CALC},
    {"standard_deviation_population", "StandardDeviationPopulation", "Standard deviation (population)",
     "标准差（总体）", "Of the good samples, with n.", "良好样本，除以 n。", 0, f_std_population, q_std_population,
     CALC},
    {"variance_population", "VariancePopulation", "Variance (population)", "方差（总体）",
     "Of the good samples, with n.", "良好样本，除以 n。", 0, f_var_population, q_var_population, CALC},
    {"first", NULL, "First good value", "首个良好值", "The first good sample, with its time.",
     "窗口内首个良好样本及时刻。", AGG_TIME, f_first, NULL, 0},
    {"last", NULL, "Last good value", "末个良好值", "The last good sample, with its time.",
     "窗口内最后良好样本及时刻。", AGG_TIME, f_last, NULL, 0},
    {"rate", NULL, "Rate of change", "变化率", "Change between the bounds per unit of time (`per`, default a second).",
     "起点到终点的变化，除以时间（per，默认每秒）。", 0, f_rate, NULL, 0},
    {"counter_total", NULL, "Counter: what was added", "计数器增量",
     "Sum of the increments of a counter; when it falls it was reset to 0.", "计数器增量之和；数值回落视为清零重计。",
     0, f_counter, NULL, 0},
    {"median", NULL, "Median", "中位数", "Half of the good samples lie below.", "一半良好样本低于该值。", AGG_VALUES,
     f_median, NULL, 0},
    {"percentile", NULL, "Percentile", "百分位数", "Write p95, p99.5 …: that share of the good samples lies below.",
     "写作 p95、p99.5 等：该比例的良好样本低于该值。", AGG_VALUES, f_percentile, NULL, 0},
};

const struct agg_fn *agg_fn_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const struct agg_fn *agg_fn_find(struct str name, double *ret_p)
{
    double p;
    bool percentile = name.n > 1 && name.n < 12 && name.p[0] == 'p' && name.p[1] >= '0' && name.p[1] <= '9' &&
                      str_to_double(str_sub(name, 1, name.n), &p) == 0;
    if (percentile && p > 100) return NULL;
    *ret_p = percentile ? p : 50;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (str_is(name, table[i].name) || (percentile && table[i].value == f_percentile)) return &table[i];
    return NULL;
}

uint32_t agg_quick_status(const struct agg_fn *fn, const struct ts_summary *s, int64_t from)
{
    bool raw_there = (fn->quick == q_min && s->min_us == from) || (fn->quick == q_max && s->max_us == from);
    return raw_there ? STATUS_GOOD : fn->quick_status;
}

void agg_value(const struct agg *a, const struct agg_fn *fn, double p, struct agg_value *ret)
{
    const struct agg_around *d = &a->around;
    bool beyond = a->to <= d->data_from || a->from > d->data_to;
    ret->at_us = a->from;
    if (beyond && fn->value != f_interpolative)
        give_nothing(ret);
    else
        fn->value(a, p, ret);
    bool partial = a->from < d->data_from || a->to > d->data_to;
    if (partial && !beyond && fn->value != f_interpolative && !(ret->status & STATUS_BAD))
        ret->status |= STATUS_PARTIAL;
}

/* ------------------------------------------------------------------ names of statuses */

uint8_t status_quality(uint32_t status)
{
    return status & STATUS_BAD ? QUALITY_BAD : status & STATUS_UNCERTAIN ? QUALITY_UNCERTAIN : QUALITY_GOOD;
}

size_t status_text(uint32_t status, char out[STATUS_TEXT_MAX])
{
    static const struct {
        uint32_t code;
        const char *text;
    } code[] = {{STATUS_GOOD, "Good"},
                {STATUS_UNCERTAIN, "Uncertain"},
                {STATUS_UNCERTAIN_SUBNORMAL, "UncertainDataSubNormal"},
                {STATUS_BAD, "Bad"},
                {STATUS_BAD_NODATA, "BadNoData"}},
      bit[] = {{1, ", Calculated"}, {2, ", Interpolated"}, {4, ", Partial"}, {16, ", MultipleValues"}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        if (code[i].code == (status & 0xffff0000u)) n = strlen(code[i].text), memcpy(out, code[i].text, n);
    for (size_t i = 0; i < sizeof bit / sizeof *bit; i++) {
        if (!(status & bit[i].code)) continue;
        size_t len = strlen(bit[i].text);
        memcpy(out + n, bit[i].text, len);
        n += len;
    }
    return n;
}
