/* Hello, acknowledge, error and reverse hello (OPC 10000-6, 7.1.2): what stands before the secure channel.
 *
 *   HEL, ACK   uint32 version, receive buffer, send buffer, greatest message, most chunks; HEL: String endpoint URL
 *   ERR        uint32 status, String reason        RHE   String server URI, String endpoint URL
 * Buffers are at least 8192 bytes, texts at most 4096. Each side keeps to the smaller of what both named. */
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_status.h"

static void put_hello(struct ua_channel *ch)
{
    size_t at = ua_chunk_begin(&ch->out, UA_CHUNK_HEL, 'F');
    buf_u32le(&ch->out, PROTOCOL_VERSION);
    buf_u32le(&ch->out, ch->c.receive_buffer);
    buf_u32le(&ch->out, ch->c.send_buffer);
    buf_u32le(&ch->out, ch->c.limits.message);
    buf_u32le(&ch->out, ch->c.limits.chunks);
    ua_ch_put_string(&ch->out, ch->url);
    ua_chunk_end(&ch->out, at);
}
void ua_channel_start(struct ua_channel *ch, uint64_t now_ns)
{
    if (ch->state != IDLE || ch->c.server) return;
    put_hello(ch);
    ch->state = HELLO;
    ch->began_ns = now_ns;
}
void ua_channel_accept(struct ua_channel *ch, uint64_t now_ns)
{
    ua_channel_start(ch, now_ns);
}
void ua_channel_call(struct ua_channel *ch, struct str server_uri, struct str endpoint_url)
{
    if (ch->state != IDLE || !ch->c.server) return;
    size_t at = ua_chunk_begin(&ch->out, UA_CHUNK_RHE, 'F');
    ua_ch_put_string(&ch->out, str_sub(server_uri, 0, URL_MAX));
    ua_ch_put_string(&ch->out, str_sub(endpoint_url, 0, URL_MAX));
    ua_chunk_end(&ch->out, at);
}

struct sizes {
    uint32_t version, receive, send, message, chunks;
};
static struct sizes get_sizes(struct rd *r)
{
    struct sizes s;
    s.version = rd_u32le(r);
    s.receive = rd_u32le(r);
    s.send = rd_u32le(r);
    s.message = rd_u32le(r);
    s.chunks = rd_u32le(r);
    return s;
}
static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
static void agree(struct ua_channel *ch, const struct sizes *peer)
{
    ch->receive = least(ch->c.receive_buffer, peer->send);
    ch->send = least(ch->c.send_buffer, peer->receive);
    ch->peer_message = peer->message;
    ch->peer_chunks = peer->chunks;
    ch->state = OPENING;
}
/* A String as text of its own in `a`; over `max` bytes: false. */
bool ua_ch_text(struct rd *r, uint32_t max, struct arena *a, struct str *ret)
{
    struct ua_limits l = {.string = max};
    struct ua_decoder d = ua_decoder(a, str_make((const char *)r->p, rd_left(r)), &l);
    struct str s;
    *ret = STR_NULL;
    if (r->err || !ua_decode(&d, UA_STRING, &s)) return false;
    *r = d.rd;
    if (s.p == NULL) return true;
    *ret = arena_str(a, s.n ? s : STR(""));
    return ret->p != NULL;
}

void ua_ch_on_hello(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev)
{
    struct sizes s = get_sizes(&r);
    struct str url;
    if (!ua_ch_text(&r, URL_MAX, a, &url)) {
        ua_ch_breach(ch, UA_BAD_TCP_ENDPOINT_URL_INVALID, "the hello is cut short, or its URL is over 4096 bytes");
        return;
    }
    if (s.receive < UA_BUFFER_MIN || s.send < UA_BUFFER_MIN) {
        ua_ch_breach(ch, UA_BAD_TCP_NOT_ENOUGH_RESOURCES, "buffers are at least 8192 bytes");
        return;
    }
    uint32_t status = ch->c.check_url ? ch->c.check_url(ch->c.ctx, url) : 0;
    if (status != 0) {
        ua_ch_breach(ch, status, "the endpoint URL is not known here");
        return;
    }
    agree(ch, &s);
    size_t at = ua_chunk_begin(&ch->out, UA_CHUNK_ACK, 'F');
    buf_u32le(&ch->out, PROTOCOL_VERSION);
    buf_u32le(&ch->out, ch->receive);
    buf_u32le(&ch->out, ch->send);
    buf_u32le(&ch->out, ch->c.limits.message);
    buf_u32le(&ch->out, ch->c.limits.chunks);
    ua_chunk_end(&ch->out, at);
    *ev = (struct ua_event){.kind = UA_EVENT_ACK, .text = url};
}
void ua_ch_on_ack(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev)
{
    struct sizes s = get_sizes(&r);
    (void)a;
    if (r.err || s.receive < UA_BUFFER_MIN || s.send < UA_BUFFER_MIN) {
        ua_ch_breach(ch, UA_BAD_TCP_NOT_ENOUGH_RESOURCES,
                     "the server's acknowledge is cut short or names buffers below 8192 bytes");
        return;
    }
    agree(ch, &s);
    *ev = (struct ua_event){.kind = UA_EVENT_ACK};
    ua_ch_ask_open(ch);
}
void ua_ch_on_error(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev)
{
    uint32_t status = rd_u32le(&r);
    struct str text = STR_NULL;
    if (!ua_ch_text(&r, 4096, a, &text)) text = STR_NULL;
    *ev = (struct ua_event){.kind = UA_EVENT_ERROR, .remote = true, .text = text};
    ev->status = ua_bad(status) ? status : UA_BAD_COMMUNICATION_ERROR;
    ch->state = OVER;
    ch->told = true;
}
void ua_ch_on_reverse(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev)
{
    struct ua_event x = {.kind = UA_EVENT_REVERSE};
    if (ua_ch_text(&r, URL_MAX, a, &x.text) && ua_ch_text(&r, URL_MAX, a, &x.text2))
        *ev = x;
    else
        ua_ch_breach(ch, UA_BAD_TCP_ENDPOINT_URL_INVALID,
                     "the reverse hello is cut short, or a URL is over 4096 bytes");
}
