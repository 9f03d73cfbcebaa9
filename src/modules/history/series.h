/* series.h - gathering samples of a query; pure but for the store that is asked. One request's thread. */
#pragma once
#include <stdbool.h>
#include "model/tsstore.h"

struct series {
    struct sample *s; /* mem_alloc'd */
    size_t n, cap, max;
    bool truncated; /* more were there than max */
};
void series_fini(struct series *s);
/* A ts_scan_fn; ctx is the struct series. Stops the scan (returns 1) at the maximum. */
int series_add(void *ctx, const struct sample *s, size_t n);

/* Values at n rising times: linear between good neighbours, held for step points and where the next value is not
 * usable (then uncertain), bad with NO_DATA before the first value. */
MUST_CHECK int series_at(struct ts_store *store, uint32_t point, bool step, const int64_t *t, size_t n,
                         struct series *out, struct error *e);
enum filter_op { FILTER_NONE, FILTER_GT, FILTER_GE, FILTER_LT, FILTER_LE, FILTER_EQ, FILTER_NE, FILTER_BETWEEN };
struct sample_filter {
    uint8_t worst; /* the worst quality that passes */
    enum filter_op op;
    double a, b;
};
bool sample_passes(const struct sample_filter *f, const struct sample *s);

/* Recorded values of [from, to) with the boundary rule: TS_OUTSIDE adds the last before and the first after,
 * TS_INTERPOLATED the values in force at both ends. Given in stretches: 1 says that there is more. */
#define RECORDED_SOME 16384 /* samples read in one stretch, about */
struct recorded {
    struct ts_store *store;
    uint32_t point;
    bool step;
    int64_t from, to;
    enum ts_boundary boundary;
    struct sample_filter filter;
    size_t left;    /* how many may still be given */
    bool truncated; /* there would have been more */
    bool begun;
    int64_t next;
};
MUST_CHECK int recorded_some(struct recorded *r, ts_scan_fn *fn, void *ctx, struct error *e);
/* The value in force at an instant by the same rules. */
struct sample value_at(struct ts_store *store, uint32_t point, bool step, int64_t at);
