/* event_browse.c - what browsing shows of events and alarms. Beside the nodes of the server there are nodes of our own:
 *
 *   alarm:<NodeId>   a condition (by HasCondition, or by its type): its fields, with ready addresses
 *   event:<NodeId>   the events of a notifier: their fields, and the event types that the node or its type says that it
 *                    generates (GeneratesEvent)
 * An object whose EventNotifier says so has the address of its events itself. */
#include <stdio.h>
#include "drivers/opcua/events_int.h"

/* Conditions of the standard (OPC 10000-9): what has one of these as its type is one, though no HasCondition says it.
 */
static const uint32_t condition_types[] = {
    2782,  2830,  2881,  2915,  2955,  9341,  9482,  9764,  9623,  9906,  10060, 10214, 10368,
    10523, 10637, 11753, 10751, 13225, 17080, 18347, 18496, 19297, 32244, 32260, 32325,
};
#define ITEMS_MAX 600

bool oc_is_condition(const struct ua_reference_description *r)
{
    const struct ua_nodeid *t = &r->type_definition.id;
    struct ua_nodeid has = ua_id(0, UA_NODE_HAS_CONDITION);
    if (r->node_class != UA_CLASS_OBJECT) return false;
    if (ua_nodeid_eq(&r->reference_type_id, &has)) return true;
    for (size_t i = 0; i < sizeof condition_types / sizeof *condition_types; i++)
        if (t->ns == 0 && t->kind == UA_ID_NUMBER && t->i == condition_types[i]) return true;
    return false;
}

void oc_describe_condition(struct oc_job *j, const char *node, struct driver_browse_item *ret)
{
    ret->node = ret->address = arena_printf(&j->arena, "alarm:%s", node);
    ret->type = VALUE_BOOL;
    ret->children = true;
}

/* `v`: its EventNotifier. */
void oc_describe_notifier(struct oc_job *j, const struct ua_datavalue *v, struct driver_browse_item *ret)
{
    int64_t bits = 0;
    if (ua_bad(v->status) || !ua_variant_i64(&v->value, 0, &bits) || !(bits & UA_NOTIFIER_EVENTS) || ret->address)
        return;
    ret->address = arena_printf(&j->arena, "event:%s", ret->node);
    ret->type = VALUE_STRING;
}

/* The folder of its events, below a node that is a notifier. */
bool oc_describe_events(struct oc_job *j, const struct ua_datavalue *v, const char *node,
                        struct driver_browse_item *ret)
{
    struct driver_browse_item probe = {.node = node};
    oc_describe_notifier(j, v, &probe);
    if (probe.address == NULL) return false;
    *ret = (struct driver_browse_item){.node = probe.address,
                                       .name = "Events / 事件",
                                       .description =
                                           "fields and types of the events of this node / 该节点事件的字段和类型",
                                       .address = NULL,
                                       .children = true};
    return true;
}

/* ---- the nodes of our own ---- */

struct list {
    struct driver_browse_item *items;
    size_t n;
};

static void put(struct oc_job *j, struct list *l, const struct driver_browse_item *i)
{
    if (l->items == NULL) l->items = arena_calloc(&j->arena, ITEMS_MAX, sizeof *l->items);
    if (l->items == NULL || l->n == ITEMS_MAX || !i->node || !i->name) return;
    l->items[l->n++] = *i;
}

static void put_fields(struct oc_job *j, struct list *l, const struct oc_field *f, const char *base)
{
    for (bool first = true; f->name; f++, first = false) {
        const char *address = first ? base : arena_printf(&j->arena, "%s field=%s", base, f->name);
        put(j, l,
            &(struct driver_browse_item){.node = arena_printf(&j->arena, "%s field=%s", base, f->name),
                                         .name = f->name,
                                         .description = arena_printf(&j->arena, "%s / %s", f->en, f->zh),
                                         .address = address,
                                         .type = (enum value_type)f->value_type,
                                         .writable = f->writable});
    }
}

static void tell(struct oc_channel *ch, struct oc_job *j, const struct list *l)
{
    char next[24] = "";
    size_t left = j->from < l->n ? l->n - j->from : 0, n = left < j->max ? left : j->max;
    if (n < left) snprintf(next, sizeof next, "%zu", j->from + n);
    j->done.browse(j->arg, NULL, l->items ? l->items + j->from : NULL, n, next[0] ? next : NULL);
    oc_job_gone(ch, j);
}

static const char *text_of(struct oc_job *j, const struct ua_expanded *id)
{
    struct buf b;
    buf_init(&b, 8192);
    ua_expanded_text(&b, id);
    const char *text = arena_strdup(&j->arena, buf_view(&b));
    buf_fini(&b);
    return text ? text : "";
}

