/* call.c - a request finds its handler; answers and faults; work that waits for the host.
 *
 * A request of a session must come over the connection that the session was activated on, with its token. */
#include "outlets/opcua/server_int.h"

#define JOBS_MAX 10000 /* of all clients together */

enum need { NEED_NOTHING, NEED_SESSION /* created */, NEED_ACTIVE };
static const struct {
    uint16_t type;
    uint8_t need;
    os_handler *fn;
} services[] = {
    {UA_T_get_endpoints_request, NEED_NOTHING, os_get_endpoints},
    {UA_T_find_servers_request, NEED_NOTHING, os_find_servers},
    {UA_T_create_session_request, NEED_NOTHING, os_create_session},
    {UA_T_activate_session_request, NEED_NOTHING, os_activate_session},
    {UA_T_close_session_request, NEED_SESSION, os_close_session},
    {UA_T_cancel_request, NEED_ACTIVE, os_cancel},
    {UA_T_browse_request, NEED_ACTIVE, os_browse},
    {UA_T_browse_next_request, NEED_ACTIVE, os_browse_next},
    {UA_T_translate_browse_paths_to_node_ids_request, NEED_ACTIVE, os_translate},
    {UA_T_register_nodes_request, NEED_ACTIVE, os_register},
    {UA_T_unregister_nodes_request, NEED_ACTIVE, os_unregister},
    {UA_T_read_request, NEED_ACTIVE, os_read},
    {UA_T_write_request, NEED_ACTIVE, os_write},
    {UA_T_history_read_request, NEED_ACTIVE, os_history_read},
    {UA_T_call_request, NEED_ACTIVE, os_call_methods},
    {UA_T_create_subscription_request, NEED_ACTIVE, os_create_sub},
    {UA_T_modify_subscription_request, NEED_ACTIVE, os_modify_sub},
    {UA_T_set_publishing_mode_request, NEED_ACTIVE, os_set_publishing},
    {UA_T_publish_request, NEED_ACTIVE, os_publish},
    {UA_T_republish_request, NEED_ACTIVE, os_republish},
    {UA_T_delete_subscriptions_request, NEED_ACTIVE, os_delete_subs},
    {UA_T_transfer_subscriptions_request, NEED_ACTIVE, os_transfer_subs},
    {UA_T_create_monitored_items_request, NEED_ACTIVE, os_create_items},
    {UA_T_modify_monitored_items_request, NEED_ACTIVE, os_modify_items},
    {UA_T_set_monitoring_mode_request, NEED_ACTIVE, os_set_monitoring},
    {UA_T_delete_monitored_items_request, NEED_ACTIVE, os_delete_items},
};

void os_fault(struct os_call *c, uint32_t status)
{
    c->s->st.errors++;
    if (c->conn == NULL || c->conn->closing) return;
    if (ua_channel_fault(c->conn->ua, c->request_id, c->handle, status, os_utc(c->s)) == ERR_AGAIN)
        c->conn->dead = true;
}
void os_answer(struct os_call *c, unsigned type, void *response)
{
    struct ua_response_header *h = response;
    if (c->conn == NULL || c->conn->closing) return;
    h->timestamp = os_utc(c->s);
    h->request_handle = c->handle;
    int rc = ua_channel_answer(c->conn->ua, c->request_id, type, response);
    c->s->st.last_ok_us = h->timestamp;
    if (rc == ERR_TOO_LARGE) os_fault(c, UA_BAD_RESPONSE_TOO_LARGE);
    if (rc == ERR_INVALID) os_fault(c, UA_BAD_ENCODING_ERROR);
    if (rc == ERR_NOMEM) os_fault(c, UA_BAD_OUT_OF_MEMORY);
    if (rc == ERR_AGAIN) c->conn->dead = true;
}

static uint32_t admit(struct os_call *c, enum need need, const struct ua_request_header *h)
{
    if (need == NEED_NOTHING) return 0;
    struct os_session *x = os_session_find(c->s, &h->authentication_token);
    if (x == NULL) return UA_BAD_SESSION_ID_INVALID;
    if (x->conn != c->conn->id) return x->conn ? UA_BAD_SECURE_CHANNEL_ID_INVALID : UA_BAD_SESSION_NOT_ACTIVATED;
    if (need == NEED_ACTIVE && !x->activated) {
        os_session_end(c->s, x, true); /* as the standard wants it */
        return UA_BAD_SESSION_NOT_ACTIVATED;
    }
    x->last_ns = os_now(c->s);
    c->session = x;
    return 0;
}
static uint32_t dispatch(struct os_call *c, unsigned type, const void *request)
{
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (services[i].type != type) continue;
        uint32_t status = admit(c, (enum need)services[i].need, request);
        return status ? status : services[i].fn(c, request);
    }
    return UA_BAD_SERVICE_UNSUPPORTED;
}
void os_call_take(struct os_conn *conn, const struct ua_event *ev)
{
    struct os_server *s = conn->s;
    struct os_call c = {.s = s, .conn = conn, .request_id = ev->request_id, .handle = ev->handle, .a = &s->arena};
    s->st.requests++;
    uint32_t status = ev->status ? ev->status : UA_BAD_SERVICE_UNSUPPORTED;
    if (!ev->status && ev->type && ua_response_of(ev->type)) {
        c.handle = ((const struct ua_request_header *)ev->value)->request_handle;
        status = dispatch(&c, ev->type, ev->value);
    }
    if (status) os_fault(&c, status);
}

/* ---- jobs ---- */

struct os_job *os_job_new(struct os_call *c, void (*done)(struct os_job *j, struct os_call *c))
{
    struct os_server *s = c->s;
    struct os_job *j = s->job_count < JOBS_MAX && !s->closing ? mem_calloc(1, sizeof *j) : NULL;
    if (j == NULL) return NULL;
    *j = (struct os_job){.next = s->jobs,
                         .s = s,
                         .conn = c->conn->id,
                         .session = c->session ? c->session->num : 0,
                         .request_id = c->request_id,
                         .handle = c->handle,
                         .pending = 1,
                         .done = done};
    arena_init(&j->a, 64 << 20);
    str_to_cstr(str_of(c->conn->peer), j->peer, sizeof j->peer);
    if (c->session) str_to_cstr(str_of(c->session->user), j->user, sizeof j->user);
    s->jobs = j;
    s->job_count++;
    return j;
}
void os_job_release(struct os_job *j)
{
    struct os_server *s = j->s;
    if (--j->pending) return;
    struct os_call c = {.s = s,
                        .conn = os_conn_find(s, j->conn),
                        .session = j->session ? os_session_at(s, j->session) : NULL,
                        .request_id = j->request_id,
                        .handle = j->handle,
                        .a = &j->a};
    bool heard = c.conn && (j->session == 0 || c.session) && !s->closing;
    if (j->done) j->done(j, heard ? &c : NULL);
    if (j->done && c.conn && !heard && !s->closing) os_fault(&c, UA_BAD_SESSION_CLOSED);
    for (struct os_job **p = &s->jobs; *p; p = &(*p)->next) {
        if (*p != j) continue;
        *p = j->next;
        break;
    }
    s->job_count--;
    arena_fini(&j->a);
    mem_free(j);
    if (c.conn && !s->closing) os_conn_flush(c.conn);
    if (s->closing) os_finish(s);
}
