/* api_router.h - which route serves a method and path: a tree of segments.
 *
 * A pattern segment is a literal ("points:tree"), "{x}:verb" (a parameter with a fixed tail) or "{x}".
 * At each level literals are tried first, then tails, then plain parameters, with the way back, so that
 * "/points/{id}:write" and "/{plural}/{id}:rollback" live together. Built before the server starts,
 * read only afterwards: no lock. */
#pragma once
#include "core/api.h"

#define ROUTE_SEGMENTS_MAX 10
#define ROUTE_PARAMS_MAX 4
#define ROUTE_METHODS 5 /* GET POST PUT PATCH DELETE */

struct route {
    const struct api_route *row;
    void *module;
    unsigned index; /* in order of adding */
    _Atomic uint32_t *cost_us; /* what its handler takes, see http_route; behind the struct */
    struct route *next;
};
struct router;
/* Does this route take that first parameter? For the rows of kind "*". */
typedef bool route_accept_fn(void *ctx, const struct route *r, struct str first_param);

MUST_CHECK int router_new(route_accept_fn *accept, void *ctx, struct router **ret);
void router_free(struct router *t);
MUST_CHECK int router_add(struct router *t, const struct api_route *row, void *module, struct error *e);

struct route_match {
    const struct route *route; /* NULL: none */
    struct str param[ROUTE_PARAMS_MAX];
    bool method[ROUTE_METHODS]; /* methods that the path knows */
};
/* segs: decoded path segments. 0; ERR_NOT_FOUND; ERR_METHOD (match->method tells which there are). */
int router_find(const struct router *t, struct str method, const struct str *segs, size_t n, struct route_match *ret);
const char *router_method(size_t i);
size_t router_count(const struct router *t);
const struct route *router_at(const struct router *t, size_t i);
/* The known path nearest to `path` (edit distance), "" when none is near. `more`: further candidates. */
const char *router_nearest(const struct router *t, struct str path, const char *const *more, size_t n);
