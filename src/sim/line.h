/* line.h - the stations of one port of the plan as Modbus RTU on a serial line: a real port, or the far end of a pseudo
 * terminal whose near end somebody opens. One loop, one thread. */
#pragma once
#include <uv.h>
#include "base/error.h"
#include "proto/modbus.h"

struct sim_line;
/* path "pty": a pseudo terminal. ops must outlive the line. Errors as of serial_open. */
MUST_CHECK int sim_line_new(uv_loop_t *loop, const char *path, unsigned speed, const struct modbus_data_ops *ops,
                            struct sim_line **ret, struct error *e);
const char *sim_line_path(const struct sim_line *l); /* what a master opens; of a real port: the port itself */
void sim_line_close(struct sim_line *l);             /* asynchronous; frees itself. NULL too */
