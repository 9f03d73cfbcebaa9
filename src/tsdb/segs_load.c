/* segs_load.c - which of the segment files found at the start are part of the store.
 *
 * A segment whose range of sequence numbers lies inside another's of its class was merged into that one
 * (of two with the same range the later generation counts): removed, once the other is known to open.
 * One that does not open is renamed to "bad-..." and counted. */
#include "base/mem.h"
#include "tsdb/damage.h"
#include "tsdb/places.h"
#include "tsdb/recover.h"

static bool replaces(const struct seg_info *a, const struct seg_info *b)
{
    if (a->class_id != b->class_id || a->seq_lo > b->seq_lo || a->seq_hi < b->seq_hi) return false;
    if (a->seq_lo == b->seq_lo && a->seq_hi == b->seq_hi) return a->gen > b->gen;
    return true;
}

static void set_aside(struct tsdb *db, const struct seg_info *i)
{
    char path[SEG_PATH_MAX], bad[SEG_PATH_MAX + 8];
    seg_path(i, path);
    snprintf(bad, sizeof bad, "ts/bad-%s", path + 3);
    (void)db->fs->ops->rename(db->fs, path, bad);
    db->stats.damaged_blocks++;
    damage_file(db, bad);
}

static int open_one(struct tsdb *db, const struct seg_info *name, struct seg_set *out, struct error *e)
{
    struct seg *s = NULL;
    int rc = job_open(db, name, &s);
    if (rc == ERR_CORRUPT) {
        set_aside(db, name);
        return 0;
    }
    char path[SEG_PATH_MAX];
    seg_path(name, path);
    if (rc)
        return error_set(e, rc, path, "segment %s cannot be opened: %s", "数据段 %s 无法打开：%s", path,
                         error_title(rc));
    if (!mem_grow((void **)&out->segs, &out->cap, out->n + 1, sizeof *out->segs)) {
        seg_unref(s);
        return ERR_NOMEM;
    }
    out->segs[out->n++] = s;
    return 0;
}

static int by_class_lo(const void *a, const void *b)
{
    const struct seg_info *x = seg_info(*(struct seg *const *)a), *y = seg_info(*(struct seg *const *)b);
    if (x->class_id != y->class_id) return x->class_id < y->class_id ? -1 : 1;
    if (x->seq_lo != y->seq_lo) return x->seq_lo < y->seq_lo ? -1 : 1;
    if (x->seq_hi != y->seq_hi) return x->seq_hi > y->seq_hi ? -1 : 1;
    return (x->gen < y->gen) - (x->gen > y->gen);
}

/* In this order whatever replaces a segment stands in front of it, and of those in front the one that reaches
 * farthest does if any does. */
static void drop_replaced(struct tsdb *db, struct seg_set *set)
{
    size_t left = 0, far = 0;
    bool *gone = mem_calloc(set->n + 1, sizeof *gone);
    if (set->n > 1) qsort(set->segs, set->n, sizeof *set->segs, by_class_lo);
    for (size_t i = 1; i < set->n && gone; i++) {
        const struct seg_info *f = seg_info(set->segs[far]), *s = seg_info(set->segs[i]);
        gone[i] = replaces(f, s);
        if (!gone[i] && (f->class_id != s->class_id || s->seq_hi >= f->seq_hi)) far = i;
    }
    for (size_t i = 0; i < set->n && gone; i++) {
        if (!gone[i]) {
            set->segs[left++] = set->segs[i];
            continue;
        }
        place_remove(db, seg_info(set->segs[i]), damage_knows(db, seg_info(set->segs[i])));
        seg_unref(set->segs[i]);
    }
    if (gone) set->n = left;
    mem_free(gone);
}

static int by_class_seq(const void *a, const void *b)
{
    const struct seg_info *x = seg_info(*(struct seg *const *)a), *y = seg_info(*(struct seg *const *)b);
    if (x->class_id != y->class_id) return x->class_id < y->class_id ? -1 : 1;
    return (x->seq_hi > y->seq_hi) - (x->seq_hi < y->seq_hi);
}

int segs_load(struct tsdb *db, struct seg_info *names, size_t n, struct seg_set *ret, struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].gen >= db->next_gen) db->next_gen = names[i].gen + 1;
        if (names[i].seq_hi > ret->last_seq) ret->last_seq = names[i].seq_hi;
        int rc = open_one(db, &names[i], ret, e);
        if (rc) return rc;
    }
    int rc = places_open(db, ret);
    if (rc) return rc;
    drop_replaced(db, ret);
    if (ret->n > 1) qsort(ret->segs, ret->n, sizeof *ret->segs, by_class_seq);
    for (size_t i = 0; i < ret->n; i++) {
        const struct seg_info *s = seg_info(ret->segs[i]);
        if (s->wal_hi > ret->covered) ret->covered = s->wal_hi;
        if (s->samples) db_seen(db, s->max_us);
    }
    return 0;
}

void seg_set_fini(struct seg_set *s)
{
    for (size_t i = 0; i < s->n; i++) seg_unref(s->segs[i]);
    mem_free(s->segs);
}
