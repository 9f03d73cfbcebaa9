/* sub.c - subscriptions and publishing (OPC 10000-4, 5.13).
 *
 * Cycle      each publishing interval: values that had to wait are taken, then what is ready is told by the publish
 * requests that the session has sent ahead; without anything to tell a keep-alive goes now and then. Without a request
 *            the subscription is `late` and served by the next one, by priority; after `lifetime` cycles it is deleted.
 * Messages   are encoded once; they stay for Republish until they are acknowledged, at most OS_SENT_MAX and SENT_BYTES.
 *            One message holds values or events, never both.
 * Sessions   when one ends without deleting, its subscriptions live on until their lifetime is over, to be taken over.
 */
#include "drivers/common/wake.h"
#include "outlets/opcua/server_int.h"

#define MESSAGE_BYTES (256u << 10)
#define SENT_BYTES (64u << 20) /* of all subscriptions */
#define INTERVAL_MOST_MS 3600000
#define LIFE_MOST_MS 3600000.0
#define GRID_NS (10 * NS_MS) /* so that many subscriptions do not wake the server one by one */

struct os_sub *os_sub_of(struct os_server *s, const struct os_session *x, uint32_t id)
{
    for (struct os_sub *b = s->subs; b; b = b->next)
        if (b->id == id) return b->session == x ? b : NULL;
    return NULL;
}
void os_sub_ready(struct os_item *i)
{
    struct os_sub *b = i->sub;
    if (i->prev_ready || i->n == 0 || i->mode != UA_MONITOR_REPORTING) return;
    i->next_ready = NULL;
    i->prev_ready = b->ready_end;
    *b->ready_end = i;
    b->ready_end = &i->next_ready;
}
void os_sub_unready(struct os_item *i)
{
    if (i->prev_ready == NULL) return;
    *i->prev_ready = i->next_ready;
    if (i->next_ready)
        i->next_ready->prev_ready = i->prev_ready;
    else
        i->sub->ready_end = i->prev_ready;
    i->prev_ready = NULL;
}

/* ---- what was sent ---- */

static void forget_sent(struct os_server *s, struct os_sub *b, uint32_t k)
{
    s->sent_bytes -= b->sent[k].n;
    mem_free(b->sent[k].bytes);
    b->nsent--;
    memmove(&b->sent[k], &b->sent[k + 1], (b->nsent - k) * sizeof b->sent[0]);
}
static void keep_sent(struct os_server *s, struct os_sub *b, const struct os_sent *m)
{
    if (b->nsent == OS_SENT_MAX) forget_sent(s, b, 0);
    while (b->nsent && s->sent_bytes + m->n > SENT_BYTES) forget_sent(s, b, 0);
    if (s->sent_bytes + m->n > SENT_BYTES) {
        mem_free(m->bytes);
        return;
    }
    b->sent[b->nsent++] = *m;
    s->sent_bytes += m->n;
}

/* ---- publish requests ---- */

