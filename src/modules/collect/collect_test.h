/* collect_test.h - for tests of this module: the rig of core with the module's kinds, hooks and routes, a bus
 * whose history keeps nothing, and a driver that answers at once. The reconciler runs only where a test starts it;
 * else apply() makes the snapshot by hand, so that nothing depends on time. */
#pragma once
#include <uv.h>
#include "core/api/api_test.h"
#include "modules/collect/collect.h"

struct fake_channel {
    struct driver_channel base;
    uv_timer_t handle;
    driver_closed *closed;
    void *arg;
    size_t npoints;
};
struct fake_log { /* what the driver was asked; read it after the call that caused it */
    _Atomic unsigned opens, sets, closes, writes;
    enum driver_outcome outcome; /* of the next write */
    bool no_reading;             /* reads end with none, as out of memory */
    double last;
    bool last_bool;
    char last_text[64];
};
static struct fake_log fake;

static inline int fake_address(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                               struct error *e)
{
    if (!p->address[0]) return error_set(e, ERR_INVALID, "address", "is empty", "为空");
    if (ret) *ret = (struct driver_address){.type = VALUE_DOUBLE, .writable = p->address[0] != 'r'};
    return 0;
}

static inline int fake_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret,
                            struct error *e)
{
    struct fake_channel *c = mem_calloc(1, sizeof *c);
    if (!c) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    c->base.host = host;
    uv_timer_init(host->loop, &c->handle);
    c->handle.data = c;
    *ret = &c->base;
    fake.opens++;
    return 0;
}

static inline int fake_set(struct driver_channel *ch, const struct driver_device *d, size_t nd,
                           const struct driver_point *p, size_t n, struct error *e)
{
    for (size_t i = 0; i < n; i++) CHECK(p[i].device < nd && p[i].period_ms > 0);
    ((struct fake_channel *)ch)->npoints = n;
    fake.sets++;
    return 0;
}

static inline void fake_write(struct driver_channel *ch, const struct driver_write *w)
{
    struct error refused = {0};
    fake.writes++;
    fake.last = w->value.type == SAMPLE_INT ? (double)w->value.v.i : w->value.v.d;
    fake.last_bool = w->value.type == SAMPLE_BOOL;
    if (w->text) str_to_cstr(str_make(w->text, w->text_len), fake.last_text, sizeof fake.last_text);
    error_set(&refused, ERR_DEVICE, "", "no", "否");
    w->done(w->arg, &(struct driver_write_result){.outcome = fake.outcome,
                                                  .error = fake.outcome == DRIVER_DONE ? NULL : &refused,
                                                  .has_readback = fake.outcome == DRIVER_DONE,
                                                  .readback = w->value,
                                                  .text = w->text,
                                                  .text_len = w->text_len,
                                                  .ms = 3});
}

static inline void fake_read(struct driver_channel *ch, const struct driver_device *d, const struct driver_point *p,
                             size_t n, driver_read_done *done, void *arg)
{
    struct driver_reading r[4];
    n = fake.no_reading ? 0 : n < 4 ? n : 4;
    for (size_t i = 0; i < n; i++)
        r[i] = (struct driver_reading){.sample = {.point = p[i].num, .type = SAMPLE_DOUBLE, .v.d = 7},
                                       .raw = (const uint8_t *)"\x01\x02",
                                       .raw_len = 2};
    done(arg, r, n);
}

static inline void fake_test(struct driver_channel *ch, driver_test_done *done, void *arg)
{
    done(arg, NULL, 5, "fine", "正常");
}

/* What it offers below a node; a test sets it. */
static void (*fake_tree)(const char *node, const char *cursor, size_t max, driver_browse_done *done, void *arg);

static inline void fake_browse(struct driver_channel *ch, const struct driver_device *d, const char *node,
                               const char *cursor, size_t max, driver_browse_done *done, void *arg)
{
    fake_tree(node, cursor, max, done, arg);
}

static inline void fake_status(const struct driver_channel *ch, struct driver_status *ret)
{
    *ret = (struct driver_status){.state = DRIVER_UP, .points = (uint32_t)((const struct fake_channel *)ch)->npoints};
}

static inline size_t fake_devices(const struct driver_channel *ch, struct driver_device_status *ret, size_t max)
{
    return 0;
}

static inline void fake_gone(uv_handle_t *h)
{
    struct fake_channel *c = h->data;
    driver_closed *closed = c->closed;
    void *arg = c->arg;
    mem_free(c);
    closed(arg);
}

static inline void fake_close(struct driver_channel *ch, driver_closed *closed, void *arg)
{
    struct fake_channel *c = (struct fake_channel *)ch;
    c->closed = closed;
    c->arg = arg;
    fake.closes++;
    uv_close((uv_handle_t *)&c->handle, fake_gone);
}

static const struct option fake_channel_options[] = {
    {.name = "port", .type = OPTION_INTEGER, .en = "Port", .zh = "端口", .def = "7", .min = "1", .max = "99"}, {0}};
