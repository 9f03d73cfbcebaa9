/* summaries.c - the figures of one range of many points, reading every file once instead of once a point.
 *
 * Points are taken in slices, in order of their number. For a slice the index of each segment near the range is walked
 * once, segments in order of time: blocks that lie wholly in the range are taken by their summary, those at its ends
 * and those without a summary are decoded; then come the heads, chunk by chunk. Each point has its own `acc`.
 *
 * That is right only where what comes of a point comes in order of time. Wherever it does not (data of two sources
 * overlap, late data in memory), where something was deleted or does not read, and where rollups outlive samples, the
 * point is `odd`: it is asked again by db_summary, which knows all that. So are all points when the range is so long
 * that rollup cells are less to read than blocks.
 *
 * Threads: any; two work where many points are asked (fn is called by one at a time). One codec walks, the other
 * decodes. Memory: a slice or two, whatever the number of points. */
#include <math.h>
#include "base/mem.h"
#include "tsdb/acc.h"
#include "tsdb/delete.h"
#include "tsdb/places.h"
#include "tsdb/roll.h"

#define SLICE 1024
#define WIDE (4 * SLICE)
#define MORE_US INT64_C(600000000)          /* looked at around the range, for the neighbours of its ends */
#define LONG_US (INT64_C(172800) * 1000000) /* from here on cells are less than blocks */
#define ARENA_MAX ((size_t)256 << 20)

struct one {
    struct acc acc;
    struct sample prev; /* the last one taken; before that, the last one known before the range */
    struct sample next; /* the first one known behind it */
    int64_t upto;       /* time of prev; INT64_MIN: none */
    int64_t force_us;   /* begun: when what was in force at `from` was written; INT64_MIN: nothing was */
    bool any_prev, any_next, begun, odd;
    bool unread;      /* the sample at `upto` stands in a block without summary */
    bool unsure_next; /* something may lie before `next` */
};
struct bulk {
    struct tsdb *db;
    struct query q;
    struct codec *codec; /* for decoding */
    struct arena arena;
    struct sample *samples; /* SEG_BLOCK_MAX */
    struct seg **segs;      /* near the range, by time */
    size_t nsegs;
    int64_t from, to, end; /* end: the end of what is in the range and counts */
    int64_t older, newer;  /* greatest time in segments that are not looked at, before the range; least behind it */
    struct seg *seg;       /* that is walked */
    int64_t floor;         /* of its class */
    bool behind;           /* the last samples taken reach behind the range */
    bool all_odd;
    /* the slice */
    size_t n;
    size_t index[SLICE]; /* into what was asked */
    uint32_t point[SLICE];
    struct one one[SLICE];
};

/* What was asked. */
struct ask {
    const uint32_t *points;
    const bool *step;
    size_t n;
    int64_t from, to;
    ts_window_fn *fn;
    void *ctx;
};

/* ---- one point ---- */
static size_t before_edge(const struct sample *s, size_t n, int64_t edge)
{
    size_t lo = 0, hi = n;
    if (n == 0 || s[n - 1].time_us < edge) return n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s[mid].time_us < edge)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Settle what is in force at `from`. */
static int begin(struct bulk *b, struct one *o, uint32_t point)
{
    int rc = 0;
    o->begun = true;
    if (b->from > INT64_MIN && (o->unread || (o->any_prev ? o->upto : INT64_MIN + 1) <= b->older)) {
        rc = db_before(&b->db->store, point, b->from - 1, &o->prev);
        o->any_prev = rc == 0;
        if (rc == ERR_NOT_FOUND) rc = 0;
        o->upto = o->any_prev ? o->prev.time_us : INT64_MIN;
    }
    o->unread = false;
    o->force_us = o->upto;
    return rc;
}

