/* settle.c - conditions that a refresh did not tell: they are of no interest now (Retain is false). Where their nodes
 * are in the address space, what they are is read: a TranslateBrowsePaths finds the fields, a Read brings them. Where
 * they are not (a server need not show its conditions), an alarm that is not retained is not active and waits for
 * nobody: that is told - good where the condition was met before, uncertain where nothing has ever proved that it
 * exists. */
#include "drivers/opcua/events_int.h"

#define AT_ONCE 4
#define BATCH 8

struct batch {
    uint32_t n, paths, reads;
    struct ua_nodeid conditions[BATCH]; /* they may go meanwhile */
    uint32_t first[BATCH + 1];          /* of its paths */
    struct ua_nodeid *ids;              /* of the paths that were found, null: not */
    struct oc_filter *filter;           /* what the paths belong to: only compared, never followed */
    uint64_t up_ns;
    struct arena a;
};

static void batch_free(struct batch *b)
{
    arena_fini(&b->a);
    mem_free(b);
}

/* The condition of the batch, when it still waits for this answer. */
static struct oc_condition *waiting(const struct oc_channel *ch, const struct batch *b, uint32_t i)
{
    struct oc_condition *c = ch->events ? oc_condition_find(ch->events, &b->conditions[i]) : NULL;
    while (c && c->settle != SETTLE_ASKED) c = oc_condition_next(c);
    return c && c->notifier->now.filter == b->filter ? c : NULL;
}

static bool is_over(struct oc_channel *ch, struct batch *b)
{
    if (ch->events && ch->events->up_ns == b->up_ns && ch->events->settling) ch->events->settling--;
    ch->again = true;
    return ch->events == NULL || ch->events->up_ns != b->up_ns;
}

/* ---- what is known without reading ---- */

static void deduce(struct oc_channel *ch, struct oc_condition *c)
{
    struct oc_filter *f = c->notifier->now.filter;
    struct ua_variant *fields = f ? arena_calloc(&ch->arena, f->n, sizeof *fields) : NULL;
    bool no = false, yes = true;
    uint32_t uncertain = 0x40910000u; /* UncertainSubstituteValue */
    if (fields == NULL) return;
    for (struct oc_link *l = oc_link_at(ch->events, c->first); l; l = oc_link_at(ch->events, l->next)) {
        const struct oc_event *e = ch->points[l->point].event;
        if (l->select[0] >= f->n || !e->field || e->field->value_type != VALUE_BOOL) continue;
        bool up = e->field->role == FIELD_ACKED || e->field->role == FIELD_CONFIRMED;
        if (up || e->field->role == FIELD_STATE) fields[l->select[0]] = ua_variant_scalar(UA_BOOLEAN, up ? &yes : &no);
    }
    fields[BASE_RETAIN] = ua_variant_scalar(UA_BOOLEAN, &no);
    if (!c->met) fields[BASE_QUALITY] = ua_variant_scalar(UA_STATUS, &uncertain);
    bool met = c->met;
    oc_condition_take(ch, c, &(struct oc_told){.fields = fields, .n = f->n, .read = true});
    c->met = met;
}

/* ---- reading ---- */

static void take_values(struct oc_channel *ch, struct batch *b, uint32_t i, const struct ua_datavalue *values,
                        uint32_t *at)
{
    struct oc_condition *c = waiting(ch, b, i);
    uint32_t n = b->first[i + 1] - b->first[i];
    struct ua_variant *fields = arena_calloc(&ch->arena, n + 1, sizeof *fields);
    bool any = false;
    for (uint32_t k = 0; k < n; k++) {
        if (ua_nodeid_null(&b->ids[b->first[i] + k])) continue;
        const struct ua_datavalue *v = &values[(*at)++];
        if (ua_bad(v->status) || !fields) continue;
        fields[k] = v->value;
        any = any || v->value.type != UA_NULL;
    }
    if (c && any && fields)
        oc_condition_take(ch, c, &(struct oc_told){.fields = fields, .n = n, .read = true});
    else if (c)
        deduce(ch, c);
}

static void on_values(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct batch *b = arg;
    uint32_t at = 0;
    (void)e, (void)refused;
    if (!is_over(ch, b))
        for (uint32_t i = 0; i < b->n; i++) {
            struct oc_condition *c = waiting(ch, b, i);
            if (r && r->results_n == b->reads)
                take_values(ch, b, i, r->results, &at);
            else if (c && (r || refused)) /* an answer that is none */
                deduce(ch, c);
        }
    batch_free(b);
    oc_flush(ch);
}

