/* testbed.h - for the tests of this folder: a client of our own making beside the bed of all outlets, on the same loop.
 *
 *   struct obed *b = server("{...}");                    a server on a free port with None allowed; options are merged
 * in struct client *c = client_open(b, NULL); session(c, NULL) struct ua_read_response *r = CALL(c, read, &q); waits
 * for the answer; NULL: a fault, c->status tells which What came lives until client_free. */
#pragma once
#include "base/encode.h"
#include "outlets/common/testbed.h"
#include "outlets/opcua/server_int.h"
#include "proto/opcua/ua_identity.h"

#define US_DAY 86400000000LL
#define EVENTS 512
#define CLOSED_HERE 0x80AE0000u

struct ident {
    struct ua_key *key;
    struct ua_cert *cert;
    char pem[4096], key_pem[4096];
};
BED int os_test_random(void *ctx, void *p, size_t n)
{
    return os_random(ctx, p, n);
}
BED void pem_of(const char *what, struct str der, char *out, size_t cap)
{
    struct buf b, t;
    buf_init(&b, 65536);
    buf_init(&t, 65536);
    base64_encode(&b, der.p, der.n, false);
    buf_printf(&t, "-----BEGIN %s-----\n", what);
    for (size_t k = 0; k < b.n; k += 64) buf_printf(&t, "%.*s\n", (int)(b.n - k < 64 ? b.n - k : 64), (char *)b.p + k);
    buf_printf(&t, "-----END %s-----\n", what);
    str_to_cstr(buf_view(&t), out, cap);
    buf_fini(&b);
    buf_fini(&t);
}
/* Made once for the program; a key takes its time. */
BED struct ident *identity(unsigned k)
{
    static struct ident all[3];
    struct ident *i = &all[k];
    struct error e = {0};
    struct buf der, pem;
    if (i->cert) return i;
    buf_init(&der, 65536);
    buf_init(&pem, 65536);
    char uri[32];
    snprintf(uri, sizeof uri, "urn:test:%u", k);
    struct str host = STR("127.0.0.1");
    struct ua_cert_make m = {.name = STR("Test"),
                             .uri = str_of(uri),
                             .hosts = &host,
                             .hosts_n = 1,
                             .serial = 7 + k,
                             .from_us = 1700000000000000 - US_DAY,
                             .until_us = 1700000000000000 + 36500 * US_DAY};
    if (ua_key_new(2048, &i->key, &e) || ua_cert_new(&m, i->key, NULL, NULL, &der, &e) ||
        ua_cert_parse(buf_view(&der), &i->cert, &e) || ua_key_pem(i->key, &pem))
        test_fail(__FILE__, __LINE__, "identity: %s", e.text);
    str_to_cstr(buf_view(&pem), i->key_pem, sizeof i->key_pem);
    pem_of("CERTIFICATE", buf_view(&der), i->pem, sizeof i->pem);
    buf_fini(&der);
    buf_fini(&pem);
    return i;
}