static int take_part(struct bulk *b, struct one *o, const struct block_meta *m)
{
    int rc = o->begun ? 0 : begin(b, o, m->point);
    if (rc) return rc;
    if (o->any_prev && m->first_us <= o->upto) {
        o->odd = true;
        return 0;
    }
    acc_stretch(&o->acc, o->any_prev ? &o->prev : NULL, &m->first);
    acc_part(&o->acc, m);
    o->prev = m->last;
    o->any_prev = true;
    o->upto = m->last_us;
    return 0;
}

/* A sample before the range, or (s NULL) that there is one at t. */
static void see_before(struct one *o, int64_t t, const struct sample *s)
{
    if (o->begun) {
        o->odd |= t >= o->force_us;
    } else if (o->any_prev && t <= o->upto) {
        o->odd |= t == o->upto;
    } else {
        if (s) o->prev = *s;
        o->unread = !s;
        o->any_prev = true;
        o->upto = t;
    }
}

static void see_behind(struct one *o, const struct sample *s)
{
    if (o->any_next && s->time_us == o->next.time_us)
        o->odd = true;
    else if (!o->any_next || s->time_us < o->next.time_us)
        o->next = *s, o->any_next = true;
}

static int take_samples(struct bulk *b, struct one *o, const struct sample *s, size_t n)
{
    size_t lo = before_edge(s, n, b->from), hi = before_edge(s, n, b->end);
    if (lo && (o->begun || o->any_prev) && s[0].time_us <= o->upto) o->odd = true;
    if (lo) see_before(o, s[lo - 1].time_us, &s[lo - 1]);
    if (hi > lo) {
        struct block_meta part = {0};
        block_meta_fill(&part, s + lo, hi - lo);
        int rc = take_part(b, o, &part);
        if (rc) return rc;
    }
    if (hi < n) see_behind(o, &s[hi]);
    b->behind = hi < n;
    return 0;
}

/* The last stretch, to the neighbour behind the range. */
static int finish(struct bulk *b, struct one *o, uint32_t point, bool step)
{
    double v;
    int rc = o->begun ? 0 : begin(b, o, point);
    if (rc) return rc;
    bool drawn = !step && o->any_prev && b->to <= b->q.newest_us && sample_usable(&o->prev, &v);
    if (drawn && (!o->any_next || o->unsure_next || o->next.time_us >= b->newer)) {
        rc = db_after(&b->db->store, point, b->to, &o->next);
        o->any_next = rc == 0;
        if (rc && rc != ERR_NOT_FOUND) return rc;
    }
    acc_stretch(&o->acc, o->any_prev ? &o->prev : NULL, drawn && o->any_next ? &o->next : NULL);
    acc_end(&o->acc, &o->prev);
    return 0;
}

/* ---- segments ---- */
static int decode(struct bulk *b, struct one *o, const struct block_meta *m)
{
    int n = seg_block(b->seg, m, b->samples, b->codec);
    if (n == ERR_CORRUPT) o->odd = true;
    if (n < 0) return n == ERR_CORRUPT ? 0 : n;
    size_t gone = before_edge(b->samples, (size_t)n, b->floor);
    return (size_t)n > gone ? take_samples(b, o, b->samples + gone, (size_t)n - gone) : 0;
}

static int see_block(void *ctx, size_t i, const struct block_meta *m)
{
    struct bulk *b = ctx;
    struct one *o = &b->one[i];
    if (o->odd) return 1;
    if (m->last_us < b->floor) return 0;
    if (m->last_us < b->from && m->first_us >= b->floor) {
        see_before(o, m->last_us, m->has_stats ? &m->last : NULL);
        return 0;
    }
    if (m->first_us >= b->end) {
        if (m->has_stats)
            see_behind(o, &m->first);
        else
            o->unsure_next |= !o->any_next || m->first_us < o->next.time_us;
        return 1;
    }
    bool whole = m->has_stats && m->first_us >= b->from && m->first_us >= b->floor && m->last_us < b->end;
    return whole ? take_part(b, o, m) : decode(b, o, m);
}

