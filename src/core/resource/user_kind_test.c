/* user_kind_test.c - kinds made at run time: use, plan, change with data in it, refusal, restart, drop. */
#include "core/resource/kernel_fixture.h"
#include "core/resource/user_kind.h"
#include "core/secret.h"

extern const struct str core_kinds[];

static bool reopen(struct fixture *f)
{
    int rc = kernel_open(f->db, &f->clock.clock, &f->rng.rng, &f->k, &f->e);
    if (!rc) rc = kernel_kind_add(f->k, str_of(fixture_device), &f->e);
    for (const struct str *d = core_kinds; d->p && !rc; d++)
        if (str_has(*d, STR("\"kind\": \"code_rule\"")) || str_has(*d, STR("\"kind\": \"user_kind\"")))
            rc = kernel_kind_add(f->k, *d, &f->e);
    if (!rc) rc = user_kinds_load(f->k, &f->e);
    if (rc) test_fail(__FILE__, __LINE__, "%s: %s", f->e.where, f->e.text);
    return rc == 0;
}

static bool start(struct fixture *f)
{
    if (!fixture_open(f, "user_kind.db")) return false;
    kernel_close(f->k);
    return reopen(f);
}

#define DOC(fields) \
    "{\"kind\":\"part\",\"plural\":\"parts\",\"title\":{\"en\":\"Part\",\"zh\":\"备件\"},\"code\":{\"required\":true}" \
    "," \
    "\"fields\":[" fields "]}"
#define FIELDS \
    "{\"name\":\"maker\",\"type\":\"string\"},{\"name\":\"size\",\"type\":\"string\"}," \
    "{\"name\":\"pump\",\"type\":\"ref\",\"kind\":\"device\"},{\"name\":\"key\",\"type\":\"secret\"}," \
    "{\"name\":\"grade\",\"type\":\"enum\",\"values\":[{\"value\":\"a\"},{\"value\":\"b\"}]}"

static int put(struct fixture *f, const char *doc, const char *rest)
{
    struct resource r;
    char *spec = arena_printf(&f->a, "{\"document\":%s%s}", doc, rest);
    f->e = (struct error){0};
    struct resource_input in = {.code = STR("part"), .spec = fixture_json(f, spec)};
    if (resource_get(f->k, &f->a, "user_kind", STR("part"), &r, NULL))
        return resource_create(f->k, &f->a, &actor_system, "user_kind", &in, &r, &f->e);
    return resource_replace(f->k, &f->a, &actor_system, "user_kind", STR("part"), -1, &in, &r, &f->e);
}

static const char *spec_of(struct fixture *f, const char *code)
{
    struct resource r;
    if (resource_get(f->k, &f->a, "part", str_of(code), &r, &f->e)) return f->e.text;
    return arena_strdup(&f->a, json_text(&f->a, r.spec));
}

