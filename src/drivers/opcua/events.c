/* events.c - monitored items of notifiers, and the events that come of them.
 *
 *   NONE -> ASKED -> LIVE          a filter that changed: a new item, the old one is dropped DROP_MS later
 *                 -> FAILED        told as a configuration error, asked again every minute
 * An item lives in the subscription of the fastest of its points. After each connect: the items that did not outlive
 * the loss are made, then the conditions are refreshed (condition.c), then points that nothing has come for are told
 * their last known event: good when the server's queue has covered the gap, else uncertain. */
#include <stdio.h>
#include "drivers/opcua/events_int.h"

#define HANDLE_BIT 0x80000000u
#define QUEUE 20000
#define DROP_MS 3000
#define TELL_MS 2000
#define REFRESH_ASK_MS 60000 /* the answer of the call ends it before */
#define REFRESH_END_MS 2000  /* after the answer: some notifiers are told no end */
#define LOST_SHOWN_MS 60000

/* ---- items ------------------------------------------------------------------------------------------------------ */

static struct oc_sub *sub_of(struct oc_channel *ch, const struct oc_item_of *i)
{
    struct oc_sub *s = &ch->subs[i->klass];
    return s->id && s->id == i->sub ? s : NULL;
}

static void nothing(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    (void)ch, (void)arg, (void)value, (void)e, (void)refused;
}

static void drop_item(struct oc_channel *ch, struct oc_item_of *i)
{
    struct ua_delete_monitored_items_request q = {
        .subscription_id = i->sub, .monitored_item_ids = &i->id, .monitored_item_ids_n = 1};
    if (i->state == ITEM_LIVE && ch->conn == CONN_UP && sub_of(ch, i))
        oc_call(ch, UA_T_delete_monitored_items_request, &q, ch->cfg.answer_ms, nothing, NULL);
    oc_filter_free(i->filter);
    *i = (struct oc_item_of){0};
}

void oc_item_retire(struct oc_channel *ch, struct oc_notifier *n)
{
    if (n->now.state == ITEM_FAILED && ch->events->refused) ch->events->refused--;
    if (n->now.state != ITEM_LIVE) {
        n->now.handle = 0; /* an answer that comes yet meets nothing */
        return;
    }
    drop_item(ch, &n->old);
    n->old = n->now;
    n->now = (struct oc_item_of){0};
    n->drop_ns = 0;
}

static void push_operand(struct oc_filter *f, struct arena *a, struct ua_simple_attribute_operand *to,
                         const struct oc_channel *ch, uint32_t i)
{
    const struct oc_select *s = &f->selects[i];
    struct oc_node type = s->type;
    (void)a;
    *to = (struct ua_simple_attribute_operand){.browse_path = s->path,
                                               .browse_path_n = s->path_n,
                                               .attribute_id = s->path_n ? UA_ATTR_VALUE : UA_ATTR_NODE_ID};
    if (oc_node_id(ch, &type, &to->type_definition_id, NULL))
        to->type_definition_id = ua_id(0, UA_NODE_BASE_EVENT_TYPE);
}

struct where { /* Severity >= n, OfType t, and both */
    struct ua_content_filter_element elements[3];
    struct ua_extension operands[5];
    struct ua_simple_attribute_operand severity;
    struct ua_name name;
    struct ua_literal_operand least, type;
    struct ua_element_operand at[2];
};

static struct ua_extension literal(struct ua_literal_operand *l, struct ua_variant v)
{
    l->value = v;
    return ua_extension_of(UA_T_literal_operand, l);
}

static uint32_t put_severity(struct where *w, uint32_t at, uint16_t severity)
{
    w->name.name = STR("Severity");
    w->severity = (struct ua_simple_attribute_operand){.type_definition_id = ua_id(0, UA_NODE_BASE_EVENT_TYPE),
                                                       .browse_path = &w->name,
                                                       .browse_path_n = 1,
                                                       .attribute_id = UA_ATTR_VALUE};
    w->operands[0] = ua_extension_of(UA_T_simple_attribute_operand, &w->severity);
    w->operands[1] = literal(&w->least, ua_variant_scalar(UA_UINT16, &severity));
    w->elements[at] = (struct ua_content_filter_element){
        .filter_operator = UA_OP_GREATER_EQUAL, .filter_operands = &w->operands[0], .filter_operands_n = 2};
    return at + 1;
}

