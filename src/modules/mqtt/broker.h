/* broker.h - the broker without a network, a clock or a disk: sessions, subscriptions, retained messages, wills, flow
 * control. Bytes of a connection go in (mq_input), bytes for it gather in link->out; everything else goes through
 * mq_ops. One thread owns a broker and all that belongs to it.
 *
 * Acknowledged means durable: what a PUBLISH of QoS 1 or 2 has changed that must survive (samples, messages for
 * sessions that persist, retained messages) is handed out through `ingest` and `keep` while the packet is handled;
 * then its acknowledgement is handed out through `later` and sent when mq_acked says so. Acknowledgements of one link
 * keep their order.
 *
 * Sessions belong to who opened them: the same client id of two owners means two sessions, so that nobody takes over
 * a session of somebody else. Topics of a device about itself ("v1/devices/me/…", "v1/gateway/…") live inside as
 * "$me/<owner>/…", "$gateway/…". */
#pragma once
#include "proto/mqtt.h"

struct mq_broker;
struct mq_held;
struct mq_link;
struct mq_session;

enum mq_role { MQ_NOBODY, MQ_DEVICE, MQ_USER };
struct mq_who {
    uint8_t role;                              /* enum mq_role */
    char id[37];                               /* of the device or user */
    char name[68];                             /* code or login */
    uint8_t key[32];                           /* digest of the token that he came with */
    bool by_token, may_publish, may_subscribe; /* the last two: of a user, everything */
};

struct mq_limits { /* 0: the default of mq_defaults */
    size_t connections, sessions, subscriptions /* a session */, queue, queue_bytes /* a session */;
    size_t retained, retained_bytes, packet, client_id;
    uint16_t receive_maximum, aliases, inflight;
    uint32_t session_expiry_s; /* longest */
};
extern const struct mq_limits mq_defaults;

/* What must survive, in words of the store. Views are valid during the call only. */
enum mq_keep_op {
    MQ_KEEP_SESSION,
    MQ_DROP_SESSION, /* with all that belongs to it */
    MQ_KEEP_SUB,
    MQ_DROP_SUB,
    MQ_KEEP_MESSAGE,
    MQ_SENT_MESSAGE, /* packet id and state of a message of QoS 2 */
    MQ_DROP_MESSAGE,
    MQ_KEEP_RECEIVED, /* id of a PUBLISH of QoS 2 that was taken, until its PUBREL */
    MQ_DROP_RECEIVED,
    MQ_KEEP_RETAINED,
    MQ_DROP_RETAINED,
    MQ_KEEP_WILL, /* of a session, whether it persists or not */
    MQ_DROP_WILL
};
struct mq_message;
struct mq_keep {
    enum mq_keep_op op;
    const struct mq_session *session;
    struct str filter;        /* of a subscription */
    uint32_t options, number; /* subscription: options, its id; received, message: packet id; will: expiry, delay (s) */
    uint8_t state;            /* message: 1 PUBREC has come */
    uint8_t qos;              /* message */
    bool retain;              /* message: to be sent with the flag */
    uint64_t row;             /* message: number within the session, ascending */
    uint64_t handle;          /* message: what keep gave for MQ_KEEP_MESSAGE */
    int64_t due_us;           /* will: when it is to be sent; 0: the connection stands */
    const struct mq_message *message;
};

enum { MQ_PASS = 1, MQ_TAKEN = 2, MQ_PAUSED = 3 }; /* answers of `ingest`; negative: -reason */
struct mq_ops {                                    /* all on the broker's thread, none may block */
    /* Who is it? 0 and *ret, or a reason code of a refusal. */
    uint8_t (*login)(void *ctx, struct mq_link *l, const struct mqtt_packet *connect, struct mq_who *ret);
    bool (*may)(void *ctx, const struct mq_who *who, bool publish, struct str topic_or_filter);
    /* A PUBLISH: MQ_PASS not mine, MQ_TAKEN its samples will be durable with `later`, MQ_PAUSED the link is to be
     * paused until mq_resume with the outcome, or -reason. */
    int (*ingest)(void *ctx, struct mq_link *l, const struct mqtt_packet *p);
    void (*later)(void *ctx, struct mq_link *l, uint8_t type, uint16_t id, uint8_t code); /* see above */
    uint64_t (*keep)(void *ctx, const struct mq_keep *k);                                 /* a handle for messages */
    void (*wake)(void *ctx, struct mq_link *l);                          /* there is output, or an end */
    void (*subscribed)(void *ctx, struct mq_link *l, struct str filter); /* NULL: nobody asks */
    /* A message of that topic for who subscribes: may it be given? Asked while mq_withholds is on; NULL: never. */
    bool (*gives)(void *ctx, const struct mq_who *who, struct str topic);
    void (*denied)(void *ctx, struct mq_link *l, const struct mqtt_packet *p); /* a PUBLISH; NULL: nobody asks */
};

/* A connection; what carries it embeds one. */
struct mq_link {
    struct mq_broker *b;
    struct mq_session *s; /* NULL until CONNECT has been taken, and after the end */
    struct buf out;
    uint64_t heard_ns, opened_ns;
    int64_t opened_us;
    uint64_t n_in, n_out; /* PUBLISH packets */
    uint64_t noted_ns;    /* of the ingest: when a message was last shown as recent */
    uint64_t cached;      /* of the ingest: what it knows of the device */
    void *cached_device;
    uint32_t max_packet; /* of the peer */
    uint32_t pending;    /* acknowledgements handed out */
    uint16_t keep_alive, receive_maximum, aliases_out;
    uint8_t version; /* 0 until CONNECT */
    uint8_t why;     /* reason of the end */
    bool ended;      /* nothing more is taken; when out is empty it is to be closed */
    bool paused;     /* nothing is taken until mq_resume */
    bool resting;    /* nothing is taken until mq_tick: it made us look at too much */
    bool bridge;     /* the peer is a broker: it gets nothing back that it sent, and the retain flag as it was */
    bool problem_info, polite /* a DISCONNECT came */, woken, secure;
    char peer[46];
    char **aliases; /* of the peer, by number - 1 */
    const char *end_en, *end_zh;
    struct mq_held *held;        /* SUBACKs that wait for the disk, in their order */
    struct mq_who who;           /* before CONNECT: of the certificate */
    struct mq_link *next, *prev; /* all open ones */
};

