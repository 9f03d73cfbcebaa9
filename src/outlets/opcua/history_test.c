/* History: raw values and aggregates; alarms as events; methods. */
#include "outlets/opcua/testbed.h"

#define T0 1700000000000000LL
#define S 1000000LL

static struct obed *plant(const char *more)
{
    struct obed *b = server(more);
    obed_point(b, "T1", "", VALUE_DOUBLE);
    obed_point(b, "TXT", "", VALUE_STRING);
    obed_point(b, "T2", "", VALUE_DOUBLE);
    b->points[0].area = "Plant/Smelter";
    b->points[2].area = "Plant/Yard";
    obed_set(b);
    for (int k = 0; k < 10; k++)
        obed_row(b, 0, &(struct sample){.time_us = T0 + k * S, .type = SAMPLE_DOUBLE, .v.d = k});
    return b;
}
static struct ua_history_read_result history(struct client *c, const char *code, unsigned type, void *details,
                                             struct str at)
{
    struct ua_history_read_value_id n = {.node_id = point_id(code), .continuation_point = at};
    struct ua_history_read_request q = {.history_read_details = ua_extension_of(type, details),
                                        .timestamps_to_return = UA_STAMPS_SOURCE,
                                        .nodes_to_read = &n,
                                        .nodes_to_read_n = 1};
    struct ua_history_read_response *r = CALL(c, history_read, &q);
    return r && r->results_n == 1 ? r->results[0] : (struct ua_history_read_result){.status_code = c->status};
}
static struct ua_history_read_result raw(struct client *c, int64_t from, int64_t to, uint32_t max, bool bounds,
                                         struct str at)
{
    struct ua_read_raw_modified_details d = {
        .start_time = from, .end_time = to, .num_values_per_node = max, .return_bounds = bounds};
    return history(c, "T1", UA_T_read_raw_modified_details, &d, at);
}
static const struct ua_history_data *data_in(const struct ua_history_read_result *r)
{
    static const struct ua_history_data none;
    const struct ua_history_data *d = ua_extension_as(&r->history_data, UA_T_history_data);
    return d ? d : &none;
}

TEST(raw_values_forward_and_backward)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_history_read_result r = raw(c, T0 + 2 * S, T0 + 5 * S, 0, false, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 3); /* 2 3 4: the end is outside */
    CHECK_DBL(data_in(&r)->data_values[0].value.u.d, 2, 0);
    CHECK_INT(data_in(&r)->data_values[2].source_us, T0 + 4 * S);
    CHECK_INT(r.continuation_point.n, 0);
    r = raw(c, T0 + 5 * S, T0 + 2 * S, 0, false, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 3); /* 5 4 3 */
    CHECK_DBL(data_in(&r)->data_values[0].value.u.d, 5, 0);
    CHECK_DBL(data_in(&r)->data_values[2].value.u.d, 3, 0);
    r = raw(c, T0 + 3 * S, UA_TIME_NONE, 2, false, STR_NULL);
    CHECK(data_in(&r)->data_values_n == 2 && r.continuation_point.n == 0 && data_in(&r)->data_values[1].value.u.d == 4);
    r = raw(c, UA_TIME_NONE, T0 + 3 * S, 2, false, STR_NULL);
    CHECK(data_in(&r)->data_values_n == 2 && data_in(&r)->data_values[0].value.u.d == 3);
    r = raw(c, T0 + 100 * S, T0 + 200 * S, 0, false, STR_NULL);
    CHECK(r.status_code == UA_GOOD_NO_DATA && data_in(&r)->data_values_n == 0);
    r = raw(c, T0 + 4 * S, T0 + 4 * S, 0, false, STR_NULL); /* one instant */
    CHECK(data_in(&r)->data_values_n == 1 && data_in(&r)->data_values[0].value.u.d == 4);
    CHECK_INT(raw(c, UA_TIME_NONE, UA_TIME_NONE, 5, false, STR_NULL).status_code, UA_BAD_HISTORY_INVALID);
    CHECK_INT(raw(c, T0, UA_TIME_NONE, 0, false, STR_NULL).status_code, UA_BAD_HISTORY_INVALID);
    client_free(c);
    obed_free(b);
}
TEST(raw_values_go_on)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    for (int back = 0; back < 2; back++) {
        struct str at = STR_NULL;
        unsigned n = 0, rounds = 0;
        do {
            struct ua_history_read_result r =
                back ? raw(c, T0 + 9 * S, T0 - S, 3, false, at) : raw(c, T0, T0 + 100 * S, 3, false, at);
            for (uint32_t k = 0; k < data_in(&r)->data_values_n; k++, n++)
                CHECK_DBL(data_in(&r)->data_values[k].value.u.d, back ? 9 - (double)n : (double)n, 0);
            at = r.continuation_point;
            rounds++;
        } while (at.n && rounds < 10);
        CHECK_INT(n, 10);
        CHECK_INT(rounds, 4);
    }
    CHECK_INT(raw(c, T0, T0 + S, 3, false, STR("nonsense")).status_code, UA_BAD_CONTINUATION_POINT_INVALID);
    struct ua_history_read_result r = raw(c, T0 - 5 * S, T0 + 20 * S, 0, true, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 12);
    CHECK_INT(data_in(&r)->data_values[0].status, UA_BAD_BOUND_NOT_FOUND);
    CHECK_INT(data_in(&r)->data_values[11].status, UA_BAD_BOUND_NOT_FOUND);
    CHECK_INT(data_in(&r)->data_values[11].source_us, T0 + 20 * S);
    b->history_error = ERR_TIMEOUT;
    CHECK_INT(raw(c, T0, T0 + S, 3, false, STR_NULL).status_code, UA_BAD_TIMEOUT);
    client_free(c);
    obed_free(b);
}

