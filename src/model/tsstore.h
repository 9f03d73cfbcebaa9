/* tsstore.h - the interface of a time-series store: our own engine (tsdb), remote ones (store/ts_*.h),
 * and the router that picks one by archive class (store/ts_router.h).
 *
 * Threads: append from one thread at a time (the history writer); queries from any thread, while
 * appends go on. Times are int64 microseconds UTC; ranges are [from, to) unless said otherwise.
 * Errors: the codes of base/error.h; a store that met a failed fsync answers ERR_IO to appends until
 * it has been reopened, and goes on answering queries. */
#pragma once
#include "base/error.h"
#include "base/buf.h"
#include "base/str.h"
#include "bornite/sample.h"

/* Receives samples in time order; return non-zero to stop (the query then returns that value). */
typedef int ts_scan_fn(void *ctx, const struct sample *s, size_t n);

struct ts_summary {
    uint64_t count;            /* samples in range */
    uint64_t good;             /* of them good */
    uint64_t usable;           /* of them good or uncertain, and a number: what min, max, sum, mean and m2 are over */
    double min, max;           /* over good and uncertain numbers; NAN when none */
    int64_t min_us, max_us;    /* when (first) */
    double sum, mean;          /* plain, over samples */
    double m2;                 /* sum of (value - mean)^2: variance is m2 / usable, or m2 / (usable - 1) of a sample */
    double twa;                /* time-weighted average over the time with usable value; NAN when none */
    double integral;           /* time-weighted sum, value x seconds */
    double good_s;             /* seconds of good value */
    double usable_s;           /* seconds of good or uncertain value; twa is over these */
    double total_s;            /* seconds of the range that are not in the future of the last sample */
    double percent_good;       /* 100 * good_s / total_s; 0 when total_s is 0 */
    struct sample first, last; /* SAMPLE_NONE with point 0 when none */
};

enum ts_boundary { TS_INSIDE, TS_OUTSIDE, TS_INTERPOLATED }; /* recorded values at the ends of a range (PI) */

struct ts_stats {
    uint64_t samples_appended, samples_head, bytes_wal, bytes_blocks, blocks, segments;
    uint64_t out_of_order, rewritten, damaged_blocks, recovered_samples;
    int64_t oldest_us, newest_us;
    bool read_only;            /* appends refused (fsync failed, disk full) */
    char read_only_why[128];
    uint64_t logs_dropped;     /* archived logs that went for want of room, not fetched by anyone */
    uint64_t away_segments;    /* that lie in a place that does not answer: queries that need them fail */
    char away_why[128];
    uint64_t bytes_blobs;      /* of bytes_blocks: files of blobs */
    bool retention_held;       /* the clock has leapt: limits of age go by the time believed before, for up to a day */
};

/* What a blob is. Its bytes live as long as the samples of its point's archive class may, then they are gone. */
#define TS_BLOB_MAX (16u << 20)
#define TS_BLOB_TYPE 64
struct ts_blob {
    char type[TS_BLOB_TYPE];   /* media type: "image/png", WAVEFORM_TYPE (model/waveform.h) */
    uint64_t size;             /* bytes */
    uint32_t point;
    int64_t time_us;
};

/* Window i of a query; non-zero ends the query with that value. */
typedef int ts_window_fn(void *ctx, size_t i, const struct ts_summary *s);

#define TS_CLASSES 16 /* ids 0..15 */
/* An archive class: how long the samples of its points are kept and where. 0: no limit of that sort. */
struct ts_class {
    uint8_t id;
    int64_t max_age_us;
    uint64_t max_bytes;        /* compressed bytes of the class; the oldest go first */
    int64_t rollup_age_us;     /* hourly and daily rollups outlive their samples up to this age; 0: they go with them */
    int64_t warm_after_us;     /* files whose newest sample is older move to the warm place; 0: never */
    int64_t cold_after_us;     /* and to the cold one */
};
struct ts_class_usage {
    uint64_t bytes, samples;
    int64_t oldest_us;
};

