/* retention.c - what is too old or too much goes.
 *
 * By age: samples before now - max_age are not given to readers from the enforcement on (a floor per
 * class), segments that lie wholly before it are dropped, those of which most lies before it are
 * rewritten without. By bytes: the segments whose newest sample is oldest are dropped until the class
 * fits; a single one that is too big is rewritten without its older part. Files of blobs go like segments, whole:
 * when their newest sample is too old, or when it is the oldest of the class and the class is too big.
 *
 * The clock is not believed blindly: one that jumps ten years ahead would delete everything. A leap of more
 * than an hour against the monotonic clock, or at the start of more than a day against the time of the last
 * enforcement (without one: of the newest sample), is believed only after it has held for a day of running.
 * Until then the time goes on from what was believed before, or is the clock's where that is earlier. What is
 * too much in bytes goes all the same. ts_stats.retention_held tells. */
#include "base/mem.h"
#include "tsdb/blobs.h"
#include "tsdb/damage.h"
#include "tsdb/places.h"
#include "tsdb/roll.h"
#include "tsdb/small.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US (24 * HOUR_US)
#define DAY_NS (UINT64_C(86400) * 1000000000)
#define CLOCK_PATH "ts/clock"
#define CLOCK_MAGIC "BNTSCLK1"

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

/* ---- the time ---- */
static int64_t later(int64_t t, int64_t by)
{
    return by > 0 && t > INT64_MAX - by ? INT64_MAX : t + by;
}

static int64_t distance(int64_t a, int64_t b)
{
    uint64_t d = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
    return d > INT64_MAX ? INT64_MAX : (int64_t)d;
}

static int64_t load_clock(struct tsdb *db)
{
    void *block = NULL;
    struct in in;
    int64_t t = INT64_MIN;
    if (small_load(db->fs, CLOCK_PATH, CLOCK_MAGIC, &block, &in)) return INT64_MIN;
    t = (int64_t)in_u64(&in);
    mem_free(block);
    return in.bad ? INT64_MIN : t;
}

/* A lost file only means that a leap may be believed late. */
static void save_clock(struct tsdb *db, int64_t t)
{
    struct buf b;
    buf_init(&b, 64);
    small_begin(&b, CLOCK_MAGIC);
    buf_u64le(&b, (uint64_t)t);
    if (small_save(db->fs, CLOCK_PATH, &b) == 0) db->keep.clock.saved_us = t;
    buf_fini(&b);
}

void retention_clock_begin(struct tsdb *db)
{
    struct keep_clock *k = &db->keep.clock;
    int64_t now = clock_now_us(db->clock), base = load_clock(db);
    k->saved_us = base;
    if (base == INT64_MIN) base = db->stats.newest_us;
    k->trusted_ns = clock_mono_ns(db->clock);
    k->trusted_us = base == INT64_MIN || distance(now, base) <= DAY_US ? now : base;
    if (base > now && k->saved_us == INT64_MIN) k->trusted_us = now; /* samples from the future say nothing */
}

int64_t retention_now(struct tsdb *db, bool move)
{
    int64_t now = clock_now_us(db->clock);
    uint64_t mono = clock_mono_ns(db->clock);
    pthread_mutex_lock(&db->lock);
    struct keep_clock k = db->keep.clock;
    int64_t expected = later(k.trusted_us, (int64_t)((mono - k.trusted_ns) / 1000));
    bool leap = distance(now, expected) > HOUR_US;
    if (leap && k.leap_ns == 0) k.leap_ns = mono ? mono : 1;
    if (leap && mono - k.leap_ns >= DAY_NS) leap = false;
    if (!leap) k.trusted_us = now, k.trusted_ns = mono, k.leap_ns = 0;
    k.held = leap && now > expected;
    if (move) db->keep.clock = k;
    pthread_mutex_unlock(&db->lock);
    return leap && now > expected ? expected : now;
}

/* ---- what goes ---- */
int64_t retention_floor(const struct ts_class *c, int64_t now)
{
    return c->max_age_us ? now - c->max_age_us : INT64_MIN;
}

int64_t retention_cut(const struct seg_info *s, int64_t floor)
{
    if (s->max_us < floor) return INT64_MAX;
    if (s->min_us >= floor || s->place == TS_COLD) return INT64_MIN; /* there nothing is rewritten for that */
    uint64_t span = (uint64_t)s->max_us - (uint64_t)s->min_us, gone = (uint64_t)floor - (uint64_t)s->min_us;
    return gone > span / 2 ? floor : INT64_MIN;
}

int64_t retention_fit(const struct seg_info *s, int64_t bytes, int64_t max_bytes)
{
    double keep = ((double)s->max_us - (double)s->min_us) * 0.8 * (double)max_bytes / (double)bytes;
    int64_t cut = s->max_us - (int64_t)keep;
    return s->blocks > 1 && cut > s->min_us ? cut : INT64_MAX;
}

