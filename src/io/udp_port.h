/* udp_port.h - a UDP socket on a libuv loop: to one peer, or listening; unicast, multicast, broadcast.
 *
 * Threads   all on the loop's thread. Names are resolved in libuv's pool.
 * Life      udp_port_open -> opened once, or lost once; datagrams between; lost at most once ("connection refused" by
 * ICMP is told as `refused` and is no end). udp_port_close at any time, in a callback too; `closed` comes from the
 * loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/error.h"

struct udp_port;
struct udp_port_ops {
    void (*opened)(void *ctx);
    /* host: text of the peer's address. */
    void (*datagram)(void *ctx, const uint8_t *p, size_t n, const char *host, uint16_t port);
    void (*lost)(void *ctx, const struct error *why);
    void (*refused)(void *ctx); /* nobody listens there; may be NULL */
};
struct udp_port_config {
    const char *address; /* our own; NULL or "": any */
    uint16_t port;       /* our own; 0: the system chooses */
    const char *peer;    /* name or address; NULL or "": none, datagrams come from anybody. A multicast group or a
                          * broadcast    address: only sent to */
    uint16_t peer_port;
    const char *group;     /* multicast group to join; NULL or "": none */
    const char *interface; /* address of the network card for multicast; NULL or "": the system's choice */
    unsigned ttl;          /* of multicast; 0: 1 */
};
/* *ops and ctx stay the caller's; texts are copied. ERR_INVALID (address, group, interface in e->where),
 * ERR_UNAVAILABLE: the port is taken or needs rights; ERR_NOMEM. */
MUST_CHECK int udp_port_open(uv_loop_t *loop, const struct udp_port_config *c, const struct udp_port_ops *ops,
                             void *ctx, struct udp_port **ret, struct error *e);
unsigned udp_port_number(const struct udp_port *u); /* our own, the real one */
/* To the peer. 0; ERR_AGAIN: not open yet, or the system has no room now; ERR_TOO_LARGE; ERR_UNAVAILABLE. */
MUST_CHECK int udp_port_send(struct udp_port *u, const void *p, size_t n);
MUST_CHECK int udp_port_send_to(struct udp_port *u, const void *p, size_t n, const char *host, uint16_t port);
void udp_port_read(struct udp_port *u,
                   bool on); /* stop taking datagrams (the system keeps some, then drops); on at first */
void udp_port_close(struct udp_port *u, void (*closed)(void *arg), void *arg);
