/* sources.c - gathers everything that holds samples of one point: segments, heads, spill. */
#include "base/mem.h"
#include "tsdb/delete.h"
#include "tsdb/engine.h"

/* The spill is unsorted and may hold a time twice; it becomes a sorted source in which the last one wins. */
static int spill_source(struct tsdb *db, uint32_t point, struct query *q)
{
    pthread_mutex_lock(&db->lock);
    if (db->nspill == 0) {
        pthread_mutex_unlock(&db->lock);
        return 0;
    }
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

static int head_parts(struct query *q, int64_t from, int64_t to)
{
    for (size_t i = 0; i < q->view->nheads; i++) {
        size_t n = 0;
        int rc = head_sources(q->view->heads[i], q->point, from, to, &q->arena, &q->sources[q->n], &n);
        if (rc) return rc;
        for (size_t k = 0; k < n; k++) q->sources[q->n++].floor = q->point_floor;
    }
    return 0;
}

static bool may_overlap(const struct seg_info *i, int64_t from, int64_t to, int64_t floor)
{
    return i->min_us <= to && (from == to || i->max_us >= from) && i->max_us >= floor;
}

int query_codec(struct query *q)
{
    if (!q->codec) q->codec = codec_get(q->db);
    return q->codec ? 0 : ERR_NOMEM;
}

/* With from == to the sample in force at that time is wanted: older segments count. */
static int seg_parts(struct query *q, int64_t from, int64_t to, uint64_t behind)
{
    for (size_t i = 0; i < q->view->nsegs; i++) {
        struct seg *s = q->view->segs[i];
        const struct seg_info *info = seg_info(s);
        int64_t floor = q->floor[info->class_id];
        if (info->seq_hi <= behind || !may_overlap(info, from, to, floor)) continue;
        if (q->near && info->place != TS_HOT) {
            if (info->max_us > q->skipped_us) q->skipped_us = info->max_us;
            continue;
        }
        int rc = query_codec(q);
        if (!rc) rc = seg_source(s, q->point, from, to, floor, &q->arena, q->codec, &q->sources[q->n]);
        if (rc < 0 && rc != ERR_CORRUPT) return rc;
        q->n += rc == 1;
    }
    return 0;
}

void query_open(struct tsdb *db, uint32_t point, struct query *q)
{
    *q = (struct query){.db = db, .point = point, .skipped_us = INT64_MIN};
    arena_init(&q->arena, QUERY_ARENA_MAX);
    pthread_mutex_lock(&db->lock);
    uint8_t class_id = point < db->nclass_of ? db->class_of[point] : 0;
    memcpy(q->floor, db->floor, sizeof q->floor);
    q->point_floor = q->floor[class_id];
    q->outlive = db->classes[class_id].rollup_age_us > 0;
    q->cell_floor = db->cell_floor[class_id];
    if (!q->outlive && q->point_floor > q->cell_floor) q->cell_floor = q->point_floor;
    q->newest_us = db->stats.newest_us;
    pthread_mutex_unlock(&db->lock);
    q->tombs = tombs_get(db); /* before the view: what forgets a deletion has removed it from the view before */
    q->view = view_get(db);
}

/* What is newer than sequence `behind` (0: everything), after what was gathered before has been forgotten. */
static int gather(struct query *q, int64_t from, int64_t to, uint64_t behind)
{
    q->n = 0;
    q->sources = arena_alloc(&q->arena, (q->view->nsegs + VIEW_HEADS * HEAD_SOURCES + 1) * sizeof *q->sources);
    int rc = q->sources ? head_parts(q, from, to) : ERR_NOMEM;
    if (!rc) rc = spill_source(q->db, q->point, q);
    if (!rc) rc = seg_parts(q, from, to, behind);
    return rc ? rc : tombs_hide(q->tombs, q->point, q->sources, q->n, &q->arena);
}

int query_sources(struct query *q, int64_t from, int64_t to)
{
    return gather(q, from, to, 0);
}

int query_newer(struct query *q, int64_t from, int64_t to, uint64_t behind)
{
    return gather(q, from, to, behind);
}

static void oldest(int64_t *t, int64_t of)
{
    if (of < *t) *t = of;
}

int64_t query_oldest(struct query *q)
{
    int64_t t = INT64_MAX;
    const struct view *v = q->view;
    pthread_mutex_lock(&q->db->lock);
    for (size_t i = 0; i < q->db->nspill; i++) oldest(&t, q->db->spill[i].time_us);
    pthread_mutex_unlock(&q->db->lock);
    for (size_t i = 0; i < v->nheads; i++) {
        struct head_counts c;
        head_counts(v->heads[i], &c);
        oldest(&t, c.oldest_us);
    }
    for (size_t i = 0; i < v->nsegs; i++) oldest(&t, seg_info(v->segs[i])->min_us);
    for (size_t i = 0; i < v->nrolls; i++) oldest(&t, roll_info(v->rolls[i])->min_us);
    return t == INT64_MAX ? t : roll_start(ROLL_LEVELS - 1, t);
}

static int begin(struct tsdb *db, uint32_t point, int64_t from, int64_t to, bool near, struct query *q)
{
    query_open(db, point, q);
    q->near = near;
    int rc = query_sources(q, from, to);
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
