/* usage.c - what every point uses, by class and place.
 *
 * Segment by segment the index is read twice: once for how many samples share a bundle, once to add up. A
 * block's bytes are its share of the bundle's frame, by samples; what is left of a file (time columns, index,
 * header, footer) is spread evenly over its blocks, so that the rows of a class and place add up to the bytes
 * of its files. A blob counts with its record, the first of a file also with the file's header and footer; its sample
 * counts where it is stored. In memory: a row for every point of the class and place, and the bundles of one segment.
 * Threads: any; works on a view of its own. */
#include <math.h>
#include "base/limits.h"
#include "base/mem.h"
#include "tsdb/blobs.h"

struct bundle {
    uint64_t at;
    uint32_t len, samples;
};
struct usage {
    struct ts_usage *rows;
    size_t n, cap;
    uint32_t *row_of; /* by point: row + 1 */
    size_t cap_row_of;
    struct bundle *b; /* of the segment at hand, by place */
    size_t nb, cap_b;
    const struct seg_info *info;
    double spare, given; /* bytes of a block beyond its frame; bytes given to rows so far */
};

static int note_bundle(void *ctx, const struct block_meta *m)
{
    struct usage *u = ctx;
    if (!mem_grow((void **)&u->b, &u->cap_b, u->nb + 1, sizeof *u->b)) return ERR_NOMEM;
    u->b[u->nb++] = (struct bundle){m->offset, m->len, m->count};
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct bundle *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* The frames of the segment, each once, with all its samples. */
static void join_bundles(struct usage *u)
{
    uint64_t bytes = 0;
    size_t k = 0, blocks = u->nb;
    if (u->nb > 1) qsort(u->b, u->nb, sizeof *u->b, by_place);
    for (size_t i = 0; i < u->nb; i++) {
        if (k && u->b[k - 1].at == u->b[i].at)
            u->b[k - 1].samples += u->b[i].samples;
        else
            u->b[k++] = u->b[i];
    }
    u->nb = k;
    for (size_t i = 0; i < k; i++) bytes += u->b[i].len;
    u->given = 0;
    u->spare = blocks ? ((double)u->info->file_bytes - (double)bytes) / (double)blocks : 0;
}

static struct ts_usage *row_of(struct usage *u, uint32_t point, uint8_t class_id, uint8_t place)
{
    size_t had = u->cap_row_of;
    if (point > LIMIT_POINTS || !mem_grow((void **)&u->row_of, &u->cap_row_of, point + 1u, sizeof *u->row_of))
        return NULL;
    if (u->cap_row_of > had) memset(u->row_of + had, 0, (u->cap_row_of - had) * sizeof *u->row_of);
    if (u->row_of[point]) return &u->rows[u->row_of[point] - 1];
    if (!mem_grow((void **)&u->rows, &u->cap, u->n + 1, sizeof *u->rows)) return NULL;
    u->rows[u->n] = (struct ts_usage){
        .point = point, .class_id = class_id, .place = place, .oldest_us = INT64_MAX, .newest_us = INT64_MIN};
    u->row_of[point] = (uint32_t)++u->n;
    return &u->rows[u->n - 1];
}

static int add_block(void *ctx, const struct block_meta *m)
{
    struct usage *u = ctx;
    struct bundle key = {.at = m->offset};
    const struct bundle *b = bsearch(&key, u->b, u->nb, sizeof *u->b, by_place);
    struct ts_usage *row = row_of(u, m->point, u->info->class_id, u->info->place);
    if (!row) return ERR_NOMEM;
    double share = b && b->samples ? (double)b->len * m->count / b->samples : m->len, before = u->given;
    u->given += share + u->spare;
    row->bytes += (uint64_t)(llround(u->given) - llround(before)); /* what is rounded off goes to the next */
    row->samples += m->count;
    row->blocks++;
    if (m->first_us < row->oldest_us) row->oldest_us = m->first_us;
    if (m->last_us > row->newest_us) row->newest_us = m->last_us;
    return 0;
}

static int add_segment(struct usage *u, struct seg *s, struct codec *c)
{
    u->nb = 0;
    u->info = seg_info(s);
    int rc = seg_each_meta(s, c, note_bundle, u);
    join_bundles(u);
    return rc ? rc : seg_each_meta(s, c, add_block, u);
}

/* ---- blobs ---- */
struct blob_usage {
    struct usage *u;
    const struct blob_info *i;
    int64_t told;
};

static int add_record(void *ctx, int64_t at, int64_t bytes, const struct blob_rec *r)
{
    struct blob_usage *x = ctx;
    if (!r) return 0; /* nobody's: the next one has it */
    struct ts_usage *row = row_of(x->u, r->blob.point, x->i->class_id, TS_HOT);
    if (!row) return ERR_NOMEM;
    row->bytes += (uint64_t)(at + bytes - x->told);
    row->blocks++;
    x->told = at + bytes;
    if (r->blob.time_us < row->oldest_us) row->oldest_us = r->blob.time_us;
    if (r->blob.time_us > row->newest_us) row->newest_us = r->blob.time_us;
    if (x->told == x->i->end) row->bytes += (uint64_t)(x->i->bytes - x->i->end);
    return 0;
}

static int add_blobs(struct usage *u, const struct blob_pick *p)
{
    struct blob_usage x = {u, &p->i, 0};
    struct fs_file *f = NULL;
    int64_t at = BLOB_FILE_HEAD;
    int rc = blob_file_open(p->file, &f);
    if (!rc) rc = blob_walk(f, &p->i, &at, p->i.end, add_record, &x);
    fs_close(f);
    return rc;
}

static int by_point(const void *a, const void *b)
{
    const struct ts_usage *x = a, *y = b;
    return (x->point > y->point) - (x->point < y->point);
}

struct files {
    const struct view *v;
    struct blob_pick *blobs;
    size_t nblobs;
};

static int class_usage(const struct files *all, uint8_t class_id, uint8_t place, struct codec *c, ts_usage_fn *fn,
                       void *ctx)
{
    const struct view *v = all->v;
    struct usage u = {0};
    int rc = 0;
    for (size_t i = 0; i < v->nsegs && !rc; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->class_id == class_id && s->place == place) rc = add_segment(&u, v->segs[i], c);
    }
    for (size_t i = 0; i < all->nblobs && place == TS_HOT && !rc; i++)
        if (all->blobs[i].i.class_id == class_id) rc = add_blobs(&u, &all->blobs[i]);
    if (u.n > 1) qsort(u.rows, u.n, sizeof *u.rows, by_point);
    for (size_t i = 0; i < u.n && !rc; i++) rc = fn(ctx, &u.rows[i]);
    mem_free(u.rows);
    mem_free(u.row_of);
    mem_free(u.b);
    return rc;
}

int db_usage(struct ts_store *st, ts_usage_fn *fn, void *ctx, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct codec *c = codec_get(db);
    struct view *v = view_get(db);
    struct files all = {.v = v};
    int rc = c ? blobs_pick(db, &all.blobs, &all.nblobs) : ERR_NOMEM;
    for (uint8_t k = 0; k < TSDB_CLASSES && !rc; k++)
        for (uint8_t p = 0; p < TS_PLACES && !rc; p++) rc = class_usage(&all, k, p, c, fn, ctx);
    blobs_unpick(all.blobs, all.nblobs);
    view_put(v);
    codec_put(db, c);
    return rc < 0 ? error_set(e, rc, "ts", "disk use cannot be told: %s", "无法统计磁盘占用：%s", error_title(rc)) : rc;
}
