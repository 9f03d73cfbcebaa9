/* blobs.c - see blobs.h. Putting, getting, and what housekeeping asks of the files.
 *
 * Each put is one record, synced before it returns. A write or sync that fails gives the file up: what was
 * acknowledged stands in front, the next blob begins a new file. */
#include "tsdb/blobs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "tsdb/damage.h"

#define FILE_BYTES ((int64_t)64 << 20)
#define FILE_SPAN_US (INT64_C(86400) * 1000000)
#define REC_MAX (TS_BLOB_MAX + ((size_t)1 << 16))

/* ---- files ---- */
void blob_file_unref(struct blob_file *f)
{
    char path[BLOB_PATH_MAX];
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1) return;
    blob_path(f->i.number, path);
    if (f->doomed) (void)f->fs->ops->remove(f->fs, path); /* one that comes back is dropped again */
    mem_free(f);
}

int blob_file_open(const struct blob_file *f, struct fs_file **ret)
{
    char path[BLOB_PATH_MAX];
    blob_path(f->i.number, path);
    return fs_open(f->fs, path, FS_READ, ret);
}

static struct blob_file *find(struct blobs *b, uint32_t number, struct blob_info *ret)
{
    struct blob_file *found = NULL;
    pthread_mutex_lock(&b->lock);
    size_t lo = 0, hi = b->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->files[mid]->i.number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < b->n && b->files[lo]->i.number == number) {
        found = b->files[lo];
        *ret = found->i;
        atomic_fetch_add(&found->refs, 1);
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

int blobs_pick(struct tsdb *db, struct blob_pick **ret, size_t *ret_n)
{
    struct blobs *b = db->blobs;
    pthread_mutex_lock(&b->lock);
    struct blob_pick *p = b->n ? mem_alloc(b->n * sizeof *p) : NULL;
    size_t n = b->n;
    for (size_t i = 0; i < n && p; i++) {
        p[i] = (struct blob_pick){b->files[i], b->files[i]->i};
        atomic_fetch_add(&b->files[i]->refs, 1);
    }
    pthread_mutex_unlock(&b->lock);
    if (n && !p) return ERR_NOMEM;
    *ret = p;
    *ret_n = n;
    return 0;
}

void blobs_unpick(struct blob_pick *p, size_t n)
{
    for (size_t i = 0; i < n; i++) blob_file_unref(p[i].file);
    mem_free(p);
}

uint64_t blobs_bytes(struct tsdb *db, int class_id)
{
    struct blobs *b = db->blobs;
    uint64_t sum = 0;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->n; i++)
        if (class_id < 0 || b->files[i]->i.class_id == class_id) sum += (uint64_t)b->files[i]->i.bytes;
    pthread_mutex_unlock(&b->lock);
    return sum;
}

/* ---- opening, closing ---- */
int blobs_open(struct tsdb *db, struct error *e)
{
    struct blobs *b = mem_calloc(1, sizeof *b);
    if (!b) return ERR_NOMEM;
    pthread_mutex_init(&b->put, NULL);
    pthread_mutex_init(&b->lock, NULL);
    db->blobs = b;
    return blobs_load(db, b, e);
}

void blobs_close(struct tsdb *db)
{
    struct blobs *b = db->blobs;
    if (!b) return;
    blobs_end(db, 0);
    for (size_t i = 0; i < b->n; i++) blob_file_unref(b->files[i]);
    mem_free(b->files);
    pthread_mutex_destroy(&b->put);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
    db->blobs = NULL;
}

/* ---- the file that grows; put held ---- */
static void let_go(struct blob_current *c)
{
    fs_close(c->f);
    blob_file_unref(c->file);
    *c = (struct blob_current){0};
}

/* A footer that does not make it is written at the next start. */
static void finish(struct blobs *b, struct blob_current *c)
{
    uint8_t foot[BLOB_FILE_FOOT];
    if (!c->file) return;
    struct blob_info i = c->file->i;
    blob_foot_encode(&i, foot);
    if (!c->file->doomed && fs_pwrite(c->f, foot, sizeof foot, i.end) == 0) {
        pthread_mutex_lock(&b->lock);
        c->file->i.ended = true;
        c->file->i.bytes = i.end + BLOB_FILE_FOOT;
        pthread_mutex_unlock(&b->lock);
    }
    let_go(c);
}

void blobs_end(struct tsdb *db, int64_t least)
{
    struct blobs *b = db->blobs;
    pthread_mutex_lock(&b->put);
    for (int i = 0; i < TS_CLASSES; i++)
        if (b->current[i].file && b->current[i].file->i.end >= least) finish(b, &b->current[i]);
    pthread_mutex_unlock(&b->put);
}

