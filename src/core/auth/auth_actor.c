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
