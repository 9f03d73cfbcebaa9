/* head.c - taking samples into memory. See head.h for the shape.
 *
 * Invariants: rows of a group rise in time; the samples of a point's chunks rise in time; a time that
 * stands in both the chunks and the late list was written to the late list later. Each step either
 * happens as a whole or leaves the head as it was (a row that no sample uses is harmless), so that
 * head_add can stop at any sample for want of memory. */
#include "base/mem.h"
#include "tsdb/head_int.h"

#define ADD_SLICE 1024 /* samples added under one hold of the lock */

struct head *head_new(uint64_t number)
{
    struct head *h = mem_calloc(1, sizeof *h);
    if (!h) return NULL;
    atomic_init(&h->refs, 1);
    pthread_mutex_init(&h->lock, NULL);
    h->number = number;
    h->counts.oldest_us = INT64_MAX;
    return h;
}

struct head *head_ref(struct head *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

static void slot_free(struct slot *s)
{
    for (uint32_t i = 0; i < s->nclosed; i++) mem_free(s->closed[i]);
    mem_free(s->v);
    mem_free(s->rows);
    mem_free(s->metas);
    mem_free(s->closed);
    mem_free(s->late);
}

static void group_fini(struct group *g)
{
    for (uint32_t i = 0; i < g->nclosed; i++) mem_free(g->closed[i].data);
    mem_free(g->closed);
    mem_free(g->open);
    mem_free(g->points);
}

void head_unref(struct head *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1) return;
    for (size_t p = 0; p < h->npages; p++) {
        for (size_t i = 0; h->pages[p] && i < PAGE_SLOTS; i++) slot_free(&h->pages[p]->slot[i]);
        mem_free(h->pages[p]);
    }
    for (size_t g = 0; g < h->ngroups; g++) group_fini(&h->groups[g]);
    mem_free(h->pages);
    mem_free(h->groups);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

/* ---- slots ---- */
static bool page_ensure(struct head *h, size_t page)
{
    if (page >= h->npages) {
        size_t want = page + 1 > h->npages * 2 ? page + 1 : h->npages * 2;
        struct page **p = mem_realloc(h->pages, want * sizeof *p);
        if (!p) return false;
        memset(p + h->npages, 0, (want - h->npages) * sizeof *p);
        h->pages = p;
        h->npages = want;
    }
    if (!h->pages[page]) {
        h->pages[page] = mem_calloc(1, sizeof **h->pages);
        h->counts.bytes += h->pages[page] ? sizeof **h->pages : 0;
    }
    return h->pages[page] != NULL;
}

static struct slot *slot_new(struct head *h, uint32_t point)
{
    if (!page_ensure(h, point / PAGE_SLOTS)) return NULL;
    struct slot *s = &h->pages[point / PAGE_SLOTS]->slot[point % PAGE_SLOTS];
    s->used = true;
    s->group[0] = s->group[1] = NO_GROUP;
    return s;
}

/* ---- groups and their rows ---- */
static uint32_t group_new(struct head *h)
{
    if (!mem_grow((void **)&h->groups, &h->cgroups, h->ngroups + 1, sizeof *h->groups)) return NO_GROUP;
    h->groups[h->ngroups] = (struct group){.last = INT64_MIN};
    h->counts.bytes += sizeof(struct group);
    return (uint32_t)h->ngroups++;
}

static bool group_join(struct head *h, uint32_t g, uint32_t point)
{
    struct group *gr = &h->groups[g];
    size_t cap = gr->cpoints;
    if (!mem_grow((void **)&gr->points, &cap, gr->npoints + 1u, sizeof *gr->points)) return false;
    gr->cpoints = (uint32_t)cap;
    gr->points[gr->npoints++] = point;
    return true;
}

/* The group for a new or misplaced point: that of its neighbour in the batch, else a fresh one. */
static bool group_choose(struct head *h, struct slot *s, uint32_t point, uint32_t neighbour, int64_t t)
{
    uint32_t g = neighbour;
    if (g == NO_GROUP || h->groups[g].npoints >= HEAD_GROUP_MAX || h->groups[g].last > t || g == s->group[0])
        g = group_new(h);
    if (g == NO_GROUP || !group_join(h, g, point)) return false;
    s->which = s->group[0] != NO_GROUP;
    s->group[s->which] = g;
    return true;
}

static bool times_close(struct head *h, struct group *g)
{
    uint8_t tmp[32 + CHUNK * 11];
    size_t cap = g->cap;
    if (!mem_grow((void **)&g->closed, &cap, g->nclosed + 1u, sizeof *g->closed)) return false;
    h->counts.bytes += (cap - g->cap) * sizeof *g->closed;
    g->cap = (uint32_t)cap;
    size_t len = intcol_encode(g->open, CHUNK, tmp, NULL);
    uint8_t *data = mem_dup(tmp, len);
    if (!data) return false;
    g->closed[g->nclosed++] = (struct times){g->open[0], data, (uint16_t)len};
    h->counts.bytes += len + 16;
    g->nopen = 0;
    return true;
}

/* Row of time t (>= last) in the group; false when out of memory. */
static bool group_row(struct head *h, struct group *g, int64_t t, uint32_t *ret)
{
    if (t != g->last || (g->nopen == 0 && g->nclosed == 0)) {
        if (g->nopen == CHUNK && !times_close(h, g)) return false;
        if (g->nopen == g->copen && g->copen < CHUNK) {
            size_t cap = g->copen;
            if (!mem_grow((void **)&g->open, &cap, g->copen ? g->copen * 2u : 8, sizeof *g->open)) return false;
            h->counts.bytes += (cap - g->copen) * sizeof *g->open;
            g->copen = (uint32_t)cap;
        }
        g->open[g->nopen++] = t;
        g->last = t;
    }
    *ret = g->nclosed * CHUNK + g->nopen - 1;
    return true;
}

/* ---- chunks ---- */
/* As in a block: a sample without value repeats the one before, so that it costs nothing. */
static bool bridge_gaps(const struct slot *s, const uint32_t *metas, uint64_t *out)
{
    bool doubles = true;
    uint64_t last = 0;
    for (uint32_t i = s->n; i-- > 0;)
        if ((metas[i] & 0xff) != SAMPLE_NONE) last = s->v[i];
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t type = metas[i] & 0xff;
        if (type != SAMPLE_NONE) last = s->v[i];
        doubles &= type == SAMPLE_DOUBLE || type == SAMPLE_NONE;
        out[i] = last;
    }
    return doubles;
}

