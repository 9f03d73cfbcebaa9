/* listeners.c - kind mqtt_listener -> what the loop listens on. After each change all are read again and handed over as
 * one list; a listener whose settings are the same stays open. The first start makes one: port 1883, where the web
 * server listens. */
#include "base/mem.h"
#include "io/log.h"
#include "modules/mqtt/mqtt.h"

struct list {
    struct mqtt *m;
    struct listener_config *at;
    size_t n, cap;
};

static struct str text(const struct resource *r, const char *field)
{
    return json_str(json_get(r->spec, field), STR(""));
}

static enum tls_client client_of(const struct resource *r)
{
    struct str s = text(r, "client_certificate");
    return str_is(s, "required") ? TLS_CLIENT_REQUIRED : str_is(s, "optional") ? TLS_CLIENT_OPTIONAL : TLS_CLIENT_NONE;
}

static int add_one(void *ctx, const struct resource *r)
{
    struct list *l = ctx;
    struct error e = {0};
    if (!mem_grow((void **)&l->at, &l->cap, l->n + 1, sizeof *l->at)) return ERR_NOMEM;
    struct listener_config *c = &l->at[l->n++];
    struct str address = text(r, "address");
    memset(c, 0, sizeof *c);
    str_to_cstr(r->id, c->id, sizeof c->id);
    str_to_cstr(r->code, c->code, sizeof c->code);
    str_to_cstr(address.n ? address : str_of(l->m->node->listen), c->address, sizeof c->address);
    c->port = (unsigned)json_i64(json_get(r->spec, "port"), 1883);
    c->enabled = json_bool(json_get(r->spec, "enabled"), true);
    if (!json_bool(json_get(r->spec, "tls"), false)) return 0;
    if (mqtt_tls_context(text(r, "certificate"), text(r, "key"), text(r, "client_ca"), client_of(r), &c->tls, &e)) {
        snprintf(c->fault, sizeof c->fault, "%.60s %.240s", e.where, e.text);
        snprintf(c->fault_zh, sizeof c->fault_zh, "%.60s %.240s", e.where, e.text_zh);
    }
    return 0;
}

static int hand_over(struct mqtt *m, struct error *e)
{
    struct list l = {.m = m};
    int rc = resource_each(m->node->kernel, "mqtt_listener", add_one, &l, e);
    if (!rc) {
        mqtt_net_listeners_set(m, l.at, l.n);
        return 0;
    }
    for (size_t i = 0; i < l.n; i++) mqtt_tls_context_free(l.at[i].tls);
    mem_free(l.at);
    return rc;
}

/* Ports below the web server's rights, certificates that are none: said when it is saved. */
static int validate(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                    const struct resource *new_, struct error *e)
{
    SSL_CTX *tls;
    if (!new_ || !json_bool(json_get(new_->spec, "tls"), false)) return 0;
    int rc = mqtt_tls_context(text(new_, "certificate"), text(new_, "key"), text(new_, "client_ca"), client_of(new_),
                              &tls, e);
    if (!rc) mqtt_tls_context_free(tls);
    return rc;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct mqtt *m = ctx;
    struct error e = {0};
    if (m->net && hand_over(m, &e)) log_error("mqtt", "the listeners cannot be read", "err=%s", e.text);
}

int mqtt_listeners_hooks(struct mqtt *m, struct error *e)
{
    int rc = kernel_hooks_add(
        m->node->kernel,
        &(struct kind_hooks){.kind = "mqtt_listener", .validate = validate, .changed = changed, .ctx = m});
    return rc ? error_set(e, rc, "mqtt", "cannot watch the listeners", "无法监视监听配置") : 0;
}

static void make_first(struct mqtt *m)
{
    AUTO_ARENA a;
    struct resource r;
    struct error e = {0};
    arena_init(&a, 1u << 20);
    struct resource_input in = {.code = STR("default"), .name = STR("MQTT"), .spec = json_new_object(&a)};
    int rc = in.spec ? resource_create(m->node->kernel, &a, &actor_system, "mqtt_listener", &in, &r, &e) : ERR_NOMEM;
    if (rc && rc != ERR_EXISTS) log_warn("mqtt", "the first listener is not made", "err=%s", e.text);
}

int mqtt_listeners_load(struct mqtt *m, struct error *e)
{
    if (m->fresh) make_first(m);
    return hand_over(m, e);
}