static struct ua_history_read_result processed(struct client *c, const char *code, uint32_t aggregate, int64_t from,
                                               int64_t to, double ms, struct str at)
{
    struct ua_nodeid type = ua_id(0, aggregate);
    struct ua_read_processed_details d = {.start_time = from,
                                          .end_time = to,
                                          .processing_interval = ms,
                                          .aggregate_type = &type,
                                          .aggregate_type_n = 1,
                                          .aggregate_configuration = {.use_server_capabilities_defaults = true}};
    return history(c, code, UA_T_read_processed_details, &d, at);
}
TEST(aggregates)
{
    static const struct {
        uint32_t id;
        double first, second; /* of 0..4 and 5..9 */
    } rows[] = {{UA_NODE_AGGREGATE_AVERAGE, 2, 7},
                {UA_NODE_AGGREGATE_TIME_AVERAGE, 2, 7},
                {UA_NODE_AGGREGATE_MINIMUM, 0, 5},
                {UA_NODE_AGGREGATE_MAXIMUM, 4, 9},
                {UA_NODE_AGGREGATE_COUNT, 5, 5},
                {UA_NODE_AGGREGATE_TOTAL, 10, 35},
                {UA_NODE_AGGREGATE_START, 0, 5},
                {UA_NODE_AGGREGATE_END, 4, 9},
                {UA_NODE_AGGREGATE_RANGE, 4, 4},
                {UA_NODE_AGGREGATE_DELTA, 4, 4},
                {UA_NODE_AGGREGATE_PERCENT_GOOD, 100, 100},
                {UA_NODE_AGGREGATE_DURATION_GOOD, 5000, 5000}};
    struct obed *b = plant("");
    struct client *c = session(b);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        for (int back = 0; back < 2; back++) {
            struct ua_history_read_result r =
                processed(c, "T1", rows[k].id, back ? T0 + 10 * S : T0, back ? T0 : T0 + 10 * S, 5000, STR_NULL);
            double x = NAN, y = NAN;
            REQUIRE(data_in(&r)->data_values_n == 2);
            ua_variant_double(&data_in(&r)->data_values[back].value, 0, &x);
            ua_variant_double(&data_in(&r)->data_values[!back].value, 0, &y);
            if (x != rows[k].first || y != rows[k].second) test_fail(__FILE__, __LINE__, "%u: %g %g", rows[k].id, x, y);
            CHECK_INT(data_in(&r)->data_values[back].source_us, T0);
            CHECK_INT(data_in(&r)->data_values[0].status, 0x401);
        }
    struct ua_history_read_result r =
        processed(c, "T1", UA_NODE_AGGREGATE_MAXIMUM_ACTUAL_TIME, T0, T0 + 10 * S, 0, STR_NULL);
    CHECK(data_in(&r)->data_values_n == 1 && data_in(&r)->data_values[0].source_us == T0 + 9 * S);
    r = processed(c, "T1", UA_NODE_AGGREGATE_AVERAGE, T0 + 100 * S, T0 + 110 * S, 5000, STR_NULL);
    CHECK(data_in(&r)->data_values_n == 2 && data_in(&r)->data_values[0].status == UA_BAD_NO_DATA);
    r = processed(c, "T1", UA_NODE_AGGREGATE_COUNT, T0 + 100 * S, T0 + 110 * S, 5000, STR_NULL);
    CHECK(data_in(&r)->data_values[0].value.u.i32 == 0 && data_in(&r)->data_values[0].status == 0x401);
    r = processed(c, "T1", UA_NODE_AGGREGATE_AVERAGE, T0, T0 + 7 * S, 5000, STR_NULL);
    CHECK(data_in(&r)->data_values_n == 2 && data_in(&r)->data_values[1].status == 0x405); /* a part of an interval */
    CHECK_INT(processed(c, "T1", UA_NODE_AGGREGATE_VARIANCE_SAMPLE, T0, T0 + S, 5000, STR_NULL).status_code,
              UA_BAD_AGGREGATE_NOT_SUPPORTED);
    CHECK_INT(processed(c, "TXT", UA_NODE_AGGREGATE_AVERAGE, T0, T0 + S, 5000, STR_NULL).status_code,
              UA_BAD_AGGREGATE_INPUTS);
    CHECK_INT(processed(c, "T1", UA_NODE_AGGREGATE_AVERAGE, T0, T0, 5000, STR_NULL).status_code,
              UA_BAD_INVALID_ARGUMENT);
    CHECK_INT(processed(c, "T1", UA_NODE_AGGREGATE_AVERAGE, T0, T0 + S, -1, STR_NULL).status_code,
              UA_BAD_INVALID_ARGUMENT);
    CHECK_INT(processed(c, "NO", UA_NODE_AGGREGATE_AVERAGE, T0, T0 + S, 1, STR_NULL).status_code,
              UA_BAD_NODE_ID_UNKNOWN);
    client_free(c);
    obed_free(b);
}
TEST(many_intervals_go_on)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    for (int back = 0; back < 2; back++) {
        struct str at = STR_NULL;
        unsigned n = 0, rounds = 0;
        int64_t last = 0;
        do {
            struct ua_history_read_result r = processed(c, "T1", UA_NODE_AGGREGATE_COUNT, back ? T0 + 25000 * S : T0,
                                                        back ? T0 : T0 + 25000 * S, 1000, at);
            REQUIRE(r.status_code == 0);
            for (uint32_t k = 0; k < data_in(&r)->data_values_n; k++, n++) {
                int64_t t = data_in(&r)->data_values[k].source_us;
                if (last) CHECK_INT(t - last, back ? -S : S);
                last = t;
            }
            at = r.continuation_point;
        } while (at.n && ++rounds < 10);
        CHECK_INT(n, 25000);
        CHECK_INT(rounds, 2);
    }
    client_free(c);
    obed_free(b);
}
/* The bed knows no bounds: what stands around each time is put there as the host would give it. */
static void bounded_history(void *ctx, const struct outlet_history *q)
{
    struct obed *b = ctx;
    struct outlet_item items[4];
    size_t n = 0;
    CHECK(q->bounds && q->to_us == q->from_us + 1);
    b->histories++;
    for (size_t k = 0; k < b->nrows; k++) {
        const struct sample *x = &b->rows[k].s;
        if (b->rows[k].slot != q->slot) continue;
        if (x->time_us <= q->from_us) n = 0;
        if (n < 2) items[n++] = (struct outlet_item){.slot = q->slot, .sample = *x, .text = ""};
        if (x->time_us > q->from_us) break;
    }
    q->done(q->arg, NULL, items, n, false);
}
TEST(values_at_times)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    b->host.history = bounded_history;
    int64_t times[] = {T0 + 2 * S, T0 + 2 * S + S / 4, T0 - S, T0 + 20 * S};
    struct ua_read_at_time_details d = {.req_times = times, .req_times_n = 4};
    struct ua_history_read_result r = history(c, "T1", UA_T_read_at_time_details, &d, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 4);
    const struct ua_datavalue *v = data_in(&r)->data_values;
    CHECK(v[0].value.u.d == 2 && v[0].status == 0); /* stored */
    CHECK(v[1].value.u.d == 2.25 && v[1].status == 0x402 && v[1].source_us == times[1]);
    CHECK(v[2].status == UA_BAD_NO_DATA && !(v[2].has & UA_HAS_VALUE)); /* before there was any */
    CHECK(v[3].value.u.d == 9 && v[3].status == 0x40A40402);            /* held: nothing after it */
    r = processed(c, "T1", UA_NODE_AGGREGATE_INTERPOLATIVE, T0 + S / 2, T0 + 5 * S, 1000, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 5);
    CHECK_DBL(data_in(&r)->data_values[3].value.u.d, 3.5, 1e-12);
    r = processed(c, "T1", UA_NODE_AGGREGATE_INTERPOLATIVE, T0 + 5 * S, T0, 1000, STR_NULL);
    REQUIRE(data_in(&r)->data_values_n == 5);
    CHECK_DBL(data_in(&r)->data_values[0].value.u.d, 5, 0);
    unsigned n = 0;
    struct str at = STR_NULL;
    do {
        r = processed(c, "T1", UA_NODE_AGGREGATE_INTERPOLATIVE, T0, T0 + 2500 * S, 1000, at);
        n += data_in(&r)->data_values_n;
        at = r.continuation_point;
    } while (at.n && n < 5000);
    CHECK_INT(n, 2500);
    d.req_times_n = 0;
    CHECK_INT(history(c, "T1", UA_T_read_at_time_details, &d, STR_NULL).status_code, UA_BAD_INVALID_TIMESTAMP_ARGUMENT);
    b->points[0].step = true; /* discrete: it holds */
    obed_set(b);
    d.req_times_n = 2;
    r = history(c, "T1", UA_T_read_at_time_details, &d, STR_NULL);
    CHECK(data_in(&r)->data_values[1].value.u.d == 2 && data_in(&r)->data_values[1].status == 0x402);
    client_free(c);
    obed_free(b);
}
TEST(history_that_is_not_offered)
{
    struct obed *b = plant(",\"history\":false");
    struct client *c = session(b);
    CHECK_INT(raw(c, T0, T0 + S, 0, false, STR_NULL).status_code, UA_BAD_HISTORY_UNSUPPORTED);
    CHECK_INT(read_attr(c, point_id("T1"), UA_ATTR_HISTORIZING).value.u.b, false);
    client_free(c);
    obed_free(b);
}

