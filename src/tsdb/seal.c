/* seal.c - from head to segments.
 *
 * swap: a new log and an empty head take over; what was active is only read from now on. Appends wait for
 * the change of a few pointers. write: per archive class one segment, groups in their order. All but the
 * last say nothing about logs, the last one says that the logs up to this head's are covered: a crash in
 * between leaves the logs, which are replayed; the samples then stand twice, with the same values.
 * Then the view without the head is published and the logs go. */
#include "base/mem.h"
#include "tsdb/delete.h"
#include "tsdb/engine.h"
#include "tsdb/seg_write.h"

bool seal_due(struct tsdb *db, uint64_t factor)
{
    struct head_counts c;
    uint64_t logs = 0;
    pthread_mutex_lock(&db->lock);
    struct head *h = head_ref(db->view->heads[db->view->nheads - 1]);
    for (size_t i = 0; i < db->nlogs; i++)
        if (db->logs[i].head == head_number(h)) logs += db->logs[i].bytes;
    pthread_mutex_unlock(&db->lock);
    head_counts(h, &c);
    head_unref(h);
    return c.samples > 0 && (c.bytes > db->head_max * factor || logs > db->wal_max * factor);
}

/* ---- swap ---- */
static int drain(struct tsdb *db)
{
    if (db->nspill == 0) return 0;
    size_t done = 0;
    struct head *h = db->view->heads[db->view->nheads - 1]; /* only changed with `append` held */
    int rc = head_add(h, db->spill, db->nspill, &done);
    pthread_mutex_lock(&db->lock);
    memmove(db->spill, db->spill + done, (db->nspill - done) * sizeof *db->spill);
    db->nspill -= done;
    pthread_mutex_unlock(&db->lock);
    return rc;
}

static int log_room(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    bool ok = mem_grow((void **)&db->logs, &db->cap_logs, db->nlogs + 1, sizeof *db->logs);
    pthread_mutex_unlock(&db->lock);
    return ok ? 0 : ERR_NOMEM;
}

static int swap_locked(struct tsdb *db, struct wal *wal, struct head *fresh)
{
    struct view *v = view_get(db);
    struct head *heads[VIEW_HEADS];
    int rc = v->nheads < VIEW_HEADS ? drain(db) : ERR_AGAIN;
    if (!rc) rc = log_room(db);
    for (size_t i = 0; i < v->nheads && !rc; i++) heads[i] = v->heads[i];
    if (!rc) heads[v->nheads] = fresh;
    if (!rc) rc = view_set(db, heads, v->nheads + 1, v->segs, v->nsegs);
    view_put(v);
    if (rc) return rc;
    pthread_mutex_lock(&db->lock);
    db->logs[db->nlogs++] = (struct log_ref){.number = wal->number, .bytes = WAL_HEAD, .head = wal->number};
    pthread_mutex_unlock(&db->lock);
    wal_close(&db->wal);
    db->wal = *wal;
    return 0;
}

int seal_swap(struct tsdb *db)
{
    struct wal wal;
    int rc = wal_create(db->fs, db->wal.number + 1, &wal);
    if (rc) return rc;
    struct head *fresh = head_new(wal.number);
    pthread_mutex_lock(&db->append);
    rc = fresh ? swap_locked(db, &wal, fresh) : ERR_NOMEM;
    pthread_mutex_unlock(&db->append);
    head_unref(fresh);
    if (!rc) {
        pthread_mutex_lock(&db->lock);
        db->head_since_us = clock_now_us(db->clock);
        pthread_mutex_unlock(&db->lock);
    }
    if (rc) {
        char path[WAL_PATH_MAX];
        wal_path(wal.number, path);
        wal_close(&wal);
        (void)db->fs->ops->remove(db->fs, path);
    }
    return rc;
}

/* ---- write ---- */
struct member {
    uint8_t class_id;
    uint32_t group, point;
};
struct members {
    struct member *m;
    size_t n, cap;
};

static int by_class_group(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->class_id != y->class_id) return x->class_id < y->class_id ? -1 : 1;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->point > y->point) - (x->point < y->point);
}

static int list_members(struct tsdb *db, struct head *h, struct members *out)
{
    uint32_t points[HEAD_GROUP_MAX];
    for (size_t g = 0, groups = head_group_count(h); g < groups; g++) {
        size_t n = head_group_points(h, g, points);
        if (!mem_grow((void **)&out->m, &out->cap, out->n + n, sizeof *out->m)) return ERR_NOMEM;
        for (size_t i = 0; i < n; i++)
            out->m[out->n++] = (struct member){tsdb_class_of(db, points[i]), (uint32_t)g, points[i]};
    }
    if (out->n > 1) qsort(out->m, out->n, sizeof *out->m, by_class_group);
    return 0;
}

