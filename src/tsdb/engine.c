/* engine.c - opening and closing the store, and its table of operations. */
#include "base/limits.h"
#include "base/mem.h"
#include "tsdb/blobs.h"
#include "tsdb/damage.h"
#include "tsdb/delete.h"
#include "tsdb/engine.h"
#include "tsdb/places.h"
#include "tsdb/roll.h"
#include "tsdb/worker.h"

#define REC_MAX ((size_t)256 << 20)

static int db_string_put(struct ts_store *st, struct str s, uint64_t *ret_id)
{
    return strings_put(tsdb_of(st)->strings, s, ret_id);
}

static int db_string_get(struct ts_store *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    return strings_get(tsdb_of(st)->strings, id, out, cap, ret_n);
}

static void db_stats(struct ts_store *st, struct ts_stats *ret)
{
    struct tsdb *db = tsdb_of(st);
    struct view *v = view_get(db);
    uint64_t in_heads = 0, late = 0, rewritten = 0;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < v->nheads; i++) {
        struct head_counts c;
        head_counts(v->heads[i], &c);
        in_heads += c.samples;
        late += c.late;
        rewritten += c.rewritten;
        if (c.oldest_us < oldest) oldest = c.oldest_us;
    }
    pthread_mutex_lock(&db->lock);
    *ret = db->stats;
    ret->samples_head = in_heads + db->nspill;
    ret->out_of_order += late;
    ret->rewritten += rewritten;
    ret->retention_held = db->keep.clock.held;
    for (size_t i = 0; i < db->nlogs; i++) ret->bytes_wal += db->logs[i].bytes;
    pthread_mutex_unlock(&db->lock);
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        ret->bytes_blocks += (uint64_t)s->file_bytes;
        ret->blocks += s->blocks;
        if (s->min_us < oldest) oldest = s->min_us;
    }
    ret->bytes_blobs = blobs_bytes(db, -1);
    ret->bytes_blocks += ret->bytes_blobs;
    ret->segments = v->nsegs;
    ret->away_segments = places_away(db, v, ret->away_why, sizeof ret->away_why);
    ret->oldest_us = oldest == INT64_MAX ? 0 : oldest;
    if (ret->newest_us == INT64_MIN) ret->newest_us = 0;
    view_put(v);
}

static int db_classes(struct ts_store *st, const struct ts_class *c, size_t n)
{
    struct error ignored;
    return tsdb_retention_set(st, c, n, &ignored);
}

static int db_class_usage(struct ts_store *st, uint8_t class_id, struct ts_class_usage *ret)
{
    struct tsdb_class_usage all[TSDB_CLASSES];
    if (class_id >= TSDB_CLASSES) return ERR_INVALID;
    tsdb_class_usage(st, all);
    *ret = (struct ts_class_usage){(uint64_t)all[class_id].bytes, all[class_id].samples, all[class_id].oldest_us};
    return 0;
}

static void db_free(struct tsdb *db)
{
    wal_close(&db->wal);
    strings_close(db->strings);
    blobs_close(db);
    view_put(db->view);
    for (size_t i = 0; i < db->ncodecs; i++) codec_free(db->codecs[i]);
    codec_free(db->work_codec);
    buf_fini(&db->rec);
    mem_free(db->spill);
    mem_free(db->logs);
    archive_fini(db);
    tombs_fini(db);
    places_fini(db);
    damage_fini(db);
    pthread_mutex_destroy(&db->keep.moving);
    pthread_mutex_destroy(&db->keep.saving);
    mem_free(db->class_of);
    pthread_cond_destroy(&db->wake);
    pthread_cond_destroy(&db->idle);
    pthread_mutex_destroy(&db->work);
    pthread_mutex_destroy(&db->append);
    pthread_mutex_destroy(&db->lock);
    mem_free(db);
}

static void db_close(struct ts_store *st)
{
    if (!st) return;
    worker_stop(tsdb_of(st));
    wal_finish(&tsdb_of(st)->wal, clock_now_us(tsdb_of(st)->clock));
    db_free(tsdb_of(st));
}

static const struct ts_store_ops tsdb_ops = {
    .name = "tsdb",
    .append = db_append,
    .scan = db_scan,
    .before = db_before,
    .after = db_after,
    .summary = db_summary,
    .windows = db_windows,
    .summaries = db_summaries,
    .plot = db_plot,
    .remove = db_remove,
    .string_put = db_string_put,
    .string_get = db_string_get,
    .blob_put = db_blob_put,
    .blob_get = db_blob_get,
    .stats = db_stats,
    .classes = db_classes,
    .classify = tsdb_point_class,
    .enforce = tsdb_enforce_retention,
    .class_usage = db_class_usage,
    .reopen = tsdb_reopen_wal,
    .close = db_close,
};

