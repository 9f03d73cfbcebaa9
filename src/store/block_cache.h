/* block_cache.h - blocks of immutable files in memory, least recently used out first, bounded in bytes.
 *
 * A block is known by the number of its file and its index; whoever asks first fetches, others that want the same
 * block wait for it. Numbers of files are never used twice, so that nothing has to be thrown away when a file ends.
 * Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define BLOCK_BYTES (256u << 10)
struct block_cache;
/* Fetch one whole block into `to` (n bytes of the file from `at`): 0 or an error. May block. */
typedef int block_fetch_fn(void *ctx, void *to, size_t n, uint64_t at);

MUST_CHECK int block_cache_new(size_t bytes, struct block_cache **ret);
void block_cache_free(struct block_cache *c);
/* Bytes [at, at + n) of a file of `size` bytes; all inside. */
MUST_CHECK int block_cache_read(struct block_cache *c, uint64_t file, uint64_t size, void *to, size_t n, uint64_t at,
                                block_fetch_fn *fetch, void *ctx);
void block_cache_counts(struct block_cache *c, uint64_t *ret_hits, uint64_t *ret_fetches);
