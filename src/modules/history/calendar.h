/* calendar.h - windows of a query: even intervals, or hours, days, weeks (from Monday), months, quarters, years and
 * shifts of a time zone, with days of 23 and 25 hours where the clocks change. Pure but for the file of the zone. */
#pragma once
#include "base/zone.h"

enum calendar_unit { CAL_NONE, CAL_HOUR, CAL_DAY, CAL_WEEK, CAL_MONTH, CAL_QUARTER, CAL_YEAR, CAL_SHIFT };
extern const char *const calendar_units[]; /* "", "hour", … ; NULL-terminated */

struct window_rule {
    enum calendar_unit unit; /* CAL_NONE: interval_us */
    int64_t interval_us;
    int shift_start_s, shift_s; /* shift: since local midnight; length, a divisor of a day */
};
/* Edges of the windows of [from, to): edges[0] = from, edges[n] = to, borders between them; n <= max or
 * ERR_TOO_LARGE at "interval" or "calendar". mem_alloc'd. */
MUST_CHECK int windows_make(const struct window_rule *r, const struct zone *z, int64_t from, int64_t to, size_t max,
                            int64_t **ret_edges, size_t *ret_n, struct error *e);

/* A zone by name or offset, kept for the life of the process (at most 64 of them). ERR_INVALID at "tz". */
MUST_CHECK int zone_named(struct str name, const struct zone **ret, struct error *e);
/* The words of PI in a zone: "t", "y" and steps from them go by its clock ("t-1d" is a midnight also when the
 * clocks changed), "*" and steps from it by the true time. */
MUST_CHECK int time_in_zone(struct str text, int64_t now_us, const struct zone *z, int64_t *ret_us, struct error *e);
