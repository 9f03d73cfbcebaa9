/* run_int.h - the inside of a run, for run*.c only. */
#pragma once
#include "modules/history/query.h"

#define ROWS_MAX 200000   /* rows of a table */
#define CELLS_MAX 4000000 /* rows x points x functions */

struct run_kind {
    const char *name;
    enum answer_shape shape;
    int (*open)(struct run *r, const struct params *p, struct error *e); /* after points and range */
    /* Some of the point r->at: 1 there is more, 0 it is done, negative. */
    int (*some)(struct run *r, struct answer *to, struct error *e);
};
extern const struct run_kind run_sample_kinds[]; /* run_samples.c; ended by name NULL */
extern const struct run_kind run_table_kinds[];  /* run_tables.c */

struct run {
    const struct run_kind *kind;
    struct arena a;
    struct node *node;
    struct query q;
    struct answer_head head;
    size_t at;      /* point in work */
    bool open;      /* series() was called for it */
    bool truncated; /* it has more than was asked for */
    uint64_t given;
    size_t row; /* where the point in work goes on */
    /* recorded, plot */
    struct recorded rec;
    size_t limit;
    bool unlimited;
    int64_t px;
    /* interpolated, aligned, aggregate */
    int64_t *edges; /* owned */
    size_t rows;
    struct column_plan plan;
    struct columns cols;
    bool have_cols;
    const char *fn[COLUMN_FUNCTIONS];
};
