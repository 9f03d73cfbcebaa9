/* compact.c - merging segments, so that their number stays small and blocks grow long.
 *
 * Size tiers: four or more neighbours of one class (in sequence, so that "newer wins" survives) whose
 * sizes are in the same power-of-four tier become one, together with smaller ones between them. A merged
 * segment stays under a size, and under an eighth of the class's limits of bytes and age, so that
 * retention can drop whole files. Segments of one class are not merged across a segment of another class
 * that holds the same points (a point that changed its class): the order between the two would be lost. */
#include "base/mem.h"
#include "tsdb/damage.h"
#include "tsdb/delete.h"
#include "tsdb/places.h"
#include "tsdb/engine.h"
#include "tsdb/roll.h"
#include "tsdb/seg_write.h"

#define MERGE_MIN 4
#define MERGE_MAX 16
#define MERGED_BYTES ((int64_t)128 << 20)
#define TIER0 ((int64_t)256 << 10)

static unsigned tier(const struct seg *s)
{
    unsigned t = 0;
    for (int64_t b = TIER0; b < seg_info(s)->file_bytes; b *= 4) t++;
    return t;
}

/* ---- the points of the result ---- */
struct member {
    uint32_t point, group, from; /* from: index of the segment whose grouping counts, the newest */
};
struct members {
    struct member *m;
    size_t n, cap;
};

static int by_point_newest(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->point != y->point) return x->point < y->point ? -1 : 1;
    return (x->from < y->from) - (x->from > y->from);
}

static int by_group(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->point > y->point) - (x->point < y->point);
}

static int add_points(struct tsdb *db, struct seg *s, uint32_t from, struct members *out)
{
    struct seg_point *p = NULL;
    size_t n = 0;
    int rc = seg_points(s, db->work_codec, &p, &n);
    if (rc) return rc;
    if (!mem_grow((void **)&out->m, &out->cap, out->n + n, sizeof *out->m)) rc = ERR_NOMEM;
    for (size_t i = 0; i < n && !rc; i++) out->m[out->n++] = (struct member){p[i].point, p[i].group, from};
    mem_free(p);
    return rc;
}

static int list_members(struct tsdb *db, struct seg *const *segs, size_t n, struct members *out)
{
    for (size_t i = 0; i < n; i++) {
        int rc = add_points(db, segs[i], (uint32_t)i, out);
        if (rc) return rc;
    }
    if (out->n == 0) return 0;
    qsort(out->m, out->n, sizeof *out->m, by_point_newest);
    size_t k = 1;
    for (size_t i = 1; i < out->n; i++)
        if (out->m[i].point != out->m[k - 1].point) out->m[k++] = out->m[i];
    out->n = k;
    qsort(out->m, out->n, sizeof *out->m, by_group);
    return 0;
}

/* ---- writing ---- */
static int point_sources(struct tsdb *db, struct seg *const *segs, size_t n, uint32_t point, int64_t floor,
                         struct arena *a, struct source **ret, size_t *ret_n)
{
    struct source *s = arena_alloc(a, n * sizeof *s);
    size_t k = 0;
    if (!s) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int rc = seg_source(segs[i], point, INT64_MIN, INT64_MAX, floor, a, db->work_codec, &s[k]);
        if (rc < 0) return rc;
        k += rc == 1;
    }
    *ret = s;
    *ret_n = k;
    return tombs_hide(db->keep.tombs, point, s, k, a); /* changed with `work` held only */
}

static int write_group(struct tsdb *db, struct seg_write *w, struct seg *const *segs, size_t n, const struct member *m,
                       size_t points, uint32_t group, int64_t floor)
{
    struct arena a;
    struct feed *feeds = mem_calloc(points, sizeof *feeds);
    int rc = feeds ? 0 : ERR_NOMEM;
    arena_init(&a, QUERY_ARENA_MAX);
    for (size_t i = 0; i < points && !rc; i++) {
        struct source *s = NULL;
        size_t ns = 0;
        feeds[i].point = m[i].point;
        rc = point_sources(db, segs, n, m[i].point, floor, &a, &s, &ns);
        if (!rc) rc = merge_init(&feeds[i].m, s, ns, INT64_MIN, INT64_MAX, db->work_codec);
    }
    if (!rc) rc = seg_write_group(w, group, feeds, points);
    for (size_t i = 0; feeds && i < points; i++) {
        db->keep.rewritten += feeds[i].m.dropped;
        merge_fini(&feeds[i].m);
    }
    mem_free(feeds);
    arena_fini(&a);
    return rc;
}

