/* session.c - sessions: a random token in a cookie, its digest in the table and in memory.
 *
 * Memory decides; the table is there so that people stay signed in over a restart. `seen` is written at
 * most every five minutes per session. Ended ones are removed from both at once, expired ones when
 * somebody signs in. */
#include "core/auth/auth_int.h"
#include "base/mem.h"

#define KEEP_LATE_US (24LL * 3600 * TIME_US_PER_S) /* rows may lag behind memory */
#define SAVE_EVERY_US (5LL * 60 * TIME_US_PER_S)

void session_free(void *s)
{
    mem_free(s);
}

/* Under the lock. */
static int64_t session_end(const struct auth *a, const struct session *s)
{
    const struct auth_settings *set = &a->rules->settings;
    int64_t idle = s->seen_us + set->idle_us, absolute = s->created_us + set->absolute_us;
    return idle < absolute ? idle : absolute;
}

int64_t auth_session_seconds(struct auth *a)
{
    pthread_mutex_lock(&a->lock);
    int64_t us = a->rules->settings.absolute_us;
    pthread_mutex_unlock(&a->lock);
    return us / TIME_US_PER_S;
}

/* One that is known already stays as it is. */
static int take_row(struct auth *a, struct sql_stmt *st)
{
    struct session *s = mem_calloc(1, sizeof(*s));
    if (!s) return ERR_NOMEM;
    str_to_cstr(sql_str(st, 0), s->id, sizeof(s->id));
    str_to_cstr(sql_str(st, 2), s->user_id, sizeof(s->user_id));
    s->created_us = sql_i64(st, 3);
    s->seen_us = s->saved_us = sql_i64(st, 4);
    str_to_cstr(sql_str(st, 5), s->peer, sizeof(s->peer));
    str_to_cstr(sql_str(st, 6), s->agent, sizeof(s->agent));
    int rc = auth_digest_parse(sql_str(st, 1), s->key);
    bool known = !rc && auth_map_get(&a->sessions, s->key);
    if (!rc && !known) rc = auth_map_put(&a->sessions, s->key, s);
    if (rc || known) mem_free(s);
    return rc;
}

