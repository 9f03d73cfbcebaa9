/* hashset.h - a set of SHA-256 digests, 32 bytes each, as hex on the outside. One thread. */
#pragma once
#include "base/str.h"

#define HASH_HEX 65
struct hashset {
    uint8_t (*slot)[32]; /* open addressing; all zeros: free */
    size_t slots, used;
};
/* 1: added, 0: it was in, ERR_NOMEM, ERR_INVALID: no hash. */
int hashset_add(struct hashset *s, struct str hex);
bool hashset_has(const struct hashset *s, struct str hex);
void hashset_fini(struct hashset *s);