static int make_dir(struct tsdb *db)
{
    struct fs *fs = db->fs;
    if (db->blobs->dir) return 0;
    int rc = fs->ops->mkdir(fs, BLOB_DIR);
    if (!rc) rc = fs->ops->sync_dir(fs, "ts");
    db->blobs->dir = rc == 0;
    return rc;
}

static uint32_t next_number(struct tsdb *db)
{
    int64_t now = clock_now_us(db->clock) / 1000000;
    uint32_t next = db->blobs->last + 1;
    return now > next && now < UINT32_MAX ? (uint32_t)now : next;
}

static int create(struct tsdb *db, struct blob_file *file, struct fs_file **ret)
{
    uint8_t head[BLOB_FILE_HEAD];
    char path[BLOB_PATH_MAX];
    struct fs_file *f = NULL;
    blob_path(file->i.number, path);
    blob_head_encode(&file->i, head);
    int rc = fs_open(db->fs, path, FS_READ | FS_WRITE | FS_CREATE | FS_EXCL, &f);
    if (rc) return rc;
    rc = fs_pwrite(f, head, sizeof head, 0);
    if (!rc) rc = fs_sync(f);
    if (!rc) rc = db->fs->ops->sync_dir(db->fs, BLOB_DIR);
    if (rc) {
        fs_close(f);
        (void)db->fs->ops->remove(db->fs, path);
        return rc;
    }
    *ret = f;
    return 0;
}

static int begin_file(struct tsdb *db, uint8_t class_id)
{
    struct blobs *b = db->blobs;
    struct blob_current *c = &b->current[class_id];
    struct blob_file *file = mem_calloc(1, sizeof *file);
    int rc = file ? make_dir(db) : ERR_NOMEM;
    if (!rc && b->last == UINT32_MAX) rc = ERR_LIMIT;
    pthread_mutex_lock(&b->lock);
    if (!rc && !mem_grow((void **)&b->files, &b->cap, b->n + 1, sizeof *b->files)) rc = ERR_NOMEM;
    pthread_mutex_unlock(&b->lock);
    if (!rc) {
        file->fs = db->fs;
        file->i = (struct blob_info){.number = b->last = next_number(db),
                                     .class_id = class_id,
                                     .uid = rng_u64(rng_real()),
                                     .bytes = BLOB_FILE_HEAD,
                                     .end = BLOB_FILE_HEAD,
                                     .min_us = INT64_MAX,
                                     .max_us = INT64_MIN};
        atomic_init(&file->refs, 2);
        rc = create(db, file, &c->f);
    }
    if (rc) {
        mem_free(file);
        return rc;
    }
    c->file = file;
    pthread_mutex_lock(&b->lock);
    b->files[b->n++] = file;
    pthread_mutex_unlock(&b->lock);
    return 0;
}

/* Files are kept short and narrow against the limits of their class, so that whole ones can go. */
static bool takes(struct tsdb *db, const struct blob_info *i, int64_t bytes, int64_t time_us)
{
    pthread_mutex_lock(&db->lock);
    struct ts_class c = db->classes[i->class_id];
    pthread_mutex_unlock(&db->lock);
    int64_t most = FILE_BYTES, span = FILE_SPAN_US;
    int64_t from = time_us < i->min_us ? time_us : i->min_us, to = time_us > i->max_us ? time_us : i->max_us;
    if (c.max_bytes && (int64_t)(c.max_bytes / 8) < most) most = (int64_t)(c.max_bytes / 8);
    if (most < BLOB_FILE_LEAST) most = BLOB_FILE_LEAST;
    if (c.max_age_us && c.max_age_us / 8 < span) span = c.max_age_us / 8;
    return i->end + bytes <= most && (to - from <= span || i->end < BLOB_FILE_LEAST);
}

static bool unlist(struct blobs *b, struct blob_file *f)
{
    bool found = false;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->n && !found; i++) {
        if (b->files[i] != f) continue;
        memmove(&b->files[i], &b->files[i + 1], (--b->n - i) * sizeof(struct blob_file *));
        found = f->doomed = true;
    }
    pthread_mutex_unlock(&b->lock);
    return found;
}

