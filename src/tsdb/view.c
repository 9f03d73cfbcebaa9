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
    for (size_t i = 0; i < v->nrolls; i++) roll_unref(v->rolls[i]);
    mem_free(v->segs);
    mem_free(v->rolls);
    mem_free(v);
}

static struct view *view_new(size_t nsegs, size_t nrolls)
{
    struct view *v = mem_calloc(1, sizeof *v);
    if (!v) return NULL;
    v->segs = mem_alloc(nsegs * sizeof *v->segs);
    v->rolls = mem_alloc(nrolls * sizeof *v->rolls);
    atomic_init(&v->refs, 1);
    if (v->segs && v->rolls) return v;
    view_put(v);
    return NULL;
}

int view_set(struct tsdb *db, struct head *const *heads, size_t nheads, struct seg *const *segs, size_t nsegs)
{
    return view_replace(db, heads, nheads, segs, nsegs, db->view ? db->view->rolls : NULL,
                        db->view ? db->view->nrolls : 0, db->view ? db->view->rolled : 0,
                        db->view ? db->view->roll_gen : 0);
}

int view_replace(struct tsdb *db, struct head *const *heads, size_t nheads, struct seg *const *segs, size_t nsegs,
                 struct roll *const *rolls, size_t nrolls, uint64_t rolled, uint32_t known)
{
    struct view *v = view_new(nsegs, nrolls);
    if (!v) return ERR_NOMEM;
    for (size_t i = 0; i < nrolls; i++) v->rolls[v->nrolls++] = roll_ref(rolls[i]);
    v->rolled = rolled;
    v->roll_gen = known;
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
