/* gate.c - see gate.h. */
#include "modules/forward/gate.h"
#include <math.h>
#include "model/sample.h"

static bool moved(const struct gate_rule *r, const struct sample *a, const struct sample *b)
{
    if (r->deadband < 0 || a->type != b->type) return true;
    if (sample_same_value(a, b)) return false;
    double x = sample_number(a), y = sample_number(b);
    return !isfinite(x) || !isfinite(y) || r->deadband == 0 || fabs(x - y) > r->deadband;
}

bool gate_pass(struct gate *g, const struct gate_rule *r, const struct sample *s)
{
    const struct sample *l = &g->last;
    if (l->time_us && (s->time_us < l->time_us || s->flags & SAMPLE_FLAG_BACKFILL)) return true;
    bool status = s->quality != l->quality || (s->flags & SAMPLE_REASON_MASK) != (l->flags & SAMPLE_REASON_MASK);
    bool early = r->min_us && s->time_us - l->time_us < r->min_us;
    bool due = r->max_us && s->time_us - l->time_us >= r->max_us;
    if (l->time_us && !status && !due && (early || !moved(r, l, s))) return false;
    g->last = *s;
    return true;
}
