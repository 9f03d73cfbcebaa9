/* roll_step.c - see roll.h and roll_step.h.
 *
 * What the new segments' indexes say gives, for each point, the hours and thirds of days that are touched. Those that
 * are complete are computed from all segments; a cell that was there and does not come about any more is replaced by
 * one without figures. Cells of one point are gathered in memory, then written. */
#include "tsdb/roll_step.h"
#include "base/mem.h"
#include "tsdb/acc.h"
#include "tsdb/delete.h"

#define SLICE_BYTES ((int64_t)32 << 20) /* of segments in one step */
#define GRACE_US INT64_C(7200000000)    /* behind the store's newest sample an interval is complete */

/* Intervals [t0, t1) at a level's grid, apart and sorted. */
struct spans {
    struct span_us {
        int64_t t0, t1;
    } * s;
    size_t n, cap;
};
struct made {
    int64_t t0;
    size_t order; /* of the file that it comes from */
    struct block_meta m;
};
struct made_list {
    struct made *c;
    size_t n, cap;
};
struct point {
    struct roll_job *j;
    uint32_t point;
    int64_t cutoff;                      /* cells that end by then are complete */
    int64_t floor;                       /* samples before are expired while cells are kept; INT64_MIN: not so */
    struct spans touched[ROLL_LEVELS];   /* hours and thirds */
    struct made_list there[ROLL_LEVELS]; /* cells of touched intervals in older files */
    struct made_list out[ROLL_LEVELS];
    struct block_meta part[ROLL_LEVELS]; /* being gathered; count 0: nothing */
    struct arena arena;
    struct source *sources;
    size_t nsources;
    unsigned finest; /* level that the samples of a range may be dense enough for */
};

int roll_note_touch(struct roll_touches *t, uint32_t point, int64_t t0, int64_t t1)
{
    if (!mem_grow((void **)&t->t, &t->cap, t->n + 1, sizeof *t->t)) return ERR_NOMEM;
    t->t[t->n++] = (struct roll_touch){.point = point, .t0 = t0, .t1 = t1};
    return 0;
}

/* ---- intervals ---- */
static int add_span(struct spans *x, int64_t t0, int64_t t1)
{
    if (t0 >= t1) return 0;
    if (x->n && t0 <= x->s[x->n - 1].t1) {
        if (t1 > x->s[x->n - 1].t1) x->s[x->n - 1].t1 = t1;
        return 0;
    }
    if (!mem_grow((void **)&x->s, &x->cap, x->n + 1, sizeof *x->s)) return ERR_NOMEM;
    x->s[x->n].t0 = t0;
    x->s[x->n++].t1 = t1;
    return 0;
}

static bool in_spans(const struct spans *x, int64_t t)
{
    size_t lo = 0, hi = x->n; /* first that ends behind t */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->s[mid].t1 <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < x->n && x->s[lo].t0 <= t;
}

static int touch_level(struct point *p, unsigned level, int64_t t0, int64_t t1)
{
    return add_span(&p->touched[level], roll_start(level, t0), roll_start(level, t1) + roll_span(level));
}

/* ---- cells that are there ---- */
struct look {
    struct point *p;
    unsigned level;
    size_t order;
};

static int note_there(void *ctx, const struct block_meta *m)
{
    struct look *l = ctx;
    struct made_list *x = &l->p->there[l->level];
    int64_t t0 = roll_start(l->level, m->first_us);
    if (!in_spans(&l->p->touched[l->level], t0)) return 0;
    if (!mem_grow((void **)&x->c, &x->cap, x->n + 1, sizeof *x->c)) return ERR_NOMEM;
    x->c[x->n++] = (struct made){t0, l->order, *m};
    return 0;
}

static int by_time_newest(const void *a, const void *b)
{
    const struct made *x = a, *y = b;
    if (x->t0 != y->t0) return x->t0 < y->t0 ? -1 : 1;
    return (x->order < y->order) - (x->order > y->order);
}

static void settle_there(struct made_list *x)
{
    size_t n = 0;
    if (x->n > 1) qsort(x->c, x->n, sizeof *x->c, by_time_newest);
    for (size_t i = 0; i < x->n;) {
        int64_t t0 = x->c[i].t0;
        if (x->c[i].m.has_stats) x->c[n++] = x->c[i];
        while (i < x->n && x->c[i].t0 == t0) i++;
    }
    x->n = n;
}

