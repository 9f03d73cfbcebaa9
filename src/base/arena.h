/* arena.h - memory with one lifetime: a request, a query, a message. Blocks are taken from mem_alloc up
 * to a maximum; nothing is freed one by one. One thread at a time. */
#pragma once
#include "base/str.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, max; /* bytes handed out; most that may be */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);                   /* forget all, keep one block */
void *arena_alloc(struct arena *a, size_t n);        /* 16-aligned, NOT zeroed; NULL at the maximum or out of memory */
void *arena_calloc(struct arena *a, size_t count, size_t size); /* zeroed, overflow checked */
char *arena_strdup(struct arena *a, struct str s);   /* terminated copy */
struct str arena_str(struct arena *a, struct str s); /* copy; {NULL,0} when out of memory */
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *a, const char *fmt, ...);
void arena_cleanup(struct arena *a);                 /* for __attribute__((cleanup)) */
#define AUTO_ARENA __attribute__((cleanup(arena_cleanup))) struct arena
