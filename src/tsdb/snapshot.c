/* snapshot.c - a consistent picture of the store while it goes on.
 *
 * What is in memory is sealed first; then the view is held, and with it the open files of its segments,
 * which stay readable when a merge removes their names. The strings file only grows: its prefix of this
 * moment is part of the picture. Files of blobs that are being added to are ended first, so that each is what it will
 * always be, but for short ones, of which there would be too many: of these, too, the prefix of this moment counts. One
 * that expires meanwhile stays until the picture has been read. A small file that is replaced as a whole
 * stays readable as it was, too. The identity of a file is what its content hangs on: the random uid and the size of a
 * segment or a file of rollups or blobs, the size and the checksum of the others. Threads: any; `work` is held while
 * the picture is taken, not while it is read. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "tsdb/blobs.h"
#include "tsdb/delete.h"
#include "tsdb/roll.h"

#define CHUNK ((size_t)256 << 10)
#define NO_CLASS 255

struct part { /* where the bytes of a file come from: one of the three */
    struct seg *seg;
    struct fs_file *f;
    struct blob_file *blobs; /* opened to be read: there may be many */
};
struct snap {
    struct ts_snapshot base; /* first */
    struct view *view;
    struct ts_snapshot_file *files;
    struct part *parts;
    size_t n, cap_files, cap_parts;
};

static int64_t read_blobs(const struct blob_file *file, void *out, size_t n, int64_t at)
{
    struct fs_file *f = NULL;
    int rc = blob_file_open(file, &f);
    if (rc) return rc;
    int64_t got = fs_pread(f, out, n, at);
    fs_close(f);
    return got;
}

static void part_close(const struct part *p)
{
    fs_close(p->f);
    blob_file_unref(p->blobs);
}

static int64_t part_read(const struct part *p, int64_t bytes, void *out, size_t n, int64_t at)
{
    if (at < 0) return ERR_INVALID;
    if (at >= bytes) return 0;
    if ((int64_t)n > bytes - at) n = (size_t)(bytes - at);
    if (p->seg) return seg_read(p->seg, out, n, at);
    if (p->blobs) return read_blobs(p->blobs, out, n, at);
    return fs_pread(p->f, out, n, at);
}

static int64_t snap_read(struct ts_snapshot *base, size_t file, void *p, size_t n, int64_t at)
{
    const struct snap *s = (const struct snap *)base;
    return file < s->n ? part_read(&s->parts[file], s->files[file].bytes, p, n, at) : ERR_NOT_FOUND;
}

static void snap_end(struct ts_snapshot *base)
{
    struct snap *s = (struct snap *)base;
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) part_close(&s->parts[i]);
    view_put(s->view);
    mem_free(s->files);
    mem_free(s->parts);
    mem_free(s);
}

static const struct ts_snapshot_ops snap_ops = {.read = snap_read, .end = snap_end};

/* ---- gathering ---- */
/* Takes the part, also when it fails. */
static int add(struct snap *s, const char *name, struct part part, int64_t bytes, struct ts_snapshot_file **ret)
{
    if (!mem_grow((void **)&s->files, &s->cap_files, s->n + 1, sizeof *s->files) ||
        !mem_grow((void **)&s->parts, &s->cap_parts, s->n + 1, sizeof *s->parts)) {
        part_close(&part);
        return ERR_NOMEM;
    }
    *ret = &s->files[s->n];
    **ret = (struct ts_snapshot_file){.bytes = bytes, .class_id = NO_CLASS};
    snprintf((*ret)->name, sizeof(*ret)->name, "%s", name);
    s->parts[s->n++] = part;
    return 0;
}

static int add_seg(struct snap *s, struct seg *seg)
{
    const struct seg_info *i = seg_info(seg);
    struct ts_snapshot_file *f;
    char path[SEG_PATH_MAX];
    seg_path(i, path);
    int rc = add(s, path, (struct part){.seg = seg}, i->file_bytes, &f);
    if (rc) return rc;
    snprintf(f->id, sizeof f->id, "%016llx%016llx", (unsigned long long)i->uid, (unsigned long long)i->file_bytes);
    f->class_id = i->class_id;
    f->place = i->place;
    f->oldest_us = i->min_us;
    f->newest_us = i->max_us;
    s->base.samples += i->samples;
    return 0;
}

