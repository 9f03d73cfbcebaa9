/* delete.c - removing a range of a point.
 *
 * remove: what the active head holds of the range is first made older by a swap of heads; then a record that
 * removes goes to the log, synced, and the list of deletions with the new one is published. Every query and
 * every job hides what a deletion newer than the source covers (tombs_hide), so that it is gone at once and
 * what is written later stays. When a head is sealed the list is saved ("ts/deleted") before its logs go, and
 * logs that are replayed repeat the deletions in their order (recover.c): one of both holds it at any time.
 *
 * Segments that hold something deleted are rewritten in the background, all deletions at once, a while after
 * the last one, so that many deletions in a row cost one rewriting. A segment written after a deletion has a
 * generation from it on and needs no look. A deletion that no older segment or head can hold any more is
 * forgotten, once the removal of those that did is durable. Rollups must have been computed again first.
 *
 * Layout of "ts/deleted" (small.c): rows of u32 point, u32 gen, i64 from, i64 to, u64 prio. */
#include "tsdb/delete.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "tsdb/engine.h"
#include "tsdb/small.h"

#define PATH "ts/deleted"
#define BAD_PATH "ts/bad-deleted"
#define MAGIC "BNTSDEL1"
#define ROW 32
#define TOMBS_MAX ((size_t)1 << 16)
#define QUIET_NS (UINT64_C(20) * 1000000000) /* after the last deletion, before segments are rewritten */

/* ---- the list ---- */
struct tombs *tombs_get(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    struct tombs *t = db->keep.tombs;
    if (t) atomic_fetch_add(&t->refs, 1);
    pthread_mutex_unlock(&db->lock);
    return t;
}

void tombs_put(struct tombs *t)
{
    if (t && atomic_fetch_sub(&t->refs, 1) == 1) mem_free(t);
}

static struct tombs *tombs_new(size_t n)
{
    struct tombs *t = mem_calloc(1, sizeof *t + n * sizeof t->t[0]);
    if (t) atomic_init(&t->refs, 1);
    return t;
}

/* Takes the reference. */
static void publish(struct tsdb *db, struct tombs *t)
{
    pthread_mutex_lock(&db->lock);
    struct tombs *old = db->keep.tombs;
    db->keep.tombs = t;
    pthread_mutex_unlock(&db->lock);
    tombs_put(old);
    db->keep.tombs_dirty = true;
}

void tombs_fini(struct tsdb *db)
{
    tombs_put(db->keep.tombs);
}

static size_t first_of(const struct tombs *t, uint32_t point)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->t[mid].point < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct tomb *tombs_of(const struct tombs *t, uint32_t point, size_t *ret_n)
{
    size_t at = t ? first_of(t, point) : 0, n = 0;
    while (t && at + n < t->n && t->t[at + n].point == point) n++;
    *ret_n = n;
    return t ? t->t + at : NULL;
}

/* A copy with one more; older ones of the point that it covers are left out. NULL: no memory. */
static struct tombs *with(const struct tombs *old, const struct tomb *x)
{
    struct tombs *t = tombs_new((old ? old->n : 0) + 1);
    bool placed = false;
    for (size_t i = 0; t && old && i < old->n; i++) {
        const struct tomb *o = &old->t[i];
        if (!placed && o->point > x->point) t->t[t->n++] = *x, placed = true;
        if (o->point != x->point || o->from < x->from || o->to > x->to) t->t[t->n++] = *o;
    }
    if (t && !placed) t->t[t->n++] = *x;
    return t;
}

/* ---- hiding ---- */
struct hidden {
    struct source inner;
    const struct tomb *t;
    size_t n;
    uint64_t prio;
};

static bool is_hidden(const struct hidden *h, int64_t time_us)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->t[i].prio > h->prio && time_us >= h->t[i].from && time_us < h->t[i].to) return true;
    return false;
}

static int decode_hidden(struct source *s, const struct piece *p, struct sample *out, struct codec *c)
{
    struct hidden *h = s->ctx;
    int n = h->inner.decode(&h->inner, p, out, c), k = 0;
    for (int i = 0; i < n; i++)
        if (!is_hidden(h, out[i].time_us)) out[k++] = out[i];
    return n < 0 ? n : k;
}

