/* sub.c - subscriptions. One per publishing interval; items are made in batches; what the server refuses is told once
 * and asked again every minute. At least two publish requests lie at the server. A notification is acknowledged once
 * the sink has it; one that is missing is asked for again. What comes is taken by value.c; what a loss leaves, by
 * resume.c. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define KEEPALIVE_MS 10000
#define PUBLISH_PAUSE_MS 1000
#define HANDLE_FREE 0x80000000u

unsigned oc_point_class(const struct oc_channel *ch, const struct oc_point *p)
{
    return ch->cfg.publishing_ms ? 0 : p->klass;
}

static struct oc_point *point_of(const struct oc_channel *ch, uint32_t handle)
{
    uint32_t i = handle && handle < ch->nhandles ? ch->handles[handle] : 0;
    return i && !(i & HANDLE_FREE) ? &ch->points[i - 1] : NULL;
}

/* ---- what comes ------------------------------------------------------------------------------------------------- */

/* What still comes for it names a subscription that we do not know any more. */
static void free_handle(struct oc_channel *ch, uint32_t handle)
{
    ch->handles[handle] = HANDLE_FREE | ch->free_handle;
    ch->free_handle = handle;
}

void oc_sub_reset(struct oc_channel *ch, unsigned c)
{
    struct oc_sub *s = &ch->subs[c];
    s->id = 0;
    s->creating = s->items_busy = s->deleting = false;
    s->ndrop = 0;
    oc_events_reset(ch, c);
    ch->unmade = true;
    for (size_t i = 0; i < ch->npoints; i++) {
        struct oc_point *p = &ch->points[i];
        if (oc_point_class(ch, p) != c) continue;
        if (p->handle) free_handle(ch, p->handle);
        p->item = ITEM_NONE;
        p->handle = p->item_id = 0;
    }
}

static void take_notification(struct oc_channel *ch, unsigned c, const struct ua_notification_message *m)
{
    for (uint32_t i = 0; i < m->notification_data_n; i++) {
        const struct ua_data_change_notification *d =
            ua_extension_as(&m->notification_data[i], UA_T_data_change_notification);
        for (uint32_t k = 0; d && k < d->monitored_items_n; k++) {
            struct oc_point *p = point_of(ch, d->monitored_items[k].client_handle);
            if (p) oc_take(ch, p, &d->monitored_items[k].value, VALUE_NOTIFIED);
        }
        const struct ua_event_notification_list *events =
            ua_extension_as(&m->notification_data[i], UA_T_event_notification_list);
        if (events) oc_events_take(ch, events);
        if (ua_extension_as(&m->notification_data[i], UA_T_status_change_notification)) oc_sub_reset(ch, c);
    }
    oc_flush(ch);
}

/* ---- publishing ------------------------------------------------------------------------------------------------ */

void oc_acknowledge(struct oc_channel *ch, uint32_t sub, uint32_t sequence)
{
    void *items = ch->acks;
    if (!mem_grow(&items, &ch->acks_cap, ch->nacks + 1, sizeof *ch->acks)) return;
    ch->acks = items;
    ch->acks[ch->nacks++] = (struct ua_subscription_acknowledgement){sub, sequence};
}

static int sub_by_id(const struct oc_channel *ch, uint32_t id)
{
    for (int c = 0; c < OC_CLASSES; c++)
        if (id && ch->subs[c].id == id) return c;
    return -1;
}

/* Values of it were lost: the next of each of its points ends a gap. */
static void gap_in(struct oc_channel *ch, unsigned c)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (oc_point_class(ch, &ch->points[i]) == c && ch->points[i].item == ITEM_LIVE) ch->points[i].first = true;
}

static void on_republish(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_republish_response *r = value;
    int c = sub_by_id(ch, (uint32_t)(uintptr_t)arg);
    (void)refused;
    if (r && c >= 0) {
        take_notification(ch, (unsigned)c, &r->notification_message);
        oc_acknowledge(ch, ch->subs[c].id, r->notification_message.sequence_number);
    } else if (c >= 0 && !ch->closing) {
        ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "a notification was lost", e->text);
        gap_in(ch, (unsigned)c);
    }
}

