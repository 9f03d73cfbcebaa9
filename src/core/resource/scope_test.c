/* scope_test.c - organisations and permission in every change, life cycles, what a reader may see. */
#include "base/mem.h"
#include "core/auth/auth_perm.h"
#include "core/event.h"
#include "core/resource/kernel_fixture.h"

static const char org[] =
    "{\"kind\":\"org\",\"plural\":\"orgs\",\"title\":{\"en\":\"Organisation\"},\"code\":{\"required\":true},"
    "\"fields\":[{\"name\":\"parent\",\"type\":\"ref\",\"kind\":\"org\"}]}";
static const char line[] =
    "{\"kind\":\"line\",\"plural\":\"lines\",\"title\":{\"en\":\"Line\"},\"code\":{\"required\":true},"
    "\"fields\":[{\"name\":\"pay\",\"type\":\"number\",\"sensitive\":true},"
    "{\"name\":\"note\",\"type\":\"string\"}]}";
static const char item[] =
    "{\"kind\":\"item\",\"plural\":\"items\",\"title\":{\"en\":\"Item\"},\"code\":{\"required\":true},\"org_from\":"
    "\"line\","
    "\"fields\":[{\"name\":\"line\",\"type\":\"ref\",\"kind\":\"line\"},{\"name\":\"who\",\"type\":\"string\"}],"
    "\"lifecycle\":{\"states\":[{\"state\":\"draft\"},{\"state\":\"pending\",\"edit\":false,\"delete\":false},{"
    "\"state\":"
    "\"ok\",\"edit\":false}],\"transitions\":[{\"name\":\"submit\",\"from\":[\"draft\"],\"to\":\"pending\","
    "\"requires\":["
    "\"who\"]},{\"name\":\"back\",\"from\":[\"pending\"],\"to\":\"draft\",\"action\":\"approve\",\"comment\":"
    "\"required\"},"
    "{\"name\":\"approve\",\"from\":[\"pending\"],\"to\":\"ok\",\"action\":\"approve\",\"four_eyes\":true,\"notify\":"
    "true,"
    "\"comment\":\"optional\"}]}}";

struct plant {
    struct fixture f;
    struct str ids[4]; /* of the organisations G, A, B, W (below A) */
    uint64_t sets[2];  /* A with W; B */
    struct str sorted[4];
    struct actor a, b, boss; /* of A, of B, of everything */
    struct perm_rows rows;
};

static void bits(struct plant *p, uint64_t *set, int i)
{
    for (size_t j = 0; j < 4; j++)
        if (str_eq(p->sorted[j], p->ids[i])) *set |= 1u << j;
}

static struct actor actor_of(struct plant *p, const char *login, const char *rows, const uint64_t *set)
{
    struct actor a = {.login = ""};
    struct permissions *may = NULL;
    struct perm_rows r = {.arena = &p->f.a, .words = 1};
    snprintf(a.login, sizeof a.login, "%s", login);
    if (perm_rows_add(&r, fixture_json(&p->f, rows), set) || perm_compile(&r, p->sorted, 4, &may))
        test_fail(__FILE__, __LINE__, "permissions");
    a.may = may;
    return a;
}

#define ENGINEER \
    "[{\"kinds\":[\"line\",\"item\"],\"actions\":[\"read\",\"write\",\"delete\",\"approve\"]}," \
    "{\"kinds\":[\"org\"],\"actions\":[\"read\",\"write\",\"delete\",\"admin\"]}]"

