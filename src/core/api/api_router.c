/* api_router.c - see api_router.h. */
#include "core/api/api_router.h"
#include <assert.h>
#include "base/mem.h"

enum seg_type { SEG_LITERAL, SEG_TAIL, SEG_PARAM };
struct node {
    enum seg_type type;
    struct str text; /* literal, or the tail ":verb"; into the row's path */
    struct node *child, *next;
    struct route *routes;
};
struct router {
    struct node root;
    route_accept_fn *accept;
    void *ctx;
    struct route **all;
    size_t n, cap;
};

static const char *const methods[ROUTE_METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
const char *router_method(size_t i)
{
    return i < ROUTE_METHODS ? methods[i] : NULL;
}
size_t router_count(const struct router *t)
{
    return t->n;
}
const struct route *router_at(const struct router *t, size_t i)
{
    return i < t->n ? t->all[i] : NULL;
}

static int method_index(struct str m)
{
    if (str_is(m, "HEAD")) return 0;
    for (int i = 0; i < ROUTE_METHODS; i++)
        if (str_is(m, methods[i])) return i;
    return -1;
}

int router_new(route_accept_fn *accept, void *ctx, struct router **ret)
{
    struct router *t = mem_calloc(1, sizeof(*t));
    if (!t) return ERR_NOMEM;
    t->accept = accept;
    t->ctx = ctx;
    *ret = t;
    return 0;
}

static void node_free(struct node *n)
{
    for (struct node *c = n->child, *next; c; c = next) {
        next = c->next;
        node_free(c);
        mem_free(c);
    }
}

void router_free(struct router *t)
{
    if (!t) return;
    node_free(&t->root); /* as deep as the longest pattern: ROUTE_SEGMENTS_MAX */
    for (size_t i = 0; i < t->n; i++) mem_free(t->all[i]);
    mem_free(t->all);
    mem_free(t);
}

static enum seg_type seg_parse(struct str seg, struct str *text)
{
    ptrdiff_t close = str_find(seg, '}');
    if (!seg.n || seg.p[0] != '{' || close < 0) {
        *text = seg;
        return SEG_LITERAL;
    }
    *text = str_sub(seg, (size_t)close + 1, seg.n);
    return text->n ? SEG_TAIL : SEG_PARAM;
}

/* Children stand in the order literals, tails, parameters. */
static struct node *child_of(struct node *n, enum seg_type type, struct str text)
{
    struct node **at = &n->child;
    for (; *at && (*at)->type <= type; at = &(*at)->next)
        if ((*at)->type == type && str_eq((*at)->text, text)) return *at;
    struct node *c = mem_calloc(1, sizeof(*c));
    if (!c) return NULL;
    *c = (struct node){.type = type, .text = text, .next = *at};
    return *at = c;
}

static int node_for(struct router *t, const struct api_route *row, struct node **ret)
{
    struct str rest = str_of(row->path + 1);
    struct node *n = &t->root;
    size_t params = 0, depth = 0;
    while (rest.p && n) {
        struct str text;
        enum seg_type type = seg_parse(str_cut(&rest, '/'), &text);
        params += type != SEG_LITERAL;
        depth++;
        n = child_of(n, type, text);
    }
    assert(params <= ROUTE_PARAMS_MAX && depth <= ROUTE_SEGMENTS_MAX);
    *ret = n;
    return n ? 0 : ERR_NOMEM;
}

static void assert_complete(const struct api_route *row)
{
    assert(row->method && row->path && row->path[0] == '/' && method_index(str_of(row->method)) >= 0);
    assert(row->kind && row->audit >= AUDIT_NONE && row->audit <= AUDIT_SECURITY);
    assert(!row->handler != !row->stream);
    assert(row->summary_en && row->summary_zh);
}

int router_add(struct router *t, const struct api_route *row, void *module, struct error *e)
{
    struct node *n;
    assert_complete(row);
    if (!mem_grow((void **)&t->all, &t->cap, t->n + 1, sizeof(*t->all)) || node_for(t, row, &n)) return ERR_NOMEM;
    for (const struct route *r = n->routes; r; r = r->next)
        if (strcmp(r->row->method, row->method) == 0)
            return error_set(e, ERR_EXISTS, row->path, "two routes for %s %s", "路由 %s %s 重复", row->method,
                             row->path);
    struct route *r = mem_calloc(1, sizeof(*r) + sizeof(*r->cost_us));
    if (!r) return ERR_NOMEM;
    *r = (struct route){.row = row, .module = module, .index = (unsigned)t->n, .next = n->routes};
    r->cost_us = (_Atomic uint32_t *)(r + 1);
    n->routes = r;
    t->all[t->n++] = r;
    return 0;
}

struct search {
    const struct router *t;
    const struct str *segs;
    size_t n, params;
    int method;
    struct route_match *m;
};

static bool leaf(struct search *x, const struct node *n)
{
    for (const struct route *r = n->routes; r; r = r->next) {
        if (strcmp(r->row->kind, "*") == 0 && !x->t->accept(x->t->ctx, r, x->m->param[0])) continue;
        int m = method_index(str_of(r->row->method));
        x->m->method[m] = true;
        if (m != x->method) continue;
        x->m->route = r;
        return true;
    }
    return false;
}

static bool seg_matches(const struct node *n, struct str seg, struct str *param)
{
    if (n->type == SEG_LITERAL) return str_eq(seg, n->text);
    if (n->type == SEG_TAIL && (seg.n <= n->text.n || !str_ends(seg, n->text))) return false;
    *param = n->type == SEG_TAIL ? str_sub(seg, 0, seg.n - n->text.n) : seg;
    return seg.n > 0;
}

/* Depth: at most ROUTE_SEGMENTS_MAX. */
static bool descend(struct search *x, const struct node *n, size_t i)
{
    if (i == x->n) return leaf(x, n);
    for (const struct node *c = n->child; c; c = c->next) {
        struct str param = STR_NULL;
        if (!seg_matches(c, x->segs[i], &param)) continue;
        if (c->type != SEG_LITERAL) x->m->param[x->params++] = param;
        if (descend(x, c, i + 1)) return true;
        if (c->type != SEG_LITERAL) x->params--;
    }
    return false;
}

int router_find(const struct router *t, struct str method, const struct str *segs, size_t n, struct route_match *ret)
{
    *ret = (struct route_match){0};
    if (n > ROUTE_SEGMENTS_MAX) return ERR_NOT_FOUND;
    struct search x = {.t = t, .segs = segs, .n = n, .method = method_index(method), .m = ret};
    if (descend(&x, &t->root, 0)) return 0;
    for (size_t i = 0; i < ROUTE_METHODS; i++)
        if (ret->method[i]) return ERR_METHOD;
    return ERR_NOT_FOUND;
}

/* --- the nearest path --- */

#define NEAR_MAX 96

static size_t distance(struct str a, struct str b)
{
    uint8_t row[NEAR_MAX + 1];
    if (a.n > NEAR_MAX || b.n > NEAR_MAX) return NEAR_MAX;
    for (size_t j = 0; j <= b.n; j++) row[j] = (uint8_t)j;
    for (size_t i = 1; i <= a.n; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.n; j++) {
            uint8_t up = row[j], best = (uint8_t)(diagonal + (a.p[i - 1] != b.p[j - 1]));
            if (up + 1 < best) best = (uint8_t)(up + 1);
            if (row[j - 1] + 1 < best) best = (uint8_t)(row[j - 1] + 1);
            row[j] = best;
            diagonal = up;
        }
    }
    return row[b.n];
}

static void nearer(struct str path, const char *candidate, size_t *best, const char **ret)
{
    size_t d = distance(path, str_of(candidate));
    if (d >= *best) return;
    *best = d;
    *ret = candidate;
}

const char *router_nearest(const struct router *t, struct str path, const char *const *more, size_t n)
{
    size_t best = path.n / 4 + 1; /* further away is no help */
    const char *ret = "";
    if (best > 6) best = 6;
    for (size_t i = 0; i < t->n; i++)
        if (!strchr(t->all[i]->row->path, '{')) nearer(path, t->all[i]->row->path, &best, &ret);
    for (size_t i = 0; i < n; i++) nearer(path, more[i], &best, &ret);
    return ret;
}