static void fill(struct fixture *f)
{
    REQUIRE(fixture_create(f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(fixture_create(f, "part", "P1",
                           "{\"maker\":\"M\",\"size\":\"12\",\"pump\":\"D1\",\"key\":\"s\",\"grade\":\"a\"}",
                           NULL) == 0);
    REQUIRE(fixture_create(f, "part", "P2", "{\"maker\":\"M\",\"size\":\"big\",\"grade\":\"b\"}", NULL) == 0);
    REQUIRE(fixture_create(f, "part", "P3", "{\"maker\":\"N\"}", NULL) == 0);
}

TEST(a_kind_made_at_run_time_is_a_kind)
{
    struct fixture f = {0};
    REQUIRE(start(&f));
    const struct kind *before = kernel_kind(f.k, STR("part"));
    CHECK(!before);
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    const struct kind *kd = kernel_kind(f.k, STR("parts"));
    REQUIRE(kd && kd->user && !kd->builtin);
    fill(&f);
    CHECK(strstr(spec_of(&f, "P1"), "\"maker\":\"M\",\"size\":\"12\""));
    CHECK_INT(fixture_create(&f, "part", "P4", "{\"mkaer\":\"M\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.text, "there is no field 'mkaer'; did you mean 'maker'?");
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), ERR_REFERENCED);
    kernel_close(f.k);
    REQUIRE(reopen(&f));
    CHECK(strstr(spec_of(&f, "P1"), "\"maker\":\"M\""));
    fixture_close(&f);
}

TEST(documents_that_cannot_be)
{
    struct fixture f = {0};
    REQUIRE(start(&f));
    CHECK_INT(put(&f, "{\"kind\":\"prat\",\"plural\":\"parts\"}", ""), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.document.kind");
    CHECK_INT(put(&f, "{\"kind\":\"part\",\"plural\":\"devices\"}", ""), ERR_EXISTS);
    CHECK_INT(put(&f, "{\"kind\":\"part\",\"plural\":\"sessions\"}", ""), ERR_EXISTS);
    CHECK_INT(put(&f, DOC("{\"name\":\"x\",\"type\":\"strin\"}"), ""), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.document.fields[0].type");
    CHECK_INT(put(&f, DOC("{\"name\":\"x\",\"type\":\"ref\",\"kind\":\"nothing\"}"), ""), ERR_INVALID);
    CHECK_Z(f.e.text, "there is no kind 'nothing' to refer to");
    struct resource_input in = {.code = STR("device"),
                                .spec = fixture_json(&f, "{\"document\":{\"kind\":\"device\",\"plural\":\"xs\"}}")};
    struct resource r;
    CHECK_INT(resource_create(f.k, &f.a, &actor_system, "user_kind", &in, &r, &f.e), ERR_EXISTS);
    CHECK_Z(f.e.text, "'device' is a built-in kind; choose another name");
    CHECK(!kernel_kind(f.k, STR("part")));
    fixture_close(&f);
}

#define NEXT \
    "{\"name\":\"supplier\",\"type\":\"string\"},{\"name\":\"size\",\"type\":\"number\"}," \
    "{\"name\":\"pump\",\"type\":\"ref\",\"kind\":\"device\"},{\"name\":\"key2\",\"type\":\"secret\"}," \
    "{\"name\":\"grade\",\"type\":\"enum\",\"values\":[{\"value\":\"a\"},{\"value\":\"c\"}]}," \
    "{\"name\":\"count\",\"type\":\"integer\",\"required\":true,\"default\":3}"
#define RENAMES "{\"maker\":\"supplier\",\"key\":\"key2\"}"

static const struct kind_change *change_at(const struct kind_plan *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_is(p->changes[i].path, path)) return &p->changes[i];
    return NULL;
}

TEST(a_change_is_planned_and_carried_out)
{
    struct fixture f = {0};
    struct kind_plan p;
    struct resource r;
    REQUIRE(start(&f));
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    fill(&f);
    REQUIRE(resource_delete(f.k, &actor_system, "part", STR("P3"), -1, &f.e) == 0);
    int rc = user_kind_plan(f.k, &f.a, STR(DOC(NEXT)), fixture_json(&f, RENAMES), &p, &f.e);
    REQUIRE(rc == 0);
    CHECK_INT(p.rows, 2);
    CHECK(p.loses && !p.blocks);
    const struct kind_change *k = change_at(&p, "spec.supplier");
    REQUIRE(k != NULL);
    CHECK_STR(k->what_en, "renamed from 'maker'");
    CHECK_INT(k->affected, 2);
    CHECK_INT(k->lost, 0);
    k = change_at(&p, "spec.size");
    REQUIRE(k != NULL);
    CHECK_STR(k->what_zh, "类型由 string 变为 number");
    CHECK_INT(k->affected, 1);
    CHECK_INT(k->lost, 1);
    CHECK_STR(json_text(&f.a, k->examples),
              "[{\"code\":\"P1\",\"before\":\"12\",\"after\":12},{\"code\":\"P2\",\"before\":\"big\",\"after\":null}]");
    k = change_at(&p, "spec.grade");
    REQUIRE(k && k->lost == 1);
    k = change_at(&p, "spec.count");
    REQUIRE(k && k->affected == 2);
    k = change_at(&p, "spec.key2");
    REQUIRE(k != NULL);
    CHECK_STR(json_text(&f.a, k->examples),
              "[{\"code\":\"P1\",\"before\":null,\"after\":null}]"); /* secrets stay inside */
    CHECK(strstr(spec_of(&f, "P1"), "\"maker\""));                   /* nothing was written */
    CHECK_INT(put(&f, DOC(NEXT), ",\"renames\":" RENAMES), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.size");
    CHECK_Z(
        f.e.text,
        "string becomes number: the values of 1 resources cannot be kept; look at the plan, or set on_loss to drop");
    CHECK(strstr(spec_of(&f, "P1"), "\"maker\""));
    REQUIRE(put(&f, DOC(NEXT), ",\"on_loss\":\"drop\",\"renames\":" RENAMES) == 0);
    CHECK_Z(spec_of(&f, "P2"), "{\"supplier\":\"M\",\"count\":3}");
    CHECK(strstr(spec_of(&f, "P1"), "{\"supplier\":\"M\",\"size\":12,\"pump\":\""));
    CHECK(strstr(spec_of(&f, "P1"), "\"key2\":\"s\",\"grade\":\"a\",\"count\":3}"));
    REQUIRE(resource_get(f.k, &f.a, "user_kind", STR("part"), &r, &f.e) == 0);
    CHECK(!json_get(r.spec, "renames"));
    CHECK_STR(json_str(json_get(r.spec, "on_loss"), STR("")), "refuse");
    /* the past follows: history, rollback and what was deleted */
    REQUIRE(resource_at_rev(f.k, &f.a, "part", STR("P2"), 1, &r, &f.e) == 0);
    CHECK_STR(json_text(&f.a, r.spec), "{\"supplier\":\"M\",\"size\":\"big\",\"grade\":\"b\"}");
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "part", STR("P2"), 1, -1, &r, &f.e), ERR_INVALID);
    REQUIRE(resource_rollback(f.k, &f.a, &actor_system, "part", STR("P1"), 1, -1, &r, &f.e) == 0);
    REQUIRE(resource_restore(f.k, &f.a, &actor_system, "part", STR("P3"), -1, &r, &f.e) == 0);
    CHECK_STR(json_text(&f.a, r.spec), "{\"supplier\":\"N\",\"count\":3}");
    kernel_close(f.k);
    REQUIRE(reopen(&f));
    CHECK_INT(fixture_create(&f, "part", "P9", "{\"supplier\":\"Q\"}", NULL), 0);
    fixture_close(&f);
}

TEST(what_dropping_cannot_help_blocks)
{
    struct fixture f = {0};
    struct kind_plan p;
    REQUIRE(start(&f));
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    fill(&f);
    REQUIRE(user_kind_plan(f.k, &f.a, STR(DOC(FIELDS ",{\"name\":\"owner\",\"type\":\"string\",\"required\":true}")),
                           NULL, &p, &f.e) == 0);
    CHECK(p.blocks);
    REQUIRE(change_at(&p, "spec.owner") != NULL);
    CHECK_INT(change_at(&p, "spec.owner")->lost, 3);
    CHECK_INT(
        put(&f, DOC(FIELDS ",{\"name\":\"owner\",\"type\":\"string\",\"required\":true}"), ",\"on_loss\":\"drop\""),
        ERR_INVALID);
    CHECK_Z(f.e.text, "new field; is required: 3 resources do not fit; change them first");
    /* unique on values that are there twice; an index follows */
    CHECK_INT(put(&f, DOC("{\"name\":\"maker\",\"type\":\"string\",\"unique\":true}"), ""), ERR_INVALID);
    REQUIRE(put(&f, DOC("{\"name\":\"maker\",\"type\":\"string\",\"unique\":true}"), ",\"on_loss\":\"drop\"") == 0);
    CHECK_Z(spec_of(&f, "P1"), "{\"maker\":\"M\"}");
    CHECK_Z(spec_of(&f, "P2"), "{}");
    CHECK_INT(fixture_create(&f, "part", "P4", "{\"maker\":\"M\"}", NULL), ERR_EXISTS);
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), 0); /* the reference went */
    /* swapping two names */
    REQUIRE(put(&f,
                DOC("{\"name\":\"maker\",\"type\":\"string\"},{\"name\":\"b\",\"type\":\"string\",\"default\":\"x\"}"),
                "") == 0);
    REQUIRE(put(&f,
                DOC("{\"name\":\"b\",\"type\":\"string\"},{\"name\":\"maker\",\"type\":\"string\",\"default\":\"x\"}"),
                ",\"renames\":{\"maker\":\"b\",\"b\":\"maker\"}") == 0);
    CHECK_Z(spec_of(&f, "P1"), "{\"b\":\"M\",\"maker\":\"x\"}");
    CHECK_INT(put(&f, DOC("{\"name\":\"b\",\"type\":\"string\"}"), ",\"renames\":{\"zzz\":\"b\"}"), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.renames.zzz");
    fixture_close(&f);
}

#define CYCLE \
    "\"lifecycle\":{\"states\":[{\"state\":\"draft\"},{\"state\":\"ok\",\"edit\":false}],\"transitions\":[{\"name\":" \
    "\"go\",\"from\":[\"draft\"],\"to\":\"ok\"}]}"
#define WITH(more) "{\"kind\":\"part\",\"plural\":\"parts\",\"fields\":[" FIELDS "]," more "}"

TEST(states_come_and_go)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(start(&f));
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    fill(&f);
    REQUIRE(put(&f, WITH(CYCLE), "") == 0);
    REQUIRE(resource_get(f.k, &f.a, "part", STR("P1"), &r, &f.e) == 0);
    CHECK_STR(r.state, "draft");
    REQUIRE(resource_transition(f.k, &f.a, &actor_system, "part", STR("P1"), STR("go"), STR(""), -1, &r, &f.e) == 0);
    CHECK_INT(put(&f, WITH("\"lifecycle\":{\"states\":[{\"state\":\"draft\"}]}"), ""), ERR_INVALID);
    CHECK_Z(f.e.where, "state");
    REQUIRE(put(&f, WITH("\"lifecycle\":{\"states\":[{\"state\":\"draft\"}]}"), ",\"on_loss\":\"drop\"") == 0);
    REQUIRE(resource_get(f.k, &f.a, "part", STR("P1"), &r, &f.e) == 0);
    CHECK_STR(r.state, "draft");
    fixture_close(&f);
}

