/* load.c - what the points say about alarms, into the engine and the book: all at start and after large
 * changes, one by one after small ones, in effect when the change has been committed. */
#include <math.h>
#include "base/mem.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/alarms/alarms.h"

#define FEW 200 /* changes that are read one by one */

static int64_t duration_of(const struct json *spec, const char *name)
{
    int64_t us = 0;
    struct str text = json_str(json_get(spec, name), STR(""));
    return text.n && duration_parse(text, &us, NULL) == 0 ? us : 0;
}

/* false: no condition at all. */
static bool conf_of(const struct resource *r, struct alarm_conf *c)
{
    const struct json *s = r->spec;
    *c = (struct alarm_conf){
        .num = r->num,
        .limit = {[ALARM_HH] = json_double(json_get(s, "hh"), NAN),
                  [ALARM_H] = json_double(json_get(s, "h"), NAN),
                  [ALARM_L] = json_double(json_get(s, "l"), NAN),
                  [ALARM_LL] = json_double(json_get(s, "ll"), NAN)},
        .deadband = json_double(json_get(s, "alarm_deadband"), 0),
        .delay_us = duration_of(s, "alarm_delay"),
        .stale_us = duration_of(s, "alarm_stale"),
        .bad = json_bool(json_get(s, "alarm_bad"), false),
        .priority = (uint8_t)json_i64(json_get(s, "alarm_priority"), 0),
    };
    bool any = c->bad || c->stale_us;
    for (int i = 0; i < ALARM_LIMITS; i++) any |= !isnan(c->limit[i]);
    return any;
}

/* ---- areas of devices ---- */

struct device_area {
    struct str id, area;
};
struct loading {
    struct alarms *a;
    struct arena arena;
    struct device_area *devices;
    size_t n, cap;
};

static int take_device(void *ctx, const struct resource *r)
{
    struct loading *l = ctx;
    struct str area = json_str(json_get(r->spec, "area"), STR(""));
    if (!area.n) return 0;
    if (!mem_grow((void **)&l->devices, &l->cap, l->n + 1, sizeof *l->devices)) return ERR_NOMEM;
    l->devices[l->n++] = (struct device_area){arena_str(&l->arena, r->id), arena_str(&l->arena, area)};
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct device_area *)a)->id, ((const struct device_area *)b)->id);
}

static struct str area_of(const struct loading *l, const struct resource *r)
{
    struct str own = json_str(json_get(r->spec, "area"), STR(""));
    struct device_area key = {.id = json_str(json_get(r->spec, "device"), STR(""))};
    if (own.n || !key.id.n || !l->n) return own;
    const struct device_area *at = bsearch(&key, l->devices, l->n, sizeof key, by_id);
    return at ? at->area : own;
}

/* ---- one point ---- */

static int take_conf(struct alarms *a, const struct resource *r, const struct alarm_conf *c, struct str area)
{
    int err = book_point(a->book, r->num, r->id, r->org, r->code, r->name, area,
                         json_str(json_get(r->spec, "unit"), STR("")));
    struct sample now;
    if (!err) err = engine_set(a->engine, c);
    if (!err) book_point_limits(a->book, c);
    if (!err && bus_current(a->node->bus, r->num, &now)) engine_first(a->engine, &now);
    return err;
}

static int take_point(void *ctx, const struct resource *r)
{
    struct loading *l = ctx;
    struct alarm_conf c;
    return conf_of(r, &c) ? take_conf(l->a, r, &c, area_of(l, r)) : 0;
}

int alarms_load(struct alarms *a, struct error *e)
{
    struct loading l = {.a = a};
    arena_init(&l.arena, 512 << 20);
    pthread_mutex_lock(&a->load_lock);
    engine_reload_begin(a->engine);
    int err =
        kernel_kind(a->node->kernel, STR("device")) ? resource_each(a->node->kernel, "device", take_device, &l, e) : 0;
    if (!err && l.n) qsort(l.devices, l.n, sizeof *l.devices, by_id);
    if (!err) err = resource_each(a->node->kernel, "point", take_point, &l, e);
    if (!err) engine_reload_end(a->engine);
    pthread_mutex_unlock(&a->load_lock);
    mem_free(l.devices);
    arena_fini(&l.arena);
    return err;
}

