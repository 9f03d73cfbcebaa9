/* roll_file.c - see roll_file.h.
 *
 * Frames are those of segments (seg_format.h), pages those of a segment's index (seg_page.h), with cells in the place
 * of blocks: offset and length 0. A page holds cells of one level. What a page tells is believed only when its frame
 * checks; a file with a page that does not is broken as a whole: it might hide that an older cell is not right any
 * more. */
#include "tsdb/roll_file.h"
#include "tsdb/frame_out.h"
#include <stdatomic.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "tsdb/seg_page.h"

#define ROLL_VERSION 2
#define ROLL_HEAD 32
#define ROLL_FOOT 256
#define FOOT_WORDS 11

struct roll_dir {
    struct index_page pg;
    unsigned level;
};
struct roll {
    atomic_int refs;
    atomic_bool broken;
    struct fs_file *f;
    struct roll_info info;
    struct roll_dir *dir;             /* by level, point, time */
    size_t ndir, at[ROLL_LEVELS + 1]; /* where each level begins */
};

/* ---- names ---- */
void roll_path(const struct roll_info *i, char out[ROLL_PATH_MAX])
{
    snprintf(out, ROLL_PATH_MAX, "ts/roll-%016llx-%016llx-%08x", (unsigned long long)i->lo, (unsigned long long)i->hi,
             i->gen);
}

bool roll_name_parse(const char *name, struct roll_info *ret)
{
    unsigned long long lo, hi;
    unsigned gen;
    int end = 0;
    if (strlen(name) != 47 || strspn(name + 5, "0123456789abcdef-") != 42) return false;
    if (sscanf(name, "roll-%16llx-%16llx-%8x%n", &lo, &hi, &gen, &end) != 3 || end != 47 || lo > hi) return false;
    *ret = (struct roll_info){.lo = lo, .hi = hi, .gen = gen};
    return true;
}

/* ---- header, footer, directory ---- */
static void put_begin(uint8_t *p, const char *magic, const struct roll_info *i)
{
    memcpy(p, magic, 8);
    put_u32(p + 8, ROLL_VERSION);
    put_u32(p + 12, i->gen);
    put_u64(p + 16, i->uid);
}

static int check_begin(const uint8_t *p, size_t n, const char *magic)
{
    if (memcmp(p, magic, 8) != 0 || load_u32(p + n - 4) != crc32c(0, p, n - 4)) return ERR_CORRUPT;
    uint32_t version = load_u32(p + 8); /* the first had no halves of hours */
    return version >= 1 && version <= ROLL_VERSION ? 0 : ERR_UNSUPPORTED;
}

/* How a level is called in a directory; halves came later. */
static const uint8_t level_names[ROLL_LEVELS] = {[ROLL_MINUTE] = 0, [ROLL_HOUR] = 1, [ROLL_THIRD] = 2, [ROLL_HALF] = 3};

struct place {
    uint64_t at;
    uint32_t len;
};

static void put_foot(uint8_t out[ROLL_FOOT], const struct roll_info *i, struct place dir)
{
    const uint64_t words[FOOT_WORDS] = {
        i->lo,
        i->hi,
        i->rolled,
        i->since,
        i->cells,
        (uint64_t)i->file_bytes,
        (uint64_t)i->min_us,
        (uint64_t)i->max_us,
        dir.at,
        dir.len,
        i->known,
    };
    memset(out, 0, ROLL_FOOT);
    put_begin(out, "BNTSRFOT", i);
    for (size_t k = 0; k < FOOT_WORDS; k++) put_u64(out + 24 + 8 * k, words[k]);
    for (size_t k = 0; k < TS_CLASSES; k++) put_u64(out + 24 + 8 * (FOOT_WORDS + k), (uint64_t)i->floor[k]);
    put_u32(out + ROLL_FOOT - 4, crc32c(0, out, ROLL_FOOT - 4));
}

