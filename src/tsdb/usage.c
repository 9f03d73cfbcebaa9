/* usage.c - what every point uses, by class and place.
 *
 * The index pages of all segments of one class and place are walked side by side, each held one page at a
 * time, and the rows of a point are added up as they meet. A block's bytes are its frame's; what is left of
 * a file (time columns, index, header, footer) is spread evenly over its blocks, so that the rows of a class
 * and place add up to the bytes of its files.
 * Threads: any; works on a view of its own. */
#include "base/mem.h"
#include "tsdb/engine.h"

struct rows {
    struct ts_usage *r;
    size_t n, cap;
};
struct walk { /* one segment */
    struct seg *seg;
    uint64_t blocks, spare; /* so far; bytes outside of blocks */
    size_t page, at;
    bool end;
    struct rows rows;
};

static int add_block(void *ctx, const struct block_meta *m)
{
    struct walk *w = ctx;
    struct rows *l = &w->rows;
    const struct seg_info *i = seg_info(w->seg);
    if (l->n == 0 || l->r[l->n - 1].point != m->point) {
        if (!mem_grow((void **)&l->r, &l->cap, l->n + 1, sizeof *l->r)) return ERR_NOMEM;
        l->r[l->n++] = (struct ts_usage){.point = m->point,
                                         .class_id = i->class_id,
                                         .place = i->place,
                                         .oldest_us = m->first_us,
                                         .newest_us = m->last_us};
    }
    struct ts_usage *u = &l->r[l->n - 1];
    uint64_t n = i->blocks ? i->blocks : 1, done = w->blocks < n ? w->blocks : n, next = done < n ? done + 1 : n;
    u->bytes += m->len + (uint64_t)((__uint128_t)w->spare * next / n - (__uint128_t)w->spare * done / n);
    u->samples += m->count;
    u->blocks++;
    if (m->first_us < u->oldest_us) u->oldest_us = m->first_us;
    if (m->last_us > u->newest_us) u->newest_us = m->last_us;
    w->blocks++;
    return 0;
}

/* Have a row that is complete (its point cannot go on behind it), or be at the end. */
static int refill(struct walk *w, struct codec *c)
{
    while (!w->end && w->at + 1 >= w->rows.n) {
        struct rows *l = &w->rows;
        uint32_t after = 0;
        if (w->at < l->n) {
            l->r[0] = l->r[w->at];
            l->n = 1;
            after = l->r[0].point;
        } else {
            l->n = 0;
        }
        w->at = 0;
        int rc = seg_page_meta(w->seg, c, w->page++, after, add_block, w);
        if (rc < 0) return rc;
        w->end = rc == 0;
    }
    return 0;
}

static int add_length(void *ctx, const struct block_meta *m)
{
    *(uint64_t *)ctx += m->len;
    return 0;
}

static int walk_begin(struct walk *w, struct seg *s, struct codec *c)
{
    uint64_t lengths = 0, bytes = (uint64_t)seg_info(s)->file_bytes;
    *w = (struct walk){.seg = s};
    int rc = seg_each_meta(s, c, add_length, &lengths);
    w->spare = lengths < bytes ? bytes - lengths : 0;
    return rc ? rc : refill(w, c);
}

static void add_row(struct ts_usage *sum, const struct ts_usage *u)
{
    sum->bytes += u->bytes;
    sum->samples += u->samples;
    sum->blocks += u->blocks;
    if (u->oldest_us < sum->oldest_us) sum->oldest_us = u->oldest_us;
    if (u->newest_us > sum->newest_us) sum->newest_us = u->newest_us;
}

/* Points in rising order out of the walks; *ret_own: the code is the receiver's. */
static int give_points(struct walk *w, size_t n, struct codec *c, ts_usage_fn *fn, void *ctx)
{
    for (;;) {
        struct ts_usage sum = {0};
        for (size_t i = 0; i < n; i++)
            if (w[i].at < w[i].rows.n && (!sum.point || w[i].rows.r[w[i].at].point < sum.point))
                sum = w[i].rows.r[w[i].at];
        if (!sum.point) return 0;
        struct ts_usage all = {.point = sum.point,
                               .class_id = sum.class_id,
                               .place = sum.place,
                               .oldest_us = INT64_MAX,
                               .newest_us = INT64_MIN};
        for (size_t i = 0; i < n; i++) {
            if (w[i].at >= w[i].rows.n || w[i].rows.r[w[i].at].point != all.point) continue;
            add_row(&all, &w[i].rows.r[w[i].at++]);
            int rc = refill(&w[i], c);
            if (rc) return rc;
        }
        int rc = fn(ctx, &all);
        if (rc) return rc;
    }
}

static int class_usage(const struct view *v, uint8_t class_id, uint8_t place, struct codec *c, ts_usage_fn *fn,
                       void *ctx)
{
    struct walk *w = mem_calloc(v->nsegs + 1, sizeof *w);
    size_t n = 0;
    int rc = w ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < v->nsegs && !rc; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->class_id == class_id && s->place == place) rc = walk_begin(&w[n++], v->segs[i], c);
    }
    if (!rc) rc = give_points(w, n, c, fn, ctx);
    for (size_t i = 0; i < n; i++) mem_free(w[i].rows.r);
    mem_free(w);
    return rc;
}

int db_usage(struct ts_store *st, ts_usage_fn *fn, void *ctx, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct codec *c = codec_get(db);
    struct view *v = view_get(db);
    int rc = c ? 0 : ERR_NOMEM;
    for (uint8_t k = 0; k < TSDB_CLASSES && !rc; k++)
        for (uint8_t p = 0; p < TS_PLACES && !rc; p++) rc = class_usage(v, k, p, c, fn, ctx);
    view_put(v);
    codec_put(db, c);
    return rc < 0 ? error_set(e, rc, "ts", "disk use cannot be told: %s", "无法统计磁盘占用：%s", error_title(rc)) : rc;
}