TEST(a_kind_goes_with_its_resources_only_when_confirmed)
{
    struct fixture f = {0};
    struct resource r;
    int64_t n = 0;
    REQUIRE(start(&f));
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    fill(&f);
    CHECK_INT(resource_delete(f.k, &actor_system, "user_kind", STR("part"), -1, &f.e), ERR_REFERENCED);
    CHECK_INT(user_kind_drop(f.k, &actor_system, STR("part"), STR("prat"), &n, &f.e), ERR_INVALID);
    REQUIRE(user_kind_drop(f.k, &actor_system, STR("part"), STR("part"), &n, &f.e) == 0);
    CHECK_INT(n, 3);
    CHECK(!kernel_kind(f.k, STR("part")));
    CHECK_INT(fixture_create(&f, "part", "P5", "{}", NULL), ERR_NOT_FOUND);
    REQUIRE(resource_restore(f.k, &f.a, &actor_system, "user_kind", STR("part"), -1, &r, &f.e) == 0);
    REQUIRE(kernel_kind(f.k, STR("part")) != NULL);
    REQUIRE(resource_restore(f.k, &f.a, &actor_system, "part", STR("P2"), -1, &r, &f.e) == 0);
    CHECK_STR(r.code, "P2");
    fixture_close(&f);
}

