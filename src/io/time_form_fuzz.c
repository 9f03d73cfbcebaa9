/* time_form_fuzz.c - any text as a time, by any pattern: what is read lies in the range of times. */
#include <stdlib.h>
#include "base/time.h"
#include "io/time_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct time_form f = {0};
    struct str text = str_make((const char *)p, n);
    int64_t t;
    if (n && p[0] == '%') {
        struct str line = str_cut(&text, '\n');
        str_to_cstr(line, f.pattern, sizeof f.pattern);
        if (!text.p) text = STR("");
    }
    if (time_form_text(&f, text, &t) && (t < TIME_MIN_US || t > TIME_MAX_US)) abort();
    if (n >= 8) {
        double d;
        memcpy(&d, p, sizeof d);
        memcpy(&t, p, sizeof t);
        if (time_form_double(&f, d, &t) && (t < TIME_MIN_US || t > TIME_MAX_US)) abort();
        memcpy(&t, p, sizeof t);
        if (time_form_int(&f, t, &t) && (t < TIME_MIN_US || t > TIME_MAX_US)) abort();
    }
    return 0;
}
