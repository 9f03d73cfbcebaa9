/* segment.c - reading a segment.
 *
 * At opening only the footer and the directory of the index are read; index pages and blocks are read
 * when a query needs them, each checked by its CRC before anything in it is believed. When footer,
 * directory or a page is broken the blocks are found again by walking through the file (salvage): each
 * block names its point, so that only what is broken itself is lost. */
#include "tsdb/segment.h"
#include <pthread.h>
#include <stdatomic.h>
#include "base/mem.h"
#include "tsdb/block.h"
#include "tsdb/seg_page.h"
#include "tsdb/stats.h"

#define DAMAGED_MAX 4096 /* places remembered; beyond, damage may be counted twice */

struct seg {
    atomic_int refs;
    struct fs_file *f;
    struct seg_info info;
    struct index_page *pages;
    size_t npages;
    struct index_entry *found; /* after a salvage, by point and time; then pages are not used */
    size_t nfound;
    atomic_bool salvaged;
    pthread_mutex_t lock; /* salvage and the damage list */
    uint64_t *damaged;
    size_t ndamaged, cap_damaged;
    seg_damage_fn *damage;
    void *damage_ctx;
    struct point_set *points; /* once asked for */
    uint64_t seen;
    atomic_int err; /* of the last read; 0 */
    /* A segment in another place is opened when it is first needed: this one only knows what it is, `inner` is
     * the open one. Its predecessors, whose file no longer answered, hang behind it until all goes. */
    struct fs *lazy_fs;
    _Atomic(struct seg *) inner;
};

void seg_path(const struct seg_info *i, char out[SEG_PATH_MAX])
{
    snprintf(out, SEG_PATH_MAX, "ts/seg-%016llx-%016llx-%08x-%02x", (unsigned long long)i->seq_lo,
             (unsigned long long)i->seq_hi, i->gen, i->class_id);
}

bool seg_name_parse(const char *name, struct seg_info *ret)
{
    unsigned long long lo, hi;
    unsigned gen, class_id;
    int end = 0;
    if (strlen(name) != 49 || strspn(name + 4, "0123456789abcdef-") != 45) return false;
    if (sscanf(name, "seg-%16llx-%16llx-%8x-%2x%n", &lo, &hi, &gen, &class_id, &end) != 4 || end != 49) return false;
    if (class_id > 15 || lo > hi) return false;
    *ret = (struct seg_info){.seq_lo = lo, .seq_hi = hi, .gen = gen, .class_id = (uint8_t)class_id};
    return true;
}

struct seg *seg_ref(struct seg *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void seg_unref(struct seg *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    seg_unref(atomic_load(&s->inner));
    fs_close(s->f);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->pages);
    mem_free(s->found);
    mem_free(s->damaged);
    mem_free(s->points);
    mem_free(s);
}

const struct seg_info *seg_info(const struct seg *s)
{
    return &s->info;
}

static int64_t pread_from(struct seg *s, void *p, size_t n, int64_t at)
{
    int64_t got = fs_pread(s->f, p, n, at);
    int err = got < 0 ? (int)got : 0;
    if (atomic_load_explicit(&s->err, memory_order_relaxed) != err) atomic_store(&s->err, err);
    return got;
}

static int open_inner(struct seg *s, struct seg *old, struct seg **ret)
{
    char path[SEG_PATH_MAX];
    struct seg *in = NULL;
    seg_path(&s->info, path);
    int rc = seg_open(s->lazy_fs, path, s->damage, s->damage_ctx, &in);
    if (!rc && in->info.uid != s->info.uid) { /* another store's file */
        seg_unref(in);
        rc = ERR_UNAVAILABLE;
    }
    if (rc == ERR_NOT_FOUND || rc == ERR_IO) rc = ERR_UNAVAILABLE;
    atomic_store(&s->err, rc == ERR_NOMEM ? 0 : rc);
    if (rc) return rc;
    atomic_store(&in->inner, old);
    atomic_store(&s->inner, in);
    *ret = in;
    return 0;
}

/* The segment whose file is open. ERR_UNAVAILABLE: its place does not answer. */
static int seg_real(struct seg **ps)
{
    struct seg *s = *ps;
    int rc = 0;
    if (!s->lazy_fs) return 0;
    struct seg *in = atomic_load(&s->inner);
    if (!in || atomic_load(&in->err)) {
        pthread_mutex_lock(&s->lock);
        in = atomic_load(&s->inner);
        if (!in || atomic_load(&in->err)) rc = open_inner(s, in, &in);
        pthread_mutex_unlock(&s->lock);
    }
    *ps = in;
    return rc;
}

