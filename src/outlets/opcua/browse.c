/* browse.c - Browse and BrowseNext with continuation points, TranslateBrowsePathsToNodeIds, RegisterNodes.
 *
 * A continuation point is the question and how many references have been told; it is kept by the session (at most
 * OS_POINTERS) and good until the set changes. */
#include "outlets/opcua/server_int.h"

#define REFS_MAX 10000 /* of one answer */
#define TARGETS_MAX 1000

struct question {
    const struct os_server *s;
    const struct os_session *x;
    uint32_t ref, mask, class_mask;
    int32_t direction;
    bool subtypes;
};
struct telling {
    struct question q;
    struct arena *a;
    struct ua_reference_description *refs;
    uint32_t n, cap, max, skip, seen;
    bool more, nomem;
};

static bool wanted(const struct question *q, uint32_t type, bool forward, const struct os_node *target)
{
    if (q->direction == UA_BROWSE_FORWARD && !forward) return false;
    if (q->direction == UA_BROWSE_INVERSE && forward) return false;
    if (q->ref && type != q->ref && !(q->subtypes && os_base_is(type, q->ref))) return false;
    return q->class_mask == 0 || (q->class_mask & (uint32_t)os_class(target));
}
static bool room(struct telling *t)
{
    if (t->n < t->cap) return true;
    uint32_t cap = t->cap ? t->cap * 2 : 16;
    struct ua_reference_description *r = arena_calloc(t->a, cap, sizeof *r);
    if (r == NULL) return false;
    if (t->n) memcpy(r, t->refs, t->n * sizeof *r);
    t->refs = r;
    t->cap = cap;
    return true;
}
enum { MASK_TYPE = 1, MASK_FORWARD = 2, MASK_CLASS = 4, MASK_NAME = 8, MASK_DISPLAY = 16, MASK_DEFINITION = 32 };
static void describe(struct telling *t, uint32_t type, bool forward, const struct os_node *n,
                     struct ua_reference_description *r)
{
    const struct question *q = &t->q;
    *r = (struct ua_reference_description){.node_id = {.id = os_node_id(q->s, n, t->a)}};
    if (q->mask & MASK_TYPE) r->reference_type_id = ua_id(0, type);
    if (q->mask & MASK_FORWARD) r->is_forward = forward;
    if (q->mask & MASK_CLASS) r->node_class = (int32_t)os_class(n);
    if (q->mask & MASK_NAME) r->browse_name = os_browse_name(q->s, n);
    if (q->mask & MASK_DISPLAY) r->display_name = os_display_name(q->s, q->x, n);
    if (q->mask & MASK_DEFINITION) r->type_definition.id = ua_id(0, os_type_definition(q->s, n));
}
static bool tell(void *ctx, uint32_t type, bool forward, struct os_node target)
{
    struct telling *t = ctx;
    if (!wanted(&t->q, type, forward, &target)) return true;
    if (t->seen++ < t->skip) return true;
    if (t->n == t->max) {
        t->more = true;
        return false;
    }
    if (!room(t)) {
        t->nomem = true;
        return false;
    }
    describe(t, type, forward, &target, &t->refs[t->n]);
    t->n++;
    return true;
}

/* ---- continuation points ---- */

static struct os_pointer *pointer_of(struct os_session *x, struct str bytes)
{
    uint64_t id;
    if (bytes.n != sizeof id) return NULL;
    memcpy(&id, bytes.p, sizeof id);
    for (unsigned i = 0; id && i < OS_POINTERS; i++)
        if (x->pointers[i].id == id) return &x->pointers[i];
    return NULL;
}
static struct os_pointer *free_pointer(struct os_session *x)
{
    for (unsigned i = 0; i < OS_POINTERS; i++)
        if (x->pointers[i].id == 0) return &x->pointers[i];
    return NULL;
}