TEST(another_kernel_on_the_same_store_follows)
{
    struct fixture f = {0};
    REQUIRE(start(&f));
    struct fixture other = f; /* a second process, as far as the kernel can tell */
    arena_init(&other.a, 64 << 20);
    REQUIRE(reopen(&other));
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    CHECK(!kernel_kind(other.k, STR("part"))); /* nothing told it yet */
    REQUIRE(fixture_create(&other, "device", "D9", "{\"host\":\"h\"}", NULL) == 0);
    CHECK_INT(fixture_create(&other, "part", "P1", "{\"maker\":\"M\"}", NULL), 0);
    REQUIRE(put(&f, DOC(FIELDS ",{\"name\":\"more\",\"type\":\"integer\",\"default\":7}"), "") == 0);
    CHECK_INT(fixture_create(&other, "part", "P2", "{\"more\":8}", NULL),
              0); /* by the newest version, not by its own */
    CHECK_Z(spec_of(&f, "P2"), "{\"more\":8}");
    CHECK_Z(spec_of(&f, "P1"), "{\"maker\":\"M\",\"more\":7}");
    kernel_close(other.k);
    arena_fini(&other.a);
    fixture_close(&f);
}

static bool stored(struct fixture *f, const char *table, const char *text)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    char query[200];
    bool found = false;
    snprintf(query, sizeof query, "select spec from %s", table);
    if (sql_begin(f->db, false, &tx, &f->e)) return true;
    if (sql_prepare(tx, query, &s, &f->e) == 0) {
        while (sql_step(s, &f->e) == 1) found = found || str_has(sql_str(s, 0), str_of(text));
        sql_done(s);
    }
    sql_rollback(tx);
    return found;
}

