/* head.c - taking samples into memory. See head.h for the shape.
 *
 * Invariants: rows of a group rise in time; the samples of a point's chunks, the open one included, rise in time; a
 * time that stands in both the chunks and among the late samples was written to these later, because late is only
 * what is not later than the closed chunks. Each step either happens as a whole or leaves the head as it was (a row
 * that no sample uses is harmless), so that head_add can stop at any sample for want of memory. */
#include "base/mem.h"
#include "tsdb/head_int.h"

#define ADD_SLICE 256 /* samples added under one hold of the lock */

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
    lane_fini(&s->lane);
    late_free(s->late);
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
    lane_init(&s->lane);
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

/* The open row of this time, which lies before the last one. */
static bool group_find(const struct group *g, int64_t t, uint32_t *ret)
{
    uint32_t lo = 0, hi = g->nopen;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (g->open[mid] < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret = g->nclosed * CHUNK + lo;
    return lo < g->nopen && g->open[lo] == t;
}

/* ---- times of their own ---- */
struct row_times {
    const struct group *g;
    uint32_t block; /* in t; UINT32_MAX: none */
    int64_t t[CHUNK];
};

static int64_t time_of_row(struct row_times *x, uint32_t row)
{
    uint32_t block = row / CHUNK;
    if (block == x->g->nclosed) return x->g->open[row % CHUNK];
    if (block != x->block) (void)times_decode_rows(&x->g->closed[block], x->t);
    x->block = block;
    return x->t[row % CHUNK];
}

/* The samples of the open chunk get their times instead of rows. */
static bool leave_rows(struct head *h, struct slot *s)
{
    struct lane *l = &s->lane;
    if (!lane_own(l, &h->counts.bytes)) return false;
    struct row_times x = {.g = &h->groups[s->group[l->which]], .block = UINT32_MAX};
    for (uint32_t i = 0; i < l->n; i++) l->times[i] = time_of_row(&x, l->dense ? l->row0 + i : l->rows[i]);
    return true;
}

/* Row at or in front of which t stands, if it stands anywhere: the first of its block. */
static uint32_t near_row(const struct group *g, int64_t t)
{
    uint32_t lo = 0, hi = g->nclosed;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (g->closed[mid].t0 <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool open = g->nopen && g->open[0] <= t;
    return (open ? g->nclosed : lo ? lo - 1 : 0) * CHUNK;
}

/* The rows of times that the group has passed: how many of t[0..k) these are; k + 1: one is missing. */
static uint8_t known_rows(const struct group *g, const int64_t *t, uint8_t k, uint32_t *rows)
{
    struct row_times x = {.g = g, .block = UINT32_MAX};
    uint32_t row = near_row(g, t[0]), end = g->nclosed * CHUNK + g->nopen;
    uint8_t i = 0;
    for (; i < k && end && t[i] <= g->last; i++, row++) {
        int64_t at = time_of_row(&x, row);
        while (at < t[i] && row + 1 < end) at = time_of_row(&x, ++row);
        if (at != t[i]) return (uint8_t)(k + 1);
        rows[i] = row;
    }
    return i;
}

/* Rows for the first k times of the open chunk, in the end of the group new ones: what all its points have got, in
 * whatever order, is kept once. false: they do not go together. */
static bool find_rows(struct head *h, struct slot *s, uint8_t k, uint32_t rows[CHUNK])
{
    struct group *g = &h->groups[s->group[s->which]];
    const int64_t *t = s->lane.times;
    uint8_t i = known_rows(g, t, k, rows);
    for (; i < k; i++)
        if (!group_row(h, g, t[i], &rows[i])) return false;
    return i == k;
}

/* Close the first k of an own lane. */
static bool close_own(struct head *h, struct slot *s, uint8_t k)
{
    struct lane *l = &s->lane;
    uint32_t rows[CHUNK];
    bool found = find_rows(h, s, k, rows);
    l->which = s->which;
    return lane_close(l, k, l->times[k - 1], found ? rows : NULL, &h->counts.bytes);
}

/* Into the open chunk, which has or gets times of its own; what is not later than the closed ones is late. */
static bool put_own(struct head *h, struct slot *s, const struct sample *in)
{
    struct lane *l = &s->lane;
    bool replaced;
    if (!l->own && !leave_rows(h, s)) return false;
    if (lane_full(l, head_scarce(h))) {
        uint8_t passes = (uint8_t)(l->n - lane_find(l, in->time_us));
        if (passes > l->moved) l->moved = passes;
        if (!close_own(h, s, lane_ready(l))) return false;
        if (in->time_us <= l->closed_last) return late_put(h, s, in);
    }
    if (!lane_insert(l, in, &h->counts.bytes, &replaced)) return false;
    h->counts.rewritten += replaced;
    return true;
}

/* ---- adding ---- */
/* Not later than all before of its point. */
static bool add_late(struct head *h, struct slot *s, const struct sample *in)
{
    struct lane *l = &s->lane;
    bool ok;
    if (in->time_us <= l->closed_last) {
        ok = late_put(h, s, in);
    } else if (in->time_us == s->last && !l->own) {
        ok = lane_replace(l, (uint8_t)(l->n - 1), in, &h->counts.bytes);
        h->counts.rewritten += ok;
    } else {
        ok = put_own(h, s, in);
    }
    h->counts.late += ok;
    return ok;
}

/* With a row of the group, if there is or can be one for its time; else *ret_misfit, and nothing was done. */
static bool add_row(struct head *h, struct slot *s, const struct sample *in, bool *ret_misfit)
{
    struct group *g = &h->groups[s->group[s->which]];
    uint32_t row;
    *ret_misfit = in->time_us < g->last && !group_find(g, in->time_us, &row);
    if (*ret_misfit) return true;
    if (in->time_us >= g->last && !group_row(h, g, in->time_us, &row)) return false;
    return lane_append(&s->lane, in, s->which, row, s->last, &h->counts.bytes);
}

/* The group has passed this time: the point's times are not those of its group. */
static bool add_misfit(struct head *h, struct slot *s, const struct sample *in, uint32_t neighbour)
{
    bool misfit;
    if (s->which == 1 || ++s->misfits <= MISFITS_MAX) return put_own(h, s, in);
    if (!group_choose(h, s, in->point, neighbour, in->time_us)) return false;
    return add_row(h, s, in, &misfit);
}

/* Back to rows, after a chunk in which everything came in order. */
static bool return_to_rows(struct head *h, struct slot *s)
{
    struct lane *l = &s->lane;
    if (l->moved || !lane_full(l, head_scarce(h))) return true;
    if (!close_own(h, s, l->n)) return false;
    lane_disown(l, &h->counts.bytes);
    return true;
}

static bool add_one(struct head *h, const struct sample *in, uint32_t *neighbour)
{
    struct slot *s = head_slot(h, in->point);
    bool misfit = false;
    if (!s && !(s = slot_new(h, in->point))) return false;
    if (s->any && in->time_us <= s->last) return add_late(h, s, in);
    if (s->group[0] == NO_GROUP && !group_choose(h, s, in->point, *neighbour, in->time_us)) return false;
    if (s->lane.own && !return_to_rows(h, s)) return false;
    if (!(s->lane.own ? put_own(h, s, in) : add_row(h, s, in, &misfit))) return false;
    if (misfit && !add_misfit(h, s, in, *neighbour)) return false;
    *neighbour = s->group[s->which];
    s->last = in->time_us;
    s->any = true;
    return true;
}

/* With many points nearly every sample meets cold memory; what it will touch is asked for in advance. */
static void prefetch(const struct head *h, const struct sample *s, size_t i, size_t n)
{
    const struct slot *far = i + 24 < n ? head_place(h, s[i + 24].point) : NULL;
    const struct slot *near = i + 12 < n ? head_slot(h, s[i + 12].point) : NULL;
    if (far) __builtin_prefetch(far, 1), __builtin_prefetch((const char *)far + 64, 1);
    if (near && near->lane.v) __builtin_prefetch(&near->lane.v[near->lane.n], 1);
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
