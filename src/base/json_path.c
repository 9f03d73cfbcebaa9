/* json_path.c - asking a document (json_path.h). A query is walked depth first, each chosen child going on with the
 * next segment, which gives the order of RFC 9535; every node looked at is counted, also by the filters inside, and the
 * count ends the walk. The depth is that of the document and of the path, both bounded. */
#include "base/json_path_int.h"
#include "base/mem.h"

struct walk {
    const struct json *root, *current; /* $ and, in a filter, @ */
    const struct json_path_query *q;
    json_path_fn *fn;
    void *ctx;
    unsigned *visits;
};

static int on(const struct walk *w, size_t at, const struct json *node);

static bool parent(const struct json *v)
{
    return v->type == JSON_ARRAY || v->type == JSON_OBJECT;
}

static int count(const struct walk *w)
{
    return ++*w->visits > PATH_VISITS_MAX ? ERR_LIMIT : 0;
}

static int run(const struct walk *w)
{
    return on(w, 0, w->q->relative ? w->current : w->root);
}

/* ---- filters ---- */

static int stop_at_first(void *ctx, const struct json *node)
{
    *(const struct json **)ctx = node;
    return 1;
}

/* The first node of a query in a filter; NULL: there is none. */
static int ask(const struct walk *w, const struct json *node, const struct json_path_query *q, const struct json **ret)
{
    *ret = NULL;
    struct walk inner = {w->root, node, q, stop_at_first, ret, w->visits};
    int rc = run(&inner);
    return rc == 1 ? 0 : rc;
}

static int value_of(const struct walk *w, const struct json *node, const struct path_operand *o,
                    const struct json **ret)
{
    if (!o->literal) return ask(w, node, o->query, ret);
    *ret = o->literal;
    return 0;
}

static bool is_number(const struct json *v)
{
    return v && (v->type == JSON_INT || v->type == JSON_DOUBLE);
}

