/* The state machine of a connection (OPC 10000-6, 6.7 and 7.1).
 *
 *   client  IDLE --start--> HELLO --ACK--> OPENING --OPN--> OPEN (OPN renews) --> OVER
 *   server  IDLE --HEL----> OPENING --OPN--> OPEN (OPN renews) --> OVER
 *
 * Tokens     two slots. A client sends with the newest and still takes the one before until it has expired; a server
 *            goes on sending with the old one until the client has used the new (OPC 10000-4, 5.5.2).
 * Sequence   each direction counts chunks of all kinds by one; above 2^32 - 1025 it may go on below 1024.
 * Failing    a peer that breaks a rule gets ERR (a server's; of failed security only BadSecurityChecksFailed), the
 *            owner gets UA_EVENT_ERROR with what it really was; nothing is taken in or given out after that. */
#include "base/mem.h"
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_ids.h"
#include "proto/opcua/ua_status.h"

/* ---- life --------------------------------------------------------------------------------------------------- */

static int bad_config(struct error *e, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "", "%s%.0s", "%.0s%s", en, zh);
}
static int check_client(const struct ua_channel_config *c, struct error *e)
{
    if (c->policy == NULL || c->endpoint_url.n == 0 || c->endpoint_url.n > URL_MAX)
        return bad_config(e, "an endpoint URL of at most 4096 bytes and a security policy are needed",
                          "需要端点 URL（不超过 4096 字节）和安全策略");
    bool none = c->policy->id == UA_POLICY_NONE;
    if (none != (c->mode == UA_MODE_NONE) || c->mode < UA_MODE_NONE || c->mode > UA_MODE_SIGN_ENCRYPT)
        return bad_config(e, "policy None goes with mode None, every other policy with Sign or SignAndEncrypt",
                          "策略 None 只能配模式 None，其他策略须配 Sign 或 SignAndEncrypt");
    if (!none && (c->cert == NULL || c->key == NULL || c->peer == NULL))
        return bad_config(e, "a security policy needs our certificate with its key, and the server's certificate",
                          "安全策略需要本机证书及私钥，以及服务器证书");
    if (!none && ua_cert_info(c->peer)->key_bits < c->policy->key_bits_min)
        return bad_config(e, "the key of the server's certificate is too short for the security policy",
                          "服务器证书的密钥长度不满足安全策略");
    return 0;
}
static int check_server(const struct ua_channel_config *c, struct error *e)
{
    bool secure = false;
    for (unsigned i = UA_POLICY_NONE + 1; i < UA_POLICY_COUNT; i++) secure |= c->modes[i] != 0;
    if (c->channel_id == 0) return bad_config(e, "a channel id is needed", "需要通道标识");
    if (secure && (c->cert == NULL || c->key == NULL || c->check_peer == NULL))
        return bad_config(e, "a security policy needs a certificate with its key, and a decision about trust",
                          "安全策略需要证书及私钥，以及信任判定");
    return 0;
}
static void set_defaults(struct ua_channel_config *c)
{
    if (c->limits.message == 0) c->limits = ua_limits_default;
    if (c->receive_buffer == 0) c->receive_buffer = 65535;
    if (c->send_buffer == 0) c->send_buffer = 65535;
    if (c->receive_buffer < UA_BUFFER_MIN) c->receive_buffer = UA_BUFFER_MIN;
    if (c->send_buffer < UA_BUFFER_MIN) c->send_buffer = UA_BUFFER_MIN;
    if (c->lifetime_ms == 0) c->lifetime_ms = 3600000;
    if (c->lifetime_min_ms == 0) c->lifetime_min_ms = 10000;
    if (c->lifetime_max_ms == 0) c->lifetime_max_ms = 3600000;
}
int ua_channel_new(const struct ua_channel_config *c, struct ua_channel **ret, struct error *e)
{
    int rc = c->random.fill == NULL ? bad_config(e, "a source of random bytes is needed", "需要随机数来源")
             : c->server            ? check_server(c, e)
                                    : check_client(c, e);
    if (rc != 0) return rc;
    struct ua_channel *ch = mem_calloc(1, sizeof *ch);
    char *url = mem_dup(c->endpoint_url.n ? c->endpoint_url.p : "", c->endpoint_url.n + (c->endpoint_url.n == 0));
    if (ch == NULL || url == NULL) {
        mem_free(ch);
        mem_free(url);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    ch->c = *c;
    set_defaults(&ch->c);
    ch->url = str_make(url, c->endpoint_url.n);
    ch->receive = ch->send = EARLY_CHUNK_MAX;
    ch->sent = c->first_sequence ? c->first_sequence - 1 : 0;
    ch->channel_id = c->server ? c->channel_id : 0;
    ch->suite =
        (struct ua_suite){c->server ? ua_policy_at(UA_POLICY_NONE) : c->policy, c->server ? UA_MODE_NONE : c->mode};
    ch->peer = c->server ? NULL : c->peer;
    buf_init(&ch->in, (size_t)ch->c.receive_buffer + (8u << 20));
    buf_init(&ch->out, OUT_MAX);
    *ret = ch;
    return 0;
}
static void drop_partial(struct ua_channel *ch, struct ua_partial **at)
{
    struct ua_partial *p = *at;
    *at = p->next;
    ch->partial_bytes -= p->body.n;
    ch->partial_n--;
    buf_fini(&p->body);
    mem_free(p);
}
void ua_channel_free(struct ua_channel *ch)
{
    if (ch == NULL) return;
    while (ch->partials != NULL) drop_partial(ch, &ch->partials);
    ua_cert_free(ch->peer_own);
    buf_fini(&ch->in);
    buf_fini(&ch->out);
    mem_free((void *)(uintptr_t)ch->url.p);
    ua_wipe(ch, sizeof *ch);
    mem_free(ch);
}

/* ---- ends --------------------------------------------------------------------------------------------------- */

void ua_ch_put_string(struct buf *out, struct str s)
{
    buf_u32le(out, s.p == NULL ? UINT32_MAX : (uint32_t)s.n);
    buf_str(out, s);
}
static void put_err(struct ua_channel *ch, uint32_t status, struct str reason)
{
    size_t at = ua_chunk_begin(&ch->out, UA_CHUNK_ERR, 'F');
    buf_u32le(&ch->out, status);
    ua_ch_put_string(&ch->out, str_sub(reason, 0, 4096));
    ua_chunk_end(&ch->out, at);
}
/* The end by our decision. `tell`: what the peer is told; 0: nothing. */
void ua_ch_end(struct ua_channel *ch, uint32_t status, const char *reason, uint32_t tell)
{
    if (ch->state == OVER) return;
    snprintf(ch->reason, sizeof ch->reason, "%s", reason);
    ch->last = (struct ua_event){.kind = UA_EVENT_ERROR, .status = status, .text = str_of(ch->reason)};
    if (tell != 0 && ch->c.server) put_err(ch, tell, tell == status ? str_of(ch->reason) : STR_NULL);
    ch->state = OVER;
}
void ua_ch_breach(struct ua_channel *ch, uint32_t status, const char *reason)
{
    ua_ch_end(ch, status, reason, status);
}
void ua_ch_insecure(struct ua_channel *ch, uint32_t status, const char *reason)
{
    ua_ch_end(ch, status, reason, UA_BAD_SECURITY_CHECKS_FAILED);
}

/* ---- sending ------------------------------------------------------------------------------------------------ */

uint32_t ua_ch_next_sequence(struct ua_channel *ch)
{
    ch->sent = ch->sent >= SEQUENCE_WRAP ? 1 : ch->sent + 1;
    return ch->sent;
}

int64_t ua_ch_now_us(const struct ua_channel *ch)
{
    return ch->c.now_us ? ch->c.now_us(ch->c.ctx) : UA_TIME_NONE;
}

/* One chunk of MSG or CLO with its piece of the body. */
static int put_chunk(struct ua_channel *ch, enum ua_chunk_type type, char kind, uint32_t request, struct str part)
{
    struct ua_token *t = &ch->tokens[ch->sending];
    size_t at = ua_chunk_begin(&ch->out, type, kind);
    buf_u32le(&ch->out, ch->channel_id);
    buf_u32le(&ch->out, t->id);
    buf_u32le(&ch->out, ua_ch_next_sequence(ch));
    buf_u32le(&ch->out, request);
    buf_str(&ch->out, part);
    int rc = ua_sym_seal(&ch->suite, &t->ours, &ch->out, at);
    ch->counts.chunks_out++;
    ch->counts.bytes_out += ch->out.n - at;
    return rc;
}
static int put_body(struct ua_channel *ch, enum ua_chunk_type type, uint32_t request, struct str body)
{
    size_t room = ua_sym_room(&ch->suite, ch->send), chunks = body.n ? (body.n + room - 1) / room : 1;
    if (ch->peer_message != 0 && body.n > ch->peer_message) return ERR_TOO_LARGE;
    if (ch->peer_chunks != 0 && chunks > ch->peer_chunks) return ERR_TOO_LARGE;
    if (ch->out.n + body.n + chunks * 256 > OUT_MAX) return ERR_AGAIN;
    int rc = 0;
    for (size_t i = 0; i < chunks && rc == 0; i++)
        rc = put_chunk(ch, type, i + 1 == chunks ? 'F' : 'C', request, str_sub(body, i * room, room));
    if (rc != 0) ua_ch_end(ch, UA_BAD_INTERNAL_ERROR, "a message could not be secured", 0);
    return rc;
}
static int send_message(struct ua_channel *ch, enum ua_chunk_type type, uint32_t request, unsigned message,
                        const void *value)
{
    struct buf body;
    uint32_t max = ch->peer_message ? ch->peer_message : 128u << 20;
    if (ch->state != OPEN) return ERR_CLOSED;
    buf_init(&body, max);
    ua_message_encode(&body, message, value);
    int rc = body.err ? body.err : put_body(ch, type, request, buf_view(&body));
    buf_fini(&body);
    return rc;
}
int ua_channel_send(struct ua_channel *ch, unsigned type, const void *request, uint32_t *ret_request_id)
{
    uint32_t id = ch->requests + 1 ? ch->requests + 1 : 1;
    int rc = send_message(ch, UA_CHUNK_MSG, id, type, request);
    if (rc == 0) *ret_request_id = ch->requests = id;
    return rc;
}
int ua_channel_answer(struct ua_channel *ch, uint32_t request_id, unsigned type, const void *response)
{
    return send_message(ch, UA_CHUNK_MSG, request_id, type, response);
}
int ua_channel_fault(struct ua_channel *ch, uint32_t request_id, uint32_t handle, uint32_t status, int64_t now_us)
{
    struct ua_service_fault f = {.header = {.timestamp = now_us, .request_handle = handle, .service_result = status}};
    return ua_channel_answer(ch, request_id, UA_T_service_fault, &f);
}

/* ---- sequence numbers and tokens ------------------------------------------------------------------------------ */

bool ua_ch_take_sequence(struct ua_channel *ch, uint32_t n)
{
    bool follows = !ch->any_received || n == ch->received + 1 || (ch->received >= SEQUENCE_WRAP && n < 1024);
    ch->any_received = true;
    ch->received = n;
    if (!follows) ua_ch_breach(ch, UA_BAD_SEQUENCE_NUMBER_INVALID, "a sequence number does not follow its predecessor");
    return follows;
}

static struct ua_token *find_token(struct ua_channel *ch, uint32_t id)
{
    for (unsigned i = 0; i < 2; i++)
        if (ch->tokens[i].alive && ch->tokens[i].id == id) return &ch->tokens[i];
    return NULL;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static struct ua_partial **find_partial(struct ua_channel *ch, uint32_t request)
{
    struct ua_partial **at = &ch->partials;
    while (*at != NULL && (*at)->request != request) at = &(*at)->next;
    return at;
}
static void decode(struct ua_channel *ch, struct str body, uint32_t request, struct arena *a, struct ua_event *ev)
{
    *ev = (struct ua_event){.kind = UA_EVENT_MESSAGE, .request_id = request};
    ev->raw = arena_str(a, body);
    ev->status = ev->raw.p == NULL ? UA_BAD_OUT_OF_MEMORY
                                   : ua_message_decode(a, ev->raw, &ch->c.limits, &ev->type, &ev->value, &ev->handle);
}
/* A part of a message of which more follows. */
static void keep(struct ua_channel *ch, struct ua_partial **at, uint32_t request, struct str body)
{
    const struct ua_limits *l = &ch->c.limits;
    struct ua_partial *p = *at;
    if (p == NULL) {
        p = ch->partial_n < l->partial ? mem_calloc(1, sizeof *p) : NULL;
        if (p == NULL) {
            ua_ch_breach(ch, UA_BAD_TCP_NOT_ENOUGH_RESOURCES, "too many messages are unfinished at a time");
            return;
        }
        p->request = request;
        buf_init(&p->body, l->message);
        ch->partial_n++;
        *at = p;
    }
    p->chunks++;
    if ((l->chunks != 0 && p->chunks >= l->chunks) || ch->partial_bytes + body.n > l->message) {
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TOO_LARGE, "a message has more chunks or bytes than were agreed on");
        return;
    }
    buf_str(&p->body, body);
    if (p->body.err != 0)
        ua_ch_breach(ch, UA_BAD_TCP_NOT_ENOUGH_RESOURCES, "out of memory for an unfinished message");
    else
        ch->partial_bytes += body.n;
}
static void finish(struct ua_channel *ch, struct ua_partial **at, uint32_t request, struct str body, struct arena *a,
                   struct ua_event *ev)
{
    struct ua_partial *p = *at;
    if (p == NULL && body.n <= ch->c.limits.message) {
        decode(ch, body, request, a, ev);
        return;
    }
    if (p == NULL || ch->partial_bytes + body.n > ch->c.limits.message) {
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TOO_LARGE, "a message has more bytes than were agreed on");
        return;
    }
    buf_str(&p->body, body);
    ch->partial_bytes += body.n;
    if (p->body.err != 0)
        ua_ch_breach(ch, UA_BAD_TCP_NOT_ENOUGH_RESOURCES, "out of memory for a message");
    else
        decode(ch, buf_view(&p->body), request, a, ev);
    if (ch->state != OVER) drop_partial(ch, at);
}
static void give_up(struct ua_channel *ch, struct ua_partial **at, uint32_t request, struct str body, struct arena *a,
                    struct ua_event *ev)
{
    struct rd r = rd_make(body.p, body.n);
    *ev = (struct ua_event){.kind = UA_EVENT_ABORTED, .request_id = request, .status = rd_u32le(&r)};
    if (!ua_ch_text(&r, 4096, a, &ev->text)) ev->text = STR_NULL;
    if (!ua_bad(ev->status)) ev->status = UA_BAD_COMMUNICATION_ERROR;
    if (*at != NULL) drop_partial(ch, at);
}

