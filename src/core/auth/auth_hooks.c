/* auth_hooks.c - what must hold whenever users, groups, roles, organisations or the settings change.
 *
 * - A login, and the code of a role or group, means one person or thing in the whole platform.
 * - Organisations form a tree, and one that is used is not deleted.
 * - Nobody gives more than he has: who may not define roles for the whole platform changes only users and
 *   groups whose rights, before and after, are within his own.
 * - Somebody who may administer users stays; `administrator` and `security_admin` keep their rights.
 * - With separate administrators nobody holds two of the three duties, nor `administrator`.
 * All of it runs inside the change's transaction, on what it would make of the snapshot in memory. */
#include "base/mem.h"
#include "core/auth/auth_int.h"
#include "io/log.h"

/* --- one meaning of a code; only for the whole platform --- */

static int check_alone(struct sql_tx *tx, const struct resource *r, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc =
        sql_prepare(tx, "select id from resource where kind = $1 and code = $2 and deleted = 0 and id <> $3", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, r->kind);
    sql_bind_str(s, 2, r->code);
    sql_bind_str(s, 3, r->id);
    rc = sql_step(s, e);
    sql_done(s);
    if (rc != 1) return rc;
    return error_set(e, ERR_EXISTS, "code", "'%.*s' is taken, perhaps in another organisation; choose another one",
                     "“%.*s”已被使用（可能属于其他组织），请换一个", STR_ARG(r->code));
}

static int check_no_org(const struct resource *r, struct error *e)
{
    if (!r->org.n) return 0;
    return error_set(e, ERR_INVALID, "org", "this belongs to the whole platform; leave 'org' empty",
                     "此项属于整个平台，“org”须为空");
}

/* --- nobody gives more than he has --- */

static bool may_give_all(const struct actor *by)
{
    return !by || !by->may || permitted_at(by->may, "role", ACT_ADMIN, STR(""));
}

static int check_given(struct auth *a, const char *user_id, const struct json *spec, struct error *e)
{
    const struct actor *by = resource_changer();
    struct permissions *gives = NULL;
    if (may_give_all(by)) return 0;
    pthread_mutex_lock(&a->lock);
    int rc = spec_permissions(a, user_id, spec, &gives);
    pthread_mutex_unlock(&a->lock);
    bool ok = !rc && perm_covers(by->may, gives);
    mem_free(gives);
    if (rc || ok) return rc;
    return error_set(
        e, ERR_FORBIDDEN, "spec.roles",
        "%s may only manage users and groups whose rights are within his own; ask a security administrator",
        "%s 只能管理权限不超出本人权限的用户和用户组；请联系安全管理员", by->login);
}

/* --- somebody who may administer users stays --- */

struct without {
    const char *user_id, *role_id, *group_id; /* NULL: none */
};

static bool admin_still(struct auth *a, struct auth_user *u, const struct without *w)
{
    AUTO_ARENA arena;
    struct access_item *items = NULL;
    struct permissions *may = NULL;
    size_t n = 0, kept = 0;
    arena_init(&arena, 16 << 20);
    if (user_items(a, u, &arena, &items, &n)) return false;
    for (size_t i = 0; i < n; i++) {
        if (w->role_id && strcmp(items[i].role->id, w->role_id) == 0) continue;
        if (w->group_id && items[i].via && strcmp(items[i].via->id, w->group_id) == 0) continue;
        items[kept++] = items[i];
    }
    struct perm_rows rows = {.arena = &arena};
    if (access_rows(a->rules, items, kept, &rows) || perm_compile(&rows, a->rules->org_ids, a->rules->norgs, &may))
        return false;
    bool admin = auth_is_admin(may);
    mem_free(may);
    return admin;
}

