/* engine.h - the alarm conditions of all points in memory: samples, time and people in, transitions out.
 *
 * One lock, held for one batch of samples, one action or one turn of the timers; nothing under it waits for
 * anything, so samples may be fed on the shard's thread. Points without limits cost one look into an array.
 * Delays and "no data" stand in a heap by the time they are due, one live entry a condition: a sample never
 * touches it unless it starts a delay.
 *
 * What a sample means (the order is that of the checks):
 * - Back-filled samples (SAMPLE_FLAG_BACKFILL), samples older than the newest one of their point, and samples
 *   more than five minutes off the node's clock, before or after, say nothing about now: they are counted and
 *   neither raise nor clear nor count as life.
 * - Bad quality raises `bad` (where wanted; not for "collection stopped" and "out of service"), ends running
 *   on-delays of limits, and leaves limit alarms as they are. It does not count as data for `stale`.
 * - Anything else clears `bad` and `stale` and is compared with the limits.
 *
 * Transitions leave through a bounded ring. When it is full the condition is marked and counted; engine_catch_up
 * brings its state out later, so that what is lost is the step in between, never where things stand. */
#pragma once
#include "io/clock.h"
#include "modules/alarms/state.h"
#include "bornite/sample.h"

struct engine;
struct alarm_conf {
    uint32_t num;
    double limit[ALARM_LIMITS]; /* by enum alarm_condition; NAN: none */
    double deadband;
    int64_t delay_us, stale_us; /* 0: none */
    bool bad;
    uint8_t priority; /* 0: by condition */
};

enum alarm_event { ALARM_RAISED, ALARM_CLEARED, ALARM_ACKED, ALARM_REMOVED, ALARM_SHELVED, ALARM_UNSHELVED, ALARM_CAUGHT_UP };
const char *alarm_event_name(int e);
struct alarm_words { /* what a person said; on the heap, owned by whoever took the transition */
    char login[64];
    int64_t until_us; /* shelving */
    char text[400];
};
struct alarm_step { /* a transition */
    uint64_t seq;
    int64_t at_us; /* wall clock */
    uint32_t num;
    uint8_t cond, event, to, priority;
    double value, limit; /* NAN: none */
    struct alarm_words *words;
};

/* ring: steps that may wait, 0: 65536. woken: called (under the lock, must only signal) when there are steps,
 * or when the timers are due earlier than engine_tick said last. */
MUST_CHECK int engine_new(const struct clock *clock, uint32_t ring, void (*woken)(void *ctx, bool timers), void *ctx,
                          struct engine **ret);
void engine_free(struct engine *g);

/* Configuration. What is not configured any more is dropped. A full reading: begin, set all, end. */
MUST_CHECK int engine_set(struct engine *g, const struct alarm_conf *c);
void engine_remove(struct engine *g, uint32_t num);
void engine_reload_begin(struct engine *g);
void engine_reload_end(struct engine *g);
/* As it stood before the restart; before samples are fed. */
MUST_CHECK int engine_restore(struct engine *g, uint32_t num, int cond, enum alarm_state s, int64_t shelved_until_us);

void engine_samples(void *g, const struct sample *s, size_t n); /* a bus_fn */
void engine_first(struct engine *g, const struct sample *s);    /* what came before the point was watched; else nothing */
uint64_t engine_tick(struct engine *g);                         /* -> monotonic µs of the next turn, UINT64_MAX: none */

/* People. ERR_NOT_FOUND: no such condition; ERR_CONFLICT: nothing to acknowledge, not shelved; ERR_AGAIN: the
 * ring is full. *ret_seq: number of the step that it made. words are taken over when it returns 0. */
MUST_CHECK int engine_ack(struct engine *g, uint32_t num, int cond, struct alarm_words *w, uint64_t *ret_seq);
MUST_CHECK int engine_shelve(struct engine *g, uint32_t num, int cond, struct alarm_words *w /* until_us 0: end it */,
                             uint64_t *ret_seq);

size_t engine_take(struct engine *g, struct alarm_step *out, size_t max); /* one thread */
void engine_catch_up(struct engine *g);                                   /* the same thread, when the ring is empty */
enum alarm_state engine_state(struct engine *g, uint32_t num, int cond);

struct engine_stats {
    uint64_t steps, dropped, ignored; /* steps that found no room; samples that said nothing about now */
    size_t points;
};
void engine_stats(struct engine *g, struct engine_stats *ret);
