/* view.c - the immutable picture of what the store consists of, and small things kept beside it. */
#include "base/mem.h"
#include "tsdb/engine.h"

struct view *view_get(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    struct view *v = db->view;
    atomic_fetch_add(&v->refs, 1);
    pthread_mutex_unlock(&db->lock);
    return v;
}

void view_put(struct view *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1) return;
    for (size_t i = 0; i < v->nheads; i++) head_unref(v->heads[i]);
    for (size_t i = 0; i < v->nsegs; i++) seg_unref(v->segs[i]);
    mem_free(v->segs);
    mem_free(v);
}

int view_set(struct tsdb *db, struct head *const *heads, size_t nheads, struct seg *const *segs, size_t nsegs)
{
    struct view *v = mem_calloc(1, sizeof *v);
    if (!v || !(v->segs = mem_alloc(nsegs * sizeof *v->segs))) {
        mem_free(v);
        return ERR_NOMEM;
    }
    atomic_init(&v->refs, 1);
    for (size_t i = 0; i < nheads; i++) v->heads[i] = head_ref(heads[i]);
    for (size_t i = 0; i < nsegs; i++) v->segs[i] = seg_ref(segs[i]);
    v->nheads = nheads;
    v->nsegs = nsegs;
    pthread_mutex_lock(&db->lock);
    struct view *old = db->view;
    db->view = v;
    pthread_mutex_unlock(&db->lock);
    view_put(old);
    return 0;
}

struct codec *codec_get(struct tsdb *db)
{
    struct codec *c = NULL;
    pthread_mutex_lock(&db->lock);
    if (db->ncodecs) c = db->codecs[--db->ncodecs];
    pthread_mutex_unlock(&db->lock);
    return c ? c : codec_new(SEG_BLOCK_MAX);
}

void codec_put(struct tsdb *db, struct codec *c)
{
    pthread_mutex_lock(&db->lock);
    if (c && db->ncodecs < CODECS_KEPT) db->codecs[db->ncodecs++] = c, c = NULL;
    pthread_mutex_unlock(&db->lock);
    codec_free(c);
}

uint8_t tsdb_class_of(struct tsdb *db, uint32_t point)
{
    pthread_mutex_lock(&db->lock);
    uint8_t c = point < db->nclass_of ? db->class_of[point] : 0;
    pthread_mutex_unlock(&db->lock);
    return c;
}
