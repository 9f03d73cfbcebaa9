/* Subscriptions: what is told when, queues, filters, life, hostile and slow readers. */
#include "outlets/opcua/testbed.h"

#define DATA(r, k) (data_of(r)->monitored_items[k])

static struct obed *plant(const char *more)
{
    struct obed *b = server(more);
    obed_point(b, "T1", "", VALUE_DOUBLE);
    obed_point(b, "T2", "", VALUE_DOUBLE);
    obed_point(b, "TXT", "", VALUE_STRING);
    b->points[0].lo = 0;
    b->points[0].hi = 200;
    obed_set(b);
    obed_value(b, 0, 1);
    obed_value(b, 1, 2);
    return b;
}
static uint32_t sub_of(struct client *c, double ms)
{
    struct ua_create_subscription_response *r = subscribe(c, ms, 20, 0);
    CHECK(r);
    return r ? r->subscription_id : 0;
}
static uint32_t item(struct client *c, uint32_t sub, const char *code, uint32_t queue, bool oldest)
{
    struct ua_monitored_item_create_result r = monitor(c, sub, point_id(code), 7, queue, oldest, 0, NULL, 0);
    CHECK_INT(r.status_code, 0);
    return r.monitored_item_id;
}
static double value_at(const struct ua_publish_response *r, uint32_t k)
{
    const struct ua_data_change_notification *n = data_of(r);
    double d = NAN;
    if (k < n->monitored_items_n) ua_variant_double(&n->monitored_items[k].value.value, 0, &d);
    return d;
}

TEST(changes_are_told_with_their_times)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    item(c, sub, "T1", 10, true);
    struct ua_publish_response *r = publish(c, sub, 0); /* the value at first */
    REQUIRE(r && data_of(r)->monitored_items_n == 1);
    CHECK_INT(DATA(r, 0).client_handle, 7);
    CHECK_DBL(value_at(r, 0), 1, 0);
    CHECK_INT(r->notification_message.sequence_number, 1);
    CHECK_INT(r->available_sequence_numbers_n, 1);
    obed_sample(b, 0, (struct sample){.time_us = 1700000000000001, .type = SAMPLE_DOUBLE, .v.d = 5});
    obed_sample(b, 0, (struct sample){.time_us = 1700000000000002, .type = SAMPLE_DOUBLE, .v.d = 5}); /* no change */
    obed_sample(b, 0,
                (struct sample){.time_us = 1700000000000003,
                                .type = SAMPLE_DOUBLE,
                                .v.d = 5,
                                .quality = QUALITY_BAD,
                                .flags = REASON_NOT_CONNECTED});
    r = publish(c, sub, 1);
    REQUIRE(r && data_of(r)->monitored_items_n == 2);
    CHECK_INT(DATA(r, 0).value.source_us, 1700000000000001);
    CHECK_INT(DATA(r, 1).value.status, UA_BAD_NOT_CONNECTED);
    CHECK_INT(r->results_n, 1);
    CHECK_INT(r->results[0], 0);
    CHECK_INT(r->available_sequence_numbers_n, 1); /* the first one was acknowledged */
    r = publish(c, sub, 77);
    CHECK(r && r->results[0] == UA_BAD_SEQUENCE_NUMBER_UNKNOWN);
    client_free(c);
    obed_free(b);
}

static struct ua_republish_response *republish(struct client *c, uint32_t sub, uint32_t sequence)
{
    struct ua_republish_request q = {.subscription_id = sub, .retransmit_sequence_number = sequence};
    return CALL(c, republish, &q);
}
TEST(messages_can_be_had_again_until_they_are_acknowledged)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    item(c, sub, "T1", 10, true);
    CHECK(publish(c, sub, 0));
    struct ua_republish_response *r = republish(c, sub, 1);
    REQUIRE(r && r->notification_message.notification_data_n == 1);
    const struct ua_data_change_notification *n =
        ua_extension_as(&r->notification_message.notification_data[0], UA_T_data_change_notification);
    CHECK(n && n->monitored_items[0].value.value.u.d == 1);
    CHECK(republish(c, sub, 2) == NULL && c->status == UA_BAD_MESSAGE_NOT_AVAILABLE);
    CHECK(republish(c, 99, 1) == NULL && c->status == UA_BAD_SUBSCRIPTION_ID_INVALID);
    obed_value(b, 0, 3);
    CHECK(publish(c, sub, 1));
    CHECK(republish(c, sub, 1) == NULL);
    CHECK(republish(c, sub, 2) != NULL);
    for (int k = 0; k < OS_SENT_MAX + 5; k++) { /* only so many are kept */
        obed_value(b, 0, 10 + k);
        struct ua_publish_response *p = publish(c, sub, 0);
        CHECK(p && p->available_sequence_numbers_n <= OS_SENT_MAX + 1);
    }
    CHECK(republish(c, sub, 2) == NULL);
    client_free(c);
    obed_free(b);
}