static bool same(const struct json *a, const struct json *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

/* Numbers with numbers, texts with texts; nothing else has an order. */
static bool less(const struct json *a, const struct json *b)
{
    if (is_number(a) && is_number(b))
        return a->type == JSON_INT && b->type == JSON_INT ? a->i < b->i : json_double(a, 0) < json_double(b, 0);
    return a && b && a->type == JSON_STRING && b->type == JSON_STRING && str_cmp(a->s, b->s) < 0;
}

static bool compare(enum path_op op, const struct json *l, const struct json *r)
{
    switch (op) {
    case OP_EQ: return same(l, r);
    case OP_NE: return !same(l, r);
    case OP_LT: return less(l, r);
    case OP_GT: return less(r, l);
    case OP_LE: return less(l, r) || same(l, r);
    default: return less(r, l) || same(l, r);
    }
}

/* 1, 0 or an error */
static int holds(const struct walk *w, const struct json *node, const struct path_expr *x)
{
    const struct json *l = NULL, *r = NULL;
    int rc;
    if (x->op == OP_NOT) return (rc = holds(w, node, x->a)) < 0 ? rc : !rc;
    if (x->op == OP_EXISTS) return (rc = ask(w, node, x->query, &l)) ? rc : l != NULL;
    if (x->op == OP_AND || x->op == OP_OR) {
        rc = holds(w, node, x->a);
        return rc < 0 || rc == (x->op == OP_OR) ? rc : holds(w, node, x->b);
    }
    rc = value_of(w, node, &x->left, &l);
    if (!rc) rc = value_of(w, node, &x->right, &r);
    return rc ? rc : compare(x->op, l, r);
}

/* ---- selectors ---- */

static int every(const struct walk *w, size_t at, const struct json *node, const struct path_expr *filter)
{
    for (const struct json *c = parent(node) ? node->child : NULL; c; c = c->next) {
        int rc = count(w), keep = rc || !filter ? 1 : holds(w, c, filter);
        if (rc || keep < 0) return rc ? rc : keep;
        rc = keep ? on(w, at + 1, c) : 0;
        if (rc) return rc;
    }
    return 0;
}

static int by_index(const struct walk *w, size_t at, const struct json *node, int64_t i)
{
    if (i < 0) i += (int64_t)node->count;
    if (i < 0 || i >= (int64_t)node->count) return 0;
    return on(w, at + 1, json_at(node, (size_t)i));
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int backwards(const struct walk *w, size_t at, const struct json *node, int64_t from, int64_t to, int64_t step)
{
    AUTO_FREE const struct json **all = mem_alloc((node->count + 1) * sizeof *all);
    size_t n = 0;
    if (!all) return ERR_NOMEM;
    for
        json_each (c, node) all[n++] = c;
    for (int64_t i = from; i > to; i += step) {
        int rc = count(w);
        if (!rc) rc = on(w, at + 1, all[i]);
        if (rc) return rc;
    }
    return 0;
}

static int forwards(const struct walk *w, size_t at, const struct json *node, int64_t from, int64_t to, int64_t step)
{
    int64_t i = 0, next = from;
    for
        json_each (c, node) {
            int rc = count(w);
            if (rc || i >= to) return rc;
            if (i++ != next) continue;
            next += step;
            rc = on(w, at + 1, c);
            if (rc) return rc;
        }
    return 0;
}

/* RFC 9535 2.3.4.2.2 */
static int by_slice(const struct walk *w, size_t at, const struct json *node, const struct path_selector *s)
{
    int64_t n = (int64_t)node->count, up = s->step > 0;
    int64_t from = s->has_from ? s->from : up ? 0 : n - 1, to = s->has_to ? s->to : up ? n : -n - 1;
    if (!s->step || !n) return 0;
    if (from < 0 && s->has_from) from += n;
    if (to < 0) to += n;
    if (up) return forwards(w, at, node, clamp(from, 0, n), clamp(to, 0, n), s->step);
    return backwards(w, at, node, clamp(from, -1, n - 1), clamp(to, -1, n - 1), s->step);
}

static int by_name(const struct walk *w, size_t at, const struct json *node, struct str name)
{
    const struct json *c = node->type == JSON_OBJECT ? json_get_str(node, name) : NULL;
    return c ? on(w, at + 1, c) : 0;
}

static int choose(const struct walk *w, size_t at, const struct json *node, const struct path_selector *s)
{
    if (s->kind == SELECT_NAME) return by_name(w, at, node, s->name);
    if (s->kind == SELECT_ALL || s->kind == SELECT_FILTER) return every(w, at, node, s->filter);
    if (node->type != JSON_ARRAY) return 0;
    return s->kind == SELECT_INDEX ? by_index(w, at, node, s->from) : by_slice(w, at, node, s);
}

/* ---- segments ---- */

static int choose_all(const struct walk *w, size_t at, const struct json *node)
{
    const struct path_segment *g = &w->q->seg[at];
    int rc = count(w);
    for (size_t i = 0; i < g->n && !rc; i++) rc = choose(w, at, node, &g->sel[i]);
    return rc;
}

static int descend(const struct walk *w, size_t at, const struct json *node)
{
    int rc = choose_all(w, at, node);
    for (const struct json *c = parent(node) ? node->child : NULL; c && !rc; c = c->next) rc = descend(w, at, c);
    return rc;
}

static int on(const struct walk *w, size_t at, const struct json *node)
{
    if (at == w->q->n) return w->fn(w->ctx, node);
    return w->q->seg[at].descend ? descend(w, at, node) : choose_all(w, at, node);
}

int json_path_all(const struct json_path_query *q, const struct json *root, json_path_fn *fn, void *ctx)
{
    unsigned visits = 0;
    struct walk w = {root, root, q, fn, ctx, &visits};
    return root ? run(&w) : 0;
}

const struct json *json_path_first(const struct json_path_query *q, const struct json *root)
{
    const struct json *first = NULL;
    return json_path_all(q, root, stop_at_first, &first) == 1 ? first : NULL;
}