int sessions_fetch(struct auth *a, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select id, hash, user_id, created_us, seen_us, peer, agent from api_session", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        pthread_mutex_lock(&a->lock);
        rc = take_row(a, s);
        pthread_mutex_unlock(&a->lock);
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int sessions_load(struct auth *a, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int64_t now = clock_now_us(a->clock);
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from api_session where seen_us < $1 or created_us < $2", "ii",
                  now - a->rules->settings.idle_us, now - a->rules->settings.absolute_us);
    if (!rc) rc = sql_prepare(tx, "select id, hash, user_id, created_us, seen_us, peer, agent from api_session", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) rc = take_row(a, s);
    sql_done(s);
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

/* Under the lock: expired ones go (from memory; the table is swept at start), and of a user with too many
 * the one unused longest. Its id is returned in `evicted`. */
static void make_room(struct auth *a, struct str user_id, char evicted[37])
{
    struct session *s, *oldest = NULL;
    size_t n = 0;
    auth_map_each(&a->sessions, i, s)
    {
        if (!str_is(user_id, s->user_id)) continue;
        n++;
        if (!oldest || s->seen_us < oldest->seen_us) oldest = s;
    }
    evicted[0] = 0;
    if (!oldest || (int64_t)n < a->rules->settings.session_count) return;
    memcpy(evicted, oldest->id, 37);
    session_free(auth_map_take(&a->sessions, oldest->key));
}

static void sweep(struct auth *a, int64_t now)
{
    struct session *s;
    for (size_t i = 0; i < a->sessions.cap;) {
        s = a->sessions.slots[i].value;
        if (s && session_end(a, s) <= now)
            session_free(auth_map_take(&a->sessions, s->key));
        else
            i++;
    }
}

static int session_insert(struct auth *a, const struct session *s, const char *evicted, struct error *e)
{
    char hex[2 * DIGEST + 1];
    struct sql_tx *tx = NULL;
    auth_digest_hex(s->key, hex);
    pthread_mutex_lock(&a->lock);
    const struct auth_settings limits = a->rules->settings;
    pthread_mutex_unlock(&a->lock);
    int rc = sql_begin(a->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from api_session where seen_us < $1 or created_us < $2", "ii",
                  s->created_us - limits.idle_us - KEEP_LATE_US, s->created_us - limits.absolute_us);
    if (!rc && evicted[0]) rc = sql_exec(tx, e, "delete from api_session where id = $1", "s", str_of(evicted));
    if (!rc)
        rc = sql_exec(tx, e,
                      "insert into api_session(id, hash, user_id, created_us, seen_us, peer, agent)"
                      " values($1,$2,$3,$4,$5,$6,$7)",
                      "sssiiss", str_of(s->id), str_of(hex), str_of(s->user_id), s->created_us, s->seen_us,
                      str_of(s->peer), str_of(s->agent));
    if (rc) {
        sql_rollback(tx);
        return rc;
    }
    return sql_commit(tx, e);
}

int session_open(struct auth *a, struct str user_id, const struct auth_from *from, char secret[AUTH_TOKEN_CHARS + 1],
                 struct session *ret, struct error *e)
{
    struct session *s = mem_calloc(1, sizeof(*s));
    if (!s) return ERR_NOMEM;
    char evicted[37];
    uuid7(a->clock, a->rng, s->id);
    auth_secret(a->rng, secret);
    auth_digest(str_of(secret), s->key);
    str_to_cstr(user_id, s->user_id, sizeof(s->user_id));
    str_to_cstr(str_of(from->peer), s->peer, sizeof(s->peer));
    str_to_cstr(from->agent, s->agent, sizeof(s->agent));
    s->created_us = s->seen_us = s->saved_us = clock_now_us(a->clock);
    *ret = *s;
    pthread_mutex_lock(&a->lock);
    sweep(a, s->created_us);
    make_room(a, user_id, evicted);
    pthread_mutex_unlock(&a->lock);
    int rc = session_insert(a, s, evicted, e);
    if (!rc) {
        pthread_mutex_lock(&a->lock);
        rc = auth_map_put(&a->sessions, s->key, s);
        pthread_mutex_unlock(&a->lock);
        if (rc == ERR_EXISTS) { /* what listens to the shared database has read it before us */
            mem_free(s);
            return 0;
        }
        if (rc == ERR_LIMIT)
            error_set(e, rc, "", "%d people are signed in; no more can be", "已有 %d 个会话，无法再登录",
                      AUTH_SESSIONS_MAX);
    }
    if (rc) mem_free(s);
    return rc;
}

/* Under the lock. */
static int session_principal(struct auth *a, struct session *s, struct arena *arena, struct principal *ret)
{
    int64_t now = clock_now_us(a->clock);
    struct auth_user *u = auth_user_by_id(a, str_of(s->user_id));
    if (!u || u->disabled || u->service || session_end(a, s) <= now) return ERR_UNAUTHENTICATED;
    *ret = (struct principal){.by_session = true};
    if (now > s->seen_us) s->seen_us = now;
    memcpy(ret->id, s->id, sizeof(ret->id));
    memcpy(ret->key, s->key, sizeof(ret->key));
    ret->expires_us = session_end(a, s);
    return auth_principal(a, u, NULL, arena, ret);
}

int auth_by_session(struct auth *a, struct arena *arena, struct str token, struct principal *ret)
{
    uint8_t key[DIGEST];
    if (token.n != AUTH_TOKEN_CHARS) return ERR_UNAUTHENTICATED;
    auth_digest(token, key);
    pthread_mutex_lock(&a->lock);
    struct session *s = auth_map_get(&a->sessions, key);
    int rc = s ? session_principal(a, s, arena, ret) : ERR_UNAUTHENTICATED;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static struct session *by_id(struct auth *a, const char *id)
{
    struct session *s;
    auth_map_each(&a->sessions, i, s)
    {
        if (strcmp(s->id, id) == 0) return s;
    }
    return NULL;
}

int auth_by_key(struct auth *a, struct arena *arena, const uint8_t key[DIGEST], bool session, struct principal *ret)
{
    int rc = ERR_UNAUTHENTICATED;
    pthread_mutex_lock(&a->lock);
    void *found = auth_map_get(session ? &a->sessions : &a->tokens, key);
    if (found) rc = session ? session_principal(a, found, arena, ret) : token_principal(a, found, arena, ret);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static void save_seen(struct auth *a, const char *text, int64_t at_us, const char *id)
{
    if (auth_sql(a, NULL, text, "is", at_us, str_of(id))) return; /* the next use tries again */
}

void auth_seen(struct auth *a, const uint8_t key[DIGEST], bool session)
{
    int64_t at = 0;
    char id[37];
    pthread_mutex_lock(&a->lock);
    struct session *s = session ? auth_map_get(&a->sessions, key) : NULL;
    struct token *t = session ? NULL : auth_map_get(&a->tokens, key);
    if (s && s->seen_us - s->saved_us > SAVE_EVERY_US) at = s->saved_us = s->seen_us;
    if (t && t->used_us - t->saved_us > SAVE_EVERY_US) at = t->saved_us = t->used_us;
    if (at) memcpy(id, s ? s->id : t->id, sizeof(id));
    pthread_mutex_unlock(&a->lock);
    if (!at) return;
    save_seen(a,
              session ? "update api_session set seen_us = $1 where id = $2"
                      : "update api_token set used_us = $1 where id = $2",
              at, id);
}

static void info_of(const struct auth *a, const struct session *s, struct arena *arena, struct session_info *ret)
{
    const struct auth_user *u = auth_user_by_id(a, str_of(s->user_id));
    *ret = (struct session_info){.created_us = s->created_us, .seen_us = s->seen_us, .expires_us = session_end(a, s)};
    memcpy(ret->id, s->id, sizeof(ret->id));
    memcpy(ret->user_id, s->user_id, sizeof(ret->user_id));
    memcpy(ret->peer, s->peer, sizeof(ret->peer));
    str_to_cstr(str_of(u ? u->login : ""), ret->login, sizeof(ret->login));
    ret->agent = arena_str(arena, str_of(s->agent));
}

static int newest_first(const void *a, const void *b)
{
    const struct session_info *x = a, *y = b;
    return x->seen_us == y->seen_us ? strcmp(x->id, y->id) : x->seen_us < y->seen_us ? 1 : -1;
}

int auth_sessions(struct auth *a, struct arena *arena, const struct actor *by, struct session_info **ret, size_t *ret_n)
{
    int64_t now = clock_now_us(a->clock);
    struct session *s;
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    struct session_info *list = arena_calloc(arena, a->sessions.n + 1, sizeof(*list));
    if (list) {
        auth_map_each(&a->sessions, i, s)
        {
            if (session_end(a, s) > now && auth_sees(a, by, s->user_id)) info_of(a, s, arena, &list[n++]);
        }
    }
    pthread_mutex_unlock(&a->lock);
    if (!list) return ERR_NOMEM;
    qsort(list, n, sizeof(*list), newest_first);
    *ret = list;
    *ret_n = n;
    return 0;
}

int auth_session_kill(struct auth *a, struct str id, const struct actor *by, struct error *e)
{
    char text[37];
    if (!str_to_cstr(id, text, sizeof(text))) text[0] = 0;
    pthread_mutex_lock(&a->lock);
    struct session *s = by_id(a, text);
    if (s && !auth_sees(a, by, s->user_id)) s = NULL;
    if (s) session_free(auth_map_take(&a->sessions, s->key));
    pthread_mutex_unlock(&a->lock);
    if (!s) return error_set(e, ERR_NOT_FOUND, "id", "there is no session %.*s", "没有会话 %.*s", STR_ARG(id));
    return auth_sql(a, e, "delete from api_session where id = $1", "s", str_of(text));
}

void sessions_drop_user(struct auth *a, struct str user_id, const char *keep)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->sessions.cap;) {
        struct session *s = a->sessions.slots[i].value;
        if (s && str_is(user_id, s->user_id) && strcmp(s->id, keep) != 0)
            session_free(auth_map_take(&a->sessions, s->key));
        else
            i++;
    }
    pthread_mutex_unlock(&a->lock);
    if (auth_sql(a, NULL, "delete from api_session where user_id = $1 and id <> $2", "ss", user_id, str_of(keep)))
        return; /* memory has forgotten them; the table is swept at start */
}
