/* demo.c - register images of the demo's stations, and what a Modbus master may do with them.
 *
 * Addresses that no tag uses but that lie below the last used one read as 0, as in a PLC; beyond it the
 * answer is "illegal data address". Only set-points may be written; a write that covers a set-point in
 * part, or anything else, is refused. */
#include "sim/server.h"
#include "base/mem.h"

struct station {
    uint16_t *words[TABLE_COUNT]; /* input and holding registers */
    uint8_t *bits[TABLE_COUNT];   /* coils and discrete inputs, one a byte */
};
struct demo_port {
    struct sim_demo *demo;
    struct sim_port *port;
    bool by_unit[256]; /* is there a device? */
    size_t device[256];
};
struct sim_demo {
    struct arena arena;
    const struct sim_plan *plan;
    struct sim_process *process;
    struct station *station; /* by device */
    struct demo_port *port;  /* by server */
};

static int make_station(struct sim_demo *d, size_t i)
{
    const struct sim_device *dev = &d->plan->devices[i];
    struct station *s = &d->station[i];
    for (int t = TABLE_COIL; t <= TABLE_DISCRETE; t++)
        if (!(s->bits[t] = arena_calloc(&d->arena, dev->used[t] + 1u, 1))) return ERR_NOMEM;
    for (int t = TABLE_INPUT; t <= TABLE_HOLDING; t++)
        if (!(s->words[t] = arena_calloc(&d->arena, dev->used[t] + 1u, 2))) return ERR_NOMEM;
    struct demo_port *p = &d->port[dev->server];
    p->by_unit[dev->unit_id] = true;
    p->device[dev->unit_id] = i;
    return 0;
}

int sim_demo_new(const struct sim_plan *plan, struct sim_process *process, struct sim_demo **ret)
{
    struct sim_demo *d = mem_calloc(1, sizeof *d);
    if (!d) return ERR_NOMEM;
    arena_init(&d->arena, 8 << 20);
    d->plan = plan, d->process = process;
    d->station = arena_calloc(&d->arena, plan->ndevices, sizeof *d->station);
    d->port = arena_calloc(&d->arena, plan->nservers, sizeof *d->port);
    int rc = d->station && d->port ? 0 : ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < plan->ndevices; i++) rc = make_station(d, i);
    if (rc < 0) {
        sim_demo_free(d);
        return rc;
    }
    sim_demo_refresh(d, false);
    *ret = d;
    return 0;
}

void sim_demo_free(struct sim_demo *d)
{
    if (!d) return;
    arena_fini(&d->arena);
    mem_free(d);
}

static void put_tag(struct sim_demo *d, size_t i)
{
    const struct sim_tag *t = &d->plan->tags[i];
    struct station *s = &d->station[t->device];
    double v = sim_process_value(d->process, i);
    if (t->wire != WIRE_BOOL) {
        sim_encode(t, v, sim_process_text(d->process, i), s->words[t->table] + t->address);
    } else if (t->bit < 0) {
        s->bits[t->table][t->address] = v > 0.5;
    } else {
        uint16_t *w = &s->words[t->table][t->address], mask = (uint16_t)(1u << t->bit);
        *w = (uint16_t)(v > 0.5 ? *w | mask : *w & ~mask);
    }
}

void sim_demo_refresh(struct sim_demo *d, bool fast_only)
{
    for (size_t i = 0; i < d->plan->ntags; i++)
        if (!fast_only || d->plan->tags[i].scan_s < 1) put_tag(d, i);
}

/* The station of a unit id and whether the range is there; else what to answer. */
static int locate(struct demo_port *p, uint8_t unit, enum sim_table t, unsigned end, size_t *ret_device)
{
    if (!p->by_unit[unit]) return MODBUS_EX_GATEWAY_TARGET;
    *ret_device = p->device[unit];
    return end <= p->demo->plan->devices[*ret_device].used[t] ? 0 : MODBUS_EX_ILLEGAL_ADDRESS;
}

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint16_t *r)
{
    struct demo_port *p = ctx;
    enum sim_table t = a == MODBUS_INPUT ? TABLE_INPUT : TABLE_HOLDING;
    size_t device;
    int rc = locate(p, unit, t, address + (unsigned)count, &device);
    if (rc) return rc;
    memcpy(r, p->demo->station[device].words[t] + address, count * 2u);
    p->port->requests++, p->port->registers += count;
    return 0;
}

static int read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint8_t *packed)
{
    struct demo_port *p = ctx;
    enum sim_table t = a == MODBUS_COIL ? TABLE_COIL : TABLE_DISCRETE;
    size_t device;
    int rc = locate(p, unit, t, address + (unsigned)count, &device);
    if (rc) return rc;
    memset(packed, 0, (count + 7u) / 8);
    for (unsigned i = 0; i < count; i++)
        packed[i / 8] |= (uint8_t)((p->demo->station[device].bits[t][address + i] & 1) << (i % 8));
    p->port->requests++, p->port->registers += count;
    return 0;
}

static int write_bits(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint8_t *packed)
{
    return MODBUS_EX_ILLEGAL_ADDRESS; /* no state of the demo may be switched */
}

/* The set-point that lies in the written range from its first to its last register. */
static int find_writable(const struct sim_plan *plan, size_t device, unsigned from, unsigned end)
{
    for (size_t i = 0; i < plan->ntags; i++) {
        const struct sim_tag *t = &plan->tags[i];
        if (t->device == device && t->writable && t->address == from && from + t->words <= end) return (int)i;
    }
    return -1;
}

static int write_registers(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint16_t *r)
{
    struct demo_port *p = ctx;
    struct sim_demo *d = p->demo;
    unsigned end = address + (unsigned)count;
    size_t device;
    int rc = locate(p, unit, TABLE_HOLDING, end, &device);
    for (unsigned at = address; rc == 0 && at < end;) {
        int tag = find_writable(d->plan, device, at, end);
        if (tag < 0) return MODBUS_EX_ILLEGAL_ADDRESS;
        const struct sim_tag *t = &d->plan->tags[tag];
        if (sim_process_write(d->process, (size_t)tag, sim_decode(t, r + (at - address))) < 0)
            return MODBUS_EX_ILLEGAL_VALUE;
        put_tag(d, (size_t)tag);
        at += t->words;
    }
    if (rc == 0) p->port->requests++, p->port->writes += count;
    return rc;
}

struct modbus_data_ops sim_demo_ops(struct sim_demo *d, size_t server, struct sim_port *port)
{
    struct demo_port *p = &d->port[server];
    p->demo = d, p->port = port;
    return (struct modbus_data_ops){.read_bits = read_bits,
                                    .read_registers = read_registers,
                                    .write_bits = write_bits,
                                    .write_registers = write_registers,
                                    .ctx = p};
}
