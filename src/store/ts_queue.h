/* ts_queue.h - a durable queue before one remote time-series engine: what was put is on disk (io/journal.h) and is sent
 * in order by a thread of its own, with growing pauses while the engine does not take it.
 *
 * A batch that the engine can never take (ERR_INVALID, ERR_TOO_LARGE) is halved until what it refuses stands alone; that
 * is counted and left out. Where it refuses everything its settings are at fault: all waits, and only what is refused
 * REFUSALS times while the engine answers well otherwise is left out.
 *
 * The newest samples that wait (TAIL_MAX), and what the engine has taken but may not show yet, are also in memory, so that
 * queries see them. Threads: all functions any thread. */
#pragma once
#include <stdatomic.h>
#include "io/clock.h"
#include "io/fs.h"
#include "model/tsstore.h"

/* A store that several threads use until the last lets go. */
struct ts_handle {
    struct ts_store *st;
    atomic_int refs;
};
MUST_CHECK struct ts_handle *ts_handle_new(struct ts_store *st); /* owns st; NULL: out of memory, st is closed */
struct ts_handle *ts_handle_ref(struct ts_handle *h);             /* NULL allowed */
void ts_handle_unref(struct ts_handle *h);                        /* NULL allowed */

enum ts_queue_event { TS_QUEUE_DOWN, TS_QUEUE_UP, TS_QUEUE_DROPPED, TS_QUEUE_REFUSED };
/* On the sender's or the putter's thread; must be quick. n: samples dropped or refused. */
typedef void ts_queue_fn(void *ctx, enum ts_queue_event ev, uint64_t n, const struct error *why);

struct ts_queue;
struct ts_queue_config {
    struct fs *fs;             /* borrowed */
    const char *dir;           /* below the root, made */
    uint64_t max_bytes;        /* then the oldest are dropped and counted; 0: 4 GiB */
    const struct clock *clock; /* NULL: the machine's */
    unsigned retry_ms;         /* first pause; doubled up to 30 s; 0: 500 */
    ts_queue_fn *event;
    void *ctx;
};
MUST_CHECK int ts_queue_open(const struct ts_queue_config *cfg, struct ts_queue **ret, struct error *e);
/* What waits stays on disk. */
void ts_queue_close(struct ts_queue *q);
/* Where to: takes over the reference; NULL: it keeps what comes. batch: samples handed over at once; visible_us: how long
 * what was taken stays in memory. */
void ts_queue_engine(struct ts_queue *q, struct ts_handle *h, size_t batch, int64_t visible_us);
/* It keeps what comes, and no request to the engine is under way any more on return. */
void ts_queue_rest(struct ts_queue *q);
/* Durable on return. */
MUST_CHECK int ts_queue_put(struct ts_queue *q, const struct sample *s, size_t n, struct error *e);
/* Samples of a point that wait or may not show yet, by time, the last write of each; mem_alloc'd, NULL when none. */
MUST_CHECK int ts_queue_tail(struct ts_queue *q, uint32_t point, struct sample **ret, size_t *ret_n);
/* Everything put before this call has been taken (or left out); ERR_TIMEOUT. */
MUST_CHECK int ts_queue_wait(struct ts_queue *q, unsigned ms);
/* Forget all that waits. */
void ts_queue_drop(struct ts_queue *q);

struct ts_queue_status {
    bool up;                   /* the last exchange went well, or there was none */
    uint64_t pending, pending_bytes; /* samples (after a start with a long backlog an estimate), bytes on disk */
    uint64_t sent, failed, dropped;
    int64_t lag_us;            /* age of the oldest put that waits; 0: none */
    struct error error;        /* of the last failure; code 0: none since it is up */
};
void ts_queue_status(struct ts_queue *q, struct ts_queue_status *ret);
