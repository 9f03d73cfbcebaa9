/* ua_channel.h - one connection of OPC UA TCP as a pure state machine, for clients and servers alike: hello and
 * acknowledge, chunks, secure channel with renewal (OPC 10000-6, 6.7 and 7.1). Bytes in, events out; structures in,
 * bytes out. It owns no socket, no timer and no clock: the owner feeds what it has read, writes what stands in
 * ua_channel_out, and calls ua_channel_tick when that said so.
 *
 *   loop:  ua_channel_in(ch, bytes, n)
 *          while ((rc = ua_channel_next(ch, now_ns, arena, &ev)) == 1) handle(ev);   (arena_reset between if wished)
 *          write and drop ua_channel_out(ch); when rc < 0 or ua_channel_over(ch): close the socket after that
 *
 * Limits     What a peer may make us hold: one chunk of config.receive_buffer, and unfinished messages of
 *            limits.message bytes, limits.chunks chunks each, limits.partial messages at a time.
 * Security   Sequence numbers (wrap rule included), signatures, tokens (two alive while one is renewed) and padding
 *            are checked before anything is looked at; comparisons take constant time; a fault ends the channel.
 * Threads    one at a time. Ownership: config's certificates and keys belong to the caller and outlive the channel. */
#pragma once
#include "proto/opcua/ua_security.h"
#include "proto/opcua/ua_service.h"

#define UA_BUFFER_MIN 8192u

struct ua_channel_config {
    bool server;
    struct ua_limits limits;              /* of what we accept; all 0: ua_limits_default */
    uint32_t receive_buffer, send_buffer; /* greatest chunk in, out; 0: 65535 */
    struct ua_random random;
    const struct ua_cert *cert; /* ours; NULL when only policy None is used */
    const struct ua_key *key;
    int64_t (*now_us)(void *ctx); /* UTC for the headers of the openings; NULL: they carry no time */
    uint32_t first_sequence;      /* 0: 1; so that the wrap can be tested */

    /* client */
    struct str endpoint_url; /* copied */
    const struct ua_policy *policy;
    enum ua_mode mode;
    const struct ua_cert *peer; /* the server's, from GetEndpoints; its trust is the owner's decision before */
    uint32_t lifetime_ms;       /* of a token, asked for; 0: one hour. Renewed when 75 % have passed */

    /* server */
    uint32_t channel_id;                       /* != 0, unique among the server's channels */
    uint8_t modes[UA_POLICY_COUNT];            /* 1 << enum ua_mode, of each policy; None must be there for discovery */
    uint32_t lifetime_min_ms, lifetime_max_ms; /* 0: 10 s, one hour */
    uint32_t (*check_url)(void *ctx, struct str endpoint_url); /* may be NULL; 0 or a status */
    /* Trust; required when a policy is not None. Asked before the peer has proven that it holds the key: keep a bound
     * on what is remembered of those refused. */
    uint32_t (*check_peer)(void *ctx, const struct ua_cert *peer);
    void *ctx;
};

enum ua_event_kind {
    UA_EVENT_NONE,
    UA_EVENT_ACK,     /* client: the server answered; server: a client said hello (ev.text: endpoint URL) */
    UA_EVENT_REVERSE, /* client: a server called (RHE): ev.text its URI, ev.text2 the endpoint URL; see
                         ua_channel_accept */
    UA_EVENT_OPENED,  /* the secure channel stands; requests may be sent */
    UA_EVENT_RENEWED,
    UA_EVENT_MESSAGE, /* ev.type, ev.value, ev.request_id, ev.handle; ev.status != 0: it could not be decoded */
    UA_EVENT_ABORTED, /* the peer gave a message up: ev.request_id, ev.status, ev.text */
    UA_EVENT_CLOSED,  /* the peer closed the channel in order */
    UA_EVENT_ERROR,   /* the end, with ev.status and ev.text; ev.remote: the peer said so */
};
struct ua_event {
    enum ua_event_kind kind;
    unsigned type;       /* UA_T_...; 0: a service that we do not know */
    void *value;         /* struct of that type, in the arena given to ua_channel_next */
    struct str raw;      /* the message's bytes, in the arena */
    uint32_t request_id; /* client: that of ua_channel_send; server: for ua_channel_answer */
    uint32_t handle;     /* request handle of the header */
    uint32_t status;
    bool remote;
    struct str text, text2;
};

