/* query.c - scan, before and after. */
#include "base/mem.h"
#include "tsdb/places.h"

static int fault(struct tsdb *db, struct error *e, int rc)
{
    int place = places_error(db, e, rc);
    if (place) return place;
    return error_set(e, rc, "", "history query: %s", "历史查询：%s", error_title(rc));
}

static int scan_merge(struct query *q, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx, struct error *e)
{
    struct merge m;
    struct run r;
    int rc = merge_init(&m, q->sources, q->n, from, to - 1, q->codec);
    while (!rc) {
        rc = merge_next(&m, false, &r);
        if (rc <= 0) break;
        rc = fn(ctx, r.s, r.n);
        if (rc) {
            merge_fini(&m);
            return rc; /* the caller's own */
        }
    }
    merge_fini(&m);
    return rc ? fault(q->db, e, rc) : 0;
}

int db_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx, struct error *e)
{
    struct query q;
    if (from >= to) return 0;
    int rc = query_begin(tsdb_of(st), point, from, to - 1, &q);
    if (rc) return fault(tsdb_of(st), e, rc);
    rc = scan_merge(&q, from, to, fn, ctx, e);
    query_end(&q);
    return rc;
}

/* ---- before ---- */
struct best {
    struct sample s, *buf;
    uint64_t prio;
    bool found;
};

static bool beats(const struct best *b, int64_t t, uint64_t prio)
{
    return !b->found || t > b->s.time_us || (t == b->s.time_us && prio > b->prio);
}

static void consider(struct best *b, const struct source *src, const struct sample *s)
{
    if (s->time_us < src->floor || !beats(b, s->time_us, src->prio)) return;
    b->s = *s;
    b->prio = src->prio;
    b->found = true;
}

/* The last sample of this source at or before `at`, if it beats the best so far. */
static int before_in(struct source *src, int64_t at, struct codec *c, struct best *b)
{
    for (size_t k = src->n; k-- > 0;) {
        const struct piece *p = &src->pieces[k];
        if (p->t0 > at) continue;
        if (!beats(b, p->t1 < at ? p->t1 : at, src->prio)) return 0;
        if (p->meta && p->meta->has_stats && p->meta->last_us <= at) {
            consider(b, src, &p->meta->last);
            return 0;
        }
        int n = src->decode(src, p, b->buf, c);
        if (n == ERR_CORRUPT) continue;
        if (n < 0) return n;
        while (n > 0 && b->buf[n - 1].time_us > at) n--;
        if (n == 0) continue;
        consider(b, src, &b->buf[n - 1]);
        return 0;
    }
    return ERR_NOT_FOUND; /* nothing readable among the pieces that were asked for */
}

static int before_from(struct tsdb *db, uint32_t point, int64_t from, int64_t at, bool near, struct best *b,
                       bool *ret_missed, int64_t *ret_skipped)
{
    struct query q;
    int rc = near ? query_begin_near(db, point, from, at, &q) : query_begin(db, point, from, at, &q);
    if (rc) return rc;
    *ret_missed = false;
    *ret_skipped = q.skipped_us;
    for (size_t i = 0; i < q.n && !rc; i++) {
        rc = before_in(&q.sources[i], at, q.codec, b);
        if (rc == ERR_NOT_FOUND) *ret_missed |= q.sources[i].n > 0, rc = 0;
    }
    query_end(&q);
    return rc;
}

int db_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct best b = {.buf = mem_alloc(SEG_BLOCK_MAX * sizeof *b.buf)};
    if (!b.buf) return ERR_NOMEM;
    bool missed;
    int64_t skipped, ignored;
    struct tsdb *db = tsdb_of(st);
    int rc = before_from(db, point, at, at, true, &b, &missed, &skipped);
    /* What has moved to other places is asked only where it may hold something later. */
    if (!rc && skipped != INT64_MIN && (!b.found || b.s.time_us <= skipped))
        rc = before_from(db, point, at, at, false, &b, &missed, &ignored);
    /* A damaged block, or the only candidate lies behind `at`: look through everything older. */
    if (!rc && missed) rc = before_from(db, point, INT64_MIN, at, false, &b, &missed, &ignored);
    mem_free(b.buf);
    if (rc) return rc;
    if (!b.found) return ERR_NOT_FOUND;
    *ret = b.s;
    return 0;
}

/* ---- after ---- */
#define HOUR_US INT64_C(3600000000)

static int take_first(void *ctx, const struct sample *s, size_t n)
{
    *(struct sample *)ctx = *s;
    return 1;
}

/* Windows that grow, so that a near one is found without listing everything. */
int db_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    int64_t span = HOUR_US;
    for (;;) {
        struct query q;
        int64_t to = span == INT64_MAX || at > INT64_MAX - 1 - span ? INT64_MAX : at + span;
        int rc = query_begin(tsdb_of(st), point, at, to, &q);
        bool last = to == INT64_MAX || (!rc && to > q.newest_us);
        if (!rc) {
            rc = scan_merge(&q, at, to, take_first, ret, NULL);
            query_end(&q);
        }
        if (rc) return rc == 1 ? 0 : rc;
        if (last) return ERR_NOT_FOUND;
        span = span > HOUR_US * 24 * 15 ? INT64_MAX : span * 24;
    }
}
