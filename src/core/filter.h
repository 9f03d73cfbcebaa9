/* filter.h - what of a point's samples history keeps: exception filter, then swinging door. Pure; the shards of
 * the bus and the advisor of history run the same code.
 *
 * Exception filter (as PI's exception reporting): a sample is held back while it is within +- deadband of the last
 * one passed on. When the next one passes, the newest that was held back goes first, so that a slope begins where the
 * change began. Held back again when it comes sooner than min_interval; passed on when max_interval has run out.
 *
 * Swinging door: of what the exception filter passed on, a sample is held back while the straight line from the last
 * stored sample (the anchor) to it stays within +- door of every sample between. Kept is the interval of slopes that
 * the samples since the anchor allow; a sample whose slope lies in it may become the end of the line, and narrows it.
 * Otherwise the door closes: the one held back is stored and is the new anchor. Only real samples are stored.
 * (Bristol's doors, US 4 669 097, pivot beside the anchor and give no such bound; this is the form that does.)
 * A step point has steps for lines: a sample is held back while it is within +- door of the last stored one.
 *
 * Bound, to double rounding, for samples in order of time, between stored samples:
 *   door      against every sample that the exception filter passed on
 *   deadband + door   against every sample of a step point
 *   2 x deadband + door   against every sample of other points: one that was held back may lie a deadband below the
 *                     last one passed on while the one that ended the silence lay a deadband above it
 * (min_interval leaves out what it leaves out.) The door holds back only finite numbers of good or uncertain quality;
 * a change of quality, reason or type and anything else stores the one held back and the new one. A sample that is
 * late goes through as it is, and so does the one held back when it is the newer; what was left out before stays out.
 *
 * An instance belongs to one thread at a time. Zeroed memory is the beginning. */
#pragma once
#include "core/bus.h"

#define FILTER_OUT 4 /* samples that one may set free */
#define DOOR_MAX_DEFAULT_US (600 * INT64_C(1000000))

struct exception_filter {
    struct sample stored, held; /* last one passed on; newest one held back (point 0: none) */
};
/* What of v goes on: 0 to 2 samples into out. */
int exception_put(struct exception_filter *f, const struct bus_point *cfg, const struct sample *v, struct sample out[2]);

struct door_filter {
    struct sample anchor, held; /* last one stored; newest one held back (point 0: none) */
    double lo, hi;              /* slopes that the samples since the anchor allow, a microsecond */
    uint64_t since_ns;          /* for the owner: when the first one since the anchor was held back */
};
/* v as the exception filter passed it on; what is to be stored goes into out: 0 to 2. */
int door_put(struct door_filter *f, const struct bus_point *cfg, const struct sample *v, struct sample out[2]);
/* v has been stored by another way: 0 or 1 sample that must be stored too. */
int door_stored(struct door_filter *f, const struct sample *v, struct sample *out);
/* Let go of the one held back (it is the anchor then): 0 or 1. */
int door_end(struct door_filter *f, struct sample *out);
static inline bool door_holds(const struct door_filter *f)
{
    return f->held.point != 0;
}

/* Both: what history keeps of v, in order. */
struct point_filter {
    struct exception_filter exception;
    struct door_filter door;
};
int filter_put(struct point_filter *f, const struct bus_point *cfg, const struct sample *v, struct sample out[FILTER_OUT]);
