/* tls_server.h - a listening port on a libuv loop, plain or TLS; each connection is a tls_stream (tls_stream.h). For
 * outlets that serve others.
 *
 * Use       tls_server_new (when TLS is wanted) -> tls_listener_open; `accept` is called for each connection that the
 *           list of addresses lets in, before its handshake, and returns the context for the stream's callbacks: the
 *           stream is the owner's from then on (opened, data, lost, tls_stream_close), also past the listener's end.
 * TLS       1.2 and 1.3, ciphers with forward secrecy and AEAD. With authorities for clients a certificate of theirs is
 *           required, or only asked for; tls_stream_name tells its common name.
 * Threads   all on the loop's thread. A tls_server is immutable and must outlive its streams. */
#pragma once
#include "io/ip_list.h"
#include "io/tls_stream.h"

struct tls_server;
struct tls_server_config {
    const char *cert_pem, *key_pem; /* PEM texts, also in one line; both needed; the chain in cert_pem */
    const char *client_ca_pem;      /* NULL or "": clients are not asked for certificates */
    bool client_optional;           /* who shows none is let in, too */
    const char *alpn;               /* one protocol that is chosen when it is offered; NULL: none */
};
/* ERR_INVALID names the option (certificate, key, ca) in e->where. */
MUST_CHECK int tls_server_new(const struct tls_server_config *c, struct tls_server **ret, struct error *e);
void tls_server_free(struct tls_server *t); /* NULL too */

struct tls_listener_ops {
    struct tls_stream_ops stream;
    /* NULL: refused; the stream is closed here then. tls_stream_host and _port say who it is. */
    void *(*accept)(void *ctx, struct tls_stream *s);
    /* Somebody whom the list does not let in; may be NULL. */
    void (*refused)(void *ctx, const char *host);
};
struct tls_listener_config {
    const char *address;          /* an IP address: "0.0.0.0", "::", "127.0.0.1" */
    uint16_t port;                /* 0: the system chooses */
    const struct tls_server *tls; /* NULL: plain; must outlive listener and streams */
    const struct ip_list *allow;  /* copied; NULL or empty: everybody */
    uint32_t handshake_ms;        /* 0: 10 s */
    size_t out_max;               /* of each stream; 0: 1 MiB */
};
struct tls_listener;
/* *ops and ctx stay the caller's. ERR_INVALID: no IP address; ERR_UNAVAILABLE: it cannot be listened on, *e says why.
 */
MUST_CHECK int tls_listener_open(uv_loop_t *loop, const struct tls_listener_config *c,
                                 const struct tls_listener_ops *ops, void *ctx, struct tls_listener **ret,
                                 struct error *e);
unsigned tls_listener_port(const struct tls_listener *l); /* the real one */
/* No more are accepted; `closed` (may be NULL) comes from the loop. Streams are not touched. */
void tls_listener_close(struct tls_listener *l, void (*closed)(void *arg), void *arg);
