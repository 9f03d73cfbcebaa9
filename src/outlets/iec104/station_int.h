/* station_int.h - the inside of the IEC 60870-5-104 outlet (controlled station).
 *
 * One channel = one listening port; each controlling station that connects has a station of its own
 * (proto/iec104_station.h) with a ring of events. Interrogations read host->current when their frame is made.
 *   table.c    option tables, status, peers, frames in words, the row
 *   point.c    an address and options -> struct sv_point; a sample -> an object; a command -> a value
 *   set.c      the desired set: points in the order of their addresses, what clashes; interrogations, reads, freezing
 *   conn.c     connections: bytes, time, losing
 *   tell.c     batches into events, acknowledgement of batches, what a slow connection missed
 *   group.c    redundancy groups: which connections belong together, what of a batch one of them has acknowledged
 *   command.c  commands and set-points -> host->write; clocks
 *   server.c   listening, the timer, opening and closing
 * Heart: sv_pump() does what can be done now and sets the one timer; after every event.
 *
 * Batch    taken when a started connection has room for all of it; done (host->sent) when one of them has acknowledged
 *          every frame of it, given back when the last connection that carries it is lost or stops. A started
 *          connection without room misses it and is told the present values of those points when it has room again.
 * Order    (common address, object address) is the key of everything that is asked for. */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "drivers/common/poll.h"
#include "io/tls_server.h"
#include "io/zone_load.h"
#include "outlets/iec104/outlet.h"
#include "proto/iec104_address.h"
#include "proto/iec104_station.h"
#include "proto/iec104_zone.h"

#define NS_MS 1000000ull
#define SV_EVENTS 4096 /* that wait for a connection */
#define SV_ROOM 1000   /* most items of a batch */
#define SV_TICKETS 64  /* batches under way */
#define SV_RX (16384 + 2 * IEC104_APDU_MAX)
#define SV_QUEUE (64 * 1024) /* bytes that may wait for a socket before more frames are made */
#define SV_CLOCK_WARN_US 2000000
#define SV_CONNS_MAX 32

/* What addresses leave open. */
struct sv_rules {
    struct iec104_rules rules;
    uint8_t yx_type, yc_type;
};
/* What an address and the options make of a point. */
struct sv_point {
    uint32_t num;
    uint16_t ca, command_ca;
    uint32_t ioa, command_ioa;
    uint8_t type;    /* plain type of the value, 0: none is told */
    uint8_t command; /* family of the command, 0: none */
    uint8_t group;   /* of interrogations; 0: the whole station only */
    uint8_t select;  /* enum sv_select */
    bool writable, whole, step;
    bool clash;        /* another point has its address: it is left out */
    double full_scale; /* of normalized values */
    /* counters */
    bool frozen;
    uint8_t sequence;
    int64_t frozen_value;
    uint16_t frozen_quality;
};
enum sv_select { SV_EITHER, SV_REQUIRED };

struct sv_ticket {
    uint64_t ticket;
    unsigned refs; /* connections that carry it */
    bool used;
    uint32_t items;
};
struct sv_mark { /* on a connection: when so many events are acknowledged, the batch is */
    uint64_t ticket, from, until;
    uint64_t cut;   /* of those only the ones up to here went into frames; 0: all do */
    uint64_t *keys; /* of the events, in a redundancy group; NULL: not known */
};
/* Connections of one controlling system, of which one has data transfer. Keys of events that it has acknowledged although
 * their batch was given back; two generations, each sorted. */
struct sv_group {
    char name[32];
    struct ip_list members; /* n 0: everybody */
    uint64_t *told[2];
    size_t ntold[2];
};
#define SV_GROUPS 8
#define SV_TOLD 8192

struct sv_channel;
struct sv_conn {
    struct sv_channel *ch;
    struct sv_conn *next;
    struct tls_stream *stream;
    unsigned number; /* of the connection, for frames */
    uint64_t id;
    bool opened, started, closing, paused;
    char peer[80], who[64];
    struct sv_group *group; /* NULL: each for itself */
    int64_t since_us;
    bool clock_known, clock_warned;
    int64_t clock_ahead_us; /* the peer's clock minus ours */
    uint64_t items, bytes_in, bytes_out;
    struct sv_mark marks[SV_TICKETS];
    unsigned nmarks;
    bool *missed; /* by point; NULL: none */
    size_t nmissed;
    uint64_t cycle_due_ns; /* 0: data transfer has not started */
    uint64_t cycle_key;    /* of the next value of the cycle that is told; 0: none is */
    struct iec104_station station;
    size_t rx_n;
    uint8_t rx[SV_RX];
    struct iec104_item events[SV_EVENTS];
};

struct sv_config {
    char bind[64];
    uint16_t port;
    struct ip_list allow;
    unsigned max_connections;
    struct iec104_link_config link;
    uint32_t select_ms;
    int64_t command_age_us; /* 0: not checked */
    uint64_t cycle_ns;      /* all measured values are told so often; 0: never */
    bool announce, stamped, counter_events;
    struct iec104_zone zone;
    struct sv_group groups[SV_GROUPS];
    unsigned ngroups;
    struct sv_rules rules;
    struct tls_server *tls;
};

