/* routes_query.h - the routes of queries: recorded, interpolated, plot, summary, aggregate, aligned, calc, export. */
#pragma once
#include "core/node.h"
MUST_CHECK int query_routes(struct node *n, void *module, struct error *e); /* from init */