static int get_foot(const uint8_t *p, struct roll_info *i, struct place *dir)
{
    uint64_t words[FOOT_WORDS + TS_CLASSES];
    int rc = check_begin(p, ROLL_FOOT, "BNTSRFOT");
    if (rc) return rc;
    for (size_t k = 0; k < FOOT_WORDS + TS_CLASSES; k++) words[k] = load_u64(p + 24 + 8 * k);
    *i = (struct roll_info){.gen = load_u32(p + 12),
                            .uid = load_u64(p + 16),
                            .lo = words[0],
                            .hi = words[1],
                            .rolled = words[2],
                            .since = words[3],
                            .cells = words[4],
                            .file_bytes = (int64_t)words[5],
                            .min_us = (int64_t)words[6],
                            .max_us = (int64_t)words[7],
                            .known = (uint32_t)words[10]};
    for (size_t k = 0; k < TS_CLASSES; k++) i->floor[k] = (int64_t)words[FOOT_WORDS + k];
    *dir = (struct place){words[8], (uint32_t)words[9]};
    return words[9] <= FRAME_MAX ? 0 : ERR_CORRUPT;
}

static int by_place(const void *a, const void *b)
{
    const struct roll_dir *x = a, *y = b;
    if (x->level != y->level) return x->level < y->level ? -1 : 1;
    return (x->pg.at > y->pg.at) - (x->pg.at < y->pg.at);
}

static void put_dir(struct buf *b, const struct roll_dir *d, size_t n)
{
    uint8_t *start = buf_space(b, 16 + n * 64), *o = start;
    if (!o) return;
    o = put_varint(o, n);
    for (size_t i = 0; i < n; i++) {
        o = put_varint(o, level_names[d[i].level]);
        o = put_varint(o, d[i].pg.first);
        o = put_varint(o, d[i].pg.last);
        o = put_varint(o, d[i].pg.at);
        o = put_varint(o, d[i].pg.len);
        o = put_zigzag(o, d[i].pg.min_us);
        o = put_zigzag(o, d[i].pg.max_us);
    }
    b->n += (size_t)(o - start);
}

static bool get_dir_row(struct in *in, uint64_t file_bytes, struct roll_dir *d)
{
    size_t name = in_count(in, ROLL_LEVELS - 1);
    for (d->level = 0; level_names[d->level] != name;) d->level++;
    d->pg.first = (uint32_t)in_count(in, UINT32_MAX);
    d->pg.last = (uint32_t)in_count(in, UINT32_MAX);
    d->pg.at = in_varint(in);
    d->pg.len = (uint32_t)in_count(in, FRAME_MAX + FRAME_HEAD);
    d->pg.min_us = in_zigzag(in);
    d->pg.max_us = in_zigzag(in);
    return !in->bad && d->pg.first <= d->pg.last && d->pg.at <= file_bytes && d->pg.len <= file_bytes - d->pg.at;
}

static int get_dir(struct in *in, struct roll *r)
{
    size_t n = in_count(in, in_left(in) / 7);
    if (!(r->dir = mem_alloc(n * sizeof *r->dir))) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct roll_dir *d = &r->dir[i];
        if (!get_dir_row(in, (uint64_t)r->info.file_bytes, d)) return ERR_CORRUPT;
        if (i && (d->level < d[-1].level || (d->level == d[-1].level && d->pg.first < d[-1].pg.last)))
            return ERR_CORRUPT;
    }
    if (in->bad || in_left(in)) return ERR_CORRUPT;
    r->ndir = n;
    for (unsigned level = 0, i = 0; level <= ROLL_LEVELS; level++) {
        while (i < n && r->dir[i].level < level) i++;
        r->at[level] = i;
    }
    return 0;
}

/* ---- opening ---- */
static int read_frame(struct roll *r, uint64_t at, size_t len, int kind, struct codec *c, struct in *ret)
{
    uint8_t *p = codec_io(c, len);
    if (!p) return ERR_NOMEM;
    int64_t got = fs_pread(r->f, p, len, (int64_t)at);
    if (got < 0) return (int)got;
    return frame_check(p, (size_t)got, r->info.uid, at, ret) == kind ? 0 : ERR_CORRUPT;
}

static int read_dir(struct roll *r, struct place dir)
{
    struct codec *c = codec_new(1);
    uint8_t *raw = NULL;
    size_t n = 0;
    struct in in;
    int rc = c ? 0 : ERR_NOMEM;
    uint64_t size = (uint64_t)r->info.file_bytes;
    if (!rc && (dir.at > size || dir.len > size - dir.at)) rc = ERR_CORRUPT;
    if (!rc) rc = read_frame(r, dir.at, dir.len, FRAME_DIR, c, &in);
    if (!rc) rc = unzip(&in, FRAME_MAX, c->d, &raw, &n);
    if (!rc) {
        struct in d = in_make(raw, n);
        rc = get_dir(&d, r);
    }
    mem_free(raw);
    codec_free(c);
    return rc;
}

