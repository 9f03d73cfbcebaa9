/* engines.h - other time-series engines behind archive classes: resources of kind ts_engine made true in the router
 * (store/ts_router.h), their state for people, events when they go, come, or lose samples.
 *
 * The thread of retention.h calls apply and names; without a router in the node nothing happens. */
#pragma once
#include "core/node.h"
#include "store/ts_remote.h"

struct engines;
MUST_CHECK int engines_new(struct node *n, void *module, struct engines **ret, struct error *e); /* routes, job types */
void engines_stop(struct engines *g); /* no more events */
void engines_free(struct engines *g);
void engines_apply(struct engines *g); /* engines and classes -> router */
void engines_names(struct engines *g); /* codes of points, for the engines */
struct engines *history_engines(void *module);

/* migrate.c: the job history.migrate {"class","to","verify","remove"}. */
MUST_CHECK int migrate_add(struct node *n, struct error *e);
