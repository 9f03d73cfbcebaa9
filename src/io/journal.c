/* journal.c - see journal.h. Segments are kept in a small array ordered by first seq; the last one is
 * open for appending. Reading keeps one file open at a position and moves on by itself. Invariant: every
 * byte below `end` of the newest segment is synced; what is not committed lives in `pending` only, so a
 * failed write is undone by truncating back to `end`. */
#include "io/journal.h"
#include "base/crc32c.h"
#include "base/mem.h"

#define JOURNAL_MAGIC 0x314a4e42u
#define HEADER 24
#define RECORD 24
#define RECORD_MAX (64u << 20)
#define PENDING_MAX (256u << 20)

struct segment {
    uint64_t first;           /* seq of its first record */
    uint64_t last;            /* newest data seq in it, first - 1 when empty */
    int64_t end;              /* good bytes */
    uint64_t records, weight; /* data records not known acknowledged when counted at open; for drop accounting */
};

struct journal {
    struct journal_config cfg;
    struct segment *seg;
    size_t nseg, cap;
    struct fs_file *file; /* newest segment, for append; NULL: none open */
    struct buf pending;
    uint64_t pending_records, pending_weight, pending_last;
    uint64_t next_seq, acked;
    bool ack_dirty, failed;
    struct fs_file *rfile; /* reader */
    uint64_t rseg;         /* first of the segment it has open */
    uint64_t rseq;         /* seq before the record at rpos */
    int64_t rpos;
    struct journal_stats stats;
};

static void segment_path(const struct journal *j, uint64_t first, char out[128])
{
    snprintf(out, 128, "%s/%016llx.jnl", j->cfg.dir, (unsigned long long)first);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

struct record {
    uint32_t length, weight, kind;
    uint64_t seq;
};

/* Read and check the record at `at`; payload into out. 1 good, 0 torn or damaged, < 0 error. */
static int record_read(struct fs_file *f, int64_t at, int64_t size, struct record *ret, struct buf *out)
{
    uint8_t h[RECORD];
    if (at + RECORD > size) return 0;
    int64_t got = fs_pread(f, h, RECORD, at);
    if (got < 0) return (int)got;
    struct rd r = rd_make(h, RECORD);
    ret->length = rd_u32le(&r);
    uint32_t crc = rd_u32le(&r);
    ret->seq = rd_u64le(&r);
    ret->weight = rd_u32le(&r);
    ret->kind = rd_u32le(&r);
    if (got < RECORD || ret->length > RECORD_MAX || ret->kind > 1 || at + RECORD + ret->length > size) return 0;
    buf_clear(out);
    uint8_t *p = buf_space(out, ret->length ? ret->length : 1);
    if (!p) return out->err;
    got = fs_pread(f, p, ret->length, at + RECORD);
    if (got < 0) return (int)got;
    if (got < (int64_t)ret->length || crc32c(crc32c(0, h + 8, RECORD - 8), p, ret->length) != crc) return 0;
    out->n = ret->length;
    return 1;
}

static bool header_good(struct fs_file *f, uint64_t first)
{
    uint8_t h[HEADER];
    if (fs_pread(f, h, HEADER, 0) != HEADER) return false;
    struct rd r = rd_make(h, HEADER);
    return rd_u32le(&r) == JOURNAL_MAGIC && rd_u32le(&r) == 1 && rd_u64le(&r) == first &&
           rd_u32le(&r) == crc32c(0, h, 16);
}

/* Walk one segment at open: find its good end and the newest acknowledgement. */
static int segment_scan(struct journal *j, struct segment *s, struct buf *scratch)
{
    char path[128];
    segment_path(j, s->first, path);
    struct fs_file *f;
    int err = fs_open(j->cfg.fs, path, FS_READ, &f);
    if (err) return err;
    int64_t size = fs_size(f);
    s->last = s->first - 1;
    s->end = HEADER;
    struct record r;
    if (header_good(f, s->first)) {
        while ((err = record_read(f, s->end, size, &r, scratch)) == 1) {
            s->end += RECORD + r.length;
            if (r.kind == 1 && r.length == 8) {
                struct rd rd = rd_make(scratch->p, 8);
                uint64_t seq = rd_u64le(&rd);
                if (seq > j->acked) j->acked = seq;
            } else if (r.kind == 0) {
                s->last = r.seq;
                s->records++;
                s->weight += r.weight;
            }
        }
        if (s->end < size) j->stats.damaged++;
    } else {
        j->stats.damaged++;
    }
    fs_close(f);
    return err < 0 ? err : 0;
}

struct found {
    struct journal *j;
    int err;
};

static void found_file(void *ctx, const char *name, bool dir, int64_t size)
{
    struct found *found = ctx;
    struct journal *j = found->j;
    uint64_t first = 0;
    size_t n = strlen(name);
    if (dir || n != 20 || strcmp(name + 16, ".jnl") != 0) return;
    for (int i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, name[i]);
        if (!d || !*d) return;
        first = first << 4 | (uint64_t)(d - digits);
    }
    if (!mem_grow((void **)&j->seg, &j->cap, j->nseg + 1, sizeof *j->seg)) {
        found->err = ERR_NOMEM;
        return;
    }
    size_t at = j->nseg++;
    for (; at > 0 && j->seg[at - 1].first > first; at--) j->seg[at] = j->seg[at - 1];
    j->seg[at] = (struct segment){.first = first};
}

