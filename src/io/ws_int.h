/* ws_int.h - shared by ws_conn.c, ws_client.c, ws_server.c. */
#pragma once
#include "io/ws_conn.h"
#include "io/ws_frame.h"

#define WS_HEAD_BYTES 16384
#define WS_GOODBYE_MS 1000

enum ws_state { WS_SHAKING, WS_OPEN, WS_LEAVING, WS_DEAD };
struct ws {
    const struct ws_ops *ops;
    void *ctx;
    struct tls_stream *stream;
    struct ws_limits limits;
    enum ws_state state;
    bool masks;                        /* we are the client */
    bool told, left;                   /* lost was called; ws_conn_close was */
    bool close_sent;
    struct ws_reader reader;
    struct buf head;                   /* while shaking hands */
    uv_timer_t timer;
    uint64_t heard_ms, pinged_ms;      /* on the loop's clock */
    struct ws_stats stats;
    unsigned open;                     /* handles: stream, timer */
    void (*drained)(void *ctx);
    void (*closed)(void *arg);
    void *closed_arg;
    /* The other end's words: all of p is to be looked at; the head is over when true comes, *ret_used bytes were its. */
    int (*shake)(struct ws *w, const uint8_t *p, size_t n, size_t *ret_used);
    void (*begin)(struct ws *w);       /* the stream is up; NULL: nothing to say */
    void (*gone)(struct ws *w);        /* the owner of the memory around it, at the very end */
    void *side;                        /* client's or server's own */
};
/* limits, timer; the stream is set by the caller, with ws_stream_ops and w. */
MUST_CHECK int ws_init(struct ws *w, uv_loop_t *loop, const struct ws_limits *l, bool client, uint32_t shake_ms);
extern const struct tls_stream_ops ws_stream_ops;
void ws_fail(struct ws *w, const struct error *why); /* told to the owner when he has not closed it */
void ws_upgraded(struct ws *w);                      /* hands are shaken: opened */
void ws_accept_key(struct str key, char out[32]);    /* Sec-WebSocket-Accept */
/* What a server says to a client's request; head: all of it with its empty line. Pure. */
enum ws_answer { WS_ANSWER_GOOD, WS_ANSWER_REFUSED, WS_ANSWER_WRONG, WS_ANSWER_PROTOCOL };
enum ws_answer ws_answer_check(struct str head, const char *accept, const char *protocol, unsigned *ret_status, struct str *ret_line);