static uint32_t put_type(struct where *w, uint32_t at, const struct ua_nodeid *type)
{
    w->operands[2] = literal(&w->type, ua_variant_scalar(UA_NODEID, type));
    w->elements[at] = (struct ua_content_filter_element){
        .filter_operator = UA_OP_OF_TYPE, .filter_operands = &w->operands[2], .filter_operands_n = 1};
    return at + 1;
}

static void put_where(const struct oc_channel *ch, const struct oc_filter *f, struct arena *a,
                      struct ua_content_filter *ret)
{
    struct where *w = arena_calloc(a, 1, sizeof *w);
    struct ua_nodeid *type = arena_calloc(a, 1, sizeof *type);
    if (!w || !type) return;
    bool typed = f->typed && oc_node_id(ch, &f->type, type, NULL) == 0, severe = f->severity > 1;
    uint32_t n = typed && severe ? 1 : 0;
    if (severe) n = put_severity(w, n, f->severity);
    if (typed) n = put_type(w, n, type);
    if (typed && severe) {
        for (uint32_t i = 0; i < 2; i++) {
            w->at[i].index = i + 1;
            w->operands[3 + i] = ua_extension_of(UA_T_element_operand, &w->at[i]);
        }
        w->elements[0] = (struct ua_content_filter_element){
            .filter_operator = UA_OP_AND, .filter_operands = &w->operands[3], .filter_operands_n = 2};
    }
    ret->elements = w->elements, ret->elements_n = n;
}

static bool item_request(struct oc_channel *ch, struct oc_notifier *n, struct arena *a,
                         struct ua_monitored_item_create_request *ret)
{
    struct oc_filter *f = n->now.filter;
    struct ua_event_filter *ef = arena_calloc(a, 1, sizeof *ef);
    struct ua_simple_attribute_operand *ops = arena_calloc(a, f->n, sizeof *ops);
    if (!ef || !ops) return false;
    for (uint32_t i = 0; i < f->n; i++) push_operand(f, a, &ops[i], ch, i);
    ef->select_clauses = ops, ef->select_clauses_n = f->n;
    if (f->where && !n->now.plain) put_where(ch, f, a, &ef->where_clause);
    *ret = (struct ua_monitored_item_create_request){.monitoring_mode = UA_MONITOR_REPORTING};
    ret->item_to_monitor.attribute_id = UA_ATTR_EVENT_NOTIFIER;
    ret->requested_parameters = (struct ua_monitoring_parameters){.client_handle = n->now.handle,
                                                                  .queue_size = QUEUE,
                                                                  .discard_oldest = true,
                                                                  .filter = ua_extension_of(UA_T_event_filter, ef)};
    return true;
}

/* Every point of a notifier. */
static void tell_config(struct oc_channel *ch, struct oc_notifier *n, const struct error *e)
{
    struct oc_events *ev = ch->events;
    for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next))
        oc_tell_config(ch, &ch->points[l->point]);
    for (struct oc_condition *c = ev->conditions; c && n->conditions; c = c->next)
        for (struct oc_link *l = oc_link_at(ev, c->first); l && c->notifier == n; l = oc_link_at(ev, l->next))
            oc_tell_config(ch, &ch->points[l->point]);
    (void)e;
}

static void item_failed(struct oc_channel *ch, struct oc_notifier *n, const struct error *e)
{
    char kv[600];
    struct oc_events *ev = ch->events;
    n->now.state = ITEM_FAILED;
    if (ev->refused++ == 0 || ev->refusal.code == 0)
        error_set(&ev->refusal, ERR_DEVICE, "", "events of %.*s: %s%.0s", "%.*s 的事件：%.0s%s", STR_ARG(n->text),
                  e->text, e->text_zh);
    if (ev->retry_ns == 0) ev->retry_ns = oc_now(ch) + OC_RETRY_ITEMS_MS * NS_MS;
    tell_config(ch, n, e);
    snprintf(kv, sizeof kv, "notifier=\"%.*s\" err=\"%s\"", STR_ARG(str_sub(n->text, 0, 200)), e->text);
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "the server refuses to tell events", kv);
}

