/* target.h - where backups lie: chunks by the hash of their content and small documents, in a directory or S3.
 *
 * Keys, all under "bornite-backup/":
 *   chunks/<2 hex>/<SHA-256 in hex>      at most 16 MiB of a file; written once, never changed
 *   backups/<id>/manifest.json           a backup; written last, so that a backup is there as a whole or not at all
 *   logs/<16 hex>.json                   a finished log of the engine, for restoring to a point in time
 * A chunk that is read is hashed again: what comes out is what went in, or ERR_CORRUPT.
 *
 * One thread at a time. Blocking; `cancelled` is asked between chunks and while the throttle holds. */
#pragma once
#include "base/arena.h"
#include "store/object.h"

#define TARGET_CHUNK (16u << 20)
#define TARGET_HASH 65

struct target;
struct target_config {
    const char *url, *secret;     /* as of object_store_open */
    uint64_t bytes_per_s;         /* most that is sent; 0: no limit */
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *ctx;
    bool only_read; /* a directory that is not there is an error, and is not made */
};
MUST_CHECK int target_open(const struct target_config *cfg, struct target **ret, struct error *e);
void target_close(struct target *t); /* NULL allowed */

/* Learn which chunks are there, so that target_put sends only others. */
MUST_CHECK int target_learn(struct target *t, struct error *e);
bool target_has(const struct target *t, struct str hash); /* after target_learn */
/* n <= TARGET_CHUNK, not 0. ret_new (may be NULL): it was not there. */
MUST_CHECK int target_put(struct target *t, const void *p, size_t n, char ret_hash[TARGET_HASH], bool *ret_new,
                          struct error *e);
/* Whole chunk into `p` (room for TARGET_CHUNK). ERR_NOT_FOUND, ERR_CORRUPT. */
MUST_CHECK int target_get(struct target *t, struct str hash, void *p, size_t *ret_n, struct error *e);
uint64_t target_sent(const struct target *t); /* bytes of chunks */

/* Documents by their key below "bornite-backup/". */
MUST_CHECK int target_doc_put(struct target *t, const char *key, struct str text, struct error *e);
MUST_CHECK int target_doc_get(struct target *t, const char *key, struct arena *a, struct str *ret, struct error *e);
MUST_CHECK int target_delete(struct target *t, const char *key, struct error *e);
MUST_CHECK int target_each(struct target *t, const char *prefix,
                           int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx,
                           struct error *e);
bool target_cancelled(const struct target *t);

/* SHA-256 in hex. */
struct hasher;
struct hasher *hasher_new(void); /* NULL: out of memory */
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_end(struct hasher *h, char ret[TARGET_HASH]); /* and begins anew */
void hasher_free(struct hasher *h);
void hash_of(const void *p, size_t n, char ret[TARGET_HASH]);
