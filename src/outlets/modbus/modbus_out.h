/* modbus_out.h - inside of the Modbus server: table.c (options, addresses), map.c (registers and the points behind
 * them, pure), request.c (reads, writes, diagnostics), server.c (connections).
 *
 * Holding and input registers show the same values, so do coils and discrete inputs: only 4x and 0x can be written. A
 * read is answered from current values at once; a write waits until the equipment has answered, and the connection
 * reads no further requests meanwhile. A write must cover whole points; a mask write (22) may change single bits. */
#pragma once
#include "base/mem.h"
#include "drivers/common/convert.h"
#include "drivers/common/registry.h"
#include "io/tls_server.h"
#include "outlets/modbus/outlet.h"
#include "proto/modbus.h"

enum mo_bad { MO_BAD_MARK, MO_BAD_LAST, MO_BAD_EXCEPTION }; /* in the order of the choices */

struct mo_rules { /* what of the options counts for addresses */
    uint8_t unit;
    uint8_t order;
};
struct mo_point {
    uint32_t slot;
    uint8_t unit, type, text; /* type: enum value_type; text: enum modbus_text */
    bool bits;                /* coils and discrete inputs, else registers */
    bool writable;
    int8_t bit;         /* in the register, -1: none */
    uint16_t at, count; /* on the wire; bits: count 1 */
    uint16_t length;    /* characters of a text */
    struct value_spec spec;
};
/* An address with its options into its place. */
MUST_CHECK int mo_point_resolve(const struct outlet_point *p, const struct mo_rules *r, struct mo_point *ret,
                                struct outlet_address *addr, struct error *e);
struct mo_rules mo_rules_of(const struct options *channel);

struct mo_map {
    struct mo_point *at; /* by unit, bits, place, bit */
    size_t n;
};
/* Sorts, and leaves out what lies over another: *ret_over counts those, *e names the first. */
void mo_map_settle(struct mo_map *m, const struct outlet_point *points, size_t *ret_over, struct error *e);
void mo_map_fini(struct mo_map *m);
/* The points that touch [at, at + count): their stretch in m->at. False: none. */
bool mo_map_find(const struct mo_map *m, uint8_t unit, bool bits, unsigned at, unsigned count, size_t *ret_first,
                 size_t *ret_end);
bool mo_map_unit(const struct mo_map *m, uint8_t unit);

/* A value into its registers (count of them) or its bit (regs[0]). false: bad and the rule wants an exception. */
bool mo_value_put(const struct mo_point *p, const struct sample *s, const char *text, size_t n, enum mo_bad bad,
                  uint16_t *regs);
/* Registers into a value to write; text of at most 256 bytes. false: they hold none (NaN, wrong BCD digits, a number
 * that is wider than the type, a text that is no UTF-8). */
bool mo_value_take(const struct mo_point *p, const uint16_t *regs, struct sample *ret, char text[257], size_t *ret_n);

#define MO_IN_MAX 1024
struct mo_conn {
    struct mo_conn *next;
    struct mo_channel *ch;
    struct tls_stream *stream;
    uint8_t in[MO_IN_MAX];
    size_t nin;
    bool closing, asked; /* asked: a whole request has come */
    bool quiet, taking;  /* the request is not answered; requests are being taken */
    uint64_t heard_ns;
    int64_t since_us;
    uint64_t items, bytes_in, bytes_out;
    uint16_t link;
    /* The request that is being carried out; waiting: a write for the equipment. */
    unsigned waiting; /* points not answered yet */
    unsigned exception;
    uint16_t transaction;
    uint8_t unit, request[MODBUS_PDU_MAX];
    size_t nrequest;
    uint16_t after_at, after[MODBUS_RW_REGISTERS_MAX], known[MODBUS_RW_REGISTERS_MAX]; /* read back, by bits */
};

struct mo_channel {
    struct outlet_channel base;
    struct mo_rules rules;
    struct ip_list allow;
    char address[46];
    uint16_t port;
    enum modbus_framing framing;
    bool any_unit;
    enum mo_bad bad;
    unsigned max_connections;
    uint64_t idle_ns;
    struct mo_map map;
    struct error clash;
    size_t nclash;
    struct tls_listener *listener;
    struct mo_conn *conns;
    unsigned nconns;
    uint16_t links;
    uv_timer_t timer; /* idle connections, and listening again */
    struct outlet_status status;
    struct modbus_counters counters;
    bool closing, timer_closed;
    driver_closed *closed;
    void *closed_arg;
    size_t points;
};

/* request.c */
extern const struct modbus_identity mo_identity;
void mo_take(struct mo_conn *c); /* the request in c->request */
/* server.c */
void mo_trace(struct mo_conn *c, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e);
void mo_drop(struct mo_conn *c);
void mo_go_on(struct mo_conn *c);    /* the next requests */
void mo_conn_end(struct mo_conn *c); /* the last write of one that is closing has ended */

extern const struct option mo_channel_options[], mo_point_options[];
int mo_address_check(const struct outlet_point *p, const struct options *channel, struct outlet_address *ret,
                     struct error *e);
int mo_address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                       size_t cap, struct error *e);
int mo_channel_check(const struct options *channel, struct error *e);
int mo_open(const struct outlet_host *host, const struct options *channel, struct outlet_channel **ret,
            struct error *e);
int mo_set(struct outlet_channel *ch, const struct outlet_point *points, size_t n, struct error *e);
void mo_test(struct outlet_channel *ch, driver_test_done *done, void *arg);
void mo_status(const struct outlet_channel *ch, struct outlet_status *ret);
size_t mo_peers(const struct outlet_channel *ch, struct outlet_peer *ret, size_t max);
void mo_close(struct outlet_channel *ch, driver_closed *closed, void *arg);
void mo_describe(const struct driver_frame *f, char *en, char *zh, size_t cap);