TEST(queues_overflow)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10), other = sub_of(c, 10), one = sub_of(c, 10);
    item(c, sub, "T1", 3, true);
    for (int k = 0; k < 3; k++) CHECK(publish(c, sub, 0)); /* the first value, and a keep-alive of each other one */
    item(c, other, "T1", 3, false);
    item(c, one, "T1", 1, true);
    for (int k = 10; k < 15; k++) obed_value(b, 0, k);
    unsigned seen = 0;
    for (int k = 0; k < 3; k++) {
        struct ua_publish_response *r = publish(c, sub, 0);
        REQUIRE(r);
        if (r->subscription_id == sub) { /* oldest dropped: 12 13 14, the first says so */
            seen |= 1;
            CHECK_INT(data_of(r)->monitored_items_n, 3);
            CHECK_DBL(value_at(r, 0), 12, 0);
            CHECK_INT(DATA(r, 0).value.status, UA_STATUS_OVERFLOW);
            CHECK_INT(DATA(r, 2).value.status, 0);
        } else if (r->subscription_id == other) { /* newest replaced: 1 10 14, the last says so */
            seen |= 2;
            CHECK_INT(data_of(r)->monitored_items_n, 3);
            CHECK_DBL(value_at(r, 1), 10, 0);
            CHECK_DBL(value_at(r, 2), 14, 0);
            CHECK_INT(DATA(r, 2).value.status, UA_STATUS_OVERFLOW);
        } else { /* a queue of one has no overflow */
            seen |= 4;
            CHECK_INT(data_of(r)->monitored_items_n, 1);
            CHECK_DBL(value_at(r, 0), 14, 0);
            CHECK_INT(DATA(r, 0).value.status, 0);
        }
    }
    CHECK_INT(seen, 7);
    CHECK_INT(SERVER(b)->notes, 0);
    client_free(c);
    obed_free(b);
}

