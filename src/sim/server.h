/* server.h - the plan (or a big benchmark field) as Modbus TCP servers. One loop, one thread. */
#pragma once
#include "sim/net.h"
#include "sim/process.h"
#include "proto/modbus.h"

/* One TCP port. `stations` and `ctx` belong to the backend. */
struct sim_port {
    struct net_listener net;
    struct modbus_data_ops ops;
    const char *code;
    uint64_t requests, registers, writes; /* served */
};

/* Backend 1: the demo. Images of all registers are kept and refreshed from the process. */
struct sim_demo;
MUST_CHECK int sim_demo_new(const struct sim_plan *plan, struct sim_process *process, struct sim_demo **ret);
void sim_demo_free(struct sim_demo *d);
void sim_demo_refresh(struct sim_demo *d, bool fast_only); /* process -> registers */
/* Operations of server `i` of the plan, counting into *port. */
struct modbus_data_ops sim_demo_ops(struct sim_demo *d, size_t server, struct sim_port *port);

/* Backend 2: a field of points for benchmarks: stations of 1,000 holding registers, one point each.
 * At UTC second s the point n (from 0) is (n * 7919 + s) mod 65536, so that a reader can tell from
 * every value which point and which second it is. */
#define SIM_BIG_STATION 1000
#define SIM_BIG_STATIONS 10 /* behind one port */
struct sim_big;
MUST_CHECK int sim_big_new(size_t points, struct sim_big **ret);
void sim_big_free(struct sim_big *b);
size_t sim_big_ports(const struct sim_big *b);
struct modbus_data_ops sim_big_ops(struct sim_big *b, size_t server, struct sim_port *port);
void sim_big_second(struct sim_big *b, uint32_t second); /* the values change */
static inline uint16_t sim_big_value(size_t point, uint32_t second)
{
    return (uint16_t)(point * 7919u + second);
}
/* Values served; of them different (point, second); points never asked. */
struct sim_big_count {
    uint64_t values, distinct;
    size_t untouched;
};
struct sim_big_count sim_big_count(const struct sim_big *b);
/* Resources of a big field, as sim_write_resources_csv: codes BIG-01, BIG-01-1, BIG-000001. */
MUST_CHECK int sim_big_write_csv(size_t points, const char *kind, const char *host, unsigned port_base,
                                 struct buf *out);
