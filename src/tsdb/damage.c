/* damage.c - what was found broken, kept over restarts.
 *
 * A reader that meets a broken frame notes its place only (it is in the middle of something). Soon after, with
 * the segment's index at hand, the note becomes a row for every block that stood there: point, times, samples.
 * A place that no block is indexed at (a time column, an index page, a header) has a row without these. The
 * list is short and saved as a whole; a file that cannot be written is tried again with the next flush.
 *
 * Layout of "ts/damage" (small.c): rows of 96 bytes file, then eight words: found, offset, bytes, point, from,
 * to, samples, 0.
 * Threads: any; the list is guarded by `lock`. */
#include "tsdb/damage.h"
#include "base/mem.h"
#include "tsdb/small.h"

#define PATH "ts/damage"
#define MAGIC "BNTSDMG1"
#define NAME 96
#define ROW (NAME + 64)
#define MET_MAX 4096

/* ---- the list; lock held ---- */
static bool known(const struct keep_damage *k, const struct ts_damage *d)
{
    for (size_t i = k->n; i-- > 0;)
        if (k->d[i].offset == d->offset && k->d[i].point == d->point && strcmp(k->d[i].file, d->file) == 0) return true;
    return false;
}

static void add_row(struct keep_damage *k, const struct ts_damage *d)
{
    if (known(k, d) || !mem_grow((void **)&k->d, &k->cap, k->n + 1, sizeof *k->d)) return;
    if (k->n == DAMAGE_MAX) memmove(k->d, k->d + 1, --k->n * sizeof *k->d);
    k->d[k->n++] = *d;
    k->dirty = true;
}

void damage_met(void *ctx, const struct seg_info *i, uint64_t at)
{
    struct tsdb *db = ctx;
    struct keep_damage *k = &db->keep.damage;
    struct keep_met m = {*i, at, clock_now_us(db->clock)};
    pthread_mutex_lock(&db->lock);
    db->stats.damaged_blocks++;
    if (k->nmet < MET_MAX && mem_grow((void **)&k->met, &k->cap_met, k->nmet + 1, sizeof *k->met))
        k->met[k->nmet++] = m;
    pthread_mutex_unlock(&db->lock);
}

void damage_file(struct tsdb *db, const char *path)
{
    struct ts_damage d = {.found_us = clock_now_us(db->clock)};
    snprintf(d.file, sizeof d.file, "%s", path);
    pthread_mutex_lock(&db->lock);
    add_row(&db->keep.damage, &d);
    pthread_mutex_unlock(&db->lock);
}

void damage_place(struct tsdb *db, const struct ts_damage *d)
{
    pthread_mutex_lock(&db->lock);
    if (!known(&db->keep.damage, d)) {
        db->stats.damaged_blocks++;
        add_row(&db->keep.damage, d);
    }
    pthread_mutex_unlock(&db->lock);
}

bool damage_names(struct tsdb *db, const char *path)
{
    bool found = false;
    pthread_mutex_lock(&db->lock);
    for (size_t n = 0; n < db->keep.damage.n && !found; n++) found = strcmp(db->keep.damage.d[n].file, path) == 0;
    pthread_mutex_unlock(&db->lock);
    return found;
}

bool damage_knows(struct tsdb *db, const struct seg_info *i)
{
    char path[SEG_PATH_MAX];
    seg_path(i, path);
    return damage_names(db, path);
}

/* ---- describing ---- */
struct describe {
    struct tsdb *db;
    const struct keep_met *m;
    size_t rows;
};

static int describe_block(void *ctx, const struct block_meta *b)
{
    struct describe *x = ctx;
    if (b->offset != x->m->at) return 0;
    struct ts_damage d = {.found_us = x->m->found_us,
                          .offset = b->offset,
                          .bytes = b->len,
                          .point = b->point,
                          .from_us = b->first_us,
                          .to_us = b->last_us,
                          .samples = b->count};
    seg_path(&x->m->i, d.file);
    pthread_mutex_lock(&x->db->lock);
    add_row(&x->db->keep.damage, &d);
    pthread_mutex_unlock(&x->db->lock);
    x->rows++;
    return 0;
}

static struct seg *find_seg(const struct view *v, const struct seg_info *i)
{
    for (size_t k = 0; k < v->nsegs; k++)
        if (seg_info(v->segs[k])->uid == i->uid) return v->segs[k];
    return NULL;
}

