/* retention.c - what is too old or too much goes.
 *
 * By age: samples before now - max_age are not given to readers from the enforcement on (a floor per
 * class), segments that lie wholly before it are dropped, those of which most lies before it are
 * rewritten without. By bytes: the segments whose newest sample is oldest are dropped until the class
 * fits; a single one that is too big is rewritten without its older part. */
#include "base/mem.h"
#include "tsdb/engine.h"

struct usage {
    int64_t bytes;
    size_t segs, oldest; /* index of the segment whose newest sample is oldest */
};

static struct usage usage_of(const struct view *v, uint8_t class_id)
{
    struct usage u = {0, 0, SIZE_MAX};
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->class_id != class_id) continue;
        u.bytes += s->file_bytes;
        u.segs++;
        if (u.oldest == SIZE_MAX || s->max_us < seg_info(v->segs[u.oldest])->max_us) u.oldest = i;
    }
    return u;
}

/* INT64_MAX: drop it whole; INT64_MIN: leave it; else the time before which it is cut. */
static int64_t cut_by_age(const struct seg_info *s, int64_t floor)
{
    if (s->max_us < floor) return INT64_MAX;
    if (s->min_us >= floor) return INT64_MIN;
    uint64_t span = (uint64_t)s->max_us - (uint64_t)s->min_us, gone = (uint64_t)floor - (uint64_t)s->min_us;
    return gone > span / 2 ? floor : INT64_MIN;
}

static int age_once(struct tsdb *db, uint8_t class_id, int64_t floor)
{
    struct view *v = view_get(db);
    int rc = 0;
    for (size_t i = 0; i < v->nsegs && rc == 0; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        int64_t cut = s->class_id == class_id ? cut_by_age(s, floor) : INT64_MIN;
        if (cut == INT64_MIN) continue;
        rc = compact_range(db, i, 1, cut);
        if (!rc) rc = 1;
    }
    view_put(v);
    return rc;
}

static int bytes_once(struct tsdb *db, uint8_t class_id, int64_t max_bytes)
{
    struct view *v = view_get(db);
    struct usage u = usage_of(v, class_id);
    int rc = 0;
    if (u.bytes > max_bytes && u.segs > 1) {
        rc = compact_range(db, u.oldest, 1, INT64_MAX);
        if (!rc) rc = 1;
    } else if (u.bytes > max_bytes && u.segs == 1) {
        const struct seg_info *s = seg_info(v->segs[u.oldest]);
        double keep = ((double)s->max_us - (double)s->min_us) * 0.8 * (double)max_bytes / (double)u.bytes;
        int64_t cut = s->max_us - (int64_t)keep;
        rc = compact_range(db, u.oldest, 1, s->blocks > 1 && cut > s->min_us ? cut : INT64_MAX);
        if (!rc) rc = 1;
    }
    view_put(v);
    return rc;
}

static int enforce_class(struct tsdb *db, const struct ts_class *c, int64_t now)
{
    int64_t floor = c->max_age_us ? now - c->max_age_us : INT64_MIN;
    int rc;
    pthread_mutex_lock(&db->lock);
    db->floor[c->id] = floor;
    pthread_mutex_unlock(&db->lock);
    do rc = c->max_age_us ? age_once(db, c->id, floor) : 0;
    while (rc == 1);
    while (!rc && c->max_bytes && (rc = bytes_once(db, c->id, (int64_t)c->max_bytes)) == 1) rc = 0;
    return rc;
}

int tsdb_enforce_retention(struct ts_store *st, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct ts_class classes[TSDB_CLASSES];
    int64_t now = clock_now_us(db->clock);
    int rc = 0;
    pthread_mutex_lock(&db->lock);
    memcpy(classes, db->classes, sizeof classes);
    pthread_mutex_unlock(&db->lock);
    pthread_mutex_lock(&db->work);
    for (uint8_t i = 0; i < TSDB_CLASSES && !rc; i++) {
        classes[i].id = i;
        rc = enforce_class(db, &classes[i], now);
    }
    pthread_mutex_unlock(&db->work);
    return rc ? error_set(e, rc, "ts", "retention failed: %s", "保留策略执行失败：%s", error_title(rc)) : 0;
}

void tsdb_class_usage(struct ts_store *st, struct tsdb_class_usage *ret)
{
    struct view *v = view_get(tsdb_of(st));
    memset(ret, 0, TSDB_CLASSES * sizeof *ret);
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        struct tsdb_class_usage *u = &ret[s->class_id];
        if (u->segments == 0 || s->min_us < u->oldest_us) u->oldest_us = s->min_us;
        if (u->segments == 0 || s->max_us > u->newest_us) u->newest_us = s->max_us;
        u->bytes += s->file_bytes;
        u->samples += s->samples;
        u->segments++;
    }
    view_put(v);
}
