/* Any text as a template, any number as its value. */
#include <assert.h>
#include <string.h>
#include "proto/byte_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct byte_template *t;
    struct template_values v = {.seq = n, .time_us = (int64_t)n * 1000003, .code = STR("c")};
    uint8_t out[256];
    size_t out_n = 0;
    struct error e;
    if (n < 9) return 0;
    memcpy(&v.number, p, 8);
    if (p[8] & 1) v.text = STR("text");
    if (byte_template_new(str_make((const char *)p + 9, n - 9), p[8] & 2, &t, &e)) return 0;
    if (byte_template_write(t, &v, out, sizeof out, &out_n, &e) == 0) assert(out_n <= sizeof out);
    byte_template_free(t);
    return 0;
}