static bool touches(const struct hidden *h, const struct piece *p)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->t[i].prio > h->prio && h->t[i].from <= p->t1 && h->t[i].to > p->t0) return true;
    return false;
}

static int hide_one(const struct tomb *t, size_t n, struct source *s, struct arena *a)
{
    struct hidden probe = {.t = t, .n = n, .prio = s->prio}, *h = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct piece *p = &s->pieces[i];
        if (!touches(&probe, p)) continue;
        if (!h && !(h = arena_alloc(a, sizeof *h))) return ERR_NOMEM;
        if (!p->meta) continue;
        struct block_meta *copy = arena_alloc(a, sizeof *copy);
        if (!copy) return ERR_NOMEM;
        *copy = *p->meta; /* its figures are those of all samples: not to be used */
        copy->has_stats = false;
        p->meta = copy;
    }
    if (!h) return 0;
    *h = probe;
    h->inner = *s;
    s->ctx = h;
    s->decode = decode_hidden;
    return 0;
}

int tombs_hide(const struct tombs *t, uint32_t point, struct source *s, size_t n, struct arena *a)
{
    size_t k;
    const struct tomb *own = tombs_of(t, point, &k);
    int rc = 0;
    for (size_t i = 0; k && i < n && !rc; i++) rc = hide_one(own, k, &s[i], a);
    return rc;
}

/* ---- the file ---- */
int tombs_save(struct tsdb *db)
{
    struct tombs *t = db->keep.tombs;
    struct buf b;
    if (!db->keep.tombs_dirty) return 0;
    buf_init(&b, SMALL_MAX);
    small_begin(&b, MAGIC);
    for (size_t i = 0; t && i < t->n; i++) {
        buf_u32le(&b, t->t[i].point);
        buf_u32le(&b, t->t[i].gen);
        buf_u64le(&b, (uint64_t)t->t[i].from);
        buf_u64le(&b, (uint64_t)t->t[i].to);
        buf_u64le(&b, t->t[i].prio);
    }
    int rc = small_save(db->fs, PATH, &b);
    buf_fini(&b);
    if (!rc) db->keep.tombs_dirty = false;
    return rc;
}

static struct tomb get_row(struct in *in)
{
    struct tomb t = {.point = in_u32(in)};
    t.gen = in_u32(in);
    t.from = (int64_t)in_u64(in);
    t.to = (int64_t)in_u64(in);
    t.prio = in_u64(in);
    return t;
}

int tombs_load(struct tsdb *db)
{
    void *block = NULL;
    struct in in;
    int rc = small_load(db->fs, PATH, MAGIC, &block, &in);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc == ERR_CORRUPT) { /* what was deleted and is not rewritten yet comes back: better than losing more */
        db->stats.damaged_blocks++;
        return db->fs->ops->rename(db->fs, PATH, BAD_PATH);
    }
    if (rc) return rc;
    size_t n = in_left(&in) / ROW;
    struct tombs *t = n ? tombs_new(n) : NULL;
    for (; t && t->n < n; t->n++) {
        t->t[t->n] = get_row(&in);
        if (t->t[t->n].gen == UINT32_MAX) t->t[t->n].gen = 0;
        t->t[t->n].serial = ++db->keep.tomb_serial;
        if (t->t[t->n].gen > db->next_gen) db->next_gen = t->t[t->n].gen;
    }
    mem_free(block);
    if (n && !t) return ERR_NOMEM;
    db->keep.tombs = t;
    return 0;
}

int tombs_add(struct tsdb *db, uint32_t point, int64_t from, int64_t to, uint64_t prio)
{
    struct tomb x = {.point = point, .gen = db->next_gen, .from = from, .to = to, .prio = prio};
    x.serial = ++db->keep.tomb_serial;
    struct tombs *t = with(db->keep.tombs, &x);
    if (!t) return ERR_NOMEM;
    publish(db, t);
    return 0;
}

