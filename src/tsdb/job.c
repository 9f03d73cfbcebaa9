/* job.c - what seals, merges and retention have in common. All with `work` held.
 *
 * Removals (logs that are sealed, segments that were replaced) are made durable before the next job
 * begins: a log or segment that came back after a power cut could otherwise meet newer segments that do
 * not contain it and win over them. */
#include "base/mem.h"
#include "tsdb/damage.h"
#include "tsdb/places.h"

int job_sync_dir(struct tsdb *db)
{
    int rc = archive_sync(db);
    if (!rc) rc = places_save(db);
    if (!rc) rc = db->fs->ops->sync_dir(db->fs, "ts");
    db->dir_dirty = rc != 0;
    return rc;
}

int job_begin(struct tsdb *db)
{
    if (!db->work_codec && !(db->work_codec = codec_new(SEG_BLOCK_MAX))) return ERR_NOMEM;
    return db->dir_dirty ? job_sync_dir(db) : 0;
}

int64_t job_floor(struct tsdb *db, uint8_t class_id)
{
    pthread_mutex_lock(&db->lock);
    int64_t f = db->floor[class_id];
    pthread_mutex_unlock(&db->lock);
    return f;
}

bool job_stopped(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    bool stop = db->stop;
    pthread_mutex_unlock(&db->lock);
    return stop;
}

int job_info(struct tsdb *db, uint64_t lo, uint64_t hi, uint64_t wal_hi, uint8_t class_id, struct seg_info *ret)
{
    if (db->next_gen == UINT32_MAX) return ERR_LIMIT;
    *ret = (struct seg_info){.uid = rng_u64(rng_real()),
                             .seq_lo = lo,
                             .seq_hi = hi,
                             .wal_hi = wal_hi,
                             .gen = db->next_gen++,
                             .class_id = class_id};
    return 0;
}

int job_open(struct tsdb *db, const struct seg_info *i, struct seg **ret)
{
    char path[SEG_PATH_MAX];
    seg_path(i, path);
    return seg_open(db->fs, path, damage_met, db, ret);
}

static int by_class_seq(const void *a, const void *b)
{
    const struct seg_info *x = seg_info(*(struct seg *const *)a), *y = seg_info(*(struct seg *const *)b);
    if (x->class_id != y->class_id) return x->class_id < y->class_id ? -1 : 1;
    if (x->seq_hi != y->seq_hi) return x->seq_hi < y->seq_hi ? -1 : 1;
    return (x->gen > y->gen) - (x->gen < y->gen);
}

/* New view: these heads (NULL: the current ones), segments without [first, first + drop) and with `add`. */
int segs_add(struct tsdb *db, struct head *const *heads, size_t nheads, size_t first, size_t drop,
             struct seg *const *add, size_t nadd)
{
    struct view *v = view_get(db);
    size_t n = 0;
    struct seg **segs = mem_alloc((v->nsegs + nadd) * sizeof *segs);
    int rc = segs ? 0 : ERR_NOMEM;
    for (size_t i = 0; !rc && i < v->nsegs; i++)
        if (i < first || i >= first + drop) segs[n++] = v->segs[i];
    for (size_t i = 0; !rc && i < nadd; i++) segs[n++] = add[i];
    if (!rc && n > 1) qsort(segs, n, sizeof *segs, by_class_seq);
    if (!rc) rc = heads ? view_set(db, heads, nheads, segs, n) : view_set(db, v->heads, v->nheads, segs, n);
    mem_free(segs);
    view_put(v);
    return rc;
}
