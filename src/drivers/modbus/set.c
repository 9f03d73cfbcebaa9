/* set.c - the desired set of devices and points, and the way to it from the running one.
 *
 * All memory is taken before anything is changed, so that a failure leaves the old set running. A group
 * whose points are the same to the byte goes on as it is, in the middle of a poll if need be; a changed
 * one keeps its due time and the last values of the points that stay. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/modbus/modbus_int.h"

struct entry {
    struct mb_point pt;
    uint32_t device, period_ms;
};

struct build {
    struct mb_channel *ch;
    struct mb_device *devices;
    size_t nd;
    struct entry *entries;
    size_t n;
    struct mb_group **groups;
    size_t ngroups;
    struct sample *bad;
    size_t nbad;
};

static int order(long long a, long long b)
{
    return (a > b) - (a < b);
}

static int by_group(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int c = order(a->device, b->device);
    if (c == 0) c = order(a->pt.unit, b->pt.unit);
    return c ? c : order(a->period_ms, b->period_ms);
}

static int by_place(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;
    int c = by_group(pa, pb);
    if (c == 0) c = order(a->pt.area, b->pt.area);
    if (c == 0) c = order(a->pt.offset, b->pt.offset);
    return c ? c : order(a->pt.num, b->pt.num);
}

static int by_num(const void *pa, const void *pb)
{
    const struct sample *a = pa, *b = pb;
    return order(a->point, b->point);
}

static void group_free(struct mb_group *g)
{
    if (g == NULL) return;
    mem_free(g->points);
    mem_free(g->samples);
    mem_free(g->texts);
    mem_free(g->blocks);
    mem_free(g);
}

/* ---- blocks ---- */

static bool fits(const struct mb_config *c, const struct mb_block *b, const struct mb_point *p)
{
    bool bits = modbus_area_bits((enum modbus_area)p->area);
    unsigned max = bits ? c->max_bits : c->max_registers, gap = bits ? c->max_gap * 16 : c->max_gap;
    unsigned end = (unsigned)b->offset + b->count, p_end = (unsigned)p->offset + p->count;
    return b->area == p->area && p->offset <= end + gap && (p_end <= end || p_end - b->offset <= max);
}

static bool add_block(struct mb_group *g, struct mb_block b)
{
    void *items = g->blocks;
    if (!mem_grow(&items, &g->blocks_cap, g->nblocks + 1, sizeof b)) return false;
    g->blocks = items;
    g->blocks[g->nblocks++] = b;
    return true;
}

static bool plan(struct mb_group *g, const struct mb_config *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct mb_point *p = &g->points[i];
        struct mb_block *b = i > from ? &g->blocks[g->nblocks - 1] : NULL;
        if (b == NULL || !fits(c, b, p)) {
            if (!add_block(g, (struct mb_block){p->offset, p->count, (uint32_t)i, 1, p->area})) return false;
            continue;
        }
        unsigned end = (unsigned)p->offset + p->count;
        if (end > (unsigned)b->offset + b->count) b->count = (uint16_t)(end - b->offset);
        b->n++;
    }
    return true;
}

static struct mb_block stretch(const struct mb_group *g, uint32_t first, uint32_t n)
{
    const struct mb_point *p = &g->points[first];
    struct mb_block b = {p->offset, 0, first, n, p->area};
    for (uint32_t i = first; i < first + n; i++) {
        unsigned end = (unsigned)g->points[i].offset + g->points[i].count - b.offset;
        if (end > b.count) b.count = (uint16_t)end;
    }
    return b;
}

/* The halves go to the end, the old place stays empty until the poll is over: indexes of blocks in
 * flight do not move. */
int mb_block_split(struct mb_group *g, size_t block)
{
    struct mb_block b = g->blocks[block];
    uint32_t half = b.n / 2;
    size_t n = g->nblocks;
    if (!add_block(g, stretch(g, b.first, half)) || !add_block(g, stretch(g, b.first + half, b.n - half))) {
        g->nblocks = n;
        return ERR_NOMEM;
    }
    g->blocks[block].n = 0;
    return 0;
}

