/* preview.c - what a table of classes would do at its first enforcement, without doing it.
 *
 * The steps of retention.c are played through on a list of the segments. Samples are counted as they are
 * stored (one that was rewritten and not merged yet counts each time), those that readers are refused
 * already are not counted again. Bytes are those that the enforcement frees: of files that go, and near
 * enough of files that are rewritten. What is in memory is not counted. Files of blobs only count in bytes: their
 * samples stand in segments. */
#include "base/mem.h"
#include "tsdb/blobs.h"
#include "tsdb/places.h"
#include "tsdb/roll.h"

struct plan { /* one segment, or (seg NULL) file of blobs */
    struct seg *seg;
    int64_t was, bytes, max_us; /* bytes: what it would have left */
    uint64_t below;             /* samples that go or are refused */
    bool gone;
};
struct preview {
    struct tsdb *db;
    struct codec *codec;
    struct plan *p;
    size_t n;
    int64_t floor; /* in force now */
};

/* ---- what lies before a time ---- */
struct below {
    struct preview *v;
    struct seg *seg;
    int64_t t;
    uint64_t samples, bytes, lengths;
};

static int count_source(struct below *b, const struct block_meta *m, uint64_t *ret)
{
    struct arena a;
    struct source s;
    struct merge mg = {0};
    struct run r;
    uint64_t n = 0;
    arena_init(&a, QUERY_ARENA_MAX);
    int rc = seg_source(b->seg, m->point, m->first_us, b->t - 1, INT64_MIN, &a, b->v->codec, &s);
    if (rc == 1) {
        rc = merge_init(&mg, &s, 1, m->first_us, b->t - 1, b->v->codec);
        while (!rc && (rc = merge_next(&mg, false, &r)) == 1) n += r.n, rc = 0;
        merge_fini(&mg);
    }
    arena_fini(&a);
    *ret = n;
    return rc < 0 ? rc : 0;
}

struct divided {
    struct block_meta *m;
    size_t n, cap;
    struct below *b;
};

static int add_block(void *ctx, const struct block_meta *m)
{
    struct divided *d = ctx;
    struct below *b = d->b;
    b->lengths += m->len;
    if (m->first_us >= b->t) return 0;
    if (m->last_us < b->t) {
        b->samples += m->count;
        b->bytes += m->len;
        return 0;
    }
    if (!mem_grow((void **)&d->m, &d->cap, d->n + 1, sizeof *d->m)) return ERR_NOMEM;
    d->m[d->n++] = *m;
    return 0;
}

/* Samples before t in the segment, and the bytes that a rewriting without them would free. */
static int count_below(struct preview *v, struct seg *seg, int64_t t, uint64_t *ret_samples, int64_t *ret_bytes)
{
    const struct seg_info *i = seg_info(seg);
    struct below b = {.v = v, .seg = seg, .t = t};
    struct divided d = {.b = &b};
    *ret_samples = t > i->max_us ? i->samples : 0;
    *ret_bytes = t > i->max_us ? i->file_bytes : 0;
    if (t > i->max_us || t <= i->min_us) return 0;
    int rc = seg_each_meta(seg, v->codec, add_block, &d);
    for (size_t k = 0; k < d.n && !rc; k++) {
        uint64_t n = 0;
        rc = count_source(&b, &d.m[k], &n);
        b.samples += n;
        b.bytes += d.m[k].len * n / d.m[k].count;
    }
    mem_free(d.m);
    *ret_samples = b.samples;
    *ret_bytes = b.lengths ? (int64_t)((double)i->file_bytes * (double)b.bytes / (double)b.lengths) : 0;
    return rc;
}

/* ---- the steps ---- */
static int cut(struct preview *v, struct plan *p, int64_t at, bool rewritten)
{
    int64_t bytes = 0;
    uint64_t n = 0;
    int rc = count_below(v, p->seg, at, &n, &bytes);
    if (n > p->below) p->below = n;
    if (rewritten) p->bytes -= bytes < p->bytes ? bytes : p->bytes;
    return rc;
}

static void drop(struct plan *p, struct ts_preview *ret)
{
    p->gone = true;
    p->bytes = 0;
    if (!p->seg) return;
    p->below = seg_info(p->seg)->samples;
    if (p->max_us + 1 > ret->before_us) ret->before_us = p->max_us + 1;
}

static int by_age(struct preview *v, int64_t floor, struct ts_preview *ret)
{
    int rc = 0;
    for (size_t i = 0; i < v->n && !rc; i++) {
        struct plan *p = &v->p[i];
        int64_t at = p->seg ? retention_cut(seg_info(p->seg), floor) : p->max_us < floor ? INT64_MAX : INT64_MIN;
        if (at == INT64_MAX)
            drop(p, ret);
        else if (p->seg)
            rc = cut(v, p, floor, at != INT64_MIN);
    }
    return rc;
}

