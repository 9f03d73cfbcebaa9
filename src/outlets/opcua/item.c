/* item.c - monitored items: their filters, sampling and queues (OPC 10000-4, 5.12 and 7.22).
 *
 * Fed by    os_items_changed for values of points: the items of a point are a list that starts at its slot. What stands
 *           elsewhere (the Server object, other attributes) is looked at in each publishing cycle, at most each
 * POLL_MS. Sampling  a change that comes before the sampling interval is over is held, newest wins, and looked at when
 * it is due. Memory    an item is about 256 bytes and a waiting value 40; the queue grows by need. All waiting values
 * of the server together are at most cfg.max_notes: then an item behaves as if its queue were full. Ids       index
 * into server.items in the low 20 bits, a generation above: an id that is gone is not found again. */
#include <math.h>
#include "outlets/opcua/server_int.h"

#define INDEX_BITS 20
#define INDEX_MASK ((1u << INDEX_BITS) - 1)
#define POLL_MS 1000.0
#define SAMPLING_MOST_MS 3600000.0
#define RANGE_MAX 64

struct os_item *os_item_find(struct os_server *s, const struct os_sub *sub, uint32_t id)
{
    uint32_t k = id & INDEX_MASK;
    struct os_item *i = k < s->citems ? s->items[k] : NULL;
    return i && i->id == id && i->sub == sub ? i : NULL;
}

/* ---- the queue ---- */

static void drop_note(struct os_note *n)
{
    mem_free(n->bytes);
    *n = (struct os_note){0};
}
static struct os_note *at(struct os_item *i, uint32_t k)
{
    return &i->queue[(i->head + k) % i->cap];
}
static void drop_first(struct os_server *s, struct os_item *i)
{
    drop_note(at(i, 0));
    i->head = (i->head + 1) % i->cap;
    i->n--;
    s->notes--;
}
static bool grow(struct os_item *i)
{
    uint32_t cap = i->cap ? i->cap * 2 : 1;
    if (i->n < i->cap) return true;
    if (cap > i->queue_size) cap = i->queue_size;
    struct os_note *q = mem_calloc(cap, sizeof *q);
    if (q == NULL) return false;
    for (uint32_t k = 0; k < i->n; k++) q[k] = *at(i, k);
    mem_free(i->queue);
    i->queue = q;
    i->cap = cap;
    i->head = 0;
    return true;
}
void os_item_push(struct os_server *s, struct os_item *i, struct os_note *n)
{
    bool full = i->n >= i->queue_size || (i->n && s->notes >= s->cfg.max_notes) || !grow(i);
    bool mark = i->queue_size > 1 && !i->filter; /* a lost event has no bit */
    if (full && i->n == 0) {                     /* no memory at all */
        drop_note(n);
        return;
    }
    if (full && !i->discard_oldest) {
        struct os_note *last = at(i, i->n - 1);
        drop_note(last);
        *last = *n;
        last->overflow = mark;
    } else {
        if (full) drop_first(s, i);
        *at(i, i->n++) = *n;
        s->notes++;
        if (full) at(i, 0)->overflow = mark;
    }
    os_sub_ready(i);
}
static void clear_queue(struct os_server *s, struct os_item *i)
{
    while (i->n) drop_first(s, i);
}

/* ---- a value as it goes out ---- */