static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static bool start(struct plant *p)
{
    static const char *const names[] = {"G", "A", "B", "W"};
    static const char *const parents[] = {"{}", "{\"parent\":\"G\"}", "{\"parent\":\"G\"}", "{\"parent\":\"A\"}"};
    struct fixture *f = &p->f;
    struct resource r;
    if (!fixture_open(f, NULL)) return false;
    int rc = kernel_kind_add(f->k, str_of(org), &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(line), &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(item), &f->e);
    for (int i = 0; i < 4 && !rc; i++) {
        rc = fixture_create(f, "org", names[i], parents[i], &r);
        p->ids[i] = p->sorted[i] = r.id;
    }
    if (rc) test_fail(__FILE__, __LINE__, "%s: %s", f->e.where, f->e.text);
    qsort(p->sorted, 4, sizeof *p->sorted, by_text);
    bits(p, &p->sets[0], 1);
    bits(p, &p->sets[0], 3);
    bits(p, &p->sets[1], 2);
    p->a = actor_of(p, "ann", ENGINEER, &p->sets[0]);
    p->b = actor_of(p, "bob", ENGINEER, &p->sets[1]);
    p->boss = actor_of(p, "boss", ENGINEER, NULL);
    return rc == 0;
}

static void finish(struct plant *p)
{
    const struct actor *list[] = {&p->a, &p->b, &p->boss};
    for (size_t i = 0; i < 3; i++) mem_free((void *)list[i]->may);
    fixture_close(&p->f);
}

static int make(struct plant *p, const struct actor *by, const char *kind, const char *code, const char *in_org,
                const char *spec, struct resource *ret)
{
    struct resource own;
    struct resource_input in = {.code = str_of(code), .spec = fixture_json(&p->f, spec), .org = str_of(in_org)};
    p->f.e = (struct error){0};
    return resource_create(p->f.k, &p->f.a, by, kind, &in, ret ? ret : &own, &p->f.e);
}

static int patch(struct plant *p, const struct actor *by, const char *kind, struct str key, const char *in_org,
                 const char *spec, struct resource *ret)
{
    struct resource own;
    struct resource_input in = {.spec = fixture_json(&p->f, spec), .org = str_of(in_org)};
    p->f.e = (struct error){0};
    return resource_patch(p->f.k, &p->f.a, by, kind, key, -1, &in, ret ? ret : &own, &p->f.e);
}

TEST(a_resource_belongs_somewhere)
{
    struct plant p = {.sets = {0}};
    struct resource r;
    REQUIRE(start(&p));
    REQUIRE(make(&p, &p.a, "line", "L1", NULL, "{}", &r) == 0); /* A is the only one above all that he may */
    CHECK_STR(r.org, arena_strdup(&p.f.a, p.ids[1]));
    REQUIRE(json_str(json_get(r.org_ref, "code"), STR_NULL).n);
    CHECK_STR(json_str(json_get(r.org_ref, "code"), STR("")), "A");
    REQUIRE(make(&p, &p.a, "line", "L2", "W", "{}", &r) == 0); /* by code */
    CHECK_STR(r.org, arena_strdup(&p.f.a, p.ids[3]));
    CHECK_INT(make(&p, &p.a, "line", "L3", "B", "{}", NULL), ERR_INVALID); /* not there for him */
    CHECK_Z(p.f.e.where, "org");
    CHECK_Z(p.f.e.text, "there is no organisation 'B'; create it first or choose one that exists");
    CHECK_INT(make(&p, &p.a, "line", "L3", "", "{}", NULL), ERR_FORBIDDEN); /* the whole platform */
    CHECK_INT(patch(&p, &p.a, "line", STR("L1"), "", "{}", NULL), ERR_FORBIDDEN);
    REQUIRE(make(&p, &p.b, "line", "L1", NULL, "{}", &r) == 0); /* the same code elsewhere */
    REQUIRE(make(&p, &p.boss, "line", "L9", NULL, "{}", &r) == 0);
    CHECK_STR(r.org, "");
    finish(&p);
}

