/* plan.c - see plan.h. */
#include "modules/push/plan.h"
#include "modules/push/push.h"

static struct str point_of(const struct json *spec, struct str key)
{
    for
        json_each (it, json_get(spec, "keys")) {
            if (str_eq(json_str(json_get(it, "key"), STR("")), key)) return json_str(json_get(it, "point"), STR(""));
        }
    return STR_NULL;
}

static void taken(struct push_plan *ret, enum push_place place, struct str code)
{
    ret->place = place;
    str_to_cstr(code, ret->code, sizeof ret->code);
}

static int by_rule(struct push *p, struct arena *a, const struct resource *device, struct str key,
                   struct push_plan *ret, struct error *e)
{
    struct resource r;
    struct str rule = json_str(json_get(device->spec, "point_code"), STR("{device}.{key}"));
    struct str code = push_point_code(a, device->code, rule, key);
    if (!code.p) {
        error_set(&ret->why, ERR_INVALID, "", "the point's code would be too long", "测点编码过长");
        return 0;
    }
    int rc = resource_get(p->node->kernel, a, "point", code, &r, e);
    if (rc == ERR_NOT_FOUND) {
        taken(ret, PUSH_PLACE_NEW, code);
        return 0;
    }
    if (rc) return rc;
    if (str_eq(json_str(json_get(r.labels, "push_device"), STR("")), device->id))
        taken(ret, PUSH_PLACE_MADE, code);
    else
        error_set(&ret->why, ERR_EXISTS, "", "point %.*s is not this device's; map the key to it by hand",
                  "测点 %.*s 不属于该设备，请手工映射该键", STR_ARG(code));
    return 0;
}

int push_plan_key(struct push *p, struct arena *a, const char *device, struct str key, struct push_plan *ret,
                  struct error *e)
{
    struct resource d, r;
    *ret = (struct push_plan){.place = PUSH_PLACE_NONE};
    int rc = resource_get(p->node->kernel, a, "push_device", str_of(device), &d, e);
    if (rc) return rc;
    struct str mapped = point_of(d.spec, key);
    if (mapped.n) {
        rc = resource_get(p->node->kernel, a, "point", mapped, &r, &ret->why);
        if (!rc) taken(ret, PUSH_PLACE_MAPPED, r.code);
        return 0;
    }
    if (json_bool(json_get(d.spec, "create"), false)) return by_rule(p, a, &d, key, ret, e);
    error_set(&ret->why, ERR_NOT_FOUND, "", "no point is mapped to this key", "该键没有映射测点");
    return 0;
}

/* ---- the other way ---- */

static void of_device(const struct push_device *d, struct str key, struct push_owner *ret)
{
    memcpy(ret->device, d->id, sizeof ret->device);
    memcpy(ret->code, d->code, sizeof ret->code);
    str_to_cstr(key, ret->key, sizeof ret->key);
    ret->commands = d->commands;
}

static bool in_memory(struct push *p, uint32_t point, struct push_owner *ret)
{
    bool found = false;
    push_lock(p);
    for (size_t i = 0; i < p->n && !found; i++) {
        const struct push_device *d = p->devices[i];
        for (size_t k = 0; k < d->nkeys && !found; k++) {
            found = d->keys[k].num == point && d->keys[k].epoch == p->epoch;
            if (found) of_device(d, str_make(d->keys[k].key, d->keys[k].key_n), ret);
        }
    }
    push_unlock(p);
    return found;
}

/* Made by a device: its label names it, and its name was the key. */
static bool by_label(struct push *p, const struct resource *point, struct push_owner *ret)
{
    struct str id = json_str(json_get(point->labels, "push_device"), STR("")),
               key = json_str(json_get(point->labels, "push_key"), point->name);
    if (!id.n) return false;
    push_lock(p);
    const struct push_device *d = push_by_id(p, id);
    if (d) of_device(d, key, ret);
    push_unlock(p);
    return d != NULL;
}

/* Mapped by hand: the device refers to it. */
static int by_reference(struct push *p, struct arena *a, const struct resource *point, struct push_owner *ret,
                        struct error *e)
{
    struct where_used *u;
    size_t n;
    int64_t total;
    int rc = resource_where_used(p->node->kernel, a, NULL, "point", point->id, 0, 100, &u, &n, &total, e);
    for (size_t i = 0; i < n && !rc; i++) {
        struct resource d;
        if (!str_is(u[i].kind, "push_device")) continue;
        rc = resource_get(p->node->kernel, a, "push_device", u[i].id, &d, e);
        if (rc) break;
        for
            json_each (it, json_get(d.spec, "keys")) {
                if (!str_eq(json_str(json_get(it, "point"), STR("")), point->id)) continue;
                push_lock(p);
                const struct push_device *found = push_by_id(p, d.id);
                if (found) of_device(found, json_str(json_get(it, "key"), STR("")), ret);
                push_unlock(p);
                if (found) return 0;
            }
    }
    return rc ? rc : ERR_NOT_FOUND;
}

int push_owner_of(struct push *p, struct arena *a, uint32_t point, struct push_owner *ret, struct error *e)
{
    struct resource r;
    if (in_memory(p, point, ret)) return 0;
    int rc = resource_by_num(p->node->kernel, a, "point", point, &r, e);
    if (rc) return rc;
    return by_label(p, &r, ret) ? 0 : by_reference(p, a, &r, ret, e);
}
