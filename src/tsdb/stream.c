/* stream.c - see stream.h.
 *
 * The range is planned in chunks. A plan is the list of cells that count, from the coarsest level down: each level
 * fills what the coarser ones left open. Between the cells samples are read; gaps that lie near one another are read
 * by one merge, which steps over the cells between them, so that a point with many gaps does not search its sources
 * anew for each. */
#include "tsdb/stream.h"
#include "base/mem.h"
#include "tsdb/delete.h"
#include "tsdb/roll.h"

#define CHUNK_CELLS 8192
#define NEAR_FETCH 8  /* fewer cells between two openings: both are looked at together */
#define NEAR_CELLS 64 /* fewer cells between two gaps: one merge reads both */
#define PLAN_ARENA_MAX ((size_t)256 << 20)

/* ---- where newer sources hold samples ---- */
static int note_source(struct stream *s, const struct source *src)
{
    if (!mem_grow((void **)&s->dirty, &s->cap_dirty, s->ndirty + src->n, sizeof *s->dirty)) return ERR_NOMEM;
    for (size_t i = 0; i < src->n; i++)
        if (src->pieces[i].n) s->dirty[s->ndirty++] = (struct span){src->pieces[i].t0, src->pieces[i].t1};
    return 0;
}

/* Deletions that the cells do not know of yet. */
static int note_deletions(struct stream *s, int64_t from, int64_t to)
{
    size_t n;
    const struct tomb *t = tombs_of(s->q.tombs, s->q.point, &n);
    for (size_t i = 0; i < n; i++) {
        if (t[i].gen <= s->q.view->roll_gen || t[i].from >= to || t[i].to <= from) continue;
        if (!mem_grow((void **)&s->dirty, &s->cap_dirty, s->ndirty + 1, sizeof *s->dirty)) return ERR_NOMEM;
        s->dirty[s->ndirty++] = (struct span){t[i].from, t[i].to - 1};
    }
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->t0 > y->t0) - (x->t0 < y->t0);
}

static int list_dirty(struct stream *s, int64_t from, int64_t to)
{
    s->ndirty = 0;
    arena_reset(&s->q.arena);
    int rc = query_newer(&s->q, from, to - 1, s->q.view->rolled);
    for (size_t i = 0; i < s->q.n && !rc; i++) rc = note_source(s, &s->q.sources[i]);
    if (!rc) rc = note_deletions(s, from, to);
    if (rc || s->ndirty < 2) return rc;
    qsort(s->dirty, s->ndirty, sizeof *s->dirty, by_begin);
    size_t n = 1;
    for (size_t i = 1; i < s->ndirty; i++) {
        if (s->dirty[i].t0 > s->dirty[n - 1].t1)
            s->dirty[n++] = s->dirty[i];
        else if (s->dirty[i].t1 > s->dirty[n - 1].t1)
            s->dirty[n - 1].t1 = s->dirty[i].t1;
    }
    s->ndirty = n;
    return 0;
}

static bool is_dirty(const struct stream *s, int64_t t0, int64_t t1)
{
    size_t lo = 0, hi = s->ndirty; /* first that ends at or behind t0 */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->dirty[mid].t1 < t0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->ndirty && s->dirty[lo].t0 < t1;
}

/* ---- cells ---- */
struct pick {
    struct stream *s;
    unsigned level;
    size_t order, coarser; /* cells of coarser levels stand first, sorted */
    int64_t from, to;
};

static bool covered(const struct stream *s, size_t n, int64_t t)
{
    size_t lo = 0, hi = n; /* first that ends behind t */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->cells[mid].t1 <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && s->cells[lo].t0 <= t;
}

/* Where only rollups are left an hour may lie across the asker's borders: it counts where it begins. */
static bool may_take(struct stream *s, unsigned level, int64_t t0, int64_t t1)
{
    if (t0 < s->q.cell_floor) return false;
    if (s->q.outlive && t1 <= s->q.point_floor && level != ROLL_THIRD) return true;
    return (s->levels >> level & 1) && s->fits(s->ctx, t0, t1);
}

