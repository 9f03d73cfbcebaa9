/* poll.h - when what is to be polled: a heap of slots ordered by the time they are due.
 *
 * A slot keeps its phase: due times are start + k * period, so that one slow answer does not shift all
 * later polls. What could not be begun for a whole period is skipped and counted, never caught up in a
 * burst. Slots belong to the caller (embedded in its own struct); memory only for the heap. */
#pragma once
#include "base/error.h"
#include "bornite/driver.h"

struct poll_slot {
    uint64_t due_ns, period_ns;
    uint64_t late; /* periods skipped */
    size_t at;     /* place in the heap + 1; 0: not in it */
};
struct poll_queue {
    struct poll_slot **heap;
    size_t n, cap;
};

void poll_queue_fini(struct poll_queue *q);
MUST_CHECK int poll_add(struct poll_queue *q, struct poll_slot *s);         /* due_ns and period_ns set; ERR_NOMEM */
void poll_remove(struct poll_queue *q, struct poll_slot *s);                /* no-op when not in it */
struct poll_slot *poll_first(const struct poll_queue *q);                   /* NULL when empty */
void poll_move(struct poll_queue *q, struct poll_slot *s, uint64_t due_ns); /* in the heap: to another time */
/* The slot was begun at now_ns: due at its next time after now. Returns the periods that were skipped. */
uint64_t poll_advance(struct poll_queue *q, struct poll_slot *s, uint64_t now_ns);
/* First due time of a slot: spread evenly over its period by a hash of `key`, so that a thousand devices
 * with the same period are not all asked in the same millisecond. */
uint64_t poll_phase(uint64_t now_ns, uint64_t period_ns, uint64_t key);

/* ---- reconnecting ---- */

/* 1 s, 2 s, 4 s ... 60 s (or the given limits), each with jitter of -25 % to +25 %. */
struct backoff {
    uint32_t min_ms, max_ms;
    unsigned tries;
};
uint32_t backoff_next_ms(struct backoff *b, uint64_t random);
static inline void backoff_reset(struct backoff *b)
{
    b->tries = 0;
}
