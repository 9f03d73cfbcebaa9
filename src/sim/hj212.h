/* hj212.h - the enterprise's outlets as HJ 212 instruments: each connects to a platform and reports.
 *
 * One instrument an outlet (waste water WW.., stacks ST.., tail gas of the acid plants), with the values of its tags.
 * MN: 24 characters, "0100" + prefix + number of the equipment in the plan; password 123456. Real-time data every
 * `interval_s`, minute and hour data at their full times (wall clock, Beijing), kept for two days to be recalled. */
#pragma once
#include <uv.h>
#include "sim/process.h"

struct sim_hj212_config {
    const char *host; /* an IP address */
    unsigned port;
    unsigned interval_s;
};
struct sim_hj212;
MUST_CHECK int sim_hj212_new(uv_loop_t *loop, const struct sim_plan *plan, const struct sim_process *process,
                             const struct sim_hj212_config *c, struct sim_hj212 **ret, struct error *e);
void sim_hj212_close(struct sim_hj212 *h); /* asynchronous: run the loop until it is empty, then _free */
void sim_hj212_free(struct sim_hj212 *h);
/* The instruments as lines "MN,equipment code,name" for a person who configures the platform. */
MUST_CHECK int sim_hj212_list(const struct sim_plan *plan, struct buf *out);