static int pick_cell(void *ctx, const struct block_meta *m)
{
    struct pick *p = ctx;
    struct stream *s = p->s;
    int64_t t0 = roll_start(p->level, m->first_us), t1 = t0 + roll_span(p->level);
    struct block_meta *copy = NULL;
    if (t0 < p->from || t1 > p->to || !may_take(s, p->level, t0, t1) || covered(s, p->coarser, t0) ||
        is_dirty(s, t0, t1))
        return 0;
    if (!mem_grow((void **)&s->cells, &s->cap_cells, s->ncells + 1, sizeof *s->cells)) return ERR_NOMEM;
    if (m->has_stats) {
        if (!(copy = arena_alloc(&s->arena, sizeof *copy))) return ERR_NOMEM;
        *copy = *m;
    }
    s->cells[s->ncells++] = (struct cell){t0, t1, p->order, copy};
    return 0;
}

static int by_time_newest(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;
    if (x->t0 != y->t0) return x->t0 < y->t0 ? -1 : 1;
    return (x->order < y->order) - (x->order > y->order);
}

/* Of one interval the newest counts; those that say "none" go. */
static void settle_cells(struct stream *s, size_t first)
{
    size_t n = first;
    if (s->ncells - first > 1) qsort(s->cells + first, s->ncells - first, sizeof *s->cells, by_time_newest);
    for (size_t i = first; i < s->ncells;) {
        int64_t t0 = s->cells[i].t0;
        if (s->cells[i].m) s->cells[n++] = s->cells[i];
        while (i < s->ncells && s->cells[i].t0 == t0) i++;
    }
    s->ncells = n;
}

/* Cells of a level between from and to, behind those that are there; the first `coarser` are of other levels. */
static int fetch_cells(struct stream *s, unsigned level, size_t coarser, int64_t from, int64_t to)
{
    struct pick p = {.s = s, .level = level, .coarser = coarser, .from = from, .to = to};
    const struct view *v = s->q.view;
    size_t first = s->ncells;
    int rc = to - from < roll_span(level) ? 0 : query_codec(&s->q);
    for (size_t i = 0; i < v->nrolls && !rc && to - from >= roll_span(level); i++) {
        const struct roll_info *info = roll_info(v->rolls[i]);
        if (info->max_us < from || info->min_us >= to) continue;
        p.order = i;
        rc = roll_cells(v->rolls[i], level, s->q.point, from, to, s->q.codec, pick_cell, &p);
    }
    if (!rc) settle_cells(s, first);
    return rc;
}

/* Cells of a level in what the coarser ones left open; openings near one another are looked at together. */
static int fetch_level(struct stream *s, unsigned level, int64_t from, int64_t to)
{
    size_t coarser = s->ncells;
    int64_t lo = from, hi = from, pos = from, near = NEAR_FETCH * roll_span(level);
    int rc = 0;
    for (size_t i = 0; i <= coarser && !rc; i++) {
        int64_t end = i < coarser ? s->cells[i].t0 : to;
        if (end > pos && pos - hi > near) {
            rc = fetch_cells(s, level, coarser, lo, hi);
            lo = pos;
        } else if (end > pos && hi == lo) {
            lo = pos;
        }
        if (end > pos) hi = end;
        if (i < coarser) pos = s->cells[i].t1;
    }
    if (!rc) rc = fetch_cells(s, level, coarser, lo, hi);
    if (!rc && coarser && s->ncells > coarser) qsort(s->cells, s->ncells, sizeof *s->cells, by_time_newest);
    return rc;
}

static void leave_cells(struct stream *s)
{
    s->no_cells = true;
    s->ncells = 0;
    pthread_mutex_lock(&s->q.db->lock);
    s->q.db->merge_wanted = true; /* mends it */
    pthread_cond_broadcast(&s->q.db->wake);
    pthread_mutex_unlock(&s->q.db->lock);
}