/* A field that the server does not know is told at its points; it would never come. */
static void judge_selects(struct oc_channel *ch, struct oc_notifier *n, const struct ua_extension *result)
{
    const struct ua_event_filter_result *r = ua_extension_as(result, UA_T_event_filter_result);
    struct oc_filter *f = n->now.filter;
    for (uint32_t i = 0; i < f->n; i++)
        f->selects[i].status = r && i < r->select_clause_results_n ? r->select_clause_results[i] : 0;
    for (struct oc_link *l = oc_link_at(ch->events, n->first); l; l = oc_link_at(ch->events, l->next)) {
        const struct oc_select *s = oc_select_at(f, l->select[0]);
        struct oc_point *p = &ch->points[l->point];
        if (s && !ua_bad(s->status)) continue;
        char kv[400];
        snprintf(kv, sizeof kv, "address=\"%.*s\" err=%s", STR_ARG(str_sub(p->address, 0, 200)),
                 s ? ua_status_name(s->status) : "too many fields");
        if (oc_tell_config(ch, p))
            ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "the server does not know this field of events",
                               kv);
    }
}

static bool filter_refused(uint32_t status)
{
    static const uint32_t codes[] = {
        0x80430000 /* MonitoredItemFilterInvalid */, 0x80440000 /* MonitoredItemFilterUnsupported */,
        0x80470000 /* EventFilterInvalid */,         0x80480000 /* ContentFilterInvalid */,
        0x80C10000 /* FilterOperatorInvalid */,      0x80C20000 /* FilterOperatorUnsupported */,
        0x80C30000 /* OperandCountMismatch */,       0x80490000 /* FilterOperandInvalid */};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (status == codes[i]) return true;
    return false;
}

static void item_made(struct oc_channel *ch, struct oc_notifier *n, uint32_t sub,
                      const struct ua_monitored_item_create_result *r)
{
    struct error e = {0};
    if (ua_bad(r->status_code) && filter_refused(r->status_code) && n->now.filter->where && !n->now.plain) {
        n->now.state = ITEM_NONE; /* once more, with the choosing done here */
        n->now.plain = true;
        return;
    }
    if (ua_status_error(r->status_code, "the server", &e)) {
        item_failed(ch, n, &e);
        return;
    }
    n->now.state = ITEM_LIVE;
    n->now.sub = sub;
    n->now.id = r->monitored_item_id;
    n->tell_ns = oc_now(ch) + TELL_MS * NS_MS;
    if (n->old.filter) n->drop_ns = oc_now(ch) + DROP_MS * NS_MS;
    judge_selects(ch, n, &r->filter_result);
    if (n->conditions) oc_refresh_conditions(ch, n->now.klass);
}

struct asked {
    unsigned klass;
    uint32_t sub, n;
    uint32_t handles[];
};

static struct oc_notifier *by_handle(const struct oc_events *ev, uint32_t handle, unsigned *ret_which)
{
    for (struct oc_notifier *n = ev ? ev->notifiers : NULL; n && handle; n = n->next) {
        *ret_which = n->now.handle != handle;
        if (n->now.handle == handle || n->old.handle == handle) return n;
    }
    return NULL;
}

/* The notifier went while the item was made. */
static void drop_stray(struct oc_channel *ch, const struct asked *a, const struct ua_monitored_item_create_result *r)
{
    struct oc_item_of stray = {
        .state = ITEM_LIVE, .klass = (uint8_t)a->klass, .sub = a->sub, .id = r->monitored_item_id};
    if (!ua_bad(r->status_code)) drop_item(ch, &stray);
}

static void on_items(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_create_monitored_items_response *r = value;
    struct asked *a = arg;
    for (uint32_t i = 0; i < a->n; i++) {
        unsigned which = 0;
        struct oc_notifier *n = by_handle(ch->events, a->handles[i], &which);
        const struct ua_monitored_item_create_result *one = r && i < r->results_n ? &r->results[i] : NULL;
        if ((n == NULL || which) && one)
            drop_stray(ch, a, one);
        else if (n && ch->subs[a->klass].id != a->sub)
            n->now.state = ITEM_NONE;
        else if (n && one)
            item_made(ch, n, a->sub, one);
        else if (n && refused)
            item_failed(ch, n, e);
        else if (n)
            n->now.state = ITEM_NONE;
    }
    mem_free(a);
    oc_refresh_state(ch);
    oc_flush(ch);
    ch->again = true;
}

