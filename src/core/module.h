/* module.h - a module: a folder with one of these. All rows of all modules stand in app/modules.c. */
#pragma once
#include "core/api.h"

struct node; /* the running node: see core/node.h */
struct module {
    const char *name;
    const char *title_en, *title_zh;
    const struct str *kinds; /* embedded kind documents, ended by {NULL,0} */
    const struct api_route *routes;
    size_t nroutes;
    /* Order: init of all modules (kinds, hooks, routes are registered after it), then start of all. */
    int (*init)(struct node *n, void **ret_ctx, struct error *e);
    int (*start)(void *ctx, struct error *e); /* reconcile; must be quick, long work goes on in threads */
    void (*stop)(void *ctx);                  /* no more work after it returns */
    void (*fini)(void *ctx);
};

/* All modules of a table, in its order: modules_init registers all kinds, then calls init of each and adds
 * its routes with the ctx that init gave; modules_start starts each; stop and fini go backwards. `ctx` has
 * room for n pointers. A modules_init or modules_start that fails undoes what it did itself (init by fini,
 * start by stop). */
MUST_CHECK int modules_init(struct node *node, const struct module *const *m, size_t n, void **ctx, struct error *e);
MUST_CHECK int modules_start(const struct module *const *m, size_t n, void **ctx, struct error *e);
void modules_stop(const struct module *const *m, size_t n, void **ctx);
void modules_fini(const struct module *const *m, size_t n, void **ctx);
