/* head_read.c - snapshots of one point out of the head.
 *
 * Under the lock only pointers to immutable chunks, the open ends (at most 64 values and 64 times) and the compressed
 * late samples of the range are copied; decoding happens outside, from the query's own memory, a chunk at a time and
 * column by column. */
#include "tsdb/codec_bits.h"
#include "tsdb/head_int.h"

struct snap_group { /* rows [first * CHUNK ...) of a group */
    const struct times *closed;
    const int64_t *open;
    uint32_t first, nclosed, nopen;
};
struct snap {
    struct snap_group group[2];
    struct lane open; /* copy, with the arrays of the open chunk */
    uint8_t which;    /* the group of the rows decoded last */
    uint32_t block;   /* CHUNK rows, UINT32_MAX: none */
    int64_t rows[CHUNK];
};

/* ---- decoding ---- */
/* The times of a block of CHUNK rows, *ret_n of them; NULL when it is not there. */
static const int64_t *rows_of(struct snap *sn, unsigned which, uint32_t block, uint32_t *ret_n)
{
    const struct snap_group *g = &sn->group[which];
    *ret_n = block == g->nclosed ? g->nopen : CHUNK;
    if (block == g->nclosed) return g->open;
    if (sn->block == block && sn->which == which) return sn->rows;
    if (block < g->first || block > g->nclosed) return NULL;
    sn->block = UINT32_MAX;
    if (!times_decode_rows(&g->closed[block - g->first], sn->rows)) return NULL;
    sn->block = block;
    sn->which = (uint8_t)which;
    return sn->rows;
}

static bool times_in_row(struct snap *sn, unsigned which, uint32_t row, uint32_t n, int64_t *out)
{
    for (uint32_t k; n > 0; n -= k, row += k, out += k) {
        uint32_t at = row % CHUNK, have;
        const int64_t *t = rows_of(sn, which, row / CHUNK, &have);
        k = n < CHUNK - at ? n : CHUNK - at;
        if (!t || at + k > have) return false;
        memcpy(out, t + at, k * sizeof *out);
    }
    return true;
}

/* Rows become times, in place. */
static bool times_listed(struct snap *sn, unsigned which, int64_t *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t)rows[i], have;
        const int64_t *t = rows_of(sn, which, row / CHUNK, &have);
        if (!t || row % CHUNK >= have) return false;
        rows[i] = t[row % CHUNK];
    }
    return true;
}

static void fill(const struct columns *c, uint32_t point, uint32_t n, struct sample *out)
{
    struct sample like = {.point = point};
    if (c->one_meta) meta_to(&like, c->meta);
    bits_samples(out, n, &like, c->t, c->v);
    for (uint32_t i = 0; i < n && !c->one_meta; i++) meta_to(&out[i], c->m[i]);
    if (c->one_meta && like.type != SAMPLE_NONE) return;
    for (uint32_t i = 0; i < n; i++)
        if (out[i].type == SAMPLE_NONE) out[i].v.u = 0;
}

static bool open_columns(struct snap *sn, struct columns *c)
{
    const struct lane *o = &sn->open;
    memcpy(c->v, o->v, o->n * sizeof *c->v);
    c->one_meta = o->one_meta;
    c->meta = o->meta;
    if (!o->one_meta) memcpy(c->m, o->metas, o->n * sizeof *c->m);
    if (o->own) memcpy(c->t, o->times, o->n * sizeof *c->t);
    if (o->own) return true;
    if (o->dense) return times_in_row(sn, o->which, o->row0, o->n, c->t);
    for (uint32_t i = 0; i < o->n; i++) c->t[i] = o->rows[i];
    return times_listed(sn, o->which, c->t, o->n);
}

static bool chunk_columns(struct snap *sn, const struct chunk *x, struct columns *c)
{
    if (!chunk_decode(x, c)) return false;
    if (x->times == TIMES_IN_ROW) return times_in_row(sn, x->which, x->row0, x->n, c->t);
    return x->times == TIMES_IN_CHUNK || times_listed(sn, x->which, c->t, x->n);
}

/* Chunks of a point lie far apart; the next but one is asked for while this one is decoded. */
static void prefetch(const struct source *s, const struct piece *p)
{
    if (p < s->pieces || p + 2 >= s->pieces + s->n || !p[2].p) return;
    __builtin_prefetch(p[2].p);
    __builtin_prefetch((const char *)p[2].p + 64);
}

