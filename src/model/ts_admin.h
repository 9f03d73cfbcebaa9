/* ts_admin.h - the housekeeping side of a time-series store: disk use, previews, scrubbing, snapshots.
 *
 * Reached by store->admin (NULL: the store has none). Any thread; may block on the disk. A place is where
 * sealed files lie: hot (the data directory), warm (another directory), cold (a directory or S3). */
#pragma once
#include "model/tsstore.h"

enum ts_place { TS_HOT, TS_WARM, TS_COLD, TS_PLACES };
const char *ts_place_name(enum ts_place p); /* "hot" "warm" "cold" */

/* What one point uses in one class and place (samples in memory are not counted). */
struct ts_usage {
    uint32_t point;
    uint8_t class_id, place;
    uint64_t bytes, samples, blocks; /* bytes: blocks, with an even share of time columns and index */
    int64_t oldest_us, newest_us;
};
typedef int ts_usage_fn(void *ctx, const struct ts_usage *u); /* non-zero ends it */

/* What a table of classes would do at its first enforcement. */
struct ts_preview {
    uint64_t bytes, samples;   /* that would be deleted */
    int64_t before_us;         /* samples before this go; INT64_MIN: none */
    uint64_t move_bytes[TS_PLACES]; /* that would move to a place */
};

/* Progress of a scrub; zero to begin, pass it again until `done`. */
struct ts_scrub {
    uint64_t cursor;           /* the store's own */
    uint64_t bytes, blocks;    /* read so far */
    uint64_t damaged;          /* broken places met */
    bool done;
};
/* A broken place that was found, by a reader or a scrub. Its samples are missing from answers, the bytes are kept. */
struct ts_damage {
    int64_t found_us;
    char file[96];
    uint64_t offset, bytes;
    uint32_t point;            /* 0: not known */
    int64_t from_us, to_us;    /* that the place covered; 0, 0: not known */
    uint64_t samples;          /* that it held; 0: not known */
};

/* A consistent picture of the store while it runs. Files are immutable; the same name with the same id has the same
 * bytes for ever, so that a backup that has it need not read it again. Ended by ops->end, in any thread. */
struct ts_snapshot_file {
    char name[96];             /* relative path: "ts/seg-..." */
    char id[40];               /* hex, changes with the content */
    int64_t bytes;
    uint8_t class_id, place;   /* class_id 255: of no class (strings, rollups of several) */
    int64_t oldest_us, newest_us;
};
struct ts_snapshot;
struct ts_snapshot_ops {
    int64_t (*read)(struct ts_snapshot *, size_t file, void *p, size_t n, int64_t at); /* bytes, 0 at the end, or an error */
    void (*end)(struct ts_snapshot *);
};
struct ts_snapshot {
    const struct ts_snapshot_ops *ops;
    const struct ts_snapshot_file *files;
    size_t nfiles;
    uint64_t samples;
    uint64_t log;              /* logs numbered above hold what came later */
};

/* Finished logs kept for point-in-time restore, oldest first. */
struct ts_log {
    char name[96];             /* "ts/archive/wal-..." */
    uint64_t number;
    int64_t bytes;
    int64_t first_us, last_us; /* wall clock at which its first and last record were written */
};

/* What lies in a place. */
struct ts_place_use {
    uint64_t files, bytes, samples; /* samples: of segments */
    uint64_t away;                  /* segments that did not answer when they were last read */
    int err;                        /* of one of them: why */
};

struct ts_admin_ops {
    int (*usage)(struct ts_store *, ts_usage_fn *, void *ctx, struct error *);
    int (*preview)(struct ts_store *, const struct ts_class *c, size_t n, struct ts_preview ret[TS_CLASSES], struct error *);
    int (*scrub)(struct ts_store *, struct ts_scrub *s, uint64_t max_bytes, struct error *);
    int (*damage)(struct ts_store *, int (*fn)(void *ctx, const struct ts_damage *), void *ctx); /* newest first, <= 1000 */
    int (*snapshot)(struct ts_store *, struct ts_snapshot **ret, struct error *); /* seals first */
    /* Keep up to max_bytes of finished logs under "ts/archive" instead of removing them; 0: stop, and remove them. */
    int (*archive_logs)(struct ts_store *, uint64_t max_bytes, struct error *);
    int (*logs)(struct ts_store *, int (*fn)(void *ctx, const struct ts_log *), void *ctx); /* also ends the current log when it holds something */
    int64_t (*log_read)(struct ts_store *, const char *name, void *p, size_t n, int64_t at);
    int (*log_drop)(struct ts_store *, uint64_t upto, struct error *); /* kept elsewhere: remove numbers <= upto */
    void (*places)(struct ts_store *, struct ts_place_use ret[TS_PLACES]); /* quick; may be NULL */
};