/* True also when nobody was one before: then nothing is lost. */
static bool others_administer(struct auth *a, const struct without *w)
{
    struct auth_user *u;
    bool any = false, found = false;
    pthread_mutex_lock(&a->lock);
    auth_map_each(&a->users, i, u)
    {
        if (found || u->disabled || user_compile(a, u) || !auth_is_admin(u->may)) continue;
        any = true;
        if (!w->user_id || strcmp(u->id, w->user_id) != 0) found = admin_still(a, u, w);
    }
    pthread_mutex_unlock(&a->lock);
    return found || !any;
}

static bool gives_admin(struct auth *a, const char *user_id, const struct json *spec)
{
    struct permissions *p = NULL;
    pthread_mutex_lock(&a->lock);
    bool admin = spec_permissions(a, user_id, spec, &p) == 0 && auth_is_admin(p);
    pthread_mutex_unlock(&a->lock);
    mem_free(p);
    return admin;
}

static int last_admin(struct str code, struct error *e)
{
    return error_set(e, ERR_REFERENCED, "",
                     "with this change to %.*s nobody could administer users any more; make another one administrator "
                     "first",
                     "更改 %.*s 后将无人可管理用户，请先指定另一位管理员", STR_ARG(code));
}

/* --- separate duties --- */

enum { DUTY_SYSTEM = 1, DUTY_SECURITY = 2, DUTY_AUDIT = 4, DUTY_ALL = 8 };

static unsigned duties_of(const struct access_item *items, size_t n, const struct permissions *may)
{
    unsigned d = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i].role->code, "administrator") == 0) d |= DUTY_ALL;
        if (strcmp(items[i].role->code, "system_admin") == 0) d |= DUTY_SYSTEM;
    }
    if (permitted(may, "user", ACT_ADMIN) || permitted(may, "role", ACT_ADMIN) ||
        permitted(may, "security_settings", ACT_ADMIN))
        d |= DUTY_SECURITY;
    if (permitted(may, "audit", ACT_ADMIN) || permitted(may, "audit_settings", ACT_ADMIN)) d |= DUTY_AUDIT;
    return d;
}

static bool separate(unsigned d)
{
    return !(d & DUTY_ALL) && __builtin_popcount(d) <= 1;
}

static int mixed(const char *login, struct error *e)
{
    return error_set(
        e, ERR_INVALID, "spec.roles",
        "duties are separate: %s may hold one of system_admin, security_admin and audit_admin, and not "
        "administrator",
        "已启用三权分立：%s 只能拥有 system_admin、security_admin、audit_admin 之一，且不能拥有 administrator", login);
}

/* Under the lock: the duties of a user by this access and these groups from outside, but for one group. */
static int read_duties(struct auth *a, const char *user_id, const struct json *access, const struct json *external,
                       const char *but_group, const struct json *and_spec, unsigned *ret)
{
    AUTO_ARENA arena;
    struct access_item *items = NULL, *more = NULL, *all;
    struct permissions *may = NULL;
    size_t n = 0, nmore = 0, kept = 0;
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = {.arena = &arena};
    int rc = access_items(a->rules, user_id, access, external, &arena, &items, &n);
    if (!rc && and_spec) rc = access_items(a->rules, "", and_spec, NULL, &arena, &more, &nmore);
    if (rc) return rc;
    all = arena_alloc(&arena, (n + nmore + 1) * sizeof(*all));
    if (!all) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (!but_group || !items[i].via || strcmp(items[i].via->id, but_group) != 0) all[kept++] = items[i];
    for (size_t i = 0; i < nmore; i++) all[kept++] = more[i];
    rc = access_rows(a->rules, all, kept, &rows);
    if (!rc) rc = perm_compile(&rows, a->rules->org_ids, a->rules->norgs, &may);
    if (!rc) *ret = duties_of(all, kept, may);
    mem_free(may);
    return rc;
}

static int user_duties(struct auth *a, const struct auth_user *u, const char *but_group, const struct json *and_spec,
                       unsigned *ret)
{
    AUTO_ARENA arena;
    struct json *access = NULL, *external = NULL;
    arena_init(&arena, 4 << 20);
    int rc = json_parse(&arena, str_of(u->access), &access, NULL);
    if (!rc && u->external) rc = json_parse(&arena, str_of(u->external), &external, NULL);
    return rc ? rc : read_duties(a, u->id, access, external, but_group, and_spec, ret);
}