int seg_away(const struct seg *s)
{
    const struct seg *in = atomic_load(&s->inner);
    int err = atomic_load(&s->err);
    return err || !in || !s->lazy_fs ? err : atomic_load(&in->err);
}

int seg_lazy(struct fs *fs, const struct seg_info *i, seg_damage_fn *damage, void *ctx, struct seg **ret)
{
    struct seg *s = mem_calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->damage = damage;
    s->damage_ctx = ctx;
    s->lazy_fs = fs;
    s->info = *i;
    *ret = s;
    return 0;
}

int64_t seg_read(struct seg *s, void *p, size_t n, int64_t at)
{
    int rc = seg_real(&s);
    return rc ? rc : pread_from(s, p, n, at);
}

/* Tell about a broken place once. */
static void damaged(struct seg *s, uint64_t at)
{
    bool known = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->ndamaged && !known; i++) known = s->damaged[i] == at;
    if (!known && s->ndamaged < DAMAGED_MAX &&
        mem_grow((void **)&s->damaged, &s->cap_damaged, s->ndamaged + 1, sizeof *s->damaged))
        s->damaged[s->ndamaged++] = at;
    pthread_mutex_unlock(&s->lock);
    if (!known && s->damage) s->damage(s->damage_ctx, &s->info, at);
}

/* Read the frame of len bytes at `at` and check it: its kind and payload, ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
static int read_any(struct seg *s, uint64_t at, size_t len, struct codec *c, int *ret_kind, struct in *ret)
{
    uint8_t *p = codec_io(c, len);
    if (!p) return ERR_NOMEM;
    int64_t got = pread_from(s, p, len, (int64_t)at);
    if (got < 0) return (int)got;
    *ret_kind = frame_check(p, (size_t)got, s->info.uid, at, ret);
    return *ret_kind ? 0 : ERR_CORRUPT;
}

static int read_frame(struct seg *s, uint64_t at, size_t len, int kind, struct codec *c, struct in *ret)
{
    int got, rc = read_any(s, at, len, c, &got, ret);
    return !rc && got != kind ? ERR_CORRUPT : rc;
}

/* A frame whose length is not known beforehand. */
static int read_frame_at(struct seg *s, uint64_t at, int kind, struct codec *c, struct in *ret)
{
    uint8_t head[FRAME_HEAD];
    int64_t got = pread_from(s, head, FRAME_HEAD, (int64_t)at);
    if (got < 0) return (int)got;
    if (got < FRAME_HEAD || load_u32(head + 4) > FRAME_MAX) return ERR_CORRUPT;
    if ((int64_t)(at + load_u32(head + 4)) > s->info.file_bytes) return ERR_CORRUPT;
    return read_frame(s, at, FRAME_HEAD + load_u32(head + 4), kind, c, ret);
}

/* ---- blocks ---- */
static int load_times(struct seg *s, uint64_t at, struct codec_times *t, struct codec *c)
{
    struct in in;
    int rc = read_frame_at(s, at, FRAME_TIMES, c, &in);
    if (!rc) rc = times_decode(&in, t, c);
    if (rc == ERR_CORRUPT) damaged(s, at);
    return rc;
}

/* The time column that a block in the frame at `at` refers to; NULL with OWN. */
static int get_times(struct seg *s, uint64_t at, const struct block_head *h, struct codec *c, struct codec_times **ret)
{
    *ret = NULL;
    if (h->how == TIMES_OWN) return 0;
    if (h->distance > at || h->distance == 0) return ERR_CORRUPT;
    bool hit;
    uint64_t column = at - h->distance;
    unsigned slot = codec_slot(c, KEPT_TIMES, s->info.uid, column, &hit);
    int rc = hit ? 0 : load_times(s, column, &c->times[slot], c);
    if (rc) return rc;
    if (!hit) codec_keep(c, KEPT_TIMES, slot, s->info.uid, column);
    *ret = &c->times[slot];
    return 0;
}

static int decode_body(struct seg *s, uint64_t at, const struct block_head *h, struct in *body, struct sample *out,
                       struct codec *c)
{
    struct codec_times *t;
    int rc = get_times(s, at, h, c, &t);
    return rc ? rc : block_decode(body, h, t ? t->t : NULL, t ? t->n : 0, out, c);
}