TEST(what_he_may_not_read_is_not_there)
{
    struct plant p = {.sets = {0}};
    struct resource r, b;
    REQUIRE(start(&p));
    REQUIRE(make(&p, &p.b, "line", "L1", NULL, "{}", &b) == 0);
    CHECK_INT(resource_find(p.f.k, &p.f.a, &p.a, "line", STR("L1"), true, &r, &p.f.e), ERR_NOT_FOUND);
    CHECK_INT(resource_find(p.f.k, &p.f.a, &p.a, "line", b.id, true, &r, &p.f.e), ERR_NOT_FOUND);
    CHECK_INT(patch(&p, &p.a, "line", b.id, NULL, "{\"note\":\"x\"}", NULL), ERR_NOT_FOUND);
    CHECK_INT(resource_delete(p.f.k, &p.a, "line", b.id, -1, &p.f.e), ERR_NOT_FOUND);
    CHECK_INT(resource_rollback(p.f.k, &p.f.a, &p.a, "line", b.id, 1, -1, &r, &p.f.e), ERR_NOT_FOUND);
    CHECK_INT(make(&p, &p.a, "item", "I1", NULL, "{\"line\":\"L1\"}", NULL), ERR_INVALID);
    CHECK_Z(p.f.e.text, "there is no line 'L1'; create it first or choose one that exists");
    REQUIRE(make(&p, &p.a, "line", "L1", NULL, "{}", &r) == 0);
    REQUIRE(resource_find(p.f.k, &p.f.a, &p.a, "line", STR("L1"), false, &r, &p.f.e) == 0); /* his own */
    CHECK_STR(r.org, arena_strdup(&p.f.a, p.ids[1]));
    CHECK_INT(resource_find(p.f.k, &p.f.a, &p.boss, "line", STR("L1"), false, &r, &p.f.e), ERR_CONFLICT);
    REQUIRE(make(&p, &p.a, "item", "I1", NULL, "{\"line\":\"L1\"}", &r) == 0);
    CHECK_STR(r.org, arena_strdup(&p.f.a, p.ids[1]));
    finish(&p);
}

TEST(moving_needs_rights_on_both_sides_and_takes_dependants_along)
{
    struct plant p = {.sets = {0}};
    struct resource r;
    REQUIRE(start(&p));
    REQUIRE(make(&p, &p.boss, "line", "L1", "A", "{}", NULL) == 0);
    REQUIRE(make(&p, &p.boss, "item", "I1", NULL, "{\"line\":\"L1\"}", NULL) == 0);
    CHECK_INT(patch(&p, &p.a, "line", STR("L1"), arena_strdup(&p.f.a, p.ids[2]), "{}", NULL), ERR_INVALID);
    REQUIRE(patch(&p, &p.a, "line", STR("L1"), "W", "{}", NULL) == 0);
    REQUIRE(resource_get(p.f.k, &p.f.a, "item", STR("I1"), &r, &p.f.e) == 0);
    CHECK_STR(r.org, arena_strdup(&p.f.a, p.ids[3]));
    CHECK_INT(r.rev, 2);
    CHECK_INT(patch(&p, &p.b, "line", STR("L1"), "B", "{}", NULL), ERR_NOT_FOUND);
    CHECK_INT(resource_delete(p.f.k, &actor_system, "org", STR("W"), -1, &p.f.e), ERR_REFERENCED);
    finish(&p);
}

TEST(fields_and_sensitive_values)
{
    struct plant p = {.sets = {0}};
    struct resource r;
    REQUIRE(start(&p));
    struct actor clerk = actor_of(&p, "clerk",
                                  "[{\"kinds\":[\"line\"],\"actions\":[\"read\"]},{\"kinds\":[\"line\"],\"actions\":"
                                  "[\"write\"],\"fields\":[\"note\"]}]",
                                  &p.sets[0]);
    REQUIRE(make(&p, &p.boss, "line", "L1", "A", "{\"pay\":12,\"note\":\"n\"}", NULL) == 0);
    REQUIRE(patch(&p, &clerk, "line", STR("L1"), NULL, "{\"note\":\"m\"}", &r) == 0);
    CHECK_INT(patch(&p, &clerk, "line", STR("L1"), NULL, "{\"pay\":1}", NULL), ERR_FORBIDDEN);
    CHECK_Z(p.f.e.where, "spec.pay");
    REQUIRE(patch(&p, &clerk, "line", STR("L1"), NULL, "{\"pay\":\"***\",\"note\":\"o\"}", &r) == 0);
    CHECK_INT(json_i64(json_get(r.spec, "pay"), 0), 12); /* what he saw masked stays */
    CHECK_INT(resource_delete(p.f.k, &clerk, "line", STR("L1"), -1, &p.f.e), ERR_FORBIDDEN);
    struct buf b;
    buf_init(&b, 10000);
    struct json_writer w = json_writer(&b);
    resource_write_for(&w, &r, &p.a);
    CHECK(str_has(buf_view(&b), STR("\"spec\":{\"pay\":\"***\",\"note\":\"o\"}")));
    buf_clear(&b);
    w = json_writer(&b);
    resource_write(&w, &r);
    CHECK(str_has(buf_view(&b), STR("\"pay\":12")));
    struct history_entry *h;
    size_t n;
    REQUIRE(patch(&p, &p.boss, "line", STR("L1"), NULL, "{\"pay\":13}", &r) == 0);
    REQUIRE(resource_history(p.f.k, &p.f.a, "line", STR("L1"), 0, 1, &h, &n, &p.f.e) == 0);
    buf_clear(&b);
    w = json_writer(&b);
    resource_diff_write(&w, r.schema, r.org, h[0].diff, &p.a);
    CHECK_STR(buf_view(&b), "[{\"path\":\"spec.pay\",\"before\":\"***\",\"after\":\"***\"}]");
    buf_fini(&b);
    mem_free((void *)clerk.may);
    finish(&p);
}