/* ---- changes ---- */

static void forget(struct alarms *a, uint32_t num)
{
    engine_remove(a->engine, num);
    book_point_forget(a->book, num);
}

static struct str device_area(struct kernel *k, struct arena *arena, const struct resource *r)
{
    struct str own = json_str(json_get(r->spec, "area"), STR("")), id = json_str(json_get(r->spec, "device"), STR(""));
    struct resource device;
    if (own.n || !id.n || resource_get(k, arena, "device", id, &device, NULL)) return own;
    return json_str(json_get(device.spec, "area"), STR(""));
}

static int one_changed(struct alarms *a, struct kernel *k, const struct change *c)
{
    AUTO_ARENA arena;
    struct resource r;
    struct alarm_conf conf;
    arena_init(&arena, 4 << 20);
    int err = c->op == CHANGE_DELETE ? ERR_NOT_FOUND : resource_get(k, &arena, "point", c->id, &r, NULL);
    if (err == ERR_NOT_FOUND) {
        forget(a, c->num);
        return 0;
    }
    if (err) return err;
    if (conf_of(&r, &conf)) return take_conf(a, &r, &conf, device_area(k, &arena, &r));
    forget(a, c->num);
    return 0;
}

static void reload_later(struct alarms *a)
{
    pthread_mutex_lock(&a->lock);
    a->dirty = true;
    pthread_cond_signal(&a->load_cond);
    pthread_mutex_unlock(&a->lock);
}

static void points_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct alarms *a = ctx;
    int err = n > FEW ? ERR_LIMIT : 0;
    if (!a->leading) return; /* all points are read when it begins to lead */
    pthread_mutex_lock(&a->load_lock);
    for (size_t i = 0; i < n && !err; i++) err = one_changed(a, k, &c[i]);
    pthread_mutex_unlock(&a->load_lock);
    if (err) reload_later(a);
}

static void devices_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    reload_later(ctx);
}

/* high-high above high above low above low-low */
static int validate(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                    const struct resource *new_, struct error *e)
{
    static const char *const order[] = {"ll", "l", "h", "hh"};
    const char *below = NULL;
    double last = -INFINITY;
    for (size_t i = 0; new_ && i < 4; i++) {
        char where[16];
        double v = json_double(json_get(new_->spec, order[i]), NAN);
        if (isnan(v)) continue;
        snprintf(where, sizeof where, "spec.%s", order[i]);
        if (v < last)
            return error_set(e, ERR_INVALID, where, "limit '%s' is %g, below limit '%s' (%g)",
                             "限值 '%s' 为 %g，低于限值 '%s'（%g）", order[i], v, below, last);
        last = v;
        below = order[i];
    }
    return 0;
}

int alarms_hooks_add(struct alarms *a, struct error *e)
{
    struct kind_hooks points = {.kind = "point", .validate = validate, .changed = points_changed, .ctx = a};
    struct kind_hooks devices = {.kind = "device", .changed = devices_changed, .ctx = a};
    int err = kernel_hooks_add(a->node->kernel, &points);
    if (!err) err = kernel_hooks_add(a->node->kernel, &devices);
    return err ? error_set(e, err, "alarms", "cannot watch the points", "无法监视测点配置") : 0;
}

/* ---- the stored alarms ---- */

static int restore_one(void *ctx, const struct alarm_item *it)
{
    struct alarms *a = ctx;
    const struct point_info *p = it->info;
    int err = book_point(a->book, it->num, str_of(p->id), str_of(p->org), p->code, p->name, p->area, p->unit);
    if (!err) err = book_put(a->book, it);
    if (!err) err = engine_restore(a->engine, it->num, it->cond, (enum alarm_state)it->state, it->shelved_until_us);
    return err;
}

int alarms_restore(struct alarms *a, struct error *e)
{
    int err = store_load(kernel_sql(a->node->kernel), restore_one, a, e);
    return err && e && !e->code ? error_set(e, err, "alarms", "cannot read the stored alarms", "无法读取已存报警")
                                : err;
}