static bool asks_level(const struct stream *s, unsigned level, int64_t from)
{
    return (s->levels >> level & 1) || (s->q.outlive && from < s->q.point_floor);
}

static bool any_broken(const struct view *v)
{
    bool broken = false;
    for (size_t i = 0; i < v->nrolls; i++) broken |= roll_broken(v->rolls[i]);
    return broken;
}

/* Begin of the next chunk, at a border of every level. */
static int64_t end_of_chunk(const struct stream *s, unsigned finest)
{
    int64_t third = roll_span(ROLL_THIRD), length = (CHUNK_CELLS * roll_span(finest) / third + 1) * third;
    int64_t end = roll_start(ROLL_THIRD, s->pos) + length;
    return end < s->to ? end : s->to;
}

static int plan_chunk(struct stream *s)
{
    unsigned finest = ROLL_LEVELS;
    s->ncells = s->at = 0;
    for (unsigned level = ROLL_LEVELS; level-- > 0;)
        if (asks_level(s, level, s->pos)) finest = level;
    if (s->no_cells || s->q.view->nrolls == 0 || finest == ROLL_LEVELS) {
        s->chunk_end = s->to;
        return 0;
    }
    s->chunk_end = end_of_chunk(s, finest);
    arena_reset(&s->arena);
    int rc = any_broken(s->q.view) ? ERR_CORRUPT : list_dirty(s, s->pos, s->chunk_end);
    for (unsigned level = ROLL_LEVELS; level-- > finest && !rc;)
        if (asks_level(s, level, s->pos)) rc = fetch_level(s, level, s->pos, s->chunk_end);
    if (rc != ERR_CORRUPT) return rc;
    leave_cells(s);
    return 0;
}

/* ---- between the cells ---- */
/* Where the merge that reads the gap at s->pos ends: behind the last gap that is near. */
static int64_t end_of_gaps(const struct stream *s, int64_t gap_end)
{
    int64_t end = gap_end;
    for (size_t i = s->at, k; i < s->ncells; i += k) {
        for (k = 1; i + k < s->ncells && s->cells[i + k].t0 == s->cells[i + k - 1].t1;) k++;
        int64_t next = i + k < s->ncells ? s->cells[i + k].t0 : s->chunk_end;
        if (k >= NEAR_CELLS || next == s->cells[i + k - 1].t1) break;
        end = next;
    }
    return end;
}

static void end_merge(struct stream *s)
{
    if (s->merging) merge_fini(&s->m);
    s->merging = false;
}

static int begin_gap(struct stream *s, int64_t gap_end)
{
    if (s->merging && s->pos < s->merge_end) {
        merge_skip(&s->m, s->pos);
        return 0;
    }
    end_merge(s);
    s->merge_end = end_of_gaps(s, gap_end);
    arena_reset(&s->q.arena);
    int rc = query_sources(&s->q, s->pos, s->merge_end - 1);
    if (!rc) rc = merge_init(&s->m, s->q.sources, s->q.n, s->pos, s->merge_end - 1, s->q.codec);
    s->merging = rc == 0;
    return rc;
}

/* The next part before gap_end: 1, 0 (nothing more in the gap), error. */
static int next_in_gap(struct stream *s, int64_t gap_end, struct run *ret)
{
    for (;;) {
        int rc = merge_next(&s->m, true, ret);
        if (rc <= 0) return rc;
        int64_t first = ret->block ? ret->block->first_us : ret->s[0].time_us;
        if (first >= gap_end) {
            merge_unread(ret, 0);
            return 0;
        }
        if (ret->block && ret->block->last_us < gap_end) return 1;
        if (ret->block) {
            rc = merge_open(&s->m, ret);
            if (rc) return rc;
            continue;
        }
        size_t n = ret->n;
        while (ret->s[n - 1].time_us >= gap_end) n--;
        merge_unread(ret, n);
        ret->n = n;
        return 1;
    }
}