static struct ua_monitored_item_create_result filtered(struct client *c, uint32_t sub, const char *code,
                                                       int32_t trigger, uint32_t type, double value)
{
    struct ua_data_change_filter f = {trigger, type, value};
    return monitor(c, sub, point_id(code), 7, 20, true, 0, &f, UA_T_data_change_filter);
}
TEST(filters)
{
    static const struct {
        int32_t trigger;
        uint32_t deadband;
        double value;
        unsigned told; /* of 1 (first), 2.5, 4, 4 (later), 4 bad, 30 */
    } rows[] = {{UA_TRIGGER_STATUS, UA_DEADBAND_NONE, 0, 3},
                {UA_TRIGGER_STATUS_VALUE, UA_DEADBAND_NONE, 0, 5},
                {UA_TRIGGER_STATUS_VALUE_TIMESTAMP, UA_DEADBAND_NONE, 0, 6},
                {UA_TRIGGER_STATUS_VALUE, UA_DEADBAND_ABSOLUTE, 2, 4},
                {UA_TRIGGER_STATUS_VALUE, UA_DEADBAND_PERCENT, 10, 3}};
    struct obed *b = plant("");
    struct client *c = session(b);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint32_t sub = sub_of(c, 10);
        obed_value(b, 0, 1);
        CHECK_INT(filtered(c, sub, "T1", rows[k].trigger, rows[k].deadband, rows[k].value).status_code, 0);
        obed_value(b, 0, 2.5);
        obed_value(b, 0, 4);
        obed_sample(b, 0, (struct sample){.time_us = obed_now(b) + 5, .type = SAMPLE_DOUBLE, .v.d = 4});
        obed_sample(
            b, 0, (struct sample){.time_us = obed_now(b) + 5, .type = SAMPLE_DOUBLE, .v.d = 4, .quality = QUALITY_BAD});
        obed_value(b, 0, 30);
        struct ua_publish_response *r = publish(c, sub, 0);
        if (data_of(r)->monitored_items_n != rows[k].told)
            test_fail(__FILE__, __LINE__, "row %zu told %u", k, data_of(r)->monitored_items_n);
        struct ua_delete_subscriptions_request q = {.subscription_ids = &sub, .subscription_ids_n = 1};
        CHECK(CALL(c, delete_subscriptions, &q));
    }
    uint32_t sub = sub_of(c, 10);
    CHECK_INT(filtered(c, sub, "T2", 1, UA_DEADBAND_PERCENT, 1).status_code,
              UA_BAD_DEADBAND_FILTER_INVALID); /* no range */
    CHECK_INT(filtered(c, sub, "T1", 1, UA_DEADBAND_PERCENT, 101).status_code, UA_BAD_DEADBAND_FILTER_INVALID);
    CHECK_INT(filtered(c, sub, "T1", 1, UA_DEADBAND_ABSOLUTE, -1).status_code, UA_BAD_DEADBAND_FILTER_INVALID);
    CHECK_INT(filtered(c, sub, "TXT", 1, UA_DEADBAND_ABSOLUTE, 1).status_code, UA_BAD_FILTER_NOT_ALLOWED);
    CHECK_INT(filtered(c, sub, "T1", 5, 0, 0).status_code, UA_BAD_MONITORED_ITEM_FILTER_INVALID);
    struct ua_aggregate_filter agg = {0};
    CHECK_INT(monitor(c, sub, point_id("T1"), 1, 1, true, 0, &agg, UA_T_aggregate_filter).status_code,
              UA_BAD_MONITORED_ITEM_FILTER_UNSUPPORTED);
    CHECK_INT(monitor(c, sub, point_id("NO"), 1, 1, true, 0, NULL, 0).status_code, UA_BAD_NODE_ID_UNKNOWN);
    CHECK_INT(SERVER(b)->nitems, 0);
    client_free(c);
    obed_free(b);
}

TEST(what_comes_too_fast_is_held)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    struct ua_monitored_item_create_result m = monitor(c, sub, point_id("T1"), 1, 10, true, 20000, NULL, 0);
    CHECK_DBL(m.revised_sampling_interval, 20000, 0);
    CHECK_DBL(value_at(publish(c, sub, 0), 0), 1, 0);
    for (int k = 2; k < 9; k++) obed_value(b, 0, k);
    uint32_t id = publish_send(c, sub, 0);
    for (int k = 0; k < 5; k++) bed_step(b);
    unsigned type;
    CHECK(client_got(c, id, &type) == NULL);
    b->skip_ns += 20000 * NS_MS;
    struct ua_publish_response *r = client_wait(c, id, UA_T_publish_response);
    REQUIRE(r && data_of(r)->monitored_items_n == 1);
    CHECK_DBL(value_at(r, 0), 8, 0); /* the newest */
    client_free(c);
    obed_free(b);
}