/* The token of a chunk: alive, and for a server the sign that the client has changed over to it. */
static struct ua_token *take_token(struct ua_channel *ch, const uint8_t *chunk, uint64_t now_ns)
{
    struct rd r = rd_make(chunk + UA_HEAD, 8);
    uint32_t channel = rd_u32le(&r), id = rd_u32le(&r);
    if (channel != ch->channel_id) {
        ua_ch_breach(ch, UA_BAD_TCP_SECURE_CHANNEL_UNKNOWN, "a message of another channel");
        return NULL;
    }
    struct ua_token *t = find_token(ch, id);
    if (t == NULL || now_ns > t->expires_ns) {
        ua_ch_breach(ch, UA_BAD_SECURE_CHANNEL_TOKEN_UNKNOWN, "the token of a message is unknown or has expired");
        return NULL;
    }
    return t;
}
static void on_message(struct ua_channel *ch, const struct ua_chunk_head *h, uint8_t *chunk, struct arena *a,
                       uint64_t now_ns, struct ua_event *ev)
{
    struct str plain;
    struct ua_token *t = h->size >= UA_SYM_HEAD + UA_SEQUENCE ? take_token(ch, chunk, now_ns) : NULL;
    if (t == NULL) {
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TYPE_INVALID, "a message without its heads");
        return;
    }
    if (!ua_sym_open(&ch->suite, &t->theirs, chunk, h->size, &plain)) {
        ua_ch_insecure(ch, UA_BAD_SECURITY_CHECKS_FAILED, "the signature of a message is wrong");
        return;
    }
    if (ch->c.server) ch->sending = (unsigned)(t - ch->tokens); /* the client has it */
    struct rd r = rd_make(plain.p, plain.n);
    uint32_t sequence = rd_u32le(&r), request = rd_u32le(&r);
    if (!ua_ch_take_sequence(ch, sequence)) return;
    struct str body = str_sub(plain, UA_SEQUENCE, plain.n);
    if (h->type == UA_CHUNK_CLO) {
        *ev = (struct ua_event){.kind = UA_EVENT_CLOSED};
        ch->state = OVER;
        ch->told = true;
        return;
    }
    struct ua_partial **at = find_partial(ch, request);
    if (h->kind == 'C')
        keep(ch, at, request, body);
    else if (h->kind == 'A')
        give_up(ch, at, request, body, a, ev);
    else
        finish(ch, at, request, body, a, ev);
}

