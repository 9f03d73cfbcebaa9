/* checkbed.h - tables of options, right and wrong, with the place that a check must name. For tests only. In the texts @C and
 * @K stand for a certificate and its key, @X for the key of another one (PEM, as in JSON). */
#pragma once
#include "drivers/common/testbed.h"
#include "io/testcert.h"

struct checkbed_row {
    const char *json, *where; /* where NULL: right */
};

BED void checkbed_put(struct buf *b, const char *pem)
{
    for (; *pem; pem++) {
        if (*pem == '\n')
            buf_z(b, "\\n");
        else
            buf_u8(b, (uint8_t)*pem);
    }
}

BED const char *checkbed_text(struct arena *a, const char *json)
{
    static struct testcert mine, other;
    struct buf b;
    if (!mine.cert[0]) testcert_make(&mine, "mine", "IP:127.0.0.1");
    if (!other.cert[0]) testcert_make(&other, "other", "IP:127.0.0.1");
    buf_init(&b, 1 << 20);
    for (; *json; json++) {
        const char *pem = *json != '@'      ? NULL
                          : json[1] == 'C'  ? mine.cert
                          : json[1] == 'K'  ? mine.key
                          : json[1] == 'X'  ? other.key
                                            : NULL;
        if (pem) {
            checkbed_put(&b, pem);
            json++;
        } else {
            buf_u8(&b, (uint8_t)*json);
        }
    }
    const char *text = arena_strdup(a, buf_view(&b));
    buf_fini(&b);
    return text;
}

BED void checkbed_run(const struct option *table, int (*check)(const struct options *o, struct error *e),
                      const struct checkbed_row *rows, size_t n)
{
    struct arena a;
    for (size_t i = 0; i < n; i++) {
        struct error e = {0};
        arena_init(&a, 8 << 20);
        const struct options *o = bed_options_of(&a, table, checkbed_text(&a, rows[i].json));
        int rc = check(o, &e);
        if ((rc != 0) != (rows[i].where != NULL))
            test_fail(__FILE__, __LINE__, "%s: %d %s %s", rows[i].json, rc, e.where, e.text);
        else if (rc && (strcmp(e.where, rows[i].where) != 0 || !e.text[0] || !e.text_zh[0] || strcmp(e.text, e.text_zh) == 0))
            test_fail(__FILE__, __LINE__, "%s: '%s' (%s, %s), want '%s'", rows[i].json, e.where, e.text, e.text_zh, rows[i].where);
        arena_fini(&a);
    }
}
#define CHECK_OPTIONS(table, check, rows) checkbed_run(table, check, rows, sizeof(rows) / sizeof *(rows))
