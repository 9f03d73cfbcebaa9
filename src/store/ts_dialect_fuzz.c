/* ts_dialect_fuzz.c - answers of time-series engines that mean harm, and the router's file: the first byte chooses. */
#include "base/mem.h"
#include "store/ts_dialect.h"
#include "store/ts_router_int.h"
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int see(void *ctx, const struct ts_row *row)
{
    if (row->s.type > SAMPLE_STRING || row->s.quality > QUALITY_BAD || row->s.point != 7) __builtin_trap();
    if (row->s.type == SAMPLE_STRING && !row->text.p) __builtin_trap();
    return ++*(size_t *)ctx > 100000 ? ERR_LIMIT : 0;
}

static void map(struct str text)
{
    struct ts_router *r = mem_calloc(1, sizeof *r);
    if (r && router_map_decode(r, text) == 0)
        for (size_t i = 0; i < r->npoints; i++)
            if (r->class_of[i] >= TS_CLASSES) __builtin_trap();
    if (r) {
        mem_free(r->class_of);
        mem_free(r->places);
    }
    mem_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char text[64] = "", why[TS_WHY_MAX];
    size_t seen = 0;
    if (n < 2) return 0;
    struct str body = str_make((const char *)p + 1, n - 1);
    if (p[0] % 6 == 5) {
        map(body);
        return 0;
    }
    const struct ts_dialect *d = ts_dialects[p[0] % 6];
    struct ts_target t = {.database = "plant", .unit_us = d->unit_us};
    (void)!d->rows(&t, 7, body, see, &seen);
    (void)!d->verdict(p[0] & 0x80 ? 200 : 400, body, why, sizeof why);
    d->told(&t, body, text, sizeof text);
    if (t.unit_us < 1 || strlen(text) >= sizeof text || strlen(why) >= sizeof why) __builtin_trap();
    return 0;
}
