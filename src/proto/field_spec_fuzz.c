/* Any text as a field and as a condition, any bytes as a frame: first line the field, the rest the frame. */
#include <assert.h>
#include <math.h>
#include "proto/field_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str rest = str_make((const char *)p, n), text = str_cut(&rest, '\n');
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct field_frame fr = {.p = (const uint8_t *)rest.p, .n = rest.n, .a = &a, .separator = ","};
    struct condition *c = NULL;
    struct field *f = NULL;
    struct error e;
    if (condition_new(text, &c, &e) == 0) condition_holds(c, &fr);
    condition_free(c);
    if (field_new(text, VALUE_INT16, &f, &e)) return 0;
    struct field_value v;
    if (field_get(f, &fr, &v, &e) == 0) {
        assert(v.n == 0 || v.at + v.n <= fr.n);
        uint8_t copy[256];
        double d = json_double(&v.v, NAN);
        if (v.v.type == JSON_BOOL) d = v.v.b;
        if (fr.n <= sizeof copy && field_has_place(f)) {
            memcpy(copy, fr.p, fr.n);
            if (field_put(f, d, json_str(&v.v, STR_NULL), copy, fr.n, &e) == 0) {
                struct field_frame back = {.p = copy, .n = fr.n, .a = &a};
                struct field_value again;
                int rc = field_get(f, &back, &again, &e);
                assert(rc == 0);
            }
        }
    }
    field_free(f);
    return 0;
}
