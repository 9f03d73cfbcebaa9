/* The whole server as a peer meets it: bytes on a socket, in any order and at any moment of a session. The first byte
 * says how far the peer behaves well (0 not at all, 1 hello and opening, 2 a session created, 3 activated, 4 with a
 * subscription and items); then come records: what it does, two bytes of length, and the bytes.
 *
 *   0      bytes as they are                    1 2 3  a chunk of a message: final, of more, given up
 *   4      an opening (to renew)                5      the end of the channel
 *   6..    a request: its service by the number; the header is sound, the rest are the bytes
 *   0xf0.. a value, an alarm, another set, time goes by, a second peer comes or goes
 *
 * Afterwards the peer goes: no connection, item, note or job may be left, and a good client is served. */
#include <assert.h>
#include <stdlib.h>
#include "outlets/opcua/testbed.h"
#include "proto/opcua/ua_channel_int.h"

#define PIECE 4096

void test_fail(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, fmt);
    abort();
}

static struct obed *bed;

static void start(void)
{
    bed = server(",\"max_subscriptions\":10,\"max_items\":100,\"max_waiting\":1000,\"max_nodes\":50,\"max_message\":1,"
                 "\"max_output\":1,\"max_connections\":10,\"max_sessions\":10");
    obed_point(bed, "A", "", VALUE_DOUBLE);
    obed_point(bed, "B", "ns=2;i=7", VALUE_AUTO);
    obed_point(bed, "C", "", VALUE_STRING);
    obed_point(bed, "D", "", VALUE_BOOL);
    for (int k = 0; k < 4; k++) bed->points[k].area = "X/Y", bed->points[k].writable = k > 1;
    obed_set(bed);
    obed_value(bed, 0, 5);
    obed_text(bed, 2, "text");
    bed->nalarms = 1;
    bed->alarms[0] = (struct outlet_alarm){.id = "1-h",
                                           .slot = 0,
                                           .rule = "h",
                                           .message_en = "high",
                                           .message_zh = "高",
                                           .severity = 500,
                                           .active = true,
                                           .who = "",
                                           .comment = ""};
}
static void turn(int times)
{
    for (int k = 0; k < times; k++) uv_run(&bed->loop, UV_RUN_NOWAIT);
}

/* What stands in the channel's output goes out; a socket that takes no more is full. */
static void put(struct client *c, const void *p, size_t n)
{
    for (size_t at = 0; at < n && !c->over;) {
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)p + at, (unsigned)(n - at < PIECE ? n - at : PIECE));
        int k = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        if (k < 0) break;
        at += (size_t)k;
        turn(1);
    }
}
static void put_out(struct client *c)
{
    struct buf *out = ua_channel_out(c->ua);
    put(c, out->p, out->n);
    buf_clear(out);
    turn(1);
}
static void put_chunk(struct client *c, enum ua_chunk_type type, char kind, const uint8_t *p, size_t n)
{
    struct buf *out = ua_channel_out(c->ua);
    buf_clear(out);
    size_t at = ua_chunk_begin(out, type, kind);
    buf_u32le(out, c->ua->channel_id);
    buf_u32le(out, c->ua->tokens[c->ua->sending].id);
    buf_u32le(out, ua_ch_next_sequence(c->ua));
    buf_u32le(out, ++c->ua->requests);
    buf_add(out, p, n);
    ua_chunk_end(out, at);
    put_out(c);
}
static void put_opening(struct client *c, const uint8_t *p, size_t n)
{
    struct buf *out = ua_channel_out(c->ua);
    buf_clear(out);
    if (ua_asym_seal(ua_policy_at(UA_POLICY_NONE), NULL, NULL, NULL, c->ua->channel_id, ua_ch_next_sequence(c->ua),
                     ++c->ua->requests, str_make((const char *)p, n), out) == 0)
        put_out(c);
}
static void put_request(struct client *c, unsigned type, const uint8_t *p, size_t n)
{
    struct ua_request_header h = {.authentication_token = c->token, .timestamp = 1, .request_handle = 1};
    struct ua_nodeid id = ua_id(0, ua_structure(type)->binary);
    struct buf b;
    buf_init(&b, 1 << 20);
    ua_encode(&b, UA_NODEID, &id);
    ua_encode(&b, UA_T_request_header, &h);
    buf_add(&b, p, n);
    for (size_t at = 0; at < b.n; at += 8000) {
        size_t part = b.n - at < 8000 ? b.n - at : 8000;
        if (at) c->ua->requests--;
        put_chunk(c, UA_CHUNK_MSG, at + part == b.n ? 'F' : 'C', b.p + at, part);
    }
    buf_fini(&b);
}

