/* Client side: any bytes as a stream of answers, TCP, RTU and ASCII. The first bytes choose the request. */
#include <assert.h>
#include "proto/modbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 6) return 0;
    enum modbus_framing f = p[0] & 1 ? MODBUS_RTU : p[0] & 16 ? MODBUS_ASCII : MODBUS_TCP;
    struct modbus_request q = {.function = p[1] % 24, .address = (uint16_t)(p[2] << 8 | p[3]), .count = p[4]};
    struct modbus_expect x = {
        .transaction = p[0] & 2 ? p[5] : -1, .unit = p[0] & 4 ? p[5] : -1, .function = p[0] & 8 ? q.function : -1};
    p += 6, n -= 6;
    while (n > 0) {
        struct modbus_frame fr = {0};
        struct modbus_response r = {0};
        int rc = modbus_frame_next(f, p, n, &x, &fr);
        if (rc == 0) break;
        assert(fr.used > 0 && fr.used <= n);
        if (rc == 1 && modbus_response_decode(fr.pdu, fr.pdu_n, &q, &r, NULL) == 0)
            for (size_t i = 0; i < r.data_n / 2; i++) assert(modbus_register(r.data, i) <= 0xffff);
        p += fr.used, n -= fr.used;
    }
    return 0;
}
