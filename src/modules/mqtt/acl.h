/* acl.h - kind mqtt_acl: rules over who may publish and subscribe where, on top of what devices and users may anyway.
 *
 * Rules are asked in their order, the first that fits decides. Publishing: a rule fits a topic that its filter meets.
 * Subscribing: an allowing rule fits a filter that it covers, a denying one too; one that is denied in part is
 * accepted, and its messages of denied topics are withheld when they are handed out (mq_ops.gives). What applies to
 * somebody is worked out once and kept until rules, devices or (a second later) users change. The set is the loop's;
 * hooks build another and post it. */
#pragma once
#include "core/resource.h"
#include "modules/mqtt/broker.h"

struct mqtt;
struct acl;
enum acl_answer { ACL_NONE, ACL_ALLOW, ACL_DENY };

enum acl_who { ACL_EVERYONE, ACL_DEVICES, ACL_DEVICE, ACL_PROFILE, ACL_USERS, ACL_USER, ACL_ROLE };
struct acl_rule {
    enum acl_who who;
    int64_t order;
    char id[130];   /* of the device or user; code of the profile or role */
    char code[129]; /* of the rule */
    char topic[401];
    bool publish, subscribe, deny;
};
/* Takes the rules (mem), which need not be in order. */
struct acl *acl_new(struct acl_rule *rules, size_t n);
void acl_free(struct acl *a);
bool acl_empty(const struct acl *a);
bool acl_withholds(const struct acl *a); /* there are rules that deny subscribing */

/* What tells rules apart: filled in by who asks, of a device or a user. */
struct acl_subject {
    const struct mq_who *who;
    const char *profile; /* of a device: code of its profile, or "" */
    const char *roles;   /* of a user: codes with a comma between */
};
/* Rules of somebody, kept under who->id until `stamp` is another. `ask` is called when they are not known. */
typedef void acl_ask(void *ctx, const struct mq_who *who, struct acl_subject *ret);
struct acl_asker {
    acl_ask *ask;
    void *ctx;
    uint64_t stamp;
};
enum acl_answer acl_publish(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str topic);
enum acl_answer acl_subscribe(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str filter);
bool acl_gets(struct acl *a, const struct acl_asker *by, const struct mq_who *who, struct str topic);
bool acl_grants(struct acl *a, const struct acl_asker *by, const struct mq_who *who); /* something is allowed to him */

/* acl_rules.c: the kind. */
int mqtt_acl_hooks(struct mqtt *m, struct error *e);
int mqtt_acl_load(struct mqtt *m, struct error *e);
