/* auth_users.c - users as the requests need them: one block each, found by id and by login.
 *
 * A block is made off the lock from the resource and the tables of credentials, and put in place of the
 * old one under it; readers copy what they need under the lock, so the old one is freed at once. */
#include "base/mem.h"
#include "core/auth/auth_int.h"

static void user_free(void *p)
{
    struct auth_user *u = p;
    if (!u) return;
    mem_free(u->login);
    mem_free(u->name);
    mem_free(u->access);
    mem_free(u->external);
    mem_free(u->may);
    mem_free(u->roles);
    mem_free(u->role_ids);
    mem_free(u);
}

void auth_users_free(struct auth *a)
{
    struct auth_map logins = a->logins;
    auth_map_fini(&a->users, user_free);
    mem_free(logins.slots);
    a->logins = (struct auth_map){0};
}

static char *copy_text(struct str s)
{
    char *p = mem_calloc(1, s.n + 1);
    if (p && s.n) memcpy(p, s.p, s.n);
    return p;
}

static char *access_of(const struct json *spec)
{
    static const char *const names[] = {"roles", "grants", "groups"};
    struct buf b;
    buf_init(&b, LIMIT_SPEC);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    for (size_t i = 0; i < 3; i++) {
        const struct json *v = json_get(spec, names[i]);
        if (!v || v->type != JSON_ARRAY) continue;
        jw_key(&w, str_of(names[i]));
        jw_json(&w, v);
    }
    jw_end(&w);
    char *text = b.err ? NULL : copy_text(buf_view(&b));
    buf_fini(&b);
    return text;
}

static struct auth_user *user_of(const struct resource *r)
{
    struct auth_user *u = mem_calloc(1, sizeof(*u));
    if (!u) return NULL;
    struct str shown = json_str(json_get(r->spec, "display_name"), r->name);
    str_to_cstr(r->id, u->id, sizeof(u->id));
    str_to_cstr(r->org, u->org, sizeof(u->org));
    u->login = copy_text(r->code);
    u->name = copy_text(shown.n ? shown : r->code);
    u->access = access_of(r->spec);
    u->disabled = json_bool(json_get(r->spec, "disabled"), false);
    u->service = json_bool(json_get(r->spec, "service"), false);
    if (u->login && u->name && u->access) return u;
    user_free(u);
    return NULL;
}

static void login_key(struct str login, uint8_t key[DIGEST])
{
    auth_digest(login, key);
}

/* Under the lock. Takes u over; what a change of the resource does not touch goes on. */
static int put_user(struct auth *a, struct auth_user *u)
{
    uint8_t key[DIGEST], name[DIGEST];
    login_key(str_of(u->id), key);
    struct auth_user *old = auth_map_take(&a->users, key);
    if (old) {
        u->failures = old->failures;
        login_key(str_of(old->login), name);
        if (auth_map_get(&a->logins, name) == old) (void)auth_map_take(&a->logins, name);
    }
    login_key(str_of(u->login), name);
    int rc = auth_map_put(&a->users, key, u);
    if (!rc && !auth_map_get(&a->logins, name)) rc = auth_map_put(&a->logins, name, u);
    user_free(old);
    return rc;
}

static void drop_user(struct auth *a, struct str id)
{
    uint8_t key[DIGEST], name[DIGEST];
    login_key(id, key);
    struct auth_user *u = auth_map_take(&a->users, key);
    if (!u) return;
    login_key(str_of(u->login), name);
    if (auth_map_get(&a->logins, name) == u) (void)auth_map_take(&a->logins, name);
    user_free(u);
}

/* --- what the tables know: password, second factor, lock, groups from outside --- */

static const struct {
    const char *all, *one;
} state_sql = {
    "select user_id, changed_us, 0, '' from api_credential"
    " union all select user_id, 0, 1, '' from api_second_factor where confirmed_us > 0"
    " union all select user_id, locked_us, 2, '' from api_lock"
    " union all select user_id, 0, 3, groups from api_external",
    "select user_id, changed_us, 0, '' from api_credential where user_id = $1"
    " union all select user_id, 0, 1, '' from api_second_factor where confirmed_us > 0 and user_id = $1"
    " union all select user_id, locked_us, 2, '' from api_lock where user_id = $1"
    " union all select user_id, 0, 3, groups from api_external where user_id = $1",
};

static int take_state(struct auth_user *u, struct sql_stmt *s)
{
    int64_t what = sql_i64(s, 2);
    switch (what) {
    case 0:
        u->has_password = true;
        u->password_us = sql_i64(s, 1);
        return 0;
    case 1: u->has_totp = true; return 0;
    case 2: u->locked_us = sql_i64(s, 1); return 0;
    default:
        mem_free(u->external);
        u->external = copy_text(sql_str(s, 3));
        return u->external ? 0 : ERR_NOMEM;
    }
}

static int read_states(struct auth *a, struct str id, struct auth_user *(*find)(void *ctx, struct str id), void *ctx,
                       struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, id.p ? state_sql.one : state_sql.all, &s, e);
    if (!rc && id.p) sql_bind_str(s, 1, id);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        struct auth_user *u = find(ctx, sql_str(s, 0));
        rc = u ? take_state(u, s) : 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static struct auth_user *the_one(void *ctx, struct str id)
{
    return ctx;
}

