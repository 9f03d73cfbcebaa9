/* keep.h - the state of housekeeping inside the engine, and what its files offer one another.
 *
 * Members are guarded by the lock that is named; "work" and "lock" are those of engine.h. */
#pragma once
#include <pthread.h>
#include "tsdb/segment.h"
#include "tsdb/tsdb.h"

/* Retention's idea of the time; lock. */
struct keep_clock {
    int64_t trusted_us;           /* believed at ... */
    uint64_t trusted_ns, leap_ns; /* leap_ns: since when the clock says something else; 0: it does not */
    int64_t saved_us;             /* in the file */
    bool held;
};
/* A log that was kept; lock. */
struct keep_log {
    uint64_t number;
    int64_t bytes, first_us, last_us; /* last_us 0: not looked at yet */
};
struct keep_archive {
    uint64_t max; /* bytes; 0: nothing is kept. Written with work and lock held */
    struct keep_log *logs;
    size_t n, cap;
    bool dirty; /* work: renames and removals that are not synced yet */
};
#define TSDB_NAME_MAX 96
/* A segment in another place; work. */
struct moved {
    struct seg_info i;
    bool doomed; /* not wanted there */
    bool busy;   /* being copied */
};
struct keep_moved {
    struct moved *m;
    size_t n, cap;
    bool dirty;
};
/* A broken place that was met and is not described yet; lock. */
struct keep_met {
    struct seg_info i;
    uint64_t at;
    int64_t found_us;
};
struct keep_damage {
    struct ts_damage *d; /* lock; oldest first, at most DAMAGE_MAX */
    size_t n, cap;
    struct keep_met *met; /* lock */
    size_t nmet, cap_met;
    bool dirty; /* lock */
};
struct tombs;
struct keep {
    struct keep_damage damage;
    struct fs *places[TS_PLACES];
    struct fs nowhere;       /* for segments in a place that is not configured any more */
    struct keep_moved moved; /* work */
    pthread_mutex_t moving;  /* one at a time; before work */
    pthread_mutex_t saving;  /* the list of damage; before lock */
    int64_t until_us;        /* of the restore that is under way; 0: none */
    struct tombs *tombs;     /* lock; changed with work held too */
    bool tombs_dirty;        /* work, and the five below */
    uint64_t tomb_serial;
    bool purge_now;      /* do not wait until deleting has come to rest */
    uint64_t removed_ns; /* the last deletion */
    struct keep_archive archive;
    struct keep_clock clock;
    uint64_t rewritten; /* work: of the job that is running */
};

/* usage.c, preview.c */
int db_usage(struct ts_store *st, ts_usage_fn *fn, void *ctx, struct error *e);
int db_preview(struct ts_store *st, const struct ts_class *c, size_t n, struct ts_preview ret[TS_CLASSES],
               struct error *e);
/* archive.c */
struct tsdb;
struct log_ref;
int archive_open(struct tsdb *db, uint64_t *ret_last); /* *ret_last rises to the greatest number of a kept log */
void archive_fini(struct tsdb *db);
/* work held. Move a log that segments cover to the archive; false: it is not kept, remove it. */
bool archive_take(struct tsdb *db, const struct log_ref *l);
int archive_sync(struct tsdb *db);
int db_archive_logs(struct ts_store *st, uint64_t max_bytes, struct error *e);
int db_logs(struct ts_store *st, int (*fn)(void *ctx, const struct ts_log *), void *ctx);
int64_t db_log_read(struct ts_store *st, const char *name, void *p, size_t n, int64_t at);
void db_places(struct ts_store *st, struct ts_place_use ret[TS_PLACES]); /* places.c */
int db_log_drop(struct ts_store *st, uint64_t upto, struct error *e);

/* delete.c */
int db_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e);

/* damage.c, scrub.c */
int db_damage(struct ts_store *st, int (*fn)(void *ctx, const struct ts_damage *), void *ctx);
int db_scrub(struct ts_store *st, struct ts_scrub *s, uint64_t max_bytes, struct error *e);

/* snapshot.c */
int db_snapshot(struct ts_store *st, struct ts_snapshot **ret, struct error *e);
extern const struct ts_admin_ops tsdb_admin_ops;

/* retention.c */
/* INT64_MAX: the segment goes whole; INT64_MIN: it stays; else the time before which it is cut. */
int64_t retention_cut(const struct seg_info *s, int64_t floor);
/* Where the only segment of a class that has `bytes` in all is cut so that it fits. */
int64_t retention_fit(const struct seg_info *s, int64_t bytes, int64_t max_bytes);
int64_t retention_floor(const struct ts_class *c, int64_t now);
/* The time that limits of age are reckoned from. `move`: and go on with it (enforcement; else only a look). */
int64_t retention_now(struct tsdb *db, bool move);
void retention_clock_begin(struct tsdb *db); /* at the start, when the newest sample is known */