TEST(sealed_secrets_move_with_their_field_and_go_with_it)
{
    struct fixture f = {0};
    struct secrets *keys = NULL;
    struct resource r;
    char file[700];
    REQUIRE(start(&f));
    snprintf(file, sizeof file, "%.600s/user_kind.key", test_tmpdir());
    struct secrets_config cfg = {.db = f.db, .clock = &f.clock.clock, .rng = &f.rng.rng, .key_file = file};
    REQUIRE(secrets_open(&cfg, &keys, &f.e) == 0);
    kernel_secrets_set(f.k, keys);
    REQUIRE(put(&f, DOC(FIELDS), "") == 0);
    REQUIRE(fixture_create(&f, "part", "P1", "{\"key\":\"very hidden\"}", NULL) == 0);
    CHECK(!stored(&f, "resource", "very hidden"));
    REQUIRE(put(&f, DOC("{\"name\":\"key2\",\"type\":\"secret\"}"), ",\"renames\":{\"key\":\"key2\"}") == 0);
    CHECK_Z(spec_of(&f, "P1"), "{\"key2\":\"very hidden\"}");
    REQUIRE(resource_at_rev(f.k, &f.a, "part", STR("P1"), 1, &r, &f.e) == 0);
    CHECK_STR(json_text(&f.a, r.spec), "{\"key2\":\"very hidden\"}");                    /* opens at its new place */
    CHECK_INT(put(&f, DOC("{\"name\":\"key2\",\"type\":\"string\"}"), ""), ERR_INVALID); /* never readable */
    REQUIRE(put(&f, DOC("{\"name\":\"key2\",\"type\":\"string\"}"), ",\"on_loss\":\"drop\"") == 0);
    CHECK_Z(spec_of(&f, "P1"), "{}");
    CHECK(!stored(&f, "resource", "$s1$") && !stored(&f, "resource_history", "$s1$"));
    CHECK(!stored(&f, "resource_history", "very hidden"));
    fixture_close(&f);
    secrets_close(keys);
}
