/* sparkplug.h - the enterprise as edge nodes of Sparkplug B: each server of the plan is an edge node of group "demo",
 * its equipment the devices, their tags the metrics (alias: number of the tag + 1). They tell changes every second to
 * the broker, give a rebirth when asked, and take commands for tags that are writable. */
#pragma once
#include <uv.h>
#include "sim/process.h"

struct sim_sparkplug_config {
    const char *host; /* an IP address */
    unsigned port;
};
struct sim_sparkplug;
MUST_CHECK int sim_sparkplug_new(uv_loop_t *loop, const struct sim_plan *plan, struct sim_process *process,
                                 const struct sim_sparkplug_config *c, struct sim_sparkplug **ret, struct error *e);
void sim_sparkplug_close(struct sim_sparkplug *s); /* asynchronous: run the loop until it is empty, then _free */
void sim_sparkplug_free(struct sim_sparkplug *s);