int stream_next(struct stream *s, struct run *ret)
{
    for (;;) {
        if (s->pos >= s->to) return 0;
        if (s->pos >= s->chunk_end) {
            end_merge(s);
            int rc = plan_chunk(s);
            if (rc) return rc;
        }
        if (s->at < s->ncells && s->cells[s->at].t0 == s->pos) {
            const struct cell *c = &s->cells[s->at++];
            *ret = (struct run){.block = c->m};
            s->pos = c->t1;
            s->in_gap = false;
            return 1;
        }
        int64_t gap_end = s->at < s->ncells ? s->cells[s->at].t0 : s->chunk_end;
        int rc = s->in_gap ? 0 : begin_gap(s, gap_end);
        s->in_gap = true;
        if (!rc) rc = next_in_gap(s, gap_end, ret);
        if (rc) return rc;
        s->in_gap = false;
        s->pos = gap_end;
    }
}

int stream_split(struct stream *s, const struct run *r)
{
    return merge_open(&s->m, r);
}

/* The range cut to where anything can be. */
static void narrow(struct stream *s, int64_t from, int64_t to)
{
    int64_t oldest = query_oldest(&s->q), newest = s->q.newest_us;
    s->from = from > oldest ? from : oldest;
    s->to = to <= newest ? to : newest == INT64_MIN ? newest : newest + 1;
    s->pos = s->chunk_end = s->from;
}

void stream_open(struct stream *s, struct tsdb *db, uint32_t point, int64_t from, int64_t to, unsigned levels,
                 stream_fits_fn *fits, void *ctx)
{
    *s = (struct stream){.levels = levels, .fits = fits, .ctx = ctx};
    arena_init(&s->arena, PLAN_ARENA_MAX);
    query_open(db, point, &s->q);
    narrow(s, from, to);
}

void stream_close(struct stream *s)
{
    end_merge(s);
    query_end(&s->q);
    arena_fini(&s->arena);
    mem_free(s->cells);
    mem_free(s->dirty);
}

/* ---- neighbours ---- */
#define NEAR_US (INT64_C(8) * 3600000000)

/* First and last sample of a range; 1 when there is one. */
static int ends_of(struct tsdb *db, uint32_t point, int64_t from, int64_t to, struct sample *first, struct sample *last)
{
    struct stream s;
    struct run r;
    int rc, found = 0;
    stream_open(&s, db, point, from, to, 0, NULL, NULL);
    while ((rc = stream_next(&s, &r)) == 1) {
        if (!found) *first = r.block ? r.block->first : r.s[0];
        *last = r.block ? r.block->last : r.s[r.n - 1];
        found = 1;
    }
    stream_close(&s);
    return rc ? rc : found;
}

static int64_t farther(int64_t span)
{
    return span > INT64_MAX / 32 ? INT64_MAX : span * 32;
}

int stream_before(struct tsdb *db, uint32_t point, int64_t at, struct sample *ret)
{
    struct sample first;
    for (int64_t span = NEAR_US, from = at, to = at;; span = farther(span), to = from) {
        from = span == INT64_MAX || at < INT64_MIN + span ? INT64_MIN : at - span;
        int rc = ends_of(db, point, from, to, &first, ret);
        if (rc || from == INT64_MIN) return rc == 1 ? 0 : rc ? rc : ERR_NOT_FOUND;
    }
}

int stream_after(struct tsdb *db, uint32_t point, int64_t at, struct sample *ret)
{
    struct sample last;
    for (int64_t span = NEAR_US, from = at, to = at;; span = farther(span), from = to) {
        to = span == INT64_MAX || at > INT64_MAX - span ? INT64_MAX : at + span;
        int rc = ends_of(db, point, from, to, ret, &last);
        if (rc || to == INT64_MAX) return rc == 1 ? 0 : rc ? rc : ERR_NOT_FOUND;
    }
}