static void value_of(struct os_server *s, struct os_item *i, const struct os_note *n, struct arena *a,
                     struct ua_datavalue *v)
{
    const struct os_point *p = &s->space->points[i->node.i];
    os_value(p, &n->s, (const char *)n->bytes, n->n, v);
    if (i->range.p && (v->has & UA_HAS_VALUE)) {
        uint32_t status = os_cut(a, i->range, &v->value);
        if (status) v->has = 0, v->status = status;
    }
}
void os_item_pop(struct os_server *s, struct os_item *i, struct buf *out)
{
    struct os_note *n = at(i, 0);
    struct ua_datavalue v = {0};
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    buf_u32le(out, i->client_handle);
    if (n->raw) {
        buf_add(out, n->bytes, n->n);
    } else if (i->node.kind != OS_POINT) {
        v = (struct ua_datavalue){.has = UA_HAS_STATUS, .status = UA_BAD_NODE_ID_UNKNOWN};
        ua_encode(out, UA_DATAVALUE, &v);
    } else {
        value_of(s, i, n, &a, &v);
        if (n->overflow) v.status |= UA_STATUS_OVERFLOW;
        os_stamp(&v, i->stamps, os_utc(s));
        ua_encode(out, UA_DATAVALUE, &v);
    }
    drop_first(s, i);
}

/* ---- filters ---- */

static double number_of(const struct sample *x)
{
    return x->type == SAMPLE_DOUBLE ? x->v.d : (double)x->v.i;
}
static bool is_number(const struct sample *x)
{
    return x->type == SAMPLE_DOUBLE || x->type == SAMPLE_INT || x->type == SAMPLE_BOOL;
}
static bool same_status(const struct sample *a, const struct sample *b)
{
    return a->quality == b->quality && (a->flags & SAMPLE_REASON_MASK) == (b->flags & SAMPLE_REASON_MASK);
}
static bool same_value(const struct os_item *i, const struct sample *x, uint64_t hash)
{
    if (i->last.type != x->type) return false;
    if (x->type == SAMPLE_STRING) return i->last_hash == hash;
    if (i->deadband && is_number(x)) return !(fabs(number_of(x) - number_of(&i->last)) > i->deadband_value);
    return i->last.v.u == x->v.u;
}
static uint64_t hash_of(const struct os_note *n)
{
    return n->bytes ? str_hash(str_make((const char *)n->bytes, n->n), hash_seed()) : 0;
}
/* Does the filter let it pass? Then it is the last one. */
static bool passes(struct os_item *i, const struct os_note *n)
{
    const struct sample *x = &n->s;
    uint64_t hash = x->type == SAMPLE_STRING ? hash_of(n) : 0;
    bool pass = !i->has_last || !same_status(&i->last, x);
    if (!pass && i->trigger >= UA_TRIGGER_STATUS_VALUE) pass = !same_value(i, x, hash);
    if (!pass && i->trigger == UA_TRIGGER_STATUS_VALUE_TIMESTAMP) pass = i->last.time_us != x->time_us;
    if (!pass) return false;
    i->has_last = true;
    i->last = *x;
    i->last_hash = hash;
    return true;
}
static struct os_note note_of(const struct sample *x, const char *text, size_t n)
{
    struct os_note k = {.s = *x};
    if (x->type != SAMPLE_STRING) return k;
    k.bytes = mem_dup(text ? text : "", n ? n : 1);
    k.n = k.bytes ? (uint32_t)n : 0;
    return k;
}
static void take(struct os_server *s, struct os_item *i, struct os_note *n, uint64_t now)
{
    i->next_ns = now + (uint64_t)(i->sampling_ms * (double)NS_MS);
    if (passes(i, n))
        os_item_push(s, i, n);
    else
        drop_note(n);
}
static void hold(struct os_item *i, struct os_note *n)
{
    drop_note(&i->held);
    i->held = *n;
    if (i->prev_held) return;
    i->next_held = i->sub->held;
    i->prev_held = &i->sub->held;
    if (i->next_held) i->next_held->prev_held = &i->next_held;
    i->sub->held = i;
}
static void unlink_held(struct os_item *i)
{
    if (i->prev_held == NULL) return;
    *i->prev_held = i->next_held;
    if (i->next_held) i->next_held->prev_held = i->prev_held;
    i->prev_held = NULL;
}