static int heard;
static void hear(void *ctx, const struct event *ev)
{
    heard += strcmp(ev->topic, "resource.transition") == 0 && str_is(ev->link, ctx);
}

static int go(struct plant *p, const struct actor *by, const char *name, const char *comment)
{
    struct resource r;
    p->f.e = (struct error){0};
    return resource_transition(p->f.k, &p->f.a, by, "item", STR("I1"), str_of(name), str_of(comment), -1, &r, &p->f.e);
}

TEST(a_life_cycle_with_four_eyes)
{
    struct plant p = {.sets = {0}};
    struct transition_offer *o;
    struct history_entry *h;
    size_t n;
    struct resource r;
    REQUIRE(start(&p));
    struct actor ann2 = p.a;
    snprintf(ann2.login, sizeof ann2.login, "zoe");
    REQUIRE(make(&p, &p.a, "item", "I1", "A", "{}", &r) == 0);
    CHECK_STR(r.state, "draft");
    char *link = arena_printf(&p.f.a, "/items/%.*s", STR_ARG(r.id));
    REQUIRE(kernel_event_subscribe(p.f.k, hear, link) == 0);
    CHECK_INT(go(&p, &p.a, "submit", ""), ERR_INVALID);
    CHECK_Z(p.f.e.where, "spec.who");
    REQUIRE(patch(&p, &p.a, "item", STR("I1"), NULL, "{\"who\":\"x\"}", &r) == 0);
    CHECK_INT(go(&p, &p.a, "approve", ""), ERR_INVALID);   /* not from draft */
    CHECK_INT(go(&p, &p.a, "submit", "why"), ERR_INVALID); /* takes no comment */
    REQUIRE(go(&p, &p.a, "submit", "") == 0);
    CHECK_INT(patch(&p, &p.a, "item", STR("I1"), NULL, "{\"who\":\"y\"}", NULL), ERR_INVALID);
    CHECK_Z(p.f.e.text, "cannot be changed in the state 'pending'; first do the transition back");
    CHECK_INT(patch(&p, &actor_system, "item", STR("I1"), NULL, "{\"who\":\"y\"}", NULL), ERR_INVALID);
    CHECK_INT(resource_delete(p.f.k, &p.a, "item", STR("I1"), -1, &p.f.e), ERR_INVALID);
    CHECK_INT(go(&p, &p.a, "approve", ""), ERR_FORBIDDEN); /* she wrote it */
    CHECK_INT(go(&p, &p.b, "approve", ""), ERR_NOT_FOUND); /* of another plant */
    REQUIRE(resource_transitions(p.f.k, &p.f.a, &p.a, "item", STR("I1"), &o, &n, &p.f.e) == 0);
    CHECK_INT(n, 2);
    CHECK(o[0].allowed && !o[1].allowed);
    CHECK_Z(o[1].why_not.text, "ann changed the content; somebody else has to do this");
    CHECK_INT(go(&p, &ann2, "back", ""), ERR_INVALID); /* needs a comment */
    REQUIRE(go(&p, &ann2, "back", "look again") == 0);
    REQUIRE(patch(&p, &p.a, "item", STR("I1"), NULL, "{\"who\":\"z\"}", &r) == 0);
    REQUIRE(go(&p, &p.a, "submit", "") == 0);
    CHECK_INT(heard, 0);
    REQUIRE(go(&p, &ann2, "approve", "fine") == 0); /* sent it back before, but others wrote and submitted */
    CHECK_INT(heard, 1);
    REQUIRE(resource_history(p.f.k, &p.f.a, "item", STR("I1"), 0, 9, &h, &n, &p.f.e) == 0);
    CHECK_STR(h[0].transition, "approve");
    CHECK_STR(h[0].comment, "fine");
    CHECK_STR(json_text(&p.f.a, h[0].diff), "[{\"path\":\"state\",\"before\":\"pending\",\"after\":\"ok\"}]");
    CHECK_STR(h[1].transition, "submit");
    CHECK_STR(h[2].transition, "");
    CHECK_INT(resource_rollback(p.f.k, &p.f.a, &p.a, "item", STR("I1"), 1, -1, &r, &p.f.e), ERR_INVALID);
    REQUIRE(resource_delete(p.f.k, &p.a, "item", STR("I1"), -1, &p.f.e) == 0);
    REQUIRE(resource_restore(p.f.k, &p.f.a, &p.a, "item", r.id, -1, &r, &p.f.e) == 0);
    CHECK_STR(r.state, "ok"); /* the newest content comes back with its state */
    kernel_event_unsubscribe(p.f.k, hear, link);
    finish(&p);
}

