/* history.c - HistoryRead: raw values and aggregates (OPC 10000-11, OPC 10000-13).
 *
 * A continuation point is the time at which to go on, nothing else: the client sends the rest of the question again, so
 * the server keeps nothing. The domain is start <= t < end; where the end lies before the start, backwards, end < t <=
 * start. Aggregates come from the host's windows. Start and End have the time of their interval, not that of their raw
 * value. */
#include <math.h>
#include "outlets/opcua/server_int.h"

#define NODES_MAX 100
#define POINTER_BYTES 12
#define POINTER_MAGIC 0x31434842u
#define CALCULATED 0x401u /* info type DataValue, historian bits: calculated */
#define INTERPOLATED 0x402u
#define VALUE_BYTES 48    /* of a number with both times and a status */
#define INSTANTS_MAX 1000 /* of one request */
#define PARTIAL 0x404u
#define US_MS 1000.0

struct reading {
    struct os_job *job;
    struct os_server *s;
    struct ua_history_read_result *result;
    uint32_t slot, max;
    int64_t from, to;
    int32_t stamps;
    struct str range;
    bool back, bounds, open; /* open: one end only was given: never continued */
    /* aggregates */
    uint32_t aggregate;
    uint8_t percent_good, percent_bad;
    int64_t step, end; /* end: of the whole question */
    /* values at times */
    int64_t *times;
    uint32_t ntimes, at;
    bool more;
    struct ua_datavalue *values;
};
struct readings {
    struct ua_history_read_result *results;
    uint32_t n;
};

/* ---- continuation ---- */

static struct str pointer(struct arena *a, int64_t at)
{
    char bytes[POINTER_BYTES];
    uint32_t magic = POINTER_MAGIC;
    memcpy(bytes, &magic, 4);
    memcpy(bytes + 4, &at, 8);
    return arena_str(a, str_make(bytes, sizeof bytes));
}
static bool take_pointer(struct str bytes, int64_t *ret)
{
    uint32_t magic;
    if (bytes.n != POINTER_BYTES) return false;
    memcpy(&magic, bytes.p, 4);
    memcpy(ret, bytes.p + 4, 8);
    return magic == POINTER_MAGIC;
}

static void finish(struct reading *r, struct ua_datavalue *v, uint32_t n, uint32_t status)
{
    struct ua_history_data *d = arena_calloc(&r->job->a, 1, sizeof *d);
    if (d == NULL) {
        r->result->status_code = UA_BAD_OUT_OF_MEMORY;
        return;
    }
    d->data_values = v;
    d->data_values_n = n;
    r->result->status_code = status ? status : n ? UA_GOOD : UA_GOOD_NO_DATA;
    r->result->history_data = ua_extension_of(UA_T_history_data, d);
}
static uint32_t host_status(const struct error *e)
{
    if (e->code == ERR_CANCELLED) return UA_BAD_SHUTDOWN;
    if (e->code == ERR_FORBIDDEN) return UA_BAD_USER_ACCESS_DENIED;
    if (e->code == ERR_NOMEM) return UA_BAD_OUT_OF_MEMORY;
    return e->code == ERR_TIMEOUT ? UA_BAD_TIMEOUT : UA_BAD_UNEXPECTED_ERROR;
}

/* ---- raw ---- */

