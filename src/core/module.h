/* module.h - a module: a folder with one of these. All rows of all modules stand in app/modules.c. */
#pragma once
#include "core/api.h"

struct node;                            /* the running node: see core/node.h */
struct module {
    const char *name;
    const char *title_en, *title_zh;
    const struct str *kinds;            /* embedded kind documents, ended by {NULL,0} */
    const struct api_route *routes;
    size_t nroutes;
    /* Order: init of all modules (kinds, hooks, routes are registered after it), then start of all. */
    int (*init)(struct node *n, void **ret_ctx, struct error *e);
    int (*start)(void *ctx, struct error *e);   /* reconcile; must be quick, long work goes on in threads */
    void (*stop)(void *ctx);                    /* no more work after it returns */
    void (*fini)(void *ctx);
};