static bool separated(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    bool on = a->rules->settings.separate_admins;
    pthread_mutex_unlock(&a->lock);
    return on;
}

bool auth_user_separate(struct auth *a, const char *user_id)
{
    unsigned d = 0;
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_by_id(a, str_of(user_id));
    bool ok = !a->rules->settings.separate_admins || !u || (user_duties(a, u, NULL, NULL, &d) == 0 && separate(d));
    pthread_mutex_unlock(&a->lock);
    return ok;
}

static int check_user_duties(struct auth *a, const struct resource *r, const char *id, struct error *e)
{
    unsigned d = 0;
    char login[64];
    if (json_bool(json_get(r->spec, "disabled"), false)) return 0;
    pthread_mutex_lock(&a->lock);
    int rc = a->rules->settings.separate_admins ? read_duties(a, id, r->spec, NULL, NULL, NULL, &d) : 0;
    pthread_mutex_unlock(&a->lock);
    str_to_cstr(r->code, login, sizeof(login));
    return rc || separate(d) ? rc : mixed(login, e);
}

/* --- the hooks --- */

static int validate_user(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                         const struct resource *old, const struct resource *new_, struct error *e)
{
    struct auth *a = ctx;
    const struct resource *any = new_ ? new_ : old;
    char *id = arena_strdup(arena, any->id);
    if (!id) return ERR_NOMEM;
    int rc = new_ ? check_alone(tx, new_, e) : 0;
    if (!rc && old) rc = check_given(a, id, old->spec, e);
    if (!rc && new_) rc = check_given(a, id, new_->spec, e);
    if (!rc && new_) rc = check_user_duties(a, new_, id, e);
    if (rc || !old) return rc;
    bool stays = new_ && !json_bool(json_get(new_->spec, "disabled"), false) && gives_admin(a, id, new_->spec);
    if (stays || !gives_admin(a, id, old->spec) || others_administer(a, &(struct without){.user_id = id})) return 0;
    return last_admin(old->code, e);
}

static int check_group_duties(struct auth *a, const struct resource *g, const char *id, struct error *e)
{
    char login[64] = "";
    int rc = 0;
    if (!separated(a)) return 0;
    pthread_mutex_lock(&a->lock);
    for
        json_each (m, json_get(g->spec, "members")) {
            struct auth_user *u = auth_user_find(a, json_str(m, STR("")));
            unsigned d = 0;
            if (!u || u->disabled || rc || login[0]) continue;
            rc = user_duties(a, u, id, g->spec, &d);
            if (!rc && !separate(d)) str_to_cstr(str_of(u->login), login, sizeof(login));
        }
    pthread_mutex_unlock(&a->lock);
    return rc || !login[0] ? rc : mixed(login, e);
}

static int validate_group(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                          const struct resource *old, const struct resource *new_, struct error *e)
{
    struct auth *a = ctx;
    char *id = arena_strdup(arena, (new_ ? new_ : old)->id);
    if (!id) return ERR_NOMEM;
    int rc = new_ ? check_alone(tx, new_, e) : 0;
    if (!rc && old) rc = check_given(a, "", old->spec, e);
    if (!rc && new_) rc = check_given(a, "", new_->spec, e);
    if (!rc && new_) rc = check_group_duties(a, new_, id, e);
    if (rc || !old || !gives_admin(a, "", old->spec)) return rc;
    bool same = new_ && json_equal(json_get(old->spec, "members"), json_get(new_->spec, "members")) &&
                json_equal(json_get(old->spec, "roles"), json_get(new_->spec, "roles")) &&
                json_equal(json_get(old->spec, "grants"), json_get(new_->spec, "grants"));
    if (same || others_administer(a, &(struct without){.group_id = id})) return 0;
    return last_admin(old->code, e);
}