int auth_user_load(struct auth *a, struct str id, struct error *e)
{
    AUTO_ARENA arena;
    struct resource r;
    arena_init(&arena, 4 << 20);
    int rc = resource_get(a->kernel, &arena, "user", id, &r, e);
    if (rc == ERR_NOT_FOUND) {
        pthread_mutex_lock(&a->lock);
        drop_user(a, id);
        pthread_mutex_unlock(&a->lock);
        return 0;
    }
    if (rc) return rc;
    struct auth_user *u = user_of(&r);
    if (!u) return ERR_NOMEM;
    rc = read_states(a, r.id, the_one, u, e);
    if (rc) {
        user_free(u);
        return rc;
    }
    pthread_mutex_lock(&a->lock);
    rc = put_user(a, u);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* --- all of them --- */

static int take_user(void *ctx, const struct resource *r)
{
    struct auth *fresh = ctx;
    struct auth_user *u = user_of(r);
    return u ? put_user(fresh, u) : ERR_NOMEM;
}

static struct auth_user *among(void *ctx, struct str id)
{
    return auth_user_by_id(ctx, id);
}

int auth_users_load(struct auth *a, struct error *e)
{
    struct auth *fresh = mem_calloc(1, sizeof(*fresh)); /* only its maps are used */
    if (!fresh) return ERR_NOMEM;
    fresh->db = a->db;
    auth_map_init(&fresh->users, AUTH_USERS_MAX);
    auth_map_init(&fresh->logins, AUTH_USERS_MAX);
    int rc = resource_each(a->kernel, "user", take_user, fresh, e);
    if (!rc) rc = read_states(a, STR_NULL, among, fresh, e);
    if (!rc) {
        struct auth_map users = a->users, logins = a->logins;
        pthread_mutex_lock(&a->lock);
        a->users = fresh->users;
        a->logins = fresh->logins;
        fresh->users = users;
        fresh->logins = logins;
        pthread_mutex_unlock(&a->lock);
    }
    auth_users_free(fresh);
    mem_free(fresh);
    return rc;
}

/* --- finding --- */

struct auth_user *auth_user_by_id(const struct auth *a, struct str id)
{
    uint8_t key[DIGEST];
    login_key(id, key);
    return auth_map_get(&a->users, key);
}

struct auth_user *auth_user_by_login(const struct auth *a, struct str login)
{
    uint8_t key[DIGEST];
    login_key(login, key);
    return auth_map_get(&a->logins, key);
}

struct auth_user *auth_user_find(const struct auth *a, struct str id_or_login)
{
    struct auth_user *u = auth_user_by_id(a, id_or_login);
    return u ? u : auth_user_by_login(a, id_or_login);
}

bool auth_sees(const struct auth *a, const struct actor *by, const char *user_id)
{
    if (strcmp(by->user_id, user_id) == 0) return true;
    const struct auth_user *u = auth_user_by_id(a, str_of(user_id));
    return permitted_at(by->may, "user", ACT_ADMIN, str_of(u ? u->org : ""));
}

static int split_roles(const char *codes, struct arena *arena, struct principal *p)
{
    struct str all = arena_str(arena, str_of(codes));
    size_t n = all.n > 0;
    for (size_t i = 0; i < all.n; i++) n += all.p[i] == ',';
    p->roles = arena_calloc(arena, n + 1, sizeof(*p->roles));
    if (!all.p || !p->roles) return ERR_NOMEM;
    for (p->nroles = 0; all.n;) p->roles[p->nroles++] = str_cut(&all, ',');
    return 0;
}

static bool password_old(const struct auth *a, const struct auth_user *u)
{
    int64_t days = a->rules->settings.password_days;
    return days && u->has_password && clock_now_us(a->clock) - u->password_us > days * 86400 * TIME_US_PER_S;
}

int auth_principal(struct auth *a, struct auth_user *u, const struct permissions *may, struct arena *arena,
                   struct principal *p)
{
    int rc = user_compile(a, u);
    if (rc) return rc;
    if (!may) may = u->may;
    struct permissions *copy = arena_alloc(arena, perm_size(may));
    p->name = arena_str(arena, str_of(u->name));
    if (!copy || !p->name.p) return ERR_NOMEM;
    memcpy(copy, may, perm_size(may));
    p->actor.may = copy;
    p->actor.role_ids = arena_strdup(arena, str_of(u->role_ids));
    if (!p->actor.role_ids) return ERR_NOMEM;
    str_to_cstr(str_of(u->id), p->actor.user_id, sizeof(p->actor.user_id));
    str_to_cstr(str_of(u->login), p->actor.login, sizeof(p->actor.login));
    p->must_set_password = p->by_session && !u->has_password && !u->external;
    p->password_expired = p->by_session && password_old(a, u);
    p->second_factor = u->has_totp;
    p->must_add_factor = p->by_session && u->needs_totp && !u->has_totp && !u->external;
    return split_roles(u->roles, arena, p);
}
