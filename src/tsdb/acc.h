/* acc.h - the figures of one window, gathered from parts (runs of samples with their summary) in order of
 * time. Pure.
 *
 * Time-weighted: a sample holds from its time to the next sample's. With `step` its value counts for all
 * of that; else, when both ends are usable (good or uncertain, a number), the straight line between them
 * counts, and when the next is not usable the value is held. A stretch that begins with a sample that is
 * not usable counts for nothing. Good seconds are those that begin with a good sample.
 * The sample in force at the begin of the window begins the first stretch; the last one ends at the end of
 * the window or at the newest sample of the store, whichever comes first. */
#pragma once
#include "model/tsstore.h"
#include "tsdb/stats.h"

struct acc {
    struct ts_summary out;
    struct stretch st;
    int64_t from, end;
    bool step;
};
/* Window [from, to); newest: time of the newest sample of the store. */
void acc_begin(struct acc *a, int64_t from, int64_t to, int64_t newest, bool step);
/* The stretch from a sample (NULL: none) to the one behind it (NULL: none, or held), as far as it lies in the window.
 */
void acc_stretch(struct acc *a, const struct sample *prev, const struct sample *next);
void acc_part(struct acc *a, const struct block_meta *b);
/* Work out what follows from the sums. `last`: the last sample taken; not read when none was. */
void acc_end(struct acc *a, const struct sample *last);

/* Variance: sum of (value - mean)^2 of two sets of values together (Chan, Golub and LeVeque 1979). n, sum and m2
 * of the first set grow by those of the second; a m2 that is not known (NAN) makes all of it unknown. */
void moments_add(uint64_t *n, double *sum, double *m2, uint64_t n2, double sum2, double m2_2);
/* b joins a: parts of one point, b later than a, and the stretch between them. a->count 0: a becomes b. */
void part_join(struct block_meta *a, const struct block_meta *b);
