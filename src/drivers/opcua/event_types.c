/* event_types.c - an event type and its subtypes, which the address of a point may name: asked for once a session by
 * browsing HasSubtype, level by level. Types that the server gets later are known after the next connect. */
#include "drivers/opcua/events_int.h"

#define KINDS_MAX 5000
#define ASK_MAX 50

static struct oc_kinds *kinds_by(const struct oc_channel *ch, const void *p)
{
    struct oc_kinds *k = ch->events ? ch->events->kinds : NULL;
    while (k && k != p) k = k->next;
    return k;
}

static bool add(struct oc_kinds *k, const struct ua_nodeid *id)
{
    void *items = k->ids;
    for (size_t i = 0; i < k->n; i++)
        if (ua_nodeid_eq(&k->ids[i], id)) return true;
    if (k->n >= KINDS_MAX || !mem_grow(&items, &k->cap, k->n + 1, sizeof *k->ids)) return false;
    k->ids = items;
    return ua_copy(&k->a, UA_NODEID, id, &k->ids[k->n++]) == 0;
}

bool oc_kinds_has(const struct oc_kinds *k, const struct ua_nodeid *type)
{
    for (size_t i = 0; i < k->n; i++)
        if (ua_nodeid_eq(&k->ids[i], type)) return true;
    return false;
}

static void ask(struct oc_channel *ch, struct oc_kinds *k);

static void on_subtypes(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_response *r = value;
    struct oc_kinds *k = kinds_by(ch, arg);
    (void)e;
    if (k == NULL) return;
    k->busy = false;
    ch->again = true;
    if (r == NULL && !refused) return; /* lost: asked again after the next connect */
    for (uint32_t i = 0; r && i < r->results_n; i++)
        for (uint32_t m = 0; m < r->results[i].references_n; m++)
            if (!r->results[i].references[m].node_id.server) add(k, &r->results[i].references[m].node_id.id);
    if (r == NULL) k->asked = k->n; /* it does not tell: the type itself, then */
    ask(ch, k);
}

static void ask(struct oc_channel *ch, struct oc_kinds *k)
{
    struct ua_browse_description d[ASK_MAX];
    uint32_t n = 0, most = ch->max_browse < ASK_MAX ? ch->max_browse : ASK_MAX;
    for (; k->asked < k->n && n < most; k->asked++)
        d[n++] = (struct ua_browse_description){.node_id = k->ids[k->asked],
                                                .browse_direction = UA_BROWSE_FORWARD,
                                                .reference_type_id = ua_id(0, UA_NODE_HAS_SUBTYPE),
                                                .include_subtypes = true};
    k->ready = n == 0;
    if (n == 0) return;
    struct ua_browse_request q = {.view = {.timestamp = UA_TIME_NONE}, .nodes_to_browse = d, .nodes_to_browse_n = n};
    k->busy = true;
    oc_call(ch, UA_T_browse_request, &q, ch->cfg.answer_ms, on_subtypes, k);
}

/* Asked anew in each session, since the numbers of namespaces may be others. */
bool oc_kinds_ready(struct oc_channel *ch, struct oc_kinds *k)
{
    struct ua_nodeid id;
    if (k->ready || k->busy) return k->ready;
    k->n = k->asked = 0;
    if (oc_node_id(ch, &k->type, &id, NULL) == 0 && add(k, &id))
        ask(ch, k);
    else
        k->ready = true; /* the server has no such namespace: nothing is of this type */
    return k->ready;
}
