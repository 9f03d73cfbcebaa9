/* server_bed.h - for tests of this folder: a host that keeps what is told, and a server that the test plays. The server
 * answers every request properly unless the script of the test takes it: what is wrong in it is up to the test.
 *
 *   struct bed *b = bed_new("");                   further options of the channel: ",\"a\":1"
 *   bed_points(b, 3);                              points 1..3: ns=2;s=P1 ...
 *   UNTIL(b, b->state == DRIVER_UP);
 *   bed_tell(b, 0, 1.5);                           a notification of the first item, by a waiting publish request
 *   b->script = fn;                                bool fn(b, ev): it has answered, or will not
 *   bed_free(b);
 * One thread; functions are static. */
#pragma once
#include <math.h>
#include <signal.h>
#include "drivers/common/testbed.h"
#include "drivers/opcua/opcua_int.h"

#define BED_POINTS 64
#define BED_WAITING 64

struct peer {
    struct peer *next;
    struct bed *b;
    uv_tcp_t tcp;
    struct ua_channel *ua;
    bool over;
    uint8_t read[65536];
};
struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct driver_host host;
    struct driver_channel *ch;
    uint64_t skip_ns;
    enum driver_state state;
    struct sample last[BED_POINTS + 1]; /* by num */
    unsigned count[BED_POINTS + 1], logs, states, interns;
    bool closed, full;
    /* the server */
    uv_tcp_t listener;
    uint16_t port;
    struct peer *peer; /* the newest; the others behind it */
    unsigned npeers;
    struct arena answer; /* of one request */
    bool (*script)(struct bed *b, const struct ua_event *ev);
    void *script_arg;
    unsigned seen[UA_T_END]; /* requests by type */
    uint32_t ids, sub, sequence, handles[BED_POINTS], nhandles;
    struct {
        uint32_t request, handle;
    } waiting[BED_WAITING]; /* publish requests */
    unsigned nwaiting;
};

/* ---- the host ------------------------------------------------------------------------------------------------ */

BED int bed_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->full) return ERR_AGAIN;
    for (size_t i = 0; i < n; i++) {
        if (s[i].point == 0 || s[i].point > BED_POINTS) test_fail(__FILE__, __LINE__, "point %u", s[i].point);
        b->last[s[i].point] = s[i];
        b->count[s[i].point]++;
    }
    return 0;
}
BED int bed_intern(void *ctx, const char *p, size_t n, uint64_t *ret_id)
{
    (void)p, (void)n;
    *ret_id = ++((struct bed *)ctx)->interns;
    return 0;
}
BED int64_t bed_now(void *ctx)
{
    return 1700000000000000 + (int64_t)((uv_hrtime() + ((struct bed *)ctx)->skip_ns) / 1000 % 1000000000000);
}
BED uint64_t bed_mono(void *ctx)
{
    return uv_hrtime() + ((struct bed *)ctx)->skip_ns;
}
BED uint64_t bed_random(void *ctx)
{
    (void)ctx;
    return 0x123456789abcdefull;
}
BED void bed_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    (void)level, (void)msg, (void)kv;
    ((struct bed *)ctx)->logs++;
}
BED void bed_state(void *ctx, enum driver_state s, const struct error *why)
{
    struct bed *b = ctx;
    if (s == DRIVER_DOWN) CHECK(why && why->text[0] && why->text_zh[0]);
    b->state = s;
    b->states++;
}

/* ---- the server: bytes --------------------------------------------------------------------------------------- */

