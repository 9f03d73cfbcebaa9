/* auth_map.h - a small hash map from a 32-byte digest to an owned pointer. Not locked: the owner's lock. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define DIGEST 32
struct auth_map_slot {
    uint8_t key[DIGEST];
    void *value; /* NULL: free */
};
struct auth_map {
    struct auth_map_slot *slots;
    size_t cap, n, max; /* cap a power of two */
};
void auth_map_init(struct auth_map *m, size_t max);
void auth_map_fini(struct auth_map *m, void (*free_value)(void *));
MUST_CHECK int auth_map_put(struct auth_map *m, const uint8_t key[DIGEST], void *value); /* ERR_LIMIT, ERR_NOMEM */
void *auth_map_get(const struct auth_map *m, const uint8_t key[DIGEST]);
void *auth_map_take(struct auth_map *m, const uint8_t key[DIGEST]); /* removes */
#define auth_map_each(m, i, v) \
    for (size_t i = 0; i < (m)->cap; i++) \
        if (((v) = (m)->slots[i].value))