#define REQUIRE_OR(cond, v) \
    do { \
        if (!(cond)) { \
            test_fail(__FILE__, __LINE__, "%s", #cond); \
            return v; \
        } \
    } while (0)
#define SERVER(b) ((struct os_server *)(b)->ch)

BED struct obed *server_new(void)
{
    struct obed *b = obed_new(&opcua_server_outlet);
    struct ident *own = identity(0);
    b->cert_pem = own->pem;
    b->key_pem = own->key_pem;
    b->write_outcome = DRIVER_DONE;
    return b;
}
/* more: further options, ",\"a\":1" */
BED void server_open(struct obed *b, const char *more)
{
    char json[16384];
    snprintf(json, sizeof json, "{\"port\":0,\"address\":\"127.0.0.1\",\"publishing_min\":\"10ms\"%s}", more);
    obed_open(b, json);
    UNTIL(b, SERVER(b)->listening);
}
BED struct obed *server(const char *more)
{
    struct obed *b = server_new();
    char all[8192];
    snprintf(all, sizeof all, ",\"none\":true,\"sign_only\":true%s", more);
    server_open(b, all);
    return b;
}

/* ---- the client ---- */

struct client {
    struct obed *b;
    uv_tcp_t tcp;
    uv_connect_t connect;
    bool connected, refused, open, over, gone, deaf;
    struct ua_channel *ua;
    struct arena a;
    uint8_t read[65536];
    struct {
        uint32_t id;
        unsigned type;
        void *value;
    } events[EVENTS];
    unsigned nevents;
    uint32_t status, channel_status; /* of the last answer; of the end */
    struct ua_nodeid token;
    struct str nonce; /* the server's last */
    uint32_t session_num;
    const struct ident *own;
    const struct ua_policy *policy;
    enum ua_mode mode;
};
BED void client_out(struct client *c)
{
    struct buf *out = ua_channel_out(c->ua);
    size_t n = 0;
    while (n < out->n && !c->over) {
        uv_buf_t b = uv_buf_init((char *)out->p + n, (unsigned)(out->n - n));
        int k = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        if (k > 0) n += (size_t)k;
        if (k == UV_EAGAIN) bed_step(c->b);
        if (k < 0 && k != UV_EAGAIN) c->over = true;
    }
    buf_clear(out);
}
BED void client_take(struct client *c)
{
    struct ua_event ev;
    while (ua_channel_next(c->ua, uv_hrtime(), &c->a, &ev) == 1) {
        if (ev.kind == UA_EVENT_OPENED) c->open = true;
        if (ev.kind == UA_EVENT_ERROR || ev.kind == UA_EVENT_CLOSED) c->over = true, c->channel_status = ev.status;
        if (ev.kind != UA_EVENT_MESSAGE) continue;
        CHECK(c->nevents < EVENTS);
        CHECK_INT(ev.status, 0);
        c->events[c->nevents].id = ev.request_id;
        c->events[c->nevents].type = ev.type;
        c->events[c->nevents++].value = ev.value;
    }
    client_out(c);
}
BED void client_on_read(uv_stream_t *t, ssize_t n, const uv_buf_t *b)
{
    struct client *c = t->data;
    if (n < 0) {
        c->over = c->gone = true;
        uv_read_stop(t);
        return;
    }
    if (c->ua == NULL || c->deaf) return; /* a bare one */
    if (ua_channel_in(c->ua, b->base, (size_t)n)) test_fail(__FILE__, __LINE__, "client in");
    client_take(c);
}
BED void client_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    struct client *c = h->data;
    *b = uv_buf_init((char *)c->read, sizeof c->read);
}
BED void client_connected(uv_connect_t *q, int status)
{
    struct client *c = q->data;
    c->connected = status == 0;
    c->refused = status != 0;
    if (c->connected) uv_read_start((uv_stream_t *)&c->tcp, client_alloc, client_on_read);
}
/* A bare connection. */
BED struct client *client_connect(struct obed *b)
{
    struct client *c = mem_calloc(1, sizeof *c);
    struct sockaddr_in a;
    c->b = b;
    arena_init(&c->a, (size_t)1 << 30);
    uv_tcp_init(&b->loop, &c->tcp);
    c->tcp.data = c->connect.data = c;
    uv_ip4_addr("127.0.0.1", SERVER(b)->port, &a);
    uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&a, client_connected);
    UNTIL(b, c->connected || c->refused);
    return c;
}
BED struct client *client_secure(struct obed *b, const struct ident *own, enum ua_policy_id policy, enum ua_mode mode)
{
    struct client *c = client_connect(b);
    struct error e = {0};
    c->own = own;
    c->policy = ua_policy_at(policy);
    c->mode = mode;
    struct ua_channel_config k = {.random = {os_test_random, NULL},
                                  .cert = own ? own->cert : NULL,
                                  .key = own ? own->key : NULL,
                                  .endpoint_url = STR("opc.tcp://127.0.0.1:4840"),
                                  .policy = c->policy,
                                  .mode = mode,
                                  .peer = own ? identity(0)->cert : NULL};
    if (ua_channel_new(&k, &c->ua, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    ua_channel_start(c->ua, uv_hrtime());
    client_out(c);
    UNTIL(b, c->open || c->over);
    return c;
}
BED struct client *client_open(struct obed *b)
{
    return client_secure(b, NULL, UA_POLICY_NONE, UA_MODE_NONE);
}
BED void client_gone(uv_handle_t *h)
{
    ((struct client *)h->data)->gone = true;
}
BED void client_free(struct client *c)
{
    c->gone = false;
    uv_close((uv_handle_t *)&c->tcp, client_gone);
    UNTIL(c->b, c->gone);
    ua_channel_free(c->ua);
    arena_fini(&c->a);
    mem_free(c);
}
/* Send; the id of the answer, 0: not sent. The structure begins with its header. */
BED uint32_t client_send(struct client *c, unsigned type, void *request)
{
    uint32_t id = 0;
    struct ua_request_header *h = request;
    h->authentication_token = c->token;
    h->timestamp = 1;
    if (ua_channel_send(c->ua, type, request, &id)) return 0;
    client_out(c);
    return id;
}
/* The answer to it that has come, out of the list; NULL: none yet. */
BED void *client_got(struct client *c, uint32_t id, unsigned *ret_type)
{
    for (unsigned k = 0; k < c->nevents; k++) {
        if (c->events[k].id != id) continue;
        void *v = c->events[k].value;
        *ret_type = c->events[k].type;
        memmove(&c->events[k], &c->events[k + 1], (--c->nevents - k) * sizeof c->events[0]);
        return v;
    }
    return NULL;
}
BED void *client_wait(struct client *c, uint32_t id, unsigned want)
{
    unsigned type = 0;
    void *v = NULL;
    UNTIL(c->b, v || (v = client_got(c, id, &type)) != NULL || c->over);
    c->status = v ? ((struct ua_response_header *)v)->service_result : CLOSED_HERE;
    return v && type == want ? v : NULL;
}
BED void *client_call(struct client *c, unsigned type, void *request)
{
    uint32_t id = client_send(c, type, request);
    CHECK(id != 0);
    return client_wait(c, id, ua_response_of(type));
}
#define CALL(c, name, q) ((struct ua_##name##_response *)client_call(c, UA_T_##name##_request, q))

/* ---- sessions ---- */

BED bool create_session(struct client *c)
{
    static const char nonce[32] = "0123456789abcdef0123456789abcdef";
    struct ua_create_session_request q = {.session_name = STR("test"),
                                          .endpoint_url = STR("opc.tcp://127.0.0.1:4840"),
                                          .client_nonce = {nonce, 32},
                                          .requested_session_timeout = 60000};
    if (c->own) {
        q.client_description.application_uri = str_of(ua_cert_info(c->own->cert)->uri);
        q.client_certificate = ua_cert_info(c->own->cert)->der;
    }
    struct ua_create_session_response *r = CALL(c, create_session, &q);
    if (r == NULL) return false;
    if (c->own)
        CHECK_INT(
            ua_session_verify(c->policy, identity(0)->cert, q.client_certificate, q.client_nonce, &r->server_signature),
            0);
    c->token = r->authentication_token;
    c->nonce = r->server_nonce;
    c->session_num = r->session_id.i;
    return true;
}
BED bool activate(struct client *c, const struct ua_extension *token, const struct ua_signature_data *sig)
{
    struct ua_activate_session_request q = {0};
    if (token) q.user_identity_token = *token;
    if (sig) q.user_token_signature = *sig;
    if (c->own)
        CHECK_INT(ua_session_sign(c->policy, c->own->key, ua_cert_info(identity(0)->cert)->chain, c->nonce, &c->a,
                                  &q.client_signature),
                  0);
    struct ua_activate_session_response *r = CALL(c, activate_session, &q);
    if (r) c->nonce = r->server_nonce;
    return r != NULL;
}
BED struct client *session(struct obed *b)
{
    struct client *c = client_open(b);
    CHECK(create_session(c) && activate(c, NULL, NULL));
    return c;
}

/* ---- questions that tests ask often ---- */

BED struct ua_nodeid point_id(const char *code)
{
    return ua_id_str(OS_NS_POINTS, str_of(code));
}
BED struct ua_datavalue read_attr(struct client *c, struct ua_nodeid id, uint32_t attribute)
{
    struct ua_read_value_id n = {.node_id = id, .attribute_id = attribute};
    struct ua_read_request q = {.timestamps_to_return = UA_STAMPS_BOTH, .nodes_to_read = &n, .nodes_to_read_n = 1};
    struct ua_read_response *r = CALL(c, read, &q);
    CHECK(r && r->results_n == 1);
    return r && r->results_n == 1 ? r->results[0] : (struct ua_datavalue){.status = c->status};
}
BED struct ua_datavalue read_value(struct client *c, const char *code)
{
    return read_attr(c, point_id(code), UA_ATTR_VALUE);
}
BED uint32_t write_value(struct client *c, const char *code, unsigned type, const void *v)
{
    struct ua_write_value w = {.node_id = point_id(code), .attribute_id = UA_ATTR_VALUE};
    w.value.has = UA_HAS_VALUE;
    w.value.value = ua_variant_scalar(type, v);
    struct ua_write_request q = {.nodes_to_write = &w, .nodes_to_write_n = 1};
    struct ua_write_response *r = CALL(c, write, &q);
    return r && r->results_n == 1 ? r->results[0] : c->status;
}
BED struct ua_create_subscription_response *subscribe(struct client *c, double ms, uint32_t keep, uint32_t max)
{
    struct ua_create_subscription_request q = {.requested_publishing_interval = ms,
                                               .requested_lifetime_count = 3 * keep,
                                               .requested_max_keep_alive_count = keep,
                                               .max_notifications_per_publish = max,
                                               .publishing_enabled = true};
    return CALL(c, create_subscription, &q);
}
BED struct ua_monitored_item_create_result monitor(struct client *c, uint32_t sub, struct ua_nodeid id, uint32_t handle,
                                                   uint32_t queue, bool oldest, double sampling, void *filter,
                                                   unsigned filter_type)
{
    struct ua_monitored_item_create_request i = {
        .item_to_monitor = {.node_id = id,
                            .attribute_id = filter_type == UA_T_event_filter ? UA_ATTR_EVENT_NOTIFIER : UA_ATTR_VALUE},
        .monitoring_mode = UA_MONITOR_REPORTING,
        .requested_parameters = {
            .client_handle = handle, .sampling_interval = sampling, .queue_size = queue, .discard_oldest = oldest}};
    if (filter) i.requested_parameters.filter = ua_extension_of(filter_type, filter);
    struct ua_create_monitored_items_request q = {
        .subscription_id = sub, .timestamps_to_return = UA_STAMPS_BOTH, .items_to_create = &i, .items_to_create_n = 1};
    struct ua_create_monitored_items_response *r = CALL(c, create_monitored_items, &q);
    return r && r->results_n == 1 ? r->results[0] : (struct ua_monitored_item_create_result){.status_code = c->status};
}
BED uint32_t publish_send(struct client *c, uint32_t sub, uint32_t ack)
{
    struct ua_subscription_acknowledgement a = {sub, ack};
    struct ua_publish_request q = {.subscription_acknowledgements = &a, .subscription_acknowledgements_n = ack != 0};
    return client_send(c, UA_T_publish_request, &q);
}
/* The next message; time goes by at once. */
BED struct ua_publish_response *publish(struct client *c, uint32_t sub, uint32_t ack)
{
    uint32_t id = publish_send(c, sub, ack);
    unsigned type = 0;
    void *v = NULL;
    for (int k = 0; k < 1000 && !v && !c->over; k++) {
        uv_run(&c->b->loop, UV_RUN_NOWAIT);
        if (k % 4 == 3) c->b->skip_ns += 5 * NS_MS, os_pump(SERVER(c->b));
        v = client_got(c, id, &type);
    }
    c->status = v ? ((struct ua_response_header *)v)->service_result : CLOSED_HERE;
    return v && type == UA_T_publish_response ? v : NULL;
}
BED const struct ua_data_change_notification *data_of(const struct ua_publish_response *r)
{
    static const struct ua_data_change_notification none;
    if (r == NULL || r->notification_message.notification_data_n != 1) return &none;
    const void *v = ua_extension_as(&r->notification_message.notification_data[0], UA_T_data_change_notification);
    return v ? v : &none;
}
