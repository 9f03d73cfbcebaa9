/* wal.c - see wal.h; the bytes are in wal_record.c.
 *
 * A log file is written by one process run only: after a start a new file is begun, so that a torn tail
 * is never continued. Of the records of a file all but the last were synced before the next was
 * written; so a broken record with a good one behind it cannot come from a crash and is damage. A clean
 * close writes an empty record, so that damage to the last record of a closed file shows too. */
#include "tsdb/wal.h"
#include "base/mem.h"

#define WAL_FILE_MAX (INT64_C(4) << 30)

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

void wal_finish(struct wal *w)
{
    struct buf b;
    if (!w->f || w->failed || w->seq == 0) return;
    buf_init(&b, WAL_REC_HEAD);
    wal_record_encode(&b, w->number, w->seq + 1, NULL, 0);
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

struct replay {
    const uint8_t *p;
    size_t n, at;
    uint64_t number, seq;
    struct sample *samples;
    size_t cap;
    struct wal_replayed *out;
};

static int replay_one(struct replay *r, const struct wal_record *rec, wal_replay_fn *fn, void *ctx)
{
    if (!mem_grow((void **)&r->samples, &r->cap, rec->samples, sizeof *r->samples)) return ERR_NOMEM;
    if (wal_record_decode(rec, r->samples)) { /* whole and signed, yet senseless */
        r->out->damaged++;
        return 0;
    }
    r->out->records += rec->samples > 0;
    r->out->samples += rec->samples;
    return rec->samples ? fn(ctx, r->samples, rec->samples) : 0;
}

static int replay_records(struct replay *r, wal_replay_fn *fn, void *ctx)
{
    while (r->at < r->n) {
        struct wal_record rec;
        bool good = wal_record_parse(r->p + r->at, r->n - r->at, r->number, &rec) && rec.seq > r->seq;
        if (!good) {
            size_t next = wal_record_find(r->p, r->n, r->at + 1, r->number, r->seq);
            r->out->torn = next == r->n;
            r->at = next;
            if (next < r->n) r->out->damaged++;
            continue;
        }
        if (rec.seq != r->seq + 1 && r->at == WAL_HEAD) r->out->damaged++;
        int rc = replay_one(r, &rec, fn, ctx);
        if (rc) return rc;
        r->seq = rec.seq;
        r->at += rec.total;
    }
    return 0;
}

int wal_replay(struct fs *fs, uint64_t number, wal_replay_fn *fn, void *ctx, struct wal_replayed *ret)
{
    char path[WAL_PATH_MAX];
    void *p = NULL;
    size_t n = 0;
    uint64_t found = 0;
    wal_path(number, path);
    *ret = (struct wal_replayed){0};
    int rc = fs_read_all(fs, path, WAL_FILE_MAX, &p, &n);
    if (rc) return rc;
    struct replay r = {.p = p, .n = n, .at = WAL_HEAD < n ? WAL_HEAD : n, .number = number, .out = ret};
    int head = wal_head_decode(p, n, &found);
    if (head == ERR_UNSUPPORTED)
        rc = head;
    else
        rc = replay_records(&r, fn, ctx);
    /* A file whose header is wrong but whose records are good was damaged; without records it was being made. */
    if (!rc && (head == ERR_CORRUPT || found != number) && ret->records) ret->damaged++;
    ret->bytes = n;
    mem_free(r.samples);
    mem_free(p);
    return rc;
}