TEST(where_used_and_copy)
{
    struct plant p = {.sets = {0}};
    struct where_used *u;
    size_t n;
    int64_t total;
    struct resource r;
    REQUIRE(start(&p));
    REQUIRE(make(&p, &p.boss, "line", "L1", "", "{}", NULL) == 0);
    REQUIRE(make(&p, &actor_system, "item", "I1", NULL, "{\"line\":\"L1\"}", &r) == 0);
    REQUIRE(make(&p, &actor_system, "item", "I2", NULL, "{\"line\":\"L1\",\"who\":\"me\"}", &r) == 0);
    REQUIRE(resource_where_used(p.f.k, &p.f.a, &p.a, "line", STR("L1"), 1, 10, &u, &n, &total, &p.f.e) == 0);
    CHECK_INT(n, 1);
    CHECK_INT(total, 2);
    CHECK_STR(u[0].code, "I2");
    CHECK_STR(u[0].path, "spec.line");
    REQUIRE(resource_copy(p.f.k, &p.f.a, &actor_system, "item", STR("I2"), STR(""), STR(""), &r, &p.f.e) == 0);
    CHECK_STR(r.code, "I2-2");
    CHECK_STR(json_str(json_get(r.spec, "who"), STR("")), "me");
    CHECK_STR(r.state, "draft");
    finish(&p);
}

static int upsert(struct plant *p, const struct actor *by, const char *in_org, const char *note, struct bulk_report *r)
{
    struct bulk_item one = {.op = BULK_UPSERT, .expect_rev = -1};
    one.in = (struct resource_input){.code = STR("L1"), .org = str_of(in_org), .spec = fixture_json(&p->f, note)};
    return resource_bulk(p->f.k, &p->f.a, by, "line", &one, 1, false, true, r, &p->f.e);
}