static const struct made *find_cell(const struct made_list *x, int64_t t)
{
    size_t lo = 0, hi = x->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->c[mid].t0 < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < x->n && x->c[lo].t0 == t ? &x->c[lo] : NULL;
}

static bool is_there(const struct made_list *x, int64_t t0)
{
    return find_cell(x, t0) != NULL;
}

static int look_up(struct point *p)
{
    const struct view *v = p->j->v;
    for (unsigned level = 0; level < ROLL_LEVELS; level++) {
        const struct spans *x = &p->touched[level];
        struct look l = {.p = p, .level = level};
        if (x->n == 0) continue;
        for (size_t i = 0; i < v->nrolls; i++) {
            l.order = i;
            if (roll_info(v->rolls[i])->max_us < x->s[0].t0) continue;
            int rc = roll_cells(v->rolls[i], level, p->point, x->s[0].t0, x->s[x->n - 1].t1, p->j->db->work_codec,
                                note_there, &l);
            if (rc) return rc;
        }
        settle_there(&p->there[level]);
    }
    return 0;
}

/* ---- which cells to compute ---- */
static bool wanted(const struct point *p, unsigned level, int64_t t0)
{
    unsigned by = level < ROLL_HOUR ? ROLL_HOUR : level;
    int64_t begin = roll_start(by, t0), end = begin + roll_span(by);
    bool there = is_there(&p->there[level], t0);
    if (!in_spans(&p->touched[by], begin)) return false;
    if (p->j->save) return !there && end <= p->j->floor && level >= ROLL_HOUR;
    return end <= p->cutoff || there || (by != level && is_there(&p->there[by], begin));
}

/* What reaches before where samples begin is not; roll_save makes thirds of days of their hours. */
static bool from_samples(const struct point *p, unsigned level, int64_t t0)
{
    return p->j->save ? level != ROLL_THIRD : t0 >= p->floor;
}

static int add_ranges(const struct point *p, unsigned level, struct spans *out)
{
    const struct spans *x = &p->touched[level];
    for (size_t i = 0; i < x->n; i++)
        for (int64_t t = x->s[i].t0; t < x->s[i].t1; t += roll_span(level)) {
            if (!wanted(p, level, t) || !from_samples(p, level, t)) continue;
            if (!mem_grow((void **)&out->s, &out->cap, out->n + 1, sizeof *out->s)) return ERR_NOMEM;
            out->s[out->n].t0 = t;
            out->s[out->n++].t1 = t + roll_span(level);
        }
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const struct span_us *x = a, *y = b;
    return (x->t0 > y->t0) - (x->t0 < y->t0);
}

/* What has to be read, apart and sorted. */
static int ranges_of(const struct point *p, struct spans *out)
{
    int rc = add_ranges(p, ROLL_HOUR, out);
    if (!rc) rc = add_ranges(p, ROLL_THIRD, out);
    if (rc || out->n < 2) return rc;
    qsort(out->s, out->n, sizeof *out->s, by_begin);
    size_t n = 0;
    for (size_t i = 1; i < out->n; i++) {
        if (out->s[i].t0 > out->s[n].t1)
            out->s[++n] = out->s[i];
        else if (out->s[i].t1 > out->s[n].t1)
            out->s[n].t1 = out->s[i].t1;
    }
    out->n = n + 1;
    return 0;
}

/* ---- reading ---- */
/* With from == to what lies before counts, too. */
static int find_sources(struct point *p, int64_t from, int64_t to)
{
    const struct view *v = p->j->v;
    p->nsources = 0;
    p->sources = arena_alloc(&p->arena, (v->nsegs + 1) * sizeof *p->sources);
    if (!p->sources) return ERR_NOMEM;
    for (size_t i = 0; i < v->nsegs; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->min_us > to || (from != to && s->max_us < from)) continue;
        int rc = seg_source(v->segs[i], p->point, from, to, INT64_MIN, &p->arena, p->j->db->work_codec,
                            &p->sources[p->nsources]);
        if (rc < 0 && rc != ERR_CORRUPT) return rc;
        p->nsources += rc == 1;
    }
    return tombs_hide(p->j->db->keep.tombs, p->point, p->sources, p->nsources, &p->arena);
}

