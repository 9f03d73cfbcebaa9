/* process.h - the plant that the demo plays: every tag's value as a function of seed and simulated time.
 *
 * No wall clock and no I/O inside: sim_process_step moves the plant on, in fixed ticks, so that the same
 * seed and the same simulated time give the same values however the time was cut into steps. Values
 * stay within lo..hi of their tag and are rounded to its resolution. One thread at a time. */
#pragma once
#include "sim/tags.h"

struct sim_process;
struct sim_options {
    uint64_t seed;
    double start_s; /* simulated time at the start, seconds since the Unix epoch (local plant time) */
    double tick_s;  /* longest step of the fast machines; 0: 0.1 s, and 1 s for all else. Larger: both */
    bool schedule;  /* start one fault of each kind on its seeded day of a 60-day run */
};

MUST_CHECK int sim_process_new(const struct sim_plan *plan, const struct sim_options *o, struct sim_process **ret,
                               struct error *e);
void sim_process_free(struct sim_process *p);
void sim_process_step(struct sim_process *p, double dt_s);
double sim_process_time(const struct sim_process *p); /* simulated seconds since the Unix epoch */
double sim_process_value(const struct sim_process *p, size_t tag);
const char *sim_process_text(const struct sim_process *p, size_t tag); /* SIM_STR only; else "" */
/* A client wrote: only tags with `writable`; ERR_FORBIDDEN, ERR_INVALID outside lo..hi. */
MUST_CHECK int sim_process_write(struct sim_process *p, size_t tag, double value);
struct sim_faults;
struct sim_faults *sim_process_faults(struct sim_process *p); /* to start and stop faults */