static int fill_frame(struct seg *s, uint64_t at, size_t len, struct codec_frame *k)
{
    struct in payload;
    if (k->cap < len) {
        uint8_t *p = mem_realloc(k->p, len);
        if (!p) return ERR_NOMEM;
        k->p = p;
        k->cap = len;
    }
    int64_t got = pread_from(s, k->p, len, (int64_t)at);
    if (got < 0) return (int)got;
    if (!frame_check(k->p, (size_t)got, s->info.uid, at, &payload)) return ERR_CORRUPT;
    k->n = FRAME_HEAD + in_left(&payload);
    return 0;
}

/* The payload of a bundle or block frame, kept for the next point. */
static int load_frame(struct seg *s, uint64_t at, size_t len, struct codec *c, int *ret_kind, struct in *ret)
{
    bool hit;
    unsigned slot = codec_slot(c, KEPT_FRAMES, s->info.uid, at, &hit);
    struct codec_frame *k = &c->frames[slot];
    int rc = hit ? 0 : fill_frame(s, at, len, k);
    if (rc) return rc;
    if (!hit) codec_keep(c, KEPT_FRAMES, slot, s->info.uid, at);
    *ret_kind = k->p[12];
    *ret = in_make(k->p + FRAME_HEAD, k->n - FRAME_HEAD);
    return 0;
}

/* The block of a point out of a frame's payload. */
static int find_block(int kind, struct in *payload, uint32_t point, struct block_head *h, struct in *body)
{
    struct bundle_in x;
    int rc = ERR_CORRUPT;
    if (kind == FRAME_BLOCK) {
        rc = block_head_decode(payload, h);
        *body = *payload;
        return rc;
    }
    if (kind != FRAME_BUNDLE || bundle_open(payload, &x)) return ERR_CORRUPT;
    while ((rc = bundle_next(&x, h, body)) == 1)
        if (h->point == point) return 0;
    return ERR_CORRUPT;
}

static int decode_block(struct seg *s, const struct block_meta *m, struct sample *out, struct codec *c)
{
    struct block_head h;
    struct in payload, body;
    int kind, rc = load_frame(s, m->offset, m->len, c, &kind, &payload);
    if (!rc) rc = find_block(kind, &payload, m->point, &h, &body);
    if (!rc && (h.point != m->point || h.count != m->count)) rc = ERR_CORRUPT;
    if (!rc) rc = decode_body(s, m->offset, &h, &body, out, c);
    if (!rc && (out[0].time_us != m->first_us || out[h.count - 1].time_us != m->last_us)) rc = ERR_CORRUPT;
    if (rc == ERR_CORRUPT) damaged(s, m->offset);
    return rc ? rc : (int)h.count;
}

static int seg_decode(struct source *src, const struct piece *p, struct sample *out, struct codec *c)
{
    return decode_block(src->ctx, p->meta, out, c);
}

int seg_block(struct seg *s, const struct block_meta *m, struct sample *out, struct codec *codec)
{
    int rc = seg_real(&s);
    return rc ? rc : decode_block(s, m, out, codec);
}

/* ---- salvage ---- */
struct salvage {
    struct seg *s;
    struct codec *c;
    struct sample *samples;
    struct index_entry *e;
    size_t n, cap;
};

static int by_point_time(const void *a, const void *b)
{
    const struct index_entry *x = a, *y = b;
    if (x->meta.point != y->meta.point) return x->meta.point < y->meta.point ? -1 : 1;
    return (x->meta.first_us > y->meta.first_us) - (x->meta.first_us < y->meta.first_us);
}

static int salvage_block(struct salvage *v, uint64_t at, size_t len, const struct block_head *h, struct in *body)
{
    int rc = decode_body(v->s, at, h, body, v->samples, v->c);
    if (rc == ERR_CORRUPT) {
        damaged(v->s, at);
        return 0;
    }
    if (rc) return rc;
    if (!mem_grow((void **)&v->e, &v->cap, v->n + 1, sizeof *v->e)) return ERR_NOMEM;
    struct index_entry *e = &v->e[v->n++];
    *e = (struct index_entry){.meta.offset = at, .meta.len = (uint32_t)len, .group = h->point};
    block_meta_fill(&e->meta, v->samples, h->count);
    return 0;
}

static int salvage_frame(struct salvage *v, uint64_t at, size_t len)
{
    struct block_head h;
    struct bundle_in x;
    struct in payload, body;
    int kind, rc = load_frame(v->s, at, len, v->c, &kind, &payload);
    if (!rc && kind == FRAME_BLOCK) {
        rc = block_head_decode(&payload, &h);
        if (!rc) rc = salvage_block(v, at, len, &h, &payload);
    } else if (!rc) {
        rc = bundle_open(&payload, &x);
        while (!rc && (rc = bundle_next(&x, &h, &body)) == 1) rc = salvage_block(v, at, len, &h, &body);
    }
    if (rc != ERR_CORRUPT) return rc;
    damaged(v->s, at);
    return 0;
}

