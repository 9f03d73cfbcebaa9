/* gate.h - which samples of a point a forwarding lets through: deadband, shortest interval, heartbeat. Pure.
 *
 * The first sample passes. After it: a change of quality or of its reason always passes; a value that moved by more
 * than the deadband (0: any change) passes when the shortest interval is over; an unchanged one passes when the
 * heartbeat is due. Times are those of the samples; what is older than the last one that passed (a back-fill) passes
 * untouched and does not count as the last. A sample held back by the shortest interval is lost if none follows:
 * `max_us` bounds that. */
#pragma once
#include <stdbool.h>
#include "bornite/sample.h"

struct gate_rule {
    double deadband;        /* in the unit of the wire's point before scaling; 0: every change; < 0: every sample */
    int64_t min_us, max_us; /* 0: none */
};
struct gate {
    struct sample last; /* time_us 0: none yet */
};
bool gate_pass(struct gate *g, const struct gate_rule *r, const struct sample *s);