/* Identity by size and checksum of all bytes. */
static int sum_up(const struct part *p, struct ts_snapshot_file *f)
{
    uint8_t *tmp = mem_alloc(CHUNK);
    uint32_t crc = 0;
    int64_t got = tmp ? 1 : ERR_NOMEM;
    for (int64_t at = 0; at < f->bytes && got > 0; at += got) {
        got = part_read(p, f->bytes, tmp, CHUNK, at);
        if (got > 0) crc = crc32c(crc, tmp, (size_t)got);
    }
    mem_free(tmp);
    if (got < 0) return (int)got;
    snprintf(f->id, sizeof f->id, "%08x%016llx", crc, (unsigned long long)f->bytes);
    return got == 0 && f->bytes ? ERR_CORRUPT : 0;
}

/* The first `bytes` of a file that only grows, or (-1) all of an immutable one. */
static int add_file(struct tsdb *db, struct snap *s, const char *path, int64_t bytes)
{
    struct part p = {0};
    struct ts_snapshot_file *f;
    int rc = fs_open(db->fs, path, FS_READ, &p.f);
    if (rc) return rc;
    if (bytes < 0) bytes = fs_size(p.f);
    if (bytes < 0) {
        fs_close(p.f);
        return (int)bytes;
    }
    rc = add(s, path, p, bytes, &f);
    return rc ? rc : sum_up(&s->parts[s->n - 1], f);
}

/* Those of the view; what is broken is made again where it is missing. */
static int add_rollups(struct tsdb *db, struct snap *s)
{
    for (size_t i = 0; i < s->view->nrolls; i++) {
        const struct roll_info *r = roll_info(s->view->rolls[i]);
        struct ts_snapshot_file *f;
        struct part p = {0};
        char path[ROLL_PATH_MAX];
        if (roll_broken(s->view->rolls[i])) continue;
        roll_path(r, path);
        int rc = fs_open(db->fs, path, FS_READ, &p.f);
        if (!rc) rc = add(s, path, p, r->file_bytes, &f);
        if (rc) return rc;
        snprintf(f->id, sizeof f->id, "%016llx%016llx", (unsigned long long)r->uid, (unsigned long long)r->file_bytes);
        f->oldest_us = r->min_us;
        f->newest_us = r->max_us;
    }
    return 0;
}

static int add_blobs(struct tsdb *db, struct snap *s)
{
    struct blob_pick *p = NULL;
    size_t n = 0;
    blobs_end(db, BLOB_FILE_LEAST);
    int rc = blobs_pick(db, &p, &n);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct blob_info *b = &p[i].i;
        struct ts_snapshot_file *f;
        char path[BLOB_PATH_MAX];
        if (b->records == 0) continue;
        blob_path(b->number, path);
        rc = add(s, path, (struct part){.blobs = TAKE(p[i].file)}, b->bytes, &f);
        if (rc) break;
        snprintf(f->id, sizeof f->id, "%016llx%016llx", (unsigned long long)b->uid, (unsigned long long)b->bytes);
        f->class_id = b->class_id;
        f->oldest_us = b->min_us;
        f->newest_us = b->max_us;
    }
    blobs_unpick(p, n);
    return rc;
}

static int take(struct tsdb *db, struct snap *s)
{
    int rc = seal_all(db);
    if (rc) return rc;
    s->view = view_get(db);
    s->base.log = head_number(s->view->heads[s->view->nheads - 1]) - 1;
    for (size_t i = 0; i < s->view->nsegs && !rc; i++) rc = add_seg(s, s->view->segs[i]);
    if (!rc) rc = add_file(db, s, "ts/strings", strings_size(db->strings));
    if (!rc) rc = add_rollups(db, s);
    if (!rc) rc = add_blobs(db, s);
    if (!rc) rc = tombs_save(db);
    if (!rc && db->keep.tombs) rc = add_file(db, s, "ts/deleted", -1);
    return rc;
}

int db_snapshot(struct ts_store *st, struct ts_snapshot **ret, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct snap *s = mem_calloc(1, sizeof *s);
    int rc = s ? 0 : ERR_NOMEM;
    pthread_mutex_lock(&db->work);
    if (!rc) rc = take(db, s);
    pthread_mutex_unlock(&db->work);
    if (rc) {
        if (s) snap_end(&s->base);
        return error_set(e, rc, "ts", "no snapshot: %s", "无法生成快照：%s", error_title(rc));
    }
    s->base.ops = &snap_ops;
    s->base.files = s->files;
    s->base.nfiles = s->n;
    *ret = &s->base;
    return 0;
}
