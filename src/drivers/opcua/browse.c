/* browse.c - what stands below a node: all its references are fetched (with continuation points), the page that was
 * asked for is described: one TranslateBrowsePaths finds units and ranges, one Read brings value, type and access of
 * its variables and those. A cursor is the number of the next. Conditions, events: event_browse.c. */
#include <stdio.h>
#include "drivers/opcua/events_int.h"
#include "proto/opcua/ua_unit.h"

#define REFS_MAX 20000
#define ATTRIBUTES 3
#define PROPERTIES 2 /* EngineeringUnits, EURange */
#define PAGE_REFS 1000
#define VALUE_MAX 120

static void end(struct oc_channel *ch, struct oc_job *j, const struct driver_browse_item *items, size_t n,
                const char *next)
{
    j->done.browse(j->arg, NULL, items, n, next);
    oc_job_gone(ch, j);
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

static size_t page_of(const struct oc_channel *ch, const struct oc_job *j)
{
    size_t left = j->from < j->nrefs ? j->nrefs - j->from : 0, most = ch->max_read / (ATTRIBUTES + PROPERTIES);
    if (most == 0) most = 1;
    if (most > j->max) most = j->max;
    return left < most ? left : most;
}

static const char *node_text(struct oc_job *j, const struct ua_expanded *id)
{
    struct buf b;
    buf_init(&b, 8192);
    ua_expanded_text(&b, id);
    const char *text = arena_strdup(&j->arena, buf_view(&b));
    buf_fini(&b);
    return text ? text : "";
}

static const char *value_text(struct oc_job *j, const struct ua_variant *v)
{
    struct json *json;
    if (v->type == UA_NULL || v->n > 1000 || ua_variant_json(&j->arena, v, NULL, &json)) return NULL;
    struct str text = json->type == JSON_STRING ? json->s : json_text(&j->arena, json);
    size_t n = text.n < VALUE_MAX ? text.n : VALUE_MAX;
    while (n < text.n && n && ((unsigned char)text.p[n] & 0xc0) == 0x80) n--; /* at the edge of a character */
    return arena_strdup(&j->arena, str_sub(text, 0, n));
}

static void describe_variable(struct oc_job *j, const struct ua_datavalue *v, struct driver_browse_item *ret)
{
    int64_t access = 0;
    const struct ua_nodeid *t = v[1].value.type == UA_NODEID ? ua_variant_item(&v[1].value, 0) : NULL;
    ret->value = ua_bad(v[0].status) ? NULL : value_text(j, &v[0].value);
    ret->type = v[0].value.array ? VALUE_AUTO : oc_value_type(v[0].value.type);
    if (v[0].value.type == UA_NULL && t && t->ns == 0 && t->kind == UA_ID_NUMBER) ret->type = oc_value_type(t->i);
    ret->writable = ua_variant_i64(&v[2].value, 0, &access) && (access & UA_ACCESS_WRITE);
}

/* EUInformation or Range of a property that was read. */
static void describe_property(struct oc_job *j, const struct ua_datavalue *v, struct driver_browse_item *ret)
{
    const struct ua_extension *x =
        v->value.type == UA_EXTENSION && !v->value.array ? ua_variant_item(&v->value, 0) : NULL;
    const struct ua_eu_information *eu = x ? ua_extension_as(x, UA_T_eu_information) : NULL;
    const struct ua_range *range = x ? ua_extension_as(x, UA_T_range) : NULL;
    if (eu) {
        ret->unit = ua_unit_ucum(eu);
        if (!ret->unit && eu->display_name.text.n) ret->unit = arena_strdup(&j->arena, eu->display_name.text);
    }
    if (range && range->low < range->high) ret->lo = range->low, ret->hi = range->high;
}

static void describe_ref(struct oc_job *j, const struct ua_reference_description *r, struct driver_browse_item *ret)
{
    bool property = ua_nodeid_eq(&r->type_definition.id, &(struct ua_nodeid){.i = UA_NODE_PROPERTY_TYPE});
    struct str name = r->display_name.text.n ? r->display_name.text : r->browse_name.name;
    *ret = (struct driver_browse_item){.node = node_text(j, &r->node_id),
                                       .name = arena_strdup(&j->arena, name),
                                       .description = "",
                                       .children = !property};
    if (ret->name == NULL) ret->name = "";
    if (r->node_class == UA_CLASS_VARIABLE) ret->address = ret->node;
    if (oc_is_condition(r)) oc_describe_condition(j, ret->node, ret);
    if (r->node_class != UA_CLASS_METHOD) return;
    ret->address = arena_printf(&j->arena, "method %s %s", node_text(j, &j->node.id), ret->node);
    ret->children = false;
    ret->writable = true;
}

static void tell(struct oc_channel *ch, struct oc_job *j, const struct ua_read_response *r)
{
    size_t n = page_of(ch, j), at = 0, more = 0;
    struct driver_browse_item *items = arena_calloc(&j->arena, n + 1, sizeof *items);
    char next[24] = "";
    for (size_t i = 0; i < n && items; i++) {
        const struct ua_reference_description *ref = &j->refs[j->from + i];
        describe_ref(j, ref, &items[i]);
        if (ref->node_class == UA_CLASS_OBJECT) {
            if (r && at < r->results_n) oc_describe_notifier(j, &r->results[at], &items[i]);
            at++;
        }
        if (ref->node_class != UA_CLASS_VARIABLE) continue;
        if (r && at + ATTRIBUTES <= r->results_n) describe_variable(j, &r->results[at], &items[i]);
        at += ATTRIBUTES;
    }
    for (size_t i = 0; i < j->nproperties && items; i++, at++)
        if (r && at < r->results_n) describe_property(j, &r->results[at], &items[j->properties[i].item]);
    if (j->from + n < j->nrefs) snprintf(next, sizeof next, "%zu", j->from + n);
    if (items && r && !next[0] && at < r->results_n) /* the node itself */
        more = oc_describe_events(j, &r->results[at], node_text(j, &j->node.id), &items[n]);
    if (more && n == j->max) {
        more = 0; /* on a page of its own */
        snprintf(next, sizeof next, "%zu", j->nrefs);
    }
    end(ch, j, items, items ? n + more : 0, next[0] ? next : NULL);
}

static void on_values(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    if (value == NULL && !refused)
        oc_job_fail(ch, arg, DRIVER_FAILED, e);
    else
        tell(ch, arg, value);
}

static void ask_values(struct oc_channel *ch, struct oc_job *j)
{
    static const uint32_t attributes[ATTRIBUTES] = {UA_ATTR_VALUE, UA_ATTR_DATA_TYPE, UA_ATTR_USER_ACCESS_LEVEL};
    size_t n = page_of(ch, j), k = 0;
    struct ua_read_value_id *nodes = arena_calloc(&j->arena, n * (ATTRIBUTES + PROPERTIES) + 2, sizeof *nodes);
    for (size_t i = 0; i < n && nodes; i++) {
        const struct ua_reference_description *ref = &j->refs[j->from + i];
        for (int a = 0; a < ATTRIBUTES && ref->node_class == UA_CLASS_VARIABLE; a++)
            nodes[k++] = (struct ua_read_value_id){.node_id = ref->node_id.id, .attribute_id = attributes[a]};
        if (ref->node_class == UA_CLASS_OBJECT)
            nodes[k++] = (struct ua_read_value_id){.node_id = ref->node_id.id, .attribute_id = UA_ATTR_EVENT_NOTIFIER};
    }
    for (size_t i = 0; i < j->nproperties && nodes; i++)
        nodes[k++] = (struct ua_read_value_id){.node_id = j->properties[i].id, .attribute_id = UA_ATTR_VALUE};
    bool last = j->from + n >= j->nrefs && k < ch->max_read; /* are there events of the node itself? */
    if (last && nodes && oc_node_id(ch, &j->node, &nodes[k].node_id, NULL) == 0)
        nodes[k++].attribute_id = UA_ATTR_EVENT_NOTIFIER;
    struct ua_read_request q = {
        .timestamps_to_return = UA_STAMPS_NEITHER, .nodes_to_read = nodes, .nodes_to_read_n = (uint32_t)k};
    if (k == 0)
        tell(ch, j, NULL);
    else
        oc_call(ch, UA_T_read_request, &q, ch->cfg.answer_ms, on_values, j);
}

/* ---- units and ranges ------------------------------------------------------------------------------------------ */

/* Plain variables and properties have none. */
static bool may_have_units(const struct ua_reference_description *r)
{
    const struct ua_nodeid *t = &r->type_definition.id;
    bool plain = t->ns == 0 && t->kind == UA_ID_NUMBER &&
                 (t->i == UA_NODE_PROPERTY_TYPE || t->i == UA_NODE_BASE_DATA_VARIABLE_TYPE);
    return r->node_class == UA_CLASS_VARIABLE && !plain;
}

static void on_paths(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_translate_browse_paths_to_node_ids_response *r = value;
    struct oc_job *j = arg;
    if (r == NULL && !refused) {
        oc_job_fail(ch, j, DRIVER_FAILED, e);
        return;
    }
    for (uint32_t i = 0, n = 0; r && i < page_of(ch, j); i++) {
        if (!may_have_units(&j->refs[j->from + i])) continue;
        for (uint32_t k = 0; k < PROPERTIES && n < r->results_n; k++, n++) {
            const struct ua_browse_path_result *p = &r->results[n];
            struct oc_property *to = &j->properties[j->nproperties];
            if (ua_bad(p->status_code) || p->targets_n == 0) continue;
            to->item = i;
            if (ua_copy(&j->arena, UA_NODEID, &p->targets[0].target_id.id, &to->id) == 0) j->nproperties++;
        }
    }
    ask_values(ch, j);
}

static void ask_properties(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_relative_path_element names[PROPERTIES];
    for (int k = 0; k < PROPERTIES; k++)
        names[k] = (struct ua_relative_path_element){.reference_type_id = ua_id(0, UA_NODE_HAS_PROPERTY),
                                                     .include_subtypes = true};
    size_t page = page_of(ch, j), n = 0;
    struct ua_browse_path *paths = arena_calloc(&j->arena, page * PROPERTIES + 1, sizeof *paths);
    j->properties = arena_calloc(&j->arena, page * PROPERTIES + 1, sizeof *j->properties);
    j->nproperties = 0;
    names[0].target_name.name = STR("EngineeringUnits");
    names[1].target_name.name = STR("EURange");
    for (size_t i = 0; i < page && paths && j->properties; i++) {
        const struct ua_reference_description *ref = &j->refs[j->from + i];
        for (int k = 0; k < PROPERTIES && may_have_units(ref); k++)
            paths[n++] = (struct ua_browse_path){ref->node_id.id, {.elements = &names[k], .elements_n = 1}};
    }
    struct ua_translate_browse_paths_to_node_ids_request q = {.browse_paths = paths, .browse_paths_n = (uint32_t)n};
    if (n == 0)
        ask_values(ch, j);
    else
        oc_call(ch, UA_T_translate_browse_paths_to_node_ids_request, &q, ch->cfg.answer_ms, on_paths, j);
}

/* ---- references ------------------------------------------------------------------------------------------------ */

/* Conditions come first, and may stand among the components of an object as well. */
static bool is_known(const struct oc_job *j, const struct ua_reference_description *r)
{
    for (size_t i = 0; i < j->nrefs && oc_is_condition(&j->refs[i]); i++)
        if (ua_nodeid_eq(&j->refs[i].node_id.id, &r->node_id.id)) return true;
    return false;
}

static bool keep_refs(struct oc_job *j, const struct ua_browse_result *r)
{
    if (j->nrefs + r->references_n > REFS_MAX) return false;
    struct ua_reference_description *all = arena_calloc(&j->arena, j->nrefs + r->references_n + 1, sizeof *all);
    if (all == NULL) return false;
    if (j->nrefs) memcpy(all, j->refs, j->nrefs * sizeof *all);
    j->refs = all;
    for (uint32_t i = 0; i < r->references_n; i++) {
        if (r->references[i].node_id.server || is_known(j, &r->references[i])) continue;
        if (ua_copy(&j->arena, UA_T_reference_description, &r->references[i], &all[j->nrefs])) return false;
        j->nrefs++;
    }
    return true;
}

static void on_more(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused);

static void take_refs(struct oc_channel *ch, struct oc_job *j, const struct ua_browse_result *r)
{
    struct error e = {0};
    if (ua_status_error(r->status_code, "the server", &e)) {
        oc_job_fail(ch, j, DRIVER_FAILED, &e);
    } else if (keep_refs(j, r) && r->continuation_point.n && r->references_n) {
        struct str point = arena_str(&j->arena, r->continuation_point);
        struct ua_browse_next_request q = {.continuation_points = &point, .continuation_points_n = 1};
        oc_call(ch, UA_T_browse_next_request, &q, ch->cfg.answer_ms, on_more, j);
    } else {
        ask_properties(ch, j);
    }
}

static void no_result(struct oc_channel *ch, struct oc_job *j, const struct error *e)
{
    struct error none;
    error_set(&none, ERR_PROTOCOL, "", "the server's answer has no result", "服务器的应答没有结果");
    oc_job_fail(ch, j, DRIVER_FAILED, e ? e : &none);
}

static void on_more(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_next_response *r = value;
    (void)refused;
    if (r && r->results_n == 1)
        take_refs(ch, arg, &r->results[0]);
    else
        no_result(ch, arg, r ? NULL : e);
}

static void nothing(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    (void)ch, (void)arg, (void)value, (void)e, (void)refused;
}

/* More conditions of one node than a page: those stay untold, and the server need not remember where it was. */
static void release(struct oc_channel *ch, const struct ua_browse_result *r)
{
    struct str point = r->continuation_point;
    struct ua_browse_next_request q = {
        .release_continuation_points = true, .continuation_points = &point, .continuation_points_n = 1};
    if (point.n) oc_call(ch, UA_T_browse_next_request, &q, ch->cfg.answer_ms, nothing, NULL);
}

static void on_browsed(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_browse_response *r = value;
    (void)refused;
    if (r && r->results_n == 2 && !ua_bad(r->results[1].status_code)) keep_refs(arg, &r->results[1]);
    if (r && r->results_n == 2) release(ch, &r->results[1]);
    if (r && r->results_n)
        take_refs(ch, arg, &r->results[0]);
    else
        no_result(ch, arg, r ? NULL : e);
}

void oc_browse_go(struct oc_channel *ch, struct oc_job *j)
{
    if (j->point.event) {
        oc_event_browse(ch, j);
        return;
    }
    struct ua_browse_description d[2];
    d[0] = (struct ua_browse_description){.browse_direction = UA_BROWSE_FORWARD,
                                          .reference_type_id = ua_id(0, UA_NODE_HIERARCHICAL_REFERENCES),
                                          .include_subtypes = true,
                                          .node_class_mask = UA_CLASS_OBJECT | UA_CLASS_VARIABLE | UA_CLASS_METHOD,
                                          .result_mask = UA_BROWSE_RESULT_ALL};
    struct error e = {0};
    if (oc_node_id(ch, &j->node, &d[0].node_id, &e)) {
        oc_job_fail(ch, j, DRIVER_FAILED, &e);
        return;
    }
    d[1] = d[0];
    d[1].reference_type_id = ua_id(0, UA_NODE_HAS_CONDITION);
    struct ua_browse_request q = {.requested_max_references_per_node = PAGE_REFS,
                                  .view = {.timestamp = UA_TIME_NONE},
                                  .nodes_to_browse = d,
                                  .nodes_to_browse_n = ch->max_browse > 1 ? 2 : 1};
    oc_call(ch, UA_T_browse_request, &q, ch->cfg.answer_ms, on_browsed, j);
}

void oc_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct oc_job *j = oc_job_new(ch, JOB_BROWSE, arg);
    struct error e = {0};
    uint64_t from = 0;
    (void)device;
    if (j == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    struct str text = arena_str(&j->arena, str_of(node && node[0] ? node : "i=85"));
    struct oc_event *event = NULL; /* a node of our own */
    int rc = oc_is_event(text) ? oc_event_parse(&j->arena, text, &event, &e)
                               : ua_nodeid_parse(&j->arena, text, &j->node.id, &e);
    j->point.event = event;
    if (rc) {
        oc_job_free(j);
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    if (cursor && str_to_u64(str_of(cursor), &from)) from = 0;
    j->done.browse = done;
    j->from = from;
    j->max = max ? max : 1;
    oc_job_push(ch, j);
}
