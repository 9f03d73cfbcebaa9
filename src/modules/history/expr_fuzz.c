/* expr_fuzz.c - any text: parsed within bounds, and what parses can be evaluated. */
#include <math.h>
#include "bornite/sample.h"
#include "modules/history/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a;
    struct expr x;
    struct error e;
    struct expr_value names[EXPR_NAMES];
    arena_init(&a, 16 << 20);
    for (size_t i = 0; i < EXPR_NAMES; i++)
        names[i] = (struct expr_value){i % 3 ? (double)i - 7 : NAN, (uint8_t)(i % 3)};
    if (expr_parse(&a, str_make((const char *)data, size), &x, &e)) return 0;
    struct expr_value v = expr_eval(&x, names);
    if (x.nop > EXPR_OPS || x.nname > EXPR_NAMES || (isnan(v.v) != 0) != (v.v != v.v)) __builtin_trap();
    return 0;
}
