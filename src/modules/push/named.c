/* named.c - devices that a message names: by code, or by the name that their gateway gives them; and those that are
 * made because a gateway or a mapping speaks of them. */
#include <openssl/sha.h>
#include "base/encode.h"
#include "io/log.h"
#include "modules/push/push.h"

bool push_about(struct push *p, const char *id, struct push_about *ret)
{
    push_lock(p);
    const struct push_device *d = push_locked_device(p, id);
    if (d) {
        *ret = (struct push_about){.gateway = d->gateway, .commands = d->commands};
        memcpy(ret->who.id, d->id, sizeof ret->who.id);
        memcpy(ret->who.code, d->code, sizeof ret->who.code);
        memcpy(ret->who.digest, d->digest, sizeof ret->who.digest);
        memcpy(ret->org, d->org, sizeof ret->org);
        memcpy(ret->parent, d->parent, sizeof ret->parent);
        memcpy(ret->alias, d->alias, sizeof ret->alias);
        memcpy(ret->method, d->method, sizeof ret->method);
        memcpy(ret->provision, d->provision, sizeof ret->provision);
    }
    push_unlock(p);
    return d != NULL;
}

/* What stands behind the client and is called so comes before a code of somebody else. */
static struct push_device *find(struct push *p, const char *client, struct str name)
{
    struct push_device *by_code = NULL;
    for (size_t i = 0; i < p->n; i++) {
        struct push_device *d = p->devices[i];
        if (client[0] && strcmp(d->parent, client) == 0 && d->alias[0] && str_is(name, d->alias)) return d;
        if (str_is(name, d->code)) by_code = d;
    }
    return by_code;
}

static int look(struct push *p, const char *client, struct str name, struct push_id *ret, struct error *e)
{
    int rc = 0;
    push_lock(p);
    const struct push_device *d = find(p, client, name);
    bool own = d && (!client[0] || strcmp(d->id, client) == 0 || strcmp(d->parent, client) == 0);
    if (!d) {
        rc = ERR_NOT_FOUND;
    } else if (!own) {
        rc = error_set(e, ERR_FORBIDDEN, "device", "the device may not send for '%.*s', which is not behind it",
                       "该设备无权代 '%.*s' 上报：后者不在其下挂设备中", STR_ARG(str_sub(name, 0, 80)));
    } else if (!d->enabled) {
        rc = error_set(e, ERR_FORBIDDEN, "device", "device '%s' is disabled", "设备 '%s' 已停用", d->code);
    } else {
        *ret = (struct push_id){.id = ""};
        memcpy(ret->id, d->id, sizeof ret->id);
        memcpy(ret->code, d->code, sizeof ret->code);
        memcpy(ret->digest, d->digest, sizeof ret->digest);
    }
    push_unlock(p);
    return rc;
}

bool push_speaks(struct push *p, const char *client, struct str name)
{
    push_lock(p);
    const struct push_device *d = find(p, client, name);
    bool ok = !d || strcmp(d->id, client) == 0 || strcmp(d->parent, client) == 0;
    push_unlock(p);
    return ok; /* whom nobody knows: a worker makes it or refuses */
}

/* ---- making one ---- */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A name as it is when it may be a code; else what is left of it and a few digits of its hash. */
static void code_of(struct str name, const char *client, bool distinct, char out[64])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char all[400];
    size_t n = 0;
    bool same = name.n <= 63 && name.n && plain(name.p[0]);
    for (size_t i = 0; i < name.n && n < 50; i++) {
        char c = name.p[i];
        bool fits = plain(c) || (n && memchr("_.:-", c, 4));
        same &= fits;
        if (fits) out[n++] = c;
    }
    out[n] = '\0';
    if (same && !distinct && name.n <= 50) return;
    if (same && !distinct) {
        str_to_cstr(name, out, 64);
        return;
    }
    int len = snprintf(all, sizeof all, "%s\n%.*s", client, STR_ARG(str_sub(name, 0, 300)));
    SHA256((const unsigned char *)all, (size_t)len, digest);
    snprintf(out + n, 64 - n, "%s%02x%02x%02x%02x", n ? "-" : "D", digest[0], digest[1], digest[2], digest[3]);
}

static int room_for(struct push *p, struct arena *a, const struct push_make *make, struct error *e)
{
    struct list_page page;
    char *filter = arena_printf(a, "labels.%.*s='%.*s'", STR_ARG(make->label), STR_ARG(make->value));
    struct list_query q = {.kind = "push_device", .filter = str_of(filter), .limit = 1, .count = true};
    if (!filter) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = resource_list(p->node->kernel, a, &q, &page, e);
    if (rc || page.total < (int64_t)make->most) return rc;
    return error_set(e, ERR_FORBIDDEN, "device", "no more devices are made: %zu are there already",
                     "不再自动创建设备：已有 %zu 个", make->most);
}