static void offer(struct os_server *s, struct os_item *i, const struct outlet_item *x, uint64_t now)
{
    if (i->mode == UA_MONITOR_DISABLED) return;
    struct os_note n = note_of(&x->sample, x->text, x->text_len);
    if (now < i->next_ns)
        hold(i, &n);
    else
        take(s, i, &n, now);
}
void os_items_changed(struct os_server *s, const struct outlet_item *items, size_t n)
{
    uint64_t now = os_now(s);
    for (size_t k = 0; k < n; k++) {
        if (items[k].slot >= s->space->npoints) continue;
        struct os_point *p = &s->space->points[items[k].slot];
        if (p->type == UA_NULL) p->type = os_type_of_sample(&items[k].sample);
        for (struct os_item *i = s->by_slot[items[k].slot]; i; i = i->next_slot) offer(s, i, &items[k], now);
    }
}

/* ---- what is looked at, and what was held ---- */

static void push_value(struct os_server *s, struct os_item *i, const struct ua_datavalue *v)
{
    struct ua_datavalue full = *v;
    struct os_note n = {.raw = true};
    struct buf b;
    os_stamp(&full, i->attribute == UA_ATTR_VALUE ? i->stamps : UA_STAMPS_NEITHER, os_utc(s));
    buf_init(&b, 1 << 20);
    ua_encode(&b, UA_DATAVALUE, &full);
    n.bytes = b.err || b.n == 0 ? NULL : mem_dup(b.p, b.n);
    n.n = n.bytes ? (uint32_t)b.n : 0;
    buf_fini(&b);
    if (n.bytes) os_item_push(s, i, &n);
}
static void poll(struct os_server *s, struct os_item *i, uint64_t now)
{
    struct ua_datavalue v;
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 4 << 20);
    i->next_ns = now + (uint64_t)(i->sampling_ms * (double)NS_MS);
    os_attribute(s, i->sub->session, &i->node, i->attribute, &a, &v);
    if (i->range.p && (v.has & UA_HAS_VALUE) && os_cut(&a, i->range, &v.value))
        v.has = 0, v.status = UA_BAD_INDEX_RANGE_NO_DATA;
    buf_init(&b, 1 << 20);
    buf_u32le(&b, v.status);
    if (v.has & UA_HAS_VALUE) ua_encode(&b, UA_VARIANT, &v.value);
    uint64_t hash = str_hash(buf_view(&b), hash_seed());
    buf_fini(&b);
    if (i->has_last && hash == i->last_hash) return;
    i->has_last = true;
    i->last_hash = hash;
    push_value(s, i, &v);
}
void os_items_due(struct os_server *s, struct os_sub *sub, uint64_t now)
{
    for (struct os_item *i = sub->held, *after; i; i = after) {
        after = i->next_held;
        if (now < i->next_ns) continue;
        unlink_held(i);
        struct os_note n = i->held;
        i->held = (struct os_note){0};
        take(s, i, &n, now);
    }
    for (struct os_item *i = sub->polled; i; i = i->next_slot)
        if (i->mode != UA_MONITOR_DISABLED && now >= i->next_ns) poll(s, i, now);
}

