/* kind_fuzz.c - a kind document, then (after a 0 byte) a spec checked against it. */
#include "model/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_make((const char *)data, size), text = str_cut(&all, 0);
    struct kind *k = NULL;
    struct error e = {0}, errs[4];
    if (kind_parse(text, &k, &e)) return 0;
    AUTO_ARENA a;
    arena_init(&a, 4 << 20);
    struct json *spec = NULL, *done = NULL, *again = NULL;
    size_t n;
    if (all.p && json_parse(&a, all, &spec, NULL) == 0 &&
        kind_check(k, &a, spec, &done, NULL, NULL, errs, 4, &n, &e) == 0 &&
        kind_check(k, &a, done, &again, NULL, NULL, errs, 4, &n, &e) == 0 && !json_equal(done, again))
        __builtin_trap(); /* a completed spec is complete */
    (void)kind_schema(k, &a);
    kind_free(k);
    return 0;
}
