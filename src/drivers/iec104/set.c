/* set.c - the desired set, and the way to it from the running one: the index of objects by address, points of the same
 * object in a chain, stations by common address.
 *
 * All memory is taken before anything changes. Objects that were seen stay, so that a point that is added shows at
 * once what its station told before. */
#include <stdlib.h>
#include "drivers/iec104/iec104_int.h"

static uint64_t key_of(uint16_t ca, uint32_t ioa)
{
    return ((uint64_t)ca << 24 | ioa) + 1;
}

/* ---- objects ---- */

static size_t slot_of(const struct st_object *o, size_t size, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);
    while (o[at].key && o[at].key != key) at = (at + 1) & (size - 1);
    return at;
}

struct st_object *st_object_find(const struct st_channel *ch, uint16_t ca, uint32_t ioa)
{
    if (ch->objects_size == 0) return NULL;
    struct st_object *o = &ch->objects[slot_of(ch->objects, ch->objects_size, key_of(ca, ioa))];
    return o->key ? o : NULL;
}

static void relink(struct st_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct st_point *p = &ch->points[i];
        if (p->object == 0) continue;
        p->object = (uint32_t)(slot_of(ch->objects, ch->objects_size, key_of(p->at.ca, p->at.ioa)) + 1);
    }
}

static struct st_object *rehashed(const struct st_channel *ch, size_t size)
{
    struct st_object *o = mem_calloc(size, sizeof *o);
    for (size_t i = 0; o && i < ch->objects_size; i++)
        if (ch->objects[i].key) o[slot_of(o, size, ch->objects[i].key)] = ch->objects[i];
    return o;
}

static int grow(struct st_channel *ch, size_t want)
{
    size_t size = ch->objects_size ? ch->objects_size : 256;
    while (size / 2 < want) size *= 2;
    if (size == ch->objects_size) return 0;
    struct st_object *o = rehashed(ch, size);
    if (o == NULL) return ERR_NOMEM;
    mem_free(ch->objects);
    ch->objects = o;
    ch->objects_size = size;
    relink(ch);
    return 0;
}

struct st_object *st_object_add(struct st_channel *ch, uint16_t ca, uint32_t ioa)
{
    struct st_object *o = st_object_find(ch, ca, ioa);
    if (o) return o;
    if (ch->nobjects >= ch->npoints + ST_OBJECTS_MAX || grow(ch, ch->nobjects + 1)) return NULL;
    uint64_t key = key_of(ca, ioa);
    o = &ch->objects[slot_of(ch->objects, ch->objects_size, key)];
    *o = (struct st_object){.key = key};
    ch->nobjects++;
    return o;
}

/* ---- stations ---- */

struct st_station *st_station_find(const struct st_channel *ch, uint16_t ca)
{
    for (size_t i = 0; i < ch->nstations; i++)
        if (ch->stations[i].ca == ca) return &ch->stations[i];
    return NULL;
}

struct st_station *st_station_add(struct st_channel *ch, uint16_t ca)
{
    struct st_station *s = st_station_find(ch, ca);
    if (s) return s;
    s = mem_realloc(ch->stations, (ch->nstations + 1) * sizeof *s);
    if (s == NULL) return NULL;
    ch->stations = s;
    s += ch->nstations++;
    *s = (struct st_station){.ca = ca};
    return s;
}

/* ---- building ---- */

struct build {
    struct st_device *devices;
    struct st_point *points;
    size_t nd, np;
    struct st_station *stations;
    size_t nstations;
};

static const struct st_device *old_device(const struct st_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].num == num) return &ch->devices[i];
    return NULL;
}

static void resolve(struct st_channel *ch, struct build *b, const struct driver_device *dd,
                    const struct driver_point *points)
{
    for (size_t i = 0; i < b->nd; i++) {
        const struct st_device *old = old_device(ch, dd[i].num);
        st_device_init(&b->devices[i], &dd[i], dd[i].options);
        if (old) b->devices[i].last_ok_us = old->last_ok_us;
    }
    for (size_t i = 0; i < b->np; i++) {
        const struct driver_point *p = &points[i];
        struct st_device *d = p->device < b->nd ? &b->devices[p->device] : NULL;
        if (d) d->points++;
        if (d && st_point_resolve(p, d, &b->points[i], NULL, d->config.code ? NULL : &d->config) == 0) continue;
        if (d) d->bad_config++;
        b->points[i] = (struct st_point){.num = p->num, .device = d ? p->device : 0, .config_error = true};
    }
}

static int by_num(const void *pa, const void *pb)
{
    const struct st_point *a = *(const struct st_point *const *)pa, *b = *(const struct st_point *const *)pb;
    return (a->num > b->num) - (a->num < b->num);
}

