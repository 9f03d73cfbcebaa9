/* cron.h - cron expressions: when something happens again. Pure; a parsed expression is plain bytes.
 *
 *   [second] minute hour day-of-month month day-of-week     (five fields: at second 0)
 *   @hourly @daily @midnight @weekly @monthly @yearly @annually
 * Each field: "*", "?", numbers, names (jan-dec, sun-sat), ranges "mon-fri" (they may wrap: "fri-mon"), steps
 * "0-30/10" "5/15" (from 5 to the end), lists by comma. Day of week 0 or 7 is Sunday.
 * Day of month also: L last day, L-3 three days before it, 15W the weekday nearest to the 15th (in the same
 * month), LW last weekday. Day of week also: 5L or friL the last Friday, 5#2 or fri#2 the second.
 * When both day fields are restricted, either suffices, as cron does.
 *
 * Daylight saving: a time of day that a clock change leaves out happens at the moment after it, one that
 * comes twice happens the first time; expressions for every hour ("*" there) follow the real hours instead. */
#pragma once
#include "base/zone.h"

struct cron {
    uint64_t second, minute; /* bit i: at i */
    uint32_t hour, day;      /* day: bits 1..31 */
    uint16_t month;          /* bits 1..12 */
    uint8_t weekday;         /* bits 0..6 */
    bool any_day, any_weekday, every_hour;
    uint32_t last;           /* bit k: k days before the last day of the month */
    uint32_t near;           /* bits 1..31: weekday nearest to it */
    bool near_last;          /* LW */
    uint8_t last_weekday;    /* bit d: the last of weekday d in the month */
    uint8_t nth[7];          /* [d] bit n: the n-th weekday d, 1..5 */
};

MUST_CHECK int cron_parse(struct str text, struct cron *ret, struct error *e);
/* The first local time at or after `local` (seconds) that fits, before `until`; INT64_MAX: none. */
int64_t cron_local(const struct cron *c, int64_t local, int64_t until);
/* The first moment after `after` (seconds, UTC); INT64_MAX: none within 60 years. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after);
