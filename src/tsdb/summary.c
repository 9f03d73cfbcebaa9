/* summary.c - the figures of one range: windows.c with one window. */
#include <math.h>
#include "tsdb/engine.h"

static int keep(void *ctx, size_t i, const struct ts_summary *s)
{
    *(struct ts_summary *)ctx = *s;
    return 0;
}

int db_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret,
               struct error *e)
{
    const int64_t edges[2] = {from, to};
    if (from >= to) {
        *ret = (struct ts_summary){.min = NAN, .max = NAN, .mean = NAN, .twa = NAN};
        return 0;
    }
    return db_windows(st, point, edges, 1, step, keep, ret, e);
}