static bool types_ready(struct oc_channel *ch, const struct oc_notifier *n)
{
    bool ready = true;
    for (struct oc_link *l = oc_link_at(ch->events, n->first); l; l = oc_link_at(ch->events, l->next))
        if (l->kinds && !oc_kinds_ready(ch, l->kinds)) ready = false;
    return ready;
}

static bool wants_item(const struct oc_notifier *n, unsigned klass)
{
    return n->used && n->now.filter && n->now.state == ITEM_NONE && n->now.klass == klass;
}

static void make_items(struct oc_channel *ch, struct oc_events *ev, unsigned klass)
{
    AUTO_ARENA tmp;
    arena_init(&tmp, 64u << 20);
    uint32_t most = ch->max_items < 100 ? ch->max_items : 100;
    struct ua_monitored_item_create_request *items = arena_calloc(&tmp, most, sizeof *items);
    struct asked *a = mem_alloc(sizeof *a + most * sizeof a->handles[0]);
    if (items && a) *a = (struct asked){.klass = klass, .sub = ch->subs[klass].id};
    for (struct oc_notifier *n = ev->notifiers; n && items && a && a->n < most; n = n->next) {
        struct error e = {0};
        struct ua_nodeid id;
        if (!wants_item(n, klass) || !types_ready(ch, n)) continue;
        if (oc_node_id(ch, &n->node, &id, &e)) {
            item_failed(ch, n, &e);
            continue;
        }
        n->now.handle = HANDLE_BIT | (++ev->handle & ~HANDLE_BIT);
        if (!item_request(ch, n, &tmp, &items[a->n])) break;
        items[a->n].item_to_monitor.node_id = id;
        n->now.state = ITEM_ASKED;
        a->handles[a->n++] = n->now.handle;
    }
    if (!items || !a || a->n == 0) {
        mem_free(a);
        return;
    }
    struct ua_create_monitored_items_request q = {.subscription_id = a->sub,
                                                  .timestamps_to_return = UA_STAMPS_BOTH,
                                                  .items_to_create = items,
                                                  .items_to_create_n = a->n};
    oc_call(ch, UA_T_create_monitored_items_request, &q, ch->cfg.answer_ms, on_items, a);
}

bool oc_events_need(const struct oc_channel *ch, unsigned klass)
{
    for (const struct oc_notifier *n = ch->events ? ch->events->notifiers : NULL; n; n = n->next)
        if (wants_item(n, klass)) return true;
    return false;
}

/* Notifiers without points; the items of former filters. */
static void sweep(struct oc_channel *ch, struct oc_events *ev, uint64_t now)
{
    for (struct oc_notifier **p = &ev->notifiers; *p;) {
        struct oc_notifier *n = *p;
        if (n->drop_ns && now >= n->drop_ns) {
            n->drop_ns = 0;
            drop_item(ch, &n->old);
        }
        if (n->used) {
            p = &n->next;
            continue;
        }
        *p = n->next;
        if (n->now.state == ITEM_FAILED && ev->refused && --ev->refused == 0) ev->refusal.code = 0;
        oc_refresh_state(ch);
        drop_item(ch, &n->now);
        drop_item(ch, &n->old);
        arena_fini(&n->a);
        mem_free(n);
    }
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static bool seen(struct oc_notifier *n, struct str id)
{
    if (id.n == 0) return false;
    uint64_t h = str_hash(id, hash_seed()) | 1, *slot = &n->recent[h >> 1 & (OC_RECENT - 1)];
    bool was = *slot == h;
    *slot = h;
    return was;
}

static void take_link(struct oc_channel *ch, struct oc_link *l, const struct oc_told *t, const struct ua_nodeid *type,
                      uint16_t severity)
{
    struct oc_point *p = &ch->points[l->point];
    if (severity < p->event->severity || (l->kinds && !(type && oc_kinds_has(l->kinds, type)))) return;
    uint32_t i = l->select[t->which];
    if (!oc_field_there(t, i)) return; /* it has no such field */
    struct ua_datavalue dv = {.has = UA_HAS_VALUE | UA_HAS_SOURCE_TIME,
                              .source_us = oc_field_time(t, oc_utc(ch)),
                              .server_us = UA_TIME_NONE,
                              .value = t->fields[i]};
    l->bump = dv.source_us == l->raw_us ? l->bump + 1 : 0;
    l->raw_us = dv.source_us;
    dv.source_us += l->bump;
    oc_take(ch, p, &dv, VALUE_NOTIFIED);
}

static void overflow(struct oc_channel *ch, struct oc_notifier *n)
{
    struct oc_events *ev = ch->events;
    char kv[300];
    snprintf(kv, sizeof kv, "notifier=\"%.*s\" times=%llu", STR_ARG(str_sub(n->text, 0, 200)),
             (unsigned long long)++n->lost);
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "the server's queue of events ran over: some are lost", kv);
    error_set(&ev->lost, ERR_DEVICE, "", "events of %.*s were lost: the server's queue ran over",
              "%.*s 的部分事件已丢失：服务器队列溢出", STR_ARG(n->text));
    ev->lost_until_ns = oc_now(ch) + LOST_SHOWN_MS * NS_MS;
    for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next))
        oc_tell_last(ch, &ch->points[l->point], true);
    if (n->conditions) oc_refresh_conditions(ch, n->now.klass);
    oc_refresh_state(ch);
}

