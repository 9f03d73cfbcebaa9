/* sources.c - gathers everything that holds samples of one point: segments, heads, spill. */
#include "base/mem.h"
#include "tsdb/delete.h"
#include "tsdb/engine.h"

/* The spill is unsorted and may hold a time twice; it becomes a sorted source in which the last one wins. */
static int spill_source(struct tsdb *db, uint32_t point, struct query *q)
{
    pthread_mutex_lock(&db->lock);
    struct sample *s = arena_alloc(&q->arena, db->nspill * sizeof *s + 1);
    struct piece *p = arena_alloc(&q->arena, sizeof *p);
    size_t n = 0;
    for (size_t i = 0; s && i < db->nspill; i++) {
        if (db->spill[i].point != point) continue;
        size_t at = n;
        while (at > 0 && s[at - 1].time_us > db->spill[i].time_us) at--;
        bool same = at > 0 && s[at - 1].time_us == db->spill[i].time_us;
        if (same)
            at--;
        else
            memmove(&s[at + 1], &s[at], (n++ - at) * sizeof *s);
        s[at] = db->spill[i];
        if (s[at].type == SAMPLE_NONE) s[at].v.u = 0;
    }
    pthread_mutex_unlock(&db->lock);
    if (!s || !p) return ERR_NOMEM;
    if (n == 0) return 0;
    *p = (struct piece){.t0 = s[0].time_us, .t1 = s[n - 1].time_us, .n = (uint32_t)n, .p = s};
    q->sources[q->n++] = (struct source){
        .prio = UINT64_MAX, .pieces = p, .n = 1, .floor = INT64_MIN, .decode = sample_array_decode, .point = point};
    return 0;
}

static int head_parts(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct query *q, int64_t floor)
{
    for (size_t i = 0; i < q->view->nheads; i++) {
        size_t n = 0;
        int rc = head_sources(q->view->heads[i], point, from, to, &q->arena, &q->sources[q->n], &n);
        if (rc) return rc;
        for (size_t k = 0; k < n; k++) q->sources[q->n++].floor = floor;
    }
    return 0;
}

static bool may_overlap(const struct seg_info *i, int64_t from, int64_t to, int64_t floor)
{
    return i->min_us <= to && (from == to || i->max_us >= from) && i->max_us >= floor;
}

/* With from == to the sample in force at that time is wanted: older segments count. */
static int seg_parts(struct tsdb *db, uint32_t point, int64_t from, int64_t to, bool near, struct query *q,
                     const int64_t floor[TSDB_CLASSES])
{
    for (size_t i = 0; i < q->view->nsegs; i++) {
        struct seg *s = q->view->segs[i];
        const struct seg_info *info = seg_info(s);
        if (!may_overlap(info, from, to, floor[info->class_id])) continue;
        if (near && info->place != TS_HOT) {
            if (info->max_us > q->skipped_us) q->skipped_us = info->max_us;
            continue;
        }
        if (!q->codec && !(q->codec = codec_get(db))) return ERR_NOMEM;
        int rc = seg_source(s, point, from, to, floor[info->class_id], &q->arena, q->codec, &q->sources[q->n]);
        if (rc < 0 && rc != ERR_CORRUPT) return rc;
        q->n += rc == 1;
    }
    return 0;
}

static int begin(struct tsdb *db, uint32_t point, int64_t from, int64_t to, bool near, struct query *q)
{
    int64_t floor[TSDB_CLASSES], point_floor;
    *q = (struct query){.db = db, .skipped_us = INT64_MIN};
    arena_init(&q->arena, QUERY_ARENA_MAX);
    pthread_mutex_lock(&db->lock);
    memcpy(floor, db->floor, sizeof floor);
    point_floor = floor[point < db->nclass_of ? db->class_of[point] : 0];
    bool spilled = db->nspill > 0;
    pthread_mutex_unlock(&db->lock);
    q->tombs = tombs_get(db); /* before the view: what forgets a deletion has removed it from the view before */
    q->view = view_get(db);
    q->sources = arena_alloc(&q->arena, (q->view->nsegs + VIEW_HEADS * 2 + 1) * sizeof *q->sources);
    int rc = q->sources ? 0 : ERR_NOMEM;
    if (!rc) rc = head_parts(db, point, from, to, q, point_floor);
    if (!rc && spilled) rc = spill_source(db, point, q);
    if (!rc) rc = seg_parts(db, point, from, to, near, q, floor);
    if (!rc) rc = tombs_hide(q->tombs, point, q->sources, q->n, &q->arena);
    pthread_mutex_lock(&db->lock); /* behind the last look at a head: not before anything gathered */
    q->newest_us = db->stats.newest_us;
    pthread_mutex_unlock(&db->lock);
    if (rc) query_end(q);
    return rc;
}

int query_begin(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct query *q)
{
    return begin(db, point, from, to, false, q);
}

int query_begin_near(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct query *q)
{
    return begin(db, point, from, to, true, q);
}

void query_end(struct query *q)
{
    codec_put(q->db, q->codec);
    view_put(q->view);
    tombs_put(q->tombs);
    arena_fini(&q->arena);
}
