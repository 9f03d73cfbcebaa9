/* The server side over a small image, by the example of AP 6.16 and 6.17 among others. */
#include "base/test.h"
#include "proto/modbus.h"

struct image {
    uint16_t r[64];
    uint8_t bits[8];
    unsigned writes;
};

static int read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint8_t *out)
{
    struct image *m = ctx;
    if (unit != 1) return MODBUS_NO_ANSWER;
    if (at + n > 64) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (unsigned i = 0; i < n; i++)
        if (modbus_bit(m->bits, at + i)) out[i / 8] |= (uint8_t)(1u << i % 8);
    return 0;
}

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint16_t *r)
{
    struct image *m = ctx;
    if (unit != 1) return MODBUS_NO_ANSWER;
    if (at + n > 64) return MODBUS_EX_ILLEGAL_ADDRESS;
    memcpy(r, m->r + at, 2u * n);
    return 0;
}

static int write_bits(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint8_t *p)
{
    struct image *m = ctx;
    if (at + n > 64) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (unsigned i = 0; i < n; i++) {
        uint8_t mask = (uint8_t)(1u << (at + i) % 8);
        m->bits[(at + i) / 8] =
            modbus_bit(p, i) ? m->bits[(at + i) / 8] | mask : m->bits[(at + i) / 8] & (uint8_t)~mask;
    }
    m->writes++;
    return 0;
}

static int write_registers(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint16_t *r)
{
    struct image *m = ctx;
    if (at + n > 64) return MODBUS_EX_ILLEGAL_ADDRESS;
    memcpy(m->r + at, r, 2u * n);
    m->writes++;
    return 0;
}

static struct modbus_data_ops ops_of(struct image *m)
{
    return (struct modbus_data_ops){.read_bits = read_bits,
                                    .read_registers = read_registers,
                                    .write_bits = write_bits,
                                    .write_registers = write_registers,
                                    .ctx = m};
}

static size_t ask(struct image *m, struct modbus_request q, uint8_t *out)
{
    uint8_t pdu[MODBUS_PDU_MAX];
    size_t n = 0;
    struct modbus_data_ops ops = ops_of(m);
    if (modbus_request_encode(&q, pdu, &n, NULL)) return 0;
    return modbus_server_pdu(pdu, n, 1, &ops, out);
}

TEST(registers_and_bits)
{
    struct image m = {.r = {[3] = 0x00FE, [4] = 0x0ACD}};
    uint8_t out[MODBUS_PDU_MAX];
    CHECK_INT(ask(&m, (struct modbus_request){.function = 3, .address = 3, .count = 2}, out), 6);
    CHECK(memcmp(out, "\x03\x04\x00\xFE\x0A\xCD", 6) == 0);
    CHECK_INT(ask(&m, (struct modbus_request){.function = 5, .address = 9, .value = 1}, out), 5);
    CHECK_INT(m.bits[1], 2);
    CHECK_INT(ask(&m, (struct modbus_request){.function = 1, .address = 8, .count = 3}, out), 3);
    CHECK(memcmp(out, "\x01\x01\x02", 3) == 0);
}

TEST(mask_write_and_read_write)
{
    struct image m = {.r = {[4] = 0x12}};
    static const uint8_t ff[] = {0, 0xFF, 0, 0xFE};
    uint8_t out[MODBUS_PDU_MAX];
    CHECK_INT(ask(&m, (struct modbus_request){.function = 22, .address = 4, .and_mask = 0xF2, .or_mask = 0x25}, out),
              7);
    CHECK_INT(m.r[4], 0x17); /* AP 6.16 */
    struct modbus_request q = {
        .function = 23, .address = 4, .count = 3, .write_address = 5, .write_count = 2, .data = ff, .data_n = 4};
    CHECK_INT(ask(&m, q, out), 8);
    CHECK(memcmp(out, "\x17\x06\x00\x17\x00\xFF\x00\xFE", 8) == 0); /* the write comes first */
}

TEST(refusals)
{
    struct image m = {0};
    struct modbus_data_ops ops = ops_of(&m);
    uint8_t out[MODBUS_PDU_MAX];
    CHECK_INT(ask(&m, (struct modbus_request){.function = 3, .address = 60, .count = 5}, out), 2);
    CHECK(memcmp(out, "\x83\x02", 2) == 0);
    CHECK_INT(modbus_server_pdu((const uint8_t *)"\x2b\x0e", 2, 1, &ops, out), 2);
    CHECK(memcmp(out, "\xab\x01", 2) == 0);
    CHECK_INT(modbus_server_pdu((const uint8_t *)"\x03\0\0\0\1", 5, 2, &ops, out), 0); /* no such unit */
    ops.write_registers = NULL;
    CHECK_INT(modbus_server_pdu((const uint8_t *)"\x06\0\0\0\1", 5, 1, &ops, out), 2);
    CHECK_INT(out[1], MODBUS_EX_ILLEGAL_FUNCTION);
    CHECK_INT(m.writes, 0);
}

TEST(a_stream_of_requests)
{
    struct image m = {.r = {7, 8}};
    struct modbus_data_ops ops = ops_of(&m);
    uint8_t in[40], out[2 * MODBUS_FRAME_MAX];
    size_t n = 0, out_n = 0;
    static const uint8_t pdu[] = {3, 0, 0, 0, 1};
    for (int i = 0; i < 2; i++) n += modbus_frame_put(MODBUS_TCP, (uint16_t)(i + 5), 1, pdu, 5, in + n);
    CHECK_INT(modbus_server_handle(MODBUS_TCP, in, n - 1, &ops, out, sizeof out, &out_n), 12);
    CHECK_INT(out_n, 11);
    CHECK_INT(modbus_server_handle(MODBUS_TCP, in, n, &ops, out, MODBUS_FRAME_MAX, &out_n), 12); /* room for one */
    CHECK_INT(modbus_server_handle(MODBUS_TCP, in, n, &ops, out, sizeof out, &out_n), 24);
    CHECK_INT(out_n, 22);
    CHECK_INT(out[12], 6);
    in[2] = 1;
    CHECK_INT(modbus_server_handle(MODBUS_TCP, in, n, &ops, out, sizeof out, &out_n), ERR_PROTOCOL);
    n = modbus_frame_put(MODBUS_RTU, 0, 1, pdu, 5, in);
    CHECK_INT(modbus_server_handle(MODBUS_RTU, in, n, &ops, out, sizeof out, &out_n), 8);
    CHECK_INT(out_n, 7);
}
