/* iec104_link.h - the session of IEC 60870-5-104 (clause 5): numbering, k and w, t1 to t3, start and stop. Pure:
 * time comes in as nanoseconds of any monotonic clock, bytes go out through the caller's buffers. The same machine
 * serves the controlling station (drivers/iec104) and the controlled one (iec104_station.h).
 *
 * Use   bytes came        iec104_link_input, one APDU a call, until it returns 0
 *       after each call   iec104_link_output: S and U frames that are due now
 *       an ASDU to send   if iec104_link_free(): iec104_link_send -> an I frame
 *       iec104_link_deadline() passed   iec104_link_time
 * An error of input or time means: close the TCP connection. Nothing can be mended within it. t0 (connecting) is
 * the caller's. */
#pragma once
#include "proto/iec104.h"

#define IEC104_K_MAX 127   /* I frames in flight that are remembered; the standard allows 1..32767 */
#define IEC104_LINK_OUT 18 /* most bytes of one iec104_link_output */

struct iec104_link_config {
    bool controlling;             /* sends STARTDT; else answers it */
    uint16_t k, w;                /* 12, 8; k <= IEC104_K_MAX */
    uint32_t t1_ms, t2_ms, t3_ms; /* 15 s, 10 s, 20 s; t3 0: no test frames */
};
enum iec104_link_state { IEC104_STOPPED, IEC104_STARTING, IEC104_STARTED, IEC104_STOPPING };
/* STOPPING: a controlling station awaits the confirmation; a controlled one was asked to stop, sends no more data, and
 * confirms when all that is in flight is acknowledged. */
struct iec104_link {
    struct iec104_link_config cfg;
    enum iec104_link_state state;
    uint16_t vs, vr;                    /* next number to send; to receive */
    uint16_t va;                        /* oldest of ours that is not acknowledged; va == vs: none */
    uint16_t acked;                     /* vr as we told it last */
    uint64_t sent_ns[IEC104_K_MAX + 1]; /* when I frame n was sent: [n % (K_MAX + 1)] */
    uint64_t last_rx_ns, first_unacked_ns;
    uint64_t function_ns; /* when the U frame `awaited` was sent */
    uint8_t awaited;      /* the con that is awaited; 0: none */
    uint8_t due;          /* the U frame that is to be sent, 0: none */
    bool s_due, parked;
    uint64_t frames_in, frames_out; /* I frames */
};

enum iec104_link_event {
    IEC104_EVENT_NONE,    /* S, or a U frame that concerns the link alone */
    IEC104_EVENT_ASDU,    /* apdu->asdu */
    IEC104_EVENT_STARTED, /* data may flow */
    IEC104_EVENT_STOPPED, /* STOPDT is confirmed: no more data */
};

void iec104_link_init(struct iec104_link *l, const struct iec104_link_config *c, uint64_t now_ns);
/* Controlling station: ask for data, or for its end. */
void iec104_link_start(struct iec104_link *l, uint64_t now_ns);
void iec104_link_stop(struct iec104_link *l, uint64_t now_ns);
/* Controlled station: another connection of its redundancy group has started, so this one is stopped without having been
 * asked: no more data; STOPPED when all that is in flight is acknowledged. STARTDT starts it again. */
void iec104_link_park(struct iec104_link *l);
/* The first APDU of p[n]: 1 and *apdu, *ret_event; 0: more bytes are needed; ERR_PROTOCOL: close. */
MUST_CHECK int iec104_link_input(struct iec104_link *l, uint64_t now_ns, const uint8_t *p, size_t n,
                                 struct iec104_apdu *apdu, enum iec104_link_event *ret_event, struct error *e);
/* S and U frames that are due; returns how many bytes. Up to IEC104_LINK_OUT. */
size_t iec104_link_output(struct iec104_link *l, uint64_t now_ns, uint8_t out[IEC104_LINK_OUT]);
unsigned iec104_link_in_flight(const struct iec104_link *l);
bool iec104_link_free(const struct iec104_link *l); /* started, and fewer than k in flight */
/* Only when free. It acknowledges what came, too. */
size_t iec104_link_send(struct iec104_link *l, uint64_t now_ns, const uint8_t *asdu, size_t n,
                        uint8_t out[IEC104_APDU_MAX]);
/* ERR_TIMEOUT: t1 ran out, close. Else 0; frames may be due. */
MUST_CHECK int iec104_link_time(struct iec104_link *l, uint64_t now_ns, struct error *e);
uint64_t iec104_link_deadline(const struct iec104_link *l); /* UINT64_MAX: none */
/* We are going to read nothing for a while (no room): acknowledge what came. And: we read again; what we await, we
 * await anew. In between iec104_link_time is not to be called. */
void iec104_link_pause(struct iec104_link *l);
void iec104_link_resume(struct iec104_link *l, uint64_t now_ns);
