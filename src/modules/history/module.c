/* module.c - life of the module history. */
#include "modules/history/history.h"
#include "base/mem.h"
#include "modules/history/advise.h"
#include "modules/history/blobs.h"
#include "modules/history/doors.h"
#include "modules/history/engines.h"
#include "modules/history/import.h"
#include "modules/history/retention.h"
#include "modules/history/routes_query.h"
#include "modules/history/storage.h"

struct history_ctx {
    struct node *node;
    struct retention *retention;
    struct doors *doors;
    struct storage *storage;
    struct engines *engines;
};

struct node *history_node(void *module)
{
    return ((struct history_ctx *)module)->node;
}
struct retention *history_retention(void *module)
{
    return ((struct history_ctx *)module)->retention;
}
struct doors *history_doors(void *module)
{
    return ((struct history_ctx *)module)->doors;
}

struct storage *history_storage(void *module)
{
    return ((struct history_ctx *)module)->storage;
}

struct engines *history_engines(void *module)
{
    return ((struct history_ctx *)module)->engines;
}

/* For /healthz: does history take samples? */
static bool takes_samples(void *ctx, struct error *why)
{
    struct history_ctx *h = ctx;
    struct ts_stats s = {0};
    h->node->history->ops->stats(h->node->history, &s);
    if (s.read_only)
        error_set(why, ERR_UNAVAILABLE, "history", "history takes no samples: %s", "历史库拒绝写入：%s",
                  s.read_only_why);
    return !s.read_only;
}

int history_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct history_ctx *h = mem_calloc(1, sizeof *h);
    if (!h) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    h->node = n;
    int err = retention_new(n, &h->retention, e);
    if (!err) err = query_routes(n, h, e);
    if (!err) err = blob_routes(n, h, e);
    if (!err) err = doors_new(n, h, &h->doors, e);
    if (!err) err = storage_new(n, &h->storage, e);
    if (!err) err = storage_routes(n, h, e);
    if (!err) err = history_advise_routes(n, h, e);
    if (!err) err = import_add(n, e);
    if (!err) err = engines_new(n, h, &h->engines, e);
    if (err) {
        history_fini(h);
        return err;
    }
    *ret_ctx = h;
    return api_health_add(n->api, &(struct api_health){"history", takes_samples, h});
}

/* The class that points get when none is named. */
static int first_class(struct node *n, struct error *e)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 1 << 20);
    struct list_query q = {.kind = "archive_class", .limit = 1};
    struct list_page page;
    int err = resource_list(n->kernel, &a, &q, &page, e);
    if (err || page.n) return err;
    struct json *spec = json_new_object(&a);
    json_set(spec, &a, STR("keep"), json_new_str(&a, STR("3650d")));
    struct resource_input in = {.code = STR("standard"), .name = STR("标准（十年）"), .spec = spec};
    return resource_create(n->kernel, &a, &actor_system, "archive_class", &in, &r, e);
}

int history_start_module(void *ctx, struct error *e)
{
    struct history_ctx *h = ctx;
    int err = first_class(h->node, e);
    if (!err) err = doors_start(h->doors, e);
    retention_engines_set(h->retention, h->engines);
    if (!err) err = retention_start(h->retention, e);
    return err ? err : storage_start(h->storage, e);
}

void history_stop_module(void *ctx)
{
    struct history_ctx *h = ctx;
    doors_stop(h->doors);
    storage_stop(h->storage);
    retention_stop(h->retention);
    engines_stop(h->engines);
}

void history_fini(void *ctx)
{
    struct history_ctx *h = ctx;
    if (!h) return;
    engines_free(h->engines);
    storage_free(h->storage);
    doors_free(h->doors);
    retention_free(h->retention);
    mem_free(h);
}