static void set_mode(struct client *c, uint32_t sub, uint32_t id, int32_t mode)
{
    struct ua_set_monitoring_mode_request q = {
        .subscription_id = sub, .monitoring_mode = mode, .monitored_item_ids = &id, .monitored_item_ids_n = 1};
    struct ua_set_monitoring_mode_response *r = CALL(c, set_monitoring_mode, &q);
    CHECK(r && r->results[0] == 0);
}
TEST(modes_of_items)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10), id = item(c, sub, "T1", 10, true);
    CHECK_DBL(value_at(publish(c, sub, 0), 0), 1, 0);
    set_mode(c, sub, id, UA_MONITOR_SAMPLING); /* goes on in silence */
    obed_value(b, 0, 2);
    obed_value(b, 0, 3);
    uint32_t p = publish_send(c, sub, 0);
    for (int k = 0; k < 3; k++) bed_step(b);
    unsigned type;
    CHECK(client_got(c, p, &type) == NULL);
    set_mode(c, sub, id, UA_MONITOR_REPORTING);
    struct ua_publish_response *r = client_wait(c, p, UA_T_publish_response);
    CHECK(r && data_of(r)->monitored_items_n == 2);
    set_mode(c, sub, id, UA_MONITOR_DISABLED);
    obed_value(b, 0, 4);
    set_mode(c, sub, id, UA_MONITOR_REPORTING); /* what there is now */
    CHECK_DBL(value_at(publish(c, sub, 0), 0), 4, 0);
    struct ua_delete_monitored_items_request q = {
        .subscription_id = sub, .monitored_item_ids = (uint32_t[]){id, id}, .monitored_item_ids_n = 2};
    struct ua_delete_monitored_items_response *d = CALL(c, delete_monitored_items, &q);
    CHECK(d && d->results[0] == 0 && d->results[1] == UA_BAD_MONITORED_ITEM_ID_INVALID);
    CHECK(SERVER(b)->by_slot[0] == NULL);
    client_free(c);
    obed_free(b);
}
TEST(items_are_changed)
{
    struct obed *b = plant(",\"max_queue\":50");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10), id = item(c, sub, "T1", 10, true);
    for (int k = 10; k < 20; k++) obed_value(b, 0, k);
    struct ua_monitored_item_modify_request m = {
        .monitored_item_id = id,
        .requested_parameters = {.client_handle = 9, .queue_size = 2, .discard_oldest = true, .sampling_interval = -1}};
    struct ua_modify_monitored_items_request q = {.subscription_id = sub,
                                                  .timestamps_to_return = UA_STAMPS_NEITHER,
                                                  .items_to_modify = &m,
                                                  .items_to_modify_n = 1};
    struct ua_modify_monitored_items_response *r = CALL(c, modify_monitored_items, &q);
    REQUIRE(r && r->results[0].status_code == 0);
    CHECK_DBL(r->results[0].revised_sampling_interval, 10, 0); /* -1: that of the subscription */
    struct ua_publish_response *p = publish(c, sub, 0);
    REQUIRE(data_of(p)->monitored_items_n == 2);
    CHECK_DBL(value_at(p, 1), 19, 0);
    CHECK_INT(DATA(p, 0).client_handle, 9);
    CHECK_INT(DATA(p, 1).value.has, UA_HAS_VALUE);
    m.requested_parameters.queue_size = 1000;
    r = CALL(c, modify_monitored_items, &q);
    CHECK(r && r->results[0].revised_queue_size == 50);
    client_free(c);
    obed_free(b);
}

TEST(other_nodes_are_looked_at)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    struct ua_monitored_item_create_result m =
        monitor(c, sub, ua_id(0, UA_NODE_SERVER_SERVER_STATUS_CURRENT_TIME), 3, 1, true, 0, NULL, 0);
    CHECK_DBL(m.revised_sampling_interval, 1000, 0);
    struct ua_publish_response *r = publish(c, sub, 0);
    int64_t first = DATA(r, 0).value.value.u.i64;
    b->skip_ns += 1000 * NS_MS;
    r = publish(c, sub, 0);
    CHECK(data_of(r)->monitored_items_n == 1 && DATA(r, 0).value.value.u.i64 > first);
    client_free(c);
    obed_free(b);
}

TEST(silence_is_kept_alive)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_create_subscription_response *s = subscribe(c, 10, 2, 0);
    REQUIRE(s && s->revised_max_keep_alive_count == 2 && s->revised_lifetime_count == 6);
    for (int k = 0; k < 3; k++) {
        struct ua_publish_response *r = publish(c, s->subscription_id, 0);
        REQUIRE(r);
        CHECK_INT(r->notification_message.notification_data_n, 0);
        CHECK_INT(r->notification_message.sequence_number, 1); /* the next one: not used up */
    }
    /* Nobody asks any more: it ends after its lifetime. */
    UNTIL(b, (b->skip_ns += 10 * NS_MS, os_pump(SERVER(b)), SERVER(b)->nsubs == 0));
    CHECK(publish(c, s->subscription_id, 0) == NULL);
    CHECK_INT(c->status, UA_BAD_NO_SUBSCRIPTION);
    client_free(c);
    obed_free(b);
}

