/* tls_stream.h - a byte stream: TCP, or TLS over TCP, on a libuv loop. For drivers and northbound clients; a server's
 * streams come from tls_server.h and behave alike.
 *
 * Threads   all on the loop's thread. Nothing blocks: names are resolved in libuv's pool.
 * Life      tls_stream_open -> opened once, or lost once; data between; lost at most once, and never after
 * tls_stream_close. Callbacks come from the loop, never from inside a function here but tls_stream_read. After `lost`
 * the stream is dead: call tls_stream_close. tls_stream_close may be called at any time, in a callback too; `closed`
 * comes when all handles are gone, and with it the memory. TLS       1.2 and 1.3. The peer is verified against the
 * authorities given (or the system's) and its name, unless that is switched off. A tls_client is immutable and may
 * serve many streams of one thread or several. Bounds    at most out_max bytes wait for the socket: more is ERR_LIMIT,
 * and nothing of it was taken. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "base/error.h"

struct tls_client;
struct tls_client_config {
    const char *ca_pem;             /* PEM texts, also in one line; NULL or "": the system's authorities */
    const char *cert_pem, *key_pem; /* our own, both or none */
    bool verify;                    /* false: any certificate will do */
    const char *server_name;        /* the name that the certificate must have; NULL or "": the host connected to */
    const char *alpn;               /* one protocol, "mqtt"; NULL: none */
};
/* ERR_INVALID names the option (ca, certificate, key) in e->where. */
MUST_CHECK int tls_client_new(const struct tls_client_config *c, struct tls_client **ret, struct error *e);
void tls_client_free(struct tls_client *t); /* NULL too */

struct tls_stream;
struct tls_stream_ops {
    void (*opened)(void *ctx);                           /* connected, handshake done */
    void (*data)(void *ctx, const uint8_t *p, size_t n); /* all is to be taken */
    void (*lost)(void *ctx, const struct error *why); /* ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CLOSED (by the peer) ... */
};
struct tls_stream_config {
    const char *host; /* name or address; copied */
    uint16_t port;
    uint32_t connect_ms;          /* resolving, connecting and handshake; 0: 10 s */
    const struct tls_client *tls; /* NULL: plain; must outlive the stream */
    size_t out_max;               /* 0: 1 MiB */
};
/* *ops and ctx stay the caller's. ERR_NOMEM, ERR_UNAVAILABLE. */
MUST_CHECK int tls_stream_open(uv_loop_t *loop, const struct tls_stream_config *c, const struct tls_stream_ops *ops,
                               void *ctx, struct tls_stream **ret, struct error *e);
MUST_CHECK int tls_stream_write(struct tls_stream *s, const void *p,
                                size_t n);             /* 0, ERR_LIMIT, ERR_CLOSED, ERR_NOMEM */
size_t tls_stream_waiting(const struct tls_stream *s); /* bytes that the socket has not taken yet */
/* From the loop, whenever the socket has taken bytes that waited; NULL: nobody wants to know. */
void tls_stream_on_taken(struct tls_stream *s, void (*taken)(void *ctx));
void tls_stream_read(struct tls_stream *s, bool on); /* stop taking data, go on; on at first */
void tls_stream_close(struct tls_stream *s, void (*closed)(void *arg), void *arg);
/* Whom we talk to: a client's host as configured, or the address of who was accepted (tls_server.h). */
const char *tls_stream_host(const struct tls_stream *s);
unsigned tls_stream_port(const struct tls_stream *s);
/* The common name in the peer's certificate, when that was verified. */
bool tls_stream_name(const struct tls_stream *s, char *out, size_t cap);
/* Called when the socket has taken everything that waited. */
void tls_stream_on_drained(struct tls_stream *s, void (*fn)(void *ctx));
