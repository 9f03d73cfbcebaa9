/* auth_password.h - password rules and argon2id hashing (PHC string, parameters inside). */
#pragma once
#include "base/str.h"
#include "io/clock.h"

struct password_cost {
    uint32_t memory_kib, passes, lanes; /* default 19456, 2, 1 (OWASP) */
};
#define PASSWORD_MIN 10  /* code points */
#define PASSWORD_MAX 256 /* bytes */
#define PASSWORD_HASH_MAX 160
/* Long enough, not one of the worst, does not contain the login. */
MUST_CHECK int password_rules(struct str password, struct str login, struct error *e);
/* What the settings ask beyond that. */
MUST_CHECK int password_length_rule(struct str password, int64_t least, struct error *e);
MUST_CHECK int password_class_rule(struct str password, int64_t least, struct error *e); /* 0 to 4 */
/* Both take some ten milliseconds and memory_kib of memory: only on the auth lane. */
MUST_CHECK int password_hash(const struct password_cost *c, const struct rng *r, struct str password,
                             char ret[PASSWORD_HASH_MAX]);
bool password_verify(const char *hash, struct str password);