/* ---- alarms ---- */

static const char *const paths[] = {
    "EventId",       "EventType", "SourceName",    "Message",  "Severity", "ActiveState/Id",
    "AckedState/Id", "Retain",    "ConditionName", "Nonsense", ""};
#define PATHS (sizeof paths / sizeof paths[0])
enum { F_ID, F_TYPE, F_SOURCE, F_MESSAGE, F_SEVERITY, F_ACTIVE, F_ACKED, F_RETAIN, F_NAME, F_NONE, F_CONDITION };

static struct ua_simple_attribute_operand operand(struct client *c, const char *path)
{
    struct ua_simple_attribute_operand o = {.attribute_id = path[0] ? UA_ATTR_VALUE : UA_ATTR_NODE_ID};
    struct str rest = str_of(path);
    o.type_definition_id = ua_id(0, path[0] ? UA_NODE_BASE_EVENT_TYPE : UA_NODE_CONDITION_TYPE);
    o.browse_path = arena_calloc(&c->a, 4, sizeof *o.browse_path);
    while (path[0] && rest.p) o.browse_path[o.browse_path_n++].name = str_cut(&rest, '/');
    return o;
}
static struct ua_event_filter *select_all(struct client *c)
{
    struct ua_event_filter *f = arena_calloc(&c->a, 1, sizeof *f);
    f->select_clauses = arena_calloc(&c->a, PATHS, sizeof *f->select_clauses);
    for (size_t k = 0; k < PATHS; k++) f->select_clauses[k] = operand(c, paths[k]);
    f->select_clauses_n = PATHS;
    return f;
}
static struct ua_extension literal(struct client *c, unsigned type, const void *v)
{
    struct ua_literal_operand *l = arena_calloc(&c->a, 1, sizeof *l);
    l->value = ua_variant_scalar(type, v);
    return ua_extension_of(UA_T_literal_operand, l);
}
static struct ua_extension field(struct client *c, const char *path)
{
    struct ua_simple_attribute_operand *o = arena_calloc(&c->a, 1, sizeof *o);
    *o = operand(c, path);
    return ua_extension_of(UA_T_simple_attribute_operand, o);
}
static struct ua_extension other(struct client *c, uint32_t index)
{
    struct ua_element_operand *o = arena_calloc(&c->a, 1, sizeof *o);
    o->index = index;
    return ua_extension_of(UA_T_element_operand, o);
}
static void where(struct client *c, struct ua_event_filter *f, int32_t op, uint32_t n, struct ua_extension a,
                  struct ua_extension d)
{
    struct ua_content_filter_element *all = arena_calloc(&c->a, f->where_clause.elements_n + 1, sizeof *all);
    if (f->where_clause.elements_n) memcpy(all, f->where_clause.elements, f->where_clause.elements_n * sizeof *all);
    struct ua_extension *o = arena_calloc(&c->a, 2, sizeof *o);
    o[0] = a;
    o[1] = d;
    all[f->where_clause.elements_n++] = (struct ua_content_filter_element){op, o, n};
    f->where_clause.elements = all;
}
static uint32_t watch(struct client *c, uint32_t sub, struct ua_nodeid id, struct ua_event_filter *f)
{
    return monitor(c, sub, id, 3, 0, true, 0, f, UA_T_event_filter).status_code;
}
static void alarm_now(struct obed *b, const char *id, uint32_t slot, unsigned severity, bool active, bool acked)
{
    b->alarms[0] = (struct outlet_alarm){.id = id,
                                         .slot = slot,
                                         .rule = "HIGH",
                                         .message_en = "too hot",
                                         .message_zh = "过热",
                                         .severity = severity,
                                         .active = active,
                                         .acknowledged = acked,
                                         .active_us = T0,
                                         .changed_us = T0 + S,
                                         .who = "",
                                         .comment = ""};
    b->nalarms = 1;
    b->outlet->alarm(b->ch, &b->alarms[0]);
}
static const struct ua_event_notification_list *events_of(const struct ua_publish_response *r)
{
    static const struct ua_event_notification_list none;
    if (r == NULL || r->notification_message.notification_data_n != 1) return &none;
    const void *v = ua_extension_as(&r->notification_message.notification_data[0], UA_T_event_notification_list);
    return v ? v : &none;
}
static uint32_t slow_sub(struct client *c)
{
    struct ua_create_subscription_response *r = subscribe(c, 10, 300, 0);
    CHECK(r);
    return r->subscription_id;
}
static struct ua_nodeid area(const char *key)
{
    return ua_id_str(1, str_of(key));
}

