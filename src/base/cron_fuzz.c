/* cron_fuzz.c - cron expressions and time zone files of any bytes: parsed or refused; what is parsed gives times
 * that ascend. */
#include <assert.h>
#include "base/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = {(const char *)p, n}, expr = str_cut(&text, '\n');
    struct cron c;
    struct zone z;
    struct error e;
    bool parsed = zone_parse(text.p, text.n, &z, &e) == 0 || zone_parse_posix(text, &z, &e) == 0 ||
                  zone_parse_fixed(text, &z, &e) == 0;
    if (!parsed) {
        int rc = zone_parse_fixed(STR("+08:00"), &z, &e);
        assert(rc == 0);
    }
    if (cron_parse(expr, &c, &e) == 0) {
        int64_t t = 1790000000;
        for (int i = 0; i < 5 && t != INT64_MAX; i++) {
            int64_t next = cron_next(&c, &z, t);
            assert(next > t);
            t = next;
        }
    }
    zone_fini(&z);
    return 0;
}