BED void peer_put(struct peer *p, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n && !p->over;) {
        uv_buf_t o = uv_buf_init((char *)(uintptr_t)bytes + at, (unsigned)(n - at));
        int k = uv_try_write((uv_stream_t *)&p->tcp, &o, 1);
        if (k == UV_EAGAIN) uv_run(&p->b->loop, UV_RUN_NOWAIT);
        if (k < 0 && k != UV_EAGAIN) p->over = true;
        if (k > 0) at += (size_t)k;
    }
}
BED void peer_out(struct peer *p)
{
    struct buf out = *ua_channel_out(p->ua);
    buf_init(ua_channel_out(p->ua), out.max); /* more may come up while it is written */
    peer_put(p, out.p, out.n);
    buf_fini(&out);
}
BED void peer_gone(uv_handle_t *h)
{
    struct peer *p = h->data;
    for (struct peer **at = &p->b->peer; *at; at = &(*at)->next) {
        if (*at != p) continue;
        *at = p->next;
        break;
    }
    p->b->npeers--;
    ua_channel_free(p->ua);
    mem_free(p);
}
BED void peer_close(struct peer *p)
{
    p->over = true;
    if (!uv_is_closing((uv_handle_t *)&p->tcp)) uv_close((uv_handle_t *)&p->tcp, peer_gone);
}
BED void bed_serve(struct bed *b, struct peer *p, const struct ua_event *ev);
BED void peer_take(struct peer *p)
{
    struct bed *b = p->b;
    struct ua_event ev;
    while (!p->over && ua_channel_next(p->ua, uv_hrtime(), &b->answer, &ev) == 1) {
        if (ev.kind == UA_EVENT_MESSAGE) bed_serve(b, p, &ev);
        if (ev.kind == UA_EVENT_CLOSED || ev.kind == UA_EVENT_ERROR) p->over = true;
        arena_reset(&b->answer);
    }
    peer_out(p);
    if (p->over) peer_close(p);
}
BED void peer_on_read(uv_stream_t *t, ssize_t n, const uv_buf_t *o)
{
    struct peer *p = t->data;
    if (n < 0 || (n > 0 && ua_channel_in(p->ua, o->base, (size_t)n))) p->over = true;
    if (p->over)
        peer_close(p);
    else
        peer_take(p);
}
BED void peer_alloc(uv_handle_t *h, size_t want, uv_buf_t *o)
{
    struct peer *p = h->data;
    (void)want;
    *o = uv_buf_init((char *)p->read, sizeof p->read);
}
BED int peer_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
    return 0;
}
BED void bed_accept(uv_stream_t *t, int status)
{
    struct bed *b = t->data;
    struct peer *p = mem_calloc(1, sizeof *p);
    struct ua_channel_config k = {.server = true, .random = {peer_random, NULL}, .channel_id = ++b->ids};
    (void)status;
    k.modes[UA_POLICY_NONE] = 1 << UA_MODE_NONE;
    p->b = b;
    p->next = b->peer;
    b->peer = p;
    b->npeers++;
    b->nwaiting = 0;
    uv_tcp_init(&b->loop, &p->tcp);
    p->tcp.data = p;
    if (ua_channel_new(&k, &p->ua, NULL) || uv_accept(t, (uv_stream_t *)&p->tcp))
        test_fail(__FILE__, __LINE__, "accept");
    uv_tcp_nodelay(&p->tcp, 1);
    uv_read_start((uv_stream_t *)&p->tcp, peer_alloc, peer_on_read);
}

/* ---- the server: answers ------------------------------------------------------------------------------------- */

