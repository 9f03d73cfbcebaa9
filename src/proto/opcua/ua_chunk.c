/* Chunks of OPC UA TCP (OPC 10000-6, 6.7.2 and 7.1.2): layout and security.
 *
 *   all        "MSG" | "OPN" | "CLO" | "HEL" | "ACK" | "ERR" | "RHE", kind 'F' 'C' 'A', uint32 size of the chunk
 *   MSG, CLO   uint32 channel, uint32 token
 *   OPN        uint32 channel, String policy, ByteString sender's certificate, ByteString receiver's thumbprint
 *   then       uint32 sequence, uint32 request, body,                                  } encrypted from the sequence on
 *              uint8 padding size, padding of that value, [uint8 high byte of the size], } to the end of the signature
 *              signature over everything from the type to the padding's end
 *
 * Padding stands only where there is encryption; its high byte only when the receiver's RSA key is over 2048 bits.
 * OPN is signed and encrypted with RSA whenever the policy is not None, MSG and CLO by the mode. The signature is
 * looked at before the padding, both failures are one. */
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_status.h"

static const char chunk_names[UA_CHUNK_TYPES][4] = {"HEL", "ACK", "ERR", "RHE", "OPN", "MSG", "CLO"};

int ua_chunk_head(const uint8_t *p, size_t n, struct ua_chunk_head *ret)
{
    struct rd r = rd_make(p, n);
    if (n < UA_HEAD) return 0;
    for (unsigned t = 0; t < UA_CHUNK_TYPES; t++) {
        if (memcmp(p, chunk_names[t], 3) != 0) continue;
        rd_bytes(&r, 4);
        *ret = (struct ua_chunk_head){(enum ua_chunk_type)t, (char)p[3], rd_u32le(&r)};
        bool kind = ret->kind == 'F' || (t == UA_CHUNK_MSG && (ret->kind == 'C' || ret->kind == 'A'));
        return kind && ret->size >= UA_HEAD ? 1 : -1;
    }
    return -1;
}
size_t ua_chunk_begin(struct buf *out, enum ua_chunk_type type, char kind)
{
    size_t at = out->n;
    buf_add(out, chunk_names[type], 3);
    buf_u8(out, (uint8_t)kind);
    buf_u32le(out, 0);
    return at;
}
static void put_size(struct buf *out, size_t at, size_t size)
{
    if (out->err) return;
    for (unsigned i = 0; i < 4; i++) out->p[at + 4 + i] = (uint8_t)(size >> (8 * i));
}
void ua_chunk_end(struct buf *out, size_t at)
{
    put_size(out, at, out->n - at);
}

void ua_keys_derive(const struct ua_policy *p, struct str secret, struct str seed, struct ua_keys *ret)
{
    uint8_t all[32 + 32 + 16];
    *ret = (struct ua_keys){0};
    if (p->id == UA_POLICY_NONE) return;
    ua_p_sha256(secret, seed, all, (size_t)p->sign_key + p->encrypt_key + p->block);
    memcpy(ret->sign, all, p->sign_key);
    memcpy(ret->encrypt, all + p->sign_key, p->encrypt_key);
    memcpy(ret->iv, all + p->sign_key + p->encrypt_key, p->block);
    ua_wipe(all, sizeof all);
}

/* ---- padding ------------------------------------------------------------------------------------------------ */

/* Fill up to a multiple of `block`, `behind` bytes to come after it; `wide`: with the high byte. */
static void put_padding(struct buf *out, size_t from, size_t behind, size_t block, bool wide)
{
    size_t n = out->n - from + 1 + (wide ? 1 : 0) + behind;
    size_t pad = (block - n % block) % block;
    for (size_t i = 0; i < pad + 1; i++) buf_u8(out, (uint8_t)pad);
    if (wide) buf_u8(out, (uint8_t)(pad >> 8));
}
/* Take it off the end of *s. */
static bool cut_padding(struct str *s, bool wide)
{
    const uint8_t *p = (const uint8_t *)s->p;
    size_t least = wide ? 2 : 1;
    if (s->n < least) return false;
    size_t pad = wide ? (size_t)p[s->n - 1] << 8 | p[s->n - 2] : p[s->n - 1];
    if (pad + least > s->n || p[s->n - least - pad] != (uint8_t)pad) return false;
    s->n -= pad + least;
    return true;
}

