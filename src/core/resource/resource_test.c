/* resource_test.c - one resource: create, read, replace, patch, delete, references, revisions, secrets,
 * uniqueness, hooks, numbers, two writers, failing allocations, a full disk. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "core/auth/auth_perm.h"
#include "core/resource/kernel_fixture.h"

static struct resource_input patch_of(struct fixture *f, const char *spec)
{
    return (struct resource_input){.spec = fixture_json(f, spec)};
}

static struct str written(struct fixture *f, const struct resource *r)
{
    struct buf b;
    buf_init(&b, 100000);
    struct json_writer w = json_writer(&b);
    resource_write(&w, r);
    struct str s = arena_str(&f->a, buf_view(&b));
    buf_fini(&b);
    return s;
}

TEST(create_and_read_back)
{
    struct fixture f = {0};
    struct resource d, t, r;
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"10.0.0.1\"}", &d) == 0);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\",\"lo\":1}", &t) == 0);
    CHECK_INT(t.num, 1);
    CHECK_INT(t.rev, 1);
    REQUIRE(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e) == 0);
    CHECK_STR(json_str(json_get(r.spec, "device"), STR("")), arena_strdup(&f.a, d.id));
    CHECK_STR(json_str(json_get(r.spec, "period"), STR("")), "1s");
    CHECK_STR(r.name, "T1");
    CHECK_STR(r.created_by, "system");
    CHECK_INT(r.created_us, 1790000000000000LL);
    REQUIRE(resource_get(f.k, &f.a, "tags", t.id, &r, &f.e) == 0);
    CHECK_STR(json_str(json_path(r.refs, "device.code"), STR("")), "D1");
    CHECK_STR(json_str(json_path(r.refs, "device.name"), STR("")), "D1");
    REQUIRE(resource_by_num(f.k, &f.a, "tag", 1, &r, &f.e) == 0);
    CHECK_STR(r.code, "T1");
    CHECK_INT(resource_by_num(f.k, &f.a, "tag", 2, &r, &f.e), ERR_NOT_FOUND);
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T2"), &r, &f.e), ERR_NOT_FOUND);
    CHECK_Z(f.e.text, "there is no tag 'T2'");
    CHECK_Z(f.e.text_zh, "没有测点“T2”");
    CHECK_INT(resource_get(f.k, &f.a, "tga", STR("T2"), &r, &f.e), ERR_NOT_FOUND);
    CHECK_Z(f.e.text, "there is no kind 'tga'; did you mean 'tag'?");
    fixture_close(&f);
}

TEST(errors_name_field_and_remedy)
{
    struct fixture f = {0};
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\",\"serial\":\"S1\"}", NULL) == 0);
    CHECK_INT(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\",\"period\":\"5x\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.period");
    CHECK_Z(f.e.text, "'5x' is not a duration; write for example 500ms, 10s or 5m");
    CHECK_INT(fixture_create(&f, "tag", "T1", "{\"device\":\"D9\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.where, "spec.device");
    CHECK_Z(f.e.text, "there is no device 'D9'; create it first or choose one that exists");
    CHECK_INT(fixture_create(&f, "tag", "T 1", "{\"device\":\"D1\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.where, "code");
    CHECK_INT(fixture_create(&f, "tag", "", "{\"device\":\"D1\"}", NULL), ERR_INVALID);
    CHECK_INT(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL), ERR_EXISTS);
    CHECK_Z(f.e.text, "there is a device 'D1' already; choose another code or change that one");
    CHECK_INT(fixture_create(&f, "device", "D2", "{\"host\":\"h\",\"serial\":\"S1\"}", NULL), ERR_EXISTS);
    CHECK_Z(f.e.where, "spec.serial");
    CHECK_Z(f.e.text, "must be unique; 'D1' has this value already");
    struct resource_input in = {
        .code = STR("D3"), .spec = fixture_json(&f, "{}"), .labels = fixture_json(&f, "{\"a b\":\"1\"}")};
    struct resource r;
    CHECK_INT(resource_create(f.k, &f.a, &actor_system, "device", &in, &r, &f.e), ERR_INVALID);
    CHECK_Z(f.e.where, "labels.a b");
    struct error faults[4];
    size_t n = 0;
    in = (struct resource_input){.code = STR("D3"),
                                 .spec = fixture_json(&f, "{\"hst\":1,\"serial\":2}"),
                                 .faults = faults,
                                 .faults_max = 4,
                                 .ret_faults = &n};
    CHECK_INT(resource_create(f.k, &f.a, &actor_system, "device", &in, &r, &f.e), ERR_INVALID);
    CHECK_INT(n, 3);
    fixture_close(&f);
}

TEST(patch_and_optimistic_concurrency)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\",\"serial\":\"S\"}", NULL) == 0);
    struct actor li = {.login = "li"};
    struct resource_input in = patch_of(&f, "{\"serial\":null,\"options\":{\"port\":503}}");
    sim_clock_advance(&f.clock, 5000000);
    REQUIRE(resource_patch(f.k, &f.a, &li, "device", STR("D1"), 1, &in, &r, &f.e) == 0);
    CHECK_INT(r.rev, 2);
    CHECK_STR(json_text(&f.a, r.spec), "{\"host\":\"h\",\"options\":{\"port\":503}}");
    CHECK_STR(r.updated_by, "li");
    CHECK_STR(r.created_by, "system");
    CHECK_INT(resource_patch(f.k, &f.a, &li, "device", STR("D1"), 1, &in, &r, &f.e), ERR_CONFLICT);
    CHECK_Z(f.e.text, "it is at revision 2, you changed revision 1; li changed it at 2026-09-21T14:13:25Z; read it "
                      "again and repeat your change");
    REQUIRE(resource_patch(f.k, &f.a, &li, "device", STR("D1"), -1, &in, &r, &f.e) == 0);
    CHECK_INT(r.rev, 2); /* nothing changed: no revision */
    in = (struct resource_input){.name = STR("新名"), .spec = fixture_json(&f, "{\"host\":\"g\"}")};
    REQUIRE(resource_replace(f.k, &f.a, &li, "device", STR("D1"), 2, &in, &r, &f.e) == 0);
    CHECK_STR(json_text(&f.a, r.spec), "{\"host\":\"g\"}");
    CHECK_STR(r.name, "新名");
    CHECK_STR(r.code, "D1");
    in = (struct resource_input){.code = STR("D2")};
    REQUIRE(resource_patch(f.k, &f.a, &li, "device", STR("D1"), 3, &in, &r, &f.e) == 0);
    CHECK_INT(resource_get(f.k, &f.a, "device", STR("D1"), &r, &f.e), ERR_NOT_FOUND);
    CHECK_INT(resource_get(f.k, &f.a, "device", STR("D2"), &r, &f.e), 0);
    fixture_close(&f);
}

