/* keep.h - the state of housekeeping inside the engine, and what its files offer one another.
 *
 * Members are guarded by the lock that is named; "work" and "lock" are those of engine.h. */
#pragma once
#include "tsdb/segment.h"
#include "tsdb/tsdb.h"

/* Retention's idea of the time; lock. */
struct keep_clock {
    int64_t trusted_us;           /* believed at ... */
    uint64_t trusted_ns, leap_ns; /* leap_ns: since when the clock says something else; 0: it does not */
    int64_t saved_us;             /* in the file */
    bool held;
};
struct keep {
    struct keep_clock clock;
    uint64_t rewritten; /* work: of the job that is running */
};

/* usage.c, preview.c */
int db_usage(struct ts_store *st, ts_usage_fn *fn, void *ctx, struct error *e);
int db_preview(struct ts_store *st, const struct ts_class *c, size_t n, struct ts_preview ret[TS_CLASSES],
               struct error *e);
/* snapshot.c */
int db_snapshot(struct ts_store *st, struct ts_snapshot **ret, struct error *e);
extern const struct ts_admin_ops tsdb_admin_ops;

/* retention.c */
struct tsdb;
/* INT64_MAX: the segment goes whole; INT64_MIN: it stays; else the time before which it is cut. */
int64_t retention_cut(const struct seg_info *s, int64_t floor);
/* Where the only segment of a class that has `bytes` in all is cut so that it fits. */
int64_t retention_fit(const struct seg_info *s, int64_t bytes, int64_t max_bytes);
int64_t retention_floor(const struct ts_class *c, int64_t now);
/* The time that limits of age are reckoned from. `move`: and go on with it (enforcement; else only a look). */
int64_t retention_now(struct tsdb *db, bool move);
void retention_clock_begin(struct tsdb *db); /* at the start, when the newest sample is known */
