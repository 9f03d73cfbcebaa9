/* auth_users.c - users and roles as the requests need them: a snapshot compiled from the resources.
 *
 * The snapshot is built off the lock from resource_each over both kinds and the credentials, and
 * swapped in whole; the old one is freed at once because readers copy what they need under the lock. */
#include "core/auth/auth_int.h"
#include "base/mem.h"
#include "io/log.h"

#define USERS_ARENA (64u << 20)

/* Built-in roles, created when missing; what people make of the others later is theirs. */
static const struct {
    const char *code, *name, *spec;
} builtin[] = {
    {"administrator", "Administrator",
     "{\"name_zh\":\"管理员\",\"description\":\"Everything, including users, roles and the audit log\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"control\",\"admin\"]}]}"},
    {"engineer", "Engineer",
     "{\"name_zh\":\"工程师\",\"description\":\"Configures everything but users and roles\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"control\"]}]}"},
    {"operator", "Operator",
     "{\"name_zh\":\"操作员\",\"description\":\"Sees everything, writes to equipment, keeps own trends\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"control\"]},"
     "{\"kinds\":[\"trend\"],\"actions\":[\"read\",\"write\",\"delete\"]}]}"},
    {"viewer", "Viewer",
     "{\"name_zh\":\"浏览者\",\"description\":\"Sees everything, changes nothing\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\"]}]}"},
};

static int create_role(struct auth *a, size_t i, struct error *e)
{
    AUTO_ARENA arena;
    arena_init(&arena, 1 << 20);
    struct resource r;
    int rc = resource_get(a->kernel, &arena, "role", str_of(builtin[i].code), &r, NULL);
    if (rc != ERR_NOT_FOUND) return rc;
    struct json *spec = NULL;
    rc = json_parse(&arena, str_of(builtin[i].spec), &spec, e);
    if (rc) return rc;
    struct resource_input in = {.code = str_of(builtin[i].code), .name = str_of(builtin[i].name), .spec = spec};
    return resource_create(a->kernel, &arena, &actor_system, "role", &in, &r, e);
}

int auth_roles_builtin(struct auth *a, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]) && !rc; i++) rc = create_role(a, i, e);
    return rc;
}

void auth_users_free(struct auth_users *u)
{
    if (!u) return;
    for (size_t i = 0; i < u->nusers; i++) mem_free(u->users[i].may);
    for (size_t i = 0; i < u->nroles; i++) mem_free(u->roles[i].may);
    mem_free(u->users);
    mem_free(u->roles);
    arena_fini(&u->arena);
    mem_free(u);
}

static int by_code(const void *a, const void *b)
{
    return strcmp(((const struct auth_role *)a)->code, ((const struct auth_role *)b)->code);
}
static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct auth_user *)a)->id, ((const struct auth_user *)b)->id);
}

static int take_role(void *ctx, const struct resource *r)
{
    struct auth_users *u = ctx;
    if (!mem_grow((void **)&u->roles, &u->roles_cap, u->nroles + 1, sizeof(*u->roles))) return ERR_NOMEM;
    struct auth_role role = {.id = arena_strdup(&u->arena, r->id), .code = arena_strdup(&u->arena, r->code)};
    if (!role.id || !role.code) return ERR_NOMEM;
    int rc = perm_add_role(&role.may, json_get(r->spec, "permissions"));
    if (rc) {
        mem_free(role.may);
        return rc;
    }
    u->roles[u->nroles++] = role;
    return 0;
}

/* References to roles hold the id or the code; auth_role_find takes both. */
static int user_roles(struct auth_users *u, const struct json *refs, struct auth_user *user)
{
    user->roles = arena_calloc(&u->arena, json_count(refs) + 1, sizeof(*user->roles));
    if (!user->roles) return ERR_NOMEM;
    int rc = perm_add_role(&user->may, NULL);
    for
        json_each (ref, refs) {
            const struct auth_role *role = auth_role_find(u, json_str(ref, STR_NULL));
            if (!role || rc) continue;
            user->roles[user->nroles++] = role->code;
            rc = perm_union(&user->may, role->may);
        }
    return rc;
}