static size_t encode_chunk(struct slot *s, uint8_t *out)
{
    int64_t ints[CHUNK + 1];
    uint64_t values[CHUNK];
    uint32_t one[CHUNK];
    uint8_t *p = out;
    if (!s->dense) {
        for (uint32_t i = 0; i < s->n; i++) ints[i] = s->rows[i];
        p += intcol_encode(ints, s->n, p, NULL);
    }
    for (uint32_t i = 0; i < s->n && s->one_meta; i++) one[i] = s->meta;
    const uint32_t *metas = s->one_meta ? one : s->metas;
    bool doubles = bridge_gaps(s, metas, values);
    p += metacol_encode(metas, s->n, p);
    return (size_t)(p - out) + valcol_encode(values, s->n, doubles, &s->hint, ints, p, NULL);
}

static bool chunk_close(struct head *h, struct slot *s)
{
    uint8_t tmp[32 + CHUNK * 11 + 16 + CHUNK * 10 + 64 + CHUNK * 24];
    size_t cap = s->cap;
    if (s->n == 0) return true;
    if (!mem_grow((void **)&s->closed, &cap, s->nclosed + 1u, sizeof *s->closed)) return false;
    h->counts.bytes += (cap - s->cap) * sizeof *s->closed;
    s->cap = (uint32_t)cap;
    size_t len = encode_chunk(s, tmp);
    struct chunk *c = mem_alloc(sizeof *c + len);
    if (!c) return false;
    *c = (struct chunk){.t0 = s->t0,
                        .row0 = s->row0,
                        .row_last = s->row_last,
                        .len = (uint16_t)len,
                        .n = s->n,
                        .which = s->open_which,
                        .dense = s->dense};
    memcpy(c->data, tmp, len);
    s->closed[s->nclosed++] = c;
    h->counts.bytes += sizeof *c + len + 16;
    s->n = 0;
    return true;
}