/* The feeds of one group, out of the head alone. */
static int write_group(struct tsdb *db, struct head *h, struct seg_write *w, const struct member *m, size_t n,
                       int64_t floor)
{
    struct arena a;
    struct feed *feeds = mem_calloc(n, sizeof *feeds);
    int rc = feeds ? 0 : ERR_NOMEM;
    arena_init(&a, QUERY_ARENA_MAX);
    for (size_t i = 0; i < n && !rc; i++) {
        size_t ns = 0;
        struct source *s = arena_alloc(&a, HEAD_SOURCES * sizeof *s);
        feeds[i].point = m[i].point;
        rc = s ? head_sources(h, m[i].point, INT64_MIN, INT64_MAX, &a, s, &ns) : ERR_NOMEM;
        for (size_t k = 0; k < ns && !rc; k++) s[k].floor = floor;
        if (!rc) rc = tombs_hide(db->keep.tombs, m[i].point, s, ns, &a);
        if (!rc) rc = merge_init(&feeds[i].m, s, ns, INT64_MIN, INT64_MAX, db->work_codec);
    }
    if (!rc) rc = seg_write_group(w, m[0].group, feeds, n);
    for (size_t i = 0; feeds && i < n; i++) {
        db->keep.rewritten += feeds[i].m.dropped;
        merge_fini(&feeds[i].m);
    }
    mem_free(feeds);
    arena_fini(&a);
    return rc;
}

static int write_groups(struct tsdb *db, struct head *h, struct seg_write *w, const struct member *m, size_t n,
                        int64_t floor)
{
    for (size_t i = 0, k; i < n; i += k) {
        for (k = 1; i + k < n && m[i + k].group == m[i].group && k < HEAD_GROUP_MAX;) k++;
        int rc = job_stopped(db) ? ERR_CANCELLED : write_group(db, h, w, m + i, k, floor);
        if (rc) return rc;
    }
    return 0;
}

/* The last log of a head: it may have several. */
static uint64_t last_log(struct tsdb *db, uint64_t head)
{
    uint64_t n = head;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < db->nlogs; i++)
        if (db->logs[i].head <= head && db->logs[i].number > n) n = db->logs[i].number;
    pthread_mutex_unlock(&db->lock);
    return n;
}

/* One segment of one class; *ret stays NULL when all its samples are expired. */
static int write_class(struct tsdb *db, struct head *h, const struct member *m, size_t n, bool last, struct seg **ret)
{
    struct seg_info info;
    struct seg_write *w = NULL;
    uint64_t seq = head_number(h);
    int rc = job_info(db, seq, seq, last ? last_log(db, seq) : 0, m->class_id, &info);
    if (!rc) rc = seg_write_begin(db->fs, &info, db->work_codec, &w);
    if (rc) return rc;
    rc = write_groups(db, h, w, m, n, job_floor(db, m->class_id));
    if (rc || seg_write_samples(w) == 0) {
        seg_write_abort(w);
        return rc;
    }
    rc = seg_write_finish(w);
    return rc ? rc : job_open(db, &info, ret);
}

struct written {
    struct seg *segs[TSDB_CLASSES];
    size_t n;
};

static int write_all(struct tsdb *db, struct head *h, struct written *out)
{
    struct members list = {0};
    int rc = list_members(db, h, &list);
    for (size_t i = 0, k; i < list.n && !rc; i += k) {
        struct seg *s = NULL;
        for (k = 1; i + k < list.n && list.m[i + k].class_id == list.m[i].class_id;) k++;
        rc = write_class(db, h, list.m + i, k, i + k == list.n, &s);
        if (s) out->segs[out->n++] = s;
    }
    mem_free(list.m);
    return rc;
}

/* ---- afterwards ---- */
static void remove_log(struct tsdb *db, const struct log_ref *l)
{
    char path[WAL_PATH_MAX], bad[WAL_PATH_MAX + 8];
    wal_path(l->number, path);
    snprintf(bad, sizeof bad, "ts/bad-%s", path + 3);
    if (l->damaged)
        (void)db->fs->ops->rename(db->fs, path, bad);
    else if (!archive_take(db, l))
        (void)db->fs->ops->remove(db->fs, path);
}

