/* Lists of somebody who may read some organisations only: rows, totals, fields that he may not see, attacks. */
#include "base/mem.h"
#include "core/auth/auth_perm.h"
#include "core/resource/kernel_fixture.h"

static const char part_kind[] =
    "{\"kind\":\"part\",\"plural\":\"parts\",\"title\":{\"en\":\"Part\",\"zh\":\"备件\"},\"fields\":["
    "{\"name\":\"maker\",\"type\":\"string\"},{\"name\":\"price\",\"type\":\"number\",\"sensitive\":true},"
    "{\"name\":\"key\",\"type\":\"secret\"}],\"lists\":{\"columns\":[\"code\",\"name\"],\"sort\":\"code\"}}";

static struct str orgs[] = {{"org-a", 5}, {"org-b", 5}, {"org-c", 5}};

struct reader {
    struct fixture f;
    struct actor by;
    struct permissions *may;
};

static bool start(struct reader *r)
{
    uint64_t bits = 2; /* org-b */
    struct perm_rows rows = {.words = 1};
    if (!fixture_open(&r->f, NULL) || kernel_kind_add(r->f.k, str_of(part_kind), &r->f.e)) return false;
    rows.arena = &r->f.a;
    for (int i = 0; i < 90; i++) {
        struct resource made;
        struct resource_input in = {.code = str_of(arena_printf(&r->f.a, "P%02d", i)),
                                    .name = STR("泵"),
                                    .org = i % 9 == 0 ? STR("") : orgs[i % 3],
                                    .spec = fixture_json(&r->f, "{\"maker\":\"Weir\",\"price\":100}")};
        if (resource_create(r->f.k, &r->f.a, &actor_system, "part", &in, &made, &r->f.e)) return false;
    }
    const struct json *p = fixture_json(&r->f, "[{\"kinds\":[\"part\"],\"actions\":[\"read\"]}]");
    if (perm_rows_add(&rows, p, &bits) || perm_compile(&rows, orgs, 3, &r->may)) return false;
    r->by = (struct actor){.login = "anna", .may = r->may};
    return true;
}

static void end(struct reader *r)
{
    mem_free(r->may);
    fixture_close(&r->f);
}

static int list(struct reader *r, struct list_query q, struct list_page *p)
{
    q.kind = "part";
    q.by = &r->by;
    q.count = true;
    r->f.e = (struct error){0};
    return resource_list(r->f.k, &r->f.a, &q, p, &r->f.e);
}

TEST(pages_hold_only_what_he_may_read)
{
    struct reader r = {.may = NULL};
    struct list_page p;
    REQUIRE(start(&r));
    CHECK_INT(list(&r, (struct list_query){.limit = 1000}, &p), 0);
    CHECK_INT(p.n, 40); /* 30 of org-b and 10 of the platform */
    CHECK_INT(p.total, 40);
    for (size_t i = 0; i < p.n; i++) CHECK(str_is(p.items[i].org, "org-b") || !p.items[i].org.n);
    CHECK_INT(list(&r, (struct list_query){.text = STR("泵")}, &p), 0);
    CHECK_INT(p.total, 40);
    CHECK_INT(list(&r, (struct list_query){.filter = STR("org = 'org-c'")}, &p), 0);
    CHECK_INT(p.total, 0);
    CHECK_INT(list(&r, (struct list_query){.filter = STR("org = null")}, &p), 0);
    CHECK_INT(p.total, 10);
    end(&r);
}

TEST(cursors_go_through_everything_once)
{
    static const char *const sorts[] = {"code", "-code", "name", "-updated_at", "maker,-code", "num", "-maker"};
    struct reader r = {.may = NULL};
    REQUIRE(start(&r));
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        struct list_query q = {.limit = 7, .sort = str_of(sorts[i])};
        struct list_page p;
        bool seen[100] = {false};
        size_t n = 0;
        do {
            REQUIRE(list(&r, q, &p) == 0);
            for (size_t k = 0; k < p.n; k++) {
                int64_t at = 0;
                CHECK_INT(str_to_i64(str_sub(p.items[k].code, 1, 2), &at), 0);
                CHECK(!seen[at]);
                seen[at] = true;
            }
            n += p.n;
            q.after = p.next;
        } while (p.next.p && n < 100);
        CHECK_INT(n, 40);
    }
    end(&r);
}

TEST(what_he_may_not_see_tells_nothing)
{
    static const char *const filters[] = {"price > 50", "price = null", "key = 'x'", "nothing = 1", "spec.price = 100"};
    static const char *const sorts[] = {"price", "-price", "nothing", "key"};
    struct reader r = {.may = NULL};
    struct list_page p;
    REQUIRE(start(&r));
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        CHECK_INT(list(&r, (struct list_query){.filter = str_of(filters[i])}, &p), ERR_INVALID);
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
        CHECK_INT(list(&r, (struct list_query){.sort = str_of(sorts[i])}, &p), ERR_INVALID);
    CHECK_INT(list(&r, (struct list_query){.text = STR("100")}, &p), 0);
    CHECK_INT(p.total, 0);
    end(&r);
}

TEST(attacks_are_values_or_faults)
{
    static const char *const bad[] = {"code = '' or 1=1",
                                      "code='x') or ('1'='1",
                                      "code = 'x'; drop table resource",
                                      "code = 'x' -- ",
                                      "1=1",
                                      "code = 'x' union select spec from resource",
                                      "labels.a' = 'x'",
                                      "labels.\"a\" = 1",
                                      "org under 'x' or 1=1",
                                      "org in (select id from resource)",
                                      "code like '%'",
                                      "(select 1)",
                                      "$1 = 1",
                                      "code = $1",
                                      "code ~ '%' or true"};
    struct reader r = {.may = NULL};
    struct list_page p;
    REQUIRE(start(&r));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct list_query q = {.filter = str_of(bad[i])};
        int rc = list(&r, q, &p);
        if (!(rc == ERR_INVALID || (rc == 0 && p.total == 0))) test_fail(__FILE__, __LINE__, "%s: %d", bad[i], rc);
        q = (struct list_query){.sort = str_of(bad[i])}; /* whatever follows "labels." is a key, and a parameter */
        CHECK_INT(list(&r, q, &p), str_starts(q.sort, STR("labels.")) ? 0 : ERR_INVALID);
        q = (struct list_query){.after = str_of(bad[i])};
        CHECK_INT(list(&r, q, &p), ERR_INVALID);
    }
    end(&r);
}
