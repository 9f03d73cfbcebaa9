/* auth_access.c - which roles a user, group or token is given, where and by what, and compiling them.
 *
 * A user has the roles and grants of his own, of the groups that name him as member, that he names, or
 * that carry a name which his provider or directory gave at his last sign-in, and those that the provider's
 * mapping gives. A token has its roles, in its organisations, within what its owner has now. */
#include "base/mem.h"
#include "core/auth/auth_int.h"

#define COMPILE_ARENA (64u << 20)

struct items {
    const struct auth_rules *r;
    struct arena *arena;
    struct access_item *v;
    size_t n, cap;
};

static int add_item(struct items *x, struct str role, const struct json *orgs, bool everywhere,
                    const struct auth_group *via, const char *provider)
{
    const struct auth_role *found = auth_role_find(x->r, role);
    if (!found || (!everywhere && !orgs)) return 0;
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 16;
        struct access_item *v = arena_alloc(x->arena, cap * sizeof(*v));
        if (!v) return ERR_NOMEM;
        if (x->n) memcpy(v, x->v, x->n * sizeof(*v));
        x->v = v;
        x->cap = cap;
    }
    x->v[x->n++] = (struct access_item){found, everywhere ? NULL : orgs, via, provider};
    return 0;
}

static int add_given(struct items *x, const struct json *roles, const struct json *grants, const struct auth_group *via)
{
    int rc = 0;
    for
        json_each (ref, roles)
            if (!rc) rc = add_item(x, json_str(ref, STR("")), NULL, true, via, NULL);
    for
        json_each (g, grants)
            if (!rc) rc = add_item(x, json_str(json_get(g, "role"), STR("")), json_get(g, "orgs"), false, via, NULL);
    return rc;
}

static size_t first_member(const struct auth_rules *r, const char *user_id)
{
    size_t lo = 0, hi = r->nmembers;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (strcmp(r->members[mid].user_id, user_id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool text_among(const struct json *list, struct str s)
{
    for
        json_each (it, list)
            if (str_eq(json_str(it, STR("")), s)) return true;
    return false;
}

/* Groups by a bit each, so that each counts once. */
static int groups_of(struct items *x, const char *user_id, const struct json *named, const struct json *external,
                     uint64_t **ret)
{
    const struct auth_rules *r = x->r;
    uint64_t *set = arena_calloc(x->arena, r->ngroups / 64 + 1, sizeof(*set));
    if (!set) return ERR_NOMEM;
    for (size_t i = first_member(r, user_id); i < r->nmembers && strcmp(r->members[i].user_id, user_id) == 0; i++)
        set[r->members[i].group / 64] |= 1ULL << (r->members[i].group % 64);
    for (size_t i = 0; i < r->ngroups; i++) {
        bool in = auth_refs_have(named, r->groups[i].id, r->groups[i].code);
    for
        json_each (name, external)
            if (!in) in = text_among(r->groups[i].external, json_str(name, STR("")));
    if (in) set[i / 64] |= 1ULL << (i % 64);
    }
    *ret = set;
    return 0;
}

static int add_mapped(struct items *x, const struct json *external)
{
    struct str provider = json_str(json_get(external, "provider"), STR(""));
    int rc = 0;
    for (size_t i = 0; i < x->r->nmappings && !rc; i++) {
        const struct auth_mapping *m = &x->r->mappings[i];
        if (str_is(provider, m->provider) && text_among(json_get(external, "groups"), str_of(m->group)))
            rc = add_item(x, str_of(m->role), m->orgs, !m->orgs, NULL, m->provider);
    }
    return rc;
}

int access_items(const struct auth_rules *r, const char *user_id, const struct json *access,
                 const struct json *external, struct arena *arena, struct access_item **ret, size_t *ret_n)
{
    struct items x = {.r = r, .arena = arena};
    uint64_t *groups = NULL;
    int rc = add_given(&x, json_get(access, "roles"), json_get(access, "grants"), NULL);
    if (!rc) rc = groups_of(&x, user_id, json_get(access, "groups"), json_get(external, "groups"), &groups);
    for (size_t i = 0; i < r->ngroups && !rc; i++)
        if (groups[i / 64] >> (i % 64) & 1) rc = add_given(&x, r->groups[i].roles, r->groups[i].grants, &r->groups[i]);
    if (!rc) rc = add_mapped(&x, external);
    *ret = x.v;
    *ret_n = x.n;
    return rc;
}

int access_rows(const struct auth_rules *r, const struct access_item *items, size_t n, struct perm_rows *rows)
{
    int rc = 0;
    rows->words = auth_words(r);
    for (size_t i = 0; i < n && !rc; i++) {
        uint64_t *orgs = items[i].orgs ? auth_orgs_expand(r, items[i].orgs, rows->arena) : NULL;
        if (items[i].orgs && !orgs) return ERR_NOMEM;
        rc = perm_rows_add(rows, items[i].role->permissions, orgs);
    }
    return rc;
}

int user_items(const struct auth *a, const struct auth_user *u, struct arena *arena, struct access_item **ret,
               size_t *ret_n)
{
    struct json *access = NULL, *external = NULL;
    int rc = json_parse(arena, str_of(u->access), &access, NULL);
    if (!rc && u->external) rc = json_parse(arena, str_of(u->external), &external, NULL);
    return rc ? rc : access_items(a->rules, u->id, access, external, arena, ret, ret_n);
}

static char *role_list(const struct access_item *items, size_t n, bool ids)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) seen = items[j].role == items[i].role;
        if (!seen) buf_printf(&b, "%s%s", b.n ? "," : "", ids ? items[i].role->id : items[i].role->code);
    }
    buf_u8(&b, 0);
    char *text = b.err ? NULL : mem_dup(b.p, b.n);
    buf_fini(&b);
    return text;
}

