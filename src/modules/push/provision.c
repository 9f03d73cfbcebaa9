/* provision.c - devices that register themselves with a profile's key and secret. */
#include <openssl/crypto.h>
#include <regex.h>
#include "base/time.h"
#include "io/log.h"
#include "modules/push/push.h"

struct looking {
    struct arena *a;
    struct str key, id;
};

static int by_key(void *ctx, const struct resource *r)
{
    struct looking *l = ctx;
    if (!str_eq(json_str(json_get(r->spec, "key"), STR("")), l->key)) return 0;
    l->id = arena_str(l->a, r->id);
    return 1;
}

static bool same_secret(struct str a, struct str b)
{
    return a.n == b.n && a.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

/* One answer for a wrong key and a wrong secret. */
static int profile_of(struct push *p, struct arena *a, const struct json *body, struct resource *ret, struct error *e)
{
    struct looking l = {.a = a, .key = json_str(json_get(body, "provisionDeviceKey"), STR(""))};
    struct kernel *k = p->node->kernel;
    int rc = l.key.n ? resource_each(k, "provision_profile", by_key, &l, e) : 0;
    if (rc < 0) return rc;
    if (l.id.n && resource_get(k, a, "provision_profile", l.id, ret, e) == 0 &&
        same_secret(json_str(json_get(ret->spec, "secret"), STR("")),
                    json_str(json_get(body, "provisionDeviceSecret"), STR(""))))
        return 0;
    return error_set(e, ERR_UNAUTHENTICATED, "", "no profile has this key and secret", "没有匹配的注册模板");
}

static bool name_allowed(struct arena *a, struct str pattern, struct str name)
{
    regex_t re;
    if (!pattern.n) return true;
    char *whole = arena_printf(a, "^(%.*s)$", STR_ARG(pattern)), *text = arena_strdup(a, name);
    if (!whole || !text || regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0) return false;
    bool ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static int allowed(struct push *p, struct arena *a, const struct resource *profile, struct str name, struct error *e)
{
    int64_t until;
    struct list_page page;
    struct str text = json_str(json_get(profile->spec, "until"), STR(""));
    if (!json_bool(json_get(profile->spec, "enabled"), true))
        return error_set(e, ERR_FORBIDDEN, "", "the profile is switched off", "注册模板已停用");
    if (text.n && time_parse(text, &until, NULL) == 0 && clock_now_us(p->node->clock) > until)
        return error_set(e, ERR_FORBIDDEN, "", "the profile's time is over", "注册模板已过期");
    if (!name_allowed(a, json_str(json_get(profile->spec, "name_pattern"), STR("")), name))
        return error_set(e, ERR_FORBIDDEN, "deviceName", "this name is not allowed by the profile",
                         "注册模板不允许此设备名");
    struct str filter = str_of(arena_printf(a, "labels.provision='%.*s'", STR_ARG(profile->code)));
    struct list_query q = {.kind = "push_device", .filter = filter, .limit = 1, .count = true};
    int rc = filter.p ? resource_list(p->node->kernel, a, &q, &page, e) : ERR_NOMEM;
    if (!rc && page.total >= json_i64(json_get(profile->spec, "max_devices"), 100))
        rc = error_set(e, ERR_FORBIDDEN, "", "the profile has as many devices as it may", "注册模板的设备数已达上限");
    return rc;
}

static int make_device(struct push *p, struct arena *a, const struct resource *profile, struct str name,
                       struct resource *ret, struct error *e)
{
    static const char *const members[] = {"create", "point_code", "point_spec", "rate"};
    struct actor by = actor_system;
    struct json *spec = json_new_object(a), *labels = json_new_object(a);
    for (size_t i = 0; i < sizeof members / sizeof *members && spec; i++) {
        const struct json *v = json_get(profile->spec, members[i]);
        if (v) json_set(spec, a, str_of(members[i]), json_copy(a, v));
    }
    json_set(labels, a, STR("provision"), json_new_str(a, profile->code));
    snprintf(by.login, sizeof by.login, "provision:%.*s", (int)(profile->code.n < 50 ? profile->code.n : 50),
             profile->code.p);
    struct resource_input in = {
        .code = name, .name = name, .org = profile->org.n ? profile->org : STR_NULL, .labels = labels, .spec = spec};
    return spec && labels ? resource_create(p->node->kernel, a, &by, "push_device", &in, ret, e) : ERR_NOMEM;
}

int push_provision(struct push *p, struct arena *a, const struct json *body, char ret_token[PUSH_TOKEN_MAX],
                   struct error *e)
{
    struct resource profile, device;
    struct str name = json_str(json_get(body, "deviceName"), STR(""));
    int rc = profile_of(p, a, body, &profile, e);
    if (rc) return rc;
    pthread_mutex_lock(&p->making); /* so that the limit holds */
    rc = allowed(p, a, &profile, name, e);
    if (!rc) rc = make_device(p, a, &profile, name, &device, e);
    if (!rc) rc = push_token_make(p, device.id, "provision", ret_token, e);
    pthread_mutex_unlock(&p->making);
    log_info("push", rc ? "a device may not register" : "a device has registered", "profile=%.*s name=\"%.*s\"",
             STR_ARG(profile.code), STR_ARG(str_sub(name, 0, 80)));
    return rc;
}