TEST(delete_asks_who_refers)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    for (int i = 1; i <= 5; i++) {
        char code[16];
        snprintf(code, sizeof code, "T%d", i);
        REQUIRE(fixture_create(&f, "tag", code, "{\"device\":\"D1\"}", NULL) == 0);
    }
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), ERR_REFERENCED);
    CHECK_Z(f.e.text, "it is still used by tag T1, tag T2, tag T3 … (5); change or delete those first");
    for (int i = 1; i <= 5; i++) {
        char code[16];
        snprintf(code, sizeof code, "T%d", i);
        CHECK_INT(resource_delete(f.k, &actor_system, "tag", str_of(code), 1, &f.e), 0);
    }
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), 7, &f.e), ERR_CONFLICT);
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), 1, &f.e), 0);
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), ERR_NOT_FOUND);
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0); /* the code is free again */
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", &r) == 0);
    CHECK_INT(r.num, 6); /* numbers are not */
    fixture_close(&f);
}

TEST(secrets_stay_inside)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\",\"key\":\"abc\",\"options\":{\"password\":\"pw\"}}",
                           &r) == 0);
    struct str text = written(&f, &r);
    CHECK(!str_has(text, STR("abc")) && !str_has(text, STR("\"pw\"")) && str_has(text, STR("\"key\":null")));
    CHECK_STR(json_str(json_get(r.spec, "key"), STR("")), "abc");
    struct resource_input in = patch_of(&f, "{\"key\":null,\"host\":\"g\",\"options\":{\"port\":1}}");
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "device", STR("D1"), -1, &in, &r, &f.e) == 0);
    CHECK_STR(json_str(json_get(r.spec, "key"), STR("")), "abc");
    in = patch_of(&f, "{\"host\":\"i\",\"options\":{\"port\":2,\"password\":null}}");
    REQUIRE(resource_replace(f.k, &f.a, &actor_system, "device", STR("D1"), -1, &in, &r, &f.e) == 0);
    CHECK_STR(json_str(json_get(r.spec, "key"), STR("")), "abc");
    CHECK_STR(json_str(json_path(r.spec, "options.password"), STR("")), "pw");
    in = patch_of(&f, "{\"key\":\"new\"}");
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "device", STR("D1"), -1, &in, &r, &f.e) == 0);
    struct history_entry *h;
    size_t n;
    REQUIRE(resource_history(f.k, &f.a, "device", STR("D1"), 0, 1, &h, &n, &f.e) == 0);
    CHECK_STR(json_text(&f.a, h[0].diff), "[{\"path\":\"spec.key\",\"before\":null,\"after\":null}]");
    fixture_close(&f);
}

