/* faults.h - the seeded faults F01..F20: scripts over tags.
 *
 * A fault is rows of data/fault_effects.csv: which tags, which shape, how much, after what delay, over
 * which time. Effects change what the instrument shows; what follows the tag in the model follows the
 * changed value. Started by command or, with the schedule, on a seeded day. One thread at a time. */
#pragma once
#include "sim/tags.h"

struct sim_faults;
struct sim_fault_info {
    struct str id, name_en, name_zh, site;
    double lasts_s;
    bool active;
    double started_s;
};

MUST_CHECK int sim_faults_new(const struct sim_plan *plan, uint64_t seed, struct sim_faults **ret, struct error *e);
void sim_faults_free(struct sim_faults *f);
/* "F03" at simulated time t; restarts one that runs. ERR_NOT_FOUND. */
MUST_CHECK int sim_fault_start(struct sim_faults *f, struct str id, double t);
MUST_CHECK int sim_fault_stop(struct sim_faults *f, struct str id);
size_t sim_fault_count(const struct sim_faults *f);
struct sim_fault_info sim_fault_info(const struct sim_faults *f, size_t i);
/* Seconds after the start of the run at which the schedule starts fault i (within 60 days). */
double sim_fault_day_s(const struct sim_faults *f, size_t i);
/* Move to time t: ends faults that are over, starts those due by the schedule (when `scheduled`). */
void sim_faults_step(struct sim_faults *f, double t, double since_start, bool scheduled);
/* What the instrument of `tag` shows for the true value v; cheap when no fault touches the tag.
 * `last` is what it showed before. Draws its own random numbers: a fault does not disturb the plant's. */
double sim_faults_apply(struct sim_faults *f, size_t tag, double v, double last, double t);
bool sim_faults_touch(const struct sim_faults *f, size_t tag);