/* Next place at or after `at` where a frame begins that checks; file_bytes when none. */
static int next_frame(struct salvage *v, uint64_t at, uint64_t *ret, int *ret_kind, size_t *ret_len)
{
    uint64_t end = (uint64_t)v->s->info.file_bytes;
    uint8_t head[FRAME_HEAD];
    for (; at + FRAME_HEAD <= end; at++) {
        struct in in;
        int64_t got = pread_from(v->s, head, FRAME_HEAD, (int64_t)at);
        if (got < 0) return (int)got;
        size_t len = FRAME_HEAD + (size_t)load_u32(head + 4);
        if (memcmp(head, "BTSB", 4) != 0 || len > FRAME_MAX || at + len > end) continue;
        int rc = read_frame(v->s, at, len, head[12], v->c, &in);
        if (rc == ERR_CORRUPT) continue;
        *ret = at;
        *ret_kind = head[12];
        *ret_len = len;
        return rc;
    }
    *ret = end;
    return 0;
}

static int salvage_walk(struct salvage *v)
{
    uint64_t at = SEG_HEAD, end = (uint64_t)v->s->info.file_bytes;
    while (at < end) {
        uint64_t next = end;
        int kind = 0;
        size_t len = 0;
        int rc = next_frame(v, at, &next, &kind, &len);
        if (rc) return rc;
        if (next != at && next < end) damaged(v->s, at);
        if (next < end && (kind == FRAME_BLOCK || kind == FRAME_BUNDLE)) rc = salvage_frame(v, next, len);
        if (rc) return rc;
        at = next + (len ? len : 1);
    }
    return 0;
}

/* ---- scrubbing ---- */
/* Behind a broken frame whose header is whole the next one stands where it says. */
static bool step_over(struct seg *s, uint64_t at, uint64_t foot, uint64_t *ret)
{
    uint8_t head[FRAME_HEAD], next[4];
    if (pread_from(s, head, FRAME_HEAD, (int64_t)at) != FRAME_HEAD || memcmp(head, "BTSB", 4) != 0) return false;
    uint64_t to = at + FRAME_HEAD + load_u32(head + 4);
    if (to > foot) return false;
    if (to < foot && (pread_from(s, next, 4, (int64_t)to) != 4 || memcmp(next, "BTSB", 4) != 0)) return false;
    *ret = to;
    return true;
}

static int scrub_frame(struct salvage *v, uint64_t foot, uint64_t *at, uint64_t *ret_blocks)
{
    uint8_t head[FRAME_HEAD];
    struct in in;
    uint64_t next = foot;
    int64_t got = pread_from(v->s, head, FRAME_HEAD, (int64_t)*at);
    if (got < 0) return (int)got;
    size_t len = FRAME_HEAD + (size_t)load_u32(head + 4);
    int kind = head[12];
    bool whole = got == FRAME_HEAD && len <= FRAME_MAX && *at + len <= foot;
    int rc = whole ? read_frame(v->s, *at, len, kind, v->c, &in) : ERR_CORRUPT;
    if (rc == ERR_CORRUPT) {
        damaged(v->s, *at);
        if (!step_over(v->s, *at, foot, &next)) {
            rc = next_frame(v, *at + 1, &next, &kind, &len);
            if (rc) return rc;
        }
        *at = next < foot ? next : foot;
        return 0;
    }
    v->n = 0;
    if (!rc && (kind == FRAME_BLOCK || kind == FRAME_BUNDLE)) rc = salvage_frame(v, *at, len);
    *ret_blocks += v->n;
    *at += len;
    return rc;
}

static int scrub_ends(struct seg *s, uint64_t foot_at)
{
    uint8_t foot_bytes[SEG_FOOT], head_bytes[SEG_HEAD];
    struct seg_foot foot;
    struct seg_info head;
    int64_t a = pread_from(s, head_bytes, SEG_HEAD, 0), b = pread_from(s, foot_bytes, SEG_FOOT, (int64_t)foot_at);
    if (a < 0 || b < 0) return (int)(a < 0 ? a : b);
    if (seg_head_decode(head_bytes, (size_t)a, &head)) damaged(s, 0);
    if (seg_foot_decode(foot_bytes, (size_t)b, &foot)) damaged(s, foot_at + SEG_FOOT);
    return 0;
}

