/* tags.h - the plan of the demo enterprise: which servers, stations, equipment and tags it has.
 *
 * The tables in data/ (servers, areas, equipment, tags) are embedded and expanded once into a plan:
 * every class of equipment has instances ("TRK[01..24]"), every instance has the tags of its class.
 * A plan is immutable after sim_plan_load and may be read from any thread; it owns all its text.
 *
 * Codes: equipment "LT-GRD-BM01", tag "LT-GRD-BM01.JI"; area path "LT/GRD/BM01".
 * A server is one TCP port (base port + offset), a channel for who collects; a device is one Modbus
 * station on it and carries one or several pieces of equipment. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum sim_type { SIM_AI, SIM_LAB, SIM_ENUM, SIM_DI, SIM_TOT, SIM_STR };
enum sim_wire { WIRE_F32, WIRE_F64, WIRE_I16, WIRE_U16, WIRE_I32, WIRE_U32, WIRE_BOOL, WIRE_STR };
/* Modbus tables by the first digit of an address: 0 coils, 1 discrete inputs, 3 input, 4 holding registers. */
enum sim_table { TABLE_COIL, TABLE_DISCRETE, TABLE_INPUT, TABLE_HOLDING, TABLE_COUNT };

struct sim_area {
    struct str site, code, name_en, name_zh; /* code "" is the site itself */
    uint16_t server;
};
struct sim_server {
    struct str code, name_en, name_zh;
    uint16_t port_offset;
};
struct sim_device {
    struct str code, name_en, name_zh;
    uint16_t server;
    uint8_t unit_id;
    uint16_t used[TABLE_COUNT]; /* addresses 0 .. used-1 answer */
};
struct sim_equip {
    struct str code, cls, name_en, name_zh, area_path;
    uint16_t area, device;
    uint16_t index, count; /* which of how many of its class */
    uint16_t first, ntags; /* in the plan's tags */
};
struct sim_tag {
    struct str code, suffix, name_en, name_zh, unit, dynamics;
    double lo, hi, nominal, noise, resolution;
    double limit[4]; /* LL L H HH; NAN: none */
    double scan_s;
    uint16_t equip, device;
    uint8_t type, wire, table; /* enum sim_type, sim_wire, sim_table */
    int8_t bit;                /* of the register, -1: none */
    bool writable;
    uint8_t words;    /* registers taken; 0 for coils and discrete inputs */
    uint16_t address; /* from 0 */
    double scale;     /* value = raw * scale */
    char order[5];    /* "ABCD", "CDAB", "BADC", "DCBA" */
    char text[12];    /* address as people write it: "400001", "400010.3" */
};

struct sim_plan {
    struct arena arena;
    struct sim_area *areas;
    struct sim_server *servers;
    struct sim_device *devices;
    struct sim_equip *equips;
    struct sim_tag *tags;
    size_t nareas, nservers, ndevices, nequips, ntags;
};

MUST_CHECK int sim_plan_load(struct sim_plan **ret, struct error *e);
void sim_plan_free(struct sim_plan *p);
/* Index by code, -1 when there is none. */
int sim_plan_equip(const struct sim_plan *p, struct str code);
int sim_plan_tag(const struct sim_plan *p, struct str code);
/* Tag of a piece of equipment by suffix, -1. */
int sim_equip_tag(const struct sim_plan *p, size_t equip, const char *suffix);

/* Registers of a tag's value: out[tag->words], in wire order. `text` is for strings only. */
void sim_encode(const struct sim_tag *t, double value, const char *text, uint16_t *out);
/* And back, for what a client wrote. */
double sim_decode(const struct sim_tag *t, const uint16_t *in);
