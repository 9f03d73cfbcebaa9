/* head_read.c - snapshots of one point out of the head.
 *
 * Under the lock only pointers to immutable chunks, the open ends (at most 64 values and 64 times) and
 * the late samples of the range are copied; decoding happens outside, from the query's own memory. */
#include "tsdb/head_int.h"

struct snap_group { /* rows [first * CHUNK ...) of a group */
    const struct times *closed;
    const int64_t *open;
    uint32_t first, nclosed, nopen;
};
struct snap {
    struct snap_group group[2];
    struct slot open; /* copy, with the values and side arrays of the open chunk */
};

static int64_t *times_at(const struct snap_group *g, uint32_t row, int64_t tmp[CHUNK], uint32_t *cached)
{
    uint32_t c = row / CHUNK;
    if (c < g->first || c > g->nclosed) return NULL;
    if (c == g->nclosed) return row % CHUNK < g->nopen ? (int64_t *)&g->open[row % CHUNK] : NULL;
    if (*cached != c) {
        const struct times *t = &g->closed[c - g->first];
        struct in in = in_make(t->data, t->len);
        intcol_decode(&in, tmp, CHUNK, NULL);
        if (in.bad) return NULL;
        *cached = c;
    }
    return &tmp[row % CHUNK];
}

static int fill(const struct snap_group *g, uint32_t point, const int64_t *rows, const uint32_t *metas,
                const uint64_t *v, uint32_t n, struct sample *out)
{
    int64_t tmp[CHUNK];
    uint32_t cached = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const int64_t *t = times_at(g, (uint32_t)rows[i], tmp, &cached);
        if (!t) return ERR_CORRUPT;
        out[i] = (struct sample){.time_us = *t, .point = point, .v.u = v[i]};
        meta_to(&out[i], metas[i]);
        if (out[i].type == SAMPLE_NONE) out[i].v.u = 0;
    }
    return (int)n;
}

static int decode_open(const struct source *s, const struct snap *sn, struct sample *out)
{
    const struct slot *o = &sn->open;
    int64_t rows[CHUNK];
    uint32_t metas[CHUNK];
    for (uint32_t i = 0; i < o->n; i++) {
        rows[i] = o->dense ? (int64_t)o->row0 + i : (int64_t)o->rows[i];
        metas[i] = o->one_meta ? o->meta : o->metas[i];
    }
    return fill(&sn->group[o->open_which], s->point, rows, metas, o->v, o->n, out);
}

static int decode_chunk(struct source *s, const struct piece *p, struct sample *out, struct codec *codec)
{
    const struct snap *sn = s->ctx;
    const struct chunk *c = p->p;
    if (!c) return decode_open(s, sn, out);
    int64_t rows[CHUNK];
    uint32_t metas[CHUNK];
    uint64_t v[CHUNK];
    struct in in = in_make(c->data, c->len);
    if (c->dense)
        for (uint32_t i = 0; i < c->n; i++) rows[i] = (int64_t)c->row0 + i;
    else
        intcol_decode(&in, rows, c->n, NULL);
    metacol_decode(&in, metas, c->n);
    valcol_decode(&in, v, c->n, NULL);
    return in.bad ? ERR_CORRUPT : fill(&sn->group[c->which], s->point, rows, metas, v, c->n, out);
}

/* First chunk that may hold a sample at or after `from`: the last one that begins at or before it. */
static uint32_t first_chunk(const struct slot *s, int64_t from)
{
    uint32_t lo = 0, hi = s->nclosed;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->closed[mid]->t0 <= from)
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

static bool copy_open(const struct slot *s, struct slot *out, struct arena *a)
{
    *out = *s;
    if (!(out->v = copy_array(a, s->v, s->n * sizeof *s->v))) return false;
    if (!s->dense && !(out->rows = copy_array(a, s->rows, s->n * sizeof *s->rows))) return false;
    return s->one_meta || (out->metas = copy_array(a, s->metas, s->n * sizeof *s->metas));
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

static int chunk_source(struct head *h, const struct slot *s, int64_t from, int64_t to, struct arena *a,
                        struct source *out)
{
    uint32_t first = first_chunk(s, from), n = 0, max = s->nclosed - first + 1;
    struct piece *p = arena_alloc(a, max * sizeof *p);
    struct snap *sn = arena_calloc(a, 1, sizeof *sn);
    struct row_range rows[2] = {{UINT32_MAX, 0}, {UINT32_MAX, 0}};
    if (!p || !sn) return ERR_NOMEM;
    for (uint32_t i = first; i < s->nclosed && s->closed[i]->t0 <= to; i++) {
        const struct chunk *c = s->closed[i];
        p[n++] = (struct piece){.t0 = c->t0, .n = c->n, .p = c};
        widen(&rows[c->which], c->row0, c->row_last);
    }
    if (s->n && s->t0 <= to) {
        if (!copy_open(s, &sn->open, a)) return ERR_NOMEM;
        p[n++] = (struct piece){.t0 = s->t0, .n = s->n};
        widen(&rows[s->open_which], s->row0, s->row_last);
    }
    if (!snap_groups(h, s, sn, rows, a)) return ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) p[i].t1 = i + 1 < n ? p[i + 1].t0 - 1 : s->last;
    *out = (struct source){
        .prio = h->number * 2, .floor = INT64_MIN, .pieces = p, .n = n, .decode = decode_chunk, .ctx = sn, .point = 0};
    return 0;
}

static uint32_t late_index(const struct late_list *l, int64_t t) /* first with time > t */
{
    uint32_t lo = 0, hi = l->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->s[mid].time_us <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

#define LATE_PIECE 1024

static int late_source(struct head *h, const struct slot *s, int64_t from, int64_t to, struct arena *a,
                       struct source *out)
{
    const struct late_list *l = s->late;
    uint32_t lo = late_index(l, from), hi = late_index(l, to);
    lo = lo ? lo - 1 : 0; /* the one at or before `from` belongs to it */
    uint32_t n = hi > lo ? hi - lo : 0, pieces = (n + LATE_PIECE - 1) / LATE_PIECE;
    struct sample *copy = arena_alloc(a, n * sizeof *copy + 1);
    struct piece *p = arena_alloc(a, pieces * sizeof *p + 1);
    if (!copy || !p) return ERR_NOMEM;
    if (n) memcpy(copy, l->s + lo, n * sizeof *copy);
    for (uint32_t i = 0; i < pieces; i++) {
        uint32_t at = i * LATE_PIECE, k = n - at < LATE_PIECE ? n - at : LATE_PIECE;
        p[i] = (struct piece){.t0 = copy[at].time_us, .t1 = copy[at + k - 1].time_us, .n = k, .p = copy + at};
    }
    *out = (struct source){
        .prio = h->number * 2 + 1, .floor = INT64_MIN, .pieces = p, .n = pieces, .decode = sample_array_decode};
    return 0;
}

int head_sources(struct head *h, uint32_t point, int64_t from, int64_t to, struct arena *a,
                 struct source out[static HEAD_SOURCES], size_t *ret_n)
{
    size_t n = 0;
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    const struct slot *s = head_slot(h, point);
    if (s && s->any) rc = chunk_source(h, s, from, to, a, &out[n++]);
    if (s && !rc && s->late) rc = late_source(h, s, from, to, a, &out[n++]);
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < n && !rc; i++) out[i].point = point;
    if (!rc) *ret_n = n;
    return rc;
}