/* ---- symmetric ---------------------------------------------------------------------------------------------- */

static bool signs(const struct ua_suite *s)
{
    return s->mode >= UA_MODE_SIGN;
}
static bool encrypts(const struct ua_suite *s)
{
    return s->mode == UA_MODE_SIGN_ENCRYPT;
}

size_t ua_sym_room(const struct ua_suite *s, size_t size)
{
    size_t body = size - UA_SYM_HEAD;
    if (encrypts(s)) body = body / s->policy->block * s->policy->block - 1;
    return body - UA_SEQUENCE - (signs(s) ? UA_HMAC : 0);
}
int ua_sym_seal(const struct ua_suite *s, const struct ua_keys *k, struct buf *out, size_t at)
{
    size_t from = at + UA_SYM_HEAD;
    uint8_t mac[UA_HMAC];
    if (encrypts(s)) put_padding(out, from, UA_HMAC, s->policy->block, false);
    put_size(out, at, out->n - at + (signs(s) ? UA_HMAC : 0));
    if (signs(s) && out->err == 0) {
        ua_hmac_sha256(k->sign, s->policy->sign_key, str_make((const char *)out->p + at, out->n - at), mac);
        buf_add(out, mac, sizeof mac);
    }
    if (out->err) return out->err;
    if (encrypts(s) && !ua_aes_cbc(true, k->encrypt, s->policy->encrypt_key, k->iv, out->p + from, out->n - from))
        return ERR_INTERNAL;
    return 0;
}
bool ua_sym_open(const struct ua_suite *s, const struct ua_keys *k, uint8_t *chunk, size_t n, struct str *ret)
{
    uint8_t mac[UA_HMAC];
    size_t tail = signs(s) ? UA_HMAC : 0;
    if (n < UA_SYM_HEAD + UA_SEQUENCE + tail) return false;
    if (encrypts(s) && (n - UA_SYM_HEAD) % s->policy->block != 0) return false;
    if (encrypts(s) &&
        !ua_aes_cbc(false, k->encrypt, s->policy->encrypt_key, k->iv, chunk + UA_SYM_HEAD, n - UA_SYM_HEAD))
        return false;
    if (signs(s)) {
        ua_hmac_sha256(k->sign, s->policy->sign_key, str_make((const char *)chunk, n - tail), mac);
        if (!ua_same(mac, chunk + n - tail, sizeof mac)) return false;
    }
    *ret = str_make((const char *)chunk + UA_SYM_HEAD, n - UA_SYM_HEAD - tail);
    return (!encrypts(s) || cut_padding(ret, false)) && ret->n >= UA_SEQUENCE;
}

/* ---- asymmetric --------------------------------------------------------------------------------------------- */

#define POLICY_MAX 255
#define CERT_MAX (32u << 10)
static bool head_bytes(struct rd *r, size_t max, struct str *ret)
{
    uint32_t n = rd_u32le(r);
    *ret = STR_NULL;
    if (r->err || (n != UINT32_MAX && n > max)) return false;
    if (n == UINT32_MAX) return true;
    const uint8_t *p = rd_bytes(r, n);
    *ret = str_make((const char *)p, n);
    return p != NULL;
}
bool ua_asym_head(struct str chunk, struct ua_asym_head *ret)
{
    struct rd r = rd_make(chunk.p, chunk.n);
    rd_bytes(&r, UA_HEAD);
    ret->channel = rd_u32le(&r);
    if (!head_bytes(&r, POLICY_MAX, &ret->policy) || !head_bytes(&r, CERT_MAX, &ret->cert)) return false;
    if (!head_bytes(&r, 20, &ret->thumbprint) || r.err) return false;
    ret->plain_at = chunk.n - rd_left(&r);
    return true;
}
static void put_bytes(struct buf *out, struct str s)
{
    buf_u32le(out, s.n == 0 ? UINT32_MAX : (uint32_t)s.n);
    buf_str(out, s);
}
static bool wide(size_t key)
{
    return key > 256;
}

