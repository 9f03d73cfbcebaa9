/* Peers that mean no good, or are broken: each ends its own connection, the server and the others go on. */
#include "outlets/opcua/testbed.h"

static struct obed *plant(const char *more)
{
    struct obed *b = server(more);
    obed_point(b, "T1", "", VALUE_DOUBLE);
    obed_point(b, "TXT", "", VALUE_STRING);
    obed_set(b);
    obed_value(b, 0, 1);
    return b;
}
static void still_well(struct obed *b, struct client *good)
{
    CHECK_DBL(read_value(good, "T1").value.u.d, 1, 0);
    CHECK_INT(b->state, DRIVER_UP);
}
/* Bytes on a bare connection; the server is to close it. */
static void ends(struct obed *b, const void *bytes, size_t n)
{
    struct client *c = client_connect(b);
    struct ua_channel_config k = {.random = {os_test_random, NULL},
                                  .endpoint_url = STR("opc.tcp://x"),
                                  .policy = ua_policy_at(UA_POLICY_NONE),
                                  .mode = UA_MODE_NONE};
    CHECK_INT(ua_channel_new(&k, &c->ua, NULL), 0);
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
    CHECK_INT(uv_try_write((uv_stream_t *)&c->tcp, &out, 1), (int)n);
    UNTIL(b, c->over);
    client_free(c);
}

TEST(bytes_that_are_no_opc_ua)
{
    struct obed *b = plant("");
    struct client *good = session(b);
    static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    ends(b, http, sizeof http - 1);
    static const uint8_t huge[] = {'H', 'E', 'L', 'F', 0xff, 0xff, 0xff, 0x7f},
                         tiny[] = {'H', 'E', 'L', 'F', 1, 0, 0, 0};
    ends(b, huge, sizeof huge);
    ends(b, tiny, sizeof tiny);
    static const uint8_t early[] = {'M', 'S', 'G', 'F', 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    ends(b, early, sizeof early);
    UNTIL(b, SERVER(b)->nconns == 1);
    still_well(b, good);
    CHECK(obed_status(b).errors >= 4);
    client_free(good);
    obed_free(b);
}
TEST(who_says_nothing_is_let_go)
{
    struct obed *b = plant("");
    struct client *c = client_connect(b);
    UNTIL(b, SERVER(b)->nconns == 1);
    b->skip_ns += 11000 * NS_MS;
    os_pump(SERVER(b));
    UNTIL(b, SERVER(b)->nconns == 0);
    client_free(c);
    obed_free(b);
}

TEST(who_does_not_sign_in_may_not_stay)
{
    struct obed *b = plant(",\"max_connections\":3");
    struct client *good = session(b), *c[3];
    for (int k = 0; k < 3; k++) c[k] = client_open(b); /* the third one takes the place of the first */
    CHECK(c[1]->open && c[2]->open);
    UNTIL(b, c[0]->over);
    CHECK(!c[1]->over && !c[2]->over);
    b->skip_ns += 61000 * NS_MS;
    SERVER(b)->sessions->last_ns = os_now(SERVER(b)); /* the good one has been at work */
    os_pump(SERVER(b));
    UNTIL(b, c[1]->over && c[2]->over);
    still_well(b, good);
    for (int k = 0; k < 3; k++) client_free(c[k]);
    client_free(good);
    obed_free(b);
}

/* A message of chunks that never ends. */
TEST(a_flood_of_chunks)
{
    struct obed *b = plant(",\"max_message\":1");
    struct client *good = session(b), *c = client_open(b);
    static uint8_t chunk[8192] = {'M', 'S', 'G', 'C', 0, 32};
    struct ua_channel_info i = ua_channel_info(c->ua);
    memcpy(chunk + 8, &i.channel_id, 4);
    memcpy(chunk + 12, &i.token_id, 4);
    for (uint32_t k = 0; k < 1000 && !c->over; k++) {
        uint32_t sequence = 2 + k, request = 9;
        memcpy(chunk + 16, &sequence, 4);
        memcpy(chunk + 20, &request, 4);
        uv_buf_t out = uv_buf_init((char *)chunk, sizeof chunk);
        if (uv_try_write((uv_stream_t *)&c->tcp, &out, 1) != (int)sizeof chunk) break;
        if (k % 20 == 0) bed_step(b);
    }
    UNTIL(b, SERVER(b)->nconns == 1);
    still_well(b, good);
    client_free(c);
    client_free(good);
    obed_free(b);
}
TEST(values_in_values)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_variant v[20];
    v[0] = (struct ua_variant){.type = UA_DOUBLE, .n = 1};
    for (int k = 1; k < 20; k++) v[k] = ua_variant_array(UA_VARIANT, &v[k - 1], 1);
    struct ua_write_value w = {.node_id = point_id("T1"), .attribute_id = UA_ATTR_VALUE};
    w.value.has = UA_HAS_VALUE;
    w.value.value = v[19];
    struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
    struct ua_write_response *r = CALL(c, write, &q);
    CHECK(r ? ua_bad(r->results[0]) : ua_bad(c->status));
    still_well(b, c);
    client_free(c);
    obed_free(b);
}