TEST(users_cannot_write_read_only_fields)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    struct permissions *may = NULL;
    REQUIRE(perm_of_role(fixture_json(&f, "[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\"]}]"), &may) == 0);
    struct actor user = {.login = "u", .may = may};
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    struct resource_input in = {.code = STR("T"), .spec = fixture_json(&f, "{\"device\":\"D1\",\"status\":\"x\"}")};
    REQUIRE(resource_create(f.k, &f.a, &user, "tag", &in, &r, &f.e) == 0);
    CHECK(!json_get(r.spec, "status"));
    in = patch_of(&f, "{\"status\":\"ok\"}");
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "tag", STR("T"), -1, &in, &r, &f.e) == 0);
    in = patch_of(&f, "{\"status\":\"no\"}");
    REQUIRE(resource_patch(f.k, &f.a, &user, "tag", STR("T"), -1, &in, &r, &f.e) == 0);
    CHECK_STR(json_str(json_get(r.spec, "status"), STR("")), "ok");
    mem_free(may);
    fixture_close(&f);
}

static int visit(void *ctx, const struct resource *r)
{
    struct fixture *f = ctx;
    struct resource again;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    CHECK_INT(resource_get(f->k, &a, "tag", r->id, &again, NULL), 0); /* reads may nest */
    f->clock.mono_ns = f->clock.mono_ns * 10 + r->num;
    return r->num == 4 ? 77 : 0;
}

TEST(each_goes_by_number_and_can_be_stopped)
{
    struct fixture f = {0};
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    static const char *const codes[] = {"Z", "B", "Y", "A", "C"};
    for (int i = 0; i < 5; i++) REQUIRE(fixture_create(&f, "tag", codes[i], "{\"device\":\"D1\"}", NULL) == 0);
    REQUIRE(resource_delete(f.k, &actor_system, "tag", STR("B"), -1, &f.e) == 0);
    f.clock.mono_ns = 0;
    CHECK_INT(resource_each(f.k, "tag", visit, &f, &f.e), 77);
    CHECK_INT(f.clock.mono_ns, 134);
    fixture_close(&f);
}

TEST(a_code_is_looked_up_in_its_organisation)
{
    struct fixture f = {0};
    struct resource a, b, r;
    REQUIRE(fixture_open(&f, NULL));
    struct resource_input in = {.code = STR("D1"), .org = STR("mine"), .spec = fixture_json(&f, "{\"host\":\"h\"}")};
    REQUIRE(resource_create(f.k, &f.a, &actor_system, "device", &in, &a, &f.e) == 0);
    CHECK_INT(resource_create(f.k, &f.a, &actor_system, "device", &in, &b, &f.e), ERR_EXISTS);
    in.org = STR("smelter");
    REQUIRE(resource_create(f.k, &f.a, &actor_system, "device", &in, &b, &f.e) == 0);
    CHECK_INT(resource_get(f.k, &f.a, "device", STR("D1"), &r, &f.e), ERR_CONFLICT);
    CHECK_Z(f.e.text, "several organisations have a device 'D1'; use its id");
    REQUIRE(resource_get(f.k, &f.a, "device", b.id, &r, &f.e) == 0);
    CHECK_STR(r.org, "smelter");
    CHECK_INT(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.text, "several organisations have 'D1'; give its id");
    fixture_close(&f);
}

