/* Server side: any bytes as a stream of requests; each answer must be a frame that decodes. */
#include <assert.h>
#include "proto/modbus.h"

static int read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint8_t *out)
{
    assert(n >= 1 && n <= MODBUS_READ_BITS_MAX && at + n <= 65536);
    memset(out, 0xff, (n + 7u) / 8);
    return unit & 1 ? MODBUS_EX_BUSY : 0;
}
static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t n, uint16_t *r)
{
    assert(n >= 1 && n <= MODBUS_READ_REGISTERS_MAX && at + n <= 65536);
    for (unsigned i = 0; i < n; i++) r[i] = (uint16_t)(at + i);
    return unit & 2 ? MODBUS_NO_ANSWER : 0;
}
static int write_bits(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint8_t *p)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) sum += modbus_bit(p, i);
    assert(n >= 1 && at + n <= 65536 && sum <= n);
    return 0;
}
static int write_registers(void *ctx, uint8_t unit, uint16_t at, uint16_t n, const uint16_t *r)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++) sum += r[i];
    assert(n >= 1 && at + n <= 65536 && sum <= n * 65535u);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct modbus_identity id = {{"V", "P", "1", "u", "a name that is a little longer", NULL, "app"}};
    static struct modbus_counters counters;
    static const struct modbus_data_ops ops = {.read_bits = read_bits,
                                               .read_registers = read_registers,
                                               .write_bits = write_bits,
                                               .write_registers = write_registers,
                                               .identity = &id,
                                               .counters = &counters};
    uint8_t out[3 * MODBUS_FRAME_MAX];
    size_t out_n = 0;
    if (n == 0) return 0;
    enum modbus_framing f = p[0] & 1 ? MODBUS_RTU : p[0] & 2 ? MODBUS_ASCII : MODBUS_TCP;
    int used = modbus_server_handle(f, p + 1, n - 1, &ops, out, sizeof out, &out_n);
    assert(used <= (int)n - 1 && out_n <= sizeof out);
    const struct modbus_expect x = {.transaction = -1, .unit = -1, .function = -1};
    for (size_t at = 0; at < out_n;) {
        struct modbus_frame fr;
        int rc = modbus_frame_next(f, out + at, out_n - at, &x, &fr);
        if (f == MODBUS_TCP) assert(rc == 1);
        if (rc != 1) break; /* RTU refusals of unknown functions */
        at += fr.used;
    }
    return 0;
}
