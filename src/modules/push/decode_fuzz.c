/* decode_fuzz.c - any body in both forms: no fault of memory, every value has a key and a quality. */
#include <assert.h>
#include "model/sample.h"
#include "modules/push/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA a;
    struct json *body;
    arena_init(&a, 16 << 20);
    if (json_parse(&a, str_make((const char *)data, size), &body, NULL)) return 0;
    for (int form = PUSH_THINGSBOARD; form <= PUSH_OWN; form++) {
        struct pushed *p = NULL;
        size_t n = 0;
        struct error e = {0};
        if (push_decode(&a, (enum push_form)form, body, &p, &n, &e)) {
            assert(e.code);
            continue;
        }
        for (size_t i = 0; i < n; i++) assert(p[i].key.n && p[i].v && p[i].quality <= QUALITY_BAD);
    }
    return 0;
}