static int write_members(struct tsdb *db, struct seg_write *w, struct seg *const *segs, size_t n,
                         const struct members *l, int64_t floor)
{
    uint32_t group = 0;
    for (size_t i = 0, k; i < l->n; i += k, group++) {
        for (k = 1; i + k < l->n && k < 128 && l->m[i + k].group == l->m[i].group && l->m[i + k].from == l->m[i].from;)
            k++;
        int rc = job_stopped(db) ? ERR_CANCELLED : write_group(db, w, segs, n, l->m + i, k, group, floor);
        if (rc) return rc;
    }
    return 0;
}

static int write_merged(struct tsdb *db, struct seg *const *segs, size_t n, int64_t floor, struct seg **ret)
{
    struct members list = {0};
    struct seg_write *w = NULL;
    struct seg_info info;
    uint64_t wal_hi = 0;
    for (size_t i = 0; i < n; i++)
        if (seg_info(segs[i])->wal_hi > wal_hi) wal_hi = seg_info(segs[i])->wal_hi;
    int rc = job_info(db, seg_info(segs[0])->seq_lo, seg_info(segs[n - 1])->seq_hi, wal_hi, seg_info(segs[0])->class_id,
                      &info);
    if (!rc) rc = list_members(db, segs, n, &list);
    if (!rc) rc = seg_write_begin(db->fs, &info, db->work_codec, &w);
    if (!rc) rc = write_members(db, w, segs, n, &list, floor);
    bool empty = !rc && seg_write_samples(w) == 0;
    if (rc || empty)
        seg_write_abort(w);
    else
        rc = seg_write_finish(w);
    if (!rc && !empty) rc = job_open(db, &info, ret);
    mem_free(list.m);
    return rc;
}

static void remove_segs(struct tsdb *db, struct seg *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        place_remove(db, seg_info(segs[i]), seg_damaged(segs[i]) > 0); /* the damaged is kept aside */
    db->dir_dirty = true;
    (void)job_sync_dir(db);
}

int compact_range(struct tsdb *db, size_t first, size_t n, int64_t floor)
{
    struct view *v = view_get(db);
    struct seg *merged = NULL;
    int rc = job_begin(db);
    db->keep.rewritten = 0;
    if (!rc && floor < INT64_MAX) rc = write_merged(db, v->segs + first, n, floor, &merged);
    if (rc == ERR_CORRUPT && n == 1) rc = 0; /* nothing of it can be read any more */
    if (!rc) rc = segs_add(db, NULL, 0, first, n, &merged, merged != NULL);
    if (!rc) {
        pthread_mutex_lock(&db->lock);
        db->stats.rewritten += db->keep.rewritten;
        pthread_mutex_unlock(&db->lock);
        remove_segs(db, v->segs + first, n);
    } else if (merged) {
        char path[SEG_PATH_MAX];
        seg_path(seg_info(merged), path);
        (void)db->fs->ops->remove(db->fs, path);
        db->dir_dirty = true;
    }
    seg_unref(merged);
    view_put(v);
    return rc;
}

/* ---- choosing ---- */
struct limits {
    int64_t bytes, span;
};

static struct limits limits_of(struct tsdb *db, uint8_t class_id)
{
    pthread_mutex_lock(&db->lock);
    struct ts_class c = db->classes[class_id];
    pthread_mutex_unlock(&db->lock);
    struct limits l = {MERGED_BYTES, INT64_MAX};
    if (c.max_bytes && (int64_t)(c.max_bytes / 8) < l.bytes) l.bytes = (int64_t)(c.max_bytes / 8);
    if (c.max_age_us) l.span = c.max_age_us / 8;
    return l;
}