static struct client *second;
static void happen(unsigned what, const uint8_t *p, size_t n)
{
    double x = 0;
    if (n >= 8) memcpy(&x, p, 8);
    if (what == 0) obed_value(bed, 0, x);
    if (what == 1) obed_sample(bed, 1, (struct sample){.type = (uint8_t)(n ? p[0] % 6 : 0), .v.i = (int64_t)n});
    if (what == 2) bed->outlet->alarm(bed->ch, &bed->alarms[0]);
    if (what == 3) bed->npoints = n % 5, obed_set(bed);
    if (what == 4) bed->skip_ns += (uint64_t)n * 50 * NS_MS, os_pump(SERVER(bed));
    if (what == 5) turn(3);
    if (what == 6 && second == NULL) second = client_connect(bed);
    if (what == 7 && second) client_free(TAKE(second));
    bed->npoints = what == 3 ? bed->npoints : 4;
    bed->nrows = 0;
}

static const uint16_t types[] = {
    UA_T_read_request,
    UA_T_write_request,
    UA_T_browse_request,
    UA_T_browse_next_request,
    UA_T_translate_browse_paths_to_node_ids_request,
    UA_T_register_nodes_request,
    UA_T_history_read_request,
    UA_T_call_request,
    UA_T_create_subscription_request,
    UA_T_modify_subscription_request,
    UA_T_set_publishing_mode_request,
    UA_T_publish_request,
    UA_T_republish_request,
    UA_T_delete_subscriptions_request,
    UA_T_transfer_subscriptions_request,
    UA_T_create_monitored_items_request,
    UA_T_modify_monitored_items_request,
    UA_T_set_monitoring_mode_request,
    UA_T_delete_monitored_items_request,
    UA_T_get_endpoints_request,
    UA_T_find_servers_request,
    UA_T_cancel_request,
    UA_T_activate_session_request,
    UA_T_create_session_request,
    UA_T_close_session_request,
    UA_T_open_secure_channel_request,
    UA_T_read_response,
};
#define TYPES (sizeof types / sizeof types[0])

static struct client *peer_of(unsigned how)
{
    if (how == 0) {
        struct client *c = client_connect(bed);
        struct ua_channel_config k = {.random = {os_test_random, NULL},
                                      .endpoint_url = STR("opc.tcp://x"),
                                      .policy = ua_policy_at(UA_POLICY_NONE),
                                      .mode = UA_MODE_NONE};
        if (ua_channel_new(&k, &c->ua, NULL)) abort();
        return c;
    }
    struct client *c = client_open(bed);
    if (how >= 2) assert(create_session(c));
    if (how >= 3) assert(activate(c, NULL, NULL));
    if (how >= 4) {
        struct ua_create_subscription_response *s = subscribe(c, 10, 10, 0);
        assert(s && monitor(c, s->subscription_id, point_id("A"), 1, 10, true, 0, NULL, 0).status_code == 0);
        publish_send(c, s->subscription_id, 0);
    }
    return c;
}
static void act(struct client *c, unsigned what, const uint8_t *p, size_t n)
{
    if (what >= 0xf0)
        happen(what & 7, p, n);
    else if (what == 0)
        put(c, p, n);
    else if (what <= 3)
        put_chunk(c, UA_CHUNK_MSG, "FCA"[what - 1], p, n);
    else if (what == 4)
        put_opening(c, p, n);
    else if (what == 5)
        put_chunk(c, UA_CHUNK_CLO, 'F', p, n);
    else
        put_request(c, types[(what - 6) % TYPES], p, n);
}

static void settle(struct client *c)
{
    struct os_server *s = SERVER(bed);
    if (second) client_free(TAKE(second));
    client_free(c);
    UNTIL(bed, s->nconns == 0 && s->jobs == NULL);
    while (s->sessions) os_session_end(s, s->sessions, true);
    os_subs_free(s);
    assert(s->nitems == 0 && s->notes == 0 && s->sent_bytes == 0 && s->nsubs == 0 && s->event_items == NULL);
    assert(s->handles == 2 && s->nconns == 0); /* the timer and the listener */
    bed->npoints = 4;
    obed_set(bed);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static unsigned count;
    if (n < 4) return 0;
    if (bed == NULL) start();
    SERVER(bed)->sub_ids = SERVER(bed)->item_generation = SERVER(bed)->free_item = 0; /* the same ids each time */
    struct client *c = peer_of(p[0] % 5);
    c->deaf = true;
    for (p++, n--; n >= 3;) {
        size_t len = p[1] | (size_t)p[2] << 8;
        if (len > n - 3) len = n - 3;
        act(c, p[0], p + 3, len);
        p += 3 + len;
        n -= 3 + len;
    }
    turn(2);
    struct os_server *s = SERVER(bed);
    assert(s->nitems <= 100 && s->notes <= 1000 && s->nsubs <= 10 && s->nconns <= 10 && s->nsessions <= 10);
    settle(c);
    if (++count % 256 == 0) {
        struct client *good = session(bed);
        CHECK_INT(read_value(good, "D").status, UA_BAD_WAITING_FOR_INITIAL_DATA);
        client_free(good);
        UNTIL(bed, s->nconns == 0);
        while (s->sessions) os_session_end(s, s->sessions, true);
    }
    return 0;
}