static size_t first_piece(const struct source *s, int64_t t)
{
    size_t lo = 0, hi = s->n; /* first that ends at or behind t */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->pieces[mid].t1 < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The finest cells that so many samples in so much time may come to, below the hour. */
static unsigned level_of(const struct point *p, const struct piece *x)
{
    uint64_t each = ((uint64_t)x->t1 - (uint64_t)x->t0) / x->n, least = p->j->db->roll_min;
    if (x->n >= least && each < (uint64_t)roll_span(ROLL_MINUTE) / least * 2) return ROLL_MINUTE;
    return each < (uint64_t)roll_span(ROLL_HALF) / least * 2 ? ROLL_HALF : ROLL_HOUR;
}

/* Can this range come to a cell at all? Also: how fine may cells be? */
static bool enough(struct point *p, const struct span_us *r)
{
    uint64_t n = 0;
    p->finest = ROLL_HOUR;
    for (size_t i = 0; i < p->nsources; i++) {
        const struct source *s = &p->sources[i];
        for (size_t k = first_piece(s, r->t0); k < s->n && s->pieces[k].t0 < r->t1; k++) {
            const struct piece *x = &s->pieces[k];
            n += x->n;
            if (x->n && level_of(p, x) < p->finest) p->finest = level_of(p, x);
        }
    }
    return n >= p->j->db->roll_min || (p->j->save && n);
}

static int close_cell(struct point *p, unsigned level)
{
    struct block_meta *m = &p->part[level];
    struct made_list *x = &p->out[level];
    if (m->count == 0) return 0;
    int64_t t0 = roll_start(level, m->first_us);
    bool keep = wanted(p, level, t0) && from_samples(p, level, t0) && m->count >= (p->j->save ? 1 : p->j->db->roll_min);
    if (keep && !mem_grow((void **)&x->c, &x->cap, x->n + 1, sizeof *x->c)) return ERR_NOMEM;
    if (keep) {
        x->c[x->n] = (struct made){.t0 = t0, .m = *m};
        x->c[x->n++].m.has_stats = true;
    }
    m->count = 0;
    return 0;
}

static int take_part(struct point *p, const struct block_meta *m)
{
    for (unsigned level = p->finest; level < ROLL_LEVELS; level++) {
        struct block_meta *to = &p->part[level];
        int rc =
            to->count && roll_start(level, to->first_us) != roll_start(level, m->first_us) ? close_cell(p, level) : 0;
        if (rc) return rc;
        part_join(to, m);
    }
    return 0;
}

static int take_samples(struct point *p, const struct sample *s, size_t n)
{
    unsigned finest = p->finest;
    for (size_t i = 0, k; i < n; i += k) {
        struct block_meta part = {0};
        int64_t end = roll_start(finest, s[i].time_us) + roll_span(finest);
        size_t lo = 0, hi = n - i;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (s[i + mid].time_us < end)
                lo = mid + 1;
            else
                hi = mid;
        }
        k = lo;
        block_meta_fill(&part, s + i, k);
        int rc = take_part(p, &part);
        if (rc) return rc;
    }
    return 0;
}

static int read_range(struct point *p, const struct span_us *range)
{
    struct merge m;
    struct run r;
    unsigned finest = p->finest;
    int rc = merge_init(&m, p->sources, p->nsources, range->t0, range->t1 - 1, p->j->db->work_codec);
    while (!rc && (rc = merge_next(&m, true, &r)) == 1) {
        if (!r.block)
            rc = take_samples(p, r.s, r.n);
        else if (roll_start(finest, r.block->first_us) == roll_start(finest, r.block->last_us))
            rc = take_part(p, r.block);
        else
            rc = merge_open(&m, &r);
    }
    merge_fini(&m);
    for (unsigned level = 0; level < ROLL_LEVELS && rc >= 0; level++) rc = close_cell(p, level);
    return rc < 0 ? rc : 0;
}

static int read_ranges(struct point *p)
{
    struct spans ranges = {0};
    int rc = ranges_of(p, &ranges);
    if (!rc && ranges.n) rc = find_sources(p, ranges.s[0].t0, ranges.s[ranges.n - 1].t1 - 1);
    for (size_t i = 0; i < ranges.n && !rc; i++)
        if (enough(p, &ranges.s[i])) rc = read_range(p, &ranges.s[i]);
    mem_free(ranges.s);
    return rc;
}

/* ---- thirds of days out of hours ---- */
static const struct made *hour_at(const struct point *p, int64_t t)
{
    const struct made *c = find_cell(&p->out[ROLL_HOUR], t);
    return c ? c : find_cell(&p->there[ROLL_HOUR], t);
}