static struct json *spec_for(struct push *p, struct arena *a, const char *client, struct str alias)
{
    struct json *spec = json_new_object(a);
    if (!spec) return NULL;
    json_set(spec, a, STR("create"), json_new_bool(a, true));
    if (client[0]) json_set(spec, a, STR("parent"), json_new_str(a, str_of(client)));
    if (alias.n && client[0]) json_set(spec, a, STR("alias"), json_new_str(a, alias));
    push_lock(p);
    const struct push_device *g = client[0] ? push_by_id(p, str_of(client)) : NULL;
    double rate = g ? g->rate : 600;
    const char *commands = g && g->commands == PUSH_COMMANDS_THINGSBOARD ? "thingsboard"
                           : g && g->commands == PUSH_COMMANDS_JETLINKS  ? "jetlinks"
                                                                         : "none";
    struct str point_spec = g && g->point_spec ? arena_str(a, str_of(g->point_spec)) : STR_NULL;
    push_unlock(p);
    struct json *points;
    json_set(spec, a, STR("rate"), json_new_i64(a, (int64_t)rate));
    json_set(spec, a, STR("commands"), json_new_str(a, str_of(commands)));
    if (point_spec.p && json_parse(a, point_spec, &points, NULL) == 0) json_set(spec, a, STR("point_spec"), points);
    return spec;
}

static int make_one(struct push *p, struct arena *a, const char *client, struct str name, const struct push_make *make,
                    struct resource *ret, struct error *e)
{
    struct actor by = actor_system;
    struct json *labels = json_new_object(a);
    int rc = room_for(p, a, make, e);
    if (rc) return rc;
    if (labels) json_set(labels, a, make->label, json_new_str(a, make->value));
    snprintf(by.login, sizeof by.login, "%.*s:%.*s", STR_ARG(str_sub(make->label, 0, 10)),
             STR_ARG(str_sub(make->value, 0, 48)));
    for (int distinct = 0; distinct < 2; distinct++) {
        char *code = arena_alloc(a, 64);
        if (!code || !labels) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        code_of(name, client, distinct, code);
        struct json *spec = spec_for(p, a, client, str_is(name, code) ? STR("") : name);
        struct resource_input in = {.code = str_of(code),
                                    .name = str_sub(name, 0, 200),
                                    .org = make->org.n ? make->org : STR_NULL,
                                    .labels = labels,
                                    .spec = spec};
        rc = spec ? resource_create(p->node->kernel, a, &by, "push_device", &in, ret, e) : ERR_NOMEM;
        if (rc != ERR_EXISTS) break;
    }
    if (!rc) log_info("push", "a device was made", "code=%.*s by=%s", STR_ARG(ret->code), by.login);
    return rc;
}

/* A gateway makes what it names. */
static bool gateway_makes(struct push *p, struct arena *a, const char *client, struct push_make *ret)
{
    push_lock(p);
    const struct push_device *d = client[0] ? push_locked_device(p, client) : NULL;
    bool yes = d && d->gateway;
    if (yes)
        *ret = (struct push_make){.label = STR("gateway"),
                                  .value = arena_str(a, str_of(d->code)),
                                  .org = arena_str(a, str_of(d->org)),
                                  .most = d->max_children};
    push_unlock(p);
    return yes;
}

static int made(struct push *p, const struct resource *r, struct push_id *ret)
{
    push_lock(p);
    int rc = push_put(p, r);
    push_unlock(p);
    *ret = (struct push_id){.id = ""};
    str_to_cstr(r->id, ret->id, sizeof ret->id);
    str_to_cstr(r->code, ret->code, sizeof ret->code);
    return rc;
}

int push_named(struct push *p, struct arena *a, const char *client, struct str name, const struct push_make *make,
               struct push_id *ret, struct error *e)
{
    struct push_make by_gateway;
    struct resource r;
    int rc = look(p, client, name, ret, e);
    if (rc != ERR_NOT_FOUND) return rc;
    if (gateway_makes(p, a, client, &by_gateway)) make = &by_gateway;
    if (!make)
        return error_set(e, ERR_NOT_FOUND, "device",
                         "there is no device '%.*s'; make it, or let unknown devices be made",
                         "没有设备 '%.*s'：请先创建，或允许自动创建未知设备", STR_ARG(str_sub(name, 0, 80)));
    if (!name.n || name.n > 200)
        return error_set(e, ERR_INVALID, "device", "a name of a device has 1 to 200 bytes",
                         "设备名长度为 1 至 200 字节");
    pthread_mutex_lock(&p->making);
    rc = look(p, client, name, ret, e); /* somebody may have been quicker */
    if (rc == ERR_NOT_FOUND) {
        rc = make_one(p, a, client, name, make, &r, e);
        if (!rc) rc = made(p, &r, ret);
    }
    pthread_mutex_unlock(&p->making);
    return rc;
}