TEST(alarms_are_events)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = slow_sub(c);
    CHECK_INT(watch(c, sub, ua_id(0, UA_NODE_SERVER), select_all(c)), 0);
    CHECK_INT(watch(c, sub, area("area:Plant/Smelter"), select_all(c)), 0);
    CHECK_INT(watch(c, sub, area("area:Plant/Yard"), select_all(c)), 0);
    alarm_now(b, "A1", 0, 700, true, false);
    struct ua_publish_response *r = publish(c, sub, 0);
    while (r && r->notification_message.notification_data_n == 0) r = publish(c, sub, 0);
    REQUIRE(events_of(r)->events_n == 2); /* the Server and its own area, not the other one */
    const struct ua_variant *v = events_of(r)->events[0].event_fields;
    REQUIRE(events_of(r)->events[0].event_fields_n == PATHS);
    CHECK_INT(v[F_ID].u.s.n, 16);
    CHECK_INT(((struct ua_nodeid *)v[F_TYPE].u.items)->i, UA_NODE_ALARM_CONDITION_TYPE);
    CHECK_STR(v[F_SOURCE].u.s, "T1");
    CHECK_STR(((struct ua_text *)v[F_MESSAGE].u.items)->text, "too hot");
    CHECK_INT(v[F_SEVERITY].u.u16, 700);
    CHECK(v[F_ACTIVE].u.b && !v[F_ACKED].u.b && v[F_RETAIN].u.b);
    CHECK_STR(v[F_NAME].u.s, "HIGH");
    CHECK_INT(v[F_NONE].type, UA_NULL);
    CHECK_STR(((struct ua_nodeid *)v[F_CONDITION].u.items)->s, "alarm:A1");
    b->outlet->alarm(
        b->ch,
        &(struct outlet_alarm){
            .id = "X", .slot = UINT32_MAX, .rule = "", .message_en = "", .message_zh = "", .who = "", .comment = ""});
    CHECK_INT(SERVER(b)->notes, 0);
    client_free(c);
    obed_free(b);
}