static void give_up(struct bulk *b)
{
    for (size_t i = 0; i < b->n; i++) b->one[i].odd = true;
}

static int walk_segments(struct bulk *b)
{
    for (size_t i = 0; i < b->nsegs; i++) {
        b->seg = b->segs[i];
        b->floor = b->q.floor[seg_info(b->seg)->class_id];
        int rc = seg_metas_of(b->seg, b->point, b->n, b->from, b->q.codec, see_block, b);
        if (rc == ERR_CORRUPT)
            give_up(b);
        else if (rc)
            return rc;
    }
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct seg_info *x = seg_info(*(struct seg *const *)a), *y = seg_info(*(struct seg *const *)b);
    return (x->min_us > y->min_us) - (x->min_us < y->min_us);
}

/* The segments near the range; of the others only how near they come. */
static int list_segments(struct bulk *b)
{
    const struct view *v = b->q.view;
    int64_t lo = b->from < INT64_MIN + MORE_US ? INT64_MIN : b->from - MORE_US;
    int64_t hi = b->to > INT64_MAX - MORE_US ? INT64_MAX : b->to + MORE_US;
    b->older = INT64_MIN;
    b->newer = INT64_MAX;
    b->segs = mem_alloc(v->nsegs * sizeof(struct seg *));
    if (!b->segs) return ERR_NOMEM;
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->max_us < lo && s->max_us > b->older) b->older = s->max_us;
        if (s->min_us > hi && s->min_us < b->newer) b->newer = s->min_us;
        if (s->max_us >= lo && s->min_us <= hi) b->segs[b->nsegs++] = v->segs[i];
    }
    if (b->nsegs > 1) qsort(b->segs, b->nsegs, sizeof *b->segs, by_time);
    return 0;
}

/* ---- heads ---- */
/* What a head holds of a point: its chunks in order, many at once. */
static int see_pieces(struct bulk *b, struct one *o, struct source *s)
{
    size_t n = 0;
    for (size_t k = 0; k < s->n && !o->odd; k++) {
        const struct piece *p = &s->pieces[k];
        if (n + p->n > SEG_BLOCK_MAX) {
            int rc = take_samples(b, o, b->samples, n);
            if (rc) return rc;
            n = 0;
        }
        int got = s->decode(s, p, b->samples + n, b->codec);
        if (got == ERR_CORRUPT) o->odd = true;
        if (got < 0) return got == ERR_CORRUPT ? 0 : got;
        n += (size_t)got;
    }
    return n && !o->odd ? take_samples(b, o, b->samples, n) : 0;
}

static int see_head(struct bulk *b, struct head *h, struct one *o, uint32_t point)
{
    struct source s[HEAD_SOURCES];
    size_t n = 0;
    arena_reset(&b->arena);
    int rc = head_sources(h, point, b->from, b->to, &b->arena, s, &n);
    for (size_t k = 1; k < n; k++) o->odd |= s[k].n > 0;
    if (rc || n == 0 || o->odd) return rc;
    b->behind = false;
    rc = see_pieces(b, o, &s[0]);
    o->unsure_next |= !b->behind; /* what begins behind the range is not among the pieces */
    return rc;
}

static int walk_heads(struct bulk *b)
{
    for (size_t h = 0; h < b->q.view->nheads; h++) {
        struct head_counts c;
        head_counts(b->q.view->heads[h], &c);
        if (c.samples == 0) continue;
        if (c.oldest_us > b->to) {
            if (c.oldest_us < b->newer) b->newer = c.oldest_us;
            continue;
        }
        for (size_t i = 0; i < b->n; i++) {
            int rc = b->one[i].odd ? 0 : see_head(b, b->q.view->heads[h], &b->one[i], b->point[i]);
            if (rc) return rc;
            if (c.late) b->one[i].unsure_next = true;
        }
    }
    return 0;
}

