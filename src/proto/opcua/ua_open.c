/* Opening and renewing the secure channel (OPC 10000-4, 5.5.2; OPC 10000-6, 6.7.4): both sides of OPN.
 *
 * Two slots of tokens. A client sends with the newest and still takes the one before until it has expired; a server
 * goes on sending with the old one until the client has used the new, or renews again. */
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_status.h"

/* An OPN with request or answer; the nonce is drawn into `nonce`. */
static int send_open(struct ua_channel *ch, uint32_t request, unsigned type, const void *value)
{
    struct buf body;
    size_t before = ch->out.n;
    buf_init(&body, 64 << 10);
    ua_message_encode(&body, type, value);
    int rc = body.err;
    if (rc == 0)
        rc = ua_asym_seal(ch->suite.policy, ch->c.cert, ch->c.key, ch->peer, ch->channel_id, ua_ch_next_sequence(ch),
                          request, buf_view(&body), &ch->out);
    buf_fini(&body);
    ch->counts.chunks_out++;
    ch->counts.bytes_out += ch->out.n - before;
    return rc;
}
static struct str draw_nonce(struct ua_channel *ch, uint8_t *nonce)
{
    size_t n = ch->suite.policy->nonce;
    if (n == 0) return STR("");
    return ch->c.random.fill(ch->c.random.ctx, nonce, n) == 0 ? str_make((const char *)nonce, n) : STR_NULL;
}
void ua_ch_ask_open(struct ua_channel *ch)
{
    struct ua_open_secure_channel_request q = {
        .header = {.timestamp = ua_ch_now_us(ch)},
        .client_protocol_version = PROTOCOL_VERSION,
        .request_type = ch->state == OPEN ? 1 : 0,
        .security_mode = (int32_t)ch->suite.mode,
        .client_nonce = draw_nonce(ch, ch->nonce),
        .requested_lifetime = ch->c.lifetime_ms,
    };
    ch->renewing = true;
    if (q.client_nonce.p == NULL || send_open(ch, ++ch->requests, UA_T_open_secure_channel_request, &q) != 0)
        ua_ch_end(ch, UA_BAD_INTERNAL_ERROR, "the secure channel cannot be asked for: randomness or our key failed", 0);
}

/* A new token into the slot that is not sent with. `ours`: our nonce. */
static struct ua_token *new_token(struct ua_channel *ch, uint32_t id, uint32_t lifetime_ms, struct str ours,
                                  struct str theirs, uint64_t now_ns)
{
    struct ua_token *t = &ch->tokens[ch->state == OPEN ? 1 - ch->sending : ch->sending];
    *t = (struct ua_token){.id = id, .alive = true};
    t->renew_ns = now_ns + lifetime_ms * MS * 3 / 4;
    t->expires_ns = now_ns + lifetime_ms * MS * 5 / 4;
    ua_keys_derive(ch->suite.policy, theirs, ours, &t->ours); /* keys of what we send: secret theirs, seed ours */
    ua_keys_derive(ch->suite.policy, ours, theirs, &t->theirs);
    ch->lifetime_ms = lifetime_ms;
    return t;
}
/* ---- opening, server ------------------------------------------------------------------------------------------ */

/* The client's certificate: parsed and trusted at the first opening, the same at each renewal. */
static bool take_peer(struct ua_channel *ch, const struct ua_policy *p, const struct ua_asym_head *h)
{
    if (ch->state == OPEN) {
        bool same = p == ch->suite.policy &&
                    (p->id == UA_POLICY_NONE ||
                     (str_eq(h->cert, ua_cert_info(ch->peer)->chain) || str_eq(h->cert, ua_cert_info(ch->peer)->der)));
        if (!same) ua_ch_insecure(ch, UA_BAD_SECURITY_CHECKS_FAILED, "a renewal must keep policy and certificate");
        return same;
    }
    ch->suite.policy = p;
    if (p->id == UA_POLICY_NONE) return true;
    if (h->cert.n == 0 || ua_cert_parse(h->cert, &ch->peer_own, NULL) != 0) {
        ua_ch_insecure(ch, UA_BAD_CERTIFICATE_INVALID, "the client's certificate cannot be read");
        return false;
    }
    ch->peer = ch->peer_own;
    uint32_t status = ch->c.check_peer(ch->c.ctx, ch->peer);
    if (status != 0) {
        ua_ch_insecure(ch, status, "the client's certificate is not accepted");
        return false;
    }
    unsigned bits = ua_cert_info(ch->peer)->key_bits;
    if (bits >= p->key_bits_min && bits <= p->key_bits_max) return true;
    ua_ch_insecure(ch, UA_BAD_CERTIFICATE_POLICY_CHECK_FAILED,
                   "the key of the client's certificate does not fit the policy");
    return false;
}
static bool for_us(const struct ua_channel *ch, const struct ua_policy *p, const struct ua_asym_head *h)
{
    if (p->id == UA_POLICY_NONE) return h->thumbprint.n == 0;
    return ch->c.cert != NULL && h->thumbprint.n == 20 &&
           ua_same(h->thumbprint.p, ua_cert_info(ch->c.cert)->thumbprint, 20);
}