static uint32_t next_of(uint32_t sequence)
{
    return sequence == UINT32_MAX ? 1 : sequence + 1;
}

void oc_republish(struct oc_channel *ch, const struct oc_sub *s, uint32_t sequence)
{
    struct ua_republish_request q = {.subscription_id = s->id, .retransmit_sequence_number = sequence};
    oc_call(ch, UA_T_republish_request, &q, ch->cfg.answer_ms, on_republish, (void *)(uintptr_t)s->id);
}

static void ask_missing(struct oc_channel *ch, const struct oc_sub *s, uint32_t until)
{
    uint32_t n = s->next_sequence;
    if (until - n > OC_MISSING_MAX) { /* far apart: the numbering began anew */
        gap_in(ch, (unsigned)(s - ch->subs));
        return;
    }
    for (; n != until; n = next_of(n)) oc_republish(ch, s, n);
}

static void publish_failed(struct oc_channel *ch, bool refused)
{
    if (ch->conn != CONN_UP) return; /* of a connection that is gone */
    ch->publish_after_ns = oc_now(ch) + PUBLISH_PAUSE_MS * NS_MS;
    if (!refused) return;
    if (ch->status == UA_BAD_TOO_MANY_PUBLISH_REQUESTS && ch->publishing_max > 1)
        ch->publishing_max = ch->publishing ? ch->publishing : 1;
    if (ch->status != UA_BAD_NO_SUBSCRIPTION) return;
    for (unsigned c = 0; c < OC_CLASSES; c++)
        if (ch->subs[c].id) oc_sub_reset(ch, c);
}

static void on_publish(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_publish_response *r = value;
    (void)arg, (void)e;
    if (ch->publishing) ch->publishing--;
    ch->again = true;
    int c = r ? sub_by_id(ch, r->subscription_id) : -1;
    if (r == NULL) publish_failed(ch, refused);
    if (c < 0) return;
    struct oc_sub *s = &ch->subs[c];
    const struct ua_notification_message *m = &r->notification_message;
    s->last_ns = oc_now(ch);
    if (m->sequence_number != s->next_sequence) ask_missing(ch, s, m->sequence_number);
    s->next_sequence = m->notification_data_n ? next_of(m->sequence_number) : m->sequence_number;
    if (m->notification_data_n == 0) return; /* it is alive */
    oc_acknowledge(ch, s->id, m->sequence_number);
    take_notification(ch, (unsigned)c, m);
    ch->st.polls++;
}

static void publish(struct oc_channel *ch, uint64_t now)
{
    unsigned want = 2;
    bool any = false;
    for (int c = 0; c < OC_CLASSES; c++)
        if (ch->subs[c].id) want++, any = true;
    if (want > ch->publishing_max) want = ch->publishing_max;
    while (any && ch->conn == CONN_UP && ch->publishing < want && now >= ch->publish_after_ns) {
        struct ua_publish_request q = {.subscription_acknowledgements = ch->nacks ? ch->acks : NULL,
                                       .subscription_acknowledgements_n = (uint32_t)ch->nacks};
        ch->publishing++;
        oc_call(ch, UA_T_publish_request, &q, 0, on_publish, NULL);
        ch->nacks = 0;
    }
}

/* ---- items ----------------------------------------------------------------------------------------------------- */

struct asked {
    unsigned c;
    uint32_t sub, n;
    uint32_t handles[];
};

static void drop_later(struct oc_sub *s, uint32_t item)
{
    void *items = s->drop;
    if (!mem_grow(&items, &s->drop_cap, s->ndrop + 1, sizeof *s->drop)) return;
    s->drop = items;
    s->drop[s->ndrop++] = item;
}

