/* tsdb.h - the embedded time-series engine: opening it, and what it can do beyond model/tsstore.h.
 *
 * An append is one write-ahead record, synced before the call returns; the samples then stand in the
 * head (memory, compressed) until a seal turns the head into an immutable segment file and removes its
 * log. Segments are merged in the background; the newest write of a (point, time) wins everywhere.
 * All files lie under "ts/" of the given fs; FORMAT.md describes them byte by byte.
 *
 * Threads: append from one thread at a time; everything else from any thread at any time between open
 * and close. Times: `newest_us` of the whole store is what "not in the future of the
 * last sample" means in a summary: a value holds until the next sample of its point or until there. */
#pragma once
#include "io/clock.h"
#include "io/fs.h"
#include "model/ts_admin.h"

#define TSDB_CLASSES 16            /* archive classes 0..15; points are of class 0 unless told */
#define TSDB_APPEND_MAX (4u << 20) /* samples in one append */
#define TSDB_WAL_MAX_DEFAULT (128u << 20)
#define TSDB_HEAD_MAX_DEFAULT (96u << 20)

struct tsdb_config {
    struct fs *fs;                  /* borrowed, outlives the store */
    const struct clock *clock;      /* borrowed; NULL: the machine's */
    uint64_t wal_max, head_max;     /* bytes after which the head is sealed; 0: default */
    const struct ts_class *classes; /* retention; may be NULL */
    size_t nclasses;
    const uint32_t *points; /* point_classes[i] is the class of points[i]; may be NULL */
    const uint8_t *point_classes;
    size_t npoints;
    struct fs *places[TS_PLACES]; /* [TS_WARM], [TS_COLD]: where old segments move (files under "ts/" there); may be NULL */
    int64_t replay_until_us; /* log records written later are left out (point-in-time restore); 0: none */
    uint32_t roll_min;       /* samples from which a rollup cell is kept; 0: 256 */
    bool no_rollups; /* no hourly and daily rollups are made (tests of the raw path) */
    bool no_thread; /* no background thread: work is done inside append and tsdb_seal */
};

/* Open or create. ERR_NOMEM, ERR_IO, ERR_DISK_FULL, ERR_UNSUPPORTED (files of a newer version). Damaged files do
 * not keep it from opening: they are set aside as "bad-..." and counted in stats.damaged_blocks. */
MUST_CHECK int tsdb_open(const struct tsdb_config *cfg, struct ts_store **ret, struct error *e);

/* After appends were refused for a failed write or sync: write all that was acknowledged to new files,
 * start a new log, take appends again. ERR_IO etc. while the disk still fails; then nothing changed. */
MUST_CHECK int tsdb_reopen_wal(struct ts_store *st, struct error *e);
/* Turn what is in memory into segment files now, and wait for it. */
MUST_CHECK int tsdb_seal(struct ts_store *st, struct error *e);
/* Merge until no merge is due (tests, benchmarks; the background thread does it by itself). */
MUST_CHECK int tsdb_merge(struct ts_store *st, struct error *e);

/* Retention; the table replaces the former one. A sample belongs to the class that its point had when it was sealed.
 * Setting a limit applies to stored samples at the next enforcement, which the owner asks for every minute. */
MUST_CHECK int tsdb_retention_set(struct ts_store *st, const struct ts_class *classes, size_t n, struct error *e);
MUST_CHECK int tsdb_point_class(struct ts_store *st, const uint32_t *points, const uint8_t *classes, size_t n);
MUST_CHECK int tsdb_enforce_retention(struct ts_store *st, struct error *e);

struct tsdb_class_usage {
    int64_t bytes;                /* of segment files and files of blobs */
    uint64_t samples, segments;   /* in segments */
    int64_t oldest_us, newest_us; /* of them; 0 when none */
};
/* ret has TSDB_CLASSES elements. */
void tsdb_class_usage(struct ts_store *st, struct tsdb_class_usage *ret);
