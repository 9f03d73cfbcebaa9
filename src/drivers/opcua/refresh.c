/* refresh.c - values that are read now, beside the subscriptions: of points whose items have outlived a loss of the
 * connection (they tell only what changes), and of those whose types have just become known. */
#include "drivers/opcua/opcua_int.h"

struct ask {
    uint32_t n;
    uint32_t nums[];
};

static void on_values(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_read_response *r = value;
    struct ask *a = arg;
    (void)e, (void)refused;
    ch->refreshing = false;
    for (uint32_t i = 0; r && r->results_n == a->n && i < a->n; i++) {
        struct oc_point *p = oc_point_find(ch, a->nums[i]);
        if (p && p->item == ITEM_LIVE) oc_take(ch, p, &r->results[i], VALUE_READ);
    }
    mem_free(a);
    oc_flush(ch);
    ch->again = true;
}

static uint32_t gather(struct oc_channel *ch, struct ask *a, struct ua_read_value_id *nodes)
{
    for (size_t i = 0; i < ch->npoints && a->n < ch->max_read; i++) {
        struct oc_point *p = &ch->points[i];
        struct ua_read_value_id *q = &nodes[a->n];
        if (!p->refresh || p->item == ITEM_ASKED) continue;
        p->refresh = false;
        *q = (struct ua_read_value_id){.attribute_id = UA_ATTR_VALUE, .index_range = p->node.range};
        if (p->item == ITEM_LIVE && oc_node_id(ch, &p->node, &q->node_id, NULL) == 0) a->nums[a->n++] = p->num;
    }
    return a->n;
}

void oc_refresh_pump(struct oc_channel *ch)
{
    if (!ch->refresh || ch->refreshing || oc_types_busy(ch)) return;
    AUTO_FREE struct ua_read_value_id *nodes = mem_calloc(ch->max_read, sizeof *nodes);
    struct ask *a = mem_calloc(1, sizeof *a + ch->max_read * sizeof a->nums[0]);
    if (!nodes || !a || gather(ch, a, nodes) == 0) {
        mem_free(a);
        ch->refresh = false;
        for (size_t i = 0; i < ch->npoints; i++) ch->refresh |= ch->points[i].refresh; /* items that are on their way */
        return;
    }
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_BOTH, .nodes_to_read = nodes, .nodes_to_read_n = a->n};
    ch->refreshing = true;
    oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_values, a);
}
