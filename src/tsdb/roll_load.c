/* roll_load.c - which rollup files count, at the start and afterwards.
 *
 * A file whose steps lie inside those of another has been merged into that one and is removed. Steps are numbered
 * without gaps; when one is missing that must be there (its file was lost or does not check), older cells may be out
 * of date without anything telling: then the rest is given up, too, and all samples are rolled again. Where a class
 * keeps cells longer than samples they stay for what has no samples any more: nothing counts as rolled, and so cells
 * stand only where no samples are. */
#include "base/mem.h"
#include "tsdb/damage.h"
#include "tsdb/roll.h"

static bool replaces(const struct roll_info *a, const struct roll_info *b)
{
    if (a->lo > b->lo || a->hi < b->hi) return false;
    return a->lo != b->lo || a->hi != b->hi || a->gen > b->gen;
}

static void set_aside(struct tsdb *db, const struct roll_info *i)
{
    char path[ROLL_PATH_MAX], bad[ROLL_PATH_MAX + 8];
    roll_path(i, path);
    snprintf(bad, sizeof bad, "ts/bad-%s", path + 3);
    (void)db->fs->ops->rename(db->fs, path, bad);
    if (damage_names(db, path)) return; /* a scrub has told */
    pthread_mutex_lock(&db->lock);
    db->stats.damaged_blocks++;
    pthread_mutex_unlock(&db->lock);
    damage_file(db, bad);
}

void roll_remove(struct tsdb *db, struct roll *r)
{
    char path[ROLL_PATH_MAX];
    roll_path(roll_info(r), path);
    if (roll_broken(r))
        set_aside(db, roll_info(r));
    else
        (void)db->fs->ops->remove(db->fs, path);
    db->dir_dirty = true;
}

static int open_one(struct tsdb *db, const struct roll_info *name, struct roll_set *out, struct error *e)
{
    struct roll *r = NULL;
    char path[ROLL_PATH_MAX];
    roll_path(name, path);
    int rc = roll_open(db->fs, path, &r);
    if (!rc && (roll_info(r)->lo != name->lo || roll_info(r)->hi != name->hi || roll_info(r)->gen != name->gen)) {
        roll_unref(r);
        rc = ERR_CORRUPT;
    }
    if (rc == ERR_CORRUPT) {
        set_aside(db, name);
        return 0;
    }
    if (rc)
        return error_set(e, rc, path, "rollup file %s cannot be opened: %s", "汇总文件 %s 无法打开：%s", path,
                         error_title(rc));
    if (!mem_grow((void **)&out->rolls, &out->cap, out->n + 1, sizeof *out->rolls)) {
        roll_unref(r);
        return ERR_NOMEM;
    }
    out->rolls[out->n++] = r;
    return 0;
}

static void drop_replaced(struct tsdb *db, struct roll_set *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool gone = false;
        for (size_t k = 0; k < s->n && !gone; k++)
            gone = k != i && s->rolls[k] && replaces(roll_info(s->rolls[k]), roll_info(s->rolls[i]));
        if (!gone) continue;
        roll_remove(db, s->rolls[i]);
        roll_unref(s->rolls[i]);
        s->rolls[i] = NULL;
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->rolls[i]) s->rolls[left++] = s->rolls[i];
    s->n = left;
}

static int by_step(const void *a, const void *b)
{
    const struct roll_info *x = roll_info(*(struct roll *const *)a), *y = roll_info(*(struct roll *const *)b);
    if (x->hi != y->hi) return x->hi < y->hi ? -1 : 1;
    return (x->gen > y->gen) - (x->gen < y->gen);
}

/* Is every step from `since` on there? */
static bool whole(const struct roll_set *s, uint64_t since, uint64_t next)
{
    uint64_t want = since;
    for (size_t i = 0; i < s->n; i++) {
        const struct roll_info *r = roll_info(s->rolls[i]);
        if (r->hi < want) continue;
        if (r->lo > want) return false;
        want = r->hi + 1;
    }
    return want == next;
}

int roll_load(struct tsdb *db, struct roll_info *names, size_t n, struct roll_set *ret, struct error *e)
{
    db->roll_next = db->roll_since = 1;
    for (size_t i = 0; i < n; i++) {
        if (names[i].gen >= db->next_gen) db->next_gen = names[i].gen + 1;
        if (names[i].hi >= db->roll_next) db->roll_next = names[i].hi + 1;
        int rc = db->no_rollups ? 0 : open_one(db, &names[i], ret, e);
        if (rc) return rc;
    }
    drop_replaced(db, ret);
    if (ret->n > 1) qsort(ret->rolls, ret->n, sizeof(struct roll *), by_step);
    for (size_t i = 0; i < ret->n; i++)
        if (roll_info(ret->rolls[i])->rolled > ret->last) ret->last = roll_info(ret->rolls[i])->rolled;
    if (ret->n == 0) {
        db->roll_since = db->roll_next;
        return 0;
    }
    const struct roll_info *newest = roll_info(ret->rolls[ret->n - 1]);
    memcpy(db->cell_floor, newest->floor, sizeof db->cell_floor);
    db->roll_since = newest->since;
    ret->rolled = newest->rolled;
    ret->known = newest->known;
    if (whole(ret, newest->since, db->roll_next)) return 0;
    db->roll_since = db->roll_next;
    ret->rolled = ret->known = 0;
    for (size_t i = 0; i < ret->n && !roll_keeps(db); i++) {
        roll_remove(db, ret->rolls[i]);
        roll_unref(ret->rolls[i]);
    }
    if (!roll_keeps(db)) ret->n = 0;
    return 0;
}

bool roll_keeps(struct tsdb *db)
{
    bool any = false;
    pthread_mutex_lock(&db->lock);
    for (size_t c = 0; c < TSDB_CLASSES; c++) any |= db->classes[c].rollup_age_us > 0;
    pthread_mutex_unlock(&db->lock);
    return any;
}

void roll_set_fini(struct roll_set *s)
{
    for (size_t i = 0; i < s->n; i++) roll_unref(s->rolls[i]);
    mem_free(s->rolls);
}

void roll_limit(struct tsdb *db, struct seg *const *segs, size_t n)
{
    int64_t oldest[TSDB_CLASSES];
    for (size_t c = 0; c < TSDB_CLASSES; c++) oldest[c] = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct seg_info *s = seg_info(segs[i]);
        if (s->min_us < oldest[s->class_id]) oldest[s->class_id] = s->min_us;
    }
    for (size_t c = 0; c < TSDB_CLASSES; c++)
        if (!db->classes[c].rollup_age_us && oldest[c] != INT64_MAX && oldest[c] > db->cell_floor[c])
            db->cell_floor[c] = oldest[c];
}

int roll_publish(struct tsdb *db, struct roll *const *rolls, size_t n, uint64_t rolled, uint32_t known)
{
    struct view *v = view_get(db);
    int rc = view_replace(db, v->heads, v->nheads, v->segs, v->nsegs, rolls, n, rolled, known);
    view_put(v);
    return rc;
}

int roll_next_info(struct tsdb *db, uint64_t lo, uint64_t hi, uint64_t rolled, struct roll_info *ret)
{
    if (db->next_gen == UINT32_MAX) return ERR_LIMIT;
    *ret = (struct roll_info){.lo = lo,
                              .hi = hi,
                              .gen = db->next_gen++,
                              .uid = rng_u64(rng_real()),
                              .rolled = rolled,
                              .since = db->roll_since};
    pthread_mutex_lock(&db->lock);
    memcpy(ret->floor, db->cell_floor, sizeof ret->floor);
    pthread_mutex_unlock(&db->lock);
    return 0;
}
