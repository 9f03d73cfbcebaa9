/* devices.c - the devices in memory and their tokens. Tables: push_token(device_id, digest hex, created_us,
 * created_by): SHA-256 of the token, never the token; push_attribute(device_id, key, value, at_us). */
#include <openssl/sha.h>
#include "base/encode.h"
#include "base/mem.h"
#include "io/log.h"
#include "modules/push/push.h"

static const struct sql_migration migrations[] = {
    {1, "create table push_token(device_id text primary key, digest text not null unique, created_us int not null, "
        "created_by text not null) strict;"
        "create table push_attribute(device_id text not null, key text not null, value text not null, "
        "at_us int not null, primary key(device_id, key)) strict;"},
    {2, "create table push_shared(device_id text not null, key text not null, value text not null, at_us int not null, "
        "by_whom text not null, primary key(device_id, key)) strict;"},
};

int push_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "push", migrations, sizeof migrations / sizeof *migrations, e);
}

static void digest_of(struct str token, uint8_t out[PUSH_DIGEST])
{
    SHA256((const unsigned char *)token.p, token.n, out);
}

/* ---- the map; all under the lock ---- */

static size_t slot_of(const struct push *p, const uint8_t digest[PUSH_DIGEST])
{
    uint64_t h;
    memcpy(&h, digest, sizeof h);
    return (size_t)h & (p->nslots - 1);
}

/* Rebuilt when tokens change: rare, and thousands of devices take a moment. */
static bool map_all(struct push *p)
{
    size_t want = 64;
    while (want < 2 * (p->n + 1)) want *= 2;
    uint32_t *slots = mem_calloc(want, sizeof *slots);
    if (!slots) return false;
    mem_free(p->slots);
    p->slots = slots;
    p->nslots = want;
    for (size_t i = 0; i < p->n; i++) {
        if (!p->devices[i]->has_token) continue;
        size_t at = slot_of(p, p->devices[i]->digest);
        while (slots[at]) at = (at + 1) & (want - 1);
        slots[at] = (uint32_t)i + 1;
    }
    return true;
}

struct push_device *push_by_token(struct push *p, struct str token)
{
    uint8_t digest[PUSH_DIGEST];
    if (!p->nslots || !token.n || token.n >= 200) return NULL;
    digest_of(token, digest);
    for (size_t i = slot_of(p, digest); p->slots[i]; i = (i + 1) & (p->nslots - 1)) {
        struct push_device *d = p->devices[p->slots[i] - 1];
        if (memcmp(d->digest, digest, PUSH_DIGEST) == 0) return d->enabled ? d : NULL;
    }
    return NULL;
}

struct push_device *push_by_id(struct push *p, struct str id)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_is(id, p->devices[i]->id)) return p->devices[i];
    return NULL;
}

static void device_free(struct push_device *d)
{
    for (size_t i = 0; i < d->nkeys; i++) mem_free(d->keys[i].key);
    mem_free(d->keys);
    mem_free(d->point_spec);
    mem_free(d);
}

void push_devices_free(struct push *p)
{
    for (size_t i = 0; i < p->n; i++) device_free(p->devices[i]);
    mem_free(p->devices);
    mem_free(p->slots);
}

/* ---- from resources ---- */

