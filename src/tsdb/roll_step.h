/* roll_step.h - computing the cells of points out of segments. One step writes one file. */
#pragma once
#include "tsdb/roll.h"

/* Samples of a point stand in [t0, t1]: cells there are to be computed again. */
struct roll_touch {
    uint32_t point;
    int64_t t0, t1;
    bool deleted; /* also cells go that cannot be computed again */
};
struct roll_touches {
    struct roll_touch *t;
    size_t n, cap;
};
struct roll_job {
    struct tsdb *db;
    struct view *v;
    bool save; /* every cell that is not there yet, of what lies before `floor`, however few samples */
    int64_t floor;
    int64_t newest; /* of the store */
};
/* Write a file with the cells of what was touched (sorted here) and publish it with this mark. */
int roll_write_step(struct roll_job *j, struct roll_touches *t, uint64_t rolled);
int roll_note_touch(struct roll_touches *t, uint32_t point, int64_t t0, int64_t t1);