/* Events that speak of the telling itself; true: it is one. */
static bool take_system(struct oc_channel *ch, struct oc_notifier *n, const struct ua_nodeid *type)
{
    if (type == NULL || type->ns != 0 || type->kind != UA_ID_NUMBER) return false;
    switch (type->i) {
    case OC_EVENT_QUEUE_OVERFLOW: overflow(ch, n); return true;
    case UA_NODE_REFRESH_START_EVENT_TYPE: return true;
    case UA_NODE_REFRESH_END_EVENT_TYPE: oc_condition_refreshed(ch, n); return true;
    case UA_NODE_REFRESH_REQUIRED_EVENT_TYPE:
        if (n->conditions) oc_refresh_conditions(ch, n->now.klass);
        return true;
    default: return false;
    }
}

static void take_event(struct oc_channel *ch, struct oc_notifier *n, const struct oc_told *t)
{
    struct oc_events *ev = ch->events;
    const struct ua_nodeid *type = oc_field_id(t, BASE_EVENT_TYPE);
    if (take_system(ch, n, type)) return;
    const struct ua_nodeid *id = n->conditions ? oc_field_id(t, BASE_CONDITION_ID) : NULL;
    for (struct oc_condition *c = id ? oc_condition_find(ev, id) : NULL; c; c = oc_condition_next(c))
        if (c->notifier == n) oc_condition_take(ch, c, t);
    if (n->first == 0 || seen(n, oc_field_bytes(t, BASE_EVENT_ID))) return;
    int64_t severity = 0;
    if (t->n > BASE_SEVERITY) (void)!ua_variant_i64(&t->fields[BASE_SEVERITY], 0, &severity);
    for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next))
        take_link(ch, l, t, type, (uint16_t)(severity < 0 ? 0 : severity > 1000 ? 1000 : severity));
}

void oc_events_take(struct oc_channel *ch, const struct ua_event_notification_list *list)
{
    for (uint32_t i = 0; ch->events && i < list->events_n; i++) {
        unsigned which = 0;
        const struct ua_event_field_list *f = &list->events[i];
        struct oc_notifier *n = by_handle(ch->events, f->client_handle, &which);
        struct oc_told t = {.fields = f->event_fields, .n = f->event_fields_n, .which = which};
        if (n && !(n->conditions && which && !n->old.filter->conditions)) take_event(ch, n, &t);
    }
}

/* ---- refreshing ------------------------------------------------------------------------------------------------- */

void oc_refresh_conditions(struct oc_channel *ch, unsigned klass)
{
    ch->events->refresh[klass].wanted = true;
    ch->again = true;
}

static void each_notifier(struct oc_channel *ch, unsigned klass,
                          void (*fn)(struct oc_channel *, const struct oc_notifier *))
{
    for (struct oc_notifier *n = ch->events->notifiers; n; n = n->next)
        if (n->conditions && n->now.klass == klass) fn(ch, n);
}

static void refresh_over(struct oc_channel *ch, unsigned klass)
{
    ch->events->refresh[klass].running = false;
    each_notifier(ch, klass, oc_condition_refreshed);
}

