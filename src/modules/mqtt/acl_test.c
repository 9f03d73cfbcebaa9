/* Rules: order, who, holes, covered and partly denied filters, what is kept of somebody. */
#include "base/mem.h"
#include "base/test.h"
#include "modules/mqtt/acl.h"

static const struct mq_who d1 = {.role = MQ_DEVICE, .id = "id-d1", .name = "D1"},
                           d2 = {.role = MQ_DEVICE, .id = "id-d2", .name = "D2"},
                           odd = {.role = MQ_DEVICE, .id = "id-odd", .name = "D+"},
                           ann = {.role = MQ_USER, .id = "id-ann", .name = "ann"};
static unsigned asked;

static void ask(void *ctx, const struct mq_who *who, struct acl_subject *ret)
{
    asked++;
    if (who->role == MQ_USER) ret->roles = "viewer, operator";
    if (who == &d2) ret->profile = "PUMPS";
}

static struct acl_asker by = {.ask = ask, .stamp = 1};
static struct acl_rule rules[8];
static size_t n;

static void rule(int64_t order, enum acl_who who, const char *id, const char *topic, bool pub, bool sub, bool deny)
{
    struct acl_rule *r = &rules[n++];
    *r = (struct acl_rule){.who = who, .order = order, .publish = pub, .subscribe = sub, .deny = deny};
    snprintf(r->id, sizeof r->id, "%s", id);
    snprintf(r->topic, sizeof r->topic, "%s", topic);
    snprintf(r->code, sizeof r->code, "R%zu", n);
}

#define MADE(a) \
    size_t count_ = n; \
    struct acl_rule *copy_ = mem_calloc(count_ + 1, sizeof *copy_); \
    REQUIRE(copy_ != NULL); \
    memcpy(copy_, rules, count_ * sizeof *copy_); \
    n = 0; \
    struct acl *a = acl_new(copy_, count_); \
    REQUIRE(a != NULL)

TEST(the_first_that_fits_decides)
{
    rule(20, ACL_EVERYONE, "", "line/#", true, true, false);
    rule(10, ACL_DEVICES, "", "line/secret/#", true, true, true);
    rule(30, ACL_EVERYONE, "", "#", true, true, true);
    MADE(a);
    CHECK_INT(acl_publish(a, &by, &d1, STR("line/secret/x")), ACL_DENY);
    CHECK_INT(acl_publish(a, &by, &ann, STR("line/secret/x")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d1, STR("line/1")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d1, STR("other")), ACL_DENY);
    CHECK(acl_withholds(a) && !acl_empty(a));
    acl_free(a);
}

TEST(who_is_meant)
{
    rule(1, ACL_DEVICE, "id-d1", "one", true, false, false);
    rule(2, ACL_PROFILE, "PUMPS", "pumps", true, false, false);
    rule(3, ACL_USER, "id-ann", "anns", true, false, false);
    rule(4, ACL_ROLE, "operator", "ops", true, false, false);
    rule(5, ACL_ROLE, "oper", "wrong", true, false, false);
    rule(6, ACL_USERS, "", "people", true, false, false);
    MADE(a);
    CHECK_INT(acl_publish(a, &by, &d1, STR("one")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d2, STR("one")), ACL_NONE);
    CHECK_INT(acl_publish(a, &by, &d2, STR("pumps")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d1, STR("pumps")), ACL_NONE);
    CHECK_INT(acl_publish(a, &by, &ann, STR("anns")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &ann, STR("ops")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &ann, STR("wrong")), ACL_NONE);
    CHECK_INT(acl_publish(a, &by, &d1, STR("people")), ACL_NONE);
    CHECK_INT(acl_subscribe(a, &by, &ann, STR("anns")), ACL_NONE);
    CHECK(acl_grants(a, &by, &ann) && acl_grants(a, &by, &d1) && !acl_withholds(a));
    acl_free(a);
}

TEST(holes_are_names_and_nothing_more)
{
    rule(1, ACL_DEVICES, "", "x/${device}/#", true, true, false);
    rule(2, ACL_USERS, "", "home/${user}", true, true, false);
    MADE(a);
    CHECK_INT(acl_publish(a, &by, &d1, STR("x/D1/y")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d1, STR("x/D2/y")), ACL_NONE);
    CHECK_INT(acl_publish(a, &by, &odd, STR("x/D1/y")), ACL_NONE);
    CHECK_INT(acl_publish(a, &by, &ann, STR("home/ann")), ACL_ALLOW);
    CHECK_INT(acl_publish(a, &by, &d1, STR("home/D1")), ACL_NONE);
    acl_free(a);
}

TEST(filters_that_are_covered_and_messages_that_are_withheld)
{
    rule(1, ACL_EVERYONE, "", "a/secret/#", false, true, true);
    rule(2, ACL_EVERYONE, "", "a/#", false, true, false);
    MADE(a);
    CHECK_INT(acl_subscribe(a, &by, &d1, STR("a/secret/x")), ACL_DENY);
    CHECK_INT(acl_subscribe(a, &by, &d1, STR("a/secret/#")), ACL_DENY);
    CHECK_INT(acl_subscribe(a, &by, &d1, STR("a/#")), ACL_ALLOW);
    CHECK_INT(acl_subscribe(a, &by, &d1, STR("#")), ACL_NONE);
    CHECK(!acl_gets(a, &by, &d1, STR("a/secret/x")) && acl_gets(a, &by, &d1, STR("a/b")) &&
          acl_gets(a, &by, &d1, STR("c")));
    acl_free(a);
}

TEST(somebody_is_asked_about_once_until_the_stamp_changes)
{
    rule(1, ACL_EVERYONE, "", "a", true, false, false);
    MADE(a);
    asked = 0;
    for (int i = 0; i < 5; i++) CHECK_INT(acl_publish(a, &by, &d1, STR("a")), ACL_ALLOW);
    CHECK_INT(asked, 1);
    by.stamp++;
    CHECK_INT(acl_publish(a, &by, &d1, STR("a")), ACL_ALLOW);
    CHECK_INT(asked, 2);
    acl_free(a);
    CHECK(acl_empty(NULL) && !acl_withholds(NULL));
}
