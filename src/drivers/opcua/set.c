/* set.c - the desired set, and the way to it from the running one. Points stand by number; one that did not change
 * keeps its monitored item, its handle and its value. All memory is taken before anything changes. */
#include <stdlib.h>
#include "drivers/opcua/opcua_int.h"

#define SET_MAX (512u << 20)

struct build {
    struct arena arena;
    struct oc_device *devices;
    struct oc_point *points;
    size_t nd, np;
};

static int by_num(const void *pa, const void *pb)
{
    const struct oc_point *a = pa, *b = pb;
    return (a->num > b->num) - (a->num < b->num);
}

struct oc_point *oc_point_find(const struct oc_channel *ch, uint32_t num)
{
    struct oc_point key = {.num = num};
    return ch->npoints ? bsearch(&key, ch->points, ch->npoints, sizeof key, by_num) : NULL;
}

static void take_devices(const struct oc_channel *ch, struct build *b, const struct driver_device *devices)
{
    for (size_t i = 0; i < b->nd; i++) {
        b->devices[i] = (struct oc_device){.num = devices[i].num};
        for (size_t k = 0; k < ch->ndevices; k++)
            if (ch->devices[k].num == devices[i].num) b->devices[i].last_ok_us = ch->devices[k].last_ok_us;
    }
}

static void take_points(struct build *b, const struct driver_point *points)
{
    for (size_t i = 0; i < b->np; i++) {
        struct oc_point *p = &b->points[i];
        struct error e = {0};
        int rc = oc_point_resolve(&points[i], &b->arena, p, NULL, &e);
        if (p->device >= b->nd) p->device = 0, rc = ERR_INVALID;
        if (b->nd == 0) continue;
        struct oc_device *d = &b->devices[p->device];
        d->points++;
        p->config_error = rc != 0;
        if (rc == 0) continue;
        d->bad_config++;
        if (d->config.code == 0) d->config = e;
    }
}

static bool same_item(const struct oc_point *a, const struct oc_point *b)
{
    return str_eq(a->address, b->address) && str_eq(a->node.range, b->node.range) && str_eq(a->member, b->member) &&
           a->klass == b->klass && a->sampling_ms == b->sampling_ms && a->queue == b->queue &&
           a->deadband == b->deadband && a->deadband_value == b->deadband_value && a->config_error == b->config_error &&
           a->value_type == b->value_type && a->server_time == b->server_time && str_eq(a->comment, b->comment) &&
           memcmp(&a->step_s, &b->step_s, sizeof a->step_s) == 0 &&
           memcmp(&a->scale, &b->scale, 4 * sizeof a->scale) == 0; /* else a fresh value is wanted */
}

static void keep_item(struct oc_point *p, const struct oc_point *old)
{
    p->last = old->last, p->marked = old->marked;
    p->text_hash = old->text_hash, p->text_id = old->text_id;
    p->first = old->first, p->refresh = old->refresh, p->source_us = old->source_us;
    p->gap_from = old->gap_from, p->gap_to = old->gap_to, p->gap_asked = old->gap_asked;
    p->item = old->item;
    p->ua_type = old->ua_type, p->ua_array = old->ua_array;
    p->handle = old->handle, p->item_id = old->item_id;
}

/* Items of points that went or changed are dropped; the others go on. */
static void change_over(struct oc_channel *ch, struct build *b)
{
    size_t k = 0;
    for (size_t i = 0; i < ch->npoints; i++) {
        const struct oc_point *old = &ch->points[i];
        while (k < b->np && b->points[k].num < old->num) k++;
        struct oc_point *p = k < b->np && b->points[k].num == old->num ? &b->points[k] : NULL;
        if (p && same_item(p, old)) {
            keep_item(p, old);
            if (p->handle) ch->handles[p->handle] = (uint32_t)k + 1;
            continue;
        }
        if (p) p->last = old->last, p->marked = old->marked;
        oc_item_drop(ch, old);
    }
}

static void swap(struct oc_channel *ch, struct build *b)
{
    bool telling = ch->tell_lost;
    oc_set_free(ch);
    ch->set = b->arena;
    ch->devices = b->devices, ch->ndevices = b->nd;
    ch->points = b->points, ch->npoints = b->np;
    ch->tell_at = telling ? 0 : b->np;
    ch->st.points = (uint32_t)b->np;
    ch->unmade = true;
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].config_error) oc_tell_config(ch, &ch->points[i]);
    oc_events_set(ch);
}

int oc_set(struct oc_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {.nd = nd, .np = np};
    arena_init(&b.arena, SET_MAX);
    b.devices = mem_calloc(nd + 1, sizeof *b.devices);
    b.points = mem_calloc(np + 1, sizeof *b.points);
    if (!b.devices || !b.points) {
        mem_free(b.devices);
        mem_free(b.points);
        arena_fini(&b.arena);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    take_devices(ch, &b, devices);
    take_points(&b, points);
    if (np) qsort(b.points, np, sizeof *b.points, by_num);
    change_over(ch, &b);
    swap(ch, &b);
    return 0;
}

void oc_set_free(struct oc_channel *ch)
{
    mem_free(ch->devices);
    mem_free(ch->points);
    arena_fini(&ch->set);
}
