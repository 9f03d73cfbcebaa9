/* seg_times.h - which points of a window share which time column. Pure but for the write callback. */
#pragma once
#include "tsdb/block.h"

#define TIMES_POINTS 128

struct times_use { /* how one point's block says its times */
    enum block_times how;
    uint64_t at; /* file offset of the time column */
    uint32_t row;
    int64_t *rows; /* ROWS: owned by seg_times */
};
struct times_set { /* one distinct sequence of times */
    int64_t *t;
    size_t n, users;
    uint64_t hash;
    struct times_use use;
};
struct seg_times {
    struct times_set sets[TIMES_POINTS];
    size_t nsets;
    int set_of[TIMES_POINTS]; /* by point of the window */
    int64_t *all;             /* union */
    size_t nall;
    uint8_t *tmp;
};
void seg_times_clear(struct seg_times *x);
void seg_times_fini(struct seg_times *x);
/* Times of point i of the window, n <= SEG_BLOCK_MAX. ERR_NOMEM. */
int seg_times_add(struct seg_times *x, size_t i, const struct sample *s, size_t n);
typedef int times_write_fn(void *ctx, const int64_t *t, size_t n, uint64_t *ret_at);
/* Decide and write the columns that are shared. */
int seg_times_write(struct seg_times *x, struct codec *c, times_write_fn *fn, void *ctx);
struct times_use *seg_times_use(struct seg_times *x, size_t i);