static char *spec_text(const struct resource *r)
{
    struct buf b;
    const struct json *v = json_get(r->spec, "point_spec");
    if (!v || v->type != JSON_OBJECT) return NULL;
    buf_init(&b, 64 << 10);
    json_write(&b, v);
    char *text = b.err ? NULL : mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static void set_text(const struct resource *r, const char *field, char *out, size_t cap)
{
    str_to_cstr(json_str(json_get(r->spec, field), STR("")), out, cap);
}

static void configure_gateway(struct push_device *d, const struct resource *r)
{
    struct str commands = json_str(json_get(r->spec, "commands"), STR(""));
    set_text(r, "parent", d->parent, sizeof d->parent);
    set_text(r, "alias", d->alias, sizeof d->alias);
    set_text(r, "method", d->method, sizeof d->method);
    set_text(r, "mapping", d->mapping, sizeof d->mapping);
    str_to_cstr(json_str(json_get(r->labels, "provision"), STR("")), d->provision, sizeof d->provision);
    d->gateway = json_bool(json_get(r->spec, "gateway"), false);
    d->max_children = (size_t)json_i64(json_get(r->spec, "max_children"), 200);
    d->commands = str_is(commands, "thingsboard") ? PUSH_COMMANDS_THINGSBOARD
                  : str_is(commands, "jetlinks")  ? PUSH_COMMANDS_JETLINKS
                                                  : PUSH_COMMANDS_NONE;
}

static void configure(struct push_device *d, const struct resource *r)
{
    double rate = (double)json_i64(json_get(r->spec, "rate"), 600);
    str_to_cstr(r->id, d->id, sizeof d->id);
    str_to_cstr(r->org, d->org, sizeof d->org);
    str_to_cstr(r->code, d->code, sizeof d->code);
    str_to_cstr(json_str(json_get(r->spec, "point_code"), STR("{device}.{key}")), d->point_code, sizeof d->point_code);
    mem_free(d->point_spec);
    d->point_spec = spec_text(r);
    d->enabled = json_bool(json_get(r->spec, "enabled"), true);
    d->create = json_bool(json_get(r->spec, "create"), false);
    d->server_clock = str_is(json_str(json_get(r->spec, "clock"), STR("")), "server");
    d->max_keys = (size_t)json_i64(json_get(r->spec, "max_keys"), 200);
    d->tokens = d->rate > 0 && d->tokens < rate ? d->tokens : rate;
    d->rate = rate;
    configure_gateway(d, r);
    for (size_t i = 0; i < d->nkeys; i++) d->keys[i].epoch = 0; /* found again by the new rules */
}

int push_put(struct push *p, const struct resource *r)
{
    struct push_device *d = push_by_id(p, r->id);
    if (!d) {
        if (!mem_grow((void **)&p->devices, &p->cap, p->n + 1, sizeof *p->devices)) return ERR_NOMEM;
        d = mem_calloc(1, sizeof *d);
        if (!d) return ERR_NOMEM;
        p->devices[p->n++] = d;
    }
    configure(d, r);
    p->changes++;
    return 0;
}

static int load_one(void *ctx, const struct resource *r)
{
    return push_put(ctx, r);
}

static int load_tokens(struct push *p, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(p->node->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select device_id, digest from push_token", &s, e);
    if (!rc) {
        while ((rc = sql_step(s, e)) == 1) {
            struct push_device *d = push_by_id(p, sql_str(s, 0));
            struct buf b;
            buf_init(&b, PUSH_DIGEST);
            if (d && hex_decode(&b, sql_str(s, 1)) == 0 && b.n == PUSH_DIGEST) {
                memcpy(d->digest, b.p, PUSH_DIGEST);
                d->has_token = true;
            }
            buf_fini(&b);
        }
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

int push_load(struct push *p, struct error *e)
{
    pthread_mutex_lock(&p->lock);
    int rc = resource_each(p->node->kernel, "push_device", load_one, p, e);
    if (!rc) rc = load_tokens(p, e);
    if (!rc && !map_all(p)) rc = ERR_NOMEM;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* ---- changes ---- */

static void remove_device(struct push *p, struct str id)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!str_is(id, p->devices[i]->id)) continue;
        device_free(p->devices[i]);
        p->changes++;
        p->devices[i] = p->devices[--p->n];
        if (map_all(p)) return;
        mem_free(p->slots); /* the old map would point past the list: no token is known until memory is there */
        p->slots = NULL;
        p->nslots = 0;
        return;
    }
}

static int one_changed(struct push *p, struct kernel *k, const struct change *c)
{
    AUTO_ARENA arena;
    struct resource r;
    arena_init(&arena, 4 << 20);
    int rc = c->op == CHANGE_DELETE ? ERR_NOT_FOUND : resource_get(k, &arena, "push_device", c->id, &r, NULL);
    pthread_mutex_lock(&p->lock);
    if (rc == ERR_NOT_FOUND)
        remove_device(p, c->id);
    else if (!rc)
        rc = push_put(p, &r);
    pthread_mutex_unlock(&p->lock);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void devices_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (one_changed(ctx, k, &c[i])) log_error("push", "a device cannot be read", "code=%.*s", STR_ARG(c[i].code));
}

static void points_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct push *p = ctx;
    bool gone = false;
    for (size_t i = 0; i < n; i++) gone |= c[i].op == CHANGE_DELETE;
    pthread_mutex_lock(&p->lock);
    p->epoch += gone;
    pthread_mutex_unlock(&p->lock);
}

int push_hooks_add(struct push *p, struct error *e)
{
    struct kernel *k = p->node->kernel;
    int rc = kernel_hooks_add(k, &(struct kind_hooks){.kind = "push_device", .changed = devices_changed, .ctx = p});
    if (!rc) rc = kernel_hooks_add(k, &(struct kind_hooks){.kind = "point", .changed = points_changed, .ctx = p});
    return rc ? error_set(e, rc, "push", "cannot watch the devices", "无法监视设备配置") : 0;
}

/* ---- tokens ---- */

static int store_token(struct push *p, struct str id, const uint8_t digest[PUSH_DIGEST], const char *by,
                       struct error *e)
{
    struct sql_tx *tx;
    struct buf hex;
    int rc = sql_begin(kernel_sql(p->node->kernel), true, &tx, e);
    if (rc) return rc;
    buf_init(&hex, 2 * PUSH_DIGEST);
    hex_encode(&hex, digest, PUSH_DIGEST);
    rc = sql_exec(tx, e,
                  "insert into push_token(device_id, digest, created_us, created_by) values($1,$2,$3,$4) on "
                  "conflict(device_id) do update set digest = excluded.digest, created_us = excluded.created_us, "
                  "created_by = excluded.created_by",
                  "ssis", id, buf_view(&hex), clock_now_us(p->node->clock), str_of(by));
    buf_fini(&hex);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static int use_token(struct push *p, struct str id, const uint8_t digest[PUSH_DIGEST])
{
    AUTO_ARENA arena;
    struct resource r;
    arena_init(&arena, 4 << 20);
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    struct push_device *d = push_by_id(p, id);
    if (!d) { /* just made; its hook comes later */
        rc = resource_get(p->node->kernel, &arena, "push_device", id, &r, NULL);
        if (!rc) rc = push_put(p, &r);
        if (!rc) d = push_by_id(p, id);
    }
    if (d) {
        memcpy(d->digest, digest, PUSH_DIGEST);
        d->has_token = true;
        p->changes++;
        if (!map_all(p)) rc = ERR_NOMEM;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int push_token_make(struct push *p, struct str id, const char *by, char ret[PUSH_TOKEN_MAX], struct error *e)
{
    uint8_t random[18], digest[PUSH_DIGEST];
    struct buf b;
    p->node->rng->bytes(p->node->rng->ctx, random, sizeof random);
    buf_init(&b, PUSH_TOKEN_MAX);
    buf_z(&b, "dv_");
    base64_encode(&b, random, sizeof random, true);
    str_to_cstr(buf_view(&b), ret, PUSH_TOKEN_MAX);
    buf_fini(&b);
    digest_of(str_of(ret), digest);
    int rc = store_token(p, id, digest, by, e);
    if (!rc) rc = use_token(p, id, digest);
    return rc;
}
