/* pcap.h - frames of a protocol as a capture file that Wireshark and tshark open (the classic libpcap format, microsecond
 * times, link type 101 RAW: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html). Pure.
 *
 * What we have are the bytes of the protocol; addresses, ports and the headers of IP and TCP or UDP around them are made
 * up: we are 10.0.0.1, the peer 10.0.0.2 at the protocol's port, each link has a port of its own on our side. Where we
 * are the server (`serves`), the port of the protocol is ours: dissectors tell requests from answers by it. */
#pragma once
#include "base/buf.h"

#define PCAP_LINKS 256
struct pcap {
    uint16_t port;                        /* of the peer: tells Wireshark the protocol */
    bool udp, serves;                     /* serves: set after pcap_begin */
    uint32_t seq[PCAP_LINKS][2];          /* next TCP sequence number by link and direction */
};

void pcap_begin(struct pcap *p, uint16_t port, bool udp, struct buf *out);
/* Append one frame; over 65,000 bytes it becomes several TCP segments (UDP: is cut there). link: modulo PCAP_LINKS. */
void pcap_frame(struct pcap *p, int64_t time_us, bool sent, uint16_t link, const uint8_t *bytes, size_t n, struct buf *out);