/* What the two that give rights must keep. */
static bool keeps_rights(const struct resource *r, const struct permissions *p)
{
    static const char *const kinds[] = {"user", "role", "group", "security_settings"};
    bool all = str_is(r->code, "administrator");
    for (size_t i = 0; i < 4; i++)
        for (enum api_action act = ACT_READ; act <= ACT_ADMIN; act++)
            if ((all || act <= ACT_DELETE || act == ACT_ADMIN) && !permitted(p, kinds[i], act)) return false;
    for (enum api_action act = ACT_READ; act <= ACT_ADMIN && all; act++)
        if (!permitted(p, "*", act) || !permitted(p, "audit", act)) return false;
    return permitted_all_fields(p, "user", ACT_WRITE) && permitted_all_fields(p, "role", ACT_WRITE);
}

static int check_role(struct auth *a, const struct resource *old, const struct resource *new_, struct error *e)
{
    struct permissions *p = NULL;
    bool kept =
        str_is(old ? old->code : new_->code, "administrator") || str_is(old ? old->code : new_->code, "security_admin");
    int rc = new_ ? perm_of_role(json_get(new_->spec, "permissions"), &p) : 0;
    if (rc == ERR_LIMIT)
        return error_set(e, ERR_INVALID, "spec.permissions", "a role has at most %d pairs of row and kind",
                         "角色最多包含 %d 个（行 × 类型）组合", PERM_ROWS_MAX);
    if (!rc && kept && old && (!new_ || !str_eq(old->code, new_->code) || !keeps_rights(new_, p)))
        rc = error_set(e, ERR_REFERENCED, "", "the role %.*s keeps its code and its permissions",
                       "%.*s 角色须保留其编码和权限", STR_ARG(old->code));
    if (!rc && new_ && !kept && separated(a) && !separate(duties_of(NULL, 0, p)))
        rc = error_set(e, ERR_INVALID, "spec.permissions",
                       "duties are separate: a role gives rights or reads the audit log, not both",
                       "已启用三权分立：一个角色不能同时管理权限和审计日志");
    mem_free(p);
    return rc;
}

static bool role_gives_admin(const struct json *spec)
{
    struct permissions *p = NULL;
    bool admin = perm_of_role(json_get(spec, "permissions"), &p) == 0 && auth_is_admin(p);
    mem_free(p);
    return admin;
}

static int validate_role(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                         const struct resource *old, const struct resource *new_, struct error *e)
{
    struct auth *a = ctx;
    char *id = arena_strdup(arena, (new_ ? new_ : old)->id);
    if (!id) return ERR_NOMEM;
    int rc = new_ ? check_alone(tx, new_, e) : 0;
    if (!rc && new_) rc = check_no_org(new_, e);
    if (!rc) rc = check_role(a, old, new_, e);
    if (rc || !old || !role_gives_admin(old->spec) || (new_ && role_gives_admin(new_->spec))) return rc;
    return others_administer(a, &(struct without){.role_id = id}) ? 0 : last_admin(old->code, e);
}

/* --- organisations --- */