static void on_refresh(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_call_response *r = value;
    unsigned klass = (unsigned)(uintptr_t)arg;
    struct error why = {0};
    if (ch->events == NULL) return;
    ch->events->refresh[klass].busy = false;
    ch->again = true;
    if (r == NULL && !refused) return;
    uint32_t status = r && r->results_n == 1 ? r->results[0].status_code : r ? UA_BAD_UNEXPECTED_ERROR : ch->status;
    if (r && status == 0x80970000u) { /* BadRefreshInProgress */
        ch->events->refresh[klass].wanted = true;
        ch->events->refresh[klass].after_ns = oc_now(ch) + OC_REFRESH_IN_PROGRESS_MS * NS_MS;
        return;
    }
    if (r && !ua_bad(status)) { /* RefreshEnd, or the time, ends it */
        ch->events->refresh[klass].until_ns = oc_now(ch) + REFRESH_END_MS * NS_MS;
        return;
    }
    if (ua_status_error(status, "the server", &why) == 0) why = e ? *e : why;
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO, "conditions are read: there is no refresh", why.text);
    refresh_over(ch, klass);
}

static bool items_ready(const struct oc_events *ev, unsigned klass)
{
    bool any = false;
    for (const struct oc_notifier *n = ev->notifiers; n; n = n->next) {
        if (!n->used || !n->conditions || n->now.klass != klass) continue;
        if (n->now.state != ITEM_LIVE && n->now.state != ITEM_FAILED) return false;
        any = any || n->now.state == ITEM_LIVE;
    }
    return any;
}

static void refresh(struct oc_channel *ch, unsigned klass, uint64_t now)
{
    struct oc_events *ev = ch->events;
    if (ev->refresh[klass].running && now >= ev->refresh[klass].until_ns) refresh_over(ch, klass);
    if (!ev->refresh[klass].wanted || ev->refresh[klass].busy || now < ev->refresh[klass].after_ns ||
        !items_ready(ev, klass))
        return;
    struct ua_variant sub = ua_variant_scalar(UA_UINT32, &ch->subs[klass].id);
    struct ua_call_method_request m = {.object_id = ua_id(0, UA_NODE_CONDITION_TYPE),
                                       .method_id = ua_id(0, UA_NODE_CONDITION_TYPE_CONDITION_REFRESH),
                                       .input_arguments = &sub,
                                       .input_arguments_n = 1};
    struct ua_call_request q = {.methods_to_call = &m, .methods_to_call_n = 1};
    ev->refresh[klass].wanted = false;
    ev->refresh[klass].busy = ev->refresh[klass].running = true;
    ev->refresh[klass].until_ns = now + REFRESH_ASK_MS * NS_MS;
    each_notifier(ch, klass, oc_condition_refreshing);
    oc_call(ch, UA_T_call_request, &q, ch->cfg.answer_ms, on_refresh, (void *)(uintptr_t)klass);
}

/* ---- the session ------------------------------------------------------------------------------------------------ */

/* A new connection: perhaps other namespaces, surely other states. */
static void session_began(struct oc_channel *ch, struct oc_events *ev)
{
    ev->up_ns = ch->up_ns;
    ev->settling = 0;
    oc_events_bind(ch, ev);
    for (struct oc_kinds *k = ev->kinds; k; k = k->next) k->ready = k->busy = false;
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        bool wanted = false;
        for (const struct oc_notifier *n = ev->notifiers; n; n = n->next)
            wanted = wanted || (n->conditions && n->now.klass == c);
        memset(&ev->refresh[c], 0, sizeof ev->refresh[c]);
        ev->refresh[c].wanted = wanted;
    }
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next) {
        n->anew = n->now.state != ITEM_LIVE;
        if (!n->anew) n->tell_ns = oc_now(ch) + TELL_MS * NS_MS;
        for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next))
            ch->points[l->point].first = true;
    }
}

