/* pcap.c - made-up IP, TCP and UDP headers around frames; RFC 791, 793, 768. */
#include "proto/pcap.h"

enum { PIECE_MAX = 65000, IP_BYTES = 20, TCP_BYTES = 20, UDP_BYTES = 8, PROTO_TCP = 6, PROTO_UDP = 17 };
#define WE 0x0a000001u
#define PEER 0x0a000002u
#define FIRST_PORT 49152

void pcap_begin(struct pcap *p, uint16_t port, bool udp, struct buf *out)
{
    *p = (struct pcap){.port = port, .udp = udp};
    for (unsigned i = 0; i < PCAP_LINKS; i++) p->seq[i][0] = p->seq[i][1] = 1;
    buf_u32le(out, 0xa1b2c3d4);
    buf_u16le(out, 2);
    buf_u16le(out, 4);
    buf_u32le(out, 0);
    buf_u32le(out, 0);
    buf_u32le(out, 65535);
    buf_u32le(out, 101);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
    for (; n > 1; p += 2, n -= 2) sum += (uint32_t)p[0] << 8 | p[1];
    if (n) sum += (uint32_t)p[0] << 8;
    return sum;
}
static uint16_t folded(uint32_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static void ip_header(uint8_t h[IP_BYTES], unsigned total, unsigned proto, bool sent)
{
    memset(h, 0, IP_BYTES);
    h[0] = 0x45;
    put16(h + 2, total);
    h[6] = 0x40; /* do not fragment */
    h[8] = 64;
    h[9] = (uint8_t)proto;
    put32(h + 12, sent ? WE : PEER);
    put32(h + 16, sent ? PEER : WE);
    put16(h + 10, folded(sum16(0, h, IP_BYTES)));
}

/* Checksum of the transport with its pseudo header: addresses, protocol, length. */
static uint16_t checksum(const uint8_t *ip, const uint8_t *head, size_t nhead, const uint8_t *body, size_t n)
{
    uint32_t sum = sum16(0, ip + 12, 8) + ip[9] + (uint32_t)(nhead + n);
    sum = sum16(sum, head, nhead);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return folded(sum16(sum, body, n));
}

static size_t transport_header(struct pcap *p, uint8_t *t, bool sent, unsigned link, size_t n)
{
    unsigned ours = p->serves ? p->port : FIRST_PORT + link, theirs = p->serves ? FIRST_PORT + link : p->port;
    put16(t, sent ? ours : theirs);
    put16(t + 2, sent ? theirs : ours);
    if (p->udp) {
        put16(t + 4, (unsigned)(UDP_BYTES + n));
        put16(t + 6, 0);
        return UDP_BYTES;
    }
    put32(t + 4, p->seq[link][sent]);
    put32(t + 8, p->seq[link][!sent]);
    t[12] = 5 << 4;
    t[13] = 0x18; /* PSH, ACK */
    put16(t + 14, 65535);
    put32(t + 16, 0);
    p->seq[link][sent] += (uint32_t)n;
    return TCP_BYTES;
}

static void piece(struct pcap *p, int64_t time_us, bool sent, unsigned link, const uint8_t *bytes, size_t n,
                  struct buf *out)
{
    uint8_t ip[IP_BYTES], t[TCP_BYTES];
    size_t nt = transport_header(p, t, sent, link, n);
    unsigned total = (unsigned)(IP_BYTES + nt + n);
    ip_header(ip, total, p->udp ? PROTO_UDP : PROTO_TCP, sent);
    put16(t + (p->udp ? 6 : 16), checksum(ip, t, nt, bytes, n));
    buf_u32le(out, (uint32_t)(time_us / 1000000));
    buf_u32le(out, (uint32_t)(time_us % 1000000));
    buf_u32le(out, total);
    buf_u32le(out, total);
    buf_add(out, ip, IP_BYTES);
    buf_add(out, t, nt);
    buf_add(out, bytes, n);
}

void pcap_frame(struct pcap *p, int64_t time_us, bool sent, uint16_t link, const uint8_t *bytes, size_t n,
                struct buf *out)
{
    if (p->udp && n > PIECE_MAX) n = PIECE_MAX;
    do {
        size_t part = n < PIECE_MAX ? n : PIECE_MAX;
        piece(p, time_us, sent, link % PCAP_LINKS, bytes, part, out);
        bytes += part;
        n -= part;
    } while (n);
}