/* ---- removing ---- */
static int in_head(struct tsdb *db, struct head *h, uint32_t point, int64_t from, int64_t to, bool *ret)
{
    struct arena a;
    struct source s[HEAD_SOURCES];
    size_t n = 0;
    arena_init(&a, QUERY_ARENA_MAX);
    int rc = head_sources(h, point, from, to - 1, &a, s, &n);
    for (size_t i = 0; i < n && !rc; i++) *ret |= s[i].n > 0;
    arena_fini(&a);
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < db->nspill; i++) *ret |= db->spill[i].point == point;
    pthread_mutex_unlock(&db->lock);
    return rc;
}

/* Afterwards the active head holds nothing of the range but what is written from now on. */
static int make_older(struct tsdb *db, uint32_t point, int64_t from, int64_t to)
{
    bool found = false;
    struct view *v = view_get(db);
    size_t heads = v->nheads;
    int rc = in_head(db, v->heads[heads - 1], point, from, to, &found);
    view_put(v);
    if (rc || !found) return rc;
    if (heads == VIEW_HEADS) rc = seal_oldest(db);
    if (!rc) rc = seal_swap(db);
    pthread_mutex_lock(&db->lock);
    db->seal_wanted = true;
    pthread_cond_broadcast(&db->wake);
    pthread_mutex_unlock(&db->lock);
    return rc;
}

static int log_it(struct tsdb *db, const struct wal_remove *r, struct error *e)
{
    pthread_mutex_lock(&db->append);
    int rc = db->wal.failed || !db->wal.f ? db_failed_log(db, ERR_IO, e) : 0;
    if (!rc) {
        int64_t wall_us = clock_now_us(db->clock);
        buf_clear(&db->rec);
        wal_record_encode_remove(&db->rec, db->wal.number, db->wal.seq + 1, wall_us, r);
        rc = db_write_record(db, e);
        pthread_mutex_lock(&db->lock);
        if (!rc) db_count_record(db, db->rec.n, wall_us);
        pthread_mutex_unlock(&db->lock);
    }
    pthread_mutex_unlock(&db->append);
    return rc;
}

static bool log_failed(struct tsdb *db)
{
    pthread_mutex_lock(&db->append);
    bool failed = db->wal.failed || !db->wal.f;
    pthread_mutex_unlock(&db->append);
    return failed;
}

static int remove_range(struct tsdb *db, const struct wal_remove *r, struct error *e)
{
    if (log_failed(db)) return db_failed_log(db, ERR_IO, e);
    if (db->keep.tombs && db->keep.tombs->n >= TOMBS_MAX)
        return error_set(e, ERR_LIMIT, "ts",
                         "%zu deletions wait for their segments to be rewritten; try again in a minute",
                         "有 %zu 项删除正等待数据段重写，请稍后再试", db->keep.tombs->n);
    int rc = make_older(db, r->point, r->from, r->to);
    struct view *v = view_get(db);
    struct tomb x = {.point = r->point, .gen = db->next_gen, .from = r->from, .to = r->to};
    x.serial = ++db->keep.tomb_serial;
    x.prio = head_number(v->heads[v->nheads - 1]) * 2;
    view_put(v);
    struct tombs *t = rc ? NULL : with(db->keep.tombs, &x);
    if (!rc && !t) rc = ERR_NOMEM;
    if (rc) return error_set(e, rc, "ts", "deleting failed: %s", "删除失败：%s", error_title(rc));
    rc = log_it(db, r, e);
    if (rc)
        tombs_put(t);
    else
        publish(db, t);
    db->keep.removed_ns = clock_mono_ns(db->clock);
    return rc;
}

int db_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    if (point == 0 || point > LIMIT_POINTS)
        return error_set(e, ERR_INVALID, "", "there is no point %u", "测点 %u 不存在", point);
    if (from >= to) return 0;
    pthread_mutex_lock(&db->work);
    int rc = remove_range(db, &(struct wal_remove){point, from, to}, e);
    pthread_mutex_unlock(&db->work);
    return rc;
}

