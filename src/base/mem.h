/* mem.h - allocation, so that tests can make it fail.
 * Every heap allocation of the product goes through these. With mem_fail_at(n) the n-th allocation from
 * now on fails (n = 1: the next), once or from there on. Thread-safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__attribute__((malloc)) void *mem_alloc(size_t n);            /* NULL when out of memory; n = 0 gives a unique pointer */
__attribute__((malloc)) void *mem_calloc(size_t count, size_t size); /* overflow checked */
void *mem_realloc(void *p, size_t n);                 /* the old block stays on failure */
void mem_free(void *p);
__attribute__((malloc)) char *mem_strdup(const char *z);
__attribute__((malloc)) void *mem_dup(const void *p, size_t n);
/* Grow an array to hold at least `want` items (doubling); false when out of memory, nothing lost. */
bool mem_grow(void **items, size_t *cap, size_t want, size_t item_size);

/* For a program of many threads that lives for months, before any of them is started: what is freed goes back to the system. */
void mem_tune(void);

void mem_fail_at(uint64_t nth, bool sticky); /* 0 switches off */
uint64_t mem_count(void);                    /* allocations since start */

void mem_cleanup_free(void *pp); /* for __attribute__((cleanup)): frees *(void **)pp */
#define AUTO_FREE __attribute__((cleanup(mem_cleanup_free)))
#define TAKE(p) ({ __typeof__(p) take_ = (p); (p) = NULL; take_; }) /* ownership leaves this scope */
