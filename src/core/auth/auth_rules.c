/* auth_rules.c - the snapshot of what gives rights: roles, groups, organisations, mappings, settings.
 *
 * Built off the lock from the resources, immutable afterwards. Organisations that hang in a ring or below a
 * missing one (a restored backup, another process) are roots here: nothing is reached through them. Their
 * ids are kept in an arena that only grows, because compiled permissions point to them. */
#include "core/auth/auth_int.h"
#include <stdlib.h>
#include "base/mem.h"

#define RULES_ARENA (128u << 20)

void auth_rules_free(struct auth_rules *r)
{
    if (!r) return;
    mem_free(r->roles);
    mem_free(r->groups);
    mem_free(r->members);
    mem_free(r->orgs);
    mem_free(r->mappings);
    arena_fini(&r->arena);
    mem_free(r);
}

struct loading {
    struct auth *a;
    struct auth_rules *r;
    const char *provider;
};

static const struct json *array_of(struct auth_rules *r, const struct json *spec, const char *name)
{
    const struct json *v = json_get(spec, name);
    return v && v->type == JSON_ARRAY && v->child ? json_copy(&r->arena, v) : NULL;
}

static int take_role(void *ctx, const struct resource *res)
{
    struct auth_rules *r = ((struct loading *)ctx)->r;
    if (!mem_grow((void **)&r->roles, &r->roles_cap, r->nroles + 1, sizeof(*r->roles))) return ERR_NOMEM;
    struct auth_role role = {
        .id = arena_strdup(&r->arena, res->id),
        .code = arena_strdup(&r->arena, res->code),
        .name = arena_strdup(&r->arena, res->name),
        .name_zh = arena_strdup(&r->arena, json_str(json_get(res->spec, "name_zh"), res->name)),
        .permissions = array_of(r, res->spec, "permissions"),
    };
    if (!role.id || !role.code || !role.name || !role.name_zh) return ERR_NOMEM;
    r->roles[r->nroles++] = role;
    return 0;
}

static int take_members(struct auth_rules *r, const struct json *members)
{
    for
        json_each (m, members) {
            if (!mem_grow((void **)&r->members, &r->members_cap, r->nmembers + 1, sizeof(*r->members)))
                return ERR_NOMEM;
            const char *id = arena_strdup(&r->arena, json_str(m, STR("")));
            if (!id) return ERR_NOMEM;
            r->members[r->nmembers++] = (struct auth_member){id, r->ngroups};
        }
    return 0;
}

static int take_group(void *ctx, const struct resource *res)
{
    struct auth_rules *r = ((struct loading *)ctx)->r;
    if (!mem_grow((void **)&r->groups, &r->groups_cap, r->ngroups + 1, sizeof(*r->groups))) return ERR_NOMEM;
    struct auth_group g = {
        .id = arena_strdup(&r->arena, res->id),
        .code = arena_strdup(&r->arena, res->code),
        .roles = array_of(r, res->spec, "roles"),
        .grants = array_of(r, res->spec, "grants"),
        .external = array_of(r, res->spec, "external"),
    };
    if (!g.id || !g.code) return ERR_NOMEM;
    int rc = take_members(r, json_get(res->spec, "members"));
    r->groups[r->ngroups++] = g;
    return rc;
}

/* --- organisations --- */

