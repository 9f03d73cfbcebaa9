/* plant.c - see plant.h. */
#include "modules/collect/plant.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"

#define PLANT_ARENA (2048u << 20)
#define NONE UINT32_MAX

struct loading {
    struct node *node;
    struct plant *p;
    size_t cap_a, cap_c, cap_d, cap_p;
    struct error *e;
    struct buf sig;
};

static double number_or_nan(const struct json *spec, const char *name)
{
    return json_double(json_get(spec, name), NAN);
}

static int64_t duration_of(const struct json *spec, const char *name)
{
    int64_t us = 0;
    struct str text = json_str(json_get(spec, name), STR(""));
    return text.n && duration_parse(text, &us, NULL) == 0 ? us : 0;
}

/* Texts end with NUL here, as drivers want them. */
static struct str keep(struct arena *a, struct str s)
{
    char *z = arena_strdup(a, s);
    return z ? str_make(z, s.n) : STR("");
}

int plant_point_options(const struct driver *d, struct arena *a, const struct json *spec, struct options *ret,
                        struct error *e)
{
    AUTO_ARENA scratch; /* the merged bag; options_check copies what it keeps */
    arena_init(&scratch, 1 << 20);
    struct json *bag = json_copy(&scratch, json_get(spec, "options"));
    if (!bag || bag->type != JSON_OBJECT) bag = json_new_object(&scratch);
    for (const struct option *o = d->point_options; bag && o && o->name; o++) {
        const struct json *own = json_get(spec, o->name);
        if (own && own->type != JSON_NULL && !json_get(bag, o->name))
            json_set(bag, &scratch, str_of(o->name), json_copy(&scratch, own));
    }
    int err = options_check(d->point_options, a, bag, ret, NULL, 0, NULL, e);
    if (err) error_prefix(e, "spec.options.");
    return err;
}

int plant_point_spec(const struct json *spec, struct arena *a, struct p_point *ret, struct error *e)
{
    struct str type = json_str(json_get(spec, "type"), STR("auto"));
    if (!value_type_parse(type, &ret->type))
        return error_set(e, ERR_INVALID, "spec.type", "'%.*s' is no value type", "'%.*s' 不是有效的数据类型",
                         STR_ARG(type));
    int64_t period = duration_of(spec, "period");
    double deadband = number_or_nan(spec, "deadband");
    ret->address = keep(a, json_str(json_get(spec, "address"), STR("")));
    ret->unit = keep(a, json_str(json_get(spec, "unit"), STR("")));
    ret->area = keep(a, json_str(json_get(spec, "area"), STR("")));
    ret->period_ms = period > 0 ? (uint32_t)(period / 1000) : 1000;
    ret->scale = json_double(json_get(spec, "scale"), 1);
    ret->offset = json_double(json_get(spec, "offset"), 0);
    ret->lo = number_or_nan(spec, "lo");
    ret->hi = number_or_nan(spec, "hi");
    ret->write_lo = number_or_nan(spec, "write_lo");
    ret->write_hi = number_or_nan(spec, "write_hi");
    ret->deadband = isnan(deadband) ? -1 : deadband;
    ret->min_interval_us = duration_of(spec, "min_interval");
    ret->max_interval_us = duration_of(spec, "max_interval");
    ret->door = json_double(json_get(spec, "door"), 0);
    ret->door_max_us = duration_of(spec, "door_max");
    ret->archive = json_bool(json_get(spec, "archive"), true);
    ret->writable = json_bool(json_get(spec, "writable"), false);
    ret->key = json_bool(json_get(spec, "key"), false);
    ret->step = json_bool(json_get(spec, "step"), false) || ret->type == VALUE_BOOL || ret->type == VALUE_STRING;
    return 0;
}

/* ---- loading ---- */

static uint64_t signature(struct loading *l, uint64_t seed)
{
    return str_hash(buf_view(&l->sig), seed);
}

static void sig_spec(struct loading *l, const struct resource *r)
{
    buf_clear(&l->sig);
    buf_str(&l->sig, r->code);
    json_write(&l->sig, r->spec);
}

static int load_area(void *ctx, const struct resource *r)
{
    struct loading *l = ctx;
    struct plant *p = l->p;
    if (!mem_grow((void **)&p->areas, &l->cap_a, p->nareas + 1, sizeof *p->areas)) return ERR_NOMEM;
    p->areas[p->nareas++] =
        (struct p_area){.path = keep(&p->arena, r->code),
                        .name = keep(&p->arena, r->name),
                        .name_en = keep(&p->arena, json_str(json_get(r->spec, "name_en"), STR("")))};
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return str_cmp(((const struct p_area *)a)->path, ((const struct p_area *)b)->path);
}

