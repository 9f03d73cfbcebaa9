/* big.c - the benchmark field: points whose values tell which point and which second they are. */
#include "sim/server.h"
#include "base/mem.h"
#include <stdio.h>

struct big_port {
    struct sim_big *big;
    struct sim_port *port;
    size_t first; /* point of its first register */
};
struct sim_big {
    size_t points, nports;
    uint32_t second;
    uint32_t *seen; /* by point: the last second that was served, 0 none */
    uint64_t values, distinct;
    struct big_port *port;
};

#define PER_PORT ((size_t)SIM_BIG_STATION * SIM_BIG_STATIONS)

int sim_big_new(size_t points, struct sim_big **ret)
{
    struct sim_big *b = mem_calloc(1, sizeof *b);
    if (!b) return ERR_NOMEM;
    b->points = points, b->nports = (points + PER_PORT - 1) / PER_PORT;
    b->seen = mem_calloc(points + 1, sizeof *b->seen);
    b->port = mem_calloc(b->nports + 1, sizeof *b->port);
    if (!b->seen || !b->port) {
        sim_big_free(b);
        return ERR_NOMEM;
    }
    *ret = b;
    return 0;
}

void sim_big_free(struct sim_big *b)
{
    if (!b) return;
    mem_free(b->seen);
    mem_free(b->port);
    mem_free(b);
}

size_t sim_big_ports(const struct sim_big *b)
{
    return b->nports;
}

void sim_big_second(struct sim_big *b, uint32_t second)
{
    b->second = second;
}

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint16_t *r)
{
    struct big_port *p = ctx;
    struct sim_big *b = p->big;
    if (unit < 1 || unit > SIM_BIG_STATIONS) return MODBUS_EX_GATEWAY_TARGET;
    size_t first = p->first + (unit - 1u) * (size_t)SIM_BIG_STATION + address;
    if (a != MODBUS_HOLDING || address + count > SIM_BIG_STATION || first + count > b->points)
        return MODBUS_EX_ILLEGAL_ADDRESS;
    for (size_t i = 0; i < count; i++) {
        r[i] = sim_big_value(first + i, b->second);
        b->distinct += b->seen[first + i] != b->second;
        b->seen[first + i] = b->second;
    }
    b->values += count;
    p->port->requests++, p->port->registers += count;
    return 0;
}

static int no_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint8_t *packed)
{
    return MODBUS_EX_ILLEGAL_ADDRESS;
}

static int no_write_bits(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint8_t *packed)
{
    return MODBUS_EX_ILLEGAL_ADDRESS;
}

static int no_write(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint16_t *r)
{
    return MODBUS_EX_ILLEGAL_ADDRESS;
}

struct modbus_data_ops sim_big_ops(struct sim_big *b, size_t server, struct sim_port *port)
{
    struct big_port *p = &b->port[server];
    *p = (struct big_port){b, port, server * PER_PORT};
    return (struct modbus_data_ops){.read_bits = no_bits,
                                    .read_registers = read_registers,
                                    .write_bits = no_write_bits,
                                    .write_registers = no_write,
                                    .ctx = p};
}

struct sim_big_count sim_big_count(const struct sim_big *b)
{
    struct sim_big_count c = {b->values, b->distinct, 0};
    for (size_t i = 0; i < b->points; i++) c.untouched += b->seen[i] == 0;
    return c;
}

static void csv_channels(size_t points, const char *host, unsigned port, struct buf *out)
{
    buf_z(out, "code,name,driver,options\r\n");
    for (size_t i = 0; i * PER_PORT < points; i++)
        buf_printf(out, "BIG-%02zu,BIG-%02zu,modbus_tcp,\"{\"\"host\"\":\"\"%s\"\",\"\"port\"\":%zu}\"\r\n", i + 1,
                   i + 1, host, port + i);
}

static void csv_devices(size_t points, const char *host, unsigned port, struct buf *out)
{
    buf_z(out, "code,name,channel,options\r\n");
    for (size_t i = 0; i * SIM_BIG_STATION < points; i++) {
        size_t server = i / SIM_BIG_STATIONS + 1, unit = i % SIM_BIG_STATIONS + 1;
        buf_printf(out, "BIG-%02zu-%zu,BIG-%02zu-%zu,BIG-%02zu,\"{\"\"unit\"\":%zu}\"\r\n", server, unit, server, unit,
                   server, unit);
    }
}

static void csv_points(size_t points, const char *host, unsigned port, struct buf *out)
{
    buf_z(out, "code,name,device,address,type,period,area\r\n");
    for (size_t i = 0; i < points; i++) {
        size_t station = i / SIM_BIG_STATION, server = station / SIM_BIG_STATIONS + 1,
               unit = station % SIM_BIG_STATIONS + 1;
        buf_printf(out, "BIG-%06zu,BIG-%06zu,BIG-%02zu-%zu,%06zu,uint16,1s,BIG/%02zu\r\n", i + 1, i + 1, server, unit,
                   400001 + i % SIM_BIG_STATION, server);
    }
}

int sim_big_write_csv(size_t points, const char *kind, const char *host, unsigned port_base, struct buf *out)
{
    static const struct {
        const char *kind;
        void (*write)(size_t points, const char *host, unsigned port, struct buf *out);
    } writers[] = {{"channel", csv_channels}, {"device", csv_devices}, {"point", csv_points}};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (strcmp(kind, writers[i].kind) == 0) {
            writers[i].write(points, host, port_base, out);
            return out->err;
        }
    return ERR_NOT_FOUND;
}
