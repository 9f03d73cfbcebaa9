/* summary.c - count, extremes, means and time-weighted figures of a range.
 *
 * Time-weighted: sample i holds from its time to the next sample's. With `step` its value counts for all
 * of that; else, when both ends are usable (good or uncertain, a number), the straight line between them
 * counts, and when the next is not usable the value is held. A stretch that begins with a sample that is
 * not usable counts for nothing. Good seconds are those that begin with a good sample.
 * The sample in force at `from` begins the first stretch; the last one ends at `to` or at the newest
 * sample of the store, whichever comes first. */
#include <math.h>
#include "tsdb/engine.h"
#include "tsdb/stats.h"

struct acc {
    struct ts_summary *out;
    struct stretch st;
    int64_t from, end;
    bool step, any_prev;
    struct sample prev;
    uint64_t usable;
};

static void stretch_to(struct acc *a, const struct sample *next)
{
    if (a->any_prev) stretch_add(&a->st, &a->prev, next, a->from, a->end, a->step);
}

static void extreme(struct ts_summary *o, double lo, int64_t lo_us, double hi, int64_t hi_us)
{
    if (isnan(o->min) || lo < o->min) o->min = lo, o->min_us = lo_us;
    if (isnan(o->max) || hi > o->max) o->max = hi, o->max_us = hi_us;
}

static void take_sample(struct acc *a, const struct sample *s)
{
    struct ts_summary *o = a->out;
    double v;
    stretch_to(a, s);
    if (o->count++ == 0) o->first = *s;
    o->good += s->quality == QUALITY_GOOD;
    if (sample_usable(s, &v)) {
        extreme(o, v, s->time_us, v, s->time_us);
        o->sum += v;
        a->usable++;
    }
    a->prev = *s;
    a->any_prev = true;
}

static void take_block(struct acc *a, const struct block_meta *b)
{
    struct ts_summary *o = a->out;
    stretch_to(a, &b->first);
    if (o->count == 0) o->first = b->first;
    o->count += b->count;
    o->good += b->good;
    double lo, hi;
    if (b->min.point && sample_usable(&b->min, &lo) && sample_usable(&b->max, &hi))
        extreme(o, lo, b->min.time_us, hi, b->max.time_us);
    o->sum += b->sum;
    a->usable += b->usable;
    a->st.integral += a->step ? b->step_integral : b->linear_integral;
    a->st.usable_s += b->usable_s;
    a->st.good_s += b->good_s;
    a->prev = b->last;
    a->any_prev = true;
}

static int gather(struct acc *a, struct query *q, int64_t to)
{
    struct merge m;
    struct run r;
    int rc = merge_init(&m, q->sources, q->n, a->from, to - 1, q->codec);
    while (!rc && (rc = merge_next(&m, true, &r)) == 1) {
        rc = 0;
        if (r.block) take_block(a, r.block);
        for (size_t i = 0; i < r.n && !r.block; i++) take_sample(a, &r.s[i]);
    }
    merge_fini(&m);
    return rc;
}

static void finish(struct acc *a, int64_t from)
{
    struct ts_summary *o = a->out;
    if (a->any_prev && o->count) o->last = a->prev;
    if (a->usable) o->mean = o->sum / (double)a->usable;
    o->integral = a->st.integral;
    o->good_s = a->st.good_s;
    if (a->st.usable_s > 0) o->twa = a->st.integral / a->st.usable_s;
    if (a->end > from) o->total_s = ((double)a->end - (double)from) / 1e6;
    if (o->total_s > 0) o->percent_good = 100 * o->good_s / o->total_s;
}

static int last_stretch(struct acc *a, struct tsdb *db, uint32_t point, int64_t to)
{
    struct sample next;
    int rc = a->step ? ERR_NOT_FOUND : db_after(&db->store, point, to, &next);
    if (rc && rc != ERR_NOT_FOUND) return rc;
    stretch_to(a, rc ? NULL : &next);
    return 0;
}

int db_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step, struct ts_summary *ret,
               struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct ts_summary out = {.min = NAN, .max = NAN, .mean = NAN, .twa = NAN};
    struct acc a = {.out = &out, .from = from, .step = step};
    struct query q;
    int rc = 0;
    if (from < to) {
        if (from > INT64_MIN) rc = db_before(st, point, from - 1, &a.prev);
        a.any_prev = rc == 0 && from > INT64_MIN;
        if (rc == ERR_NOT_FOUND) rc = 0;
        if (!rc) rc = query_begin(db, point, from, to - 1, &q);
        if (!rc) {
            a.end = to < q.newest_us ? to : q.newest_us;
            rc = gather(&a, &q, to);
            query_end(&q);
        }
        if (!rc) rc = last_stretch(&a, db, point, to);
    }
    if (rc) return error_set(e, rc, "", "summary: %s", "统计查询：%s", error_title(rc));
    finish(&a, from);
    *ret = out;
    return 0;
}