TEST(nothing_of_an_unknown_kind_is_shown)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, NULL));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\",\"key\":\"abc\"}", &r) == 0);
    CHECK(str_has(written(&f, &r), STR("\"host\":\"h\"")));
    r.schema = NULL; /* its module is gone: nobody knows what is secret */
    CHECK(str_has(written(&f, &r), STR("\"spec\":{}")));
    fixture_close(&f);
}

/* ------------------------------------------------------------------ hooks */

struct seen {
    int validated, refuse;
    struct buf log;
};

static int validate(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                    const struct resource *next, struct error *e)
{
    struct seen *s = ctx;
    s->validated++;
    if (s->refuse) return error_set(e, ERR_INVALID, "spec.host", "refused", "拒绝");
    if (old) CHECK_STR(old->code, "D1");
    return 0;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct seen *s = ctx;
    for (size_t i = 0; i < n; i++) {
        AUTO_ARENA a;
        struct resource r;
        arena_init(&a, 1 << 20);
        int rc = resource_get(k, &a, "device", c[i].id, &r, NULL); /* the change is committed before anyone hears */
        buf_printf(&s->log, "%d%.*s%lld%c ", c[i].op, STR_ARG(c[i].code), (long long)c[i].rev, rc ? '-' : '+');
    }
}

TEST(hooks_validate_and_hear)
{
    struct fixture f = {0};
    struct seen s = {0};
    struct resource r;
    buf_init(&s.log, 1000);
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D0", "{\"host\":\"h\"}", NULL) == 0);
    struct kind_hooks h = {.kind = "device", .validate = validate, .changed = changed, .ctx = &s};
    REQUIRE(kernel_hooks_add(f.k, &h) == 0);
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    s.refuse = 1;
    CHECK_INT(fixture_create(&f, "device", "D2", "{\"host\":\"h\"}", NULL), ERR_INVALID);
    CHECK_Z(f.e.text, "refused");
    s.refuse = 0;
    struct resource_input in = patch_of(&f, "{\"host\":\"g\"}");
    REQUIRE(resource_patch(f.k, &f.a, &actor_system, "device", STR("D1"), -1, &in, &r, &f.e) == 0);
    kernel_settle(f.k);
    CHECK_STR(buf_view(&s.log), "0D11+ 1D12+ ");
    CHECK_INT(resource_delete(f.k, &actor_system, "device", STR("D1"), -1, &f.e), 0);
    kernel_settle(f.k);
    CHECK_STR(buf_view(&s.log), "0D11+ 1D12+ 2D13- ");
    CHECK_INT(s.validated, 4);
    fixture_close(&f);
    buf_fini(&s.log);
}

/* ------------------------------------------------------------------ bulk */