static void raw_value(struct reading *r, const struct outlet_item *x, struct ua_datavalue *v)
{
    struct arena *a = &r->job->a;
    bool text = x->sample.type == SAMPLE_STRING;
    struct str t = text ? arena_str(a, str_make(x->text ? x->text : "", x->text_len)) : STR_NULL;
    os_value(&r->s->space->points[r->slot], &x->sample, t.p, t.n, v);
    if (r->range.n && (v->has & UA_HAS_VALUE)) {
        uint32_t status = os_cut(a, r->range, &v->value);
        if (status) v->has = 0, v->status = status;
    }
    os_stamp(v, r->stamps, os_utc(r->s));
}
static struct ua_datavalue no_bound(const struct reading *r, int64_t at)
{
    struct ua_datavalue v = {.status = UA_BAD_BOUND_NOT_FOUND, .source_us = at};
    os_stamp(&v, r->stamps, os_utc(r->s));
    return v;
}
static void told_raw(void *arg, const struct error *e, const struct outlet_item *items, size_t n, bool more)
{
    struct reading *r = arg;
    struct ua_datavalue *v = NULL;
    uint32_t k = 0;
    bool alive = !r->s->closing && r->slot < r->s->space->npoints;
    if (!e && alive) v = arena_calloc(&r->job->a, n + 2, sizeof *v);
    if (e || v == NULL) {
        r->result->status_code = e ? host_status(e) : alive ? UA_BAD_OUT_OF_MEMORY : UA_BAD_NODE_ID_UNKNOWN;
        os_job_release(r->job);
        return;
    }
    int64_t lo = r->back ? INT64_MAX : r->from, hi = r->back ? INT64_MIN : r->to;
    bool first = r->bounds && !r->back && (n == 0 || items[0].sample.time_us > lo);
    if (first) v[k++] = no_bound(r, r->from);
    for (size_t i = 0; i < n; i++) raw_value(r, &items[i], &v[k++]);
    bool last = r->bounds && !r->back && !more && !r->open && (n == 0 || items[n - 1].sample.time_us < hi);
    if (last) v[k++] = no_bound(r, r->to);
    if (more && n && !r->open)
        r->result->continuation_point = pointer(&r->job->a, items[n - 1].sample.time_us + (r->back ? -1 : 1));
    finish(r, v, k, 0);
    os_job_release(r->job);
}
static uint32_t start_raw(struct reading *r, const struct ua_read_raw_modified_details *d, struct str go_on,
                          uint32_t page)
{
    const struct outlet_host *h = r->s->base.host;
    bool start = d->start_time != UA_TIME_NONE, end = d->end_time != UA_TIME_NONE;
    if (!start && !end) return UA_BAD_HISTORY_INVALID;
    if ((!start || !end) && d->num_values_per_node == 0) return UA_BAD_HISTORY_INVALID;
    r->open = !start || !end;
    r->from = start ? d->start_time : d->end_time;
    r->to = end && start ? d->end_time : start ? INT64_MAX / 4 : INT64_MIN / 4;
    if (r->to == UA_TIME_MAX) r->to = INT64_MAX / 4;
    r->back = r->from > r->to;
    r->bounds = d->return_bounds;
    r->max = d->num_values_per_node && d->num_values_per_node < page ? d->num_values_per_node : page;
    if (go_on.n) {
        if (r->open || !take_pointer(go_on, &r->from)) return UA_BAD_CONTINUATION_POINT_INVALID;
        if (r->back ? r->from < r->to : r->from > r->to) return UA_BAD_CONTINUATION_POINT_INVALID;
        r->bounds = false;
    }
    if (r->from == r->to && !r->bounds) { /* one instant */
        r->to = r->from + 1;
        r->back = false;
    }
    r->job->pending++;
    h->history(h->ctx, &(struct outlet_history){.slot = r->slot,
                                                .from_us = r->from,
                                                .to_us = r->back ? r->to + 1 : r->to,
                                                .max = r->max,
                                                .bounds = r->bounds,
                                                .done = told_raw,
                                                .arg = r});
    return 0;
}

/* ---- aggregates ---- */

typedef double value_fn(const struct outlet_window *w);
static double average(const struct outlet_window *w)
{
    return w->count ? w->sum / (double)w->count : NAN;
}
static double time_average(const struct outlet_window *w)
{
    return w->mean;
}
static double total(const struct outlet_window *w)
{
    return w->integral;
}
static double minimum(const struct outlet_window *w)
{
    return w->min;
}
static double maximum(const struct outlet_window *w)
{
    return w->max;
}
static double range(const struct outlet_window *w)
{
    return w->max - w->min;
}
static double count(const struct outlet_window *w)
{
    return (double)w->count;
}
static double start(const struct outlet_window *w)
{
    return w->first;
}
static double end(const struct outlet_window *w)
{
    return w->last;
}
static double delta(const struct outlet_window *w)
{
    return w->last - w->first;
}
static double percent_good(const struct outlet_window *w)
{
    return isfinite(w->percent_good) ? w->percent_good : 0;
}
static double duration_good(const struct outlet_window *w)
{
    return percent_good(w) / 100 * (double)(w->to_us - w->from_us) / US_MS;
}
enum stamp { AT_START, AT_MIN, AT_MAX };
static const struct {
    uint16_t id;
    value_fn *fn;
    uint8_t type, stamp;
    bool raw, always; /* raw: a value that was stored; always: also where there is none */
} aggregates[] = {
    {UA_NODE_AGGREGATE_AVERAGE, average, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_TIME_AVERAGE, time_average, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_TOTAL, total, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_MINIMUM, minimum, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_MAXIMUM, maximum, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_MINIMUM_ACTUAL_TIME, minimum, UA_DOUBLE, AT_MIN, true, false},
    {UA_NODE_AGGREGATE_MAXIMUM_ACTUAL_TIME, maximum, UA_DOUBLE, AT_MAX, true, false},
    {UA_NODE_AGGREGATE_RANGE, range, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_COUNT, count, UA_INT32, AT_START, false, true},
    {UA_NODE_AGGREGATE_START, start, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_END, end, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_DELTA, delta, UA_DOUBLE, AT_START, false, false},
    {UA_NODE_AGGREGATE_DURATION_GOOD, duration_good, UA_DOUBLE, AT_START, false, true},
    {UA_NODE_AGGREGATE_PERCENT_GOOD, percent_good, UA_DOUBLE, AT_START, false, true},
};
#define AGGREGATES (sizeof aggregates / sizeof aggregates[0])

