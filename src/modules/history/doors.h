/* doors.h - the doors into and out of history that speak other products' protocols: line protocol in, Grafana and
 * Prometheus out, the stream of queries. Part of the module history: its routes beside those of history.c. */
#pragma once
#include "core/node.h"

struct doors;
/* module: the module's ctx, which the handlers get. Adds the routes. */
MUST_CHECK int doors_new(struct node *n, void *module, struct doors **ret, struct error *e);
MUST_CHECK int doors_start(struct doors *d, struct error *e);
void doors_stop(struct doors *d);
void doors_free(struct doors *d);
struct line_map;
struct line_map *doors_lines(struct doors *d);
struct pool;
struct pool *doors_pool(struct doors *d); /* of queries on streams */
struct doors *history_doors(void *module); /* module.c */

/* A table of routes each: ingest_line.c, grafana.c, prometheus.c, stream.c */
struct door_routes {
    const struct api_route *row;
    size_t n;
};
extern const struct door_routes ingest_line_routes, stream_routes, grafana_routes, prometheus_routes;
