/* Any bytes from a peer, to a server or a client (first byte), in pieces (second byte): before the opening, or behind a
 * sound hello and opening of policy None. The channel must end or go on, and hold no more than its limits. */
#include <assert.h>
#include "proto/opcua/ua_channel.h"

static int fill(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
    return 0;
}
static uint32_t accept_url(void *ctx, struct str url)
{
    (void)ctx;
    return url.n > 100 ? 0x80830000u : 0;
}
static struct ua_channel *make(bool server)
{
    struct ua_channel_config c = {
        .server = server,
        .limits = {.string = 1 << 16, .array = 10000, .depth = 32, .message = 1 << 18, .chunks = 20, .partial = 3},
        .random = {fill, NULL},
        .endpoint_url = STR("opc.tcp://x"),
        .policy = ua_policy_at(UA_POLICY_NONE),
        .mode = UA_MODE_NONE,
        .channel_id = 1,
        .modes = {1 << UA_MODE_NONE},
        .check_url = accept_url,
    };
    struct ua_channel *ch = NULL;
    if (ua_channel_new(&c, &ch, NULL) != 0) return NULL;
    if (!server) ua_channel_start(ch, 1);
    return ch;
}
static void drain(struct ua_channel *ch, struct arena *a)
{
    struct ua_event ev;
    int rc;
    while ((rc = ua_channel_next(ch, 2, a, &ev)) == 1) {
        assert(ev.kind != UA_EVENT_NONE);
        if (ev.kind == UA_EVENT_MESSAGE) assert(ev.status != 0 || ev.value != NULL);
        if (ev.kind == UA_EVENT_MESSAGE && ua_channel_fault(ch, ev.request_id, ev.handle, 0x800b0000u, 0) == 0)
            buf_clear(ua_channel_out(ch));
        arena_reset(a);
    }
    struct ua_channel_info i = ua_channel_info(ch);
    assert(i.partial_bytes <= 1 << 18 && i.partial_n <= 3);
    assert(rc == 0 || ua_channel_over(ch));
}
static void carry(struct ua_channel *from, struct ua_channel *to, struct arena *a)
{
    struct buf *out = ua_channel_out(from);
    if (ua_channel_in(to, out->p, out->n) == 0) drain(to, a);
    buf_clear(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    if (n < 2) return 0;
    struct ua_channel *server = make(true), *client = make(false);
    struct ua_channel *it = p[0] & 1 ? server : client;
    size_t step = p[1] ? p[1] : n;
    if (p[0] & 2) {
        carry(client, server, &a);
        carry(server, client, &a);
        carry(client, server, &a);
        carry(server, client, &a);
        assert(ua_channel_info(server).open && ua_channel_info(client).open);
    }
    for (size_t at = 2; at < n; at += step)
        if (ua_channel_in(it, p + at, n - at < step ? n - at : step) == 0) drain(it, &a);
    ua_channel_tick(it, 1ull << 40);
    ua_channel_close(it);
    struct buf en, zh;
    buf_init(&en, 1 << 16);
    buf_init(&zh, 1 << 16);
    ua_chunk_describe(str_make((const char *)p + 2, n - 2), &en, &zh);
    buf_fini(&en);
    buf_fini(&zh);
    ua_channel_free(server);
    ua_channel_free(client);
    return 0;
}