/* ---- purging ---- */
/* May the segment hold something that the deletion hides? By its index alone. 1, 0 or an error. */
static int holds(struct tsdb *db, struct seg *seg, const struct tomb *t)
{
    const struct seg_info *i = seg_info(seg);
    struct arena a;
    struct source s;
    int found = 0;
    if (i->gen >= t->gen || i->seq_hi * 2 >= t->prio || i->max_us < t->from || i->min_us >= t->to) return 0;
    arena_init(&a, QUERY_ARENA_MAX);
    int rc = seg_source(seg, t->point, t->from, t->to - 1, INT64_MIN, &a, db->work_codec, &s);
    for (size_t k = 0; rc == 1 && k < s.n; k++) found |= s.pieces[k].t0 < t->to && s.pieces[k].t1 >= t->from;
    arena_fini(&a);
    return rc < 0 && rc != ERR_CORRUPT ? rc : found;
}

static bool heads_older(const struct view *v, const struct tomb *t)
{
    return head_number(v->heads[0]) * 2 < t->prio;
}

/* Does the segment hold something deleted? Deletions that it was looked at for are not looked at again. 1, 0 or an
 * error. */
static int holds_any(struct tsdb *db, struct seg *seg, const struct tombs *t)
{
    uint64_t *seen = seg_seen(seg), newest = *seen;
    for (size_t i = 0; i < t->n; i++) {
        if (t->t[i].serial > newest) newest = t->t[i].serial;
        int rc = t->t[i].serial > *seen ? holds(db, seg, &t->t[i]) : 0;
        if (rc) return rc;
    }
    *seen = newest;
    return 0;
}

/* The first segment that holds something deleted goes to *ret_seg; *ret_away: others could not be looked at. */
static int look(struct tsdb *db, const struct view *v, const struct tombs *t, size_t *ret_seg, bool *ret_away)
{
    *ret_seg = SIZE_MAX;
    for (size_t k = 0; k < v->nsegs; k++) {
        int rc = holds_any(db, v->segs[k], t);
        if (rc == 1) {
            *ret_seg = k;
            return 0;
        }
        if (rc == ERR_UNAVAILABLE || rc == ERR_IO)
            *ret_away = true; /* its place is away: another time */
        else if (rc)
            return rc;
    }
    return 0;
}

static bool needed(struct tsdb *db, const struct view *v, const struct tomb *t)
{
    bool rolls = !db->no_rollups || db->roll_next > 1; /* there are files that must come to know of it */
    return heads_older(v, t) || (rolls && t->gen > v->roll_gen);
}

static int forget(struct tsdb *db, const struct view *v, const struct tombs *t)
{
    size_t left = 0;
    for (size_t i = 0; i < t->n; i++) left += needed(db, v, &t->t[i]);
    if (left == t->n) return 0;
    struct tombs *n = left ? tombs_new(left) : NULL;
    if (left && !n) return ERR_NOMEM;
    for (size_t i = 0; i < t->n; i++)
        if (needed(db, v, &t->t[i])) n->t[n->n++] = t->t[i];
    publish(db, n);
    return tombs_save(db);
}

static bool quiet(struct tsdb *db)
{
    return !db->threaded || db->keep.purge_now || clock_mono_ns(db->clock) - db->keep.removed_ns >= QUIET_NS;
}

int tombs_purge(struct tsdb *db)
{
    struct tombs *t = tombs_get(db);
    size_t seg = SIZE_MAX;
    int rc = t && quiet(db) ? job_begin(db) : 0;
    if (!t || !quiet(db) || rc) {
        tombs_put(t);
        return rc;
    }
    struct view *v = view_get(db);
    bool away = false;
    rc = look(db, v, t, &seg, &away);
    if (!rc && seg != SIZE_MAX) {
        rc = compact_range(db, seg, 1, job_floor(db, seg_info(v->segs[seg])->class_id));
        if (!rc) rc = 1;
    } else if (!rc && !away) {
        rc = forget(db, v, t);
    }
    view_put(v);
    tombs_put(t);
    return rc;
}