static struct plan *oldest(struct preview *v, int64_t *ret_bytes, size_t *ret_n)
{
    struct plan *o = NULL;
    *ret_bytes = 0;
    *ret_n = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct plan *p = &v->p[i];
        if (p->gone) continue;
        *ret_bytes += p->bytes;
        *ret_n += p->seg != NULL;
        if (!o || p->max_us < o->max_us) o = p; /* blobs stand in front */
    }
    return o;
}

static int by_bytes(struct preview *v, int64_t max_bytes, struct ts_preview *ret)
{
    for (;;) {
        int64_t bytes;
        size_t n;
        struct plan *p = oldest(v, &bytes, &n);
        if (!p || bytes <= max_bytes) return 0;
        int64_t at = n > 1 || !p->seg ? INT64_MAX : retention_fit(seg_info(p->seg), bytes, max_bytes);
        if (at == INT64_MAX) {
            drop(p, ret);
            continue;
        }
        if (at > ret->before_us) ret->before_us = at;
        return cut(v, p, at, true);
    }
}

static int class_preview(struct preview *v, const struct ts_class *c, int64_t now, struct ts_preview *ret)
{
    int64_t floor = retention_floor(c, now);
    if (c->rollup_age_us && floor != INT64_MIN) floor = roll_start(ROLL_HOUR, floor); /* as roll_expire does */
    *ret = (struct ts_preview){.before_us = INT64_MIN};
    int rc = c->max_age_us ? by_age(v, floor, ret) : 0;
    if (!rc && c->max_bytes) rc = by_bytes(v, (int64_t)c->max_bytes, ret);
    for (size_t i = 0; i < v->n && !rc; i++) {
        struct plan *p = &v->p[i];
        uint64_t refused = 0;
        int64_t ignored;
        ret->bytes += (uint64_t)(p->was - p->bytes);
        if (!p->seg) continue;
        if (v->floor != INT64_MIN) rc = count_below(v, p->seg, v->floor, &refused, &ignored);
        ret->samples += p->below > refused ? p->below - refused : 0;
        uint8_t place = place_wanted(v->db, c, seg_info(p->seg), now);
        if (!p->gone && place != seg_info(p->seg)->place) ret->move_bytes[place] += (uint64_t)p->bytes;
    }
    if (floor > ret->before_us && ret->samples) ret->before_us = floor;
    if (!ret->samples && !ret->bytes) ret->before_us = INT64_MIN;
    return rc;
}

static int add_blobs(struct preview *v, uint8_t class_id, size_t segs)
{
    struct blob_pick *p = NULL;
    size_t n = 0;
    int rc = blobs_pick(v->db, &p, &n);
    if (!rc && !(v->p = mem_calloc(n + segs + 1, sizeof *v->p))) rc = ERR_NOMEM;
    for (size_t i = 0; i < n && !rc; i++)
        if (p[i].i.class_id == class_id && p[i].i.records)
            v->p[v->n++] = (struct plan){.was = p[i].i.bytes, .bytes = p[i].i.bytes, .max_us = p[i].i.max_us};
    blobs_unpick(p, n);
    return rc;
}

static int one_class(struct tsdb *db, const struct view *view, const struct ts_class *c, int64_t now,
                     struct ts_preview *ret)
{
    struct preview v = {.db = db, .codec = codec_get(db), .floor = job_floor(db, c->id)};
    int rc = v.codec ? add_blobs(&v, c->id, view->nsegs) : ERR_NOMEM;
    for (size_t i = 0; i < view->nsegs && !rc; i++) {
        const struct seg_info *s = seg_info(view->segs[i]);
        if (s->class_id != c->id) continue;
        v.p[v.n++] =
            (struct plan){.seg = view->segs[i], .was = s->file_bytes, .bytes = s->file_bytes, .max_us = s->max_us};
    }
    if (!rc) rc = class_preview(&v, c, now, ret);
    mem_free(v.p);
    codec_put(db, v.codec);
    return rc;
}

int db_preview(struct ts_store *st, const struct ts_class *c, size_t n, struct ts_preview ret[TS_CLASSES],
               struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    int64_t now = retention_now(db, false);
    struct view *view = view_get(db);
    int rc = 0;
    for (uint8_t id = 0; id < TS_CLASSES && !rc; id++) {
        struct ts_class one = {.id = id};
        for (size_t i = 0; i < n; i++)
            if (c[i].id == id) one = c[i];
        rc = one_class(db, view, &one, now, &ret[id]);
    }
    view_put(view);
    return rc ? error_set(e, rc, "ts", "the preview failed: %s", "预览失败：%s", error_title(rc)) : 0;
}