static bool allowed(struct ua_channel *ch, const struct ua_open_secure_channel_request *q)
{
    const struct ua_policy *p = ch->suite.policy;
    bool renew = q->request_type == 1;
    if (q->security_mode < UA_MODE_NONE || q->security_mode > UA_MODE_SIGN_ENCRYPT ||
        !(ch->c.modes[p->id] >> q->security_mode & 1) ||
        (ch->state == OPEN && q->security_mode != (int32_t)ch->suite.mode)) {
        ua_ch_breach(ch, UA_BAD_SECURITY_MODE_REJECTED, "the security mode is not allowed with this policy");
        return false;
    }
    if (renew != (ch->state == OPEN) || q->request_type > 1) {
        ua_ch_breach(ch, renew ? UA_BAD_SECURE_CHANNEL_ID_INVALID : 0x80530000u,
                     "issue comes first and once, renew afterwards");
        return false;
    }
    if (p->nonce == 0 || q->client_nonce.n == p->nonce) return true;
    ua_ch_breach(ch, UA_BAD_NONCE_INVALID, "the client's nonce has not the length of the policy");
    return false;
}
static void answer_open(struct ua_channel *ch, const struct ua_open_secure_channel_request *q, uint32_t request,
                        uint64_t now_ns, struct ua_event *ev)
{
    uint8_t nonce[NONCE_MAX];
    bool renew = ch->state == OPEN;
    uint32_t lifetime = q->requested_lifetime ? q->requested_lifetime : ch->c.lifetime_max_ms;
    if (lifetime < ch->c.lifetime_min_ms) lifetime = ch->c.lifetime_min_ms;
    if (lifetime > ch->c.lifetime_max_ms) lifetime = ch->c.lifetime_max_ms;
    ch->suite.mode = (enum ua_mode)q->security_mode;
    struct ua_open_secure_channel_response r = {
        .header = {.timestamp = ua_ch_now_us(ch), .request_handle = q->header.request_handle},
        .server_protocol_version = PROTOCOL_VERSION,
        .security_token = {.channel_id = ch->channel_id, .created_at = ua_ch_now_us(ch), .revised_lifetime = lifetime},
        .server_nonce = draw_nonce(ch, nonce),
    };
    uint32_t id = r.security_token.token_id = ++ch->token_ids;
    if (r.server_nonce.p == NULL || send_open(ch, request, UA_T_open_secure_channel_response, &r) != 0) {
        ua_ch_breach(ch, UA_BAD_INTERNAL_ERROR, "the secure channel cannot be opened: randomness or our key failed");
        return;
    }
    /* Who renews again has the token of the last time, used or not: the one before that is given up. */
    if (renew && ch->tokens[1 - ch->sending].id > ch->tokens[ch->sending].id) ch->sending = 1 - ch->sending;
    new_token(ch, id, lifetime, r.server_nonce, q->client_nonce, now_ns);
    ua_wipe(nonce, sizeof nonce);
    ch->counts.renewals += renew;
    ch->state = OPEN;
    *ev = (struct ua_event){.kind = renew ? UA_EVENT_RENEWED : UA_EVENT_OPENED};
}

/* ---- opening, client ------------------------------------------------------------------------------------------ */