static int join_hours(struct point *p)
{
    const struct spans *x = &p->touched[ROLL_THIRD];
    struct made_list *out = &p->out[ROLL_THIRD];
    for (size_t i = 0; i < x->n && p->j->save; i++)
        for (int64_t t = x->s[i].t0; t < x->s[i].t1; t += roll_span(ROLL_THIRD)) {
            struct block_meta m = {0};
            if (!wanted(p, ROLL_THIRD, t)) continue;
            for (int64_t h = t; h < t + roll_span(ROLL_THIRD); h += roll_span(ROLL_HOUR)) {
                const struct made *hour = hour_at(p, h);
                if (hour) part_join(&m, &hour->m);
            }
            if (m.count == 0) continue;
            if (!mem_grow((void **)&out->c, &out->cap, out->n + 1, sizeof *out->c)) return ERR_NOMEM;
            out->c[out->n++] = (struct made){.t0 = t, .m = m};
        }
    return 0;
}

/* ---- one point ---- */
/* The interval of the sample before is complete now, too; only worth a look when the touched one has just begun. */
static int touch_before(struct point *p, int64_t t0, int64_t *ret_before)
{
    struct sample best = {.time_us = INT64_MIN};
    *ret_before = t0;
    if (p->j->save || t0 - roll_start(ROLL_HOUR, t0) > roll_span(ROLL_HOUR) / 16 || t0 == INT64_MIN) return 0;
    int rc = find_sources(p, t0 - 1, t0 - 1);
    for (size_t i = 0; i < p->nsources && !rc; i++) {
        const struct source *s = &p->sources[i];
        for (size_t k = 0; k < s->n; k++)
            if (s->pieces[k].t1 < t0 && s->pieces[k].t1 > best.time_us) best.time_us = s->pieces[k].t1;
    }
    if (best.time_us != INT64_MIN) *ret_before = best.time_us;
    return rc;
}

static int touch_all(struct point *p, const struct roll_touch *t, size_t n)
{
    int64_t before, last = INT64_MIN;
    int rc = touch_before(p, t[0].t0, &before);
    for (unsigned level = ROLL_HOUR; level < ROLL_LEVELS && !rc && before < t[0].t0; level++)
        rc = touch_level(p, level, before, before);
    for (size_t i = 0; i < n && !rc; i++) {
        if (t[i].t1 > last) last = t[i].t1;
        int64_t t0 = t[i].t0 > p->floor || p->j->save || t[i].deleted ? t[i].t0 : p->floor;
        if (t0 > t[i].t1) continue;
        if (p->j->save) t0 = roll_start(ROLL_THIRD, t0); /* all hours of it are wanted for the third of the day */
        for (unsigned level = ROLL_HOUR; level < ROLL_LEVELS && !rc; level++) rc = touch_level(p, level, t0, t[i].t1);
    }
    for (size_t i = 0; i < p->touched[ROLL_HOUR].n && !rc; i++)
        for (unsigned level = 0; level < ROLL_HOUR && !rc; level++)
            rc = add_span(&p->touched[level], p->touched[ROLL_HOUR].s[i].t0, p->touched[ROLL_HOUR].s[i].t1);
    p->cutoff = p->j->newest > INT64_MIN + GRACE_US ? p->j->newest - GRACE_US : INT64_MIN;
    if (last > p->cutoff) p->cutoff = last;
    return rc;
}

/* Cells that were there and are not any more: one without figures takes their place. */
static int add_blanks(struct point *p, unsigned level)
{
    const struct made_list *x = &p->there[level];
    struct made_list *out = &p->out[level];
    size_t made = out->n;
    for (size_t i = 0; i < x->n && !p->j->save; i++) {
        struct made_list known = {out->c, made, 0};
        if (is_there(&known, x->c[i].t0)) continue;
        if (!mem_grow((void **)&out->c, &out->cap, out->n + 1, sizeof *out->c)) return ERR_NOMEM;
        struct block_meta none = {.point = p->point, .count = 1, .first_us = x->c[i].t0, .last_us = x->c[i].t0};
        out->c[out->n++] = (struct made){.t0 = x->c[i].t0, .m = none};
    }
    if (out->n > 1) qsort(out->c, out->n, sizeof *out->c, by_time_newest);
    return 0;
}

static void point_fini(struct point *p)
{
    for (unsigned level = 0; level < ROLL_LEVELS; level++) {
        mem_free(p->touched[level].s);
        mem_free(p->there[level].c);
        mem_free(p->out[level].c);
    }
    arena_fini(&p->arena);
}

static int64_t floor_of(struct tsdb *db, uint32_t point)
{
    uint8_t c = tsdb_class_of(db, point);
    pthread_mutex_lock(&db->lock);
    int64_t floor = db->classes[c].rollup_age_us ? db->floor[c] : INT64_MIN;
    pthread_mutex_unlock(&db->lock);
    return floor;
}

