/* point_table.h - current value and filter state of each point, by dense number. Internal to the bus.
 *
 * One shard thread writes a slot; any thread reads it without a lock (sequence lock over atomic words:
 * an odd sequence or a changed one means read again). Pages of 4,096 slots appear on first use and stay
 * until the end. */
#pragma once
#include <stdatomic.h>
#include "core/filter.h"

#define POINT_PAGE 4096u
#define POINT_WORDS 9 /* sample 3, settings 6 */

struct point_slot {
    _Atomic uint32_t seq;
    atomic_bool known, has_value;
    _Atomic uint64_t w[POINT_WORDS]; /* published: 0..2 sample, 3..8 struct bus_point packed */
    /* the shard's own: */
    struct point_filter filter;
    bool swept; /* stands in the shard's list of points with a door */
};

struct point_table {
    _Atomic(struct point_slot *) page[(2000000 / POINT_PAGE) + 1];
    _Atomic uint32_t known;
};

/* Slot of a number; with `create` a missing page is made (writer's side). NULL: out of range or memory, or no page. */
struct point_slot *point_slot(struct point_table *t, uint32_t num, bool create);
/* Every slot of the pages that are there; whoever calls it is the only writer. */
void point_table_each(struct point_table *t, void (*fn)(void *ctx, struct point_slot *s), void *ctx);
void point_table_fini(struct point_table *t);
int64_t point_newest(struct point_slot *s); /* time of the value, INT64_MIN: none; under the shard's lock */
void point_publish(struct point_slot *s, const struct sample *v);        /* shard only */
void point_configure(struct point_slot *s, const struct bus_point *cfg); /* shard only; NULL: forget */
bool point_value(struct point_slot *s, struct sample *ret);              /* any thread */
bool point_settings(struct point_slot *s, struct bus_point *ret);        /* any thread */