static const struct option fake_device_options[] = {
    {.name = "unit_id", .type = OPTION_INTEGER, .en = "Unit", .zh = "站号", .def = "1", .min = "0", .max = "255"}, {0}};
static const struct option_choice fake_orders[] = {{"ABCD", "big", "大端"}, {"CDAB", "swapped", "交换"}, {0}};
static const struct option fake_point_options[] = {
    {.name = "byte_order", .type = OPTION_ENUM, .en = "Order", .zh = "字节序", .choices = fake_orders},
    {.name = "bit", .type = OPTION_INTEGER, .en = "Bit", .zh = "位", .min = "0", .max = "15"},
    {0}};
static const char *const fake_examples[] = {"a", NULL};
static const struct driver fake_driver = {.name = "fake",
                                          .en = "Fake",
                                          .zh = "仿",
                                          .channel_options = fake_channel_options,
                                          .device_options = fake_device_options,
                                          .point_options = fake_point_options,
                                          .address_en = "any",
                                          .address_zh = "任意",
                                          .examples = fake_examples,
                                          .address_check = fake_address,
                                          .channel_open = fake_open,
                                          .channel_set = fake_set,
                                          .write = fake_write,
                                          .read = fake_read,
                                          .test = fake_test,
                                          .status = fake_status,
                                          .devices = fake_devices,
                                          .close = fake_close,
                                          .browse = fake_browse};
static const struct driver *const fake_drivers[] = {&fake_driver, NULL};
static const struct module *const fake_modules[] = {&collect_module};

/* History that keeps nothing: bus_write then gives current values. */
static inline int forget(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    return 0;
}
static inline int none_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    return ERR_NOT_FOUND;
}
static const struct ts_store_ops no_history_ops = {.name = "none", .append = forget, .before = none_before};

struct plant_rig {
    struct rig r;
    struct node node;
    struct ts_store history;
    void *ctx[1];
    bool runs; /* the module was started */
};

static inline struct collect *rig_collect(struct plant_rig *x)
{
    return x->ctx[0];
}

static inline bool plant_open(struct plant_rig *x)
{
    struct error e = {0};
    memset(x, 0, sizeof *x);
    memset(&fake, 0, sizeof fake);
    int err = rig_open(&x->r, NULL);
    struct bus_config bc = {.shards = 1, .ring = 256, .clock = &x->r.clock.clock, .store = &x->history};
    x->history.ops = &no_history_ops;
    if (!err) err = bus_start(&bc, &x->node.bus, &e);
    x->node.drivers = fake_drivers;
    x->node.clock = &x->r.clock.clock;
    x->node.rng = &x->r.rng.rng;
    x->node.kernel = x->r.kernel;
    x->node.api = x->r.api;
    if (!err) err = modules_init(&x->node, fake_modules, 1, x->ctx, &e);
    if (err) test_fail(__FILE__, __LINE__, "open: %s: %s", e.where, e.text);
    if (!err) rig_admin(&x->r);
    return !err;
}

static inline void plant_close(struct plant_rig *x)
{
    struct collect *c = rig_collect(x);
    if (x->runs)
        modules_stop(fake_modules, 1, x->ctx);
    else if (c->run)
        run_stop(c->run);
    kernel_hooks_stop(x->r.kernel);
    modules_fini(fake_modules, 1, x->ctx);
    bus_stop(x->node.bus);
    rig_close(&x->r);
}

/* POST of a resource; 201 is expected. */
static inline void make(struct plant_rig *x, const char *plural, const char *code, const char *spec)
{
    char path[64], body[800];
    snprintf(path, sizeof path, "/api/v1/%s", plural);
    snprintf(body, sizeof body, "{\"code\":\"%s\",\"name\":\"%s\",\"spec\":%s}", code, code, spec);
    if (rig_call(&x->r, "POST", path, body) != 201)
        test_fail(__FILE__, __LINE__, "%s %s: %d %.*s", plural, code, x->r.status, STR_ARG(x->r.body));
}

static inline int change(struct plant_rig *x, const char *plural, const char *code, const char *spec)
{
    char path[128], body[800];
    snprintf(path, sizeof path, "/api/v1/%s/%s", plural, code);
    snprintf(body, sizeof body, "{\"spec\":%s}", spec);
    return rig_call(&x->r, "PATCH", path, body);
}

static inline struct plant *load(struct plant_rig *x)
{
    struct plant *p = NULL;
    struct error e = {0};
    if (plant_load(&x->node, &p, &e)) test_fail(__FILE__, __LINE__, "load: %s", e.text);
    return p;
}

/* What the reconciler does, here and now. */
static inline void apply(struct plant_rig *x)
{
    struct collect *c = rig_collect(x);
    struct error e = {0};
    if (!c->run && run_start(&x->node, 2, &c->run, &e)) test_fail(__FILE__, __LINE__, "run: %s", e.text);
    plant_unref(c->plant);
    c->plant = load(x);
    if (c->plant && c->run) run_apply(c->run, c->plant);
}