static int append(struct blobs *b, struct blob_current *c, uint8_t *rec, size_t n)
{
    int64_t at = c->file->i.end;
    blob_move(&c->file->i, at, rec);
    int rc = fs_pwrite(c->f, rec, n, at);
    if (rc == ERR_DISK_FULL && c->f->ops->truncate(c->f, at) == 0) return rc;
    if (!rc) rc = fs_sync(c->f);
    if (rc && c->file->i.records == 0 && unlist(b, c->file)) blob_file_unref(c->file);
    if (rc) let_go(c);
    return rc;
}

static void note(struct blobs *b, struct blob_info *i, const struct ts_blob *what, size_t n)
{
    pthread_mutex_lock(&b->lock);
    i->end += (int64_t)n;
    i->bytes = i->end;
    i->records++;
    i->size += what->size;
    if (what->time_us < i->min_us) i->min_us = what->time_us;
    if (what->time_us > i->max_us) i->max_us = what->time_us;
    pthread_mutex_unlock(&b->lock);
}

static int put(struct tsdb *db, uint8_t class_id, const struct ts_blob *what, struct buf *rec, uint64_t *ret_id)
{
    struct blobs *b = db->blobs;
    struct blob_current *c = &b->current[class_id];
    int rc = 0;
    if (c->file && c->file->i.records && !takes(db, &c->file->i, (int64_t)rec->n, what->time_us)) finish(b, c);
    if (!c->file) rc = begin_file(db, class_id);
    if (!rc) rc = append(b, c, rec->p, rec->n);
    if (rc) return rc;
    *ret_id = blob_id(c->file->i.number, c->file->i.end);
    note(b, &c->file->i, what, rec->n);
    return 0;
}

/* ---- the interface ---- */
static int check(uint32_t point, int64_t time_us, const char *type, size_t n, struct error *e)
{
    if (n > TS_BLOB_MAX)
        return error_set(e, ERR_TOO_LARGE, "", "a blob has at most %u bytes; this one has %zu",
                         "数据块最多 %u 字节，现有 %zu 字节", TS_BLOB_MAX, n);
    if (!type || !blob_type_ok(type))
        return error_set(e, ERR_INVALID, "type", "the type of a blob is a media type of 1 to %d characters",
                         "数据块的类型应为 1 至 %d 个字符的媒体类型", TS_BLOB_TYPE - 1);
    if (point == 0 || point > LIMIT_POINTS || time_us < TIME_MIN_US || time_us > TIME_MAX_US)
        return error_set(e, ERR_INVALID, "", "point %u or the time of its blob is not possible",
                         "测点 %u 或其数据块的时间不合法", point);
    return 0;
}

int db_blob_put(struct ts_store *st, uint32_t point, int64_t time_us, const char *type, struct str bytes,
                uint64_t *ret_id, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct ts_blob what = {.size = bytes.n, .point = point, .time_us = time_us};
    struct blob_info nowhere = {0};
    struct buf rec;
    int rc = check(point, time_us, type, bytes.n, e);
    if (rc) return rc;
    snprintf(what.type, sizeof what.type, "%s", type);
    buf_init(&rec, REC_MAX);
    blob_encode(&nowhere, 0, &what, bytes, &rec);
    rc = rec.err;
    pthread_mutex_lock(&db->blobs->put);
    if (!rc) rc = put(db, tsdb_class_of(db, point), &what, &rec, ret_id);
    pthread_mutex_unlock(&db->blobs->put);
    buf_fini(&rec);
    return rc ? error_set(e, rc, "ts/blobs", "the blob of point %u was not stored: %s", "测点 %u 的数据块未能保存：%s",
                          point, error_title(rc))
              : 0;
}

static int read_head(struct fs_file *f, const struct blob_info *i, int64_t at, struct blob_rec *ret)
{
    uint8_t head[BLOB_HEAD_MAX];
    /* behind the end: of a file that went on after the backup that this store comes from */
    if (at < BLOB_FILE_HEAD || at >= i->end) return ERR_NOT_FOUND;
    int64_t left = i->end - at, got = fs_pread(f, head, left < BLOB_HEAD_MAX ? (size_t)left : BLOB_HEAD_MAX, at);
    if (got < 0) return (int)got;
    int rc = blob_rec_decode(i, at, head, (size_t)got, ret);
    return rc == 0 && blob_rec_bytes(ret) > left ? ERR_CORRUPT : rc;
}

static int read_body(struct fs_file *f, int64_t at, const struct blob_rec *r, struct buf *out)
{
    AUTO_FREE uint8_t *p = mem_alloc(r->stored);
    if (!p) return ERR_NOMEM;
    int64_t got = fs_pread(f, p, r->stored, at + r->head);
    if (got < 0) return (int)got;
    return got < r->stored ? ERR_CORRUPT : blob_body_decode(r, p, out);
}