int mq_broker_new(const struct mq_limits *limits, const struct mq_ops *ops, void *ctx, struct mq_broker **ret);
void mq_broker_free(struct mq_broker *b);                            /* links must have ended */
void mq_time(struct mq_broker *b, uint64_t mono_ns, int64_t now_us); /* before each call into the broker */
void mq_tick(struct mq_broker *b);                                   /* once a second: keep-alive, expiry, wills */

struct mq_link *mq_links(const struct mq_broker *b); /* all, by next */
void mq_link_open(struct mq_broker *b, struct mq_link *l);
/* Take packets from p; *ret_used bytes were used, what is left must come again with more behind it. */
void mq_input(struct mq_link *l, const uint8_t *p, size_t n, size_t *ret_used);
void mq_drained(struct mq_link *l); /* out has been sent: what waits can go */
/* The connection is gone (or closed because `ended`). The link may be freed once `pending` is 0. */
void mq_link_lost(struct mq_link *l);
void mq_end(struct mq_link *l, uint8_t reason, const char *en, const char *zh); /* end it, and say why (5.0) */
/* What `later` was given is durable; ok false: it is not, and the peer is to send it again. */
void mq_acked(struct mq_link *l, uint8_t type, uint16_t id, uint8_t code, bool ok);
/* A link that `ingest` paused: the packet's outcome is handed to `later`, and it goes on. code 0 or a reason. */
void mq_resume(struct mq_link *l, uint8_t qos, uint16_t id, uint8_t code);

/* A message of our own (attributes, RPC): to whoever subscribes. owner NULL: as the topic stands. */
int mq_publish(struct mq_broker *b, struct str topic, struct str payload, uint8_t qos, bool retain);
struct str mq_me_topic(char out[MQTT_LEVELS_MAX * 2], const char *owner, const char *rest); /* "$me/<owner>/<rest>" */
struct str mq_gateway_topic(char out[MQTT_LEVELS_MAX * 2], const char *owner, const char *rest); /* "$gateway/…" */
/* A command: to the connections of the owner that subscribe to its topic now, with QoS 0, never kept or repeated; how
 * many it was written to. */
size_t mq_send_now(struct mq_broker *b, const char *owner, struct str topic, struct str payload);

/* Rules have changed: subscriptions of those who are connected that are not permitted any more end. */
void mq_recheck(struct mq_broker *b);
void mq_withholds(struct mq_broker *b, bool on);

/* From the store, before the first link. All copy. */
int mq_load_session(struct mq_broker *b, struct str client_id, const struct mq_who *who, uint32_t expiry_s,
                    int64_t gone_us);
int mq_load_sub(struct mq_broker *b, struct str key, struct str filter, uint32_t options, uint32_t number);
struct mq_loaded {
    struct str topic, payload, props;
    int64_t expires_us; /* 0: never */
    uint8_t qos, state;
    bool retain;
    uint16_t packet_id;
    uint64_t row;
};
int mq_load_message(struct mq_broker *b, struct str key, const struct mq_loaded *m);
int mq_load_received(struct mq_broker *b, struct str key, uint16_t id);
int mq_load_retained(struct mq_broker *b, const struct mq_loaded *m);
/* A will, after all sessions. The one of a session that does not persist is sent at the next tick. due_us 0: the
 * connection was there when the server ended; its delay begins now. */
int mq_load_will(struct mq_broker *b, struct str client_id, const struct mq_who *who, const struct mq_loaded *m,
                 uint32_t expiry_s, uint32_t delay_s, int64_t due_us);

/* What is there. */
struct mq_message_view {
    struct str topic, payload, props;
    uint8_t qos;
    int64_t expires_us;
};
struct mq_message_view mq_message_view(struct mq_broker *b, const struct mq_message *m);
struct mq_session_view {
    struct str key, client_id;
    uint64_t number; /* of this run */
    const struct mq_who *who;
    const struct mq_link *link; /* NULL: not connected */
    size_t subscriptions, queued, queued_bytes, inflight;
    uint64_t dropped;
    uint32_t expiry_s;
    int64_t gone_us; /* when it left; 0: connected */
};
void mq_session_view(const struct mq_session *s, struct mq_session_view *ret);
/* In the order of their keys' table; fn non-zero stops. */
int mq_sessions_each(struct mq_broker *b, int (*fn)(void *ctx, const struct mq_session_view *v), void *ctx);
int mq_subs_each(const struct mq_session *s, int (*fn)(void *ctx, struct str filter, uint8_t qos), void *ctx);
struct mq_session *mq_session_find(struct mq_broker *b, struct str key);
void mq_session_end(struct mq_session *s, uint8_t reason); /* its connection, and what is kept of it */
struct mq_stats {
    size_t links, sessions, subscriptions, retained, retained_bytes;
    uint64_t received, sent, dropped, denied, refused, expired;
};
void mq_stats(const struct mq_broker *b, struct mq_stats *ret);
