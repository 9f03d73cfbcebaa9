/* line_protocol_fuzz.c - any bytes as line protocol: views stay inside, the reader ends, names come apart. */
#include <stdlib.h>
#include "proto/line_protocol.h"

static void inside(struct str s, const uint8_t *p, size_t n)
{
    if (s.p && ((const uint8_t *)s.p < p || (const uint8_t *)s.p + s.n > p + n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct lp r;
    struct lp_line l;
    struct buf b;
    int got;
    if (lp_init(&r, str_make((const char *)p, n), STR("ms"))) abort();
    buf_init(&b, 1 << 20);
    while ((got = lp_next(&r, &l)) != 0) {
        struct str tags = l.tags, k, v;
        if (got < 0) continue;
        inside(l.series, p, n);
        if (lp_tags_check(tags) == LP_NONE)
            while (lp_tag_next(&tags, &k, &v)) {
                inside(k, p, n);
                inside(v, p, n);
                lp_unescape(&b, v);
            }
        for (size_t i = 0; i < l.nfields; i++) {
            inside(l.field[i].key, p, n);
            if (l.field[i].type == LP_STRING) lp_unescape_text(&b, l.field[i].s);
        }
        buf_clear(&b);
    }
    buf_fini(&b);
    return 0;
}