#define BED_ANSWER(b, ev, name, ...) \
    bed_answer(b, (ev)->request_id, (ev)->handle, UA_T_##name, &(struct ua_##name){__VA_ARGS__})
BED void bed_answer(struct bed *b, uint32_t request, uint32_t handle, unsigned type, void *value)
{
    struct ua_response_header *h = value;
    h->request_handle = handle;
    if (b->peer && ua_channel_answer(b->peer->ua, request, type, value) == 0) peer_out(b->peer);
}
BED void bed_fault(struct bed *b, const struct ua_event *ev, uint32_t status)
{
    if (b->peer && ua_channel_fault(b->peer->ua, ev->request_id, ev->handle, status, 0) == 0) peer_out(b->peer);
}
BED void *bed_array(struct bed *b, size_t n, size_t size)
{
    return arena_calloc(&b->answer, n ? n : 1, size);
}

BED void bed_endpoints(struct bed *b, const struct ua_event *ev)
{
    static struct ua_user_token_policy anyone = {.policy_id = {"anonymous", 9}, .token_type = UA_TOKEN_ANONYMOUS};
    struct ua_endpoint_description d = {.endpoint_url = STR("opc.tcp://127.0.0.1"),
                                        .security_mode = UA_MODE_NONE,
                                        .security_policy_uri = str_of(ua_policy_at(UA_POLICY_NONE)->uri),
                                        .user_identity_tokens = &anyone,
                                        .user_identity_tokens_n = 1};
    BED_ANSWER(b, ev, get_endpoints_response, .endpoints = &d, .endpoints_n = 1);
}
BED void bed_session(struct bed *b, const struct ua_event *ev)
{
    static const char nonce[33] = "0123456789abcdef0123456789abcdef";
    BED_ANSWER(b, ev, create_session_response, .session_id = ua_id(1, ++b->ids),
               .authentication_token = ua_id(1, b->ids), .revised_session_timeout = 60000, .server_nonce = {nonce, 32});
}
BED void bed_read(struct bed *b, const struct ua_event *ev)
{
    static const struct str spaces[] = {{"http://opcfoundation.org/UA/", 28}, {"urn:a", 5}, {"urn:b", 5}};
    static const double seven = 7;
    const struct ua_read_request *q = ev->value;
    struct ua_datavalue *v = bed_array(b, q->nodes_to_read_n, sizeof *v);
    for (uint32_t i = 0; i < q->nodes_to_read_n; i++) {
        const struct ua_nodeid *id = &q->nodes_to_read[i].node_id;
        v[i] = (struct ua_datavalue){.has = UA_HAS_STATUS, .status = UA_BAD_NODE_ID_UNKNOWN};
        if (id->ns == 0 && id->i == UA_NODE_SERVER_NAMESPACE_ARRAY)
            v[i] = (struct ua_datavalue){.has = UA_HAS_VALUE,
                                         .value = ua_variant_array(UA_STRING, (void *)(uintptr_t)spaces, 3)};
        if (id->ns == 2)
            v[i] = (struct ua_datavalue){.has = UA_HAS_VALUE | UA_HAS_SOURCE_TIME,
                                         .value = ua_variant_scalar(UA_DOUBLE, &seven),
                                         .source_us = bed_now(b)};
    }
    BED_ANSWER(b, ev, read_response, .results = v, .results_n = q->nodes_to_read_n);
}
BED void bed_make_sub(struct bed *b, const struct ua_event *ev)
{
    const struct ua_create_subscription_request *q = ev->value;
    b->sequence = 0;
    b->sub = ++b->ids;
    BED_ANSWER(b, ev, create_subscription_response, .subscription_id = b->sub,
               .revised_publishing_interval = q->requested_publishing_interval,
               .revised_lifetime_count = q->requested_lifetime_count,
               .revised_max_keep_alive_count = q->requested_max_keep_alive_count);
}
BED void bed_make_items(struct bed *b, const struct ua_event *ev)
{
    const struct ua_create_monitored_items_request *q = ev->value;
    struct ua_monitored_item_create_result *r = bed_array(b, q->items_to_create_n, sizeof *r);
    b->nhandles = 0;
    for (uint32_t i = 0; i < q->items_to_create_n; i++) {
        r[i].monitored_item_id = ++b->ids;
        if (b->nhandles < BED_POINTS)
            b->handles[b->nhandles++] = q->items_to_create[i].requested_parameters.client_handle;
    }
    BED_ANSWER(b, ev, create_monitored_items_response, .results = r, .results_n = q->items_to_create_n);
}
BED void bed_drop_items(struct bed *b, const struct ua_event *ev)
{
    const struct ua_delete_monitored_items_request *q = ev->value;
    uint32_t *r = bed_array(b, q->monitored_item_ids_n, sizeof *r);
    BED_ANSWER(b, ev, delete_monitored_items_response, .results = r, .results_n = q->monitored_item_ids_n);
}
BED void bed_keep_publish(struct bed *b, const struct ua_event *ev)
{
    if (b->nwaiting == BED_WAITING) {
        test_fail(__FILE__, __LINE__, "%u publish requests wait", b->nwaiting);
        return;
    }
    b->waiting[b->nwaiting].request = ev->request_id;
    b->waiting[b->nwaiting++].handle = ev->handle;
}
BED void bed_no_republish(struct bed *b, const struct ua_event *ev)
{
    bed_fault(b, ev, UA_BAD_MESSAGE_NOT_AVAILABLE);
}
BED void bed_activated(struct bed *b, const struct ua_event *ev)
{
    static const char nonce[33] = "0123456789abcdef0123456789abcdef";
    BED_ANSWER(b, ev, activate_session_response, .server_nonce = {nonce, 32});
}
BED void bed_session_closed(struct bed *b, const struct ua_event *ev)
{
    BED_ANSWER(b, ev, close_session_response, .header.service_result = 0);
}

BED void bed_serve(struct bed *b, struct peer *p, const struct ua_event *ev)
{
    static const struct {
        unsigned type;
        void (*fn)(struct bed *b, const struct ua_event *ev);
    } rows[] = {{UA_T_get_endpoints_request, bed_endpoints},
                {UA_T_create_session_request, bed_session},
                {UA_T_activate_session_request, bed_activated},
                {UA_T_close_session_request, bed_session_closed},
                {UA_T_read_request, bed_read},
                {UA_T_create_subscription_request, bed_make_sub},
                {UA_T_create_monitored_items_request, bed_make_items},
                {UA_T_delete_monitored_items_request, bed_drop_items},
                {UA_T_publish_request, bed_keep_publish},
                {UA_T_republish_request, bed_no_republish}};
    if (p != b->peer) return;
    b->seen[ev->type]++;
    if (b->script && b->script(b, ev)) return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type != ev->type) continue;
        rows[i].fn(b, ev);
        return;
    }
    bed_fault(b, ev, UA_BAD_SERVICE_UNSUPPORTED);
}

