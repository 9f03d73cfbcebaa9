/* login.c - who may connect, and to which topics. Nobody without a token: the token of a device (as user name, as
 * ThingsBoard's devices do; or as password beside its code), an API token of a user or service account (as password or
 * user name), or a client certificate that was checked, whose CN is a device's code.
 *
 * Devices have their own branches only, by the tables below. What users may stands in their roles: kind "mqtt", read:
 * to subscribe, write: to publish. A right token is always taken; wrong ones are slowed down by address. Everything
 * here is memory, never SQL. */
#include "modules/mqtt/acl.h"
#include "modules/mqtt/mqtt.h"
#include "base/metric.h"
#include "io/log.h"

METRIC(m_denied, METRIC_COUNTER, "bornite_mqtt_denied_total", "Connections refused for their credentials.");

static void be_device(struct mq_who *w, const struct push_id *d, bool by_token)
{
    *w = (struct mq_who){.role = MQ_DEVICE, .by_token = by_token};
    memcpy(w->id, d->id, sizeof w->id);
    str_to_cstr(str_of(d->code), w->name, sizeof w->name);
    memcpy(w->key, d->digest, sizeof w->key);
}

static bool device_by_token(struct mqtt *m, const struct mqtt_packet *p, struct mq_who *ret)
{
    struct push_id d;
    if (p->user.n && push_find_token(m->push, p->user, &d)) {
        be_device(ret, &d, true);
        return true;
    }
    if (!p->password.n || !push_find_token(m->push, p->password, &d)) return false;
    if (p->user.n && !str_is(p->user, d.code) && !str_is(p->user, d.id)) return false;
    be_device(ret, &d, true);
    return true;
}

/* ---- rules ---- */

struct roles {
    const char *id;
    char *out;
    size_t cap;
};

static bool roles_of(void *ctx, const struct auth_person *p)
{
    struct roles *r = ctx;
    if (strcmp(p->id, r->id) != 0) return true;
    str_to_cstr(str_of(p->roles), r->out, r->cap);
    return false;
}

struct asking {
    struct mqtt *m;
    char text[2048];
};

static void ask(void *ctx, const struct mq_who *who, struct acl_subject *ret)
{
    struct asking *a = ctx;
    struct push_about d;
    a->text[0] = '\0';
    if (who->role == MQ_DEVICE && push_about(a->m->push, who->id, &d)) {
        str_to_cstr(str_of(d.provision), a->text, sizeof a->text);
        ret->profile = a->text;
    } else if (who->role == MQ_USER &&
               auth_users_each(a->m->auth, roles_of, &(struct roles){who->id, a->text, sizeof a->text}) == 0) {
        ret->roles = a->text;
    }
}

/* Users may change without a word to this module: looked at again every second. */
static struct acl_asker asker(struct asking *a, struct mqtt *m, const struct mq_who *who)
{
    a->m = m;
    uint64_t stamp = who->role == MQ_DEVICE ? push_changes(m->push) : clock_mono_ns(m->node->clock) / 1000000000u;
    return (struct acl_asker){ask, a, stamp};
}

static bool granted(struct mqtt *m, const struct mq_who *who)
{
    struct asking a;
    if (acl_empty(m->acl)) return false;
    struct acl_asker by = asker(&a, m, who);
    return acl_grants(m->acl, &by, who);
}

bool mqtt_login_gets(void *ctx, const struct mq_who *who, struct str topic)
{
    struct mqtt *m = ctx;
    struct asking a;
    if (acl_empty(m->acl)) return true;
    struct acl_asker by = asker(&a, m, who);
    return acl_gets(m->acl, &by, who, topic);
}

static bool be_user(struct mqtt *m, const struct principal *who, struct mq_who *ret)
{
    *ret = (struct mq_who){.role = MQ_USER,
                           .by_token = true,
                           .may_publish = permitted(who->actor.may, "mqtt", ACT_WRITE),
                           .may_subscribe = permitted(who->actor.may, "mqtt", ACT_READ)};
    memcpy(ret->id, who->actor.user_id, sizeof ret->id);
    memcpy(ret->name, who->actor.login, sizeof who->actor.login);
    memcpy(ret->key, who->key, sizeof ret->key);
    return ret->may_publish || ret->may_subscribe || granted(m, ret);
}

static uint8_t user_by_token(struct mqtt *m, const struct mqtt_packet *p, struct mq_who *ret)
{
    AUTO_ARENA a;
    struct principal who;
    arena_init(&a, 4u << 20);
    struct str token = str_starts(p->password, STR("bn_")) ? p->password : p->user;
    if (!token.n || auth_by_token(m->auth, &a, token, &who)) return MQTT_CREDENTIALS;
    return be_user(m, &who, ret) ? 0 : MQTT_NOT_AUTHORIZED;
}

