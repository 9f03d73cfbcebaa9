/* auth_admin.c - what administrators do to users, and the state of users that their pages show. */
#include <stdlib.h>
#include "base/mem.h"
#include "core/auth/auth_int.h"

/* Under the lock. */
static bool within(struct auth *a, const struct actor *by, struct auth_user *u)
{
    if (!by->may || permitted_at(by->may, "role", ACT_ADMIN, STR(""))) return true;
    return user_compile(a, u) == 0 && perm_covers(by->may, u->may);
}

int auth_may_manage(struct auth *a, const struct actor *by, struct str user, char ret_id[37], struct error *e)
{
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_find(a, user);
    bool seen = u && permitted_at(by->may, "user", ACT_READ, str_of(u->org));
    bool may = seen && permitted_at(by->may, "user", ACT_ADMIN, str_of(u->org)) && within(a, by, u);
    if (may) memcpy(ret_id, u->id, 37);
    pthread_mutex_unlock(&a->lock);
    if (!seen) return error_set(e, ERR_NOT_FOUND, "id", "there is no user '%.*s'", "没有用户“%.*s”", STR_ARG(user));
    if (may) return 0;
    return error_set(e, ERR_FORBIDDEN, "id", "%s may not administer the user %.*s", "%s 无权管理用户 %.*s", by->login,
                     STR_ARG(user));
}

int auth_unlock(struct auth *a, const char *user_id, struct error *e)
{
    char login[64] = "";
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_by_id(a, str_of(user_id));
    if (u) u->failures = 0;
    if (u) str_to_cstr(str_of(u->login), login, sizeof(login));
    pthread_mutex_unlock(&a->lock);
    backoff_clear(&a->backoff, "login", str_of(login));
    int rc = auth_sql(a, e, "delete from api_lock where user_id = $1", "s", str_of(user_id));
    return rc ? rc : auth_user_refresh(a, str_of(user_id), e);
}

int auth_sign_out(struct auth *a, const char *user_id, struct error *e)
{
    sessions_drop_user(a, str_of(user_id), "");
    return 0;
}

/* --- states --- */

static void fill_state(const struct auth *a, struct arena *arena, const struct auth_user *u, struct auth_state *ret)
{
    int64_t now = clock_now_us(a->clock);
    *ret = (struct auth_state){.login = arena_str(arena, str_of(u->login)),
                               .locked_us = u->locked_us > now ? u->locked_us : 0,
                               .password_us = u->password_us,
                               .failures = u->failures,
                               .second_factor = u->has_totp,
                               .needs_second_factor = u->needs_totp,
                               .external = u->external != NULL};
    memcpy(ret->id, u->id, sizeof(ret->id));
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct auth_state *)a)->id, ((const struct auth_state *)b)->id);
}

static struct auth_state *state_of(struct auth_state *list, size_t n, const char *id)
{
    struct auth_state key;
    memcpy(key.id, id, sizeof(key.id));
    return bsearch(&key, list, n, sizeof(*list), by_id);
}

static void count_logins(const struct auth *a, struct auth_state *list, size_t n)
{
    const struct session *s;
    const struct token *t;
    auth_map_each(&a->sessions, i, s)
    {
        struct auth_state *st = state_of(list, n, s->user_id);
        if (!st) continue;
        st->sessions++;
        if (s->seen_us > st->seen_us) st->seen_us = s->seen_us;
    }
    auth_map_each(&a->tokens, i, t)
    {
        struct auth_state *st = state_of(list, n, t->user_id);
        if (st) st->tokens++;
    }
}

int auth_states(struct auth *a, struct arena *arena, const struct actor *by, struct auth_state **ret, size_t *ret_n)
{
    struct auth_user *u;
    size_t n = 0;
    int rc = 0;
    pthread_mutex_lock(&a->lock);
    struct auth_state *list = arena_calloc(arena, a->users.n + 1, sizeof(*list));
    if (!list) rc = ERR_NOMEM;
    auth_map_each(&a->users, i, u)
    {
        if (rc || !permitted_at(by->may, "user", ACT_READ, str_of(u->org))) continue;
        rc = user_compile(a, u);
        if (!rc) fill_state(a, arena, u, &list[n++]);
    }
    if (!rc) qsort(list, n, sizeof(*list), by_id);
    if (!rc) count_logins(a, list, n);
    pthread_mutex_unlock(&a->lock);
    *ret = list;
    *ret_n = n;
    return rc;
}
