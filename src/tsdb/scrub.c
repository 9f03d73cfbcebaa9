/* scrub.c - reading everything that is stored, slice by slice.
 *
 * Segments in the order of their generation; the cursor is generation and offset, so that it stays good while
 * segments are merged: one that is gone is passed over, what it was merged into comes later. A segment in a
 * place that does not answer ends the slice with an error; the caller comes again.
 * Threads: any; holds a view, no lock. */
#include "tsdb/damage.h"
#include "base/mem.h"

#define OFFSET_BITS 36 /* files up to 64 GiB */
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)

static struct seg *next_seg(const struct view *v, uint64_t gen)
{
    struct seg *s = NULL;
    for (size_t i = 0; i < v->nsegs; i++)
        if (seg_info(v->segs[i])->gen >= gen && (!s || seg_info(v->segs[i])->gen < seg_info(s)->gen)) s = v->segs[i];
    return s;
}

static int slice(struct tsdb *db, const struct view *v, struct ts_scrub *s, uint64_t max_bytes)
{
    uint64_t left = max_bytes ? max_bytes : 1;
    while (left) {
        uint64_t gen = s->cursor >> OFFSET_BITS, at = s->cursor & OFFSET_MASK;
        struct seg *seg = next_seg(v, gen);
        if (!seg) {
            s->done = true;
            return 0;
        }
        const struct seg_info *i = seg_info(seg);
        if (i->gen != gen) at = 0;
        uint64_t from = at;
        size_t broken = seg_damaged(seg);
        int rc = seg_scrub(seg, &at, left, &s->blocks);
        if (rc == ERR_CORRUPT) at = (uint64_t)i->file_bytes, rc = 0; /* nothing of it can be read */
        s->damaged += seg_damaged(seg) - broken;
        s->bytes += at - from;
        left -= at - from < left ? at - from : left;
        s->cursor =
            at < (uint64_t)i->file_bytes ? (uint64_t)i->gen << OFFSET_BITS | at : ((uint64_t)i->gen + 1) << OFFSET_BITS;
        if (rc) return rc;
    }
    return 0;
}

int db_scrub(struct ts_store *st, struct ts_scrub *s, uint64_t max_bytes, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct view *v = view_get(db);
    int rc = s->done ? 0 : slice(db, v, s, max_bytes);
    view_put(v);
    damage_flush(db);
    if (s->damaged) {
        pthread_mutex_lock(&db->lock);
        db->merge_wanted = true; /* what is damaged is written again */
        pthread_cond_broadcast(&db->wake);
        pthread_mutex_unlock(&db->lock);
    }
    return rc ? error_set(e, rc, "ts", "scrubbing failed: %s", "校验失败：%s", error_title(rc)) : 0;
}
