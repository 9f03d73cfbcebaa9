/* engine.h - the engine's own state, shared by the files that open, append, seal, merge and query.
 *
 * Locks, in the order in which they may be taken:
 *   work     one seal, merge, retention or reopen at a time
 *   append   the log file and the change of the active head
 *   lock     the pointer to the current view, counters, classes; held for moments
 * A view is immutable and reference counted: readers take it and then look at nothing else. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "tsdb/head.h"
#include "tsdb/keep.h"
#include "tsdb/roll_file.h"
#include "tsdb/segment.h"
#include "tsdb/strings.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal.h"

#define VIEW_HEADS 4 /* the active one and those being sealed */
#define CODECS_KEPT 4
#define QUERY_ARENA_MAX ((size_t)1 << 30)

struct view {
    atomic_int refs;
    struct head *heads[VIEW_HEADS]; /* the active one last */
    size_t nheads;
    struct seg **segs; /* by class, then sequence */
    size_t nsegs;
    struct roll **rolls; /* by step; roll.h */
    size_t nrolls;
    uint64_t rolled;   /* segments up to this sequence number are in them */
    uint32_t roll_gen; /* and deletions up to this generation */
};
struct log_ref {                  /* a log file that is not sealed yet */
    uint64_t number, bytes, head; /* head: number of the head that it belongs to */
    int64_t first_us, last_us;    /* wall clock at its first and last record; 0: none yet */
    bool damaged;                 /* set aside instead of removed */
    bool dropped;                 /* kept elsewhere: not to be archived */
};
struct tsdb {
    struct ts_store store; /* first */
    struct fs *fs;
    const struct clock *clock;
    uint64_t wal_max, head_max;
    bool threaded;

    pthread_mutex_t work, append, lock;
    struct view *view; /* lock */

    /* append */
    struct wal wal;
    struct buf rec;
    struct sample *spill; /* acknowledged samples that did not fit into memory yet; lock */
    size_t nspill, cap_spill;
    struct log_ref *logs; /* lock */
    size_t nlogs, cap_logs;

    /* lock */
    struct ts_stats stats;
    int64_t head_since_us; /* when the active head began */
    bool disk_full;
    uint8_t *class_of; /* by point */
    size_t nclass_of;
    struct ts_class classes[TSDB_CLASSES];
    int64_t floor[TSDB_CLASSES]; /* samples before are expired */
    int64_t cell_floor[TSDB_CLASSES]; /* rollup cells that begin before do not count */
    struct codec *codecs[CODECS_KEPT];
    size_t ncodecs;

    struct strings *strings;
    struct blobs *blobs;
    uint64_t string_max; /* greatest id of a text in the logs that were replayed */
    struct keep keep;
    bool no_rollups;
    uint32_t roll_min;
    uint64_t roll_next, roll_since; /* work: number of the next step; steps that are all needed */
    bool dir_dirty; /* work: removals that are not synced yet */
    uint32_t next_gen;

    /* background */
    pthread_t thread;
    pthread_cond_t wake, idle; /* with lock */
    bool running, stop, seal_wanted, merge_wanted, sealing;
    int seal_rc; /* of the last attempt */
    struct codec *work_codec;
};

static inline struct tsdb *tsdb_of(struct ts_store *st)
{
    return (struct tsdb *)st;
}

/* view.c */
struct view *view_get(struct tsdb *db);
void view_put(struct view *v);
/* Publish a copy of the current view with these heads and segments (references are taken). ERR_NOMEM. */
int view_set(struct tsdb *db, struct head *const *heads, size_t nheads, struct seg *const *segs, size_t nsegs);
/* The same with these rollup files. */
int view_replace(struct tsdb *db, struct head *const *heads, size_t nheads, struct seg *const *segs, size_t nsegs,
                 struct roll *const *rolls, size_t nrolls, uint64_t rolled, uint32_t known);
struct codec *codec_get(struct tsdb *db);
void codec_put(struct tsdb *db, struct codec *c);
uint8_t tsdb_class_of(struct tsdb *db, uint32_t point);

