/* pump.h - the way of samples from the bus to the outlets: one thread that puts them into a journal on disk, hands them
 * over in batches, and lets go of what the receiver has acknowledged.
 *
 * A line is the queue of one forwarding. Samples come in by pump_put (any thread, never waits), are gathered for
 * gather_ms, written to the journal and fsynced, then offered: the newest first (live), what an outage left behind
 * beside it (back-fill, oldest first, joined to batches of up to batch_max, fewer when the receiver finds that too
 * large). While the receiver is away nothing is held in memory. A record leaves the journal when its batch is done; after a crash some are offered again. The journal
 * is bounded by age and by bytes; what falls out is counted. When the disk refuses, live batches go on without it, and
 * that is counted and told. Lines without a buffer only gather: what is not taken soon is gone.
 *
 * Threads: pump_put, pump_up, pump_done, pump_ready, pump_stats from any thread; `offer` runs on the pump's thread and
 * must only post. open, close, discard wait for the disk: not from a loop. */
#pragma once
#include "bornite/outlet.h"
#include "io/clock.h"
#include "io/fs.h"
#include "model/tsstore.h"
#include "modules/forward/record.h"

struct pump;
struct pump_line;
struct pump_batch {
    struct batch b;
    enum outlet_flow flow;
    uint64_t from, to; /* records; 0: not in the journal */
    uint64_t number;   /* of the batch, ascending over all lines */
    uint32_t turn;     /* how many of this flow had come back with ERR_AGAIN when it was offered. Who has given more back
                        * gives this one back too: those come before it */
    struct pump_batch *next;        /* the pump's */
    int rc;                         /* how it came back; the pump's */
};
struct pump_config {
    const struct clock *clock;
    struct fs *fs;          /* journals stand in forward/<id> */
    struct ts_store *texts; /* texts of SAMPLE_STRING; may be NULL */
};
MUST_CHECK int pump_start(const struct pump_config *c, struct pump **ret, struct error *e);
void pump_stop(struct pump *p); /* all lines closed before */

struct pump_line_config {
    char id[37], code[129];
    bool buffered;
    int64_t keep_us; /* oldest that is kept */
    uint64_t max_bytes;
    unsigned gather_ms;
    unsigned batch_max;     /* samples of a batch of the backlog; 0: RECORD_MAX */
    /* Takes the batch over; it comes back by pump_done once. */
    void (*offer)(void *ctx, struct pump_batch *b);
    void *ctx;
};
MUST_CHECK int pump_line_open(struct pump *p, const struct pump_line_config *c, struct pump_line **ret,
                              struct error *e);
/* When the newest record that was there at opening was made, 0: there was none. What came in the moments after it may have
 * been lost with a crash. */
int64_t pump_line_newest(const struct pump_line *l);
/* No more offers from its return on; what is out still comes back. */
void pump_line_stop(struct pump_line *l);
/* After pump_line_stop. Batches that are out must have come back. What was not handed over waits in the journal for the next time; forget:
 * the journal is removed. Frees. */
void pump_line_close(struct pump_line *l, bool forget);
void pump_forget(struct fs *fs, const char *id); /* the journal of a forwarding that is gone */
/* Limits and gathering changed. */
void pump_line_set(struct pump_line *l, int64_t keep_us, uint64_t max_bytes, unsigned gather_ms);
void pump_put(struct pump_line *l, const struct sample *s, size_t n);
/* The outlet came up: what was held back is offered at once. It went down: what waits in memory goes back to the journal. */
void pump_up(struct pump_line *l, bool up);
/* rc 0: the receiver has it. ERR_AGAIN: not now, the same again after pump_ready (or a second). ERR_INVALID,
 * ERR_TOO_LARGE: never (one that was joined comes again in smaller ones). Else: again later. Frees the batch. */
void pump_done(struct pump_line *l, struct pump_batch *b, int rc);
void pump_ready(struct pump_line *l);
void pump_discard(struct pump_line *l); /* what waits is dropped (counted) */
struct pump_stats {
    uint64_t records, bytes;      /* in the journal: records not acknowledged; bytes on disk, whole files */
    int64_t oldest_us;            /* when the oldest of them was made; 0: none */
    uint64_t sent, refused, lost; /* samples: acknowledged, refused for good, fallen out of the buffer or never in it */
    uint64_t written;                   /* bytes put into the journal since the start */
    uint64_t backfilled;          /* of sent: from the backlog */
    uint64_t backlog;             /* records that wait to be back-filled */
    bool disk_fault;
    char fault[160];
};
void pump_stats(struct pump_line *l, struct pump_stats *ret);