static void reader_close(struct journal *j)
{
    fs_close(j->rfile);
    j->rfile = NULL;
}

static void segment_remove(struct journal *j, size_t i)
{
    char path[128];
    segment_path(j, j->seg[i].first, path);
    if (j->rfile && j->rseg == j->seg[i].first) reader_close(j);
    /* A file that cannot be removed now is found again, as acknowledged, at the next open. */
    (void)!j->cfg.fs->ops->remove(j->cfg.fs, path);
    memmove(j->seg + i, j->seg + i + 1, (j->nseg - i - 1) * sizeof *j->seg);
    j->nseg--;
}

static uint64_t total_bytes(const struct journal *j)
{
    uint64_t n = 0;
    for (size_t i = 0; i < j->nseg; i++) n += (uint64_t)j->seg[i].end;
    return n;
}

/* Remove whole segments that are acknowledged, but never the one open for appending. */
static void trim(struct journal *j)
{
    while (j->nseg > 1 && j->seg[0].last <= j->acked) segment_remove(j, 0);
}

/* Keep under total_max by dropping the oldest; what was not acknowledged is counted. */
static void shrink(struct journal *j)
{
    while (j->nseg > 1 && total_bytes(j) > j->cfg.total_max) {
        if (j->seg[0].last > j->acked) {
            j->stats.dropped_records += j->seg[0].records;
            j->stats.dropped_weight += j->seg[0].weight;
            j->acked = j->seg[0].last;
            j->ack_dirty = true;
        }
        segment_remove(j, 0);
    }
}

static int segment_begin(struct journal *j)
{
    char path[128];
    uint8_t h[HEADER] = {0};
    fs_close(j->file);
    j->file = NULL;
    if (j->nseg && j->seg[j->nseg - 1].first == j->next_seq) segment_remove(j, j->nseg - 1); /* held no good record */
    if (!mem_grow((void **)&j->seg, &j->cap, j->nseg + 1, sizeof *j->seg)) return ERR_NOMEM;
    segment_path(j, j->next_seq, path);
    int err = fs_open(j->cfg.fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_TRUNC, &j->file);
    if (err) return err;
    put32(h, JOURNAL_MAGIC);
    put32(h + 4, 1);
    put64(h + 8, j->next_seq);
    put32(h + 16, crc32c(0, h, 16));
    if ((err = fs_pwrite(j->file, h, HEADER, 0)) || (err = fs_sync(j->file)) ||
        (err = j->cfg.fs->ops->sync_dir(j->cfg.fs, j->cfg.dir))) {
        fs_close(j->file);
        j->file = NULL;
        (void)!j->cfg.fs->ops->remove(j->cfg.fs, path);
        return err;
    }
    j->seg[j->nseg++] = (struct segment){.first = j->next_seq, .last = j->next_seq - 1, .end = HEADER};
    return 0;
}