static bool open_room(struct head *h, struct slot *s)
{
    if (s->n < s->room) return true;
    if (s->room == CHUNK) return chunk_close(h, s);
    uint8_t room = s->room ? (uint8_t)(s->room * 4) : 4;
    uint64_t *v = mem_realloc(s->v, room * sizeof *v);
    if (!v) return false;
    h->counts.bytes += (room - s->room) * sizeof *v + (s->v ? 0 : 16);
    s->room = room;
    s->v = v;
    return true;
}

static bool side_array(struct head *h, uint32_t **a)
{
    if (*a) return true;
    *a = mem_alloc(CHUNK * sizeof **a);
    h->counts.bytes += *a ? CHUNK * sizeof **a : 0;
    return *a != NULL;
}

/* Make the side arrays that this sample needs, filled for the samples before it. */
static bool open_widen(struct head *h, struct slot *s, uint32_t row, uint32_t meta)
{
    if (s->n == 0) {
        s->dense = s->one_meta = true;
        return true;
    }
    bool gap = s->dense && row != s->row_last + 1, change = s->one_meta && meta != s->meta;
    if ((gap && !side_array(h, &s->rows)) || (change && !side_array(h, &s->metas))) return false;
    for (uint32_t i = 0; gap && i < s->n; i++) s->rows[i] = s->row0 + i;
    for (uint32_t i = 0; change && i < s->n; i++) s->metas[i] = s->meta;
    s->dense &= !gap;
    s->one_meta &= !change;
    return true;
}

static bool chunk_put(struct head *h, struct slot *s, const struct sample *in, uint32_t row)
{
    if (s->n && s->open_which != s->which && !chunk_close(h, s)) return false;
    if (!open_room(h, s)) return false;
    uint32_t meta = meta_of(in);
    if (!open_widen(h, s, row, meta)) return false;
    if (s->n == 0) {
        s->t0 = in->time_us;
        s->row0 = row;
        s->meta = meta;
        s->open_which = s->which;
    }
    if (!s->dense) s->rows[s->n] = row;
    if (!s->one_meta) s->metas[s->n] = meta;
    s->row_last = row;
    s->v[s->n++] = value_of(in);
    return true;
}

/* ---- late samples ---- */
static bool late_put(struct head *h, struct slot *s, const struct sample *in)
{
    struct late_list *l = s->late;
    uint32_t n = l ? l->n : 0, lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->s[mid].time_us < in->time_us)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool replace = lo < n && l->s[lo].time_us == in->time_us;
    if (!replace && (!l || n == l->cap)) {
        uint32_t cap = l ? l->cap * 2 : 4;
        struct late_list *p = mem_realloc(l, sizeof *p + cap * sizeof p->s[0]);
        if (!p) return false;
        h->counts.bytes += (cap - n) * sizeof p->s[0];
        p->n = n;
        p->cap = cap;
        s->late = l = p;
    }
    if (!replace) {
        memmove(&l->s[lo + 1], &l->s[lo], (n - lo) * sizeof l->s[0]);
        l->n++;
    }
    h->counts.rewritten += replace;
    l->s[lo] = *in;
    l->s[lo].v.u = value_of(in);
    return true;
}

