/* validate.c - what only the driver can check of a channel, device or point, before it is stored.
 * Devices and channels are looked up in the snapshot first (an import of 100,000 points asks a hundred
 * thousand times) and in the kernel when they are newer than it. */
#include "base/mem.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"
#include "model/unit.h"
#include "modules/collect/collect.h"

static int driver_of(struct collect *c, const struct json *spec, const struct driver **ret, struct error *e)
{
    struct str name = json_str(json_get(spec, "driver"), STR(""));
    *ret = drivers_find(c->node->drivers, name);
    return *ret ? 0
                : error_set(e, ERR_INVALID, "spec.driver", "there is no driver '%.*s'; GET /api/v1/drivers lists them",
                            "没有驱动 '%.*s'；可用驱动见 GET /api/v1/drivers", STR_ARG(name));
}

int check_options(const struct option *table, options_extra *extra, struct arena *a, const struct json *spec,
                  struct options *ret, struct error *e)
{
    int err = options_check(table, a, json_get(spec, "options"), ret, NULL, 0, NULL, e);
    if (!err && extra) err = extra(ret, e);
    if (err) error_prefix(e, "spec.options.");
    return err;
}

static int check_channel(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                         const struct resource *new_, struct error *e)
{
    const struct driver *d;
    struct options o;
    if (!new_) return 0;
    int err = driver_of(ctx, new_->spec, &d, e);
    return err ? err : check_options(d->channel_options, d->channel_check, a, new_->spec, &o, e);
}

static int no_such(const char *where, const char *what, const char *what_zh, struct str id, struct error *e)
{
    return error_set(e, ERR_INVALID, where, "there is no %s%.0s '%.*s'", "没有%.0s%s '%.*s'", what, what_zh,
                     STR_ARG(id));
}

/* The driver behind a channel id, from the snapshot or the kernel. */
static int driver_of_channel(struct collect *c, const struct plant *p, struct arena *a, struct str id,
                             const struct driver **ret, struct error *e)
{
    const struct p_channel *pc = p ? plant_channel(p, id) : NULL;
    struct resource r;
    if (pc && pc->driver) {
        *ret = pc->driver;
        return 0;
    }
    int err = resource_get(c->node->kernel, a, "channel", id, &r, e);
    if (err == ERR_NOT_FOUND) return no_such("spec.channel", "channel", "通道", id, e);
    return err ? err : driver_of(c, r.spec, ret, e);
}

static int check_device(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                        const struct resource *new_, struct error *e)
{
    const struct driver *d;
    struct options o;
    if (!new_) return 0;
    struct plant *p = collect_plant(ctx);
    int err = driver_of_channel(ctx, p, a, json_str(json_get(new_->spec, "channel"), STR("")), &d, e);
    plant_unref(p);
    return err ? err : check_options(d->device_options, d->device_check, a, new_->spec, &o, e);
}

static int check_numbers(const struct json *spec, const struct p_point *pt, struct error *e)
{
    struct str unit = json_str(json_get(spec, "unit"), STR(""));
    if (pt->lo >= pt->hi)
        return error_set(e, ERR_INVALID, "spec.lo", "the range begins at %g and ends at %g; the end must be greater",
                         "量程下限为 %g、上限为 %g；上限必须大于下限", pt->lo, pt->hi);
    if (pt->write_lo >= pt->write_hi)
        return error_set(e, ERR_INVALID, "spec.write_lo",
                         "the write range begins at %g and ends at %g; the end must be greater",
                         "写入下限为 %g、上限为 %g；上限必须大于下限", pt->write_lo, pt->write_hi);
    if (pt->scale == 0) return error_set(e, ERR_INVALID, "spec.scale", "must not be 0", "不能为 0");
    if (unit.n && !unit_is_known(unit))
        return error_set(e, ERR_INVALID, "spec.unit",
                         "'%.*s' is no unit that is known; write a UCUM code such as t/h, Cel, kPa, %%",
                         "'%.*s' 不是已知单位；请使用 UCUM 代码，例如 t/h、Cel、kPa、%%", STR_ARG(unit));
    return 0;
}

struct behind {
    const struct driver *driver;
    struct options options; /* of the device */
};

static int device_behind(struct collect *c, const struct plant *p, struct arena *a, struct str id, struct behind *ret,
                         struct error *e)
{
    const struct p_device *pd = p ? plant_device(p, id) : NULL;
    struct resource r;
    if (pd && pd->channel != UINT32_MAX && p->channels[pd->channel].driver) {
        *ret = (struct behind){p->channels[pd->channel].driver, pd->options};
        return 0;
    }
    int err = resource_get(c->node->kernel, a, "device", id, &r, e);
    if (err == ERR_NOT_FOUND) return no_such("spec.device", "device", "设备", id, e);
    if (!err) err = driver_of_channel(c, p, a, json_str(json_get(r.spec, "channel"), STR("")), &ret->driver, e);
    return err ? err : check_options(ret->driver->device_options, NULL, a, r.spec, &ret->options, e);
}

static int check_address(struct collect *c, const struct plant *p, struct arena *a, const struct resource *r,
                         struct p_point *pt, struct error *e)
{
    struct behind b;
    struct driver_address found;
    struct str device = json_str(json_get(r->spec, "device"), STR(""));
    if (!device.n) return 0;
    int err = device_behind(c, p, a, device, &b, e);
    if (!err) err = plant_point_options(b.driver, a, r->spec, &pt->options, e);
    if (err) return err;
    struct driver_point dp = {.num = 1,
                              .type = pt->type,
                              .address = pt->address.p,
                              .options = &pt->options,
                              .period_ms = pt->period_ms,
                              .scale = pt->scale,
                              .offset = pt->offset,
                              .lo = pt->lo,
                              .hi = pt->hi};
    err = b.driver->address_check(&dp, &b.options, &found, e);
    if (err) {
        if (e) snprintf(e->where, sizeof e->where, "spec.address");
        return err;
    }
    if (pt->writable && !found.writable)
        return error_set(e, ERR_INVALID, "spec.writable", "the address '%s' cannot be written in this protocol",
                         "地址 '%s' 在此协议中不可写", pt->address.p);
    return 0;
}

static int check_point(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                       const struct resource *new_, struct error *e)
{
    struct p_point pt = {0};
    if (!new_) return 0;
    int err = plant_point_spec(new_->spec, a, &pt, e);
    if (!err) err = check_numbers(new_->spec, &pt, e);
    if (err) return err;
    struct plant *p = collect_plant(ctx);
    err = check_address(ctx, p, a, new_, &pt, e);
    plant_unref(p);
    return err;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    reconcile_signal(ctx);
}

int collect_hooks_add(struct collect *c, struct error *e)
{
    const struct kind_hooks hooks[] = {{"area", NULL, changed, c},
                                       {"channel", check_channel, changed, c},
                                       {"device", check_device, changed, c},
                                       {"point", check_point, changed, c}};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        int err = kernel_hooks_add(c->node->kernel, &hooks[i]);
        if (err) return error_set(e, err, "collect", "cannot register the kind %s", "无法登记类型 %s", hooks[i].kind);
    }
    return 0;
}