static bool same_place(const struct st_point *a, const struct st_point *b)
{
    return a->at.ca == b->at.ca && a->at.ioa == b->at.ioa && a->at.family == b->at.family &&
           a->at.klass == b->at.klass && a->value_type == b->value_type && a->config_error == b->config_error;
}

static bool same_scale(const struct st_point *a, const struct st_point *b)
{
    return memcmp(&a->scale, &b->scale, 4 * sizeof(double)) == 0;
}

/* A point that stays keeps its value; *ret_new[i] tells those that are to be shown anew. */
static int take_values(struct st_channel *ch, struct build *b, bool *fresh)
{
    const struct st_point **old = mem_calloc(ch->npoints + 1, sizeof *old);
    if (old == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < ch->npoints; i++) old[i] = &ch->points[i];
    if (ch->npoints) qsort(old, ch->npoints, sizeof *old, by_num);
    for (size_t i = 0; i < b->np; i++) {
        struct st_point *p = &b->points[i];
        const struct st_point *key = p;
        const struct st_point **hit = ch->npoints ? bsearch(&key, old, ch->npoints, sizeof *old, by_num) : NULL;
        fresh[i] = !hit || !same_place(*hit, p);
        if (fresh[i]) continue;
        p->last = (*hit)->last;
        p->told_missing = (*hit)->told_missing;
        p->fresh = (*hit)->fresh;
        fresh[i] = !same_scale(*hit, p);
    }
    mem_free(old);
    return 0;
}

static struct st_station *wanted_station(const struct build *b, uint16_t ca)
{
    for (size_t i = 0; i < b->nstations; i++)
        if (b->stations[i].ca == ca) return &b->stations[i];
    return NULL;
}

static int build_stations(struct st_channel *ch, struct build *b)
{
    for (size_t i = 0; i < b->np; i++) {
        const struct st_point *p = &b->points[i];
        uint32_t group = 1u << b->devices[p->device].group;
        struct st_station *known = p->config_error ? NULL : wanted_station(b, p->at.ca);
        if (known) known->groups |= group;
        if (p->config_error || known) continue;
        struct st_station *s = mem_realloc(b->stations, (b->nstations + 1) * sizeof *s);
        if (s == NULL) return ERR_NOMEM;
        b->stations = s;
        const struct st_station *old = st_station_find(ch, p->at.ca);
        s[b->nstations] = old ? *old : (struct st_station){.ca = p->at.ca};
        s[b->nstations].groups = group;
        s[b->nstations++].wanted = true;
    }
    return 0;
}

/* ---- changing over; nothing fails from here on ---- */

static void unlink_objects(struct st_channel *ch)
{
    for (size_t i = 0; i < ch->objects_size; i++) ch->objects[i].first = 0;
}

static void link_points(struct st_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct st_point *p = &ch->points[i];
        p->object = 0;
        if (p->config_error || p->at.klass == IEC104_IS_COMMAND) continue;
        struct st_object *o = st_object_add(ch, p->at.ca, p->at.ioa); /* room was made */
        if (o == NULL) continue;
        p->object = (uint32_t)(o - ch->objects) + 1;
        p->next = o->first;
        o->first = (uint32_t)i + 1;
    }
}

static void abandon(struct build *b)
{
    mem_free(b->devices);
    mem_free(b->points);
    mem_free(b->stations);
}

static void show_new(struct st_channel *ch, const bool *fresh)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (fresh[i]) st_data_show(ch, i);
}

int st_set(struct st_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {.nd = nd, .np = np};
    AUTO_FREE bool *fresh = mem_calloc(np + 1, sizeof *fresh);
    b.devices = mem_calloc(nd + 1, sizeof *b.devices);
    b.points = mem_calloc(np + 1, sizeof *b.points);
    int rc = b.devices && b.points && fresh ? 0 : ERR_NOMEM;
    if (rc == 0) {
        resolve(ch, &b, devices, points);
        rc = take_values(ch, &b, fresh);
    }
    if (rc == 0) rc = build_stations(ch, &b);
    if (rc == 0) rc = grow(ch, ch->nobjects + np + 1);
    if (rc) {
        abandon(&b);
        return error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    bool telling = ch->tell_at < ch->npoints;
    mem_free(ch->devices);
    mem_free(ch->points);
    mem_free(ch->stations);
    ch->devices = b.devices, ch->ndevices = nd;
    ch->points = b.points, ch->npoints = np;
    ch->stations = b.stations, ch->nstations = b.nstations;
    ch->tell_at = telling ? 0 : np;
    ch->st.points = (uint32_t)np;
    unlink_objects(ch);
    link_points(ch);
    show_new(ch, fresh);
    return 0;
}

void st_set_free(struct st_channel *ch)
{
    mem_free(ch->devices);
    mem_free(ch->points);
    mem_free(ch->stations);
    mem_free(ch->objects);
}
