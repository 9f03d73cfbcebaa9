/* mqtt_client_int.h - the inside of the MQTT client: mqtt_client.c has the connection, mqtt_session.c what outlives it.
 *
 *   IDLE -> CONNECTING (TCP, TLS) -> GREETING (CONNECT went out) -> UP -> IDLE
 *
 * What is to be sent gathers in `out` and goes to the socket before the loop waits again (prepare handle): a batch of small
 * messages is one write. `generation` changes with each end of a connection, so that whoever called out notices. */
#pragma once
#include "base/arena.h"
#include "base/mem.h"
#include "drivers/common/mqtt_client.h"
#include "io/ws_client.h"

/* The way of the bytes: a stream, or a WebSocket of binary messages (mqtt_link.c). */
struct mc_link {
    struct tls_stream *s;
    struct ws *w;
    const struct mc_link_ops *ops;
    void *ctx;
};
struct mc_link_ops {
    const struct tls_stream_ops *stream;
    void (*taken)(void *ctx);
};
int mc_link_open(struct mc_link *l, uv_loop_t *loop, const struct mqtt_client_config *c, size_t out_max,
                 const struct mc_link_ops *ops, void *ctx, struct error *e);
void mc_link_close(struct mc_link *l, void (*closed)(void *arg), void *arg);
int mc_link_write(struct mc_link *l, const void *p, size_t n);
size_t mc_link_waiting(const struct mc_link *l);
void mc_link_read(struct mc_link *l, bool on);

enum mqtt_client_state { MC_IDLE, MC_CONNECTING, MC_GREETING, MC_UP };

struct mc_out { /* a publication with QoS 1 or 2, in the order in which they were given */
    struct mc_out *next;
    uint64_t token, sent_ms;
    uint16_t id;
    uint8_t qos;
    bool sent, received; /* in this connection; PUBREC came, or as if */
    bool told;           /* given up by its owner; stays until PUBCOMP frees its id */
    size_t n;            /* bytes of the packet, 0: not kept (clean start) */
    uint8_t packet[];
};
struct mc_quiet { /* one with QoS 0: until `end` bytes of the connection were taken */
    uint64_t token, end;
};
struct mc_in { /* a message that was handed over and not acknowledged, in the order in which they came */
    uint32_t handle;
    uint16_t id;
    uint8_t qos, code;
    bool safe; /* the owner said so; its turn has not come */
};
struct mc_request { /* SUBSCRIBE, UNSUBSCRIBE */
    struct mc_request *next;
    uint64_t token, sent_ms;
    uint16_t id;
    uint8_t type; /* of the answer */
    size_t n;
};

struct mqtt_client {
    uv_loop_t *loop;
    const struct mqtt_client_ops *ops;
    void *ctx;
    uv_timer_t timer;
    uv_prepare_t prepare;
    unsigned handles, streams; /* open handles; streams that are closing */
    bool closing, preparing, parsing;
    void (*closed)(void *arg);
    void *closed_arg;

    struct arena arena; /* texts of cfg */
    struct mqtt_client_config cfg;
    enum mqtt_client_state state;
    unsigned generation;
    struct mc_link link;
    struct buf rx, out;
    bool paused, wants_room;
    uint64_t out_total; /* bytes of this connection given to the socket and in `out` */
    uint64_t began_ms, sent_ms, heard_ms, ping_ms; /* ping_ms 0: none is unanswered */
    uint32_t keep_alive_ms;
    char id[256];

    /* what the broker offers */
    uint32_t peer_window, peer_packet;
    uint8_t peer_qos;
    bool peer_retain;

    struct mc_out *outs, **outs_tail;
    unsigned nouts, nsent;
    struct mc_quiet *quiet;
    size_t nquiet, quiet_at, quiet_cap; /* the first one that was not told */
    struct mc_request *requests;
    struct mc_in *in;
    size_t nin, in_cap;
    uint32_t handle;
    uint16_t next_id;
    uint8_t ids[8192];  /* packet ids of ours in use */
    uint8_t seen[8192]; /* QoS 2 messages that came, until PUBREL */
    struct mqtt_client_stats st;
};

/* mqtt_client.c */
uint64_t mc_now(const struct mqtt_client *m); /* ms */
void mc_send(struct mqtt_client *m, const struct mqtt_packet *p);
void mc_send_raw(struct mqtt_client *m, const uint8_t *p, size_t n);
void mc_lose(struct mqtt_client *m, const struct error *why);
void mc_protocol(struct mqtt_client *m, uint8_t code, const char *en, const char *zh); /* it broke the protocol: lost */
void mc_rtt(struct mqtt_client *m, uint64_t sent_ms);
void mc_wake(struct mqtt_client *m); /* the next deadline may have changed */
int mc_code(uint8_t reason);         /* of error.h */

/* mqtt_session.c */
void mc_session_up(struct mqtt_client *m, bool session);
void mc_session_lost(struct mqtt_client *m, bool forget, const struct error *why);
void mc_session_free(struct mqtt_client *m);
void mc_take_publish(struct mqtt_client *m, const struct mqtt_packet *p);
void mc_take_ack(struct mqtt_client *m, const struct mqtt_packet *p);    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
void mc_take_answer(struct mqtt_client *m, const struct mqtt_packet *p); /* SUBACK, UNSUBACK */
void mc_taken(struct mqtt_client *m);                                    /* the socket took bytes: QoS 0, room */
uint64_t mc_session_deadline(const struct mqtt_client *m);               /* ms; UINT64_MAX: none */
void mc_session_later(struct mqtt_client *m, uint64_t now);              /* reading went on: waits begin anew */
