/* utf8.h - UTF-8 (RFC 3629): validation and code points. Pure. */
#pragma once
#include "base/str.h"
bool utf8_valid(struct str s);                       /* no overlong, no surrogates, <= U+10FFFF */
size_t utf8_check(struct str s);                     /* bytes that are valid from the start on; s.n when all */
size_t utf8_encode(uint32_t cp, char out[4]);        /* bytes written; 0 for an impossible code point */
uint32_t utf8_next(struct str s, size_t *pos);       /* code point at *pos, advances; U+FFFD and 1 byte on error */
size_t utf8_len(struct str s);                       /* code points */
size_t utf8_floor(struct str s, size_t n);           /* greatest boundary <= n */