static uint8_t refuse(struct mqtt *m, const char *peer)
{
    uint64_t now = clock_mono_ns(m->node->clock);
    metric_add(&m_denied, 1);
    atomic_fetch_add(&m->login_failed, 1);
    if (backoff_wait(&m->backoff, "mqtt", str_of(peer), now)) return MQTT_CONNECTION_RATE;
    backoff_failed(&m->backoff, "mqtt", str_of(peer), now);
    return MQTT_CREDENTIALS;
}

uint8_t mqtt_login_check(void *ctx, struct mq_link *l, const struct mqtt_packet *p, struct mq_who *ret)
{
    struct mqtt *m = ctx;
    struct mq_who by_certificate = l->who;
    if (device_by_token(m, p, ret)) return 0;
    uint8_t code = user_by_token(m, p, ret);
    if (code != MQTT_CREDENTIALS) return code;
    *ret = by_certificate;
    if (ret->role == MQ_DEVICE && !p->password.n) return 0;
    *ret = (struct mq_who){.role = MQ_NOBODY};
    return refuse(m, l->peer);
}

bool mqtt_login_device(struct mqtt *m, struct str code, struct mq_who *ret)
{
    struct push_id d;
    if (!push_find_code(m->push, code, &d)) return false;
    be_device(ret, &d, false);
    return true;
}

/* ---- topics ---- */

/* {} stands for the device's code. */
static const char *const publish_topics[] = {"v1/devices/me/#", "v2/#",      "bornite/{}",  "devices/{}/#",
                                             "/+/{}/#",         "/neuron/+", "v1/gateway/#"};
static const char *const subscribe_topics[] = {"v1/devices/me/#", "devices/{}/#", "/+/{}/#", "v1/gateway/#"};

static bool covered(const char *const *rows, size_t n, const char *code, struct str topic)
{
    for (size_t i = 0; i < n; i++) {
        char pattern[160];
        const char *hole = strstr(rows[i], "{}");
        if (hole) snprintf(pattern, sizeof pattern, "%.*s%s%s", (int)(hole - rows[i]), rows[i], code, hole + 2);
        if (mqtt_covers(str_of(hole ? pattern : rows[i]), topic)) return true;
    }
    return false;
}

/* By rules first (kind mqtt_acl); where none fits, by what everybody of his sort may. */
static enum acl_answer by_rule(struct mqtt *m, const struct mq_who *who, bool publish, struct str topic)
{
    struct asking a;
    if (acl_empty(m->acl)) return ACL_NONE;
    struct acl_asker by = asker(&a, m, who);
    return publish ? acl_publish(m->acl, &by, who, topic) : acl_subscribe(m->acl, &by, who, topic);
}

/* A code with a wildcard or a slash in it would mean more than itself; the kind's pattern allows none. */
bool mqtt_login_may(void *ctx, const struct mq_who *who, bool publish, struct str topic)
{
    struct mqtt *m = ctx;
    enum acl_answer rule = by_rule(m, who, publish, topic);
    if (rule) return rule == ACL_ALLOW;
    if (who->role == MQ_USER) return publish ? who->may_publish : who->may_subscribe;
    if (who->role != MQ_DEVICE || strpbrk(who->name, "+#/")) return false;
    return publish ? covered(publish_topics, sizeof publish_topics / sizeof *publish_topics, who->name, topic) ||
                         push_map_publish(m->push, topic)
                   : covered(subscribe_topics, sizeof subscribe_topics / sizeof *subscribe_topics, who->name, topic);
}

/* ---- rights that go while somebody is connected ---- */

static bool still_device(struct mqtt *m, const struct mq_who *w)
{
    struct push_id d = {.id = ""};
    memcpy(d.id, w->id, sizeof d.id);
    memcpy(d.digest, w->key, sizeof d.digest);
    return push_holds(m->push, &d, w->by_token);
}

static bool still_user(struct mqtt *m, struct mq_who *w)
{
    AUTO_ARENA a;
    struct principal who;
    arena_init(&a, 4u << 20);
    return auth_by_key(m->auth, &a, w->key, false, &who) == 0 && be_user(m, &who, w);
}

void mqtt_login_sweep(struct mqtt *m, struct mq_link *links)
{
    uint64_t changes = push_changes(m->push);
    for (struct mq_link *l = links, *next; l; l = next) {
        next = l->next;
        if (!l->s || l->ended) continue;
        bool ok = l->who.role == MQ_USER ? still_user(m, &l->who) : changes == m->push_seen || still_device(m, &l->who);
        if (!ok) mq_end(l, MQTT_NOT_AUTHORIZED, "the token is no longer valid", "令牌已失效");
    }
    m->push_seen = changes;
}
