/* auth_login.c - signing in and passwords.
 *
 * A log-in costs one hash whether the user exists or not, and says the same in all cases. Before any
 * hashing the back-off of the login and of the peer is asked, so that guessing costs us nothing. The
 * caller's lane runs these one at a time (api.c), so floods cannot starve collection. */
#include "core/auth/auth_int.h"
#include <openssl/crypto.h>
#include "base/mem.h"
#include "core/event.h"
#include "io/log.h"

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

void auth_known(struct auth *a, struct str login, struct auth_known *ret)
{
    *ret = (struct auth_known){.usable = false};
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_by_login(a, login);
    if (u) {
        ret->usable = !u->disabled && !u->service;
        ret->locked = u->locked_us > clock_now_us(a->clock);
        ret->has_totp = u->has_totp;
        ret->has_password = u->has_password;
        memcpy(ret->id, u->id, sizeof(ret->id));
        str_to_cstr(str_of(u->login), ret->login, sizeof(ret->login));
    }
    pthread_mutex_unlock(&a->lock);
}

/* --- failures: everybody waits longer, a known user is locked in the end --- */

static void say_locked(struct auth *a, const struct auth_known *u, int64_t minutes)
{
    char en[160], zh[160];
    snprintf(en, sizeof(en), "%s is locked for %lld minutes after failed sign-ins", u->login, (long long)minutes);
    snprintf(zh, sizeof(zh), "账号 %s 因多次登录失败被锁定 %lld 分钟", u->login, (long long)minutes);
    struct event ev = {.topic = "auth.locked",
                       .severity = EVENT_WARNING,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .text_en = STR(""),
                       .text_zh = STR(""),
                       .kind = STR("user"),
                       .id = str_of(u->id),
                       .link = STR("/users"),
                       .need = ACT_ADMIN};
    kernel_event(a->kernel, &ev);
}

static void count_failure(struct auth *a, const struct auth_known *known)
{
    int64_t until = 0, minutes = 0;
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_by_id(a, str_of(known->id));
    const struct auth_settings *set = &a->rules->settings;
    if (u && set->lock_count && ++u->failures >= set->lock_count) {
        minutes = set->lock_minutes;
        until = u->locked_us = clock_now_us(a->clock) + minutes * 60 * TIME_US_PER_S;
        u->failures = 0;
    }
    pthread_mutex_unlock(&a->lock);
    if (!until) return;
    if (auth_sql(a, NULL,
                 "insert into api_lock(user_id, failures, locked_us) values($1, 0, $2)"
                 " on conflict(user_id) do update set locked_us = excluded.locked_us",
                 "si", str_of(known->id), until))
        log_warn("auth", "a lock is kept in memory only", "login=%s", known->login);
    say_locked(a, known, minutes);
}

void auth_failed(struct auth *a, const struct auth_known *u, struct str login, const char *peer)
{
    uint64_t now = clock_mono_ns(a->clock);
    backoff_failed(&a->backoff, "login", login, now);
    backoff_failed(&a->backoff, "peer", str_of(peer), now);
    if (u->id[0] && !u->locked) count_failure(a, u);
}

void auth_succeeded(struct auth *a, const struct auth_known *known, struct str login)
{
    backoff_clear(&a->backoff, "login", login);
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_by_id(a, str_of(known->id));
    if (u) u->failures = 0;
    pthread_mutex_unlock(&a->lock);
}

static int signed_in(struct auth *a, struct arena *arena, const char *user_id, const struct auth_from *from,
                     char secret[AUTH_TOKEN_CHARS + 1], struct principal *ret, struct error *e)
{
    struct session s;
    int rc = session_open(a, str_of(user_id), from, secret, &s, e);
    return rc ? rc : auth_by_session(a, arena, str_of(secret), ret);
}

static int wrong(struct auth *a, const struct auth_known *u, const struct auth_try *t, struct error *e)
{
    auth_failed(a, u, t->login, t->from.peer);
    return error_set(e, ERR_UNAUTHENTICATED, "", "login or password is wrong, or the account is locked",
                     "登录名或密码错误，或账号已锁定");
}

/* A wrong code counts as a wrong password does. */
static int second_step(struct auth *a, const struct auth_known *u, const struct auth_try *t, struct error *e)
{
    if (!u->has_totp) return 0;
    if (!t->code.n)
        return error_set(e, ERR_PRECONDITION, "code", "the code of the second factor is needed", "需要双因素验证码");
    int rc = auth_second_step(a, u->id, t->code, e);
    if (rc == ERR_UNAUTHENTICATED) auth_failed(a, u, t->login, t->from.peer);
    return rc;
}

/* Who has no password here may have one in a directory. */
static int outside(struct auth *a, struct arena *arena, const struct auth_try *t, struct auth_known *u)
{
    char id[37];
    struct error e = {0};
    if (u->has_password || u->locked || (u->id[0] && !u->usable)) return ERR_UNAUTHENTICATED;
    int rc = auth_ldap_login(a, arena, t->login, t->password, id, &e);
    if (rc) {
        if (e.code)
            log_warn("auth", "a person of a directory is refused", "login=%.*s err=\"%s\"", STR_ARG(t->login), e.text);
        return ERR_UNAUTHENTICATED;
    }
    pthread_mutex_lock(&a->lock);
    const struct auth_user *found = auth_user_by_id(a, str_of(id));
    struct str login = arena_str(arena, str_of(found ? found->login : ""));
    pthread_mutex_unlock(&a->lock);
    auth_known(a, login, u);
    return u->usable && !u->locked ? 0 : ERR_UNAUTHENTICATED;
}