static const struct auth_org *org_by_id(const struct auth_rules *r, struct str id)
{
    size_t lo = 0, hi = r->norgs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(str_of(r->orgs[mid].id), id);
        if (c == 0) return &r->orgs[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* `a->rules` is read without the lock: only the holder of `reload` replaces it. */
static const char *kept_id(struct auth *a, struct str id)
{
    const struct auth_org *known = a->rules ? org_by_id(a->rules, id) : NULL;
    return known ? known->id : arena_strdup(&a->org_arena, id);
}

static int take_org(void *ctx, const struct resource *res)
{
    struct loading *l = ctx;
    struct auth_rules *r = l->r;
    if (r->norgs == AUTH_ORGS_MAX) return ERR_LIMIT;
    if (!mem_grow((void **)&r->orgs, &r->orgs_cap, r->norgs + 1, sizeof(*r->orgs))) return ERR_NOMEM;
    struct auth_org o = {
        .id = kept_id(l->a, res->id),
        .code = arena_strdup(&r->arena, res->code),
        .name = arena_strdup(&r->arena, res->name),
        .type = arena_strdup(&r->arena, json_str(json_get(res->spec, "type"), STR(""))),
        .parent = -1,
    };
    const char *parent = arena_strdup(&r->arena, json_str(json_get(res->spec, "parent"), STR("")));
    if (!o.id || !o.code || !o.name || !o.type || !parent) return ERR_NOMEM;
    r->orgs[r->norgs++] = o;
    struct str *parents = (struct str *)r->org_ids; /* until the table is sorted: parents by id */
    if (r->norgs % 1024 == 1) {
        struct str *more = arena_alloc(&r->arena, (r->norgs + 1024) * 2 * sizeof(*more));
        if (!more) return ERR_NOMEM;
        if (parents) memcpy(more, parents, (r->norgs - 1) * 2 * sizeof(*more));
        r->org_ids = parents = more;
    }
    parents[2 * (r->norgs - 1)] = str_of(o.id);
    parents[2 * (r->norgs - 1) + 1] = str_of(parent);
    return 0;
}

static int by_org(const void *a, const void *b)
{
    return strcmp(((const struct auth_org *)a)->id, ((const struct auth_org *)b)->id);
}

static bool in_ring(const struct auth_rules *r, int at)
{
    int depth = 0;
    while (at >= 0 && depth++ <= AUTH_DEPTH_MAX) at = r->orgs[at].parent;
    return at >= 0;
}

static int join_orgs(struct auth_rules *r)
{
    struct str *pairs = r->org_ids;
    if (r->norgs) qsort(r->orgs, r->norgs, sizeof(*r->orgs), by_org);
    for (size_t i = 0; i < r->norgs; i++) {
        const struct auth_org *child = org_by_id(r, pairs[2 * i]), *parent = org_by_id(r, pairs[2 * i + 1]);
        if (child && parent) r->orgs[child - r->orgs].parent = (int)(parent - r->orgs);
    }
    for (size_t i = 0; i < r->norgs; i++)
        if (in_ring(r, (int)i)) r->orgs[i].parent = -1;
    r->org_ids = arena_alloc(&r->arena, (r->norgs + 1) * sizeof(*r->org_ids));
    if (!r->org_ids) return ERR_NOMEM;
    for (size_t i = 0; i < r->norgs; i++) r->org_ids[i] = str_of(r->orgs[i].id);
    return 0;
}

const struct auth_org *auth_org_find(const struct auth_rules *r, struct str id_or_code)
{
    const struct auth_org *o = org_by_id(r, id_or_code);
    for (size_t i = 0; !o && i < r->norgs; i++)
        if (str_is(id_or_code, r->orgs[i].code)) o = &r->orgs[i];
    return o;
}

uint64_t *auth_orgs_expand(const struct auth_rules *r, const struct json *refs, struct arena *arena)
{
    uint64_t *set = arena_calloc(arena, auth_words(r) + 1, sizeof(*set));
    if (!set) return NULL;
    for
        json_each (ref, refs) {
            const struct auth_org *o = auth_org_find(r, json_str(ref, STR("")));
            if (o) set[(o - r->orgs) / 64] |= 1ULL << ((o - r->orgs) % 64);
        }
    for (size_t i = 0; i < r->norgs; i++) {
        int at = (int)i;
        while (at >= 0 && !(set[at / 64] >> (at % 64) & 1)) at = r->orgs[at].parent;
        if (at >= 0) set[i / 64] |= 1ULL << (i % 64);
    }
    return set;
}

/* --- mappings of providers, settings --- */

static int take_provider(void *ctx, const struct resource *res)
{
    struct loading *l = ctx;
    struct auth_rules *r = l->r;
    const char *provider = arena_printf(&r->arena, "%s:%.*s", l->provider, STR_ARG(res->code));
    if (!provider) return ERR_NOMEM;
    for
        json_each (m, json_get(res->spec, "mapping")) {
            if (!mem_grow((void **)&r->mappings, &r->mappings_cap, r->nmappings + 1, sizeof(*r->mappings)))
                return ERR_NOMEM;
            struct auth_mapping map = {
                .provider = provider,
                .group = arena_strdup(&r->arena, json_str(json_get(m, "group"), STR(""))),
                .role = arena_strdup(&r->arena, json_str(json_get(m, "role"), STR(""))),
                .orgs = array_of(r, m, "orgs"),
            };
            if (!map.group || !map.role) return ERR_NOMEM;
            r->mappings[r->nmappings++] = map;
        }
    return 0;
}

static int64_t number(const struct json *spec, const char *name, int64_t def)
{
    return json_i64(json_get(spec, name), def);
}

static void read_settings(struct auth_rules *r, const struct json *spec)
{
    r->settings = (struct auth_settings){
        .password_length = number(spec, "password_length", PASSWORD_MIN),
        .password_classes = number(spec, "password_classes", 0),
        .password_history = number(spec, "password_history", 0),
        .password_days = number(spec, "password_days", 0),
        .password_forbidden = array_of(r, spec, "password_forbidden"),
        .lock_count = number(spec, "lock_count", 10),
        .lock_minutes = number(spec, "lock_minutes", 15),
        .idle_us = number(spec, "session_idle_minutes", AUTH_IDLE_US / TIME_US_PER_S / 60) * 60 * TIME_US_PER_S,
        .absolute_us = number(spec, "session_hours", AUTH_ABSOLUTE_US / TIME_US_PER_S / 3600) * 3600 * TIME_US_PER_S,
        .session_count = number(spec, "session_count", AUTH_SESSIONS_PER_USER),
        .token_days = number(spec, "token_days", 0),
        .second_factor_roles = array_of(r, spec, "second_factor_roles"),
        .separate_admins = json_bool(json_get(spec, "separate_admins"), false),
    };
}

static int take_settings(void *ctx, const struct resource *res)
{
    read_settings(((struct loading *)ctx)->r, res->spec);
    return 0;
}

/* --- all --- */

static int by_role(const void *a, const void *b)
{
    return strcmp(((const struct auth_role *)a)->code, ((const struct auth_role *)b)->code);
}
static int by_member(const void *a, const void *b)
{
    return strcmp(((const struct auth_member *)a)->user_id, ((const struct auth_member *)b)->user_id);
}

static int load_kind(struct loading *l, const char *kind, int (*take)(void *ctx, const struct resource *r),
                     struct error *e)
{
    return kernel_kind(l->a->kernel, str_of(kind)) ? resource_each(l->a->kernel, kind, take, l, e) : 0;
}

static int load_all(struct loading *l, struct error *e)
{
    struct auth_rules *r = l->r;
    read_settings(r, NULL);
    int rc = load_kind(l, "role", take_role, e);
    if (!rc) rc = load_kind(l, "group", take_group, e);
    if (!rc) rc = load_kind(l, "org", take_org, e);
    if (!rc) rc = join_orgs(r);
    l->provider = "oidc";
    if (!rc) rc = load_kind(l, "oidc_provider", take_provider, e);
    l->provider = "ldap";
    if (!rc) rc = load_kind(l, "ldap_server", take_provider, e);
    if (!rc) rc = load_kind(l, "security_settings", take_settings, e);
    if (!rc && r->nroles) qsort(r->roles, r->nroles, sizeof(*r->roles), by_role);
    if (!rc && r->nmembers) qsort(r->members, r->nmembers, sizeof(*r->members), by_member);
    return rc;
}

int auth_rules_load(struct auth *a, struct auth_rules **ret, struct error *e)
{
    struct auth_rules *r = mem_calloc(1, sizeof(*r));
    if (!r) return ERR_NOMEM;
    arena_init(&r->arena, RULES_ARENA);
    struct loading l = {.a = a, .r = r};
    int rc = load_all(&l, e);
    if (rc)
        auth_rules_free(r);
    else
        *ret = r;
    return rc;
}

const struct auth_role *auth_role_find(const struct auth_rules *r, struct str id_or_code)
{
    for (size_t i = 0; i < r->nroles; i++)
        if (str_is(id_or_code, r->roles[i].code) || str_is(id_or_code, r->roles[i].id)) return &r->roles[i];
    return NULL;
}

const struct auth_group *auth_group_find(const struct auth_rules *r, struct str id_or_code)
{
    for (size_t i = 0; i < r->ngroups; i++)
        if (str_is(id_or_code, r->groups[i].code) || str_is(id_or_code, r->groups[i].id)) return &r->groups[i];
    return NULL;
}

bool auth_refs_have(const struct json *refs, const char *id, const char *code)
{
    for
        json_each (ref, refs) {
            struct str s = json_str(ref, STR_NULL);
            if ((id && str_is(s, id)) || (code && str_is(s, code))) return true;
        }
    return false;
}
