/* recover.c - what is found at the start: segments first, then the logs that they do not cover.
 *
 * "ts/" holds wal-<number>, seg-<range>-<generation>-<class>, strings, and what was set aside as bad-... A temporary
 * name (*.new) is a file that was being written: removed. */
#include "base/mem.h"
#include "tsdb/engine.h"
#include "tsdb/recover.h"

struct found {
    uint64_t *wals;
    size_t nwals, cap_wals;
    struct seg_info *segs;
    size_t nsegs, cap_segs;
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
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct into {
    struct tsdb *db;
    struct head *head;
};

static int into_head(void *ctx, const struct sample *s, size_t n)
{
    struct into *in = ctx;
    size_t done = 0;
    for (size_t i = 0; i < n; i++) db_seen(in->db, s[i].time_us);
    return head_add(in->head, s, n, &done);
}

static int note_log(struct tsdb *db, uint64_t number, uint64_t bytes, bool damaged)
{
    if (!mem_grow((void **)&db->logs, &db->cap_logs, db->nlogs + 1, sizeof *db->logs)) return ERR_NOMEM;
    db->logs[db->nlogs++] = (struct log_ref){.number = number, .bytes = bytes, .damaged = damaged};
    return 0;
}

static int replay(struct tsdb *db, uint64_t number, struct head *h, struct error *e)
{
    struct into in = {db, h};
    struct wal_replayed r;
    char path[WAL_PATH_MAX];
    wal_path(number, path);
    int rc = wal_replay(db->fs, number, into_head, &in, &r);
    if (rc) return error_set(e, rc, path, "log %s cannot be read: %s", "日志 %s 无法读取：%s", path, error_title(rc));
    db->stats.recovered_samples += r.samples;
    db->stats.damaged_blocks += r.damaged;
    if (r.records == 0 && r.damaged == 0) { /* nothing was ever acknowledged from it */
        (void)db->fs->ops->remove(db->fs, path);
        return 0;
    }
    return note_log(db, number, r.bytes, r.damaged > 0);
}

static int replay_all(struct tsdb *db, struct found *f, uint64_t covered, struct head *h, struct error *e)
{
    if (f->nwals > 1) qsort(f->wals, f->nwals, sizeof *f->wals, by_number);
    for (size_t i = 0; i < f->nwals; i++) {
        char path[WAL_PATH_MAX];
        wal_path(f->wals[i], path);
        int rc = 0;
        if (f->wals[i] <= covered)
            (void)db->fs->ops->remove(db->fs, path);
        else
            rc = replay(db, f->wals[i], h, e);
        if (rc) return rc;
    }
    return 0;
}

static int start_log(struct tsdb *db, uint64_t number, struct error *e)
{
    int rc = wal_create(db->fs, number, &db->wal);
    if (!rc) rc = note_log(db, number, WAL_HEAD, false);
    return rc ? error_set(e, rc, "ts", "no log can be started: %s", "无法创建日志：%s", error_title(rc)) : 0;
}

static int recover(struct tsdb *db, struct found *f, struct seg_set *set, struct error *e)
{
    uint64_t last = set->last_seq;
    int rc = db->fs->ops->list(db->fs, "ts", note, f);
    if (!rc && f->nomem) rc = ERR_NOMEM;
    for (size_t i = 0; !rc && i < f->ntemps; i++) (void)db->fs->ops->remove(db->fs, f->temps[i]);
    if (!rc) rc = segs_load(db, f->segs, f->nsegs, set, e);
    for (size_t i = 0; !rc && i < f->nwals; i++)
        if (f->wals[i] > last) last = f->wals[i];
    if (set->last_seq > last) last = set->last_seq;
    if (rc) return rc;
    struct head *h = head_new(last + 1);
    if (!h) return ERR_NOMEM;
    rc = replay_all(db, f, set->covered, h, e);
    if (!rc) rc = start_log(db, last + 1, e);
    for (size_t i = 0; i < db->nlogs; i++) db->logs[i].head = last + 1;
    if (!rc) rc = view_set(db, &h, 1, set->segs, set->n);
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
    mem_free(f.segs);
    mem_free(f.temps);
    return rc;
}