/* ---- adding ---- */
static bool add_late(struct head *h, struct slot *s, const struct sample *in)
{
    if (!late_put(h, s, in)) return false;
    h->counts.late++;
    return true;
}

/* The group has passed this time: the point's times are not those of its group. */
static bool add_misfit(struct head *h, struct slot *s, const struct sample *in, uint32_t neighbour, bool *ret_changed)
{
    *ret_changed = false;
    if (s->which == 0 && ++s->misfits > MISFITS_MAX) {
        if (!group_choose(h, s, in->point, neighbour, in->time_us)) return false;
        *ret_changed = true;
        return true;
    }
    return late_put(h, s, in);
}

static bool add_one(struct head *h, const struct sample *in, uint32_t *neighbour)
{
    struct slot *s = head_slot(h, in->point);
    if (!s && !(s = slot_new(h, in->point))) return false;
    if (s->any && in->time_us <= s->last) return add_late(h, s, in);
    if (s->group[0] == NO_GROUP && !group_choose(h, s, in->point, *neighbour, in->time_us)) return false;
    bool changed = true;
    if (in->time_us < h->groups[s->group[s->which]].last && !add_misfit(h, s, in, *neighbour, &changed)) return false;
    *neighbour = s->group[s->which];
    uint32_t row;
    if (changed && (!group_row(h, &h->groups[*neighbour], in->time_us, &row) || !chunk_put(h, s, in, row)))
        return false;
    s->last = in->time_us;
    s->any = true;
    return true;
}

/* With many points nearly every sample meets cold memory; what it will touch is asked for in advance. */
static void prefetch(const struct head *h, const struct sample *s, size_t i, size_t n)
{
    const struct slot *far = i + 24 < n ? head_place(h, s[i + 24].point) : NULL;
    const struct slot *near = i + 12 < n ? head_slot(h, s[i + 12].point) : NULL;
    if (far) __builtin_prefetch(far, 1), __builtin_prefetch((const char *)far + 63, 1);
    if (near && near->v) __builtin_prefetch(&near->v[near->n], 1);
}

int head_add(struct head *h, const struct sample *s, size_t n, size_t *ret_done)
{
    uint32_t neighbour = NO_GROUP;
    size_t i = 0;
    bool ok = true;
    while (i < n && ok) {
        size_t end = n - i > ADD_SLICE ? i + ADD_SLICE : n;
        pthread_mutex_lock(&h->lock);
        for (; i < end; i++) {
            prefetch(h, s, i, n);
            if (i && s[i].time_us != s[i - 1].time_us) neighbour = NO_GROUP;
            if (!(ok = add_one(h, &s[i], &neighbour))) break;
            h->counts.samples++;
            if (s[i].time_us < h->counts.oldest_us) h->counts.oldest_us = s[i].time_us;
        }
        pthread_mutex_unlock(&h->lock);
    }
    *ret_done = i;
    return ok ? 0 : ERR_NOMEM;
}

void head_counts(struct head *h, struct head_counts *ret)
{
    pthread_mutex_lock(&h->lock);
    *ret = h->counts;
    pthread_mutex_unlock(&h->lock);
}

uint64_t head_number(const struct head *h)
{
    return h->number;
}

size_t head_group_count(struct head *h)
{
    pthread_mutex_lock(&h->lock);
    size_t n = h->ngroups;
    pthread_mutex_unlock(&h->lock);
    return n;
}

size_t head_group_points(struct head *h, size_t group, uint32_t out[HEAD_GROUP_MAX])
{
    size_t n = 0;
    pthread_mutex_lock(&h->lock);
    const struct group *g = &h->groups[group];
    for (uint32_t i = 0; i < g->npoints; i++) {
        const struct slot *s = head_slot(h, g->points[i]);
        if (s->any && s->group[s->which] == group) out[n++] = g->points[i];
    }
    pthread_mutex_unlock(&h->lock);
    return n;
}