struct user_load {
    struct auth_users *users;
    struct arena *arena;
    struct json **roles; /* of users[i], until the roles are joined */
    size_t cap;
};

static int take_user(void *ctx, const struct resource *r)
{
    struct user_load *x = ctx;
    struct auth_users *u = x->users;
    if (!mem_grow((void **)&u->users, &u->users_cap, u->nusers + 1, sizeof(*u->users))) return ERR_NOMEM;
    if (!mem_grow((void **)&x->roles, &x->cap, u->nusers + 1, sizeof(*x->roles))) return ERR_NOMEM;
    struct str shown = json_str(json_get(r->spec, "display_name"), r->name);
    struct auth_user user = {
        .id = arena_strdup(&u->arena, r->id),
        .login = arena_strdup(&u->arena, r->code),
        .name = arena_strdup(&u->arena, shown.n ? shown : r->code),
        .disabled = json_bool(json_get(r->spec, "disabled"), false),
    };
    if (!user.id || !user.login || !user.name) return ERR_NOMEM;
    x->roles[u->nusers] = json_copy(x->arena, json_get(r->spec, "roles"));
    u->users[u->nusers++] = user;
    return 0;
}

static int load_users(struct auth *a, struct auth_users *u, struct error *e)
{
    AUTO_ARENA arena;
    arena_init(&arena, USERS_ARENA);
    struct user_load x = {.users = u, .arena = &arena};
    int rc = resource_each(a->kernel, "user", take_user, &x, e);
    for (size_t i = 0; i < u->nusers && !rc; i++) rc = user_roles(u, x.roles[i], &u->users[i]);
    mem_free(x.roles);
    if (!rc && u->nusers) qsort(u->users, u->nusers, sizeof(*u->users), by_id);
    return rc;
}

