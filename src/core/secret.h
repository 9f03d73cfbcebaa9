/* secret.h - secrets at rest: sealed with AES-256-GCM under a data key; the data keys are sealed under a
 * master key from a file (<data>/secret.key, 0600, made at first start) or derived (argon2id) from a
 * passphrase (BORNITE_SECRET_PASSPHRASE or --secret-passphrase-file).
 *
 * A sealed text is "$s1$<key number>$<base64url(nonce 12 | ciphertext | tag 16)>", bound to `about` as
 * associated data, so that a sealed value moved to another place does not open. Rotation makes a new data
 * key; old ones stay for reading until everything has been sealed again (a job does it).
 * Any thread; never blocks on SQL after secrets_open. */
#pragma once
#include "base/arena.h"
#include "io/clock.h"
#include "store/sql.h"

struct secrets;
struct secrets_config {
    struct sql *db;             /* table secret_key (number, sealed data key, created) */
    const struct clock *clock;
    const struct rng *rng;
    const char *key_file;       /* made when missing and no data key exists; ERR_CORRUPT when empty, short or wrong */
    const char *passphrase;     /* instead of the file; at least 12 characters */
    bool cheap;                 /* tests only: argon2id at its smallest cost */
};
MUST_CHECK int secrets_open(const struct secrets_config *cfg, struct secrets **ret, struct error *e);
void secrets_close(struct secrets *s); /* NULL allowed */
/* s NULL (tests, kernels without a key): seal copies, open copies. */
MUST_CHECK int secret_seal(struct secrets *s, struct arena *a, struct str about, struct str plain, struct str *ret, struct error *e);
/* A text without the prefix comes back as it is (stored before sealing existed). */
MUST_CHECK int secret_unseal(struct secrets *s, struct arena *a, struct str about, struct str sealed, struct str *ret, struct error *e);
bool secret_is_sealed(struct str s);
bool secret_is_current(struct secrets *s, struct str sealed); /* under the newest data key */
MUST_CHECK int secrets_rotate(struct secrets *s, struct error *e);                      /* a new data key */
MUST_CHECK int secrets_rekey(struct secrets *s, const struct secrets_config *to, struct error *e); /* another master key */
/* What there is, oldest first: how many there are, up to `max` of them in ret. */
struct secret_key_info { int64_t number, created_us; };
size_t secrets_keys(struct secrets *s, struct secret_key_info *ret, size_t max);
int64_t secret_key_number(struct str sealed); /* 0: not sealed */
bool secrets_by_passphrase(struct secrets *s);
/* The routes of docs/api.md "Secrets" and the job that seals again; before jobs_start. */
struct jobs;
struct kernel;
struct api;
MUST_CHECK int secrets_routes_add(struct jobs *js, struct kernel *k, struct api *api, struct error *e);
