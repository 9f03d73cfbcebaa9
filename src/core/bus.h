/* bus.h - the sample path: sources -> bounded rings -> shards -> subscribers and history.
 *
 * A source (a driver's loop, the API) owns one single-producer ring per shard. A shard is a thread that
 * owns the points with num % shards == its index. For each sample: current value (always, so that its age
 * is honest), exception filter (deadband, minimum and maximum interval), subscribers, history. When a
 * ring is full the source gets ERR_AGAIN and nothing is taken; nothing is dropped inside but what the
 * history writer cannot keep while neither journal nor store takes anything. Every refusal, drop and
 * filtered sample is counted (bornite_bus_…). Points are dense numbers; names exist at the borders only.
 *
 * History: a writer thread takes what the shards let through, appends it to the journal on disk, makes
 * it durable (group commit), hands it to the store, and deletes it from the journal on the store's
 * acknowledgement. While the store refuses, the journal grows up to its cap and is read back later. */
#pragma once
#include "io/clock.h"
#include "io/fs.h"
#include "model/sink.h"
#include "model/tsstore.h"

struct bus;
struct bus_source;

struct bus_config {
    unsigned shards;                    /* 0: 1 */
    uint32_t ring;                      /* samples per source and shard; 0: 65536 */
    const struct clock *clock;
    struct ts_store *store;             /* NULL: no history */
    struct fs *fs;                      /* journal lives under "journal/"; NULL: no journal */
    uint64_t journal_max;               /* bytes; 0: 4 GiB; then the oldest are dropped and counted */
    unsigned commit_ms;                 /* how long the writer gathers polled samples; 0: 200. bus_write never waits for it */
};
MUST_CHECK int bus_start(const struct bus_config *cfg, struct bus **ret, struct error *e);
void bus_stop(struct bus *b);           /* drains rings and journal into the store, joins */

/* What the shard must know of a point. Unknown points pass unfiltered. Any thread; takes effect in order. */
struct bus_point {
    uint32_t num;
    double deadband;                    /* absolute, in the point's unit; 0: every change; < 0: filter off (every sample) */
    int64_t min_interval_us, max_interval_us; /* 0: none; after max a heartbeat is stored even without change */
    double door;                        /* swinging door (core/filter.h): lines between stored samples stay within +- this
                                         * of every sample that the deadband let through; 0: off. History only */
    int64_t door_max_us;                /* something is stored at least after this time; 0: 10 min */
    bool archive;                       /* goes to history; unknown points do */
    bool step;                          /* discrete: interpolation holds the value */
};
int bus_point_set(struct bus *b, const struct bus_point *p, size_t n);
int bus_point_remove(struct bus *b, const uint32_t *num, size_t n);
bool bus_point_get(struct bus *b, uint32_t num, struct bus_point *ret);

MUST_CHECK int bus_source_open(struct bus *b, const char *name, struct bus_source **ret);
struct sink bus_source_sink(struct bus_source *s);
void bus_source_close(struct bus_source *s);

/* Is it on disk? For sources that acknowledge. A ticket stands for all that the source has published so far; asked for
 * again and again (nothing blocks), kept says 1: journal or store has what of it goes to history (what a swinging door
 * holds back excepted), 0: not yet, ERR_IO: some of it may have been dropped. While a ticket is open the writer commits
 * at once instead of gathering for commit_ms. On the source's thread. */
uint64_t bus_source_mark(struct bus_source *s);
int bus_source_kept(struct bus_source *s, uint64_t ticket);

/* Current value: latest by time. false: none yet. Lock-free read, any thread. */
bool bus_current(struct bus *b, uint32_t num, struct sample *ret);

/* A point that has no value yet takes its newest from the store, as it stands there: for values that nobody sends again
 * after a start. Reads the store; subscribers are not told. Any thread but a shard's. */
void bus_restore(struct bus *b, uint32_t num);

/* Subscribers get what passed the filter, as batches, on the shard's thread; must not block. */
typedef void bus_fn(void *ctx, const struct sample *s, size_t n);
int bus_subscribe(struct bus *b, bus_fn *fn, void *ctx);   /* ERR_LIMIT past 32 */
int bus_subscribe_all(struct bus *b, bus_fn *fn, void *ctx); /* every sample, also those that the filter holds back */
void bus_unsubscribe(struct bus *b, bus_fn *fn, void *ctx);/* after return fn is not running and will not be called */

/* Synchronous write with acknowledgement: filtered nothing, durable in the store on return. For the API. */
MUST_CHECK int bus_write(struct bus *b, const struct sample *s, size_t n, struct error *e);

struct bus_stats {
    uint64_t received, refused, passed, filtered, stored, journal_dropped, unknown_point;
    uint64_t journal_bytes, journal_records, lag_us; /* lag: age of the oldest sample not yet stored */
    uint64_t door;                      /* of those that passed: kept out of history by the swinging door */
};
void bus_stats(struct bus *b, struct bus_stats *ret);
