/* filter.c - see core/filter.h. */
#include "core/filter.h"
#include <math.h>
#include "model/sample.h"

/* ---- exception filter ---- */

static bool within_deadband(const struct sample *a, const struct sample *b, double deadband)
{
    if (a->type != b->type) return false;
    if (sample_same_value(a, b)) return true;
    if (a->type == SAMPLE_STRING || a->type == SAMPLE_BOOL) return false;
    return fabs(sample_number(a) - sample_number(b)) <= deadband;
}

static bool same_state(const struct sample *a, const struct sample *b)
{
    return a->quality == b->quality && !((a->flags ^ b->flags) & SAMPLE_REASON_MASK);
}

static int pass(struct exception_filter *f, const struct sample *v, bool with_held, struct sample out[2])
{
    int n = 0;
    if (with_held && f->held.point) out[n++] = f->held;
    out[n++] = *v;
    f->stored = *v;
    f->held = (struct sample){0};
    return n;
}

int exception_put(struct exception_filter *f, const struct bus_point *cfg, const struct sample *v, struct sample out[2])
{
    const struct sample *p = &f->stored;
    if (p->point && (v->time_us <= p->time_us || (f->held.point && v->time_us <= f->held.time_us))) {
        out[0] = *v; /* late or repeated: history decides by (point, time) */
        return 1;
    }
    bool first = !p->point, state = first || !same_state(v, p) || v->type == SAMPLE_BLOB; /* each blob is stored */
    if (cfg->deadband < 0 || state) return pass(f, v, state && !cfg->step, out);
    int64_t age = v->time_us - p->time_us;
    bool changed = !within_deadband(p, v, cfg->deadband);
    if (changed && age >= cfg->min_interval_us) return pass(f, v, !cfg->step, out);
    if (cfg->max_interval_us > 0 && age >= cfg->max_interval_us) {
        struct sample beat = *v;
        beat.flags |= SAMPLE_FLAG_HEARTBEAT;
        return pass(f, &beat, false, out);
    }
    f->held = *v;
    return 0;
}

/* ---- swinging door ---- */

/* May stand at the end of a line: a finite number that is to be trusted at least a little. */
static bool on_a_line(const struct sample *v)
{
    return v->quality != QUALITY_BAD && (v->type == SAMPLE_DOUBLE || v->type == SAMPLE_INT) &&
           isfinite(sample_number(v));
}

static void anchor_at(struct door_filter *f, const struct sample *v)
{
    f->anchor = *v;
    f->held = (struct sample){0};
    f->lo = -INFINITY;
    f->hi = INFINITY;
}

int door_end(struct door_filter *f, struct sample *out)
{
    if (!f->held.point) return 0;
    *out = f->held;
    anchor_at(f, out);
    return 1;
}

/* v is stored whatever the door says. */
static int store_too(struct door_filter *f, const struct sample *v, struct sample out[2])
{
    int n = door_end(f, out);
    out[n++] = *v;
    anchor_at(f, v);
    return n;
}

static int store_late(struct door_filter *f, const struct sample *v, struct sample out[2])
{
    int n = v->time_us > f->anchor.time_us ? door_end(f, out) : 0; /* a line that it would bend ends here */
    out[n++] = *v;
    if (v->time_us == f->anchor.time_us) anchor_at(f, v); /* in place of it */
    return n;
}

static bool is_late(const struct door_filter *f, const struct sample *v)
{
    const struct sample *newest = f->held.point ? &f->held : &f->anchor;
    return newest->point && v->time_us <= newest->time_us;
}

/* The end of a line from the anchor that all between allow? Then also what it allows itself. */
static bool may_hold(struct door_filter *f, double door, bool step, const struct sample *v)
{
    double rise = sample_number(v) - sample_number(&f->anchor), dt = (double)(v->time_us - f->anchor.time_us);
    if (step) return fabs(rise) <= door;
    double slope = rise / dt;
    if (!isfinite(slope) || slope < f->lo || slope > f->hi) return false;
    f->lo = fmax(f->lo, (rise - door) / dt);
    f->hi = fmin(f->hi, (rise + door) / dt);
    return true;
}

int door_put(struct door_filter *f, const struct bus_point *cfg, const struct sample *v, struct sample out[2])
{
    int64_t longest = cfg->door_max_us > 0 ? cfg->door_max_us : DOOR_MAX_DEFAULT_US;
    int n = 0;
    if (is_late(f, v)) return store_late(f, v, out);
    bool line = cfg->door > 0 && f->anchor.point && on_a_line(v) && on_a_line(&f->anchor) &&
                v->type == f->anchor.type && same_state(v, &f->anchor);
    if (!line) return store_too(f, v, out);
    if (v->time_us - f->anchor.time_us > longest) n += door_end(f, out);
    bool holds = v->time_us - f->anchor.time_us <= longest && may_hold(f, cfg->door, cfg->step, v);
    if (!holds && !cfg->step && f->held.point) { /* the door closed: the line ends before v, and another begins */
        n += door_end(f, out + n);
        holds = v->time_us - f->anchor.time_us <= longest && may_hold(f, cfg->door, false, v);
    }
    if (holds) {
        f->held = *v;
        return n;
    }
    out[n++] = *v;
    anchor_at(f, v);
    return n;
}

int door_stored(struct door_filter *f, const struct sample *v, struct sample *out)
{
    struct sample both[2];
    if (!f->anchor.point) return 0;
    if (f->held.point && f->held.time_us == v->time_us) return anchor_at(f, v), 0; /* v has taken its place */
    int n = is_late(f, v) ? store_late(f, v, both) : store_too(f, v, both);
    if (n == 2) *out = both[0];
    return n - 1;
}

int filter_put(struct point_filter *f, const struct bus_point *cfg, const struct sample *v,
               struct sample out[FILTER_OUT])
{
    struct sample passed[2];
    int n = 0, np = exception_put(&f->exception, cfg, v, passed);
    for (int i = 0; i < np; i++) n += door_put(&f->door, cfg, &passed[i], out + n);
    return n;
}