struct ua_channel;
MUST_CHECK int ua_channel_new(const struct ua_channel_config *c, struct ua_channel **ret, struct error *e);
void ua_channel_free(struct ua_channel *ch);

/* Client: puts HEL out; everything up to OPENED follows by itself. Not after a reverse hello. */
void ua_channel_start(struct ua_channel *ch, uint64_t now_ns);
/* Client in reverse connect: the owner agrees to the server that called. */
void ua_channel_accept(struct ua_channel *ch, uint64_t now_ns);
/* Server in reverse connect: puts RHE out. */
void ua_channel_call(struct ua_channel *ch, struct str server_uri, struct str endpoint_url);

/* Take bytes that were read; all are kept. ERR_TOO_LARGE when the owner does not take the events out. */
MUST_CHECK int ua_channel_in(struct ua_channel *ch, const void *p, size_t n);
/* 1: an event; 0: more bytes are needed; negative: the channel is over (the event ERROR or CLOSED came before). */
MUST_CHECK int ua_channel_next(struct ua_channel *ch, uint64_t now_ns, struct arena *a, struct ua_event *ret);
/* Bytes to be written; the owner drops what it has written (buf_drop, buf_clear). */
struct buf *ua_channel_out(struct ua_channel *ch);
bool ua_channel_over(const struct ua_channel *ch);

/* Client: send a request. ERR_CLOSED: not open; ERR_TOO_LARGE: more than the peer takes; nothing was sent then.
 * ret_request_id: that of the answer. The header's request_handle etc. are the caller's. */
MUST_CHECK int ua_channel_send(struct ua_channel *ch, unsigned type, const void *request, uint32_t *ret_request_id);
/* Server: send an answer to request_id of an event. ERR_TOO_LARGE: answer with a fault BadResponseTooLarge. */
MUST_CHECK int ua_channel_answer(struct ua_channel *ch, uint32_t request_id, unsigned type, const void *response);
MUST_CHECK int ua_channel_fault(struct ua_channel *ch, uint32_t request_id, uint32_t handle, uint32_t status,
                                int64_t now_us);

/* Renew (client), give up (both: token not renewed, no hello or opening within 10 s). Returns when to call again. */
uint64_t ua_channel_tick(struct ua_channel *ch, uint64_t now_ns);
/* In order: client puts CLO out. The channel is over. */
void ua_channel_close(struct ua_channel *ch);
/* Server (and client before opening): puts ERR out with a status and a reason. The channel is over. */
void ua_channel_fail(struct ua_channel *ch, uint32_t status, struct str reason);

struct ua_channel_info {
    bool open;
    uint32_t channel_id, token_id, lifetime_ms;
    const struct ua_policy *policy;
    enum ua_mode mode;
    const struct ua_cert *peer; /* server: the client's certificate of the opening; NULL with policy None */
    uint32_t peer_receive_buffer, peer_max_message, peer_max_chunks; /* 0: without limit */
    uint64_t bytes_in, bytes_out, chunks_in, chunks_out, renewals;
    size_t partial_bytes, partial_n; /* held for unfinished messages */
};
struct ua_channel_info ua_channel_info(const struct ua_channel *ch);

/* One chunk in words, English and Chinese, for diagnostics: type, length, channel, sequence, and the service where the
 * policy is None. Any bytes. */
void ua_chunk_describe(struct str chunk, struct buf *en, struct buf *zh);