static int decode_chunk(struct source *s, const struct piece *p, struct sample *out, struct codec *codec)
{
    struct columns c;
    prefetch(s, p);
    if (!(p->p ? chunk_columns(s->ctx, p->p, &c) : open_columns(s->ctx, &c))) return ERR_CORRUPT;
    fill(&c, s->point, p->n, out);
    return (int)p->n;
}

/* ---- snapshots ---- */
/* First chunk that may hold a sample at or after `from`: the last one that begins at or before it. */
static uint32_t first_chunk(struct chunk *const *c, uint32_t n, int64_t from)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c[mid]->t0 <= from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? lo - 1 : 0;
}

static void *copy_array(struct arena *a, const void *p, size_t n)
{
    void *copy = arena_alloc(a, n);
    if (copy) memcpy(copy, p, n);
    return copy;
}

static bool copy_open(const struct lane *l, struct lane *out, struct arena *a)
{
    *out = *l;
    if (!(out->v = copy_array(a, l->v, l->n * sizeof *l->v))) return false;
    if (l->own && !(out->times = copy_array(a, l->times, l->n * sizeof *l->times))) return false;
    if (!l->own && !l->dense && !(out->rows = copy_array(a, l->rows, l->n * sizeof *l->rows))) return false;
    return l->one_meta || (out->metas = copy_array(a, l->metas, l->n * sizeof *l->metas));
}

static struct snap *snap_new(struct arena *a)
{
    struct snap *sn = arena_alloc(a, sizeof *sn);
    if (!sn) return NULL;
    sn->group[0] = sn->group[1] = (struct snap_group){0};
    sn->block = UINT32_MAX;
    return sn;
}

/* Copy the descriptions of the group's time chunks that rows [lo, hi] need. */
static bool copy_group(const struct group *g, uint32_t lo, uint32_t hi, struct snap_group *out, struct arena *a)
{
    uint32_t first = lo / CHUNK, last = hi / CHUNK + 1;
    if (last > g->nclosed) last = g->nclosed;
    uint32_t n = last > first ? last - first : 0;
    struct times *t = arena_alloc(a, n * sizeof *t + 1);
    int64_t *open = arena_alloc(a, CHUNK * sizeof *open);
    if (!t || !open) return false;
    if (n) memcpy(t, g->closed + first, n * sizeof *t);
    if (g->nopen) memcpy(open, g->open, g->nopen * sizeof *open);
    *out = (struct snap_group){t, open, first, g->nclosed, g->nopen};
    return true;
}

struct row_range {
    uint32_t lo, hi;
};

static void widen(struct row_range *r, uint32_t lo, uint32_t hi)
{
    if (lo < r->lo) r->lo = lo;
    if (hi > r->hi) r->hi = hi;
}

static bool snap_groups(struct head *h, const struct slot *s, struct snap *sn, const struct row_range r[2],
                        struct arena *a)
{
    for (int w = 0; w < 2; w++)
        if (r[w].lo <= r[w].hi && !copy_group(&h->groups[s->group[w]], r[w].lo, r[w].hi, &sn->group[w], a))
            return false;
    return true;
}

/* Last times of pieces are those in front of the next one. */
static void end_pieces(struct piece *p, uint32_t n, int64_t last)
{
    for (uint32_t i = 0; i < n; i++) p[i].t1 = i + 1 < n ? p[i + 1].t0 - 1 : last;
}

static int chunk_source(struct head *h, const struct slot *s, int64_t from, int64_t to, struct arena *a,
                        struct source *out)
{
    const struct lane *l = &s->lane;
    uint32_t first = first_chunk(l->closed, l->nclosed, from), n = 0, max = l->nclosed - first + 1;
    struct piece *p = arena_alloc(a, max * sizeof *p);
    struct snap *sn = snap_new(a);
    struct row_range rows[2] = {{UINT32_MAX, 0}, {UINT32_MAX, 0}};
    if (!p || !sn) return ERR_NOMEM;
    for (uint32_t i = first; i < l->nclosed && l->closed[i]->t0 <= to; i++) {
        const struct chunk *c = l->closed[i];
        p[n++] = (struct piece){.t0 = c->t0, .n = c->n, .p = c};
        if (c->times != TIMES_IN_CHUNK) widen(&rows[c->which], c->row0, c->row_last);
    }
    if (l->n && l->t0 <= to) {
        if (!copy_open(l, &sn->open, a)) return ERR_NOMEM;
        p[n++] = (struct piece){.t0 = l->t0, .n = l->n};
        if (!l->own) widen(&rows[l->which], l->row0, l->row_last);
    }
    if (!snap_groups(h, s, sn, rows, a)) return ERR_NOMEM;
    end_pieces(p, n, s->last);
    *out = (struct source){
        .prio = h->number * 2, .floor = INT64_MIN, .pieces = p, .n = n, .decode = decode_chunk, .ctx = sn};
    return 0;
}

