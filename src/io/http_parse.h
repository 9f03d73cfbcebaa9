/* http_parse.h - the pure parts of HTTP/1.1 reading (RFC 9112): request head and chunked body.
 * Bytes in, result out; no allocation, no I/O, any thread. Answers that refuse are HTTP statuses as
 * negative numbers (-400, -414, -431, -501, -505). */
#pragma once
#include <stdbool.h>
#include "io/http_server.h"

#define HTTP_HEAD_MAX (16 * 1024)  /* request line and headers together */
#define HTTP_TARGET_MAX (8 * 1024) /* 414 above */
#define HTTP_HEADERS_MAX 100       /* 431 above */

/* Where the search for the end of a head stands; zero it for each new head. */
struct http_scan {
    size_t line; /* where the current line begins */
    size_t at;   /* bytes looked at */
};
/* Length of the head (with its empty line) at the start of p; 0: more bytes are needed; negative: refuse.
 * Call again with the same and more bytes; a line that does not end in CR LF is refused at once. */
int http_head_find(struct http_scan *s, const char *p, size_t n);

struct http_head {
    struct str method, target;
    int minor; /* HTTP/1.minor: 0 or 1 */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t nheaders;
    int64_t content_length; /* -1: none */
    bool chunked, keep_alive, expect_continue;
};
/* Parse a whole head as found above. Views point into p; header names are made lower case in place. 0 or refusal. */
int http_head_parse(char *p, size_t n, struct http_head *ret);
/* Is `token` in a comma-separated list? Case ignored, parameters after ';' not looked at. */
bool http_has_token(struct str list, const char *token);

/* Split a target into decoded path and raw query. Both "/a?b" and "http://host/a?b" are taken. `out` has
 * room for target.n + 1 bytes. Escapes decoded once, "//" and "/./" collapsed; "..", NUL, control
 * characters, a fragment and bytes that are not UTF-8 are refused. */
int http_target_split(struct str target, char *out, struct str *ret_path, struct str *ret_query);

/* Chunked body: zero it to start. */
struct http_chunked {
    uint8_t state;
    uint8_t digits;
    uint32_t extra; /* bytes of extensions and trailers so far */
    uint64_t left;  /* of the current chunk */
};
enum http_chunk { HTTP_CHUNK_MORE, HTTP_CHUNK_DATA, HTTP_CHUNK_END };
/* Take from p; *ret_used bytes were used, also when MORE. DATA: *ret_data points into p. END: the body
 * and its trailers (which are dropped) are over. -400 for what is no chunked body. */
int http_chunked_next(struct http_chunked *c, const char *p, size_t n, size_t *ret_used, struct str *ret_data);
