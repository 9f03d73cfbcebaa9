/* iec104_station.h - one connection of a controlled station: what a controlling station asks is answered over the
 * callbacks below, values that change are told. Pure but for those callbacks; no allocation; nothing of sockets.
 *
 * Who has the socket does:  bytes came -> iec104_station_input (loop while it returns > 0), then
 *                           iec104_station_output until it returns 0; the same after iec104_station_event,
 *                           iec104_station_done, and when iec104_station_deadline has passed (iec104_station_time
 * first). Bounded                   Answers wait in a queue of IEC104_REPLIES; when it is full, input is not taken (0)
 * until the peer reads. Events wait in the caller's ring; when it is full the oldest is dropped and counted.
 * Interrogations read values when their frame is made, nothing is copied. Order                     answers, then
 * events, then interrogations. Select before operate     one object a connection may be selected, for select_ms. */
#pragma once
#include "proto/iec104_link.h"

#define IEC104_REPLIES 16
#define IEC104_PENDING 8       /* commands under way, interrogations under way: each */
#define IEC104_BROADCAST 65535 /* common address: all */

/* A value to tell. */
struct iec104_item {
    uint16_t ca;
    uint8_t type, cause;
    struct iec104_object o;
};
enum iec104_step { IEC104_SELECT, IEC104_CANCEL, IEC104_EXECUTE, IEC104_EXECUTE_SELECTED };

struct iec104_station_ops {
    void *ctx;
    /* What an interrogation tells, one item a call; *cursor is 0 at first and yours to change. counters: integrated
     * totals only, else all but those. group 0: all, 1..16 (1..4 of counters): those of the group. false: no more.
     * `cause` is set by us. */
    bool (*next)(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret);
    /* C_RD: false: there is no such object. */
    bool (*read)(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret);
    /* A command or set-point. 0: done (for SELECT: selected); ERR_AGAIN: under way, iec104_station_done() will tell;
     * ERR_NOT_FOUND: no such object; ERR_UNSUPPORTED: not of this type; anything else: refused. CANCEL: only told. */
    int (*command)(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o,
                   enum iec104_step how);
    /* Clock: 0 or refused. NULL: refused. */
    int (*clock)(void *ctx, uint16_t ca, const struct iec104_time *t);
    /* Counters: freeze, with or without reset (QCC bits 6-7: 1, 2, 3). NULL: refused. */
    int (*freeze)(void *ctx, uint16_t ca, unsigned group, unsigned how);
    /* Reset of the process, qualifier QRP. NULL: refused. */
    int (*reset)(void *ctx, uint16_t ca, unsigned qualifier);
};
struct iec104_station_config {
    struct iec104_link_config link; /* controlling: false */
    struct iec104_station_ops ops;
    const uint16_t *cas; /* common addresses; the caller's, as long as the station */
    size_t ncas;
    uint32_t select_ms;         /* 30 s */
    bool announce;              /* M_EI_NA after the first STARTDT */
    struct iec104_item *events; /* ring; the caller's */
    size_t events_cap;
};

struct iec104_interrogation {
    bool active, counters, held; /* held: `item` is the next one */
    uint8_t qualifier;
    uint16_t ca;
    uint8_t originator;
    uint64_t cursor;
    struct iec104_item item;
};
struct iec104_pending {
    bool active;
    struct iec104_asdu head;
    struct iec104_object o;
};
struct iec104_reply {
    uint8_t n;
    uint8_t p[IEC104_ASDU_MAX];
};
struct iec104_station {
    struct iec104_station_config cfg;
    struct iec104_link link;
    struct iec104_reply replies[IEC104_REPLIES];
    unsigned reply_at, nreplies;
    struct iec104_interrogation asked[IEC104_PENDING];
    unsigned turn;
    struct iec104_pending pending[IEC104_PENDING];
    size_t event_at, nevents;
    uint64_t select_until_ns; /* 0: nothing is selected */
    uint16_t select_ca;
    uint8_t select_family;
    uint32_t select_ioa;
    int64_t select_value;
    double select_number;
    bool announced;
    uint64_t dropped, commands, interrogations;
    /* Events: given, put into frames (or dropped), acknowledged by the peer; each counts from the first on. */
    uint64_t events_in, events_out, events_acked;
    uint64_t frame_events[IEC104_K_MAX + 1]; /* events_out after I frame n: [n % (K_MAX + 1)] */
    uint16_t acked_to;                       /* frames before this number are in events_acked */
};

void iec104_station_init(struct iec104_station *s, const struct iec104_station_config *c, uint64_t now_ns);
/* Bytes used (one APDU), 0: not now (too few, or the queue is full), ERR_PROTOCOL: close. */
MUST_CHECK int iec104_station_input(struct iec104_station *s, uint64_t now_ns, const uint8_t *p, size_t n,
                                    struct error *e);
/* Frames to send, whole ones, up to cap (at least 300) bytes; 0: nothing now. */
size_t iec104_station_output(struct iec104_station *s, uint64_t now_ns, uint8_t *out, size_t cap);
/* A value changed (cause 3, or 1, 2, 11, 12). It waits until data may flow. */
void iec104_station_event(struct iec104_station *s, const struct iec104_item *item);
/* Events that wait are forgotten (a new interrogation tells the values); they count as out and acknowledged. */
void iec104_station_forget_events(struct iec104_station *s);
/* How a command that is under way ended: 0 or an error. No-op when it is not known any more. */
void iec104_station_done(struct iec104_station *s, uint16_t ca, uint32_t ioa, int rc);
MUST_CHECK int iec104_station_time(struct iec104_station *s, uint64_t now_ns, struct error *e);
uint64_t iec104_station_deadline(const struct iec104_station *s);
