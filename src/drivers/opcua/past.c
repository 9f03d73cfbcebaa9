/* past.c - a page of what the server's history has of a node (OPC 10000-11): values as recorded, or an aggregate that
 * the server computes. The cursor is the server's continuation point in hexadecimal digits: it belongs to the session,
 * so a page after a lost one is refused and the asker begins anew at the last time that it has. */
#include "base/encode.h"
#include "drivers/opcua/opcua_int.h"

#define TIMEOUT_MS 60000
#define CURSOR_MAX 4096 /* bytes of a continuation point */

const char *const oc_aggregates[] = {"average", "time_average", "minimum", "maximum", "count",
                                     "total",   "start",        "end",     "delta",   "standard_deviation",
                                     NULL};
static const uint32_t aggregate_ids[] = {
    UA_NODE_AGGREGATE_AVERAGE, UA_NODE_AGGREGATE_TIME_AVERAGE,
    UA_NODE_AGGREGATE_MINIMUM, UA_NODE_AGGREGATE_MAXIMUM,
    UA_NODE_AGGREGATE_COUNT,   UA_NODE_AGGREGATE_TOTAL,
    UA_NODE_AGGREGATE_START,   UA_NODE_AGGREGATE_END,
    UA_NODE_AGGREGATE_DELTA,   UA_NODE_AGGREGATE_STANDARD_DEVIATION_SAMPLE,
};

struct oc_past { /* in the job's arena */
    int64_t from, to;
    double interval_ms;
    uint32_t aggregate; /* 0: raw */
    uint32_t max;
    struct str cursor; /* the continuation point */
};

void oc_past_end(struct oc_channel *ch, struct oc_job *j, const struct error *e, const char *next)
{
    j->done.past(j->arg, e, e ? NULL : j->readings, e ? 0 : j->npoints, e ? NULL : next);
    oc_job_gone(ch, j);
}

static void take(struct oc_channel *ch, struct oc_job *j, const struct ua_history_data *d)
{
    j->readings = arena_calloc(&j->arena, d->data_values_n + 1, sizeof *j->readings);
    for (uint32_t i = 0; j->readings && i < d->data_values_n; i++) {
        const struct ua_datavalue *v = &d->data_values[i];
        struct oc_value value;
        oc_value_of(ch, &j->point, v, &j->arena, &value);
        struct str text = arena_str(&j->arena, value.text);
        if (value.s.time_us < j->past->from || value.s.time_us >= j->past->to) continue; /* bounding values */
        struct driver_reading *r = &j->readings[j->npoints++];
        r->sample = value.s;
        r->sample.point = j->point.num;
        r->text = text.p, r->text_len = text.n;
    }
}

static void on_page(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_history_read_response *r = value;
    struct oc_job *j = arg;
    struct error why = {0};
    struct buf next;
    buf_init(&next, 2 * CURSOR_MAX + 1);
    (void)refused;
    if (r && r->results_n != 1)
        error_set(&why, ERR_PROTOCOL, "", "the server's answer lacks results", "服务器的应答缺少结果");
    else if (r && ua_status_error(r->results[0].status_code, "the server's history", &why) == 0) {
        const struct ua_history_data *d = ua_extension_as(&r->results[0].history_data, UA_T_history_data);
        struct str point = r->results[0].continuation_point;
        if (d) take(ch, j, d);
        if (point.n > CURSOR_MAX)
            error_set(&why, ERR_TOO_LARGE, "", "the server's continuation point has %zu bytes",
                      "服务器的续读点有 %zu 字节", point.n);
        else if (point.n && d && d->data_values_n)
            hex_encode(&next, point.p, point.n);
    }
    const char *cursor = next.n ? buf_cstr(&next) : NULL;
    oc_past_end(ch, j, !r ? e : why.code ? &why : NULL, cursor);
    buf_fini(&next);
}

void oc_past_go(struct oc_channel *ch, struct oc_job *j)
{
    struct oc_past *p = j->past;
    struct error e = {0};
    struct ua_history_read_value_id node = {.continuation_point = p->cursor, .index_range = j->point.node.range};
    struct ua_nodeid aggregate = ua_id(0, p->aggregate);
    struct ua_read_raw_modified_details raw = {.start_time = p->from, .end_time = p->to, .num_values_per_node = p->max};
    struct ua_read_processed_details processed = {
        .start_time = p->from,
        .end_time = p->to,
        .processing_interval = p->interval_ms,
        .aggregate_type = &aggregate,
        .aggregate_type_n = 1,
        .aggregate_configuration = {.use_server_capabilities_defaults = true}};
    if (oc_node_id(ch, &j->point.node, &node.node_id, &e)) {
        oc_past_end(ch, j, &e, NULL);
        return;
    }
    struct ua_history_read_request q = {.history_read_details =
                                            p->aggregate ? ua_extension_of(UA_T_read_processed_details, &processed)
                                                         : ua_extension_of(UA_T_read_raw_modified_details, &raw),
                                        .timestamps_to_return = UA_STAMPS_BOTH,
                                        .nodes_to_read = &node,
                                        .nodes_to_read_n = 1};
    oc_call(ch, UA_T_history_read_request, &q, TIMEOUT_MS, on_page, j);
}

static int aggregate_of(const char *name, uint32_t *ret, struct error *e)
{
    for (size_t i = 0; oc_aggregates[i]; i++)
        if (strcmp(oc_aggregates[i], name) == 0) {
            *ret = aggregate_ids[i];
            return 0;
        }
    return error_set(e, ERR_INVALID, "aggregate", "'%.40s' is no aggregate of this protocol, such as average",
                     "'%.40s' 不是该协议的聚合方式，例如 average", name);
}

static int cursor_of(struct oc_job *j, const char *text, struct str *ret, struct error *e)
{
    struct buf bytes;
    *ret = STR_NULL;
    if (!text || !*text) return 0;
    buf_init(&bytes, CURSOR_MAX);
    int rc = hex_decode(&bytes, str_of(text));
    if (!rc) *ret = arena_str(&j->arena, buf_view(&bytes));
    buf_fini(&bytes);
    return rc || !ret->p
               ? error_set(e, ERR_INVALID, "cursor", "is none that this driver gave", "不是该驱动给出的续读标记")
               : 0;
}

static int prepare(struct oc_job *j, const struct driver_history *h, struct error *e)
{
    struct oc_past *p = j->past = arena_calloc(&j->arena, 1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *p = (struct oc_past){.from = h->from_us,
                          .to = h->to_us,
                          .interval_ms = (double)h->interval_us / 1000,
                          .max = h->max > UINT32_MAX ? UINT32_MAX : (uint32_t)h->max};
    struct driver_point point = *h->point;
    point.address = arena_strdup(&j->arena, str_of(h->point->address));
    if (!point.address) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = oc_point_resolve(&point, &j->arena, &j->point, NULL, e);
    if (!rc && j->point.method)
        rc = error_set(e, ERR_UNSUPPORTED, "address", "a method has no history", "方法没有历史数据");
    if (!rc && h->aggregate) rc = aggregate_of(h->aggregate, &p->aggregate, e);
    return rc ? rc : cursor_of(j, h->cursor, &p->cursor, e);
}

void oc_past(struct driver_channel *base, const struct driver_history *h, driver_history_done *done, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct error e = {0};
    struct oc_job *j = oc_job_new(ch, JOB_PAST, arg);
    int rc = j ? prepare(j, h, &e) : error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        oc_job_free(j);
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    j->done.past = done;
    oc_job_push(ch, j);
}