static int load_channel(void *ctx, const struct resource *r)
{
    struct loading *l = ctx;
    struct plant *p = l->p;
    if (!mem_grow((void **)&p->channels, &l->cap_c, p->nchannels + 1, sizeof *p->channels)) return ERR_NOMEM;
    struct p_channel *c = &p->channels[p->nchannels++];
    struct str name = json_str(json_get(r->spec, "driver"), STR(""));
    *c = (struct p_channel){.num = r->num,
                            .id = keep(&p->arena, r->id),
                            .code = keep(&p->arena, r->code),
                            .name = keep(&p->arena, r->name),
                            .org = keep(&p->arena, r->org),
                            .enabled = json_bool(json_get(r->spec, "enabled"), true),
                            .driver = drivers_find(l->node->drivers, name)};
    if (!c->driver) {
        error_set(&c->problem, ERR_UNSUPPORTED, "spec.driver", "this program has no driver '%.*s'",
                  "本程序没有驱动 '%.*s'", STR_ARG(name));
        return 0;
    }
    int err = options_check(c->driver->channel_options, &p->arena, json_get(r->spec, "options"), &c->options, NULL, 0,
                            NULL, &c->problem);
    if (err == ERR_NOMEM) return err;
    sig_spec(l, r);
    c->options_sig = signature(l, 0);
    return 0;
}

static uint32_t channel_index(const struct plant *p, struct str id)
{
    for (size_t i = 0; i < p->nchannels; i++)
        if (str_eq(p->channels[i].id, id)) return (uint32_t)i;
    return NONE;
}

static int load_device(void *ctx, const struct resource *r)
{
    struct loading *l = ctx;
    struct plant *p = l->p;
    if (!mem_grow((void **)&p->devices, &l->cap_d, p->ndevices + 1, sizeof *p->devices)) return ERR_NOMEM;
    struct p_device *d = &p->devices[p->ndevices++];
    *d = (struct p_device){.num = r->num,
                           .channel = channel_index(p, json_str(json_get(r->spec, "channel"), STR(""))),
                           .id = keep(&p->arena, r->id),
                           .code = keep(&p->arena, r->code),
                           .name = keep(&p->arena, r->name),
                           .area = keep(&p->arena, json_str(json_get(r->spec, "area"), STR(""))),
                           .enabled = json_bool(json_get(r->spec, "enabled"), true)};
    const struct driver *drv = d->channel == NONE ? NULL : p->channels[d->channel].driver;
    int err = drv ? options_check(drv->device_options, &p->arena, json_get(r->spec, "options"), &d->options, NULL, 0,
                                  NULL, NULL)
                  : 0;
    if (err == ERR_NOMEM) return err;
    if (err) d->enabled = false;
    sig_spec(l, r);
    d->sig = signature(l, 1);
    return 0;
}

static int by_channel(const void *a, const void *b)
{
    const struct p_device *x = a, *y = b;
    if (x->channel != y->channel) return x->channel < y->channel ? -1 : 1;
    return x->num < y->num ? -1 : x->num > y->num;
}

/* Ids of devices in order, for finding them while the points are read. */
struct id_index {
    struct str id;
    uint32_t at;
};
struct point_loading {
    struct loading *l;
    struct id_index *ids;
};

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct id_index *)a)->id, ((const struct id_index *)b)->id);
}

static uint32_t device_index(const struct point_loading *pl, struct str id)
{
    struct id_index key = {.id = id};
    const struct id_index *at = id.n ? bsearch(&key, pl->ids, pl->l->p->ndevices, sizeof key, by_id) : NULL;
    return at ? at->at : NONE;
}

static int load_point(void *ctx, const struct resource *r)
{
    struct point_loading *pl = ctx;
    struct loading *l = pl->l;
    struct plant *p = l->p;
    if (!mem_grow((void **)&p->points, &l->cap_p, p->npoints + 1, sizeof *p->points)) return ERR_NOMEM;
    struct p_point *pt = &p->points[p->npoints++];
    *pt = (struct p_point){.num = r->num, .device = device_index(pl, json_str(json_get(r->spec, "device"), STR("")))};
    pt->id = keep(&p->arena, r->id);
    pt->code = keep(&p->arena, r->code);
    pt->name = keep(&p->arena, r->name);
    if (plant_point_spec(r->spec, &p->arena, pt, NULL)) pt->type = VALUE_AUTO;
    if (r->num > p->max_num) p->max_num = r->num;
    struct p_device *d = pt->device == NONE ? NULL : &p->devices[pt->device];
    if (!d) return 0;
    if (!pt->area.n) pt->area = d->area;
    const struct driver *drv = d->channel == NONE ? NULL : p->channels[d->channel].driver;
    if (drv && plant_point_options(drv, &p->arena, r->spec, &pt->options, NULL) == ERR_NOMEM) return ERR_NOMEM;
    sig_spec(l, r);
    d->sig = signature(l, d->sig + r->num);
    return 0;
}

static int by_device(const void *a, const void *b)
{
    const struct p_point *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->num < y->num ? -1 : x->num > y->num;
}