/* By the oldest publish request that waits; false: there is none. */
BED bool bed_notify(struct bed *b, uint32_t sub, uint32_t sequence, unsigned type, void *data)
{
    struct ua_extension x = ua_extension_of(type, data);
    if (b->nwaiting == 0) return false;
    uint32_t request = b->waiting[0].request, handle = b->waiting[0].handle;
    memmove(b->waiting, b->waiting + 1, --b->nwaiting * sizeof b->waiting[0]);
    struct ua_publish_response r = {.subscription_id = sub,
                                    .notification_message = {.sequence_number = sequence,
                                                             .publish_time = bed_now(b),
                                                             .notification_data = data ? &x : NULL,
                                                             .notification_data_n = data ? 1 : 0}};
    bed_answer(b, request, handle, UA_T_publish_response, &r);
    return true;
}
BED bool bed_tell(struct bed *b, uint32_t item, double value)
{
    struct ua_monitored_item_notification n = {
        .client_handle = b->handles[item],
        .value = {.has = UA_HAS_VALUE | UA_HAS_SOURCE_TIME, .value = ua_variant_scalar(UA_DOUBLE, &value)}};
    struct ua_data_change_notification d = {.monitored_items = &n, .monitored_items_n = 1};
    n.value.source_us = bed_now(b);
    return bed_notify(b, b->sub, ++b->sequence, UA_T_data_change_notification, &d);
}

/* ---- the bed ------------------------------------------------------------------------------------------------- */

BED struct bed *bed_new(const char *more)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    struct sockaddr_in at = {0};
    struct error e = {0};
    char json[1000];
    int n = sizeof at;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 16 << 20);
    arena_init(&b->answer, 256 << 20);
    uv_tcp_init(&b->loop, &b->listener);
    b->listener.data = b;
    uv_ip4_addr("127.0.0.1", 0, &at);
    if (uv_tcp_bind(&b->listener, (struct sockaddr *)&at, 0) ||
        uv_listen((uv_stream_t *)&b->listener, 16, bed_accept) ||
        uv_tcp_getsockname(&b->listener, (struct sockaddr *)&at, &n))
        test_fail(__FILE__, __LINE__, "listen");
    b->port = ntohs(at.sin_port);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .publish = bed_publish,
                                   .intern = bed_intern,
                                   .now_us = bed_now,
                                   .mono_ns = bed_mono,
                                   .random = bed_random,
                                   .log = bed_log,
                                   .state = bed_state};
    snprintf(json, sizeof json,
             "{\"endpoint\":\"opc.tcp://127.0.0.1:%u\",\"security\":\"none\",\"reconnect_min\":\"50ms\","
             "\"reconnect_max\":\"100ms\"%s}",
             b->port, more);
    if (opcua_driver.channel_open(&b->host, bed_options(b, opcua_driver.channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", json, e.text);
    return b;
}
BED void bed_points(struct bed *b, uint32_t n)
{
    static char address[BED_POINTS][32];
    struct driver_device d = {.num = 1, .code = "D"};
    struct driver_point p[BED_POINTS];
    struct error e = {0};
    for (uint32_t i = 0; i < n; i++) {
        snprintf(address[i], sizeof address[i], "ns=2;s=P%u", i + 1);
        p[i] = (struct driver_point){.num = i + 1,
                                     .type = VALUE_AUTO,
                                     .address = address[i],
                                     .period_ms = 100,
                                     .scale = 1,
                                     .lo = NAN,
                                     .hi = NAN};
    }
    CHECK_INT(opcua_driver.channel_set(b->ch, &d, 1, p, n, &e), 0);
}
#define CHANNEL(b) ((struct oc_channel *)(b)->ch)
/* Time goes by at once. */
BED void bed_skip(struct bed *b, uint64_t ms)
{
    b->skip_ns += ms * NS_MS;
    oc_pump(CHANNEL(b));
}
BED void bed_free(struct bed *b)
{
    b->script = NULL;
    b->full = false;
    opcua_driver.close(b->ch, bed_closed, &b->closed);
    UNTIL(b, b->closed);
    for (struct peer *p = b->peer; p; p = p->next) peer_close(p);
    uv_close((uv_handle_t *)&b->listener, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    CHECK_INT(b->npeers, 0);
    arena_fini(&b->answer);
    arena_fini(&b->arena);
    mem_free(b);
}