int journal_open(const struct journal_config *cfg, struct journal **ret, struct error *e)
{
    struct journal *j = mem_calloc(1, sizeof *j);
    if (!j) return error_set(e, ERR_NOMEM, cfg->dir, "out of memory", "内存不足");
    j->cfg = *cfg;
    if (!j->cfg.segment_max) j->cfg.segment_max = 16u << 20;
    if (!j->cfg.total_max) j->cfg.total_max = 4ull << 30;
    buf_init(&j->pending, PENDING_MAX);
    struct buf scratch;
    buf_init(&scratch, RECORD_MAX + 1);
    struct found found = {j, 0};
    int err = cfg->fs->ops->mkdir(cfg->fs, cfg->dir);
    if (!err) err = cfg->fs->ops->sync_dir(cfg->fs, ""); /* the directory itself must last */
    if (!err) err = cfg->fs->ops->list(cfg->fs, cfg->dir, found_file, &found);
    if (!err) err = found.err;
    for (size_t i = 0; !err && i < j->nseg; i++) err = segment_scan(j, &j->seg[i], &scratch);
    buf_fini(&scratch);
    if (err) {
        journal_close(j);
        return error_set(e, err, cfg->dir, "cannot open the journal: %s", "无法打开日志缓存: %s", error_title(err));
    }
    j->next_seq = j->acked + 1;
    for (size_t i = 0; i < j->nseg; i++) {
        if (j->seg[i].last + 1 > j->next_seq) j->next_seq = j->seg[i].last + 1;
        if (j->seg[i].first > j->next_seq) j->next_seq = j->seg[i].first;
    }
    while (j->nseg && j->seg[0].last <= j->acked) segment_remove(j, 0);
    *ret = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j) return;
    reader_close(j);
    fs_close(j->file);
    buf_fini(&j->pending);
    mem_free(j->seg);
    mem_free(j);
}

static void pending_add(struct journal *j, uint64_t seq, uint32_t weight, uint32_t kind, const void *p, size_t n)
{
    uint8_t h[RECORD];
    put32(h, (uint32_t)n);
    put64(h + 8, seq);
    put32(h + 16, weight);
    put32(h + 20, kind);
    put32(h + 4, crc32c(crc32c(0, h + 8, RECORD - 8), p, n));
    buf_add(&j->pending, h, RECORD);
    buf_add(&j->pending, p, n);
}

static void pending_forget(struct journal *j)
{
    buf_clear(&j->pending);
    j->next_seq -= j->pending_records;
    j->pending_records = j->pending_weight = 0;
}

int journal_append(struct journal *j, const void *p, size_t n, uint32_t weight, uint64_t *ret_seq)
{
    if (j->failed) return ERR_IO;
    if (n > RECORD_MAX) return ERR_TOO_LARGE;
    size_t before = j->pending.n;
    pending_add(j, j->next_seq, weight, 0, p, n);
    if (j->pending.err) {
        int err = j->pending.err;
        j->pending.n = before;
        j->pending.err = 0;
        return err;
    }
    j->pending_records++;
    j->pending_weight += weight;
    *ret_seq = j->pending_last = j->next_seq++;
    return 0;
}

/* Undo a half-written batch; when even that fails the journal is out of service until reopened. Its
 * records may then turn up at the next open: receivers take repeats. */
static int commit_failed(struct journal *j, int err, bool synced_failed)
{
    struct segment *s = &j->seg[j->nseg - 1];
    if (synced_failed || j->file->ops->truncate(j->file, s->end)) j->failed = true;
    if (j->failed) j->pending_records = 0; /* their numbers are burnt: they may be on disk after all */
    pending_forget(j);
    return err;
}

