/* secret_int.h - between secret.c (data keys, sealing), secret_key.c (the master key) and secret_cipher.c. */
#pragma once
#include "core/secret.h"

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define SEAL_EXTRA (NONCE_BYTES + TAG_BYTES)

/* AES-256-GCM; out has room for n + SEAL_EXTRA (nonce | ciphertext | tag). */
MUST_CHECK int cipher_seal(const uint8_t key[KEY_BYTES], const struct rng *rng, struct str about, const void *plain,
                           size_t n, uint8_t *out);
/* in: n bytes as sealed; out has room for n - SEAL_EXTRA. ERR_CORRUPT when anything differs. */
MUST_CHECK int cipher_open(const uint8_t key[KEY_BYTES], struct str about, const uint8_t *in, size_t n, void *out);

#define MASTER_NOTE_MAX 128
struct master {
    uint8_t key[KEY_BYTES];
    char note[MASTER_NOTE_MAX]; /* "file", or "argon2id:<passes>:<KiB>:<salt in hex>" */
};
/* The master key that cfg names. `note`: of the data keys there are, "" when there are none (then a key
 * file or a salt is made). Errors name the file and the remedy. */
MUST_CHECK int master_get(const struct secrets_config *cfg, const char *note, struct master *ret, struct error *e);
