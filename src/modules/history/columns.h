/* columns.h - the values of one point at given times or over given windows, as columns: what tables, CSV, Arrow and
 * expressions are made of. Windows of good samples come from summaries of the store (rollups), others from samples.
 *
 * A plan is made once a query and immutable; the columns of a point are filled in stretches of rows, so that a query
 * can be left between two of them. */
#pragma once
#include "model/tsstore.h"
#include "modules/history/aggregate.h"

#define COLUMN_FUNCTIONS 16
enum column_kind {
    COLUMN_WINDOWS,      /* functions of aggregate.h over [edges[i], edges[i + 1]) */
    COLUMN_INTERPOLATED, /* values at edges[i], by series.h */
    COLUMN_LAST,         /* the sample in force at edges[i] */
};
struct column_plan {
    struct ts_store *store;
    enum column_kind kind;
    const int64_t *edges; /* rows + 1 of them for windows, rows for values */
    size_t rows, nfn;     /* nfn 1 for values */
    const struct agg_fn *fn[COLUMN_FUNCTIONS];
    double p[COLUMN_FUNCTIONS];
    struct agg_config cfg;
    bool stepped_given; /* cfg.stepped holds for all points; else each point's own */
    bool raw_only;      /* never from summaries: for tests */
    size_t max_values;  /* that a window may hold for a percentile */
};
struct columns {
    size_t rows, nfn;
    double *v[COLUMN_FUNCTIONS];
    uint8_t *q[COLUMN_FUNCTIONS];
    uint32_t *status[COLUMN_FUNCTIONS];
    int64_t *at[COLUMN_FUNCTIONS]; /* NULL for functions without a time of their own */
};
MUST_CHECK int columns_init(struct columns *c, const struct column_plan *p);
void columns_fini(struct columns *c);
/* The rows [from, to) of a point. */
MUST_CHECK int columns_fill(struct columns *c, const struct column_plan *p, uint32_t point, bool step, size_t from,
                            size_t to, struct error *e);