void oc_events_reset(struct oc_channel *ch, unsigned klass)
{
    for (struct oc_notifier *n = ch->events ? ch->events->notifiers : NULL; n; n = n->next) {
        if (n->now.klass == klass && n->now.state == ITEM_LIVE) {
            n->gap = true;
            for (struct oc_link *l = oc_link_at(ch->events, n->first); l; l = oc_link_at(ch->events, l->next))
                ch->points[l->point].first = true;
        }
        if (n->now.klass == klass && n->now.state != ITEM_FAILED) {
            n->now.state = ITEM_NONE;
            n->now.handle = n->now.id = n->now.sub = 0;
            n->anew = true;
        }
        if (n->old.filter && n->old.klass == klass) {
            n->old.state = ITEM_NONE;
            n->drop_ns = 1;
        }
    }
}

void oc_events_forget(struct oc_channel *ch)
{
    for (unsigned c = 0; c < OC_CLASSES; c++) oc_events_reset(ch, c);
    if (ch->events == NULL) return;
    for (struct oc_notifier *n = ch->events->notifiers; n; n = n->next) n->now.state = ITEM_NONE;
    ch->events->refused = 0;
    ch->events->refusal.code = 0;
    ch->events->retry_ns = 0;
}

static void retry(struct oc_events *ev)
{
    ev->retry_ns = 0;
    ev->refused = 0;
    ev->refusal.code = 0;
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next)
        if (n->now.state == ITEM_FAILED) n->now.state = ITEM_NONE;
}

/* No event has come since the connection is back: the last one still is the last, as far as is known. */
static void tell_known(struct oc_channel *ch, struct oc_events *ev, uint64_t now)
{
    for (struct oc_notifier *n = ev->notifiers; n; n = n->next) {
        if (!n->tell_ns || now < n->tell_ns || n->now.state != ITEM_LIVE) continue;
        n->tell_ns = 0;
        for (struct oc_link *l = oc_link_at(ev, n->first); l; l = oc_link_at(ev, l->next)) {
            struct oc_point *p = &ch->points[l->point];
            const struct oc_select *s = oc_select_at(n->now.filter, l->select[0]);
            bool silent = p->marked || (n->gap && p->first);
            if (silent && s && !ua_bad(s->status)) oc_tell_last(ch, p, n->anew);
            p->first = false;
        }
        n->anew = n->gap = false;
        oc_flush(ch);
    }
}

void oc_events_pump(struct oc_channel *ch, uint64_t now)
{
    if (ch->events_dirty) oc_events_set(ch);
    struct oc_events *ev = ch->events;
    if (ev == NULL) return;
    if (ev->up_ns != ch->up_ns) session_began(ch, ev);
    if (ev->retry_ns && now >= ev->retry_ns) retry(ev);
    if (ev->lost_until_ns && now >= ev->lost_until_ns) {
        ev->lost_until_ns = 0;
        oc_refresh_state(ch);
    }
    sweep(ch, ev, now);
    for (unsigned c = 0; c < OC_CLASSES && ch->conn == CONN_UP; c++) {
        if (ch->subs[c].id && oc_events_need(ch, c)) make_items(ch, ev, c);
        if (ch->conn == CONN_UP && ch->subs[c].id) refresh(ch, c, now);
    }
    if (ch->conn == CONN_UP) tell_known(ch, ev, now);
    if (ch->conn == CONN_UP) oc_settle_pump(ch);
}

static void earlier(uint64_t *at, uint64_t ns)
{
    if (ns && ns < *at) *at = ns;
}

uint64_t oc_events_deadline(const struct oc_channel *ch)
{
    const struct oc_events *ev = ch->events;
    uint64_t at = UINT64_MAX;
    if (ev == NULL || ch->conn != CONN_UP) return at;
    earlier(&at, ev->retry_ns);
    earlier(&at, ev->lost_until_ns);
    for (const struct oc_notifier *n = ev->notifiers; n; n = n->next) {
        earlier(&at, n->drop_ns);
        if (n->now.state == ITEM_LIVE) earlier(&at, n->tell_ns);
    }
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        if (ev->refresh[c].running) earlier(&at, ev->refresh[c].until_ns);
        if (ev->refresh[c].wanted && ev->refresh[c].after_ns > oc_now(ch)) earlier(&at, ev->refresh[c].after_ns);
    }
    return at;
}

/* What is wrong with events; NULL: nothing. */
const struct error *oc_events_trouble(const struct oc_channel *ch)
{
    const struct oc_events *ev = ch->events;
    if (ev == NULL) return NULL;
    if (ev->refused) return &ev->refusal;
    return ev->lost_until_ns ? &ev->lost : NULL;
}