/* ---- building ---- */

static bool same_group(const struct mb_group *g, const struct build *b, const struct entry *e, size_t n)
{
    if (g->n != n) return false;
    for (size_t i = 0; i < n; i++) {
        struct mb_point p = e[i].pt;
        p.text_slot = g->points[i].text_slot;
        /* A difference in padding would only mean that an equal group is made anew. */
        if (memcmp(&p, &g->points[i], sizeof p) != 0) return false; /* NOLINT(bugprone-suspicious-memory-comparison) */
    }
    return true;
}

static struct mb_group *old_group(const struct build *b, const struct entry *e)
{
    const struct mb_channel *ch = b->ch;
    for (size_t i = 0; i < ch->ngroups; i++) {
        struct mb_group *g = ch->groups[i];
        if (ch->devices[g->device].num == b->devices[e->device].num && g->station->unit == e->pt.unit &&
            g->slot.period_ns == (uint64_t)e->period_ms * NS_MS)
            return g;
    }
    return NULL;
}

static bool fill_points(struct mb_group *g, const struct entry *e)
{
    for (size_t i = 0; i < g->n; i++) {
        g->points[i] = e[i].pt;
        if (e[i].pt.value.type == VALUE_STRING) g->points[i].text_slot = (uint16_t)g->ntexts++;
        g->samples[i] = (struct sample){.point = e[i].pt.num, .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    }
    g->texts = g->ntexts ? mem_calloc(g->ntexts, sizeof *g->texts) : NULL;
    return g->ntexts == 0 || g->texts != NULL;
}

static struct mb_station *station_of(struct mb_channel *ch, uint8_t unit)
{
    struct mb_station *s = ch->stations[unit];
    if (s) return s;
    s = mem_calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->unit = unit;
    s->backoff = ch->cfg.station_backoff;
    return ch->stations[unit] = s;
}

static uint64_t first_due(const struct mb_channel *ch, const struct mb_group *g, uint32_t device_num)
{
    uint64_t spread = g->slot.period_ns < 1000 * NS_MS ? g->slot.period_ns : 1000 * NS_MS;
    return poll_phase(mb_now(ch), spread, (uint64_t)device_num << 8 | g->station->unit);
}

static struct mb_group *new_group(struct build *b, const struct entry *e, size_t n)
{
    struct mb_group *g = mem_calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    g->n = n;
    g->device = e->device;
    g->slot.period_ns = (uint64_t)e->period_ms * NS_MS;
    g->station = station_of(b->ch, e->pt.unit);
    g->broadcast = b->ch->cfg.broadcast && e->pt.unit == 0;
    g->points = mem_calloc(n, sizeof *g->points);
    g->samples = mem_calloc(n, sizeof *g->samples);
    if (!g->station || !g->points || !g->samples || !fill_points(g, e) || !plan(g, &b->ch->cfg, 0, n)) {
        group_free(g);
        return NULL;
    }
    const struct mb_group *old = old_group(b, e);
    g->slot.due_ns = old ? old->slot.due_ns : first_due(b->ch, g, b->devices[e->device].num);
    return g;
}

static bool owned_before(const struct mb_channel *ch, const struct mb_group *g)
{
    for (size_t i = 0; i < ch->ngroups; i++)
        if (ch->groups[i] == g) return true;
    return false;
}

static int build_groups(struct build *b)
{
    for (size_t i = 0, end; i < b->n; i = end) {
        const struct entry *e = &b->entries[i];
        for (end = i + 1; end < b->n && by_group(e, &b->entries[end]) == 0; end++) continue;
        struct mb_group *old = old_group(b, e);
        struct mb_group *g = old && same_group(old, b, e, end - i) ? old : new_group(b, e, end - i);
        if (g == NULL) return ERR_NOMEM;
        b->groups[b->ngroups++] = g;
    }
    return 0;
}

static void tell_bad(struct build *b, uint32_t num, enum quality_reason why)
{
    b->bad[b->nbad++] = (struct sample){.point = num, .quality = QUALITY_BAD, .flags = (uint16_t)why};
}

static bool resolve(struct build *b, const struct driver_device *dd, const struct driver_point *points, size_t np)
{
    for (size_t i = 0; i < b->nd; i++) mb_device_init(&b->devices[i], &dd[i], dd[i].options);
    bool broadcast = b->ch->cfg.broadcast;
    for (size_t i = 0; i < np; i++) {
        const struct driver_point *p = &points[i];
        struct entry *e = &b->entries[b->n];
        struct mb_device *d = p->device < b->nd ? &b->devices[p->device] : NULL;
        if (d) d->points++;
        *e = (struct entry){.device = p->device, .period_ms = p->period_ms ? p->period_ms : 1000};
        if (d && mb_point_resolve(p, d, &e->pt, NULL, d->config.code ? NULL : &d->config) == 0) {
            b->n++;
            if (broadcast && e->pt.unit == 0) tell_bad(b, p->num, REASON_NO_DATA);
            continue;
        }
        if (d) d->bad_config++;
        tell_bad(b, p->num, REASON_CONFIG_ERROR);
    }
    if (b->n) qsort(b->entries, b->n, sizeof *b->entries, by_place);
    if (b->nbad) qsort(b->bad, b->nbad, sizeof *b->bad, by_num);
    return true;
}

static int allocate(struct build *b, size_t np)
{
    void *heap = b->ch->queue.heap;
    b->devices = mem_calloc(b->nd + 1, sizeof *b->devices);
    b->entries = mem_calloc(np + 1, sizeof *b->entries);
    b->groups = mem_calloc(np + 1, sizeof *b->groups);
    b->bad = mem_calloc(np + 1, sizeof *b->bad);
    if (!b->devices || !b->entries || !b->groups || !b->bad) return ERR_NOMEM;
    if (!mem_grow(&heap, &b->ch->queue.cap, np + b->ch->queue.n + 1, sizeof(struct poll_slot *))) return ERR_NOMEM;
    b->ch->queue.heap = heap;
    return 0;
}

static void abandon(struct build *b)
{
    for (size_t i = 0; i < b->ngroups; i++)
        if (!owned_before(b->ch, b->groups[i])) group_free(b->groups[i]);
    mem_free(b->devices);
    mem_free(b->entries);
    mem_free(b->groups);
    mem_free(b->bad);
}

/* ---- changing over; nothing fails from here on ---- */

/* Last values of all points of the running set, by number; NULL when out of memory: then they are lost. */
static struct sample *last_values(const struct mb_channel *ch, size_t *ret_n)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < ch->ngroups; i++) n += ch->groups[i]->n;
    struct sample *all = mem_calloc(n + 1, sizeof *all);
    for (size_t i = 0; all && i < ch->ngroups; i++) {
        memcpy(all + at, ch->groups[i]->samples, ch->groups[i]->n * sizeof *all);
        at += ch->groups[i]->n;
    }
    if (at) qsort(all, at, sizeof *all, by_num);
    *ret_n = at;
    return all;
}