static uint32_t quality_of(const struct reading *r, const struct outlet_window *w)
{
    double good = percent_good(w);
    if (aggregates[r->aggregate].always || good >= r->percent_good) return UA_GOOD;
    return 100 - good >= r->percent_bad && good <= 0 ? 0x80000000u : 0x40A40000u; /* UncertainDataSubNormal */
}
static void window_value(const struct reading *r, const struct outlet_window *w, struct ua_datavalue *v)
{
    uint32_t k = r->aggregate;
    double x = aggregates[k].fn(w);
    *v = (struct ua_datavalue){.source_us = w->from_us, .status = UA_BAD_NO_DATA};
    if (aggregates[k].stamp == AT_MIN && w->min_us) v->source_us = w->min_us;
    if (aggregates[k].stamp == AT_MAX && w->max_us) v->source_us = w->max_us;
    if (isfinite(x) && ua_variant_from_double(aggregates[k].type, x, &v->value, NULL) == 0) {
        v->has = UA_HAS_VALUE;
        v->status = quality_of(r, w) | (aggregates[k].raw ? 0x400u : CALCULATED);
        if (w->to_us - w->from_us < r->step) v->status |= PARTIAL;
    }
    os_stamp(v, r->stamps, os_utc(r->s));
}
static void told_windows(void *arg, const struct error *e, const struct outlet_window *w, size_t n)
{
    struct reading *r = arg;
    struct ua_datavalue *v = e ? NULL : arena_calloc(&r->job->a, n ? n : 1, sizeof *v);
    if (v) {
        for (size_t i = 0; i < n; i++) window_value(r, &w[r->back ? n - 1 - i : i], &v[i]);
        bool more = r->back ? r->from > r->end : r->to < r->end;
        if (more) r->result->continuation_point = pointer(&r->job->a, r->back ? r->from : r->to);
        finish(r, v, (uint32_t)n, 0);
    } else {
        r->result->status_code = e ? host_status(e) : UA_BAD_OUT_OF_MEMORY;
    }
    os_job_release(r->job);
}
static uint32_t configure(struct reading *r, const struct ua_aggregate_configuration *c)
{
    r->percent_good = r->percent_bad = 100;
    if (c->use_server_capabilities_defaults) return 0;
    if (c->percent_data_good > 100 || c->percent_data_bad > 100 || c->percent_data_good + c->percent_data_bad < 100)
        return UA_BAD_AGGREGATE_CONFIGURATION;
    r->percent_good = c->percent_data_good;
    r->percent_bad = c->percent_data_bad;
    return 0;
}
/* The intervals of the question, at most `page` of them: r->from to r->to. Backwards the last one reaches before the
 * end where it does not divide: all of them have the whole length. */
