/* pump_int.h - inside of the pump: pump.c (the thread, lives of lines, their inboxes) and pump_line.c (what a line does in its
 * turn). Everything of a line but its inbox belongs to the pump's thread, or, before the line is in the table and after it has
 * left it, to who opens and closes it. The inbox (samples, batches that came back, words) is under the line's own lock, so
 * that shards of one line wait for nothing but a copy. */
#pragma once
#include <pthread.h>
#include "base/mem.h"
#include "io/journal.h"
#include "io/log.h"
#include "modules/forward/ledger.h"
#include "modules/forward/pump.h"

#define COMPONENT "forward"
#define BACKFILL_OUT 8 /* batches of the backlog at the outlet */

struct pump_line {
    struct pump *p;
    struct pump_line_config cfg;
    struct pump_line *next;

    pthread_mutex_t lock; /* the inbox, and the copy of the figures */
    struct sample *in;
    size_t nin, in_cap;
    struct pump_batch *back; /* newest first */
    bool ready, discard, down;
    uint64_t lost_in;
    struct pump_stats stats;

    char dir[64];      /* of the journal, which borrows it */
    int64_t newest_us; /* when the last record of the time before was made; 0: none */
    struct journal *journal;
    struct ledger ledger;
    struct pump_batch *live, **live_end; /* waiting for the outlet, in order */
    size_t nlive;
    struct pump_batch *held; /* of the backlog, offered and not taken for now; by number */
    unsigned live_out, backfill_out;
    uint32_t turn[2];       /* by flow: batches that came back with ERR_AGAIN */
    unsigned window, taken;  /* batches of the backlog at the outlet at most, as it takes them; taken since it was less */
    size_t batch_max;        /* what a batch of the backlog may have at present */
    uint64_t live_hold_ns, backfill_hold_ns, retry_ns, trim_ns, gather_ns, dropped_seen;
    struct pump_stats s;
    struct sample *work;
    size_t work_cap;
    struct buf record;
};

struct pump {
    struct pump_config cfg;
    pthread_t thread;
    pthread_mutex_t lock; /* the lines; held for a whole round, so never by who must not wait for the disk */
    struct pump_line *lines;
    uint64_t number;
    pthread_mutex_t wake_lock; /* all below */
    pthread_cond_t wake;
    bool stopping, poked;
};

static inline uint64_t pump_mono(const struct pump *p)
{
    return clock_mono_ns(p->cfg.clock);
}
/* pump_line.c */
uint64_t line_turn(struct pump_line *l);  /* monotonic time of the next turn that it needs, UINT64_MAX: none */
void line_flush(struct pump_line *l);     /* what still waits goes to the journal */
