/* seg_write.c - the segment writer.
 *
 * A group is written in windows of time: every point gives up to SEG_BLOCK_MAX samples, the window ends
 * where the first full one ends, and the points of a window share time columns (seg_times.c). A point that
 * brought few samples is left to gather over several windows, so that a slow point beside fast ones does
 * not fall into crumbs. Blocks of neighbouring points are bundled into frames. Index entries are kept in memory until
 * the end, encoded as rows, with m2 behind. */
#include "tsdb/seg_write.h"
#include "base/mem.h"
#include "tsdb/block.h"
#include "tsdb/frame_out.h"
#include "tsdb/seg_page.h"
#include "tsdb/seg_times.h"
#include "tsdb/stats.h"

#define BUF_MAX ((size_t)1 << 30)
#define STATS_MIN 64 /* samples from which a block's summary is worth its bytes */
#define FEW (SEG_BLOCK_MAX / 8)

struct entry_ref {
    uint32_t point, len;
    uint64_t at; /* in entries */
    int64_t first_us, last_us;
};
struct seg_write {
    struct fs *fs;
    struct frame_out o;
    struct seg_info info;
    struct codec *c;
    char path[SEG_PATH_MAX], tmp[SEG_PATH_MAX + 8];
    struct buf entries;
    struct bundle bundle;
    struct index_entry *open; /* of the blocks in the bundle, BUNDLE_BLOCKS */
    struct entry_ref *refs;
    size_t nrefs, cap_refs;
    struct seg_times times;
};

static void seg_write_free(struct seg_write *w)
{
    frame_out_fini(&w->o);
    buf_fini(&w->entries);
    buf_fini(&w->bundle.heads);
    buf_fini(&w->bundle.bodies);
    mem_free(w->open);
    seg_times_fini(&w->times);
    mem_free(w->refs);
    mem_free(w);
}

