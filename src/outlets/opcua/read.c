/* read.c - Read and Write. A write goes to the host, value by value; the answer waits for all of them. */
#include "outlets/opcua/server_int.h"

static uint32_t range_of(struct os_call *c, const struct ua_read_value_id *q, struct ua_datavalue *v)
{
    if (q->index_range.n == 0 || !(v->has & UA_HAS_VALUE)) return v->status;
    if (q->attribute_id != UA_ATTR_VALUE) return UA_BAD_INDEX_RANGE_NO_DATA;
    uint32_t status = os_cut(c->a, q->index_range, &v->value);
    if (status) v->has = 0;
    return status ? status : v->status;
}
static void read_one(struct os_call *c, const struct ua_read_value_id *q, int32_t stamps, struct ua_datavalue *ret)
{
    struct os_node n = os_node_find(c->s, &q->node_id);
    os_attribute(c->s, c->session, &n, q->attribute_id, c->a, ret);
    if (q->data_encoding.name.n && !ua_bad(ret->status)) {
        bool binary = q->attribute_id == UA_ATTR_VALUE && ret->value.type == UA_EXTENSION &&
                      str_is(q->data_encoding.name, "Default Binary");
        if (!binary)
            *ret = (struct ua_datavalue){.status = q->attribute_id == UA_ATTR_VALUE ? UA_BAD_DATA_ENCODING_UNSUPPORTED
                                                                                    : UA_BAD_DATA_ENCODING_INVALID};
    }
    ret->status = range_of(c, q, ret);
    if (q->attribute_id != UA_ATTR_VALUE) ret->source_us = UA_TIME_NONE;
    if (q->attribute_id != UA_ATTR_VALUE && stamps == UA_STAMPS_BOTH) stamps = UA_STAMPS_SERVER;
    os_stamp(ret, stamps, os_utc(c->s));
    c->session->items++;
}

uint32_t os_read(struct os_call *c, const void *request)
{
    const struct ua_read_request *q = request;
    struct ua_read_response r = {.results_n = q->nodes_to_read_n};
    if (q->max_age < 0) return UA_BAD_MAX_AGE_INVALID;
    if (q->timestamps_to_return < 0 || q->timestamps_to_return > UA_STAMPS_NEITHER) return UA_BAD_TIMESTAMPS_INVALID;
    if (q->nodes_to_read_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_read_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    r.results = arena_calloc(c->a, r.results_n, sizeof *r.results);
    if (r.results == NULL) return UA_BAD_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r.results_n; i++)
        read_one(c, &q->nodes_to_read[i], q->timestamps_to_return, &r.results[i]);
    c->s->st.items += r.results_n;
    os_answer(c, UA_T_read_response, &r);
    return 0;
}

/* ---- writing ---- */

struct one_write {
    struct os_job *job;
    uint32_t *result;
};
struct writes {
    uint32_t *results, n;
};

/* What became of it, as a status. */
static const struct {
    int code;
    uint32_t status;
} refusals[] = {
    {ERR_FORBIDDEN, UA_BAD_USER_ACCESS_DENIED}, {ERR_UNAUTHENTICATED, UA_BAD_USER_ACCESS_DENIED},
    {ERR_INVALID, UA_BAD_OUT_OF_RANGE},         {ERR_RANGE, UA_BAD_OUT_OF_RANGE},
    {ERR_TOO_LARGE, UA_BAD_OUT_OF_RANGE},       {ERR_UNSUPPORTED, UA_BAD_NOT_SUPPORTED},
    {ERR_NOT_FOUND, UA_BAD_NODE_ID_UNKNOWN},    {ERR_TIMEOUT, UA_BAD_TIMEOUT},
    {ERR_LIMIT, UA_BAD_TOO_MANY_OPERATIONS},    {ERR_NOMEM, UA_BAD_OUT_OF_MEMORY},
    {ERR_CANCELLED, UA_BAD_SHUTDOWN},           {ERR_PRECONDITION, UA_BAD_USER_ACCESS_DENIED},
};
static uint32_t outcome_status(const struct driver_write_result *r)
{
    static const uint32_t plain[] = {[DRIVER_DONE] = UA_GOOD,
                                     [DRIVER_REFUSED] = UA_BAD_DEVICE_FAILURE,
                                     [DRIVER_FAILED] = UA_BAD_NO_COMMUNICATION,
                                     [DRIVER_UNKNOWN] = UA_BAD_COMMUNICATION_ERROR,
                                     [DRIVER_EXPIRED] = UA_BAD_TIMEOUT};
    for (size_t i = 0; r->error && r->outcome == DRIVER_REFUSED && i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].code == r->error->code) return refusals[i].status;
    return plain[r->outcome];
}
static void written(void *arg, const struct driver_write_result *r)
{
    struct one_write *w = arg;
    *w->result = outcome_status(r);
    if (r->outcome == DRIVER_DONE)
        w->job->s->st.writes++;
    else
        w->job->s->st.errors++;
    os_job_release(w->job);
}
static void answer_writes(struct os_job *j, struct os_call *c)
{
    const struct writes *w = j->data;
    struct ua_write_response r = {.results = w->results, .results_n = w->n};
    if (c) os_answer(c, UA_T_write_response, &r);
}

