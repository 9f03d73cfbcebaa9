/* method.c - Call: ConditionRefresh, ConditionRefresh2, Acknowledge, GetMonitoredItems (OPC 10000-9, 5.5 and 5.7;
 * OPC 10000-5, 9.1). A method is a row; what has to ask the host answers when all of the request's calls are done. */
#include "outlets/opcua/server_int.h"

#define CALLS_MAX 100

struct calls {
    struct ua_call_method_result *results;
    uint32_t n;
};
struct one { /* a call under way */
    struct os_job *job;
    struct ua_call_method_result *result;
    uint32_t sub, item;
};
typedef uint32_t method(struct os_call *c, struct os_job *j, const struct ua_call_method_request *q,
                        struct ua_call_method_result *ret);

static const struct ua_variant *input(const struct ua_call_method_request *q, uint32_t k, unsigned type)
{
    const struct ua_variant *v = &q->input_arguments[k];
    return v->type == type && !v->array ? v : NULL;
}

/* ---- GetMonitoredItems ---- */

static uint32_t get_items(struct os_call *c, struct os_job *j, const struct ua_call_method_request *q,
                          struct ua_call_method_result *ret)
{
    const struct ua_variant *id = input(q, 0, UA_UINT32);
    struct os_sub *b = id ? os_sub_of(c->s, c->session, id->u.u32) : NULL;
    if (id == NULL) return UA_BAD_INVALID_ARGUMENT;
    if (b == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    uint32_t *servers = arena_calloc(&j->a, b->nitems + 1, sizeof *servers), n = 0;
    uint32_t *clients = arena_calloc(&j->a, b->nitems + 1, sizeof *clients);
    ret->output_arguments = arena_calloc(&j->a, 2, sizeof *ret->output_arguments);
    if (servers == NULL || clients == NULL || ret->output_arguments == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (const struct os_item *i = b->items; i; i = i->next) {
        servers[n] = i->id;
        clients[n++] = i->client_handle;
    }
    ret->output_arguments[0] = ua_variant_array(UA_UINT32, servers, n);
    ret->output_arguments[1] = ua_variant_array(UA_UINT32, clients, n);
    ret->output_arguments_n = 2;
    return 0;
}

/* ---- ConditionRefresh ---- */

static struct os_sub *sub_at(struct os_server *s, uint32_t id)
{
    for (struct os_sub *b = s->subs; b; b = b->next)
        if (b->id == id) return b;
    return NULL;
}
static void refreshed(void *arg, const struct error *e, const struct outlet_alarm *a, size_t n)
{
    struct one *o = arg;
    struct os_server *s = o->job->s;
    struct os_sub *b = s->closing ? NULL : sub_at(s, o->sub);
    struct os_item *i = b && o->item ? os_item_find(s, b, o->item) : NULL;
    if (e) o->result->status_code = UA_BAD_UNEXPECTED_ERROR;
    if (b) b->refreshing = false;
    if (b && !e && (i || !o->item)) {
        os_event_refresh(s, b, i, false);
        for (size_t k = 0; k < n; k++)
            if (a[k].slot < s->space->npoints && (a[k].active || !a[k].acknowledged)) os_event_alarm(s, &a[k], b, i);
        os_event_refresh(s, b, i, true);
    }
    os_job_release(o->job);
}
static uint32_t refresh(struct os_call *c, struct os_job *j, const struct ua_call_method_request *q,
                        struct ua_call_method_result *ret)
{
    const struct outlet_host *h = c->s->base.host;
    const struct ua_variant *id = input(q, 0, UA_UINT32);
    const struct ua_variant *item = q->input_arguments_n > 1 ? input(q, 1, UA_UINT32) : NULL;
    if (id == NULL || (q->input_arguments_n > 1 && item == NULL)) return UA_BAD_INVALID_ARGUMENT;
    struct os_sub *b = os_sub_of(c->s, c->session, id->u.u32);
    if (b == NULL) return UA_BAD_SUBSCRIPTION_ID_INVALID;
    struct os_item *i = item ? os_item_find(c->s, b, item->u.u32) : NULL;
    if (item && (i == NULL || i->filter == NULL)) return UA_BAD_MONITORED_ITEM_ID_INVALID;
    if (b->refreshing) return UA_BAD_REFRESH_IN_PROGRESS;
    struct one *o = arena_calloc(&j->a, 1, sizeof *o);
    if (o == NULL) return UA_BAD_OUT_OF_MEMORY;
    *o = (struct one){j, ret, b->id, i ? i->id : 0};
    b->refreshing = true;
    j->pending++;
    h->alarms(h->ctx, refreshed, o);
    return 0;
}

/* ---- Acknowledge ---- */

static uint32_t ack_status(const struct error *e)
{
    static const struct {
        int code;
        uint32_t status;
    } rows[] = {{ERR_NOT_FOUND, UA_BAD_NODE_ID_UNKNOWN},          {ERR_FORBIDDEN, UA_BAD_USER_ACCESS_DENIED},
                {ERR_UNAUTHENTICATED, UA_BAD_USER_ACCESS_DENIED}, {ERR_CONFLICT, UA_BAD_BRANCH_ALREADY_ACKED},
                {ERR_EXISTS, UA_BAD_BRANCH_ALREADY_ACKED},        {ERR_CANCELLED, UA_BAD_SHUTDOWN}};
    if (e == NULL) return UA_GOOD;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (rows[k].code == e->code) return rows[k].status;
    return UA_BAD_UNEXPECTED_ERROR;
}
static void acknowledged(void *arg, const struct error *e)
{
    struct one *o = arg;
    o->result->status_code = ack_status(e);
    os_job_release(o->job);
}
static uint32_t acknowledge(struct os_call *c, struct os_job *j, const struct ua_call_method_request *q,
                            struct ua_call_method_result *ret)
{
    const struct outlet_host *h = c->s->base.host;
    const struct ua_variant *event = input(q, 0, UA_BYTESTRING), *comment = input(q, 1, UA_TEXT);
    struct str id = str_sub(q->object_id.s, strlen("alarm:"), q->object_id.s.n);
    if (event == NULL || comment == NULL) return UA_BAD_INVALID_ARGUMENT;
    if (!os_event_id_is(c->s, event->u.s, id)) return UA_BAD_EVENT_ID_UNKNOWN;
    struct one *o = arena_calloc(&j->a, 1, sizeof *o);
    const char *alarm = arena_strdup(&j->a, id);
    const char *text = arena_strdup(&j->a, ((const struct ua_text *)ua_variant_item(comment, 0))->text);
    if (o == NULL || alarm == NULL || text == NULL) return UA_BAD_OUT_OF_MEMORY;
    *o = (struct one){.job = j, .result = ret};
    j->pending++;
    h->alarm_ack(h->ctx, alarm, j->user, text, acknowledged, o);
    return 0;
}

/* ---- the service ---- */

static const struct {
    uint32_t id;
    uint8_t arguments;
    uint32_t object; /* in namespace 0; 0: a condition of ours */
    method *fn;
} methods[] = {
    {UA_NODE_SERVER_GET_MONITORED_ITEMS, 1, UA_NODE_SERVER, get_items},
    {UA_NODE_CONDITION_TYPE_CONDITION_REFRESH, 1, UA_NODE_CONDITION_TYPE, refresh},
    {UA_NODE_CONDITION_TYPE_CONDITION_REFRESH2, 2, UA_NODE_CONDITION_TYPE, refresh},
    {UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE_ACKNOWLEDGE, 2, 0, acknowledge},
};
static bool is_condition(const struct ua_nodeid *id)
{
    return id->ns == 1 && id->kind == UA_ID_STRING && str_starts(id->s, STR("alarm:"));
}
static uint32_t call_one(struct os_call *c, struct os_job *j, const struct ua_call_method_request *q,
                         struct ua_call_method_result *ret)
{
    bool condition = is_condition(&q->object_id);
    if (!condition && os_node_find(c->s, &q->object_id).kind == OS_NONE) return UA_BAD_NODE_ID_UNKNOWN;
    for (size_t k = 0; k < sizeof methods / sizeof methods[0]; k++) {
        struct ua_nodeid id = ua_id(0, methods[k].id), object = ua_id(0, methods[k].object);
        bool here = methods[k].object ? ua_nodeid_eq(&q->object_id, &object) : condition;
        if (!ua_nodeid_eq(&q->method_id, &id) || !here) continue;
        if (!c->s->cfg.alarms && methods[k].fn != get_items) return UA_BAD_METHOD_INVALID;
        if (q->input_arguments_n < methods[k].arguments) return UA_BAD_ARGUMENTS_MISSING;
        if (q->input_arguments_n > methods[k].arguments) return UA_BAD_TOO_MANY_ARGUMENTS;
        return methods[k].fn(c, j, q, ret);
    }
    return UA_BAD_METHOD_INVALID;
}
static void answer(struct os_job *j, struct os_call *c)
{
    const struct calls *k = j->data;
    struct ua_call_response r = {.results = k->results, .results_n = k->n};
    if (c) os_answer(c, UA_T_call_response, &r);
}
uint32_t os_call_methods(struct os_call *c, const void *request)
{
    const struct ua_call_request *q = request;
    if (q->methods_to_call_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->methods_to_call_n > CALLS_MAX) return UA_BAD_TOO_MANY_OPERATIONS;
    struct os_job *j = os_job_new(c, answer);
    if (j == NULL) return UA_BAD_TOO_MANY_OPERATIONS;
    struct calls *k = arena_calloc(&j->a, 1, sizeof *k);
    if (k) k->results = arena_calloc(&j->a, q->methods_to_call_n, sizeof *k->results);
    if (k && k->results) {
        k->n = q->methods_to_call_n;
        j->data = k;
        for (uint32_t i = 0; i < k->n; i++) {
            uint32_t status = call_one(c, j, &q->methods_to_call[i], &k->results[i]);
            if (status) k->results[i].status_code = status;
        }
    } else {
        j->done = NULL;
        os_fault(c, UA_BAD_OUT_OF_MEMORY);
    }
    os_job_release(j);
    return 0;
}
