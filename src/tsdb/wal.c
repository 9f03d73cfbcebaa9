/* wal.c - see wal.h; the bytes are in wal_record.c.
 *
 * A log file is written by one process run only: after a start a new file is begun, so that a torn tail
 * is never continued. Of the records of a file all but the last were synced before the next was
 * written; so a broken record with a good one behind it cannot come from a crash and is damage. A clean
 * close writes an empty record, so that damage to the last record of a closed file shows too. */
#include "tsdb/wal.h"
#include "base/mem.h"

void wal_path(uint64_t number, char out[WAL_PATH_MAX])
{
    snprintf(out, WAL_PATH_MAX, "ts/wal-%016llx", (unsigned long long)number);
}

bool wal_name_parse(const char *name, uint64_t *ret_number)
{
    if (strncmp(name, "wal-", 4) != 0 || strlen(name) != 20) return false;
    uint64_t v = 0;
    for (const char *p = name + 4; *p; p++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *p);
        if (!d) return false;
        v = v << 4 | (uint64_t)(d - digits);
    }
    *ret_number = v;
    return true;
}

int wal_create(struct fs *fs, uint64_t number, struct wal *ret)
{
    char path[WAL_PATH_MAX];
    uint8_t head[WAL_HEAD];
    wal_path(number, path);
    wal_head_encode(number, head);
    struct wal w = {.number = number, .end = WAL_HEAD};
    int rc = fs_open(fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &w.f);
    if (rc) return rc;
    rc = fs_pwrite(w.f, head, sizeof head, 0);
    if (!rc) rc = fs_sync(w.f);
    if (!rc) rc = fs->ops->sync_dir(fs, "ts");
    if (rc) {
        fs_close(w.f);
        (void)fs->ops->remove(fs, path);
        return rc;
    }
    *ret = w;
    return 0;
}

void wal_finish(struct wal *w, int64_t wall_us)
{
    struct buf b;
    if (!w->f || w->failed || w->seq == 0) return;
    buf_init(&b, WAL_REC_HEAD + 8);
    wal_record_encode(&b, w->number, w->seq + 1, wall_us, NULL, 0);
    if (!b.err && fs_pwrite(w->f, b.p, b.n, w->end) == 0) (void)fs_sync(w->f);
    buf_fini(&b);
}

void wal_close(struct wal *w)
{
    fs_close(w->f);
    w->f = NULL;
}

int wal_append(struct wal *w, const void *rec, size_t n)
{
    if (w->failed || !w->f) return ERR_IO;
    int rc = fs_pwrite(w->f, rec, n, w->end);
    if (rc == ERR_DISK_FULL) { /* give the part that was written back; should that fail, the next record covers it */
        (void)w->f->ops->truncate(w->f, w->end);
        return rc;
    }
    if (!rc) rc = fs_sync(w->f);
    if (rc) {
        w->failed = true;
        return rc == ERR_DISK_FULL ? ERR_IO : rc;
    }
    w->end += (int64_t)n;
    w->seq++;
    return 0;
}

/* The file is read through a window that moves on from record to record, so that a start does not need
 * the whole log in memory. Only when something does not check is all that is left read in one piece. */
struct replay {
    struct fs_file *f;
    uint8_t *p; /* window */
    size_t n, cap, at;
    int64_t base, size; /* file offset of the window, size of the file */
    uint64_t number, seq;
    struct sample *samples;
    size_t cap_samples;
    struct wal_replayed *out;
};

#define WINDOW ((size_t)1 << 20)

/* Have at least `want` bytes in the window from r->at on, as far as the file reaches. */
static int window_fill(struct replay *r, size_t want)
{
    if (r->n - r->at >= want || r->base + (int64_t)r->n >= r->size) return 0;
    if (r->at) memmove(r->p, r->p + r->at, r->n - r->at);
    r->base += (int64_t)r->at;
    r->n -= r->at;
    r->at = 0;
    if (want < WINDOW) want = WINDOW;
    if ((int64_t)want > r->size - r->base) want = (size_t)(r->size - r->base);
    if (!mem_grow((void **)&r->p, &r->cap, want, 1)) return ERR_NOMEM;
    int64_t got = fs_pread(r->f, r->p + r->n, want - r->n, r->base + (int64_t)r->n);
    if (got < 0) return (int)got;
    r->n += (size_t)got;
    if (r->n < want) r->size = r->base + (int64_t)r->n;
    return 0;
}