/* A status at once, or UA_GOOD when it may go to the host. */
static uint32_t check(struct os_call *c, const struct ua_write_value *q, struct os_node *ret, struct sample *ret_sample,
                      struct str *ret_text)
{
    struct ua_datavalue old;
    struct os_node n = *ret = os_node_find(c->s, &q->node_id);
    if (n.kind == OS_NONE) return UA_BAD_NODE_ID_UNKNOWN;
    if (n.kind != OS_POINT || q->attribute_id != UA_ATTR_VALUE) {
        os_attribute(c->s, c->session, &n, q->attribute_id, c->a, &old);
        return old.status == UA_BAD_ATTRIBUTE_ID_INVALID ? old.status : UA_BAD_NOT_WRITABLE;
    }
    const struct os_point *p = &c->s->space->points[n.i];
    if (!p->writable) return UA_BAD_NOT_WRITABLE;
    if (q->index_range.n) return UA_BAD_WRITE_NOT_SUPPORTED;
    if (q->value.status != UA_GOOD || (q->value.has & (UA_HAS_SOURCE_TIME | UA_HAS_SERVER_TIME)))
        return UA_BAD_WRITE_NOT_SUPPORTED;
    return os_sample_of(p, &q->value.value, ret_sample, ret_text);
}
static void write_one(struct os_call *c, struct os_job *j, const struct ua_write_value *q, uint32_t *result)
{
    const struct outlet_host *h = c->s->base.host;
    struct one_write *w = arena_calloc(&j->a, 1, sizeof *w);
    struct os_node n;
    struct sample x;
    struct str text;
    *result = w ? check(c, q, &n, &x, &text) : UA_BAD_OUT_OF_MEMORY;
    if (*result != UA_GOOD) return;
    *w = (struct one_write){j, result};
    j->pending++;
    h->write(h->ctx, &(struct outlet_write){.slot = n.i,
                                            .value = x,
                                            .text = text.p,
                                            .text_len = text.n,
                                            .peer = j->peer,
                                            .user = j->user,
                                            .done = written,
                                            .arg = w});
}
uint32_t os_write(struct os_call *c, const void *request)
{
    const struct ua_write_request *q = request;
    if (q->nodes_to_write_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_write_n > c->s->cfg.max_nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    struct os_job *j = os_job_new(c, answer_writes);
    struct writes *w = j ? arena_calloc(&j->a, 1, sizeof *w) : NULL;
    uint32_t *results = w ? arena_calloc(&j->a, q->nodes_to_write_n, sizeof *results) : NULL;
    if (j == NULL) return UA_BAD_TOO_MANY_OPERATIONS;
    if (results) {
        *w = (struct writes){results, q->nodes_to_write_n};
        j->data = w;
        for (uint32_t i = 0; i < w->n; i++) write_one(c, j, &q->nodes_to_write[i], &results[i]);
    } else {
        j->done = NULL;
        os_fault(c, UA_BAD_OUT_OF_MEMORY);
    }
    os_job_release(j);
    return 0;
}
