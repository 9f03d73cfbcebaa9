/* query.h - what a history request asks: points, range, and the rest, read from the query string. */
#pragma once
#include "core/node.h"
#include "base/limits.h"

struct query_point {
    struct str id, code, name, unit;
    uint32_t num;
    bool step;
};
struct query {
    struct query_point point[LIMIT_QUERY_POINTS];
    size_t npoints;
    int64_t from, to, interval; /* interval 0: not given */
    bool good_only;
};
/* points, from (default *-1h), to (default *), interval; everything checked: names the parameter. */
MUST_CHECK int query_read(struct node *n, struct api_call *c, struct query *ret, struct error *e);
/* Resolve a list "code1,code2" or ids into points; ERR_NOT_FOUND names the one that is missing. */
MUST_CHECK int query_points(struct node *n, struct api_call *c, struct str list, struct query *ret, struct error *e);