static uint32_t told(struct obed *b, struct client *c, struct ua_event_filter *f)
{
    uint32_t sub = slow_sub(c), status = watch(c, sub, ua_id(0, UA_NODE_SERVER), f);
    CHECK_INT(status, 0);
    alarm_now(b, "A1", 0, 500, true, false);
    alarm_now(b, "A2", 2, 900, true, false);
    uint32_t n = SERVER(b)->notes ? (uint32_t)SERVER(b)->notes : 0;
    struct ua_delete_subscriptions_request q = {.subscription_ids = &sub, .subscription_ids_n = 1};
    CHECK(CALL(c, delete_subscriptions, &q));
    return n;
}
TEST(where_clauses)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_extension none = {0};
    uint16_t s600 = 600, s500 = 500;
    struct ua_nodeid alarm_type = ua_id(0, UA_NODE_ALARM_CONDITION_TYPE), audit = ua_id(0, UA_NODE_SYSTEM_EVENT_TYPE);
    struct str t1 = STR("T1");
    struct ua_event_filter *f = select_all(c);
    CHECK_INT(told(b, c, f), 2);
    where(c, f, UA_OP_GREATER, 2, field(c, "Severity"), literal(c, UA_UINT16, &s600));
    CHECK_INT(told(b, c, f), 1);
    f = select_all(c);
    where(c, f, UA_OP_OF_TYPE, 1, literal(c, UA_NODEID, &alarm_type), none);
    CHECK_INT(told(b, c, f), 2);
    f = select_all(c);
    where(c, f, UA_OP_OF_TYPE, 1, literal(c, UA_NODEID, &audit), none);
    CHECK_INT(told(b, c, f), 0);
    f = select_all(c); /* of this type, and the severity is at least 500, and not of T1 */
    where(c, f, UA_OP_AND, 2, other(c, 1), other(c, 2));
    where(c, f, UA_OP_GREATER_EQUAL, 2, field(c, "Severity"), literal(c, UA_UINT16, &s500));
    where(c, f, UA_OP_NOT, 1, other(c, 3), none);
    where(c, f, UA_OP_EQUALS, 2, field(c, "SourceName"), literal(c, UA_STRING, &t1));
    CHECK_INT(told(b, c, f), 1);
    f = select_all(c); /* null is not true, nor is its contrary */
    where(c, f, UA_OP_NOT, 1, other(c, 1), none);
    where(c, f, UA_OP_EQUALS, 2, field(c, "Nonsense"), literal(c, UA_STRING, &t1));
    CHECK_INT(told(b, c, f), 0);
    f = select_all(c);
    where(c, f, UA_OP_IS_NULL, 1, field(c, "Nonsense"), none);
    CHECK_INT(told(b, c, f), 2);
    client_free(c);
    obed_free(b);
}
static uint32_t wrong(struct client *c, uint32_t sub, struct ua_event_filter *f)
{
    struct ua_monitored_item_create_result r =
        monitor(c, sub, ua_id(0, UA_NODE_SERVER), 3, 0, true, 0, f, UA_T_event_filter);
    CHECK_INT(r.status_code, UA_BAD_EVENT_FILTER_INVALID);
    const struct ua_event_filter_result *x = ua_extension_as(&r.filter_result, UA_T_event_filter_result);
    return x && x->where_clause_result.element_results_n ? x->where_clause_result.element_results[0].status_code : 0;
}
TEST(filters_that_cannot_be)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = slow_sub(c);
    struct ua_extension none = {0};
    struct ua_event_filter *f = select_all(c);
    where(c, f, UA_OP_LIKE, 2, field(c, "Message"), field(c, "Message"));
    CHECK_INT(wrong(c, sub, f), UA_BAD_FILTER_OPERATOR_UNSUPPORTED);
    f = select_all(c);
    where(c, f, 99, 1, none, none);
    CHECK_INT(wrong(c, sub, f), UA_BAD_FILTER_OPERATOR_INVALID);
    f = select_all(c);
    where(c, f, UA_OP_EQUALS, 1, field(c, "Severity"), none);
    CHECK_INT(wrong(c, sub, f), UA_BAD_FILTER_OPERAND_COUNT);
    f = select_all(c);
    where(c, f, UA_OP_NOT, 1, other(c, 0), none); /* itself */
    CHECK_INT(wrong(c, sub, f), UA_BAD_FILTER_OPERAND_INVALID);
    f = select_all(c); /* the same element twice: a few could mean very many */
    where(c, f, UA_OP_AND, 2, other(c, 1), other(c, 1));
    where(c, f, UA_OP_IS_NULL, 1, field(c, "Severity"), none);
    wrong(c, sub, f);
    f = select_all(c);
    for (int k = 0; k < 65; k++) where(c, f, UA_OP_IS_NULL, 1, field(c, "Severity"), none);
    wrong(c, sub, f);
    f = select_all(c);
    f->select_clauses_n = 0;
    wrong(c, sub, f);
    CHECK_INT(monitor(c, sub, ua_id(0, UA_NODE_SERVER), 1, 1, true, 0, f, UA_T_data_change_filter).status_code,
              UA_BAD_ATTRIBUTE_ID_INVALID);
    CHECK_INT(watch(c, sub, ua_id(0, UA_NODE_OBJECTS_FOLDER), select_all(c)),
              UA_BAD_ATTRIBUTE_ID_INVALID); /* no notifier */
    CHECK_INT(SERVER(b)->nitems, 0);
    client_free(c);
    obed_free(b);
}