static int parent_of(struct sql_tx *tx, struct arena *arena, struct str id, struct str *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    struct json *spec = NULL;
    int rc = sql_prepare(tx, "select spec from resource where id = $1 and deleted = 0", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    struct str text = rc == 1 ? arena_str(arena, sql_str(s, 0)) : STR("{}");
    sql_done(s);
    if (rc < 0) return rc;
    rc = json_parse(arena, text, &spec, e);
    *ret = json_str(json_get(spec, "parent"), STR(""));
    return rc;
}

static int check_tree(struct sql_tx *tx, struct arena *arena, const struct resource *org, struct error *e)
{
    struct str at = json_str(json_get(org->spec, "parent"), STR(""));
    for (int depth = 1; at.n; depth++) {
        if (str_eq(at, org->id))
            return error_set(e, ERR_INVALID, "spec.parent", "an organisation cannot stand below itself",
                             "组织不能成为自己的下级");
        if (depth >= AUTH_DEPTH_MAX)
            return error_set(e, ERR_INVALID, "spec.parent", "organisations stand at most %d levels deep",
                             "组织层级最多 %d 层", AUTH_DEPTH_MAX);
        int rc = parent_of(tx, arena, at, &at, e);
        if (rc) return rc;
    }
    return 0;
}

static int check_unused(struct sql_tx *tx, const struct resource *org, struct error *e)
{
    struct sql_stmt *s = NULL;
    char what[200];
    int rc = sql_prepare(
        tx, "select kind, code from resource where org = $1 and deleted = 0 order by kind, code limit 1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, org->id);
    rc = sql_step(s, e);
    if (rc == 1) snprintf(what, sizeof(what), "%.*s %.*s", STR_ARG(sql_str(s, 0)), STR_ARG(sql_str(s, 1)));
    sql_done(s);
    if (rc != 1) return rc;
    return error_set(e, ERR_REFERENCED, "", "%s and perhaps more belong to it; move or delete those first",
                     "仍有资源属于该组织（%s 等）；请先移走或删除它们", what);
}

static int validate_org(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena, const struct resource *old,
                        const struct resource *new_, struct error *e)
{
    if (!new_) return check_unused(tx, old, e);
    int rc = check_alone(tx, new_, e);
    return rc ? rc : check_tree(tx, arena, new_, e);
}

/* --- settings --- */

static int check_all_separate(struct auth *a, struct error *e)
{
    struct auth_user *u;
    char login[64] = "";
    int rc = 0;
    pthread_mutex_lock(&a->lock);
    auth_map_each(&a->users, i, u)
    {
        unsigned d = 0;
        if (u->disabled || rc || login[0]) continue;
        rc = user_duties(a, u, NULL, NULL, &d);
        if (!rc && !separate(d)) str_to_cstr(str_of(u->login), login, sizeof(login));
    }
    pthread_mutex_unlock(&a->lock);
    if (rc || !login[0]) return rc;
    mixed(login, e);
    if (e) snprintf(e->where, sizeof(e->where), "spec.separate_admins");
    return ERR_INVALID;
}

static int validate_settings(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                             const struct resource *old, const struct resource *new_, struct error *e)
{
    struct auth *a = ctx;
    if (!new_) return error_set(e, ERR_REFERENCED, "", "the settings cannot be deleted", "设置不能删除");
    int rc = check_no_org(new_, e);
    if (!rc && !str_is(new_->code, "default"))
        rc = error_set(e, ERR_INVALID, "code", "the one settings object is called 'default'", "设置的编码须为 default");
    bool was = old && json_bool(json_get(old->spec, "separate_admins"), false);
    if (!rc && !was && json_bool(json_get(new_->spec, "separate_admins"), false)) rc = check_all_separate(a, e);
    return rc;
}

static int validate_provider(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *arena,
                             const struct resource *old, const struct resource *new_, struct error *e)
{
    int rc = new_ ? check_alone(tx, new_, e) : 0;
    return rc || !new_ ? rc : check_no_org(new_, e);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct error e = {0};
    if (auth_refresh(ctx, &e)) log_error("auth", "users and roles cannot be read again", "err=\"%s\"", e.text);
}

int auth_hooks_add(struct auth *a, struct error *e)
{
    const struct kind_hooks hooks[] = {
        {.kind = "user", .validate = validate_user},
        {.kind = "group", .validate = validate_group},
        {.kind = "role", .validate = validate_role},
        {.kind = "org", .validate = validate_org},
        {.kind = "security_settings", .validate = validate_settings},
        {.kind = "oidc_provider", .validate = validate_provider},
        {.kind = "ldap_server", .validate = validate_provider},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]) && !rc; i++) {
        struct kind_hooks h = hooks[i];
        h.changed = changed;
        h.ctx = a;
        rc = kernel_hooks_add(a->kernel, &h);
    }
    if (rc) return error_set(e, rc, "", "the hooks of users and roles cannot be added", NULL);
    return 0;
}