void oc_item_drop(struct oc_channel *ch, const struct oc_point *p)
{
    if (p->handle && p->handle < ch->nhandles) ch->handles[p->handle] = 0;
    if (p->item == ITEM_LIVE) drop_later(&ch->subs[oc_point_class(ch, p)], p->item_id);
    if (p->item == ITEM_FAILED && ch->refused) ch->refused--;
}

static void item_failed(struct oc_channel *ch, struct oc_point *p, const struct error *e)
{
    char kv[480];
    if (p->handle) ch->handles[p->handle] = 0;
    p->handle = 0;
    p->item = ITEM_FAILED;
    if (ch->refused++ == 0 || ch->refusal.code == 0)
        error_set(&ch->refusal, ERR_DEVICE, "", "%.*s: %s%.0s", "%.*s：%.0s%s", STR_ARG(p->address), e->text,
                  e->text_zh);
    if (ch->retry_items_ns == 0) ch->retry_items_ns = oc_now(ch) + OC_RETRY_ITEMS_MS * NS_MS;
    if (!oc_tell_config(ch, p)) return;
    snprintf(kv, sizeof kv, "address=\"%.*s\" err=\"%s\"", STR_ARG(p->address), e->text);
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, "a point is refused by the server", kv);
}

static void item_made(struct oc_channel *ch, struct oc_sub *s, uint32_t handle,
                      const struct ua_monitored_item_create_result *r)
{
    struct oc_point *p = point_of(ch, handle);
    struct error e = {0};
    if (p == NULL) {
        if (!ua_bad(r->status_code)) drop_later(s, r->monitored_item_id);
    } else if (ua_status_error(r->status_code, "the server", &e)) {
        item_failed(ch, p, &e);
    } else {
        p->item = ITEM_LIVE;
        p->item_id = r->monitored_item_id;
    }
}

static void on_items(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_create_monitored_items_response *r = value;
    struct asked *a = arg;
    struct oc_sub *s = &ch->subs[a->c];
    if (s->id == a->sub) s->items_busy = false;
    for (uint32_t i = 0; s->id && s->id == a->sub && i < a->n; i++) {
        struct oc_point *p = point_of(ch, a->handles[i]);
        if (r && i < r->results_n)
            item_made(ch, s, a->handles[i], &r->results[i]);
        else if (p && refused)
            item_failed(ch, p, e);
    }
    mem_free(a);
    oc_refresh_state(ch);
    oc_flush(ch);
    ch->again = true;
}

static uint32_t new_handle(struct oc_channel *ch, size_t point)
{
    void *items = ch->handles;
    uint32_t again = ch->free_handle;
    if (again) {
        ch->free_handle = ch->handles[again] & ~HANDLE_FREE;
        ch->handles[again] = (uint32_t)point + 1;
        return again;
    }
    if (ch->nhandles == 0) ch->nhandles = 1;
    if (!mem_grow(&items, &ch->handles_cap, ch->nhandles + 1, sizeof *ch->handles)) return 0;
    ch->handles = items;
    ch->handles[ch->nhandles] = (uint32_t)point + 1;
    return (uint32_t)ch->nhandles++;
}

static bool item_of(struct oc_channel *ch, size_t i, struct ua_monitored_item_create_request *ret)
{
    struct oc_point *p = &ch->points[i];
    struct error e = {0};
    *ret = (struct ua_monitored_item_create_request){.monitoring_mode = UA_MONITOR_REPORTING};
    if (oc_node_id(ch, &p->node, &ret->item_to_monitor.node_id, &e)) {
        item_failed(ch, p, &e);
        return false;
    }
    p->handle = new_handle(ch, i);
    if (p->handle == 0) return false;
    ret->item_to_monitor.attribute_id = UA_ATTR_VALUE;
    ret->item_to_monitor.index_range = p->node.range;
    ret->requested_parameters = (struct ua_monitoring_parameters){.client_handle = p->handle,
                                                                  .sampling_interval = p->sampling_ms,
                                                                  .queue_size = p->queue,
                                                                  .discard_oldest = true};
    struct ua_data_change_filter *f = p->deadband ? arena_calloc(&ch->arena, 1, sizeof *f) : NULL;
    if (f) {
        *f = (struct ua_data_change_filter){UA_TRIGGER_STATUS_VALUE, p->deadband, p->deadband_value};
        ret->requested_parameters.filter = ua_extension_of(UA_T_data_change_filter, f);
    }
    p->item = ITEM_ASKED;
    p->first = true;
    return true;
}

