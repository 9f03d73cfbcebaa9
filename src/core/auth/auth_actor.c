/* auth_actor.c - users by id as actors, with what they may do now: for work that goes on without them. */
#include "core/auth/auth_int.h"

int auth_actor(struct auth *a, struct arena *arena, struct str user_id, struct actor *ret)
{
    struct principal p = {0};
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = auth_user_by_id(a, user_id);
    int rc = u && !u->disabled ? auth_principal(a, u, NULL, arena, &p) : ERR_NOT_FOUND;
    pthread_mutex_unlock(&a->lock);
    if (!rc) *ret = p.actor;
    return rc;
}

static struct token *token_by_id(struct auth *a, struct str id)
{
    struct token *t;
    auth_map_each(&a->tokens, i, t)
    {
        if (str_is(id, t->id)) return t;
    }
    return NULL;
}

int auth_token_actor(struct auth *a, struct arena *arena, struct str user_id, struct str token_id, struct actor *ret)
{
    struct principal p = {0};
    pthread_mutex_lock(&a->lock);
    struct token *t = token_by_id(a, token_id);
    int rc = t && str_is(user_id, t->user_id) ? token_principal(a, t, arena, &p) : ERR_NOT_FOUND;
    pthread_mutex_unlock(&a->lock);
    if (!rc) *ret = p.actor;
    return rc == ERR_UNAUTHENTICATED ? ERR_NOT_FOUND : rc;
}

int auth_users_each(struct auth *a, bool (*fn)(void *ctx, const struct auth_person *who), void *ctx)
{
    struct auth_user *u;
    int rc = 0;
    bool more = true;
    pthread_mutex_lock(&a->lock);
    auth_map_each(&a->users, i, u)
    {
        if (!more || rc) break;
        rc = user_compile(a, u);
        struct auth_person who = {u->id, u->login, u->org, u->roles, u->disabled, u->service, u->may};
        if (!rc) more = fn(ctx, &who);
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}