/* Asks for much and reads nothing: what waits for it is bounded, then it is dropped with its session. */
TEST(a_reader_that_does_not_read)
{
    struct obed *b = plant(",\"max_output\":1");
    struct client *good = session(b), *c = session(b);
    static char text[250];
    memset(text, 'x', sizeof text - 1);
    obed_text(b, 1, text);
    struct ua_read_value_id n[1000];
    for (int k = 0; k < 1000; k++)
        n[k] = (struct ua_read_value_id){.node_id = point_id("TXT"), .attribute_id = UA_ATTR_VALUE};
    struct ua_read_request q = {.nodes_to_read = n, .nodes_to_read_n = 1000};
    uv_read_stop((uv_stream_t *)&c->tcp);
    struct os_conn *at = SERVER(b)->conns;
    uint32_t id = at->id;
    size_t most = 0;
    for (int k = 0; k < 200 && os_conn_find(SERVER(b), id); k++) {
        struct buf *out = ua_channel_out(c->ua);
        uint32_t request;
        q.header.authentication_token = c->token;
        if (ua_channel_send(c->ua, UA_T_read_request, &q, &request)) break;
        uv_buf_t o = uv_buf_init((char *)out->p, (unsigned)out->n);
        int sent = uv_try_write((uv_stream_t *)&c->tcp, &o, 1);
        if (sent > 0) buf_drop(out, (size_t)sent);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        at = os_conn_find(SERVER(b), id);
        size_t waits = at ? at->writing.n + ua_channel_out(at->ua)->n : 0;
        if (waits > most) most = waits;
    }
    CHECK(most > 100000 && most < (2u << 20));
    b->skip_ns += 31000 * NS_MS; /* the piece under way is not taken */
    os_pump(SERVER(b));
    CHECK(os_conn_find(SERVER(b), id) == NULL);
    client_free(c);
    client_free(good);
    obed_free(b);
}

TEST(a_thousand_connections)
{
    struct obed *b = plant(",\"max_connections\":50");
    struct client *good = session(b);
    struct client *c[60];
    for (int round = 0; round < 16; round++) {
        for (int k = 0; k < 60; k++) c[k] = client_connect(b);
        CHECK(SERVER(b)->nconns <= 50);
        for (int k = 0; k < 60; k++) client_free(c[k]);
    }
    UNTIL(b, SERVER(b)->nconns == 1);
    CHECK_INT(SERVER(b)->handles, 3); /* the timer, the listener, the good one */
    still_well(b, good);
    client_free(good);
    obed_free(b);
}

