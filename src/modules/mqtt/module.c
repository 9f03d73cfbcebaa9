/* module.c - the row of the module, start and stop: store → broker → loop → committer → listeners, and back. */
#include "core/module.h"
#include "base/mem.h"
#include "modules/mqtt/acl.h"
#include "modules/mqtt/mqtt.h"
#include "modules/mqtt/rpc.h"

static const struct mq_ops ops = {.login = mqtt_login_check,
                                  .may = mqtt_login_may,
                                  .gives = mqtt_login_gets,
                                  .denied = mqtt_ingest_denied,
                                  .ingest = mqtt_ingest_publish,
                                  .later = mqtt_ingest_later,
                                  .keep = mqtt_ingest_keep,
                                  .wake = mqtt_net_wake};

static void mqtt_fini(void *ctx)
{
    struct mqtt *m = ctx;
    if (!m) return;
    backoff_fini(&m->backoff);
    recent_free(m->recent);
    acl_free(m->acl);
    mqtt_rpc_free(m->rpc);
    mem_free(m);
}

/* Points of pushing devices become writable, where control knows routes. */
static int add_route(struct mqtt *m, struct error *e)
{
    const struct control *c = m->node->control;
    if (!c || !c->route_add) return 0;
    mqtt_control_route(m->rpc, &m->route);
    int rc = c->route_add(c->ctx, &m->route);
    return rc ? error_set(e, rc, "mqtt", "the route of commands cannot be added", "无法注册命令通道") : 0;
}

static int mqtt_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct mqtt *m = mem_calloc(1, sizeof *m);
    if (!m) return error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    m->node = n;
    backoff_init(&m->backoff);
    m->recent = recent_new();
    m->rpc = mqtt_rpc_new(m);
    int rc = m->recent && m->rpc ? 0 : error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    if (!rc) rc = mqtt_listeners_hooks(m, e);
    if (!rc) rc = mqtt_acl_hooks(m, e);
    if (!rc) rc = add_route(m, e);
    if (rc) {
        mqtt_fini(m);
        return rc;
    }
    *ret_ctx = m;
    return 0;
}

static void mqtt_stop(void *ctx)
{
    struct mqtt *m = ctx;
    push_watch(m->push, NULL);
    mqtt_rpc_close(m->rpc);
    mqtt_net_close(m);
    if (m->ingest) mqtt_ingest_close(m->ingest);
    m->ingest = NULL;
    if (m->loop) loop_stop(m->loop);
    m->loop = NULL;
    mq_broker_free(m->broker);
    m->broker = NULL;
    mqtt_store_close(m->store);
    m->store = NULL;
}

/* Wills of connections that ended with the server before, before anybody can come back to another session. */
static void first_tick(void *arg)
{
    struct mqtt *m = arg;
    mqtt_now(m);
    mq_tick(m->broker);
}

static int start(struct mqtt *m, struct error *e)
{
    int rc = mqtt_store_open(m->node->data_path, &m->store, &m->fresh, e);
    if (!rc && mq_broker_new(NULL, &ops, m, &m->broker))
        rc = error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    if (!rc) mqtt_now(m);
    if (!rc) rc = mqtt_store_load(m->store, m->broker, e);
    if (!rc && loop_start("mqtt", &m->loop))
        rc = error_set(e, ERR_LIMIT, "mqtt", "cannot start the loop", "无法启动事件循环");
    if (!rc) rc = mqtt_ingest_open(m, &m->ingest, e);
    if (!rc) rc = mqtt_net_open(m, e);
    if (!rc) rc = mqtt_acl_load(m, e);
    if (!rc) (void)loop_call(m->loop, first_tick, m);
    return rc ? rc : mqtt_listeners_load(m, e);
}

static int mqtt_start(void *ctx, struct error *e)
{
    struct mqtt *m = ctx;
    m->push = push_running();
    m->auth = api_auth(m->node->api);
    int rc = start(m, e);
    if (!rc) push_watch(m->push, &(struct push_watcher){.shared = mqtt_shared_changed, .ctx = m});
    if (rc) mqtt_stop(m);
    return rc;
}

extern const struct str modules_mqtt_kinds[];
extern const struct module mqtt_module;
const struct module mqtt_module = {
    .name = "mqtt",
    .title_en = "MQTT",
    .title_zh = "MQTT",
    .kinds = modules_mqtt_kinds,
    .routes = mqtt_routes,
    .nroutes = MQTT_ROUTES,
    .init = mqtt_init,
    .start = mqtt_start,
    .stop = mqtt_stop,
    .fini = mqtt_fini,
};
