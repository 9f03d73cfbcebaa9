/* Rules of sessions and services held against clients that break them: nonces, replays, requests that end after their
 * session, too many of anything, wrong types, and a thousand connections that come and go. */
#include <dirent.h>
#include "outlets/opcua/testbed.h"

static struct obed *plant(const char *more)
{
    struct obed *b = server(more);
    obed_point(b, "T1", "", VALUE_DOUBLE);
    obed_point(b, "RUN", "", VALUE_BOOL);
    obed_point(b, "TXT", "", VALUE_STRING);
    obed_point(b, "N", "", VALUE_INT16);
    for (int k = 0; k < 4; k++) b->points[k].writable = true;
    b->points[0].lo = 0, b->points[0].hi = 10;
    obed_set(b);
    obed_value(b, 0, 1);
    return b;
}

/* ---- sessions ------------------------------------------------------------------------------------------------ */

TEST(nonces_of_sessions)
{
    static const char bytes[1000] = "0123456789abcdef0123456789abcdef";
    static const size_t lengths[] = {0, 1, 31, 32, 64, 1000};
    struct obed *b = server(",\"trust\":\"any\"");
    for (int secure = 0; secure < 2; secure++) {
        struct client *c =
            secure ? client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN) : client_open(b);
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            struct ua_create_session_request q = {.endpoint_url = STR("opc.tcp://127.0.0.1:4840"),
                                                  .client_nonce = {bytes, lengths[k]},
                                                  .requested_session_timeout = 60000};
            if (secure) q.client_description.application_uri = str_of(ua_cert_info(identity(1)->cert)->uri);
            if (secure) q.client_certificate = ua_cert_info(identity(1)->cert)->der;
            struct ua_create_session_response *r = CALL(c, create_session, &q);
            CHECK_INT(r != NULL, !secure || lengths[k] >= 32);
            if (r == NULL) CHECK_INT(c->status, UA_BAD_NONCE_INVALID);
        }
        client_free(c);
    }
    obed_free(b);
}

/* What was signed for one activation is worth nothing for another one, here or on another connection. */
TEST(an_activation_that_is_replayed)
{
    struct obed *b = server(",\"trust\":\"any\"");
    struct client *c = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    struct client *d = client_secure(b, identity(1), UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    REQUIRE(create_session(c));
    struct ua_activate_session_request q = {0};
    CHECK_INT(ua_session_sign(c->policy, c->own->key, ua_cert_info(identity(0)->cert)->chain, c->nonce, &c->a,
                              &q.client_signature),
              0);
    CHECK(CALL(c, activate_session, &q) != NULL);
    CHECK(CALL(c, activate_session, &q) == NULL);
    CHECK_INT(c->status, UA_BAD_APPLICATION_SIGNATURE_INVALID);
    d->token = c->token;
    CHECK(CALL(d, activate_session, &q) == NULL);
    CHECK_INT(d->status, UA_BAD_APPLICATION_SIGNATURE_INVALID);
    q.client_signature = (struct ua_signature_data){0};
    CHECK(CALL(d, activate_session, &q) == NULL);
    CHECK_INT(read_attr(c, ua_id(0, UA_NODE_SERVER_SERVER_STATUS_STATE), UA_ATTR_VALUE).status, 0); /* it goes on */
    client_free(c);
    client_free(d);
    obed_free(b);
}

/* The session is closed while the host still works for it: the request is answered all the same. */
TEST(a_session_closed_in_mid_call)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    int16_t v = 1;
    struct ua_write_value w = {.node_id = point_id("N"), .attribute_id = UA_ATTR_VALUE};
    w.value.has = UA_HAS_VALUE;
    w.value.value = ua_variant_scalar(UA_INT16, &v);
    struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
    struct ua_close_session_request close = {.delete_subscriptions = true};
    b->hold_writes = true;
    uint32_t id = client_send(c, UA_T_write_request, &q);
    UNTIL(b, b->writes == 1);
    struct obed_write held = b->write;
    CHECK(CALL(c, close_session, &close) != NULL);
    obed_finish_write(b, &held, DRIVER_DONE);
    CHECK(client_wait(c, id, UA_T_write_response) == NULL);
    CHECK_INT(c->status, UA_BAD_SESSION_CLOSED);
    CHECK_INT(SERVER(b)->job_count, 0);
    CHECK(create_session(c) && activate(c, NULL, NULL)); /* the connection is as good as before */
    CHECK_DBL(read_value(c, "T1").value.u.d, 1, 0);
    client_free(c);
    obed_free(b);
}