static void link_stretches(struct plant *p)
{
    for (size_t i = p->npoints; i-- > 0;) {
        p->by_num[p->points[i].num] = (uint32_t)i;
        if (p->points[i].device == NONE) continue;
        struct p_device *d = &p->devices[p->points[i].device];
        d->point = i;
        d->npoints++;
    }
    for (size_t i = p->ndevices; i-- > 0;) {
        if (p->devices[i].channel == NONE) continue;
        struct p_channel *c = &p->channels[p->devices[i].channel];
        c->device = i;
        c->ndevices++;
        c->set_sig = c->set_sig * 31 + p->devices[i].sig + 1;
    }
}

static int load_devices_and_points(struct loading *l)
{
    struct plant *p = l->p;
    struct kernel *k = l->node->kernel;
    int err = resource_each(k, "device", load_device, l, l->e);
    if (err) return err;
    if (p->ndevices) qsort(p->devices, p->ndevices, sizeof *p->devices, by_channel);
    struct point_loading pl = {l, mem_calloc(p->ndevices ? p->ndevices : 1, sizeof *pl.ids)};
    if (!pl.ids) return ERR_NOMEM;
    for (size_t i = 0; i < p->ndevices; i++) pl.ids[i] = (struct id_index){p->devices[i].id, (uint32_t)i};
    qsort(pl.ids, p->ndevices, sizeof *pl.ids, by_id);
    err = resource_each(k, "point", load_point, &pl, l->e);
    mem_free(pl.ids);
    if (err) return err;
    if (p->npoints) qsort(p->points, p->npoints, sizeof *p->points, by_device);
    p->by_num = mem_alloc(((size_t)p->max_num + 1) * sizeof *p->by_num);
    if (!p->by_num) return ERR_NOMEM;
    memset(p->by_num, 0xff, ((size_t)p->max_num + 1) * sizeof *p->by_num);
    link_stretches(p);
    return 0;
}

int plant_load(struct node *n, struct plant **ret, struct error *e)
{
    struct loading l = {.node = n, .p = mem_calloc(1, sizeof *l.p), .e = e};
    if (!l.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    atomic_store(&l.p->refs, 1);
    arena_init(&l.p->arena, PLANT_ARENA);
    buf_init(&l.sig, 4 << 20);
    int err = resource_each(n->kernel, "area", load_area, &l, e);
    if (!err && l.p->nareas) qsort(l.p->areas, l.p->nareas, sizeof *l.p->areas, by_path);
    if (!err) err = resource_each(n->kernel, "channel", load_channel, &l, e);
    if (!err) err = load_devices_and_points(&l);
    buf_fini(&l.sig);
    if (err) {
        plant_unref(l.p);
        return e && e->code
                   ? err
                   : error_set(e, err, "", "cannot read the configuration: %s", "无法读取配置: %s", error_title(err));
    }
    *ret = l.p;
    return 0;
}

struct plant *plant_ref(struct plant *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void plant_unref(struct plant *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1) return;
    mem_free(p->areas);
    mem_free(p->channels);
    mem_free(p->devices);
    mem_free(p->points);
    mem_free(p->by_num);
    arena_fini(&p->arena);
    mem_free(p);
}

/* ---- looking up ---- */

const struct p_point *plant_point(const struct plant *p, uint32_t num)
{
    if (!p->by_num || num > p->max_num || p->by_num[num] == NONE) return NULL;
    return &p->points[p->by_num[num]];
}

const struct p_channel *plant_channel(const struct plant *p, struct str name)
{
    for (size_t i = 0; i < p->nchannels; i++)
        if (str_eq(p->channels[i].id, name) || str_eq(p->channels[i].code, name)) return &p->channels[i];
    return NULL;
}

const struct p_area *plant_area(const struct plant *p, struct str path)
{
    struct p_area key = {.path = path};
    return p->nareas ? bsearch(&key, p->areas, p->nareas, sizeof key, by_path) : NULL;
}

const struct p_device *plant_device(const struct plant *p, struct str name)
{
    for (size_t i = 0; i < p->ndevices; i++)
        if (str_eq(p->devices[i].id, name) || str_eq(p->devices[i].code, name)) return &p->devices[i];
    return NULL;
}

struct driver_point plant_driver_point(const struct plant *p, const struct p_point *pt)
{
    const struct p_device *d = pt->device == NONE ? NULL : &p->devices[pt->device];
    size_t first = d && d->channel != NONE ? p->channels[d->channel].device : 0;
    return (struct driver_point){.num = pt->num,
                                 .device = d ? (uint32_t)(pt->device - first) : 0,
                                 .type = pt->type,
                                 .address = pt->address.p ? pt->address.p : "",
                                 .options = pt->options.table ? &pt->options : NULL,
                                 .period_ms = pt->period_ms,
                                 .scale = pt->scale,
                                 .offset = pt->offset,
                                 .lo = pt->lo,
                                 .hi = pt->hi};
}

struct bus_point plant_bus_point(const struct p_point *pt)
{
    return (struct bus_point){.num = pt->num,
                              .deadband = pt->deadband,
                              .min_interval_us = pt->min_interval_us,
                              .max_interval_us = pt->max_interval_us,
                              .door = pt->door,
                              .door_max_us = pt->door_max_us,
                              .archive = pt->archive,
                              .step = pt->step};
}
