/* plant.h - the configured plant as compact memory: channels, devices, points, made from the resources.
 *
 * An immutable snapshot, reference-counted: the reconciler builds a new one after changes and swaps it;
 * handlers take a reference, look, and release. Points are sorted by channel, device, number, so those of
 * a device are one stretch. Any thread may read. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/arena.h"
#include "bornite/driver.h"
#include "core/node.h"

struct p_channel {
    uint32_t num;
    struct str id, code, name, org;
    bool enabled;
    const struct driver *driver; /* NULL: see problem */
    struct options options;
    uint64_t options_sig, set_sig; /* change when the connection / the set of points changes */
    struct error problem;          /* why it cannot run; code 0: none */
    size_t device, ndevices;       /* stretch of devices */
};
struct p_device {
    uint32_t num, channel; /* index of its channel; UINT32_MAX: gone */
    struct str id, code, name, area;
    bool enabled;
    struct options options;
    size_t point, npoints; /* stretch of points */
    uint64_t sig;
};
struct p_point {
    uint32_t num, device; /* index of its device; UINT32_MAX: none (written by hand) */
    struct str id, code, name, address, unit, area;
    enum value_type type;
    uint32_t period_ms;
    double scale, offset, lo, hi, write_lo, write_hi; /* NAN: no limit */
    double deadband;                                  /* < 0: none */
    int64_t min_interval_us, max_interval_us;
    double door; /* swinging door; 0: none */
    int64_t door_max_us;
    bool archive, step, writable, key;
    struct options options;
};
struct p_area {
    struct str path, name, name_en;
};
struct plant {
    _Atomic unsigned refs;
    struct arena arena;
    struct p_channel *channels;
    struct p_device *devices;
    struct p_point *points;
    struct p_area *areas; /* sorted by path */
    size_t nareas, nchannels, ndevices, npoints;
    uint32_t *by_num; /* index of a point by number; UINT32_MAX: none */
    uint32_t max_num;
};

/* For other modules: the snapshot in force of the running node (NULL before the first; plant_unref it), and who wants
 * to know when there is another: fn only signals, from the reconciler's thread; before modules start, for good.
 * ERR_LIMIT past 4. */
struct plant *plant_of(struct node *n);
MUST_CHECK int plant_watch(struct node *n, void (*fn)(void *ctx), void *ctx);

MUST_CHECK int plant_load(struct node *n, struct plant **ret, struct error *e);
struct plant *plant_ref(struct plant *p);
void plant_unref(struct plant *p);
const struct p_point *plant_point(const struct plant *p, uint32_t num);
const struct p_channel *plant_channel(const struct plant *p, struct str id_or_code);
const struct p_area *plant_area(const struct plant *p, struct str path); /* NULL: has no name */
const struct p_device *plant_device(const struct plant *p, struct str id_or_code);
/* As the driver wants it; `device` becomes the index within the channel. */
struct driver_point plant_driver_point(const struct plant *p, const struct p_point *pt);
struct bus_point plant_bus_point(const struct p_point *pt);
/* The option bag of a point: members of spec.options and the fields that the kind names itself. */
MUST_CHECK int plant_point_options(const struct driver *d, struct arena *a, const struct json *spec,
                                   struct options *ret, struct error *e);
/* Address and numbers of a point's spec in the driver's form; texts in the arena. */
MUST_CHECK int plant_point_spec(const struct json *spec, struct arena *a, struct p_point *ret, struct error *e);
