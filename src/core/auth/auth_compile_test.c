/* Compiling rows of roles: organisations, fields, unions, what is within what. */
#include "base/mem.h"
#include "base/test.h"
#include "core/auth/auth_perm.h"

static const struct str orgs[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
static const uint64_t only_ab[] = {3}, only_bc[] = {6}, only_d[] = {8};
static struct arena arena;

static void add(struct perm_rows *rows, const char *role, const uint64_t *where)
{
    struct json *v = NULL;
    CHECK(json_parse(&arena, str_of(role), &v, NULL) == 0);
    CHECK(perm_rows_add(rows, v, where) == 0);
}

static struct perm_rows rows_of(const char *role, const uint64_t *where)
{
    struct perm_rows rows = {.arena = &arena, .words = 1};
    add(&rows, role, where);
    return rows;
}

static struct permissions *compiled(const struct perm_rows *rows)
{
    struct permissions *p = NULL;
    CHECK(perm_compile(rows, orgs, 4, &p) == 0);
    return p;
}

#define READ_POINT "[{\"kinds\":[\"point\"],\"actions\":[\"read\",\"write\"]}]"
#define READ_ALL "[{\"kinds\":[\"*\"],\"actions\":[\"read\"]}]"
#define EVERYTHING \
    "[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"approve\",\"control\",\"sensitive\",\"admin\"]}" \
    "]"

TEST(organisations_limit_a_row)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = rows_of(READ_POINT, only_ab);
    AUTO_FREE struct permissions *p = compiled(&rows);
    CHECK(permitted(p, "point", ACT_READ) && permitted(p, "point", ACT_WRITE) && !permitted(p, "point", ACT_DELETE));
    CHECK(permitted_at(p, "point", ACT_WRITE, STR("a")) && permitted_at(p, "point", ACT_WRITE, STR("b")));
    CHECK(!permitted_at(p, "point", ACT_WRITE, STR("c")) && !permitted_at(p, "point", ACT_WRITE, STR("nowhere")));
    CHECK(permitted_at(p, "point", ACT_READ, STR("")) && !permitted_at(p, "point", ACT_WRITE, STR("")));
    CHECK(!permitted(p, "device", ACT_READ) && !permitted_at(p, "device", ACT_READ, STR("")));
    struct scope s = permitted_scope(p, "point", ACT_READ);
    CHECK(!s.all && s.n == 2 && scope_has(&s, STR("b")) && !scope_has(&s, STR("c")) && !scope_has(&s, STR("")));
    s = permitted_scope(p, "device", ACT_READ);
    CHECK(!s.all && s.n == 0);
    s = permitted_scope(NULL, "device", ACT_READ);
    CHECK(s.all && permitted_at(NULL, "x", ACT_ADMIN, STR("c")));
    arena_fini(&arena);
}

TEST(grants_add_up)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = rows_of(READ_POINT, only_ab);
    add(&rows, READ_ALL, only_bc);
    AUTO_FREE struct permissions *p = compiled(&rows);
    struct scope s = permitted_scope(p, "point", ACT_READ);
    CHECK_INT(s.n, 3);
    s = permitted_scope(p, "device", ACT_READ);
    CHECK(s.n == 2 && scope_has(&s, STR("c")) && !scope_has(&s, STR("a")));
    CHECK(permitted_at(p, "point", ACT_WRITE, STR("a")) && !permitted_at(p, "point", ACT_WRITE, STR("c")));
    CHECK(!permitted(p, "user", ACT_READ));
    add(&rows, READ_ALL, NULL);
    AUTO_FREE struct permissions *all = compiled(&rows);
    s = permitted_scope(all, "point", ACT_READ);
    CHECK(s.all && !permitted_at(all, "point", ACT_WRITE, STR("")));
    arena_fini(&arena);
}

TEST(fields_limit_reading_and_writing)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = rows_of(
        "[{\"kinds\":[\"point\"],\"actions\":[\"read\",\"write\",\"delete\"],\"fields\":[\"period\",\"spec.lo\"]}]",
        only_ab);
    AUTO_FREE struct permissions *p = compiled(&rows);
    CHECK(permitted(p, "point", ACT_WRITE) && !permitted_all_fields(p, "point", ACT_WRITE));
    CHECK(permitted_field(p, "point", ACT_WRITE, STR("a"), STR("period")) &&
          permitted_field(p, "point", ACT_READ, STR("a"), STR("lo")));
    CHECK(!permitted_field(p, "point", ACT_WRITE, STR("a"), STR("hi")) &&
          !permitted_field(p, "point", ACT_WRITE, STR("c"), STR("lo")));
    CHECK(permitted_at(p, "point", ACT_DELETE, STR("b")));
    add(&rows, READ_POINT, only_bc);
    AUTO_FREE struct permissions *more = compiled(&rows);
    CHECK(permitted_field(more, "point", ACT_WRITE, STR("b"), STR("hi")) &&
          !permitted_field(more, "point", ACT_WRITE, STR("a"), STR("hi")) &&
          !permitted_all_fields(more, "point", ACT_READ));
    add(&rows, READ_POINT, only_ab);
    AUTO_FREE struct permissions *full = compiled(&rows);
    CHECK(permitted_all_fields(full, "point", ACT_READ) && permitted_all_fields(full, "point", ACT_WRITE));
    arena_fini(&arena);
}