/* ---- bytes in ------------------------------------------------------------------------------------------------- */

int ua_channel_in(struct ua_channel *ch, const void *p, size_t n)
{
    if (ch->state == OVER) return 0;
    ch->counts.bytes_in += n;
    buf_drop(&ch->in, ch->in_at); /* not after each chunk: many small ones would be moved again and again */
    ch->in_at = 0;
    buf_add(&ch->in, p, n);
    return ch->in.err;
}

/* Which chunks may come when: [server][state] as bits of enum ua_chunk_type. */
#define BIT(t) (1u << UA_CHUNK_##t)
static const uint8_t expected[2][OVER + 1] = {
    {[IDLE] = BIT(RHE) | BIT(ERR),
     [HELLO] = BIT(ACK) | BIT(ERR),
     [OPENING] = BIT(OPN) | BIT(ERR),
     [OPEN] = BIT(OPN) | BIT(MSG) | BIT(CLO) | BIT(ERR)},
    {[IDLE] = BIT(HEL) | BIT(ERR), [OPENING] = BIT(OPN), [OPEN] = BIT(OPN) | BIT(MSG) | BIT(CLO)},
};
typedef void small_fn(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev);
static small_fn *const small[UA_CHUNK_OPN] = {ua_ch_on_hello, ua_ch_on_ack, ua_ch_on_error, ua_ch_on_reverse};