struct sv_channel {
    struct outlet_channel base; /* first */
    struct sv_config cfg;
    struct outlet_status st;
    struct tls_listener *listener;
    struct backoff backoff;
    uint64_t retry_ns;
    struct error why; /* why it does not listen */
    struct sv_conn *conns;
    unsigned nconns, numbers;
    uint64_t ids;
    uv_timer_t timer;
    uint64_t wake_ns;
    bool timer_open, closing, pumping, again, want_ready, listener_open;
    unsigned writes; /* under way */
    driver_closed *closed;
    void *closed_arg;

    struct sv_point *points;
    size_t npoints, nclash;
    uint32_t *order;    /* slots with a value, by (ca, ioa) */
    uint32_t *commands; /* slots with a command, by (command_ca, command_ioa) */
    size_t norder, ncommands;
    uint16_t *cas;
    size_t ncas;
    struct error clash; /* the first one */

    struct sv_ticket tickets[SV_TICKETS];
};

/* point.c */
void sv_rules_of(const struct options *channel, struct sv_rules *ret);
int sv_point_resolve(const struct outlet_point *p, const struct sv_rules *rules, struct sv_point *ret,
                     struct outlet_address *addr, struct error *e);
int sv_address_default(const struct outlet_point *p, const struct options *channel, uint64_t *next, char *ret,
                       size_t cap, struct error *e);
uint16_t sv_quality(const struct sample *s);
/* Address, value and quality; false: it has no value that IEC 104 can carry (a text). */
bool sv_object(const struct sv_point *p, const struct sample *s, struct iec104_object *o);
/* A command's object as a value; ERR_INVALID: it says nothing that the point could be. */
int sv_command_value(const struct sv_point *p, const struct iec104_type *t, const struct iec104_object *o,
                     struct sample *ret);

/* set.c */
int sv_set(struct sv_channel *ch, const struct outlet_point *points, size_t n, struct error *e);
void sv_set_free(struct sv_channel *ch);
struct sv_point *sv_find_command(const struct sv_channel *ch, uint16_t ca, uint32_t ioa);
bool sv_next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret);
/* The first measured value whose (ca << 24 | ioa) is at least *key, which goes one beyond it. false: none. */
bool sv_next_measured(const struct sv_channel *ch, uint64_t *key, struct iec104_item *ret);
bool sv_read(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret);
int sv_freeze(void *ctx, uint16_t ca, unsigned group, unsigned how);

/* conn.c */
void *sv_accept(void *ctx, struct tls_stream *s);
void sv_refused(void *ctx, const char *host);
extern const struct tls_listener_ops sv_listener_ops;
void sv_conn_drop(struct sv_conn *c, const struct error *why);
void sv_conn_pump(struct sv_conn *c, uint64_t now);
void sv_conn_flush(struct sv_conn *c, uint64_t now); /* what may be sent now */
bool sv_conn_started(const struct sv_conn *c);
void sv_conn_note(struct sv_conn *c); /* whether data transfer has started or stopped */

/* tell.c */
int sv_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket);
void sv_tell_pump(struct sv_channel *ch, uint64_t now);
uint64_t sv_tell_deadline(const struct sv_conn *c);
void sv_tell_stopped(struct sv_conn *c); /* it asked for no more data */
void sv_tell_lost(struct sv_conn *c);

/* group.c */
/* "*" or "name: address, address; name: …". ret NULL: checked only. */
int sv_groups_parse(const char *text, struct sv_group *ret, unsigned *ret_n, struct error *e);
void sv_groups_free(struct sv_config *c);
void sv_group_join(struct sv_conn *c, const char *host);
void sv_group_started(struct sv_conn *c); /* the others of its group are stopped */
uint64_t sv_event_key(const struct outlet_item *item);
bool sv_group_told(const struct sv_conn *c, uint64_t key);
/* The first events of a batch that will be offered again are acknowledged: those up to `until`. */
void sv_group_keep(struct sv_conn *c, const struct sv_mark *m, uint64_t until);

/* command.c */
int sv_command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o,
               enum iec104_step how);
int sv_clock(void *ctx, uint16_t ca, const struct iec104_time *t);

/* server.c */
uint64_t sv_now(const struct sv_channel *ch);
int64_t sv_utc(const struct sv_channel *ch);
void sv_log(const struct sv_channel *ch, enum driver_log level, const char *msg, const char *kv);
void sv_pump(struct sv_channel *ch);
void sv_soon(struct sv_channel *ch);                      /* sv_pump in the next turn of the loop */
const struct error *sv_listen_now(struct sv_channel *ch); /* NULL: it listens */
void sv_conn_closed(struct sv_channel *ch);               /* one is gone */
int sv_channel_check(const struct options *o, struct error *e);
int sv_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e);
void sv_close(struct outlet_channel *base, driver_closed *closed, void *arg);
