/* mqtt_client.h - the client's side of an MQTT session (3.1.1, 5.0) on a libuv loop, for drivers and outlets.
 *
 * A client outlives its connections: mqtt_client_connect makes one, `up` or `lost` tells how it went, after `lost` the owner
 * waits as it likes (struct backoff) and connects again. With a clean start everything under way ends with the connection.
 * Without, the session goes on: what was published with QoS 1 or 2 and not acknowledged is sent again when the broker has
 * kept the session, and completes with ERR_CLOSED when it has not.
 *
 * Publishing     each publication that was taken ends with exactly one `published` with its token: QoS 0 when the socket has
 *                taken the bytes, QoS 1 on PUBACK, QoS 2 on PUBCOMP (or on the PUBREC that refuses it). Never from inside
 *                mqtt_client_publish. The window is the smaller of ours and the broker's receive maximum.
 * Receiving      `message` hands over each message; one with QoS 1 or 2 is acknowledged when the owner says so with its
 *                handle, late if it likes (stored first). Acknowledgements go out in the order of the messages, as the
 *                standard wants, whatever the order in which the owner gives them. A QoS 2 message comes once while the
 *                session lasts; a QoS 1 message that was not acknowledged comes again after a new connection.
 * Threads        all on the loop's thread. Nothing blocks. Every function may be called in a callback.
 * Memory         what callbacks get dies with the call; what is given is copied.
 * Bounds         packet_max of a packet, out_max bytes that the socket has not taken, `window` publications. */
#pragma once
#include "io/tls_stream.h"
#include "proto/mqtt.h"

struct mqtt_client;

struct mqtt_client_message {
    struct str topic, payload;
    uint8_t qos;
    bool retain, dup;            /* dup: received only */
    uint32_t handle;             /* received with QoS 1, 2: for mqtt_client_ack; else 0 */
    uint32_t expiry_s;           /* 5.0; 0: none */
    struct str content_type, response_topic, correlation; /* 5.0; empty: none */
    struct str user_properties;  /* 5.0, encoded: mqtt_user_property, mqtt_prop_next */
};

struct mqtt_client_config {
    const char *host;
    uint16_t port;
    const char *path;             /* NULL: TCP; else a WebSocket at this path ("/mqtt") */
    const struct tls_client *tls; /* NULL: plain; must outlive the connection */
    uint8_t version;              /* MQTT_3_1_1 or MQTT_5 */
    const char *client_id;        /* "": the broker chooses (needs a clean start in 3.1.1) */
    const char *user, *password;  /* NULL: none */
    bool clean;                   /* clean start; false: the session goes on */
    uint32_t session_expiry_s;    /* 5.0, without clean; UINT32_MAX: never; 3.1.1: as long as the broker keeps it */
    uint16_t keep_alive_s;        /* 0: none; the broker's own (5.0) goes before */
    uint32_t connect_ms;          /* until CONNACK; 0: 10 s */
    uint32_t answer_ms;           /* SUBACK, UNSUBACK, PINGRESP; PUBACK too: a broker that owes one so long is dead; 0: 30 s */
    uint16_t receive_maximum;     /* unacknowledged messages that the broker may send (5.0); 0: 1000 */
    uint16_t window;              /* unacknowledged publications of ours; 0: 100 */
    uint32_t packet_max;          /* longest packet taken; 0: 1 MiB */
    size_t out_max;               /* 0: 4 MiB */
    const struct mqtt_client_message *will; /* NULL: none */
    uint32_t will_delay_s;        /* 5.0 */
};

struct mqtt_client_filter {
    struct str filter;
    uint8_t qos;
    bool no_local, as_published;  /* 5.0 */
    uint8_t retain_handling;      /* 5.0: 0 send retained ones, 1 only when the subscription is new, 2 not */
};

