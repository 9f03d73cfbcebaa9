/* loop.h - an event loop (libuv) on its own thread, and the queues and pools between threads. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/error.h"

struct loop;
/* Start a loop on a new thread called `name` (<= 15 chars). */
MUST_CHECK int loop_start(const char *name, struct loop **ret);
uv_loop_t *loop_uv(struct loop *l);                  /* use only on the loop's own thread */
/* Run fn(arg) on the loop's thread, in order of posting; any thread. ERR_CLOSED after loop_stop. */
int loop_post(struct loop *l, void (*fn)(void *arg), void *arg);
/* The same, and wait until it has run (not from the loop itself: asserted). */
int loop_call(struct loop *l, void (*fn)(void *arg), void *arg);
bool loop_here(const struct loop *l);                /* am I on this loop? for asserts */
/* A second thread beside the loop, for loop_inline; on the loop. */
MUST_CHECK int loop_assist(struct loop *l);
/* On the loop: run work(arg) on this thread as soon as the loop has done what it is at, then home(arg) on the loop.
 * That is what a pool would do, less two changes of threads. The work may block, and wait for the loop: when it takes
 * more than some milliseconds the second thread goes on with the loop, and home is posted. loop_here is false for the
 * work. False: not now (one at a time; no second thread is free), and nothing was taken. */
bool loop_inline(struct loop *l, void (*work)(void *arg), void (*home)(void *arg), void *arg);
/* Stop: no more posts, handles must have been closed by their owners, join, free. */
void loop_stop(struct loop *l);

/* Bounded pool of threads for blocking work. Each kind of work has its own, so that none starves another. */
struct pool;
MUST_CHECK int pool_start(const char *name, unsigned threads, unsigned queue, struct pool **ret);
int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg); /* ERR_LIMIT: full (counted); ERR_CLOSED */
unsigned pool_queued(struct pool *p);
uint64_t pool_rejected(struct pool *p);
void pool_stop(struct pool *p);                      /* runs what is queued, joins */
