/* iec104.h - the demo's electrical equipment as controlled stations of IEC 60870-5-104, on one port: common address 1
 * the mine and concentrator, 2 the smelter, 3 the rolling mill. One loop, one thread.
 *
 * Addresses: states from 1, measured values from 16385 (0x4001), commands from 24577 (0x6001), set-points from 25089
 * (0x6201), counters from 25601 (0x6401). Each feeder has a breaker: a double point with a double command; while it is
 * open, the feeder carries nothing. Changes are told with CP56Time2a in China Standard Time. */
#pragma once
#include <uv.h>
#include "base/buf.h"
#include "sim/process.h"

struct sim_iec104;
MUST_CHECK int sim_iec104_new(uv_loop_t *loop, const struct sim_plan *plan, struct sim_process *process,
                              const char *bind, unsigned port, struct sim_iec104 **ret, struct error *e);
unsigned sim_iec104_port(const struct sim_iec104 *s); /* the real one */
void sim_iec104_beat(struct sim_iec104 *s);           /* several times a second: what changed is told */
void sim_iec104_close(struct sim_iec104 *s);          /* asynchronous: run the loop until it is empty, then free */
void sim_iec104_free(struct sim_iec104 *s);
/* All objects as CSV: common_address,address,command,code,name_en,name_zh,unit. */
MUST_CHECK int sim_iec104_list(const struct sim_plan *plan, struct buf *out);
