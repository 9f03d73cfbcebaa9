/* encode.h - base64 (RFC 4648, standard and url), hex, percent-encoding, SHA-1 is left to OpenSSL in io. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
void base64_encode(struct buf *out, const void *p, size_t n, bool url); /* url: no padding */
MUST_CHECK int base64_decode(struct buf *out, struct str s, bool url);  /* ERR_INVALID */
void hex_encode(struct buf *out, const void *p, size_t n);              /* lower case */
MUST_CHECK int hex_decode(struct buf *out, struct str s);
void percent_encode(struct buf *out, struct str s);                     /* all but unreserved */
/* Decode %XX (and + as blank when `form`) into the arena; ERR_INVALID on a bad escape or NUL. */
MUST_CHECK int percent_decode(struct arena *a, struct str s, bool form, struct str *ret);
