/* scrub.c - reading everything that is stored, slice by slice.
 *
 * Segments in the order of their generation; the cursor is generation and offset, so that it stays good while
 * segments are merged: one that is gone is passed over, what it was merged into comes later. A segment in a
 * place that does not answer ends the slice with an error; the caller comes again. Then files of rollups in the same
 * way (what is broken there is computed again out of the segments by the next merge), then those of blobs.
 * Threads: any; holds a view, no lock. */
#include "tsdb/blobs.h"
#include "tsdb/damage.h"
#include "base/mem.h"

#define OFFSET_BITS 36            /* files up to 64 GiB */
#define BLOBS (UINT64_C(1) << 63) /* behind the rollups: number << 31 | offset / 8 */
#define ROLLS (UINT64_C(1) << 62) /* behind the segments: generation << 36 | step of roll_scrub */
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)

static struct seg *next_seg(const struct view *v, uint64_t gen)
{
    struct seg *s = NULL;
    for (size_t i = 0; i < v->nsegs; i++)
        if (seg_info(v->segs[i])->gen >= gen && (!s || seg_info(v->segs[i])->gen < seg_info(s)->gen)) s = v->segs[i];
    return s;
}

/* Files of blobs, by number. */
static int walk_blobs(struct tsdb *db, const struct blob_pick *p, size_t n, struct ts_scrub *s, uint64_t left)
{
    uint32_t number = (uint32_t)((s->cursor & ~BLOBS) >> 31);
    int64_t at = (int64_t)(s->cursor & INT32_MAX) * 8;
    for (size_t i = 0; i < n && left; i++) {
        if (p[i].i.number < number) continue;
        if (p[i].i.number > number) at = 0;
        uint64_t from = (uint64_t)at;
        int rc = blob_scrub(db, &p[i], &at, left, s);
        uint64_t got = (uint64_t)at - from;
        bool whole = at >= p[i].i.bytes;
        s->bytes += got;
        left -= got < left ? got : left;
        number = p[i].i.number + whole;
        s->cursor = BLOBS | (uint64_t)number << 31 | (whole ? 0 : (uint64_t)at / 8);
        if (whole) at = 0;
        if (rc) return rc;
    }
    s->done = left > 0;
    return 0;
}

static int slice_blobs(struct tsdb *db, struct ts_scrub *s, uint64_t left)
{
    struct blob_pick *p = NULL;
    size_t n = 0;
    int rc = blobs_pick(db, &p, &n);
    if (!rc) rc = walk_blobs(db, p, n, s, left);
    blobs_unpick(p, n);
    return rc;
}

static struct roll *next_roll(const struct view *v, uint64_t gen)
{
    struct roll *r = NULL;
    for (size_t i = 0; i < v->nrolls; i++)
        if (roll_info(v->rolls[i])->gen >= gen && (!r || roll_info(v->rolls[i])->gen < roll_info(r)->gen))
            r = v->rolls[i];
    return r;
}

struct roll_check {
    struct tsdb *db;
    struct ts_scrub *s;
};

static void roll_met(void *ctx, const struct roll_info *i, uint64_t at, const struct index_page *pg)
{
    struct roll_check *k = ctx;
    struct ts_damage d = {.found_us = clock_now_us(k->db->clock), .offset = at};
    if (pg) {
        d.bytes = pg->len;
        d.point = pg->first == pg->last ? pg->first : 0;
        d.from_us = pg->min_us;
        d.to_us = pg->max_us;
    }
    roll_path(i, d.file);
    damage_place(k->db, &d);
    k->s->damaged++;
}

/* Rollup files, by generation. */
static int slice_rolls(struct tsdb *db, const struct view *v, struct ts_scrub *s, uint64_t left)
{
    struct roll_check k = {db, s};
    struct codec *c = codec_get(db);
    int rc = c ? 0 : ERR_NOMEM;
    while (left && !rc) {
        uint64_t gen = (s->cursor & ~ROLLS) >> OFFSET_BITS, at = s->cursor & OFFSET_MASK, bytes = 0;
        struct roll *r = next_roll(v, gen);
        if (!r) {
            s->cursor = BLOBS;
            rc = slice_blobs(db, s, left);
            break;
        }
        if (roll_info(r)->gen != gen) at = 0;
        gen = roll_info(r)->gen;
        rc = roll_scrub(r, &at, left, c, &bytes, roll_met, &k);
        s->bytes += bytes;
        left -= bytes < left ? bytes : left;
        s->cursor = ROLLS | (rc ? gen << OFFSET_BITS | at : (gen + 1) << OFFSET_BITS);
        if (rc > 0) rc = 0;
    }
    codec_put(db, c);
    return rc;
}

static int slice(struct tsdb *db, const struct view *v, struct ts_scrub *s, uint64_t max_bytes)
{
    uint64_t left = max_bytes ? max_bytes : 1;
    if (s->cursor & BLOBS) return slice_blobs(db, s, left);
    if (s->cursor & ROLLS) return slice_rolls(db, v, s, left);
    while (left) {
        uint64_t gen = s->cursor >> OFFSET_BITS, at = s->cursor & OFFSET_MASK;
        struct seg *seg = next_seg(v, gen);
        if (!seg) {
            s->cursor = ROLLS;
            return slice_rolls(db, v, s, left);
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