/* Padding, signature and encryption of what stands in out from `from` on, the chunk beginning at `at`. */
static int asym_close(const struct ua_policy *p, const struct ua_key *key, const struct ua_cert *peer, struct buf *out,
                      size_t at, size_t from)
{
    struct buf cipher;
    size_t block = ua_asym_plain_block(p, peer), size = ua_asym_signature_size(peer), sig = ua_asym_key_size(key);
    put_padding(out, from, sig, block, wide(size));
    put_size(out, at, from - at + (out->n + sig - from) / block * size);
    if (out->err) return out->err;
    buf_space(out, sig + 1); /* so that the view stays where it is */
    int rc = out->err ? out->err : ua_asym_sign(p, key, str_make((const char *)out->p + at, out->n - at), out);
    if (rc != 0) return rc;
    buf_init(&cipher, 1 << 20);
    rc = ua_asym_encrypt(p, peer, str_make((const char *)out->p + from, out->n - from), &cipher);
    out->n = from;
    if (rc == 0) buf_str(out, buf_view(&cipher));
    buf_fini(&cipher);
    return rc ? rc : out->err;
}
int ua_asym_seal(const struct ua_policy *p, const struct ua_cert *ours, const struct ua_key *key,
                 const struct ua_cert *peer, uint32_t channel, uint32_t sequence, uint32_t request, struct str body,
                 struct buf *out)
{
    bool secure = p->id != UA_POLICY_NONE;
    size_t at = ua_chunk_begin(out, UA_CHUNK_OPN, 'F');
    buf_u32le(out, channel);
    put_bytes(out, str_of(p->uri));
    put_bytes(out, secure ? ua_cert_info(ours)->chain : STR_NULL);
    put_bytes(out, secure ? str_make((const char *)ua_cert_info(peer)->thumbprint, 20) : STR_NULL);
    size_t from = out->n;
    buf_u32le(out, sequence);
    buf_u32le(out, request);
    buf_str(out, body);
    ua_chunk_end(out, at);
    int rc = secure && out->err == 0 ? asym_close(p, key, peer, out, at, from) : out->err;
    if (rc != 0 && out->err == 0) out->n = at; /* nothing half goes out */
    return rc;
}
bool ua_asym_open(const struct ua_policy *p, const struct ua_key *key, const struct ua_cert *peer, struct str chunk,
                  const struct ua_asym_head *h, struct buf *out)
{
    struct buf b;
    if (p->id == UA_POLICY_NONE) {
        buf_str(out, str_sub(chunk, h->plain_at, chunk.n));
        return out->err == 0 && out->n >= UA_SEQUENCE;
    }
    size_t sig = ua_asym_signature_size(peer);
    buf_init(&b, 1 << 20);
    buf_str(&b, str_sub(chunk, 0, h->plain_at));
    bool ok =
        b.err == 0 && ua_asym_decrypt(p, key, str_sub(chunk, h->plain_at, chunk.n), &b) == 0 &&
        b.n >= h->plain_at + UA_SEQUENCE + sig &&
        ua_asym_verify(p, peer, str_make((const char *)b.p, b.n - sig), str_make((const char *)b.p + b.n - sig, sig));
    struct str body = ok ? str_make((const char *)b.p + h->plain_at, b.n - sig - h->plain_at) : STR_NULL;
    ok = ok && cut_padding(&body, wide(ua_asym_key_size(key))) && body.n >= UA_SEQUENCE;
    if (ok) buf_str(out, body);
    ua_wipe(b.p, b.n);
    buf_fini(&b);
    return ok && out->err == 0;
}

/* ---- in words ----------------------------------------------------------------------------------------------- */