static void take_values(struct mb_group *g, const struct sample *all, size_t n)
{
    for (size_t i = 0; all && n && i < g->n; i++) {
        const struct sample *s = bsearch(&g->samples[i], all, n, sizeof *all, by_num);
        if (s) g->samples[i] = *s;
    }
}

static void unlink_active(struct mb_channel *ch, struct mb_group *g)
{
    for (struct mb_group **p = &ch->active; *p; p = &(*p)->next) {
        if (*p != g) continue;
        *p = g->next;
        if (ch->active_tail == &g->next) ch->active_tail = p;
        break;
    }
    g->next = NULL;
}

static void retire(struct mb_channel *ch, struct mb_group *g)
{
    if (g->state == GROUP_HELD) ch->held--;
    if (g->probing) g->station->probing = false;
    unlink_active(ch, g);
    call_forget(ch, g);
    poll_remove(&ch->queue, &g->slot);
    group_free(g);
}

static bool stays(const struct build *b, const struct mb_group *g)
{
    for (size_t i = 0; i < b->ngroups; i++)
        if (b->groups[i] == g) return true;
    return false;
}

static const struct mb_device *device_num(const struct mb_device *d, size_t n, uint32_t num)
{
    for (size_t i = 0; i < n; i++)
        if (d[i].num == num) return &d[i];
    return NULL;
}

