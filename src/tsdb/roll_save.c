/* roll_save.c - before samples expire of which rollups are kept longer: every hour and third of a day has its cell. */
#include "base/mem.h"
#include "tsdb/roll_step.h"

struct saving {
    struct tsdb *db;
    struct roll_touches t;
    uint8_t class_id;
    int64_t floor;
};

static int note_block(void *ctx, const struct block_meta *m)
{
    struct saving *s = ctx;
    if (m->first_us >= s->floor || tsdb_class_of(s->db, m->point) != s->class_id) return 0;
    return roll_note_touch(&s->t, m->point, m->first_us, m->last_us < s->floor ? m->last_us : s->floor - 1);
}

/* What is in memory still and lies before the floor must reach segments first. */
static int seal_old(struct tsdb *db, int64_t floor)
{
    struct view *v = view_get(db);
    bool old = false;
    for (size_t i = 0; i < v->nheads; i++) {
        struct head_counts c;
        head_counts(v->heads[i], &c);
        old |= c.samples && c.oldest_us < floor;
    }
    view_put(v);
    return old ? seal_all(db) : 0;
}

static int save(struct saving *s, struct view *v)
{
    struct roll_job j = {.db = s->db, .v = v, .save = true, .floor = s->floor};
    int rc = job_begin(s->db);
    for (size_t i = 0; i < v->nsegs && !rc; i++) {
        if (seg_info(v->segs[i])->min_us >= s->floor) continue;
        rc = seg_each_meta(v->segs[i], s->db->work_codec, note_block, s);
        if (rc == ERR_CORRUPT) rc = 0;
    }
    if (!rc && s->t.n) rc = roll_write_step(&j, &s->t, v->rolled);
    mem_free(s->t.t);
    return rc;
}

int roll_save(struct tsdb *db, uint8_t class_id, int64_t floor)
{
    struct saving s = {.db = db, .class_id = class_id, .floor = roll_start(ROLL_HOUR, floor)};
    if (db->no_rollups) return 0;
    int rc = seal_old(db, s.floor);
    while (!rc && (rc = roll_once(db)) == 1) rc = 0;
    if (rc) return rc;
    struct view *v = view_get(db);
    rc = save(&s, v);
    view_put(v);
    return rc;
}

int roll_expire(struct tsdb *db, const struct ts_class *c, int64_t now, int64_t *floor)
{
    if (!c->rollup_age_us || *floor == INT64_MIN) return 0;
    int64_t before = job_floor(db, c->id);
    *floor = roll_start(ROLL_HOUR, *floor);
    int rc = *floor > before ? roll_save(db, c->id, *floor) : 0;
    if (rc) return rc;
    int64_t cells = now - c->rollup_age_us;
    pthread_mutex_lock(&db->lock);
    db->cell_floor[c->id] = cells < *floor ? cells : *floor;
    pthread_mutex_unlock(&db->lock);
    return 0;
}

int roll_drop(struct tsdb *db, uint8_t class_id, int64_t before)
{
    pthread_mutex_lock(&db->lock);
    bool outlive = db->classes[class_id].rollup_age_us > 0;
    if (!outlive && db->cell_floor[class_id] < before) db->cell_floor[class_id] = before;
    pthread_mutex_unlock(&db->lock);
    return outlive ? roll_save(db, class_id, roll_start(ROLL_HOUR, before) + roll_span(ROLL_HOUR)) : 0;
}
