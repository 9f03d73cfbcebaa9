/* http_multi.h - HTTP calls that do not block: a client (libcurl) on a libuv loop, for drivers and outlets. HTTP/1.1 and 2,
 * TLS 1.2 and 1.3, connections kept and shared by the calls of one client.
 *
 * Threads    all on the loop's thread. Names are resolved in threads of libcurl.
 * Life       http_multi_ask -> `done` exactly once, from the loop, never inside http_multi_ask; or http_multi_cancel, after
 *            which it does not come. http_multi_close completes what is left with ERR_CANCELLED, in there, and `closed`
 *            comes from the loop when all handles are gone. Every function may be called in `done`.
 * Redirects  are followed only to the same host (its https, too), at most as many as asked for: headers with keys go
 *            nowhere else. Other methods than GET and HEAD follow 307 and 308 only. Other schemes are never followed.
 * Metadata   the address where clouds hand out credentials of their machines (169.254.169.254) is never connected to.
 * Once       a call with `once` has a connection of its own and is never repeated by the library.
 * Bounds     answer_max bytes of a decoded body, 64 KiB of headers, timeout_ms for all of it with its redirects. */
#pragma once
#include <uv.h>
#include "base/str.h"
#include "io/http_server.h"

struct http_multi;
struct http_multi_config {
    const char *ca_pem, *cert_pem, *key_pem; /* PEM texts, also in one line; NULL or "": the system's authorities, no own */
    bool insecure;            /* any certificate will do: only when a user chose it */
    unsigned connections_max; /* to one host; 0: 8 */
    uint32_t connect_ms;      /* 0: 10 s */
    /* An HTTP proxy ("http://10.0.0.1:3128"; TLS goes through it by CONNECT), and its user; NULL or "": none. It resolves
     * the names and connects in our place: who gives one checks http_url_is_metadata. */
    const char *proxy, *proxy_user, *proxy_password;
};
/* ERR_INVALID names the option (ca, certificate, key) in e->where; ERR_NOMEM. Texts are copied. */
MUST_CHECK int http_multi_new(uv_loop_t *loop, const struct http_multi_config *c, struct http_multi **ret, struct error *e);
void http_multi_close(struct http_multi *m, void (*closed)(void *arg), void *arg); /* NULL client: closed at once, in here */

struct http_reply {
    int status;
    const struct http_header *headers; /* of the last answer; names in lower case */
    size_t nheaders;
    struct str body;
};
struct str http_reply_header(const struct http_reply *r, const char *name); /* the first; {NULL,0} when absent */

/* How a call ended; all memory dies with the callback. */
struct http_end {
    const struct http_reply *reply; /* NULL: error says why */
    const struct error *error;      /* ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_TOO_LARGE, ERR_FORBIDDEN (redirect), ERR_INVALID (url) … */
    bool sent;                      /* the request went out: the server may have acted on it */
    uint32_t ms;
    uint64_t bytes_in, bytes_out;
};
typedef void http_done(void *arg, const struct http_end *end);

struct http_ask {
    const char *method, *url;       /* method NULL: GET */
    const char *const *headers;     /* "Name: value", NULL-terminated; may be NULL */
    struct str body;                /* copied; p NULL: none */
    uint32_t timeout_ms;            /* 0: 10 s */
    size_t answer_max;              /* 0: 16 MiB */
    unsigned redirects;             /* 0: none */
    bool once;
};
struct http_flight; /* a call on its way; gone when done was called */
MUST_CHECK int http_multi_ask(struct http_multi *m, const struct http_ask *q, http_done *done, void *arg, struct http_flight **ret,
                              struct error *e); /* ERR_NOMEM, ERR_CLOSED; ret may be NULL */
void http_multi_cancel(struct http_flight *f);
/* Close the connections that stand idle; nothing when a call is on its way. */
void http_multi_drop_idle(struct http_multi *m);
/* May `url` be asked? http or https, a host, no user information, no fragment. ERR_INVALID says what would be right. */
MUST_CHECK int http_url_check(const char *url, struct error *e);
/* `ref` as it stands in a document that came from `base` (RFC 3986): absolute, "/path", "?page=2". ERR_INVALID, ERR_TOO_LARGE. */
MUST_CHECK int http_url_resolve(const char *base, const char *ref, char *ret, size_t cap, struct error *e);
/* The same scheme, host and port, or `to` the https of `from` on the usual ports: what a key may be sent to. */
bool http_url_is_metadata(const char *url); /* its host is, as an address, where clouds hand out credentials */
bool http_url_same_host(const char *from, const char *to);
/* Retry-After as seconds from now (a number or a date); -1: unreadable. */
int64_t http_retry_after_s(struct str value, int64_t now_us);