/* ---- slices ---- */
/* The points that need more than this file can. */
static void mark_odd(struct bulk *b, bool all)
{
    struct tsdb *db = b->db;
    size_t n;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < b->n; i++) {
        uint8_t c = b->point[i] < db->nclass_of ? db->class_of[b->point[i]] : 0;
        b->one[i].odd = all || (i && b->point[i] == b->point[i - 1]) || db->classes[c].rollup_age_us;
    }
    pthread_mutex_unlock(&db->lock);
    for (size_t i = 0; i < b->n && b->q.tombs; i++) {
        (void)tombs_of(b->q.tombs, b->point[i], &n);
        b->one[i].odd |= n > 0;
    }
}

static void begin_slice(struct bulk *b, const struct ask *k, const uint32_t *order, size_t n)
{
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        struct one *o = &b->one[i];
        *o = (struct one){.upto = INT64_MIN};
        b->index[i] = order[i];
        b->point[i] = k->points[order[i]];
        acc_begin(&o->acc, k->from, k->to, b->q.newest_us, k->step[order[i]]);
    }
}

/* What is left to do for each point. */
static int settle_slice(struct bulk *b, const struct ask *k, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < b->n && !rc; i++) {
        struct one *o = &b->one[i];
        bool step = k->step[b->index[i]];
        if (!o->odd) rc = finish(b, o, b->point[i], step);
        if (!rc && o->odd) rc = db_summary(&b->db->store, b->point[i], k->from, k->to, step, &o->acc.out, e);
    }
    return rc;
}

static int run_slice(struct bulk *b, const struct ask *k, const uint32_t *order, size_t n, struct error *e)
{
    begin_slice(b, k, order, n);
    mark_odd(b, b->all_odd);
    int rc = b->all_odd ? 0 : walk_segments(b);
    if (!rc && !b->all_odd) rc = walk_heads(b);
    return rc ? rc : settle_slice(b, k, e);
}

