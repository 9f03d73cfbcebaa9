/* acl_rules.c - kind mqtt_acl -> a set of rules for the loop, which then looks at all subscriptions again. */
#include "base/mem.h"
#include "io/log.h"
#include "modules/mqtt/acl.h"
#include "modules/mqtt/mqtt.h"

static const struct {
    const char *name, *field, *kind;
    enum acl_who who;
    bool by_code;
} subjects[] = {{"everyone", NULL, NULL, ACL_EVERYONE, false},
                {"devices", NULL, NULL, ACL_DEVICES, false},
                {"device", "device", "push_device", ACL_DEVICE, false},
                {"profile", "profile", "provision_profile", ACL_PROFILE, true},
                {"users", NULL, NULL, ACL_USERS, false},
                {"user", "user", "user", ACL_USER, false},
                {"role", "role", "role", ACL_ROLE, true}};
#define SUBJECTS (sizeof subjects / sizeof *subjects)

static struct str text(const struct resource *r, const char *field)
{
    return json_str(json_get(r->spec, field), STR(""));
}

static size_t subject_of(const struct resource *r)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        if (str_is(text(r, "who"), subjects[i].name)) return i;
    return 1; /* the default of the kind */
}

/* ---- reading ---- */

struct list {
    struct mqtt *m;
    struct acl_rule *at;
    size_t n, cap;
};

/* Codes of profiles and roles are what devices and users are known by. */
static bool name_subject(struct mqtt *m, size_t subject, const struct resource *r, struct acl_rule *rule)
{
    AUTO_ARENA a;
    struct resource of;
    arena_init(&a, 4u << 20);
    if (!subjects[subject].field) return true;
    struct str id = text(r, subjects[subject].field);
    if (!id.n) return false;
    if (!subjects[subject].by_code) return str_to_cstr(id, rule->id, sizeof rule->id);
    if (resource_get(m->node->kernel, &a, subjects[subject].kind, id, &of, NULL)) return false;
    return str_to_cstr(of.code, rule->id, sizeof rule->id);
}

static int add_one(void *ctx, const struct resource *r)
{
    struct list *l = ctx;
    size_t subject = subject_of(r);
    struct str action = text(r, "action");
    struct acl_rule rule = {.who = subjects[subject].who, .order = json_i64(json_get(r->spec, "order"), 100)};
    if (!json_bool(json_get(r->spec, "enabled"), true) || !name_subject(l->m, subject, r, &rule)) return 0;
    str_to_cstr(r->code, rule.code, sizeof rule.code);
    str_to_cstr(text(r, "topic"), rule.topic, sizeof rule.topic);
    rule.publish = !str_is(action, "subscribe");
    rule.subscribe = !str_is(action, "publish");
    rule.deny = str_is(text(r, "effect"), "deny");
    if (!mem_grow((void **)&l->at, &l->cap, l->n + 1, sizeof *l->at)) return ERR_NOMEM;
    l->at[l->n++] = rule;
    return 0;
}

/* ---- handing over ---- */

struct handing {
    struct mqtt *m;
    struct acl *acl;
};

static void use(void *arg)
{
    struct handing *h = arg;
    struct mqtt *m = h->m;
    acl_free(m->acl);
    m->acl = h->acl;
    mqtt_now(m);
    mq_withholds(m->broker, acl_withholds(m->acl));
    mq_recheck(m->broker);
    mem_free(h);
}

static int hand_over(struct mqtt *m, struct error *e)
{
    struct list l = {.m = m};
    struct handing *h = mem_alloc(sizeof *h);
    int rc = resource_each(m->node->kernel, "mqtt_acl", add_one, &l, e);
    struct acl *acl = rc || !h ? NULL : acl_new(l.at, l.n);
    if (!acl) {
        mem_free(l.at);
        mem_free(h);
        return rc ? rc : error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    }
    *h = (struct handing){m, acl};
    if (loop_post(m->loop, use, h)) {
        acl_free(acl);
        mem_free(h);
    }
    return 0;
}

/* ---- the kind ---- */

static int check_topic(struct str topic, struct error *e)
{
    char filter[512];
    size_t n = 0;
    struct str rest = topic;
    while (rest.n && n < sizeof filter - 1) {
        bool hole = str_starts(rest, STR("${device}")) || str_starts(rest, STR("${user}"));
        filter[n++] = hole ? 'x' : rest.p[0];
        rest = str_sub(rest, hole ? (size_t)str_find(rest, '}') + 1 : 1, rest.n);
    }
    struct str plain = str_make(filter, n);
    if (str_has(plain, STR("${")))
        return error_set(e, ERR_INVALID, "spec.topic", "holes are ${device} and ${user}",
                         "可用占位符为 ${device} 与 ${user}");
    if (mqtt_filter_ok(plain) && plain.p[0] != '$') return 0;
    return error_set(
        e, ERR_INVALID, "spec.topic",
        "is no topic filter: + stands for one level, # at the end for the rest; topics of the broker begin with $",
        "不是有效的主题过滤器：+ 代表一层，# 只能在末尾代表其余各层；以 $ 开头的主题由代理保留");
}

static int validate(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                    const struct resource *new_, struct error *e)
{
    char where[32];
    if (!new_) return 0;
    size_t subject = subject_of(new_);
    const char *field = subjects[subject].field;
    if (field && !text(new_, field).n) {
        snprintf(where, sizeof where, "spec.%s", field);
        return error_set(e, ERR_INVALID, where, "say which one", "请选择具体对象");
    }
    return check_topic(text(new_, "topic"), e);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct mqtt *m = ctx;
    struct error e = {0};
    if (m->net && hand_over(m, &e)) log_error("mqtt", "the rules cannot be read", "err=%s", e.text);
}

int mqtt_acl_hooks(struct mqtt *m, struct error *e)
{
    int rc = kernel_hooks_add(
        m->node->kernel, &(struct kind_hooks){.kind = "mqtt_acl", .validate = validate, .changed = changed, .ctx = m});
    return rc ? error_set(e, rc, "mqtt", "cannot watch the rules", "无法监视访问规则") : 0;
}

int mqtt_acl_load(struct mqtt *m, struct error *e)
{
    return hand_over(m, e);
}
