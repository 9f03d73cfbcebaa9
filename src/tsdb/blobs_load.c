/* blobs_load.c - the files of blobs at the start.
 *
 * A file with a footer is taken by it. One without was being added to when the process ended: its records are found by
 * their heads, what stands behind the last whole one (a put that was never acknowledged) is cut off, and it gets its
 * footer; one without records goes. A stretch between records that holds none is damage. Without a header that checks
 * the footer tells; without both the file is set aside as "bad-...", unless it is so short that nothing can ever have
 * been acknowledged from it. */
#include "tsdb/blobs.h"
#include "base/mem.h"
#include "tsdb/damage.h"

struct found {
    uint32_t *numbers;
    size_t n, cap;
    bool nomem;
};

static void note(void *ctx, const char *name, bool dir, int64_t size)
{
    struct found *f = ctx;
    uint32_t number;
    if (dir || f->nomem || !blob_name_parse(name, &number)) return;
    f->nomem = !mem_grow((void **)&f->numbers, &f->cap, f->n + 1, sizeof *f->numbers);
    if (!f->nomem) f->numbers[f->n++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* ---- a file that was being added to ---- */
struct scan {
    struct tsdb *db;
    struct blob_info *i;
    struct fs_file *f;
    int64_t gap, last; /* where a stretch without records begins, 0: none; the last record */
    struct blob_rec rec;
};

static int scan_record(void *ctx, int64_t at, int64_t bytes, const struct blob_rec *r)
{
    struct scan *s = ctx;
    struct blob_info *i = s->i;
    if (!r) {
        s->gap = at;
        return 0;
    }
    if (s->gap) blob_damage(s->db, i->number, s->gap, at - s->gap, NULL);
    s->gap = 0;
    s->last = at;
    s->rec = *r;
    i->end = at + bytes;
    i->records++;
    i->size += r->blob.size;
    if (r->blob.time_us < i->min_us) i->min_us = r->blob.time_us;
    if (r->blob.time_us > i->max_us) i->max_us = r->blob.time_us;
    return 0;
}

/* 0: the body of the last record is whole; ERR_CORRUPT: it is not. */
static int check_last(const struct scan *s)
{
    AUTO_FREE uint8_t *p = mem_alloc(s->rec.stored);
    if (!p) return ERR_NOMEM;
    int64_t got = fs_pread(s->f, p, s->rec.stored, s->last + s->rec.head);
    if (got < 0) return (int)got;
    return got < s->rec.stored ? ERR_CORRUPT : blob_body_decode(&s->rec, p, NULL);
}

static int scan_file(struct tsdb *db, struct fs_file *f, struct blob_info *i, int64_t end, bool again)
{
    struct blob_info empty = *i;
    struct scan s = {.db = db, .i = i, .f = f};
    int64_t at = BLOB_FILE_HEAD;
    empty.end = BLOB_FILE_HEAD;
    *i = empty;
    int rc = blob_walk(f, i, &at, end, scan_record, &s);
    if (!rc && i->records && !again) rc = check_last(&s);
    if (rc != ERR_CORRUPT) return rc;
    *i = empty; /* the last one is torn */
    return s.last > BLOB_FILE_HEAD ? scan_file(db, f, i, s.last, true) : 0;
}

/* Failing to write here is no loss: it is tried again at the next start. */
static void end_file(struct tsdb *db, const char *path, struct blob_info *i)
{
    uint8_t foot[BLOB_FILE_FOOT];
    struct fs_file *f = NULL;
    blob_foot_encode(i, foot);
    i->bytes = i->end;
    if (fs_open(db->fs, path, FS_READ | FS_WRITE, &f)) return;
    int rc = f->ops->truncate(f, i->end);
    if (!rc) rc = fs_pwrite(f, foot, sizeof foot, i->end);
    if (!rc) i->ended = true, i->bytes = i->end + BLOB_FILE_FOOT;
    fs_close(f);
}

/* ---- one file ---- */
static int read_ends(struct fs_file *f, int64_t size, uint8_t head[BLOB_FILE_HEAD], uint8_t foot[BLOB_FILE_FOOT])
{
    int64_t got = fs_pread(f, head, BLOB_FILE_HEAD, 0);
    if (got >= 0 && size >= BLOB_FILE_HEAD + BLOB_FILE_FOOT)
        got = fs_pread(f, foot, BLOB_FILE_FOOT, size - BLOB_FILE_FOOT);
    return got < 0 ? (int)got : 0;
}

static bool fits(const struct blob_info *i, uint32_t number, int64_t size)
{
    return i->number == number && (!i->ended || i->bytes == size);
}

/* ERR_CORRUPT: neither end tells what it is. */
static int identify(struct tsdb *db, struct fs_file *f, uint32_t number, int64_t size, struct blob_info *ret)
{
    uint8_t head[BLOB_FILE_HEAD] = {0}, foot[BLOB_FILE_FOOT] = {0};
    struct blob_info a, z;
    int rc = read_ends(f, size, head, foot);
    if (rc) return rc;
    int ra = blob_head_decode(head, sizeof head, &a), rz = blob_foot_decode(foot, sizeof foot, &z);
    if (ra == ERR_UNSUPPORTED || ra == ERR_NOMEM) return ra;
    if (!ra && !fits(&a, number, size)) ra = ERR_CORRUPT;
    if (!rz && (!fits(&z, number, size) || (!ra && z.uid != a.uid))) rz = ERR_CORRUPT;
    if (!rz) {
        if (ra) blob_damage(db, number, 0, BLOB_FILE_HEAD, NULL);
        *ret = z;
        return 0;
    }
    if (!ra) *ret = a;
    return ra ? ERR_CORRUPT : 0;
}

static int set_aside(struct tsdb *db, uint32_t number, int64_t size)
{
    char path[BLOB_PATH_MAX], bad[BLOB_PATH_MAX];
    blob_path(number, path);
    if (size <= BLOB_FILE_HEAD) { /* created, and no more */
        (void)db->fs->ops->remove(db->fs, path);
        return 0;
    }
    snprintf(bad, sizeof bad, BLOB_DIR "/bad-%08x", number);
    blob_damage(db, number, 0, size, NULL);
    return db->fs->ops->rename(db->fs, path, bad);
}

/* 1: there is nothing to keep of it. */
static int load(struct tsdb *db, uint32_t number, struct blob_info *ret)
{
    char path[BLOB_PATH_MAX];
    struct fs_file *f = NULL;
    blob_path(number, path);
    int rc = fs_open(db->fs, path, FS_READ, &f);
    if (rc) return rc;
    int64_t size = fs_size(f);
    rc = size < 0 ? (int)size : identify(db, f, number, size, ret);
    bool growing = !rc && !ret->ended;
    if (growing) rc = scan_file(db, f, ret, size, false);
    fs_close(f);
    if (rc == ERR_CORRUPT && !growing) rc = set_aside(db, number, size) ? ERR_IO : 1;
    if (!rc && !ret->records) {
        (void)db->fs->ops->remove(db->fs, path);
        return 1;
    }
    if (growing && !rc) end_file(db, path, ret);
    return rc;
}

static int add(struct tsdb *db, struct blobs *b, uint32_t number)
{
    struct blob_info i = {0};
    int rc = load(db, number, &i);
    b->last = number;
    if (rc) return rc == 1 ? 0 : rc;
    struct blob_file *f = mem_calloc(1, sizeof *f);
    if (!f || !mem_grow((void **)&b->files, &b->cap, b->n + 1, sizeof *b->files)) {
        mem_free(f);
        return ERR_NOMEM;
    }
    atomic_init(&f->refs, 1);
    f->fs = db->fs;
    f->i = i;
    b->files[b->n++] = f;
    return 0;
}

int blobs_load(struct tsdb *db, struct blobs *b, struct error *e)
{
    struct found f = {0};
    int rc = db->fs->ops->list(db->fs, BLOB_DIR, note, &f);
    if (rc == ERR_NOT_FOUND) return 0;
    if (!rc && f.nomem) rc = ERR_NOMEM;
    if (f.n > 1) qsort(f.numbers, f.n, sizeof *f.numbers, by_number);
    for (size_t i = 0; i < f.n && !rc; i++) {
        char path[BLOB_PATH_MAX];
        blob_path(f.numbers[i], path);
        rc = add(db, b, f.numbers[i]);
        if (rc) error_set(e, rc, path, "%s cannot be opened: %s", "%s 无法打开：%s", path, error_title(rc));
    }
    mem_free(f.numbers);
    return rc;
}
