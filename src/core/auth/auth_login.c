/* auth_login.c - signing in and passwords.
 *
 * A log-in costs one hash whether the user exists or not, and says the same in all cases. Before any
 * hashing the back-off of the login and of the peer is asked, so that guessing costs us nothing. The
 * caller's lane runs these one at a time (api.c), so floods cannot starve collection. */
#include "core/auth/auth_int.h"
#include <openssl/crypto.h>
#include "base/mem.h"

static int wait_error(unsigned wait_s, unsigned *ret_wait_s, struct error *e)
{
    *ret_wait_s = wait_s;
    return error_set(e, ERR_LIMIT, "", "too many failed attempts; try again in %u s", "失败次数过多，请在 %u 秒后重试",
                     wait_s);
}

static unsigned wait_s(struct auth *a, struct str login, const char *peer)
{
    uint64_t now = clock_mono_ns(a->clock);
    unsigned by_login = backoff_wait(&a->backoff, "login", login, now);
    unsigned by_peer = backoff_wait(&a->backoff, "peer", str_of(peer), now);
    return by_login > by_peer ? by_login : by_peer;
}

static int read_hash(struct auth *a, struct str user_id, char ret[PASSWORD_HASH_MAX], struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select hash from api_credential where user_id = $1", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, user_id);
        rc = sql_step(s, e);
        if (rc == 1)
            rc = str_to_cstr(sql_str(s, 0), ret, PASSWORD_HASH_MAX) ? 0 : ERR_CORRUPT;
        else if (rc == 0)
            rc = ERR_NOT_FOUND;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

/* The id of the enabled user of that login, or "". */
static void user_id_of(struct auth *a, struct str login, char id[37])
{
    id[0] = 0;
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_by_login(a, login);
    if (u && !u->disabled) snprintf(id, 37, "%s", u->id);
    pthread_mutex_unlock(&a->lock);
}

static int signed_in(struct auth *a, struct arena *arena, const char *user_id, const struct auth_from *from,
                     char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e)
{
    struct session s;
    int rc = session_open(a, str_of(user_id), from, secret, &s, e);
    return rc ? rc : auth_by_session(a, arena, str_of(secret), ret);
}

int auth_login(struct auth *a, struct arena *arena, struct str login, struct str password, const struct auth_from *from,
               char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, unsigned *ret_wait_s, struct error *e)
{
    char id[37], hash[PASSWORD_HASH_MAX];
    unsigned wait = wait_s(a, login, from->peer);
    if (wait) return wait_error(wait, ret_wait_s, e);
    user_id_of(a, login, id);
    int rc = read_hash(a, str_of(id), hash, e); /* also for unknown ones: the same work */
    if (rc && rc != ERR_NOT_FOUND) return rc;
    bool known = rc == 0;
    bool right = password_verify(known ? hash : a->dummy_hash, str_sub(password, 0, PASSWORD_MAX + 1)) && known;
    uint64_t now = clock_mono_ns(a->clock);
    if (right) {
        backoff_clear(&a->backoff, "login", login);
        return signed_in(a, arena, id, from, secret, ret, e);
    }
    backoff_failed(&a->backoff, "login", login, now);
    backoff_failed(&a->backoff, "peer", str_of(from->peer), now);
    return error_set(e, ERR_UNAUTHENTICATED, "", "login or password is wrong", "登录名或密码错误");
}

/* --- the one-time link --- */

static bool can_administer(struct auth *a, struct auth_user *u)
{
    return u->has_password && !u->disabled && !u->service && !user_compile(a, u) && auth_is_admin(u->may);
}

int auth_first_link(struct auth *a, char ret[65], struct error *e)
{
    bool set = false;
    char secret[AUTH_TOKEN_CHARS + 1];
    auth_secret(a->rng, secret);
    pthread_mutex_lock(&a->lock);
    struct auth_user *u;
    auth_map_each(&a->users, i, u) set = set || can_administer(a, u);
    if (!set) {
        auth_digest(str_of(secret), a->link_key);
        a->link_until_us = clock_now_us(a->clock) + AUTH_LINK_US;
    }
    pthread_mutex_unlock(&a->lock);
    if (set)
        return error_set(e, ERR_EXISTS, "", "an administrator with a password is there; sign in as such",
                         "已有设置密码的管理员，请用其登录");
    snprintf(ret, 65, "%s", secret);
    return 0;
}

/* True once: the link is used up by it. */
static bool link_take(struct auth *a, struct str link)
{
    uint8_t key[DIGEST];
    auth_digest(link, key);
    pthread_mutex_lock(&a->lock);
    bool ok = a->link_until_us > clock_now_us(a->clock) && CRYPTO_memcmp(key, a->link_key, DIGEST) == 0;
    if (ok) a->link_until_us = 0;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* The enabled user "admin" who may administer: made, or made so again. */
static int make_admin(struct auth *a, struct arena *arena, char id[37], struct error *e)
{
    struct json *spec = NULL;
    struct resource r;
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_by_login(a, STR("admin"));
    bool ready = u && !u->disabled && !user_compile(a, u) && auth_is_admin(u->may);
    bool separate = a->rules->settings.separate_admins;
    if (ready) snprintf(id, 37, "%s", u->id);
    pthread_mutex_unlock(&a->lock);
    if (ready) return 0;
    char *text = arena_printf(arena, "{\"display_name\":\"Administrator\",\"roles\":[\"%s\"],\"disabled\":false}",
                              separate ? "security_admin" : "administrator");
    int rc = text ? json_parse(arena, str_of(text), &spec, e) : ERR_NOMEM;
    if (rc) return rc;
    struct resource_input in = {.code = STR("admin"), .name = STR("Administrator"), .spec = spec};
    rc = resource_create(a->kernel, arena, &actor_system, "user", &in, &r, e);
    if (rc == ERR_EXISTS) rc = resource_patch(a->kernel, arena, &actor_system, "user", STR("admin"), -1, &in, &r, e);
    if (rc) return rc;
    str_to_cstr(r.id, id, 37);
    return auth_refresh(a, e); /* the hook does it too, later */
}

int auth_login_link(struct auth *a, struct arena *arena, struct str link, const struct auth_from *from,
                    char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e)
{
    char id[37];
    if (!link_take(a, link))
        return error_set(e, ERR_UNAUTHENTICATED, "link",
                         "this link has been used or has run out; restart bornite to get a new one",
                         "该链接已使用或已过期；重启 bornite 可获得新链接");
    int rc = make_admin(a, arena, id, e);
    return rc ? rc : signed_in(a, arena, id, from, secret, ret, e);
}

/* --- passwords --- */

static int store_hash(struct auth *a, struct str user_id, const char *hash, struct error *e)
{
    struct sql_tx *tx = NULL;
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "insert into api_credential(user_id, hash, changed_us) values($1,$2,$3)"
                  " on conflict(user_id) do update set hash = excluded.hash, changed_us = excluded.changed_us",
                  "ssi", user_id, str_of(hash), clock_now_us(a->clock));
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

int auth_password_set(struct auth *a, struct str user, struct str password, const char *keep, struct error *e)
{
    char hash[PASSWORD_HASH_MAX], login[64] = "", id[37] = "";
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_find(a, user);
    if (u) snprintf(login, sizeof(login), "%s", u->login);
    if (u) snprintf(id, sizeof(id), "%s", u->id);
    pthread_mutex_unlock(&a->lock);
    if (!id[0]) return error_set(e, ERR_NOT_FOUND, "id", "there is no user '%.*s'", "没有用户“%.*s”", STR_ARG(user));
    int rc = password_rules(password, str_of(login), e);
    if (!rc) rc = password_hash(&a->cost, a->rng, password, hash);
    if (!rc) rc = store_hash(a, str_of(id), hash, e);
    if (rc) return rc;
    sessions_drop_user(a, str_of(id), keep);
    pthread_mutex_lock(&a->lock);
    a->link_until_us = 0; /* a way in without a password is over */
    pthread_mutex_unlock(&a->lock);
    return auth_user_refresh(a, str_of(id), e);
}

int auth_password_own(struct auth *a, const struct principal *who, struct str old, struct str new_,
                      unsigned *ret_wait_s, struct error *e)
{
    char hash[PASSWORD_HASH_MAX];
    struct str login = str_of(who->actor.login);
    uint64_t now = clock_mono_ns(a->clock);
    unsigned wait = backoff_wait(&a->backoff, "password", login, now);
    if (wait) return wait_error(wait, ret_wait_s, e);
    int rc = read_hash(a, str_of(who->actor.user_id), hash, e);
    if (rc && rc != ERR_NOT_FOUND) return rc;
    if (rc == 0 && !password_verify(hash, old)) {
        backoff_failed(&a->backoff, "password", login, now);
        return error_set(e, ERR_FORBIDDEN, "old", "the present password is wrong", "当前密码错误");
    }
    backoff_clear(&a->backoff, "password", login);
    rc = auth_password_set(a, str_of(who->actor.user_id), new_, who->by_session ? who->id : "", e);
    if (rc == ERR_INVALID && e) snprintf(e->where, sizeof(e->where), "new");
    return rc;
}