TEST(parts_and_priorities)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_create_subscription_response *s = subscribe(c, 10, 100, 4);
    uint32_t sub = s->subscription_id;
    item(c, sub, "T1", 100, true);
    for (int k = 10; k < 19; k++) obed_value(b, 0, k);
    unsigned n = 0, more = 0;
    while (n < 10) {
        struct ua_publish_response *r = publish(c, sub, 0);
        REQUIRE(r && data_of(r)->monitored_items_n > 0);
        CHECK(data_of(r)->monitored_items_n <= 4);
        n += data_of(r)->monitored_items_n;
        more += r->more_notifications;
    }
    CHECK_INT(n, 10);
    CHECK_INT(more, 2);
    /* Of two that are late the more important one comes first. */
    struct ua_create_subscription_request q = {.requested_publishing_interval = 10,
                                               .requested_lifetime_count = 300,
                                               .requested_max_keep_alive_count = 100,
                                               .publishing_enabled = true,
                                               .priority = 200};
    struct ua_create_subscription_response *high = CALL(c, create_subscription, &q);
    REQUIRE(high);
    item(c, high->subscription_id, "T2", 1, true);
    obed_value(b, 0, 99);
    UNTIL(b, SERVER(b)->subs->late && SERVER(b)->subs->next->late);
    struct ua_publish_response *first = publish(c, sub, 0), *second = publish(c, sub, 0);
    CHECK(first && first->subscription_id == high->subscription_id);
    CHECK(second && second->subscription_id == sub);
    client_free(c);
    obed_free(b);
}
TEST(publishing_off_and_other_intervals)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    item(c, sub, "T1", 10, true);
    struct ua_set_publishing_mode_request off = {
        .publishing_enabled = false, .subscription_ids = &sub, .subscription_ids_n = 1};
    struct ua_set_publishing_mode_response *o = CALL(c, set_publishing_mode, &off);
    CHECK(o && o->results[0] == 0);
    struct ua_publish_response *r = publish(c, sub, 0);
    CHECK(r && r->notification_message.notification_data_n == 0); /* alive, but silent */
    off.publishing_enabled = true;
    CHECK(CALL(c, set_publishing_mode, &off));
    CHECK_DBL(value_at(publish(c, sub, 0), 0), 1, 0);
    struct ua_modify_subscription_request m = {.subscription_id = sub,
                                               .requested_publishing_interval = NAN,
                                               .requested_lifetime_count = UINT32_MAX,
                                               .requested_max_keep_alive_count = UINT32_MAX};
    struct ua_modify_subscription_response *k = CALL(c, modify_subscription, &m);
    REQUIRE(k);
    CHECK_DBL(k->revised_publishing_interval, 10, 0);
    CHECK(k->revised_lifetime_count >= 3 * k->revised_max_keep_alive_count && k->revised_lifetime_count <= 360000);
    m.requested_publishing_interval = 1e300;
    k = CALL(c, modify_subscription, &m);
    CHECK(k && k->revised_publishing_interval == 3600000 && k->revised_lifetime_count == 3);
    client_free(c);
    obed_free(b);
}

TEST(requests_that_wait)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 60000), ids[21];
    unsigned type = 0;
    for (int k = 0; k < 21; k++) ids[k] = publish_send(c, sub, 0);
    struct ua_publish_response *r = client_wait(c, ids[0], UA_T_publish_response); /* the oldest makes room */
    CHECK(r == NULL && c->status == UA_BAD_TOO_MANY_PUBLISH_REQUESTS);
    CHECK(client_got(c, ids[1], &type) == NULL);
    struct ua_publish_request q = {.header = {.timeout_hint = 500, .request_handle = 5}};
    uint32_t late = client_send(c, UA_T_publish_request, &q);
    client_wait(c, ids[1], UA_T_publish_response);
    struct ua_cancel_request cancel = {.request_handle = 5};
    struct ua_cancel_response *n = CALL(c, cancel, &cancel);
    CHECK(n && n->cancel_count == 1);
    client_wait(c, late, UA_T_publish_response);
    CHECK_INT(c->status, UA_BAD_REQUEST_CANCELLED);
    late = client_send(c, UA_T_publish_request, &q);
    b->skip_ns += 600 * NS_MS;
    UNTIL(b, (os_pump(SERVER(b)), SERVER(b)->sessions->publish_n <= 19));
    client_wait(c, late, UA_T_publish_response);
    CHECK_INT(c->status, UA_BAD_TIMEOUT);
    client_free(c);
    obed_free(b);
}

