/* Addresses and words: any text as an address (what is accepted must read back the same), any bytes as a
 * frame to be put into words. */
#include <assert.h>
#include "proto/modbus.h"

static void words(const uint8_t *p, size_t n)
{
    char out[300];
    size_t cap = n ? 1 + p[0] : 1;
    for (int k = 0; k < 12; k++) {
        modbus_words((enum modbus_framing)(k % 3), k & 2, p, n, k & 4, out, cap);
        assert(strlen(out) < cap);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct modbus_address a, b;
    struct error e;
    char out[MODBUS_ADDRESS_MAX];
    words(p, n);
    if (n == 0) return 0;
    static const int areas[] = {-1, 0, 1, 3, 4, -1, -1, -1};
    struct modbus_address_hint h = {areas[p[0] & 7], p[0] & 8, p[0] & 16}, plain = {.area = -1};
    if (modbus_address_parse(str_make((const char *)p + 1, n - 1), &h, &a, &e)) return 0;
    assert(modbus_address_parse(str_of(modbus_address_format(&a, out)), &plain, &b, &e) == 0);
    assert(a.unit == b.unit && a.area == b.area && a.offset == b.offset && a.bit == b.bit && a.order == b.order);
    assert(a.length == b.length && a.text == b.text);
    return 0;
}