static void make_items(struct oc_channel *ch, unsigned c)
{
    struct oc_sub *s = &ch->subs[c];
    AUTO_FREE struct ua_monitored_item_create_request *items = mem_calloc(ch->max_items, sizeof *items);
    struct asked *a = mem_alloc(sizeof *a + ch->max_items * sizeof a->handles[0]);
    if (!items || !a) {
        mem_free(a);
        return;
    }
    *a = (struct asked){.c = c, .sub = s->id};
    for (size_t i = 0; i < ch->npoints && a->n < ch->max_items; i++) {
        const struct oc_point *p = &ch->points[i];
        if (p->config_error || p->method || p->event || p->item != ITEM_NONE || oc_point_class(ch, p) != c ||
            !item_of(ch, i, &items[a->n]))
            continue;
        a->handles[a->n++] = p->handle;
    }
    if (a->n == 0) {
        mem_free(a);
        return;
    }
    struct ua_create_monitored_items_request q = {.subscription_id = s->id,
                                                  .timestamps_to_return = UA_STAMPS_BOTH,
                                                  .items_to_create = items,
                                                  .items_to_create_n = a->n};
    s->items_busy = true;
    oc_call(ch, UA_T_create_monitored_items_request, &q, ch->cfg.answer_ms, on_items, a);
}

static void on_dropped(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    (void)value, (void)e, (void)refused;
    ch->subs[(uintptr_t)arg].deleting = false;
    ch->again = true;
}

static void drop_items(struct oc_channel *ch, unsigned c)
{
    struct oc_sub *s = &ch->subs[c];
    uint32_t n = (uint32_t)(s->ndrop < ch->max_items ? s->ndrop : ch->max_items);
    s->ndrop -= n;
    struct ua_delete_monitored_items_request q = {
        .subscription_id = s->id, .monitored_item_ids = s->drop + s->ndrop, .monitored_item_ids_n = n};
    s->deleting = true;
    oc_call(ch, UA_T_delete_monitored_items_request, &q, ch->cfg.answer_ms, on_dropped, (void *)(uintptr_t)c);
}

/* ---- subscriptions --------------------------------------------------------------------------------------------- */

static void on_sub(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_create_subscription_response *r = value;
    struct oc_sub *s = &ch->subs[(uintptr_t)arg];
    s->creating = false;
    if (r == NULL) {
        if (refused) oc_lose(ch, e); /* without one the server is of no use */
        return;
    }
    s->id = r->subscription_id;
    s->next_sequence = 1;
    s->last_ns = oc_now(ch);
    double ms = r->revised_publishing_interval * (r->revised_max_keep_alive_count + 1.0);
    s->keepalive_ms = ms >= 0 && ms < 3600000 ? (uint32_t)ms : 3600000; /* or a server that answers nonsense */
    ms = r->revised_publishing_interval * r->revised_lifetime_count;
    s->lifetime_ms = ms > 0 && ms < 86400000 ? (uint32_t)ms : 0;
    ch->again = true;
}

static void make_sub(struct oc_channel *ch, unsigned c)
{
    uint32_t ms = ch->cfg.publishing_ms ? ch->cfg.publishing_ms : oc_intervals[c];
    uint32_t count = ms < KEEPALIVE_MS ? KEEPALIVE_MS / ms : 1;
    struct ua_create_subscription_request q = {.requested_publishing_interval = ms,
                                               .requested_lifetime_count = count * 10,
                                               .requested_max_keep_alive_count = count,
                                               .publishing_enabled = true};
    ch->subs[c].interval_ms = ms;
    ch->subs[c].creating = true;
    oc_call(ch, UA_T_create_subscription_request, &q, ch->cfg.answer_ms, on_sub, (void *)(uintptr_t)c);
}