int auth_login(struct auth *a, struct arena *arena, const struct auth_try *t, char secret[AUTH_TOKEN_CHARS + 1],
               struct principal *ret, unsigned *ret_wait_s, struct error *e)
{
    char hash[PASSWORD_HASH_MAX];
    struct auth_known u;
    unsigned wait = wait_s(a, t->login, t->from.peer);
    if (wait) return wait_error(wait, ret_wait_s, e);
    auth_known(a, t->login, &u);
    int rc = read_hash(a, str_of(u.usable ? u.id : ""), hash, e); /* also for unknown ones: the same work */
    if (rc && rc != ERR_NOT_FOUND) return rc;
    bool known = rc == 0;
    bool right = password_verify(known ? hash : a->dummy_hash, str_sub(t->password, 0, PASSWORD_MAX + 1)) && known;
    if (!right && outside(a, arena, t, &u) == 0) right = true;
    if (!right || u.locked) return wrong(a, &u, t, e);
    rc = second_step(a, &u, t, e);
    if (rc) return rc;
    auth_succeeded(a, &u, t->login);
    return signed_in(a, arena, u.id, &t->from, secret, ret, e);
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

/* The old hash is kept where the settings forbid to use it again. */
static int store_hash(struct auth *a, struct str user_id, const char *hash, struct error *e)
{
    struct sql_tx *tx = NULL;
    int64_t now = clock_now_us(a->clock);
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "insert into api_password_old(user_id, at_us, hash)"
                  " select user_id, $1, hash from api_credential where user_id = $2"
                  " on conflict(user_id, at_us) do nothing",
                  "is", now, user_id);
    if (!rc)
        rc = sql_exec(tx, e,
                      "delete from api_password_old where user_id = $1 and at_us not in"
                      " (select at_us from api_password_old where user_id = $1 order by at_us desc limit 24)",
                      "s", user_id);
    if (!rc)
        rc = sql_exec(tx, e,
                      "insert into api_credential(user_id, hash, changed_us) values($1,$2,$3)"
                      " on conflict(user_id) do update set hash = excluded.hash, changed_us = excluded.changed_us",
                      "ssi", user_id, str_of(hash), now);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

struct hashes {
    char v[25][PASSWORD_HASH_MAX];
    size_t n;
};

static int read_old(struct auth *a, struct str user_id, int64_t most, struct hashes *ret, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select hash, changed_us from api_credential where user_id = $1"
                     " union all select hash, at_us from api_password_old where user_id = $1 order by 2 desc",
                     &s, e);
    if (!rc) sql_bind_str(s, 1, user_id);
    while (!rc && (int64_t)ret->n < most && ret->n < 25 && (rc = sql_step(s, e)) == 1) {
        if (str_to_cstr(sql_str(s, 0), ret->v[ret->n], PASSWORD_HASH_MAX)) ret->n++;
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static int check_unused(struct auth *a, struct str user_id, struct str password, int64_t history, struct error *e)
{
    struct hashes old = {.n = 0};
    int rc = history ? read_old(a, user_id, history, &old, e) : 0;
    for (size_t i = 0; i < old.n && !rc; i++)
        if (password_verify(old.v[i], password))
            rc = error_set(e, ERR_INVALID, "password", "this is one of the last %lld passwords; choose another one",
                           "不得使用最近 %lld 个密码之一，请换一个", (long long)history);
    return rc;
}

/* Under the lock: the list may be replaced after it. */
static int check_words(const struct auth_settings *set, struct str password, struct error *e)
{
    for
        json_each (w, set->password_forbidden)
            if (str_ihas(password, json_str(w, STR("\x01"))))
                return error_set(e, ERR_INVALID, "password",
                                 "the password contains a word that is forbidden here: %.*s", "密码包含禁用词：%.*s",
                                 STR_ARG(w->s));
    return 0;
}

static int check_policy(struct auth *a, struct str user_id, struct str login, struct str password, struct error *e)
{
    int rc = password_rules(password, login, e);
    pthread_mutex_lock(&a->lock);
    const struct auth_settings set = a->rules->settings;
    if (!rc) rc = check_words(&a->rules->settings, password, e);
    pthread_mutex_unlock(&a->lock);
    if (!rc) rc = password_length_rule(password, set.password_length, e);
    if (!rc) rc = password_class_rule(password, set.password_classes, e);
    return rc ? rc : check_unused(a, user_id, password, set.password_history, e);
}

int auth_password_set(struct auth *a, struct str user, struct str password, const char *keep, struct error *e)
{
    char hash[PASSWORD_HASH_MAX], login[64] = "", id[37] = "";
    pthread_mutex_lock(&a->lock);
    const struct auth_user *u = auth_user_find(a, user);
    if (u) snprintf(login, sizeof(login), "%s", u->login);
    if (u) snprintf(id, sizeof(id), "%s", u->id);
    bool service = u && u->service;
    pthread_mutex_unlock(&a->lock);
    if (service)
        return error_set(e, ERR_INVALID, "id", "%s is a service account: it has API tokens, no password",
                         "%s 是服务账号，使用 API 令牌，没有密码", login);
    if (!id[0]) return error_set(e, ERR_NOT_FOUND, "id", "there is no user '%.*s'", "没有用户“%.*s”", STR_ARG(user));
    int rc = check_policy(a, str_of(id), str_of(login), password, e);
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
