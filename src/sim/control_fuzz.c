/* control_fuzz.c - any bytes to the control interface, as they come from the socket. */
#include "sim/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_field f = {.speed = 1}; /* no ports, no process: what needs them must say so */
    uint8_t out[16384];
    size_t n;
    while (size > 0) {
        int used = sim_control_answer(&f, data, size, out, sizeof out, &n);
        if (used <= 0 || (size_t)used > size || n > sizeof out) break;
        data += used, size -= (size_t)used;
    }
    return 0;
}