static void tell_alarm(struct oc_channel *ch, struct oc_job *j)
{
    struct list l = {0};
    const char *node = text_of(j, &j->point.event->condition.id);
    put_fields(j, &l, oc_fields, arena_printf(&j->arena, "alarm:%s", node));
    put(j, &l,
        &(struct driver_browse_item){
            .node = node, .name = "Variables / 变量", .description = "its nodes / 其节点", .children = true});
    tell(ch, j, &l);
}

static void tell_events(struct oc_channel *ch, struct oc_job *j)
{
    struct list l = {0};
    const char *base = arena_printf(&j->arena, "event:%s", text_of(j, &j->point.event->notifier.id));
    put_fields(j, &l, oc_base_fields, base);
    for (size_t i = 0; i < j->nrefs; i++) {
        const struct ua_reference_description *r = &j->refs[i];
        const char *address = arena_printf(&j->arena, "%s type=%s", base, text_of(j, &r->node_id));
        put(j, &l,
            &(struct driver_browse_item){
                .node = address,
                .name = arena_strdup(&j->arena, r->display_name.text.n ? r->display_name.text : r->browse_name.name),
                .description = "only events of this type / 仅此类型的事件",
                .address = address,
                .type = VALUE_STRING});
    }
    tell(ch, j, &l);
}

/* Event types; a type definition is left in *ret. */
static void keep_types(struct oc_job *j, const struct ua_browse_result *r, struct ua_nodeid *ret)
{
    struct ua_nodeid has = ua_id(0, UA_NODE_HAS_TYPE_DEFINITION);
    if (j->refs == NULL) j->refs = arena_calloc(&j->arena, ITEMS_MAX, sizeof *j->refs);
    for (uint32_t i = 0; i < r->references_n && j->refs; i++) {
        const struct ua_reference_description *ref = &r->references[i];
        bool there = false;
        if (ref->node_id.server || j->nrefs == ITEMS_MAX) continue;
        if (ret && ua_nodeid_eq(&ref->reference_type_id, &has)) {
            (void)!ua_copy(&j->arena, UA_NODEID, &ref->node_id.id, ret);
            continue;
        }
        for (size_t k = 0; k < j->nrefs; k++) there = there || ua_nodeid_eq(&j->refs[k].node_id.id, &ref->node_id.id);
        if (!there && ua_copy(&j->arena, UA_T_reference_description, ref, &j->refs[j->nrefs]) == 0) j->nrefs++;
    }
}

static void browse(struct oc_channel *ch, struct oc_job *j, const struct ua_nodeid *node, bool definition,
                   oc_answer *done)
{
    struct ua_browse_description d[2];
    uint32_t n = 0;
    d[n++] = (struct ua_browse_description){.node_id = *node,
                                            .browse_direction = UA_BROWSE_FORWARD,
                                            .reference_type_id = ua_id(0, UA_NODE_GENERATES_EVENT),
                                            .include_subtypes = true,
                                            .result_mask = UA_BROWSE_RESULT_ALL};
    if (definition && ch->max_browse > 1) {
        d[n] = d[0];
        d[n++].reference_type_id = ua_id(0, UA_NODE_HAS_TYPE_DEFINITION);
    }
    struct ua_browse_request q = {.view = {.timestamp = UA_TIME_NONE}, .nodes_to_browse = d, .nodes_to_browse_n = n};
    oc_call(ch, UA_T_browse_request, &q, ch->cfg.answer_ms, done, j);
}

static void on_type(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_response *r = value;
    if (r == NULL && !refused) {
        oc_job_fail(ch, arg, DRIVER_FAILED, e);
        return;
    }
    for (uint32_t i = 0; r && i < r->results_n; i++) keep_types(arg, &r->results[i], NULL);
    tell_events(ch, arg);
}

static void on_node(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_response *r = value;
    struct oc_job *j = arg;
    struct ua_nodeid type = {0};
    if (r == NULL && !refused) {
        oc_job_fail(ch, j, DRIVER_FAILED, e);
        return;
    }
    for (uint32_t i = 0; r && i < r->results_n; i++) keep_types(j, &r->results[i], &type);
    if (ua_nodeid_null(&type))
        tell_events(ch, j);
    else
        browse(ch, j, &type, false, on_type);
}

/* j->point.event: the node of our own. */
void oc_event_browse(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_nodeid id;
    struct error e = {0};
    if (j->point.event->alarm)
        tell_alarm(ch, j);
    else if (oc_node_id(ch, &j->point.event->notifier, &id, &e))
        oc_job_fail(ch, j, DRIVER_FAILED, &e);
    else
        browse(ch, j, &id, true, on_node);
}