TEST(bulk_is_all_or_nothing_or_each_on_its_own)
{
    struct fixture f = {0};
    REQUIRE(fixture_open(&f, NULL));
    struct bulk_item items[] = {
        {.op = BULK_CREATE, .expect_rev = -1, .in = {.code = STR("A"), .spec = fixture_json(&f, "{\"host\":\"a\"}")}},
        {.op = BULK_UPSERT,
         .expect_rev = -1,
         .in = {.code = STR("B"), .spec = fixture_json(&f, "{\"host\":\"b\",\"parent\":\"A\"}")}},
        {.op = BULK_CREATE, .expect_rev = -1, .in = {.code = STR("C"), .spec = fixture_json(&f, "{\"hosts\":1}")}},
        {.op = BULK_UPSERT, .expect_rev = -1, .in = {.code = STR("A"), .spec = fixture_json(&f, "{\"host\":\"a\"}")}},
        {.op = BULK_PATCH, .expect_rev = 1, .id_or_code = STR("A"), .in = {.name = STR("Alpha")}},
        {.op = BULK_DELETE, .expect_rev = -1, .id_or_code = STR("A")},
        {.op = BULK_DELETE, .expect_rev = -1, .id_or_code = STR("B")},
    };
    struct bulk_report r;
    struct resource x;
    int64_t seq = kernel_seq(f.k);
    REQUIRE(resource_bulk(f.k, &f.a, &actor_system, "device", items, 7, false, false, &r, &f.e) == 0);
    CHECK_INT(r.failed, 2);
    CHECK_INT(r.items[2].status, BULK_FAILED);
    CHECK_Z(r.items[2].err.where, "spec.hosts");
    CHECK_INT(r.items[3].status, BULK_UNCHANGED);
    CHECK_INT(r.items[5].err.code, ERR_REFERENCED);
    CHECK_INT(resource_get(f.k, &f.a, "device", STR("A"), &x, &f.e), ERR_NOT_FOUND);
    CHECK_INT(kernel_seq(f.k), seq);
    REQUIRE(resource_bulk(f.k, &f.a, &actor_system, "device", items, 7, true, true, &r, &f.e) == 0);
    CHECK_INT(kernel_seq(f.k), seq);
    REQUIRE(resource_bulk(f.k, &f.a, &actor_system, "device", items, 7, false, true, &r, &f.e) == 0);
    CHECK_INT(r.created, 2);
    CHECK_INT(r.updated, 1);
    CHECK_INT(r.unchanged, 1);
    CHECK_INT(r.deleted, 1);
    CHECK_INT(r.failed, 2);
    CHECK_INT(r.nitems, 7);
    REQUIRE(resource_get(f.k, &f.a, "device", STR("A"), &x, &f.e) == 0);
    CHECK_STR(x.name, "Alpha");
    CHECK_INT(kernel_seq(f.k), seq + 4);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ two writers, broken machines */

static void *bump(void *arg)
{
    struct fixture *f = arg;
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    for (int done = 0; done < 20;) {
        struct resource r;
        arena_reset(&a);
        if (resource_get(f->k, &a, "device", STR("D1"), &r, NULL)) return f;
        int64_t port = json_i64(json_path(r.spec, "options.port"), -1);
        struct json *spec = json_new_object(&a), *o = json_new_object(&a);
        json_set(o, &a, STR("port"), json_new_i64(&a, port + 1));
        json_set(spec, &a, STR("options"), o);
        struct resource_input in = {.spec = spec};
        int rc = resource_patch(f->k, &a, &actor_system, "device", STR("D1"), r.rev, &in, &r, NULL);
        if (rc && rc != ERR_CONFLICT) return f;
        if (!rc) done++;
    }
    return NULL;
}

TEST(two_writers_lose_no_change)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\",\"options\":{\"port\":0}}", NULL) == 0);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&t[i], NULL, bump, &f) == 0);
    for (int i = 0; i < 2; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        CHECK(!bad);
    }
    REQUIRE(resource_get(f.k, &f.a, "device", STR("D1"), &r, &f.e) == 0);
    CHECK_INT(json_i64(json_path(r.spec, "options.port"), -1), 40);
    CHECK_INT(r.rev, 41);
    fixture_close(&f);
}

TEST(every_allocation_of_a_create_may_fail)
{
    struct fixture f = {0};
    struct resource r;
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    struct resource_input in = {.code = STR("T1"),
                                .spec =
                                    fixture_json(&f, "{\"device\":\"D1\",\"groups\":[\"a\"],\"limits\":{\"high\":1}}"),
                                .labels = fixture_json(&f, "{\"a\":\"b\"}")};
    int failed = 0, rc = 1;
    for (uint64_t n = 1; rc && n < 5000; n++) {
        AUTO_ARENA a;
        arena_init(&a, 1 << 20);
        struct error e = {0};
        mem_fail_at(n, false);
        rc = resource_create(f.k, &a, &actor_system, "tag", &in, &r, &e);
        mem_fail_at(0, false);
        if (rc) {
            failed++;
            if (rc != ERR_NOMEM) test_fail(__FILE__, __LINE__, "allocation %d: %d %s", (int)n, rc, e.text);
            CHECK_INT(resource_get(f.k, &a, "tag", STR("T1"), &r, NULL), ERR_NOT_FOUND);
        }
    }
    CHECK_INT(rc, 0);
    CHECK(failed > 10);
    CHECK_INT(r.num, 1); /* what failed took no number */
    fixture_close(&f);
}