static const char *const words[UA_CHUNK_TYPES][2] = {
    {"hello", "握手请求"},
    {"acknowledge", "握手确认"},
    {"error", "错误"},
    {"reverse hello", "反向握手"},
    {"open secure channel", "打开安全通道"},
    {"message", "报文"},
    {"close secure channel", "关闭安全通道"},
};
static void both(struct buf *en, struct buf *zh, const char *e, const char *z, uint32_t v)
{
    buf_printf(en, ", %s %u", e, (unsigned)v);
    buf_printf(zh, "，%s %u", z, (unsigned)v);
}
/* The service, where the body is not encrypted and begins right after the sequence header. */
static void describe_service(struct str body, struct buf *en, struct buf *zh)
{
    AUTO_ARENA a;
    arena_init(&a, 64 << 10);
    struct ua_decoder d = ua_decoder(&a, body, NULL);
    struct ua_nodeid id;
    const char *name = ua_decode(&d, UA_NODEID, &id) ? ua_type_name(ua_type_of_binary(&id)) : NULL;
    if (name == NULL || ua_type_of_binary(&id) == 0) return;
    buf_printf(en, ", %s", name);
    buf_printf(zh, "，%s", name);
}
static void describe_error(struct rd *r, struct buf *en, struct buf *zh)
{
    uint32_t code = rd_u32le(r);
    struct str reason;
    for (int i = 0; i < 2; i++) {
        buf_z(i ? zh : en, i ? "，" : ", ");
        ua_status_print(i ? zh : en, code);
    }
    if (!head_bytes(r, 4096, &reason) || reason.n == 0) return;
    buf_printf(en, ", \"%.*s\"", STR_ARG(reason));
    buf_printf(zh, "，“%.*s”", STR_ARG(reason));
}
static void describe_body(const struct ua_chunk_head *h, struct str chunk, struct buf *en, struct buf *zh)
{
    struct rd r = rd_make(chunk.p + UA_HEAD, chunk.n - UA_HEAD);
    struct ua_asym_head ah;
    if (h->type == UA_CHUNK_ERR) {
        describe_error(&r, en, zh);
    } else if (h->type == UA_CHUNK_OPN && ua_asym_head(chunk, &ah)) {
        const struct ua_policy *p = ua_policy_find(ah.policy);
        buf_printf(en, ", policy %s", p ? p->name : "unknown");
        buf_printf(zh, "，安全策略 %s", p ? p->name : "未知");
    } else if ((h->type == UA_CHUNK_MSG || h->type == UA_CHUNK_CLO) && chunk.n >= UA_SYM_HEAD + UA_SEQUENCE) {
        both(en, zh, "channel", "通道", rd_u32le(&r));
        both(en, zh, "token", "令牌", rd_u32le(&r));
        uint32_t sequence = rd_u32le(&r), request = rd_u32le(&r);
        struct str body = str_sub(chunk, UA_SYM_HEAD + UA_SEQUENCE, chunk.n);
        size_t before = en->n;
        describe_service(body, en, zh);
        if (en->n == before) return; /* encrypted, or not the first chunk: the numbers would mislead */
        both(en, zh, "sequence", "序号", sequence);
        both(en, zh, "request", "请求", request);
    }
}
void ua_chunk_describe(struct str chunk, struct buf *en, struct buf *zh)
{
    struct ua_chunk_head h;
    int rc = ua_chunk_head((const uint8_t *)chunk.p, chunk.n, &h);
    if (rc != 1) {
        buf_z(en, rc == 0 ? "less than a chunk's head" : "no OPC UA chunk");
        buf_z(zh, rc == 0 ? "不足一个块头" : "不是 OPC UA 块");
        return;
    }
    const char *kind_en = h.kind == 'C' ? ", more follow" : h.kind == 'A' ? ", given up" : "";
    const char *kind_zh = h.kind == 'C' ? "，后续还有" : h.kind == 'A' ? "，已放弃" : "";
    buf_printf(en, "%s (%s%s), %u bytes", words[h.type][0], chunk_names[h.type], kind_en, (unsigned)h.size);
    buf_printf(zh, "%s（%s%s），%u 字节", words[h.type][1], chunk_names[h.type], kind_zh, (unsigned)h.size);
    describe_body(&h, chunk, en, zh);
}