static int age_once(struct tsdb *db, uint8_t class_id, int64_t floor)
{
    struct view *v = view_get(db);
    int rc = 0;
    for (size_t i = 0; i < v->nsegs && rc == 0; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        int64_t cut = s->class_id == class_id ? retention_cut(s, floor) : INT64_MIN;
        if (cut == INT64_MIN) continue;
        rc = compact_range(db, i, 1, cut);
        bool away = rc < 0 && s->place != TS_HOT && seg_away(v->segs[i]);
        rc = rc ? rc : 1;
        if (away) rc = 0; /* another time; the floor hides what is too old */
    }
    view_put(v);
    return rc;
}

/* The file of blobs of the class whose newest sample is oldest, with a reference. */
static struct blob_file *oldest_blobs(struct tsdb *db, uint8_t class_id, int64_t *ret_max_us)
{
    struct blob_pick *p = NULL;
    struct blob_file *o = NULL;
    size_t n = 0;
    if (blobs_pick(db, &p, &n)) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (p[i].i.class_id != class_id || !p[i].i.records || (o && p[i].i.max_us >= *ret_max_us)) continue;
        o = p[i].file;
        *ret_max_us = p[i].i.max_us;
    }
    if (o) atomic_fetch_add(&o->refs, 1);
    blobs_unpick(p, n);
    return o;
}

/* 1: blobs were older than every segment, a file of them went. */
static int blobs_once(struct tsdb *db, const struct view *v, const struct usage *u, uint8_t class_id)
{
    int64_t max_us = INT64_MAX;
    struct blob_file *f = oldest_blobs(db, class_id, &max_us);
    bool goes = f && (u->segs == 0 || max_us <= seg_info(v->segs[u->oldest])->max_us);
    if (goes) blobs_drop(db, f);
    blob_file_unref(f);
    return goes;
}

static int bytes_once(struct tsdb *db, uint8_t class_id, int64_t max_bytes)
{
    struct view *v = view_get(db);
    struct usage u = usage_of(v, class_id);
    int rc = 0;
    u.bytes += (int64_t)blobs_bytes(db, class_id);
    if (u.bytes > max_bytes && blobs_once(db, v, &u, class_id)) {
        rc = 1;
    } else if (u.bytes > max_bytes && u.segs) {
        const struct seg_info *s = seg_info(v->segs[u.oldest]);
        int64_t cut = u.segs > 1 ? INT64_MAX : retention_fit(s, u.bytes, max_bytes);
        rc = roll_drop(db, class_id, cut == INT64_MAX ? s->max_us + 1 : cut);
        view_put(v);
        v = view_get(db);
        u.oldest = usage_of(v, class_id).oldest;
        if (!rc) rc = compact_range(db, u.oldest, 1, cut);
        if (!rc) rc = 1;
    }
    view_put(v);
    return rc;
}

static int enforce_class(struct tsdb *db, const struct ts_class *c, int64_t now)
{
    int64_t floor = retention_floor(c, now);
    int rc = roll_expire(db, c, now, &floor);
    if (rc) return rc;
    pthread_mutex_lock(&db->lock);
    db->floor[c->id] = floor;
    pthread_mutex_unlock(&db->lock);
    if (c->max_age_us) blobs_expire(db, c->id, floor);
    do rc = c->max_age_us ? age_once(db, c->id, floor) : 0;
    while (rc == 1);
    while (!rc && c->max_bytes && (rc = bytes_once(db, c->id, (int64_t)c->max_bytes)) == 1) rc = 0;
    return rc;
}

/* A small plant would fill its log in days: what is an hour old is sealed, so that it is compressed, counted and
 * need not be replayed. Called with `lock`. */
static void seal_when_old(struct tsdb *db)
{
    int64_t age = clock_now_us(db->clock) - db->head_since_us;
    if (!db->threaded || age < HOUR_US || db->seal_rc) return;
    db->seal_wanted = true;
    pthread_cond_broadcast(&db->wake);
}

int tsdb_enforce_retention(struct ts_store *st, struct error *e)
{
    struct tsdb *db = tsdb_of(st);
    struct ts_class classes[TSDB_CLASSES];
    int rc = 0;
    pthread_mutex_lock(&db->work);
    int64_t now = retention_now(db, true), saved = db->keep.clock.saved_us;
    if (saved == INT64_MIN || distance(now, saved) >= HOUR_US) save_clock(db, now);
    pthread_mutex_lock(&db->lock);
    memcpy(classes, db->classes, sizeof classes);
    pthread_mutex_unlock(&db->lock);
    for (uint8_t i = 0; i < TSDB_CLASSES; i++) { /* one that fails does not keep the others from it */
        classes[i].id = i;
        int one = enforce_class(db, &classes[i], now);
        if (one && !rc) rc = one;
    }
    pthread_mutex_unlock(&db->work);
    int moved = places_move(db, classes, now);
    if (!rc) rc = moved;
    damage_flush(db);
    pthread_mutex_lock(&db->lock);
    seal_when_old(db);
    if (db->keep.tombs) { /* deletions that wait for their segments to be rewritten */
        db->merge_wanted = true;
        pthread_cond_broadcast(&db->wake);
    }
    pthread_mutex_unlock(&db->lock);
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
    for (int c = 0; c < TSDB_CLASSES; c++) ret[c].bytes += (int64_t)blobs_bytes(tsdb_of(st), c);
    view_put(v);
}