TEST(a_subscription_outlives_its_session_and_is_taken_over)
{
    struct obed *b = plant("");
    struct client *c = session(b), *d = session(b);
    uint32_t sub = sub_of(c, 10);
    item(c, sub, "T1", 10, true);
    CHECK(publish(c, sub, 0));
    struct ua_close_session_request close = {.delete_subscriptions = false};
    CHECK(CALL(c, close_session, &close));
    obed_value(b, 0, 5);
    CHECK_INT(SERVER(b)->nsubs, 1);
    struct ua_transfer_subscriptions_request q = {.subscription_ids = (uint32_t[]){sub, 99}, .subscription_ids_n = 2};
    struct ua_transfer_subscriptions_response *r = CALL(d, transfer_subscriptions, &q);
    REQUIRE(r && r->results[0].status_code == 0);
    CHECK_INT(r->results[0].available_sequence_numbers_n, 1);
    CHECK_INT(r->results[1].status_code, UA_BAD_SUBSCRIPTION_ID_INVALID);
    CHECK_DBL(value_at(publish(d, sub, 1), 0), 5, 0);
    /* From a session that lives: it is told. */
    struct client *f = session(b);
    uint32_t waiting = publish_send(d, sub, 0);
    UNTIL(b, SERVER(b)->sessions->next->publish_n || SERVER(b)->sessions->publish_n);
    q = (struct ua_transfer_subscriptions_request){
        .subscription_ids = &sub, .subscription_ids_n = 1, .send_initial_values = true};
    r = CALL(f, transfer_subscriptions, &q);
    CHECK(r && r->results[0].status_code == 0);
    struct ua_publish_response *p = client_wait(d, waiting, UA_T_publish_response);
    REQUIRE(p && p->notification_message.notification_data_n == 1);
    const struct ua_status_change_notification *s =
        ua_extension_as(&p->notification_message.notification_data[0], UA_T_status_change_notification);
    CHECK(s && s->status == UA_GOOD_TRANSFERRED);
    CHECK_DBL(value_at(publish(f, sub, 0), 0), 5, 0);
    client_free(c);
    client_free(d);
    client_free(f);
    obed_free(b);
}
TEST(a_subscription_of_somebody_else)
{
    struct obed *b = plant(",\"trust\":\"any\"");
    struct client *c = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN), *d = session(b);
    REQUIRE(create_session(c) && activate(c, NULL, NULL));
    uint32_t sub = sub_of(c, 10);
    struct ua_transfer_subscriptions_request q = {.subscription_ids = &sub, .subscription_ids_n = 1};
    struct ua_transfer_subscriptions_response *r = CALL(d, transfer_subscriptions, &q);
    CHECK(r && r->results[0].status_code == UA_BAD_USER_ACCESS_DENIED);
    struct ua_delete_subscriptions_request del = {.subscription_ids = &sub, .subscription_ids_n = 1};
    struct ua_delete_subscriptions_response *x = CALL(d, delete_subscriptions, &del);
    CHECK(x && x->results[0] == UA_BAD_SUBSCRIPTION_ID_INVALID);
    client_free(c);
    client_free(d);
    obed_free(b);
}

