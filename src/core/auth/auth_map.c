/* auth_map.c - see auth_map.h. Open addressing with linear probing; the keys are digests, so their
 * first bytes are the hash. Removal moves the followers back, so there are no tombstones. */
#include "core/auth/auth_map.h"
#include <string.h>
#include "base/mem.h"

void auth_map_init(struct auth_map *m, size_t max)
{
    *m = (struct auth_map){.max = max};
}

void auth_map_fini(struct auth_map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value) free_value(m->slots[i].value);
    mem_free(m->slots);
    *m = (struct auth_map){.max = m->max};
}

static size_t home(const struct auth_map *m, const uint8_t *key)
{
    uint64_t h;
    memcpy(&h, key, sizeof(h));
    return h & (m->cap - 1);
}

static size_t find(const struct auth_map *m, const uint8_t *key)
{
    size_t i = home(m, key);
    while (m->slots[i].value && memcmp(m->slots[i].key, key, DIGEST) != 0) i = (i + 1) & (m->cap - 1);
    return i;
}

static int grow(struct auth_map *m)
{
    struct auth_map big = {.cap = m->cap ? m->cap * 2 : 64, .n = m->n, .max = m->max};
    big.slots = mem_calloc(big.cap, sizeof(*big.slots));
    if (!big.slots) return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value) big.slots[find(&big, m->slots[i].key)] = m->slots[i];
    mem_free(m->slots);
    *m = big;
    return 0;
}

int auth_map_put(struct auth_map *m, const uint8_t key[DIGEST], void *value)
{
    if (m->n >= m->max) return ERR_LIMIT;
    if ((m->n + 1) * 2 > m->cap) {
        int rc = grow(m);
        if (rc) return rc;
    }
    size_t i = find(m, key);
    if (m->slots[i].value) return ERR_EXISTS;
    memcpy(m->slots[i].key, key, DIGEST);
    m->slots[i].value = value;
    m->n++;
    return 0;
}

void *auth_map_get(const struct auth_map *m, const uint8_t key[DIGEST])
{
    return m->cap ? m->slots[find(m, key)].value : NULL;
}

void *auth_map_take(struct auth_map *m, const uint8_t key[DIGEST])
{
    if (!m->cap) return NULL;
    size_t i = find(m, key), mask = m->cap - 1;
    void *value = m->slots[i].value;
    if (!value) return NULL;
    m->n--;
    for (size_t j = (i + 1) & mask; m->slots[j].value; j = (j + 1) & mask) {
        size_t h = home(m, m->slots[j].key);
        if (((j - h) & mask) >= ((j - i) & mask)) {
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i].value = NULL;
    return value;
}