TEST(a_star_reaches_protected_kinds_only_with_admin)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = rows_of(READ_ALL, NULL);
    AUTO_FREE struct permissions *p = compiled(&rows);
    static const char *const kinds[] = {"user",          "group",       "role",   "audit",         "security_settings",
                                        "oidc_provider", "ldap_server", "secret", "audit_settings"};
    for (size_t i = 0; i < 9; i++) CHECK(!permitted(p, kinds[i], ACT_READ) && perm_protected(str_of(kinds[i])));
    CHECK(permitted(p, "org", ACT_READ) && perm_people(STR("org")) && !perm_people(STR("audit")));
    struct perm_rows wide = rows_of(EVERYTHING, NULL);
    AUTO_FREE struct permissions *all = compiled(&wide);
    for (size_t i = 0; i < 9; i++) CHECK(permitted(all, kinds[i], ACT_ADMIN));
    CHECK(perm_covers(all, p) && !perm_covers(p, all) && perm_covers(NULL, all));
    arena_fini(&arena);
}

TEST(a_token_is_within_its_owner)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows owner = rows_of(READ_ALL, only_ab), both = {.arena = &arena, .words = 1};
    add(&owner, "[{\"kinds\":[\"point\"],\"actions\":[\"write\"],\"fields\":[\"lo\",\"hi\"]}]", only_ab);
    struct perm_rows token = rows_of(READ_POINT, only_bc);
    add(&token, "[{\"kinds\":[\"user\",\"device\"],\"actions\":[\"read\"]}]", NULL);
    CHECK(perm_rows_within(&both, &token, &owner) == 0);
    struct permissions *p = compiled(&both), *o = compiled(&owner), *t = compiled(&token);
    CHECK(permitted_at(p, "point", ACT_READ, STR("b")) && !permitted_at(p, "point", ACT_READ, STR("a")) &&
          !permitted_at(p, "point", ACT_READ, STR("c")));
    CHECK(permitted_field(p, "point", ACT_WRITE, STR("b"), STR("lo")) &&
          !permitted_field(p, "point", ACT_WRITE, STR("b"), STR("period")));
    CHECK(permitted_at(p, "device", ACT_READ, STR("a")) && !permitted_at(p, "device", ACT_READ, STR("c")));
    CHECK(!permitted(p, "user", ACT_READ) && !permitted(p, "channel", ACT_READ));
    CHECK(perm_covers(o, p) && perm_covers(t, p) && !perm_covers(o, t) && !perm_covers(p, o));
    mem_free(p);
    mem_free(o);
    mem_free(t);
    arena_fini(&arena);
}

TEST(covering_looks_at_organisations_and_fields)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows a = rows_of(READ_POINT, only_ab), d = rows_of(READ_POINT, only_d), w = rows_of(READ_POINT, NULL);
    struct perm_rows f = rows_of("[{\"kinds\":[\"point\"],\"actions\":[\"read\"],\"fields\":[\"lo\"]}]", only_ab);
    struct permissions *pa = compiled(&a), *pd = compiled(&d), *pw = compiled(&w), *pf = compiled(&f);
    CHECK(perm_covers(pw, pa) && perm_covers(pw, pd) && !perm_covers(pa, pd) && !perm_covers(pa, pw));
    CHECK(perm_covers(pa, pf) && !perm_covers(pf, pa) && !perm_covers(pd, pf));
    CHECK(perm_reaches(pa, pw) && perm_reaches(pf, pf) && !perm_reaches(pf, pa));
    struct permissions *copy = mem_dup(pa, perm_size(pa));
    CHECK(permitted_at(copy, "point", ACT_READ, STR("b")) && !permitted_at(copy, "point", ACT_READ, STR("d")));
    mem_free(copy);
    mem_free(pa);
    mem_free(pd);
    mem_free(pw);
    mem_free(pf);
    arena_fini(&arena);
}

TEST(nothing_is_refused)
{
    arena_init(&arena, 16 << 20);
    struct perm_rows none = {.arena = &arena};
    AUTO_FREE struct permissions *p = compiled(&none);
    for (enum api_action act = ACT_READ; act <= ACT_ADMIN; act++)
        CHECK(!permitted(p, "point", act) && !permitted_at(p, "user", act, STR("a")));
    struct perm_rows bad = rows_of("[{\"kinds\":[\"point\"],\"actions\":[\"read\"],\"fields\":[\"\"]},{\"kinds\":[],"
                                   "\"actions\":[\"admin\"]},{\"kinds\":[\"x\"],\"actions\":[\"fly\"]}]",
                                   NULL);
    AUTO_FREE struct permissions *q = compiled(&bad);
    CHECK(!permitted(q, "point", ACT_READ) && !permitted(q, "x", ACT_READ) && !permitted(q, "x", ACT_ADMIN));
    arena_fini(&arena);
}
