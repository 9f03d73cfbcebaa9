/* aggregate.h - aggregates over a window of samples by OPC UA Part 13 (OPC 10000-13), and some of our own. Pure.
 *
 * A window [from, to) is fed sample by sample (struct agg, constant memory but for percentiles) with what lies around
 * it, and then asked for any number of functions. Terms of the standard, clause 5.4.3.2:
 *  - simple bounding value: the value at a bound from the samples right before and after it; bad when the one before
 *    is bad, held and uncertain when only the one after is;
 *  - interpolated bounding value: the same from the nearest usable samples, uncertain when others lie between;
 *  - a region reaches from one sample to the next; sloped: good when both ends are, uncertain when it ends badly;
 *    stepped: as good as its beginning.
 * Samples with the reason NO_DATA say that there is none: they cut lines and count for nothing.
 * Beyond the data nothing is known: windows outside are Bad_NoData, those that reach out are Partial and time counts
 * up to the end of the data only. */
#pragma once
#include <stdbool.h>
#include "base/str.h"
#include "bornite/sample.h"

/* OPC UA status codes (OPC 10000-4, 7.39): severity and sub code, and the information bits of historical data. */
#define STATUS_GOOD 0x00000000u
#define STATUS_UNCERTAIN 0x40000000u
#define STATUS_UNCERTAIN_SUBNORMAL 0x40A40000u /* Uncertain_DataSubNormal */
#define STATUS_BAD 0x80000000u
#define STATUS_BAD_NODATA 0x809B0000u
#define STATUS_CALCULATED 0x401u /* InfoType DataValue with the bit */
#define STATUS_INTERPOLATED 0x402u
#define STATUS_PARTIAL 0x404u
#define STATUS_MULTIPLE 0x410u
#define STATUS_TEXT_MAX 80
/* "Good", "UncertainDataSubNormal, Calculated, Partial"; the length, not terminated. */
size_t status_text(uint32_t status, char out[STATUS_TEXT_MAX]);
uint8_t status_quality(uint32_t status); /* enum quality */

struct agg_config {
    bool treat_uncertain_as_bad, stepped, sloped_extrapolation;
    double percent_good, percent_bad; /* PercentDataGood, PercentDataBad */
    double per_s;                     /* totals and rates: seconds of the unit of time */
};
/* What lies around a window. Samples with point 0: there is none. */
struct agg_around {
    struct sample before;       /* the last one before `from` */
    struct sample usable[2];    /* the last usable one before `from`, and the one before that */
    int64_t data_from, data_to; /* first and last moment of which anything is known */
};

struct agg_bound {
    double v; /* NAN: bad */
    uint32_t status;
};
struct agg {
    const struct agg_config *cfg;
    int64_t from, to;
    struct agg_around around;
    /* samples */
    uint64_t good, uncertain, bad;
    double sum, mean, m2; /* over good ones */
    double min, max;      /* of good ones; at, and whether several times */
    int64_t min_us, max_us;
    bool min_again, max_again;
    struct sample first, last, first_good, last_good; /* type NONE with point 0: none */
    struct sample prev, prev_usable, before_usable;   /* so far, also from before the window */
    uint64_t transitions;
    double counter; /* sum of increments, a fall is a reset to 0 */
    uint8_t worst;
    bool worst_again;
    /* regions with simple bounds; seconds */
    double integral2, good_s, uncertain_s, bad_s, zero_s, nonzero_s;
    double start_good_s, start_bad_s; /* regions by their first sample alone */
    double min2, max2;
    int64_t min2_us, max2_us;
    bool min2_again, max2_again;
    struct agg_bound start, end;
    bool start_done;
    /* regions between usable samples */
    double integral, usable_s;
    bool gap;                 /* something unusable lies between, or something uncertain was used */
    bool gap_now;             /* since the last usable one */
    struct agg_bound at_from; /* interpolated value at `from` */
    bool at_from_done;
    /* percentiles */
    double *value;                  /* owned; of good samples */
    size_t nvalue, cap, max_values; /* max 0: not wanted */
    bool sorted;
    int err; /* ERR_NOMEM, ERR_TOO_LARGE for percentiles */
};
void agg_begin(struct agg *a, const struct agg_config *cfg, int64_t from, int64_t to, const struct agg_around *around,
               size_t max_values);
void agg_add(struct agg *a, const struct sample *s, size_t n); /* time order, inside the window */
/* The first sample at or after `to`, and the first usable one. */
void agg_end(struct agg *a, const struct sample *after, const struct sample *usable_after);
void agg_fini(struct agg *a);
/* What the next window begins with; data_from and data_to stay. */
struct agg_around agg_next(const struct agg *a);
/* Does it carry a value, by the configuration? */
bool agg_usable(const struct agg_config *cfg, const struct sample *s);

struct agg_value {
    double v; /* NAN: none */
    uint32_t status;
    int64_t at_us; /* functions with a time of their own; else `from` */
};
/* What a window that holds good samples only gives without looking at them (model/tsstore.h). */
struct ts_summary;

enum agg_need {
    AGG_VALUES = 1,   /* the values themselves */
    AGG_LOOKS_ON = 2, /* the next usable sample after the window */
    AGG_TIME = 4,     /* has a time of its own */
    AGG_TO_END = 8,   /* depends on the line to the first sample after the window */
};
struct agg_fn {
    const char *name, *part13; /* part13 NULL: ours */
    const char *en, *zh, *help_en, *help_zh;
    unsigned needs; /* enum agg_need */
    void (*value)(const struct agg *a, double p, struct agg_value *ret);
    /* The same from the summary of a window of good samples; NULL: only from samples. */
    double (*quick)(const struct ts_summary *s, const struct agg_config *cfg);
    uint32_t quick_status; /* agg_quick_status */
};
const struct agg_fn *agg_fn_at(size_t i); /* NULL past the last */
/* By name; "p95" is the percentile with *ret_p 95. NULL: unknown. */
const struct agg_fn *agg_fn_find(struct str name, double *ret_p);
/* Status of a value that came from a summary. */
uint32_t agg_quick_status(const struct agg_fn *fn, const struct ts_summary *s, int64_t from);
void agg_value(const struct agg *a, const struct agg_fn *fn, double p, struct agg_value *ret);