/* The whole record at r->at, if its header tells its length truly, else all that is left. */
static int window_record(struct replay *r, struct wal_record *rec, bool *ret_good)
{
    int rc = window_fill(r, WAL_REC_HEAD);
    size_t left = (size_t)(r->size - r->base) - r->at, want = left;
    if (!rc && r->n - r->at >= WAL_REC_HEAD && wal_record_size(r->p + r->at) < left)
        want = wal_record_size(r->p + r->at);
    if (!rc) rc = window_fill(r, want);
    *ret_good = !rc && wal_record_parse(r->p + r->at, r->n - r->at, r->number, rec) && rec->seq > r->seq;
    return rc || *ret_good ? rc : window_fill(r, left);
}

static int replay_remove(struct replay *r, const struct wal_record *rec, wal_replay_fn *fn, void *ctx)
{
    struct wal_remove x;
    if (wal_record_decode_remove(rec, &x)) {
        r->out->damaged++;
        return 0;
    }
    r->out->records++;
    struct wal_op op = {.wall_us = rec->wall_us, .remove = &x};
    return fn(ctx, &op);
}

static int replay_one(struct replay *r, const struct wal_record *rec, wal_replay_fn *fn, void *ctx)
{
    if (rec->wall_us && !r->out->first_us) r->out->first_us = rec->wall_us;
    if (rec->wall_us) r->out->last_us = rec->wall_us;
    if (rec->removes) return replay_remove(r, rec, fn, ctx);
    if (!mem_grow((void **)&r->samples, &r->cap_samples, rec->samples, sizeof *r->samples)) return ERR_NOMEM;
    if (wal_record_decode(rec, r->samples)) { /* whole and signed, yet senseless */
        r->out->damaged++;
        return 0;
    }
    r->out->records += rec->samples > 0;
    r->out->samples += rec->samples;
    struct wal_op op = {.wall_us = rec->wall_us, .s = r->samples, .n = rec->samples};
    return rec->samples ? fn(ctx, &op) : 0;
}

static int replay_records(struct replay *r, wal_replay_fn *fn, void *ctx)
{
    while (r->base + (int64_t)r->at < r->size) {
        struct wal_record rec;
        bool good, first = r->base + (int64_t)r->at == WAL_HEAD;
        int rc = window_record(r, &rec, &good);
        if (rc) return rc;
        if (!good) { /* the window reaches to the end of the file now */
            size_t next = wal_record_find(r->p, r->n, r->at + 1, r->number, r->seq);
            r->out->torn = next >= r->n;
            r->out->damaged += next < r->n;
            r->at = next < r->n ? next : r->n;
            continue;
        }
        if (rec.seq != r->seq + 1 && first) r->out->damaged++;
        rc = replay_one(r, &rec, fn, ctx);
        if (rc) return rc;
        r->seq = rec.seq;
        r->at += rec.total;
    }
    return 0;
}

static int replay_file(struct replay *r, wal_replay_fn *fn, void *ctx)
{
    uint64_t found = 0;
    r->size = fs_size(r->f);
    if (r->size < 0) return (int)r->size;
    r->out->bytes = (uint64_t)r->size;
    int rc = window_fill(r, WAL_HEAD);
    if (rc) return rc;
    int head = wal_head_decode(r->p, r->n, &found);
    if (head == ERR_UNSUPPORTED) return head;
    r->at = r->n < WAL_HEAD ? r->n : WAL_HEAD;
    rc = replay_records(r, fn, ctx);
    /* A file whose header is wrong but whose records are good was damaged; without records it was being made. */
    if (!rc && (head == ERR_CORRUPT || found != r->number) && r->out->records) r->out->damaged++;
    return rc;
}

int wal_replay(struct fs *fs, uint64_t number, wal_replay_fn *fn, void *ctx, struct wal_replayed *ret)
{
    char path[WAL_PATH_MAX];
    struct replay r = {.number = number, .out = ret};
    *ret = (struct wal_replayed){0};
    wal_path(number, path);
    int rc = fs_open(fs, path, FS_READ, &r.f);
    if (rc) return rc;
    rc = replay_file(&r, fn, ctx);
    fs_close(r.f);
    mem_free(r.samples);
    mem_free(r.p);
    return rc;
}

int wal_times(struct fs *fs, const char *path, int64_t *ret_first, int64_t *ret_last)
{
    struct fs_file *f;
    uint8_t head[WAL_REC_HEAD + 8];
    int64_t first, got;
    *ret_first = *ret_last = 0;
    int rc = fs_open(fs, path, FS_READ, &f);
    if (rc) return rc;
    for (int64_t at = WAL_HEAD; (got = fs_pread(f, head, sizeof head, at)) >= WAL_REC_HEAD;) {
        if (!wal_record_time(head, (size_t)got, &first)) break;
        if (first && !*ret_first) *ret_first = first;
        if (first) *ret_last = first;
        at += (int64_t)wal_record_size(head);
    }
    fs_close(f);
    return got < 0 ? (int)got : 0;
}