/* append.c */
int db_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e);
void db_seen(struct tsdb *db, int64_t newest);
int db_drain_spill(struct tsdb *db, struct head *active); /* these four: `append` held */
int db_failed_log(struct tsdb *db, int rc, struct error *e);
int db_write_record(struct tsdb *db, struct error *e);                 /* db->rec, made for db->wal, durably */
void db_count_record(struct tsdb *db, size_t record, int64_t wall_us); /* `lock` held too */
void db_read_only(struct tsdb *db, const char *why);                   /* lock held; NULL: writable again */

/* sources.c: everything of one point in [from, to] */
struct query {
    struct arena arena;
    struct tombs *tombs;
    struct view *view;
    struct codec *codec;
    struct source *sources;
    size_t n;
    int64_t newest_us;  /* of the store */
    int64_t skipped_us; /* greatest time in what was left out; INT64_MIN: nothing was */
    struct tsdb *db;
    uint32_t point;
    bool near;                                /* only what lies in the first place */
    int64_t floor[TSDB_CLASSES], point_floor; /* samples before are not given */
    int64_t cell_floor;
    bool outlive; /* rollups of the point are kept longer than its samples */
};
int query_begin(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct query *q);
/* The same without what lies in other places; q->skipped_us tells the greatest time left out. */
int query_begin_near(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct query *q);
void query_end(struct query *q);
/* In steps: the view, then sources for one range after another (the arena is the caller's to reset in between). */
void query_open(struct tsdb *db, uint32_t point, struct query *q);
int query_sources(struct query *q, int64_t from, int64_t to);
int query_newer(struct query *q, int64_t from, int64_t to, uint64_t behind); /* of heads and younger segments only */
int query_codec(struct query *q);                                            /* make sure that there is one */
int64_t query_oldest(struct query *q); /* nothing lies before, a border of all rollups; INT64_MAX: nothing at all */

/* query.c, windows.c, summary.c, summaries.c, plot.c */
int db_scan(struct ts_store *, uint32_t point, int64_t from, int64_t to, ts_scan_fn *, void *ctx, struct error *);
int db_before(struct ts_store *, uint32_t point, int64_t at, struct sample *ret);
int db_after(struct ts_store *, uint32_t point, int64_t at, struct sample *ret);
int db_summary(struct ts_store *, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *,
               struct error *);
int db_windows(struct ts_store *, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *, void *ctx,
               struct error *);
int db_summaries(struct ts_store *, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to,
                 ts_window_fn *, void *ctx, struct error *);
int db_plot(struct ts_store *, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *, void *ctx,
            struct error *);

/* recover.c */
int db_recover(struct tsdb *db, struct error *e);
/* seal.c: called with `work` held */
int seal_swap(struct tsdb *db);      /* active head becomes a sealing one; takes append */
int seal_oldest(struct tsdb *db);    /* write the oldest sealing head, drop it and its logs */
int seal_all(struct tsdb *db);       /* swap unless the active head is empty, then seal_oldest until one head is left */
int seal_drop_logs(struct tsdb *db); /* all but the one that is written: nothing of them is wanted */
bool seal_due(struct tsdb *db, uint64_t factor);
/* compact.c: called with `work` held; 1 when something was merged, 0 when nothing is due */
int compact_once(struct tsdb *db);
/* Replace segs[first, first + n) of the current view by one without what is older than `floor`. */
int compact_range(struct tsdb *db, size_t first, size_t n, int64_t floor);
/* job.c: shared by seal and compact; `work` held */
int job_begin(struct tsdb *db);    /* makes earlier removals durable, takes a codec */
int job_sync_dir(struct tsdb *db); /* after removals; a failure is made up for by the next job */
int segs_add(struct tsdb *db, struct head *const *heads, size_t nheads, size_t first, size_t drop,
             struct seg *const *add, size_t nadd);
int job_info(struct tsdb *db, uint64_t lo, uint64_t hi, uint64_t wal_hi, uint8_t class_id, struct seg_info *ret);
int job_open(struct tsdb *db, const struct seg_info *i, struct seg **ret);
int64_t job_floor(struct tsdb *db, uint8_t class_id);
bool job_stopped(struct tsdb *db); /* the store is closing: leave off, nothing is lost by it */