static void take_device_figures(struct build *b)
{
    for (size_t i = 0; i < b->nd; i++) {
        const struct mb_device *old = device_num(b->ch->devices, b->ch->ndevices, b->devices[i].num);
        if (old == NULL) continue;
        b->devices[i].last_ok_us = old->last_ok_us;
        if (b->devices[i].points) b->devices[i].trouble = old->trouble;
    }
}

static bool told_before(const struct mb_channel *ch, const struct sample *s)
{
    return ch->nbad && !ch->bad_held && bsearch(s, ch->bad, ch->nbad, sizeof *s, by_num);
}

static void swap_bad(struct build *b)
{
    struct mb_channel *ch = b->ch;
    bool news = false;
    for (size_t i = 0; i < b->nbad; i++) news |= !told_before(ch, &b->bad[i]);
    mem_free(ch->bad);
    ch->bad = TAKE(b->bad);
    ch->nbad = b->nbad;
    ch->bad_held = news;
}

static void swap_groups(struct build *b)
{
    struct mb_channel *ch = b->ch;
    size_t nlast;
    AUTO_FREE struct sample *last = last_values(ch, &nlast);
    for (size_t i = 0; i < b->ngroups; i++)
        if (!owned_before(ch, b->groups[i])) take_values(b->groups[i], last, nlast);
    for (size_t i = 0; i < ch->ngroups; i++)
        if (!stays(b, ch->groups[i])) retire(ch, TAKE(ch->groups[i]));
    uint32_t device = 0;
    for (size_t i = 0, e = 0; i < b->ngroups; e += b->groups[i]->n, i++) {
        device = b->entries[e].device;
        b->groups[i]->device = device;
        if (b->groups[i]->broadcast) continue;
        if (b->groups[i]->slot.at == 0 && poll_add(&ch->queue, &b->groups[i]->slot)) continue; /* room was made */
    }
    mem_free(ch->groups);
    ch->groups = TAKE(b->groups);
    ch->ngroups = b->ngroups;
}

static void drop_stations(struct mb_channel *ch)
{
    bool used[256] = {false};
    for (size_t i = 0; i < ch->ngroups; i++) used[ch->groups[i]->station->unit] = true;
    for (int i = 0; i < 256; i++) {
        if (used[i] || !ch->stations[i]) continue;
        mem_free(TAKE(ch->stations[i]));
    }
}

int mb_set(struct mb_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {.ch = ch, .nd = nd};
    int rc = allocate(&b, np);
    if (rc == 0) {
        resolve(&b, devices, points, np);
        rc = build_groups(&b);
    }
    if (rc) {
        abandon(&b);
        return error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    take_device_figures(&b);
    swap_groups(&b);
    swap_bad(&b);
    mem_free(ch->devices);
    mem_free(b.entries);
    ch->devices = b.devices;
    ch->ndevices = nd;
    ch->st.points = (uint32_t)np;
    drop_stations(ch);
    if (!ch->lost_told) mb_refresh_state(ch); /* whoever was in trouble may be gone */
    return 0;
}

void mb_set_free(struct mb_channel *ch)
{
    for (size_t i = 0; i < ch->ngroups; i++) group_free(ch->groups[i]);
    for (int i = 0; i < 256; i++) mem_free(ch->stations[i]);
    mem_free(ch->groups);
    mem_free(ch->devices);
    mem_free(ch->bad);
    poll_queue_fini(&ch->queue);
}

struct mb_point *mb_find_point(struct mb_channel *ch, uint32_t num, struct mb_group **ret_group)
{
    for (size_t i = 0; i < ch->ngroups; i++) {
        for (size_t k = 0; k < ch->groups[i]->n; k++) {
            if (ch->groups[i]->points[k].num != num) continue;
            *ret_group = ch->groups[i];
            return &ch->groups[i]->points[k];
        }
    }
    return NULL;
}
