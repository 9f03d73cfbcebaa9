/* plan.h - when a schedule runs: cron expression, zone, working days. Built from the spec of a schedule and of
 * its calendar; then immutable. */
#pragma once
#include "base/cron.h"
#include "base/json.h"
#include "io/zone_load.h"

struct day_range {
    int64_t first, last; /* days since 1970, both included */
};
struct calendar {
    uint8_t week; /* bit 0 Sunday … 6 Saturday */
    struct day_range *off, *on; /* holidays; extra working days, which go before; in an arena */
    size_t noff, non;
};
MUST_CHECK int calendar_read(const struct json *spec, struct arena *a, struct calendar *ret, struct error *e);
bool calendar_works(const struct calendar *c, int64_t day);

struct plan {
    struct cron cron;
    struct zone zone; /* owned */
    struct calendar calendar;
    bool working_days, next_working; /* only on working days; those of days off on the next one */
};
/* calendar_spec NULL: every day. */
MUST_CHECK int plan_read(const struct json *spec, const struct json *calendar_spec, struct arena *a, struct plan *ret,
                         struct error *e);
void plan_fini(struct plan *p);
/* The first run after; microseconds UTC, INT64_MAX: never. */
int64_t plan_next(const struct plan *p, int64_t after_us);
