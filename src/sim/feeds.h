/* feeds.h - what stands around the plants and is no PLC: a weather and price service (HTTP, JSON), a truck weighbridge
 * (lines over TCP, answers what it is asked) and the display board at the gate (takes lines over TCP, answers nothing).
 *
 *   GET /weather   {"time":"…Z","station":"…","temperature":…,"humidity":…,"wind_speed":…,"wind_direction":…,"rain_1h":…,"pressure":…}
 *   GET /prices    {"time":"…Z","items":[{"symbol":"CU","price":…,"unit":"CNY/t"},…]}
 *   "W\r\n"        "ST,GS,+046280,kg\r\n": stable or moving (ST, US), gross, weight
 *
 * All values are functions of the simulated time; `time` is the wall clock's. One loop, its thread. */
#pragma once
#include "sim/net.h"
#include "sim/process.h"

struct sim_feeds;
/* On port (HTTP), port + 1 (weighbridge), port + 2 (board); 0: any free ones. What cannot listen is told in *e; the
 * others go on. ERR_NOMEM, or ERR_UNAVAILABLE with *ret set. */
MUST_CHECK int sim_feeds_new(uv_loop_t *loop, const struct sim_process *process, const char *bind, unsigned port,
                             struct sim_feeds **ret, struct error *e);
unsigned sim_feeds_port(const struct sim_feeds *f, unsigned i); /* 0 HTTP, 1 weighbridge, 2 board */
size_t sim_feeds_shown(const struct sim_feeds *f);              /* lines that came to the board */
void sim_feeds_close(struct sim_feeds *f);                      /* asynchronous; NULL too */
void sim_feeds_free(struct sim_feeds *f);