static uint32_t take_span(struct reading *r, const struct ua_read_processed_details *d, struct str go_on, uint32_t page,
                          int64_t *ret_n)
{
    int64_t from = d->start_time, to = d->end_time;
    if (from == UA_TIME_NONE || to == UA_TIME_NONE || to == UA_TIME_MAX || from == UA_TIME_MAX || from == to ||
        !(d->processing_interval >= 0) || d->processing_interval > 1e14)
        return UA_BAD_INVALID_ARGUMENT;
    r->back = from > to;
    r->end = to;
    uint64_t whole = r->back ? (uint64_t)from - (uint64_t)to : (uint64_t)to - (uint64_t)from;
    if (go_on.n && (!take_pointer(go_on, &from) || (r->back ? from <= to : from >= to)))
        return UA_BAD_CONTINUATION_POINT_INVALID;
    uint64_t span = r->back ? (uint64_t)from - (uint64_t)to : (uint64_t)to - (uint64_t)from;
    if (span > (uint64_t)INT64_MAX / 4 || whole > (uint64_t)INT64_MAX / 4) return UA_BAD_INVALID_ARGUMENT;
    r->step = d->processing_interval == 0 ? (int64_t)whole : (int64_t)(d->processing_interval * US_MS);
    if (r->step < 1) r->step = 1;
    int64_t n = ((int64_t)span + r->step - 1) / r->step;
    bool all = n <= (int64_t)page;
    if (!all) n = page;
    r->from = r->back ? from - n * r->step : from;
    r->to = r->back ? from : all ? to : from + n * r->step;
    *ret_n = n;
    return 0;
}
static uint32_t start_windows(struct reading *r, const struct ua_read_processed_details *d, struct str go_on,
                              uint32_t page)
{
    const struct outlet_host *h = r->s->base.host;
    int64_t n;
    uint32_t status = take_span(r, d, go_on, page, &n);
    if (status) return status;
    r->job->pending++;
    h->windows(
        h->ctx,
        &(struct outlet_windows){
            .slot = r->slot, .from_us = r->from, .to_us = r->to, .step_us = r->step, .done = told_windows, .arg = r});
    return 0;
}

/* ---- values at times ---- */

static bool usable(const struct sample *x)
{
    return x->quality != QUALITY_BAD && x->type != SAMPLE_NONE && x->type != SAMPLE_BLOB;
}
static double as_double(const struct sample *x)
{
    return x->type == SAMPLE_DOUBLE ? x->v.d : (double)x->v.i;
}
/* Between two values on a line; what is discrete, or has no value after it, holds. */
static struct sample between(const struct os_point *p, const struct outlet_item *before,
                             const struct outlet_item *after, int64_t t, uint32_t *ret_status)
{
    struct sample x = before->sample;
    bool sloped = !p->step && (x.type == SAMPLE_DOUBLE || x.type == SAMPLE_INT) && p->type != UA_BOOLEAN;
    *ret_status = sloped && after == NULL ? 0x40A40000u | INTERPOLATED : INTERPOLATED; /* UncertainDataSubNormal */
    if (!sloped || after == NULL || !usable(&after->sample) || after->sample.time_us <= x.time_us) return x;
    double share = (double)(t - x.time_us) / (double)(after->sample.time_us - x.time_us);
    x.v.d = as_double(&x) + share * (as_double(&after->sample) - as_double(&x));
    x.type = SAMPLE_DOUBLE;
    return x;
}
static void instant_value(struct reading *r, const struct outlet_item *items, size_t n, int64_t t,
                          struct ua_datavalue *v)
{
    const struct os_point *p = &r->s->space->points[r->slot];
    const struct outlet_item *before = NULL, *after = NULL;
    for (size_t k = 0; k < n; k++) {
        if (items[k].sample.time_us <= t) before = &items[k];
        if (items[k].sample.time_us > t && after == NULL) after = &items[k];
    }
    *v = (struct ua_datavalue){.status = UA_BAD_NO_DATA, .source_us = t};
    if (before && before->sample.time_us == t) {
        raw_value(r, before, v);
        return;
    }
    if (before && usable(&before->sample)) {
        uint32_t status;
        struct outlet_item x = *before;
        x.sample = between(p, before, after, t, &status);
        raw_value(r, &x, v);
        if (v->has & UA_HAS_VALUE) v->status = (ua_good(v->status) ? 0 : 0x40A40000u) | status;
        v->source_us = t;
    }
    os_stamp(v, r->stamps, os_utc(r->s));
}
static void ask_instant(struct reading *r);
static void told_instant(void *arg, const struct error *e, const struct outlet_item *items, size_t n, bool more)
{
    struct reading *r = arg;
    (void)more;
    if (e || r->s->closing || r->slot >= r->s->space->npoints) {
        r->result->status_code = e ? host_status(e) : UA_BAD_SHUTDOWN;
        os_job_release(r->job);
        return;
    }
    instant_value(r, items, n, r->times[r->at], &r->values[r->at]);
    if (++r->at < r->ntimes) {
        ask_instant(r);
        return;
    }
    if (r->more)
        r->result->continuation_point = pointer(&r->job->a, r->times[r->ntimes - 1] + (r->back ? -r->step : r->step));
    finish(r, r->values, r->ntimes, 0);
    os_job_release(r->job);
}
static void ask_instant(struct reading *r)
{
    const struct outlet_host *h = r->s->base.host;
    int64_t t = r->times[r->at];
    h->history(
        h->ctx,
        &(struct outlet_history){
            .slot = r->slot, .from_us = t, .to_us = t + 1, .max = 4, .bounds = true, .done = told_instant, .arg = r});
}
static uint32_t start_instants(struct reading *r)
{
    r->values = arena_calloc(&r->job->a, r->ntimes, sizeof *r->values);
    if (r->values == NULL) return UA_BAD_OUT_OF_MEMORY;
    r->job->pending++;
    ask_instant(r);
    return 0;
}
static uint32_t start_times(struct reading *r, const struct ua_read_at_time_details *d, uint32_t nodes)
{
    if (d->req_times_n == 0) return UA_BAD_INVALID_TIMESTAMP_ARGUMENT;
    if (d->req_times_n > INSTANTS_MAX / nodes) return UA_BAD_TOO_MANY_OPERATIONS;
    r->times = arena_calloc(&r->job->a, d->req_times_n, sizeof *r->times);
    if (r->times == NULL) return UA_BAD_OUT_OF_MEMORY;
    r->ntimes = d->req_times_n;
    memcpy(r->times, d->req_times, r->ntimes * sizeof *r->times);
    for (uint32_t k = 0; k < r->ntimes; k++)
        if (r->times[k] == UA_TIME_NONE || r->times[k] == UA_TIME_MAX) return UA_BAD_INVALID_TIMESTAMP_ARGUMENT;
    return start_instants(r);
}
/* The value at the beginning of each interval. */
static uint32_t start_interpolative(struct reading *r, const struct ua_read_processed_details *d, struct str go_on,
                                    uint32_t nodes)
{
    uint32_t page = INSTANTS_MAX / nodes;
    int64_t n;
    uint32_t status = take_span(r, d, go_on, page, &n);
    if (status) return status;
    r->times = arena_calloc(&r->job->a, (size_t)n, sizeof *r->times);
    if (r->times == NULL) return UA_BAD_OUT_OF_MEMORY;
    r->ntimes = (uint32_t)n;
    for (int64_t k = 0; k < n; k++) r->times[k] = r->back ? r->to - k * r->step : r->from + k * r->step;
    r->more = r->back ? r->from > r->end : r->to < r->end;
    return start_instants(r);
}

