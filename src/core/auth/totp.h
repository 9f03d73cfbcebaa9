/* totp.h - time-based one-time passwords (RFC 6238 over RFC 4226: HMAC-SHA-1, 30 s, 6 digits) and base32. */
#pragma once
#include "base/buf.h"

#define TOTP_SECRET 20 /* bytes */
#define TOTP_STEP_S 30
#define TOTP_WINDOW 1 /* steps that a clock may be off, both ways */

unsigned totp_code(const uint8_t *secret, size_t n, uint64_t step); /* 0 … 999999 */
/* The step that `code` (six digits, blanks ignored) is right for at that time, later than `last`; 0: none. */
uint64_t totp_check(const uint8_t *secret, size_t n, struct str code, int64_t now_us, uint64_t last);
void base32_encode(struct buf *out, const uint8_t *p, size_t n); /* RFC 4648, without padding */
MUST_CHECK int base32_decode(struct str s, uint8_t *out, size_t cap, size_t *ret_n);