TEST(a_new_set_keeps_what_stays)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    item(c, sub, "T1", 10, true);
    item(c, sub, "T2", 10, true);
    CHECK_INT(data_of(publish(c, sub, 0))->monitored_items_n, 2);
    struct outlet_point t2 = b->points[1]; /* T1 goes, T2 moves to its slot */
    b->points[0] = t2;
    b->npoints = 1;
    obed_set(b);
    struct ua_publish_response *r = publish(c, sub, 0);
    REQUIRE(data_of(r)->monitored_items_n == 1);
    CHECK_INT(DATA(r, 0).value.status, UA_BAD_NODE_ID_UNKNOWN);
    obed_value(b, 0, 77);
    CHECK_DBL(value_at(publish(c, sub, 0), 0), 77, 0);
    client_free(c);
    obed_free(b);
}

TEST(limits_of_subscriptions_and_items)
{
    struct obed *b = plant(",\"max_subscriptions\":2,\"max_items\":3");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    sub_of(c, 10);
    CHECK(subscribe(c, 10, 10, 0) == NULL && c->status == UA_BAD_TOO_MANY_SUBSCRIPTIONS);
    for (int k = 0; k < 3; k++) item(c, sub, "T1", 1, true);
    CHECK_INT(monitor(c, sub, point_id("T1"), 1, 1, true, 0, NULL, 0).status_code, UA_BAD_TOO_MANY_MONITORED_ITEMS);
    client_free(c);
    obed_free(b);
}
TEST(values_that_wait_are_bounded)
{
    struct obed *b = plant(",\"max_waiting\":1000");
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 60000);
    item(c, sub, "T1", 1000, true);
    item(c, sub, "T2", 1000, true);
    for (int k = 0; k < 3000; k++) {
        obed_value(b, 0, k);
        obed_value(b, 1, k);
        CHECK(SERVER(b)->notes <= 1000);
    }
    client_free(c);
    obed_free(b);
}

/* 10,000 items: what they take, and that a change costs only the items of its point. */
TEST(ten_thousand_items)
{
    struct obed *b = server("");
    char codes[50][16];
    for (int k = 0; k < 50; k++) {
        snprintf(codes[k], sizeof codes[k], "P%d", k);
        obed_point(b, codes[k], "", VALUE_DOUBLE);
    }
    obed_set(b);
    struct client *c = session(b);
    uint32_t sub = sub_of(c, 10);
    struct ua_monitored_item_create_request *items = mem_calloc(1000, sizeof *items);
    struct ua_create_monitored_items_request q = {.subscription_id = sub,
                                                  .timestamps_to_return = UA_STAMPS_SOURCE,
                                                  .items_to_create = items,
                                                  .items_to_create_n = 1000};
    for (uint32_t k = 0; k < 10000; k++) {
        items[k % 1000] = (struct ua_monitored_item_create_request){
            .item_to_monitor = {.node_id = point_id(codes[k % 50]), .attribute_id = UA_ATTR_VALUE},
            .monitoring_mode = UA_MONITOR_REPORTING,
            .requested_parameters = {.client_handle = k, .queue_size = 10, .discard_oldest = true}};
        if (k % 1000 != 999) continue;
        struct ua_create_monitored_items_response *r = CALL(c, create_monitored_items, &q);
        REQUIRE(r && r->results_n == 1000 && r->results[999].status_code == 0);
    }
    CHECK_INT(SERVER(b)->nitems, 10000);
    CHECK(sizeof(struct os_item) + 10 * sizeof(struct os_note) <= 1024);
    uint32_t seen = 0;
    while (seen < 10000) {
        struct ua_publish_response *r = publish(c, sub, 0);
        REQUIRE(r && data_of(r)->monitored_items_n);
        seen += data_of(r)->monitored_items_n;
    }
    CHECK_INT(seen, 10000);
    for (int k = 0; k < 50; k++) obed_value(b, (uint32_t)k, 5);
    for (seen = 0; seen < 10000;) seen += data_of(publish(c, sub, 0))->monitored_items_n;
    CHECK_INT(seen, 10000);
    struct ua_delete_subscriptions_request d = {.subscription_ids = &sub, .subscription_ids_n = 1};
    CHECK(CALL(c, delete_subscriptions, &d));
    CHECK_INT(SERVER(b)->nitems, 0);
    CHECK_INT(SERVER(b)->notes, 0);
    mem_free(items);
    client_free(c);
    obed_free(b);
}