/* Random changes in sound requests. */
TEST(requests_with_wrong_bits)
{
    struct obed *b = plant("");
    struct client *good = session(b), *c = NULL;
    uint32_t seed = 12345;
    for (int k = 0; k < 300; k++) {
        if (c && (c->over || c->nevents > EVENTS - 50)) {
            client_free(c);
            c = NULL;
        }
        if (c == NULL) c = session(b);
        struct ua_monitored_item_create_request i = {
            .item_to_monitor = {.node_id = point_id("T1"), .attribute_id = UA_ATTR_VALUE}};
        struct ua_create_monitored_items_request q = {.header = {.authentication_token = c->token},
                                                      .subscription_id = 1,
                                                      .items_to_create = &i,
                                                      .items_to_create_n = 1};
        uint32_t id;
        if (ua_channel_send(c->ua, UA_T_create_monitored_items_request, &q, &id)) break;
        struct buf *out = ua_channel_out(c->ua);
        for (int n = 0; n < 3 && out->n > 24; n++) {
            seed = seed * 1103515245u + 12345u;
            out->p[24 + (seed >> 8) % (out->n - 24)] ^= (uint8_t)(1u << (seed >> 4 & 7));
        }
        client_out(c);
        uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    still_well(b, good);
    if (c) client_free(c);
    client_free(good);
    obed_free(b);
}

TEST(closing_with_everything_under_way)
{
    struct obed *b = plant("");
    struct client *c = session(b);
    struct ua_create_subscription_response *s = subscribe(c, 10, 100, 0);
    REQUIRE(s);
    CHECK_INT(monitor(c, s->subscription_id, point_id("T1"), 1, 10, true, 0, NULL, 0).status_code, 0);
    for (int k = 0; k < 5; k++) publish_send(c, s->subscription_id, 0);
    struct ua_history_read_value_id n = {.node_id = point_id("T1")};
    struct ua_read_raw_modified_details d = {.start_time = 1700000000000000, .end_time = 1800000000000000};
    struct ua_history_read_request h = {.history_read_details = ua_extension_of(UA_T_read_raw_modified_details, &d),
                                        .timestamps_to_return = UA_STAMPS_BOTH,
                                        .nodes_to_read = &n,
                                        .nodes_to_read_n = 1};
    client_send(c, UA_T_history_read_request, &h);
    uv_run(&b->loop, UV_RUN_NOWAIT);
    obed_close(b);
    UNTIL(b, c->over);
    client_free(c);
    obed_free(b);
}

/* The server answers, or says BadOutOfMemory, or drops the connection; it never falls over. */
TEST(memory_runs_out_anywhere)
{
    struct obed *b = plant("");
    b->host.frame = NULL; /* putting frames into words takes memory as well */
    for (uint64_t at = 1; at < 120; at += 1) {
        struct client *c = session(b);
        struct ua_create_subscription_response *s = subscribe(c, 10, 100, 0);
        REQUIRE(s);
        struct ua_monitored_item_create_request i = {
            .item_to_monitor = {.node_id = point_id("TXT"), .attribute_id = UA_ATTR_VALUE},
            .monitoring_mode = UA_MONITOR_REPORTING,
            .requested_parameters = {.queue_size = 5}};
        struct ua_create_monitored_items_request q = {.header = {.authentication_token = c->token},
                                                      .subscription_id = s->subscription_id,
                                                      .items_to_create = &i,
                                                      .items_to_create_n = 1};
        uint32_t id;
        CHECK_INT(ua_channel_send(c->ua, UA_T_create_monitored_items_request, &q, &id), 0);
        client_out(c);
        bool wide = at % 2 == 0;
        mem_fail_at(1 + at / 2, wide);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        mem_fail_at(0, false);
        client_free(c);
        UNTIL(b, SERVER(b)->nconns == 0);
        while (SERVER(b)->sessions) os_session_end(SERVER(b), SERVER(b)->sessions, true);
    }
    CHECK_INT(SERVER(b)->nitems, 0);
    CHECK_INT(SERVER(b)->notes, 0);
    struct client *good = session(b);
    still_well(b, good);
    client_free(good);
    obed_free(b);
}