static uint64_t next_cycle(const struct os_sub *b, uint64_t now)
{
    uint64_t due = now + b->interval_ms * NS_MS + GRID_NS - 1;
    return due - due % GRID_NS;
}
static struct os_publish *front(const struct os_server *s, struct os_session *x)
{
    return x->publish_n ? &x->publish[x->publish_at % s->cfg.max_publish] : NULL;
}
static void pop(const struct os_server *s, struct os_session *x)
{
    struct os_publish *p = front(s, x);
    mem_free(p->results);
    *p = (struct os_publish){0};
    x->publish_at = (x->publish_at + 1) % s->cfg.max_publish;
    x->publish_n--;
}
static void fail_at(struct os_server *s, struct os_session *x, struct os_publish *p, uint32_t status)
{
    struct os_call c = {.s = s, .conn = os_conn_find(s, x->conn), .request_id = p->request_id, .handle = p->handle};
    os_fault(&c, status);
    mem_free(p->results);
    *p = (struct os_publish){0};
}
static void fail_front(struct os_server *s, struct os_session *x, uint32_t status)
{
    fail_at(s, x, front(s, x), status);
    pop(s, x);
}
void os_publish_fail(struct os_server *s, struct os_session *x, uint32_t status)
{
    while (x->publish_n) fail_front(s, x, status);
}
/* Those that match get the status, the others move up; returns how many. */
typedef bool publish_match(const struct os_publish *p, uint64_t arg);
static uint32_t fail_those(struct os_server *s, struct os_session *x, publish_match *match, uint64_t arg,
                           uint32_t status)
{
    uint32_t kept = 0, n = x->publish_n, max = s->cfg.max_publish;
    for (uint32_t k = 0; k < n; k++) {
        struct os_publish *p = &x->publish[(x->publish_at + k) % max], moved = *p;
        if (match(p, arg)) {
            fail_at(s, x, p, status);
            continue;
        }
        *p = (struct os_publish){0};
        x->publish[(x->publish_at + kept++) % max] = moved;
    }
    x->publish_n = kept;
    return n - kept;
}
static bool has_handle(const struct os_publish *p, uint64_t handle)
{
    return p->handle == handle;
}
uint32_t os_publish_cancel(struct os_server *s, struct os_session *x, uint32_t handle)
{
    return fail_those(s, x, has_handle, handle, UA_BAD_REQUEST_CANCELLED);
}
/* Requests that have waited for longer than their clients do. */
static bool is_over(const struct os_publish *p, uint64_t now)
{
    return p->deadline_ns && p->deadline_ns <= now;
}
static uint64_t expire(struct os_server *s, struct os_session *x, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    bool over = false;
    for (uint32_t k = 0; k < x->publish_n; k++) {
        const struct os_publish *p = &x->publish[(x->publish_at + k) % s->cfg.max_publish];
        over |= is_over(p, now);
        if (p->deadline_ns > now) wake_earlier(&next, p->deadline_ns);
    }
    if (over) fail_those(s, x, is_over, now, UA_BAD_TIMEOUT);
    return next;
}

/* ---- messages ---- */