/* ---- late samples ---- */
/* A source of late samples with room for `max` pieces. */
static int late_begin(struct head *h, uint32_t max, struct arena *a, struct source *out)
{
    struct piece *p = arena_alloc(a, max * sizeof *p);
    struct snap *sn = snap_new(a);
    if (!p || !sn) return ERR_NOMEM;
    *out =
        (struct source){.prio = h->number * 2 + 1, .floor = INT64_MIN, .pieces = p, .decode = decode_chunk, .ctx = sn};
    return 0;
}

/* Copies of a run's chunks; the one at or before `from` belongs to it. Room for one piece more. */
static int run_source(struct head *h, struct chunk *const *c, uint32_t n, int64_t last, int64_t from, int64_t to,
                      struct arena *a, struct source *out)
{
    uint32_t first = first_chunk(c, n, from), end = first;
    while (end < n && c[end]->t0 <= to) end++;
    int rc = late_begin(h, end - first + 1, a, out);
    for (uint32_t i = first; i < end && !rc; i++) {
        struct chunk *copy = copy_array(a, c[i], chunk_size(c[i]));
        if (!copy) return ERR_NOMEM;
        out->pieces[out->n++] = (struct piece){.t0 = copy->t0, .n = copy->n, .p = copy};
    }
    if (!rc) end_pieces(out->pieces, (uint32_t)out->n, end < n ? c[end]->t0 - 1 : last);
    return rc;
}

static int open_piece(const struct lane *l, struct arena *a, struct source *out)
{
    struct snap *sn = out->ctx;
    if (!copy_open(l, &sn->open, a)) return ERR_NOMEM;
    out->pieces[out->n++] = (struct piece){.t0 = l->t0, .t1 = l->times[l->n - 1], .n = l->n};
    return 0;
}

/* The open chunk, and the newest run, in one source when they do not overlap. */
static int late_lane(struct head *h, const struct lane *l, int64_t from, int64_t to, struct arena *a,
                     struct source *out, size_t *n)
{
    bool open = l->n && l->t0 <= to;
    int rc = 0;
    if (open && l->t0 <= l->closed_last) {
        rc = late_begin(h, 1, a, &out[*n]);
        if (!rc) rc = open_piece(l, a, &out[(*n)++]);
        open = false;
    }
    if (!rc) rc = run_source(h, l->closed, l->nclosed, l->closed_last, from, to, a, &out[*n]);
    if (!rc && open) rc = open_piece(l, a, &out[*n]);
    if (!rc && out[*n].n) ++*n;
    return rc;
}

static int late_sources(struct head *h, const struct late *x, int64_t from, int64_t to, struct arena *a,
                        struct source *out, size_t *n)
{
    int rc = late_lane(h, &x->lane, from, to, a, out, n);
    for (uint32_t i = x->nolder; i-- > 0 && !rc;) {
        const struct late_run *r = &x->older[i];
        rc = run_source(h, r->closed, r->n, r->last, from, to, a, &out[*n]);
        if (!rc && out[*n].n) ++*n;
    }
    return rc;
}

int head_sources(struct head *h, uint32_t point, int64_t from, int64_t to, struct arena *a,
                 struct source out[static HEAD_SOURCES], size_t *ret_n)
{
    size_t n = 0;
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    const struct slot *s = head_slot(h, point);
    if (s && s->any) rc = chunk_source(h, s, from, to, a, &out[n++]);
    if (s && !rc && s->late) rc = late_sources(h, s->late, from, to, a, out, &n);
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < n && !rc; i++) out[i].point = point;
    if (!rc) *ret_n = n;
    return rc;
}
