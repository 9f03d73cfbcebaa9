/* line_int.h - what line_map.c (mappings, meaning) and line_cache.c (what was found) share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/limits.h"
#include "modules/history/line_map.h"

struct line_mapping {
    struct str code, org, database, measurement, pattern, prefix, area, point_spec;
    bool create;
    int weight; /* how much it says of the lines that it takes */
    struct line_mapping *next;
};
struct line_mappings {
    atomic_uint refs;
    struct arena arena;
    struct line_mapping *first;
};

#define LINE_CACHES 32
struct line_map {
    struct node *node;
    pthread_mutex_t lock, making; /* lock: set, caches */
    struct line_mappings *set;
    struct line_cache *cache[LINE_CACHES]; /* each holds one reference */
    uint64_t clock;                        /* counts uses */
    atomic_uint generation;                /* of points and mappings */
    atomic_size_t bytes;                   /* of all caches */
};

/* Dense and in the order in which series came; found by guess (the next one) or by hash. */
struct line_entry {
    uint64_t hash;
    const char *key; /* series and field, one behind the other */
    uint32_t series_n, field_n, num;
    uint32_t expires_s; /* of one that means no point */
    const char *code, *why, *why_zh;
    int why_code;
};
struct line_cache {
    struct line_map *map;
    atomic_uint refs;
    uint8_t who[32]; /* digest of token or session */
    char *database;
    uint64_t used; /* map->clock, under its lock */
    pthread_rwlock_t lock;
    struct line_entry *entry;
    size_t n, cap;
    uint32_t *slot; /* index + 1 */
    size_t nslots, counted; /* counted: bytes of it in map->bytes */
    struct arena keys;
};

/* line_cache.c */
int line_cache_keep(struct line_cache *k, struct str series, struct str field, uint32_t num, const struct line_seen *seen,
                    unsigned generation);
/* Those points have changed (and any series may mean one of them now); n 0: all of it is void. */
void line_caches_forget(struct line_map *m, const uint32_t *num, size_t n);
void line_caches_free(struct line_map *m);