static uint32_t start_processed(struct reading *r, const struct ua_read_processed_details *d,
                                const struct ua_nodeid *type, struct str go_on, uint32_t page, uint32_t nodes)
{
    const struct os_point *p = &r->s->space->points[r->slot];
    struct ua_nodeid interpolative = ua_id(0, UA_NODE_AGGREGATE_INTERPOLATIVE);
    uint32_t status = configure(r, &d->aggregate_configuration);
    if (status) return status;
    if (ua_nodeid_eq(type, &interpolative)) return start_interpolative(r, d, go_on, nodes);
    for (r->aggregate = 0; r->aggregate < AGGREGATES; r->aggregate++)
        if (type->ns == 0 && type->kind == UA_ID_NUMBER && aggregates[r->aggregate].id == type->i) break;
    if (r->aggregate == AGGREGATES) return UA_BAD_AGGREGATE_NOT_SUPPORTED;
    if (p->type == UA_STRING) return UA_BAD_AGGREGATE_INPUTS;
    return start_windows(r, d, go_on, page);
}

/* ---- the service ---- */

/* Values of one node: so many that all of them fit into a message that the client takes. */
static uint32_t page_of(const struct os_call *c, uint32_t nodes)
{
    size_t fit = os_conn_room(c->conn) / VALUE_BYTES;
    uint32_t page = (fit < OS_HISTORY_TOTAL ? (uint32_t)fit : OS_HISTORY_TOTAL) / nodes;
    return page > OS_HISTORY_PAGE ? OS_HISTORY_PAGE : page < 1 ? 1 : page;
}
static uint32_t read_one(struct os_call *c, struct os_job *j, const struct ua_history_read_request *q, uint32_t k,
                         struct ua_history_read_result *ret)
{
    const struct ua_history_read_value_id *n = &q->nodes_to_read[k];
    const struct ua_read_raw_modified_details *raw =
        ua_extension_as(&q->history_read_details, UA_T_read_raw_modified_details);
    const struct ua_read_processed_details *processed =
        ua_extension_as(&q->history_read_details, UA_T_read_processed_details);
    const struct ua_read_at_time_details *times = ua_extension_as(&q->history_read_details, UA_T_read_at_time_details);
    struct os_node node = os_node_find(c->s, &n->node_id);
    uint32_t page = page_of(c, q->nodes_to_read_n);
    if (node.kind == OS_NONE) return UA_BAD_NODE_ID_UNKNOWN;
    if (node.kind != OS_POINT || !c->s->cfg.history) return UA_BAD_HISTORY_UNSUPPORTED;
    if (n->index_range.n && ua_range_check(n->index_range, NULL)) return UA_BAD_INDEX_RANGE_INVALID;
    if (n->data_encoding.name.n) return UA_BAD_DATA_ENCODING_INVALID;
    struct reading *r = arena_calloc(&j->a, 1, sizeof *r);
    if (r == NULL) return UA_BAD_OUT_OF_MEMORY;
    *r = (struct reading){.job = j, .s = c->s, .result = ret, .slot = node.i, .stamps = q->timestamps_to_return};
    if (n->index_range.n) r->range = arena_str(&j->a, n->index_range);
    if (raw) return start_raw(r, raw, n->continuation_point, page);
    if (times) return start_times(r, times, q->nodes_to_read_n);
    return start_processed(r, processed, &processed->aggregate_type[k], n->continuation_point, page,
                           q->nodes_to_read_n);
}
static void answer(struct os_job *j, struct os_call *c)
{
    const struct readings *k = j->data;
    struct ua_history_read_response r = {.results = k->results, .results_n = k->n};
    if (c == NULL) return;
    for (uint32_t i = 0; i < k->n; i++) {
        const struct ua_history_data *d = ua_extension_as(&k->results[i].history_data, UA_T_history_data);
        if (d && c->session) c->session->items += d->data_values_n, j->s->st.items += d->data_values_n;
    }
    os_answer(c, UA_T_history_read_response, &r);
}
static uint32_t check(struct os_call *c, const struct ua_history_read_request *q)
{
    const struct ua_read_raw_modified_details *raw =
        ua_extension_as(&q->history_read_details, UA_T_read_raw_modified_details);
    const struct ua_read_processed_details *processed =
        ua_extension_as(&q->history_read_details, UA_T_read_processed_details);
    if (q->timestamps_to_return < 0 || q->timestamps_to_return >= UA_STAMPS_NEITHER) return UA_BAD_TIMESTAMPS_INVALID;
    if (q->nodes_to_read_n == 0) return UA_BAD_NOTHING_TO_DO;
    if (q->nodes_to_read_n > NODES_MAX) return UA_BAD_TOO_MANY_OPERATIONS;
    bool known = raw || processed || ua_extension_as(&q->history_read_details, UA_T_read_at_time_details);
    if (!c->s->cfg.history || !known || (raw && raw->is_read_modified)) return UA_BAD_HISTORY_UNSUPPORTED;
    if (processed && processed->aggregate_type_n != q->nodes_to_read_n) return UA_BAD_AGGREGATE_LIST_MISMATCH;
    return 0;
}
uint32_t os_history_read(struct os_call *c, const void *request)
{
    const struct ua_history_read_request *q = request;
    uint32_t status = check(c, q);
    if (status) return status;
    struct os_job *j = os_job_new(c, answer);
    if (j == NULL) return UA_BAD_TOO_MANY_OPERATIONS;
    struct readings *k = arena_calloc(&j->a, 1, sizeof *k);
    if (k) k->results = arena_calloc(&j->a, q->nodes_to_read_n, sizeof *k->results);
    if (k && k->results) {
        k->n = q->nodes_to_read_n;
        j->data = k;
        /* Continuation points hold nothing: to release them is nothing to do. */
        for (uint32_t i = 0; i < k->n && !q->release_continuation_points; i++) {
            status = read_one(c, j, q, i, &k->results[i]);
            if (status) k->results[i].status_code = status;
        }
    } else {
        j->done = NULL;
        os_fault(c, UA_BAD_OUT_OF_MEMORY);
    }
    os_job_release(j);
    return 0;
}