/* From p->at on; p->id stays when there is more to tell, else it is given back. */
static void go(struct os_call *c, struct os_pointer *p, struct ua_browse_result *ret)
{
    struct telling t = {.q = {c->s, c->session, p->ref, p->mask, p->class_mask, p->direction, p->subtypes},
                        .a = c->a,
                        .max = p->max,
                        .skip = p->at};
    os_refs(c->s, &p->node, tell, &t);
    ret->references = t.refs ? t.refs : arena_calloc(c->a, 1, sizeof *t.refs);
    ret->references_n = t.n;
    if (t.nomem) ret->status_code = UA_BAD_OUT_OF_MEMORY;
    p->at += t.n;
    if (!t.more || t.nomem) {
        p->id = 0;
        return;
    }
    struct os_pointer *kept = p->id ? p : free_pointer(c->session);
    if (kept == NULL) {
        *ret = (struct ua_browse_result){.status_code = UA_BAD_NO_CONTINUATION_POINTS};
        return;
    }
    *kept = *p;
    kept->id = ++c->session->pointer_ids << 20 | (c->s->base.host->random(c->s->base.host->ctx) & 0xfffff);
    ret->continuation_point = arena_str(c->a, str_make((const char *)&kept->id, sizeof kept->id));
}

static void browse_one(struct os_call *c, const struct ua_browse_description *q, uint32_t max,
                       struct ua_browse_result *ret)
{
    struct os_pointer p = {.node = os_node_find(c->s, &q->node_id),
                           .ref = q->reference_type_id.ns == 0 ? q->reference_type_id.i : UINT32_MAX,
                           .mask = q->result_mask,
                           .class_mask = q->node_class_mask,
                           .space = c->s->space->version,
                           .direction = q->browse_direction,
                           .subtypes = q->include_subtypes,
                           .max = max};
    const struct os_base *type = p.ref ? os_base_find(p.ref) : NULL;
    if (p.node.kind == OS_NONE)
        ret->status_code = UA_BAD_NODE_ID_UNKNOWN;
    else if (p.direction < UA_BROWSE_FORWARD || p.direction > UA_BROWSE_BOTH)
        ret->status_code = UA_BAD_BROWSE_DIRECTION_INVALID;
    else if (!ua_nodeid_null(&q->reference_type_id) &&
             (q->reference_type_id.kind != UA_ID_NUMBER || type == NULL || type->node_class != UA_CLASS_REFERENCE_TYPE))
        ret->status_code = UA_BAD_REFERENCE_TYPE_INVALID;
    else
        go(c, &p, ret);
}
uint32_t os_browse(struct os_call *c, const void *request)
{
    const struct ua_browse_request *q = request;
    uint32_t max = q->requested_max_references_per_node;
    struct ua_browse_response r = {.results_n = q->nodes_to_browse_n};
    if (!ua_nodeid_null(&q->view.view_id)) return UA_BAD_VIEW_ID_UNKNOWN;
    if (q->nodes_to_browse_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_browse_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    uint32_t most = REFS_MAX / q->nodes_to_browse_n + 10; /* of all nodes together not much more than REFS_MAX */
    if (max == 0 || max > most) max = most;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r.results_n; i++) browse_one(c, &q->nodes_to_browse[i], max, &r.results[i]);
    os_answer(c, UA_T_browse_response, &r);
    return 0;
}
uint32_t os_browse_next(struct os_call *c, const void *request)
{
    const struct ua_browse_next_request *q = request;
    struct ua_browse_next_response r = {.results_n = q->continuation_points_n};
    if (r.results_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (r.results_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r.results_n; i++) {
        struct os_pointer *p = pointer_of(c->session, q->continuation_points[i]);
        if (p && p->space != c->s->space->version) p->id = 0, p = NULL;
        if (p == NULL)
            r.results[i].status_code = UA_BAD_CONTINUATION_POINT_INVALID;
        else if (q->release_continuation_points)
            p->id = 0;
        else
            go(c, p, &r.results[i]);
    }
    os_answer(c, UA_T_browse_next_response, &r);
    return 0;
}

/* ---- paths ---- */

struct seek {
    const struct os_server *s;
    struct question q;
    struct ua_name name;
    struct os_node *found;
    uint32_t n;
};
static bool seek_ref(void *ctx, uint32_t type, bool forward, struct os_node target)
{
    struct seek *k = ctx;
    struct ua_name name = os_browse_name(k->s, &target);
    if (!wanted(&k->q, type, forward, &target)) return true;
    if (name.ns != k->name.ns || !str_eq(name.name, k->name.name)) return true;
    k->found[k->n++] = target;
    return k->n < TARGETS_MAX;
}
static uint32_t follow(struct os_call *c, const struct ua_browse_path *q, struct os_node *nodes, struct os_node *next,
                       uint32_t *ret_n)
{
    uint32_t n = 1;
    for (uint32_t e = 0; e < q->relative_path.elements_n; e++) {
        const struct ua_relative_path_element *el = &q->relative_path.elements[e];
        struct seek k = {.s = c->s, .name = el->target_name, .found = next};
        if (el->target_name.name.n == 0) return UA_BAD_BROWSE_NAME_INVALID;
        k.q = (struct question){.s = c->s,
                                .ref = el->reference_type_id.ns == 0 ? el->reference_type_id.i : UINT32_MAX,
                                .direction = el->is_inverse ? UA_BROWSE_INVERSE : UA_BROWSE_FORWARD,
                                .subtypes = el->include_subtypes};
        for (uint32_t i = 0; i < n && k.n < TARGETS_MAX; i++) os_refs_named(c->s, &nodes[i], &k.name, seek_ref, &k);
        if (k.n == 0) return UA_BAD_NO_MATCH;
        n = k.n;
        memcpy(nodes, next, n * sizeof *nodes);
    }
    *ret_n = n;
    return 0;
}
static void translate_one(struct os_call *c, const struct ua_browse_path *q, struct os_node *scratch,
                          struct ua_browse_path_result *ret)
{
    uint32_t n = 0;
    scratch[0] = os_node_find(c->s, &q->starting_node);
    if (scratch[0].kind == OS_NONE)
        ret->status_code = UA_BAD_NODE_ID_UNKNOWN;
    else if (q->relative_path.elements_n == 0)
        ret->status_code = UA_BAD_NOTHING_TO_DO;
    else if (q->relative_path.elements_n > 32)
        ret->status_code = UA_BAD_TOO_MANY_OPERATIONS;
    else
        ret->status_code = follow(c, q, scratch, scratch + TARGETS_MAX, &n);
    if (ret->status_code) return;
    ret->targets = arena_calloc(c->a, n, sizeof *ret->targets);
    ret->targets_n = ret->targets ? n : 0;
    for (uint32_t i = 0; i < ret->targets_n; i++)
        ret->targets[i] = (struct ua_browse_path_target){.target_id = {.id = os_node_id(c->s, &scratch[i], c->a)},
                                                         .remaining_path_index = UINT32_MAX};
}
uint32_t os_translate(struct os_call *c, const void *request)
{
    const struct ua_translate_browse_paths_to_node_ids_request *q = request;
    struct ua_translate_browse_paths_to_node_ids_response r = {.results_n = q->browse_paths_n};
    if (r.results_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (r.results_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    struct os_node *scratch = arena_calloc(c->a, 2 * TARGETS_MAX, sizeof *scratch);
    if (r.results == NULL || scratch == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r.results_n; i++) translate_one(c, &q->browse_paths[i], scratch, &r.results[i]);
    os_answer(c, UA_T_translate_browse_paths_to_node_ids_response, &r);
    return 0;
}

/* Ids are as quick as they can be: the same ones go back. */
uint32_t os_register(struct os_call *c, const void *request)
{
    const struct ua_register_nodes_request *q = request;
    struct ua_register_nodes_response r = {.registered_node_ids = q->nodes_to_register,
                                           .registered_node_ids_n = q->nodes_to_register_n};
    if (q->nodes_to_register_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_register_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    os_answer(c, UA_T_register_nodes_response, &r);
    return 0;
}
uint32_t os_unregister(struct os_call *c, const void *request)
{
    const struct ua_unregister_nodes_request *q = request;
    struct ua_unregister_nodes_response r = {0};
    if (q->nodes_to_unregister_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_unregister_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    os_answer(c, UA_T_unregister_nodes_response, &r);
    return 0;
}
