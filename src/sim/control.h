/* control.h - the line interface of a running simulator (loopback only): one command a line, the answer
 * is lines and last "ok" or "error: why". "help" lists the commands. */
#pragma once
#include "sim/faults.h"
#include "sim/server.h"

struct sim_field {               /* what the commands work on */
    const struct sim_plan *plan; /* NULL with a big field */
    struct sim_process *process;
    struct sim_demo *demo;
    struct sim_big *big;
    struct sim_port *ports;
    size_t nports;
    double speed;
};
/* Run one command line (without its end) and append the answer. */
void sim_control(struct sim_field *f, struct str line, struct buf *out);
/* For net_listen: ctx is the field. */
int sim_control_answer(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n);
