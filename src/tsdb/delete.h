/* delete.h - ranges of points that were deleted and may still stand in older segments and heads.
 *
 * A deletion has a place in the sequence of writes, as sources have their prio: it hides what is older. The
 * list is immutable and reference counted; whoever reads takes it before it takes the view. */
#pragma once
#include <stdatomic.h>
#include "tsdb/merge.h"

struct arena;
struct tomb {
    uint32_t point;
    uint32_t gen;     /* segments of this generation and later were written without what it hides */
    int64_t from, to; /* [from, to) */
    uint64_t prio;    /* sources below are hidden */
    uint64_t serial;  /* rises with every deletion of this run; not in the file */
};
struct tombs {
    atomic_int refs;
    size_t n;
    struct tomb t[]; /* by point, then as they were made */
};
struct tsdb;
struct tombs *tombs_get(struct tsdb *db); /* NULL: there are none */
void tombs_put(struct tombs *t);
/* The deletions of a point; *ret_n of them. */
const struct tomb *tombs_of(const struct tombs *t, uint32_t point, size_t *ret_n);
/* Let the sources of the point give nothing that is deleted; memory from `a`. ERR_NOMEM. */
int tombs_hide(const struct tombs *t, uint32_t point, struct source *s, size_t n, struct arena *a);

/* work held */
int tombs_load(struct tsdb *db);
int tombs_save(struct tsdb *db); /* when something has changed */
/* A deletion that the log told of at the start: hides all segments. */
int tombs_add(struct tsdb *db, uint32_t point, int64_t from, int64_t to, uint64_t prio);
/* Rewrite one segment that holds something deleted (1), or forget deletions that nothing holds any more (0). */
int tombs_purge(struct tsdb *db);
void tombs_fini(struct tsdb *db);