struct ts_store;
struct ts_store_ops {
    const char *name;
    /* Append and make durable: returns only after the batch is on disk (group commit inside one call is
     * the caller's business: it passes what has gathered). All or nothing. */
    int (*append)(struct ts_store *, const struct sample *s, size_t n, struct error *);
    /* Samples of one point in [from, to), time order, newest write of a time wins. */
    int (*scan)(struct ts_store *, uint32_t point, int64_t from, int64_t to, ts_scan_fn *, void *ctx, struct error *);
    /* The last sample with time <= at (before) or the first with time >= at (after). ERR_NOT_FOUND. */
    int (*before)(struct ts_store *, uint32_t point, int64_t at, struct sample *ret);
    int (*after)(struct ts_store *, uint32_t point, int64_t at, struct sample *ret);
    /* Summary of [from, to); the value in force at `from` counts for the time-weighted figures.
     * step: the value holds until the next sample (else linear between samples, held after the last). */
    int (*summary)(struct ts_store *, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret, struct error *);
    /* Summaries of the windows [edges[i], edges[i + 1]), i < n, edges rising, as `summary` would give each, in one
     * pass; fn gets them in order. Long windows are read from rollups. NULL: the caller uses ts_windows (ts_scan.h). */
    int (*windows)(struct ts_store *, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *, void *ctx, struct error *);
    /* Remove the samples of a point in [from, to), durably; later writes into the range stay. NULL: not possible. */
    int (*remove)(struct ts_store *, uint32_t point, int64_t from, int64_t to, struct error *);
    /* Plot: per pixel interval of [from, to) at most five samples: first, min, max, last and the first
     * one that is not good, in time order (PI plot values). Long intervals may end at the border of a rollup
     * (hour, day) instead of that of the pixel: never more than 5 x pixels samples, each a stored one. */
    int (*plot)(struct ts_store *, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *, void *ctx, struct error *);
    int (*string_put)(struct ts_store *, struct str s, uint64_t *ret_id);      /* durable on return */
    int (*string_get)(struct ts_store *, uint64_t id, char *out, size_t cap, size_t *ret_n); /* ERR_NOT_FOUND, ERR_TOO_LARGE */
    /* Blobs: the bytes behind samples of type SAMPLE_BLOB; the sample itself is appended by the caller, after. Both may
     * be NULL in a store that keeps none; the router then keeps both bytes and sample in the embedded engine.
     * put: durable on return; any thread; ERR_TOO_LARGE over TS_BLOB_MAX. get: bytes may be NULL (only what it is);
     * ERR_NOT_FOUND also when its time has run out. */
    int (*blob_put)(struct ts_store *, uint32_t point, int64_t time_us, const char *type, struct str bytes, uint64_t *ret_id, struct error *);
    int (*blob_get)(struct ts_store *, uint64_t id, struct ts_blob *ret, struct buf *bytes, struct error *);
    /* Summaries of [from, to) of many points; fn gets the index into `points`, in any order, each once. For what is long
     * or wide: files are walked once, not once a point. NULL: the caller asks `summary` of each. */
    int (*summaries)(struct ts_store *, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to, ts_window_fn *, void *ctx, struct error *);
    void (*stats)(struct ts_store *, struct ts_stats *ret);
    /* Retention; all three may be NULL in a store that keeps its own. The whole table replaces the former
     * one; class 0 is that of points never classified. `enforce` is called every minute and applies the
     * table to what is stored already. */
    int (*classes)(struct ts_store *, const struct ts_class *c, size_t n);
    int (*classify)(struct ts_store *, const uint32_t *points, const uint8_t *classes, size_t n);
    int (*enforce)(struct ts_store *, struct error *);
    int (*class_usage)(struct ts_store *, uint8_t class_id, struct ts_class_usage *ret);
    /* After appends were refused for a failed write or sync (stats.read_only, not a full disk, which heals by
     * itself): make what was acknowledged safe and take appends again. To be tried every few seconds; any
     * thread. May be NULL. */
    int (*reopen)(struct ts_store *, struct error *);
    void (*close)(struct ts_store *); /* flushes, frees */
};
struct ts_admin_ops;
struct ts_store {
    const struct ts_store_ops *ops; /* first member of an implementation's own struct */
    const struct ts_admin_ops *admin; /* ts_admin.h; NULL: a store that keeps house itself (a remote engine) */
};
