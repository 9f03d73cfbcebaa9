/* Any requests to a server with a session, a subscription and an item of values and one of events, one after the other,
 * with changes of values, alarms, a new set and time going by between them. An input is records: a byte that chooses
 * the service or what happens, two bytes of length, and what stands behind the header of the request. */
#include <assert.h>
#include <stdlib.h>
#include "outlets/opcua/testbed.h"

void test_fail(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, fmt);
    abort();
}

static struct obed *bed;
static struct client *peer;

static void start(void)
{
    bed = server(",\"max_subscriptions\":20,\"max_items\":200,\"max_waiting\":2000,\"max_nodes\":50");
    obed_point(bed, "A", "", VALUE_DOUBLE);
    obed_point(bed, "B", "ns=2;i=7", VALUE_AUTO);
    obed_point(bed, "C", "", VALUE_STRING);
    obed_point(bed, "D", "", VALUE_BOOL);
    bed->points[0].lo = 0;
    bed->points[0].hi = 10;
    bed->points[0].unit = "kPa";
    for (int k = 0; k < 4; k++) bed->points[k].area = "X/Y", bed->points[k].writable = k > 1;
    obed_set(bed);
    obed_value(bed, 0, 5);
    obed_text(bed, 2, "text");
    bed->host.frame = NULL;
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
static void sign_in(void)
{
    if (peer) client_free(peer);
    peer = session(bed);
    peer->deaf = true;
}
static void ask(unsigned type, const uint8_t *p, size_t n)
{
    struct os_server *s = SERVER(bed);
    struct ua_request_header h = {.authentication_token = peer->token, .timestamp = 1, .request_handle = 1};
    struct buf b;
    buf_init(&b, 1 << 20);
    arena_reset(&s->arena);
    ua_encode(&b, UA_T_request_header, &h);
    buf_add(&b, p, n);
    struct ua_limits l = {.string = 1u << 16, .array = 1000, .depth = 24, .message = 1u << 20};
    struct ua_decoder d = ua_decoder(&s->arena, buf_view(&b), &l);
    void *value = arena_calloc(&s->arena, 1, ua_size_of(type));
    if (value && ua_decode(&d, type, value) && s->conns) {
        struct ua_event ev = {.kind = UA_EVENT_MESSAGE, .type = type, .value = value, .request_id = 1};
        os_call_take(s->conns, &ev);
        if (s->conns) buf_clear(ua_channel_out(s->conns->ua));
    }
    buf_fini(&b);
}
static void happen(unsigned what, const uint8_t *p, size_t n)
{
    double x = 0;
    if (n >= 8) memcpy(&x, p, 8);
    if (what == 0) obed_value(bed, 0, x);
    if (what == 1)
        obed_sample(bed, 1,
                    (struct sample){.type = (uint8_t)(n ? p[0] % 6 : 0),
                                    .v.i = (int64_t)n,
                                    .quality = (uint8_t)(n > 1 ? p[1] % 3 : 0)});
    if (what == 2) bed->outlet->alarm(bed->ch, &bed->alarms[0]);
    if (what == 3) bed->npoints = n % 5, obed_set(bed);
    if (what == 4) bed->skip_ns += (uint64_t)n * 50 * NS_MS, os_pump(SERVER(bed));
    if (what == 5) uv_run(&bed->loop, UV_RUN_NOWAIT);
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
};
#define TYPES (sizeof types / sizeof types[0])

static void settle(void)
{
    struct os_server *s = SERVER(bed);
    for (int k = 0; k < 5 && (s->jobs || bed->later); k++) uv_run(&bed->loop, UV_RUN_NOWAIT);
    os_subs_free(s);
    assert(s->nitems == 0 && s->notes == 0 && s->sent_bytes == 0 && s->nsubs == 0);
    if (bed->npoints != 4) bed->npoints = 4, obed_set(bed);
    for (struct os_session *x = s->sessions, *after; x; x = after) {
        after = x->next;
        if (x->num != peer->session_num) os_session_end(s, x, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (bed == NULL) start();
    if (peer == NULL || peer->over || os_session_at(SERVER(bed), peer->session_num) == NULL) sign_in();
    SERVER(bed)->sub_ids = 0; /* so that the ids are always the same */
    SERVER(bed)->item_generation = 0;
    SERVER(bed)->free_item = 0;
    while (n >= 3) {
        size_t len = p[1] | (size_t)p[2] << 8;
        if (len > n - 3) len = n - 3;
        if (p[0] < 0xf0)
            ask(types[p[0] % TYPES], p + 3, len);
        else
            happen(p[0] & 7, p + 3, len);
        p += 3 + len;
        n -= 3 + len;
    }
    settle();
    return 0;
}
