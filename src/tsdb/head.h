/* head.h - what has been appended and not yet sealed, in memory, compressed as it comes.
 *
 * Points that one poll brings together form a group: they share a table of times ("rows"), a sample
 * keeps the number of its row. Each point gathers 64 samples in an open chunk, which is then compressed.
 * A sample that comes out of order, or whose time the group has passed, is sorted into the open chunk, which then
 * has times of its own and, when it is full, keeps its end open for what is still to come. What is not later than the
 * closed chunks is late: it gathers in chunks apart, in sorted runs (head_late.c), which win over the others.
 *
 * Threads: one writer (head_add); readers take snapshots (head_sources) under the same lock, which is
 * held for microseconds: closed chunks are immutable and live as long as the head, late ones are copied.
 * Ownership: reference counted; the engine and every query that looks into it hold one. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/arena.h"
#include "tsdb/merge.h"

struct head;
struct head *head_new(uint64_t number); /* number of its first log file; NULL when out of memory */
struct head *head_ref(struct head *h);
uint64_t head_number(const struct head *h);
void head_unref(struct head *h);

struct head_counts {
    uint64_t samples, late, rewritten; /* rewritten: what a newer one has replaced in memory */
    int64_t oldest_us;                 /* INT64_MAX when empty */
    size_t bytes;                      /* of memory, near enough */
};
/* Add s[0..n); *ret_done tells how many were taken before ERR_NOMEM. `late` counts rise by those that
 * were not the newest of their point. */
int head_add(struct head *h, const struct sample *s, size_t n, size_t *ret_done);
void head_counts(struct head *h, struct head_counts *ret);

/* Snapshot of a point's samples that may lie in [from, to]: *ret_n sources, the first of what came in order, the others
 * of late samples, newest first (which is what decides between sources of one prio); memory from `a`. ERR_NOMEM. */
#define HEAD_SOURCES 16
int head_sources(struct head *h, uint32_t point, int64_t from, int64_t to, struct arena *a,
                 struct source out[static HEAD_SOURCES], size_t *ret_n);
/* For sealing: groups are numbered 0..n-1; the points of one, at most HEAD_GROUP_MAX. A point belongs to
 * the group that it was in last. */
#define HEAD_GROUP_MAX 128
size_t head_group_count(struct head *h);
size_t head_group_points(struct head *h, size_t group, uint32_t out[HEAD_GROUP_MAX]);
