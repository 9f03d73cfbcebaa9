/* query.h - what the queries of history have in common: points, range, zone, filters. All texts are copied into the
 * arena of the query, which outlives the request. Errors name the parameter. */
#pragma once
#include "base/limits.h"
#include "modules/history/calendar.h"
#include "modules/history/columns.h"
#include "modules/history/params.h"
#include "modules/history/run.h"
#include "modules/history/series.h"

struct query {
    struct answer_point *point;
    size_t npoints;
    int64_t from, to, interval; /* interval 0: not given */
    const struct zone *zone;
};
/* One point as the caller may read it. ERR_NOT_FOUND at "points". */
MUST_CHECK int query_point(const struct run_caller *by, struct arena *a, struct str name, enum api_action act,
                           struct answer_point *ret, struct error *e);
/* "points": codes or ids, comma. */
MUST_CHECK int query_points(const struct run_caller *by, struct arena *a, const struct params *p, enum api_action act,
                            struct query *ret, struct error *e);
/* "tz" (default: the zone of the settings), "from" (default *-1h), "to" (default *), "interval". */
MUST_CHECK int query_range(const struct run_caller *by, const struct params *p, struct query *ret, struct error *e);
/* "quality" or "filter_quality", "where". */
MUST_CHECK int query_filter(const struct params *p, struct sample_filter *ret, struct error *e);
/* "interval", or "calendar" with "shift_start" and "shift_hours". */
MUST_CHECK int query_windows(const struct params *p, const struct query *q, struct window_rule *ret, struct error *e);
/* "fn" into functions and their names (in a), at most max; "stepped", "treat_uncertain_as_bad", "percent_good",
 * "percent_bad", "sloped_extrapolation", "per". */
MUST_CHECK int query_functions(const struct params *p, struct arena *a, struct column_plan *ret,
                               const char *names[COLUMN_FUNCTIONS], struct error *e);
MUST_CHECK int query_config(const struct params *p, struct column_plan *ret, struct error *e);