static void db_init(struct tsdb *db, const struct tsdb_config *cfg)
{
    db->store.ops = &tsdb_ops;
    db->store.admin = &tsdb_admin_ops;
    db->fs = cfg->fs;
    db->clock = cfg->clock ? cfg->clock : clock_real();
    db->wal_max = cfg->wal_max ? cfg->wal_max : TSDB_WAL_MAX_DEFAULT;
    db->head_max = cfg->head_max ? cfg->head_max : TSDB_HEAD_MAX_DEFAULT;
    db->stats.newest_us = INT64_MIN;
    for (int i = 0; i < TSDB_CLASSES; i++) db->floor[i] = db->cell_floor[i] = INT64_MIN;
    db->no_rollups = cfg->no_rollups;
    db->roll_min = cfg->roll_min ? cfg->roll_min : ROLL_MIN;
    buf_init(&db->rec, REC_MAX);
    memcpy(db->keep.places, cfg->places, sizeof db->keep.places);
    db->keep.nowhere.ops = &places_nowhere;
    pthread_mutex_init(&db->keep.moving, NULL);
    pthread_mutex_init(&db->keep.saving, NULL);
    pthread_mutex_init(&db->work, NULL);
    pthread_mutex_init(&db->append, NULL);
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_t mono;
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&db->wake, &mono);
    pthread_condattr_destroy(&mono);
    pthread_cond_init(&db->idle, NULL);
}

/* What was left out of the logs must not come back at the next start: what was taken becomes segments, and
 * the logs go. */
static int finish_restore(struct tsdb *db)
{
    pthread_mutex_lock(&db->work);
    db->keep.archive.max = 0;
    int rc = seal_all(db);
    if (!rc) rc = seal_drop_logs(db);
    pthread_mutex_unlock(&db->work);
    return rc;
}

static int db_open(struct tsdb *db, const struct tsdb_config *cfg, struct error *e)
{
    int rc = cfg->nclasses ? tsdb_retention_set(&db->store, cfg->classes, cfg->nclasses, e) : 0;
    if (!rc && cfg->npoints) rc = tsdb_point_class(&db->store, cfg->points, cfg->point_classes, cfg->npoints);
    db->keep.until_us = cfg->replay_until_us;
    if (!rc) rc = db_recover(db, e);
    db->head_since_us = clock_now_us(db->clock);
    if (!rc && cfg->replay_until_us) rc = finish_restore(db);
    if (!rc) retention_clock_begin(db);
    uint64_t broken = 0;
    if (!rc) rc = strings_open(db->fs, &db->strings, &broken);
    db->stats.damaged_blocks += broken;
    if (broken) damage_file(db, "ts/strings");
    if (!rc && cfg->replay_until_us) strings_beyond(db->strings, db->string_max);
    if (!rc) rc = blobs_open(db, e);
    if (!rc && !cfg->no_thread) rc = worker_start(db);
    return rc;
}

int tsdb_open(const struct tsdb_config *cfg, struct ts_store **ret, struct error *e)
{
    struct error local = {0};
    struct tsdb *db = mem_calloc(1, sizeof *db);
    if (!db) return error_set(e, ERR_NOMEM, "ts", "out of memory", "内存不足");
    db_init(db, cfg);
    int rc = db_open(db, cfg, &local);
    if (rc) {
        db_free(db);
        if (local.code == rc && e)
            *e = local;
        else
            error_set(e, rc, "ts", "the time-series store does not open: %s", "时序库无法打开：%s", error_title(rc));
        return rc;
    }
    *ret = &db->store;
    return 0;
}

/* ---- classes ---- */
int tsdb_retention_set(struct ts_store *st, const struct ts_class *classes, size_t n, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    for (size_t i = 0; i < n; i++)
        if (classes[i].id >= TSDB_CLASSES || classes[i].max_age_us < 0 || classes[i].max_bytes > INT64_MAX)
            return error_set(e, ERR_INVALID, "classes", "class %u: ids are 0 to %d, limits not negative",
                             "存档类 %u：编号应为 0 至 %d，限值不得为负", classes[i].id, TSDB_CLASSES - 1);
    pthread_mutex_lock(&db->lock);
    memset(db->classes, 0, sizeof db->classes);
    for (size_t i = 0; i < n; i++) db->classes[classes[i].id] = classes[i];
    pthread_mutex_unlock(&db->lock);
    return 0;
}

static bool class_room(struct tsdb *db, uint32_t point)
{
    size_t cap = db->nclass_of;
    if (point < cap) return true;
    if (!mem_grow((void **)&db->class_of, &cap, point + 1u, 1)) return false;
    memset(db->class_of + db->nclass_of, 0, cap - db->nclass_of);
    db->nclass_of = cap;
    return true;
}

int tsdb_point_class(struct ts_store *st, const uint32_t *points, const uint8_t *classes, size_t n)
{
    struct tsdb *db = tsdb_of(st);
    int rc = 0;
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < n && !rc; i++) {
        if (classes[i] >= TSDB_CLASSES || points[i] > LIMIT_POINTS)
            rc = ERR_INVALID;
        else if (!class_room(db, points[i]))
            rc = ERR_NOMEM;
        else
            db->class_of[points[i]] = classes[i];
    }
    pthread_mutex_unlock(&db->lock);
    return rc;
}
