/* append.c - taking samples: log first, then memory.
 *
 * All or nothing: everything that can fail for want of memory happens before the log is written. Once
 * the record is synced the samples are acknowledged; what then does not fit into the head (no memory for
 * a chunk) waits, visible to readers, in the spill array, whose room was reserved before. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "tsdb/engine.h"

#define REC_MAX ((size_t)256 << 20)
#define REC_KEEP ((size_t)8 << 20) /* the record buffer is given back when it grew beyond */
#define HARD_FACTOR 2              /* times the limits at which an append waits for the seal */

void db_read_only(struct tsdb *db, const char *why)
{
    db->stats.read_only = why != NULL;
    snprintf(db->stats.read_only_why, sizeof db->stats.read_only_why, "%s", why ? why : "");
}

void db_seen(struct tsdb *db, int64_t newest)
{
    if (newest > db->stats.newest_us) db->stats.newest_us = newest;
}

static int check_samples(const struct sample *s, size_t n, struct error *e)
{
    if (n > TSDB_APPEND_MAX)
        return error_set(e, ERR_TOO_LARGE, "", "one append takes at most %u samples; there are %zu",
                         "一次最多写入 %u 个样本，现有 %zu 个", TSDB_APPEND_MAX, n);
    for (size_t i = 0; i < n; i++) {
        if (s[i].point == 0 || s[i].point > LIMIT_POINTS || s[i].type > SAMPLE_BLOB || s[i].quality > QUALITY_BAD)
            return error_set(e, ERR_INVALID, "", "sample %zu: point %u, type %u, quality %u is not possible",
                             "第 %zu 个样本：测点 %u、类型 %u、质量 %u 不合法", i, s[i].point, s[i].type, s[i].quality);
        if (s[i].time_us < TIME_MIN_US || s[i].time_us > TIME_MAX_US)
            return error_set(e, ERR_INVALID, "", "sample %zu of point %u: its time lies outside the years 1 to 9999",
                             "第 %zu 个样本（测点 %u）：时间不在公元 1 年至 9999 年之间", i, s[i].point);
    }
    return 0;
}

static int reserve(struct tsdb *db, size_t n)
{
    pthread_mutex_lock(&db->lock);
    bool ok = mem_grow((void **)&db->spill, &db->cap_spill, db->nspill + n, sizeof *db->spill);
    pthread_mutex_unlock(&db->lock);
    return ok ? 0 : ERR_NOMEM;
}

static struct head *active_head(struct tsdb *db)
{
    pthread_mutex_lock(&db->lock);
    struct head *h = head_ref(db->view->heads[db->view->nheads - 1]);
    pthread_mutex_unlock(&db->lock);
    return h;
}

/* Bring what waits in the spill into the head. */
int db_drain_spill(struct tsdb *db, struct head *h)
{
    if (db->nspill == 0) return 0; /* only the appender changes it */
    size_t done = 0;
    int rc = head_add(h, db->spill, db->nspill, &done);
    pthread_mutex_lock(&db->lock);
    memmove(db->spill, db->spill + done, (db->nspill - done) * sizeof *db->spill);
    db->nspill -= done;
    pthread_mutex_unlock(&db->lock);
    return rc;
}

void db_count_record(struct tsdb *db, size_t record, int64_t wall_us)
{
    struct log_ref *l = &db->logs[db->nlogs - 1];
    l->bytes += record;
    if (!l->first_us) l->first_us = wall_us;
    l->last_us = wall_us;
}

static void count(struct tsdb *db, const struct sample *s, size_t n, int64_t wall_us)
{
    int64_t hi = INT64_MIN;
    for (size_t i = 0; i < n; i++)
        if (s[i].time_us > hi) hi = s[i].time_us;
    pthread_mutex_lock(&db->lock);
    db->stats.samples_appended += n;
    db_count_record(db, db->rec.n, wall_us);
    db_seen(db, hi);
    pthread_mutex_unlock(&db->lock);
}

static void keep_in_spill(struct tsdb *db, const struct sample *s, size_t n)
{
    pthread_mutex_lock(&db->lock);
    memcpy(db->spill + db->nspill, s, n * sizeof *s);
    db->nspill += n;
    pthread_mutex_unlock(&db->lock);
}

