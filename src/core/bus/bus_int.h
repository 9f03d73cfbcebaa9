/* bus_int.h - what bus.c (sources, shards, subscribers) and bus_history.c (journal, store) share. */
#pragma once
#include <pthread.h>
#include "core/bus.h"
#include "core/bus/point_table.h"
#include "io/journal.h"
#include "io/ring.h"

/* The history writer: gathers what the shards pass on, journals it, stores it. */
struct history;
MUST_CHECK int history_start(const struct bus_config *cfg, struct history **ret, struct error *e);
void history_stop(struct history *h);      /* stores what is left, joins */
/* From a shard. Waits while the writer is busy and its buffer full (back-pressure); while neither journal
 * nor store takes anything, the oldest are dropped and counted instead. */
void history_put(struct history *h, const struct sample *s, size_t n);
/* From the API: returns when durable in the store, or the store's error. */
MUST_CHECK int history_write(struct history *h, const struct sample *s, size_t n, struct error *e);
void history_stats(struct history *h, struct bus_stats *ret);

/* How far it has come, in samples that shards handed over: all; on disk; and how many were ever dropped. */
struct history_marks {
    uint64_t put, kept, dropped;
};
struct history_marks history_marks(struct history *h);
void history_hurry(struct history *h); /* commit at once; never blocks for long */