static void describe(struct tsdb *db, const struct view *v, struct codec *c, const struct keep_met *m)
{
    struct describe x = {db, m, 0};
    struct seg *s = v ? find_seg(v, &m->i) : NULL;
    if (s && c && seg_each_meta(s, c, describe_block, &x)) x.rows = 0; /* its place, at least */
    if (x.rows) return;
    struct ts_damage d = {.found_us = m->found_us, .offset = m->at};
    seg_path(&m->i, d.file);
    pthread_mutex_lock(&db->lock);
    add_row(&db->keep.damage, &d);
    pthread_mutex_unlock(&db->lock);
}

/* ---- the file ---- */
static void save(struct tsdb *db)
{
    struct keep_damage *k = &db->keep.damage;
    struct buf b;
    pthread_mutex_lock(&db->keep.saving);
    buf_init(&b, SMALL_MAX);
    small_begin(&b, MAGIC);
    pthread_mutex_lock(&db->lock);
    bool due = k->dirty;
    k->dirty = false;
    for (size_t i = 0; i < k->n && due; i++) {
        const struct ts_damage *d = &k->d[i];
        buf_add(&b, d->file, NAME);
        const uint64_t w[8] = {(uint64_t)d->found_us, d->offset,          d->bytes,   d->point,
                               (uint64_t)d->from_us,  (uint64_t)d->to_us, d->samples, 0};
        for (int n = 0; n < 8; n++) buf_u64le(&b, w[n]);
    }
    pthread_mutex_unlock(&db->lock);
    if (due && small_save(db->fs, PATH, &b)) {
        pthread_mutex_lock(&db->lock);
        k->dirty = true;
        pthread_mutex_unlock(&db->lock);
    }
    buf_fini(&b);
    pthread_mutex_unlock(&db->keep.saving);
}

static bool get_row(struct in *in, struct ts_damage *d)
{
    uint64_t w[8];
    const uint8_t *name = in_take(in, NAME);
    for (int i = 0; i < 8; i++) w[i] = in_u64(in);
    if (in->bad) return false;
    *d = (struct ts_damage){.found_us = (int64_t)w[0],
                            .offset = w[1],
                            .bytes = w[2],
                            .point = (uint32_t)w[3],
                            .from_us = (int64_t)w[4],
                            .to_us = (int64_t)w[5],
                            .samples = w[6]};
    memcpy(d->file, name, NAME - 1);
    return true;
}

int damage_load(struct tsdb *db)
{
    void *block = NULL;
    struct in in;
    struct ts_damage d;
    int rc = small_load(db->fs, PATH, MAGIC, &block, &in);
    if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT) return 0; /* a list of what is lost is no reason to lose more */
    if (rc) return rc;
    while (in_left(&in) >= ROW && get_row(&in, &d)) add_row(&db->keep.damage, &d);
    db->keep.damage.dirty = false;
    mem_free(block);
    return 0;
}

void damage_fini(struct tsdb *db)
{
    mem_free(db->keep.damage.d);
    mem_free(db->keep.damage.met);
}

void damage_flush(struct tsdb *db)
{
    struct keep_damage *k = &db->keep.damage;
    pthread_mutex_lock(&db->lock);
    struct keep_met *met = k->met;
    size_t n = k->nmet;
    bool dirty = k->dirty;
    k->met = NULL;
    k->nmet = k->cap_met = 0;
    pthread_mutex_unlock(&db->lock);
    if (n) {
        struct view *v = view_get(db);
        struct codec *c = codec_get(db);
        for (size_t i = 0; i < n; i++) describe(db, v, c, &met[i]);
        codec_put(db, c);
        view_put(v);
    }
    mem_free(met);
    if (n || dirty) save(db);
}

int db_damage(struct ts_store *st, int (*fn)(void *ctx, const struct ts_damage *), void *ctx)
{
    struct tsdb *db = tsdb_of(st);
    struct keep_damage *k = &db->keep.damage;
    damage_flush(db);
    pthread_mutex_lock(&db->lock);
    size_t n = k->n;
    struct ts_damage *d = mem_dup(k->d, n * sizeof *d);
    pthread_mutex_unlock(&db->lock);
    int rc = d || n == 0 ? 0 : ERR_NOMEM;
    while (n-- > 0 && !rc) rc = fn(ctx, &d[n]);
    mem_free(d);
    return rc;
}