/* Waiting notes of the items that are ready, of one kind; returns how many went into it. */
static uint32_t gather(struct os_server *s, struct os_sub *b, size_t room, struct buf *out, bool *ret_events)
{
    uint32_t most = b->max_notes && b->max_notes < 10000 ? b->max_notes : 10000, n = 0;
    bool events = b->ready->filter != NULL;
    buf_u32le(out, 0);
    while (b->ready && n < most && out->n < room && (b->ready->filter != NULL) == events) {
        struct os_item *i = b->ready;
        while (i->n && n < most && out->n < room) {
            os_item_pop(s, i, out);
            n++;
        }
        if (i->n) break;
        os_sub_unready(i);
    }
    if (!events) buf_u32le(out, UINT32_MAX); /* no diagnostics */
    if (out->n >= 4) memcpy(out->p, &n, sizeof n);
    *ret_events = events;
    return n;
}
static uint32_t next_sequence(const struct os_sub *b)
{
    return b->sequence == UINT32_MAX ? 1 : b->sequence + 1;
}
static void notification(struct ua_notification_message *m, const struct os_sent *t, struct ua_extension *x)
{
    *m = (struct ua_notification_message){.sequence_number = t->sequence, .publish_time = t->time_us};
    if (t->bytes == NULL) return;
    *x = (struct ua_extension){.type = ua_id(0, ua_structure(t->type)->binary),
                               .body_kind = UA_BODY_BYTES,
                               .body = {(const char *)t->bytes, t->n}};
    m->notification_data = x;
    m->notification_data_n = 1;
}
/* By the session's first request. t NULL: keep-alive. */
static void send_message(struct os_server *s, struct os_sub *b, struct os_session *x, const struct os_sent *t)
{
    struct os_publish *p = front(s, x);
    struct os_sent nothing = {.sequence = next_sequence(b), .time_us = os_utc(s)};
    struct os_call c = {.s = s, .conn = os_conn_find(s, x->conn), .request_id = p->request_id, .handle = p->handle};
    struct ua_extension ext;
    uint32_t available[OS_SENT_MAX + 1], n = 0;
    for (uint32_t k = 0; k < b->nsent; k++) available[n++] = b->sent[k].sequence;
    if (t && t->bytes) available[n++] = t->sequence;
    struct ua_publish_response r = {.subscription_id = b->id,
                                    .available_sequence_numbers = available,
                                    .available_sequence_numbers_n = n,
                                    .more_notifications = b->ready != NULL,
                                    .results = p->results,
                                    .results_n = p->nresults};
    notification(&r.notification_message, t ? t : &nothing, &ext);
    os_answer(&c, UA_T_publish_response, &r);
    pop(s, x);
    b->told = true;
    b->keep_left = b->keepalive;
}
static void send_ready(struct os_server *s, struct os_sub *b)
{
    struct os_session *x = b->session;
    struct buf out;
    bool events = false;
    uint64_t items = x->items;
    buf_init(&out, 16u << 20);
    size_t room = os_conn_room(os_conn_find(s, x->conn)) / 2; /* one more value may be as long again */
    x->items += gather(s, b, room < MESSAGE_BYTES ? room : MESSAGE_BYTES, &out, &events);
    s->st.items += x->items - items;
    b->sequence = next_sequence(b);
    struct os_sent m = {.sequence = b->sequence,
                        .time_us = os_utc(s),
                        .type = events ? UA_T_event_notification_list : UA_T_data_change_notification,
                        .bytes = out.err ? NULL : mem_dup(out.p, out.n),
                        .n = (uint32_t)out.n};
    buf_fini(&out);
    if (m.bytes == NULL) m.n = 0;
    send_message(s, b, x, &m);
    if (m.bytes) keep_sent(s, b, &m);
}
static bool can_send(struct os_server *s, const struct os_sub *b)
{
    struct os_session *x = b->session;
    if (x == NULL || x->publish_n == 0) return false;
    const struct os_conn *c = os_conn_find(s, x->conn);
    return c && !c->closing && !c->dead && !os_conn_full(c);
}
/* All that it has to tell, as far as there are requests. */
static void serve(struct os_server *s, struct os_sub *b)
{
    bool keep = b->keep_left == 0 || !b->told;
    while (b->enabled && b->ready && can_send(s, b)) {
        send_ready(s, b);
        keep = false;
    }
    bool left = b->enabled && b->ready != NULL;
    if (!left && keep && can_send(s, b)) {
        send_message(s, b, b->session, NULL);
        keep = false;
    }
    b->late = left || keep;
}
static void tell_status(struct os_server *s, struct os_sub *b, struct os_session *x, uint32_t status)
{
    struct ua_status_change_notification v = {.status = status};
    struct buf out;
    if (x == NULL || x->publish_n == 0) return;
    buf_init(&out, 4096);
    ua_encode(&out, UA_T_status_change_notification, &v);
    b->sequence = next_sequence(b);
    struct os_sent m = {.sequence = b->sequence,
                        .time_us = os_utc(s),
                        .type = UA_T_status_change_notification,
                        .bytes = out.p,
                        .n = (uint32_t)out.n};
    send_message(s, b, x, &m);
    buf_fini(&out);
}

/* ---- life ---- */

static void free_sub(struct os_server *s, struct os_sub *b)
{
    for (struct os_sub **p = &s->subs; *p; p = &(*p)->next) {
        if (*p != b) continue;
        *p = b->next;
        break;
    }
    while (b->items) os_item_free(s, b->items);
    while (b->nsent) forget_sent(s, b, b->nsent - 1);
    if (b->session) b->session->nsubs--;
    s->nsubs--;
    mem_free(b);
}
void os_subs_free(struct os_server *s)
{
    while (s->subs) free_sub(s, s->subs);
}
void os_subs_orphan(struct os_server *s, struct os_session *x, bool delete)
{
    for (struct os_sub *b = s->subs, *after; b; b = after) {
        after = b->next;
        if (b->session != x) continue;
        if (delete) {
            free_sub(s, b);
            continue;
        }
        b->session = NULL;
        x->nsubs--;
    }
}
static void no_more(struct os_server *s, struct os_session *x)
{
    if (x->nsubs == 0) os_publish_fail(s, x, UA_BAD_NO_SUBSCRIPTION);
}

