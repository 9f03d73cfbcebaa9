/* growth.h - how fast the store grows: one row a day and class in the relational store, and the straight line through
 * the last two weeks. Where several processes share a database each keeps the rows of its own store, by host name. */
#pragma once
#include "core/node.h"

struct growth_day {
    int64_t day; /* days since 1970, UTC */
    int64_t bytes, samples;
};
#define GROWTH_FIT_DAYS 14
/* Least squares through the days that lie less than GROWTH_FIT_DAYS before the last one (ascending): bytes a day.
 * false: fewer than two of them, or it does not grow. Pure. */
bool growth_fit(const struct growth_day *d, size_t n, double *ret_per_day);

int growth_migrate(struct sql *db, struct error *e);
/* What every class uses now, as the row of today. */
MUST_CHECK int growth_note(struct node *n, struct error *e);
/* Sums over classes of the last `days` days, ascending, in the arena. */
MUST_CHECK int growth_read(struct node *n, struct arena *a, int64_t days, struct growth_day **ret, size_t *ret_n,
                           struct error *e);
/* Which damage was told already: when the newest of it was found. */
MUST_CHECK int growth_seen(struct node *n, int64_t *ret_us, struct error *e);
MUST_CHECK int growth_seen_set(struct node *n, int64_t us, struct error *e);