static bool totp_needed(const struct auth_rules *r, const struct access_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (auth_refs_have(r->settings.second_factor_roles, items[i].role->id, items[i].role->code)) return true;
    return false;
}

int user_compile(struct auth *a, struct auth_user *u)
{
    AUTO_ARENA arena;
    struct access_item *items = NULL;
    struct permissions *may = NULL;
    size_t n = 0;
    arena_init(&arena, COMPILE_ARENA);
    if (u->may && u->compiled == a->rules->generation) return 0;
    struct perm_rows rows = {.arena = &arena};
    int rc = user_items(a, u, &arena, &items, &n);
    if (!rc) rc = access_rows(a->rules, items, n, &rows);
    if (!rc) rc = perm_compile(&rows, a->rules->org_ids, a->rules->norgs, &may);
    char *roles = rc ? NULL : role_list(items, n, false), *ids = rc ? NULL : role_list(items, n, true);
    if (!rc && (!roles || !ids)) rc = ERR_NOMEM;
    if (rc) {
        mem_free(roles);
        mem_free(ids);
        mem_free(may);
        return rc;
    }
    mem_free(u->may);
    mem_free(u->roles);
    mem_free(u->role_ids);
    u->may = may;
    u->roles = roles;
    u->role_ids = ids;
    u->needs_totp = totp_needed(a->rules, items, n);
    u->compiled = a->rules->generation;
    u->stamp = ++a->stamp;
    return 0;
}

static int token_rows(struct auth *a, const struct token *t, struct perm_rows *rows)
{
    struct json *roles = NULL, *orgs = NULL;
    uint64_t *set = NULL;
    int rc = json_parse(rows->arena, str_of(t->roles_json), &roles, NULL);
    if (!rc) rc = json_parse(rows->arena, str_of(t->orgs_json), &orgs, NULL);
    if (!rc && json_count(orgs)) {
        set = auth_orgs_expand(a->rules, orgs, rows->arena);
        if (!set) rc = ERR_NOMEM;
    }
    for
        json_each (ref, roles) {
            const struct auth_role *role = auth_role_find(a->rules, json_str(ref, STR("")));
            if (role && !rc) rc = perm_rows_add(rows, role->permissions, set);
        }
    return rc;
}

int token_compile(struct auth *a, struct token *t, struct auth_user *u)
{
    AUTO_ARENA arena;
    struct access_item *items = NULL;
    struct permissions *may = NULL;
    size_t n = 0;
    int rc = user_compile(a, u);
    arena_init(&arena, COMPILE_ARENA);
    if (rc || (t->may && t->compiled == a->rules->generation && t->stamp == u->stamp)) return rc;
    struct perm_rows own = {.arena = &arena, .words = auth_words(a->rules)}, owner = own, both = own;
    rc = user_items(a, u, &arena, &items, &n);
    if (!rc) rc = access_rows(a->rules, items, n, &owner);
    if (!rc) rc = token_rows(a, t, &own);
    if (!rc) rc = perm_rows_within(&both, &own, &owner);
    if (!rc) rc = perm_compile(&both, a->rules->org_ids, a->rules->norgs, &may);
    if (rc) return rc;
    mem_free(t->may);
    t->may = may;
    t->compiled = a->rules->generation;
    t->stamp = u->stamp;
    return 0;
}

/* --- what a spec gives --- */

int spec_permissions(const struct auth *a, const char *user_id, const struct json *spec, struct permissions **ret)
{
    AUTO_ARENA arena;
    struct access_item *items = NULL;
    size_t n = 0;
    arena_init(&arena, COMPILE_ARENA);
    struct perm_rows rows = {.arena = &arena};
    int rc = access_items(a->rules, user_id, spec, NULL, &arena, &items, &n);
    if (!rc) rc = access_rows(a->rules, items, n, &rows);
    return rc ? rc : perm_compile(&rows, a->rules->org_ids, a->rules->norgs, ret);
}

bool auth_is_admin(const struct permissions *p)
{
    return p && permitted(p, "user", ACT_ADMIN);
}