int journal_commit(struct journal *j)
{
    if (j->failed) return ERR_IO;
    if (!j->pending_records && !j->ack_dirty) return 0;
    if (!j->file || j->seg[j->nseg - 1].end > (int64_t)j->cfg.segment_max) {
        uint64_t next = j->next_seq;
        j->next_seq -= j->pending_records;
        int err = segment_begin(j);
        j->next_seq = next;
        if (err) {
            pending_forget(j);
            return err;
        }
    }
    if (j->ack_dirty) {
        uint8_t seq[8];
        put64(seq, j->acked);
        pending_add(j, 0, 0, 1, seq, sizeof seq);
    }
    struct segment *s = &j->seg[j->nseg - 1];
    int err = j->pending.err ? j->pending.err : fs_pwrite(j->file, j->pending.p, j->pending.n, s->end);
    if (err) return commit_failed(j, err, false);
    if ((err = fs_sync(j->file))) return commit_failed(j, err, true);
    s->end += (int64_t)j->pending.n;
    if (j->pending_records) s->last = j->pending_last;
    s->records += j->pending_records;
    s->weight += j->pending_weight;
    j->stats.appended += j->pending_records;
    j->pending_records = j->pending_weight = 0;
    buf_clear(&j->pending);
    j->ack_dirty = false;
    trim(j);
    shrink(j);
    return 0;
}

static const struct segment *reader_segment(const struct journal *j)
{
    for (size_t i = 0; i < j->nseg; i++)
        if (j->seg[i].first == j->rseg) return &j->seg[i];
    return NULL;
}

/* Open the segment that holds the record after `seq`; false: there is none. */
static bool reader_seek(struct journal *j, uint64_t seq, int *ret_err)
{
    *ret_err = 0;
    if (j->rfile && j->rseq == seq) return true;
    const struct segment *open = j->rfile ? reader_segment(j) : NULL;
    if (open && seq > j->rseq && seq < open->last) { /* further on in the same */
        j->rseq = seq;
        return true;
    }
    reader_close(j);
    for (size_t i = 0; i < j->nseg; i++) {
        if (j->seg[i].last <= seq) continue;
        char path[128];
        segment_path(j, j->seg[i].first, path);
        *ret_err = fs_open(j->cfg.fs, path, FS_READ, &j->rfile);
        if (*ret_err) return false;
        j->rseg = j->seg[i].first;
        j->rpos = HEADER;
        j->rseq = seq;
        return true;
    }
    return false;
}

int journal_next(struct journal *j, uint64_t *seq, struct buf *out, uint32_t *ret_weight)
{
    int err;
    while (reader_seek(j, *seq, &err)) {
        const struct segment *s = reader_segment(j);
        struct record r;
        int got = s && j->rpos < s->end ? record_read(j->rfile, j->rpos, s->end, &r, out) : 0;
        if (got < 0) return got;
        if (got == 0) { /* end of this segment: the next one, if it is younger */
            bool more = s && j->seg[j->nseg - 1].first != j->rseg;
            uint64_t last = s ? s->last : *seq;
            if (!more) return 0;
            reader_close(j);
            if (last > *seq) *seq = last; /* damaged since open: go on behind it */
            continue;
        }
        j->rpos += RECORD + r.length;
        if (r.kind != 0 || r.seq <= *seq) continue;
        *seq = j->rseq = r.seq;
        *ret_weight = r.weight;
        return 1;
    }
    return err;
}

void journal_ack(struct journal *j, uint64_t seq)
{
    if (seq <= j->acked) return;
    j->acked = seq;
    j->ack_dirty = true;
    trim(j);
}

uint64_t journal_acked(const struct journal *j)
{
    return j->acked;
}

uint64_t journal_last(const struct journal *j)
{
    return j->nseg ? j->seg[j->nseg - 1].last : 0;
}

int journal_reopen(struct journal *j)
{
    if (!j->failed) return 0;
    pending_forget(j);
    fs_close(j->file);
    j->file = NULL;
    /* A new segment must not share its name with the failed one: skip one seq when that one is empty. */
    if (j->nseg && j->seg[j->nseg - 1].first == j->next_seq) j->next_seq++;
    int err = segment_begin(j);
    if (!err) j->failed = false;
    return err;
}

void journal_stats(const struct journal *j, struct journal_stats *ret)
{
    *ret = j->stats;
    ret->bytes = total_bytes(j);
    ret->records =
        j->next_seq - 1 - j->pending_records > j->acked ? j->next_seq - 1 - j->pending_records - j->acked : 0;
}
