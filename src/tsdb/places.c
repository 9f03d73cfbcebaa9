/* places.c - old segments in other places: another disk, a folder of a server, an object store.
 *
 * The list "ts/moved" in the data directory says which segments lie where; other places are never listed. A row
 * is live (this is the segment) or doomed (a file of that name may stand there and is not wanted). A move:
 * 1. a doomed row for the new place, saved; 2. copy to ".new", sync, rename, sync of the directory; 3. the row
 * made live (and a former place's doomed), saved: from here on the segment is the one over there; 4. the view;
 * 5. the old file removed. Whatever stops in between, one copy counts: at the start a file in the data
 * directory goes before a row, whose file is then doomed. Doomed files are removed when their place answers.
 * The copy (2) is made without any lock; if the segment was merged away meanwhile, the row stays doomed.
 *
 * A moved segment is opened when something first reads it (segment.c, seg_lazy): a place that is away does not
 * stop the store. A query that needs it fails and names the place; it works again as soon as the place does.
 * Threads: rows are changed with `work` held. Ownership: the places' fs are borrowed. */
#include "tsdb/places.h"
#include "base/mem.h"
#include "tsdb/blobs.h"
#include "tsdb/damage.h"
#include "tsdb/recover.h"
#include "tsdb/small.h"

#define PATH "ts/moved"
#define BAD_PATH "ts/bad-moved"
#define MAGIC "BNTSMOV1"
#define ROW 88
#define CHUNK ((size_t)1 << 20)

struct fs *place_fs(struct tsdb *db, uint8_t place)
{
    return place == TS_HOT ? db->fs : place < TS_PLACES ? db->keep.places[place] : NULL;
}

/* ---- the list ---- */
static bool same_name(const struct seg_info *a, const struct seg_info *b)
{
    return a->seq_lo == b->seq_lo && a->seq_hi == b->seq_hi && a->gen == b->gen && a->class_id == b->class_id;
}

static struct moved *find(struct tsdb *db, const struct seg_info *i, uint8_t place)
{
    struct keep_moved *k = &db->keep.moved;
    for (size_t n = 0; n < k->n; n++)
        if (k->m[n].i.place == place && same_name(&k->m[n].i, i)) return &k->m[n];
    return NULL;
}

static void put_row(struct buf *b, const struct moved *m)
{
    const uint64_t words[] = {m->i.uid,
                              m->i.seq_lo,
                              m->i.seq_hi,
                              m->i.wal_hi,
                              (uint64_t)m->i.min_us,
                              (uint64_t)m->i.max_us,
                              m->i.samples,
                              m->i.blocks,
                              (uint64_t)m->i.file_bytes,
                              m->i.gen,
                              (uint64_t)m->i.class_id | (uint64_t)m->i.place << 8 | (uint64_t)m->doomed << 16};
    for (size_t i = 0; i < ROW / 8; i++) buf_u64le(b, words[i]);
}

static bool get_row(struct in *in, struct moved *m)
{
    uint64_t w[ROW / 8];
    for (size_t i = 0; i < ROW / 8; i++) w[i] = in_u64(in);
    *m = (struct moved){.i = {.uid = w[0],
                              .seq_lo = w[1],
                              .seq_hi = w[2],
                              .wal_hi = w[3],
                              .min_us = (int64_t)w[4],
                              .max_us = (int64_t)w[5],
                              .samples = w[6],
                              .blocks = w[7],
                              .file_bytes = (int64_t)w[8],
                              .gen = (uint32_t)w[9],
                              .class_id = (uint8_t)w[10],
                              .place = (uint8_t)(w[10] >> 8)},
                        .doomed = w[10] >> 16 & 1};
    if (m->i.seq_hi >> 62 || m->i.wal_hi >> 62 || m->i.file_bytes < 0 || m->i.gen == UINT32_MAX) return false;
    return m->i.class_id < TSDB_CLASSES && m->i.place > TS_HOT && m->i.place < TS_PLACES && m->i.seq_lo <= m->i.seq_hi;
}

int places_save(struct tsdb *db)
{
    struct keep_moved *k = &db->keep.moved;
    struct buf b;
    if (!k->dirty) return 0;
    buf_init(&b, SMALL_MAX);
    small_begin(&b, MAGIC);
    for (size_t i = 0; i < k->n; i++) put_row(&b, &k->m[i]);
    int rc = small_save(db->fs, PATH, &b);
    buf_fini(&b);
    if (!rc) k->dirty = false;
    return rc;
}