static int write_point(struct roll_job *j, struct roll_write *w, const struct roll_touch *t, size_t n)
{
    struct point p = {.j = j, .point = t[0].point, .floor = floor_of(j->db, t[0].point)};
    arena_init(&p.arena, QUERY_ARENA_MAX);
    int rc = touch_all(&p, t, n);
    if (!rc) rc = look_up(&p);
    if (!rc) rc = read_ranges(&p);
    if (!rc) rc = join_hours(&p);
    for (unsigned level = 0; level < ROLL_LEVELS && !rc; level++) {
        rc = add_blanks(&p, level);
        for (size_t i = 0; i < p.out[level].n && !rc; i++) rc = roll_write_cell(w, level, &p.out[level].c[i].m);
    }
    point_fini(&p);
    return rc;
}

/* ---- the step ---- */
static int by_point_time(const void *a, const void *b)
{
    const struct roll_touch *x = a, *y = b;
    if (x->point != y->point) return x->point < y->point ? -1 : 1;
    return (x->t0 > y->t0) - (x->t0 < y->t0);
}

static int write_points(struct roll_job *j, struct roll_write *w, const struct roll_touches *t)
{
    for (size_t i = 0, k; i < t->n; i += k) {
        for (k = 1; i + k < t->n && t->t[i + k].point == t->t[i].point;) k++;
        int rc = job_stopped(j->db) ? ERR_CANCELLED : write_point(j, w, t->t + i, k);
        if (rc) return rc;
    }
    return 0;
}

static int publish_new(struct roll_job *j, const struct roll_info *info)
{
    struct roll *r = NULL;
    char path[ROLL_PATH_MAX];
    roll_path(info, path);
    int rc = roll_open(j->db->fs, path, &r);
    struct roll **all = rc ? NULL : mem_alloc((j->v->nrolls + 1) * sizeof(struct roll *));
    if (!rc && !all) rc = ERR_NOMEM;
    for (size_t i = 0; i < j->v->nrolls && !rc; i++) all[i] = j->v->rolls[i];
    if (!rc) {
        all[j->v->nrolls] = r;
        rc = roll_publish(j->db, all, j->v->nrolls + 1, info->rolled, info->known);
    }
    if (rc) {
        (void)j->db->fs->ops->remove(j->db->fs, path);
        j->db->dir_dirty = true;
    } else {
        j->db->roll_next = info->hi + 1;
    }
    mem_free(all);
    roll_unref(r);
    return rc;
}

int roll_write_step(struct roll_job *j, struct roll_touches *t, uint64_t rolled)
{
    struct roll_info info;
    struct roll_write *w = NULL;
    pthread_mutex_lock(&j->db->lock);
    j->newest = j->db->stats.newest_us;
    pthread_mutex_unlock(&j->db->lock);
    if (t->n > 1) qsort(t->t, t->n, sizeof *t->t, by_point_time);
    int rc = job_begin(j->db);
    if (!rc) rc = roll_next_info(j->db, j->db->roll_next, j->db->roll_next, rolled, &info);
    info.known = j->save ? j->v->roll_gen : info.gen;
    if (!rc) rc = roll_write_begin(j->db->fs, &info, j->db->work_codec, &w);
    if (rc) return rc;
    rc = write_points(j, w, t);
    if (rc) {
        roll_write_abort(w);
        return rc;
    }
    rc = roll_write_finish(w);
    return rc ? rc : publish_new(j, &info);
}

/* ---- what is due ---- */
static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool unknown(const struct view *v, const struct tomb *t)
{
    return t->gen > v->roll_gen;
}

/* The sequence number up to which this step goes: at least one segment, not many bytes. 0: nothing is due. */
static int next_mark(struct tsdb *db, const struct view *v, uint64_t *ret)
{
    uint64_t *seqs = mem_alloc(v->nsegs * sizeof *seqs);
    size_t n = 0;
    int64_t bytes = 0;
    *ret = 0;
    if (!seqs) return ERR_NOMEM;
    for (size_t i = 0; i < v->nsegs; i++)
        if (seg_info(v->segs[i])->seq_hi > v->rolled) seqs[n++] = seg_info(v->segs[i])->seq_hi;
    if (n > 1) qsort(seqs, n, sizeof *seqs, by_number);
    for (size_t i = 0; i < n && (*ret == 0 || bytes < SLICE_BYTES); i++) {
        *ret = seqs[i];
        for (size_t k = 0; k < v->nsegs; k++)
            if (seg_info(v->segs[k])->seq_hi == seqs[i]) bytes += seg_info(v->segs[k])->file_bytes;
    }
    mem_free(seqs);
    const struct tombs *t = db->keep.tombs;
    for (size_t i = 0; t && i < t->n && *ret == 0; i++)
        if (unknown(v, &t->t[i])) *ret = v->rolled ? v->rolled : 1;
    return 0;
}