static void take_chunk(struct ua_channel *ch, const struct ua_chunk_head *h, struct arena *a, uint64_t now_ns,
                       struct ua_event *ev)
{
    uint8_t *p = ch->in.p + ch->in_at;
    ch->counts.chunks_in++;
    if (!(expected[ch->c.server][ch->state] >> h->type & 1))
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TYPE_INVALID, "a message of this type may not come now");
    else if (h->type < UA_CHUNK_OPN)
        small[h->type](ch, rd_make(p + UA_HEAD, h->size - UA_HEAD), a, ev);
    else if (h->type == UA_CHUNK_OPN)
        ua_ch_on_open(ch, str_make((const char *)p, h->size), a, now_ns, ev);
    else
        on_message(ch, h, p, a, now_ns, ev);
}
/* One chunk from the front of what was read. false: not enough there. */
static bool step(struct ua_channel *ch, struct arena *a, uint64_t now_ns, struct ua_event *ev)
{
    struct ua_chunk_head h;
    if (ch->in.n - ch->in_at < UA_HEAD) return false;
    int rc = ua_chunk_head(ch->in.p + ch->in_at, ch->in.n - ch->in_at, &h);
    if (rc < 0) {
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TYPE_INVALID, "what came is no OPC UA message");
        return true;
    }
    if (h.size > ch->receive) {
        ua_ch_breach(ch, UA_BAD_TCP_MESSAGE_TOO_LARGE, "a chunk is larger than was agreed on");
        return true;
    }
    if (ch->in.n - ch->in_at < h.size) return false;
    take_chunk(ch, &h, a, now_ns, ev);
    ch->in_at += h.size;
    return true;
}
int ua_channel_next(struct ua_channel *ch, uint64_t now_ns, struct arena *a, struct ua_event *ret)
{
    struct ua_event ev = {0};
    while (ch->state != OVER && ev.kind == UA_EVENT_NONE && step(ch, a, now_ns, &ev)) continue;
    if (ev.kind == UA_EVENT_NONE && ch->state == OVER && !ch->told) {
        ev = ch->last;
        ch->told = true;
    }
    *ret = ev;
    if (ev.kind != UA_EVENT_NONE) return 1;
    return ch->state == OVER ? ERR_CLOSED : 0;
}