static int open_file(struct roll *r)
{
    uint8_t foot[ROLL_FOOT];
    struct place dir;
    int64_t size = fs_size(r->f);
    if (size < 0) return (int)size;
    if (size < ROLL_HEAD + ROLL_FOOT) return ERR_CORRUPT;
    int64_t got = fs_pread(r->f, foot, ROLL_FOOT, size - ROLL_FOOT);
    if (got < 0) return (int)got;
    int rc = got == ROLL_FOOT ? get_foot(foot, &r->info, &dir) : ERR_CORRUPT;
    if (!rc && r->info.file_bytes != size) rc = ERR_CORRUPT;
    return rc ? rc : read_dir(r, dir);
}

int roll_open(struct fs *fs, const char *path, struct roll **ret)
{
    struct roll *r = mem_calloc(1, sizeof *r);
    if (!r) return ERR_NOMEM;
    atomic_init(&r->refs, 1);
    int rc = fs_open(fs, path, FS_READ, &r->f);
    if (!rc) rc = open_file(r);
    if (rc) {
        roll_unref(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct roll *roll_ref(struct roll *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void roll_unref(struct roll *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1) return;
    fs_close(r->f);
    mem_free(r->dir);
    mem_free(r);
}

const struct roll_info *roll_info(const struct roll *r)
{
    return &r->info;
}

bool roll_broken(const struct roll *r)
{
    return atomic_load(&r->broken);
}

/* ---- reading ---- */
static int load_page(struct roll *r, const struct roll_dir *d, struct codec *c, struct index_entry **ret, size_t *ret_n)
{
    struct in in;
    int rc = read_frame(r, d->pg.at, d->pg.len, FRAME_PAGE, c, &in);
    if (!rc) rc = seg_page_decode(&in, c, ret, ret_n);
    if (rc == ERR_CORRUPT) atomic_store(&r->broken, true);
    return rc;
}

/* The same, kept in the codec. */
static int kept_page(struct roll *r, const struct roll_dir *d, struct codec *c, const struct codec_page **ret)
{
    bool hit;
    unsigned slot = codec_slot(c, KEPT_PAGES, r->info.uid, d->pg.at, &hit);
    struct index_entry *e = NULL;
    size_t n = 0;
    int rc = hit ? 0 : load_page(r, d, c, &e, &n);
    if (rc) return rc;
    *ret = &c->pages[slot];
    if (hit) return 0;
    mem_free(c->pages[slot].e);
    c->pages[slot] = (struct codec_page){e, n};
    codec_keep(c, KEPT_PAGES, slot, r->info.uid, d->pg.at);
    return 0;
}

static size_t first_page(const struct roll *r, unsigned level, uint32_t point)
{
    size_t lo = r->at[level], hi = r->at[level + 1];
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->dir[mid].pg.last < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t first_entry(const struct codec_page *k, uint32_t point, int64_t from)
{
    size_t lo = 0, hi = k->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct block_meta *m = &k->e[mid].meta;
        if (m->point < point || (m->point == point && m->first_us < from))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The first page from i on that does not hold only cells of the point that begin before `from`. */
static size_t skip_before(const struct roll *r, unsigned level, size_t i, uint32_t point, int64_t from)
{
    size_t hi = r->at[level + 1];
    while (i < hi) {
        size_t mid = i + (hi - i) / 2;
        const struct index_page *pg = &r->dir[mid].pg;
        if (pg->first == point && pg->last == point && pg->max_us < from)
            i = mid + 1;
        else
            hi = mid;
    }
    return i;
}

int roll_cells(struct roll *r, unsigned level, uint32_t point, int64_t from, int64_t to, struct codec *c,
               roll_cell_fn *fn, void *ctx)
{
    size_t end = r->at[level + 1], i = first_page(r, level, point);
    if (i < end && r->dir[i].pg.first == point) i = skip_before(r, level, i, point, from);
    for (size_t next; i < end && r->dir[i].pg.first <= point; i = next) {
        const struct index_page *pg = &r->dir[i].pg;
        const struct codec_page *k = NULL;
        if (pg->first == point && pg->last == point && pg->min_us >= to) break;
        next = pg->first < point ? skip_before(r, level, i + 1, point, from) : i + 1;
        if (pg->max_us < from || pg->min_us >= to) continue;
        int rc = kept_page(r, &r->dir[i], c, &k);
        for (size_t e = rc ? 0 : first_entry(k, point, from); !rc && e < k->n; e++) {
            const struct block_meta *m = &k->e[e].meta;
            if (m->point != point || m->first_us >= to) break;
            rc = fn(ctx, m);
        }
        if (rc) return rc;
    }
    return 0;
}

size_t roll_page_count(const struct roll *r, unsigned level)
{
    return r->at[level + 1] - r->at[level];
}

int roll_page(struct roll *r, unsigned level, size_t page, struct codec *c, struct index_entry **ret_e, size_t *ret_n)
{
    return load_page(r, &r->dir[r->at[level] + page], c, ret_e, ret_n);
}

/* ---- scrubbing ---- */
static int check_ends(struct roll *r, roll_damage_fn *fn, void *ctx)
{
    struct roll again = {.f = r->f};
    uint8_t head[ROLL_HEAD];
    int64_t got = fs_pread(r->f, head, ROLL_HEAD, 0);
    if (got < 0) return (int)got;
    bool begins = got == ROLL_HEAD && !check_begin(head, ROLL_HEAD, "BNTSROL1") && load_u64(head + 16) == r->info.uid;
    int rc = open_file(&again);
    bool ends = !rc && again.info.uid == r->info.uid;
    mem_free(again.dir);
    if (rc && rc != ERR_CORRUPT && rc != ERR_UNSUPPORTED) return rc;
    if (!begins) fn(ctx, &r->info, 0, NULL);
    if (!ends) fn(ctx, &r->info, (uint64_t)r->info.file_bytes - ROLL_FOOT, NULL);
    if (!begins || !ends) atomic_store(&r->broken, true);
    return 0;
}

static int check_page(struct roll *r, const struct roll_dir *d, struct codec *c, roll_damage_fn *fn, void *ctx)
{
    struct index_entry *e = NULL;
    size_t n;
    int rc = load_page(r, d, c, &e, &n);
    mem_free(e);
    if (rc == ERR_CORRUPT) fn(ctx, &r->info, d->pg.at, &d->pg);
    return rc == ERR_CORRUPT ? 0 : rc;
}

int roll_scrub(struct roll *r, uint64_t *at, uint64_t max_bytes, struct codec *c, uint64_t *ret_bytes,
               roll_damage_fn *fn, void *ctx)
{
    uint64_t pages = 0, done = 0;
    for (size_t i = 0; i < r->ndir; i++) pages += r->dir[i].pg.len;
    while (done < max_bytes && *at <= r->ndir) {
        int rc = *at ? check_page(r, &r->dir[*at - 1], c, fn, ctx) : check_ends(r, fn, ctx);
        if (rc) return rc;
        uint64_t n = *at ? r->dir[*at - 1].pg.len : (uint64_t)r->info.file_bytes - pages;
        ++*at;
        done += n;
        *ret_bytes += n;
    }
    return *at <= r->ndir;
}

/* ---- writing ---- */
struct open_page {
    struct index_entry e[PAGE_ENTRIES];
    size_t n;
};
struct roll_write {
    struct fs *fs;
    struct frame_out o;
    struct roll_info info;
    struct codec *c;
    char path[ROLL_PATH_MAX], tmp[ROLL_PATH_MAX + 8];
    struct roll_dir *dir;
    size_t ndir, cap_dir;
    struct open_page page[ROLL_LEVELS];
};

static void write_free(struct roll_write *w)
{
    frame_out_fini(&w->o);
    mem_free(w->dir);
    mem_free(w);
}

int roll_write_begin(struct fs *fs, const struct roll_info *i, struct codec *codec, struct roll_write **ret)
{
    uint8_t head[ROLL_HEAD] = {0};
    struct roll_write *w = mem_calloc(1, sizeof *w);
    if (!w) return ERR_NOMEM;
    w->fs = fs;
    w->info = *i;
    w->info.min_us = INT64_MAX;
    w->info.max_us = INT64_MIN;
    w->info.cells = 0;
    w->c = codec;
    frame_out_init(&w->o);
    roll_path(i, w->path);
    snprintf(w->tmp, sizeof w->tmp, "%s.new", w->path);
    put_begin(head, "BNTSROL1", i);
    put_u32(head + ROLL_HEAD - 4, crc32c(0, head, ROLL_HEAD - 4));
    buf_add(&w->o.out, head, sizeof head);
    int rc = fs_open(fs, w->tmp, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &w->o.f);
    if (rc) {
        write_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void roll_write_abort(struct roll_write *w)
{
    if (!w) return;
    (void)w->fs->ops->remove(w->fs, w->tmp);
    write_free(w);
}

static int close_page(struct roll_write *w, unsigned level)
{
    struct open_page *p = &w->page[level];
    struct roll_dir d = {.level = level, .pg = {.min_us = INT64_MAX, .max_us = INT64_MIN}};
    if (p->n == 0) return 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->e[i].meta.first_us < d.pg.min_us) d.pg.min_us = p->e[i].meta.first_us;
        if (p->e[i].meta.first_us > d.pg.max_us) d.pg.max_us = p->e[i].meta.first_us;
    }
    if (d.pg.min_us < w->info.min_us) w->info.min_us = d.pg.min_us;
    if (d.pg.max_us > w->info.max_us) w->info.max_us = d.pg.max_us;
    d.pg.first = p->e[0].meta.point;
    d.pg.last = p->e[p->n - 1].meta.point;
    seg_page_encode(&w->o.payload, p->e, p->n, w->c);
    p->n = 0;
    int rc = frame_out_put(&w->o, FRAME_PAGE, w->info.uid, &d.pg.at, &d.pg.len);
    if (!rc && !mem_grow((void **)&w->dir, &w->cap_dir, w->ndir + 1, sizeof *w->dir)) rc = ERR_NOMEM;
    if (rc) return rc;
    w->dir[w->ndir++] = d;
    return 0;
}

int roll_write_cell(struct roll_write *w, unsigned level, const struct block_meta *m)
{
    struct open_page *p = &w->page[level];
    int rc = p->n == PAGE_ENTRIES ? close_page(w, level) : 0;
    if (rc) return rc;
    p->e[p->n] = (struct index_entry){.meta = *m};
    p->e[p->n].meta.offset = 0;
    p->e[p->n++].meta.len = 0;
    w->info.cells++;
    return 0;
}

static int write_tail(struct roll_write *w)
{
    struct buf raw;
    struct place dir;
    uint8_t foot[ROLL_FOOT];
    for (unsigned level = 0; level < ROLL_LEVELS; level++) {
        int rc = close_page(w, level);
        if (rc) return rc;
    }
    if (w->ndir > 1) qsort(w->dir, w->ndir, sizeof *w->dir, by_place);
    buf_init(&raw, FRAME_MAX);
    put_dir(&raw, w->dir, w->ndir);
    int rc = raw.err;
    if (!rc) zip(&w->o.payload, raw.p, raw.n, w->c->c);
    buf_fini(&raw);
    if (!rc) rc = frame_out_put(&w->o, FRAME_DIR, w->info.uid, &dir.at, &dir.len);
    if (rc) return rc;
    w->info.file_bytes = (int64_t)(frame_out_offset(&w->o) + ROLL_FOOT);
    put_foot(foot, &w->info, dir);
    buf_add(&w->o.out, foot, sizeof foot);
    return frame_out_flush(&w->o, 0);
}

int roll_write_finish(struct roll_write *w)
{
    int rc = write_tail(w);
    if (!rc) rc = fs_sync(w->o.f);
    if (!rc) rc = w->fs->ops->rename(w->fs, w->tmp, w->path);
    if (rc) {
        roll_write_abort(w);
        return rc;
    }
    rc = w->fs->ops->sync_dir(w->fs, "ts");
    if (rc) (void)w->fs->ops->remove(w->fs, w->path);
    write_free(w);
    return rc;
}