static void read_values(struct oc_channel *ch, struct batch *b)
{
    struct ua_read_value_id *nodes = arena_calloc(&b->a, b->paths + 1, sizeof *nodes);
    for (uint32_t i = 0; i < b->paths && nodes; i++)
        if (!ua_nodeid_null(&b->ids[i]))
            nodes[b->reads++] = (struct ua_read_value_id){.node_id = b->ids[i], .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = nodes, .nodes_to_read_n = b->reads};
    if (b->reads && nodes) {
        oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_values, b);
        return;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        struct oc_condition *c = waiting(ch, b, i);
        if (c) deduce(ch, c);
    }
    (void)is_over(ch, b);
    batch_free(b);
    oc_flush(ch);
}

/* Fewer at once, or else what can be told without. */
static void paths_refused(struct oc_channel *ch, struct batch *b)
{
    bool fewer = ch->status == UA_BAD_TOO_MANY_OPERATIONS && b->n > 1;
    if (fewer && ch->events) ch->events->batch = 1;
    for (uint32_t i = 0; i < b->n; i++) {
        struct oc_condition *c = waiting(ch, b, i);
        if (c && fewer)
            c->settle = SETTLE_READ;
        else if (c)
            deduce(ch, c);
    }
    oc_flush(ch);
}

static void on_paths(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_translate_browse_paths_to_node_ids_response *r = value;
    struct batch *b = arg;
    (void)e;
    if (r == NULL || ch->events == NULL || ch->events->up_ns != b->up_ns) {
        if (r == NULL && refused) paths_refused(ch, b);
        (void)is_over(ch, b);
        batch_free(b);
        return;
    }
    for (uint32_t i = 0; i < b->paths && i < r->results_n; i++) {
        const struct ua_browse_path_result *one = &r->results[i];
        if (ua_bad(one->status_code) || one->targets_n == 0 || one->targets[0].target_id.server) continue;
        if (ua_copy(&b->a, UA_NODEID, &one->targets[0].target_id.id, &b->ids[i])) break;
    }
    read_values(ch, b);
}

/* ---- asking ---- */

static struct ua_relative_path relative(struct arena *a, const struct oc_select *s)
{
    struct ua_relative_path p = {.elements = arena_calloc(a, s->path_n + 1, sizeof *p.elements)};
    for (uint32_t i = 0; i < s->path_n && p.elements; i++)
        p.elements[p.elements_n++] = (struct ua_relative_path_element){
            .reference_type_id = ua_id(0, UA_NODE_AGGREGATES), .include_subtypes = true, .target_name = s->path[i]};
    return p;
}

/* Conditions of one notifier, so that they have one filter. */
static bool gather(struct oc_channel *ch, struct batch *b, struct ua_browse_path *paths)
{
    struct oc_events *ev = ch->events;
    for (struct oc_condition *c = ev->conditions; c && b->n < ev->batch; c = c->next) {
        struct oc_filter *f = c->notifier->now.filter;
        if (c->settle != SETTLE_READ || !c->bound || !f || (b->filter && f != b->filter)) continue;
        if (ua_copy(&b->a, UA_NODEID, &c->id, &b->conditions[b->n])) break;
        b->filter = f;
        for (uint32_t i = 0; i < f->n; i++)
            paths[b->paths++] = (struct ua_browse_path){c->id, relative(&b->a, &f->selects[i])};
        b->first[++b->n] = b->paths;
        c->settle = SETTLE_ASKED;
    }
    return b->n > 0;
}

static bool ask(struct oc_channel *ch)
{
    struct oc_events *ev = ch->events;
    struct batch *b = mem_calloc(1, sizeof *b);
    uint32_t most = 0;
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next)
        if (n->now.filter && n->now.filter->n > most) most = n->now.filter->n;
    if (b == NULL) return false;
    arena_init(&b->a, 16u << 20);
    b->up_ns = ev->up_ns;
    struct ua_browse_path *paths = arena_calloc(&b->a, most * BATCH + 1, sizeof *paths);
    b->ids = arena_calloc(&b->a, most * BATCH + 1, sizeof *b->ids);
    if (!paths || !b->ids || !gather(ch, b, paths)) {
        batch_free(b);
        return false;
    }
    struct ua_translate_browse_paths_to_node_ids_request q = {.browse_paths = paths, .browse_paths_n = b->paths};
    ev->settling++;
    oc_call(ch, UA_T_translate_browse_paths_to_node_ids_request, &q, ch->cfg.answer_ms, on_paths, b);
    return true;
}

void oc_settle_pump(struct oc_channel *ch)
{
    if (ch->events->batch == 0) ch->events->batch = BATCH;
    while (ch->conn == CONN_UP && ch->events && ch->events->settling < AT_ONCE && ask(ch)) continue;
}