static void retry_items(struct oc_channel *ch)
{
    ch->retry_items_ns = 0;
    ch->refused = 0;
    ch->refusal.code = 0;
    ch->unmade = true;
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].item == ITEM_FAILED) ch->points[i].item = ITEM_NONE;
}

static uint64_t silent_at(const struct oc_channel *ch, const struct oc_sub *s)
{
    return s->last_ns + (2ull * s->keepalive_ms + ch->cfg.answer_ms) * NS_MS;
}

static uint64_t keep_at(const struct oc_channel *ch)
{
    return ch->last_call_ns + ch->session_ms / 3 * NS_MS;
}

/* Which subscriptions have points without an item. Points are looked through only while there may be some. */
static void look_for_unmade(struct oc_channel *ch, bool need[OC_CLASSES])
{
    bool any = false;
    for (size_t i = 0; ch->unmade && i < ch->npoints; i++) {
        const struct oc_point *p = &ch->points[i];
        if (!p->config_error && !p->method && !p->event && p->item == ITEM_NONE)
            any = need[oc_point_class(ch, p)] = true;
    }
    ch->unmade = any;
}

void oc_sub_pump(struct oc_channel *ch, uint64_t now)
{
    bool need[OC_CLASSES] = {0};
    struct error e;
    if (ch->retry_items_ns && now >= ch->retry_items_ns) retry_items(ch);
    look_for_unmade(ch, need);
    for (unsigned c = 0; c < OC_CLASSES && ch->conn == CONN_UP; c++) {
        struct oc_sub *s = &ch->subs[c];
        if ((need[c] || oc_events_need(ch, c)) && !s->id && !s->creating) make_sub(ch, c);
        if (s->id && s->ndrop && !s->deleting) drop_items(ch, c);
        if (s->id && need[c] && !s->items_busy) {
            make_items(ch, c);
            oc_refresh_state(ch);
            ch->again = ch->again || ch->nbatch > 0;
        }
        if (!s->id || now < silent_at(ch, s)) continue;
        ch->st.timeouts++;
        error_set(&e, ERR_TIMEOUT, "", "%s:%u tells nothing any more", "%s:%u 不再上送数据", ch->cfg.at.host,
                  ch->cfg.at.port);
        oc_lose(ch, &e);
    }
    publish(ch, now);
    if (ch->conn == CONN_UP && now >= keep_at(ch)) oc_session_keep(ch);
}

uint64_t oc_sub_deadline(const struct oc_channel *ch)
{
    uint64_t at = keep_at(ch);
    if (ch->retry_items_ns && ch->retry_items_ns < at) at = ch->retry_items_ns;
    if (ch->publish_after_ns > oc_now(ch) && ch->publish_after_ns < at) at = ch->publish_after_ns;
    for (int c = 0; c < OC_CLASSES; c++)
        if (ch->subs[c].id && silent_at(ch, &ch->subs[c]) < at) at = silent_at(ch, &ch->subs[c]);
    return at;
}

void oc_sub_forget(struct oc_channel *ch)
{
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        mem_free(ch->subs[c].drop);
        ch->subs[c] = (struct oc_sub){0};
    }
    for (size_t i = 0; i < ch->npoints; i++) {
        ch->points[i].item = ITEM_NONE;
        ch->points[i].handle = ch->points[i].item_id = 0;
    }
    ch->unmade = true;
    oc_events_forget(ch);
    ch->nhandles = ch->free_handle = 0;
    ch->nacks = 0;
    ch->publishing = 0;
    ch->publish_after_ns = ch->retry_items_ns = 0;
    ch->refused = 0;
    ch->refusal.code = 0;
}
