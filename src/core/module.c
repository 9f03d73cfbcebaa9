/* module.c - see module.h: the order in which the modules of a table come up and go down. */
#include "core/module.h"
#include "core/node.h"

static int add_kinds(struct kernel *k, const struct module *m, struct error *e)
{
    int rc = 0;
    for (const struct str *doc = m->kinds; doc && doc->p && !rc; doc++) rc = kernel_kind_add(k, *doc, e);
    if (rc) error_prefix(e, m->name);
    return rc;
}

static int init_one(struct node *node, const struct module *m, void **ctx, struct error *e)
{
    int rc = m->init ? m->init(node, ctx, e) : 0;
    if (rc || !m->nroutes) return rc;
    rc = api_routes_add(node->api, m->routes, m->nroutes, *ctx, e);
    if (rc && m->fini) m->fini(*ctx);
    return rc;
}

int modules_init(struct node *node, const struct module *const *m, size_t n, void **ctx, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = add_kinds(node->kernel, m[i], e);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) {
        ctx[i] = NULL;
        rc = init_one(node, m[i], &ctx[i], e);
        if (rc) {
            modules_fini(m, i, ctx);
            return rc;
        }
    }
    return 0;
}

int modules_start(const struct module *const *m, size_t n, void **ctx, struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        int rc = m[i]->start ? m[i]->start(ctx[i], e) : 0;
        if (rc) {
            modules_stop(m, i, ctx);
            return rc;
        }
    }
    return 0;
}

void modules_stop(const struct module *const *m, size_t n, void **ctx)
{
    while (n--)
        if (m[n]->stop) m[n]->stop(ctx[n]);
}

void modules_fini(const struct module *const *m, size_t n, void **ctx)
{
    while (n--)
        if (m[n]->fini) m[n]->fini(ctx[n]);
}