/* One publishing cycle; false: its life is over. */
static bool cycle(struct os_server *s, struct os_sub *b, uint64_t now)
{
    b->due_ns += b->interval_ms * NS_MS;
    if (b->due_ns <= now) b->due_ns = next_cycle(b, now);
    os_items_due(s, b, now);
    if (b->keep_left) b->keep_left--;
    if (b->session && b->session->publish_n)
        b->life_left = b->lifetime;
    else if (--b->life_left == 0)
        return false;
    serve(s, b);
    return true;
}
uint64_t os_subs_tick(struct os_server *s, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (struct os_session *x = s->sessions; x; x = x->next) wake_earlier(&next, expire(s, x, now));
    for (struct os_sub *b = s->subs, *after; b; b = after) {
        after = b->next;
        if (b->due_ns <= now && !cycle(s, b, now)) {
            os_log(s, DRIVER_LOG_INFO, "a subscription ended: its client asks no more", "subscription=%u", b->id);
            free_sub(s, b);
            continue;
        }
        wake_earlier(&next, b->due_ns);
    }
    return next;
}

/* ---- services ---- */

static void revise(const struct os_server *s, struct os_sub *b, double interval, uint32_t life, uint32_t keep,
                   uint32_t max_notes, uint8_t priority)
{
    double least = s->cfg.publishing_min_ms;
    if (!(interval >= least)) interval = least;
    if (interval > INTERVAL_MOST_MS) interval = INTERVAL_MOST_MS;
    b->interval_ms = (uint32_t)interval;
    uint32_t most = (uint32_t)(LIFE_MOST_MS / b->interval_ms);
    if (most < 3) most = 3;
    if (keep == 0) keep = 10;
    if (keep > most / 3) keep = most / 3;
    if (life < keep * 3) life = keep * 3;
    if (life > most) life = most;
    b->keepalive = keep;
    b->lifetime = b->life_left = life;
    b->max_notes = max_notes;
    b->priority = priority;
}
uint32_t os_create_sub(struct os_call *c, const void *request)
{
    const struct ua_create_subscription_request *q = request;
    struct os_server *s = c->s;
    struct os_sub *b = s->nsubs < s->cfg.max_subs ? mem_calloc(1, sizeof *b) : NULL;
    if (b == NULL) return UA_BAD_TOO_MANY_SUBSCRIPTIONS;
    revise(s, b, q->requested_publishing_interval, q->requested_lifetime_count, q->requested_max_keep_alive_count,
           q->max_notifications_per_publish, q->priority);
    b->id = ++s->sub_ids ? s->sub_ids : ++s->sub_ids;
    b->session = c->session;
    b->ready_end = &b->ready;
    b->enabled = q->publishing_enabled;
    b->keep_left = b->keepalive;
    b->due_ns = next_cycle(b, os_now(s));
    memcpy(b->user, c->session->who, sizeof b->user);
    memcpy(b->cert, c->session->cert, sizeof b->cert);
    b->origin = c->session->origin;
    b->next = s->subs;
    s->subs = b;
    s->nsubs++;
    c->session->nsubs++;
    os_wake(s, b->due_ns);
    struct ua_create_subscription_response r = {.subscription_id = b->id,
                                                .revised_publishing_interval = b->interval_ms,
                                                .revised_lifetime_count = b->lifetime,
                                                .revised_max_keep_alive_count = b->keepalive};
    os_answer(c, UA_T_create_subscription_response, &r);
    return 0;
}
uint32_t os_modify_sub(struct os_call *c, const void *request)
{
    const struct ua_modify_subscription_request *q = request;
    struct os_sub *b = os_sub_of(c->s, c->session, q->subscription_id);
    if (b == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    revise(c->s, b, q->requested_publishing_interval, q->requested_lifetime_count, q->requested_max_keep_alive_count,
           q->max_notifications_per_publish, q->priority);
    uint64_t due = next_cycle(b, os_now(c->s));
    if (due < b->due_ns) b->due_ns = due;
    if (b->keep_left > b->keepalive) b->keep_left = b->keepalive;
    os_wake(c->s, b->due_ns);
    struct ua_modify_subscription_response r = {.revised_publishing_interval = b->interval_ms,
                                                .revised_lifetime_count = b->lifetime,
                                                .revised_max_keep_alive_count = b->keepalive};
    os_answer(c, UA_T_modify_subscription_response, &r);
    return 0;
}

/* A list of subscriptions, a status for each. */
typedef uint32_t each_sub(struct os_call *c, struct os_sub *b, const void *request);
static uint32_t for_each(struct os_call *c, const uint32_t *ids, uint32_t n, each_sub *fn, const void *request,
                         uint32_t **ret)
{
    if (n == 0) return UA_BAD_NOTHING_TO_DO;
    if (n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    *ret = arena_calloc(c->a, n, sizeof **ret);
    if (*ret == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < n; k++) {
        struct os_sub *b = os_sub_of(c->s, c->session, ids[k]);
        (*ret)[k] = b ? fn(c, b, request) : UA_BAD_SUBSCRIPTION_ID_INVALID;
    }
    return 0;
}
static uint32_t set_publishing(struct os_call *c, struct os_sub *b, const void *request)
{
    (void)c;
    b->enabled = ((const struct ua_set_publishing_mode_request *)request)->publishing_enabled;
    b->life_left = b->lifetime;
    return 0;
}
uint32_t os_set_publishing(struct os_call *c, const void *request)
{
    const struct ua_set_publishing_mode_request *q = request;
    struct ua_set_publishing_mode_response r = {.results_n = q->subscription_ids_n};
    uint32_t status = for_each(c, q->subscription_ids, q->subscription_ids_n, set_publishing, request, &r.results);
    if (status == 0) os_answer(c, UA_T_set_publishing_mode_response, &r);
    return status;
}
static uint32_t delete_sub(struct os_call *c, struct os_sub *b, const void *request)
{
    (void)request;
    free_sub(c->s, b);
    return 0;
}
uint32_t os_delete_subs(struct os_call *c, const void *request)
{
    const struct ua_delete_subscriptions_request *q = request;
    struct ua_delete_subscriptions_response r = {.results_n = q->subscription_ids_n};
    uint32_t status = for_each(c, q->subscription_ids, q->subscription_ids_n, delete_sub, request, &r.results);
    if (status) return status;
    os_answer(c, UA_T_delete_subscriptions_response, &r);
    no_more(c->s, c->session);
    return 0;
}

static uint32_t acknowledge(struct os_call *c, const struct ua_subscription_acknowledgement *a)
{
    struct os_sub *b = os_sub_of(c->s, c->session, a->subscription_id);
    if (b == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    for (uint32_t k = 0; k < b->nsent; k++) {
        if (b->sent[k].sequence != a->sequence_number) continue;
        forget_sent(c->s, b, k);
        return 0;
    }
    return UA_BAD_SEQUENCE_NUMBER_UNKNOWN;
}
static void serve_late(struct os_server *s, struct os_session *x)
{
    while (x->publish_n) {
        struct os_sub *best = NULL;
        for (struct os_sub *b = s->subs; b; b = b->next)
            if (b->session == x && b->late && (best == NULL || b->priority >= best->priority)) best = b;
        if (best == NULL) return;
        serve(s, best);
        if (best->late && x->publish_n) return; /* the connection is full */
    }
}
uint32_t os_publish(struct os_call *c, const void *request)
{
    const struct ua_publish_request *q = request;
    struct os_server *s = c->s;
    struct os_session *x = c->session;
    uint32_t n = q->subscription_acknowledgements_n;
    if (n > s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    uint32_t *results = n ? mem_calloc(n, sizeof *results) : NULL;
    for (uint32_t k = 0; results && k < n; k++) results[k] = acknowledge(c, &q->subscription_acknowledgements[k]);
    if (x->nsubs == 0) {
        mem_free(results);
        return UA_BAD_NO_SUBSCRIPTION;
    }
    if (x->publish_n == s->cfg.max_publish) fail_front(s, x, UA_BAD_TOO_MANY_PUBLISH_REQUESTS);
    uint64_t deadline = q->header.timeout_hint ? os_now(s) + q->header.timeout_hint * NS_MS : 0;
    x->publish[(x->publish_at + x->publish_n++) % s->cfg.max_publish] =
        (struct os_publish){c->request_id, c->handle, deadline, results, results ? n : 0};
    if (deadline) os_wake(s, deadline);
    for (struct os_sub *b = s->subs; b; b = b->next)
        if (b->session == x) b->life_left = b->lifetime;
    serve_late(s, x);
    return 0;
}
uint32_t os_republish(struct os_call *c, const void *request)
{
    const struct ua_republish_request *q = request;
    struct os_sub *b = os_sub_of(c->s, c->session, q->subscription_id);
    struct ua_republish_response r = {0};
    struct ua_extension x;
    if (b == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    b->life_left = b->lifetime;
    for (uint32_t k = 0; k < b->nsent; k++) {
        if (b->sent[k].sequence != q->retransmit_sequence_number) continue;
        notification(&r.notification_message, &b->sent[k], &x);
        os_answer(c, UA_T_republish_response, &r);
        return 0;
    }
    return UA_BAD_MESSAGE_NOT_AVAILABLE;
}

/* ---- taking over ---- */

/* The same user of the same application: by its certificate; without one by its name and address. */
static bool same_owner(const struct os_sub *b, const struct os_session *x)
{
    bool owner = strcmp(b->user, x->who) == 0 && memcmp(b->cert, x->cert, sizeof b->cert) == 0;
    return owner && (x->has_cert || b->origin == x->origin);
}
static void transfer(struct os_call *c, uint32_t id, bool values, struct ua_transfer_result *ret)
{
    struct os_server *s = c->s;
    struct os_session *x = c->session;
    struct os_sub *b = s->subs;
    while (b && b->id != id) b = b->next;
    if (b == NULL) {
        ret->status_code = UA_BAD_SUBSCRIPTION_ID_INVALID;
        return;
    }
    if (!same_owner(b, x)) {
        ret->status_code = UA_BAD_USER_ACCESS_DENIED;
        return;
    }
    struct os_session *old = b->session;
    ret->available_sequence_numbers = arena_calloc(c->a, b->nsent + 1, sizeof(uint32_t));
    for (uint32_t k = 0; ret->available_sequence_numbers && k < b->nsent; k++)
        ret->available_sequence_numbers[ret->available_sequence_numbers_n++] = b->sent[k].sequence;
    if (old != x) {
        if (old) tell_status(s, b, old, UA_GOOD_TRANSFERRED);
        if (old) old->nsubs--;
        b->session = x;
        x->nsubs++;
        if (old) no_more(s, old);
    }
    b->life_left = b->lifetime;
    if (values) os_items_resend(s, b);
}
uint32_t os_transfer_subs(struct os_call *c, const void *request)
{
    const struct ua_transfer_subscriptions_request *q = request;
    struct ua_transfer_subscriptions_response r = {.results_n = q->subscription_ids_n};
    if (r.results_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (r.results_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < r.results_n; k++)
        transfer(c, q->subscription_ids[k], q->send_initial_values, &r.results[k]);
    os_answer(c, UA_T_transfer_subscriptions_response, &r);
    serve_late(c->s, c->session);
    return 0;
}