static int note_block(void *ctx, const struct block_meta *m)
{
    return roll_note_touch(ctx, m->point, m->first_us, m->last_us);
}

/* Deletions that no step knew of, cut to where anything can be. */
static int note_deletions(struct tsdb *db, const struct view *v, struct roll_touches *out)
{
    const struct tombs *t = db->keep.tombs;
    int64_t from = INT64_MAX, to = INT64_MIN;
    int rc = 0;
    for (size_t i = 0; i < v->nsegs; i++) {
        if (seg_info(v->segs[i])->min_us < from) from = seg_info(v->segs[i])->min_us;
        if (seg_info(v->segs[i])->max_us > to) to = seg_info(v->segs[i])->max_us;
    }
    for (size_t i = 0; i < v->nrolls; i++) {
        if (roll_info(v->rolls[i])->min_us < from) from = roll_info(v->rolls[i])->min_us;
        if (roll_info(v->rolls[i])->max_us > to) to = roll_info(v->rolls[i])->max_us;
    }
    for (size_t i = 0; t && i < t->n && !rc; i++) {
        int64_t t0 = t->t[i].from > from ? t->t[i].from : from, t1 = t->t[i].to - 1 < to ? t->t[i].to - 1 : to;
        if (!unknown(v, &t->t[i]) || t0 > t1) continue;
        rc = roll_note_touch(out, t->t[i].point, t0, t1);
        if (!rc) out->t[out->n - 1].deleted = true;
    }
    return rc;
}

static int roll_up_to(struct tsdb *db, struct view *v, uint64_t mark)
{
    struct roll_touches t = {0};
    struct roll_job j = {.db = db, .v = v};
    int rc = job_begin(db);
    for (size_t i = 0; i < v->nsegs && !rc; i++) {
        const struct seg_info *s = seg_info(v->segs[i]);
        if (s->seq_hi <= v->rolled || s->seq_hi > mark) continue;
        rc = seg_each_meta(v->segs[i], db->work_codec, note_block, &t);
        if (rc == ERR_CORRUPT) rc = 0; /* nothing of it can be read by anybody */
    }
    if (!rc) rc = note_deletions(db, v, &t);
    if (!rc) rc = roll_write_step(&j, &t, mark);
    mem_free(t.t);
    return rc;
}

/* Files with a page that does not check are set aside; everything is rolled again. */
static int mend(struct tsdb *db, struct view *v, bool *ret_any)
{
    struct roll **keep = mem_alloc(v->nrolls * sizeof(struct roll *));
    bool keeps = roll_keeps(db);
    size_t n = 0;
    if (!keep) return ERR_NOMEM;
    *ret_any = false;
    for (size_t i = 0; i < v->nrolls; i++) {
        *ret_any |= roll_broken(v->rolls[i]);
        if (!roll_broken(v->rolls[i]) && keeps) keep[n++] = v->rolls[i];
    }
    int rc = *ret_any ? roll_publish(db, keep, n, 0, 0) : 0;
    for (size_t i = 0; i < v->nrolls && *ret_any && !rc; i++)
        if (roll_broken(v->rolls[i]) || !keeps) roll_remove(db, v->rolls[i]);
    if (*ret_any && !rc) db->roll_since = db->roll_next;
    mem_free(keep);
    return rc;
}

int roll_once(struct tsdb *db)
{
    if (db->no_rollups) return 0;
    struct view *v = view_get(db);
    uint64_t mark = 0;
    bool mended = false;
    int rc = mend(db, v, &mended);
    if (!rc && mended) {
        view_put(v);
        return 1;
    }
    if (!rc) rc = next_mark(db, v, &mark);
    if (!rc && mark) {
        rc = roll_up_to(db, v, mark);
        if (rc == ERR_CORRUPT) rc = 0; /* a file turned out broken: the next call mends it */
        if (!rc) rc = 1;
    }
    view_put(v);
    return rc || mark ? rc : roll_merge_once(db);
}
