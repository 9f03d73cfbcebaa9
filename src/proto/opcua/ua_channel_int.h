/* ua_channel_int.h - chunks: their layout, sealing and opening (ua_chunk.c), for the channel. */
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