/* Points of an ask in order of their number, as indexes. */
static int by_point(const void *a, const void *b, void *ctx)
{
    const uint32_t *points = ctx, x = points[*(const uint32_t *)a], y = points[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

static uint32_t *order_of(const uint32_t *points, size_t n)
{
    uint32_t *order = mem_alloc(n * sizeof *order);
    bool rising = true;
    for (size_t i = 0; order && i < n; i++) {
        order[i] = (uint32_t)i;
        rising &= i == 0 || points[i - 1] <= points[i];
    }
    if (order && !rising) qsort_r(order, n, sizeof *order, by_point, (void *)points);
    return order;
}

/* What waits in the spill is in no head. To be asked before the view is taken. */
static bool any_spill(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    bool any = db->nspill > 0;
    pthread_mutex_unlock(&db->lock);
    return any;
}

/* b->q is open. */
static int bulk_open(struct bulk *b, const struct ask *k)
{
    int64_t newest = b->q.newest_us;
    b->from = k->from;
    b->to = k->to;
    b->end = b->to <= newest ? b->to : newest == INT64_MIN ? newest : newest + 1;
    b->all_odd |= b->q.view->nrolls && b->end > b->from && (uint64_t)b->end - (uint64_t)b->from >= LONG_US;
    b->codec = codec_get(b->db);
    b->samples = mem_alloc(SEG_BLOCK_MAX * sizeof *b->samples);
    int rc = b->codec && b->samples ? query_codec(&b->q) : ERR_NOMEM;
    return rc ? rc : list_segments(b);
}

static struct bulk *bulk_new(struct tsdb *db, const struct ask *k)
{
    struct bulk *b = mem_calloc(1, sizeof *b);
    if (!b) return NULL;
    b->db = db;
    b->all_odd = any_spill(db);
    arena_init(&b->arena, ARENA_MAX);
    query_open(db, k->points[0], &b->q);
    return b;
}

static void bulk_free(struct bulk *b)
{
    if (!b) return;
    codec_put(b->db, b->codec);
    query_end(&b->q);
    arena_fini(&b->arena);
    mem_free(b->samples);
    mem_free(b->segs);
    mem_free(b);
}

/* ---- two threads ---- */
struct team {
    const struct ask *k;
    const uint32_t *order;
    pthread_mutex_t lock; /* the rest, and calls of fn */
    size_t next;          /* point that is not taken yet */
    int rc;
    bool own; /* rc is the receiver's */
    struct error error;
};

static size_t next_slice(struct team *t, size_t *ret_n)
{
    pthread_mutex_lock(&t->lock);
    size_t at = t->rc ? t->k->n : t->next;
    *ret_n = t->k->n - at < SLICE ? t->k->n - at : SLICE;
    t->next = at + *ret_n;
    pthread_mutex_unlock(&t->lock);
    return at;
}

static void give_slice(struct team *t, struct bulk *b, int rc, const struct error *e)
{
    pthread_mutex_lock(&t->lock);
    if (rc && !t->rc) t->error = *e;
    if (rc && !t->rc) t->rc = rc;
    for (size_t i = 0; i < b->n && !t->rc; i++) {
        t->rc = t->k->fn(t->k->ctx, b->index[i], &b->one[i].acc.out);
        t->own = t->rc != 0;
    }
    pthread_mutex_unlock(&t->lock);
}

static void run_slices(struct team *t, struct bulk *b)
{
    size_t n;
    struct error e = {0};
    int rc = bulk_open(b, t->k);
    if (rc) give_slice(t, b, rc, &e);
    for (size_t at; (at = next_slice(t, &n)), n && !rc;) {
        rc = run_slice(b, t->k, t->order + at, n, &e);
        give_slice(t, b, rc, &e);
    }
}

struct helper {
    struct team *t;
    struct bulk *b;
};

static void *help(void *ctx)
{
    struct helper *h = ctx;
    run_slices(h->t, h->b);
    return NULL;
}

/* Wide asks are worked at by a second thread, if there can be one. */
static void run_team(struct team *t, struct tsdb *db)
{
    struct bulk *b = bulk_new(db, t->k);
    struct helper h = {t, t->k->n >= WIDE && b ? bulk_new(db, t->k) : NULL};
    pthread_t thread;
    if (h.b) h.b->q.newest_us = b->q.newest_us;
    bool helped = h.b && pthread_create(&thread, NULL, help, &h) == 0;
    if (b)
        run_slices(t, b);
    else
        t->rc = ERR_NOMEM;
    if (helped) pthread_join(thread, NULL);
    bulk_free(h.b);
    bulk_free(b);
}

/* An empty range. */
static int give_nothing(const struct ask *k)
{
    const struct ts_summary none = {.min = NAN, .max = NAN, .mean = NAN, .twa = NAN};
    int rc = 0;
    for (size_t i = 0; i < k->n && !rc; i++) rc = k->fn(k->ctx, i, &none);
    return rc;
}

int db_summaries(struct ts_store *st, const uint32_t *points, const bool *step, size_t n, int64_t from, int64_t to,
                 ts_window_fn *fn, void *ctx, struct error *e)
{
    const struct ask k = {points, step, n, from, to, fn, ctx};
    if (n == 0) return 0;
    if (from >= to) return give_nothing(&k);
    uint32_t *order = order_of(points, n);
    if (!order) return error_set(e, ERR_NOMEM, "", "summaries: out of memory", "批量统计：内存不足");
    struct team t = {.k = &k, .order = order};
    pthread_mutex_init(&t.lock, NULL);
    run_team(&t, tsdb_of(st));
    pthread_mutex_destroy(&t.lock);
    mem_free(order);
    if (!t.rc || t.own) return t.rc;
    if (t.error.text[0] && e) *e = t.error;
    int place = t.error.text[0] ? t.rc : places_error(tsdb_of(st), e, t.rc);
    if (place) return place;
    return error_set(e, t.rc, "", "summaries: %s", "批量统计：%s", error_title(t.rc));
}