/* The value that there is now. */
static void first(struct os_server *s, struct os_item *i, uint64_t now)
{
    const struct outlet_host *h = s->base.host;
    struct sample x = {.quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    size_t n = 0;
    if (i->mode == UA_MONITOR_DISABLED || i->filter || i->node.kind == OS_NONE) return;
    i->has_last = false;
    if (i->polled) {
        poll(s, i, now);
        return;
    }
    if (!h->current(h->ctx, i->node.i, &x, s->text, sizeof s->text, &n))
        x = (struct sample){.quality = QUALITY_BAD, .flags = REASON_NO_DATA}, n = 0;
    struct os_note note = note_of(&x, s->text, n);
    take(s, i, &note, now);
}
void os_items_resend(struct os_server *s, struct os_sub *sub)
{
    uint64_t now = os_now(s);
    for (struct os_item *i = sub->items; i; i = i->next)
        if (i->n == 0) first(s, i, now);
}

/* ---- lists ---- */

static void link_slot(struct os_item *i, struct os_item **head)
{
    i->next_slot = *head;
    i->prev_slot = head;
    if (*head) (*head)->prev_slot = &i->next_slot;
    *head = i;
}
static void unlink_slot(struct os_item *i)
{
    if (i->prev_slot == NULL) return;
    *i->prev_slot = i->next_slot;
    if (i->next_slot) i->next_slot->prev_slot = i->prev_slot;
    i->prev_slot = NULL;
}
static void attach(struct os_server *s, struct os_item *i)
{
    if (i->filter)
        link_slot(i, &s->event_items);
    else if (i->polled)
        link_slot(i, &i->sub->polled);
    else
        link_slot(i, &s->by_slot[i->node.i]);
}
static void let_go(struct os_item *i)
{
    unlink_held(i);
    drop_note(&i->held);
}
void os_item_free(struct os_server *s, struct os_item *i)
{
    unlink_slot(i);
    os_sub_unready(i);
    let_go(i);
    clear_queue(s, i);
    if (i->prev)
        i->prev->next = i->next;
    else
        i->sub->items = i->next;
    if (i->next) i->next->prev = i->prev;
    i->sub->nitems--;
    s->nitems--;
    s->items[i->id & INDEX_MASK] = NULL;
    if ((i->id & INDEX_MASK) < s->free_item) s->free_item = i->id & INDEX_MASK;
    os_filter_free(i->filter);
    mem_free((void *)(uintptr_t)i->range.p);
    mem_free(i->queue);
    mem_free(i);
}

/* After the set was replaced: nodes by their ids. What is gone is told once. */
static void moved(struct os_server *s, const struct os_space *old, struct os_item *i)
{
    AUTO_ARENA a;
    arena_init(&a, 4096);
    struct ua_nodeid id = os_space_id(old, &i->node, &a);
    bool slot = !i->filter && !i->polled;
    i->node = os_node_find(s, &id);
    if (slot) i->prev_slot = NULL; /* its list went with the old set */
    if (slot && i->node.kind == OS_POINT) attach(s, i);
    if (i->node.kind != OS_NONE || i->filter) return;
    let_go(i);
    push_value(s, i, &(struct ua_datavalue){.status = UA_BAD_NODE_ID_UNKNOWN});
}
void os_items_moved(struct os_server *s, struct os_space *old)
{
    for (uint32_t k = 0; k < s->citems; k++) {
        struct os_item *i = s->items[k];
        if (i && i->node.kind != OS_NONE && i->node.kind != OS_BASE) moved(s, old, i);
    }
}

/* ---- creating ---- */

static bool new_id(struct os_server *s, struct os_item *i)
{
    uint32_t k = s->free_item;
    while (k < s->citems && s->items[k]) k++;
    if (k > INDEX_MASK) return false;
    if (k == s->citems) {
        uint32_t cap = s->citems ? s->citems * 2 : 256;
        struct os_item **list = mem_realloc(s->items, cap * sizeof(struct os_item *));
        if (list == NULL) return false;
        memset(list + s->citems, 0, (cap - s->citems) * sizeof(struct os_item *));
        s->items = list;
        s->citems = cap;
    }
    s->free_item = k + 1;
    s->item_generation = (s->item_generation + 1) & 0xfff;
    i->id = (s->item_generation ? s->item_generation : ++s->item_generation) << INDEX_BITS | k;
    s->items[k] = i;
    return true;
}

static uint32_t data_filter(struct os_server *s, struct os_item *i, const struct ua_data_change_filter *f)
{
    const struct os_point *p = i->node.kind == OS_POINT ? &s->space->points[i->node.i] : NULL;
    if (i->attribute != UA_ATTR_VALUE) return UA_BAD_FILTER_NOT_ALLOWED;
    if (f->trigger < UA_TRIGGER_STATUS || f->trigger > UA_TRIGGER_STATUS_VALUE_TIMESTAMP ||
        f->deadband_type > UA_DEADBAND_PERCENT)
        return UA_BAD_MONITORED_ITEM_FILTER_INVALID;
    i->trigger = (uint8_t)f->trigger;
    i->deadband = UA_DEADBAND_NONE;
    if (f->deadband_type == UA_DEADBAND_NONE) return 0;
    if (p == NULL || p->type == UA_STRING || p->type == UA_BOOLEAN) return UA_BAD_FILTER_NOT_ALLOWED;
    if (!(f->deadband_value >= 0) || !isfinite(f->deadband_value)) return UA_BAD_DEADBAND_FILTER_INVALID;
    bool percent = f->deadband_type == UA_DEADBAND_PERCENT;
    if (percent && (f->deadband_value > 100 || !os_has_prop(p, PROP_EU_RANGE))) return UA_BAD_DEADBAND_FILTER_INVALID;
    i->deadband = (uint8_t)f->deadband_type;
    i->deadband_value = percent ? f->deadband_value / 100 * (p->hi - p->lo) : f->deadband_value;
    return 0;
}
static uint32_t set_filter(struct os_call *c, struct os_item *i, const struct ua_extension *x,
                           struct ua_extension *ret_result)
{
    const struct ua_data_change_filter *data = ua_extension_as(x, UA_T_data_change_filter);
    const struct ua_event_filter *events = ua_extension_as(x, UA_T_event_filter);
    if (i->attribute == UA_ATTR_EVENT_NOTIFIER) {
        struct os_filter *f = NULL;
        if (events == NULL) return UA_BAD_EVENT_FILTER_INVALID;
        uint32_t status = os_filter_new(events, c->a, &f, ret_result);
        if (status) return status;
        os_filter_free(i->filter);
        i->filter = f;
        return 0;
    }
    if (events) return UA_BAD_FILTER_NOT_ALLOWED;
    i->trigger = UA_TRIGGER_STATUS_VALUE;
    i->deadband = UA_DEADBAND_NONE;
    if (data) return data_filter(c->s, i, data);
    return ua_nodeid_null(&x->type) ? 0 : UA_BAD_MONITORED_ITEM_FILTER_UNSUPPORTED;
}
static void set_pace(struct os_server *s, struct os_item *i, const struct ua_monitoring_parameters *q)
{
    double ms = q->sampling_interval, least = i->polled ? POLL_MS : 0;
    if (!(ms >= 0)) ms = i->sub->interval_ms;
    if (ms < least) ms = least;
    if (ms > SAMPLING_MOST_MS) ms = SAMPLING_MOST_MS;
    i->sampling_ms = i->filter ? 0 : ms;
    i->queue_size = q->queue_size ? q->queue_size : i->filter ? s->cfg.max_queue : 1;
    if (i->queue_size > s->cfg.max_queue) i->queue_size = s->cfg.max_queue;
    i->client_handle = q->client_handle;
    i->discard_oldest = q->discard_oldest;
    while (i->n > i->queue_size) drop_first(s, i);
    if (i->cap > i->queue_size) { /* to its new size */
        struct os_note *old = i->queue;
        uint32_t n = i->n, head = i->head, cap = i->cap;
        i->queue = mem_calloc(i->queue_size, sizeof *old);
        if (i->queue == NULL) {
            i->queue = old;
            i->queue_size = cap;
            return;
        }
        for (uint32_t k = 0; k < n; k++) i->queue[k] = old[(head + k) % cap];
        i->head = 0;
        i->cap = i->queue_size;
        mem_free(old);
    }
}

/* What is to be watched: is it there, may it be watched in this way? */
static uint32_t check(struct os_call *c, const struct ua_monitored_item_create_request *q, struct os_node *ret)
{
    const struct ua_read_value_id *w = &q->item_to_monitor;
    struct ua_datavalue v;
    *ret = os_node_find(c->s, &w->node_id);
    if (ret->kind == OS_NONE) return UA_BAD_NODE_ID_UNKNOWN;
    os_attribute(c->s, c->session, ret, w->attribute_id, c->a, &v);
    if (v.status == UA_BAD_ATTRIBUTE_ID_INVALID) return v.status;
    if (w->attribute_id == UA_ATTR_EVENT_NOTIFIER && !(v.value.u.u8 & UA_NOTIFIER_EVENTS))
        return UA_BAD_ATTRIBUTE_ID_INVALID;
    if (w->index_range.n && (w->index_range.n > RANGE_MAX || ua_range_check(w->index_range, NULL)))
        return UA_BAD_INDEX_RANGE_INVALID;
    if (w->data_encoding.name.n && !str_is(w->data_encoding.name, "Default Binary"))
        return UA_BAD_DATA_ENCODING_UNSUPPORTED;
    if (q->monitoring_mode < UA_MONITOR_DISABLED || q->monitoring_mode > UA_MONITOR_REPORTING)
        return UA_BAD_MONITORING_MODE_INVALID;
    return 0;
}
static void create_one(struct os_call *c, struct os_sub *sub, int32_t stamps,
                       const struct ua_monitored_item_create_request *q, struct ua_monitored_item_create_result *ret)
{
    struct os_server *s = c->s;
    struct os_node node;
    ret->status_code = check(c, q, &node);
    if (ret->status_code) return;
    struct os_item *i = s->nitems < s->cfg.max_items ? mem_calloc(1, sizeof *i) : NULL;
    if (i == NULL || !new_id(s, i)) {
        mem_free(i);
        ret->status_code = UA_BAD_TOO_MANY_MONITORED_ITEMS;
        return;
    }
    i->sub = sub;
    i->node = node;
    i->attribute = q->item_to_monitor.attribute_id;
    i->mode = (uint8_t)q->monitoring_mode;
    i->stamps = (uint8_t)stamps;
    i->polled = i->attribute != UA_ATTR_EVENT_NOTIFIER && (node.kind != OS_POINT || i->attribute != UA_ATTR_VALUE);
    i->next = sub->items;
    if (i->next) i->next->prev = i;
    sub->items = i;
    sub->nitems++;
    s->nitems++;
    struct str range = q->item_to_monitor.index_range;
    if (range.n) i->range = str_make(mem_dup(range.p, range.n), range.n);
    ret->status_code = set_filter(c, i, &q->requested_parameters.filter, &ret->filter_result);
    if (ret->status_code) {
        os_item_free(s, i);
        return;
    }
    set_pace(s, i, &q->requested_parameters);
    attach(s, i);
    first(s, i, os_now(s));
    ret->monitored_item_id = i->id;
    ret->revised_sampling_interval = i->sampling_ms;
    ret->revised_queue_size = i->queue_size;
}
static uint32_t begin(struct os_call *c, uint32_t sub, uint32_t n, struct os_sub **ret)
{
    *ret = os_sub_of(c->s, c->session, sub);
    if (*ret == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    (*ret)->life_left = (*ret)->lifetime;
    if (n == 0) return UA_BAD_NOTHING_TO_DO;
    return n > c->s->cfg.max_nodes ? UA_BAD_TOO_MANY_OPERATIONS : 0;
}
uint32_t os_create_items(struct os_call *c, const void *request)
{
    const struct ua_create_monitored_items_request *q = request;
    struct ua_create_monitored_items_response r = {.results_n = q->items_to_create_n};
    struct os_sub *sub;
    if (q->timestamps_to_return < 0 || q->timestamps_to_return > UA_STAMPS_NEITHER) return UA_BAD_TIMESTAMPS_INVALID;
    uint32_t status = begin(c, q->subscription_id, q->items_to_create_n, &sub);
    if (status) return status;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < r.results_n; k++)
        create_one(c, sub, q->timestamps_to_return, &q->items_to_create[k], &r.results[k]);
    os_answer(c, UA_T_create_monitored_items_response, &r);
    return 0;
}

/* ---- changing and deleting ---- */

static void modify_one(struct os_call *c, struct os_sub *sub, int32_t stamps,
                       const struct ua_monitored_item_modify_request *q, struct ua_monitored_item_modify_result *ret)
{
    struct os_item *i = os_item_find(c->s, sub, q->monitored_item_id);
    if (i == NULL) {
        ret->status_code = UA_BAD_MONITORED_ITEM_ID_INVALID;
        return;
    }
    ret->status_code = set_filter(c, i, &q->requested_parameters.filter, &ret->filter_result);
    if (ret->status_code) return;
    i->stamps = (uint8_t)stamps;
    set_pace(c->s, i, &q->requested_parameters);
    ret->revised_sampling_interval = i->sampling_ms;
    ret->revised_queue_size = i->queue_size;
}
uint32_t os_modify_items(struct os_call *c, const void *request)
{
    const struct ua_modify_monitored_items_request *q = request;
    struct ua_modify_monitored_items_response r = {.results_n = q->items_to_modify_n};
    struct os_sub *sub;
    if (q->timestamps_to_return < 0 || q->timestamps_to_return > UA_STAMPS_NEITHER) return UA_BAD_TIMESTAMPS_INVALID;
    uint32_t status = begin(c, q->subscription_id, q->items_to_modify_n, &sub);
    if (status) return status;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < r.results_n; k++)
        modify_one(c, sub, q->timestamps_to_return, &q->items_to_modify[k], &r.results[k]);
    os_answer(c, UA_T_modify_monitored_items_response, &r);
    return 0;
}
static void set_mode(struct os_server *s, struct os_item *i, uint8_t mode)
{
    uint8_t before = i->mode;
    i->mode = mode;
    if (mode == UA_MONITOR_DISABLED) {
        os_sub_unready(i);
        let_go(i);
        clear_queue(s, i);
        i->has_last = false;
        i->next_ns = 0;
    }
    if (mode == UA_MONITOR_SAMPLING) os_sub_unready(i);
    if (mode != UA_MONITOR_DISABLED && before == UA_MONITOR_DISABLED) first(s, i, os_now(s));
    os_sub_ready(i);
}
uint32_t os_set_monitoring(struct os_call *c, const void *request)
{
    const struct ua_set_monitoring_mode_request *q = request;
    struct ua_set_monitoring_mode_response r = {.results_n = q->monitored_item_ids_n};
    struct os_sub *sub;
    uint32_t status = begin(c, q->subscription_id, q->monitored_item_ids_n, &sub);
    if (status) return status;
    if (q->monitoring_mode < UA_MONITOR_DISABLED || q->monitoring_mode > UA_MONITOR_REPORTING)
        return UA_BAD_MONITORING_MODE_INVALID;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < r.results_n; k++) {
        struct os_item *i = os_item_find(c->s, sub, q->monitored_item_ids[k]);
        if (i)
            set_mode(c->s, i, (uint8_t)q->monitoring_mode);
        else
            r.results[k] = UA_BAD_MONITORED_ITEM_ID_INVALID;
    }
    os_answer(c, UA_T_set_monitoring_mode_response, &r);
    return 0;
}
uint32_t os_delete_items(struct os_call *c, const void *request)
{
    const struct ua_delete_monitored_items_request *q = request;
    struct ua_delete_monitored_items_response r = {.results_n = q->monitored_item_ids_n};
    struct os_sub *sub;
    uint32_t status = begin(c, q->subscription_id, q->monitored_item_ids_n, &sub);
    if (status) return status;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < r.results_n; k++) {
        struct os_item *i = os_item_find(c->s, sub, q->monitored_item_ids[k]);
        if (i)
            os_item_free(c->s, i);
        else
            r.results[k] = UA_BAD_MONITORED_ITEM_ID_INVALID;
    }
    os_answer(c, UA_T_delete_monitored_items_response, &r);
    return 0;
}