int seg_write_begin(struct fs *fs, const struct seg_info *info, struct codec *codec, struct seg_write **ret)
{
    uint8_t head[SEG_HEAD];
    struct seg_write *w = mem_calloc(1, sizeof *w);
    if (!w) return ERR_NOMEM;
    w->fs = fs;
    w->info = *info;
    w->info.min_us = INT64_MAX;
    w->info.max_us = INT64_MIN;
    w->c = codec;
    frame_out_init(&w->o);
    buf_init(&w->entries, BUF_MAX);
    buf_init(&w->bundle.heads, BUF_MAX);
    buf_init(&w->bundle.bodies, BUF_MAX);
    seg_path(info, w->path);
    snprintf(w->tmp, sizeof w->tmp, "%s.new", w->path);
    seg_head_encode(&w->info, head);
    buf_add(&w->o.out, head, sizeof head);
    w->open = mem_alloc(BUNDLE_BLOCKS * sizeof *w->open);
    int rc = w->open ? fs_open(fs, w->tmp, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &w->o.f) : ERR_NOMEM;
    if (rc) {
        seg_write_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void seg_write_abort(struct seg_write *w)
{
    if (!w) return;
    (void)w->fs->ops->remove(w->fs, w->tmp);
    seg_write_free(w);
}

uint64_t seg_write_samples(const struct seg_write *w)
{
    return w->info.samples;
}

/* ---- blocks ---- */
static int note_block(struct seg_write *w, const struct index_entry *e)
{
    size_t before = w->entries.n;
    const struct block_meta *m = &e->meta;
    if (!mem_grow((void **)&w->refs, &w->cap_refs, w->nrefs + 1, sizeof *w->refs)) return ERR_NOMEM;
    uint64_t m2;
    memcpy(&m2, &m->m2, sizeof m2);
    index_entry_encode(&w->entries, e);
    if (m->has_stats) buf_u64le(&w->entries, m2);
    if (w->entries.err) return w->entries.err;
    w->refs[w->nrefs++] =
        (struct entry_ref){m->point, (uint32_t)(w->entries.n - before), before, m->first_us, m->last_us};
    w->info.blocks++;
    w->info.samples += m->count;
    if (m->first_us < w->info.min_us) w->info.min_us = m->first_us;
    if (m->last_us > w->info.max_us) w->info.max_us = m->last_us;
    return 0;
}

/* The bundle as a frame, its blocks into the index. */
static int close_bundle(struct seg_write *w)
{
    uint64_t at;
    uint32_t len;
    size_t n = w->bundle.n;
    if (n == 0) return 0;
    bundle_end(&w->bundle, &w->o.payload);
    int rc = frame_out_put(&w->o, FRAME_BUNDLE, w->info.uid, &at, &len);
    for (size_t i = 0; i < n && !rc; i++) {
        w->open[i].meta.offset = at;
        w->open[i].meta.len = len;
        rc = note_block(w, &w->open[i]);
    }
    return rc;
}

static int write_block(struct seg_write *w, uint32_t group, const struct sample *s, size_t n, struct times_use *use)
{
    struct block_ref ref = {
        .how = use->how, .row = use->row, .rows = use->rows, .distance = frame_out_offset(&w->o) - use->at};
    struct index_entry *e = &w->open[w->bundle.n];
    *e = (struct index_entry){.group = group};
    block_meta_fill(&e->meta, s, n);
    e->meta.has_stats = n >= STATS_MIN;
    bundle_add(&w->bundle, s, n, &ref, w->c);
    if (w->bundle.bodies.err || w->bundle.heads.err) return ERR_NOMEM;
    return w->bundle.n == BUNDLE_BLOCKS || bundle_bytes(&w->bundle) >= BUNDLE_BYTES ? close_bundle(w) : 0;
}

static int write_times(void *ctx, const int64_t *t, size_t n, uint64_t *ret_at)
{
    struct seg_write *w = ctx;
    uint32_t len;
    times_encode(&w->o.payload, t, n, w->c);
    return frame_out_put(&w->o, FRAME_TIMES, w->info.uid, ret_at, &len);
}

/* Write the first take[i] samples of each feed. */
static int write_window(struct seg_write *w, uint32_t group, struct feed *feeds, size_t n, const size_t *take)
{
    seg_times_clear(&w->times);
    for (size_t i = 0; i < n; i++) {
        int rc = take[i] ? seg_times_add(&w->times, i, feeds[i].buf, take[i]) : 0;
        if (rc) return rc;
    }
    int rc = seg_times_write(&w->times, w->c, write_times, w);
    for (size_t i = 0; i < n && !rc; i++) {
        if (!take[i]) continue;
        rc = write_block(w, group, feeds[i].buf, take[i], seg_times_use(&w->times, i));
        feeds[i].n -= take[i];
        memmove(feeds[i].buf, feeds[i].buf + take[i], feeds[i].n * sizeof *feeds[i].buf);
    }
    return rc ? rc : close_bundle(w);
}

static int fill_feed(struct feed *f)
{
    while (f->n < SEG_BLOCK_MAX && !f->end) {
        if (f->used == f->r.n) {
            int rc = merge_next(&f->m, false, &f->r);
            if (rc < 0) return rc;
            f->end = rc == 0;
            f->used = 0;
            if (f->end) break;
        }
        size_t k = f->r.n - f->used, room = SEG_BLOCK_MAX - f->n;
        if (k > room) k = room;
        memcpy(f->buf + f->n, f->r.s + f->used, k * sizeof *f->buf);
        f->n += k;
        f->used += k;
    }
    return 0;
}

static size_t up_to(const struct feed *f, int64_t t)
{
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (f->buf[mid].time_us <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* How much of each feed goes into the next window; false when nothing is left. */
static bool plan_window(const struct feed *feeds, size_t n, size_t *take)
{
    int64_t end = INT64_MAX;
    bool any = false;
    for (size_t i = 0; i < n; i++)
        if (feeds[i].n == SEG_BLOCK_MAX && feeds[i].buf[SEG_BLOCK_MAX - 1].time_us < end)
            end = feeds[i].buf[SEG_BLOCK_MAX - 1].time_us;
    for (size_t i = 0; i < n; i++) {
        take[i] = up_to(&feeds[i], end);
        if (end != INT64_MAX && take[i] < FEW) take[i] = 0;
        any |= take[i] > 0;
    }
    return any;
}

static int run_group(struct seg_write *w, uint32_t group, struct feed *feeds, size_t n)
{
    size_t take[128];
    for (;;) {
        for (size_t i = 0; i < n; i++) {
            int rc = fill_feed(&feeds[i]);
            if (rc) return rc;
        }
        if (!plan_window(feeds, n, take)) return 0;
        int rc = write_window(w, group, feeds, n, take);
        if (rc) return rc;
    }
}

int seg_write_group(struct seg_write *w, uint32_t group, struct feed *feeds, size_t n)
{
    int rc = n <= 128 ? 0 : ERR_INTERNAL;
    for (size_t i = 0; i < n && !rc; i++)
        if (!(feeds[i].buf = mem_alloc(SEG_BLOCK_MAX * sizeof *feeds[i].buf))) rc = ERR_NOMEM;
    if (!rc) rc = run_group(w, group, feeds, n);
    for (size_t i = 0; i < n; i++) {
        mem_free(feeds[i].buf);
        feeds[i].buf = NULL;
    }
    return rc;
}

/* ---- index ---- */
static int by_point(const void *a, const void *b)
{
    const struct entry_ref *x = a, *y = b;
    if (x->point != y->point) return x->point < y->point ? -1 : 1;
    return (x->first_us > y->first_us) - (x->first_us < y->first_us);
}

struct pages {
    struct index_page *p;
    size_t n, cap;
};

static bool read_entry(const struct seg_write *w, const struct entry_ref *r, struct index_entry *e)
{
    struct in in = in_make(w->entries.p + r->at, r->len);
    if (!index_entry_decode(&in, e)) return false;
    uint64_t m2 = e->meta.has_stats ? in_u64(&in) : 0;
    memcpy(&e->meta.m2, &m2, sizeof m2);
    return !in.bad;
}

static int write_page(struct seg_write *w, const struct entry_ref *r, size_t n, struct index_entry *e,
                      struct pages *pages)
{
    struct index_page pg = {.first = r[0].point, .last = r[n - 1].point, .min_us = INT64_MAX, .max_us = INT64_MIN};
    for (size_t i = 0; i < n; i++) {
        if (!read_entry(w, &r[i], &e[i])) return ERR_INTERNAL;
        if (r[i].first_us < pg.min_us) pg.min_us = r[i].first_us;
        if (r[i].last_us > pg.max_us) pg.max_us = r[i].last_us;
    }
    seg_page_encode(&w->o.payload, e, n, w->c);
    int rc = frame_out_put(&w->o, FRAME_PAGE, w->info.uid, &pg.at, &pg.len);
    if (!rc && !mem_grow((void **)&pages->p, &pages->cap, pages->n + 1, sizeof *pages->p)) rc = ERR_NOMEM;
    if (!rc) pages->p[pages->n++] = pg;
    return rc;
}

static int write_pages(struct seg_write *w, struct pages *pages)
{
    AUTO_FREE struct index_entry *e = mem_alloc(PAGE_ENTRIES * sizeof *e);
    if (!e) return ERR_NOMEM;
    if (w->nrefs > 1) qsort(w->refs, w->nrefs, sizeof *w->refs, by_point);
    for (size_t i = 0, k; i < w->nrefs; i += k) {
        k = w->nrefs - i < PAGE_ENTRIES ? w->nrefs - i : PAGE_ENTRIES;
        int rc = write_page(w, w->refs + i, k, e, pages);
        if (rc) return rc;
    }
    return 0;
}

static int write_tail(struct seg_write *w, struct buf *raw, struct pages *pages)
{
    struct seg_foot foot;
    uint8_t bytes[SEG_FOOT];
    int rc = write_pages(w, pages);
    if (rc) return rc;
    index_dir_encode(raw, pages->p, pages->n);
    if (raw->err) return raw->err;
    zip(&w->o.payload, raw->p, raw->n, w->c->c);
    rc = frame_out_put(&w->o, FRAME_DIR, w->info.uid, &foot.dir_at, &foot.dir_len);
    if (rc) return rc;
    w->info.file_bytes = (int64_t)(frame_out_offset(&w->o) + SEG_FOOT);
    foot.info = w->info;
    seg_foot_encode(&foot, bytes);
    buf_add(&w->o.out, bytes, sizeof bytes);
    return frame_out_flush(&w->o, 0);
}

int seg_write_finish(struct seg_write *w)
{
    struct buf raw;
    struct pages pages = {0};
    buf_init(&raw, BUF_MAX);
    int rc = write_tail(w, &raw, &pages);
    buf_fini(&raw);
    mem_free(pages.p);
    if (!rc) rc = fs_sync(w->o.f);
    if (!rc) rc = w->fs->ops->rename(w->fs, w->tmp, w->path);
    if (rc) {
        seg_write_abort(w);
        return rc;
    }
    rc = w->fs->ops->sync_dir(w->fs, "ts");
    if (rc) (void)w->fs->ops->remove(w->fs, w->path);
    seg_write_free(w);
    return rc;
}