static int unreadable(struct tsdb *db, struct error *e)
{
    (void)db->fs->ops->rename(db->fs, PATH, BAD_PATH);
    return error_set(e, ERR_CORRUPT, PATH,
                     "%s, the list of segments in other places, is broken; it was set aside as %s. Put a copy of it "
                     "back from a backup, or start again to go on without those segments",
                     "其他位置的数据段清单 %s 已损坏，已改名为 %s。请从备份恢复，或再次启动以放弃这些数据段", PATH,
                     BAD_PATH);
}

int places_load(struct tsdb *db, struct error *e)
{
    struct keep_moved *k = &db->keep.moved;
    void *block = NULL;
    struct in in;
    int rc = small_load(db->fs, PATH, MAGIC, &block, &in);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc) return rc == ERR_CORRUPT ? unreadable(db, e) : rc;
    while (!rc && in_left(&in) >= ROW) {
        if (!mem_grow((void **)&k->m, &k->cap, k->n + 1, sizeof *k->m))
            rc = ERR_NOMEM;
        else if (get_row(&in, &k->m[k->n]))
            k->n++;
    }
    mem_free(block);
    return rc;
}

void places_fini(struct tsdb *db)
{
    mem_free(db->keep.moved.m);
}

/* ---- the start ---- */
static int open_row(struct tsdb *db, const struct moved *m, struct seg_set *set)
{
    struct seg *s = NULL;
    struct fs *fs = place_fs(db, m->i.place);
    int rc = seg_lazy(fs ? fs : &db->keep.nowhere, &m->i, damage_met, db, &s);
    if (!rc && !mem_grow((void **)&set->segs, &set->cap, set->n + 1, sizeof *set->segs)) rc = ERR_NOMEM;
    if (rc)
        seg_unref(s);
    else
        set->segs[set->n++] = s;
    return rc;
}

int places_open(struct tsdb *db, struct seg_set *set)
{
    struct keep_moved *k = &db->keep.moved;
    size_t here = set->n;
    int rc = 0;
    for (size_t i = 0; i < k->n && !rc; i++) {
        struct moved *m = &k->m[i];
        if (m->i.gen >= db->next_gen) db->next_gen = m->i.gen + 1;
        if (m->i.seq_hi > set->last_seq) set->last_seq = m->i.seq_hi;
        for (size_t n = 0; n < here && !m->doomed; n++)
            if (same_name(seg_info(set->segs[n]), &m->i)) m->doomed = k->dirty = true;
        if (!m->doomed) rc = open_row(db, m, set);
    }
    return rc;
}

/* A place that has a row but is no longer configured. */
static int no_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    return ERR_UNAVAILABLE;
}
const struct fs_ops places_nowhere = {.open = no_open};

/* ---- removing ---- */
static bool remove_file(struct tsdb *db, const struct seg_info *i)
{
    struct fs *fs = place_fs(db, i->place);
    char path[SEG_PATH_MAX], tmp[SEG_PATH_MAX + 8];
    seg_path(i, path);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    if (!fs) return false;
    int rc = fs->ops->remove(fs, path), rc_tmp = fs->ops->remove(fs, tmp);
    if ((rc && rc != ERR_NOT_FOUND) || (rc_tmp && rc_tmp != ERR_NOT_FOUND)) return false;
    return fs->ops->sync_dir(fs, "ts") == 0;
}

static void drop_row(struct tsdb *db, struct moved *m)
{
    struct keep_moved *k = &db->keep.moved;
    *m = k->m[--k->n];
    k->dirty = true;
}

static void sweep(struct tsdb *db)
{
    struct keep_moved *k = &db->keep.moved;
    if (places_save(db)) return; /* what is not known as doomed for good is not touched */
    for (size_t i = k->n; i-- > 0;)
        if (k->m[i].doomed && !k->m[i].busy && remove_file(db, &k->m[i].i)) drop_row(db, &k->m[i]);
    (void)places_save(db);
}

static void rename_bad(struct fs *fs, const char *path)
{
    char bad[SEG_PATH_MAX + 8];
    snprintf(bad, sizeof bad, "ts/bad-%s", path + 3);
    (void)fs->ops->rename(fs, path, bad);
    (void)fs->ops->sync_dir(fs, "ts");
}

