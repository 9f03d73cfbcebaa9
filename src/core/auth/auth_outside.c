/* auth_outside.c - people whom an identity provider or a directory has recognised: their user here.
 *
 * The link (provider, subject) -> user stands in api_external with the groups of the last sign-in, which
 * give rights by the names of groups and by the provider's mapping (auth_access.c), and are replaced at every
 * sign-in. Linking by login happens once, and only to an account without a password and without a link. */
#include "base/mem.h"
#include "core/auth/auth_int.h"

static int linked_user(struct auth *a, const struct auth_outside *who, char ret[37], struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select user_id from api_external where provider = $1 and subject = $2", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, who->provider);
        sql_bind_str(s, 2, who->subject);
        rc = sql_step(s, e);
        if (rc == 1) str_to_cstr(sql_str(s, 0), ret, 37);
    }
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : rc == 1 ? 0 : ERR_NOT_FOUND;
}

/* 0: his id; ERR_NOT_FOUND: nobody has that login. */
static int by_login(struct auth *a, const struct auth_outside *who, char ret[37], struct error *e)
{
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_by_login(a, who->login);
    bool free_ = u && !u->has_password && !u->external && !u->service;
    if (u) memcpy(ret, u->id, 37);
    pthread_mutex_unlock(&a->lock);
    if (!u) return ERR_NOT_FOUND;
    if (free_) return 0;
    return error_set(
        e, ERR_FORBIDDEN, "login",
        "there is a user %.*s here with a way of signing in of his own; an administrator has to rename one",
        "本平台已有使用其他登录方式的用户 %.*s，请联系管理员处理", STR_ARG(str_sub(who->login, 0, 64)));
}

static int create(struct auth *a, struct arena *arena, const struct auth_outside *who, char ret[37], struct error *e)
{
    struct resource r;
    struct json *spec = json_new_object(arena);
    if (!who->create)
        return error_set(e, ERR_FORBIDDEN, "login", "there is no user %.*s here; ask an administrator",
                         "本平台没有用户 %.*s，请联系管理员", STR_ARG(str_sub(who->login, 0, 64)));
    if (who->name.n) (void)json_set(spec, arena, STR("display_name"), json_new_str(arena, str_sub(who->name, 0, 100)));
    if (who->email.n) (void)json_set(spec, arena, STR("email"), json_new_str(arena, who->email));
    struct resource_input in = {
        .code = who->login, .name = who->name.n ? who->name : who->login, .org = who->org, .spec = spec};
    int rc = spec ? resource_create(a->kernel, arena, &actor_system, "user", &in, &r, e) : ERR_NOMEM;
    if (!rc) str_to_cstr(r.id, ret, 37);
    return rc ? rc : auth_refresh(a, e);
}

static int store_link(struct auth *a, struct arena *arena, const struct auth_outside *who, const char *user_id,
                      struct error *e)
{
    struct json *external = json_new_object(arena);
    (void)json_set(external, arena, STR("provider"), json_new_str(arena, who->provider));
    (void)json_set(external, arena, STR("groups"), json_copy(arena, who->groups));
    struct str text = json_text(arena, external);
    if (!text.p) return ERR_NOMEM;
    int rc = auth_sql(a, e,
                      "insert into api_external(user_id, provider, subject, groups, at_us) values($1,$2,$3,$4,$5)"
                      " on conflict(user_id) do update set provider = excluded.provider, subject = excluded.subject,"
                      " groups = excluded.groups, at_us = excluded.at_us",
                      "ssssi", str_of(user_id), who->provider, who->subject, text, clock_now_us(a->clock));
    return rc ? rc : auth_user_refresh(a, str_of(user_id), e);
}

int auth_outside_user(struct auth *a, struct arena *arena, const struct auth_outside *who, char ret_id[37],
                      struct error *e)
{
    if (!who->login.n || who->login.n > 63)
        return error_set(e, ERR_UNAUTHENTICATED, "login", "the answer names no login of 1 to 63 bytes",
                         "应答中没有 1 至 63 字节的登录名");
    int rc = linked_user(a, who, ret_id, e);
    if (rc == ERR_NOT_FOUND) {
        rc = by_login(a, who, ret_id, e);
        if (rc == ERR_NOT_FOUND) rc = create(a, arena, who, ret_id, e);
    }
    if (!rc) rc = store_link(a, arena, who, ret_id, e);
    if (rc || auth_user_separate(a, ret_id)) return rc;
    return error_set(
        e, ERR_FORBIDDEN, "groups", "duties are separate, and the groups of %.*s give two of them; have one taken away",
        "已启用三权分立，而 %.*s 所属的组同时授予其中两权，请取消其一", STR_ARG(str_sub(who->login, 0, 64)));
}