static struct ua_call_method_result call(struct client *c, struct ua_nodeid object, uint32_t method, uint32_t n,
                                         struct ua_variant a, struct ua_variant d)
{
    struct ua_variant in[2] = {a, d};
    struct ua_call_method_request m = {
        .object_id = object, .method_id = ua_id(0, method), .input_arguments = in, .input_arguments_n = n};
    struct ua_call_request q = {.methods_to_call = &m, .methods_to_call_n = 1};
    struct ua_call_response *r = CALL(c, call, &q);
    return r && r->results_n == 1 ? r->results[0] : (struct ua_call_method_result){.status_code = c->status};
}
TEST(refreshing_and_acknowledging)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = slow_sub(c);
    struct ua_nodeid conditions = ua_id(0, UA_NODE_CONDITION_TYPE);
    struct ua_variant none = {0}, id = ua_variant_scalar(UA_UINT32, &sub);
    alarm_now(b, "A1", 0, 700, true, false); /* before anybody watches */
    CHECK_INT(watch(c, sub, ua_id(0, UA_NODE_SERVER), select_all(c)), 0);
    CHECK_INT(call(c, conditions, UA_NODE_CONDITION_TYPE_CONDITION_REFRESH, 1, id, none).status_code, 0);
    struct ua_publish_response *r = publish(c, sub, 0);
    while (r && r->notification_message.notification_data_n == 0) r = publish(c, sub, 0);
    REQUIRE(events_of(r)->events_n == 3);
    CHECK_INT(((struct ua_nodeid *)events_of(r)->events[0].event_fields[F_TYPE].u.items)->i,
              UA_NODE_REFRESH_START_EVENT_TYPE);
    CHECK_STR(events_of(r)->events[1].event_fields[F_NAME].u.s, "HIGH");
    CHECK_INT(((struct ua_nodeid *)events_of(r)->events[2].event_fields[F_TYPE].u.items)->i,
              UA_NODE_REFRESH_END_EVENT_TYPE);
    struct str event = events_of(r)->events[1].event_fields[F_ID].u.s, wrong_event = STR("0123456789abcdef");
    struct ua_text comment = {STR_NULL, STR("看过了")};
    struct ua_variant ev = ua_variant_scalar(UA_BYTESTRING, &event), text = ua_variant_scalar(UA_TEXT, &comment);
    struct ua_nodeid a1 = area("alarm:A1"), a2 = area("alarm:A2");
    uint32_t ack = UA_NODE_ACKNOWLEDGEABLE_CONDITION_TYPE_ACKNOWLEDGE;
    CHECK_INT(call(c, a1, ack, 2, ua_variant_scalar(UA_BYTESTRING, &wrong_event), text).status_code,
              UA_BAD_EVENT_ID_UNKNOWN);
    CHECK_INT(call(c, a2, ack, 2, ev, text).status_code, UA_BAD_EVENT_ID_UNKNOWN); /* of another alarm */
    CHECK_INT(call(c, a1, ack, 1, ev, none).status_code, UA_BAD_ARGUMENTS_MISSING);
    CHECK_INT(call(c, a1, ack, 2, text, ev).status_code, UA_BAD_INVALID_ARGUMENT);
    CHECK_INT(b->acks, 0);
    CHECK_INT(call(c, a1, ack, 2, ev, text).status_code, 0);
    CHECK_Z(b->ack_id, "A1");
    CHECK_Z(b->ack_comment, "看过了");
    uint32_t other_sub = 999;
    CHECK_INT(
        call(c, conditions, UA_NODE_CONDITION_TYPE_CONDITION_REFRESH, 1, ua_variant_scalar(UA_UINT32, &other_sub), none)
            .status_code,
        UA_BAD_SUBSCRIPTION_ID_INVALID);
    CHECK_INT(call(c, conditions, 1, 0, none, none).status_code, UA_BAD_METHOD_INVALID);
    CHECK_INT(call(c, area("none"), ack, 0, none, none).status_code, UA_BAD_NODE_ID_UNKNOWN);
    struct ua_call_method_result items =
        call(c, ua_id(0, UA_NODE_SERVER), UA_NODE_SERVER_GET_MONITORED_ITEMS, 1, id, none);
    CHECK(items.status_code == 0 && items.output_arguments_n == 2);
    CHECK(items.output_arguments[1].n == 1 && *(uint32_t *)items.output_arguments[1].u.items == 3);
    client_free(c);
    obed_free(b);
}
TEST(a_changed_address_space_is_told)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = slow_sub(c);
    CHECK_INT(watch(c, sub, ua_id(0, UA_NODE_SERVER), select_all(c)), 0);
    CHECK_INT(watch(c, sub, area("area:Plant/Smelter"), select_all(c)), 0);
    obed_set(b);
    CHECK_INT(SERVER(b)->notes, 0); /* the same */
    b->npoints = 2;
    obed_set(b);
    struct ua_publish_response *r = publish(c, sub, 0);
    while (r && r->notification_message.notification_data_n == 0) r = publish(c, sub, 0);
    REQUIRE(events_of(r)->events_n == 1);
    CHECK_INT(((struct ua_nodeid *)events_of(r)->events[0].event_fields[F_TYPE].u.items)->i,
              UA_NODE_BASE_MODEL_CHANGE_EVENT_TYPE);
    CHECK_INT(events_of(r)->events[0].event_fields[F_CONDITION].type, UA_NULL);
    client_free(c);
    obed_free(b);
}
TEST(a_refresh_whose_subscription_goes)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = slow_sub(c);
    struct ua_variant in = ua_variant_scalar(UA_UINT32, &sub);
    struct ua_call_method_request m = {.object_id = ua_id(0, UA_NODE_CONDITION_TYPE),
                                       .method_id = ua_id(0, UA_NODE_CONDITION_TYPE_CONDITION_REFRESH),
                                       .input_arguments = &in,
                                       .input_arguments_n = 1};
    struct ua_call_request q = {.methods_to_call = &m, .methods_to_call_n = 1};
    struct ua_delete_subscriptions_request d = {.subscription_ids = &sub, .subscription_ids_n = 1};
    uint32_t first = client_send(c, UA_T_call_request, &q),
             second = client_send(c, UA_T_delete_subscriptions_request, &d);
    CHECK(client_wait(c, second, UA_T_delete_subscriptions_response));
    CHECK(client_wait(c, first, UA_T_call_response));
    client_free(c);
    obed_free(b);
}
