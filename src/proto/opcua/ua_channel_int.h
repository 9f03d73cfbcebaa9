/* ua_channel_int.h - chunks: their layout, sealing and opening (ua_chunk.c); the state of a channel, for the files that
 * drive it: ua_channel.c (life, messages, time), ua_hello.c, ua_open.c. */
#pragma once
#include "proto/opcua/ua_channel.h"
#include "proto/opcua/ua_security_int.h"

#define UA_HEAD 8      /* type, kind, size */
#define UA_SYM_HEAD 16 /* + channel, token */
#define UA_SEQUENCE 8  /* sequence number, request id */
#define UA_HMAC 32

enum ua_chunk_type {
    UA_CHUNK_HEL,
    UA_CHUNK_ACK,
    UA_CHUNK_ERR,
    UA_CHUNK_RHE,
    UA_CHUNK_OPN,
    UA_CHUNK_MSG,
    UA_CHUNK_CLO,
    UA_CHUNK_TYPES
};
struct ua_chunk_head {
    enum ua_chunk_type type;
    char kind;     /* 'F' final, 'C' more follow, 'A' abort */
    uint32_t size; /* of the whole chunk */
};
/* 1: a head (n >= UA_HEAD); 0: more bytes; -1: no chunk of OPC UA. */
int ua_chunk_head(const uint8_t *p, size_t n, struct ua_chunk_head *ret);
/* Begin one at the end of out; returns where. ua_chunk_end sets its size. */
size_t ua_chunk_begin(struct buf *out, enum ua_chunk_type type, char kind);
void ua_chunk_end(struct buf *out, size_t at);

struct ua_keys { /* of one direction */
    uint8_t sign[32], encrypt[32], iv[16];
};
void ua_keys_derive(const struct ua_policy *p, struct str secret, struct str seed, struct ua_keys *ret);
struct ua_suite { /* how chunks of a channel are secured */
    const struct ua_policy *policy;
    enum ua_mode mode;
};
/* Bytes of body that fit into a chunk of `size`. */
size_t ua_sym_room(const struct ua_suite *s, size_t size);
/* Seal the chunk that stands in out from `at` on (UA_SYM_HEAD, sequence, body): padding, signature, encryption, size.
 */
MUST_CHECK int ua_sym_seal(const struct ua_suite *s, const struct ua_keys *k, struct buf *out, size_t at);
/* Open it in place: *ret is sequence header and body. false: anything is wrong. */
MUST_CHECK bool ua_sym_open(const struct ua_suite *s, const struct ua_keys *k, uint8_t *chunk, size_t n,
                            struct str *ret);

struct ua_asym_head {
    uint32_t channel;
    struct str policy, cert, thumbprint;
    size_t plain_at; /* where the encrypted part begins */
};
MUST_CHECK bool ua_asym_head(struct str chunk, struct ua_asym_head *ret);
/* Put an OPN chunk with sequence header and body into out. */
MUST_CHECK int ua_asym_seal(const struct ua_policy *p, const struct ua_cert *ours, const struct ua_key *key,
                            const struct ua_cert *peer, uint32_t channel, uint32_t sequence, uint32_t request,
                            struct str body, struct buf *out);
/* Open one: sequence header and body to `out`. */
MUST_CHECK bool ua_asym_open(const struct ua_policy *p, const struct ua_key *key, const struct ua_cert *peer,
                             struct str chunk, const struct ua_asym_head *h, struct buf *out);

/* ---- the channel ------------------------------------------------------------------------------------------------ */

#define PROTOCOL_VERSION 0
#define URL_MAX 4096
#define EARLY_CHUNK_MAX 8192u /* before the sizes are agreed on */
#define OUT_MAX (256u << 20)
#define MS 1000000ull
#define OPEN_WITHIN (10000 * MS)
#define SEQUENCE_WRAP (UINT32_MAX - 1024u)
#define NONCE_MAX 64
#define LIFETIME_LEAST_MS 1000

enum ua_state { IDLE, HELLO, OPENING, OPEN, OVER };

struct ua_token {
    uint32_t id;
    bool alive;
    uint64_t expires_ns, renew_ns;
    struct ua_keys ours, theirs;
};
struct ua_partial {
    struct ua_partial *next;
    uint32_t request, chunks;
    struct buf body;
};
struct ua_channel {
    struct ua_channel_config c;
    struct str url;
    enum ua_state state;
    bool renewing, told;
    struct ua_event last; /* given out before the end */
    char reason[256];
    uint64_t began_ns;
    struct buf in, out;
    size_t in_at; /* of `in`: what was taken out */
    struct ua_suite suite;
    struct ua_cert *peer_own; /* server: of the client, ours to free */
    const struct ua_cert *peer;
    uint32_t channel_id, token_ids, sent, received, requests, lifetime_ms;
    bool any_received;
    struct ua_token tokens[2];
    unsigned sending;         /* slot */
    uint8_t nonce[NONCE_MAX]; /* client: of the opening under way */
    uint32_t receive, send, peer_message, peer_chunks;
    struct ua_partial *partials;
    size_t partial_bytes, partial_n;
    struct ua_channel_info counts;
};

/* Ends. `tell`: what a server tells its peer, 0: nothing. Of failed security a peer learns no more than that. */
void ua_ch_end(struct ua_channel *ch, uint32_t status, const char *reason, uint32_t tell);
void ua_ch_breach(struct ua_channel *ch, uint32_t status, const char *reason);
void ua_ch_insecure(struct ua_channel *ch, uint32_t status, const char *reason);

uint32_t ua_ch_next_sequence(struct ua_channel *ch);
bool ua_ch_take_sequence(struct ua_channel *ch, uint32_t n);
int64_t ua_ch_now_us(const struct ua_channel *ch);
void ua_ch_put_string(struct buf *out, struct str s);
/* A String as text of its own in `a`; over `max` bytes: false. */
bool ua_ch_text(struct rd *r, uint32_t max, struct arena *a, struct str *ret);

void ua_ch_on_hello(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev);
void ua_ch_on_ack(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev);
void ua_ch_on_error(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev);
void ua_ch_on_reverse(struct ua_channel *ch, struct rd r, struct arena *a, struct ua_event *ev);
void ua_ch_ask_open(struct ua_channel *ch); /* client: OPN, to open or to renew */
void ua_ch_on_open(struct ua_channel *ch, struct str chunk, struct arena *a, uint64_t now_ns, struct ua_event *ev);