static void drop_logs(struct tsdb *db, uint64_t head, uint64_t keep)
{
    for (;;) {
        struct log_ref l;
        bool found = false;
        pthread_mutex_lock(&db->lock);
        for (size_t i = 0; i < db->nlogs && !found; i++) {
            if (db->logs[i].head > head || db->logs[i].number == keep) continue;
            found = true;
            l = db->logs[i];
            memmove(&db->logs[i], &db->logs[i + 1], (db->nlogs - i - 1) * sizeof l);
            db->nlogs--;
        }
        pthread_mutex_unlock(&db->lock);
        if (!found) break;
        remove_log(db, &l);
    }
    db->dir_dirty = true;
    (void)job_sync_dir(db);
}

int seal_drop_logs(struct tsdb *db)
{
    int rc = job_begin(db);
    if (!rc) rc = tombs_save(db);
    if (!rc) drop_logs(db, UINT64_MAX, db->wal.number);
    return rc;
}

static void discard(struct tsdb *db, struct written *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char path[SEG_PATH_MAX];
        seg_path(seg_info(w->segs[i]), path);
        seg_unref(w->segs[i]);
        (void)db->fs->ops->remove(db->fs, path);
        db->dir_dirty = true;
    }
}

int seal_oldest(struct tsdb *db)
{
    struct view *v = view_get(db);
    struct written w = {0};
    struct head *h = v->heads[0];
    int rc = v->nheads > 1 ? job_begin(db) : 0;
    if (!rc && v->nheads > 1) rc = tombs_save(db);
    db->keep.rewritten = 0;
    if (v->nheads > 1 && !rc) {
        rc = write_all(db, h, &w);
        if (!rc) rc = segs_add(db, v->heads + 1, v->nheads - 1, 0, 0, w.segs, w.n);
        if (rc) {
            discard(db, &w);
        } else {
            struct head_counts c;
            head_counts(h, &c);
            pthread_mutex_lock(&db->lock);
            db->stats.out_of_order += c.late;
            db->stats.rewritten += c.rewritten + db->keep.rewritten;
            pthread_mutex_unlock(&db->lock);
            drop_logs(db, head_number(h), 0);
            for (size_t i = 0; i < w.n; i++) seg_unref(w.segs[i]);
        }
    }
    view_put(v);
    return rc;
}

static size_t head_count(struct tsdb *db, bool *ret_empty)
{
    struct head_counts c;
    struct view *v = view_get(db);
    size_t n = v->nheads;
    head_counts(v->heads[n - 1], &c);
    *ret_empty = c.samples == 0;
    view_put(v);
    return n;
}

int seal_all(struct tsdb *db)
{
    bool empty;
    int rc = 0;
    for (size_t n = head_count(db, &empty); n > 1 && !rc; n = head_count(db, &empty)) rc = seal_oldest(db);
    if (!rc && !empty) rc = seal_swap(db);
    if (!rc && !empty) rc = seal_oldest(db);
    return rc;
}

int tsdb_seal(struct ts_store *st, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    pthread_mutex_lock(&db->work);
    int rc = seal_all(db);
    pthread_mutex_unlock(&db->work);
    pthread_mutex_lock(&db->lock);
    db->merge_wanted = true;
    pthread_cond_broadcast(&db->wake);
    pthread_mutex_unlock(&db->lock);
    return rc ? error_set(e, rc, "ts", "sealing failed: %s", "封存失败：%s", error_title(rc)) : 0;
}

static bool log_failed(struct tsdb *db)
{
    pthread_mutex_lock(&db->append);
    bool failed = db->wal.failed;
    pthread_mutex_unlock(&db->append);
    return failed;
}

static void refuse_log(struct tsdb *db)
{
    pthread_mutex_lock(&db->append);
    db->wal.failed = true;
    pthread_mutex_unlock(&db->append);
}

/* The head holds all that was acknowledged since the last seal: writing it to new files and beginning a
 * new log leaves nothing that depends on the file that failed. */
static int reopen(struct tsdb *db)
{
    bool empty;
    int rc = strings_reopen(db->strings);
    for (size_t n = head_count(db, &empty); n > 1 && !rc; n = head_count(db, &empty)) rc = seal_oldest(db);
    if (rc || !log_failed(db)) return rc;
    rc = seal_swap(db);
    if (rc) return rc;
    rc = seal_oldest(db);
    if (rc) refuse_log(db); /* the next attempt begins with the head that is still waiting */
    return rc;
}

int tsdb_reopen_wal(struct ts_store *st, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    pthread_mutex_lock(&db->work);
    int rc = reopen(db);
    if (!rc) {
        pthread_mutex_lock(&db->lock);
        db->disk_full = false;
        db_read_only(db, NULL);
        pthread_mutex_unlock(&db->lock);
    }
    pthread_mutex_unlock(&db->work);
    return rc ? error_set(e, rc, "ts", "the log cannot be reopened yet: %s", "日志暂时无法重新打开：%s",
                          error_title(rc))
              : 0;
}