TEST(a_full_disk_is_told_and_changes_nothing)
{
    struct fixture f = {0};
    struct sql_tx *tx;
    struct resource r;
    if (sql_fixture_shared()) return; /* only SQLite can be told how many pages there are */
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(sql_begin(f.db, true, &tx, &f.e) == 0);
    CHECK_INT(sql_exec(tx, &f.e, "pragma max_page_count = 60", ""), 0);
    REQUIRE(sql_commit(tx, &f.e) == 0);
    int rc = 0, n = 0;
    for (; !rc && n < 2000; n++) {
        char code[16];
        snprintf(code, sizeof code, "T%d", n);
        rc = fixture_create(&f, "tag", code,
                            "{\"device\":\"D1\",\"address\":\"0123456789012345678901234567890123456789\"}", NULL);
    }
    CHECK_INT(rc, ERR_DISK_FULL);
    struct list_query q = {.kind = "tag", .limit = 1, .count = true};
    struct list_page p;
    REQUIRE(resource_list(f.k, &f.a, &q, &p, &f.e) == 0);
    CHECK_INT(p.total, n - 1);
    REQUIRE(resource_get(f.k, &f.a, "device", STR("D1"), &r, &f.e) == 0);
    fixture_close(&f);
}

TEST(everything_is_there_after_reopening)
{
    struct fixture f = {0};
    REQUIRE(fixture_open(&f, "a.db"));
    REQUIRE(fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", NULL) == 0);
    CHECK_INT(resource_delete(f.k, &actor_system, "tag", STR("T1"), -1, &f.e), 0);
    int64_t seq = kernel_seq(f.k);
    fixture_close(&f);
    REQUIRE(fixture_open(&f, "a.db"));
    struct resource r;
    CHECK_INT(kernel_seq(f.k), seq);
    CHECK_INT(resource_get(f.k, &f.a, "device", STR("D1"), &r, &f.e), 0);
    REQUIRE(fixture_create(&f, "tag", "T1", "{\"device\":\"D1\"}", &r) == 0);
    CHECK_INT(r.num, 2);
    fixture_close(&f);
}

/* ------------------------------------------------------------------ kill -9 */

static void create_for_ever(int out)
{
    struct fixture f = {0};
    if (!fixture_open(&f, "k.db") || fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL)) _exit(1);
    for (int32_t i = 0;; i++) {
        char code[16];
        snprintf(code, sizeof code, "T%d", (int)i);
        arena_reset(&f.a);
        if (fixture_create(&f, "tag", code, "{\"device\":\"D1\"}", NULL)) _exit(1);
        if (write(out, &i, sizeof i) != sizeof i) _exit(1);
    }
}

TEST(what_was_acknowledged_survives_kill)
{
    int p[2];
    int32_t i = -1, acknowledged = -1;
    REQUIRE(test_tmpdir() && pipe(p) == 0); /* the directory is made before the fork: both use it */
    pid_t child = fork();
    if (child == 0) create_for_ever(p[1]);
    close(p[1]);
    REQUIRE(child > 0);
    while (acknowledged < 25 && read(p[0], &i, sizeof i) == sizeof i) acknowledged = i;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(p[0], &i, sizeof i) == sizeof i) acknowledged = i;
    close(p[0]);
    CHECK(acknowledged >= 25);
    struct fixture f = {0};
    struct resource r;
    struct change *c;
    size_t n;
    REQUIRE(fixture_open(&f, "k.db"));
    for (i = 0; i <= acknowledged; i++) {
        char code[16];
        snprintf(code, sizeof code, "T%d", (int)i);
        REQUIRE(resource_get(f.k, &f.a, "tag", str_of(code), &r, &f.e) == 0);
        CHECK_INT(r.num, i + 1);
    }
    struct list_query q = {.kind = "tag", .count = true, .limit = 1};
    struct list_page page;
    REQUIRE(resource_list(f.k, &f.a, &q, &page, &f.e) == 0);
    REQUIRE(kernel_changes(f.k, &f.a, 0, 1000, &c, &n, &f.e) == 0);
    CHECK_INT(n, page.total + 1); /* the log tells exactly what is there */
    CHECK_INT(c[n - 1].seq, kernel_seq(f.k));
    fixture_close(&f);
}