TEST(rows_name_their_organisation)
{
    struct plant p = {.sets = {0}};
    struct bulk_report r;
    struct resource a, b;
    REQUIRE(start(&p));
    REQUIRE(upsert(&p, &p.boss, "A", "{\"note\":\"a\"}", &r) == 0 && r.created == 1);
    REQUIRE(upsert(&p, &p.boss, "B", "{\"note\":\"b\"}", &r) == 0 && r.created == 1); /* not moved over */
    REQUIRE(upsert(&p, &p.boss, "A", "{\"note\":\"c\"}", &r) == 0 && r.updated == 1);
    REQUIRE(upsert(&p, &p.boss, NULL, "{\"note\":\"d\"}", &r) == 0 && r.failed == 1); /* which? */
    CHECK_INT(r.items[0].err.code, ERR_CONFLICT);
    REQUIRE(upsert(&p, &p.b, NULL, "{\"note\":\"e\"}", &r) == 0 && r.updated == 1); /* the one that he may see */
    REQUIRE(resource_find(p.f.k, &p.f.a, &p.a, "line", STR("L1"), false, &a, &p.f.e) == 0);
    REQUIRE(resource_find(p.f.k, &p.f.a, &p.b, "line", STR("L1"), false, &b, &p.f.e) == 0);
    CHECK_STR(json_str(json_get(a.spec, "note"), STR("")), "c");
    CHECK_STR(json_str(json_get(b.spec, "note"), STR("")), "e");
    finish(&p);
}

TEST(who_may_in_several_places_says_where)
{
    struct plant p = {.sets = {0}};
    REQUIRE(start(&p));
    uint64_t both = p.sets[0] | p.sets[1];
    struct actor two = actor_of(&p, "two", ENGINEER, &both);
    CHECK_INT(make(&p, &two, "line", "L1", NULL, "{}", NULL), ERR_INVALID);
    CHECK_Z(p.f.e.where, "org");
    CHECK(strstr(p.f.e.text, "say which organisation it belongs to: "));
    CHECK(strstr(p.f.e.text, "A") && strstr(p.f.e.text, "B") && !strstr(p.f.e.text, "W"));
    REQUIRE(make(&p, &two, "line", "L1", "B", "{}", NULL) == 0);
    /* an organisation is made with the rights of its parent, and belongs to itself */
    struct resource r;
    REQUIRE(make(&p, &p.a, "org", "W2", NULL, "{\"parent\":\"A\"}", &r) == 0);
    CHECK_STR(r.org, arena_strdup(&p.f.a, r.id));
    CHECK_INT(make(&p, &p.a, "org", "X", NULL, "{}", NULL), ERR_FORBIDDEN);
    CHECK_INT(make(&p, &p.boss, "org", "W2", NULL, "{}", NULL), ERR_EXISTS);
    mem_free((void *)two.may);
    finish(&p);
}

TEST(the_one_resource_of_its_kind)
{
    static const char settings[] =
        "{\"kind\":\"setting\",\"plural\":\"settings\",\"title\":{\"en\":\"Setting\"},\"single\":true,\"fields\":[{"
        "\"name\":\"n\",\"type\":\"integer\",\"required\":true,\"default\":5}]}";
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(kernel_kind_add(f.k, str_of(settings), &f.e) == 0);
    REQUIRE(resource_single(f.k, &f.a, "setting", &r, &f.e) == 0);
    CHECK_STR(r.code, "default");
    CHECK_INT(json_i64(json_get(r.spec, "n"), 0), 5);
    CHECK_INT(fixture_create(&f, "setting", "other", "{}", NULL), ERR_EXISTS);
    CHECK_INT(fixture_create(&f, "setting", "default", "{}", NULL), ERR_EXISTS);
    CHECK_INT(resource_delete(f.k, &actor_system, "setting", STR("default"), -1, &f.e), ERR_INVALID);
    CHECK_INT(resource_single(f.k, &f.a, "device", &r, &f.e), ERR_INVALID);
    fixture_close(&f);
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(kernel_kind_add(f.k, str_of(settings), &f.e) == 0);
    struct resource_input in = {.spec = fixture_json(&f, "{\"n\":7}")};
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "setting", STR("default"), -1, &in, &r, &f.e) == 0);
    CHECK_INT(json_i64(json_get(r.spec, "n"), 0), 7); /* the first change makes it */
    CHECK_INT(resource_patch(f.k, &f.a, &actor_system, "setting", STR("other"), -1, &in, &r, &f.e), ERR_NOT_FOUND);
    fixture_close(&f);
}
