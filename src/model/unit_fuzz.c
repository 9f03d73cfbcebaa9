/* unit_fuzz.c - any text as a unit; what is accepted has a usable factor. */
#include "model/unit.h"
#include <math.h>
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct unit u;
    struct error e;
    if (unit_parse(str_make((const char *)p, n), &u, &e) == 0 && !(isfinite(u.factor) && u.factor > 0))
        __builtin_trap();
    return 0;
}