void place_remove(struct tsdb *db, const struct seg_info *i, bool bad)
{
    struct fs *fs = place_fs(db, i->place);
    char path[SEG_PATH_MAX];
    seg_path(i, path);
    db->dir_dirty = true;
    if (i->place == TS_HOT) {
        if (bad)
            rename_bad(fs, path);
        else
            (void)fs->ops->remove(fs, path);
        return;
    }
    struct moved *m = find(db, i, i->place);
    if (bad && fs) rename_bad(fs, path);
    if (m) m->doomed = db->keep.moved.dirty = true;
    sweep(db);
}

/* ---- moving ---- */
uint8_t place_wanted(struct tsdb *db, const struct ts_class *c, const struct seg_info *s, int64_t now)
{
    const int64_t after[TS_PLACES] = {[TS_WARM] = c->warm_after_us, [TS_COLD] = c->cold_after_us};
    for (uint8_t p = TS_PLACES - 1; p > s->place; p--)
        if (after[p] > 0 && place_fs(db, p) && s->max_us < now - after[p]) return p;
    return s->place;
}

static int copy_bytes(struct seg *s, struct fs_file *f)
{
    uint8_t *p = mem_alloc(CHUNK);
    int64_t bytes = seg_info(s)->file_bytes, got = p ? 0 : ERR_NOMEM;
    for (int64_t at = 0; at < bytes && got >= 0; at += got) {
        got = seg_read(s, p, CHUNK, at);
        int rc = got > 0 ? fs_pwrite(f, p, (size_t)got, at) : got == 0 ? ERR_CORRUPT : 0;
        if (rc) got = rc;
    }
    mem_free(p);
    return got < 0 ? (int)got : fs_sync(f);
}

static int copy_to(struct fs *fs, struct seg *s)
{
    char path[SEG_PATH_MAX], tmp[SEG_PATH_MAX + 8];
    struct fs_file *f = NULL;
    seg_path(seg_info(s), path);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    int rc = fs->ops->mkdir(fs, "ts");
    if (!rc) rc = fs->ops->sync_dir(fs, "");
    if (!rc) rc = fs_open(fs, tmp, FS_WRITE | FS_CREATE | FS_TRUNC, &f);
    if (rc) return rc;
    rc = copy_bytes(s, f);
    fs_close(f);
    if (!rc) rc = fs->ops->rename(fs, tmp, path);
    if (rc)
        (void)fs->ops->remove(fs, tmp);
    else
        rc = fs->ops->sync_dir(fs, "ts");
    return rc;
}

/* The doomed row of where it will go to, saved. */
static int announce(struct tsdb *db, const struct seg_info *i, uint8_t place)
{
    struct keep_moved *k = &db->keep.moved;
    struct moved *m = find(db, i, place);
    if (!m && !mem_grow((void **)&k->m, &k->cap, k->n + 1, sizeof *k->m)) return ERR_NOMEM;
    if (!m) m = &k->m[k->n++];
    *m = (struct moved){.i = *i, .doomed = true, .busy = true};
    m->i.place = place;
    k->dirty = true;
    int rc = places_save(db);
    if (rc) m->busy = false;
    return rc;
}

static size_t in_view(const struct view *v, const struct seg *s)
{
    size_t i = 0;
    while (i < v->nsegs && v->segs[i] != s) i++;
    return i;
}

/* From here on it is the one over there. */
static int commit(struct tsdb *db, struct seg *s, uint8_t place)
{
    struct view *v = view_get(db);
    struct moved *m = find(db, seg_info(s), place), *from;
    struct seg *there = NULL;
    size_t at = in_view(v, s);
    m->busy = false;
    int rc = at == v->nsegs ? ERR_CANCELLED : job_begin(db);
    if (!rc) rc = seg_lazy(place_fs(db, place), &m->i, damage_met, db, &there);
    if (!rc) {
        from = find(db, seg_info(s), seg_info(s)->place);
        m->doomed = false;
        if (from) from->doomed = true;
        db->keep.moved.dirty = true;
        rc = places_save(db);
        if (!rc) rc = segs_add(db, NULL, 0, at, 1, &there, 1);
        if (rc) { /* as before: the old one counts */
            m->doomed = true;
            if (from) from->doomed = false;
            db->keep.moved.dirty = true;
        }
    }
    if (!rc) {
        place_remove(db, seg_info(s), false);
        (void)job_sync_dir(db);
    }
    seg_unref(there);
    view_put(v);
    return rc == ERR_CANCELLED ? 0 : rc;
}