/* A certificate that has run out is refused though it stands in the list. */
TEST(a_trusted_certificate_that_has_expired)
{
    static struct ident old;
    struct str host = STR("127.0.0.1");
    struct ua_cert_make m = {.name = STR("Old"),
                             .uri = STR("urn:old"),
                             .hosts = &host,
                             .hosts_n = 1,
                             .serial = 99,
                             .from_us = 1600000000000000,
                             .until_us = 1600000000000000 + US_DAY};
    struct buf der;
    buf_init(&der, 65536);
    old.key = identity(1)->key;
    REQUIRE(ua_cert_new(&m, old.key, NULL, NULL, &der, NULL) == 0 &&
            ua_cert_parse(buf_view(&der), &old.cert, NULL) == 0);
    pem_of("CERTIFICATE", buf_view(&der), old.pem, sizeof old.pem);
    buf_fini(&der);
    char more[8192], *p = more;
    p += snprintf(p, sizeof more, ",\"trusted\":\"");
    for (const char *t = old.pem; *t; t++) p += *t == '\n' ? snprintf(p, 3, "\\n") : snprintf(p, 2, "%c", *t);
    snprintf(p, 8, "\"");
    struct obed *b = server(more);
    struct client *c = client_secure(b, &old, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    CHECK(!c->open);
    CHECK_INT(c->channel_status, UA_BAD_SECURITY_CHECKS_FAILED); /* why, the peer is not told */
    CHECK(b->warnings > 0);
    client_free(c);
    obed_free(b);
    ua_cert_free(old.cert);
}

/* ---- services ------------------------------------------------------------------------------------------------ */

#define MANY 11 /* of at most 10 */
static void too_many(struct client *c, unsigned type, void *request, uint32_t *n, uint32_t none)
{
    for (uint32_t k = 0; k <= MANY; k += MANY) {
        *n = k;
        uint32_t want = k ? UA_BAD_TOO_MANY_OPERATIONS : none;
        if (client_call(c, type, request) != NULL || c->status != want)
            test_fail(__FILE__, __LINE__, "%s of %u: %s, want %s", ua_type_name(type), k, ua_status_name(c->status),
                      ua_status_name(want));
    }
}
#define TOO_MANY(c, name, member, type, ...) \
    do { \
        struct type items_[MANY] = {0}; \
        struct ua_##name##_request q_ = {.member = items_, __VA_ARGS__}; \
        too_many(c, UA_T_##name##_request, &q_, &q_.member##_n, UA_BAD_NOTHING_TO_DO); \
    } while (0)
TEST(too_many_of_anything)
{
    struct obed *b = plant(",\"max_nodes\":10");
    struct client *c = session(b);
    struct ua_create_subscription_response *s = subscribe(c, 10, 100, 0);
    REQUIRE(s);
    uint32_t sub = s->subscription_id, ids[MANY] = {0};
    TOO_MANY(c, read, nodes_to_read, ua_read_value_id, .max_age = 0);
    TOO_MANY(c, write, nodes_to_write, ua_write_value, .header.timestamp = 0);
    TOO_MANY(c, browse, nodes_to_browse, ua_browse_description, .header.timestamp = 0);
    TOO_MANY(c, translate_browse_paths_to_node_ids, browse_paths, ua_browse_path, .header.timestamp = 0);
    TOO_MANY(c, register_nodes, nodes_to_register, ua_nodeid, .header.timestamp = 0);
    TOO_MANY(c, unregister_nodes, nodes_to_unregister, ua_nodeid, .header.timestamp = 0);
    TOO_MANY(c, browse_next, continuation_points, str, .header.timestamp = 0);
    TOO_MANY(c, create_monitored_items, items_to_create, ua_monitored_item_create_request, .subscription_id = sub);
    TOO_MANY(c, modify_monitored_items, items_to_modify, ua_monitored_item_modify_request, .subscription_id = sub);
    struct ua_set_monitoring_mode_request mode = {.subscription_id = sub, .monitored_item_ids = ids};
    too_many(c, UA_T_set_monitoring_mode_request, &mode, &mode.monitored_item_ids_n, UA_BAD_NOTHING_TO_DO);
    struct ua_delete_monitored_items_request gone = {.subscription_id = sub, .monitored_item_ids = ids};
    too_many(c, UA_T_delete_monitored_items_request, &gone, &gone.monitored_item_ids_n, UA_BAD_NOTHING_TO_DO);
    struct ua_delete_subscriptions_request subs = {.subscription_ids = ids};
    too_many(c, UA_T_delete_subscriptions_request, &subs, &subs.subscription_ids_n, UA_BAD_NOTHING_TO_DO);
    struct ua_transfer_subscriptions_request over = {.subscription_ids = ids};
    too_many(c, UA_T_transfer_subscriptions_request, &over, &over.subscription_ids_n, UA_BAD_NOTHING_TO_DO);
    struct ua_set_publishing_mode_request on = {.subscription_ids = ids};
    too_many(c, UA_T_set_publishing_mode_request, &on, &on.subscription_ids_n, UA_BAD_NOTHING_TO_DO);
    struct ua_subscription_acknowledgement acks[MANY] = {{0}};
    struct ua_publish_request publishing = {.subscription_acknowledgements = acks,
                                            .subscription_acknowledgements_n = MANY};
    CHECK(CALL(c, publish, &publishing) == NULL && c->status == UA_BAD_TOO_MANY_OPERATIONS);
    CHECK_DBL(read_value(c, "T1").value.u.d, 1, 0);
    client_free(c);
    obed_free(b);
}

/* Every built-in type to points of every type: only the right one goes to the host. */
TEST(values_of_wrong_types)
{
    static const struct {
        const char *code;
        unsigned right;
    } points[] = {{"T1", UA_DOUBLE}, {"RUN", UA_BOOLEAN}, {"TXT", UA_STRING}, {"N", UA_INT16}};
    static const uint64_t zeros[64];
    struct obed *b = plant("");
    struct client *c = session(b);
    for (size_t k = 0; k < sizeof points / sizeof points[0]; k++) {
        for (unsigned t = UA_BOOLEAN; t < UA_BUILTIN_COUNT; t++) {
            if (t == UA_VARIANT) continue; /* only in arrays */
            unsigned before = b->writes;
            uint32_t status = write_value(c, points[k].code, t, zeros);
            bool right = t == points[k].right;
            if (status != (right ? UA_GOOD : UA_BAD_TYPE_MISMATCH) || b->writes != before + right)
                test_fail(__FILE__, __LINE__, "%s to %s: %s", ua_type_name(t), points[k].code, ua_status_name(status));
        }
        struct ua_write_value w = {.node_id = point_id(points[k].code), .attribute_id = UA_ATTR_VALUE};
        struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
        unsigned before = b->writes;
        for (int how = 0; how < 4; how++) { /* an array of one, nothing, no value at all, an array of values */
            w.value = (struct ua_datavalue){.has = how == 2 ? 0 : UA_HAS_VALUE};
            if (how == 0) w.value.value = ua_variant_array(points[k].right, (void *)(uintptr_t)zeros, 1);
            struct ua_variant inner = ua_variant_scalar(UA_DOUBLE, zeros);
            if (how == 3) w.value.value = ua_variant_array(UA_VARIANT, &inner, 1);
            struct ua_write_response *r = CALL(c, write, &q);
            CHECK(r && ua_bad(r->results[0]));
        }
        CHECK_INT(b->writes, before);
    }
    client_free(c);
    obed_free(b);
}
TEST(attributes_that_are_none)
{
    static const uint32_t ids[] = {0, 28, 100, 65536 + 13, UINT32_MAX};
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_nodeid nodes[] = {point_id("T1"), ua_id(0, UA_NODE_OBJECTS_FOLDER), ua_id(0, UA_NODE_SERVER),
                                ua_id(0, UA_NODE_ORGANIZES), ua_id_str(1, STR("EURange:ns=2;s=T1"))};
    for (size_t n = 0; n < sizeof nodes / sizeof nodes[0]; n++) {
        CHECK(os_node_find(SERVER(b), &nodes[n]).kind != OS_NONE);
        for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
            CHECK_INT(read_attr(c, nodes[n], ids[k]).status, UA_BAD_ATTRIBUTE_ID_INVALID);
            struct ua_write_value w = {.node_id = nodes[n], .attribute_id = ids[k]};
            struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
            struct ua_write_response *r = CALL(c, write, &q);
            CHECK(r && ua_bad(r->results[0]));
        }
    }
    CHECK_INT(b->writes, 0);
    client_free(c);
    obed_free(b);
}

/* ---- connections --------------------------------------------------------------------------------------------- */

static unsigned open_files(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}
/* As far as the number says; then it goes, in one of three ways. */
static void come_and_go(struct obed *b, int k)
{
    struct client *c = k % 6 < 3 ? client_connect(b) : client_open(b);
    static const uint8_t half[] = {'H', 'E', 'L', 'F', 60, 0, 0, 0, 0, 0, 0, 0, 0xff};
    struct ua_channel_config none = {.random = {os_test_random, NULL},
                                     .endpoint_url = STR("opc.tcp://x"),
                                     .policy = ua_policy_at(UA_POLICY_NONE),
                                     .mode = UA_MODE_NONE};
    uv_buf_t o = uv_buf_init((char *)(uintptr_t)half, sizeof half);
    if (k % 6 < 3) CHECK_INT(ua_channel_new(&none, &c->ua, NULL), 0);
    if (k % 6 == 1) uv_try_write((uv_stream_t *)&c->tcp, &o, 1); /* half a hello */
    if (k % 6 == 2) {                                            /* a hello, and no opening */
        ua_channel_start(c->ua, uv_hrtime());
        struct buf *out = ua_channel_out(c->ua);
        o = uv_buf_init((char *)out->p, (unsigned)out->n);
        uv_try_write((uv_stream_t *)&c->tcp, &o, 1);
        buf_clear(out);
    }
    if (k % 6 >= 4) CHECK(create_session(c));
    if (k % 6 == 5) CHECK(activate(c, NULL, NULL) && subscribe(c, 10, 100, 0));
    struct ua_close_session_request close = {.delete_subscriptions = true};
    if (k % 6 == 5 && k % 3 == 2) CHECK(CALL(c, close_session, &close));
    if (k % 4 == 3) { /* by a reset */
        c->gone = false;
        uv_tcp_close_reset(&c->tcp, client_gone);
        UNTIL(b, c->gone);
        ua_channel_free(c->ua);
        arena_fini(&c->a);
        mem_free(c);
    } else {
        client_free(c);
    }
}
TEST(a_thousand_that_come_and_go)
{
    struct obed *b = plant("");
    struct client *good = session(b);
    struct ua_create_subscription_response *s = subscribe(good, 10, 1000, 0);
    REQUIRE(s);
    uint32_t sub = s->subscription_id;
    CHECK_INT(monitor(good, sub, point_id("T1"), 1, 100, true, 0, NULL, 0).status_code, 0);
    CHECK_INT(data_of(publish(good, sub, 0))->monitored_items_n, 1);
    unsigned files = open_files(), told = 0;
    for (int k = 0; k < 1000; k++) {
        come_and_go(b, k);
        if (k % 50) continue;
        obed_value(b, 0, 1000 + k); /* the good one hears everything meanwhile */
        const struct ua_data_change_notification *d = data_of(publish(good, sub, 0));
        CHECK_INT(d->monitored_items_n, 1);
        if (d->monitored_items_n == 1) CHECK_DBL(d->monitored_items[0].value.value.u.d, 1000 + k, 0);
        told++;
    }
    CHECK_INT(told, 20);
    UNTIL(b, SERVER(b)->nconns == 1);
    CHECK_INT(open_files(), files);
    CHECK_INT(SERVER(b)->handles, 3); /* the timer, the listener, the good one */
    CHECK(SERVER(b)->nsessions <= 100 && SERVER(b)->nsubs <= 101);
    CHECK_INT(SERVER(b)->nitems, 1);
    client_free(good);
    obed_free(b);
}

/* A subscriber that asks for everything and reads nothing: what waits for it is bounded, then it is let go; others
 * get every value. */
TEST(a_subscriber_that_does_not_read)
{
    struct obed *b = plant(",\"max_output\":1,\"max_waiting\":2000");
    struct client *good = session(b), *c = session(b);
    struct ua_create_subscription_response *s = subscribe(c, 10, 100, 0), *t = subscribe(good, 10, 100, 0);
    REQUIRE(s && t);
    static char text[256];
    memset(text, 'x', sizeof text - 1);
    for (uint32_t k = 0; k < 100; k++)
        CHECK_INT(monitor(c, s->subscription_id, point_id("TXT"), k, 1000, true, 0, NULL, 0).status_code, 0);
    CHECK_INT(monitor(good, t->subscription_id, point_id("T1"), 1, 1000, true, 0, NULL, 0).status_code, 0);
    CHECK_INT(data_of(publish(good, t->subscription_id, 0))->monitored_items_n, 1);
    uv_read_stop((uv_stream_t *)&c->tcp);
    uint32_t id = os_session_at(SERVER(b), c->session_num)->conn;
    size_t most = 0;
    unsigned got = 0;
    for (int k = 0; k < 600; k++) {
        text[k % 200] = (char)('a' + k % 26);
        obed_text(b, 2, text);
        if (k % 20 == 0) publish_send(c, s->subscription_id, 0);
        if (k % 20 == 10) {
            obed_value(b, 0, k);
            got += data_of(publish(good, t->subscription_id, 0))->monitored_items_n;
        }
        b->skip_ns += 1 * NS_MS;
        uv_run(&b->loop, UV_RUN_NOWAIT);
        struct os_conn *at = os_conn_find(SERVER(b), id);
        size_t waits = at ? at->writing.n + ua_channel_out(at->ua)->n : 0;
        if (waits > most) most = waits;
        CHECK(SERVER(b)->notes <= 2000);
    }
    CHECK_INT(got, 30);
    CHECK(most > 100000 && most < (2u << 20));
    for (int k = 0; k < 10 && os_conn_find(SERVER(b), id); k++) {
        b->skip_ns += 31000 * NS_MS;
        os_session_at(SERVER(b), good->session_num)->last_ns = os_now(SERVER(b));
        os_pump(SERVER(b));
    }
    CHECK(os_conn_find(SERVER(b), id) == NULL);
    client_free(c);
    client_free(good);
    obed_free(b);
}
