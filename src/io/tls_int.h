/* tls_int.h - what the files of io/tls_* share: contexts, PEM texts, the accepting end of a stream. */
#pragma once
#include <openssl/ssl.h>
#include "io/tls_server.h"
#include "io/tls_stream.h"

struct tls_server {
    SSL_CTX *ctx;
    bool verify; /* clients show certificates */
};

/* ERR_INVALID names the option (ca, certificate, key) in e->where. announce: a server tells clients whom it trusts. */
MUST_CHECK int tls_pem_authorities(SSL_CTX *ctx, const char *pem, bool announce, struct error *e);
MUST_CHECK int tls_pem_own(SSL_CTX *ctx, const char *cert, const char *key, struct error *e);

struct tls_accept {
    const struct tls_server *tls; /* NULL: plain */
    uint32_t handshake_ms;        /* 0: 10 s */
    size_t out_max;               /* 0: 1 MiB */
};
/* From the listener's connection callback: the connection that waits; silent until tls_stream_begin, which may call
 * `opened` (plain) or `lost` at once. */
MUST_CHECK int tls_stream_accept(uv_stream_t *from, const struct tls_accept *c, struct tls_stream **ret);
void tls_stream_begin(struct tls_stream *s, const struct tls_stream_ops *ops, void *ctx);
