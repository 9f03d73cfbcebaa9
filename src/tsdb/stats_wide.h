/* stats_wide.h - what is gathered on the way over a block of samples, four at a time where the processor can. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "bornite/sample.h"

/* dt in microseconds, so that nothing is divided on the way. */
struct figures {
    double sum, step, line, usable_us, good_us;
    double squares, rest;   /* sums of (value - first value)^2 and of value - first value; line is twice too much */
    size_t least, greatest; /* indexes; valid when there is a usable one */
    double min, max;
};
/* The first samples of s[0..n), as long as all are doubles, finite and of the same quality as the first: how many
 * were taken, 0 when any of those looked at is something else (*f is as it was then). usable_us and good_us are left
 * out; sums of stretches are those up to the last sample taken. Of equal values the first is the least or greatest. */
size_t stats_wide(struct figures *f, const struct sample *s, size_t n);
