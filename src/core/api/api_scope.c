/* api_scope.c - what of the plant the caller may see: resources by code and points by number, for handlers
 * and streams whose answers are not lists of resources. */
#include "core/api/api_int.h"

int api_find(struct api_call *c, const char *kind, struct str id_or_code, enum api_action act, struct resource *ret,
             struct error *e)
{
    struct resource r;
    int rc = resource_find(c->kernel, c->a, &c->actor, kind, id_or_code, false, &r, e);
    if (rc) return rc;
    if (!permitted_at(c->actor.may, kind, act, r.org))
        return error_set(e, ERR_FORBIDDEN, "", "%s may not %s %s %.*s", "%s 没有权限：%s %s %.*s", c->actor.login,
                         perm_action_name(act), kind, STR_ARG(r.code));
    *ret = r;
    return 0;
}

struct point_scope *api_points(struct api *api)
{
    return api->points;
}

bool api_may_point(struct api_call *c, enum api_action act, uint32_t num)
{
    struct point_view v;
    if (point_view_open(c->api->points, c->actor.may, act, &v)) return false;
    bool may = point_view_has(&v, num);
    point_view_close(&v);
    return may;
}

bool api_ticket_points(struct api *api, const struct api_ticket *t, enum api_action act, struct point_view *ret)
{
    AUTO_ARENA arena;
    struct principal who;
    arena_init(&arena, 4 << 20);
    *ret = (struct point_view){.all = false};
    if (auth_by_key(api->auth, &arena, t->key, t->session, &who) || !permitted(who.actor.may, "point", act))
        return false;
    return point_view_open(api->points, who.actor.may, act, ret) == 0;
}
