/* block_meta.h - the summary of a run of samples of one point, so that queries can skip decoding. */
#pragma once
#include <stdbool.h>
#include "base/error.h"
#include "bornite/sample.h"

struct block_meta {
    uint32_t point, count;
    uint64_t offset; /* in the segment file */
    uint32_t len;
    bool has_stats; /* the members below are set; else only first.time_us and last_us */
    int64_t first_us, last_us;
    struct sample first, last, min, max, bad; /* type NONE with point 0: there is none */
    uint32_t good;                            /* samples of good quality */
    double sum;                               /* of usable values */
    double m2;                                /* sum of (value - mean)^2 over them */
    uint32_t usable;                          /* samples in sum */
    /* Between first and last, by time (seconds): */
    double step_integral, linear_integral, usable_s, good_s;
};