static int move(struct tsdb *db, struct seg *s, uint8_t place)
{
    pthread_mutex_lock(&db->work);
    int rc = announce(db, seg_info(s), place);
    pthread_mutex_unlock(&db->work);
    if (rc) return rc;
    rc = copy_to(place_fs(db, place), s);
    pthread_mutex_lock(&db->work);
    if (rc)
        find(db, seg_info(s), place)->busy = false;
    else
        rc = commit(db, s, place);
    pthread_mutex_unlock(&db->work);
    return rc;
}

int places_move(struct tsdb *db, const struct ts_class classes[TSDB_CLASSES], int64_t now)
{
    int rc = 0;
    pthread_mutex_lock(&db->keep.moving);
    struct view *v = view_get(db);
    for (size_t i = 0; i < v->nsegs && !job_stopped(db); i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        uint8_t place = place_wanted(db, &classes[s->class_id], s, now);
        int one = place == s->place ? 0 : move(db, v->segs[i], place);
        if (one && !rc) rc = one;
        if (one == ERR_DISK_FULL || one == ERR_UNAVAILABLE) break; /* the next would fare the same */
    }
    view_put(v);
    pthread_mutex_unlock(&db->keep.moving);
    pthread_mutex_lock(&db->work);
    bool doomed = false;
    for (size_t i = 0; i < db->keep.moved.n; i++) doomed |= db->keep.moved.m[i].doomed;
    if (doomed) sweep(db);
    pthread_mutex_unlock(&db->work);
    return rc;
}

/* ---- telling ---- */
uint64_t places_away(struct tsdb *db, const struct view *v, char *why, size_t cap)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        int err = s->place == TS_HOT ? 0 : seg_away(v->segs[i]);
        if (!err) continue;
        if (n++ == 0)
            snprintf(why, cap, "the %s place does not answer: %s", ts_place_name((enum ts_place)s->place),
                     error_title(err));
    }
    return n;
}

int places_error(struct tsdb *db, struct error *e, int rc)
{
    struct view *v = rc == ERR_IO || rc == ERR_UNAVAILABLE ? view_get(db) : NULL;
    uint8_t place = TS_HOT;
    int err = rc;
    for (size_t i = 0; v && i < v->nsegs && !place; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->place == TS_HOT || !seg_away(v->segs[i])) continue;
        place = s->place;
        err = seg_away(v->segs[i]);
    }
    view_put(v);
    if (!place) return 0;
    const char *name = ts_place_name((enum ts_place)place);
    return error_set(e, ERR_UNAVAILABLE, name,
                     "the %s place, where older samples lie, does not answer (%s); make it reachable again",
                     "存放旧数据的位置 %s 没有响应（%s），请恢复其访问", name, error_title(err));
}

static void add_file(struct ts_place_use *u, int64_t bytes, uint64_t samples)
{
    u->files++;
    u->bytes += (uint64_t)bytes;
    u->samples += samples;
}

void db_places(struct ts_store *st, struct ts_place_use ret[TS_PLACES])
{
    struct tsdb *db = tsdb_of(st);
    struct view *v = view_get(db);
    struct blob_pick *blobs = NULL;
    size_t n = 0;
    memset(ret, 0, TS_PLACES * sizeof *ret);
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        struct ts_place_use *u = &ret[s->place % TS_PLACES];
        int err = s->place == TS_HOT ? 0 : seg_away(v->segs[i]);
        add_file(u, s->file_bytes, s->samples);
        if (err && u->away++ == 0) u->err = err;
    }
    for (size_t i = 0; i < v->nrolls; i++) add_file(&ret[TS_HOT], roll_info(v->rolls[i])->file_bytes, 0);
    view_put(v);
    (void)!blobs_pick(db, &blobs, &n);
    for (size_t i = 0; i < n; i++) add_file(&ret[TS_HOT], (int64_t)blobs[i].i.bytes, 0);
    blobs_unpick(blobs, n);
}
