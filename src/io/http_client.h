/* http_client.h - blocking HTTP client (libcurl) for worker threads: https verified against the system's
 * CAs or a given one, size, time and redirect limits; address filter against SSRF where asked. */
#pragma once
#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"
/* Connections that stay open for later calls: any thread, at most 16 idle ones. */
struct http_keep;
struct http_keep *http_keep_new(void); /* NULL: out of memory */
void http_keep_free(struct http_keep *k);
struct http_call {
    const char *method, *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;
    unsigned timeout_ms;        /* 0: 10000 */
    size_t answer_max;          /* 0: 16 MiB */
    const char *ca_file;        /* NULL: system */
    bool insecure;              /* no certificate check: only when a user chose it */
    bool refuse_local;          /* loopback, link-local, private addresses refused (also after redirects) */
    struct http_keep *keep;     /* NULL: a connection of its own */
    const _Atomic bool *cancel; /* becomes true: the call ends within a second, ERR_CANCELLED; NULL: never */
};
struct http_answer { int status; struct str body; struct str content_type; }; /* in the arena */
MUST_CHECK int http_call(struct arena *a, const struct http_call *c, struct http_answer *ret, struct error *e);