/* ---- time and end --------------------------------------------------------------------------------------------- */

uint64_t ua_channel_tick(struct ua_channel *ch, uint64_t now_ns)
{
    if (ch->state == OVER) return UINT64_MAX;
    if (ch->began_ns == 0) ch->began_ns = now_ns ? now_ns : 1;
    if (ch->state != OPEN) {
        if (now_ns < ch->began_ns + OPEN_WITHIN) return ch->began_ns + OPEN_WITHIN;
        ua_ch_breach(ch, UA_BAD_TIMEOUT, "the secure channel was not opened within 10 seconds");
        return UINT64_MAX;
    }
    struct ua_token *t = &ch->tokens[ch->sending], *other = &ch->tokens[1 - ch->sending];
    if (other->alive && now_ns > other->expires_ns) *other = (struct ua_token){0};
    if (now_ns > t->expires_ns && other->alive) { /* server: the client has not used the new one yet */
        ch->sending = 1 - ch->sending;
        t = other;
    }
    if (now_ns > t->expires_ns) {
        ua_ch_breach(ch, UA_BAD_SECURE_CHANNEL_CLOSED, "the token was not renewed before it expired");
        return UINT64_MAX;
    }
    if (!ch->c.server && !ch->renewing && now_ns >= t->renew_ns) ua_ch_ask_open(ch);
    return !ch->c.server && !ch->renewing ? t->renew_ns : t->expires_ns + 1;
}
void ua_channel_close(struct ua_channel *ch)
{
    struct ua_close_secure_channel_request q = {.header = {.timestamp = ua_ch_now_us(ch)}};
    if (ch->state == OPEN && !ch->c.server &&
        send_message(ch, UA_CHUNK_CLO, ++ch->requests, UA_T_close_secure_channel_request, &q) != 0)
        ch->out.n = 0;
    ch->state = OVER;
    ch->told = true;
}
void ua_channel_fail(struct ua_channel *ch, uint32_t status, struct str reason)
{
    if (ch->state == OVER) return;
    put_err(ch, status, reason);
    ch->state = OVER;
    ch->told = true;
}
struct buf *ua_channel_out(struct ua_channel *ch)
{
    return &ch->out;
}
bool ua_channel_over(const struct ua_channel *ch)
{
    return ch->state == OVER;
}

struct ua_channel_info ua_channel_info(const struct ua_channel *ch)
{
    struct ua_channel_info i = ch->counts;
    i.open = ch->state == OPEN;
    i.channel_id = ch->channel_id;
    i.token_id = ch->tokens[ch->sending].id;
    i.lifetime_ms = ch->lifetime_ms;
    i.policy = ch->suite.policy;
    i.mode = ch->suite.mode;
    i.peer = ch->suite.policy->id == UA_POLICY_NONE ? NULL : ch->peer;
    i.peer_receive_buffer = ch->send;
    i.peer_max_message = ch->peer_message;
    i.peer_max_chunks = ch->peer_chunks;
    i.partial_bytes = ch->partial_bytes;
    i.partial_n = ch->partial_n;
    return i;
}