int db_failed_log(struct tsdb *db, int rc, struct error *e)
{
    pthread_mutex_lock(&db->lock);
    db->disk_full = rc == ERR_DISK_FULL;
    db_read_only(db, rc == ERR_DISK_FULL ? "disk full" : "writing the log failed; reopen it");
    pthread_mutex_unlock(&db->lock);
    if (rc == ERR_DISK_FULL)
        return error_set(e, rc, "", "the disk is full; samples are taken again once there is space",
                         "磁盘已满；腾出空间后自动恢复写入");
    return error_set(e, ERR_IO, "", "writing the log failed; nothing more is taken until it has been reopened",
                     "写入日志失败；重新打开之前不再接收样本");
}

/* db->rec goes to the log; `append` held. */
int db_write_record(struct tsdb *db, struct error *e)
{
    if (db->rec.err) return error_set(e, db->rec.err, "", "append: %s", "写入：%s", error_title(db->rec.err));
    int rc = wal_append(&db->wal, db->rec.p, db->rec.n);
    if (rc) return db_failed_log(db, rc, e);
    pthread_mutex_lock(&db->lock);
    if (db->disk_full) db_read_only(db, NULL);
    db->disk_full = false;
    pthread_mutex_unlock(&db->lock);
    return 0;
}

static int write_log(struct tsdb *db, const struct sample *s, size_t n, int64_t wall_us, struct error *e)
{
    buf_clear(&db->rec);
    wal_record_encode(&db->rec, db->wal.number, db->wal.seq + 1, wall_us, s, n);
    return db_write_record(db, e);
}

static int append_locked(struct tsdb *db, const struct sample *s, size_t n, struct error *e)
{
    if (db->wal.failed || !db->wal.f) return db_failed_log(db, ERR_IO, e);
    int64_t wall_us = clock_now_us(db->clock);
    struct head *h = active_head(db);
    int rc = reserve(db, n);
    if (!rc) rc = db_drain_spill(db, h);
    if (rc) error_set(e, rc, "", "out of memory", "内存不足");
    if (!rc) rc = write_log(db, s, n, wall_us, e);
    if (!rc) {
        size_t done = 0;
        if (head_add(h, s, n, &done)) keep_in_spill(db, s + done, n - done);
        count(db, s, n, wall_us);
    }
    if (db->rec.cap > REC_KEEP) buf_fini(&db->rec), buf_init(&db->rec, REC_MAX);
    head_unref(h);
    return rc;
}

/* Wait while the head is far over its limits and a seal is under way; the seal may fail for want of disk. */
static int wait_for_room(struct tsdb *db, struct error *e)
{
    if (!db->threaded || !seal_due(db, HARD_FACTOR)) return 0;
    pthread_mutex_lock(&db->lock);
    while (db->sealing && !db->stop) pthread_cond_wait(&db->idle, &db->lock);
    int rc = db->seal_rc;
    pthread_mutex_unlock(&db->lock);
    if (!rc || !seal_due(db, HARD_FACTOR * 2)) return 0;
    return error_set(e, rc, "", "what is in memory cannot be written to disk: %s", "内存中的数据无法写入磁盘：%s",
                     error_title(rc));
}

static void after_append(struct tsdb *db)
{
    if (!seal_due(db, 1)) return;
    if (db->threaded) {
        pthread_mutex_lock(&db->lock);
        db->seal_wanted = true;
        pthread_cond_broadcast(&db->wake);
        pthread_mutex_unlock(&db->lock);
        return;
    }
    struct error ignored; /* the next append tries again */
    int rc = tsdb_seal(&db->store, &ignored);
    if (!rc) rc = tsdb_merge(&db->store, &ignored);
    (void)rc;
}

int db_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    if (n == 0) return 0;
    int rc = check_samples(s, n, e);
    if (!rc) rc = wait_for_room(db, e);
    if (rc) return rc;
    pthread_mutex_lock(&db->append);
    rc = append_locked(db, s, n, e);
    pthread_mutex_unlock(&db->append);
    if (!rc) after_append(db);
    return rc;
}