int seg_scrub(struct seg *s, uint64_t *at, uint64_t max_bytes, uint64_t *ret_blocks)
{
    int rc = seg_real(&s);
    if (rc) return rc;
    struct salvage v = {.s = s, .c = codec_new(SEG_BLOCK_MAX)};
    uint64_t end = (uint64_t)s->info.file_bytes, foot = end > SEG_FOOT + SEG_HEAD ? end - SEG_FOOT : end;
    if (*at < SEG_HEAD) *at = SEG_HEAD;
    uint64_t stop = max_bytes < end - *at ? *at + max_bytes : end;
    v.samples = mem_alloc(SEG_BLOCK_MAX * sizeof *v.samples);
    rc = v.c && v.samples ? 0 : ERR_NOMEM;
    while (!rc && *at < foot && *at < stop) rc = scrub_frame(&v, foot, at, ret_blocks);
    if (!rc && *at >= foot) {
        rc = scrub_ends(s, foot);
        *at = end;
    }
    mem_free(v.samples);
    mem_free(v.e);
    codec_free(v.c);
    return rc;
}

uint64_t *seg_seen(struct seg *s)
{
    return &s->seen;
}

size_t seg_damaged(struct seg *s)
{
    struct seg *in = atomic_load(&s->inner);
    if (s->lazy_fs && !in) return 0;
    if (s->lazy_fs) s = in;
    pthread_mutex_lock(&s->lock);
    size_t n = s->ndamaged;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void describe(struct seg *s, const struct index_entry *e, size_t n)
{
    s->info.min_us = INT64_MAX;
    s->info.max_us = INT64_MIN;
    s->info.samples = 0;
    s->info.blocks = n;
    for (size_t i = 0; i < n; i++) {
        if (e[i].meta.first_us < s->info.min_us) s->info.min_us = e[i].meta.first_us;
        if (e[i].meta.last_us > s->info.max_us) s->info.max_us = e[i].meta.last_us;
        s->info.samples += e[i].meta.count;
    }
}

/* Build the index in memory. `at_open`: the footer's figures are not known either. */
static int salvage(struct seg *s, bool at_open)
{
    struct salvage v = {.s = s, .c = codec_new(SEG_BLOCK_MAX)};
    v.samples = mem_alloc(SEG_BLOCK_MAX * sizeof *v.samples);
    int rc = v.c && v.samples ? salvage_walk(&v) : ERR_NOMEM;
    mem_free(v.samples);
    codec_free(v.c);
    if (!rc && v.n == 0) rc = ERR_CORRUPT;
    if (rc) {
        mem_free(v.e);
        return rc;
    }
    qsort(v.e, v.n, sizeof *v.e, by_point_time);
    pthread_mutex_lock(&s->lock);
    if (!atomic_load(&s->salvaged)) {
        s->found = TAKE(v.e);
        s->nfound = v.n;
        if (at_open) describe(s, s->found, s->nfound);
        atomic_store(&s->salvaged, true);
    }
    pthread_mutex_unlock(&s->lock);
    mem_free(v.e);
    return 0;
}

/* ---- opening ---- */
static int read_dir(struct seg *s, const struct seg_foot *foot)
{
    struct codec *c = codec_new(1);
    uint8_t *raw = NULL;
    size_t n = 0;
    struct in in;
    int rc = c ? 0 : ERR_NOMEM;
    if (!rc &&
        (foot->dir_at > (uint64_t)s->info.file_bytes || foot->dir_len > (uint64_t)s->info.file_bytes - foot->dir_at))
        rc = ERR_CORRUPT;
    if (!rc) rc = read_frame(s, foot->dir_at, foot->dir_len, FRAME_DIR, c, &in);
    if (!rc) rc = unzip(&in, FRAME_MAX, c->d, &raw, &n);
    if (!rc) {
        struct in dir = in_make(raw, n);
        rc = index_dir_decode(&dir, (uint64_t)s->info.file_bytes, &s->pages, &s->npages);
    }
    mem_free(raw);
    codec_free(c);
    return rc;
}

static int open_index(struct seg *s)
{
    uint8_t foot_bytes[SEG_FOOT], head_bytes[SEG_HEAD];
    struct seg_foot foot;
    struct seg_info head;
    int64_t size = fs_size(s->f), got;
    if (size < 0) return (int)size;
    if (size < SEG_HEAD) return ERR_CORRUPT;
    if ((got = pread_from(s, head_bytes, SEG_HEAD, 0)) < 0) return (int)got;
    int rc_head = seg_head_decode(head_bytes, (size_t)got, &head), rc = ERR_CORRUPT;
    if (size >= SEG_FOOT + SEG_HEAD) {
        if ((got = pread_from(s, foot_bytes, SEG_FOOT, size - SEG_FOOT)) < 0) return (int)got;
        rc = seg_foot_decode(foot_bytes, (size_t)got, &foot);
    }
    if (rc == ERR_UNSUPPORTED || rc_head == ERR_UNSUPPORTED) return ERR_UNSUPPORTED;
    if (rc && rc_head) return ERR_CORRUPT;
    if (rc_head || (!rc && head.uid != foot.info.uid)) damaged(s, 0);
    s->info = rc ? head : foot.info;
    if (!rc && foot.info.file_bytes != size) rc = ERR_CORRUPT;
    s->info.file_bytes = size;
    if (!rc) rc = read_dir(s, &foot);
    if (rc != ERR_CORRUPT) return rc;
    damaged(s, (uint64_t)size);
    return salvage(s, true);
}

int seg_open(struct fs *fs, const char *path, seg_damage_fn *damage, void *ctx, struct seg **ret)
{
    struct seg *s = mem_calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->damage = damage;
    s->damage_ctx = ctx;
    int rc = fs_open(fs, path, FS_READ, &s->f);
    if (!rc) rc = open_index(s);
    if (rc) {
        seg_unref(s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* ---- looking up ---- */
typedef int entry_fn(void *ctx, const struct index_entry *e);

static int fill_page(struct seg *s, const struct index_page *pg, struct codec *c, struct codec_page *k)
{
    struct index_entry *e = NULL;
    size_t n = 0;
    struct in in;
    int kind, rc = read_any(s, pg->at, pg->len, c, &kind, &in);
    if (rc) return rc;
    if (kind == FRAME_PAGE)
        rc = seg_page_decode(&in, c, &e, &n);
    else
        rc = kind == FRAME_INDEX ? seg_page_decode_rows(&in, c, &e, &n) : ERR_CORRUPT;
    if (rc) return rc;
    mem_free(k->e);
    *k = (struct codec_page){e, n};
    return 0;
}

/* The page, decoded. */
static int load_page(struct seg *s, const struct index_page *pg, struct codec *c, const struct codec_page **ret)
{
    bool hit;
    unsigned slot = codec_slot(c, KEPT_PAGES, s->info.uid, pg->at, &hit);
    int rc = hit ? 0 : fill_page(s, pg, c, &c->pages[slot]);
    if (rc) return rc;
    if (!hit) codec_keep(c, KEPT_PAGES, slot, s->info.uid, pg->at);
    *ret = &c->pages[slot];
    return 0;
}

/* First of n entries of a point at or above `point`. */
static size_t first_entry(const struct index_entry *e, size_t n, uint32_t point)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e[mid].meta.point < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Entries of the page from a point on to fn; fn returns 1 to stop. */
static int each_in_page(struct seg *s, const struct index_page *pg, uint32_t point, struct codec *c, entry_fn *fn,
                        void *ctx)
{
    const struct codec_page *page;
    int rc = load_page(s, pg, c, &page);
    if (rc == ERR_CORRUPT) damaged(s, pg->at);
    if (rc) return rc;
    for (size_t i = first_entry(page->e, page->n, point); i < page->n && !rc; i++) rc = fn(ctx, &page->e[i]);
    return rc < 0 ? rc : 0;
}

static size_t first_page(const struct seg *s, uint32_t point)
{
    size_t lo = 0, hi = s->npages;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->pages[mid].last < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t first_found(const struct seg *s, uint32_t point)
{
    return first_entry(s->found, s->nfound, point);
}

struct pick {
    uint32_t point;
    int64_t from, to;
    struct arena *a;
    struct piece *p;
    size_t n, cap;
};

static int pick_room(struct pick *k)
{
    if (k->n < k->cap) return 0;
    size_t cap = k->cap ? k->cap * 2 : 8;
    struct piece *p = arena_alloc(k->a, cap * sizeof *p);
    if (!p) return ERR_NOMEM;
    if (k->n) memcpy(p, k->p, k->n * sizeof *p);
    k->p = p;
    k->cap = cap;
    return 0;
}

static int pick_entry(void *ctx, const struct index_entry *e)
{
    struct pick *k = ctx;
    const struct block_meta *m = &e->meta;
    if (m->point != k->point) return m->point > k->point;
    if (m->first_us > k->to) return 1;
    /* Everything that ended before `from` is replaced by the next that begins at or before it. */
    if (k->n && k->p[k->n - 1].t1 < k->from && m->first_us <= k->from) k->n--;
    if (pick_room(k)) return ERR_NOMEM;
    struct block_meta *copy = arena_alloc(k->a, sizeof *copy);
    if (!copy) return ERR_NOMEM;
    *copy = *m;
    k->p[k->n++] = (struct piece){.t0 = m->first_us, .t1 = m->last_us, .n = m->count, .meta = copy};
    return 0;
}

static int pick_pages(struct seg *s, struct pick *k, struct codec *c)
{
    for (size_t i = first_page(s, k->point); i < s->npages && s->pages[i].first <= k->point; i++) {
        const struct index_page *pg = &s->pages[i], *next = i + 1 < s->npages ? pg + 1 : NULL;
        bool alone = pg->first == k->point && pg->last == k->point;
        if (alone && pg->min_us > k->to) break;
        /* a page of this point only, all before `from`, with another such page behind it that begins in time */
        if (alone && pg->max_us < k->from && next && next->first == k->point && next->last == k->point &&
            next->min_us <= k->from)
            continue;
        int rc = each_in_page(s, pg, k->point, c, pick_entry, k);
        if (rc) return rc;
    }
    return 0;
}

static int pick_found(struct seg *s, struct pick *k)
{
    for (size_t i = first_found(s, k->point); i < s->nfound && s->found[i].meta.point == k->point; i++) {
        int rc = pick_entry(k, &s->found[i]);
        if (rc) return rc < 0 ? rc : 0;
    }
    return 0;
}

int seg_source(struct seg *s, uint32_t point, int64_t from, int64_t to, int64_t floor, struct arena *a,
               struct codec *codec, struct source *ret)
{
    int real = seg_real(&s);
    if (real) return real;
    struct pick k = {.point = point, .from = from, .to = to, .a = a};
    int rc = 0;
    if (!atomic_load(&s->salvaged)) {
        rc = pick_pages(s, &k, codec);
        if (rc == ERR_CORRUPT && (rc = salvage(s, false)) == 0) k.n = 0;
    }
    if (!rc && atomic_load(&s->salvaged)) {
        k.n = 0;
        rc = pick_found(s, &k);
    }
    if (rc) return rc;
    if (k.n == 0) return 0;
    *ret = (struct source){.prio = s->info.seq_hi * 2,
                           .floor = floor,
                           .pieces = k.p,
                           .n = k.n,
                           .decode = seg_decode,
                           .ctx = s,
                           .point = point};
    return 1;
}

/* ---- listing the points ---- */
struct list {
    struct seg_point *p;
    size_t n, cap;
};

static int list_entry(void *ctx, const struct index_entry *e)
{
    struct list *l = ctx;
    if (l->n && l->p[l->n - 1].point == e->meta.point) return 0;
    if (!mem_grow((void **)&l->p, &l->cap, l->n + 1, sizeof *l->p)) return ERR_NOMEM;
    l->p[l->n++] = (struct seg_point){e->meta.point, e->group};
    return 0;
}

static int by_group(const void *a, const void *b)
{
    const struct seg_point *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->point > y->point) - (x->point < y->point);
}

static int list_all(struct seg *s, struct codec *c, struct list *l)
{
    int rc = 0;
    l->n = 0;
    for (size_t i = 0; i < s->npages && !rc && !atomic_load(&s->salvaged); i++)
        rc = each_in_page(s, &s->pages[i], 0, c, list_entry, l);
    if (rc == ERR_CORRUPT) rc = salvage(s, false);
    if (rc || !atomic_load(&s->salvaged)) return rc;
    l->n = 0;
    for (size_t i = 0; i < s->nfound && !rc; i++) rc = list_entry(l, &s->found[i]);
    return rc;
}

int seg_points(struct seg *s, struct codec *codec, struct seg_point **ret, size_t *ret_n)
{
    int real = seg_real(&s);
    if (real) return real;
    struct list l = {0};
    int rc = list_all(s, codec, &l);
    if (rc) {
        mem_free(l.p);
        return rc;
    }
    if (l.n > 1) qsort(l.p, l.n, sizeof *l.p, by_group);
    *ret = l.p;
    *ret_n = l.n;
    return 0;
}

/* ---- all summaries ---- */
struct walk {
    seg_meta_fn *fn;
    void *ctx;
    uint32_t point; /* of the last entry that was given */
    int64_t first_us;
    int rc; /* of fn */
};

static int walk_entry(void *ctx, const struct index_entry *e)
{
    struct walk *k = ctx;
    const struct block_meta *m = &e->meta;
    if (m->point < k->point || (m->point == k->point && m->first_us <= k->first_us)) return 0;
    k->point = m->point;
    k->first_us = m->first_us;
    k->rc = k->fn(k->ctx, m);
    return k->rc != 0;
}

int seg_each_meta(struct seg *s, struct codec *codec, seg_meta_fn *fn, void *ctx)
{
    int real = seg_real(&s);
    if (real) return real;
    struct walk k = {.fn = fn, .ctx = ctx, .first_us = INT64_MIN};
    int rc = 0;
    for (size_t i = 0; i < s->npages && !rc && !k.rc && !atomic_load(&s->salvaged); i++)
        rc = each_in_page(s, &s->pages[i], 0, codec, walk_entry, &k);
    if (rc == ERR_CORRUPT) rc = salvage(s, false);
    if (rc || k.rc || !atomic_load(&s->salvaged)) return rc ? rc : k.rc;
    for (size_t i = first_found(s, k.point); i < s->nfound && !k.rc; i++) (void)walk_entry(&k, &s->found[i]);
    return k.rc;
}

/* ---- summaries of some points ---- */
struct of {
    const uint32_t *p;
    size_t n, at; /* at: the point that is looked for */
    int64_t from;
    seg_of_fn *fn;
    void *ctx;
};

static int walk_some(struct of *k, const struct index_entry *e, size_t n)
{
    for (size_t i = first_entry(e, n, k->p[k->at]); i < n && k->at < k->n;) {
        uint32_t point = e[i].meta.point;
        if (point < k->p[k->at]) {
            i++;
        } else if (point > k->p[k->at]) {
            k->at++;
        } else {
            int rc = k->fn(k->ctx, k->at, &e[i++].meta);
            if (rc < 0) return rc;
            k->at += rc;
        }
    }
    return 0;
}

/* Pages of one point that lie before what is asked, as in pick_pages. */
static bool page_before(const struct seg *s, size_t i, int64_t from)
{
    const struct index_page *pg = &s->pages[i], *next = pg + 1;
    return i + 1 < s->npages && pg->first == pg->last && pg->max_us < from && next->first == pg->first &&
           next->last == pg->first && next->min_us <= from;
}

static int walk_pages_of(struct seg *s, struct of *k, struct codec *c)
{
    int rc = 0;
    for (size_t i = first_page(s, k->p[0]); i < s->npages && !rc; i++) {
        const struct index_page *pg = &s->pages[i];
        const struct codec_page *page;
        while (k->at < k->n && k->p[k->at] < pg->first) k->at++;
        if (k->at == k->n) break;
        if (k->p[k->at] > pg->last || page_before(s, i, k->from)) continue;
        rc = load_page(s, pg, c, &page);
        if (rc == ERR_CORRUPT) damaged(s, pg->at);
        if (!rc) rc = walk_some(k, page->e, page->n);
    }
    return rc;
}

int seg_metas_of(struct seg *s, const uint32_t *p, size_t n, int64_t from, struct codec *codec, seg_of_fn *fn,
                 void *ctx)
{
    int real = seg_real(&s);
    struct of k = {.p = p, .n = n, .from = from, .fn = fn, .ctx = ctx};
    if (real || n == 0) return real;
    return atomic_load(&s->salvaged) ? walk_some(&k, s->found, s->nfound) : walk_pages_of(s, &k, codec);
}

static int widen(void *ctx, const struct block_meta *m)
{
    struct point_set *p = ctx;
    if (m->point < p->first) p->first = m->point;
    if (m->point > p->last) p->last = m->point;
    return 0;
}

static int set_bit(void *ctx, const struct block_meta *m)
{
    struct point_set *p = ctx;
    if (m->point >= p->first && m->point <= p->last)
        p->bits[(m->point - p->first) / 64] |= UINT64_C(1) << (m->point - p->first) % 64;
    return 0;
}

int seg_point_set(struct seg *s, struct codec *codec, const struct point_set **ret)
{
    struct point_set range = {.first = UINT32_MAX}, *p;
    int rc = s->points ? 0 : seg_each_meta(s, codec, widen, &range);
    if (rc) return rc;
    if (!s->points) {
        size_t words = range.first <= range.last ? (range.last - range.first) / 64 + 1 : 0;
        if (!(p = mem_calloc(1, sizeof *p + words * sizeof p->bits[0]))) return ERR_NOMEM;
        p->first = range.first;
        p->last = range.last;
        rc = seg_each_meta(s, codec, set_bit, p);
        if (rc) {
            mem_free(p);
            return rc;
        }
        s->points = p;
    }
    *ret = s->points;
    return 0;
}