static struct auth_user *find_user(const struct auth_users *u, struct str id)
{
    size_t lo = 0, hi = u->nusers;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(str_of(u->users[mid].id), id);
        if (c == 0) return &u->users[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static int load_credentials(struct auth *a, struct auth_users *u, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select user_id from api_credential", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        struct auth_user *user = find_user(u, sql_str(s, 0));
        if (user) user->has_password = true;
        rc = 0;
        continue;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int auth_users_load(struct auth *a, struct auth_users **ret, struct error *e)
{
    struct auth_users *u = mem_calloc(1, sizeof(*u));
    if (!u) return ERR_NOMEM;
    arena_init(&u->arena, USERS_ARENA);
    int rc = resource_each(a->kernel, "role", take_role, u, e);
    if (!rc && u->nroles) qsort(u->roles, u->nroles, sizeof(*u->roles), by_code);
    if (!rc) rc = load_users(a, u, e);
    if (!rc) rc = load_credentials(a, u, e);
    if (rc) {
        auth_users_free(u);
        return rc;
    }
    *ret = u;
    return 0;
}

const struct auth_user *auth_user_by_id(const struct auth *a, struct str id)
{
    return find_user(a->users, id);
}

const struct auth_user *auth_user_by_login(const struct auth *a, struct str login)
{
    for (size_t i = 0; i < a->users->nusers; i++)
        if (str_is(login, a->users->users[i].login)) return &a->users->users[i];
    return NULL;
}

const struct auth_role *auth_role_find(const struct auth_users *u, struct str id_or_code)
{
    for (size_t i = 0; i < u->nroles; i++)
        if (str_is(id_or_code, u->roles[i].code) || str_is(id_or_code, u->roles[i].id)) return &u->roles[i];
    return NULL;
}

int auth_principal(const struct auth_user *u, const struct permissions *may, struct arena *arena, struct principal *p)
{
    if (!may) may = u->may;
    struct permissions *copy = arena_alloc(arena, perm_size(may));
    p->roles = arena_calloc(arena, u->nroles + 1, sizeof(*p->roles));
    p->name = arena_str(arena, str_of(u->name));
    if (!copy || !p->roles || !p->name.p) return ERR_NOMEM;
    memcpy(copy, may, perm_size(may));
    p->actor.may = copy;
    snprintf(p->actor.user_id, sizeof(p->actor.user_id), "%s", u->id);
    snprintf(p->actor.login, sizeof(p->actor.login), "%s", u->login);
    p->must_set_password = !u->has_password;
    p->nroles = u->nroles;
    for (size_t i = 0; i < u->nroles; i++) p->roles[i] = arena_str(arena, str_of(u->roles[i]));
    return 0;
}

/* --- hooks: the last administrator stays; whoever changes a user or a role reloads the snapshot --- */

bool auth_is_admin(const struct permissions *p)
{
    return p && (perm_mask(p, "user") & (1u << ACT_ADMIN));
}

static bool other_admin(struct auth *a, struct str id)
{
    bool found = false, any = false;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->users->nusers && !found; i++) {
        const struct auth_user *u = &a->users->users[i];
        if (u->disabled || !auth_is_admin(u->may)) continue;
        if (str_is(id, u->id))
            any = true;
        else
            found = true;
    }
    pthread_mutex_unlock(&a->lock);
    return found || !any; /* who is no administrator cannot be the last one */
}

static bool keeps_admin(struct auth *a, const struct json *spec)
{
    if (json_bool(json_get(spec, "disabled"), false)) return false;
    bool admin = false;
    pthread_mutex_lock(&a->lock);
    for
        json_each (ref, json_get(spec, "roles")) {
            const struct auth_role *role = auth_role_find(a->users, json_str(ref, STR_NULL));
            if (role && auth_is_admin(role->may)) admin = true;
        }
    pthread_mutex_unlock(&a->lock);
    return admin;
}

static int validate_user(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                         const struct resource *old, const struct resource *new_, struct error *e)
{
    struct auth *a = ctx;
    if (!old || (new_ && keeps_admin(a, new_->spec)) || other_admin(a, old->id)) return 0;
    return error_set(e, ERR_REFERENCED, "",
                     "%.*s is the last user who may administer users; make another one administrator first",
                     "%.*s 是最后一个可管理用户的账号，请先指定另一位管理员", STR_ARG(old->code));
}

static int validate_role(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                         const struct resource *old, const struct resource *new_, struct error *e)
{
    struct permissions *p = NULL;
    if (!old || !str_is(old->code, "administrator")) return 0;
    bool ok = new_ && str_is(new_->code, "administrator") &&
              perm_add_role(&p, json_get(new_->spec, "permissions")) == 0 &&
              p->any_protected == (1u << (ACT_ADMIN + 1)) - 1;
    mem_free(p);
    if (ok) return 0;
    return error_set(e, ERR_REFERENCED, "", "the role administrator keeps its code and all permissions",
                     "administrator 角色须保留其编码和全部权限");
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct auth *a = ctx;
    struct error e = {0};
    if (auth_reload(a, &e)) log_error("auth", "users and roles cannot be read again", "err=\"%s\"", e.text);
    for (size_t i = 0; i < n; i++) {
        if (c[i].op != CHANGE_DELETE || !str_is(c[i].kind, "user")) continue;
        sessions_drop_user(a, c[i].id, "");
        tokens_drop_user(a, c[i].id);
    }
}

int auth_hooks_add(struct auth *a, struct error *e)
{
    struct kind_hooks user = {.kind = "user", .validate = validate_user, .changed = changed, .ctx = a};
    struct kind_hooks role = {.kind = "role", .validate = validate_role, .changed = changed, .ctx = a};
    int rc = kernel_hooks_add(a->kernel, &user);
    if (!rc) rc = kernel_hooks_add(a->kernel, &role);
    if (rc) return error_set(e, rc, "", "the hooks of users and roles cannot be added", NULL);
    return 0;
}
