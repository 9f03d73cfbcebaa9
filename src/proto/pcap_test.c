/* The capture file, field by field; that Wireshark reads it: the black-box tests, with tshark. */
#include "base/test.h"
#include "proto/pcap.h"

static struct pcap p;
static struct buf out;

static unsigned be16(size_t at)
{
    return (unsigned)out.p[at] << 8 | out.p[at + 1];
}
static unsigned be32(size_t at)
{
    return be16(at) << 16 | be16(at + 2);
}
static unsigned le32(size_t at)
{
    return out.p[at] | (unsigned)out.p[at + 1] << 8 | (unsigned)out.p[at + 2] << 16 | (unsigned)out.p[at + 3] << 24;
}

/* One's complement sum of a header and what it covers; right when it is 0xffff (RFC 1071). */
static unsigned sum(size_t at, size_t n, unsigned more)
{
    unsigned s = more;
    for (size_t i = 0; i < n; i++) s += i % 2 ? out.p[at + i] : (unsigned)out.p[at + i] << 8;
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return s;
}

TEST(tcp_both_ways)
{
    const uint8_t ask[] = {1, 2, 3}, answer[] = {9, 8, 7, 6};
    buf_init(&out, 1000);
    pcap_begin(&p, 502, false, &out);
    CHECK_INT(out.n, 24);
    CHECK_INT(le32(0), 0xa1b2c3d4);
    CHECK_INT(le32(20), 101);
    pcap_frame(&p, 1700000000123456, true, 0, ask, 3, &out);
    pcap_frame(&p, 1700000000223456, false, 0, answer, 4, &out);
    pcap_frame(&p, 1700000000323456, true, 1, ask, 3, &out);
    CHECK_INT(le32(24), 1700000000);
    CHECK_INT(le32(28), 123456);
    CHECK_INT(le32(32), 43);
    size_t ip = 40;
    CHECK_INT(be16(ip + 2), 43);
    CHECK_INT(sum(ip, 20, 0), 0xffff);
    CHECK_INT(be16(ip + 20), 49152);
    CHECK_INT(be16(ip + 22), 502);
    CHECK_INT(be32(ip + 24), 1);
    CHECK_INT(sum(ip + 20, 23, sum(ip + 12, 8, 6 + 23)), 0xffff);
    ip += 43 + 16;
    CHECK_INT(be16(ip + 20), 502);
    CHECK_INT(be32(ip + 24), 1); /* its own first byte */
    CHECK_INT(be32(ip + 28), 4); /* it has ours */
    CHECK_INT(sum(ip + 20, 24, sum(ip + 12, 8, 6 + 24)), 0xffff);
    ip += 44 + 16;
    CHECK_INT(be16(ip + 20), 49153); /* another link */
    buf_fini(&out);
}

TEST(what_is_long_is_cut_into_segments)
{
    static uint8_t big[150000];
    buf_init(&out, 1 << 20);
    pcap_begin(&p, 4840, false, &out);
    pcap_frame(&p, 5, true, 300, big, sizeof big, &out);
    CHECK_INT(out.n, 24 + 3 * (16 + 40) + sizeof big);
    CHECK_INT(p.seq[300 % PCAP_LINKS][1], 1 + sizeof big);
    buf_clear(&out);
    pcap_begin(&p, 514, true, &out);
    pcap_frame(&p, 5, false, 0, big, 0, &out);
    CHECK_INT(be16(24 + 16 + 24), 8);
    buf_fini(&out);
}

TEST(where_we_serve_the_port_is_ours)
{
    buf_init(&out, 1000);
    pcap_begin(&p, 502, false, &out);
    p.serves = true;
    pcap_frame(&p, 5, false, 3, (const uint8_t *)"?", 1, &out);
    pcap_frame(&p, 5, true, 3, (const uint8_t *)"!", 1, &out);
    CHECK_INT(be16(40 + 20), 49155);
    CHECK_INT(be16(40 + 22), 502);
    CHECK_INT(be16(40 + 41 + 16 + 20), 502);
    CHECK_INT(be16(40 + 41 + 16 + 22), 49155);
    buf_fini(&out);
}
