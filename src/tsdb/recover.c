/* recover.c - what is found at the start: segments first, then the logs that they do not cover.
 *
 * "ts/" holds wal-<number>, seg-<range>-<generation>-<class>, strings, and what was set aside as bad-... A temporary
 * name (*.new) is a file that was being written: removed. */
#include "base/mem.h"
#include "tsdb/engine.h"
#include "tsdb/damage.h"
#include "tsdb/delete.h"
#include "tsdb/places.h"
#include "tsdb/recover.h"
#include "tsdb/roll.h"

struct found {
    uint64_t *wals;
    size_t nwals, cap_wals;
    struct seg_info *segs;
    size_t nsegs, cap_segs;
    struct roll_info *rolls;
    size_t nrolls, cap_rolls;
    struct roll_set rolled;
    char (*temps)[SEG_PATH_MAX];
    size_t ntemps, cap_temps;
    bool nomem;
};

static void note_temp(struct found *f, const char *name)
{
    f->nomem |= !mem_grow((void **)&f->temps, &f->cap_temps, f->ntemps + 1, sizeof *f->temps);
    if (!f->nomem) snprintf(f->temps[f->ntemps++], sizeof *f->temps, "ts/%s", name);
}

static void note(void *ctx, const char *name, bool dir, int64_t size)
{
    struct found *f = ctx;
    uint64_t number;
    struct seg_info info;
    struct roll_info roll;
    size_t n = strlen(name);
    if (dir || f->nomem) return;
    if (n > 4 && n < SEG_PATH_MAX - 4 && strcmp(name + n - 4, ".new") == 0) {
        note_temp(f, name);
    } else if (wal_name_parse(name, &number)) {
        f->nomem |= !mem_grow((void **)&f->wals, &f->cap_wals, f->nwals + 1, sizeof *f->wals);
        if (!f->nomem) f->wals[f->nwals++] = number;
    } else if (seg_name_parse(name, &info)) {
        f->nomem |= !mem_grow((void **)&f->segs, &f->cap_segs, f->nsegs + 1, sizeof *f->segs);
        if (!f->nomem) f->segs[f->nsegs++] = info;
    } else if (roll_name_parse(name, &roll)) {
        f->nomem |= !mem_grow((void **)&f->rolls, &f->cap_rolls, f->nrolls + 1, sizeof *f->rolls);
        if (!f->nomem) f->rolls[f->nrolls++] = roll;
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* ---- logs ----
 * A record that removes applies to what stands in front of it. When nothing of that is in a log (the usual
 * case) reading once will do, and the deletion goes on to hide segments. Otherwise the logs are read a second
 * time, with all deletions known, and what a later one hides is left out. */
struct removal {
    uint64_t at; /* the how manieth record of all logs */
    struct wal_remove r;
};
struct into {
    struct tsdb *db;
    struct head *head;
    int64_t until_us; /* records written later are left out; 0: none */
    uint64_t at;
    bool again, second;
    struct removal *removals; /* in their order; on the second reading by point, then order */
    size_t n, cap;
};

static bool in_head(struct head *h, const struct wal_remove *r, int *ret_rc)
{
    struct arena a;
    struct source s[HEAD_SOURCES];
    size_t n = 0;
    arena_init(&a, QUERY_ARENA_MAX);
    *ret_rc = head_sources(h, r->point, r->from, r->to - 1, &a, s, &n);
    bool found = false;
    for (size_t i = 0; i < n && !*ret_rc; i++) found |= s[i].n > 0;
    arena_fini(&a);
    return found;
}

static int take_removal(struct into *in, const struct wal_remove *r)
{
    int rc = 0;
    if (in->second) return 0;
    if (!mem_grow((void **)&in->removals, &in->cap, in->n + 1, sizeof *in->removals)) return ERR_NOMEM;
    in->removals[in->n++] = (struct removal){in->at, *r};
    in->again |= in_head(in->head, r, &rc);
    return rc;
}

static int by_point(const void *a, const void *b)
{
    const struct removal *x = a, *y = b;
    if (x->r.point != y->r.point) return x->r.point < y->r.point ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool removed_later(const struct into *in, const struct sample *s)
{
    size_t lo = 0, hi = in->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (in->removals[mid].r.point < s->point)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < in->n && in->removals[lo].r.point == s->point; lo++) {
        const struct removal *x = &in->removals[lo];
        if (x->at > in->at && s->time_us >= x->r.from && s->time_us < x->r.to) return true;
    }
    return false;
}

static int into_head(void *ctx, const struct wal_op *op)
{
    struct into *in = ctx;
    size_t done = 0;
    in->at++;
    if (in->until_us && op->wall_us > in->until_us) return 0;
    if (op->remove) return take_removal(in, op->remove);
    for (size_t i = 0; i < op->n; i++) {
        db_seen(in->db, op->s[i].time_us);
        if (op->s[i].type == SAMPLE_STRING && op->s[i].v.u > in->db->string_max) in->db->string_max = op->s[i].v.u;
    }
    if (!in->second) return head_add(in->head, op->s, op->n, &done);
    for (size_t i = 0; i < op->n; i++) {
        int rc = removed_later(in, &op->s[i]) ? 0 : head_add(in->head, &op->s[i], 1, &done);
        if (rc) return rc;
    }
    return 0;
}

static int note_log(struct tsdb *db, const struct log_ref *l)
{
    if (!mem_grow((void **)&db->logs, &db->cap_logs, db->nlogs + 1, sizeof *db->logs)) return ERR_NOMEM;
    db->logs[db->nlogs++] = *l;
    return 0;
}

static int replay(struct tsdb *db, uint64_t number, struct into *in, struct error *e)
{
    struct wal_replayed r;
    char path[WAL_PATH_MAX];
    wal_path(number, path);
    int rc = wal_replay(db->fs, number, into_head, in, &r);
    if (rc) return error_set(e, rc, path, "log %s cannot be read: %s", "日志 %s 无法读取：%s", path, error_title(rc));
    if (in->second) return 0;
    db->stats.recovered_samples += r.samples;
    db->stats.damaged_blocks += r.damaged;
    if (r.damaged) damage_file(db, path);
    if (r.records == 0 && r.damaged == 0) { /* nothing was ever acknowledged from it */
        (void)db->fs->ops->remove(db->fs, path);
        return 0;
    }
    return note_log(db, &(struct log_ref){.number = number,
                                          .bytes = r.bytes,
                                          .first_us = r.first_us,
                                          .last_us = r.last_us,
                                          .damaged = r.damaged > 0});
}

/* A log that segments cover. */
static void put_away(struct tsdb *db, uint64_t number)
{
    struct log_ref l = {.number = number, .bytes = WAL_HEAD + 1};
    char path[WAL_PATH_MAX];
    wal_path(number, path);
    if (db->keep.archive.max) {
        int64_t size = 0;
        struct fs_file *f;
        if (fs_open(db->fs, path, FS_READ, &f) == 0) {
            size = fs_size(f);
            fs_close(f);
        }
        l.bytes = size > 0 ? (uint64_t)size : 0;
    }
    if (!archive_take(db, &l)) (void)db->fs->ops->remove(db->fs, path);
}

static int replay_all(struct tsdb *db, struct found *f, uint64_t covered, struct into *in, struct error *e)
{
    if (f->nwals > 1) qsort(f->wals, f->nwals, sizeof *f->wals, by_number);
    for (size_t i = 0; i < f->nwals; i++) {
        int rc = 0;
        if (f->wals[i] <= covered)
            put_away(db, f->wals[i]);
        else
            rc = replay(db, f->wals[i], in, e);
        if (rc) return rc;
    }
    return 0;
}

static int replay_again(struct tsdb *db, struct into *in, struct error *e)
{
    int rc = 0;
    in->second = true;
    in->at = 0;
    qsort(in->removals, in->n, sizeof *in->removals, by_point);
    for (size_t i = 0; i < db->nlogs && !rc; i++) rc = replay(db, db->logs[i].number, in, e);
    return rc;
}

/* The head that holds what the logs hold; the deletions in them hide all segments. */
static int replayed_head(struct tsdb *db, struct found *f, uint64_t covered, uint64_t number, struct head **ret,
                         struct error *e)
{
    struct into in = {.db = db, .head = head_new(number), .until_us = db->keep.until_us};
    int rc = in.head ? replay_all(db, f, covered, &in, e) : ERR_NOMEM;
    if (!rc && in.again) {
        head_unref(in.head);
        in.head = head_new(number);
        rc = in.head ? replay_again(db, &in, e) : ERR_NOMEM;
    }
    for (size_t i = 0; i < in.n && !rc; i++)
        rc = tombs_add(db, in.removals[i].r.point, in.removals[i].r.from, in.removals[i].r.to, number * 2);
    mem_free(in.removals);
    if (rc)
        head_unref(in.head);
    else
        *ret = in.head;
    return rc;
}

static int start_log(struct tsdb *db, uint64_t number, struct error *e)
{
    int rc = wal_create(db->fs, number, &db->wal);
    if (!rc) rc = note_log(db, &(struct log_ref){.number = number, .bytes = WAL_HEAD});
    return rc ? error_set(e, rc, "ts", "no log can be started: %s", "无法创建日志：%s", error_title(rc)) : 0;
}

static int recover(struct tsdb *db, struct found *f, struct seg_set *set, struct error *e)
{
    uint64_t last = set->last_seq;
    int rc = db->fs->ops->list(db->fs, "ts", note, f);
    if (!rc && f->nomem) rc = ERR_NOMEM;
    for (size_t i = 0; !rc && i < f->ntemps; i++) (void)db->fs->ops->remove(db->fs, f->temps[i]);
    if (!rc) rc = damage_load(db);
    if (!rc) rc = places_load(db, e);
    if (!rc) rc = segs_load(db, f->segs, f->nsegs, set, e);
    if (!rc) rc = roll_load(db, f->rolls, f->nrolls, &f->rolled, e);
    for (size_t i = 0; !rc && i < f->nwals; i++)
        if (f->wals[i] > last) last = f->wals[i];
    if (set->last_seq > last) last = set->last_seq;
    if (f->rolled.last > last) last = f->rolled.last;
    if (rc) return rc;
    if (set->covered > last) last = set->covered;
    rc = archive_open(db, &last);
    if (!rc) rc = tombs_load(db);
    struct head *h = NULL;
    if (!rc) rc = replayed_head(db, f, set->covered, last + 1, &h, e);
    if (rc) return rc;
    if (!rc) rc = start_log(db, last + 1, e);
    for (size_t i = 0; i < db->nlogs; i++) db->logs[i].head = last + 1;
    if (!rc) roll_limit(db, set->segs, set->n);
    if (!rc)
        rc =
            view_replace(db, &h, 1, set->segs, set->n, f->rolled.rolls, f->rolled.n, f->rolled.rolled, f->rolled.known);
    db->merge_wanted = true; /* also for what is not rolled yet */
    head_unref(h);
    return rc;
}

int db_recover(struct tsdb *db, struct error *e)
{
    struct found f = {0};
    struct seg_set set = {0};
    int rc = db->fs->ops->mkdir(db->fs, "ts");
    if (!rc) rc = db->fs->ops->sync_dir(db->fs, "");
    if (!rc) rc = recover(db, &f, &set, e);
    if (!rc) rc = db->fs->ops->sync_dir(db->fs, "ts");
    seg_set_fini(&set);
    mem_free(f.wals);
    roll_set_fini(&f.rolled);
    mem_free(f.segs);
    mem_free(f.rolls);
    mem_free(f.temps);
    return rc;
}