static int get(struct tsdb *db, const struct blob_file *file, const struct blob_info *i, int64_t at,
               struct ts_blob *ret, struct buf *bytes)
{
    struct fs_file *f = NULL;
    struct blob_rec r = {0};
    int rc = blob_file_open(file, &f);
    if (rc) return rc;
    rc = read_head(f, i, at, &r);
    if (!rc && r.blob.time_us < job_floor(db, i->class_id)) rc = ERR_NOT_FOUND;
    if (!rc && bytes) rc = read_body(f, at, &r, bytes);
    fs_close(f);
    if (rc == ERR_CORRUPT) blob_damage(db, i->number, at, r.head ? blob_rec_bytes(&r) : 0, r.head ? &r.blob : NULL);
    if (!rc) *ret = r.blob;
    return rc;
}

int db_blob_get(struct ts_store *st, uint64_t id, struct ts_blob *ret, struct buf *bytes, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct blob_info i;
    struct blob_file *file = find(db->blobs, (uint32_t)(id >> 32), &i);
    int rc = file ? get(db, file, &i, (int64_t)(id & UINT32_MAX) * 8, ret, bytes) : ERR_NOT_FOUND;
    blob_file_unref(file);
    if (rc == ERR_NOT_FOUND) return error_set(e, rc, "", "the bytes have expired", "数据已过保存期限");
    return rc ? error_set(e, rc, "ts/blobs", "blob %08x:%08x cannot be read: %s", "数据块 %08x:%08x 无法读取：%s",
                          (unsigned)(id >> 32), (unsigned)id, error_title(rc))
              : 0;
}

/* ---- what goes ---- */
void blobs_drop(struct tsdb *db, struct blob_file *f)
{
    struct blobs *b = db->blobs;
    pthread_mutex_lock(&b->put);
    struct blob_current *c = &b->current[f->i.class_id];
    bool found = unlist(b, f);
    if (c->file == f) let_go(c);
    pthread_mutex_unlock(&b->put);
    if (found) blob_file_unref(f);
}

void blobs_expire(struct tsdb *db, uint8_t class_id, int64_t floor)
{
    struct blob_pick *p = NULL;
    size_t n = 0;
    if (blobs_pick(db, &p, &n)) return; /* a minute later then */
    for (size_t i = 0; i < n; i++)
        if (p[i].i.class_id == class_id && p[i].i.records && p[i].i.max_us < floor) blobs_drop(db, p[i].file);
    blobs_unpick(p, n);
}

/* ---- checking ---- */
void blob_damage(struct tsdb *db, uint32_t number, int64_t at, int64_t bytes, const struct ts_blob *what)
{
    struct ts_damage d = {.found_us = clock_now_us(db->clock), .offset = (uint64_t)at, .bytes = (uint64_t)bytes};
    blob_path(number, d.file);
    if (what) d.point = what->point, d.from_us = d.to_us = what->time_us, d.samples = 1;
    damage_place(db, &d);
}

struct scrub {
    struct tsdb *db;
    struct fs_file *f;
    const struct blob_info *i;
    struct ts_scrub *s;
    uint64_t left;
};

static int scrub_record(void *ctx, int64_t at, int64_t bytes, const struct blob_rec *r)
{
    struct scrub *x = ctx;
    int rc = r ? read_body(x->f, at, r, NULL) : ERR_CORRUPT;
    if (rc == ERR_CORRUPT) {
        blob_damage(x->db, x->i->number, at, bytes, r ? &r->blob : NULL);
        x->s->damaged++;
        rc = 0;
    }
    if (rc) return rc;
    x->s->blocks++;
    x->left -= (uint64_t)bytes < x->left ? (uint64_t)bytes : x->left;
    return x->left == 0;
}

int blob_scrub(struct tsdb *db, const struct blob_pick *p, int64_t *at, uint64_t max, struct ts_scrub *s)
{
    struct scrub x = {.db = db, .i = &p->i, .s = s, .left = max};
    int rc = blob_file_open(p->file, &x.f);
    if (*at < BLOB_FILE_HEAD) *at = BLOB_FILE_HEAD;
    if (!rc) rc = blob_walk(x.f, &p->i, at, p->i.end, scrub_record, &x);
    if (rc > 0) rc = 0;
    if (!rc && *at >= p->i.end) *at = p->i.bytes;
    fs_close(x.f);
    return rc;
}