/* Any may be NULL. */
struct mqtt_client_ops {
    /* CONNACK came. session: the broker had kept it, with its subscriptions. props: of the CONNACK. */
    void (*up)(void *ctx, bool session, const struct mqtt_props *props);
    /* It could not be made, or it ended: ERR_UNAUTHENTICATED (user, password), ERR_FORBIDDEN, ERR_UNAVAILABLE, ERR_TIMEOUT,
     * ERR_CLOSED, ERR_PROTOCOL … Once for each mqtt_client_connect unless mqtt_client_drop or _close came first. */
    void (*lost)(void *ctx, const struct error *why);
    void (*message)(void *ctx, const struct mqtt_client_message *m);
    /* e NULL: the broker has it (QoS 0: the socket). ERR_FORBIDDEN, ERR_INVALID, ERR_LIMIT …: it refused it. ERR_CLOSED,
     * ERR_CANCELLED: not known. */
    void (*published)(void *ctx, uint64_t token, const struct error *e);
    /* Of a subscribe: codes[i] of filter i, 0 to 2 the QoS granted, from 0x80 on refused. Of an unsubscribe (5.0; else n is
     * 0). e: not known. */
    void (*subscribed)(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *e);
    /* After mqtt_client_publish said ERR_AGAIN: there is room again. After `lost`, where that came out of a packet: it is
     * idle now. */
    void (*ready)(void *ctx);
    /* Every packet, for the trace; e: what was wrong with a received one. */
    void (*frame)(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e);
};

struct mqtt_client_stats {
    uint64_t bytes_in, bytes_out, packets_in, packets_out, messages_in, messages_out, connects, errors;
    uint32_t rtt_us;             /* smoothed, of acknowledgements and pings */
    uint32_t inflight, unacked;  /* publications of ours; messages that we have not acknowledged */
};

/* *ops and ctx stay the caller's. ERR_NOMEM. */
MUST_CHECK int mqtt_client_new(uv_loop_t *loop, const struct mqtt_client_ops *ops, void *ctx, struct mqtt_client **ret);
/* Not while a connection is there (ERR_EXISTS). All of *c is copied but tls. ERR_INVALID names the option; ERR_NOMEM,
 * ERR_UNAVAILABLE: then `lost` does not come. */
MUST_CHECK int mqtt_client_connect(struct mqtt_client *m, const struct mqtt_client_config *c, struct error *e);
bool mqtt_client_up(const struct mqtt_client *m); /* NULL: false */
bool mqtt_client_idle(const struct mqtt_client *m); /* no connection, and none being made or torn down: connect may come */
const char *mqtt_client_id(const struct mqtt_client *m); /* as given, or as the broker assigned it (5.0); "" unknown */

/* 0: taken. ERR_AGAIN: the window or the buffer is full, `ready` will tell; ERR_CLOSED: not up; ERR_INVALID: the topic;
 * ERR_TOO_LARGE: more than the broker takes; ERR_UNSUPPORTED: QoS or retain that the broker does not offer; ERR_NOMEM. */
MUST_CHECK int mqtt_client_publish(struct mqtt_client *m, const struct mqtt_client_message *msg, uint64_t token, struct error *e);
/* That publication must not be sent again in a later connection (a command that would come late). It completes now, with
 * ERR_CANCELLED; whether it came is not known. Unknown tokens do nothing, nor does a NULL client; so in mqtt_client_ack. */
void mqtt_client_forget(struct mqtt_client *m, uint64_t token);
/* The message of that handle is safe. code: 0, or from 0x80 on a refusal that 5.0 tells the broker. Handles of a connection
 * that is gone do nothing. */
void mqtt_client_ack(struct mqtt_client *m, uint32_t handle, uint8_t code);
/* At most 1000 filters. ERR_CLOSED, ERR_INVALID (a filter), ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int mqtt_client_subscribe(struct mqtt_client *m, const struct mqtt_client_filter *f, size_t n, uint64_t token, struct error *e);
MUST_CHECK int mqtt_client_unsubscribe(struct mqtt_client *m, const struct str *filters, size_t n, uint64_t token, struct error *e);
/* Stop taking packets, go on; on with each new connection. */
void mqtt_client_read(struct mqtt_client *m, bool on);
/* End the connection now, with DISCONNECT (code 0x04: with the will, which 3.1.1 does by saying nothing). `lost` does not
 * come; the client may connect again when mqtt_client_idle. forget: the session too, so that nothing is sent again. */
void mqtt_client_drop(struct mqtt_client *m, uint8_t code, bool forget);
/* The end: DISCONNECT with that code when up. What is under way completes with ERR_CANCELLED, in here. `closed` comes from
 * the loop when all memory is gone. NULL client: closed at once, in here. */
void mqtt_client_close(struct mqtt_client *m, uint8_t code, void (*closed)(void *arg), void *arg);
void mqtt_client_stats(const struct mqtt_client *m, struct mqtt_client_stats *ret);
