/* jwt.h - ID tokens (RFC 7519, signed as of RFC 7515) checked against a provider's keys (RFC 7517): RS256 and
 * ES256, nothing else. Pure but for OpenSSL; any thread. */
#pragma once
#include "base/arena.h"
#include "base/json.h"

#define JWT_MAX (64 << 10)
#define JWT_SKEW_S 60

struct jwt_want {
    struct str issuer, audience, nonce;
    int64_t now_us;
};
/* Signature by one of `keys` ({"keys":[…]}), then the claims. ret: the claims, in the arena. The error says
 * what is wrong. ERR_UNAUTHENTICATED for whatever is not right about the token. */
MUST_CHECK int jwt_verify(struct arena *a, struct str token, const struct json *keys, const struct jwt_want *want,
                          const struct json **ret, struct error *e);
