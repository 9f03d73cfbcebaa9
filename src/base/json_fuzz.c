/* json_fuzz.c - parse, write, parse again: the same tree. */
#include "base/json.h"
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    struct json *v, *again;
    struct error e;
    if (json_parse(&a, str_make((const char *)p, n), &v, &e)) return 0;
    struct str text = json_text(&a, v);
    if (!text.p || json_parse(&a, text, &again, &e) || !json_equal(v, again)) __builtin_trap();
    return 0;
}
