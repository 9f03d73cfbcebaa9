/* sim.h - `bornite sim`: the demo enterprise, or a benchmark field, over Modbus TCP. */
#pragma once
#include "sim/control.h"
#include "sim/feeds.h"
#include "sim/hj212.h"
#include "sim/sparkplug.h"

/* Where the parts of the demo stand, from its first port on: the Modbus servers from 0, then what the simulator offers,
 * then what the platform listens on (`bornite serve --demo`). docs/guide tells them to people. */
enum sim_place {
    SIM_AT_IEC104 = 20,
    SIM_AT_FEEDS = 21, /* three: feeds.h */
    SIM_AT_HJ212 = 24, /* the platform's: the outlets report to it */
};

/* The command. Runs until SIGINT or SIGTERM; 0, 1 (could not start) or 2 (wrong options). */
int sim_main(int argc, char **argv);

/* The same as a thing, on the caller's loop (tests, `serve --demo` in one process). */
struct sim_config {
    const char *bind; /* "127.0.0.1" */
    unsigned port;    /* base; 0: any free ones, see sim_port_of */
    int control;      /* port of the control interface on 127.0.0.1; 0 any; -1 none */
    uint64_t seed;
    double speed;   /* simulated seconds a second */
    double start_s; /* simulated start, local plant time; 0: now */
    size_t big;     /* points of a benchmark field instead of the demo; 0: demo */
    bool schedule;
    struct sim_hj212_config hj212; /* outlets as HJ 212 instruments; host NULL: none */
    struct sim_sparkplug_config sparkplug; /* servers as edge nodes of a broker; host NULL: none */
    const char *serial; /* the first server's stations as Modbus RTU: a port, or "pty"; NULL: none */
    unsigned serial_speed;
    bool whole;      /* the places of enum sim_place too; what is occupied there is left out with a warning */
    int iec104_port; /* IEC 60870-5-104 stations of the electrical equipment; 0: none; -1: any port */
};
struct sim;
MUST_CHECK int sim_new(uv_loop_t *loop, const struct sim_config *c, struct sim **ret, struct error *e);
struct sim_field *sim_field(struct sim *s);
unsigned sim_control_port(const struct sim *s);
unsigned sim_iec104_port_of(const struct sim *s); /* 0: none */
const struct sim_feeds *sim_feeds_of(const struct sim *s); /* NULL: none */
const char *sim_serial_path(const struct sim *s); /* NULL: none */
void sim_close(struct sim *s); /* asynchronous: run the loop until it is empty, then sim_free */
void sim_free(struct sim *s);