/* Length of the longest run from `first` that may become one file, with nothing above tier t. */
static size_t run_of(const struct view *v, size_t first, unsigned t, const struct limits *l, size_t *ret_in_tier)
{
    int64_t bytes = 0, lo = INT64_MAX, hi = INT64_MIN;
    uint64_t widest = 0;
    size_t n = 0;
    *ret_in_tier = 0;
    for (; first + n < v->nsegs && n < MERGE_MAX; n++) {
        const struct seg_info *s = seg_info(v->segs[first + n]);
        if (s->class_id != seg_info(v->segs[first])->class_id || tier(v->segs[first + n]) > t) break;
        if ((s->seq_hi <= v->rolled) != (seg_info(v->segs[first])->seq_hi <= v->rolled)) break; /* roll.h */
        if (s->place != TS_HOT) break; /* what has moved stays as it is */
        bytes += s->file_bytes;
        if (s->min_us < lo) lo = s->min_us;
        if (s->max_us > hi) hi = s->max_us;
        uint64_t own = (uint64_t)s->max_us - (uint64_t)s->min_us;
        if (own > widest) widest = own; /* late samples made it wide already: merging does not make it worse */
        uint64_t most = widest > (uint64_t)l->span ? widest + widest / 2 : (uint64_t)l->span;
        if (bytes > l->bytes || (uint64_t)hi - (uint64_t)lo > most) break;
        *ret_in_tier += tier(v->segs[first + n]) == t;
    }
    return n;
}

static bool share_points(const struct point_set *a, const struct point_set *b)
{
    uint32_t from = a->first > b->first ? a->first : b->first, to = a->last < b->last ? a->last : b->last;
    for (uint64_t p = from; p <= to; p++) {
        uint32_t i = (uint32_t)p - a->first, k = (uint32_t)p - b->first;
        if (i % 64 == 0 && !a->bits[i / 64])
            p += 63; /* none of the next 64 */
        else if (a->bits[i / 64] >> i % 64 & b->bits[k / 64] >> k % 64 & 1)
            return true;
    }
    return false;
}

/* Does a segment of another class, in between, hold a point of these? Every segment's index is read once for that. */
static int interleaved(struct tsdb *db, const struct view *v, size_t first, size_t n, bool *ret)
{
    const struct seg_info *a = seg_info(v->segs[first]), *b = seg_info(v->segs[first + n - 1]);
    *ret = false;
    for (size_t i = 0; i < v->nsegs && !*ret; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        const struct point_set *own, *other;
        if (s->class_id == a->class_id || s->seq_hi < a->seq_lo || s->seq_lo > b->seq_hi) continue;
        int rc = seg_point_set(v->segs[i], db->work_codec, &other);
        for (size_t k = first; k < first + n && !rc && !*ret; k++) {
            rc = seg_point_set(v->segs[k], db->work_codec, &own);
            if (!rc) *ret = share_points(own, other);
        }
        if (rc == ERR_UNAVAILABLE || rc == ERR_IO || rc == ERR_CORRUPT) *ret = true, rc = 0; /* not to be told now */
        if (rc) return rc;
    }
    return 0;
}

static int merge_tier(struct tsdb *db, const struct view *v, unsigned t)
{
    for (size_t first = 0; first < v->nsegs; first++) {
        struct limits l = limits_of(db, seg_info(v->segs[first])->class_id);
        size_t in_tier, n = run_of(v, first, t, &l, &in_tier);
        bool mixed = false;
        if (in_tier < MERGE_MIN) continue;
        int rc = job_begin(db);
        if (!rc) rc = interleaved(db, v, first, n, &mixed);
        if (!rc && mixed) continue;
        if (!rc) rc = compact_range(db, first, n, job_floor(db, seg_info(v->segs[first])->class_id));
        return rc ? rc : 1;
    }
    return 0;
}

/* A damaged segment is written again without what is broken, and kept aside. */
static int mend(struct tsdb *db, const struct view *v)
{
    for (size_t i = 0; i < v->nsegs; i++) {
        if (seg_damaged(v->segs[i]) == 0 || seg_away(v->segs[i])) continue;
        int rc = compact_range(db, i, 1, job_floor(db, seg_info(v->segs[i])->class_id));
        return rc ? rc : 1;
    }
    return 0;
}

int compact_once(struct tsdb *db)
{
    damage_flush(db); /* while the broken places can be described */
    int rolled = roll_once(db);
    if (rolled == 1) return 1;
    struct view *v = view_get(db);
    int rc = mend(db, v);
    for (unsigned t = 0; t < 12 && rc == 0; t++) rc = merge_tier(db, v, t);
    view_put(v);
    if (!rc) rc = tombs_purge(db);
    return rc ? rc : rolled;
}

int tsdb_merge(struct ts_store *st, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    int rc;
    do {
        pthread_mutex_lock(&db->work);
        db->keep.purge_now = true;
        rc = compact_once(db);
        db->keep.purge_now = false;
        pthread_mutex_unlock(&db->work);
    } while (rc == 1);
    return rc ? error_set(e, rc, "ts", "merging failed: %s", "合并失败：%s", error_title(rc)) : 0;
}