static bool take_server(struct ua_channel *ch, const struct ua_policy *p, const struct ua_asym_head *h)
{
    struct ua_cert *sent = NULL;
    if (p != ch->suite.policy || !ch->renewing) {
        ua_ch_insecure(ch, UA_BAD_SECURITY_POLICY_REJECTED,
                       "the server answers an opening that was not asked for, or by another policy");
        return false;
    }
    if (p->id == UA_POLICY_NONE) return true;
    bool same =
        ua_cert_parse(h->cert, &sent, NULL) == 0 && str_eq(ua_cert_info(sent)->der, ua_cert_info(ch->peer)->der);
    ua_cert_free(sent);
    if (!same) ua_ch_insecure(ch, UA_BAD_CERTIFICATE_INVALID, "the server has another certificate than its endpoint");
    return same;
}
static void take_answer(struct ua_channel *ch, const struct ua_open_secure_channel_response *r, uint64_t now_ns,
                        struct ua_event *ev)
{
    const struct ua_policy *p = ch->suite.policy;
    bool renew = ch->state == OPEN;
    struct str ours = str_make((const char *)ch->nonce, p->nonce);
    if (p->nonce != 0 && (r->server_nonce.n != p->nonce || str_eq(r->server_nonce, ours))) {
        ua_ch_breach(ch, UA_BAD_NONCE_INVALID, "the server's nonce has not the length of the policy, or is ours");
        return;
    }
    if (r->security_token.channel_id == 0 || (renew && r->security_token.channel_id != ch->channel_id)) {
        ua_ch_breach(ch, UA_BAD_SECURE_CHANNEL_ID_INVALID, "the server named another channel");
        return;
    }
    ch->channel_id = r->security_token.channel_id;
    uint32_t lifetime = r->security_token.revised_lifetime ? r->security_token.revised_lifetime : ch->c.lifetime_ms;
    if (lifetime < LIFETIME_LEAST_MS) lifetime = LIFETIME_LEAST_MS; /* a server cannot make us renew without end */
    struct ua_token *t = new_token(ch, r->security_token.token_id, lifetime, ours, r->server_nonce, now_ns);
    ch->sending = (unsigned)(t - ch->tokens);
    ch->renewing = false;
    ua_wipe(ch->nonce, sizeof ch->nonce);
    ch->counts.renewals += renew;
    ch->state = OPEN;
    *ev = (struct ua_event){.kind = renew ? UA_EVENT_RENEWED : UA_EVENT_OPENED};
}

/* ---- an OPN chunk --------------------------------------------------------------------------------------------- */

static void on_open_body(struct ua_channel *ch, struct str plain, struct arena *a, uint64_t now_ns, struct ua_event *ev)
{
    struct rd r = rd_make(plain.p, plain.n);
    uint32_t sequence = rd_u32le(&r), request = rd_u32le(&r), handle = 0;
    unsigned type = 0, want = ch->c.server ? UA_T_open_secure_channel_request : UA_T_open_secure_channel_response;
    void *value = NULL;
    if (!ua_ch_take_sequence(ch, sequence)) return;
    struct str body = arena_str(a, str_sub(plain, UA_SEQUENCE, plain.n));
    uint32_t status = body.p ? ua_message_decode(a, body, &ch->c.limits, &type, &value, &handle) : UA_BAD_OUT_OF_MEMORY;
    if (status == 0 && type == UA_T_service_fault && !ch->c.server) {
        uint32_t why = ((struct ua_service_fault *)value)->header.service_result;
        ua_ch_end(ch, ua_bad(why) ? why : UA_BAD_COMMUNICATION_ERROR, "the server refused to open the secure channel",
                  0);
        ch->last.remote = true;
        return;
    }
    if (status != 0 || type != want) {
        ua_ch_breach(ch, status ? status : UA_BAD_TCP_MESSAGE_TYPE_INVALID, "an opening without its request or answer");
        return;
    }
    if (!ch->c.server) {
        struct ua_open_secure_channel_response *answer = value;
        if (ua_bad(answer->header.service_result)) {
            ua_ch_end(ch, answer->header.service_result, "the server refused to open the secure channel", 0);
            ch->last.remote = true;
            return;
        }
        take_answer(ch, answer, now_ns, ev);
    } else if (allowed(ch, value)) {
        answer_open(ch, value, request, now_ns, ev);
    }
}
void ua_ch_on_open(struct ua_channel *ch, struct str chunk, struct arena *a, uint64_t now_ns, struct ua_event *ev)
{
    struct ua_asym_head h;
    struct buf plain;
    const struct ua_policy *p = ua_asym_head(chunk, &h) ? ua_policy_find(h.policy) : NULL;
    if (p == NULL || !str_is(h.policy, p->uri) || (ch->c.server && ch->c.modes[p->id] == 0)) {
        ua_ch_breach(ch, UA_BAD_SECURITY_POLICY_REJECTED, "the security policy is unknown or not allowed here");
        return;
    }
    if (h.channel != (ch->state == OPEN ? ch->channel_id : h.channel)) {
        ua_ch_breach(ch, UA_BAD_TCP_SECURE_CHANNEL_UNKNOWN, "a renewal of another channel");
        return;
    }
    if (!for_us(ch, p, &h)) {
        ua_ch_insecure(ch, UA_BAD_SECURITY_CHECKS_FAILED,
                       "the opening was encrypted for another certificate than ours");
        return;
    }
    if (!(ch->c.server ? take_peer(ch, p, &h) : take_server(ch, p, &h))) return;
    buf_init(&plain, 1 << 20);
    if (ua_asym_open(p, ch->c.key, ch->peer, chunk, &h, &plain))
        on_open_body(ch, buf_view(&plain), a, now_ns, ev);
    else
        ua_ch_insecure(ch, UA_BAD_SECURITY_CHECKS_FAILED, "the opening cannot be decrypted, or its signature is wrong");
    ua_wipe(plain.p, plain.n);
    buf_fini(&plain);
}
